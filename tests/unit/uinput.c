/*
 * Needs compositor/guest/uinput.c with -Wl,--wrap for what it asks of libc, the kernel and libevdev's
 * uinput half: see the list below. libevdev's other half is the real one.
 */
#include "guest/uinput.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <limits.h>
#include <linux/uinput.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/input_sink.h"
#include "log_lines.h"

#define DEVICES 4

enum call {
	CALL_CALLOC,
	CALL_STRDUP,
	CALL_ASPRINTF,
	CALL_OPEN,
	CALL_IOCTL,
	CALL_LIBEVDEV_NEW,
	CALL_ENABLE_CODE,
	CALL_ENABLE_PROPERTY,
	CALL_CREATE,
	CALL_DEVNODE,
	CALL_WRITE,
	CALL_MKDIR,
	CALL_SYMLINK,
	CALL_RENAME,
	CALL_COUNT,
};

struct libevdev_uinput {
	int fd;
	char name[128];
	char phys[128];
	char node[64];
	bool is_gone;
	struct libevdev *shape;
};

static struct {
	int fds_before;
	char runtime_dir[64];
	unsigned int calls[CALL_COUNT];
	unsigned int fail_at[CALL_COUNT]; /* counted from 1; 0: none */
	int fail_errno;
	char phys[128]; /* of the device under way */
	struct libevdev_uinput devices[64];
	int device_count;
	char written[8192];
	size_t written_length;
} context;

