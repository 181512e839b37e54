/*
 * Guests that cannot be shown, or say of themselves what cannot be true. Each time the line that
 * the log gets is the only one, it names the guest, and the other guest goes on.
 *
 * What a real device can do wrong is done by a real one. No vGPU of the test kernel gives a wrong
 * stride or an unknown format, so those answers of a real device are changed on their way to the
 * compositor: this program is linked with --wrap=ioctl.
 */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "fixture.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "player.h"
#include "server.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define WIDTH 128
#define HEIGHT 96
#define STRIDE (4 * WIDTH)

/* Enough polls for a complaint of each of them to be seen. */
#define MORE_REFRESHES 20

/* the log */

#define LINES_MAX 64
#define LINE_SIZE 512

static struct {
	char text[LINES_MAX][LINE_SIZE];
	size_t count;
} errors;

static void handle_log(enum wlr_log_importance importance, const char *format, va_list args) {
	if (importance != WLR_ERROR) {
		return;
	}
	char line[LINE_SIZE];
	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "%s\n", line);
	assert_true(errors.count < LINES_MAX);
	/* wlr_log() puts "[FILE:LINE] " in front. */
	const char *prefix_end = line[0] == '[' ? strstr(line, "] ") : NULL;
	strcpy(errors.text[errors.count++], prefix_end != NULL ? prefix_end + 2 : line);
}

static void assert_one_line_of_bad_guest(const char *expected) {
	assert_int_equal(errors.count, 1);
	const char *line = errors.text[0];
	static const char start[] = "guest bad: ";
	if (strncmp(line, start, strlen(start)) != 0 || strstr(line, expected) == NULL) {
		fail_msg("the line is \"%s\", which has no \"%s\"", line, expected);
	}
}

/* wrong answers */

struct lie {
	const char *name;
	void (*change_plane)(struct vfio_device_gfx_plane_info *plane); /* NULL: it is true */
	int query_error; /* 0: none */
	int (*get_dmabuf)(void); /* a fd, or -1 with errno; NULL: the real one */
	const char *expected; /* in the log */
};

static struct {
	const struct lie *lie; /* NULL: none */
	dev_t number; /* of the device that gives the answers */
	int own_fd; /* of it: this program itself is told the truth */
	uint64_t count; /* answers given */
} liar;

static bool liar_is_asked(int fd) {
	struct stat stat;
	return liar.lie != NULL && fd != liar.own_fd && fstat(fd, &stat) == 0 &&
			S_ISCHR(stat.st_mode) && stat.st_rdev == liar.number;
}

static int liar_query_plane(struct vfio_device_gfx_plane_info *plane) {
	liar.count++;
	if (liar.lie->query_error != 0) {
		errno = liar.lie->query_error;
		return -1;
	}
	if (liar.lie->change_plane != NULL) {
		liar.lie->change_plane(plane);
	}
	return 0;
}

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	if (request == VFIO_DEVICE_GET_GFX_DMABUF && liar_is_asked(fd) &&
			liar.lie->get_dmabuf != NULL) {
		liar.count++;
		return liar.lie->get_dmabuf();
	}
	int ret = __real_ioctl(fd, request, argument);
	if (request == VFIO_DEVICE_QUERY_GFX_PLANE && ret == 0 && liar_is_asked(fd)) {
		return liar_query_plane(argument);
	}
	return ret;
}

/* the good guest, at the second output, and the bad one, at the first */

struct test {
	struct fixture fixture;
	struct player good;
	struct player_watch good_watch;
};

static void test_init(struct test *test) {
	player_init(&test->good, "mbochs-small", WIDTH, HEIGHT, 2, 1000);
	errors.count = 0;
	liar.lie = NULL;
}

static void test_start(struct test *test, const char *bad_where) {
	char text[1024];
	int length = snprintf(text, sizeof(text),
			"output OUTPUT-1 {\n\tmode %dx%d\n}\n"
			"output OUTPUT-2 {\n\tmode %dx%d\n}\n"
			"guest bad {\n\tsource vfio %s\n\toutput OUTPUT-1\n}\n"
			"guest good {\n\tsource vfio fd:%d\n\toutput OUTPUT-2\n}\n",
			WIDTH, HEIGHT, WIDTH, HEIGHT, bad_where,
			vgpu_guest_get_device_fd(test->good.guest));
	assert_true((size_t)length < sizeof(text));
	fixture_init(&test->fixture, text);
	player_watch_init(&test->good_watch, &test->good, fixture_get_view(&test->fixture, "good"));
}

