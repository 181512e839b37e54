/*
 * The test vGPU (vgpu/) by itself: its video memory, and who sees it by which way. The device and its
 * planes are in vm_vgpu.
 */
#include <drm/drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "kms.h"
#include "vgpu_fixture.h"
#include "vgpu_guest.h"

#define PRIMARY VGPU_PRIMARY
#define DMABUF VFIO_GFX_PLANE_TYPE_DMABUF
#define REGION VFIO_GFX_PLANE_TYPE_REGION

/* Buffers */

/* What a mapping of offset in a file has is what is in VRAM. */
static void assert_maps_vram(struct vgpu_fixture *fixture, int fd, off_t offset, size_t size,
		size_t vram_offset) {
	uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	assert_ptr_not_equal(data, MAP_FAILED);
	assert_memory_equal(data, fixture->vgpu.vram + vram_offset, size);
	data[size - 1] ^= 0x55;
	assert_int_equal(fixture->vgpu.vram[vram_offset + size - 1], data[size - 1]);
	munmap(data, size);
}

static void vram_is_the_same_through_every_door(void **state) {
	struct vgpu_fixture *fixture = *state;
	const int width = 100, height = 70, stride = 448;
	const size_t offset = 3 * VGPU_PAGE, size = 8 * VGPU_PAGE; /* a little more than it takes */
	test_vgpu_paint(&fixture->vgpu, offset, width, height, stride, 5);
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, offset, size), 0);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, width, height, stride), 0);

	int dmabuf_fd = vgpu_get_dmabuf(fixture, vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id);
	assert_int_equal(lseek(dmabuf_fd, 0, SEEK_END), size);
	uint32_t *data = mmap(NULL, size, PROT_READ, MAP_SHARED, dmabuf_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			uint32_t pixel = vgpu_picture_pixel(x, y, width, height, 5);
			assert_int_equal(data[y * stride / 4 + x], 0xff000000 | pixel);
		}
	}
	munmap(data, size);
	assert_maps_vram(fixture, dmabuf_fd, VGPU_PAGE, 2 * VGPU_PAGE, offset + VGPU_PAGE);
	close(dmabuf_fd);

	off_t bar = (off_t)vgpu_get_region(fixture, VFIO_PCI_BAR0_REGION_INDEX).offset;
	assert_maps_vram(fixture, fixture->device_fd, bar, 16 * VGPU_MIB, 0);
	assert_maps_vram(fixture, fixture->device_fd, bar + 2 * VGPU_PAGE, 4 * VGPU_PAGE,
			2 * VGPU_PAGE);
	uint8_t bytes[64], more[64];
	assert_int_equal(pread(fixture->device_fd, bytes, 64, bar + (off_t)offset + 17), 64);
	assert_memory_equal(bytes, fixture->vgpu.vram + offset + 17, 64);
	bytes[5] ^= 0xff;
	assert_int_equal(pwrite(fixture->device_fd, bytes, 64, bar + 16 * VGPU_MIB - 32), 32);
	assert_memory_equal(bytes, fixture->vgpu.vram + 16 * VGPU_MIB - 32, 32);
	assert_int_equal(pwrite(fixture->device_fd, bytes, 1, bar + 16 * VGPU_MIB), -1);
	assert_int_equal(errno, EINVAL);

	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/vgpu/vram", fixture->vgpu.uuid);
	int vram_fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(vram_fd >= 0);
	assert_int_equal(lseek(vram_fd, 0, SEEK_END), 16 * VGPU_MIB);
	assert_int_equal(pread(vram_fd, more, 64, 16 * VGPU_MIB - 32), 32);
	assert_memory_equal(more, bytes, 32);
	assert_int_equal(pwrite(vram_fd, more, 64, 16 * VGPU_MIB - 16), 16);
	assert_memory_equal(more, fixture->vgpu.vram + 16 * VGPU_MIB - 16, 16);
	assert_int_equal(pwrite(vram_fd, more, 1, 16 * VGPU_MIB), -1);
	assert_int_equal(errno, EFBIG);
	close(vram_fd);
}

