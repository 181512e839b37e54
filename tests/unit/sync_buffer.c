#include <syncbridge/buffer.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/sync_file.h>
#include <syncbridge/timeline.h>

#include "mock_ioctl.h"
#include "mock_syncobj.h"

static const enum sb_access accesses[] = { SB_ACCESS_READ, SB_ACCESS_WRITE };

/* A buffer whose planes are as many dma-bufs. */
static struct sb_buffer buffer_create(uint32_t dmabuf_count) {
	int fds[SB_PLANES_MAX];
	for (uint32_t i = 0; i < dmabuf_count; i++) {
		fds[i] = mock_dmabuf_create(4096);
	}
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, fds, dmabuf_count), 0);
	assert_int_equal(buffer.dmabuf_count, dmabuf_count);
	return buffer;
}

static void buffer_close(const struct sb_buffer *buffer) {
	for (uint32_t i = 0; i < buffer->dmabuf_count; i++) {
		close(buffer->dmabuf_fds[i]);
	}
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

static struct sb_timeline *timeline_create(int *ret_syncobj_fd) {
	int drm_fd = mock_drm_create_kept(MOCK_DRM_TIMELINES);
	struct sb_timeline *timeline;
	*ret_syncobj_fd = mock_syncobj_create();
	assert_int_equal(sb_timeline_import(drm_fd, *ret_syncobj_fd, "line", &timeline), 0);
	return timeline;
}

static void init_same_fd_many_times_has_one_dmabuf(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	const int fds[SB_PLANES_MAX] = { fd, fd, fd, fd };
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, fds, SB_PLANES_MAX), 0);
	assert_int_equal(buffer.dmabuf_count, 1);
	assert_int_equal(buffer.dmabuf_fds[0], fd);
	close(fd);
}

static void init_duplicates_are_one_dmabuf(void **state) {
	(void)state;
	int first = mock_dmabuf_create(4096);
	int second = mock_dmabuf_create(4096);
	const int fds[] = {
		first,
		second,
		fcntl(first, F_DUPFD_CLOEXEC, 0),
		fcntl(second, F_DUPFD_CLOEXEC, 0),
	};
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, fds, 4), 0);
	assert_int_equal(buffer.dmabuf_count, 2);
	assert_int_equal(buffer.dmabuf_fds[0], first);
	assert_int_equal(buffer.dmabuf_fds[1], second);
	for (size_t i = 0; i < 4; i++) {
		close(fds[i]);
	}
}

static void init_four_dmabufs_keeps_all(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(SB_PLANES_MAX);
	buffer_close(&buffer);
}

static void init_without_own_inodes_keeps_all_but_equal_fds(void **state) {
	(void)state;
	int first = mock_dmabuf_create(4096);
	int second = mock_dmabuf_create(4096);
	const int fds[] = { first, second, first, second };
	mock_share_inodes();
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, fds, 4), 0);
	assert_int_equal(buffer.dmabuf_count, 2);
	assert_int_equal(buffer.dmabuf_fds[0], first);
	assert_int_equal(buffer.dmabuf_fds[1], second);
	close(first);
	close(second);
}

static void init_wrong_count_is_refused(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	const int fds[SB_PLANES_MAX + 1] = { fd, fd, fd, fd, fd };
	struct sb_buffer buffer = { .dmabuf_count = 77 };
	assert_int_equal(sb_buffer_init(&buffer, fds, 0), -EINVAL);
	assert_int_equal(sb_buffer_init(&buffer, fds, SB_PLANES_MAX + 1), -EINVAL);
	assert_int_equal(sb_buffer_init(&buffer, fds, SIZE_MAX), -EINVAL);
	assert_int_equal(buffer.dmabuf_count, 77);
	close(fd);
}

static void init_closed_fd_gives_exact_error(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	int closed_fd = mock_dmabuf_create(4096);
	close(closed_fd);
	struct sb_buffer buffer = { .dmabuf_count = 77 };
	assert_int_equal(sb_buffer_init(&buffer, (const int[]){ fd, closed_fd }, 2), -EBADF);
	assert_int_equal(sb_buffer_init(&buffer, (const int[]){ -1 }, 1), -EBADF);
	assert_int_equal(buffer.dmabuf_count, 77);
	close(fd);
}

static void run_init(void) {
	int fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	struct sb_buffer buffer = { .dmabuf_count = 77 };
	mock_fail_armed();
	int ret = sb_buffer_init(&buffer, fds, 2);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(buffer.dmabuf_count, ret < 0 ? 77 : 2);
	close(fds[0]);
	close(fds[1]);
}

static void init_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_init, 2);
}

