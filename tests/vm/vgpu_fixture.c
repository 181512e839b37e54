#include "vgpu_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "kernel_log.h"

int vgpu_fixture_setup(void **state) {
	struct vgpu_fixture *fixture = calloc(1, sizeof(*fixture));
	if (fixture == NULL) {
		return -1;
	}
	*state = fixture;
	fixture->fds_before = fds_count_open();
	fixture->log_fd = kernel_log_open();
	int ret = test_vgpu_init(&fixture->vgpu, "small");
	fixture->device_fd = ret < 0 ? ret : test_vgpu_open(&fixture->vgpu);
	if (fixture->device_fd < 0 || fixture->log_fd < 0) {
		print_error("no test vGPU: %s\n", strerror(-fixture->device_fd));
		return -1;
	}
	return 0;
}

void vgpu_close(struct vgpu_fixture *fixture) {
	if (fixture->device_fd >= 0) {
		close(fixture->device_fd);
		fixture->device_fd = -1;
	}
}

int vgpu_fixture_teardown(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	int faults = kernel_log_count_faults(fixture->log_fd);
	close(fixture->log_fd);
	int fds = fds_count_open(), ret = -EBUSY;
	/* Not tried with files left open: it would block for ever. */
	if (fds == fixture->fds_before) {
		ret = test_vgpu_finish(&fixture->vgpu);
	}
	if (ret != 0 || faults != 0) {
		print_error("removed: %d, faults of the kernel: %d, open files: %d before, %d after\n",
				ret, faults, fixture->fds_before, fds);
	}
	free(fixture);
	return ret == 0 && faults == 0 ? 0 : -1;
}

struct vfio_device_gfx_plane_info vgpu_query(
		struct vgpu_fixture *fixture, uint32_t type, uint32_t plane_type) {
	struct vfio_device_gfx_plane_info info = { 0 };
	assert_int_equal(test_vgpu_query(fixture->device_fd, type, plane_type, &info), 0);
	return info;
}

int vgpu_get_dmabuf(struct vgpu_fixture *fixture, uint32_t id) {
	int fd = test_vgpu_get_dmabuf(fixture->device_fd, id);
	assert_true(fd >= 0);
	assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	return fd;
}

struct vfio_region_info vgpu_get_region(struct vgpu_fixture *fixture, uint32_t index) {
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	return info;
}

int vgpu_count(struct vgpu_fixture *fixture, const char *name) {
	return test_vgpu_count(&fixture->vgpu, name);
}
