#include "view/guest_view.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/log.h>

#include "bridge/acquire.h"
#include "bridge/latch.h"
#include "bridge/reads.h"
#include "bridge/render_sync.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "view/fit.h"

/* How long the last frame stays when a guest's display goes away: a guest that resets or sets a
 * mode is back before that. */
#define GUEST_VIEW_GRACE_MS 3000

/* A whole scale in the output's pixels, which a scaled output's layout coordinates are not. */
static bool guest_view_is_sharp(const struct oriel_guest_view *view, const struct wlr_box *box) {
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(oriel_guest_frame_get_buffer(view->frame));
	float scale = view->output->scale;
	int width = (int)((float)box->width * scale + 0.5f);
	int height = (int)((float)box->height * scale + 0.5f);
	return width > 0 && height > 0 &&
			oriel_fit_box(attributes->width, attributes->height, width, height).whole;
}

static void guest_view_layout(struct oriel_guest_view *view) {
	wlr_scene_node_set_enabled(&view->tree->node, view->output != NULL);
	if (view->output == NULL) {
		return;
	}
	wlr_scene_node_set_position(&view->tree->node, view->box.x, view->box.y);
	wlr_scene_rect_set_size(view->background, view->box.width, view->box.height);
	if (view->frame == NULL) {
		return;
	}

	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(oriel_guest_frame_get_buffer(view->frame));
	struct oriel_fit fit = oriel_fit_box(
			attributes->width, attributes->height, view->box.width, view->box.height);
	wlr_scene_node_set_position(&view->scene_buffer->node, fit.box.x, fit.box.y);
	wlr_scene_buffer_set_dest_size(view->scene_buffer, fit.box.width, fit.box.height);
	wlr_scene_buffer_set_filter_mode(view->scene_buffer,
			guest_view_is_sharp(view, &fit.box) ? WLR_SCALE_FILTER_NEAREST
							    : WLR_SCALE_FILTER_BILINEAR);
}

/* Lets go of the frame shown so far. One that no output came to read was never shown. */
static void guest_view_drop_frame(struct oriel_guest_view *view) {
	if (view->frame != NULL && !view->frame->sampled) {
		view->stats.superseded++;
	}
	oriel_guest_frame_destroy(view->frame);
	view->frame = NULL;
}

/*
 * True if the renderer really takes the buffer. It is asked for the format first, since trying one
 * that it does not have would be one line of its log for each buffer of a guest that lies.
 */
static bool guest_view_can_import(
		const struct oriel_guest_view *view, struct oriel_guest_buffer *buffer) {
	if (!view->sync->can_import) {
		return false;
	}
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	const struct wlr_drm_format_set *formats = wlr_renderer_get_texture_formats(
			view->sync->renderer, WLR_BUFFER_CAP_DMABUF);
	if (formats == NULL ||
			!wlr_drm_format_set_has(formats, attributes->format, attributes->modifier)) {
		return false;
	}
	struct wlr_texture *texture = wlr_texture_from_buffer(
			view->sync->renderer, oriel_guest_buffer_get_wlr_buffer(buffer));
	if (texture == NULL) {
		return false;
	}
	wlr_texture_destroy(texture);
	return true;
}

/* Decides, once for a buffer, how it is read. False if it cannot be read at all. */
static bool guest_view_prepare(struct oriel_guest_view *view, struct oriel_guest_buffer *buffer) {
	enum oriel_guest_read_path path = oriel_guest_buffer_get_read_path(buffer);
	if (path == ORIEL_GUEST_READ_PATH_UNDECIDED) {
		path = guest_view_can_import(view, buffer) ? ORIEL_GUEST_READ_PATH_IMPORT
							   : ORIEL_GUEST_READ_PATH_CPU;
		oriel_guest_buffer_set_read_path(buffer, path);
	}
	return path == ORIEL_GUEST_READ_PATH_IMPORT || oriel_guest_buffer_can_map(buffer);
}

static void guest_view_handle_ready(void *data, struct oriel_guest_frame *take_frame) {
	struct oriel_guest_view *view = data;
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(take_frame);
	if (!guest_view_prepare(view, buffer)) {
		if (!view->complained) {
			view->complained = true;
			wlr_log(WLR_ERROR,
					"guest %s: its buffers can neither be imported by the renderer "
					"nor mapped: not shown",
					oriel_source_get_name(view->source));
		}
		view->stats.rejected++;
		oriel_guest_frame_destroy(take_frame);
		return;
	}

	struct wlr_scene_buffer_set_buffer_options options = { 0 };
	if (oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_IMPORT) {
		options.wait_timeline = view->sync->ready_timeline;
		options.wait_point = view->sync->ready_point;
	}
	wlr_scene_buffer_set_buffer_with_options(
			view->scene_buffer, oriel_guest_buffer_get_wlr_buffer(buffer), &options);
	guest_view_drop_frame(view);
	view->frame = take_frame;
	guest_view_layout(view);
}

