#include <syncbridge/sync_file.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock_ioctl.h"

#define FD_UNTOUCHED (-77)
#define NS_PER_S INT64_C(1000000000)

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static void merge_of_two_has_both_fences(void **state) {
	(void)state;
	uint64_t a = mock_fence_create();
	uint64_t b = mock_fence_create();
	int a_fd = mock_sync_file_create(a);
	int b_fd = mock_sync_file_create(b);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_sync_file_merge("both", a_fd, b_fd, &fd), 0);
	assert_int_equal(mock_sync_file_get_fences(fd), a | b);
	close(fd);
	/* Borrowed: still open, still theirs. */
	assert_int_equal(mock_sync_file_get_fences(a_fd), a);
	assert_int_equal(mock_sync_file_get_fences(b_fd), b);
	close(a_fd);
	close(b_fd);
}

static void merge_with_itself_gives_a_second_file(void **state) {
	(void)state;
	uint64_t fence = mock_fence_create();
	int a_fd = mock_sync_file_create(fence);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_sync_file_merge("twice", a_fd, a_fd, &fd), 0);
	assert_int_not_equal(fd, a_fd);
	assert_int_equal(mock_sync_file_get_fences(fd), fence);
	close(fd);
	close(a_fd);
}

static void merge_of_signalled_is_signalled(void **state) {
	(void)state;
	uint64_t fences = mock_fences_create(2);
	mock_fence_signal(fences, 0);
	int a_fd = mock_sync_file_create(fences);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_sync_file_merge("done", a_fd, a_fd, &fd), 0);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(info.signalled_ns, mock_clock_get_ns());
	close(fd);
	close(a_fd);
}

static void merge_cuts_long_name(void **state) {
	(void)state;
	static const char digits[] = "0123456789012345678901234567890123456789";
	int a_fd = mock_sync_file_create(mock_fence_create());
	for (size_t length = SB_SYNC_FILE_NAME_SIZE - 2; length <= SB_SYNC_FILE_NAME_SIZE + 1;
			length++) {
		char name[sizeof(digits)] = "";
		memcpy(name, digits, length);
		int fd = FD_UNTOUCHED;
		assert_int_equal(sb_sync_file_merge(name, a_fd, a_fd, &fd), 0);
		struct sb_sync_file_info info;
		assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
		name[SB_SYNC_FILE_NAME_SIZE - 1] = '\0';
		assert_string_equal(info.name, name);
		close(fd);
	}
	close(a_fd);
}

static void merge_without_name_has_the_kernels(void **state) {
	(void)state;
	static const char *const names[] = { NULL, "" };
	int a_fd = mock_sync_file_create(mock_fence_create());
	for (size_t i = 0; i < 2; i++) {
		int fd = FD_UNTOUCHED;
		assert_int_equal(sb_sync_file_merge(names[i], a_fd, a_fd, &fd), 0);
		struct sb_sync_file_info info;
		assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
		assert_string_equal(info.name, "mock-timeline1-1");
		close(fd);
	}
	close(a_fd);
}

static void merge_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	int a_fd = mock_sync_file_create(mock_fence_create());
	int dmabuf_fd = mock_dmabuf_create(4096);
	int fd = FD_UNTOUCHED;
	assert_int_equal(sb_sync_file_merge("x", -1, a_fd, &fd), -EBADF);
	assert_int_equal(sb_sync_file_merge("x", dmabuf_fd, a_fd, &fd), -ENOTTY);
	assert_int_equal(sb_sync_file_merge("x", a_fd, -1, &fd), -ENOENT);
	assert_int_equal(sb_sync_file_merge("x", a_fd, dmabuf_fd, &fd), -ENOENT);
	assert_int_equal(fd, FD_UNTOUCHED);
	close(dmabuf_fd);
	close(a_fd);
}

static void run_merge(void) {
	int a_fd = mock_sync_file_create(mock_fence_create());
	int b_fd = mock_sync_file_create(mock_fence_create());
	int fd = FD_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_sync_file_merge("x", a_fd, b_fd, &fd);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, FD_UNTOUCHED);
	} else {
		close(fd);
	}
	assert_int_equal(close(a_fd), 0);
	assert_int_equal(close(b_fd), 0);
}

static void merge_failed_writes_no_fd(void **state) {
	(void)state;
	mock_fail_each_call(run_merge, 1);
}

