#ifndef TESTS_UNIT_QEMU_RIG_H
#define TESTS_UNIT_QEMU_RIG_H

#include <wayland-server-core.h>

#include "fake_qemu.h"
#include "guest/qemu/console.h"
#include "guest/qemu/machine.h"

/*
 * A machine at a path, or handed over, with a fake QEMU behind it. Needs what held_timers needs. Its
 * teardown checks that no fd is left, and runs for a case that failed as well.
 */
#define QEMU_RIG_CONSOLES 2

struct qemu_rig {
	struct wl_event_loop *loop;
	struct fake_qemu *qemu;
	struct oriel_qemu_machine *machine; /* NULL: the test has let go of it */
	struct oriel_qemu_console *consoles[QEMU_RIG_CONSOLES];
	char directory[32], path[64];
	int fds_before;

	/* Counted. */
	unsigned there, reset, run, changes[QEMU_RIG_CONSOLES];
	/* As they were when events.there came last. */
	bool was_there, consoles_were_there;
	/* Events from now on until the machine is let go of in the handler; 0: it is not. */
	unsigned lets_go_after;

	struct wl_listener on_there, on_reset, on_run;
	struct {
		struct wl_listener listener;
		struct qemu_rig *rig;
	} on_change[QEMU_RIG_CONSOLES];
};

/* cmocka's: state becomes the rig, which has a fake QEMU and no machine yet. */
int qemu_rig_setup(void **state);
int qemu_rig_teardown(void **state);

/* The machine where the fake QEMU is, or that is to be handed over; not NULL. Settles. */
void qemu_rig_start(struct qemu_rig *rig, const char *where);
void qemu_rig_let_go(struct qemu_rig *rig);

void qemu_rig_settle(struct qemu_rig *rig);

#endif