static void export_of_one_dmabuf_is_one_call(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(1);
	uint64_t reader = mock_fence_create();
	uint64_t writer = mock_fence_create();
	mock_dmabuf_add(buffer.dmabuf_fds[0], reader, writer);
	for (size_t i = 0; i < 2; i++) {
		struct sb_fence fence;
		mock_fail_call(0, 0);
		assert_int_equal(sb_buffer_export_fence(&buffer, accesses[i], &fence), 0);
		assert_int_equal(mock_count_calls(), 1);
		assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
		assert_int_equal(mock_sync_file_get_fences(fence.fds[0]),
				accesses[i] == SB_ACCESS_READ ? writer : reader | writer);
		sb_fence_clear(&fence);
	}
	buffer_close(&buffer);
}

static void export_of_several_dmabufs_has_the_fences_of_all(void **state) {
	(void)state;
	for (uint32_t count = 2; count <= SB_PLANES_MAX; count++) {
		struct sb_buffer buffer = buffer_create(count);
		uint64_t writers = 0;
		uint64_t readers = 0;
		for (uint32_t i = 0; i < count; i++) {
			uint64_t reader = mock_fence_create();
			uint64_t writer = mock_fence_create();
			mock_dmabuf_add(buffer.dmabuf_fds[i], reader, writer);
			readers |= reader;
			writers |= writer;
		}
		for (size_t i = 0; i < 2; i++) {
			struct sb_fence fence;
			assert_int_equal(sb_buffer_export_fence(&buffer, accesses[i], &fence), 0);
			assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
			assert_int_equal(mock_sync_file_get_fences(fence.fds[0]),
					accesses[i] == SB_ACCESS_READ ? writers : readers | writers);
			sb_fence_clear(&fence);
		}
		buffer_close(&buffer);
	}
}

static void export_of_nothing_is_a_signalled_fence(void **state) {
	(void)state;
	for (uint32_t count = 1; count <= 2; count++) {
		struct sb_buffer buffer = buffer_create(count);
		struct sb_fence fence;
		assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_WRITE, &fence), 0);
		assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
		assert_int_equal(sb_fence_wait(&fence, 0), 0);
		sb_fence_clear(&fence);
		buffer_close(&buffer);
	}
}

static void export_then_later_writer_keeps_snapshot(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(2);
	uint64_t writer = mock_fence_create();
	mock_dmabuf_add(buffer.dmabuf_fds[1], 0, writer);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	mock_dmabuf_add(buffer.dmabuf_fds[0], 0, mock_fence_create());
	mock_fence_signal(writer, 0);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);
	buffer_close(&buffer);
}

static void wrong_access_or_no_dmabuf_is_refused(void **state) {
	(void)state;
	static const int wrong[] = { -1, 0, 3, 4 };
	for (uint32_t count = 1; count <= 2; count++) {
		struct sb_buffer buffer = buffer_create(count);
		struct sb_fence fence = fence_untouched();
		struct sb_fence sync_file;
		assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(mock_fence_create()),
						 &sync_file),
				0);
		mock_fail_call(0, 0);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			enum sb_access access = (enum sb_access)wrong[i];
			assert_int_equal(sb_buffer_export_fence(&buffer, access, &fence), -EINVAL);
			assert_int_equal(sb_buffer_import_fence(&buffer, access, &sync_file),
					-EINVAL);
		}
		struct sb_buffer empty = { .dmabuf_count = 0 };
		assert_int_equal(sb_buffer_export_fence(&empty, SB_ACCESS_READ, &fence), -EINVAL);
		assert_int_equal(sb_buffer_import_fence(&empty, SB_ACCESS_READ, &sync_file), -EINVAL);
		assert_int_equal(mock_count_calls(), 0);
		assert_untouched(&fence);
		sb_fence_clear(&sync_file);
		buffer_close(&buffer);
	}
}

static void run_export(uint32_t dmabuf_count) {
	struct sb_buffer buffer = buffer_create(dmabuf_count);
	struct sb_fence fence = fence_untouched();
	mock_fail_armed();
	int ret = sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_untouched(&fence);
	} else {
		sb_fence_clear(&fence);
	}
	buffer_close(&buffer);
}

static void run_export_one(void) {
	run_export(1);
}

static void run_export_three(void) {
	run_export(3);
}

static void export_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_export_one, 1);
	/* Three snapshots, two merges. */
	mock_fail_each_call(run_export_three, 5);
}

/* Without snapshots. */

