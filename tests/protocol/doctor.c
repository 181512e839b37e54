/*
 * `oriel doctor`, the real binary, with QEMUs that are scripts: what it prints, and its exit status.
 * What it says of this machine's devices is not looked at: any machine will do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/source.h"
#include "program.h"

/* A QEMU that has all, as it is asked. */
#define RIGHT_QEMU                                                                                 \
	"case $* in\n"                                                                             \
	"--version) echo 'QEMU emulator version 9.2.1' ;;\n"                                       \
	"'-display help') printf 'Available:\\nnone\\ndbus\\n' ;;\n"                               \
	"*gl=on*) cat >/dev/null ;;\n"                                                             \
	"'-device virtio-gpu-gl-pci,help') echo 'virtio-gpu-gl-pci options:' ;;\n"                 \
	"*) exit 99 ;;\n"                                                                          \
	"esac\n"

struct place {
	char dir[64];
	char qemu[96];
	char *path; /* PATH, as the test was started with it */
	struct program program;
};

static int place_setup(void **state) {
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	snprintf(place->dir, sizeof(place->dir), "/tmp/oriel-doctor-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->qemu, sizeof(place->qemu), "%s/qemu-kvm", place->dir);
	place->path = strdup(getenv("PATH"));
	setenv("XDG_RUNTIME_DIR", place->dir, true);
	place->program = (struct program){ .pid = -1, .pid_fd = -1 };
	place->program.out.fd = place->program.err.fd = -1;
	*state = place;
	return 0;
}

static int place_teardown(void **state) {
	struct place *place = *state;
	program_finish(&place->program);
	setenv("PATH", place->path, true);
	free(place->path);
	unlink(place->qemu);
	int failed = rmdir(place->dir);
	free(place);
	return failed;
}

/* A QEMU of the test's. Its folder is to come first in PATH, so that its script finds the rest there. */
static void write_qemu(const struct place *place, const char *script) {
	FILE *file = fopen(place->qemu, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s", script);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(place->qemu, 0700), 0);
}

/* Runs `oriel doctor` with the arguments, which end with NULL, to its end. Returns its status. */
static int run_doctor(struct place *place, const char *const arguments[]) {
	const char *argv[16] = { getenv("ORIEL"), "doctor" };
	assert_non_null(argv[0]);
	for (size_t i = 0; arguments[i] != NULL; i++) {
		assert_true(i + 3 < sizeof(argv) / sizeof(argv[0]));
		argv[i + 2] = arguments[i];
	}
	program_finish(&place->program);
	program_start(&place->program, argv);
	return program_wait(&place->program);
}

/* The status of a host that lacks nothing, but perhaps the driver in this build. */
static int expected_status(void) {
	return oriel_source_driver_exists("qemu") ? 0 : 1;
}

static void assert_says(const struct place *place, const char *text) {
	if (strstr(place->program.out.text, text) == NULL) {
		fail_msg("\"%s\" is not in:\n%s", text, place->program.out.text);
	}
}

static void assert_fails_with(struct place *place, const char *const arguments[], const char *text) {
	assert_int_equal(run_doctor(place, arguments), 1);
	assert_string_equal(place->program.out.text, "");
	char line[256];
	snprintf(line, sizeof(line), "oriel doctor: %s (see oriel doctor --help)\n", text);
	assert_string_equal(place->program.err.text, line);
}

/* The command line */

static void doctor_alone_lists_the_doctors(void **state) {
	struct place *place = *state;
	assert_int_equal(run_doctor(place, (const char *[]){ NULL }), 0);
	assert_says(place, "Usage: oriel doctor qemu");
	char *first = strdup(place->program.out.text);
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--help", NULL }), 0);
	assert_string_equal(place->program.out.text, first);
	free(first);
}

static void wrong_command_lines_fail_with_one_line(void **state) {
	struct place *place = *state;
	assert_fails_with(place, (const char *[]){ "vet", NULL }, "expected \"qemu\", got \"vet\"");
	assert_fails_with(place, (const char *[]){ "qemu", "a", "b", NULL },
			"expected one MONITOR, got \"b\" as well");
	assert_fails_with(place, (const char *[]){ "qemu", "--xen", NULL },
			"expected an option, got \"--xen\"");
	assert_fails_with(place, (const char *[]){ "qemu", "--qemu", NULL },
			"expected an argument after \"--qemu\", got none");
	static const char *const timeouts[] = { "0", "601", "-1", "1s", "", "99999999999999999999" };
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		char text[128];
		snprintf(text, sizeof(text), "expected 1 to 600 seconds, got \"%s\"", timeouts[i]);
		assert_fails_with(place, (const char *[]){ "qemu", "--timeout", timeouts[i], NULL },
				text);
	}
}

static void full_stdout_fails(void **state) {
	struct place *place = *state;
	char command[256];
	snprintf(command, sizeof(command), "%s doctor >/dev/full", getenv("ORIEL"));
	program_start(&place->program, (const char *[]){ "/bin/sh", "-c", command, NULL });
	assert_int_equal(program_wait(&place->program), 1);
	assert_string_equal(place->program.err.text,
			"oriel doctor: cannot write to stdout: No space left on device\n");
}

/* QEMUs */

static void right_qemu_lacks_nothing(void **state) {
	struct place *place = *state;
	write_qemu(place, RIGHT_QEMU);
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", place->qemu, NULL }),
			expected_status());
	assert_says(place, "ok       QEMU           9.2.1, ");
	assert_says(place, "ok       D-Bus display ");
	assert_says(place, "ok       gl=on ");
	assert_says(place, "ok       virtio-gpu-gl ");
	assert_says(place, "ok       runtime folder ");
	assert_string_equal(place->program.err.text, "");
}

