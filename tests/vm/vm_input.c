/*
 * The user's input on its whole way to a guest: devices of the kernel's that the test plays, libinput,
 * oriel on KMS, and out of the guest's own devices, as whoever runs its machine reads them. Needs a
 * udev that runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <linux/input.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_keyboard_group.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "fixture.h"
#include "guest/input_sink.h"
#include "inhibitor.h"
#include "input/cursor.h"
#include "input/seat.h"
#include "kms.h"
#include "server.h"
#include "view/guest_view.h"
#include "xdg_client.h"

#define WIDTH 640
#define HEIGHT 480

enum kind {
	KIND_KEYBOARD,
	KIND_POINTER,
	KIND_TABLET,
	KIND_TOUCH,
	KIND_COUNT,
};

static const char *const kind_names[KIND_COUNT] = { "keyboard", "pointer", "tablet", "touch" };

/* oriel with a guest that covers the screen, the user's devices and the guest's. */
struct rig {
	struct fixture fixture;
	struct libevdev_uinput *user[KIND_COUNT];
	int guest_fds[KIND_COUNT];
	int fds_before;
};

/* The user's devices */

static void enable(struct libevdev *libevdev, unsigned int type, unsigned int code) {
	assert_int_equal(libevdev_enable_event_code(libevdev, type, code, NULL), 0);
}

static void enable_abs(struct libevdev *libevdev, unsigned int code, int maximum) {
	/* udev and libinput want to know how large a screen is. */
	struct input_absinfo info = { .maximum = maximum, .resolution = 10 };
	assert_int_equal(libevdev_enable_event_code(libevdev, EV_ABS, code, &info), 0);
}

static struct libevdev_uinput *make_user_device(enum kind kind) {
	char name[64];
	snprintf(name, sizeof(name), "Test %s", kind_names[kind]);
	struct libevdev *libevdev = libevdev_new();
	assert_non_null(libevdev);
	libevdev_set_name(libevdev, name);
	switch (kind) {
	case KIND_KEYBOARD:
		for (unsigned int code = KEY_ESC; code <= KEY_MICMUTE; code++) {
			enable(libevdev, EV_KEY, code);
		}
		break;
	case KIND_POINTER:
		enable(libevdev, EV_KEY, BTN_LEFT);
		enable(libevdev, EV_KEY, BTN_RIGHT);
		enable(libevdev, EV_REL, REL_X);
		enable(libevdev, EV_REL, REL_Y);
		enable(libevdev, EV_REL, REL_WHEEL);
		enable(libevdev, EV_REL, REL_WHEEL_HI_RES);
		enable(libevdev, EV_REL, REL_HWHEEL);
		enable(libevdev, EV_REL, REL_HWHEEL_HI_RES);
		break;
	case KIND_TABLET:
		enable(libevdev, EV_KEY, BTN_LEFT);
		enable_abs(libevdev, ABS_X, WIDTH - 1);
		enable_abs(libevdev, ABS_Y, HEIGHT - 1);
		break;
	case KIND_TOUCH:
		enable(libevdev, EV_KEY, BTN_TOUCH);
		enable_abs(libevdev, ABS_X, WIDTH - 1);
		enable_abs(libevdev, ABS_Y, HEIGHT - 1);
		enable_abs(libevdev, ABS_MT_SLOT, 4);
		enable_abs(libevdev, ABS_MT_TRACKING_ID, 1000);
		enable_abs(libevdev, ABS_MT_POSITION_X, WIDTH - 1);
		enable_abs(libevdev, ABS_MT_POSITION_Y, HEIGHT - 1);
		libevdev_enable_property(libevdev, INPUT_PROP_DIRECT);
		break;
	case KIND_COUNT:
		break;
	}
	struct libevdev_uinput *device;
	assert_int_equal(libevdev_uinput_create_from_device(
					 libevdev, LIBEVDEV_UINPUT_OPEN_MANAGED, &device),
			0);
	libevdev_free(libevdev);
	return device;
}

