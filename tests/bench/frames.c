#include "frames.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fd.h"
#include "sw_sync.h"

#define DMABUF_SIZE_BYTES (1 << 16)

/* the bare system calls */

static int bare_export(int dmabuf_fd) {
	struct dma_buf_export_sync_file data = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	return ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data) != 0 ? -errno : data.fd;
}

static int bare_import(int dmabuf_fd, int sync_file_fd) {
	struct dma_buf_import_sync_file data = { .flags = DMA_BUF_SYNC_READ, .fd = sync_file_fd };
	return ioctl(dmabuf_fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data) != 0 ? -errno : 0;
}

static int bare_merge(int a_fd, int b_fd) {
	struct sync_merge_data data = { .name = "frame", .fd2 = b_fd, .fence = -1 };
	return ioctl(a_fd, SYNC_IOC_MERGE, &data) != 0 ? -errno : data.fence;
}

static int bare_acquire_release(struct frames *frames) {
	int acquire_fd = bare_export(frames->dmabuf_fds[0]);
	if (acquire_fd < 0) {
		return acquire_fd;
	}
	int ret = bare_import(frames->dmabuf_fds[0], frames->release_fd);
	close(acquire_fd);
	return ret;
}

static int bare_acquire_release_keep(struct frames *frames) {
	int acquire_fd = bare_export(frames->dmabuf_fds[0]);
	if (acquire_fd < 0) {
		return acquire_fd;
	}
	frames->kept_fds[frames->kept_count++] = acquire_fd;
	return bare_import(frames->dmabuf_fds[0], frames->release_fd);
}

static int bare_acquire_test_release(struct frames *frames) {
	int acquire_fd = bare_export(frames->dmabuf_fds[0]);
	if (acquire_fd < 0) {
		return acquire_fd;
	}
	struct pollfd pollfd = { .fd = acquire_fd, .events = POLLIN };
	int ret = poll(&pollfd, 1, 0) < 0 ? -errno : 0;
	if (ret == 0) {
		ret = bare_import(frames->dmabuf_fds[0], frames->release_fd);
	}
	close(acquire_fd);
	return ret;
}

static int bare_collect_one(struct frames *frames) {
	int acquire_fd = bare_export(frames->dmabuf_fds[0]);
	if (acquire_fd < 0) {
		return acquire_fd;
	}
	close(acquire_fd);
	return 0;
}

static int bare_collect_three(struct frames *frames) {
	int acquire_fd = bare_export(frames->dmabuf_fds[0]);
	for (int i = 1; i < FRAMES_BUFFERS && acquire_fd >= 0; i++) {
		int fd = bare_export(frames->dmabuf_fds[i]);
		int merged_fd = fd < 0 ? fd : bare_merge(acquire_fd, fd);
		if (fd >= 0) {
			close(fd);
		}
		close(acquire_fd);
		acquire_fd = merged_fd;
	}
	if (acquire_fd < 0) {
		return acquire_fd;
	}
	close(acquire_fd);
	return 0;
}

static int bare_point_of_sync_file(struct frames *frames) {
	struct drm_syncobj_create create = { 0 };
	if (ioctl(frames->drm_fd, DRM_IOCTL_SYNCOBJ_CREATE, &create) != 0) {
		return -errno;
	}
	int ret = 0;
	struct drm_syncobj_handle import = {
		.handle = create.handle,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = frames->signalled_fd,
	};
	struct drm_syncobj_transfer transfer = {
		.src_handle = create.handle,
		.dst_handle = frames->growing_handle,
		.dst_point = ++frames->point,
	};
	if (ioctl(frames->drm_fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &import) != 0 ||
			ioctl(frames->drm_fd, DRM_IOCTL_SYNCOBJ_TRANSFER, &transfer) != 0) {
		ret = -errno;
	}
	struct drm_syncobj_destroy destroy = { .handle = create.handle };
	ioctl(frames->drm_fd, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy);
	return ret;
}

static int bare_sync_file_of_point(struct frames *frames) {
	struct drm_syncobj_handle data = {
		.handle = frames->pending_handle,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE |
				DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE,
		.fd = -1,
		.point = 1,
	};
	if (ioctl(frames->drm_fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &data) != 0) {
		return -errno;
	}
	close(data.fd);
	return 0;
}

/* the library */

