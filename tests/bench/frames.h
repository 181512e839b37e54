#ifndef ORIEL_TESTS_FRAMES_H
#define ORIEL_TESTS_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>
#include <syncbridge/fence_set.h>
#include <syncbridge/timeline.h>

/*
 * What a program does for each frame with fences, once with the library and once with the very
 * system calls, as it would write them without one. On real dma-bufs and a real timeline.
 */

#define FRAMES_BUFFERS 3
/* Most frames between two calls of frames_drop_kept(). */
#define FRAMES_KEPT_MAX 100

struct frames {
	int dmabuf_fds[FRAMES_BUFFERS];
	struct sb_buffer buffers[FRAMES_BUFFERS];
	int writer_fds[FRAMES_BUFFERS]; /* sw_sync timelines, each of a fence in a dma-buf */
	int release_timeline_fd;
	int release_fd; /* a pending sync_file */
	int signalled_fd; /* one that is not */
	struct sb_fence release; /* release_fd */

	int drm_fd;
	struct sb_timeline *pending; /* of which point 1 is */
	uint32_t pending_handle; /* the same in another syncobj */
	struct sb_timeline *growing; /* of which all points have signalled */
	uint32_t growing_handle;
	uint64_t point; /* the last of the growing ones */

	struct sb_fence_set *set;

	/* What frames without a close() leave open. */
	int kept_fds[FRAMES_KEPT_MAX];
	struct sb_fence kept_fences[FRAMES_KEPT_MAX];
	unsigned int kept_count;
};

/* Without writers nothing is pending that an access for READ has to wait for. Aborts on failure. */
void frames_init(struct frames *frames, bool with_writers);
void frames_finish(struct frames *frames);
void frames_drop_kept(struct frames *frames);

/* One frame: 0 or -errno. */
typedef int (*frame_func)(struct frames *frames);

struct frame_kind {
	/* Of the tests. */
	const char *name;
	frame_func bare;
	frame_func library;
	/*
	 * The library's instructions for each bare one, at most: in user space, and in all. Close to
	 * what they are, so that a system call more for each frame is seen.
	 */
	double user_limit;
	double all_limit;
	bool with_writers;
};
#define FRAME_KINDS 9
extern const struct frame_kind frame_kinds[FRAME_KINDS];

#endif