static void play(struct rig *rig, enum kind kind, unsigned int type, unsigned int code, int value) {
	assert_int_equal(libevdev_uinput_write_event(rig->user[kind], type, code, value), 0);
}

static void play_frame(struct rig *rig, enum kind kind) {
	play(rig, kind, EV_SYN, SYN_REPORT, 0);
}

static void play_key(struct rig *rig, enum kind kind, unsigned int code, bool is_pressed) {
	play(rig, kind, EV_KEY, code, is_pressed);
	play_frame(rig, kind);
}

/* Presses the keys in order and releases them in the opposite one. The list ends with 0. */
static void play_keys(struct rig *rig, const unsigned int codes[]) {
	size_t count = 0;
	while (codes[count] != 0) {
		play_key(rig, KIND_KEYBOARD, codes[count++], true);
	}
	while (count > 0) {
		play_key(rig, KIND_KEYBOARD, codes[--count], false);
	}
}

static void play_place(struct rig *rig, int x, int y) {
	play(rig, KIND_TABLET, EV_ABS, ABS_X, x);
	play(rig, KIND_TABLET, EV_ABS, ABS_Y, y);
	play_frame(rig, KIND_TABLET);
}

/* oriel's own idea of its devices */

static int count_devices(struct fixture *fixture) {
	struct oriel_seat *seat = fixture->server->seat;
	return wl_list_length(&seat->keyboard_group->devices) +
			wl_list_length(&seat->cursor->pointers) +
			wl_list_length(&seat->touch.screens);
}

struct device_wait {
	int count;
};

static bool has_devices(struct fixture *fixture, void *data) {
	const struct device_wait *wait = data;
	return count_devices(fixture) >= wait->count;
}

static void run_command(const char *command) {
	assert_int_equal(system(command), 0);
}

/* The guest's devices */

static void get_link(const char *guest_name, enum kind kind, char path[static 256]) {
	snprintf(path, 256, "%s/oriel/%s-%s", getenv("XDG_RUNTIME_DIR"), guest_name,
			kind_names[kind]);
}

static int open_guest_device(const char *guest_name, enum kind kind) {
	char path[256];
	get_link(guest_name, kind, path);
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	/* QEMU wants it for itself. */
	assert_int_equal(ioctl(fd, EVIOCGRAB, 1), 0);
	return fd;
}

/* The events that are expected, ending with one that is all zero. */
struct expectation {
	int fd;
	const struct input_event *events;
	size_t count;
};

#define EVENT(event_type, event_code, event_value)                                                 \
	{ .type = event_type, .code = event_code, .value = event_value }
#define FRAME EVENT(EV_SYN, SYN_REPORT, 0)

static bool event_is_repeat(const struct input_event *event) {
	return (event->type == EV_KEY && event->value == 2) ||
			(event->type == EV_SYN && event->code == SYN_REPORT && event->value == 1);
}

/* False if there is none. What the kernel repeats by itself depends on the time, and is left out. */
static bool read_event(int fd, struct input_event *ret_event) {
	for (;;) {
		ssize_t size = read(fd, ret_event, sizeof(*ret_event));
		if (size < 0) {
			assert_int_equal(errno, EAGAIN);
			return false;
		}
		assert_int_equal(size, sizeof(*ret_event));
		if (!event_is_repeat(ret_event)) {
			return true;
		}
	}
}

static bool expectation_is_met(struct fixture *fixture, void *data) {
	struct expectation *expectation = data;
	struct input_event event;
	while (expectation->count > 0 && read_event(expectation->fd, &event)) {
		const struct input_event *expected = expectation->events++;
		expectation->count--;
		if (event.type != expected->type || event.code != expected->code ||
				event.value != expected->value) {
			fail_msg("got %s %s %d, expected %s %s %d",
					libevdev_event_type_get_name(event.type),
					libevdev_event_code_get_name(event.type, event.code),
					event.value, libevdev_event_type_get_name(expected->type),
					libevdev_event_code_get_name(expected->type, expected->code),
					expected->value);
		}
	}
	return expectation->count == 0;
}

