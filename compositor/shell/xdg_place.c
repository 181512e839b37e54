#include "shell/xdg_place.h"

#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/util/log.h>

#include "input/seat.h"
#include "shell/xdg.h"
#include "shell/xdg_toplevel.h"

#define CASCADE_STEP 32 /* layout pixels: about a title bar */
#define CASCADE_LENGTH 8

#define COORDINATE_MAX (1 << 20)

int oriel_limit_coordinate(int64_t value) {
	if (value > COORDINATE_MAX) {
		return COORDINATE_MAX;
	}
	return value < -COORDINATE_MAX ? -COORDINATE_MAX : (int)value;
}

void oriel_toplevel_get_box(const struct oriel_toplevel *toplevel, struct wlr_box *ret_box) {
	const struct wlr_box *geometry = &toplevel->xdg_toplevel->base->geometry;
	*ret_box = (struct wlr_box){
		.x = toplevel->tree->node.x,
		.y = toplevel->tree->node.y,
		.width = oriel_limit_coordinate(geometry->width),
		.height = oriel_limit_coordinate(geometry->height),
	};
}

void oriel_toplevel_move(struct oriel_toplevel *toplevel, int64_t lx, int64_t ly) {
	wlr_scene_node_set_position(&toplevel->tree->node, oriel_limit_coordinate(lx),
			oriel_limit_coordinate(ly));
}

static struct wlr_output *toplevel_find_output(struct oriel_toplevel *toplevel) {
	struct wlr_output_layout *layout = toplevel->shell->layout;
	struct wlr_output *wanted = toplevel->xdg_toplevel->requested.fullscreen_output;
	if (toplevel->mode == ORIEL_TOPLEVEL_MODE_FULLSCREEN && wanted != NULL &&
			wlr_output_layout_get(layout, wanted) != NULL) {
		return wanted;
	}

	const struct wlr_cursor *cursor = toplevel->shell->seat->cursor->wlr_cursor;
	double lx = cursor->x, ly = cursor->y;
	if (toplevel->xdg_toplevel->base->surface->mapped) {
		struct wlr_box box;
		oriel_toplevel_get_box(toplevel, &box);
		lx = box.x + box.width / 2.0;
		ly = box.y + box.height / 2.0;
	}
	wlr_output_layout_closest_point(layout, NULL, lx, ly, &lx, &ly);
	return wlr_output_layout_output_at(layout, lx, ly);
}

void oriel_toplevel_get_output_box(struct oriel_toplevel *toplevel, struct wlr_box *ret_box) {
	struct wlr_output *output = toplevel_find_output(toplevel);
	*ret_box = (struct wlr_box){ 0 };
	if (output != NULL) {
		wlr_output_layout_get_box(toplevel->shell->layout, output, ret_box);
	}
}

/* In the middle of a box, and if it does not fit, at its top left, where the title bar is. */
static void toplevel_centre(struct oriel_toplevel *toplevel, const struct wlr_box *in,
		const struct wlr_box *within, int offset) {
	struct wlr_box box;
	oriel_toplevel_get_box(toplevel, &box);
	int x = in->x + (in->width - box.width) / 2 + offset;
	int y = in->y + (in->height - box.height) / 2 + offset;
	if (x > within->x + within->width - box.width) {
		x = within->x + within->width - box.width;
	}
	if (y > within->y + within->height - box.height) {
		y = within->y + within->height - box.height;
	}
	oriel_toplevel_move(toplevel, x < within->x ? within->x : x, y < within->y ? within->y : y);
}

void oriel_toplevel_place_new(struct oriel_toplevel *toplevel) {
	struct oriel_xdg_shell *shell = toplevel->shell;
	const struct wlr_xdg_toplevel *xdg_parent = toplevel->xdg_toplevel->parent;
	struct oriel_toplevel *parent = xdg_parent != NULL
			? oriel_toplevel_from_xdg_surface(xdg_parent->base)
			: NULL;
	struct wlr_box output;
	if (parent != NULL && parent->xdg_toplevel->base->surface->mapped) {
		struct wlr_box box;
		oriel_toplevel_get_box(parent, &box);
		oriel_toplevel_get_output_box(parent, &output);
		toplevel_centre(toplevel, &box, &output, 0);
		return;
	}

	/* On the output where the pointer is; the window itself is not anywhere yet. */
	const struct wlr_cursor *cursor = shell->seat->cursor->wlr_cursor;
	struct wlr_box box;
	oriel_toplevel_get_box(toplevel, &box);
	oriel_toplevel_move(toplevel, (int64_t)cursor->x - box.width / 2,
			(int64_t)cursor->y - box.height / 2);
	oriel_toplevel_get_output_box(toplevel, &output);
	if (wl_list_empty(&shell->toplevels)) {
		shell->cascade = 0;
	}
	unsigned step = shell->cascade++ % CASCADE_LENGTH;
	toplevel_centre(toplevel, &output, &output, (int)step * CASCADE_STEP);
}

static void toplevel_show_backdrop(struct oriel_toplevel *toplevel, const struct wlr_box *output) {
	static const float black[4] = { 0.0f, 0.0f, 0.0f, 1.0f };
	if (toplevel->backdrop == NULL) {
		toplevel->backdrop = wlr_scene_rect_create(toplevel->tree, 0, 0, black);
		if (toplevel->backdrop == NULL) {
			wlr_log_errno(WLR_ERROR, "a fullscreen window has no backdrop");
			return;
		}
		wlr_scene_node_lower_to_bottom(&toplevel->backdrop->node);
	}
	wlr_scene_rect_set_size(toplevel->backdrop, output->width, output->height);
	wlr_scene_node_set_position(&toplevel->backdrop->node, output->x - toplevel->tree->node.x,
			output->y - toplevel->tree->node.y);
	wlr_scene_node_set_enabled(&toplevel->backdrop->node, true);
}

void oriel_toplevel_hide_backdrop(struct oriel_toplevel *toplevel) {
	if (toplevel->backdrop != NULL) {
		wlr_scene_node_set_enabled(&toplevel->backdrop->node, false);
	}
}

void oriel_toplevel_place(struct oriel_toplevel *toplevel) {
	struct wlr_box output;
	oriel_toplevel_get_output_box(toplevel, &output);
	switch (toplevel->shown) {
	case ORIEL_TOPLEVEL_MODE_FULLSCREEN:
		toplevel_centre(toplevel, &output, &output, 0);
		toplevel_show_backdrop(toplevel, &output);
		return;
	case ORIEL_TOPLEVEL_MODE_MAXIMIZED:
		oriel_toplevel_move(toplevel, output.x, output.y);
		break;
	case ORIEL_TOPLEVEL_MODE_FLOATING:
		if (wlr_box_empty(&toplevel->floating)) {
			toplevel_centre(toplevel, &output, &output, 0);
		} else {
			oriel_toplevel_move(toplevel, toplevel->floating.x, toplevel->floating.y);
		}
		break;
	}
	oriel_toplevel_hide_backdrop(toplevel);
}

void oriel_toplevel_keep_on_output(struct oriel_toplevel *toplevel) {
	struct wlr_box box, output, overlap;
	oriel_toplevel_get_box(toplevel, &box);
	oriel_toplevel_get_output_box(toplevel, &output);
	if (!wlr_box_empty(&output) && !wlr_box_intersection(&overlap, &box, &output)) {
		toplevel_centre(toplevel, &output, &output, 0);
	}
}
