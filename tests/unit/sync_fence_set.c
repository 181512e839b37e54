#include <syncbridge/fence_set.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/sync_file.h>
#include <syncbridge/timeline.h>

#include "fence_internal.h"
#include "mock_ioctl.h"
#include "mock_syncobj.h"

#define FD_UNTOUCHED (-77)
#define NS_PER_S INT64_C(1000000000)

static struct sb_fence_set *set_create(void) {
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	return set;
}

static struct sb_fence fence_untouched(void) {
	struct sb_fence fence;
	memset(&fence, 0x5a, sizeof(fence));
	return fence;
}

static void assert_untouched(const struct sb_fence *fence) {
	struct sb_fence untouched = fence_untouched();
	assert_memory_equal(fence, &untouched, sizeof(*fence));
}

/* Not as memory: there is room between the fields. */
static void assert_same(const struct sb_fence *fence, const struct sb_fence *expected) {
	assert_int_equal(fence->type, expected->type);
	assert_int_equal(fence->access, expected->access);
	assert_memory_equal(fence->fds, expected->fds, sizeof(fence->fds));
	assert_int_equal(fence->dmabuf_count, expected->dmabuf_count);
	assert_ptr_equal(fence->timeline, expected->timeline);
	assert_int_equal(fence->point, expected->point);
}

static struct sb_fence fence_of(uint64_t fences) {
	return sb_fence_of_sync_file(mock_sync_file_create(fences));
}

static struct sb_fence fence_of_point(uint64_t point, int *ret_syncobj_fd) {
	int drm_fd = mock_drm_create_kept(MOCK_DRM_TIMELINES);
	*ret_syncobj_fd = mock_syncobj_create();
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_import(drm_fd, *ret_syncobj_fd, "line", &timeline), 0);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, point, &fence), 0);
	sb_timeline_unref(timeline);
	return fence;
}

static struct sb_fence fence_of_idle(int dmabuf_fd) {
	struct sb_buffer buffer = { .dmabuf_fds = { dmabuf_fd }, .dmabuf_count = 1 };
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	mock_remove_ioctl(0);
	return fence;
}

/* Adds a fence and sees that it was moved out, as it is in every case. */
static int set_add(struct sb_fence_set *set, struct sb_fence take_fence) {
	int ret = sb_fence_set_add(set, &take_fence);
	assert_same(&take_fence, &(const struct sb_fence){ .type = SB_FENCE_NONE });
	return ret;
}

static void set_add_sync_file(struct sb_fence_set *set, uint64_t fences) {
	assert_int_equal(set_add(set, fence_of(fences)), 0);
}

/* The fences of the sync_file that the set collapses to. */
static uint64_t set_collapse(struct sb_fence_set *set) {
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	uint64_t fences = mock_sync_file_get_fences(fence.fds[0]);
	sb_fence_clear(&fence);
	return fences;
}

