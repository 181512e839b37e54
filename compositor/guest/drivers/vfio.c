#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/drivers/vfio_device.h"
#include "guest/drivers/vfio_edid.h"
#include "guest/drivers/vfio_open.h"
#include "guest/drivers/vfio_plane.h"
#include "guest/source_impl.h"

/*
 * The display of a VFIO device (a vGPU, mostly an mdev). The interface is that of linux/vfio.h:
 * VFIO_DEVICE_QUERY_GFX_PLANE tells what a plane shows now: a dma-buf, by a number that
 * VFIO_DEVICE_GET_GFX_DMABUF turns into one, or a region of the device's memory. It has no events, no
 * damage and no fences, so every poll is a query and a look at what has changed (vfio_plane.h).
 *
 *                a picture                off
 *     WAITING ---------------> RUNNING <---------> OFF
 *        |                      ^ |                 |
 *        +----------------------|-+-----------------+--> LOST
 *                     a picture |                         |
 *                               +------- RESTARTED <------+
 *                                            it is back
 *
 * A handed-over file waits until it is bound, too. LOST is a device that was removed, that has
 * answered nothing but errors of a dead one for a while, that turns out, once bound, to be no
 * display, or whose machine has ended. A device that is known by a name is looked for from then on;
 * one that was handed over is back when it is handed over again.
 *
 * Everything else that can fail is tried again with the next poll, and leaves the last picture as
 * it is: a guest that sets a mode, or flips while we look, fails queries as a matter of course. Some
 * drivers pass on to us what the guest got wrong (kvmgt: -EFAULT for a plane at an odd address), so
 * an error is no reason to give up on a guest. If it stays, the state is ERROR until there is a
 * picture, or the display is off. The cursor plane is a courtesy: whatever becomes of it, the primary
 * plane goes on. It is asked for only while there may be a picture below it: the consumer lets go of
 * both planes when a display is off for long, and what it has let go is submitted again.
 */

#define SEC_NS UINT64_C(1000000000)

/* How often is looked whether the device was removed. */
#define PRESENCE_NS SEC_NS

/* Instead of a device: the one that will be handed over. */
#define WHERE_HANDOVER "handover"

struct vfio {
	struct oriel_source base;
	char *where; /* the device's name, to find it again; NULL for one that was handed over */
	bool takes_handover;
	struct oriel_vfio_device device; /* closed while LOST, and before the first hand-over */
	enum oriel_vfio_display display; /* UNBOUND until it is known */
	struct oriel_vfio_edid edid; /* attached while it is */
	struct oriel_complaints complaints;
	uint64_t present_ns; /* when the device was last seen in the system */
	struct oriel_vfio_row gone; /* queries answered as by a device that is gone */
	struct oriel_vfio_row passing; /* queries that fail in a way that passes */
	struct oriel_vfio_row useless; /* polls that bring no picture */
	struct oriel_vfio_plane primary;

	struct oriel_vfio_plane cursor_plane;
	bool cursor_answers; /* the device has answered a query for it */
	bool cursor_is_missing; /* it never will */
	bool cursor_is_shown; /* the consumer was told of cursor */
	struct oriel_guest_cursor cursor;
	struct oriel_vfio_row cursor_passing;
};

static const struct oriel_source_ops vfio_ops;

static struct vfio *vfio_from_source(struct oriel_source *source) {
	assert(source->ops == &vfio_ops);
	struct vfio *vfio = wl_container_of(source, vfio, base);
	return vfio;
}

static void vfio_hide_cursor(struct vfio *vfio) {
	if (vfio->cursor_is_shown) {
		vfio->cursor_is_shown = false;
		oriel_source_set_cursor(&vfio->base, NULL);
	}
}

/* What there is to know of a device that was just opened is not known yet. */
static void vfio_begin_device(struct vfio *vfio, uint64_t now_ns) {
	vfio->display = ORIEL_VFIO_DISPLAY_UNBOUND;
	vfio->present_ns = now_ns;
	oriel_vfio_row_end(&vfio->gone);
	oriel_vfio_row_end(&vfio->passing);
	oriel_vfio_row_end(&vfio->useless);
	vfio->cursor_answers = false;
	vfio->cursor_is_missing = false;
	oriel_vfio_row_end(&vfio->cursor_passing);
}

