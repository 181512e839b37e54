#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include <syncbridge/dmabuf.h>

#include "fd.h"
#include "guest/buffer.h"
#include "guest/buffer_cache.h"
#include "guest/clock.h"
#include "guest/drivers/vfio_device.h"
#include "guest/drivers/vfio_edid.h"
#include "guest/drivers/vfio_open.h"
#include "guest/source_impl.h"
#include "guest/validate.h"

/*
 * The display of a VFIO device (a vGPU, mostly an mdev), taken as dma-bufs. The interface is that
 * of linux/vfio.h: VFIO_DEVICE_QUERY_GFX_PLANE tells what the primary plane shows now, with a
 * number for its buffer, and VFIO_DEVICE_GET_GFX_DMABUF turns a number that is new into a dma-buf.
 * It has no events, no damage and no fences, so every poll is a query and every picture found is
 * submitted, also that of an unchanged number.
 *
 *              a picture                off
 *   WAITING ---------------> RUNNING <---------> OFF
 *      |                        |                 |
 *      +------------------------+-----------------+--> LOST
 *
 * A handed-over file waits until it is bound, too. LOST is a device that was removed, that has
 * answered nothing but errors of a dead one for GONE_NS, or that turns out, once bound, to be no
 * display.
 *
 * Everything else that can fail leaves the state, and so the last picture, as it is, and is tried
 * again with the next poll: a guest that sets a mode, or flips while we look, fails queries as a
 * matter of course. Some drivers pass on to us what the guest got wrong (kvmgt: -EFAULT for a
 * plane at an odd address), so an error is no reason to give up on a guest.
 */

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)

/* A device is given up when it has seemed dead for this long, and this many polls. */
#define GONE_NS SEC_NS
#define GONE_POLLS 10
/* How often is looked whether the device was removed. */
#define PRESENCE_NS SEC_NS
/* A failure that usually passes by the next poll is told of when it has lasted this long, and this
 * many polls. */
#define PASSING_NS SEC_NS
#define PASSING_POLLS 10
/* A buffer that was refused is not asked for again within this time. */
#define REFUSED_NS SEC_NS

/*
 * A complaint is logged when it is not the one that was logged last, or when that one had not
 * occurred for a while. What a guest can cause so are COMPLAINT_BURST lines, and then one in
 * COMPLAINT_REFILL_NS.
 */
#define COMPLAINT_QUIET_NS (60 * SEC_NS)
#define COMPLAINT_BURST 8
#define COMPLAINT_REFILL_NS (10 * SEC_NS)
#define COMPLAINT_SIZE 256

struct vfio_complaints {
	char last[COMPLAINT_SIZE]; /* as logged last */
	uint64_t last_ns; /* when that last occurred */
	unsigned int left; /* lines that may be logged now */
	uint64_t refilled_ns;
	unsigned int held_back; /* since the last line */
};

struct vfio {
	struct oriel_source base;
	struct oriel_vfio_device device; /* closed once LOST */
	struct oriel_vfio_edid edid; /* attached while probed */
	struct oriel_buffer_cache cache; /* by dmabuf_id */
	bool probed; /* it is known to be a display with dma-bufs */
	uint64_t present_ns; /* when the device was last seen in the system */
	/* When a row of polls that failed so began. */
	uint64_t gone_since_ns; /* while gone_polls > 0 */
	unsigned int gone_polls;
	uint64_t passing_since_ns; /* while passing_polls > 0 */
	unsigned int passing_polls;
	struct {
		uint32_t id;
		struct oriel_guest_buffer_attributes attributes;
		uint64_t time_ns; /* 0: none */
	} refused; /* the last buffer that did not pass */
	struct vfio_complaints complaints;
};

static const struct oriel_source_ops vfio_ops;

static struct vfio *vfio_from_source(struct oriel_source *source) {
	assert(source->ops == &vfio_ops);
	struct vfio *vfio = wl_container_of(source, vfio, base);
	return vfio;
}

/* Text is "guest NAME: " and this. */
static void vfio_complain(struct vfio *vfio, uint64_t now_ns, const char *format, ...)
		__attribute__((format(printf, 3, 4)));

