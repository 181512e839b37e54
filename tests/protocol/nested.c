/*
 * Oriel in windows of another compositor's, which is oriel as well: in the test's own process where
 * the test is to see the windows, and a process of its own where it is to die.
 */
#include "program.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_xdg_shell.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "screenshot.h"
#include "server.h"
#include "shell/xdg.h"
#include "shell/xdg_toplevel.h"
#include "synthetic_picture.h"

/* What one test has to itself. */
struct place {
	char dir[64]; /* the sockets' folder */
	char config[96];
	struct program parent; /* where it is a process */
	struct program nested;
};

static int place_setup(void **state) {
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	snprintf(place->dir, sizeof(place->dir), "/tmp/oriel-nested-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->config, sizeof(place->config), "%s/oriel.conf", place->dir);
	setenv("XDG_RUNTIME_DIR", place->dir, true);
	setenv("XDG_CONFIG_HOME", place->dir, true);
	place->parent = place->nested = (struct program){ .pid = -1, .pid_fd = -1 };
	place->parent.out.fd = place->parent.err.fd = -1;
	place->nested.out.fd = place->nested.err.fd = -1;
	*state = place;
	return 0;
}

/* What a test has not removed fails it here. */
static int place_teardown(void **state) {
	struct place *place = *state;
	program_finish(&place->nested);
	program_finish(&place->parent);
	unlink(place->config);
	int failed = rmdir(place->dir);
	free(place);
	return failed;
}

static void write_config(const struct place *place, const char *text) {
	FILE *file = fopen(place->config, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Starts oriel in so many windows of the compositor that listens there. */
static void start_nested(struct place *place, const char *socket_name, int windows) {
	char digits[16];
	snprintf(digits, sizeof(digits), "%d", windows);
	setenv("WLR_BACKENDS", "wayland", true);
	setenv("WLR_WL_OUTPUTS", digits, true);
	setenv("WAYLAND_DISPLAY", socket_name, true);
	program_start(&place->nested, (const char *[]){ getenv("ORIEL"), "-c", place->config, NULL });
	setenv("WLR_BACKENDS", "headless", true);
	unsetenv("WLR_WL_OUTPUTS");
	unsetenv("WAYLAND_DISPLAY");
}

struct window_wait {
	int count;
	int width, height; /* of the frontmost one; 0: any */
	const struct place *place;
};

static bool has_ended(const struct place *place) {
	struct pollfd pollfd = { .fd = place->nested.pid_fd, .events = POLLIN };
	return poll(&pollfd, 1, 0) > 0;
}

static bool windows_are_there(struct fixture *fixture, void *data) {
	const struct window_wait *wait = data;
	const struct wl_list *toplevels = &fixture->server->xdg_shell->toplevels;
	/* No use in waiting for one any longer; the count that follows fails. */
	if (wait->count > 0 && has_ended(wait->place)) {
		return true;
	}
	if (wl_list_length(toplevels) != wait->count) {
		return false;
	}
	if (wait->width == 0) {
		return true;
	}
	const struct oriel_toplevel *first = wl_container_of(toplevels->next, first, link);
	const struct wlr_surface *surface = first->xdg_toplevel->base->surface;
	return surface->current.width == wait->width && surface->current.height == wait->height;
}

/* Steps until there are so many windows, of which the frontmost has that size, and returns it. */
static struct wlr_xdg_toplevel *wait_for_windows(struct fixture *fixture, const struct place *place,
		int count, int width, int height) {
	struct window_wait wait = {
		.count = count,
		.width = width,
		.height = height,
		.place = place,
	};
	fixture_step_until(fixture, windows_are_there, &wait);
	struct wl_list *toplevels = &fixture->server->xdg_shell->toplevels;
	assert_int_equal(wl_list_length(toplevels), count);
	struct oriel_toplevel *first = wl_container_of(toplevels->next, first, link);
	return first->xdg_toplevel;
}

static bool nested_has_ended(struct fixture *fixture, void *data) {
	return has_ended(data);
}

/* It ends as one that was told to, and every frame of its guest "a" was released once. */
static void assert_ended_well(struct place *place) {
	assert_int_equal(program_wait(&place->nested), 0);
	const char *row = strstr(place->nested.err.text, "\na ");
	assert_non_null(row);
	unsigned long taken, shown, superseded, rejected, released;
	assert_int_equal(sscanf(row, "\na %lu %lu %lu %lu %lu", &taken, &shown, &superseded,
					 &rejected, &released),
			5);
	assert_int_equal(taken, shown + superseded + rejected);
	assert_int_equal(taken, released);
}

static void init_parent(struct fixture *fixture, struct place *place, int windows) {
	fixture_init(fixture, "output OUTPUT-1 {\n\tmode 400x300\n}\n");
	const char *socket_name = oriel_server_listen(fixture->server);
	assert_non_null(socket_name);
	start_nested(place, socket_name, windows);
}

static const char one_guest[] = "output WL-1 {\n\tmode 64x48\n}\n"
				"guest a {\n\tsource synthetic 64x48\n}\n";

/* Which of its first pictures the guest shows, in the window in the middle of the output. */
static uint64_t find_picture(struct fixture *fixture) {
	fixture_step_refreshes(fixture, 2);
	struct screenshot screenshot = screenshot_take(fixture, fixture_get_output_name(fixture, 0));
	/* The bar is at the left again after 16 of them. */
	uint64_t n = synthetic_picture_find(
			&screenshot, (400 - 64) / 2, (300 - 48) / 2, 1, 64, 48, 0, 15);
	screenshot_finish(&screenshot);
	return n;
}

static void guest_is_shown_in_the_window(void **state) {
	struct place *place = *state;
	write_config(place, one_guest);
	struct fixture fixture;
	init_parent(&fixture, place, 1);
	wait_for_windows(&fixture, place, 1, 64, 48);
	uint64_t first = find_picture(&fixture);
	/* And it moves. */
	for (int i = 0; find_picture(&fixture) == first; i++) {
		assert_true(i < 100);
	}
	program_kill(&place->nested, SIGTERM);
	fixture_step_until(&fixture, nested_has_ended, place);
	assert_ended_well(place);
	wait_for_windows(&fixture, place, 0, 0, 0);
	fixture_finish(&fixture);
}

/* A window has its parent's refresh rate, and is not to complain of another. */
static void mode_of_the_configuration_is_the_windows_size(void **state) {
	struct place *place = *state;
	write_config(place,
			"output WL-1 {\n\tmode 320x200@75\n}\nguest a {\n\tsource synthetic 64x48\n}\n");
	struct fixture fixture;
	init_parent(&fixture, place, 1);
	struct wlr_xdg_toplevel *window = wait_for_windows(&fixture, place, 1, 320, 200);
	/* The parent has the last word. */
	wlr_xdg_toplevel_set_size(window, 128, 96);
	wait_for_windows(&fixture, place, 1, 128, 96);
	fixture_step_refreshes(&fixture, 4);
	program_kill(&place->nested, SIGTERM);
	fixture_step_until(&fixture, nested_has_ended, place);
	assert_ended_well(place);
	assert_null(strstr(place->nested.err.text, "does not take mode"));
	fixture_finish(&fixture);
}

static void closing_the_window_ends_it(void **state) {
	struct place *place = *state;
	write_config(place, one_guest);
	struct fixture fixture;
	init_parent(&fixture, place, 1);
	wlr_xdg_toplevel_send_close(wait_for_windows(&fixture, place, 1, 64, 48));
	fixture_step_until(&fixture, nested_has_ended, place);
	assert_ended_well(place);
	fixture_finish(&fixture);
}

static void closing_one_of_two_windows_goes_on_with_the_other(void **state) {
	struct place *place = *state;
	write_config(place,
			"output WL-1 {\n\tmode 64x48\n}\noutput WL-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	struct fixture fixture;
	init_parent(&fixture, place, 2);
	wlr_xdg_toplevel_send_close(wait_for_windows(&fixture, place, 2, 64, 48));
	struct wlr_xdg_toplevel *other = wait_for_windows(&fixture, place, 1, 64, 48);
	/* It still follows its parent. */
	wlr_xdg_toplevel_set_size(other, 96, 64);
	other = wait_for_windows(&fixture, place, 1, 96, 64);
	assert_false(has_ended(place));
	wlr_xdg_toplevel_send_close(other);
	fixture_step_until(&fixture, nested_has_ended, place);
	assert_ended_well(place);
	fixture_finish(&fixture);
}

static void end_of_the_parent_ends_it(void **state) {
	struct place *place = *state;
	write_config(place, one_guest);
	struct fixture fixture;
	init_parent(&fixture, place, 1);
	wait_for_windows(&fixture, place, 1, 64, 48);
	fixture_step_refreshes(&fixture, 4);
	fixture_stop(&fixture);
	assert_ended_well(place);
	fixture_finish(&fixture);
}

static void death_of_the_parent_ends_it(void **state) {
	struct place *place = *state;
	write_config(place, one_guest);
	program_start(&place->parent, (const char *[]){ getenv("ORIEL"), NULL });
	char *socket_name = program_wait_for_line(
			&place->parent, &place->parent.err, "running on WAYLAND_DISPLAY=");
	start_nested(place, socket_name, 1);
	program_wait_for(&place->nested, &place->nested.err, "running on WAYLAND_DISPLAY=");
	program_kill(&place->parent, SIGKILL);
	assert_ended_well(place);

	/* Which leaves its sockets, and the sockets' locks. */
	const char *const names[] = { socket_name, "oriel-0" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", place->dir, names[i]);
		assert_int_equal(unlink(path), 0);
		snprintf(path, sizeof(path), "%s/%s.lock", place->dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	free(socket_name);
}

static void absent_parent_fails_in_one_line(void **state) {
	struct place *place = *state;
	write_config(place, one_guest);
	start_nested(place, "wayland-none", 1);
	assert_int_equal(program_wait(&place->nested), 1);
	assert_non_null(strstr(place->nested.err.text, "no backend"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		TEST(guest_is_shown_in_the_window),
		TEST(mode_of_the_configuration_is_the_windows_size),
		TEST(closing_the_window_ends_it),
		TEST(closing_one_of_two_windows_goes_on_with_the_other),
		TEST(end_of_the_parent_ends_it),
		TEST(death_of_the_parent_ends_it),
		TEST(absent_parent_fails_in_one_line),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
