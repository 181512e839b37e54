/* Needs compositor/options.c built with it, and -Wl,--wrap for strdup and realloc. */

#include "options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX 16

/* Memory that runs out (-Wl,--wrap): call number fail_at fails while armed. */
static struct {
	bool armed;
	int calls;
	int fail_at;
} memory;

char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

char *__wrap_strdup(const char *string) {
	return memory.armed && ++memory.calls == memory.fail_at ? NULL : __real_strdup(string);
}

void *__wrap_realloc(void *pointer, size_t size) {
	return memory.armed && ++memory.calls == memory.fail_at ? NULL
								: __real_realloc(pointer, size);
}

/* What a call printed. */
struct output {
	char out[4096];
	char err[4096];
};

/* The process's fd goes to a file, until redirect_end(). */
static int redirect_begin(int fd, int take_to_fd) {
	int saved_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	assert_true(saved_fd >= 0 && take_to_fd >= 0);
	assert_true(dup2(take_to_fd, fd) >= 0);
	close(take_to_fd);
	return saved_fd;
}

/* Reads what was written meanwhile into text, if text is not NULL. */
static void redirect_end(int fd, int take_saved_fd, char *text, size_t size) {
	if (text != NULL) {
		ssize_t n = pread(fd, text, size - 1, 0);
		assert_true(n >= 0 && (size_t)n < size - 1);
		text[n] = '\0';
	}
	assert_true(dup2(take_saved_fd, fd) >= 0);
	close(take_saved_fd);
}

/* args end with NULL and lack the program's name. */
static enum oriel_options_result parse(
		const char *const args[], struct oriel_options *options, struct output *output) {
	/* Copies, as the words of a real command line may be written to. */
	char *argv[ARGS_MAX + 2] = { strdup("oriel") };
	int argc = 1;
	for (; args[argc - 1] != NULL; argc++) {
		assert_true(argc <= ARGS_MAX);
		argv[argc] = strdup(args[argc - 1]);
	}

	fflush(stdout);
	int out_fd = redirect_begin(STDOUT_FILENO, memfd_create("stdout", MFD_CLOEXEC));
	int err_fd = redirect_begin(STDERR_FILENO, memfd_create("stderr", MFD_CLOEXEC));
	enum oriel_options_result result = oriel_options_parse(argc, argv, options);
	fflush(stdout);
	redirect_end(STDERR_FILENO, err_fd, output->err, sizeof(output->err));
	redirect_end(STDOUT_FILENO, out_fd, output->out, sizeof(output->out));

	/* The options must not need them, and must not have moved them about. */
	for (int i = 0; i < argc; i++) {
		assert_string_equal(argv[i], i > 0 ? args[i - 1] : "oriel");
		free(argv[i]);
	}
	return result;
}

struct fail_case {
	const char *name;
	const char *args[ARGS_MAX];
	const char *expected;
};

static const struct fail_case fail_cases[] = {
	{ "parse_unknown_letter_is_refused", { "-x" }, "expected an option, got \"-x\"" },
	{ "parse_unknown_letter_after_long_option_is_refused", { "--debug", "-xd" },
			"expected an option, got \"-x\"" },
	{ "parse_unknown_letter_among_others_is_refused", { "-dx" },
			"expected an option, got \"-x\"" },
	{ "parse_unknown_name_is_refused", { "--frobnicate" },
			"expected an option, got \"--frobnicate\"" },
	{ "parse_unknown_name_with_value_is_refused", { "-d", "--output=A" },
			"expected an option, got \"--output=A\"" },
	{ "parse_word_is_refused", { "win" }, "expected an option, got \"win\"" },
	{ "parse_word_after_option_is_refused", { "--validate", "win", "-d" },
			"expected an option, got \"win\"" },
	{ "parse_word_after_dashes_is_refused", { "--", "-d" }, "expected an option, got \"-d\"" },
	{ "parse_empty_word_is_refused", { "" }, "expected an option, got \"\"" },
	{ "parse_c_without_file_is_refused", { "-d", "-c" },
			"expected an argument after \"-c\", got none" },
	{ "parse_cluster_without_file_is_refused", { "-dc" },
			"expected an argument after \"-dc\", got none" },
	{ "parse_config_without_file_is_refused", { "--config" },
			"expected an argument after \"--config\", got none" },
	{ "parse_s_without_command_is_refused", { "-s" },
			"expected an argument after \"-s\", got none" },
	{ "parse_guest_without_argument_is_refused", { "--guest" },
			"expected an argument after \"--guest\", got none" },
	{ "parse_c_empty_is_refused", { "-c", "" },
			"expected an argument to \"-c\", got an empty one" },
	{ "parse_s_empty_is_refused", { "-s", "" },
			"expected an argument to \"-s\", got an empty one" },
	{ "parse_c_twice_is_refused", { "-c", "a", "-c", "b" },
			"expected one \"-c\", got \"b\" as well" },
	{ "parse_s_twice_is_refused", { "-s", "a", "--session=b" },
			"expected one \"-s\", got \"b\" as well" },
	{ "parse_validate_with_value_is_refused", { "--validate=yes" },
			"expected no argument, got \"--validate=yes\"" },
	{ "parse_debug_with_value_is_refused", { "--debug=1" },
			"expected no argument, got \"--debug=1\"" },
	{ "parse_mistake_after_guests_frees_them",
			{ "--guest", "a=synthetic", "--guest", "b=synthetic", "-c", "x", "-s", "y",
					"-x" },
			"expected an option, got \"-x\"" },
};

