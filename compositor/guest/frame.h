#ifndef ORIEL_GUEST_FRAME_H
#define ORIEL_GUEST_FRAME_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

struct oriel_guest_buffer;
struct oriel_release;

/* What of a guest's display a picture is. */
enum oriel_guest_plane {
	ORIEL_GUEST_PLANE_PRIMARY,
	ORIEL_GUEST_PLANE_CURSOR, /* lies above the primary plane */
	ORIEL_GUEST_PLANE_COUNT,
};

/* Where the cursor plane's picture is, in pixels of the primary plane's. */
struct oriel_guest_cursor {
	int x, y; /* of its upper left corner, which need not lie within the primary plane */
	/* The pixel of the cursor that points, counted from its upper left corner. */
	bool has_hotspot;
	int hot_x, hot_y; /* only with has_hotspot */
};

/* A part of a buffer, in its pixels; without a width it is the whole. */
struct oriel_guest_crop {
	int x, y;
	int width, height;
};

/*
 * One picture taken from a guest. It has one owner at a time: the source makes it, the latch
 * holds it until it may be read, the view shows it until the next one.
 */
struct oriel_guest_frame {
	struct oriel_release *release; /* holds the buffer */
	enum oriel_guest_plane plane;
	uint64_t serial; /* counts from 1 in each plane of a source: tells frames of one buffer apart */
	uint64_t taken_ns; /* CLOCK_MONOTONIC */
	/*
	 * What differs from the plane's frame of the serial before, in pixels of the buffer. Without
	 * damage_known that may be everything, and damage is empty.
	 */
	bool damage_known;
	pixman_region32_t damage;
	struct oriel_guest_crop crop; /* the picture is that part of the buffer, and lies within it */
	bool is_flipped; /* the first row is the lowest one of the picture */
	struct oriel_guest_cursor cursor; /* only with ORIEL_GUEST_PLANE_CURSOR */
	bool sampled; /* at least one output has read it */
};

/*
 * A frame of the primary plane whose damage is not known. NULL if memory ran out; take_release is
 * consumed in every case.
 */
struct oriel_guest_frame *oriel_guest_frame_create(
		struct oriel_release *take_release, uint64_t serial, uint64_t taken_ns);

/* Drops the frame's reference on its release promise. NULL is fine. */
void oriel_guest_frame_destroy(struct oriel_guest_frame *frame);

/* Copies damage. Without memory for that it stays unknown. */
void oriel_guest_frame_set_damage(struct oriel_guest_frame *frame, const pixman_region32_t *damage);

/* The picture's size as it is shown, in pixels. */
void oriel_guest_frame_get_size(
		const struct oriel_guest_frame *frame, int *ret_width, int *ret_height);

/* Borrowed; lives at least as long as the frame. */
struct oriel_guest_buffer *oriel_guest_frame_get_buffer(const struct oriel_guest_frame *frame);

#endif
