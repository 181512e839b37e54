#ifndef ORIEL_SHELL_XDG_PLACE_H
#define ORIEL_SHELL_XDG_PLACE_H

#include <stdint.h>

struct oriel_toplevel;
struct wlr_box;

/*
 * Where a window is, and where it is put. All in layout coordinates; a window's place is that of
 * its geometry, without the shadow that clients draw around it.
 */

/**
 * Bring a coordinate or a size, which clients choose up to the ends of int, to where sums of some
 * of them do not overflow. That is far outside of any layout.
 */
int oriel_limit_coordinate(int64_t value);

/**
 * The window's place and size.
 */
void oriel_toplevel_get_box(const struct oriel_toplevel *toplevel, struct wlr_box *ret_box);

/**
 * The output that the window is on, or nearest to; empty if there is none.
 */
void oriel_toplevel_get_output_box(struct oriel_toplevel *toplevel, struct wlr_box *ret_box);

void oriel_toplevel_move(struct oriel_toplevel *toplevel, int64_t lx, int64_t ly);

/**
 * Place a window that has just been mapped: over its parent, or in the middle of the output where
 * the pointer is, each a step further than the one before.
 */
void oriel_toplevel_place_new(struct oriel_toplevel *toplevel);

/**
 * Put a mapped window where the mode that is shown has it, with a black backdrop if that is
 * fullscreen.
 */
void oriel_toplevel_place(struct oriel_toplevel *toplevel);

/**
 * Make sure that a floating window is on an output.
 */
void oriel_toplevel_keep_on_output(struct oriel_toplevel *toplevel);

void oriel_toplevel_hide_backdrop(struct oriel_toplevel *toplevel);

#endif
