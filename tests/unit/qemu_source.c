/*
 * The qemu driver: its states, and the listeners that it gives to QEMU. What comes of a listener is
 * qemu_display's.
 */
#include <fcntl.h>
#include <pixman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fake_display.h"
#include "fake_qemu.h"
#include "fds.h"
#include "guest/frame.h"
#include "guest/qemu/machine.h"
#include "guest/source.h"
#include "held_timers.h"
#include "log_lines.h"

#define SEC_NS UINT64_C(1000000000)
#define FIT_MS 200

/* Time goes on when the test says so. */
static struct {
	int fds_before;
	uint64_t now_ns;
	struct wl_event_loop *loop;
	struct fake_qemu *qemu;
	struct oriel_source *source; /* may be NULL */
	struct fake_display display; /* QEMU's end of the listener */
	struct oriel_guest_frame *frame; /* that is shown */
	unsigned states;
} context;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
	if (clock != CLOCK_MONOTONIC) {
		return __real_clock_gettime(clock, ret_time);
	}
	ret_time->tv_sec = (time_t)(context.now_ns / SEC_NS);
	ret_time->tv_nsec = (long)(context.now_ns % SEC_NS);
	return 0;
}

static bool consumer_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return true;
}

static void consumer_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	oriel_guest_frame_destroy(context.frame);
	context.frame = take_frame;
}

static void consumer_handle_state(void *data, enum oriel_source_state state) {
	context.states++;
}

static const struct oriel_source_consumer consumer = {
	.wants = consumer_handle_wants,
	.frame = consumer_handle_frame,
	.state = consumer_handle_state,
};

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	log_lines_init();
	held_timers_init();
	struct timespec now;
	assert_int_equal(__real_clock_gettime(CLOCK_MONOTONIC, &now), 0);
	context.now_ns = (uint64_t)now.tv_sec * SEC_NS;
	context.fds_before = fds_count_open();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	context.qemu = fake_qemu_create(context.loop, NULL);
	return 0;
}

