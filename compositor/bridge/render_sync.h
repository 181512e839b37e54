#ifndef ORIEL_BRIDGE_RENDER_SYNC_H
#define ORIEL_BRIDGE_RENDER_SYNC_H

#include <stdbool.h>
#include <stdint.h>

struct wlr_drm_syncobj_timeline;
struct wlr_renderer;

/*
 * How a renderer's own synchronisation is brought in line with the bridge's. Left alone, wlroots'
 * Vulkan renderer takes the fences of a dma-buf again when it submits: it would then also wait for
 * what the guest began to draw after the frame was taken. And no renderer says by itself when its
 * reads end.
 */
struct oriel_render_sync {
	struct wlr_renderer *renderer;
	/*
	 * A point that has signalled already. A renderer that is given a wait point leaves the
	 * buffer's fences alone; the latch has waited for those that count. NULL: no such point can
	 * be given to this renderer.
	 */
	struct wlr_drm_syncobj_timeline *ready_timeline;
	uint64_t ready_point;
	int drm_fd; /* the device opened for that timeline, or -1 where it is the renderer's */
	/*
	 * A guest's dma-buf may be handed to the renderer. False: the renderer would wait for more
	 * than a frame depends on, or could not say when its read ends; the CPU reads the buffer
	 * instead.
	 */
	bool can_import;
	/* The GL driver takes a dma-buf's fences by itself, and cannot be told not to. */
	bool takes_fences;
};

void oriel_render_sync_init(struct oriel_render_sync *sync, struct wlr_renderer *renderer);
/* After the last frame that was given the ready point is gone. */
void oriel_render_sync_finish(struct oriel_render_sync *sync);

/* True if oriel_render_sync_create_fence() is how the end of a read is learnt. */
bool oriel_render_sync_needs_fence(const struct oriel_render_sync *sync);

/*
 * A sync_file that signals when all that the renderer was given so far is done. 0, or -errno with
 * *ret_sync_file_fd untouched: then nothing is known of the end of those reads.
 */
int oriel_render_sync_create_fence(const struct oriel_render_sync *sync, int *ret_sync_file_fd);

#endif
