#include "view/guest_view.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/log.h>

#include "bridge/latch.h"
#include "guest/frame.h"
#include "guest/input_sink.h"
#include "guest/source.h"
#include "view/fit.h"
#include "view/state_text.h"

/* How long the last frame stays when a guest's display goes away: a guest that resets or sets a
 * mode is back before that. */
#define GUEST_VIEW_GRACE_MS 3000
/* How long a guest that shows nothing yet may take before a text says so: most take less, and would
 * only make it flash. */
#define GUEST_VIEW_TEXT_MS 1000

/* A whole scale in the output's pixels, which a scaled output's layout coordinates are not. */
static bool guest_view_is_sharp(const struct oriel_guest_view *view, const struct wlr_box *box) {
	int guest_width, guest_height;
	oriel_guest_frame_get_size(view->primary.frame, &guest_width, &guest_height);
	float scale = view->output->scale;
	int width = (int)((float)box->width * scale + 0.5f);
	int height = (int)((float)box->height * scale + 0.5f);
	return width > 0 && height > 0 &&
			oriel_fit_box(guest_width, guest_height, width, height).whole;
}

/* What is to be said as long as nothing is shown. */
static const char *guest_view_get_sentence(const struct oriel_guest_view *view) {
	switch (oriel_guest_view_get_state(view)) {
	case ORIEL_SOURCE_STATE_WAITING:
		return "waiting for its display";
	case ORIEL_SOURCE_STATE_RUNNING:
		/* It has a picture, which waits for its fence or was refused. */
		return oriel_latch_get_pending_count(view->primary.latch) > 0
				? "waiting for its display"
				: "its picture cannot be shown";
	case ORIEL_SOURCE_STATE_ERROR:
		return "its picture cannot be shown";
	case ORIEL_SOURCE_STATE_OFF:
		return "its display is off";
	case ORIEL_SOURCE_STATE_LOST:
		return "its display is gone";
	case ORIEL_SOURCE_STATE_RESTARTED:
		return "restarted, waiting for its display";
	}
	return NULL;
}

static void guest_view_update_text(struct oriel_guest_view *view) {
	bool is_shown = view->is_settled && view->primary.frame == NULL;
	oriel_state_text_say(view->text, is_shown ? guest_view_get_sentence(view) : NULL);
}

static void guest_view_layout_primary(struct oriel_guest_view *view) {
	int width, height;
	oriel_guest_frame_get_size(view->primary.frame, &width, &height);
	struct oriel_fit fit = oriel_fit_box(width, height, view->box.width, view->box.height);
	const struct oriel_guest_view_ground ground = {
		.width = width,
		.height = height,
		.box = fit.box,
		.filter_mode = guest_view_is_sharp(view, &fit.box) ? WLR_SCALE_FILTER_NEAREST
								   : WLR_SCALE_FILTER_BILINEAR,
	};
	wlr_scene_node_set_position(&view->primary.scene_buffer->node, fit.box.x, fit.box.y);
	wlr_scene_buffer_set_dest_size(view->primary.scene_buffer, fit.box.width, fit.box.height);
	wlr_scene_buffer_set_filter_mode(view->primary.scene_buffer, ground.filter_mode);
	/* The cursor of a guest that has gone moves no more. */
	oriel_guest_view_cursor_arrange(&view->cursor, view->gone ? NULL : view->output, &ground);
}

static void guest_view_layout(struct oriel_guest_view *view) {
	wlr_scene_node_set_enabled(&view->tree->node, view->output != NULL);
	if (view->output != NULL) {
		wlr_scene_node_set_position(&view->tree->node, view->box.x, view->box.y);
		wlr_scene_rect_set_size(view->background, view->box.width, view->box.height);
		oriel_state_text_arrange(
				view->text, view->box.width, view->box.height, view->output->scale);
	}
	if (view->output != NULL && view->primary.frame != NULL) {
		guest_view_layout_primary(view);
	} else {
		oriel_guest_view_cursor_arrange(&view->cursor, NULL, NULL);
	}
}

