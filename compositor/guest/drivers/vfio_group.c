#include "guest/drivers/vfio_group.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "fd.h"
#include "guest/drivers/vfio_device.h"
#include "guest/drivers/vfio_open.h"

/*
 * The ABI of before Linux 6.6. Nothing is mapped for the device, but it gives out no file before
 * its group is in a container that has an IOMMU:
 *
 *   /dev/vfio/vfio   the container    GET_API_VERSION, CHECK_EXTENSION, SET_IOMMU
 *   /dev/vfio/N      the group        GET_STATUS, SET_CONTAINER, GET_DEVICE_FD
 *   (anonymous)      the device
 *
 * A group is open once in the system, and not while a device of it is open by its character
 * device. Who has a device's file has the group by that, and the group has the container.
 */

#define CONTAINER_PATH "/dev/vfio/vfio"
#define GROUP_DIR "/dev/vfio"
#define CLASS_SYSFS_DIR "/sys/class/vfio"
#define GROUP_SYSFS_DIR "/sys/kernel/iommu_groups"

/*
 * The group of a device without an IOMMU has a file of another name. Nothing else tells: an mdev's
 * group, whose device has no IOMMU and needs none, is called "vfio-noiommu" in sysfs as well.
 */
static bool group_has_no_iommu(const char *group) {
	char path[128];
	struct stat stat_of_group;
	snprintf(path, sizeof(path), CLASS_SYSFS_DIR "/noiommu-%s", group);
	return stat(path, &stat_of_group) == 0;
}

static bool group_find_device(const struct oriel_vfio_opener *opener, const char *group,
		oriel_vfio_name ret_name) {
	char path[128];
	snprintf(path, sizeof(path), GROUP_SYSFS_DIR "/%s/devices", group);
	oriel_vfio_name names[2];
	int count = oriel_vfio_read_names(path, names, 2);
	if (count < 0) {
		oriel_vfio_opener_log(opener, "cannot open %s: %s", path, strerror(-count));
		return false;
	}
	if (count == 0) {
		oriel_vfio_opener_log(opener, "group %s has no device", group);
		return false;
	}
	if (count > 1) {
		oriel_vfio_opener_log(opener,
				"group %s has several devices: name one of those in %s", group, path);
		return false;
	}
	memcpy(ret_name, names[0], sizeof(names[0]));
	return true;
}

static int group_open_container(const struct oriel_vfio_opener *opener) {
	int fd = oriel_vfio_opener_open(opener, CONTAINER_PATH,
			"; the kernel needs VFIO containers (CONFIG_VFIO_CONTAINER)");
	if (fd < 0) {
		return -1;
	}
	int version = ioctl(fd, VFIO_GET_API_VERSION);
	if (version != VFIO_API_VERSION) {
		oriel_vfio_opener_log(opener,
				CONTAINER_PATH " has version %d of the interface, expected %d",
				version, VFIO_API_VERSION);
		sb_fd_clear(&fd);
	}
	return fd;
}

/* The IOMMU can be chosen once a group is in the container, and with it what it knows. */
static bool group_set_iommu(const struct oriel_vfio_opener *opener, int container_fd) {
	static const unsigned long types[] = { VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU };
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (ioctl(container_fd, VFIO_CHECK_EXTENSION, types[i]) <= 0) {
			continue;
		}
		if (ioctl(container_fd, VFIO_SET_IOMMU, types[i]) != 0) {
			oriel_vfio_opener_log(
					opener, "the IOMMU cannot be set up: %s", strerror(errno));
			return false;
		}
		return true;
	}
	oriel_vfio_opener_log(opener,
			"the kernel has no IOMMU of type 1 for VFIO groups "
			"(CONFIG_VFIO_IOMMU_TYPE1)");
	return false;
}

static bool group_is_viable(
		const struct oriel_vfio_opener *opener, int group_fd, const char *group_path) {
	struct vfio_group_status status = { .argsz = sizeof(status) };
	if (ioctl(group_fd, VFIO_GROUP_GET_STATUS, &status) != 0) {
		oriel_vfio_opener_log(opener, "%s cannot be used: %s", group_path, strerror(errno));
		return false;
	}
	if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
		oriel_vfio_opener_log(opener,
				"%s cannot be used: a device of that group is in use by a driver of "
				"the host",
				group_path);
		return false;
	}
	return true;
}

static void group_find_sysfs_path(
		struct oriel_vfio_device *device, const char *group, const char *device_name) {
	char dir[sizeof(device->sysfs_path)];
	oriel_vfio_name name;
	int size = snprintf(dir, sizeof(dir), GROUP_SYSFS_DIR "/%s/devices/%s/vfio-dev", group,
			device_name);
	if (size >= (int)sizeof(dir) || oriel_vfio_read_names(dir, &name, 1) != 1 ||
			snprintf(device->sysfs_path, sizeof(device->sysfs_path), "%s/%s", dir,
					name) >= (int)sizeof(device->sysfs_path)) {
		device->sysfs_path[0] = '\0';
	}
}

bool oriel_vfio_group_open(const struct oriel_vfio_opener *opener, const char *group,
		const char *device_name, struct oriel_vfio_device *device) {
	char path[128];
	snprintf(path, sizeof(path), GROUP_DIR "/%s", group);
	if (group_has_no_iommu(group)) {
		oriel_vfio_opener_refuse_no_iommu(opener, path);
		return false;
	}
	oriel_vfio_name only_name;
	if (device_name == NULL) {
		if (!group_find_device(opener, group, only_name)) {
			return false;
		}
		device_name = only_name;
	}

	device->group_fd = oriel_vfio_opener_open(opener, path,
			"; no VFIO driver has the device, or the kernel lacks CONFIG_VFIO_GROUP");
	if (device->group_fd < 0 || !group_is_viable(opener, device->group_fd, path)) {
		return false;
	}
	device->container_fd = group_open_container(opener);
	if (device->container_fd < 0) {
		return false;
	}
	if (ioctl(device->group_fd, VFIO_GROUP_SET_CONTAINER, &device->container_fd) != 0) {
		oriel_vfio_opener_log(opener, "%s cannot be put into a container: %s", path,
				strerror(errno));
		return false;
	}
	if (!group_set_iommu(opener, device->container_fd)) {
		return false;
	}
	device->fd = ioctl(device->group_fd, VFIO_GROUP_GET_DEVICE_FD, device_name);
	if (device->fd < 0) {
		int error = errno;
		oriel_vfio_opener_log(opener, "cannot open device %s of %s: %s%s", device_name, path,
				strerror(error), error == ENODEV ? "; no VFIO driver has it" : "");
		return false;
	}
	group_find_sysfs_path(device, group, device_name);
	return true;
}