static int teardown(void **state) {
	oriel_guest_frame_destroy(context.frame);
	oriel_source_destroy(context.source);
	fake_display_finish(&context.display);
	fake_qemu_destroy(context.qemu);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void create_source(const char *where, const struct oriel_source_options *options) {
	context.source = oriel_source_create(context.loop, "win", "qemu", where, options);
	if (context.source != NULL) {
		oriel_source_set_consumer(context.source, &consumer, NULL);
	}
}

static void settle(void) {
	do {
		held_timers_settle(context.loop);
	} while (fake_display_step(&context.display));
}

static void hand_over(void) {
	assert_true(oriel_source_adopt(context.source, ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
			fake_qemu_hand_over_display(context.qemu)));
	settle();
}

/* To the machine's first head, which is not the one under test. */
static void hand_over_to_first(void) {
	struct oriel_source *first =
			oriel_source_create(context.loop, "win", "qemu", "handover", NULL);
	assert_non_null(first);
	assert_true(oriel_source_adopt(first, ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
			fake_qemu_hand_over_display(context.qemu)));
	oriel_source_destroy(first);
	settle();
}

/* True if QEMU was given a listener for that console, which is the fake display's then. */
static bool take_listener(unsigned number) {
	int fd = fake_qemu_take_listener(context.qemu, number);
	if (fd < 0) {
		return false;
	}
	fake_display_finish(&context.display);
	fake_display_init(&context.display, fd);
	settle();
	return true;
}

/* The next one is due in that time, and comes then. */
static void renew(int delay_ms) {
	assert_int_equal(held_timers_count(delay_ms), 1);
	context.now_ns += (uint64_t)(delay_ms - 1) * 1000000;
	assert_true(held_timers_fire(context.loop, delay_ms));
	assert_true(take_listener(0));
}

static void send_picture(void) {
	static uint32_t pixel;
	pixel++;
	fake_display_scanout(&context.display, 1, 1, 4, PIXMAN_x8r8g8b8, &pixel, 4);
	settle();
	oriel_source_poll(context.source);
}

static void assert_state(enum oriel_source_state state) {
	assert_int_equal(oriel_source_get_state(context.source), state);
}

static void machine_that_comes_is_given_a_listener_and_shown(void **state) {
	create_source("handover", NULL);
	assert_state(ORIEL_SOURCE_STATE_WAITING);
	assert_true(oriel_source_get_next_poll_ns(context.source, 1) == ORIEL_SOURCE_POLL_NEVER);
	hand_over();
	assert_true(take_listener(0));
	assert_state(ORIEL_SOURCE_STATE_WAITING);
	send_picture();
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_non_null(context.frame);
	assert_int_equal(log_lines_get_count(), 0);
}

static void machine_that_goes_is_lost_and_back_with_the_next(void **state) {
	create_source("handover", NULL);
	hand_over();
	assert_true(take_listener(0));
	send_picture();
	fake_qemu_close_display(context.qemu);
	settle();
	assert_state(ORIEL_SOURCE_STATE_LOST);
	assert_true(context.display.is_closed);
	assert_non_null(context.frame);
	hand_over();
	assert_state(ORIEL_SOURCE_STATE_RESTARTED);
	/* It was just given one: the next one takes its time. */
	assert_false(take_listener(0));
	renew(1001);
	send_picture();
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
}

/* Nobody gives it another machine while one is coming, or can be kept from it by one that never came. */
static void machine_that_is_on_its_way_is_the_guests(void **state) {
	create_source("handover", NULL);
	hand_over();
	assert_true(take_listener(0));
	send_picture();
	fake_qemu_close_display(context.qemu);
	settle();
	assert_state(ORIEL_SOURCE_STATE_LOST);
	fake_qemu_set_fault(context.qemu, FAKE_QEMU_STEP_AUTH, FAKE_QEMU_FAULT_SILENT);
	for (int i = 0; i < 2; i++) {
		hand_over();
		assert_state(ORIEL_SOURCE_STATE_RESTARTED);
		fake_qemu_close_display(context.qemu);
		settle();
		assert_state(ORIEL_SOURCE_STATE_LOST);
	}
}

static void machine_that_never_came_is_lost(void **state) {
	create_source("handover", NULL);
	fake_qemu_set_fault(context.qemu, FAKE_QEMU_STEP_AUTH, FAKE_QEMU_FAULT_SILENT);
	hand_over();
	assert_state(ORIEL_SOURCE_STATE_WAITING);
	fake_qemu_close_display(context.qemu);
	settle();
	assert_state(ORIEL_SOURCE_STATE_LOST);
}

static void listener_that_ends_is_followed_by_some_in_a_minute(void **state) {
	create_source("handover", NULL);
	hand_over();
	assert_true(take_listener(0));
	for (int i = 1; i < 10; i++) {
		fake_display_finish(&context.display);
		settle();
		assert_false(take_listener(0));
		renew(1001);
	}
	/* Nine seconds have passed. */
	fake_display_finish(&context.display);
	settle();
	renew(51001);
	fake_display_finish(&context.display);
	settle();
	renew(1001);
	/* None comes when the machine is away. */
	fake_display_finish(&context.display);
	settle();
	assert_int_equal(held_timers_count(1001), 1);
	fake_qemu_close_display(context.qemu);
	settle();
	assert_int_equal(held_timers_count(1001), 0);
	assert_state(ORIEL_SOURCE_STATE_LOST);
}

static void set_size(uint32_t width, uint32_t height) {
	const struct fake_qemu_console console = { .width = width, .height = height };
	fake_qemu_set_console(context.qemu, 0, &console);
	settle();
}

/* A QEMU without maps sends parts of a smaller mode, which fit the picture of the larger one. */
static void mode_whose_picture_does_not_come_asks_for_another_listener(void **state) {
	create_source("handover", NULL);
	hand_over();
	assert_true(take_listener(0));
	set_size(720, 400);
	assert_int_equal(held_timers_count(FIT_MS), 0); /* there is no picture yet */
	set_size(1, 1);
	send_picture();
	assert_int_equal(held_timers_count(FIT_MS), 0);
	/* It comes, on another socket. */
	set_size(720, 400);
	assert_int_equal(held_timers_count(FIT_MS), 1);
	set_size(1, 1);
	assert_int_equal(held_timers_count(FIT_MS), 0);
	/* It does not. */
	set_size(720, 400);
	assert_true(held_timers_fire(context.loop, FIT_MS));
	renew(1001);
	assert_int_equal(held_timers_count(FIT_MS), 0);
}

static void machine_that_ends_is_lost(void **state) {
	create_source("handover", NULL);
	hand_over();
	assert_true(take_listener(0));
	oriel_source_end(context.source);
	settle();
	assert_state(ORIEL_SOURCE_STATE_LOST);
}

static void head_is_the_console_of_its_number(void **state) {
	const uint32_t numbers[] = { 0, 1 };
	fake_qemu_set_console_numbers(context.qemu, numbers, 2);
	const struct oriel_source_options options = { .machine_name = "win", .head = 1 };
	create_source("handover", &options);
	hand_over_to_first();
	assert_false(take_listener(0));
	assert_true(take_listener(1));
}

static void head_that_the_machine_lacks_is_told_and_waits(void **state) {
	const struct oriel_source_options options = { .machine_name = "win", .head = 1 };
	create_source("handover", &options);
	hand_over_to_first();
	assert_false(take_listener(1));
	assert_state(ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: qemu: the machine has no head 1"));
}

static void head_beyond_all_is_refused(void **state) {
	const struct oriel_source_options options = {
		.machine_name = "win",
		.head = ORIEL_QEMU_CONSOLES_MAX,
	};
	create_source("handover", &options);
	assert_null(context.source);
	assert_int_equal(log_lines_get_count(), 1);
}

static void place_that_is_none_is_refused(void **state) {
	create_source(NULL, NULL);
	assert_null(context.source);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: qemu: "));
}

static void edid_of_bytes_is_told_to_be_none_of_qemus(void **state) {
	const struct oriel_source_options options = { .edid = ORIEL_SOURCE_EDID_BLOB };
	create_source("handover", &options);
	assert_non_null(context.source);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "takes no EDID"));
}