static void guest_view_handle_primary_frame(struct wl_listener *listener, void *data) {
	struct oriel_guest_view *view = wl_container_of(listener, view, primary_frame);
	if (!view->gone) {
		wl_event_source_timer_update(view->timer, 0);
	}
	guest_view_update_text(view);
	guest_view_layout(view);
}

static void guest_view_handle_cursor_visible(struct wl_listener *listener, void *data) {
	struct oriel_guest_view *view = wl_container_of(listener, view, cursor_visible);
	wl_signal_emit_mutable(&view->events.cursor, NULL);
}

static bool guest_view_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	struct oriel_guest_view *view = data;
	return plane == ORIEL_GUEST_PLANE_CURSOR
			? oriel_guest_view_cursor_wants(&view->cursor, buffer)
			: oriel_guest_view_plane_wants(&view->primary, buffer);
}

static void guest_view_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	struct oriel_guest_view *view = data;
	if (take_frame->plane == ORIEL_GUEST_PLANE_CURSOR) {
		oriel_guest_view_cursor_submit(&view->cursor, take_frame);
	} else {
		oriel_guest_view_plane_submit(&view->primary, take_frame);
	}
}

static void guest_view_handle_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	struct oriel_guest_view *view = data;
	oriel_guest_view_cursor_move(&view->cursor, cursor);
}

static void guest_view_handle_state(void *data, enum oriel_source_state state) {
	struct oriel_guest_view *view = data;
	/* A picture that cannot be shown is no reason to give up the last one that could, nor to keep
	 * that of a guest that has gone. */
	bool gone = state == ORIEL_SOURCE_STATE_OFF || state == ORIEL_SOURCE_STATE_LOST ||
			state == ORIEL_SOURCE_STATE_RESTARTED ||
			(state == ORIEL_SOURCE_STATE_ERROR && view->gone);
	if (!gone) {
		wl_event_source_timer_update(
				view->timer, view->primary.frame == NULL ? GUEST_VIEW_TEXT_MS : 0);
	} else if (!view->gone) {
		wl_event_source_timer_update(view->timer, GUEST_VIEW_GRACE_MS);
	}
	view->gone = gone;
	guest_view_layout(view);
	/* What is said stays until there is something to see, or it turns out that there is not. */
	if (state != ORIEL_SOURCE_STATE_RUNNING) {
		guest_view_update_text(view);
	}
	wl_signal_emit_mutable(&view->events.state, &state);
}

/* Behind windows it is not. When they go, the scene is damaged, and the output asks again. */
static bool guest_view_is_visible(const struct oriel_guest_view *view) {
	return view->output != NULL &&
			(view->primary.frame == NULL ||
					view->primary.scene_buffer->primary_output != NULL);
}

static void guest_view_handle_pending(void *data) {
	struct oriel_guest_view *view = data;
	if (guest_view_is_visible(view)) {
		wlr_output_schedule_frame(view->output);
	}
}

static const struct oriel_source_consumer guest_view_consumer = {
	.wants = guest_view_handle_wants,
	.frame = guest_view_handle_frame,
	.cursor = guest_view_handle_cursor,
	.pending = guest_view_handle_pending,
	.state = guest_view_handle_state,
};

/* Nothing has come since the guest went, or for as long as a guest takes that shows anything. */
static int guest_view_handle_timer(void *data) {
	struct oriel_guest_view *view = data;
	if (view->gone) {
		oriel_guest_view_blank(view);
	}
	view->is_settled = view->primary.frame == NULL;
	guest_view_update_text(view);
	if (view->is_settled && oriel_source_get_state(view->source) == ORIEL_SOURCE_STATE_RUNNING) {
		/* Its fence may signal yet, and the picture be refused. */
		wl_event_source_timer_update(view->timer, GUEST_VIEW_TEXT_MS);
	}
	return 0;
}

