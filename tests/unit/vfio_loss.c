#include "guest/source.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "log_lines.h"
#include "vfio_rig.h"

/* The vfio driver: devices that go and come back, and those that are handed over. */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The device is taken out of the system, and nothing of its name is left. */
static void remove_device(struct oriel_source *source) {
	mock.removed = true;
	mock.open_error = ENOENT;
	poll_for(source, 1100 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_one_line("the device was removed");
}

static void bring_device_back(void) {
	mock.removed = false;
	mock.open_error = 0;
	mock.bound = false;
}

static void device_that_is_back_is_shown(void **state) {
	static const char *const names[] = { DEVICE_PATH, UUID, MDEV };
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		reset();
		struct oriel_source *source = create(names[i]);
		assert_non_null(source);
		poll_for(source, POLL_NS);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
		remove_device(source);
		assert_int_equal(fds_count_open(), fd_count_at_start);
		poll_for(source, 10000 * MSEC_NS);
		assert_int_equal(consumer.states, 2);
		assert_int_equal(log_lines_get_count(), 0);

		bring_device_back();
		consumer.frames = 0;
		poll_for(source, POLL_NS);
		assert_int_equal(consumer.states, 4); /* restarted, and running */
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
		assert_int_equal(consumer.frames, 1);
		assert_int_equal(mock.binds, 2);
		assert_one_line("the device is back");
		destroy_balanced(source);
		assert_int_equal(fds_count_open(), fd_count_at_start);
	}
}

/* Its file may be there before it may be opened, and before it answers. */
static void device_that_is_not_quite_back_is_waited_for_silently(void **state) {
	struct oriel_source *source = create_device();
	poll_for(source, POLL_NS);
	remove_device(source);
	bring_device_back();

	static const int open_errors[] = { EACCES, EBUSY, ENODEV, EMFILE };
	for (size_t i = 0; i < ARRAY_LENGTH(open_errors); i++) {
		mock.open_error = open_errors[i];
		poll_for(source, 3000 * MSEC_NS);
		assert_int_equal(fds_count_open(), fd_count_at_start);
	}
	mock.open_error = 0;
	mock.bind_error = EINVAL;
	poll_for(source, 3000 * MSEC_NS);
	mock.bind_error = 0;
	mock.probe_dmabuf_error = EIO;
	poll_for(source, 3000 * MSEC_NS);
	mock.probe_dmabuf_error = EINVAL; /* another kind of device */
	poll_for(source, 3000 * MSEC_NS);
	mock.probe_dmabuf_error = 0;
	static const int query_errors[] = { EIO, ENODEV, ENXIO, ENOTTY };
	for (size_t i = 0; i < ARRAY_LENGTH(query_errors); i++) {
		mock.query_error = query_errors[i];
		poll_for(source, 3000 * MSEC_NS);
		assert_int_equal(fds_count_open(), fd_count_at_start);
	}
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_int_equal(log_lines_get_count(), 0);

	/* What fails for another reason is a device that answers. */
	mock.query_error = EAGAIN;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RESTARTED);
	assert_one_line("the device is back");
	poll_for(source, 500 * MSEC_NS);
	mock.query_error = 0;
	mock.plane.format = 0;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_OFF);
	destroy_balanced(source);
}

static void device_that_comes_and_goes_is_told_of_a_few_times(void **state) {
	struct oriel_source *source = create_device();
	unsigned int lines = 0;
	for (int i = 0; i < 100; i++) {
		poll_for(source, POLL_NS);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
		mock.removed = true;
		mock.open_error = ENOENT;
		poll_for(source, 1100 * MSEC_NS);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
		bring_device_back();
		lines = log_lines_get_count();
	}
	/* Eight at once, and one in ten seconds after that. */
	assert_true(lines >= 8 && lines <= 8 + 112 / 10);
	assert_int_equal(fds_count_open(), fd_count_at_start);
	destroy_balanced(source);
}

static void cursor_goes_with_its_device(void **state) {
	mock.cursor = (struct plane){ 64, 64, 256, DRM_FORMAT_ARGB8888, 1000, 0, 1 };
	struct oriel_source *source = create_device();
	poll_for(source, POLL_NS);
	assert_true(consumer.cursor_is_shown);
	remove_device(source);
	assert_false(consumer.cursor_is_shown);
	assert_int_equal(consumer.cursor_moves, 1);

	/* One that has no cursor when it is back may have had one before, and the other way. */
	bring_device_back();
	mock.cursor_error = EINVAL;
	mock.cursor_queries = 0;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(mock.cursor_queries, 1);
	log_lines_init();
	remove_device(source);
	bring_device_back();
	mock.cursor_error = 0;
	poll_for(source, POLL_NS);
	assert_true(consumer.cursor_is_shown);
	destroy_balanced(source);
}

static void last_picture_outlives_its_device_and_its_return(void **state) {
	struct oriel_source *source = create_device();
	consumer.hold = true;
	poll_for(source, POLL_NS);
	struct oriel_guest_frame *frame = consumer.held;
	consumer.held = NULL;
	remove_device(source);
	assert_int_equal(fds_count_open(), fd_count_at_start + 1);
	bring_device_back();
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	assert_ptr_not_equal(oriel_guest_frame_get_buffer(frame), consumer.buffer);
	assert_true(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(frame)));
	oriel_guest_frame_destroy(frame);
	drop_held();
	destroy_balanced(source);
}

