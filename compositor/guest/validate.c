#include "guest/validate.h"

#include <drm_fourcc.h>
#include <inttypes.h>
#include <pixman.h>
#include <stdio.h>

struct validate_format {
	uint32_t format;
	uint32_t opaque;
	uint32_t pixel_bytes;
};

/*
 * What wlroots' pixman renderer reads, so that a guest is shown by every renderer or by none.
 * DRM_FORMAT_ABGR16161616 is missing: pixman has no opaque sibling of it.
 */
static const struct validate_format formats[] = {
	{ DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888, 4 },
	{ DRM_FORMAT_XRGB8888, DRM_FORMAT_XRGB8888, 4 },
	{ DRM_FORMAT_ABGR8888, DRM_FORMAT_XBGR8888, 4 },
	{ DRM_FORMAT_XBGR8888, DRM_FORMAT_XBGR8888, 4 },
	{ DRM_FORMAT_RGBA8888, DRM_FORMAT_RGBX8888, 4 },
	{ DRM_FORMAT_RGBX8888, DRM_FORMAT_RGBX8888, 4 },
	{ DRM_FORMAT_BGRA8888, DRM_FORMAT_BGRX8888, 4 },
	{ DRM_FORMAT_BGRX8888, DRM_FORMAT_BGRX8888, 4 },
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	/* DRM formats are little-endian everywhere. Where a channel crosses a byte, pixman, which
	 * works in the CPU's order, has them on little-endian machines only. */
	{ DRM_FORMAT_RGB565, DRM_FORMAT_RGB565, 2 },
	{ DRM_FORMAT_BGR565, DRM_FORMAT_BGR565, 2 },
	{ DRM_FORMAT_ARGB2101010, DRM_FORMAT_XRGB2101010, 4 },
	{ DRM_FORMAT_XRGB2101010, DRM_FORMAT_XRGB2101010, 4 },
	{ DRM_FORMAT_ABGR2101010, DRM_FORMAT_XBGR2101010, 4 },
	{ DRM_FORMAT_XBGR2101010, DRM_FORMAT_XBGR2101010, 4 },
#endif
};

static const struct validate_format *format_find(uint32_t format) {
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (formats[i].format == format) {
			return &formats[i];
		}
	}
	return NULL;
}

uint32_t oriel_validate_get_opaque_format(uint32_t format) {
	const struct validate_format *found = format_find(format);
	return found != NULL ? found->opaque : format;
}

size_t oriel_validate_get_pixel_bytes(uint32_t format) {
	const struct validate_format *found = format_find(format);
	return found != NULL ? found->pixel_bytes : 0;
}

/*
 * pixman's formats are of words in the CPU's order, where DRM's are of bytes: what is one format on
 * one machine is another on another.
 */
uint32_t oriel_validate_get_format_from_pixman(uint32_t pixman_format) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BY_ORDER(little, big) DRM_FORMAT_##little
#else
#define BY_ORDER(little, big) DRM_FORMAT_##big
#endif
	switch (pixman_format) {
	case PIXMAN_a8r8g8b8:
	case PIXMAN_x8r8g8b8:
		return BY_ORDER(XRGB8888, BGRX8888);
	case PIXMAN_a8b8g8r8:
	case PIXMAN_x8b8g8r8:
		return BY_ORDER(XBGR8888, RGBX8888);
	case PIXMAN_r8g8b8a8:
	case PIXMAN_r8g8b8x8:
		return BY_ORDER(RGBX8888, XBGR8888);
	case PIXMAN_b8g8r8a8:
	case PIXMAN_b8g8r8x8:
		return BY_ORDER(BGRX8888, XRGB8888);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	case PIXMAN_r5g6b5:
		return DRM_FORMAT_RGB565;
	case PIXMAN_b5g6r5:
		return DRM_FORMAT_BGR565;
	case PIXMAN_a2r10g10b10:
	case PIXMAN_x2r10g10b10:
		return DRM_FORMAT_XRGB2101010;
	case PIXMAN_a2b10g10r10:
	case PIXMAN_x2b10g10r10:
		return DRM_FORMAT_XBGR2101010;
#endif
	default:
		return 0;
	}
#undef BY_ORDER
}

