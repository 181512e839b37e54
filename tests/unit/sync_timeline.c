#include <syncbridge/timeline.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/sync_file.h>
#include <syncbridge/trace.h>

#include "fds.h"
#include "mock_ioctl.h"
#include "mock_syncobj.h"

#define FD_UNTOUCHED (-99)
#define POINT_UNTOUCHED UINT64_C(0xdeadbeef)
#define GPU (MOCK_DRM_TIMELINES | MOCK_DRM_DISPLAY)
#define NO_TIMELINE ((struct sb_timeline *)(uintptr_t)1)

/* The kernels between which the way of doing something changes. */
static const struct {
	unsigned int major, minor;
} kernels[] = { { 5, 2 }, { 5, 16 }, { 6, 15 }, { 6, 16 }, { 7, 2 } };

/* Which one to be for mock_fail_each_call(). */
static size_t run_kernel;

#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

static void become_kernel(size_t i) {
	mock_drm_set_linux(kernels[i].major, kernels[i].minor);
}

/* A timeline on a device of its own, and its syncobj as somebody else sees it. */
struct fixture {
	struct sb_timeline *timeline;
	int drm_fd;
	int syncobj_fd;
};

static struct fixture fixture_open(int take_syncobj_fd) {
	struct fixture fixture = { .drm_fd = mock_drm_create(GPU), .syncobj_fd = take_syncobj_fd };
	assert_int_equal(sb_timeline_import(fixture.drm_fd, fixture.syncobj_fd, "mine",
					 &fixture.timeline),
			0);
	return fixture;
}

static struct fixture fixture_create(void) {
	return fixture_open(mock_syncobj_create());
}

static void fixture_destroy(struct fixture *fixture) {
	sb_timeline_unref(fixture->timeline);
	close(fixture->syncobj_fd);
	close(fixture->drm_fd);
}

static bool fd_is_readable(int fd) {
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	assert_true(poll(&pollfd, 1, 0) >= 0);
	return pollfd.revents == POLLIN;
}

static void assert_points(
		const struct sb_timeline *timeline, uint64_t signalled, uint64_t materialised) {
	uint64_t signalled_point = POINT_UNTOUCHED;
	uint64_t materialised_point = POINT_UNTOUCHED;
	assert_int_equal(sb_timeline_query(timeline, &signalled_point, &materialised_point), 0);
	assert_int_equal(signalled_point, signalled);
	assert_int_equal(materialised_point, materialised);
}

/* Create, import, export. */

static void create_on_device_has_no_points(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, "frames", &timeline), 0);
	assert_string_equal(sb_timeline_get_name(timeline), "frames");
	assert_points(timeline, 0, 0);
	assert_int_equal(mock_drm_count_handles(drm_fd), 1);
	sb_timeline_unref(timeline);
	assert_int_equal(mock_drm_count_handles(drm_fd), 0);
	close(drm_fd);
}

/* A client may have as many as it likes, and a compositor one fd for all. */
static void create_many_costs_no_fd(void **state) {
	int drm_fd = mock_drm_create(GPU);
	int syncobj_fd = mock_syncobj_create();
	int fds_before = fds_count_open();
	struct sb_timeline *timelines[8];
	for (size_t i = 0; i < 8; i += 2) {
		assert_int_equal(sb_timeline_create(drm_fd, NULL, &timelines[i]), 0);
		assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timelines[i + 1]), 0);
	}
	assert_int_equal(fds_count_open(), fds_before);
	for (size_t i = 0; i < 8; i++) {
		sb_timeline_unref(timelines[i]);
	}
	/* The caller's is as it was. */
	assert_int_equal(mock_drm_count_handles(drm_fd), 0);
	close(syncobj_fd);
	close(drm_fd);
}

static void create_twice_makes_two_timelines(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *a, *b;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &a), 0);
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &b), 0);
	assert_int_equal(sb_timeline_signal(a, 3), 0);
	assert_points(b, 0, 0);
	sb_timeline_unref(a);
	assert_int_equal(sb_timeline_signal(b, 4), 0);
	assert_points(b, 4, 4);
	sb_timeline_unref(b);
	close(drm_fd);
}

static void check_create_refused(int drm_fd, int expected) {
	struct sb_timeline *timeline = NO_TIMELINE;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), expected);
	assert_ptr_equal(timeline, NO_TIMELINE);
	int syncobj_fd = mock_syncobj_create();
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline), expected);
	assert_ptr_equal(timeline, NO_TIMELINE);
	close(syncobj_fd);
}

static void create_without_timelines_is_unsupported(void **state) {
	int drm_fd = mock_drm_create(MOCK_DRM_DISPLAY);
	check_create_refused(drm_fd, -EOPNOTSUPP);
	close(drm_fd);
}

static void create_on_old_kernel_is_unsupported(void **state) {
	mock_drm_set_linux(5, 1);
	int display_fd = mock_drm_create(GPU);
	int render_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	check_create_refused(display_fd, -EOPNOTSUPP);
	check_create_refused(render_fd, -EOPNOTSUPP);
	close(display_fd);
	close(render_fd);
}

static void create_on_other_file_fails(void **state) {
	int memfd = mock_memfd_create(0);
	int dmabuf_fd = mock_dmabuf_create(4096);
	check_create_refused(memfd, -ENOTTY);
	check_create_refused(dmabuf_fd, -ENOTTY);
	close(memfd);
	close(dmabuf_fd);
	check_create_refused(dmabuf_fd, -EBADF);
	check_create_refused(-1, -EBADF);
}

static void create_on_unplugged_device_fails(void **state) {
	int drm_fd = mock_drm_create(GPU);
	mock_drm_unplug(drm_fd);
	check_create_refused(drm_fd, -ENODEV);
	close(drm_fd);
}

static void create_with_long_name_cuts_it(void **state) {
	static const struct {
		const char *name, *expected;
	} cases[] = {
		{ NULL, "" },
		{ "", "" },
		{ "123456789012345678901234567890", "123456789012345678901234567890" },
		{ "1234567890123456789012345678901", "1234567890123456789012345678901" },
		{ "12345678901234567890123456789012", "1234567890123456789012345678901" },
		{ "12345678901234567890123456789012345", "1234567890123456789012345678901" },
	};
	int drm_fd = mock_drm_create(GPU);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sb_timeline *timeline;
		assert_int_equal(sb_timeline_create(drm_fd, cases[i].name, &timeline), 0);
		assert_string_equal(sb_timeline_get_name(timeline), cases[i].expected);
		sb_timeline_unref(timeline);
	}
	close(drm_fd);
}

static void run_create(void) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline = NO_TIMELINE;
	mock_fail_armed();
	int ret = sb_timeline_create(drm_fd, NULL, &timeline);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_true(ret == 0 || timeline == NO_TIMELINE);
	if (ret == 0) {
		sb_timeline_unref(timeline);
	}
	close(drm_fd);
}

