#ifndef ORIEL_GUEST_RELEASE_H
#define ORIEL_GUEST_RELEASE_H

#include <wayland-util.h>

struct oriel_guest_buffer;

/*
 * A release promise is made to the guest with each frame: "you will hear exactly once when the
 * last read of this frame is over". Whoever may still read the frame holds a reference: the frame
 * itself until something else is shown, and each output that samples it until that read is over
 * or is covered by a fence in the buffer. The promise is kept when the last reference goes.
 *
 * It also holds the lock that keeps the buffer alive that long.
 */
struct oriel_release {
	struct oriel_guest_buffer *buffer; /* locked */
	void (*done)(struct oriel_release *release, void *data); /* NULL once orphaned */
	void *data;
	size_t refs;
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

/* Whom the promise was made to is gone: it is kept all the same, but nobody is told. */
void oriel_release_orphan(struct oriel_release *release);

#endif
