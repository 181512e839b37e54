/*
 * A machine under QEMU on screen, with the whole compositor above and a fake QEMU below: which pixels, in
 * every frame that is composed, and when QEMU is answered.
 */
#include <drm_fourcc.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fake_qemu.h"
#include "guest/source.h"
#include "output/output.h"
#include "screen_rig.h"
#include "screen_watch.h"
#include "screenshot.h"
#include "view/guest_view.h"
#include "xdg_client.h"

#define CONFIG                                                                                     \
	"output OUTPUT-1 {\n\tmode 96x64\n}\n"                                                     \
	"guest win {\n\tsource qemu handover\n}\n"

/* --- each way in ------------------------------------------------------------------------------ */

static void pictures_of_all_kinds_are_exact_and_follow_each_other(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	uint8_t *map, *dmabuf;
	int map_fd = rig_make_memory(SIZE_BYTES + 4096, &map);
	int dmabuf_fd = rig_make_memory(SIZE_BYTES * 4, &dmabuf);
	for (uint32_t seed = 1; seed < 12; seed += 4) {
		rig_send_bytes(&rig, seed);
		rig_wait_for_frames(&rig, 1);
		rig_assert_shows(&rig, seed);

		picture_draw(map + 4096, STRIDE_BYTES, WIDTH, HEIGHT, seed + 1);
		fake_display_scanout_map(
				&rig.display, map_fd, 4096, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT);
		fake_display_update_map(&rig.display, 0, 0, 1, 1);
		rig_wait_for_frames(&rig, 1);
		rig_assert_shows(&rig, seed + 1);

		picture_draw(dmabuf, STRIDE_BYTES, WIDTH, HEIGHT, seed + 2);
		fake_display_scanout_dmabuf(&rig.display, dmabuf_fd, WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
		fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
		rig_wait_for_frames(&rig, 1);
		rig_assert_shows(&rig, seed + 2);

		/* A part of a larger one, whose rows come the other way round. */
		for (int y = 0; y < HEIGHT; y++) {
			uint32_t *row = (uint32_t *)(dmabuf + (size_t)(y + 10) * STRIDE_BYTES * 2) +
					20;
			for (int x = 0; x < WIDTH; x++) {
				row[x] = picture_get(x, HEIGHT - 1 - y, seed + 3);
			}
		}
		struct fake_display_dmabuf part = {
			.fds = { dmabuf_fd },
			.strides = { STRIDE_BYTES * 2 },
			.fd_count = 1,
			.offset_count = 1,
			.stride_count = 1,
			.plane_count = 1,
			.x = 20,
			.y = 10,
			.width = WIDTH,
			.height = HEIGHT,
			.backing_width = WIDTH * 2,
			.backing_height = HEIGHT * 2,
			.fourcc = DRM_FORMAT_ARGB8888,
			.modifier = DRM_FORMAT_MOD_INVALID,
			.y0_top = true,
		};
		fake_display_scanout_dmabuf2(&rig.display, &part);
		fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
		rig_wait_for_frames(&rig, 1);
		rig_assert_shows(&rig, seed + 3);
	}
	munmap(map, SIZE_BYTES + 4096);
	munmap(dmabuf, SIZE_BYTES * 4);
	close(map_fd);
	close(dmabuf_fd);
	rig_finish(&rig);
}

/* Damage of a cropped, turned buffer that is off by a row would leave an old one. */
static void update_of_a_turned_part_redraws_what_has_changed(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	uint8_t *data;
	int fd = rig_make_memory(SIZE_BYTES * 4, &data);
	uint32_t *pixels = (uint32_t *)data;
	struct fake_display_dmabuf part = {
		.fds = { fd },
		.strides = { STRIDE_BYTES * 2 },
		.fd_count = 1,
		.offset_count = 1,
		.stride_count = 1,
		.plane_count = 1,
		.x = 20,
		.y = 10,
		.width = WIDTH,
		.height = HEIGHT,
		.backing_width = WIDTH * 2,
		.backing_height = HEIGHT * 2,
		.fourcc = DRM_FORMAT_XRGB8888,
		.y0_top = true,
	};
	fake_display_scanout_dmabuf2(&rig.display, &part);
	fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
	rig_wait_for_frames(&rig, 1);
	static const struct {
		int x, y, width, height;
	} boxes[] = { { 0, 0, 1, 1 }, { 95, 63, 1, 1 }, { 10, 5, 20, 3 }, { 0, 40, 96, 1 } };
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		for (int y = boxes[i].y; y < boxes[i].y + boxes[i].height; y++) {
			for (int x = boxes[i].x; x < boxes[i].x + boxes[i].width; x++) {
				pixels[(10 + HEIGHT - 1 - y) * WIDTH * 2 + 20 + x] = 0x123456;
			}
		}
		fake_display_update_dmabuf(&rig.display, boxes[i].x, boxes[i].y, boxes[i].width,
				boxes[i].height);
		rig_wait_for_frames(&rig, 1);
		struct screenshot screenshot = screenshot_take(&rig.fixture, rig.view->output->name);
		for (int y = 0; y < HEIGHT; y++) {
			for (int x = 0; x < WIDTH; x++) {
				assert_int_equal(screenshot_get_pixel(&screenshot, x, y),
						pixels[(10 + HEIGHT - 1 - y) * WIDTH * 2 + 20 + x]);
			}
		}
		screenshot_finish(&screenshot);
	}
	munmap(data, SIZE_BYTES * 4);
	close(fd);
	rig_finish(&rig);
}

