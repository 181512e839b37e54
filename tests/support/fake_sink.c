#include "fake_sink.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-util.h>

/* After the headers that it needs. */
#include <cmocka.h>

static struct fake_sink *sink_from_base(const struct oriel_input_sink *base) {
	struct fake_sink *sink = wl_container_of(base, sink, base);
	return sink;
}

static void sink_note(struct oriel_input_sink *base, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
static void sink_note(struct oriel_input_sink *base, const char *format, ...) {
	struct fake_sink *sink = sink_from_base(base);
	const char *separator = sink->length == 0	      ? ""
			: sink->text[sink->length - 1] == '|' ? " "
							      : ", ";
	sink->length += (size_t)snprintf(sink->text + sink->length,
			sizeof(sink->text) - sink->length, "%s", separator);
	va_list args;
	va_start(args, format);
	sink->length += (size_t)vsnprintf(
			sink->text + sink->length, sizeof(sink->text) - sink->length, format, args);
	va_end(args);
	assert_true(sink->length < sizeof(sink->text) - 1);
}

static long in_thousandths(double place) {
	return lround(place * 1000);
}

static void sink_handle_key(struct oriel_input_sink *base, uint32_t code, bool is_pressed) {
	sink_note(base, "key %u %d", code, is_pressed);
}

static void sink_handle_button(struct oriel_input_sink *base, uint32_t code, bool is_pressed) {
	sink_note(base, "button %u %d", code, is_pressed);
}

static void sink_handle_motion_relative(struct oriel_input_sink *base, int dx, int dy) {
	sink_note(base, "move %d %d", dx, dy);
}

static void sink_handle_motion_absolute(struct oriel_input_sink *base, double x, double y) {
	sink_note(base, "place %ld %ld", in_thousandths(x), in_thousandths(y));
}

static void sink_handle_axis(
		struct oriel_input_sink *base, enum oriel_input_sink_axis axis, int value120) {
	sink_note(base, "axis %c %d", axis == ORIEL_INPUT_SINK_AXIS_VERTICAL ? 'v' : 'h', value120);
}

static void sink_handle_touch_down(struct oriel_input_sink *base, unsigned touch, double x, double y) {
	sink_note(base, "down %u %ld %ld", touch, in_thousandths(x), in_thousandths(y));
}

static void sink_handle_touch_motion(
		struct oriel_input_sink *base, unsigned touch, double x, double y) {
	sink_note(base, "touch %u %ld %ld", touch, in_thousandths(x), in_thousandths(y));
}

static void sink_handle_touch_up(struct oriel_input_sink *base, unsigned touch) {
	sink_note(base, "up %u", touch);
}

static void sink_handle_frame(struct oriel_input_sink *base) {
	struct fake_sink *sink = sink_from_base(base);
	if (sink->length > 0 && sink->text[sink->length - 1] != '|') {
		assert_true(sink->length < sizeof(sink->text) - 2);
		strcpy(sink->text + sink->length, "|");
		sink->length++;
	}
}

static bool sink_handle_has_node(const struct oriel_input_sink *base, const char *sysname) {
	const struct fake_sink *sink = sink_from_base(base);
	return sink->node != NULL && strcmp(sink->node, sysname) == 0;
}

static void sink_handle_destroy(struct oriel_input_sink *base) {
	struct fake_sink *sink = sink_from_base(base);
	if (sink->destroyed != NULL) {
		(*sink->destroyed)++;
	}
	free(sink);
}

static const struct oriel_input_sink_ops sink_ops = {
	.key = sink_handle_key,
	.button = sink_handle_button,
	.motion_relative = sink_handle_motion_relative,
	.motion_absolute = sink_handle_motion_absolute,
	.axis = sink_handle_axis,
	.touch_down = sink_handle_touch_down,
	.touch_motion = sink_handle_touch_motion,
	.touch_up = sink_handle_touch_up,
	.frame = sink_handle_frame,
	.has_node = sink_handle_has_node,
	.destroy = sink_handle_destroy,
};

struct fake_sink *fake_sink_create(void) {
	struct fake_sink *sink = calloc(1, sizeof(*sink));
	assert_non_null(sink);
	oriel_input_sink_init(&sink->base, &sink_ops);
	return sink;
}

const char *fake_sink_take(struct fake_sink *sink) {
	memcpy(sink->taken, sink->text, sizeof(sink->taken));
	sink->text[0] = '\0';
	sink->length = 0;
	return sink->taken;
}