static void parse_wrong_says_what_was_expected(void **state) {
	const struct fail_case *c = *state;
	struct oriel_options options;
	struct output output;
	memset(&options, 0x5a, sizeof(options));
	struct oriel_options before = options;

	assert_int_equal(parse(c->args, &options, &output), ORIEL_OPTIONS_EXIT_FAILURE);
	char expected[512];
	snprintf(expected, sizeof(expected), "oriel: %s (see oriel --help)\n", c->expected);
	assert_string_equal(output.err, expected);
	assert_string_equal(output.out, "");
	assert_memory_equal(&options, &before, sizeof(options));
}

static void parse_nothing_gives_defaults(void **state) {
	(void)state;
	struct oriel_options options;
	struct output output;
	memset(&options, 0x5a, sizeof(options));
	assert_int_equal(parse((const char *const[]){ NULL }, &options, &output), ORIEL_OPTIONS_RUN);
	assert_null(options.config_path);
	assert_false(options.validate);
	assert_false(options.debug);
	assert_null(options.session_command);
	assert_null(options.guests);
	assert_int_equal(options.guest_count, 0);
	assert_string_equal(output.out, "");
	assert_string_equal(output.err, "");
	oriel_options_finish(&options);
}

static void parse_all_short_gives_all(void **state) {
	(void)state;
	struct oriel_options options;
	struct output output;
	const char *const args[] = { "-dc", "my file", "--guest", "a=synthetic", "--validate",
		"--guest", "b=vfio:fd:9,output=DP-1", "-sfoot -e top", "--guest", "", NULL };
	assert_int_equal(parse(args, &options, &output), ORIEL_OPTIONS_RUN);
	assert_string_equal(options.config_path, "my file");
	assert_true(options.validate);
	assert_true(options.debug);
	assert_string_equal(options.session_command, "foot -e top");
	assert_int_equal(options.guest_count, 3);
	assert_string_equal(options.guests[0], "a=synthetic");
	assert_string_equal(options.guests[1], "b=vfio:fd:9,output=DP-1");
	assert_string_equal(options.guests[2], "");
	assert_string_equal(output.out, "");
	assert_string_equal(output.err, "");

	oriel_options_finish(&options);
	assert_null(options.config_path);
	assert_null(options.guests);
	assert_int_equal(options.guest_count, 0);
	/* Twice is harmless. */
	oriel_options_finish(&options);
}

static void parse_all_long_gives_all(void **state) {
	(void)state;
	struct oriel_options options;
	struct output output;
	const char *const args[] = { "--config=x", "--guest=a=synthetic:1x1", "--session", "-v",
		"--debug", "--validate", "--", NULL };
	assert_int_equal(parse(args, &options, &output), ORIEL_OPTIONS_RUN);
	assert_string_equal(options.config_path, "x");
	assert_true(options.validate);
	assert_true(options.debug);
	assert_string_equal(options.session_command, "-v");
	assert_int_equal(options.guest_count, 1);
	assert_string_equal(options.guests[0], "a=synthetic:1x1");
	oriel_options_finish(&options);
}

static void parse_after_a_mistake_starts_afresh(void **state) {
	(void)state;
	/* They outlive the calls: getopt is left in the middle of "-xd". */
	char *wrong[] = { "oriel", "-xd", NULL };
	char *right[] = { "oriel", "--validate", NULL };
	char err[256];
	struct oriel_options options;
	int err_fd = redirect_begin(STDERR_FILENO, memfd_create("stderr", MFD_CLOEXEC));
	enum oriel_options_result first = oriel_options_parse(2, wrong, &options);
	enum oriel_options_result second = oriel_options_parse(2, right, &options);
	redirect_end(STDERR_FILENO, err_fd, err, sizeof(err));

	assert_int_equal(first, ORIEL_OPTIONS_EXIT_FAILURE);
	assert_int_equal(second, ORIEL_OPTIONS_RUN);
	assert_true(options.validate);
	assert_false(options.debug);
	oriel_options_finish(&options);
}

