#ifndef TESTS_SUPPORT_INPUT_H
#define TESTS_SUPPORT_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_keyboard.h>
#include <wlr/types/wlr_pointer.h>

struct fixture;

/*
 * A keyboard and a pointer that a test plugs into the fixture's compositor, and plays. They go with
 * the backend, as other devices do, if they are not unplugged before.
 */
struct input {
	struct fixture *fixture;
	struct wlr_keyboard keyboard;
	struct wlr_pointer pointer;
	uint32_t time_ms; /* of the last event; each is a millisecond after the one before */
	struct wl_listener backend_destroy;
};

void input_plug(struct input *input, struct fixture *fixture);
void input_unplug(struct input *input);

/* Of linux/input-event-codes.h. Nothing is stepped here and below. */
void input_key(struct input *input, uint32_t keycode, bool is_pressed);

/* Presses the keys in order and releases them in the opposite one. The list ends with 0. */
void input_type(struct input *input, const uint32_t keycodes[]);

/* Moves the pointer to a place in the layout. */
void input_move(struct input *input, double lx, double ly);

/* A button of linux/input-event-codes.h. */
void input_button(struct input *input, uint32_t button, bool is_pressed);
void input_click(struct input *input, uint32_t button);

/* Turns the wheel, positive downwards. */
void input_scroll(struct input *input, double delta);

#endif