static void accumulate_first_moves_it_as_it_is(void **state) {
	(void)state;
	int fd = -1;
	int first_fd = mock_sync_file_create(mock_fence_create());
	assert_int_equal(sb_sync_file_accumulate(&fd, first_fd), 0);
	assert_int_equal(fd, first_fd);
	assert_int_equal(mock_count_calls(), 0);
	close(fd);
}

static void accumulate_many_covers_all(void **state) {
	(void)state;
	int fd = -1;
	uint64_t all = 0;
	for (int i = 0; i < 40; i++) {
		uint64_t fence = mock_fence_create();
		all |= fence;
		int take_fd = mock_sync_file_create(fence);
		assert_int_equal(sb_sync_file_accumulate(&fd, take_fd), 0);
		assert_int_equal(mock_sync_file_get_fences(fd), all);
	}
	/* Exactly one is left open; the fixture counts. */
	close(fd);
}

static void accumulate_without_fd_is_an_error(void **state) {
	(void)state;
	int fd = -1;
	assert_int_equal(sb_sync_file_accumulate(&fd, -1), -EBADF);
	assert_int_equal(fd, -1);
	uint64_t fence = mock_fence_create();
	int first_fd = mock_sync_file_create(fence);
	fd = first_fd;
	assert_int_equal(sb_sync_file_accumulate(&fd, -1), -EBADF);
	assert_int_equal(fd, first_fd);
	assert_int_equal(mock_sync_file_get_fences(fd), fence);
	close(fd);
}

static void accumulate_wrong_file_keeps_old_and_closes_new(void **state) {
	(void)state;
	uint64_t fence = mock_fence_create();
	int first_fd = mock_sync_file_create(fence);
	int fd = first_fd;
	int memfd = mock_memfd_create(4096);
	assert_int_equal(sb_sync_file_accumulate(&fd, memfd), -ENOENT);
	assert_int_equal(fd, first_fd);
	assert_int_equal(mock_sync_file_get_fences(fd), fence);
	assert_false(is_open(memfd));
	close(fd);
}

static void run_accumulate(void) {
	uint64_t first = mock_fence_create();
	uint64_t second = mock_fence_create();
	int first_fd = mock_sync_file_create(first);
	int take_fd = mock_sync_file_create(second);
	int fd = first_fd;
	mock_fail_armed();
	int ret = sb_sync_file_accumulate(&fd, take_fd);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_int_equal(fd, first_fd);
		assert_int_equal(mock_sync_file_get_fences(fd), first);
	} else {
		assert_int_equal(mock_sync_file_get_fences(fd), first | second);
	}
	assert_false(is_open(take_fd));
	close(fd);
}

static void accumulate_failed_merge_keeps_old_and_closes_new(void **state) {
	(void)state;
	mock_fail_each_call(run_accumulate, 1);
}

static void get_info_of_pending_has_no_time(void **state) {
	(void)state;
	uint64_t fences = mock_fences_create(2);
	int fd = mock_sync_file_create(fences);
	/* One of the two has a time already. */
	mock_fence_signal(fences & -fences, 0);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.fence_count, 2);
	assert_int_equal(info.signalled_ns, 0);
	assert_string_equal(info.name, "mock-timeline1-2");
	close(fd);
}

static void get_info_of_signalled_has_last_time(void **state) {
	(void)state;
	/* The last to signal is neither the first nor the last in the list. */
	uint64_t fences[3];
	for (int i = 0; i < 3; i++) {
		fences[i] = mock_fence_create();
	}
	int fd = mock_sync_file_create(fences[0] | fences[1] | fences[2]);
	static const int order[] = { 2, 0, 1 };
	for (int i = 0; i < 3; i++) {
		mock_clock_set_ns((i + 1) * NS_PER_S + i);
		mock_fence_signal(fences[order[i]], 0);
	}
	mock_clock_set_ns(9 * NS_PER_S);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(info.fence_count, 3);
	assert_int_equal(info.signalled_ns, 3 * NS_PER_S + 2);
	close(fd);
}

static void get_info_of_failed_has_first_error(void **state) {
	(void)state;
	uint64_t good = mock_fence_create();
	uint64_t bad = mock_fence_create();
	uint64_t worse = mock_fence_create();
	int fd = mock_sync_file_create(good | bad | worse);
	mock_fence_signal(good, 0);
	mock_fence_signal(worse, -EIO);
	mock_fence_signal(bad, -ECANCELED);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.status, -ECANCELED);
	assert_int_equal(info.signalled_ns, mock_clock_get_ns());
	close(fd);
}

