#include "guest/validate.h"

#include <drm_fourcc.h>
#include <limits.h>
#include <pixman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* 64 x 16 pixels with 16 bytes of padding in each row, one page into the memory. */
#define STRIDE_BYTES (64 * 4 + 16)
#define END_BYTES (4096 + 15 * STRIDE_BYTES + 64 * 4)

static const struct oriel_guest_buffer_attributes good = {
	.width = 64,
	.height = 16,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = STRIDE_BYTES,
	.offset_bytes = 4096,
};

static bool is_valid(const struct oriel_guest_buffer_attributes *attributes, uint64_t size_bytes) {
	char message[ORIEL_VALIDATE_MESSAGE_SIZE] = "";
	bool valid = oriel_validate_buffer(attributes, size_bytes, message);
	/* A refusal says why, in one whole line; nothing else says anything. */
	assert_int_equal(valid, message[0] == '\0');
	assert_true(strlen(message) < ORIEL_VALIDATE_MESSAGE_SIZE - 1);
	return valid;
}

static void memory_that_just_holds_the_last_pixel_passes(void **state) {
	assert_false(is_valid(&good, 0));
	assert_false(is_valid(&good, END_BYTES - 1));
	assert_true(is_valid(&good, END_BYTES));
	assert_true(is_valid(&good, END_BYTES + 1));
	assert_true(is_valid(&good, UINT64_MAX));
}

