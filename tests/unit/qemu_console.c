#include "guest/qemu/console.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_qemu.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/machine.h"
#include "guest/source.h"
#include "guest/validate.h"
#include "held_timers.h"
#include "log_lines.h"
#include "qemu_rig.h"

#define SETTLE_MS 100
#define RETRY_MS 1000

/* The rig's machine with two consoles, there, of which nothing was told. */
static struct oriel_qemu_console *start(struct qemu_rig *rig) {
	static const uint32_t numbers[] = { 0, 1 };
	fake_qemu_set_console_numbers(rig->qemu, numbers, 2);
	qemu_rig_start(rig, rig->path);
	assert_true(rig->consoles[0]->is_there && rig->consoles[1]->is_there);
	assert_string_equal(fake_qemu_take_calls(rig->qemu), "");
	return rig->consoles[0];
}

static void set_console(struct qemu_rig *rig, unsigned number, struct fake_qemu_console console) {
	fake_qemu_set_console(rig->qemu, number, &console);
	qemu_rig_settle(rig);
}

#define assert_calls(rig, calls)                                                                   \
	do {                                                                                       \
		qemu_rig_settle(rig);                                                              \
		assert_string_equal(fake_qemu_take_calls((rig)->qemu), (calls));                   \
	} while (0)

static void restart(struct qemu_rig *rig) {
	fake_qemu_quit(rig->qemu);
	qemu_rig_settle(rig);
	fake_qemu_start(rig->qemu);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(oriel_qemu_machine_is_there(rig->machine));
}

/* --- what QEMU says --------------------------------------------------------------------------- */

static void properties_are_known_and_followed(void **state) {
	struct qemu_rig *rig = *state;
	struct fake_qemu_console is = {
		.width = 800, .height = 600, .modifiers = 0xff, .is_absolute = true, .touch_slots = 99
	};
	fake_qemu_set_console(rig->qemu, 0, &is);
	struct oriel_qemu_console *console = start(rig);
	assert_ptr_equal(oriel_qemu_console_get_machine(console), rig->machine);
	assert_int_equal(oriel_qemu_console_get_number(rig->consoles[1]), 1);
	assert_int_equal(console->width, 800);
	assert_int_equal(console->height, 600);
	assert_true(console->is_absolute);
	assert_int_equal(console->leds,
			ORIEL_QEMU_LED_SCROLL | ORIEL_QEMU_LED_NUM | ORIEL_QEMU_LED_CAPS);
	assert_int_equal(console->touch_slots, 32);
	assert_int_equal(rig->changes[0], 1);

	is.width = 1001;
	set_console(rig, 0, is);
	assert_int_equal(console->width, 1001);
	assert_int_equal(console->height, 600);
	assert_int_equal(rig->changes[0], 2);
	is.modifiers = ORIEL_QEMU_LED_CAPS;
	set_console(rig, 0, is);
	assert_int_equal(console->leds, ORIEL_QEMU_LED_CAPS);
	is.is_absolute = false;
	set_console(rig, 0, is);
	assert_false(console->is_absolute);
	is.touch_slots = -1;
	set_console(rig, 0, is);
	assert_int_equal(console->touch_slots, 0);
	assert_int_equal(rig->changes[0], 5);
	/* What is no news is none. */
	is.touch_slots = -2;
	set_console(rig, 0, is);
	assert_int_equal(rig->changes[0], 5);
	assert_int_equal(rig->changes[1], 1);
	assert_int_equal(log_lines_get_count(), 0);
}

