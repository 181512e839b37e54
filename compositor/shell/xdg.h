#ifndef ORIEL_SHELL_XDG_H
#define ORIEL_SHELL_XDG_H

#include <stdint.h>
#include <wayland-server-core.h>

struct oriel_seat;
struct oriel_toplevel;
struct wlr_output_layout;
struct wlr_scene_tree;

/*
 * The windows of Wayland clients, floating beside the guests' displays: xdg_wm_base with its
 * toplevels and popups, and xdg-decoration.
 *
 * Windows draw their own title bars: there are none here, and a window without one could not be
 * moved. So xdg-decoration always answers "client side".
 *
 * A window that comes up gets the keyboard and the front; so does one that is clicked on. Whoever
 * gives the keyboard to something else (oriel_seat_focus_surface()) deactivates the window.
 */
struct oriel_xdg_shell {
	struct oriel_seat *seat;
	struct wlr_output_layout *layout;
	struct wlr_scene_tree *parent;

	struct wl_list toplevels; /* oriel_toplevel.link, the frontmost first, mapped ones only */
	struct wl_list unmapped; /* oriel_toplevel.link */
	struct wl_list popups; /* oriel_popup.link */
	struct oriel_toplevel *focused; /* NULL: none of them */
	unsigned cascade; /* how many windows were placed since the screen was empty */

	struct wl_listener new_toplevel;
	struct wl_listener new_popup;
	struct wl_listener new_decoration;
	struct wl_listener seat_press;
	struct wl_listener seat_focus;
	struct wl_listener layout_change;
};

/**
 * Create the shell with its globals. parent is the scene tree that windows go into, in layout
 * coordinates. All is borrowed and must outlive the shell.
 *
 * Returns NULL after logging one line.
 */
struct oriel_xdg_shell *oriel_xdg_shell_create(struct wl_display *display,
		struct wlr_scene_tree *parent, struct oriel_seat *seat,
		struct wlr_output_layout *layout);

/**
 * Destroy the shell: before the seat, the scene and the layout. Clients may still be there; their
 * windows are gone from the screen, and nobody answers them any more. NULL is fine.
 */
void oriel_xdg_shell_destroy(struct oriel_xdg_shell *shell);

/**
 * Give the keyboard to the frontmost window, if there is one.
 */
void oriel_xdg_shell_focus_front(struct oriel_xdg_shell *shell);

/**
 * Ask the window that has the keyboard, if one has, to close.
 */
void oriel_xdg_shell_close_focused(struct oriel_xdg_shell *shell);

#endif
