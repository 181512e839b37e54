#ifndef ORIEL_BRIDGE_ACQUIRE_H
#define ORIEL_BRIDGE_ACQUIRE_H

#include <stdbool.h>

#include <syncbridge/fence.h>

struct oriel_guest_buffer;

/*
 * Takes the acquire fence of buffer as it is now: its writers, not other readers. SB_FENCE_NONE
 * means that it may be read now. On kernels that give no snapshot (before Linux 6.0) the fence is
 * SB_FENCE_IDLE, which may be ready later than the frame needs.
 *
 * Returns 0, or -errno: then the buffer must not be read, and *ret_fence is not written. Never
 * blocks.
 */
int oriel_acquire_take(struct oriel_guest_buffer *buffer, struct sb_fence *ret_fence);

/* True if buffer has a writer pending now, or if that cannot be found out. */
bool oriel_acquire_is_pending(struct oriel_guest_buffer *buffer);

#endif