static int library_acquire_release(struct frames *frames) {
	struct sb_fence acquire;
	int ret = sb_buffer_export_fence(&frames->buffers[0], SB_ACCESS_READ, &acquire);
	if (ret < 0) {
		return ret;
	}
	ret = sb_buffer_import_fence(&frames->buffers[0], SB_ACCESS_READ, &frames->release);
	sb_fence_clear(&acquire);
	return ret;
}

static int library_acquire_release_keep(struct frames *frames) {
	int ret = sb_buffer_export_fence(&frames->buffers[0], SB_ACCESS_READ,
			&frames->kept_fences[frames->kept_count]);
	if (ret < 0) {
		return ret;
	}
	frames->kept_count++;
	return sb_buffer_import_fence(&frames->buffers[0], SB_ACCESS_READ, &frames->release);
}

static int library_acquire_test_release(struct frames *frames) {
	struct sb_fence acquire;
	int ret = sb_buffer_export_fence(&frames->buffers[0], SB_ACCESS_READ, &acquire);
	if (ret < 0) {
		return ret;
	}
	ret = sb_fence_wait(&acquire, 0);
	if (ret == 0 || ret == -ETIME) {
		ret = sb_buffer_import_fence(&frames->buffers[0], SB_ACCESS_READ, &frames->release);
	}
	sb_fence_clear(&acquire);
	return ret;
}

static int library_collect(struct frames *frames, int count) {
	/* A set that was broken by one says so in the end. */
	for (int i = 0; i < count; i++) {
		sb_fence_set_add_buffer(frames->set, &frames->buffers[i], SB_ACCESS_READ);
	}
	struct sb_fence acquire;
	int ret = sb_fence_set_collapse(frames->set, "frame", &acquire);
	if (ret < 0) {
		return ret;
	}
	sb_fence_clear(&acquire);
	return 0;
}

static int library_collect_one(struct frames *frames) {
	return library_collect(frames, 1);
}

static int library_collect_three(struct frames *frames) {
	return library_collect(frames, FRAMES_BUFFERS);
}

static int library_point_of_sync_file(struct frames *frames) {
	return sb_timeline_import_sync_file(frames->growing, ++frames->point, frames->signalled_fd);
}

static int library_sync_file_of_point(struct frames *frames) {
	int fd;
	int ret = sb_timeline_export_sync_file(frames->pending, 1, &fd);
	if (ret < 0) {
		return ret;
	}
	close(fd);
	return 0;
}

/* the kinds of frame */

const struct frame_kind frame_kinds[FRAME_KINDS] = {
	{
			.name = "acquire_and_release",
			.bare = bare_acquire_release,
			.library = library_acquire_release,
			.user_limit = 3,
			.all_limit = 1.1,
	},
	{
			.name = "acquire_and_release_with_writer_pending",
			.bare = bare_acquire_release,
			.library = library_acquire_release,
			.user_limit = 3,
			.all_limit = 1.1,
			.with_writers = true,
	},
	{
			.name = "acquire_and_release_without_close",
			.bare = bare_acquire_release_keep,
			.library = library_acquire_release_keep,
			.user_limit = 3,
			.all_limit = 1.1,
			.with_writers = true,
	},
	{
			.name = "acquire_test_and_release",
			.bare = bare_acquire_test_release,
			.library = library_acquire_test_release,
			.user_limit = 3.25,
			.all_limit = 1.15,
			.with_writers = true,
	},
	{
			.name = "collect_one_buffer",
			.bare = bare_collect_one,
			.library = library_collect_one,
			.user_limit = 8,
			.all_limit = 1.5,
			.with_writers = true,
	},
	{
			.name = "collect_three_buffers",
			.bare = bare_collect_three,
			.library = library_collect_three,
			.user_limit = 5.5,
			.all_limit = 1.4,
			.with_writers = true,
	},
	{
			.name = "collect_three_buffers_without_writers",
			.bare = bare_collect_three,
			.library = library_collect_three,
			.user_limit = 4,
			.all_limit = 1,
	},
	{
			.name = "make_point_of_sync_file",
			.bare = bare_point_of_sync_file,
			.library = library_point_of_sync_file,
			.user_limit = 1.75,
			.all_limit = 1.1,
	},
	{
			.name = "make_sync_file_of_point",
			.bare = bare_sync_file_of_point,
			.library = library_sync_file_of_point,
			.user_limit = 2,
			.all_limit = 1.1,
	},
};

