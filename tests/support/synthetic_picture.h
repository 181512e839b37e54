#ifndef TESTS_SUPPORT_SYNTHETIC_PICTURE_H
#define TESTS_SUPPORT_SYNTHETIC_PICTURE_H

#include <stdint.h>
#include <wlr/util/box.h>

struct screenshot;

/*
 * The pixel 0xRRGGBB that a synthetic guest of that size paints at x, y of its n-th picture,
 * counted from 0. Written down anew here: a gradient, red to the right and green downwards, and a
 * white bar that moves on by four pixels with every picture.
 */
uint32_t synthetic_picture_get_pixel(int width, int height, uint64_t n, int x, int y);

/*
 * Looks for the picture of a width x height guest, which is shown at left, top of the screenshot
 * and enlarged scale times, pixel for pixel. Returns its number, of those from first to last;
 * fails the test if it is none of them.
 */
uint64_t synthetic_picture_find(const struct screenshot *screenshot, int left, int top, int scale,
		int width, int height, uint64_t first, uint64_t last);

/*
 * Likewise for a guest's picture that fills the screenshot pixel for pixel, but for a box of one
 * colour (0xRRGGBB) in front of it.
 */
uint64_t synthetic_picture_find_behind(const struct screenshot *screenshot,
		const struct wlr_box *box, uint32_t rgb, uint64_t first, uint64_t last);

#endif
