#ifndef ORIEL_INPUT_TOUCH_H
#define ORIEL_INPUT_TOUCH_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

#include "guest/input_sink.h"

struct oriel_seat;
struct wlr_output_layout;
struct wlr_touch;

/*
 * The touch screens of the seat. They are there for guests only: a touch on a guest's display gives
 * it the focus and is passed on, and one that begins elsewhere has no effect. So the seat does not
 * tell clients that it can be touched.
 */
struct oriel_touch {
	/* Borrowed. */
	struct oriel_seat *seat;
	struct wlr_output_layout *layout;

	struct wl_list screens; /* touch_screen.link */
	/* By their numbers at the guest. */
	struct oriel_touch_contact {
		const struct wlr_touch *device; /* NULL: there is no such contact */
		int32_t id; /* the device's */
	} contacts[ORIEL_INPUT_SINK_TOUCHES];
};

/* seat and layout are borrowed. */
void oriel_touch_init(struct oriel_touch *touch, struct oriel_seat *seat,
		struct wlr_output_layout *layout);
void oriel_touch_finish(struct oriel_touch *touch);

/* Let a touch screen act until it is destroyed. */
void oriel_touch_add_screen(struct oriel_touch *touch, struct wlr_touch *device);

#endif