static void size_beyond_what_can_be_shown_is_none(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	set_console(rig, 0,
			(struct fake_qemu_console){ .width = ORIEL_VALIDATE_SIZE_MAX,
					.height = ORIEL_VALIDATE_SIZE_MAX });
	assert_int_equal(console->width, ORIEL_VALIDATE_SIZE_MAX);
	assert_int_equal(log_lines_get_count(), 0);
	set_console(rig, 0,
			(struct fake_qemu_console){ .width = ORIEL_VALIDATE_SIZE_MAX + 1,
					.height = ORIEL_VALIDATE_SIZE_MAX });
	assert_int_equal(console->width, 0);
	assert_int_equal(console->height, 0);
	assert_int_equal(log_lines_get_count(), 1);
	set_console(rig, 0, (struct fake_qemu_console){ .width = UINT32_MAX, .height = UINT32_MAX });
	assert_int_equal(console->width, 0);
	set_console(rig, 0, (struct fake_qemu_console){ .width = 640, .height = 480 });
	assert_int_equal(console->width, 640);
}

/* Types that are not what they should be, and changes that are none, in all their kinds. */
static void properties_of_wrong_types_change_nothing(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	sd_bus *bus = fake_qemu_get_bus(rig->qemu);
	static const char path[] = "/org/qemu/Display1/Console_0";
	static const char properties[] = "org.freedesktop.DBus.Properties";
	static const char changed[] = "PropertiesChanged";
	static const char of[] = "org.qemu.Display1.Console";
	sd_bus_emit_signal(bus, path, properties, changed, NULL);
	sd_bus_emit_signal(bus, path, properties, changed, "u", 1);
	sd_bus_emit_signal(bus, path, properties, changed, "sa{ss}as", of, 1, "Width", "1", 0);
	sd_bus_emit_signal(bus, path, properties, changed, "sa{sv}as", of, 1, "Width", "i", 1, 0);
	sd_bus_emit_signal(bus, path, properties, changed, "sa{sv}as", of, 1, "Width", "s", "1", 0);
	sd_bus_emit_signal(
			bus, path, properties, changed, "sa{sv}as", of, 1, "IsAbsolute", "u", 1, 0);
	sd_bus_emit_signal(bus, path, properties, changed, "sa{sv}as", of, 1, "Width", "au", 2, 1,
			1, 0);
	sd_bus_emit_signal(
			bus, path, properties, changed, "sa{sv}as", of, 1, "Width", "v", "u", 1, 0);
	fake_qemu_flush(rig->qemu);
	qemu_rig_settle(rig);
	assert_int_equal(rig->changes[0], 1);
	assert_int_equal(console->width, 640);
	/* They follow one another, and so are one line for each kind. */
	assert_int_equal(log_lines_get_count(), 2);

	/* Others than those that are wanted are nobody's business, nor are those of others. */
	sd_bus_emit_signal(bus, path, properties, changed, "sa{sv}as", of, 2, "Label", "s", "x",
			"New", "a{sv}", 1, "a", "ay", 2, 1, 2, 0);
	sd_bus_emit_signal(bus, "/org/qemu/Display1/Console_7", properties, changed, "sa{sv}as", of,
			1, "Width", "u", 3, 0);
	sd_bus_emit_signal(bus, path, "org.qemu.Other", changed, "u", 1);
	sd_bus_emit_signal(bus, path, properties, changed, "sa{sv}as", of, 0, 1, "Width");
	fake_qemu_flush(rig->qemu);
	qemu_rig_settle(rig);
	assert_int_equal(rig->changes[0], 1);
	assert_int_equal(log_lines_get_count(), 2);
	assert_true(oriel_qemu_machine_is_there(rig->machine));
}

static void console_that_says_nothing_of_use_is_there(void **state) {
	struct qemu_rig *rig = *state;
	for (int fault = FAKE_QEMU_FAULT_REFUSES; fault <= FAKE_QEMU_FAULT_UNSUPPORTED; fault++) {
		fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_CONSOLE, fault);
		struct oriel_qemu_console *console = start(rig);
		assert_int_equal(console->width, 0);
		assert_int_equal(console->touch_slots, 0);
		assert_false(console->is_absolute);
		/* What needs a size is dropped. */
		oriel_qemu_console_place(console, 1, 1);
		oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 0, 1, 1);
		assert_calls(rig, "");
		qemu_rig_let_go(rig);
		qemu_rig_settle(rig);
	}
}

/* --- listeners -------------------------------------------------------------------------------- */

