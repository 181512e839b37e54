#ifndef ORIEL_INPUT_KEYBOARD_H
#define ORIEL_INPUT_KEYBOARD_H

#include <stddef.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_keyboard.h>

struct oriel_seat;

/*
 * One keyboard of the seat: all physical keyboards as one (a wlr_keyboard_group), or one virtual
 * keyboard. A key goes to the first that takes it: the VT switch, "escape" and "grab" of oriel(5), the
 * bindings unless a guest has grabbed the input or a client inhibits them, the focused guest, the
 * focused client.
 */
struct oriel_keyboard {
	struct wl_list link; /* oriel_seat.keyboards */
	struct oriel_seat *seat;
	struct wlr_keyboard *wlr_keyboard;

	/* Keys that are down and that oriel took: who has the focus sees neither press nor release. */
	uint32_t eaten[WLR_KEYBOARD_KEYS_CAP]; /* evdev keycodes */
	size_t eaten_count;

	struct wl_listener key;
	struct wl_listener modifiers;
	struct wl_listener destroy;
};

/**
 * Let a keyboard type on the seat, until it or the returned object is destroyed.
 *
 * Returns NULL after logging if memory ran out.
 */
struct oriel_keyboard *oriel_keyboard_create(
		struct oriel_seat *seat, struct wlr_keyboard *wlr_keyboard);

/**
 * Take the keyboard off the seat; the wlr_keyboard stays as it is. NULL is fine.
 */
void oriel_keyboard_destroy(struct oriel_keyboard *keyboard);

/**
 * List the keys that are down as far as clients are concerned.
 *
 * ret_keycodes: evdev keycodes. Returns how many.
 */
size_t oriel_keyboard_get_pressed(const struct oriel_keyboard *keyboard,
		uint32_t ret_keycodes[WLR_KEYBOARD_KEYS_CAP]);

#endif
