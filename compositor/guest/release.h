#ifndef ORIEL_GUEST_RELEASE_H
#define ORIEL_GUEST_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <wayland-util.h>

struct oriel_guest_buffer;

/*
 * A release promise is made to the guest with each frame: "you will hear exactly once when the
 * last read of this frame is over". Whoever may still read the frame holds a reference: the frame
 * itself until something else is shown, and each output that samples it until that read is over
 * or is covered by a fence in the buffer. The promise is kept when the last reference goes.
 *
 * It also holds the lock that keeps the buffer alive that long.
 *
 * Apart from that the guest may want to know when what is shown has been read, while it stays on
 * screen: the reads that are under way are counted, and whoever watches the promise is told each time
 * that none is left.
 */
struct oriel_release {
	struct oriel_guest_buffer *buffer; /* locked */
	void (*done)(struct oriel_release *release, void *data); /* NULL once orphaned */
	void (*seen)(struct oriel_release *release, void *data); /* NULL: nobody watches */
	void *data;
	size_t refs;
	size_t reads; /* under way */
	struct wl_list link; /* oriel_source.releases */
};

/*
 * done runs when the promise is kept; release->buffer is still locked then. NULL if memory ran
 * out.
 */
struct oriel_release *oriel_release_create(struct oriel_guest_buffer *buffer,
		void (*done)(struct oriel_release *release, void *data), void *data);
struct oriel_release *oriel_release_ref(struct oriel_release *release);
/* NULL is fine. */
void oriel_release_unref(struct oriel_release *release);

/*
 * seen runs with the data of done, whenever the last of the reads that were under way has ended. To
 * be called before the first one begins.
 */
void oriel_release_watch(struct oriel_release *release,
		void (*seen)(struct oriel_release *release, void *data));
/* True if it matters when a read ends, although a fence in the buffer covers it. */
bool oriel_release_is_watched(const struct oriel_release *release);
/* Each read holds a reference, too, until it is over. */
void oriel_release_begin_read(struct oriel_release *release);
void oriel_release_end_read(struct oriel_release *release);

/* Whom the promise was made to is gone: it is kept all the same, but nobody is told. */
void oriel_release_orphan(struct oriel_release *release);

#endif
