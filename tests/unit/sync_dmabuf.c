#include <syncbridge/dmabuf.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock_ioctl.h"

#define FD_UNTOUCHED (-77)
#define NS_PER_S INT64_C(1000000000)

static uint64_t export_fences(int dmabuf_fd, enum sb_access access) {
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, access, &fd), 0);
	uint64_t fences = mock_sync_file_get_fences(fd);
	close(fd);
	return fences;
}

static void export_for_reading_has_pending_writers_only(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t reader = mock_fence_create();
	uint64_t writers = mock_fences_create(2);
	uint64_t done_writer = mock_fence_create();
	mock_fence_signal(done_writer, 0);
	mock_dmabuf_add(dmabuf_fd, reader, writers | done_writer);
	assert_int_equal(export_fences(dmabuf_fd, SB_ACCESS_READ), writers);
	close(dmabuf_fd);
}

static void export_for_writing_has_everybody_pending(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t readers = mock_fences_create(2);
	uint64_t writer = mock_fence_create();
	uint64_t done_reader = mock_fence_create();
	mock_fence_signal(done_reader, 0);
	mock_dmabuf_add(dmabuf_fd, readers | done_reader, writer);
	assert_int_equal(export_fences(dmabuf_fd, SB_ACCESS_WRITE), readers | writer);
	close(dmabuf_fd);
}

static void export_then_later_fence_keeps_snapshot(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t first = mock_fence_create();
	mock_dmabuf_add(dmabuf_fd, 0, first);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &fd), 0);
	mock_dmabuf_add(dmabuf_fd, 0, mock_fence_create());
	assert_int_equal(mock_sync_file_get_fences(fd), first);
	close(fd);
	close(dmabuf_fd);
}

static void export_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_dmabuf_export_sync_file(-1, SB_ACCESS_READ, &fd), -EBADF);
	int memfd = mock_memfd_create(4096);
	assert_int_equal(sb_dmabuf_export_sync_file(memfd, SB_ACCESS_READ, &fd), -ENOTTY);
	close(memfd);
	assert_int_equal(sb_dmabuf_export_sync_file(memfd, SB_ACCESS_READ, &fd), -EBADF);
	assert_int_equal(fd, FD_UNTOUCHED);
}

static void wrong_access_is_refused_before_any_call(void **state) {
	(void)state;
	/* The smallest wrong values on both sides, and the kernel's own RW. */
	static const int wrong[] = { -1, 0, 3, 4 };
	int dmabuf_fd = mock_dmabuf_create(4096);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		enum sb_access access = (enum sb_access)wrong[i];
		int fd = FD_UNTOUCHED;
		assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, access, &fd), -EINVAL);
		assert_int_equal(fd, FD_UNTOUCHED);
		assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, access, sync_file_fd),
				-EINVAL);
		assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, access), -EINVAL);
		assert_int_equal(sb_dmabuf_end_cpu_access(dmabuf_fd, access), -EINVAL);
	}
	assert_int_equal(mock_count_calls(), 0);
	assert_int_equal(mock_dmabuf_get_readers(dmabuf_fd) | mock_dmabuf_get_writers(dmabuf_fd), 0);
	close(sync_file_fd);
	close(dmabuf_fd);
}

static void run_export(void) {
	int dmabuf_fd = mock_dmabuf_create(4096);
	mock_dmabuf_add(dmabuf_fd, 0, mock_fence_create());
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &fd);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, FD_UNTOUCHED);
	} else {
		close(fd);
	}
	close(dmabuf_fd);
}

static void export_failed_writes_no_fd(void **state) {
	(void)state;
	mock_fail_each_call(run_export, 1);
}

static void import_for_reading_adds_reader_only(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t fences = mock_fences_create(2);
	int sync_file_fd = mock_sync_file_create(fences);
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, sync_file_fd), 0);
	/* Borrowed: still open. */
	assert_int_equal(close(sync_file_fd), 0);
	assert_int_equal(mock_dmabuf_get_readers(dmabuf_fd), fences);
	assert_int_equal(mock_dmabuf_get_writers(dmabuf_fd), 0);
	close(dmabuf_fd);
}

