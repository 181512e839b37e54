#include "guest/source.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/validate.h"
#include "log_lines.h"
#include "vfio_rig.h"

/* The vfio driver: what has changed in a plane, cursors, and displays that are regions. */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct plane cursor_64 = {
	.width = 64,
	.height = 64,
	.stride = 64 * 4,
	.format = DRM_FORMAT_ARGB8888,
	.id = 1000,
	.size = 64 * 64 * 4,
};

/* Draws into a buffer that a frame was made of. */
static void draw(struct oriel_guest_frame *frame, int x, int y) {
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(frame);
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	static uint32_t colour;
	colour++;
	assert_int_equal(pwrite(oriel_guest_buffer_get_dmabuf_fd(buffer), &colour, 4,
					 (off_t)attributes->stride_bytes * y + 4 * x),
			4);
}

static void assert_damage(const struct oriel_guest_frame *frame, int x1, int y1, int x2, int y2) {
	assert_true(frame->damage_known);
	pixman_region32_t box;
	pixman_region32_init_rect(&box, x1, y1, (unsigned int)(x2 - x1), (unsigned int)(y2 - y1));
	assert_true(pixman_region32_equal(&frame->damage, &box));
	pixman_region32_fini(&box);
}

static struct oriel_source *create_seen(void) {
	mock.has_fences = true;
	consumer.hold = true;
	struct oriel_source *source = create_device();
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.frames, 1);
	assert_false(consumer.held->damage_known);
	return source;
}

static void destroy_seen(struct oriel_source *source) {
	drop_held();
	destroy_balanced(source);
	assert_int_equal(log_lines_get_count(), 0);
}

static void guest_that_stands_still_is_taken_once(void **state) {
	struct oriel_source *source = create_seen();
	poll_for(source, 10000 * MSEC_NS);
	assert_int_equal(consumer.frames, 1);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	destroy_seen(source);
}

static void guest_that_draws_is_taken_with_what_it_drew(void **state) {
	struct oriel_source *source = create_seen();
	draw(consumer.held, 70, 3);
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	assert_damage(consumer.held, 64, 0, 128, 64);

	/* Another buffer, and the first one again: all of it, though it is as it was. */
	mock.plane.id = 2;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 3);
	assert_false(consumer.held->damage_known);
	mock.plane.id = 1;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 4);
	assert_false(consumer.held->damage_known);
	destroy_seen(source);
}

static void guest_with_a_writer_at_work_is_taken_until_it_is_done(void **state) {
	struct oriel_source *source = create_seen();
	mock.writer_is_pending = true;
	poll_for(source, 3 * POLL_NS);
	assert_int_equal(consumer.frames, 4);
	mock.writer_is_pending = false;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 5);
	assert_false(consumer.held->damage_known);
	destroy_seen(source);
}

/* What was drawn meanwhile is not lost with the look that did not count. */
static void consumer_that_wants_nothing_is_not_looked_for(void **state) {
	struct oriel_source *source = create_seen();
	consumer.is_full[ORIEL_GUEST_PLANE_PRIMARY] = true;
	draw(consumer.held, 0, 0);
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 1);
	consumer.is_full[ORIEL_GUEST_PLANE_PRIMARY] = false;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	assert_damage(consumer.held, 0, 0, 64, 64);
	destroy_seen(source);
}

static void picture_that_was_let_go_is_taken_anew(void **state) {
	struct oriel_source *source = create_seen();
	drop_held();
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	assert_false(consumer.held->damage_known);

	/* A plane that was off for long enough that its last frame went. */
	mock.plane.format = 0;
	poll_for(source, POLL_NS);
	drop_held();
	mock.plane = plane_640;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 3);
	destroy_seen(source);
}

static void frame_lost_for_want_of_memory_is_taken_by_the_next_poll(void **state) {
	struct oriel_source *source = create_seen();
	draw(consumer.held, 0, 0);
	/* The file of the fence, its look, the bracket twice: then comes the promise. */
	for (unsigned int n = 1; n < 20 && log_lines_get_count() == 0; n++) {
		mock.fail_at = mock.calls + n;
		mock.fail_error = ENOMEM;
		draw(consumer.held, 0, 0);
		poll_for(source, POLL_NS);
	}
	assert_one_line("a frame is lost: out of memory");
	mock.fail_at = 0;
	unsigned int frames = consumer.frames;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, frames + 1);
	assert_false(consumer.held->damage_known);
	destroy_seen(source);
}

