/*
 * A guest's own cursor is on the screen, pixel by pixel and once, whichever way it gets there. The
 * same cases are run in every set-up of tests/vm/run. What a client captures is the output's
 * picture; where the cursor is on KMS's cursor plane, it must not be in that, and what the kernel
 * has on the plane is looked at instead.
 *
 * The texts in place of a guest's picture are looked at here, too.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fake_sink.h"
#include "fds.h"
#include "fixture.h"
#include "guest/source.h"
#include "input.h"
#include "input/seat.h"
#include "kms.h"
#include "output/output.h"
#include "screenshot.h"
#include "server.h"
#include "test_vgpu.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define GUESTS_MAX 2

/* The video memory: the primary plane's picture, and from an offset on the cursor's. */
#define PRIMARY_ID 1
#define CURSOR_ID 10
#define CURSOR_COUNT 2
#define CURSOR_SIZE 32
#define CURSOR_STRIDE_BYTES (40 * 4)
#define CURSOR_OFFSET (2u << 20)
#define CURSOR_BUFFER_BYTES (2u * 4096u)

struct guest {
	struct test_vgpu vgpu; /* no UUID: it is not there */
	int device_fd;
	int width, height; /* of the primary plane's picture; 0: it is off */
};

struct display {
	struct fixture fixture;
	bool is_running; /* the fixture is up */
	struct input input; /* the case's that plugs it */
	struct guest guests[GUESTS_MAX];
	struct wl_listener commit;
	int commits;
	pixman_region32_t damage; /* of those commits */
	int fds_before;
};

static const char *const guest_names[GUESTS_MAX] = { "a", "b" };

/* Of every output: what every card can show, or less where all is drawn by an emulated CPU. */
static int screen_width, screen_height;

static bool set_up_is(const char *set_up) {
	return strcmp(getenv("ORIEL_SETUP"), set_up) == 0;
}

/* The set-ups in which a cursor can be on a cursor plane. */
static bool has_plane(void) {
	return set_up_is("vkms-pixman") || set_up_is("virtio-gles2");
}

static int display_setup(void **state) {
	struct display *display = calloc(1, sizeof(*display));
	if (display == NULL) {
		return -1;
	}
	display->fds_before = fds_count_open();
	for (int i = 0; i < GUESTS_MAX; i++) {
		display->guests[i].device_fd = -1;
	}
	wl_list_init(&display->commit.link);
	pixman_region32_init(&display->damage);
	*state = display;
	return 0;
}

static int display_teardown(void **state) {
	struct display *display = *state;
	int ret = 0;
	wl_list_remove(&display->commit.link);
	if (display->is_running) {
		fixture_finish(&display->fixture);
	}
	for (int i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &display->guests[i];
		if (guest->device_fd >= 0) {
			int dmabufs = test_vgpu_count(&guest->vgpu, "dmabufs");
			if (dmabufs != 0) {
				print_error("%d of %s's dma-bufs are left\n", dmabufs,
						guest_names[i]);
				ret = -1;
			}
			close(guest->device_fd);
		}
	}
	int fds = fds_count_open();
	if (fds != display->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", display->fds_before, fds);
		ret = -1;
	}
	for (int i = 0; i < GUESTS_MAX && fds == display->fds_before; i++) {
		if (display->guests[i].vgpu.uuid[0] != '\0' &&
				test_vgpu_finish(&display->guests[i].vgpu) != 0) {
			ret = -1;
		}
	}
	pixman_region32_fini(&display->damage);
	free(display);
	return ret;
}

/* --- the guest -------------------------------------------------------------------------------- */

/* ARGB8888 with alpha multiplied in: a corner is left out, and the right edge is half transparent. */
static uint32_t cursor_get_pixel(uint32_t seed, int x, int y) {
	if (x < 0 || y < 0 || x >= CURSOR_SIZE || y >= CURSOR_SIZE || x + y < 8) {
		return 0;
	}
	uint32_t colour = vgpu_picture_pixel(x, y, CURSOR_SIZE, CURSOR_SIZE, seed);
	return x < CURSOR_SIZE - 8 ? 0xff000000 | colour : 0x80000000 | ((colour >> 1) & 0x7f7f7f);
}