static void collapse_of_empty_set_is_none(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	mock_fail_call(0, 0);
	assert_int_equal(set_add(set, (struct sb_fence){ 0 }), 0);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_set_collapse(set, "none", &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	assert_int_equal(sb_fence_set_wait(set, 0), 0);
	assert_int_equal(mock_count_calls(), 0);
	sb_fence_set_destroy(set);
}

static void collapse_of_signalled_is_none(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	uint64_t work = mock_fences_create(3);
	int syncobj_fd;
	int dmabuf_fd = mock_dmabuf_create(4096);
	set_add_sync_file(set, work);
	set_add_sync_file(set, work);
	assert_int_equal(set_add(set, fence_of_point(1, &syncobj_fd)), 0);
	assert_int_equal(set_add(set, fence_of_idle(dmabuf_fd)), 0);
	mock_syncobj_add_point(syncobj_fd, 1, work);
	assert_int_equal(sb_fence_set_get_count(set), 4);
	/* One that failed is over as well. */
	mock_fence_signal(work, -EIO);
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	sb_fence_set_destroy(set);
	close(syncobj_fd);
	close(dmabuf_fd);
}

static void collapse_of_one_pending_gives_it_as_it_is(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	uint64_t done = mock_fence_create();
	mock_fence_signal(done, 0);
	int syncobj_fd;
	int dmabuf_fd = mock_dmabuf_create(4096);
	mock_dmabuf_add(dmabuf_fd, 0, mock_fence_create());
	struct sb_fence fences[] = {
		fence_of(mock_fence_create()),
		fence_of_point(1, &syncobj_fd), /* has not materialised */
		fence_of_idle(dmabuf_fd),
	};
	for (size_t i = 0; i < 3; i++) {
		/* At the end, and before one that is done. */
		for (int last = 0; last <= 1; last++) {
			struct sb_fence expected = fences[i];
			if (last == 1) {
				set_add_sync_file(set, done);
			}
			assert_int_equal(set_add(set, fences[i]), 0);
			if (last == 0) {
				set_add_sync_file(set, done);
			}
			assert_int_equal(sb_fence_set_collapse(set, "one", &fences[i]), 0);
			assert_same(&fences[i], &expected);
			assert_int_equal(sb_fence_set_get_count(set), 0);
		}
		sb_fence_clear(&fences[i]);
	}
	sb_fence_set_destroy(set);
	close(syncobj_fd);
	close(dmabuf_fd);
}

static void collapse_of_several_has_all_that_is_pending(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	/* Around the sizes at which it grows. */
	static const unsigned int counts[] = { 2, 3, 7, 8, 9, 16, 17 };
	uint64_t work[17];
	for (size_t i = 0; i < 17; i++) {
		work[i] = mock_fence_create();
	}
	uint64_t done = mock_fence_create();
	mock_fence_signal(done, 0);
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		uint64_t all = 0;
		for (unsigned int i = 0; i < counts[c]; i++) {
			/* The same twice, and one that is over between the others. */
			set_add_sync_file(set, work[i]);
			if (i == 0) {
				set_add_sync_file(set, done);
				set_add_sync_file(set, work[i]);
			}
			all |= work[i];
		}
		assert_int_equal(sb_fence_set_get_count(set), counts[c] + 2);
		assert_int_equal(set_collapse(set), all);
	}
	sb_fence_set_destroy(set);
}

static void collapse_names_the_result(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	for (int i = 0; i < 3; i++) {
		set_add_sync_file(set, mock_fence_create());
	}
	struct sb_fence fence;
	assert_int_equal(sb_fence_set_collapse(set, "frame", &fence), 0);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_string_equal(info.name, "frame");
	assert_int_equal(info.fence_count, 3);
	sb_fence_clear(&fence);
	sb_fence_set_destroy(set);
}

static void collapse_with_points_waits_for_their_fences(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int first_fd, second_fd;
	uint64_t work = mock_fence_create();
	uint64_t first = mock_fence_create();
	uint64_t second = mock_fence_create();
	assert_int_equal(set_add(set, fence_of_point(3, &first_fd)), 0);
	set_add_sync_file(set, work);
	assert_int_equal(set_add(set, fence_of_point(4, &second_fd)), 0);

	/* Neither has materialised, then the first one has. */
	struct sb_fence fence = fence_untouched();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), -EAGAIN);
		assert_untouched(&fence);
		assert_int_equal(sb_fence_set_get_count(set), 3);
		if (i == 0) {
			mock_syncobj_add_point(first_fd, 3, first);
		}
	}
	mock_syncobj_add_point(second_fd, 4, second);
	assert_int_equal(set_collapse(set), work | first | second);
	sb_fence_set_destroy(set);
	close(first_fd);
	close(second_fd);
}

static void collapse_with_idle_and_others_is_refused(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t writer = mock_fence_create();
	uint64_t work = mock_fence_create();
	mock_dmabuf_add(dmabuf_fd, 0, writer);
	set_add_sync_file(set, work);
	assert_int_equal(set_add(set, fence_of_idle(dmabuf_fd)), 0);
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), -EOPNOTSUPP);
	assert_untouched(&fence);
	assert_int_equal(sb_fence_set_get_count(set), 2);

	/* But it can be waited for, ... */
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(work, start_ns + 1);
	assert_int_equal(sb_fence_set_wait(set, start_ns + 2), -ETIME);
	/* ... and be handed out when it is alone. */
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_IDLE);
	sb_fence_clear(&fence);
	sb_fence_set_destroy(set);
	close(dmabuf_fd);
}

