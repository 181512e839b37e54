#include "xdg_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "xdg-decoration-unstable-v1-client-protocol.h"
#include "xdg-shell-client-protocol.h"

/* Keyboard */

static void keyboard_handle_keymap(void *data, struct wl_keyboard *keyboard, uint32_t format,
		int32_t fd, uint32_t size) {
	assert_int_equal(format, WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1);
	close(fd);
}

static void keyboard_handle_enter(void *data, struct wl_keyboard *keyboard, uint32_t serial,
		struct wl_surface *surface, struct wl_array *keys) {
	struct xdg_client *client = data;
	client->serial = serial;
	client->keyboard.focus = surface;
	client->keyboard.held_count = keys->size / sizeof(uint32_t);
}

static void keyboard_handle_leave(void *data, struct wl_keyboard *keyboard, uint32_t serial,
		struct wl_surface *surface) {
	struct xdg_client *client = data;
	client->keyboard.focus = NULL;
}

static void keyboard_handle_key(void *data, struct wl_keyboard *keyboard, uint32_t serial,
		uint32_t time_ms, uint32_t keycode, uint32_t state) {
	struct xdg_client *client = data;
	client->serial = serial;
	assert_true(client->keyboard.key_count < XDG_CLIENT_EVENTS_MAX);
	client->keyboard.keys[client->keyboard.key_count++] =
			(struct xdg_client_key){ .keycode = keycode, .state = state };
}

static void keyboard_handle_modifiers(void *data, struct wl_keyboard *keyboard, uint32_t serial,
		uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group) {
	struct xdg_client *client = data;
	client->keyboard.modifiers = depressed;
}

static void keyboard_ignore_repeat_info(
		void *data, struct wl_keyboard *keyboard, int32_t rate, int32_t delay_ms) {}

static const struct wl_keyboard_listener keyboard_listener = {
	.keymap = keyboard_handle_keymap,
	.enter = keyboard_handle_enter,
	.leave = keyboard_handle_leave,
	.key = keyboard_handle_key,
	.modifiers = keyboard_handle_modifiers,
	.repeat_info = keyboard_ignore_repeat_info,
};

/* Pointer */

static void pointer_handle_enter(void *data, struct wl_pointer *pointer, uint32_t serial,
		struct wl_surface *surface, wl_fixed_t sx, wl_fixed_t sy) {
	struct xdg_client *client = data;
	client->serial = serial;
	client->pointer.focus = surface;
	client->pointer.sx = wl_fixed_to_double(sx);
	client->pointer.sy = wl_fixed_to_double(sy);
}

static void pointer_handle_leave(void *data, struct wl_pointer *pointer, uint32_t serial,
		struct wl_surface *surface) {
	struct xdg_client *client = data;
	client->pointer.focus = NULL;
}

static void pointer_handle_motion(void *data, struct wl_pointer *pointer, uint32_t time_ms,
		wl_fixed_t sx, wl_fixed_t sy) {
	struct xdg_client *client = data;
	client->pointer.sx = wl_fixed_to_double(sx);
	client->pointer.sy = wl_fixed_to_double(sy);
	client->pointer.motion_count++;
}

static void pointer_handle_button(void *data, struct wl_pointer *pointer, uint32_t serial,
		uint32_t time_ms, uint32_t button, uint32_t state) {
	struct xdg_client *client = data;
	client->serial = serial;
	assert_true(client->pointer.button_count < XDG_CLIENT_EVENTS_MAX);
	client->pointer.buttons[client->pointer.button_count++] =
			(struct xdg_client_key){ .keycode = button, .state = state };
}

static void pointer_handle_axis(void *data, struct wl_pointer *pointer, uint32_t time_ms,
		uint32_t axis, wl_fixed_t value) {
	struct xdg_client *client = data;
	if (axis == WL_POINTER_AXIS_VERTICAL_SCROLL) {
		client->pointer.scrolled += wl_fixed_to_double(value);
	}
}