/* The good guest flips, and is seen to. */
static void assert_good_goes_on(struct test *test) {
	const struct oriel_guest_view *view = test->good_watch.view;
	for (int i = 0; i < 4; i++) {
		player_flip(&test->good, 1 - test->good.page);
		player_wait_for_page(&test->fixture, &test->good_watch, test->good.page);
	}
	player_assert_picture(&test->fixture, &test->good_watch, test->good.page);
	player_flip(&test->good, 1 - test->good.page);
	player_wait_for_page(&test->fixture, &test->good_watch, test->good.page);
	player_assert_picture(&test->fixture, &test->good_watch, test->good.page);
	assert_int_equal(view->stats.rejected, 0);
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_RUNNING);
}

static void test_finish(struct test *test) {
	player_watch_finish(&test->good_watch);
	fixture_finish(&test->fixture);
	player_finish(&test->good);
}

static bool guest_exists(const struct fixture *fixture, const char *name) {
	const struct oriel_guest_view *view;
	wl_list_for_each(view, &fixture->server->layout.views, link) {
		if (strcmp(oriel_guest_view_get_name(view), name) == 0) {
			return true;
		}
	}
	return false;
}

/* guests that cannot be opened */

struct bad_device {
	char where[PATH_MAX]; /* as in oriel(5) */
	int fd; /* -1: none */
	char uuid[37]; /* of a device to remove; "": none */
	struct vgpu_guest *guest; /* NULL: none */
};

struct open_case {
	const char *name;
	void (*make)(struct bad_device *device);
	const char *expected; /* in the log */
};

static const char unknown_uuid[] = "00000000-0000-4000-8000-000000000000";

static void make_unknown_uuid(struct bad_device *device) {
	strcpy(device->where, unknown_uuid);
}

static void make_unknown_cdev(struct bad_device *device) {
	strcpy(device->where, "/dev/vfio/devices/vfio4711");
}

static void make_unknown_sysfs_path(struct bad_device *device) {
	sprintf(device->where, "/sys/bus/mdev/devices/%s", unknown_uuid);
}

static void make_sysfs_path_of_other_device(struct bad_device *device) {
	strcpy(device->where, "/sys/devices/virtual/mem/null");
}

static void make_path_of_null(struct bad_device *device) {
	strcpy(device->where, "/dev/null");
}

static void make_bound_uuid(struct bad_device *device) {
	assert_int_equal(vgpu_mdev_create("mbochs-small", device->uuid), 0);
	device->guest = vgpu_guest_open(device->uuid);
	assert_non_null(device->guest);
	strcpy(device->where, device->uuid);
}

static void make_bound_cdev(struct bad_device *device) {
	make_bound_uuid(device);
	assert_int_equal(vgpu_mdev_get_cdev_path(device->uuid, device->where, sizeof(device->where)),
			0);
}

static void make_mtty(struct bad_device *device) {
	assert_int_equal(vgpu_mdev_create("mtty-1", device->uuid), 0);
	strcpy(device->where, device->uuid);
}

static void make_fd(struct bad_device *device, int take_fd) {
	assert_true(take_fd >= 0);
	device->fd = take_fd;
	sprintf(device->where, "fd:%d", take_fd);
}

static void make_closed_fd(struct bad_device *device) {
	/* A number that nothing opened meanwhile gets. */
	strcpy(device->where, "fd:1000");
}

static void make_null_fd(struct bad_device *device) {
	make_fd(device, open("/dev/null", O_RDWR));
}

static void make_pipe_fd(struct bad_device *device) {
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	make_fd(device, fds[1]);
}

static void make_file_fd(struct bad_device *device) {
	char path[] = "/tmp/oriel-badinput-XXXXXX";
	make_fd(device, mkstemp(path));
	unlink(path);
}

static void make_eventfd_fd(struct bad_device *device) {
	make_fd(device, eventfd(0, 0));
}

static void make_socket_fd(struct bad_device *device) {
	make_fd(device, socket(AF_UNIX, SOCK_STREAM, 0));
}

static void make_iommufd_fd(struct bad_device *device) {
	make_fd(device, open("/dev/iommu", O_RDWR));
}