static bool call_fails(enum call call) {
	if (++context.calls[call] != context.fail_at[call]) {
		return false;
	}
	errno = context.fail_errno;
	return true;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_symlink(const char *target, const char *path);
int __wrap_symlink(const char *target, const char *path);
int __real_rename(const char *old_path, const char *new_path);
int __wrap_rename(const char *old_path, const char *new_path);
struct libevdev *__real_libevdev_new(void);
struct libevdev *__wrap_libevdev_new(void);
int __real_libevdev_enable_event_code(
		struct libevdev *libevdev, unsigned int type, unsigned int code, const void *data);
int __wrap_libevdev_enable_event_code(
		struct libevdev *libevdev, unsigned int type, unsigned int code, const void *data);
int __real_libevdev_enable_property(struct libevdev *libevdev, unsigned int property);
int __wrap_libevdev_enable_property(struct libevdev *libevdev, unsigned int property);
int __wrap_libevdev_uinput_create_from_device(
		const struct libevdev *libevdev, int fd, struct libevdev_uinput **ret_handle);
void __wrap_libevdev_uinput_destroy(struct libevdev_uinput *handle);
const char *__wrap_libevdev_uinput_get_devnode(struct libevdev_uinput *handle);
int __wrap_libevdev_uinput_write_event(const struct libevdev_uinput *handle, unsigned int type,
		unsigned int code, int value);

void *__wrap_calloc(size_t count, size_t size) {
	return call_fails(CALL_CALLOC) ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *string) {
	return call_fails(CALL_STRDUP) ? NULL : __real_strdup(string);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
	if (call_fails(CALL_ASPRINTF)) {
		return -1;
	}
	va_list args;
	va_start(args, format);
	int printed = vasprintf(ret, format, args);
	va_end(args);
	return printed;
}

int __wrap_open(const char *path, int flags, ...) {
	if (strcmp(path, "/dev/uinput") != 0) {
		return __real_open(path, flags, 0);
	}
	assert_int_equal(flags, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return call_fails(CALL_OPEN) ? -1 : memfd_create("uinput", MFD_CLOEXEC);
}

int __wrap_open64(const char *path, int flags, ...) {
	return __wrap_open(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
	assert_int_equal(request, UI_SET_PHYS);
	va_list args;
	va_start(args, request);
	snprintf(context.phys, sizeof(context.phys), "%s", va_arg(args, const char *));
	va_end(args);
	return call_fails(CALL_IOCTL) ? -1 : 0;
}

int __wrap_mkdir(const char *path, mode_t mode) {
	assert_int_equal(mode, 0700);
	return call_fails(CALL_MKDIR) ? -1 : __real_mkdir(path, mode);
}

int __wrap_symlink(const char *target, const char *path) {
	return call_fails(CALL_SYMLINK) ? -1 : __real_symlink(target, path);
}

int __wrap_rename(const char *old_path, const char *new_path) {
	return call_fails(CALL_RENAME) ? -1 : __real_rename(old_path, new_path);
}

struct libevdev *__wrap_libevdev_new(void) {
	return call_fails(CALL_LIBEVDEV_NEW) ? NULL : __real_libevdev_new();
}

int __wrap_libevdev_enable_event_code(
		struct libevdev *libevdev, unsigned int type, unsigned int code, const void *data) {
	return call_fails(CALL_ENABLE_CODE)
			? -1
			: __real_libevdev_enable_event_code(libevdev, type, code, data);
}

int __wrap_libevdev_enable_property(struct libevdev *libevdev, unsigned int property) {
	return call_fails(CALL_ENABLE_PROPERTY)
			? -1
			: __real_libevdev_enable_property(libevdev, property);
}

/* What the kernel would know of the device, for the tests to look at. */
static struct libevdev *copy_shape(const struct libevdev *libevdev) {
	struct libevdev *shape = __real_libevdev_new();
	assert_non_null(shape);
	static const int value;
	for (unsigned int type = EV_KEY; type < EV_CNT; type++) {
		for (int code = 0; code <= libevdev_event_type_get_max(type); code++) {
			if (!libevdev_has_event_code(libevdev, type, (unsigned int)code)) {
				continue;
			}
			const void *data = type == EV_ABS
					? (const void *)libevdev_get_abs_info(
							  libevdev, (unsigned int)code)
					: type == EV_REP ? (const void *)&value
							 : NULL;
			__real_libevdev_enable_event_code(shape, type, (unsigned int)code, data);
		}
	}
	for (unsigned int property = 0; property < INPUT_PROP_CNT; property++) {
		if (libevdev_has_property(libevdev, property)) {
			__real_libevdev_enable_property(shape, property);
		}
	}
	assert_int_equal(libevdev_get_id_bustype(libevdev), BUS_VIRTUAL);
	return shape;
}

int __wrap_libevdev_uinput_create_from_device(
		const struct libevdev *libevdev, int fd, struct libevdev_uinput **ret_handle) {
	assert_true(fd >= 0);
	if (call_fails(CALL_CREATE)) {
		return -context.fail_errno;
	}
	struct libevdev_uinput *device = &context.devices[context.device_count];
	device->fd = fd;
	snprintf(device->name, sizeof(device->name), "%s", libevdev_get_name(libevdev));
	snprintf(device->phys, sizeof(device->phys), "%s", context.phys);
	snprintf(device->node, sizeof(device->node), "/dev/input/event%d", 10 + context.device_count);
	device->shape = copy_shape(libevdev);
	device->is_gone = false;
	context.device_count++;
	*ret_handle = device;
	return 0;
}

void __wrap_libevdev_uinput_destroy(struct libevdev_uinput *handle) {
	if (handle != NULL) {
		assert_false(handle->is_gone);
		handle->is_gone = true;
	}
}

const char *__wrap_libevdev_uinput_get_devnode(struct libevdev_uinput *handle) {
	assert_false(handle->is_gone);
	return call_fails(CALL_DEVNODE) ? NULL : handle->node;
}

int __wrap_libevdev_uinput_write_event(const struct libevdev_uinput *handle, unsigned int type,
		unsigned int code, int value) {
	assert_false(handle->is_gone);
	if (call_fails(CALL_WRITE)) {
		return -context.fail_errno;
	}
	const char *kind = strrchr(handle->name, ' ') + 1;
	size_t room = sizeof(context.written) - context.written_length;
	int length = type == EV_SYN
			? snprintf(context.written + context.written_length, room, "%s |\n", kind)
			: snprintf(context.written + context.written_length, room, "%s %s %d\n",
					  kind, libevdev_event_code_get_name(type, code), value);
	assert_true(length > 0 && (size_t)length < room);
	context.written_length += (size_t)length;
	return 0;
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.fail_errno = EACCES;
	strcpy(context.runtime_dir, "/tmp/oriel-uinput-XXXXXX");
	assert_non_null(mkdtemp(context.runtime_dir));
	setenv("XDG_RUNTIME_DIR", context.runtime_dir, true);
	log_lines_init();
	return 0;
}

static int teardown(void **state) {
	for (int i = 0; i < context.device_count; i++) {
		assert_true(context.devices[i].is_gone);
		libevdev_free(context.devices[i].shape);
	}
	/* The folder of the links is gone, or this fails. */
	assert_int_equal(rmdir(context.runtime_dir), 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct oriel_input_sink *create(void) {
	struct oriel_input_sink *sink = oriel_uinput_create(NULL, "win", NULL);
	assert_non_null(sink);
	return sink;
}

static void get_link(const char *name, char ret_path[static PATH_MAX]) {
	snprintf(ret_path, PATH_MAX, "%s/oriel/%s", context.runtime_dir, name);
}

static void assert_link(const char *name, const char *expected) {
	char path[PATH_MAX], target[PATH_MAX];
	get_link(name, path);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (expected == NULL) {
		assert_int_equal(length, -1);
		return;
	}
	assert_true(length > 0);
	target[length] = '\0';
	assert_string_equal(target, expected);
}

static void assert_written(const char *expected) {
	context.written[context.written_length] = '\0';
	assert_string_equal(context.written, expected);
	context.written_length = 0;
	context.written[0] = '\0';
}

/* Devices */

static void create_makes_four_devices_that_say_whose_they_are(void **state) {
	static const struct {
		const char *name, *phys, *link, *node;
	} expected[DEVICES] = {
		{ "Oriel win keyboard", "oriel/win/keyboard", "win-keyboard", "/dev/input/event10" },
		{ "Oriel win pointer", "oriel/win/pointer", "win-pointer", "/dev/input/event11" },
		{ "Oriel win tablet", "oriel/win/tablet", "win-tablet", "/dev/input/event12" },
		{ "Oriel win touch", "oriel/win/touch", "win-touch", "/dev/input/event13" },
	};
	struct oriel_input_sink *sink = create();
	assert_int_equal(context.device_count, DEVICES);
	for (int i = 0; i < DEVICES; i++) {
		assert_string_equal(context.devices[i].name, expected[i].name);
		assert_string_equal(context.devices[i].phys, expected[i].phys);
		assert_link(expected[i].link, expected[i].node);
		assert_true(oriel_input_sink_has_node(sink, strrchr(expected[i].node, '/') + 1));
	}
	assert_false(oriel_input_sink_has_node(sink, "event1"));
	assert_false(oriel_input_sink_has_node(sink, "event14"));
	assert_int_equal(log_lines_get_count(), 0);
	oriel_input_sink_destroy(sink);
	for (int i = 0; i < DEVICES; i++) {
		assert_link(expected[i].link, NULL);
	}
}

static void name_of_63_bytes_fits(void **state) {
	static const char name[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
	assert_int_equal(strlen(name), 63);
	struct oriel_input_sink *sink = oriel_uinput_create(NULL, name, NULL);
	assert_non_null(sink);
	assert_true(strlen(context.devices[0].name) < UINPUT_MAX_NAME_SIZE);
	assert_string_equal(strrchr(context.devices[0].name, ' '), " keyboard");
	oriel_input_sink_destroy(sink);
}

static bool has(int device, unsigned int type, unsigned int code) {
	return libevdev_has_event_code(context.devices[device].shape, type, code);
}

static void devices_are_what_udev_and_qemu_take_them_for(void **state) {
	struct oriel_input_sink *sink = create();
	/* A keyboard: keys, repeated by the kernel, and nothing of a joystick's or a mouse's. */
	assert_true(has(0, EV_KEY, KEY_ESC) && has(0, EV_KEY, KEY_MICMUTE) && has(0, EV_KEY, KEY_OK));
	for (unsigned int code = BTN_MISC; code < KEY_OK; code++) {
		assert_false(has(0, EV_KEY, code));
	}
	for (unsigned int code = BTN_DPAD_UP; code <= BTN_DPAD_RIGHT; code++) {
		assert_false(has(0, EV_KEY, code));
	}
	for (unsigned int code = BTN_TRIGGER_HAPPY; code < KEY_CNT; code++) {
		assert_false(has(0, EV_KEY, code));
	}
	assert_true(has(0, EV_REP, REP_DELAY));
	assert_false(libevdev_has_event_type(context.devices[0].shape, EV_REL));
	assert_false(libevdev_has_event_type(context.devices[0].shape, EV_ABS));

	/* Two kinds of mice. */
	for (int i = 1; i <= 2; i++) {
		assert_true(has(i, EV_KEY, BTN_LEFT) && has(i, EV_KEY, BTN_TASK));
		assert_false(has(i, EV_KEY, KEY_A) || has(i, EV_KEY, BTN_TOUCH));
		assert_true(has(i, EV_REL, REL_WHEEL) && has(i, EV_REL, REL_HWHEEL));
		assert_true(has(i, EV_REL, REL_WHEEL_HI_RES) && has(i, EV_REL, REL_HWHEEL_HI_RES));
		assert_false(has(i, EV_REL, REL_DIAL));
	}
	assert_true(has(1, EV_REL, REL_X) && has(1, EV_REL, REL_Y));
	assert_false(libevdev_has_event_type(context.devices[1].shape, EV_ABS));
	assert_false(has(2, EV_REL, REL_X));
	assert_int_equal(libevdev_get_abs_maximum(context.devices[2].shape, ABS_X), 65535);
	assert_int_equal(libevdev_get_abs_maximum(context.devices[2].shape, ABS_Y), 65535);

	/* A touch screen. */
	const struct libevdev *touch = context.devices[3].shape;
	assert_true(libevdev_has_property(touch, INPUT_PROP_DIRECT));
	assert_int_equal(libevdev_get_abs_maximum(touch, ABS_MT_SLOT), ORIEL_INPUT_SINK_TOUCHES - 1);
	assert_int_equal(libevdev_get_abs_maximum(touch, ABS_MT_POSITION_X), 65535);
	assert_int_equal(libevdev_get_abs_maximum(touch, ABS_MT_POSITION_Y), 65535);
	assert_true(has(3, EV_KEY, BTN_TOUCH) && has(3, EV_ABS, ABS_MT_TRACKING_ID));
	assert_false(has(3, EV_KEY, BTN_LEFT));
	oriel_input_sink_destroy(sink);
}

/* Events */

static void keys_buttons_and_motion_go_to_their_devices(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_key(sink, KEY_A, true);
	oriel_input_sink_frame(sink);
	oriel_input_sink_motion_absolute(sink, 0, 1);
	oriel_input_sink_button(sink, BTN_LEFT, true);
	oriel_input_sink_frame(sink);
	oriel_input_sink_frame(sink);
	assert_written("keyboard KEY_A 1\nkeyboard |\n"
		       "tablet ABS_X 0\ntablet ABS_Y 65535\ntablet BTN_LEFT 1\ntablet |\n");

	oriel_input_sink_set_relative(sink, true);
	assert_written("keyboard KEY_A 0\ntablet BTN_LEFT 0\nkeyboard |\ntablet |\n");
	oriel_input_sink_motion_relative(sink, 3, 0);
	oriel_input_sink_motion_relative(sink, 0, -2);
	oriel_input_sink_button(sink, BTN_RIGHT, true);
	oriel_input_sink_frame(sink);
	assert_written("pointer REL_X 3\npointer REL_Y -2\npointer BTN_RIGHT 1\npointer |\n");
	oriel_input_sink_destroy(sink);
	assert_written("pointer BTN_RIGHT 0\npointer |\n");
}

static void places_are_those_of_the_pixel(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_motion_absolute(sink, 0.5, 100.0 / 1366);
	/* Which a guest of 1366 pixels takes for the hundredth: 4798 * 1366 / 65536 = 100.007. */
	assert_written("tablet ABS_X 32768\ntablet ABS_Y 4798\n");
	/* And ones of 640 and 480 for the last, where one less would be the one before. */
	oriel_input_sink_motion_absolute(sink, 639.0 / 640, 479.0 / 480);
	assert_written("tablet ABS_X 65434\ntablet ABS_Y 65400\n");
	oriel_input_sink_destroy(sink);
	context.written_length = 0;
}

static void wheel_turns_in_notches_and_in_parts_of_them(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 120);
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0, 240);
	assert_written("tablet REL_WHEEL_HI_RES -120\ntablet REL_WHEEL -1\n"
		       "tablet REL_HWHEEL_HI_RES 240\ntablet REL_HWHEEL 2\n");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, -90);
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, -90);
	assert_written("tablet REL_WHEEL_HI_RES 90\ntablet REL_WHEEL_HI_RES 90\ntablet REL_WHEEL 1\n");
	/* Turned back: the 60 that were left are no part of a notch the other way. */
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 119);
	assert_written("tablet REL_WHEEL_HI_RES -119\n");
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_VERTICAL, 0, 1);
	assert_written("tablet REL_WHEEL_HI_RES -1\ntablet REL_WHEEL -1\n");
	oriel_input_sink_set_relative(sink, true);
	context.written_length = 0;
	oriel_input_sink_axis(sink, ORIEL_INPUT_SINK_AXIS_HORIZONTAL, 0, -120);
	assert_written("pointer REL_HWHEEL_HI_RES -120\npointer REL_HWHEEL -1\n");
	oriel_input_sink_destroy(sink);
	context.written_length = 0;
}