static void guest_paint_cursor(struct guest *guest, int index, uint32_t seed) {
	size_t offset = CURSOR_OFFSET + (size_t)index * CURSOR_BUFFER_BYTES;
	for (int y = 0; y < CURSOR_SIZE; y++) {
		uint32_t *row = (uint32_t *)(void *)(guest->vgpu.vram + offset +
				(size_t)y * CURSOR_STRIDE_BYTES);
		for (int x = 0; x < CURSOR_STRIDE_BYTES / 4; x++) {
			/* Padding that would be seen. */
			row[x] = x < CURSOR_SIZE ? cursor_get_pixel(seed, x, y) : 0xffff00ff;
		}
	}
}

static void guest_show_cursor(struct guest *guest, int index, int x, int y) {
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor",
					 "on=1 format=AR24 width=%d height=%d stride=%d size=%d "
					 "id=%d x=%d y=%d",
					 CURSOR_SIZE, CURSOR_SIZE, CURSOR_STRIDE_BYTES,
					 CURSOR_SIZE * CURSOR_STRIDE_BYTES, CURSOR_ID + index, x, y),
			0);
}

static void guest_move_cursor(struct guest *guest, int x, int y) {
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "x=%d y=%d", x, y), 0);
}

static void guest_set_mode(struct guest *guest, int width, int height, uint32_t seed) {
	guest->width = width;
	guest->height = height;
	test_vgpu_paint(&guest->vgpu, 0, width, height, width * 4, seed);
	assert_int_equal(test_vgpu_show(&guest->vgpu, PRIMARY_ID, width, height, width * 4), 0);
}

/* A guest whose display is off. Its cursors have seeds of 100 and 101. */
static struct guest *display_add_guest(struct display *display, int index) {
	struct guest *guest = &display->guests[index];
	assert_int_equal(test_vgpu_init(&guest->vgpu, "small"), 0);
	guest->device_fd = test_vgpu_open(&guest->vgpu);
	assert_true(guest->device_fd >= 0);
	assert_int_equal(test_vgpu_add_buffer(&guest->vgpu, PRIMARY_ID, 0, CURSOR_OFFSET), 0);
	for (int i = 0; i < CURSOR_COUNT; i++) {
		assert_int_equal(test_vgpu_add_buffer(&guest->vgpu, (uint32_t)(CURSOR_ID + i),
						 CURSOR_OFFSET + (unsigned)i * CURSOR_BUFFER_BYTES,
						 CURSOR_BUFFER_BYTES),
				0);
		guest_paint_cursor(guest, i, 100 + (uint32_t)i);
	}
	return guest;
}

/* --- oriel ------------------------------------------------------------------------------------ */

static struct oriel_guest_view *display_get_view(struct display *display, int index) {
	return fixture_get_view(&display->fixture, guest_names[index]);
}

static const char *display_get_output_name(struct display *display, int index) {
	return display_get_view(display, index)->output->name;
}

/* What was drawn for this commit. */
static void display_handle_commit(struct wl_listener *listener, void *data) {
	struct display *display = wl_container_of(listener, display, commit);
	const struct wlr_output_event_commit *event = data;
	if (!(event->state->committed & WLR_OUTPUT_STATE_BUFFER)) {
		return;
	}
	display->commits++;
	if (event->state->committed & WLR_OUTPUT_STATE_DAMAGE) {
		pixman_region32_union(&display->damage, &display->damage, &event->state->damage);
	}
	/* The cursor is in it once: as a node, or on the plane. wlroots draws what is neither. */
	const struct oriel_guest_view_cursor *cursor = &display_get_view(display, 0)->cursor;
	const struct wlr_output *output = event->output;
	const struct wlr_output_cursor *output_cursor = cursor->hardware.output_cursor;
	bool is_node = cursor->plane.scene_buffer->node.enabled;
	assert_int_equal(cursor->is_visible, is_node + (output_cursor != NULL));
	assert_true(output_cursor == NULL || output->hardware_cursor == output_cursor);
	const struct wlr_output_cursor *other;
	wl_list_for_each(other, &output->cursors, link) {
		assert_true(other == output_cursor || output_cursor == NULL || !other->enabled);
	}
}

