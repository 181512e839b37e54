/*
 * The demo's guest: animates a picture on a vGPU by page flips, as a virtual machine's driver would.
 *
 *	demo_guest [--fd N | --uuid UUID] [--size WxH] [--frames N] [--interval-ms N]
 *
 * The plane stays on at the end, showing the last frame, for as long as somebody holds the device.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vgpu_guest.h"

#define PAGES 3 /* one shown, one that the compositor may still read, one being painted */
#define PI 3.14159265358979323846
#define HUES 1024

struct options {
	int fd; /* -1: not given */
	const char *uuid; /* NULL: not given */
	int width, height;
	long frames; /* 0: until SIGTERM */
	long interval_ms;
};

struct picture {
	int width, height;
	uint32_t hues[HUES]; /* once round the colour wheel */
	uint32_t *background; /* width * height pixels */
};

/* What is painted on: a page of the guest's VRAM, or the background. */
struct canvas {
	uint32_t *pixels;
	size_t stride; /* in pixels */
	int width, height;
};

/* 5 columns (bit 4 is the left one) of 7 rows */
struct glyph {
	char character;
	uint8_t rows[7];
};

static const struct glyph glyphs[] = {
	{ 'O', { 0x0e, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x0e } },
	{ 'R', { 0x1e, 0x1b, 0x1b, 0x1e, 0x1c, 0x1a, 0x1b } },
	{ 'I', { 0x1f, 0x0e, 0x0e, 0x0e, 0x0e, 0x0e, 0x1f } },
	{ 'E', { 0x1f, 0x18, 0x18, 0x1e, 0x18, 0x18, 0x1f } },
	{ 'L', { 0x18, 0x18, 0x18, 0x18, 0x18, 0x18, 0x1f } },
	{ '0', { 0x0e, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0x0e } },
	{ '1', { 0x0c, 0x1c, 0x0c, 0x0c, 0x0c, 0x0c, 0x1e } },
	{ '2', { 0x0e, 0x1b, 0x03, 0x06, 0x0c, 0x18, 0x1f } },
	{ '3', { 0x1e, 0x03, 0x03, 0x0e, 0x03, 0x03, 0x1e } },
	{ '4', { 0x06, 0x0e, 0x16, 0x16, 0x1f, 0x06, 0x06 } },
	{ '5', { 0x1f, 0x18, 0x1e, 0x03, 0x03, 0x1b, 0x0e } },
	{ '6', { 0x0e, 0x18, 0x18, 0x1e, 0x1b, 0x1b, 0x0e } },
	{ '7', { 0x1f, 0x03, 0x06, 0x06, 0x0c, 0x0c, 0x0c } },
	{ '8', { 0x0e, 0x1b, 0x1b, 0x0e, 0x1b, 0x1b, 0x0e } },
	{ '9', { 0x0e, 0x1b, 0x1b, 0x0f, 0x03, 0x03, 0x0e } },
};

/* colours */

static uint32_t mix(uint32_t a, uint32_t b, double share_of_b) {
	uint32_t mixed = 0;
	for (int shift = 0; shift < 24; shift += 8) {
		double from = a >> shift & 0xff, to = b >> shift & 0xff;
		mixed |= (uint32_t)(from + (to - from) * share_of_b + 0.5) << shift;
	}
	return mixed;
}

