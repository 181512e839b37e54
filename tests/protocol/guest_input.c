/*
 * Input for guests: who gets the keys, the pointer and touches, when a guest grabs them all, and the
 * chords that always work. The guests' input is a fake one that notes what comes.
 */
#include "input/guest_input.h"

#include <drm_fourcc.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fake_sink.h"
#include "fixture.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/source_impl.h"
#include "inhibitor.h"
#include "input.h"
#include "input/cursor.h"
#include "input/seat.h"
#include "output/output.h"
#include "server.h"
#include "view/guest_view.h"
#include "xdg_client.h"

/*
 * Two outputs of 256x192, with a guest each: the first one's picture has black bars of 48 above and
 * below, the second one's fills its output at half the size. A third guest has no input.
 */
struct scene {
	struct fixture fixture;
	struct input input;
	struct fake_sink *first, *second;
	int destroyed;
};

static struct fake_sink *give_input(struct scene *scene, const char *guest_name) {
	struct fake_sink *sink = fake_sink_create();
	sink->destroyed = &scene->destroyed;
	oriel_guest_view_set_input(fixture_get_view(&scene->fixture, guest_name), &sink->base);
	return sink;
}

static bool all_have_pictures(struct fixture *fixture, void *data) {
	return fixture_get_view(fixture, "a")->primary.frame != NULL &&
			fixture_get_view(fixture, "b")->primary.frame != NULL;
}

static void scene_init(struct scene *scene) {
	*scene = (struct scene){ 0 };
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	fixture_init(&scene->fixture,
			"output OUTPUT-1 {\n\tmode 256x192\n\tposition 0 0\n}\n"
			"output OUTPUT-2 {\n\tmode 256x192\n\tposition 256 0\n}\n"
			"guest a {\n\tsource synthetic 128x48\n\toutput OUTPUT-1\n}\n"
			"guest b {\n\tsource synthetic 512x384\n\toutput OUTPUT-2\n}\n"
			"guest c {\n\tsource synthetic 256x192\n\toutput OUTPUT-2\n}\n"
			"bind Super+1 guest a\nbind Super+2 guest b\nbind Super+3 guest c\n"
			"bind Super+q close\nbind Super+g guest\n");
	scene->first = give_input(scene, "a");
	scene->second = give_input(scene, "b");
	input_plug(&scene->input, &scene->fixture);
	fixture_step_until(&scene->fixture, all_have_pictures, NULL);
	/* Windows come up where the pointer is. */
	input_move(&scene->input, 32, 60);
}

static void scene_finish(struct scene *scene) {
	fixture_finish(&scene->fixture);
	assert_int_equal(scene->destroyed, 2);
}

static void type(struct scene *scene, uint32_t modifier, uint32_t key) {
	input_type(&scene->input, (const uint32_t[]){ modifier, key, 0 });
}

static void show_guest(struct scene *scene, uint32_t key) {
	type(scene, KEY_LEFTMETA, key);
}

static void press_chord(struct scene *scene, uint32_t key) {
	input_type(&scene->input, (const uint32_t[]){ KEY_LEFTCTRL, KEY_LEFTALT, key, 0 });
}

static void assert_first_got(struct scene *scene, const char *expected) {
	assert_string_equal(fake_sink_take(scene->first), expected);
}

static void assert_second_got(struct scene *scene, const char *expected) {
	assert_string_equal(fake_sink_take(scene->second), expected);
}

/* Gives the input to the first guest, and takes what that makes. */
static void focus_first(struct scene *scene) {
	show_guest(scene, KEY_1);
	assert_first_got(scene, "");
	assert_second_got(scene, "");
}

static void grab_first(struct scene *scene) {
	focus_first(scene);
	press_chord(scene, KEY_G);
	/* The chord's modifiers do not stay down in the guest. */
	assert_first_got(scene, "key 29 1| key 56 1| key 29 0, key 56 0|");
	assert_true(scene->fixture.server->seat->guest_input.is_grabbed);
}

static bool is_grabbed(const struct scene *scene) {
	return scene->fixture.server->seat->guest_input.is_grabbed;
}

static bool is_pointer_seen(struct scene *scene) {
	bool is_seen = false;
	struct oriel_output *output;
	wl_list_for_each(output, &scene->fixture.server->outputs.outputs, link) {
		struct wlr_output_cursor *cursor;
		wl_list_for_each(cursor, &output->wlr_output->cursors, link) {
			is_seen = is_seen || (cursor->enabled && cursor->visible);
		}
	}
	return is_seen;
}

/* A window of 64x32 in the middle of the first output: 96 to 160, 80 to 112. */
static struct xdg_window *show_window(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 64, 32, 0xaa5500);
	return window;
}

/* Keys */

static void keys_go_to_the_guest_that_was_shown_and_bindings_still_work(void **state) {
	struct scene scene;
	scene_init(&scene);
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "");

	focus_first(&scene);
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");

	/* The other guest: what is held in this one is let go, and the binding's key is nobody's. */
	input_key(&scene.input, KEY_B, true);
	show_guest(&scene, KEY_2);
	assert_first_got(&scene, "key 48 1| key 125 1| key 48 0, key 125 0|");
	input_key(&scene.input, KEY_B, false);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_second_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");
	scene_finish(&scene);
}

static void guest_that_goes_behind_loses_the_keys(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	show_guest(&scene, KEY_1);
	assert_first_got(&scene, "key 125 1| key 125 0|");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "");
	scene_finish(&scene);
}

