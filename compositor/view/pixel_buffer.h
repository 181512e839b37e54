#ifndef ORIEL_VIEW_PIXEL_BUFFER_H
#define ORIEL_VIEW_PIXEL_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <wlr/types/wlr_buffer.h>

/*
 * A picture in memory of our own, painted by the CPU. It can be read by every renderer, as a copy
 * or in place, and nobody else ever writes to it: it has no fences.
 *
 * It is a wlr_buffer and lives by that one's rules: wlr_buffer_drop(&buffer->base) once, and what
 * uses it keeps it for as long as need be. It must not be painted once somebody does.
 */
struct oriel_pixel_buffer {
	struct wlr_buffer base;
	uint32_t format; /* DRM fourcc */
	size_t stride_bytes;
	uint8_t *pixels;
};

/* The format has 32 bits a pixel, all of them 0 at first. NULL if memory ran out. */
struct oriel_pixel_buffer *oriel_pixel_buffer_create(int width, int height, uint32_t format);

#endif
