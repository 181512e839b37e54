#include "guest/drivers/vfio_device.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <wlr/util/log.h>
#include <xf86drmMode.h>

#include "fd.h"

#define DEVICE_DIR "/dev/vfio/devices"
#define IOMMUFD_PATH "/dev/iommu"
#define MDEV_DIR "/sys/bus/mdev/devices"

#define UUID_LENGTH 36

/*
 * Of what a device says of itself this much is looked at. Drivers have about ten regions, and about
 * a hundred bytes to say of one.
 */
#define REGIONS_MAX 64
#define REGION_INFO_SIZE_MAX 4096

static bool is_uuid(const char *text) {
	if (strlen(text) != UUID_LENGTH) {
		return false;
	}
	for (size_t i = 0; i < UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return true;
}

/*
 * Whether the character device of that number is one of the class of VFIO devices. 0 or -errno;
 * -ENOENT if there is no device of that number.
 */
static int number_is_vfio(dev_t number, bool *ret_is_vfio) {
	char path[64], target[PATH_MAX];
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(number), minor(number));
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0) {
		return -errno;
	}
	target[length] = '\0';
	const char *slash = strrchr(target, '/');
	*ret_is_vfio = strcmp(slash != NULL ? slash + 1 : target, "vfio-dev") == 0;
	return 0;
}

/*
 * True if fd is a file of a VFIO device, to be found out without an ioctl: to any other file, the
 * numbers might mean something. A device opened through its legacy group has an anonymous inode.
 */
static bool fd_is_vfio(int fd, dev_t *ret_number) {
	struct stat stat;
	if (fstat(fd, &stat) != 0) {
		return false;
	}
	if (S_ISCHR(stat.st_mode)) {
		bool is_vfio;
		if (number_is_vfio(stat.st_rdev, &is_vfio) != 0 || !is_vfio) {
			return false;
		}
		*ret_number = stat.st_rdev;
		return true;
	}

	/* No file of a directory can be called so: those begin with a slash. */
	static const char anonymous[] = "anon_inode:[vfio-device]";
	char path[64], target[sizeof(anonymous)];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(path, target, sizeof(target));
	if (length != (ssize_t)strlen(anonymous) || memcmp(target, anonymous, (size_t)length) != 0) {
		return false;
	}
	*ret_number = 0;
	return true;
}

static bool device_adopt(
		struct oriel_vfio_device *device, const char *guest_name, const char *number) {
	char *end;
	errno = 0;
	long fd = strtol(number, &end, 10);
	if (!isdigit((unsigned char)number[0]) || *end != '\0' || errno != 0 || fd > INT_MAX) {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: 'fd:%s' is no file descriptor, expected fd: and a number",
				guest_name, number);
		return false;
	}
	if (fcntl((int)fd, F_GETFD) < 0) {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: file descriptor %ld is not open; whoever starts oriel must "
				"leave it open, without close-on-exec",
				guest_name, fd);
		return false;
	}
	if (!fd_is_vfio((int)fd, &device->number)) {
		wlr_log(WLR_ERROR, "guest %s: vfio: file descriptor %ld is not a VFIO device",
				guest_name, fd);
		return false;
	}

	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	int own_fd = sb_fd_dup((int)fd);
	if (own_fd < 0) {
		wlr_log(WLR_ERROR, "guest %s: vfio: cannot duplicate file descriptor %ld: %s",
				guest_name, fd, strerror(-own_fd));
		return false;
	}
	device->fd = own_fd;
	return true;
}

/* A fd or -1 after logging. hint continues the line if the file is not there. */
static int log_and_open(const char *guest_name, const char *path, const char *hint) {
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0) {
		return fd;
	}
	int error = errno;
	const char *explanation = "";
	switch (error) {
	case ENOENT:
		explanation = hint;
		break;
	case EACCES:
	case EPERM:
		explanation = "; oriel needs to read and write it";
		break;
	case EBUSY:
		explanation = "; another program has it open";
		break;
	case ENODEV:
		explanation = "; the device is being removed";
		break;
	}
	wlr_log(WLR_ERROR, "guest %s: vfio: cannot open %s: %s%s", guest_name, path,
			strerror(error), explanation);
	return -1;
}

