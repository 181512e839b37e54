/*
 * Clients that break the protocol: each gets the very error that the protocol has for it, and
 * nobody else notices.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/source.h"
#include "screenshot.h"
#include "synthetic_picture.h"
#include "view/guest_view.h"
#include "xdg-decoration-unstable-v1-client-protocol.h"
#include "xdg-shell-client-protocol.h"
#include "xdg_client.h"

#define WIDTH 64
#define HEIGHT 48
#define BYSTANDER_RGB 0x00aa00

/* Who must not notice: a guest, and a client with a window in front of it. */
struct bystanders {
	struct fixture fixture;
	struct xdg_client *client;
	struct xdg_window *window;
};

static void bystanders_init(struct bystanders *bystanders) {
	fixture_init(&bystanders->fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	bystanders->client = xdg_client_create(&bystanders->fixture);
	bystanders->window = xdg_window_create(bystanders->client);
	xdg_window_show(bystanders->window, 32, 24, BYSTANDER_RGB);
}

/* The window has the keyboard and gets its frame callbacks, and the guest goes on. */
static void bystanders_assert_well(struct bystanders *bystanders) {
	struct fixture *fixture = &bystanders->fixture;
	xdg_client_roundtrip(bystanders->client);
	assert_int_equal(wl_display_get_error(bystanders->client->display), 0);
	assert_ptr_equal(bystanders->client->keyboard.focus, bystanders->window->surface);
	xdg_window_draw(bystanders->window, 32, 24, BYSTANDER_RGB);
	xdg_window_wait_frame(bystanders->window);

	const struct oriel_guest_view *view = fixture_get_view(fixture, "a");
	uint64_t before = oriel_source_get_counters(view->source).taken;
	fixture_step_refreshes(fixture, 2);
	uint64_t first = oriel_source_get_counters(view->source).taken;
	assert_true(first > before);
	struct screenshot screenshot = screenshot_take(fixture, fixture_get_output_name(fixture, 0));
	uint64_t last = oriel_source_get_counters(view->source).taken;
	const struct wlr_box box = { (WIDTH - 32) / 2, (HEIGHT - 24) / 2, 32, 24 };
	synthetic_picture_find_behind(&screenshot, &box, BYSTANDER_RGB, first - 1, last - 1);
	screenshot_finish(&screenshot);
}

static void bystanders_finish(struct bystanders *bystanders) {
	xdg_client_destroy(bystanders->client);
	fixture_finish(&bystanders->fixture);
}

/* Shared memory */

#define POOL_BYTES (16 * 16 * 4)

static int create_memfd(off_t size_bytes) {
	int memfd = memfd_create("client-errors", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, size_bytes), 0);
	return memfd;
}

static void create_pool_of_size(struct xdg_client *client, int32_t size_bytes) {
	int memfd = create_memfd(POOL_BYTES);
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, memfd, size_bytes);
	wl_shm_pool_destroy(pool);
	close(memfd);
}

static void make_pool_of_zero_bytes(struct xdg_client *client) {
	create_pool_of_size(client, 0);
}

static void make_pool_of_negative_size(struct xdg_client *client) {
	create_pool_of_size(client, -1);
}

static void make_pool_of_a_pipe(struct xdg_client *client) {
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	wl_shm_pool_destroy(wl_shm_create_pool(client->shm, pipe_fds[0], POOL_BYTES));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void create_buffer(struct xdg_client *client, int32_t offset, int32_t width, int32_t height,
		int32_t stride, uint32_t format) {
	int memfd = create_memfd(POOL_BYTES);
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, memfd, POOL_BYTES);
	struct wl_buffer *buffer =
			wl_shm_pool_create_buffer(pool, offset, width, height, stride, format);
	xdg_client_roundtrip(client);
	wl_buffer_destroy(buffer);
	wl_shm_pool_destroy(pool);
	close(memfd);
}

