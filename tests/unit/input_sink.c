#include "guest/input_sink.h"

#include <linux/input-event-codes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_sink.h"
#include "log_lines.h"

static void assert_noted(struct fake_sink *sink, const char *expected) {
	assert_string_equal(fake_sink_take(sink), expected);
}

static void keys_are_pressed_once_and_released_once(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_key(&sink->base, KEY_A, false);
	assert_noted(sink, "");
	oriel_input_sink_key(&sink->base, KEY_A, true);
	oriel_input_sink_key(&sink->base, KEY_A, true);
	assert_true(oriel_input_sink_is_down(&sink->base, KEY_A));
	oriel_input_sink_frame(&sink->base);
	oriel_input_sink_key(&sink->base, KEY_A, false);
	oriel_input_sink_key(&sink->base, KEY_A, false);
	oriel_input_sink_frame(&sink->base);
	assert_false(oriel_input_sink_is_down(&sink->base, KEY_A));
	assert_noted(sink, "key 30 1| key 30 0|");
	oriel_input_sink_destroy(&sink->base);
}

static void codes_that_are_none_are_left_out(void **state) {
	static const struct {
		uint32_t code;
		bool is_key, is_button;
	} cases[] = {
		{ KEY_RESERVED, false, false },
		{ KEY_ESC, true, false },
		{ BTN_MISC - 1, true, false },
		{ BTN_MISC, false, false },
		{ BTN_LEFT - 1, false, false },
		{ BTN_LEFT, false, true },
		{ BTN_TASK, false, true },
		{ BTN_TASK + 1, false, false },
		{ KEY_OK - 1, false, false },
		{ KEY_OK, true, false },
		{ BTN_TRIGGER_HAPPY - 1, true, false },
		{ BTN_TRIGGER_HAPPY, false, false },
		{ KEY_MAX, false, false },
		{ KEY_CNT, false, false },
		{ UINT32_MAX, false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_sink *sink = fake_sink_create();
		oriel_input_sink_key(&sink->base, cases[i].code, true);
		assert_int_equal(oriel_input_sink_is_down(&sink->base, cases[i].code),
				cases[i].is_key);
		oriel_input_sink_key(&sink->base, cases[i].code, false);
		oriel_input_sink_button(&sink->base, cases[i].code, true);
		assert_int_equal(oriel_input_sink_is_down(&sink->base, cases[i].code),
				cases[i].is_button);
		assert_int_equal(oriel_input_sink_has_buttons_down(&sink->base), cases[i].is_button);
		oriel_input_sink_destroy(&sink->base);
	}
}

static void release_all_lets_go_of_all_that_is_held_in_one_frame(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_key(&sink->base, KEY_LEFTCTRL, true);
	oriel_input_sink_key(&sink->base, KEY_A, true);
	oriel_input_sink_button(&sink->base, BTN_RIGHT, true);
	oriel_input_sink_touch_down(&sink->base, 0, 0, 0);
	oriel_input_sink_touch_down(&sink->base, 9, 1, 1);
	oriel_input_sink_frame(&sink->base);
	fake_sink_take(sink);
	oriel_input_sink_release_all(&sink->base);
	assert_noted(sink, "key 29 0, key 30 0, button 273 0, up 0, up 9|");
	assert_false(oriel_input_sink_has_buttons_down(&sink->base));
	oriel_input_sink_release_all(&sink->base);
	assert_noted(sink, "");
	oriel_input_sink_destroy(&sink->base);
}

static void destroy_releases_before(void **state) {
	int destroyed = 0;
	struct fake_sink *sink = fake_sink_create();
	sink->destroyed = &destroyed;
	oriel_input_sink_key(&sink->base, KEY_A, true);
	oriel_input_sink_destroy(&sink->base);
	assert_int_equal(destroyed, 1);
	oriel_input_sink_destroy(NULL);
}

static void relative_motion_keeps_the_rest_of_a_pixel(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_set_relative(&sink->base, true);
	oriel_input_sink_motion_relative(&sink->base, 0.5, -0.25);
	assert_noted(sink, "");
	oriel_input_sink_motion_relative(&sink->base, 0.5, -1.0);
	oriel_input_sink_motion_relative(&sink->base, 0, -0.75);
	assert_noted(sink, "move 1 -1, move 0 -1");
	/* Never more than a device would say, and nothing that is not a number. */
	oriel_input_sink_motion_relative(&sink->base, 1e300, NAN);
	oriel_input_sink_motion_relative(&sink->base, -INFINITY, -40000);
	assert_noted(sink, "move 32767 0, move 0 -32767");
	/* The rest of one grab does not belong to the next. */
	oriel_input_sink_motion_relative(&sink->base, 0.75, 0);
	oriel_input_sink_set_relative(&sink->base, false);
	oriel_input_sink_set_relative(&sink->base, true);
	oriel_input_sink_motion_relative(&sink->base, 0.75, 0);
	assert_noted(sink, "");
	oriel_input_sink_destroy(&sink->base);
}

static void absolute_motion_is_kept_within_the_picture(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_motion_absolute(&sink->base, 0.25, 0.5);
	oriel_input_sink_motion_absolute(&sink->base, -0.1, 1.1);
	oriel_input_sink_motion_absolute(&sink->base, NAN, INFINITY);
	assert_noted(sink, "place 250 500, place 0 1000");
	/* Where it is after it was moved by distances nobody knows. */
	oriel_input_sink_set_relative(&sink->base, true);
	oriel_input_sink_set_relative(&sink->base, false);
	oriel_input_sink_motion_absolute(&sink->base, 0, 1);
	oriel_input_sink_motion_absolute(&sink->base, 0, 1);
	oriel_input_sink_motion_absolute(&sink->base, 0, 0.5);
	oriel_input_sink_motion_absolute(&sink->base, 0.5, 0.5);
	assert_noted(sink, "place 0 1000, place 0 500, place 500 500");
	oriel_input_sink_destroy(&sink->base);
}

static void change_of_the_pointers_kind_releases_first(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_button(&sink->base, BTN_LEFT, true);
	fake_sink_take(sink);
	oriel_input_sink_set_relative(&sink->base, false);
	assert_noted(sink, "");
	oriel_input_sink_set_relative(&sink->base, true);
	assert_noted(sink, "button 272 0|");
	oriel_input_sink_destroy(&sink->base);
}

static void axis_counts_in_units_of_a_wheel(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, 15, 120);
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, -3.75, -30);
	/* A touchpad has no wheel. */
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, 15, 0);
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0.0625, 0);
	assert_noted(sink, "axis v 120, axis h -30, axis v 120");
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0.0625, 0);
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0.0625, 0);
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 0);
	oriel_input_sink_axis(&sink->base, ORIEL_INPUT_SINK_AXIS_VERTICAL, NAN, 0);
	assert_noted(sink, "axis v 1");
	oriel_input_sink_destroy(&sink->base);
}