static void get_info_of_failed_and_pending_is_pending(void **state) {
	(void)state;
	/* In both orders: the kernel's own sum is right in one of them. */
	for (int i = 0; i < 2; i++) {
		uint64_t first = mock_fence_create();
		uint64_t second = mock_fence_create();
		int fd = mock_sync_file_create(first | second);
		mock_fence_signal(i == 0 ? first : second, -EIO);
		struct sb_sync_file_info info;
		assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
		assert_int_equal(info.status, 0);
		assert_int_equal(info.signalled_ns, 0);
		close(fd);
	}
}

static void get_info_of_many_counts_all(void **state) {
	(void)state;
	/* Around the number that is handled without an allocation, and far above. */
	static const struct {
		unsigned int count;
		unsigned int calls;
	} cases[] = { { 1, 2 }, { 15, 2 }, { 16, 2 }, { 17, 3 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t fences = mock_fences_create(cases[i].count);
		int fd = mock_sync_file_create(fences);
		mock_fail_call(0, 0);
		struct sb_sync_file_info info;
		assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
		assert_int_equal(mock_count_calls(), cases[i].calls);
		assert_int_equal(info.fence_count, cases[i].count);
		assert_int_equal(info.status, 0);
		mock_fence_signal(fences, 0);
		assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
		assert_int_equal(info.status, 1);
		close(fd);
	}
}

static void get_info_of_the_most_counts_all(void **state) {
	(void)state;
	/* The last one alone is pending: none is left out. */
	uint64_t fences = mock_fences_create(MOCK_FENCES_MAX);
	int fd = mock_sync_file_create(fences);
	mock_fence_signal(fences & ~(UINT64_C(1) << (MOCK_FENCES_MAX - 1)), 0);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.fence_count, MOCK_FENCES_MAX);
	assert_int_equal(info.status, 0);
	mock_fence_signal(fences, -EIO);
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.status, -EIO);
	close(fd);
}

static void get_info_of_shrinking_file_reads_what_is_there(void **state) {
	(void)state;
	/* A chain of fences drops those that have signalled, between the two calls as well. */
	uint64_t fences = mock_fences_create(2);
	int fd = mock_sync_file_create(fences);
	mock_fence_signal(fences & -fences, 0);
	struct sb_sync_file_info info;
	mock_shrink_next_info(1);
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.fence_count, 1);
	assert_int_equal(info.status, 1);
	/* None left to look at: it is what it was at first, pending. */
	mock_shrink_next_info(2);
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.fence_count, 0);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.signalled_ns, 0);
	close(fd);
}

static void get_info_of_empty_file_has_its_status(void **state) {
	(void)state;
	int fd = mock_sync_file_create(0);
	struct sb_sync_file_info info;
	assert_int_equal(sb_sync_file_get_info(fd, &info), 0);
	assert_int_equal(info.fence_count, 0);
	assert_int_equal(info.status, 1);
	assert_int_equal(mock_count_calls(), 1);
	close(fd);
}

static void get_info_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	struct sb_sync_file_info info = { .status = 77 };
	assert_int_equal(sb_sync_file_get_info(-1, &info), -EBADF);
	int fd = mock_dmabuf_create(4096);
	assert_int_equal(sb_sync_file_get_info(fd, &info), -ENOTTY);
	assert_int_equal(info.status, 77);
	close(fd);
}

static void run_get_info(unsigned int fence_count) {
	uint64_t fences = mock_fences_create(fence_count);
	int fd = mock_sync_file_create(fences);
	mock_fence_signal(fences, 0);
	struct sb_sync_file_info info, untouched;
	memset(&info, 0x5a, sizeof(info));
	untouched = info;
	mock_fail_armed();
	int ret = sb_sync_file_get_info(fd, &info);
	assert_int_equal(ret, mock_get_injected());
	if (ret < 0) {
		assert_memory_equal(&info, &untouched, sizeof(info));
	} else {
		assert_int_equal(info.fence_count, fence_count);
	}
	close(fd);
}

static void run_get_info_few(void) {
	run_get_info(2);
}

static void run_get_info_many(void) {
	run_get_info(17);
}

static void get_info_failed_writes_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_get_info_few, 2);
	mock_fail_each_call(run_get_info_many, 3);
}

