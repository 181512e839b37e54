#ifndef ORIEL_GUEST_SOURCE_IMPL_H
#define ORIEL_GUEST_SOURCE_IMPL_H

#include <wayland-util.h>

#include "guest/frame.h"
#include "guest/pacing.h"
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
	 * set half done) are retried with the next poll and not logged each time. Called in every
	 * state: a driver whose device is lost looks whether it is back.
	 */
	void (*poll)(struct oriel_source *source);
	/*
	 * Optional. The last read of a frame made of buffer is over, or, where the buffer is a
	 * dma-buf, is covered by a READ fence in it. Called once for each frame submitted, unless
	 * the source is destroyed first. Must not submit: the consumer is in the middle of letting
	 * the frame go.
	 */
	void (*release)(struct oriel_source *source, struct oriel_guest_buffer *buffer);
	/*
	 * Optional. All outputs that have read the frame of plane that was taken last have done
	 * so: they are through with it, or show it without a composition. May be called again for
	 * the same frame, which is read whenever what lies above it changes. Must not submit.
	 */
	void (*seen)(struct oriel_source *source, enum oriel_guest_plane plane);
	/*
	 * Optional. What shows the display has come to be monitor, whose name is borrowed, or NULL:
	 * nothing does.
	 */
	void (*set_monitor)(struct oriel_source *source, const struct oriel_guest_monitor *monitor);
	/*
	 * Optional. The display's device or connection is take_fd from now on, in place of the one
	 * there was, if any. False after one log line: then everything is as it was.
	 */
	bool (*adopt)(struct oriel_source *source, enum oriel_source_handover handover, int take_fd);
	/*
	 * Optional. The machine that the display belongs to has ended: the device is closed, and
	 * the state is ORIEL_SOURCE_STATE_LOST until another one is adopted.
	 */
	void (*end)(struct oriel_source *source);
	/* Required. Frees the driver's struct, after oriel_source_finish(). */
	void (*destroy)(struct oriel_source *source);
};

struct oriel_source_driver {
	const char *name;
	/* Returns NULL after logging one line that names the guest. */
	struct oriel_source *(*create)(struct wl_event_loop *loop, const char *name,
			const char *where, const struct oriel_source_options *options);
};

struct oriel_source {
	const struct oriel_source_ops *ops;
	char *name;
	enum oriel_source_state state;
	const struct oriel_source_consumer *consumer; /* may be NULL */
	void *consumer_data;
	uint64_t serials[ORIEL_GUEST_PLANE_COUNT]; /* of the last frame of each plane */
	struct oriel_pacing pacing;
	bool tells; /* when there is something to be taken, so that it is not looked at otherwise */
	bool is_pending; /* it has told */
	bool is_polling;
	struct oriel_source_counters counters;
	struct wl_list releases; /* oriel_release.link: promises not kept yet */
	/* Of the frame of each plane that was taken last; NULL once it is kept. */
	struct oriel_release *newest[ORIEL_GUEST_PLANE_COUNT];
};

/* The drivers, each defined in its own file under drivers/. */
extern const struct oriel_source_driver oriel_vfio_driver;
extern const struct oriel_source_driver oriel_qemu_driver;
extern const struct oriel_source_driver oriel_synthetic_driver;

/* False if memory ran out; then the driver must not call finish. */
bool oriel_source_init(
		struct oriel_source *source, const struct oriel_source_ops *ops, const char *name);
void oriel_source_finish(struct oriel_source *source);

/* From here on the driver says by oriel_source_tell() when a poll would find something. */
void oriel_source_set_telling(struct oriel_source *source);
/* The next poll finds something. Within a poll: so does the one after it. */
void oriel_source_tell(struct oriel_source *source);

struct oriel_source_picture {
	enum oriel_guest_plane plane;
	struct oriel_guest_buffer *buffer;
	/*
	 * What differs from the picture of this plane that was submitted last, in pixels of the
	 * buffer; NULL: anything may.
	 */
	const pixman_region32_t *damage;
	struct oriel_guest_crop crop; /* within the buffer */
	bool is_flipped;
	struct oriel_guest_cursor cursor; /* only with ORIEL_GUEST_PLANE_CURSOR */
};

/*
 * True if a frame of buffer would be taken. Whoever looks for what has changed in a buffer asks
 * first: what was found and is not submitted then would be lost.
 */
bool oriel_source_wants(const struct oriel_source *source, enum oriel_guest_plane plane,
		const struct oriel_guest_buffer *buffer);

/*
 * Makes a frame of a picture, whose buffer stays the driver's, and hands it on. The driver submits
 * the same buffer again whenever its contents may have changed, and only then: each picture is
 * taken for a sign that the guest is at work. True if a frame was taken: ops.release is then
 * called for it, once, and possibly before this returns.
 */
bool oriel_source_submit(struct oriel_source *source, const struct oriel_source_picture *picture);

/*
 * True while the frame of plane that was taken last is not released. Once it is, with no other one
 * taken since, the consumer has let go of it: it was rejected, or nothing is shown any more. Then
 * the guest's picture has to be submitted anew, though nothing has changed in it.
 */
bool oriel_source_is_held(const struct oriel_source *source, enum oriel_guest_plane plane);

/* The cursor's picture is the last one submitted, and is there now; NULL: it is not shown. */
void oriel_source_set_cursor(struct oriel_source *source, const struct oriel_guest_cursor *cursor);

/* A state equal to the present one is no news and is dropped. */
void oriel_source_set_state(struct oriel_source *source, enum oriel_source_state state);

#endif
