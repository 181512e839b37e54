/*
 * What a machine's displays show is on oriel's outputs, pixel for pixel: through each of the ways that
 * QEMU hands over a picture that the CPU has drawn, and from one to the next.
 */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "gpu.h"
#include "guest/source.h"
#include "linux.h"
#include "machine.h"
#include "picture.h"
#include "view/guest_view.h"

#define ONE_HEAD                                                                                   \
	"output OUTPUT-1 {\n\tmode 320x240\n}\n"                                                   \
	"output OUTPUT-2 {\n\tmode 64x48\n}\n"                                                     \
	"guest machine {\n\tsource qemu QMP\n\toutput OUTPUT-1\n}\n"                               \
	"guest other {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n"

static void wait_for_small(struct machine *machine, uint32_t seed) {
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, seed);
}

static void switch_to_large(struct machine *machine) {
	qemu_type(&machine->qemu, "2");
	machine_resize_output(machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT);
	machine_wait_for_picture(
			machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, BOOT_LARGE_SCANCODE);
}

static enum oriel_source_state get_state(struct machine *machine) {
	return oriel_source_get_state(machine_get_view(machine, "machine")->source);
}

static void assert_other_goes_on(struct machine *machine) {
	const struct oriel_guest_view *other = machine_get_view(machine, "other");
	uint64_t taken = oriel_source_get_counters(other->source).taken;
	fixture_step_output_refreshes(&machine->fixture, machine_get_output(machine, 2)->name, 4);
	assert_true(oriel_source_get_counters(other->source).taken > taken);
}

struct wanted_state {
	struct machine *machine;
	enum oriel_source_state state;
};

static bool is_in_state(struct fixture *fixture, void *data) {
	const struct wanted_state *wanted = data;
	return get_state(wanted->machine) == wanted->state;
}

/* QEMU need not run for it. */
static void wait_for_state(struct machine *machine, enum oriel_source_state state) {
	struct wanted_state wanted = { .machine = machine, .state = state };
	fixture_step_until(&machine->fixture, is_in_state, &wanted);
}

static bool shows(struct machine *machine, int width, int height, uint32_t seed) {
	struct screenshot shown =
			screenshot_take(&machine->fixture, machine_get_output(machine, 1)->name);
	bool is_picture = machine_is_picture(&shown, width, height, seed);
	screenshot_finish(&shown);
	return is_picture;
}

/* --- the boot sector -------------------------------------------------------------------------- */

static void start_boot(struct machine *machine, const char *device) {
	qemu_require(QEMU_GUEST_BOOT);
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT, (const char *const[]){ "-device", device, NULL });
}

/* Modes of 32 bits are told by their bytes, VGA's by a file that is mapped. */
static void vga_is_shown_in_each_mode(void **state) {
	struct machine *machine = *state;
	start_boot(machine, "VGA,id=display");
	machine_start_oriel(machine, 2, ONE_HEAD);
	wait_for_small(machine, 0);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_RUNNING);
	qemu_type(&machine->qemu, "a");
	wait_for_small(machine, KEY_A);

	static const char *const ways[] = { "3", "4", "2", "4", "3", "1", "2", "3" };
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		qemu_type(&machine->qemu, ways[i]);
		machine_wait_until_same(machine, 1, "display", 0);
		qemu_type(&machine->qemu, "b");
		machine_wait_until_same(machine, 1, "display", 0);
	}
	switch_to_large(machine);
	qemu_type(&machine->qemu, "c");
	machine_wait_for_picture(machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, KEY_C);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_RUNNING);
	assert_other_goes_on(machine);
}

static void bochs_display_is_shown_in_each_mode(void **state) {
	struct machine *machine = *state;
	start_boot(machine, "bochs-display,id=display");
	machine_start_oriel(machine, 2, ONE_HEAD);
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "a");
	wait_for_small(machine, KEY_A);
	switch_to_large(machine);
	qemu_type(&machine->qemu, "1");
	machine_resize_output(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT);
	wait_for_small(machine, BOOT_SMALL_SCANCODE);
	assert_other_goes_on(machine);
}

