#include "guest/drivers/qemu_cursor.h"

#include <drm_fourcc.h>
#include <stdio.h>
#include <string.h>

#include "guest/source_impl.h"

static uint32_t multiply(uint32_t colour, uint32_t alpha) {
	return (colour * alpha + 127) / 255;
}

static bool pixels_are_multiplied(const uint32_t *pixels, size_t count) {
	for (size_t i = 0; i < count; i++) {
		uint32_t alpha = pixels[i] >> 24;
		if ((pixels[i] >> 16 & 0xff) > alpha || (pixels[i] >> 8 & 0xff) > alpha ||
				(pixels[i] & 0xff) > alpha) {
			return false;
		}
	}
	return true;
}

void oriel_qemu_cursor_convert(uint32_t *to, const uint32_t *from, size_t count) {
	if (pixels_are_multiplied(from, count)) {
		memcpy(to, from, count * sizeof(*to));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t alpha = from[i] >> 24;
		to[i] = alpha << 24 | multiply(from[i] >> 16 & 0xff, alpha) << 16 |
				multiply(from[i] >> 8 & 0xff, alpha) << 8 |
				multiply(from[i] & 0xff, alpha);
	}
}

void oriel_qemu_cursor_init(struct oriel_qemu_cursor *cursor, struct oriel_source *source) {
	*cursor = (struct oriel_qemu_cursor){ .source = source };
}

static void cursor_hide(struct oriel_qemu_cursor *cursor) {
	if (cursor->is_shown) {
		cursor->is_shown = false;
		oriel_source_set_cursor(cursor->source, NULL);
	}
}

void oriel_qemu_cursor_clear(struct oriel_qemu_cursor *cursor) {
	cursor_hide(cursor);
	oriel_guest_pixels_clear(&cursor->pixels);
	cursor->is_on = false;
}

static void cursor_submit(struct oriel_qemu_cursor *cursor) {
	const struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = cursor->pixels.buffer,
		.cursor = cursor->place,
	};
	cursor->is_submitted = oriel_source_submit(cursor->source, &picture);
	cursor->is_shown = cursor->is_shown || cursor->is_submitted;
}

static void cursor_show(struct oriel_qemu_cursor *cursor) {
	if (!cursor->is_on || cursor->pixels.buffer == NULL) {
		cursor_hide(cursor);
	} else if (!cursor->is_submitted ||
			!oriel_source_is_held(cursor->source, ORIEL_GUEST_PLANE_CURSOR)) {
		cursor_submit(cursor);
	} else {
		cursor->is_shown = true;
		oriel_source_set_cursor(cursor->source, &cursor->place);
	}
}

static void cursor_set_hotspot(
		struct oriel_qemu_cursor *cursor, const struct oriel_qemu_cursor_shape *shape) {
	/* A spot beside the picture points at nothing. */
	cursor->place.has_hotspot = shape->hot_x >= 0 && shape->hot_x < shape->width &&
			shape->hot_y >= 0 && shape->hot_y < shape->height;
	cursor->place.hot_x = cursor->place.has_hotspot ? shape->hot_x : 0;
	cursor->place.hot_y = cursor->place.has_hotspot ? shape->hot_y : 0;
}

bool oriel_qemu_cursor_define(struct oriel_qemu_cursor *cursor,
		const struct oriel_qemu_cursor_shape *shape,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	const struct oriel_guest_buffer_attributes attributes = {
		.width = shape->width,
		.height = shape->height,
		.format = DRM_FORMAT_ARGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.stride_bytes = shape->width > 0 ? (uint64_t)shape->width * 4 : 0,
	};
	/* A new one: what is shown may be read again at any time, and must not change until then. */
	oriel_guest_pixels_clear(&cursor->pixels);
	bool is_valid = oriel_validate_cursor(&attributes, shape->size_bytes, message);
	if (is_valid && oriel_guest_pixels_set(&cursor->pixels, &attributes) != 0) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE, "no memory for a cursor");
		is_valid = false;
	}
	if (is_valid) {
		/* D-Bus aligns what is in an array of bytes to four by chance only. */
		size_t count = (size_t)shape->width * (size_t)shape->height;
		memcpy(cursor->pixels.data, shape->data, count * sizeof(uint32_t));
		uint32_t *pixels = (uint32_t *)cursor->pixels.data;
		oriel_qemu_cursor_convert(pixels, pixels, count);
		cursor_set_hotspot(cursor, shape);
	}
	cursor->is_submitted = false;
	cursor_show(cursor);
	return is_valid;
}

void oriel_qemu_cursor_set(struct oriel_qemu_cursor *cursor, int x, int y, bool is_on) {
	if (cursor->is_on == is_on && cursor->place.x == x && cursor->place.y == y) {
		return;
	}
	cursor->is_on = is_on;
	cursor->place.x = x;
	cursor->place.y = y;
	cursor_show(cursor);
}

void oriel_qemu_cursor_refresh(struct oriel_qemu_cursor *cursor) {
	if (cursor->is_shown && !oriel_source_is_held(cursor->source, ORIEL_GUEST_PLANE_CURSOR)) {
		cursor_submit(cursor);
	}
}
