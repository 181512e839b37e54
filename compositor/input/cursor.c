#include "input/cursor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_cursor_shape_v1.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_xcursor_manager.h>
#include <wlr/util/log.h>

#include "input/drag.h"
#include "input/guest_input.h"
#include "input/seat.h"

#define CURSOR_SIZE_DEFAULT 24
#define CURSOR_SIZE_MAX 512

struct cursor_pointer {
	struct wl_list link; /* oriel_cursor.pointers */
	struct oriel_cursor *cursor;
	struct wlr_input_device *device;
	char *output_name; /* NULL: the whole layout */
	struct wl_listener destroy;
};

static uint32_t now_msec(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Image */

static bool cursor_is_seen(const struct oriel_cursor *cursor) {
	return cursor->awake && !cursor->is_locked && !cursor->is_replaced;
}

struct wlr_output *oriel_cursor_get_output(const struct oriel_cursor *cursor) {
	return wlr_output_layout_output_at(
			cursor->layout, cursor->wlr_cursor->x, cursor->wlr_cursor->y);
}

static void cursor_show(struct oriel_cursor *cursor, const char *shape) {
	if (cursor_is_seen(cursor)) {
		/* wlroots looks for a place on the cursor plane only when an image is set. */
		oriel_guest_input_yield_cursor_plane(
				&cursor->seat->guest_input, oriel_cursor_get_output(cursor));
		wlr_cursor_set_xcursor(cursor->wlr_cursor, cursor->xcursors, shape);
	} else {
		wlr_cursor_unset_image(cursor->wlr_cursor);
	}
}

static void cursor_wake(struct oriel_cursor *cursor) {
	if (!cursor->awake) {
		cursor->awake = true;
		cursor_show(cursor, "default");
	}
}

/* Only who has the pointer may say how it looks. */
static bool cursor_obeys(const struct oriel_cursor *cursor, const struct wlr_seat_client *client) {
	return client != NULL && cursor->grab == NULL && cursor_is_seen(cursor) &&
			cursor->seat->wlr_seat->pointer_state.focused_client == client;
}

static void handle_request_set_cursor(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, request_set_cursor);
	const struct wlr_seat_pointer_request_set_cursor_event *event = data;
	if (cursor_obeys(cursor, event->seat_client)) {
		wlr_cursor_set_surface(cursor->wlr_cursor, event->surface, event->hotspot_x,
				event->hotspot_y);
	}
}

static void handle_request_set_shape(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, request_set_shape);
	const struct wlr_cursor_shape_manager_v1_request_set_shape_event *event = data;
	if (event->device_type == WLR_CURSOR_SHAPE_MANAGER_V1_DEVICE_TYPE_POINTER &&
			cursor_obeys(cursor, event->seat_client)) {
		cursor_show(cursor, wlr_cursor_shape_v1_name(event->shape));
	}
}

/*
 * A client that loses the pointer takes its image along; the next one to get the pointer sets its
 * own, and needs one to be seen until it does. Between surfaces of one client the image stays, so
 * that it does not flicker.
 */
static void handle_focus_change(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, focus_change);
	const struct wlr_seat_pointer_focus_change_event *event = data;
	bool same_client = event->old_surface != NULL && event->new_surface != NULL &&
			wl_resource_get_client(event->old_surface->resource) ==
					wl_resource_get_client(event->new_surface->resource);
	if (!same_client && cursor->grab == NULL) {
		cursor_show(cursor, "default");
	}
}

/* Where the pointer is */

static struct wlr_surface *cursor_find_surface(
		const struct oriel_cursor *cursor, double *ret_sx, double *ret_sy) {
	double sx, sy;
	struct wlr_scene_node *node = wlr_scene_node_at(&cursor->scene->tree.node,
			cursor->wlr_cursor->x, cursor->wlr_cursor->y, &sx, &sy);
	if (node == NULL || node->type != WLR_SCENE_NODE_BUFFER) {
		return NULL;
	}
	struct wlr_scene_surface *scene_surface =
			wlr_scene_surface_try_from_buffer(wlr_scene_buffer_from_node(node));
	/* While a surface is being unmapped its node may still be there. */
	if (scene_surface == NULL || !scene_surface->surface->mapped) {
		return NULL;
	}
	*ret_sx = sx;
	*ret_sy = sy;
	return scene_surface->surface;
}

