/*
 * The real binary, as a process of its own: what it prints, when it ends, and what it leaves.
 */
#include "program.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/source.h"
#include "screenshot.h"
#include "synthetic_picture.h"

/* What one test has to itself. */
struct place {
	char dir[64]; /* also the home, so that there is no configuration but the test's */
	char runtime[96]; /* XDG_RUNTIME_DIR */
	char config[96];
	char fifo[96];
	char picture[96];
	struct program program;
};

static int place_setup(void **state) {
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	snprintf(place->dir, sizeof(place->dir), "/tmp/oriel-program-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->runtime, sizeof(place->runtime), "%s/runtime", place->dir);
	snprintf(place->config, sizeof(place->config), "%s/oriel.conf", place->dir);
	snprintf(place->fifo, sizeof(place->fifo), "%s/fifo", place->dir);
	snprintf(place->picture, sizeof(place->picture), "%s/picture.ppm", place->dir);
	assert_int_equal(mkdir(place->runtime, 0700), 0);
	assert_int_equal(mkfifo(place->fifo, 0600), 0);
	setenv("XDG_RUNTIME_DIR", place->runtime, true);
	setenv("XDG_CONFIG_HOME", place->dir, true);
	setenv("HOME", place->dir, true);
	unsetenv("WAYLAND_DISPLAY");
	place->program = (struct program){ .pid = -1, .pid_fd = -1 };
	place->program.out.fd = place->program.err.fd = -1;
	*state = place;
	return 0;
}

static int place_teardown(void **state) {
	struct place *place = *state;
	program_finish(&place->program);
	unlink(place->config);
	unlink(place->fifo);
	unlink(place->picture);
	/* Whatever a test has not complained of before stays, and fails it here. */
	int failed = rmdir(place->runtime) | rmdir(place->dir);
	free(place);
	return failed;
}

static void write_config(const struct place *place, const char *text) {
	FILE *file = fopen(place->config, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Starts oriel with the arguments, which end with NULL. */
static struct program *start_oriel(struct place *place, const char *const arguments[]) {
	const char *argv[16] = { getenv("ORIEL") };
	assert_non_null(argv[0]);
	for (size_t i = 0; arguments[i] != NULL; i++) {
		assert_true(i + 2 < sizeof(argv) / sizeof(argv[0]));
		argv[i + 1] = arguments[i];
	}
	program_start(&place->program, argv);
	return &place->program;
}

/* Starts it and waits until it is up. Returns its socket's name, for free(). */
static char *start_oriel_session(struct place *place, const char *const arguments[]) {
	struct program *program = start_oriel(place, arguments);
	return program_wait_for_line(program, &program->err, "running on WAYLAND_DISPLAY=");
}

/* An answer from oriel: it serves its clients. */
static void assert_serves(const char *socket_name) {
	struct wl_display *client = wl_display_connect(socket_name);
	assert_non_null(client);
	assert_true(wl_display_roundtrip(client) >= 0);
	wl_display_disconnect(client);
}

static void assert_ends_with_status_0_and_leaves_nothing(struct place *place, int signal_number) {
	program_kill(&place->program, signal_number);
	assert_int_equal(program_wait(&place->program), 0);
	DIR *dir = opendir(place->runtime);
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] != '.') {
			fail_msg("%s is left in XDG_RUNTIME_DIR", entry->d_name);
		}
	}
	closedir(dir);
}

static size_t count_lines(const char *text) {
	size_t count = 0;
	for (const char *end = strchr(text, '\n'); end != NULL; end = strchr(end + 1, '\n')) {
		count++;
	}
	return count;
}

/* Printed and ended */

static void version_prints_one_line_and_succeeds(void **state) {
	struct program *program = start_oriel(*state, (const char *[]){ "--version", NULL });
	assert_int_equal(program_wait(program), 0);
	assert_string_equal(program->out.text, "oriel " ORIEL_VERSION "\n");
	assert_string_equal(program->err.text, "");
}

