#ifndef ORIEL_TESTS_VGEM_H
#define ORIEL_TESTS_VGEM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Buffers of vgem, whose driver puts fences into dma-bufs as a GPU's driver with implicit sync does.
 *
 * Errors are negative errno values; nothing prints, nothing blocks.
 */
struct vgem_buffer {
	int vgem_fd; /* borrowed */
	uint32_t handle; /* of vgem_fd */
	int dmabuf_fd; /* owned, CLOEXEC */
};

/* Makes a buffer of a page, and its dma-buf. Returns 0 or -errno. */
int vgem_buffer_init(struct vgem_buffer *buffer, int vgem_fd);

void vgem_buffer_finish(struct vgem_buffer *buffer);

/*
 * Adds a fence as work that reads or writes the buffer would. vgem has no queue to put it in, so it
 * refuses, with -EBUSY, what would have to wait: a reader beside a pending writer, a writer beside
 * anybody. It signals by itself, and without an error, after 10 seconds.
 *
 * Returns 0 or -errno. *ret_fence is for vgem_signal().
 */
int vgem_buffer_attach(const struct vgem_buffer *buffer, bool write, uint32_t *ret_fence);

/* Signals a fence, once. Returns 0, -ETIMEDOUT if it had done so by itself, or -errno. */
int vgem_signal(int vgem_fd, uint32_t fence);

#endif