/* The guest whose display, and no window, is under the pointer; NULL: none that takes input. */
static struct oriel_guest_view *cursor_find_guest(const struct oriel_cursor *cursor) {
	/* What is dragged belongs to the windows. */
	if (cursor->grab != NULL || wlr_seat_pointer_has_grab(cursor->seat->wlr_seat)) {
		return NULL;
	}
	return oriel_guest_input_find(
			&cursor->seat->guest_input, cursor->wlr_cursor->x, cursor->wlr_cursor->y);
}

/* There is no image where a guest shows its own cursor. */
static void cursor_update_replaced(struct oriel_cursor *cursor) {
	bool is_replaced = oriel_guest_input_shows_cursor(
			&cursor->seat->guest_input, cursor_find_guest(cursor));
	if (cursor->is_replaced == is_replaced) {
		return;
	}
	cursor->is_replaced = is_replaced;
	cursor_show(cursor, "default");
}

static bool cursor_is_held(const struct oriel_cursor *cursor) {
	const struct wlr_seat_pointer_state *state = &cursor->seat->wlr_seat->pointer_state;
	return state->button_count > 0 && state->focused_surface != NULL &&
			state->focused_surface->mapped &&
			!wlr_seat_pointer_has_grab(cursor->seat->wlr_seat);
}

static void cursor_confine(struct oriel_cursor *cursor) {
	double lx = cursor->wlr_cursor->x;
	double ly = cursor->wlr_cursor->y;
	if (oriel_guest_input_confine(&cursor->seat->guest_input, &lx, &ly)) {
		wlr_cursor_warp_closest(cursor->wlr_cursor, NULL, lx, ly);
	}
}

static void cursor_process_motion(struct oriel_cursor *cursor, uint32_t time_msec) {
	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	cursor_confine(cursor);
	double lx = cursor->wlr_cursor->x;
	double ly = cursor->wlr_cursor->y;

	if (cursor->grab != NULL) {
		cursor->grab->motion(cursor->grab, lx, ly);
		return;
	}
	if (cursor->seat->drag != NULL) {
		oriel_drag_move(cursor->seat->drag, lx, ly);
	}
	if (cursor_is_held(cursor)) {
		wlr_seat_pointer_notify_motion(
				wlr_seat, time_msec, lx - cursor->held_lx, ly - cursor->held_ly);
		return;
	}

	struct oriel_guest_view *guest = cursor_find_guest(cursor);
	oriel_guest_input_point(&cursor->seat->guest_input, guest, lx, ly);
	cursor_update_replaced(cursor);
	if (oriel_guest_input_holds_pointer(&cursor->seat->guest_input)) {
		return;
	}

	double sx, sy;
	struct wlr_surface *surface = cursor_find_surface(cursor, &sx, &sy);
	if (surface == NULL) {
		wlr_seat_pointer_notify_clear_focus(wlr_seat);
		return;
	}
	wlr_seat_pointer_notify_enter(wlr_seat, surface, sx, sy);
	wlr_seat_pointer_notify_motion(wlr_seat, time_msec, sx, sy);
}

static void cursor_end_frame(struct oriel_cursor *cursor) {
	wlr_seat_pointer_notify_frame(cursor->seat->wlr_seat);
	oriel_guest_input_frame(&cursor->seat->guest_input);
}

static void handle_update(void *data) {
	struct oriel_cursor *cursor = data;
	cursor->update = NULL;
	if (cursor->awake && !cursor->is_locked && cursor->grab == NULL) {
		cursor_process_motion(cursor, now_msec());
		cursor_end_frame(cursor);
	}
}

