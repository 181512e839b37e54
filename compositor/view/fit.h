#ifndef ORIEL_VIEW_FIT_H
#define ORIEL_VIEW_FIT_H

#include <stdbool.h>
#include <wlr/util/box.h>

/* Where a guest's picture lies within a box that it is scaled into. */
struct oriel_fit {
	struct wlr_box box; /* relative to the outer box */
	bool whole; /* the scale is a whole number: pixels stay sharp */
};

/*
 * The largest place for a picture of the given size (pixels) within an outer box, in the middle of
 * it and with the picture's aspect kept. All sizes are at least 1, and so is the result's. A pure
 * function.
 */
struct oriel_fit oriel_fit_box(int width, int height, int outer_width, int outer_height);

#endif