/* Steps until exactly these have come out of the guest's device. */
static void expect_events(
		struct rig *rig, enum kind kind, const struct input_event events[], size_t count) {
	struct expectation expectation = { rig->guest_fds[kind], events, count };
	fixture_step_until(&rig->fixture, expectation_is_met, &expectation);
}

#define EXPECT(rig, kind, ...)                                                                     \
	do {                                                                                       \
		static const struct input_event expected_events[] = { __VA_ARGS__ };               \
		expect_events(rig, kind, expected_events,                                          \
				sizeof(expected_events) / sizeof(expected_events[0]));             \
	} while (0)

static void expect_key(struct rig *rig, enum kind kind, unsigned int code, bool is_pressed) {
	const struct input_event events[] = { EVENT(EV_KEY, (uint16_t)code, is_pressed), FRAME };
	expect_events(rig, kind, events, 2);
}

static void expect_keys(struct rig *rig, const unsigned int codes[]) {
	size_t count = 0;
	while (codes[count] != 0) {
		expect_key(rig, KIND_KEYBOARD, codes[count++], true);
	}
	while (count > 0) {
		expect_key(rig, KIND_KEYBOARD, codes[--count], false);
	}
}

/* Nothing more has come, and no key, button or touch is down. */
static void assert_all_at_rest(struct rig *rig) {
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		struct input_event event;
		if (read_event(rig->guest_fds[kind], &event)) {
			fail_msg("%s: got %s %d as well", kind_names[kind],
					libevdev_event_code_get_name(event.type, event.code),
					event.value);
		}
		struct libevdev *libevdev;
		assert_int_equal(libevdev_new_from_fd(rig->guest_fds[kind], &libevdev), 0);
		for (unsigned int code = 0; code < KEY_CNT; code++) {
			assert_false(libevdev_get_event_value(libevdev, EV_KEY, code));
		}
		for (int slot = 0; slot < libevdev_get_num_slots(libevdev); slot++) {
			assert_int_equal(libevdev_get_slot_value(libevdev, (unsigned)slot,
							 ABS_MT_TRACKING_ID),
					-1);
		}
		libevdev_free(libevdev);
	}
}

/* Set-up */

static bool has_picture(struct fixture *fixture, void *data) {
	return fixture_get_view(fixture, "a")->primary.frame != NULL;
}

static void start_oriel(struct fixture *fixture, const char *input) {
	char output_name[KMS_NAME_SIZE], card_path[KMS_NAME_SIZE], config_text[512];
	kms_find_card("vkms", card_path);
	kms_find_connector(card_path, output_name);
	snprintf(config_text, sizeof(config_text),
			"output %s {\n\tmode %dx%d\n}\n"
			"guest a {\n\tsource synthetic %dx%d\n\tinput %s\n}\n"
			"bind Super+1 guest a\nbind Super+q close\n",
			output_name, WIDTH, HEIGHT, WIDTH, HEIGHT, input);
	fixture_init(fixture, config_text);
}

/* What the machine has without any device of the test's, or of a guest's. */
static int machine_devices;

static int count_machine_devices(void **state) {
	struct fixture fixture;
	start_oriel(&fixture, "none");
	fixture_step_until(&fixture, has_picture, NULL);
	machine_devices = count_devices(&fixture);
	fixture_finish(&fixture);
	return 0;
}

static int rig_setup(void **state) {
	struct rig *rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	*state = rig;
	rig->fds_before = fds_count_open();
	start_oriel(&rig->fixture, "uinput");
	/* Whatever else there is has come by then: what comes next are the user's. */
	run_command("udevadm settle");
	struct device_wait wait = { .count = count_devices(&rig->fixture) + KIND_COUNT };
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		rig->user[kind] = make_user_device((enum kind)kind);
		rig->guest_fds[kind] = open_guest_device("a", (enum kind)kind);
	}
	fixture_step_until(&rig->fixture, has_devices, &wait);
	fixture_step_until(&rig->fixture, has_picture, NULL);
	return 0;
}

