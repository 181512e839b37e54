#ifndef ORIEL_GUEST_PIXELS_H
#define ORIEL_GUEST_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/buffer.h"

/*
 * A guest buffer in shared memory of ours, for drivers that copy what they show. One serves all
 * pictures of a size: whoever reads it does so by the CPU, in this thread, and is done when the
 * call that reads returns, so that no reader meets a copy half done.
 */
struct oriel_guest_pixels {
	struct oriel_guest_buffer *buffer; /* NULL: there is none */
	struct oriel_guest_buffer_attributes attributes; /* of that */
	uint8_t *data; /* the buffer's memory */
	size_t size_bytes;
};

/* The same picture without padding but what makes whole words, linear, and at the beginning. */
struct oriel_guest_buffer_attributes oriel_guest_pixels_pack(
		const struct oriel_guest_buffer_attributes *attributes);

/*
 * Makes ready for pictures of these attributes, which have been packed. A buffer of the same ones stays
 * as it is; a new one is black. 0 or -errno: then there is none.
 */
int oriel_guest_pixels_set(struct oriel_guest_pixels *pixels,
		const struct oriel_guest_buffer_attributes *packed);

/* The buffer lives on while it is locked. Afterwards pixels is all zero. */
void oriel_guest_pixels_clear(struct oriel_guest_pixels *pixels);

#endif
