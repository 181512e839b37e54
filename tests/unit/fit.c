#include "view/fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	int width, height, outer_width, outer_height;
	struct wlr_box box;
	bool whole;
} cases[] = {
	{ 640, 480, 640, 480, { 0, 0, 640, 480 }, true },
	{ 640, 480, 1280, 960, { 0, 0, 1280, 960 }, true },
	{ 640, 480, 1920, 1080, { 240, 0, 1440, 1080 }, false },
	{ 640, 480, 1280, 1024, { 0, 32, 1280, 960 }, true },
	{ 640, 480, 1300, 960, { 10, 0, 1280, 960 }, true },
	{ 640, 480, 600, 600, { 0, 75, 600, 450 }, false },
	{ 1920, 1080, 1080, 1920, { 0, 656, 1080, 607 }, false },
	/* A half of it, which is no whole scale. */
	{ 640, 480, 320, 240, { 0, 0, 320, 240 }, false },
	/* One side fits a whole number of times, and the other one by rounding only. */
	{ 3, 2, 7, 5, { 0, 0, 7, 4 }, false },
	{ 1, 1, 1, 1, { 0, 0, 1, 1 }, true },
	{ 1, 1, 16384, 16384, { 0, 0, 16384, 16384 }, true },
	{ 16384, 16384, 1, 1, { 0, 0, 1, 1 }, false },
	{ 16384, 16384, 16384, 16384, { 0, 0, 16384, 16384 }, true },
	/* So flat that nothing would be left of the other side. */
	{ 16384, 1, 100, 100, { 0, 49, 100, 1 }, false },
	{ 1, 16384, 100, 100, { 49, 0, 1, 100 }, false },
	{ 16384, 1, 1, 16384, { 0, 8191, 1, 1 }, false },
	{ 1, 16384, 16384, 1, { 8191, 0, 1, 1 }, false },
	{ 1, 16384, 16384, 16384, { 8191, 0, 1, 16384 }, true },
	{ 16384, 1, 16384, 16384, { 0, 8191, 16384, 1 }, true },
};

static void fit_gives_the_box_in_the_table(void **state) {
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_fit fit = oriel_fit_box(cases[i].width, cases[i].height,
				cases[i].outer_width, cases[i].outer_height);
		if (!wlr_box_equal(&fit.box, &cases[i].box) || fit.whole != cases[i].whole) {
			fail_msg("case %zu: %dx%d at %d,%d%s", i, fit.box.width, fit.box.height,
					fit.box.x, fit.box.y, fit.whole ? ", whole" : "");
		}
	}
}

/* What holds for any sizes, at and around the places where rounding turns. */
static void fit_stays_inside_in_the_middle_and_touches(void **state) {
	static const int sizes[] = { 1, 2, 3, 7, 99, 100, 101, 479, 480, 481, 1080, 1366, 1920,
		4095, 4096, 16383, 16384 };
	size_t n = ARRAY_LENGTH(sizes);
	for (size_t i = 0; i < n * n * n * n; i++) {
		int width = sizes[i % n], height = sizes[i / n % n];
		int outer_width = sizes[i / n / n % n], outer_height = sizes[i / n / n / n];
		struct oriel_fit fit = oriel_fit_box(width, height, outer_width, outer_height);
		struct wlr_box box = fit.box;

		assert_true(box.width >= 1 && box.height >= 1);
		assert_true(box.x >= 0 && box.x + box.width <= outer_width);
		assert_true(box.y >= 0 && box.y + box.height <= outer_height);
		assert_true(box.width == outer_width || box.height == outer_height);
		int left = box.x, right = outer_width - box.x - box.width;
		int top = box.y, bottom = outer_height - box.y - box.height;
		assert_true(right - left == 0 || right - left == 1);
		assert_true(bottom - top == 0 || bottom - top == 1);

		/* The side that does not touch is right to within a pixel. */
		int64_t a = (int64_t)box.width * height, b = (int64_t)box.height * width;
		int64_t off = a > b ? a - b : b - a;
		int64_t pixel = box.width == outer_width ? width : height;
		if (box.width > 1 && box.height > 1) {
			assert_true(off < pixel || off < width || off < height);
		}
		bool whole = box.width % width == 0 && box.height % height == 0 &&
				box.width / width == box.height / height;
		assert_true(fit.whole == whole);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit_gives_the_box_in_the_table),
		cmocka_unit_test(fit_stays_inside_in_the_middle_and_touches),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
