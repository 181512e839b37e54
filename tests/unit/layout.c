#include "view/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/backend.h>
#include <wlr/backend/headless.h>
#include <wlr/backend/session.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>

#include <cmocka.h>

#include "bridge/render_sync.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "log_lines.h"
#include "view/guest_view.h"

/* Real outputs of wlroots' headless backend, in a real output layout, that nobody draws to. */
static struct {
	int fds_before;
	struct wl_display *display;
	struct wlr_backend *backend;
	struct wlr_output_layout *output_layout;
	struct wl_listener change;
	struct wlr_scene *scene;
	struct oriel_render_sync sync;
	struct oriel_layout layout;
} context;

static void handle_change(struct wl_listener *listener, void *data) {
	oriel_layout_arrange(&context.layout);
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	fake_sync_reset();
	context.display = wl_display_create();
	assert_non_null(context.display);
	context.backend = wlr_headless_backend_create(wl_display_get_event_loop(context.display));
	assert_non_null(context.backend);
	assert_true(wlr_backend_start(context.backend));
	context.output_layout = wlr_output_layout_create(context.display);
	assert_non_null(context.output_layout);
	context.scene = wlr_scene_create();
	assert_non_null(context.scene);
	oriel_layout_init(&context.layout, context.output_layout);
	context.change.notify = handle_change;
	wl_signal_add(&context.output_layout->events.change, &context.change);
	return 0;
}

static int teardown(void **state) {
	wl_list_remove(&context.change.link);
	oriel_layout_finish(&context.layout);
	assert_true(wl_list_empty(&context.layout.views));
	wlr_scene_node_destroy(&context.scene->tree.node);
	wlr_backend_destroy(context.backend);
	wl_display_destroy(context.display);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

/* To the right of those that are there. */
static struct wlr_output *add_output(const char *name, unsigned int width, unsigned int height) {
	struct wlr_output *output = wlr_headless_add_output(context.backend, width, height);
	assert_non_null(output);
	wlr_output_set_name(output, name);
	assert_non_null(wlr_output_layout_add_auto(context.output_layout, output));
	return output;
}

static struct oriel_guest_view *add_guest(const char *name, const char *output_name) {
	struct oriel_guest_view *view = oriel_guest_view_create(
			wl_display_get_event_loop(context.display), &context.scene->tree,
			&context.sync, &fake_driver_create(name)->base, output_name);
	assert_non_null(view);
	oriel_layout_add(&context.layout, view);
	return view;
}

static void select_guest(const char *name) {
	struct oriel_guest_view *view = oriel_layout_find(&context.layout, name);
	assert_non_null(view);
	oriel_layout_select(&context.layout, view);
}

static void assert_shown(const struct oriel_guest_view *view, struct wlr_output *output) {
	assert_ptr_equal(view->output, output);
	assert_true(view->tree->node.enabled);
	assert_ptr_equal(oriel_layout_get_view_at(&context.layout, output), view);
	struct wlr_box box;
	wlr_output_layout_get_box(context.output_layout, output, &box);
	assert_true(wlr_box_equal(&view->box, &box));
	assert_int_equal(view->tree->node.x, box.x);
	assert_int_equal(view->tree->node.y, box.y);
	assert_int_equal(view->background->width, box.width);
	assert_int_equal(view->background->height, box.height);
}

static void assert_hidden(const struct oriel_guest_view *view) {
	assert_null(view->output);
	assert_false(view->tree->node.enabled);
}

static void guest_without_output_is_hidden(void **state) {
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", "DP-1");
	assert_hidden(win);
	assert_hidden(lin);
	select_guest("lin");
	assert_hidden(lin);
}

static void guest_is_shown_on_the_output_it_names(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 1920, 1080);
	struct oriel_guest_view *win = add_guest("win", "DP-2");
	assert_shown(win, second);
	assert_int_equal(win->box.x, 640);
	assert_null(oriel_layout_get_view_at(&context.layout, first));
}

static void guest_that_names_an_unknown_output_is_hidden(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480);
	/* A part of a name is another name. */
	struct oriel_guest_view *win = add_guest("win", "DP-11");
	struct oriel_guest_view *lin = add_guest("lin", "DP");
	assert_hidden(win);
	assert_hidden(lin);
	assert_null(oriel_layout_get_view_at(&context.layout, first));
}

static void nameless_guest_is_shown_on_the_first_output_only(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 640, 480);
	struct oriel_guest_view *win = add_guest("win", NULL);
	assert_shown(win, first);
	assert_null(oriel_layout_get_view_at(&context.layout, second));
	struct oriel_guest_view *lin = add_guest("lin", NULL);
	assert_shown(win, first);
	assert_hidden(lin);
	assert_null(oriel_layout_get_view_at(&context.layout, second));
}

