/*
 * How long a guest's flip takes to be read by the output that shows it, beside what it takes where
 * the guest is looked at every 30 ms, as QEMU's displays do; and what a guest that stands still
 * costs. A thread plays a guest of 60 flips a second that knows nothing of the output's refresh.
 *
 * The two ways take turns in one run, so that whatever else the machine does happens to both. The
 * output's refreshes go on all the while, as they do where anything moves: what was found is read
 * with the next of them, by oriel as by the compositor that a viewer hands its picture to.
 *
 * It runs in the VM whose clocks count instructions: time goes on with the work that is done, and
 * nothing beside the VM is in the figures.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/backend/session.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/buffer.h"
#include "guest/clock.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "kms.h"
#include "output/output.h"
#include "server.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define WIDTH 320
#define HEIGHT 240
/* A flip is told from the one to the same page before it by the time between: 200 ms. */
#define PAGES 12
#define FLIPS 500
#define BLOCK 50 /* flips until the other way has its turn */
#define FLIP_PERIOD_NS (1000000000 / 60)
#define POLLER_PERIOD_MS 30
#define IDLE_S 10

/* How the guest is looked at. */
enum way {
	WAY_ORIEL,
	WAY_POLLER,
	WAY_COUNT,
};

static struct {
	struct fixture fixture;
	char uuid[37];
	struct vgpu_guest *vgpu;
	ino_t inodes[PAGES];
	int dmabuf_fds[PAGES];
	struct oriel_guest_view *view;
	enum way way;

	/* The guest. */
	atomic_size_t wanted; /* flips that it may make */
	atomic_size_t flipped;
	uint64_t flip_ns[WAY_COUNT * FLIPS];
	uint64_t seen_ns[WAY_COUNT * FLIPS]; /* that flip, or a later one, was read; 0: not yet */
	size_t seen; /* flips before this one have been */

	unsigned int commits;
	bool refreshes_go_on;
	struct wl_listener output_sample;
	struct wl_listener commit;
} latency;

uint64_t __real_oriel_guest_view_get_next_poll_ns(
		const struct oriel_guest_view *view, uint64_t period_ns);
uint64_t __wrap_oriel_guest_view_get_next_poll_ns(
		const struct oriel_guest_view *view, uint64_t period_ns);

/* While the poller has its turn, oriel does not look by itself. */
uint64_t __wrap_oriel_guest_view_get_next_poll_ns(
		const struct oriel_guest_view *view, uint64_t period_ns) {
	return latency.way == WAY_POLLER ? ORIEL_GUEST_VIEW_POLL_NEVER
					 : __real_oriel_guest_view_get_next_poll_ns(view, period_ns);
}

static int handle_poller(void *data) {
	struct wl_event_source **timer = data;
	oriel_guest_view_poll(latency.view);
	wl_event_source_timer_update(*timer, POLLER_PERIOD_MS);
	return 0;
}

static void *run_guest(void *data) {
	struct timespec next;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (size_t flip = 0; flip < WAY_COUNT * FLIPS;) {
		next.tv_nsec += FLIP_PERIOD_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		if (flip == atomic_load(&latency.wanted)) {
			continue;
		}
		latency.flip_ns[flip] = oriel_clock_now_ns();
		if (vgpu_guest_flip(latency.vgpu, (int)(flip % PAGES)) != 0) {
			abort();
		}
		atomic_store(&latency.flipped, ++flip);
	}
	return NULL;
}

static int find_page(void) {
	struct stat shown;
	const struct oriel_guest_buffer *buffer =
			oriel_guest_frame_get_buffer(latency.view->primary.frame);
	assert_int_equal(fstat(oriel_guest_buffer_get_dmabuf_fd(buffer), &shown), 0);
	for (int i = 0; i < PAGES; i++) {
		if (latency.inodes[i] == shown.st_ino) {
			return i;
		}
	}
	fail_msg("the frame is none of the guest's pages");
	return -1;
}

/* All flips up to the one that is read now have been seen. */
static void handle_output_sample(struct wl_listener *listener, void *data) {
	uint64_t now_ns = oriel_clock_now_ns();
	size_t flipped = atomic_load(&latency.flipped);
	size_t page = (size_t)find_page(), last = flipped;
	while (last > latency.seen && (last - 1) % PAGES != page) {
		last--;
	}
	while (latency.seen < last) {
		latency.seen_ns[latency.seen++] = now_ns;
	}
}