static int rig_teardown(void **state) {
	struct rig *rig = *state;
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		libevdev_uinput_destroy(rig->user[kind]);
		close(rig->guest_fds[kind]);
	}
	fixture_finish(&rig->fixture);
	assert_int_equal(fds_count_open(), rig->fds_before);
	free(rig);
	return 0;
}

/* Gives the guest the focus by its binding, whose key it does not see. */
static void focus_guest(struct rig *rig) {
	play_keys(rig, (const unsigned int[]){ KEY_LEFTMETA, KEY_1, 0 });
	play_key(rig, KIND_KEYBOARD, KEY_A, true);
	play_key(rig, KIND_KEYBOARD, KEY_A, false);
	EXPECT(rig, KIND_KEYBOARD, EVENT(EV_KEY, KEY_A, 1), FRAME, EVENT(EV_KEY, KEY_A, 0), FRAME);
}

static void grab(struct rig *rig) {
	play_keys(rig, (const unsigned int[]){ KEY_LEFTCTRL, KEY_LEFTALT, KEY_G, 0 });
	EXPECT(rig, KIND_KEYBOARD, EVENT(EV_KEY, KEY_LEFTCTRL, 1), FRAME,
			EVENT(EV_KEY, KEY_LEFTALT, 1), FRAME, EVENT(EV_KEY, KEY_LEFTCTRL, 0),
			EVENT(EV_KEY, KEY_LEFTALT, 0), FRAME);
}

/* Devices */

static void guests_devices_say_whose_they_are_and_go_with_oriel(void **state) {
	struct rig *rig = *state;
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		char name[64], phys[64];
		snprintf(name, sizeof(name), "Oriel a %s", kind_names[kind]);
		snprintf(phys, sizeof(phys), "oriel/a/%s", kind_names[kind]);
		struct libevdev *libevdev;
		assert_int_equal(libevdev_new_from_fd(rig->guest_fds[kind], &libevdev), 0);
		assert_string_equal(libevdev_get_name(libevdev), name);
		assert_string_equal(libevdev_get_phys(libevdev), phys);
		assert_int_equal(libevdev_get_id_bustype(libevdev), BUS_VIRTUAL);
		libevdev_free(libevdev);
	}
	fixture_stop(&rig->fixture);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		char path[256];
		get_link("a", (enum kind)kind, path);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(ioctl(rig->guest_fds[kind], EVIOCGRAB, 0), -1);
		assert_int_equal(errno, ENODEV);
	}
}

static void what_oriel_types_does_not_come_back(void **state) {
	struct rig *rig = *state;
	/* libinput has been through all that udev knew of before the user's devices came. */
	assert_int_equal(count_devices(&rig->fixture), machine_devices + KIND_COUNT);
	focus_guest(rig);
	play_keys(rig, (const unsigned int[]){ KEY_LEFTSHIFT, KEY_B, 0 });
	expect_keys(rig, (const unsigned int[]){ KEY_LEFTSHIFT, KEY_B, 0 });
	assert_all_at_rest(rig);
}

