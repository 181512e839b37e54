#ifndef ORIEL_INPUT_SEAT_H
#define ORIEL_INPUT_SEAT_H

#include <stdbool.h>
#include <wayland-server-core.h>

#include "input/guest_input.h"
#include "input/inhibit.h"
#include "input/leds.h"
#include "input/touch.h"

struct oriel_clipboard;
struct oriel_config;
struct oriel_cursor;
struct oriel_drag;
struct oriel_guest_view;
struct oriel_layout;
struct wlr_backend;
struct wlr_keyboard_group;
struct wlr_output_layout;
struct wlr_scene;
struct wlr_seat;
struct wlr_session;
struct wlr_surface;
struct xkb_keymap;

/*
 * The one seat: every keyboard, pointer and touch screen there is, physical or virtual, and what they act on.
 *
 * The seat always has a keyboard and a pointer, whether or not a device is plugged in: virtual
 * ones come and go at any time, and a client that loses its wl_keyboard with the last of them
 * would miss the first keys of the next. The pointer's image is there from the first
 * motion on.
 *
 * A client with a virtual keyboard or pointer has the hands of the user: it can press the key
 * that quits. It cannot do worse. Likewise a client with data control has what the user copies.
 *
 * The keyboard has one place to go at most: a surface, or a guest.
 */
struct oriel_seat {
	struct wlr_seat *wlr_seat;
	struct wlr_session *session; /* borrowed; NULL: no VT switching */
	const struct oriel_config *config; /* borrowed */

	struct oriel_cursor *cursor;
	struct oriel_drag *drag;
	struct oriel_clipboard *clipboard;
	struct xkb_keymap *keymap; /* of physical keyboards; NULL if none could be compiled */
	struct wlr_keyboard_group *keyboard_group; /* the physical keyboards */
	struct oriel_leds leds; /* of those */
	struct wl_list keyboards; /* oriel_keyboard.link */
	struct oriel_touch touch;
	struct oriel_guest_input guest_input;
	struct oriel_inhibit inhibit;

	/*
	 * The surface that is to have the keyboard; may be NULL. While a popup or a drag holds the
	 * keyboard wlroots has another one, and this one gets it back.
	 */
	struct wlr_surface *focus;

	struct {
		/* const struct oriel_config_binding *: a binding's key, or "escape"'s, went down */
		struct wl_signal action;
		/*
		 * struct wlr_surface *: a pointer button went down on the surface, or on none (NULL).
		 * Comes before the client is told of the button.
		 */
		struct wl_signal press;
		/* struct wlr_surface *: focus changed to the surface, or to none (NULL) */
		struct wl_signal focus;
	} events;

	struct wl_listener focus_destroy;
	struct wl_listener new_input;
	struct wl_listener new_virtual_keyboard;
	struct wl_listener new_virtual_pointer;
	struct wl_listener keyboard_grab_end;
	struct wl_listener request_set_selection;
	struct wl_listener request_set_primary_selection;
};

/**
 * Create the seat and the globals that belong to input: wl_seat, wl_data_device_manager, primary
 * selection, ext-data-control-v1 and its forerunner wlr-data-control-unstable-v1, cursor-shape-v1, keyboard-shortcuts-inhibit-v1, virtual-keyboard-v1 and
 * wlr-virtual-pointer-v1. Devices of the backend are taken as they come, so create the seat before
 * the backend starts; those that guests' input is made of are left alone.
 *
 * guests are those that can have the input. session may be NULL: Ctrl+Alt+F1 to F12 then go to the client. Everything else must be there;
 * all of it is borrowed and must outlive the seat. The keyboard's layout comes from the
 * environment (XKB_DEFAULT_LAYOUT and so on), the pointer's look from XCURSOR_THEME and
 * XCURSOR_SIZE.
 *
 * Returns NULL after logging one line.
 */
struct oriel_seat *oriel_seat_create(struct wl_display *display, struct wlr_backend *backend,
		struct wlr_output_layout *layout, struct wlr_scene *scene,
		const struct oriel_layout *guests, struct wlr_session *session,
		const struct oriel_config *config);

/**
 * Destroy the seat. NULL is fine. The shell goes before it; display, backend, layout and scene
 * after it. Clients may still be there.
 */
void oriel_seat_destroy(struct oriel_seat *seat);

/**
 * Give the keyboard to a surface, NULL to none. A surface that is destroyed loses it by itself.
 * A guest that has grabbed the input keeps it: then nothing happens.
 */
void oriel_seat_focus_surface(struct oriel_seat *seat, struct wlr_surface *surface);

/**
 * Give the input to a guest. One that takes none leaves it to nobody.
 */
void oriel_seat_focus_guest(struct oriel_seat *seat, struct oriel_guest_view *view);

/**
 * The wlroots seat, borrowed, for what else has to do with it.
 */
struct wlr_seat *oriel_seat_get_wlr_seat(struct oriel_seat *seat);

#endif
