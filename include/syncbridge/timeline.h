#ifndef SYNCBRIDGE_TIMELINE_H
#define SYNCBRIDGE_TIMELINE_H

#include <stdint.h>

#include <syncbridge/fence.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * DRM syncobj timelines: explicit sync with numbers.
 *
 * A timeline is an object of a DRM device that many processes can share. Its points are numbers
 * from 1 upwards. A point has *materialised* once work was submitted that will signal it, and
 * *signals* with that work; it counts as signalled only when all lower ones have, too.
 *
 *	point 7:   nothing yet  --- materialised ---  pending  --- signalled
 *	           (a wait for it may begin here already: wait-before-signal)
 *
 * A sync_file cannot be had before a point has materialised: the kernel promises that every fence
 * in it signals in finite time, and work that nobody submitted may never be. Those who have to
 * convert wait for materialisation first, without blocking: sb_timeline_create_event_fd().
 *
 * Points belong in rising order. Some may be left out: one that materialises takes along those
 * below it that had not. The kernel takes others, too, and then tells odd things.
 *
 * All functions return 0 or -errno and print nothing. A timeline may be used from several threads.
 * Everywhere below, -ENODEV means that the device is gone.
 */

/* Room for a timeline's name with the terminating zero. */
#define SB_TIMELINE_NAME_SIZE 32

/* Counts its references. */
struct sb_timeline;

/* What of a point to wait for. */
enum sb_timeline_event {
	/* Work was submitted that will signal the point: it can be exported as a sync_file. */
	SB_TIMELINE_MATERIALISED = 1,
	/* The work is done. Materialisation is waited for first, where it has yet to come. */
	SB_TIMELINE_SIGNALLED = 2,
};

/*
 * Creates a timeline without points.
 *
 * drm_fd is any node of a device with DRM_CAP_SYNCOBJ_TIMELINE, render nodes included. It is
 * borrowed for the life of the timeline: it must stay open, and the same file, until the last
 * reference is gone, and fences hold some. A timeline costs no fd. name is for debugging, is cut to
 * SB_TIMELINE_NAME_SIZE - 1 bytes, and may be NULL.
 *
 * Does not block. Returns 0, or
 * -EOPNOTSUPP: the device, or a kernel older than 5.2, has no timelines; -ENOTTY: drm_fd is no DRM
 * device; -EBADF: it is not open; -ENOMEM: no memory left.
 * On success *ret_timeline is a reference that belongs to the caller, see sb_timeline_unref(); it
 * is not written on failure.
 *
 * Source: DRM_IOCTL_GET_CAP with DRM_CAP_SYNCOBJ_TIMELINE, DRM_IOCTL_SYNCOBJ_CREATE, drm/drm.h,
 * Linux 5.2.
 */
int sb_timeline_create(int drm_fd, const char *name, struct sb_timeline **ret_timeline);

/*
 * Opens a timeline that somebody else shares through an fd (sb_timeline_export(), a Wayland
 * client's linux-drm-syncobj, a VkSemaphore of the type OPAQUE_FD where the driver makes those
 * syncobjs).
 *
 * drm_fd and name are as of sb_timeline_create(): drm_fd is borrowed for the life of the timeline,
 * too. The device may be another than the sharer's. One syncobj may be opened several times.
 * syncobj_fd is borrowed for the call only.
 *
 * Does not block. Returns 0, the errors of sb_timeline_create(), or -EINVAL: syncobj_fd is no
 * syncobj. Whether a syncobj is used as a timeline cannot be seen: one that is not has no points.
 * On success *ret_timeline is a reference that belongs to the caller; it is not written on failure.
 *
 * Source: DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, drm/drm.h, Linux 4.13.
 */
int sb_timeline_import(
		int drm_fd, int syncobj_fd, const char *name, struct sb_timeline **ret_timeline);

