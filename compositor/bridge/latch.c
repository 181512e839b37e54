#include "bridge/latch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/util/log.h>

#include "bridge/acquire.h"
#include "bridge/stats.h"
#include "fd.h"
#include "guest/buffer.h"
#include "guest/clock.h"
#include "guest/frame.h"

struct oriel_latch {
	struct wl_event_loop *loop;
	const char *guest_name;
	struct oriel_stats *stats;
	void (*ready)(void *data, struct oriel_guest_frame *take_frame);
	void *data;
	struct wl_list pending; /* latch_entry.link, newest first */
	size_t pending_count;
	bool complained; /* of a failed fence operation */
};

struct latch_entry {
	struct wl_list link; /* oriel_latch.pending */
	struct oriel_latch *latch;
	struct oriel_guest_frame *frame;
	bool over_syncs; /* waits for an idle buffer, having no snapshot of it */
	struct wl_event_source *event_source; /* owns a copy of the acquire fence */
};

/* Ends the entry and gives out its frame, so that no entry is left in the list without one. */
static struct oriel_guest_frame *latch_entry_take_frame(struct latch_entry *entry) {
	struct oriel_guest_frame *frame = entry->frame;
	wl_list_remove(&entry->link);
	entry->latch->pending_count--;
	wl_event_source_remove(entry->event_source);
	free(entry);
	return frame;
}

static void latch_supersede(struct latch_entry *entry) {
	entry->latch->stats->superseded++;
	oriel_guest_frame_destroy(latch_entry_take_frame(entry));
}

/* Supersedes entries from the given link on, which are those older than it. */
static void latch_supersede_from(struct oriel_latch *latch, struct wl_list *link) {
	while (link != &latch->pending) {
		struct latch_entry *entry = wl_container_of(link, entry, link);
		link = link->next;
		latch_supersede(entry);
	}
}

static void latch_pass_on(struct oriel_latch *latch, struct oriel_guest_frame *take_frame) {
	oriel_histogram_add(&latch->stats->acquire_wait, oriel_clock_now_ns() - take_frame->taken_ns);
	latch->ready(latch->data, take_frame);
}

/* Fails closed: a frame that cannot be synchronised with is not shown, and the last one stays. */
static void latch_reject(struct oriel_latch *latch, struct oriel_guest_frame *frame, int err) {
	if (!latch->complained) {
		latch->complained = true;
		wlr_log(WLR_ERROR, "guest %s: frames are left out: their fences cannot be taken: %s",
				latch->guest_name, strerror(-err));
	}
	latch->stats->rejected++;
	oriel_guest_frame_destroy(frame);
}

static int latch_handle_signalled(int fd, uint32_t mask, void *data) {
	struct latch_entry *entry = data;
	struct oriel_latch *latch = entry->latch;

	if (!(mask & WL_EVENT_READABLE)) {
		/* Not signalled but broken, and it stays so. */
		latch_reject(latch, latch_entry_take_frame(entry), -EIO);
		return 0;
	}
	latch_supersede_from(latch, entry->link.next);
	if (entry->over_syncs) {
		latch->stats->over_sync++;
	}
	latch_pass_on(latch, latch_entry_take_frame(entry));
	return 0;
}

/*
 * 0 or -errno. A guest's buffer is one dma-buf, which is read: what is watched fires once, and then
 * the fence is ready, whatever its type.
 */
static int latch_watch(struct latch_entry *entry, const struct sb_fence *fence) {
	int ready_fd;
	short events; /* POLLIN, as ever when the access is READ */
	int err = sb_fence_create_ready_fd(fence, &ready_fd, &events);
	if (err != 0) {
		return err;
	}
	entry->event_source = wl_event_loop_add_fd(entry->latch->loop, ready_fd, WL_EVENT_READABLE,
			latch_handle_signalled, entry);
	if (entry->event_source == NULL) {
		err = errno > 0 ? -errno : -ENOMEM;
	}
	sb_fd_clear(&ready_fd);
	return err;
}

/* 0 or -errno: then the frame is still the caller's. */
static int latch_hold(struct oriel_latch *latch, struct oriel_guest_frame *frame,
		const struct sb_fence *fence) {
	struct latch_entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		return -ENOMEM;
	}
	entry->latch = latch;
	entry->frame = frame;
	entry->over_syncs = fence->type == SB_FENCE_IDLE;
	int err = latch_watch(entry, fence);
	if (err != 0) {
		free(entry);
		return err;
	}

	if (latch->pending_count == ORIEL_LATCH_DEPTH) {
		struct latch_entry *newest = wl_container_of(latch->pending.next, newest, link);
		latch_supersede(newest);
	}
	wl_list_insert(&latch->pending, &entry->link);
	latch->pending_count++;
	return 0;
}

void oriel_latch_submit(struct oriel_latch *latch, struct oriel_guest_frame *take_frame) {
	struct sb_fence fence;
	int err = oriel_acquire_take(oriel_guest_frame_get_buffer(take_frame), &fence);
	if (err != 0) {
		latch_reject(latch, take_frame, err);
		return;
	}
	if (fence.type == SB_FENCE_NONE) {
		latch_supersede_from(latch, latch->pending.next);
		latch_pass_on(latch, take_frame);
		return;
	}
	err = latch_hold(latch, take_frame, &fence);
	if (err != 0) {
		latch_reject(latch, take_frame, err);
	}
	sb_fence_clear(&fence);
}

void oriel_latch_flush(struct oriel_latch *latch) {
	latch_supersede_from(latch, latch->pending.next);
}

bool oriel_latch_wants(const struct oriel_latch *latch, const struct oriel_guest_buffer *buffer) {
	const struct latch_entry *entry;
	wl_list_for_each(entry, &latch->pending, link) {
		if (oriel_guest_frame_get_buffer(entry->frame) == buffer) {
			return false;
		}
	}
	return true;
}

size_t oriel_latch_get_pending_count(const struct oriel_latch *latch) {
	return latch->pending_count;
}

struct oriel_latch *oriel_latch_create(struct wl_event_loop *loop, const char *guest_name,
		struct oriel_stats *stats,
		void (*ready)(void *data, struct oriel_guest_frame *take_frame), void *data) {
	struct oriel_latch *latch = calloc(1, sizeof(*latch));
	if (latch == NULL) {
		return NULL;
	}
	latch->loop = loop;
	latch->guest_name = guest_name;
	latch->stats = stats;
	latch->ready = ready;
	latch->data = data;
	wl_list_init(&latch->pending);
	return latch;
}

void oriel_latch_destroy(struct oriel_latch *latch) {
	if (latch == NULL) {
		return;
	}
	oriel_latch_flush(latch);
	free(latch);
}
