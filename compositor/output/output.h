#ifndef ORIEL_OUTPUT_OUTPUT_H
#define ORIEL_OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <wayland-server-core.h>

#include "bridge/reads.h"
#include "output/deadline.h"

struct oriel_config;
struct oriel_layout;
struct oriel_render_sync;
struct wlr_allocator;
struct wlr_backend;
struct wlr_output;
struct wlr_output_layout;
struct wlr_renderer;
struct wlr_scene;
struct wlr_scene_output;
struct wlr_scene_output_layout;

/*
 * All outputs of the backend: each is configured as it appears, and then drives what it shows.
 *
 * An output asks for the next frame of the guest that it shows at each refresh, just before it
 * draws, and that is as late as it can be (output/deadline.h). While nothing changes it draws
 * nothing and gets no refresh; then a timer asks, at the same time before each refresh, and less
 * often the longer nothing changes (guest/pacing.h). Nobody asks a guest that no output shows: behind
 * windows, on an output that is off, or while the session is another's (wlroots then takes the
 * outputs of KMS away).
 */
struct oriel_outputs {
	/* Borrowed; all outlive this struct. */
	struct wl_event_loop *loop;
	struct wlr_renderer *renderer;
	struct wlr_allocator *allocator;
	struct wlr_scene *scene;
	struct wlr_output_layout *output_layout;
	struct wlr_scene_output_layout *scene_layout;
	const struct oriel_render_sync *sync;
	const struct oriel_config *config;
	struct oriel_layout *layout;

	struct wl_list outputs; /* oriel_output.link; gone one by one as the backend is destroyed */

	struct {
		/* NULL: the last window of a nested session was closed, or its parent ended */
		struct wl_signal closed;
	} events;

	struct wl_listener new_output;
	struct wl_listener backend_destroy;
	struct wl_listener layout_change;
};

struct oriel_output {
	struct wl_list link; /* oriel_outputs.outputs */
	struct oriel_outputs *outputs;
	struct wlr_output *wlr_output; /* its data is reads */
	struct wlr_scene_output *scene_output; /* NULL while the output is switched off */
	struct oriel_reads reads;
	struct oriel_deadline deadline;
	struct wl_event_source *timer; /* begins a frame, or asks the guest without one */
	bool failing; /* the last commit failed, and that has been logged */
	bool retrying; /* it did, and the next try is the timer's */
	unsigned int scanout_failures;

	struct wl_listener frame;
	struct wl_listener present;
	struct wl_listener request_state;
	struct wl_listener destroy;
};

/* The borrowed fields have been set. */
void oriel_outputs_init(struct oriel_outputs *outputs, struct wlr_backend *backend);
/* The backend must be gone by now, and its outputs with it. */
void oriel_outputs_finish(struct oriel_outputs *outputs);

#endif