static void vfio_complain(struct vfio *vfio, uint64_t now_ns, const char *format, ...) {
	struct vfio_complaints *complaints = &vfio->complaints;
	char text[COMPLAINT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	if (strcmp(text, complaints->last) == 0 && now_ns - complaints->last_ns < COMPLAINT_QUIET_NS) {
		complaints->last_ns = now_ns;
		return;
	}

	uint64_t refills = (now_ns - complaints->refilled_ns) / COMPLAINT_REFILL_NS;
	if (refills > 0) {
		complaints->refilled_ns += refills * COMPLAINT_REFILL_NS;
		complaints->left = refills < COMPLAINT_BURST - complaints->left
				? complaints->left + (unsigned int)refills
				: COMPLAINT_BURST;
	}
	/* One that is held back is not remembered: if it stays, it is logged in the end. */
	if (complaints->left == 0) {
		complaints->held_back++;
		return;
	}
	complaints->left--;
	memcpy(complaints->last, text, sizeof(text));
	complaints->last_ns = now_ns;

	const char *name = oriel_source_get_name(&vfio->base);
	if (complaints->held_back > 0) {
		wlr_log(WLR_ERROR, "guest %s: %s (%u such lines held back)", name, text,
				complaints->held_back);
		complaints->held_back = 0;
	} else {
		wlr_log(WLR_ERROR, "guest %s: %s", name, text);
	}
}

static void vfio_lose(struct vfio *vfio) {
	/* The kernel holds up the removal of a device for as long as its files are open. The
	 * buffers that are still read stay, by their locks. */
	oriel_buffer_cache_clear(&vfio->cache);
	oriel_vfio_edid_detach(&vfio->edid);
	oriel_vfio_device_finish(&vfio->device);
	oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_LOST);
}

/* Failures that go by themselves, unless they last: then one line says so. */
static void vfio_fail_passing(struct vfio *vfio, uint64_t now_ns, const char *what, int error) {
	if (vfio->passing_polls++ == 0) {
		vfio->passing_since_ns = now_ns;
	}
	if (vfio->passing_polls >= PASSING_POLLS && now_ns - vfio->passing_since_ns >= PASSING_NS) {
		vfio_complain(vfio, now_ns, "%s: %s", what, strerror(-error));
	}
}

static void vfio_fail_query(struct vfio *vfio, uint64_t now_ns, int error) {
	static const char what[] = "vfio: its display cannot be queried";
	switch (error) {
	case -ENODEV:
	case -ENXIO:
	case -EIO:
	case -ENOTTY:
		if (vfio->gone_polls++ == 0) {
			vfio->gone_since_ns = now_ns;
		}
		if (vfio->gone_polls >= GONE_POLLS && now_ns - vfio->gone_since_ns >= GONE_NS) {
			wlr_log(WLR_ERROR, "guest %s: %s, the device is gone: %s",
					oriel_source_get_name(&vfio->base), what, strerror(-error));
			vfio_lose(vfio);
		}
		return;
	case -ENOMEM:
	case -EAGAIN:
	case -EINTR:
		vfio->gone_polls = 0;
		vfio_fail_passing(vfio, now_ns, what, error);
		return;
	default:
		vfio->gone_polls = 0;
		vfio_complain(vfio, now_ns, "%s: %s", what, strerror(-error));
		return;
	}
}

static void vfio_log_display(const char *name, enum oriel_vfio_display display) {
	wlr_log(WLR_ERROR, "guest %s: vfio: the device %s", name,
			display == ORIEL_VFIO_DISPLAY_REGION
					? "gives its display as a region only, which is not supported yet"
					: "has no display");
}

/* True once the device is known to be a display with dma-bufs. */
static bool vfio_probe(struct vfio *vfio, uint64_t now_ns) {
	if (vfio->probed) {
		return true;
	}
	enum oriel_vfio_display display;
	int ret = oriel_vfio_device_probe(&vfio->device, &display);
	if (ret != 0) {
		vfio_fail_query(vfio, now_ns, ret);
		return false;
	}
	vfio->gone_polls = 0;
	switch (display) {
	case ORIEL_VFIO_DISPLAY_DMABUF:
		vfio->probed = true;
		oriel_vfio_edid_attach(&vfio->edid, &vfio->device);
		return true;
	case ORIEL_VFIO_DISPLAY_UNBOUND:
		return false;
	case ORIEL_VFIO_DISPLAY_REGION:
	case ORIEL_VFIO_DISPLAY_NONE:
		break;
	}
	vfio_log_display(oriel_source_get_name(&vfio->base), display);
	vfio_lose(vfio);
	return false;
}

