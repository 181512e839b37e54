#include "view/hardware_cursor.h"

#include <drm_fourcc.h>
#include <string.h>
#include <wlr/config.h>
#if WLR_HAS_DRM_BACKEND
#include <wlr/backend/drm.h>
#endif
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>

#include "guest/buffer.h"
#include "guest/frame.h"
#include "view/pixel_buffer.h"

/* No cursor plane is larger. */
#define HARDWARE_CURSOR_SIZE_MAX 512

static bool output_has_plane(const struct wlr_output *output) {
#if WLR_HAS_DRM_BACKEND
	/* Which takes no const, and changes nothing. */
	return wlr_output_is_drm((struct wlr_output *)output);
#else
	return false;
#endif
}

/* ARGB8888 is what cursors are, and what every renderer takes. */
static bool frame_can_be_copied(const struct oriel_guest_frame *frame) {
	const struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(frame);
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	return oriel_guest_buffer_get_read_path(buffer) == ORIEL_GUEST_READ_PATH_CPU &&
			attributes->format == DRM_FORMAT_ARGB8888 &&
			attributes->width <= HARDWARE_CURSOR_SIZE_MAX &&
			attributes->height <= HARDWARE_CURSOR_SIZE_MAX;
}

/* NULL if it cannot be read, or memory ran out. */
static struct oriel_pixel_buffer *frame_copy(const struct oriel_guest_frame *frame) {
	struct wlr_buffer *source =
			oriel_guest_buffer_get_wlr_buffer(oriel_guest_frame_get_buffer(frame));
	struct oriel_pixel_buffer *copy = oriel_pixel_buffer_create(
			source->width, source->height, DRM_FORMAT_ARGB8888);
	if (copy == NULL) {
		return NULL;
	}
	void *data;
	uint32_t format;
	size_t stride_bytes;
	if (!wlr_buffer_begin_data_ptr_access(source, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data,
			    &format, &stride_bytes)) {
		wlr_buffer_drop(&copy->base);
		return NULL;
	}
	for (size_t y = 0; y < (size_t)source->height; y++) {
		memcpy(copy->pixels + y * copy->stride_bytes, (uint8_t *)data + y * stride_bytes,
				copy->stride_bytes);
	}
	wlr_buffer_end_data_ptr_access(source);
	return copy;
}

bool oriel_hardware_cursor_is_taken(
		const struct oriel_hardware_cursor *cursor, const struct wlr_output *output) {
	if (!output_has_plane(output)) {
		return false;
	}
	const struct wlr_output_cursor *other;
	wl_list_for_each(other, &output->cursors, link) {
		if (other != cursor->output_cursor && other->enabled && other->visible) {
			return true;
		}
	}
	return false;
}

/*
 * Has the plane to itself from here, or returns false: somebody captures the output, and wants the
 * cursors in the picture, or there is another cursor to be seen.
 */
static bool hardware_cursor_claim(struct oriel_hardware_cursor *cursor, struct wlr_output *output) {
	if (!output_has_plane(output) || output->software_cursor_locks > 0 ||
			oriel_hardware_cursor_is_taken(cursor, output)) {
		return false;
	}
	const struct wlr_output_cursor *owner = output->hardware_cursor;
	if (owner != NULL && owner != cursor->output_cursor) {
		/* Who had the plane once keeps it, shown or not, until all are taken off it. */
		wlr_output_lock_software_cursors(output, true);
		wlr_output_lock_software_cursors(output, false);
	}
	if (cursor->output_cursor == NULL) {
		cursor->output_cursor = wlr_output_cursor_create(output);
		cursor->serial = 0;
	}
	return cursor->output_cursor != NULL;
}

static bool hardware_cursor_set_picture(struct oriel_hardware_cursor *cursor,
		const struct oriel_guest_frame *frame,
		const struct oriel_hardware_cursor_place *place) {
	if (cursor->serial == frame->serial && cursor->hot_x == place->hot_x &&
			cursor->hot_y == place->hot_y) {
		return true;
	}
	struct oriel_pixel_buffer *copy = frame_copy(frame);
	if (copy == NULL) {
		return false;
	}
	bool ok = wlr_output_cursor_set_buffer(
			cursor->output_cursor, &copy->base, place->hot_x, place->hot_y);
	wlr_buffer_drop(&copy->base);
	cursor->serial = frame->serial;
	cursor->hot_x = place->hot_x;
	cursor->hot_y = place->hot_y;
	return ok;
}

bool oriel_hardware_cursor_show(struct oriel_hardware_cursor *cursor, struct wlr_output *output,
		const struct oriel_guest_frame *frame,
		const struct oriel_hardware_cursor_place *place) {
	if (cursor->output_cursor != NULL && cursor->output_cursor->output != output) {
		oriel_hardware_cursor_hide(cursor);
	}
	if (frame->serial == cursor->refused_serial || !frame_can_be_copied(frame) ||
			!hardware_cursor_claim(cursor, output)) {
		oriel_hardware_cursor_hide(cursor);
		return false;
	}
	bool ok = hardware_cursor_set_picture(cursor, frame, place);
	if (ok) {
		wlr_output_cursor_move(cursor->output_cursor, place->x + place->hot_x,
				place->y + place->hot_y);
		ok = output->hardware_cursor == cursor->output_cursor;
	}
	if (!ok) {
		cursor->refused_serial = frame->serial;
		oriel_hardware_cursor_hide(cursor);
	}
	return ok;
}

void oriel_hardware_cursor_hide(struct oriel_hardware_cursor *cursor) {
	wlr_output_cursor_destroy(cursor->output_cursor);
	cursor->output_cursor = NULL;
}

void oriel_hardware_cursor_reconsider(struct oriel_hardware_cursor *cursor) {
	cursor->refused_serial = 0;
}
