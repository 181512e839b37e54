/*
 * The planes of VFIO displays on screen: what is taken of a guest that draws, and when; displays
 * that are regions; buffers that go and come back, and devices that do.
 *
 * The guest is the test, on the test vGPU (vgpu/), and on mdpy where that is said.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wlr/types/wlr_scene.h>

#include <cmocka.h>

#include "bridge/latch.h"
#include "fds.h"
#include "fixture.h"
#include "guest/buffer.h"
#include "guest/buffer_cache.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "kms.h"
#include "program.h"
#include "screenshot.h"
#include "test_vgpu.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

/* Three tiles each way, the last ones cut. Rows are what llvmpipe wants, which draws by 64 bytes. */
#define WIDTH 160
#define HEIGHT 140
#define STRIDE_BYTES (WIDTH * 4 + 64)
#define PAGE_BYTES (128u << 10) /* of video memory, for one picture */

struct scene {
	struct test_vgpu vgpu;
	int device_fd; /* -1: oriel opens the device */
	struct fixture fixture;
	bool is_running;
	struct oriel_guest_view *view;
	int fds_before;
};

static int scene_setup(void **state) {
	struct scene *scene = calloc(1, sizeof(*scene));
	*state = scene;
	scene->device_fd = -1;
	scene->fds_before = fds_count_open();
	return test_vgpu_init(&scene->vgpu, "small");
}

static int scene_teardown(void **state) {
	struct scene *scene = *state;
	if (scene->is_running) {
		fixture_finish(&scene->fixture);
	}
	if (scene->device_fd >= 0) {
		close(scene->device_fd);
	}
	int ret = 0;
	int fds = fds_count_open();
	if (fds != scene->fds_before) {
		print_error("%d open files before, %d after\n", scene->fds_before, fds);
		ret = -1;
	} else if (test_vgpu_finish(&scene->vgpu) != 0) {
		print_error("the vGPU cannot be removed\n");
		ret = -1;
	}
	free(scene);
	return ret;
}

/* Page n of the video memory is the buffer of id n + 1, and has the picture of seed n + 1. */
static void scene_add_page(struct scene *scene, uint32_t page) {
	test_vgpu_paint(&scene->vgpu, page * PAGE_BYTES, WIDTH, HEIGHT, STRIDE_BYTES, page + 1);
	assert_int_equal(test_vgpu_add_buffer(&scene->vgpu, page + 1, page * PAGE_BYTES, PAGE_BYTES),
			0);
}

static void scene_flip(struct scene *scene, uint32_t page) {
	assert_int_equal(test_vgpu_show(&scene->vgpu, page + 1, WIDTH, HEIGHT, STRIDE_BYTES), 0);
}

#define scene_steer(scene, ...) assert_int_equal(test_vgpu_steer(&(scene)->vgpu, __VA_ARGS__), 0)

static void fixture_start(struct fixture *fixture, int width, int height, const char *source,
		const char *where) {
	char output_name[KMS_NAME_SIZE], config_text[512];
	kms_get_output_name(output_name);
	snprintf(config_text, sizeof(config_text),
			"output %s {\n\tmode %dx%d\n}\nguest vgpu {\n\tsource %s %s\n}\n",
			output_name, width, height, source, where);
	fixture_init(fixture, config_text);
}

static void scene_start(struct scene *scene) {
	char where[64];
	if (scene->device_fd >= 0) {
		snprintf(where, sizeof(where), "fd:%d", scene->device_fd);
	} else {
		snprintf(where, sizeof(where), "%s", scene->vgpu.uuid);
	}
	fixture_start(&scene->fixture, WIDTH, HEIGHT, "vfio", where);
	scene->is_running = true;
	scene->view = fixture_get_view(&scene->fixture, "vgpu");
}

static bool frame_is_sampled(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return view->primary.frame != NULL && view->primary.frame->sampled;
}

