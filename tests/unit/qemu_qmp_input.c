/*
 * A guest's input by QMP alone: the sink, its machine and console on a fake QEMU that has a monitor, as
 * with a device that was handed over with one. Time is the test's.
 */
#include "guest/qemu/qmp_input.h"

#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fake_qemu.h"
#include "fds.h"
#include "guest/input_sink.h"
#include "guest/qemu/machine.h"
#include "held_timers.h"
#include "log_lines.h"
#include "shortage.h"

#define SEC_NS UINT64_C(1000000000)
#define BACKLOG_PRESS 64 /* of a console */

static struct {
	int fds_before;
	uint64_t now_ns;
	struct wl_event_loop *loop;
	struct fake_qemu *qemu;
	struct oriel_input_sink *sink;
} test;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
	if (clock != CLOCK_MONOTONIC) {
		return __real_clock_gettime(clock, ret_time);
	}
	ret_time->tv_sec = (time_t)(test.now_ns / SEC_NS);
	ret_time->tv_nsec = (long)(test.now_ns % SEC_NS);
	return 0;
}

static void settle(void) {
	held_timers_settle(test.loop);
}

/* What QEMU was told since the last time, an event a line. */
static void assert_told(const char *expected) {
	settle();
	assert_string_equal(fake_qemu_take_calls(test.qemu), expected);
}

static void set_tablet(bool is_in_use) {
	fake_qemu_set_console(test.qemu, 0,
			&(const struct fake_qemu_console){ .is_absolute = is_in_use });
}

static void say(const char *event) {
	fake_qemu_send_event(test.qemu, event);
	settle();
}

static int setup_with(bool has_touch) {
	memset(&test, 0, sizeof(test));
	test.now_ns = 100 * SEC_NS;
	log_lines_init();
	held_timers_init();
	test.fds_before = fds_count_open();
	test.loop = wl_event_loop_create();
	assert_non_null(test.loop);
	test.qemu = fake_qemu_create(test.loop, NULL);
	const struct oriel_input_sink_options options = {
		.where = "handover",
		.has_touch = has_touch,
	};
	test.sink = oriel_input_sink_create(test.loop, "qemu", "vm", &options);
	assert_non_null(test.sink);
	return 0;
}

static int setup(void **state) {
	return setup_with(false);
}

static int setup_touch(void **state) {
	return setup_with(true);
}

static int teardown(void **state) {
	oriel_input_sink_destroy(test.sink);
	fake_qemu_destroy(test.qemu);
	wl_event_loop_destroy(test.loop);
	assert_int_equal(fds_count_open(), test.fds_before);
	return 0;
}

static void hand_over(void) {
	assert_true(oriel_input_sink_adopt(test.sink, fake_qemu_hand_over_monitor(test.qemu)));
	assert_told("QMP mice\n");
}

static void start_with_tablet(void) {
	set_tablet(true);
	hand_over();
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
}

/* --- what is told ----------------------------------------------------------------------------- */

static void keys_are_told_by_qemus_numbers(void **state) {
	oriel_input_sink_key(test.sink, KEY_A, true);
	oriel_input_sink_key(test.sink, KEY_A, false);
	assert_told("");
	start_with_tablet();
	oriel_input_sink_key(test.sink, KEY_RIGHTALT, true);
	oriel_input_sink_key(test.sink, KEY_E, true);
	oriel_input_sink_key(test.sink, KEY_E, false);
	oriel_input_sink_key(test.sink, KEY_RIGHTALT, false);
	assert_told("QMP key 184 true\nQMP key 18 true\nQMP key 18 false\nQMP key 184 false\n");
	assert_false(test.sink->has_leds);
	/* There is nothing else that QEMU is asked for: not its display. */
	assert_int_equal(fake_qemu_get_display_count(test.qemu), 0);
}