static void vfio_lose(struct vfio *vfio) {
	/* The kernel holds up the removal of a device for as long as its files are open. The
	 * buffers that are still read stay, by their locks. */
	oriel_vfio_plane_clear(&vfio->primary);
	oriel_vfio_plane_clear(&vfio->cursor_plane);
	oriel_vfio_edid_detach(&vfio->edid);
	oriel_vfio_device_finish(&vfio->device);
	vfio_hide_cursor(vfio);
	oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_LOST);
}

static bool error_means_gone(int error) {
	return error == -ENODEV || error == -ENXIO || error == -EIO || error == -ENOTTY;
}

/* A poll that brought no picture, of a display that is not off. */
static void vfio_fail_poll(struct vfio *vfio, uint64_t now_ns) {
	if (oriel_vfio_row_add(&vfio->useless, now_ns)) {
		oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_ERROR);
	}
}

static void vfio_fail_query(struct vfio *vfio, uint64_t now_ns, int error) {
	static const char what[] = "vfio: its display cannot be queried";
	if (error_means_gone(error)) {
		if (oriel_vfio_row_add(&vfio->gone, now_ns)) {
			oriel_complain(&vfio->complaints, now_ns, "%s, the device is gone: %s",
					what, strerror(-error));
			vfio_lose(vfio);
		}
		return;
	}
	oriel_vfio_row_end(&vfio->gone);
	vfio_fail_poll(vfio, now_ns);
	if (error == -ENOMEM || error == -EAGAIN || error == -EINTR) {
		oriel_vfio_row_complain(&vfio->passing, &vfio->complaints, now_ns, what, error);
	} else {
		oriel_complain(&vfio->complaints, now_ns, "%s: %s", what, strerror(-error));
	}
}

static bool display_is_known(enum oriel_vfio_display display) {
	return display == ORIEL_VFIO_DISPLAY_DMABUF || display == ORIEL_VFIO_DISPLAY_REGION;
}

/* True once the device is known to be a display. */
static bool vfio_probe(struct vfio *vfio, uint64_t now_ns) {
	if (display_is_known(vfio->display)) {
		return true;
	}
	int ret = oriel_vfio_device_probe(&vfio->device, &vfio->display);
	if (ret != 0) {
		vfio_fail_query(vfio, now_ns, ret);
		return false;
	}
	oriel_vfio_row_end(&vfio->gone);
	if (vfio->display == ORIEL_VFIO_DISPLAY_NONE) {
		oriel_complain(&vfio->complaints, now_ns, "vfio: the device has no display");
		vfio_lose(vfio);
	}
	if (!display_is_known(vfio->display)) {
		return false;
	}
	oriel_vfio_edid_attach(&vfio->edid, &vfio->device);
	return true;
}

static int vfio_query(const struct vfio *vfio, enum oriel_guest_plane plane,
		struct vfio_device_gfx_plane_info *ret_info) {
	int ret = oriel_vfio_device_query_plane(&vfio->device, plane, vfio->display, ret_info);
	if (ret == -ENOMEM) {
		/* mbochs makes the buffer of a mode or page that is new to it, and fails all the
		 * same; asked again it finds the buffer. */
		ret = oriel_vfio_device_query_plane(&vfio->device, plane, vfio->display, ret_info);
	}
	return ret;
}

/*
 * Looks for a device that was lost, and is back when it answers. It may be there before its file
 * is, or before that may be opened: whatever fails now is silent, and tried again.
 */
static bool vfio_find_again(struct vfio *vfio, uint64_t now_ns) {
	if (vfio->where == NULL) {
		return false;
	}
	const char *name = oriel_source_get_name(&vfio->base);
	if (!oriel_vfio_device_init_quietly(&vfio->device, name, vfio->where)) {
		return false;
	}
	vfio_begin_device(vfio, now_ns);
	struct vfio_device_gfx_plane_info info;
	if (oriel_vfio_device_probe(&vfio->device, &vfio->display) != 0 ||
			!display_is_known(vfio->display) ||
			error_means_gone(vfio_query(vfio, ORIEL_GUEST_PLANE_PRIMARY, &info))) {
		oriel_vfio_device_finish(&vfio->device);
		return false;
	}
	oriel_complain(&vfio->complaints, now_ns, "vfio: the device is back");
	oriel_vfio_edid_attach(&vfio->edid, &vfio->device);
	oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_RESTARTED);
	return true;
}

