/*
 * DRM syncobj timelines of a real device: points that come, signal and are waited for before they
 * come; the same timeline in two open files of the device; fences that go from one timeline to
 * another.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/fence.h>
#include <syncbridge/timeline.h>

#include "fds.h"
#include "fence_rig.h"
#include "sleeper.h"

struct timeline_test {
	struct fence_rig rig;
	struct sb_timeline *timeline;
	struct sb_timeline *shared; /* the same, through the other file */
	struct sb_timeline *other; /* another one, of the other file */
	struct rig_fence fences[3];
};

static struct sb_timeline *open_shared(const struct sb_timeline *timeline, int drm_fd) {
	int syncobj_fd;
	assert_int_equal(sb_timeline_export(timeline, &syncobj_fd), 0);
	assert_int_equal(fcntl(syncobj_fd, F_GETFD), FD_CLOEXEC);
	struct sb_timeline *shared;
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, "shared", &shared), 0);
	close(syncobj_fd);
	return shared;
}

static int setup(void **state) {
	struct timeline_test *test = calloc(1, sizeof(*test));
	assert_non_null(test);
	*state = test;
	fence_rig_init(&test->rig);
	int other_drm_fd = test->rig.other_drm_fd;
	assert_int_equal(sb_timeline_create(test->rig.drm_fd, "timeline", &test->timeline), 0);
	assert_int_equal(sb_timeline_create(other_drm_fd, "other", &test->other), 0);
	test->shared = open_shared(test->timeline, other_drm_fd);
	for (int i = 0; i < 3; i++) {
		rig_fence_init(&test->fences[i]);
	}
	return 0;
}

static int teardown(void **state) {
	struct timeline_test *test = *state;
	sb_timeline_unref(test->other);
	sb_timeline_unref(test->shared);
	sb_timeline_unref(test->timeline);
	for (int i = 0; i < 3; i++) {
		rig_fence_finish(&test->fences[i]);
	}
	fence_rig_finish(&test->rig);
	free(test);
	return 0;
}

static void import_point(struct timeline_test *test, struct sb_timeline *timeline, uint64_t point,
		int fence) {
	assert_int_equal(sb_timeline_import_sync_file(
					 timeline, point, test->fences[fence].sync_file_fd),
			0);
}

static void check_query(
		const struct sb_timeline *timeline, uint64_t signalled, uint64_t materialised) {
	uint64_t signalled_point = UINT64_MAX, materialised_point = UINT64_MAX;
	assert_int_equal(sb_timeline_query(timeline, &signalled_point, &materialised_point), 0);
	assert_int_equal(signalled_point, signalled);
	assert_int_equal(materialised_point, materialised);
}

/* As seen through both files. */
static void check_progress(
		const struct timeline_test *test, uint64_t signalled, uint64_t materialised) {
	check_query(test->timeline, signalled, materialised);
	check_query(test->shared, signalled, materialised);
}

static int test_wait(
		const struct sb_timeline *timeline, uint64_t point, enum sb_timeline_event event) {
	return sb_timeline_wait(timeline, point, event, 0);
}

/* --- points --- */

static void query_follows_points(void **state) {
	struct timeline_test *test = *state;
	check_progress(test, 0, 0);
	import_point(test, test->timeline, 2, 0);
	check_progress(test, 0, 2);
	import_point(test, test->shared, 5, 1);
	check_progress(test, 0, 5);
	rig_fence_signal(&test->fences[0]);
	check_progress(test, 2, 5);
	rig_fence_signal(&test->fences[1]);
	check_progress(test, 5, 5);
	assert_int_equal(sb_timeline_signal(test->shared, 6), 0);
	check_progress(test, 6, 6);
	assert_int_equal(sb_timeline_signal(test->timeline, UINT64_MAX), 0);
	check_progress(test, UINT64_MAX, UINT64_MAX);
}