static void help_names_every_option_and_succeeds(void **state) {
	struct program *program = start_oriel(*state, (const char *[]){ "--help", NULL });
	assert_int_equal(program_wait(program), 0);
	static const char *const words[] = { "--config", "--validate", "--guest", "--session",
		"--debug", "--help", "--version" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_non_null(strstr(program->out.text, words[i]));
	}
	assert_string_equal(program->err.text, "");
}

static void unknown_option_fails_with_one_line(void **state) {
	struct program *program = start_oriel(*state, (const char *[]){ "--frobnicate", NULL });
	assert_int_equal(program_wait(program), 1);
	assert_string_equal(program->out.text, "");
	assert_int_equal(count_lines(program->err.text), 1);
	assert_non_null(strstr(program->err.text, "--frobnicate"));
}

static void validate_of_right_file_succeeds_in_silence(void **state) {
	struct place *place = *state;
	write_config(place,
			"output HEADLESS-1 {\n\tmode 1920x1080@60\n}\n"
			"guest win {\n\tsource synthetic 64x48\n\toutput HEADLESS-1\n}\n"
			"bind Super+1 guest win\n");
	struct program *program = start_oriel(
			place, (const char *[]){ "-c", place->config, "--validate", NULL });
	assert_int_equal(program_wait(program), 0);
	assert_string_equal(program->out.text, "");
	assert_string_equal(program->err.text, "");
}

static void validate_of_wrong_file_names_the_line(void **state) {
	static const struct {
		const char *text;
		int line;
	} cases[] = {
		{ "outputs HEADLESS-1 {\n}\n", 1 },
		{ "output HEADLESS-1 {\n\tmode 1920\n}\n", 2 },
		{ "output HEADLESS-1 {\n\tscale 0\n}\n", 2 },
		{ "\n\nguest a {\n\tsource teapot\n}\n", 4 },
		{ "guest a {\n\tsource synthetic 0x48\n}\n", 2 },
		{ "guest a {\n\tsource synthetic\n}\nguest a {\n\tsource synthetic\n}\n", 4 },
		{ "bind Super+Nokey quit\n", 1 },
		{ "bind Super+1 guest nobody\n", 1 },
	};
	struct place *place = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_config(place, cases[i].text);
		struct program *program = start_oriel(
				place, (const char *[]){ "-c", place->config, "--validate", NULL });
		assert_int_equal(program_wait(program), 1);
		assert_string_equal(program->out.text, "");
		assert_int_equal(count_lines(program->err.text), 1);
		char wanted[128];
		snprintf(wanted, sizeof(wanted), "%s:%d: expected ", place->config, cases[i].line);
		if (strncmp(program->err.text, wanted, strlen(wanted)) != 0) {
			fail_msg("\"%s...\" expected, got \"%s\"", wanted, program->err.text);
		}
		program_finish(program);
	}
}

static void wrong_file_fails_without_validate_as_well(void **state) {
	struct place *place = *state;
	write_config(place, "bind Super+1\n");
	struct program *program = start_oriel(place, (const char *[]){ "-c", place->config, NULL });
	assert_int_equal(program_wait(program), 1);
	assert_int_equal(count_lines(program->err.text), 1);
}

static void absent_file_fails_with_its_name(void **state) {
	struct place *place = *state;
	struct program *program = start_oriel(
			place, (const char *[]){ "-c", place->config, "--validate", NULL });
	assert_int_equal(program_wait(program), 1);
	assert_int_equal(count_lines(program->err.text), 1);
	assert_non_null(strstr(program->err.text, place->config));
}

static void wrong_guest_fails_with_its_text(void **state) {
	struct program *program = start_oriel(*state,
			(const char *[]){ "--guest", "a=synthetic:64by48", "--validate", NULL });
	assert_int_equal(program_wait(program), 1);
	assert_int_equal(count_lines(program->err.text), 1);
	assert_non_null(strstr(program->err.text, "a=synthetic:64by48"));
}

