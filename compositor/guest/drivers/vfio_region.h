#ifndef ORIEL_GUEST_DRIVERS_VFIO_REGION_H
#define ORIEL_GUEST_DRIVERS_VFIO_REGION_H

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/buffer.h"
#include "guest/drivers/vfio_device.h"
#include "guest/tile_hash.h"

/*
 * The picture of a device that gives it as a region of its own memory, copied into memory of ours:
 *
 *	region --mmap--> hash of each tile --those that differ--> buffer --> frames
 *	       --pread--> scratch --^
 *
 * It is copied because a device's memory ends with the device, and the last picture must not; and
 * because whoever reads a mapping of it can get SIGBUS, which guest/fault_guard is for and no
 * renderer is.
 *
 * One buffer serves all frames of a size. It is shared memory, which is read by the CPU only: by a
 * renderer, in the call that draws it or that makes a texture of it, and by a hardware cursor
 * likewise. That is done when the call returns, in the same thread that copies here, so that no
 * reader ever meets a copy half done. A frame that waits to be drawn then shows what was copied
 * last, which is newer than what it was made for, and never older.
 *
 * A region's memory may be slow, and a read() of it emulated by its driver. Where a look takes longer
 * than LOOK_MAX_NS it becomes many, each of which reads a piece into scratch memory, until that has
 * the whole picture. Looks are as far apart as it takes to leave nine tenths of a core to others
 * while nothing changes, and three quarters while everything does.
 *
 * Main thread only.
 */

/* Of the buffer's memory: a picture that needs more is not shown. It is 7680x4320 pixels and more. */
#define ORIEL_VFIO_PICTURE_BYTES_MAX (UINT64_C(256) << 20)

struct oriel_vfio_picture {
	struct oriel_vfio_region region; /* size 0: it is ready for none */
	struct oriel_guest_buffer_attributes attributes; /* as they are in the region */
	size_t size_bytes; /* of the picture there: from its first pixel to its last */
	const void *map; /* of that; NULL: it is read() */
	size_t map_size_bytes;

	struct oriel_guest_buffer *buffer; /* may be NULL: none yet */
	struct oriel_guest_buffer_attributes buffer_attributes;
	uint8_t *pixels; /* the buffer's memory */
	size_t pixels_size_bytes;
	uint8_t *row; /* room for one of the buffer's rows */

	struct oriel_tile_hash hash; /* of what the buffer has */
	pixman_region32_t damage; /* what the last look found */
	uint8_t *scratch; /* may be NULL */
	size_t scratch_bytes; /* that are in it by now */
	bool in_pieces; /* a look takes too long */
	uint64_t next_ns; /* the time of the next look (CLOCK_MONOTONIC) */
};

void oriel_vfio_picture_init(struct oriel_vfio_picture *picture);
/* Afterwards picture is as after oriel_vfio_picture_init(). The buffer lives on while it is locked. */
void oriel_vfio_picture_finish(struct oriel_vfio_picture *picture);

/*
 * Makes ready for a picture of these attributes in that region of the device, which have passed
 * oriel_validate_buffer(). 0 or -errno, and then it is ready for none: -EFBIG if the picture needs
 * more memory than ORIEL_VFIO_PICTURE_BYTES_MAX, -EACCES if the region can be neither mapped nor
 * read. -EAGAIN while it is too soon for another picture; then all is as it was.
 */
int oriel_vfio_picture_set(struct oriel_vfio_picture *picture, int device_fd,
		const struct oriel_vfio_region *region,
		const struct oriel_guest_buffer_attributes *attributes, uint64_t now_ns);

/*
 * Looks at the region. 0 if nothing has changed, or the look is not over; 1 if something has:
 * *ret_damage is then what, valid until the next look, or NULL if it may be everything. -errno if
 * the region cannot be read, -EFAULT if it is gone: the buffer has what it had, and it is ready for
 * none.
 */
int oriel_vfio_picture_look(struct oriel_vfio_picture *picture, int device_fd, uint64_t now_ns,
		const pixman_region32_t **ret_damage);

/* True if it is ready for a picture of these attributes in the region of that index. */
bool oriel_vfio_picture_is_of(const struct oriel_vfio_picture *picture, uint32_t index,
		const struct oriel_guest_buffer_attributes *attributes);

/* True once the buffer has a whole picture of these attributes. */
bool oriel_vfio_picture_is_whole(const struct oriel_vfio_picture *picture);

/* The next look finds everything changed. */
void oriel_vfio_picture_forget(struct oriel_vfio_picture *picture);

#endif
