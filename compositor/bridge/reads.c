#include "bridge/reads.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>

#include <syncbridge/buffer.h>
#include <syncbridge/dmabuf.h>

#include "bridge/render_sync.h"
#include "bridge/stats.h"
#include "fd.h"
#include "guest/buffer.h"
#include "guest/release.h"

struct reads_entry {
	struct oriel_read read; /* release and timeline are references; stats NULL once waiting */
	struct wl_list link; /* oriel_reads.noted or .waiting */
	bool has_ended; /* as far as the release's watcher is concerned */
	bool has_waiter;
	struct wlr_drm_syncobj_timeline_waiter waiter;
	struct wl_event_source *event_source; /* may be NULL: watches a sync_file */
};

void oriel_reads_init(struct oriel_reads *reads, struct wl_event_loop *loop,
		const struct oriel_render_sync *sync) {
	reads->loop = loop;
	reads->sync = sync;
	wl_list_init(&reads->noted);
	wl_list_init(&reads->waiting);
	reads->complained = false;
}

void oriel_reads_attach(struct oriel_reads *reads, struct wlr_output *output) {
	assert(output->data == NULL);
	output->data = reads;
}

void oriel_reads_detach(struct oriel_reads *reads, struct wlr_output *output) {
	assert(output->data == reads);
	output->data = NULL;
}

struct oriel_reads *oriel_reads_from_output(struct wlr_output *output) {
	return output->data;
}

static void reads_entry_end_read(struct reads_entry *entry) {
	if (!entry->has_ended) {
		entry->has_ended = true;
		oriel_release_end_read(entry->read.release);
	}
}

static void reads_entry_destroy(struct reads_entry *entry) {
	wl_list_remove(&entry->link);
	if (entry->has_waiter) {
		wlr_drm_syncobj_timeline_waiter_finish(&entry->waiter);
	}
	if (entry->event_source != NULL) {
		wl_event_source_remove(entry->event_source);
	}
	wlr_drm_syncobj_timeline_unref(entry->read.timeline);
	reads_entry_end_read(entry);
	oriel_release_unref(entry->read.release);
	free(entry);
}

void oriel_reads_finish(struct oriel_reads *reads) {
	struct reads_entry *entry, *tmp;
	wl_list_for_each_safe(entry, tmp, &reads->noted, link) {
		reads_entry_destroy(entry);
	}
	wl_list_for_each_safe(entry, tmp, &reads->waiting, link) {
		reads_entry_destroy(entry);
	}
}

void oriel_reads_note(struct oriel_reads *reads, const struct oriel_read *read) {
	struct reads_entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		/* Fails closed: a promise that nobody can keep track of is never kept. */
		oriel_release_ref(read->release);
		wlr_log(WLR_ERROR, "a guest's frame is never released: out of memory");
		return;
	}
	entry->read = *read;
	oriel_release_ref(entry->read.release);
	oriel_release_begin_read(entry->read.release);
	if (entry->read.timeline != NULL) {
		wlr_drm_syncobj_timeline_ref(entry->read.timeline);
	}
	wl_list_insert(reads->noted.prev, &entry->link);
}

bool oriel_reads_has_scanout(const struct oriel_reads *reads) {
	const struct reads_entry *entry;
	wl_list_for_each(entry, &reads->noted, link) {
		if (entry->read.scanned_out) {
			return true;
		}
	}
	return false;
}

static void reads_handle_point(struct wlr_drm_syncobj_timeline_waiter *waiter) {
	struct reads_entry *entry = wl_container_of(waiter, entry, waiter);
	reads_entry_destroy(entry);
}

static void reads_complain(struct oriel_reads *reads, const char *what, int err) {
	if (!reads->complained) {
		reads->complained = true;
		wlr_log(WLR_ERROR, "guests' frames may be released late: %s: %s", what,
				strerror(-err));
	}
}

/* An entry that is waiting for nothing is tried again with the next commit. */
static void reads_wait(struct oriel_reads *reads, struct reads_entry *entry) {
	entry->read.stats = NULL;
	wl_list_remove(&entry->link);
	wl_list_insert(&reads->waiting, &entry->link);
}

static void reads_wait_for_point(struct oriel_reads *reads, struct reads_entry *entry) {
	reads_wait(reads, entry);
	entry->has_waiter = wlr_drm_syncobj_timeline_waiter_init(&entry->waiter,
			entry->read.timeline, entry->read.point, 0, reads->loop, reads_handle_point);
}

static int reads_handle_signalled(int fd, uint32_t mask, void *data) {
	struct reads_entry *entry = data;
	if (!(mask & WL_EVENT_READABLE)) {
		/* Not signalled but broken, and it stays so. */
		wl_event_source_remove(entry->event_source);
		entry->event_source = NULL;
		return 0;
	}
	reads_entry_destroy(entry);
	return 0;
}

