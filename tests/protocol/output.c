/*
 * Outputs that fail, are refused a mode, go away or are covered, and what becomes of the guests on
 * them.
 */
#include "output/output.h"

#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/backend/headless.h>
#include <wlr/backend/multi.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "bridge/acquire.h"
#include "bridge/latch.h"
#include "fd.h"
#include "fixture.h"
#include "guest/buffer.h"
#include "guest/clock.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "input.h"
#include "log_lines.h"
#include "server.h"
#include "view/guest_view.h"
#include "view/layout.h"
#include "xdg_client.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NS_PER_MS 1000000
/* Of a headless output, rounded down. */
#define REFRESH_MS 16
#define WAITERS_MAX 8

/*
 * The faults of an output, between oriel and wlroots. wlroots' headless outputs have none of their
 * own: they take every mode and every buffer.
 */
static struct {
	int builds_failing, commits_failing; /* so many of the next ones; -1: all */
	const struct wlr_output *output; /* whose; NULL: anyone's */
	/* False: the state cannot be committed. NULL: every one can. */
	bool (*accepts)(const struct wlr_output_state *state);
	const struct oriel_guest_view *scanned_out_view; /* for accepts_no_scan_out() */

	unsigned int attempts; /* to build a state */
	unsigned int refused; /* by accepts */
	unsigned int timers_set; /* by oriel: it is to wake up later */

	/*
	 * Scan-outs that are to end with the flip to another buffer. Headless outputs have no
	 * timelines, and the commit of the next buffer is the flip.
	 */
	struct wlr_drm_syncobj_timeline_waiter *waiters[WAITERS_MAX];
	wlr_drm_syncobj_timeline_ready_callback waiter_callbacks[WAITERS_MAX];
	size_t waiter_count;

	int acquire_fd; /* that frames taken now wait for; -1: they are ready */
} faults;

bool __real_wlr_scene_output_build_state(struct wlr_scene_output *scene_output,
		struct wlr_output_state *state, const struct wlr_scene_output_state_options *options);
bool __wrap_wlr_scene_output_build_state(struct wlr_scene_output *scene_output,
		struct wlr_output_state *state, const struct wlr_scene_output_state_options *options);
bool __real_wlr_output_commit_state(struct wlr_output *output, const struct wlr_output_state *state);
bool __wrap_wlr_output_commit_state(struct wlr_output *output, const struct wlr_output_state *state);
bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback);
void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter);
int __real_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __real_oriel_acquire_take(struct oriel_guest_buffer *buffer, struct sb_fence *ret_fence);
int __wrap_oriel_acquire_take(struct oriel_guest_buffer *buffer, struct sb_fence *ret_fence);

static bool fails_now(int *failing, const struct wlr_output *output) {
	if (*failing == 0 || (faults.output != NULL && faults.output != output)) {
		return false;
	}
	if (*failing > 0) {
		(*failing)--;
	}
	return true;
}

bool __wrap_wlr_scene_output_build_state(struct wlr_scene_output *scene_output,
		struct wlr_output_state *state, const struct wlr_scene_output_state_options *options) {
	faults.attempts++;
	if (fails_now(&faults.builds_failing, scene_output->output)) {
		return false;
	}
	return __real_wlr_scene_output_build_state(scene_output, state, options);
}

bool __wrap_wlr_output_commit_state(struct wlr_output *output, const struct wlr_output_state *state) {
	if (fails_now(&faults.commits_failing, output)) {
		return false;
	}
	if (faults.accepts != NULL && !faults.accepts(state)) {
		faults.refused++;
		return false;
	}
	if (!__real_wlr_output_commit_state(output, state)) {
		return false;
	}
	/* Each finishes itself when it is called. */
	while (faults.waiter_count > 0) {
		faults.waiter_callbacks[0](faults.waiters[0]);
	}
	return true;
}

bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback) {
	assert_true(faults.waiter_count < WAITERS_MAX);
	faults.waiters[faults.waiter_count] = waiter;
	faults.waiter_callbacks[faults.waiter_count++] = callback;
	return true;
}

void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter) {
	for (size_t i = 0; i < faults.waiter_count; i++) {
		if (faults.waiters[i] == waiter) {
			faults.waiter_count--;
			faults.waiters[i] = faults.waiters[faults.waiter_count];
			faults.waiter_callbacks[i] = faults.waiter_callbacks[faults.waiter_count];
			return;
		}
	}
	fail_msg("a waiter that is not there was finished");
}

