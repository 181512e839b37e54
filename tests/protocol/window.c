/*
 * Wayland clients beside a guest: windows and popups on screen, keyboard and pointer, and clients
 * that die in the middle of something.
 */
#include "shell/xdg.h"

#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-client.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/source.h"
#include "input.h"
#include "output/output.h"
#include "screenshot.h"
#include "server.h"
#include "synthetic_picture.h"
#include "view/guest_view.h"
#include "xdg-decoration-unstable-v1-client-protocol.h"
#include "xdg-shell-client-protocol.h"
#include "xdg_client.h"

#define WIDTH 256
#define HEIGHT 192

/* An output of 256x192 with a guest of that size. */
static void init_with_guest(struct fixture *fixture) {
	fixture_init(fixture,
			"output OUTPUT-1 {\n\tmode 256x192\n}\n"
			"guest a {\n\tsource synthetic 256x192\n}\n"
			"bind Super+1 guest a\nbind Super+q close\nbind F5 close\n");
}

/* The box shows the colour, and all the rest of the output shows the guest. */
static void assert_box_over_guest(
		struct fixture *fixture, int left, int top, int width, int height, uint32_t rgb) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, "a");
	fixture_step_refreshes(fixture, 2);
	uint64_t first = oriel_source_get_counters(view->source).taken;
	struct screenshot screenshot = screenshot_take(fixture, fixture_get_output_name(fixture, 0));
	uint64_t last = oriel_source_get_counters(view->source).taken;
	const struct wlr_box box = { left, top, width, height };
	synthetic_picture_find_behind(&screenshot, &box, rgb, first - 1, last - 1);
	screenshot_finish(&screenshot);
}

static void assert_only_guest(struct fixture *fixture) {
	assert_box_over_guest(fixture, 0, 0, 0, 0, 0);
}

/* The n-th event that a client got is this one. */
static void assert_event(const struct xdg_client_key *event, uint32_t keycode, uint32_t state) {
	assert_int_equal(event->keycode, keycode);
	assert_int_equal(event->state, state);
}

static struct xdg_window *show_window(struct xdg_client *client, int width, int height, uint32_t rgb) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, width, height, rgb);
	return window;
}

/* Windows */

static void window_is_mapped_over_the_guest_in_the_middle_and_goes_when_closed(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	/* The size is the client's to choose. */
	assert_int_equal(window->width, 0);
	assert_int_equal(window->height, 0);
	assert_only_guest(&fixture);

	xdg_window_draw(window, 64, 32, 0xaa5500);
	xdg_window_wait_frame(window);
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0xaa5500);
	assert_true(window->is_activated);

	xdg_window_draw(window, 64, 32, 0x0055aa);
	xdg_window_wait_frame(window);
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0x0055aa);

	xdg_window_hide(window);
	assert_only_guest(&fixture);
	xdg_window_show(window, 16, 16, 0x00ff00);
	assert_box_over_guest(&fixture, 120, 88, 16, 16, 0x00ff00);

	xdg_window_destroy(window);
	xdg_client_roundtrip(client);
	assert_only_guest(&fixture);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void animated_window_gets_a_frame_callback_at_each_refresh(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xff0000);
	xdg_window_animate(window);
	size_t before = window->frame_count;
	fixture_step_refreshes(&fixture, 20);
	/* The first refresh may have been under way, and the last one's callback still is. */
	assert_true(window->frame_count - before >= 18);
	assert_true(window->frame_count - before <= 20);

	/* Nobody can see it: no callbacks. */
	window->is_animated = false;
	xdg_window_wait_frame(window);
	xdg_window_hide(window);
	before = window->frame_count;
	fixture_step_refreshes(&fixture, 5);
	assert_int_equal(window->frame_count, before);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void maximized_window_fills_the_output_and_goes_back(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	xdg_toplevel_set_maximized(window->toplevel);
	xdg_client_roundtrip(client);
	assert_true(window->is_maximized);
	assert_int_equal(window->width, WIDTH);
	assert_int_equal(window->height, HEIGHT);
	xdg_window_draw(window, WIDTH, HEIGHT, 0x112233);
	xdg_window_wait_frame(window);
	assert_box_over_guest(&fixture, 0, 0, WIDTH, HEIGHT, 0x112233);

	xdg_toplevel_unset_maximized(window->toplevel);
	xdg_client_roundtrip(client);
	assert_false(window->is_maximized);
	assert_int_equal(window->width, 64);
	assert_int_equal(window->height, 32);
	xdg_window_draw(window, 64, 32, 0x332211);
	xdg_window_wait_frame(window);
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0x332211);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void assert_fullscreen(struct fixture *fixture, struct xdg_window *window) {
	assert_true(window->is_fullscreen);
	assert_int_equal(window->width, WIDTH);
	assert_int_equal(window->height, HEIGHT);
	xdg_window_draw(window, 100, 100, 0xff00ff);
	xdg_window_wait_frame(window);
	struct screenshot screenshot = screenshot_take(fixture, fixture_get_output_name(fixture, 0));
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			bool inside = x >= 78 && x < 178 && y >= 46 && y < 146;
			assert_int_equal(screenshot_get_pixel(&screenshot, x, y),
					inside ? 0xff00ff : 0);
		}
	}
	screenshot_finish(&screenshot);
}

