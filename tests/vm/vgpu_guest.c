#include "vgpu_guest.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* enum drm_plane_type, which is not in the uapi headers: the values of the "type" property */
#define PLANE_TYPE_PRIMARY 1

#define MDEV_BUS "/sys/class/mdev_bus"
#define MDEV_DEVICES "/sys/bus/mdev/devices"

#define BYTES_PER_PIXEL 4
#define SIZE_MIN 64 /* mbochs_check_framebuffer() */
#define REGISTER_MAX 0xffff

/* The Bochs display interface: registers of 16 bits, written at BAR 2 + 0x500 + 2 * index. */
#define DISPI_BASE 0x500
enum dispi_register {
	DISPI_XRES = 1,
	DISPI_YRES = 2,
	DISPI_BPP = 3,
	DISPI_ENABLE = 4,
	DISPI_VIRT_WIDTH = 6,
	DISPI_VIRT_HEIGHT = 7,
	DISPI_X_OFFSET = 8,
	DISPI_Y_OFFSET = 9,
};
#define DISPI_ENABLED 0x01
#define DISPI_LFB_ENABLED 0x40

struct vgpu_guest {
	int device_fd;
	bool is_region; /* mdpy: a fixed mode in a region, no registers */
	uint64_t mmio_offset; /* of BAR 2 in the device file */
	uint8_t *vram;
	size_t vram_size_bytes;

	/* the mode; pages is 0 while none is set */
	int width, height;
	size_t stride_bytes;
	int page_rows; /* from one page's first row to the next one's */
	int pages;
	int shown_page;
	uint32_t *page_ids; /* dmabuf_id of each page, 0 until it has been queried */
};

/* sysfs */

static int sysfs_write(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int ret = 0;
	if (write(fd, text, strlen(text)) < 0) {
		ret = -errno;
	}
	close(fd);
	return ret;
}

static int uuid_generate(char uuid_out[37]) {
	uint8_t b[16];
	if (getrandom(b, sizeof(b), 0) != sizeof(b)) {
		return -EIO;
	}
	b[6] = (b[6] & 0x0f) | 0x40; /* version 4, RFC 9562 */
	b[8] = (b[8] & 0x3f) | 0x80;
	char *at = uuid_out;
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			*at++ = '-';
		}
		at += sprintf(at, "%02x", b[i]);
	}
	return 0;
}

int vgpu_mdev_create(const char *type, char uuid_out[37]) {
	char uuid[37];
	int ret = uuid_generate(uuid);
	if (ret < 0) {
		return ret;
	}
	DIR *parents = opendir(MDEV_BUS);
	if (parents == NULL) {
		return errno == ENOENT ? -ENODEV : -errno;
	}
	ret = -ENODEV;
	struct dirent *parent;
	while (ret == -ENODEV && (parent = readdir(parents)) != NULL) {
		char path[PATH_MAX];
		if (parent->d_name[0] == '.') {
			continue;
		}
		snprintf(path, sizeof(path), MDEV_BUS "/%s/mdev_supported_types/%s/create",
				parent->d_name, type);
		ret = sysfs_write(path, uuid);
		if (ret == -ENOENT) {
			ret = -ENODEV;
		}
	}
	closedir(parents);
	if (ret == 0) {
		memcpy(uuid_out, uuid, sizeof(uuid));
	}
	return ret;
}

int vgpu_mdev_remove(const char *uuid) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), MDEV_DEVICES "/%s/remove", uuid);
	int ret = sysfs_write(path, "1");
	return ret == -ENOENT ? -ENODEV : ret;
}

int vgpu_mdev_get_cdev_path(const char *uuid, char *path, size_t path_size) {
	char dir_path[PATH_MAX];
	snprintf(dir_path, sizeof(dir_path), MDEV_DEVICES "/%s/vfio-dev", uuid);
	DIR *dir = opendir(dir_path);
	if (dir == NULL) {
		return errno == ENOENT ? -ENODEV : -errno;
	}
	int ret = -ENODEV;
	struct dirent *entry;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "vfio", strlen("vfio")) != 0) {
			continue;
		}
		char node[PATH_MAX];
		int length = snprintf(node, sizeof(node), "/dev/vfio/devices/%s", entry->d_name);
		if ((size_t)length >= path_size) {
			ret = -ENAMETOOLONG;
		} else if (access(node, F_OK) == 0) {
			memcpy(path, node, (size_t)length + 1);
			ret = 0;
		}
		break;
	}
	closedir(dir);
	return ret;
}

/* the device */

static int guest_bind(struct vgpu_guest *guest) {
	int iommu_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommu_fd < 0) {
		return -errno;
	}
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommu_fd,
	};
	int ret = 0;
	if (ioctl(guest->device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) != 0) {
		ret = -errno;
	}
	close(iommu_fd); /* the binding holds its own reference until the device is closed */
	return ret;
}