static void size_passes_from_one_to_its_limit(void **state) {
	static const struct {
		int size;
		bool valid;
	} cases[] = {
		{ INT_MIN, false },
		{ -1, false },
		{ 0, false },
		{ 1, true },
		{ 2, true },
		{ ORIEL_VALIDATE_SIZE_MAX - 1, true },
		{ ORIEL_VALIDATE_SIZE_MAX, true },
		{ ORIEL_VALIDATE_SIZE_MAX + 1, false },
		{ INT_MAX, false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_guest_buffer_attributes attributes = good;
		attributes.stride_bytes = ORIEL_VALIDATE_SIZE_MAX * 4;
		attributes.width = cases[i].size;
		assert_int_equal(is_valid(&attributes, UINT64_MAX), cases[i].valid);

		attributes.width = good.width;
		attributes.height = cases[i].size;
		assert_int_equal(is_valid(&attributes, UINT64_MAX), cases[i].valid);

		attributes.width = cases[i].size;
		assert_int_equal(is_valid(&attributes, UINT64_MAX), cases[i].valid);
	}
}

static void stride_passes_from_a_row_to_its_limit_in_words(void **state) {
	static const struct {
		uint64_t stride_bytes;
		bool valid;
	} cases[] = {
		{ 0, false },
		{ 4, false },
		{ 64 * 4 - 4, false },
		{ 64 * 4 - 1, false },
		{ 64 * 4, true },
		{ 64 * 4 + 1, false },
		{ 64 * 4 + 2, false },
		{ 64 * 4 + 3, false },
		{ 64 * 4 + 4, true },
		{ ORIEL_VALIDATE_STRIDE_MAX - 4, true },
		{ ORIEL_VALIDATE_STRIDE_MAX, true },
		{ ORIEL_VALIDATE_STRIDE_MAX + 4, false },
		{ UINT32_MAX, false },
		{ UINT64_MAX / 16 + 1, false }, /* 16 rows of these are 0 modulo 2^64 */
		{ UINT64_MAX - 3, false },
		{ UINT64_MAX, false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_guest_buffer_attributes attributes = good;
		attributes.stride_bytes = cases[i].stride_bytes;
		assert_int_equal(is_valid(&attributes, UINT64_MAX), cases[i].valid);
	}
}

static void stride_of_two_byte_pixels_is_measured_by_them(void **state) {
	struct oriel_guest_buffer_attributes attributes = good;
	attributes.format = DRM_FORMAT_RGB565;
	attributes.stride_bytes = 64 * 2 - 4;
	assert_false(is_valid(&attributes, UINT64_MAX));
	attributes.stride_bytes = 64 * 2;
	assert_true(is_valid(&attributes, UINT64_MAX));
	attributes.stride_bytes = 64 * 2 + 4;
	assert_true(is_valid(&attributes, UINT64_MAX));

	/* An odd number of such pixels needs padding to the next word. */
	attributes.width = 63;
	attributes.stride_bytes = 63 * 2;
	assert_false(is_valid(&attributes, UINT64_MAX));
	attributes.stride_bytes = 64 * 2;
	assert_true(is_valid(&attributes, 4096 + 15 * 128 + 63 * 2));
	assert_false(is_valid(&attributes, 4096 + 15 * 128 + 63 * 2 - 1));
}

static void offset_passes_up_to_its_limit_in_words(void **state) {
	static const struct {
		uint64_t offset_bytes;
		bool valid;
	} cases[] = {
		{ 0, true },
		{ 1, false },
		{ 2, false },
		{ 3, false },
		{ 4, true },
		{ (uint64_t)ORIEL_VALIDATE_OFFSET_MAX - 4, false },
		{ (uint64_t)ORIEL_VALIDATE_OFFSET_MAX - 3, true },
		{ ORIEL_VALIDATE_OFFSET_MAX, false },
		{ (uint64_t)ORIEL_VALIDATE_OFFSET_MAX + 1, false },
		{ UINT64_MAX - END_BYTES + 1, false },
		{ UINT64_MAX - 3, false },
		{ UINT64_MAX, false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_guest_buffer_attributes attributes = good;
		attributes.offset_bytes = cases[i].offset_bytes;
		assert_int_equal(is_valid(&attributes, UINT64_MAX), cases[i].valid);
	}

	/* An offset at the memory's end, and one beyond it. */
	struct oriel_guest_buffer_attributes attributes = good;
	attributes.offset_bytes = 8192;
	assert_false(is_valid(&attributes, 8192));
	assert_false(is_valid(&attributes, 8188));
}

static void largest_picture_fits_exactly(void **state) {
	const struct oriel_guest_buffer_attributes attributes = {
		.width = ORIEL_VALIDATE_SIZE_MAX,
		.height = ORIEL_VALIDATE_SIZE_MAX,
		.format = DRM_FORMAT_XRGB8888,
		.stride_bytes = ORIEL_VALIDATE_STRIDE_MAX,
		.offset_bytes = ORIEL_VALIDATE_OFFSET_MAX - 3,
	};
	const uint64_t end_bytes = UINT64_C(0xfffffffc) + UINT64_C(131072) * 16383 + 65536;
	assert_false(is_valid(&attributes, end_bytes - 1));
	assert_true(is_valid(&attributes, end_bytes));
	/* What is left of the end if it is taken in 32 bits. */
	assert_false(is_valid(&attributes, end_bytes & UINT32_MAX));
}

static void only_formats_that_all_renderers_read_pass(void **state) {
	static const uint32_t shown[] = {
		DRM_FORMAT_ARGB8888,
		DRM_FORMAT_XRGB8888,
		DRM_FORMAT_ABGR8888,
		DRM_FORMAT_XBGR8888,
		DRM_FORMAT_RGBA8888,
		DRM_FORMAT_RGBX8888,
		DRM_FORMAT_BGRA8888,
		DRM_FORMAT_BGRX8888,
		DRM_FORMAT_RGB565,
		DRM_FORMAT_BGR565,
		DRM_FORMAT_ARGB2101010,
		DRM_FORMAT_XRGB2101010,
		DRM_FORMAT_ABGR2101010,
		DRM_FORMAT_XBGR2101010,
	};
	static const uint32_t refused[] = {
		DRM_FORMAT_INVALID,
		DRM_FORMAT_C8,
		DRM_FORMAT_RGB888,
		DRM_FORMAT_XRGB1555,
		DRM_FORMAT_RGBA1010102,
		DRM_FORMAT_ABGR16161616,
		DRM_FORMAT_ABGR16161616F,
		DRM_FORMAT_NV12,
		DRM_FORMAT_YUYV,
		DRM_FORMAT_XRGB8888 | DRM_FORMAT_BIG_ENDIAN,
		DRM_FORMAT_XRGB8888 + 1,
		UINT32_MAX,
	};
	struct oriel_guest_buffer_attributes attributes = good;
	for (size_t i = 0; i < ARRAY_LENGTH(shown); i++) {
		attributes.format = shown[i];
		assert_true(is_valid(&attributes, END_BYTES));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		attributes.format = refused[i];
		assert_false(is_valid(&attributes, UINT64_MAX));
	}
}

static void every_modifier_passes(void **state) {
	static const uint64_t modifiers[] = {
		DRM_FORMAT_MOD_LINEAR,
		DRM_FORMAT_MOD_INVALID,
		I915_FORMAT_MOD_X_TILED,
		I915_FORMAT_MOD_Yf_TILED,
		UINT64_MAX,
	};
	struct oriel_guest_buffer_attributes attributes = good;
	for (size_t i = 0; i < ARRAY_LENGTH(modifiers); i++) {
		attributes.modifier = modifiers[i];
		assert_true(is_valid(&attributes, END_BYTES));
		assert_false(is_valid(&attributes, END_BYTES - 1));
	}
}

static void opaque_format_drops_alpha_only(void **state) {
	static const struct {
		uint32_t format, opaque;
	} cases[] = {
		{ DRM_FORMAT_ARGB8888, DRM_FORMAT_XRGB8888 },
		{ DRM_FORMAT_XRGB8888, DRM_FORMAT_XRGB8888 },
		{ DRM_FORMAT_ABGR8888, DRM_FORMAT_XBGR8888 },
		{ DRM_FORMAT_RGBA8888, DRM_FORMAT_RGBX8888 },
		{ DRM_FORMAT_BGRA8888, DRM_FORMAT_BGRX8888 },
		{ DRM_FORMAT_ARGB2101010, DRM_FORMAT_XRGB2101010 },
		{ DRM_FORMAT_ABGR2101010, DRM_FORMAT_XBGR2101010 },
		{ DRM_FORMAT_RGB565, DRM_FORMAT_RGB565 },
		{ DRM_FORMAT_NV12, DRM_FORMAT_NV12 },
		{ 0, 0 },
		{ UINT32_MAX, UINT32_MAX },
	};
	struct oriel_guest_buffer_attributes attributes = good;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		attributes.format = cases[i].format;
		bool valid = is_valid(&attributes, END_BYTES);
		attributes.format = oriel_validate_get_opaque_format(cases[i].format);
		assert_int_equal(attributes.format, cases[i].opaque);
		assert_int_equal(is_valid(&attributes, END_BYTES), valid);
	}
}

static void pixel_bytes_are_those_of_formats_that_pass(void **state) {
	assert_int_equal(oriel_validate_get_pixel_bytes(DRM_FORMAT_ARGB8888), 4);
	assert_int_equal(oriel_validate_get_pixel_bytes(DRM_FORMAT_RGB565), 2);
	assert_int_equal(oriel_validate_get_pixel_bytes(DRM_FORMAT_NV12), 0);
	assert_int_equal(oriel_validate_get_pixel_bytes(0), 0);
}

static void extra_plane_begins_within_its_memory(void **state) {
	static const struct {
		uint64_t stride_bytes, offset_bytes, size_bytes;
		bool is_valid;
	} cases[] = {
		{ 1, 0, 0, false },
		{ 1, 0, 1, true },
		{ 1, 4095, 4096, true },
		{ 1, 4096, 4096, false },
		{ 0, 0, 4096, false },
		{ ORIEL_VALIDATE_STRIDE_MAX, 0, 1, true },
		{ ORIEL_VALIDATE_STRIDE_MAX + 1, 0, 1, false },
		{ 1, ORIEL_VALIDATE_OFFSET_MAX, UINT64_MAX, true },
		{ 1, UINT64_C(1) + ORIEL_VALIDATE_OFFSET_MAX, UINT64_MAX, false },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char message[ORIEL_VALIDATE_MESSAGE_SIZE] = "";
		assert_int_equal(oriel_validate_extra_plane(cases[i].stride_bytes,
						 cases[i].offset_bytes, cases[i].size_bytes, message),
				cases[i].is_valid);
		assert_int_equal(cases[i].is_valid, message[0] == '\0');
	}
}

static void format_from_pixman_is_the_same_format(void **state) {
	static const struct {
		pixman_format_code_t pixman_format;
		uint32_t format;
	} cases[] = {
		{ PIXMAN_x8r8g8b8, DRM_FORMAT_XRGB8888 },
		{ PIXMAN_a8r8g8b8, DRM_FORMAT_XRGB8888 },
		{ PIXMAN_x8b8g8r8, DRM_FORMAT_XBGR8888 },
		{ PIXMAN_a8b8g8r8, DRM_FORMAT_XBGR8888 },
		{ PIXMAN_r8g8b8x8, DRM_FORMAT_RGBX8888 },
		{ PIXMAN_r8g8b8a8, DRM_FORMAT_RGBX8888 },
		{ PIXMAN_b8g8r8x8, DRM_FORMAT_BGRX8888 },
		{ PIXMAN_b8g8r8a8, DRM_FORMAT_BGRX8888 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint32_t format = oriel_validate_get_format_from_pixman(cases[i].pixman_format);
		assert_int_equal(oriel_validate_get_pixel_bytes(format), 4);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		assert_int_equal(format, cases[i].format);
#endif
	}
	static const uint32_t refused[] = { 0, UINT32_MAX, PIXMAN_r8g8b8, PIXMAN_a8,
		PIXMAN_x1r5g5b5, PIXMAN_yuy2, PIXMAN_a8r8g8b8_sRGB };
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		assert_int_equal(oriel_validate_get_format_from_pixman(refused[i]), 0);
	}
}

static void cursor_passes_up_to_its_own_limit(void **state) {
	static const struct {
		int width, height;
		bool valid;
	} cases[] = {
		{ 0, 16, false },
		{ 64, 16, true },
		{ ORIEL_VALIDATE_CURSOR_SIZE_MAX - 1, 16, true },
		{ ORIEL_VALIDATE_CURSOR_SIZE_MAX, ORIEL_VALIDATE_CURSOR_SIZE_MAX, true },
		{ ORIEL_VALIDATE_CURSOR_SIZE_MAX + 1, 16, false },
		{ 64, ORIEL_VALIDATE_CURSOR_SIZE_MAX + 1, false },
		{ INT_MAX, INT_MAX, false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_guest_buffer_attributes attributes = good;
		attributes.width = cases[i].width;
		attributes.height = cases[i].height;
		attributes.stride_bytes = 4096;
		attributes.format = DRM_FORMAT_ARGB8888;
		char message[ORIEL_VALIDATE_MESSAGE_SIZE] = "";
		assert_int_equal(oriel_validate_cursor(&attributes, UINT64_MAX, message),
				cases[i].valid);
		assert_int_equal(cases[i].valid, message[0] == '\0');
	}
	/* All else is as for any picture. */
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	assert_true(oriel_validate_cursor(&good, END_BYTES, message));
	assert_false(oriel_validate_cursor(&good, END_BYTES - 1, message));
	assert_non_null(strstr(message, "8431"));
}

static void refusal_names_the_numbers(void **state) {
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];

	assert_false(oriel_validate_buffer(&good, 4711, message));
	assert_non_null(strstr(message, "64x16"));
	assert_non_null(strstr(message, "272"));
	assert_non_null(strstr(message, "8432"));
	assert_non_null(strstr(message, "4711"));

	/* Bytes that a terminal would act on come out as question marks. */
	struct oriel_guest_buffer_attributes attributes = good;
	attributes.format = 0x1b5b7fff;
	assert_false(oriel_validate_buffer(&attributes, UINT64_MAX, message));
	assert_non_null(strstr(message, "0x1b5b7fff"));
	assert_non_null(strstr(message, "'\?\?[?'"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_just_holds_the_last_pixel_passes),
		cmocka_unit_test(size_passes_from_one_to_its_limit),
		cmocka_unit_test(stride_passes_from_a_row_to_its_limit_in_words),
		cmocka_unit_test(stride_of_two_byte_pixels_is_measured_by_them),
		cmocka_unit_test(offset_passes_up_to_its_limit_in_words),
		cmocka_unit_test(largest_picture_fits_exactly),
		cmocka_unit_test(only_formats_that_all_renderers_read_pass),
		cmocka_unit_test(every_modifier_passes),
		cmocka_unit_test(opaque_format_drops_alpha_only),
		cmocka_unit_test(pixel_bytes_are_those_of_formats_that_pass),
		cmocka_unit_test(extra_plane_begins_within_its_memory),
		cmocka_unit_test(format_from_pixman_is_the_same_format),
		cmocka_unit_test(cursor_passes_up_to_its_own_limit),
		cmocka_unit_test(refusal_names_the_numbers),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
