#ifndef ORIEL_GUEST_SOURCE_H
#define ORIEL_GUEST_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oriel_guest_buffer;
struct oriel_guest_frame;
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
	ORIEL_SOURCE_STATE_LOST, /* the device is gone and does not come back */
};

struct oriel_source_counters {
	uint64_t taken; /* frames made */
	uint64_t released; /* frames whose release promise has been kept */
};

struct oriel_source_consumer {
	/*
	 * Asked before a frame is made of buffer: false means that a frame now would tell the
	 * consumer nothing new, and none is taken.
	 */
	bool (*wants)(void *data, const struct oriel_guest_buffer *buffer);
	/* A frame was taken; it belongs to the consumer from here. */
	void (*frame)(void *data, struct oriel_guest_frame *take_frame);
	/* The state changed. */
	void (*state)(void *data, enum oriel_source_state state);
};

/* True if a driver of this name is built in. */
bool oriel_source_driver_exists(const char *name);

/*
 * Opens the display of the guest called name with the named driver. where is the driver's own
 * argument (for vfio a device, for synthetic an optional size) and may be NULL.
 *
 * Returns NULL after logging one line that names the guest and says why.
 */
struct oriel_source *oriel_source_create(struct wl_event_loop *loop, const char *name,
		const char *driver, const char *where);

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

const char *oriel_source_get_name(const struct oriel_source *source);
enum oriel_source_state oriel_source_get_state(const struct oriel_source *source);
struct oriel_source_counters oriel_source_get_counters(const struct oriel_source *source);

#endif