int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms) {
	faults.timers_set++;
	return __real_wl_event_source_timer_update(source, delay_ms);
}

int __wrap_oriel_acquire_take(struct oriel_guest_buffer *buffer, struct sb_fence *ret_fence) {
	if (faults.acquire_fd < 0) {
		return __real_oriel_acquire_take(buffer, ret_fence);
	}
	/* A pipe, which sb_fence_from_sync_file() would not take. */
	int fd = sb_fd_dup(faults.acquire_fd);
	assert_true(fd >= 0);
	*ret_fence = (struct sb_fence){ .type = SB_FENCE_SYNC_FILE, .fds = { fd } };
	return 0;
}

/* A test whose event loop no longer turns is ended by the signal, and fails. */
static int setup(void **state) {
	memset(&faults, 0, sizeof(faults));
	faults.acquire_fd = -1;
	alarm(FIXTURE_PATIENCE_S + 30);
	return 0;
}

static int teardown(void **state) {
	alarm(0);
	assert_int_equal(faults.waiter_count, 0);
	return 0;
}

/* With so many outputs from the start; log lines are counted from here on. */
static void init(struct fixture *fixture, int outputs, const char *config_text) {
	char digits[16];
	snprintf(digits, sizeof(digits), "%d", outputs);
	setenv("WLR_HEADLESS_OUTPUTS", digits, true);
	fixture_init(fixture, config_text);
	unsetenv("WLR_HEADLESS_OUTPUTS");
	log_lines_init();
}

static void find_headless(struct wlr_backend *backend, void *data) {
	struct wlr_backend **found = data;
	if (wlr_backend_is_headless(backend)) {
		*found = backend;
	}
}

/* A new one, which takes the next number in the configuration's OUTPUT- names. */
static void plug_output(struct fixture *fixture) {
	struct wlr_backend *headless = NULL;
	wlr_multi_for_each_backend(fixture->server->backend, find_headless, &headless);
	assert_non_null(headless);
	assert_non_null(wlr_headless_add_output(headless, 1280, 720));
}

static struct oriel_output *get_numbered_output(struct fixture *fixture, int number) {
	return fixture_get_output(fixture, fixture_get_numbered_output_name(fixture, number));
}

static uint64_t get_taken(const struct oriel_guest_view *view) {
	return oriel_source_get_counters(view->source).taken;
}

static uint64_t get_released(const struct oriel_guest_view *view) {
	return oriel_source_get_counters(view->source).released;
}

struct wanted_count {
	const uint64_t *count;
	uint64_t value;
};

static bool count_is_reached(struct fixture *fixture, void *data) {
	const struct wanted_count *wanted = data;
	return *wanted->count >= wanted->value;
}

/* Steps until another count frames have been shown. */
static void step_until_shown(
		struct fixture *fixture, const struct oriel_guest_view *view, uint64_t count) {
	struct wanted_count wanted = {
		.count = &view->stats.shown,
		.value = view->stats.shown + count,
	};
	fixture_step_until(fixture, count_is_reached, &wanted);
}

static bool attempts_are_reached(struct fixture *fixture, void *data) {
	return faults.attempts >= *(const unsigned int *)data;
}

static void step_until_attempted(struct fixture *fixture, unsigned int count) {
	unsigned int wanted = faults.attempts + count;
	fixture_step_until(fixture, attempts_are_reached, &wanted);
}

/*
 * Steps for the time of so many refreshes, whether or not there are any, and often enough for what
 * they bring if the machine was held up in between.
 */
static void step_for_refreshes(struct fixture *fixture, int count) {
	uint64_t end_ns = oriel_clock_now_ns() + (uint64_t)count * REFRESH_MS * NS_PER_MS;
	for (int i = 0; i < count * 4 || oriel_clock_now_ns() < end_ns; i++) {
		fixture_step(fixture, REFRESH_MS / 4);
	}
}

/* Once what is under way is over, nothing is drawn and nobody is asked, now or later. */
static void assert_rests(struct fixture *fixture) {
	step_for_refreshes(fixture, 4);
	unsigned int attempts = faults.attempts, timers_set = faults.timers_set;
	step_for_refreshes(fixture, 20);
	assert_int_equal(faults.attempts, attempts);
	assert_int_equal(faults.timers_set, timers_set);
}