static void pointer_is_told_by_places_buttons_and_notches(void **state) {
	start_with_tablet();
	oriel_input_sink_motion_absolute(test.sink, 0, 0);
	settle();
	oriel_input_sink_motion_absolute(test.sink, 0.5, 0.25);
	settle();
	oriel_input_sink_motion_absolute(test.sink, 1, 1);
	assert_told("QMP abs x 0, abs y 0\nQMP abs x 16384, abs y 8192\n"
		    "QMP abs x 32767, abs y 32767\n");
	static const uint32_t buttons[] = { BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA };
	for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++) {
		oriel_input_sink_button(test.sink, buttons[i], true);
		oriel_input_sink_button(test.sink, buttons[i], false);
	}
	assert_told("QMP btn left true\nQMP btn left false\nQMP btn middle true\n"
		    "QMP btn middle false\nQMP btn right true\nQMP btn right false\n"
		    "QMP btn side true\nQMP btn side false\nQMP btn extra true\n"
		    "QMP btn extra false\n");
	for (int i = 0; i < 2; i++) {
		oriel_input_sink_axis(test.sink, (enum oriel_input_sink_axis)i, 0, 120);
		oriel_input_sink_axis(test.sink, (enum oriel_input_sink_axis)i, 0, -120);
	}
	assert_told("QMP btn wheel-down true\nQMP btn wheel-down false\nQMP btn wheel-up true\n"
		    "QMP btn wheel-up false\nQMP btn wheel-right true\nQMP btn wheel-right false\n"
		    "QMP btn wheel-left true\nQMP btn wheel-left false\n");
}

static void touches_are_told_by_slots(void **state) {
	start_with_tablet();
	oriel_input_sink_touch_down(test.sink, 0, 0, 1);
	oriel_input_sink_touch_down(test.sink, 9, 0.5, 0.5);
	settle();
	oriel_input_sink_touch_motion(test.sink, 0, 0.25, 0);
	oriel_input_sink_touch_up(test.sink, 0);
	oriel_input_sink_touch_up(test.sink, 9);
	assert_told("QMP mtt begin 0 0 x 0, mtt data 0 0 x 0, mtt data 0 0 y 32767\n"
		    "QMP mtt begin 9 9 x 16384, mtt data 9 9 x 16384, mtt data 9 9 y 16384\n"
		    "QMP mtt update 0 0 x 8192, mtt data 0 0 x 8192, mtt data 0 0 y 0\n"
		    "QMP mtt end 0 -1 x 8192\nQMP mtt end 9 -1 x 16384\n");
}

/* --- one at a time ---------------------------------------------------------------------------- */

static void motion_is_merged_while_an_event_is_under_way(void **state) {
	start_with_tablet();
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_motion_absolute(test.sink, 0, 0);
	oriel_input_sink_motion_absolute(test.sink, 0.25, 0.25);
	oriel_input_sink_motion_absolute(test.sink, 0.5, 0.5);
	oriel_input_sink_button(test.sink, BTN_LEFT, true);
	oriel_input_sink_motion_absolute(test.sink, 0.75, 0.5);
	oriel_input_sink_motion_absolute(test.sink, 0.75, 0.75);
	assert_told("QMP abs x 0, abs y 0\n");
	/* Each place behind the event before which it was, and the last one only. */
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	assert_told("QMP abs x 16384, abs y 16384\nQMP btn left true\nQMP abs x 24576, abs y 24576\n");
}

static void distances_are_added_up_while_an_event_is_under_way(void **state) {
	hand_over();
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	oriel_input_sink_set_relative(test.sink, true);
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_motion_relative(test.sink, 5, -3);
	for (int i = 0; i < 100; i++) {
		oriel_input_sink_motion_relative(test.sink, 1, -2);
	}
	assert_told("QMP rel x 5, rel y -3\n");
	for (int i = 0; i < 100; i++) {
		oriel_input_sink_motion_relative(test.sink, 32767, -1);
	}
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	assert_told("QMP rel x 32768, rel y -300\n");
}

