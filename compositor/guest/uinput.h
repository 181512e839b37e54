#ifndef ORIEL_GUEST_UINPUT_H
#define ORIEL_GUEST_UINPUT_H

struct oriel_input_sink;
struct oriel_input_sink_options;
struct wl_event_loop;

/*
 * A guest's input as devices of the host's kernel, for a machine that is given them by whoever runs
 * it: QEMU takes them as "-object input-linux,evdev=…" or "-device virtio-input-host-pci,evdev=…".
 *
 *	$XDG_RUNTIME_DIR/oriel/NAME-keyboard
 *	$XDG_RUNTIME_DIR/oriel/NAME-pointer	buttons, wheels, moved by distances
 *	$XDG_RUNTIME_DIR/oriel/NAME-tablet	buttons, wheels, moved to places
 *	$XDG_RUNTIME_DIR/oriel/NAME-touch	a touch screen
 *
 * are links to their files in /dev/input, there from before the guest's machine can have been
 * started until the sink is destroyed. Of several that have the same name the last one made has the
 * links. To udev each device's phys is "oriel/NAME/keyboard" and so on.
 *
 * Pointer and tablet are two devices, because what a device can do is fixed when it is made, and
 * because one that has both is taken for a mouse by some guests and for a tablet by others.
 */

/*
 * For oriel_input_sink_create(), which see; of its options none is needed. The devices are made through /dev/uinput, all of them
 * or none; that a link cannot be made is logged, and the devices are used all the same.
 */
struct oriel_input_sink *oriel_uinput_create(struct wl_event_loop *loop, const char *guest_name,
		const struct oriel_input_sink_options *options);

#endif