static void window_that_comes_up_takes_the_keys_and_the_guest_lets_go(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	input_key(&scene.input, KEY_A, true);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	/* It was under the pointer when it got the focus. */
	assert_first_got(&scene, "key 30 1| place 125 125| key 30 0|");
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_int_equal(client->keyboard.held_count, 1);
	input_key(&scene.input, KEY_A, false);
	type(&scene, KEY_LEFTSHIFT, KEY_B);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 5);
	assert_first_got(&scene, "");

	/* And back: the client is told of no key of the guest's. */
	show_guest(&scene, KEY_1);
	xdg_client_roundtrip(client);
	assert_null(client->keyboard.focus);
	size_t key_count = client->keyboard.key_count;
	type(&scene, KEY_LEFTSHIFT, KEY_C);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, key_count);
	assert_first_got(&scene, "key 42 1| key 46 1| key 46 0| key 42 0|");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void keyboard_unplugged_with_key_held_lets_go_of_it(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	input_key(&scene.input, KEY_A, true);
	input_unplug(&scene.input);
	assert_first_got(&scene, "key 30 1| key 30 0|");
	scene_finish(&scene);
}

static void guest_without_input_takes_nothing(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	/* Shown by its key, it leaves the keyboard to nobody, and the grab has no meaning. */
	show_guest(&scene, KEY_3);
	press_chord(&scene, KEY_G);
	xdg_client_roundtrip(client);
	assert_null(client->keyboard.focus);
	assert_false(is_grabbed(&scene));

	/* A press on it leaves the keyboard where it is. */
	show_guest(&scene, KEY_3);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	input_move(&scene.input, 300, 100);
	input_click(&scene.input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void unplug_first_output(struct scene *scene) {
	wlr_output_destroy(fixture_get_output(
			&scene->fixture, fixture_get_numbered_output_name(&scene->fixture, 1))
					->wlr_output);
}

static bool nobody_has_focus(struct fixture *fixture, void *data) {
	return fixture->server->seat->guest_input.focus == NULL;
}

/* What is typed is for what can be seen. */
static void guest_whose_output_goes_leaves_the_keyboard_to_a_window(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	input_move(&scene.input, 10, 100);
	input_click(&scene.input, BTN_LEFT);
	assert_non_null(scene.fixture.server->seat->guest_input.focus);
	press_chord(&scene, KEY_G);
	assert_true(is_grabbed(&scene));
	unplug_first_output(&scene);
	fixture_step_until(&scene.fixture, nobody_has_focus, NULL);
	assert_false(is_grabbed(&scene));
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void guest_whose_output_is_not_there_is_not_given_the_keyboard(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	unplug_first_output(&scene);
	show_guest(&scene, KEY_1);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_false(scene.fixture.server->guests_in_front);
	show_guest(&scene, KEY_2);
	assert_true(scene.fixture.server->guests_in_front);
	assert_non_null(scene.fixture.server->seat->guest_input.focus);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void input_wakes_the_guest(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	struct oriel_source *source = fixture_get_view(&scene.fixture, "a")->source;
	source->pacing.changed_ns = 0;
	input_key(&scene.input, KEY_A, true);
	assert_true(source->pacing.changed_ns > 0);
	source->pacing.changed_ns = 0;
	input_move(&scene.input, 10, 100);
	assert_true(source->pacing.changed_ns > 0);
	/* Not by what is none of its own. */
	source->pacing.changed_ns = 0;
	input_move(&scene.input, 300, 100);
	assert_int_equal(source->pacing.changed_ns, 0);
	scene_finish(&scene);
}

/* Pointer */

static void pointer_is_a_place_in_the_picture(void **state) {
	struct scene scene;
	scene_init(&scene);
	/* Not before it has the focus, which a press gives it and which it gets as well. */
	input_move(&scene.input, 64, 72);
	assert_first_got(&scene, "");
	input_click(&scene.input, BTN_LEFT);
	assert_first_got(&scene, "place 250 250, button 272 1| button 272 0|");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");

	input_move(&scene.input, 0, 48);
	assert_first_got(&scene, "place 0 0|");
	input_move(&scene.input, 128, 96);
	assert_first_got(&scene, "place 500 500|");
	/* The bars belong to the nearest edge. */
	input_move(&scene.input, 192, 10);
	assert_first_got(&scene, "place 750 0|");
	input_move(&scene.input, 192, 190);
	assert_first_got(&scene, "place 750 1000|");

	/* By distances: accelerated by the host, as its own pointer is. */
	input_move(&scene.input, 128, 96);
	fake_sink_take(scene.first);
	input_move_by(&scene.input, 16, 0);
	assert_first_got(&scene, "place 625 500|");

	/* Another guest has to be pressed on as well. */
	input_move(&scene.input, 256 + 64, 48);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	input_button(&scene.input, BTN_RIGHT, true);
	assert_second_got(&scene, "place 250 250, button 273 1|");
	input_button(&scene.input, BTN_RIGHT, false);
	assert_second_got(&scene, "button 273 0|");
	assert_first_got(&scene, "");
	scene_finish(&scene);
}

static void wheel_turns_in_the_guest_under_the_pointer(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	input_move(&scene.input, 64, 72);
	fake_sink_take(scene.first);
	input_scroll(&scene.input, 15);
	input_scroll(&scene.input, -15);
	assert_first_got(&scene, "axis v 120| axis v -120|");
	input_move(&scene.input, 300, 72);
	input_scroll(&scene.input, 15);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	scene_finish(&scene);
}

static void window_over_the_guest_gets_the_pointer(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	input_move(&scene.input, 64, 72);
	input_click(&scene.input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_null(client->keyboard.focus);
	assert_first_got(&scene, "place 250 250, button 272 1| button 272 0|");

	/* The guest has the focus, and the window is still in front of it. */
	input_move(&scene.input, 128, 96);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_first_got(&scene, "");
	input_scroll(&scene.input, 15);
	assert_first_got(&scene, "");
	input_key(&scene.input, KEY_A, true);
	input_button(&scene.input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_int_equal(client->pointer.button_count, 1);
	assert_first_got(&scene, "key 30 1| key 30 0|");
	/* What is pressed in the window stays with it. */
	input_move(&scene.input, 64, 72);
	input_button(&scene.input, BTN_LEFT, false);
	xdg_client_roundtrip(client);
	assert_int_equal(client->pointer.button_count, 2);
	assert_first_got(&scene, "");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void drag_in_the_guest_goes_on_over_windows_and_to_the_edges(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	input_move(&scene.input, 64, 72);
	input_button(&scene.input, BTN_LEFT, true);
	input_move(&scene.input, 128, 96);
	assert_first_got(&scene, "place 250 250, button 272 1| place 500 500|");
	/* A second button, over the window. */
	input_click(&scene.input, BTN_RIGHT);
	assert_first_got(&scene, "button 273 1| button 273 0|");
	input_move(&scene.input, 400, 96);
	assert_first_got(&scene, "place 1000 500|");
	input_move(&scene.input, 128, 96);
	xdg_client_roundtrip(client);
	assert_null(client->pointer.focus);
	assert_int_equal(client->pointer.button_count, 0);
	assert_first_got(&scene, "place 500 500|");

	input_button(&scene.input, BTN_LEFT, false);
	xdg_client_roundtrip(client);
	assert_first_got(&scene, "button 272 0|");
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_int_equal(client->pointer.button_count, 0);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void button_held_while_the_guest_loses_the_focus_is_released_once(void **state) {
	struct scene scene;
	scene_init(&scene);
	input_move(&scene.input, 64, 72);
	input_button(&scene.input, BTN_LEFT, true);
	show_guest(&scene, KEY_2);
	assert_first_got(&scene, "place 250 250, button 272 1| key 125 1| key 125 0, button 272 0|");
	input_button(&scene.input, BTN_LEFT, false);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	scene_finish(&scene);
}

/* The guest's own cursor */

#define CURSOR_SIZE 8

/* Where it is in the guest's picture. */
static const struct oriel_guest_cursor cursor_place = { .x = 16, .y = 16 };

static void show_cursor(struct scene *scene, const char *guest_name) {
	const struct oriel_guest_buffer_attributes attributes = {
		.width = CURSOR_SIZE,
		.height = CURSOR_SIZE,
		.format = DRM_FORMAT_ARGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.stride_bytes = 4 * CURSOR_SIZE,
	};
	int memory_fd = memfd_create("cursor", MFD_CLOEXEC);
	assert_true(memory_fd >= 0);
	assert_int_equal(ftruncate(memory_fd, 4 * CURSOR_SIZE * CURSOR_SIZE), 0);
	const struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_SHARED, memory_fd),
		.cursor = cursor_place,
	};
	assert_non_null(picture.buffer);
	struct oriel_guest_view *view = fixture_get_view(&scene->fixture, guest_name);
	assert_true(oriel_source_submit(view->source, &picture));
	oriel_guest_buffer_drop(picture.buffer);
	assert_true(oriel_guest_view_has_cursor(view));
}

static void move_cursor(struct scene *scene, const struct oriel_guest_cursor *cursor) {
	oriel_source_set_cursor(fixture_get_view(&scene->fixture, "a")->source, cursor);
}

/* The pointer is looked at anew when the event loop is idle. */
static bool is_pointer_seen_when_idle(struct scene *scene) {
	fixture_step(&scene->fixture, 0);
	return is_pointer_seen(scene);
}

static void guest_that_has_the_pointer_shows_the_only_cursor(void **state) {
	struct scene scene;
	scene_init(&scene);
	input_move(&scene.input, 64, 72);
	show_cursor(&scene, "a");
	show_cursor(&scene, "b");
	assert_true(is_pointer_seen_when_idle(&scene));
	focus_first(&scene);
	assert_false(is_pointer_seen_when_idle(&scene));
	input_move(&scene.input, 60, 72);
	assert_false(is_pointer_seen(&scene));

	/* The guest hides it, has it beside its picture, and shows it again. */
	move_cursor(&scene, NULL);
	assert_true(is_pointer_seen(&scene));
	move_cursor(&scene, &cursor_place);
	assert_false(is_pointer_seen(&scene));
	move_cursor(&scene, &(struct oriel_guest_cursor){ .x = 128 });
	assert_true(is_pointer_seen(&scene));
	move_cursor(&scene, &cursor_place);
	assert_false(is_pointer_seen(&scene));

	/* The pointer is on another guest's picture, which does not have the focus, and back. */
	input_move(&scene.input, 300, 72);
	assert_true(is_pointer_seen(&scene));
	input_move(&scene.input, 64, 72);
	assert_false(is_pointer_seen(&scene));
	show_guest(&scene, KEY_2);
	assert_true(is_pointer_seen_when_idle(&scene));
	input_click(&scene.input, BTN_LEFT);
	assert_false(is_pointer_seen_when_idle(&scene));

	/* And the guest loses it. */
	struct oriel_source *source = fixture_get_view(&scene.fixture, "a")->source;
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_OFF);
	assert_true(is_pointer_seen(&scene));
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_RUNNING);
	assert_false(is_pointer_seen(&scene));
	oriel_guest_view_destroy(fixture_get_view(&scene.fixture, "a"));
	assert_true(is_pointer_seen_when_idle(&scene));
	scene_finish(&scene);
}

static void pointer_over_a_window_is_seen_whatever_the_guest_shows(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	show_cursor(&scene, "a");
	input_move(&scene.input, 64, 72);
	input_click(&scene.input, BTN_LEFT);
	assert_false(is_pointer_seen_when_idle(&scene));
	input_move(&scene.input, 128, 96);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_true(is_pointer_seen(&scene));
	move_cursor(&scene, NULL);
	move_cursor(&scene, &cursor_place);
	assert_true(is_pointer_seen(&scene));

	/* The window goes, and the guest is there. */
	xdg_client_destroy(client);
	show_guest(&scene, KEY_1);
	fixture_step_refreshes(&scene.fixture, 1);
	assert_false(is_pointer_seen(&scene));
	scene_finish(&scene);
}

static void drag_in_the_guest_leaves_the_cursor_to_it(void **state) {
	struct scene scene;
	scene_init(&scene);
	show_cursor(&scene, "a");
	input_move(&scene.input, 64, 72);
	input_button(&scene.input, BTN_LEFT, true);
	input_move(&scene.input, 300, 72);
	assert_false(is_pointer_seen_when_idle(&scene));
	input_button(&scene.input, BTN_LEFT, false);
	assert_true(is_pointer_seen_when_idle(&scene));
	scene_finish(&scene);
}

static void grab_that_ends_leaves_the_guest_its_cursor(void **state) {
	struct scene scene;
	scene_init(&scene);
	show_cursor(&scene, "a");
	input_move(&scene.input, 64, 72);
	grab_first(&scene);
	assert_false(is_pointer_seen_when_idle(&scene));
	move_cursor(&scene, NULL);
	assert_false(is_pointer_seen_when_idle(&scene));
	move_cursor(&scene, &cursor_place);
	press_chord(&scene, KEY_G);
	assert_false(is_grabbed(&scene));
	assert_false(is_pointer_seen_when_idle(&scene));
	move_cursor(&scene, NULL);
	assert_true(is_pointer_seen(&scene));

	/* With every device gone there is none to be seen. */
	move_cursor(&scene, &cursor_place);
	input_unplug(&scene.input);
	move_cursor(&scene, NULL);
	assert_false(is_pointer_seen_when_idle(&scene));
	scene_finish(&scene);
}

/* Grab */

static void grab_gives_the_guest_every_key_and_distances(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	input_move(&scene.input, 128, 96);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_true(is_pointer_seen(&scene));
	grab_first(&scene);
	assert_false(is_pointer_seen(&scene));

	/* Bindings are the guest's. */
	type(&scene, KEY_LEFTMETA, KEY_2);
	type(&scene, KEY_LEFTMETA, KEY_Q);
	assert_first_got(&scene,
			"key 125 1| key 3 1| key 3 0| key 125 0| key 125 1| key 16 1| key 16 0| key 125 0|");
	assert_false(window->is_close_requested);

	/* The host's pointer stands still, nobody else hears of it, and nothing is accelerated. */
	const struct wlr_cursor *pointer = scene.fixture.server->seat->cursor->wlr_cursor;
	double lx = pointer->x, ly = pointer->y;
	input_move_by(&scene.input, 3, -2);
	input_move_by(&scene.input, 0.5, 0);
	input_move_by(&scene.input, 0.5, 0);
	input_click(&scene.input, BTN_LEFT);
	input_scroll(&scene.input, 15);
	assert_first_got(&scene, "move 3 -2| move 1 0| button 272 1| button 272 0| axis v 120|");
	/* A device that knows places: the distances between them. */
	input_move(&scene.input, 10, 20);
	assert_first_got(&scene, "");
	input_move(&scene.input, 14, 17);
	assert_first_got(&scene, "move 4 -3|");
	assert_true(pointer->x == lx && pointer->y == ly);
	xdg_client_roundtrip(client);
	assert_null(client->pointer.focus);
	assert_int_equal(client->pointer.button_count, 0);
	assert_false(is_pointer_seen(&scene));

	/* Again: it ends, with what is held released, and the focus stays. */
	input_button(&scene.input, BTN_LEFT, true);
	input_key(&scene.input, KEY_A, true);
	press_chord(&scene, KEY_G);
	assert_first_got(&scene,
			"button 272 1| key 30 1| key 29 1| key 56 1| "
			"key 29 0, key 30 0, key 56 0, button 272 0|");
	input_key(&scene.input, KEY_A, false);
	input_button(&scene.input, BTN_LEFT, false);
	assert_first_got(&scene, "");
	assert_false(is_grabbed(&scene));
	assert_true(is_pointer_seen(&scene));
	type(&scene, KEY_LEFTSHIFT, KEY_B);
	assert_first_got(&scene, "key 42 1| key 48 1| key 48 0| key 42 0|");
	input_move(&scene.input, 64, 72);
	assert_first_got(&scene, "place 250 250|");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void grab_chord_without_a_guest_is_the_windows(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	show_window(client);
	press_chord(&scene, KEY_G);
	xdg_client_roundtrip(client);
	assert_int_equal(client->keyboard.key_count, 6);
	assert_int_equal(client->keyboard.keys[2].keycode, KEY_G);
	assert_false(is_grabbed(&scene));
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void grab_takes_a_pressed_pointer_from_its_window(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	input_move(&scene.input, 128, 96);
	input_button(&scene.input, BTN_LEFT, true);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	grab_first(&scene);
	xdg_client_roundtrip(client);
	assert_null(client->pointer.focus);
	input_move_by(&scene.input, 1, 1);
	input_button(&scene.input, BTN_LEFT, false);
	assert_first_got(&scene, "move 1 1|");

	/* Nothing of it is left. */
	press_chord(&scene, KEY_ESC);
	fake_sink_take(scene.first);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_int_equal(client->pointer.button_count, 1);
	input_click(&scene.input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_int_equal(client->pointer.button_count, 3);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void grab_keeps_the_keys_from_a_window_that_comes_up(void **state) {
	struct scene scene;
	scene_init(&scene);
	grab_first(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	xdg_window_draw(window, 64, 32, 0xaa5500);
	xdg_client_roundtrip(client);
	assert_null(client->keyboard.focus);
	assert_true(is_grabbed(&scene));
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void grab_ends_with_the_guests_device_and_not_with_its_picture(void **state) {
	struct scene scene;
	scene_init(&scene);
	grab_first(&scene);
	input_key(&scene.input, KEY_A, true);
	fake_sink_take(scene.first);
	struct oriel_source *source = fixture_get_view(&scene.fixture, "a")->source;
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_OFF);
	assert_true(is_grabbed(&scene));
	assert_first_got(&scene, "");
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_LOST);
	assert_false(is_grabbed(&scene));
	assert_first_got(&scene, "key 30 0|");
	input_key(&scene.input, KEY_A, false);
	/* The bindings are back. */
	show_guest(&scene, KEY_2);
	fake_sink_take(scene.first);
	type(&scene, KEY_LEFTSHIFT, KEY_B);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "key 42 1| key 48 1| key 48 0| key 42 0|");
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_RESTARTED);
	scene_finish(&scene);
}

static void grab_ends_with_the_guest(void **state) {
	struct scene scene;
	scene_init(&scene);
	grab_first(&scene);
	input_key(&scene.input, KEY_A, true);
	oriel_guest_view_destroy(fixture_get_view(&scene.fixture, "a"));
	assert_int_equal(scene.destroyed, 1);
	assert_false(is_grabbed(&scene));
	input_key(&scene.input, KEY_A, false);
	input_move_by(&scene.input, 1, 1);
	show_guest(&scene, KEY_2);
	type(&scene, KEY_LEFTSHIFT, KEY_B);
	assert_second_got(&scene, "key 42 1| key 48 1| key 48 0| key 42 0|");
	scene_finish(&scene);
}

static void compositor_that_ends_in_a_grab_ends_cleanly(void **state) {
	struct scene scene;
	scene_init(&scene);
	grab_first(&scene);
	input_key(&scene.input, KEY_A, true);
	input_button(&scene.input, BTN_LEFT, true);
	input_touch_down(&scene.input, 1, 64, 72);
	scene_finish(&scene);
}

/* Guests whose pointers are moved one way only */

static void set_pointer(struct scene *scene, enum oriel_input_sink_pointer pointer) {
	oriel_input_sink_set_pointer(&scene->first->base, pointer);
	fake_sink_take(scene->first);
}

static void press_on_a_guest_that_takes_distances_locks_the_pointer_to_it(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	const struct wlr_cursor *pointer = scene.fixture.server->seat->cursor->wlr_cursor;
	input_move(&scene.input, 64, 72);
	assert_true(is_pointer_seen_when_idle(&scene));
	/* The press is for that alone. */
	input_click(&scene.input, BTN_LEFT);
	assert_true(is_grabbed(&scene));
	assert_false(is_pointer_seen_when_idle(&scene));
	assert_first_got(&scene, "");
	input_move_by(&scene.input, 3, -2);
	input_click(&scene.input, BTN_LEFT);
	input_scroll(&scene.input, 15);
	input_move(&scene.input, 400, 100);
	input_move(&scene.input, 402, 101);
	assert_first_got(&scene, "move 3 -2| button 272 1| button 272 0| axis v 120| move 2 1|");
	assert_true(pointer->x == 64 && pointer->y == 72);
	assert_second_got(&scene, "");
	/* With all of the keys. */
	type(&scene, KEY_LEFTMETA, KEY_2);
	assert_first_got(&scene, "key 125 1| key 3 1| key 3 0| key 125 0|");

	/* Either chord gives it back. */
	press_chord(&scene, KEY_G);
	fake_sink_take(scene.first);
	assert_false(is_grabbed(&scene));
	assert_true(is_pointer_seen_when_idle(&scene));
	input_click(&scene.input, BTN_RIGHT);
	assert_true(is_grabbed(&scene));
	assert_first_got(&scene, "");
	press_chord(&scene, KEY_ESC);
	fake_sink_take(scene.first);
	assert_false(is_grabbed(&scene));
	assert_true(is_pointer_seen_when_idle(&scene));
	scene_finish(&scene);
}

static void guest_that_takes_distances_has_no_pointer_without_a_lock(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	show_cursor(&scene, "a");
	input_move(&scene.input, 64, 72);
	focus_first(&scene);
	/* The guest's cursor is elsewhere: ours is no second one. */
	assert_true(is_pointer_seen_when_idle(&scene));
	input_move(&scene.input, 128, 96);
	input_move_by(&scene.input, 4, 4);
	input_scroll(&scene.input, 15);
	assert_first_got(&scene, "");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");
	/* A touch is none of that. */
	input_touch_down(&scene.input, 1, 64, 72);
	input_touch_up(&scene.input, 1);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "down 0 250 250, up 0|");
	scene_finish(&scene);
}

static void press_on_a_window_over_a_guest_that_takes_distances_locks_nothing(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	focus_first(&scene);
	show_guest(&scene, KEY_1);
	fake_sink_take(scene.first);
	input_move(&scene.input, 128, 96);
	input_click(&scene.input, BTN_LEFT);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->pointer.focus, window->surface);
	assert_int_equal(client->pointer.button_count, 2);
	assert_false(is_grabbed(&scene));
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void pointer_that_comes_to_know_places_ends_the_lock_of_a_press(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	input_move(&scene.input, 64, 72);
	input_click(&scene.input, BTN_LEFT);
	input_key(&scene.input, KEY_A, true);
	assert_first_got(&scene, "key 30 1|");
	oriel_input_sink_set_pointer(&scene.first->base, ORIEL_INPUT_SINK_POINTER_PLACES);
	assert_false(is_grabbed(&scene));
	assert_true(is_pointer_seen_when_idle(&scene));
	/* And it is where ours is. */
	assert_first_got(&scene, "key 30 0| place 250 250|");
	input_move(&scene.input, 128, 96);
	input_click(&scene.input, BTN_LEFT);
	assert_first_got(&scene, "place 500 500| button 272 1| button 272 0|");
	assert_false(is_grabbed(&scene));
	scene_finish(&scene);
}

static void grab_by_its_chord_outlives_how_the_pointer_is_moved(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	input_move(&scene.input, 64, 72);
	grab_first(&scene);
	input_move_by(&scene.input, 1, 1);
	assert_first_got(&scene, "move 1 1|");
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_PLACES);
	assert_true(is_grabbed(&scene));
	assert_true(is_pointer_seen_when_idle(&scene));
	input_move(&scene.input, 128, 96);
	assert_first_got(&scene, "place 250 250| place 500 500|");
	/* As at a reset. */
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	assert_true(is_grabbed(&scene));
	assert_false(is_pointer_seen_when_idle(&scene));
	input_move_by(&scene.input, 1, 1);
	assert_first_got(&scene, "move 1 1|");
	scene_finish(&scene);
}

static void grab_of_a_guest_that_takes_places_keeps_the_pointer_in_its_picture(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_PLACES);
	const struct wlr_cursor *pointer = scene.fixture.server->seat->cursor->wlr_cursor;
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	show_window(client);
	input_move(&scene.input, 300, 20);
	grab_first(&scene);
	/* It is fetched from where it was. */
	assert_true(is_pointer_seen_when_idle(&scene));
	assert_first_got(&scene, "place 1000 0|");
	assert_true(pointer->x > 255 && pointer->x < 256 && pointer->y == 48);
	/* A window that is there hears of nothing, and neither does another guest. */
	input_move(&scene.input, 128, 96);
	input_click(&scene.input, BTN_LEFT);
	assert_first_got(&scene, "place 500 500| button 272 1| button 272 0|");
	input_move_by(&scene.input, 200, 200);
	assert_first_got(&scene, "place 1000 1000|");
	assert_true(pointer->x < 256 && pointer->y > 143 && pointer->y < 144);
	input_move(&scene.input, 400, 72);
	input_click(&scene.input, BTN_LEFT);
	assert_first_got(&scene, "place 1000 250| button 272 1| button 272 0|");
	assert_second_got(&scene, "");
	xdg_client_roundtrip(client);
	assert_null(client->pointer.focus);
	assert_int_equal(client->pointer.button_count, 0);
	type(&scene, KEY_LEFTMETA, KEY_2);
	assert_first_got(&scene, "key 125 1| key 3 1| key 3 0| key 125 0|");
	/* Ours is there but for where the guest shows its own. */
	show_cursor(&scene, "a");
	assert_false(is_pointer_seen_when_idle(&scene));
	move_cursor(&scene, NULL);
	assert_true(is_pointer_seen_when_idle(&scene));

	press_chord(&scene, KEY_G);
	fake_sink_take(scene.first);
	input_move(&scene.input, 400, 72);
	assert_true(pointer->x == 400 && pointer->y == 72);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void lock_by_a_press_ends_with_the_guests_device(void **state) {
	struct scene scene;
	scene_init(&scene);
	set_pointer(&scene, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	input_move(&scene.input, 64, 72);
	input_click(&scene.input, BTN_LEFT);
	assert_true(is_grabbed(&scene));
	struct oriel_source *source = fixture_get_view(&scene.fixture, "a")->source;
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_LOST);
	assert_false(is_grabbed(&scene));
	assert_true(is_pointer_seen_when_idle(&scene));
	scene_finish(&scene);
}

/* LEDs */

static uint32_t get_leds_when_idle(struct scene *scene) {
	fixture_step(&scene->fixture, 0);
	return scene->input.leds;
}

static void keyboards_show_the_leds_of_the_guest_that_has_the_focus(void **state) {
	struct scene scene;
	scene_init(&scene);
	input_type(&scene.input, (const uint32_t[]){ KEY_CAPSLOCK, 0 });
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_CAPS_LOCK);
	/* Those of a guest that does not say are left alone. */
	show_guest(&scene, KEY_1);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_CAPS_LOCK);

	oriel_input_sink_set_leds(&scene.first->base, true, 0);
	assert_int_equal(get_leds_when_idle(&scene), 0);
	oriel_input_sink_set_leds(&scene.first->base, true,
			ORIEL_INPUT_SINK_LED_NUM | ORIEL_INPUT_SINK_LED_SCROLL);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);
	oriel_input_sink_set_leds(&scene.second->base, true, ORIEL_INPUT_SINK_LED_CAPS);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);

	/* Whatever is typed, and whatever that means here. */
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);
	input_type(&scene.input, (const uint32_t[]){ KEY_NUMLOCK, 0 });
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);
	input_type(&scene.input, (const uint32_t[]){ KEY_CAPSLOCK, 0 });
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);

	/* Another guest, and none: the seat's own are as the keys have left them. */
	show_guest(&scene, KEY_2);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_CAPS_LOCK);
	press_chord(&scene, KEY_ESC);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK);
	show_guest(&scene, KEY_1);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK | WLR_LED_SCROLL_LOCK);
	oriel_input_sink_set_leds(&scene.first->base, false, 0);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_NUM_LOCK);

	/* A keyboard that comes shows them too. */
	oriel_input_sink_set_leds(&scene.first->base, true, ORIEL_INPUT_SINK_LED_SCROLL);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_SCROLL_LOCK);
	input_unplug(&scene.input);
	input_plug(&scene.input, &scene.fixture);
	assert_int_equal(get_leds_when_idle(&scene), WLR_LED_SCROLL_LOCK);
	scene_finish(&scene);
}