static unsigned count_lines(const char *text, const char *with) {
	unsigned count = 0;
	for (const char *at = text; (at = strstr(at, with)) != NULL; at += strlen(with)) {
		count++;
	}
	return count;
}

static void qemu_that_never_answers_is_told_of_releases_and_no_more_presses(void **state) {
	start_with_tablet();
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	for (int i = 0; i < 10000; i++) {
		oriel_input_sink_key(test.sink, KEY_A, true);
		oriel_input_sink_motion_absolute(test.sink, i % 2, 0);
		oriel_input_sink_button(test.sink, BTN_LEFT, true);
		oriel_input_sink_button(test.sink, BTN_LEFT, false);
		oriel_input_sink_key(test.sink, KEY_A, false);
	}
	oriel_input_sink_key(test.sink, KEY_B, true);
	settle();
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	settle();
	const char *told = fake_qemu_take_calls(test.qemu);
	assert_uint_in_range(count_lines(told, "\n"), BACKLOG_PRESS, BACKLOG_PRESS + 8);
	assert_int_equal(count_lines(told, "key 30 true"), count_lines(told, "key 30 false"));
	assert_int_equal(count_lines(told, "left true"), count_lines(told, "left false"));
	assert_int_equal(count_lines(told, "key 48"), 0);
	oriel_input_sink_key(test.sink, KEY_C, true);
	assert_told("QMP key 46 true\n");
}

/* --- the pointer ------------------------------------------------------------------------------ */

static void tablet_is_found_once_the_guest_has_started_it(void **state) {
	hand_over();
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	set_tablet(true);
	/* Once a second at most, however much is typed; and nothing runs while nothing is. */
	oriel_input_sink_frame(test.sink);
	assert_told("");
	assert_int_equal(held_timers_count(1000), 0);
	test.now_ns += SEC_NS - 1;
	oriel_input_sink_frame(test.sink);
	assert_told("");
	test.now_ns++;
	oriel_input_sink_frame(test.sink);
	oriel_input_sink_frame(test.sink);
	assert_told("QMP mice\n");
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
	/* It is known from there on. */
	test.now_ns += 10 * SEC_NS;
	oriel_input_sink_frame(test.sink);
	assert_told("");
}

static void reset_asks_for_the_pointer_and_lets_go(void **state) {
	start_with_tablet();
	oriel_input_sink_key(test.sink, KEY_A, true);
	oriel_input_sink_button(test.sink, BTN_LEFT, true);
	assert_told("QMP key 30 true\nQMP btn left true\n");
	set_tablet(false);
	say("RESET");
	assert_told("QMP mice\nQMP key 30 false\nQMP btn left false\n");
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);

	/* What is answered to a question of before is not how it is. */
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_key(test.sink, KEY_A, true);
	say("RESET");
	say("RESET");
	set_tablet(true);
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	assert_told("QMP key 30 true\nQMP mice\nQMP key 30 false\nQMP mice\n");
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_PLACES);
}

static void event_that_fails_is_a_reason_to_ask(void **state) {
	start_with_tablet();
	test.now_ns += SEC_NS;
	set_tablet(false);
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_REFUSES);
	oriel_input_sink_motion_absolute(test.sink, 0.5, 0.5);
	oriel_input_sink_key(test.sink, KEY_A, true);
	oriel_input_sink_key(test.sink, KEY_A, false);
	assert_told("QMP abs x 16384, abs y 16384\nQMP mice\nQMP key 30 true\nQMP key 30 false\n");
	assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	/* Nothing is told again, as the machine runs: it has no such device. */
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	oriel_input_sink_key(test.sink, KEY_B, true);
	assert_told("QMP key 48 true\n");
}