static void machine_stops_goes_on_resets_and_ends(void **state) {
	struct machine *machine = *state;
	start_boot(machine, "VGA,id=display");
	machine_start_oriel(machine, 2, ONE_HEAD);
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "a");
	wait_for_small(machine, KEY_A);

	qemu_do(&machine->qemu, "{'execute': 'stop'}");
	fixture_step_refreshes(&machine->fixture, 10);
	assert_true(shows(machine, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_A));
	qemu_do(&machine->qemu, "{'execute': 'cont'}");
	qemu_type(&machine->qemu, "b");
	wait_for_small(machine, KEY_B);

	qemu_type(&machine->qemu, "r");
	qemu_wait_for_event(&machine->qemu, "RESET");
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "b");
	wait_for_small(machine, KEY_B);
	qemu_do(&machine->qemu, "{'execute': 'system_reset'}");
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "c");
	wait_for_small(machine, KEY_C);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_RUNNING);
	assert_other_goes_on(machine);

	/* It switches itself off, and its last picture stays for a while. */
	qemu_type(&machine->qemu, "q");
	qemu_wait_for_end(&machine->qemu);
	wait_for_state(machine, ORIEL_SOURCE_STATE_LOST);
	assert_true(shows(machine, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_C));
	assert_other_goes_on(machine);

	/* The next one at that path is the same guest. */
	const struct oriel_guest_view *view = machine_get_view(machine, "machine");
	start_boot(machine, "bochs-display,id=display");
	wait_for_small(machine, 0);
	assert_ptr_equal(machine_get_view(machine, "machine"), view);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_RUNNING);
}

static void machine_that_is_killed_is_lost_and_found_again(void **state) {
	struct machine *machine = *state;
	start_boot(machine, "VGA,id=display");
	machine_start_oriel(machine, 2, ONE_HEAD);
	for (int i = 0; i < 2; i++) {
		wait_for_small(machine, 0);
		qemu_type(&machine->qemu, "a");
		wait_for_small(machine, KEY_A);
		qemu_kill(&machine->qemu);
		wait_for_state(machine, ORIEL_SOURCE_STATE_LOST);
		assert_true(shows(machine, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_A));
		assert_other_goes_on(machine);
		start_boot(machine, "VGA,id=display");
	}
	wait_for_small(machine, 0);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_RUNNING);
}

static void oriel_that_restarts_finds_the_machine_as_it_is(void **state) {
	struct machine *machine = *state;
	start_boot(machine, "VGA,id=display");
	machine_start_oriel(machine, 2, ONE_HEAD);
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "a");
	wait_for_small(machine, KEY_A);
	for (int i = 0; i < 3; i++) {
		machine_stop_oriel(machine);
		machine_start_oriel(machine, 2, ONE_HEAD);
		wait_for_small(machine, KEY_A);
	}
	/* In another of QEMU's ways, while nobody is there. */
	machine_stop_oriel(machine);
	qemu_type(&machine->qemu, "4");
	machine_start_oriel(machine, 2, ONE_HEAD);
	machine_wait_until_same(machine, 1, "display", 0);
}

static void machine_that_comes_later_is_found(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, 2, ONE_HEAD);
	fixture_step_output_refreshes(&machine->fixture, machine_get_output(machine, 2)->name, 10);
	assert_int_equal(get_state(machine), ORIEL_SOURCE_STATE_WAITING);
	start_boot(machine, "VGA,id=display");
	wait_for_small(machine, 0);
}

/* --- virtio-gpu ------------------------------------------------------------------------------- */

static void virtio_gpu_flips_from_picture_to_picture(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_GPU);
	qemu_start(&machine->qemu, QEMU_GUEST_GPU,
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display", NULL });
	machine_start_oriel(machine, 2, ONE_HEAD);
	wait_for_small(machine, 0);
	qemu_type(&machine->qemu, "a");
	wait_for_small(machine, KEY_A);
	machine_flips_begin(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_A, 1, GPU_FLIPS);
	qemu_type(&machine->qemu, "f");
	machine_flips_end(machine, 1);
	switch_to_large(machine);
	assert_other_goes_on(machine);
}

/* --- Linux ------------------------------------------------------------------------------------ */

#define TWO_HEADS                                                                                  \
	"output OUTPUT-1 {\n\tmode 640x480\n}\n"                                                   \
	"output OUTPUT-2 {\n\tmode 500x371\n}\n"                                                   \
	"guest machine {\n\tsource qemu QMP\n\toutput OUTPUT-1\n\thead 1 output OUTPUT-2\n}\n"
#define WIDTH 640
#define HEIGHT 480

static void start_linux(struct machine *machine) {
	qemu_require(QEMU_GUEST_LINUX);
	qemu_start(&machine->qemu, QEMU_GUEST_LINUX,
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display,max_outputs=2",
					"-device", "virtio-keyboard-pci", NULL });
	machine_start_oriel(machine, 2, TWO_HEADS);
	qemu_wait_for_line(&machine->qemu, "ready");
	machine_wait_for_picture(machine, 1, WIDTH, HEIGHT, 1);
	machine_wait_for_picture(machine, 2, 500, 371, 2);
}

static void flips_are_whole_pictures_in_order(struct machine *machine) {
	enum {
		FLIPS = 60
	};
	machine_flips_begin(machine, 1, WIDTH, HEIGHT, 1, 2, 1 + FLIPS);
	qemu_command(&machine->qemu, "flip 0 %d", FLIPS);
	machine_flips_end(machine, 1);
}

