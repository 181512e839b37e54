#include "guest/qemu/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_qemu.h"
#include "fds.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/console.h"
#include "guest/source.h"
#include "held_timers.h"
#include "log_lines.h"
#include "qemu_rig.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define RETRY_MS 1000
#define RETRY_MAX_MS 16000
#define SILENCE_MS 5000

static bool is_there(const struct qemu_rig *rig) {
	return oriel_qemu_machine_is_there(rig->machine);
}

static int connect_to(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* --- coming and going ------------------------------------------------------------------------- */

static void machine_at_path_arrives_after_its_consoles(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	assert_true(is_there(rig));
	assert_true(oriel_qemu_machine_is_running(rig->machine));
	assert_non_null(oriel_qemu_machine_get_bus(rig->machine));
	assert_string_equal(oriel_qemu_machine_get_name(rig->machine), "vm");
	assert_int_equal(rig->there, 1);
	assert_true(rig->was_there && rig->consoles_were_there);
	assert_int_equal(rig->changes[0], 1);
	assert_int_equal(rig->consoles[0]->width, 640);
	assert_false(rig->consoles[1]->is_there);
	assert_int_equal(log_lines_get_count(), 0);
	/* Nothing is left that could go off. */
	assert_int_equal(held_timers_count(RETRY_MS) + held_timers_count(SILENCE_MS), 0);
}

static void machine_that_comes_later_is_found(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_quit(rig->qemu);
	qemu_rig_start(rig, rig->path);
	for (int i = 0; i < 3; i++) {
		assert_false(is_there(rig));
		assert_null(oriel_qemu_machine_get_bus(rig->machine));
		assert_true(held_timers_fire(rig->loop, RETRY_MS));
	}
	fake_qemu_start(rig->qemu);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(is_there(rig));
	assert_int_equal(log_lines_get_count(), 0);
}

static void machine_that_ends_is_away_and_found_again(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	fake_qemu_quit(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_false(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(rig->there, 2);
	assert_false(rig->was_there || rig->consoles_were_there);
	assert_int_equal(rig->changes[0], 2);
	assert_int_equal(rig->consoles[0]->width, 0);
	assert_int_equal(rig->consoles[0]->touch_slots, 0);

	fake_qemu_start(rig->qemu);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(is_there(rig));
	assert_int_equal(rig->there, 3);
	assert_int_equal(rig->consoles[0]->width, 640);
	assert_int_equal(log_lines_get_count(), 0);
}

static void either_connection_that_ends_takes_both(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(is_there(rig));
	assert_int_equal(fake_qemu_get_monitor_count(rig->qemu), 2);

	fake_qemu_close_monitor(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_null(fake_qemu_get_bus(rig->qemu));
	assert_int_equal(rig->there, 4);
}

/* Another program that takes the display away, as we took it from that. */
static void machine_that_never_lasts_is_tried_more_and_more_seldom(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	for (int delay_ms = RETRY_MS; delay_ms <= RETRY_MAX_MS; delay_ms *= 2) {
		fake_qemu_close_display(rig->qemu);
		qemu_rig_settle(rig);
		assert_true(held_timers_fire(rig->loop, delay_ms));
		assert_true(is_there(rig));
	}
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_int_equal(held_timers_count(RETRY_MAX_MS), 1);
}

static void monitor_that_another_has_is_waited_for(void **state) {
	struct qemu_rig *rig = *state;
	int other_fd = connect_to(rig->path);
	qemu_rig_settle(rig);
	qemu_rig_start(rig, rig->path);
	assert_false(is_there(rig));
	assert_int_equal(log_lines_get_count(), 0);
	assert_true(held_timers_fire(rig->loop, SILENCE_MS));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest vm: "));
	assert_non_null(strstr(log_lines_get_last(), "one client at a time"));
	assert_int_equal(held_timers_count(SILENCE_MS), 0);

	close(other_fd);
	qemu_rig_settle(rig);
	assert_true(is_there(rig));
	assert_int_equal(log_lines_get_count(), 1);
}

static void monitor_with_a_full_backlog_is_tried_again(void **state) {
	struct qemu_rig *rig = *state;
	/* The event loop accepts none of them. */
	int fds[8];
	size_t count = 0;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, rig->path);
	int ret = 0;
	while (ret == 0 && count < ARRAY_LENGTH(fds)) {
		fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		ret = connect(fds[count++], (struct sockaddr *)&address, sizeof(address));
	}
	assert_int_equal(ret, -1);
	assert_int_equal(errno, EAGAIN);

	qemu_rig_start(rig, rig->path);
	assert_int_equal(held_timers_count(RETRY_MS), 1);
	while (count > 0) {
		close(fds[--count]);
		qemu_rig_settle(rig);
	}
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(is_there(rig));
	assert_int_equal(log_lines_get_count(), 0);
}

/* --- faults ----------------------------------------------------------------------------------- */

static bool is_met(enum fake_qemu_step step, enum fake_qemu_fault fault) {
	bool is_refusal = fault == FAKE_QEMU_FAULT_REFUSES || fault == FAKE_QEMU_FAULT_UNSUPPORTED;
	return !(is_refusal && (step == FAKE_QEMU_STEP_GREETING || step == FAKE_QEMU_STEP_AUTH));
}

/* What a console says of itself is not needed, and a machine of unknown state is taken to run. */
static bool is_mortal(enum fake_qemu_step step, enum fake_qemu_fault fault) {
	bool is_answer = fault != FAKE_QEMU_FAULT_SILENT && fault != FAKE_QEMU_FAULT_CLOSES;
	return !((step == FAKE_QEMU_STEP_CONSOLE && is_answer) ||
			(step == FAKE_QEMU_STEP_STATUS && is_answer &&
					fault != FAKE_QEMU_FAULT_GARBAGE));
}

static void machine_survives_each_fault_at_each_step(void **state) {
	struct qemu_rig *rig = *state;
	for (int step = 0; step <= FAKE_QEMU_STEP_CONSOLE; step++) {
		for (int fault = FAKE_QEMU_FAULT_SILENT; fault <= FAKE_QEMU_FAULT_UNSUPPORTED;
				fault++) {
			if (!is_met(step, fault)) {
				continue;
			}
			log_lines_init();
			rig->there = 0;
			fake_qemu_set_fault(rig->qemu, step, fault);
			qemu_rig_start(rig, rig->path);
			bool mortal = is_mortal(step, fault);
			assert_int_equal(is_there(rig), !mortal);
			assert_int_equal(rig->there, mortal ? 0 : 1);
			if (fault == FAKE_QEMU_FAULT_SILENT) {
				assert_int_equal(log_lines_get_count(), 0);
				assert_true(held_timers_fire(rig->loop, SILENCE_MS));
				assert_int_equal(log_lines_get_count(), 1);
				fake_qemu_close_monitor(rig->qemu);
				qemu_rig_settle(rig);
			} else if (step != FAKE_QEMU_STEP_STATUS) {
				assert_uint_in_range(log_lines_get_count(), 1, mortal ? 1 : 4);
				assert_non_null(strstr(log_lines_get_last(), "guest vm: "));
				assert_null(strchr(log_lines_get_last(), '\n'));
				assert_null(strchr(log_lines_get_last(), '\033'));
			}
			fake_qemu_set_fault(rig->qemu, step, FAKE_QEMU_FAULT_NONE);
			if (mortal) {
				assert_true(held_timers_fire(rig->loop, RETRY_MS));
				assert_true(is_there(rig));
				assert_int_equal(rig->there, 1);
			}
			qemu_rig_let_go(rig);
			qemu_rig_settle(rig);
		}
	}
}

static void display_that_is_refused_is_said_in_qemus_words(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_ADD_CLIENT, FAKE_QEMU_FAULT_REFUSES);
	qemu_rig_start(rig, rig->path);
	assert_non_null(strstr(log_lines_get_last(),
			"guest vm: QEMU does not give its display: "
			"p2p connections not accepted in bus mode??"));
	/* The monitor is free for others meanwhile. */
	int other_fd = connect_to(rig->path);
	qemu_rig_settle(rig);
	char bytes[8];
	assert_true(recv(other_fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
	close(other_fd);
	qemu_rig_settle(rig);
	/* The same line is not said again, and the pace is slower each time. */
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(held_timers_fire(rig->loop, 2 * RETRY_MS));
	assert_true(held_timers_fire(rig->loop, 4 * RETRY_MS));
	assert_int_equal(log_lines_get_count(), 1);
	assert_false(is_there(rig));
}

static void console_numbers_that_are_none_are_left_out(void **state) {
	struct qemu_rig *rig = *state;
	static const uint32_t numbers[] = { 1, 1, 16, UINT32_MAX, 0, 15 };
	fake_qemu_set_console_numbers(rig->qemu, numbers, ARRAY_LENGTH(numbers));
	qemu_rig_start(rig, rig->path);
	assert_true(is_there(rig));
	assert_true(rig->consoles[0]->is_there && rig->consoles[1]->is_there);
	assert_int_equal(rig->changes[1], 1);
	assert_true(oriel_qemu_machine_get_console(rig->machine, 15)->is_there);
	assert_null(oriel_qemu_machine_get_console(rig->machine, 16));
	assert_int_equal(log_lines_get_count(), 2);
}

static void more_consoles_than_there_may_be_are_left_out(void **state) {
	struct qemu_rig *rig = *state;
	uint32_t numbers[FAKE_QEMU_CONSOLES_MAX];
	for (uint32_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
		numbers[i] = i;
	}
	fake_qemu_set_console_numbers(rig->qemu, numbers, ARRAY_LENGTH(numbers));
	qemu_rig_start(rig, rig->path);
	assert_true(is_there(rig));
	assert_true(oriel_qemu_machine_get_console(rig->machine, 15)->is_there);
}

static void handle_registered(void *data, bool is_ok) {
	fail_msg("there is nothing to register for");
}

/* The first one stands for its input, and is no head that could be shown. */
static void machine_without_consoles_is_there(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_set_console_numbers(rig->qemu, NULL, 0);
	qemu_rig_start(rig, rig->path);
	assert_true(is_there(rig));
	assert_true(rig->consoles[0]->is_there);
	assert_false(rig->consoles[0]->has_leds);
	assert_false(rig->consoles[1]->is_there);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_false(oriel_qemu_console_register_listener(
			rig->consoles[0], fd, handle_registered, rig));
	oriel_qemu_console_set_monitor(rig->consoles[0],
			&(const struct oriel_guest_monitor){ .width = 800, .height = 600 });
	qemu_rig_settle(rig);
	assert_string_equal(fake_qemu_take_calls(rig->qemu), "QMP mice\n");
	fake_qemu_quit(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(rig->consoles[0]->is_there);
}

/* --- QMP's events ----------------------------------------------------------------------------- */

static void machine_that_stops_and_goes_on_is_followed(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	fake_qemu_send_event(rig->qemu, "STOP");
	qemu_rig_settle(rig);
	assert_false(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(rig->run, 1);
	assert_int_equal(rig->reset, 1);
	fake_qemu_send_event(rig->qemu, "STOP");
	qemu_rig_settle(rig);
	assert_int_equal(rig->run, 1);
	fake_qemu_send_event(rig->qemu, "RESUME");
	qemu_rig_settle(rig);
	assert_true(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(rig->run, 2);
	assert_int_equal(rig->reset, 3);
	fake_qemu_send_event(rig->qemu, "RESET");
	fake_qemu_send_event(rig->qemu, "POWERDOWN");
	qemu_rig_settle(rig);
	assert_int_equal(rig->run, 2);
	assert_int_equal(rig->reset, 4);
	assert_true(is_there(rig));
}

static void machine_that_is_stopped_already_is_known_to_be(void **state) {
	struct qemu_rig *rig = *state;
	int other_fd = connect_to(rig->path);
	qemu_rig_settle(rig);
	fake_qemu_send_event(rig->qemu, "STOP");
	close(other_fd);
	qemu_rig_start(rig, rig->path);
	assert_true(is_there(rig));
	assert_false(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(rig->run, 0);
	fake_qemu_send_event(rig->qemu, "RESUME");
	qemu_rig_settle(rig);
	assert_true(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(rig->run, 1);
}

/* --- who shares one --------------------------------------------------------------------------- */

static void guests_of_a_place_share_a_machine(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	struct oriel_qemu_machine *same = oriel_qemu_machine_ref(rig->loop, "head1", rig->path);
	assert_ptr_equal(same, rig->machine);
	struct oriel_qemu_machine *other = oriel_qemu_machine_ref(rig->loop, "vm", "/nowhere");
	assert_non_null(other);
	assert_ptr_not_equal(other, rig->machine);
	struct oriel_qemu_machine *handed = oriel_qemu_machine_ref(rig->loop, "vm", "handover");
	assert_ptr_equal(oriel_qemu_machine_ref(rig->loop, "vm", "handover"), handed);
	struct oriel_qemu_machine *handed2 = oriel_qemu_machine_ref(rig->loop, "vm2", "handover");
	assert_ptr_not_equal(handed2, handed);
	struct wl_event_loop *loop2 = wl_event_loop_create();
	struct oriel_qemu_machine *elsewhere = oriel_qemu_machine_ref(loop2, "vm", "handover");
	assert_ptr_not_equal(elsewhere, handed);

	oriel_qemu_machine_unref(elsewhere);
	wl_event_loop_destroy(loop2);
	oriel_qemu_machine_unref(handed2);
	oriel_qemu_machine_unref(handed);
	oriel_qemu_machine_unref(handed);
	oriel_qemu_machine_unref(other);
	oriel_qemu_machine_unref(same);
	oriel_qemu_machine_unref(NULL);
	assert_int_equal(fake_qemu_get_monitor_count(rig->qemu), 1);
	assert_true(is_there(rig));
}

static void place_that_can_be_none_is_refused(void **state) {
	struct qemu_rig *rig = *state;
	struct sockaddr_un address;
	char path[sizeof(address.sun_path) + 2];
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (size_t length = sizeof(address.sun_path) - 2; length <= sizeof(address.sun_path) + 1;
			length++) {
		memset(path + 1, 'x', sizeof(path) - 1);
		path[length < sizeof(path) ? length : sizeof(path) - 1] = '\0';
		unsigned lines_before = log_lines_get_count();
		struct oriel_qemu_machine *machine = oriel_qemu_machine_ref(rig->loop, "vm", path);
		bool is_short = length < sizeof(address.sun_path);
		assert_int_equal(machine != NULL, is_short);
		assert_int_equal(log_lines_get_count() - lines_before, is_short ? 0 : 1);
		oriel_qemu_machine_unref(machine);
	}
	assert_null(oriel_qemu_machine_ref(rig->loop, "vm", ""));
	assert_null(oriel_qemu_machine_ref(rig->loop, "vm", NULL));
	assert_int_equal(log_lines_get_count(), 4);
}

/* --- handed over ------------------------------------------------------------------------------ */

static void machine_is_handed_over_by_its_display(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, "handover");
	assert_false(is_there(rig));
	assert_int_equal(held_timers_count(RETRY_MS) + held_timers_count(SILENCE_MS), 0);
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_DBUS,
			fake_qemu_hand_over_display(rig->qemu)));
	qemu_rig_settle(rig);
	assert_true(is_there(rig));
	assert_true(oriel_qemu_machine_is_running(rig->machine));
	assert_int_equal(fake_qemu_get_monitor_count(rig->qemu), 0);

	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_int_equal(held_timers_count(RETRY_MS), 0);
}

static void machine_is_handed_over_by_its_monitor(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, "handover");
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_QMP,
			fake_qemu_hand_over_monitor(rig->qemu)));
	qemu_rig_settle(rig);
	assert_true(is_there(rig));
	fake_qemu_send_event(rig->qemu, "RESET");
	qemu_rig_settle(rig);
	assert_int_equal(rig->reset, 1);

	/* Another in its place. */
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_QMP,
			fake_qemu_hand_over_monitor(rig->qemu)));
	assert_false(is_there(rig));
	qemu_rig_settle(rig);
	assert_true(is_there(rig));
	assert_int_equal(rig->there, 3);

	oriel_qemu_machine_end(rig->machine);
	assert_false(is_there(rig));
	assert_int_equal(rig->there, 4);
	oriel_qemu_machine_end(rig->machine);
	assert_int_equal(rig->there, 4);
	assert_int_equal(log_lines_get_count(), 0);
}

static void machine_that_is_handed_over_and_silent_is_said_to_be(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_AUTH, FAKE_QEMU_FAULT_SILENT);
	qemu_rig_start(rig, "handover");
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_DBUS,
			fake_qemu_hand_over_display(rig->qemu)));
	qemu_rig_settle(rig);
	assert_true(held_timers_fire(rig->loop, SILENCE_MS));
	assert_int_equal(log_lines_get_count(), 1);
	assert_false(is_there(rig));
	/* It was there for who has handed it over. */
	oriel_qemu_machine_end(rig->machine);
	assert_int_equal(rig->there, 1);
	assert_false(rig->was_there);
}

