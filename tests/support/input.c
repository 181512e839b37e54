#include "input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <wlr/backend.h>
#include <wlr/interfaces/wlr_keyboard.h>
#include <wlr/interfaces/wlr_pointer.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/util/box.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "server.h"

static const struct wlr_keyboard_impl keyboard_impl = { .name = "test-keyboard" };
static const struct wlr_pointer_impl pointer_impl = { .name = "test-pointer" };

static void handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct input *input = wl_container_of(listener, input, backend_destroy);
	input_unplug(input);
}

void input_plug(struct input *input, struct fixture *fixture) {
	*input = (struct input){ .fixture = fixture };
	wlr_keyboard_init(&input->keyboard, &keyboard_impl, keyboard_impl.name);
	wlr_pointer_init(&input->pointer, &pointer_impl, pointer_impl.name);
	struct wlr_backend *backend = fixture->server->backend;
	wl_signal_emit_mutable(&backend->events.new_input, &input->keyboard.base);
	wl_signal_emit_mutable(&backend->events.new_input, &input->pointer.base);
	input->backend_destroy.notify = handle_backend_destroy;
	wl_signal_add(&backend->events.destroy, &input->backend_destroy);
}

void input_unplug(struct input *input) {
	wl_list_remove(&input->backend_destroy.link);
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

void input_move(struct input *input, double lx, double ly) {
	struct wlr_box box;
	wlr_output_layout_get_box(input->fixture->server->output_layout, NULL, &box);
	assert_false(wlr_box_empty(&box));
	struct wlr_pointer_motion_absolute_event event = {
		.pointer = &input->pointer,
		.time_msec = ++input->time_ms,
		.x = (lx - box.x) / box.width,
		.y = (ly - box.y) / box.height,
	};
	wl_signal_emit_mutable(&input->pointer.events.motion_absolute, &event);
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