/*
 * Gets an fd through which others can open the timeline.
 *
 * On success *ret_syncobj_fd is a new CLOEXEC fd that belongs to the caller; it keeps the syncobj
 * alive, not struct sb_timeline. It is not written on failure. Does not block. Returns 0, or
 * -EMFILE, -ENFILE, -ENOMEM: no fd or no memory left.
 *
 * Source: DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, drm/drm.h, Linux 4.13.
 */
int sb_timeline_export(const struct sb_timeline *timeline, int *ret_syncobj_fd);

/*
 * Takes another reference, and returns timeline. Does not block, cannot fail.
 *
 * Source: none.
 */
struct sb_timeline *sb_timeline_ref(struct sb_timeline *timeline);

/*
 * Lets a reference go; the last one closes the timeline, and from then on its drm_fd may be closed:
 * that is the caller's. NULL is fine. Keeps errno, does not block. Others who have opened the
 * syncobj keep it.
 *
 * Source: DRM_IOCTL_SYNCOBJ_DESTROY, drm/drm.h, Linux 4.13.
 */
void sb_timeline_unref(struct sb_timeline *timeline);

/*
 * Gets the name that the timeline was created with, "" if none. It is owned by the timeline. Does
 * not block, cannot fail.
 *
 * Source: none.
 */
const char *sb_timeline_get_name(const struct sb_timeline *timeline);

/*
 * Signals a point now, by the CPU.
 *
 * Does not block. Returns 0, -EINVAL if point is 0, or -ENOMEM.
 *
 * Source: DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, drm/drm.h, Linux 5.2.
 */
int sb_timeline_signal(struct sb_timeline *timeline, uint64_t point);

/*
 * Asks how far a timeline has come.
 *
 * *ret_signalled_point is the highest point that has signalled with all lower ones,
 * *ret_materialised_point the highest one that has materialised; 0: none. Either may be NULL. They
 * are asked for one after the other, materialised last, so that it is never the lower one.
 *
 * Does not block. Returns 0, -EOPNOTSUPP: the kernel is older than 5.5, and knows the signalled one
 * only; or -ENOMEM. Both are written on success only.
 *
 * Source: DRM_IOCTL_SYNCOBJ_QUERY, drm/drm.h, Linux 5.2; its flag LAST_SUBMITTED, Linux 5.5.
 */
int sb_timeline_query(const struct sb_timeline *timeline, uint64_t *ret_signalled_point,
		uint64_t *ret_materialised_point);

/*
 * Gets a materialised point as a sync_file.
 *
 * On success *ret_sync_file_fd is a new CLOEXEC fd that belongs to the caller; it is not written on
 * failure. A point that has signalled gives a sync_file that has. The time in that is when the
 * point's own work was done, where it is the newest point and was not signalled by the CPU; of
 * others the kernel has forgotten it, and gives the time at which it started.
 *
 * Does not block. Returns 0, or
 * -EAGAIN: the point has not materialised;
 * -EINVAL: point is 0; -EMFILE, -ENFILE, -ENOMEM. Before Linux 5.16, -ENOMEM is also what a point
 * gives that has signalled and that a later one has overtaken.
 *
 * Source: DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD with the flags EXPORT_SYNC_FILE and TIMELINE, drm/drm.h,
 * Linux 6.16; where that is not known, DRM_IOCTL_SYNCOBJ_TRANSFER into a syncobj of its own before,
 * Linux 5.2.
 */
int sb_timeline_export_sync_file(
		const struct sb_timeline *timeline, uint64_t point, int *ret_sync_file_fd);

/*
 * Makes a point signal with a sync_file: the point materialises.
 *
 * Fences that have signalled are left out; that one of them failed is not to be seen in the point.
 * sync_file_fd is borrowed. Does not block. Returns 0, or
 * -EINVAL: point is 0, or sync_file_fd is no sync_file; -ENOMEM.
 *
 * Source: DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE with the flag IMPORT_SYNC_FILE and
 * DRM_IOCTL_SYNCOBJ_TRANSFER, drm/drm.h, Linux 5.2.
 */
