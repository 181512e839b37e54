/*
 * A frame waits for those that were writing when it was taken, and for nobody else. The guest is a
 * vGPU whose buffers get fences that this test makes and signals; what is looked at is the screen
 * and what the latch has counted.
 *
 * Fence 1, 2, … are those of the writers in the order in which they begin. In every set-up nobody
 * but the latch waits for them: a renderer that took the fences of a buffer by itself would wait
 * here for one that the test signals only when the frame is seen.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "bridge/latch.h"
#include "bridge/render_sync.h"
#include "fence_spy.h"
#include "guest/source.h"
#include "screenshot.h"
#include "server.h"
#include "vgpu_guest.h"
#include "vgpu_scene.h"
#include "view/guest_view.h"
#include "view/layout.h"

/* A picture that must never be seen: what is in a page before the guest has drawn into it. */
#define UNFINISHED_SEED 99

_Static_assert(VGPU_SCENE_PAGES >= ORIEL_LATCH_DEPTH + 3, "too few pages to overfill the mailbox");

static int setup(void **state) {
	struct vgpu_scene *scene = calloc(1, sizeof(*scene));
	*state = scene;
	fence_spy_reset();
	return scene != NULL ? 0 : -1;
}

static int teardown(void **state) {
	int ret = vgpu_scene_finish(*state);
	free(*state);
	return ret;
}

static uint64_t get_time_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct count_wait {
	const struct vgpu_scene *scene;
	uint64_t shown, taken;
};

static bool count_is_reached(struct fixture *fixture, void *data) {
	const struct count_wait *wait = data;
	struct vgpu_scene_counts counts = vgpu_scene_count(wait->scene);
	return counts.shown >= wait->shown && counts.taken >= wait->taken;
}

/* Steps until so many more frames were shown, and so many taken, than before. */
static void step_until_counted(struct vgpu_scene *scene, const struct vgpu_scene_counts *before,
		uint64_t shown, uint64_t taken) {
	struct count_wait wait = {
		.scene = scene,
		.shown = before->shown + shown,
		.taken = before->taken + taken,
	};
	fixture_step_until(&scene->fixture, count_is_reached, &wait);
	vgpu_scene_check_balance(scene);
}

static void check_over_sync(const struct vgpu_scene *scene, uint64_t count) {
	/* GL drivers are not to be told which fences to wait for: there oriel counts each read of a
	 * buffer that has a later writer, whether the driver waited or not. */
	if (!scene->view->sync->takes_fences) {
		assert_int_equal(count, 0);
	}
}

static void show_with_writer_pending_waits_for_it(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	vgpu_scene_paint(scene, 1, UNFINISHED_SEED);
	size_t fence = vgpu_scene_add_writer(scene, 1);

	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	vgpu_scene_flip(scene, 1);
	step_until_counted(scene, &before, 0, 1);
	fixture_step_refreshes(&scene->fixture, 3);
	vgpu_scene_check_screen(scene, 0);
	/* One frame is enough: what else is drawn before it is read will be in it. */
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.taken, 1);
	assert_int_equal(since.pending, 1);
	assert_int_equal(since.shown, 0);
	assert_int_equal(since.waits, 0);

	vgpu_scene_paint(scene, 1, 2);
	vgpu_scene_signal(scene, fence);
	vgpu_scene_step_until_shown(scene, 1);
	vgpu_scene_check_screen(scene, 1);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 0);
	assert_int_equal(since.rejected, 0);
	assert_int_equal(since.over_sync, 0);
}