static void start_without_runtime_directory_fails(void **state) {
	unsetenv("XDG_RUNTIME_DIR");
	struct program *program = start_oriel(*state, (const char *[]){ NULL });
	assert_int_equal(program_wait(program), 1);
	assert_non_null(strstr(program->err.text, "XDG_RUNTIME_DIR"));
}

/* Running */

static void session_that_ends_leaves_oriel_running_until_sigterm(void **state) {
	struct place *place = *state;
	char command[256];
	snprintf(command, sizeof(command), "echo $WAYLAND_DISPLAY >%s; exit 3", place->fifo);
	char *socket_name = start_oriel_session(place,
			(const char *[]){ "--guest", "a=synthetic:64x48", "-s", command, NULL });
	FILE *fifo = fopen(place->fifo, "r");
	assert_non_null(fifo);
	char line[64];
	assert_non_null(fgets(line, sizeof(line), fifo));
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, socket_name);
	/* Its end: the session has closed the fifo. */
	assert_null(fgets(line, sizeof(line), fifo));
	fclose(fifo);

	for (int i = 0; i < 3; i++) {
		assert_serves(socket_name);
	}
	free(socket_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
	/* The table of the guests. */
	assert_non_null(strstr(place->program.err.text, "over-sync"));
	assert_non_null(strstr(place->program.err.text, "\na "));
}

static void sigint_ends_it_as_well(void **state) {
	struct place *place = *state;
	char *socket_name = start_oriel_session(place, (const char *[]){ NULL });
	assert_serves(socket_name);
	free(socket_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGINT);
	/* Nobody asked for statistics of nothing. */
	assert_null(strstr(place->program.err.text, "over-sync"));
}