void oriel_cursor_update(struct oriel_cursor *cursor) {
	if (cursor->update == NULL) {
		struct wl_event_loop *loop =
				wl_display_get_event_loop(cursor->seat->wlr_seat->display);
		/* Without memory for it the next motion puts things right. */
		cursor->update = wl_event_loop_add_idle(loop, handle_update, cursor);
	}
}

static void handle_pointer_grab_end(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, pointer_grab_end);
	oriel_cursor_update(cursor);
}

/* Events of the devices */

static void handle_motion(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, motion);
	const struct wlr_pointer_motion_event *event = data;
	cursor_wake(cursor);
	/* Not accelerated: the guest does that. */
	if (oriel_guest_input_motion(
			    &cursor->seat->guest_input, event->unaccel_dx, event->unaccel_dy)) {
		return;
	}
	wlr_cursor_move(cursor->wlr_cursor, &event->pointer->base, event->delta_x, event->delta_y);
	cursor_process_motion(cursor, event->time_msec);
}

/* A guest that has locked the pointer wants distances: those from the last place. */
static void cursor_process_locked_place(struct oriel_cursor *cursor,
		const struct wlr_pointer_motion_absolute_event *event) {
	double lx, ly;
	wlr_cursor_absolute_to_layout_coords(
			cursor->wlr_cursor, &event->pointer->base, event->x, event->y, &lx, &ly);
	if (!isnan(cursor->locked_lx)) {
		oriel_guest_input_motion(&cursor->seat->guest_input, lx - cursor->locked_lx,
				ly - cursor->locked_ly);
	}
	cursor->locked_lx = lx;
	cursor->locked_ly = ly;
}

static void handle_motion_absolute(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, motion_absolute);
	const struct wlr_pointer_motion_absolute_event *event = data;
	cursor_wake(cursor);
	if (cursor->is_locked) {
		cursor_process_locked_place(cursor, event);
		return;
	}
	wlr_cursor_warp_absolute(cursor->wlr_cursor, &event->pointer->base, event->x, event->y);
	cursor_process_motion(cursor, event->time_msec);
}

/* Makes who is under the pointer the one that hears of the press. */
static void cursor_process_press(struct oriel_cursor *cursor, uint32_t time_msec) {
	double sx, sy;
	struct wlr_surface *surface = cursor_find_surface(cursor, &sx, &sy);
	/* May raise or close windows: then the press goes to what is there now. */
	wl_signal_emit_mutable(&cursor->seat->events.press, surface);
	struct oriel_guest_view *guest = cursor_find_guest(cursor);
	if (guest != NULL) {
		oriel_seat_focus_guest(cursor->seat, guest);
	}
	cursor_process_motion(cursor, time_msec);
}

static void handle_button(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, button);
	const struct wlr_pointer_button_event *event = data;
	const struct wlr_seat_pointer_state *state = &cursor->seat->wlr_seat->pointer_state;
	struct oriel_guest_input *guest_input = &cursor->seat->guest_input;
	bool is_pressed = event->state == WL_POINTER_BUTTON_STATE_PRESSED;
	cursor_wake(cursor);

	if (cursor->grab != NULL) {
		if (event->state == WL_POINTER_BUTTON_STATE_RELEASED) {
			oriel_cursor_end_grab(cursor, cursor->grab);
		}
		return;
	}

	bool is_held = cursor_is_held(cursor);
	if (is_pressed && !is_held && !oriel_guest_input_holds_pointer(guest_input)) {
		cursor_process_press(cursor, event->time_msec);
	}
	if (!is_held &&
			oriel_guest_input_button(guest_input, cursor_find_guest(cursor),
					event->button, is_pressed)) {
		oriel_cursor_update(cursor); /* a window may be there, and hear of the pointer again */
		return;
	}
	wlr_seat_pointer_notify_button(
			cursor->seat->wlr_seat, event->time_msec, event->button, event->state);

	if (event->state == WL_POINTER_BUTTON_STATE_PRESSED && state->button_count == 1) {
		cursor->held_lx = cursor->wlr_cursor->x - state->sx;
		cursor->held_ly = cursor->wlr_cursor->y - state->sy;
	} else if (event->state == WL_POINTER_BUTTON_STATE_RELEASED && state->button_count == 0) {
		oriel_cursor_update(cursor);
	}
}