/* Every frame was released once, but for the one that is shown; then for none. */
static void assert_each_released_once(struct oriel_guest_view *view) {
	if (view->output != NULL) {
		assert_int_equal(get_taken(view), get_released(view) + (view->primary.frame != NULL));
	}
	oriel_guest_view_blank(view);
	assert_int_equal(get_taken(view), get_released(view));
	assert_int_equal(view->stats.shown + view->stats.superseded, get_taken(view));
	assert_int_equal(view->stats.rejected, 0);
}

/* The last line that was logged, of so many, is of that output and says that. */
static void assert_last_line(unsigned int count, const char *output_name, const char *text) {
	assert_int_equal(log_lines_get_count(), count);
	char line[256];
	snprintf(line, sizeof(line), "output %s: %s", output_name, text);
	/* wlroots puts the place in the source in front. */
	const char *said = strstr(log_lines_get_last(), "output ");
	assert_non_null(said);
	assert_string_equal(said, line);
}

/* Frames that cannot be shown */

#define NOT_SHOWN "a frame could not be shown; trying on"

static int *get_failing(int kind) {
	return kind == 0 ? &faults.builds_failing : &faults.commits_failing;
}

static const char one_guest[] = "output OUTPUT-1 {\n\tmode 64x48\n}\n"
				"guest a {\n\tsource synthetic 64x48\n}\n";

static void failure_that_passes_is_told_once_and_frames_go_on(void **state) {
	static const int lengths[] = { 1, 2, 5 };
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	step_until_shown(&fixture, view, 2);
	unsigned int lines = 0;
	for (int kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
			int *failing = get_failing(kind);
			*failing = lengths[i];
			step_until_attempted(&fixture, (unsigned int)lengths[i] + 1);
			assert_int_equal(*failing, 0);
			assert_last_line(++lines, view->output->name, NOT_SHOWN);
			step_until_shown(&fixture, view, 3);
			assert_int_equal(log_lines_get_count(), lines);
		}
	}
	assert_each_released_once(view);
	fixture_finish(&fixture);
}

struct ticker {
	struct wl_event_source *timer;
	unsigned int ticks;
};

static int ticker_handle_timer(void *data) {
	struct ticker *ticker = data;
	ticker->ticks++;
	wl_event_source_timer_update(ticker->timer, 1);
	return 0;
}

static int handle_end_timer(void *data) {
	wl_display_terminate(data);
	return 0;
}

static bool has_ticked(struct fixture *fixture, void *data) {
	const struct ticker *ticker = data;
	return ticker->ticks >= 100;
}

/*
 * What changes on an output that fails must not keep the event loop to itself: others are served,
 * the failure is tried again no faster than the output refreshes, and who asks for the end gets it.
 */
static void failure_for_ever_leaves_the_event_loop_turning(void **state) {
	for (int kind = 0; kind < 2; kind++) {
		struct fixture fixture;
		init(&fixture, 1, one_guest);
		struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
		struct xdg_client *client = xdg_client_create(&fixture);
		struct xdg_window *window = xdg_window_create(client);
		xdg_window_show(window, 32, 24, 0x123456);
		xdg_window_animate(window);
		struct wl_event_loop *loop = fixture.server->loop;
		struct ticker ticker = { 0 };
		ticker.timer = wl_event_loop_add_timer(loop, ticker_handle_timer, &ticker);
		wl_event_source_timer_update(ticker.timer, 1);

		*get_failing(kind) = -1;
		uint64_t start_ns = oriel_clock_now_ns();
		unsigned int attempts = faults.attempts;
		fixture_step_until(&fixture, has_ticked, &ticker);
		step_until_attempted(&fixture, 3);
		xdg_client_roundtrip(client);
		uint64_t refreshes = (oriel_clock_now_ns() - start_ns) / (REFRESH_MS * NS_PER_MS);
		assert_uint_in_range(faults.attempts - attempts, 3, refreshes + 2);
		assert_last_line(1, view->output->name, NOT_SHOWN);

		struct wl_event_source *end = wl_event_loop_add_timer(
				loop, handle_end_timer, fixture.server->display);
		wl_event_source_timer_update(end, 40);
		wl_display_run(fixture.server->display);
		assert_false(fixture.server->failed);

		/* One that is asked to go on instead does. */
		*get_failing(kind) = 0;
		step_until_shown(&fixture, view, 2);
		xdg_window_wait_frame(window);
		assert_int_equal(log_lines_get_count(), 1);
		assert_each_released_once(view);
		wl_event_source_remove(end);
		wl_event_source_remove(ticker.timer);
		xdg_client_destroy(client);
		fixture_finish(&fixture);
	}
}

