#include "guest/drivers/vfio_device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xf86drmMode.h>

#include "fd.h"

/*
 * Of what a device says of itself this much is looked at. Drivers have about ten regions, and about
 * a hundred bytes to say of one.
 */
#define REGIONS_MAX 64
#define REGION_INFO_SIZE_MAX 4096

void oriel_vfio_device_init_closed(struct oriel_vfio_device *device) {
	*device = (struct oriel_vfio_device){
		.fd = -1,
		.iommufd_fd = -1,
		.group_fd = -1,
		.container_fd = -1,
	};
}

void oriel_vfio_device_finish(struct oriel_vfio_device *device) {
	/* The device first: closing it unbinds it, and lets the group go. */
	sb_fd_clear(&device->fd);
	sb_fd_clear(&device->iommufd_fd);
	sb_fd_clear(&device->group_fd);
	sb_fd_clear(&device->container_fd);
}

static int device_query_plane(const struct oriel_vfio_device *device, uint32_t flags,
		uint32_t plane_type, struct vfio_device_gfx_plane_info *ret_plane) {
	/* Zeroes, since kvmgt leaves what it got in place for a plane that is off. */
	struct vfio_device_gfx_plane_info plane = {
		.argsz = sizeof(plane),
		.flags = flags,
		.drm_plane_type = plane_type,
	};
	if (ioctl(device->fd, VFIO_DEVICE_QUERY_GFX_PLANE, &plane) != 0) {
		return -errno;
	}
	if (ret_plane != NULL) {
		*ret_plane = plane;
	}
	return 0;
}

static bool error_means_unsupported(int error) {
	/* EINVAL by the ABI, ENOTTY from drivers that do not know the ioctl at all. */
	return error == -EINVAL || error == -ENOTTY;
}

int oriel_vfio_device_probe(
		const struct oriel_vfio_device *device, enum oriel_vfio_display *ret_display) {
	/* Before it is bound, a file answers -EINVAL to everything, which is also how it says that
	 * it knows no dma-bufs. Every device that is bound has an answer to this. */
	if (device->iommufd_fd < 0 && device->group_fd < 0) {
		struct vfio_device_info info = {
			.argsz = offsetof(struct vfio_device_info, num_irqs) + sizeof(info.num_irqs),
		};
		if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) != 0 && errno == EINVAL) {
			*ret_display = ORIEL_VFIO_DISPLAY_UNBOUND;
			return 0;
		}
	}

	static const struct {
		uint32_t flag;
		enum oriel_vfio_display display;
	} kinds[] = {
		{ VFIO_GFX_PLANE_TYPE_DMABUF, ORIEL_VFIO_DISPLAY_DMABUF },
		{ VFIO_GFX_PLANE_TYPE_REGION, ORIEL_VFIO_DISPLAY_REGION },
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int ret = device_query_plane(device, VFIO_GFX_PLANE_TYPE_PROBE | kinds[i].flag,
				DRM_PLANE_TYPE_PRIMARY, NULL);
		if (ret == 0) {
			*ret_display = kinds[i].display;
			return 0;
		}
		if (!error_means_unsupported(ret)) {
			return ret;
		}
	}
	*ret_display = ORIEL_VFIO_DISPLAY_NONE;
	return 0;
}

bool oriel_vfio_device_is_present(const struct oriel_vfio_device *device) {
	if (device->sysfs_path[0] == '\0') {
		return true;
	}
	/* The name cannot have gone to another device: the kernel keeps its number while the file is
	 * open. */
	char path[sizeof(device->sysfs_path) + 16], target;
	snprintf(path, sizeof(path), "%s/subsystem", device->sysfs_path);
	return readlink(path, &target, 1) >= 0 || errno != ENOENT;
}

int oriel_vfio_device_query_plane(const struct oriel_vfio_device *device,
		enum oriel_guest_plane plane, enum oriel_vfio_display display,
		struct vfio_device_gfx_plane_info *ret_plane) {
	assert(display == ORIEL_VFIO_DISPLAY_DMABUF || display == ORIEL_VFIO_DISPLAY_REGION);
	return device_query_plane(device,
			display == ORIEL_VFIO_DISPLAY_DMABUF ? VFIO_GFX_PLANE_TYPE_DMABUF
							     : VFIO_GFX_PLANE_TYPE_REGION,
			plane == ORIEL_GUEST_PLANE_CURSOR ? DRM_PLANE_TYPE_CURSOR
							  : DRM_PLANE_TYPE_PRIMARY,
			ret_plane);
}

