/*
 * A vGPU that answers with what cannot be, for as long as it likes. Its guest is told of, once, and
 * keeps its last picture; the guest beside it does not notice, and nothing grows. A table of what
 * each answer came to is printed.
 *
 * The vGPU is tests/vm/vgpu, steered from here; the guest beside it has an mbochs. Every round is
 * one flip of that one and one refresh of both their outputs: a flip that is not read by its
 * refresh fails the test.
 */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "fixture.h"
#include "guest/buffer_cache.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "player.h"
#include "screenshot.h"
#include "server.h"
#include "test_vgpu.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define WIDTH 320
#define HEIGHT 240
#define STRIDE (WIDTH * 4)
#define BUFFER_BYTES (STRIDE * HEIGHT) /* whole pages */
#define BUFFERS 3
#define ROUNDS 100
#define WARM_UP_ROUNDS 20
#define STEPS_MAX 4
#define SCANOUTS_MAX 8

/* The driver's burst, a line each ten seconds, and the view's own. */
#define LINES_MAX 12
/* A cache full, the frame on screen, those in the mailbox, and the files that a look opens. */
#define DMABUFS_MAX (ORIEL_BUFFER_CACHE_MAX + 6)
#define HEAP_MAX_BYTES (64 * 1024)

struct step {
	const char *file, *text; /* NULL: no step */
};

struct hostile {
	const char *name;
	struct step steps[STEPS_MAX];
	void (*round)(struct test_vgpu *vgpu, int round); /* may be NULL: what it does besides */
	enum oriel_source_state state; /* that the guest comes to */
	bool any_state; /* it goes on changing */
	bool new_picture; /* what it shows is right all the same, and another picture */
};

#define PRIMARY "vgpu/primary"

static void flip_held(struct test_vgpu *vgpu, int round) {
	/* No fence ever signals: the vGPU has only so many. */
	if (round < 32) {
		assert_int_equal(test_vgpu_steer(vgpu, PRIMARY, "id=%d fence=held", 2 + round % 2),
				0);
	}
}

static void change_size(struct test_vgpu *vgpu, int round) {
	assert_int_equal(test_vgpu_steer(vgpu, PRIMARY, "width=%d", WIDTH - 64 + round % 64), 0);
}

static void change_buffer(struct test_vgpu *vgpu, int round) {
	uint32_t id = 100 + (uint32_t)round;
	assert_int_equal(test_vgpu_add_buffer(vgpu, id, 0, 4096 * (1 + (uint32_t)round % 8)), 0);
	assert_int_equal(test_vgpu_steer(vgpu, PRIMARY, "id=%u", id), 0);
}

static void move_cursor(struct test_vgpu *vgpu, int round) {
	assert_int_equal(test_vgpu_steer(vgpu, "vgpu/cursor", "x=%d y=%d", round * 40000000,
					 -round * 40000000),
			0);
}

#define ERROR_STATE .state = ORIEL_SOURCE_STATE_ERROR
#define RUNNING_STATE .state = ORIEL_SOURCE_STATE_RUNNING
#define CURSOR(keys)                                                                                 \
	{                                                                                            \
		{ "vgpu/cursor", "on=1 format=AR24 width=64 height=64 stride=256 size=16384 id=3" }, \
		{                                                                                    \
			"vgpu/cursor", keys                                                          \
		}                                                                                    \
	}

