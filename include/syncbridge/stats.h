#ifndef SYNCBRIDGE_STATS_H
#define SYNCBRIDGE_STATS_H

#include <stdint.h>

#include <syncbridge/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Counts of what the library did, for a program that wants numbers rather than events:
 *
 *	static struct sb_stats stats;
 *	static const struct sb_trace_hook hook = { .handle = sb_stats_handle, .data = &stats };
 *	sb_trace_set_hook(&hook);
 *
 * Only operations that succeeded are counted, apart from .waits, which has those that ended too
 * early as well, .timeouts and .errors. Read while other threads use the library, the numbers are
 * of slightly different moments.
 *
 * Counters may be added at the end, together with a new soname only.
 */
struct sb_stats {
	/* Snapshots taken of dma-bufs. */
	uint64_t exports;
	/* sync_files added to dma-bufs. */
	uint64_t imports;
	/* Pairs of sync_files merged. */
	uint64_t merges;
	/* Points of timelines made: signalled, of a sync_file, of another point. */
	uint64_t points;
	/* VkSemaphores and VkFences that were given a fence. */
	uint64_t vk_imports;
	/* VkSemaphores and VkFences that a fence was got of. */
	uint64_t vk_exports;
	/* VkSemaphores created. Stays the same once all frames are warm. */
	uint64_t vk_creates;
	/* Waits by the CPU, tests included. */
	uint64_t waits;
	/* Those of them that ended before the fence was ready. */
	uint64_t timeouts;
	/* Times that a dma-buf had to be watched itself: waits that may be for more than needed. */
	uint64_t over_syncs;
	/*
	 * Operations that failed. Not: -ETIME; -EAGAIN for a point to come; and what old kernels do
	 * not have: -ENOTTY for a snapshot, since sb_buffer_export_fence() goes on from there, and
	 * -EOPNOTSUPP for the eventfd of a point, as does sb_fence_create_ready_fd().
	 */
	uint64_t errors;
};

/*
 * Counts an event; made to be struct sb_trace_hook's handle, with a struct sb_stats as data.
 *
 * May be called from several threads at once, as the hook is: no event is lost. Does not block,
 * cannot fail. Source: none.
 */
void sb_stats_handle(void *stats, const struct sb_trace_event *event);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