/* What is drawn of a picture, and nothing else, is drawn again. */
static void boxes_change_what_they_cover(struct machine *machine) {
	qemu_command(&machine->qemu, "box 0 100 50 60 40 ff8000");
	machine_wait_until_same(machine, 1, "display", 0);
	qemu_command(&machine->qemu, "box 0 639 479 1 1 123456");
	machine_wait_until_same(machine, 1, "display", 0);
	struct screenshot shown =
			screenshot_take(&machine->fixture, machine_get_output(machine, 1)->name);
	assert_int_equal(screenshot_get_pixel(&shown, 100, 50), 0xff8000);
	assert_int_equal(screenshot_get_pixel(&shown, 159, 89), 0xff8000);
	assert_int_equal(screenshot_get_pixel(&shown, 639, 479), 0x123456);
	screenshot_finish(&shown);
}

struct wanted_cursor {
	struct machine *machine;
	int left, top; /* of its square */
	uint32_t rgb;
	uint32_t seed; /* of the picture behind it */
	bool is_shown;
};

static bool shows_cursor(struct qemu *qemu, void *data) {
	const struct wanted_cursor *wanted = data;
	struct screenshot shown = screenshot_take(
			&wanted->machine->fixture, machine_get_output(wanted->machine, 1)->name);
	bool is_right = true;
	for (int y = 0; y < HEIGHT && is_right; y++) {
		for (int x = 0; x < WIDTH && is_right; x++) {
			bool is_cursor = wanted->is_shown && x >= wanted->left &&
					y >= wanted->top && x < wanted->left + LINUX_CURSOR_SIZE &&
					y < wanted->top + LINUX_CURSOR_SIZE;
			uint32_t pixel = is_cursor
					? wanted->rgb
					: guest_picture_get_pixel(
							  (uint32_t)(y * WIDTH + x), wanted->seed);
			is_right = screenshot_get_pixel(&shown, x, y) == pixel;
		}
	}
	screenshot_finish(&shown);
	return is_right;
}

static void cursor_is_where_its_hot_spot_says(struct machine *machine, uint32_t seed) {
	struct wanted_cursor wanted = {
		.machine = machine,
		.left = 100,
		.top = 50,
		.rgb = 0xff0000,
		.seed = seed,
		.is_shown = true,
	};
	qemu_command(&machine->qemu, "cursor 0 103 55 3 5 ff0000");
	qemu_wait_until(&machine->qemu, shows_cursor, &wanted);
	qemu_command(&machine->qemu, "move 0 303 205");
	wanted.left = 300;
	wanted.top = 200;
	qemu_wait_until(&machine->qemu, shows_cursor, &wanted);
	/* Half of it is outside. */
	qemu_command(&machine->qemu, "move 0 0 0");
	wanted.left = -3;
	wanted.top = -5;
	qemu_wait_until(&machine->qemu, shows_cursor, &wanted);
	qemu_command(&machine->qemu, "cursor 0 639 479 0 0 00ff00");
	wanted.left = 639;
	wanted.top = 479;
	wanted.rgb = 0x00ff00;
	qemu_wait_until(&machine->qemu, shows_cursor, &wanted);
	qemu_command(&machine->qemu, "hide 0");
	wanted.is_shown = false;
	qemu_wait_until(&machine->qemu, shows_cursor, &wanted);
}

static void linux_is_shown_on_two_heads(void **state) {
	struct machine *machine = *state;
	start_linux(machine);
	flips_are_whole_pictures_in_order(machine);
	qemu_command(&machine->qemu, "paint 1 9");
	machine_wait_for_picture(machine, 2, 500, 371, 9);
	qemu_command(&machine->qemu, "paint 0 7");
	machine_wait_for_picture(machine, 1, WIDTH, HEIGHT, 7);
	cursor_is_where_its_hot_spot_says(machine, 7);
	boxes_change_what_they_cover(machine);
	machine_wait_until_same(machine, 2, "display", 1);

	machine_stop_oriel(machine);
	machine_start_oriel(machine, 2, TWO_HEADS);
	machine_wait_until_same(machine, 1, "display", 0);
	machine_wait_for_picture(machine, 2, 500, 371, 9);
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		MACHINE(vga_is_shown_in_each_mode),
		MACHINE(bochs_display_is_shown_in_each_mode),
		MACHINE(machine_stops_goes_on_resets_and_ends),
		MACHINE(machine_that_is_killed_is_lost_and_found_again),
		MACHINE(oriel_that_restarts_finds_the_machine_as_it_is),
		MACHINE(machine_that_comes_later_is_found),
		MACHINE(virtio_gpu_flips_from_picture_to_picture),
		MACHINE(linux_is_shown_on_two_heads),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-picture", tests, NULL, NULL);
}
