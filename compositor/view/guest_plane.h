#ifndef ORIEL_VIEW_GUEST_PLANE_H
#define ORIEL_VIEW_GUEST_PLANE_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct oriel_guest_buffer;
struct oriel_guest_frame;
struct oriel_latch;
struct oriel_render_sync;
struct oriel_stats;
struct wlr_scene_buffer;
struct wlr_scene_tree;

/*
 * One plane of a guest's display in the scene: the frame of it that is shown now. The primary plane
 * and the cursor pass through the same latch code, and each output's read of them is noted in the
 * same way.
 *
 *	submit --> latch --ready--> frame --> scene buffer --output_sample--> oriel_reads
 */
struct oriel_guest_view_plane {
	const char *guest_name;
	const struct oriel_render_sync *sync;
	struct oriel_stats *stats;
	struct oriel_latch *latch;
	struct wlr_scene_buffer *scene_buffer;
	struct oriel_guest_frame *frame; /* may be NULL until the first one, or after a clear */
	bool refuses; /* the last frame that could have been shown, as the renderer cannot read it */
	bool complained; /* of one that was refused */

	struct {
		/* NULL: frame is another one */
		struct wl_signal frame;
	} events;

	struct wl_listener output_sample;
};

/*
 * guest_name, sync and stats are borrowed and outlive the plane. False if memory ran out; then
 * finish is called all the same.
 */
bool oriel_guest_view_plane_init(struct oriel_guest_view_plane *plane, struct wl_event_loop *loop,
		struct wlr_scene_tree *parent, const char *guest_name,
		const struct oriel_render_sync *sync, struct oriel_stats *stats);
/* Before the scene's node goes. A plane that is all zero is fine. */
void oriel_guest_view_plane_finish(struct oriel_guest_view_plane *plane);

/* True if a frame of buffer would tell the plane something new. */
bool oriel_guest_view_plane_wants(const struct oriel_guest_view_plane *plane,
		const struct oriel_guest_buffer *buffer);
void oriel_guest_view_plane_submit(
		struct oriel_guest_view_plane *plane, struct oriel_guest_frame *take_frame);

/* Shows nothing until the next frame, and lets go of all that was taken. */
void oriel_guest_view_plane_clear(struct oriel_guest_view_plane *plane);

#endif
