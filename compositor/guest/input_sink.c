#include "guest/input_sink.h"

#include <assert.h>
#include <linux/input-event-codes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <wlr/util/log.h>

#include "fd.h"

#if ORIEL_HAVE_QEMU
#include "guest/qemu/input.h"
#endif
#if ORIEL_HAVE_UINPUT
#include "guest/uinput.h"
#endif

_Static_assert(ORIEL_INPUT_SINK_CODES == KEY_CNT, "the codes are the kernel's");

/* wl_pointer.axis of one notch, by convention: the degrees that a wheel is turned. */
#define AXIS_DELTA_NOTCH 15.0

/* More than any device does at once, and an int has room for it. */
#define DISTANCE_MAX 32767.0

static const struct {
	const char *name;
	struct oriel_input_sink *(*create)(struct wl_event_loop *loop, const char *guest_name,
			const struct oriel_input_sink_options *options);
} drivers[] = {
#if ORIEL_HAVE_QEMU
	{ "qemu", oriel_qemu_input_create },
#endif
#if ORIEL_HAVE_UINPUT
	{ "uinput", oriel_uinput_create },
#endif
	{ NULL, NULL },
};

bool oriel_input_sink_driver_exists(const char *driver) {
	for (size_t i = 0; drivers[i].name != NULL; i++) {
		if (strcmp(drivers[i].name, driver) == 0) {
			return true;
		}
	}
	return false;
}

struct oriel_input_sink *oriel_input_sink_create(struct wl_event_loop *loop, const char *driver,
		const char *guest_name, const struct oriel_input_sink_options *options) {
	static const struct oriel_input_sink_options none;
	for (size_t i = 0; drivers[i].name != NULL; i++) {
		if (strcmp(drivers[i].name, driver) == 0) {
			return drivers[i].create(loop, guest_name, options != NULL ? options : &none);
		}
	}
	wlr_log(WLR_ERROR, "guest %s: no input '%s' in this build", guest_name, driver);
	return NULL;
}

void oriel_input_sink_init(struct oriel_input_sink *sink, const struct oriel_input_sink_ops *ops) {
	*sink = (struct oriel_input_sink){ .ops = ops };
	wl_signal_init(&sink->events.pointer);
	wl_signal_init(&sink->events.leds);
}

void oriel_input_sink_destroy(struct oriel_input_sink *sink) {
	if (sink != NULL) {
		assert(wl_list_empty(&sink->events.pointer.listener_list));
		assert(wl_list_empty(&sink->events.leds.listener_list));
		oriel_input_sink_release_all(sink);
		sink->ops->destroy(sink);
	}
}

/* Keys and buttons */

/* The kernel has the buttons in two ranges between the keys. */
static bool code_is_key(uint32_t code) {
	return (code > KEY_RESERVED && code < BTN_MISC) ||
			(code >= KEY_OK && code < BTN_TRIGGER_HAPPY);
}

static bool code_is_button(uint32_t code) {
	return code >= BTN_LEFT && code <= BTN_TASK;
}

static void sink_set_down(struct oriel_input_sink *sink, uint32_t code, bool is_down) {
	uint8_t bit = (uint8_t)(1u << code % 8);
	if (is_down) {
		sink->codes[code / 8] |= bit;
	} else {
		sink->codes[code / 8] &= (uint8_t)~bit;
	}
}

bool oriel_input_sink_is_down(const struct oriel_input_sink *sink, uint32_t code) {
	return code < ORIEL_INPUT_SINK_CODES && (sink->codes[code / 8] & 1u << code % 8) != 0;
}

bool oriel_input_sink_has_buttons_down(const struct oriel_input_sink *sink) {
	for (uint32_t code = BTN_LEFT; code <= BTN_TASK; code++) {
		if (oriel_input_sink_is_down(sink, code)) {
			return true;
		}
	}
	return false;
}

void oriel_input_sink_key(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	if (code_is_key(code) && oriel_input_sink_is_down(sink, code) != is_pressed) {
		sink_set_down(sink, code, is_pressed);
		sink->ops->key(sink, code, is_pressed);
	}
}

void oriel_input_sink_button(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	if (code_is_button(code) && oriel_input_sink_is_down(sink, code) != is_pressed) {
		sink_set_down(sink, code, is_pressed);
		sink->ops->button(sink, code, is_pressed);
	}
}

/* Pointer */

void oriel_input_sink_forget_place(struct oriel_input_sink *sink) {
	sink->has_place = false;
}

void oriel_input_sink_set_pointer(
		struct oriel_input_sink *sink, enum oriel_input_sink_pointer pointer) {
	if (sink->pointer == pointer) {
		return;
	}
	oriel_input_sink_release_all(sink);
	sink->pointer = pointer;
	sink->has_place = false;
	if (pointer == ORIEL_INPUT_SINK_POINTER_PLACES) {
		oriel_input_sink_set_relative(sink, false);
	}
	wl_signal_emit_mutable(&sink->events.pointer, NULL);
}