static void handle_commit(struct wl_listener *listener, void *data) {
	latency.commits++;
	if (latency.refreshes_go_on) {
		wlr_output_update_needs_frame(latency.view->output);
	}
}

static int setup(void **state) {
	memset(&latency, 0, sizeof(latency));
	assert_int_equal(vgpu_mdev_create("mbochs-large", latency.uuid), 0);
	latency.vgpu = vgpu_guest_open(latency.uuid);
	assert_non_null(latency.vgpu);
	assert_int_equal(vgpu_guest_set_mode(latency.vgpu, WIDTH, HEIGHT, WIDTH, PAGES), 0);
	for (int i = 0; i < PAGES; i++) {
		vgpu_guest_paint(latency.vgpu, i, (uint32_t)i);
		struct stat stat;
		assert_int_equal(vgpu_guest_get_page_dmabuf(
						 latency.vgpu, i, &latency.dmabuf_fds[i], NULL),
				0);
		assert_int_equal(fstat(latency.dmabuf_fds[i], &stat), 0);
		latency.inodes[i] = stat.st_ino;
	}

	char output_name[KMS_NAME_SIZE], config[512];
	kms_get_output_name(output_name);
	snprintf(config, sizeof(config),
			"output %s {\n\tmode %dx%d\n}\nguest a {\n\tsource vfio fd:%d\n}\n",
			output_name, WIDTH, HEIGHT, vgpu_guest_get_device_fd(latency.vgpu));
	fixture_init(&latency.fixture, config);
	latency.view = fixture_get_view(&latency.fixture, "a");
	latency.output_sample.notify = handle_output_sample;
	wl_signal_add(&latency.view->primary.scene_buffer->events.output_sample,
			&latency.output_sample);
	struct wlr_output *output = fixture_get_output(
			&latency.fixture, fixture_get_output_name(&latency.fixture, 0))
						    ->wlr_output;
	latency.commit.notify = handle_commit;
	wl_signal_add(&output->events.commit, &latency.commit);
	return 0;
}

static int teardown(void **state) {
	wl_list_remove(&latency.output_sample.link);
	wl_list_remove(&latency.commit.link);
	fixture_finish(&latency.fixture);
	for (int i = 0; i < PAGES; i++) {
		close(latency.dmabuf_fds[i]);
	}
	vgpu_guest_close(latency.vgpu);
	return vgpu_mdev_remove(latency.uuid);
}

static bool block_was_seen(struct fixture *fixture, void *data) {
	return latency.seen == atomic_load(&latency.wanted);
}

