/* Programs that are asked: right ones, and those that hang, flood, crash or leave something behind. */
#include "doctor/run.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

/* For what ends by itself, and for what never does. */
#define PATIENCE_MS 20000
#define TIMEOUT_MS 100

static struct oriel_doctor_run run;

static int count_setup(void **state) {
	*state = (void *)(intptr_t)fds_count_open();
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int count_teardown(void **state) {
	return fds_count_open() == (int)(intptr_t)*state ? 0 : -1;
}

static void run_script(const char *script, const char *input, int timeout_ms) {
	oriel_doctor_run(&run, (const char *[]){ "/bin/sh", "-c", script, NULL }, input, timeout_ms);
}

static void run_that_succeeds_gives_both_outputs(void **state) {
	run_script("echo out; echo err >&2", "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "out\n");
	assert_string_equal(run.err, "err\n");
}

static void run_that_fails_gives_its_status(void **state) {
	run_script("exit 42", "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_int_equal(run.status, 42);
}

static void run_reads_its_input_to_the_end(void **state) {
	run_script("cat", "two\nlines\n", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_string_equal(run.out, "two\nlines\n");
}

static void run_that_crashes_gives_its_signal(void **state) {
	run_script("kill -SEGV $$", "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_SIGNAL);
	assert_int_equal(run.status, SIGSEGV);
}

static void run_of_nothing_gives_the_error(void **state) {
	oriel_doctor_run(&run, (const char *[]){ "/nonexistent", NULL }, "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_NOT_STARTED);
	assert_int_equal(run.status, ENOENT);
	oriel_doctor_run(&run, (const char *[]){ "/dev/null", NULL }, "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_NOT_STARTED);
	assert_int_equal(run.status, EACCES);
}

static void run_that_hangs_is_killed_with_its_children(void **state) {
	run_script("sleep 1000 & echo $!; trap '' TERM; while :; do wait; done", "", TIMEOUT_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_TIMEOUT);
	/* If it came that far: it ends soon, or has been seen off by init. */
	pid_t child = (pid_t)strtol(run.out, NULL, 10);
	int child_fd = child > 0 ? pidfd_open(child, 0) : -1;
	if (child_fd >= 0) {
		struct pollfd pollfd = { .fd = child_fd, .events = POLLIN };
		int ready = poll(&pollfd, 1, PATIENCE_MS);
		pidfd_send_signal(child_fd, SIGKILL, NULL, 0);
		close(child_fd);
		assert_int_equal(ready, 1);
	}
}

static void run_that_floods_ends_in_time_and_is_cut(void **state) {
	run_script("while :; do echo flood; echo flood >&2; done", "", TIMEOUT_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_TIMEOUT);
	assert_true(strlen(run.out) < sizeof(run.out));

	/* 1 MiB, and the end. */
	run_script("i=0; while [ $i -lt 1024 ]; do printf '%1024s' x; i=$((i + 1)); done", "",
			PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_int_equal(strlen(run.out), sizeof(run.out) - 1);
}

static void run_that_leaves_a_child_behind_has_ended(void **state) {
	/* The child has the outputs open, and would keep them so. */
	run_script("echo before; sleep 1000 & exit 5", "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_int_equal(run.status, 5);
	assert_string_equal(run.out, "before\n");
}

static void run_that_closes_its_outputs_is_waited_for(void **state) {
	run_script("exec >&- 2>&-; exit 6", "", PATIENCE_MS);
	assert_int_equal(run.end, ORIEL_DOCTOR_END_EXIT);
	assert_int_equal(run.status, 6);
}

static void last_line_is_that_of_stderr_if_there_is_one(void **state) {
	static const struct {
		const char *out, *err, *line;
	} cases[] = {
		{ "", "", "" },
		{ "\n\n", "\r\n", "" },
		{ "out", "", "out" },
		{ "one\ntwo\n\n", "\n", "two" },
		{ "out\n", "a\nb", "b" },
		{ "out\n", "a much longer line than there is room for\n", "a much longer l" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[16];
		strcpy(run.out, cases[i].out);
		strcpy(run.err, cases[i].err);
		oriel_doctor_run_get_last_line(&run, line, sizeof(line));
		assert_string_equal(line, cases[i].line);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, count_setup, count_teardown)
	const struct CMUnitTest tests[] = {
		TEST(run_that_succeeds_gives_both_outputs),
		TEST(run_that_fails_gives_its_status),
		TEST(run_reads_its_input_to_the_end),
		TEST(run_that_crashes_gives_its_signal),
		TEST(run_of_nothing_gives_the_error),
		TEST(run_that_hangs_is_killed_with_its_children),
		TEST(run_that_floods_ends_in_time_and_is_cut),
		TEST(run_that_leaves_a_child_behind_has_ended),
		TEST(run_that_closes_its_outputs_is_waited_for),
		TEST(last_line_is_that_of_stderr_if_there_is_one),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
