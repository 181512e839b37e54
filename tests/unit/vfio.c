#include "guest/source.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/buffer.h"
#include "guest/buffer_cache.h"
#include "guest/frame.h"
#include "log_lines.h"
#include "vfio_rig.h"

/* The vfio driver: how a device is opened, and what is made of its answers. */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Opening.
 */

static void create_fails(const char *where, const char *text) {
	assert_null(create(where));
	assert_one_line(text);
	assert_int_equal(fds_count_open(), fd_count_at_start);
}

static void create_without_a_device_names_what_is_expected(void **state) {
	create_fails(NULL, "no device named");
	create_fails("", "no device named");
	create_fails("0000:00:02.0", "'0000:00:02.0' names no device; expected /dev/vfio/devices/");
	create_fails("vfio3", "'vfio3' names no device");
	create_fails("83b8f4f2-509f-382f-3c1e-e6bfe0fa100", "names no device");
	create_fails("83b8f4f2-509f-382f-3c1e-e6bfe0fa10011", "names no device");
	create_fails("83b8f4f2-509f-382f-3c1e+e6bfe0fa1001", "names no device");
	create_fails("83b8f4f2-509f-382f-3c1e-e6bfe0fa100g", "names no device");
}

static void create_with_malformed_fd_fails(void **state) {
	create_fails("fd:", "no file descriptor");
	create_fails("fd:x", "no file descriptor");
	create_fails("fd:-1", "no file descriptor");
	create_fails("fd:+3", "no file descriptor");
	create_fails("fd: 3", "no file descriptor");
	create_fails("fd:3x", "no file descriptor");
	create_fails("fd:2147483648", "no file descriptor");
	create_fails("fd:99999999999999999999", "no file descriptor");
	create_fails("fd:2147483647", "2147483647 is not open");
}

static void create_with_fd_refused(int fd) {
	char where[32];
	snprintf(where, sizeof(where), "fd:%d", fd);
	assert_null(create(where));
	assert_one_line("is not a VFIO device");
	/* What is not ours is left as it was. */
	assert_int_equal(get_fd_flags(fd), 0);
	close(fd);
}

static void create_with_fd_that_is_not_vfio_fails(void **state) {
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	create_with_fd_refused(pipe_fds[0]);
	create_with_fd_refused(pipe_fds[1]);
	create_with_fd_refused(open_real("/dev/null", O_RDWR));
	create_with_fd_refused(open_real("/proc/self/exe", O_RDONLY));
	create_with_fd_refused(memfd_create("anon_inode:[vfio-device]", 0));
	create_with_fd_refused(eventfd(0, 0));
	assert_int_equal(mock.binds + mock.queries, 0);
}

static void create_with_path_that_does_not_open_says_why(void **state) {
	static const struct {
		int error;
		const char *text;
	} cases[] = {
		{ ENOENT,
				"cannot open " DEVICE_PATH
				": No such file or directory; is the device there" },
		{ EACCES, "cannot open " DEVICE_PATH ": Permission denied; oriel needs to" },
		{ EPERM, "Operation not permitted; oriel needs to" },
		{ EBUSY, "another program has it open" },
		{ ENODEV, "the device is being removed" },
		{ EMFILE, "Too many open files" },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		mock.open_error = cases[i].error;
		create_fails(DEVICE_PATH, cases[i].text);
	}
	create_fails("/nonexistent/vfio0", "cannot open /nonexistent/vfio0: No such file");
	create_fails("/dev/null", "/dev/null is not a VFIO device");
	create_fails("/dev/vfio", "cannot open /dev/vfio");
	assert_int_equal(mock.binds, 0);
}

static void create_without_iommufd_says_so(void **state) {
	mock.iommufd_error = ENOENT;
	create_fails(DEVICE_PATH,
			"cannot open /dev/iommu: No such file or directory; the kernel needs");
	mock.iommufd_error = EACCES;
	create_fails(DEVICE_PATH, "cannot open /dev/iommu: Permission denied");
}

