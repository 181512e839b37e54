/*
 * Needs compositor/guest/qemu/input.c with -Wl,--wrap for what it asks of its machine and console:
 * those here note what they are told.
 */
#include "guest/qemu/input.h"

#include <linux/input-event-codes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guest/input_sink.h"
#include "guest/qemu/console.h"
#include "guest/qemu/machine.h"
#include "log_lines.h"
#include "shortage.h"

static struct {
	struct oriel_qemu_machine machine;
	struct oriel_qemu_console console;
	bool is_running;
	int refs;
	bool fails, has_no_console;
	char name[64], where[64];
	unsigned head;
	int looks, adopted_fd;
	char told[8192];
	size_t length;
	int pointer_changes, led_changes;
	struct wl_listener pointer, leds;
} context;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...) {
	size_t room = sizeof(context.told) - context.length;
	if (context.length > 0) {
		context.length += (size_t)snprintf(context.told + context.length, room, ", ");
	}
	va_list args;
	va_start(args, format);
	context.length += (size_t)vsnprintf(context.told + context.length,
			sizeof(context.told) - context.length, format, args);
	va_end(args);
	assert_true(context.length < sizeof(context.told));
}

static void assert_told(const char *expected) {
	assert_string_equal(context.told, expected);
	context.told[0] = '\0';
	context.length = 0;
}

struct oriel_qemu_machine *__wrap_oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where);
struct oriel_qemu_machine *__wrap_oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where) {
	snprintf(context.name, sizeof(context.name), "%s", name);
	snprintf(context.where, sizeof(context.where), "%s", where);
	if (context.fails) {
		return NULL;
	}
	context.refs++;
	return &context.machine;
}

void __wrap_oriel_qemu_machine_unref(struct oriel_qemu_machine *machine);
void __wrap_oriel_qemu_machine_unref(struct oriel_qemu_machine *machine) {
	context.refs--;
}

bool __wrap_oriel_qemu_machine_is_running(const struct oriel_qemu_machine *machine);
bool __wrap_oriel_qemu_machine_is_running(const struct oriel_qemu_machine *machine) {
	return context.is_running;
}

struct oriel_qemu_console *__wrap_oriel_qemu_machine_get_console(
		struct oriel_qemu_machine *machine, unsigned number);
struct oriel_qemu_console *__wrap_oriel_qemu_machine_get_console(
		struct oriel_qemu_machine *machine, unsigned number) {
	context.head = number;
	return context.has_no_console ? NULL : &context.console;
}

/* QEMU drops what it is told while it is stopped, and its notes of keys would be wrong. */
static void assert_hears(void) {
	assert_true(context.console.is_there && context.is_running);
}

void __wrap_oriel_qemu_console_key(
		struct oriel_qemu_console *console, uint32_t qnum, bool is_pressed);
void __wrap_oriel_qemu_console_key(
		struct oriel_qemu_console *console, uint32_t qnum, bool is_pressed) {
	assert_hears();
	note("key %x %d", qnum, is_pressed);
}

void __wrap_oriel_qemu_console_button(
		struct oriel_qemu_console *console, enum oriel_qemu_button button, bool is_pressed);
void __wrap_oriel_qemu_console_button(struct oriel_qemu_console *console,
		enum oriel_qemu_button button, bool is_pressed) {
	assert_hears();
	note("button %d %d", (int)button, is_pressed);
}

void __wrap_oriel_qemu_console_look(struct oriel_qemu_console *console);
void __wrap_oriel_qemu_console_look(struct oriel_qemu_console *console) {
	context.looks++;
}

bool __wrap_oriel_qemu_machine_adopt(
		struct oriel_qemu_machine *machine, enum oriel_qemu_channel channel, int take_fd);
bool __wrap_oriel_qemu_machine_adopt(
		struct oriel_qemu_machine *machine, enum oriel_qemu_channel channel, int take_fd) {
	assert_ptr_equal(machine, &context.machine);
	assert_int_equal(channel, ORIEL_QEMU_CHANNEL_QMP_INPUT);
	context.adopted_fd = take_fd;
	return true;
}

void __wrap_oriel_qemu_console_place(struct oriel_qemu_console *console, uint32_t x, uint32_t y);
void __wrap_oriel_qemu_console_place(struct oriel_qemu_console *console, uint32_t x, uint32_t y) {
	assert_hears();
	assert_true(console->is_absolute);
	assert_true(x < (uint32_t)console->width && y < (uint32_t)console->height);
	note("place %u %u", x, y);
}