static const struct hostile cases[] = {
	{ "width of 16385", { { PRIMARY, "width=16385" } }, ERROR_STATE },
	{ "size of 2^32-1", { { PRIMARY, "width=0xffffffff height=0xffffffff" } }, ERROR_STATE },
	{ "height beyond the buffer", { { PRIMARY, "height=241" } }, ERROR_STATE },
	{ "stride too short", { { PRIMARY, "stride=1276" } }, ERROR_STATE },
	{ "stride of no whole words", { { PRIMARY, "stride=1281" } }, ERROR_STATE },
	{ "stride of 2^32-4", { { PRIMARY, "stride=0xfffffffc" } }, ERROR_STATE },
	{ "stride beyond the buffer", { { PRIMARY, "stride=1284" } }, ERROR_STATE },
	{ "format that is none", { { PRIMARY, "format=0xdeadbeef" } }, ERROR_STATE },
	{ "format of two planes", { { PRIMARY, "format=NV12" } }, ERROR_STATE },
	{ "modifier that is none", { { PRIMARY, "modifier=0xfefefefefefefefe id=2" } }, ERROR_STATE },
	{ "modifier of a tiling", { { PRIMARY, "modifier=0x0100000000000001 id=2" } }, ERROR_STATE },
	{ "buffer that cannot be mapped",
			{ { "vgpu/buffers", "id=9 offset=0 size=307200 mmap=0" }, { PRIMARY, "id=9" } },
			ERROR_STATE },
	{ "buffer of one page", { { "vgpu/buffers", "id=9 offset=0 size=4096" }, { PRIMARY, "id=9" } },
			ERROR_STATE },
	{ "id that does not exist", { { PRIMARY, "id=77" } }, ERROR_STATE },
	{ "ids that have expired", { { "vgpu/expire", "all" }, { PRIMARY, "id=2" } }, ERROR_STATE },
	{ "new id at every query", { { PRIMARY, "churn=1" } }, RUNNING_STATE },
	{ "new size at every query", { { NULL, NULL } }, change_size, RUNNING_STATE,
			.new_picture = true },
	{ "new small buffer at every query", { { NULL, NULL } }, change_buffer, ERROR_STATE },
	{ "plane off at every other query", { { PRIMARY, "flap=1" } }, .any_state = true },
	{ "plane off at 5 of 10 queries", { { PRIMARY, "flap=5" } }, .any_state = true },
	{ "query: EINVAL", { { "errors/query_primary", "22 repeat" } }, ERROR_STATE },
	{ "query: ENOMEM", { { "errors/query_primary", "12 repeat" } }, ERROR_STATE },
	{ "query: EFAULT, ENOSPC in turn", { { "errors/query_primary", "14 28 repeat" } },
			ERROR_STATE },
	{ "query: every other fails", { { "errors/query_primary", "14 0 repeat" } }, RUNNING_STATE },
	{ "query: EIO", { { "errors/query_primary", "5 repeat" } }, .any_state = true },
	{ "dma-buf: EMFILE", { { "errors/get", "24 repeat" }, { PRIMARY, "id=2" } }, ERROR_STATE },
	{ "dma-buf: EINVAL", { { "errors/get", "22 repeat" }, { PRIMARY, "id=2" } }, ERROR_STATE },
	{ "dma-buf: every other fails", { { "errors/get", "12 0 repeat" }, { PRIMARY, "churn=1" } },
			RUNNING_STATE },
	{ "fence that never signals", { { PRIMARY, "id=2 fence=held" } }, RUNNING_STATE },
	{ "32 fences that never signal", { { NULL, NULL } }, flip_held, RUNNING_STATE },
	{ "cursor of 100000 pixels", CURSOR("width=100000 height=1"), RUNNING_STATE },
	{ "cursor of no format", CURSOR("format=0x12345678"), RUNNING_STATE },
	{ "cursor of a bad stride", CURSOR("stride=4"), RUNNING_STATE },
	{ "cursor without a buffer", CURSOR("id=4711"), RUNNING_STATE },
	{ "cursor with a new id each time", CURSOR("churn=1 x=-64 y=-64"), RUNNING_STATE },
	{ "cursor all over the place", CURSOR("x=-2147483648 y=2147483647"), move_cursor,
			RUNNING_STATE },
	{ "cursor whose hotspot is far", CURSOR("x=-64 y=-64 hot_x=2147483647 hot_y=-2147483648"),
			RUNNING_STATE },
	{ "cursor query: EFAULT", { { "errors/query_cursor", "14 repeat" } }, RUNNING_STATE },
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

static size_t line_count;
static char first_line[256];

static void handle_log(enum wlr_log_importance importance, const char *format, va_list args) {
	if (importance != WLR_ERROR) {
		return;
	}
	char line[256];
	vsnprintf(line, sizeof(line), format, args);
	if (line_count++ == 0) {
		/* wlr_log() puts "[FILE:LINE] " in front. */
		const char *text = strstr(line, "] ");
		snprintf(first_line, sizeof(first_line), "%s", text != NULL ? text + 2 : line);
	}
}

static struct test {
	struct fixture fixture;
	bool is_running;
	struct test_vgpu vgpu;
	struct oriel_guest_view *bad;
	struct player good;
	struct player_watch good_watch;
} the_test;

static uint32_t seed_of(uint32_t id) {
	return 500 + id;
}

static void steer(struct test *test, const char *file, const char *text) {
	int ret = test_vgpu_steer(&test->vgpu, file, "%s", text);
	if (ret != 0) {
		fail_msg("the vGPU does not take '%s' in %s: %s", text, file, strerror(-ret));
	}
}

/* What a vGPU in its senses shows. */
static void make_sane(struct test *test, uint32_t id) {
	static const char *const calls[] = { "query_primary", "query_cursor", "get" };
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char file[64];
		snprintf(file, sizeof(file), "errors/%s", calls[i]);
		steer(test, file, "0");
	}
	steer(test, "vgpu/cursor", "on=0 churn=0");
	steer(test, "vgpu/signal", "all");
	for (uint32_t i = 1; i <= BUFFERS; i++) {
		assert_int_equal(test_vgpu_add_buffer(&test->vgpu, i, i * BUFFER_BYTES, BUFFER_BYTES),
				0);
	}
	steer(test, PRIMARY, "churn=0 flap=0");
	assert_int_equal(test_vgpu_show(&test->vgpu, id, WIDTH, HEIGHT, STRIDE), 0);
}

