#ifndef ORIEL_VFIO_DEVICE_H
#define ORIEL_VFIO_DEVICE_H

#include <stdbool.h>

/* A VFIO device, opened for a virtual machine monitor that is to bind it. */
struct device {
	int fd; /* CLOEXEC; not bound to an iommufd yet */
	int iommufd_fd; /* CLOEXEC */
	char *path; /* of the character device */
	char *sysfs_path; /* of the device behind it */
	const char *sysfs_name; /* the last part of that: an mdev's UUID, a PCI device's address */
	const char *node_name; /* the last part of path: vfioN */
};

/*
 * Opens where: /dev/vfio/devices/vfioN, an mdev's UUID, or the path in /sys of a device that a VFIO
 * driver has. False after one line on stderr; device needs no finish then.
 */
bool device_open(struct device *device, const char *where);

/*
 * Whether the device can be bound: an open file does not tell whether another program has it. It is
 * opened once more for that, so call it while nobody has bound fd. False after one line on stderr.
 */
bool device_check_free(const struct device *device);

void device_finish(struct device *device);

#endif