static void touches_have_slots_and_the_oldest_is_the_single_one(void **state) {
	struct oriel_input_sink *sink = create();
	oriel_input_sink_touch_down(sink, 1, 0, 0);
	assert_written("touch ABS_MT_SLOT 1\ntouch ABS_MT_TRACKING_ID 0\n"
		       "touch ABS_MT_POSITION_X 0\ntouch ABS_MT_POSITION_Y 0\n"
		       "touch BTN_TOUCH 1\ntouch ABS_X 0\ntouch ABS_Y 0\n");
	oriel_input_sink_touch_down(sink, 0, 1, 1);
	assert_written("touch ABS_MT_SLOT 0\ntouch ABS_MT_TRACKING_ID 1\n"
		       "touch ABS_MT_POSITION_X 65535\ntouch ABS_MT_POSITION_Y 65535\n"
		       "touch BTN_TOUCH 1\ntouch ABS_X 0\ntouch ABS_Y 0\n");
	oriel_input_sink_touch_up(sink, 1);
	assert_written("touch ABS_MT_SLOT 1\ntouch ABS_MT_TRACKING_ID -1\n"
		       "touch BTN_TOUCH 1\ntouch ABS_X 65535\ntouch ABS_Y 65535\n");
	oriel_input_sink_touch_motion(sink, 0, 0, 1);
	assert_written("touch ABS_MT_SLOT 0\n"
		       "touch ABS_MT_POSITION_X 0\ntouch ABS_MT_POSITION_Y 65535\n"
		       "touch BTN_TOUCH 1\ntouch ABS_X 0\ntouch ABS_Y 65535\n");
	oriel_input_sink_touch_up(sink, 0);
	assert_written("touch ABS_MT_SLOT 0\ntouch ABS_MT_TRACKING_ID -1\ntouch BTN_TOUCH 0\n");
	oriel_input_sink_destroy(sink);
	context.written_length = 0;
}