static void pointer_ignore_frame(void *data, struct wl_pointer *pointer) {}

static void pointer_ignore_axis_source(void *data, struct wl_pointer *pointer, uint32_t axis_source) {
}

static void pointer_ignore_axis_stop(
		void *data, struct wl_pointer *pointer, uint32_t time_ms, uint32_t axis) {}

static void pointer_ignore_axis_discrete(
		void *data, struct wl_pointer *pointer, uint32_t axis, int32_t discrete) {}

static const struct wl_pointer_listener pointer_listener = {
	.enter = pointer_handle_enter,
	.leave = pointer_handle_leave,
	.motion = pointer_handle_motion,
	.button = pointer_handle_button,
	.axis = pointer_handle_axis,
	.frame = pointer_ignore_frame,
	.axis_source = pointer_ignore_axis_source,
	.axis_stop = pointer_ignore_axis_stop,
	.axis_discrete = pointer_ignore_axis_discrete,
};

/* Globals */

static void wm_base_handle_ping(void *data, struct xdg_wm_base *wm_base, uint32_t serial) {
	xdg_wm_base_pong(wm_base, serial);
}

static const struct xdg_wm_base_listener wm_base_listener = {
	.ping = wm_base_handle_ping,
};

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct xdg_client *client = data;
	const struct {
		const struct wl_interface *interface;
		uint32_t version;
		void **object;
	} wanted[] = {
		{ &wl_compositor_interface, 4, (void **)&client->compositor },
		{ &wl_subcompositor_interface, 1, (void **)&client->subcompositor },
		{ &wl_shm_interface, 1, (void **)&client->shm },
		{ &wl_seat_interface, 5, (void **)&client->seat },
		{ &wl_data_device_manager_interface, 3, (void **)&client->data_devices },
		{ &xdg_wm_base_interface, 3, (void **)&client->wm_base },
		{ &zxdg_decoration_manager_v1_interface, 1, (void **)&client->decorations },
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcmp(wanted[i].interface->name, interface) == 0) {
			assert_true(version >= wanted[i].version);
			*wanted[i].object = wl_registry_bind(
					registry, name, wanted[i].interface, wanted[i].version);
		}
	}
}

static void registry_ignore_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_ignore_global_remove,
};

struct xdg_client *xdg_client_create(struct fixture *fixture) {
	struct xdg_client *client = calloc(1, sizeof(*client));
	assert_non_null(client);
	client->fixture = fixture;
	client->display = fixture_connect(fixture);
	wl_list_init(&client->windows);
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	xdg_client_roundtrip(client);
	assert_non_null(client->compositor);
	assert_non_null(client->subcompositor);
	assert_non_null(client->shm);
	assert_non_null(client->seat);
	assert_non_null(client->data_devices);
	assert_non_null(client->wm_base);
	assert_non_null(client->decorations);
	xdg_wm_base_add_listener(client->wm_base, &wm_base_listener, client);
	client->keyboard.wl_keyboard = wl_seat_get_keyboard(client->seat);
	wl_keyboard_add_listener(client->keyboard.wl_keyboard, &keyboard_listener, client);
	client->pointer.wl_pointer = wl_seat_get_pointer(client->seat);
	wl_pointer_add_listener(client->pointer.wl_pointer, &pointer_listener, client);
	xdg_client_roundtrip(client);
	return client;
}

void xdg_client_destroy(struct xdg_client *client) {
	if (client == NULL) {
		return;
	}
	/* The newest first: popups before their parents. */
	struct xdg_window *window, *tmp;
	wl_list_for_each_safe(window, tmp, &client->windows, link) {
		xdg_window_destroy(window);
	}
	wl_pointer_destroy(client->pointer.wl_pointer);
	wl_keyboard_destroy(client->keyboard.wl_keyboard);
	zxdg_decoration_manager_v1_destroy(client->decorations);
	if (client->wm_base != NULL) {
		xdg_wm_base_destroy(client->wm_base);
	}
	wl_data_device_manager_destroy(client->data_devices);
	wl_seat_destroy(client->seat);
	wl_shm_destroy(client->shm);
	wl_subcompositor_destroy(client->subcompositor);
	wl_compositor_destroy(client->compositor);
	wl_registry_destroy(client->registry);
	fixture_disconnect(client->fixture, client->display);
	free(client);
}