/* Each guest is on an output of its own. */
static void display_start(struct display *display) {
	char first_output[KMS_NAME_SIZE];
	kms_get_output_name(first_output);
	const char *const outputs[GUESTS_MAX] = { first_output, "OUTPUT-2" };
	char *config_text;
	size_t size;
	FILE *stream = open_memstream(&config_text, &size);
	assert_non_null(stream);
	for (int i = 0; i < GUESTS_MAX; i++) {
		if (display->guests[i].device_fd >= 0) {
			fprintf(stream, "output %s {\n\tmode %dx%d\n}\n", outputs[i], screen_width,
					screen_height);
			fprintf(stream, "guest %s {\n\tsource vfio fd:%d\n\toutput %s\n}\n",
					guest_names[i], display->guests[i].device_fd, outputs[i]);
		}
	}
	assert_int_equal(fclose(stream), 0);
	fixture_init(&display->fixture, config_text);
	display->is_running = true;
	free(config_text);
	fixture_step_refreshes(&display->fixture, 1);
	display->commit.notify = display_handle_commit;
	wl_signal_add(&display_get_view(display, 0)->output->events.commit, &display->commit);
}

/* Has oriel look at the guests, and show what it finds. */
static void display_step(struct display *display) {
	for (int i = 0; i < GUESTS_MAX; i++) {
		if (display->guests[i].device_fd >= 0) {
			fixture_step_output_refreshes(
					&display->fixture, display_get_output_name(display, i), 2);
		}
	}
}

/* --- the screen ------------------------------------------------------------------------------- */

/* A guest's picture on an otherwise black screen, with its cursor at x, y in it. */
struct scene {
	uint32_t seed;
	int left, top, scale; /* of the picture; the scale 0 is 1 */
	bool has_cursor;
	uint32_t cursor_seed;
	int x, y;
};

static int get_channel(uint32_t pixel, int shift) {
	return (int)((pixel >> shift) & 0xff);
}

/* Of colours as they are encoded. */
static int blend_channel(uint32_t above, uint32_t below, int shift) {
	int transparency = 255 - (int)(above >> 24);
	return get_channel(above, shift) + (get_channel(below, shift) * transparency + 127) / 255;
}

/* Of light, as wlroots' Vulkan renderer does. */
static int blend_channel_as_light(uint32_t above, uint32_t below, int shift) {
	const double gamma = 2.2;
	double alpha = (double)(above >> 24) / 255;
	double colour = get_channel(above, shift) / 255.0 / alpha;
	double light = pow(colour, gamma) * alpha +
			pow(get_channel(below, shift) / 255.0, gamma) * (1 - alpha);
	return (int)(255 * pow(light, 1 / gamma) + 0.5);
}

static bool is_blended(uint32_t pixel, uint32_t above, uint32_t below) {
	bool is_mixed = above >> 24 != 0 && above >> 24 != 0xff;
	for (int shift = 0; shift < 24; shift += 8) {
		int expected = is_mixed && set_up_is("headless-vulkan")
				? blend_channel_as_light(above, below, shift)
				: blend_channel(above, below, shift);
		/* Renderers round in ways of their own. */
		if (abs(get_channel(pixel, shift) - expected) > (is_mixed ? 2 : 0)) {
			return false;
		}
	}
	return true;
}

static void check_pixels(struct display *display, int index, const struct scene *scene) {
	const struct guest *guest = &display->guests[index];
	int scale = scene->scale != 0 ? scene->scale : 1;
	struct screenshot screenshot =
			screenshot_take(&display->fixture, display_get_output_name(display, index));
	int wrong = 0, wrong_x = 0, wrong_y = 0;
	for (int y = screenshot.height - 1; y >= 0; y--) {
		for (int x = screenshot.width - 1; x >= 0; x--) {
			const struct wlr_box box = { scene->left, scene->top, guest->width * scale,
				guest->height * scale };
			uint32_t picture = 0, cursor = 0;
			if (wlr_box_contains_point(&box, x, y)) {
				int guest_x = (x - box.x) / scale, guest_y = (y - box.y) / scale;
				picture = vgpu_picture_pixel(guest_x, guest_y, guest->width,
						guest->height, scene->seed);
				cursor = scene->has_cursor ? cursor_get_pixel(scene->cursor_seed,
									     guest_x - scene->x,
									     guest_y - scene->y)
							   : 0;
			}
			if (!is_blended(screenshot_get_pixel(&screenshot, x, y), cursor, picture)) {
				wrong++;
				wrong_x = x;
				wrong_y = y;
			}
		}
	}
	uint32_t first = screenshot_get_pixel(&screenshot, wrong_x, wrong_y);
	screenshot_finish(&screenshot);
	if (wrong > 0) {
		fail_msg("%d pixels are wrong, the first at %d,%d: %06x", wrong, wrong_x, wrong_y,
				first);
	}
}