static void touches_move_and_go_up_only_if_they_are_down(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_touch_motion(&sink->base, 0, 0.5, 0.5);
	oriel_input_sink_touch_up(&sink->base, 0);
	oriel_input_sink_touch_down(&sink->base, ORIEL_INPUT_SINK_TOUCHES, 0, 0);
	oriel_input_sink_touch_motion(&sink->base, UINT32_MAX, 0, 0);
	oriel_input_sink_touch_up(&sink->base, UINT32_MAX);
	assert_noted(sink, "");
	oriel_input_sink_touch_down(&sink->base, 9, 0.5, 2);
	oriel_input_sink_touch_down(&sink->base, 9, 0.1, 0.1);
	oriel_input_sink_touch_motion(&sink->base, 9, -1, 0.25);
	oriel_input_sink_touch_up(&sink->base, 9);
	oriel_input_sink_touch_up(&sink->base, 9);
	assert_noted(sink, "down 9 500 1000, touch 9 0 250, up 9");
	oriel_input_sink_destroy(&sink->base);
}

struct counter {
	struct wl_listener listener;
	int count;
};

static void handle_count(struct wl_listener *listener, void *data) {
	struct counter *counter = wl_container_of(listener, counter, listener);
	counter->count++;
}

static void counter_add(struct counter *counter, struct wl_signal *signal) {
	counter->count = 0;
	counter->listener.notify = handle_count;
	wl_signal_add(signal, &counter->listener);
}

static void pointer_that_changes_its_kind_releases_first_and_says_so(void **state) {
	struct fake_sink *sink = fake_sink_create();
	struct counter changes;
	assert_int_equal(sink->base.pointer, ORIEL_INPUT_SINK_POINTER_BOTH);
	counter_add(&changes, &sink->base.events.pointer);
	oriel_input_sink_set_relative(&sink->base, true);
	oriel_input_sink_button(&sink->base, BTN_LEFT, true);
	fake_sink_take(sink);
	oriel_input_sink_set_pointer(&sink->base, ORIEL_INPUT_SINK_POINTER_PLACES);
	assert_noted(sink, "button 272 0|");
	assert_int_equal(changes.count, 1);
	assert_false(sink->base.is_relative);
	oriel_input_sink_set_pointer(&sink->base, ORIEL_INPUT_SINK_POINTER_PLACES);
	assert_int_equal(changes.count, 1);
	wl_list_remove(&changes.listener.link);
	oriel_input_sink_destroy(&sink->base);
}

