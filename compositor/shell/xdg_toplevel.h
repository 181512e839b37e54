#ifndef ORIEL_SHELL_XDG_TOPLEVEL_H
#define ORIEL_SHELL_XDG_TOPLEVEL_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/util/box.h>

#include "input/cursor.h"

struct oriel_xdg_shell;
struct wlr_scene_rect;
struct wlr_scene_tree;
struct wlr_surface;
struct wlr_xdg_surface;
struct wlr_xdg_toplevel;
struct wlr_xdg_toplevel_decoration_v1;

enum oriel_toplevel_mode {
	ORIEL_TOPLEVEL_MODE_FLOATING,
	ORIEL_TOPLEVEL_MODE_MAXIMIZED,
	ORIEL_TOPLEVEL_MODE_FULLSCREEN,
};

/*
 * One window. What it is asked to be and what it is are two things: size and state go out with a
 * configure, and count once the client has committed an answer to that or to a later one. Until
 * then the window stays where it is, so that position and size change in the same frame.
 */
struct oriel_toplevel {
	struct wl_list link; /* oriel_xdg_shell.toplevels or .unmapped */
	struct oriel_xdg_shell *shell;
	struct wlr_xdg_toplevel *xdg_toplevel;
	struct wlr_scene_tree *tree; /* its origin is that of the window's geometry */
	struct wlr_scene_tree *content; /* in tree; popups are in it too */
	struct wlr_scene_rect *backdrop; /* black, behind a fullscreen window; NULL before the first */

	enum oriel_toplevel_mode mode; /* asked for */
	enum oriel_toplevel_mode shown; /* in effect */
	bool mode_waits; /* for an answer to mode_serial */
	uint32_t mode_serial;
	struct wlr_box floating; /* layout; to go back to; empty: the client chooses, centred */

	/*
	 * A resize by the left or top edge moves the window, by as much as the client follows: the
	 * opposite edges stay at right and bottom.
	 */
	struct {
		uint32_t edges; /* enum wlr_edges, those that move; 0: no resize */
		int right, bottom; /* layout */
		uint32_t serial; /* the last configure of the resize */
		bool over; /* only the answer to serial is still to come */
	} resize;

	struct oriel_pointer_grab grab;
	double grab_lx, grab_ly; /* where it started */
	struct wlr_box grab_box; /* the window then, layout */

	struct wlr_xdg_toplevel_decoration_v1 *decoration; /* may be NULL */

	struct wl_listener map;
	struct wl_listener unmap;
	struct wl_listener commit;
	struct wl_listener destroy;
	struct wl_listener request_move;
	struct wl_listener request_resize;
	struct wl_listener request_maximize;
	struct wl_listener request_fullscreen;
	struct wl_listener decoration_request_mode;
	struct wl_listener decoration_destroy;
};

/**
 * Take up a toplevel that the client has just made; it is destroyed with the xdg_toplevel.
 *
 * Returns NULL if memory ran out.
 */
struct oriel_toplevel *oriel_toplevel_create(
		struct oriel_xdg_shell *shell, struct wlr_xdg_toplevel *xdg_toplevel);

/**
 * Forget the toplevel, whose xdg_toplevel stays. NULL is fine.
 */
void oriel_toplevel_destroy(struct oriel_toplevel *toplevel);

/**
 * The window of a toplevel's xdg_surface; NULL for any other xdg_surface.
 */
struct oriel_toplevel *oriel_toplevel_from_xdg_surface(struct wlr_xdg_surface *xdg_surface);

/**
 * The window that a surface belongs to: as itself, as a subsurface, or as one of a popup. NULL if
 * it belongs to none.
 */
struct oriel_toplevel *oriel_toplevel_from_surface(struct wlr_surface *surface);

/**
 * Give a mapped window the keyboard, and bring it and its dialogs to the front.
 */
void oriel_toplevel_focus(struct oriel_toplevel *toplevel);

/**
 * Tell the client whether the window looks active.
 */
void oriel_toplevel_set_activated(struct oriel_toplevel *toplevel, bool activated);

/**
 * Answer for a decoration object that the client has just made for this toplevel.
 */
void oriel_toplevel_set_decoration(
		struct oriel_toplevel *toplevel, struct wlr_xdg_toplevel_decoration_v1 *decoration);

/**
 * Outputs came, went or changed: make a mapped window fit again.
 */
void oriel_toplevel_refit(struct oriel_toplevel *toplevel);

/**
 * True if current, a serial of wl_display, is wanted or came after it.
 */
bool oriel_serial_reached(uint32_t current, uint32_t wanted);

#endif