/* Escape */

static void escape_ends_the_grab_and_gives_the_keys_to_the_window(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	grab_first(&scene);
	press_chord(&scene, KEY_ESC);
	assert_first_got(&scene, "key 29 1| key 56 1| key 29 0, key 56 0|");
	xdg_client_roundtrip(client);
	assert_false(is_grabbed(&scene));
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_false(scene.fixture.server->guests_in_front);
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void escape_without_windows_leaves_the_keys_to_nobody(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus_first(&scene);
	press_chord(&scene, KEY_ESC);
	assert_first_got(&scene, "key 29 1| key 56 1| key 29 0, key 56 0|");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	input_move(&scene.input, 64, 72);
	assert_first_got(&scene, "");
	press_chord(&scene, KEY_ESC);
	assert_first_got(&scene, "");
	scene_finish(&scene);
}

/* Inhibitors */

static void inhibitor_has_the_bindings_until_escape(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	struct inhibitor *inhibitor = inhibitor_create(window);
	assert_true(inhibitor->is_active);
	type(&scene, KEY_LEFTMETA, KEY_Q);
	xdg_client_roundtrip(client);
	assert_false(window->is_close_requested);
	assert_int_equal(client->keyboard.key_count, 4);

	press_chord(&scene, KEY_ESC);
	xdg_client_roundtrip(client);
	assert_false(inhibitor->is_active);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_int_equal(client->keyboard.key_count, 8); /* the modifiers' */

	/* A new one does not get them back. */
	inhibitor_destroy(inhibitor);
	inhibitor = inhibitor_create(window);
	assert_false(inhibitor->is_active);
	type(&scene, KEY_LEFTMETA, KEY_Q);
	xdg_client_roundtrip(client);
	assert_true(window->is_close_requested);

	/* The user does, by giving the window the keyboard anew. */
	show_guest(&scene, KEY_1);
	xdg_client_roundtrip(client);
	assert_false(inhibitor->is_active);
	press_chord(&scene, KEY_ESC);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_true(inhibitor->is_active);

	inhibitor_destroy(inhibitor);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void inhibitor_counts_for_the_window_with_the_keyboard_only(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *behind = show_window(client);
	struct inhibitor *inhibitor;
	struct xdg_window *front = show_window(client);
	inhibitor = inhibitor_create(behind);
	assert_false(inhibitor->is_active);
	type(&scene, KEY_LEFTMETA, KEY_Q);
	xdg_client_roundtrip(client);
	assert_true(front->is_close_requested);

	xdg_window_destroy(front);
	xdg_client_roundtrip(client);
	assert_true(inhibitor->is_active);
	type(&scene, KEY_LEFTMETA, KEY_1);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, behind->surface);

	/* It goes with its surface. */
	inhibitor_destroy(inhibitor);
	type(&scene, KEY_LEFTMETA, KEY_1);
	xdg_client_roundtrip(client);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void escape_works_in_a_grab_over_an_inhibitor(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	struct inhibitor *inhibitor = inhibitor_create(window);
	/* By a press: the binding is inhibited. */
	input_move(&scene.input, 64, 72);
	input_click(&scene.input, BTN_LEFT);
	press_chord(&scene, KEY_G);
	assert_true(is_grabbed(&scene));
	xdg_client_roundtrip(client);
	assert_false(inhibitor->is_active);
	press_chord(&scene, KEY_ESC);
	xdg_client_roundtrip(client);
	assert_false(is_grabbed(&scene));
	assert_ptr_equal(client->keyboard.focus, window->surface);
	inhibitor_destroy(inhibitor);
	xdg_client_destroy(client);
	scene_finish(&scene);
}

/* Touch */

static void touch_on_a_guest_gives_it_the_focus_and_goes_to_it(void **state) {
	struct scene scene;
	scene_init(&scene);
	input_touch_down(&scene.input, 7, 64, 72);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "down 0 250 250|");
	type(&scene, KEY_LEFTSHIFT, KEY_A);
	assert_first_got(&scene, "key 42 1| key 30 1| key 30 0| key 42 0|");

	input_touch_down(&scene.input, 3, 128, 96);
	input_touch_motion(&scene.input, 7, 64, 190);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "down 1 500 500, touch 0 250 1000|");
	input_touch_up(&scene.input, 7);
	input_touch_frame(&scene.input);
	input_touch_motion(&scene.input, 7, 64, 72);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "up 0|");
	input_touch_down(&scene.input, 9, 0, 48);
	input_touch_cancel(&scene.input, 3);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "down 0 0 0, up 1|");

	/* A screen that goes lets go. */
	input_unplug(&scene.input);
	assert_first_got(&scene, "up 0|");
	scene_finish(&scene);
}