static void collapse_with_closed_fd_is_an_error_and_keeps_all(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	uint64_t work = mock_fence_create();
	set_add_sync_file(set, work);
	/* With a number that no other fd gets. */
	struct sb_fence closed = fence_of(work);
	struct sb_fence high = sb_fence_of_sync_file(fcntl(closed.fds[0], F_DUPFD_CLOEXEC, 500));
	sb_fence_clear(&closed);
	close(high.fds[0]);
	assert_int_equal(set_add(set, high), 0);
	struct sb_fence fence = fence_untouched();
	/* The -ETIME of others, before and behind it, does not hide it. */
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), -EBADF);
		assert_int_equal(sb_fence_set_wait(set, 0), -EBADF);
		assert_int_equal(sb_fence_set_get_count(set), 2 + i);
		set_add_sync_file(set, work);
	}
	assert_untouched(&fence);
	sb_fence_set_destroy(set);
}

static void reuse_after_warm_up_allocates_nothing(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	uint64_t work = mock_fence_create();
	mock_fail_call(0, 0);
	for (int i = 0; i < 100; i++) {
		set_add_sync_file(set, work);
	}
	/* For 8, 16, 32, 64, 128. */
	assert_int_equal(mock_count_calls(), 5);
	sb_fence_set_reset(set);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	mock_fail_call(0, 0);
	for (int i = 0; i < 100; i++) {
		set_add_sync_file(set, work);
	}
	assert_int_equal(mock_count_calls(), 0);
	assert_int_equal(sb_fence_set_get_count(set), 100);
	sb_fence_set_destroy(set);
}

/* Broken sets. */

static void broken_set_gives_its_first_error_until_reset(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int memfd = mock_memfd_create(4096);
	struct sb_buffer buffer = { .dmabuf_fds = { memfd }, .dmabuf_count = 1 };
	assert_int_equal(sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_READ), -ENOTTY);
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_untouched();
	mock_fail_call(0, 0);
	assert_int_equal(set_add(set, fence_of(work)), -ENOTTY);
	assert_int_equal(set_add(set, (struct sb_fence){ 0 }), -ENOTTY);
	close(memfd);
	assert_int_equal(sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_READ), -ENOTTY);
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), -ENOTTY);
	assert_int_equal(sb_fence_set_wait(set, INT64_MAX), -ENOTTY);
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), -ENOTTY);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);
	assert_int_equal(mock_count_calls(), 0);
	assert_untouched(&fence);

	sb_fence_set_reset(set);
	set_add_sync_file(set, work);
	assert_int_equal(set_collapse(set), work);
	sb_fence_set_destroy(set);
}

static void broken_set_lets_go_of_what_it_had(void **state) {
	(void)state;
	/* By reset, and by destruction; the fixture counts fds. */
	for (int i = 0; i < 2; i++) {
		struct sb_fence_set *set = set_create();
		uint64_t work = mock_fence_create();
		for (int n = 0; n < 8; n++) {
			set_add_sync_file(set, work);
		}
		mock_fail_call(1, -ENOMEM);
		assert_int_equal(set_add(set, fence_of(work)), -ENOMEM);
		assert_int_equal(set_add(set, fence_of(work)), -ENOMEM);
		if (i == 0) {
			sb_fence_set_reset(set);
		}
		sb_fence_set_destroy(set);
	}
}

static void create_without_memory_writes_nothing(void **state) {
	(void)state;
	struct sb_fence_set *set = NULL;
	mock_fail_call(1, -ENOMEM);
	assert_int_equal(sb_fence_set_create(&set), -ENOMEM);
	assert_null(set);
}

