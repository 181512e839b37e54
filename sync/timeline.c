#include <syncbridge/timeline.h>

#include <drm.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "syscall.h"
#include "trace.h"
#include "wait.h"

/*
 * To the kernel a timeline is a syncobj that holds the newest node of a chain of fences, one node
 * for each point. A syncobj without a chain holds one fence or none; such ones are go-betweens
 * below, for as long as one call takes, so that no state is shared between threads.
 *
 * Handles belong to one open file of a device. Every timeline borrows its fd for life, so that two
 * with the same number have it open both, and their handles are of the same file. Those with
 * different numbers may be of the same file, too, but nothing cheap tells: from one to the other
 * it goes by fds of syncobjs and sync_files, which know no device.
 */

/* Late ticks take one or two. */
#define WAIT_TRIES 8

struct sb_timeline {
	atomic_uint refs;
	int drm_fd; /* borrowed */
	uint32_t handle;
	char name[SB_TIMELINE_NAME_SIZE];
};

static int syncobj_create(int drm_fd, uint32_t *ret_handle) {
	struct drm_syncobj_create data = { 0 };
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_CREATE, &data);
	if (ret < 0) {
		return ret;
	}
	*ret_handle = data.handle;
	return 0;
}

static void syncobj_destroy(int drm_fd, uint32_t handle) {
	/* It fails for a device that is gone only, and the syncobj is gone with that. */
	struct drm_syncobj_destroy data = { .handle = handle };
	sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_DESTROY, &data);
}

static int syncobj_open(int drm_fd, int syncobj_fd, uint32_t *ret_handle) {
	struct drm_syncobj_handle data = { .fd = syncobj_fd };
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &data);
	if (ret < 0) {
		return ret;
	}
	*ret_handle = data.handle;
	return 0;
}

/* What handle has at point becomes another's point. Point 0 is all of a syncobj without a chain. */
static int syncobj_transfer(int drm_fd, uint32_t handle, uint64_t point, uint32_t source_handle,
		uint64_t source_point) {
	struct drm_syncobj_transfer data = {
		.src_handle = source_handle,
		.dst_handle = handle,
		.src_point = source_point,
		.dst_point = point,
	};
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_TRANSFER, &data);
	/* With flags that are right, -EINVAL has this one reason. */
	return ret == -EINVAL ? -EAGAIN : ret;
}

static int device_check_timelines(int drm_fd) {
	struct drm_get_cap data = { .capability = DRM_CAP_SYNCOBJ_TIMELINE };
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_GET_CAP, &data);
	if (ret == -EINVAL) {
		/* A kernel that does not know the question. */
		return -EOPNOTSUPP;
	}
	if (ret < 0) {
		return ret;
	}
	return data.value != 0 ? 0 : -EOPNOTSUPP;
}

/* With the syncobj of that fd, or with a new one for -1. */
static int timeline_create(
		int drm_fd, int syncobj_fd, const char *name, struct sb_timeline **ret_timeline) {
	struct sb_timeline *timeline = sb_sys_calloc(1, sizeof(*timeline));
	if (timeline == NULL) {
		return -ENOMEM;
	}
	atomic_init(&timeline->refs, 1);
	timeline->drm_fd = drm_fd;
	if (name != NULL) {
		memcpy(timeline->name, name, strnlen(name, sizeof(timeline->name) - 1));
	}

	int ret = device_check_timelines(drm_fd);
	if (ret < 0) {
		goto free_timeline;
	}
	ret = syncobj_fd < 0 ? syncobj_create(drm_fd, &timeline->handle)
			     : syncobj_open(drm_fd, syncobj_fd, &timeline->handle);
	if (ret < 0) {
		goto free_timeline;
	}
	*ret_timeline = timeline;
	return 0;

free_timeline:
	free(timeline);
	return ret;
}

int sb_timeline_create(int drm_fd, const char *name, struct sb_timeline **ret_timeline) {
	return timeline_create(drm_fd, -1, name, ret_timeline);
}

