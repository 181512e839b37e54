#include "guest/qemu/listener.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fake_display.h"
#include "fds.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The listener's handler, which notes what it was given, and QEMU's end of the connection. */
static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_qemu_listener *listener;
	struct fake_display display;

	bool refuses;
	bool destroys; /* within each call */
	bool answers; /* UpdateDMABUF, at once */
	unsigned calls;
	struct oriel_qemu_scanout scanout;
	struct oriel_qemu_update update;
	struct oriel_qemu_scanout_map map;
	struct oriel_qemu_scanout_dmabuf dmabuf;
	struct oriel_qemu_box box;
	struct oriel_qemu_cursor_shape shape;
	uint8_t first_byte;
	off_t fd_size;
	struct sd_bus_message *held;
	int32_t x, y;
	bool is_on;
	unsigned disables, closes;
} context;

static bool note_call(void) {
	context.calls++;
	if (context.destroys) {
		oriel_qemu_listener_destroy(context.listener);
		context.listener = NULL;
	}
	return !context.refuses;
}

static bool handle_scanout(void *data, const struct oriel_qemu_scanout *scanout) {
	context.scanout = *scanout;
	context.first_byte = scanout->size_bytes > 0 ? scanout->data[0] : 0;
	return note_call();
}

static bool handle_update(void *data, const struct oriel_qemu_update *update) {
	context.update = *update;
	context.first_byte = update->size_bytes > 0 ? update->data[0] : 0;
	return note_call();
}

static bool handle_scanout_map(void *data, const struct oriel_qemu_scanout_map *scanout) {
	context.map = *scanout;
	context.fd_size = lseek(scanout->fd, 0, SEEK_END);
	return note_call();
}

static bool handle_update_map(void *data, const struct oriel_qemu_box *box) {
	context.box = *box;
	return note_call();
}

static bool handle_scanout_dmabuf(void *data, const struct oriel_qemu_scanout_dmabuf *scanout) {
	context.dmabuf = *scanout;
	context.fd_size = lseek(scanout->fds[scanout->plane_count - 1], 0, SEEK_END);
	return note_call();
}

static void handle_update_dmabuf(
		void *data, const struct oriel_qemu_box *box, struct sd_bus_message *take_call) {
	context.box = *box;
	if (context.answers) {
		oriel_qemu_listener_answer(context.listener, take_call);
	} else {
		sd_bus_message_unref(context.held);
		context.held = take_call;
	}
	note_call();
}

static void handle_disable(void *data) {
	context.disables++;
	note_call();
}

static void handle_mouse_set(void *data, int32_t x, int32_t y, bool is_on) {
	context.x = x;
	context.y = y;
	context.is_on = is_on;
	note_call();
}

static bool handle_cursor_define(void *data, const struct oriel_qemu_cursor_shape *shape) {
	context.shape = *shape;
	return note_call();
}

static void handle_closed(void *data) {
	assert_ptr_equal(data, &context);
	context.closes++;
	oriel_qemu_listener_destroy(context.listener);
	context.listener = NULL;
}

static const struct oriel_qemu_listener_handler handler = {
	.scanout = handle_scanout,
	.update = handle_update,
	.scanout_map = handle_scanout_map,
	.update_map = handle_update_map,
	.scanout_dmabuf = handle_scanout_dmabuf,
	.update_dmabuf = handle_update_dmabuf,
	.disable = handle_disable,
	.mouse_set = handle_mouse_set,
	.cursor_define = handle_cursor_define,
	.closed = handle_closed,
};

/* Until neither end has anything to do. */
static void settle(void) {
	for (int idle = 0; idle < 3;) {
		bool has_done = fake_display_step(&context.display);
		assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
		idle = has_done ? 0 : idle + 1;
	}
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	int peer_fd;
	context.listener = oriel_qemu_listener_create(context.loop, &handler, &context, &peer_fd);
	assert_non_null(context.listener);
	assert_true(fcntl(peer_fd, F_GETFD) & FD_CLOEXEC);
	fake_display_init(&context.display, peer_fd);
	settle(); /* no files before the handshake is over */
	return 0;
}

