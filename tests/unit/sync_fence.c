#include <syncbridge/fence.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/sync_file.h>
#include <syncbridge/timeline.h>

#include "mock_ioctl.h"
#include "mock_syncobj.h"

#define FD_UNTOUCHED (-77)
#define NS_PER_S INT64_C(1000000000)

static const struct sb_fence unknown = { .type = (enum sb_fence_type)4 };

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

static void assert_none(const struct sb_fence *fence) {
	assert_same(fence, &(const struct sb_fence){ .type = SB_FENCE_NONE });
}

static struct sb_fence fence_of(uint64_t fences) {
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(fences), &fence), 0);
	return fence;
}

/* A point of a timeline of its own; others submit its work through *ret_syncobj_fd. */
static struct sb_fence fence_of_point(const char *name, uint64_t point, int *ret_syncobj_fd) {
	int drm_fd = mock_drm_create_kept(MOCK_DRM_TIMELINES);
	*ret_syncobj_fd = mock_syncobj_create();
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_import(drm_fd, *ret_syncobj_fd, name, &timeline), 0);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, point, &fence), 0);
	/* The fence has a reference of its own. */
	sb_timeline_unref(timeline);
	return fence;
}

/* The fallback, for new dma-bufs that are the caller's. */
static struct sb_fence fence_of_idle(
		enum sb_access access, uint32_t dmabuf_count, int *ret_dmabuf_fds) {
	struct sb_buffer buffer = { .dmabuf_count = dmabuf_count };
	for (uint32_t i = 0; i < dmabuf_count; i++) {
		ret_dmabuf_fds[i] = buffer.dmabuf_fds[i] = mock_dmabuf_create(4096);
	}
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&buffer, access, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_IDLE);
	return fence;
}

static void close_all(const int *fds, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		close(fds[i]);
	}
}

/* Making, moving, clearing. */

static void from_sync_file_takes_the_fd(void **state) {
	(void)state;
	int fd = mock_sync_file_create(mock_fence_create());
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_from_sync_file(fd, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(fence.fds[0], fd);
	assert_int_equal(fence.dmabuf_count, 0);
	assert_null(fence.timeline);
	sb_fence_clear(&fence);
	assert_none(&fence);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void from_negative_fd_is_an_error(void **state) {
	(void)state;
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_from_sync_file(-1, &fence), -EBADF);
	assert_untouched(&fence);
}

static void from_what_is_no_sync_file_is_an_error(void **state) {
	(void)state;
	/* All are readable at once, and a fence of them would be ready. */
	int eventfd_fd = eventfd(1, EFD_CLOEXEC);
	int fds[] = { mock_memfd_create(4096), mock_dmabuf_create(4096), eventfd_fd };
	struct sb_fence fence = fence_untouched();
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		assert_true(fds[i] >= 0);
		assert_int_equal(sb_fence_from_sync_file(fds[i], &fence), -ENOTTY);
		/* Consumed all the same. */
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
	}
	assert_int_equal(sb_fence_from_sync_file(eventfd_fd, &fence), -EBADF);
	assert_untouched(&fence);
}

static void run_from_sync_file(void) {
	int fd = mock_sync_file_create(mock_fence_create());
	struct sb_fence fence = fence_untouched();
	mock_fail_armed();
	int ret = sb_fence_from_sync_file(fd, &fence);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_untouched(&fence);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	} else {
		sb_fence_clear(&fence);
	}
}

static void from_sync_file_failed_closes_it(void **state) {
	(void)state;
	mock_fail_each_call(run_from_sync_file, 1);
}

static void from_point_zero_is_an_error(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence point = fence_of_point("line", 1, &syncobj_fd);
	assert_int_equal(point.type, SB_FENCE_POINT);
	assert_int_equal(point.point, 1);
	struct sb_fence fence = fence_untouched();
	assert_int_equal(sb_fence_from_point(point.timeline, 0, &fence), -EINVAL);
	assert_untouched(&fence);
	sb_fence_clear(&point);
	assert_none(&point);
	close(syncobj_fd);
}

static void clear_of_nothing_does_nothing(void **state) {
	(void)state;
	struct sb_fence fence = { 0 };
	sb_fence_clear(&fence);
	sb_fence_clear(&fence);
	assert_none(&fence);
}

static void clear_keeps_errno(void **state) {
	(void)state;
	int syncobj_fd;
	int dmabuf_fds[2];
	struct sb_fence fences[] = {
		fence_of(mock_fence_create()),
		fence_of_point("line", 1, &syncobj_fd),
		fence_of_idle(SB_ACCESS_READ, 2, dmabuf_fds),
	};
	/* Even where closing fails. */
	close(fences[0].fds[0]);
	for (size_t i = 0; i < 3; i++) {
		errno = ENXIO;
		sb_fence_clear(&fences[i]);
		assert_int_equal(errno, ENXIO);
		assert_none(&fences[i]);
	}
	close_all(dmabuf_fds, 2);
	close(syncobj_fd);
}

