#ifndef ORIEL_BRIDGE_READS_H
#define ORIEL_BRIDGE_READS_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-util.h>

struct oriel_release;
struct oriel_render_sync;
struct oriel_stats;
struct wl_event_loop;
struct wlr_drm_syncobj_timeline;
struct wlr_output;

/*
 * The reads of guest frames by one output. Every time the output samples a frame, the read is
 * noted here, and holds the frame's release promise until it is over:
 *
 *	composited, and the render signals a timeline point
 *			the point becomes a READ fence in the guest's dma-buf. The guest's next
 *			write waits for it, so that the promise need not.
 *	composited by Vulkan without such a point
 *			wlroots has put the READ fence there itself, or has waited for the read.
 *	composited by GLES2 without such a point
 *			a fence of our own, behind what was rendered, becomes the READ fence.
 *	read by the CPU (pixman, or a buffer uploaded as a texture)
 *			over when the commit returns.
 *	scanned out by KMS
 *			over when the output has flipped to another buffer. No fence for that can
 *			exist in advance: the point is watched in the event loop.
 *
 * Where the promise is watched (guest/release.h), the end of a read that a READ fence covers counts,
 * too, and of a scan-out its beginning: it is on screen then, and the guest may go on with others.
 *
 * A READ fence that cannot be imported is waited for in the event loop instead, and what cannot
 * even be waited for is tried again with the output's next commit, whose fences come later: a
 * failure makes the release late, never early.
 */
struct oriel_reads {
	struct wl_event_loop *loop;
	const struct oriel_render_sync *sync;
	struct wl_list noted; /* oriel_read.link: sampled, not committed yet */
	struct wl_list waiting; /* oriel_read.link: not over yet */
	bool complained; /* of a failed fence operation */
};

struct oriel_read {
	struct oriel_release *release; /* of the frame that is read */
	struct oriel_stats *stats; /* of its guest; must last until oriel_reads_submitted() */
	/* What the render or KMS signals at the end of the read; NULL: nothing. */
	struct wlr_drm_syncobj_timeline *timeline;
	uint64_t point;
	bool scanned_out;
};

void oriel_reads_init(struct oriel_reads *reads, struct wl_event_loop *loop,
		const struct oriel_render_sync *sync);
/* The output is gone, and nothing is heard any more of its reads: every promise is let go. */
void oriel_reads_finish(struct oriel_reads *reads);

/* The reads are found by the output from here on, and until they are detached. */
void oriel_reads_attach(struct oriel_reads *reads, struct wlr_output *output);
void oriel_reads_detach(struct oriel_reads *reads, struct wlr_output *output);
struct oriel_reads *oriel_reads_from_output(struct wlr_output *output);

/* Notes a read of the commit being built; takes references of its own. */
void oriel_reads_note(struct oriel_reads *reads, const struct oriel_read *read);

/* True if a read noted for the commit being built is KMS's own. */
bool oriel_reads_has_scanout(const struct oriel_reads *reads);

/*
 * The rendering of what was noted has been submitted (whether or not the commit then succeeded):
 * to be called after every attempt to build and commit an output state.
 */
void oriel_reads_submitted(struct oriel_reads *reads);

/* What was committed is on screen. */
void oriel_reads_presented(struct oriel_reads *reads);

#endif