static void pointer_that_takes_distances_only_goes_to_no_place(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_motion_absolute(&sink->base, 0.5, 0.5);
	oriel_input_sink_set_pointer(&sink->base, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	oriel_input_sink_motion_absolute(&sink->base, 1, 1);
	assert_noted(sink, "place 500 500|");
	oriel_input_sink_set_relative(&sink->base, true);
	oriel_input_sink_motion_relative(&sink->base, 1, 1);
	oriel_input_sink_set_pointer(&sink->base, ORIEL_INPUT_SINK_POINTER_BOTH);
	oriel_input_sink_motion_relative(&sink->base, 2, 2);
	assert_noted(sink, "move 1 1| move 2 2");
	oriel_input_sink_destroy(&sink->base);
}

static void place_that_was_forgotten_counts_again(void **state) {
	struct fake_sink *sink = fake_sink_create();
	oriel_input_sink_motion_absolute(&sink->base, 0.5, 0.5);
	oriel_input_sink_motion_absolute(&sink->base, 0.5, 0.5);
	assert_noted(sink, "place 500 500");
	oriel_input_sink_forget_place(&sink->base);
	oriel_input_sink_motion_absolute(&sink->base, 0.5, 0.5);
	assert_noted(sink, "place 500 500");
	oriel_input_sink_destroy(&sink->base);
}

static void leds_that_change_are_told_of_once(void **state) {
	struct fake_sink *sink = fake_sink_create();
	struct counter changes;
	assert_false(sink->base.has_leds);
	counter_add(&changes, &sink->base.events.leds);
	oriel_input_sink_set_leds(&sink->base, false, ORIEL_INPUT_SINK_LED_CAPS);
	assert_int_equal(changes.count, 0);
	assert_int_equal(sink->base.leds, 0);
	oriel_input_sink_set_leds(&sink->base, true, 0);
	oriel_input_sink_set_leds(&sink->base, true, 0);
	assert_int_equal(changes.count, 1);
	oriel_input_sink_set_leds(&sink->base, true, ORIEL_INPUT_SINK_LED_CAPS);
	assert_int_equal(changes.count, 2);
	assert_int_equal(sink->base.leds, ORIEL_INPUT_SINK_LED_CAPS);
	oriel_input_sink_set_leds(&sink->base, false, ORIEL_INPUT_SINK_LED_CAPS);
	assert_int_equal(changes.count, 3);
	assert_int_equal(sink->base.leds, 0);
	wl_list_remove(&changes.listener.link);
	oriel_input_sink_destroy(&sink->base);
}

static void unknown_driver_is_refused_in_one_line(void **state) {
	log_lines_init();
	assert_false(oriel_input_sink_driver_exists("ps2"));
	assert_null(oriel_input_sink_create(NULL, "ps2", "win", NULL));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: no input 'ps2' in this build"));
}

static void drivers_that_are_built_in_exist(void **state) {
	assert_int_equal(oriel_input_sink_driver_exists("qemu"), ORIEL_HAVE_QEMU);
	assert_int_equal(oriel_input_sink_driver_exists("uinput"), ORIEL_HAVE_UINPUT);
}

static void node_belongs_to_no_sink_that_has_none(void **state) {
	static const struct oriel_input_sink_ops without;
	struct oriel_input_sink sink;
	oriel_input_sink_init(&sink, &without);
	assert_false(oriel_input_sink_has_node(&sink, "event0"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_pressed_once_and_released_once),
		cmocka_unit_test(codes_that_are_none_are_left_out),
		cmocka_unit_test(release_all_lets_go_of_all_that_is_held_in_one_frame),
		cmocka_unit_test(destroy_releases_before),
		cmocka_unit_test(relative_motion_keeps_the_rest_of_a_pixel),
		cmocka_unit_test(absolute_motion_is_kept_within_the_picture),
		cmocka_unit_test(change_of_the_pointers_kind_releases_first),
		cmocka_unit_test(axis_counts_in_units_of_a_wheel),
		cmocka_unit_test(touches_move_and_go_up_only_if_they_are_down),
		cmocka_unit_test(pointer_that_changes_its_kind_releases_first_and_says_so),
		cmocka_unit_test(pointer_that_takes_distances_only_goes_to_no_place),
		cmocka_unit_test(place_that_was_forgotten_counts_again),
		cmocka_unit_test(leds_that_change_are_told_of_once),
		cmocka_unit_test(unknown_driver_is_refused_in_one_line),
		cmocka_unit_test(drivers_that_are_built_in_exist),
		cmocka_unit_test(node_belongs_to_no_sink_that_has_none),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
