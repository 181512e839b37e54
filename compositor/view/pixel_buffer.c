#include "view/pixel_buffer.h"

#include <stdlib.h>
#include <wlr/interfaces/wlr_buffer.h>

static struct oriel_pixel_buffer *pixel_buffer_from_wlr_buffer(struct wlr_buffer *wlr_buffer) {
	struct oriel_pixel_buffer *buffer = wl_container_of(wlr_buffer, buffer, base);
	return buffer;
}

static void pixel_buffer_handle_destroy(struct wlr_buffer *wlr_buffer) {
	struct oriel_pixel_buffer *buffer = pixel_buffer_from_wlr_buffer(wlr_buffer);
	wlr_buffer_finish(wlr_buffer);
	free(buffer->pixels);
	free(buffer);
}

static bool pixel_buffer_handle_begin_data_ptr_access(struct wlr_buffer *wlr_buffer, uint32_t flags,
		void **ret_data, uint32_t *ret_format, size_t *ret_stride) {
	struct oriel_pixel_buffer *buffer = pixel_buffer_from_wlr_buffer(wlr_buffer);
	if (flags & WLR_BUFFER_DATA_PTR_ACCESS_WRITE) {
		return false;
	}
	*ret_data = buffer->pixels;
	*ret_format = buffer->format;
	*ret_stride = buffer->stride_bytes;
	return true;
}

static void pixel_buffer_handle_end_data_ptr_access(struct wlr_buffer *wlr_buffer) {
	/* Nothing was begun. */
}

static const struct wlr_buffer_impl pixel_buffer_impl = {
	.destroy = pixel_buffer_handle_destroy,
	.begin_data_ptr_access = pixel_buffer_handle_begin_data_ptr_access,
	.end_data_ptr_access = pixel_buffer_handle_end_data_ptr_access,
};

struct oriel_pixel_buffer *oriel_pixel_buffer_create(int width, int height, uint32_t format) {
	struct oriel_pixel_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		return NULL;
	}
	buffer->format = format;
	buffer->stride_bytes = (size_t)width * 4;
	buffer->pixels = calloc((size_t)height, buffer->stride_bytes);
	if (buffer->pixels == NULL) {
		free(buffer);
		return NULL;
	}
	wlr_buffer_init(&buffer->base, &pixel_buffer_impl, width, height);
	return buffer;
}