/* True if there is an open device. */
static bool vfio_has_device(struct vfio *vfio, uint64_t now_ns) {
	if (oriel_source_get_state(&vfio->base) == ORIEL_SOURCE_STATE_LOST) {
		return vfio_find_again(vfio, now_ns);
	}
	if (vfio->device.fd < 0) {
		return false;
	}
	if (now_ns - vfio->present_ns >= PRESENCE_NS) {
		if (!oriel_vfio_device_is_present(&vfio->device)) {
			oriel_complain(&vfio->complaints, now_ns, "vfio: the device was removed");
			vfio_lose(vfio);
			return false;
		}
		vfio->present_ns = now_ns;
	}
	return true;
}

static void vfio_poll_primary(struct vfio *vfio, uint64_t now_ns) {
	struct vfio_device_gfx_plane_info info;
	int ret = vfio_query(vfio, ORIEL_GUEST_PLANE_PRIMARY, &info);
	if (ret != 0) {
		vfio_fail_query(vfio, now_ns, ret);
		return;
	}
	oriel_vfio_row_end(&vfio->gone);
	oriel_vfio_row_end(&vfio->passing);
	if (oriel_vfio_plane_is_off(&info)) {
		oriel_vfio_row_end(&vfio->primary.passing);
		oriel_vfio_row_end(&vfio->useless);
		oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_OFF);
		return;
	}

	struct oriel_source_picture picture = { .plane = ORIEL_GUEST_PLANE_PRIMARY };
	enum oriel_vfio_plane_look look = oriel_vfio_plane_look(&vfio->primary, &vfio->device,
			vfio->display, &info, now_ns, &picture.buffer, &picture.damage);
	if (look == ORIEL_VFIO_PLANE_LOOK_FAILED || look == ORIEL_VFIO_PLANE_LOOK_REFUSED) {
		vfio_fail_poll(vfio, now_ns);
		return;
	}
	oriel_vfio_row_end(&vfio->useless);
	if (look == ORIEL_VFIO_PLANE_LOOK_PENDING) {
		return;
	}
	oriel_source_set_state(&vfio->base, ORIEL_SOURCE_STATE_RUNNING);
	if (look == ORIEL_VFIO_PLANE_LOOK_CHANGED && !oriel_source_submit(&vfio->base, &picture)) {
		oriel_vfio_plane_forget(&vfio->primary);
	}
}

/* The ABI's positions are signed, in fields that are not. */
static struct oriel_guest_cursor cursor_from_info(const struct vfio_device_gfx_plane_info *info) {
	struct oriel_guest_cursor cursor = {
		.x = (int32_t)info->x_pos,
		.y = (int32_t)info->y_pos,
	};
	/* UINT32_MAX stands for none. A spot beside the picture points at nothing. */
	if (info->x_hot < info->width && info->y_hot < info->height) {
		cursor.has_hotspot = true;
		cursor.hot_x = (int)info->x_hot;
		cursor.hot_y = (int)info->y_hot;
	}
	return cursor;
}

static bool cursors_equal(const struct oriel_guest_cursor *a, const struct oriel_guest_cursor *b) {
	return a->x == b->x && a->y == b->y && a->has_hotspot == b->has_hotspot &&
			a->hot_x == b->hot_x && a->hot_y == b->hot_y;
}

static void vfio_fail_cursor_query(struct vfio *vfio, uint64_t now_ns, int error) {
	if (!vfio->cursor_answers && (error == -EINVAL || error == -ENOTTY)) {
		vfio->cursor_is_missing = true;
		return;
	}
	oriel_vfio_row_complain(&vfio->cursor_passing, &vfio->complaints, now_ns,
			"vfio: its cursor cannot be queried", error);
}

