#include "output/output.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#include <wlr/backend.h>
#include <wlr/backend/wayland.h>
#include <wlr/config.h>
#if WLR_HAS_X11_BACKEND
#include <wlr/backend/x11.h>
#endif
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/log.h>

#include "config.h"
#include "guest/clock.h"
#include "output/modeset.h"
#include "view/guest_view.h"
#include "view/layout.h"

/* Where an output does not say its refresh rate. */
#define OUTPUT_REFRESH_MHZ 60000
/* Scan-outs that may fail in earnest before the output does without. */
#define OUTPUT_SCANOUT_FAILURES 3

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)

/* True if the output is a window of another session's. */
static bool output_is_nested(struct wlr_output *wlr_output) {
	bool nested = wlr_output_is_wl(wlr_output);
#if WLR_HAS_X11_BACKEND
	nested = nested || wlr_output_is_x11(wlr_output);
#endif
	return nested;
}

static uint64_t output_get_period_ns(const struct oriel_output *output) {
	int refresh_mhz = output->wlr_output->refresh;
	return 1000 * SEC_NS / (uint64_t)(refresh_mhz > 0 ? refresh_mhz : OUTPUT_REFRESH_MHZ);
}

/* Late by less than a millisecond at the most, and never by none: that would disarm the timer. */
static void output_set_timer(struct oriel_output *output, uint64_t now_ns, uint64_t when_ns) {
	uint64_t delay_ms = when_ns > now_ns ? (when_ns - now_ns) / MSEC_NS : 0;
	wl_event_source_timer_update(output->timer, delay_ms > 0 ? (int)delay_ms : 1);
}

/* The guest that is to be asked, or NULL. */
static struct oriel_guest_view *output_get_guest(const struct oriel_output *output) {
	return output->wlr_output->enabled
			? oriel_layout_get_view_at(output->outputs->layout, output->wlr_output)
			: NULL;
}

/* At a refresh, or where one could be. */
static void output_poll_guest(struct oriel_output *output, uint64_t now_ns) {
	struct oriel_guest_view *view = output_get_guest(output);
	/* One that is due before the next refresh is asked now. */
	if (view != NULL &&
			oriel_guest_view_get_next_poll_ns(view, 0) <=
					now_ns + output_get_period_ns(output) / 2) {
		oriel_guest_view_poll(view);
	}
}

static void output_pass_guest(struct oriel_output *output) {
	struct oriel_guest_view *view = output_get_guest(output);
	if (view != NULL) {
		oriel_guest_view_pass(view);
	}
}

/* Sees to it that the guest is asked again, should no refresh come. */
static void output_set_poll_timer(struct oriel_output *output, uint64_t now_ns, bool committed) {
	const struct oriel_guest_view *view = output_get_guest(output);
	uint64_t period_ns = output_get_period_ns(output);
	uint64_t next_ns = view != NULL ? oriel_guest_view_get_next_poll_ns(view, period_ns)
					: ORIEL_GUEST_VIEW_POLL_NEVER;
	if (next_ns == ORIEL_GUEST_VIEW_POLL_NEVER) {
		return;
	}
	if (next_ns < now_ns + period_ns / 2) {
		next_ns = now_ns + period_ns;
	}
	next_ns = oriel_deadline_align_ns(&output->deadline, next_ns);
	/* After a commit the next refresh comes by itself, and this is only in case. */
	output_set_timer(output, now_ns, committed ? next_ns + period_ns : next_ns);
}

static bool output_try_commit(struct oriel_output *output, const struct wlr_output_state *request) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	bool ok = (request == NULL || wlr_output_state_copy(&state, request)) &&
			wlr_scene_output_build_state(output->scene_output, &state, NULL) &&
			wlr_output_commit_state(output->wlr_output, &state);
	wlr_output_state_finish(&state);
	return ok;
}

static bool output_build_and_commit(
		struct oriel_output *output, const struct wlr_output_state *request) {
	bool ok = output_try_commit(output, request);
	bool scanned_out = oriel_reads_has_scanout(&output->reads);
	oriel_reads_submitted(&output->reads);
	if (!ok && scanned_out) {
		/* Some drivers accept a buffer in a test and refuse it in earnest. One that keeps
		 * doing that is not asked again. */
		wlr_output_lock_attach_render(output->wlr_output, true);
		ok = output_try_commit(output, request);
		oriel_reads_submitted(&output->reads);
		if (++output->scanout_failures < OUTPUT_SCANOUT_FAILURES) {
			wlr_output_lock_attach_render(output->wlr_output, false);
		} else {
			wlr_log(WLR_INFO, "output %s: guests are composed: scan-out keeps failing",
					output->wlr_output->name);
		}
	}
	if (!ok && !output->failing) {
		wlr_log(WLR_ERROR, "output %s: a frame could not be shown; trying on",
				output->wlr_output->name);
	}
	output->failing = !ok;
	output->retrying = !ok;
	return ok;
}