static void move_leaves_nothing_behind(void **state) {
	(void)state;
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	struct sb_fence moved = sb_fence_move(&fence);
	assert_none(&fence);
	sb_fence_clear(&fence);
	assert_int_equal(moved.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(mock_sync_file_get_fences(moved.fds[0]), work);
	sb_fence_clear(&moved);
}

static void dup_is_owned_apart(void **state) {
	(void)state;
	int syncobj_fd;
	int dmabuf_fds[SB_PLANES_MAX];
	uint64_t work = mock_fence_create();
	struct sb_fence fences[] = {
		{ .type = SB_FENCE_NONE },
		fence_of(work),
		fence_of_point("line", 1, &syncobj_fd),
		fence_of_idle(SB_ACCESS_WRITE, SB_PLANES_MAX, dmabuf_fds),
	};
	mock_dmabuf_add(dmabuf_fds[3], work, 0);
	for (size_t i = 0; i < 4; i++) {
		struct sb_fence dup = fence_untouched();
		assert_int_equal(sb_fence_dup(&fences[i], &dup), 0);
		assert_int_equal(dup.type, fences[i].type);
		assert_int_equal(dup.access, fences[i].access);
		assert_int_equal(dup.dmabuf_count, fences[i].dmabuf_count);
		uint32_t fd_count = dup.type == SB_FENCE_SYNC_FILE ? 1 : dup.dmabuf_count;
		for (uint32_t fd = 0; fd < fd_count; fd++) {
			assert_int_not_equal(dup.fds[fd], fences[i].fds[fd]);
			assert_int_equal(fcntl(dup.fds[fd], F_GETFD), FD_CLOEXEC);
		}
		sb_fence_clear(&fences[i]);
		assert_int_equal(sb_fence_wait(&dup, 0), i == 0 ? 0 : -ETIME);
		sb_fence_clear(&dup);
	}
	close_all(dmabuf_fds, SB_PLANES_MAX);
	close(syncobj_fd);
}

static void unknown_type_is_never_ready(void **state) {
	(void)state;
	struct sb_fence fence = fence_untouched();
	struct sb_fence_info info = { .status = 77 };
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_dup(&unknown, &fence), -EINVAL);
	assert_int_equal(sb_fence_export_sync_file(&unknown, &fd), -EINVAL);
	assert_int_equal(sb_fence_wait(&unknown, 0), -EINVAL);
	assert_int_equal(sb_fence_create_ready_fd(&unknown, &fd, &events), -EINVAL);
	assert_int_equal(sb_fence_get_info(&unknown, &info), -EINVAL);
	assert_untouched(&fence);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);
	assert_int_equal(info.status, 77);
}

static void run_dup_idle(void) {
	int dmabuf_fds[3];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_READ, 3, dmabuf_fds);
	struct sb_fence dup = fence_untouched();
	mock_fail_armed();
	int ret = sb_fence_dup(&fence, &dup);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_untouched(&dup);
	} else {
		sb_fence_clear(&dup);
	}
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 3);
}

static void run_dup_sync_file(void) {
	struct sb_fence fence = fence_of(mock_fence_create());
	struct sb_fence dup = fence_untouched();
	mock_fail_armed();
	int ret = sb_fence_dup(&fence, &dup);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_untouched(&dup);
	} else {
		sb_fence_clear(&dup);
	}
	sb_fence_clear(&fence);
}

static void dup_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_dup_sync_file, 1);
	mock_fail_each_call(run_dup_idle, 3);
}

/* Export. */

static void export_of_sync_file_is_a_second_fd(void **state) {
	(void)state;
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_fence_export_sync_file(&fence, &fd), 0);
	assert_int_not_equal(fd, fence.fds[0]);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	sb_fence_clear(&fence);
	assert_int_equal(mock_sync_file_get_fences(fd), work);
	close(fd);
}

static void export_of_what_is_no_sync_file_is_refused(void **state) {
	(void)state;
	int syncobj_fd;
	int dmabuf_fd;
	struct sb_fence none = { 0 };
	struct sb_fence point = fence_of_point("line", 3, &syncobj_fd);
	struct sb_fence idle = fence_of_idle(SB_ACCESS_READ, 1, &dmabuf_fd);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_fence_export_sync_file(&none, &fd), -ENODATA);
	assert_int_equal(sb_fence_export_sync_file(&point, &fd), -EAGAIN);
	assert_int_equal(sb_fence_export_sync_file(&idle, &fd), -EOPNOTSUPP);
	assert_int_equal(fd, FD_UNTOUCHED);
	sb_fence_clear(&point);
	sb_fence_clear(&idle);
	close(syncobj_fd);
	close(dmabuf_fd);
}