/* Page 0 is shown, and nothing more is taken of it. */
static void scene_start_still(struct scene *scene) {
	scene_add_page(scene, 0);
	scene_flip(scene, 0);
	scene_start(scene);
	fixture_step_until(&scene->fixture, frame_is_sampled, scene->view);
}

static uint64_t scene_get_taken(const struct scene *scene) {
	return oriel_source_get_counters(scene->view->source).taken;
}

struct taken_wait {
	const struct scene *scene;
	uint64_t taken;
};

static bool taken_is_shown(struct fixture *fixture, void *data) {
	const struct taken_wait *wait = data;
	return scene_get_taken(wait->scene) >= wait->taken &&
			oriel_latch_get_pending_count(wait->scene->view->primary.latch) == 0 &&
			frame_is_sampled(fixture, wait->scene->view);
}

static void scene_step_until_taken(struct scene *scene, uint64_t taken) {
	struct taken_wait wait = { .scene = scene, .taken = taken };
	fixture_step_until(&scene->fixture, taken_is_shown, &wait);
}

struct state_wait {
	const struct scene *scene;
	enum oriel_source_state state;
};

static bool state_is_reached(struct fixture *fixture, void *data) {
	const struct state_wait *wait = data;
	return oriel_source_get_state(wait->scene->view->source) == wait->state;
}

static void scene_step_until_state(struct scene *scene, enum oriel_source_state state) {
	struct state_wait wait = { .scene = scene, .state = state };
	fixture_step_until(&scene->fixture, state_is_reached, &wait);
}

/* Nothing is taken while the guest stands still, however often it is looked at. */
static void scene_stands_still(struct scene *scene) {
	uint64_t taken = scene_get_taken(scene);
	uint64_t polls = oriel_source_get_counters(scene->view->source).polls;
	fixture_step_refreshes(&scene->fixture, 10);
	assert_int_equal(scene_get_taken(scene), taken);
	assert_true(oriel_source_get_counters(scene->view->source).polls > polls);
}

/* A pixel of the picture that is at offset_bytes of the video memory. */
static void scene_paint_pixel(
		struct scene *scene, size_t offset_bytes, int x, int y, uint32_t colour) {
	uint8_t *row = scene->vgpu.vram + offset_bytes + (size_t)y * STRIDE_BYTES;
	memcpy(row + 4 * (size_t)x, &colour, 4);
}

/* The screen has the picture of that seed, but for one pixel (x < 0: none). */
static void check_screen_but(struct fixture *fixture, int width, int height, uint32_t seed, int x,
		int y, uint32_t colour) {
	struct screenshot shot = screenshot_take(fixture, fixture_get_output_name(fixture, 0));
	assert_int_equal(shot.width, width);
	assert_int_equal(shot.height, height);
	for (int row = 0; row < height; row++) {
		for (int column = 0; column < width; column++) {
			uint32_t expected = column == x && row == y
					? colour
					: vgpu_picture_pixel(column, row, width, height, seed);
			uint32_t pixel = screenshot_get_pixel(&shot, column, row);
			if (pixel != expected) {
				fail_msg("pixel %d,%d is %06x, not %06x", column, row, pixel,
						expected);
			}
		}
	}
	screenshot_finish(&shot);
}

static void scene_check_screen(struct scene *scene, uint32_t seed) {
	check_screen_but(&scene->fixture, WIDTH, HEIGHT, seed, -1, -1, 0);
}

static void scene_check_damage(const struct scene *scene, int x1, int y1, int x2, int y2) {
	const struct oriel_guest_frame *frame = scene->view->primary.frame;
	assert_non_null(frame);
	assert_true(frame->damage_known);
	pixman_region32_t box;
	pixman_region32_init_rect(&box, x1, y1, (unsigned int)(x2 - x1), (unsigned int)(y2 - y1));
	assert_true(pixman_region32_equal(&frame->damage, &box));
	pixman_region32_fini(&box);
}