static void guest_view_handle_output_sample(struct wl_listener *listener, void *data) {
	struct oriel_guest_view *view = wl_container_of(listener, view, output_sample);
	const struct wlr_scene_output_sample_event *event = data;
	struct oriel_guest_frame *frame = view->frame;
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(frame);

	if (!frame->sampled) {
		frame->sampled = true;
		view->stats.shown++;
	}
	bool imported = oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_IMPORT;
	if (imported && view->sync->takes_fences && oriel_acquire_is_pending(buffer)) {
		view->stats.over_sync++;
	}
	struct oriel_read read = {
		.release = frame->release,
		.stats = &view->stats,
		.timeline = event->release_timeline,
		.point = event->release_point,
		.scanned_out = event->direct_scanout,
	};
	oriel_reads_note(oriel_reads_from_output(event->output->output), &read);
}

static bool guest_view_handle_wants(void *data, const struct oriel_guest_buffer *buffer) {
	struct oriel_guest_view *view = data;
	return oriel_latch_wants(view->latch, buffer);
}

static void guest_view_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	struct oriel_guest_view *view = data;
	oriel_latch_submit(view->latch, take_frame);
}

static void guest_view_handle_state(void *data, enum oriel_source_state state) {
	struct oriel_guest_view *view = data;
	bool gone = state == ORIEL_SOURCE_STATE_OFF || state == ORIEL_SOURCE_STATE_LOST;
	if (gone == view->gone) {
		return;
	}
	view->gone = gone;
	wl_event_source_timer_update(view->grace_timer, gone ? GUEST_VIEW_GRACE_MS : 0);
}

static const struct oriel_source_consumer guest_view_consumer = {
	.wants = guest_view_handle_wants,
	.frame = guest_view_handle_frame,
	.state = guest_view_handle_state,
};

static int guest_view_handle_grace_timer(void *data) {
	oriel_guest_view_blank(data);
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
	wl_list_init(&view->output_sample.link);
	view->source = take_source;
	view->sync = sync;

	view->latch = oriel_latch_create(loop, name, &view->stats, guest_view_handle_ready, view);
	view->grace_timer = wl_event_loop_add_timer(loop, guest_view_handle_grace_timer, view);
	view->tree = wlr_scene_tree_create(parent);
	if (view->latch == NULL || view->grace_timer == NULL || view->tree == NULL) {
		goto error;
	}
	if (output_name != NULL && (view->output_name = strdup(output_name)) == NULL) {
		goto error;
	}
	const float black[] = { 0, 0, 0, 1 };
	view->background = wlr_scene_rect_create(view->tree, 0, 0, black);
	view->scene_buffer = wlr_scene_buffer_create(view->tree, NULL);
	if (view->background == NULL || view->scene_buffer == NULL) {
		goto error;
	}
	view->output_sample.notify = guest_view_handle_output_sample;
	wl_signal_add(&view->scene_buffer->events.output_sample, &view->output_sample);
	wlr_scene_node_set_enabled(&view->tree->node, false);
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
	wl_list_remove(&view->link);
	wl_list_remove(&view->output_sample.link);
	oriel_source_set_consumer(view->source, NULL, NULL);
	oriel_latch_destroy(view->latch);
	if (view->tree != NULL) {
		wlr_scene_node_destroy(&view->tree->node);
	}
	guest_view_drop_frame(view);
	if (view->grace_timer != NULL) {
		wl_event_source_remove(view->grace_timer);
	}
	oriel_source_destroy(view->source);
	free(view->output_name);
	free(view);
}

const char *oriel_guest_view_get_name(const struct oriel_guest_view *view) {
	return oriel_source_get_name(view->source);
}

void oriel_guest_view_set_output(struct oriel_guest_view *view, struct wlr_output *output,
		const struct wlr_box *box) {
	view->output = output;
	if (output != NULL) {
		view->box = *box;
	}
	guest_view_layout(view);
}

bool oriel_guest_view_poll(struct oriel_guest_view *view) {
	if (view->output == NULL || oriel_source_get_state(view->source) == ORIEL_SOURCE_STATE_LOST) {
		return false;
	}
	if (view->frame != NULL) {
		/* Behind windows. When they go, the scene is damaged, and the output asks again. */
		if (view->scene_buffer->primary_output == NULL) {
			return false;
		}
		if (!view->frame->sampled) {
			return true;
		}
	}
	oriel_source_poll(view->source);
	return true;
}

void oriel_guest_view_blank(struct oriel_guest_view *view) {
	oriel_latch_flush(view->latch);
	wlr_scene_buffer_set_buffer(view->scene_buffer, NULL);
	guest_view_drop_frame(view);
}

void oriel_guest_view_print_stats(const struct oriel_guest_view *view, FILE *stream) {
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	oriel_stats_print(stream, oriel_source_get_name(view->source), &view->stats, &counters);
}