static void vfio_show_cursor(
		struct vfio *vfio, uint64_t now_ns, const struct vfio_device_gfx_plane_info *info) {
	struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.cursor = cursor_from_info(info),
	};
	switch (oriel_vfio_plane_look(&vfio->cursor_plane, &vfio->device, vfio->display, info,
			now_ns, &picture.buffer, &picture.damage)) {
	case ORIEL_VFIO_PLANE_LOOK_PENDING:
	case ORIEL_VFIO_PLANE_LOOK_FAILED:
		return;
	case ORIEL_VFIO_PLANE_LOOK_REFUSED:
		vfio_hide_cursor(vfio);
		return;
	case ORIEL_VFIO_PLANE_LOOK_CHANGED:
		if (!oriel_source_submit(&vfio->base, &picture)) {
			oriel_vfio_plane_forget(&vfio->cursor_plane);
			return;
		}
		break;
	case ORIEL_VFIO_PLANE_LOOK_SAME:
		if (!vfio->cursor_is_shown || !cursors_equal(&vfio->cursor, &picture.cursor)) {
			oriel_source_set_cursor(&vfio->base, &picture.cursor);
		}
		break;
	}
	vfio->cursor_is_shown = true;
	vfio->cursor = picture.cursor;
}

/*
 * By dma-buf only. A display that is a region has its cursor in the picture: mdpy takes no notice
 * of what plane is asked for, and answers with the primary one.
 */
static void vfio_poll_cursor(struct vfio *vfio, uint64_t now_ns) {
	if (vfio->display != ORIEL_VFIO_DISPLAY_DMABUF || vfio->cursor_is_missing) {
		return;
	}
	struct vfio_device_gfx_plane_info info;
	int ret = vfio_query(vfio, ORIEL_GUEST_PLANE_CURSOR, &info);
	if (ret != 0) {
		vfio_fail_cursor_query(vfio, now_ns, ret);
		return;
	}
	vfio->cursor_answers = true;
	oriel_vfio_row_end(&vfio->cursor_passing);
	if (oriel_vfio_plane_is_off(&info)) {
		vfio_hide_cursor(vfio);
	} else {
		vfio_show_cursor(vfio, now_ns, &info);
	}
}

static void vfio_handle_poll(struct oriel_source *source) {
	struct vfio *vfio = vfio_from_source(source);
	uint64_t now_ns = oriel_clock_now_ns();
	if (!vfio_has_device(vfio, now_ns) || !vfio_probe(vfio, now_ns)) {
		return;
	}
	vfio_poll_primary(vfio, now_ns);
	enum oriel_source_state state = oriel_source_get_state(source);
	if (state == ORIEL_SOURCE_STATE_RUNNING || state == ORIEL_SOURCE_STATE_ERROR) {
		vfio_poll_cursor(vfio, now_ns);
	}
}

static void vfio_handle_set_monitor(
		struct oriel_source *source, const struct oriel_guest_monitor *monitor) {
	/* Without one, the guest keeps what it has. */
	if (monitor != NULL) {
		oriel_vfio_edid_set_monitor(&vfio_from_source(source)->edid, monitor);
	}
}

static bool vfio_handle_adopt(
		struct oriel_source *source, enum oriel_source_handover handover, int take_fd) {
	if (handover != ORIEL_SOURCE_HANDOVER_VFIO_DEVICE) {
		wlr_log(WLR_ERROR, "guest %s: vfio: takes a device, and no connection to QEMU",
				oriel_source_get_name(source));
		sb_fd_clear(&take_fd);
		return false;
	}
	struct vfio *vfio = vfio_from_source(source);
	const char *name = oriel_source_get_name(source);
	bool is_lost = oriel_source_get_state(source) == ORIEL_SOURCE_STATE_LOST;
	if (!vfio->takes_handover) {
		wlr_log(WLR_ERROR,
				"guest %s: vfio: a device is handed over, but its source is not '%s'",
				name, "vfio " WHERE_HANDOVER);
		goto error;
	}
	if (vfio->device.fd >= 0) {
		wlr_log(WLR_ERROR, "guest %s: vfio: a device is handed over, but it has one", name);
		goto error;
	}
	if (!oriel_vfio_device_init_from_fd(&vfio->device, name, take_fd)) {
		return false;
	}
	vfio_begin_device(vfio, oriel_clock_now_ns());
	if (is_lost) {
		oriel_source_set_state(source, ORIEL_SOURCE_STATE_RESTARTED);
	}
	return true;

error:
	sb_fd_clear(&take_fd);
	return false;
}