static void export_of_materialised_point_has_its_fences(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 3, &syncobj_fd);
	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 3, work);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_fence_export_sync_file(&fence, &fd), 0);
	assert_int_equal(mock_sync_file_get_fences(fd), work);
	close(fd);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void run_export(void) {
	struct sb_fence fence = fence_of(mock_fence_create());
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_fence_export_sync_file(&fence, &fd);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, FD_UNTOUCHED);
	} else {
		close(fd);
	}
	sb_fence_clear(&fence);
}

static void export_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_export, 1);
}

/* Waiting. */

static void wait_for_none_is_over_at_once(void **state) {
	(void)state;
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_int_equal(sb_fence_wait(&fence, INT64_MAX), 0);
	assert_int_equal(mock_count_calls(), 0);
}

static void wait_until_past_deadline_only_tests(void **state) {
	(void)state;
	static const int64_t past_ns[] = { INT64_MIN, -1, 0, 1 };
	int syncobj_fd;
	int dmabuf_fd;
	uint64_t work = mock_fence_create();
	struct sb_fence fences[] = {
		fence_of(work),
		fence_of_point("line", 1, &syncobj_fd),
		fence_of_idle(SB_ACCESS_READ, 1, &dmabuf_fd),
	};
	mock_syncobj_add_point(syncobj_fd, 1, work);
	mock_dmabuf_add(dmabuf_fd, 0, work);
	int64_t start_ns = mock_clock_get_ns();
	for (int err = 0; err <= 1; err++) {
		for (size_t i = 0; i < 3; i++) {
			for (size_t d = 0; d < sizeof(past_ns) / sizeof(past_ns[0]); d++) {
				mock_fail_call(0, 0);
				assert_int_equal(sb_fence_wait(&fences[i], past_ns[d]),
						err == 0 ? -ETIME : 0);
				/*
				 * 1 ns is a time, and a clock has to tell that it is over: before
				 * poll(), and after a wait for a point that was in vain.
				 */
				bool reads_clock = past_ns[d] > 0 && (i != 1 || err == 0);
				assert_int_equal(mock_count_calls(), reads_clock ? 2 : 1);
			}
		}
		/* Failed is ready. */
		mock_fence_signal(work, -EIO);
	}
	assert_int_equal(mock_clock_get_ns(), start_ns);
	for (size_t i = 0; i < 3; i++) {
		sb_fence_clear(&fences[i]);
	}
	close(syncobj_fd);
	close(dmabuf_fd);
}

static void wait_until_deadline_is_exact_to_the_nanosecond(void **state) {
	(void)state;
	static const int64_t delay_ns = 3 * NS_PER_S + 5;
	for (int64_t offset_ns = -1; offset_ns <= 1; offset_ns++) {
		for (int kind = 0; kind < 3; kind++) {
			int64_t start_ns = mock_clock_get_ns();
			uint64_t work = mock_fence_create();
			mock_fence_signal_at(work, start_ns + delay_ns);
			int extra_fd = -1;
			struct sb_fence fence;
			if (kind == 0) {
				fence = fence_of(work);
			} else if (kind == 1) {
				fence = fence_of_point("line", 1, &extra_fd);
				mock_syncobj_add_point(extra_fd, 1, work);
			} else {
				fence = fence_of_idle(SB_ACCESS_WRITE, 1, &extra_fd);
				mock_dmabuf_add(extra_fd, work, 0);
			}
			assert_int_equal(sb_fence_wait(&fence, start_ns + delay_ns + offset_ns),
					offset_ns < 0 ? -ETIME : 0);
			assert_int_equal(mock_clock_get_ns(),
					start_ns + delay_ns + (offset_ns < 0 ? offset_ns : 0));
			sb_fence_clear(&fence);
			close(extra_fd);
		}
	}
}

static void wait_without_bound_reads_no_clock(void **state) {
	(void)state;
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	int64_t end_ns = mock_clock_get_ns() + 5000 * NS_PER_S;
	mock_fence_signal_at(work, end_ns);
	mock_fail_call(0, 0);
	assert_int_equal(sb_fence_wait(&fence, INT64_MAX), 0);
	assert_int_equal(mock_clock_get_ns(), end_ns);
	assert_int_equal(mock_count_calls(), 1);
	sb_fence_clear(&fence);
}