static void device_that_is_handed_over_is_refused(void **state) {
	create_source("handover", NULL);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_false(oriel_source_adopt(context.source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, fd));
	assert_int_equal(log_lines_get_count(), 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void listener_that_qemu_refuses_is_followed_by_another(void **state) {
	fake_qemu_set_fault(context.qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_REFUSES);
	create_source("handover", NULL);
	hand_over();
	fake_qemu_set_fault(context.qemu, FAKE_QEMU_STEP_LISTENER, FAKE_QEMU_FAULT_NONE);
	int fd = fake_qemu_take_listener(context.qemu, 0);
	if (fd >= 0) {
		close(fd); /* which QEMU does then */
		settle();
	}
	renew(1001);
	assert_state(ORIEL_SOURCE_STATE_WAITING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(machine_that_comes_is_given_a_listener_and_shown),
		TEST(machine_that_goes_is_lost_and_back_with_the_next),
		TEST(machine_that_is_on_its_way_is_the_guests),
		TEST(machine_that_never_came_is_lost),
		TEST(listener_that_ends_is_followed_by_some_in_a_minute),
		TEST(mode_whose_picture_does_not_come_asks_for_another_listener),
		TEST(machine_that_ends_is_lost),
		TEST(head_is_the_console_of_its_number),
		TEST(head_that_the_machine_lacks_is_told_and_waits),
		TEST(head_beyond_all_is_refused),
		TEST(place_that_is_none_is_refused),
		TEST(edid_of_bytes_is_told_to_be_none_of_qemus),
		TEST(device_that_is_handed_over_is_refused),
		TEST(listener_that_qemu_refuses_is_followed_by_another),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
