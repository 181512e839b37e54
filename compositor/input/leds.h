#ifndef ORIEL_INPUT_LEDS_H
#define ORIEL_INPUT_LEDS_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct oriel_guest_input;
struct wlr_keyboard;
struct wlr_keyboard_group;

/*
 * The LEDs of the physical keyboards: those of the keyboard of the guest that has the focus, if it
 * says how they are, and else the seat's own, which wlroots sees to.
 */
struct oriel_leds {
	/* Borrowed. */
	struct wl_event_loop *loop;
	struct oriel_guest_input *guest_input;
	struct wlr_keyboard_group *keyboards;

	bool are_guests; /* what was shown last */
	struct wl_event_source *update; /* NULL: none is under way */

	struct wl_listener guest_leds;
	struct wl_listener modifiers;
};

/* All of it is borrowed. */
void oriel_leds_init(struct oriel_leds *leds, struct wl_event_loop *loop,
		struct oriel_guest_input *guest_input, struct wlr_keyboard_group *keyboards);
/* Fine for one that is all 0. */
void oriel_leds_finish(struct oriel_leds *leds);

/* A keyboard has joined the others. */
void oriel_leds_add_keyboard(struct oriel_leds *leds, struct wlr_keyboard *keyboard);

#endif
