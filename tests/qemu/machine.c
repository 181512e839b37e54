#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "output/output.h"
#include "picture.h"
#include "server.h"
#include "view/guest_view.h"

int machine_setup(void **state) {
	struct machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL) {
		return -1;
	}
	machine->fds_before = fds_count_open();
	qemu_init(&machine->qemu, &machine->fixture);
	*state = machine;
	return 0;
}

int machine_teardown(void **state) {
	struct machine *machine = *state;
	int ret = 0;
	screen_watch_end(&machine->flips.watch);
	if (machine->is_served) {
		machine_stop_oriel(machine);
	}
	qemu_finish(&machine->qemu);
	int fds = fds_count_open();
	if (fds != machine->fds_before) {
		print_error("%d open files before, %d after\n", machine->fds_before, fds);
		ret = -1;
	}
	free(machine);
	return ret;
}

/* For free(): config with the monitor's path for each QMP. */
static char *name_monitor(const struct machine *machine, const char *config) {
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (const char *found; (found = strstr(config, "QMP")) != NULL; config = found + 3) {
		fprintf(stream, "%.*s%s", (int)(found - config), config, machine->qemu.monitor_path);
	}
	fputs(config, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

void machine_start_oriel(struct machine *machine, int output_count, const char *config) {
	char digits[16];
	snprintf(digits, sizeof(digits), "%d", output_count);
	setenv("WLR_HEADLESS_OUTPUTS", digits, true);
	char *text = name_monitor(machine, config);
	fixture_init(&machine->fixture, text);
	free(text);
	machine->is_served = true;
	machine->qemu_fds = qemu_count_fds(&machine->qemu);
	input_plug(&machine->input, &machine->fixture);
}

void machine_stop_oriel(struct machine *machine) {
	machine->is_served = false;
	/* QEMU may have been started or have ended meanwhile. */
	machine->fixture.fds_before += qemu_count_fds(&machine->qemu) - machine->qemu_fds;
	fixture_finish(&machine->fixture);
}

struct oriel_guest_view *machine_get_view(struct machine *machine, const char *guest_name) {
	return fixture_get_view(&machine->fixture, guest_name);
}

struct wlr_output *machine_get_output(struct machine *machine, int number) {
	const char *name = machine->fixture.first_output_number != 0
			? fixture_get_numbered_output_name(&machine->fixture, number)
			: fixture_get_output_name(&machine->fixture, number - 1);
	return fixture_get_output(&machine->fixture, name)->wlr_output;
}

void machine_resize_output(struct machine *machine, int number, int width, int height) {
	struct wlr_output *output = machine_get_output(machine, number);
	struct wlr_output_state output_state;
	wlr_output_state_init(&output_state);
	wlr_output_state_set_custom_mode(&output_state, width, height, 0);
	struct wlr_output_event_request_state event = { .output = output, .state = &output_state };
	wl_signal_emit_mutable(&output->events.request_state, &event);
	wlr_output_state_finish(&output_state);
	assert_int_equal(output->width, width);
	assert_int_equal(output->height, height);
}

static struct screenshot take_screenshot(struct machine *machine, int number) {
	return screenshot_take(&machine->fixture, machine_get_output(machine, number)->name);
}

/* Turns after which is looked though no guest has shown anything new: an output may have changed. */
#define LOOK_TURNS 50

struct wanted {
	struct machine *machine;
	uint64_t shown; /* frames of all guests', at the last look */
	unsigned turns; /* since that; 0: there was none */
	int number; /* of the output */
	const char *device;
	int head;
	int width, height;
	uint32_t seed;
};

/* A look is a frame of its own, which costs much where a renderer is the CPU of a test VM. */
static bool is_worth_a_look(struct wanted *wanted) {
	uint64_t shown = 0;
	const struct oriel_guest_view *view;
	wl_list_for_each(view, &wanted->machine->fixture.server->layout.views, link) {
		shown += view->stats.shown;
	}
	if (wanted->turns > 0 && wanted->turns < LOOK_TURNS && shown == wanted->shown) {
		wanted->turns++;
		return false;
	}
	wanted->shown = shown;
	wanted->turns = 1;
	return true;
}

static bool is_same(struct qemu *qemu, void *data) {
	struct wanted *wanted = data;
	if (!is_worth_a_look(wanted)) {
		return false;
	}
	struct screenshot dump = qemu_screendump(qemu, wanted->device, wanted->head);
	const struct wlr_output *output = machine_get_output(wanted->machine, wanted->number);
	if (output->width != dump.width || output->height != dump.height) {
		machine_resize_output(wanted->machine, wanted->number, dump.width, dump.height);
	}
	struct screenshot shown = take_screenshot(wanted->machine, wanted->number);
	bool is_same = memcmp(shown.pixels, dump.pixels,
				       (size_t)dump.width * (size_t)dump.height *
						       sizeof(*dump.pixels)) == 0;
	screenshot_finish(&shown);
	screenshot_finish(&dump);
	return is_same;
}

void machine_wait_until_same(struct machine *machine, int number, const char *device, int head) {
	struct wanted wanted = {
		.machine = machine,
		.number = number,
		.device = device,
		.head = head,
	};
	qemu_wait_until(&machine->qemu, is_same, &wanted);
}

bool machine_is_picture(const struct screenshot *frame, int width, int height, uint32_t seed) {
	if (frame->width != width || frame->height != height) {
		return false;
	}
	for (uint32_t n = 0; n < (uint32_t)(width * height); n++) {
		if (frame->pixels[n] != guest_picture_get_pixel(n, seed)) {
			return false;
		}
	}
	return true;
}

static bool shows_picture(struct qemu *qemu, void *data) {
	struct wanted *wanted = data;
	if (!is_worth_a_look(wanted)) {
		return false;
	}
	struct screenshot shown = take_screenshot(wanted->machine, wanted->number);
	bool is_picture = machine_is_picture(&shown, wanted->width, wanted->height, wanted->seed);
	screenshot_finish(&shown);
	return is_picture;
}

void machine_wait_for_picture(
		struct machine *machine, int number, int width, int height, uint32_t seed) {
	struct wanted wanted = {
		.machine = machine,
		.number = number,
		.width = width,
		.height = height,
		.seed = seed,
	};
	qemu_wait_until(&machine->qemu, shows_picture, &wanted);
}

static bool flips_find(struct machine_flips *flips, const struct screenshot *frame) {
	if (!flips->has_begun &&
			machine_is_picture(frame, flips->width, flips->height, flips->before)) {
		return true;
	}
	for (uint32_t seed = flips->seed; seed <= flips->last; seed++) {
		if (machine_is_picture(frame, flips->width, flips->height, seed)) {
			flips->pictures += !flips->has_begun || seed != flips->seed;
			flips->has_begun = true;
			flips->seed = seed;
			return true;
		}
	}
	return false;
}

static void handle_frame(const struct screenshot *frame, void *data) {
	struct machine_flips *flips = data;
	if (!flips_find(flips, frame)) {
		fail_msg("frame %u, of %dx%d, which begins with %06x, is no picture of %dx%d from %u to %u",
				flips->watch.frames, frame->width, frame->height, frame->pixels[0],
				flips->width, flips->height, flips->seed, flips->last);
	}
}

void machine_flips_begin(struct machine *machine, int number, int width, int height,
		uint32_t before, uint32_t first, uint32_t last) {
	machine->flips = (struct machine_flips){
		.width = width,
		.height = height,
		.before = before,
		.first = first,
		.last = last,
		.seed = first,
	};
	screen_watch_begin(&machine->flips.watch, machine_get_output(machine, number), handle_frame,
			&machine->flips);
}

void machine_flips_end(struct machine *machine, int number) {
	struct machine_flips *flips = &machine->flips;
	machine_wait_for_picture(machine, number, flips->width, flips->height, flips->last);
	screen_watch_end(&flips->watch);
	print_message("# %u flips: %u frames, %u pictures\n", flips->last + 1 - flips->first,
			flips->watch.frames, flips->pictures);
	assert_true(flips->pictures > 0);
}