static const struct open_case open_cases[] = {
	{ "open_unknown_uuid_gives_one_line", make_unknown_uuid, "no such device" },
	{ "open_unknown_cdev_gives_one_line", make_unknown_cdev, "/dev/vfio/devices/vfio4711" },
	{ "open_unknown_sysfs_path_gives_one_line", make_unknown_sysfs_path, "no such device" },
	{ "open_sysfs_path_of_other_device_gives_one_line", make_sysfs_path_of_other_device,
			"no VFIO driver has that device" },
	{ "open_path_of_null_gives_one_line", make_path_of_null, "is not a VFIO device" },
	{ "open_bound_device_by_uuid_gives_one_line", make_bound_uuid, "another program" },
	{ "open_bound_device_by_cdev_gives_one_line", make_bound_cdev, "another program" },
	{ "open_device_without_display_gives_one_line", make_mtty, "the device has no display" },
	{ "adopt_closed_fd_gives_one_line", make_closed_fd, "is not open" },
	{ "adopt_null_fd_gives_one_line", make_null_fd, "is not a VFIO device" },
	{ "adopt_pipe_gives_one_line", make_pipe_fd, "is not a VFIO device" },
	{ "adopt_file_gives_one_line", make_file_fd, "is not a VFIO device" },
	{ "adopt_eventfd_gives_one_line", make_eventfd_fd, "is not a VFIO device" },
	{ "adopt_socket_gives_one_line", make_socket_fd, "is not a VFIO device" },
	{ "adopt_iommufd_gives_one_line", make_iommufd_fd, "is not a VFIO device" },
};

static void bad_device_finish(struct bad_device *device) {
	if (device->fd >= 0) {
		close(device->fd);
	}
	vgpu_guest_close(device->guest);
	if (device->uuid[0] != '\0') {
		/* Nobody has kept it open, or this would not return. */
		assert_int_equal(vgpu_mdev_remove(device->uuid), 0);
	}
}

static void run_open_case(void **state) {
	const struct open_case *open_case = *state;
	int fds_before = fds_count_open();
	struct bad_device device = { .fd = -1 };
	open_case->make(&device);
	struct test test;
	test_init(&test);

	test_start(&test, device.where);
	assert_one_line_of_bad_guest(open_case->expected);
	assert_false(guest_exists(&test.fixture, "bad"));
	assert_good_goes_on(&test);
	assert_one_line_of_bad_guest(open_case->expected);
	if (device.fd >= 0) {
		/* As it was: a file that is no guest's is none of oriel's business. */
		assert_int_equal(fcntl(device.fd, F_GETFD), 0);
	}

	test_finish(&test);
	bad_device_finish(&device);
	assert_int_equal(fds_count_open(), fds_before);
}

/* A handed-over file is not known before somebody binds it. */

struct state_wait {
	const struct oriel_guest_view *view;
	enum oriel_source_state state;
};

static bool state_is_reached(struct fixture *fixture, void *data) {
	const struct state_wait *wait = data;
	return oriel_source_get_state(wait->view->source) == wait->state;
}