/*
 * Cursors.
 */

static void assert_cursor(int x, int y, int hot_x, int hot_y) {
	assert_true(consumer.cursor_is_shown);
	assert_int_equal(consumer.cursor.x, x);
	assert_int_equal(consumer.cursor.y, y);
	assert_int_equal(consumer.cursor.has_hotspot, hot_x >= 0);
	if (hot_x >= 0) {
		assert_int_equal(consumer.cursor.hot_x, hot_x);
		assert_int_equal(consumer.cursor.hot_y, hot_y);
	}
}

static struct oriel_source *create_with_cursor(void) {
	mock.cursor = cursor_64;
	mock.cursor_x = 10;
	mock.cursor_y = 20;
	mock.cursor_hot_x = 3;
	mock.cursor_hot_y = 4;
	struct oriel_source *source = create_seen();
	assert_int_equal(consumer.cursor_frames, 1);
	assert_int_equal(consumer.cursor_moves, 0);
	assert_cursor(10, 20, 3, 4);
	return source;
}

static void cursor_is_submitted_with_its_alpha(void **state) {
	struct oriel_source *source = create_with_cursor();
	const struct oriel_guest_buffer_attributes *attributes = oriel_guest_buffer_get_attributes(
			oriel_guest_frame_get_buffer(consumer.held_cursor));
	assert_int_equal(attributes->format, DRM_FORMAT_ARGB8888);
	assert_int_equal(attributes->width, 64);
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.cursor_frames, 1);
	assert_int_equal(consumer.frames, 1);
	assert_int_equal(mock.cursor_gets, 1);
	destroy_seen(source);
}

static void cursor_that_moves_is_no_frame(void **state) {
	struct oriel_source *source = create_with_cursor();
	mock.cursor_x = UINT32_MAX;
	mock.cursor_y = 0x80000000;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_moves, 1);
	assert_cursor(-1, INT32_MIN, 3, 4);
	mock.cursor_hot_x = 5;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_moves, 2);
	assert_cursor(-1, INT32_MIN, 5, 4);
	assert_int_equal(consumer.cursor_frames, 1);
	destroy_seen(source);
}

static void cursor_that_changes_is_a_frame_where_it_is(void **state) {
	struct oriel_source *source = create_with_cursor();
	draw(consumer.held_cursor, 0, 0);
	mock.cursor_x = 11;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_frames, 2);
	assert_damage(consumer.held_cursor, 0, 0, 64, 64);
	assert_cursor(11, 20, 3, 4);
	mock.cursor.id++;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_frames, 3);
	/* One that was shown before: its import is found again. */
	mock.cursor.id--;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_frames, 4);
	assert_int_equal(mock.cursor_gets, 2);
	assert_int_equal(consumer.cursor_moves, 0);
	assert_int_equal(consumer.frames, 1);
	destroy_seen(source);
}

/* Its frame is on its way still; where it is, is known. */
static void cursor_whose_frame_is_not_wanted_moves(void **state) {
	struct oriel_source *source = create_with_cursor();
	consumer.is_full[ORIEL_GUEST_PLANE_CURSOR] = true;
	draw(consumer.held_cursor, 0, 0);
	mock.cursor_x = 11;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_moves, 1);
	assert_cursor(11, 20, 3, 4);
	consumer.is_full[ORIEL_GUEST_PLANE_CURSOR] = false;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_frames, 2);
	destroy_seen(source);
}

static void cursor_that_is_off_is_hidden_and_comes_back(void **state) {
	struct oriel_source *source = create_with_cursor();
	mock.cursor.format = 0;
	poll_for(source, 5 * POLL_NS);
	assert_false(consumer.cursor_is_shown);
	assert_int_equal(consumer.cursor_moves, 1);
	mock.cursor = cursor_64;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_moves, 2);
	assert_cursor(10, 20, 3, 4);
	assert_int_equal(consumer.cursor_frames, 1);

	/* Its picture is submitted again if that was let go. */
	mock.cursor.format = 0;
	poll_for(source, 5 * POLL_NS);
	oriel_guest_frame_destroy(consumer.held_cursor);
	consumer.held_cursor = NULL;
	mock.cursor = cursor_64;
	poll_for(source, 5 * POLL_NS);
	assert_int_equal(consumer.cursor_frames, 2);
	assert_int_equal(consumer.cursor_moves, 3);
	assert_cursor(10, 20, 3, 4);
	destroy_seen(source);
}

