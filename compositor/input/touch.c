#include "input/touch.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_touch.h>
#include <wlr/util/box.h>
#include <wlr/util/log.h>

#include "input/guest_input.h"
#include "input/seat.h"

struct touch_screen {
	struct wl_list link; /* oriel_touch.screens */
	struct oriel_touch *touch;
	struct wlr_touch *device;

	struct wl_listener down;
	struct wl_listener up;
	struct wl_listener motion;
	struct wl_listener cancel;
	struct wl_listener frame;
	struct wl_listener destroy;
};

/* Contacts */

static struct oriel_touch_contact *touch_find_contact(
		struct oriel_touch *touch, const struct wlr_touch *device, int32_t id) {
	for (int i = 0; i < ORIEL_INPUT_SINK_TOUCHES; i++) {
		struct oriel_touch_contact *contact = &touch->contacts[i];
		if (contact->device == device && (device == NULL || contact->id == id)) {
			return contact;
		}
	}
	return NULL;
}

static unsigned touch_get_number(
		const struct oriel_touch *touch, const struct oriel_touch_contact *contact) {
	return (unsigned)(contact - touch->contacts);
}

static void touch_end_contact(struct oriel_touch *touch, struct oriel_touch_contact *contact) {
	oriel_guest_input_touch_up(&touch->seat->guest_input, touch_get_number(touch, contact));
	contact->device = NULL;
}

/* Devices */

/* A touch screen that belongs to an output lies on it, any other on the whole layout. */
static void screen_locate(const struct touch_screen *screen, double x, double y, double *ret_lx,
		double *ret_ly) {
	struct wlr_output_layout *layout = screen->touch->layout;
	const char *output_name = screen->device->output_name;
	struct wlr_output *output = NULL;
	struct wlr_output_layout_output *layout_output;
	wl_list_for_each(layout_output, &layout->outputs, link) {
		if (output_name != NULL && strcmp(layout_output->output->name, output_name) == 0) {
			output = layout_output->output;
		}
	}
	struct wlr_box box;
	wlr_output_layout_get_box(layout, output, &box);
	*ret_lx = box.x + x * box.width;
	*ret_ly = box.y + y * box.height;
}

static void handle_down(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, down);
	const struct wlr_touch_down_event *event = data;
	struct oriel_touch *touch = screen->touch;
	struct oriel_guest_input *guest_input = &touch->seat->guest_input;
	double lx, ly;
	screen_locate(screen, event->x, event->y, &lx, &ly);
	struct oriel_guest_view *view = oriel_guest_input_find(guest_input, lx, ly);
	struct oriel_touch_contact *contact = touch_find_contact(touch, NULL, 0);
	bool is_others = guest_input->is_grabbed && view != guest_input->focus;
	if (view == NULL || contact == NULL || is_others ||
			touch_find_contact(touch, screen->device, event->touch_id) != NULL) {
		return;
	}
	oriel_seat_focus_guest(touch->seat, view);
	contact->device = screen->device;
	contact->id = event->touch_id;
	oriel_guest_input_touch_down(guest_input, touch_get_number(touch, contact), lx, ly);
}

static void handle_motion(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, motion);
	const struct wlr_touch_motion_event *event = data;
	struct oriel_touch *touch = screen->touch;
	const struct oriel_touch_contact *contact =
			touch_find_contact(touch, screen->device, event->touch_id);
	if (contact != NULL) {
		double lx, ly;
		screen_locate(screen, event->x, event->y, &lx, &ly);
		oriel_guest_input_touch_motion(&touch->seat->guest_input,
				touch_get_number(touch, contact), lx, ly);
	}
}

static void screen_end_contact(struct touch_screen *screen, int32_t id) {
	struct oriel_touch_contact *contact = touch_find_contact(screen->touch, screen->device, id);
	if (contact != NULL) {
		touch_end_contact(screen->touch, contact);
	}
}

static void handle_up(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, up);
	const struct wlr_touch_up_event *event = data;
	screen_end_contact(screen, event->touch_id);
}

/* The kernel's touch screens have no other way to say so. */
static void handle_cancel(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, cancel);
	const struct wlr_touch_cancel_event *event = data;
	screen_end_contact(screen, event->touch_id);
}

static void handle_frame(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, frame);
	oriel_guest_input_frame(&screen->touch->seat->guest_input);
}

/* Birth and death */

static void screen_destroy(struct touch_screen *screen) {
	struct oriel_touch *touch = screen->touch;
	for (int i = 0; i < ORIEL_INPUT_SINK_TOUCHES; i++) {
		if (touch->contacts[i].device == screen->device) {
			touch_end_contact(touch, &touch->contacts[i]);
		}
	}
	oriel_guest_input_frame(&touch->seat->guest_input);
	wl_list_remove(&screen->link);
	wl_list_remove(&screen->down.link);
	wl_list_remove(&screen->up.link);
	wl_list_remove(&screen->motion.link);
	wl_list_remove(&screen->cancel.link);
	wl_list_remove(&screen->frame.link);
	wl_list_remove(&screen->destroy.link);
	free(screen);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct touch_screen *screen = wl_container_of(listener, screen, destroy);
	screen_destroy(screen);
}

void oriel_touch_add_screen(struct oriel_touch *touch, struct wlr_touch *device) {
	struct touch_screen *screen = calloc(1, sizeof(*screen));
	if (screen == NULL) {
		wlr_log_errno(WLR_ERROR, "touch screen %s: out of memory", device->base.name);
		return;
	}
	screen->touch = touch;
	screen->device = device;
	wl_list_insert(&touch->screens, &screen->link);
	screen->down.notify = handle_down;
	wl_signal_add(&device->events.down, &screen->down);
	screen->up.notify = handle_up;
	wl_signal_add(&device->events.up, &screen->up);
	screen->motion.notify = handle_motion;
	wl_signal_add(&device->events.motion, &screen->motion);
	screen->cancel.notify = handle_cancel;
	wl_signal_add(&device->events.cancel, &screen->cancel);
	screen->frame.notify = handle_frame;
	wl_signal_add(&device->events.frame, &screen->frame);
	screen->destroy.notify = handle_destroy;
	wl_signal_add(&device->base.events.destroy, &screen->destroy);
}

void oriel_touch_init(struct oriel_touch *touch, struct oriel_seat *seat,
		struct wlr_output_layout *layout) {
	*touch = (struct oriel_touch){ .seat = seat, .layout = layout };
	wl_list_init(&touch->screens);
}

void oriel_touch_finish(struct oriel_touch *touch) {
	struct touch_screen *screen, *next;
	wl_list_for_each_safe(screen, next, &touch->screens, link) {
		screen_destroy(screen);
	}
}