static bool client_is_gone(struct fixture *fixture, void *data) {
	const struct xdg_client *client = data;
	return !fixture_is_connected(fixture, client->display);
}

void xdg_client_cut(struct xdg_client *client) {
	assert_int_equal(shutdown(wl_display_get_fd(client->display), SHUT_RDWR), 0);
	fixture_step_until(client->fixture, client_is_gone, client);
}

void xdg_client_roundtrip(struct xdg_client *client) {
	fixture_roundtrip(client->fixture, client->display);
}

static bool client_is_broken(struct fixture *fixture, void *data) {
	const struct xdg_client *client = data;
	return wl_display_get_error(client->display) != 0;
}

void xdg_client_expect_error(struct xdg_client *client, const char *interface, uint32_t code) {
	fixture_step_until(client->fixture, client_is_broken, client);
	const struct wl_interface *error_interface = NULL;
	uint32_t error_code = wl_display_get_protocol_error(client->display, &error_interface, NULL);
	int error = wl_display_get_error(client->display);
	/* The errors of wl_display have errno values of their own. */
	if (error != EPROTO && error_interface == NULL) {
		fail_msg("the connection broke: %s", strerror(error));
	}
	const char *error_name = error_interface != NULL ? error_interface->name : "(none)";
	if (strcmp(error_name, interface != NULL ? interface : "(none)") != 0 || error_code != code) {
		fail_msg("%s error %u expected, got %s error %u",
				interface != NULL ? interface : "(none)", code, error_name,
				error_code);
	}
}

/* Windows */

static void xdg_surface_handle_configure(
		void *data, struct xdg_surface *xdg_surface, uint32_t serial) {
	struct xdg_window *window = data;
	window->configure_count++;
	window->configure_serial = serial;
	xdg_surface_ack_configure(xdg_surface, serial);
}

static const struct xdg_surface_listener xdg_surface_listener = {
	.configure = xdg_surface_handle_configure,
};

static void toplevel_handle_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
		int32_t height, struct wl_array *states) {
	struct xdg_window *window = data;
	window->width = width;
	window->height = height;
	window->is_activated = false;
	window->is_maximized = false;
	window->is_fullscreen = false;
	window->is_resizing = false;
	const uint32_t *state;
	wl_array_for_each(state, states) {
		switch (*state) {
		case XDG_TOPLEVEL_STATE_ACTIVATED:
			window->is_activated = true;
			break;
		case XDG_TOPLEVEL_STATE_MAXIMIZED:
			window->is_maximized = true;
			break;
		case XDG_TOPLEVEL_STATE_FULLSCREEN:
			window->is_fullscreen = true;
			break;
		case XDG_TOPLEVEL_STATE_RESIZING:
			window->is_resizing = true;
			break;
		}
	}
}

static void toplevel_handle_close(void *data, struct xdg_toplevel *toplevel) {
	struct xdg_window *window = data;
	window->is_close_requested = true;
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = toplevel_handle_configure,
	.close = toplevel_handle_close,
};

static void popup_handle_configure(void *data, struct xdg_popup *popup, int32_t x, int32_t y,
		int32_t width, int32_t height) {
	struct xdg_window *window = data;
	window->x = x;
	window->y = y;
	window->width = width;
	window->height = height;
}

static void popup_handle_done(void *data, struct xdg_popup *popup) {
	struct xdg_window *window = data;
	window->is_close_requested = true;
}