static void create_failed_leaves_nothing(void **state) {
	mock_fail_each_call(run_create, 3);
}

static void import_sees_what_others_do(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture elsewhere = fixture_open(fcntl(fixture.syncobj_fd, F_DUPFD_CLOEXEC, 0));
	assert_string_equal(sb_timeline_get_name(fixture.timeline), "mine");
	assert_int_equal(sb_timeline_signal(elsewhere.timeline, 7), 0);
	assert_points(fixture.timeline, 7, 7);
	assert_int_equal(sb_timeline_signal(fixture.timeline, 8), 0);
	assert_points(elsewhere.timeline, 8, 8);
	fixture_destroy(&elsewhere);
	assert_points(fixture.timeline, 8, 8);
	fixture_destroy(&fixture);
}

static void import_twice_on_one_device_gives_two(void **state) {
	int drm_fd = mock_drm_create(GPU);
	int syncobj_fd = mock_syncobj_create();
	struct sb_timeline *a, *b;
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &a), 0);
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &b), 0);
	assert_int_equal(mock_drm_count_handles(drm_fd), 2);
	sb_timeline_unref(a);
	assert_int_equal(sb_timeline_signal(b, 1), 0);
	assert_true(mock_syncobj_has_point(syncobj_fd, 1));
	sb_timeline_unref(b);
	close(syncobj_fd);
	close(drm_fd);
}

static void import_of_other_file_fails(void **state) {
	int drm_fd = mock_drm_create(GPU);
	int fds[] = { -1, mock_memfd_create(0), mock_sync_file_create(mock_fence_create()), drm_fd };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct sb_timeline *timeline = NO_TIMELINE;
		assert_int_equal(sb_timeline_import(drm_fd, fds[i], NULL, &timeline), -EINVAL);
		assert_ptr_equal(timeline, NO_TIMELINE);
	}
	close(fds[1]);
	close(fds[2]);
	struct sb_timeline *timeline = NO_TIMELINE;
	assert_int_equal(sb_timeline_import(drm_fd, fds[1], NULL, &timeline), -EINVAL);
	assert_ptr_equal(timeline, NO_TIMELINE);
	close(drm_fd);
}

static void import_of_syncobj_without_points_has_none(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_syncobj_set_fences(fixture.syncobj_fd, fence);
	assert_points(fixture.timeline, 0, 0);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 1, &fd), -EAGAIN);
	/* Points may follow; they wait for what was there. */
	assert_int_equal(sb_timeline_signal(fixture.timeline, 1), 0);
	assert_points(fixture.timeline, 0, 1);
	mock_fence_signal(fence, 0);
	assert_points(fixture.timeline, 1, 1);
	fixture_destroy(&fixture);
}

static void run_import(void) {
	int drm_fd = mock_drm_create(GPU);
	int syncobj_fd = mock_syncobj_create();
	struct sb_timeline *timeline = NO_TIMELINE;
	mock_fail_armed();
	int ret = sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_true(ret == 0 || timeline == NO_TIMELINE);
	if (ret == 0) {
		sb_timeline_unref(timeline);
	}
	close(syncobj_fd);
	close(drm_fd);
}

static void import_failed_leaves_nothing(void **state) {
	mock_fail_each_call(run_import, 3);
}

static void export_gives_the_same_timeline(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), 0);
	int syncobj_fd;
	assert_int_equal(sb_timeline_export(timeline, &syncobj_fd), 0);
	assert_int_equal(sb_timeline_signal(timeline, 2), 0);
	/* It stays when the one that made it goes. */
	sb_timeline_unref(timeline);
	struct fixture elsewhere = fixture_open(syncobj_fd);
	assert_points(elsewhere.timeline, 2, 2);
	fixture_destroy(&elsewhere);
	close(drm_fd);
}

static void run_export(void) {
	struct fixture fixture = fixture_create();
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_timeline_export(fixture.timeline, &fd);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_true(ret == 0 ? fd >= 0 : fd == FD_UNTOUCHED);
	if (ret == 0) {
		close(fd);
	}
	fixture_destroy(&fixture);
}

static void export_failed_leaves_nothing(void **state) {
	mock_fail_each_call(run_export, 1);
}

/* References. */

static void unref_of_null_does_nothing(void **state) {
	sb_timeline_unref(NULL);
	assert_int_equal(mock_count_calls(), 0);
}

static void ref_keeps_timeline_open(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), 0);
	assert_ptr_equal(sb_timeline_ref(timeline), timeline);
	sb_timeline_unref(timeline);
	assert_int_equal(mock_drm_count_handles(drm_fd), 1);
	assert_int_equal(sb_timeline_signal(timeline, 1), 0);
	sb_timeline_unref(timeline);
	assert_int_equal(mock_drm_count_handles(drm_fd), 0);
	close(drm_fd);
}

static void unref_keeps_errno(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), 0);
	sb_timeline_ref(timeline);
	for (int i = 0; i < 2; i++) {
		errno = EXDEV;
		sb_timeline_unref(timeline);
		assert_int_equal(errno, EXDEV);
	}
	close(drm_fd);
}

#define THREADS 2
#define REF_ROUNDS 8000
#define REF_BATCH 1000

struct ref_test {
	struct sb_timeline *timeline;
	pthread_barrier_t start;
};

static void *ref_and_unref(void *data) {
	struct ref_test *test = data;
	pthread_barrier_wait(&test->start);
	for (int i = 0; i < REF_ROUNDS; i++) {
		/* Not in pairs: the two threads would fall into step. */
		for (int j = 0; j < REF_BATCH; j++) {
			sb_timeline_ref(test->timeline);
		}
		for (int j = 0; j < REF_BATCH; j++) {
			sb_timeline_unref(test->timeline);
		}
	}
	/* The one that this thread was given. */
	sb_timeline_unref(test->timeline);
	return NULL;
}

static void ref_from_two_threads_closes_once(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct ref_test test;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &test.timeline), 0);
	assert_int_equal(pthread_barrier_init(&test.start, NULL, THREADS), 0);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		sb_timeline_ref(test.timeline);
		assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, &test), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	pthread_barrier_destroy(&test.start);
	assert_int_equal(mock_drm_count_handles(drm_fd), 1);
	sb_timeline_unref(test.timeline);
	assert_int_equal(mock_drm_count_handles(drm_fd), 0);
	close(drm_fd);
}

/* Signal, query. */

static void signal_point_takes_lower_ones_along(void **state) {
	struct fixture fixture = fixture_create();
	assert_int_equal(sb_timeline_signal(fixture.timeline, 5), 0);
	assert_points(fixture.timeline, 5, 5);
	assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 1), 0);
	assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 5), 0);
	assert_false(mock_syncobj_has_point(fixture.syncobj_fd, 6));
	assert_int_equal(sb_timeline_signal(fixture.timeline, UINT64_MAX), 0);
	assert_points(fixture.timeline, UINT64_MAX, UINT64_MAX);
	fixture_destroy(&fixture);
}

