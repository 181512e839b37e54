#include "view/guest_cursor.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <wlr/types/wlr_output.h>

#include "bridge/stats.h"
#include "guest/buffer.h"

/* Up to this size the CPU reads a cursor whenever it can, in pixels on a side. */
#define GUEST_CURSOR_CPU_SIZE_MAX 512

/* A rectangle of pixels, anywhere: a guest may say of its cursor's place what it likes. */
struct cursor_box {
	int64_t x, y;
	int64_t width, height;
};

static int64_t min64(int64_t a, int64_t b) {
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b) {
	return a > b ? a : b;
}

/* The part of box within an area at 0, 0. */
static struct cursor_box cursor_box_clip(const struct cursor_box *box, int width, int height) {
	int64_t left = max64(box->x, 0), top = max64(box->y, 0);
	return (struct cursor_box){
		.x = left,
		.y = top,
		.width = max64(min64(box->x + box->width, width) - left, 0),
		.height = max64(min64(box->y + box->height, height) - top, 0),
	};
}

static bool cursor_box_is_empty(const struct cursor_box *box) {
	return box->width == 0 || box->height == 0;
}

/*
 * Where the picture that is shown is, in pixels of the primary plane's. While a newer one waits
 * for its fence, the place is the newer one's, and its pixel that points is what both share.
 */
static struct cursor_box cursor_get_box(const struct oriel_guest_view_cursor *cursor) {
	const struct oriel_guest_cursor *place = &cursor->place, *own = &cursor->plane.frame->cursor;
	const struct oriel_guest_buffer_attributes *attributes = oriel_guest_buffer_get_attributes(
			oriel_guest_frame_get_buffer(cursor->plane.frame));
	struct cursor_box box = {
		.x = place->x,
		.y = place->y,
		.width = attributes->width,
		.height = attributes->height,
	};
	if (place->has_hotspot && own->has_hotspot) {
		box.x += (int64_t)place->hot_x - own->hot_x;
		box.y += (int64_t)place->hot_y - own->hot_y;
	}
	return box;
}

/* The same, and what is to be seen of it. False if that is nothing. */
static bool cursor_get_boxes(const struct oriel_guest_view_cursor *cursor,
		struct cursor_box *ret_box, struct cursor_box *ret_clipped) {
	if (cursor->output == NULL || !cursor->is_on || cursor->plane.frame == NULL) {
		return false;
	}
	*ret_box = cursor_get_box(cursor);
	*ret_clipped = cursor_box_clip(ret_box, cursor->ground.width, cursor->ground.height);
	return !cursor_box_is_empty(ret_clipped);
}

/* The scene above the cursor */

struct cursor_search {
	const struct wlr_scene_node *cursor;
	struct wlr_box box; /* layout coordinates */
	bool is_above; /* the nodes from here on are drawn after the cursor's */
};

static struct wlr_box node_get_box(struct wlr_scene_node *node, int lx, int ly) {
	struct wlr_box box = { .x = lx, .y = ly };
	if (node->type == WLR_SCENE_NODE_RECT) {
		const struct wlr_scene_rect *rect = wlr_scene_rect_from_node(node);
		box.width = rect->width;
		box.height = rect->height;
		return box;
	}
	const struct wlr_scene_buffer *buffer = wlr_scene_buffer_from_node(node);
	if (buffer->dst_width > 0 && buffer->dst_height > 0) {
		box.width = buffer->dst_width;
		box.height = buffer->dst_height;
	} else if (buffer->buffer != NULL) {
		bool turned = buffer->transform & WL_OUTPUT_TRANSFORM_90;
		box.width = turned ? buffer->buffer->height : buffer->buffer->width;
		box.height = turned ? buffer->buffer->width : buffer->buffer->height;
	}
	return box;
}

