#include "shell/xdg_popup.h"

#include <stdlib.h>
/* Not the core header only: it has the layout of struct wl_resource, see popup_guard(). */
#include <wayland-server.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_xdg_shell.h>

#include "input/cursor.h"
#include "input/seat.h"
#include "shell/xdg.h"
#include "shell/xdg_place.h"
#include "shell/xdg_toplevel.h"
#include "xdg-shell-protocol.h"

/*
 * Menus nest a handful deep. wlroots walks popups and the scene by recursion, so without a limit
 * the length of a chain decides when the stack is at its end.
 */
#define POPUP_DEPTH_MAX 32

enum popup_request {
	POPUP_REQUEST_DESTROY = 0,
	POPUP_REQUEST_GRAB = 1,
	POPUP_REQUEST_REPOSITION = 2,
};

/* Guard */

static void popup_guard_grab(const struct xdg_popup_interface *requests, struct wl_client *client,
		struct wl_resource *resource, struct wl_resource *seat_resource, uint32_t serial) {
	struct wlr_xdg_popup *xdg_popup = wlr_xdg_popup_from_resource(resource);
	struct wlr_seat_client *seat_client = wlr_seat_client_from_resource(seat_resource);
	if (xdg_popup == NULL || seat_client == NULL) {
		requests->grab(client, resource, seat_resource, serial);
		return;
	}
	if (xdg_popup->seat != NULL) {
		wl_resource_post_error(resource, XDG_POPUP_ERROR_INVALID_GRAB,
				"xdg_popup has a grab already");
		return;
	}
	const struct wlr_seat *wlr_seat = seat_client->seat;
	bool has_focus = wlr_seat->pointer_state.focused_client == seat_client ||
			wlr_seat->keyboard_state.focused_client == seat_client;
	if (!has_focus || wlr_seat->drag != NULL) {
		wlr_xdg_popup_destroy(xdg_popup);
		return;
	}
	requests->grab(client, resource, seat_resource, serial);
}

static int popup_dispatch(const void *implementation, void *target, uint32_t opcode,
		const struct wl_message *message, union wl_argument *args) {
	const struct xdg_popup_interface *requests = implementation;
	struct wl_resource *resource = target;
	struct wl_client *client = wl_resource_get_client(resource);

	switch (opcode) {
	case POPUP_REQUEST_DESTROY:
		requests->destroy(client, resource);
		return 0;
	case POPUP_REQUEST_GRAB:
		popup_guard_grab(requests, client, resource, (struct wl_resource *)args[0].o,
				args[1].u);
		return 0;
	case POPUP_REQUEST_REPOSITION:;
		const struct wlr_xdg_popup *xdg_popup = wlr_xdg_popup_from_resource(resource);
		if (xdg_popup != NULL && !xdg_popup->base->initialized) {
			wl_resource_post_error(xdg_popup->base->resource,
					XDG_SURFACE_ERROR_NOT_CONSTRUCTED,
					"xdg_popup was repositioned before its initial commit");
			return 0;
		}
		requests->reposition(client, resource, (struct wl_resource *)args[0].o, args[1].u);
		return 0;
	default: /* a request of a newer version than is offered never gets here */
		return -1;
	}
}

/*
 * Two requests of xdg_popup end wlroots 0.20, so they are looked at before it gets them:
 *
 * - reposition before the initial commit fails an assertion of
 *   wlr_xdg_surface_schedule_configure();
 * - a second grab of one popup puts it twice into the grab's list, which then has no end.
 *
 * And a grab is refused, as the protocol allows, to a client that has neither pointer nor
 * keyboard: wlroots does not look at the serial, and a client in the background could take every
 * click. So it is during a drag, which would not end once its own grab is replaced.
 *
 * libwayland calls a dispatcher in place of the implementation, which it is given to carry on
 * with; wlroots still finds its own there when it checks the resource's type. That field has no
 * getter, but its place is fixed: struct wl_resource stands in wayland-server.h, and libwayland
 * keeps it so.
 */
static void popup_guard(struct wlr_xdg_popup *xdg_popup) {
	struct wl_resource *resource = xdg_popup->resource;
	wl_resource_set_dispatcher(resource, popup_dispatch, resource->object.implementation,
			xdg_popup, resource->destroy);
}

/* Parents */

/*
 * The window that a popup belongs to in the end, or NULL. Takes no more steps than there may be
 * levels, and *ret_depth says how many it took.
 */
static struct wlr_xdg_surface *popup_find_root(
		const struct wlr_xdg_popup *xdg_popup, unsigned *ret_depth) {
	struct wlr_surface *surface = xdg_popup->parent;
	unsigned depth = 1;
	struct wlr_xdg_surface *root = NULL;
	while (surface != NULL && depth <= POPUP_DEPTH_MAX) {
		struct wlr_xdg_surface *xdg_surface = wlr_xdg_surface_try_from_wlr_surface(surface);
		if (xdg_surface == NULL || xdg_surface->role != WLR_XDG_SURFACE_ROLE_POPUP) {
			root = xdg_surface;
			break;
		}
		/* A popup whose parent is dismissed has a place in the chain, but no popup. */
		surface = xdg_surface->popup != NULL ? xdg_surface->popup->parent : NULL;
		depth++;
	}
	*ret_depth = depth;
	return root;
}

