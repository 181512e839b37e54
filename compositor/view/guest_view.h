#ifndef ORIEL_VIEW_GUEST_VIEW_H
#define ORIEL_VIEW_GUEST_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <wayland-server-core.h>
#include <wlr/util/box.h>

#include "bridge/stats.h"
#include "guest/source.h"
#include "view/guest_cursor.h"
#include "view/guest_plane.h"

struct oriel_input_sink;
struct oriel_render_sync;
struct oriel_state_text;
struct wlr_output;
struct wlr_scene_node;
struct wlr_scene_rect;
struct wlr_scene_tree;

/*
 * A guest's display in the scene: the frame shown now, scaled into a box with its aspect kept,
 * on black; its cursor on top; and, as long as there is no frame, what became of it.
 *
 *	source --frame---> plane (latch, frame, scene buffer) --output_sample--> oriel_reads
 *	       --cursor--> cursor (a plane too, or the output's own)
 *	       --state---> grace period, text
 */
struct oriel_guest_view {
	struct wl_list link; /* oriel_layout.views */
	struct oriel_source *source;
	const struct oriel_render_sync *sync;
	struct oriel_stats stats;
	char *output_name; /* may be NULL: any output */
	struct oriel_input_sink *input; /* may be NULL: the guest takes none */

	struct wlr_scene_tree *tree;
	struct wlr_scene_rect *background;
	struct oriel_guest_view_plane primary;
	struct oriel_state_text *text;
	struct oriel_guest_view_cursor cursor;
	struct wlr_output *output; /* that shows the view; may be NULL: none */
	struct wlr_box box; /* of that output, in layout coordinates */
	uint64_t passed_serial; /* of the frame that was there when the output was drawn; 0: none */
	bool gone; /* the guest has gone off, or was lost, and does not run again */
	bool is_settled; /* there was time enough for a frame to come, so that a text is shown */
	struct wl_event_source *timer; /* until the last frame is given up, or a text is shown */

	struct {
		/* const enum oriel_source_state *: the source's state changed */
		struct wl_signal state;
		/* NULL: oriel_guest_view_has_cursor() has changed */
		struct wl_signal cursor;
		/* NULL: the view is about to be destroyed, and its input with it */
		struct wl_signal destroy;
	} events;

	struct wl_listener primary_frame;
	struct wl_listener cursor_visible;
};

/*
 * Takes over the source, in every case. parent and sync outlive the view. NULL after one log line
 * if memory ran out.
 */
struct oriel_guest_view *oriel_guest_view_create(struct wl_event_loop *loop,
		struct wlr_scene_tree *parent, const struct oriel_render_sync *sync,
		struct oriel_source *take_source, const char *output_name);

/* Its frame is released when the outputs that read it are done. NULL is fine. */
void oriel_guest_view_destroy(struct oriel_guest_view *view);

const char *oriel_guest_view_get_name(const struct oriel_guest_view *view);

/*
 * The guest's state as a user sees it: that of its source, or ORIEL_SOURCE_STATE_ERROR while what the
 * source takes cannot be shown here.
 */
enum oriel_source_state oriel_guest_view_get_state(const struct oriel_guest_view *view);

/* Lets the guest take input from here on. Once for each view at most. */
void oriel_guest_view_set_input(struct oriel_guest_view *view, struct oriel_input_sink *take_input);

/* Is this scene node a part of the view? */
bool oriel_guest_view_has_node(
		const struct oriel_guest_view *view, const struct wlr_scene_node *node);

/*
 * Which place of the guest's picture, each way from 0 to 1, is at a point of the layout? A point
 * beside the picture is taken for the nearest one in it. False if no picture is shown.
 */
bool oriel_guest_view_locate(const struct oriel_guest_view *view, double lx, double ly,
		double *ret_x, double *ret_y);

/*
 * Moves a point of the layout that is beside the guest's picture to the nearest one that a pointer can
 * have in it. False if it is in there, or no picture is shown.
 */
bool oriel_guest_view_confine(const struct oriel_guest_view *view, double *lx, double *ly);

/*
 * Tells the guest that its monitor is output, which has that box in layout coordinates, or, for NULL,
 * that it has none: what the guest is told when it is shown, for one that is not.
 */
void oriel_guest_view_set_monitor(struct oriel_guest_view *view, struct wlr_output *output,
		const struct wlr_box *box);

/*
 * Shows the view on output, which has that box in layout coordinates, and tells the guest so; NULL
 * hides it, and says nothing to the guest.
 */
void oriel_guest_view_set_output(struct oriel_guest_view *view, struct wlr_output *output,
		const struct wlr_box *box);

/*
 * For a guest that need not be asked before the scene changes, as nobody can see it, or before it
 * tells.
 */
#define ORIEL_GUEST_VIEW_POLL_NEVER ORIEL_SOURCE_POLL_NEVER

/*
 * When the guest is to be asked again (CLOCK_MONOTONIC), if its output is refreshed every period_ns,
 * or ORIEL_GUEST_VIEW_POLL_NEVER. With a period of 0 it is when to ask at the earliest.
 */
uint64_t oriel_guest_view_get_next_poll_ns(const struct oriel_guest_view *view, uint64_t period_ns);

/*
 * Takes a new frame if somebody can see it, the guest has one, and the last one has been seen, or its
 * output has been drawn since without need of it.
 */
void oriel_guest_view_poll(struct oriel_guest_view *view);
/*
 * The view's output has been drawn, or had nothing to draw. A frame that differs only behind a window
 * is never read.
 */
void oriel_guest_view_pass(struct oriel_guest_view *view);

/*
 * Shows nothing until the next frame: everything taken so far is let go, and released as soon as
 * the outputs that read it are done.
 */
void oriel_guest_view_blank(struct oriel_guest_view *view);

/* True while a part of the guest's own cursor is to be seen. */
bool oriel_guest_view_has_cursor(const struct oriel_guest_view *view);

/* To be called before another cursor is shown on the output, which may have the cursor plane then. */
void oriel_guest_view_yield_cursor_plane(struct oriel_guest_view *view);

/* One line of the statistics table. */
void oriel_guest_view_print_stats(const struct oriel_guest_view *view, FILE *stream);

#endif