struct answer {
	unsigned count;
	bool is_ok;
	struct qemu_rig *lets_go; /* in the callback; NULL: it does not */
};

static void handle_done(void *data, bool is_ok) {
	struct answer *answer = data;
	answer->count++;
	answer->is_ok = is_ok;
	if (answer->lets_go != NULL) {
		qemu_rig_let_go(answer->lets_go);
	}
}

static void listener_is_handed_to_qemu(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	struct answer answer = { 0 };
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_true(oriel_qemu_console_register_listener(console, fds[0], handle_done, &answer));
	assert_int_equal(answer.count, 0);
	qemu_rig_settle(rig);
	assert_int_equal(answer.count, 1);
	assert_true(answer.is_ok);
	int qemu_fd = fake_qemu_take_listener(rig->qemu, 0);
	assert_true(qemu_fd >= 0);
	assert_int_equal(send(qemu_fd, "x", 1, 0), 1);
	char byte;
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), 1);
	close(qemu_fd);
	/* Nobody else has it. */
	assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
	close(fds[1]);
	oriel_qemu_console_forget(console, &answer);
}

static int make_listener(void) {
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	return fds[0];
}

static void listener_that_is_refused_is_said_to_be(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	struct answer answer = { 0 };
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_REFUSES);
	assert_true(oriel_qemu_console_register_listener(
			console, make_listener(), handle_done, &answer));
	qemu_rig_settle(rig);
	assert_int_equal(answer.count, 1);
	assert_false(answer.is_ok);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(),
			"guest vm: QEMU's console 0: QEMU does not show it: it fails?guest x: "));
	assert_null(strchr(log_lines_get_last(), '\033'));
}

static void listener_without_an_answer_ends_with_the_machine(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	struct answer answers[2] = { 0 };
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_SILENT);
	for (int i = 0; i < 2; i++) {
		assert_true(oriel_qemu_console_register_listener(
				console, make_listener(), handle_done, &answers[i]));
	}
	qemu_rig_settle(rig);
	oriel_qemu_console_forget(console, &answers[1]);
	assert_int_equal(answers[0].count, 0);
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_int_equal(answers[0].count, 1);
	assert_false(answers[0].is_ok);
	assert_int_equal(answers[1].count, 0);
	assert_int_equal(log_lines_get_count(), 0);
	/* And none is taken while it is away. */
	assert_false(oriel_qemu_console_register_listener(
			console, make_listener(), handle_done, &answers[1]));
}

static void listeners_without_an_answer_are_bounded(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	struct answer answer = { 0 };
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_SILENT);
	for (int i = 0; i < 4; i++) {
		assert_true(oriel_qemu_console_register_listener(
				console, make_listener(), handle_done, &answer));
	}
	assert_false(oriel_qemu_console_register_listener(
			console, make_listener(), handle_done, &answer));
	oriel_qemu_console_forget(console, &answer);
	assert_true(oriel_qemu_console_register_listener(
			console, make_listener(), handle_done, &answer));
	oriel_qemu_console_forget(console, &answer);
	assert_int_equal(answer.count, 0);
}

static void machine_is_let_go_of_when_a_listener_is_answered(void **state) {
	struct qemu_rig *rig = *state;
	struct answer answer = { .lets_go = rig };
	assert_true(oriel_qemu_console_register_listener(
			start(rig), make_listener(), handle_done, &answer));
	qemu_rig_settle(rig);
	assert_int_equal(answer.count, 1);
	assert_true(answer.is_ok);

	/* When the machine goes, too, with two that wait. */
	struct answer answers[2] = { { .lets_go = rig }, { .lets_go = rig } };
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_SILENT);
	fake_qemu_take_calls(rig->qemu);
	struct oriel_qemu_console *console = start(rig);
	for (int i = 0; i < 2; i++) {
		assert_true(oriel_qemu_console_register_listener(
				console, make_listener(), handle_done, &answers[i]));
	}
	qemu_rig_settle(rig);
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_int_equal(answers[0].count, 1);
	assert_int_equal(answers[1].count, 1);
	assert_null(rig->machine);
}