static void signal_point_0_fails(void **state) {
	struct fixture fixture = fixture_create();
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_signal(fixture.timeline, 0), -EINVAL);
	assert_int_equal(mock_count_calls(), 0);
	fixture_destroy(&fixture);
}

static void run_signal(void) {
	struct fixture fixture = fixture_create();
	mock_fail_armed();
	int ret = sb_timeline_signal(fixture.timeline, 1);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(mock_syncobj_has_point(fixture.syncobj_fd, 1), ret == 0);
	fixture_destroy(&fixture);
}

static void signal_failed_is_reported(void **state) {
	mock_fail_each_call(run_signal, 1);
}

static void query_tells_signalled_and_materialised(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t a = mock_fence_create(), b = mock_fence_create(), c = mock_fence_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 10, a);
	assert_points(fixture.timeline, 0, 10);
	mock_syncobj_add_point(fixture.syncobj_fd, 20, b);
	mock_syncobj_add_point(fixture.syncobj_fd, 30, c);
	assert_points(fixture.timeline, 0, 30);
	/* Its work is done, but not that of a lower point. */
	mock_fence_signal(b, 0);
	assert_points(fixture.timeline, 0, 30);
	mock_fence_signal(a, 0);
	assert_points(fixture.timeline, 20, 30);
	mock_fence_signal(c, -EIO);
	assert_points(fixture.timeline, 30, 30);
	fixture_destroy(&fixture);
}

static void query_of_one_asks_for_no_other(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t point = POINT_UNTOUCHED;
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	mock_syncobj_add_point(fixture.syncobj_fd, 2, mock_fence_create());
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_query(fixture.timeline, NULL, NULL), 0);
	assert_int_equal(mock_count_calls(), 0);
	assert_int_equal(sb_timeline_query(fixture.timeline, &point, NULL), 0);
	assert_int_equal(mock_count_calls(), 1);
	assert_int_equal(point, 1);
	assert_int_equal(sb_timeline_query(fixture.timeline, NULL, &point), 0);
	assert_int_equal(mock_count_calls(), 2);
	assert_int_equal(point, 2);
	fixture_destroy(&fixture);
}

static void query_before_linux_5_5_tells_signalled_only(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	mock_drm_set_linux(5, 4);
	uint64_t signalled = POINT_UNTOUCHED, materialised = POINT_UNTOUCHED;
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_query(fixture.timeline, &signalled, &materialised), -EOPNOTSUPP);
	/* That one is asked for last: in between it may rise only. */
	assert_int_equal(mock_count_calls(), 2);
	assert_int_equal(signalled, POINT_UNTOUCHED);
	assert_int_equal(materialised, POINT_UNTOUCHED);
	assert_int_equal(sb_timeline_query(fixture.timeline, &signalled, NULL), 0);
	assert_int_equal(signalled, 1);
	mock_drm_set_linux(5, 5);
	assert_points(fixture.timeline, 1, 1);
	fixture_destroy(&fixture);
}

static void run_query(void) {
	struct fixture fixture = fixture_create();
	uint64_t signalled = POINT_UNTOUCHED, materialised = POINT_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_timeline_query(fixture.timeline, &signalled, &materialised);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(signalled, ret == 0 ? 0 : POINT_UNTOUCHED);
	assert_int_equal(materialised, ret == 0 ? 0 : POINT_UNTOUCHED);
	fixture_destroy(&fixture);
}

static void query_failed_writes_nothing(void **state) {
	mock_fail_each_call(run_query, 2);
}

/* Points as sync_files. */

static uint64_t export_fences(const struct sb_timeline *timeline, uint64_t point) {
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_timeline_export_sync_file(timeline, point, &fd), 0);
	uint64_t fences = mock_sync_file_get_fences(fd);
	close(fd);
	return fences;
}

static void export_point_waits_for_lower_ones_too(void **state) {
	for (size_t i = 0; i < KERNELS; i++) {
		struct fixture fixture = fixture_create();
		uint64_t a = mock_fence_create(), b = mock_fence_create(), c = mock_fence_create();
		mock_syncobj_add_point(fixture.syncobj_fd, 1, a);
		mock_syncobj_add_point(fixture.syncobj_fd, 2, b);
		mock_syncobj_add_point(fixture.syncobj_fd, 9, c);
		become_kernel(i);
		assert_int_equal(export_fences(fixture.timeline, 1), a);
		assert_int_equal(export_fences(fixture.timeline, 2), a | b);
		/* Left out: they come with the next one. */
		assert_int_equal(export_fences(fixture.timeline, 3), a | b | c);
		assert_int_equal(export_fences(fixture.timeline, 8), a | b | c);
		assert_int_equal(export_fences(fixture.timeline, 9), a | b | c);
		mock_fence_signal(a, 0);
		assert_int_equal(export_fences(fixture.timeline, 2), b);
		fixture_destroy(&fixture);
	}
}

static bool kernel_loses_overtaken(size_t i) {
	return kernels[i].major * 100 + kernels[i].minor < 516;
}

static void export_signalled_point_is_ready(void **state) {
	for (size_t i = 0; i < KERNELS; i++) {
		struct fixture fixture = fixture_create();
		become_kernel(i);
		uint64_t fence = mock_fence_create();
		mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
		mock_fence_signal(fence, 0);
		assert_int_equal(sb_timeline_signal(fixture.timeline, 2), 0);
		/* The first one has been overtaken, which old kernels are no match for. */
		for (uint64_t point = kernel_loses_overtaken(i) ? 2 : 1; point <= 2; point++) {
			int fd;
			assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, point, &fd),
					0);
			assert_int_equal(sb_sync_file_wait(fd, 0), 0);
			close(fd);
		}
		fixture_destroy(&fixture);
	}
}

static void export_overtaken_point_before_linux_5_16_fails(void **state) {
	struct fixture fixture = fixture_create();
	mock_drm_set_linux(5, 15);
	assert_int_equal(sb_timeline_signal(fixture.timeline, 1), 0);
	assert_int_equal(sb_timeline_signal(fixture.timeline, 2), 0);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 1, &fd), -ENOMEM);
	assert_int_equal(fd, FD_UNTOUCHED);
	fixture_destroy(&fixture);
}

static void export_point_to_come_says_again(void **state) {
	for (size_t i = 0; i < KERNELS; i++) {
		struct fixture fixture = fixture_create();
		become_kernel(i);
		int fd = FD_UNTOUCHED;
		assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 1, &fd), -EAGAIN);
		mock_syncobj_add_point(fixture.syncobj_fd, 4, mock_fence_create());
		assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 5, &fd), -EAGAIN);
		assert_int_equal(fd, FD_UNTOUCHED);
		assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 4, &fd), 0);
		close(fd);
		fixture_destroy(&fixture);
	}
}