void oriel_input_sink_set_relative(struct oriel_input_sink *sink, bool is_relative) {
	assert(!is_relative || sink->pointer != ORIEL_INPUT_SINK_POINTER_PLACES);
	if (sink->is_relative != is_relative) {
		oriel_input_sink_release_all(sink);
		sink->is_relative = is_relative;
		sink->rest_x = sink->rest_y = 0;
		sink->has_place = false;
	}
}

/* The whole part of value with the rest of before; not a number counts as nothing. */
static int take_whole(double value, double *rest) {
	double sum = isfinite(value) ? value + *rest : *rest;
	sum = fmin(fmax(sum, -DISTANCE_MAX), DISTANCE_MAX);
	double whole = trunc(sum);
	*rest = sum - whole;
	return (int)whole;
}

void oriel_input_sink_motion_relative(struct oriel_input_sink *sink, double dx, double dy) {
	assert(sink->is_relative);
	int whole_dx = take_whole(dx, &sink->rest_x);
	int whole_dy = take_whole(dy, &sink->rest_y);
	if (whole_dx != 0 || whole_dy != 0) {
		sink->ops->motion_relative(sink, whole_dx, whole_dy);
	}
}

/* fmax() takes the other one for what is not a number. */
static double clamp_place(double place) {
	return fmin(fmax(place, 0), 1);
}

void oriel_input_sink_motion_absolute(struct oriel_input_sink *sink, double x, double y) {
	assert(!sink->is_relative);
	if (sink->pointer == ORIEL_INPUT_SINK_POINTER_DISTANCES) {
		return;
	}
	x = clamp_place(x);
	y = clamp_place(y);
	if (sink->has_place && sink->x == x && sink->y == y) {
		return;
	}
	sink->has_place = true;
	sink->x = x;
	sink->y = y;
	sink->ops->motion_absolute(sink, x, y);
}

void oriel_input_sink_axis(struct oriel_input_sink *sink, enum oriel_input_sink_axis axis,
		double delta, int value120) {
	double units = value120 != 0 ? value120 : delta * (ORIEL_INPUT_SINK_NOTCH / AXIS_DELTA_NOTCH);
	int whole = take_whole(units, &sink->rest_axis[axis]);
	if (whole != 0) {
		sink->ops->axis(sink, axis, whole);
	}
}

/* Touch */

static bool sink_is_touched(const struct oriel_input_sink *sink, unsigned touch) {
	return touch < ORIEL_INPUT_SINK_TOUCHES && (sink->touches & 1u << touch) != 0;
}

void oriel_input_sink_touch_down(struct oriel_input_sink *sink, unsigned touch, double x, double y) {
	if (touch < ORIEL_INPUT_SINK_TOUCHES && !sink_is_touched(sink, touch)) {
		sink->touches |= 1u << touch;
		sink->ops->touch_down(sink, touch, clamp_place(x), clamp_place(y));
	}
}

void oriel_input_sink_touch_motion(struct oriel_input_sink *sink, unsigned touch, double x, double y) {
	if (sink_is_touched(sink, touch)) {
		sink->ops->touch_motion(sink, touch, clamp_place(x), clamp_place(y));
	}
}

void oriel_input_sink_touch_up(struct oriel_input_sink *sink, unsigned touch) {
	if (sink_is_touched(sink, touch)) {
		sink->touches &= ~(1u << touch);
		sink->ops->touch_up(sink, touch);
	}
}

/* LEDs */

void oriel_input_sink_set_leds(struct oriel_input_sink *sink, bool has_leds, uint32_t leds) {
	leds = has_leds ? leds : 0;
	if (sink->has_leds != has_leds || sink->leds != leds) {
		sink->has_leds = has_leds;
		sink->leds = leds;
		wl_signal_emit_mutable(&sink->events.leds, NULL);
	}
}

/* All of it */

void oriel_input_sink_frame(struct oriel_input_sink *sink) {
	sink->ops->frame(sink);
}

void oriel_input_sink_release_all(struct oriel_input_sink *sink) {
	for (uint32_t code = 0; code < ORIEL_INPUT_SINK_CODES; code++) {
		if (code_is_button(code)) {
			oriel_input_sink_button(sink, code, false);
		} else {
			oriel_input_sink_key(sink, code, false);
		}
	}
	for (unsigned touch = 0; touch < ORIEL_INPUT_SINK_TOUCHES; touch++) {
		oriel_input_sink_touch_up(sink, touch);
	}
	oriel_input_sink_frame(sink);
}

bool oriel_input_sink_adopt(struct oriel_input_sink *sink, int take_fd) {
	if (sink->ops->adopt == NULL) {
		sb_fd_clear(&take_fd);
		return false;
	}
	return sink->ops->adopt(sink, take_fd);
}

bool oriel_input_sink_has_node(const struct oriel_input_sink *sink, const char *sysname) {
	return sink->ops->has_node != NULL && sink->ops->has_node(sink, sysname);
}