/* Asks the guest, and draws what has changed. */
static void output_begin_frame(struct oriel_output *output) {
	uint64_t begun_ns = oriel_clock_now_ns();
	output_poll_guest(output, begun_ns);
	bool committed = false;
	if (wlr_scene_output_needs_frame(output->scene_output)) {
		committed = output_build_and_commit(output, NULL);
	}
	uint64_t now_ns = oriel_clock_now_ns();
	if (committed) {
		oriel_deadline_committed(&output->deadline, begun_ns, now_ns);
	}
	if (output->retrying) {
		output_set_timer(output, now_ns, now_ns + output_get_period_ns(output));
	} else {
		output_pass_guest(output);
		output_set_poll_timer(output, now_ns, committed);
	}
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	wlr_scene_output_send_frame_done(output->scene_output, &now);
}

/* The backend takes the next frame. */
static void output_handle_frame(struct wl_listener *listener, void *data) {
	struct oriel_output *output = wl_container_of(listener, output, frame);
	/*
	 * After a failure the next try is the timer's. Damage makes wlroots send this event from an
	 * idle source, and a frame event that only damages again would keep the event loop in its
	 * idle sources for ever.
	 */
	if (output->scene_output == NULL || output->retrying) {
		return;
	}
	uint64_t now_ns = oriel_clock_now_ns();
	uint64_t begin_ns = oriel_deadline_get_begin_ns(&output->deadline, now_ns);
	if (begin_ns >= now_ns + MSEC_NS) {
		output_set_timer(output, now_ns, begin_ns);
	} else {
		output_begin_frame(output);
	}
}

static int output_handle_timer(void *data) {
	struct oriel_output *output = data;
	if (output->retrying) {
		output->retrying = false;
		wlr_output_schedule_frame(output->wlr_output);
		return 0;
	}
	if (output->scene_output == NULL) {
		return 0;
	}
	if (output->wlr_output->frame_pending) {
		/* A slow output's refresh is still to come, and asks by itself. */
		output_set_poll_timer(output, oriel_clock_now_ns(), true);
	} else {
		output_begin_frame(output);
	}
	return 0;
}

static void output_handle_present(struct wl_listener *listener, void *data) {
	struct oriel_output *output = wl_container_of(listener, output, present);
	const struct wlr_output_event_present *event = data;
	if (!event->presented) {
		return;
	}
	oriel_reads_presented(&output->reads);
	/* The parent session of a window has a deadline of its own, which it does not tell. */
	if (!(event->flags & WLR_OUTPUT_PRESENT_VSYNC) || event->refresh <= 0 ||
			output_is_nested(output->wlr_output)) {
		oriel_deadline_forget(&output->deadline);
		return;
	}
	uint64_t when_ns = (uint64_t)event->when.tv_sec * SEC_NS + (uint64_t)event->when.tv_nsec;
	oriel_deadline_presented(&output->deadline, when_ns, (uint64_t)event->refresh);
}

static void output_handle_request_state(struct wl_listener *listener, void *data) {
	struct oriel_output *output = wl_container_of(listener, output, request_state);
	const struct wlr_output_event_request_state *event = data;
	if (output->scene_output == NULL) {
		return;
	}
	/* With a buffer: wlroots would take a state without one for the end of a scan-out. */
	if (!output_build_and_commit(output, event->state)) {
		uint64_t now_ns = oriel_clock_now_ns();
		output_set_timer(output, now_ns, now_ns + output_get_period_ns(output));
	}
}

static void output_handle_destroy(struct wl_listener *listener, void *data) {
	struct oriel_output *output = wl_container_of(listener, output, destroy);
	struct oriel_outputs *outputs = output->outputs;
	bool nested = output_is_nested(output->wlr_output);
	oriel_reads_detach(&output->reads, output->wlr_output);
	oriel_reads_finish(&output->reads);
	wl_list_remove(&output->link);
	wl_list_remove(&output->frame.link);
	wl_list_remove(&output->present.link);
	wl_list_remove(&output->request_state.link);
	wl_list_remove(&output->destroy.link);
	wl_event_source_remove(output->timer);
	free(output);
	if (nested && wl_list_empty(&outputs->outputs)) {
		wl_signal_emit_mutable(&outputs->events.closed, NULL);
	}
}

/*
 * Scan-out needs the end of a guest buffer's time on screen as a timeline point. wlr_scene makes
 * one under these very conditions; elsewhere (headless among them, which would "scan out"
 * anything) the guest is composed.
 */
