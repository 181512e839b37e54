#ifndef TESTS_GUESTS_PICTURE_H
#define TESTS_GUESTS_PICTURE_H

#include <stdint.h>

#include "boot.h"

/*
 * What the test's guests paint, the boot sector and the Linux guest: pixel n, counted from 0 in rows from the
 * top left, as 0x00RRGGBB. Pictures of different seeds, which are scan codes with the boot sector, differ
 * in every pixel.
 */
static inline uint32_t guest_picture_get_pixel(uint32_t n, uint32_t seed) {
	return (n * BOOT_PATTERN >> 8 ^ seed * BOOT_COLOR_PER_SCANCODE) & 0xffffff;
}

#endif
