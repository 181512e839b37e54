#ifndef ORIEL_GUEST_INPUT_SINK_H
#define ORIEL_GUEST_INPUT_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct oriel_input_sink_ops;

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

/* How the guest's pointer can be moved. */
enum oriel_input_sink_pointer {
	ORIEL_INPUT_SINK_POINTER_BOTH, /* as is wanted: oriel_input_sink_set_relative() */
	ORIEL_INPUT_SINK_POINTER_PLACES, /* to places only */
	ORIEL_INPUT_SINK_POINTER_DISTANCES, /* by distances only */
};

enum oriel_input_sink_led {
	ORIEL_INPUT_SINK_LED_NUM = 1 << 0,
	ORIEL_INPUT_SINK_LED_CAPS = 1 << 1,
	ORIEL_INPUT_SINK_LED_SCROLL = 1 << 2,
};

/* For drivers to embed; of what is in it others look at what is said below. */
struct oriel_input_sink {
	/* For everybody, and to be read only. Drivers have the functions for it. */
	enum oriel_input_sink_pointer pointer;
	bool has_leds; /* the guest says how those of its keyboard are */
	uint32_t leds; /* enum oriel_input_sink_led; 0 without */
	struct {
		struct wl_signal pointer; /* NULL: pointer has changed; nothing is held down */
		struct wl_signal leds; /* NULL: has_leds or leds has changed */
	} events;

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
	/* Optional. The machine has its QMP monitor there, which is consumed. False after one log line. */
	bool (*adopt)(struct oriel_input_sink *sink, int take_fd);
	/* Optional. Is this input device (eventN) of the host's one that the sink has made? */
	bool (*has_node)(const struct oriel_input_sink *sink, const char *sysname);
	/* All has been released. */
	void (*destroy)(struct oriel_input_sink *sink);
};

/* True if a driver of this name is built in. */
bool oriel_input_sink_driver_exists(const char *driver);

/* For "qemu"; all of it is borrowed for the call. */
struct oriel_input_sink_options {
	const char *where; /* the machine's place, as oriel_qemu_machine_ref() has them */
	const char *machine_name; /* as in struct oriel_source_options; NULL: the guest's */
	unsigned head; /* which of the machine's displays the input belongs to */
	bool has_touch; /* the machine has a touch screen, and is to get touches as such */
};

/*
 * Make the input of the guest of that name by the named driver: "uinput", for which the name has
 * no "/", or "qemu", for which options have a place. options may be NULL: then all are 0.
 *
 * Returns NULL after logging one line that names the guest and says why.
 */
struct oriel_input_sink *oriel_input_sink_create(struct wl_event_loop *loop, const char *driver,
		const char *guest_name, const struct oriel_input_sink_options *options);

/* For drivers. The pointer is of both kinds, and LEDs are not known. */
void oriel_input_sink_init(struct oriel_input_sink *sink, const struct oriel_input_sink_ops *ops);

/*
 * For drivers. The guest's pointer has come to be of that kind. All is released before, and if it
 * cannot be relative any more, it is not: who had it so hears of it by events.pointer.
 */
void oriel_input_sink_set_pointer(
		struct oriel_input_sink *sink, enum oriel_input_sink_pointer pointer);

/* For drivers. How the LEDs of the guest's keyboard are; if has_leds is false nobody knows. */
void oriel_input_sink_set_leds(struct oriel_input_sink *sink, bool has_leds, uint32_t leds);

/*
 * For drivers: where the guest's pointer is nobody knows any more, so that the next place counts even
 * if it is the last one.
 */
void oriel_input_sink_forget_place(struct oriel_input_sink *sink);

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
 * Not relative if the guest's pointer is moved to places only.
 */
void oriel_input_sink_set_relative(struct oriel_input_sink *sink, bool is_relative);

/* What is left of a pixel counts with the next motion. Only while it is relative. */
void oriel_input_sink_motion_relative(struct oriel_input_sink *sink, double dx, double dy);
/*
 * Places outside are taken for the edge, and the place where the pointer is already is left out. Only
 * while it is not relative; a pointer that is moved by distances only stays where it is.
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

/*
 * Gives a sink that was made for a place of "handover" a connection to QEMU's QMP monitor, by which the
 * machine gets its input from now on. False if it is no such sink, or after one log line.
 */
bool oriel_input_sink_adopt(struct oriel_input_sink *sink, int take_fd);

bool oriel_input_sink_has_node(const struct oriel_input_sink *sink, const char *sysname);

#endif