static void export_point_0_fails(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	int fd = FD_UNTOUCHED;
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 0, &fd), -EINVAL);
	assert_int_equal(mock_count_calls(), 0);
	assert_int_equal(fd, FD_UNTOUCHED);
	fixture_destroy(&fixture);
}

static void export_point_since_linux_6_16_is_one_call(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
	mock_drm_set_linux(6, 16);
	mock_fail_call(0, 0);
	assert_int_equal(export_fences(fixture.timeline, 1), fence);
	assert_int_equal(mock_count_calls(), 1);
	fixture_destroy(&fixture);
}

/* The kernel has one error for many things; the call that gets it on the long way tells which. */
static void export_point_short_of_memory_says_so(void **state) {
	static const struct {
		unsigned int nth;
		int expected;
	} cases[] = {
		/* On Linux 7.2 the short way, and then the long one works. */
		{ 1, 0 },
		/* On Linux 6.15, where number 1 fails in any case, the transfer and the export. */
		{ 3, -EAGAIN },
		{ 4, -ENOMEM },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture = fixture_create();
		uint64_t fence = mock_fence_create();
		mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
		mock_drm_set_linux(cases[i].nth == 1 ? 7 : 6, cases[i].nth == 1 ? 2 : 15);
		int fd = FD_UNTOUCHED;
		mock_fail_call(cases[i].nth, -EINVAL);
		assert_int_equal(sb_timeline_export_sync_file(fixture.timeline, 1, &fd),
				cases[i].expected);
		if (cases[i].expected == 0) {
			assert_int_equal(mock_sync_file_get_fences(fd), fence);
			close(fd);
		} else {
			assert_int_equal(fd, FD_UNTOUCHED);
		}
		fixture_destroy(&fixture);
	}
}

static bool kernel_has_short_way(size_t i) {
	return kernels[i].major * 100 + kernels[i].minor >= 616;
}

static void run_export_sync_file(void) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
	become_kernel(run_kernel);
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_timeline_export_sync_file(fixture.timeline, 1, &fd);
	mock_fail_disarmed();
	if (ret == 0) {
		assert_int_equal(mock_sync_file_get_fences(fd), fence);
		close(fd);
		/* On the long way, clearing up may fail unseen. */
		assert_true(mock_get_injected() == 0 || !kernel_has_short_way(run_kernel));
	} else {
		assert_int_equal(ret, mock_get_injected());
		assert_int_equal(fd, FD_UNTOUCHED);
	}
	fixture_destroy(&fixture);
}

static void export_point_failed_leaves_nothing(void **state) {
	for (run_kernel = 0; run_kernel < KERNELS; run_kernel++) {
		mock_fail_each_call(run_export_sync_file, kernel_has_short_way(run_kernel) ? 1 : 5);
	}
}

static void import_sync_file_makes_point_wait_for_it(void **state) {
	for (size_t i = 0; i < KERNELS; i++) {
		struct fixture fixture = fixture_create();
		become_kernel(i);
		uint64_t a = mock_fence_create(), b = mock_fence_create(), c = mock_fence_create();
		int fd = mock_sync_file_create(a | b);
		assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 6, fd), 0);
		/* Borrowed: it is there to be used again. */
		assert_int_equal(mock_sync_file_get_fences(fd), a | b);
		close(fd);
		assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 6), a | b);
		fd = mock_sync_file_create(c);
		assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 7, fd), 0);
		close(fd);
		assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 6), a | b);
		assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 7), a | b | c);
		mock_fence_signal(a | b, 0);
		uint64_t signalled;
		assert_int_equal(sb_timeline_query(fixture.timeline, &signalled, NULL), 0);
		assert_int_equal(signalled, 6);
		fixture_destroy(&fixture);
	}
}

static void import_signalled_sync_file_signals(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_fence_signal(fence, 0);
	int fd = mock_sync_file_create(fence);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, fd), 0);
	close(fd);
	assert_points(fixture.timeline, 1, 1);
	fixture_destroy(&fixture);
}

static void import_sync_file_of_other_point_works(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_syncobj_add_point(other.syncobj_fd, 1, fence);
	int fd;
	assert_int_equal(sb_timeline_export_sync_file(other.timeline, 1, &fd), 0);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, fd), 0);
	close(fd);
	assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 1), fence);
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void import_wrong_sync_file_or_point_fails(void **state) {
	struct fixture fixture = fixture_create();
	int memfd = mock_memfd_create(0);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, memfd), -EINVAL);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, fixture.syncobj_fd),
			-EINVAL);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, -1), -EINVAL);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 0, sync_file_fd), -EINVAL);
	close(sync_file_fd);
	assert_int_equal(sb_timeline_import_sync_file(fixture.timeline, 1, sync_file_fd), -EINVAL);
	close(memfd);
	assert_points(fixture.timeline, 0, 0);
	fixture_destroy(&fixture);
}

static void run_import_sync_file(void) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	int fd = mock_sync_file_create(fence);
	mock_fail_armed();
	int ret = sb_timeline_import_sync_file(fixture.timeline, 1, fd);
	mock_fail_disarmed();
	if (ret == 0) {
		assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 1), fence);
	} else {
		assert_int_equal(ret, mock_get_injected());
		assert_false(mock_syncobj_has_point(fixture.syncobj_fd, 1));
	}
	close(fd);
	fixture_destroy(&fixture);
}

static void import_sync_file_failed_makes_no_point(void **state) {
	mock_fail_each_call(run_import_sync_file, 4);
}

/* Fences of all kinds, and other timelines' points. */

static void import_fence_of_each_kind(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	uint64_t a = mock_fence_create(), b = mock_fence_create();
	mock_syncobj_add_point(other.syncobj_fd, 5, b);

	struct sb_fence none = { 0 };
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 1, &none), 0);
	assert_points(fixture.timeline, 1, 1);

	struct sb_fence sync_file = {
		.type = SB_FENCE_SYNC_FILE,
		.fds = { mock_sync_file_create(a) },
	};
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 2, &sync_file), 0);
	assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 2), a);
	close(sync_file.fds[0]);

	struct sb_fence point = {
		.type = SB_FENCE_POINT,
		.timeline = other.timeline,
		.point = 5,
	};
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 3, &point), 0);
	assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 3), a | b);
	point.point = 6;
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 4, &point), -EAGAIN);

	struct sb_fence idle = {
		.type = SB_FENCE_IDLE,
		.access = SB_ACCESS_READ,
		.fds = { mock_dmabuf_create(4096) },
		.dmabuf_count = 1,
	};
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 4, &idle), -EOPNOTSUPP);
	close(idle.fds[0]);

	struct sb_fence unknown = { .type = (enum sb_fence_type)(SB_FENCE_IDLE + 1) };
	assert_int_equal(sb_timeline_import_fence(fixture.timeline, 4, &unknown), -EINVAL);
	assert_false(mock_syncobj_has_point(fixture.syncobj_fd, 4));
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void import_fence_as_point_0_fails(void **state) {
	struct fixture fixture = fixture_create();
	const struct sb_fence fences[] = {
		{ .type = SB_FENCE_NONE },
		{ .type = SB_FENCE_SYNC_FILE, .fds = { mock_sync_file_create(1) } },
		{ .type = SB_FENCE_POINT, .timeline = fixture.timeline, .point = 1 },
		{ .type = SB_FENCE_IDLE, .dmabuf_count = 1 },
	};
	for (size_t i = 0; i < sizeof(fences) / sizeof(fences[0]); i++) {
		assert_int_equal(sb_timeline_import_fence(fixture.timeline, 0, &fences[i]), -EINVAL);
	}
	close(fences[1].fds[0]);
	assert_points(fixture.timeline, 0, 0);
	fixture_destroy(&fixture);
}