void __wrap_oriel_qemu_console_move(struct oriel_qemu_console *console, int dx, int dy);
void __wrap_oriel_qemu_console_move(struct oriel_qemu_console *console, int dx, int dy) {
	assert_hears();
	assert_false(console->is_absolute);
	note("move %d %d", dx, dy);
}

void __wrap_oriel_qemu_console_touch(struct oriel_qemu_console *console, enum oriel_qemu_touch kind,
		unsigned slot, double x, double y);
void __wrap_oriel_qemu_console_touch(struct oriel_qemu_console *console, enum oriel_qemu_touch kind,
		unsigned slot, double x, double y) {
	static const char *const kinds[] = { "begin", "update", "end", "cancel" };
	assert_hears();
	assert_true(x >= 0 && x < console->width && y >= 0 && y < console->height);
	note("%s %u %ld %ld", kinds[kind], slot, lround(x), lround(y));
}

static void handle_pointer(struct wl_listener *listener, void *data) {
	context.pointer_changes++;
}

static void handle_leds(struct wl_listener *listener, void *data) {
	context.led_changes++;
}

static struct oriel_input_sink *create_with(const struct oriel_input_sink_options *options) {
	memset(&context, 0, sizeof(context));
	wl_signal_init(&context.machine.events.there);
	wl_signal_init(&context.machine.events.reset);
	wl_signal_init(&context.machine.events.run);
	wl_signal_init(&context.console.events.change);
	context.is_running = true;
	context.console.is_there = true;
	context.console.width = 1000;
	context.console.height = 701;
	context.console.is_absolute = true;
	context.console.touch_slots = 10;
	context.console.has_leds = true;
	struct oriel_input_sink *sink = oriel_qemu_input_create(NULL, "win", options);
	assert_non_null(sink);
	context.pointer.notify = handle_pointer;
	wl_signal_add(&sink->events.pointer, &context.pointer);
	context.leds.notify = handle_leds;
	wl_signal_add(&sink->events.leds, &context.leds);
	return sink;
}

static struct oriel_input_sink *create(void) {
	return create_with(&(const struct oriel_input_sink_options){ .where = "/run/q" });
}

static struct oriel_input_sink *create_with_touch(void) {
	return create_with(&(const struct oriel_input_sink_options){
			.where = "/run/q", .has_touch = true });
}

static void destroy(struct oriel_input_sink *sink) {
	wl_list_remove(&context.pointer.link);
	wl_list_remove(&context.leds.link);
	oriel_input_sink_destroy(sink);
	assert_int_equal(context.refs, 0);
	assert_true(wl_list_empty(&context.machine.events.there.listener_list));
	assert_true(wl_list_empty(&context.machine.events.reset.listener_list));
	assert_true(wl_list_empty(&context.machine.events.run.listener_list));
	assert_true(wl_list_empty(&context.console.events.change.listener_list));
}

static void say_change(void) {
	wl_signal_emit_mutable(&context.console.events.change, NULL);
}

static void set_running(bool is_running) {
	context.is_running = is_running;
	wl_signal_emit_mutable(&context.machine.events.run, NULL);
}

static void set_there(bool is_there) {
	context.console.is_there = is_there;
	context.console.is_absolute = is_there;
	context.console.width = is_there ? 1000 : 0;
	context.console.height = is_there ? 701 : 0;
	say_change();
	wl_signal_emit_mutable(&context.machine.events.there, NULL);
}

static void reset_machine(void) {
	wl_signal_emit_mutable(&context.machine.events.reset, NULL);
}

static void sink_belongs_to_a_head_of_its_machine(void **state) {
	struct oriel_input_sink *sink = create();
	assert_string_equal(context.name, "win");
	assert_string_equal(context.where, "/run/q");
	assert_int_equal(context.head, 0);
	destroy(sink);
	sink = create_with(&(const struct oriel_input_sink_options){
			.where = "handover", .machine_name = "vm", .head = 3 });
	assert_string_equal(context.name, "vm");
	assert_string_equal(context.where, "handover");
	assert_int_equal(context.head, 3);
	destroy(sink);
}

static void sink_without_memory_or_machine_is_none(void **state) {
	const struct oriel_input_sink_options options = { .where = "/run/q" };
	destroy(create());
	context.fails = true;
	assert_null(oriel_qemu_input_create(NULL, "win", &options));
	context.fails = false;
	log_lines_init();
	context.has_no_console = true;
	assert_null(oriel_qemu_input_create(NULL, "win", &options));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: no input: out of memory"));
	context.has_no_console = false;
	shortage_of_memory_begin(1);
	assert_null(oriel_qemu_input_create(NULL, "win", &options));
	shortage_of_memory_end();
	assert_int_equal(log_lines_get_count(), 2);
	assert_int_equal(context.refs, 0);
}

