/* What programs look for in a command line of QEMU. */
#include "arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void name_is_found_as_qemu_writes_it(void **state) {
	static const struct {
		const char *option, *value;
		const char *name; /* NULL: none */
	} cases[] = {
		{ "-name", "win", "win" },
		{ "--name", "win", "win" },
		{ "-name", "win,process=qemu", "win" },
		{ "-name", "guest=win", "win" },
		{ "-name", "guest=win,debug-threads=on", "win" },
		{ "-name", "debug-threads=on,guest=win", "win" },
		{ "-name", "process=guest=no,guest=win", "win" },
		{ "-name", SIXTY "012", SIXTY "012" },
		{ "-name", SIXTY "0123", NULL },
		{ "-name", "my win", NULL },
		{ "-name", "a,,b", NULL },
		{ "-name", "a\tb", NULL },
		{ "-name", "guest=a=b", NULL },
		{ "-name", "guest=", NULL },
		{ "-name", "", NULL },
		{ "-name", "debug-threads=on", NULL },
		{ "---name", "win", NULL },
		{ "-names", "win", NULL },
		{ "name", "win", NULL },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char *argv[] = { "qemu", (char *)cases[i].option, (char *)cases[i].value, NULL };
		char *name = arguments_find_name(argv);
		if (cases[i].name == NULL) {
			assert_null(name);
		} else {
			assert_non_null(name);
			assert_string_equal(name, cases[i].name);
		}
		free(name);
	}
	char *without_value[] = { "qemu", "-name", NULL };
	assert_null(arguments_find_name(without_value));
	char *twice[] = { "qemu", "-name", "a", "-name", "b", NULL };
	char *last = arguments_find_name(twice);
	assert_string_equal(last, "b");
	free(last);
}

static void option_has_one_dash_or_two(void **state) {
	assert_true(argument_is_option("-name", "name"));
	assert_true(argument_is_option("--name", "name"));
	assert_false(argument_is_option("---name", "name"));
	assert_false(argument_is_option("name", "name"));
	assert_false(argument_is_option("-names", "name"));
	assert_false(argument_is_option("-", "name"));
	assert_false(argument_is_option("", "name"));
}

static void count_leaves_out_the_end(void **state) {
	char *none[] = { NULL };
	char *two[] = { "a", "", NULL };
	assert_int_equal(arguments_count(none), 0);
	assert_int_equal(arguments_count(two), 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_is_found_as_qemu_writes_it),
		cmocka_unit_test(option_has_one_dash_or_two),
		cmocka_unit_test(count_leaves_out_the_end),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
