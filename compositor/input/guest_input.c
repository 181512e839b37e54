#include "input/guest_input.h"

#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_scene.h>

#include "guest/source.h"
#include "view/guest_view.h"
#include "view/layout.h"

/* Who has the input */

static void input_drop_listeners(struct oriel_guest_input *input) {
	wl_list_remove(&input->sink_pointer.link);
	wl_list_init(&input->sink_pointer.link);
	wl_list_remove(&input->sink_leds.link);
	wl_list_init(&input->sink_leds.link);
	wl_list_remove(&input->view_state.link);
	wl_list_init(&input->view_state.link);
	wl_list_remove(&input->view_cursor.link);
	wl_list_init(&input->view_cursor.link);
	wl_list_remove(&input->view_destroy.link);
	wl_list_init(&input->view_destroy.link);
}

static void input_update_grab(struct oriel_guest_input *input, bool is_grabbed) {
	struct oriel_input_sink *sink = input->focus->input;
	input->is_grabbed = is_grabbed;
	input->is_grabbed_by_press = false;
	input->is_locked = is_grabbed && sink->pointer != ORIEL_INPUT_SINK_POINTER_PLACES;
	oriel_input_sink_release_all(sink);
	oriel_input_sink_set_relative(sink, input->is_locked);
}

/* Whoever caught the pointer by a press does not look for keys to get it back. */
static void handle_sink_pointer(struct wl_listener *listener, void *data) {
	struct oriel_guest_input *input = wl_container_of(listener, input, sink_pointer);
	input_update_grab(input, input->is_grabbed && !input->is_grabbed_by_press);
	wl_signal_emit_mutable(&input->events.change, NULL);
}

static void handle_sink_leds(struct wl_listener *listener, void *data) {
	struct oriel_guest_input *input = wl_container_of(listener, input, sink_leds);
	wl_signal_emit_mutable(&input->events.leds, NULL);
}

static void handle_view_state(struct wl_listener *listener, void *data) {
	struct oriel_guest_input *input = wl_container_of(listener, input, view_state);
	const enum oriel_source_state *state = data;
	/* One that is off is another matter: it may be waiting for a key to wake up. */
	if (*state == ORIEL_SOURCE_STATE_LOST) {
		oriel_input_sink_release_all(input->focus->input);
		oriel_guest_input_set_grabbed(input, false);
	}
}

static void handle_view_cursor(struct wl_listener *listener, void *data) {
	struct oriel_guest_input *input = wl_container_of(listener, input, view_cursor);
	wl_signal_emit_mutable(&input->events.cursor, NULL);
}

static void handle_view_destroy(struct wl_listener *listener, void *data) {
	struct oriel_guest_input *input = wl_container_of(listener, input, view_destroy);
	oriel_guest_input_set_focus(input, NULL);
}

void oriel_guest_input_set_focus(struct oriel_guest_input *input, struct oriel_guest_view *view) {
	if (view != NULL && view->input == NULL) {
		view = NULL;
	}
	if (view == input->focus) {
		return;
	}
	if (input->focus != NULL) {
		input_drop_listeners(input);
		input_update_grab(input, false);
	}
	input->has_news = false;
	input->focus = view;
	if (view != NULL) {
		wl_signal_add(&view->input->events.pointer, &input->sink_pointer);
		wl_signal_add(&view->input->events.leds, &input->sink_leds);
		wl_signal_add(&view->events.state, &input->view_state);
		wl_signal_add(&view->events.cursor, &input->view_cursor);
		wl_signal_add(&view->events.destroy, &input->view_destroy);
	}
	wl_signal_emit_mutable(&input->events.change, NULL);
	wl_signal_emit_mutable(&input->events.leds, NULL);
}

void oriel_guest_input_set_grabbed(struct oriel_guest_input *input, bool is_grabbed) {
	if (input->focus == NULL || input->is_grabbed == is_grabbed) {
		return;
	}
	input_update_grab(input, is_grabbed);
	wl_signal_emit_mutable(&input->events.change, NULL);
}

void oriel_guest_input_init(struct oriel_guest_input *input, const struct oriel_layout *layout,
		struct wlr_scene *scene) {
	*input = (struct oriel_guest_input){ .layout = layout, .scene = scene };
	wl_signal_init(&input->events.change);
	wl_signal_init(&input->events.cursor);
	wl_signal_init(&input->events.leds);
	input->sink_pointer.notify = handle_sink_pointer;
	wl_list_init(&input->sink_pointer.link);
	input->sink_leds.notify = handle_sink_leds;
	wl_list_init(&input->sink_leds.link);
	input->view_state.notify = handle_view_state;
	wl_list_init(&input->view_state.link);
	input->view_cursor.notify = handle_view_cursor;
	wl_list_init(&input->view_cursor.link);
	input->view_destroy.notify = handle_view_destroy;
	wl_list_init(&input->view_destroy.link);
}

void oriel_guest_input_finish(struct oriel_guest_input *input) {
	oriel_guest_input_set_focus(input, NULL);
}

struct oriel_guest_view *oriel_guest_input_find(
		const struct oriel_guest_input *input, double lx, double ly) {
	double nx, ny;
	struct wlr_scene_node *node = wlr_scene_node_at(&input->scene->tree.node, lx, ly, &nx, &ny);
	struct oriel_guest_view *view =
			node != NULL ? oriel_layout_find_by_node(input->layout, node) : NULL;
	return view != NULL && view->input != NULL ? view : NULL;
}

bool oriel_guest_input_get_leds(const struct oriel_guest_input *input, uint32_t *ret_leds) {
	if (input->focus == NULL || !input->focus->input->has_leds) {
		return false;
	}
	*ret_leds = input->focus->input->leds;
	return true;
}