static void signal_of_higher_point_waits_for_lower_ones(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	import_point(test, test->timeline, 2, 1);
	rig_fence_signal(&test->fences[1]);
	check_progress(test, 0, 2);
	assert_int_equal(test_wait(test->timeline, 2, SB_TIMELINE_SIGNALLED), -ETIME);
	int sync_file_fd;
	assert_int_equal(sb_timeline_export_sync_file(test->shared, 2, &sync_file_fd), 0);
	assert_false(fence_rig_poll(sync_file_fd, POLLIN, 0));
	rig_fence_signal(&test->fences[0]);
	assert_true(fence_rig_poll(sync_file_fd, POLLIN, FENCE_RIG_SOON_MS));
	assert_int_equal(test_wait(test->timeline, 2, SB_TIMELINE_SIGNALLED), 0);
	check_progress(test, 2, 2);
	close(sync_file_fd);
}

/* A point that was passed over comes with the next higher one. */
static void wait_for_point_passed_over_is_for_next_higher(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 5, 0);
	assert_int_equal(test_wait(test->shared, 3, SB_TIMELINE_MATERIALISED), 0);
	assert_int_equal(test_wait(test->shared, 3, SB_TIMELINE_SIGNALLED), -ETIME);
	assert_int_equal(test_wait(test->shared, 6, SB_TIMELINE_MATERIALISED), -ETIME);
	int sync_file_fd;
	assert_int_equal(sb_timeline_export_sync_file(test->shared, 3, &sync_file_fd), 0);
	assert_false(fence_rig_poll(sync_file_fd, POLLIN, 0));
	rig_fence_signal(&test->fences[0]);
	assert_true(fence_rig_poll(sync_file_fd, POLLIN, FENCE_RIG_SOON_MS));
	assert_int_equal(test_wait(test->shared, 3, SB_TIMELINE_SIGNALLED), 0);
	close(sync_file_fd);
}

static void export_of_point_to_come_fails_with_eagain(void **state) {
	struct timeline_test *test = *state;
	int sync_file_fd = -7;
	assert_int_equal(sb_timeline_export_sync_file(test->timeline, 1, &sync_file_fd), -EAGAIN);
	import_point(test, test->timeline, 1, 0);
	assert_int_equal(sb_timeline_export_sync_file(test->timeline, 2, &sync_file_fd), -EAGAIN);
	rig_fence_signal(&test->fences[0]);
	assert_int_equal(sb_timeline_export_sync_file(test->timeline, 2, &sync_file_fd), -EAGAIN);
	assert_int_equal(sync_file_fd, -7);
	check_progress(test, 1, 1);
}

static void get_info_of_points_follows_work(void **state) {
	struct timeline_test *test = *state;
	struct sb_fence first, second;
	struct sb_fence_info info;
	assert_int_equal(sb_fence_from_point(test->timeline, 1, &first), 0);
	assert_int_equal(sb_fence_from_point(test->shared, 2, &second), 0);
	import_point(test, test->timeline, 1, 0);
	import_point(test, test->timeline, 2, 1);
	assert_int_equal(sb_fence_get_info(&second, &info), 0);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.fence_count, 2);
	assert_string_equal(info.name, "shared:2");

	rig_fence_fail(&test->fences[0]);
	assert_int_equal(sb_fence_get_info(&second, &info), 0);
	assert_int_equal(info.status, 0);
	rig_fence_fail(&test->fences[1]);
	assert_int_equal(sb_fence_get_info(&second, &info), 0);
	assert_int_equal(info.status, -ENOENT);
	assert_true(info.signalled_ns > 0);
	/* The last one is remembered, those before it are gone. */
	assert_int_equal(sb_fence_get_info(&first, &info), 0);
	assert_int_equal(info.status, 1);
	assert_true(info.materialised);
	sb_fence_clear(&first);
	sb_fence_clear(&second);
	check_progress(test, 2, 2);
}

/* --- the same timeline in two files --- */

static void unref_of_creator_leaves_timeline_to_others(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	sb_timeline_unref(test->timeline);
	test->timeline = NULL;
	check_query(test->shared, 0, 1);
	rig_fence_signal(&test->fences[0]);
	check_query(test->shared, 1, 1);
	assert_string_equal(sb_timeline_get_name(test->shared), "shared");
}

