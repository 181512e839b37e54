#ifndef ORIEL_TESTS_SW_SYNC_H
#define ORIEL_TESTS_SW_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fences signalled by hand, and a look at the fences of a dma-buf. Needs CONFIG_SW_SYNC, a mounted
 * debugfs and root.
 *
 * A dma-buf keeps its fences in a reservation object: a list of (fence, usage) pairs. What a test
 * should know of it (Linux 7.2, drivers/dma-buf/dma-resv.c):
 *
 * - Adding a fence replaces an earlier one of the same timeline if the earlier one's usage is the
 *   same or READ is followed by WRITE. To have two fences counted, make two timelines.
 * - Adding a fence also takes the first slot whose fence has signalled. Until then a signalled
 *   fence stays in the list.
 * - A snapshot (DMA_BUF_IOCTL_EXPORT_SYNC_FILE) has the fences that are pending at that moment. A
 *   fence that had signalled before is not in it and cannot be seen with the ioctls. That is
 *   enough for "nobody waits for this any more", not for "this was once added": for the latter use
 *   dmabuf_list_fences(), which reads the list itself from debugfs, signalled fences included.
 * - A signalled fence has no driver and timeline names any more, in either view. Its context and
 *   seqno, which debugfs has, stay and identify it.
 *
 * Errors are negative errno values; nothing prints, nothing blocks. All fds returned are CLOEXEC
 * and belong to the caller, all fds passed in are borrowed.
 */

/*
 * Makes a timeline at value 0. Its fences carry the driver name "sw_sync" and the calling thread's
 * name as the timeline's. Closing the timeline signals its pending fences with the error -ENOENT,
 * and nobody waits for them any more.
 *
 * Returns the timeline's fd, -ENOENT without CONFIG_SW_SYNC or debugfs, or another -errno.
 */
int sw_timeline_create(void);

/*
 * Makes a fence that signals when the timeline reaches value; the same value twice is the same
 * fence while it is pending. A value that has been reached gives a signalled fence.
 *
 * Returns a sync_file's fd or -errno.
 */
int sw_timeline_create_fence(int timeline_fd, uint32_t value);

/* Moves the timeline on by count. Returns 0 or -errno. */
int sw_timeline_signal(int timeline_fd, uint32_t count);

/*
 * Adds a sync_file's fences to a dma-buf as writers: readers and writers that come later wait for
 * them (DMA_BUF_IOCTL_IMPORT_SYNC_FILE, Linux 6.0). Returns 0 or -errno.
 */
int dmabuf_import_write(int dmabuf_fd, int sync_file_fd);

/* The same as readers: only writers that come later wait. Returns 0 or -errno. */
int dmabuf_import_read(int dmabuf_fd, int sync_file_fd);

/*
 * Counts the fences that are pending on a dma-buf: *ret_writers those a reader must wait for (the
 * READ snapshot), *ret_readers those that only a writer must wait for (the WRITE snapshot's less
 * the READ snapshot's). A failed fence is not pending.
 *
 * The two snapshots are taken one after the other: exact as long as no fence is added or signals
 * meanwhile. Returns 0 or -errno.
 */
int dmabuf_count_pending(int dmabuf_fd, int *ret_writers, int *ret_readers);

enum dmabuf_usage {
	DMABUF_USAGE_KERNEL,
	DMABUF_USAGE_WRITE,
	DMABUF_USAGE_READ,
};

struct dmabuf_fence {
	enum dmabuf_usage usage;
	uint64_t context; /* the timeline's number */
	uint64_t seqno;
	bool signalled; /* also when it failed */
	char timeline[32]; /* empty once signalled */
	char driver[32]; /* empty once signalled */
};

/*
 * Lists all fences in a dma-buf's reservation object, in its order, from
 * /sys/kernel/debug/dma_buf/bufinfo: pending ones, and those that have signalled and have not been
 * replaced by a later one. An import that has been signalled long ago is seen here as long as
 * nothing was imported after it:
 *
 *	int count = dmabuf_list_fences(dmabuf_fd, fences, 16);
 *	assert_int_equal(count, 1);
 *	assert_int_equal(fences[0].usage, DMABUF_USAGE_READ);
 *
 * Bookkeeping fences are not listed. Returns the number of fences in the dma-buf, of which at most
 * capacity are written, or -ENOENT if debugfs does not know the dma-buf, or another -errno.
 */
int dmabuf_list_fences(int dmabuf_fd, struct dmabuf_fence *fences, size_t capacity);

#endif
