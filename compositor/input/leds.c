#include "input/leds.h"

#include <stddef.h>
#include <stdint.h>
#include <wlr/types/wlr_keyboard.h>
#include <wlr/types/wlr_keyboard_group.h>

#include "input/guest_input.h"

static uint32_t get_guests(uint32_t leds) {
	uint32_t mask = 0;
	mask |= (leds & ORIEL_INPUT_SINK_LED_NUM) != 0 ? WLR_LED_NUM_LOCK : 0;
	mask |= (leds & ORIEL_INPUT_SINK_LED_CAPS) != 0 ? WLR_LED_CAPS_LOCK : 0;
	mask |= (leds & ORIEL_INPUT_SINK_LED_SCROLL) != 0 ? WLR_LED_SCROLL_LOCK : 0;
	return mask;
}

static uint32_t get_own(const struct wlr_keyboard *keyboard) {
	uint32_t mask = 0;
	for (int i = 0; keyboard->xkb_state != NULL && i < WLR_LED_COUNT; i++) {
		if (xkb_state_led_index_is_active(keyboard->xkb_state, keyboard->led_indexes[i]) > 0) {
			mask |= 1u << i;
		}
	}
	return mask;
}

static void handle_update(void *data) {
	struct oriel_leds *leds = data;
	struct wlr_keyboard *keyboard = &leds->keyboards->keyboard;
	leds->update = NULL;
	uint32_t guests;
	if (oriel_guest_input_get_leds(leds->guest_input, &guests)) {
		leds->are_guests = true;
		wlr_keyboard_led_update(keyboard, get_guests(guests));
	} else if (leds->are_guests) {
		leds->are_guests = false;
		wlr_keyboard_led_update(keyboard, get_own(keyboard));
	}
}

static void leds_update_when_idle(struct oriel_leds *leds) {
	uint32_t guests;
	if (leds->update == NULL &&
			(leds->are_guests || oriel_guest_input_get_leds(leds->guest_input, &guests))) {
		/* Without memory for it the next key puts things right. */
		leds->update = wl_event_loop_add_idle(leds->loop, handle_update, leds);
	}
}

static void handle_guest_leds(struct wl_listener *listener, void *data) {
	struct oriel_leds *leds = wl_container_of(listener, leds, guest_leds);
	leds_update_when_idle(leds);
}

/* wlroots shows the seat's own after it has told of modifiers: the guest's have to come after that. */
static void handle_modifiers(struct wl_listener *listener, void *data) {
	struct oriel_leds *leds = wl_container_of(listener, leds, modifiers);
	leds_update_when_idle(leds);
}

/* wlroots does nothing for a group whose LEDs stay as they are. */
void oriel_leds_add_keyboard(struct oriel_leds *leds, struct wlr_keyboard *keyboard) {
	uint32_t guests;
	if (oriel_guest_input_get_leds(leds->guest_input, &guests)) {
		wlr_keyboard_led_update(keyboard, get_guests(guests));
	}
}

void oriel_leds_init(struct oriel_leds *leds, struct wl_event_loop *loop,
		struct oriel_guest_input *guest_input, struct wlr_keyboard_group *keyboards) {
	*leds = (struct oriel_leds){
		.loop = loop,
		.guest_input = guest_input,
		.keyboards = keyboards,
	};
	leds->guest_leds.notify = handle_guest_leds;
	wl_signal_add(&guest_input->events.leds, &leds->guest_leds);
	leds->modifiers.notify = handle_modifiers;
	wl_signal_add(&keyboards->keyboard.events.modifiers, &leds->modifiers);
}

void oriel_leds_finish(struct oriel_leds *leds) {
	if (leds->loop == NULL) {
		return;
	}
	if (leds->update != NULL) {
		wl_event_source_remove(leds->update);
	}
	wl_list_remove(&leds->guest_leds.link);
	wl_list_remove(&leds->modifiers.link);
	leds->loop = NULL;
}
