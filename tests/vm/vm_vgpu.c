/*
 * The test vGPU (vgpu/) by itself: that it answers what it is told to and refuses what it should, so
 * that the tests that stand on it can. Here the device, its planes and its faults; its memory is in
 * vm_vgpu_mem, its EDID in vm_vgpu_edid, its fences and its end in vm_vgpu_life.
 */
#include <drm/drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "vgpu_fixture.h"
#include "vgpu_guest.h"

#define PRIMARY VGPU_PRIMARY
#define CURSOR VGPU_CURSOR
#define DMABUF VFIO_GFX_PLANE_TYPE_DMABUF
#define REGION VFIO_GFX_PLANE_TYPE_REGION
#define PROBE VFIO_GFX_PLANE_TYPE_PROBE
#define OVERLAY 0 /* enum drm_plane_type */

/* The device */

static void info_says_pci_display_with_reset(void **state) {
	struct vgpu_fixture *fixture = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, VGPU_REGION_DISPLAY + 1);
	assert_int_equal(info.num_irqs, VFIO_PCI_NUM_IRQS);

	struct vfio_device_info smaller = { .argsz = 15 };
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_GET_INFO, &smaller), -1);
	assert_int_equal(errno, EINVAL);

	for (uint32_t i = 0; i <= VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = i, .count = 1 };
		int ret = ioctl(fixture->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &irq);
		assert_int_equal(ret, i < VFIO_PCI_NUM_IRQS ? 0 : -1);
		assert_int_equal(irq.count, i < VFIO_PCI_NUM_IRQS ? 0 : 1);
	}
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_PCI_HOT_RESET, NULL), -1);
	assert_int_equal(errno, ENOTTY);
}

static void regions_are_vram_config_and_edid(void **state) {
	struct vgpu_fixture *fixture = *state;
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	for (uint32_t i = 0; i <= VGPU_REGION_DISPLAY; i++) {
		struct vfio_region_info info = vgpu_get_region(fixture, i);
		uint64_t size = 0;
		uint32_t flags = 0;
		switch (i) {
		case VFIO_PCI_BAR0_REGION_INDEX:
			size = 16 * VGPU_MIB;
			flags = rw | VFIO_REGION_INFO_FLAG_MMAP;
			break;
		case VFIO_PCI_CONFIG_REGION_INDEX:
			size = 256;
			flags = rw;
			break;
		case VGPU_REGION_EDID:
			size = 2048;
			flags = rw | VFIO_REGION_INFO_FLAG_CAPS;
			break;
		}
		assert_int_equal(info.size, size);
		assert_int_equal(info.flags, flags);
	}
	struct vfio_region_info none = { .argsz = sizeof(none), .index = VGPU_REGION_DISPLAY + 1 };
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_GET_REGION_INFO, &none), -1);
	assert_int_equal(errno, EINVAL);
}

static void large_device_has_more_vram(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	assert_int_equal(test_vgpu_finish(&fixture->vgpu), 0);
	assert_int_equal(test_vgpu_init(&fixture->vgpu, "large"), 0);
	fixture->device_fd = test_vgpu_open(&fixture->vgpu);
	assert_int_equal(vgpu_get_region(fixture, VFIO_PCI_BAR0_REGION_INDEX).size, 64 * VGPU_MIB);
}

