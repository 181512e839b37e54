#ifndef ORIEL_GUEST_DRIVERS_QEMU_SURFACE_H
#define ORIEL_GUEST_DRIVERS_QEMU_SURFACE_H

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/buffer.h"
#include "guest/pixels.h"
#include "guest/qemu/listener.h"
#include "guest/validate.h"

/*
 * A picture of QEMU's that is no dma-buf:
 *
 *	ScanoutMap --mmap-----------------> map ---+
 *	UpdateMap ------------------> damage       |
 *	                                   |       +--take--> pixels (memory of ours) --> frames
 *	Scanout, Update --rows that differ--> bytes +
 *	                \-----------> damage
 *
 * QEMU draws into the map whenever it likes, may cut it off, and says of a part that it has changed once
 * it has. So the part is copied when the frame is taken, just before it is drawn and so as new as can be,
 * under guest/fault_guard. Its rows that differ are the frame: of a VGA's text QEMU says so with each look
 * at it, 33 times a second, whether it has changed or not.
 *
 * Bytes are kept until then for another reason: what is on screen is read again whenever something above
 * it changes, and would be torn by what has just come.
 *
 * A scanout is a new picture, of which nothing is shown before it is updated: QEMU announces some that it
 * never fills. Only bytes come with their content.
 *
 * What it costs is bounded: a picture takes ORIEL_QEMU_SURFACE_BYTES_MAX twice, and copying one in two
 * parts of a core.
 */

/* Of a picture: 7680x4320 pixels and more. */
#define ORIEL_QEMU_SURFACE_BYTES_MAX (UINT64_C(256) << 20)

struct oriel_qemu_surface {
	struct oriel_guest_buffer_attributes attributes; /* in the source; no width: there is none */
	/* The source: one of the two, or neither. */
	uint8_t *map;
	size_t map_size_bytes;
	uint8_t *bytes;
	size_t bytes_size_bytes;
	pixman_region32_t damage; /* of the source, since it was taken last */
	bool is_new; /* nothing of it has been taken: all is damaged that is */
	struct oriel_guest_pixels pixels; /* what was taken last; outlives the source */
	pixman_region32_t taken; /* what differs in it from what was taken before */
	uint8_t *row; /* room for one row of it */
	uint64_t next_ns; /* the time from which on another may be taken (CLOCK_MONOTONIC) */
};

void oriel_qemu_surface_init(struct oriel_qemu_surface *surface);
void oriel_qemu_surface_finish(struct oriel_qemu_surface *surface);

/* There is no source any more. What was taken stays. */
void oriel_qemu_surface_clear(struct oriel_qemu_surface *surface);

/*
 * The source is another one. False if it is refused, for which message then has the reason, in words
 * that continue "guest NAME: QEMU: "; there is none then.
 */
bool oriel_qemu_surface_set_map(struct oriel_qemu_surface *surface,
		const struct oriel_qemu_scanout_map *scanout,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);
bool oriel_qemu_surface_set_bytes(struct oriel_qemu_surface *surface,
		const struct oriel_qemu_scanout *scanout,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

/* The map has changed there, as far as that is within it. */
void oriel_qemu_surface_damage(struct oriel_qemu_surface *surface, const struct oriel_qemu_box *box);

/* New bytes for a part. False, and nothing is done, if it is none of these bytes. */
bool oriel_qemu_surface_update(
		struct oriel_qemu_surface *surface, const struct oriel_qemu_update *update);

/* True if there is something to be taken. */
bool oriel_qemu_surface_is_damaged(const struct oriel_qemu_surface *surface);

/*
 * Takes what there is. 1: it is in pixels, and *ret_damage is what differs from before, valid until the
 * next take, or NULL: everything may. 0: there is nothing, or it is too soon. -EFAULT: the map has
 * ended, and there is no source any more. Another -errno: it could not be, and can be tried again.
 */
int oriel_qemu_surface_take(struct oriel_qemu_surface *surface, uint64_t now_ns,
		const pixman_region32_t **ret_damage);

/* What comes next is a picture, though it be the same as before. */
void oriel_qemu_surface_renew(struct oriel_qemu_surface *surface);

/* What was taken was not shown: it is to be taken again, with all there is. */
void oriel_qemu_surface_forget(struct oriel_qemu_surface *surface);

#endif
