#ifndef ORIEL_SHELL_XDG_POPUP_H
#define ORIEL_SHELL_XDG_POPUP_H

#include <wayland-server-core.h>

struct oriel_xdg_shell;
struct wlr_scene_tree;
struct wlr_xdg_popup;

/*
 * One popup (menu, tooltip), kept within the output that its window is on.
 */
struct oriel_popup {
	struct wl_list link; /* oriel_xdg_shell.popups */
	struct oriel_xdg_shell *shell;
	struct wlr_xdg_popup *xdg_popup;
	struct wlr_scene_tree *tree; /* NULL: there is no window to show it on */

	struct wl_listener commit;
	struct wl_listener map;
	struct wl_listener unmap;
	struct wl_listener reposition;
	struct wl_listener destroy;
	struct wl_listener tree_destroy;
};

/**
 * Take up a popup that the client has just made; it is freed with the xdg_popup.
 *
 * Returns NULL if memory ran out.
 */
struct oriel_popup *oriel_popup_create(
		struct oriel_xdg_shell *shell, struct wlr_xdg_popup *xdg_popup);

#endif