static void export_on_old_kernel_is_idle_with_duplicates(void **state) {
	(void)state;
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	for (uint32_t count = 1; count <= SB_PLANES_MAX; count++) {
		for (size_t a = 0; a < 2; a++) {
			struct sb_buffer buffer = buffer_create(count);
			uint64_t reader = mock_fence_create();
			uint64_t writer = mock_fence_create();
			/* The last one alone is busy. */
			mock_dmabuf_add(buffer.dmabuf_fds[count - 1], reader, writer);
			struct sb_fence fence;
			assert_int_equal(sb_buffer_export_fence(&buffer, accesses[a], &fence), 0);
			assert_int_equal(fence.type, SB_FENCE_IDLE);
			assert_int_equal(fence.access, accesses[a]);
			assert_int_equal(fence.dmabuf_count, count);
			/* Its fds are its own. */
			buffer_close(&buffer);
			for (uint32_t i = 0; i < count; i++) {
				assert_int_equal(fcntl(fence.fds[i], F_GETFD), FD_CLOEXEC);
			}
			assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
			mock_fence_signal(writer, 0);
			assert_int_equal(sb_fence_wait(&fence, 0),
					accesses[a] == SB_ACCESS_READ ? 0 : -ETIME);
			mock_fence_signal(reader, 0);
			assert_int_equal(sb_fence_wait(&fence, 0), 0);
			sb_fence_clear(&fence);
		}
	}
}

static void export_of_other_file_is_refused_on_any_kernel(void **state) {
	(void)state;
	/* A regular file, which poll() calls ready, and a sync_file; alone, first, last. */
	for (int old = 0; old <= 1; old++) {
		int others[] = {
			mock_memfd_create(4096),
			mock_sync_file_create(mock_fence_create()),
		};
		int dmabuf_fd = mock_dmabuf_create(4096);
		struct sb_fence fence = fence_untouched();
		for (size_t i = 0; i < 2; i++) {
			const struct sb_buffer buffers[] = {
				{ .dmabuf_fds = { others[i] }, .dmabuf_count = 1 },
				{ .dmabuf_fds = { others[i], dmabuf_fd }, .dmabuf_count = 2 },
				{ .dmabuf_fds = { dmabuf_fd, others[i] }, .dmabuf_count = 2 },
			};
			for (size_t b = 0; b < 3; b++) {
				assert_int_equal(sb_buffer_export_fence(&buffers[b], SB_ACCESS_READ,
								 &fence),
						-ENOTTY);
			}
		}
		assert_untouched(&fence);
		close(others[0]);
		close(others[1]);
		close(dmabuf_fd);
		mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	}
}

static void export_of_closed_fd_gives_exact_error(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	/* A number that no other fd gets. */
	int closed_fd = fcntl(dmabuf_fd, F_DUPFD_CLOEXEC, 500);
	close(closed_fd);
	for (int old = 0; old <= 1; old++) {
		struct sb_buffer buffer = {
			.dmabuf_fds = { dmabuf_fd, closed_fd },
			.dmabuf_count = 2,
		};
		struct sb_fence fence = fence_untouched();
		assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), -EBADF);
		assert_untouched(&fence);
		mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	}
	close(dmabuf_fd);
}

static void export_where_the_check_succeeds_is_refused(void **state) {
	(void)state;
	/* Something that takes the number for an ioctl of its own. */
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_buffer buffer = buffer_create(1);
	struct sb_fence fence = fence_untouched();
	mock_fail_call(2, 0);
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), -ENOTTY);
	assert_untouched(&fence);
	mock_fail_call(0, 0);
	buffer_close(&buffer);
}

static void run_export_idle(void) {
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	run_export(2);
}

static void export_idle_failed_writes_nothing(void **state) {
	(void)state;
	/* A snapshot that is not there, and for each a check and a duplicate. */
	mock_fail_each_call(run_export_idle, 5);
}

/* Import. */

static void import_of_nothing_adds_nothing(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(2);
	struct sb_fence fence = { 0 };
	mock_fail_call(0, 0);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_WRITE, &fence), 0);
	assert_int_equal(mock_count_calls(), 0);
	buffer_close(&buffer);
}

static void import_of_sync_file_adds_to_all_dmabufs(void **state) {
	(void)state;
	for (uint32_t count = 1; count <= SB_PLANES_MAX; count++) {
		struct sb_buffer buffer = buffer_create(count);
		uint64_t read = mock_fence_create();
		uint64_t written = mock_fence_create();
		struct sb_fence fences[2];
		assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(read), &fences[0]), 0);
		assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(written), &fences[1]),
				0);
		mock_fail_call(0, 0);
		assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fences[0]), 0);
		assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_WRITE, &fences[1]), 0);
		assert_int_equal(mock_count_calls(), 2 * count);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[i]), read);
			assert_int_equal(mock_dmabuf_get_writers(buffer.dmabuf_fds[i]), written);
		}
		/* Borrowed. */
		assert_int_equal(mock_sync_file_get_fences(fences[0].fds[0]), read);
		sb_fence_clear(&fences[0]);
		sb_fence_clear(&fences[1]);
		buffer_close(&buffer);
	}
}

