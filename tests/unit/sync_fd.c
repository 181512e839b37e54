#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

static int fds_before;

static int setup(void **state) {
	(void)state;
	fds_before = fds_count_open();
	return fds_before < 0 ? -1 : 0;
}

static int teardown(void **state) {
	(void)state;
	return fds_count_open() == fds_before ? 0 : -1;
}

static int open_null(void) {
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd) {
	return fcntl(fd, F_GETFD) >= 0;
}

static void clear_open_fd_closes_it_once(void **state) {
	(void)state;
	int fd = open_null();
	int number = fd;
	sb_fd_clear(&fd);
	assert_int_equal(fd, -1);
	assert_false(is_open(number));
	/* The number goes to somebody else, whose file the second call must leave alone. */
	int other_fd = open_null();
	assert_int_equal(other_fd, number);
	sb_fd_clear(&fd);
	assert_int_equal(fd, -1);
	assert_true(is_open(other_fd));
	close(other_fd);
}

static void clear_failing_close_keeps_errno(void **state) {
	(void)state;
	int closed_fd = open_null();
	close(closed_fd);
	errno = EXDEV;
	sb_fd_clear(&closed_fd);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(closed_fd, -1);
}

static void clear_of_fd_zero_closes_it(void **state) {
	(void)state;
	int saved_fd = sb_fd_dup(STDIN_FILENO);
	if (saved_fd < 0) {
		/* The runner gave us no standard input. */
		assert_int_equal(saved_fd, -EBADF);
		int null_fd = open_null();
		assert_int_equal(null_fd, 0);
	}
	int fd = 0;
	sb_fd_clear(&fd);
	assert_int_equal(fd, -1);
	assert_false(is_open(0));
	if (saved_fd >= 0) {
		assert_int_equal(dup2(saved_fd, STDIN_FILENO), STDIN_FILENO);
		close(saved_fd);
	}
}

static void replace_closes_old_and_takes_new(void **state) {
	(void)state;
	int fd = open_null();
	int old_fd = fd;
	int new_fd = open_null();
	sb_fd_replace(&fd, new_fd);
	assert_int_equal(fd, new_fd);
	assert_false(is_open(old_fd));
	assert_true(is_open(new_fd));
	sb_fd_replace(&fd, -1);
	assert_int_equal(fd, -1);
	assert_false(is_open(new_fd));
}

static void replace_of_none_takes_new(void **state) {
	(void)state;
	int fd = -1;
	int new_fd = open_null();
	sb_fd_replace(&fd, new_fd);
	assert_int_equal(fd, new_fd);
	close(fd);
}

static void replace_by_itself_leaves_it_open(void **state) {
	(void)state;
	int fd = open_null();
	int number = fd;
	sb_fd_replace(&fd, fd);
	assert_int_equal(fd, number);
	assert_true(is_open(fd));
	close(fd);
}

static void move_leaves_none_behind(void **state) {
	(void)state;
	int fd = open_null();
	int number = fd;
	int moved_fd = sb_fd_move(&fd);
	assert_int_equal(moved_fd, number);
	assert_int_equal(fd, -1);
	assert_true(is_open(moved_fd));
	assert_int_equal(sb_fd_move(&fd), -1);
	close(moved_fd);
}

static void dup_is_cloexec_and_the_same_file(void **state) {
	(void)state;
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	int fd = sb_fd_dup(pipe_fds[0]);
	assert_true(fd >= 0);
	assert_int_not_equal(fd, pipe_fds[0]);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct stat st, dup_st;
	assert_int_equal(fstat(pipe_fds[0], &st), 0);
	assert_int_equal(fstat(fd, &dup_st), 0);
	assert_int_equal(st.st_ino, dup_st.st_ino);
	close(fd);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void dup_failed_gives_exact_error(void **state) {
	(void)state;
	assert_int_equal(sb_fd_dup(-1), -EBADF);
	int fd = open_null();
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit none_left = { .rlim_cur = (rlim_t)fd + 1, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	int ret = sb_fd_dup(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(ret, -EMFILE);
	close(fd);
}

#define fd_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		fd_test(clear_open_fd_closes_it_once),
		fd_test(clear_failing_close_keeps_errno),
		fd_test(clear_of_fd_zero_closes_it),
		fd_test(replace_closes_old_and_takes_new),
		fd_test(replace_of_none_takes_new),
		fd_test(replace_by_itself_leaves_it_open),
		fd_test(move_leaves_none_behind),
		fd_test(dup_is_cloexec_and_the_same_file),
		fd_test(dup_failed_gives_exact_error),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_fd", tests, NULL, NULL);
}