static void end_while_an_output_fails_releases_each_frame_once(void **state) {
	for (int kind = 0; kind < 2; kind++) {
		struct fixture fixture;
		init(&fixture, 1, one_guest);
		struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
		step_until_shown(&fixture, view, 1);
		*get_failing(kind) = -1;
		step_until_attempted(&fixture, 2);
		assert_each_released_once(view);
		step_until_attempted(&fixture, 2);
		fixture_finish(&fixture);
		*get_failing(kind) = 0;
	}
}

static void request_size(struct wlr_output *output, int width, int height) {
	struct wlr_output_state output_state;
	wlr_output_state_init(&output_state);
	wlr_output_state_set_custom_mode(&output_state, width, height, 0);
	struct wlr_output_event_request_state event = { .output = output, .state = &output_state };
	wl_signal_emit_mutable(&output->events.request_state, &event);
	wlr_output_state_finish(&output_state);
}

/* No guest is there to keep the timer going. */
static void output_without_content_tries_on_and_is_still_again(void **state) {
	struct fixture fixture;
	init(&fixture, 1, "output OUTPUT-1 {\n\tmode 64x48\n}\n");
	struct wlr_output *output = get_numbered_output(&fixture, 1)->wlr_output;
	for (unsigned int i = 1; i <= 2; i++) {
		step_for_refreshes(&fixture, 4);
		unsigned int attempts = faults.attempts;
		faults.commits_failing = 2;
		if (i == 1) {
			wlr_output_schedule_frame(output);
		} else {
			request_size(output, 128, 96);
		}
		step_until_attempted(&fixture, attempts + 3 - faults.attempts);
		assert_last_line(i, output->name, NOT_SHOWN);
		assert_rests(&fixture);
	}
	fixture_finish(&fixture);
}

static void requested_state_that_fails_leaves_the_output_as_it_was(void **state) {
	for (int kind = 0; kind < 2; kind++) {
		struct fixture fixture;
		init(&fixture, 1, one_guest);
		struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
		struct wlr_output *output = get_numbered_output(&fixture, 1)->wlr_output;
		step_until_shown(&fixture, view, 1);
		*get_failing(kind) = 1;
		request_size(output, 128, 96);
		assert_int_equal(*get_failing(kind), 0);
		assert_last_line(1, output->name, NOT_SHOWN);
		assert_int_equal(output->width, 64);
		step_until_shown(&fixture, view, 2);
		assert_int_equal(output->width, 64);
		request_size(output, 128, 96);
		assert_int_equal(output->width, 128);
		assert_int_equal(view->primary.scene_buffer->dst_width, 128);
		step_until_shown(&fixture, view, 2);
		assert_int_equal(log_lines_get_count(), 1);
		assert_each_released_once(view);
		fixture_finish(&fixture);
	}
}

static void failure_of_one_output_leaves_the_other_alone(void **state) {
	struct fixture fixture;
	init(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n\toutput OUTPUT-1\n}\n"
			"guest b {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	struct oriel_guest_view *a = fixture_get_view(&fixture, "a");
	struct oriel_guest_view *b = fixture_get_view(&fixture, "b");
	step_until_shown(&fixture, a, 1);
	step_until_shown(&fixture, b, 1);
	faults.commits_failing = -1;
	faults.output = a->output;
	step_until_attempted(&fixture, 2);
	assert_last_line(1, a->output->name, NOT_SHOWN);
	step_until_shown(&fixture, b, 5);
	faults.commits_failing = 0;
	step_until_shown(&fixture, b, 5);
	step_until_shown(&fixture, a, 5);
	assert_each_released_once(a);
	assert_each_released_once(b);
	fixture_finish(&fixture);
}

/* Scan-out */