static void config_space_tells_bar_size(void **state) {
	struct vgpu_fixture *fixture = *state;
	off_t at = (off_t)vgpu_get_region(fixture, VFIO_PCI_CONFIG_REGION_INDEX).offset;
	uint8_t config[256];
	assert_int_equal(pread(fixture->device_fd, config, sizeof(config), at), sizeof(config));
	assert_int_equal(config[PCI_CLASS_DEVICE + 1], 0x03);

	uint32_t bar = 0xffffffff;
	off_t bar_at = at + PCI_BASE_ADDRESS_0;
	assert_int_equal(pwrite(fixture->device_fd, &bar, sizeof(bar), bar_at), sizeof(bar));
	assert_int_equal(pread(fixture->device_fd, &bar, sizeof(bar), bar_at), sizeof(bar));
	assert_int_equal(bar & PCI_BASE_ADDRESS_MEM_MASK, ~(16 * VGPU_MIB - 1));

	uint32_t vendor = 0;
	assert_int_equal(pwrite(fixture->device_fd, &vendor, sizeof(vendor), at), sizeof(vendor));
	assert_int_equal(pread(fixture->device_fd, &vendor, sizeof(vendor), at), sizeof(vendor));
	assert_int_equal(vendor & 0xffff, 0x1234);

	/* clipped at the end, nothing beyond it */
	assert_int_equal(pread(fixture->device_fd, config, 8, at + 252), 4);
	assert_int_equal(pread(fixture->device_fd, config, 1, at + 256), -1);
	assert_int_equal(errno, EINVAL);
}

static void legacy_group_answers_as_cdev_does(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	char path[PATH_MAX], target[PATH_MAX];
	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", fixture->vgpu.uuid);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	assert_true(length > 0);
	target[length] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);

	int container_fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	assert_true(container_fd >= 0);
	int group_fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(group_fd >= 0);
	assert_int_equal(ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container_fd), 0);
	assert_int_equal(ioctl(container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	fixture->device_fd = ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, fixture->vgpu.uuid);
	assert_true(fixture->device_fd >= 0);

	vgpu_steer(fixture, "vgpu/primary", "on=1 width=1280");
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).width, 1280);
	assert_int_equal(test_vgpu_open(&fixture->vgpu), -EBUSY);
	vgpu_close(fixture);
	close(group_fd);
	close(container_fd);
}

static void unbound_file_answers_nothing(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	char path[PATH_MAX];
	assert_int_equal(vgpu_mdev_get_cdev_path(fixture->vgpu.uuid, path, sizeof(path)), 0);
	fixture->device_fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fixture->device_fd >= 0);
	assert_int_equal(test_vgpu_query(fixture->device_fd, DMABUF, PRIMARY, NULL), -EINVAL);
	assert_int_equal(vgpu_count(fixture, "query_primary"), 0);
}

/* Steering */

static void write_with_wrong_key_changes_nothing(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_steer(fixture, "vgpu/primary", "on=1 width=7\n");
	static const char *const wrong[] = {
		"width=8 colour=1",
		"width=8 height",
		"width=8 height=",
		"width=8 height=x",
		"width=8 height=4294967296",
		"width=8 height=-2147483649",
		"width=8 modifier=18446744073709551616",
		"width=8 modifier=-1",
		"width=8 format=XR2",
		"width=8 format=XR244",
		"width=8 fence=60001",
		"width=8 fence=never",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(vgpu_try_steer(fixture, "vgpu/primary", "%s", wrong[i]), -EINVAL);
		assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).width, 7);
	}
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/primary", "width=8 id=5 fence=0"), -ENOENT);
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).width, 7);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/display", "region_size=%u", 16 * VGPU_MIB + 1),
			-EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/edid", "max_size=1025"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/edid", "size=128"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/expire", "one"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/signal", "1 4096"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/signal", "some"), -EINVAL);
}