static void fullscreen_window_hides_the_guest_even_if_it_is_smaller(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_toplevel_set_fullscreen(window->toplevel, NULL);
	xdg_window_configure(window);
	/* There and back, more than once. */
	for (int i = 0; i < 2; i++) {
		assert_fullscreen(&fixture, window);
		xdg_toplevel_unset_fullscreen(window->toplevel);
		xdg_client_roundtrip(client);
		assert_false(window->is_fullscreen);
		xdg_window_draw(window, 64, 32, 0xff00ff);
		xdg_window_wait_frame(window);
		assert_box_over_guest(&fixture, 96, 80, 64, 32, 0xff00ff);
		xdg_toplevel_set_fullscreen(window->toplevel, NULL);
		xdg_client_roundtrip(client);
	}
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void guest_behind_opaque_window_is_asked_again_when_it_goes(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, WIDTH, HEIGHT, 0xaa5500);
	fixture_step_refreshes(&fixture, 2);
	const struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	uint64_t taken = oriel_source_get_counters(view->source).taken;
	fixture_step_refreshes(&fixture, 4);
	assert_int_equal(oriel_source_get_counters(view->source).taken, taken);
	assert_box_over_guest(&fixture, 0, 0, WIDTH, HEIGHT, 0xaa5500);

	xdg_window_destroy(window);
	xdg_client_roundtrip(client);
	assert_only_guest(&fixture);
	assert_true(oriel_source_get_counters(view->source).taken > taken);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void decoration_handle_configure(
		void *data, struct zxdg_toplevel_decoration_v1 *decoration, uint32_t mode) {
	uint32_t *configured_mode = data;
	*configured_mode = mode;
}

static const struct zxdg_toplevel_decoration_v1_listener decoration_listener = {
	.configure = decoration_handle_configure,
};

static void decoration_is_always_the_clients(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = xdg_window_create(client);
	uint32_t mode = 0;
	struct zxdg_toplevel_decoration_v1 *decoration =
			zxdg_decoration_manager_v1_get_toplevel_decoration(
					client->decorations, window->toplevel);
	zxdg_toplevel_decoration_v1_add_listener(decoration, &decoration_listener, &mode);
	xdg_window_show(window, 64, 32, 0xaa5500);
	assert_int_equal(mode, ZXDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
	/* A request is answered, whatever it asks for; that the mode has not changed is not news. */
	window->configure_count = 0;
	zxdg_toplevel_decoration_v1_set_mode(
			decoration, ZXDG_TOPLEVEL_DECORATION_V1_MODE_SERVER_SIDE);
	xdg_client_roundtrip(client);
	assert_int_equal(window->configure_count, 1);
	assert_int_equal(mode, ZXDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
	zxdg_toplevel_decoration_v1_destroy(decoration);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void window_of_destroyed_output_is_back_with_the_next_one(void **state) {
	struct fixture fixture;
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 128x96\n}\noutput OUTPUT-2 {\n\tmode 128x96\n}\n");
	unsetenv("WLR_HEADLESS_OUTPUTS");
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	struct xdg_window *maximized = xdg_window_create(client);
	xdg_toplevel_set_maximized(maximized->toplevel);
	xdg_window_show(maximized, 128, 96, 0x00aa55);

	for (int i = 0; i < 2; i++) {
		wlr_output_destroy(fixture_get_output(&fixture, fixture_get_output_name(&fixture, 0))
						->wlr_output);
		xdg_client_roundtrip(client);
		if (i == 1) {
			break;
		}
		xdg_window_draw(window, 64, 32, 0xaa5500);
		xdg_window_draw(maximized, 128, 96, 0x00aa55);
		xdg_window_wait_frame(maximized);
		struct screenshot screenshot =
				screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
		assert_int_equal(screenshot_get_pixel(&screenshot, 0, 0), 0x00aa55);
		assert_int_equal(screenshot_get_pixel(&screenshot, 127, 95), 0x00aa55);
		screenshot_finish(&screenshot);
	}
	/* No output at all. */
	xdg_window_draw(window, 64, 32, 0xaa5500);
	xdg_client_roundtrip(client);
	assert_int_equal(wl_display_get_error(client->display), 0);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

/* Keyboard */

static void keys_reach_the_window_and_those_of_bindings_do_not(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	assert_ptr_equal(client->keyboard.focus, window->surface);

	input_type(&input, (const uint32_t[]){ KEY_LEFTSHIFT, KEY_A, 0 });
	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_Q, 0 });
	/* The modifier goes up first: the key's release is nothing to the client either. */
	input_key(&input, KEY_LEFTMETA, true);
	input_key(&input, KEY_Q, true);
	input_key(&input, KEY_LEFTMETA, false);
	input_key(&input, KEY_Q, false);
	input_type(&input, (const uint32_t[]){ KEY_Q, 0 });
	xdg_client_roundtrip(client);

	static const struct xdg_client_key wanted[] = {
		{ KEY_LEFTSHIFT, 1 },
		{ KEY_A, 1 },
		{ KEY_A, 0 },
		{ KEY_LEFTSHIFT, 0 },
		{ KEY_LEFTMETA, 1 },
		{ KEY_LEFTMETA, 0 },
		{ KEY_LEFTMETA, 1 },
		{ KEY_LEFTMETA, 0 },
		{ KEY_Q, 1 },
		{ KEY_Q, 0 },
	};
	assert_int_equal(client->keyboard.key_count, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_event(&client->keyboard.keys[i], wanted[i].keycode, wanted[i].state);
	}
	assert_int_equal(client->keyboard.modifiers, 0);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void focus_with_binding_key_held_does_not_tell_of_that_key(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	input_key(&input, KEY_LEFTMETA, true);
	input_key(&input, KEY_1, true);
	input_key(&input, KEY_B, true);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_int_equal(client->keyboard.held_count, 2);
	input_key(&input, KEY_1, false);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 0);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void keyboard_unplugged_with_key_held_leaves_no_key_behind(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	show_window(client, 64, 32, 0xaa5500);
	input_key(&input, KEY_A, true);
	xdg_client_roundtrip(client);
	input_unplug(&input);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 2);
	assert_event(&client->keyboard.keys[1], KEY_A, 0);

	/* The next one works as well. */
	input_plug(&input, &fixture);
	input_key(&input, KEY_B, true);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 3);
	assert_event(&client->keyboard.keys[2], KEY_B, 1);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void guest_binding_hides_the_windows_and_takes_their_keyboard(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	assert_only_guest(&fixture);
	assert_null(client->keyboard.focus);
	assert_false(window->is_activated);
	input_type(&input, (const uint32_t[]){ KEY_B, 0 });
	input_move(&input, 100, 90);
	input_click(&input, BTN_LEFT);
	xdg_client_roundtrip(client);
	/* The modifier's press, before the binding. */
	assert_int_equal(client->keyboard.key_count, 1);
	assert_null(client->pointer.focus);
	assert_int_equal(client->pointer.button_count, 0);

	/* The same again brings them back. */
	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0xaa5500);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_true(window->is_activated);
	input_move(&input, 101, 91);
	input_click(&input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_int_equal(client->pointer.button_count, 2);

	/* And so does a window that comes up. */
	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	assert_only_guest(&fixture);
	struct xdg_window *second = show_window(client, WIDTH, HEIGHT, 0x0055aa);
	assert_ptr_equal(client->keyboard.focus, second->surface);
	assert_box_over_guest(&fixture, 0, 0, WIDTH, HEIGHT, 0x0055aa);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void close_binding_asks_the_focused_window_and_the_next_gets_the_keyboard(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	/* With nothing there it does nothing. */
	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_Q, 0 });
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_client *other = xdg_client_create(&fixture);
	struct xdg_window *first = show_window(client, 64, 32, 0xaa5500);
	struct xdg_window *second = show_window(other, 64, 32, 0x0055aa);
	xdg_client_roundtrip(client);
	assert_null(client->keyboard.focus);
	assert_ptr_equal(other->keyboard.focus, second->surface);
	assert_false(first->is_activated);
	assert_true(second->is_activated);

	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_Q, 0 });
	xdg_client_roundtrip(other);
	assert_true(second->is_close_requested);
	assert_false(first->is_close_requested);
	xdg_window_destroy(second);
	xdg_client_roundtrip(other);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, first->surface);
	assert_true(first->is_activated);
	xdg_client_destroy(other);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