static void test_init(struct test *test) {
	memset(test, 0, sizeof(*test));
	player_init(&test->good, "mbochs-small", WIDTH, HEIGHT, 2, 1000);
	assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	for (uint32_t i = 1; i <= BUFFERS; i++) {
		test_vgpu_paint(&test->vgpu, i * BUFFER_BYTES, WIDTH, HEIGHT, STRIDE, seed_of(i));
	}
	make_sane(test, 1);
	char config[1024];
	snprintf(config, sizeof(config),
			"output OUTPUT-1 {\n\tmode %dx%d@240\n}\n"
			"output OUTPUT-2 {\n\tmode %dx%d@240\n}\n"
			"guest bad {\n\tsource vfio %s\n\toutput OUTPUT-1\n}\n"
			"guest good {\n\tsource vfio fd:%d\n\toutput OUTPUT-2\n}\n",
			WIDTH, HEIGHT, WIDTH, HEIGHT, test->vgpu.uuid,
			vgpu_guest_get_device_fd(test->good.guest));
	fixture_init(&test->fixture, config);
	test->bad = fixture_get_view(&test->fixture, "bad");
	player_watch_init(&test->good_watch, &test->good, fixture_get_view(&test->fixture, "good"));
	test->is_running = true;
}

static void test_finish(struct test *test) {
	test->is_running = false;
	player_watch_finish(&test->good_watch);
	fixture_finish(&test->fixture);
	player_finish(&test->good);
	assert_int_equal(test_vgpu_finish(&test->vgpu), 0);
}

static bool bad_shows(struct test *test, uint32_t id) {
	struct screenshot shot = screenshot_take(&test->fixture, test->bad->output->name);
	bool same = true;
	for (int y = 0; y < HEIGHT && same; y++) {
		for (int x = 0; x < WIDTH && same; x++) {
			same = screenshot_get_pixel(&shot, x, y) ==
					vgpu_picture_pixel(x, y, WIDTH, HEIGHT, seed_of(id));
		}
	}
	screenshot_finish(&shot);
	return same;
}

/* Until it does, however long it takes: the fixture's patience is the limit. */
static void wait_for_picture(struct test *test, uint32_t id) {
	for (int i = 0; i < 300 && !bad_shows(test, id); i++) {
		fixture_step_output_refreshes(&test->fixture, test->bad->output->name, 1);
	}
	assert_true(bad_shows(test, id));
}

/* One flip of the good guest, which the next refresh must read. */
static void play_round(struct test *test, const struct hostile *hostile, int round) {
	if (hostile->round != NULL) {
		hostile->round(&test->vgpu, round);
	}
	fixture_step_output_refreshes(&test->fixture, test->bad->output->name, 1);
	player_flip(&test->good, 1 - test->good.page);
	fixture_step_output_refreshes(&test->fixture, test->good_watch.view->output->name, 1);
	assert_int_equal(test->good_watch.page, test->good.page);
}

static size_t get_heap_bytes(void) {
	return mallinfo2().uordblks;
}

static const char *get_state_name(enum oriel_source_state state) {
	static const char *const names[] = {
		[ORIEL_SOURCE_STATE_WAITING] = "waiting",
		[ORIEL_SOURCE_STATE_RUNNING] = "running",
		[ORIEL_SOURCE_STATE_OFF] = "off",
		[ORIEL_SOURCE_STATE_ERROR] = "error",
		[ORIEL_SOURCE_STATE_LOST] = "lost",
		[ORIEL_SOURCE_STATE_RESTARTED] = "restarted",
	};
	return names[state];
}