static void import_for_writing_adds_writer(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	uint64_t fence = mock_fence_create();
	int sync_file_fd = mock_sync_file_create(fence);
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_WRITE, sync_file_fd), 0);
	assert_int_equal(close(sync_file_fd), 0);
	assert_int_equal(mock_dmabuf_get_readers(dmabuf_fd), 0);
	assert_int_equal(mock_dmabuf_get_writers(dmabuf_fd), fence);
	close(dmabuf_fd);
}

static void import_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	assert_int_equal(sb_dmabuf_import_sync_file(-1, SB_ACCESS_READ, sync_file_fd), -EBADF);
	assert_int_equal(sb_dmabuf_import_sync_file(sync_file_fd, SB_ACCESS_READ, sync_file_fd),
			-ENOTTY);
	/* The kernel does not tell a closed sync_file from a wrong one. */
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, -1), -EINVAL);
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, dmabuf_fd), -EINVAL);
	close(sync_file_fd);
	close(dmabuf_fd);
}

static void run_import(void) {
	int dmabuf_fd = mock_dmabuf_create(4096);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	mock_fail_armed();
	int ret = sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, sync_file_fd);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(close(sync_file_fd), 0);
	close(dmabuf_fd);
}

static void import_failed_keeps_sync_file_open(void **state) {
	(void)state;
	mock_fail_each_call(run_import, 1);
}

static void cpu_access_gives_documented_flags(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	assert_int_equal(sb_dmabuf_begin_cpu_access(fd, SB_ACCESS_READ), 0);
	assert_int_equal(mock_get_sync_flags(), DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	assert_int_equal(sb_dmabuf_end_cpu_access(fd, SB_ACCESS_READ), 0);
	assert_int_equal(mock_get_sync_flags(), DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	assert_int_equal(sb_dmabuf_begin_cpu_access(fd, SB_ACCESS_WRITE), 0);
	assert_int_equal(mock_get_sync_flags(), DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	assert_int_equal(sb_dmabuf_end_cpu_access(fd, SB_ACCESS_WRITE), 0);
	assert_int_equal(mock_get_sync_flags(), DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	close(fd);
}

static void begin_cpu_access_waits_for_those_in_the_way(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	uint64_t reader = mock_fence_create();
	uint64_t writer = mock_fence_create();
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(writer, start_ns + 1 * NS_PER_S);
	mock_fence_signal_at(reader, start_ns + 2 * NS_PER_S);
	mock_dmabuf_add(fd, reader, writer);
	assert_int_equal(sb_dmabuf_begin_cpu_access(fd, SB_ACCESS_READ), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 1 * NS_PER_S);
	assert_int_equal(sb_dmabuf_begin_cpu_access(fd, SB_ACCESS_WRITE), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 2 * NS_PER_S);
	close(fd);
}

static void run_begin_cpu_access(void) {
	int fd = mock_dmabuf_create(4096);
	mock_fail_armed();
	int ret = sb_dmabuf_begin_cpu_access(fd, SB_ACCESS_READ);
	assert_int_equal(ret, mock_get_injected());
	close(fd);
}

static void run_end_cpu_access(void) {
	int fd = mock_dmabuf_create(4096);
	mock_fail_armed();
	int ret = sb_dmabuf_end_cpu_access(fd, SB_ACCESS_READ);
	assert_int_equal(ret, mock_get_injected());
	close(fd);
}

static void cpu_access_failed_gives_exact_error(void **state) {
	(void)state;
	mock_fail_each_call(run_begin_cpu_access, 1);
	mock_fail_each_call(run_end_cpu_access, 1);
	assert_int_equal(sb_dmabuf_begin_cpu_access(-1, SB_ACCESS_READ), -EBADF);
	int memfd = mock_memfd_create(4096);
	assert_int_equal(sb_dmabuf_begin_cpu_access(memfd, SB_ACCESS_READ), -ENOTTY);
	assert_int_equal(sb_dmabuf_end_cpu_access(memfd, SB_ACCESS_READ), -ENOTTY);
	close(memfd);
}

static void interrupted_ioctl_is_called_again(void **state) {
	(void)state;
	static const int errors[] = { -EINTR, -EAGAIN };
	int dmabuf_fd = mock_dmabuf_create(4096);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int fd = FD_UNTOUCHED;
		mock_fail_call(1, errors[i]);
		assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &fd), 0);
		assert_int_equal(mock_count_calls(), 2);
		assert_int_equal(close(fd), 0);
		mock_fail_call(1, errors[i]);
		assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, sync_file_fd),
				0);
		assert_int_equal(mock_count_calls(), 2);
		mock_fail_call(1, errors[i]);
		assert_int_equal(sb_dmabuf_end_cpu_access(dmabuf_fd, SB_ACCESS_READ), 0);
		assert_int_equal(mock_count_calls(), 2);
	}
	close(sync_file_fd);
	close(dmabuf_fd);
}

