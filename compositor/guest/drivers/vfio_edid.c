#include "guest/drivers/vfio_edid.h"

#include <assert.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/util/log.h>

/* How long a row of changes must have been over. */
#define SETTLE_MS 150
/* How long the link is down, so that a guest that looks from time to time sees it. */
#define LINK_DOWN_MS 100

/* An EDID counts its blocks after the first one in a byte. */
#define BLOB_SIZE_MAX (256 * ORIEL_EDID_BLOCK_SIZE)

#define FIELD(name) offsetof(struct vfio_region_gfx_edid, name)

/* Says the first failure with a device: the others would follow each change. */
static void edid_complain(struct oriel_vfio_edid *edid, const char *what, int error) {
	if (!edid->has_complained) {
		edid->has_complained = true;
		wlr_log(WLR_ERROR, "guest %s: vfio: %s%s%s", edid->guest_name, what,
				error != 0 ? ": " : "", error != 0 ? strerror(-error) : "");
	}
}

static void edid_fail(struct oriel_vfio_edid *edid, const char *what, int error) {
	edid->has_failed = true;
	edid_complain(edid, what, error);
}

/*
 * The region is read and written by 4 bytes, which is what drivers take for the registers (mbochs,
 * kvmgt), and none refuses for the blob. 0 or -errno.
 */

static int edid_read(const struct oriel_vfio_edid *edid, uint64_t at, uint32_t *ret_value) {
	uint32_t value;
	ssize_t size = pread(edid->device->fd, &value, sizeof(value),
			(off_t)(edid->region.offset_bytes + at));
	if (size != sizeof(value)) {
		return size < 0 ? -errno : -EIO;
	}
	*ret_value = value;
	return 0;
}

static int edid_write(const struct oriel_vfio_edid *edid, uint64_t at, uint32_t value) {
	ssize_t size = pwrite(edid->device->fd, &value, sizeof(value),
			(off_t)(edid->region.offset_bytes + at));
	if (size != sizeof(value)) {
		return size < 0 ? -errno : -EIO;
	}
	return 0;
}

/* -EPROTO if the registers are none that an EDID could be written by. */
static int edid_read_registers(
		const struct oriel_vfio_edid *edid, struct vfio_region_gfx_edid *ret_registers) {
	union {
		struct vfio_region_gfx_edid registers;
		uint32_t words[sizeof(struct vfio_region_gfx_edid) / sizeof(uint32_t)];
	} read;
	for (size_t i = 0; i < sizeof(read.words) / sizeof(read.words[0]); i++) {
		int ret = edid_read(edid, i * sizeof(uint32_t), &read.words[i]);
		if (ret != 0) {
			return ret;
		}
	}
	uint64_t offset = read.registers.edid_offset;
	if (offset < sizeof(read.registers) || offset % sizeof(uint32_t) != 0 ||
			offset > edid->region.size_bytes) {
		return -EPROTO;
	}
	uint64_t room = edid->region.size_bytes - offset;
	room = room < BLOB_SIZE_MAX ? room : BLOB_SIZE_MAX;
	if (read.registers.edid_max_size > room) {
		read.registers.edid_max_size = (uint32_t)room;
	}
	*ret_registers = read.registers;
	return 0;
}

/* 0, -EILSEQ if the device has another EDID, or another -errno. */
static int edid_compare(const struct oriel_vfio_edid *edid, uint64_t blob_at, const uint8_t *blob,
		size_t blob_size) {
	uint32_t value;
	int ret = edid_read(edid, FIELD(edid_size), &value);
	if (ret != 0) {
		return ret;
	}
	if (value != blob_size) {
		return -EILSEQ;
	}
	for (size_t i = 0; i < blob_size; i += sizeof(value)) {
		ret = edid_read(edid, blob_at + i, &value);
		if (ret != 0) {
			return ret;
		}
		if (memcmp(&value, blob + i, sizeof(value)) != 0) {
			return -EILSEQ;
		}
	}
	return 0;
}

/* The update protocol of linux/vfio.h but for its last step, the link's going up. */
static int edid_put(const struct oriel_vfio_edid *edid, uint64_t blob_at, const uint8_t *blob,
		size_t blob_size) {
	int ret = edid_write(edid, FIELD(link_state), VFIO_DEVICE_GFX_LINK_STATE_DOWN);
	if (ret == 0) {
		ret = edid_write(edid, FIELD(edid_size), (uint32_t)blob_size);
	}
	for (size_t i = 0; ret == 0 && i < blob_size; i += sizeof(uint32_t)) {
		uint32_t value;
		memcpy(&value, blob + i, sizeof(value));
		ret = edid_write(edid, blob_at + i, value);
	}
	return ret;
}

static void edid_raise_link(struct oriel_vfio_edid *edid) {
	int ret = edid_write(edid, FIELD(link_state), VFIO_DEVICE_GFX_LINK_STATE_UP);
	if (ret != 0) {
		edid_fail(edid, "the guest's monitor cannot be connected", ret);
	}
}