static void create_of_device_in_use_says_so(void **state) {
	mock.bind_error = EINVAL;
	create_fails(DEVICE_PATH,
			"cannot bind " DEVICE_PATH
			" to an iommufd: Invalid argument; another program");
	mock.bind_error = EBUSY;
	create_fails(DEVICE_PATH, "another program has its VFIO group open");
	mock.bind_error = EPERM;
	create_fails(DEVICE_PATH, "Operation not permitted");
	assert_int_equal(mock.queries, 0);
}

static void create_of_device_without_display_fails(void **state) {
	mock.probe_dmabuf_error = EINVAL;
	mock.probe_region_error = EINVAL;
	create_fails(DEVICE_PATH, "has no display");
	mock.probe_dmabuf_error = ENOTTY;
	mock.probe_region_error = ENOTTY;
	create_fails(DEVICE_PATH, "has no display");
	mock.probe_region_error = EIO;
	create_fails(DEVICE_PATH, "cannot be asked for a display: Input/output error");
	mock.probe_dmabuf_error = ENODEV;
	create_fails(DEVICE_PATH, "cannot be asked for a display: No such device");
	assert_int_equal(mock.queries, 0);
}

static void create_by_sysfs_opens_the_device_found_there(void **state) {
	static const char *const names[] = {
		UUID,
		"83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
		MDEV,
		MDEV "/",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		mock.bound = false;
		struct oriel_source *source = create(names[i]);
		assert_non_null(source);
		assert_true(mock.bound);
		oriel_source_destroy(source);
	}
	assert_int_equal(log_lines_get_count(), 0);
	assert_int_equal(mock.binds, ARRAY_LENGTH(names));
}

static void create_by_sysfs_without_device_names_the_path(void **state) {
	create_fails("00000000-0000-0000-0000-000000000001",
			"no such device: cannot open "
			"/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000001/vfio-dev");
	create_fails("/sys/devices/nothing",
			"no such device: cannot open /sys/devices/nothing/vfio-dev");
	create_fails("/sys/devices/bare",
			"/sys/devices/bare has neither a VFIO character device nor");
	create_fails("/sys/devices/going", "/sys/devices/going/vfio-dev is empty");

	char path[5000];
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memcpy(path, "/sys/", 5);
	assert_null(create(path));
	assert_int_equal(log_lines_get_count(), 1);
	log_lines_init();

	/* sysfs knows the device, but its file is not there. */
	mock.open_error = ENOENT;
	create_fails(UUID, "cannot open " DEVICE_PATH ": No such file");
}

static void handed_over_file_stays_open_but_is_not_inherited(void **state) {
	mock.bound = true;
	int fd;
	struct oriel_source *source = create_handed_over(&fd);
	assert_non_null(source);
	assert_int_equal(get_fd_flags(fd), FD_CLOEXEC);
	assert_int_equal(fds_count_open(), fd_count_at_start + 2);
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.frames, 1);
	destroy_balanced(source);
	assert_int_equal(get_fd_flags(fd), FD_CLOEXEC);
	assert_int_equal(mock.binds, 0);

	/* And can so be named again. */
	char where[32];
	snprintf(where, sizeof(where), "fd:%d", fd);
	source = create(where);
	assert_non_null(source);
	destroy_balanced(source);
	close(fd);
	assert_int_equal(log_lines_get_count(), 0);
}

