#include <syncbridge/fence.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <syncbridge/sync_file.h>
#include <syncbridge/timeline.h>

#include "fd.h"
#include "fence_internal.h"
#include "syscall.h"
#include "trace.h"
#include "wait.h"

int sb_fence_from_sync_file(int take_sync_file_fd, struct sb_fence *ret_fence) {
	if (take_sync_file_fd < 0) {
		return -EBADF;
	}
	/* Many other files are readable at any time: as a fence they would be ready too early. */
	struct sync_file_info info = { .num_fences = 0 };
	int ret = sb_sys_ioctl_restart(take_sync_file_fd, SYNC_IOC_FILE_INFO, &info);
	if (ret < 0) {
		sb_fd_clear(&take_sync_file_fd);
		return ret;
	}
	*ret_fence = sb_fence_of_sync_file(take_sync_file_fd);
	return 0;
}

int sb_fence_from_point(struct sb_timeline *timeline, uint64_t point, struct sb_fence *ret_fence) {
	if (point == 0) {
		return -EINVAL;
	}
	*ret_fence = (struct sb_fence){
		.type = SB_FENCE_POINT,
		.timeline = sb_timeline_ref(timeline),
		.point = point,
	};
	return 0;
}

void sb_fence_clear(struct sb_fence *fence) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return;
	case SB_FENCE_SYNC_FILE:
		sb_fd_clear(&fence->fds[0]);
		break;
	case SB_FENCE_POINT:
		sb_timeline_unref(fence->timeline);
		break;
	case SB_FENCE_IDLE:
		for (uint32_t i = 0; i < fence->dmabuf_count; i++) {
			sb_fd_clear(&fence->fds[i]);
		}
		break;
	}
	*fence = (struct sb_fence){ 0 };
}

struct sb_fence sb_fence_move(struct sb_fence *fence) {
	struct sb_fence moved = *fence;
	*fence = (struct sb_fence){ 0 };
	return moved;
}

static int fence_dup_fds(const struct sb_fence *fence, uint32_t count, struct sb_fence *ret_fence) {
	struct sb_fence dup = *fence;
	for (uint32_t i = 0; i < count; i++) {
		dup.fds[i] = sb_sys_dup(fence->fds[i]);
		if (dup.fds[i] < 0) {
			int ret = dup.fds[i];
			while (i > 0) {
				sb_fd_clear(&dup.fds[--i]);
			}
			return ret;
		}
	}
	*ret_fence = dup;
	return 0;
}

int sb_fence_dup(const struct sb_fence *fence, struct sb_fence *ret_fence) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		*ret_fence = (struct sb_fence){ 0 };
		return 0;
	case SB_FENCE_SYNC_FILE:
		return fence_dup_fds(fence, 1, ret_fence);
	case SB_FENCE_POINT:
		return sb_fence_from_point(fence->timeline, fence->point, ret_fence);
	case SB_FENCE_IDLE:
		return fence_dup_fds(fence, fence->dmabuf_count, ret_fence);
	}
	return -EINVAL;
}

int sb_fence_export_sync_file(const struct sb_fence *fence, int *ret_sync_file_fd) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return -ENODATA;
	case SB_FENCE_SYNC_FILE: {
		int fd = sb_sys_dup(fence->fds[0]);
		if (fd < 0) {
			return fd;
		}
		*ret_sync_file_fd = fd;
		return 0;
	}
	case SB_FENCE_POINT:
		return sb_timeline_export_sync_file(fence->timeline, fence->point, ret_sync_file_fd);
	case SB_FENCE_IDLE:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}

static struct sb_trace_target fence_get_target(const struct sb_fence *fence, uint32_t index) {
	if (fence->type == SB_FENCE_IDLE) {
		return (struct sb_trace_target){
			.sync_file_fd = -1,
			.dmabuf_fd = fence->fds[index],
			.access = fence->access,
		};
	}
	return (struct sb_trace_target){ .sync_file_fd = fence->fds[index], .dmabuf_fd = -1 };
}