static void popup_ignore_repositioned(void *data, struct xdg_popup *popup, uint32_t token) {}

static const struct xdg_popup_listener popup_listener = {
	.configure = popup_handle_configure,
	.popup_done = popup_handle_done,
	.repositioned = popup_ignore_repositioned,
};

static struct xdg_window *window_create_base(struct xdg_client *client) {
	struct xdg_window *window = calloc(1, sizeof(*window));
	assert_non_null(window);
	window->client = client;
	window->surface = wl_compositor_create_surface(client->compositor);
	window->xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, window->surface);
	xdg_surface_add_listener(window->xdg_surface, &xdg_surface_listener, window);
	wl_list_insert(&client->windows, &window->link);
	return window;
}

struct xdg_window *xdg_window_create(struct xdg_client *client) {
	struct xdg_window *window = window_create_base(client);
	window->toplevel = xdg_surface_get_toplevel(window->xdg_surface);
	xdg_toplevel_add_listener(window->toplevel, &toplevel_listener, window);
	return window;
}

struct xdg_window *xdg_window_create_popup(
		struct xdg_window *parent, int x, int y, int width, int height) {
	struct xdg_client *client = parent->client;
	struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->wm_base);
	xdg_positioner_set_size(positioner, width, height);
	xdg_positioner_set_anchor_rect(positioner, x, y, 1, 1);
	xdg_positioner_set_anchor(positioner, XDG_POSITIONER_ANCHOR_TOP_LEFT);
	xdg_positioner_set_gravity(positioner, XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT);
	struct xdg_window *window = window_create_base(client);
	window->popup = xdg_surface_get_popup(window->xdg_surface, parent->xdg_surface, positioner);
	xdg_popup_add_listener(window->popup, &popup_listener, window);
	xdg_positioner_destroy(positioner);
	return window;
}

static bool window_is_configured(struct fixture *fixture, void *data) {
	const struct xdg_window *window = data;
	return window->configure_count > 0 || wl_display_get_error(window->client->display) != 0;
}

void xdg_window_configure(struct xdg_window *window) {
	window->configure_count = 0;
	wl_surface_commit(window->surface);
	fixture_step_until(window->client->fixture, window_is_configured, window);
	assert_int_equal(wl_display_get_error(window->client->display), 0);
}

/* Drawing */

static void buffer_handle_release(void *data, struct wl_buffer *wl_buffer) {
	struct xdg_window_buffer *buffer = data;
	buffer->is_busy = false;
}

static const struct wl_buffer_listener buffer_listener = {
	.release = buffer_handle_release,
};

static size_t buffer_get_size_bytes(const struct xdg_window_buffer *buffer) {
	return (size_t)buffer->width * (size_t)buffer->height * 4;
}

static void buffer_finish(struct xdg_window_buffer *buffer) {
	if (buffer->wl_buffer != NULL) {
		wl_buffer_destroy(buffer->wl_buffer);
		munmap(buffer->pixels, buffer_get_size_bytes(buffer));
	}
	*buffer = (struct xdg_window_buffer){ 0 };
}

static void buffer_init(struct xdg_window_buffer *buffer, struct wl_shm *shm, int width, int height) {
	buffer->width = width;
	buffer->height = height;
	size_t size_bytes = buffer_get_size_bytes(buffer);
	int memfd = memfd_create("xdg-window", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)size_bytes), 0);
	buffer->pixels = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(buffer->pixels, MAP_FAILED);
	struct wl_shm_pool *pool = wl_shm_create_pool(shm, memfd, (int32_t)size_bytes);
	buffer->wl_buffer = wl_shm_pool_create_buffer(
			pool, 0, width, height, width * 4, WL_SHM_FORMAT_XRGB8888);
	wl_buffer_add_listener(buffer->wl_buffer, &buffer_listener, buffer);
	wl_shm_pool_destroy(pool);
	close(memfd);
}