static bool output_can_scan_out(const struct oriel_output *output) {
	struct wlr_backend *backend = output->wlr_output->backend;
	return wlr_backend_get_drm_fd(backend) >= 0 && backend->features.timeline &&
			output->outputs->renderer->features.timeline;
}

/* Gives the output its place in the layout and in the scene. */
static bool output_enable(struct oriel_output *output, const struct oriel_config_output *config) {
	struct oriel_outputs *outputs = output->outputs;
	struct wlr_output_layout_output *place =
			oriel_modeset_place(outputs->output_layout, output->wlr_output, config);
	output->scene_output = wlr_scene_output_create(outputs->scene, output->wlr_output);
	if (place == NULL || output->scene_output == NULL) {
		wlr_output_layout_remove(outputs->output_layout, output->wlr_output);
		return false;
	}
	wlr_scene_output_layout_add_output(outputs->scene_layout, place, output->scene_output);
	if (!output_can_scan_out(output)) {
		wlr_output_lock_attach_render(output->wlr_output, true);
	}
	return true;
}

static struct oriel_output *output_create(
		struct oriel_outputs *outputs, struct wlr_output *wlr_output) {
	struct oriel_output *output = calloc(1, sizeof(*output));
	if (output == NULL) {
		return NULL;
	}
	output->timer = wl_event_loop_add_timer(outputs->loop, output_handle_timer, output);
	if (output->timer == NULL) {
		free(output);
		return NULL;
	}
	output->outputs = outputs;
	output->wlr_output = wlr_output;
	oriel_deadline_init(&output->deadline);
	oriel_reads_init(&output->reads, outputs->loop, outputs->sync);
	oriel_reads_attach(&output->reads, wlr_output);
	wl_list_insert(&outputs->outputs, &output->link);

	output->frame.notify = output_handle_frame;
	wl_signal_add(&wlr_output->events.frame, &output->frame);
	output->present.notify = output_handle_present;
	wl_signal_add(&wlr_output->events.present, &output->present);
	output->request_state.notify = output_handle_request_state;
	wl_signal_add(&wlr_output->events.request_state, &output->request_state);
	output->destroy.notify = output_handle_destroy;
	wl_signal_add(&wlr_output->events.destroy, &output->destroy);
	return output;
}

static void outputs_handle_new_output(struct wl_listener *listener, void *data) {
	struct oriel_outputs *outputs = wl_container_of(listener, outputs, new_output);
	struct wlr_output *wlr_output = data;
	if (wlr_output->non_desktop) {
		return;
	}
	if (!wlr_output_init_render(wlr_output, outputs->allocator, outputs->renderer)) {
		wlr_log(WLR_ERROR, "output %s: cannot be drawn to", wlr_output->name);
		return;
	}
	struct oriel_output *output = output_create(outputs, wlr_output);
	if (output == NULL) {
		wlr_log(WLR_ERROR, "output %s: out of memory", wlr_output->name);
		return;
	}
	const struct oriel_config_output *config =
			oriel_modeset_find_config(outputs->config, wlr_output->name);
	if (!oriel_modeset_apply(wlr_output, config) || !wlr_output->enabled) {
		return;
	}
	if (!output_enable(output, config)) {
		wlr_log(WLR_ERROR, "output %s: has no place on screen: out of memory or timelines",
				wlr_output->name);
	}
}

static void outputs_handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct oriel_outputs *outputs = wl_container_of(listener, outputs, backend_destroy);
	wl_list_remove(&outputs->new_output.link);
	wl_list_remove(&outputs->backend_destroy.link);
}

static void outputs_handle_layout_change(struct wl_listener *listener, void *data) {
	struct oriel_outputs *outputs = wl_container_of(listener, outputs, layout_change);
	oriel_layout_arrange(outputs->layout);
}

void oriel_outputs_init(struct oriel_outputs *outputs, struct wlr_backend *backend) {
	wl_list_init(&outputs->outputs);
	wl_signal_init(&outputs->events.closed);
	outputs->new_output.notify = outputs_handle_new_output;
	wl_signal_add(&backend->events.new_output, &outputs->new_output);
	outputs->backend_destroy.notify = outputs_handle_backend_destroy;
	wl_signal_add(&backend->events.destroy, &outputs->backend_destroy);
	outputs->layout_change.notify = outputs_handle_layout_change;
	wl_signal_add(&outputs->output_layout->events.change, &outputs->layout_change);
}

void oriel_outputs_finish(struct oriel_outputs *outputs) {
	assert(wl_list_empty(&outputs->outputs));
	assert(wl_list_empty(&outputs->events.closed.listener_list));
	wl_list_remove(&outputs->layout_change.link);
}