static void wait_of_signalled_returns_at_once(void **state) {
	(void)state;
	static const int64_t timeouts_ns[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	/* Failed is ready too. */
	for (int err = 0; err >= -EIO; err -= EIO) {
		uint64_t fences = mock_fences_create(2);
		mock_fence_signal(fences, err);
		int fd = mock_sync_file_create(fences);
		int64_t start_ns = mock_clock_get_ns();
		for (size_t i = 0; i < sizeof(timeouts_ns) / sizeof(timeouts_ns[0]); i++) {
			assert_int_equal(sb_sync_file_wait(fd, timeouts_ns[i]), 0);
		}
		assert_int_equal(mock_clock_get_ns(), start_ns);
		close(fd);
	}
}

static void wait_for_nothing_tests_with_one_call(void **state) {
	(void)state;
	int fd = mock_sync_file_create(mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns);
	assert_int_equal(mock_count_calls(), 1);
	close(fd);
}

static void wait_without_bound_ends_with_the_last_fence(void **state) {
	(void)state;
	uint64_t first = mock_fence_create();
	uint64_t last = mock_fence_create();
	int fd = mock_sync_file_create(first | last);
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(first, start_ns + 1);
	mock_fence_signal_at(last, start_ns + 1000 * NS_PER_S);
	assert_int_equal(sb_sync_file_wait(fd, -1), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 1000 * NS_PER_S);
	close(fd);
}

static void wait_with_timeout_is_exact_to_the_nanosecond(void **state) {
	(void)state;
	static const int64_t delay_ns = 3 * NS_PER_S + 5;
	static const struct {
		int64_t timeout_ns;
		int result;
	} cases[] = { { delay_ns - 1, -ETIME }, { delay_ns, 0 }, { delay_ns + 1, 0 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t fence = mock_fence_create();
		int fd = mock_sync_file_create(fence);
		int64_t start_ns = mock_clock_get_ns();
		mock_fence_signal_at(fence, start_ns + delay_ns);
		assert_int_equal(sb_sync_file_wait(fd, cases[i].timeout_ns), cases[i].result);
		assert_int_equal(mock_clock_get_ns() - start_ns,
				cases[i].result == 0 ? delay_ns : cases[i].timeout_ns);
		close(fd);
	}
}

static void wait_with_longest_timeout_does_not_overflow(void **state) {
	(void)state;
	uint64_t fence = mock_fence_create();
	int fd = mock_sync_file_create(fence);
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(fence, start_ns + 100);
	mock_interrupt_at(start_ns + 50);
	assert_int_equal(sb_sync_file_wait(fd, INT64_MAX), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 100);
	close(fd);
}

static void wait_interrupted_goes_on_for_the_rest(void **state) {
	(void)state;
	int fd = mock_sync_file_create(mock_fence_create());
	int64_t start_ns = mock_clock_get_ns();
	mock_interrupt_at(start_ns + 2 * NS_PER_S);
	assert_int_equal(sb_sync_file_wait(fd, 3 * NS_PER_S), -ETIME);
	assert_int_equal(mock_clock_get_ns(), start_ns + 3 * NS_PER_S);
	close(fd);
}

static void wait_interrupted_at_its_end_tests_once_more(void **state) {
	(void)state;
	/* The signal and the end of the wait come together. */
	for (int ready = 0; ready <= 1; ready++) {
		uint64_t fence = mock_fence_create();
		int fd = mock_sync_file_create(fence);
		int64_t end_ns = mock_clock_get_ns() + NS_PER_S;
		mock_interrupt_at(end_ns);
		if (ready != 0) {
			mock_fence_signal_at(fence, end_ns);
		}
		assert_int_equal(sb_sync_file_wait(fd, NS_PER_S), ready != 0 ? 0 : -ETIME);
		assert_int_equal(mock_clock_get_ns(), end_ns);
		close(fd);
	}
}

static void wait_interrupted_without_bound_or_as_test_goes_on(void **state) {
	(void)state;
	uint64_t fence = mock_fence_create();
	int fd = mock_sync_file_create(fence);
	int64_t start_ns = mock_clock_get_ns();
	mock_interrupt_at(start_ns);
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	assert_int_equal(mock_count_calls(), 2);
	mock_fence_signal_at(fence, start_ns + 10);
	mock_interrupt_at(start_ns + 5);
	assert_int_equal(sb_sync_file_wait(fd, -1), 0);
	assert_int_equal(mock_clock_get_ns(), start_ns + 10);
	close(fd);
}

static void wait_wrong_fd_gives_exact_error(void **state) {
	(void)state;
	static const int64_t timeouts_ns[] = { -1, 0, 1 };
	int closed_fd = mock_sync_file_create(mock_fence_create());
	close(closed_fd);
	for (size_t i = 0; i < sizeof(timeouts_ns) / sizeof(timeouts_ns[0]); i++) {
		assert_int_equal(sb_sync_file_wait(-1, timeouts_ns[i]), -EBADF);
		assert_int_equal(sb_sync_file_wait(closed_fd, timeouts_ns[i]), -EBADF);
	}
}

static void wait_of_broken_file_is_never_ready(void **state) {
	(void)state;
	static const short reports[] = { POLLERR, POLLHUP, POLLIN | POLLERR, POLLIN | POLLHUP };
	int fd = mock_sync_file_create(mock_fence_create());
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		mock_poll_report(reports[i]);
		assert_int_equal(sb_sync_file_wait(fd, -1), -EINVAL);
	}
	close(fd);
}

static void run_wait(void) {
	uint64_t fence = mock_fence_create();
	int fd = mock_sync_file_create(fence);
	int64_t start_ns = mock_clock_get_ns();
	mock_fence_signal_at(fence, start_ns + 2 * NS_PER_S);
	/* Clock, poll, clock, poll. */
	mock_interrupt_at(start_ns + 1 * NS_PER_S);
	mock_fail_armed();
	int ret = sb_sync_file_wait(fd, 3 * NS_PER_S);
	assert_int_equal(ret, mock_get_injected());
	close(fd);
}

static void wait_failed_gives_exact_error(void **state) {
	(void)state;
	mock_fail_each_call(run_wait, 4);
}

static void interrupted_ioctl_is_called_again(void **state) {
	(void)state;
	static const int errors[] = { -EINTR, -EAGAIN };
	int a_fd = mock_sync_file_create(mock_fence_create());
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int fd = FD_UNTOUCHED;
		mock_fail_call(1, errors[i]);
		assert_int_equal(sb_sync_file_merge("x", a_fd, a_fd, &fd), 0);
		assert_int_equal(mock_count_calls(), 2);
		assert_int_equal(close(fd), 0);
		for (unsigned int nth = 1; nth <= 2; nth++) {
			struct sb_sync_file_info info;
			mock_fail_call(nth, errors[i]);
			assert_int_equal(sb_sync_file_get_info(a_fd, &info), 0);
			assert_int_equal(info.fence_count, 1);
			assert_int_equal(mock_count_calls(), 3);
		}
	}
	close(a_fd);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(merge_of_two_has_both_fences),
		sync_test(merge_with_itself_gives_a_second_file),
		sync_test(merge_of_signalled_is_signalled),
		sync_test(merge_cuts_long_name),
		sync_test(merge_without_name_has_the_kernels),
		sync_test(merge_wrong_fd_gives_exact_error),
		sync_test(merge_failed_writes_no_fd),
		sync_test(accumulate_first_moves_it_as_it_is),
		sync_test(accumulate_many_covers_all),
		sync_test(accumulate_without_fd_is_an_error),
		sync_test(accumulate_wrong_file_keeps_old_and_closes_new),
		sync_test(accumulate_failed_merge_keeps_old_and_closes_new),
		sync_test(get_info_of_pending_has_no_time),
		sync_test(get_info_of_signalled_has_last_time),
		sync_test(get_info_of_failed_has_first_error),
		sync_test(get_info_of_failed_and_pending_is_pending),
		sync_test(get_info_of_many_counts_all),
		sync_test(get_info_of_the_most_counts_all),
		sync_test(get_info_of_shrinking_file_reads_what_is_there),
		sync_test(get_info_of_empty_file_has_its_status),
		sync_test(get_info_wrong_fd_gives_exact_error),
		sync_test(get_info_failed_writes_nothing),
		sync_test(wait_of_signalled_returns_at_once),
		sync_test(wait_for_nothing_tests_with_one_call),
		sync_test(wait_without_bound_ends_with_the_last_fence),
		sync_test(wait_with_timeout_is_exact_to_the_nanosecond),
		sync_test(wait_with_longest_timeout_does_not_overflow),
		sync_test(wait_interrupted_goes_on_for_the_rest),
		sync_test(wait_interrupted_at_its_end_tests_once_more),
		sync_test(wait_interrupted_without_bound_or_as_test_goes_on),
		sync_test(wait_wrong_fd_gives_exact_error),
		sync_test(wait_of_broken_file_is_never_ready),
		sync_test(wait_failed_gives_exact_error),
		sync_test(interrupted_ioctl_is_called_again),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_sync_file", tests, NULL, NULL);
}