static void cursor_hotspot_beside_its_picture_is_none(void **state) {
	static const struct {
		uint32_t x, y;
		bool has_hotspot;
	} cases[] = {
		{ 0, 0, true },
		{ 63, 63, true },
		{ 64, 0, false },
		{ 0, 64, false },
		{ UINT32_MAX, UINT32_MAX, false },
		{ UINT32_MAX, 0, false },
		{ 0, 0x80000000, false },
	};
	struct oriel_source *source = create_with_cursor();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		mock.cursor_hot_x = cases[i].x;
		mock.cursor_hot_y = cases[i].y;
		poll_for(source, POLL_NS);
		assert_cursor(10, 20, cases[i].has_hotspot ? (int)cases[i].x : -1,
				cases[i].has_hotspot ? (int)cases[i].y : -1);
	}
	destroy_seen(source);
}

static void device_that_knows_no_cursor_is_asked_once(void **state) {
	static const int errors[] = { EINVAL, ENOTTY };
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		reset();
		mock.cursor_error = errors[i];
		struct oriel_source *source = create_seen();
		poll_for(source, 3000 * MSEC_NS);
		assert_int_equal(mock.cursor_queries, 1);
		destroy_seen(source);
	}
}

static void cursor_that_cannot_be_queried_leaves_all_as_it_is(void **state) {
	static const int errors[] = { EINVAL, ENODEV, EIO, ENOTTY, EFAULT };
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		reset();
		struct oriel_source *source = create_with_cursor();
		mock.cursor_error = errors[i];
		poll_for(source, 500 * MSEC_NS);
		assert_int_equal(log_lines_get_count(), 0);
		poll_for(source, 3000 * MSEC_NS);
		assert_one_line("its cursor cannot be queried");
		draw(consumer.held, 0, 0);
		poll_for(source, POLL_NS);
		assert_int_equal(consumer.frames, 2);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
		assert_cursor(10, 20, 3, 4);
		mock.cursor_error = 0;
		mock.cursor_x = 12;
		poll_for(source, POLL_NS);
		assert_cursor(12, 20, 3, 4);
		destroy_seen(source);
	}
}

static void cursor_that_is_refused_is_hidden(void **state) {
	struct oriel_source *source = create_with_cursor();
	mock.cursor.width = ORIEL_VALIDATE_CURSOR_SIZE_MAX + 1;
	mock.cursor.stride = 4 * mock.cursor.width;
	poll_for(source, 500 * MSEC_NS);
	assert_false(consumer.cursor_is_shown);
	assert_one_line("a cursor of 513x64 pixels is larger than 512x512");
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	mock.cursor = cursor_64;
	poll_for(source, POLL_NS);
	assert_cursor(10, 20, 3, 4);
	destroy_seen(source);
}

static void cursor_whose_buffer_is_gone_leaves_the_last_one(void **state) {
	struct oriel_source *source = create_with_cursor();
	mock.cursor.id++;
	mock.get_error = EINVAL;
	poll_for(source, 500 * MSEC_NS);
	assert_true(consumer.cursor_is_shown);
	mock.get_error = 0;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.cursor_frames, 2);
	destroy_seen(source);
}

static void cursor_of_a_display_that_is_off_is_left_alone_until_it_is_on(void **state) {
	struct oriel_source *source = create_with_cursor();
	mock.plane.format = 0;
	mock.cursor_x = 30;
	mock.cursor_queries = 0;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_OFF);
	assert_int_equal(mock.cursor_queries, 0);
	mock.plane = plane_640;
	poll_for(source, POLL_NS);
	assert_cursor(30, 20, 3, 4);
	assert_int_equal(consumer.cursor_frames, 1);

	/* Off for so long that both were let go: nothing is taken before it is on again, and then both. */
	mock.plane.format = 0;
	poll_for(source, POLL_NS);
	drop_held();
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.cursor_frames, 1);
	unsigned int frames = consumer.frames;
	mock.plane = plane_640;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.frames, frames + 1);
	assert_int_equal(consumer.cursor_frames, 2);
	assert_non_null(consumer.held_cursor);
	assert_cursor(30, 20, 3, 4);
	assert_int_equal(mock.cursor_gets, 1);
	destroy_seen(source);
}

/*
 * Regions. A memfd stands for the device, as a file of the legacy group.
 */