static void select_puts_a_guest_in_the_others_place(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 800, 600);
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", "DP-1");
	struct oriel_guest_view *mac = add_guest("mac", "DP-2");
	struct oriel_guest_view *bsd = add_guest("bsd", NULL);
	assert_shown(win, first);
	assert_shown(mac, second);

	select_guest("lin");
	assert_shown(lin, first);
	assert_hidden(win);
	assert_hidden(bsd);
	assert_shown(mac, second);

	select_guest("bsd");
	assert_shown(bsd, first);
	assert_hidden(lin);
	select_guest("bsd");
	assert_shown(bsd, first);
	select_guest("mac");
	assert_shown(bsd, first);
	assert_shown(mac, second);
	select_guest("win");
	assert_shown(win, first);
	assert_hidden(bsd);
}

static void find_knows_whole_names_only(void **state) {
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *win2 = add_guest("win2", NULL);
	assert_ptr_equal(oriel_layout_find(&context.layout, "win"), win);
	assert_ptr_equal(oriel_layout_find(&context.layout, "win2"), win2);
	assert_null(oriel_layout_find(&context.layout, "win3"));
	assert_null(oriel_layout_find(&context.layout, "wi"));
	assert_null(oriel_layout_find(&context.layout, ""));
}

static void output_added_shows_the_guest_that_waits_for_it(void **state) {
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", "DP-2");
	struct wlr_output *first = add_output("DP-1", 640, 480);
	assert_shown(win, first);
	assert_hidden(lin);
	struct wlr_output *second = add_output("DP-2", 640, 480);
	assert_shown(win, first);
	assert_shown(lin, second);
}

static void output_removed_hides_its_guest(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 640, 480);
	struct oriel_guest_view *win = add_guest("win", "DP-1");
	struct oriel_guest_view *lin = add_guest("lin", "DP-2");
	wlr_output_layout_remove(context.output_layout, second);
	assert_hidden(lin);
	assert_shown(win, first);
	assert_null(oriel_layout_get_view_at(&context.layout, second));
	wlr_output_layout_add_auto(context.output_layout, second);
	assert_shown(lin, second);
}

static void output_destroyed_hides_its_guest(void **state) {
	add_output("DP-1", 640, 480);
	struct wlr_output *second = add_output("DP-2", 640, 480);
	struct oriel_guest_view *lin = add_guest("lin", "DP-2");
	assert_shown(lin, second);
	wlr_output_destroy(second);
	assert_hidden(lin);
}

static void first_output_removed_hands_the_nameless_guest_on(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 800, 600);
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", "DP-2");
	assert_shown(win, first);
	assert_shown(lin, second);
	/* Of the two that now belong there, the one that is first in line. */
	wlr_output_layout_remove(context.output_layout, first);
	assert_shown(win, second);
	assert_hidden(lin);
	select_guest("lin");
	assert_shown(lin, second);
	assert_hidden(win);
	wlr_output_destroy(second);
	assert_hidden(win);
	assert_hidden(lin);
}

static void output_that_moves_takes_its_guest_along(void **state) {
	struct wlr_output *first = add_output("DP-1", 640, 480);
	struct oriel_guest_view *win = add_guest("win", NULL);
	wlr_output_layout_add(context.output_layout, first, 300, 200);
	assert_shown(win, first);
	assert_int_equal(win->box.x, 300);
	assert_int_equal(win->box.y, 200);
}

static const struct fake_driver *get_driver(const struct oriel_guest_view *view) {
	const struct fake_driver *driver = wl_container_of(view->source, driver, base);
	return driver;
}

static void assert_has_monitor(const struct oriel_guest_view *view, int width, int height) {
	assert_true(get_driver(view)->has_monitor);
	assert_int_equal(get_driver(view)->monitor.width, width);
	assert_int_equal(get_driver(view)->monitor.height, height);
}

static void assert_has_no_monitor(const struct oriel_guest_view *view) {
	assert_true(get_driver(view)->monitors > 0);
	assert_false(get_driver(view)->has_monitor);
}

static void guest_behind_another_has_the_outputs_monitor(void **state) {
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", NULL);
	struct oriel_guest_view *mac = add_guest("mac", "DP-2");
	struct wlr_output *first = add_output("DP-1", 640, 480);
	assert_shown(win, first);
	assert_hidden(lin);
	assert_has_monitor(win, 640, 480);
	assert_has_monitor(lin, 640, 480);
	add_output("DP-2", 800, 600);
	struct oriel_guest_view *bsd = add_guest("bsd", "DP-2");
	assert_has_monitor(mac, 800, 600);
	assert_has_monitor(bsd, 800, 600);

	struct wlr_output_state output_state;
	wlr_output_state_init(&output_state);
	wlr_output_state_set_enabled(&output_state, true);
	wlr_output_state_set_custom_mode(&output_state, 1000, 701, 0);
	assert_true(wlr_output_commit_state(first, &output_state));
	wlr_output_state_finish(&output_state);
	assert_has_monitor(win, 1000, 701);
	assert_has_monitor(lin, 1000, 701);
	assert_has_monitor(bsd, 800, 600);
}

