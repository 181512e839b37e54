#include "view/guest_plane.h"

#include <assert.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/log.h>

#include "bridge/acquire.h"
#include "bridge/latch.h"
#include "bridge/reads.h"
#include "bridge/render_sync.h"
#include "bridge/stats.h"
#include "guest/buffer.h"
#include "guest/frame.h"

/* Lets go of the frame shown so far. One that no output came to read was never shown. */
static void plane_drop_frame(struct oriel_guest_view_plane *plane) {
	if (plane->frame != NULL && !plane->frame->sampled) {
		plane->stats->superseded++;
	}
	oriel_guest_frame_destroy(plane->frame);
	plane->frame = NULL;
}

/*
 * True if the renderer really takes the buffer. It is asked for the format first, since trying one
 * that it does not have would be one line of its log for each buffer of a guest that lies.
 */
static bool plane_can_import(
		const struct oriel_guest_view_plane *plane, struct oriel_guest_buffer *buffer) {
	if (!plane->sync->can_import) {
		return false;
	}
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	const struct wlr_drm_format_set *formats = wlr_renderer_get_texture_formats(
			plane->sync->renderer, WLR_BUFFER_CAP_DMABUF);
	if (formats == NULL ||
			!wlr_drm_format_set_has(formats, attributes->format, attributes->modifier)) {
		return false;
	}
	struct wlr_texture *texture = wlr_texture_from_buffer(
			plane->sync->renderer, oriel_guest_buffer_get_wlr_buffer(buffer));
	if (texture == NULL) {
		return false;
	}
	wlr_texture_destroy(texture);
	return true;
}

/* Decides, once for a buffer, how it is read. False if it cannot be read at all. */
static bool plane_prepare(struct oriel_guest_view_plane *plane, struct oriel_guest_buffer *buffer) {
	enum oriel_guest_read_path path = oriel_guest_buffer_get_read_path(buffer);
	if (path == ORIEL_GUEST_READ_PATH_UNDECIDED) {
		path = plane_can_import(plane, buffer) ? ORIEL_GUEST_READ_PATH_IMPORT
						       : ORIEL_GUEST_READ_PATH_CPU;
		oriel_guest_buffer_set_read_path(buffer, path);
	}
	return path == ORIEL_GUEST_READ_PATH_IMPORT || oriel_guest_buffer_can_map(buffer);
}

/* A frame's damage is what differs from the frame before it, which must be the one shown. */
static bool plane_knows_damage(
		const struct oriel_guest_view_plane *plane, const struct oriel_guest_frame *frame) {
	return frame->damage_known && plane->frame != NULL &&
			plane->frame->serial + 1 == frame->serial;
}

/*
 * Before the buffer is set: what the scene makes of the damage depends on it. A cursor is whole and
 * upright, and its part in the scene is the view's to choose.
 */
static void plane_set_part(
		struct oriel_guest_view_plane *plane, const struct oriel_guest_frame *frame) {
	const struct wlr_fbox box = {
		.x = frame->crop.x,
		.y = frame->crop.y,
		.width = frame->crop.width,
		.height = frame->crop.height,
	};
	wlr_scene_buffer_set_source_box(plane->scene_buffer, &box);
	wlr_scene_buffer_set_transform(plane->scene_buffer,
			frame->is_flipped ? WL_OUTPUT_TRANSFORM_FLIPPED_180
					  : WL_OUTPUT_TRANSFORM_NORMAL);
}

static void plane_handle_ready(void *data, struct oriel_guest_frame *take_frame) {
	struct oriel_guest_view_plane *plane = data;
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(take_frame);
	plane->refuses = !plane_prepare(plane, buffer);
	if (plane->refuses) {
		if (!plane->complained) {
			plane->complained = true;
			wlr_log(WLR_ERROR,
					"guest %s: its buffers can neither be imported by the renderer "
					"nor mapped: not shown",
					plane->guest_name);
		}
		plane->stats->rejected++;
		oriel_guest_frame_destroy(take_frame);
		return;
	}

	struct wlr_scene_buffer_set_buffer_options options = { 0 };
	if (oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_IMPORT) {
		options.wait_timeline = plane->sync->ready_timeline;
		options.wait_point = plane->sync->ready_point;
	}
	if (plane_knows_damage(plane, take_frame)) {
		options.damage = &take_frame->damage;
	}
	if (take_frame->plane == ORIEL_GUEST_PLANE_PRIMARY) {
		plane_set_part(plane, take_frame);
	}
	wlr_scene_buffer_set_buffer_with_options(
			plane->scene_buffer, oriel_guest_buffer_get_wlr_buffer(buffer), &options);
	plane_drop_frame(plane);
	plane->frame = take_frame;
	wl_signal_emit_mutable(&plane->events.frame, NULL);
}

static void plane_handle_output_sample(struct wl_listener *listener, void *data) {
	struct oriel_guest_view_plane *plane = wl_container_of(listener, plane, output_sample);
	const struct wlr_scene_output_sample_event *event = data;
	struct oriel_guest_frame *frame = plane->frame;
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(frame);

	if (!frame->sampled) {
		frame->sampled = true;
		plane->stats->shown++;
	}
	bool imported = oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_IMPORT;
	if (imported && plane->sync->takes_fences && oriel_acquire_is_pending(buffer)) {
		plane->stats->over_sync++;
	}
	struct oriel_read read = {
		.release = frame->release,
		.stats = plane->stats,
		.timeline = event->release_timeline,
		.point = event->release_point,
		.scanned_out = event->direct_scanout,
	};
	oriel_reads_note(oriel_reads_from_output(event->output->output), &read);
}

bool oriel_guest_view_plane_init(struct oriel_guest_view_plane *plane, struct wl_event_loop *loop,
		struct wlr_scene_tree *parent, const char *guest_name,
		const struct oriel_render_sync *sync, struct oriel_stats *stats) {
	plane->guest_name = guest_name;
	plane->sync = sync;
	plane->stats = stats;
	wl_signal_init(&plane->events.frame);
	wl_list_init(&plane->output_sample.link);
	plane->latch = oriel_latch_create(loop, guest_name, stats, plane_handle_ready, plane);
	plane->scene_buffer = wlr_scene_buffer_create(parent, NULL);
	if (plane->latch == NULL || plane->scene_buffer == NULL) {
		return false;
	}
	plane->output_sample.notify = plane_handle_output_sample;
	wl_signal_add(&plane->scene_buffer->events.output_sample, &plane->output_sample);
	return true;
}

void oriel_guest_view_plane_finish(struct oriel_guest_view_plane *plane) {
	if (plane->guest_name == NULL) {
		return;
	}
	wl_list_remove(&plane->output_sample.link);
	assert(wl_list_empty(&plane->events.frame.listener_list));
	oriel_latch_destroy(plane->latch);
	if (plane->scene_buffer != NULL) {
		wlr_scene_node_destroy(&plane->scene_buffer->node);
	}
	plane_drop_frame(plane);
}

bool oriel_guest_view_plane_wants(const struct oriel_guest_view_plane *plane,
		const struct oriel_guest_buffer *buffer) {
	return oriel_latch_wants(plane->latch, buffer);
}

void oriel_guest_view_plane_submit(
		struct oriel_guest_view_plane *plane, struct oriel_guest_frame *take_frame) {
	oriel_latch_submit(plane->latch, take_frame);
}

void oriel_guest_view_plane_clear(struct oriel_guest_view_plane *plane) {
	oriel_latch_flush(plane->latch);
	plane->refuses = false;
	wlr_scene_buffer_set_buffer(plane->scene_buffer, NULL);
	plane_drop_frame(plane);
}
