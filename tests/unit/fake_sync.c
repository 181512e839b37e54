#include "fake_sync.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "guest/buffer.h"
#include "shortage.h"

struct fake_sync fake_sync;

int __real_sb_sys_ioctl(int fd, unsigned long request, void *arg);
int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg);

static ino_t get_inode(int fd) {
	struct stat stat;
	assert_int_equal(fstat(fd, &stat), 0);
	return stat.st_ino;
}

static void run_out_of_fds(bool *when) {
	if (*when) {
		*when = false;
		shortage_of_fds_begin();
	}
}

static enum sb_access get_access(uint64_t flags) {
	return flags & DMA_BUF_SYNC_WRITE ? SB_ACCESS_WRITE : SB_ACCESS_READ;
}

static int export_sync_file(int dmabuf_fd, struct dma_buf_export_sync_file *data) {
	fake_sync.exports++;
	fake_sync.export_dmabuf_fd = dmabuf_fd;
	fake_sync.export_access = get_access(data->flags);
	if (fake_sync.export_error != 0) {
		return fake_sync.export_error;
	}
	int fd = fake_sync.fence != NULL ? fcntl(fake_sync.fence->sync_file_fd, F_DUPFD_CLOEXEC, 0)
					 : eventfd(1, EFD_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	data->fd = fd;
	run_out_of_fds(&fake_sync.export_leaves_no_fds);
	return 0;
}

static int import_sync_file(int dmabuf_fd, const struct dma_buf_import_sync_file *data) {
	fake_sync.imports++;
	fake_sync.import_dmabuf_fd = dmabuf_fd;
	fake_sync.import_access = get_access(data->flags);
	fake_sync.import_inode = get_inode(data->fd);
	run_out_of_fds(&fake_sync.import_leaves_no_fds);
	return fake_sync.import_error;
}

static int sync_cpu(int dmabuf_fd, const struct dma_buf_sync *data) {
	assert_true(dmabuf_fd >= 0);
	if (data->flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK) {
		return -EINVAL;
	}
	if (data->flags & DMA_BUF_SYNC_END) {
		fake_sync.ends++;
		fake_sync.end_access = get_access(data->flags);
		return 0;
	}
	fake_sync.begins++;
	fake_sync.begin_access = get_access(data->flags);
	if (fake_sync.begin_waits_for_signal) {
		assert_int_equal(poll(NULL, 0, 120000), -1);
		assert_int_equal(errno, EINTR);
	}
	return fake_sync.begin_error;
}

int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg) {
	switch (request) {
	case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
		return export_sync_file(fd, arg);
	case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
		return import_sync_file(fd, arg);
	case DMA_BUF_IOCTL_SYNC:
		return sync_cpu(fd, arg);
	default:
		return __real_sb_sys_ioctl(fd, request, arg);
	}
}

void fake_sync_reset(void) {
	fake_sync = (struct fake_sync){ .export_dmabuf_fd = -1, .import_dmabuf_fd = -1 };
}

void fake_fence_init(struct fake_fence *fence) {
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	fence->sync_file_fd = fds[0];
	fence->write_fd = fds[1];
}

void fake_fence_finish(struct fake_fence *fence) {
	sb_fd_clear(&fence->sync_file_fd);
	sb_fd_clear(&fence->write_fd);
}

void fake_fence_signal(struct fake_fence *fence) {
	assert_int_equal(write(fence->write_fd, "", 1), 1);
}

void fake_fence_break(struct fake_fence *fence) {
	sb_fd_clear(&fence->write_fd);
}

bool fake_fence_was_imported(const struct fake_fence *fence) {
	return fake_sync.imports > 0 && get_inode(fence->sync_file_fd) == fake_sync.import_inode;
}

static const struct oriel_guest_buffer_attributes attributes = {
	.width = 64,
	.height = 48,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = 64 * 4,
};

struct oriel_guest_buffer *fake_sync_create_dmabuf(void) {
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(fd >= 0);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_DMABUF, fd);
	assert_non_null(buffer);
	return buffer;
}

struct oriel_guest_buffer *fake_sync_create_shared(void) {
	int fd = memfd_create("fake-guest", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 64 * 48 * 4), 0);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_SHARED, fd);
	assert_non_null(buffer);
	return buffer;
}

void fake_sync_end_writers(struct oriel_guest_buffer *buffer) {
	assert_int_equal(eventfd_write(oriel_guest_buffer_get_dmabuf_fd(buffer), 1), 0);
}
