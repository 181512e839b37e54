#include "synthetic_picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "screenshot.h"

uint32_t synthetic_picture_get_pixel(int width, int height, uint64_t n, int x, int y) {
	int bar_x = (int)(n * 4 % (uint64_t)width);
	if (x >= bar_x && x <= bar_x + width / 16) {
		return 0xf0f0f0;
	}
	uint32_t red = (uint32_t)(255 * x / width), green = (uint32_t)(255 * y / height);
	return red << 16 | green << 8 | 0x40;
}

static bool picture_is_there(const struct screenshot *screenshot, int left, int top, int scale,
		int width, int height, uint64_t n) {
	for (int y = 0; y < height * scale; y++) {
		for (int x = 0; x < width * scale; x++) {
			if (screenshot_get_pixel(screenshot, left + x, top + y) !=
					synthetic_picture_get_pixel(
							width, height, n, x / scale, y / scale)) {
				return false;
			}
		}
	}
	return true;
}

uint64_t synthetic_picture_find(const struct screenshot *screenshot, int left, int top, int scale,
		int width, int height, uint64_t first, uint64_t last) {
	for (uint64_t n = first; n <= last; n++) {
		if (picture_is_there(screenshot, left, top, scale, width, height, n)) {
			return n;
		}
	}
	fail_msg("none of the guest's pictures %llu to %llu is at %d,%d", (unsigned long long)first,
			(unsigned long long)last, left, top);
	return 0;
}

/* -1 if all of it is there, else the index of the first pixel that is not. */
static int find_difference(const struct screenshot *screenshot, const struct wlr_box *box,
		uint32_t rgb, uint64_t n) {
	int width = screenshot->width, height = screenshot->height;
	for (int i = 0; i < width * height; i++) {
		uint32_t wanted = wlr_box_contains_point(box, i % width, i / width)
				? rgb
				: synthetic_picture_get_pixel(width, height, n, i % width, i / width);
		if (screenshot->pixels[i] != wanted) {
			return i;
		}
	}
	return -1;
}

uint64_t synthetic_picture_find_behind(const struct screenshot *screenshot,
		const struct wlr_box *box, uint32_t rgb, uint64_t first, uint64_t last) {
	int difference = -1;
	for (uint64_t n = first; n <= last; n++) {
		difference = find_difference(screenshot, box, rgb, n);
		if (difference < 0) {
			return n;
		}
	}
	assert_true(difference >= 0);
	fail_msg("%#x at %d,%d, which is neither the box nor picture %llu to %llu of the guest",
			screenshot->pixels[difference], difference % screenshot->width,
			difference / screenshot->width, (unsigned long long)first,
			(unsigned long long)last);
	return 0;
}