static void handed_over_file_of_the_legacy_group_works(void **state) {
	mock.group = true;
	mock.bound = true;
	int fd;
	struct oriel_source *source = create_handed_over(&fd);
	assert_non_null(source);
	/* There is no telling whether it is still there, so it is not asked. */
	mock.removed = true;
	poll_for(source, 5000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	destroy_balanced(source);
	close(fd);
	assert_int_equal(log_lines_get_count(), 0);
}

static void handed_over_file_not_yet_bound_waits_silently(void **state) {
	int fd;
	struct oriel_source *source = create_handed_over(&fd);
	assert_non_null(source);
	poll_for(source, 10000 * MSEC_NS);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(mock.queries, 0);
	assert_int_equal(log_lines_get_count(), 0);

	mock.bound = true;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(consumer.frames, 1);
	assert_int_equal(log_lines_get_count(), 0);
	assert_int_equal(mock.binds, 0);
	destroy_balanced(source);
	close(fd);
}

static void handed_over_file_that_is_no_display_once_bound_is_lost(void **state) {
	static const int errors[] = { EINVAL, ENOTTY };
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		reset();
		mock.probe_dmabuf_error = EINVAL;
		mock.probe_region_error = errors[i];
		int fd;
		struct oriel_source *source = create_handed_over(&fd);
		assert_non_null(source);
		poll_for(source, POLL_NS);
		assert_int_equal(log_lines_get_count(), 0);
		mock.bound = true;
		poll_for(source, 3000 * MSEC_NS);
		assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
		assert_one_line("has no display");
		assert_int_equal(mock.queries, 0);
		/* Of the file only the part that is not ours is still open. */
		assert_int_equal(fds_count_open(), fd_count_at_start + 1);
		destroy_balanced(source);
		close(fd);
	}
}

/*
 * Polling: each case is a row of steps, each step a kernel that answers the same for a time.
 */

enum step_frames {
	NONE,
	SOME,
	EACH, /* one for each poll */
};

struct step {
	uint64_t time_ms; /* 0: one poll */
	int query_error;
	struct plane plane; /* width 0: plane_640 */
	bool off;
	int get_error;
	uint64_t memory_bytes; /* 0: enough */
	/* expected at its end, counts for this step alone */
	enum oriel_source_state state;
	enum step_frames frames;
	unsigned int gets, lines;
	const char *line;
};

struct poll_case {
	const char *name;
	struct step steps[8]; /* up to the first that expects nothing at all */
};

#define RUNNING ORIEL_SOURCE_STATE_RUNNING
#define WAITING ORIEL_SOURCE_STATE_WAITING
#define OFF ORIEL_SOURCE_STATE_OFF
#define FAILING ORIEL_SOURCE_STATE_ERROR
#define LOST ORIEL_SOURCE_STATE_LOST