int sb_timeline_import(
		int drm_fd, int syncobj_fd, const char *name, struct sb_timeline **ret_timeline) {
	if (syncobj_fd < 0) {
		return -EINVAL;
	}
	return timeline_create(drm_fd, syncobj_fd, name, ret_timeline);
}

int sb_timeline_export(const struct sb_timeline *timeline, int *ret_syncobj_fd) {
	struct drm_syncobj_handle data = { .handle = timeline->handle, .fd = -1 };
	int ret = sb_sys_ioctl_restart(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &data);
	if (ret < 0) {
		return ret;
	}
	*ret_syncobj_fd = data.fd;
	return 0;
}

struct sb_timeline *sb_timeline_ref(struct sb_timeline *timeline) {
	atomic_fetch_add_explicit(&timeline->refs, 1, memory_order_relaxed);
	return timeline;
}

void sb_timeline_unref(struct sb_timeline *timeline) {
	/* The last one to let go must see all that the others did. */
	if (timeline == NULL ||
			atomic_fetch_sub_explicit(&timeline->refs, 1, memory_order_acq_rel) > 1) {
		return;
	}
	int saved_errno = errno;
	syncobj_destroy(timeline->drm_fd, timeline->handle);
	free(timeline);
	errno = saved_errno;
}

const char *sb_timeline_get_name(const struct sb_timeline *timeline) {
	return timeline->name;
}

int sb_timeline_signal(struct sb_timeline *timeline, uint64_t point) {
	if (point == 0) {
		return -EINVAL;
	}
	struct drm_syncobj_timeline_array data = {
		.handles = (uintptr_t)&timeline->handle,
		.points = (uintptr_t)&point,
		.count_handles = 1,
	};
	int ret = sb_sys_ioctl_restart(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &data);
	sb_trace_point(SB_TRACE_POINT_SIGNAL, timeline, point, -1, ret);
	return ret;
}

static int timeline_query(const struct sb_timeline *timeline, uint32_t flags, uint64_t *ret_point) {
	uint64_t point = 0;
	struct drm_syncobj_timeline_array data = {
		.handles = (uintptr_t)&timeline->handle,
		.points = (uintptr_t)&point,
		.count_handles = 1,
		.flags = flags,
	};
	int ret = sb_sys_ioctl_restart(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_QUERY, &data);
	if (ret < 0) {
		/* -EINVAL has one reason: the kernel does not know the flag. */
		return ret == -EINVAL ? -EOPNOTSUPP : ret;
	}
	*ret_point = point;
	return 0;
}

int sb_timeline_query(const struct sb_timeline *timeline, uint64_t *ret_signalled_point,
		uint64_t *ret_materialised_point) {
	uint64_t signalled_point = 0;
	uint64_t materialised_point = 0;
	if (ret_signalled_point != NULL) {
		int ret = timeline_query(timeline, 0, &signalled_point);
		if (ret < 0) {
			return ret;
		}
	}
	if (ret_materialised_point != NULL) {
		int ret = timeline_query(timeline, DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED,
				&materialised_point);
		if (ret < 0) {
			return ret;
		}
		*ret_materialised_point = materialised_point;
	}
	if (ret_signalled_point != NULL) {
		*ret_signalled_point = signalled_point;
	}
	return 0;
}

static int syncobj_export_sync_file(int drm_fd, uint32_t handle, uint32_t flags, uint64_t point,
		int *ret_sync_file_fd) {
	struct drm_syncobj_handle data = {
		.handle = handle,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE | flags,
		.fd = -1,
		.point = point,
	};
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &data);
	if (ret < 0) {
		return ret;
	}
	*ret_sync_file_fd = data.fd;
	return 0;
}