static void files_show_what_was_written(void **state) {
	struct vgpu_fixture *fixture = *state;
	char text[512];
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/cursor", text, sizeof(text)) > 0);
	assert_string_equal(text,
			"on=0 format=0x00000000 modifier=0 width=0 height=0 stride=0 size=0 x=0 y=0 "
			"hot_x=4294967295 hot_y=4294967295 id=0 region=10 churn=0 flap=0\n");
	vgpu_steer(fixture, "vgpu/primary", "format=AR24 modifier=0xffffffffffffffff y=-1 flap=3");
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/primary", text, sizeof(text)) > 0);
	assert_string_equal(text,
			"on=0 format=0x34325241 modifier=18446744073709551615 width=0 height=0 stride=0 "
			"size=0 x=0 y=4294967295 hot_x=4294967295 hot_y=4294967295 id=0 region=10 "
			"churn=0 flap=3\n");
	vgpu_steer(fixture, "vgpu/buffers", "id=3 offset=4096 size=10 mmap=0");
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, 16 * VGPU_MIB), 0);
	int dmabuf_fd = vgpu_get_dmabuf(fixture, 1);
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/buffers", text, sizeof(text)) > 0);
	assert_string_equal(text,
			"id=3 offset=4096 size=10 mmap=0 dmabufs=0\n"
			"id=1 offset=0 size=16777216 mmap=1 dmabufs=1\n");
	close(dmabuf_fd);
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/display", text, sizeof(text)) > 0);
	assert_string_equal(text, "dmabuf=1 region=0 region_size=16777216 region_mmap=1\n");
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/edid", text, sizeof(text)) > 0);
	assert_string_equal(text,
			"present=1 max_size=1024 max_xres=0 max_yres=0 garble=0 size=0 up=0\n");
}

/* Planes */

static void probe_says_which_types_there_are(void **state) {
	struct vgpu_fixture *fixture = *state;
	int calls = 0;
	for (int types = 0; types < 4; types++) {
		vgpu_steer(fixture, "vgpu/display", "dmabuf=%d region=%d", types & 1, types >> 1);
		int dmabuf = types & 1 ? 0 : -EINVAL, by_region = types >> 1 ? 0 : -EINVAL;
		const int fd = fixture->device_fd;
		for (uint32_t plane = PRIMARY; plane <= CURSOR; plane++) {
			assert_int_equal(test_vgpu_query(fd, PROBE | DMABUF, plane, NULL), dmabuf);
			assert_int_equal(test_vgpu_query(fd, PROBE | REGION, plane, NULL), by_region);
			assert_int_equal(test_vgpu_query(fd, DMABUF, plane, NULL), dmabuf);
			assert_int_equal(test_vgpu_query(fd, REGION, plane, NULL), by_region);
		}
		calls += 2;
	}
	assert_int_equal(vgpu_count(fixture, "probe"), 2 * calls);
	assert_int_equal(vgpu_count(fixture, "query_primary"), calls);
	assert_int_equal(vgpu_count(fixture, "query_cursor"), calls);
}

static void query_of_what_the_abi_lacks_is_refused(void **state) {
	struct vgpu_fixture *fixture = *state;
	const int fd = fixture->device_fd;
	vgpu_steer(fixture, "vgpu/display", "region=1");
	static const uint32_t flags[] = { 0, PROBE, DMABUF | REGION, PROBE | DMABUF | REGION, 8,
		DMABUF | 8, PROBE | DMABUF | 8 };
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assert_int_equal(test_vgpu_query(fd, flags[i], PRIMARY, NULL), -EINVAL);
	}
	assert_int_equal(test_vgpu_query(fd, DMABUF, OVERLAY, NULL), -EINVAL);
	assert_int_equal(test_vgpu_query(fd, DMABUF, CURSOR + 1, NULL), -EINVAL);

	const uint32_t least = offsetof(struct vfio_device_gfx_plane_info, region_index) + 4;
	struct vfio_device_gfx_plane_info info = {
		.argsz = least - 1, .flags = DMABUF, .drm_plane_type = PRIMARY
	};
	assert_int_equal(ioctl(fd, VFIO_DEVICE_QUERY_GFX_PLANE, &info), -1);
	assert_int_equal(errno, EINVAL);
	info.argsz = least;
	assert_int_equal(ioctl(fd, VFIO_DEVICE_QUERY_GFX_PLANE, &info), 0);
	assert_int_equal(ioctl(fd, VFIO_DEVICE_QUERY_GFX_PLANE, NULL), -1);
	assert_int_equal(errno, EFAULT);
}