static int compare_ns(const void *a, const void *b) {
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

struct figures {
	double p50_ms, p99_ms;
};

static struct figures get_figures(const char *name, uint64_t latencies_ns[FLIPS]) {
	qsort(latencies_ns, FLIPS, sizeof(*latencies_ns), compare_ns);
	struct figures figures = {
		.p50_ms = (double)latencies_ns[FLIPS / 2] / 1e6,
		.p99_ms = (double)latencies_ns[FLIPS * 99 / 100] / 1e6,
	};
	printf("# %-28s %6.2f ms p50 %7.2f ms p99, of %d flips\n", name, figures.p50_ms,
			figures.p99_ms, FLIPS);
	return figures;
}

static void flips_are_read_twice_as_soon_as_by_a_poller(void **state) {
	struct wl_event_source *timer =
			wl_event_loop_add_timer(latency.fixture.server->loop, handle_poller, &timer);
	assert_non_null(timer);
	latency.refreshes_go_on = true;
	wlr_output_update_needs_frame(latency.view->output);
	pthread_t guest;
	assert_int_equal(pthread_create(&guest, NULL, run_guest, NULL), 0);

	static uint64_t latencies_ns[WAY_COUNT][FLIPS];
	size_t counts[WAY_COUNT] = { 0 };
	for (size_t flip = 0; flip < WAY_COUNT * FLIPS; flip += BLOCK) {
		latency.way = flip / BLOCK % 2 == 0 ? WAY_ORIEL : WAY_POLLER;
		wl_event_source_timer_update(timer, latency.way == WAY_POLLER ? POLLER_PERIOD_MS : 0);
		atomic_store(&latency.wanted, flip + BLOCK);
		fixture_step_until(&latency.fixture, block_was_seen, NULL);
		for (size_t i = flip; i < flip + BLOCK; i++) {
			latencies_ns[latency.way][counts[latency.way]++] =
					latency.seen_ns[i] - latency.flip_ns[i];
		}
	}
	pthread_join(guest, NULL);
	wl_event_source_remove(timer);
	latency.way = WAY_ORIEL;

	struct figures oriel = get_figures("oriel", latencies_ns[WAY_ORIEL]);
	struct figures poller = get_figures("looking every 30 ms", latencies_ns[WAY_POLLER]);
	printf("# %.2f times sooner at p50\n", poller.p50_ms / oriel.p50_ms);
	assert_true(poller.p50_ms >= 2 * oriel.p50_ms);
}

struct idle {
	uint64_t until_ns;
};

static bool idle_is_over(struct fixture *fixture, void *data) {
	const struct idle *idle = data;
	return oriel_clock_now_ns() >= idle->until_ns;
}

static bool is_shown(struct fixture *fixture, void *data) {
	return latency.view->primary.frame != NULL && latency.view->primary.frame->sampled;
}

static void idle_guest_is_not_drawn(void **state) {
	fixture_step_until(&latency.fixture, is_shown, NULL);
	/* Until what was on its way is on screen, and the guest counts as one that stands still. */
	struct idle idle = { .until_ns = oriel_clock_now_ns() + 6 * UINT64_C(1000000000) };
	fixture_step_until(&latency.fixture, idle_is_over, &idle);

	unsigned int commits = latency.commits;
	struct oriel_source_counters before = oriel_source_get_counters(latency.view->source);
	idle.until_ns = oriel_clock_now_ns() + IDLE_S * UINT64_C(1000000000);
	fixture_step_until(&latency.fixture, idle_is_over, &idle);
	struct oriel_source_counters after = oriel_source_get_counters(latency.view->source);
	printf("# a guest that stands still: %u redraws in %d s, looked at %.1f times a second\n",
			latency.commits - commits, IDLE_S,
			(double)(after.polls - before.polls) / IDLE_S);
	assert_int_equal(latency.commits, commits);
	assert_int_equal(after.taken, before.taken);
	/* It is still looked at, and less often than 60 times a second. */
	assert_uint_in_range(after.polls - before.polls, 1, 10 * IDLE_S + 10);
}

static bool shows_page(struct fixture *fixture, void *data) {
	const int *page = data;
	return is_shown(fixture, NULL) && find_page() == *page;
}

/* As while the user is at another virtual terminal. */
static void guest_of_a_session_that_is_not_ours_is_not_looked_at(void **state) {
	int page = 0;
	fixture_step_until(&latency.fixture, shows_page, &page);
	struct wlr_session *session = latency.fixture.server->session;
	assert_non_null(session);
	/* wlroots may take the outputs away meanwhile. */
	wl_list_remove(&latency.commit.link);
	wl_list_init(&latency.commit.link);
	session->active = false;
	wl_signal_emit_mutable(&session->events.active, NULL);
	/* What was being shown may still be. */
	for (int i = 0; i < 10; i++) {
		fixture_step(&latency.fixture, 10);
	}

	page = 1;
	assert_int_equal(vgpu_guest_flip(latency.vgpu, page), 0);
	struct oriel_source_counters before = oriel_source_get_counters(latency.view->source);
	struct idle idle = { .until_ns = oriel_clock_now_ns() + UINT64_C(1000000000) };
	fixture_step_until(&latency.fixture, idle_is_over, &idle);
	assert_int_equal(oriel_source_get_counters(latency.view->source).polls, before.polls);

	session->active = true;
	wl_signal_emit_mutable(&session->events.active, NULL);
	fixture_step_until(&latency.fixture, shows_page, &page);
}

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
				flips_are_read_twice_as_soon_as_by_a_poller, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_guest_is_not_drawn, setup, teardown),
		cmocka_unit_test_setup_teardown(guest_of_a_session_that_is_not_ours_is_not_looked_at,
				setup, teardown),
	};
	return cmocka_run_group_tests_name("vm_latency", tests, NULL, NULL);
}