static void check_plane(const struct scene *scene, bool is_used) {
	const char *card_path = getenv("WLR_DRM_DEVICES");
	struct kms_cursor cursor;
	bool found = kms_read_cursor(card_path, &cursor);
	assert_int_equal(found, is_used);
	if (!found) {
		return;
	}
	bool is_right = cursor.x == scene->left + scene->x && cursor.y == scene->top + scene->y;
	for (int y = 0; y < cursor.height; y++) {
		for (int x = 0; x < cursor.width; x++) {
			uint32_t pixel = cursor.pixels[y * cursor.width + x];
			is_right = is_right && pixel == cursor_get_pixel(scene->cursor_seed, x, y);
		}
	}
	free(cursor.pixels);
	if (!is_right) {
		fail_msg("the cursor plane is wrong, at %d,%d", cursor.x, cursor.y);
	}
}

/* Which of the two ways the cursor is to go where there are two. */
enum way {
	ANY,
	NODE,
};

static void check_scene(struct display *display, int index, const struct scene *scene, enum way way) {
	bool is_on_plane = has_plane() && scene->has_cursor && way == ANY;
	struct scene captured = *scene;
	captured.has_cursor = scene->has_cursor && !is_on_plane;
	check_pixels(display, index, &captured);
	if (has_plane()) {
		check_plane(scene, is_on_plane);
	}
	assert_int_equal(oriel_guest_view_has_cursor(display_get_view(display, index)),
			scene->has_cursor);
}

/* --- cases ------------------------------------------------------------------------------------ */

static struct guest *display_start_with_cursor(struct display *display) {
	struct guest *guest = display_add_guest(display, 0);
	guest_set_mode(guest, screen_width, screen_height, 1);
	guest_show_cursor(guest, 0, 100, 50);
	display_start(display);
	display_step(display);
	return guest;
}

static void move_shows_the_cursor_where_the_guest_has_it(void **state) {
	const int places[][2] = { { 101, 50 }, { 0, 0 }, { -20, -9 }, { 0, -31 },
		{ screen_width - CURSOR_SIZE, screen_height - CURSOR_SIZE },
		{ screen_width - 1, screen_height / 2 } };
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		guest_move_cursor(guest, places[i][0], places[i][1]);
		display_step(display);
		check_scene(display, 0,
				&(struct scene){ .seed = 1,
						.has_cursor = true,
						.cursor_seed = 100,
						.x = places[i][0],
						.y = places[i][1] },
				ANY);
	}
}

static void move_out_of_the_picture_hides_the_cursor(void **state) {
	const int places[][2] = { { -CURSOR_SIZE, 0 }, { screen_width, 0 }, { 0, screen_height },
		{ INT32_MAX, INT32_MAX }, { INT32_MIN, INT32_MIN } };
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		guest_move_cursor(guest, places[i][0], places[i][1]);
		display_step(display);
		check_scene(display, 0, &(struct scene){ .seed = 1 }, ANY);
	}
}

static void hotspot_leaves_the_cursor_where_it_is(void **state) {
	static const uint32_t spots[][2] = { { 3, 4 }, { 31, 31 }, { 32, 0xfffffffe },
		{ UINT32_MAX, UINT32_MAX } };
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	for (size_t i = 0; i < sizeof(spots) / sizeof(spots[0]); i++) {
		assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor",
						 "hot_x=%u hot_y=%u x=%d y=90", spots[i][0],
						 spots[i][1], 100 + (int)i),
				0);
		display_step(display);
		check_scene(display, 0,
				&(struct scene){ .seed = 1,
						.has_cursor = true,
						.cursor_seed = 100,
						.x = 100 + (int)i,
						.y = 90 },
				ANY);
	}
}

static void change_of_picture_is_shown(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 100, .y = 50 };
	check_scene(display, 0, &scene, ANY);
	for (int i = 0; i < 3; i++) {
		int index = 1 - i % 2;
		scene.cursor_seed = 200 + (uint32_t)i;
		guest_paint_cursor(guest, index, scene.cursor_seed);
		scene.x += 5;
		guest_show_cursor(guest, index, scene.x, scene.y);
		display_step(display);
		check_scene(display, 0, &scene, ANY);
	}
	const struct oriel_guest_view *view = display_get_view(display, 0);
	assert_int_equal(view->stats.rejected, 0);
}

