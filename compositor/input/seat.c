#include "input/seat.h"

#include <assert.h>
#include <stdlib.h>
#include <wlr/backend.h>
#include <wlr/config.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_data_control_v1.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_ext_data_control_v1.h>
#include <wlr/types/wlr_input_device.h>
#include <wlr/types/wlr_keyboard_group.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_primary_selection.h>
#include <wlr/types/wlr_primary_selection_v1.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_touch.h>
#include <wlr/types/wlr_virtual_keyboard_v1.h>
#include <wlr/types/wlr_virtual_pointer_v1.h>
#include <wlr/util/log.h>
#include <xkbcommon/xkbcommon.h>
#if WLR_HAS_LIBINPUT_BACKEND
#include <wlr/backend/libinput.h>
#endif

#include "config.h"
#include "input/clipboard.h"
#include "input/cursor.h"
#include "input/drag.h"
#include "input/keyboard.h"
#include "input/virtual_keyboard.h"

#define DATA_CONTROL_VERSION 1

/* Devices */

static void seat_add_keyboard(struct oriel_seat *seat, struct wlr_keyboard *wlr_keyboard) {
	/* The group takes keyboards with its own keymap only. */
	if (!wlr_keyboard_set_keymap(wlr_keyboard, seat->keymap) ||
			!wlr_keyboard_group_add_keyboard(seat->keyboard_group, wlr_keyboard)) {
		wlr_log(WLR_ERROR, "keyboard %s cannot be used", wlr_keyboard->base.name);
	}
	oriel_leds_add_keyboard(&seat->leds, wlr_keyboard);
}

/* What we write into the devices of a guest must not come back as the user's. */
static bool seat_made_device(const struct oriel_seat *seat, struct wlr_input_device *device) {
#if WLR_HAS_LIBINPUT_BACKEND
	return wlr_input_device_is_libinput(device) &&
			oriel_guest_input_owns_node(&seat->guest_input,
					libinput_device_get_sysname(
							wlr_libinput_get_device_handle(device)));
#else
	return false;
#endif
}

static void handle_new_input(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, new_input);
	struct wlr_input_device *device = data;
	if (seat_made_device(seat, device)) {
		wlr_log(WLR_DEBUG, "input device %s is a guest's", device->name);
		return;
	}
	switch (device->type) {
	case WLR_INPUT_DEVICE_KEYBOARD:
		seat_add_keyboard(seat, wlr_keyboard_from_input_device(device));
		break;
	case WLR_INPUT_DEVICE_POINTER:
		oriel_cursor_add_pointer(seat->cursor, wlr_pointer_from_input_device(device),
				wlr_pointer_from_input_device(device)->output_name);
		break;
	case WLR_INPUT_DEVICE_TOUCH:
		oriel_touch_add_screen(&seat->touch, wlr_touch_from_input_device(device));
		break;
	default:
		wlr_log(WLR_DEBUG, "input device %s is of no kind that is used", device->name);
		break;
	}
}

static void handle_new_virtual_keyboard(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, new_virtual_keyboard);
	struct wlr_virtual_keyboard_v1 *virtual_keyboard = data;
	oriel_virtual_keyboard_guard(virtual_keyboard);
	/* Not into the group: it brings a keymap of its own. */
	oriel_keyboard_create(seat, &virtual_keyboard->keyboard);
}

static void handle_new_virtual_pointer(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, new_virtual_pointer);
	const struct wlr_virtual_pointer_v1_new_pointer_event *event = data;
	oriel_cursor_add_pointer(seat->cursor, &event->new_pointer->pointer,
			event->suggested_output != NULL ? event->suggested_output->name : NULL);
}

static struct xkb_keymap *compile_keymap(void) {
	struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	struct xkb_keymap *keymap = NULL;
	if (context != NULL) {
		keymap = xkb_keymap_new_from_names(context, NULL, XKB_KEYMAP_COMPILE_NO_FLAGS);
	}
	xkb_context_unref(context);
	if (keymap != NULL) {
		return keymap;
	}

	wlr_log(WLR_ERROR, "the environment's keyboard layout cannot be used, taking the default");
	context = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
	if (context != NULL) {
		keymap = xkb_keymap_new_from_names(context, NULL, XKB_KEYMAP_COMPILE_NO_FLAGS);
	}
	xkb_context_unref(context);
	if (keymap == NULL) {
		wlr_log(WLR_ERROR, "there is no keyboard layout at all: no key bindings");
	}
	return keymap;
}

/* Focus */

