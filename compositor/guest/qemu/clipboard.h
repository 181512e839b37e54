#ifndef ORIEL_GUEST_QEMU_CLIPBOARD_H
#define ORIEL_GUEST_QEMU_CLIPBOARD_H

struct oriel_guest_clipboard;
struct wl_event_loop;

/*
 * The clipboard of a machine that QEMU runs: that of its guest, if the machine has an agent channel
 * (-chardev qemu-vdagent,clipboard=on) and the guest an agent. It is there and gone with the machine;
 * while it is gone, the guest has no text.
 *
 * name and where are as for oriel_qemu_machine_ref(). All who ask for that of one machine get the same
 * one, with a reference. NULL after one log line.
 */
struct oriel_guest_clipboard *oriel_qemu_clipboard_ref(
		struct wl_event_loop *loop, const char *name, const char *where);

#endif
