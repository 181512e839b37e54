#ifndef ORIEL_GUEST_INPUT_SINK_H
#define ORIEL_GUEST_INPUT_SINK_H

#include <stdbool.h>
#include <stdint.h>

struct oriel_input_sink_ops;
struct wl_event_loop;

/*
 * Where a guest's input goes: a keyboard, a pointer that is moved by distances or to places, and a
 * touch screen, behind one interface, however they get into the machine.
 *
 * Events belong together up to a frame. What is held down is known here, so that nothing is
 * pressed twice or released unpressed, and that all of it can be let go of: a guest that loses its
 * input with a key held would repeat that key until it gets it back.
 */

#define ORIEL_INPUT_SINK_CODES 0x300 /* KEY_CNT of linux/input-event-codes.h */
#define ORIEL_INPUT_SINK_TOUCHES 10 /* at once */
#define ORIEL_INPUT_SINK_NOTCH 120 /* axis units of a wheel's notch */

enum oriel_input_sink_axis {
	ORIEL_INPUT_SINK_AXIS_VERTICAL,
	ORIEL_INPUT_SINK_AXIS_HORIZONTAL,
};

/* For drivers to embed; nobody else looks into it. */
struct oriel_input_sink {
	const struct oriel_input_sink_ops *ops;
	bool is_relative; /* the pointer is, at present */
	uint8_t codes[ORIEL_INPUT_SINK_CODES / 8]; /* keys and buttons that are down */
	uint32_t touches; /* those that are down, a bit each */
	double rest_x, rest_y; /* of a pixel; while it is relative */
	bool has_place; /* x and y are where the pointer was put last; while it is not relative */
	double x, y;
	double rest_axis[2]; /* of a unit; enum oriel_input_sink_axis */
};

/* All are required unless they are called optional. None blocks. */
struct oriel_input_sink_ops {
	/* A key went down or up: a code of linux/input-event-codes.h, and none of the BTN_ ones. */
	void (*key)(struct oriel_input_sink *sink, uint32_t code, bool is_pressed);
	/* BTN_LEFT to BTN_TASK. */
	void (*button)(struct oriel_input_sink *sink, uint32_t code, bool is_pressed);
	/* By that many pixels, to the right and down. */
	void (*motion_relative)(struct oriel_input_sink *sink, int dx, int dy);
	/* To a place of the picture, each from 0 to 1. */
	void (*motion_absolute)(struct oriel_input_sink *sink, double x, double y);
	/* Down or to the right, in units of which a notch has ORIEL_INPUT_SINK_NOTCH. */
	void (*axis)(struct oriel_input_sink *sink, enum oriel_input_sink_axis axis, int value120);
	/* Touches have numbers below ORIEL_INPUT_SINK_TOUCHES, places as above. */
	void (*touch_down)(struct oriel_input_sink *sink, unsigned touch, double x, double y);
	void (*touch_motion)(struct oriel_input_sink *sink, unsigned touch, double x, double y);
	void (*touch_up)(struct oriel_input_sink *sink, unsigned touch);
	/* What came since the last one happened at once. */
	void (*frame)(struct oriel_input_sink *sink);
	/* Optional. Is this input device (eventN) of the host's one that the sink has made? */
	bool (*has_node)(const struct oriel_input_sink *sink, const char *sysname);
	/* All has been released. */
	void (*destroy)(struct oriel_input_sink *sink);
};

/* True if a driver of this name is built in. */
bool oriel_input_sink_driver_exists(const char *driver);

/* For drivers that reach the machine itself; all of it is borrowed for the call. */
struct oriel_input_sink_options {
	const char *where; /* the machine's place, as the driver has them; may be NULL */
	const char *machine_name; /* as in struct oriel_source_options; NULL: the guest's */
	unsigned head; /* which of the machine's displays the input belongs to */
	bool has_touch; /* the machine has a touch screen, and is to get touches as such */
};

/*
 * Make the input of the guest of that name by the named driver, "uinput". The name has no "/".
 * options may be NULL: then all are 0.
 *
 * Returns NULL after logging one line that names the guest and says why.
 */
struct oriel_input_sink *oriel_input_sink_create(struct wl_event_loop *loop, const char *driver,
		const char *guest_name, const struct oriel_input_sink_options *options);

/* For drivers. */
void oriel_input_sink_init(struct oriel_input_sink *sink, const struct oriel_input_sink_ops *ops);

/* Releases all that is held before. NULL is fine. */
void oriel_input_sink_destroy(struct oriel_input_sink *sink);

/*
 * What is pressed already, released already or no such code at all is left out; a press that is
 * left out has no release either. Codes may be any number.
 */
void oriel_input_sink_key(struct oriel_input_sink *sink, uint32_t code, bool is_pressed);
void oriel_input_sink_button(struct oriel_input_sink *sink, uint32_t code, bool is_pressed);

/* Is this key or button down? */
bool oriel_input_sink_is_down(const struct oriel_input_sink *sink, uint32_t code);
bool oriel_input_sink_has_buttons_down(const struct oriel_input_sink *sink);

/*
 * Let the pointer be one that is moved by distances, or one that is moved to places (to begin
 * with). Buttons and wheel belong to the one that there is: all is released before it changes.
 */
void oriel_input_sink_set_relative(struct oriel_input_sink *sink, bool is_relative);

/* What is left of a pixel counts with the next motion. Only while it is relative. */
void oriel_input_sink_motion_relative(struct oriel_input_sink *sink, double dx, double dy);
/*
 * Places outside are taken for the edge, and the place where the pointer is already is left out. Only
 * while it is not relative.
 */
void oriel_input_sink_motion_absolute(struct oriel_input_sink *sink, double x, double y);

/*
 * Scroll by value120 units of a wheel, or, where that is 0, by delta of Wayland's wl_pointer.axis,
 * of which a notch has 15 by convention.
 */
void oriel_input_sink_axis(struct oriel_input_sink *sink, enum oriel_input_sink_axis axis,
		double delta, int value120);

/* A touch that is not down moves nowhere and goes up nowhere. */
void oriel_input_sink_touch_down(struct oriel_input_sink *sink, unsigned touch, double x, double y);
void oriel_input_sink_touch_motion(struct oriel_input_sink *sink, unsigned touch, double x, double y);
void oriel_input_sink_touch_up(struct oriel_input_sink *sink, unsigned touch);

void oriel_input_sink_frame(struct oriel_input_sink *sink);

/* Let go of all that is held, in a frame of its own. */
void oriel_input_sink_release_all(struct oriel_input_sink *sink);

bool oriel_input_sink_has_node(const struct oriel_input_sink *sink, const char *sysname);

#endif