/* The errno of a mapping, which is undone where there is none: it would keep the device. */
static int map_error(int fd, off_t offset, size_t size, int flags) {
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset);
	if (data == MAP_FAILED) {
		return errno;
	}
	munmap(data, size);
	return 0;
}

static void mapping_beyond_the_end_is_refused(void **state) {
	struct vgpu_fixture *fixture = *state;
	off_t bar = (off_t)vgpu_get_region(fixture, VFIO_PCI_BAR0_REGION_INDEX).offset;
	off_t config = (off_t)vgpu_get_region(fixture, VFIO_PCI_CONFIG_REGION_INDEX).offset;
	const int fd = fixture->device_fd;
	assert_int_equal(map_error(fd, bar, 16 * VGPU_MIB + VGPU_PAGE, MAP_SHARED), EINVAL);
	assert_int_equal(map_error(fd, bar + VGPU_PAGE, 16 * VGPU_MIB, MAP_SHARED), EINVAL);
	assert_int_equal(map_error(fd, bar + 16 * VGPU_MIB, VGPU_PAGE, MAP_SHARED), EINVAL);
	assert_int_equal(map_error(fd, bar, VGPU_PAGE, MAP_PRIVATE), EINVAL);
	assert_int_equal(map_error(fd, config, VGPU_PAGE, MAP_SHARED), EINVAL);

	/* one byte more than a page */
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 15 * VGPU_MIB, VGPU_PAGE + 1), 0);
	int dmabuf_fd = vgpu_get_dmabuf(fixture, 1);
	assert_int_equal(lseek(dmabuf_fd, 0, SEEK_END), VGPU_PAGE + 1);
	assert_maps_vram(fixture, dmabuf_fd, 0, VGPU_PAGE, 15 * VGPU_MIB);
	assert_int_equal(map_error(dmabuf_fd, 0, 2 * VGPU_PAGE, MAP_SHARED), EINVAL);
	assert_int_equal(map_error(dmabuf_fd, 0, VGPU_PAGE, MAP_PRIVATE), EINVAL);
	close(dmabuf_fd);

	vgpu_steer(fixture, "vgpu/buffers", "id=1 size=%u mmap=0", VGPU_PAGE);
	dmabuf_fd = vgpu_get_dmabuf(fixture, 1);
	assert_int_equal(map_error(dmabuf_fd, 0, VGPU_PAGE, MAP_SHARED), ENODEV);
	close(dmabuf_fd);
}

static void buffer_outside_vram_is_refused(void **state) {
	struct vgpu_fixture *fixture = *state;
	static const struct {
		uint64_t offset, size;
		int ret;
	} cases[] = {
		{ 0, 0, -EINVAL },
		{ 0, 1, 0 },
		{ 0, 16 * VGPU_MIB - 1, 0 },
		{ 0, 16 * VGPU_MIB, 0 },
		{ 0, 16 * VGPU_MIB + 1, -EINVAL },
		{ 0, UINT64_MAX, -EINVAL },
		{ VGPU_PAGE, 16 * VGPU_MIB - VGPU_PAGE, 0 },
		{ VGPU_PAGE, 16 * VGPU_MIB - VGPU_PAGE + 1, -EINVAL },
		{ VGPU_PAGE - 1, 1, -EINVAL },
		{ VGPU_PAGE + 1, 1, -EINVAL },
		{ 16 * VGPU_MIB - VGPU_PAGE, VGPU_PAGE, 0 },
		{ 16 * VGPU_MIB, 1, -EINVAL },
		{ UINT64_MAX - VGPU_PAGE + 1, VGPU_PAGE, -EINVAL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = test_vgpu_add_buffer(&fixture->vgpu, 1, cases[i].offset, cases[i].size);
		assert_int_equal(ret, cases[i].ret);
	}
}

static void dmabuf_may_be_smaller_than_its_plane(void **state) {
	struct vgpu_fixture *fixture = *state;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, 640 * 479 * 4), 0);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, 640, 480, 640 * 4), 0);
	struct vfio_device_gfx_plane_info info = vgpu_query(fixture, DMABUF, PRIMARY);
	assert_int_equal(info.size, 640 * 480 * 4);
	int dmabuf_fd = vgpu_get_dmabuf(fixture, info.dmabuf_id);
	assert_int_equal(lseek(dmabuf_fd, 0, SEEK_END), 640 * 479 * 4);
	close(dmabuf_fd);
}

