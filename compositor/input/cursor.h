#ifndef ORIEL_INPUT_CURSOR_H
#define ORIEL_INPUT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct oriel_seat;
struct wlr_cursor;
struct wlr_cursor_shape_manager_v1;
struct wlr_output_layout;
struct wlr_pointer;
struct wlr_scene;
struct wlr_surface;
struct wlr_xcursor_manager;

/*
 * Where the pointer's events go. Embedded in what moves or resizes by the pointer; while it is
 * started no client hears of the pointer.
 */
struct oriel_pointer_grab {
	/* The pointer moved to this place in the layout. */
	void (*motion)(struct oriel_pointer_grab *grab, double lx, double ly);
	/* A button was released, or oriel_cursor_end_grab() called: no more motion follows. */
	void (*end)(struct oriel_pointer_grab *grab);
};

/*
 * The pointer: all pointing devices as one, the image, and which client hears of it. There are
 * some ways an event can go, the first that applies:
 *
 * 1. a guest that has grabbed the input takes it: the pointer is hidden then, and stands still, or,
 *    if the guest wants places, is kept within the guest's picture;
 * 2. a grab of ours (a window is moved or resized) takes it;
 * 3. while a button is down, the client that got the press keeps the pointer, wherever it is:
 *    Wayland's implicit grab. wlroots' own grabs (popups, drags) choose for themselves;
 * 4. the surface under the pointer gets it, or the guest, if it is the one that has the focus.
 *
 * A guest that has the pointer and shows a cursor of its own has the only one: there is no image then.
 */
struct oriel_cursor {
	struct oriel_seat *seat;
	struct wlr_output_layout *layout;
	struct wlr_scene *scene;

	struct wlr_cursor *wlr_cursor;
	struct wlr_xcursor_manager *xcursors;
	struct wl_list pointers; /* cursor_pointer.link */
	/*
	 * There is a device, and it was moved since it came. Until then there is no image, and no
	 * client has the pointer: a mouse that nobody touches does not lie on a guest's picture.
	 */
	bool awake;

	struct oriel_pointer_grab *grab; /* NULL: none is started */
	double held_lx, held_ly; /* origin of the surface that was pressed on */
	bool is_grabbed; /* by a guest */
	bool is_locked; /* by that guest */
	bool is_replaced; /* by the cursor of the guest that has the pointer */
	/* Where a device that knows places was last while it is locked; NAN: nowhere yet */
	double locked_lx, locked_ly;
	struct wl_event_source *update; /* NULL: no update is under way */

	struct wl_listener motion;
	struct wl_listener motion_absolute;
	struct wl_listener button;
	struct wl_listener axis;
	struct wl_listener frame;
	struct wl_listener layout_change;
	struct wl_listener focus_change;
	struct wl_listener pointer_grab_end;
	struct wl_listener request_set_cursor;
	struct wl_listener request_set_shape;
	struct wl_listener guest_change;
	struct wl_listener guest_cursor;
};

/**
 * Create the pointer of a seat, and the cursor-shape-v1 global. layout and scene are borrowed.
 *
 * Returns NULL after logging.
 */
struct oriel_cursor *oriel_cursor_create(struct oriel_seat *seat, struct wl_display *display,
		struct wlr_output_layout *layout, struct wlr_scene *scene);

/**
 * NULL is fine. Ends the grab, if one is started. Before layout, scene and wlr_seat.
 */
void oriel_cursor_destroy(struct oriel_cursor *cursor);

/**
 * Find the output that the pointer is on. Borrowed; NULL if there is none.
 */
struct wlr_output *oriel_cursor_get_output(const struct oriel_cursor *cursor);

/**
 * Let a device move the pointer until the device is destroyed. output_name, copied, is the output
 * that its absolute motion is meant for; NULL: the whole layout.
 */
void oriel_cursor_add_pointer(
		struct oriel_cursor *cursor, struct wlr_pointer *pointer, const char *output_name);

/**
 * Look anew at what is under the pointer: to be called when windows came, went or moved. Done when
 * the event loop is idle, once however often it was called: a client that goes takes all its
 * windows at once.
 */
void oriel_cursor_update(struct oriel_cursor *cursor);

/**
 * Is this serial that of the button press which now holds the pointer, on the surface or on a
 * subsurface of it? Clients ask to be moved or resized with it.
 */
bool oriel_cursor_validate_press(
		struct oriel_cursor *cursor, struct wlr_surface *root, uint32_t serial);

/**
 * Start a grab, which ends when a button is released. shape is a cursor's name in CSS, borrowed
 * for the call. An earlier grab is ended first.
 */
void oriel_cursor_start_grab(
		struct oriel_cursor *cursor, struct oriel_pointer_grab *grab, const char *shape);

/**
 * End this grab, if it is the one that is started. Its end is called.
 */
void oriel_cursor_end_grab(struct oriel_cursor *cursor, struct oriel_pointer_grab *grab);

#endif