static void transfer_from_anywhere_waits_for_source(void **state) {
	for (size_t i = 0; i < KERNELS; i++) {
		/* Two on the same open device, the others on devices of their own. */
		int drm_fd = mock_drm_create(GPU);
		int syncobj_fd = mock_syncobj_create();
		struct sb_timeline *timeline, *neighbour;
		assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline), 0);
		assert_int_equal(sb_timeline_create(drm_fd, NULL, &neighbour), 0);
		struct fixture other = fixture_create();
		become_kernel(i);

		uint64_t a = mock_fence_create(), b = mock_fence_create(), c = mock_fence_create();
		int fd = mock_sync_file_create(a);
		assert_int_equal(sb_timeline_import_sync_file(neighbour, 1, fd), 0);
		close(fd);
		mock_syncobj_add_point(other.syncobj_fd, 1, b);
		mock_syncobj_add_point(other.syncobj_fd, 2, c);

		assert_int_equal(sb_timeline_transfer(timeline, 10, neighbour, 1), 0);
		assert_int_equal(mock_syncobj_get_pending(syncobj_fd, 10), a);
		assert_int_equal(sb_timeline_transfer(timeline, 20, other.timeline, 1), 0);
		assert_int_equal(mock_syncobj_get_pending(syncobj_fd, 20), a | b);
		assert_int_equal(sb_timeline_transfer(timeline, 30, timeline, 10), 0);
		assert_int_equal(mock_syncobj_get_pending(syncobj_fd, 30), a | b);
		mock_fence_signal(a | b, 0);
		uint64_t signalled;
		assert_int_equal(sb_timeline_query(timeline, &signalled, NULL), 0);
		assert_int_equal(signalled, 30);
		assert_int_equal(mock_drm_count_handles(drm_fd), 2);

		fixture_destroy(&other);
		sb_timeline_unref(neighbour);
		sb_timeline_unref(timeline);
		close(syncobj_fd);
		close(drm_fd);
	}
}

static void transfer_of_signalled_point_signals(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	assert_int_equal(sb_timeline_signal(other.timeline, 1), 0);
	mock_syncobj_add_point(other.syncobj_fd, 2, mock_fence_create());
	assert_int_equal(sb_timeline_transfer(fixture.timeline, 1, other.timeline, 1), 0);
	assert_points(fixture.timeline, 1, 1);
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void transfer_of_point_to_come_says_again(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	mock_syncobj_add_point(other.syncobj_fd, 1, mock_fence_create());
	assert_int_equal(sb_timeline_transfer(fixture.timeline, 1, other.timeline, 2), -EAGAIN);
	assert_points(fixture.timeline, 0, 0);
	assert_int_equal(sb_timeline_transfer(fixture.timeline, 1, other.timeline, 1), 0);
	assert_points(fixture.timeline, 0, 1);
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void transfer_of_point_0_fails(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	assert_int_equal(sb_timeline_signal(other.timeline, 1), 0);
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_transfer(fixture.timeline, 0, other.timeline, 1), -EINVAL);
	assert_int_equal(sb_timeline_transfer(fixture.timeline, 1, other.timeline, 0), -EINVAL);
	assert_int_equal(mock_count_calls(), 0);
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void transfer_within_one_fd_is_one_call(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline, *neighbour;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), 0);
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &neighbour), 0);
	assert_int_equal(sb_timeline_signal(neighbour, 1), 0);
	mock_fail_call(0, 0);
	assert_int_equal(sb_timeline_transfer(timeline, 1, neighbour, 1), 0);
	assert_int_equal(mock_count_calls(), 1);
	assert_int_equal(sb_timeline_transfer(timeline, 2, neighbour, 2), -EAGAIN);
	assert_points(timeline, 1, 1);
	assert_points(neighbour, 1, 1);
	sb_timeline_unref(neighbour);
	sb_timeline_unref(timeline);
	close(drm_fd);
}

/* The same open file under two numbers: not seen as such, and right all the same. */
static void transfer_within_duplicated_fd_works(void **state) {
	struct fixture fixture = fixture_create();
	int drm_fd = fcntl(fixture.drm_fd, F_DUPFD_CLOEXEC, 0);
	struct sb_timeline *neighbour;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &neighbour), 0);
	uint64_t fence = mock_fence_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
	assert_int_equal(sb_timeline_transfer(neighbour, 5, fixture.timeline, 1), 0);
	assert_points(neighbour, 0, 5);
	mock_fence_signal(fence, 0);
	assert_points(neighbour, 5, 5);
	assert_int_equal(mock_drm_count_handles(drm_fd), 2);
	sb_timeline_unref(neighbour);
	close(drm_fd);
	fixture_destroy(&fixture);
}

static void run_transfer(void) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	uint64_t fence = mock_fence_create();
	mock_syncobj_add_point(other.syncobj_fd, 1, fence);
	mock_fail_armed();
	int ret = sb_timeline_transfer(fixture.timeline, 1, other.timeline, 1);
	mock_fail_disarmed();
	if (ret == 0) {
		assert_int_equal(mock_syncobj_get_pending(fixture.syncobj_fd, 1), fence);
	} else {
		assert_int_equal(ret, mock_get_injected());
		assert_false(mock_syncobj_has_point(fixture.syncobj_fd, 1));
	}
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

static void transfer_failed_makes_no_point(void **state) {
	mock_fail_each_call(run_transfer, 4);
}

/* Waits. */

static const enum sb_timeline_event both_events[] = {
	SB_TIMELINE_MATERIALISED,
	SB_TIMELINE_SIGNALLED,
};

static void wait_for_what_has_happened_takes_no_time(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 3, 0);
	int64_t start_ns = mock_clock_get_ns();
	const int64_t deadlines_ns[] = { INT64_MIN, -1, 0, start_ns, INT64_MAX };
	for (size_t i = 0; i < sizeof(deadlines_ns) / sizeof(deadlines_ns[0]); i++) {
		for (uint64_t point = 1; point <= 3; point++) {
			for (size_t j = 0; j < 2; j++) {
				assert_int_equal(sb_timeline_wait(fixture.timeline, point,
								 both_events[j], deadlines_ns[i]),
						0);
			}
		}
	}
	assert_int_equal(mock_clock_get_ns(), start_ns);
	fixture_destroy(&fixture);
}