#define REGION_INDEX 10
#define REGION_OFFSET 65536
#define REGION_BYTES (640 * 480 * 4)

static struct oriel_source *create_region(int *ret_fd) {
	mock.group = true;
	mock.bound = true;
	mock.probe_dmabuf_error = EINVAL;
	mock.probe_region_error = 0;
	mock.region_index = REGION_INDEX;
	mock.region_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	mock.region_offset = REGION_OFFSET;
	mock.plane.id = REGION_INDEX;
	mock.memory_bytes = REGION_BYTES;
	consumer.hold = true;
	*ret_fd = memfd_create("device", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0);
	assert_int_equal(ftruncate(*ret_fd, REGION_OFFSET + REGION_BYTES), 0);
	char where[32];
	snprintf(where, sizeof(where), "fd:%d", *ret_fd);
	struct oriel_source *source = create(where);
	assert_non_null(source);
	return source;
}

static void draw_region(int fd, int x, int y) {
	static uint32_t colour;
	colour++;
	off_t offset = REGION_OFFSET + (off_t)mock.plane.stride * y + 4 * x;
	assert_int_equal(pwrite(fd, &colour, 4, offset), 4);
}

static void region_is_taken_when_it_changes(void **state) {
	int fd;
	struct oriel_source *source = create_region(&fd);
	poll_for(source, 3000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(consumer.frames, 1);
	assert_false(consumer.held->damage_known);
	assert_int_equal(mock.region_infos, 1);
	draw_region(fd, 639, 479);
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	assert_damage(consumer.held, 576, 448, 640, 480);

	/* Its size, stride and format are followed. */
	mock.plane.width = 320;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 3);
	assert_int_equal(oriel_guest_buffer_get_attributes(consumer.buffer)->width, 320);
	mock.plane.stride = 320 * 4;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 4);
	mock.plane.format = DRM_FORMAT_ABGR8888;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 5);
	assert_int_equal(oriel_guest_buffer_get_attributes(consumer.buffer)->format,
			DRM_FORMAT_XBGR8888);
	mock.plane.format = 0;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_OFF);

	/* And nobody asks mdpy for its cursor. */
	assert_int_equal(mock.cursor_queries, 0);
	destroy_seen(source);
	close(fd);
}

static void region_that_was_let_go_is_taken_anew(void **state) {
	int fd;
	struct oriel_source *source = create_region(&fd);
	poll_for(source, 1000 * MSEC_NS);
	drop_held();
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	consumer.is_full[ORIEL_GUEST_PLANE_PRIMARY] = true;
	draw_region(fd, 0, 0);
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 2);
	consumer.is_full[ORIEL_GUEST_PLANE_PRIMARY] = false;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(consumer.frames, 3);
	assert_damage(consumer.held, 0, 0, 64, 64);
	destroy_seen(source);
	close(fd);
}

static void region_that_does_not_hold_its_picture_is_refused(void **state) {
	static const struct {
		struct plane plane;
		uint64_t memory_bytes;
		const char *text;
	} cases[] = {
		{ { 640, 480, 2560, DRM_FORMAT_XRGB8888, REGION_INDEX, 0, 1 }, REGION_BYTES - 1,
				"its buffer at 1228799" },
		{ { 640, 480, 2560, DRM_FORMAT_XRGB8888, REGION_INDEX, 0, 1 }, 0, "its buffer at 0" },
		{ { 640, 480, 2000, DRM_FORMAT_XRGB8888, REGION_INDEX, 0, 1 }, REGION_BYTES,
				"a stride of 2000 bytes is too short" },
		{ { UINT32_MAX, 480, 2560, DRM_FORMAT_XRGB8888, REGION_INDEX, 0, 1 }, REGION_BYTES,
				"is larger than 16384x16384" },
		{ { 640, 480, 2560, DRM_FORMAT_NV12, REGION_INDEX, 0, 1 }, REGION_BYTES,
				"format 0x3231564e" },
		{ { 640, 480, 2560, DRM_FORMAT_XRGB8888, REGION_INDEX, I915_FORMAT_MOD_X_TILED, 1 },
				REGION_BYTES, "modifier 0x0100000000000001 cannot be read" },
		{ { 16384, 8192, 65536, DRM_FORMAT_XRGB8888, REGION_INDEX, 0, 1 },
				UINT64_C(1) << 40, "region cannot be opened: File too large" },
		{ { 640, 480, 2560, DRM_FORMAT_XRGB8888, REGION_INDEX + 1, 0, 1 }, REGION_BYTES,
				"region cannot be opened: Invalid argument" },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		reset();
		int fd;
		struct oriel_source *source = create_region(&fd);
		mock.plane = cases[i].plane;
		mock.memory_bytes = cases[i].memory_bytes;
		poll_for(source, 1500 * MSEC_NS);
		assert_one_line(cases[i].text);
		assert_int_equal(consumer.frames, 0);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_ERROR);
		mock.plane = plane_640;
		mock.plane.id = REGION_INDEX;
		mock.memory_bytes = REGION_BYTES;
		poll_for(source, 1500 * MSEC_NS);
		assert_int_equal(consumer.frames, 1);
		destroy_seen(source);
		close(fd);
	}
}

