#ifndef ORIEL_GUEST_SOURCE_IMPL_H
#define ORIEL_GUEST_SOURCE_IMPL_H

#include <wayland-util.h>

#include "guest/source.h"

/*
 * For source.c and the drivers only. A driver embeds struct oriel_source as its base and sees the
 * core through the functions below; it neither reads nor writes the base's fields. The core in
 * turn knows a driver only by its ops.
 */

struct oriel_source_ops {
	/*
	 * Required. Looks at the display; calls oriel_source_submit() for a picture and
	 * oriel_source_set_state() for anything else. Must not block. Failures that pass (a mode
	 * set half done) are retried with the next poll and not logged each time.
	 */
	void (*poll)(struct oriel_source *source);
	/*
	 * Optional. The last read of a frame made of buffer is over, or, where the buffer is a
	 * dma-buf, is covered by a READ fence in it. Called once for each frame submitted, unless
	 * the source is destroyed first. Must not submit: the consumer is in the middle of letting
	 * the frame go.
	 */
	void (*release)(struct oriel_source *source, struct oriel_guest_buffer *buffer);
	/* Required. Frees the driver's struct, after oriel_source_finish(). */
	void (*destroy)(struct oriel_source *source);
};

struct oriel_source_driver {
	const char *name;
	/* Returns NULL after logging one line that names the guest. */
	struct oriel_source *(*create)(
			struct wl_event_loop *loop, const char *name, const char *where);
};

struct oriel_source {
	const struct oriel_source_ops *ops;
	char *name;
	enum oriel_source_state state;
	const struct oriel_source_consumer *consumer; /* may be NULL */
	void *consumer_data;
	uint64_t serial; /* of the last frame */
	struct oriel_source_counters counters;
	struct wl_list releases; /* oriel_release.link: promises not kept yet */
};

/* The drivers, each defined in its own file under drivers/. */
extern const struct oriel_source_driver oriel_vfio_driver;
extern const struct oriel_source_driver oriel_synthetic_driver;

/* False if memory ran out; then the driver must not call finish. */
bool oriel_source_init(
		struct oriel_source *source, const struct oriel_source_ops *ops, const char *name);
void oriel_source_finish(struct oriel_source *source);

/*
 * Makes a frame of buffer, which stays the driver's, and hands it on. The driver may submit the
 * same buffer again whenever its contents may have changed. True if a frame was taken: ops.release
 * is then called for it, once, and possibly before this returns.
 */
bool oriel_source_submit(struct oriel_source *source, struct oriel_guest_buffer *buffer);

/* A state equal to the present one is no news and is dropped. */
void oriel_source_set_state(struct oriel_source *source, enum oriel_source_state state);

#endif