/* Pointer */

static void pointer_enters_moves_presses_scrolls_and_leaves(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	input_move(&input, 10, 10);
	xdg_client_roundtrip(client);
	/* The pointer is on the output's only guest, which is no client. */
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	assert_null(client->pointer.focus);

	input_move(&input, 100.5, 90.25);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_true(client->pointer.sx == 4.5 && client->pointer.sy == 10.25);
	input_move(&input, 101, 91);
	input_click(&input, BTN_LEFT);
	input_click(&input, BTN_RIGHT);
	input_scroll(&input, 15);
	xdg_client_roundtrip(client);
	assert_true(client->pointer.sx == 5 && client->pointer.sy == 11);
	assert_int_equal(client->pointer.button_count, 4);
	assert_event(&client->pointer.buttons[0], BTN_LEFT, 1);
	assert_event(&client->pointer.buttons[1], BTN_LEFT, 0);
	assert_event(&client->pointer.buttons[2], BTN_RIGHT, 1);
	assert_event(&client->pointer.buttons[3], BTN_RIGHT, 0);
	assert_true(client->pointer.scrolled == 15);

	input_move(&input, 10, 10);
	xdg_client_roundtrip(client);
	assert_null(client->pointer.focus);
	input_click(&input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_int_equal(client->pointer.button_count, 4);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void pressed_pointer_stays_with_its_window_until_released(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	input_move(&input, 100, 90);
	input_button(&input, BTN_LEFT, true);
	input_move(&input, 200, 10);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_true(client->pointer.sx == 104 && client->pointer.sy == -70);
	input_button(&input, BTN_LEFT, false);
	xdg_client_roundtrip(client);
	assert_int_equal(client->pointer.button_count, 2);
	assert_null(client->pointer.focus);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void press_on_a_window_behind_brings_it_to_the_front(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *behind = show_window(client, 128, 96, 0xaa5500);
	struct xdg_window *front = show_window(client, 16, 16, 0x0055aa);
	/* The second window is placed a little further down and to the right. */
	struct screenshot screenshot =
			screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
	assert_int_equal(screenshot_get_pixel(&screenshot, 128 + 32, 96 + 32), 0x0055aa);
	assert_int_equal(screenshot_get_pixel(&screenshot, 70, 55), 0xaa5500);
	screenshot_finish(&screenshot);
	assert_true(front->is_activated);

	input_move(&input, 70, 55);
	input_click(&input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, behind->surface);
	assert_true(behind->is_activated);
	assert_false(front->is_activated);
	assert_box_over_guest(&fixture, 64, 48, 128, 96, 0xaa5500);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void window_is_moved_by_the_pointer(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	input_move(&input, 100, 90);
	input_button(&input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	xdg_toplevel_move(window->toplevel, client->seat, client->serial);
	xdg_client_roundtrip(client);
	input_move(&input, 50, 50);
	assert_box_over_guest(&fixture, 46, 40, 64, 32, 0xaa5500);
	input_button(&input, BTN_LEFT, false);
	input_move(&input, 200, 150);
	assert_box_over_guest(&fixture, 46, 40, 64, 32, 0xaa5500);

	/* With a serial that is no press of now: refused. */
	xdg_toplevel_move(window->toplevel, client->seat, client->serial);
	xdg_client_roundtrip(client);
	input_move(&input, 10, 10);
	assert_box_over_guest(&fixture, 46, 40, 64, 32, 0xaa5500);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

static void window_resized_by_its_left_edge_keeps_the_right_one(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	input_move(&input, 97, 90);
	input_button(&input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	xdg_toplevel_resize(window->toplevel, client->seat, client->serial,
			XDG_TOPLEVEL_RESIZE_EDGE_LEFT);
	xdg_client_roundtrip(client);
	assert_true(window->is_resizing);
	input_move(&input, 77, 90);
	xdg_client_roundtrip(client);
	assert_int_equal(window->width, 84);
	assert_int_equal(window->height, 32);
	xdg_window_draw(window, 84, 32, 0xaa5500);
	assert_box_over_guest(&fixture, 76, 80, 84, 32, 0xaa5500);
	input_button(&input, BTN_LEFT, false);
	xdg_client_roundtrip(client);
	assert_false(window->is_resizing);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

/* Popups */

static void popup_is_shown_at_its_place_and_goes_with_its_parent(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	struct xdg_window *popup = xdg_window_create_popup(window, 70, -20, 24, 16);
	xdg_window_show(popup, 24, 16, 0x00ffff);
	assert_int_equal(popup->x, 70);
	assert_int_equal(popup->y, -20);
	struct screenshot screenshot =
			screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
	assert_int_equal(screenshot_get_pixel(&screenshot, 96 + 70, 60), 0x00ffff);
	assert_int_equal(screenshot_get_pixel(&screenshot, 96 + 70 + 23, 60 + 15), 0x00ffff);
	assert_int_not_equal(screenshot_get_pixel(&screenshot, 96 + 70 + 24, 60), 0x00ffff);
	assert_int_not_equal(screenshot_get_pixel(&screenshot, 96 + 70, 59), 0x00ffff);
	assert_int_equal(screenshot_get_pixel(&screenshot, 96, 80), 0xaa5500);
	screenshot_finish(&screenshot);

	xdg_window_hide(window);
	assert_only_guest(&fixture);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

/* A menu: a popup with a grab, opened by a press on its window. */
static struct xdg_window *open_menu(
		struct input *input, struct xdg_client *client, struct xdg_window *parent) {
	input_move(input, 100, 90);
	input_button(input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	struct xdg_window *menu = xdg_window_create_popup(parent, 4, 10, 40, 40);
	xdg_popup_grab(menu->popup, client->seat, client->serial);
	xdg_window_show(menu, 40, 40, 0x00ffff);
	input_button(input, BTN_LEFT, false);
	xdg_client_roundtrip(client);
	return menu;
}

static void menus_client_has_the_keyboard_and_a_press_elsewhere_dismisses_it(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	struct xdg_window *menu = open_menu(&input, client, window);
	/* Which of its surfaces gets them is the client's affair: it knows of its menu. */
	input_type(&input, (const uint32_t[]){ KEY_DOWN, 0 });
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 2);
	assert_false(menu->is_close_requested);
	input_move(&input, 120, 110);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, menu->surface);

	/* On the guest. */
	input_move(&input, 10, 10);
	input_click(&input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_true(menu->is_close_requested);
	xdg_window_destroy(menu);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0xaa5500);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

/* Drag and drop, and the clipboard */

struct offer {
	struct wl_data_device *device;
	struct wl_data_offer *wl_offer; /* the last one */
	char mime_type[64];
	struct wl_surface *surface; /* that a drag is over */
	bool is_dropped;
};

static void offer_handle_offer(void *data, struct wl_data_offer *wl_offer, const char *mime_type) {
	struct offer *offer = data;
	snprintf(offer->mime_type, sizeof(offer->mime_type), "%s", mime_type);
}

static void offer_ignore_source_actions(void *data, struct wl_data_offer *wl_offer, uint32_t actions) {
}

static void offer_ignore_action(void *data, struct wl_data_offer *wl_offer, uint32_t action) {}

static const struct wl_data_offer_listener offer_listener = {
	.offer = offer_handle_offer,
	.source_actions = offer_ignore_source_actions,
	.action = offer_ignore_action,
};

static void device_handle_data_offer(
		void *data, struct wl_data_device *device, struct wl_data_offer *wl_offer) {
	struct offer *offer = data;
	if (offer->wl_offer != NULL) {
		wl_data_offer_destroy(offer->wl_offer);
	}
	offer->wl_offer = wl_offer;
	wl_data_offer_add_listener(wl_offer, &offer_listener, offer);
}

static void device_handle_enter(void *data, struct wl_data_device *device, uint32_t serial,
		struct wl_surface *surface, wl_fixed_t sx, wl_fixed_t sy,
		struct wl_data_offer *wl_offer) {
	struct offer *offer = data;
	offer->surface = surface;
	if (wl_offer != NULL) {
		wl_data_offer_accept(wl_offer, serial, offer->mime_type);
		wl_data_offer_set_actions(wl_offer, WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY,
				WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY);
	}
}

static void device_handle_leave(void *data, struct wl_data_device *device) {
	struct offer *offer = data;
	offer->surface = NULL;
}

static void device_ignore_motion(void *data, struct wl_data_device *device, uint32_t time_ms,
		wl_fixed_t sx, wl_fixed_t sy) {}

static void device_handle_drop(void *data, struct wl_data_device *device) {
	struct offer *offer = data;
	offer->is_dropped = true;
}

static void device_ignore_selection(
		void *data, struct wl_data_device *device, struct wl_data_offer *wl_offer) {}

static const struct wl_data_device_listener device_listener = {
	.data_offer = device_handle_data_offer,
	.enter = device_handle_enter,
	.leave = device_handle_leave,
	.motion = device_ignore_motion,
	.drop = device_handle_drop,
	.selection = device_ignore_selection,
};

static void offer_init(struct offer *offer, struct xdg_client *client) {
	*offer = (struct offer){
		.device = wl_data_device_manager_get_data_device(client->data_devices, client->seat),
	};
	wl_data_device_add_listener(offer->device, &device_listener, offer);
	xdg_client_roundtrip(client);
}

static void offer_finish(struct offer *offer) {
	if (offer->wl_offer != NULL) {
		wl_data_offer_destroy(offer->wl_offer);
	}
	wl_data_device_destroy(offer->device);
}

static void source_handle_target(void *data, struct wl_data_source *source, const char *mime_type) {}

static void source_handle_send(
		void *data, struct wl_data_source *source, const char *mime_type, int32_t fd) {
	assert_int_equal(write(fd, "data", 4), 4);
	close(fd);
}

static void source_handle_cancelled(void *data, struct wl_data_source *source) {
	bool *is_cancelled = data;
	*is_cancelled = true;
}

static void source_ignore(void *data, struct wl_data_source *source) {}

static void source_ignore_action(void *data, struct wl_data_source *source, uint32_t action) {}

static const struct wl_data_source_listener source_listener = {
	.target = source_handle_target,
	.send = source_handle_send,
	.cancelled = source_handle_cancelled,
	.dnd_drop_performed = source_ignore,
	.dnd_finished = source_ignore,
	.action = source_ignore_action,
};

static struct wl_data_source *create_source(struct xdg_client *client, bool *is_cancelled) {
	struct wl_data_source *source =
			wl_data_device_manager_create_data_source(client->data_devices);
	wl_data_source_add_listener(source, &source_listener, is_cancelled);
	wl_data_source_offer(source, "text/plain");
	return source;
}

/* What the offer's source gives, read by way of the compositor. */
static void assert_receives(struct xdg_client *client, struct xdg_client *from, struct offer *offer) {
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	wl_data_offer_receive(offer->wl_offer, "text/plain", pipe_fds[1]);
	close(pipe_fds[1]);
	xdg_client_roundtrip(client);
	xdg_client_roundtrip(from);
	char text[8] = { 0 };
	assert_int_equal(read(pipe_fds[0], text, sizeof(text)), 4);
	assert_string_equal(text, "data");
	close(pipe_fds[0]);
}

static void selection_of_one_client_is_offered_to_the_next_that_gets_the_keyboard(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *from = xdg_client_create(&fixture);
	struct xdg_client *to = xdg_client_create(&fixture);
	struct offer from_offer, to_offer;
	offer_init(&from_offer, from);
	offer_init(&to_offer, to);
	show_window(from, 64, 32, 0xaa5500);
	input_type(&input, (const uint32_t[]){ KEY_C, 0 });
	xdg_client_roundtrip(from);
	bool is_cancelled = false;
	struct wl_data_source *source = create_source(from, &is_cancelled);
	wl_data_device_set_selection(from_offer.device, source, from->serial);
	xdg_client_roundtrip(from);
	assert_null(to_offer.wl_offer);

	show_window(to, 64, 32, 0x0055aa);
	xdg_client_roundtrip(to);
	assert_non_null(to_offer.wl_offer);
	assert_string_equal(to_offer.mime_type, "text/plain");
	assert_receives(to, from, &to_offer);
	assert_false(is_cancelled);
	wl_data_source_destroy(source);
	offer_finish(&from_offer);
	offer_finish(&to_offer);
	xdg_client_destroy(to);
	xdg_client_destroy(from);
	fixture_finish(&fixture);
}

/* The drag begins on from's window. A corner of to's is at 172,140, beyond it. */
struct drag {
	struct fixture fixture;
	struct input input;
	struct xdg_client *from, *to;
	struct xdg_window *from_window, *to_window;
	struct offer from_offer, to_offer;
	struct wl_data_source *source;
	struct wl_surface *icon;
	bool is_cancelled;
};

static void drag_begin(struct drag *drag) {
	*drag = (struct drag){ 0 };
	init_with_guest(&drag->fixture);
	input_plug(&drag->input, &drag->fixture);
	drag->from = xdg_client_create(&drag->fixture);
	drag->to = xdg_client_create(&drag->fixture);
	offer_init(&drag->from_offer, drag->from);
	offer_init(&drag->to_offer, drag->to);
	drag->from_window = show_window(drag->from, 80, 60, 0xaa5500);
	drag->to_window = show_window(drag->to, 32, 32, 0x0055aa);

	input_move(&drag->input, 95, 75);
	input_button(&drag->input, BTN_LEFT, true);
	xdg_client_roundtrip(drag->from);
	assert_ptr_equal(drag->from->pointer.focus, drag->from_window->surface);
	drag->source = create_source(drag->from, &drag->is_cancelled);
	wl_data_source_set_actions(drag->source, WL_DATA_DEVICE_MANAGER_DND_ACTION_COPY);
	drag->icon = wl_compositor_create_surface(drag->from->compositor);
	wl_data_device_start_drag(drag->from_offer.device, drag->source, drag->from_window->surface,
			drag->icon, drag->from->serial);
	wl_surface_commit(drag->icon);
	xdg_client_roundtrip(drag->from);
}

static void drag_finish_objects_of_from(struct drag *drag) {
	wl_surface_destroy(drag->icon);
	wl_data_source_destroy(drag->source);
	offer_finish(&drag->from_offer);
}

/* The compositor still serves keyboard and pointer, and still shows the guest. */
static void assert_goes_on(struct fixture *fixture, struct input *input) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, "a");
	uint64_t taken = oriel_source_get_counters(view->source).taken;
	struct xdg_client *client = xdg_client_create(fixture);
	struct xdg_window *window = show_window(client, WIDTH, HEIGHT, 0x555555);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	input_type(input, (const uint32_t[]){ KEY_Z, 0 });
	input_move(input, 5, 5);
	input_move(input, 20, 30);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 2);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_true(client->pointer.sx == 20 && client->pointer.sy == 30);
	input_click(input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_int_equal(client->pointer.button_count, 2);
	xdg_client_destroy(client);
	fixture_step_refreshes(fixture, 2);
	assert_true(oriel_source_get_counters(view->source).taken > taken);
}

static void drag_drops_on_another_client(void **state) {
	struct drag drag;
	drag_begin(&drag);
	input_move(&drag.input, 172, 140);
	xdg_client_roundtrip(drag.to);
	assert_ptr_equal(drag.to_offer.surface, drag.to_window->surface);
	assert_string_equal(drag.to_offer.mime_type, "text/plain");
	xdg_client_roundtrip(drag.from);
	input_button(&drag.input, BTN_LEFT, false);
	xdg_client_roundtrip(drag.to);
	assert_true(drag.to_offer.is_dropped);
	assert_receives(drag.to, drag.from, &drag.to_offer);
	assert_false(drag.is_cancelled);
	wl_data_offer_finish(drag.to_offer.wl_offer);
	xdg_client_roundtrip(drag.to);
	drag_finish_objects_of_from(&drag);
	offer_finish(&drag.to_offer);
	xdg_client_destroy(drag.from);
	xdg_client_destroy(drag.to);
	assert_goes_on(&drag.fixture, &drag.input);
	fixture_finish(&drag.fixture);
}

/* Death */

static void client_that_dies_while_it_drags_takes_nobody_along(void **state) {
	struct drag drag;
	drag_begin(&drag);
	input_move(&drag.input, 172, 140);
	xdg_client_roundtrip(drag.to);
	assert_ptr_equal(drag.to_offer.surface, drag.to_window->surface);
	xdg_client_cut(drag.from);
	drag_finish_objects_of_from(&drag);
	xdg_client_destroy(drag.from);
	xdg_client_roundtrip(drag.to);
	assert_null(drag.to_offer.surface);
	input_button(&drag.input, BTN_LEFT, false);
	xdg_client_roundtrip(drag.to);
	assert_false(drag.to_offer.is_dropped);
	assert_goes_on(&drag.fixture, &drag.input);
	offer_finish(&drag.to_offer);
	xdg_client_destroy(drag.to);
	fixture_finish(&drag.fixture);
}

static void client_that_dies_under_a_drag_takes_nobody_along(void **state) {
	struct drag drag;
	drag_begin(&drag);
	input_move(&drag.input, 172, 140);
	xdg_client_roundtrip(drag.to);
	assert_ptr_equal(drag.to_offer.surface, drag.to_window->surface);
	xdg_client_cut(drag.to);
	offer_finish(&drag.to_offer);
	xdg_client_destroy(drag.to);
	input_button(&drag.input, BTN_LEFT, false);
	xdg_client_roundtrip(drag.from);
	assert_true(drag.is_cancelled);
	assert_goes_on(&drag.fixture, &drag.input);
	drag_finish_objects_of_from(&drag);
	xdg_client_destroy(drag.from);
	fixture_finish(&drag.fixture);
}

static void compositor_that_ends_during_a_drag_ends_cleanly(void **state) {
	struct drag drag;
	drag_begin(&drag);
	input_move(&drag.input, 172, 140);
	xdg_client_roundtrip(drag.to);
	fixture_stop(&drag.fixture);
	drag_finish_objects_of_from(&drag);
	offer_finish(&drag.to_offer);
	xdg_client_destroy(drag.from);
	xdg_client_destroy(drag.to);
	fixture_finish(&drag.fixture);
}

static void client_that_dies_with_a_window_gives_way_to_the_next(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *survivor = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(survivor, 64, 32, 0xaa5500);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *animated = show_window(client, 64, 32, 0x0055aa);
	xdg_window_animate(animated);
	input_move(&input, 128 + 32, 96 + 32);
	input_button(&input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, animated->surface);
	xdg_client_cut(client);
	xdg_client_destroy(client);
	xdg_client_roundtrip(survivor);
	assert_ptr_equal(survivor->keyboard.focus, window->surface);
	assert_box_over_guest(&fixture, 96, 80, 64, 32, 0xaa5500);
	input_button(&input, BTN_LEFT, false);
	xdg_client_destroy(survivor);
	assert_goes_on(&fixture, &input);
	fixture_finish(&fixture);
}

static void client_that_dies_with_a_menu_gives_the_keyboard_back(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	struct xdg_window *menu = open_menu(&input, client, window);
	struct xdg_window *submenu = xdg_window_create_popup(menu, 10, 10, 20, 20);
	xdg_popup_grab(submenu->popup, client->seat, client->serial);
	xdg_window_show(submenu, 20, 20, 0xffff00);
	assert_false(menu->is_close_requested);
	assert_false(submenu->is_close_requested);
	xdg_client_cut(client);
	xdg_client_destroy(client);
	assert_only_guest(&fixture);
	assert_goes_on(&fixture, &input);
	fixture_finish(&fixture);
}

static void client_that_dies_while_its_window_is_moved_lets_the_pointer_go(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	input_move(&input, 100, 90);
	input_button(&input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	xdg_toplevel_move(window->toplevel, client->seat, client->serial);
	xdg_client_roundtrip(client);
	input_move(&input, 50, 50);
	xdg_client_cut(client);
	xdg_client_destroy(client);
	input_move(&input, 60, 60);
	input_button(&input, BTN_LEFT, false);
	assert_only_guest(&fixture);
	assert_goes_on(&fixture, &input);
	fixture_finish(&fixture);
}

static void compositor_that_ends_with_windows_and_menus_ends_cleanly(void **state) {
	struct fixture fixture;
	init_with_guest(&fixture);
	struct input input;
	input_plug(&input, &fixture);
	struct xdg_client *client = xdg_client_create(&fixture);
	struct xdg_window *window = show_window(client, 64, 32, 0xaa5500);
	open_menu(&input, client, window);
	input_key(&input, KEY_A, true);
	input_button(&input, BTN_LEFT, true);
	fixture_stop(&fixture);
	xdg_client_destroy(client);
	fixture_finish(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_is_mapped_over_the_guest_in_the_middle_and_goes_when_closed),
		cmocka_unit_test(animated_window_gets_a_frame_callback_at_each_refresh),
		cmocka_unit_test(maximized_window_fills_the_output_and_goes_back),
		cmocka_unit_test(fullscreen_window_hides_the_guest_even_if_it_is_smaller),
		cmocka_unit_test(guest_behind_opaque_window_is_asked_again_when_it_goes),
		cmocka_unit_test(decoration_is_always_the_clients),
		cmocka_unit_test(window_of_destroyed_output_is_back_with_the_next_one),
		cmocka_unit_test(keys_reach_the_window_and_those_of_bindings_do_not),
		cmocka_unit_test(focus_with_binding_key_held_does_not_tell_of_that_key),
		cmocka_unit_test(keyboard_unplugged_with_key_held_leaves_no_key_behind),
		cmocka_unit_test(guest_binding_hides_the_windows_and_takes_their_keyboard),
		cmocka_unit_test(close_binding_asks_the_focused_window_and_the_next_gets_the_keyboard),
		cmocka_unit_test(pointer_enters_moves_presses_scrolls_and_leaves),
		cmocka_unit_test(pressed_pointer_stays_with_its_window_until_released),
		cmocka_unit_test(press_on_a_window_behind_brings_it_to_the_front),
		cmocka_unit_test(window_is_moved_by_the_pointer),
		cmocka_unit_test(window_resized_by_its_left_edge_keeps_the_right_one),
		cmocka_unit_test(popup_is_shown_at_its_place_and_goes_with_its_parent),
		cmocka_unit_test(menus_client_has_the_keyboard_and_a_press_elsewhere_dismisses_it),
		cmocka_unit_test(selection_of_one_client_is_offered_to_the_next_that_gets_the_keyboard),
		cmocka_unit_test(drag_drops_on_another_client),
		cmocka_unit_test(client_that_dies_while_it_drags_takes_nobody_along),
		cmocka_unit_test(client_that_dies_under_a_drag_takes_nobody_along),
		cmocka_unit_test(compositor_that_ends_during_a_drag_ends_cleanly),
		cmocka_unit_test(client_that_dies_with_a_window_gives_way_to_the_next),
		cmocka_unit_test(client_that_dies_with_a_menu_gives_the_keyboard_back),
		cmocka_unit_test(client_that_dies_while_its_window_is_moved_lets_the_pointer_go),
		cmocka_unit_test(compositor_that_ends_with_windows_and_menus_ends_cleanly),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
