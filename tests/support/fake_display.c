#include "fake_display.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(call) assert_true((call) >= 0)

void fake_display_init(struct fake_display *display, int take_fd) {
	*display = (struct fake_display){ 0 };
	sd_id128_t id;
	assert_ok(sd_id128_randomize(&id));
	assert_ok(sd_bus_new(&display->bus));
	assert_ok(sd_bus_set_fd(display->bus, take_fd, take_fd));
	assert_ok(sd_bus_set_server(display->bus, true, id));
	assert_ok(sd_bus_negotiate_fds(display->bus, true));
	assert_ok(sd_bus_start(display->bus));
}

void fake_display_finish(struct fake_display *display) {
	sd_bus_close_unref(display->bus);
	display->bus = NULL;
}

bool fake_display_step(struct fake_display *display) {
	if (display->bus == NULL || display->is_closed) {
		return false;
	}
	bool has_done = false;
	int ret;
	while ((ret = sd_bus_process(display->bus, NULL)) > 0) {
		has_done = true;
	}
	display->is_closed = ret < 0;
	return has_done;
}

static int display_handle_answer(sd_bus_message *answer, void *data, sd_bus_error *ret_error) {
	struct fake_display *display = data;
	const sd_bus_error *error = sd_bus_message_get_error(answer);
	if (error != NULL && strcmp(error->name, SD_BUS_ERROR_NO_REPLY) == 0) {
		return 0; /* which nobody sent: the connection ends */
	}
	display->answers++;
	if (error != NULL) {
		display->errors++;
		snprintf(display->last_error, sizeof(display->last_error), "%s", error->name);
	}
	return 0;
}

static int display_handle_properties(sd_bus_message *answer, void *data, sd_bus_error *ret_error) {
	struct fake_display *display = data;
	assert_false(sd_bus_message_is_method_error(answer, NULL));
	assert_ok(sd_bus_message_enter_container(answer, 'a', "{sv}"));
	while (sd_bus_message_enter_container(answer, 'e', "sv") > 0) {
		const char *name, *interface;
		assert_ok(sd_bus_message_read(answer, "s", &name));
		assert_string_equal(name, "Interfaces");
		assert_ok(sd_bus_message_enter_container(answer, 'v', "as"));
		assert_ok(sd_bus_message_enter_container(answer, 'a', "s"));
		while (sd_bus_message_read(answer, "s", &interface) > 0) {
			display->has_map = display->has_map ||
					strcmp(interface, FAKE_DISPLAY_MAP) == 0;
			display->has_dmabuf2 = display->has_dmabuf2 ||
					strcmp(interface, FAKE_DISPLAY_DMABUF2) == 0;
		}
		assert_ok(sd_bus_message_exit_container(answer));
		assert_ok(sd_bus_message_exit_container(answer));
		assert_ok(sd_bus_message_exit_container(answer));
	}
	return 0;
}

void fake_display_ask_interfaces(struct fake_display *display) {
	assert_ok(sd_bus_call_method_async(display->bus, NULL, NULL, FAKE_DISPLAY_PATH,
			"org.freedesktop.DBus.Properties", "GetAll", display_handle_properties,
			display, "s", FAKE_DISPLAY_INTERFACE));
}

static sd_bus_message *display_begin_call(
		struct fake_display *display, const char *interface, const char *member) {
	sd_bus_message *call;
	assert_ok(sd_bus_message_new_method_call(
			display->bus, &call, NULL, FAKE_DISPLAY_PATH, interface, member));
	return call;
}

static void display_send(struct fake_display *display, sd_bus_message *take_call, bool wants_answer) {
	if (wants_answer) {
		assert_ok(sd_bus_call_async(display->bus, NULL, take_call, display_handle_answer,
				display, UINT64_MAX));
	} else {
		assert_ok(sd_bus_message_set_expect_reply(take_call, false));
		assert_ok(sd_bus_send(display->bus, take_call, NULL));
	}
	sd_bus_message_unref(take_call);
}

void fake_display_call(struct fake_display *display, const char *interface, const char *member,
		bool wants_answer, const char *types, ...) {
	sd_bus_message *call = display_begin_call(display, interface, member);
	va_list args;
	va_start(args, types);
	assert_ok(sd_bus_message_appendv(call, types, args));
	va_end(args);
	display_send(display, call, wants_answer);
}