static void begin_cpu_access_that_is_interrupted_returns(void **state) {
	int dmabuf_fd = mock_dmabuf_create(4096);
	mock_fail_call(1, -EINTR);
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_READ), -EINTR);
	assert_int_equal(mock_count_calls(), 1);
	mock_fail_call(1, -EAGAIN);
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_READ), 0);
	assert_int_equal(mock_count_calls(), 2);
	close(dmabuf_fd);
}

static void get_size_of_dmabuf_gives_bytes(void **state) {
	(void)state;
	/* Sizes around those that 32 bits hold. */
	static const uint64_t sizes[] = { 0, 1, 4096, INT32_MAX, UINT64_C(1) << 31, UINT32_MAX,
		UINT64_C(1) << 32, (UINT64_C(1) << 40) + 1 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = mock_dmabuf_create(sizes[i]);
		uint64_t size_bytes = 77;
		assert_int_equal(sb_dmabuf_get_size(fd, &size_bytes), 0);
		assert_int_equal(size_bytes, sizes[i]);
		close(fd);
	}
}

static void get_size_of_memfd_restores_offset(void **state) {
	(void)state;
	static const off_t offsets[] = { 0, 1, 4095, 4096, 4097 };
	int fd = mock_memfd_create(4096);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		assert_int_equal(lseek(fd, offsets[i], SEEK_SET), offsets[i]);
		uint64_t size_bytes = 77;
		assert_int_equal(sb_dmabuf_get_size(fd, &size_bytes), 0);
		assert_int_equal(size_bytes, 4096);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), offsets[i]);
	}
	close(fd);
}

static void get_size_without_seek_gives_exact_error(void **state) {
	(void)state;
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	uint64_t size_bytes = 77;
	assert_int_equal(sb_dmabuf_get_size(pipe_fds[0], &size_bytes), -ESPIPE);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(sb_dmabuf_get_size(pipe_fds[0], &size_bytes), -EBADF);
	assert_int_equal(sb_dmabuf_get_size(-1, &size_bytes), -EBADF);
	assert_int_equal(size_bytes, 77);
}

static void run_get_size(void) {
	int fd = mock_memfd_create(4096);
	uint64_t size_bytes = 77;
	mock_fail_armed();
	int ret = sb_dmabuf_get_size(fd, &size_bytes);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(size_bytes, ret < 0 ? 77 : 4096);
	close(fd);
}

static void get_size_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_get_size, 3);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(export_for_reading_has_pending_writers_only),
		sync_test(export_for_writing_has_everybody_pending),
		sync_test(export_then_later_fence_keeps_snapshot),
		sync_test(export_wrong_fd_gives_exact_error),
		sync_test(export_failed_writes_no_fd),
		sync_test(wrong_access_is_refused_before_any_call),
		sync_test(import_for_reading_adds_reader_only),
		sync_test(import_for_writing_adds_writer),
		sync_test(import_wrong_fd_gives_exact_error),
		sync_test(import_failed_keeps_sync_file_open),
		sync_test(cpu_access_gives_documented_flags),
		sync_test(begin_cpu_access_waits_for_those_in_the_way),
		sync_test(cpu_access_failed_gives_exact_error),
		sync_test(interrupted_ioctl_is_called_again),
		sync_test(begin_cpu_access_that_is_interrupted_returns),
		sync_test(get_size_of_dmabuf_gives_bytes),
		sync_test(get_size_of_memfd_restores_offset),
		sync_test(get_size_without_seek_gives_exact_error),
		sync_test(get_size_failed_writes_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_dmabuf", tests, NULL, NULL);
}
