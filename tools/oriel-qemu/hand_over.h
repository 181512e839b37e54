#ifndef ORIEL_QEMU_HAND_OVER_H
#define ORIEL_QEMU_HAND_OVER_H

#include <stdbool.h>

#include "control.h"

struct machine;
struct monitor;

/* Where a machine is shown, as long as it runs: by one oriel, and by the next one when that has ended. */
struct hand_over {
	const char *display; /* the control socket, see control_open() */
	const struct monitor *monitor;
	struct control_request request; /* its fd is open while it is asked */
	struct control *control; /* NULL: there is no oriel, as far as is known */
	char reason[512]; /* why not, or why the guest was refused */
};

/* guest_name and output_name, which may be NULL, are borrowed, as is the rest. */
void hand_over_init(struct hand_over *hand_over, const char *display, const char *guest_name,
		const char *output_name, const struct machine *machine,
		const struct monitor *monitor);
/* The guest stays in oriel. */
void hand_over_finish(struct hand_over *hand_over);

/*
 * Connects to oriel and to QEMU, and begins to ask. Only without a control connection. False if there
 * is no oriel, or no QEMU: then there is a reason.
 */
bool hand_over_begin(struct hand_over *hand_over);

/* Readable when hand_over_dispatch() has something to do; -1 without a connection. */
int hand_over_get_fd(const struct hand_over *hand_over);

/*
 * Takes what oriel says, without waiting for it. Any state but CONTROL_WAITING and CONTROL_ACCEPTED
 * has a reason. After CONTROL_ENDED there is no connection.
 */
enum control_state hand_over_dispatch(struct hand_over *hand_over);

#endif
