#include "screenshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "ext-image-capture-source-v1-client-protocol.h"
#include "ext-image-copy-capture-v1-client-protocol.h"
#include "fixture.h"

#define OUTPUTS_MAX 8

struct capture {
	struct wl_display *client;
	struct wl_shm *shm;
	struct ext_output_image_capture_source_manager_v1 *sources;
	struct ext_image_copy_capture_manager_v1 *captures;
	struct capture_output {
		struct wl_output *output;
		char name[64];
	} outputs[OUTPUTS_MAX];
	int output_count;

	uint32_t width, height;
	uint32_t format; /* enum wl_shm_format */
	bool constrained; /* all constraints are known */
	bool ready, failed;
};

static void output_handle_name(void *data, struct wl_output *wl_output, const char *name) {
	struct capture_output *output = data;
	strncpy(output->name, name, sizeof(output->name) - 1);
}

static void output_ignore_geometry(void *data, struct wl_output *output, int32_t x, int32_t y,
		int32_t width_mm, int32_t height_mm, int32_t subpixel, const char *make,
		const char *model, int32_t transform) {}

static void output_ignore_mode(void *data, struct wl_output *output, uint32_t flags, int32_t width,
		int32_t height, int32_t refresh) {}

static void output_ignore_done(void *data, struct wl_output *output) {}

static void output_ignore_scale(void *data, struct wl_output *output, int32_t scale) {}

static void output_ignore_description(void *data, struct wl_output *output, const char *description) {
}

static const struct wl_output_listener output_listener = {
	.geometry = output_ignore_geometry,
	.mode = output_ignore_mode,
	.done = output_ignore_done,
	.scale = output_ignore_scale,
	.name = output_handle_name,
	.description = output_ignore_description,
};

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct capture *capture = data;
	if (strcmp(interface, wl_shm_interface.name) == 0) {
		capture->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
	} else if (strcmp(interface, wl_output_interface.name) == 0) {
		assert_true(capture->output_count < OUTPUTS_MAX);
		struct capture_output *output = &capture->outputs[capture->output_count++];
		output->output = wl_registry_bind(registry, name, &wl_output_interface, 4);
		wl_output_add_listener(output->output, &output_listener, output);
	} else if (strcmp(interface, ext_output_image_capture_source_manager_v1_interface.name) == 0) {
		capture->sources = wl_registry_bind(registry, name,
				&ext_output_image_capture_source_manager_v1_interface, 1);
	} else if (strcmp(interface, ext_image_copy_capture_manager_v1_interface.name) == 0) {
		capture->captures = wl_registry_bind(
				registry, name, &ext_image_copy_capture_manager_v1_interface, 1);
	}
}

static void registry_ignore_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_ignore_global_remove,
};

static void session_handle_buffer_size(void *data,
		struct ext_image_copy_capture_session_v1 *session, uint32_t width, uint32_t height) {
	struct capture *capture = data;
	capture->width = width;
	capture->height = height;
}

static void session_handle_shm_format(
		void *data, struct ext_image_copy_capture_session_v1 *session, uint32_t format) {
	struct capture *capture = data;
	capture->format = format;
}

static void session_ignore_dmabuf_device(void *data,
		struct ext_image_copy_capture_session_v1 *session, struct wl_array *device) {}

static void session_ignore_dmabuf_format(void *data,
		struct ext_image_copy_capture_session_v1 *session, uint32_t format,
		struct wl_array *modifiers) {}

static void session_handle_done(void *data, struct ext_image_copy_capture_session_v1 *session) {
	struct capture *capture = data;
	capture->constrained = true;
}

static void session_handle_stopped(void *data, struct ext_image_copy_capture_session_v1 *session) {
	struct capture *capture = data;
	capture->failed = true;
}

static const struct ext_image_copy_capture_session_v1_listener session_listener = {
	.buffer_size = session_handle_buffer_size,
	.shm_format = session_handle_shm_format,
	.dmabuf_device = session_ignore_dmabuf_device,
	.dmabuf_format = session_ignore_dmabuf_format,
	.done = session_handle_done,
	.stopped = session_handle_stopped,
};

static void frame_ignore_transform(
		void *data, struct ext_image_copy_capture_frame_v1 *frame, uint32_t transform) {}

static void frame_ignore_damage(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		int32_t x, int32_t y, int32_t width, int32_t height) {}

static void frame_ignore_presentation_time(void *data, struct ext_image_copy_capture_frame_v1 *frame,
		uint32_t tv_sec_hi, uint32_t tv_sec_lo, uint32_t tv_nsec) {}

static void frame_handle_ready(void *data, struct ext_image_copy_capture_frame_v1 *frame) {
	struct capture *capture = data;
	capture->ready = true;
}

static void frame_handle_failed(
		void *data, struct ext_image_copy_capture_frame_v1 *frame, uint32_t reason) {
	struct capture *capture = data;
	capture->failed = true;
}

static const struct ext_image_copy_capture_frame_v1_listener frame_listener = {
	.transform = frame_ignore_transform,
	.damage = frame_ignore_damage,
	.presentation_time = frame_ignore_presentation_time,
	.ready = frame_handle_ready,
	.failed = frame_handle_failed,
};

static bool capture_is_constrained(struct fixture *fixture, void *data) {
	const struct capture *capture = data;
	return capture->constrained || capture->failed;
}

static bool capture_is_over(struct fixture *fixture, void *data) {
	const struct capture *capture = data;
	return capture->ready || capture->failed;
}

