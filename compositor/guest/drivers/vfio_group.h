#ifndef ORIEL_GUEST_DRIVERS_VFIO_GROUP_H
#define ORIEL_GUEST_DRIVERS_VFIO_GROUP_H

#include <stdbool.h>

struct oriel_vfio_device;
struct oriel_vfio_opener;

/*
 * Opens a device the legacy way, through its IOMMU group. group is the group's number, as in
 * /dev/vfio/N; device_name is the device's, as sysfs has it, or NULL for the only one of the group.
 *
 * False after logging one line. What was opened until then is in device, which the caller closes.
 */
bool oriel_vfio_group_open(const struct oriel_vfio_opener *opener, const char *group,
		const char *device_name, struct oriel_vfio_device *device);

#endif