static int teardown(void **state) {
	sd_bus_message_unref(context.held);
	oriel_qemu_listener_destroy(context.listener);
	fake_display_finish(&context.display);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static int make_memory(size_t size) {
	int fd = memfd_create("picture", MFD_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void destroy_null_is_fine(void **state) {
	oriel_qemu_listener_destroy(NULL);
}

static void asked_it_says_what_it_takes(void **state) {
	fake_display_ask_interfaces(&context.display);
	settle();
	assert_true(context.display.has_map);
	assert_true(context.display.has_dmabuf2);
}

static void bytes_are_passed_on(void **state) {
	const uint8_t data[] = { 7, 8, 9, 10 };
	fake_display_scanout(&context.display, 1, 2, 3, 4, data, sizeof(data));
	settle();
	assert_int_equal(context.scanout.width, 1);
	assert_int_equal(context.scanout.height, 2);
	assert_int_equal(context.scanout.stride_bytes, 3);
	assert_int_equal(context.scanout.pixman_format, 4);
	assert_int_equal(context.scanout.size_bytes, sizeof(data));
	assert_int_equal(context.first_byte, 7);
	fake_display_update(&context.display, -1, -2, -3, -4, 5, 6, data + 1, 0);
	settle();
	assert_int_equal(context.update.box.x, -1);
	assert_int_equal(context.update.box.height, -4);
	assert_int_equal(context.update.stride_bytes, 5);
	assert_int_equal(context.update.pixman_format, 6);
	assert_int_equal(context.update.size_bytes, 0);
	assert_int_equal(context.calls, 2);
	assert_int_equal(context.display.answers, 0);
}

static void map_is_passed_on_and_answered(void **state) {
	int fd = make_memory(12345);
	fake_display_scanout_map(&context.display, fd, 1, 2, 3, 4, 5);
	fake_display_update_map(&context.display, 1, 2, 3, 4);
	settle();
	assert_int_equal(context.fd_size, 12345);
	assert_int_equal(context.map.offset_bytes, 1);
	assert_int_equal(context.map.width, 2);
	assert_int_equal(context.map.height, 3);
	assert_int_equal(context.map.stride_bytes, 4);
	assert_int_equal(context.map.pixman_format, 5);
	assert_int_equal(context.box.width, 3);
	assert_int_equal(context.display.answers, 1);
	assert_int_equal(context.display.errors, 0);
	context.refuses = true;
	fake_display_scanout_map(&context.display, fd, 1, 2, 3, 4, 5);
	/* One that wants no answer gets none. */
	fake_display_call(&context.display, FAKE_DISPLAY_MAP, "ScanoutMap", false, "huuuuu", fd, 1,
			2, 3, 4, 5);
	settle();
	assert_int_equal(context.calls, 4);
	assert_int_equal(context.display.answers, 2);
	assert_int_equal(context.display.errors, 1);
	close(fd);
}

static void dmabuf_is_passed_on(void **state) {
	int fd = make_memory(99);
	fake_display_scanout_dmabuf(&context.display, fd, 2, 3, 4, 5, UINT64_C(6) << 40, true);
	settle();
	assert_int_equal(context.fd_size, 99);
	assert_int_equal(context.dmabuf.plane_count, 1);
	assert_int_equal(context.dmabuf.width, 2);
	assert_int_equal(context.dmabuf.height, 3);
	assert_int_equal(context.dmabuf.strides_bytes[0], 4);
	assert_int_equal(context.dmabuf.offsets_bytes[0], 0);
	assert_int_equal(context.dmabuf.fourcc, 5);
	assert_true(context.dmabuf.modifier == UINT64_C(6) << 40);
	assert_int_equal(context.dmabuf.backing_width, 0);
	assert_true(context.dmabuf.y0_top);
	close(fd);
}

static struct fake_display_dmabuf make_dmabuf(int fd, size_t planes) {
	struct fake_display_dmabuf dmabuf = {
		.fd_count = planes,
		.offset_count = planes,
		.stride_count = planes,
		.plane_count = (uint32_t)planes,
		.x = 1,
		.y = 2,
		.width = 3,
		.height = 4,
		.backing_width = 5,
		.backing_height = 6,
		.fourcc = 7,
		.modifier = 8,
	};
	for (size_t i = 0; i < planes; i++) {
		dmabuf.fds[i] = fd;
		dmabuf.offsets[i] = 10 + (uint32_t)i;
		dmabuf.strides[i] = 20 + (uint32_t)i;
	}
	return dmabuf;
}

static void dmabuf_of_one_to_four_planes_is_passed_on(void **state) {
	int fd = make_memory(98);
	for (size_t planes = 1; planes <= ORIEL_QEMU_PLANES_MAX; planes++) {
		struct fake_display_dmabuf dmabuf = make_dmabuf(fd, planes);
		fake_display_scanout_dmabuf2(&context.display, &dmabuf);
		settle();
		assert_int_equal(context.calls, planes);
		assert_int_equal(context.fd_size, 98);
		assert_int_equal(context.dmabuf.plane_count, planes);
		for (uint32_t i = 0; i < planes; i++) {
			assert_int_equal(context.dmabuf.offsets_bytes[i], 10 + i);
			assert_int_equal(context.dmabuf.strides_bytes[i], 20 + i);
		}
		assert_int_equal(context.dmabuf.x, 1);
		assert_int_equal(context.dmabuf.y, 2);
		assert_int_equal(context.dmabuf.width, 3);
		assert_int_equal(context.dmabuf.height, 4);
		assert_int_equal(context.dmabuf.backing_width, 5);
		assert_int_equal(context.dmabuf.backing_height, 6);
		assert_int_equal(context.dmabuf.fourcc, 7);
		assert_int_equal(context.dmabuf.modifier, 8);
		assert_false(context.dmabuf.y0_top);
	}
	close(fd);
}

static void dmabuf_with_a_wrong_number_of_anything_is_refused(void **state) {
	int fd = make_memory(1);
	enum {
		FD,
		OFFSET,
		STRIDE,
		PLANE
	};
	for (int what = FD; what <= PLANE; what++) {
		/* As many as there may be at most in all but one. */
		struct fake_display_dmabuf dmabuf = make_dmabuf(fd, 4);
		size_t *counts[] = { &dmabuf.fd_count, &dmabuf.offset_count, &dmabuf.stride_count };
		if (what == PLANE) {
			dmabuf.plane_count = 0;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
			dmabuf.plane_count = 5;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
			dmabuf.plane_count = UINT32_MAX;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
		} else {
			*counts[what] = 5;
			dmabuf.fds[4] = fd;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
			*counts[what] = 3;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
			*counts[what] = 0;
			fake_display_scanout_dmabuf2(&context.display, &dmabuf);
		}
	}
	settle();
	assert_int_equal(context.calls, 0);
	assert_non_null(context.listener);
	/* More than it uses is no fault. */
	struct fake_display_dmabuf dmabuf = make_dmabuf(fd, 4);
	dmabuf.plane_count = 2;
	fake_display_scanout_dmabuf2(&context.display, &dmabuf);
	settle();
	assert_int_equal(context.calls, 1);
	assert_int_equal(context.dmabuf.plane_count, 2);
	close(fd);
}

static void update_of_a_dmabuf_is_answered_when_it_is(void **state) {
	fake_display_update_dmabuf(&context.display, 1, 2, 3, 4);
	settle();
	assert_int_equal(context.calls, 1);
	assert_int_equal(context.display.answers, 0);
	oriel_qemu_listener_answer(context.listener, context.held);
	context.held = NULL;
	settle();
	assert_int_equal(context.display.answers, 1);
	assert_int_equal(context.display.errors, 0);
	context.answers = true;
	fake_display_update_dmabuf(&context.display, 1, 2, 3, 4);
	settle();
	assert_int_equal(context.display.answers, 2);
}

static void cursor_and_disable_are_passed_on(void **state) {
	const uint32_t pixels[4] = { 0 };
	fake_display_cursor_define(&context.display, 2, 3, -4, 5, pixels, sizeof(pixels));
	fake_display_mouse_set(&context.display, -7, 8, 2);
	fake_display_disable(&context.display);
	settle();
	assert_int_equal(context.shape.width, 2);
	assert_int_equal(context.shape.height, 3);
	assert_int_equal(context.shape.hot_x, -4);
	assert_int_equal(context.shape.hot_y, 5);
	assert_int_equal(context.shape.size_bytes, sizeof(pixels));
	assert_int_equal(context.x, -7);
	assert_int_equal(context.y, 8);
	assert_true(context.is_on);
	assert_int_equal(context.disables, 1);
}

static void call_of_other_types_is_an_error_and_nothing_else(void **state) {
	int fd = make_memory(1);
	struct fake_display *display = &context.display;
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "Scanout", true, "uuuu", 1, 2, 3, 4);
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "Scanout", true, "uuuus", 1, 2, 3, 4, "");
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "Update", true, "");
	fake_display_call(display, FAKE_DISPLAY_MAP, "ScanoutMap", true, "uuuuuu", 0, 1, 2, 3, 4, 5);
	fake_display_call(display, FAKE_DISPLAY_MAP, "UpdateMap", true, "iiiih", 1, 2, 3, 4, fd);
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "UpdateDMABUF", true, "uuuu", 1, 2, 3, 4);
	fake_display_call(display, FAKE_DISPLAY_DMABUF2, "ScanoutDMABUF2", true, "h", fd);
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "ScanoutDMABUF3", true, "");
	fake_display_call(display, "org.qemu.Display1.Other", "Scanout", true, "");
	settle();
	assert_int_equal(context.calls, 0);
	assert_int_equal(display->errors, 9);
	assert_non_null(context.listener);
	close(fd);
}