static void plane_that_goes_off_hides_the_cursor(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 100, .y = 50 };
	check_scene(display, 0, &scene, ANY);
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "on=0"), 0);
	display_step(display);
	check_scene(display, 0, &(struct scene){ .seed = 1 }, ANY);
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "on=1 x=150"), 0);
	display_step(display);
	scene.x = 150;
	check_scene(display, 0, &scene, ANY);
}

/* Twice as large: the plane does not scale. */
static void cursor_is_scaled_with_the_picture(void **state) {
	const int places[][2] = { { 50, 30 }, { -3, -5 },
		{ screen_width / 2 - 10, screen_height / 2 - 10 } };
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 100, .y = 50 };
	check_scene(display, 0, &scene, ANY);
	guest_set_mode(guest, screen_width / 2, screen_height / 2, 2);
	scene.seed = 2;
	scene.scale = 2;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		scene.x = places[i][0];
		scene.y = places[i][1];
		guest_move_cursor(guest, scene.x, scene.y);
		display_step(display);
		check_scene(display, 0, &scene, NODE);
	}
	guest_set_mode(guest, screen_width, screen_height, 3);
	guest_move_cursor(guest, 7, 8);
	display_step(display);
	check_scene(display, 0,
			&(struct scene){ .seed = 3,
					.has_cursor = true,
					.cursor_seed = 100,
					.x = 7,
					.y = 8 },
			ANY);
}

/* A picture that is not as high as the screen: the cursor ends where the picture does. */
static void cursor_is_cut_off_at_the_edge_of_the_picture(void **state) {
	const int height = screen_height * 2 / 3;
	const struct {
		int x, y;
		enum way way;
	} places[] = { { -5, 50, ANY }, { 100, -5, NODE }, { 100, 0, ANY },
		{ 100, height - CURSOR_SIZE + 1, NODE }, { 100, height - CURSOR_SIZE, ANY } };
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	guest_set_mode(guest, screen_width, height, 2);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		guest_move_cursor(guest, places[i].x, places[i].y);
		display_step(display);
		check_scene(display, 0,
				&(struct scene){ .seed = 2,
						.top = screen_height / 6,
						.has_cursor = true,
						.cursor_seed = 100,
						.x = places[i].x,
						.y = places[i].y },
				places[i].way);
	}
}

static void picture_whose_fence_is_late_lets_the_one_before_move_on(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 100, .y = 50 };
	guest_show_cursor(guest, 1, 110, 60);
	/* A flip whose picture is not ready. */
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "id=%d fence=held",
					 CURSOR_ID + 1),
			0);
	for (int i = 0; i < 3; i++) {
		scene.x = 110 + i;
		scene.y = 60;
		guest_move_cursor(guest, scene.x, scene.y);
		display_step(display);
		check_scene(display, 0, &scene, ANY);
	}
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/signal", "all"), 0);
	display_step(display);
	scene.cursor_seed = 101;
	check_scene(display, 0, &scene, ANY);
}

/* The guest's own picture stands still: what is drawn then is the cursor, or nothing at all. */
static void move_redraws_no_more_than_the_cursor(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "errors/query_primary", "12 repeat"), 0);
	display_step(display);
	for (int way = 0; way < 2; way++) {
		display_step(display);
		display->commits = 0;
		pixman_region32_clear(&display->damage);
		for (int i = 1; i <= 5; i++) {
			guest_move_cursor(guest, 100 + 10 * i, 50);
			display_step(display);
		}
		assert_true(display->commits >= 5);
		if (has_plane() && way == 0) {
			assert_false(pixman_region32_not_empty(&display->damage));
			/* As a capture with cursors does: in that one commit wlroots draws it. */
			struct wlr_output *output = display_get_view(display, 0)->output;
			wl_list_remove(&display->commit.link);
			wlr_output_lock_software_cursors(output, true);
			display_step(display);
			wl_signal_add(&output->events.commit, &display->commit);
			continue;
		}
		assert_true(pixman_region32_not_empty(&display->damage));
		const pixman_box32_t *extents = pixman_region32_extents(&display->damage);
		assert_true(extents->x1 >= 100 && extents->x2 <= 150 + CURSOR_SIZE);
		assert_true(extents->y1 >= 50 && extents->y2 <= 50 + CURSOR_SIZE);
		guest_move_cursor(guest, 100, 50);
	}
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "errors/query_primary", "0"), 0);
}