/*
 * wlroots lets a popup be its own parent: its surface has the role of a popup by the time that is
 * checked. The error ends the client, and until then the popup must not be found in the loop.
 */
static bool popup_reject_parent(struct wlr_xdg_popup *xdg_popup) {
	unsigned depth;
	popup_find_root(xdg_popup, &depth);
	if (xdg_popup->parent != xdg_popup->base->surface && depth <= POPUP_DEPTH_MAX) {
		return false;
	}
	wl_resource_post_error(xdg_popup->base->client->resource,
			XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT,
			"a popup cannot be its own parent, nor be more than %d deep",
			POPUP_DEPTH_MAX);
	xdg_popup->parent = NULL;
	wl_list_remove(&xdg_popup->link);
	wl_list_init(&xdg_popup->link);
	return true;
}

/* Life */

static void popup_place(struct oriel_popup *popup) {
	unsigned depth;
	struct wlr_xdg_surface *root = popup_find_root(popup->xdg_popup, &depth);
	struct oriel_toplevel *toplevel = root != NULL ? oriel_toplevel_from_xdg_surface(root) : NULL;
	if (toplevel == NULL) {
		wlr_xdg_surface_schedule_configure(popup->xdg_popup->base);
		return;
	}
	struct wlr_box box;
	oriel_toplevel_get_output_box(toplevel, &box);
	/* From the layout to the window's surface, whose origin is not that of its geometry. */
	box.x -= toplevel->tree->node.x - root->geometry.x;
	box.y -= toplevel->tree->node.y - root->geometry.y;
	wlr_xdg_popup_unconstrain_from_box(popup->xdg_popup, &box);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, commit);
	if (popup->xdg_popup->base->initial_commit) {
		popup_place(popup);
	}
}

static void handle_reposition(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, reposition);
	popup_place(popup);
}

static void handle_map(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, map);
	oriel_cursor_update(popup->shell->seat->cursor);
}

static void handle_unmap(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, unmap);
	oriel_cursor_update(popup->shell->seat->cursor);
}

static void handle_tree_destroy(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, tree_destroy);
	wl_list_remove(&popup->tree_destroy.link);
	wl_list_init(&popup->tree_destroy.link);
	popup->tree = NULL;
	popup->xdg_popup->base->data = NULL;
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct oriel_popup *popup = wl_container_of(listener, popup, destroy);
	if (popup->tree != NULL) {
		wlr_scene_node_destroy(&popup->tree->node);
	}
	wl_list_remove(&popup->link);
	wl_list_remove(&popup->commit.link);
	wl_list_remove(&popup->map.link);
	wl_list_remove(&popup->unmap.link);
	wl_list_remove(&popup->reposition.link);
	wl_list_remove(&popup->destroy.link);
	free(popup);
}

static bool popup_show(struct oriel_popup *popup) {
	struct wlr_xdg_surface *base = popup->xdg_popup->base;
	struct wlr_xdg_surface *parent = popup->xdg_popup->parent != NULL
			? wlr_xdg_surface_try_from_wlr_surface(popup->xdg_popup->parent)
			: NULL;
	if (parent == NULL || parent->data == NULL) {
		return true;
	}
	popup->tree = wlr_scene_xdg_surface_create(parent->data, base);
	if (popup->tree == NULL) {
		return false;
	}
	base->data = popup->tree;
	wl_signal_add(&popup->tree->node.events.destroy, &popup->tree_destroy);
	return true;
}

struct oriel_popup *oriel_popup_create(
		struct oriel_xdg_shell *shell, struct wlr_xdg_popup *xdg_popup) {
	struct oriel_popup *popup = calloc(1, sizeof(*popup));
	if (popup == NULL) {
		return NULL;
	}
	popup->shell = shell;
	popup->xdg_popup = xdg_popup;
	popup->tree_destroy.notify = handle_tree_destroy;
	wl_list_init(&popup->tree_destroy.link);

	popup_guard(xdg_popup);
	if (!popup_reject_parent(xdg_popup) && !popup_show(popup)) {
		free(popup);
		return NULL;
	}

	struct wlr_surface *surface = xdg_popup->base->surface;
	popup->commit.notify = handle_commit;
	wl_signal_add(&surface->events.commit, &popup->commit);
	popup->map.notify = handle_map;
	wl_signal_add(&surface->events.map, &popup->map);
	popup->unmap.notify = handle_unmap;
	wl_signal_add(&surface->events.unmap, &popup->unmap);
	popup->reposition.notify = handle_reposition;
	wl_signal_add(&xdg_popup->events.reposition, &popup->reposition);
	popup->destroy.notify = handle_destroy;
	wl_signal_add(&xdg_popup->events.destroy, &popup->destroy);
	wl_list_insert(&shell->popups, &popup->link);
	return popup;
}