/* Without the rule the same devices would be taken by every other session. */
static void udev_rule_keeps_the_devices_from_libinput(void **state) {
	run_command("mkdir -p /run/udev/rules.d && cp " ORIEL_UDEV_RULE " /run/udev/rules.d/ && "
		    "udevadm control --reload");
	struct oriel_input_sink *sink = oriel_input_sink_create(NULL, "uinput", "ruled", NULL);
	assert_non_null(sink);
	run_command("udevadm settle");
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		char path[256], command[512];
		get_link("ruled", (enum kind)kind, path);
		snprintf(command, sizeof(command),
				"udevadm info --query=property --name=\"$(readlink -f %s)\" | "
				"grep -qx LIBINPUT_IGNORE_DEVICE=1",
				path);
		run_command(command);
	}
	oriel_input_sink_destroy(sink);

	/* And leaves the user's alone. */
	struct libevdev_uinput *device = make_user_device(KIND_KEYBOARD);
	run_command("udevadm settle");
	char command[512];
	snprintf(command, sizeof(command),
			"! udevadm info --query=property --name=%s | grep -q LIBINPUT_IGNORE_DEVICE",
			libevdev_uinput_get_devnode(device));
	run_command(command);
	libevdev_uinput_destroy(device);
	run_command("rm /run/udev/rules.d/60-oriel.rules && udevadm control --reload");
}

static void guest_is_shown_without_uinput(void **state) {
	assert_int_equal(rename("/dev/uinput", "/dev/uinput.away"), 0);
	struct fixture fixture;
	start_oriel(&fixture, "uinput");
	assert_int_equal(rename("/dev/uinput.away", "/dev/uinput"), 0);
	assert_null(fixture_get_view(&fixture, "a")->input);
	fixture_step_until(&fixture, has_picture, NULL);
	fixture_finish(&fixture);
}

/* Events */

static void keys_come_out_as_they_were_typed(void **state) {
	struct rig *rig = *state;
	focus_guest(rig);
	static const unsigned int codes[] = { KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_F12, KEY_KPENTER, 0 };
	play_keys(rig, codes);
	expect_keys(rig, codes);
	static const unsigned int others[] = { KEY_ESC, KEY_MICMUTE, KEY_102ND, 0 };
	play_keys(rig, others);
	expect_keys(rig, others);
	assert_all_at_rest(rig);
}

static void place_of_the_pointer_is_the_place_in_the_picture(void **state) {
	struct rig *rig = *state;
	focus_guest(rig);
	const struct wlr_cursor *cursor = rig->fixture.server->seat->cursor->wlr_cursor;
	static const int places[][2] = { { 320, 240 }, { 0, 0 }, { 639, 479 }, { 1, 478 } };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		play_place(rig, places[i][0], places[i][1]);
		/* Each way it is another place than the one before. */
		struct input_event event = { 0 };
		while (!read_event(rig->guest_fds[KIND_TABLET], &event)) {
			fixture_step(&rig->fixture, 10);
		}
		assert_int_equal(event.code, ABS_X);
		assert_int_equal(event.value, (int)ceil(cursor->x / WIDTH * 65536));
		/* The pixel that a guest of this size takes it for. */
		assert_int_equal((int64_t)event.value * WIDTH / 65536, places[i][0]);
		assert_true(read_event(rig->guest_fds[KIND_TABLET], &event));
		assert_int_equal(event.code, ABS_Y);
		assert_int_equal(event.value, (int)ceil(cursor->y / HEIGHT * 65536));
		assert_int_equal((int64_t)event.value * HEIGHT / 65536, places[i][1]);
		assert_true(read_event(rig->guest_fds[KIND_TABLET], &event));
		assert_int_equal(event.type, EV_SYN);
	}
	assert_all_at_rest(rig);
}

