#include "test_vgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vgpu_guest.h"

#define TYPE_PREFIX "oriel-vgpu-"

static int open_file(const struct test_vgpu *vgpu, const char *file, int flags) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/%s", vgpu->uuid, file);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int map_vram(struct test_vgpu *vgpu) {
	int fd = open_file(vgpu, "vgpu/vram", O_RDWR);
	if (fd < 0) {
		return fd;
	}
	int ret = 0;
	struct stat st;
	void *vram = MAP_FAILED;
	if (fstat(fd, &st) == 0) {
		vram = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (vram == MAP_FAILED) {
		ret = -errno;
	} else {
		vgpu->vram = vram;
		vgpu->vram_size_bytes = (size_t)st.st_size;
	}
	close(fd);
	return ret;
}

int test_vgpu_init(struct test_vgpu *vgpu, const char *type) {
	*vgpu = (struct test_vgpu){ 0 };
	char name[64];
	snprintf(name, sizeof(name), TYPE_PREFIX "%s", type);
	int ret = vgpu_mdev_create(name, vgpu->uuid);
	if (ret < 0) {
		vgpu->uuid[0] = '\0';
		return ret;
	}
	ret = map_vram(vgpu);
	if (ret < 0) {
		test_vgpu_finish(vgpu);
	}
	return ret;
}

int test_vgpu_init_as(struct test_vgpu *vgpu, const char *type, const char *uuid) {
	*vgpu = (struct test_vgpu){ 0 };
	char path[PATH_MAX];
	snprintf(path, sizeof(path),
			"/sys/class/mdev_bus/oriel-vgpu/mdev_supported_types/" TYPE_PREFIX
			"%s/create",
			type);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int ret = write(fd, uuid, strlen(uuid)) < 0 ? -errno : 0;
	close(fd);
	if (ret < 0) {
		return ret;
	}
	snprintf(vgpu->uuid, sizeof(vgpu->uuid), "%s", uuid);
	ret = map_vram(vgpu);
	if (ret < 0) {
		test_vgpu_finish(vgpu);
	}
	return ret;
}

int test_vgpu_finish(struct test_vgpu *vgpu) {
	int ret = 0;
	if (vgpu->vram != NULL) {
		munmap(vgpu->vram, vgpu->vram_size_bytes);
		vgpu->vram = NULL;
	}
	if (vgpu->uuid[0] != '\0') {
		ret = vgpu_mdev_remove(vgpu->uuid);
		vgpu->uuid[0] = '\0';
	}
	return ret == -ENODEV ? 0 : ret;
}

int test_vgpu_steer(struct test_vgpu *vgpu, const char *file, const char *format, ...) {
	char *text;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		return -ENOMEM;
	}
	int fd = open_file(vgpu, file, O_WRONLY);
	if (fd < 0) {
		free(text);
		return fd;
	}
	ssize_t written = write(fd, text, (size_t)length);
	int ret = written < 0 ? -errno : written == length ? 0 : -EIO;
	close(fd);
	free(text);
	return ret;
}

int test_vgpu_read(struct test_vgpu *vgpu, const char *file, char *text, size_t text_size) {
	int fd = open_file(vgpu, file, O_RDONLY);
	if (fd < 0) {
		return fd;
	}
	ssize_t length = read(fd, text, text_size - 1);
	int ret = length < 0 ? -errno : (int)length;
	close(fd);
	if (ret >= 0) {
		text[ret] = '\0';
	}
	return ret;
}

int test_vgpu_count(struct test_vgpu *vgpu, const char *name) {
	char file[64], text[32];
	snprintf(file, sizeof(file), "count/%s", name);
	int ret = test_vgpu_read(vgpu, file, text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

int test_vgpu_add_buffer(
		struct test_vgpu *vgpu, uint32_t id, uint64_t offset_bytes, uint64_t size_bytes) {
	return test_vgpu_steer(vgpu, "vgpu/buffers", "id=%u offset=%llu size=%llu", id,
			(unsigned long long)offset_bytes, (unsigned long long)size_bytes);
}

int test_vgpu_show(struct test_vgpu *vgpu, uint32_t id, int width, int height, int stride_bytes) {
	return test_vgpu_steer(vgpu, "vgpu/primary",
			"on=1 format=XR24 modifier=0 width=%d height=%d stride=%d size=%d id=%u",
			width, height, stride_bytes, stride_bytes * height, id);
}

void test_vgpu_paint(struct test_vgpu *vgpu, size_t offset_bytes, int width, int height,
		int stride_bytes, uint32_t seed) {
	const uint32_t opaque = 0xff000000;
	for (int y = 0; y < height; y++) {
		uint32_t *row = (uint32_t *)(vgpu->vram + offset_bytes +
				(size_t)y * (size_t)stride_bytes);
		for (int x = 0; x < width; x++) {
			row[x] = opaque | vgpu_picture_pixel(x, y, width, height, seed);
		}
		for (int x = width; x < stride_bytes / 4; x++) {
			row[x] = opaque | (~row[width - 1] & 0xffffff);
		}
	}
}

int test_vgpu_open(struct test_vgpu *vgpu) {
	char path[PATH_MAX];
	int ret = vgpu_mdev_get_cdev_path(vgpu->uuid, path, sizeof(path));
	if (ret < 0) {
		return ret;
	}
	int iommu_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommu_fd < 0) {
		return -errno;
	}
	int device_fd = open(path, O_RDWR | O_CLOEXEC);
	if (device_fd < 0) {
		ret = -errno;
		close(iommu_fd);
		return ret;
	}
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommu_fd,
	};
	if (ioctl(device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) != 0) {
		ret = -errno;
		close(device_fd);
		device_fd = ret;
	}
	close(iommu_fd); /* the binding holds its own reference until the device is closed */
	return device_fd;
}

int test_vgpu_query(int device_fd, uint32_t flags, uint32_t plane_type,
		struct vfio_device_gfx_plane_info *ret_info) {
	struct vfio_device_gfx_plane_info info = {
		.argsz = sizeof(info),
		.flags = flags,
		.drm_plane_type = plane_type,
	};
	if (ioctl(device_fd, VFIO_DEVICE_QUERY_GFX_PLANE, &info) != 0) {
		return -errno;
	}
	if (ret_info != NULL) {
		*ret_info = info;
	}
	return 0;
}

int test_vgpu_get_dmabuf(int device_fd, uint32_t id) {
	int fd = ioctl(device_fd, VFIO_DEVICE_GET_GFX_DMABUF, &id);
	return fd < 0 ? -errno : fd;
}