static int guest_get_region(struct vgpu_guest *guest, uint32_t index, uint64_t *ret_offset,
		uint64_t *ret_size) {
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};
	if (ioctl(guest->device_fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0) {
		return -errno;
	}
	*ret_offset = info.offset;
	*ret_size = info.size;
	return 0;
}

/* Asks whether the plane's type of buffer is `type`, one of VFIO_GFX_PLANE_TYPE_*. */
static bool guest_probe(struct vgpu_guest *guest, uint32_t type) {
	struct vfio_device_gfx_plane_info info = {
		.argsz = sizeof(info),
		.flags = VFIO_GFX_PLANE_TYPE_PROBE | type,
		.drm_plane_type = PLANE_TYPE_PRIMARY,
	};
	return ioctl(guest->device_fd, VFIO_DEVICE_QUERY_GFX_PLANE, &info) == 0;
}

static int guest_query(struct vgpu_guest *guest, struct vfio_device_gfx_plane_info *info) {
	*info = (struct vfio_device_gfx_plane_info){
		.argsz = sizeof(*info),
		.flags = guest->is_region ? VFIO_GFX_PLANE_TYPE_REGION : VFIO_GFX_PLANE_TYPE_DMABUF,
		.drm_plane_type = PLANE_TYPE_PRIMARY,
	};
	/* mbochs makes a new id at the first query, but answers with it at the second only. */
	int ret = ioctl(guest->device_fd, VFIO_DEVICE_QUERY_GFX_PLANE, info);
	if (ret != 0 && errno == ENOMEM) {
		ret = ioctl(guest->device_fd, VFIO_DEVICE_QUERY_GFX_PLANE, info);
	}
	return ret != 0 ? -errno : 0;
}

/* Forgets the mode: no page is valid until the next one. */
static void guest_clear_mode(struct vgpu_guest *guest) {
	free(guest->page_ids);
	guest->page_ids = NULL;
	guest->pages = 0;
}

static int guest_adopt_region_mode(struct vgpu_guest *guest) {
	struct vfio_device_gfx_plane_info info;
	int ret = guest_query(guest, &info);
	if (ret < 0) {
		return ret;
	}
	guest->width = (int)info.width;
	guest->height = (int)info.height;
	guest->stride_bytes = info.stride;
	guest->page_rows = guest->height;
	guest->pages = 1;
	return 0;
}

static int guest_init(struct vgpu_guest *guest) {
	int ret = guest_bind(guest);
	/* EINVAL also says that the file is bound already: the next ioctl shows which it was. */
	if (ret < 0 && ret != -EINVAL) {
		return ret;
	}
	uint64_t vram_offset = 0, vram_size = 0, mmio_size;
	ret = guest_get_region(guest, VFIO_PCI_BAR0_REGION_INDEX, &vram_offset, &vram_size);
	if (ret < 0) {
		return ret;
	}
	ret = guest_get_region(guest, VFIO_PCI_BAR2_REGION_INDEX, &guest->mmio_offset, &mmio_size);
	if (ret < 0) {
		return ret;
	}
	if (!guest_probe(guest, VFIO_GFX_PLANE_TYPE_DMABUF)) {
		if (!guest_probe(guest, VFIO_GFX_PLANE_TYPE_REGION)) {
			return -ENOTSUP;
		}
		guest->is_region = true;
	}
	/* Both drivers refuse to map VRAM unless it is shared, and at any other offset. */
	void *vram = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->device_fd,
			(off_t)vram_offset);
	if (vram == MAP_FAILED) {
		return -errno;
	}
	guest->vram = vram;
	guest->vram_size_bytes = vram_size;
	return guest->is_region ? guest_adopt_region_mode(guest) : 0;
}

static struct vgpu_guest *guest_create(int take_device_fd) {
	struct vgpu_guest *guest = calloc(1, sizeof(*guest));
	if (guest == NULL) {
		close(take_device_fd);
		errno = ENOMEM;
		return NULL;
	}
	guest->device_fd = take_device_fd;
	int ret = guest_init(guest);
	if (ret < 0) {
		vgpu_guest_close(guest);
		errno = -ret;
		return NULL;
	}
	return guest;
}

struct vgpu_guest *vgpu_guest_open(const char *uuid) {
	char path[PATH_MAX];
	int ret = vgpu_mdev_get_cdev_path(uuid, path, sizeof(path));
	if (ret < 0) {
		errno = -ret;
		return NULL;
	}
	int device_fd = open(path, O_RDWR | O_CLOEXEC);
	if (device_fd < 0) {
		return NULL;
	}
	return guest_create(device_fd);
}

struct vgpu_guest *vgpu_guest_open_fd(int device_fd) {
	int own_fd = fcntl(device_fd, F_DUPFD_CLOEXEC, 0);
	if (own_fd < 0) {
		return NULL;
	}
	return guest_create(own_fd);
}

