#include "shell/xdg_grab.h"

#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/util/edges.h>
#include <wlr/xcursor.h>

#include "input/seat.h"
#include "shell/xdg.h"
#include "shell/xdg_place.h"
#include "shell/xdg_toplevel.h"

static bool toplevel_may_grab(const struct oriel_toplevel *toplevel, uint32_t serial) {
	return toplevel->xdg_toplevel->base->surface->mapped &&
			toplevel->mode == ORIEL_TOPLEVEL_MODE_FLOATING &&
			toplevel->shown == ORIEL_TOPLEVEL_MODE_FLOATING &&
			oriel_cursor_validate_press(toplevel->shell->seat->cursor,
					toplevel->xdg_toplevel->base->surface, serial);
}

static void toplevel_start_grab(struct oriel_toplevel *toplevel, const char *shape) {
	struct oriel_cursor *cursor = toplevel->shell->seat->cursor;
	toplevel->grab_lx = cursor->wlr_cursor->x;
	toplevel->grab_ly = cursor->wlr_cursor->y;
	oriel_toplevel_get_box(toplevel, &toplevel->grab_box);
	oriel_cursor_start_grab(cursor, &toplevel->grab, shape);
}

/* Absolute pointers are a fraction of a pixel off, to either side. */
static int64_t round_pixels(double distance) {
	return (int64_t)(distance < 0 ? distance - 0.5 : distance + 0.5);
}

static void grab_move_motion(struct oriel_pointer_grab *grab, double lx, double ly) {
	struct oriel_toplevel *toplevel = wl_container_of(grab, toplevel, grab);
	oriel_toplevel_move(toplevel, toplevel->grab_box.x + round_pixels(lx - toplevel->grab_lx),
			toplevel->grab_box.y + round_pixels(ly - toplevel->grab_ly));
}

static void grab_move_end(struct oriel_pointer_grab *grab) {}

static int limit_size(int64_t size, int32_t min, int32_t max) {
	if (max > 0 && size > max) {
		size = max;
	}
	if (size < min) {
		size = min;
	}
	return size < 1 ? 1 : oriel_limit_coordinate(size);
}

static void grab_resize_motion(struct oriel_pointer_grab *grab, double lx, double ly) {
	struct oriel_toplevel *toplevel = wl_container_of(grab, toplevel, grab);
	const struct wlr_xdg_toplevel_state *state = &toplevel->xdg_toplevel->current;
	int64_t width = toplevel->grab_box.width;
	int64_t height = toplevel->grab_box.height;
	int64_t dx = round_pixels(lx - toplevel->grab_lx);
	int64_t dy = round_pixels(ly - toplevel->grab_ly);
	if (toplevel->resize.edges & WLR_EDGE_LEFT) {
		width -= dx;
	} else if (toplevel->resize.edges & WLR_EDGE_RIGHT) {
		width += dx;
	}
	if (toplevel->resize.edges & WLR_EDGE_TOP) {
		height -= dy;
	} else if (toplevel->resize.edges & WLR_EDGE_BOTTOM) {
		height += dy;
	}
	toplevel->resize.serial = wlr_xdg_toplevel_set_size(toplevel->xdg_toplevel,
			limit_size(width, state->min_width, state->max_width),
			limit_size(height, state->min_height, state->max_height));
}

static void grab_resize_end(struct oriel_pointer_grab *grab) {
	struct oriel_toplevel *toplevel = wl_container_of(grab, toplevel, grab);
	if (!toplevel->xdg_toplevel->base->initialized) {
		toplevel->resize.edges = 0;
		return;
	}
	toplevel->resize.serial = wlr_xdg_toplevel_set_resizing(toplevel->xdg_toplevel, false);
	toplevel->resize.over = true;
}

void oriel_toplevel_begin_move(struct oriel_toplevel *toplevel, uint32_t serial) {
	if (!toplevel_may_grab(toplevel, serial)) {
		return;
	}
	toplevel->resize.edges = 0;
	toplevel->grab.motion = grab_move_motion;
	toplevel->grab.end = grab_move_end;
	toplevel_start_grab(toplevel, "grabbing");
}

void oriel_toplevel_begin_resize(struct oriel_toplevel *toplevel, uint32_t serial, uint32_t edges) {
	if (edges == WLR_EDGE_NONE || !toplevel_may_grab(toplevel, serial)) {
		return;
	}
	toplevel->grab.motion = grab_resize_motion;
	toplevel->grab.end = grab_resize_end;
	toplevel_start_grab(toplevel, wlr_xcursor_get_resize_name(edges));
	toplevel->resize.edges = edges;
	toplevel->resize.right = toplevel->grab_box.x + toplevel->grab_box.width;
	toplevel->resize.bottom = toplevel->grab_box.y + toplevel->grab_box.height;
	toplevel->resize.over = false;
	toplevel->resize.serial = wlr_xdg_toplevel_set_resizing(toplevel->xdg_toplevel, true);
}

void oriel_toplevel_follow_resize(struct oriel_toplevel *toplevel, uint32_t acked) {
	struct wlr_box box;
	oriel_toplevel_get_box(toplevel, &box);
	int x = toplevel->resize.edges & WLR_EDGE_LEFT ? toplevel->resize.right - box.width : box.x;
	int y = toplevel->resize.edges & WLR_EDGE_TOP ? toplevel->resize.bottom - box.height : box.y;
	oriel_toplevel_move(toplevel, x, y);
	if (toplevel->resize.over && oriel_serial_reached(acked, toplevel->resize.serial)) {
		toplevel->resize.edges = 0;
	}
}