/* A commit that shows the guest's own buffer. */
static bool accepts_no_scan_out(const struct wlr_output_state *state) {
	const struct oriel_guest_frame *frame = faults.scanned_out_view->primary.frame;
	return !(state->committed & WLR_OUTPUT_STATE_BUFFER) || frame == NULL ||
			state->buffer !=
			oriel_guest_buffer_get_wlr_buffer(oriel_guest_frame_get_buffer(frame));
}

/* Headless outputs take any buffer, so that the guest's goes out as it is once oriel lets it. */
static struct oriel_output *allow_scan_out(
		struct fixture *fixture, const struct oriel_guest_view *view) {
	struct oriel_output *output = get_numbered_output(fixture, 1);
	wlr_output_lock_attach_render(output->wlr_output, false);
	assert_int_equal(output->wlr_output->attach_render_locks, 0);
	faults.scanned_out_view = view;
	return output;
}

static void step_until_scanned_out(
		struct fixture *fixture, const struct oriel_guest_view *view, uint64_t count) {
	struct wanted_count wanted = {
		.count = &view->stats.scanned_out,
		.value = view->stats.scanned_out + count,
	};
	fixture_step_until(fixture, count_is_reached, &wanted);
}

static void scan_out_ends_with_the_flip(void **state) {
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	allow_scan_out(&fixture, view);
	step_until_scanned_out(&fixture, view, 20);
	/* The one on screen, and no other. */
	assert_int_equal(faults.waiter_count, 1);
	oriel_guest_view_blank(view);
	assert_int_equal(get_taken(view), get_released(view) + 1);
	step_until_shown(&fixture, view, 2);
	/* The next one may have been taken already. */
	bool holds_unseen = view->primary.frame != NULL && !view->primary.frame->sampled;
	assert_int_equal(get_taken(view), get_released(view) + 1 + holds_unseen);
	fixture_finish(&fixture);
}

static void scan_out_that_fails_is_composed_at_once(void **state) {
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct oriel_output *output = allow_scan_out(&fixture, view);
	step_until_scanned_out(&fixture, view, 2);
	for (unsigned int i = 1; i <= 2; i++) {
		uint32_t commit_seq = output->wlr_output->commit_seq;
		unsigned int attempts = faults.attempts;
		faults.accepts = accepts_no_scan_out;
		while (faults.refused < i) {
			assert_int_equal(output->wlr_output->commit_seq, commit_seq);
			fixture_step(&fixture, 4);
		}
		faults.accepts = NULL;
		/* The frame is on screen, and no other was asked for. */
		assert_int_equal(output->wlr_output->commit_seq, commit_seq + 1);
		assert_int_equal(faults.attempts, attempts + 2);
		assert_false(output->retrying);
		/* Neither read is left to a commit to come. */
		assert_true(wl_list_empty(&output->reads.noted));
		assert_int_equal(output->wlr_output->attach_render_locks, 0);
		step_until_scanned_out(&fixture, view, 2);
	}
	assert_int_equal(log_lines_get_count(), 0);
	fixture_finish(&fixture);
}

static void scan_out_that_keeps_failing_is_given_up(void **state) {
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct oriel_output *output = allow_scan_out(&fixture, view);
	faults.accepts = accepts_no_scan_out;
	step_until_shown(&fixture, view, 10);
	assert_int_equal(faults.refused, 3);
	assert_int_equal(output->wlr_output->attach_render_locks, 1);
	assert_int_equal(log_lines_get_count(), 0);
	/* All of them were composed, and none is waited for. */
	assert_int_equal(faults.waiter_count, 0);
	assert_each_released_once(view);
	fixture_finish(&fixture);
}

static void scan_out_that_fails_as_composing_does_is_tried_on(void **state) {
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct oriel_output *output = allow_scan_out(&fixture, view);
	step_until_scanned_out(&fixture, view, 2);
	faults.commits_failing = 2;
	step_until_attempted(&fixture, 3);
	assert_int_equal(faults.commits_failing, 0);
	assert_last_line(1, output->wlr_output->name, NOT_SHOWN);
	step_until_scanned_out(&fixture, view, 3);
	assert_int_equal(log_lines_get_count(), 1);
	assert_int_equal(faults.waiter_count, 1);
	fixture_finish(&fixture);
}

/* Modes */

static bool accepts_no_refresh(const struct wlr_output_state *state) {
	return !(state->committed & WLR_OUTPUT_STATE_MODE) || state->custom_mode.refresh == 0;
}

