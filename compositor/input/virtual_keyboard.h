#ifndef ORIEL_INPUT_VIRTUAL_KEYBOARD_H
#define ORIEL_INPUT_VIRTUAL_KEYBOARD_H

struct wlr_virtual_keyboard_v1;

/**
 * Stand between a client's new virtual keyboard and wlroots, which maps the file that the client
 * sends as keymap: a file shorter than the client says, or one cut off meanwhile, would end the
 * compositor with SIGBUS.
 */
void oriel_virtual_keyboard_guard(struct wlr_virtual_keyboard_v1 *virtual_keyboard);

#endif