/* --- the monitor ------------------------------------------------------------------------------ */

static void set_size(struct oriel_qemu_console *console, int width, int height) {
	const struct oriel_guest_monitor monitor = { .width = width, .height = height };
	oriel_qemu_console_set_monitor(console, &monitor);
}

static void monitor_is_told_once_a_row_of_changes_is_over(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	for (int i = 0; i < 50; i++) {
		set_size(console, 1000 + i, 701);
	}
	assert_calls(rig, "");
	assert_int_equal(held_timers_count(SETTLE_MS), 1);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 1049 701 ?\n");
	/* The same again is no change, and there and back is none in the end. */
	set_size(console, 1049, 701);
	assert_int_equal(held_timers_count(SETTLE_MS), 0);
	set_size(console, 10, 701);
	set_size(console, 1049, 701);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "");

	const struct oriel_guest_monitor monitor = {
		.width = 1049, .height = 701, .width_mm = 300, .height_mm = 200
	};
	oriel_qemu_console_set_monitor(console, &monitor);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 300 200 0 0 1049 701 ?\n");
	oriel_qemu_console_set_monitor(console, NULL);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 0 0 ?\n");
}

static void monitor_is_told_of_one_at_a_time_and_the_last_wins(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_SILENT);
	set_size(console, 800, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 800 600 ?\n");
	for (int width = 801; width < 804; width++) {
		set_size(console, width, 600);
		assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	}
	/* Another console has its own. */
	set_size(rig->consoles[1], 320, 200);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "1 Console.SetUIInfo 0 0 0 0 320 200 ?\n");

	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_NONE);
	/* The fake has kept the one that came last, which is the other's: away and back it is. */
	assert_true(fake_qemu_answer_ui_info(rig->qemu));
	assert_calls(rig, "");
	restart(rig);
	assert_calls(rig,
			"0 Console.SetUIInfo 0 0 0 0 803 600 ?\n"
			"1 Console.SetUIInfo 0 0 0 0 320 200 ?\n");
}

static void monitor_that_changes_while_qemu_thinks_is_told_with_the_answer(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_SILENT);
	set_size(console, 800, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 800 600 ?\n");
	set_size(console, 801, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	set_size(console, 802, 600);
	/* Not with the answer: it may change on. */
	assert_true(fake_qemu_answer_ui_info(rig->qemu));
	assert_calls(rig, "");
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 802 600 ?\n");
	set_size(console, 803, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_true(fake_qemu_answer_ui_info(rig->qemu));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 803 600 ?\n");
}

static void monitor_is_told_to_a_machine_that_comes_and_comes_again(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_quit(rig->qemu);
	qemu_rig_start(rig, rig->path);
	set_size(rig->consoles[0], 1024, 768);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	fake_qemu_start(rig->qemu);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 1024 768 ?\n");
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 1024 768 ?\n");
}

static void device_that_cannot_be_told_is_asked_once(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_UNSUPPORTED);
	set_size(console, 800, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 800 600 ?\n");
	set_size(console, 801, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "");
	assert_int_equal(log_lines_get_count(), 0);
	/* It may be another machine the next time. */
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_NONE);
	restart(rig);
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 801 600 ?\n");
}

static void size_that_is_refused_is_said_to_be_and_the_next_one_told(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_UI_INFO, FAKE_QEMU_FAULT_REFUSES);
	set_size(console, 800, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 800 600 ?\n");
	assert_int_equal(log_lines_get_count(), 1);
	set_size(console, 801, 600);
	assert_true(held_timers_fire(rig->loop, SETTLE_MS));
	assert_calls(rig, "0 Console.SetUIInfo 0 0 0 0 801 600 ?\n");
	assert_int_equal(log_lines_get_count(), 1);
}

static void monitor_of_any_size_is_brought_within_bounds(void **state) {
	static const struct {
		struct oriel_guest_monitor monitor;
		const char *call;
	} cases[] = {
		{ { .width = 63, .height = 199 }, "0 0 0 0 64 200" },
		{ { .width = 65, .height = 201 }, "0 0 0 0 65 201" },
		{ { .width = 64, .height = 200 }, "0 0 0 0 64 200" },
		{ { .width = 16384, .height = 16385 }, "0 0 0 0 16384 16384" },
		{ { .width = INT32_MIN, .height = INT32_MAX }, "0 0 0 0 64 16384" },
		{ { .width = 300, .height = 300, .width_mm = 65535, .height_mm = 65536 },
				"65535 65535 0 0 300 300" },
		{ { .width = 300, .height = 300, .width_mm = 1, .height_mm = 0 }, "0 0 0 0 300 300" },
		{ { .width = 300, .height = 301, .width_mm = -1, .height_mm = 5 }, "0 0 0 0 300 301" },
	};
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char call[128];
		snprintf(call, sizeof(call), "0 Console.SetUIInfo %s ?\n", cases[i].call);
		oriel_qemu_console_set_monitor(console, &cases[i].monitor);
		assert_true(held_timers_fire(rig->loop, SETTLE_MS));
		assert_calls(rig, call);
	}
}

