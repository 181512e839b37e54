/* The command line that oriel-qemu(1) runs. */
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void what_oriel_cannot_show_is_refused(void **state) {
	static const struct {
		const char *option, *value;
		bool wants_gl;
		const char *reason; /* NULL: it can */
	} cases[] = {
		{ "-vga", "std", false, NULL },
		{ "-display", "dbus,p2p=yes", false, NULL },
		{ "--display", "dbus,p2p=on", false, NULL },
		{ "-display", "dbus,gl=on,p2p=true,rendernode=/dev/dri/renderD128", false, NULL },
		{ "-display", "p2p=y,type=dbus", false, NULL },
		{ "-display", "{\"type\":\"dbus\",\"p2p\":true}", false, NULL },
		{ "-display", "dbus", false, "the command's -display dbus has no p2p=yes" },
		{ "-display", "dbus,p2p=no", false, "the command's -display dbus has no p2p=yes" },
		{ "-display", "dbus,p2p=yesss", false, "the command's -display dbus has no p2p=yes" },
		{ "-display", "dbus,addr=unix:path=/x", false, "has no p2p=yes" },
		{ "-display", "{\"type\":\"dbus\"}", false, "has no p2p=yes" },
		{ "-display", "gtk", false, "the command has -display gtk: leave it out" },
		{ "-display", "none", false, "the command has -display none: leave it out" },
		{ "-display", "dbusx,p2p=yes", false, "the command has -display dbusx,p2p=yes" },
		{ "-display", "sdl,p2p=yes", false, "the command has -display sdl,p2p=yes" },
		{ "-display", "", false, "the command has -display : leave it out" },
		{ "-display", "{\"type\":\"gtk\"}", false, "the command has -display {" },
		{ "-display", "dbus,p2p=yes", true, "the command has a -display of its own" },
		{ "-nographic", NULL, false, "the command has -nographic" },
		{ "--nographic", NULL, false, "the command has -nographic" },
		{ "-daemonize", NULL, false, "the command has -daemonize" },
		{ "-spice", "port=5900", false, NULL },
		{ "-spice", "port=0,gl=on", false, "the command's -spice has gl=on" },
		{ "-vnc", ":1", false, NULL },
		{ "-display", NULL, false, NULL }, /* QEMU says what it misses */
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char reason[COMMAND_REASON_SIZE] = "";
		char *argv[] = { "qemu", (char *)cases[i].option, (char *)cases[i].value, NULL };
		bool is_right = command_check(argv, cases[i].wants_gl, reason);
		assert_int_equal(is_right, cases[i].reason == NULL);
		if (cases[i].reason != NULL && strstr(reason, cases[i].reason) == NULL) {
			fail_msg("expected '%s', got '%s'", cases[i].reason, reason);
		}
	}
	/* The program may be called anything, and the last of several counts as any. */
	char reason[COMMAND_REASON_SIZE];
	char *named[] = { "-nographic", NULL };
	assert_true(command_check(named, false, reason));
	char *twice[] = { "qemu", "-display", "dbus,p2p=yes", "-display", "none", NULL };
	assert_false(command_check(twice, false, reason));
}

static void long_value_is_cut_in_the_reason(void **state) {
	char value[1000], reason[COMMAND_REASON_SIZE];
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	char *argv[] = { "qemu", "-display", value, NULL };
	assert_false(command_check(argv, false, reason));
	assert_non_null(strstr(reason, "x: leave it out, and what oriel needs is added"));
}

static void assert_command(
		char *const argv[], bool wants_gl, const char *const expected[], size_t count) {
	struct command command;
	assert_true(command_init(&command, argv, wants_gl, 7));
	for (size_t i = 0; i < count; i++) {
		assert_non_null(command.argv[i]);
		assert_string_equal(command.argv[i], expected[i]);
	}
	assert_null(command.argv[count]);
	command_finish(&command);
}

static void display_and_monitor_are_added_behind_the_command(void **state) {
	static const char chardev[] = "socket,id=oriel-qmp,fd=7,server=on,wait=off";
	char *argv[] = { "qemu", "-m", "1G", NULL };
	const char *const expected[] = { "qemu", "-m", "1G", "-display", "dbus,p2p=yes", "-chardev",
		chardev, "-qmp", "chardev:oriel-qmp" };
	assert_command(argv, false, expected, ARRAY_LENGTH(expected));

	const char *const with_gl[] = { "qemu", "-m", "1G", "-display", "dbus,p2p=yes,gl=on",
		"-chardev", chardev, "-qmp", "chardev:oriel-qmp" };
	assert_command(argv, true, with_gl, ARRAY_LENGTH(with_gl));

	char *own[] = { "qemu", "-display", "dbus,p2p=yes,gl=es", NULL };
	const char *const with_own[] = { "qemu", "-display", "dbus,p2p=yes,gl=es", "-chardev",
		chardev, "-qmp", "chardev:oriel-qmp" };
	assert_command(own, false, with_own, ARRAY_LENGTH(with_own));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_oriel_cannot_show_is_refused),
		cmocka_unit_test(long_value_is_cut_in_the_reason),
		cmocka_unit_test(display_and_monitor_are_added_behind_the_command),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