static void make_buffer_one_row_too_high(struct xdg_client *client) {
	create_buffer(client, 0, 16, 17, 64, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_one_byte_too_far(struct xdg_client *client) {
	create_buffer(client, 1, 16, 16, 64, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_at_negative_offset(struct xdg_client *client) {
	create_buffer(client, -4, 16, 15, 64, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_of_no_width(struct xdg_client *client) {
	create_buffer(client, 0, 0, 16, 64, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_of_negative_height(struct xdg_client *client) {
	create_buffer(client, 0, 16, -1, 64, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_with_short_stride(struct xdg_client *client) {
	create_buffer(client, 0, 16, 16, 63, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_whose_size_overflows(struct xdg_client *client) {
	create_buffer(client, 0, 16, INT32_MAX, INT32_MAX, WL_SHM_FORMAT_XRGB8888);
}

static void make_buffer_of_unknown_format(struct xdg_client *client) {
	create_buffer(client, 0, 16, 16, 64, 0x20202020);
}

static void shrink_pool(struct xdg_client *client) {
	int memfd = create_memfd(POOL_BYTES);
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, memfd, POOL_BYTES);
	wl_shm_pool_resize(pool, POOL_BYTES - 1);
	xdg_client_roundtrip(client);
	wl_shm_pool_destroy(pool);
	close(memfd);
}

/* Surfaces */

static void attach_buffer_before_configure(struct xdg_client *client) {
	xdg_window_draw(xdg_window_create(client), 16, 16, 0);
}

static void attach_buffer_of_odd_size_to_scale_2(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	wl_surface_set_buffer_scale(window->surface, 2);
	xdg_window_draw(window, 15, 16, 0);
}

static void set_scale_0(struct xdg_client *client) {
	wl_surface_set_buffer_scale(xdg_window_create(client)->surface, 0);
}

static void set_transform_8(struct xdg_client *client) {
	wl_surface_set_buffer_transform(xdg_window_create(client)->surface, 8);
}

static void destroy_surface_before_its_role(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	wl_surface_destroy(window->surface);
	window->surface = wl_compositor_create_surface(client->compositor);
}

static void make_toplevel_a_subsurface(struct xdg_client *client) {
	struct xdg_window *parent = xdg_window_create(client);
	struct xdg_window *window = xdg_window_create(client);
	wl_subsurface_destroy(wl_subcompositor_get_subsurface(
			client->subcompositor, window->surface, parent->surface));
}

/* Windows */

static void ack_serial_that_was_never_sent(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	xdg_surface_ack_configure(window->xdg_surface, window->configure_serial + 1000);
}

static void ack_serial_twice(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	xdg_surface_ack_configure(window->xdg_surface, window->configure_serial);
}

static void set_negative_geometry(struct xdg_client *client) {
	xdg_surface_set_window_geometry(xdg_window_create(client)->xdg_surface, 0, 0, 16, -1);
}

static void get_toplevel_twice(struct xdg_client *client) {
	xdg_toplevel_destroy(xdg_surface_get_toplevel(xdg_window_create(client)->xdg_surface));
}

static void commit_without_role(struct xdg_client *client) {
	struct wl_surface *surface = wl_compositor_create_surface(client->compositor);
	struct xdg_surface *xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, surface);
	wl_surface_commit(surface);
	xdg_client_roundtrip(client);
	xdg_surface_destroy(xdg_surface);
	wl_surface_destroy(surface);
}

static void destroy_xdg_surface_before_toplevel(struct xdg_client *client) {
	struct wl_surface *surface = wl_compositor_create_surface(client->compositor);
	struct xdg_surface *xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, surface);
	struct xdg_toplevel *toplevel = xdg_surface_get_toplevel(xdg_surface);
	xdg_surface_destroy(xdg_surface);
	xdg_toplevel_destroy(toplevel);
	wl_surface_destroy(surface);
}

static void destroy_wm_base_before_windows(struct xdg_client *client) {
	xdg_window_create(client);
	xdg_wm_base_destroy(client->wm_base);
	client->wm_base = NULL;
}

static void set_minimum_above_maximum(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_toplevel_set_min_size(window->toplevel, 100, 100);
	xdg_toplevel_set_max_size(window->toplevel, 99, 100);
	wl_surface_commit(window->surface);
}

static void make_toplevel_its_own_parent(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 16, 16, 0);
	xdg_toplevel_set_parent(window->toplevel, window->toplevel);
}

static void resize_by_no_such_edge(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 16, 16, 0);
	xdg_toplevel_resize(window->toplevel, client->seat, 1, 3);
}

static void move_before_configure(struct xdg_client *client) {
	xdg_toplevel_move(xdg_window_create(client)->toplevel, client->seat, 1);
}

/* Decorations */

static void decorate_twice(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	struct zxdg_toplevel_decoration_v1 *decorations[2];
	for (int i = 0; i < 2; i++) {
		decorations[i] = zxdg_decoration_manager_v1_get_toplevel_decoration(
				client->decorations, window->toplevel);
	}
	for (int i = 0; i < 2; i++) {
		zxdg_toplevel_decoration_v1_destroy(decorations[i]);
	}
}

static void decorate_mapped_window(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 16, 16, 0);
	zxdg_toplevel_decoration_v1_destroy(zxdg_decoration_manager_v1_get_toplevel_decoration(
			client->decorations, window->toplevel));
}

static void destroy_toplevel_before_decoration(struct xdg_client *client) {
	struct xdg_window *window = xdg_window_create(client);
	struct zxdg_toplevel_decoration_v1 *decoration =
			zxdg_decoration_manager_v1_get_toplevel_decoration(
					client->decorations, window->toplevel);
	xdg_toplevel_destroy(window->toplevel);
	window->toplevel = NULL;
	xdg_client_roundtrip(client);
	zxdg_toplevel_decoration_v1_destroy(decoration);
}

/* Popups */

static void set_positioner_size_0(struct xdg_client *client) {
	struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->wm_base);
	xdg_positioner_set_size(positioner, 0, 16);
	xdg_client_roundtrip(client);
	xdg_positioner_destroy(positioner);
}

static void use_incomplete_positioner(struct xdg_client *client) {
	struct xdg_window *parent = xdg_window_create(client);
	struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->wm_base);
	xdg_positioner_set_size(positioner, 16, 16);
	struct wl_surface *surface = wl_compositor_create_surface(client->compositor);
	struct xdg_surface *xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, surface);
	xdg_popup_destroy(xdg_surface_get_popup(xdg_surface, parent->xdg_surface, positioner));
	xdg_surface_destroy(xdg_surface);
	wl_surface_destroy(surface);
	xdg_positioner_destroy(positioner);
}

static void make_popup_its_own_parent(struct xdg_client *client) {
	struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->wm_base);
	xdg_positioner_set_size(positioner, 16, 16);
	xdg_positioner_set_anchor_rect(positioner, 0, 0, 1, 1);
	struct wl_surface *surface = wl_compositor_create_surface(client->compositor);
	struct xdg_surface *xdg_surface = xdg_wm_base_get_xdg_surface(client->wm_base, surface);
	struct xdg_popup *popup = xdg_surface_get_popup(xdg_surface, xdg_surface, positioner);
	wl_surface_commit(surface);
	xdg_client_roundtrip(client);
	xdg_popup_destroy(popup);
	xdg_surface_destroy(xdg_surface);
	wl_surface_destroy(surface);
	xdg_positioner_destroy(positioner);
}

static struct xdg_window *create_nested_popups(struct xdg_client *client, int depth) {
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 16, 16, 0);
	for (int i = 0; i < depth; i++) {
		window = xdg_window_create_popup(window, 1, 1, 8, 8);
		xdg_client_roundtrip(client);
	}
	return window;
}

#define POPUP_DEPTH_MAX 32

static void nest_popups_one_too_deep(struct xdg_client *client) {
	create_nested_popups(client, POPUP_DEPTH_MAX + 1);
}

static void reposition_popup_before_its_initial_commit(struct xdg_client *client) {
	struct xdg_window *popup = create_nested_popups(client, 1);
	struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->wm_base);
	xdg_positioner_set_size(positioner, 16, 16);
	xdg_positioner_set_anchor_rect(positioner, 0, 0, 1, 1);
	xdg_popup_reposition(popup->popup, positioner, 1);
	xdg_positioner_destroy(positioner);
}