/* --- flips ------------------------------------------------------------------------------------ */

#define FLIPS 100

/* All of a frame is one of these. */
struct flips {
	uint32_t colours[2];
	unsigned frames[2];
};

static void check_flip(const struct screenshot *frame, void *data) {
	struct flips *flips = data;
	uint32_t colour = screenshot_get_pixel(frame, 0, 0);
	int which = colour == flips->colours[0] ? 0 : 1;
	assert_int_equal(colour, flips->colours[which]);
	for (int y = 0; y < frame->height; y++) {
		for (int x = 0; x < frame->width; x++) {
			assert_int_equal(screenshot_get_pixel(frame, x, y), colour);
		}
	}
	flips->frames[which]++;
}

static void fill(uint8_t *data, size_t size_bytes, uint32_t colour) {
	for (size_t i = 0; i < size_bytes / 4; i++) {
		((uint32_t *)data)[i] = colour;
	}
}

/*
 * As a virtio-gpu guest flips with blob=on: QEMU's own texture first, then the buffer, then word that the
 * buffer before it is gone, in the form of a display that is switched off.
 */
static void flips_with_placeholders_and_disables_show_nothing_else(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	struct flips flips = { .colours = { 0x00c000, 0x0000c0 } };
	uint8_t *data[2], *placeholder;
	const int fds[] = { rig_make_memory(SIZE_BYTES, &data[0]),
		rig_make_memory(SIZE_BYTES, &data[1]) };
	int placeholder_fd = rig_make_memory(SIZE_BYTES, &placeholder);
	fill(data[0], SIZE_BYTES, flips.colours[0]);
	fill(data[1], SIZE_BYTES, flips.colours[1]);
	struct screen_watch watch = { 0 };
	for (unsigned i = 0; i < FLIPS; i++) {
		fake_display_scanout_dmabuf(&rig.display, placeholder_fd, WIDTH, HEIGHT,
				STRIDE_BYTES, DRM_FORMAT_XBGR8888, DRM_FORMAT_MOD_LINEAR, false);
		if (i % 3 == 0) {
			rig_settle(&rig);
		}
		fake_display_scanout_dmabuf(&rig.display, fds[i % 2], WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_INVALID, false);
		fake_display_disable(&rig.display);
		if (i % 3 == 1) {
			rig_settle(&rig);
		}
		fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
		rig_wait_for_frames(&rig, 1);
		if (i == 0) {
			screen_watch_begin(&watch, rig.view->output, check_flip, &flips);
		}
	}
	screen_watch_end(&watch);
	assert_int_equal(flips.frames[0] + flips.frames[1], watch.frames);
	assert_true(flips.frames[0] >= FLIPS / 2 - 1 && flips.frames[1] >= FLIPS / 2);
	assert_int_equal(rig.view->stats.rejected, 0);
	for (int i = 0; i < 2; i++) {
		munmap(data[i], SIZE_BYTES);
		close(fds[i]);
	}
	munmap(placeholder, SIZE_BYTES);
	close(placeholder_fd);
	rig_finish(&rig);
}