static void keys_are_told_by_qemus_numbers(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_key(sink, KEY_RIGHTALT, true);
	oriel_input_sink_key(sink, KEY_E, true);
	oriel_input_sink_key(sink, KEY_E, false);
	oriel_input_sink_key(sink, KEY_RIGHTALT, false);
	assert_told("key b8 1, key 12 1, key 12 0, key b8 0");
	/* QEMU has no number for this one. */
	oriel_input_sink_key(sink, KEY_MICMUTE, true);
	oriel_input_sink_key(sink, KEY_MICMUTE, false);
	oriel_input_sink_frame(sink);
	assert_told("");
	destroy(sink);
}

static void buttons_are_those_that_qemu_has(void **state) {
	struct oriel_input_sink *sink = create();
	for (uint32_t code = BTN_LEFT; code <= BTN_TASK; code++) {
		oriel_input_sink_button(sink, code, true);
		oriel_input_sink_button(sink, code, false);
	}
	assert_told("button 0 1, button 0 0, button 2 1, button 2 0, button 1 1, button 1 0, "
		    "button 5 1, button 5 0, button 6 1, button 6 0");
	destroy(sink);
}

static void places_are_pixels_within_the_surface(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_motion_absolute(sink, 0, 0);
	oriel_input_sink_motion_absolute(sink, 0.5, 350.0 / 701);
	oriel_input_sink_motion_absolute(sink, 0.9999999, 1);
	assert_told("place 0 0, place 500 350, place 999 700");
	/* The same place of another size is another one. */
	context.console.width = 1;
	context.console.height = 1;
	say_change();
	oriel_input_sink_motion_absolute(sink, 0.9999999, 1);
	assert_told("place 0 0");
	context.console.width = 0;
	say_change();
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	assert_told("");
	destroy(sink);
}

static void guest_says_how_its_pointer_is_moved(void **state) {
	struct oriel_input_sink *sink = create();
	assert_int_equal(sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
	oriel_input_sink_button(sink, BTN_LEFT, true);
	assert_told("button 0 1");
	/* As at a reset: a mouse is there before the guest has found its tablet. */
	context.console.is_absolute = false;
	say_change();
	assert_told("button 0 0");
	assert_int_equal(sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	assert_int_equal(context.pointer_changes, 1);
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	assert_told("");
	oriel_input_sink_set_relative(sink, true);
	oriel_input_sink_motion_relative(sink, 5, -3);
	assert_told("move 5 -3");

	oriel_input_sink_button(sink, BTN_RIGHT, true);
	context.console.is_absolute = true;
	say_change();
	assert_told("button 2 1, button 2 0");
	assert_int_equal(sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
	assert_int_equal(context.pointer_changes, 2);
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	assert_told("place 500 350");
	say_change();
	assert_int_equal(context.pointer_changes, 2);
	destroy(sink);
}

static void wheel_turns_by_notches(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 120);
	assert_told("button 4 1, button 4 0");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, -240);
	assert_told("button 3 1, button 3 0, button 3 1, button 3 0");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0, 120);
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0, -120);
	assert_told("button 8 1, button 8 0, button 7 1, button 7 0");

	/* Parts of a notch wait for the rest, each way by itself. */
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 119);
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0, 1);
	assert_told("");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 1);
	assert_told("button 4 1, button 4 0");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 90);
	/* Turned back, it does not owe what it had gone the other way. */
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, -119);
	assert_told("");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, -1);
	assert_told("button 3 1, button 3 0");
	destroy(sink);
}

static void leds_are_the_guests(void **state) {
	struct oriel_input_sink *sink = create();
	assert_true(sink->has_leds);
	context.console.leds = ORIEL_QEMU_LED_CAPS | ORIEL_QEMU_LED_NUM;
	say_change();
	assert_int_equal(sink->leds, ORIEL_INPUT_SINK_LED_CAPS | ORIEL_INPUT_SINK_LED_NUM);
	/* Whatever else may be said of LEDs that there are none of. */
	context.console.leds = ORIEL_QEMU_LED_SCROLL | 0xfffffff8;
	say_change();
	assert_int_equal(sink->leds, ORIEL_INPUT_SINK_LED_SCROLL);
	assert_int_equal(context.led_changes, 2);
	say_change();
	assert_int_equal(context.led_changes, 2);
	/* By QMP nobody says how they are. */
	context.console.has_leds = false;
	say_change();
	assert_false(sink->has_leds);
	context.console.has_leds = true;
	say_change();
	assert_true(sink->has_leds);
	set_there(false);
	assert_false(sink->has_leds);
	assert_int_equal(sink->leds, 0);
	destroy(sink);
}

