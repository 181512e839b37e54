#ifndef ORIEL_GUEST_QEMU_INPUT_H
#define ORIEL_GUEST_QEMU_INPUT_H

struct oriel_input_sink;
struct oriel_input_sink_options;
struct wl_event_loop;

/*
 * A guest's input by QEMU: the keyboard, pointer and touch screen that its machine has. That is by
 * QEMU's D-Bus display or, where the machine has no console there, by its QMP monitor. No device of the
 * host's is needed, nor any right but to reach QEMU.
 *
 * The guest says what its pointer is. QEMU has the driver of a tablet tell, and a machine that has none,
 * or whose guest has not come that far, has a mouse, which is moved by distances.
 *
 * That a machine has a touch screen QEMU does not say, and one that has none is left with a finger
 * down if it is touched. So touches are the pointer with its left button, one of them at a time, unless
 * the options say that there is one.
 */

/* For oriel_input_sink_create(), which see. The machine need not be there yet. */
struct oriel_input_sink *oriel_qemu_input_create(struct wl_event_loop *loop, const char *guest_name,
		const struct oriel_input_sink_options *options);

#endif
