#include "input/keyboard.h"

#include <stdbool.h>
#include <stdlib.h>
#include <wlr/backend/session.h>
#include <wlr/types/wlr_keyboard_group.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/util/log.h>

#include "config.h"
#include "input/bindings.h"
#include "input/seat.h"

static bool keyboard_has_eaten(const struct oriel_keyboard *keyboard, uint32_t keycode) {
	for (size_t i = 0; i < keyboard->eaten_count; i++) {
		if (keyboard->eaten[i] == keycode) {
			return true;
		}
	}
	return false;
}

static bool keyboard_forget_eaten(struct oriel_keyboard *keyboard, uint32_t keycode) {
	for (size_t i = 0; i < keyboard->eaten_count; i++) {
		if (keyboard->eaten[i] == keycode) {
			keyboard->eaten[i] = keyboard->eaten[--keyboard->eaten_count];
			return true;
		}
	}
	return false;
}

/*
 * What a pressed key means to oriel, or NULL. "grab" is for guests only: elsewhere it is a key like
 * others.
 */
static const struct oriel_config_binding *seat_find_binding(
		const struct oriel_seat *seat, struct xkb_state *state, xkb_keycode_t keycode) {
	const struct oriel_guest_input *guest_input = &seat->guest_input;
	const struct oriel_config_binding *chord =
			oriel_bindings_find_key(&seat->config->chords, state, keycode);
	if (chord != NULL && (chord->action == ORIEL_ACTION_ESCAPE || guest_input->focus != NULL)) {
		return chord;
	}
	if (guest_input->is_grabbed || oriel_inhibit_is_active(&seat->inhibit)) {
		return NULL;
	}
	return oriel_bindings_find_key(&seat->config->bindings, state, keycode);
}

static void seat_act(struct oriel_seat *seat, const struct oriel_config_binding *binding) {
	struct oriel_guest_input *guest_input = &seat->guest_input;
	switch (binding->action) {
	case ORIEL_ACTION_GRAB:
		oriel_guest_input_set_grabbed(guest_input, !guest_input->is_grabbed);
		return;
	case ORIEL_ACTION_ESCAPE:
		oriel_guest_input_set_grabbed(guest_input, false);
		oriel_inhibit_end(&seat->inhibit);
		break;
	default:
		break;
	}
	wl_signal_emit_mutable(&seat->events.action, (void *)binding);
}

/* True if the compositor took the press. */
static bool keyboard_eat(struct oriel_keyboard *keyboard, uint32_t keycode) {
	struct oriel_seat *seat = keyboard->seat;
	struct xkb_state *state = keyboard->wlr_keyboard->xkb_state;
	if (keyboard_has_eaten(keyboard, keycode)) {
		return true; /* a virtual keyboard may press twice */
	}
	if (state == NULL || keyboard->eaten_count == WLR_KEYBOARD_KEYS_CAP) {
		return false;
	}

	/* Without a session Ctrl+Alt+F2 is a key like others: VTs are the host's business. */
	xkb_keycode_t xkb_keycode = keycode + 8;
	unsigned vt = seat->session != NULL ? oriel_bindings_find_vt(state, xkb_keycode) : 0;
	const struct oriel_config_binding *binding = NULL;
	if (vt == 0) {
		binding = seat_find_binding(seat, state, xkb_keycode);
		if (binding == NULL) {
			return false;
		}
	}

	/* Before the action: it may move the focus, and the new client must not see the key. */
	keyboard->eaten[keyboard->eaten_count++] = keycode;
	if (binding != NULL) {
		seat_act(seat, binding);
	} else if (!wlr_session_change_vt(seat->session, vt)) {
		wlr_log(WLR_ERROR, "cannot switch to VT %u", vt);
	}
	return true;
}

