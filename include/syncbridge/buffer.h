#ifndef SYNCBRIDGE_BUFFER_H
#define SYNCBRIDGE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/fence.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * The dma-bufs behind the planes of one buffer.
 *
 * A buffer with several planes has an fd for each, and often one dma-buf behind all of them. Its
 * fences are the same whichever fd is asked: asking once is enough. sb_buffer_init() finds out
 * which dma-bufs there are, once when the buffer is imported; per frame the functions below go over
 * those.
 *
 * The struct owns nothing, and needs no clean-up. It may be used from several threads.
 */
struct sb_buffer {
	/* Borrowed, and of different dma-bufs each. */
	int dmabuf_fds[SB_PLANES_MAX];
	/* 1 to SB_PLANES_MAX. */
	uint32_t dmabuf_count;
};

/*
 * Finds the dma-bufs behind the planes of a buffer.
 *
 * plane_fds has plane_count fds, 1 to SB_PLANES_MAX. They are borrowed for as long as *ret_buffer
 * is used. Whether they are dma-bufs is seen when they are used.
 *
 * Does not block. Returns 0, or
 * -EINVAL: plane_count is 0 or more than SB_PLANES_MAX;
 * -EBADF: an fd is not open.
 * *ret_buffer is written on success only.
 *
 * Source: fstat(): a dma-buf has an inode of its own, with its size, since Linux 5.3. Before, all
 * share one inode without a size: two fds are then taken for two dma-bufs, unless they are equal.
 */
int sb_buffer_init(struct sb_buffer *ret_buffer, const int *plane_fds, size_t plane_count);

/*
 * Takes a snapshot of what an access to the buffer has to wait for, over all its dma-bufs.
 *
 * Where the kernel has no snapshots, the result is SB_FENCE_IDLE, which waits for at least as much.
 * What has signalled is not looked at: a snapshot of nothing is a sync_file that has. Use a fence
 * set, or sb_fence_wait(fence, 0), where the difference counts.
 *
 * buffer is borrowed. On success *ret_fence belongs to the caller; it is written on success only,
 * and not cleared before. On failure the buffer must not be touched.
 *
 * Does not block. Returns 0, or
 * -ENOTTY: an fd is no dma-buf, or the kernel is older than 4.6 and has no way to tell;
 * -EINVAL: access is none of enum sb_access, or buffer has no dma-buf;
 * -EBADF: an fd is not open;
 * -EMFILE, -ENFILE, -ENOMEM: no fd or no memory left.
 *
 * Source: DMA_BUF_IOCTL_EXPORT_SYNC_FILE, linux/dma-buf.h, Linux 6.0. Where that is -ENOTTY,
 * DMA_BUF_IOCTL_SYNC with flags that do not exist, which are -EINVAL to a dma-buf and -ENOTTY to
 * others, Linux 4.6; the fence is then dma_buf_poll(), drivers/dma-buf/dma-buf.c, Linux 3.17.
 */
int sb_buffer_export_fence(
		const struct sb_buffer *buffer, enum sb_access access, struct sb_fence *ret_fence);

/*
 * Adds a fence to all dma-bufs of the buffer, so that others with implicit sync wait for it.
 *
 * As sb_dmabuf_import_sync_file() does; with SB_FENCE_NONE there is nothing to wait for, and nothing
 * is added. buffer and fence are borrowed.
 *
 * Does not wait for any fence. Returns 0, or
 * -ENOTTY: the kernel is older than 6.0, or an fd is no dma-buf;
 * -EAGAIN: the point has not materialised. An implicit fence for work that nobody has submitted
 * cannot be; wait for it (sb_timeline_create_event_fd()), and try again;
 * -EOPNOTSUPP: the fence is SB_FENCE_IDLE;
 * -EINVAL: access is none of enum sb_access, buffer has no dma-buf, or the fence's fd is no open
 * sync_file;
 * -EBADF: an fd of the buffer is not open; -ENOMEM: no memory left;
 * -EMFILE, -ENFILE, -ENODEV: for a point, as sb_timeline_export_sync_file().
 * On failure nobody waits for the caller's work for certain: some dma-bufs of the buffer may have
 * the fence, others not. The buffer must be held back until that work has ended.
 *
 * Source: DMA_BUF_IOCTL_IMPORT_SYNC_FILE, linux/dma-buf.h, Linux 6.0.
 */
int sb_buffer_import_fence(const struct sb_buffer *buffer, enum sb_access access,
		const struct sb_fence *fence);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