static void handle_axis(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, axis);
	const struct wlr_pointer_axis_event *event = data;
	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	if (cursor->grab != NULL) {
		return;
	}
	if (!cursor_is_held(cursor) &&
			oriel_guest_input_axis(&cursor->seat->guest_input,
					cursor_find_guest(cursor), event)) {
		return;
	}
	/*
	 * wlroots asserts that all of a frame's axis events have one source, but passes on what a
	 * virtual pointer sends, and a frame that ends while nobody has the pointer does not count.
	 */
	if (wlr_seat->pointer_state.sent_axis_source &&
			wlr_seat->pointer_state.cached_axis_source != event->source) {
		wlr_seat_pointer_send_frame(wlr_seat);
	}
	wlr_seat_pointer_notify_axis(wlr_seat, event->time_msec, event->orientation, event->delta,
			event->delta_discrete, event->source, event->relative_direction);
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, frame);
	cursor_end_frame(cursor);
}

/*
 * A grab by a guest takes the pointer from everybody else: from a window that is moved, a menu, a
 * drag, and the client that has it.
 */
static void handle_guest_change(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, guest_change);
	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	const struct oriel_guest_input *guest_input = &cursor->seat->guest_input;
	bool is_new_grab = guest_input->is_grabbed && !cursor->is_grabbed;
	bool is_other_lock = guest_input->is_locked != cursor->is_locked;
	cursor->is_grabbed = guest_input->is_grabbed;
	cursor->is_locked = guest_input->is_locked;
	if (is_new_grab) {
		oriel_cursor_end_grab(cursor, cursor->grab);
		wlr_seat_pointer_end_grab(wlr_seat);
		wlr_seat_pointer_notify_clear_focus(wlr_seat);
	}
	if (is_other_lock) {
		cursor->locked_lx = cursor->locked_ly = NAN;
		cursor_update_replaced(cursor);
		cursor_show(cursor, "default");
	}
	oriel_cursor_update(cursor); /* the guest under the pointer may have the focus now */
}

static void handle_guest_cursor(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, guest_cursor);
	cursor_update_replaced(cursor);
}

/* Devices */

/*
 * wlroots keeps a bare pointer to the output that a device is mapped to, so what is mapped is
 * looked up anew whenever an output comes or goes.
 */
static void cursor_map_pointer(struct oriel_cursor *cursor, const struct cursor_pointer *pointer) {
	struct wlr_output *output = NULL;
	struct wlr_output_layout_output *layout_output;
	wl_list_for_each(layout_output, &cursor->layout->outputs, link) {
		if (pointer->output_name != NULL &&
				strcmp(layout_output->output->name, pointer->output_name) == 0) {
			output = layout_output->output;
		}
	}
	wlr_cursor_map_input_to_output(cursor->wlr_cursor, pointer->device, output);
}

static void handle_layout_change(struct wl_listener *listener, void *data) {
	struct oriel_cursor *cursor = wl_container_of(listener, cursor, layout_change);
	struct cursor_pointer *pointer;
	wl_list_for_each(pointer, &cursor->pointers, link) {
		cursor_map_pointer(cursor, pointer);
	}
	oriel_cursor_update(cursor);
}

static void cursor_pointer_destroy(struct cursor_pointer *pointer) {
	wl_list_remove(&pointer->link);
	wl_list_remove(&pointer->destroy.link);
	free(pointer->output_name);
	free(pointer);
}

static void handle_pointer_destroy(struct wl_listener *listener, void *data) {
	struct cursor_pointer *pointer = wl_container_of(listener, pointer, destroy);
	struct oriel_cursor *cursor = pointer->cursor;
	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	cursor_pointer_destroy(pointer);

	/*
	 * The device let go of its buttons before, but of each only once: a button that it pressed
	 * twice would hold the pointer for ever.
	 */
	bool last = wl_list_empty(&cursor->pointers);
	if (last || wlr_seat->pointer_state.button_count > 0) {
		cursor->awake = cursor->awake && !last;
		oriel_cursor_end_grab(cursor, cursor->grab);
		wlr_seat_pointer_end_grab(wlr_seat); /* a drag waits for that button */
		wlr_seat_pointer_notify_clear_focus(wlr_seat);
		cursor_show(cursor, "default");
	}
	oriel_cursor_update(cursor);
}