static void region_that_is_gone_is_told_of_if_it_stays_so(void **state) {
	int fd;
	struct oriel_source *source = create_region(&fd);
	poll_for(source, POLL_NS);
	assert_int_equal(ftruncate(fd, 0), 0);
	poll_for(source, 500 * MSEC_NS);
	assert_int_equal(log_lines_get_count(), 0);
	poll_for(source, 3000 * MSEC_NS);
	assert_one_line("its display's region cannot be read: Bad address");
	assert_int_equal(consumer.frames, 1);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_ERROR);
	assert_int_equal(ftruncate(fd, REGION_OFFSET + REGION_BYTES), 0);
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	destroy_seen(source);
	close(fd);
}

static void any_failed_call_is_survived(void **state) {
	static const int fail_errors[] = { ENOMEM, EINVAL, EIO, ENODEV };
	for (size_t i = 0; i < 2 * ARRAY_LENGTH(fail_errors); i++) {
		const bool is_region = i % 2 == 1;
		for (unsigned int n = 1;; n++) {
			reset();
			int fd = -1;
			struct oriel_source *source;
			if (is_region) {
				source = create_region(&fd);
			} else {
				mock.cursor = cursor_64;
				mock.has_fences = true;
				consumer.hold = true;
				source = create_device();
			}
			const unsigned int before = mock.calls;
			mock.fail_at = before + n;
			mock.fail_error = fail_errors[i / 2];
			poll_for(source, 8 * POLL_NS);
			assert_true(consumer.frames >= 1);
			assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
			/* EINVAL may say that there is no cursor. */
			assert_true(is_region || consumer.cursor_frames >= 1 ||
					mock.fail_error == EINVAL);
			assert_true(log_lines_get_count() <= 1);
			const unsigned int calls = mock.calls - before;
			drop_held();
			destroy_balanced(source);
			if (fd >= 0) {
				close(fd);
			}
			assert_int_equal(fds_count_open(), fd_count_at_start);
			if (calls < n) {
				assert_true(n > 8);
				break;
			}
		}
	}
}

int main(void) {
	if (!vfio_rig_init()) {
		return 1;
	}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(guest_that_stands_still_is_taken_once),
		TEST(guest_that_draws_is_taken_with_what_it_drew),
		TEST(guest_with_a_writer_at_work_is_taken_until_it_is_done),
		TEST(consumer_that_wants_nothing_is_not_looked_for),
		TEST(picture_that_was_let_go_is_taken_anew),
		TEST(frame_lost_for_want_of_memory_is_taken_by_the_next_poll),
		TEST(cursor_is_submitted_with_its_alpha),
		TEST(cursor_that_moves_is_no_frame),
		TEST(cursor_that_changes_is_a_frame_where_it_is),
		TEST(cursor_whose_frame_is_not_wanted_moves),
		TEST(cursor_that_is_off_is_hidden_and_comes_back),
		TEST(cursor_hotspot_beside_its_picture_is_none),
		TEST(device_that_knows_no_cursor_is_asked_once),
		TEST(cursor_that_cannot_be_queried_leaves_all_as_it_is),
		TEST(cursor_that_is_refused_is_hidden),
		TEST(cursor_whose_buffer_is_gone_leaves_the_last_one),
		TEST(cursor_of_a_display_that_is_off_is_left_alone_until_it_is_on),
		TEST(region_is_taken_when_it_changes),
		TEST(region_that_was_let_go_is_taken_anew),
		TEST(region_that_does_not_hold_its_picture_is_refused),
		TEST(region_that_is_gone_is_told_of_if_it_stays_so),
		TEST(any_failed_call_is_survived),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	vfio_rig_finish();
	return failed;
}
