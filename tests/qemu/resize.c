/*
 * A Linux under QEMU follows the size of what shows it, and which of its heads are shown at all: by
 * QEMU's SetUIInfo, of which the test takes note where oriel calls it.
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
#include <wlr/backend/headless.h>
#include <wlr/backend/multi.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/clock.h"
#include "guest/qemu/bus.h"
#include "machine.h"
#include "server.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The second head's output comes later. */
#define CONFIG                                                                                     \
	"output OUTPUT-1 {\n\tmode 640x480\n}\n"                                                   \
	"output OUTPUT-2 {\n\tmode 501x373\n}\n"                                                   \
	"guest machine {\n\tsource qemu QMP\n\toutput OUTPUT-1\n\thead 1 output OUTPUT-2\n}\n"     \
	"bind Super+1 guest machine\n"

#define SETTLE_NS 100000000ull

/* --- what QEMU is told ------------------------------------------------------------------------ */

#define TOLD_MAX 256

static struct told {
	uint32_t width, height;
	uint64_t time_ns;
} told[TOLD_MAX]; /* of the first head */
static size_t told_count;

int __wrap_sd_bus_call_method_async(sd_bus *bus, sd_bus_slot **slot, const char *destination,
		const char *path, const char *interface, const char *member,
		sd_bus_message_handler_t callback, void *data, const char *types, ...);

