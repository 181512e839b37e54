#ifndef ORIEL_GUEST_QEMU_BUS_H
#define ORIEL_GUEST_QEMU_BUS_H

#include <stdbool.h>
#include <stddef.h>

/* <systemd/sd-bus.h>, or that of another library of the same API: see compositor/meson.build. */
#include ORIEL_SD_BUS_HEADER

struct wl_event_loop;

/*
 * A D-Bus connection to one QEMU, without a bus daemon between, served by the event loop. QEMU is
 * the server of the handshake on every connection, whoever made the socket pair: here is the client.
 *
 * Objects and matches are added to oriel_bus_get() before oriel_bus_start(): QEMU asks for properties
 * as soon as the handshake is done, and stops until it has them. Nothing here waits for QEMU, and no
 * handler may: no sd_bus_call(), only sd_bus_call_async() and its relatives.
 */
struct oriel_bus;

struct oriel_bus_handler {
	/*
	 * The connection has ended, or the other side has broken the rules of D-Bus. Called once, from
	 * the event loop; the bus may be destroyed in it.
	 */
	void (*closed)(void *data);
	/*
	 * All that there was for QEMU has been sent, after it had to wait for QEMU to read. May be NULL.
	 * Called from the event loop; the bus may be destroyed in it.
	 */
	void (*drained)(void *data);
};

/*
 * NULL if memory or files ran out, or take_fd, which is a connected stream socket, is none. It is
 * consumed in every case.
 */
struct oriel_bus *oriel_bus_create(struct wl_event_loop *loop, int take_fd,
		const struct oriel_bus_handler *handler, void *data);

/* Begins the handshake. False: nothing can come of this connection. */
bool oriel_bus_start(struct oriel_bus *bus);

/* NULL is fine. May be called within any handler of the bus; calls that are not answered are dropped. */
void oriel_bus_destroy(struct oriel_bus *bus);

/* Borrowed. After anything was sent through it by hand, oriel_bus_flush() is due. */
sd_bus *oriel_bus_get(struct oriel_bus *bus);

/* Sends what is queued as far as the socket takes it, and the rest when it takes more. */
void oriel_bus_flush(struct oriel_bus *bus);

/* False once the connection ends: what calls are answered with then is not QEMU's answer. */
bool oriel_bus_is_open(const struct oriel_bus *bus);

/* Messages that QEMU has not read yet. Who sends on his own account stops at a number of his own. */
size_t oriel_bus_get_backlog(struct oriel_bus *bus);

#endif
