#include "shell/xdg_toplevel.h"

#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_decoration_v1.h>
#include <wlr/types/wlr_xdg_shell.h>

#include "input/seat.h"
#include "shell/xdg.h"
#include "shell/xdg_grab.h"
#include "shell/xdg_place.h"

bool oriel_serial_reached(uint32_t current, uint32_t wanted) {
	return (int32_t)(current - wanted) >= 0;
}

/* wlroots asserts that nothing is sent before the initial commit, or between two mappings. */
static bool toplevel_can_configure(const struct oriel_toplevel *toplevel) {
	return toplevel->xdg_toplevel->base->initialized;
}

static bool toplevel_is_mapped(const struct oriel_toplevel *toplevel) {
	return toplevel->xdg_toplevel->base->surface->mapped;
}

/* Mode */

static enum oriel_toplevel_mode toplevel_get_requested(const struct oriel_toplevel *toplevel) {
	const struct wlr_xdg_toplevel_requested *requested = &toplevel->xdg_toplevel->requested;
	if (requested->fullscreen) {
		return ORIEL_TOPLEVEL_MODE_FULLSCREEN;
	}
	return requested->maximized ? ORIEL_TOPLEVEL_MODE_MAXIMIZED : ORIEL_TOPLEVEL_MODE_FLOATING;
}

/* Send what toplevel->mode means. */
static void toplevel_configure_mode(struct oriel_toplevel *toplevel) {
	struct wlr_xdg_toplevel *xdg_toplevel = toplevel->xdg_toplevel;
	struct wlr_box box = toplevel->floating;
	if (toplevel->mode != ORIEL_TOPLEVEL_MODE_FLOATING) {
		oriel_toplevel_get_output_box(toplevel, &box);
	}
	wlr_xdg_toplevel_set_maximized(xdg_toplevel, toplevel->mode == ORIEL_TOPLEVEL_MODE_MAXIMIZED);
	wlr_xdg_toplevel_set_fullscreen(
			xdg_toplevel, toplevel->mode == ORIEL_TOPLEVEL_MODE_FULLSCREEN);
	toplevel->mode_serial = wlr_xdg_toplevel_set_size(xdg_toplevel, box.width, box.height);
	toplevel->mode_waits = true;
}

static void toplevel_update_mode(struct oriel_toplevel *toplevel) {
	if (!toplevel_can_configure(toplevel)) {
		return; /* the initial commit asks again */
	}
	enum oriel_toplevel_mode mode = toplevel_get_requested(toplevel);
	if (mode == ORIEL_TOPLEVEL_MODE_FLOATING && toplevel->mode == mode) {
		/* Nothing changes, but the protocol wants an answer. */
		wlr_xdg_surface_schedule_configure(toplevel->xdg_toplevel->base);
		return;
	}
	oriel_cursor_end_grab(toplevel->shell->seat->cursor, &toplevel->grab);
	toplevel->resize.edges = 0;
	if (toplevel->mode == ORIEL_TOPLEVEL_MODE_FLOATING && toplevel_is_mapped(toplevel) &&
			toplevel->shown == ORIEL_TOPLEVEL_MODE_FLOATING) {
		oriel_toplevel_get_box(toplevel, &toplevel->floating);
	}
	toplevel->mode = mode;
	toplevel_configure_mode(toplevel);
}

void oriel_toplevel_refit(struct oriel_toplevel *toplevel) {
	if (!toplevel_can_configure(toplevel)) {
		return;
	}
	if (toplevel->mode != ORIEL_TOPLEVEL_MODE_FLOATING) {
		toplevel_configure_mode(toplevel);
		return;
	}
	oriel_toplevel_keep_on_output(toplevel);
}

void oriel_toplevel_set_activated(struct oriel_toplevel *toplevel, bool activated) {
	if (toplevel_can_configure(toplevel)) {
		wlr_xdg_toplevel_set_activated(toplevel->xdg_toplevel, activated);
	}
}

static void handle_request_move(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, request_move);
	const struct wlr_xdg_toplevel_move_event *event = data;
	oriel_toplevel_begin_move(toplevel, event->serial);
}

static void handle_request_resize(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, request_resize);
	const struct wlr_xdg_toplevel_resize_event *event = data;
	oriel_toplevel_begin_resize(toplevel, event->serial, event->edges);
}

