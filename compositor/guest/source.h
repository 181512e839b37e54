#ifndef ORIEL_GUEST_SOURCE_H
#define ORIEL_GUEST_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/frame.h"

struct oriel_guest_buffer;
struct oriel_source;
struct wl_event_loop;

/*
 * A source is one guest's display as it comes in: a driver (vfio, synthetic, …) behind one
 * interface. It is polled, and hands every picture it takes to its one consumer as a guest frame.
 *
 * Nothing here knows what becomes of a frame. What holds for every source: each frame taken is
 * released exactly once, and the two counters of struct oriel_source_counters say so.
 */

enum oriel_source_state {
	ORIEL_SOURCE_STATE_WAITING, /* no picture yet */
	ORIEL_SOURCE_STATE_RUNNING, /* the last poll found a picture */
	ORIEL_SOURCE_STATE_OFF, /* the guest has switched its display off */
	/* What the device says of its picture has been no use for a while. The last one stays. */
	ORIEL_SOURCE_STATE_ERROR,
	ORIEL_SOURCE_STATE_LOST, /* the device is gone, or the machine has ended */
	ORIEL_SOURCE_STATE_RESTARTED, /* it was lost and is back; no picture yet */
};

/* What the guest finds at the connector of its display. */
enum oriel_source_edid {
	ORIEL_SOURCE_EDID_FOLLOW, /* a monitor of the size of what shows it */
	ORIEL_SOURCE_EDID_MODE, /* a monitor whose preferred mode is a given one */
	ORIEL_SOURCE_EDID_BLOB, /* a given EDID */
	ORIEL_SOURCE_EDID_NONE, /* whatever the device has by itself */
};

/* What is handed over, by whoever runs the machine. */
enum oriel_source_handover {
	ORIEL_SOURCE_HANDOVER_VFIO_DEVICE,
	ORIEL_SOURCE_HANDOVER_QEMU_DBUS, /* a connection to QEMU's display, as after QMP's add_client */
	ORIEL_SOURCE_HANDOVER_QEMU_QMP, /* a connection to QEMU's monitor */
};

struct oriel_source_options {
	enum oriel_source_edid edid;
	int edid_width, edid_height; /* pixels; only with ORIEL_SOURCE_EDID_MODE */
	int edid_refresh_mhz; /* 0: any; only with ORIEL_SOURCE_EDID_MODE */
	/* Only with ORIEL_SOURCE_EDID_BLOB; whole blocks, checked. Borrowed: outlives the source. */
	const uint8_t *edid_blob;
	size_t edid_blob_size_bytes;
	/* For machines that have several displays. */
	const char *machine_name; /* of the guest that is its first display; NULL: of this one */
	unsigned head; /* which of them, counted from 0 */
};

/* What shows a guest's display. */
struct oriel_guest_monitor {
	int width, height; /* pixels */
	int refresh_mhz; /* 0: not known */
	int width_mm, height_mm; /* 0: not known */
	const char *name; /* of the output; may be NULL */
};

struct oriel_source_counters {
	uint64_t taken; /* frames made */
	uint64_t released; /* frames whose release promise has been kept */
	uint64_t polls; /* looks at the display */
};

struct oriel_source_consumer {
	/*
	 * Asked before a frame is made of buffer: false means that a frame now would tell the
	 * consumer nothing new, and none is taken.
	 */
	bool (*wants)(void *data, enum oriel_guest_plane plane,
			const struct oriel_guest_buffer *buffer);
	/* A frame was taken; it belongs to the consumer from here. */
	void (*frame)(void *data, struct oriel_guest_frame *take_frame);
	/* Optional. The cursor is there now; NULL: it is not shown. */
	void (*cursor)(void *data, const struct oriel_guest_cursor *cursor);
	/*
	 * Optional. A look at the display would find something: told once until the next look, by a
	 * source whose next look is otherwise at ORIEL_SOURCE_POLL_NEVER.
	 */
	void (*pending)(void *data);
	/* The state changed. */
	void (*state)(void *data, enum oriel_source_state state);
};

/* True if a driver of this name is built in. */
bool oriel_source_driver_exists(const char *name);

/*
 * Opens the display of the guest called name with the named driver. where is the driver's own
 * argument (for vfio a device, for synthetic an optional size) and may be NULL. options may be NULL:
 * then all are 0.
 *
 * Returns NULL after logging one line that names the guest and says why.
 */
struct oriel_source *oriel_source_create(struct wl_event_loop *loop, const char *name,
		const char *driver, const char *where, const struct oriel_source_options *options);

/*
 * Closes the display. Frames already handed out stay valid: their buffers live until their
 * release, which the driver then no longer hears of. NULL is fine.
 */
void oriel_source_destroy(struct oriel_source *source);

/* consumer must outlive the source or be replaced by NULL; frames are dropped without one. */
void oriel_source_set_consumer(struct oriel_source *source,
		const struct oriel_source_consumer *consumer, void *consumer_data);

/*
 * Looks at the guest's display now and takes a frame if there is one to take. Never blocks. May
 * call every function of the consumer before it returns.
 */
void oriel_source_poll(struct oriel_source *source);

/* There is nothing to look at. */
#define ORIEL_SOURCE_POLL_NEVER UINT64_MAX

/*
 * When it is worth to look again (CLOCK_MONOTONIC), if what shows the display is refreshed every
 * period_ns: with each refresh while the guest draws, less often the longer it stands still. Of a
 * source that tells by itself: ORIEL_SOURCE_POLL_NEVER while it has nothing.
 */
uint64_t oriel_source_get_next_poll_ns(const struct oriel_source *source, uint64_t period_ns);

/* The guest may be about to draw, as after input: the next look comes as soon as for one that draws. */
void oriel_source_wake(struct oriel_source *source);

/* Tells the guest of what shows it (NULL: nothing does), where its device has a way to. */
void oriel_source_set_monitor(struct oriel_source *source, const struct oriel_guest_monitor *monitor);

/*
 * Gives a display another device or connection, one that whoever runs the machine has handed over.
 * False after one log line if the source takes none, or not this one: then everything is as it was.
 */
bool oriel_source_adopt(
		struct oriel_source *source, enum oriel_source_handover handover, int take_fd);

/* The machine whose device was adopted has ended. */
void oriel_source_end(struct oriel_source *source);

const char *oriel_source_get_name(const struct oriel_source *source);
enum oriel_source_state oriel_source_get_state(const struct oriel_source *source);
struct oriel_source_counters oriel_source_get_counters(const struct oriel_source *source);

#endif
