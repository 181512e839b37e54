#include "guest/uinput.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <limits.h>
#include <linux/uinput.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wayland-util.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/input_sink.h"

#define ABS_PLACE_MAX 65535

enum uinput_kind {
	UINPUT_KIND_KEYBOARD,
	UINPUT_KIND_POINTER,
	UINPUT_KIND_TABLET,
	UINPUT_KIND_TOUCH,
	UINPUT_KIND_COUNT,
};

static const char *const kind_names[] = {
	[UINPUT_KIND_KEYBOARD] = "keyboard",
	[UINPUT_KIND_POINTER] = "pointer",
	[UINPUT_KIND_TABLET] = "tablet",
	[UINPUT_KIND_TOUCH] = "touch",
};

struct uinput_device {
	int fd;
	struct libevdev_uinput *handle; /* NULL: there is no device */
	char *link; /* NULL: there is none */
	bool is_dirty; /* something was written since the last SYN_REPORT */
	bool is_failing; /* the last write failed, and that has been logged */
};

struct uinput_touch {
	bool is_down;
	uint32_t number; /* of all touches there ever were */
	int x, y;
};

struct oriel_uinput {
	struct oriel_input_sink base;
	char *guest_name;
	struct uinput_device devices[UINPUT_KIND_COUNT];
	int wheel_rest[2]; /* enum oriel_input_sink_axis; of a notch */
	struct uinput_touch touches[ORIEL_INPUT_SINK_TOUCHES];
	uint32_t touch_count; /* there ever were */
};

static const struct oriel_input_sink_ops uinput_ops;

static struct oriel_uinput *uinput_from_sink(const struct oriel_input_sink *sink) {
	assert(sink->ops == &uinput_ops);
	struct oriel_uinput *uinput = wl_container_of(sink, uinput, base);
	return uinput;
}

/* Writing */

/* /dev/uinput takes an event at once: it is in the readers' buffers when this returns. */
static void uinput_write(struct oriel_uinput *uinput, enum uinput_kind kind, unsigned type,
		unsigned code, int value) {
	struct uinput_device *device = &uinput->devices[kind];
	int ret = libevdev_uinput_write_event(device->handle, type, code, value);
	if (ret < 0 && !device->is_failing) {
		wlr_log(WLR_ERROR, "guest %s: cannot write to its %s: %s", uinput->guest_name,
				kind_names[kind], strerror(-ret));
	}
	device->is_failing = ret < 0;
	device->is_dirty = type != EV_SYN;
}

static void uinput_handle_frame(struct oriel_input_sink *sink) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	for (int kind = 0; kind < UINPUT_KIND_COUNT; kind++) {
		if (uinput->devices[kind].is_dirty) {
			uinput_write(uinput, (enum uinput_kind)kind, EV_SYN, SYN_REPORT, 0);
		}
	}
}

static void uinput_handle_key(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	uinput_write(uinput_from_sink(sink), UINPUT_KIND_KEYBOARD, EV_KEY, code, is_pressed);
}

static enum uinput_kind uinput_get_pointer(const struct oriel_uinput *uinput) {
	return uinput->base.is_relative ? UINPUT_KIND_POINTER : UINPUT_KIND_TABLET;
}

static void uinput_handle_button(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	uinput_write(uinput, uinput_get_pointer(uinput), EV_KEY, code, is_pressed);
}

static void uinput_handle_motion_relative(struct oriel_input_sink *sink, int dx, int dy) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	if (dx != 0) {
		uinput_write(uinput, UINPUT_KIND_POINTER, EV_REL, REL_X, dx);
	}
	if (dy != 0) {
		uinput_write(uinput, UINPUT_KIND_POINTER, EV_REL, REL_Y, dy);
	}
}

/*
 * A guest takes the value's part of all the values there are, and of that the pixel that it lies in:
 * rounded down, a place at the beginning of a pixel would be the one before.
 */
static int get_abs_place(double place) {
	int value = (int)ceil(place * (ABS_PLACE_MAX + 1));
	return value < ABS_PLACE_MAX ? value : ABS_PLACE_MAX;
}

static void uinput_handle_motion_absolute(struct oriel_input_sink *sink, double x, double y) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	uinput_write(uinput, UINPUT_KIND_TABLET, EV_ABS, ABS_X, get_abs_place(x));
	uinput_write(uinput, UINPUT_KIND_TABLET, EV_ABS, ABS_Y, get_abs_place(y));
}