static void qemu_is_found_in_path_by_its_name(void **state) {
	struct place *place = *state;
	write_qemu(place, RIGHT_QEMU);
	char path[256];
	snprintf(path, sizeof(path), "/nonexistent::%s:/usr/bin:/bin", place->dir);
	setenv("PATH", path, true);
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", "qemu-kvm", NULL }),
			expected_status());
	assert_says(place, place->qemu);
	/* By itself it looks for that name, too, if the machine's own is not there. */
	snprintf(path, sizeof(path), "/nonexistent:%s", place->dir);
	setenv("PATH", path, true);
	run_doctor(place, (const char *[]){ "qemu", NULL });
	assert_says(place, place->qemu);
}

static void absent_qemu_is_missing(void **state) {
	struct place *place = *state;
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", place->qemu, NULL }),
			1);
	assert_says(place, "missing  QEMU           there is no /tmp/");
	/* A file that nobody may run, and a folder, are none either. */
	write_qemu(place, RIGHT_QEMU);
	chmod(place->qemu, 0600);
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", place->qemu, NULL }),
			1);
	assert_says(place, "missing  QEMU           there is no /tmp/");
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", "/tmp", NULL }), 1);
	assert_says(place, "missing  QEMU           there is no /tmp");
}

static void qemus_that_lack_something_say_what(void **state) {
	static const struct {
		const char *script, *says;
	} cases[] = {
		{ "echo QEMU emulator version 6.2.0", "missing  QEMU           6.2.0" },
		{ "head -c 100000 /dev/zero | tr '\\0' '\\377'", "missing  QEMU " },
		{ "head -c 100000 /dev/urandom >&2; exit 1", "missing  QEMU " },
		{ "kill -SEGV $$", "ended by signal 11" },
		{ "echo QEMU emulator version 9.2.1", "missing  D-Bus display  this QEMU has no" },
		{ "[ $1 = --version ] || { echo no such option >&2; exit 1; }\n"
		  "echo QEMU emulator version 9.2.1",
				"missing  D-Bus display  not known: QEMU's -display help says: no such" },
	};
	struct place *place = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_qemu(place, cases[i].script);
		const char *const arguments[] = { "qemu", "--qemu", place->qemu, NULL };
		assert_int_equal(run_doctor(place, arguments), 1);
		assert_says(place, cases[i].says);
		assert_says(place, "\nMissing: ");
	}
}