static double clamp01(double value) {
	return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* turns may be negative */
static uint32_t get_hue(const struct picture *picture, double turns) {
	return picture->hues[(int)((turns - floor(turns)) * HUES) % HUES];
}

static void fill_hues(uint32_t hues[HUES]) {
	for (int i = 0; i < HUES; i++) {
		uint32_t colour = 0;
		for (int channel = 0; channel < 3; channel++) {
			double wave = cos(2 * PI * ((double)i / HUES - channel / 3.0));
			colour = colour << 8 | (uint32_t)(162.5 + 92.5 * wave);
		}
		hues[i] = colour;
	}
}

/* shapes */

static void fill_rect(
		const struct canvas *canvas, int x, int y, int width, int height, uint32_t colour) {
	for (int row = y < 0 ? 0 : y; row < y + height && row < canvas->height; row++) {
		uint32_t *pixels = canvas->pixels + (size_t)row * canvas->stride;
		for (int column = x < 0 ? 0 : x; column < x + width && column < canvas->width;
				column++) {
			pixels[column] = colour;
		}
	}
}

/* A disc with a soft edge and a light from above left. */
static void fill_ball(
		const struct canvas *canvas, double cx, double cy, double radius, uint32_t colour) {
	int top = (int)(cy - radius) - 1, bottom = (int)(cy + radius) + 1;
	int left = (int)(cx - radius) - 1, right = (int)(cx + radius) + 1;
	for (int y = top < 0 ? 0 : top; y <= bottom && y < canvas->height; y++) {
		uint32_t *pixels = canvas->pixels + (size_t)y * canvas->stride;
		for (int x = left < 0 ? 0 : left; x <= right && x < canvas->width; x++) {
			double dx = x - cx, dy = y - cy;
			double cover = clamp01(radius + 0.5 - sqrt(dx * dx + dy * dy));
			dx += radius * 0.35;
			dy += radius * 0.4;
			double lit = sqrt(dx * dx + dy * dy) / radius;
			uint32_t shade = lit < 0.6 ? mix(0xffffff, colour, lit / 0.6)
						   : mix(colour, 0x101020, (lit - 0.6) * 0.7);
			pixels[x] = mix(pixels[x], shade, cover);
		}
	}
}

static void draw_text(const struct canvas *canvas, const char *text, int x, int y, int block,
		uint32_t colour) {
	for (; *text != '\0'; text++, x += 6 * block) {
		for (size_t i = 0; i < sizeof(glyphs) / sizeof(glyphs[0]); i++) {
			if (glyphs[i].character != *text) {
				continue;
			}
			for (int cell = 0; cell < 5 * 7; cell++) {
				if (glyphs[i].rows[cell / 5] >> (4 - cell % 5) & 1) {
					fill_rect(canvas, x + cell % 5 * block,
							y + cell / 5 * block, block, block, colour);
				}
			}
		}
	}
}

/* the picture */

/* Night sky with a glowing wheel of colours. Called for each pixel once, on an emulated CPU. */
static uint32_t get_background(const struct picture *picture, int x, int y) {
	double width = picture->width, height = picture->height;
	double dx = x - width * 0.5, dy = y - height * 0.42, radius = height * 0.3;
	uint32_t sky = mix(0x0b1030, 0x4a1f5c, y / height);
	sky = mix(sky, 0x1c6f8c, 0.35 * clamp01(1 - (x + height - y) / width));
	double distance = sqrt(dx * dx + dy * dy);
	double near = clamp01(1 - fabs(distance - radius * 0.86) / radius);
	if (near == 0) {
		return sky;
	}
	double ring = clamp01(radius - distance) * clamp01(distance - radius * 0.72);
	uint32_t hue = get_hue(picture, atan2(dy, dx) / (2 * PI));
	return mix(mix(sky, hue, 0.5 * near * near * near * near), hue, ring);
}

static bool picture_init(struct picture *picture, int width, int height) {
	picture->width = width;
	picture->height = height;
	fill_hues(picture->hues);
	picture->background = calloc((size_t)width * (size_t)height, sizeof(uint32_t));
	if (picture->background == NULL) {
		return false;
	}
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			picture->background[(size_t)y * (size_t)width + (size_t)x] =
					get_background(picture, x, y);
		}
	}
	struct canvas canvas = { picture->background, (size_t)width, width, height };
	int block = width / 48 > 0 ? width / 48 : 1;
	int x = (width - 29 * block) / 2, y = (int)(height * 0.42) - 7 * block / 2;
	draw_text(&canvas, "ORIEL", x + block / 3, y + block / 3, block, 0x0a0a1e);
	draw_text(&canvas, "ORIEL", x, y, block, 0xf4f0e6);
	return true;
}

/* A bar that fills once in 60 frames, with the frame's number above it. */
static void paint_counter(
		const struct picture *picture, const struct canvas *canvas, unsigned long frame) {
	int width = canvas->width * 3 / 4, height = canvas->height / 40 + 1;
	int x = (canvas->width - width) / 2, y = canvas->height - 3 * height;
	int filled = (int)((unsigned long)width * (frame % 60 + 1) / 60);
	fill_rect(canvas, x - 2, y - 2, width + 4, height + 4, 0x0a0a1e);
	for (int column = 0; column < filled; column++) {
		fill_rect(canvas, x + column, y, 1, height,
				get_hue(picture, (double)column / width + (double)(frame / 60) / 7));
	}
	char number[24];
	snprintf(number, sizeof(number), "%06lu", frame);
	int block = height / 3 + 1;
	draw_text(canvas, number, x, y - 9 * block, block, 0xf4f0e6);
}

static void picture_paint(
		const struct picture *picture, const struct canvas *canvas, unsigned long frame) {
	for (int y = 0; y < picture->height; y++) {
		memcpy(canvas->pixels + (size_t)y * canvas->stride,
				picture->background + (size_t)y * (size_t)picture->width,
				(size_t)picture->width * sizeof(uint32_t));
	}
	/* Three balls on the wheel's circle, one turn in 120 frames, hopping as they go. */
	for (int i = 0; i < 3; i++) {
		double turn = (double)(frame % 120) / 120 + i / 3.0;
		double radius = picture->height * (0.37 + 0.03 * sin(2 * PI * turn * 6));
		fill_ball(canvas, picture->width * 0.5 + radius * cos(2 * PI * turn) * 1.15,
				picture->height * 0.42 + radius * sin(2 * PI * turn),
				picture->height * 0.045, get_hue(picture, i / 3.0 + 0.08));
	}
	paint_counter(picture, canvas, frame);
}

/* the program */

static bool parse_long(const char *text, long min, long max, long *ret_value) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
		return false;
	}
	*ret_value = value;
	return true;
}