static void wait_interrupted_keeps_the_deadline(void **state) {
	(void)state;
	struct sb_fence fence = fence_of(mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	mock_interrupt_at(start_ns + 2 * NS_PER_S);
	assert_int_equal(sb_fence_wait(&fence, start_ns + 3 * NS_PER_S), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 3 * NS_PER_S);
	/* The signal and the end come together. */
	mock_interrupt_at(start_ns + 4 * NS_PER_S);
	assert_int_equal(sb_fence_wait(&fence, start_ns + 4 * NS_PER_S), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 4 * NS_PER_S);
	sb_fence_clear(&fence);
}

static void wait_for_point_includes_its_submission(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 7, &syncobj_fd);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	uint64_t work = mock_fence_create();
	int64_t start_ns = mock_clock_get_ns();
	mock_syncobj_add_point_at(syncobj_fd, 7, work, start_ns + NS_PER_S);
	mock_fence_signal_at(work, start_ns + 2 * NS_PER_S);
	assert_int_equal(sb_fence_wait(&fence, start_ns + 3 * NS_PER_S), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 2 * NS_PER_S);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void wait_for_idle_waits_for_its_access_only(void **state) {
	(void)state;
	static const enum sb_access accesses[] = { SB_ACCESS_READ, SB_ACCESS_WRITE };
	for (size_t i = 0; i < 2; i++) {
		int dmabuf_fd;
		struct sb_fence fence = fence_of_idle(accesses[i], 1, &dmabuf_fd);
		uint64_t reader = mock_fence_create();
		uint64_t writer = mock_fence_create();
		mock_dmabuf_add(dmabuf_fd, reader, 0);
		assert_int_equal(sb_fence_wait(&fence, 0), i == 0 ? 0 : -ETIME);
		mock_fence_signal(reader, 0);
		assert_int_equal(sb_fence_wait(&fence, 0), 0);
		/* It follows what comes later. */
		mock_dmabuf_add(dmabuf_fd, 0, writer);
		assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
		sb_fence_clear(&fence);
		close(dmabuf_fd);
	}
}

/*
 * A writer and a reader that ends first; or a reader that had ended before, which is listed still.
 * How the kernel polls makes no difference.
 */
static void wait_to_write_overlooks_nobody(void **state) {
	(void)state;
	for (int i = 0; i < 4; i++) {
		bool reader_has_ended = i % 2 == 1;
		if (i == 2) {
			mock_poll_as_of_old();
		}
		int dmabuf_fd;
		struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 1, &dmabuf_fd);
		uint64_t reader = mock_fence_create();
		uint64_t writer = mock_fence_create();
		mock_dmabuf_add(dmabuf_fd, reader, writer);
		int64_t start_ns = mock_clock_get_ns();
		mock_fence_signal_at(writer, start_ns + 2 * NS_PER_S);
		mock_fence_signal_at(reader, start_ns + NS_PER_S);
		if (reader_has_ended) {
			mock_fence_signal(reader, 0);
		}
		assert_int_equal(sb_fence_wait(&fence, start_ns + 2 * NS_PER_S - 1), -ETIME);
		struct sb_fence_info info;
		assert_int_equal(sb_fence_get_info(&fence, &info), 0);
		assert_int_equal(info.status, 0);
		assert_int_equal(sb_fence_wait(&fence, INT64_MAX), 0);
		assert_int_equal(mock_clock_get_ns(), start_ns + 2 * NS_PER_S);
		assert_int_equal(sb_fence_get_info(&fence, &info), 0);
		assert_int_equal(info.status, 1);

		/* The other way round, the writer ends and the reader goes on. */
		reader = mock_fence_create();
		mock_dmabuf_add(dmabuf_fd, reader, 0);
		assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
		mock_fence_signal(reader, 0);
		sb_fence_clear(&fence);
		close(dmabuf_fd);
	}
}

static void wait_for_idle_waits_for_each_dmabuf(void **state) {
	(void)state;
	/* In both orders: the last to become idle is the last, and the first. */
	for (uint32_t last = 0; last < 3; last += 2) {
		int dmabuf_fds[3];
		struct sb_fence fence = fence_of_idle(SB_ACCESS_READ, 3, dmabuf_fds);
		int64_t start_ns = mock_clock_get_ns();
		for (uint32_t i = 0; i < 3; i++) {
			uint64_t work = mock_fence_create();
			mock_dmabuf_add(dmabuf_fds[i], 0, work);
			int64_t delay_s = last == 0 ? 3 - i : i + 1;
			mock_fence_signal_at(work, start_ns + delay_s * NS_PER_S);
		}
		assert_int_equal(sb_fence_wait(&fence, start_ns + 3 * NS_PER_S - 1), -ETIME);
		assert_int_equal(mock_clock_get_ns(), start_ns + 3 * NS_PER_S - 1);
		assert_int_equal(sb_fence_wait(&fence, start_ns + 3 * NS_PER_S), 0);
		sb_fence_clear(&fence);
		close_all(dmabuf_fds, 3);
	}
}

