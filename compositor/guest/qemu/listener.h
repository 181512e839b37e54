#ifndef ORIEL_GUEST_QEMU_LISTENER_H
#define ORIEL_GUEST_QEMU_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/qemu/bus.h"

struct wl_event_loop;

/*
 * Our end of a connection on which QEMU shows one console: it calls, we listen. The other end goes to
 * QEMU by oriel_qemu_console_register_listener().
 *
 *	Scanout, Update				a picture, and parts of it, as bytes
 *	Unix.Map.ScanoutMap, UpdateMap		a picture in memory that QEMU shares, and where it has changed
 *	ScanoutDMABUF, UpdateDMABUF		the same of a dma-buf
 *	Unix.ScanoutDMABUF2.ScanoutDMABUF2	of one with several planes, or larger than the picture
 *	Disable, CursorDefine, MouseSet
 *
 * QEMU asks first what of that we take (Interfaces), and stops until it knows; and it stops whenever it
 * calls ScanoutMap. Without an answer within a second, or with an error, it uses Scanout on this
 * connection. UpdateDMABUF is answered when the picture has been read: QEMU holds back a virtio-gpu
 * guest until then, and for a second at most.
 *
 * What is passed on has the types that it should have, and no more has been checked.
 */
struct oriel_qemu_listener;

struct oriel_qemu_box {
	int32_t x, y, width, height;
};

struct oriel_qemu_scanout {
	uint32_t width, height, stride_bytes;
	uint32_t pixman_format;
	const uint8_t *data;
	size_t size_bytes; /* of data */
};

struct oriel_qemu_update {
	struct oriel_qemu_box box;
	uint32_t stride_bytes;
	uint32_t pixman_format;
	const uint8_t *data;
	size_t size_bytes; /* of data */
};

struct oriel_qemu_scanout_map {
	int fd;
	uint32_t offset_bytes;
	uint32_t width, height, stride_bytes;
	uint32_t pixman_format;
};

#define ORIEL_QEMU_PLANES_MAX 4

struct oriel_qemu_scanout_dmabuf {
	int fds[ORIEL_QEMU_PLANES_MAX];
	uint32_t offsets_bytes[ORIEL_QEMU_PLANES_MAX];
	uint32_t strides_bytes[ORIEL_QEMU_PLANES_MAX];
	size_t plane_count; /* 1 to ORIEL_QEMU_PLANES_MAX */
	uint32_t x, y, width, height; /* of the picture in the buffer */
	uint32_t backing_width, backing_height; /* of the buffer; 0: no larger than it has to be */
	uint32_t fourcc;
	uint64_t modifier;
	bool y0_top; /* unlike what it says: the first row is the lowest one */
};

struct oriel_qemu_cursor_shape {
	int32_t width, height, hot_x, hot_y;
	const uint8_t *data; /* ARGB8888 in the CPU's order */
	size_t size_bytes; /* of data */
};

/*
 * All of these may destroy the listener. What is pointed to, and files, are borrowed for the call.
 * Those that return false have refused what they were given, and QEMU is told.
 */
struct oriel_qemu_listener_handler {
	bool (*scanout)(void *data, const struct oriel_qemu_scanout *scanout);
	bool (*update)(void *data, const struct oriel_qemu_update *update);
	bool (*scanout_map)(void *data, const struct oriel_qemu_scanout_map *scanout);
	bool (*update_map)(void *data, const struct oriel_qemu_box *box);
	bool (*scanout_dmabuf)(void *data, const struct oriel_qemu_scanout_dmabuf *scanout);
	/* take_call is to be answered by oriel_qemu_listener_answer(), or let go by sd_bus_message_unref(). */
	void (*update_dmabuf)(void *data, const struct oriel_qemu_box *box,
			struct sd_bus_message *take_call);
	void (*disable)(void *data);
	void (*mouse_set)(void *data, int32_t x, int32_t y, bool is_on);
	bool (*cursor_define)(void *data, const struct oriel_qemu_cursor_shape *shape);
	/* The connection has ended. Called once at most. */
	void (*closed)(void *data);
};

/* NULL if memory or files ran out. *ret_peer_fd, QEMU's end, belongs to the caller. */
struct oriel_qemu_listener *oriel_qemu_listener_create(struct wl_event_loop *loop,
		const struct oriel_qemu_listener_handler *handler, void *data, int *ret_peer_fd);
/* NULL is fine. Calls that are not answered never are. */
void oriel_qemu_listener_destroy(struct oriel_qemu_listener *listener);

void oriel_qemu_listener_answer(
		struct oriel_qemu_listener *listener, struct sd_bus_message *take_call);

#endif