/* damage */

static void paint_of_one_tile_is_one_frame_of_it(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	scene_check_screen(scene, 1);
	scene_stands_still(scene);

	uint64_t taken = scene_get_taken(scene);
	scene_paint_pixel(scene, 0, 70, 10, 0xff123456);
	scene_step_until_taken(scene, taken + 1);
	scene_check_damage(scene, 64, 0, 128, 64);
	check_screen_but(&scene->fixture, WIDTH, HEIGHT, 1, 70, 10, 0x123456);
	scene_stands_still(scene);
	assert_int_equal(scene_get_taken(scene), taken + 1);

	scene_paint_pixel(scene, 0, 70, 10, vgpu_picture_pixel(70, 10, WIDTH, HEIGHT, 1));
	scene_step_until_taken(scene, taken + 2);
	scene_check_damage(scene, 64, 0, 128, 64);
	scene_paint_pixel(scene, 0, WIDTH - 1, HEIGHT - 1, 0xff654321);
	scene_step_until_taken(scene, taken + 3);
	scene_check_damage(scene, 128, 128, WIDTH, HEIGHT);
	check_screen_but(&scene->fixture, WIDTH, HEIGHT, 1, WIDTH - 1, HEIGHT - 1, 0x654321);

	/* Padding is not looked at. */
	scene_paint_pixel(scene, 0, WIDTH, 5, 0x999999);
	scene_stands_still(scene);
	/* One import for all of it. */
	assert_int_equal(test_vgpu_count(&scene->vgpu, "get"), 1);
}

static void late_writer_of_the_shown_buffer_is_waited_for(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	scene_stands_still(scene);
	uint64_t taken = scene_get_taken(scene);
	scene_steer(scene, "vgpu/primary", "id=1 fence=held");
	fixture_step_refreshes(&scene->fixture, 5);
	/* One frame, which waits; nothing more is taken while it does. */
	assert_int_equal(scene_get_taken(scene), taken + 1);
	assert_int_equal(oriel_latch_get_pending_count(scene->view->primary.latch), 1);

	scene_paint_pixel(scene, 0, 1, 1, 0xffabcdef);
	scene_steer(scene, "vgpu/signal", "all");
	scene_step_until_taken(scene, taken + 1);
	check_screen_but(&scene->fixture, WIDTH, HEIGHT, 1, 1, 1, 0xabcdef);
	/* What was drawn between the fence and the first look since is looked at once. */
	scene_step_until_taken(scene, taken + 2);
	scene_stands_still(scene);
	scene_paint_pixel(scene, 0, 1, 1, 0xff111111);
	scene_step_until_taken(scene, taken + 3);
	scene_check_damage(scene, 0, 0, 64, 64);
}

/* buffers */

static void ids_that_come_back_are_opened_once(void **state) {
	struct scene *scene = *state;
	scene_add_page(scene, 1);
	scene_start_still(scene);
	for (int i = 0; i < 4; i++) {
		uint64_t taken = scene_get_taken(scene);
		scene_flip(scene, (i + 1) % 2);
		scene_step_until_taken(scene, taken + 1);
		scene_check_screen(scene, (i + 1) % 2 + 1);
	}
	assert_int_equal(test_vgpu_count(&scene->vgpu, "get"), 2);
}

static bool gets_have_failed(struct fixture *fixture, void *data) {
	return test_vgpu_count(&((struct scene *)data)->vgpu, "get") >= 5;
}

static void id_that_expires_leaves_the_last_picture_until_it_is_back(void **state) {
	struct scene *scene = *state;
	scene_add_page(scene, 1);
	scene_start_still(scene);
	scene_steer(scene, "vgpu/expire", "2");
	uint64_t taken = scene_get_taken(scene);
	scene_flip(scene, 1);
	fixture_step_until(&scene->fixture, gets_have_failed, scene);
	scene_check_screen(scene, 1);
	scene_add_page(scene, 1);
	scene_step_until_taken(scene, taken + 1);
	scene_check_screen(scene, 2);

	/* One that is in the cache goes on without being valid. */
	scene_steer(scene, "vgpu/expire", "all");
	scene_flip(scene, 0);
	scene_step_until_taken(scene, taken + 2);
	scene_check_screen(scene, 1);
}