static void wait_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	struct sb_fence fence = fence_of(mock_fence_create());
	close(fence.fds[0]);
	assert_int_equal(sb_fence_wait(&fence, 0), -EBADF);
	assert_int_equal(sb_fence_wait(&fence, INT64_MAX), -EBADF);

	struct sb_fence negative = { .type = SB_FENCE_SYNC_FILE, .fds = { -1 } };
	assert_int_equal(sb_fence_wait(&negative, 0), -EBADF);

	int dmabuf_fds[2];
	struct sb_fence idle = fence_of_idle(SB_ACCESS_READ, 2, dmabuf_fds);
	close(idle.fds[1]);
	assert_int_equal(sb_fence_wait(&idle, 0), -EBADF);
	sb_fence_clear(&idle);
	close_all(dmabuf_fds, 2);
}

static void wait_for_broken_dmabuf_is_never_over(void **state) {
	(void)state;
	static const short reports[] = { POLLERR, POLLHUP, POLLOUT | POLLERR };
	int dmabuf_fds[2];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 2, dmabuf_fds);
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		int fd = FD_UNTOUCHED;
		short events = 77;
		struct sb_fence_info info = { .status = 77 };
		mock_poll_report(reports[i]);
		assert_int_equal(sb_fence_wait(&fence, INT64_MAX), -EINVAL);
		assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), -EINVAL);
		assert_int_equal(sb_fence_get_info(&fence, &info), -EINVAL);
		assert_int_equal(fd, FD_UNTOUCHED);
		assert_int_equal(events, 77);
		assert_int_equal(info.status, 77);
	}
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 2);
}

static void run_wait_sync_file(void) {
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(work, start_ns + 2 * NS_PER_S);
	/* Clock, poll, clock, poll. */
	mock_interrupt_at(start_ns + NS_PER_S);
	mock_fail_armed();
	int ret = sb_fence_wait(&fence, start_ns + 3 * NS_PER_S);
	assert_int_equal(ret, mock_get_injected());
	sb_fence_clear(&fence);
}

static void run_wait_idle(void) {
	int dmabuf_fds[3];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 3, dmabuf_fds);
	mock_fail_armed();
	int ret = sb_fence_wait(&fence, 0);
	assert_int_equal(ret, mock_get_injected());
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 3);
}

static void run_wait_point(void) {
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 1, &syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 1, 0);
	mock_fail_armed();
	int ret = sb_fence_wait(&fence, 0);
	assert_int_equal(ret, mock_get_injected());
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void wait_failed_gives_exact_error(void **state) {
	(void)state;
	mock_fail_each_call(run_wait_sync_file, 4);
	mock_fail_each_call(run_wait_idle, 6);
	mock_fail_each_call(run_wait_point, 1);
}

/* Readiness. */

static int ready_fd_create(const struct sb_fence *fence, short *ret_events) {
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_fence_create_ready_fd(fence, &fd, ret_events), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

static void ready_fd_of_none_is_not_needed(void **state) {
	(void)state;
	struct sb_fence fence = { 0 };
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), -ENODATA);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);
}

static void ready_fd_of_sync_file_outlives_the_fence(void **state) {
	(void)state;
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	short events = 0;
	int fd = ready_fd_create(&fence, &events);
	assert_int_equal(events, POLLIN);
	sb_fence_clear(&fence);
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	mock_fence_signal(work, 0);
	assert_int_equal(sb_sync_file_wait(fd, 0), 0);
	close(fd);
}