static uint32_t to_rgb(uint32_t pixel, uint32_t format) {
	switch (format) {
	case WL_SHM_FORMAT_XRGB8888:
	case WL_SHM_FORMAT_ARGB8888:
		return pixel & 0xffffff;
	case WL_SHM_FORMAT_XBGR8888:
	case WL_SHM_FORMAT_ABGR8888:
		return (pixel & 0xff) << 16 | (pixel & 0xff00) | (pixel >> 16 & 0xff);
	}
	fail_msg("a capture in format %#x", format);
	return 0;
}

static void capture_run(struct fixture *fixture, struct capture *capture, struct wl_output *output,
		struct screenshot *screenshot) {
	struct ext_image_capture_source_v1 *source =
			ext_output_image_capture_source_manager_v1_create_source(
					capture->sources, output);
	struct ext_image_copy_capture_session_v1 *session =
			ext_image_copy_capture_manager_v1_create_session(
					capture->captures, source, 0);
	ext_image_copy_capture_session_v1_add_listener(session, &session_listener, capture);
	fixture_step_until(fixture, capture_is_constrained, capture);
	assert_false(capture->failed);

	uint32_t stride = capture->width * 4;
	size_t size = (size_t)stride * capture->height;
	int memfd = memfd_create("screenshot", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)size), 0);
	uint32_t *pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(pixels, MAP_FAILED);
	struct wl_shm_pool *pool = wl_shm_create_pool(capture->shm, memfd, (int32_t)size);
	struct wl_buffer *buffer = wl_shm_pool_create_buffer(pool, 0, (int32_t)capture->width,
			(int32_t)capture->height, (int32_t)stride, capture->format);

	struct ext_image_copy_capture_frame_v1 *frame =
			ext_image_copy_capture_session_v1_create_frame(session);
	ext_image_copy_capture_frame_v1_add_listener(frame, &frame_listener, capture);
	ext_image_copy_capture_frame_v1_attach_buffer(frame, buffer);
	ext_image_copy_capture_frame_v1_damage_buffer(
			frame, 0, 0, (int32_t)capture->width, (int32_t)capture->height);
	ext_image_copy_capture_frame_v1_capture(frame);
	fixture_step_until(fixture, capture_is_over, capture);
	assert_true(capture->ready);

	screenshot->width = (int)capture->width;
	screenshot->height = (int)capture->height;
	screenshot->pixels = malloc(size);
	assert_non_null(screenshot->pixels);
	for (size_t i = 0; i < size / 4; i++) {
		screenshot->pixels[i] = to_rgb(pixels[i], capture->format);
	}

	ext_image_copy_capture_frame_v1_destroy(frame);
	ext_image_copy_capture_session_v1_destroy(session);
	ext_image_capture_source_v1_destroy(source);
	wl_buffer_destroy(buffer);
	wl_shm_pool_destroy(pool);
	munmap(pixels, size);
	close(memfd);
}

struct screenshot screenshot_take(struct fixture *fixture, const char *output_name) {
	struct capture capture = { .client = fixture_connect(fixture) };
	struct wl_registry *registry = wl_display_get_registry(capture.client);
	wl_registry_add_listener(registry, &registry_listener, &capture);
	fixture_roundtrip(fixture, capture.client);
	fixture_roundtrip(fixture, capture.client);
	assert_non_null(capture.shm);
	assert_non_null(capture.sources);
	assert_non_null(capture.captures);

	struct screenshot screenshot = { 0 };
	for (int i = 0; i < capture.output_count; i++) {
		if (strcmp(capture.outputs[i].name, output_name) == 0) {
			capture_run(fixture, &capture, capture.outputs[i].output, &screenshot);
		}
		wl_output_destroy(capture.outputs[i].output);
	}
	assert_non_null(screenshot.pixels);

	wl_shm_destroy(capture.shm);
	ext_output_image_capture_source_manager_v1_destroy(capture.sources);
	ext_image_copy_capture_manager_v1_destroy(capture.captures);
	wl_registry_destroy(registry);
	fixture_disconnect(fixture, capture.client);
	return screenshot;
}

void screenshot_finish(struct screenshot *screenshot) {
	free(screenshot->pixels);
	*screenshot = (struct screenshot){ 0 };
}

uint32_t screenshot_get_pixel(const struct screenshot *screenshot, int x, int y) {
	assert_true(x >= 0 && x < screenshot->width);
	assert_true(y >= 0 && y < screenshot->height);
	return screenshot->pixels[(size_t)y * (size_t)screenshot->width + (size_t)x];
}

void screenshot_check_text(const struct screenshot *screenshot) {
	int left = screenshot->width, top = screenshot->height, right = -1, bottom = -1;
	int brightest = 0;
	for (int y = 0; y < screenshot->height; y++) {
		for (int x = 0; x < screenshot->width; x++) {
			uint32_t pixel = screenshot_get_pixel(screenshot, x, y);
			int grey = pixel & 0xff;
			assert_int_equal(pixel, grey * 0x010101);
			if (grey == 0) {
				continue;
			}
			left = x < left ? x : left;
			top = y < top ? y : top;
			right = x > right ? x : right;
			bottom = y > bottom ? y : bottom;
			brightest = grey > brightest ? grey : brightest;
		}
	}
	/* The name is white. Of the boxes that letters are set in, they fill most. */
	assert_int_equal(brightest, 255);
	assert_true(right - left > 40 && bottom - top > 20);
	assert_true(abs(left + right + 1 - screenshot->width) <= 8);
	assert_true(abs(top + bottom + 1 - screenshot->height) <= screenshot->height / 20);
}
