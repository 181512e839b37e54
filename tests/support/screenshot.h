#ifndef TESTS_SUPPORT_SCREENSHOT_H
#define TESTS_SUPPORT_SCREENSHOT_H

#include <stdint.h>

struct fixture;

/* What an output shows, as a client captures it (ext-image-copy-capture-v1). */
struct screenshot {
	int width, height; /* pixels */
	uint32_t *pixels; /* 0x00RRGGBB, width * height, for free() */
};

/* Captures the output's next frame, which it makes it draw. A failure fails the test. */
struct screenshot screenshot_take(struct fixture *fixture, const char *output_name);
void screenshot_finish(struct screenshot *screenshot);

uint32_t screenshot_get_pixel(const struct screenshot *screenshot, int x, int y);

/* Checks that it shows a text in place of a guest: grey letters in the middle, and black around. */
void screenshot_check_text(const struct screenshot *screenshot);

#endif
