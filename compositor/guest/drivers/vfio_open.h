#ifndef ORIEL_GUEST_DRIVERS_VFIO_OPEN_H
#define ORIEL_GUEST_DRIVERS_VFIO_OPEN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <wlr/util/log.h>

struct oriel_vfio_device;

/*
 * The ways to a VFIO device.
 *
 *   where                            found by                      opened as
 *
 *   fd:N                             -------------------------->   the file handed over
 *   /dev/vfio/devices/vfioN          -------------------------+
 *                                                             +->  character device and iommufd
 *   UUID, /sys/...   vfio-dev/vfioN, with a character device -+
 *                    else iommu_group ------------------------+
 *                                                             +->  container, group and device
 *   /dev/vfio/N      the only device in the group ------------+    (vfio_group)
 *
 * A character device is what Linux has since 6.6, where it was built for that; the group is what
 * all have had before, and needs no iommufd. What a path leads to is told by sysfs from its number,
 * before it is opened: to other devices even that might mean something. A device without an IOMMU
 * (VFIO's no-IOMMU mode) is never opened: its guest could reach all of the host's memory.
 */

/*
 * Opens where: the path of a character device or of a group that has one device, an mdev's UUID,
 * the path in /sys of a device that a VFIO driver has, or "fd:N" for an open file of this process.
 *
 * Of fd:N a duplicate is kept, N itself stays open and becomes CLOEXEC: what oriel starts has no
 * business with a VM's device.
 *
 * Returns false after logging one line that names the guest; the device is then closed.
 */
bool oriel_vfio_device_init(
		struct oriel_vfio_device *device, const char *guest_name, const char *where);

/* The same, for who tries until a device is back: what fails is logged for debugging only. */
bool oriel_vfio_device_init_quietly(
		struct oriel_vfio_device *device, const char *guest_name, const char *where);

/* The same for a file that was handed over by other means than a number. */
bool oriel_vfio_device_init_from_fd(
		struct oriel_vfio_device *device, const char *guest_name, int take_fd);

/*
 * What follows is for the ways in themselves.
 */

/* For whom a device is opened, and how loudly that fails. */
struct oriel_vfio_opener {
	const char *guest_name;
	enum wlr_log_importance importance;
};

/* Logs "guest NAME: vfio: " and the text, as one line. */
void oriel_vfio_opener_log(const struct oriel_vfio_opener *opener, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

/* A new fd, CLOEXEC, or -1 after logging. hint continues the line if the file is not there. */
int oriel_vfio_opener_open(
		const struct oriel_vfio_opener *opener, const char *path, const char *hint);

/* Says that what is not opened, since there is no IOMMU. */
void oriel_vfio_opener_refuse_no_iommu(const struct oriel_vfio_opener *opener, const char *what);

typedef char oriel_vfio_name[NAME_MAX + 1];

/* The first names in a directory, in no order. How many (at most max), or -errno. */
int oriel_vfio_read_names(const char *path, oriel_vfio_name *ret_names, size_t max);

#endif