static void switches_of_mode_show_nothing_else(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	struct flips flips = { .colours = { 0xc00000, 0xc0c000 } };
	static uint8_t bytes[STRIDE_BYTES * HEIGHT];
	uint8_t *data, *placeholder;
	int fd = rig_make_memory(SIZE_BYTES, &data),
	    placeholder_fd = rig_make_memory(SIZE_BYTES, &placeholder);
	fill(data, SIZE_BYTES, flips.colours[0]);
	fill(bytes, SIZE_BYTES, flips.colours[1]);
	struct screen_watch watch = { 0 };
	for (unsigned i = 0; i < FLIPS; i++) {
		for (unsigned j = 0; j < 3; j++) {
			fake_display_scanout_map(&rig.display, placeholder_fd, 0, WIDTH, HEIGHT,
					STRIDE_BYTES, FORMAT);
		}
		if (i % 4 == 0) {
			rig_settle(&rig);
		}
		if (i % 2 == 0) {
			fake_display_scanout_map(
					&rig.display, fd, 0, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT);
			fake_display_update_map(&rig.display, 0, 0, WIDTH, 8);
		} else {
			fake_display_scanout(&rig.display, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT,
					bytes, SIZE_BYTES);
		}
		rig_wait_for_frames(&rig, 1);
		if (i == 0) {
			screen_watch_begin(&watch, rig.view->output, check_flip, &flips);
		}
	}
	screen_watch_end(&watch);
	assert_true(flips.frames[0] >= FLIPS / 2 - 1 && flips.frames[1] >= FLIPS / 2);
	munmap(data, SIZE_BYTES);
	munmap(placeholder, SIZE_BYTES);
	close(fd);
	close(placeholder_fd);
	rig_finish(&rig);
}

/* --- when ------------------------------------------------------------------------------------- */

