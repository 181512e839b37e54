#include "guest/qemu/input.h"

#include <assert.h>
#include <linux/input-event-codes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "guest/input_sink.h"
#include "guest/qemu/console.h"
#include "guest/qemu/machine.h"
#include "guest/qemu/qnum.h"

#define QNUMS 0x100
#define TOUCH_NONE (-1)

struct oriel_qemu_input {
	struct oriel_input_sink base;
	struct oriel_qemu_machine *machine;
	struct oriel_qemu_console *console; /* lives as long as the machine */
	bool has_touch; /* the machine has a touch screen */

	/*
	 * What QEMU was told to be down. A stopped machine hears of nothing, but QEMU itself takes note
	 * of keys, and passes on no release of what it takes to be up. So nothing is told to a stopped
	 * one, and what was released meanwhile is when it goes on.
	 */
	uint8_t told_qnums[QNUMS / 8];
	uint32_t told_buttons; /* a bit each; enum oriel_qemu_button */
	uint32_t told_touches; /* a bit each */
	struct {
		double x, y; /* pixels */
	} touches[ORIEL_INPUT_SINK_TOUCHES]; /* where each was last */

	int pointer_touch; /* the touch that is the pointer, or TOUCH_NONE */
	int wheel_rest[2]; /* enum oriel_input_sink_axis; of a notch */

	struct wl_listener console_change;
	struct wl_listener machine_there;
	struct wl_listener machine_reset;
	struct wl_listener machine_run;
};

static const struct oriel_input_sink_ops input_ops;

static struct oriel_qemu_input *input_from_sink(struct oriel_input_sink *sink) {
	assert(sink->ops == &input_ops);
	struct oriel_qemu_input *input = wl_container_of(sink, input, base);
	return input;
}

/* What QEMU is told */

static bool input_is_heard(const struct oriel_qemu_input *input) {
	return input->console->is_there && oriel_qemu_machine_is_running(input->machine);
}

static bool input_has_told_key(const struct oriel_qemu_input *input, uint32_t qnum) {
	return (input->told_qnums[qnum / 8] & 1u << qnum % 8) != 0;
}

static void input_tell_key(struct oriel_qemu_input *input, uint32_t qnum, bool is_pressed) {
	if (input_is_heard(input) && input_has_told_key(input, qnum) != is_pressed) {
		input->told_qnums[qnum / 8] ^= (uint8_t)(1u << qnum % 8);
		oriel_qemu_console_key(input->console, qnum, is_pressed);
	}
}

static void input_tell_button(
		struct oriel_qemu_input *input, enum oriel_qemu_button button, bool is_pressed) {
	bool was_pressed = (input->told_buttons & 1u << button) != 0;
	if (input_is_heard(input) && was_pressed != is_pressed) {
		input->told_buttons ^= 1u << button;
		oriel_qemu_console_button(input->console, button, is_pressed);
	}
}

static void input_tell_touch(
		struct oriel_qemu_input *input, enum oriel_qemu_touch kind, unsigned touch) {
	if (input_is_heard(input)) {
		oriel_qemu_console_touch(input->console, kind, touch, input->touches[touch].x,
				input->touches[touch].y);
	}
}

static void input_end_touch(struct oriel_qemu_input *input, unsigned touch) {
	if ((input->told_touches & 1u << touch) != 0 && input_is_heard(input)) {
		input->told_touches &= ~(1u << touch);
		input_tell_touch(input, ORIEL_QEMU_TOUCH_END, touch);
	}
}

/* Whoever holds something down has to press it anew. */
static void input_let_go(struct oriel_qemu_input *input) {
	oriel_input_sink_release_all(&input->base);
	oriel_input_sink_forget_place(&input->base);
	for (uint32_t qnum = 0; qnum < QNUMS; qnum++) {
		input_tell_key(input, qnum, false);
	}
	for (int button = 0; button <= ORIEL_QEMU_BUTTON_WHEEL_RIGHT; button++) {
		input_tell_button(input, (enum oriel_qemu_button)button, false);
	}
	for (unsigned touch = 0; touch < ORIEL_INPUT_SINK_TOUCHES; touch++) {
		input_end_touch(input, touch);
	}
}

/* Keys and buttons. A key that is held is repeated by the guest. */

static void input_handle_key(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	uint32_t qnum = oriel_qnum_from_evdev(code);
	if (qnum != 0) {
		input_tell_key(input_from_sink(sink), qnum, is_pressed);
	}
}

/* It may be a finger's too. */
static void input_update_left(struct oriel_qemu_input *input) {
	input_tell_button(input, ORIEL_QEMU_BUTTON_LEFT,
			input->pointer_touch != TOUCH_NONE ||
					oriel_input_sink_is_down(&input->base, BTN_LEFT));
}