static void wait_past_deadline_tests_only(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	const int64_t deadlines_ns[] = { INT64_MIN, -1, 0, 1, start_ns - 1, start_ns };
	for (size_t i = 0; i < sizeof(deadlines_ns) / sizeof(deadlines_ns[0]); i++) {
		int64_t deadline_ns = deadlines_ns[i];
		assert_int_equal(sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_SIGNALLED,
						 deadline_ns),
				-ETIME);
		assert_int_equal(sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_MATERIALISED,
						 deadline_ns),
				0);
		assert_int_equal(sb_timeline_wait(fixture.timeline, 2, SB_TIMELINE_MATERIALISED,
						 deadline_ns),
				-ETIME);
	}
	assert_int_equal(mock_clock_get_ns(), start_ns);
	fixture_destroy(&fixture);
}

/* A point that materialises after 10 and signals after 30, waited for on several kernels. */
static void wait_before_submission_ends_with_event(void **state) {
	static const struct {
		enum sb_timeline_event event;
		int64_t within_ns; /* INT64_MAX: no deadline */
		int expected;
		int64_t took_ns;
	} cases[] = {
		{ SB_TIMELINE_MATERIALISED, 9, -ETIME, 9 },
		{ SB_TIMELINE_MATERIALISED, 10, 0, 10 },
		{ SB_TIMELINE_MATERIALISED, 11, 0, 10 },
		{ SB_TIMELINE_MATERIALISED, INT64_MAX, 0, 10 },
		{ SB_TIMELINE_SIGNALLED, 9, -ETIME, 9 },
		{ SB_TIMELINE_SIGNALLED, 10, -ETIME, 10 },
		{ SB_TIMELINE_SIGNALLED, 11, -ETIME, 11 },
		{ SB_TIMELINE_SIGNALLED, 29, -ETIME, 29 },
		{ SB_TIMELINE_SIGNALLED, 30, 0, 30 },
		{ SB_TIMELINE_SIGNALLED, 31, 0, 30 },
		{ SB_TIMELINE_SIGNALLED, INT64_MAX, 0, 30 },
	};
	for (size_t i = 0; i < KERNELS * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = i / KERNELS;
		struct fixture fixture = fixture_create();
		become_kernel(i % KERNELS);
		uint64_t fence = mock_fence_create();
		int64_t start_ns = mock_clock_get_ns();
		mock_fence_signal_at(fence, start_ns + 30);
		mock_syncobj_add_point_at(fixture.syncobj_fd, 1, fence, start_ns + 10);
		int64_t deadline_ns = cases[n].within_ns == INT64_MAX
				? INT64_MAX
				: start_ns + cases[n].within_ns;
		assert_int_equal(sb_timeline_wait(fixture.timeline, 1, cases[n].event, deadline_ns),
				cases[n].expected);
		assert_int_equal(mock_clock_get_ns() - start_ns, cases[n].took_ns);
		fixture_destroy(&fixture);
	}
}

static void wait_interrupted_keeps_deadline(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	mock_interrupt_at(start_ns + 40);
	assert_int_equal(sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_SIGNALLED, start_ns + 100),
			-ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 100);
	mock_interrupt_at(start_ns + 140);
	assert_int_equal(sb_timeline_wait(fixture.timeline, 2, SB_TIMELINE_MATERIALISED,
					 start_ns + 200),
			-ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 200);
	fixture_destroy(&fixture);
}

static void wait_by_clock_ahead_is_not_busy(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	mock_drm_set_clock_ahead(1000);
	assert_int_equal(sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_SIGNALLED, start_ns + 1000),
			-ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns);
	/* What has happened is seen nevertheless. */
	assert_int_equal(sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_MATERIALISED,
					 start_ns + 1000),
			0);
	fixture_destroy(&fixture);
}

static void wait_for_no_point_or_event_fails(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	static const enum sb_timeline_event wrong[] = {
		(enum sb_timeline_event)0,
		(enum sb_timeline_event)3,
	};
	int fd = FD_UNTOUCHED;
	mock_fail_call(0, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sb_timeline_wait(fixture.timeline, 0, both_events[i], 0), -EINVAL);
		assert_int_equal(sb_timeline_wait(fixture.timeline, 1, wrong[i], 0), -EINVAL);
		assert_int_equal(sb_timeline_create_event_fd(fixture.timeline, 0, both_events[i], &fd),
				-EINVAL);
		assert_int_equal(sb_timeline_create_event_fd(fixture.timeline, 1, wrong[i], &fd),
				-EINVAL);
	}
	assert_int_equal(mock_count_calls(), 0);
	assert_int_equal(fd, FD_UNTOUCHED);
	fixture_destroy(&fixture);
}

static void run_wait(void) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	mock_fail_armed();
	int ret = sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_SIGNALLED, 0);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	fixture_destroy(&fixture);
}

/* The clock is read when the kernel gives up: it may do so too early. */
static void run_wait_until_deadline(void) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, mock_fence_create());
	int64_t deadline_ns = mock_clock_get_ns() + 100;
	mock_fail_armed();
	int ret = sb_timeline_wait(fixture.timeline, 1, SB_TIMELINE_SIGNALLED, deadline_ns);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected() < 0 ? mock_get_injected() : -ETIME);
	fixture_destroy(&fixture);
}

static void wait_failed_is_reported(void **state) {
	mock_fail_each_call(run_wait, 1);
	mock_fail_each_call(run_wait_until_deadline, 4);
}

/* Eventfds. */

static int event_fd_create(
		const struct sb_timeline *timeline, uint64_t point, enum sb_timeline_event event) {
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_timeline_create_event_fd(timeline, point, event, &fd), 0);
	return fd;
}