static void assert_all_is_released(struct display *display) {
	struct oriel_source_counters counters =
			oriel_source_get_counters(display_get_view(display, 0)->source);
	assert_int_equal(counters.taken, counters.released);
}

static void end_while_the_cursor_is_shown_releases_all(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct oriel_guest_view *view = display_get_view(display, 0);
	assert_true(oriel_guest_view_has_cursor(view));
	assert_true(view->stats.shown > 1);
	/* So that nothing is taken anew. */
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/primary", "on=0"), 0);
	oriel_guest_view_blank(view);
	assert_false(oriel_guest_view_has_cursor(view));
	fixture_step_refreshes(&display->fixture, 3);
	assert_all_is_released(display);
}

/* --- texts ------------------------------------------------------------------------------------ */

static bool view_is_settled(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return view->is_settled && view->primary.frame == NULL;
}

static void check_text(struct display *display) {
	struct screenshot screenshot =
			screenshot_take(&display->fixture, display_get_output_name(display, 0));
	screenshot_check_text(&screenshot);
	screenshot_finish(&screenshot);
}

static void display_that_is_off_says_so_until_there_is_a_picture(void **state) {
	struct display *display = *state;
	struct guest *guest = display_add_guest(display, 0);
	display_start(display);
	struct oriel_guest_view *view = display_get_view(display, 0);
	fixture_step_until(&display->fixture, view_is_settled, view);
	check_text(display);

	guest_set_mode(guest, screen_width, screen_height, 1);
	guest_show_cursor(guest, 0, 10, 10);
	display_step(display);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 10, .y = 10 };
	check_scene(display, 0, &scene, ANY);

	/* The picture stays, and then there is the text; the cursor goes at once. */
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/primary", "on=0"), 0);
	display_step(display);
	assert_false(oriel_guest_view_has_cursor(view));
	fixture_step_until(&display->fixture, view_is_settled, view);
	check_text(display);
	if (has_plane()) {
		check_plane(&scene, false);
	}

	/* By then nothing of either is held, and both are taken anew. */
	display_step(display);
	assert_all_is_released(display);
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/primary", "on=1"), 0);
	display_step(display);
	check_scene(display, 0, &scene, ANY);
}

/* pixman imports nothing, and this memory cannot be mapped. */
static void picture_that_cannot_be_read_is_said_to_be_until_there_is_another(void **state) {
	struct display *display = *state;
	struct guest *guest = display_add_guest(display, 0);
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/buffers",
					 "id=%d offset=0 size=%u mmap=0", PRIMARY_ID, CURSOR_OFFSET),
			0);
	guest_set_mode(guest, screen_width, screen_height, 1);
	display_start(display);
	struct oriel_guest_view *view = display_get_view(display, 0);
	fixture_step_until(&display->fixture, view_is_settled, view);
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_RUNNING);
	assert_true(view->stats.rejected > 0);
	check_text(display);

	assert_int_equal(test_vgpu_add_buffer(&guest->vgpu, PRIMARY_ID + 1, 0, CURSOR_OFFSET), 0);
	assert_int_equal(test_vgpu_show(&guest->vgpu, PRIMARY_ID + 1, screen_width, screen_height,
					 screen_width * 4),
			0);
	display_step(display);
	check_scene(display, 0, &(struct scene){ .seed = 1 }, ANY);
}

/* The host's pointer is to be seen, and has the plane where there is one: the guest's is a node. */
static void check_pointer(struct display *display, const struct scene *scene) {
	check_pixels(display, 0, scene);
	const struct oriel_guest_view *view = display_get_view(display, 0);
	assert_int_equal(oriel_guest_view_has_cursor(view), scene->has_cursor);
	assert_null(view->cursor.hardware.output_cursor);
	const struct wlr_output_cursor *cursor = view->output->hardware_cursor;
	assert_non_null(cursor);
	assert_true(cursor->enabled && cursor->visible);
	if (has_plane()) {
		struct kms_cursor kms_cursor;
		assert_true(kms_read_cursor(getenv("WLR_DRM_DEVICES"), &kms_cursor));
		free(kms_cursor.pixels);
	}
}