static void input_handle_button(struct oriel_input_sink *sink, uint32_t code, bool is_pressed) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	switch (code) {
	case BTN_LEFT:
		input_update_left(input);
		break;
	case BTN_MIDDLE:
		input_tell_button(input, ORIEL_QEMU_BUTTON_MIDDLE, is_pressed);
		break;
	case BTN_RIGHT:
		input_tell_button(input, ORIEL_QEMU_BUTTON_RIGHT, is_pressed);
		break;
	case BTN_SIDE:
		input_tell_button(input, ORIEL_QEMU_BUTTON_SIDE, is_pressed);
		break;
	case BTN_EXTRA:
		input_tell_button(input, ORIEL_QEMU_BUTTON_EXTRA, is_pressed);
		break;
	default:
		break; /* QEMU has no other */
	}
}

/* Pointer */

static void input_handle_motion_relative(struct oriel_input_sink *sink, int dx, int dy) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	if (input_is_heard(input) && !input->console->is_absolute) {
		oriel_qemu_console_move(input->console, dx, dy);
	}
}

/* The pixel that a place lies in. Those at the far edge are the last one's. */
static uint32_t get_pixel(double place, int size) {
	double pixel = floor(place * size);
	return (uint32_t)fmin(pixel, size - 1);
}

static void input_handle_motion_absolute(struct oriel_input_sink *sink, double x, double y) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	const struct oriel_qemu_console *console = input->console;
	if (input_is_heard(input) && console->is_absolute && console->width > 0 &&
			console->height > 0) {
		oriel_qemu_console_place(input->console, get_pixel(x, console->width),
				get_pixel(y, console->height));
	}
}

/*
 * QEMU knows notches only, as buttons: what is less than one waits for the rest of it, but not for
 * what turns the other way.
 */
static void input_handle_axis(
		struct oriel_input_sink *sink, enum oriel_input_sink_axis axis, int value120) {
	static const enum oriel_qemu_button buttons[][2] = {
		[ORIEL_INPUT_SINK_AXIS_VERTICAL] = { ORIEL_QEMU_BUTTON_WHEEL_UP,
				ORIEL_QEMU_BUTTON_WHEEL_DOWN },
		[ORIEL_INPUT_SINK_AXIS_HORIZONTAL] = { ORIEL_QEMU_BUTTON_WHEEL_LEFT,
				ORIEL_QEMU_BUTTON_WHEEL_RIGHT },
	};
	struct oriel_qemu_input *input = input_from_sink(sink);
	int *rest = &input->wheel_rest[axis];
	if ((*rest < 0) != (value120 < 0)) {
		*rest = 0;
	}
	*rest += value120;
	int notches = *rest / ORIEL_INPUT_SINK_NOTCH;
	*rest %= ORIEL_INPUT_SINK_NOTCH;
	enum oriel_qemu_button button = buttons[axis][notches > 0];
	for (int i = 0; i < abs(notches); i++) {
		input_tell_button(input, button, true);
		input_tell_button(input, button, false);
	}
}

/* Touch: a screen's of the machine's, or else the pointer */

static void input_place_touch(struct oriel_qemu_input *input, unsigned touch, double x, double y) {
	const struct oriel_qemu_console *console = input->console;
	input->touches[touch].x = fmin(x * console->width, fmax(console->width - 1, 0));
	input->touches[touch].y = fmin(y * console->height, fmax(console->height - 1, 0));
}

static void input_point_by_touch(struct oriel_qemu_input *input, unsigned touch, double x, double y) {
	if (input->base.pointer != ORIEL_INPUT_SINK_POINTER_PLACES ||
			(input->pointer_touch != TOUCH_NONE && input->pointer_touch != (int)touch)) {
		return;
	}
	oriel_input_sink_motion_absolute(&input->base, x, y);
	input->pointer_touch = (int)touch;
	input_update_left(input);
}

static void input_handle_touch_down(
		struct oriel_input_sink *sink, unsigned touch, double x, double y) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	if (!input->has_touch) {
		input_point_by_touch(input, touch, x, y);
	} else if (input_is_heard(input) && (int)touch < input->console->touch_slots) {
		input_place_touch(input, touch, x, y);
		input->told_touches |= 1u << touch;
		input_tell_touch(input, ORIEL_QEMU_TOUCH_BEGIN, touch);
	}
}

static void input_handle_touch_motion(
		struct oriel_input_sink *sink, unsigned touch, double x, double y) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	if (input->pointer_touch == (int)touch) {
		oriel_input_sink_motion_absolute(&input->base, x, y);
	} else if ((input->told_touches & 1u << touch) != 0) {
		input_place_touch(input, touch, x, y);
		input_tell_touch(input, ORIEL_QEMU_TOUCH_UPDATE, touch);
	}
}

static void input_handle_touch_up(struct oriel_input_sink *sink, unsigned touch) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	if (input->pointer_touch == (int)touch) {
		input->pointer_touch = TOUCH_NONE;
		input_update_left(input);
	} else {
		input_end_touch(input, touch);
	}
}

/* QEMU makes a frame of each call. But this is when the user has done something. */
static void input_handle_frame(struct oriel_input_sink *sink) {
	oriel_qemu_console_look(input_from_sink(sink)->console);
}

/* The machine */