/* True if the timer runs. Without memory for that, what it is for is due at once. */
static bool edid_start_timer(
		struct oriel_vfio_edid *edid, enum oriel_vfio_edid_state state, int delay_ms) {
	if (wl_event_source_timer_update(edid->timer, delay_ms) != 0) {
		return false;
	}
	edid->state = state;
	return true;
}

static const uint8_t *edid_get_blob(const struct oriel_vfio_edid *edid, size_t *ret_size) {
	if (edid->options.edid == ORIEL_SOURCE_EDID_BLOB) {
		*ret_size = edid->options.edid_blob_size_bytes;
		return edid->options.edid_blob;
	}
	*ret_size = edid->made.size_bytes;
	return edid->made.data;
}

/* What is written is not always what is read back. Once more may help, and then it is said. */
static int edid_put_checked(struct oriel_vfio_edid *edid, uint64_t blob_at, const uint8_t *blob,
		size_t blob_size) {
	for (int tries = 2; tries > 0; tries--) {
		int ret = edid_put(edid, blob_at, blob, blob_size);
		if (ret == 0) {
			ret = edid_compare(edid, blob_at, blob, blob_size);
		}
		if (ret != -EILSEQ) {
			return ret;
		}
	}
	/* The guest may well have it right: that is better than no monitor. */
	edid_complain(edid, "the device reads back another EDID than was written", 0);
	return 0;
}

static void edid_update(struct oriel_vfio_edid *edid) {
	size_t blob_size;
	const uint8_t *blob = edid_get_blob(edid, &blob_size);
	edid->state = ORIEL_VFIO_EDID_IDLE;
	edid->is_new = false;
	edid->was_written = true;

	struct vfio_region_gfx_edid registers;
	int ret = edid_read_registers(edid, &registers);
	if (ret != 0) {
		edid_fail(edid, "the device's EDID region cannot be used", ret);
		return;
	}
	if (blob_size > registers.edid_max_size) {
		edid_fail(edid, "the device has no room for the EDID", 0);
		return;
	}
	bool was_up = registers.link_state == VFIO_DEVICE_GFX_LINK_STATE_UP;
	if (was_up && registers.edid_size == blob_size &&
			edid_compare(edid, registers.edid_offset, blob, blob_size) == 0) {
		return;
	}

	ret = edid_put_checked(edid, registers.edid_offset, blob, blob_size);
	if (ret != 0) {
		edid_fail(edid, "the EDID cannot be written", ret);
		if (was_up) {
			edid_raise_link(edid);
		}
		return;
	}
	if (!was_up || !edid_start_timer(edid, ORIEL_VFIO_EDID_LINK_DOWN, LINK_DOWN_MS)) {
		edid_raise_link(edid);
	}
}

/* Something is new: sees to it that it is written, in time. */
static void edid_schedule(struct oriel_vfio_edid *edid) {
	edid->is_new = true;
	if (edid->state == ORIEL_VFIO_EDID_LINK_DOWN) {
		return;
	}
	if (!edid->was_written || !edid_start_timer(edid, ORIEL_VFIO_EDID_SETTLING, SETTLE_MS)) {
		edid_update(edid);
	}
}

static int edid_handle_timer(void *data) {
	struct oriel_vfio_edid *edid = data;
	switch (edid->state) {
	case ORIEL_VFIO_EDID_IDLE:
		break;
	case ORIEL_VFIO_EDID_SETTLING:
		edid_update(edid);
		break;
	case ORIEL_VFIO_EDID_LINK_DOWN:
		edid->state = ORIEL_VFIO_EDID_IDLE;
		edid_raise_link(edid);
		if (edid->is_new) {
			edid_schedule(edid);
		}
		break;
	}
	return 0;
}

/* True if the device has a region for EDIDs, and we all that it takes to write one. */
static bool edid_find_region(struct oriel_vfio_edid *edid) {
	if (edid->timer == NULL) {
		edid->timer = wl_event_loop_add_timer(edid->loop, edid_handle_timer, edid);
		if (edid->timer == NULL) {
			edid_fail(edid, "no EDID can be written", -ENOMEM);
			return false;
		}
	}
	if (edid->has_no_region || edid->region.size_bytes > 0) {
		return !edid->has_no_region;
	}
	int ret = oriel_vfio_device_find_region(edid->device, VFIO_REGION_TYPE_GFX,
			VFIO_REGION_SUBTYPE_GFX_EDID, &edid->region);
	edid->has_no_region = ret == -ENOENT;
	edid->has_failed = ret != 0 && ret != -ENOENT;
	/* Many devices have none, and that is said to those only who have asked for it. */
	if (ret != 0 && (ret != -ENOENT || edid->options.edid != ORIEL_SOURCE_EDID_FOLLOW)) {
		edid_complain(edid, "the device takes no EDID", ret != -ENOENT ? ret : 0);
	}
	return ret == 0;
}