static void vfio_handle_end(struct oriel_source *source) {
	struct vfio *vfio = vfio_from_source(source);
	if (vfio->takes_handover && vfio->device.fd >= 0) {
		wlr_log(WLR_INFO, "guest %s: vfio: the machine has ended",
				oriel_source_get_name(source));
		vfio_lose(vfio);
	}
}

static void vfio_handle_destroy(struct oriel_source *source) {
	struct vfio *vfio = vfio_from_source(source);
	oriel_vfio_edid_finish(&vfio->edid);
	oriel_source_finish(source);
	oriel_vfio_plane_finish(&vfio->primary);
	oriel_vfio_plane_finish(&vfio->cursor_plane);
	oriel_vfio_device_finish(&vfio->device);
	free(vfio->where);
	free(vfio);
}

static const struct oriel_source_ops vfio_ops = {
	.poll = vfio_handle_poll,
	.set_monitor = vfio_handle_set_monitor,
	.adopt = vfio_handle_adopt,
	.end = vfio_handle_end,
	.destroy = vfio_handle_destroy,
};

/* Opens the device that where names. False after one log line; the device is then closed. */
static bool vfio_open(struct vfio *vfio, const char *name, const char *where) {
	if (!oriel_vfio_device_init(&vfio->device, name, where)) {
		return false;
	}
	int ret = oriel_vfio_device_probe(&vfio->device, &vfio->display);
	if (ret != 0) {
		wlr_log(WLR_ERROR, "guest %s: vfio: the device cannot be asked for a display: %s",
				name, strerror(-ret));
		goto error_device;
	}
	if (vfio->display == ORIEL_VFIO_DISPLAY_NONE) {
		wlr_log(WLR_ERROR, "guest %s: vfio: the device has no display", name);
		goto error_device;
	}
	return true;

error_device:
	oriel_vfio_device_finish(&vfio->device);
	return false;
}

static struct oriel_source *vfio_create(struct wl_event_loop *loop, const char *name,
		const char *where, const struct oriel_source_options *options) {
	struct vfio *vfio = calloc(1, sizeof(*vfio));
	if (vfio == NULL) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		return NULL;
	}
	oriel_vfio_device_init_closed(&vfio->device);
	vfio->takes_handover = where != NULL && strcmp(where, WHERE_HANDOVER) == 0;
	uint64_t now_ns = oriel_clock_now_ns();
	vfio_begin_device(vfio, now_ns);
	if (!vfio->takes_handover && !vfio_open(vfio, name, where)) {
		goto error_vfio;
	}
	if (!vfio->takes_handover && strncmp(where, "fd:", strlen("fd:")) != 0) {
		vfio->where = strdup(where);
		if (vfio->where == NULL) {
			goto error_memory;
		}
	}
	if (!oriel_source_init(&vfio->base, &vfio_ops, name)) {
		goto error_memory;
	}
	oriel_complaints_init(&vfio->complaints, oriel_source_get_name(&vfio->base), now_ns);
	oriel_vfio_plane_init(
			&vfio->primary, ORIEL_GUEST_PLANE_PRIMARY, &vfio->base, &vfio->complaints);
	oriel_vfio_plane_init(&vfio->cursor_plane, ORIEL_GUEST_PLANE_CURSOR, &vfio->base,
			&vfio->complaints);
	oriel_vfio_edid_init(&vfio->edid, loop, oriel_source_get_name(&vfio->base), options);
	if (display_is_known(vfio->display)) {
		oriel_vfio_edid_attach(&vfio->edid, &vfio->device);
	}
	return &vfio->base;

error_memory:
	wlr_log(WLR_ERROR, "guest %s: out of memory", name);
	oriel_vfio_device_finish(&vfio->device);
	free(vfio->where);
error_vfio:
	free(vfio);
	return NULL;
}

const struct oriel_source_driver oriel_vfio_driver = {
	.name = "vfio",
	.create = vfio_create,
};
