#ifndef SYNCBRIDGE_SYNC_FILE_H
#define SYNCBRIDGE_SYNC_FILE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * sync_files: fds that stand for a fixed set of fences.
 *
 * A sync_file is ready when all its fences have signalled. It stays ready: fences signal once,
 * and the set never grows. Any event loop can watch the fd for POLLIN. A fence whose work failed
 * signals too; that the work failed is seen with sb_sync_file_get_info() only.
 *
 * All functions return 0 or -errno, print nothing, and keep no state. They may be called from any
 * thread. An error never means that there is nothing to wait for: the caller goes on waiting or
 * holds on to what it has.
 */

/* The kernel's limit for names, with the terminating zero (sync_file_info.name). */
#define SB_SYNC_FILE_NAME_SIZE 32

/* What sb_sync_file_get_info() finds out. */
struct sb_sync_file_info {
	/*
	 * 0: at least one fence is pending, whether others failed or not; 1: all signalled, none
	 * failed; below 0: all signalled, and the first one that failed did so with this -errno.
	 */
	int status;
	/* Those that were pending when the sync_file was made; one that had signalled if none was. */
	uint32_t fence_count;
	/*
	 * CLOCK_MONOTONIC, nanoseconds: when the last fence signalled. 0 while one is pending.
	 * A snapshot of nothing has the time at which the kernel started.
	 */
	uint64_t signalled_ns;
	/* What sb_sync_file_merge() was given, or the kernel's name for the fence. For logs. */
	char name[SB_SYNC_FILE_NAME_SIZE];
};

/*
 * Makes a sync_file that is ready when both a and b are.
 *
 * The kernel leaves out fences that have signalled, and keeps of two fences of the same timeline
 * the later one. So that a fence has failed is not to be seen in a merge made afterwards.
 *
 * name is for debugging: NULL or "" lets the kernel make one, longer ones are cut to
 * SB_SYNC_FILE_NAME_SIZE - 1 bytes. Both fds are borrowed, and may be the same. On success
 * *ret_fd is a new CLOEXEC fd that belongs to the caller; it is not written on failure, and the
 * caller must then wait for both.
 *
 * Does not block. Returns 0, or
 * -ENOENT: b_fd is no open sync_file; -ENOTTY: a_fd is no sync_file; -EBADF: a_fd is not open;
 * -EMFILE, -ENFILE, -ENOMEM: no fd or no memory left.
 *
 * Source: SYNC_IOC_MERGE, linux/sync_file.h, Linux 4.7.
 */
int sb_sync_file_merge(const char *name, int a_fd, int b_fd, int *ret_fd);

/*
 * Adds a sync_file to those collected in *fd: afterwards *fd is ready when both are.
 *
 * *fd starts as -1, for none; the first sync_file is moved there as it is. It belongs to the
 * caller before and after; on success it is another fd, CLOEXEC if take_fd is.
 *
 * take_fd is consumed in every case and must not be *fd itself. On failure *fd is unchanged and
 * does not cover take_fd, which is lost: the caller must take the collection for never ready, or
 * have kept a duplicate of take_fd to wait for.
 *
 * Does not block. Returns 0, -EBADF if take_fd is negative, or the errors of
 * sb_sync_file_merge().
 *
 * Source: as sb_sync_file_merge().
 */
int sb_sync_file_accumulate(int *fd, int take_fd);

/*
 * Says whether a sync_file's fences are pending, done or failed, how many there are and when the
 * last one signalled.
 *
 * Any number of fences is handled; memory is allocated only for more than 16. fd is borrowed.
 *
 * Does not block. Returns 0, or
 * -ENOTTY: the fd is no sync_file; -EBADF: it is not open; -ENOMEM: no memory left.
 * *ret_info is written on success only; on failure the sync_file is to be taken for pending.
 *
 * Source: SYNC_IOC_FILE_INFO, linux/sync_file.h, Linux 4.7. Timestamps are those of
 * dma_fence_signal(), drivers/dma-buf/dma-fence.c. status is made from the single fences: the
 * kernel's own is an error as soon as the first fence failed, even if others are pending.
 */
int sb_sync_file_get_info(int fd, struct sb_sync_file_info *ret_info);

/*
 * Waits until a sync_file is ready.
 *
 * timeout_ns is relative, in nanoseconds: below 0 waits without bound, 0 only tests, more waits
 * at most that long. Signals that a handler catches do not end it and do not prolong it.
 *
 * Failed fences are ready too, since nothing is pending any more. The fd's kind is not checked:
 * with a dma-buf it waits for the writers (later ones perhaps included), and a regular file is
 * always ready. fd is borrowed.
 *
 * Blocks up to timeout_ns. Returns 0 when ready, or
 * -ETIME: not ready yet;
 * -EBADF: the fd is negative or not open;
 * -EINVAL: the file reports an error, so will never be ready;
 * -ENOMEM: no memory left.
 *
 * Source: ppoll() for POLLIN, sync_file_poll() in drivers/dma-buf/sync_file.c, Linux 4.7.
 */
int sb_sync_file_wait(int fd, int64_t timeout_ns);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