/* The four characters of a fourcc, with those that a terminal might act on left out. */
static void format_get_name(uint32_t format, char name[static 5]) {
	for (size_t i = 0; i < 4; i++) {
		unsigned char c = (format >> (8 * i)) & 0xff;
		name[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	name[4] = '\0';
}

bool oriel_validate_buffer(const struct oriel_guest_buffer_attributes *attributes,
		uint64_t size_bytes, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	const size_t message_size = ORIEL_VALIDATE_MESSAGE_SIZE;
	const int width = attributes->width, height = attributes->height;
	const uint64_t stride_bytes = attributes->stride_bytes;
	const uint64_t offset_bytes = attributes->offset_bytes;

	if (width < 1 || height < 1) {
		snprintf(message, message_size, "a picture of %dx%d pixels is none", width, height);
		return false;
	}
	if (width > ORIEL_VALIDATE_SIZE_MAX || height > ORIEL_VALIDATE_SIZE_MAX) {
		snprintf(message, message_size,
				"a picture of %dx%d pixels is larger than %dx%d, the most that is shown",
				width, height, ORIEL_VALIDATE_SIZE_MAX, ORIEL_VALIDATE_SIZE_MAX);
		return false;
	}

	char name[5];
	format_get_name(attributes->format, name);
	const struct validate_format *format = format_find(attributes->format);
	if (format == NULL) {
		snprintf(message, message_size,
				"a picture of format 0x%08" PRIx32 " ('%s') cannot be shown",
				attributes->format, name);
		return false;
	}

	const uint64_t row_bytes = (uint64_t)width * format->pixel_bytes;
	if (stride_bytes < row_bytes) {
		snprintf(message, message_size,
				"a stride of %" PRIu64
				" bytes is too short for %d pixels of format %s, "
				"which take %" PRIu64,
				stride_bytes, width, name, row_bytes);
		return false;
	}
	if (stride_bytes > ORIEL_VALIDATE_STRIDE_MAX) {
		snprintf(message, message_size,
				"a stride of %" PRIu64
				" bytes is longer than %d, the most that is taken",
				stride_bytes, ORIEL_VALIDATE_STRIDE_MAX);
		return false;
	}
	if (stride_bytes % ORIEL_VALIDATE_ALIGNMENT != 0) {
		snprintf(message, message_size, "a stride of %" PRIu64 " bytes is no multiple of %d",
				stride_bytes, ORIEL_VALIDATE_ALIGNMENT);
		return false;
	}
	if (offset_bytes > ORIEL_VALIDATE_OFFSET_MAX) {
		snprintf(message, message_size,
				"a picture %" PRIu64 " bytes into its buffer is beyond %" PRIu32
				", the most that is taken",
				offset_bytes, (uint32_t)ORIEL_VALIDATE_OFFSET_MAX);
		return false;
	}
	if (offset_bytes % ORIEL_VALIDATE_ALIGNMENT != 0) {
		snprintf(message, message_size,
				"a picture %" PRIu64 " bytes into its buffer is at no multiple of %d",
				offset_bytes, ORIEL_VALIDATE_ALIGNMENT);
		return false;
	}

	/* No overflow: the limits above keep the sum below 2^33. */
	const uint64_t end_bytes = offset_bytes + stride_bytes * (uint64_t)(height - 1) + row_bytes;
	if (end_bytes > size_bytes) {
		snprintf(message, message_size,
				"a picture of %dx%d pixels with a stride of %" PRIu64
				" bytes ends at byte %" PRIu64 ", its buffer at %" PRIu64,
				width, height, stride_bytes, end_bytes, size_bytes);
		return false;
	}
	return true;
}

bool oriel_validate_extra_plane(uint64_t stride_bytes, uint64_t offset_bytes, uint64_t size_bytes,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	if (stride_bytes < 1 || stride_bytes > ORIEL_VALIDATE_STRIDE_MAX ||
			offset_bytes > ORIEL_VALIDATE_OFFSET_MAX || offset_bytes >= size_bytes) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"another plane with a stride of %" PRIu64
				" bytes begins at byte %" PRIu64 ", its buffer ends at %" PRIu64,
				stride_bytes, offset_bytes, size_bytes);
		return false;
	}
	return true;
}

bool oriel_validate_cursor(const struct oriel_guest_buffer_attributes *attributes,
		uint64_t size_bytes, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	const int width = attributes->width, height = attributes->height;
	if (width > ORIEL_VALIDATE_CURSOR_SIZE_MAX || height > ORIEL_VALIDATE_CURSOR_SIZE_MAX) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"a cursor of %dx%d pixels is larger than %dx%d, the most that is shown",
				width, height, ORIEL_VALIDATE_CURSOR_SIZE_MAX,
				ORIEL_VALIDATE_CURSOR_SIZE_MAX);
		return false;
	}
	return oriel_validate_buffer(attributes, size_bytes, message);
}