/* clang-format off */
static struct poll_case poll_cases[] = {
	{ "picture_is_submitted_at_every_poll_and_its_buffer_opened_once", {
		{ .time_ms = 2000, .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "plane_that_is_off_is_no_error_and_its_buffer_is_kept", {
		{ .off = true, .state = OFF },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .time_ms = 3000, .off = true, .state = OFF },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "plane_with_a_format_but_no_size_is_off", {
		{ .plane = { 640, 0, 2560, DRM_FORMAT_XRGB8888, 1, 0, 4096 }, .state = OFF },
		{ .plane = { 640, 480, 2560, DRM_FORMAT_XRGB8888, 1, 0, 0 }, .state = OFF },
	} },
	{ "no_memory_for_a_new_mode_is_tried_again_silently", {
		{ .query_error = ENOMEM, .state = WAITING },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .query_error = ENOMEM, .state = RUNNING },
		{ .state = RUNNING, .frames = EACH },
		{ .time_ms = 950, .query_error = EINTR, .state = RUNNING },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "failures_that_passed_are_not_added_up", {
		{ .query_error = ENOMEM, .state = WAITING },
		{ .time_ms = 3000, .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .query_error = ENOMEM, .state = RUNNING },
		{ .time_ms = 3000, .state = RUNNING, .frames = EACH },
		{ .query_error = ENOMEM, .state = RUNNING },
		{ .time_ms = 3000, .off = true, .state = OFF },
		{ .query_error = ENOMEM, .state = OFF },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "no_memory_for_longer_is_told_once_and_no_reason_to_give_up", {
		{ .time_ms = 30000, .query_error = ENOMEM, .state = FAILING,
			.lines = 1, .line = "cannot be queried: Cannot allocate memory" },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "unexpected_error_is_told_once_for_each_kind_and_is_an_error_state_if_it_stays", {
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .time_ms = 950, .query_error = EFAULT, .state = RUNNING,
			.lines = 1, .line = "cannot be queried: Bad address" },
		{ .time_ms = 30000, .query_error = EFAULT, .state = FAILING },
		{ .state = RUNNING, .frames = EACH },
		{ .time_ms = 30000, .query_error = EINVAL, .state = FAILING,
			.lines = 1, .line = "cannot be queried: Invalid argument" },
		{ .off = true, .state = OFF },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "device_that_seems_dead_for_less_than_a_second_is_not_lost", {
		{ .time_ms = 950, .query_error = EIO, .state = WAITING },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .time_ms = 950, .query_error = ENODEV, .state = RUNNING },
		{ .query_error = EFAULT, .state = RUNNING,
			.lines = 1, .line = "Bad address" },
		{ .time_ms = 950, .query_error = ENODEV, .state = RUNNING },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "device_that_answers_EIO_for_longer_is_lost", {
		{ .time_ms = 5000, .query_error = EIO, .state = LOST,
			.lines = 1, .line = "the device is gone: Input/output error" },
		{ .time_ms = 5000, .query_error = ENODEV, .state = LOST },
		{ .state = RUNNING, .frames = SOME, .gets = 1,
			.lines = 1, .line = "the device is back" },
		{ .time_ms = 5000, .state = RUNNING, .frames = EACH },
	} },
	{ "device_that_answers_ENODEV_for_longer_is_lost", {
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .time_ms = 5000, .query_error = ENODEV, .state = LOST,
			.lines = 1, .line = "the device is gone: No such device" },
	} },
	{ "device_that_answers_ENXIO_for_longer_is_lost", {
		{ .time_ms = 5000, .query_error = ENXIO, .state = LOST,
			.lines = 1, .line = "the device is gone" },
	} },
	{ "device_that_answers_ENOTTY_for_longer_is_lost", {
		{ .time_ms = 5000, .query_error = ENOTTY, .state = LOST,
			.lines = 1, .line = "the device is gone" },
	} },
	{ "buffer_that_the_guest_has_given_up_is_asked_for_again_silently", {
		{ .get_error = EINVAL, .state = WAITING, .gets = 1 },
		{ .get_error = ENOENT, .state = WAITING, .gets = 1 },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "buffer_that_does_not_open_for_longer_is_told_once", {
		{ .time_ms = 16 * 200, .get_error = EINVAL, .state = FAILING, .gets = 200,
			.lines = 1, .line = "buffer cannot be opened: Invalid argument" },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "buffer_that_does_not_open_for_want_of_files_is_told_at_once", {
		{ .get_error = EMFILE, .state = WAITING, .gets = 1,
			.lines = 1, .line = "buffer cannot be opened: Too many open files" },
		{ .get_error = EMFILE, .state = WAITING, .gets = 1 },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "buffer_that_is_too_small_is_told_once_and_asked_for_once_a_second", {
		{ .time_ms = 3200, .memory_bytes = 640 * 480 * 4 - 1, .state = FAILING, .gets = 4,
			.lines = 1, .line = "its buffer at 1228799" },
		{ .time_ms = 1600, .state = RUNNING, .frames = SOME, .gets = 1 },
	} },
	{ "refused_buffer_leaves_the_last_picture", {
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .plane = { 640, 480, 640, DRM_FORMAT_XRGB8888, 2, 0, 1 }, .state = RUNNING,
			.gets = 1,
			.lines = 1, .line = "a stride of 640 bytes is too short" },
		{ .state = RUNNING, .frames = EACH },
	} },
	{ "refused_number_with_other_attributes_is_looked_at_anew", {
		{ .plane = { 640, 480, 2561, DRM_FORMAT_XRGB8888, 1, 0, 1 }, .state = WAITING,
			.gets = 1,
			.lines = 1, .line = "2561 bytes is no multiple of 4" },
		{ .plane = { 640, 480, 2561, DRM_FORMAT_XRGB8888, 1, 0, 1 }, .state = WAITING },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
	{ "format_that_cannot_be_shown_is_told", {
		{ .plane = { 640, 480, 2560, DRM_FORMAT_NV12, 1, 0, 1 }, .state = WAITING,
			.gets = 1,
			.lines = 1, .line = "format 0x3231564e ('NV12')" },
	} },
	{ "numbers_beyond_a_signed_one_are_refused", {
		{ .plane = { UINT32_MAX, 480, 2560, DRM_FORMAT_XRGB8888, 1, 0, 1 },
			.state = WAITING, .gets = 1,
			.lines = 1, .line = "is larger than 16384x16384" },
		{ .plane = { 640, 0x80000000, 2560, DRM_FORMAT_XRGB8888, 1, 0, 1 },
			.state = WAITING, .gets = 1,
			.lines = 1, .line = "is larger than 16384x16384" },
		{ .plane = { 640, 480, UINT32_MAX, DRM_FORMAT_XRGB8888, 1, 0, 1 },
			.state = WAITING, .gets = 1,
			.lines = 1, .line = "a stride of 4294967295 bytes" },
		{ .plane = { 640, 480, 0, DRM_FORMAT_XRGB8888, 1, 0, 1 }, .state = WAITING,
			.gets = 1,
			.lines = 1, .line = "a stride of 0 bytes" },
	} },
	{ "number_whose_attributes_change_is_another_buffer", {
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
		{ .plane = { 320, 480, 2560, DRM_FORMAT_XRGB8888, 1, 0, 1 }, .state = RUNNING,
			.frames = EACH, .gets = 1 },
		{ .state = RUNNING, .frames = EACH, .gets = 1 },
	} },
};
/* clang-format on */

static bool step_is_end(const struct step *step) {
	static const struct step nothing;
	return memcmp(step, &nothing, sizeof(nothing)) == 0;
}

static void poll_step(struct oriel_source *source, const struct step *step) {
	mock.query_error = step->query_error;
	mock.plane = step->plane.width != 0 ? step->plane : plane_640;
	if (step->off) {
		mock.plane = (struct plane){ 0 };
	}
	mock.get_error = step->get_error;
	mock.memory_bytes = step->memory_bytes != 0 ? step->memory_bytes : 640 * 480 * 4;
	mock.gets = mock.queries = 0;
	consumer.frames = 0;
	poll_for(source, step->time_ms != 0 ? step->time_ms * MSEC_NS : POLL_NS);
	assert_int_equal(oriel_source_get_state(source), step->state);
	switch (step->frames) {
	case NONE:
		assert_int_equal(consumer.frames, 0);
		break;
	case SOME:
		assert_uint_in_range(consumer.frames, 1, mock.queries - 1);
		break;
	case EACH:
		assert_int_equal(consumer.frames, mock.queries);
		break;
	}
	assert_int_equal(mock.gets, step->gets);
	assert_int_equal(log_lines_get_count(), step->lines);
	if (step->line != NULL) {
		assert_one_line(step->line);
	}
	log_lines_init();
}

static void poll_answers_as_in_the_table(void **state) {
	const struct poll_case *poll_case = *state;
	reset();
	struct oriel_source *source = create_device();
	for (size_t i = 0; i < ARRAY_LENGTH(poll_case->steps) && !step_is_end(&poll_case->steps[i]);
			i++) {
		step_now = i + 1;
		poll_step(source, &poll_case->steps[i]);
	}
	step_now = 0;
	destroy_balanced(source);
}

static void dead_device_is_not_lost_by_a_few_polls_far_apart(void **state) {
	struct oriel_source *source = create_device();
	mock.query_error = EIO;
	for (int i = 0; i < 9; i++) {
		poll_for(source, POLL_NS);
		mock.now_ns += 10000 * MSEC_NS;
	}
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	poll_for(source, POLL_NS);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_LOST);
	assert_one_line("the device is gone");
	destroy_balanced(source);
}

static void removed_device_is_let_go(void **state) {
	struct oriel_source *source = create_device();
	consumer.hold = true;
	poll_for(source, 3000 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);

	/* The file answers as before, so that only the look at sysfs can tell. */
	mock.removed = true;
	poll_for(source, 1100 * MSEC_NS);
	assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	assert_one_line("the device was removed");

	/* The picture that is still shown is all that is left open. */
	assert_int_equal(fds_count_open(), fd_count_at_start + 1);
	assert_true(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(consumer.held)));
	unsigned int queries = mock.queries;
	poll_for(source, 1000 * MSEC_NS);
	assert_int_equal(mock.queries, queries);
	oriel_guest_frame_destroy(consumer.held);
	assert_int_equal(fds_count_open(), fd_count_at_start);
	destroy_balanced(source);
	assert_int_equal(log_lines_get_count(), 0);
}

static void frame_outlives_its_source(void **state) {
	struct oriel_source *source = create_device();
	consumer.hold = true;
	poll_for(source, POLL_NS);
	oriel_source_destroy(source);
	assert_int_equal(fds_count_open(), fd_count_at_start + 1);
	assert_true(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(consumer.held)));
	oriel_guest_frame_destroy(consumer.held);
}

static void poll_drops_the_alpha_channel_and_keeps_the_rest(void **state) {
	struct oriel_source *source = create_device();
	consumer.hold = true;
	mock.plane = (struct plane){ 800, 600, 3328, DRM_FORMAT_ABGR8888, 7,
		I915_FORMAT_MOD_X_TILED, 1 };
	mock.memory_bytes = 3328 * 600;
	poll_for(source, POLL_NS);
	assert_int_equal(consumer.frames, 1);
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(consumer.buffer);
	assert_int_equal(attributes->width, 800);
	assert_int_equal(attributes->height, 600);
	assert_int_equal(attributes->format, DRM_FORMAT_XBGR8888);
	assert_true(attributes->modifier == I915_FORMAT_MOD_X_TILED);
	assert_int_equal(attributes->stride_bytes, 3328);
	assert_int_equal(attributes->offset_bytes, 0);
	oriel_guest_frame_destroy(consumer.held);
	destroy_balanced(source);
}

static struct oriel_guest_buffer *poll_id(struct oriel_source *source, uint32_t id) {
	mock.plane.id = id;
	consumer.buffer = NULL;
	poll_for(source, POLL_NS);
	assert_non_null(consumer.buffer);
	return consumer.buffer;
}

static void number_that_came_back_finds_its_buffer(void **state) {
	struct oriel_source *source = create_device();
	struct oriel_guest_buffer *first = poll_id(source, 1);
	struct oriel_guest_buffer *second = poll_id(source, 2);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(poll_id(source, 1), first);
	assert_ptr_equal(poll_id(source, 2), second);
	assert_int_equal(mock.gets, 2);

	/* All of a full cache come back without being opened again, one more pushes out the oldest. */
	for (uint32_t id = 1; id <= ORIEL_BUFFER_CACHE_MAX; id++) {
		poll_id(source, id);
	}
	for (uint32_t id = 1; id <= ORIEL_BUFFER_CACHE_MAX; id++) {
		poll_id(source, id);
	}
	assert_int_equal(mock.gets, ORIEL_BUFFER_CACHE_MAX);
	poll_id(source, ORIEL_BUFFER_CACHE_MAX + 1);
	poll_id(source, 1);
	assert_int_equal(mock.gets, ORIEL_BUFFER_CACHE_MAX + 2);
	destroy_balanced(source);
	assert_int_equal(log_lines_get_count(), 0);
}

static void guest_that_always_flips_to_a_new_buffer_is_shown_by_each_poll(void **state) {
	struct oriel_source *source = create_device();
	mock.query_fails_once = true;
	for (uint32_t id = 1; id <= 200; id++) {
		/* As mbochs does it: the first query after a flip fails. */
		mock.query_error = ENOMEM;
		poll_id(source, id);
	}
	assert_int_equal(mock.gets, 200);
	assert_int_equal(consumer.frames, 200);
	assert_int_equal(log_lines_get_count(), 0);
	destroy_balanced(source);
}

static void guest_that_flaps_at_any_rate_stays_within_bounds(void **state) {
	static const int query_errors[] = { 0, 0, 0, 0, ENOMEM, EFAULT, EINVAL, EIO, EPERM };
	static const int get_errors[] = { 0, 0, 0, EINVAL, ENOENT, EMFILE, EFAULT };
	struct oriel_source *source = create_device();
	consumer.hold = true;
	uint32_t random = 1;
	const uint64_t start_ns = mock.now_ns;
	for (int i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		uint32_t bits = random >> 8;
		mock.query_error = query_errors[bits % ARRAY_LENGTH(query_errors)];
		mock.get_error = get_errors[bits % ARRAY_LENGTH(get_errors)];
		mock.plane.id = bits % 1000;
		mock.plane.width = bits % 4 == 0 ? 1 + bits % 20000 : 640;
		mock.plane.stride = bits % 5 == 0 ? bits % 200000 : 2560;
		mock.plane.format = bits % 50 == 0 ? 0
				: bits % 7 == 0	   ? random
						   : DRM_FORMAT_XRGB8888;
		mock.memory_bytes = bits % 11 == 0 ? bits % 2000000 : 640 * 480 * 4;
		oriel_source_poll(source);
		mock.now_ns += MSEC_NS;
		if (i % 1000 == 0) {
			/* The device, the iommufd, the cache, and the frame that is held. */
			assert_true(fds_count_open() <=
					fd_count_at_start + 2 + ORIEL_BUFFER_CACHE_MAX + 1);
		}
	}
	assert_true(consumer.frames > 1000);
	assert_int_not_equal(consumer.state, ORIEL_SOURCE_STATE_LOST);
	/* Eight at once, and one in ten seconds after that. */
	uint64_t seconds = (mock.now_ns - start_ns) / (1000 * MSEC_NS);
	assert_true(log_lines_get_count() >= 8);
	assert_true(log_lines_get_count() <= 8 + seconds / 10);
	assert_non_null(strstr(log_lines_get_last(), "held back"));
	log_lines_init();

	/* What stays is told in the end, however much came before. */
	mock.query_error = EXDEV;
	poll_for(source, 11000 * MSEC_NS);
	assert_one_line("cannot be queried: Invalid cross-device link");
	poll_for(source, 60000 * MSEC_NS);
	assert_int_equal(log_lines_get_count(), 0);

	/* And is news again after a minute without it. */
	mock.query_error = 0;
	mock.plane = plane_640;
	mock.get_error = 0;
	mock.memory_bytes = 640 * 480 * 4;
	poll_for(source, 59000 * MSEC_NS);
	mock.query_error = EXDEV;
	poll_for(source, POLL_NS);
	assert_int_equal(log_lines_get_count(), 0);
	mock.query_error = 0;
	poll_for(source, 60000 * MSEC_NS);
	mock.query_error = EXDEV;
	poll_for(source, POLL_NS);
	assert_one_line("cannot be queried: Invalid cross-device link");

	/* An hour of peace does not save up for a longer burst. */
	mock.now_ns += 3600 * 1000 * MSEC_NS;
	mock.query_error = 0;
	mock.memory_bytes = 0;
	for (uint32_t i = 0; i < 100; i++) {
		mock.plane.height = 100 + i;
		poll_for(source, POLL_NS);
	}
	assert_int_equal(log_lines_get_count(), 8);

	oriel_guest_frame_destroy(consumer.held);
	destroy_balanced(source);
}

/* A refused buffer is asked for again after a second. */
static void poll_with_a_pause(struct oriel_source *source) {
	poll_for(source, 4 * POLL_NS);
	mock.now_ns += 1100 * MSEC_NS;
	poll_for(source, 4 * POLL_NS);
}

/*
 * Every call that can fail fails once, with errors of each kind: nothing leaks, creation that
 * fails says why in one line, and a source that came to be shows its picture soon after.
 */
static void any_failed_call_is_survived(void **state) {
	static const int fail_errors[] = { ENOMEM, EINVAL, EIO, EMFILE, EINTR, ENODEV };
	static const char *const names[] = { DEVICE_PATH, UUID, "fd:" };
	unsigned int walked = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(names) * ARRAY_LENGTH(fail_errors); i++) {
		for (unsigned int n = 1;; n++) {
			reset();
			mock.fail_at = n;
			mock.fail_error = fail_errors[i % ARRAY_LENGTH(fail_errors)];
			const char *where = names[i / ARRAY_LENGTH(fail_errors)];
			int fd = -1;
			struct oriel_source *source;
			if (strcmp(where, "fd:") == 0) {
				mock.bound = true;
				source = create_handed_over(&fd);
			} else {
				source = create(where);
			}
			if (source != NULL) {
				assert_int_equal(log_lines_get_count(), 0);
				poll_with_a_pause(source);
				mock.plane.id++;
				poll_with_a_pause(source);
				assert_int_equal(consumer.state, ORIEL_SOURCE_STATE_RUNNING);
				assert_int_equal(oriel_source_get_state(source), consumer.state);
				assert_int_equal(consumer.states, 1);
				assert_true(log_lines_get_count() <= 1);
				destroy_balanced(source);
			} else {
				assert_one_line("");
			}
			if (fd >= 0) {
				close(fd);
			}
			assert_int_equal(fds_count_open(), fd_count_at_start);
			if (mock.calls < n) {
				assert_non_null(source);
				break;
			}
			walked++;
		}
	}
	assert_true(walked > 300);
	print_message("# %u calls failed\n", walked);
}

int main(void) {
	if (!vfio_rig_init()) {
		return 1;
	}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(create_without_a_device_names_what_is_expected),
		TEST(create_with_malformed_fd_fails),
		TEST(create_with_fd_that_is_not_vfio_fails),
		TEST(create_with_path_that_does_not_open_says_why),
		TEST(create_without_iommufd_says_so),
		TEST(create_of_device_in_use_says_so),
		TEST(create_of_device_without_display_fails),
		TEST(create_by_sysfs_opens_the_device_found_there),
		TEST(create_by_sysfs_without_device_names_the_path),
		TEST(handed_over_file_stays_open_but_is_not_inherited),
		TEST(handed_over_file_of_the_legacy_group_works),
		TEST(handed_over_file_not_yet_bound_waits_silently),
		TEST(handed_over_file_that_is_no_display_once_bound_is_lost),
		TEST(dead_device_is_not_lost_by_a_few_polls_far_apart),
		TEST(removed_device_is_let_go),
		TEST(frame_outlives_its_source),
		TEST(poll_drops_the_alpha_channel_and_keeps_the_rest),
		TEST(number_that_came_back_finds_its_buffer),
		TEST(guest_that_always_flips_to_a_new_buffer_is_shown_by_each_poll),
		TEST(guest_that_flaps_at_any_rate_stays_within_bounds),
		TEST(any_failed_call_is_survived),
	};
	struct CMUnitTest all[ARRAY_LENGTH(tests) + ARRAY_LENGTH(poll_cases)];
	memcpy(all, tests, sizeof(tests));
	for (size_t i = 0; i < ARRAY_LENGTH(poll_cases); i++) {
		all[ARRAY_LENGTH(tests) + i] = (struct CMUnitTest){
			.name = poll_cases[i].name,
			.test_func = poll_answers_as_in_the_table,
			.setup_func = setup,
			.teardown_func = teardown,
			.initial_state = &poll_cases[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = cmocka_run_group_tests(all, NULL, NULL);

	vfio_rig_finish();
	return failed;
}
