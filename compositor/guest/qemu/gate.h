#ifndef ORIEL_GUEST_QEMU_GATE_H
#define ORIEL_GUEST_QEMU_GATE_H

struct wl_event_loop;

/*
 * What comes from QEMU by D-Bus, as sd-bus may have it. By itself sd-bus trusts the other side further
 * than we do (seen with libsystemd 262): of a message that it cannot parse it drops the bytes, loses some
 * memory, and leaves the files open for ever; and while a message is not complete, any number of files
 * may come with it. So a QEMU could take all that oriel may have of either. Therefore sd-bus reads a
 * socket of ours:
 *
 *	QEMU --socket--> gate --socket pair--> sd-bus --the first socket--> QEMU
 *
 * where nothing else arrives than
 *	- a few lines, of the handshake, and then messages whose headers are small, and beyond doubt (wire.h);
 *	- with the header of a call, as many files as it says.
 *
 * The body is passed on as it is: sd-bus looks at it when it is read, and says so if it is wrong. What is
 * anything else ends the connection: sd-bus finds its socket closed, as it does when QEMU closes it.
 */
struct oriel_bus_gate;

/* Files that come with one call. */
#define ORIEL_BUS_GATE_FILES_MAX 8

/*
 * NULL if memory or files ran out. socket_fd is borrowed, and read from a duplicate. *ret_bus_fd is what
 * sd-bus reads from, and the caller's.
 */
struct oriel_bus_gate *oriel_bus_gate_create(
		struct wl_event_loop *loop, int socket_fd, int *ret_bus_fd);
/* NULL is fine. */
void oriel_bus_gate_destroy(struct oriel_bus_gate *gate);

#endif
