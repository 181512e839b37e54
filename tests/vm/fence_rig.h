#ifndef ORIEL_TESTS_FENCE_RIG_H
#define ORIEL_TESTS_FENCE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the tests of libsyncbridge stand on in the test VM: its devices, fences that are signalled
 * by hand, and a look at what a test has left behind. What is needed and missing fails the test.
 */

/* "Soon", for poll(): what comes by itself, only not at once. Only what fails takes that long. */
#define FENCE_RIG_SOON_MS 20000

/* What there is of a kind of thing, in the process or in the kernel. */
struct fence_rig_counts {
	int fds;
	int sw_timelines; /* alive as long as one of their fences is, wherever that is kept */
	int dmabufs;
	/* The handle that the next syncobj of each drm_fd gets: the lowest that is free. */
	uint32_t syncobj, other_syncobj;
	bool kernel_warned; /* since it started, for whatever reason */
};

struct fence_rig {
	int drm_fd; /* virtio-gpu, which has timelines */
	int other_drm_fd; /* the same, opened apart: handles of the one are not the other's */
	int vgem_fd;
	struct fence_rig_counts before;
};

void fence_rig_init(struct fence_rig *rig);

/* Fails the test unless all is as it was after fence_rig_init(), or if the kernel has warned. */
void fence_rig_finish(struct fence_rig *rig);

/* CLOCK_MONOTONIC, in nanoseconds. */
int64_t fence_rig_get_time_ns(void);

/* Whether fd reports events, and nothing else, within the time. */
bool fence_rig_poll(int fd, short events, int timeout_ms);

/* A fence of sw_sync on a timeline of its own. */
struct rig_fence {
	int timeline_fd; /* owned; -1 once failed */
	int sync_file_fd; /* owned */
};

void rig_fence_init(struct rig_fence *fence);
void rig_fence_signal(struct rig_fence *fence);
/* It signals with the error -ENOENT. */
void rig_fence_fail(struct rig_fence *fence);
/* As rig_fence_fail() if it is pending. Does nothing on what is all zero. */
void rig_fence_finish(struct rig_fence *fence);

/* The fence as a sync_file that the caller owns. */
int rig_fence_dup(const struct rig_fence *fence);

#endif