/* True if the node, or one in it, lies above the cursor. lx, ly is where its parent is. */
static bool node_covers(struct wlr_scene_node *node, int lx, int ly, struct cursor_search *search) {
	if (node == search->cursor) {
		search->is_above = true;
		return false;
	}
	if (!node->enabled) {
		return false;
	}
	lx += node->x;
	ly += node->y;
	if (node->type == WLR_SCENE_NODE_TREE) {
		struct wlr_scene_node *child;
		wl_list_for_each(child, &wlr_scene_tree_from_node(node)->children, link) {
			if (node_covers(child, lx, ly, search)) {
				return true;
			}
		}
		return false;
	}
	struct wlr_box box = node_get_box(node, lx, ly), common;
	return search->is_above && wlr_box_intersection(&common, &box, &search->box);
}

static bool cursor_is_covered(
		const struct oriel_guest_view_cursor *cursor, const struct wlr_box *box) {
	const struct wlr_scene_node *node = &cursor->plane.scene_buffer->node;
	struct cursor_search search = { .cursor = node, .box = *box };
	struct wlr_scene_tree *root = node->parent;
	int lx, ly;
	wlr_scene_node_coords(&root->node, &lx, &ly);
	search.box.x += lx;
	search.box.y += ly;
	while (root->node.parent != NULL) {
		root = root->node.parent;
	}
	return node_covers(&root->node, 0, 0, &search);
}

/* The two ways to the screen */

static void cursor_handle_output_commit(struct wl_listener *listener, void *data);

static void cursor_watch_commits(struct oriel_guest_view_cursor *cursor) {
	if (wl_list_empty(&cursor->output_commit.link)) {
		wl_signal_add(&cursor->output->events.commit, &cursor->output_commit);
	}
}

static void cursor_leave_hardware(struct oriel_guest_view_cursor *cursor) {
	wl_list_remove(&cursor->output_commit.link);
	wl_list_init(&cursor->output_commit.link);
	oriel_hardware_cursor_hide(&cursor->hardware);
}

/*
 * The plane neither scales nor clips: not by what lies above, nor by the guest's picture where that
 * ends before the output does.
 */
static bool cursor_try_hardware(struct oriel_guest_view_cursor *cursor,
		const struct cursor_box *box, const struct cursor_box *clipped) {
	const struct oriel_guest_view_ground *ground = &cursor->ground;
	struct wlr_output *output = cursor->output;
	if (output->scale != 1 || output->transform != WL_OUTPUT_TRANSFORM_NORMAL ||
			ground->box.width != ground->width || ground->box.height != ground->height) {
		return false;
	}
	const struct cursor_box on_output = {
		.x = box->x + ground->box.x,
		.y = box->y + ground->box.y,
		.width = box->width,
		.height = box->height,
	};
	const struct cursor_box seen = cursor_box_clip(&on_output, output->width, output->height);
	if (seen.width != clipped->width || seen.height != clipped->height) {
		return false;
	}
	const struct wlr_box seen_box = { (int)seen.x, (int)seen.y, (int)seen.width,
		(int)seen.height };
	if (cursor_is_covered(cursor, &seen_box)) {
		return false;
	}
	struct oriel_hardware_cursor_place place = { .x = (int)on_output.x, .y = (int)on_output.y };
	const struct oriel_guest_cursor *own = &cursor->plane.frame->cursor;
	if (own->has_hotspot && own->hot_x >= 0 && own->hot_x < box->width && own->hot_y >= 0 &&
			own->hot_y < box->height) {
		place.hot_x = own->hot_x;
		place.hot_y = own->hot_y;
	}
	return oriel_hardware_cursor_show(&cursor->hardware, output, cursor->plane.frame, &place);
}

/* Of size pixels scaled from to so many layout units. */
static int scale_length(int64_t length, int size, int scaled_size) {
	return (int)((length * scaled_size + size / 2) / size);
}