struct wait {
	const struct sb_timeline *timeline;
	uint64_t point;
	enum sb_timeline_event event;
};

static int wait_without_bound(void *data) {
	const struct wait *wait = data;
	return sb_timeline_wait(wait->timeline, wait->point, wait->event, INT64_MAX);
}

static void wait_before_signal_ends_when_other_file_signals(void **state) {
	struct timeline_test *test = *state;
	struct wait waits[] = {
		{ test->timeline, 1, SB_TIMELINE_MATERIALISED },
		{ test->timeline, 1, SB_TIMELINE_SIGNALLED },
		{ test->timeline, 2, SB_TIMELINE_SIGNALLED },
	};
	struct sleeper sleepers[3];
	for (int i = 0; i < 3; i++) {
		sleeper_start(&sleepers[i], wait_without_bound, &waits[i]);
		assert_true(sleeper_is_waiting(&sleepers[i]));
		sleeper_interrupt(&sleepers[i]);
		assert_true(sleeper_is_waiting(&sleepers[i]));
	}
	import_point(test, test->shared, 1, 0);
	assert_false(sleeper_is_waiting(&sleepers[0]));
	assert_true(sleeper_is_waiting(&sleepers[1]));
	assert_true(sleeper_is_waiting(&sleepers[2]));
	rig_fence_signal(&test->fences[0]);
	assert_false(sleeper_is_waiting(&sleepers[1]));
	assert_true(sleeper_is_waiting(&sleepers[2]));
	assert_int_equal(sb_timeline_signal(test->shared, 2), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sleeper_join(&sleepers[i]), 0);
	}
}

static void wait_until_deadline_ends_with_etime(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	const struct wait waits[] = {
		{ test->shared, 1, SB_TIMELINE_SIGNALLED },
		{ test->shared, 2, SB_TIMELINE_SIGNALLED },
		{ test->shared, 2, SB_TIMELINE_MATERIALISED },
	};
	/* Of many lengths: the kernel counts in ticks of some milliseconds. */
	for (int64_t length_ns = 1000000; length_ns <= 12000000; length_ns += 1000000) {
		for (int i = 0; i < 3; i++) {
			int64_t deadline_ns = fence_rig_get_time_ns() + length_ns;
			assert_int_equal(sb_timeline_wait(waits[i].timeline, waits[i].point,
							 waits[i].event, deadline_ns),
					-ETIME);
			assert_true(fence_rig_get_time_ns() >= deadline_ns);
		}
	}
}

/* --- from one timeline to another --- */

static void check_transfer(struct timeline_test *test, struct sb_timeline *target,
		struct sb_timeline *source) {
	assert_int_equal(sb_timeline_transfer(target, 4, source, 1), -EAGAIN);
	check_query(target, 0, 0);
	import_point(test, source, 1, 0);
	import_point(test, source, 2, 1);
	assert_int_equal(sb_timeline_transfer(target, 4, source, 3), -EAGAIN);
	assert_int_equal(sb_timeline_transfer(target, 4, source, 1), 0);
	assert_int_equal(sb_timeline_transfer(target, 5, source, 2), 0);
	check_query(target, 0, 5);
	rig_fence_signal(&test->fences[0]);
	check_query(target, 4, 5);
	rig_fence_signal(&test->fences[1]);
	check_query(target, 5, 5);
	/* The source is as it was. */
	check_query(source, 2, 2);
}

static void transfer_within_file_waits_for_source(void **state) {
	struct timeline_test *test = *state;
	check_transfer(test, test->shared, test->other);
}

static void transfer_between_files_waits_for_source(void **state) {
	struct timeline_test *test = *state;
	check_transfer(test, test->timeline, test->other);
}

static void transfer_within_timeline_waits_for_source(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	assert_int_equal(sb_timeline_transfer(test->timeline, 2, test->timeline, 1), 0);
	assert_int_equal(sb_timeline_transfer(test->timeline, 3, test->shared, 2), 0);
	check_progress(test, 0, 3);
	rig_fence_signal(&test->fences[0]);
	check_progress(test, 3, 3);
}