static void update_is_answered_once_it_is_composed(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	uint8_t *data;
	int fd = rig_make_memory(SIZE_BYTES, &data);
	fake_display_scanout_dmabuf(&rig.display, fd, WIDTH, HEIGHT, STRIDE_BYTES,
			DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
	for (unsigned i = 1; i <= 20; i++) {
		fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
		rig_wait_for_answers(&rig, i);
		assert_int_equal(rig.view->stats.shown, i);
		assert_int_equal(rig.display.errors, 0);
	}
	munmap(data, SIZE_BYTES);
	close(fd);
	rig_finish(&rig);
}

static void update_that_nobody_sees_is_answered_all_the_same(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	uint8_t *data;
	int fd = rig_make_memory(SIZE_BYTES, &data);
	oriel_guest_view_set_output(rig.view, NULL, NULL);
	fake_display_scanout_dmabuf(&rig.display, fd, WIDTH, HEIGHT, STRIDE_BYTES,
			DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
	fake_display_update_dmabuf(&rig.display, 0, 0, WIDTH, HEIGHT);
	rig_wait_for_answers(&rig, 1);
	assert_int_equal(rig.view->stats.shown, 0);
	munmap(data, SIZE_BYTES);
	close(fd);
	rig_finish(&rig);
}

static void guest_that_stands_still_is_not_looked_at(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	rig_send_bytes(&rig, 1);
	rig_wait_for_frames(&rig, 1);
	rig_assert_shows(&rig, 1);
	uint64_t polls = oriel_source_get_counters(rig.view->source).polls;
	for (int i = 0; i < 20; i++) {
		rig_send_bytes(&rig, 1);
		rig_settle(&rig);
		fixture_step_refreshes(&rig.fixture, 1);
	}
	assert_int_equal(oriel_source_get_counters(rig.view->source).polls, polls);
	rig_send_bytes(&rig, 2);
	rig_wait_for_frames(&rig, 1);
	assert_int_equal(oriel_source_get_counters(rig.view->source).polls, polls + 1);
	rig_finish(&rig);
}

/* A frame of which nothing is to be seen is not drawn, and must not be waited for. */
static void guest_that_draws_behind_a_window_goes_on_beside_it(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	rig_send_bytes(&rig, 1);
	rig_wait_for_frames(&rig, 1);
	struct xdg_client *client = xdg_client_create(&rig.fixture);
	struct xdg_window *window = xdg_window_create(client);
	xdg_window_show(window, 40, 10, 0x336699);
	struct screenshot screenshot = screenshot_take(&rig.fixture, rig.view->output->name);
	int x = 0, y = 0; /* where the window is */
	while (screenshot_get_pixel(&screenshot, x, y) != 0x336699) {
		x = (x + 1) % WIDTH;
		y += x == 0;
	}
	screenshot_finish(&screenshot);
	for (uint32_t i = 0; i < 10; i++) {
		const uint32_t pixel = i;
		fake_display_update(
				&rig.display, x + 2, y + 2, 1, 1, 4, FORMAT, &pixel, sizeof(pixel));
		rig_settle(&rig);
		fixture_step_refreshes(&rig.fixture, 1);
		/* Nothing else may draw here: a frame of all would be one of this. */
		uint64_t shown = rig.view->stats.shown;
		fake_display_update(&rig.display, 0, 0, 1, 1, 4, FORMAT, &pixel, sizeof(pixel));
		rig_wait_for_frames(&rig, 1);
		assert_true(rig.view->stats.shown > shown);
		for (int j = 0; j < 4; j++) {
			const uint32_t other = 100 * i + (uint32_t)j;
			fake_display_update(&rig.display, x + 3, y + 3, 1, 1, 4, FORMAT, &other,
					sizeof(other));
			rig_settle(&rig);
			fixture_step_refreshes(&rig.fixture, 1);
		}
	}
	xdg_window_destroy(window);
	xdg_client_destroy(client);
	rig_finish(&rig);
}

static void flood_leaves_the_other_guests_rate_alone(void **state) {
	struct rig rig;
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	rig_init(&rig,
			"output OUTPUT-1 {\n\tmode 96x64\n}\n"
			"output OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest win {\n\tsource qemu handover\n\toutput OUTPUT-1\n}\n"
			"guest other {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	unsetenv("WLR_HEADLESS_OUTPUTS");
	const struct oriel_guest_view *other = fixture_get_view(&rig.fixture, "other");
	fixture_step_output_refreshes(&rig.fixture, other->output->name, 3);
	uint64_t taken = oriel_source_get_counters(other->source).taken;
	const uint32_t pixel = 0;
	uint8_t *data;
	int fd = rig_make_memory(SIZE_BYTES, &data);
	for (unsigned i = 0; i < 50; i++) {
		/* 10,000 calls, all that there are, in a mess. */
		for (unsigned j = 0; j < 25; j++) {
			rig_send_bytes(&rig, j);
			fake_display_scanout_map(&rig.display, fd, 0, WIDTH, HEIGHT + (j & 1),
					STRIDE_BYTES, FORMAT);
			fake_display_update_map(&rig.display, (int)j, 0, 5, 5);
			fake_display_scanout_dmabuf(
					&rig.display, fd, WIDTH, HEIGHT, STRIDE_BYTES, j, j, j & 1);
			fake_display_update_dmabuf(&rig.display, 0, 0, (int)j, (int)j);
			fake_display_cursor_define(
					&rig.display, 1, (int)j & 1, 0, 0, &pixel, sizeof(pixel));
			fake_display_mouse_set(&rig.display, (int)j, (int)i, j & 2);
			fake_display_disable(&rig.display);
		}
		fake_display_step(&rig.display);
		fixture_step_output_refreshes(&rig.fixture, other->output->name, 1);
	}
	/* The first of these refreshes may have been under way. */
	uint64_t more = oriel_source_get_counters(other->source).taken - taken;
	assert_uint_in_range(more, 49, 51);
	rig_settle(&rig);
	rig_send_bytes(&rig, 7);
	rig_wait_for_frames(&rig, 1);
	rig_assert_shows(&rig, 7);
	munmap(data, SIZE_BYTES);
	close(fd);
	rig_finish(&rig);
}

/* --- what it costs ---------------------------------------------------------------------------- */

#define COST_WIDTH 1280
#define COST_HEIGHT 720
#define COST_STRIDE_BYTES (COST_WIDTH * 4)
#define COST_FRAMES 60

static double get_cpu_s(void) {
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Of a whole picture that changes with every frame, QEMU's side, which is in this process, included. */
static void frames_cost_what_is_printed(void **state) {
	struct rig rig;
	rig_init(&rig,
			"output OUTPUT-1 {\n\tmode 1280x720\n}\n"
			"guest win {\n\tsource qemu handover\n}\n");
	const size_t size_bytes = (size_t)COST_STRIDE_BYTES * COST_HEIGHT;
	uint8_t *data;
	int fd = rig_make_memory(size_bytes, &data);
	static const char *const paths[] = { "bytes", "map", "dma-buf, by the CPU" };
	for (int path = 0; path < 3; path++) {
		double cpu_s = get_cpu_s();
		for (unsigned i = 0; i < COST_FRAMES; i++) {
			fill(data, size_bytes, i * 0x010203);
			if (path == 0) {
				fake_display_scanout(&rig.display, COST_WIDTH, COST_HEIGHT,
						COST_STRIDE_BYTES, FORMAT, data, size_bytes);
			} else if (path == 1) {
				if (i == 0) {
					fake_display_scanout_map(&rig.display, fd, 0, COST_WIDTH,
							COST_HEIGHT, COST_STRIDE_BYTES, FORMAT);
				}
				fake_display_update_map(&rig.display, 0, 0, COST_WIDTH, COST_HEIGHT);
			} else {
				if (i == 0) {
					fake_display_scanout_dmabuf(&rig.display, fd, COST_WIDTH,
							COST_HEIGHT, COST_STRIDE_BYTES,
							DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR,
							false);
				}
				fake_display_update_dmabuf(
						&rig.display, 0, 0, COST_WIDTH, COST_HEIGHT);
			}
			rig_wait_for_frames(&rig, 1);
		}
		cpu_s = get_cpu_s() - cpu_s;
		print_message("# %s: %.2f s of CPU for 1,000 frames of %dx%d\n", paths[path],
				cpu_s * 1000 / COST_FRAMES, COST_WIDTH, COST_HEIGHT);
	}
	munmap(data, size_bytes);
	close(fd);
	rig_finish(&rig);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool state_is(struct fixture *fixture, void *data) {
	const struct rig *rig = data;
	return oriel_source_get_state(rig->view->source) == ORIEL_SOURCE_STATE_LOST;
}

static void machine_that_ends_and_comes_back_keeps_its_picture_until_the_next(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	rig_send_bytes(&rig, 1);
	rig_wait_for_frames(&rig, 1);
	fake_display_finish(&rig.display);
	fake_qemu_quit(rig.machine);
	fixture_step_until(&rig.fixture, state_is, &rig);
	rig_assert_shows(&rig, 1);
	fake_qemu_start(rig.machine);
	assert_true(oriel_source_adopt(rig.view->source, ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
			fake_qemu_hand_over_display(rig.machine)));
	rig_wait_for_listener(&rig);
	assert_int_equal(oriel_source_get_state(rig.view->source), ORIEL_SOURCE_STATE_RESTARTED);
	rig_assert_shows(&rig, 1);
	rig_send_bytes(&rig, 2);
	rig_wait_for_frames(&rig, 1);
	rig_assert_shows(&rig, 2);
	assert_int_equal(oriel_source_get_state(rig.view->source), ORIEL_SOURCE_STATE_RUNNING);
	rig_finish(&rig);
}

/* A mode whose Scanout QEMU forgot. */
static void update_that_does_not_fit_gets_another_listener(void **state) {
	struct rig rig;
	rig_init(&rig, CONFIG);
	rig_send_bytes(&rig, 1);
	rig_wait_for_frames(&rig, 1);
	static const uint8_t row[(WIDTH + 1) * 4];
	fake_display_update(&rig.display, 0, 0, WIDTH + 1, 1, sizeof(row), FORMAT, row, sizeof(row));
	rig_settle(&rig);
	struct fake_display before = rig.display;
	rig_wait_for_listener(&rig);
	fake_display_finish(&before);
	rig_assert_shows(&rig, 1);
	rig_send_bytes(&rig, 2);
	rig_wait_for_frames(&rig, 1);
	rig_assert_shows(&rig, 2);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_of_all_kinds_are_exact_and_follow_each_other),
		cmocka_unit_test(update_of_a_turned_part_redraws_what_has_changed),
		cmocka_unit_test(flips_with_placeholders_and_disables_show_nothing_else),
		cmocka_unit_test(switches_of_mode_show_nothing_else),
		cmocka_unit_test(update_is_answered_once_it_is_composed),
		cmocka_unit_test(update_that_nobody_sees_is_answered_all_the_same),
		cmocka_unit_test(guest_that_stands_still_is_not_looked_at),
		cmocka_unit_test(guest_that_draws_behind_a_window_goes_on_beside_it),
		cmocka_unit_test(flood_leaves_the_other_guests_rate_alone),
		cmocka_unit_test(frames_cost_what_is_printed),
		cmocka_unit_test(machine_that_ends_and_comes_back_keeps_its_picture_until_the_next),
		cmocka_unit_test(update_that_does_not_fit_gets_another_listener),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