static void touch_ends_where_the_guest_loses_the_focus(void **state) {
	struct scene scene;
	scene_init(&scene);
	input_touch_down(&scene.input, 1, 64, 72);
	input_touch_frame(&scene.input);
	show_guest(&scene, KEY_2);
	assert_first_got(&scene, "down 0 250 250| key 125 1| key 125 0, up 0|");
	input_touch_motion(&scene.input, 1, 70, 72);
	input_touch_frame(&scene.input);
	input_touch_up(&scene.input, 1);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "");
	assert_second_got(&scene, "");
	scene_finish(&scene);
}

static void touch_elsewhere_is_nobodys(void **state) {
	struct scene scene;
	scene_init(&scene);
	struct xdg_client *client = xdg_client_create(&scene.fixture);
	struct xdg_window *window = show_window(client);
	/* On a window, or in a grab on another guest. */
	input_touch_down(&scene.input, 1, 128, 96);
	input_touch_motion(&scene.input, 1, 64, 72);
	input_touch_up(&scene.input, 1);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "");
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	grab_first(&scene);
	input_touch_down(&scene.input, 1, 300, 72);
	input_touch_frame(&scene.input);
	assert_second_got(&scene, "");
	assert_true(is_grabbed(&scene));
	input_touch_up(&scene.input, 1);
	input_touch_down(&scene.input, 2, 64, 72);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "down 0 250 250|");
	xdg_client_destroy(client);
	scene_finish(&scene);
}