static void frame_is_when_the_user_has_done_something(void **state) {
	struct oriel_input_sink *sink = create();
	int looks = context.looks;
	oriel_input_sink_frame(sink);
	assert_int_equal(context.looks, looks + 1);
	/* As when the pointer is caught, which is told to no guest. */
	oriel_input_sink_release_all(sink);
	assert_int_equal(context.looks, looks + 2);
	destroy(sink);
}

static void monitor_that_is_handed_over_is_the_machines(void **state) {
	struct oriel_input_sink *sink = create();
	assert_true(oriel_input_sink_adopt(sink, 77));
	assert_int_equal(context.adopted_fd, 77);
	destroy(sink);
}

/* What is held down */

static void hold_all(struct oriel_input_sink *sink) {
	oriel_input_sink_key(sink, KEY_LEFTCTRL, true);
	oriel_input_sink_button(sink, BTN_RIGHT, true);
	oriel_input_sink_touch_down(sink, 1, 0.5, 0.25);
	assert_told("key 1d 1, button 2 1, begin 1 500 175");
}

#define ALL_RELEASED "key 1d 0, button 2 0, end 1 500 175"

static void assert_nothing_is_left_to_release(struct oriel_input_sink *sink) {
	oriel_input_sink_key(sink, KEY_LEFTCTRL, false);
	oriel_input_sink_button(sink, BTN_RIGHT, false);
	oriel_input_sink_touch_up(sink, 1);
	oriel_input_sink_release_all(sink);
	assert_told("");
}

static void reset_lets_go_of_all_that_is_held(void **state) {
	struct oriel_input_sink *sink = create_with_touch();
	hold_all(sink);
	reset_machine();
	assert_told(ALL_RELEASED);
	assert_nothing_is_left_to_release(sink);
	destroy(sink);
}

static void stopped_machine_is_told_of_nothing_and_lets_go_when_it_goes_on(void **state) {
	struct oriel_input_sink *sink = create_with_touch();
	hold_all(sink);
	set_running(false);
	assert_told("");
	oriel_input_sink_key(sink, KEY_A, true);
	oriel_input_sink_button(sink, BTN_LEFT, true);
	oriel_input_sink_touch_motion(sink, 1, 0, 0);
	oriel_input_sink_touch_down(sink, 2, 0, 0);
	oriel_input_sink_touch_motion(sink, 2, 1, 1);
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 120);
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	/* Not even by a reset, which a stopped machine may have. */
	reset_machine();
	assert_told("");
	set_running(true);
	assert_told("key 1d 0, button 2 0, end 1 0 0");
	assert_nothing_is_left_to_release(sink);
	oriel_input_sink_key(sink, KEY_A, false);
	assert_told("");
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	oriel_input_sink_key(sink, KEY_A, true);
	assert_told("place 500 350, key 1e 1");
	destroy(sink);
	assert_told("key 1e 0");
}

static void what_was_released_while_stopped_is_when_it_goes_on(void **state) {
	struct oriel_input_sink *sink = create_with_touch();
	hold_all(sink);
	set_running(false);
	oriel_input_sink_release_all(sink);
	assert_told("");
	set_running(true);
	assert_told(ALL_RELEASED);
	assert_nothing_is_left_to_release(sink);
	destroy(sink);
}

static void machine_that_goes_takes_along_what_is_held(void **state) {
	struct oriel_input_sink *sink = create_with_touch();
	hold_all(sink);
	set_there(false);
	assert_told("");
	oriel_input_sink_key(sink, KEY_A, true);
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	oriel_input_sink_touch_down(sink, 0, 0.5, 0.5);
	set_there(true);
	assert_told("");
	assert_nothing_is_left_to_release(sink);
	oriel_input_sink_key(sink, KEY_A, false);
	assert_told("");
	oriel_input_sink_motion_absolute(sink, 0.5, 0.5);
	assert_told("place 500 350");
	destroy(sink);
}

