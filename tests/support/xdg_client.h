#ifndef TESTS_SUPPORT_XDG_CLIENT_H
#define TESTS_SUPPORT_XDG_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-util.h>

struct fixture;
struct wl_buffer;
struct wl_callback;
struct wl_compositor;
struct wl_data_device;
struct wl_data_device_manager;
struct wl_display;
struct wl_keyboard;
struct wl_pointer;
struct wl_registry;
struct wl_seat;
struct wl_shm;
struct wl_subcompositor;
struct wl_surface;
struct xdg_popup;
struct xdg_surface;
struct xdg_toplevel;
struct xdg_wm_base;
struct zxdg_decoration_manager_v1;

/*
 * A Wayland client with windows of one colour each, which notes what it is told of its keyboard
 * and pointer. It lives in the test's process and is served by fixture_step(). Whatever has no
 * function here a test does with the client's objects itself.
 */

struct xdg_client_key {
	uint32_t keycode; /* evdev */
	uint32_t state; /* enum wl_keyboard_key_state */
};

#define XDG_CLIENT_EVENTS_MAX 64

struct xdg_client {
	struct fixture *fixture;
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct wl_subcompositor *subcompositor;
	struct wl_shm *shm;
	struct wl_seat *seat;
	struct wl_data_device_manager *data_devices;
	struct xdg_wm_base *wm_base;
	struct zxdg_decoration_manager_v1 *decorations;
	struct wl_list windows; /* xdg_window.link */
	uint32_t serial; /* of the last input event that has one */

	struct {
		struct wl_keyboard *wl_keyboard;
		struct wl_surface *focus; /* NULL: none of this client's */
		struct xdg_client_key keys[XDG_CLIENT_EVENTS_MAX]; /* pressed and released */
		size_t key_count;
		size_t held_count; /* keys that were down at the last enter */
		uint32_t modifiers; /* those held down, as xkb numbers them */
	} keyboard;

	struct {
		struct wl_pointer *wl_pointer;
		struct wl_surface *focus; /* NULL: none of this client's */
		double sx, sy;
		size_t motion_count;
		struct xdg_client_key buttons[XDG_CLIENT_EVENTS_MAX]; /* BTN_… of linux/input.h */
		size_t button_count;
		double scrolled; /* the sum of the vertical axis */
	} pointer;
};

#define XDG_WINDOW_BUFFERS 3

/* A toplevel or a popup. */
struct xdg_window {
	struct wl_list link; /* xdg_client.windows */
	struct xdg_client *client;
	struct wl_surface *surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel; /* NULL: a popup */
	struct xdg_popup *popup; /* NULL: a toplevel */

	/* The last configure, which is acknowledged at once. */
	size_t configure_count;
	uint32_t configure_serial;
	int32_t x, y; /* popups: relative to the parent */
	int32_t width, height; /* toplevels: 0 if the client is to choose */
	bool is_activated, is_maximized, is_fullscreen, is_resizing;

	bool is_close_requested; /* popups: dismissed */

	struct xdg_window_buffer {
		struct wl_buffer *wl_buffer; /* NULL: none yet */
		uint32_t *pixels;
		int width, height;
		bool is_busy; /* the compositor may be reading it */
	} buffers[XDG_WINDOW_BUFFERS];
	size_t draw_count;
	uint32_t rgb; /* drawn last, 0xRRGGBB */
	int drawn_width, drawn_height;

	struct wl_callback *frame_callback; /* NULL: none is under way */
	size_t frame_count; /* callbacks that came */
	bool is_animated;
};

/* Connects to the fixture's compositor. A failure fails the test, here and below. */
struct xdg_client *xdg_client_create(struct fixture *fixture);

/* Destroys its windows and objects, and disconnects. Fine on a broken connection. NULL is fine. */
void xdg_client_destroy(struct xdg_client *client);

/*
 * Breaks the connection as the death of a process does, and steps until the compositor has
 * noticed: nothing is destroyed by request. The client's objects are there until
 * xdg_client_destroy().
 */
void xdg_client_cut(struct xdg_client *client);

/* Steps until what the client has sent is answered, or the connection is broken. */
void xdg_client_roundtrip(struct xdg_client *client);

/*
 * Steps until the connection is broken, by a protocol error of an object of the given interface
 * with the given code. Anything else fails the test. NULL: an object that the client has destroyed,
 * so that it does not know the interface any more.
 */
void xdg_client_expect_error(struct xdg_client *client, const char *interface, uint32_t code);

/* A toplevel without a buffer whose initial commit is still to come. */
struct xdg_window *xdg_window_create(struct xdg_client *client);

/* A popup likewise, width x height at x, y of the parent's top left. */
struct xdg_window *xdg_window_create_popup(
		struct xdg_window *parent, int x, int y, int width, int height);

/* Does the initial commit, and steps until the answer has come. */
void xdg_window_configure(struct xdg_window *window);

/*
 * Commits a buffer of that size and colour (0xRRGGBB), with a frame callback unless one is under
 * way. Does not wait.
 */
void xdg_window_draw(struct xdg_window *window, int width, int height, uint32_t rgb);

/* Configures, draws, and steps until the frame callback: the window is on screen. */
void xdg_window_show(struct xdg_window *window, int width, int height, uint32_t rgb);

/* Steps until the next frame callback. */
void xdg_window_wait_frame(struct xdg_window *window);

/* From now on, draws again at each frame callback, in another colour each time. */
void xdg_window_animate(struct xdg_window *window);

/* Unmaps it by a commit without a buffer. */
void xdg_window_hide(struct xdg_window *window);

/* Destroys it in the order that the protocol wants. NULL is fine. */
void xdg_window_destroy(struct xdg_window *window);

#endif
