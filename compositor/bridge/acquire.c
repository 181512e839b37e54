#include "bridge/acquire.h"

#include <syncbridge/buffer.h>

#include "guest/buffer.h"

int oriel_acquire_take(struct oriel_guest_buffer *buffer, struct sb_fence *ret_fence) {
	const struct sb_buffer *dmabufs = oriel_guest_buffer_get_dmabufs(buffer);
	if (dmabufs == NULL) {
		*ret_fence = (struct sb_fence){ 0 };
		return 0;
	}
	struct sb_fence fence;
	int err = sb_buffer_export_fence(dmabufs, SB_ACCESS_READ, &fence);
	if (err != 0) {
		return err;
	}
	if (sb_fence_wait(&fence, 0) == 0) {
		sb_fence_clear(&fence);
	}
	*ret_fence = fence;
	return 0;
}

bool oriel_acquire_is_pending(struct oriel_guest_buffer *buffer) {
	struct sb_fence fence;
	if (oriel_acquire_take(buffer, &fence) != 0) {
		return true;
	}
	bool pending = fence.type != SB_FENCE_NONE;
	sb_fence_clear(&fence);
	return pending;
}