static void new_device_has_its_planes_off(void **state) {
	struct vgpu_fixture *fixture = *state;
	for (uint32_t plane = PRIMARY; plane <= CURSOR; plane++) {
		struct vfio_device_gfx_plane_info info = vgpu_query(fixture, DMABUF, plane);
		assert_int_equal(info.drm_format, 0);
		assert_int_equal(info.width, 0);
		assert_int_equal(info.height, 0);
		assert_int_equal(info.size, 0);
		assert_int_equal(info.x_hot, UINT32_MAX);
		assert_int_equal(info.y_hot, UINT32_MAX);
	}
}

static void planes_answer_what_was_written(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_steer(fixture, "vgpu/primary",
			"on=1 format=XR24 width=1920 height=1080 stride=7936 size=8572928 id=3");
	vgpu_steer(fixture, "vgpu/cursor",
			"on=1 format=AR24 modifier=0x0100000000000001 width=256 height=255 stride=1024 "
			"size=262144 x=-7 y=40 hot_x=3 hot_y=4 id=4000000000");
	struct vfio_device_gfx_plane_info info = vgpu_query(fixture, DMABUF, PRIMARY);
	assert_int_equal(info.drm_format, DRM_FORMAT_XRGB8888);
	assert_int_equal(info.drm_format_mod, DRM_FORMAT_MOD_LINEAR);
	assert_int_equal(info.width, 1920);
	assert_int_equal(info.height, 1080);
	assert_int_equal(info.stride, 7936);
	assert_int_equal(info.size, 8572928);
	assert_int_equal(info.dmabuf_id, 3);

	info = vgpu_query(fixture, DMABUF, CURSOR);
	assert_int_equal(info.drm_format, DRM_FORMAT_ARGB8888);
	assert_true(info.drm_format_mod == I915_FORMAT_MOD_X_TILED);
	assert_int_equal(info.width, 256);
	assert_int_equal(info.height, 255);
	assert_int_equal(info.stride, 1024);
	assert_int_equal(info.size, 262144);
	assert_int_equal((int32_t)info.x_pos, -7);
	assert_int_equal(info.y_pos, 40);
	assert_int_equal(info.x_hot, 3);
	assert_int_equal(info.y_hot, 4);
	assert_int_equal(info.dmabuf_id, 4000000000);

	/* off, and on again as it was */
	vgpu_steer(fixture, "vgpu/cursor", "on=0");
	assert_int_equal(vgpu_query(fixture, DMABUF, CURSOR).drm_format, 0);
	assert_int_equal(vgpu_query(fixture, DMABUF, CURSOR).width, 0);
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).width, 1920);
	vgpu_steer(fixture, "vgpu/cursor", "on=1");
	assert_int_equal(vgpu_query(fixture, DMABUF, CURSOR).width, 256);
}

static void absurd_plane_is_told_as_it_is(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_steer(fixture, "vgpu/primary",
			"on=1 format=0xffffffff modifier=0xffffffffffffffff width=4294967295 "
			"height=4294967294 stride=4294967293 size=4294967292 x=4294967291 "
			"y=4294967290 hot_x=4294967289 hot_y=4294967288 id=4294967287");
	struct vfio_device_gfx_plane_info info = vgpu_query(fixture, DMABUF, PRIMARY);
	assert_int_equal(info.drm_format, UINT32_MAX);
	assert_true(info.drm_format_mod == UINT64_MAX);
	assert_int_equal(info.width, UINT32_MAX);
	assert_int_equal(info.height, UINT32_MAX - 1);
	assert_int_equal(info.stride, UINT32_MAX - 2);
	assert_int_equal(info.size, UINT32_MAX - 3);
	assert_int_equal(info.x_pos, UINT32_MAX - 4);
	assert_int_equal(info.y_pos, UINT32_MAX - 5);
	assert_int_equal(info.x_hot, UINT32_MAX - 6);
	assert_int_equal(info.y_hot, UINT32_MAX - 7);
	assert_int_equal(info.dmabuf_id, UINT32_MAX - 8);
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, info.dmabuf_id), -EINVAL);
}