/* By way of a syncobj that holds the point's fence alone. */
static int timeline_export_by_transfer(
		const struct sb_timeline *timeline, uint64_t point, int *ret_sync_file_fd) {
	uint32_t handle;
	int ret = syncobj_create(timeline->drm_fd, &handle);
	if (ret < 0) {
		return ret;
	}
	ret = syncobj_transfer(timeline->drm_fd, handle, 0, timeline->handle, point);
	if (ret == 0) {
		ret = syncobj_export_sync_file(timeline->drm_fd, handle, 0, 0, ret_sync_file_fd);
		/*
		 * There is a fence now, so it is the memory for the sync_file that there is not. (Or
		 * it is before Linux 5.16, where the transfer of a point that has signalled, and
		 * that a later one has overtaken, left nothing behind.)
		 */
		ret = ret == -EINVAL ? -ENOMEM : ret;
	}
	syncobj_destroy(timeline->drm_fd, handle);
	return ret;
}

int sb_timeline_export_sync_file(
		const struct sb_timeline *timeline, uint64_t point, int *ret_sync_file_fd) {
	if (point == 0) {
		return -EINVAL;
	}
	int sync_file_fd = -1;
	int ret = syncobj_export_sync_file(timeline->drm_fd, timeline->handle,
			DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE, point, &sync_file_fd);
	if (ret == -EINVAL) {
		/*
		 * The point has not materialised, or memory is short, or the kernel is older than
		 * 6.16. The long way works on all, and tells them apart.
		 */
		ret = timeline_export_by_transfer(timeline, point, &sync_file_fd);
	}
	sb_trace_point(SB_TRACE_POINT_EXPORT, timeline, point, sync_file_fd, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_sync_file_fd = sync_file_fd;
	return 0;
}

/*
 * FD_TO_HANDLE would take the point as well, since Linux 6.16. But it makes the sync_file's fence
 * part of the chain as it is, which must not be a chain itself, and that is what the sync_file of
 * another timeline's point holds: the kernel warns. A transfer unpacks it.
 */
static int timeline_import_by_transfer(
		struct sb_timeline *timeline, uint64_t point, int sync_file_fd) {
	uint32_t handle;
	int ret = syncobj_create(timeline->drm_fd, &handle);
	if (ret < 0) {
		return ret;
	}
	struct drm_syncobj_handle data = {
		.handle = handle,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = sync_file_fd,
	};
	ret = sb_sys_ioctl_restart(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &data);
	if (ret == 0) {
		ret = syncobj_transfer(timeline->drm_fd, timeline->handle, point, handle, 0);
	}
	syncobj_destroy(timeline->drm_fd, handle);
	return ret;
}

int sb_timeline_import_sync_file(struct sb_timeline *timeline, uint64_t point, int sync_file_fd) {
	if (point == 0) {
		return -EINVAL;
	}
	int ret = timeline_import_by_transfer(timeline, point, sync_file_fd);
	sb_trace_point(SB_TRACE_POINT_IMPORT, timeline, point, sync_file_fd, ret);
	return ret;
}

int sb_timeline_import_fence(
		struct sb_timeline *timeline, uint64_t point, const struct sb_fence *fence) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return sb_timeline_signal(timeline, point);
	case SB_FENCE_SYNC_FILE:
		return sb_timeline_import_sync_file(timeline, point, fence->fds[0]);
	case SB_FENCE_POINT:
		return sb_timeline_transfer(timeline, point, fence->timeline, fence->point);
	case SB_FENCE_IDLE:
		return point == 0 ? -EINVAL : -EOPNOTSUPP;
	}
	return -EINVAL;
}

/* The source's syncobj gets a handle in the file of this timeline's. */
static int timeline_transfer_between_files(struct sb_timeline *timeline, uint64_t point,
		const struct sb_timeline *source, uint64_t source_point) {
	int syncobj_fd;
	int ret = sb_timeline_export(source, &syncobj_fd);
	if (ret < 0) {
		return ret;
	}
	uint32_t handle;
	ret = syncobj_open(timeline->drm_fd, syncobj_fd, &handle);
	sb_fd_clear(&syncobj_fd);
	if (ret < 0) {
		return ret;
	}
	ret = syncobj_transfer(timeline->drm_fd, timeline->handle, point, handle, source_point);
	syncobj_destroy(timeline->drm_fd, handle);
	return ret;
}