static void guest_has_a_monitor_while_its_output_is_there(void **state) {
	struct oriel_guest_view *win = add_guest("win", "DP-1");
	struct oriel_guest_view *head = add_guest("win:1", "DP-2");
	struct oriel_guest_view *lin = add_guest("lin", "DP-2");
	assert_has_no_monitor(win);
	assert_has_no_monitor(head);
	add_output("DP-1", 640, 480);
	assert_has_monitor(win, 640, 480);
	assert_has_no_monitor(head);
	struct wlr_output *second = add_output("DP-2", 800, 600);
	assert_has_monitor(head, 800, 600);
	assert_has_monitor(lin, 800, 600);
	wlr_output_layout_remove(context.output_layout, second);
	assert_has_no_monitor(head);
	assert_has_no_monitor(lin);
	assert_has_monitor(win, 640, 480);
	wlr_output_layout_add_auto(context.output_layout, second);
	assert_has_monitor(head, 800, 600);
	wlr_output_destroy(second);
	assert_has_no_monitor(head);
	assert_has_no_monitor(lin);
}

/* wlroots destroys the outputs of KMS then, and makes them again. */
static void guest_keeps_its_monitor_while_another_session_has_the_outputs(void **state) {
	struct wlr_session session = { .active = true };
	context.layout.session = &session;
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *head = add_guest("win:1", "DP-2");
	struct wlr_output *first = add_output("DP-1", 640, 480),
			  *second = add_output("DP-2", 800, 600);
	session.active = false;
	wlr_output_destroy(first);
	wlr_output_destroy(second);
	assert_hidden(win);
	assert_hidden(head);
	assert_has_monitor(win, 640, 480);
	assert_has_monitor(head, 800, 600);

	session.active = true;
	add_output("DP-1", 640, 480);
	assert_has_monitor(win, 640, 480);
	/* This one was unplugged meanwhile. */
	assert_has_no_monitor(head);
}

static void submit(struct oriel_guest_view *view) {
	struct oriel_guest_buffer *buffer = fake_sync_create_shared();
	assert_true(oriel_source_submit(
			view->source, &(struct oriel_source_picture){ .buffer = buffer }));
	oriel_guest_buffer_drop(buffer);
}

static void blank_reaches_every_guest(void **state) {
	add_output("DP-1", 640, 480);
	struct oriel_guest_view *win = add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", "DP-9");
	submit(win);
	submit(lin);
	assert_non_null(win->primary.scene_buffer->buffer);
	assert_non_null(lin->primary.scene_buffer->buffer);
	oriel_layout_blank(&context.layout);
	assert_null(win->primary.scene_buffer->buffer);
	assert_null(lin->primary.scene_buffer->buffer);
	assert_int_equal(oriel_source_get_counters(win->source).released, 1);
	assert_int_equal(oriel_source_get_counters(lin->source).released, 1);
}

static void print_stats_has_a_line_for_each_guest(void **state) {
	add_guest("win", NULL);
	struct oriel_guest_view *lin = add_guest("lin", NULL);
	submit(lin);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	oriel_layout_print_stats(&context.layout, stream);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(strncmp(text, "guest ", 6), 0);
	const char *win_line = strstr(text, "\nwin "), *lin_line = strstr(text, "\nlin ");
	assert_non_null(win_line);
	assert_non_null(lin_line);
	/* The first figure is the frames taken. */
	assert_int_equal(strtoul(win_line + 5, NULL, 10), 0);
	assert_int_equal(strtoul(lin_line + 5, NULL, 10), 1);
	size_t lines = 0;
	for (const char *c = text; *c != '\0'; c++) {
		lines += *c == '\n';
	}
	assert_int_equal(lines, 3);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(guest_without_output_is_hidden),
		TEST(guest_is_shown_on_the_output_it_names),
		TEST(guest_that_names_an_unknown_output_is_hidden),
		TEST(nameless_guest_is_shown_on_the_first_output_only),
		TEST(select_puts_a_guest_in_the_others_place),
		TEST(find_knows_whole_names_only),
		TEST(output_added_shows_the_guest_that_waits_for_it),
		TEST(output_removed_hides_its_guest),
		TEST(output_destroyed_hides_its_guest),
		TEST(first_output_removed_hands_the_nameless_guest_on),
		TEST(output_that_moves_takes_its_guest_along),
		TEST(guest_behind_another_has_the_outputs_monitor),
		TEST(guest_has_a_monitor_while_its_output_is_there),
		TEST(guest_keeps_its_monitor_while_another_session_has_the_outputs),
		TEST(blank_reaches_every_guest),
		TEST(print_stats_has_a_line_for_each_guest),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