static void destroy_keeps_errno_and_takes_null(void **state) {
	(void)state;
	sb_fence_set_destroy(NULL);
	struct sb_fence_set *set = set_create();
	struct sb_fence fence = fence_of(mock_fence_create());
	close(fence.fds[0]);
	assert_int_equal(set_add(set, fence), 0);
	errno = ENXIO;
	sb_fence_set_destroy(set);
	assert_int_equal(errno, ENXIO);
}

/* Buffers. */

static void add_buffer_takes_the_snapshot_at_once(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int dmabuf_fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	uint64_t reader = mock_fence_create();
	uint64_t writers[] = { mock_fence_create(), mock_fence_create() };
	for (int i = 0; i < 2; i++) {
		mock_dmabuf_add(dmabuf_fds[i], reader, writers[i]);
		struct sb_buffer buffer = { .dmabuf_fds = { dmabuf_fds[i] }, .dmabuf_count = 1 };
		assert_int_equal(sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_READ), 0);
		mock_dmabuf_add(dmabuf_fds[i], 0, mock_fence_create());
	}
	assert_int_equal(set_collapse(set), writers[0] | writers[1]);
	sb_fence_set_destroy(set);
	close(dmabuf_fds[0]);
	close(dmabuf_fds[1]);
}

static void run_add_buffer(void) {
	struct sb_fence_set *set = set_create();
	int dmabuf_fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, dmabuf_fds, 2), 0);
	mock_fail_armed();
	int ret = sb_fence_set_add_buffer(set, &buffer, SB_ACCESS_READ);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(set_add(set, fence_of(mock_fence_create())), ret);
	}
	assert_int_equal(sb_fence_set_get_count(set), ret < 0 ? 0 : 1);
	sb_fence_set_destroy(set);
	close(dmabuf_fds[0]);
	close(dmabuf_fds[1]);
}

static void add_buffer_failed_breaks_the_set(void **state) {
	(void)state;
	/* Two snapshots, a merge, an allocation. */
	mock_fail_each_call(run_add_buffer, 4);
}

/* Waiting. */

static void wait_until_deadline_keeps_what_is_pending(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int64_t start_ns = mock_clock_get_ns();
	uint64_t late = mock_fence_create();
	uint64_t early = mock_fence_create();
	uint64_t last = mock_fence_create();
	mock_fence_signal_at(early, start_ns + 1 * NS_PER_S);
	mock_fence_signal_at(late, start_ns + 3 * NS_PER_S);
	mock_fence_signal_at(last, start_ns + 4 * NS_PER_S);
	set_add_sync_file(set, late);
	set_add_sync_file(set, early);
	set_add_sync_file(set, last);
	assert_int_equal(sb_fence_set_wait(set, 0), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns);
	assert_int_equal(sb_fence_set_get_count(set), 3);
	/* One deadline for all; what is over behind the pending one is dropped, too. */
	assert_int_equal(sb_fence_set_wait(set, start_ns + 2 * NS_PER_S), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 2 * NS_PER_S);
	assert_int_equal(sb_fence_set_get_count(set), 2);
	assert_int_equal(sb_fence_set_wait(set, start_ns + 4 * NS_PER_S - 1), -ETIME);
	assert_int_equal(sb_fence_set_get_count(set), 1);
	assert_int_equal(sb_fence_set_wait(set, start_ns + 4 * NS_PER_S), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 4 * NS_PER_S);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	sb_fence_set_destroy(set);
}

static void wait_with_error_does_not_wait_for_the_rest(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int64_t start_ns = mock_clock_get_ns();
	uint64_t work = mock_fence_create();
	mock_fence_signal_at(work, start_ns + NS_PER_S);
	set_add_sync_file(set, work);
	set_add_sync_file(set, work);
	/* The clock, then the first one's poll(). */
	mock_fail_call(2, -ENOMEM);
	assert_int_equal(sb_fence_set_wait(set, start_ns + 2 * NS_PER_S), -ENOMEM);
	assert_int_equal(mock_clock_get_ns(), start_ns);
	assert_int_equal(sb_fence_set_get_count(set), 2);
	/* Nothing is lost by it. */
	assert_int_equal(sb_fence_set_wait(set, start_ns + 2 * NS_PER_S), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + NS_PER_S);
	sb_fence_set_destroy(set);
}

