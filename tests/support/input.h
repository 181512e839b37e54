#ifndef TESTS_SUPPORT_INPUT_H
#define TESTS_SUPPORT_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_keyboard.h>
#include <wlr/types/wlr_pointer.h>
#include <wlr/types/wlr_touch.h>

struct fixture;

/*
 * A keyboard, a pointer and a touch screen that a test plugs into the fixture's compositor, and plays. They go with
 * the backend, as other devices do, if they are not unplugged before.
 */
struct input {
	struct fixture *fixture;
	struct wlr_keyboard keyboard;
	struct wlr_pointer pointer;
	struct wlr_touch touch;
	uint32_t leds; /* of the keyboard, as they were set last; enum wlr_keyboard_led */
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

/*
 * Moves the pointer by so much. What the acceleration makes of it is twice that, so that a test can
 * tell them apart.
 */
void input_move_by(struct input *input, double dx, double dy);

/* A button of linux/input-event-codes.h. */
void input_button(struct input *input, uint32_t button, bool is_pressed);
void input_click(struct input *input, uint32_t button);

/* Turns the wheel, positive downwards. */
void input_scroll(struct input *input, double delta);

/* A touch goes down at a place in the layout, moves to one, goes up. The frame comes apart. */
void input_touch_down(struct input *input, int32_t id, double lx, double ly);
void input_touch_motion(struct input *input, int32_t id, double lx, double ly);
void input_touch_up(struct input *input, int32_t id);
void input_touch_cancel(struct input *input, int32_t id);
void input_touch_frame(struct input *input);

#endif