/* --- input ------------------------------------------------------------------------------------ */

static void keys_and_buttons_go_without_an_answer(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	oriel_qemu_console_key(console, 0x1e, true);
	oriel_qemu_console_key(console, 0x9d, true);
	oriel_qemu_console_key(console, 0x1e, false);
	oriel_qemu_console_key(console, 0x9d, false);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_RIGHT, true);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_RIGHT, false);
	oriel_qemu_console_key(rig->consoles[1], 255, true);
	assert_calls(rig,
			"0 Keyboard.Press 30\n"
			"0 Keyboard.Press 157\n"
			"0 Keyboard.Release 30\n"
			"0 Keyboard.Release 157\n"
			"0 Mouse.Press 2\n"
			"0 Mouse.Release 2\n"
			"1 Keyboard.Press 255\n");
	/* What is none, and the release of what is not down. */
	oriel_qemu_console_key(console, 256, true);
	oriel_qemu_console_key(console, UINT32_MAX, true);
	oriel_qemu_console_key(console, 0x1e, false);
	oriel_qemu_console_button(console, (enum oriel_qemu_button)32, true);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, false);
	assert_calls(rig, "");
}

static void pointer_goes_to_places_within_the_surface_or_by_distances(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	oriel_qemu_console_place(console, 5, 5);
	oriel_qemu_console_move(console, 5, -3);
	oriel_qemu_console_move(console, 0, 0);
	oriel_qemu_console_move(console, INT32_MIN, INT32_MAX);
	assert_calls(rig, "0 Mouse.RelMotion 5 -3\n0 Mouse.RelMotion -65536 65536\n");

	set_console(rig, 0,
			(struct fake_qemu_console){
					.width = 1000, .height = 701, .is_absolute = true });
	oriel_qemu_console_move(console, 5, -3);
	oriel_qemu_console_place(console, 0, 0);
	oriel_qemu_console_place(console, 999, 700);
	oriel_qemu_console_place(console, 1000, 701);
	oriel_qemu_console_place(console, UINT32_MAX, 1);
	assert_calls(rig,
			"0 Mouse.SetAbsPosition 0 0\n"
			"0 Mouse.SetAbsPosition 999 700\n"
			"0 Mouse.SetAbsPosition 999 700\n"
			"0 Mouse.SetAbsPosition 999 1\n");
}

static void touches_go_within_the_surface_and_the_slots(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 0, 10.5, 20.25);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 9, -1, 480);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_UPDATE, 0, 1e300, 0.5);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_UPDATE, 0, (double)NAN, -(double)INFINITY);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_END, 0, 1, 2);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_CANCEL, 9, 1, 2);
	assert_calls(rig,
			"0 MultiTouch.SendEvent 0 0 10.5 20.25\n"
			"0 MultiTouch.SendEvent 0 9 0 479\n"
			"0 MultiTouch.SendEvent 1 0 639 0.5\n"
			"0 MultiTouch.SendEvent 1 0 0 0\n"
			"0 MultiTouch.SendEvent 2 0 1 2\n"
			"0 MultiTouch.SendEvent 3 9 1 2\n");
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 10, 1, 1);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_UPDATE, 0, 1, 1);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_END, 9, 1, 1);
	assert_calls(rig, "");
}