static void machine_that_is_away_does_not_ask_for_distances(void **state) {
	struct oriel_input_sink *sink = create();
	context.console.is_absolute = false;
	say_change();
	assert_int_equal(sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	oriel_input_sink_set_relative(sink, true);
	set_there(false);
	assert_int_equal(sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
	destroy(sink);
}

/* Touch */

static void touches_go_to_a_touch_screen_if_there_is_one(void **state) {
	struct oriel_input_sink *sink = create_with_touch();
	oriel_input_sink_touch_down(sink, 0, 0, 0);
	oriel_input_sink_touch_down(sink, 9, 1, 1);
	oriel_input_sink_touch_motion(sink, 0, 0.5, 0.5);
	oriel_input_sink_touch_up(sink, 0);
	oriel_input_sink_touch_up(sink, 9);
	assert_told("begin 0 0 0, begin 9 999 700, update 0 500 351, end 0 500 351, end 9 999 700");
	/* More than it has at once are left out, to their ends. */
	context.console.touch_slots = 9;
	oriel_input_sink_touch_down(sink, 8, 0, 0);
	oriel_input_sink_touch_down(sink, 9, 0, 0);
	oriel_input_sink_touch_motion(sink, 9, 1, 1);
	oriel_input_sink_touch_up(sink, 9);
	oriel_input_sink_touch_up(sink, 8);
	assert_told("begin 8 0 0, end 8 0 0");
	destroy(sink);
}

static void touch_without_a_touch_screen_is_the_pointer(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_motion_absolute(sink, 0.25, 0);
	oriel_input_sink_touch_down(sink, 3, 0.5, 0.5);
	oriel_input_sink_touch_motion(sink, 3, 0.75, 0.5);
	assert_told("place 250 0, place 500 350, button 0 1, place 750 350");
	/* One at a time. */
	oriel_input_sink_touch_down(sink, 4, 0, 0);
	oriel_input_sink_touch_motion(sink, 4, 1, 1);
	oriel_input_sink_touch_up(sink, 4);
	assert_told("");
	/* The button is down as long as it is held down by anything. */
	oriel_input_sink_button(sink, BTN_LEFT, true);
	oriel_input_sink_touch_up(sink, 3);
	assert_told("");
	oriel_input_sink_button(sink, BTN_LEFT, false);
	assert_told("button 0 0");
	/* The mouse puts it back to where it was. */
	oriel_input_sink_motion_absolute(sink, 0.25, 0);
	assert_told("place 250 0");

	oriel_input_sink_touch_down(sink, 3, 0.5, 0.5);
	oriel_input_sink_button(sink, BTN_LEFT, true);
	oriel_input_sink_button(sink, BTN_LEFT, false);
	assert_told("place 500 350, button 0 1");
	oriel_input_sink_release_all(sink);
	assert_told("button 0 0");
	destroy(sink);
}

static void touch_moves_no_pointer_that_takes_distances(void **state) {
	struct oriel_input_sink *sink = create();
	context.console.is_absolute = false;
	say_change();
	oriel_input_sink_touch_down(sink, 0, 0.5, 0.5);
	oriel_input_sink_touch_motion(sink, 0, 0.75, 0.5);
	/* Not by half either. */
	context.console.is_absolute = true;
	say_change();
	oriel_input_sink_touch_motion(sink, 0, 0.25, 0.5);
	oriel_input_sink_touch_up(sink, 0);
	assert_told("");
	destroy(sink);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sink_belongs_to_a_head_of_its_machine),
		cmocka_unit_test(sink_without_memory_or_machine_is_none),
		cmocka_unit_test(keys_are_told_by_qemus_numbers),
		cmocka_unit_test(buttons_are_those_that_qemu_has),
		cmocka_unit_test(places_are_pixels_within_the_surface),
		cmocka_unit_test(guest_says_how_its_pointer_is_moved),
		cmocka_unit_test(wheel_turns_by_notches),
		cmocka_unit_test(leds_are_the_guests),
		cmocka_unit_test(frame_is_when_the_user_has_done_something),
		cmocka_unit_test(monitor_that_is_handed_over_is_the_machines),
		cmocka_unit_test(reset_lets_go_of_all_that_is_held),
		cmocka_unit_test(stopped_machine_is_told_of_nothing_and_lets_go_when_it_goes_on),
		cmocka_unit_test(what_was_released_while_stopped_is_when_it_goes_on),
		cmocka_unit_test(machine_that_goes_takes_along_what_is_held),
		cmocka_unit_test(machine_that_is_away_does_not_ask_for_distances),
		cmocka_unit_test(touches_go_to_a_touch_screen_if_there_is_one),
		cmocka_unit_test(touch_without_a_touch_screen_is_the_pointer),
		cmocka_unit_test(touch_moves_no_pointer_that_takes_distances),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