static int fence_wait_sync_file(const struct sb_fence *fence, int64_t deadline_ns) {
	const struct sb_trace_target target = { .sync_file_fd = fence->fds[0], .dmabuf_fd = -1 };
	sb_trace_target(SB_TRACE_WAIT_BEGIN, &target, 0);
	int ret = sb_wait_fd(fence->fds[0], POLLIN, deadline_ns);
	sb_trace_target(SB_TRACE_WAIT_END, &target, ret);
	return ret;
}

/*
 * A dma-buf is idle enough for a reader with POLLIN: no writer is left. For a writer it takes POLLOUT,
 * too, and after that: POLLOUT alone overlooks the writer while any reader is listed, before
 * dma_buf_poll() was reworked in Linux 5.15.
 *
 * *ret_events is what was waited for last. It is written in every case.
 */
static int fence_wait_dmabuf(const struct sb_fence *fence, uint32_t index, int64_t deadline_ns,
		short *ret_events) {
	struct sb_trace_target target = fence_get_target(fence, index);
	sb_trace_target(SB_TRACE_WAIT_BEGIN, &target, 0);
	*ret_events = POLLIN;
	int ret = sb_wait_fd(fence->fds[index], POLLIN, deadline_ns);
	if (ret == 0 && fence->access == SB_ACCESS_WRITE) {
		*ret_events = POLLOUT;
		ret = sb_wait_fd(fence->fds[index], POLLOUT, deadline_ns);
	}
	sb_trace_target(SB_TRACE_WAIT_END, &target, ret);
	return ret;
}

/*
 * One dma-buf after the other: what was to be waited for when the call began is then over. That they
 * be idle together, which later work can prevent for ever, is not needed.
 */
static int fence_wait_idle(const struct sb_fence *fence, int64_t deadline_ns) {
	int ret = 0;
	for (uint32_t i = 0; i < fence->dmabuf_count && ret == 0; i++) {
		short events;
		ret = fence_wait_dmabuf(fence, i, deadline_ns, &events);
	}
	return ret;
}

int sb_fence_wait(const struct sb_fence *fence, int64_t deadline_ns) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return 0;
	case SB_FENCE_SYNC_FILE:
		return fence_wait_sync_file(fence, deadline_ns);
	case SB_FENCE_POINT:
		return sb_timeline_wait(
				fence->timeline, fence->point, SB_TIMELINE_SIGNALLED, deadline_ns);
	case SB_FENCE_IDLE:
		return fence_wait_idle(fence, deadline_ns);
	}
	return -EINVAL;
}

static int fence_watch_fd(const struct sb_fence *fence, uint32_t index, short events, int *ret_fd,
		short *ret_events) {
	int fd = sb_sys_dup(fence->fds[index]);
	struct sb_trace_target target = fence_get_target(fence, index);
	sb_trace_target(SB_TRACE_WATCH, &target, fd < 0 ? fd : 0);
	if (fd < 0) {
		return fd;
	}
	*ret_fd = fd;
	*ret_events = events;
	return 0;
}

/*
 * The kernel watches points since Linux 6.6. One that has materialised is as good as a sync_file; an
 * fd for one that has not cannot be had before.
 */
static int fence_watch_point(const struct sb_fence *fence, int *ret_fd) {
	int ret = sb_timeline_create_event_fd(
			fence->timeline, fence->point, SB_TIMELINE_SIGNALLED, ret_fd);
	if (ret != -EOPNOTSUPP) {
		return ret;
	}
	ret = sb_timeline_export_sync_file(fence->timeline, fence->point, ret_fd);
	if (ret < 0) {
		return ret == -EAGAIN ? -EOPNOTSUPP : ret;
	}
	const struct sb_trace_target target = {
		.sync_file_fd = -1,
		.dmabuf_fd = -1,
		.timeline = fence->timeline,
		.point = fence->point,
	};
	sb_trace_target(SB_TRACE_WATCH, &target, 0);
	return 0;
}