static bool accepts_no_mode(const struct wlr_output_state *state) {
	return !(state->committed & WLR_OUTPUT_STATE_MODE);
}

static bool accepts_nothing(const struct wlr_output_state *state) {
	return false;
}

static const char plugged_in[] = "output OUTPUT-2 {\n\tmode 640x480@75\n}\n"
				 "guest b {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n";

static void mode_is_taken_as_it_is_asked_for(void **state) {
	struct fixture fixture;
	init(&fixture, 1, plugged_in);
	plug_output(&fixture);
	struct wlr_output *output = get_numbered_output(&fixture, 2)->wlr_output;
	assert_int_equal(output->width, 640);
	assert_int_equal(output->height, 480);
	assert_int_equal(output->refresh, 75000);
	assert_int_equal(log_lines_get_count(), 0);
	fixture_finish(&fixture);
}

/* A window of another compositor's has that one's refresh rate. */
static void mode_with_a_refresh_rate_is_taken_without(void **state) {
	struct fixture fixture;
	init(&fixture, 1, plugged_in);
	faults.accepts = accepts_no_refresh;
	plug_output(&fixture);
	struct wlr_output *output = get_numbered_output(&fixture, 2)->wlr_output;
	assert_int_equal(output->width, 640);
	assert_int_equal(output->height, 480);
	assert_int_equal(output->refresh, 0);
	assert_int_equal(log_lines_get_count(), 0);
	step_until_shown(&fixture, fixture_get_view(&fixture, "b"), 2);
	fixture_finish(&fixture);
}

static void mode_that_is_refused_gives_way_to_the_outputs_own(void **state) {
	struct fixture fixture;
	init(&fixture, 1, plugged_in);
	faults.accepts = accepts_no_mode;
	plug_output(&fixture);
	faults.accepts = NULL;
	struct wlr_output *output = get_numbered_output(&fixture, 2)->wlr_output;
	assert_true(output->enabled);
	assert_int_equal(output->width, 1280);
	assert_int_equal(output->height, 720);
	assert_last_line(1, output->name, "does not take mode 640x480@75.000: its own is used");
	struct oriel_guest_view *view = fixture_get_view(&fixture, "b");
	assert_ptr_equal(view->output, output);
	step_until_shown(&fixture, view, 2);
	assert_each_released_once(view);
	fixture_finish(&fixture);
}

/* It shows nothing, and nobody waits for it. */
static void output_that_takes_nothing_is_left_out(void **state) {
	struct fixture fixture;
	init(&fixture, 1, plugged_in);
	faults.accepts = accepts_nothing;
	plug_output(&fixture);
	faults.accepts = NULL;
	struct oriel_output *output = get_numbered_output(&fixture, 2);
	assert_int_equal(log_lines_get_count(), 2);
	assert_last_line(2, output->wlr_output->name, "cannot be switched on");
	assert_null(output->scene_output);
	assert_null(wlr_output_layout_get(fixture.server->output_layout, output->wlr_output));
	struct oriel_guest_view *view = fixture_get_view(&fixture, "b");
	assert_null(view->output);
	request_size(output->wlr_output, 64, 48);
	assert_rests(&fixture);
	assert_int_equal(get_taken(view), 0);
	fixture_finish(&fixture);
}

static void output_that_is_off_draws_and_asks_nothing(void **state) {
	struct fixture fixture;
	init(&fixture, 1,
			"output OUTPUT-2 {\n\toff\n}\n"
			"guest b {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	step_for_refreshes(&fixture, 4);
	plug_output(&fixture);
	struct oriel_output *output = get_numbered_output(&fixture, 2);
	assert_false(output->wlr_output->enabled);
	assert_null(output->scene_output);
	wlr_output_schedule_frame(output->wlr_output);
	request_size(output->wlr_output, 64, 48);
	assert_rests(&fixture);
	assert_false(output->wlr_output->enabled);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "b");
	assert_null(view->output);
	assert_int_equal(get_taken(view), 0);
	wlr_output_destroy(output->wlr_output);
	assert_int_equal(log_lines_get_count(), 0);
	fixture_finish(&fixture);
}