static void new_id_with_each_query_stays_within_bounds(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	scene_steer(scene, "vgpu/primary", "churn=1");
	/* How many files a renderer has of a buffer is its own affair: only that they do not grow
	 * once the cache is full. */
	int fds_most = 0;
	uint64_t taken = scene_get_taken(scene);
	while (scene_get_taken(scene) < taken + 4 * ORIEL_BUFFER_CACHE_MAX) {
		fixture_step_refreshes(&scene->fixture, 1);
		/* The cache, the frame on screen, and the one on its way. */
		assert_true(test_vgpu_count(&scene->vgpu, "dmabufs") <= ORIEL_BUFFER_CACHE_MAX + 2);
		int fds = fds_count_open();
		if (scene_get_taken(scene) < taken + 2 * ORIEL_BUFFER_CACHE_MAX) {
			fds_most = fds > fds_most ? fds : fds_most;
		} else {
			assert_true(fds <= fds_most);
		}
	}
	assert_int_equal(oriel_source_get_state(scene->view->source), ORIEL_SOURCE_STATE_RUNNING);
	scene_steer(scene, "vgpu/primary", "churn=0");
	fixture_step_refreshes(&scene->fixture, 3);
	scene_check_screen(scene, 1);
	scene_stands_still(scene);
}

/* states */

static void plane_that_is_off_and_on_is_shown_again(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	scene_steer(scene, "vgpu/primary", "on=0");
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_OFF);
	scene_check_screen(scene, 1);
	scene_steer(scene, "vgpu/primary", "on=1");
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_RUNNING);
	scene_check_screen(scene, 1);
	scene_stands_still(scene);

	/* After its last frame went, the same picture is taken anew. */
	scene_steer(scene, "vgpu/primary", "on=0");
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_OFF);
	oriel_guest_view_blank(scene->view);
	fixture_step_refreshes(&scene->fixture, 2);
	assert_null(scene->view->primary.frame);
	uint64_t taken = scene_get_taken(scene);
	scene_steer(scene, "vgpu/primary", "on=1");
	scene_step_until_taken(scene, taken + 1);
	scene_check_screen(scene, 1);
	assert_int_equal(test_vgpu_count(&scene->vgpu, "get"), 1);
}

static void reset_turns_it_off_and_it_comes_back(void **state) {
	struct scene *scene = *state;
	scene->device_fd = test_vgpu_open(&scene->vgpu);
	assert_true(scene->device_fd >= 0);
	scene_start_still(scene);
	assert_int_equal(ioctl(scene->device_fd, VFIO_DEVICE_RESET), 0);
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_OFF);
	scene_check_screen(scene, 1);
	scene_add_page(scene, 2);
	uint64_t taken = scene_get_taken(scene);
	scene_flip(scene, 2);
	scene_step_until_taken(scene, taken + 1);
	scene_check_screen(scene, 3);
}

static void errors_that_stay_are_a_state_and_leave_the_last_picture(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	scene_steer(scene, "errors/query_primary", "14 repeat");
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_ERROR);
	scene_check_screen(scene, 1);
	scene_steer(scene, "errors/query_primary", "0");
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_RUNNING);
	scene_check_screen(scene, 1);
	scene_stands_still(scene);
}

/* The kernel makes whoever removes it wait until oriel has closed it. */
static void scene_remove_device(struct scene *scene) {
	char uuid[sizeof(scene->vgpu.uuid)];
	memcpy(uuid, scene->vgpu.uuid, sizeof(uuid));
	const char *const argv[] = { "/proc/self/exe", "remove", uuid, NULL };
	struct program program;
	program_start(&program, argv);
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_LOST);
	assert_int_equal(program_wait(&program), 0);
	program_finish(&program);
}