/* Nobody hands over another one while the machine runs, and QEMU gives its display to who asked last. */
static void monitor_that_was_handed_over_outlives_the_display(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, "handover");
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_QMP,
			fake_qemu_hand_over_monitor(rig->qemu)));
	qemu_rig_settle(rig);
	for (int delay_ms = RETRY_MS; delay_ms <= 4 * RETRY_MS; delay_ms *= 2) {
		assert_true(is_there(rig));
		fake_qemu_close_display(rig->qemu);
		qemu_rig_settle(rig);
		assert_false(is_there(rig));
		assert_false(rig->consoles[0]->is_there);
		assert_null(oriel_qemu_machine_get_bus(rig->machine));
		fake_qemu_send_event(rig->qemu, "RESET");
		qemu_rig_settle(rig);
		assert_int_equal(rig->reset, 0);
		assert_true(held_timers_fire(rig->loop, delay_ms));
	}
	assert_true(is_there(rig));
	assert_int_equal(fake_qemu_get_monitor_count(rig->qemu), 1);
	assert_int_equal(fake_qemu_get_display_count(rig->qemu), 4);
	assert_int_equal(log_lines_get_count(), 0);

	/* One that is of no use is tried again, and said to be. */
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_VM, FAKE_QEMU_FAULT_REFUSES);
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_true(held_timers_fire(rig->loop, 8 * RETRY_MS));
	assert_false(is_there(rig));
	assert_int_equal(log_lines_get_count(), 1);
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_VM, FAKE_QEMU_FAULT_NONE);
	assert_true(held_timers_fire(rig->loop, 16 * RETRY_MS));
	assert_true(is_there(rig));

	/* And its end, in either order, is the end. */
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	fake_qemu_close_monitor(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_int_equal(held_timers_count(16 * RETRY_MS) + held_timers_count(SILENCE_MS), 0);
	assert_int_equal(log_lines_get_count(), 1);
}