void oriel_cursor_add_pointer(struct oriel_cursor *cursor, struct wlr_pointer *wlr_pointer,
		const char *output_name) {
	struct cursor_pointer *pointer = calloc(1, sizeof(*pointer));
	if (pointer == NULL) {
		wlr_log_errno(WLR_ERROR, "pointer %s: out of memory", wlr_pointer->base.name);
		return;
	}
	pointer->cursor = cursor;
	pointer->device = &wlr_pointer->base;
	/* Without memory for a name it moves over the whole layout: no worse than unmapped. */
	pointer->output_name = output_name != NULL ? strdup(output_name) : NULL;
	pointer->destroy.notify = handle_pointer_destroy;
	wl_signal_add(&pointer->device->events.destroy, &pointer->destroy);

	wl_list_insert(&cursor->pointers, &pointer->link);
	wlr_cursor_attach_input_device(cursor->wlr_cursor, pointer->device);
	cursor_map_pointer(cursor, pointer);
}

/* Grabs */

bool oriel_cursor_validate_press(
		struct oriel_cursor *cursor, struct wlr_surface *root, uint32_t serial) {
	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	struct wlr_surface *focus = wlr_seat->pointer_state.focused_surface;
	return cursor->grab == NULL && focus != NULL && !wlr_seat_pointer_has_grab(wlr_seat) &&
			wlr_surface_get_root_surface(focus) == root &&
			wlr_seat_validate_pointer_grab_serial(wlr_seat, NULL, serial);
}

void oriel_cursor_start_grab(
		struct oriel_cursor *cursor, struct oriel_pointer_grab *grab, const char *shape) {
	oriel_cursor_end_grab(cursor, cursor->grab);
	/* The client never hears of the release: leaving takes the press back. */
	wlr_seat_pointer_notify_clear_focus(cursor->seat->wlr_seat);
	cursor->grab = grab;
	cursor_update_replaced(cursor);
	cursor_show(cursor, shape);
}

void oriel_cursor_end_grab(struct oriel_cursor *cursor, struct oriel_pointer_grab *grab) {
	if (grab == NULL || cursor->grab != grab) {
		return;
	}
	cursor->grab = NULL;
	grab->end(grab);
	cursor_show(cursor, "default");
	oriel_cursor_update(cursor);
}

/* Birth and death */

static uint32_t read_cursor_size(void) {
	const char *text = getenv("XCURSOR_SIZE");
	if (text == NULL || *text == '\0') {
		return CURSOR_SIZE_DEFAULT;
	}
	char *end;
	errno = 0;
	unsigned long size = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || size < 1 || size > CURSOR_SIZE_MAX) {
		wlr_log(WLR_ERROR, "XCURSOR_SIZE: expected a number from 1 to %d, got \"%s\"",
				CURSOR_SIZE_MAX, text);
		return CURSOR_SIZE_DEFAULT;
	}
	return (uint32_t)size;
}

