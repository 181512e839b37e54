#ifndef SYNCBRIDGE_FENCE_H
#define SYNCBRIDGE_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <syncbridge/dmabuf.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Fences of every kind as one currency.
 *
 * Something that has to happen before an access may begin comes as a sync_file, as a point of a
 * DRM syncobj timeline, or not at all. A struct sb_fence is any of them, so that code which waits,
 * collects or hands on need not know:
 *
 *	sb_buffer_export_fence()       --+                +--> sb_fence_wait()
 *	sb_fence_from_sync_file()      --+                +--> sb_fence_create_ready_fd()
 *	sb_fence_from_point()          --+--> sb_fence ---+--> sb_fence_export_sync_file()
 *	sb_vk_semaphore_export_fence() --+        |       +--> sb_buffer_import_fence()
 *	sb_fence_set_collapse()        --+        |       +--> sb_timeline_import_fence()
 *	                                          v       +--> sb_vk_semaphore_import_fence()
 *	                                   sb_fence_set
 *
 * It is a small value that owns what is in it. One that is all zero is SB_FENCE_NONE, so `struct
 * sb_fence fence = { 0 };` needs no clean-up. Whoever copies the struct moves what it owns: only
 * one of the two may be cleared.
 *
 * All functions return 0 or -errno and print nothing; the only state they keep is in the fence.
 * Different fences may be used from different threads; one fence from several only as long as none
 * of them clears it. An error never means that there is nothing to wait for. A struct whose type is
 * none of enum sb_fence_type gives -EINVAL everywhere.
 */

/* Most dma-bufs that one buffer can have: one for each plane. */
#define SB_PLANES_MAX 4

/* Room for a fence's name with the terminating zero. */
#define SB_FENCE_NAME_SIZE 64

struct sb_timeline;

/* What has to happen before the access. */
enum sb_fence_type {
	/* Nothing to wait for. */
	SB_FENCE_NONE = 0,
	/* A fixed set of fences, submitted already. */
	SB_FENCE_SYNC_FILE = 1,
	/* A point of a timeline, which may have no fence yet: the work may be submitted later. */
	SB_FENCE_POINT = 2,
	/*
	 * The fallback for kernels that give no snapshot: ready when each of the dma-bufs has been
	 * idle since it was asked. It follows what is added later as well, so it over-syncs, and
	 * having been ready it may be pending again. Safe, but to be counted; see struct sb_stats.
	 */
	SB_FENCE_IDLE = 3,
};

/* To be read, but changed through the functions below only. */
struct sb_fence {
	/* Says which of the fields below have a meaning. */
	enum sb_fence_type type;
	/* IDLE: the access that waits. 0 otherwise. */
	enum sb_access access;
	/* SYNC_FILE: the first. IDLE: dmabuf_count dma-bufs. Owned. */
	int fds[SB_PLANES_MAX];
	/* IDLE: 1 to SB_PLANES_MAX. 0 otherwise. */
	uint32_t dmabuf_count;
	/* POINT: a reference. NULL otherwise. */
	struct sb_timeline *timeline;
	/* POINT: above 0. 0 otherwise. */
	uint64_t point;
};

/* What sb_fence_get_info() finds out. */
struct sb_fence_info {
	/* 0: pending; 1: signalled; below 0: signalled, since its work failed with this -errno. */
	int status;
	/* False for a point whose work was not submitted yet. Such a one is pending. */
	bool materialised;
	/*
	 * As of sb_sync_file_get_info(), for a point with those of lower ones that it waits for; 0
	 * where it has not materialised. dma-bufs for IDLE.
	 */
	uint32_t fence_count;
	/*
	 * CLOCK_MONOTONIC, nanoseconds: when it signalled. 0 while pending, for NONE and for IDLE.
	 * Of a point that was followed by others the kernel forgets when it signalled, and whether
	 * its work failed: it has then the time at which the kernel started, and no error. So has one
	 * that the CPU signalled.
	 */
	uint64_t signalled_ns;
	/* "none", the sync_file's name, "TIMELINE:POINT" or "idle". For logs. */
	char name[SB_FENCE_NAME_SIZE];
};

/*
 * Makes a fence of a sync_file.
 *
 * take_sync_file_fd is consumed in every case: on success *ret_fence owns it. The kernel is asked
 * whether it is a sync_file: with another file, which may be readable at any time, a wait would be
 * over too early.
 *
 * Does not block. Returns 0, or
 * -EBADF: take_sync_file_fd is negative or not open;
 * -ENOTTY, or another error of the file's own: it is no sync_file.
 * *ret_fence is written on success only, and not cleared before.
 *
 * Source: SYNC_IOC_FILE_INFO, linux/sync_file.h, Linux 4.7.
 */
int sb_fence_from_sync_file(int take_sync_file_fd, struct sb_fence *ret_fence);

/*
 * Makes a fence of a point of a timeline, which need not have materialised.
 *
 * The fence keeps a reference to timeline. Does not block. Returns 0, or -EINVAL if point is 0:
 * that is no point, but what was there before the first one. *ret_fence is written on success
 * only, and not cleared before.
 *
 * Source: drm_syncobj_find_fence() in drivers/gpu/drm/drm_syncobj.c, Linux 5.2.
 */
int sb_fence_from_point(struct sb_timeline *timeline, uint64_t point, struct sb_fence *ret_fence);

/*
 * Lets go of what a fence owns; it is SB_FENCE_NONE afterwards. Does nothing with one that is.
 *
 * Keeps errno. Does not block. What was waited for goes on. Source: close().
 */