/* Wheels count upwards and to the right. What is less than a notch waits for the rest of it. */
static void uinput_handle_axis(
		struct oriel_input_sink *sink, enum oriel_input_sink_axis axis, int value120) {
	static const unsigned fine_codes[] = { REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES };
	static const unsigned codes[] = { REL_WHEEL, REL_HWHEEL };
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	enum uinput_kind kind = uinput_get_pointer(uinput);
	int value = axis == ORIEL_INPUT_SINK_AXIS_VERTICAL ? -value120 : value120;
	uinput_write(uinput, kind, EV_REL, fine_codes[axis], value);

	int *rest = &uinput->wheel_rest[axis];
	if ((*rest < 0) != (value < 0)) {
		*rest = 0; /* turned back */
	}
	*rest += value;
	int notches = *rest / ORIEL_INPUT_SINK_NOTCH;
	*rest %= ORIEL_INPUT_SINK_NOTCH;
	if (notches != 0) {
		uinput_write(uinput, kind, EV_REL, codes[axis], notches);
	}
}

/* Touch: type B of the kernel's multi-touch protocol, and the oldest touch as the one of a device
 * that knows no more than one. */

static const struct uinput_touch *uinput_get_oldest_touch(const struct oriel_uinput *uinput) {
	const struct uinput_touch *oldest = NULL;
	for (int i = 0; i < ORIEL_INPUT_SINK_TOUCHES; i++) {
		const struct uinput_touch *touch = &uinput->touches[i];
		/* The numbers may have wrapped. */
		if (touch->is_down &&
				(oldest == NULL || (int32_t)(touch->number - oldest->number) < 0)) {
			oldest = touch;
		}
	}
	return oldest;
}

static void uinput_write_single_touch(struct oriel_uinput *uinput) {
	const struct uinput_touch *oldest = uinput_get_oldest_touch(uinput);
	/* The kernel passes on what has changed. */
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_KEY, BTN_TOUCH, oldest != NULL);
	if (oldest != NULL) {
		uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_X, oldest->x);
		uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_Y, oldest->y);
	}
}

static void uinput_write_touch_place(
		struct oriel_uinput *uinput, struct uinput_touch *touch, double x, double y) {
	touch->x = get_abs_place(x);
	touch->y = get_abs_place(y);
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_POSITION_X, touch->x);
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_POSITION_Y, touch->y);
	uinput_write_single_touch(uinput);
}

static void uinput_handle_touch_down(
		struct oriel_input_sink *sink, unsigned number, double x, double y) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	struct uinput_touch *touch = &uinput->touches[number];
	touch->is_down = true;
	touch->number = uinput->touch_count++;
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_SLOT, (int)number);
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID,
			(int)(touch->number & UINT16_MAX));
	uinput_write_touch_place(uinput, touch, x, y);
}

static void uinput_handle_touch_motion(
		struct oriel_input_sink *sink, unsigned number, double x, double y) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_SLOT, (int)number);
	uinput_write_touch_place(uinput, &uinput->touches[number], x, y);
}

static void uinput_handle_touch_up(struct oriel_input_sink *sink, unsigned number) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	uinput->touches[number].is_down = false;
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_SLOT, (int)number);
	uinput_write(uinput, UINPUT_KIND_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, -1);
	uinput_write_single_touch(uinput);
}

/* What the devices can do. Each of these is false only if memory runs out. */

static bool enable_codes(struct libevdev *libevdev, unsigned type, unsigned first, unsigned last) {
	for (unsigned code = first; code <= last; code++) {
		if (libevdev_enable_event_code(libevdev, type, code, NULL) != 0) {
			return false;
		}
	}
	return true;
}

static bool enable_abs(struct libevdev *libevdev, unsigned code, int maximum) {
	const struct input_absinfo info = { .maximum = maximum };
	return libevdev_enable_event_code(libevdev, EV_ABS, code, &info) == 0;
}

/*
 * Without the buttons of gamepads that lie between the keys (BTN_DPAD_UP to BTN_DPAD_RIGHT): udev
 * takes what has them for a joystick. With EV_REP the kernel repeats a key that is held, which the
 * text console of a guest needs; the rates are the kernel's own, whatever is said here.
 */
static bool describe_keyboard(struct libevdev *libevdev) {
	static const int repeat;
	return enable_codes(libevdev, EV_KEY, KEY_ESC, BTN_MISC - 1) &&
			enable_codes(libevdev, EV_KEY, KEY_OK, BTN_DPAD_UP - 1) &&
			enable_codes(libevdev, EV_KEY, BTN_DPAD_RIGHT + 1, BTN_TRIGGER_HAPPY - 1) &&
			libevdev_enable_event_code(libevdev, EV_REP, REP_DELAY, &repeat) == 0 &&
			libevdev_enable_event_code(libevdev, EV_REP, REP_PERIOD, &repeat) == 0;
}