struct oriel_guest_view *oriel_guest_view_create(struct wl_event_loop *loop,
		struct wlr_scene_tree *parent, const struct oriel_render_sync *sync,
		struct oriel_source *take_source, const char *output_name) {
	const char *name = oriel_source_get_name(take_source);
	struct oriel_guest_view *view = calloc(1, sizeof(*view));
	if (view == NULL) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		oriel_source_destroy(take_source);
		return NULL;
	}
	wl_list_init(&view->link);
	wl_list_init(&view->primary_frame.link);
	wl_list_init(&view->cursor_visible.link);
	wl_signal_init(&view->events.state);
	wl_signal_init(&view->events.cursor);
	wl_signal_init(&view->events.destroy);
	view->source = take_source;
	view->sync = sync;

	view->timer = wl_event_loop_add_timer(loop, guest_view_handle_timer, view);
	view->tree = wlr_scene_tree_create(parent);
	if (view->timer == NULL || view->tree == NULL) {
		goto error;
	}
	if (output_name != NULL && (view->output_name = strdup(output_name)) == NULL) {
		goto error;
	}
	const float black[] = { 0, 0, 0, 1 };
	view->background = wlr_scene_rect_create(view->tree, 0, 0, black);
	if (view->background == NULL ||
			!oriel_guest_view_plane_init(&view->primary, loop, view->tree, name, sync,
					&view->stats)) {
		goto error;
	}
	view->text = oriel_state_text_create(view->tree, name);
	if (view->text == NULL ||
			!oriel_guest_view_cursor_init(&view->cursor, loop, view->tree, name, sync,
					&view->stats)) {
		goto error;
	}
	view->primary_frame.notify = guest_view_handle_primary_frame;
	wl_signal_add(&view->primary.events.frame, &view->primary_frame);
	view->cursor_visible.notify = guest_view_handle_cursor_visible;
	wl_signal_add(&view->cursor.events.visible, &view->cursor_visible);
	wlr_scene_node_set_enabled(&view->tree->node, false);
	wl_event_source_timer_update(view->timer, GUEST_VIEW_TEXT_MS);
	oriel_source_set_consumer(take_source, &guest_view_consumer, view);
	return view;

error:
	wlr_log(WLR_ERROR, "guest %s: out of memory", name);
	oriel_guest_view_destroy(view);
	return NULL;
}

void oriel_guest_view_destroy(struct oriel_guest_view *view) {
	if (view == NULL) {
		return;
	}
	wl_signal_emit_mutable(&view->events.destroy, NULL);
	assert(wl_list_empty(&view->events.state.listener_list));
	assert(wl_list_empty(&view->events.cursor.listener_list));
	assert(wl_list_empty(&view->events.destroy.listener_list));
	oriel_input_sink_destroy(view->input);
	wl_list_remove(&view->link);
	wl_list_remove(&view->primary_frame.link);
	wl_list_remove(&view->cursor_visible.link);
	oriel_source_set_consumer(view->source, NULL, NULL);
	oriel_guest_view_cursor_finish(&view->cursor);
	oriel_state_text_destroy(view->text);
	oriel_guest_view_plane_finish(&view->primary);
	if (view->tree != NULL) {
		wlr_scene_node_destroy(&view->tree->node);
	}
	if (view->timer != NULL) {
		wl_event_source_remove(view->timer);
	}
	oriel_source_destroy(view->source);
	free(view->output_name);
	free(view);
}

const char *oriel_guest_view_get_name(const struct oriel_guest_view *view) {
	return oriel_source_get_name(view->source);
}

void oriel_guest_view_set_input(struct oriel_guest_view *view, struct oriel_input_sink *take_input) {
	assert(view->input == NULL);
	view->input = take_input;
}

bool oriel_guest_view_has_node(
		const struct oriel_guest_view *view, const struct wlr_scene_node *node) {
	while (node != NULL && node != &view->tree->node) {
		node = node->parent != NULL ? &node->parent->node : NULL;
	}
	return node != NULL;
}

bool oriel_guest_view_locate(const struct oriel_guest_view *view, double lx, double ly,
		double *ret_x, double *ret_y) {
	if (view->output == NULL || view->primary.frame == NULL) {
		return false;
	}
	const struct wlr_scene_buffer *picture = view->primary.scene_buffer;
	double x = (lx - view->box.x - picture->node.x) / picture->dst_width;
	double y = (ly - view->box.y - picture->node.y) / picture->dst_height;
	*ret_x = fmin(fmax(x, 0), 1);
	*ret_y = fmin(fmax(y, 0), 1);
	return true;
}

