#ifndef ORIEL_TESTS_TEST_VGPU_H
#define ORIEL_TESTS_TEST_VGPU_H

#include <linux/vfio.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Plays the guest and the hardware of our own vGPU (vgpu/, whose README has the table of what can
 * be steered), through sysfs only: the device's VFIO file is free for who shows the device.
 *
 *	struct test_vgpu vgpu;
 *	assert_int_equal(test_vgpu_init(&vgpu, "small"), 0);
 *	test_vgpu_paint(&vgpu, 0, 640, 480, 640 * 4, seed);
 *	assert_int_equal(test_vgpu_add_buffer(&vgpu, 1, 0, 640 * 480 * 4), 0);
 *	assert_int_equal(test_vgpu_show(&vgpu, 1, 640, 480, 640 * 4), 0);
 *
 * Errors are negative errno values. Nothing here prints. Not thread safe.
 */
struct test_vgpu {
	char uuid[37];
	uint8_t *vram; /* mapped; gone (SIGBUS) as soon as the device's removal begins */
	size_t vram_size_bytes;
};

/* Creates a device of type "small" (16 MiB of video memory) or "large" (64). 0 or -errno. */
int test_vgpu_init(struct test_vgpu *vgpu, const char *type);

/* The same for a device of a given UUID, as of one that was removed before. */
int test_vgpu_init_as(struct test_vgpu *vgpu, const char *type, const char *uuid);

/*
 * Removes the device, if there is one still: blocks until everybody has closed its VFIO file. May
 * be called again, and after an init that failed. 0 or -errno.
 */
int test_vgpu_finish(struct test_vgpu *vgpu);

/*
 * Writes to a file of the device, "vgpu/primary" say, in one write: a set of keys is taken as a
 * whole or not at all. 0 or the -errno of the driver.
 */
int test_vgpu_steer(struct test_vgpu *vgpu, const char *file, const char *format, ...)
		__attribute__((format(printf, 3, 4)));

/* Reads a file of the device, with a NUL behind it. Returns its length or -errno. */
int test_vgpu_read(struct test_vgpu *vgpu, const char *file, char *text, size_t text_size);

/* Reads a counter, "get" for count/get. Returns it or -errno. */
int test_vgpu_count(struct test_vgpu *vgpu, const char *name);

/* Gives the id to a window of the video memory, of size bytes from offset (whole pages) on. */
int test_vgpu_add_buffer(
		struct test_vgpu *vgpu, uint32_t id, uint64_t offset_bytes, uint64_t size_bytes);

/* Puts a buffer on the primary plane, which is switched on, as XRGB8888. */
int test_vgpu_show(struct test_vgpu *vgpu, uint32_t id, int width, int height, int stride_bytes);

/*
 * Paints the test picture (vgpu_picture_pixel()) into the video memory, with the padding at the end
 * of each row in another colour than any pixel of it. The alpha byte is 0xff.
 */
void test_vgpu_paint(struct test_vgpu *vgpu, size_t offset_bytes, int width, int height,
		int stride_bytes, uint32_t seed);

/*
 * Opens the device's VFIO file and binds it to a fresh iommufd, which the file then holds. Returns
 * an fd, CLOEXEC and the caller's, or -errno; -EINVAL if somebody has bound it.
 */
int test_vgpu_open(struct test_vgpu *vgpu);

/* What is asked of the device by who shows it, without a second try. */

/*
 * VFIO_DEVICE_QUERY_GFX_PLANE with these flags (VFIO_GFX_PLANE_TYPE_*) and this plane (enum
 * drm_plane_type: 1 is the primary one, 2 the cursor's). 0 or -errno.
 */
int test_vgpu_query(int device_fd, uint32_t flags, uint32_t plane_type,
		struct vfio_device_gfx_plane_info *ret_info);

/* VFIO_DEVICE_GET_GFX_DMABUF. Returns an fd, the caller's, or -errno. */
int test_vgpu_get_dmabuf(int device_fd, uint32_t id);

#endif