static void device_of_the_same_name_is_shown(struct scene *scene, bool is_region) {
	scene_remove_device(scene);
	scene_check_screen(scene, 1);

	char uuid[sizeof(scene->vgpu.uuid)];
	memcpy(uuid, scene->vgpu.uuid, sizeof(uuid));
	assert_int_equal(test_vgpu_finish(&scene->vgpu), 0);
	assert_int_equal(test_vgpu_init_as(&scene->vgpu, "small", uuid), 0);
	if (is_region) {
		scene_steer(scene, "vgpu/display", "dmabuf=0 region=1");
	}
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_OFF);
	scene_add_page(scene, 0);
	test_vgpu_paint(&scene->vgpu, 0, WIDTH, HEIGHT, STRIDE_BYTES, 7);
	uint64_t taken = scene_get_taken(scene);
	scene_flip(scene, 0);
	scene_step_until_taken(scene, taken + 1);
	scene_check_screen(scene, 7);
	assert_int_equal(oriel_source_get_state(scene->view->source), ORIEL_SOURCE_STATE_RUNNING);
}

static void device_that_was_removed_is_shown_when_it_is_back(void **state) {
	struct scene *scene = *state;
	scene_start_still(scene);
	for (int i = 0; i < 2; i++) {
		device_of_the_same_name_is_shown(scene, false);
		test_vgpu_paint(&scene->vgpu, 0, WIDTH, HEIGHT, STRIDE_BYTES, 1);
		scene_step_until_taken(scene, scene_get_taken(scene) + 1);
	}
}

/* regions */

static void scene_start_region(struct scene *scene, bool can_map) {
	scene_steer(scene, "vgpu/display", "dmabuf=0 region=1 region_size=%u region_mmap=%d",
			PAGE_BYTES, can_map);
	scene_start_still(scene);
}

static void region_is_shown(struct scene *scene, bool can_map) {
	scene_start_region(scene, can_map);
	scene_check_screen(scene, 1);
	scene_stands_still(scene);
	assert_int_equal(test_vgpu_count(&scene->vgpu, "mmap"), can_map ? 1 : 0);
	assert_int_equal(test_vgpu_count(&scene->vgpu, "vram_read") > 0, !can_map);
	assert_int_equal(test_vgpu_count(&scene->vgpu, "get"), 0);

	uint64_t taken = scene_get_taken(scene);
	scene_paint_pixel(scene, 0, 70, 10, 0xff123456);
	scene_step_until_taken(scene, taken + 1);
	scene_check_damage(scene, 64, 0, 128, 64);
	check_screen_but(&scene->fixture, WIDTH, HEIGHT, 1, 70, 10, 0x123456);
	scene_stands_still(scene);

	/* Another stride, and a picture that the region does not hold. */
	test_vgpu_paint(&scene->vgpu, 0, WIDTH, HEIGHT, WIDTH * 4, 2);
	assert_int_equal(test_vgpu_show(&scene->vgpu, 1, WIDTH, HEIGHT, WIDTH * 4), 0);
	scene_step_until_taken(scene, taken + 2);
	fixture_step_refreshes(&scene->fixture, 3);
	scene_check_screen(scene, 2);
	assert_int_equal(test_vgpu_show(&scene->vgpu, 1, 1024, HEIGHT, 4096), 0);
	scene_step_until_state(scene, ORIEL_SOURCE_STATE_ERROR);
	scene_check_screen(scene, 2);
	taken = scene_get_taken(scene);
	test_vgpu_paint(&scene->vgpu, 0, WIDTH, HEIGHT, STRIDE_BYTES, 3);
	scene_flip(scene, 0);
	scene_step_until_taken(scene, taken + 1);
	scene_check_screen(scene, 3);
}