static void cursor_listen(struct oriel_cursor *cursor, struct wlr_cursor_shape_manager_v1 *shapes) {
	struct wlr_cursor *wlr_cursor = cursor->wlr_cursor;
	cursor->motion.notify = handle_motion;
	wl_signal_add(&wlr_cursor->events.motion, &cursor->motion);
	cursor->motion_absolute.notify = handle_motion_absolute;
	wl_signal_add(&wlr_cursor->events.motion_absolute, &cursor->motion_absolute);
	cursor->button.notify = handle_button;
	wl_signal_add(&wlr_cursor->events.button, &cursor->button);
	cursor->axis.notify = handle_axis;
	wl_signal_add(&wlr_cursor->events.axis, &cursor->axis);
	cursor->frame.notify = handle_frame;
	wl_signal_add(&wlr_cursor->events.frame, &cursor->frame);

	cursor->layout_change.notify = handle_layout_change;
	wl_signal_add(&cursor->layout->events.change, &cursor->layout_change);

	struct wlr_seat *wlr_seat = cursor->seat->wlr_seat;
	cursor->focus_change.notify = handle_focus_change;
	wl_signal_add(&wlr_seat->pointer_state.events.focus_change, &cursor->focus_change);
	cursor->pointer_grab_end.notify = handle_pointer_grab_end;
	wl_signal_add(&wlr_seat->events.pointer_grab_end, &cursor->pointer_grab_end);
	cursor->request_set_cursor.notify = handle_request_set_cursor;
	wl_signal_add(&wlr_seat->events.request_set_cursor, &cursor->request_set_cursor);
	cursor->request_set_shape.notify = handle_request_set_shape;
	wl_signal_add(&shapes->events.request_set_shape, &cursor->request_set_shape);

	cursor->guest_change.notify = handle_guest_change;
	wl_signal_add(&cursor->seat->guest_input.events.change, &cursor->guest_change);
	cursor->guest_cursor.notify = handle_guest_cursor;
	wl_signal_add(&cursor->seat->guest_input.events.cursor, &cursor->guest_cursor);
}

struct oriel_cursor *oriel_cursor_create(struct oriel_seat *seat, struct wl_display *display,
		struct wlr_output_layout *layout, struct wlr_scene *scene) {
	struct oriel_cursor *cursor = calloc(1, sizeof(*cursor));
	struct wlr_cursor *wlr_cursor = wlr_cursor_create();
	struct wlr_xcursor_manager *xcursors =
			wlr_xcursor_manager_create(getenv("XCURSOR_THEME"), read_cursor_size());
	struct wlr_cursor_shape_manager_v1 *shapes = wlr_cursor_shape_manager_v1_create(display, 2);
	if (cursor == NULL || wlr_cursor == NULL || xcursors == NULL || shapes == NULL) {
		wlr_log(WLR_ERROR, "cannot create the pointer");
		wlr_xcursor_manager_destroy(xcursors);
		if (wlr_cursor != NULL) {
			wlr_cursor_destroy(wlr_cursor);
		}
		free(cursor);
		return NULL;
	}

	cursor->seat = seat;
	cursor->layout = layout;
	cursor->scene = scene;
	cursor->wlr_cursor = wlr_cursor;
	cursor->xcursors = xcursors;
	wl_list_init(&cursor->pointers);
	wlr_cursor_attach_output_layout(wlr_cursor, layout);
	cursor_listen(cursor, shapes);
	return cursor;
}

void oriel_cursor_destroy(struct oriel_cursor *cursor) {
	if (cursor == NULL) {
		return;
	}
	struct oriel_pointer_grab *grab = cursor->grab;
	cursor->grab = NULL;
	if (grab != NULL) {
		grab->end(grab);
	}

	struct cursor_pointer *pointer, *next;
	wl_list_for_each_safe(pointer, next, &cursor->pointers, link) {
		cursor_pointer_destroy(pointer);
	}
	if (cursor->update != NULL) {
		wl_event_source_remove(cursor->update);
	}
	wl_list_remove(&cursor->motion.link);
	wl_list_remove(&cursor->motion_absolute.link);
	wl_list_remove(&cursor->button.link);
	wl_list_remove(&cursor->axis.link);
	wl_list_remove(&cursor->frame.link);
	wl_list_remove(&cursor->layout_change.link);
	wl_list_remove(&cursor->focus_change.link);
	wl_list_remove(&cursor->pointer_grab_end.link);
	wl_list_remove(&cursor->request_set_cursor.link);
	wl_list_remove(&cursor->request_set_shape.link);
	wl_list_remove(&cursor->guest_change.link);
	wl_list_remove(&cursor->guest_cursor.link);

	wlr_cursor_destroy(cursor->wlr_cursor);
	wlr_xcursor_manager_destroy(cursor->xcursors);
	free(cursor);
}