static void more_touches_than_there_are_fingers_are_left_out(void **state) {
	struct scene scene;
	scene_init(&scene);
	for (int32_t id = 0; id < ORIEL_INPUT_SINK_TOUCHES; id++) {
		input_touch_down(&scene.input, id, 0, 48);
	}
	fake_sink_take(scene.first);
	input_touch_down(&scene.input, ORIEL_INPUT_SINK_TOUCHES, 0, 48);
	input_touch_motion(&scene.input, ORIEL_INPUT_SINK_TOUCHES, 64, 72);
	input_touch_up(&scene.input, ORIEL_INPUT_SINK_TOUCHES);
	/* Nor one that is down already. */
	input_touch_down(&scene.input, 0, 64, 72);
	assert_first_got(&scene, "");
	input_touch_up(&scene.input, 0);
	input_touch_down(&scene.input, ORIEL_INPUT_SINK_TOUCHES, 0, 48);
	input_touch_frame(&scene.input);
	assert_first_got(&scene, "up 0, down 0 0 0|");
	scene_finish(&scene);
}

static void binding_without_a_name_shows_the_guest_or_the_windows(void **state) {
	struct scene scene;
	scene_init(&scene);
	const struct oriel_server *server = scene.fixture.server;
	/* That of the pointer's output, and once a guest has the input, that one. */
	show_guest(&scene, KEY_G);
	assert_true(server->guests_in_front);
	assert_ptr_equal(server->seat->guest_input.focus, fixture_get_view(&scene.fixture, "a"));
	show_guest(&scene, KEY_G);
	assert_false(server->guests_in_front);
	assert_null(server->seat->guest_input.focus);
	show_guest(&scene, KEY_2);
	show_guest(&scene, KEY_G);
	assert_false(server->guests_in_front);
	input_move(&scene.input, 300, 60);
	show_guest(&scene, KEY_G);
	assert_ptr_equal(server->seat->guest_input.focus, fixture_get_view(&scene.fixture, "b"));
	scene_finish(&scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binding_without_a_name_shows_the_guest_or_the_windows),
		cmocka_unit_test(keys_go_to_the_guest_that_was_shown_and_bindings_still_work),
		cmocka_unit_test(guest_that_goes_behind_loses_the_keys),
		cmocka_unit_test(window_that_comes_up_takes_the_keys_and_the_guest_lets_go),
		cmocka_unit_test(keyboard_unplugged_with_key_held_lets_go_of_it),
		cmocka_unit_test(guest_without_input_takes_nothing),
		cmocka_unit_test(guest_whose_output_goes_leaves_the_keyboard_to_a_window),
		cmocka_unit_test(guest_whose_output_is_not_there_is_not_given_the_keyboard),
		cmocka_unit_test(input_wakes_the_guest),
		cmocka_unit_test(pointer_is_a_place_in_the_picture),
		cmocka_unit_test(wheel_turns_in_the_guest_under_the_pointer),
		cmocka_unit_test(window_over_the_guest_gets_the_pointer),
		cmocka_unit_test(drag_in_the_guest_goes_on_over_windows_and_to_the_edges),
		cmocka_unit_test(button_held_while_the_guest_loses_the_focus_is_released_once),
		cmocka_unit_test(guest_that_has_the_pointer_shows_the_only_cursor),
		cmocka_unit_test(pointer_over_a_window_is_seen_whatever_the_guest_shows),
		cmocka_unit_test(drag_in_the_guest_leaves_the_cursor_to_it),
		cmocka_unit_test(grab_that_ends_leaves_the_guest_its_cursor),
		cmocka_unit_test(grab_gives_the_guest_every_key_and_distances),
		cmocka_unit_test(grab_chord_without_a_guest_is_the_windows),
		cmocka_unit_test(grab_takes_a_pressed_pointer_from_its_window),
		cmocka_unit_test(grab_keeps_the_keys_from_a_window_that_comes_up),
		cmocka_unit_test(grab_ends_with_the_guests_device_and_not_with_its_picture),
		cmocka_unit_test(grab_ends_with_the_guest),
		cmocka_unit_test(compositor_that_ends_in_a_grab_ends_cleanly),
		cmocka_unit_test(press_on_a_guest_that_takes_distances_locks_the_pointer_to_it),
		cmocka_unit_test(guest_that_takes_distances_has_no_pointer_without_a_lock),
		cmocka_unit_test(press_on_a_window_over_a_guest_that_takes_distances_locks_nothing),
		cmocka_unit_test(pointer_that_comes_to_know_places_ends_the_lock_of_a_press),
		cmocka_unit_test(grab_by_its_chord_outlives_how_the_pointer_is_moved),
		cmocka_unit_test(grab_of_a_guest_that_takes_places_keeps_the_pointer_in_its_picture),
		cmocka_unit_test(lock_by_a_press_ends_with_the_guests_device),
		cmocka_unit_test(keyboards_show_the_leds_of_the_guest_that_has_the_focus),
		cmocka_unit_test(escape_ends_the_grab_and_gives_the_keys_to_the_window),
		cmocka_unit_test(escape_without_windows_leaves_the_keys_to_nobody),
		cmocka_unit_test(inhibitor_has_the_bindings_until_escape),
		cmocka_unit_test(inhibitor_counts_for_the_window_with_the_keyboard_only),
		cmocka_unit_test(escape_works_in_a_grab_over_an_inhibitor),
		cmocka_unit_test(touch_on_a_guest_gives_it_the_focus_and_goes_to_it),
		cmocka_unit_test(touch_ends_where_the_guest_loses_the_focus),
		cmocka_unit_test(touch_elsewhere_is_nobodys),
		cmocka_unit_test(more_touches_than_there_are_fingers_are_left_out),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