static void bind_device(int device_fd) {
	int iommufd_fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	assert_true(iommufd_fd >= 0);
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd_fd,
	};
	assert_int_equal(ioctl(device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	close(iommufd_fd);
}

static void bind_adopted_device_without_display_gives_one_line(void **state) {
	int fds_before = fds_count_open();
	struct bad_device device = { .fd = -1 };
	make_mtty(&device);
	char path[PATH_MAX];
	assert_int_equal(vgpu_mdev_get_cdev_path(device.uuid, path, sizeof(path)), 0);
	make_fd(&device, open(path, O_RDWR));
	struct test test;
	test_init(&test);

	test_start(&test, device.where);
	const struct oriel_guest_view *view = fixture_get_view(&test.fixture, "bad");
	assert_good_goes_on(&test);
	fixture_step_output_refreshes(&test.fixture, view->output->name, MORE_REFRESHES);
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(errors.count, 0);

	bind_device(device.fd);
	struct state_wait wait = { .view = view, .state = ORIEL_SOURCE_STATE_LOST };
	fixture_step_until(&test.fixture, state_is_reached, &wait);
	assert_one_line_of_bad_guest("the device has no display");
	fixture_step_output_refreshes(&test.fixture, view->output->name, MORE_REFRESHES);
	assert_good_goes_on(&test);
	assert_one_line_of_bad_guest("the device has no display");

	test_finish(&test);
	bad_device_finish(&device);
	assert_int_equal(fds_count_open(), fds_before);
}

/* guests that say what cannot be true */

static void make_too_wide(struct vfio_device_gfx_plane_info *plane) {
	plane->width = 16385;
	plane->stride = 4 * 16385;
}

static void make_too_high(struct vfio_device_gfx_plane_info *plane) {
	plane->height = 16385;
}

static void make_huge(struct vfio_device_gfx_plane_info *plane) {
	plane->width = plane->height = plane->stride = plane->size = UINT32_MAX;
}

static void make_stride_short(struct vfio_device_gfx_plane_info *plane) {
	plane->stride = STRIDE - 4;
}

static void make_stride_zero(struct vfio_device_gfx_plane_info *plane) {
	plane->stride = 0;
}

static void make_stride_odd(struct vfio_device_gfx_plane_info *plane) {
	plane->width -= 2;
	plane->stride = STRIDE - 2;
}

static void make_stride_long(struct vfio_device_gfx_plane_info *plane) {
	plane->stride = 2 * 4 * 16384 + 4;
}

/* The picture is twelve pages of memory and its dma-buf no larger: a pixel more is too much. */
static void make_stride_beyond_buffer(struct vfio_device_gfx_plane_info *plane) {
	plane->stride = STRIDE + 4;
}

static void make_height_beyond_buffer(struct vfio_device_gfx_plane_info *plane) {
	plane->height = HEIGHT + 1;
}

static void make_format_planar(struct vfio_device_gfx_plane_info *plane) {
	plane->drm_format = DRM_FORMAT_NV12;
}

static void make_format_absurd(struct vfio_device_gfx_plane_info *plane) {
	plane->drm_format = UINT32_MAX;
}

static void make_modifier_tiled(struct vfio_device_gfx_plane_info *plane) {
	plane->drm_format_mod = I915_FORMAT_MOD_X_TILED;
}

static void make_modifier_absurd(struct vfio_device_gfx_plane_info *plane) {
	plane->drm_format_mod = UINT64_C(0xfedcba9876543210);
}

static int get_no_file(void) {
	errno = EMFILE;
	return -1;
}

/* The number is not valid any more, as between a query and a flip, but for ever. */
static int get_nothing(void) {
	errno = EINVAL;
	return -1;
}

static int get_pipe(void) {
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	return fds[0];
}

/* Memory of the right size that is no dma-buf: nobody can say when it may be read. */
static int get_memfd(void) {
	int memfd = memfd_create("badinput", 0);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, STRIDE * HEIGHT), 0);
	return memfd;
}

static const struct lie lies[] = {
	{ .name = "say_too_wide_gives_one_line",
			.change_plane = make_too_wide,
			.expected = "16385x96 pixels is" },
	{ .name = "say_too_high_gives_one_line",
			.change_plane = make_too_high,
			.expected = "128x16385 pixels is" },
	{ .name = "say_huge_numbers_gives_one_line",
			.change_plane = make_huge,
			.expected = "larger than" },
	{ .name = "say_stride_short_gives_one_line",
			.change_plane = make_stride_short,
			.expected = "stride of 508 bytes is too short" },
	{ .name = "say_stride_zero_gives_one_line",
			.change_plane = make_stride_zero,
			.expected = "stride of 0 bytes is too short" },
	{ .name = "say_stride_odd_gives_one_line",
			.change_plane = make_stride_odd,
			.expected = "stride of 510 bytes is no multiple" },
	{ .name = "say_stride_long_gives_one_line",
			.change_plane = make_stride_long,
			.expected = "stride of 131076 bytes is longer" },
	{ .name = "say_stride_beyond_buffer_gives_one_line",
			.change_plane = make_stride_beyond_buffer,
			.expected = "stride of 516 bytes ends at byte 49532, its buffer at 49152" },
	{ .name = "say_height_beyond_buffer_gives_one_line",
			.change_plane = make_height_beyond_buffer,
			.expected = "ends at byte 49664, its buffer at 49152" },
	{ .name = "say_format_planar_gives_one_line",
			.change_plane = make_format_planar,
			.expected = "format 0x3231564e ('NV12') cannot be shown" },
	{ .name = "say_format_absurd_gives_one_line",
			.change_plane = make_format_absurd,
			.expected = "format 0xffffffff (" },
	{ .name = "say_modifier_tiled_gives_one_line",
			.change_plane = make_modifier_tiled,
			.expected = "can neither be imported" },
	{ .name = "say_modifier_absurd_gives_one_line",
			.change_plane = make_modifier_absurd,
			.expected = "can neither be imported" },
	{ .name = "fail_query_gives_one_line",
			.query_error = EFAULT,
			.expected = "cannot be queried: Bad address" },
	{ .name = "fail_buffer_gives_one_line",
			.get_dmabuf = get_no_file,
			.expected = "cannot be opened: Too many open files" },
	{ .name = "fail_buffer_with_stale_number_gives_one_line",
			.get_dmabuf = get_nothing,
			.expected = "cannot be opened: Invalid argument" },
	{ .name = "give_pipe_as_buffer_gives_one_line",
			.get_dmabuf = get_pipe,
			.expected = "cannot be opened" },
	{ .name = "give_memfd_as_buffer_gives_one_line",
			.get_dmabuf = get_memfd,
			.expected = "their fences cannot be taken" },
};

