#include "input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <wlr/backend.h>
#include <wlr/interfaces/wlr_keyboard.h>
#include <wlr/interfaces/wlr_pointer.h>
#include <wlr/interfaces/wlr_touch.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/util/box.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "server.h"

static void handle_led_update(struct wlr_keyboard *keyboard, uint32_t leds) {
	struct input *input = wl_container_of(keyboard, input, keyboard);
	input->leds = leds;
}

static const struct wlr_keyboard_impl keyboard_impl = {
	.name = "test-keyboard",
	.led_update = handle_led_update,
};
static const struct wlr_pointer_impl pointer_impl = { .name = "test-pointer" };
static const struct wlr_touch_impl touch_impl = { .name = "test-touch" };

static void handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct input *input = wl_container_of(listener, input, backend_destroy);
	input_unplug(input);
}

void input_plug(struct input *input, struct fixture *fixture) {
	*input = (struct input){ .fixture = fixture };
	wlr_keyboard_init(&input->keyboard, &keyboard_impl, keyboard_impl.name);
	wlr_pointer_init(&input->pointer, &pointer_impl, pointer_impl.name);
	wlr_touch_init(&input->touch, &touch_impl, touch_impl.name);
	struct wlr_backend *backend = fixture->server->backend;
	wl_signal_emit_mutable(&backend->events.new_input, &input->keyboard.base);
	wl_signal_emit_mutable(&backend->events.new_input, &input->pointer.base);
	wl_signal_emit_mutable(&backend->events.new_input, &input->touch.base);
	input->backend_destroy.notify = handle_backend_destroy;
	wl_signal_add(&backend->events.destroy, &input->backend_destroy);
}

void input_unplug(struct input *input) {
	wl_list_remove(&input->backend_destroy.link);
	wlr_touch_finish(&input->touch);
	wlr_pointer_finish(&input->pointer);
	wlr_keyboard_finish(&input->keyboard);
}

void input_key(struct input *input, uint32_t keycode, bool is_pressed) {
	struct wlr_keyboard_key_event event = {
		.time_msec = ++input->time_ms,
		.keycode = keycode,
		.update_state = true,
		.state = is_pressed ? WL_KEYBOARD_KEY_STATE_PRESSED : WL_KEYBOARD_KEY_STATE_RELEASED,
	};
	wlr_keyboard_notify_key(&input->keyboard, &event);
}

void input_type(struct input *input, const uint32_t keycodes[]) {
	size_t count = 0;
	while (keycodes[count] != 0) {
		input_key(input, keycodes[count++], true);
	}
	while (count > 0) {
		input_key(input, keycodes[--count], false);
	}
}

static void input_end_frame(struct input *input) {
	wl_signal_emit_mutable(&input->pointer.events.frame, &input->pointer);
}

/* As a part of the whole layout, each way from 0 to 1. */
static void find_place(struct input *input, double lx, double ly, double *ret_x, double *ret_y) {
	struct wlr_box box;
	wlr_output_layout_get_box(input->fixture->server->output_layout, NULL, &box);
	assert_false(wlr_box_empty(&box));
	*ret_x = (lx - box.x) / box.width;
	*ret_y = (ly - box.y) / box.height;
}

void input_move(struct input *input, double lx, double ly) {
	struct wlr_pointer_motion_absolute_event event = {
		.pointer = &input->pointer,
		.time_msec = ++input->time_ms,
	};
	find_place(input, lx, ly, &event.x, &event.y);
	wl_signal_emit_mutable(&input->pointer.events.motion_absolute, &event);
	input_end_frame(input);
}

void input_move_by(struct input *input, double dx, double dy) {
	struct wlr_pointer_motion_event event = {
		.pointer = &input->pointer,
		.time_msec = ++input->time_ms,
		.delta_x = 2 * dx,
		.delta_y = 2 * dy,
		.unaccel_dx = dx,
		.unaccel_dy = dy,
	};
	wl_signal_emit_mutable(&input->pointer.events.motion, &event);
	input_end_frame(input);
}

void input_button(struct input *input, uint32_t button, bool is_pressed) {
	struct wlr_pointer_button_event event = {
		.pointer = &input->pointer,
		.time_msec = ++input->time_ms,
		.button = button,
		.state = is_pressed ? WL_POINTER_BUTTON_STATE_PRESSED
				    : WL_POINTER_BUTTON_STATE_RELEASED,
	};
	wlr_pointer_notify_button(&input->pointer, &event);
	input_end_frame(input);
}

void input_click(struct input *input, uint32_t button) {
	input_button(input, button, true);
	input_button(input, button, false);
}

void input_scroll(struct input *input, double delta) {
	struct wlr_pointer_axis_event event = {
		.pointer = &input->pointer,
		.time_msec = ++input->time_ms,
		.source = WL_POINTER_AXIS_SOURCE_WHEEL,
		.orientation = WL_POINTER_AXIS_VERTICAL_SCROLL,
		.delta = delta,
		.delta_discrete = delta > 0 ? WLR_POINTER_AXIS_DISCRETE_STEP
					    : -WLR_POINTER_AXIS_DISCRETE_STEP,
	};
	wl_signal_emit_mutable(&input->pointer.events.axis, &event);
	input_end_frame(input);
}

void input_touch_down(struct input *input, int32_t id, double lx, double ly) {
	struct wlr_touch_down_event event = {
		.touch = &input->touch,
		.time_msec = ++input->time_ms,
		.touch_id = id,
	};
	find_place(input, lx, ly, &event.x, &event.y);
	wl_signal_emit_mutable(&input->touch.events.down, &event);
}

void input_touch_motion(struct input *input, int32_t id, double lx, double ly) {
	struct wlr_touch_motion_event event = {
		.touch = &input->touch,
		.time_msec = ++input->time_ms,
		.touch_id = id,
	};
	find_place(input, lx, ly, &event.x, &event.y);
	wl_signal_emit_mutable(&input->touch.events.motion, &event);
}

void input_touch_up(struct input *input, int32_t id) {
	struct wlr_touch_up_event event = {
		.touch = &input->touch,
		.time_msec = ++input->time_ms,
		.touch_id = id,
	};
	wl_signal_emit_mutable(&input->touch.events.up, &event);
}

void input_touch_cancel(struct input *input, int32_t id) {
	struct wlr_touch_cancel_event event = {
		.touch = &input->touch,
		.time_msec = ++input->time_ms,
		.touch_id = id,
	};
	wl_signal_emit_mutable(&input->touch.events.cancel, &event);
}

void input_touch_frame(struct input *input) {
	wl_signal_emit_mutable(&input->touch.events.frame, NULL);
}