void sb_fence_clear(struct sb_fence *fence);

/*
 * Moves a fence out: returns it, and leaves SB_FENCE_NONE behind. Does not block, cannot fail.
 *
 * Source: none, it is a copy.
 */
struct sb_fence sb_fence_move(struct sb_fence *fence);

/*
 * Makes a second fence that is ready when the first one is, and owned apart from it.
 *
 * fence is borrowed; new fds are CLOEXEC. Does not block. Returns 0, or -EBADF: an fd of it is not
 * open; -EMFILE: no fd left. On success *ret_fence belongs to the caller; it is written on success
 * only, and not cleared before.
 *
 * Source: fcntl() with F_DUPFD_CLOEXEC.
 */
int sb_fence_dup(const struct sb_fence *fence, struct sb_fence *ret_fence);

/*
 * Gets a fence as a sync_file.
 *
 * fence is borrowed. On success *ret_sync_file_fd is a new CLOEXEC fd that belongs to the caller;
 * on failure it is not written.
 *
 * Does not block. Returns 0, or
 * -ENODATA: it is SB_FENCE_NONE, and the kernel makes no sync_file out of nothing;
 * -EAGAIN: the point has not materialised: wait for that (sb_timeline_create_event_fd()), and ask
 * again;
 * -EOPNOTSUPP: it is SB_FENCE_IDLE;
 * -EBADF, -EMFILE, -ENFILE, -ENOMEM, -ENODEV.
 *
 * Source: fcntl(); DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD and DRM_IOCTL_SYNCOBJ_TRANSFER, drm/drm.h,
 * Linux 5.2.
 */
int sb_fence_export_sync_file(const struct sb_fence *fence, int *ret_sync_file_fd);

/*
 * Waits until a fence is ready, or until a deadline.
 *
 * deadline_ns is a time of CLOCK_MONOTONIC in nanoseconds: INT64_MAX waits without bound, 0 or any
 * other time that is over only tests. Signals that a handler catches neither end nor prolong it.
 *
 * A point that has not materialised is waited for as any other: first for its fence, then for
 * that. A fence whose work failed is ready. The dma-bufs of SB_FENCE_IDLE are waited for one after
 * the other, and for SB_ACCESS_WRITE the writers of each before its readers: what was on any of them
 * when the call began is over when it returns 0, while the first may have got something new
 * meanwhile. fence is borrowed.
 *
 * Blocks up to deadline_ns. Returns 0 when ready, or
 * -ETIME: not ready by then;
 * -EBADF, -EINVAL, -ENOMEM: as sb_sync_file_wait(); -ENODEV: the timeline's device is gone.
 *
 * Source: ppoll() on sync_files (Linux 4.7) and dma-bufs (3.17); DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT,
 * drm/drm.h, Linux 5.2.
 */
int sb_fence_wait(const struct sb_fence *fence, int64_t deadline_ns);

/*
 * Creates an fd for an event loop that tells when a fence is ready.
 *
 * Watch *ret_fd for *ret_events (POLLIN or POLLOUT) and for errors. When it fires, the fence is
 * ready. Only a SB_FENCE_IDLE may have more to wait for, where it has several dma-bufs or its access
 * is SB_ACCESS_WRITE: the kernel cannot watch several dma-bufs as one, and before Linux 5.15 writers
 * and readers neither. There, and wherever in doubt, sb_fence_wait(fence, 0) says so, and the caller
 * asks for another fd.
 *
 * Closing the fd cancels. An event loop that uses epoll takes it out of the epoll instance before
 * (EPOLL_CTL_DEL): epoll goes by the file, which may be open elsewhere, in fence to begin with.
 *
 * fence is borrowed, and may be cleared while the fd is watched. On success *ret_fd is a new
 * CLOEXEC fd that belongs to the caller; nothing is written on failure.
 *
 * Before Linux 6.6 the kernel does not watch points. One that has materialised is then watched as
 * the sync_file that sb_fence_export_sync_file() gives.
 *
 * Does not block. Returns 0, or
 * -ENODATA: it is SB_FENCE_NONE, so ready;
 * -EOPNOTSUPP: the kernel is older than 6.6, and the point has not materialised: wait in a thread,
 * or ask again later;
 * -EINVAL: a dma-buf reports an error, so will never be idle;
 * -EBADF, -EMFILE, -ENFILE, -ENOMEM, -ENODEV.
 *
 * Source: fcntl(); eventfd() and DRM_IOCTL_SYNCOBJ_EVENTFD, drm/drm.h, Linux 6.6, before it as
 * sb_timeline_export_sync_file(), Linux 5.2; dma_buf_poll() in drivers/dma-buf/dma-buf.c.
 */
int sb_fence_create_ready_fd(const struct sb_fence *fence, int *ret_fd, short *ret_events);

/*
 * Says whether a fence is pending, done or failed, when it signalled, and what it is called.
 *
 * fence is borrowed. A point is looked at through a sync_file that is closed again. Does not block.
 * Returns 0, or
 * -ENOTTY: what was taken for a sync_file is none;
 * -EINVAL: a dma-buf reports an error;
 * -EBADF, -EMFILE, -ENFILE, -ENOMEM, -ENODEV.
 * *ret_info is written on success only; on failure the fence is to be taken for pending.
 *
 * Source: SYNC_IOC_FILE_INFO, linux/sync_file.h, Linux 4.7; for points as well as
 * sb_timeline_export_sync_file(); ppoll() for SB_FENCE_IDLE.
 */
int sb_fence_get_info(const struct sb_fence *fence, struct sb_fence_info *ret_info);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
