#ifndef ORIEL_GUEST_DAMAGE_H
#define ORIEL_GUEST_DAMAGE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/buffer.h"
#include "guest/tile_hash.h"

/*
 * Finds out whether a guest has drawn into a plane's buffer since it was last looked at, and where,
 * for devices that tell neither:
 *
 *	another buffer than last time			everything
 *	a writer is at work in it			everything, and again when it is done
 *	it can be mapped, and nobody writes		what a hash of its tiles finds
 *	it cannot be read by the CPU			everything, with each look: it cannot be known
 *
 * Fences alone would not do. A dma-buf forgets a fence that has signalled, so that a write which
 * began and ended between two looks leaves no trace there; and a guest that draws by its CPU
 * leaves none at all. Its pixels do.
 *
 * Whatever is found is true of the moment of the look, which comes before the picture is shown. The
 * guest may draw in between and be shown ahead of its time, but nothing that it has drawn is missed:
 * the next look finds what the last one has not seen.
 *
 * The hashes may take a tenth of one core. Where they would take more, as of a huge picture, or with
 * a slow CPU, not every look reads the pixels. In between, a guest that had changed its picture by
 * the last one that did counts as drawing still, and everything as changed; one that had not, as
 * standing still. So a guest that draws is shown as ever, one that stands still costs nothing more,
 * and one that begins to draw is seen at it when the next look may be had.
 *
 * A buffer whose first rows tell that a look would hold up the main loop, as those of a video card's
 * memory may, is not read. Its rows may have taken so long by chance, as where another machine had the
 * CPU meanwhile: they are tried again from time to time, for a hundredth of one core.
 */
struct oriel_damage {
	struct oriel_tile_hash hash; /* of buffer's pixels, or forgotten */
	struct oriel_guest_buffer *buffer; /* that was looked at last, locked; may be NULL */
	struct oriel_guest_buffer_attributes attributes; /* of that, also after it was let go */
	pixman_region32_t region; /* what the last look found */
	uint64_t hashed_ns; /* the time of the last look that read pixels of such attributes; 0: none */
	uint64_t cost_ns; /* of that, on the CPU */
	bool is_still; /* it found nothing new */
	bool is_ahead; /* there have been frames since then that it knows nothing of */
	/* The last trial of the first rows, if they were too dear to read all: its time, or 0, and cost. */
	uint64_t dear_ns, trial_cost_ns;
};

void oriel_damage_init(struct oriel_damage *damage);
/* Afterwards damage is as after oriel_damage_init(). */
void oriel_damage_finish(struct oriel_damage *damage);

/* The next look finds everything. Lets the buffer go. */
void oriel_damage_forget(struct oriel_damage *damage);

/*
 * Looks at buffer, which is what the plane shows at now_ns (CLOCK_MONOTONIC). False if it has
 * nothing new. Otherwise *ret_region is what differs from the last look, valid until the next one,
 * or NULL: then anything may. Waits for nobody.
 */
bool oriel_damage_look(struct oriel_damage *damage, struct oriel_guest_buffer *buffer,
		uint64_t now_ns, const pixman_region32_t **ret_region);

#endif