static void press_gives_the_focus_and_wheels_turn(void **state) {
	struct rig *rig = *state;
	play_place(rig, 320, 240);
	play_key(rig, KIND_POINTER, BTN_LEFT, true);
	play_key(rig, KIND_POINTER, BTN_LEFT, false);
	EXPECT(rig, KIND_TABLET, EVENT(EV_ABS, ABS_X, 32768), EVENT(EV_ABS, ABS_Y, 32768),
			EVENT(EV_KEY, BTN_LEFT, 1), FRAME, EVENT(EV_KEY, BTN_LEFT, 0), FRAME);

	play(rig, KIND_POINTER, EV_REL, REL_WHEEL, -1);
	play(rig, KIND_POINTER, EV_REL, REL_WHEEL_HI_RES, -120);
	play_frame(rig, KIND_POINTER);
	EXPECT(rig, KIND_TABLET, EVENT(EV_REL, REL_WHEEL_HI_RES, -120),
			EVENT(EV_REL, REL_WHEEL, -1), FRAME);
	play(rig, KIND_POINTER, EV_REL, REL_HWHEEL, 2);
	play(rig, KIND_POINTER, EV_REL, REL_HWHEEL_HI_RES, 240);
	play_frame(rig, KIND_POINTER);
	EXPECT(rig, KIND_TABLET, EVENT(EV_REL, REL_HWHEEL_HI_RES, 240),
			EVENT(EV_REL, REL_HWHEEL, 2), FRAME);
	play_keys(rig, (const unsigned int[]){ KEY_B, 0 });
	expect_keys(rig, (const unsigned int[]){ KEY_B, 0 });
	assert_all_at_rest(rig);
}

static void touches_come_out_in_slots(void **state) {
	struct rig *rig = *state;
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_SLOT, 0);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, 100);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_POSITION_X, 320);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_POSITION_Y, 240);
	play_key(rig, KIND_TOUCH, BTN_TOUCH, true);
	EXPECT(rig, KIND_TOUCH, EVENT(EV_ABS, ABS_MT_TRACKING_ID, 0),
			EVENT(EV_ABS, ABS_MT_POSITION_X, 32768),
			EVENT(EV_ABS, ABS_MT_POSITION_Y, 32768), EVENT(EV_KEY, BTN_TOUCH, 1),
			EVENT(EV_ABS, ABS_X, 32768), EVENT(EV_ABS, ABS_Y, 32768), FRAME);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_SLOT, 1);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, 101);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_POSITION_X, 160);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_POSITION_Y, 120);
	play_frame(rig, KIND_TOUCH);
	EXPECT(rig, KIND_TOUCH, EVENT(EV_ABS, ABS_MT_SLOT, 1), EVENT(EV_ABS, ABS_MT_TRACKING_ID, 1),
			EVENT(EV_ABS, ABS_MT_POSITION_X, 16384),
			EVENT(EV_ABS, ABS_MT_POSITION_Y, 16384), FRAME);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_SLOT, 0);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, -1);
	play_frame(rig, KIND_TOUCH);
	/* The second one is the only one now. */
	EXPECT(rig, KIND_TOUCH, EVENT(EV_ABS, ABS_MT_SLOT, 0), EVENT(EV_ABS, ABS_MT_TRACKING_ID, -1),
			EVENT(EV_ABS, ABS_X, 16384), EVENT(EV_ABS, ABS_Y, 16384), FRAME);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_SLOT, 1);
	play(rig, KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, -1);
	play_key(rig, KIND_TOUCH, BTN_TOUCH, false);
	EXPECT(rig, KIND_TOUCH, EVENT(EV_ABS, ABS_MT_SLOT, 1),
			EVENT(EV_ABS, ABS_MT_TRACKING_ID, -1), EVENT(EV_KEY, BTN_TOUCH, 0), FRAME);
	assert_all_at_rest(rig);
}

/* Grab and escape */