static void seat_send_focus(struct oriel_seat *seat) {
	struct wlr_seat *wlr_seat = seat->wlr_seat;
	if (seat->focus == NULL) {
		wlr_seat_keyboard_notify_clear_focus(wlr_seat);
		return;
	}

	const struct wlr_keyboard *wlr_keyboard = wlr_seat_get_keyboard(wlr_seat);
	uint32_t keycodes[WLR_KEYBOARD_KEYS_CAP];
	size_t count = 0;
	struct oriel_keyboard *keyboard;
	wl_list_for_each(keyboard, &seat->keyboards, link) {
		if (keyboard->wlr_keyboard == wlr_keyboard) {
			count = oriel_keyboard_get_pressed(keyboard, keycodes);
		}
	}
	wlr_seat_keyboard_notify_enter(wlr_seat, seat->focus, keycodes, count,
			wlr_keyboard != NULL ? &wlr_keyboard->modifiers : NULL);
}

static void seat_set_focus(struct oriel_seat *seat, struct wlr_surface *surface) {
	if (seat->focus == surface) {
		return;
	}
	wl_list_remove(&seat->focus_destroy.link);
	wl_list_init(&seat->focus_destroy.link);
	seat->focus = surface;
	if (surface != NULL) {
		wl_signal_add(&surface->events.destroy, &seat->focus_destroy);
	}
	seat_send_focus(seat);
	wl_signal_emit_mutable(&seat->events.focus, surface);
}

static void handle_focus_destroy(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, focus_destroy);
	seat_set_focus(seat, NULL);
}

static void handle_keyboard_grab_end(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, keyboard_grab_end);
	seat_send_focus(seat);
}

void oriel_seat_focus_surface(struct oriel_seat *seat, struct wlr_surface *surface) {
	if (!seat->guest_input.is_grabbed) {
		oriel_guest_input_set_focus(&seat->guest_input, NULL);
		seat_set_focus(seat, surface);
	}
}

void oriel_seat_focus_guest(struct oriel_seat *seat, struct oriel_guest_view *view) {
	seat_set_focus(seat, NULL);
	oriel_guest_input_set_focus(&seat->guest_input, view);
}

struct wlr_seat *oriel_seat_get_wlr_seat(struct oriel_seat *seat) {
	return seat->wlr_seat;
}

/* Selections: wlroots has checked the serial. */

static void handle_request_set_selection(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, request_set_selection);
	const struct wlr_seat_request_set_selection_event *event = data;
	wlr_seat_set_selection(seat->wlr_seat, event->source, event->serial);
}

static void handle_request_set_primary_selection(struct wl_listener *listener, void *data) {
	struct oriel_seat *seat = wl_container_of(listener, seat, request_set_primary_selection);
	const struct wlr_seat_request_set_primary_selection_event *event = data;
	wlr_seat_set_primary_selection(seat->wlr_seat, event->source, event->serial);
}

/* Birth and death */

static void seat_init_listeners(struct oriel_seat *seat) {
	wl_list_init(&seat->keyboards);
	wl_signal_init(&seat->events.action);
	wl_signal_init(&seat->events.press);
	wl_signal_init(&seat->events.focus);

	seat->focus_destroy.notify = handle_focus_destroy;
	wl_list_init(&seat->focus_destroy.link);
	seat->new_input.notify = handle_new_input;
	wl_list_init(&seat->new_input.link);
	seat->new_virtual_keyboard.notify = handle_new_virtual_keyboard;
	wl_list_init(&seat->new_virtual_keyboard.link);
	seat->new_virtual_pointer.notify = handle_new_virtual_pointer;
	wl_list_init(&seat->new_virtual_pointer.link);
	seat->keyboard_grab_end.notify = handle_keyboard_grab_end;
	wl_list_init(&seat->keyboard_grab_end.link);
	seat->request_set_selection.notify = handle_request_set_selection;
	wl_list_init(&seat->request_set_selection.link);
	seat->request_set_primary_selection.notify = handle_request_set_primary_selection;
	wl_list_init(&seat->request_set_primary_selection.link);
}

static bool seat_create_parts(struct oriel_seat *seat, struct wl_display *display,
		struct wlr_output_layout *layout, struct wlr_scene *scene) {
	seat->wlr_seat = wlr_seat_create(display, "seat0");
	seat->keyboard_group = wlr_keyboard_group_create();
	if (seat->wlr_seat == NULL || seat->keyboard_group == NULL) {
		return false;
	}

	seat->keymap = compile_keymap();
	if (!wlr_keyboard_set_keymap(&seat->keyboard_group->keyboard, seat->keymap)) {
		return false;
	}
	if (oriel_keyboard_create(seat, &seat->keyboard_group->keyboard) == NULL) {
		return false;
	}
	wlr_seat_set_keyboard(seat->wlr_seat, &seat->keyboard_group->keyboard);
	oriel_leds_init(&seat->leds, wl_display_get_event_loop(display), &seat->guest_input,
			seat->keyboard_group);

	seat->cursor = oriel_cursor_create(seat, display, layout, scene);
	seat->drag = oriel_drag_create(seat, scene);
	seat->clipboard = oriel_clipboard_create(seat);
	return seat->cursor != NULL && seat->drag != NULL && seat->clipboard != NULL;
}