static void handle_request_maximize(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, request_maximize);
	toplevel_update_mode(toplevel);
}

static void handle_request_fullscreen(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, request_fullscreen);
	toplevel_update_mode(toplevel);
}

/* Focus */

static void toplevel_take_keyboard(struct oriel_toplevel *toplevel) {
	oriel_seat_focus_surface(toplevel->shell->seat, toplevel->xdg_toplevel->base->surface);
}

void oriel_toplevel_focus(struct oriel_toplevel *toplevel) {
	if (!toplevel_is_mapped(toplevel)) {
		return;
	}
	struct oriel_xdg_shell *shell = toplevel->shell;
	wlr_scene_node_raise_to_top(&toplevel->tree->node);
	wl_list_remove(&toplevel->link);
	wl_list_insert(&shell->toplevels, &toplevel->link);

	/* From back to front, which keeps the dialogs in order. */
	struct oriel_toplevel *child, *next;
	wl_list_for_each_reverse_safe(child, next, &shell->toplevels, link) {
		if (child->xdg_toplevel->parent == toplevel->xdg_toplevel) {
			wlr_scene_node_raise_to_top(&child->tree->node);
			wl_list_remove(&child->link);
			wl_list_insert(&shell->toplevels, &child->link);
		}
		if (child == toplevel) {
			break;
		}
	}
	toplevel_take_keyboard(toplevel);
	oriel_cursor_update(shell->seat->cursor);
}

/* Life of the surface */

static void handle_map(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, map);
	struct oriel_xdg_shell *shell = toplevel->shell;
	if (oriel_serial_reached(toplevel->xdg_toplevel->base->current.configure_serial,
			    toplevel->mode_serial)) {
		toplevel->mode_waits = false;
		toplevel->shown = toplevel->mode;
	}
	oriel_toplevel_place_new(toplevel);
	if (toplevel->shown != ORIEL_TOPLEVEL_MODE_FLOATING) {
		oriel_toplevel_place(toplevel);
	}

	wl_list_remove(&toplevel->link);
	wl_list_insert(&shell->toplevels, &toplevel->link);
	wlr_scene_node_raise_to_top(&toplevel->tree->node);
	toplevel_take_keyboard(toplevel);
	oriel_cursor_update(shell->seat->cursor);
}

static void handle_unmap(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, unmap);
	struct oriel_xdg_shell *shell = toplevel->shell;
	oriel_cursor_end_grab(shell->seat->cursor, &toplevel->grab);
	oriel_toplevel_hide_backdrop(toplevel);

	/* wlroots forgets what the client asked for, too. */
	toplevel->mode = ORIEL_TOPLEVEL_MODE_FLOATING;
	toplevel->shown = ORIEL_TOPLEVEL_MODE_FLOATING;
	toplevel->mode_waits = false;
	toplevel->resize.edges = 0;
	toplevel->floating = (struct wlr_box){ 0 };

	wl_list_remove(&toplevel->link);
	wl_list_insert(&shell->unmapped, &toplevel->link);
	if (shell->focused == toplevel) {
		if (wl_list_empty(&shell->toplevels)) {
			oriel_seat_focus_surface(shell->seat, NULL);
		} else {
			struct oriel_toplevel *next =
					wl_container_of(shell->toplevels.next, next, link);
			toplevel_take_keyboard(next);
		}
	}
	oriel_cursor_update(shell->seat->cursor);
}