int vgpu_guest_get_device_fd(struct vgpu_guest *guest) {
	return guest->device_fd;
}

void vgpu_guest_close(struct vgpu_guest *guest) {
	if (guest == NULL) {
		return;
	}
	guest_clear_mode(guest);
	if (guest->vram != NULL) {
		munmap(guest->vram, guest->vram_size_bytes);
	}
	close(guest->device_fd);
	free(guest);
}

int vgpu_guest_reset(struct vgpu_guest *guest) {
	if (ioctl(guest->device_fd, VFIO_DEVICE_RESET) != 0) {
		return -errno;
	}
	if (!guest->is_region) {
		guest_clear_mode(guest);
	}
	return 0;
}

/* the mode */

static int guest_write(struct vgpu_guest *guest, enum dispi_register reg, int value) {
	uint16_t value16 = (uint16_t)value;
	off_t offset = (off_t)guest->mmio_offset + DISPI_BASE + 2 * (off_t)reg;
	ssize_t n = pwrite(guest->device_fd, &value16, sizeof(value16), offset);
	if (n < 0) {
		return -errno;
	}
	return n == sizeof(value16) ? 0 : -EIO;
}

/* The least number of rows, at least `height`, that is a whole number of memory pages. */
static size_t get_page_rows(size_t height, size_t stride_bytes) {
	size_t memory_page = (size_t)sysconf(_SC_PAGESIZE);
	size_t rows = 1;
	/* Memory pages are a power of two, so doubling finds the least such number. */
	while (rows * stride_bytes % memory_page != 0) {
		rows *= 2;
	}
	return (height + rows - 1) / rows * rows;
}

static int guest_write_mode(struct vgpu_guest *guest, int width, int height, int virtual_width,
		int virtual_height) {
	const struct {
		enum dispi_register reg;
		int value;
	} writes[] = {
		{ DISPI_ENABLE, 0 },
		{ DISPI_XRES, width },
		{ DISPI_YRES, height },
		{ DISPI_BPP, 32 },
		{ DISPI_VIRT_WIDTH, virtual_width },
		{ DISPI_VIRT_HEIGHT, virtual_height },
		{ DISPI_X_OFFSET, 0 },
		{ DISPI_Y_OFFSET, 0 },
		{ DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB_ENABLED },
	};
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		int ret = guest_write(guest, writes[i].reg, writes[i].value);
		if (ret < 0) {
			return ret;
		}
	}
	return 0;
}

int vgpu_guest_set_mode(
		struct vgpu_guest *guest, int width, int height, int virtual_width, int pages) {
	if (guest->is_region) {
		bool same = width == guest->width && height == guest->height &&
				virtual_width == width && pages == 1;
		return same ? 0 : -EINVAL;
	}
	if (width < SIZE_MIN || height < SIZE_MIN || virtual_width < width || pages < 1 ||
			virtual_width > REGISTER_MAX || height > REGISTER_MAX) {
		return -EINVAL;
	}
	size_t stride_bytes = (size_t)virtual_width * BYTES_PER_PIXEL;
	size_t page_rows = get_page_rows((size_t)height, stride_bytes);
	size_t last_row = (size_t)(pages - 1) * page_rows;
	size_t all_rows = last_row + (size_t)height;
	if (last_row > REGISTER_MAX || all_rows > guest->vram_size_bytes / stride_bytes) {
		return -ENOSPC;
	}
	uint32_t *page_ids = calloc((size_t)pages, sizeof(*page_ids));
	if (page_ids == NULL) {
		return -ENOMEM;
	}
	/* The device does not read the virtual height. */
	int virtual_height = all_rows < REGISTER_MAX ? (int)all_rows : REGISTER_MAX;
	int ret = guest_write_mode(guest, width, height, virtual_width, virtual_height);
	if (ret < 0) {
		free(page_ids);
		return ret;
	}
	guest_clear_mode(guest);
	guest->width = width;
	guest->height = height;
	guest->stride_bytes = stride_bytes;
	guest->page_rows = (int)page_rows;
	guest->pages = pages;
	guest->shown_page = 0;
	guest->page_ids = page_ids;
	return 0;
}

int vgpu_guest_flip(struct vgpu_guest *guest, int page) {
	if (page < 0 || page >= guest->pages) {
		return -EINVAL;
	}
	if (guest->is_region) {
		return 0;
	}
	int ret = guest_write(guest, DISPI_Y_OFFSET, page * guest->page_rows);
	if (ret == 0) {
		guest->shown_page = page;
	}
	return ret;
}

int vgpu_guest_disable(struct vgpu_guest *guest) {
	if (guest->is_region) {
		return -ENOTSUP;
	}
	int ret = guest_write(guest, DISPI_ENABLE, 0);
	if (ret == 0) {
		guest_clear_mode(guest);
	}
	return ret;
}