static bool seat_create_globals(struct oriel_seat *seat, struct wl_display *display) {
	struct wlr_virtual_keyboard_manager_v1 *virtual_keyboards =
			wlr_virtual_keyboard_manager_v1_create(display);
	struct wlr_virtual_pointer_manager_v1 *virtual_pointers =
			wlr_virtual_pointer_manager_v1_create(display);
	if (virtual_keyboards == NULL || virtual_pointers == NULL ||
			wlr_data_device_manager_create(display) == NULL ||
			wlr_primary_selection_v1_device_manager_create(display) == NULL ||
			wlr_ext_data_control_manager_v1_create(display, DATA_CONTROL_VERSION) == NULL ||
			wlr_data_control_manager_v1_create(display) == NULL ||
			!oriel_inhibit_init(&seat->inhibit, display, seat)) {
		return false;
	}
	wl_signal_add(&virtual_keyboards->events.new_virtual_keyboard, &seat->new_virtual_keyboard);
	wl_signal_add(&virtual_pointers->events.new_virtual_pointer, &seat->new_virtual_pointer);
	return true;
}

struct oriel_seat *oriel_seat_create(struct wl_display *display, struct wlr_backend *backend,
		struct wlr_output_layout *layout, struct wlr_scene *scene,
		const struct oriel_layout *guests, struct wlr_session *session,
		const struct oriel_config *config) {
	struct oriel_seat *seat = calloc(1, sizeof(*seat));
	if (seat == NULL) {
		wlr_log_errno(WLR_ERROR, "cannot create the seat");
		return NULL;
	}
	seat->session = session;
	seat->config = config;
	seat_init_listeners(seat);
	oriel_guest_input_init(&seat->guest_input, guests, scene);
	oriel_touch_init(&seat->touch, seat, layout);

	if (!seat_create_parts(seat, display, layout, scene) || !seat_create_globals(seat, display)) {
		wlr_log(WLR_ERROR, "cannot create the seat");
		oriel_seat_destroy(seat);
		return NULL;
	}

	wl_signal_add(&backend->events.new_input, &seat->new_input);
	wl_signal_add(&seat->wlr_seat->events.keyboard_grab_end, &seat->keyboard_grab_end);
	wl_signal_add(&seat->wlr_seat->events.request_set_selection, &seat->request_set_selection);
	wl_signal_add(&seat->wlr_seat->events.request_set_primary_selection,
			&seat->request_set_primary_selection);
	wlr_seat_set_capabilities(
			seat->wlr_seat, WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD);
	return seat;
}

void oriel_seat_destroy(struct oriel_seat *seat) {
	if (seat == NULL) {
		return;
	}
	assert(wl_list_empty(&seat->events.action.listener_list));
	assert(wl_list_empty(&seat->events.press.listener_list));
	oriel_inhibit_finish(&seat->inhibit);
	assert(wl_list_empty(&seat->events.focus.listener_list));

	oriel_clipboard_destroy(seat->clipboard);
	oriel_leds_finish(&seat->leds);
	oriel_touch_finish(&seat->touch);
	oriel_guest_input_finish(&seat->guest_input);
	wl_list_remove(&seat->focus_destroy.link);
	wl_list_remove(&seat->new_input.link);
	wl_list_remove(&seat->new_virtual_keyboard.link);
	wl_list_remove(&seat->new_virtual_pointer.link);
	wl_list_remove(&seat->keyboard_grab_end.link);
	wl_list_remove(&seat->request_set_selection.link);
	wl_list_remove(&seat->request_set_primary_selection.link);

	if (seat->wlr_seat != NULL) {
		/* A drag lives in the grabs that it made: ending them is what frees it. */
		wlr_seat_keyboard_end_grab(seat->wlr_seat);
		wlr_seat_pointer_end_grab(seat->wlr_seat);
		/* wlr_seat_destroy() leaves its listener on a source whose drop is not over. */
		wlr_data_source_destroy(seat->wlr_seat->drag_source);
	}
	oriel_drag_destroy(seat->drag);
	oriel_cursor_destroy(seat->cursor);

	struct oriel_keyboard *keyboard, *next;
	wl_list_for_each_safe(keyboard, next, &seat->keyboards, link) {
		oriel_keyboard_destroy(keyboard);
	}
	if (seat->keyboard_group != NULL) {
		wlr_keyboard_group_destroy(seat->keyboard_group);
	}
	xkb_keymap_unref(seat->keymap);
	wlr_seat_destroy(seat->wlr_seat);
	free(seat);
}