static void handle_key(struct wl_listener *listener, void *data) {
	struct oriel_keyboard *keyboard = wl_container_of(listener, keyboard, key);
	const struct wlr_keyboard_key_event *event = data;
	struct oriel_guest_input *guest_input = &keyboard->seat->guest_input;
	struct wlr_seat *wlr_seat = keyboard->seat->wlr_seat;

	switch (event->state) {
	case WL_KEYBOARD_KEY_STATE_PRESSED:
		if (keyboard_eat(keyboard, event->keycode) ||
				oriel_guest_input_key(guest_input, event->keycode, true)) {
			return;
		}
		break;
	case WL_KEYBOARD_KEY_STATE_RELEASED:
		if (keyboard_forget_eaten(keyboard, event->keycode) ||
				oriel_guest_input_key(guest_input, event->keycode, false)) {
			return;
		}
		break;
	default: /* virtual keyboards send any number, and clients need not know what to do with it */
		return;
	}

	wlr_seat_set_keyboard(wlr_seat, keyboard->wlr_keyboard);
	wlr_seat_keyboard_notify_key(wlr_seat, event->time_msec, event->keycode, event->state);
}

static void handle_modifiers(struct wl_listener *listener, void *data) {
	struct oriel_keyboard *keyboard = wl_container_of(listener, keyboard, modifiers);
	struct wlr_seat *wlr_seat = keyboard->seat->wlr_seat;
	wlr_seat_set_keyboard(wlr_seat, keyboard->wlr_keyboard);
	wlr_seat_keyboard_notify_modifiers(wlr_seat, &keyboard->wlr_keyboard->modifiers);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct oriel_keyboard *keyboard = wl_container_of(listener, keyboard, destroy);
	oriel_keyboard_destroy(keyboard);
}

struct oriel_keyboard *oriel_keyboard_create(
		struct oriel_seat *seat, struct wlr_keyboard *wlr_keyboard) {
	struct oriel_keyboard *keyboard = calloc(1, sizeof(*keyboard));
	if (keyboard == NULL) {
		wlr_log_errno(WLR_ERROR, "keyboard %s: out of memory", wlr_keyboard->base.name);
		return NULL;
	}
	keyboard->seat = seat;
	keyboard->wlr_keyboard = wlr_keyboard;

	keyboard->key.notify = handle_key;
	wl_signal_add(&wlr_keyboard->events.key, &keyboard->key);
	keyboard->modifiers.notify = handle_modifiers;
	wl_signal_add(&wlr_keyboard->events.modifiers, &keyboard->modifiers);
	keyboard->destroy.notify = handle_destroy;
	wl_signal_add(&wlr_keyboard->base.events.destroy, &keyboard->destroy);

	wl_list_insert(&seat->keyboards, &keyboard->link);
	return keyboard;
}

void oriel_keyboard_destroy(struct oriel_keyboard *keyboard) {
	if (keyboard == NULL) {
		return;
	}
	wl_list_remove(&keyboard->link);
	wl_list_remove(&keyboard->key.link);
	wl_list_remove(&keyboard->modifiers.link);
	wl_list_remove(&keyboard->destroy.link);

	/* Clients would otherwise be left without a keymap until the next key. */
	struct oriel_seat *seat = keyboard->seat;
	if (wlr_seat_get_keyboard(seat->wlr_seat) == keyboard->wlr_keyboard) {
		struct wlr_keyboard *physical = &seat->keyboard_group->keyboard;
		wlr_seat_set_keyboard(seat->wlr_seat,
				physical != keyboard->wlr_keyboard ? physical : NULL);
	}
	free(keyboard);
}

size_t oriel_keyboard_get_pressed(const struct oriel_keyboard *keyboard,
		uint32_t ret_keycodes[WLR_KEYBOARD_KEYS_CAP]) {
	const struct wlr_keyboard *wlr_keyboard = keyboard->wlr_keyboard;
	size_t count = 0;
	for (size_t i = 0; i < wlr_keyboard->num_keycodes; i++) {
		if (!keyboard_has_eaten(keyboard, wlr_keyboard->keycodes[i])) {
			ret_keycodes[count++] = wlr_keyboard->keycodes[i];
		}
	}
	return count;
}