static void grab_gives_distances_and_bindings_until_it_ends(void **state) {
	struct rig *rig = *state;
	play_place(rig, 320, 240);
	focus_guest(rig);
	EXPECT(rig, KIND_TABLET, EVENT(EV_ABS, ABS_X, 32768), EVENT(EV_ABS, ABS_Y, 32768), FRAME);
	grab(rig);
	/* Nothing is accelerated, and the host's pointer stands still. */
	const struct wlr_cursor *cursor = rig->fixture.server->seat->cursor->wlr_cursor;
	double lx = cursor->x, ly = cursor->y;
	play(rig, KIND_POINTER, EV_REL, REL_X, 40);
	play(rig, KIND_POINTER, EV_REL, REL_Y, -7);
	play_frame(rig, KIND_POINTER);
	play_key(rig, KIND_POINTER, BTN_RIGHT, true);
	play_key(rig, KIND_POINTER, BTN_RIGHT, false);
	EXPECT(rig, KIND_POINTER, EVENT(EV_REL, REL_X, 40), EVENT(EV_REL, REL_Y, -7), FRAME,
			EVENT(EV_KEY, BTN_RIGHT, 1), FRAME, EVENT(EV_KEY, BTN_RIGHT, 0), FRAME);
	assert_true(cursor->x == lx && cursor->y == ly);
	static const unsigned int bound[] = { KEY_LEFTMETA, KEY_1, 0 };
	play_keys(rig, bound);
	expect_keys(rig, bound);

	/* Ended with a key and a button held: they are released. */
	play_key(rig, KIND_POINTER, BTN_LEFT, true);
	EXPECT(rig, KIND_POINTER, EVENT(EV_KEY, BTN_LEFT, 1), FRAME);
	grab(rig);
	EXPECT(rig, KIND_POINTER, EVENT(EV_KEY, BTN_LEFT, 0), FRAME);
	play_key(rig, KIND_POINTER, BTN_LEFT, false);
	play_place(rig, 160, 120);
	EXPECT(rig, KIND_TABLET, EVENT(EV_ABS, ABS_X, 16384), EVENT(EV_ABS, ABS_Y, 16384), FRAME);
	assert_all_at_rest(rig);
}

static void escape_works_in_a_grab_with_an_inhibitor_behind_it(void **state) {
	struct rig *rig = *state;
	struct xdg_client *client = xdg_client_create(&rig->fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 64, 32, 0xaa5500);
	struct inhibitor *inhibitor = inhibitor_create(window);
	assert_true(inhibitor->is_active);
	/* Not its binding, which is inhibited: a press beside the window. */
	play_place(rig, 10, 10);
	play_key(rig, KIND_POINTER, BTN_LEFT, true);
	play_key(rig, KIND_POINTER, BTN_LEFT, false);
	struct input_event event = { 0 };
	while (event.type != EV_KEY || event.value != 0) {
		while (!read_event(rig->guest_fds[KIND_TABLET], &event)) {
			fixture_step(&rig->fixture, 10);
		}
	}
	EXPECT(rig, KIND_TABLET, FRAME);
	grab(rig);
	play_key(rig, KIND_KEYBOARD, KEY_B, true);
	expect_key(rig, KIND_KEYBOARD, KEY_B, true);
	play_keys(rig, (const unsigned int[]){ KEY_LEFTCTRL, KEY_LEFTALT, KEY_ESC, 0 });
	EXPECT(rig, KIND_KEYBOARD, EVENT(EV_KEY, KEY_LEFTCTRL, 1), FRAME,
			EVENT(EV_KEY, KEY_LEFTALT, 1), FRAME, EVENT(EV_KEY, KEY_LEFTCTRL, 0),
			EVENT(EV_KEY, KEY_B, 0), EVENT(EV_KEY, KEY_LEFTALT, 0), FRAME);
	play_key(rig, KIND_KEYBOARD, KEY_B, false);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);
	assert_all_at_rest(rig);
	inhibitor_destroy(inhibitor);
	xdg_client_destroy(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(guests_devices_say_whose_they_are_and_go_with_oriel),
		TEST(what_oriel_types_does_not_come_back),
		cmocka_unit_test(udev_rule_keeps_the_devices_from_libinput),
		cmocka_unit_test(guest_is_shown_without_uinput),
		TEST(keys_come_out_as_they_were_typed),
		TEST(place_of_the_pointer_is_the_place_in_the_picture),
		TEST(press_gives_the_focus_and_wheels_turn),
		TEST(touches_come_out_in_slots),
		TEST(grab_gives_distances_and_bindings_until_it_ends),
		TEST(escape_works_in_a_grab_with_an_inhibitor_behind_it),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, count_machine_devices, NULL);
}