static void churn_gives_a_new_id_at_every_query(void **state) {
	struct vgpu_fixture *fixture = *state;
	test_vgpu_paint(&fixture->vgpu, 0, 64, 64, 256, 1);
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, 4 * VGPU_PAGE), 0);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, 64, 64, 256), 0);
	vgpu_steer(fixture, "vgpu/primary", "churn=1");
	uint32_t last = 1;
	for (int i = 0; i < 100; i++) {
		uint32_t id = vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id;
		assert_int_not_equal(id, last);
		assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, last), -EINVAL);
		int dmabuf_fd = vgpu_get_dmabuf(fixture, id);
		assert_int_equal(lseek(dmabuf_fd, 0, SEEK_END), 4 * VGPU_PAGE);
		close(dmabuf_fd);
		last = id;
	}
	/* An id that churn comes to is not taken from who has it. */
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, last + 1, VGPU_PAGE, VGPU_PAGE), 0);
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id, last + 2);
	close(vgpu_get_dmabuf(fixture, last + 1));
	/* nor from itself */
	vgpu_steer(fixture, "vgpu/primary", "id=%u", last + 1);
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id, last + 3);

	vgpu_steer(fixture, "vgpu/primary", "id=77");
	uint32_t id = vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id;
	assert_int_not_equal(id, 77);
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, id), -EINVAL);
	/* Only a query of a dma-buf that is shown counts. */
	vgpu_steer(fixture, "vgpu/display", "region=1");
	vgpu_query(fixture, REGION, PRIMARY);
	vgpu_steer(fixture, "vgpu/primary", "on=0");
	vgpu_query(fixture, DMABUF, PRIMARY);
	vgpu_steer(fixture, "vgpu/primary", "on=1 churn=0");
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).dmabuf_id, id);
}

static void flap_turns_plane_off_and_on(void **state) {
	struct vgpu_fixture *fixture = *state;
	static const char *const files[] = { "vgpu/primary", "vgpu/cursor" };
	for (uint32_t flap = 1; flap <= 3; flap++) {
		for (uint32_t plane = PRIMARY; plane <= CURSOR; plane++) {
			vgpu_steer(fixture, files[plane - PRIMARY],
					"on=1 format=XR24 width=64 height=64 id=9 flap=%u", flap);
			for (uint32_t i = 0; i < 20; i++) {
				uint32_t width = i / flap % 2 == 0 ? 64 : 0;
				struct vfio_device_gfx_plane_info info =
						vgpu_query(fixture, DMABUF, plane);
				assert_int_equal(info.width, width);
				assert_int_equal(info.drm_format, width ? DRM_FORMAT_XRGB8888 : 0);
			}
		}
	}
}

/* Faults */

static int call_info(struct vgpu_fixture *fixture) {
	struct vfio_device_info info = { .argsz = sizeof(info) };
	return ioctl(fixture->device_fd, VFIO_DEVICE_GET_INFO, &info) != 0 ? -errno : 0;
}

static int call_region_info(struct vgpu_fixture *fixture) {
	struct vfio_region_info info = { .argsz = sizeof(info) };
	return ioctl(fixture->device_fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0 ? -errno : 0;
}

static int call_probe(struct vgpu_fixture *fixture) {
	return test_vgpu_query(fixture->device_fd, PROBE | DMABUF, PRIMARY, NULL);
}

static int call_query_primary(struct vgpu_fixture *fixture) {
	return test_vgpu_query(fixture->device_fd, DMABUF, PRIMARY, NULL);
}

static int call_query_cursor(struct vgpu_fixture *fixture) {
	return test_vgpu_query(fixture->device_fd, DMABUF, CURSOR, NULL);
}

static int call_get(struct vgpu_fixture *fixture) {
	int fd = test_vgpu_get_dmabuf(fixture->device_fd, 1);
	if (fd >= 0) {
		close(fd);
	}
	return fd < 0 ? fd : 0;
}

static int call_reset(struct vgpu_fixture *fixture) {
	int ret = ioctl(fixture->device_fd, VFIO_DEVICE_RESET) != 0 ? -errno : 0;
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, VGPU_PAGE), 0);
	return ret;
}