int oriel_vfio_device_get_dmabuf(
		const struct oriel_vfio_device *device, uint32_t dmabuf_id, int *ret_fd) {
	int fd = ioctl(device->fd, VFIO_DEVICE_GET_GFX_DMABUF, &dmabuf_id);
	if (fd < 0) {
		return -errno;
	}
	/* kvmgt gives CLOEXEC, mbochs does not. */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		int error = errno;
		sb_fd_clear(&fd);
		return -error;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Whether an INFO ioctl's answer has the capability, with as many bytes (its header included) as
 * are wanted. Every capability names the place of the next one, and nothing says that the last
 * one of them is ever reached: there cannot be more of them than fit.
 */
static bool info_find_capability(const unsigned char *info, size_t info_size, size_t offset,
		uint16_t id, void *ret_capability, size_t capability_size) {
	struct vfio_info_cap_header header;
	for (size_t left = info_size / sizeof(header); left > 0; left--) {
		if (offset == 0 || offset > info_size || info_size - offset < sizeof(header)) {
			return false;
		}
		memcpy(&header, info + offset, sizeof(header));
		if (header.id == id) {
			if (info_size - offset < capability_size) {
				return false;
			}
			memcpy(ret_capability, info + offset, capability_size);
			return true;
		}
		offset = header.next;
	}
	return false;
}

int oriel_vfio_device_get_region(const struct oriel_vfio_device *device, uint32_t index,
		struct oriel_vfio_region *ret_region) {
	union {
		struct vfio_region_info info;
		unsigned char bytes[REGION_INFO_SIZE_MAX];
	} answer = { .bytes = { 0 } };
	answer.info = (struct vfio_region_info){ .argsz = sizeof(answer.info), .index = index };
	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &answer) != 0) {
		return -errno;
	}
	/* To be asked for with their very size: mbochs takes no larger one. */
	size_t size = answer.info.argsz;
	bool has_capabilities = (answer.info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0;
	bool known = size > sizeof(answer.info) && size <= sizeof(answer);
	if (has_capabilities && known) {
		answer.info = (struct vfio_region_info){ .argsz = (uint32_t)size, .index = index };
		if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &answer) != 0) {
			return -errno;
		}
		has_capabilities = (answer.info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0;
		known = answer.info.argsz <= size;
	}

	const struct vfio_region_info *info = &answer.info;
	if (info->size > INT64_MAX || info->offset > INT64_MAX - info->size) {
		return -EPROTO;
	}
	struct oriel_vfio_region region = {
		.index = index,
		.offset_bytes = info->offset,
		.size_bytes = info->size,
		.can_read = (info->flags & VFIO_REGION_INFO_FLAG_READ) != 0,
		.can_write = (info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0,
		.can_mmap = (info->flags & VFIO_REGION_INFO_FLAG_MMAP) != 0,
	};
	if (has_capabilities && known) {
		struct vfio_region_info_cap_type type;
		struct vfio_info_cap_header sparse;
		if (info_find_capability(answer.bytes, size, info->cap_offset,
				    VFIO_REGION_INFO_CAP_TYPE, &type, sizeof(type))) {
			region.type = type.type;
			region.subtype = type.subtype;
		}
		if (info_find_capability(answer.bytes, size, info->cap_offset,
				    VFIO_REGION_INFO_CAP_SPARSE_MMAP, &sparse, sizeof(sparse))) {
			region.can_mmap = false;
		}
	} else if (has_capabilities) {
		region.can_mmap = false;
	}
	*ret_region = region;
	return 0;
}

int oriel_vfio_device_find_region(const struct oriel_vfio_device *device, uint32_t type,
		uint32_t subtype, struct oriel_vfio_region *ret_region) {
	struct vfio_device_info info = {
		.argsz = offsetof(struct vfio_device_info, num_irqs) + sizeof(info.num_irqs),
	};
	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) != 0) {
		return -errno;
	}
	int error = -ENOENT;
	for (uint32_t i = 0; i < info.num_regions && i < REGIONS_MAX; i++) {
		struct oriel_vfio_region region;
		int ret = oriel_vfio_device_get_region(device, i, &region);
		if (ret == 0 && region.type == type && region.subtype == subtype &&
				region.size_bytes > 0) {
			*ret_region = region;
			return 0;
		}
		/* Numbers may be left out. */
		if (ret != 0 && ret != -EINVAL) {
			error = ret;
		}
	}
	return error;
}