#define LIE_COUNT (sizeof(lies) / sizeof(lies[0]))

static void liar_init(const struct player *player) {
	struct stat stat;
	liar.own_fd = vgpu_guest_get_device_fd(player->guest);
	assert_int_equal(fstat(liar.own_fd, &stat), 0);
	liar.number = stat.st_rdev;
	liar.count = 0;
}

static bool frame_is_sampled(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return view->primary.frame != NULL && view->primary.frame->sampled;
}

/* Of all frames taken one is on screen, the others are released. */
static void assert_bad_balances(struct fixture *fixture) {
	struct oriel_guest_view *view = fixture_get_view(fixture, "bad");
	fixture_step_until(fixture, frame_is_sampled, view);
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	assert_int_equal(counters.taken,
			view->stats.shown + view->stats.superseded + view->stats.rejected);
	assert_int_equal(counters.taken, counters.released + 1);
}

static bool line_is_logged(struct fixture *fixture, void *data) {
	return errors.count > 0;
}

static void run_lie(void **state) {
	const struct lie *lie = *state;
	int fds_before = fds_count_open();
	struct test test;
	test_init(&test);
	struct player bad;
	player_init(&bad, "mbochs-small", WIDTH, HEIGHT, 3, 2000);
	liar_init(&bad);
	char where[32];
	sprintf(where, "fd:%d", vgpu_guest_get_device_fd(bad.guest));
	test_start(&test, where);
	struct oriel_guest_view *view = fixture_get_view(&test.fixture, "bad");
	struct player_watch bad_watch;
	player_watch_init(&bad_watch, &bad, view);
	player_wait_for_page(&test.fixture, &bad_watch, 0);
	player_assert_picture(&test.fixture, &bad_watch, 0);
	assert_int_equal(errors.count, 0);

	/* The picture stays. */
	liar.lie = lie;
	player_flip(&bad, 1);
	fixture_step_until(&test.fixture, line_is_logged, NULL);
	uint64_t count_before = liar.count;
	fixture_step_output_refreshes(&test.fixture, view->output->name, MORE_REFRESHES);
	assert_good_goes_on(&test);
	assert_true(liar.count > count_before);
	assert_one_line_of_bad_guest(lie->expected);
	assert_int_equal(bad_watch.page, 0);
	player_assert_picture(&test.fixture, &bad_watch, 0);
	assert_bad_balances(&test.fixture);

	/* And goes on when the guest comes to its senses. */
	liar.lie = NULL;
	player_flip(&bad, 2);
	player_wait_for_page(&test.fixture, &bad_watch, 2);
	player_assert_picture(&test.fixture, &bad_watch, 2);
	assert_one_line_of_bad_guest(lie->expected);
	assert_bad_balances(&test.fixture);

	player_watch_finish(&bad_watch);
	test_finish(&test);
	player_finish(&bad);
	assert_int_equal(fds_count_open(), fds_before);
}