static void show_with_later_writer_pending_goes_ahead(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t first = vgpu_scene_add_writer(scene, 1);
	vgpu_scene_flip(scene, 1);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	step_until_counted(scene, &before, 0, 1);

	size_t second = vgpu_scene_add_writer(scene, 1);
	fixture_step_refreshes(&scene->fixture, 2);
	vgpu_scene_check_screen(scene, 0);
	assert_int_equal(vgpu_scene_count_since(scene, &before).shown, 0);

	vgpu_scene_signal(scene, first);
	step_until_counted(scene, &before, 1, 1);
	assert_true(vgpu_scene_shows(scene, 1));
	vgpu_scene_check_screen(scene, 1);

	/* The buffer itself is not ready, and the frame of the second writer is not seen. */
	vgpu_scene_check_fences(scene, 1, 1, 0);
	struct pollfd pollfd = { .fd = scene->dmabuf_fds[1], .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	fixture_step_refreshes(&scene->fixture, 2);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.taken, 2);
	assert_int_equal(since.shown, 1);
	assert_int_equal(since.pending, 1);
	assert_int_equal(since.superseded, 0);
	check_over_sync(scene, since.over_sync);

	vgpu_scene_paint(scene, 1, 12);
	vgpu_scene_signal(scene, second);
	step_until_counted(scene, &before, 2, 2);
	vgpu_scene_check_screen(scene, 1);
}

static void show_with_reader_pending_goes_ahead(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t reader = vgpu_scene_add_reader(scene, 1);
	vgpu_scene_flip(scene, 1);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	vgpu_scene_take(scene);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 0);
	assert_int_equal(since.waits, 1);

	vgpu_scene_step_until_shown(scene, 1);
	vgpu_scene_check_screen(scene, 1);
	vgpu_scene_check_fences(scene, 1, 0, 1);
	assert_int_equal(vgpu_scene_count_since(scene, &before).over_sync, 0);
	vgpu_scene_signal(scene, reader);
}

static void show_with_two_writers_pending_waits_for_both(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t first = vgpu_scene_add_writer(scene, 1);
	size_t second = vgpu_scene_add_writer(scene, 1);
	vgpu_scene_flip(scene, 1);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	step_until_counted(scene, &before, 0, 1);

	vgpu_scene_signal(scene, second);
	fixture_step_refreshes(&scene->fixture, 2);
	vgpu_scene_check_screen(scene, 0);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 1);
	assert_int_equal(since.shown, 0);

	vgpu_scene_signal(scene, first);
	step_until_counted(scene, &before, 1, 1);
	vgpu_scene_check_screen(scene, 1);
}

/* A job that was aborted is over: its frame is shown, as it would be where nobody has fences. */
static void show_with_aborted_writer_goes_ahead(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t fence = vgpu_scene_add_writer(scene, 1);
	vgpu_scene_flip(scene, 1);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	step_until_counted(scene, &before, 0, 1);
	vgpu_scene_drop_fence(scene, fence);
	step_until_counted(scene, &before, 1, 1);
	vgpu_scene_check_screen(scene, 1);
	assert_int_equal(vgpu_scene_count_since(scene, &before).rejected, 0);
}

/* A square over the picture, in the place of a window. */
#define SQUARE_SIZE 16
#define SQUARE_COLOUR 0xff00ff

static void check_screen_with_square(struct vgpu_scene *scene, int page, int square_x, int square_y) {
	struct screenshot shot = screenshot_take(
			&scene->fixture, fixture_get_output_name(&scene->fixture, 0));
	for (int y = 0; y < shot.height; y++) {
		for (int x = 0; x < shot.width; x++) {
			bool in_square = x >= square_x && x < square_x + SQUARE_SIZE &&
					y >= square_y && y < square_y + SQUARE_SIZE;
			uint32_t expected = in_square
					? SQUARE_COLOUR
					: vgpu_picture_pixel(x, y, shot.width, shot.height,
							  scene->seeds[page]);
			uint32_t pixel = screenshot_get_pixel(&shot, x, y);
			if (pixel != expected) {
				fail_msg("pixel %d,%d is %06x, not %06x", x, y, pixel, expected);
			}
		}
	}
	screenshot_finish(&shot);
}

