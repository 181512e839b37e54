#include "input/bindings.h"

#include <stdbool.h>
#include <wlr/types/wlr_keyboard.h>

#include "config.h"

/* Locks: keys that somebody left on, which nobody means as part of a binding. */
static const uint32_t lock_modifiers = WLR_MODIFIER_CAPS | WLR_MODIFIER_MOD2;

/* The real modifiers of X11. xkbcommon numbers them as enum wlr_keyboard_modifier does. */
static const uint32_t real_modifiers = 0xff;

static bool binding_matches(const struct oriel_config_binding *binding, uint32_t modifiers,
		xkb_keysym_t keysym) {
	uint32_t ignored = lock_modifiers & ~binding->modifiers;
	if ((modifiers & ~ignored) != binding->modifiers) {
		return false;
	}
	return keysym == binding->keysym;
}

const struct oriel_config_binding *oriel_bindings_find(const struct wl_list *bindings,
		uint32_t modifiers, const xkb_keysym_t keysyms[], size_t keysym_count) {
	for (size_t i = 0; i < keysym_count; i++) {
		if (keysyms[i] == XKB_KEY_NoSymbol) {
			continue;
		}
		const struct oriel_config_binding *binding;
		wl_list_for_each(binding, bindings, link) {
			if (binding_matches(binding, modifiers, keysyms[i])) {
				return binding;
			}
		}
	}
	return NULL;
}

/*
 * Depressed and latched modifiers are meant for this key; of the locked ones only the locks
 * count, so that a layout which keeps Mod3 or Mod5 locked does not switch every binding off.
 */
static uint32_t state_get_modifiers(struct xkb_state *state) {
	uint32_t held = xkb_state_serialize_mods(
			state, XKB_STATE_MODS_DEPRESSED | XKB_STATE_MODS_LATCHED);
	uint32_t locked = xkb_state_serialize_mods(state, XKB_STATE_MODS_LOCKED);
	return (held & real_modifiers) | (locked & lock_modifiers);
}

static const struct oriel_config_binding *layout_find_key(const struct wl_list *bindings,
		struct xkb_state *state, xkb_keycode_t keycode, xkb_layout_index_t layout) {
	const xkb_keysym_t *keysyms;
	int count = xkb_keymap_key_get_syms_by_level(
			xkb_state_get_keymap(state), keycode, layout, 0, &keysyms);
	return oriel_bindings_find(bindings, state_get_modifiers(state), keysyms, (size_t)count);
}

const struct oriel_config_binding *oriel_bindings_find_key(
		const struct wl_list *bindings, struct xkb_state *state, xkb_keycode_t keycode) {
	xkb_layout_index_t layout = xkb_state_key_get_layout(state, keycode);
	if (layout == XKB_LAYOUT_INVALID) {
		return NULL;
	}

	const struct oriel_config_binding *binding =
			layout_find_key(bindings, state, keycode, layout);
	if (binding != NULL) {
		return binding;
	}

	const xkb_keysym_t *keysyms;
	int count = xkb_state_key_get_syms(state, keycode, &keysyms);
	uint32_t consumed = xkb_state_key_get_consumed_mods2(state, keycode, XKB_CONSUMED_MODE_XKB);
	binding = oriel_bindings_find(
			bindings, state_get_modifiers(state) & ~consumed, keysyms, (size_t)count);
	if (binding != NULL) {
		return binding;
	}

	xkb_layout_index_t layouts =
			xkb_keymap_num_layouts_for_key(xkb_state_get_keymap(state), keycode);
	for (xkb_layout_index_t other = 0; other < layouts && binding == NULL; other++) {
		if (other != layout) {
			binding = layout_find_key(bindings, state, keycode, other);
		}
	}
	return binding;
}

unsigned oriel_bindings_find_vt(struct xkb_state *state, xkb_keycode_t keycode) {
	const xkb_keysym_t *keysyms;
	int count = xkb_state_key_get_syms(state, keycode, &keysyms);
	for (int i = 0; i < count; i++) {
		if (keysyms[i] >= XKB_KEY_XF86Switch_VT_1 && keysyms[i] <= XKB_KEY_XF86Switch_VT_12) {
			return keysyms[i] - XKB_KEY_XF86Switch_VT_1 + 1;
		}
	}
	return 0;
}