/* Its input goes by the monitor, which ends with it. */
static void monitor_of_a_machine_without_consoles_ends_with_the_display(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_set_console_numbers(rig->qemu, NULL, 0);
	qemu_rig_start(rig, "handover");
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_QMP,
			fake_qemu_hand_over_monitor(rig->qemu)));
	qemu_rig_settle(rig);
	assert_true(is_there(rig));
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_INPUT, FAKE_QEMU_FAULT_SILENT);
	oriel_qemu_console_key(rig->consoles[0], 30, true);
	qemu_rig_settle(rig);
	fake_qemu_close_display(rig->qemu);
	qemu_rig_settle(rig);
	assert_false(is_there(rig));
	assert_int_equal(held_timers_count(RETRY_MS), 0);
}

static void file_that_is_no_connection_is_not_adopted(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, "handover");
	assert_true(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_DBUS,
			fake_qemu_hand_over_display(rig->qemu)));
	qemu_rig_settle(rig);

	int fds[2], others[6];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[1]);
	others[0] = fds[0];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	others[1] = fds[0];
	others[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* not connected */
	others[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa_family_t family = AF_UNIX; /* the kernel finds a name */
	assert_int_equal(bind(others[3], (struct sockaddr *)&family, sizeof(family)), 0);
	assert_int_equal(listen(others[3], 1), 0);
	others[4] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	others[5] = -1;
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		enum oriel_qemu_channel channel = i % 2 == 0 ? ORIEL_QEMU_CHANNEL_DBUS
							     : ORIEL_QEMU_CHANNEL_QMP;
		assert_false(oriel_qemu_machine_adopt(rig->machine, channel, others[i]));
		assert_int_equal(log_lines_get_count(), i + 1);
	}
	assert_true(is_there(rig));
	assert_int_equal(rig->there, 1);
}