int sb_timeline_transfer(struct sb_timeline *timeline, uint64_t point,
		const struct sb_timeline *source, uint64_t source_point) {
	if (point == 0 || source_point == 0) {
		return -EINVAL;
	}
	int ret = timeline->drm_fd == source->drm_fd
			? syncobj_transfer(timeline->drm_fd, timeline->handle, point,
					  source->handle, source_point)
			: timeline_transfer_between_files(timeline, point, source, source_point);
	sb_trace_point(SB_TRACE_POINT_TRANSFER, timeline, point, -1, ret);
	return ret;
}

/*
 * The kernel waits for a number of ticks. On a busy machine, or a virtual one, ticks come late and
 * then several at once, and it gives up too early by as many. In a time namespace it goes by the
 * clock outside: when that is ahead it gives up at once, and would do so until ours gets there.
 */
static int timeline_wait(int drm_fd, struct drm_syncobj_timeline_wait *data) {
	for (int i = 0; i < WAIT_TRIES; i++) {
		/* The timeout is a time, too: what a signal ends can begin again as it is. */
		int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, data);
		if (ret != -ETIME || data->timeout_nsec <= 0) {
			return ret;
		}
		int64_t now_ns;
		ret = sb_wait_get_now(&now_ns);
		if (ret < 0) {
			return ret;
		}
		if (now_ns >= data->timeout_nsec) {
			break;
		}
	}
	return -ETIME;
}

int sb_timeline_wait(const struct sb_timeline *timeline, uint64_t point,
		enum sb_timeline_event event, int64_t deadline_ns) {
	struct drm_syncobj_timeline_wait data = {
		.handles = (uintptr_t)&timeline->handle,
		.points = (uintptr_t)&point,
		.timeout_nsec = deadline_ns,
		.count_handles = 1,
		.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};
	if (event == SB_TIMELINE_MATERIALISED) {
		/* Besides the other: before Linux 6.8 this one alone slept on past the event. */
		data.flags |= DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	} else if (event != SB_TIMELINE_SIGNALLED) {
		return -EINVAL;
	}
	if (point == 0) {
		return -EINVAL;
	}

	const struct sb_trace_target target = {
		.sync_file_fd = -1,
		.dmabuf_fd = -1,
		.timeline = timeline,
		.point = point,
	};
	sb_trace_target(SB_TRACE_WAIT_BEGIN, &target, 0);
	int ret = timeline_wait(timeline->drm_fd, &data);
	sb_trace_target(SB_TRACE_WAIT_END, &target, ret);
	return ret;
}

static int timeline_create_event_fd(const struct sb_timeline *timeline, uint64_t point,
		uint32_t flags, int *ret_event_fd) {
	int event_fd = sb_sys_eventfd();
	if (event_fd < 0) {
		return event_fd;
	}
	struct drm_syncobj_eventfd data = {
		.handle = timeline->handle,
		.flags = flags,
		.point = point,
		.fd = event_fd,
	};
	int ret = sb_sys_ioctl_restart(timeline->drm_fd, DRM_IOCTL_SYNCOBJ_EVENTFD, &data);
	if (ret < 0) {
		sb_fd_clear(&event_fd);
		/* DRM answers -EINVAL to requests that it does not know, and this one is right. */
		return ret == -EINVAL ? -EOPNOTSUPP : ret;
	}
	*ret_event_fd = event_fd;
	return 0;
}

int sb_timeline_create_event_fd(const struct sb_timeline *timeline, uint64_t point,
		enum sb_timeline_event event, int *ret_event_fd) {
	uint32_t flags = 0;
	if (event == SB_TIMELINE_MATERIALISED) {
		flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	} else if (event != SB_TIMELINE_SIGNALLED) {
		return -EINVAL;
	}
	if (point == 0) {
		return -EINVAL;
	}
	int ret = timeline_create_event_fd(timeline, point, flags, ret_event_fd);
	sb_trace_target(SB_TRACE_WATCH,
			&(const struct sb_trace_target){
					.sync_file_fd = -1,
					.dmabuf_fd = -1,
					.timeline = timeline,
					.point = point,
			},
			ret);
	return ret;
}
