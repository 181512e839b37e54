/*
 * The guests of tests/guests, as QEMU itself has them: what the other tests here compare with. No
 * oriel takes part.
 */
#include <json-c/json.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "picture.h"
#include "qemu.h"

struct machine {
	struct qemu qemu;
	int fds_before;
};

static int machine_setup(void **state) {
	struct machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL) {
		return -1;
	}
	machine->fds_before = fds_count_open();
	qemu_init(&machine->qemu, NULL);
	*state = machine;
	return 0;
}

static int machine_teardown(void **state) {
	struct machine *machine = *state;
	qemu_finish(&machine->qemu);
	int ret = fds_count_open() == machine->fds_before ? 0 : -1;
	free(machine);
	return ret;
}

/* What a head is to show. */
struct wanted_picture {
	int head, width, height;
	uint32_t seed;
};

static bool shows_picture(struct qemu *qemu, void *data) {
	const struct wanted_picture *wanted = data;
	struct screenshot dump = qemu_screendump(qemu, "display", wanted->head);
	bool is_shown = dump.width == wanted->width && dump.height == wanted->height;
	for (uint32_t n = 0; is_shown && n < (uint32_t)(dump.width * dump.height); n++) {
		is_shown = dump.pixels[n] == guest_picture_get_pixel(n, wanted->seed);
	}
	screenshot_finish(&dump);
	return is_shown;
}

static void wait_for_picture(struct qemu *qemu, int head, int width, int height, uint32_t seed) {
	struct wanted_picture wanted = {
		.head = head,
		.width = width,
		.height = height,
		.seed = seed,
	};
	qemu_wait_until(qemu, shows_picture, &wanted);
}

static bool has_size(struct qemu *qemu, void *data) {
	const struct wanted_picture *wanted = data;
	struct screenshot dump = qemu_screendump(qemu, "display", 0);
	bool is_size = dump.width == wanted->width && dump.height == wanted->height;
	screenshot_finish(&dump);
	return is_size;
}

static void guest_paints_each_mode_and_ends(struct qemu *qemu, bool has_vga) {
	wait_for_picture(qemu, 0, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	qemu_type(qemu, "a");
	wait_for_picture(qemu, 0, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_A);
	qemu_type(qemu, "2");
	wait_for_picture(qemu, 0, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, BOOT_LARGE_SCANCODE);
	if (has_vga) {
		/* Lines and columns are doubled; letters are 9x16. */
		qemu_type(qemu, "3");
		qemu_wait_until(qemu, has_size,
				&(struct wanted_picture){ .width = 640, .height = 400 });
		qemu_type(qemu, "4");
		qemu_wait_until(qemu, has_size,
				&(struct wanted_picture){ .width = 720, .height = 400 });
	}
	qemu_type(qemu, "1");
	wait_for_picture(qemu, 0, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, BOOT_SMALL_SCANCODE);
	qemu_type(qemu, "r");
	qemu_wait_for_event(qemu, "RESET");
	wait_for_picture(qemu, 0, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	qemu_type(qemu, "q");
	qemu_wait_for_event(qemu, "SHUTDOWN");
	qemu_wait_for_end(qemu);
}

static void boot_sector_on_vga_paints_each_mode_and_ends(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_BOOT);
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT,
			(const char *const[]){ "-device", "VGA,id=display", NULL });
	guest_paints_each_mode_and_ends(&machine->qemu, true);
}

static void boot_sector_on_bochs_display_paints_each_mode_and_ends(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_BOOT);
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT,
			(const char *const[]){ "-device", "bochs-display,id=display", NULL });
	guest_paints_each_mode_and_ends(&machine->qemu, false);
}

static void gpu_guest_paints_each_mode_and_ends(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_GPU);
	qemu_start(&machine->qemu, QEMU_GUEST_GPU,
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display", NULL });
	guest_paints_each_mode_and_ends(&machine->qemu, false);
}

static void linux_shows_pictures_and_says_what_is_typed(void **state) {
	struct machine *machine = *state;
	struct qemu *qemu = &machine->qemu;
	qemu_require(QEMU_GUEST_LINUX);
	qemu_start(qemu, QEMU_GUEST_LINUX,
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display,max_outputs=2",
					"-device", "virtio-keyboard-pci", NULL });
	qemu_wait_for_line(qemu, "device keyboard");
	qemu_wait_for_line(qemu, "head 0 1280x800");
	qemu_wait_for_line(qemu, "head 1 off");
	qemu_wait_for_line(qemu, "ready");
	wait_for_picture(qemu, 0, 1280, 800, 1);
	qemu_command(qemu, "mode 0 640x480");
	wait_for_picture(qemu, 0, 640, 480, 1);
	qemu_command(qemu, "paint 0 5");
	wait_for_picture(qemu, 0, 640, 480, 5);
	qemu_command(qemu, "flip 0 3");
	qemu_wait_for_line(qemu, "flipped 0 8");
	wait_for_picture(qemu, 0, 640, 480, 8);
	qemu_type(qemu, "a");
	qemu_wait_for_line(qemu, "keyboard 1 30 1");
	qemu_wait_for_line(qemu, "keyboard 1 30 0");
	qemu_kill(qemu);
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		MACHINE(boot_sector_on_vga_paints_each_mode_and_ends),
		MACHINE(boot_sector_on_bochs_display_paints_each_mode_and_ends),
		MACHINE(gpu_guest_paints_each_mode_and_ends),
		MACHINE(linux_shows_pictures_and_says_what_is_typed),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-guests", tests, NULL, NULL);
}
