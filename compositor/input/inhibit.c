#include "input/inhibit.h"

#include <wlr/types/wlr_keyboard_shortcuts_inhibit_v1.h>

#include "input/seat.h"

static void inhibit_set_active(struct wlr_keyboard_shortcuts_inhibitor_v1 *inhibitor, bool is_active) {
	if (is_active && !inhibitor->active) {
		wlr_keyboard_shortcuts_inhibitor_v1_activate(inhibitor);
	} else if (!is_active && inhibitor->active) {
		wlr_keyboard_shortcuts_inhibitor_v1_deactivate(inhibitor);
	}
}

static void inhibit_update(struct oriel_inhibit *inhibit) {
	struct wlr_keyboard_shortcuts_inhibitor_v1 *inhibitor;
	wl_list_for_each(inhibitor, &inhibit->manager->inhibitors, link) {
		inhibit_set_active(inhibitor,
				inhibitor->surface == inhibit->seat->focus && !inhibit->is_ended);
	}
}

static void handle_new_inhibitor(struct wl_listener *listener, void *data) {
	struct oriel_inhibit *inhibit = wl_container_of(listener, inhibit, new_inhibitor);
	inhibit_update(inhibit);
}

static void handle_focus(struct wl_listener *listener, void *data) {
	struct oriel_inhibit *inhibit = wl_container_of(listener, inhibit, focus);
	inhibit->is_ended = false;
	inhibit_update(inhibit);
}

bool oriel_inhibit_is_active(const struct oriel_inhibit *inhibit) {
	const struct wlr_keyboard_shortcuts_inhibitor_v1 *inhibitor;
	wl_list_for_each(inhibitor, &inhibit->manager->inhibitors, link) {
		if (inhibitor->active) {
			return true;
		}
	}
	return false;
}

void oriel_inhibit_end(struct oriel_inhibit *inhibit) {
	inhibit->is_ended = true;
	inhibit_update(inhibit);
}

bool oriel_inhibit_init(struct oriel_inhibit *inhibit, struct wl_display *display,
		struct oriel_seat *seat) {
	inhibit->manager = wlr_keyboard_shortcuts_inhibit_v1_create(display);
	if (inhibit->manager == NULL) {
		return false;
	}
	inhibit->seat = seat;
	inhibit->new_inhibitor.notify = handle_new_inhibitor;
	wl_signal_add(&inhibit->manager->events.new_inhibitor, &inhibit->new_inhibitor);
	inhibit->focus.notify = handle_focus;
	wl_signal_add(&seat->events.focus, &inhibit->focus);
	return true;
}

void oriel_inhibit_finish(struct oriel_inhibit *inhibit) {
	if (inhibit->manager != NULL) {
		wl_list_remove(&inhibit->new_inhibitor.link);
		wl_list_remove(&inhibit->focus.link);
	}
}