static ino_t inode_of(int fd) {
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void every_get_is_a_dmabuf_of_its_own(void **state) {
	struct vgpu_fixture *fixture = *state;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, VGPU_PAGE), 0);
	int first_fd = vgpu_get_dmabuf(fixture, 1), second_fd = vgpu_get_dmabuf(fixture, 1);
	assert_int_not_equal(inode_of(first_fd), inode_of(second_fd));
	assert_int_equal(vgpu_count(fixture, "get"), 2);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 2);
	close(first_fd);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 1);
	assert_maps_vram(fixture, second_fd, 0, VGPU_PAGE, 0);
	/* A mapping holds the dma-buf. */
	void *data = mmap(NULL, VGPU_PAGE, PROT_READ, MAP_SHARED, second_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	close(second_fd);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 1);
	munmap(data, VGPU_PAGE);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 0);
}

static void expired_id_fails_and_comes_back(void **state) {
	struct vgpu_fixture *fixture = *state;
	fixture->vgpu.vram[0] = 1;
	fixture->vgpu.vram[VGPU_PAGE] = 2;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, VGPU_PAGE), 0);
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 2, VGPU_PAGE, VGPU_PAGE), 0);
	int old_fd = vgpu_get_dmabuf(fixture, 1);
	vgpu_steer(fixture, "vgpu/expire", "1");
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/expire", "1"), -ENOENT);
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, 1), -EINVAL);
	close(vgpu_get_dmabuf(fixture, 2));

	/* The id is another buffer's now; the old one is what it was. */
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, VGPU_PAGE, VGPU_PAGE), 0);
	int new_fd = vgpu_get_dmabuf(fixture, 1);
	assert_maps_vram(fixture, old_fd, 0, VGPU_PAGE, 0);
	assert_maps_vram(fixture, new_fd, 0, VGPU_PAGE, VGPU_PAGE);
	/* and one that has an id is replaced */
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, 2 * VGPU_PAGE), 0);
	int third_fd = vgpu_get_dmabuf(fixture, 1);
	assert_int_equal(lseek(third_fd, 0, SEEK_END), 2 * VGPU_PAGE);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 3);
	vgpu_steer(fixture, "vgpu/expire", "all");
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, 1), -EINVAL);
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, 2), -EINVAL);
	close(old_fd);
	close(new_fd);
	close(third_fd);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 0);
}

static int open_card(const char *driver) {
	char path[KMS_NAME_SIZE];
	kms_find_card(driver, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Those that want its pages. (virtio-gpu takes foreign memory from a host with blobs only.) */
static void dmabuf_is_imported_by_drm_drivers(void **state) {
	struct vgpu_fixture *fixture = *state;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, VGPU_PAGE, 640 * 480 * 4), 0);
	static const char *const drivers[] = { "vgem", "vkms" };
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		int dmabuf_fd = vgpu_get_dmabuf(fixture, 1);
		int card_fd = open_card(drivers[i]);
		uint32_t handle = 0;
		assert_int_equal(drmPrimeFDToHandle(card_fd, dmabuf_fd, &handle), 0);
		close(dmabuf_fd);
		assert_int_equal(vgpu_count(fixture, "dmabufs"), 1);
		assert_int_equal(drmCloseBufferHandle(card_fd, handle), 0);
		close(card_fd);
	}
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 0);
}