static void region_that_is_mapped_is_shown(void **state) {
	region_is_shown(*state, true);
}

static void region_that_is_read_is_shown(void **state) {
	region_is_shown(*state, false);
}

/* A mapping of it ends at once: whoever reads it from then on gets SIGBUS. */
static void region_of_a_device_that_is_removed_stays_on_screen(void **state) {
	struct scene *scene = *state;
	scene_start_region(scene, true);
	device_of_the_same_name_is_shown(scene, true);
}

static void mdpy_is_shown(const char *type, int width, int height) {
	int fds_before = fds_count_open();
	char uuid[37], where[32];
	assert_int_equal(vgpu_mdev_create(type, uuid), 0);
	struct vgpu_guest *guest = vgpu_guest_open(uuid);
	assert_non_null(guest);
	assert_int_equal(vgpu_guest_set_mode(guest, width, height, width, 1), 0);
	vgpu_guest_paint(guest, 0, 5);

	struct scene scene = { .is_running = true };
	snprintf(where, sizeof(where), "fd:%d", vgpu_guest_get_device_fd(guest));
	fixture_start(&scene.fixture, width, height, "vfio", where);
	scene.view = fixture_get_view(&scene.fixture, "vgpu");
	fixture_step_until(&scene.fixture, frame_is_sampled, scene.view);
	check_screen_but(&scene.fixture, width, height, 5, -1, -1, 0);
	uint64_t taken = scene_get_taken(&scene);
	vgpu_guest_get_page(guest, 0, NULL)[width - 1] = 0x123456;
	scene_step_until_taken(&scene, taken + 1);
	scene_check_damage(&scene, (width - 1) / 64 * 64, 0, width, 64);
	check_screen_but(&scene.fixture, width, height, 5, width - 1, 0, 0x123456);
	assert_int_equal(scene_get_taken(&scene), taken + 1);

	fixture_finish(&scene.fixture);
	vgpu_guest_close(guest);
	assert_int_equal(vgpu_mdev_remove(uuid), 0);
	assert_int_equal(fds_count_open(), fds_before);
}

static void mdpy_vga_is_shown(void **state) {
	mdpy_is_shown("mdpy-vga", 640, 480);
}

static void mdpy_xga_is_shown(void **state) {
	mdpy_is_shown("mdpy-xga", 1024, 768);
}

static void mdpy_hd_is_shown(void **state) {
	mdpy_is_shown("mdpy-hd", 1920, 1080);
}

/*
 * What the source tells of a cursor plane, and of a device that is handed over. No compositor.
 */

struct listener {
	struct oriel_guest_frame *held[ORIEL_GUEST_PLANE_COUNT];
	unsigned int frames[ORIEL_GUEST_PLANE_COUNT];
	unsigned int moves;
	bool is_shown;
	struct oriel_guest_cursor cursor;
};

static bool listener_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return true;
}

static void listener_frame(void *data, struct oriel_guest_frame *take_frame) {
	struct listener *listener = data;
	enum oriel_guest_plane plane = take_frame->plane;
	oriel_guest_frame_destroy(listener->held[plane]);
	listener->held[plane] = take_frame;
	listener->frames[plane]++;
	if (plane == ORIEL_GUEST_PLANE_CURSOR) {
		listener->is_shown = true;
		listener->cursor = take_frame->cursor;
	}
}

static void listener_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	struct listener *listener = data;
	listener->moves++;
	listener->is_shown = cursor != NULL;
	if (cursor != NULL) {
		listener->cursor = *cursor;
	}
}

static void listener_state(void *data, enum oriel_source_state state) {}

static const struct oriel_source_consumer listener_impl = {
	.wants = listener_wants,
	.frame = listener_frame,
	.cursor = listener_cursor,
	.state = listener_state,
};