/* Plays rounds until the guest has come to the state. */
static int reach_state(struct test *test, const struct hostile *hostile, int round) {
	for (int i = 0; i < WARM_UP_ROUNDS; i++) {
		play_round(test, hostile, round++);
	}
	while (!hostile->any_state && oriel_guest_view_get_state(test->bad) != hostile->state) {
		play_round(test, hostile, round++);
		if (round == 2000) {
			fail_msg("the guest is %s, not %s",
					get_state_name(oriel_guest_view_get_state(test->bad)),
					get_state_name(hostile->state));
		}
	}
	return round;
}

static void run_hostile(void **state) {
	const struct hostile *hostile = *state;
	int fds_before = fds_count_open();
	test_init(&the_test);
	wait_for_picture(&the_test, 1);
	line_count = 0;
	int fds_sane = fds_count_open();

	for (size_t i = 0; i < STEPS_MAX && hostile->steps[i].file != NULL; i++) {
		steer(&the_test, hostile->steps[i].file, hostile->steps[i].text);
	}
	int round = reach_state(&the_test, hostile, 0);
	size_t heap_before = get_heap_bytes();
	uint64_t good_before = the_test.good_watch.view->stats.shown;
	int dmabufs_max = 0, fds_max = 0;
	for (int i = 0; i < ROUNDS; i++) {
		play_round(&the_test, hostile, round++);
		int dmabufs = test_vgpu_count(&the_test.vgpu, "dmabufs");
		int fds = fds_count_open() - fds_sane;
		dmabufs_max = dmabufs > dmabufs_max ? dmabufs : dmabufs_max;
		fds_max = fds > fds_max ? fds : fds_max;
	}
	size_t heap_after = get_heap_bytes();
	size_t grown = heap_after > heap_before ? heap_after - heap_before : 0;
	uint64_t good_frames = the_test.good_watch.view->stats.shown - good_before;
	printf("# %-32s | %-9s | %2d dma-bufs | %+3d fds | %5zu bytes | %2zu lines | %" PRIu64
	       " frames of the other guest for its %d flips\n",
			hostile->name, get_state_name(oriel_guest_view_get_state(the_test.bad)),
			dmabufs_max, fds_max, grown, line_count, good_frames, ROUNDS);
	/* More if it was looked at in between, or its picture could not be looked at: none is missed. */
	assert_true(good_frames >= ROUNDS);

	if (!hostile->any_state) {
		assert_int_equal(oriel_guest_view_get_state(the_test.bad), hostile->state);
	}
	assert_true(dmabufs_max <= DMABUFS_MAX);
	assert_true(fds_max <= DMABUFS_MAX);
	assert_true(grown <= HEAP_MAX_BYTES);
	assert_true(line_count <= LINES_MAX);
	if (line_count > 0) {
		assert_memory_equal(first_line, "guest bad: ", strlen("guest bad: "));
	}
	if (hostile->state == ORIEL_SOURCE_STATE_ERROR && !hostile->any_state) {
		assert_true(line_count >= 1);
	}
	if (!hostile->new_picture) {
		assert_true(bad_shows(&the_test, 1));
	}

	/* And goes on when the guest comes to its senses. */
	make_sane(&the_test, 2);
	wait_for_picture(&the_test, 2);
	assert_int_equal(oriel_guest_view_get_state(the_test.bad), ORIEL_SOURCE_STATE_RUNNING);
	test_finish(&the_test);
	assert_int_equal(fds_count_open(), fds_before);
}

static void *run_removal(void *data) {
	return (void *)(intptr_t)vgpu_mdev_remove(data);
}

/* Something other than black is on screen, and it is not the picture. */
static void assert_bad_shows_a_text(void) {
	struct screenshot shot = screenshot_take(&the_test.fixture, the_test.bad->output->name);
	int lit = 0;
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			lit += screenshot_get_pixel(&shot, x, y) != 0 ? 1 : 0;
		}
	}
	screenshot_finish(&shot);
	assert_int_in_range(lit, 1, WIDTH * HEIGHT / 2);
}

/*
 * Scan-out. No driver of this VM's kernel has both timelines and a way to show a foreign dma-buf, but
 * the headless backend takes any buffer as it is. It has no timelines: what is scanned out is off
 * the screen with the next commit.
 */

static struct {
	struct wlr_drm_syncobj_timeline_waiter *waiters[SCANOUTS_MAX];
	wlr_drm_syncobj_timeline_ready_callback callbacks[SCANOUTS_MAX];
	size_t count;
	struct wl_listener commit;
} scanouts;

bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback);
void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter);

bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback) {
	assert_true(scanouts.count < SCANOUTS_MAX);
	scanouts.waiters[scanouts.count] = waiter;
	scanouts.callbacks[scanouts.count++] = callback;
	return true;
}