static int call_edid_read(struct vgpu_fixture *fixture) {
	off_t at = (off_t)vgpu_get_region(fixture, VGPU_REGION_EDID).offset;
	uint32_t value;
	return pread(fixture->device_fd, &value, sizeof(value), at) < 0 ? -errno : 0;
}

static int call_edid_write(struct vgpu_fixture *fixture) {
	off_t at = (off_t)vgpu_get_region(fixture, VGPU_REGION_EDID).offset +
			(off_t)offsetof(struct vfio_region_gfx_edid, edid_size);
	uint32_t value = 1;
	return pwrite(fixture->device_fd, &value, sizeof(value), at) < 0 ? -errno : 0;
}

static int call_vram_read(struct vgpu_fixture *fixture) {
	uint8_t byte;
	return pread(fixture->device_fd, &byte, 1, 0) != 1 ? -errno : 0;
}

static int call_mmap(struct vgpu_fixture *fixture) {
	void *data = mmap(NULL, VGPU_PAGE, PROT_READ, MAP_SHARED, fixture->device_fd, 0);
	if (data == MAP_FAILED) {
		return -errno;
	}
	munmap(data, VGPU_PAGE);
	return 0;
}

static void every_call_fails_in_turn_as_told(void **state) {
	struct vgpu_fixture *fixture = *state;
	static const struct {
		const char *name;
		int (*call)(struct vgpu_fixture *fixture);
	} calls[] = {
		{ "info", call_info },
		{ "region_info", call_region_info },
		{ "probe", call_probe },
		{ "query_primary", call_query_primary },
		{ "query_cursor", call_query_cursor },
		{ "get", call_get },
		{ "reset", call_reset },
		{ "edid_read", call_edid_read },
		{ "edid_write", call_edid_write },
		{ "vram_read", call_vram_read },
		{ "mmap", call_mmap },
	};
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, 1, 0, VGPU_PAGE), 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char file[64];
		snprintf(file, sizeof(file), "errors/%s", calls[i].name);
		int before = vgpu_count(fixture, calls[i].name), made = 0;
		assert_int_equal(calls[i].call(fixture), 0);
		made++;
		/* every errno that user space knows, one a time, with a success between two */
		for (int error = 1; error <= EHWPOISON; error++) {
			vgpu_steer(fixture, file, "%d 0 %d\n", error, EHWPOISON + 1 - error);
			assert_int_equal(calls[i].call(fixture), -error);
			assert_int_equal(calls[i].call(fixture), 0);
			assert_int_equal(calls[i].call(fixture), -(EHWPOISON + 1 - error));
			assert_int_equal(calls[i].call(fixture), 0);
			made += 4;
		}
		vgpu_steer(fixture, file, "5 0 repeat");
		for (int n = 0; n < 6; n++) {
			assert_int_equal(calls[i].call(fixture), n % 2 == 0 ? -5 : 0);
			made++;
		}
		vgpu_steer(fixture, file, "\n");
		assert_int_equal(calls[i].call(fixture), 0);
		made++;
		assert_int_equal(vgpu_count(fixture, calls[i].name) - before, made);
	}
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 0);
}

