/*
 * Machines that oriel-qemu(1) runs and hands over, as most people will have them: from a command line of
 * QEMU's to a picture that is exact and a keyboard that is heard.
 */
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/source.h"
#include "input.h"
#include "machine.h"
#include "picture.h"
#include "server.h"
#include "view/guest_view.h"
#include "view/layout.h"

#define OUTPUT "output OUTPUT-1 {\n\tmode 320x240\n}\n"
#define OUTPUTS                                                                                    \
	"output OUTPUT-1 {\n\tmode 320x240\n}\n"                                                   \
	"output OUTPUT-2 {\n\tmode 500x371\n}\n"

/* It is asked for the machine before that runs. */
static void start_oriel(struct machine *machine, int output_count, const char *config) {
	machine_start_oriel(machine, output_count, config);
	assert_non_null(oriel_server_listen(machine->fixture.server));
}

static const char *get_output_name(struct machine *machine, int number) {
	return machine_get_output(machine, number)->name;
}

/* Both end with NULL. */
static void start(struct machine *machine, enum qemu_guest guest, const char *const options[],
		const char *const arguments[]) {
	machine->qemu.runner_options = options;
	qemu_start(&machine->qemu, guest, arguments);
	machine->qemu.runner_options = NULL;
}

static void type(struct machine *machine, uint32_t key) {
	input_type(&machine->input, (const uint32_t[]){ key, 0 });
}

static void wait_for_small(struct machine *machine, int number, uint32_t seed) {
	machine_wait_for_picture(machine, number, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, seed);
}

static bool is_lost(struct fixture *fixture, void *data) {
	return oriel_guest_view_get_state(data) == ORIEL_SOURCE_STATE_LOST;
}

static void machine_is_shown_has_the_keyboard_and_ends(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_BOOT);
	start_oriel(machine, 2, OUTPUTS);
	start(machine, QEMU_GUEST_BOOT,
			(const char *const[]){ "--name", "box", "--output",
					get_output_name(machine, 1), NULL },
			(const char *const[]){ "-device", "VGA", NULL });
	wait_for_small(machine, 1, 0);
	type(machine, KEY_A);
	wait_for_small(machine, 1, KEY_A);
	type(machine, KEY_2);
	machine_resize_output(machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT);
	machine_wait_for_picture(
			machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, BOOT_LARGE_SCANCODE);
	/* It switches itself off. */
	struct oriel_guest_view *view = machine_get_view(machine, "box");
	type(machine, KEY_Q);
	qemu_wait_for_end(&machine->qemu);
	fixture_step_until(&machine->fixture, is_lost, view);

	/* Run again, by the name that QEMU was given, and on another output. */
	start(machine, QEMU_GUEST_BOOT,
			(const char *const[]){ "--output", get_output_name(machine, 2), NULL },
			(const char *const[]){ "-name", "other", "-device", "bochs-display", NULL });
	machine_resize_output(machine, 2, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT);
	wait_for_small(machine, 2, 0);
	assert_non_null(machine_get_view(machine, "other"));
	type(machine, KEY_B);
	wait_for_small(machine, 2, KEY_B);
}

static void machine_goes_on_without_oriel_and_is_shown_by_the_next(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_BOOT);
	start_oriel(machine, 1, OUTPUT);
	start(machine, QEMU_GUEST_BOOT, (const char *const[]){ NULL },
			(const char *const[]){ "-device", "VGA", NULL });
	wait_for_small(machine, 1, 0);
	type(machine, KEY_A);
	wait_for_small(machine, 1, KEY_A);
	machine_stop_oriel(machine);
	qemu_type(&machine->qemu, "b");
	start_oriel(machine, 1, OUTPUT);
	wait_for_small(machine, 1, KEY_B);
	type(machine, KEY_C);
	wait_for_small(machine, 1, KEY_C);
}

/* A guest that the configuration has, with a head that follows its output. */
static void heads_are_on_the_outputs_that_the_configuration_says(void **state) {
	struct machine *machine = *state;
	qemu_require(QEMU_GUEST_LINUX);
	start_oriel(machine, 2,
			OUTPUTS "guest linux {\n\tsource qemu handover\n\toutput OUTPUT-1\n"
				"\thead 1 output OUTPUT-2\n}\n");
	start(machine, QEMU_GUEST_LINUX, (const char *const[]){ "--name", "linux", NULL },
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display,max_outputs=2",
					"-device", "virtio-keyboard-pci", NULL });
	qemu_wait_for_line(&machine->qemu, "ready");
	machine_wait_for_picture(machine, 1, 320, 240, 1);
	machine_wait_for_picture(machine, 2, 500, 371, 2);
	qemu_command(&machine->qemu, "paint 1 9");
	machine_wait_for_picture(machine, 2, 500, 371, 9);
	machine_wait_until_same(machine, 1, "display", 0);
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		MACHINE(machine_is_shown_has_the_keyboard_and_ends),
		MACHINE(machine_goes_on_without_oriel_and_is_shown_by_the_next),
		MACHINE(heads_are_on_the_outputs_that_the_configuration_says),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-attach", tests, NULL, NULL);
}