/*
 * Two sync_files and between them a point, all pending. *ret_point is a duplicate, so that the
 * timeline lives on.
 */
static uint64_t set_fill(struct sb_fence_set *set, struct sb_fence *ret_point) {
	uint64_t work[] = { mock_fence_create(), mock_fence_create(), mock_fence_create() };
	int syncobj_fd;
	struct sb_fence point = fence_of_point(1, &syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 1, work[1]);
	close(syncobj_fd);
	assert_int_equal(sb_fence_dup(&point, ret_point), 0);
	set_add_sync_file(set, work[0]);
	assert_int_equal(set_add(set, point), 0);
	set_add_sync_file(set, work[2]);
	return work[0] | work[1] | work[2];
}

static void run_collapse(void) {
	struct sb_fence_set *set = set_create();
	struct sb_fence point;
	uint64_t all = set_fill(set, &point);
	struct sb_fence fence = fence_untouched();
	mock_fail_armed();
	int ret = sb_fence_set_collapse(set, NULL, &fence);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_untouched(&fence);
		assert_int_equal(sb_fence_set_get_count(set), 3);
		/* Nothing was lost: the next one works. */
		assert_int_equal(set_collapse(set), all);
	} else {
		assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
		assert_int_equal(mock_sync_file_get_fences(fence.fds[0]), all);
		assert_int_equal(sb_fence_set_get_count(set), 0);
		sb_fence_clear(&fence);
	}
	sb_fence_set_destroy(set);
	sb_fence_clear(&point);
}

static void run_wait(void) {
	struct sb_fence_set *set = set_create();
	struct sb_fence point;
	uint64_t all = set_fill(set, &point);
	uint64_t first = all & -all;
	mock_fence_signal(first, 0);
	mock_fail_armed();
	int ret = sb_fence_set_wait(set, 0);
	int injected = mock_get_injected();
	assert_int_equal(ret, injected < 0 ? injected : -ETIME);
	if (injected < 0) {
		/* Nothing was lost. */
		assert_int_equal(set_collapse(set), all & ~first);
	} else {
		assert_int_equal(sb_fence_set_get_count(set), 2);
	}
	sb_fence_set_destroy(set);
	sb_fence_clear(&point);
}

/* Watching. */

static int set_watch(struct sb_fence_set *set, short expected_events) {
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), 0);
	assert_int_equal(events, expected_events);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

static void assert_all_ready(struct sb_fence_set *set) {
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), -ENODATA);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);
	assert_int_equal(sb_fence_set_get_count(set), 0);
}

static void watch_of_nothing_is_not_needed(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	assert_all_ready(set);
	uint64_t done = mock_fences_create(2);
	mock_fence_signal(done, -EIO);
	set_add_sync_file(set, done);
	set_add_sync_file(set, done);
	assert_all_ready(set);
	sb_fence_set_destroy(set);
}

/* What cannot be collapsed: a point to come, a dma-buf without a snapshot. Done is passed over. */
static void watch_goes_from_one_to_the_next(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	uint64_t done = mock_fence_create();
	uint64_t works[] = { mock_fence_create(), mock_fence_create(), mock_fence_create() };
	mock_fence_signal(done, 0);
	int syncobj_fd;
	int dmabuf_fd = mock_dmabuf_create(4096);
	mock_dmabuf_add(dmabuf_fd, 0, works[2]);
	set_add_sync_file(set, done);
	set_add_sync_file(set, works[0]);
	assert_int_equal(set_add(set, fence_of_point(1, &syncobj_fd)), 0);
	assert_int_equal(set_add(set, fence_of_idle(dmabuf_fd)), 0);

	int fd = set_watch(set, POLLIN);
	assert_int_equal(mock_sync_file_get_fences(fd), works[0]);
	assert_int_equal(sb_fence_set_get_count(set), 3);
	close(fd);
	mock_fence_signal(works[0], 0);

	struct pollfd pollfd = { .fd = set_watch(set, POLLIN), .events = POLLIN };
	assert_int_equal(sb_fence_set_get_count(set), 2);
	mock_syncobj_add_point(syncobj_fd, 1, works[1]);
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	mock_fence_signal(works[1], 0);
	assert_int_equal(poll(&pollfd, 1, 0), 1);
	close(pollfd.fd);

	fd = set_watch(set, POLLIN);
	assert_int_equal(sb_fence_set_get_count(set), 1);
	assert_int_equal(mock_dmabuf_get_writers(fd), works[2]);
	close(fd);
	mock_fence_signal(works[2], 0);
	assert_all_ready(set);
	sb_fence_set_destroy(set);
	close(syncobj_fd);
	close(dmabuf_fd);
}

