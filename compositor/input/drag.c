#include "input/drag.h"

#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/util/log.h>

#include "input/cursor.h"
#include "input/seat.h"

struct oriel_drag {
	struct oriel_seat *seat;
	struct wlr_scene *scene;
	struct wlr_scene_tree *icon; /* NULL: no drag, or one without a picture */

	struct wl_listener request_start_drag;
	struct wl_listener start_drag;
	struct wl_listener icon_destroy;
};

/*
 * A drag that never started is freed by its source going away, or never if it has none: then its
 * grab's cancel is the only way in wlroots 0.20 to be rid of it.
 */
static void reject_drag(struct wlr_drag *wlr_drag) {
	if (wlr_drag->source != NULL) {
		wlr_data_source_destroy(wlr_drag->source);
	} else {
		wlr_drag->keyboard_grab.interface->cancel(&wlr_drag->keyboard_grab);
	}
}

static void handle_request_start_drag(struct wl_listener *listener, void *data) {
	struct oriel_drag *drag = wl_container_of(listener, drag, request_start_drag);
	struct wlr_seat *wlr_seat = drag->seat->wlr_seat;
	const struct wlr_seat_request_start_drag_event *event = data;

	/*
	 * The source of an earlier drag must not come again: wlr_seat_start_drag() destroys that
	 * source, and with it this drag, while it is still at work on both.
	 */
	bool used = event->drag->source != NULL && event->drag->source == wlr_seat->drag_source;
	if (used || !wlr_seat_validate_pointer_grab_serial(wlr_seat, event->origin, event->serial)) {
		reject_drag(event->drag);
		return;
	}
	wlr_seat_start_pointer_drag(wlr_seat, event->drag, event->serial);
}

static void handle_start_drag(struct wl_listener *listener, void *data) {
	struct oriel_drag *drag = wl_container_of(listener, drag, start_drag);
	const struct wlr_drag *wlr_drag = data;
	if (wlr_drag->icon == NULL) {
		return;
	}

	/* One drag at a time: the last one's icon went with it. */
	drag->icon = wlr_scene_drag_icon_create(&drag->scene->tree, wlr_drag->icon);
	if (drag->icon == NULL) {
		wlr_log_errno(WLR_ERROR, "cannot show a drag's icon");
		return;
	}
	wl_signal_add(&drag->icon->node.events.destroy, &drag->icon_destroy);

	const struct wlr_cursor *wlr_cursor = drag->seat->cursor->wlr_cursor;
	oriel_drag_move(drag, wlr_cursor->x, wlr_cursor->y);
}

static void handle_icon_destroy(struct wl_listener *listener, void *data) {
	struct oriel_drag *drag = wl_container_of(listener, drag, icon_destroy);
	wl_list_remove(&drag->icon_destroy.link);
	wl_list_init(&drag->icon_destroy.link);
	drag->icon = NULL;
}

void oriel_drag_move(struct oriel_drag *drag, double lx, double ly) {
	if (drag->icon != NULL) {
		wlr_scene_node_set_position(&drag->icon->node, (int)lx, (int)ly);
	}
}

struct oriel_drag *oriel_drag_create(struct oriel_seat *seat, struct wlr_scene *scene) {
	struct oriel_drag *drag = calloc(1, sizeof(*drag));
	if (drag == NULL) {
		wlr_log_errno(WLR_ERROR, "cannot serve drag and drop");
		return NULL;
	}
	drag->seat = seat;
	drag->scene = scene;

	drag->icon_destroy.notify = handle_icon_destroy;
	wl_list_init(&drag->icon_destroy.link);
	drag->request_start_drag.notify = handle_request_start_drag;
	wl_signal_add(&seat->wlr_seat->events.request_start_drag, &drag->request_start_drag);
	drag->start_drag.notify = handle_start_drag;
	wl_signal_add(&seat->wlr_seat->events.start_drag, &drag->start_drag);
	return drag;
}

void oriel_drag_destroy(struct oriel_drag *drag) {
	if (drag == NULL) {
		return;
	}
	if (drag->icon != NULL) {
		wlr_scene_node_destroy(&drag->icon->node);
	}
	wl_list_remove(&drag->request_start_drag.link);
	wl_list_remove(&drag->start_drag.link);
	free(drag);
}
