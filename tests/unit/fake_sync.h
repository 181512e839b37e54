#ifndef TESTS_UNIT_FAKE_SYNC_H
#define TESTS_UNIT_FAKE_SYNC_H

#include <stdbool.h>
#include <sys/types.h>

#include <syncbridge/dmabuf.h>

struct oriel_guest_buffer;

/*
 * Fences on a kernel that is played here. Needs -Wl,--wrap=sb_sys_ioctl, and shortage.c with what
 * that needs.
 *
 * A pipe's read end stands for a sync_file: it becomes readable when the test writes into it. An
 * eventfd stands for a dma-buf, and becomes readable as that does when it has no writer left.
 */
struct fake_fence {
	int sync_file_fd;
	int write_fd;
};

void fake_fence_init(struct fake_fence *fence);
void fake_fence_finish(struct fake_fence *fence);
void fake_fence_signal(struct fake_fence *fence);
/* Closes the other end: the file hangs up and will never be readable. */
void fake_fence_break(struct fake_fence *fence);
/* True if this one was the last that was imported into a dma-buf. */
bool fake_fence_was_imported(const struct fake_fence *fence);

struct fake_sync {
	/* To be set by the test. */
	int export_error; /* -errno */
	const struct fake_fence *fence; /* that exports give; NULL: one that has signalled */
	bool export_leaves_no_fds; /* shortage_of_fds_begin() follows the next export */
	int import_error; /* -errno */
	bool import_leaves_no_fds; /* shortage_of_fds_begin() follows the next import */
	int begin_error; /* -errno */
	bool begin_waits_for_signal; /* as the kernel does for a writer that never ends */

	/* What was asked for, and the last time of each. */
	unsigned int exports;
	int export_dmabuf_fd;
	enum sb_access export_access;
	unsigned int imports;
	int import_dmabuf_fd;
	enum sb_access import_access;
	ino_t import_inode; /* of the sync_file's stand-in */
	unsigned int begins, ends;
	enum sb_access begin_access, end_access;
};

extern struct fake_sync fake_sync;

void fake_sync_reset(void);

/* A buffer of 64 x 48 pixels whose dma-buf is an eventfd, or that is shared memory. */
struct oriel_guest_buffer *fake_sync_create_dmabuf(void);
struct oriel_guest_buffer *fake_sync_create_shared(void);
/* The dma-buf's last writer is done, as poll() sees it. */
void fake_sync_end_writers(struct oriel_guest_buffer *buffer);

#endif