/* What each of them does, at random and ever anew, must neither fill the log nor memory. */
static void say_everything_at_any_rate_gives_few_lines(void **state) {
	int fds_before = fds_count_open();
	struct test test;
	test_init(&test);
	struct player bad;
	player_init(&bad, "mbochs-small", WIDTH, HEIGHT, PLAYER_PAGES_MAX, 2000);
	liar_init(&bad);
	char where[32];
	sprintf(where, "fd:%d", vgpu_guest_get_device_fd(bad.guest));
	test_start(&test, where);
	struct oriel_guest_view *view = fixture_get_view(&test.fixture, "bad");
	struct player_watch bad_watch;
	player_watch_init(&bad_watch, &bad, view);
	player_wait_for_page(&test.fixture, &bad_watch, 0);
	int fds_running = fds_count_open();

	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	uint32_t random = 1;
	for (int i = 0; i < 300; i++) {
		random = random * 1664525 + 1013904223;
		size_t choice = (random >> 16) % (LIE_COUNT + 1);
		/* A wrong file stays with its number for as long as that is in use. */
		bool is_true = choice == LIE_COUNT || lies[choice].get_dmabuf == get_memfd;
		liar.lie = is_true ? NULL : &lies[choice];
		player_flip(&bad, (int)((random >> 8) % PLAYER_PAGES_MAX));
		fixture_step_output_refreshes(&test.fixture, view->output->name, 1);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(liar.count > 200);
	assert_good_goes_on(&test);
	/* A burst of eight of the driver's and one each ten seconds, and one of the view's. */
	size_t lines_max = 9 + (size_t)(end.tv_sec - start.tv_sec) / 10 + 1;
	print_message("# %zu lines of at most %zu after %" PRIu64 " wrong answers\n", errors.count,
			lines_max, liar.count);
	assert_uint_in_range(errors.count, 3, lines_max);
	for (size_t i = 0; i < errors.count; i++) {
		assert_memory_equal(errors.text[i], "guest bad: ", strlen("guest bad: "));
	}
	assert_bad_balances(&test.fixture);
	/* No more than the pages' buffers are kept. */
	assert_true(fds_count_open() <= fds_running + PLAYER_PAGES_MAX);

	liar.lie = NULL;
	player_flip(&bad, 1);
	player_wait_for_page(&test.fixture, &bad_watch, 1);
	player_assert_picture(&test.fixture, &bad_watch, 1);

	player_watch_finish(&bad_watch);
	test_finish(&test);
	player_finish(&bad);
	assert_int_equal(fds_count_open(), fds_before);
}

/* A real device that sets a mode wider than what is shown. */
static void set_mode_too_wide_gives_one_line(void **state) {
	int fds_before = fds_count_open();
	struct test test;
	test_init(&test);
	struct player bad;
	player_init(&bad, "mbochs-medium", WIDTH, HEIGHT, 2, 2000);
	char where[32];
	sprintf(where, "fd:%d", vgpu_guest_get_device_fd(bad.guest));
	test_start(&test, where);
	struct oriel_guest_view *view = fixture_get_view(&test.fixture, "bad");
	struct player_watch bad_watch;
	player_watch_init(&bad_watch, &bad, view);
	player_wait_for_page(&test.fixture, &bad_watch, 0);

	assert_int_equal(vgpu_guest_set_mode(bad.guest, 16400, 64, 16400, 1), 0);
	fixture_step_until(&test.fixture, line_is_logged, NULL);
	fixture_step_output_refreshes(&test.fixture, view->output->name, MORE_REFRESHES);
	assert_good_goes_on(&test);
	assert_one_line_of_bad_guest("16400x64 pixels is larger than 16384x16384");
	/* Page 0 of the mode before. */
	assert_int_equal(bad_watch.page, 0);

	assert_int_equal(vgpu_guest_set_mode(bad.guest, WIDTH, HEIGHT, WIDTH, 2), 0);
	vgpu_guest_paint(bad.guest, 1, bad.first_seed + 1);
	player_flip(&bad, 1);
	player_wait_for_page(&test.fixture, &bad_watch, 1);
	player_assert_picture(&test.fixture, &bad_watch, 1);
	assert_one_line_of_bad_guest("16400x64 pixels is larger than 16384x16384");

	player_watch_finish(&bad_watch);
	test_finish(&test);
	player_finish(&bad);
	assert_int_equal(fds_count_open(), fds_before);
}

#define OPEN_CASE_COUNT (sizeof(open_cases) / sizeof(open_cases[0]))

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	wlr_log_init(WLR_ERROR, handle_log);
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);

	struct CMUnitTest tests[OPEN_CASE_COUNT + LIE_COUNT + 3] = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < OPEN_CASE_COUNT; i++) {
		tests[count++] = (struct CMUnitTest){
			.name = open_cases[i].name,
			.test_func = run_open_case,
			.initial_state = (void *)&open_cases[i],
		};
	}
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(
			bind_adopted_device_without_display_gives_one_line);
	for (size_t i = 0; i < LIE_COUNT; i++) {
		tests[count++] = (struct CMUnitTest){
			.name = lies[i].name,
			.test_func = run_lie,
			.initial_state = (void *)&lies[i],
		};
	}
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(
			say_everything_at_any_rate_gives_few_lines);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(set_mode_too_wide_gives_one_line);
	assert_int_equal(count, sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
