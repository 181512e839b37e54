/*
 * The compositor as a whole: it starts, idles, listens and ends, with nothing to show.
 */
#include "server.h"

#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "input.h"
#include "output/output.h"
#include "screenshot.h"
#include "xdg_client.h"

static void start_with_nothing_and_end_leaves_nothing(void **state) {
	/* More than once: what the first time leaves shows the second time. */
	for (int i = 0; i < 3; i++) {
		struct fixture fixture;
		fixture_init(&fixture, "");
		fixture_step_refreshes(&fixture, 1);
		fixture_finish(&fixture);
	}
}

static void create_without_start_is_destroyed_cleanly(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "output OUTPUT-1 {\n\tmode 64x64\n}\n");
	struct oriel_server *server = oriel_server_create(fixture.config);
	assert_non_null(server);
	oriel_server_destroy(server);
	oriel_server_destroy(NULL);
	fixture_finish(&fixture);
}

static void create_with_renderer_that_does_not_start_fails_and_leaves_nothing(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "guest a {\n\tsource synthetic 64x64\n}\n");
	setenv("WLR_RENDERER", "gles2", true);
	setenv("WLR_RENDER_DRM_DEVICE", "/dev/null", true);
	assert_null(oriel_server_create(fixture.config));
	setenv("WLR_RENDERER", "pixman", true);
	unsetenv("WLR_RENDER_DRM_DEVICE");
	fixture_finish(&fixture);
}

static void create_with_unknown_backend_fails_and_leaves_nothing(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "");
	setenv("WLR_BACKENDS", "no-such-backend", true);
	assert_null(oriel_server_create(fixture.config));
	setenv("WLR_BACKENDS", "headless", true);
	fixture_finish(&fixture);
}

static void output_without_content_shows_black(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "output OUTPUT-1 {\n\tmode 64x48\n}\n");
	struct screenshot screenshot =
			screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
	assert_int_equal(screenshot.width, 64);
	assert_int_equal(screenshot.height, 48);
	for (int i = 0; i < 64 * 48; i++) {
		assert_int_equal(screenshot.pixels[i], 0);
	}
	screenshot_finish(&screenshot);
	fixture_finish(&fixture);
}

struct frame_watch {
	size_t frames, commits;
	struct wl_listener frame, commit;
};

static void watch_handle_frame(struct wl_listener *listener, void *data) {
	struct frame_watch *watch = wl_container_of(listener, watch, frame);
	watch->frames++;
}

static void watch_handle_commit(struct wl_listener *listener, void *data) {
	struct frame_watch *watch = wl_container_of(listener, watch, commit);
	watch->commits++;
}

/* Steps through the time of so many refreshes, and tells what the output did in it. */
static struct frame_watch watch_output(struct fixture *fixture, int refreshes) {
	struct wlr_output *wlr_output =
			fixture_get_output(fixture, fixture_get_output_name(fixture, 0))->wlr_output;
	struct frame_watch watch = { 0 };
	watch.frame.notify = watch_handle_frame;
	wl_signal_add(&wlr_output->events.frame, &watch.frame);
	watch.commit.notify = watch_handle_commit;
	wl_signal_add(&wlr_output->events.commit, &watch.commit);
	for (int i = 0; i < refreshes; i++) {
		fixture_step(fixture, 1000000 / 60000);
	}
	wl_list_remove(&watch.frame.link);
	wl_list_remove(&watch.commit.link);
	return watch;
}

static void idle_without_guest_and_client_draws_nothing(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "output OUTPUT-1 {\n\tmode 64x64\n}\n");
	/* The first picture, and the frame event that its presentation brings. */
	fixture_step_refreshes(&fixture, 2);
	watch_output(&fixture, 4);
	struct frame_watch watch = watch_output(&fixture, 20);
	assert_int_equal(watch.frames, 0);
	assert_int_equal(watch.commits, 0);
	fixture_finish(&fixture);
}

static void idle_with_still_window_draws_nothing(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "output OUTPUT-1 {\n\tmode 64x64\n}\n");
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 32, 32, 0x123456);
	watch_output(&fixture, 4);
	struct frame_watch watch = watch_output(&fixture, 20);
	assert_int_equal(watch.frames, 0);
	assert_int_equal(watch.commits, 0);
	assert_int_equal(window->frame_count, 1);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

struct key_press {
	struct input *input;
	const uint32_t *keycodes;
};

static int handle_press_timer(void *data) {
	const struct key_press *press = data;
	input_type(press->input, press->keycodes);
	return 0;
}

static int handle_patience_timer(void *data) {
	fail_msg("the compositor does not end");
	return 0;
}

static void quit_binding_ends_the_event_loop(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "bind Super+Shift+e quit\n");
	struct input input;
	input_plug(&input, &fixture);
	const uint32_t keycodes[] = { KEY_LEFTMETA, KEY_LEFTSHIFT, KEY_E, 0 };
	struct key_press press = { .input = &input, .keycodes = keycodes };
	struct wl_event_loop *loop = fixture.server->loop;
	struct wl_event_source *timer = wl_event_loop_add_timer(loop, handle_press_timer, &press);
	struct wl_event_source *patience = wl_event_loop_add_timer(loop, handle_patience_timer, NULL);
	wl_event_source_timer_update(timer, 1);
	wl_event_source_timer_update(patience, FIXTURE_PATIENCE_S * 1000);
	wl_display_run(fixture.server->display);
	assert_false(fixture.server->failed);
	wl_event_source_remove(timer);
	wl_event_source_remove(patience);
	fixture_finish(&fixture);
}

static void exec_binding_runs_the_command(void **state) {
	struct fixture fixture;
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	char config_text[128];
	snprintf(config_text, sizeof(config_text), "bind Ctrl+x exec \"echo run >/proc/%d/fd/%d\"\n",
			(int)getpid(), pipe_fds[1]);
	fixture_init(&fixture, config_text);
	struct input input;
	input_plug(&input, &fixture);
	input_type(&input, (const uint32_t[]){ KEY_LEFTCTRL, KEY_X, 0 });
	struct pollfd pollfd = { .fd = pipe_fds[0], .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, FIXTURE_PATIENCE_S * 1000), 1);
	char said[8] = { 0 };
	assert_int_equal(read(pipe_fds[0], said, sizeof(said)), 4);
	assert_string_equal(said, "run\n");
	fixture_finish(&fixture);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_with_nothing_and_end_leaves_nothing),
		cmocka_unit_test(create_without_start_is_destroyed_cleanly),
		cmocka_unit_test(create_with_renderer_that_does_not_start_fails_and_leaves_nothing),
		cmocka_unit_test(create_with_unknown_backend_fails_and_leaves_nothing),
		cmocka_unit_test(output_without_content_shows_black),
		cmocka_unit_test(idle_without_guest_and_client_draws_nothing),
		cmocka_unit_test(idle_with_still_window_draws_nothing),
		cmocka_unit_test(quit_binding_ends_the_event_loop),
		cmocka_unit_test(exec_binding_runs_the_command),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