static void reads_wait_for_fence(
		struct oriel_reads *reads, struct reads_entry *entry, int sync_file_fd) {
	reads_wait(reads, entry);
	entry->event_source = wl_event_loop_add_fd(reads->loop, sync_file_fd, WL_EVENT_READABLE,
			reads_handle_signalled, entry);
}

/* 0 or -errno: then some of the buffer's dma-bufs may have it. */
static int buffer_import_read_fence(const struct oriel_guest_buffer *buffer, int sync_file_fd) {
	const struct sb_buffer *dmabufs = oriel_guest_buffer_get_dmabufs(buffer);
	int err = 0;
	for (uint32_t i = 0; i < dmabufs->dmabuf_count && err == 0; i++) {
		err = sb_dmabuf_import_sync_file(
				dmabufs->dmabuf_fds[i], SB_ACCESS_READ, sync_file_fd);
	}
	return err;
}

static void reads_import_fence(
		struct oriel_reads *reads, struct reads_entry *entry, int sync_file_fd) {
	int err = buffer_import_read_fence(entry->read.release->buffer, sync_file_fd);
	if (err != 0) {
		if (err != -ENOTTY) {
			reads_complain(reads, "a buffer takes no READ fence", err);
		}
		reads_wait_for_fence(reads, entry, sync_file_fd);
		return;
	}
	if (entry->read.stats != NULL) {
		entry->read.stats->reads++;
	}
	if (oriel_release_is_watched(entry->read.release)) {
		reads_wait_for_fence(reads, entry, sync_file_fd);
	} else {
		reads_entry_destroy(entry);
	}
}

/* wlroots has covered the read by a fence of its own. */
static void reads_end_covered(struct oriel_reads *reads, struct reads_entry *entry) {
	int dmabuf_fd = oriel_guest_buffer_get_dmabuf_fd(entry->read.release->buffer);
	int sync_file_fd;
	if (!oriel_release_is_watched(entry->read.release) ||
			sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_WRITE, &sync_file_fd) != 0) {
		reads_entry_destroy(entry);
		return;
	}
	reads_wait_for_fence(reads, entry, sync_file_fd);
	sb_fd_clear(&sync_file_fd);
}

/* A fence of the renderer's behind all reads of this commit, made when the first one needs it. */
static int reads_get_render_fence(struct oriel_reads *reads, int *render_fd) {
	if (*render_fd >= 0) {
		return 0;
	}
	return oriel_render_sync_create_fence(reads->sync, render_fd);
}

static void reads_end(struct oriel_reads *reads, struct reads_entry *entry, int *render_fd) {
	if (entry->read.scanned_out) {
		if (entry->read.stats != NULL) {
			entry->read.stats->scanned_out++;
		}
		reads_wait_for_point(reads, entry);
		return;
	}
	if (oriel_guest_buffer_get_read_path(entry->read.release->buffer) ==
			ORIEL_GUEST_READ_PATH_CPU) {
		reads_entry_destroy(entry);
		return;
	}
	if (entry->read.timeline != NULL) {
		int point_fd = wlr_drm_syncobj_timeline_export_sync_file(
				entry->read.timeline, entry->read.point);
		if (point_fd < 0) {
			reads_wait_for_point(reads, entry);
			return;
		}
		reads_import_fence(reads, entry, point_fd);
		sb_fd_clear(&point_fd);
		return;
	}
	if (!oriel_render_sync_needs_fence(reads->sync)) {
		reads_end_covered(reads, entry);
		return;
	}
	int err = reads_get_render_fence(reads, render_fd);
	if (err != 0) {
		reads_complain(reads, "the renderer gives no fence", err);
		reads_wait(reads, entry);
		return;
	}
	reads_import_fence(reads, entry, *render_fd);
}

void oriel_reads_submitted(struct oriel_reads *reads) {
	int render_fd = -1;
	struct reads_entry *entry, *tmp;
	wl_list_for_each_safe(entry, tmp, &reads->waiting, link) {
		if (!entry->has_waiter && entry->event_source == NULL) {
			wl_list_remove(&entry->link);
			wl_list_insert(&reads->noted, &entry->link);
		}
	}
	wl_list_for_each_safe(entry, tmp, &reads->noted, link) {
		reads_end(reads, entry, &render_fd);
	}
	sb_fd_clear(&render_fd);
	assert(wl_list_empty(&reads->noted));
}

void oriel_reads_presented(struct oriel_reads *reads) {
	struct reads_entry *entry;
	wl_list_for_each(entry, &reads->waiting, link) {
		if (entry->read.scanned_out) {
			reads_entry_end_read(entry);
		}
	}
}