static void input_without_a_machine_is_dropped(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	oriel_qemu_console_key(console, 1, true);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, true);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 1, 1, 1);
	qemu_rig_settle(rig);
	fake_qemu_take_calls(rig->qemu);
	fake_qemu_quit(rig->qemu);
	qemu_rig_settle(rig);
	oriel_qemu_console_key(console, 2, true);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_RIGHT, true);
	oriel_qemu_console_move(console, 1, 1);
	oriel_qemu_console_place(console, 1, 1);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 1, 1, 1);
	fake_qemu_start(rig->qemu);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	/* QEMU lifts what was down itself when its client goes. */
	oriel_qemu_console_key(console, 1, false);
	oriel_qemu_console_key(console, 2, false);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, false);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_END, 1, 1, 1);
	assert_calls(rig, "");
}

/* A QEMU that reads nothing: the backlog stays below what one could type, and what is down comes up. */
static void input_that_nobody_reads_is_bounded_and_releases_are_not_lost(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	struct oriel_bus *bus = oriel_qemu_machine_get_bus(rig->machine);
	fake_qemu_freeze(rig->qemu, true);
	oriel_qemu_console_key(console, 1, true);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, true);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 1, 1, 1);
	for (int i = 0; i < 100000; i++) {
		oriel_qemu_console_move(console, 1, -1);
		oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_UPDATE, 1, 1, 1);
	}
	assert_int_equal(oriel_bus_get_backlog(bus), 16);
	for (int i = 0; i < 100; i++) {
		oriel_qemu_console_key(console, 2, true);
		oriel_qemu_console_key(console, 2, false);
		oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_RIGHT, true);
		oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_RIGHT, false);
		oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_BEGIN, 2, 1, 1);
		oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_END, 2, 1, 1);
	}
	assert_uint_in_range(oriel_bus_get_backlog(bus), 64, 66);
	oriel_qemu_console_key(console, 1, false);
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, false);
	oriel_qemu_console_touch(console, ORIEL_QEMU_TOUCH_CANCEL, 1, 1, 1);
	assert_uint_in_range(oriel_bus_get_backlog(bus), 67, 69);

	fake_qemu_freeze(rig->qemu, false);
	qemu_rig_settle(rig);
	const char *calls = fake_qemu_take_calls(rig->qemu);
	/* Whatever goes down comes up, and the pointer has gone all the way before the button. */
	int downs = 0, touches = 0, x = 0, y = 0, x_at_button = 0;
	for (const char *call = calls; *call != '\0'; call = strchr(call, '\n') + 1) {
		int dx, dy, kind;
		if (sscanf(call, "0 Mouse.RelMotion %d %d", &dx, &dy) == 2) {
			x += dx;
			y += dy;
		} else if (sscanf(call, "0 MultiTouch.SendEvent %d", &kind) == 1) {
			touches += kind == 0 ? 1 : (kind == 1 ? 0 : -1);
		} else if (strstr(call, "Press ") == strchr(call, '.') + 1) {
			downs++;
			x_at_button = strncmp(call, "0 Mouse.Press 2", 15) == 0 ? x : x_at_button;
		} else {
			downs--;
		}
	}
	assert_int_equal(downs, 0);
	assert_int_equal(touches, 0);
	assert_true(x_at_button > 0 && x == x_at_button);
	assert_int_equal(x, -y);
}

