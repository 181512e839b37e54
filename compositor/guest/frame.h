#ifndef ORIEL_GUEST_FRAME_H
#define ORIEL_GUEST_FRAME_H

#include <stdbool.h>
#include <stdint.h>

struct oriel_guest_buffer;
struct oriel_release;

/*
 * One picture taken from a guest. It has one owner at a time: the source makes it, the latch
 * holds it until it may be read, the view shows it until the next one.
 */
struct oriel_guest_frame {
	struct oriel_release *release; /* holds the buffer */
	uint64_t serial; /* counts from 1 in each source: tells frames of one buffer apart */
	uint64_t taken_ns; /* CLOCK_MONOTONIC */
	bool sampled; /* at least one output has read it */
};

/* NULL if memory ran out; take_release is consumed in every case. */
struct oriel_guest_frame *oriel_guest_frame_create(
		struct oriel_release *take_release, uint64_t serial, uint64_t taken_ns);

/* Drops the frame's reference on its release promise. NULL is fine. */
void oriel_guest_frame_destroy(struct oriel_guest_frame *frame);

/* Borrowed; lives at least as long as the frame. */
struct oriel_guest_buffer *oriel_guest_frame_get_buffer(const struct oriel_guest_frame *frame);

#endif
