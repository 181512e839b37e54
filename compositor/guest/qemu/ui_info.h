#ifndef ORIEL_GUEST_QEMU_UI_INFO_H
#define ORIEL_GUEST_QEMU_UI_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/qemu/bus.h"

struct oriel_complaints;
struct oriel_guest_monitor;
struct wl_event_loop;
struct wl_event_source;

/*
 * What a console is told of what shows it, by SetUIInfo. A guest sets a mode at each, so it is told
 * of the last one of a row of changes, once they are over; and while it has not answered, of none.
 */
struct oriel_qemu_ui_info {
	const char *path; /* of the console; borrowed */
	struct oriel_complaints *complaints; /* borrowed */
	struct oriel_bus *bus; /* borrowed; NULL while it is not there */
	struct wl_event_source *timer; /* NULL if memory ran out: then changes go at once */
	bool is_settling; /* the timer runs */
	sd_bus_slot *call; /* NULL: none without an answer */

	struct oriel_qemu_ui_size {
		uint32_t width, height; /* pixels; 0, 0: nothing shows it */
		uint16_t width_mm, height_mm; /* 0, 0: not known */
	} wanted, sent;
	bool is_wanted; /* it was ever set */
	bool was_sent; /* to this bus */
	bool is_refused; /* by this bus: the device has no way to tell the guest */
};

void oriel_qemu_ui_info_init(struct oriel_qemu_ui_info *info, struct wl_event_loop *loop,
		const char *path, struct oriel_complaints *complaints);
void oriel_qemu_ui_info_finish(struct oriel_qemu_ui_info *info);

/* The console is there now, and is told of the last monitor that was set. */
void oriel_qemu_ui_info_connect(struct oriel_qemu_ui_info *info, struct oriel_bus *bus);
void oriel_qemu_ui_info_disconnect(struct oriel_qemu_ui_info *info);

/* NULL: nothing shows it. */
void oriel_qemu_ui_info_set(
		struct oriel_qemu_ui_info *info, const struct oriel_guest_monitor *monitor);

#endif