static int int_from_u32(uint32_t value) {
	return value <= INT_MAX ? (int)value : INT_MAX;
}

static struct oriel_guest_buffer_attributes attributes_from_plane(
		const struct vfio_device_gfx_plane_info *plane) {
	return (struct oriel_guest_buffer_attributes){
		.width = int_from_u32(plane->width),
		.height = int_from_u32(plane->height),
		.format = oriel_validate_get_opaque_format(plane->drm_format),
		.modifier = plane->drm_format_mod,
		.stride_bytes = plane->stride,
	};
}

static bool vfio_was_refused(const struct vfio *vfio, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes) {
	const struct oriel_guest_buffer_attributes *refused = &vfio->refused.attributes;
	return vfio->refused.time_ns != 0 && now_ns - vfio->refused.time_ns < REFUSED_NS &&
			vfio->refused.id == id && refused->width == attributes->width &&
			refused->height == attributes->height &&
			refused->format == attributes->format &&
			refused->modifier == attributes->modifier &&
			refused->stride_bytes == attributes->stride_bytes;
}

/* The buffer of a number that the cache does not have, borrowed from the cache, or NULL. */
static struct oriel_guest_buffer *vfio_open_buffer(struct vfio *vfio, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes) {
	static const char what[] = "vfio: its display's buffer cannot be opened";
	int dmabuf_fd;
	int ret = oriel_vfio_device_get_dmabuf(&vfio->device, id, &dmabuf_fd);
	switch (ret) {
	case 0:
		break;
	case -EINVAL: /* the guest has flipped on since the query */
	case -ENOENT: /* so says mbochs */
	case -EAGAIN:
	case -EINTR:
		vfio_fail_passing(vfio, now_ns, what, ret);
		return NULL;
	default:
		vfio_complain(vfio, now_ns, "%s: %s", what, strerror(-ret));
		return NULL;
	}
	vfio->passing_polls = 0;

	uint64_t size_bytes;
	ret = sb_dmabuf_get_size(dmabuf_fd, &size_bytes);
	if (ret != 0) {
		vfio_complain(vfio, now_ns, "%s: %s", what, strerror(-ret));
		sb_fd_clear(&dmabuf_fd);
		return NULL;
	}
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	if (!oriel_validate_buffer(attributes, size_bytes, message)) {
		vfio_complain(vfio, now_ns, "vfio: %s", message);
		vfio->refused.id = id;
		vfio->refused.attributes = *attributes;
		vfio->refused.time_ns = now_ns;
		sb_fd_clear(&dmabuf_fd);
		return NULL;
	}

	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(attributes, ORIEL_GUEST_MEMORY_DMABUF, dmabuf_fd);
	if (buffer == NULL || !oriel_buffer_cache_put(&vfio->cache, id, buffer, size_bytes)) {
		vfio_complain(vfio, now_ns, "%s: %s", what, strerror(ENOMEM));
		return NULL;
	}
	return buffer;
}