static void error_lists_have_bounds(void **state) {
	struct vgpu_fixture *fixture = *state;
	char list[65 * 2 + 1] = "", text[256];
	for (int i = 0; i < 64; i++) {
		strcat(list, "9 ");
	}
	vgpu_steer(fixture, "errors/get", "%s", list);
	assert_int_equal(vgpu_try_steer(fixture, "errors/get", "%s9", list), -EINVAL);
	vgpu_steer(fixture, "errors/get", "511 9 repeat");
	assert_int_equal(call_get(fixture), -511);
	assert_true(test_vgpu_read(&fixture->vgpu, "errors/get", text, sizeof(text)) > 0);
	assert_string_equal(text, "9 repeat\n");
	assert_int_equal(vgpu_try_steer(fixture, "errors/get", "512"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "errors/get", "-1"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "errors/get", "repeat 1"), -EINVAL);
	assert_int_equal(vgpu_try_steer(fixture, "errors/get", "EIO"), -EINVAL);
	assert_int_equal(call_get(fixture), -9);
	/* nothing, repeatedly, is nothing */
	vgpu_steer(fixture, "errors/get", "repeat");
	assert_int_equal(call_get(fixture), -EINVAL);
}

static void several_heads_are_several_devices(void **state) {
	struct vgpu_fixture *fixture = *state;
	struct test_vgpu heads[4];
	int device_fds[4];
	for (int i = 0; i < 4; i++) {
		assert_int_equal(test_vgpu_init(&heads[i], "small"), 0);
		device_fds[i] = test_vgpu_open(&heads[i]);
		assert_true(device_fds[i] >= 0);
		assert_int_equal(test_vgpu_add_buffer(&heads[i], 1, 0, VGPU_PAGE), 0);
		assert_int_equal(test_vgpu_show(&heads[i], 1, 100 + i, 10, 512), 0);
		heads[i].vram[0] = (uint8_t)(i + 1);
	}
	for (int i = 0; i < 4; i++) {
		struct vfio_device_gfx_plane_info info;
		assert_int_equal(test_vgpu_query(device_fds[i], DMABUF, PRIMARY, &info), 0);
		assert_int_equal(info.width, 100 + i);
		int dmabuf_fd = test_vgpu_get_dmabuf(device_fds[i], info.dmabuf_id);
		assert_true(dmabuf_fd >= 0);
		uint8_t *data = mmap(NULL, VGPU_PAGE, PROT_READ, MAP_SHARED, dmabuf_fd, 0);
		assert_ptr_not_equal(data, MAP_FAILED);
		assert_int_equal(data[0], i + 1);
		munmap(data, VGPU_PAGE);
		close(dmabuf_fd);
		close(device_fds[i]);
		assert_int_equal(test_vgpu_finish(&heads[i]), 0);
	}
	assert_int_equal(vgpu_query(fixture, DMABUF, PRIMARY).width, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VGPU_TEST(info_says_pci_display_with_reset),
		VGPU_TEST(regions_are_vram_config_and_edid),
		VGPU_TEST(large_device_has_more_vram),
		VGPU_TEST(config_space_tells_bar_size),
		VGPU_TEST(legacy_group_answers_as_cdev_does),
		VGPU_TEST(unbound_file_answers_nothing),
		VGPU_TEST(write_with_wrong_key_changes_nothing),
		VGPU_TEST(files_show_what_was_written),
		VGPU_TEST(probe_says_which_types_there_are),
		VGPU_TEST(query_of_what_the_abi_lacks_is_refused),
		VGPU_TEST(new_device_has_its_planes_off),
		VGPU_TEST(planes_answer_what_was_written),
		VGPU_TEST(absurd_plane_is_told_as_it_is),
		VGPU_TEST(churn_gives_a_new_id_at_every_query),
		VGPU_TEST(flap_turns_plane_off_and_on),
		VGPU_TEST(every_call_fails_in_turn_as_told),
		VGPU_TEST(error_lists_have_bounds),
		VGPU_TEST(several_heads_are_several_devices),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