/* the picture */

uint32_t *vgpu_guest_get_page(struct vgpu_guest *guest, int page, size_t *ret_stride_bytes) {
	assert(page >= 0 && page < guest->pages);
	if (ret_stride_bytes != NULL) {
		*ret_stride_bytes = guest->stride_bytes;
	}
	size_t row = (size_t)page * (size_t)guest->page_rows;
	return (uint32_t *)(guest->vram + row * guest->stride_bytes);
}

uint32_t vgpu_picture_pixel(int x, int y, int width, int height, uint32_t seed) {
	uint32_t ux = (uint32_t)x, uy = (uint32_t)y;
	/*
	 * Odd factors are one-to-one modulo a power of two. Red and green are a permutation of the
	 * low 8 bits of x and y in which neighbours are far apart, blue is one of the other bits;
	 * so (x, y) can be told from the colour. Seed and size shift the channels' values.
	 */
	uint32_t shift = seed * 0x9e3779 + (uint32_t)width * 0x3c6ef3 + (uint32_t)height * 0xdaa66b;
	uint32_t red = ux * 97 + (shift >> 16);
	uint32_t green = uy * 101 + (shift >> 8);
	uint32_t blue = (((ux >> 8) << 4) | (uy >> 8)) * 89 + shift;
	return (red & 0xff) << 16 | (green & 0xff) << 8 | (blue & 0xff);
}

void vgpu_guest_paint(struct vgpu_guest *guest, int page, uint32_t seed) {
	size_t stride_bytes;
	uint32_t *row = vgpu_guest_get_page(guest, page, &stride_bytes);
	int row_pixels = (int)(stride_bytes / BYTES_PER_PIXEL);
	for (int y = 0; y < guest->height; y++) {
		for (int x = 0; x < guest->width; x++) {
			row[x] = vgpu_picture_pixel(x, y, guest->width, guest->height, seed);
		}
		for (int x = guest->width; x < row_pixels; x++) {
			row[x] = ~row[guest->width - 1];
		}
		row += row_pixels;
	}
}

/* dma-bufs */

static int guest_export(struct vgpu_guest *guest, uint32_t id, int *ret_dmabuf_fd) {
	int dmabuf_fd = ioctl(guest->device_fd, VFIO_DEVICE_GET_GFX_DMABUF, &id);
	if (dmabuf_fd < 0) {
		return -errno;
	}
	/* mbochs asks for no O_CLOEXEC, and the ioctl has no flags to do so. */
	if (fcntl(dmabuf_fd, F_SETFD, FD_CLOEXEC) != 0) {
		int ret = -errno;
		close(dmabuf_fd);
		return ret;
	}
	*ret_dmabuf_fd = dmabuf_fd;
	return 0;
}

/* The id of what the plane shows now, remembered if it is a page of the mode. */
static int guest_query_id(struct vgpu_guest *guest, uint32_t *ret_id) {
	if (guest->is_region) {
		return -ENOTSUP;
	}
	struct vfio_device_gfx_plane_info info;
	int ret = guest_query(guest, &info);
	if (ret < 0) {
		return ret;
	}
	if (info.drm_format == 0) {
		return -ENODATA;
	}
	if (guest->pages > 0) {
		guest->page_ids[guest->shown_page] = info.dmabuf_id;
	}
	*ret_id = info.dmabuf_id;
	return 0;
}

int vgpu_guest_get_dmabuf(struct vgpu_guest *guest, int *ret_dmabuf_fd, uint32_t *ret_id) {
	uint32_t id;
	int ret = guest_query_id(guest, &id);
	if (ret < 0) {
		return ret;
	}
	ret = guest_export(guest, id, ret_dmabuf_fd);
	if (ret == 0 && ret_id != NULL) {
		*ret_id = id;
	}
	return ret;
}

int vgpu_guest_get_page_dmabuf(
		struct vgpu_guest *guest, int page, int *ret_dmabuf_fd, uint32_t *ret_id) {
	if (page < 0 || page >= guest->pages) {
		return -EINVAL;
	}
	if (guest->is_region) {
		return -ENOTSUP;
	}
	uint32_t id = guest->page_ids[page];
	int ret = 0;
	if (id == 0) {
		int shown_page = guest->shown_page;
		ret = vgpu_guest_flip(guest, page);
		if (ret < 0) {
			return ret;
		}
		ret = guest_query_id(guest, &id);
		int back_ret = vgpu_guest_flip(guest, shown_page);
		if (ret == 0) {
			ret = back_ret;
		}
	}
	if (ret == 0) {
		ret = guest_export(guest, id, ret_dmabuf_fd);
	}
	if (ret == 0 && ret_id != NULL) {
		*ret_id = id;
	}
	return ret;
}