static void vfio_handle_poll(struct oriel_source *source) {
	struct vfio *vfio = vfio_from_source(source);
	if (oriel_source_get_state(source) == ORIEL_SOURCE_STATE_LOST) {
		return;
	}
	uint64_t now_ns = oriel_clock_now_ns();

	if (now_ns - vfio->present_ns >= PRESENCE_NS) {
		if (!oriel_vfio_device_is_present(&vfio->device)) {
			wlr_log(WLR_ERROR, "guest %s: vfio: the device was removed",
					oriel_source_get_name(source));
			vfio_lose(vfio);
			return;
		}
		vfio->present_ns = now_ns;
	}
	if (!vfio_probe(vfio, now_ns)) {
		return;
	}

	struct vfio_device_gfx_plane_info plane;
	int ret = oriel_vfio_device_query_plane(&vfio->device, ORIEL_GUEST_PLANE_PRIMARY,
			ORIEL_VFIO_DISPLAY_DMABUF, &plane);
	if (ret == -ENOMEM) {
		/* mbochs makes the buffer of a mode or page that is new to it, and fails all the
		 * same; asked again it finds the buffer. */
		ret = oriel_vfio_device_query_plane(&vfio->device, ORIEL_GUEST_PLANE_PRIMARY,
				ORIEL_VFIO_DISPLAY_DMABUF, &plane);
	}
	if (ret != 0) {
		vfio_fail_query(vfio, now_ns, ret);
		return;
	}
	vfio->gone_polls = 0;

	if (plane.drm_format == 0 || plane.size == 0 || plane.width == 0 || plane.height == 0) {
		vfio->passing_polls = 0;
		oriel_source_set_state(source, ORIEL_SOURCE_STATE_OFF);
		return;
	}

	/* A number stays with its buffer while a file of that is open, as the cache's is: it can
	 * come to mean another one only after we have forgotten it. */
	struct oriel_guest_buffer_attributes attributes = attributes_from_plane(&plane);
	struct oriel_guest_buffer *buffer =
			oriel_buffer_cache_get(&vfio->cache, plane.dmabuf_id, &attributes);
	if (buffer != NULL || vfio_was_refused(vfio, now_ns, plane.dmabuf_id, &attributes)) {
		vfio->passing_polls = 0;
	} else {
		buffer = vfio_open_buffer(vfio, now_ns, plane.dmabuf_id, &attributes);
	}
	if (buffer == NULL) {
		return;
	}
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_RUNNING);
	const struct oriel_source_picture picture = { .buffer = buffer };
	oriel_source_submit(source, &picture);
}

static void vfio_handle_set_monitor(
		struct oriel_source *source, const struct oriel_guest_monitor *monitor) {
	oriel_vfio_edid_set_monitor(&vfio_from_source(source)->edid, monitor);
}

static void vfio_handle_destroy(struct oriel_source *source) {
	struct vfio *vfio = vfio_from_source(source);
	oriel_vfio_edid_finish(&vfio->edid);
	oriel_source_finish(source);
	oriel_buffer_cache_finish(&vfio->cache);
	oriel_vfio_device_finish(&vfio->device);
	free(vfio);
}

static const struct oriel_source_ops vfio_ops = {
	.poll = vfio_handle_poll,
	.set_monitor = vfio_handle_set_monitor,
	.destroy = vfio_handle_destroy,
};

static struct oriel_source *vfio_create(struct wl_event_loop *loop, const char *name,
		const char *where, const struct oriel_source_options *options) {
	struct vfio *vfio = calloc(1, sizeof(*vfio));
	if (vfio == NULL) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		return NULL;
	}
	if (!oriel_vfio_device_init(&vfio->device, name, where)) {
		goto error_vfio;
	}

	enum oriel_vfio_display display;
	int ret = oriel_vfio_device_probe(&vfio->device, &display);
	if (ret != 0) {
		wlr_log(WLR_ERROR, "guest %s: vfio: the device cannot be asked for a display: %s",
				name, strerror(-ret));
		goto error_device;
	}
	switch (display) {
	case ORIEL_VFIO_DISPLAY_DMABUF:
		vfio->probed = true;
		break;
	case ORIEL_VFIO_DISPLAY_UNBOUND:
		break;
	case ORIEL_VFIO_DISPLAY_REGION:
	case ORIEL_VFIO_DISPLAY_NONE:
		vfio_log_display(name, display);
		goto error_device;
	}

	if (!oriel_source_init(&vfio->base, &vfio_ops, name)) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		goto error_device;
	}
	oriel_buffer_cache_init(&vfio->cache);
	uint64_t now_ns = oriel_clock_now_ns();
	vfio->present_ns = now_ns;
	vfio->complaints.left = COMPLAINT_BURST;
	vfio->complaints.refilled_ns = now_ns;
	oriel_vfio_edid_init(&vfio->edid, loop, oriel_source_get_name(&vfio->base), options);
	if (vfio->probed) {
		oriel_vfio_edid_attach(&vfio->edid, &vfio->device);
	}
	return &vfio->base;

error_device:
	oriel_vfio_device_finish(&vfio->device);
error_vfio:
	free(vfio);
	return NULL;
}

const struct oriel_source_driver oriel_vfio_driver = {
	.name = "vfio",
	.create = vfio_create,
};