static void cursor_arrange_node(struct oriel_guest_view_cursor *cursor,
		const struct cursor_box *box, const struct cursor_box *clipped) {
	const struct oriel_guest_view_ground *ground = &cursor->ground;
	struct wlr_scene_buffer *scene_buffer = cursor->plane.scene_buffer;
	struct wlr_box dest = {
		.x = scale_length(clipped->x, ground->width, ground->box.width),
		.y = scale_length(clipped->y, ground->height, ground->box.height),
		.width = scale_length(clipped->width, ground->width, ground->box.width),
		.height = scale_length(clipped->height, ground->height, ground->box.height),
	};
	/* Rounded, both together may reach one unit too far. */
	dest.width = (int)min64(dest.width, ground->box.width - dest.x);
	dest.height = (int)min64(dest.height, ground->box.height - dest.y);
	const struct wlr_fbox source = {
		.x = (double)(clipped->x - box->x),
		.y = (double)(clipped->y - box->y),
		.width = (double)clipped->width,
		.height = (double)clipped->height,
	};
	bool is_seen = dest.width > 0 && dest.height > 0;
	wlr_scene_node_set_enabled(&scene_buffer->node, is_seen);
	if (!is_seen) {
		return;
	}
	wlr_scene_node_set_position(
			&scene_buffer->node, ground->box.x + dest.x, ground->box.y + dest.y);
	wlr_scene_buffer_set_source_box(scene_buffer, &source);
	wlr_scene_buffer_set_dest_size(scene_buffer, dest.width, dest.height);
	wlr_scene_buffer_set_filter_mode(scene_buffer, ground->filter_mode);
}

static void cursor_set_visible(struct oriel_guest_view_cursor *cursor, bool is_visible) {
	if (cursor->is_visible != is_visible) {
		cursor->is_visible = is_visible;
		wl_signal_emit_mutable(&cursor->events.visible, NULL);
	}
}

static void cursor_hide(struct oriel_guest_view_cursor *cursor) {
	cursor_leave_hardware(cursor);
	wlr_scene_node_set_enabled(&cursor->plane.scene_buffer->node, false);
	cursor_set_visible(cursor, false);
}

static void cursor_show_as_node(struct oriel_guest_view_cursor *cursor,
		const struct cursor_box *box, const struct cursor_box *clipped) {
	cursor_leave_hardware(cursor);
	cursor_arrange_node(cursor, box, clipped);
}

static void cursor_update(struct oriel_guest_view_cursor *cursor) {
	struct cursor_box box, clipped;
	if (!cursor_get_boxes(cursor, &box, &clipped)) {
		cursor_hide(cursor);
		return;
	}
	cursor_set_visible(cursor, true);
	if (cursor_try_hardware(cursor, &box, &clipped)) {
		wlr_scene_node_set_enabled(&cursor->plane.scene_buffer->node, false);
		cursor_watch_commits(cursor);
		return;
	}
	cursor_show_as_node(cursor, &box, &clipped);
	if (oriel_hardware_cursor_is_taken(&cursor->hardware, cursor->output)) {
		cursor_watch_commits(cursor);
	}
}

void oriel_guest_view_cursor_yield(struct oriel_guest_view_cursor *cursor) {
	struct cursor_box box, clipped;
	if (cursor->hardware.output_cursor != NULL && cursor_get_boxes(cursor, &box, &clipped)) {
		cursor_show_as_node(cursor, &box, &clipped);
		cursor_watch_commits(cursor);
	}
}

/*
 * What is on the plane has been shown now, and what lies above it may have changed meanwhile, as may
 * who else wants the plane.
 */
static void cursor_handle_output_commit(struct wl_listener *listener, void *data) {
	struct oriel_guest_view_cursor *cursor = wl_container_of(listener, cursor, output_commit);
	const struct wlr_output_event_commit *event = data;
	if (!(event->state->committed & WLR_OUTPUT_STATE_BUFFER)) {
		return;
	}
	struct oriel_guest_frame *frame = cursor->plane.frame;
	if (cursor->hardware.output_cursor != NULL && !frame->sampled) {
		frame->sampled = true;
		cursor->plane.stats->shown++;
	}
	cursor_update(cursor);
}