static void output_that_cannot_be_switched_off_is_named(void **state) {
	struct fixture fixture;
	init(&fixture, 1, "output OUTPUT-2 {\n\toff\n}\n");
	faults.accepts = accepts_nothing;
	plug_output(&fixture);
	faults.accepts = NULL;
	struct oriel_output *output = get_numbered_output(&fixture, 2);
	assert_last_line(1, output->wlr_output->name, "cannot be switched off");
	assert_null(output->scene_output);
	fixture_finish(&fixture);
}

/* Guests that nobody sees */

static const char guest_and_key[] = "output OUTPUT-1 {\n\tmode 64x48\n}\n"
				    "guest a {\n\tsource synthetic 64x48\n}\n"
				    "bind Super+1 guest a\n";

static void guest_behind_a_window_is_not_asked_until_it_goes(void **state) {
	struct fixture fixture;
	init(&fixture, 1, guest_and_key);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct xdg_client *client = xdg_client_create(&fixture);
	for (int i = 0; i < 3; i++) {
		struct xdg_window *window = xdg_window_create(client);
		xdg_window_show(window, 64, 48, 0x123456);
		/* Whether or not something is drawn. */
		uint64_t taken = get_taken(view);
		for (uint32_t j = 0; j < 5; j++) {
			xdg_window_draw(window, 64, 48, j);
			xdg_window_wait_frame(window);
		}
		assert_rests(&fixture);
		assert_int_equal(get_taken(view), taken);

		xdg_window_destroy(window);
		step_until_shown(&fixture, view, 3);
	}
	assert_each_released_once(view);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void guest_behind_a_window_is_asked_when_it_comes_in_front(void **state) {
	struct fixture fixture;
	init(&fixture, 1, guest_and_key);
	struct input input;
	input_plug(&input, &fixture);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 64, 48, 0x123456);
	for (int i = 0; i < 2; i++) {
		assert_rests(&fixture);
		input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
		step_until_shown(&fixture, view, 3);
		/* And back. */
		input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	}
	assert_each_released_once(view);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void guest_seen_past_the_edge_of_a_window_is_asked(void **state) {
	struct fixture fixture;
	init(&fixture, 1, guest_and_key);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 64, 47, 0x123456);
	step_until_shown(&fixture, view, 5);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void guests_selected_in_turn_on_one_of_two_outputs_rest_in_turn(void **state) {
	struct fixture fixture;
	init(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n\toutput OUTPUT-1\n}\n"
			"guest b {\n\tsource synthetic 32x24\n\toutput OUTPUT-1\n}\n"
			"guest c {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	struct oriel_guest_view *turns[] = {
		fixture_get_view(&fixture, "a"),
		fixture_get_view(&fixture, "b"),
	};
	struct oriel_guest_view *always = fixture_get_view(&fixture, "c");
	step_until_shown(&fixture, turns[0], 1);
	step_until_shown(&fixture, always, 1);
	for (int i = 1; i <= 10; i++) {
		struct oriel_guest_view *selected = turns[i % 2], *rests = turns[(i + 1) % 2];
		oriel_layout_select(&fixture.server->layout, selected);
		uint64_t taken = get_taken(rests);
		step_until_shown(&fixture, selected, 2);
		step_until_shown(&fixture, always, 2);
		assert_int_equal(get_taken(rests), taken);
		assert_null(rests->output);
		assert_ptr_equal(selected->output, get_numbered_output(&fixture, 1)->wlr_output);
		assert_ptr_equal(always->output, get_numbered_output(&fixture, 2)->wlr_output);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(turns); i++) {
		assert_each_released_once(turns[i]);
	}
	assert_each_released_once(always);
	fixture_finish(&fixture);
}

/* Outputs that go */

static const char two_places[] = "output OUTPUT-1 {\n\tmode 64x48\n}\n"
				 "output OUTPUT-2 {\n\tmode 128x96\n}\n"
				 "guest a {\n\tsource synthetic 64x48\n}\n";

static bool is_pending(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return oriel_latch_get_pending_count(view->primary.latch) > 0;
}

