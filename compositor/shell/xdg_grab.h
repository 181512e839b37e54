#ifndef ORIEL_SHELL_XDG_GRAB_H
#define ORIEL_SHELL_XDG_GRAB_H

#include <stdint.h>

struct oriel_toplevel;

/*
 * Windows moved and resized by the pointer, which a client asks for when its title bar or its
 * frame is pressed on.
 */

/**
 * Let the pointer move a window until the button is released. Does nothing unless serial is that
 * of the press which holds the pointer on this window, and the window is floating.
 */
void oriel_toplevel_begin_move(struct oriel_toplevel *toplevel, uint32_t serial);

/**
 * Let the pointer resize a window by some of its edges (enum wlr_edges), likewise.
 */
void oriel_toplevel_begin_resize(struct oriel_toplevel *toplevel, uint32_t serial, uint32_t edges);

/**
 * The client committed while toplevel->resize.edges is not 0: keep the other edges in place.
 * acked is the serial of the configure that the commit answers.
 */
void oriel_toplevel_follow_resize(struct oriel_toplevel *toplevel, uint32_t acked);

#endif