static void pointer_makes_way_for_the_cursor_of_the_guest_that_has_it(void **state) {
	struct display *display = *state;
	struct guest *guest = display_start_with_cursor(display);
	struct oriel_seat *seat = display->fixture.server->seat;
	struct oriel_guest_view *view = display_get_view(display, 0);
	oriel_guest_view_set_input(view, &fake_sink_create()->base);
	input_plug(&display->input, &display->fixture);
	struct scene scene = { .seed = 1, .has_cursor = true, .cursor_seed = 100, .x = 100, .y = 50 };
	check_scene(display, 0, &scene, ANY);
	input_move(&display->input, 20, 100);
	display_step(display);
	check_pointer(display, &scene);

	/* The guest does nothing meanwhile: its cursor is where it was. */
	oriel_seat_focus_guest(seat, view);
	display_step(display);
	check_scene(display, 0, &scene, ANY);
	oriel_seat_focus_guest(seat, NULL);
	display_step(display);
	check_pointer(display, &scene);
	oriel_seat_focus_guest(seat, view);
	display_step(display);
	check_scene(display, 0, &scene, ANY);

	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "on=0"), 0);
	display_step(display);
	check_pointer(display, &(struct scene){ .seed = 1 });
	assert_int_equal(test_vgpu_steer(&guest->vgpu, "vgpu/cursor", "on=1 x=150"), 0);
	display_step(display);
	scene.x = 150;
	check_scene(display, 0, &scene, ANY);
}

static void guests_on_two_outputs_have_a_cursor_each(void **state) {
	struct display *display = *state;
	for (int i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = display_add_guest(display, i);
		guest_set_mode(guest, screen_width, screen_height, 1 + (uint32_t)i);
		guest_show_cursor(guest, i, 100 + i, 50);
	}
	display_start(display);
	for (int i = 0; i < 3; i++) {
		guest_move_cursor(&display->guests[0], screen_width - 20 + i, 100);
		guest_move_cursor(&display->guests[1], -20 - i, 100);
		display_step(display);
		check_scene(display, 0,
				&(struct scene){ .seed = 1,
						.has_cursor = true,
						.cursor_seed = 100,
						.x = screen_width - 20 + i,
						.y = 100 },
				ANY);
		check_scene(display, 1,
				&(struct scene){ .seed = 2,
						.has_cursor = true,
						.cursor_seed = 101,
						.x = -20 - i,
						.y = 100 },
				ANY);
	}
}

#define DISPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, display_setup, display_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		DISPLAY_TEST(move_shows_the_cursor_where_the_guest_has_it),
		DISPLAY_TEST(move_out_of_the_picture_hides_the_cursor),
		DISPLAY_TEST(hotspot_leaves_the_cursor_where_it_is),
		DISPLAY_TEST(change_of_picture_is_shown),
		DISPLAY_TEST(plane_that_goes_off_hides_the_cursor),
		DISPLAY_TEST(cursor_is_scaled_with_the_picture),
		DISPLAY_TEST(cursor_is_cut_off_at_the_edge_of_the_picture),
		DISPLAY_TEST(picture_whose_fence_is_late_lets_the_one_before_move_on),
		DISPLAY_TEST(move_redraws_no_more_than_the_cursor),
		DISPLAY_TEST(end_while_the_cursor_is_shown_releases_all),
		DISPLAY_TEST(display_that_is_off_says_so_until_there_is_a_picture),
	};
	const struct CMUnitTest pixman_tests[] = {
		DISPLAY_TEST(picture_that_cannot_be_read_is_said_to_be_until_there_is_another),
	};
	/* lavapipe crashes where wlroots has it draw the pointer, whose rows are not aligned as it wants. */
	const struct CMUnitTest pointer_tests[] = {
		DISPLAY_TEST(pointer_makes_way_for_the_cursor_of_the_guest_that_has_it),
	};
	/* KMS's set-ups have one output. */
	const struct CMUnitTest headless_tests[] = {
		DISPLAY_TEST(guests_on_two_outputs_have_a_cursor_each),
	};
	screen_width = has_plane() ? 640 : 200;
	screen_height = has_plane() ? 480 : 150;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = cmocka_run_group_tests(tests, fixture_warm_up, NULL);
	if (strcmp(getenv("WLR_RENDERER"), "pixman") == 0) {
		failed += cmocka_run_group_tests(pixman_tests, NULL, NULL);
	}
	if (!set_up_is("headless-vulkan")) {
		failed += cmocka_run_group_tests(pointer_tests, NULL, NULL);
	}
	if (!has_plane()) {
		setenv("WLR_HEADLESS_OUTPUTS", "2", true);
		failed += cmocka_run_group_tests(headless_tests, fixture_warm_up, NULL);
	}
	return failed;
}
