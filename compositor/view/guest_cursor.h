#ifndef ORIEL_VIEW_GUEST_CURSOR_H
#define ORIEL_VIEW_GUEST_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/box.h>

#include "guest/frame.h"
#include "view/guest_plane.h"
#include "view/hardware_cursor.h"

struct oriel_guest_buffer;
struct oriel_render_sync;
struct oriel_stats;
struct wlr_output;

/*
 * The cursor plane of a guest's display. Its pictures come through a latch of its own, as the
 * primary plane's do; where it is comes from the guest with each picture, and between pictures by
 * oriel_guest_view_cursor_move(). Which of the two ways it gets to the screen by is decided anew
 * with everything that changes:
 *
 *	                          the guest is shown 1:1, nothing lies
 *	                          above the cursor, and the plane takes it
 *	picture --> latch --+--> yes: the output's cursor plane (view/hardware_cursor)
 *	place --------------+--> no: a node of the scene, above the primary picture and scaled with it
 *
 * Of the two one is on at most, and both change with the output's next commit: the cursor is never
 * drawn twice, and never left out. The exception is what wlroots does unasked: when the output is
 * captured with its cursors, it draws that of the plane into the picture for one commit; the next
 * one has the node.
 *
 * Buffers that the CPU can read are read by it, small as they are, on either way. Those that only
 * a GPU can read (tiled ones, as i915's GVT-g has) are always a node of the scene, which has a
 * point to wait for and learns of the end of each read.
 *
 * While oriel's own pointer is to be seen on the output, the plane is that one's. The cursor then waits
 * for it to go, as a node.
 *
 * A picture whose fence is late does not hold up the one before it, which moves on in the meantime
 * so that its pixel that points is where the guest wants it.
 */
struct oriel_guest_view_cursor {
	struct oriel_guest_view_plane plane;
	struct oriel_hardware_cursor hardware;
	bool is_on; /* the guest shows a cursor */
	struct oriel_guest_cursor place; /* of the newest picture, shown already or not */
	uint64_t newest_serial; /* of that picture */
	struct wlr_output *output; /* NULL: no picture of the primary plane is shown */
	struct oriel_guest_view_ground {
		int width, height; /* pixels of the primary plane's picture */
		struct wlr_box box; /* where it is in the view, and on the output */
		enum wlr_scale_filter_mode filter_mode;
	} ground;
	bool is_visible; /* a part of it is within the primary picture */

	struct {
		/* NULL: is_visible has changed. When it comes on, what lets go of the output's cursor
		 * plane now leaves that to it; when it goes, the plane is free. */
		struct wl_signal visible;
	} events;

	struct wl_listener frame;
	struct wl_listener output_commit; /* while it is on the output's cursor plane, or waits for it */
};

/*
 * guest_name, sync and stats are borrowed and outlive the cursor. False if memory ran out; then
 * finish is called all the same.
 */
bool oriel_guest_view_cursor_init(struct oriel_guest_view_cursor *cursor,
		struct wl_event_loop *loop, struct wlr_scene_tree *parent, const char *guest_name,
		const struct oriel_render_sync *sync, struct oriel_stats *stats);
/* Before the scene's node goes. A cursor that is all zero is fine. */
void oriel_guest_view_cursor_finish(struct oriel_guest_view_cursor *cursor);

/* True if a frame of buffer would tell the cursor something new. */
bool oriel_guest_view_cursor_wants(const struct oriel_guest_view_cursor *cursor,
		const struct oriel_guest_buffer *buffer);
/* A picture of the cursor plane, and where it is. */
void oriel_guest_view_cursor_submit(
		struct oriel_guest_view_cursor *cursor, struct oriel_guest_frame *take_frame);
/* The newest picture is at place now; NULL: the guest shows no cursor. */
void oriel_guest_view_cursor_move(
		struct oriel_guest_view_cursor *cursor, const struct oriel_guest_cursor *place);

/*
 * The primary plane's picture is shown on output, there; without an output none is, nor the
 * cursor. To be called again whenever the output is another one, or has another scale or
 * transform, and before it goes.
 */
void oriel_guest_view_cursor_arrange(struct oriel_guest_view_cursor *cursor,
		struct wlr_output *output, const struct oriel_guest_view_ground *ground);

/*
 * Leaves the output's cursor plane for another cursor that is about to be seen there, if it is on
 * it. Looks for it again with the output's next commit.
 */
void oriel_guest_view_cursor_yield(struct oriel_guest_view_cursor *cursor);

/* Shows nothing until the next frame, and lets go of all that was taken. */
void oriel_guest_view_cursor_clear(struct oriel_guest_view_cursor *cursor);

#endif