static void watch_of_point_to_come_on_old_kernel_is_refused(void **state) {
	(void)state;
	struct sb_fence_set *set = set_create();
	int syncobj_fd;
	assert_int_equal(set_add(set, fence_of_point(1, &syncobj_fd)), 0);
	set_add_sync_file(set, mock_fence_create());
	mock_drm_set_linux(6, 5);
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), -EOPNOTSUPP);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);
	assert_int_equal(sb_fence_set_get_count(set), 2);
	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 1, work);
	fd = set_watch(set, POLLIN);
	assert_int_equal(mock_sync_file_get_fences(fd), work);
	close(fd);
	sb_fence_set_destroy(set);
	close(syncobj_fd);
}

static void run_watch(void) {
	struct sb_fence_set *set = set_create();
	struct sb_fence point;
	uint64_t all = set_fill(set, &point);
	uint64_t first = all & -all;
	mock_fence_signal(first, 0);
	int fd = FD_UNTOUCHED;
	short events = 77;
	mock_fail_armed();
	int ret = sb_fence_set_create_ready_fd(set, &fd, &events);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, FD_UNTOUCHED);
		assert_int_equal(events, 77);
		/* Nothing was lost. */
		assert_int_equal(set_collapse(set), all & ~first);
	} else {
		close(fd);
		assert_int_equal(sb_fence_set_get_count(set), 2);
	}
	sb_fence_set_destroy(set);
	sb_fence_clear(&point);
}

static void watch_failed_loses_nothing(void **state) {
	(void)state;
	/* Three tests, an eventfd, the point's note of it. */
	mock_fail_each_call(run_watch, 5);
}

static void collapse_failed_loses_nothing(void **state) {
	(void)state;
	/* Three tests, an export, two merges. */
	mock_fail_each_call(run_collapse, 6);
}

static void wait_failed_loses_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_wait, 3);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(collapse_of_empty_set_is_none),
		sync_test(collapse_of_signalled_is_none),
		sync_test(collapse_of_one_pending_gives_it_as_it_is),
		sync_test(collapse_of_several_has_all_that_is_pending),
		sync_test(collapse_names_the_result),
		sync_test(collapse_with_points_waits_for_their_fences),
		sync_test(collapse_with_idle_and_others_is_refused),
		sync_test(collapse_with_closed_fd_is_an_error_and_keeps_all),
		sync_test(reuse_after_warm_up_allocates_nothing),
		sync_test(broken_set_gives_its_first_error_until_reset),
		sync_test(broken_set_lets_go_of_what_it_had),
		sync_test(create_without_memory_writes_nothing),
		sync_test(destroy_keeps_errno_and_takes_null),
		sync_test(add_buffer_takes_the_snapshot_at_once),
		sync_test(add_buffer_failed_breaks_the_set),
		sync_test(wait_until_deadline_keeps_what_is_pending),
		sync_test(wait_with_error_does_not_wait_for_the_rest),
		sync_test(watch_of_nothing_is_not_needed),
		sync_test(watch_goes_from_one_to_the_next),
		sync_test(watch_of_point_to_come_on_old_kernel_is_refused),
		sync_test(watch_failed_loses_nothing),
		sync_test(collapse_failed_loses_nothing),
		sync_test(wait_failed_loses_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_fence_set", tests, NULL, NULL);
}