static void parse_help_prints_each_option(void **state) {
	(void)state;
	static const char *const forms[] = { "-h", "--help" };
	static const char *const named[] = { "Usage: oriel [OPTION]...\n", "-c, --config FILE",
		"--validate", "--guest NAME=SOURCE[,output=NAME]", "-s, --session CMD",
		"-d, --debug", "-h, --help", "--version", "synthetic[:WIDTHxHEIGHT]", "vfio:WHERE",
		"fd:N", "qemu:WHERE", "handover for one by oriel-qemu" };
	for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
		struct oriel_options options;
		struct output output;
		const char *const args[] = { "-c", "x", forms[i], "--frobnicate", NULL };
		assert_int_equal(parse(args, &options, &output), ORIEL_OPTIONS_EXIT_OK);
		assert_string_equal(output.err, "");
		for (size_t j = 0; j < ARRAY_LENGTH(named); j++) {
			assert_non_null(strstr(output.out, named[j]));
		}
	}
}

static void parse_version_prints_one_line(void **state) {
	(void)state;
	struct oriel_options options;
	struct output output;
	assert_int_equal(parse((const char *const[]){ "--version", NULL }, &options, &output),
			ORIEL_OPTIONS_EXIT_OK);
	assert_string_equal(output.out, "oriel " ORIEL_VERSION "\n");
	assert_string_equal(output.err, "");
}

static void parse_version_to_full_device_fails(void **state) {
	(void)state;
	char *argv[] = { "oriel", "--version", NULL };
	char err[256];
	struct oriel_options options;
	fflush(stdout);
	int out_fd = redirect_begin(STDOUT_FILENO, open("/dev/full", O_WRONLY | O_CLOEXEC));
	int err_fd = redirect_begin(STDERR_FILENO, memfd_create("stderr", MFD_CLOEXEC));
	enum oriel_options_result result = oriel_options_parse(2, argv, &options);
	__fpurge(stdout);
	clearerr(stdout);
	redirect_end(STDERR_FILENO, err_fd, err, sizeof(err));
	redirect_end(STDOUT_FILENO, out_fd, NULL, 0);

	assert_int_equal(result, ORIEL_OPTIONS_EXIT_FAILURE);
	assert_string_equal(err, "oriel: cannot write to stdout: No space left on device\n");
}

static void parse_failed_allocation_frees_all(void **state) {
	(void)state;
	char *argv[] = { "oriel", "-c", "x", "--guest", "a", "--guest", "b", "-s", "y", NULL };
	int argc = (int)ARRAY_LENGTH(argv) - 1;
	/* one for each string, and one for each growth of the guests */
	for (int n = 1; n <= 7; n++) {
		struct oriel_options options;
		char err[256];
		int err_fd = redirect_begin(STDERR_FILENO, memfd_create("stderr", MFD_CLOEXEC));
		memory.calls = 0;
		memory.fail_at = n;
		memory.armed = true;
		enum oriel_options_result result = oriel_options_parse(argc, argv, &options);
		memory.armed = false;
		redirect_end(STDERR_FILENO, err_fd, err, sizeof(err));

		if (n == 7) {
			assert_int_equal(result, ORIEL_OPTIONS_RUN);
			assert_int_equal(memory.calls, 6);
			oriel_options_finish(&options);
		} else {
			assert_int_equal(result, ORIEL_OPTIONS_EXIT_FAILURE);
			assert_string_equal(err, "oriel: out of memory\n");
		}
	}
}

int main(void) {
	static const struct CMUnitTest plain_tests[] = {
		cmocka_unit_test(parse_nothing_gives_defaults),
		cmocka_unit_test(parse_all_short_gives_all),
		cmocka_unit_test(parse_all_long_gives_all),
		cmocka_unit_test(parse_after_a_mistake_starts_afresh),
		cmocka_unit_test(parse_help_prints_each_option),
		cmocka_unit_test(parse_version_prints_one_line),
		cmocka_unit_test(parse_version_to_full_device_fails),
		cmocka_unit_test(parse_failed_allocation_frees_all),
	};
	/* Each line of the table is a test with a name of its own. */
	struct CMUnitTest tests[ARRAY_LENGTH(fail_cases) + ARRAY_LENGTH(plain_tests)];
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(fail_cases); i++) {
		tests[count++] = (struct CMUnitTest){
			.name = fail_cases[i].name,
			.test_func = parse_wrong_says_what_was_expected,
			.initial_state = (void *)&fail_cases[i],
		};
	}
	for (size_t i = 0; i < ARRAY_LENGTH(plain_tests); i++) {
		tests[count++] = plain_tests[i];
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