/* The buffer that is on the screen gets a writer, and still everything else goes on. */
static void compose_with_writer_of_shown_page_pending_goes_ahead(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t fence = vgpu_scene_add_writer(scene, 0);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	fixture_step_refreshes(&scene->fixture, 2);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 1);

	const float colour[] = { 1, 0, 1, 1 };
	struct wlr_scene_rect *square = wlr_scene_rect_create(
			scene->fixture.server->windows_tree, SQUARE_SIZE, SQUARE_SIZE, colour);
	assert_non_null(square);
	wlr_scene_node_set_position(&square->node, 8, 8);
	check_screen_with_square(scene, 0, 8, 8);
	/* What was beneath it is read once more. */
	wlr_scene_node_set_position(&square->node, 60, 40);
	check_screen_with_square(scene, 0, 60, 40);
	wlr_scene_node_destroy(&square->node);
	vgpu_scene_check_screen(scene, 0);

	vgpu_scene_check_fences(scene, 0, 1, 0);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 1);
	assert_int_equal(since.shown, 0);
	check_over_sync(scene, since.over_sync);

	vgpu_scene_paint(scene, 0, 11);
	vgpu_scene_signal(scene, fence);
	step_until_counted(scene, &before, 1, 1);
	vgpu_scene_check_screen(scene, 0);
}

struct arrival {
	struct vgpu_scene *scene;
	bool has_come;
};

static void add_writer_of_page_1(void *data) {
	struct arrival *arrival = data;
	vgpu_scene_add_writer(arrival->scene, 1);
	arrival->has_come = true;
}

/* The first access looks for what has changed; the second one is of who draws it. */
static void wait_for_second_access(void *data) {
	fence_spy_on_cpu_access(add_writer_of_page_1, data);
}

/*
 * The CPU's access to a buffer begins with an ioctl in which the kernel waits for writers. One
 * that comes when oriel has looked for them, and has not called yet, is waited for by nobody.
 */
static void read_with_writer_coming_at_last_moment_goes_ahead(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	/* The buffers that are new from here on are the CPU's to read, whatever the renderer. */
	scene->fixture.server->render_sync.can_import = false;
	struct arrival arrival = { .scene = scene };
	fence_spy_watch(scene->dmabuf_fds[1]);
	fence_spy_on_cpu_access(wait_for_second_access, &arrival);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	vgpu_scene_step_until_shown(scene, 1);
	assert_true(arrival.has_come);
	vgpu_scene_check_screen(scene, 1);
	vgpu_scene_check_fences(scene, 1, 1, 0);
	assert_int_equal(vgpu_scene_count(scene).over_sync, 0);
}

static void signal_in_reverse_order_shows_newest_only(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t first = vgpu_scene_add_writer(scene, 1);
	size_t second = vgpu_scene_add_writer(scene, 2);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	vgpu_scene_flip(scene, 2);
	vgpu_scene_take(scene);
	assert_int_equal(vgpu_scene_count(scene).pending, 2);
	/* Whatever is taken from here on waits for that. */
	size_t later = vgpu_scene_add_writer(scene, 2);

	vgpu_scene_signal(scene, second);
	step_until_counted(scene, &before, 1, 2);
	assert_true(vgpu_scene_shows(scene, 2));
	vgpu_scene_check_screen(scene, 2);
	vgpu_scene_check_fences(scene, 1, 1, 0);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.superseded, 1);
	assert_int_equal(since.shown, 1);
	assert_int_equal(since.waits, 1);
	check_over_sync(scene, since.over_sync);

	vgpu_scene_signal(scene, first);
	fixture_step_refreshes(&scene->fixture, 2);
	vgpu_scene_check_screen(scene, 2);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.superseded, 1);
	assert_int_equal(since.shown, 1);
	vgpu_scene_signal(scene, later);
}