static void write_that_fails_is_logged_once_until_one_succeeds(void **state) {
	struct oriel_input_sink *sink = create();
	context.fail_errno = ENODEV;
	context.fail_at[CALL_WRITE] = context.calls[CALL_WRITE] + 1;
	oriel_input_sink_key(sink, KEY_A, true);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(),
			"guest win: cannot write to its keyboard: No such device"));
	context.fail_at[CALL_WRITE]++;
	oriel_input_sink_key(sink, KEY_A, false);
	assert_int_equal(log_lines_get_count(), 1);
	oriel_input_sink_key(sink, KEY_A, true);
	context.fail_at[CALL_WRITE] += 2;
	oriel_input_sink_key(sink, KEY_A, false);
	assert_int_equal(log_lines_get_count(), 2);
	oriel_input_sink_destroy(sink);
}

/* Links */

static void links_left_behind_are_replaced(void **state) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/oriel", context.runtime_dir);
	assert_int_equal(__real_mkdir(path, 0700), 0);
	get_link("win-keyboard", path);
	assert_int_equal(__real_symlink("/dev/input/event0", path), 0);
	get_link("win-keyboard.new", path);
	assert_int_equal(__real_symlink("/dev/input/event1", path), 0);
	struct oriel_input_sink *sink = create();
	assert_link("win-keyboard", "/dev/input/event10");
	assert_link("win-keyboard.new", NULL);
	assert_int_equal(log_lines_get_count(), 0);
	oriel_input_sink_destroy(sink);
}

