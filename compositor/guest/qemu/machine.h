#ifndef ORIEL_GUEST_QEMU_MACHINE_H
#define ORIEL_GUEST_QEMU_MACHINE_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct oriel_bus;
struct oriel_qemu_console;

/* Heads that are taken of a machine. QEMU counts them from 0. */
#define ORIEL_QEMU_CONSOLES_MAX 16

/*
 * A machine that QEMU runs with -display dbus,p2p=yes, as oriel is connected to it. QEMU has one such
 * connection at a time, and its QMP monitor another: so the guests that are heads of one machine,
 * their input and their clipboard share one of these.
 *
 *	where: a path	connects to the QMP monitor there, gives QEMU one end of a socket pair (getfd,
 *			add_client), and speaks D-Bus on the other. While nobody answers it is tried
 *			again, once a second: a machine that comes later, or again, is found.
 *	"handover"	waits for oriel_qemu_machine_adopt().
 *
 * All of it is asynchronous: a QEMU that never answers, or never reads, holds up nobody.
 */
struct oriel_qemu_machine {
	struct {
		/*
		 * NULL: oriel_qemu_machine_is_there() has changed, or one that was handed over has gone
		 * before it was there. The consoles have been told before.
		 */
		struct wl_signal there;
		/*
		 * NULL: the machine was reset, or it was stopped or goes on, so that what the guest
		 * knows to be held down is not to be trusted. Only with a QMP monitor.
		 */
		struct wl_signal reset;
		struct wl_signal run; /* oriel_qemu_machine_is_running() has changed */
	} events;
};

/* What a file that is handed over speaks. */
enum oriel_qemu_channel {
	ORIEL_QEMU_CHANNEL_DBUS, /* D-Bus, as after QMP's add_client; there are no events of QMP then */
	ORIEL_QEMU_CHANNEL_QMP, /* QMP: the rest is done as with a path */
	/* QMP of a machine whose display is none of QEMU's: it has its console 0 for the input alone. */
	ORIEL_QEMU_CHANNEL_QMP_INPUT,
};

/*
 * The machine of that place, which is made if this event loop has none; where is a path or "handover",
 * and then name, of a guest, tells machines apart. name is for the log too. NULL after one log line.
 */
struct oriel_qemu_machine *oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where);
/* NULL is fine. */
void oriel_qemu_machine_unref(struct oriel_qemu_machine *machine);

/* It is connected, and what consoles it has is known. */
bool oriel_qemu_machine_is_there(const struct oriel_qemu_machine *machine);
/* False while it is stopped, as far as that is known. */
bool oriel_qemu_machine_is_running(const struct oriel_qemu_machine *machine);

/*
 * The machine is the one at the other end of take_fd from now on. False after one log line, if its
 * place is a path or take_fd is no socket.
 */
bool oriel_qemu_machine_adopt(
		struct oriel_qemu_machine *machine, enum oriel_qemu_channel channel, int take_fd);
/* The machine that was adopted has ended. */
void oriel_qemu_machine_end(struct oriel_qemu_machine *machine);

/*
 * The console of that number, whether the machine has it or not; lives as long as the machine. NULL
 * if memory ran out, or the number is none below ORIEL_QEMU_CONSOLES_MAX.
 */
struct oriel_qemu_console *oriel_qemu_machine_get_console(
		struct oriel_qemu_machine *machine, unsigned number);

/* The connection, or NULL while there is none, as with input alone. Borrowed, until events.there. */
struct oriel_bus *oriel_qemu_machine_get_bus(struct oriel_qemu_machine *machine);

const char *oriel_qemu_machine_get_name(const struct oriel_qemu_machine *machine);

#endif