static struct xdg_window_buffer *window_get_free_buffer(
		struct xdg_window *window, int width, int height) {
	for (size_t i = 0; i < XDG_WINDOW_BUFFERS; i++) {
		struct xdg_window_buffer *buffer = &window->buffers[i];
		if (buffer->is_busy) {
			continue;
		}
		if (buffer->width != width || buffer->height != height) {
			buffer_finish(buffer);
			buffer_init(buffer, window->client->shm, width, height);
		}
		return buffer;
	}
	fail_msg("the compositor keeps all %d buffers of a window", XDG_WINDOW_BUFFERS);
	return NULL;
}

static void frame_handle_done(void *data, struct wl_callback *callback, uint32_t time_ms) {
	struct xdg_window *window = data;
	wl_callback_destroy(callback);
	window->frame_callback = NULL;
	window->frame_count++;
	if (window->is_animated) {
		xdg_window_draw(window, window->drawn_width, window->drawn_height,
				window->rgb ^ 0xffffff);
	}
}

static const struct wl_callback_listener frame_listener = {
	.done = frame_handle_done,
};

void xdg_window_draw(struct xdg_window *window, int width, int height, uint32_t rgb) {
	struct xdg_window_buffer *buffer = window_get_free_buffer(window, width, height);
	for (int i = 0; i < width * height; i++) {
		buffer->pixels[i] = rgb;
	}
	buffer->is_busy = true;
	window->draw_count++;
	window->rgb = rgb;
	window->drawn_width = width;
	window->drawn_height = height;

	if (window->frame_callback == NULL) {
		window->frame_callback = wl_surface_frame(window->surface);
		wl_callback_add_listener(window->frame_callback, &frame_listener, window);
	}
	wl_surface_attach(window->surface, buffer->wl_buffer, 0, 0);
	wl_surface_damage(window->surface, 0, 0, INT32_MAX, INT32_MAX);
	wl_surface_commit(window->surface);
}

struct frame_wait {
	const struct xdg_window *window;
	size_t wanted;
};

static bool frame_has_come(struct fixture *fixture, void *data) {
	const struct frame_wait *wait = data;
	return wait->window->frame_count >= wait->wanted ||
			wl_display_get_error(wait->window->client->display) != 0;
}

void xdg_window_wait_frame(struct xdg_window *window) {
	struct frame_wait wait = { .window = window, .wanted = window->frame_count + 1 };
	fixture_step_until(window->client->fixture, frame_has_come, &wait);
	assert_int_equal(wl_display_get_error(window->client->display), 0);
}

void xdg_window_show(struct xdg_window *window, int width, int height, uint32_t rgb) {
	xdg_window_configure(window);
	xdg_window_draw(window, width, height, rgb);
	xdg_window_wait_frame(window);
}

void xdg_window_animate(struct xdg_window *window) {
	window->is_animated = true;
	if (window->frame_callback == NULL) {
		xdg_window_draw(window, window->drawn_width, window->drawn_height,
				window->rgb ^ 0xffffff);
	}
}

void xdg_window_hide(struct xdg_window *window) {
	wl_surface_attach(window->surface, NULL, 0, 0);
	wl_surface_commit(window->surface);
	xdg_client_roundtrip(window->client);
}

void xdg_window_destroy(struct xdg_window *window) {
	if (window == NULL) {
		return;
	}
	wl_list_remove(&window->link);
	if (window->frame_callback != NULL) {
		wl_callback_destroy(window->frame_callback);
	}
	if (window->popup != NULL) {
		xdg_popup_destroy(window->popup);
	}
	if (window->toplevel != NULL) {
		xdg_toplevel_destroy(window->toplevel);
	}
	xdg_surface_destroy(window->xdg_surface);
	wl_surface_destroy(window->surface);
	for (size_t i = 0; i < XDG_WINDOW_BUFFERS; i++) {
		buffer_finish(&window->buffers[i]);
	}
	free(window);
}