static void links_of_another_are_left_alone(void **state) {
	struct oriel_input_sink *first = create(), *second = create();
	assert_link("win-touch", "/dev/input/event17");
	oriel_input_sink_destroy(first);
	assert_link("win-touch", "/dev/input/event17");
	oriel_input_sink_destroy(second);
	assert_link("win-touch", NULL);
}

static void without_a_runtime_dir_there_are_no_links(void **state) {
	unsetenv("XDG_RUNTIME_DIR");
	struct oriel_input_sink *sink = create();
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(),
			"guest win: cannot link to its input devices in XDG_RUNTIME_DIR: No such "
			"file or directory"));
	oriel_input_sink_destroy(sink);
	setenv("XDG_RUNTIME_DIR", "relative", true);
	sink = create();
	assert_int_equal(log_lines_get_count(), 2);
	oriel_input_sink_destroy(sink);
}

/* Failures */

/* Every call number n of one kind fails in turn. Returns how many calls a success needs. */
static unsigned int fail_each(enum call call, bool is_fatal) {
	for (unsigned int n = 1;; n++) {
		for (int i = 0; i < context.device_count; i++) {
			assert_true(context.devices[i].is_gone);
			libevdev_free(context.devices[i].shape);
		}
		context.device_count = 0;
		memset(context.calls, 0, sizeof(context.calls));
		context.fail_at[call] = n;
		log_lines_init();
		int fds = fds_count_open();
		struct oriel_input_sink *sink = oriel_uinput_create(NULL, "win", NULL);
		context.fail_at[call] = 0;
		bool ok = context.calls[call] < n;
		assert_int_equal(sink != NULL, ok || !is_fatal);
		assert_int_equal(log_lines_get_count(), ok ? 0 : 1);
		if (!ok) {
			assert_non_null(strstr(log_lines_get_last(), "guest win: "));
		}
		oriel_input_sink_destroy(sink);
		assert_int_equal(fds_count_open(), fds);
		if (ok) {
			return n - 1;
		}
	}
}