static bool parse_size(const char *text, int *ret_width, int *ret_height) {
	int width, height, end = -1;
	if (sscanf(text, "%4dx%4d%n", &width, &height, &end) != 2 || text[end] != '\0' ||
			width < 64 || height < 64) {
		return false;
	}
	*ret_width = width;
	*ret_height = height;
	return true;
}

static bool options_parse(struct options *options, int argc, char *argv[]) {
	static const struct option long_options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "uuid", required_argument, NULL, 'u' },
		{ "size", required_argument, NULL, 's' },
		{ "frames", required_argument, NULL, 'n' },
		{ "interval-ms", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	long fd = -1;
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		bool good = false;
		switch (option) {
		case 'f':
			good = parse_long(optarg, 0, INT_MAX, &fd);
			break;
		case 'u':
			options->uuid = optarg;
			good = true;
			break;
		case 's':
			good = parse_size(optarg, &options->width, &options->height);
			break;
		case 'n':
			good = parse_long(optarg, 0, LONG_MAX, &options->frames);
			break;
		case 'i':
			good = parse_long(optarg, 1, 60 * 1000, &options->interval_ms);
			break;
		case '?':
			return false; /* getopt has said it */
		}
		if (!good) {
			fprintf(stderr, "demo_guest: bad value '%s'\n", optarg);
			return false;
		}
	}
	options->fd = (int)fd;
	if (optind != argc || (options->fd < 0) == (options->uuid == NULL)) {
		fprintf(stderr,
				"usage: demo_guest --fd N | --uuid UUID [--size WxH] [--frames N] "
				"[--interval-ms N]\n");
		return false;
	}
	return true;
}

/* Waits until `next`, or returns true early when a signal asks for the end. */
static bool wait_until(const struct timespec *next, const sigset_t *signals) {
	for (;;) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		long long left_ns = (next->tv_sec - now.tv_sec) * 1000000000LL + next->tv_nsec -
				now.tv_nsec;
		if (left_ns < 0) {
			left_ns = 0;
		}
		struct timespec left = {
			.tv_sec = left_ns / 1000000000,
			.tv_nsec = left_ns % 1000000000,
		};
		if (sigtimedwait(signals, NULL, &left) > 0) {
			return true;
		}
		if (errno == EAGAIN) {
			return false;
		}
	}
}

/* Returns the number of frames shown. */
static unsigned long animate(struct vgpu_guest *guest, const struct options *options,
		const struct picture *picture, const sigset_t *signals) {
	unsigned long frame = 0;
	bool ended = false;
	while (!ended && (options->frames == 0 || frame < (unsigned long)options->frames)) {
		struct timespec next;
		clock_gettime(CLOCK_MONOTONIC, &next);
		next.tv_nsec += options->interval_ms * 1000000;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;

		/* Page 0 is shown at first. */
		int page = (int)((frame + 1) % PAGES);
		size_t stride_bytes;
		uint32_t *pixels = vgpu_guest_get_page(guest, page, &stride_bytes);
		struct canvas canvas = {
			.pixels = pixels,
			.stride = stride_bytes / sizeof(uint32_t),
			.width = picture->width,
			.height = picture->height,
		};
		picture_paint(picture, &canvas, frame);
		int ret = vgpu_guest_flip(guest, page);
		if (ret < 0) {
			fprintf(stderr, "demo_guest: cannot flip: %s\n", strerror(-ret));
			break;
		}
		frame++;
		ended = wait_until(&next, signals);
	}
	return frame;
}

static bool run(struct vgpu_guest *guest, const struct options *options,
		const struct picture *picture, const sigset_t *signals) {
	int ret = vgpu_guest_set_mode(guest, options->width, options->height, options->width, PAGES);
	if (ret < 0) {
		fprintf(stderr, "demo_guest: cannot set %dx%d with %d pages: %s\n", options->width,
				options->height, PAGES, strerror(-ret));
		return false;
	}
	unsigned long frames = animate(guest, options, picture, signals);
	printf("demo_guest: %lu frames\n", frames);
	return frames > 0;
}

int main(int argc, char *argv[]) {
	struct options options = {
		.fd = -1,
		.width = 1024,
		.height = 768,
		.interval_ms = 33,
	};
	if (!options_parse(&options, argc, argv)) {
		return 1;
	}
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	struct picture picture;
	if (!picture_init(&picture, options.width, options.height)) {
		fprintf(stderr, "demo_guest: out of memory\n");
		return 1;
	}
	struct vgpu_guest *guest = options.uuid != NULL ? vgpu_guest_open(options.uuid)
							: vgpu_guest_open_fd(options.fd);
	bool good = false;
	if (guest == NULL) {
		fprintf(stderr, "demo_guest: cannot open the vGPU: %s\n", strerror(errno));
	} else {
		good = run(guest, &options, &picture, &signals);
	}
	vgpu_guest_close(guest);
	free(picture.background);
	return good ? 0 : 1;
}