static void qemu_without_gl_is_a_warning_only(void **state) {
	struct place *place = *state;
	write_qemu(place, "case $* in *gl=on*) echo 'egl: broken' >&2; exit 1; esac\n" RIGHT_QEMU);
	assert_int_equal(run_doctor(place, (const char *[]){ "qemu", "--qemu", place->qemu, NULL }),
			expected_status());
	assert_says(place, "warning  gl=on ");
	assert_says(place, "says: egl: broken\n");
}

static void qemus_that_hang_are_given_up(void **state) {
	static const struct {
		const char *script, *says;
	} cases[] = {
		/* Whatever it is asked, with a child that goes on. */
		{ "trap '' TERM; sleep 1000 & while :; do wait; done",
				"asked for its version it does not end" },
		{ "case $* in *gl=on*) while :; do echo x; done; esac\n" RIGHT_QEMU,
				"gl=on QEMU does not end" },
	};
	struct place *place = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_qemu(place, cases[i].script);
		int status = run_doctor(place,
				(const char *[]){ "qemu", "--qemu", place->qemu, "--timeout", "1",
						NULL });
		assert_int_equal(status, i == 0 ? 1 : expected_status());
		assert_says(place, cases[i].says);
	}
}

static void monitor_is_looked_at_where_the_build_can(void **state) {
	struct place *place = *state;
	write_qemu(place, RIGHT_QEMU);
	const char *const arguments[] = { "qemu", "--qemu", place->qemu, "/nonexistent", NULL };
	assert_int_equal(run_doctor(place, arguments), 1);
	if (strstr(place->program.err.text, "built without the qemu driver") == NULL) {
		assert_says(place, "missing  monitor        /nonexistent: No such file");
		assert_says(place, "-qmp unix:/nonexistent,server=on,wait=off");
	}
}

/* A real one */

static bool program_exists(const char *name) {
	char command[64];
	snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
	return system(command) == 0;
}

static void real_machine_is_known_by_its_monitor(void **state) {
	if (!oriel_source_driver_exists("qemu") || !program_exists("qemu-system-x86_64")) {
		print_message("no qemu driver in this build, or no QEMU\n");
		skip();
	}
	struct place *place = *state;
	char monitor[96], qmp[128];
	snprintf(monitor, sizeof(monitor), "%s/qmp", place->dir);
	snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", monitor);
	struct program machine;
	/* The second monitor's greeting says that the first one is there. */
	program_start(&machine,
			(const char *[]){ "qemu-system-x86_64", "-nodefaults", "-no-user-config",
					"-S", "-accel", "tcg", "-display", "dbus,p2p=yes", "-device",
					"virtio-vga,id=gpu0", "-qmp", qmp, "-qmp", "stdio", NULL });
	program_wait_for(&machine, &machine.out, "QMP");
	int status = run_doctor(place,
			(const char *[]){ "qemu", "--qemu", "qemu-system-x86_64", monitor, NULL });
	program_finish(&machine);
	unlink(monitor);
	assert_int_equal(status, 0);
	assert_says(place, "ok       QEMU ");
	assert_says(place, "ok       D-Bus display ");
	assert_says(place, ", prelaunch\n");
	assert_says(place, "ok       its display    -display dbus,p2p=yes\n");
	assert_says(place, "ok       its graphics   virtio-vga\n");
	assert_says(place, "note     its pointer ");
	assert_says(place, "warning  its processor ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		TEST(doctor_alone_lists_the_doctors),
		TEST(wrong_command_lines_fail_with_one_line),
		TEST(full_stdout_fails),
		TEST(right_qemu_lacks_nothing),
		TEST(qemu_is_found_in_path_by_its_name),
		TEST(absent_qemu_is_missing),
		TEST(qemus_that_lack_something_say_what),
		TEST(qemu_without_gl_is_a_warning_only),
		TEST(qemus_that_hang_are_given_up),
		TEST(monitor_is_looked_at_where_the_build_can),
		TEST(real_machine_is_known_by_its_monitor),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