static void pointer_that_is_not_told_is_a_mouse(void **state) {
	static const enum fake_qemu_fault faults[] = { FAKE_QEMU_FAULT_REFUSES };
	set_tablet(true);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_MICE, faults[i]);
		hand_over();
		assert_int_equal(test.sink->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
		oriel_input_sink_key(test.sink, KEY_A, true);
		oriel_input_sink_key(test.sink, KEY_A, false);
		assert_told("QMP key 30 true\nQMP key 30 false\n");
	}
}

/* --- the machine ------------------------------------------------------------------------------ */

static void stopped_machine_is_told_when_it_goes_on(void **state) {
	start_with_tablet();
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
	say("STOP");
	oriel_input_sink_key(test.sink, KEY_A, false);
	oriel_input_sink_key(test.sink, KEY_B, true);
	oriel_input_sink_motion_absolute(test.sink, 0.5, 0.5);
	assert_told("");
	say("RESUME");
	assert_told("QMP key 30 false\n");
}

/* QEMU has not said that it is stopped when it is told of the release, and says so before its answer. */
static void release_that_comes_too_late_is_made_up_for(void **state) {
	start_with_tablet();
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_key(test.sink, KEY_A, false);
	oriel_input_sink_key(test.sink, KEY_B, true);
	oriel_input_sink_key(test.sink, KEY_B, false);
	assert_told("QMP key 30 false\n");
	say("STOP");
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	assert_told("");
	say("RESUME");
	assert_told("QMP key 30 false\nQMP key 48 true\nQMP key 48 false\n");

	/* A press that came too late is left out: what it was for is over. */
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
	say("STOP");
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_true(fake_qemu_answer_input(test.qemu));
	say("RESUME");
	assert_told("QMP key 30 false\n");
}

static void machine_that_was_stopped_before_is_told_nothing(void **state) {
	set_tablet(true);
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_GREETING, FAKE_QEMU_FAULT_SILENT);
	int fd = fake_qemu_hand_over_monitor(test.qemu);
	fake_qemu_send_event(test.qemu, "STOP"); /* remembered for query-status */
	close(fd);
	settle();
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_GREETING, FAKE_QEMU_FAULT_NONE);
	hand_over();
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("");
	say("RESUME");
	oriel_input_sink_key(test.sink, KEY_B, true);
	assert_told("QMP key 48 true\n");
}

static void monitor_that_ends_takes_the_input_along_until_the_next(void **state) {
	start_with_tablet();
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_input_sink_key(test.sink, KEY_A, true);
	oriel_input_sink_key(test.sink, KEY_B, true);
	assert_told("QMP key 30 true\n");
	fake_qemu_close_monitor(test.qemu);
	settle();
	oriel_input_sink_key(test.sink, KEY_C, true);
	fake_qemu_set_fault(test.qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_NONE);
	assert_int_equal(log_lines_get_count(), 0);
	hand_over();
	oriel_input_sink_key(test.sink, KEY_D, true);
	assert_told("QMP key 32 true\n");
	/* The next may be there while this one is. */
	hand_over();
	oriel_input_sink_key(test.sink, KEY_E, true);
	assert_told("QMP key 18 true\n");
}