static void grab_popup_twice(struct xdg_client *client) {
	struct xdg_window *popup = create_nested_popups(client, 1);
	xdg_popup_grab(popup->popup, client->seat, client->serial);
	xdg_popup_grab(popup->popup, client->seat, client->serial);
}

static void grab_popup_that_is_mapped(struct xdg_client *client) {
	struct xdg_window *popup = create_nested_popups(client, 1);
	xdg_window_show(popup, 8, 8, 0);
	xdg_popup_grab(popup->popup, client->seat, client->serial);
}

static void destroy_popup_below_another(struct xdg_client *client) {
	struct xdg_window *top = create_nested_popups(client, 2);
	struct xdg_window *below = wl_container_of(top->link.next, below, link);
	xdg_popup_destroy(below->popup);
	below->popup = NULL;
}

/* Below the protocols */

static void bind_global_that_is_not_there(struct xdg_client *client) {
	wl_shm_destroy(wl_registry_bind(client->registry, 0xffff, &wl_shm_interface, 1));
}

/* The header of a message, which has no arguments. */
static void send_header(struct xdg_client *client, uint32_t object_id, uint32_t opcode) {
	const uint32_t header[2] = { object_id, sizeof(header) << 16 | opcode };
	wl_display_flush(client->display);
	assert_int_equal(send(wl_display_get_fd(client->display), header, sizeof(header), 0),
			sizeof(header));
}

