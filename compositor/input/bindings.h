#ifndef ORIEL_INPUT_BINDINGS_H
#define ORIEL_INPUT_BINDINGS_H

#include <stddef.h>
#include <stdint.h>
#include <wayland-util.h>
#include <xkbcommon/xkbcommon.h>

struct oriel_config_binding;

/*
 * Which key binding does a pressed key mean? Pure functions of the configuration and of a
 * keyboard's xkb state: nothing here knows a seat.
 */

/**
 * Find the binding for one of the keysyms with exactly these modifiers.
 *
 * bindings: oriel_config.bindings. modifiers: enum wlr_keyboard_modifier, all that are down.
 * Caps Lock and Num Lock (Mod2) do not count, except for a binding that names them. Of several
 * keysyms an earlier one wins.
 *
 * Returns the binding, borrowed from the configuration, or NULL.
 */
const struct oriel_config_binding *oriel_bindings_find(const struct wl_list *bindings,
		uint32_t modifiers, const xkb_keysym_t keysyms[], size_t keysym_count);

/**
 * Find the binding for a key that is about to go down.
 *
 * state is the keyboard's before the key counts, keycode is xkb's (evdev's plus 8). The key is
 * tried, in this order, as
 *
 * 1. what it gives without Shift in the layout in use: "Super+Shift+1" and not "Super+exclam";
 * 2. what it gives now, less the modifiers that this took: "Super+exclam" is found as well, and
 *    "Super+1" where digits need Shift;
 * 3. what it gives without Shift in each other layout, in order: "Super+q" works while a Cyrillic
 *    layout is in use.
 *
 * Returns the binding, borrowed from the configuration, or NULL.
 */
const struct oriel_config_binding *oriel_bindings_find_key(
		const struct wl_list *bindings, struct xkb_state *state, xkb_keycode_t keycode);

/**
 * Tell which virtual terminal a key that is about to go down asks for: the keymaps of a PC turn
 * Ctrl+Alt+F1 to F12 into XF86Switch_VT_1 to 12.
 *
 * Returns the terminal's number, or 0 for any other key.
 */
unsigned oriel_bindings_find_vt(struct xkb_state *state, xkb_keycode_t keycode);

#endif