static bool device_open(struct oriel_vfio_device *device, const char *guest_name, const char *path) {
	device->fd = log_and_open(
			guest_name, path, "; is the device there, and does a VFIO driver have it?");
	if (device->fd < 0) {
		return false;
	}
	if (!fd_is_vfio(device->fd, &device->number) || device->number == 0) {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: %s is not a VFIO device; expected one of " DEVICE_DIR,
				guest_name, path);
		return false;
	}
	device->iommufd_fd = log_and_open(
			guest_name, IOMMUFD_PATH, "; the kernel needs iommufd (CONFIG_IOMMUFD)");
	if (device->iommufd_fd < 0) {
		return false;
	}

	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = device->iommufd_fd,
	};
	if (ioctl(device->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0) {
		return true;
	}
	int error = errno;
	const char *explanation = "";
	switch (error) {
	case EINVAL:
		/* vfio_df_open(): a device opened by its own file has one user. */
		explanation = "; another program seems to have it open, which then has to hand "
			      "its file over (fd:N)";
		break;
	case EBUSY:
		/* vfio_device_block_group() */
		explanation = "; another program has its VFIO group open";
		break;
	}
	wlr_log(WLR_ERROR, "guest %s: vfio: cannot bind %s to an iommufd: %s%s", guest_name, path,
			strerror(error), explanation);
	return false;
}

/*
 * A device in sysfs that a VFIO driver has holds vfio-dev/vfioN, and udev names the character
 * device after that.
 */
static bool device_open_sysfs(
		struct oriel_vfio_device *device, const char *guest_name, const char *dir) {
	char class_dir[PATH_MAX], path[PATH_MAX];
	if (snprintf(class_dir, sizeof(class_dir), "%s/vfio-dev", dir) >= (int)sizeof(class_dir)) {
		wlr_log(WLR_ERROR, "guest %s: vfio: the path '%s' is too long", guest_name, dir);
		return false;
	}

	DIR *stream = opendir(class_dir);
	if (stream == NULL) {
		int error = errno;
		DIR *device_stream = error == ENOENT ? opendir(dir) : NULL;
		if (device_stream != NULL) {
			closedir(device_stream);
			wlr_log(WLR_ERROR,
					"guest %s: vfio: %s has no vfio-dev: no VFIO driver has that "
					"device, or the kernel lacks CONFIG_VFIO_DEVICE_CDEV",
					guest_name, dir);
		} else {
			wlr_log(WLR_ERROR, "guest %s: vfio: no such device: cannot open %s: %s",
					guest_name, class_dir, strerror(error));
		}
		return false;
	}
	struct dirent *entry;
	do {
		entry = readdir(stream);
	} while (entry != NULL && entry->d_name[0] == '.');
	bool found = entry != NULL;
	if (found) {
		snprintf(path, sizeof(path), DEVICE_DIR "/%s", entry->d_name);
	}
	closedir(stream);
	if (!found) {
		wlr_log(WLR_ERROR, "guest %s: vfio: %s is empty: the device is being removed",
				guest_name, class_dir);
		return false;
	}
	return device_open(device, guest_name, path);
}

bool oriel_vfio_device_init(
		struct oriel_vfio_device *device, const char *guest_name, const char *where) {
	*device = (struct oriel_vfio_device){ .fd = -1, .iommufd_fd = -1 };

	bool opened = false;
	if (where == NULL || where[0] == '\0') {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: no device named; expected " DEVICE_DIR
				"/vfioN, an mdev's UUID, a device's path in /sys or fd:N",
				guest_name);
	} else if (strncmp(where, "fd:", strlen("fd:")) == 0) {
		opened = device_adopt(device, guest_name, where + strlen("fd:"));
	} else if (is_uuid(where)) {
		char dir[sizeof(MDEV_DIR) + 1 + UUID_LENGTH];
		int prefix = snprintf(dir, sizeof(dir), MDEV_DIR "/%s", where);
		/* The kernel names an mdev in small letters, however its UUID was written. */
		for (int i = (int)sizeof(MDEV_DIR); i < prefix; i++) {
			dir[i] = (char)tolower((unsigned char)dir[i]);
		}
		opened = device_open_sysfs(device, guest_name, dir);
	} else if (strncmp(where, "/sys/", strlen("/sys/")) == 0) {
		opened = device_open_sysfs(device, guest_name, where);
	} else if (where[0] == '/') {
		opened = device_open(device, guest_name, where);
	} else {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: '%s' names no device; expected " DEVICE_DIR
				"/vfioN, an mdev's UUID, a device's path in /sys or fd:N",
				guest_name, where);
	}
	if (!opened) {
		oriel_vfio_device_finish(device);
	}
	return opened;
}

void oriel_vfio_device_finish(struct oriel_vfio_device *device) {
	/* The device first: closing it unbinds it. */
	sb_fd_clear(&device->fd);
	sb_fd_clear(&device->iommufd_fd);
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
	if (device->iommufd_fd < 0) {
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
	if (device->number == 0) {
		return true;
	}
	/* The number cannot have gone to another device: the kernel keeps it while the file is
	 * open. */
	bool is_vfio;
	return number_is_vfio(device->number, &is_vfio) != -ENOENT;
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