static void toplevel_answer_initial_commit(struct oriel_toplevel *toplevel) {
	struct wlr_xdg_toplevel *xdg_toplevel = toplevel->xdg_toplevel;
	struct wlr_box output;
	toplevel->mode = toplevel_get_requested(toplevel);
	oriel_toplevel_get_output_box(toplevel, &output);

	wlr_xdg_toplevel_set_wm_capabilities(xdg_toplevel,
			WLR_XDG_TOPLEVEL_WM_CAPABILITIES_MAXIMIZE |
					WLR_XDG_TOPLEVEL_WM_CAPABILITIES_FULLSCREEN);
	wlr_xdg_toplevel_set_bounds(xdg_toplevel, output.width, output.height);
	/* Left over from before the last unmapping. */
	wlr_xdg_toplevel_set_activated(xdg_toplevel, false);
	wlr_xdg_toplevel_set_resizing(xdg_toplevel, false);
	toplevel_configure_mode(toplevel);
	if (toplevel->decoration != NULL) {
		wlr_xdg_toplevel_decoration_v1_set_mode(toplevel->decoration,
				WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
	}
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, commit);
	struct wlr_xdg_surface *base = toplevel->xdg_toplevel->base;
	if (base->initial_commit) {
		toplevel_answer_initial_commit(toplevel);
		return;
	}
	if (!toplevel_is_mapped(toplevel)) {
		return;
	}

	uint32_t acked = base->current.configure_serial;
	if (toplevel->mode_waits && oriel_serial_reached(acked, toplevel->mode_serial)) {
		toplevel->mode_waits = false;
		toplevel->shown = toplevel->mode;
		oriel_toplevel_place(toplevel);
		oriel_cursor_update(toplevel->shell->seat->cursor);
	} else if (toplevel->shown == ORIEL_TOPLEVEL_MODE_FULLSCREEN) {
		oriel_toplevel_place(toplevel); /* the client may have chosen another size */
	} else if (toplevel->resize.edges != 0) {
		oriel_toplevel_follow_resize(toplevel, acked);
	}

	/*
	 * A floating window is as large as its client makes it. Every configure carries a size, and
	 * one that only says "you are active" must not bring an old one back.
	 */
	if (!toplevel->mode_waits && toplevel->mode == ORIEL_TOPLEVEL_MODE_FLOATING &&
			toplevel->resize.edges == 0) {
		struct wlr_box box;
		oriel_toplevel_get_box(toplevel, &box);
		toplevel->xdg_toplevel->scheduled.width = box.width;
		toplevel->xdg_toplevel->scheduled.height = box.height;
	}
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, destroy);
	oriel_toplevel_destroy(toplevel);
}

/* Decoration */

