#ifndef TESTS_QEMU_MACHINE_H
#define TESTS_QEMU_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "fixture.h"
#include "input.h"
#include "qemu.h"
#include "screen_watch.h"

struct oriel_guest_view;
struct wlr_output;

/*
 * Every frame that an output composes while the guest flips has to be one of its pictures, whole, of a
 * seed from first to last, and none may come before one that has been.
 */
struct machine_flips {
	struct screen_watch watch;
	int width, height;
	uint32_t first, last;
	uint32_t before; /* the seed of the picture before the first flip */
	bool has_begun; /* the picture from before has been replaced */
	uint32_t seed; /* of the last one seen, if it has */
	unsigned pictures; /* that were seen, each counted once */
};

/* A machine under a real QEMU, and oriel that shows it. Set up and torn down around each test. */
struct machine {
	struct fixture fixture;
	bool is_served; /* the fixture is up */
	struct input input; /* on it */
	struct qemu qemu;
	int qemu_fds; /* when oriel was started */
	int fds_before;
	struct machine_flips flips;
};

int machine_setup(void **state);
/* Fails the test if other fds are open than before. */
int machine_teardown(void **state);

/*
 * Starts oriel, on so many headless outputs. In the configuration, QMP stands for the path of the
 * machine's monitor.
 */
void machine_start_oriel(struct machine *machine, int output_count, const char *config);
void machine_stop_oriel(struct machine *machine);

struct oriel_guest_view *machine_get_view(struct machine *machine, const char *guest_name);

/* The output that OUTPUT-number stands for in the configuration; on other backends, just the number-th. */
struct wlr_output *machine_get_output(struct machine *machine, int number);
/* As the window of a nested oriel is resized. */
void machine_resize_output(struct machine *machine, int number, int width, int height);

/*
 * Waits until that output shows what QEMU says (qemu_screendump()), pixel for pixel and nothing else.
 * The output is made that size.
 */
void machine_wait_until_same(struct machine *machine, int number, const char *device, int head);

/* Waits until that output shows this picture (picture.h), pixel for pixel and nothing else. */
void machine_wait_for_picture(
		struct machine *machine, int number, int width, int height, uint32_t seed);

/* Whether a frame is this picture. */
bool machine_is_picture(const struct screenshot *frame, int width, int height, uint32_t seed);

void machine_flips_begin(struct machine *machine, int number, int width, int height,
		uint32_t before, uint32_t first, uint32_t last);
/* Waits until the last one is shown. */
void machine_flips_end(struct machine *machine, int number);

#endif