void fake_display_scanout(struct fake_display *display, uint32_t width, uint32_t height,
		uint32_t stride_bytes, uint32_t pixman_format, const void *data, size_t size_bytes) {
	sd_bus_message *call = display_begin_call(display, FAKE_DISPLAY_INTERFACE, "Scanout");
	assert_ok(sd_bus_message_append(call, "uuuu", width, height, stride_bytes, pixman_format));
	assert_ok(sd_bus_message_append_array(call, 'y', data, size_bytes));
	display_send(display, call, false);
}

void fake_display_update(struct fake_display *display, int x, int y, int width, int height,
		uint32_t stride_bytes, uint32_t pixman_format, const void *data, size_t size_bytes) {
	sd_bus_message *call = display_begin_call(display, FAKE_DISPLAY_INTERFACE, "Update");
	assert_ok(sd_bus_message_append(
			call, "iiiiuu", x, y, width, height, stride_bytes, pixman_format));
	assert_ok(sd_bus_message_append_array(call, 'y', data, size_bytes));
	display_send(display, call, false);
}

void fake_display_scanout_map(struct fake_display *display, int fd, uint32_t offset_bytes,
		uint32_t width, uint32_t height, uint32_t stride_bytes, uint32_t pixman_format) {
	fake_display_call(display, FAKE_DISPLAY_MAP, "ScanoutMap", true, "huuuuu", fd, offset_bytes,
			width, height, stride_bytes, pixman_format);
}

void fake_display_update_map(struct fake_display *display, int x, int y, int width, int height) {
	fake_display_call(display, FAKE_DISPLAY_MAP, "UpdateMap", false, "iiii", x, y, width, height);
}

void fake_display_scanout_dmabuf(struct fake_display *display, int fd, uint32_t width,
		uint32_t height, uint32_t stride_bytes, uint32_t fourcc, uint64_t modifier,
		bool y0_top) {
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "ScanoutDMABUF", false, "huuuutb", fd,
			width, height, stride_bytes, fourcc, modifier, (int)y0_top);
}

void fake_display_scanout_dmabuf2(
		struct fake_display *display, const struct fake_display_dmabuf *dmabuf) {
	sd_bus_message *call = display_begin_call(display, FAKE_DISPLAY_DMABUF2, "ScanoutDMABUF2");
	assert_ok(sd_bus_message_open_container(call, 'a', "h"));
	for (size_t i = 0; i < dmabuf->fd_count; i++) {
		assert_ok(sd_bus_message_append(call, "h", dmabuf->fds[i]));
	}
	assert_ok(sd_bus_message_close_container(call));
	assert_ok(sd_bus_message_append(
			call, "uuuu", dmabuf->x, dmabuf->y, dmabuf->width, dmabuf->height));
	assert_ok(sd_bus_message_append_array(call, 'u', dmabuf->offsets,
			dmabuf->offset_count * sizeof(dmabuf->offsets[0])));
	assert_ok(sd_bus_message_append_array(call, 'u', dmabuf->strides,
			dmabuf->stride_count * sizeof(dmabuf->strides[0])));
	assert_ok(sd_bus_message_append(call, "uuuutb", dmabuf->plane_count, dmabuf->fourcc,
			dmabuf->backing_width, dmabuf->backing_height, dmabuf->modifier,
			(int)dmabuf->y0_top));
	display_send(display, call, false);
}

void fake_display_update_dmabuf(struct fake_display *display, int x, int y, int width, int height) {
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "UpdateDMABUF", true, "iiii", x, y,
			width, height);
}

void fake_display_disable(struct fake_display *display) {
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "Disable", false, "");
}

void fake_display_mouse_set(struct fake_display *display, int x, int y, int is_on) {
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "MouseSet", false, "iii", x, y, is_on);
}

void fake_display_cursor_define(struct fake_display *display, int width, int height, int hot_x,
		int hot_y, const void *data, size_t size_bytes) {
	sd_bus_message *call = display_begin_call(display, FAKE_DISPLAY_INTERFACE, "CursorDefine");
	assert_ok(sd_bus_message_append(call, "iiii", width, height, hot_x, hot_y));
	assert_ok(sd_bus_message_append_array(call, 'y', data, size_bytes));
	display_send(display, call, false);
}