static void handle_decoration_request_mode(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel =
			wl_container_of(listener, toplevel, decoration_request_mode);
	if (toplevel_can_configure(toplevel)) {
		wlr_xdg_toplevel_decoration_v1_set_mode(toplevel->decoration,
				WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
	}
}

static void toplevel_forget_decoration(struct oriel_toplevel *toplevel) {
	toplevel->decoration = NULL;
	wl_list_remove(&toplevel->decoration_request_mode.link);
	wl_list_init(&toplevel->decoration_request_mode.link);
	wl_list_remove(&toplevel->decoration_destroy.link);
	wl_list_init(&toplevel->decoration_destroy.link);
}

static void handle_decoration_destroy(struct wl_listener *listener, void *data) {
	struct oriel_toplevel *toplevel = wl_container_of(listener, toplevel, decoration_destroy);
	toplevel_forget_decoration(toplevel);
}

void oriel_toplevel_set_decoration(struct oriel_toplevel *toplevel,
		struct wlr_xdg_toplevel_decoration_v1 *decoration) {
	toplevel_forget_decoration(toplevel);
	toplevel->decoration = decoration;
	wl_signal_add(&decoration->events.request_mode, &toplevel->decoration_request_mode);
	wl_signal_add(&decoration->events.destroy, &toplevel->decoration_destroy);
	if (toplevel_can_configure(toplevel)) {
		wlr_xdg_toplevel_decoration_v1_set_mode(
				decoration, WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_CLIENT_SIDE);
	}
}

/* Which window */

struct oriel_toplevel *oriel_toplevel_from_xdg_surface(struct wlr_xdg_surface *xdg_surface) {
	if (xdg_surface->role != WLR_XDG_SURFACE_ROLE_TOPLEVEL || xdg_surface->data == NULL) {
		return NULL;
	}
	struct wlr_scene_tree *content = xdg_surface->data;
	return content->node.data;
}

struct oriel_toplevel *oriel_toplevel_from_surface(struct wlr_surface *surface) {
	surface = wlr_surface_get_root_surface(surface);
	/* oriel_popup_create() sees to it that this comes to an end. */
	while (surface != NULL) {
		struct wlr_xdg_surface *xdg_surface = wlr_xdg_surface_try_from_wlr_surface(surface);
		if (xdg_surface == NULL) {
			return NULL;
		}
		if (xdg_surface->role != WLR_XDG_SURFACE_ROLE_POPUP) {
			return oriel_toplevel_from_xdg_surface(xdg_surface);
		}
		surface = xdg_surface->popup != NULL ? xdg_surface->popup->parent : NULL;
	}
	return NULL;
}

/* Birth and death */

static void toplevel_listen(struct oriel_toplevel *toplevel) {
	struct wlr_xdg_toplevel *xdg_toplevel = toplevel->xdg_toplevel;
	struct wlr_surface *surface = xdg_toplevel->base->surface;
	toplevel->map.notify = handle_map;
	wl_signal_add(&surface->events.map, &toplevel->map);
	toplevel->unmap.notify = handle_unmap;
	wl_signal_add(&surface->events.unmap, &toplevel->unmap);
	toplevel->commit.notify = handle_commit;
	wl_signal_add(&surface->events.commit, &toplevel->commit);
	toplevel->destroy.notify = handle_destroy;
	wl_signal_add(&xdg_toplevel->events.destroy, &toplevel->destroy);
	toplevel->request_move.notify = handle_request_move;
	wl_signal_add(&xdg_toplevel->events.request_move, &toplevel->request_move);
	toplevel->request_resize.notify = handle_request_resize;
	wl_signal_add(&xdg_toplevel->events.request_resize, &toplevel->request_resize);
	toplevel->request_maximize.notify = handle_request_maximize;
	wl_signal_add(&xdg_toplevel->events.request_maximize, &toplevel->request_maximize);
	toplevel->request_fullscreen.notify = handle_request_fullscreen;
	wl_signal_add(&xdg_toplevel->events.request_fullscreen, &toplevel->request_fullscreen);

	toplevel->decoration_request_mode.notify = handle_decoration_request_mode;
	wl_list_init(&toplevel->decoration_request_mode.link);
	toplevel->decoration_destroy.notify = handle_decoration_destroy;
	wl_list_init(&toplevel->decoration_destroy.link);
}

struct oriel_toplevel *oriel_toplevel_create(
		struct oriel_xdg_shell *shell, struct wlr_xdg_toplevel *xdg_toplevel) {
	struct oriel_toplevel *toplevel = calloc(1, sizeof(*toplevel));
	if (toplevel == NULL) {
		return NULL;
	}
	toplevel->shell = shell;
	toplevel->xdg_toplevel = xdg_toplevel;
	toplevel->tree = wlr_scene_tree_create(shell->parent);
	if (toplevel->tree == NULL) {
		goto free_toplevel;
	}
	toplevel->content = wlr_scene_xdg_surface_create(toplevel->tree, xdg_toplevel->base);
	if (toplevel->content == NULL) {
		goto destroy_tree;
	}
	toplevel->content->node.data = toplevel;
	xdg_toplevel->base->data = toplevel->content;

	toplevel_listen(toplevel);
	wl_list_insert(&shell->unmapped, &toplevel->link);
	return toplevel;

destroy_tree:
	wlr_scene_node_destroy(&toplevel->tree->node);
free_toplevel:
	free(toplevel);
	return NULL;
}

void oriel_toplevel_destroy(struct oriel_toplevel *toplevel) {
	if (toplevel == NULL) {
		return;
	}
	oriel_cursor_end_grab(toplevel->shell->seat->cursor, &toplevel->grab);
	wl_list_remove(&toplevel->link);
	wl_list_remove(&toplevel->map.link);
	wl_list_remove(&toplevel->unmap.link);
	wl_list_remove(&toplevel->commit.link);
	wl_list_remove(&toplevel->destroy.link);
	wl_list_remove(&toplevel->request_move.link);
	wl_list_remove(&toplevel->request_resize.link);
	wl_list_remove(&toplevel->request_maximize.link);
	wl_list_remove(&toplevel->request_fullscreen.link);
	wl_list_remove(&toplevel->decoration_request_mode.link);
	wl_list_remove(&toplevel->decoration_destroy.link);

	toplevel->xdg_toplevel->base->data = NULL;
	wlr_scene_node_destroy(&toplevel->tree->node);
	free(toplevel);
}