static void call_method_that_is_not_there(struct xdg_client *client) {
	send_header(client, 1, 0xff);
}

static void call_object_that_is_not_there(struct xdg_client *client) {
	send_header(client, 0xabcdef, 0);
}

static void leave_arguments_out(struct xdg_client *client) {
	send_header(client, 1, 0 /* wl_display.sync, which has an argument */);
}

static const struct error_case {
	const char *name;
	void (*run)(struct xdg_client *client);
	const char *interface;
	uint32_t code;
} error_cases[] = {
#define CASE(run, interface, code) { #run, run, interface, code }
	CASE(make_pool_of_zero_bytes, "wl_shm", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_pool_of_negative_size, "wl_shm", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_pool_of_a_pipe, "wl_shm", WL_SHM_ERROR_INVALID_FD),
	CASE(make_buffer_one_row_too_high, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_one_byte_too_far, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_at_negative_offset, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_of_no_width, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_of_negative_height, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_with_short_stride, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_whose_size_overflows, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(make_buffer_of_unknown_format, "wl_shm_pool", WL_SHM_ERROR_INVALID_FORMAT),
	CASE(shrink_pool, "wl_shm_pool", WL_SHM_ERROR_INVALID_STRIDE),
	CASE(attach_buffer_before_configure, "xdg_surface", XDG_SURFACE_ERROR_UNCONFIGURED_BUFFER),
	CASE(attach_buffer_of_odd_size_to_scale_2, "wl_surface", WL_SURFACE_ERROR_INVALID_SIZE),
	CASE(set_scale_0, "wl_surface", WL_SURFACE_ERROR_INVALID_SCALE),
	CASE(set_transform_8, "wl_surface", WL_SURFACE_ERROR_INVALID_TRANSFORM),
	/* Of the wl_surface itself, and so on. */
	CASE(destroy_surface_before_its_role, NULL, WL_SURFACE_ERROR_DEFUNCT_ROLE_OBJECT),
	CASE(make_toplevel_a_subsurface, "wl_subcompositor", WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE),
	CASE(ack_serial_that_was_never_sent, "xdg_wm_base", XDG_WM_BASE_ERROR_INVALID_SURFACE_STATE),
	CASE(ack_serial_twice, "xdg_wm_base", XDG_WM_BASE_ERROR_INVALID_SURFACE_STATE),
	CASE(set_negative_geometry, "xdg_surface", XDG_SURFACE_ERROR_INVALID_SIZE),
	CASE(get_toplevel_twice, "xdg_wm_base", XDG_WM_BASE_ERROR_ROLE),
	CASE(commit_without_role, "xdg_surface", XDG_SURFACE_ERROR_NOT_CONSTRUCTED),
	CASE(destroy_xdg_surface_before_toplevel, NULL, XDG_SURFACE_ERROR_DEFUNCT_ROLE_OBJECT),
	CASE(destroy_wm_base_before_windows, NULL, XDG_WM_BASE_ERROR_DEFUNCT_SURFACES),
	CASE(set_minimum_above_maximum, "xdg_toplevel", XDG_TOPLEVEL_ERROR_INVALID_SIZE),
	CASE(make_toplevel_its_own_parent, "xdg_toplevel", XDG_TOPLEVEL_ERROR_INVALID_PARENT),
	/* The code is xdg_toplevel's; wlroots 0.20 sends it from the wrong object. */
	CASE(resize_by_no_such_edge, "xdg_surface", XDG_TOPLEVEL_ERROR_INVALID_RESIZE_EDGE),
	CASE(move_before_configure, "xdg_surface", XDG_SURFACE_ERROR_NOT_CONSTRUCTED),
	CASE(decorate_twice, "zxdg_decoration_manager_v1",
			ZXDG_TOPLEVEL_DECORATION_V1_ERROR_ALREADY_CONSTRUCTED),
	CASE(decorate_mapped_window, "zxdg_decoration_manager_v1",
			ZXDG_TOPLEVEL_DECORATION_V1_ERROR_UNCONFIGURED_BUFFER),
	CASE(destroy_toplevel_before_decoration, "zxdg_toplevel_decoration_v1",
			ZXDG_TOPLEVEL_DECORATION_V1_ERROR_ORPHANED),
	CASE(set_positioner_size_0, "xdg_positioner", XDG_POSITIONER_ERROR_INVALID_INPUT),
	CASE(use_incomplete_positioner, "xdg_wm_base", XDG_WM_BASE_ERROR_INVALID_POSITIONER),
	CASE(make_popup_its_own_parent, "xdg_wm_base", XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT),
	CASE(nest_popups_one_too_deep, "xdg_wm_base", XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT),
	CASE(reposition_popup_before_its_initial_commit, "xdg_surface",
			XDG_SURFACE_ERROR_NOT_CONSTRUCTED),
	CASE(grab_popup_twice, "xdg_popup", XDG_POPUP_ERROR_INVALID_GRAB),
	CASE(grab_popup_that_is_mapped, "xdg_popup", XDG_POPUP_ERROR_INVALID_GRAB),
	CASE(destroy_popup_below_another, "xdg_wm_base", XDG_WM_BASE_ERROR_NOT_THE_TOPMOST_POPUP),
	CASE(bind_global_that_is_not_there, "wl_registry", WL_DISPLAY_ERROR_INVALID_OBJECT),
	CASE(call_method_that_is_not_there, "wl_display", WL_DISPLAY_ERROR_INVALID_METHOD),
	CASE(call_object_that_is_not_there, "wl_display", WL_DISPLAY_ERROR_INVALID_OBJECT),
	CASE(leave_arguments_out, "wl_display", WL_DISPLAY_ERROR_INVALID_METHOD),
#undef CASE
};

#define ERROR_CASES (sizeof(error_cases) / sizeof(error_cases[0]))

/* One of error_cases, which is the test's initial state. */
static void test_error_case(void **state) {
	const struct error_case *error_case = *state;
	struct bystanders bystanders;
	bystanders_init(&bystanders);
	struct xdg_client *client = xdg_client_create(&bystanders.fixture);
	error_case->run(client);
	xdg_client_expect_error(client, error_case->interface, error_case->code);
	xdg_client_destroy(client);
	bystanders_assert_well(&bystanders);
	bystanders_finish(&bystanders);
}

/* At the bounds, and within them */

static void buffer_that_fills_its_pool_is_taken(void **state) {
	struct bystanders bystanders;
	bystanders_init(&bystanders);
	struct xdg_client *client = xdg_client_create(&bystanders.fixture);
	create_buffer(client, 0, 16, 16, 64, WL_SHM_FORMAT_XRGB8888);
	create_buffer(client, POOL_BYTES - 4, 1, 1, 4, WL_SHM_FORMAT_ARGB8888);
	xdg_client_roundtrip(client);
	assert_int_equal(wl_display_get_error(client->display), 0);
	xdg_client_destroy(client);
	bystanders_assert_well(&bystanders);
	bystanders_finish(&bystanders);
}

static void popups_as_deep_as_allowed_are_taken(void **state) {
	struct bystanders bystanders;
	bystanders_init(&bystanders);
	struct xdg_client *client = xdg_client_create(&bystanders.fixture);
	struct xdg_window *popup = create_nested_popups(client, POPUP_DEPTH_MAX);
	xdg_window_configure(popup);
	assert_int_equal(wl_display_get_error(client->display), 0);
	xdg_client_destroy(client);
	bystanders_assert_well(&bystanders);
	bystanders_finish(&bystanders);
}

/* Memory that shrinks while the compositor reads it is a SIGBUS to whoever does not expect it. */
static void buffer_whose_file_is_truncated_ends_nobody_else(void **state) {
	struct bystanders bystanders;
	bystanders_init(&bystanders);
	struct xdg_client *client = xdg_client_create(&bystanders.fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_configure(window);
	int size_bytes = WIDTH * HEIGHT * 4;
	int memfd = create_memfd(size_bytes);
	struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, memfd, size_bytes);
	struct wl_buffer *buffer = wl_shm_pool_create_buffer(
			pool, 0, WIDTH, HEIGHT, WIDTH * 4, WL_SHM_FORMAT_XRGB8888);
	wl_surface_attach(window->surface, buffer, 0, 0);
	wl_surface_commit(window->surface);
	xdg_client_roundtrip(client);
	assert_ptr_equal(client->keyboard.focus, window->surface);

	assert_int_equal(ftruncate(memfd, 0), 0);
	wl_surface_damage(window->surface, 0, 0, WIDTH, HEIGHT);
	wl_surface_commit(window->surface);
	fixture_step_refreshes(&bystanders.fixture, 3);
	/* Read for certain: it covers all. */
	struct screenshot screenshot = screenshot_take(
			&bystanders.fixture, fixture_get_output_name(&bystanders.fixture, 0));
	screenshot_finish(&screenshot);

	wl_buffer_destroy(buffer);
	wl_shm_pool_destroy(pool);
	close(memfd);
	xdg_client_destroy(client);
	bystanders_assert_well(&bystanders);
	bystanders_finish(&bystanders);
}

/* Whatever a client writes to its socket, at worst it loses its connection. */
static void random_messages_end_nobody_else(void **state) {
	struct bystanders bystanders;
	bystanders_init(&bystanders);
	srand(1);
	for (int i = 0; i < 200; i++) {
		struct xdg_client *client = xdg_client_create(&bystanders.fixture);
		xdg_window_show(xdg_window_create(client), 8, 8, 0);
		uint32_t words[16];
		for (size_t k = 0; k < 16; k++) {
			words[k] = (uint32_t)rand() ^ (uint32_t)rand() << 16;
		}
		/* One that has a chance: an object that is there, and a sane length. */
		words[0] = (uint32_t)rand() % 24;
		words[1] = (uint32_t)(8 + rand() % 15 * 4) << 16 | (uint32_t)rand() % 8;
		wl_display_flush(client->display);
		send(wl_display_get_fd(client->display), words, words[1] >> 16, MSG_NOSIGNAL);
		fixture_step(&bystanders.fixture, 0);
		fixture_step(&bystanders.fixture, 0);
		xdg_client_destroy(client);
	}
	bystanders_assert_well(&bystanders);
	bystanders_finish(&bystanders);
}

static void ignore_log(const char *format, va_list args) {}

int main(void) {
	const struct CMUnitTest others[] = {
		cmocka_unit_test(buffer_that_fills_its_pool_is_taken),
		cmocka_unit_test(popups_as_deep_as_allowed_are_taken),
		cmocka_unit_test(buffer_whose_file_is_truncated_ends_nobody_else),
		cmocka_unit_test(random_messages_end_nobody_else),
	};
	const size_t other_count = sizeof(others) / sizeof(others[0]);
	struct CMUnitTest tests[ERROR_CASES + sizeof(others) / sizeof(others[0])];
	for (size_t i = 0; i < ERROR_CASES; i++) {
		tests[i] = (struct CMUnitTest){
			.name = error_cases[i].name,
			.test_func = test_error_case,
			.initial_state = (void *)&error_cases[i],
		};
	}
	for (size_t i = 0; i < other_count; i++) {
		tests[ERROR_CASES + i] = others[i];
	}
	/* libwayland prints each error that a client gets. */
	wl_log_set_handler_client(ignore_log);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