static void ready_fd_of_point_fires_when_it_has_signalled(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 2, &syncobj_fd);
	short events = 0;
	struct pollfd pollfd = { .fd = ready_fd_create(&fence, &events), .events = POLLIN };
	assert_int_equal(events, POLLIN);
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	/* Materialised is not enough. */
	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 2, work);
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	mock_fence_signal(work, 0);
	assert_int_equal(poll(&pollfd, 1, 0), 1);
	close(pollfd.fd);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void ready_fd_of_point_on_old_kernel_takes_its_fence(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 2, &syncobj_fd);
	mock_drm_set_linux(6, 5);
	int fd = FD_UNTOUCHED;
	short events = 77;
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), -EOPNOTSUPP);
	assert_int_equal(fd, FD_UNTOUCHED);
	assert_int_equal(events, 77);

	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 2, work);
	fd = ready_fd_create(&fence, &events);
	assert_int_equal(events, POLLIN);
	assert_int_equal(mock_sync_file_get_fences(fd), work);
	close(fd);

	/* One that has signalled fires at once. */
	mock_fence_signal(work, 0);
	fd = ready_fd_create(&fence, &events);
	assert_int_equal(sb_sync_file_wait(fd, 0), 0);
	close(fd);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void ready_fd_of_idle_is_the_first_busy_dmabuf(void **state) {
	(void)state;
	/* None of three busy, then the last one, then the middle one too, then all. */
	static const uint32_t expected[] = { 2, 2, 1, 0 };
	for (size_t a = 0; a < 2; a++) {
		enum sb_access access = a == 0 ? SB_ACCESS_READ : SB_ACCESS_WRITE;
		int dmabuf_fds[3];
		struct sb_fence fence = fence_of_idle(access, 3, dmabuf_fds);
		for (uint32_t busy = 0; busy <= 3; busy++) {
			if (busy > 0) {
				uint64_t work = mock_fence_create();
				mock_dmabuf_add(dmabuf_fds[3 - busy],
						access == SB_ACCESS_WRITE ? work : 0,
						access == SB_ACCESS_READ ? work : 0);
			}
			short events = 0;
			int fd = ready_fd_create(&fence, &events);
			assert_int_equal(events, access == SB_ACCESS_READ ? POLLIN : POLLOUT);
			assert_int_equal(sb_fence_wait(&fence, 0), busy == 0 ? 0 : -ETIME);
			/* Marked, to see whose duplicate it is. */
			uint64_t mark = mock_fence_create();
			mock_dmabuf_add(fd, 0, mark);
			for (uint32_t i = 0; i < 3; i++) {
				bool marked = (mock_dmabuf_get_writers(dmabuf_fds[i]) & mark) != 0;
				assert_int_equal(marked, i == expected[busy]);
			}
			mock_fence_signal(mark, 0);
			close(fd);
		}
		sb_fence_clear(&fence);
		close_all(dmabuf_fds, 3);
	}
}

/* For the writer, then for the reader: on an old kernel POLLOUT alone would fire too early. */
static void ready_fd_to_write_takes_one_for_each_kind(void **state) {
	(void)state;
	mock_poll_as_of_old();
	int dmabuf_fd;
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 1, &dmabuf_fd);
	uint64_t reader = mock_fence_create();
	uint64_t writer = mock_fence_create();
	mock_dmabuf_add(dmabuf_fd, reader, writer);
	static const short expected[] = { POLLIN, POLLOUT, POLLOUT };
	for (size_t i = 0; i < 3; i++) {
		short events = 0;
		close(ready_fd_create(&fence, &events));
		assert_int_equal(events, expected[i]);
		assert_int_equal(sb_fence_wait(&fence, 0), i < 2 ? -ETIME : 0);
		mock_fence_signal(i == 0 ? writer : reader, 0);
	}
	sb_fence_clear(&fence);
	close(dmabuf_fd);
}

static void check_ready_fd(const struct sb_fence *fence) {
	int fd = FD_UNTOUCHED;
	short events = 77;
	mock_fail_armed();
	int ret = sb_fence_create_ready_fd(fence, &fd, &events);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, FD_UNTOUCHED);
		assert_int_equal(events, 77);
	} else {
		close(fd);
	}
}

static void run_ready_fd_sync_file(void) {
	struct sb_fence fence = fence_of(mock_fence_create());
	check_ready_fd(&fence);
	sb_fence_clear(&fence);
}

static void run_ready_fd_point(void) {
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 2, &syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 2, 0);
	check_ready_fd(&fence);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

/* Each call that makes the fd; that the syncobj in between is not let go harms nobody. */
static void ready_fd_of_point_on_old_kernel_failed_writes_nothing(void **state) {
	(void)state;
	static const int errors[] = { -EBADF, -EIO, -EMFILE, -ENFILE, -ENOMEM, -EPERM };
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 2, &syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 2, mock_fence_create());
	mock_drm_set_linux(6, 5);
	/* Eventfd, its ioctl, export, a syncobj, a transfer, export. */
	for (unsigned int nth = 1; nth <= 6; nth++) {
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			int fd = FD_UNTOUCHED;
			short events = 77;
			mock_fail_call(nth, errors[i]);
			assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), errors[i]);
			assert_int_equal(mock_get_injected(), errors[i]);
			assert_int_equal(fd, FD_UNTOUCHED);
			assert_int_equal(events, 77);
		}
	}
	mock_fail_call(0, 0);
	short events = 0;
	close(ready_fd_create(&fence, &events));
	assert_int_equal(mock_count_calls(), 7);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void run_ready_fd_idle(void) {
	int dmabuf_fds[3];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 3, dmabuf_fds);
	check_ready_fd(&fence);
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 3);
}

