#ifndef ORIEL_INPUT_GUEST_INPUT_H
#define ORIEL_INPUT_GUEST_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-server-core.h>

#include "guest/input_sink.h"

struct oriel_guest_view;
struct oriel_layout;
struct wlr_output;
struct wlr_pointer_axis_event;
struct wlr_scene;

/*
 * Which guest gets the input of the seat, and as what.
 *
 *	                 focus(view)                      set_grabbed(true)
 *	no guest  ------------------------->  focused  ------------------------>  grabbed
 *	          <-------------------------           <------------------------
 *	             focus(NULL), the view              set_grabbed(false), or the
 *	             is destroyed                       guest is lost; focus(…)
 *
 * A focused guest gets the keys that oriel has no use for itself, and the pointer while that is on
 * its picture, as places in it. A guest that has grabbed the input gets every key but the few that
 * always work, and the pointer wherever it is: as distances, and then it is locked, hidden and stands
 * still; but if the guest's pointer is moved to places only, it is kept within the guest's picture.
 * Whenever a guest comes by its input in another way, or loses it, all that it holds down is released.
 *
 * A guest whose pointer is moved by distances only has no use for places. A press on its picture, which
 * is not the guest's own, grabs the input; that ends by itself when its pointer comes to know places.
 *
 * A guest without an input sink has nothing to do with any of this.
 */
struct oriel_guest_input {
	/* Borrowed. */
	const struct oriel_layout *layout;
	struct wlr_scene *scene;

	struct oriel_guest_view *focus; /* with input; may be NULL */
	bool is_grabbed; /* by focus */
	bool is_grabbed_by_press;
	bool is_locked; /* grabbed, and what is told is distances */
	bool has_news; /* of the pointer or touches, since the last frame */

	struct {
		/* NULL: focus, is_grabbed, is_locked, or how the focused guest's pointer is moved */
		struct wl_signal change;
		/* NULL: the focused guest shows a cursor of its own now, or does no more */
		struct wl_signal cursor;
		/* NULL: what oriel_guest_input_get_leds() says may have changed */
		struct wl_signal leds;
	} events;

	struct wl_listener sink_pointer;
	struct wl_listener sink_leds;
	struct wl_listener view_state;
	struct wl_listener view_cursor;
	struct wl_listener view_destroy;
};

/* layout and scene are borrowed. */
void oriel_guest_input_init(struct oriel_guest_input *input, const struct oriel_layout *layout,
		struct wlr_scene *scene);
/* Takes the input from the guest that has it. */
void oriel_guest_input_finish(struct oriel_guest_input *input);

/* Gives the input to a guest, NULL to none. A guest that takes none is as good as none. */
void oriel_guest_input_set_focus(struct oriel_guest_input *input, struct oriel_guest_view *view);

/* Nothing happens while no guest is focused. */
void oriel_guest_input_set_grabbed(struct oriel_guest_input *input, bool is_grabbed);

/* The guest that takes input and whose display is the topmost thing at a place, or NULL. */
struct oriel_guest_view *oriel_guest_input_find(
		const struct oriel_guest_input *input, double lx, double ly);

/*
 * Which LEDs the focused guest wants on the keyboards: enum oriel_input_sink_led. False if that is no
 * guest's business.
 */
bool oriel_guest_input_get_leds(const struct oriel_guest_input *input, uint32_t *ret_leds);

/* Is this input device (eventN) of the host's one that a guest's input is made of? */
bool oriel_guest_input_owns_node(const struct oriel_guest_input *input, const char *sysname);

/*
 * Events of the seat. Those that return a bool say whether a guest has taken the event, which is
 * nobody else's then. Codes are evdev's.
 */

/* A release is taken by the guest that took the press, if it has not lost its input since. */
bool oriel_guest_input_key(struct oriel_guest_input *input, uint32_t code, bool is_pressed);

/* By how much the pointing device was moved. Taken while the pointer is locked only. */
bool oriel_guest_input_motion(struct oriel_guest_input *input, double dx, double dy);

/*
 * Where the pointer may be, of all places, if it is to go to this one: in a grab that does not lock it,
 * within the guest's picture. False if it may go there.
 */
bool oriel_guest_input_confine(const struct oriel_guest_input *input, double *lx, double *ly);

/*
 * Does the guest keep the pointer wherever it is? It does in a grab, and while it holds a button
 * down, as a client would.
 */
bool oriel_guest_input_holds_pointer(const struct oriel_guest_input *input);

/*
 * Does the guest that has the pointer show a cursor of its own, in whose place ours would be a second
 * one? over is as below.
 */
bool oriel_guest_input_shows_cursor(
		const struct oriel_guest_input *input, const struct oriel_guest_view *over);

/* Before ours is shown on this output, which may be NULL: a guest's leaves the cursor plane to it. */
void oriel_guest_input_yield_cursor_plane(
		const struct oriel_guest_input *input, const struct wlr_output *output);

/*
 * The pointer is at this place; over is whose display it is on, NULL if it is on none. Not taken
 * from anybody: the windows are to be told of it all the same.
 */
void oriel_guest_input_point(struct oriel_guest_input *input, struct oriel_guest_view *over,
		double lx, double ly);

/* over is as above, and does not matter to a guest that holds the pointer. */
bool oriel_guest_input_button(struct oriel_guest_input *input, struct oriel_guest_view *over,
		uint32_t code, bool is_pressed);
bool oriel_guest_input_axis(struct oriel_guest_input *input, struct oriel_guest_view *over,
		const struct wlr_pointer_axis_event *event);
/* The pointer's events, or the touches, since the last one belong together. */
void oriel_guest_input_frame(struct oriel_guest_input *input);

/* A touch, numbered as the sink has them, at a place of the focused guest's display. */
void oriel_guest_input_touch_down(
		struct oriel_guest_input *input, unsigned touch, double lx, double ly);
void oriel_guest_input_touch_motion(
		struct oriel_guest_input *input, unsigned touch, double lx, double ly);
void oriel_guest_input_touch_up(struct oriel_guest_input *input, unsigned touch);

#endif
