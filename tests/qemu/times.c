/*
 * How long a key takes to show in the picture that oriel composes, and what a frame costs on each of
 * the ways that QEMU hands over a picture which the CPU has drawn. The numbers are printed; what is
 * checked is that all of it happens.
 */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/clock.h"
#include "machine.h"
#include "picture.h"
#include "screen_watch.h"
#include "view/guest_view.h"

#define CONFIG(mode)                                                                               \
	"output OUTPUT-1 {\n\tmode " mode "\n}\n"                                                  \
	"guest machine {\n\tsource qemu QMP\n\toutput OUTPUT-1\n}\n"                               \
	"bind Super+1 guest machine\n"

static uint64_t get_cpu_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* --- from a key to the picture ---------------------------------------------------------------- */

#define PRESSES 100

struct wait {
	struct screen_watch watch;
	int width, height;
	uint32_t seed;
	bool is_over;
	uint64_t shown_ns; /* the first frame that is the picture was composed */
};

static void check_frame(const struct screenshot *frame, void *data) {
	struct wait *wait = data;
	if (!wait->is_over && machine_is_picture(frame, wait->width, wait->height, wait->seed)) {
		wait->is_over = true;
		wait->shown_ns = wait->watch.frame_ns;
	}
}

static bool wait_is_over(struct fixture *fixture, void *data) {
	const struct wait *wait = data;
	return wait->is_over;
}

static int compare_times(const void *a, const void *b) {
	const uint64_t *one = a, *other = b;
	return *one < *other ? -1 : *one > *other;
}

/* With the boot sector, which repaints for every key. */
static void time_keys(struct machine *machine, const char *device) {
	static const uint32_t keys[] = { KEY_A, KEY_B, KEY_C, KEY_D };
	qemu_require(QEMU_GUEST_BOOT);
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT, (const char *const[]){ "-device", device, NULL });
	machine_start_oriel(machine, 1, CONFIG("320x240"));
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	input_type(&machine->input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });

	static struct wait wait; /* a failure leaves it listening */
	wait = (struct wait){ .width = BOOT_SMALL_WIDTH, .height = BOOT_SMALL_HEIGHT };
	uint64_t times_ns[PRESSES];
	screen_watch_begin(&wait.watch, machine_get_output(machine, 1), check_frame, &wait);
	for (int i = 0; i < PRESSES; i++) {
		wait.seed = keys[i % 4];
		wait.is_over = false;
		uint64_t start_ns = oriel_clock_now_ns();
		input_type(&machine->input, (const uint32_t[]){ keys[i % 4], 0 });
		fixture_step_until(&machine->fixture, wait_is_over, &wait);
		times_ns[i] = wait.shown_ns - start_ns;
	}
	screen_watch_end(&wait.watch);
	qsort(times_ns, PRESSES, sizeof(times_ns[0]), compare_times);
	print_message("# %s: from a key to the picture composed: p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n",
			device, (double)times_ns[PRESSES / 2] / 1e6,
			(double)times_ns[PRESSES * 99 / 100 - 1] / 1e6,
			(double)times_ns[PRESSES - 1] / 1e6);
}

static void key_shows_in_the_picture_of_a_vga(void **state) {
	time_keys(*state, "VGA");
}

static void key_shows_in_the_picture_of_a_bochs_display(void **state) {
	time_keys(*state, "bochs-display");
}

/* --- what a frame costs ----------------------------------------------------------------------- */

struct wanted {
	const struct oriel_guest_view *view;
	uint64_t shown;
};

static bool were_shown(struct fixture *fixture, void *data) {
	const struct wanted *wanted = data;
	return wanted->view->stats.shown >= wanted->shown;
}

/* Of oriel's thread. A picture is drawn when a frame of the one before it, or of a part, has been shown. */
static void time_frames(struct machine *machine, const char *what, unsigned count,
		void (*draw)(struct machine *machine, unsigned n)) {
	struct wanted wanted = { .view = machine_get_view(machine, "machine") };
	uint64_t shown = wanted.view->stats.shown;
	uint64_t cpu_ns = get_cpu_ns(), start_ns = oriel_clock_now_ns();
	for (unsigned n = 0; n < count; n++) {
		wanted.shown = wanted.view->stats.shown + 1;
		draw(machine, n);
		fixture_step_until(&machine->fixture, were_shown, &wanted);
	}
	cpu_ns = get_cpu_ns() - cpu_ns;
	start_ns = oriel_clock_now_ns() - start_ns;
	shown = wanted.view->stats.shown - shown;
	print_message("# %s: %.2f s of CPU for 1000 frames (%u frames in %.1f s)\n", what,
			(double)cpu_ns / 1e6 / (double)shown, (unsigned)shown,
			(double)start_ns / 1e9);
}

/*
 * The frame that was waited for may have been a part of the picture before, and QEMU may look when the
 * guest has painted this one over too: a picture that comes again soon could be the one shown already.
 */
static void type_next(struct machine *machine, unsigned n) {
	static const uint32_t keys[] = { KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H };
	input_type(&machine->input, (const uint32_t[]){ keys[n % 8], 0 });
}

static void time_vga(struct machine *machine, const char *what, const char *mode_key, int width,
		int height, const char *config) {
	qemu_require(QEMU_GUEST_BOOT);
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT, (const char *const[]){ "-device", "VGA", NULL });
	machine_start_oriel(machine, 1, config);
	machine_resize_output(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT);
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	qemu_type(&machine->qemu, mode_key);
	machine_resize_output(machine, 1, width, height);
	machine_wait_until_same(machine, 1, NULL, 0);
	input_type(&machine->input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	time_frames(machine, what, 100, type_next);
}

static void frames_of_bytes_cost(void **state) {
	time_vga(*state, "Scanout/Update, 424x316", "2", BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT,
			CONFIG("424x316"));
}

static void frames_of_a_vgas_map_cost(void **state) {
	time_vga(*state, "ScanoutMap/UpdateMap, VGA, 640x400", "3", 640, 400, CONFIG("640x400"));
}

static void flip_next(struct machine *machine, unsigned n) {
	char line[64];
	qemu_command(&machine->qemu, "flip 0 1");
	snprintf(line, sizeof(line), "flipped 0 %u", n + 2);
	qemu_wait_for_line(&machine->qemu, line);
}

static void frames_of_a_virtio_gpus_map_cost(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_LINUX);
	qemu_start(&machine->qemu, QEMU_GUEST_LINUX,
			(const char *const[]){ "-device", "virtio-gpu-pci", NULL });
	machine_start_oriel(machine, 1, CONFIG("1280x800"));
	qemu_wait_for_line(&machine->qemu, "ready");
	machine_wait_for_picture(machine, 1, 1280, 800, 1);
	time_frames(machine, "ScanoutMap/UpdateMap, virtio-gpu, 1280x800, flips", 100, flip_next);
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		MACHINE(key_shows_in_the_picture_of_a_vga),
		MACHINE(key_shows_in_the_picture_of_a_bochs_display),
		MACHINE(frames_of_bytes_cost),
		MACHINE(frames_of_a_vgas_map_cost),
		MACHINE(frames_of_a_virtio_gpus_map_cost),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-times", tests, NULL, NULL);
}
