#ifndef ORIEL_GUEST_VALIDATE_H
#define ORIEL_GUEST_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/buffer.h"

/*
 * What a guest says of its buffers is checked here, and nowhere else, before anything is made of
 * it. Pure functions.
 */

/* Pixels in a row, and rows. What GPUs sample and KMS shows ends here or sooner. */
#define ORIEL_VALIDATE_SIZE_MAX 16384
/* Four bytes a pixel and as much padding again. */
#define ORIEL_VALIDATE_STRIDE_MAX (ORIEL_VALIDATE_SIZE_MAX * 4 * 2)
/* pixman counts a picture's rows in words of 32 bits, and wants the first one to begin on such. */
#define ORIEL_VALIDATE_ALIGNMENT 4
/* struct wlr_dmabuf_attributes and the kernel's ADDFB2 hold an offset in 32 bits. */
#define ORIEL_VALIDATE_OFFSET_MAX UINT32_MAX

/* Pixels in a row of a cursor's picture, and rows: twice what GPUs have as a cursor plane. */
#define ORIEL_VALIDATE_CURSOR_SIZE_MAX 512

#define ORIEL_VALIDATE_MESSAGE_SIZE 160

/*
 * True if a picture of these attributes lies within size_bytes of memory and is of a format that
 * can be shown. Otherwise message says what is wrong in words that continue "guest NAME: ".
 * Formats are those of one plane with 16 or 32 bits a pixel that pixman, too, can read. The
 * memory must hold all pixels; padding after the last row's need not be there.
 *
 * Every modifier passes: whether the picture can be read is the renderer's to say. No tiling
 * takes less memory than the linear picture of the same stride, which is what is checked.
 */
bool oriel_validate_buffer(const struct oriel_guest_buffer_attributes *attributes,
		uint64_t size_bytes, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

/*
 * The same for a plane of a buffer beside the one with the pixels. How much memory it takes is known to
 * the GPU whose modifier it is; that it begins within it can be seen.
 */
bool oriel_validate_extra_plane(uint64_t stride_bytes, uint64_t offset_bytes, uint64_t size_bytes,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

/* The same for a cursor's picture, which must not be larger than a cursor. */
bool oriel_validate_cursor(const struct oriel_guest_buffer_attributes *attributes,
		uint64_t size_bytes, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

/* Of a format that passes; 0 for any other one. */
size_t oriel_validate_get_pixel_bytes(uint32_t format);

/*
 * The same format without its alpha channel: a guest's primary plane has nothing beneath it, and
 * what stands in its alpha bits is no alpha. A format without alpha, or one that
 * oriel_validate_buffer() refuses, comes back as it is.
 */
uint32_t oriel_validate_get_opaque_format(uint32_t format);

/*
 * The same format as a format of pixman's (enum pixman_format_code), without its alpha channel. 0 if
 * there is none that passes.
 */
uint32_t oriel_validate_get_format_from_pixman(uint32_t pixman_format);

#endif