static void ready_fd_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_ready_fd_sync_file, 1);
	mock_fail_each_call(run_ready_fd_point, 2);
	/* Two for each, and the duplicate. */
	mock_fail_each_call(run_ready_fd_idle, 7);
}

/* Info. */

static void get_info_of_none_is_signalled(void **state) {
	(void)state;
	struct sb_fence fence = { 0 };
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 1);
	assert_true(info.materialised);
	assert_int_equal(info.fence_count, 0);
	assert_int_equal(info.signalled_ns, 0);
	assert_string_equal(info.name, "none");
	assert_int_equal(mock_count_calls(), 0);
}

static void get_info_of_sync_file_is_its_own(void **state) {
	(void)state;
	uint64_t work = mock_fences_create(2);
	int a_fd = mock_sync_file_create(work);
	int fd;
	/* As long as the kernel lets names be. */
	assert_int_equal(sb_sync_file_merge("0123456789012345678901234567890", a_fd, a_fd, &fd), 0);
	close(a_fd);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(fd, &fence), 0);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 0);
	assert_true(info.materialised);
	assert_int_equal(info.fence_count, 2);
	assert_int_equal(info.signalled_ns, 0);
	assert_string_equal(info.name, "0123456789012345678901234567890");

	mock_clock_set_ns(7 * NS_PER_S);
	mock_fence_signal(work, -EIO);
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, -EIO);
	assert_int_equal(info.signalled_ns, 7 * NS_PER_S);
	sb_fence_clear(&fence);
}

static void get_info_of_point_follows_its_life(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 5, &syncobj_fd);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 0);
	assert_false(info.materialised);
	assert_int_equal(info.fence_count, 0);
	assert_int_equal(info.signalled_ns, 0);
	assert_string_equal(info.name, "line:5");

	/* A lower point does not make it. */
	uint64_t lower = mock_fence_create();
	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 4, lower);
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_false(info.materialised);

	mock_syncobj_add_point(syncobj_fd, 5, work);
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 0);
	assert_true(info.materialised);
	assert_int_equal(info.fence_count, 2);
	assert_string_equal(info.name, "line:5");

	/* Done itself, but not what comes before. */
	mock_clock_set_ns(7 * NS_PER_S);
	mock_fence_signal(work, 0);
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.signalled_ns, 0);

	mock_clock_set_ns(8 * NS_PER_S);
	mock_fence_signal(lower, 0);
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_not_equal(info.signalled_ns, 0);
	assert_string_equal(info.name, "line:5");
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void get_info_of_failed_point_has_its_error(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 5, &syncobj_fd);
	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 5, work);
	mock_clock_set_ns(7 * NS_PER_S);
	mock_fence_signal(work, -EIO);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_int_equal(info.status, -EIO);
	assert_true(info.materialised);
	assert_int_equal(info.fence_count, 1);
	assert_int_equal(info.signalled_ns, 7 * NS_PER_S);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void get_info_of_longest_point_name_fits(void **state) {
	(void)state;
	int syncobj_fd;
	struct sb_fence fence = fence_of_point(
			"0123456789012345678901234567890-and-more", UINT64_MAX, &syncobj_fd);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	assert_string_equal(info.name, "0123456789012345678901234567890:18446744073709551615");
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void get_info_of_idle_looks_at_all_dmabufs(void **state) {
	(void)state;
	int dmabuf_fds[3];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 3, dmabuf_fds);
	struct sb_fence_info info;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(sb_fence_get_info(&fence, &info), 0);
		assert_int_equal(info.status, 1);
		uint64_t work = mock_fence_create();
		mock_dmabuf_add(dmabuf_fds[i], work, 0);
		assert_int_equal(sb_fence_get_info(&fence, &info), 0);
		assert_int_equal(info.status, 0);
		assert_true(info.materialised);
		assert_int_equal(info.fence_count, 3);
		assert_int_equal(info.signalled_ns, 0);
		assert_string_equal(info.name, "idle");
		mock_fence_signal(work, 0);
	}
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 3);
}

static void get_info_of_wrong_file_gives_exact_error(void **state) {
	(void)state;
	struct sb_fence fence;
	fence = (struct sb_fence){ .type = SB_FENCE_SYNC_FILE, .fds = { mock_memfd_create(1) } };
	struct sb_fence_info info = { .status = 77 };
	assert_int_equal(sb_fence_get_info(&fence, &info), -ENOTTY);
	int fd = fence.fds[0];
	close(fd);
	assert_int_equal(sb_fence_get_info(&fence, &info), -EBADF);
	assert_int_equal(info.status, 77);
}

