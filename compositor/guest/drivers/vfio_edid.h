#ifndef ORIEL_GUEST_DRIVERS_VFIO_EDID_H
#define ORIEL_GUEST_DRIVERS_VFIO_EDID_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/drivers/vfio_device.h"
#include "guest/edid.h"
#include "guest/source.h"

struct wl_event_loop;
struct wl_event_source;

/*
 * The monitor that a guest finds at its vGPU, written into the device's EDID region (linux/vfio.h:
 * struct vfio_region_gfx_edid), where it has one.
 *
 *            an EDID is written                     100 ms
 *   IDLE ---------------------------> LINK_DOWN ------------+
 *    ^ |                                                    |
 *    | | another monitor              quiet for 150 ms      |
 *    | +----------------> SETTLING ------------------+      |
 *    +----------------------------- link up <--------|------+
 *                                                    +--> written, as above
 *
 * The first EDID of a device is written at once. What comes after that is written when nothing
 * new has come for a while: a window that is being resized would else have its guest set a mode at
 * each step. A link that was up stays down for long enough that the guest sees that the monitor was
 * changed; meanwhile nothing waits.
 *
 * The region's registers say where the blob is and how much it takes. They, and what is read back,
 * are the device's, and are not believed.
 */

enum oriel_vfio_edid_state {
	ORIEL_VFIO_EDID_IDLE,
	ORIEL_VFIO_EDID_SETTLING,
	ORIEL_VFIO_EDID_LINK_DOWN,
};

struct oriel_vfio_edid {
	struct wl_event_loop *loop;
	struct wl_event_source *timer; /* NULL until a device needs it */
	const char *guest_name;
	struct oriel_source_options options;

	struct oriel_guest_monitor monitor; /* width 0: not known yet */
	char monitor_name[64];

	const struct oriel_vfio_device *device; /* may be NULL */
	struct oriel_vfio_region region; /* size 0 until it has been needed and found */
	bool has_no_region;
	enum oriel_vfio_edid_state state;
	bool was_written; /* to this device */
	bool has_failed; /* the last time; what failed may have passed by the next one */
	bool has_complained; /* about this device */

	/* What the guest is to have. */
	struct oriel_edid made; /* unless the options have a blob; size 0: nothing yet */
	bool is_new; /* the device does not have it */
};

/* guest_name must outlive the object; loop is not needed before a device is attached. */
void oriel_vfio_edid_init(struct oriel_vfio_edid *edid, struct wl_event_loop *loop,
		const char *guest_name, const struct oriel_source_options *options);

/* May be called again. The device, if there is one, must still be open. */
void oriel_vfio_edid_finish(struct oriel_vfio_edid *edid);

/*
 * The device answers now: it has been opened, or the file that was handed over has been bound. It is
 * borrowed until it is detached. What the guest is to have is written, if that is known.
 */
void oriel_vfio_edid_attach(struct oriel_vfio_edid *edid, const struct oriel_vfio_device *device);

/* The device is about to be closed. A link that is down is brought up. Does nothing without one. */
void oriel_vfio_edid_detach(struct oriel_vfio_edid *edid);

/* What shows the guest is monitor, for this device and those that are attached after it. */
void oriel_vfio_edid_set_monitor(
		struct oriel_vfio_edid *edid, const struct oriel_guest_monitor *monitor);

#endif