static void import_of_point_adds_its_fences(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(2);
	int syncobj_fd;
	struct sb_timeline *timeline = timeline_create(&syncobj_fd);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, 5, &fence), 0);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), -EAGAIN);
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);

	uint64_t work = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 5, work);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[i]), work);
		assert_int_equal(mock_dmabuf_get_writers(buffer.dmabuf_fds[i]), 0);
	}
	sb_fence_clear(&fence);
	sb_timeline_unref(timeline);
	close(syncobj_fd);
	buffer_close(&buffer);
}

static void import_of_idle_or_unknown_is_refused(void **state) {
	(void)state;
	struct sb_buffer buffer = buffer_create(1);
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), -EOPNOTSUPP);
	sb_fence_clear(&fence);
	struct sb_fence unknown = { .type = (enum sb_fence_type)4 };
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &unknown), -EINVAL);
	buffer_close(&buffer);
}

static void import_to_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(mock_fence_create()), &fence),
			0);
	int memfd = mock_memfd_create(4096);
	int dmabuf_fd = mock_dmabuf_create(4096);
	struct sb_buffer buffer = { .dmabuf_fds = { memfd, dmabuf_fd }, .dmabuf_count = 2 };
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), -ENOTTY);
	close(memfd);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), -EBADF);
	sb_fence_clear(&fence);

	struct sb_buffer good = { .dmabuf_fds = { dmabuf_fd }, .dmabuf_count = 1 };
	fence = (struct sb_fence){ .type = SB_FENCE_SYNC_FILE, .fds = { mock_memfd_create(1) } };
	assert_int_equal(sb_buffer_import_fence(&good, SB_ACCESS_READ, &fence), -EINVAL);
	sb_fence_clear(&fence);
	close(dmabuf_fd);
}

static void run_import_sync_file(void) {
	struct sb_buffer buffer = buffer_create(3);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(mock_fence_create()), &fence),
			0);
	mock_fail_armed();
	int ret = sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence);
	assert_int_equal(ret, mock_get_injected());
	sb_fence_clear(&fence);
	buffer_close(&buffer);
}

static void run_import_point(void) {
	struct sb_buffer buffer = buffer_create(2);
	int syncobj_fd;
	struct sb_timeline *timeline = timeline_create(&syncobj_fd);
	mock_syncobj_add_point(syncobj_fd, 5, mock_fence_create());
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, 5, &fence), 0);
	sb_timeline_unref(timeline);
	mock_fail_armed();
	int ret = sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence);
	assert_int_equal(ret, mock_get_injected());
	sb_fence_clear(&fence);
	close(syncobj_fd);
	buffer_close(&buffer);
}

static void import_failed_says_so(void **state) {
	(void)state;
	mock_fail_each_call(run_import_sync_file, 3);
	mock_fail_each_call(run_import_point, 3);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(init_same_fd_many_times_has_one_dmabuf),
		sync_test(init_duplicates_are_one_dmabuf),
		sync_test(init_four_dmabufs_keeps_all),
		sync_test(init_without_own_inodes_keeps_all_but_equal_fds),
		sync_test(init_wrong_count_is_refused),
		sync_test(init_closed_fd_gives_exact_error),
		sync_test(init_failed_writes_nothing),
		sync_test(export_of_one_dmabuf_is_one_call),
		sync_test(export_of_several_dmabufs_has_the_fences_of_all),
		sync_test(export_of_nothing_is_a_signalled_fence),
		sync_test(export_then_later_writer_keeps_snapshot),
		sync_test(wrong_access_or_no_dmabuf_is_refused),
		sync_test(export_failed_writes_nothing),
		sync_test(export_on_old_kernel_is_idle_with_duplicates),
		sync_test(export_of_other_file_is_refused_on_any_kernel),
		sync_test(export_of_closed_fd_gives_exact_error),
		sync_test(export_where_the_check_succeeds_is_refused),
		sync_test(export_idle_failed_writes_nothing),
		sync_test(import_of_nothing_adds_nothing),
		sync_test(import_of_sync_file_adds_to_all_dmabufs),
		sync_test(import_of_point_adds_its_fences),
		sync_test(import_of_idle_or_unknown_is_refused),
		sync_test(import_to_wrong_fd_gives_exact_error),
		sync_test(import_failed_says_so),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_buffer", tests, NULL, NULL);
}
