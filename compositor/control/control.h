#ifndef ORIEL_CONTROL_CONTROL_H
#define ORIEL_CONTROL_CONTROL_H

#include "control/handover.h"

struct wl_event_loop;

/*
 * The server side of protocols/oriel-guest-v1.xml, on a socket of its own: it has a Wayland display
 * of its own, so that neither side's clients see the other's globals. Its events are handled in the
 * compositor's event loop.
 */

/* So many connections at a time; one more is told so, and ended. */
#define ORIEL_CONTROL_CLIENTS_MAX 32
/* So many oriel_guest_v1 objects of one connection at a time. */
#define ORIEL_CONTROL_OBJECTS_MAX 16

/* NULL after one log line. host and host_data outlive it. */
struct oriel_control *oriel_control_create(struct wl_event_loop *loop,
		const struct oriel_handover_host *host, void *host_data);

/* Ends the connections, and removes the socket. The host's guests stay as they are. NULL is fine. */
void oriel_control_destroy(struct oriel_control *control);

/*
 * Opens the socket, which only this user may connect to: oriel-N in XDG_RUNTIME_DIR, N being the
 * first that is free. NULL after one log line, else N's name, which lives as long as control.
 */
const char *oriel_control_listen(struct oriel_control *control);

#endif