/* Its number may be another device's by now. */
static void device_named_by_fd_is_not_looked_for(void **state) {
	mock.bound = true;
	int fd;
	struct oriel_source *source = create_handed_over(&fd);
	poll_for(source, POLL_NS);
	remove_device(source);
	bring_device_back();
	mock.bound = true;
	poll_for(source, 5000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_int_equal(log_lines_get_count(), 0);
	destroy_balanced(source);
	close(fd);
}

/*
 * Hand-over.
 */

static struct oriel_source *create_handover(void) {
	struct oriel_source *source = create("handover");
	assert_non_null(source);
	assert_int_equal(fds_count_open(), fd_count_at_start);
	poll_for(source, 3000 * MSEC_NS);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(mock.queries + mock.binds, 0);
	assert_int_equal(log_lines_get_count(), 0);
	return source;
}

static int open_device(void) {
	int fd = open_real("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void adopted_device_waits_to_be_bound_and_is_shown(void **state) {
	struct oriel_source *source = create_handover();
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	assert_int_equal(fds_count_open(), fd_count_at_start + 1);
	poll_for(source, 3000 * MSEC_NS);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(mock.queries, 0);
	mock.bound = true;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(consumer.frames, 1);
	assert_int_equal(mock.binds, 0);
	assert_int_equal(log_lines_get_count(), 0);
	destroy_balanced(source);
}

static void machine_that_ends_is_lost_until_the_next_one(void **state) {
	struct oriel_source *source = create_handover();
	/* Of no device. */
	oriel_source_end(source);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);

	mock.bound = true;
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	oriel_source_end(source);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_int_equal(fds_count_open(), fd_count_at_start);
	log_lines_init();
	oriel_source_end(source);
	poll_for(source, 5000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);

	mock.bound = false;
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RESTARTED);
	poll_for(source, 3000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RESTARTED);
	mock.bound = true;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(log_lines_get_count(), 0);
	destroy_balanced(source);
}

static void adopted_device_that_was_removed_can_be_followed_by_another(void **state) {
	struct oriel_source *source = create_handover();
	mock.bound = true;
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	poll_for(source, POLL_NS);
	remove_device(source);
	bring_device_back();
	mock.bound = true;
	poll_for(source, 5000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	destroy_balanced(source);
}

static void adopt_is_refused_with_one_line(void **state) {
	struct oriel_source *source = create_handover();
	static const char *const paths[] = { "/dev/null", "/proc/self/exe" };
	for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
		int fd = open_real(paths[i], O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_false(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, fd));
		assert_one_line("not a VFIO device");
		assert_int_equal(fds_count_open(), fd_count_at_start);
		assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	}

	/* While there is one, bound or not. */
	assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	for (int i = 0; i < 2; i++) {
		int fds = fds_count_open();
		assert_false(oriel_source_adopt(
				source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
		assert_one_line("a device is handed over, but it has one");
		assert_int_equal(fds_count_open(), fds);
		mock.bound = true;
		poll_for(source, POLL_NS);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	}
	destroy_balanced(source);
}

static void adopt_by_a_source_with_a_name_is_refused(void **state) {
	struct oriel_source *source = create_device();
	int fds = fds_count_open();
	assert_false(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, open_device()));
	assert_one_line("its source is not 'vfio handover'");
	assert_int_equal(fds_count_open(), fds);
	oriel_source_end(source);
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	destroy_balanced(source);
}

static void any_failed_call_is_survived(void **state) {
	static const int fail_errors[] = { ENOMEM, EINVAL, EIO, EMFILE, ENODEV };
	for (size_t i = 0; i < ARRAY_LENGTH(fail_errors); i++) {
		for (unsigned int n = 1;; n++) {
			reset();
			struct oriel_source *source = create(UUID);
			assert_non_null(source);
			poll_for(source, POLL_NS);
			remove_device(source);
			bring_device_back();
			const unsigned int before = mock.calls;
			mock.fail_at = before + n;
			mock.fail_error = fail_errors[i];
			poll_for(source, 4 * POLL_NS);
			assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
			/* That it is back, and what of it failed. */
			assert_true(log_lines_get_count() <= 2);
			const unsigned int calls = mock.calls - before;
			destroy_balanced(source);
			assert_int_equal(fds_count_open(), fd_count_at_start);
			if (calls < n) {
				assert_true(n > 10);
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
		TEST(device_that_is_back_is_shown),
		TEST(device_that_is_not_quite_back_is_waited_for_silently),
		TEST(device_that_comes_and_goes_is_told_of_a_few_times),
		TEST(cursor_goes_with_its_device),
		TEST(last_picture_outlives_its_device_and_its_return),
		TEST(device_named_by_fd_is_not_looked_for),
		TEST(adopted_device_waits_to_be_bound_and_is_shown),
		TEST(machine_that_ends_is_lost_until_the_next_one),
		TEST(adopted_device_that_was_removed_can_be_followed_by_another),
		TEST(adopt_is_refused_with_one_line),
		TEST(adopt_by_a_source_with_a_name_is_refused),
		TEST(any_failed_call_is_survived),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	vfio_rig_finish();
	return failed;
}