static void steps_that_fail_leave_no_input_and_one_line(void **state) {
	static const struct {
		enum fake_qemu_step step;
		enum fake_qemu_fault fault;
		unsigned lines;
	} cases[] = {
		{ FAKE_QEMU_STEP_GREETING, FAKE_QEMU_FAULT_CLOSES, 1 },
		{ FAKE_QEMU_STEP_GREETING, FAKE_QEMU_FAULT_GARBAGE, 1 },
		{ FAKE_QEMU_STEP_CAPABILITIES, FAKE_QEMU_FAULT_REFUSES, 1 },
		{ FAKE_QEMU_STEP_MICE, FAKE_QEMU_FAULT_CLOSES, 1 },
		{ FAKE_QEMU_STEP_MICE, FAKE_QEMU_FAULT_GARBAGE, 1 },
		{ FAKE_QEMU_STEP_GREETING, FAKE_QEMU_FAULT_SILENT, 0 },
		{ FAKE_QEMU_STEP_MICE, FAKE_QEMU_FAULT_SILENT, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned lines = log_lines_get_count();
		test.now_ns += 60 * SEC_NS; /* the same line is said again after that */
		fake_qemu_set_fault(test.qemu, cases[i].step, cases[i].fault);
		assert_true(oriel_input_sink_adopt(test.sink, fake_qemu_hand_over_monitor(test.qemu)));
		settle();
		oriel_input_sink_key(test.sink, KEY_A, true);
		oriel_input_sink_release_all(test.sink);
		settle();
		assert_null(strstr(fake_qemu_take_calls(test.qemu), "key"));
		assert_int_equal(log_lines_get_count() - lines, cases[i].lines);
		fake_qemu_set_fault(test.qemu, cases[i].step, FAKE_QEMU_FAULT_NONE);
	}
	hand_over();
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
}

static void file_that_is_no_socket_is_refused(void **state) {
	assert_false(oriel_input_sink_adopt(test.sink, open("/dev/null", O_RDWR | O_CLOEXEC)));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "no connected stream socket"));
	/* And leaves what there was. */
	hand_over();
	assert_false(oriel_input_sink_adopt(test.sink, open("/dev/null", O_RDWR | O_CLOEXEC)));
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
}

static void shortage_of_memory_leaves_no_input(void **state) {
	/* The connection and its first command; then status, console, its input and their commands. */
	for (unsigned n = 1; n <= 6; n++) {
		int fd = fake_qemu_hand_over_monitor(test.qemu);
		shortage_of_memory_begin(n);
		oriel_input_sink_adopt(test.sink, fd);
		settle();
		shortage_of_memory_end();
		fake_qemu_take_calls(test.qemu);
	}
	hand_over();
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
}

/* A machine that has a display of QEMU's, but no console: a vGPU whose display is off. */
static void machine_without_consoles_has_its_input_by_qmp(void **state) {
	set_tablet(true);
	fake_qemu_set_console_numbers(test.qemu, NULL, 0);
	struct oriel_qemu_machine *machine = oriel_qemu_machine_ref(test.loop, "vm", "handover");
	assert_true(oriel_qemu_machine_adopt(
			machine, ORIEL_QEMU_CHANNEL_QMP, fake_qemu_hand_over_monitor(test.qemu)));
	assert_told("QMP mice\n");
	assert_true(oriel_qemu_machine_is_there(machine));
	assert_non_null(oriel_qemu_machine_get_bus(machine));
	oriel_input_sink_key(test.sink, KEY_A, true);
	assert_told("QMP key 30 true\n");
	oriel_qemu_machine_unref(machine);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(keys_are_told_by_qemus_numbers),
		TEST(pointer_is_told_by_places_buttons_and_notches),
		cmocka_unit_test_setup_teardown(touches_are_told_by_slots, setup_touch, teardown),
		TEST(motion_is_merged_while_an_event_is_under_way),
		TEST(distances_are_added_up_while_an_event_is_under_way),
		TEST(qemu_that_never_answers_is_told_of_releases_and_no_more_presses),
		TEST(tablet_is_found_once_the_guest_has_started_it),
		TEST(reset_asks_for_the_pointer_and_lets_go),
		TEST(event_that_fails_is_a_reason_to_ask),
		TEST(pointer_that_is_not_told_is_a_mouse),
		TEST(stopped_machine_is_told_when_it_goes_on),
		TEST(release_that_comes_too_late_is_made_up_for),
		TEST(machine_that_was_stopped_before_is_told_nothing),
		TEST(monitor_that_ends_takes_the_input_along_until_the_next),
		TEST(steps_that_fail_leave_no_input_and_one_line),
		TEST(file_that_is_no_socket_is_refused),
		TEST(shortage_of_memory_leaves_no_input),
		TEST(machine_without_consoles_has_its_input_by_qmp),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