bool oriel_guest_input_owns_node(const struct oriel_guest_input *input, const char *sysname) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &input->layout->views, link) {
		if (view->input != NULL && oriel_input_sink_has_node(view->input, sysname)) {
			return true;
		}
	}
	return false;
}

/* Events. After each the guest may draw: it is looked at as often as one that does. */

static void input_end_frame(struct oriel_guest_input *input) {
	oriel_input_sink_frame(input->focus->input);
	oriel_source_wake(input->focus->source);
}

bool oriel_guest_input_key(struct oriel_guest_input *input, uint32_t code, bool is_pressed) {
	if (input->focus == NULL ||
			(!is_pressed && !oriel_input_sink_is_down(input->focus->input, code))) {
		return false;
	}
	oriel_input_sink_key(input->focus->input, code, is_pressed);
	input_end_frame(input);
	return true;
}

bool oriel_guest_input_motion(struct oriel_guest_input *input, double dx, double dy) {
	if (!input->is_locked) {
		return false;
	}
	oriel_input_sink_motion_relative(input->focus->input, dx, dy);
	input->has_news = true;
	return true;
}

bool oriel_guest_input_holds_pointer(const struct oriel_guest_input *input) {
	return input->is_grabbed ||
			(input->focus != NULL &&
					oriel_input_sink_has_buttons_down(input->focus->input));
}

/* Is the pointer on the focused guest's picture, and could only be moved there by distances? */
static bool input_wants_lock(
		const struct oriel_guest_input *input, const struct oriel_guest_view *over) {
	return input->focus != NULL && input->focus == over && !input->is_grabbed &&
			over->input->pointer == ORIEL_INPUT_SINK_POINTER_DISTANCES;
}

static bool input_has_pointer(
		const struct oriel_guest_input *input, const struct oriel_guest_view *over) {
	return oriel_guest_input_holds_pointer(input) ||
			(input->focus != NULL && input->focus == over &&
					!input_wants_lock(input, over));
}

bool oriel_guest_input_confine(const struct oriel_guest_input *input, double *lx, double *ly) {
	return input->is_grabbed && !input->is_locked &&
			oriel_guest_view_confine(input->focus, lx, ly);
}

bool oriel_guest_input_shows_cursor(
		const struct oriel_guest_input *input, const struct oriel_guest_view *over) {
	return input_has_pointer(input, over) && oriel_guest_view_has_cursor(input->focus);
}

void oriel_guest_input_yield_cursor_plane(
		const struct oriel_guest_input *input, const struct wlr_output *output) {
	struct oriel_guest_view *view =
			output != NULL ? oriel_layout_get_view_at(input->layout, output) : NULL;
	if (view != NULL) {
		oriel_guest_view_yield_cursor_plane(view);
	}
}

void oriel_guest_input_point(struct oriel_guest_input *input, struct oriel_guest_view *over,
		double lx, double ly) {
	double x, y;
	if (!input->is_locked && input_has_pointer(input, over) &&
			oriel_guest_view_locate(input->focus, lx, ly, &x, &y)) {
		oriel_input_sink_motion_absolute(input->focus->input, x, y);
		input->has_news = true;
	}
}

bool oriel_guest_input_button(struct oriel_guest_input *input, struct oriel_guest_view *over,
		uint32_t code, bool is_pressed) {
	/* Where the pointer is has nothing to do with where the guest's is: it is not meant for that. */
	if (is_pressed && input_wants_lock(input, over)) {
		oriel_guest_input_set_grabbed(input, true);
		input->is_grabbed_by_press = input->is_grabbed;
		return true;
	}
	bool is_taken = is_pressed ? input_has_pointer(input, over)
				   : input->focus != NULL &&
					oriel_input_sink_is_down(input->focus->input, code);
	if (is_taken) {
		oriel_input_sink_button(input->focus->input, code, is_pressed);
		input->has_news = true;
	}
	/* Nobody else saw presses during a grab, and nobody is to see releases. */
	return is_taken || input->is_grabbed;
}

bool oriel_guest_input_axis(struct oriel_guest_input *input, struct oriel_guest_view *over,
		const struct wlr_pointer_axis_event *event) {
	if (!input_has_pointer(input, over)) {
		return false;
	}
	enum oriel_input_sink_axis axis = event->orientation == WL_POINTER_AXIS_VERTICAL_SCROLL
			? ORIEL_INPUT_SINK_AXIS_VERTICAL
			: ORIEL_INPUT_SINK_AXIS_HORIZONTAL;
	oriel_input_sink_axis(input->focus->input, axis, event->delta, event->delta_discrete);
	input->has_news = true;
	return true;
}

void oriel_guest_input_frame(struct oriel_guest_input *input) {
	if (input->has_news) {
		input->has_news = false;
		input_end_frame(input);
	}
}

void oriel_guest_input_touch_down(
		struct oriel_guest_input *input, unsigned touch, double lx, double ly) {
	double x, y;
	if (input->focus != NULL && oriel_guest_view_locate(input->focus, lx, ly, &x, &y)) {
		oriel_input_sink_touch_down(input->focus->input, touch, x, y);
		input->has_news = true;
	}
}

void oriel_guest_input_touch_motion(
		struct oriel_guest_input *input, unsigned touch, double lx, double ly) {
	double x, y;
	if (input->focus != NULL && oriel_guest_view_locate(input->focus, lx, ly, &x, &y)) {
		oriel_input_sink_touch_motion(input->focus->input, touch, x, y);
		input->has_news = true;
	}
}

void oriel_guest_input_touch_up(struct oriel_guest_input *input, unsigned touch) {
	if (input->focus != NULL) {
		oriel_input_sink_touch_up(input->focus->input, touch);
		input->has_news = true;
	}
}
