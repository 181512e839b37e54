#ifndef ORIEL_GUEST_DRIVERS_VFIO_DEVICE_H
#define ORIEL_GUEST_DRIVERS_VFIO_DEVICE_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/frame.h"

/*
 * An open VFIO device, as far as a display needs one. Nothing here blocks for longer than the
 * device's own driver takes to answer.
 *
 * A device opened by path is bound to an iommufd by us, since the kernel answers nothing before
 * (linux/vfio.h: VFIO_DEVICE_BIND_IOMMUFD, Linux 6.6), and opens only once: nobody else can have
 * it. One opened through its group has that, in a container of ours, in place of the iommufd. A file
 * handed over belongs to a VMM as well, which binds it when it starts.
 */
struct oriel_vfio_device {
	int fd; /* -1 when closed */
	int iommufd_fd; /* -1 if the device is not bound by us */
	int group_fd, container_fd; /* -1 if it was not opened through its group by us */
	/* Of the device that the open file is of, which goes with it; empty: not known. */
	char sysfs_path[320];
};

enum oriel_vfio_display {
	ORIEL_VFIO_DISPLAY_DMABUF, /* its planes are dma-bufs */
	ORIEL_VFIO_DISPLAY_REGION, /* its planes can only be copied from a region */
	ORIEL_VFIO_DISPLAY_NONE, /* it is a device of another kind */
	ORIEL_VFIO_DISPLAY_UNBOUND, /* not known before somebody binds the handed-over file */
};

/* A part of the device's file, to be read, written or mapped at its offset there. */
struct oriel_vfio_region {
	uint32_t index;
	uint64_t offset_bytes, size_bytes; /* their sum is no more than INT64_MAX; size 0: not there */
	bool can_read, can_write;
	bool can_mmap; /* as a whole: not if parts of it are left out */
	uint32_t type, subtype; /* 0, 0: it has none */
};

/* Makes one that is closed. How it is opened: vfio_open.h. */
void oriel_vfio_device_init_closed(struct oriel_vfio_device *device);

/* Closes the device. May be called again. */
void oriel_vfio_device_finish(struct oriel_vfio_device *device);

/*
 * Asks what display the device has, if any. 0, or what VFIO_DEVICE_QUERY_GFX_PLANE failed with,
 * as -errno, where that says nothing about the kind of device.
 */
int oriel_vfio_device_probe(
		const struct oriel_vfio_device *device, enum oriel_vfio_display *ret_display);

/*
 * False once the device has been taken out of the system (an mdev removed, a driver unbound).
 * An open file does not tell: it answers as before, and the removal waits in the kernel until it
 * is closed (vfio_unregister_group_dev()). True where this cannot be known: of a file of the group
 * that was handed over, and of any before Linux 6.6, where sysfs keeps the device until then.
 */
bool oriel_vfio_device_is_present(const struct oriel_vfio_device *device);

/*
 * VFIO_DEVICE_QUERY_GFX_PLANE for a plane of a device whose display is that: dma-buf or region. 0 or
 * -errno. A plane that is switched off is a success with drm_format, size, width and height 0.
 */
int oriel_vfio_device_query_plane(const struct oriel_vfio_device *device,
		enum oriel_guest_plane plane, enum oriel_vfio_display display,
		struct vfio_device_gfx_plane_info *ret_plane);

/*
 * VFIO_DEVICE_GET_GFX_DMABUF. The fd is the caller's, and CLOEXEC. 0 or -errno: -EINVAL or -ENOENT
 * (mbochs) if the guest has given up the buffer since it was queried.
 */
int oriel_vfio_device_get_dmabuf(
		const struct oriel_vfio_device *device, uint32_t dmabuf_id, int *ret_fd);

/*
 * VFIO_DEVICE_GET_REGION_INFO. 0 or -errno: -EINVAL if there is no such region, -EPROTO for an
 * answer that no file can have.
 */
int oriel_vfio_device_get_region(const struct oriel_vfio_device *device, uint32_t index,
		struct oriel_vfio_region *ret_region);

/*
 * The first region of that type (VFIO_REGION_TYPE_*) and subtype that is not empty. 0 or -errno:
 * -ENOENT if the device has none.
 */
int oriel_vfio_device_find_region(const struct oriel_vfio_device *device, uint32_t type,
		uint32_t subtype, struct oriel_vfio_region *ret_region);

#endif
