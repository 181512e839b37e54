#include <syncbridge/buffer.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <syncbridge/sync_file.h>

#include "fd.h"
#include "fence_internal.h"
#include "syscall.h"
#include "trace.h"

/*
 * Before Linux 5.3 all dma-bufs share one inode with each other, and with other files. That one has
 * no size, which a dma-buf's own has.
 */
static bool buffer_is_same_file(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size > 0;
}

int sb_buffer_init(struct sb_buffer *ret_buffer, const int *plane_fds, size_t plane_count) {
	if (plane_count == 0 || plane_count > SB_PLANES_MAX) {
		return -EINVAL;
	}
	struct sb_buffer buffer = { .dmabuf_count = 0 };
	struct stat stats[SB_PLANES_MAX];
	for (size_t i = 0; i < plane_count; i++) {
		struct stat *plane_stat = &stats[buffer.dmabuf_count];
		int ret = sb_sys_fstat(plane_fds[i], plane_stat);
		if (ret < 0) {
			return ret;
		}
		uint32_t known = 0;
		while (known < buffer.dmabuf_count && plane_fds[i] != buffer.dmabuf_fds[known] &&
				!buffer_is_same_file(plane_stat, &stats[known])) {
			known++;
		}
		if (known == buffer.dmabuf_count) {
			buffer.dmabuf_fds[buffer.dmabuf_count++] = plane_fds[i];
		}
	}
	*ret_buffer = buffer;
	return 0;
}

/*
 * Where there is no snapshot, -ENOTTY. That may be for an old kernel or for an fd that is no
 * dma-buf, and poll() reports many of those as ready at any time. DMA_BUF_IOCTL_SYNC (Linux 4.6)
 * tells them apart: flags that it does not know are -EINVAL to a dma-buf; to others the whole ioctl
 * is -ENOTTY, as the one before was. (Some devices have -EINVAL for any ioctl; they gave it before.)
 */
static int buffer_check_dmabuf(int fd) {
	struct dma_buf_sync data = { .flags = ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK };
	int ret = sb_sys_ioctl_restart(fd, DMA_BUF_IOCTL_SYNC, &data);
	if (ret == -EINVAL) {
		return 0;
	}
	return ret < 0 ? ret : -ENOTTY;
}

static int buffer_export_idle(
		const struct sb_buffer *buffer, enum sb_access access, struct sb_fence *ret_fence) {
	struct sb_fence fence = { .type = SB_FENCE_IDLE, .access = access };
	for (uint32_t i = 0; i < buffer->dmabuf_count; i++) {
		int ret = buffer_check_dmabuf(buffer->dmabuf_fds[i]);
		if (ret == 0) {
			ret = sb_sys_dup(buffer->dmabuf_fds[i]);
		}
		sb_trace_idle(buffer->dmabuf_fds[i], access, ret < 0 ? ret : 0);
		if (ret < 0) {
			sb_fence_clear(&fence);
			return ret;
		}
		fence.fds[fence.dmabuf_count++] = ret;
	}
	*ret_fence = fence;
	return 0;
}

static int buffer_export_merged(
		const struct sb_buffer *buffer, enum sb_access access, int *ret_sync_file_fd) {
	int merged_fd = -1;
	int ret = -EINVAL;
	for (uint32_t i = 0; i < buffer->dmabuf_count; i++) {
		int fd;
		ret = sb_dmabuf_export_sync_file(buffer->dmabuf_fds[i], access, &fd);
		if (ret == 0) {
			ret = sb_sync_file_accumulate(&merged_fd, fd);
		}
		if (ret < 0) {
			sb_fd_clear(&merged_fd);
			return ret;
		}
	}
	*ret_sync_file_fd = merged_fd;
	return ret;
}

int sb_buffer_export_fence(
		const struct sb_buffer *buffer, enum sb_access access, struct sb_fence *ret_fence) {
	int sync_file_fd;
	/* Most buffers, each frame: the one ioctl and nothing else. */
	int ret = buffer->dmabuf_count == 1
			? sb_dmabuf_export_sync_file(buffer->dmabuf_fds[0], access, &sync_file_fd)
			: buffer_export_merged(buffer, access, &sync_file_fd);
	if (ret == -ENOTTY) {
		return buffer_export_idle(buffer, access, ret_fence);
	}
	if (ret < 0) {
		return ret;
	}
	*ret_fence = sb_fence_of_sync_file(sync_file_fd);
	return 0;
}

static int buffer_import_sync_file(
		const struct sb_buffer *buffer, enum sb_access access, int sync_file_fd) {
	if (buffer->dmabuf_count == 1) {
		return sb_dmabuf_import_sync_file(buffer->dmabuf_fds[0], access, sync_file_fd);
	}
	int ret = -EINVAL;
	for (uint32_t i = 0; i < buffer->dmabuf_count; i++) {
		ret = sb_dmabuf_import_sync_file(buffer->dmabuf_fds[i], access, sync_file_fd);
		if (ret < 0) {
			break;
		}
	}
	return ret;
}

static int buffer_import_point(const struct sb_buffer *buffer, enum sb_access access,
		const struct sb_fence *fence) {
	int sync_file_fd;
	int ret = sb_fence_export_sync_file(fence, &sync_file_fd);
	if (ret == 0) {
		ret = buffer_import_sync_file(buffer, access, sync_file_fd);
		sb_fd_clear(&sync_file_fd);
	}
	return ret;
}

int sb_buffer_import_fence(const struct sb_buffer *buffer, enum sb_access access,
		const struct sb_fence *fence) {
	switch (fence->type) {
	case SB_FENCE_NONE:
		return 0;
	case SB_FENCE_SYNC_FILE:
		return buffer_import_sync_file(buffer, access, fence->fds[0]);
	case SB_FENCE_POINT:
		return buffer_import_point(buffer, access, fence);
	case SB_FENCE_IDLE:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}
