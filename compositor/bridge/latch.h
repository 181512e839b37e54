#ifndef ORIEL_BRIDGE_LATCH_H
#define ORIEL_BRIDGE_LATCH_H

#include <stdbool.h>
#include <stddef.h>

struct oriel_guest_buffer;
struct oriel_guest_frame;
struct oriel_stats;
struct wl_event_loop;

/*
 * The latch stands between taking a frame and showing it. It is a mailbox:
 *
 *	            oriel_latch_submit()
 *	                   |
 *	                   v  the acquire fence is taken here, once: the writers of this moment
 *	   pending: [ oldest | ... | newest ]    each watched in the event loop
 *	                   |
 *	                   v  the first one whose fence signals
 *	               ready()               all older ones are superseded
 *
 * A frame therefore waits for its own writers alone: neither for what the guest draws into the
 * same buffer later, nor for frames before it, nor for another guest's. And the event loop never
 * waits at all: a fence that never signals leaves its frame pending, and nothing else.
 *
 * What is pending is bounded. When the mailbox is full a new frame takes the place of the newest
 * one, not of the oldest, which is the nearest to being ready: a guest whose fences are late then
 * still gets shown, at the pace of its fences.
 */
#define ORIEL_LATCH_DEPTH 4

struct oriel_latch;

/*
 * guest_name and stats are borrowed and outlive the latch. ready is called, possibly from within
 * oriel_latch_submit(), for each frame that may be read now, and takes it over. It may submit and
 * may destroy the latch. NULL if memory ran out.
 */
struct oriel_latch *oriel_latch_create(struct wl_event_loop *loop, const char *guest_name,
		struct oriel_stats *stats,
		void (*ready)(void *data, struct oriel_guest_frame *take_frame), void *data);

/* Pending frames are released. NULL is fine. */
void oriel_latch_destroy(struct oriel_latch *latch);

/* Supersedes all that is pending. */
void oriel_latch_flush(struct oriel_latch *latch);

void oriel_latch_submit(struct oriel_latch *latch, struct oriel_guest_frame *take_frame);

/*
 * False while a frame of the same buffer is pending: whatever was drawn since then is seen when
 * that one is shown, or taken after it.
 */
bool oriel_latch_wants(const struct oriel_latch *latch, const struct oriel_guest_buffer *buffer);

size_t oriel_latch_get_pending_count(const struct oriel_latch *latch);

#endif