static void sigterm_ends_it_with_a_client_connected(void **state) {
	struct place *place = *state;
	char *socket_name = start_oriel_session(place, (const char *[]){ NULL });
	struct wl_display *client = wl_display_connect(socket_name);
	assert_non_null(client);
	assert_true(wl_display_roundtrip(client) >= 0);
	free(socket_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
	assert_int_equal(wl_display_roundtrip(client), -1);
	wl_display_disconnect(client);
}

static void sigusr1_prints_the_table_and_goes_on(void **state) {
	struct place *place = *state;
	char *socket_name = start_oriel_session(
			place, (const char *[]){ "--guest", "a=synthetic:64x48", NULL });
	assert_null(strstr(place->program.err.text, "over-sync"));
	program_kill(&place->program, SIGUSR1);
	program_wait_for(&place->program, &place->program.err, "\na ");
	assert_serves(socket_name);
	free(socket_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
}

static void two_at_a_time_have_sockets_of_their_own(void **state) {
	struct place *place = *state;
	struct place second = *place;
	char *first_name = start_oriel_session(place, (const char *[]){ NULL });
	char *second_name = start_oriel_session(&second, (const char *[]){ NULL });
	assert_string_not_equal(first_name, second_name);
	assert_serves(first_name);
	assert_serves(second_name);
	program_kill(&second.program, SIGTERM);
	assert_int_equal(program_wait(&second.program), 0);
	program_finish(&second.program);
	assert_serves(first_name);
	free(first_name);
	free(second_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
}

static void guest_that_cannot_be_opened_is_named_and_the_others_go_on(void **state) {
	if (!oriel_source_driver_exists("vfio")) {
		print_message("this build has no vfio driver\n");
		skip();
	}
	struct place *place = *state;
	char *socket_name = start_oriel_session(place,
			(const char *[]){ "--guest", "broken=vfio:/dev/vfio/devices/vfio999",
					"--guest", "a=synthetic:64x48", NULL });
	assert_serves(socket_name);
	free(socket_name);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
	const char *text = place->program.err.text;
	const char *named = strstr(text, "guest broken: ");
	assert_non_null(named);
	assert_null(strstr(named + 1, "guest broken: "));
	assert_non_null(strstr(text, "\na "));
	assert_null(strstr(text, "\nbroken "));
}

static bool program_exists(const char *name) {
	char command[64];
	snprintf(command, sizeof(command), "command -v %s >/dev/null", name);
	return system(command) == 0;
}

static void read_picture(const char *path, struct screenshot *ret_screenshot) {
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "P6 %d %d 255", &ret_screenshot->width, &ret_screenshot->height),
			2);
	assert_int_equal(fgetc(file), '\n');
	size_t count = (size_t)ret_screenshot->width * (size_t)ret_screenshot->height;
	ret_screenshot->pixels = malloc(count * sizeof(uint32_t));
	assert_non_null(ret_screenshot->pixels);
	for (size_t i = 0; i < count; i++) {
		uint8_t rgb[3];
		assert_int_equal(fread(rgb, sizeof(rgb), 1, file), 1);
		ret_screenshot->pixels[i] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
	}
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

static void grim_takes_the_guests_picture(void **state) {
	if (!program_exists("grim")) {
		print_message("there is no grim\n");
		skip();
	}
	struct place *place = *state;
	write_config(place,
			"output HEADLESS-1 {\n\tmode 128x96\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	char command[256];
	snprintf(command, sizeof(command), "grim -t ppm %s; echo $? >%s", place->picture,
			place->fifo);
	char *socket_name = start_oriel_session(
			place, (const char *[]){ "-c", place->config, "-s", command, NULL });
	free(socket_name);
	FILE *fifo = fopen(place->fifo, "r");
	assert_non_null(fifo);
	char line[8];
	assert_non_null(fgets(line, sizeof(line), fifo));
	assert_string_equal(line, "0\n");
	fclose(fifo);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);

	struct screenshot screenshot;
	read_picture(place->picture, &screenshot);
	assert_int_equal(screenshot.width, 128);
	assert_int_equal(screenshot.height, 96);
	/* The bar is at the left again after 16 of them. */
	synthetic_picture_find(&screenshot, 0, 0, 2, 64, 48, 0, 15);
	screenshot_finish(&screenshot);
}

static void oriel_may_open_more_files_than_the_session(void **state) {
	struct place *place = *state;
	struct rlimit before, lowered;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	lowered = (struct rlimit){ .rlim_cur = 200, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
	char command[256];
	snprintf(command, sizeof(command), "ulimit -S -n >%s", place->fifo);
	free(start_oriel_session(place, (const char *[]){ "-s", command, NULL }));
	FILE *fifo = fopen(place->fifo, "r");
	assert_non_null(fifo);
	unsigned long soft = 0;
	assert_int_equal(fscanf(fifo, "%lu", &soft), 1);
	fclose(fifo);
	struct rlimit own;
	assert_int_equal(prlimit(place->program.pid, RLIMIT_NOFILE, NULL, &own), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(soft, 200);
	assert_int_equal(own.rlim_cur, before.rlim_max);
	assert_ends_with_status_0_and_leaves_nothing(place, SIGTERM);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		TEST(version_prints_one_line_and_succeeds),
		TEST(help_names_every_option_and_succeeds),
		TEST(unknown_option_fails_with_one_line),
		TEST(validate_of_right_file_succeeds_in_silence),
		TEST(validate_of_wrong_file_names_the_line),
		TEST(wrong_file_fails_without_validate_as_well),
		TEST(absent_file_fails_with_its_name),
		TEST(wrong_guest_fails_with_its_text),
		TEST(start_without_runtime_directory_fails),
		TEST(session_that_ends_leaves_oriel_running_until_sigterm),
		TEST(sigint_ends_it_as_well),
		TEST(sigterm_ends_it_with_a_client_connected),
		TEST(sigusr1_prints_the_table_and_goes_on),
		TEST(two_at_a_time_have_sockets_of_their_own),
		TEST(guest_that_cannot_be_opened_is_named_and_the_others_go_on),
		TEST(oriel_may_open_more_files_than_the_session),
		TEST(grim_takes_the_guests_picture),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