/* The sync_file of a point holds a chain of fences, which must not end up inside a chain. */
static void import_of_exported_point_waits_for_all_of_it(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	import_point(test, test->timeline, 2, 1);
	import_point(test, test->other, 1, 2);
	int sync_file_fd;
	assert_int_equal(sb_timeline_export_sync_file(test->timeline, 2, &sync_file_fd), 0);
	assert_int_equal(sb_timeline_import_sync_file(test->other, 2, sync_file_fd), 0);
	close(sync_file_fd);
	rig_fence_signal(&test->fences[2]);
	check_query(test->other, 1, 2);
	rig_fence_signal(&test->fences[1]);
	check_query(test->other, 1, 2);
	rig_fence_signal(&test->fences[0]);
	check_query(test->other, 2, 2);
}

/* --- eventfds --- */

static int create_event_fd(
		const struct sb_timeline *timeline, uint64_t point, enum sb_timeline_event event) {
	int event_fd;
	assert_int_equal(sb_timeline_create_event_fd(timeline, point, event, &event_fd), 0);
	assert_int_equal(fcntl(event_fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(event_fd, F_GETFL) & O_NONBLOCK);
	return event_fd;
}

static void check_has_fired_once(int event_fd) {
	assert_true(fence_rig_poll(event_fd, POLLIN, FENCE_RIG_SOON_MS));
	uint64_t count;
	assert_int_equal(read(event_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_false(fence_rig_poll(event_fd, POLLIN, 0));
}

static void event_fd_fires_when_point_has_come_and_when_it_is_done(void **state) {
	struct timeline_test *test = *state;
	int materialised_fd = create_event_fd(test->timeline, 2, SB_TIMELINE_MATERIALISED);
	int signalled_fd = create_event_fd(test->timeline, 2, SB_TIMELINE_SIGNALLED);
	/* A lower point is not it. */
	import_point(test, test->shared, 1, 0);
	assert_false(fence_rig_poll(materialised_fd, POLLIN, 0));
	import_point(test, test->shared, 2, 1);
	check_has_fired_once(materialised_fd);
	assert_false(fence_rig_poll(signalled_fd, POLLIN, 0));
	rig_fence_signal(&test->fences[1]);
	assert_false(fence_rig_poll(signalled_fd, POLLIN, 0));
	rig_fence_signal(&test->fences[0]);
	check_has_fired_once(signalled_fd);
	assert_false(fence_rig_poll(materialised_fd, POLLIN, 0));
	close(materialised_fd);
	close(signalled_fd);
}

static void event_fd_of_point_that_is_done_fires_at_once(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	int event_fd = create_event_fd(test->shared, 1, SB_TIMELINE_MATERIALISED);
	check_has_fired_once(event_fd);
	close(event_fd);
	rig_fence_signal(&test->fences[0]);
	event_fd = create_event_fd(test->shared, 1, SB_TIMELINE_SIGNALLED);
	check_has_fired_once(event_fd);
	close(event_fd);
}

static void event_fd_fires_after_timeline_is_let_go(void **state) {
	struct timeline_test *test = *state;
	import_point(test, test->timeline, 1, 0);
	int signalled_fd = create_event_fd(test->timeline, 1, SB_TIMELINE_SIGNALLED);
	int later_fd = create_event_fd(test->timeline, 2, SB_TIMELINE_SIGNALLED);
	sb_timeline_unref(test->timeline);
	sb_timeline_unref(test->shared);
	test->timeline = NULL;
	test->shared = NULL;
	assert_false(fence_rig_poll(signalled_fd, POLLIN, 0));
	rig_fence_signal(&test->fences[0]);
	check_has_fired_once(signalled_fd);
	/* Nobody can make that point any more. */
	assert_false(fence_rig_poll(later_fd, POLLIN, 0));
	close(signalled_fd);
	close(later_fd);
}

static void event_fd_cancelled_leaves_nothing(void **state) {
	struct timeline_test *test = *state;
	for (int i = 0; i < 100; i++) {
		close(create_event_fd(test->timeline, 1, SB_TIMELINE_MATERIALISED));
		close(create_event_fd(test->shared, 1, SB_TIMELINE_SIGNALLED));
	}
	import_point(test, test->timeline, 1, 0);
	for (int i = 0; i < 100; i++) {
		close(create_event_fd(test->shared, 1, SB_TIMELINE_SIGNALLED));
	}
	rig_fence_signal(&test->fences[0]);
	check_progress(test, 1, 1);
}

/* --- what is none --- */

static void create_many_costs_no_fd(void **state) {
	struct timeline_test *test = *state;
	int fds_before = fds_count_open();
	struct sb_timeline *timelines[100];
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sb_timeline_create(test->rig.drm_fd, NULL, &timelines[i]), 0);
	}
	assert_int_equal(fds_count_open(), fds_before);
	for (int i = 0; i < 100; i++) {
		sb_timeline_unref(timelines[i]);
	}
}

static void create_on_other_files_fails(void **state) {
	struct timeline_test *test = *state;
	struct sb_timeline *timeline = NULL;
	assert_int_equal(sb_timeline_create(test->rig.vgem_fd, NULL, &timeline), -EOPNOTSUPP);
	int sync_file_fd = test->fences[0].sync_file_fd;
	assert_int_equal(sb_timeline_create(sync_file_fd, NULL, &timeline), -ENOTTY);
	assert_int_equal(sb_timeline_create(-1, NULL, &timeline), -EBADF);
	int drm_fd = test->rig.drm_fd;
	assert_int_equal(sb_timeline_import(drm_fd, sync_file_fd, NULL, &timeline), -EINVAL);
	assert_int_equal(sb_timeline_import(drm_fd, -1, NULL, &timeline), -EINVAL);
	assert_null(timeline);
}

static void import_of_other_files_fails_with_einval(void **state) {
	struct timeline_test *test = *state;
	int syncobj_fd;
	assert_int_equal(sb_timeline_export(test->timeline, &syncobj_fd), 0);
	const int other_fds[] = { test->rig.drm_fd, syncobj_fd, -1 };
	for (size_t i = 0; i < sizeof(other_fds) / sizeof(other_fds[0]); i++) {
		assert_int_equal(sb_timeline_import_sync_file(test->timeline, 1, other_fds[i]),
				-EINVAL);
	}
	close(syncobj_fd);
	check_progress(test, 0, 0);
}

#define TIMELINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TIMELINE_TEST(query_follows_points),
		TIMELINE_TEST(signal_of_higher_point_waits_for_lower_ones),
		TIMELINE_TEST(wait_for_point_passed_over_is_for_next_higher),
		TIMELINE_TEST(export_of_point_to_come_fails_with_eagain),
		TIMELINE_TEST(get_info_of_points_follows_work),
		TIMELINE_TEST(unref_of_creator_leaves_timeline_to_others),
		TIMELINE_TEST(wait_before_signal_ends_when_other_file_signals),
		TIMELINE_TEST(wait_until_deadline_ends_with_etime),
		TIMELINE_TEST(transfer_within_file_waits_for_source),
		TIMELINE_TEST(transfer_between_files_waits_for_source),
		TIMELINE_TEST(transfer_within_timeline_waits_for_source),
		TIMELINE_TEST(import_of_exported_point_waits_for_all_of_it),
		TIMELINE_TEST(event_fd_fires_when_point_has_come_and_when_it_is_done),
		TIMELINE_TEST(event_fd_of_point_that_is_done_fires_at_once),
		TIMELINE_TEST(event_fd_fires_after_timeline_is_let_go),
		TIMELINE_TEST(event_fd_cancelled_leaves_nothing),
		TIMELINE_TEST(create_many_costs_no_fd),
		TIMELINE_TEST(create_on_other_files_fails),
		TIMELINE_TEST(import_of_other_files_fails_with_einval),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