static void machine_at_a_path_is_not_handed_over(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_start(rig, rig->path);
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_false(oriel_qemu_machine_adopt(rig->machine, ORIEL_QEMU_CHANNEL_DBUS, fds[0]));
	close(fds[1]);
	assert_int_equal(log_lines_get_count(), 1);
	oriel_qemu_machine_end(rig->machine);
	assert_true(is_there(rig));
}

/* --- hard times ------------------------------------------------------------------------------- */

/* Let go of in the handler of each event that there is, one after the other. */
static void machine_is_let_go_of_in_any_handler(void **state) {
	struct qemu_rig *rig = *state;
	static const uint32_t numbers[] = { 0, 1 };
	fake_qemu_set_console_numbers(rig->qemu, numbers, 2);
	struct fake_qemu_console wide = { .width = 1024, .height = 768, .is_absolute = true };
	struct fake_qemu_console narrow = { .width = 640, .height = 480 };
	unsigned events = 0;
	do {
		rig->lets_go_after = ++events;
		qemu_rig_start(rig, rig->path);
		/* In each of the next, if it is there still. */
		fake_qemu_set_console(rig->qemu, 0, events % 2 == 0 ? &wide : &narrow);
		qemu_rig_settle(rig);
		if (rig->machine != NULL) {
			fake_qemu_send_event(rig->qemu, "STOP");
			qemu_rig_settle(rig);
		}
		if (rig->machine != NULL) {
			fake_qemu_send_event(rig->qemu, "RESUME");
			qemu_rig_settle(rig);
		}
		fake_qemu_close_display(rig->qemu);
		qemu_rig_settle(rig);
	} while (rig->machine == NULL && events < 100);
	rig->lets_go_after = 0;
	assert_uint_in_range(events, 10, 99);
}