static void event_fd_is_cloexec_and_does_not_block(void **state) {
	struct fixture fixture = fixture_create();
	int fd = event_fd_create(fixture.timeline, 1, SB_TIMELINE_SIGNALLED);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	uint64_t count;
	assert_int_equal(read(fd, &count, sizeof(count)), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	fixture_destroy(&fixture);
}

static void event_fd_for_the_past_is_readable(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	mock_syncobj_add_point(fixture.syncobj_fd, 2, mock_fence_create());
	for (size_t i = 0; i < 2; i++) {
		int fd = event_fd_create(fixture.timeline, 1, both_events[i]);
		assert_true(fd_is_readable(fd));
		close(fd);
		fd = event_fd_create(fixture.timeline, 2, both_events[i]);
		assert_int_equal(fd_is_readable(fd), both_events[i] == SB_TIMELINE_MATERIALISED);
		close(fd);
	}
	fixture_destroy(&fixture);
}

static void event_fd_fires_once_with_its_event(void **state) {
	struct fixture fixture = fixture_create();
	int materialised_fd = event_fd_create(fixture.timeline, 5, SB_TIMELINE_MATERIALISED);
	int signalled_fd = event_fd_create(fixture.timeline, 5, SB_TIMELINE_SIGNALLED);
	uint64_t a = mock_fence_create(), b = mock_fence_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 4, a);
	assert_false(fd_is_readable(materialised_fd));
	mock_syncobj_add_point(fixture.syncobj_fd, 6, b);
	assert_true(fd_is_readable(materialised_fd));
	assert_false(fd_is_readable(signalled_fd));
	mock_fence_signal(b, 0);
	assert_false(fd_is_readable(signalled_fd));
	mock_fence_signal(a, 0);
	assert_true(fd_is_readable(signalled_fd));

	assert_int_equal(sb_timeline_signal(fixture.timeline, 7), 0);
	uint64_t count = 0;
	assert_int_equal(read(materialised_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_int_equal(read(signalled_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	close(materialised_fd);
	close(signalled_fd);
	fixture_destroy(&fixture);
}

static void event_fd_outlives_timeline(void **state) {
	int drm_fd = mock_drm_create(GPU);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, NULL, &timeline), 0);
	uint64_t fence = mock_fence_create();
	int sync_file_fd = mock_sync_file_create(fence);
	assert_int_equal(sb_timeline_import_sync_file(timeline, 1, sync_file_fd), 0);
	close(sync_file_fd);
	int fd = event_fd_create(timeline, 1, SB_TIMELINE_SIGNALLED);
	int never_fd = event_fd_create(timeline, 2, SB_TIMELINE_MATERIALISED);
	sb_timeline_unref(timeline);
	close(drm_fd);
	assert_false(fd_is_readable(fd));
	mock_fence_signal(fence, 0);
	assert_true(fd_is_readable(fd));
	/* Nobody is left who could make it. */
	assert_false(fd_is_readable(never_fd));
	close(never_fd);
	close(fd);
}

static void event_fd_closed_is_cancelled(void **state) {
	struct fixture fixture = fixture_create();
	uint64_t fence = mock_fence_create();
	close(event_fd_create(fixture.timeline, 1, SB_TIMELINE_MATERIALISED));
	int fd = event_fd_create(fixture.timeline, 1, SB_TIMELINE_SIGNALLED);
	close(event_fd_create(fixture.timeline, 1, SB_TIMELINE_SIGNALLED));
	mock_syncobj_add_point(fixture.syncobj_fd, 1, fence);
	assert_false(fd_is_readable(fd));
	mock_fence_signal(fence, 0);
	assert_true(fd_is_readable(fd));
	close(fd);
	fixture_destroy(&fixture);
}

static void event_fd_before_linux_6_6_is_unsupported(void **state) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	mock_drm_set_linux(6, 5);
	int fds_before = fds_count_open();
	for (size_t i = 0; i < 2; i++) {
		int fd = FD_UNTOUCHED;
		assert_int_equal(sb_timeline_create_event_fd(fixture.timeline, 1, both_events[i], &fd),
				-EOPNOTSUPP);
		assert_int_equal(fd, FD_UNTOUCHED);
	}
	assert_int_equal(fds_count_open(), fds_before);
	mock_drm_set_linux(6, 6);
	close(event_fd_create(fixture.timeline, 1, SB_TIMELINE_SIGNALLED));
	fixture_destroy(&fixture);
}

static void run_event_fd(void) {
	struct fixture fixture = fixture_create();
	mock_syncobj_add_point(fixture.syncobj_fd, 1, 0);
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_timeline_create_event_fd(fixture.timeline, 1, SB_TIMELINE_SIGNALLED, &fd);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_true(ret == 0 ? fd_is_readable(fd) : fd == FD_UNTOUCHED);
	if (ret == 0) {
		close(fd);
	}
	fixture_destroy(&fixture);
}

static void event_fd_failed_leaves_nothing(void **state) {
	mock_fail_each_call(run_event_fd, 2);
}

/* Everything at once. */

static void all_on_unplugged_device_fail(void **state) {
	int drm_fd = mock_drm_create(GPU);
	int syncobj_fd = mock_syncobj_create();
	struct fixture other = fixture_create();
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline), 0);
	mock_syncobj_add_point(syncobj_fd, 1, 0);
	mock_syncobj_add_point(other.syncobj_fd, 1, 0);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	mock_drm_unplug(drm_fd);

	uint64_t point;
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_timeline_export(timeline, &fd), -ENODEV);
	assert_int_equal(sb_timeline_signal(timeline, 2), -ENODEV);
	assert_int_equal(sb_timeline_query(timeline, &point, NULL), -ENODEV);
	assert_int_equal(sb_timeline_export_sync_file(timeline, 1, &fd), -ENODEV);
	assert_int_equal(sb_timeline_import_sync_file(timeline, 2, sync_file_fd), -ENODEV);
	assert_int_equal(sb_timeline_transfer(timeline, 2, other.timeline, 1), -ENODEV);
	assert_int_equal(sb_timeline_transfer(other.timeline, 2, timeline, 1), -ENODEV);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sb_timeline_wait(timeline, 1, both_events[i], 0), -ENODEV);
		assert_int_equal(sb_timeline_create_event_fd(timeline, 1, both_events[i], &fd),
				-ENODEV);
	}
	assert_int_equal(fd, FD_UNTOUCHED);
	sb_timeline_unref(timeline);
	close(sync_file_fd);
	close(syncobj_fd);
	close(drm_fd);
	fixture_destroy(&other);
}

#define EVENTS_MAX 4

struct trace {
	struct sb_trace_event events[EVENTS_MAX];
	unsigned int count;
};

static void trace_handle(void *data, const struct sb_trace_event *event) {
	struct trace *trace = data;
	assert_true(trace->count < EVENTS_MAX);
	trace->events[trace->count++] = *event;
}

static void assert_traced(struct trace *trace, unsigned int index, enum sb_trace_kind kind,
		const struct sb_timeline *timeline, uint64_t point, int sync_file_fd, int result) {
	assert_true(index < trace->count);
	const struct sb_trace_event *event = &trace->events[index];
	assert_int_equal(event->kind, kind);
	assert_ptr_equal(event->timeline, timeline);
	assert_int_equal(event->point, point);
	assert_int_equal(event->sync_file_fd, sync_file_fd);
	assert_int_equal(event->result, result);
	assert_int_equal(event->dmabuf_fd, -1);
	assert_int_equal(event->access, 0);
	assert_false(event->over_sync);
	if (index + 1 == trace->count) {
		trace->count = 0;
	}
}

