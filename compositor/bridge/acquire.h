#ifndef ORIEL_BRIDGE_ACQUIRE_H
#define ORIEL_BRIDGE_ACQUIRE_H

#include <stdbool.h>
#include <stdint.h>

struct oriel_guest_buffer;

/* What stands between us and reading a buffer. */
enum oriel_acquire {
	ORIEL_ACQUIRE_READY, /* nothing: it may be read now */
	ORIEL_ACQUIRE_SNAPSHOT, /* the fd becomes readable when the writers there are now are done */
	/*
	 * No snapshot to be had (Linux before 6.0): the fd becomes readable when the buffer has no
	 * writer at all, which may be later than this frame needs.
	 */
	ORIEL_ACQUIRE_IDLE,
	ORIEL_ACQUIRE_FAILED, /* neither, see errno: the buffer must not be read */
};

/*
 * Takes the acquire fence of buffer as it is now: its writers, not other readers. For
 * ORIEL_ACQUIRE_SNAPSHOT and ORIEL_ACQUIRE_IDLE *ret_fd is the caller's. Never blocks.
 */
enum oriel_acquire oriel_acquire_take(struct oriel_guest_buffer *buffer, int *ret_fd);

/* True if buffer has a writer pending now. */
bool oriel_acquire_is_pending(struct oriel_guest_buffer *buffer);

#endif