static void failed_call_leaves_no_device_and_one_line(void **state) {
	assert_int_equal(fail_each(CALL_CALLOC, true), 1);
	assert_int_equal(fail_each(CALL_STRDUP, true), 1);
	assert_int_equal(fail_each(CALL_OPEN, true), DEVICES);
	assert_int_equal(fail_each(CALL_IOCTL, true), DEVICES);
	assert_int_equal(fail_each(CALL_LIBEVDEV_NEW, true), DEVICES);
	assert_true(fail_each(CALL_ENABLE_CODE, true) > 500);
	assert_int_equal(fail_each(CALL_ENABLE_PROPERTY, true), 2);
	assert_int_equal(fail_each(CALL_CREATE, true), DEVICES);
}

static void failed_link_is_one_line_and_the_devices_are_there(void **state) {
	assert_int_equal(fail_each(CALL_MKDIR, false), 1);
	assert_int_equal(fail_each(CALL_SYMLINK, false), DEVICES);
	assert_int_equal(fail_each(CALL_RENAME, false), DEVICES);
}

static void failed_open_says_why(void **state) {
	context.fail_at[CALL_OPEN] = 1;
	assert_null(oriel_uinput_create(NULL, "win", NULL));
	assert_non_null(strstr(log_lines_get_last(),
			"guest win: no input devices: cannot make its keyboard by /dev/uinput: "
			"Permission denied"));
}

static void kernel_without_evdev_has_no_devices(void **state) {
	context.fail_at[CALL_DEVNODE] = 1;
	assert_null(oriel_uinput_create(NULL, "win", NULL));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(),
			"guest win: no input devices: cannot make its keyboard by /dev/uinput: No such "
			"device"));
}

/* phys of four devices, the folder, two paths for each link */
static void failed_asprintf_leaves_what_there_is(void **state) {
	for (unsigned int n = 1; n <= DEVICES + 1 + 2 * DEVICES; n++) {
		memset(context.calls, 0, sizeof(context.calls));
		context.fail_at[CALL_ASPRINTF] = n;
		log_lines_init();
		struct oriel_input_sink *sink = oriel_uinput_create(NULL, "win", NULL);
		assert_int_equal(sink != NULL, n > DEVICES);
		assert_int_equal(log_lines_get_count(), 1);
		oriel_input_sink_destroy(sink);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(create_makes_four_devices_that_say_whose_they_are),
		TEST(name_of_63_bytes_fits),
		TEST(devices_are_what_udev_and_qemu_take_them_for),
		TEST(keys_buttons_and_motion_go_to_their_devices),
		TEST(places_are_those_of_the_pixel),
		TEST(wheel_turns_in_notches_and_in_parts_of_them),
		TEST(touches_have_slots_and_the_oldest_is_the_single_one),
		TEST(write_that_fails_is_logged_once_until_one_succeeds),
		TEST(links_left_behind_are_replaced),
		TEST(links_of_another_are_left_alone),
		TEST(without_a_runtime_dir_there_are_no_links),
		TEST(failed_call_leaves_no_device_and_one_line),
		TEST(failed_link_is_one_line_and_the_devices_are_there),
		TEST(failed_open_says_why),
		TEST(kernel_without_evdev_has_no_devices),
		TEST(failed_asprintf_leaves_what_there_is),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