static uint32_t get_leds(const struct oriel_qemu_console *console) {
	static const struct {
		uint32_t qemu, sink;
	} leds[] = {
		{ ORIEL_QEMU_LED_NUM, ORIEL_INPUT_SINK_LED_NUM },
		{ ORIEL_QEMU_LED_CAPS, ORIEL_INPUT_SINK_LED_CAPS },
		{ ORIEL_QEMU_LED_SCROLL, ORIEL_INPUT_SINK_LED_SCROLL },
	};
	uint32_t mask = 0;
	for (size_t i = 0; i < sizeof(leds) / sizeof(leds[0]); i++) {
		mask |= (console->leds & leds[i].qemu) != 0 ? leds[i].sink : 0;
	}
	return mask;
}

/*
 * While the machine is not there its pointer is one that is moved to places: a press on what is left of
 * its picture is not to catch the user's.
 */
static void input_update(struct oriel_qemu_input *input) {
	const struct oriel_qemu_console *console = input->console;
	oriel_input_sink_forget_place(&input->base); /* its size may be another */
	oriel_input_sink_set_leds(
			&input->base, console->is_there && console->has_leds, get_leds(console));
	oriel_input_sink_set_pointer(&input->base,
			console->is_there && !console->is_absolute
					? ORIEL_INPUT_SINK_POINTER_DISTANCES
					: ORIEL_INPUT_SINK_POINTER_PLACES);
}

static void handle_console_change(struct wl_listener *listener, void *data) {
	struct oriel_qemu_input *input = wl_container_of(listener, input, console_change);
	input_update(input);
}

/* Another machine knows of nothing that was pressed in this one, and QEMU lets go for who leaves it. */
static void handle_machine_there(struct wl_listener *listener, void *data) {
	struct oriel_qemu_input *input = wl_container_of(listener, input, machine_there);
	memset(input->told_qnums, 0, sizeof(input->told_qnums));
	input->told_buttons = 0;
	input->told_touches = 0;
	input_let_go(input);
	input_update(input);
}

static void handle_machine_reset(struct wl_listener *listener, void *data) {
	struct oriel_qemu_input *input = wl_container_of(listener, input, machine_reset);
	input_let_go(input);
}

static void handle_machine_run(struct wl_listener *listener, void *data) {
	struct oriel_qemu_input *input = wl_container_of(listener, input, machine_run);
	if (oriel_qemu_machine_is_running(input->machine)) {
		input_let_go(input);
	}
}

static bool input_handle_adopt(struct oriel_input_sink *sink, int take_fd) {
	return oriel_qemu_machine_adopt(
			input_from_sink(sink)->machine, ORIEL_QEMU_CHANNEL_QMP_INPUT, take_fd);
}

/* Birth and death */

static void input_handle_destroy(struct oriel_input_sink *sink) {
	struct oriel_qemu_input *input = input_from_sink(sink);
	wl_list_remove(&input->console_change.link);
	wl_list_remove(&input->machine_there.link);
	wl_list_remove(&input->machine_reset.link);
	wl_list_remove(&input->machine_run.link);
	oriel_qemu_machine_unref(input->machine);
	free(input);
}

static const struct oriel_input_sink_ops input_ops = {
	.key = input_handle_key,
	.button = input_handle_button,
	.motion_relative = input_handle_motion_relative,
	.motion_absolute = input_handle_motion_absolute,
	.axis = input_handle_axis,
	.touch_down = input_handle_touch_down,
	.touch_motion = input_handle_touch_motion,
	.touch_up = input_handle_touch_up,
	.frame = input_handle_frame,
	.adopt = input_handle_adopt,
	.destroy = input_handle_destroy,
};

static void input_listen(struct oriel_qemu_input *input) {
	input->console_change.notify = handle_console_change;
	wl_signal_add(&input->console->events.change, &input->console_change);
	input->machine_there.notify = handle_machine_there;
	wl_signal_add(&input->machine->events.there, &input->machine_there);
	input->machine_reset.notify = handle_machine_reset;
	wl_signal_add(&input->machine->events.reset, &input->machine_reset);
	input->machine_run.notify = handle_machine_run;
	wl_signal_add(&input->machine->events.run, &input->machine_run);
}

struct oriel_input_sink *oriel_qemu_input_create(struct wl_event_loop *loop, const char *guest_name,
		const struct oriel_input_sink_options *options) {
	assert(options->where != NULL);
	struct oriel_qemu_machine *machine = oriel_qemu_machine_ref(loop,
			options->machine_name != NULL ? options->machine_name : guest_name,
			options->where);
	if (machine == NULL) {
		return NULL;
	}
	struct oriel_qemu_console *console = oriel_qemu_machine_get_console(machine, options->head);
	struct oriel_qemu_input *input = calloc(1, sizeof(*input));
	if (console == NULL || input == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no input: out of memory, or no display %u",
				guest_name, options->head);
		free(input);
		oriel_qemu_machine_unref(machine);
		return NULL;
	}
	oriel_input_sink_init(&input->base, &input_ops);
	input->machine = machine;
	input->console = console;
	input->has_touch = options->has_touch;
	input->pointer_touch = TOUCH_NONE;
	input_listen(input);
	input_update(input);
	return &input->base;
}
