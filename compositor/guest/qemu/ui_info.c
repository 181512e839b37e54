#include "guest/qemu/ui_info.h"

#include <wayland-server-core.h>

#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/edid.h"
#include "guest/source.h"
#include "guest/validate.h"

/*
 * The pulse that ends a picture takes 1/200 of its height in the EDID that QEMU makes, rounded down.
 * Linux leaves out a mode without one, and would choose the largest there is instead.
 */
#define HEIGHT_MIN 200

/* How long a row of changes must have been over. */
#define SETTLE_MS 100

#define ERROR_UNSUPPORTED "org.qemu.Display1.Error.Unsupported"

static bool size_equal(const struct oriel_qemu_ui_size *a, const struct oriel_qemu_ui_size *b) {
	return a->width == b->width && a->height == b->height && a->width_mm == b->width_mm &&
			a->height_mm == b->height_mm;
}

static uint32_t clamp(int value, int min, int max) {
	return (uint32_t)(value < min ? min : (value > max ? max : value));
}

static struct oriel_qemu_ui_size size_from_monitor(const struct oriel_guest_monitor *monitor) {
	struct oriel_qemu_ui_size size = { 0 };
	if (monitor != NULL) {
		size.width = clamp(monitor->width, ORIEL_EDID_MODE_MIN, ORIEL_VALIDATE_SIZE_MAX);
		size.height = clamp(monitor->height, HEIGHT_MIN, ORIEL_VALIDATE_SIZE_MAX);
		if (monitor->width_mm > 0 && monitor->height_mm > 0) {
			size.width_mm = (uint16_t)clamp(monitor->width_mm, 1, UINT16_MAX);
			size.height_mm = (uint16_t)clamp(monitor->height_mm, 1, UINT16_MAX);
		}
	}
	return size;
}

static void ui_info_update(struct oriel_qemu_ui_info *info);

static int ui_info_handle_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_ui_info *info = data;
	info->call = sd_bus_slot_unref(info->call);
	if (!oriel_bus_is_open(info->bus)) {
		return 0;
	}
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error != NULL && sd_bus_error_has_name(error, ERROR_UNSUPPORTED)) {
		info->is_refused = true;
	} else if (error != NULL) {
		oriel_complain(info->complaints, oriel_clock_now_ns(),
				"QEMU does not take the size of what shows the guest: %s",
				error->message != NULL ? error->message : error->name);
	}
	ui_info_update(info);
	return 0;
}

/* Tells QEMU, if there is something to tell and nothing to wait for. */
static void ui_info_update(struct oriel_qemu_ui_info *info) {
	bool is_new = info->is_wanted && !(info->was_sent && size_equal(&info->wanted, &info->sent));
	if (info->bus == NULL || info->call != NULL || info->is_settling || info->is_refused ||
			!is_new) {
		return;
	}
	info->was_sent = true;
	info->sent = info->wanted;
	/* The place among the other heads is said to be the origin: oriel has no such order. */
	sd_bus_call_method_async(oriel_bus_get(info->bus), &info->call, NULL, info->path,
			"org.qemu.Display1.Console", "SetUIInfo", ui_info_handle_answer, info,
			"qqiiuu", info->sent.width_mm, info->sent.height_mm, 0, 0, info->sent.width,
			info->sent.height);
	oriel_bus_flush(info->bus);
}

static int ui_info_handle_timer(void *data) {
	struct oriel_qemu_ui_info *info = data;
	info->is_settling = false;
	ui_info_update(info);
	return 0;
}

void oriel_qemu_ui_info_init(struct oriel_qemu_ui_info *info, struct wl_event_loop *loop,
		const char *path, struct oriel_complaints *complaints) {
	*info = (struct oriel_qemu_ui_info){
		.path = path,
		.complaints = complaints,
	};
	info->timer = wl_event_loop_add_timer(loop, ui_info_handle_timer, info);
}

void oriel_qemu_ui_info_finish(struct oriel_qemu_ui_info *info) {
	oriel_qemu_ui_info_disconnect(info);
	if (info->timer != NULL) {
		wl_event_source_remove(info->timer);
		info->timer = NULL;
	}
}

void oriel_qemu_ui_info_connect(struct oriel_qemu_ui_info *info, struct oriel_bus *bus) {
	oriel_qemu_ui_info_disconnect(info);
	info->bus = bus;
	ui_info_update(info);
}

void oriel_qemu_ui_info_disconnect(struct oriel_qemu_ui_info *info) {
	info->call = sd_bus_slot_unref(info->call);
	info->bus = NULL;
	info->was_sent = false;
	info->is_refused = false;
}

void oriel_qemu_ui_info_set(
		struct oriel_qemu_ui_info *info, const struct oriel_guest_monitor *monitor) {
	struct oriel_qemu_ui_size size = size_from_monitor(monitor);
	if (info->is_wanted && size_equal(&size, &info->wanted)) {
		return;
	}
	info->wanted = size;
	info->is_wanted = true;
	info->is_settling = info->timer != NULL &&
			wl_event_source_timer_update(info->timer, SETTLE_MS) == 0;
	ui_info_update(info);
}
