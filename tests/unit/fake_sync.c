#include "fake_sync.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
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

int __wrap_sb_dmabuf_export_sync_file(int dmabuf_fd, enum sb_access access, int *ret_sync_file_fd);
int __wrap_sb_dmabuf_import_sync_file(int dmabuf_fd, enum sb_access access, int sync_file_fd);
int __wrap_sb_dmabuf_begin_cpu_access(int dmabuf_fd, enum sb_access access);
int __wrap_sb_dmabuf_end_cpu_access(int dmabuf_fd, enum sb_access access);

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

int __wrap_sb_dmabuf_export_sync_file(int dmabuf_fd, enum sb_access access, int *ret_sync_file_fd) {
	fake_sync.exports++;
	fake_sync.export_dmabuf_fd = dmabuf_fd;
	fake_sync.export_access = access;
	if (fake_sync.export_error != 0) {
		return fake_sync.export_error;
	}
	int fd = fake_sync.fence != NULL ? fcntl(fake_sync.fence->sync_file_fd, F_DUPFD_CLOEXEC, 0)
					 : eventfd(1, EFD_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	*ret_sync_file_fd = fd;
	run_out_of_fds(&fake_sync.export_leaves_no_fds);
	return 0;
}

int __wrap_sb_dmabuf_import_sync_file(int dmabuf_fd, enum sb_access access, int sync_file_fd) {
	fake_sync.imports++;
	fake_sync.import_dmabuf_fd = dmabuf_fd;
	fake_sync.import_access = access;
	fake_sync.import_inode = get_inode(sync_file_fd);
	run_out_of_fds(&fake_sync.import_leaves_no_fds);
	return fake_sync.import_error;
}

int __wrap_sb_dmabuf_begin_cpu_access(int dmabuf_fd, enum sb_access access) {
	assert_true(dmabuf_fd >= 0);
	fake_sync.begins++;
	fake_sync.begin_access = access;
	if (fake_sync.begin_waits_for_signal) {
		assert_int_equal(poll(NULL, 0, 120000), -1);
		assert_int_equal(errno, EINTR);
	}
	return fake_sync.begin_error;
}

int __wrap_sb_dmabuf_end_cpu_access(int dmabuf_fd, enum sb_access access) {
	assert_true(dmabuf_fd >= 0);
	fake_sync.ends++;
	fake_sync.end_access = access;
	return 0;
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