static void take_ready_supersedes_late(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t late = vgpu_scene_add_writer(scene, 1);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 1);

	vgpu_scene_flip(scene, 2);
	vgpu_scene_take(scene);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, 0);
	assert_int_equal(since.superseded, 1);
	assert_int_equal(since.waits, 1);
	size_t later = vgpu_scene_add_writer(scene, 2);
	step_until_counted(scene, &before, 1, 2);
	assert_true(vgpu_scene_shows(scene, 2));
	vgpu_scene_check_screen(scene, 2);

	vgpu_scene_signal(scene, late);
	fixture_step_refreshes(&scene->fixture, 2);
	vgpu_scene_check_screen(scene, 2);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.shown, 1);
	assert_int_equal(since.superseded, 1);
	vgpu_scene_signal(scene, later);
}

/* Pages 1 to ORIEL_LATCH_DEPTH + 2 are taken, each late. */
static void take_beyond_depth_replaces_newest(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	const int last = ORIEL_LATCH_DEPTH + 2;
	size_t fences[ORIEL_LATCH_DEPTH + 3];
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	for (int page = 1; page <= last; page++) {
		fences[page] = vgpu_scene_add_writer(scene, page);
		vgpu_scene_flip(scene, page);
		vgpu_scene_take(scene);
		struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
		int too_many = page > ORIEL_LATCH_DEPTH ? page - ORIEL_LATCH_DEPTH : 0;
		assert_int_equal(since.pending, page - too_many);
		assert_int_equal(since.superseded, too_many);
		vgpu_scene_check_balance(scene);
	}
	size_t later = vgpu_scene_add_writer(scene, last);
	fixture_step_refreshes(&scene->fixture, 2);
	vgpu_scene_check_screen(scene, 0);

	/* Those that were replaced are not shown any more. */
	for (int page = ORIEL_LATCH_DEPTH; page < last; page++) {
		vgpu_scene_signal(scene, fences[page]);
	}
	fixture_step_refreshes(&scene->fixture, 2);
	assert_int_equal(vgpu_scene_count_since(scene, &before).shown, 0);

	/* The oldest one has stayed, */
	vgpu_scene_signal(scene, fences[1]);
	step_until_counted(scene, &before, 1, 0);
	assert_true(vgpu_scene_shows(scene, 1));
	vgpu_scene_check_screen(scene, 1);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.pending, ORIEL_LATCH_DEPTH - 1);
	assert_int_equal(since.superseded, 2);

	/* and the newest one has got in. */
	vgpu_scene_signal(scene, fences[last]);
	step_until_counted(scene, &before, 2, 0);
	assert_true(vgpu_scene_shows(scene, last));
	vgpu_scene_check_screen(scene, last);
	since = vgpu_scene_count_since(scene, &before);
	assert_int_equal(since.superseded, ORIEL_LATCH_DEPTH);
	assert_int_equal(since.shown, 2);
	assert_int_equal(since.rejected, 0);
	vgpu_scene_signal(scene, later);
}

/* The longest wait that was counted since, in the histogram's precision. */
static uint64_t get_longest_wait_ns(
		const struct vgpu_scene *scene, const struct oriel_histogram *before) {
	struct oriel_histogram since = scene->view->stats.acquire_wait;
	for (size_t i = 0; i < ORIEL_HISTOGRAM_BUCKETS; i++) {
		since.buckets[i] -= before->buckets[i];
	}
	since.count -= before->count;
	assert_int_equal(since.count, 1);
	return oriel_histogram_get_percentile_ns(&since, 100);
}

/* A bucket's upper end is what comes out: up to an eighth more than the value. */
static void check_wait(uint64_t wait_ns, uint64_t min_ns, uint64_t max_ns) {
	if (wait_ns < min_ns || wait_ns > max_ns + max_ns / 8 + 1) {
		fail_msg("a wait of %llu ns, not %llu to %llu", (unsigned long long)wait_ns,
				(unsigned long long)min_ns, (unsigned long long)max_ns);
	}
}