/* what they need */

static int dmabuf_create(void) {
	int memfd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, DMABUF_SIZE_BYTES), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	int device_fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	assert_true(device_fd >= 0);
	struct udmabuf_create create = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = DMABUF_SIZE_BYTES,
	};
	int dmabuf_fd = ioctl(device_fd, UDMABUF_CREATE, &create);
	assert_true(dmabuf_fd >= 0);
	close(device_fd);
	close(memfd);
	return dmabuf_fd;
}

/* A node of the first device that has timelines: the virtio-gpu. */
static int drm_open(void) {
	for (int minor = 0; minor < 16; minor++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", 128 + minor);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			continue;
		}
		struct drm_get_cap cap = { .capability = DRM_CAP_SYNCOBJ_TIMELINE };
		if (ioctl(fd, DRM_IOCTL_GET_CAP, &cap) == 0 && cap.value == 1) {
			return fd;
		}
		close(fd);
	}
	fail_msg("no device with timelines");
	return -1;
}

/* The program's own handle of a timeline. */
static uint32_t syncobj_open(int drm_fd, const struct sb_timeline *timeline) {
	struct drm_syncobj_handle data = { 0 };
	assert_int_equal(sb_timeline_export(timeline, &data.fd), 0);
	assert_int_equal(ioctl(drm_fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &data), 0);
	close(data.fd);
	return data.handle;
}

static void frames_init_timelines(struct frames *frames) {
	frames->drm_fd = drm_open();
	assert_int_equal(sb_timeline_create(frames->drm_fd, "pending", &frames->pending), 0);
	assert_int_equal(sb_timeline_import_sync_file(frames->pending, 1, frames->release_fd), 0);
	frames->pending_handle = syncobj_open(frames->drm_fd, frames->pending);
	assert_int_equal(sb_timeline_create(frames->drm_fd, "growing", &frames->growing), 0);
	frames->growing_handle = syncobj_open(frames->drm_fd, frames->growing);
}

void frames_init(struct frames *frames, bool with_writers) {
	*frames = (struct frames){ 0 };
	frames->release_timeline_fd = sw_timeline_create();
	assert_true(frames->release_timeline_fd >= 0);
	frames->release_fd = sw_timeline_create_fence(frames->release_timeline_fd, 1);
	assert_true(frames->release_fd >= 0);
	frames->signalled_fd = sw_timeline_create_fence(frames->release_timeline_fd, 0);
	assert_true(frames->signalled_fd >= 0);
	assert_int_equal(sb_fence_from_sync_file(sb_fd_dup(frames->release_fd), &frames->release), 0);

	for (int i = 0; i < FRAMES_BUFFERS; i++) {
		frames->dmabuf_fds[i] = dmabuf_create();
		assert_int_equal(sb_buffer_init(&frames->buffers[i], &frames->dmabuf_fds[i], 1), 0);
		frames->writer_fds[i] = sw_timeline_create();
		assert_true(frames->writer_fds[i] >= 0);
		if (!with_writers) {
			continue;
		}
		int fence_fd = sw_timeline_create_fence(frames->writer_fds[i], 1);
		assert_true(fence_fd >= 0);
		assert_int_equal(dmabuf_import_write(frames->dmabuf_fds[i], fence_fd), 0);
		close(fence_fd);
	}
	frames_init_timelines(frames);
	assert_int_equal(sb_fence_set_create(&frames->set), 0);
}

void frames_drop_kept(struct frames *frames) {
	for (unsigned int i = 0; i < frames->kept_count; i++) {
		if (frames->kept_fences[i].type != SB_FENCE_NONE) {
			sb_fence_clear(&frames->kept_fences[i]);
		} else {
			close(frames->kept_fds[i]);
		}
	}
	frames->kept_count = 0;
}

void frames_finish(struct frames *frames) {
	frames_drop_kept(frames);
	sb_fence_set_destroy(frames->set);
	sb_timeline_unref(frames->growing);
	sb_timeline_unref(frames->pending);
	close(frames->drm_fd); /* with the handles */
	for (int i = 0; i < FRAMES_BUFFERS; i++) {
		close(frames->writer_fds[i]);
		close(frames->dmabuf_fds[i]);
	}
	sb_fence_clear(&frames->release);
	close(frames->signalled_fd);
	close(frames->release_fd);
	close(frames->release_timeline_fd);
}