static void place_that_nobody_reads_is_the_last_one_when_a_button_counts(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	set_console(rig, 0,
			(struct fake_qemu_console){
					.width = 640, .height = 480, .is_absolute = true });
	fake_qemu_freeze(rig->qemu, true);
	for (uint32_t i = 0; i < 20000; i++) {
		oriel_qemu_console_place(console, i % 640, i % 480);
	}
	oriel_qemu_console_button(console, ORIEL_QEMU_BUTTON_LEFT, true);
	fake_qemu_freeze(rig->qemu, false);
	qemu_rig_settle(rig);
	const char *calls = fake_qemu_take_calls(rig->qemu);
	const char *end = "\n0 Mouse.SetAbsPosition 159 319\n0 Mouse.Press 0\n";
	assert_true(strlen(calls) > strlen(end));
	assert_string_equal(calls + strlen(calls) - strlen(end), end);
}

/* Nobody may touch the pointer for long. */
static void place_that_nobody_reads_is_told_once_somebody_does(void **state) {
	struct qemu_rig *rig = *state;
	struct oriel_qemu_console *console = start(rig);
	static const char end[] = "\n0 Mouse.SetAbsPosition 479 479\n";
	for (int i = 0; i < 2; i++) {
		set_console(rig, 0,
				(struct fake_qemu_console){
						.width = 640, .height = 480, .is_absolute = i == 0 });
		fake_qemu_take_calls(rig->qemu);
		fake_qemu_freeze(rig->qemu, true);
		for (uint32_t n = 0; n < 60000; n++) {
			if (i == 0) {
				oriel_qemu_console_place(console, n % 640, n % 480);
			} else {
				oriel_qemu_console_move(console, 1, 0);
			}
		}
		assert_int_equal(oriel_bus_get_backlog(oriel_qemu_machine_get_bus(rig->machine)), 16);
		fake_qemu_freeze(rig->qemu, false);
		qemu_rig_settle(rig);
		const char *calls = fake_qemu_take_calls(rig->qemu);
		int x = 0, dx;
		for (const char *call = calls; *call != '\0'; call = strchr(call, '\n') + 1) {
			x += sscanf(call, "0 Mouse.RelMotion %d", &dx) == 1 ? dx : 0;
		}
		assert_int_equal(x, i == 0 ? 0 : 60000);
		if (i == 0) {
			assert_true(strlen(calls) > strlen(end));
			assert_string_equal(calls + strlen(calls) - strlen(end), end);
		}
	}
}

#define test_on_rig(name) cmocka_unit_test_setup_teardown(name, qemu_rig_setup, qemu_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test_on_rig(properties_are_known_and_followed),
		test_on_rig(size_beyond_what_can_be_shown_is_none),
		test_on_rig(properties_of_wrong_types_change_nothing),
		test_on_rig(console_that_says_nothing_of_use_is_there),
		test_on_rig(listener_is_handed_to_qemu),
		test_on_rig(listener_that_is_refused_is_said_to_be),
		test_on_rig(listener_without_an_answer_ends_with_the_machine),
		test_on_rig(listeners_without_an_answer_are_bounded),
		test_on_rig(machine_is_let_go_of_when_a_listener_is_answered),
		test_on_rig(monitor_is_told_once_a_row_of_changes_is_over),
		test_on_rig(monitor_is_told_of_one_at_a_time_and_the_last_wins),
		test_on_rig(monitor_that_changes_while_qemu_thinks_is_told_with_the_answer),
		test_on_rig(monitor_is_told_to_a_machine_that_comes_and_comes_again),
		test_on_rig(device_that_cannot_be_told_is_asked_once),
		test_on_rig(size_that_is_refused_is_said_to_be_and_the_next_one_told),
		test_on_rig(monitor_of_any_size_is_brought_within_bounds),
		test_on_rig(place_that_nobody_reads_is_told_once_somebody_does),
		test_on_rig(keys_and_buttons_go_without_an_answer),
		test_on_rig(pointer_goes_to_places_within_the_surface_or_by_distances),
		test_on_rig(touches_go_within_the_surface_and_the_slots),
		test_on_rig(input_without_a_machine_is_dropped),
		test_on_rig(input_that_nobody_reads_is_bounded_and_releases_are_not_lost),
		test_on_rig(place_that_nobody_reads_is_the_last_one_when_a_button_counts),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