static bool describe_buttons_and_wheels(struct libevdev *libevdev) {
	return enable_codes(libevdev, EV_KEY, BTN_LEFT, BTN_TASK) &&
			enable_codes(libevdev, EV_REL, REL_HWHEEL, REL_HWHEEL) &&
			enable_codes(libevdev, EV_REL, REL_WHEEL, REL_WHEEL) &&
			enable_codes(libevdev, EV_REL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES);
}

static bool describe_pointer(struct libevdev *libevdev) {
	return describe_buttons_and_wheels(libevdev) &&
			enable_codes(libevdev, EV_REL, REL_X, REL_Y) &&
			libevdev_enable_property(libevdev, INPUT_PROP_POINTER) == 0;
}

/* No property: with buttons and no pen it is a mouse that is moved to places, as QEMU's own is. */
static bool describe_tablet(struct libevdev *libevdev) {
	return describe_buttons_and_wheels(libevdev) && enable_abs(libevdev, ABS_X, ABS_PLACE_MAX) &&
			enable_abs(libevdev, ABS_Y, ABS_PLACE_MAX);
}

static bool describe_touch(struct libevdev *libevdev) {
	return enable_codes(libevdev, EV_KEY, BTN_TOUCH, BTN_TOUCH) &&
			enable_abs(libevdev, ABS_X, ABS_PLACE_MAX) &&
			enable_abs(libevdev, ABS_Y, ABS_PLACE_MAX) &&
			enable_abs(libevdev, ABS_MT_SLOT, ORIEL_INPUT_SINK_TOUCHES - 1) &&
			enable_abs(libevdev, ABS_MT_TRACKING_ID, UINT16_MAX) &&
			enable_abs(libevdev, ABS_MT_POSITION_X, ABS_PLACE_MAX) &&
			enable_abs(libevdev, ABS_MT_POSITION_Y, ABS_PLACE_MAX) &&
			libevdev_enable_property(libevdev, INPUT_PROP_DIRECT) == 0;
}

static bool (*const kind_describe[])(struct libevdev *libevdev) = {
	[UINPUT_KIND_KEYBOARD] = describe_keyboard,
	[UINPUT_KIND_POINTER] = describe_pointer,
	[UINPUT_KIND_TABLET] = describe_tablet,
	[UINPUT_KIND_TOUCH] = describe_touch,
};

/* Returns NULL if memory ran out. */
static struct libevdev *describe(const char *guest_name, enum uinput_kind kind) {
	char name[UINPUT_MAX_NAME_SIZE];
	snprintf(name, sizeof(name), "Oriel %s %s", guest_name, kind_names[kind]);
	struct libevdev *libevdev = libevdev_new();
	if (libevdev == NULL || !kind_describe[kind](libevdev)) {
		libevdev_free(libevdev);
		return NULL;
	}
	libevdev_set_name(libevdev, name);
	libevdev_set_id_bustype(libevdev, BUS_VIRTUAL);
	libevdev_set_id_product(libevdev, (int)kind + 1);
	return libevdev;
}

/* Links */

/* For free(): the folder of the links, which is made if it is not there. NULL with errno set. */
static char *make_links_folder(void) {
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime == NULL || runtime[0] != '/') {
		errno = ENOENT;
		return NULL;
	}
	char *folder;
	if (asprintf(&folder, "%s/oriel", runtime) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		free(folder);
		return NULL;
	}
	return folder;
}

