#ifndef SYNCBRIDGE_CAPS_H
#define SYNCBRIDGE_CAPS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* What the running kernel, or a device of it, can do. Bits, to be or-ed. */
enum sb_cap {
	/* sb_dmabuf_export_sync_file() works. */
	SB_CAP_DMABUF_EXPORT_SYNC_FILE = 1 << 0,
	/* sb_dmabuf_import_sync_file() works. */
	SB_CAP_DMABUF_IMPORT_SYNC_FILE = 1 << 1,
	/* sb_timeline_create() works on the device, and all that needs nothing more. */
	SB_CAP_TIMELINE = 1 << 2,
	/* sb_timeline_create_event_fd() works on the device. */
	SB_CAP_TIMELINE_EVENT_FD = 1 << 3,
};

/*
 * Finds out what can be done with the fences of dma-bufs, by trying: kernel versions do not tell,
 * since distributions backport and configurations leave out.
 *
 * It takes the snapshot of a reader and enters that very snapshot as a reader. Nobody waits
 * longer for that: a later writer would wait for the same fences anyway, a reader does not wait
 * for readers. It is meant to be called once, with any dma-buf: the answer is the same for all of
 * a kernel.
 *
 * dmabuf_fd is borrowed. Does not wait for any fence. Returns 0 and writes *ret_caps (enum
 * sb_cap): a bit is missing where the kernel answered -ENOTTY, as it does for an fd that is no
 * dma-buf, too. Any other error is returned, since it says nothing on what the kernel can do:
 * -EBADF, -EMFILE, -ENFILE,
 * -ENOMEM. *ret_caps is then not written, and the caller takes nothing for granted.
 *
 * Source: DMA_BUF_IOCTL_EXPORT_SYNC_FILE and DMA_BUF_IOCTL_IMPORT_SYNC_FILE, linux/dma-buf.h,
 * Linux 6.0.
 */
int sb_caps_probe_dmabuf(int dmabuf_fd, uint32_t *ret_caps);

/*
 * Finds out what can be done with timelines of a DRM device.
 *
 * drm_fd, any node of it, is borrowed. Does not block. Returns 0 and writes *ret_caps (enum
 * sb_cap): a bit is missing where the device or the kernel has not got it. Any error says nothing
 * on that, and leaves *ret_caps as it was: -ENOTTY: drm_fd is no DRM device; -EBADF: it is not
 * open; -ENODEV: the device is gone.
 *
 * Source: DRM_IOCTL_GET_CAP with DRM_CAP_SYNCOBJ_TIMELINE, drm/drm.h, Linux 5.2;
 * DRM_IOCTL_SYNCOBJ_EVENTFD, Linux 6.6, tried with a handle that there is not.
 */
int sb_caps_probe_drm(int drm_fd, uint32_t *ret_caps);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