/* The monitor in the device's terms. True if that is another one than before. */
static bool edid_make(struct oriel_vfio_edid *edid, const struct vfio_region_gfx_edid *registers) {
	struct oriel_edid_info info = {
		.serial = edid->guest_name,
		.max_xres = registers->max_xres,
		.max_yres = registers->max_yres,
		.max_size_bytes = registers->edid_max_size,
	};
	if (edid->options.edid == ORIEL_SOURCE_EDID_MODE) {
		info.width = edid->options.edid_width;
		info.height = edid->options.edid_height;
		info.refresh_mhz = edid->options.edid_refresh_mhz;
	} else {
		info.width = edid->monitor.width;
		info.height = edid->monitor.height;
		info.refresh_mhz = edid->monitor.refresh_mhz;
		info.width_mm = edid->monitor.width_mm;
		info.height_mm = edid->monitor.height_mm;
		info.name = edid->monitor_name;
	}

	struct oriel_edid made;
	if (!oriel_edid_make(&info, &made)) {
		edid_fail(edid, "the device has no room for an EDID", 0);
		return false;
	}
	if (made.size_bytes == edid->made.size_bytes &&
			memcmp(made.data, edid->made.data, made.size_bytes) == 0) {
		return false;
	}
	edid->made = made;
	return true;
}

static void edid_make_and_schedule(struct oriel_vfio_edid *edid) {
	bool known = edid->options.edid != ORIEL_SOURCE_EDID_FOLLOW || edid->monitor.width > 0;
	bool failed = edid->has_failed;
	edid->has_failed = false;
	if (!known || !edid_find_region(edid)) {
		return;
	}
	if (edid->options.edid == ORIEL_SOURCE_EDID_BLOB) {
		edid_schedule(edid);
		return;
	}
	struct vfio_region_gfx_edid registers;
	int ret = edid_read_registers(edid, &registers);
	if (ret != 0) {
		edid_fail(edid, "the device's EDID region cannot be used", ret);
		return;
	}
	if (edid_make(edid, &registers) || (failed && edid->made.size_bytes > 0)) {
		edid_schedule(edid);
	}
}

void oriel_vfio_edid_init(struct oriel_vfio_edid *edid, struct wl_event_loop *loop,
		const char *guest_name, const struct oriel_source_options *options) {
	*edid = (struct oriel_vfio_edid){
		.loop = loop,
		.guest_name = guest_name,
		.options = *options,
	};
	assert(options->edid != ORIEL_SOURCE_EDID_BLOB ||
			options->edid_blob_size_bytes % ORIEL_EDID_BLOCK_SIZE == 0);
}

void oriel_vfio_edid_finish(struct oriel_vfio_edid *edid) {
	oriel_vfio_edid_detach(edid);
	if (edid->timer != NULL) {
		wl_event_source_remove(edid->timer);
		edid->timer = NULL;
	}
}

void oriel_vfio_edid_attach(struct oriel_vfio_edid *edid, const struct oriel_vfio_device *device) {
	oriel_vfio_edid_detach(edid);
	if (edid->options.edid == ORIEL_SOURCE_EDID_NONE) {
		return;
	}
	edid->device = device;
	edid->region.size_bytes = 0;
	edid->has_no_region = false;
	edid->was_written = false;
	edid->has_failed = false;
	edid->has_complained = false;
	edid->made.size_bytes = 0;
	edid_make_and_schedule(edid);
}

void oriel_vfio_edid_detach(struct oriel_vfio_edid *edid) {
	if (edid->device == NULL) {
		return;
	}
	if (edid->timer != NULL) {
		wl_event_source_timer_update(edid->timer, 0);
	}
	if (edid->state == ORIEL_VFIO_EDID_LINK_DOWN) {
		/* The machine may go on without us, and with a monitor. If not, never mind. */
		edid_write(edid, FIELD(link_state), VFIO_DEVICE_GFX_LINK_STATE_UP);
	}
	edid->state = ORIEL_VFIO_EDID_IDLE;
	edid->is_new = false;
	edid->device = NULL;
}

void oriel_vfio_edid_set_monitor(
		struct oriel_vfio_edid *edid, const struct oriel_guest_monitor *monitor) {
	if (monitor->width <= 0 || monitor->height <= 0) {
		return;
	}
	edid->monitor = *monitor;
	edid->monitor.name = NULL;
	snprintf(edid->monitor_name, sizeof(edid->monitor_name), "Oriel%s%s",
			monitor->name != NULL ? " " : "", monitor->name != NULL ? monitor->name : "");
	if (edid->device != NULL &&
			(edid->options.edid == ORIEL_SOURCE_EDID_FOLLOW || edid->has_failed)) {
		edid_make_and_schedule(edid);
	}
}
