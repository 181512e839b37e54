#ifndef ORIEL_TESTS_VGPU_FIXTURE_H
#define ORIEL_TESTS_VGPU_FIXTURE_H

#include <linux/vfio.h>
#include <stdint.h>

#include "test_vgpu.h"

/*
 * For the tests of the test vGPU (vgpu/) itself: a device, its VFIO file, and a look at the kernel's
 * log. What fails here fails the test.
 */
struct vgpu_fixture {
	struct test_vgpu vgpu;
	int device_fd; /* -1 while it is closed */
	int log_fd;
	int fds_before;
};

/* enum drm_plane_type, which is not in the uapi headers */
#define VGPU_PRIMARY 1
#define VGPU_CURSOR 2

#define VGPU_REGION_EDID VFIO_PCI_NUM_REGIONS
#define VGPU_REGION_DISPLAY (VFIO_PCI_NUM_REGIONS + 1)

#define VGPU_MIB (1u << 20)
#define VGPU_PAGE 4096u

/* cmocka's. The second fails if a file is left open or the kernel complained. */
int vgpu_fixture_setup(void **state);
int vgpu_fixture_teardown(void **state);

#define VGPU_TEST(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, vgpu_fixture_setup, vgpu_fixture_teardown)

void vgpu_close(struct vgpu_fixture *fixture);

/* VFIO_DEVICE_QUERY_GFX_PLANE, which succeeds. */
struct vfio_device_gfx_plane_info vgpu_query(
		struct vgpu_fixture *fixture, uint32_t type, uint32_t plane_type);

/* VFIO_DEVICE_GET_GFX_DMABUF, which succeeds. The fd is the caller's, and CLOEXEC. */
int vgpu_get_dmabuf(struct vgpu_fixture *fixture, uint32_t id);

/* VFIO_DEVICE_GET_REGION_INFO, which succeeds. */
struct vfio_region_info vgpu_get_region(struct vgpu_fixture *fixture, uint32_t index);

/* A counter. */
int vgpu_count(struct vgpu_fixture *fixture, const char *name);

/* test_vgpu_steer(), and that it succeeds. */
#define vgpu_try_steer(fixture, ...) test_vgpu_steer(&(fixture)->vgpu, __VA_ARGS__)
#define vgpu_steer(fixture, ...) assert_int_equal(vgpu_try_steer(fixture, __VA_ARGS__), 0)

#endif
