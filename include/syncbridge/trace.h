#ifndef SYNCBRIDGE_TRACE_H
#define SYNCBRIDGE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include <syncbridge/dmabuf.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * What the library does, as it does it.
 *
 * A program gives a function that is called after each operation, and before and after each wait.
 * While none is given that costs a load and a branch. The same operations are USDT probes of the
 * provider "syncbridge", where the library was built with sys/sdt.h: for bpftrace, perf and
 * SystemTap, in a program that knows nothing of it. `sb-info --probes` lists them.
 *
 * One function serves the process, as one log does.
 */

struct sb_timeline;

/* The operations. */
enum sb_trace_kind {
	/* The fences of a dma-buf were taken as a sync_file. */
	SB_TRACE_EXPORT = 1,
	/* A sync_file was added to a dma-buf. */
	SB_TRACE_IMPORT = 2,
	/* Two sync_files were merged; sync_file_fd is the result. */
	SB_TRACE_MERGE = 3,
	/* There is no snapshot of a dma-buf: it will be watched itself, which over-syncs. */
	SB_TRACE_IDLE = 4,
	/*
	 * The CPU begins to wait: for a fence, for one dma-buf of SB_FENCE_IDLE, or in
	 * sb_dmabuf_begin_cpu_access(), ...
	 */
	SB_TRACE_WAIT_BEGIN = 5,
	/* ... and has ended that. Comes for each begin, with the same fds. A test is a wait, too. */
	SB_TRACE_WAIT_END = 6,
	/* An fd was made for an event loop to wait with. */
	SB_TRACE_WATCH = 7,
	/* A point was signalled by the CPU. */
	SB_TRACE_POINT_SIGNAL = 8,
	/* A point was got as a sync_file. */
	SB_TRACE_POINT_EXPORT = 9,
	/* A point was made of a sync_file. */
	SB_TRACE_POINT_IMPORT = 10,
	/* A point was made of a point; it is the new one. */
	SB_TRACE_POINT_TRANSFER = 11,
	/*
	 * A VkSemaphore or VkFence was made to wait for a sync_file; -1: for nothing. The fd is
	 * Vulkan's by now: a number for logs, which may belong to another file already.
	 */
	SB_TRACE_VK_IMPORT = 12,
	/* A VkSemaphore or VkFence was got as a sync_file; -1: it had signalled. */
	SB_TRACE_VK_EXPORT = 13,
	/* A VkSemaphore was created for a frame. */
	SB_TRACE_VK_CREATE = 14,
};

/* One operation. The fds and the timeline are the library's: not to be kept, nor closed. */
struct sb_trace_event {
	/* Says which of the fields below have a meaning. */
	enum sb_trace_kind kind;
	/* 0 or -errno. WAIT_END: -ETIME when it was not ready. 0 for WAIT_BEGIN. */
	int result;
	/* EXPORT, IMPORT, IDLE: the buffer. WAIT_*, WATCH: the dma-buf waited for, if any. Else -1. */
	int dmabuf_fd;
	/* With a dmabuf_fd: the access. Else 0. */
	enum sb_access access;
	/* The sync_file taken, given or waited for; -1 if none. */
	int sync_file_fd;
	/* POINT_*, and WAIT_* and WATCH for a point: its timeline. Else NULL. */
	const struct sb_timeline *timeline;
	/* With a timeline: above 0. Else 0. */
	uint64_t point;
	/* VK_*: the VkSemaphore or VkFence; 0 where it could not be created. Else 0. */
	uint64_t vk_handle;
	/* IDLE, and WAIT_* and WATCH for a dma-buf: more may be waited for than the access needs. */
	bool over_sync;
};

/* Belongs to the program, and must stay as it is while it is set. */
struct sb_trace_hook {
	/* May be called from any thread that uses the library. May use it, which is not traced then. */
	void (*handle)(void *data, const struct sb_trace_event *event);
	/* For handle. */
	void *data;
};

/*
 * Sets the hook, or with NULL none.
 *
 * hook is borrowed, and may be called by threads that are in the library at this moment even after
 * another is set: it has to live on until those have left, most simply for as long as the program.
 * Does not block, cannot fail; may be called at any time.
 *
 * Source: none.
 */
void sb_trace_set_hook(const struct sb_trace_hook *hook);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