static void listener_finish(struct listener *listener, struct oriel_source *source) {
	for (size_t i = 0; i < ORIEL_GUEST_PLANE_COUNT; i++) {
		oriel_guest_frame_destroy(listener->held[i]);
	}
	oriel_source_destroy(source);
}

static void assert_cursor(const struct listener *listener, int x, int y, int hot_x, int hot_y) {
	assert_true(listener->is_shown);
	assert_int_equal(listener->cursor.x, x);
	assert_int_equal(listener->cursor.y, y);
	assert_int_equal(listener->cursor.has_hotspot, hot_x >= 0);
	if (hot_x >= 0) {
		assert_int_equal(listener->cursor.hot_x, hot_x);
		assert_int_equal(listener->cursor.hot_y, hot_y);
	}
}

/*
 * Polls until so many frames of the plane have come, and a look finds that it stands still. Looks at
 * pixels are as far apart as a tenth of a core allows, so that the first one need not.
 */
static void poll_until_still(struct oriel_source *source, const struct listener *listener,
		enum oriel_guest_plane plane, unsigned int frames) {
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	unsigned int before;
	do {
		before = listener->frames[plane];
		oriel_source_poll(source);
		clock_gettime(CLOCK_MONOTONIC, &end);
		assert_true(end.tv_sec - start.tv_sec <= FIXTURE_PATIENCE_S);
	} while (listener->frames[plane] < frames || listener->frames[plane] != before);
}

static void cursor_plane_is_told_of(void **state) {
	struct scene *scene = *state;
	scene_add_page(scene, 0);
	scene_flip(scene, 0);
	assert_int_equal(test_vgpu_add_buffer(&scene->vgpu, 10, PAGE_BYTES, 16384), 0);
	assert_int_equal(test_vgpu_add_buffer(&scene->vgpu, 11, 2 * PAGE_BYTES, 16384), 0);
	struct listener listener = { 0 };
	struct oriel_source *source =
			oriel_source_create(NULL, "vgpu", "vfio", scene->vgpu.uuid, NULL);
	assert_non_null(source);
	oriel_source_set_consumer(source, &listener_impl, &listener);
	poll_until_still(source, &listener, ORIEL_GUEST_PLANE_PRIMARY, 1);
	unsigned int primary_frames = listener.frames[ORIEL_GUEST_PLANE_PRIMARY];
	assert_int_equal(listener.frames[ORIEL_GUEST_PLANE_CURSOR], 0);

	scene_steer(scene, "vgpu/cursor",
			"on=1 format=AR24 width=64 height=64 stride=256 size=16384 id=10 x=-5 y=7");
	poll_until_still(source, &listener, ORIEL_GUEST_PLANE_CURSOR, 1);
	unsigned int frames = listener.frames[ORIEL_GUEST_PLANE_CURSOR];
	assert_cursor(&listener, -5, 7, -1, -1);

	/* Moved, with a hotspot; hidden, and there again: all of one picture. */
	scene_steer(scene, "vgpu/cursor", "x=100 hot_x=63 hot_y=0");
	oriel_source_poll(source);
	oriel_source_poll(source);
	assert_int_equal(listener.moves, 1);
	assert_cursor(&listener, 100, 7, 63, 0);
	scene_steer(scene, "vgpu/cursor", "on=0");
	oriel_source_poll(source);
	assert_false(listener.is_shown);
	scene_steer(scene, "vgpu/cursor", "on=1");
	oriel_source_poll(source);
	assert_int_equal(listener.moves, 3);
	assert_cursor(&listener, 100, 7, 63, 0);
	assert_int_equal(listener.frames[ORIEL_GUEST_PLANE_CURSOR], frames);

	/* Drawn into, and another one with a writer that is late. */
	scene->vgpu.vram[PAGE_BYTES]++;
	poll_until_still(source, &listener, ORIEL_GUEST_PLANE_CURSOR, frames + 1);
	frames = listener.frames[ORIEL_GUEST_PLANE_CURSOR];
	scene_steer(scene, "vgpu/cursor", "id=11 fence=held");
	oriel_source_poll(source);
	assert_int_equal(listener.frames[ORIEL_GUEST_PLANE_CURSOR], frames + 1);
	scene_steer(scene, "vgpu/signal", "all");

	/* What fails there is not the primary plane's. */
	scene_steer(scene, "errors/query_cursor", "5 22 25 12 repeat");
	oriel_source_poll(source);
	oriel_source_poll(source);
	assert_int_equal(listener.frames[ORIEL_GUEST_PLANE_PRIMARY], primary_frames);
	scene_paint_pixel(scene, 0, 0, 0, 0xff123456);
	poll_until_still(source, &listener, ORIEL_GUEST_PLANE_PRIMARY, primary_frames + 1);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_RUNNING);
	assert_true(listener.is_shown);
	listener_finish(&listener, source);
}