/* The frame is on its way, and waits for its writer; the output that asked for it goes. */
static void output_destroyed_with_a_frame_pending_shows_it_on_the_next(void **state) {
	struct fixture fixture;
	init(&fixture, 1, two_places);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	step_until_shown(&fixture, view, 2);
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	faults.acquire_fd = pipe_fds[0];
	fixture_step_until(&fixture, is_pending, view);
	const struct oriel_guest_frame *shown = view->primary.frame;
	wlr_output_destroy(get_numbered_output(&fixture, 1)->wlr_output);
	assert_null(view->output);
	assert_int_equal(get_released(view),
			get_taken(view) - oriel_latch_get_pending_count(view->primary.latch) - 1);

	/* It may be read now, and nobody is there to read it. */
	assert_int_equal(write(pipe_fds[1], "", 1), 1);
	faults.acquire_fd = -1;
	step_for_refreshes(&fixture, 2);
	assert_false(is_pending(&fixture, view));
	assert_ptr_not_equal(view->primary.frame, shown);
	assert_false(view->primary.frame->sampled);
	uint64_t taken = get_taken(view), count = view->stats.shown;
	plug_output(&fixture);
	step_until_shown(&fixture, view, 1);
	assert_int_equal(view->stats.shown, count + 1);
	assert_int_equal(get_taken(view), taken);
	assert_int_equal(view->primary.scene_buffer->dst_width, 128);
	step_until_shown(&fixture, view, 3);
	assert_each_released_once(view);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	fixture_finish(&fixture);
}

/* The frame could be shown, but for the output. */
static void output_destroyed_while_it_fails_shows_its_frame_on_the_next(void **state) {
	for (int kind = 0; kind < 2; kind++) {
		struct fixture fixture;
		init(&fixture, 1, two_places);
		struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
		step_until_shown(&fixture, view, 2);
		*get_failing(kind) = -1;
		step_until_attempted(&fixture, 3);
		assert_non_null(view->primary.frame);
		wlr_output_destroy(get_numbered_output(&fixture, 1)->wlr_output);
		*get_failing(kind) = 0;
		uint64_t taken = get_taken(view);
		step_for_refreshes(&fixture, 4);
		assert_int_equal(get_taken(view), taken);
		assert_int_equal(get_released(view), taken - 1);
		plug_output(&fixture);
		step_until_shown(&fixture, view, 3);
		assert_each_released_once(view);
		fixture_finish(&fixture);
	}
}

static void output_destroyed_with_a_scan_out_lets_go_of_it(void **state) {
	struct fixture fixture;
	init(&fixture, 1, one_guest);
	struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	struct oriel_output *output = allow_scan_out(&fixture, view);
	step_until_scanned_out(&fixture, view, 3);
	assert_int_equal(faults.waiter_count, 1);
	wlr_output_destroy(output->wlr_output);
	assert_int_equal(faults.waiter_count, 0);
	assert_each_released_once(view);
	assert_false(fixture.server->failed);
	fixture_finish(&fixture);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(failure_that_passes_is_told_once_and_frames_go_on),
		TEST(failure_for_ever_leaves_the_event_loop_turning),
		TEST(end_while_an_output_fails_releases_each_frame_once),
		TEST(output_without_content_tries_on_and_is_still_again),
		TEST(requested_state_that_fails_leaves_the_output_as_it_was),
		TEST(failure_of_one_output_leaves_the_other_alone),
		TEST(scan_out_ends_with_the_flip),
		TEST(scan_out_that_fails_is_composed_at_once),
		TEST(scan_out_that_keeps_failing_is_given_up),
		TEST(scan_out_that_fails_as_composing_does_is_tried_on),
		TEST(mode_is_taken_as_it_is_asked_for),
		TEST(mode_with_a_refresh_rate_is_taken_without),
		TEST(mode_that_is_refused_gives_way_to_the_outputs_own),
		TEST(output_that_takes_nothing_is_left_out),
		TEST(output_that_is_off_draws_and_asks_nothing),
		TEST(output_that_cannot_be_switched_off_is_named),
		TEST(guest_behind_a_window_is_not_asked_until_it_goes),
		TEST(guest_behind_a_window_is_asked_when_it_comes_in_front),
		TEST(guest_seen_past_the_edge_of_a_window_is_asked),
		TEST(guests_selected_in_turn_on_one_of_two_outputs_rest_in_turn),
		TEST(output_destroyed_with_a_frame_pending_shows_it_on_the_next),
		TEST(output_destroyed_while_it_fails_shows_its_frame_on_the_next),
		TEST(output_destroyed_with_a_scan_out_lets_go_of_it),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