static void count_wait_measures_from_take_to_signal(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	size_t fence = vgpu_scene_add_writer(scene, 1);
	vgpu_scene_flip(scene, 1);
	struct oriel_histogram histogram = scene->view->stats.acquire_wait;
	struct vgpu_scene_counts before = vgpu_scene_count(scene);

	uint64_t take_begin_ns = get_time_ns();
	vgpu_scene_take(scene);
	uint64_t take_end_ns = get_time_ns();
	size_t later = vgpu_scene_add_writer(scene, 1);
	fixture_step_refreshes(&scene->fixture, 10);
	assert_int_equal(vgpu_scene_count_since(scene, &before).waits, 0);
	uint64_t signal_ns = get_time_ns();
	vgpu_scene_signal(scene, fence);
	step_until_counted(scene, &before, 1, 1);
	uint64_t end_ns = get_time_ns();
	check_wait(get_longest_wait_ns(scene, &histogram), signal_ns - take_end_ns,
			end_ns - take_begin_ns);

	/* A frame that never gets ready has waited for nothing that could be said. */
	before = vgpu_scene_count(scene);
	histogram = scene->view->stats.acquire_wait;
	vgpu_scene_add_writer(scene, 2);
	vgpu_scene_flip(scene, 2);
	vgpu_scene_take(scene);
	vgpu_scene_flip(scene, 3);
	take_begin_ns = get_time_ns();
	vgpu_scene_take(scene);
	end_ns = get_time_ns();
	assert_int_equal(vgpu_scene_count_since(scene, &before).waits, 1);
	check_wait(get_longest_wait_ns(scene, &histogram), 0, end_ns - take_begin_ns);
	vgpu_scene_signal(scene, later);
}

static void end_with_writers_pending_releases_all(void **state) {
	struct vgpu_scene *scene = *state;
	vgpu_scene_start(scene);
	/* A late frame of a page, one of the page that is on the screen, and nobody ever signals. */
	vgpu_scene_add_writer(scene, 1);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	vgpu_scene_add_writer(scene, 0);
	vgpu_scene_flip(scene, 0);
	vgpu_scene_take(scene);
	fixture_step_refreshes(&scene->fixture, 2);
	struct vgpu_scene_counts counts = vgpu_scene_count(scene);
	assert_int_equal(counts.pending, 2);
	assert_true(vgpu_scene_shows(scene, 0));

	oriel_guest_view_blank(scene->view);
	vgpu_scene_check_balance(scene);
	counts = vgpu_scene_count(scene);
	assert_int_equal(counts.pending, 0);
	assert_int_equal(counts.released, counts.taken);

	/* And with as much pending again, which the fds that are open afterwards tell of. */
	vgpu_scene_take(scene);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	assert_int_equal(vgpu_scene_count(scene).pending, 2);
	vgpu_scene_end_oriel(scene);
	vgpu_scene_check_fences(scene, 0, 1, 0);
	vgpu_scene_check_fences(scene, 1, 1, 0);
}

#define SYNC_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		SYNC_TEST(show_with_writer_pending_waits_for_it),
		SYNC_TEST(show_with_later_writer_pending_goes_ahead),
		SYNC_TEST(show_with_reader_pending_goes_ahead),
		SYNC_TEST(show_with_two_writers_pending_waits_for_both),
		SYNC_TEST(show_with_aborted_writer_goes_ahead),
		SYNC_TEST(compose_with_writer_of_shown_page_pending_goes_ahead),
		SYNC_TEST(read_with_writer_coming_at_last_moment_goes_ahead),
		SYNC_TEST(signal_in_reverse_order_shows_newest_only),
		SYNC_TEST(take_ready_supersedes_late),
		SYNC_TEST(take_beyond_depth_replaces_newest),
		SYNC_TEST(count_wait_measures_from_take_to_signal),
		SYNC_TEST(end_with_writers_pending_releases_all),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, fixture_warm_up, NULL);
}