static void destroyed_within_a_call_it_ends_the_connection(void **state) {
	context.destroys = true;
	fake_display_disable(&context.display);
	fake_display_disable(&context.display);
	settle();
	assert_int_equal(context.calls, 1);
	assert_null(context.listener);
	assert_true(context.display.is_closed);
	assert_int_equal(context.closes, 0);
}

static void connection_that_ends_is_told_once(void **state) {
	settle();
	fake_display_finish(&context.display);
	settle();
	assert_int_equal(context.closes, 1);
	assert_null(context.listener);
}

static void connection_that_ends_with_calls_held_lets_them_go(void **state) {
	fake_display_update_dmabuf(&context.display, 1, 2, 3, 4);
	settle();
	fake_display_finish(&context.display);
	settle();
	assert_int_equal(context.closes, 1);
}

/* What is no D-Bus, in the place of a handshake and after one. */
static void garbage_ends_the_connection(void **state) {
	char garbage[256];
	memset(garbage, 'x', sizeof(garbage));
	settle();
	int fd = dup(sd_bus_get_fd(context.display.bus));
	assert_true(send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL) > 0);
	close(fd);
	settle();
	assert_int_equal(context.closes, 1);
	assert_int_equal(context.calls, 0);
}

static void garbage_in_place_of_a_handshake_ends_the_connection(void **state) {
	fake_display_finish(&context.display);
	settle();
	context.closes = 0;
	int peer_fd;
	context.listener = oriel_qemu_listener_create(context.loop, &handler, &context, &peer_fd);
	assert_non_null(context.listener);
	static const char garbage[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx\r\n";
	assert_true(send(peer_fd, garbage, sizeof(garbage), MSG_NOSIGNAL) > 0);
	settle();
	assert_int_equal(context.closes, 1);
	close(peer_fd);
}

static void flood_is_taken_as_it_comes(void **state) {
	const uint8_t data[64] = { 1 };
	for (unsigned i = 0; i < 10000; i++) {
		fake_display_scanout(&context.display, i, 2, 3, 4, data, sizeof(data));
		if (i % 64 == 0) {
			settle();
		}
	}
	settle();
	assert_int_equal(context.calls, 10000);
	assert_int_equal(context.scanout.width, 9999);
	assert_non_null(context.listener);
}

/* Its answers would be kept for ever. Those to this question are long, as sockets have much room. */
static void flood_by_one_that_reads_no_answers_ends_the_connection(void **state) {
	settle();
	for (unsigned i = 0; i < 10000 && context.closes == 0; i++) {
		fake_display_call(&context.display, "org.freedesktop.DBus.Introspectable",
				"Introspect", true, "");
		assert_true(sd_bus_flush(context.display.bus) >= 0 || context.closes > 0);
		assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	}
	assert_int_equal(context.closes, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(destroy_null_is_fine),
		TEST(asked_it_says_what_it_takes),
		TEST(bytes_are_passed_on),
		TEST(map_is_passed_on_and_answered),
		TEST(dmabuf_is_passed_on),
		TEST(dmabuf_of_one_to_four_planes_is_passed_on),
		TEST(dmabuf_with_a_wrong_number_of_anything_is_refused),
		TEST(update_of_a_dmabuf_is_answered_when_it_is),
		TEST(cursor_and_disable_are_passed_on),
		TEST(call_of_other_types_is_an_error_and_nothing_else),
		TEST(destroyed_within_a_call_it_ends_the_connection),
		TEST(connection_that_ends_is_told_once),
		TEST(connection_that_ends_with_calls_held_lets_them_go),
		TEST(garbage_ends_the_connection),
		TEST(garbage_in_place_of_a_handshake_ends_the_connection),
		TEST(flood_is_taken_as_it_comes),
		TEST(flood_by_one_that_reads_no_answers_ends_the_connection),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
