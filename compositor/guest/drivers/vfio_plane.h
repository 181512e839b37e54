#ifndef ORIEL_GUEST_DRIVERS_VFIO_PLANE_H
#define ORIEL_GUEST_DRIVERS_VFIO_PLANE_H

#include <linux/vfio.h>
#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/buffer_cache.h"
#include "guest/complaints.h"
#include "guest/damage.h"
#include "guest/drivers/vfio_device.h"
#include "guest/drivers/vfio_region.h"
#include "guest/drivers/vfio_row.h"
#include "guest/frame.h"

struct oriel_source;

/*
 * One plane of a VFIO display: from what a query says of it to the picture that is to be submitted,
 * if it has changed.
 *
 *	dma-buf:	number --cache, or GET_GFX_DMABUF--> buffer --damage--> picture
 *	region:		region --copy of what has changed--> buffer ---------> picture
 */
struct oriel_vfio_plane {
	enum oriel_guest_plane plane;
	struct oriel_source *source; /* borrowed; asked what the consumer has and wants */
	struct oriel_complaints *complaints; /* borrowed */
	struct oriel_buffer_cache cache; /* by dmabuf_id */
	struct oriel_damage damage; /* of the cache's buffers */
	struct oriel_vfio_picture picture; /* of a region */
	struct oriel_vfio_row passing;
	struct {
		uint32_t id; /* or the region's index */
		struct oriel_guest_buffer_attributes attributes;
		uint64_t time_ns; /* 0: none */
	} refused; /* the last buffer that did not pass */
};

enum oriel_vfio_plane_look {
	ORIEL_VFIO_PLANE_LOOK_PENDING, /* it is not known yet */
	ORIEL_VFIO_PLANE_LOOK_FAILED, /* there is no picture to be had now */
	ORIEL_VFIO_PLANE_LOOK_REFUSED, /* the one there is cannot be shown */
	ORIEL_VFIO_PLANE_LOOK_SAME, /* nothing has changed since it was last submitted */
	ORIEL_VFIO_PLANE_LOOK_CHANGED, /* it is to be submitted */
};

void oriel_vfio_plane_init(struct oriel_vfio_plane *plane, enum oriel_guest_plane kind,
		struct oriel_source *source, struct oriel_complaints *complaints);
void oriel_vfio_plane_finish(struct oriel_vfio_plane *plane);

/* Lets go of all that is the device's. Buffers that are still read live on by their locks. */
void oriel_vfio_plane_clear(struct oriel_vfio_plane *plane);

/* True if the plane is switched off. */
bool oriel_vfio_plane_is_off(const struct vfio_device_gfx_plane_info *info);

/*
 * Looks at the picture that info tells of, which is what the device, whose display is a
 * dma-buf or a region, has just answered for this plane. With CHANGED, *ret_buffer is the picture,
 * borrowed, and *ret_damage what differs in it, or NULL; both are valid until the next call. If it
 * is not submitted after all, oriel_vfio_plane_forget() follows.
 */
enum oriel_vfio_plane_look oriel_vfio_plane_look(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device, enum oriel_vfio_display display,
		const struct vfio_device_gfx_plane_info *info, uint64_t now_ns,
		struct oriel_guest_buffer **ret_buffer, const pixman_region32_t **ret_damage);

/* The next look finds everything changed. */
void oriel_vfio_plane_forget(struct oriel_vfio_plane *plane);

#endif
