#include "shell/xdg.h"

#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_decoration_v1.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/util/log.h>

#include "input/seat.h"
#include "shell/xdg_popup.h"
#include "shell/xdg_toplevel.h"

/* What this answers to, and not what wlroots has: 7 would promise to tell of constrained edges. */
#define XDG_WM_BASE_VERSION 6

static void handle_new_toplevel(struct wl_listener *listener, void *data) {
	struct oriel_xdg_shell *shell = wl_container_of(listener, shell, new_toplevel);
	struct wlr_xdg_toplevel *xdg_toplevel = data;
	if (oriel_toplevel_create(shell, xdg_toplevel) == NULL) {
		wl_resource_post_no_memory(xdg_toplevel->resource);
	}
}

static void handle_new_popup(struct wl_listener *listener, void *data) {
	struct oriel_xdg_shell *shell = wl_container_of(listener, shell, new_popup);
	struct wlr_xdg_popup *xdg_popup = data;
	if (oriel_popup_create(shell, xdg_popup) == NULL) {
		wl_resource_post_no_memory(xdg_popup->resource);
	}
}

static void handle_new_decoration(struct wl_listener *listener, void *data) {
	struct wlr_xdg_toplevel_decoration_v1 *decoration = data;
	struct oriel_toplevel *toplevel = oriel_toplevel_from_xdg_surface(decoration->toplevel->base);
	if (toplevel != NULL) {
		oriel_toplevel_set_decoration(toplevel, decoration);
	}
}

static void handle_seat_press(struct wl_listener *listener, void *data) {
	struct wlr_surface *surface = data;
	struct oriel_toplevel *toplevel = surface != NULL ? oriel_toplevel_from_surface(surface)
							  : NULL;
	if (toplevel != NULL) {
		oriel_toplevel_focus(toplevel);
	}
}

static void handle_seat_focus(struct wl_listener *listener, void *data) {
	struct oriel_xdg_shell *shell = wl_container_of(listener, shell, seat_focus);
	struct wlr_surface *surface = data;
	struct oriel_toplevel *toplevel = surface != NULL ? oriel_toplevel_from_surface(surface)
							  : NULL;
	if (toplevel == shell->focused) {
		return;
	}
	if (shell->focused != NULL) {
		oriel_toplevel_set_activated(shell->focused, false);
	}
	shell->focused = toplevel;
	if (toplevel != NULL) {
		oriel_toplevel_set_activated(toplevel, true);
	}
}

static void handle_layout_change(struct wl_listener *listener, void *data) {
	struct oriel_xdg_shell *shell = wl_container_of(listener, shell, layout_change);
	struct oriel_toplevel *toplevel;
	wl_list_for_each(toplevel, &shell->toplevels, link) {
		oriel_toplevel_refit(toplevel);
	}
}

void oriel_xdg_shell_focus_front(struct oriel_xdg_shell *shell) {
	if (!wl_list_empty(&shell->toplevels)) {
		struct oriel_toplevel *front = wl_container_of(shell->toplevels.next, front, link);
		oriel_toplevel_focus(front);
	}
}

void oriel_xdg_shell_close_focused(struct oriel_xdg_shell *shell) {
	if (shell->focused != NULL) {
		wlr_xdg_toplevel_send_close(shell->focused->xdg_toplevel);
	}
}

struct oriel_xdg_shell *oriel_xdg_shell_create(struct wl_display *display,
		struct wlr_scene_tree *parent, struct oriel_seat *seat,
		struct wlr_output_layout *layout) {
	struct oriel_xdg_shell *shell = calloc(1, sizeof(*shell));
	struct wlr_xdg_shell *wlr_shell = wlr_xdg_shell_create(display, XDG_WM_BASE_VERSION);
	struct wlr_xdg_decoration_manager_v1 *decorations =
			wlr_xdg_decoration_manager_v1_create(display);
	if (shell == NULL || wlr_shell == NULL || decorations == NULL) {
		wlr_log(WLR_ERROR, "cannot create the shell for windows");
		free(shell);
		return NULL;
	}

	shell->seat = seat;
	shell->layout = layout;
	shell->parent = parent;
	wl_list_init(&shell->toplevels);
	wl_list_init(&shell->unmapped);
	wl_list_init(&shell->popups);

	shell->new_toplevel.notify = handle_new_toplevel;
	wl_signal_add(&wlr_shell->events.new_toplevel, &shell->new_toplevel);
	shell->new_popup.notify = handle_new_popup;
	wl_signal_add(&wlr_shell->events.new_popup, &shell->new_popup);
	shell->new_decoration.notify = handle_new_decoration;
	wl_signal_add(&decorations->events.new_toplevel_decoration, &shell->new_decoration);
	shell->seat_press.notify = handle_seat_press;
	wl_signal_add(&seat->events.press, &shell->seat_press);
	shell->seat_focus.notify = handle_seat_focus;
	wl_signal_add(&seat->events.focus, &shell->seat_focus);
	shell->layout_change.notify = handle_layout_change;
	wl_signal_add(&layout->events.change, &shell->layout_change);
	return shell;
}

void oriel_xdg_shell_destroy(struct oriel_xdg_shell *shell) {
	if (shell == NULL) {
		return;
	}

	/*
	 * Dismissed and not just forgotten: wlroots 0.20 frees a popup's grab twice if the seat is
	 * destroyed while a popup holds it.
	 */
	while (!wl_list_empty(&shell->popups)) {
		struct oriel_popup *popup = wl_container_of(shell->popups.next, popup, link);
		wlr_xdg_popup_destroy(popup->xdg_popup);
	}

	wl_list_remove(&shell->new_toplevel.link);
	wl_list_remove(&shell->new_popup.link);
	wl_list_remove(&shell->new_decoration.link);
	wl_list_remove(&shell->seat_press.link);
	wl_list_remove(&shell->seat_focus.link);
	wl_list_remove(&shell->layout_change.link);

	struct oriel_toplevel *toplevel, *next;
	wl_list_for_each_safe(toplevel, next, &shell->toplevels, link) {
		oriel_toplevel_destroy(toplevel);
	}
	wl_list_for_each_safe(toplevel, next, &shell->unmapped, link) {
		oriel_toplevel_destroy(toplevel);
	}
	free(shell);
}