static void machine_without_memory_is_none_or_whole(void **state) {
	struct qemu_rig *rig = *state;
	unsigned calls = 0;
	for (unsigned fail_at = 1; fail_at == 1 || calls >= fail_at - 1; fail_at++) {
		log_lines_init();
		shortage_of_memory_begin(fail_at);
		struct oriel_qemu_machine *machine =
				oriel_qemu_machine_ref(rig->loop, "vm", rig->path);
		calls = shortage_of_memory_end();
		if (machine == NULL) {
			assert_int_equal(log_lines_get_count(), 1);
		}
		qemu_rig_settle(rig);
		oriel_qemu_machine_unref(machine);
		qemu_rig_settle(rig);
		assert_uint_in_range(fail_at, 1, 50);
	}
}

static void machine_without_files_is_tried_again(void **state) {
	struct qemu_rig *rig = *state;
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_CAPABILITIES, FAKE_QEMU_FAULT_SILENT);
	qemu_rig_start(rig, rig->path);
	shortage_of_fds_begin();
	static const char answer[] = "{\"return\": {}, \"id\": 1}";
	fake_qemu_send_monitor(rig->qemu, answer, strlen(answer));
	qemu_rig_settle(rig);
	shortage_of_fds_end();
	assert_int_equal(log_lines_get_count(), 1);
	assert_false(is_there(rig));
	fake_qemu_set_fault(rig->qemu, FAKE_QEMU_STEP_CAPABILITIES, FAKE_QEMU_FAULT_NONE);
	assert_true(held_timers_fire(rig->loop, RETRY_MS));
	assert_true(is_there(rig));
}