static void device_that_is_handed_over_is_shown_until_its_machine_ends(void **state) {
	struct scene *scene = *state;
	scene_add_page(scene, 0);
	scene_flip(scene, 0);
	struct listener listener = { 0 };
	struct oriel_source *source = oriel_source_create(NULL, "vgpu", "vfio", "handover", NULL);
	assert_non_null(source);
	oriel_source_set_consumer(source, &listener_impl, &listener);
	oriel_source_poll(source);
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	for (unsigned int i = 1; i <= 2; i++) {
		int device_fd = test_vgpu_open(&scene->vgpu);
		assert_true(device_fd >= 0);
		assert_true(oriel_source_adopt(source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, device_fd));
		oriel_source_poll(source);
		assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_RUNNING);
		assert_int_equal(listener.frames[ORIEL_GUEST_PLANE_PRIMARY], i);
		oriel_source_end(source);
		assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_LOST);
		oriel_source_poll(source);
	}
	listener_finish(&listener, source);
}

/* remove UUID */
static int run_remove(const char *uuid) {
	return vgpu_mdev_remove(uuid) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

#define PLANES_TESTS                                                                               \
	TEST(paint_of_one_tile_is_one_frame_of_it),                                                \
			TEST(late_writer_of_the_shown_buffer_is_waited_for),                       \
			TEST(ids_that_come_back_are_opened_once),                                  \
			TEST(id_that_expires_leaves_the_last_picture_until_it_is_back),            \
			TEST(new_id_with_each_query_stays_within_bounds),                          \
			TEST(plane_that_is_off_and_on_is_shown_again),                             \
			TEST(reset_turns_it_off_and_it_comes_back),                                \
			TEST(errors_that_stay_are_a_state_and_leave_the_last_picture),             \
			TEST(device_that_was_removed_is_shown_when_it_is_back),                    \
			TEST(region_that_is_mapped_is_shown), TEST(region_that_is_read_is_shown),  \
			TEST(region_of_a_device_that_is_removed_stays_on_screen),                  \
			cmocka_unit_test(mdpy_vga_is_shown), TEST(cursor_plane_is_told_of),        \
			TEST(device_that_is_handed_over_is_shown_until_its_machine_ends)

int main(int argc, char *argv[]) {
	if (argc == 3 && strcmp(argv[1], "remove") == 0) {
		return run_remove(argv[2]);
	}
	/* The large ones are read as the small one is, and a software GPU draws them for a minute. */
	const struct CMUnitTest vulkan_tests[] = { PLANES_TESTS };
	const struct CMUnitTest tests[] = {
		PLANES_TESTS,
		cmocka_unit_test(mdpy_xga_is_shown),
		cmocka_unit_test(mdpy_hd_is_shown),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const char *renderer = getenv("WLR_RENDERER");
	if (renderer != NULL && strcmp(renderer, "vulkan") == 0) {
		return cmocka_run_group_tests(vulkan_tests, fixture_warm_up, NULL);
	}
	return cmocka_run_group_tests(tests, fixture_warm_up, NULL);
}