void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter) {
	for (size_t i = 0; i < scanouts.count; i++) {
		if (scanouts.waiters[i] == waiter) {
			scanouts.count--;
			scanouts.waiters[i] = scanouts.waiters[scanouts.count];
			scanouts.callbacks[i] = scanouts.callbacks[scanouts.count];
			return;
		}
	}
}

/* Those of commits before this one: its own are not watched yet. */
static void scanouts_handle_commit(struct wl_listener *listener, void *data) {
	while (scanouts.count > 0) {
		/* Each finishes itself when it is called. */
		scanouts.callbacks[0](scanouts.waiters[0]);
	}
}

static void allow_scan_out(struct wlr_output *output) {
	wlr_output_lock_attach_render(output, false);
	assert_int_equal(output->attach_render_locks, 0);
	scanouts.commit.notify = scanouts_handle_commit;
	wl_signal_add(&output->events.commit, &scanouts.commit);
}

/* The device is taken away while its picture is on screen. */
static void remove_while_shown(bool is_scanned_out) {
	int fds_before = fds_count_open();
	test_init(&the_test);
	wait_for_picture(&the_test, 1);
	if (is_scanned_out) {
		allow_scan_out(the_test.bad->output);
		fixture_step_output_refreshes(&the_test.fixture, the_test.bad->output->name, 3);
		assert_true(the_test.bad->stats.scanned_out > 0);
		assert_int_equal(scanouts.count, 1);
	}
	line_count = 0;
	/* Our own mapping would hold the removal up. */
	munmap(the_test.vgpu.vram, the_test.vgpu.vram_size_bytes);
	the_test.vgpu.vram = NULL;
	pthread_t remover;
	assert_int_equal(pthread_create(&remover, NULL, run_removal, the_test.vgpu.uuid), 0);
	const struct hostile nothing = {
		.name = is_scanned_out ? "removed while scanned out" : "removed while composed",
	};
	int round = 0;
	while (oriel_guest_view_get_state(the_test.bad) != ORIEL_SOURCE_STATE_LOST) {
		play_round(&the_test, &nothing, round++);
	}
	void *ret;
	assert_int_equal(pthread_join(remover, &ret), 0);
	assert_int_equal((intptr_t)ret, 0);
	the_test.vgpu.uuid[0] = '\0';

	assert_true(bad_shows(&the_test, 1));
	while (the_test.bad->primary.frame != NULL) {
		play_round(&the_test, &nothing, round++);
	}
	assert_bad_shows_a_text();
	for (int i = 0; i < WARM_UP_ROUNDS; i++) {
		play_round(&the_test, &nothing, round++);
	}
	assert_int_equal(line_count, 1);
	assert_memory_equal(first_line, "guest bad: ", strlen("guest bad: "));
	printf("# %-32s | %-9s | %d rounds, each with a frame of the other guest\n", nothing.name,
			get_state_name(oriel_guest_view_get_state(the_test.bad)), round);
	/* The text is what is on screen now, and nothing of the guest's. */
	struct oriel_source_counters counters = oriel_source_get_counters(the_test.bad->source);
	assert_int_equal(counters.released, counters.taken);
	if (is_scanned_out) {
		wl_list_remove(&scanouts.commit.link);
	}
	test_finish(&the_test);
	assert_int_equal(fds_count_open(), fds_before);
}

static void removed_while_composed(void **state) {
	remove_while_shown(false);
}

static void removed_while_scanned_out(void **state) {
	remove_while_shown(true);
}

/* A case that has failed leaves nothing for the next one. */
static int teardown(void **state) {
	if (the_test.is_running) {
		test_finish(&the_test);
	}
	return 0;
}

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	wlr_log_init(WLR_ERROR, handle_log);
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	struct CMUnitTest tests[CASE_COUNT + 2] = { 0 };
	for (size_t i = 0; i < CASE_COUNT; i++) {
		tests[i] = (struct CMUnitTest){
			.name = cases[i].name,
			.test_func = run_hostile,
			.teardown_func = teardown,
			.initial_state = (void *)&cases[i],
		};
	}
	tests[CASE_COUNT] = (struct CMUnitTest)cmocka_unit_test_teardown(
			removed_while_composed, teardown);
	tests[CASE_COUNT + 1] = (struct CMUnitTest)cmocka_unit_test_teardown(
			removed_while_scanned_out, teardown);
	return cmocka_run_group_tests_name("vm_hostile", tests, NULL, NULL);
}