int __wrap_sd_bus_call_method_async(sd_bus *bus, sd_bus_slot **slot, const char *destination,
		const char *path, const char *interface, const char *member,
		sd_bus_message_handler_t callback, void *data, const char *types, ...) {
	va_list arguments;
	if (strcmp(member, "SetUIInfo") == 0 && strstr(path, "Console_0") != NULL) {
		assert_true(told_count < TOLD_MAX);
		va_start(arguments, types);
		for (int i = 0; i < 4; i++) {
			va_arg(arguments, int); /* millimetres, and the place */
		}
		told[told_count].width = va_arg(arguments, uint32_t);
		told[told_count].height = va_arg(arguments, uint32_t);
		told[told_count++].time_ns = oriel_clock_now_ns();
		va_end(arguments);
	}
	va_start(arguments, types);
	int ret = sd_bus_call_method_asyncv(bus, slot, destination, path, interface, member,
			callback, data, types, arguments);
	va_end(arguments);
	return ret;
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void wait_for_place(struct machine *machine, int x, int y, int width, int height) {
	char line[64];
	input_move(&machine->input, x + 0.5, y + 0.5);
	snprintf(line, sizeof(line), "tablet 3 0 %d", x * 32767 / width);
	qemu_wait_for_line(&machine->qemu, line);
	snprintf(line, sizeof(line), "tablet 3 1 %d", y * 32767 / height);
	qemu_wait_for_line(&machine->qemu, line);
}

static void start(struct machine *machine) {
	qemu_require(QEMU_GUEST_LINUX);
	qemu_start(&machine->qemu, QEMU_GUEST_LINUX,
			(const char *const[]){ "-device", "virtio-gpu-pci,id=display,max_outputs=2",
					"-device", "virtio-tablet-pci", NULL });
	machine_start_oriel(machine, 1, CONFIG);
	qemu_wait_for_line(&machine->qemu, "ready");
	machine_wait_for_picture(machine, 1, 640, 480, 1);
	told_count = 0;
}

static void wait_for_mode(struct machine *machine, int head, int width, int height) {
	char line[64];
	snprintf(line, sizeof(line), "head %d %dx%d", head, width, height);
	qemu_wait_for_line(&machine->qemu, line);
}

static double ms_between(uint64_t from_ns, uint64_t to_ns) {
	return (double)(int64_t)(to_ns - from_ns) / 1e6;
}

static void last_of_many_sizes_is_the_guests(void **state) {
	enum {
		RESIZES = 50
	};
	struct machine *machine = *state;
	start(machine);
	uint64_t resize_ns[RESIZES];
	int width = 0, height = 0;
	for (int i = 0; i < RESIZES; i++) {
		width = 431 + 7 * i;
		height = 300 + 5 * i;
		machine_resize_output(machine, 1, width, height);
		resize_ns[i] = oriel_clock_now_ns();
		fixture_step(&machine->fixture, 4);
	}
	wait_for_mode(machine, 0, width, height);
	uint64_t set_ns = oriel_clock_now_ns();
	machine_wait_for_picture(machine, 1, width, height, 1);
	uint64_t shown_ns = oriel_clock_now_ns();

	/* Places are those of the new picture. */
	input_type(&machine->input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	wait_for_place(machine, width - 1, height - 1, width, height);
	wait_for_place(machine, 100, 50, width, height);

	/* QEMU was told of no size that had not lasted, and of this one once. */
	assert_true(told_count >= 1);
	const struct told *last = &told[told_count - 1];
	assert_int_equal(last->width, width);
	assert_int_equal(last->height, height);
	for (size_t i = 0; i < told_count; i++) {
		for (int j = 0; j < RESIZES; j++) {
			bool is_before = resize_ns[j] < told[i].time_ns;
			/* The timer has milliseconds. */
			assert_true(!is_before ||
					told[i].time_ns - resize_ns[j] >= SETTLE_NS - 2000000);
		}
	}
	uint64_t end_ns = resize_ns[RESIZES - 1];
	print_message("# %d sizes in %.0f ms: QEMU was told of %zu, of the last one after %.0f ms; the guest "
		      "had set it after %.0f ms, and it was on screen after %.0f ms\n",
			RESIZES, ms_between(resize_ns[0], end_ns), told_count,
			ms_between(end_ns, last->time_ns), ms_between(end_ns, set_ns),
			ms_between(end_ns, shown_ns));
}

static void each_size_is_the_guests(void **state) {
	static const struct {
		int width, height;
	} sizes[] = { { 1001, 701 }, { 333, 777 }, { 65, 200 }, { 1366, 768 }, { 1919, 1079 },
		{ 640, 480 } };
	struct machine *machine = *state;
	start(machine);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		machine_resize_output(machine, 1, sizes[i].width, sizes[i].height);
		uint64_t resize_ns = oriel_clock_now_ns();
		wait_for_mode(machine, 0, sizes[i].width, sizes[i].height);
		print_message("# %dx%d: the guest had set it after %.0f ms\n", sizes[i].width,
				sizes[i].height, ms_between(resize_ns, oriel_clock_now_ns()));
		machine_wait_for_picture(machine, 1, sizes[i].width, sizes[i].height, 1);
	}
	assert_int_equal(told_count, ARRAY_LENGTH(sizes));
	/* Too low for what QEMU tells the guest: it has a bar at each side, and not another mode. */
	machine_resize_output(machine, 1, 300, 150);
	wait_for_mode(machine, 0, 300, 200);
}

/* --- heads ------------------------------------------------------------------------------------ */

static void find_headless(struct wlr_backend *backend, void *data) {
	struct wlr_backend **found = data;
	if (wlr_backend_is_headless(backend)) {
		*found = backend;
	}
}

static struct wlr_output *plug_output(struct machine *machine) {
	struct wlr_backend *headless = NULL;
	wlr_multi_for_each_backend(machine->fixture.server->backend, find_headless, &headless);
	assert_non_null(headless);
	struct wlr_output *output = wlr_headless_add_output(headless, 501, 373);
	assert_non_null(output);
	return output;
}

static void head_is_plugged_with_its_output(void **state) {
	struct machine *machine = *state;
	start(machine);
	struct wlr_output *output = plug_output(machine);
	wait_for_mode(machine, 1, 501, 373);
	machine_wait_for_picture(machine, 2, 501, 373, 2);
	machine_wait_for_picture(machine, 1, 640, 480, 1);
	wlr_output_destroy(output);
	qemu_wait_for_line(&machine->qemu, "head 1 off");
	machine_wait_for_picture(machine, 1, 640, 480, 1);
	/* The first head has not been told of any of that. */
	assert_int_equal(told_count, 0);
	assert_false(qemu_has_line(&machine->qemu, "head 0 640x480"));
}

#define MACHINE(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		MACHINE(last_of_many_sizes_is_the_guests),
		MACHINE(each_size_is_the_guests),
		MACHINE(head_is_plugged_with_its_output),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-resize", tests, NULL, NULL);
}