bool oriel_guest_view_confine(const struct oriel_guest_view *view, double *lx, double *ly) {
	if (view->output == NULL || view->primary.frame == NULL) {
		return false;
	}
	const struct wlr_scene_buffer *picture = view->primary.scene_buffer;
	const struct wlr_box box = {
		.x = view->box.x + picture->node.x,
		.y = view->box.y + picture->node.y,
		.width = picture->dst_width,
		.height = picture->dst_height,
	};
	if (wlr_box_contains_point(&box, *lx, *ly)) {
		return false;
	}
	wlr_box_closest_point(&box, *lx, *ly, lx, ly);
	return true;
}

enum oriel_source_state oriel_guest_view_get_state(const struct oriel_guest_view *view) {
	enum oriel_source_state state = oriel_source_get_state(view->source);
	return state == ORIEL_SOURCE_STATE_RUNNING && view->primary.refuses ? ORIEL_SOURCE_STATE_ERROR
									    : state;
}

/* The monitor is what the box covers of the output. */
void oriel_guest_view_set_monitor(struct oriel_guest_view *view, struct wlr_output *output,
		const struct wlr_box *box) {
	if (output == NULL) {
		oriel_source_set_monitor(view->source, NULL);
		return;
	}
	int width, height;
	wlr_output_effective_resolution(output, &width, &height);
	bool turned = output->transform & WL_OUTPUT_TRANSFORM_90;
	int width_mm = turned ? output->phys_height : output->phys_width;
	int height_mm = turned ? output->phys_width : output->phys_height;
	const struct oriel_guest_monitor monitor = {
		.width = (int)((float)box->width * output->scale + 0.5f),
		.height = (int)((float)box->height * output->scale + 0.5f),
		.refresh_mhz = output->refresh,
		.width_mm = width > 0 ? width_mm * box->width / width : 0,
		.height_mm = height > 0 ? height_mm * box->height / height : 0,
		.name = output->name,
	};
	oriel_source_set_monitor(view->source, &monitor);
}

void oriel_guest_view_set_output(struct oriel_guest_view *view, struct wlr_output *output,
		const struct wlr_box *box) {
	view->output = output;
	if (output != NULL) {
		view->box = *box;
		oriel_guest_view_set_monitor(view, output, box);
	}
	guest_view_layout(view);
}

uint64_t oriel_guest_view_get_next_poll_ns(const struct oriel_guest_view *view, uint64_t period_ns) {
	return guest_view_is_visible(view) ? oriel_source_get_next_poll_ns(view->source, period_ns)
					   : ORIEL_GUEST_VIEW_POLL_NEVER;
}

/* True if a frame in place of the one that is there would take nothing from the user. */
static bool guest_view_is_ready(const struct oriel_guest_view *view) {
	const struct oriel_guest_frame *frame = view->primary.frame;
	return frame == NULL || frame->sampled || frame->serial == view->passed_serial;
}

void oriel_guest_view_poll(struct oriel_guest_view *view) {
	if (guest_view_is_visible(view) && guest_view_is_ready(view)) {
		oriel_source_poll(view->source);
	}
}

void oriel_guest_view_pass(struct oriel_guest_view *view) {
	view->passed_serial = view->primary.frame != NULL ? view->primary.frame->serial : 0;
}

void oriel_guest_view_blank(struct oriel_guest_view *view) {
	oriel_guest_view_cursor_clear(&view->cursor);
	oriel_guest_view_plane_clear(&view->primary);
	guest_view_layout(view);
}

bool oriel_guest_view_has_cursor(const struct oriel_guest_view *view) {
	return view->cursor.is_visible;
}

void oriel_guest_view_yield_cursor_plane(struct oriel_guest_view *view) {
	oriel_guest_view_cursor_yield(&view->cursor);
}

void oriel_guest_view_print_stats(const struct oriel_guest_view *view, FILE *stream) {
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	oriel_stats_print(stream, oriel_source_get_name(view->source), &view->stats, &counters);
}
