#ifndef ORIEL_GUEST_QEMU_CONSOLE_IMPL_H
#define ORIEL_GUEST_QEMU_CONSOLE_IMPL_H

#include "guest/qemu/console.h"

struct oriel_bus;
struct oriel_complaints;
struct oriel_qmp;
struct wl_event_loop;

/*
 * What a console has to do with its machine, and nobody else with a console:
 *
 *	          connect		  arrive
 *	AWAY ---------------> ASKED ---------------> THERE
 *	  ^   known(), once it     \                   |
 *	  |   has answered	    \                  |
 *	  +--------------------------+-----------------+
 *	                        disconnect
 */
struct oriel_qemu_console_owner {
	struct oriel_qemu_machine *machine;
	struct wl_event_loop *loop;
	struct oriel_complaints *complaints;
	/* What the console says of itself is known, as far as it says anything. */
	void (*known)(struct oriel_qemu_machine *machine);
	/* Emits the console's events.change, as the machine knows how to outlive that. */
	void (*change)(struct oriel_qemu_machine *machine, struct oriel_qemu_console *console);
};

/* NULL if memory ran out. owner is copied. */
struct oriel_qemu_console *oriel_qemu_console_create(
		const struct oriel_qemu_console_owner *owner, unsigned number);
/* NULL is fine. Nobody may listen to it any more. */
void oriel_qemu_console_destroy(struct oriel_qemu_console *console);

/* Asks QEMU for the console's properties. False if memory ran out. */
bool oriel_qemu_console_connect(struct oriel_qemu_console *console, struct oriel_bus *bus);
/*
 * Has it for the machine's input alone, by QMP, which takes commands by now. qmp is destroyed right
 * behind oriel_qemu_console_disconnect(). False if memory ran out.
 */
bool oriel_qemu_console_connect_qmp(struct oriel_qemu_console *console, struct oriel_qmp *qmp);
/* The machine was reset: its pointer may be another one, and QMP tells only who asks. */
void oriel_qemu_console_reset(struct oriel_qemu_console *console);
/* QEMU reads again: what was left of the pointer's motion is sent. */
void oriel_qemu_console_drain(struct oriel_qemu_console *console);
/* From here on it is there, if it is connected. */
void oriel_qemu_console_arrive(struct oriel_qemu_console *console);
/* It is not there any more. Uses the bus no more when this returns. */
void oriel_qemu_console_disconnect(struct oriel_qemu_console *console);

#endif