static void each_operation_is_traced_once(void **state) {
	struct fixture fixture = fixture_create();
	struct fixture other = fixture_create();
	struct sb_timeline *t = fixture.timeline;
	struct trace trace = { 0 };
	const struct sb_trace_hook hook = { .handle = trace_handle, .data = &trace };
	sb_trace_set_hook(&hook);

	assert_int_equal(sb_timeline_signal(t, 1), 0);
	assert_traced(&trace, 0, SB_TRACE_POINT_SIGNAL, t, 1, -1, 0);

	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	assert_int_equal(sb_timeline_import_sync_file(t, 2, sync_file_fd), 0);
	assert_traced(&trace, 0, SB_TRACE_POINT_IMPORT, t, 2, sync_file_fd, 0);
	close(sync_file_fd);
	assert_int_equal(sb_timeline_import_sync_file(t, 3, sync_file_fd), -EINVAL);
	assert_traced(&trace, 0, SB_TRACE_POINT_IMPORT, t, 3, sync_file_fd, -EINVAL);

	for (size_t i = 0; i < KERNELS; i++) {
		become_kernel(i);
		int fd;
		assert_int_equal(sb_timeline_export_sync_file(t, 2, &fd), 0);
		assert_traced(&trace, 0, SB_TRACE_POINT_EXPORT, t, 2, fd, 0);
		close(fd);
		assert_int_equal(sb_timeline_export_sync_file(t, 3, &fd), -EAGAIN);
		assert_traced(&trace, 0, SB_TRACE_POINT_EXPORT, t, 3, -1, -EAGAIN);
	}

	assert_int_equal(sb_timeline_transfer(other.timeline, 9, t, 2), 0);
	assert_traced(&trace, 0, SB_TRACE_POINT_TRANSFER, other.timeline, 9, -1, 0);
	assert_int_equal(sb_timeline_transfer(other.timeline, 9, t, 3), -EAGAIN);
	assert_traced(&trace, 0, SB_TRACE_POINT_TRANSFER, other.timeline, 9, -1, -EAGAIN);

	assert_int_equal(sb_timeline_wait(t, 2, SB_TIMELINE_MATERIALISED, 0), 0);
	assert_traced(&trace, 0, SB_TRACE_WAIT_BEGIN, t, 2, -1, 0);
	assert_traced(&trace, 1, SB_TRACE_WAIT_END, t, 2, -1, 0);
	assert_int_equal(sb_timeline_wait(t, 2, SB_TIMELINE_SIGNALLED, 0), -ETIME);
	assert_traced(&trace, 0, SB_TRACE_WAIT_BEGIN, t, 2, -1, 0);
	assert_traced(&trace, 1, SB_TRACE_WAIT_END, t, 2, -1, -ETIME);

	int event_fd = event_fd_create(t, 2, SB_TIMELINE_MATERIALISED);
	assert_traced(&trace, 0, SB_TRACE_WATCH, t, 2, -1, 0);
	close(event_fd);
	mock_drm_set_linux(6, 5);
	assert_int_equal(sb_timeline_create_event_fd(t, 2, SB_TIMELINE_SIGNALLED, &event_fd),
			-EOPNOTSUPP);
	assert_traced(&trace, 0, SB_TRACE_WATCH, t, 2, -1, -EOPNOTSUPP);

	sb_trace_set_hook(NULL);
	assert_int_equal(trace.count, 0);
	fixture_destroy(&other);
	fixture_destroy(&fixture);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(create_on_device_has_no_points),
		sync_test(create_many_costs_no_fd),
		sync_test(create_twice_makes_two_timelines),
		sync_test(create_without_timelines_is_unsupported),
		sync_test(create_on_old_kernel_is_unsupported),
		sync_test(create_on_other_file_fails),
		sync_test(create_on_unplugged_device_fails),
		sync_test(create_with_long_name_cuts_it),
		sync_test(create_failed_leaves_nothing),
		sync_test(import_sees_what_others_do),
		sync_test(import_twice_on_one_device_gives_two),
		sync_test(import_of_other_file_fails),
		sync_test(import_of_syncobj_without_points_has_none),
		sync_test(import_failed_leaves_nothing),
		sync_test(export_gives_the_same_timeline),
		sync_test(export_failed_leaves_nothing),
		sync_test(unref_of_null_does_nothing),
		sync_test(ref_keeps_timeline_open),
		sync_test(unref_keeps_errno),
		sync_test(ref_from_two_threads_closes_once),
		sync_test(signal_point_takes_lower_ones_along),
		sync_test(signal_point_0_fails),
		sync_test(signal_failed_is_reported),
		sync_test(query_tells_signalled_and_materialised),
		sync_test(query_of_one_asks_for_no_other),
		sync_test(query_before_linux_5_5_tells_signalled_only),
		sync_test(query_failed_writes_nothing),
		sync_test(export_point_waits_for_lower_ones_too),
		sync_test(export_signalled_point_is_ready),
		sync_test(export_overtaken_point_before_linux_5_16_fails),
		sync_test(export_point_to_come_says_again),
		sync_test(export_point_0_fails),
		sync_test(export_point_since_linux_6_16_is_one_call),
		sync_test(export_point_short_of_memory_says_so),
		sync_test(export_point_failed_leaves_nothing),
		sync_test(import_sync_file_makes_point_wait_for_it),
		sync_test(import_signalled_sync_file_signals),
		sync_test(import_sync_file_of_other_point_works),
		sync_test(import_wrong_sync_file_or_point_fails),
		sync_test(import_sync_file_failed_makes_no_point),
		sync_test(import_fence_of_each_kind),
		sync_test(import_fence_as_point_0_fails),
		sync_test(transfer_from_anywhere_waits_for_source),
		sync_test(transfer_of_signalled_point_signals),
		sync_test(transfer_of_point_to_come_says_again),
		sync_test(transfer_of_point_0_fails),
		sync_test(transfer_within_one_fd_is_one_call),
		sync_test(transfer_within_duplicated_fd_works),
		sync_test(transfer_failed_makes_no_point),
		sync_test(wait_for_what_has_happened_takes_no_time),
		sync_test(wait_past_deadline_tests_only),
		sync_test(wait_before_submission_ends_with_event),
		sync_test(wait_interrupted_keeps_deadline),
		sync_test(wait_by_clock_ahead_is_not_busy),
		sync_test(wait_for_no_point_or_event_fails),
		sync_test(wait_failed_is_reported),
		sync_test(event_fd_is_cloexec_and_does_not_block),
		sync_test(event_fd_for_the_past_is_readable),
		sync_test(event_fd_fires_once_with_its_event),
		sync_test(event_fd_outlives_timeline),
		sync_test(event_fd_closed_is_cancelled),
		sync_test(event_fd_before_linux_6_6_is_unsupported),
		sync_test(event_fd_failed_leaves_nothing),
		sync_test(all_on_unplugged_device_fail),
		sync_test(each_operation_is_traced_once),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_timeline", tests, NULL, NULL);
}
