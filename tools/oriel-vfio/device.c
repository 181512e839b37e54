#include "device.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fd.h"
#include "say.h"

#define DEVICE_DIR "/dev/vfio/devices"
#define IOMMUFD_PATH "/dev/iommu"
#define MDEV_DIR "/sys/bus/mdev/devices"

#define UUID_LENGTH 36

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

static const char *get_last_part(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* For free(), or NULL after a line: the character device of a device in sysfs. */
static char *find_node(const char *sysfs_path) {
	char class_path[PATH_MAX];
	if (snprintf(class_path, sizeof(class_path), "%s/vfio-dev", sysfs_path) >=
			(int)sizeof(class_path)) {
		say("the path '%s' is too long", sysfs_path);
		return NULL;
	}
	DIR *dir = opendir(class_path);
	if (dir == NULL) {
		int error = errno;
		struct stat stat_;
		if (error == ENOENT && stat(sysfs_path, &stat_) == 0) {
			say("%s is not a VFIO device: no VFIO driver has it, or the kernel lacks "
			    "CONFIG_VFIO_DEVICE_CDEV",
					sysfs_path);
		} else {
			say("no such device: cannot open %s: %s", class_path, strerror(error));
		}
		return NULL;
	}
	struct dirent *entry;
	do {
		entry = readdir(dir);
	} while (entry != NULL && entry->d_name[0] == '.');
	char *path = NULL;
	if (entry == NULL) {
		say("%s is being removed", sysfs_path);
	} else if (asprintf(&path, DEVICE_DIR "/%s", entry->d_name) < 0) {
		path = NULL;
		say("out of memory");
	}
	closedir(dir);
	return path;
}

/* For free(), or NULL after a line. */
static char *find_path(const char *where) {
	if (is_uuid(where)) {
		char sysfs_path[sizeof(MDEV_DIR) + 1 + UUID_LENGTH] = MDEV_DIR "/";
		size_t start = strlen(sysfs_path);
		/* The kernel names an mdev in small letters, however its UUID was written. */
		for (size_t i = 0; i < UUID_LENGTH; i++) {
			sysfs_path[start + i] = (char)tolower((unsigned char)where[i]);
		}
		return find_node(sysfs_path);
	}
	if (strncmp(where, "/sys/", strlen("/sys/")) == 0) {
		return find_node(where);
	}
	if (where[0] != '/') {
		say("'%s' names no device; expected " DEVICE_DIR
		    "/vfioN, an mdev's UUID or a device's path in /sys",
				where);
		return NULL;
	}
	char *path = strdup(where);
	if (path == NULL) {
		say("out of memory");
	}
	return path;
}

static int open_and_say(const char *path, const char *hint) {
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		int error = errno;
		say("cannot open %s: %s%s", path, strerror(error), error == ENOENT ? hint : "");
	}
	return fd;
}

/* Finds out which device is behind the file. False after a line. */
static bool device_identify(struct device *device) {
	char link[64], class_path[PATH_MAX], sysfs_path[PATH_MAX];
	struct stat stat;
	if (fstat(device->fd, &stat) != 0 || !S_ISCHR(stat.st_mode)) {
		goto not_vfio;
	}
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/subsystem", major(stat.st_rdev),
			minor(stat.st_rdev));
	if (realpath(link, class_path) == NULL || strcmp(get_last_part(class_path), "vfio-dev") != 0) {
		goto not_vfio;
	}
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u/device", major(stat.st_rdev),
			minor(stat.st_rdev));
	if (realpath(link, sysfs_path) == NULL) {
		say("%s is being removed", device->path);
		return false;
	}
	device->sysfs_path = strdup(sysfs_path);
	if (device->sysfs_path == NULL) {
		say("out of memory");
		return false;
	}
	device->sysfs_name = get_last_part(device->sysfs_path);
	device->node_name = get_last_part(device->path);
	return true;

not_vfio:
	say("%s is not a VFIO device; expected one of " DEVICE_DIR, device->path);
	return false;
}

bool device_open(struct device *device, const char *where) {
	*device = (struct device){ .fd = -1, .iommufd_fd = -1 };
	device->path = find_path(where);
	if (device->path == NULL) {
		return false;
	}
	device->fd = open_and_say(
			device->path, "; is the device there, and does a VFIO driver have it?");
	if (device->fd < 0 || !device_identify(device)) {
		goto error;
	}
	device->iommufd_fd =
			open_and_say(IOMMUFD_PATH, "; the kernel needs iommufd (CONFIG_IOMMUFD)");
	if (device->iommufd_fd < 0) {
		goto error;
	}
	return true;

error:
	device_finish(device);
	return false;
}

bool device_check_free(const struct device *device) {
	int fd = open_and_say(device->path, "");
	if (fd < 0) {
		return false;
	}
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = device->iommufd_fd,
	};
	int error = ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0 ? 0 : errno;
	/* Which unbinds it. */
	sb_fd_clear(&fd);
	switch (error) {
	case 0:
		return true;
	case EINVAL: /* vfio_df_open(): a device opened by its own file has one user. */
	case EBUSY: /* vfio_device_block_group() */
		say("%s is busy: another program has it open", device->path);
		return false;
	default:
		say("%s cannot be bound to an iommufd: %s", device->path, strerror(error));
		return false;
	}
}

void device_finish(struct device *device) {
	sb_fd_clear(&device->fd);
	sb_fd_clear(&device->iommufd_fd);
	free(device->path);
	free(device->sysfs_path);
	*device = (struct device){ .fd = -1, .iommufd_fd = -1 };
}