#define test_on_rig(name) cmocka_unit_test_setup_teardown(name, qemu_rig_setup, qemu_rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test_on_rig(machine_at_path_arrives_after_its_consoles),
		test_on_rig(machine_that_comes_later_is_found),
		test_on_rig(machine_that_ends_is_away_and_found_again),
		test_on_rig(either_connection_that_ends_takes_both),
		test_on_rig(machine_that_never_lasts_is_tried_more_and_more_seldom),
		test_on_rig(monitor_that_another_has_is_waited_for),
		test_on_rig(monitor_with_a_full_backlog_is_tried_again),
		test_on_rig(machine_survives_each_fault_at_each_step),
		test_on_rig(display_that_is_refused_is_said_in_qemus_words),
		test_on_rig(console_numbers_that_are_none_are_left_out),
		test_on_rig(more_consoles_than_there_may_be_are_left_out),
		test_on_rig(machine_without_consoles_is_there),
		test_on_rig(machine_that_stops_and_goes_on_is_followed),
		test_on_rig(machine_that_is_stopped_already_is_known_to_be),
		test_on_rig(guests_of_a_place_share_a_machine),
		test_on_rig(place_that_can_be_none_is_refused),
		test_on_rig(machine_is_handed_over_by_its_display),
		test_on_rig(machine_is_handed_over_by_its_monitor),
		test_on_rig(machine_that_is_handed_over_and_silent_is_said_to_be),
		test_on_rig(monitor_that_was_handed_over_outlives_the_display),
		test_on_rig(monitor_of_a_machine_without_consoles_ends_with_the_display),
		test_on_rig(file_that_is_no_connection_is_not_adopted),
		test_on_rig(machine_at_a_path_is_not_handed_over),
		test_on_rig(machine_is_let_go_of_in_any_handler),
		test_on_rig(machine_without_memory_is_none_or_whole),
		test_on_rig(machine_without_files_is_tried_again),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