/* Replaces what is there. For free(), or NULL with errno set. */
static char *make_link(const char *folder, const char *guest_name, enum uinput_kind kind,
		const char *node) {
	char *link_path, *new_path;
	if (asprintf(&link_path, "%s/%s-%s", folder, guest_name, kind_names[kind]) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (asprintf(&new_path, "%s.new", link_path) < 0) {
		free(link_path);
		errno = ENOMEM;
		return NULL;
	}
	unlink(new_path); /* left behind by one that was killed */
	bool ok = symlink(node, new_path) == 0 && rename(new_path, link_path) == 0;
	free(new_path);
	if (!ok) {
		free(link_path);
		return NULL;
	}
	return link_path;
}

static void uinput_make_links(struct oriel_uinput *uinput) {
	char *folder = make_links_folder();
	bool ok = folder != NULL;
	for (int kind = 0; ok && kind < UINPUT_KIND_COUNT; kind++) {
		struct uinput_device *device = &uinput->devices[kind];
		device->link = make_link(folder, uinput->guest_name, (enum uinput_kind)kind,
				libevdev_uinput_get_devnode(device->handle));
		ok = device->link != NULL;
	}
	if (!ok) {
		wlr_log_errno(WLR_ERROR, "guest %s: cannot link to its input devices in %s",
				uinput->guest_name, folder != NULL ? folder : "XDG_RUNTIME_DIR");
	}
	free(folder);
}

/* Only a link that is still ours: another oriel may have a guest of the same name by now. */
static void device_remove_link(struct uinput_device *device) {
	if (device->link == NULL) {
		return;
	}
	char target[PATH_MAX];
	ssize_t length = readlink(device->link, target, sizeof(target) - 1);
	if (length >= 0) {
		target[length] = '\0';
		if (strcmp(target, libevdev_uinput_get_devnode(device->handle)) == 0) {
			unlink(device->link);
		}
	}
	/* The folder goes with the last of what is in it. */
	*strrchr(device->link, '/') = '\0';
	rmdir(device->link);
	free(device->link);
	device->link = NULL;
}

/* Birth and death */

/* Returns 0 or -errno. */
static int device_init(struct uinput_device *device, const char *guest_name, enum uinput_kind kind) {
	char *phys;
	if (asprintf(&phys, "oriel/%s/%s", guest_name, kind_names[kind]) < 0) {
		return -ENOMEM;
	}
	struct libevdev *libevdev = describe(guest_name, kind);
	int ret = libevdev != NULL ? 0 : -ENOMEM;
	if (ret == 0) {
		device->fd = open("/dev/uinput", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		/* libevdev leaves the phys out. */
		if (device->fd < 0 || ioctl(device->fd, UI_SET_PHYS, phys) < 0) {
			ret = -errno;
		}
	}
	if (ret == 0) {
		ret = libevdev_uinput_create_from_device(libevdev, device->fd, &device->handle);
	}
	if (ret == 0 && libevdev_uinput_get_devnode(device->handle) == NULL) {
		ret = -ENODEV; /* a kernel without evdev */
	}
	libevdev_free(libevdev);
	free(phys);
	return ret;
}

static void uinput_handle_destroy(struct oriel_input_sink *sink) {
	struct oriel_uinput *uinput = uinput_from_sink(sink);
	for (int kind = 0; kind < UINPUT_KIND_COUNT; kind++) {
		device_remove_link(&uinput->devices[kind]);
		libevdev_uinput_destroy(uinput->devices[kind].handle);
		sb_fd_clear(&uinput->devices[kind].fd);
	}
	free(uinput->guest_name);
	free(uinput);
}

static bool uinput_handle_has_node(const struct oriel_input_sink *sink, const char *sysname) {
	const struct oriel_uinput *uinput = uinput_from_sink(sink);
	for (int kind = 0; kind < UINPUT_KIND_COUNT; kind++) {
		const char *node = libevdev_uinput_get_devnode(uinput->devices[kind].handle);
		if (strcmp(strrchr(node, '/') + 1, sysname) == 0) {
			return true;
		}
	}
	return false;
}

static const struct oriel_input_sink_ops uinput_ops = {
	.key = uinput_handle_key,
	.button = uinput_handle_button,
	.motion_relative = uinput_handle_motion_relative,
	.motion_absolute = uinput_handle_motion_absolute,
	.axis = uinput_handle_axis,
	.touch_down = uinput_handle_touch_down,
	.touch_motion = uinput_handle_touch_motion,
	.touch_up = uinput_handle_touch_up,
	.frame = uinput_handle_frame,
	.has_node = uinput_handle_has_node,
	.destroy = uinput_handle_destroy,
};

struct oriel_input_sink *oriel_uinput_create(struct wl_event_loop *loop, const char *guest_name,
		const struct oriel_input_sink_options *options) {
	assert(strchr(guest_name, '/') == NULL);
	struct oriel_uinput *uinput = calloc(1, sizeof(*uinput));
	char *name_copy = strdup(guest_name);
	if (uinput == NULL || name_copy == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no input devices: out of memory", guest_name);
		free(uinput);
		free(name_copy);
		return NULL;
	}
	oriel_input_sink_init(&uinput->base, &uinput_ops);
	uinput->guest_name = name_copy;
	for (int kind = 0; kind < UINPUT_KIND_COUNT; kind++) {
		uinput->devices[kind].fd = -1;
	}
	for (int kind = 0; kind < UINPUT_KIND_COUNT; kind++) {
		int ret = device_init(&uinput->devices[kind], guest_name, (enum uinput_kind)kind);
		if (ret < 0) {
			wlr_log(WLR_ERROR,
					"guest %s: no input devices: cannot make its %s by "
					"/dev/uinput: %s",
					guest_name, kind_names[kind], strerror(-ret));
			uinput_handle_destroy(&uinput->base);
			return NULL;
		}
	}
	uinput_make_links(uinput);
	return &uinput->base;
}