/* The first dma-buf that is busy or, where none is, the last one: it fires at once. */
static int fence_watch_idle(const struct sb_fence *fence, int *ret_fd, short *ret_events) {
	short events = POLLIN;
	uint32_t watched = 0;
	int ret = 0;
	for (uint32_t i = 0; i < fence->dmabuf_count && ret == 0; i++) {
		ret = fence_wait_dmabuf(fence, i, 0, &events);
		watched = i;
	}
	if (ret < 0 && ret != -ETIME) {
		return ret;
	}
	return fence_watch_fd(fence, watched, events, ret_fd, ret_events);
}

int sb_fence_create_ready_fd(const struct sb_fence *fence, int *ret_fd, short *ret_events) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return -ENODATA;
	case SB_FENCE_SYNC_FILE:
		return fence_watch_fd(fence, 0, POLLIN, ret_fd, ret_events);
	case SB_FENCE_POINT: {
		int ret = fence_watch_point(fence, ret_fd);
		if (ret == 0) {
			*ret_events = POLLIN;
		}
		return ret;
	}
	case SB_FENCE_IDLE:
		return fence_watch_idle(fence, ret_fd, ret_events);
	}
	return -EINVAL;
}

static int fence_get_sync_file_info(int sync_file_fd, struct sb_fence_info *ret_info) {
	struct sb_sync_file_info file_info;
	int ret = sb_sync_file_get_info(sync_file_fd, &file_info);
	if (ret < 0) {
		return ret;
	}
	*ret_info = (struct sb_fence_info){
		.status = file_info.status,
		.materialised = true,
		.fence_count = file_info.fence_count,
		.signalled_ns = file_info.signalled_ns,
	};
	static_assert(sizeof(file_info.name) <= sizeof(ret_info->name), "sync_files' names fit");
	memcpy(ret_info->name, file_info.name, sizeof(file_info.name));
	return 0;
}

/* Only the point's own fences tell whether its work failed: the timeline counts on regardless. */
static int fence_get_point_info(const struct sb_fence *fence, struct sb_fence_info *ret_info) {
	struct sb_fence_info info = { .status = 0 };
	int sync_file_fd;
	int ret = sb_timeline_export_sync_file(fence->timeline, fence->point, &sync_file_fd);
	if (ret == 0) {
		ret = fence_get_sync_file_info(sync_file_fd, &info);
		sb_fd_clear(&sync_file_fd);
	}
	if (ret < 0 && ret != -EAGAIN) {
		return ret;
	}
	static_assert(SB_TIMELINE_NAME_SIZE + sizeof(":18446744073709551615") - 1 <=
					SB_FENCE_NAME_SIZE,
			"points' names fit");
	snprintf(info.name, sizeof(info.name), "%s:%" PRIu64, sb_timeline_get_name(fence->timeline),
			fence->point);
	*ret_info = info;
	return 0;
}

static int fence_get_idle_info(const struct sb_fence *fence, struct sb_fence_info *ret_info) {
	int ret = fence_wait_idle(fence, 0);
	if (ret < 0 && ret != -ETIME) {
		return ret;
	}
	*ret_info = (struct sb_fence_info){
		.status = ret == 0,
		.materialised = true,
		.fence_count = fence->dmabuf_count,
		.name = "idle",
	};
	return 0;
}

int sb_fence_get_info(const struct sb_fence *fence, struct sb_fence_info *ret_info) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		*ret_info = (struct sb_fence_info){
			.status = 1,
			.materialised = true,
			.name = "none",
		};
		return 0;
	case SB_FENCE_SYNC_FILE:
		return fence_get_sync_file_info(fence->fds[0], ret_info);
	case SB_FENCE_POINT:
		return fence_get_point_info(fence, ret_info);
	case SB_FENCE_IDLE:
		return fence_get_idle_info(fence, ret_info);
	}
	return -EINVAL;
}
