#include "screen_watch.h"

#include <drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "guest/clock.h"
#include "screenshot.h"

static uint32_t to_rgb(uint32_t pixel, uint32_t format) {
	switch (format) {
	case DRM_FORMAT_XRGB8888:
	case DRM_FORMAT_ARGB8888:
		return pixel & 0xffffff;
	case DRM_FORMAT_XBGR8888:
	case DRM_FORMAT_ABGR8888:
		return (pixel & 0xff) << 16 | (pixel & 0xff00) | (pixel >> 16 & 0xff);
	}
	fail_msg("a frame in format %#x", format);
	return 0;
}

static struct screenshot read_frame(struct wlr_output *output, struct wlr_buffer *buffer) {
	struct screenshot frame = { .width = buffer->width, .height = buffer->height };
	struct wlr_texture *texture = wlr_texture_from_buffer(output->renderer, buffer);
	assert_non_null(texture);
	size_t pixel_count = (size_t)frame.width * (size_t)frame.height;
	frame.pixels = malloc(pixel_count * sizeof(*frame.pixels));
	assert_non_null(frame.pixels);
	uint32_t format = wlr_texture_preferred_read_format(texture);
	assert_true(wlr_texture_read_pixels(texture,
			&(struct wlr_texture_read_pixels_options){
					.data = frame.pixels,
					.format = format,
					.stride = (uint32_t)frame.width * 4,
			}));
	for (size_t i = 0; i < pixel_count; i++) {
		frame.pixels[i] = to_rgb(frame.pixels[i], format);
	}
	wlr_texture_destroy(texture);
	return frame;
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct screen_watch *watch = wl_container_of(listener, watch, commit);
	const struct wlr_output_event_commit *event = data;
	if (!(event->state->committed & WLR_OUTPUT_STATE_BUFFER) || event->state->buffer == NULL) {
		return;
	}
	watch->frame_ns = oriel_clock_now_ns();
	struct screenshot frame = read_frame(watch->output, event->state->buffer);
	watch->frames++;
	watch->check(&frame, watch->data);
	screenshot_finish(&frame);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct screen_watch *watch = wl_container_of(listener, watch, destroy);
	screen_watch_end(watch);
}

void screen_watch_begin(struct screen_watch *watch, struct wlr_output *output,
		void (*check)(const struct screenshot *frame, void *data), void *data) {
	*watch = (struct screen_watch){ .output = output, .check = check, .data = data };
	watch->commit.notify = handle_commit;
	wl_signal_add(&output->events.commit, &watch->commit);
	watch->destroy.notify = handle_destroy;
	wl_signal_add(&output->events.destroy, &watch->destroy);
}

void screen_watch_end(struct screen_watch *watch) {
	if (watch->output != NULL) {
		wl_list_remove(&watch->commit.link);
		wl_list_remove(&watch->destroy.link);
		watch->output = NULL;
	}
}