int sb_timeline_import_sync_file(struct sb_timeline *timeline, uint64_t point, int sync_file_fd);

/*
 * Makes a point signal with a fence of any kind.
 *
 * SB_FENCE_NONE signals it now, a sync_file or a point of any timeline materialises it. fence is
 * borrowed. Does not block. Returns 0, or
 * -EAGAIN: the fence is a point that has not materialised;
 * -EOPNOTSUPP: the fence is SB_FENCE_IDLE; -EINVAL: point is 0;
 * or the errors of sb_timeline_signal(), sb_timeline_transfer() and
 * sb_timeline_import_sync_file().
 *
 * Source: those functions'.
 */
int sb_timeline_import_fence(
		struct sb_timeline *timeline, uint64_t point, const struct sb_fence *fence);

/*
 * Makes a point signal with a point of another timeline, which may be of another device.
 *
 * As with sb_timeline_import_sync_file(), of source's fences up to source_point only those count
 * that are pending. source is borrowed; it may be timeline itself.
 *
 * Does not block. Returns 0, or
 * -EAGAIN: source_point has not materialised; -EINVAL: a point is 0; -ENOMEM; -EMFILE, -ENFILE:
 * only between timelines with different drm_fds.
 *
 * Source: DRM_IOCTL_SYNCOBJ_TRANSFER, drm/drm.h, Linux 5.2; where the drm_fds differ,
 * DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD and DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE before, Linux 4.13.
 */
int sb_timeline_transfer(struct sb_timeline *timeline, uint64_t point,
		const struct sb_timeline *source, uint64_t source_point);

/*
 * Waits until a point has materialised or signalled, or until a deadline.
 *
 * deadline_ns is a time of CLOCK_MONOTONIC in nanoseconds: INT64_MAX waits without bound, one that
 * is over only tests. Signals that a handler catches neither end nor prolong it.
 *
 * In a time namespace the kernel takes deadline_ns for a time of the clock outside, and the wait is
 * as much too short or too long as that one is ahead or behind.
 *
 * Blocks up to deadline_ns, and up to a tick of the kernel's longer. Returns 0, or
 * -ETIME: not by then; -EINVAL: point is 0, or event is none of enum sb_timeline_event; -ENOMEM;
 * or what the clock gave.
 *
 * Source: DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT with the flag WAIT_FOR_SUBMIT, for MATERIALISED with
 * WAIT_AVAILABLE too, drm/drm.h, Linux 5.2.
 */
int sb_timeline_wait(const struct sb_timeline *timeline, uint64_t point,
		enum sb_timeline_event event, int64_t deadline_ns);

/*
 * Creates an eventfd that becomes readable when a point has materialised or signalled.
 *
 * It is readable from the start where that has happened. It fires once, also where this timeline is
 * let go meanwhile. It never fires for a point that has not materialised when the last one who had
 * the syncobj open lets go: those who wait for others' points need a deadline of their own.
 *
 * Linux 6.6 and 6.7, without later fixes, never fire for a point that has signalled and that a
 * later one has overtaken before the call. Who runs on them tests the point afterwards, with
 * sb_timeline_wait() and a deadline that is over.
 *
 * Closing it cancels. The kernel drops its note with the point, or with the syncobj, so cancelling
 * over and over for a point that never comes costs some bytes each.
 *
 * On success *ret_event_fd is a new CLOEXEC, non-blocking fd that belongs to the caller; it is not
 * written on failure.
 *
 * Does not block. Returns 0, or
 * -EOPNOTSUPP: the kernel is older than 6.6; -EINVAL: point is 0, or event is none of enum
 * sb_timeline_event; -EMFILE, -ENFILE, -ENOMEM.
 *
 * Source: eventfd(); DRM_IOCTL_SYNCOBJ_EVENTFD, drm/drm.h, Linux 6.6.
 */
int sb_timeline_create_event_fd(const struct sb_timeline *timeline, uint64_t point,
		enum sb_timeline_event event, int *ret_event_fd);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