static void get_info_of_point_of_gone_device_is_no_pending_one(void **state) {
	(void)state;
	int drm_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, "line", &timeline), 0);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, 1, &fence), 0);
	sb_timeline_unref(timeline);
	mock_drm_unplug(drm_fd);
	struct sb_fence_info info = { .status = 77 };
	assert_int_equal(sb_fence_get_info(&fence, &info), -ENODEV);
	assert_int_equal(info.status, 77);
	assert_int_equal(sb_fence_wait(&fence, 0), -ENODEV);
	sb_fence_clear(&fence);
	close(drm_fd);
}

static void check_info(const struct sb_fence *fence) {
	struct sb_fence_info info = { .status = 77 };
	mock_fail_armed();
	int ret = sb_fence_get_info(fence, &info);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(info.status, ret < 0 ? 77 : 1);
}

static void run_info_sync_file(void) {
	uint64_t work = mock_fence_create();
	struct sb_fence fence = fence_of(work);
	mock_fence_signal(work, 0);
	check_info(&fence);
	sb_fence_clear(&fence);
}

static void run_info_point(void) {
	int syncobj_fd;
	struct sb_fence fence = fence_of_point("line", 2, &syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 2, 0);
	check_info(&fence);
	sb_fence_clear(&fence);
	close(syncobj_fd);
}

static void run_info_idle(void) {
	int dmabuf_fds[3];
	struct sb_fence fence = fence_of_idle(SB_ACCESS_WRITE, 3, dmabuf_fds);
	check_info(&fence);
	sb_fence_clear(&fence);
	close_all(dmabuf_fds, 3);
}

static void get_info_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_info_sync_file, 2);
	/* Export, and the two of the sync_file. */
	mock_fail_each_call(run_info_point, 3);
	mock_fail_each_call(run_info_idle, 6);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(from_sync_file_takes_the_fd),
		sync_test(from_negative_fd_is_an_error),
		sync_test(from_what_is_no_sync_file_is_an_error),
		sync_test(from_sync_file_failed_closes_it),
		sync_test(from_point_zero_is_an_error),
		sync_test(clear_of_nothing_does_nothing),
		sync_test(clear_keeps_errno),
		sync_test(move_leaves_nothing_behind),
		sync_test(dup_is_owned_apart),
		sync_test(unknown_type_is_never_ready),
		sync_test(dup_failed_writes_nothing),
		sync_test(export_of_sync_file_is_a_second_fd),
		sync_test(export_of_what_is_no_sync_file_is_refused),
		sync_test(export_of_materialised_point_has_its_fences),
		sync_test(export_failed_writes_nothing),
		sync_test(wait_for_none_is_over_at_once),
		sync_test(wait_until_past_deadline_only_tests),
		sync_test(wait_until_deadline_is_exact_to_the_nanosecond),
		sync_test(wait_without_bound_reads_no_clock),
		sync_test(wait_interrupted_keeps_the_deadline),
		sync_test(wait_for_point_includes_its_submission),
		sync_test(wait_for_idle_waits_for_its_access_only),
		sync_test(wait_to_write_overlooks_nobody),
		sync_test(wait_for_idle_waits_for_each_dmabuf),
		sync_test(wait_wrong_fd_gives_exact_error),
		sync_test(wait_for_broken_dmabuf_is_never_over),
		sync_test(wait_failed_gives_exact_error),
		sync_test(ready_fd_of_none_is_not_needed),
		sync_test(ready_fd_of_sync_file_outlives_the_fence),
		sync_test(ready_fd_of_point_fires_when_it_has_signalled),
		sync_test(ready_fd_of_point_on_old_kernel_takes_its_fence),
		sync_test(ready_fd_of_idle_is_the_first_busy_dmabuf),
		sync_test(ready_fd_to_write_takes_one_for_each_kind),
		sync_test(ready_fd_of_point_on_old_kernel_failed_writes_nothing),
		sync_test(ready_fd_failed_writes_nothing),
		sync_test(get_info_of_none_is_signalled),
		sync_test(get_info_of_sync_file_is_its_own),
		sync_test(get_info_of_point_follows_its_life),
		sync_test(get_info_of_failed_point_has_its_error),
		sync_test(get_info_of_longest_point_name_fits),
		sync_test(get_info_of_idle_looks_at_all_dmabufs),
		sync_test(get_info_of_wrong_file_gives_exact_error),
		sync_test(get_info_of_point_of_gone_device_is_no_pending_one),
		sync_test(get_info_failed_writes_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_fence", tests, NULL, NULL);
}