/* vkms reads what it shows with the CPU, so it wants a mapping in the kernel (vmap). */
static void dmabuf_is_scanned_out_by_vkms(void **state) {
	struct vgpu_fixture *fixture = *state;
	int card_fd = open_card("vkms");
	drmModeRes *resources = drmModeGetResources(card_fd);
	assert_non_null(resources);
	assert_true(resources->count_connectors > 0 && resources->count_crtcs > 0);
	drmModeConnector *connector = drmModeGetConnector(card_fd, resources->connectors[0]);
	assert_non_null(connector);
	assert_true(connector->count_modes > 0);
	drmModeModeInfo *mode = &connector->modes[0];
	const uint32_t pitch = mode->hdisplay * 4u, size = pitch * mode->vdisplay;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, size), 0);
	int dmabuf_fd = vgpu_get_dmabuf(fixture, 1);

	uint32_t handle, fb;
	assert_int_equal(drmPrimeFDToHandle(card_fd, dmabuf_fd, &handle), 0);
	const uint32_t handles[4] = { handle }, pitches[4] = { pitch }, offsets[4] = { 0 };
	assert_int_equal(drmModeAddFB2(card_fd, mode->hdisplay, mode->vdisplay, DRM_FORMAT_XRGB8888,
					 handles, pitches, offsets, &fb, 0),
			0);
	assert_int_equal(drmModeSetCrtc(card_fd, resources->crtcs[0], fb, 0, 0,
					 &connector->connector_id, 1, mode),
			0);
	assert_int_equal(drmModeSetCrtc(card_fd, resources->crtcs[0], 0, 0, 0, NULL, 0, NULL), 0);
	assert_int_equal(drmModeRmFB(card_fd, fb), 0);
	assert_int_equal(drmCloseBufferHandle(card_fd, handle), 0);
	drmModeFreeConnector(connector);
	drmModeFreeResources(resources);
	close(dmabuf_fd);
	close(card_fd);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 0);
}

/* REGION planes */

static void region_plane_is_read_and_mapped(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_steer(fixture, "vgpu/display", "dmabuf=0 region=1 region_size=%u", 640 * 480 * 4);
	vgpu_steer(fixture, "vgpu/primary",
			"on=1 format=XR24 width=640 height=480 stride=2560 size=1228800");
	test_vgpu_paint(&fixture->vgpu, 0, 640, 480, 2560, 2);
	struct vfio_device_gfx_plane_info info = vgpu_query(fixture, REGION, PRIMARY);
	assert_int_equal(info.region_index, VGPU_REGION_DISPLAY);
	struct vfio_region_info display = vgpu_get_region(fixture, info.region_index);
	assert_int_equal(display.size, 640 * 480 * 4);
	assert_int_not_equal(display.flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
	assert_maps_vram(fixture, fixture->device_fd, (off_t)display.offset, display.size, 0);
	int fd = fixture->device_fd;
	off_t at = (off_t)display.offset;
	assert_int_equal(map_error(fd, at, display.size + VGPU_PAGE, MAP_SHARED), EINVAL);

	static uint8_t bytes[640 * 480 * 4 + 1];
	assert_int_equal(pread(fd, bytes, sizeof(bytes), at), display.size);
	assert_memory_equal(bytes, fixture->vgpu.vram, display.size);
	assert_int_equal(vgpu_count(fixture, "vram_read"), 1);

	vgpu_steer(fixture, "vgpu/display", "region_mmap=0");
	assert_int_equal(vgpu_get_region(fixture, VGPU_REGION_DISPLAY).flags &
					VFIO_REGION_INFO_FLAG_MMAP,
			0);
	assert_int_equal(map_error(fd, at, VGPU_PAGE, MAP_SHARED), EINVAL);
	assert_int_equal(pread(fd, bytes, 16, at), 16);

	vgpu_steer(fixture, "vgpu/primary", "region=4000000000");
	assert_int_equal(vgpu_query(fixture, REGION, PRIMARY).region_index, 4000000000);
	vgpu_steer(fixture, "vgpu/display", "region_size=0");
	assert_int_equal(vgpu_get_region(fixture, VGPU_REGION_DISPLAY).size, 0);
	assert_int_equal(pread(fd, bytes, 16, at), -1);
	assert_int_equal(errno, EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VGPU_TEST(vram_is_the_same_through_every_door),
		VGPU_TEST(mapping_beyond_the_end_is_refused),
		VGPU_TEST(buffer_outside_vram_is_refused),
		VGPU_TEST(dmabuf_may_be_smaller_than_its_plane),
		VGPU_TEST(every_get_is_a_dmabuf_of_its_own),
		VGPU_TEST(expired_id_fails_and_comes_back),
		VGPU_TEST(dmabuf_is_imported_by_drm_drivers),
		VGPU_TEST(dmabuf_is_scanned_out_by_vkms),
		VGPU_TEST(region_plane_is_read_and_mapped),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