static void cursor_handle_frame(struct wl_listener *listener, void *data) {
	struct oriel_guest_view_cursor *cursor = wl_container_of(listener, cursor, frame);
	struct oriel_guest_frame *frame = cursor->plane.frame;
	if (frame->serial == cursor->newest_serial) {
		frame->cursor = cursor->place;
	}
	cursor_update(cursor);
}

bool oriel_guest_view_cursor_init(struct oriel_guest_view_cursor *cursor,
		struct wl_event_loop *loop, struct wlr_scene_tree *parent, const char *guest_name,
		const struct oriel_render_sync *sync, struct oriel_stats *stats) {
	wl_list_init(&cursor->frame.link);
	wl_list_init(&cursor->output_commit.link);
	wl_signal_init(&cursor->events.visible);
	if (!oriel_guest_view_plane_init(&cursor->plane, loop, parent, guest_name, sync, stats)) {
		return false;
	}
	wlr_scene_node_set_enabled(&cursor->plane.scene_buffer->node, false);
	cursor->frame.notify = cursor_handle_frame;
	wl_signal_add(&cursor->plane.events.frame, &cursor->frame);
	cursor->output_commit.notify = cursor_handle_output_commit;
	return true;
}

void oriel_guest_view_cursor_finish(struct oriel_guest_view_cursor *cursor) {
	if (cursor->plane.guest_name == NULL) {
		return;
	}
	cursor_leave_hardware(cursor);
	wl_list_remove(&cursor->frame.link);
	assert(wl_list_empty(&cursor->events.visible.listener_list));
	oriel_guest_view_plane_finish(&cursor->plane);
}

bool oriel_guest_view_cursor_wants(const struct oriel_guest_view_cursor *cursor,
		const struct oriel_guest_buffer *buffer) {
	return oriel_guest_view_plane_wants(&cursor->plane, buffer);
}

/* Whoever reads a buffer first decides, and it may be the primary plane's too. */
static void buffer_prefer_cpu(struct oriel_guest_buffer *buffer) {
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	if (oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_UNDECIDED &&
			attributes->width <= GUEST_CURSOR_CPU_SIZE_MAX &&
			attributes->height <= GUEST_CURSOR_CPU_SIZE_MAX &&
			oriel_guest_buffer_can_map(buffer)) {
		oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_CPU);
	}
}

void oriel_guest_view_cursor_submit(
		struct oriel_guest_view_cursor *cursor, struct oriel_guest_frame *take_frame) {
	buffer_prefer_cpu(oriel_guest_frame_get_buffer(take_frame));
	cursor->is_on = true;
	cursor->place = take_frame->cursor;
	cursor->newest_serial = take_frame->serial;
	oriel_guest_view_plane_submit(&cursor->plane, take_frame);
	/* If it waits for its fence, the picture before it moves. */
	cursor_update(cursor);
}

void oriel_guest_view_cursor_move(
		struct oriel_guest_view_cursor *cursor, const struct oriel_guest_cursor *place) {
	cursor->is_on = place != NULL;
	if (place != NULL) {
		struct oriel_guest_frame *frame = cursor->plane.frame;
		cursor->place = *place;
		if (frame != NULL && frame->serial == cursor->newest_serial) {
			frame->cursor = *place;
		}
	}
	cursor_update(cursor);
}

void oriel_guest_view_cursor_arrange(struct oriel_guest_view_cursor *cursor,
		struct wlr_output *output, const struct oriel_guest_view_ground *ground) {
	if (output != cursor->output) {
		/* While the old one is still there. */
		cursor_leave_hardware(cursor);
		oriel_hardware_cursor_reconsider(&cursor->hardware);
	}
	cursor->output = output;
	if (output != NULL) {
		cursor->ground = *ground;
	}
	cursor_update(cursor);
}

void oriel_guest_view_cursor_clear(struct oriel_guest_view_cursor *cursor) {
	cursor_leave_hardware(cursor);
	oriel_guest_view_plane_clear(&cursor->plane);
	cursor_update(cursor);
}
