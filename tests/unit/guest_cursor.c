#include "view/guest_cursor.h"

#include <drm_fourcc.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

#include <cmocka.h>

#include "bridge/reads.h"
#include "bridge/render_sync.h"
#include "bridge/stats.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The cursor's picture, and the primary plane's, which fills the output. */
#define SIZE 8
#define STRIDE_BYTES 48
#define GROUND_WIDTH 64
#define GROUND_HEIGHT 48

/*
 * A cursor in a scene that no output draws, on an output whose cursor plane is played here by
 * wlroots' rules: who has it keeps it, what it does not take is drawn by wlroots itself, and a
 * capture takes it away from whoever has it.
 */
static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct wlr_scene *scene;
	struct wlr_scene_tree *tree; /* of the guest's view */
	struct oriel_render_sync sync;
	struct oriel_stats stats;
	struct wlr_output output;
	struct oriel_reads reads;

	struct fake_driver *driver;
	struct oriel_guest_view_cursor cursor;

	bool is_drm;
	bool plane_refuses;
	bool buffer_is_no_texture;
	struct wlr_output_cursor *output_cursor; /* NULL: there is none */
	unsigned int creates, set_buffers, moves;
	uint32_t pixels[SIZE * SIZE]; /* that the plane was given */

	struct wlr_drm_format_set formats;
	unsigned int imports, textures;
} context;

bool __wrap_wlr_output_is_drm(struct wlr_output *output);
struct wlr_output_cursor *__wrap_wlr_output_cursor_create(struct wlr_output *output);
void __wrap_wlr_output_cursor_destroy(struct wlr_output_cursor *cursor);
bool __wrap_wlr_output_cursor_set_buffer(struct wlr_output_cursor *cursor,
		struct wlr_buffer *buffer, int32_t hotspot_x, int32_t hotspot_y);
bool __wrap_wlr_output_cursor_move(struct wlr_output_cursor *cursor, double x, double y);
void __wrap_wlr_output_lock_software_cursors(struct wlr_output *output, bool lock);
const struct wlr_drm_format_set *__wrap_wlr_renderer_get_texture_formats(
		struct wlr_renderer *renderer, uint32_t buffer_caps);
bool __wrap_wlr_drm_format_set_has(
		const struct wlr_drm_format_set *set, uint32_t format, uint64_t modifier);
struct wlr_texture *__wrap_wlr_texture_from_buffer(
		struct wlr_renderer *renderer, struct wlr_buffer *buffer);
void __wrap_wlr_texture_destroy(struct wlr_texture *texture);
bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync);

bool __wrap_wlr_output_is_drm(struct wlr_output *output) {
	return context.is_drm;
}

struct wlr_output_cursor *__wrap_wlr_output_cursor_create(struct wlr_output *output) {
	assert_null(context.output_cursor);
	context.creates++;
	context.output_cursor = calloc(1, sizeof(*context.output_cursor));
	if (context.output_cursor != NULL) {
		context.output_cursor->output = output;
	}
	return context.output_cursor;
}

void __wrap_wlr_output_cursor_destroy(struct wlr_output_cursor *cursor) {
	if (cursor == NULL) {
		return;
	}
	assert_ptr_equal(cursor, context.output_cursor);
	if (context.output.hardware_cursor == cursor) {
		context.output.hardware_cursor = NULL;
	}
	free(cursor);
	context.output_cursor = NULL;
}

bool __wrap_wlr_output_cursor_set_buffer(struct wlr_output_cursor *cursor,
		struct wlr_buffer *buffer, int32_t hotspot_x, int32_t hotspot_y) {
	assert_ptr_equal(cursor, context.output_cursor);
	context.set_buffers++;
	if (context.buffer_is_no_texture) {
		return false;
	}
	void *data;
	uint32_t format;
	size_t stride_bytes;
	assert_true(wlr_buffer_begin_data_ptr_access(
			buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride_bytes));
	assert_int_equal(format, DRM_FORMAT_ARGB8888);
	if (buffer->width == SIZE && buffer->height == SIZE) {
		for (size_t y = 0; y < SIZE; y++) {
			memcpy(&context.pixels[y * SIZE], (char *)data + y * stride_bytes, SIZE * 4);
		}
	}
	wlr_buffer_end_data_ptr_access(buffer);

	cursor->enabled = true;
	cursor->hotspot_x = hotspot_x;
	cursor->hotspot_y = hotspot_y;
	struct wlr_output *output = &context.output;
	if (output->hardware_cursor == NULL || output->hardware_cursor == cursor) {
		bool takes = !context.plane_refuses && output->software_cursor_locks == 0;
		output->hardware_cursor = takes ? cursor : NULL;
	}
	return true;
}

bool __wrap_wlr_output_cursor_move(struct wlr_output_cursor *cursor, double x, double y) {
	assert_ptr_equal(cursor, context.output_cursor);
	context.moves += x != cursor->x || y != cursor->y;
	cursor->x = x;
	cursor->y = y;
	return true;
}

void __wrap_wlr_output_lock_software_cursors(struct wlr_output *output, bool lock) {
	output->software_cursor_locks += lock ? 1 : -1;
	assert_true(output->software_cursor_locks >= 0);
	if (lock) {
		output->hardware_cursor = NULL;
	}
}

const struct wlr_drm_format_set *__wrap_wlr_renderer_get_texture_formats(
		struct wlr_renderer *renderer, uint32_t buffer_caps) {
	return &context.formats;
}

bool __wrap_wlr_drm_format_set_has(
		const struct wlr_drm_format_set *set, uint32_t format, uint64_t modifier) {
	return true;
}

struct wlr_texture *__wrap_wlr_texture_from_buffer(
		struct wlr_renderer *renderer, struct wlr_buffer *buffer) {
	context.imports++;
	context.textures++;
	return (struct wlr_texture *)&context.textures;
}

void __wrap_wlr_texture_destroy(struct wlr_texture *texture) {
	assert_ptr_equal(texture, &context.textures);
	context.textures--;
}

bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync) {
	return false;
}

/* The cursor is the source's consumer, without a view in between. */

static bool handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return oriel_guest_view_cursor_wants(&context.cursor, buffer);
}

static void handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	oriel_guest_view_cursor_submit(&context.cursor, take_frame);
}

static void handle_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	oriel_guest_view_cursor_move(&context.cursor, cursor);
}

static const struct oriel_source_consumer consumer = {
	.wants = handle_wants,
	.frame = handle_frame,
	.cursor = handle_cursor,
};

/* The primary picture lies there, on black. */
static void arrange(int x, int y, int width, int height) {
	const struct oriel_guest_view_ground ground = {
		.width = GROUND_WIDTH,
		.height = GROUND_HEIGHT,
		.box = { x, y, width, height },
		.filter_mode = WLR_SCALE_FILTER_NEAREST,
	};
	oriel_guest_view_cursor_arrange(&context.cursor, &context.output, &ground);
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	fake_sync_reset();
	context.loop = wl_event_loop_create();
	context.scene = wlr_scene_create();
	context.tree = wlr_scene_tree_create(&context.scene->tree);
	/* The output's place in the layout. */
	wlr_scene_node_set_position(&context.tree->node, 1000, 500);
	context.output.width = GROUND_WIDTH;
	context.output.height = GROUND_HEIGHT;
	context.output.scale = 1;
	wl_signal_init(&context.output.events.commit);
	wl_list_init(&context.output.cursors);
	oriel_reads_init(&context.reads, context.loop, &context.sync);
	context.output.data = &context.reads;
	context.driver = fake_driver_create("win");
	assert_true(oriel_guest_view_cursor_init(&context.cursor, context.loop, context.tree, "win",
			&context.sync, &context.stats));
	oriel_source_set_consumer(&context.driver->base, &consumer, NULL);
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	return 0;
}

static int setup_drm(void **state) {
	setup(state);
	context.is_drm = true;
	return 0;
}

static int teardown(void **state) {
	oriel_source_set_consumer(&context.driver->base, NULL, NULL);
	oriel_guest_view_cursor_finish(&context.cursor);
	assert_null(context.output_cursor);
	assert_true(wl_list_empty(&context.output.events.commit.listener_list));
	struct oriel_source_counters counters = oriel_source_get_counters(&context.driver->base);
	oriel_reads_finish(&context.reads);
	assert_int_equal(counters.taken, counters.released);
	assert_int_equal(counters.taken,
			context.stats.shown + context.stats.superseded + context.stats.rejected);
	assert_int_equal(context.driver->releases, counters.taken);
	fake_driver_destroy(context.driver);
	wlr_scene_node_destroy(&context.scene->tree.node);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(context.textures, 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static uint32_t picture_get_pixel(uint32_t seed, uint32_t x, uint32_t y) {
	return seed * 0x01020304 + x * 0x00110000 + y * 0x00001100;
}

struct picture {
	int width, height;
	uint32_t format;
	enum oriel_guest_memory memory;
	uint32_t seed;
};

static const struct picture usual = { SIZE, SIZE, DRM_FORMAT_ARGB8888, ORIEL_GUEST_MEMORY_SHARED, 1 };

static struct oriel_guest_buffer *create_buffer(const struct picture *picture) {
	const struct oriel_guest_buffer_attributes attributes = {
		.width = picture->width,
		.height = picture->height,
		.format = picture->format,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.stride_bytes = picture->width == SIZE ? STRIDE_BYTES : (uint64_t)picture->width * 4,
	};
	size_t size_bytes = (size_t)attributes.stride_bytes * (size_t)picture->height;
	int fd = memfd_create("guest_cursor", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	uint8_t *map = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	memset(map, 0xee, size_bytes);
	for (uint32_t y = 0; y < (uint32_t)picture->height; y++) {
		uint32_t *row = (uint32_t *)(void *)(map + y * attributes.stride_bytes);
		for (uint32_t x = 0; x < (uint32_t)picture->width; x++) {
			row[x] = picture_get_pixel(picture->seed, x, y);
		}
	}
	munmap(map, size_bytes);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&attributes, picture->memory, fd);
	assert_non_null(buffer);
	return buffer;
}

static void submit_buffer(
		struct oriel_guest_buffer *take_buffer, const struct oriel_guest_cursor *place) {
	const struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = take_buffer,
		.cursor = *place,
	};
	assert_true(oriel_source_submit(&context.driver->base, &picture));
	oriel_guest_buffer_drop(take_buffer);
}

static void submit(int x, int y) {
	submit_buffer(create_buffer(&usual), &(struct oriel_guest_cursor){ .x = x, .y = y });
}

static void submit_pointing(uint32_t seed, int x, int y, int hot_x, int hot_y) {
	struct picture picture = usual;
	picture.seed = seed;
	submit_buffer(create_buffer(&picture),
			&(struct oriel_guest_cursor){ x, y, true, hot_x, hot_y });
}

static void move(int x, int y) {
	oriel_source_set_cursor(
			&context.driver->base, &(struct oriel_guest_cursor){ .x = x, .y = y });
}

static void hide(void) {
	oriel_source_set_cursor(&context.driver->base, NULL);
}

static struct wlr_scene_buffer *get_node(void) {
	return context.cursor.plane.scene_buffer;
}

/* What wlroots tells of a frame that it draws. */
static void sample(void) {
	struct wlr_scene_output scene_output = { .output = &context.output };
	struct wlr_scene_output_sample_event event = { .output = &scene_output };
	wl_signal_emit(&get_node()->events.output_sample, &event);
	oriel_reads_submitted(&context.reads);
}

static void commit(void) {
	struct wlr_output_state output_state = { .committed = WLR_OUTPUT_STATE_BUFFER };
	struct wlr_output_event_commit event = { .output = &context.output, .state = &output_state };
	wl_signal_emit_mutable(&context.output.events.commit, &event);
}

enum way {
	HIDDEN,
	NODE,
	PLANE,
};

/* One way is on at most, and it is this one. */
static void assert_way(enum way way) {
	assert_int_equal(context.cursor.is_visible, way != HIDDEN);
	assert_int_equal(get_node()->node.enabled, way == NODE);
	if (way == PLANE) {
		assert_non_null(context.output_cursor);
		assert_true(context.output_cursor->enabled);
		assert_ptr_equal(context.output.hardware_cursor, context.output_cursor);
	} else {
		/* Not even one that wlroots would draw. */
		assert_null(context.output_cursor);
	}
}

static void assert_node_at(int x, int y) {
	assert_way(NODE);
	assert_int_equal(get_node()->node.x, x);
	assert_int_equal(get_node()->node.y, y);
}

static void assert_plane_at(int x, int y) {
	assert_way(PLANE);
	assert_int_equal((int)context.output_cursor->x - context.output_cursor->hotspot_x, x);
	assert_int_equal((int)context.output_cursor->y - context.output_cursor->hotspot_y, y);
}

/* A node of the scene */

static void init_without_memory_is_finished_all_the_same(void **state) {
	struct oriel_guest_view_cursor cursor = { 0 };
	oriel_guest_view_cursor_finish(&cursor);
	shortage_of_memory_begin(1);
	assert_false(oriel_guest_view_cursor_init(
			&cursor, context.loop, context.tree, "lin", &context.sync, &context.stats));
	shortage_of_memory_end();
	oriel_guest_view_cursor_finish(&cursor);
}

static void picture_is_shown_where_the_guest_has_it(void **state) {
	assert_way(HIDDEN);
	submit(10, 20);
	assert_node_at(10, 20);
	assert_int_equal(get_node()->dst_width, SIZE);
	assert_int_equal(get_node()->dst_height, SIZE);
	sample();
	assert_int_equal(context.stats.shown, 1);
}

static void move_needs_no_new_picture(void **state) {
	submit(10, 20);
	struct wlr_buffer *buffer = get_node()->buffer;
	move(11, 19);
	assert_node_at(11, 19);
	assert_ptr_equal(get_node()->buffer, buffer);
	assert_int_equal(context.driver->releases, 0);
}

static void hidden_cursor_is_back_with_its_picture(void **state) {
	submit(10, 20);
	hide();
	assert_way(HIDDEN);
	move(1, 2);
	assert_node_at(1, 2);
	assert_int_equal(context.driver->releases, 0);
}

static void move_before_the_first_picture_shows_nothing(void **state) {
	move(10, 20);
	assert_way(HIDDEN);
	hide();
	assert_way(HIDDEN);
}

/* What lies outside of the guest's picture is cut off. */
static void cursor_is_clipped_to_the_picture(void **state) {
	static const struct {
		int x, y;
		enum way way;
		struct wlr_box node;
		int source_x, source_y;
	} rows[] = {
		{ 0, 0, NODE, { 0, 0, 8, 8 }, 0, 0 },
		{ -1, 0, NODE, { 0, 0, 7, 8 }, 1, 0 },
		{ -3, -7, NODE, { 0, 0, 5, 1 }, 3, 7 },
		{ -8, 0, HIDDEN, { 0 }, 0, 0 },
		{ 0, -8, HIDDEN, { 0 }, 0, 0 },
		{ 56, 40, NODE, { 56, 40, 8, 8 }, 0, 0 },
		{ 57, 40, NODE, { 57, 40, 7, 8 }, 0, 0 },
		{ 63, 47, NODE, { 63, 47, 1, 1 }, 0, 0 },
		{ 64, 47, HIDDEN, { 0 }, 0, 0 },
		{ 63, 48, HIDDEN, { 0 }, 0, 0 },
		{ INT_MAX, INT_MAX, HIDDEN, { 0 }, 0, 0 },
		{ INT_MIN, INT_MIN, HIDDEN, { 0 }, 0, 0 },
	};
	submit(5, 5);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		move(rows[i].x, rows[i].y);
		assert_way(rows[i].way);
		if (rows[i].way == HIDDEN) {
			continue;
		}
		const struct wlr_scene_buffer *node = get_node();
		const struct wlr_box box = { node->node.x, node->node.y, node->dst_width,
			node->dst_height };
		if (!wlr_box_equal(&box, &rows[i].node) || node->src_box.width != rows[i].node.width ||
				node->src_box.height != rows[i].node.height ||
				node->src_box.x != rows[i].source_x ||
				node->src_box.y != rows[i].source_y) {
			fail_msg("row %zu", i);
		}
	}
}

static void cursor_is_scaled_with_the_picture(void **state) {
	static const struct {
		struct wlr_box ground;
		int x, y;
		struct wlr_box node;
	} rows[] = {
		{ { 7, 9, 128, 96 }, 10, 20, { 27, 49, 16, 16 } },
		{ { 7, 9, 128, 96 }, -2, 45, { 7, 99, 12, 6 } },
		{ { 0, 0, 32, 24 }, 10, 20, { 5, 10, 4, 4 } },
		/* By 1.5, and from there to where the picture ends. */
		{ { 0, 0, 96, 72 }, 11, 20, { 17, 30, 12, 12 } },
		{ { 0, 0, 96, 72 }, 57, 20, { 86, 30, 10, 12 } },
		/* Down to nothing. */
		{ { 0, 0, 2, 1 }, 10, 20, { 0, 0, 0, 0 } },
	};
	submit(0, 0);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct wlr_box *ground = &rows[i].ground, *expected = &rows[i].node;
		arrange(ground->x, ground->y, ground->width, ground->height);
		move(rows[i].x, rows[i].y);
		const struct wlr_scene_buffer *node = get_node();
		const struct wlr_box box = { node->node.x, node->node.y, node->dst_width,
			node->dst_height };
		bool is_right = expected->width == 0 ? !node->node.enabled
						     : wlr_box_equal(&box, expected);
		if (!is_right) {
			fail_msg("row %zu: %d,%d %dx%d", i, box.x, box.y, box.width, box.height);
		}
	}
}

static void picture_that_waits_does_not_hold_up_the_one_before(void **state) {
	submit_pointing(1, 10, 20, 1, 1);
	struct wlr_buffer *shown = get_node()->buffer;
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct picture picture = usual;
	picture.memory = ORIEL_GUEST_MEMORY_DMABUF;
	submit_buffer(create_buffer(&picture), &(struct oriel_guest_cursor){ 12, 22, true, 5, 6 });
	/* What points is at 17,28 now, and the old picture does that with another pixel. */
	assert_ptr_equal(get_node()->buffer, shown);
	assert_node_at(16, 27);
	oriel_source_set_cursor(
			&context.driver->base, &(struct oriel_guest_cursor){ 13, 22, true, 5, 6 });
	assert_node_at(17, 27);
	/* Without a hotspot the corners are all there is. */
	move(14, 23);
	assert_node_at(14, 23);

	fake_fence_signal(&fence);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_ptr_not_equal(get_node()->buffer, shown);
	assert_node_at(14, 23);
	fake_fence_finish(&fence);
}

static void picture_that_is_ready_when_the_cursor_is_hidden_stays_hidden(void **state) {
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct picture picture = usual;
	picture.memory = ORIEL_GUEST_MEMORY_DMABUF;
	submit_buffer(create_buffer(&picture), &(struct oriel_guest_cursor){ .x = 1 });
	hide();
	fake_fence_signal(&fence);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_non_null(context.cursor.plane.frame);
	assert_way(HIDDEN);
	fake_fence_finish(&fence);
}

static void pictures_are_released_once(void **state) {
	submit(0, 0);
	sample();
	submit(0, 0);
	assert_int_equal(context.driver->releases, 1);
	submit(0, 0);
	assert_int_equal(context.driver->releases, 2);
	assert_int_equal(context.stats.shown, 1);
	assert_int_equal(context.stats.superseded, 1);
	oriel_guest_view_cursor_clear(&context.cursor);
	assert_way(HIDDEN);
	assert_null(get_node()->buffer);
	assert_int_equal(context.driver->releases, 3);
	/* There is no picture to be moved. */
	move(1, 1);
	assert_way(HIDDEN);
	submit(2, 2);
	assert_node_at(2, 2);
}

static void cursor_without_a_picture_beneath_is_hidden(void **state) {
	submit(3, 3);
	oriel_guest_view_cursor_arrange(&context.cursor, NULL, NULL);
	assert_way(HIDDEN);
	move(4, 4);
	assert_way(HIDDEN);
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_node_at(4, 4);
}

/* Small as they are, cursors that can be mapped are not imported, whatever the renderer can. */
static void buffer_that_can_be_mapped_is_read_by_the_cpu(void **state) {
	static const struct {
		int width, height;
		enum oriel_guest_read_path path;
	} rows[] = {
		{ SIZE, SIZE, ORIEL_GUEST_READ_PATH_CPU },
		{ 512, 512, ORIEL_GUEST_READ_PATH_CPU },
		{ 513, 1, ORIEL_GUEST_READ_PATH_IMPORT },
		{ 1, 513, ORIEL_GUEST_READ_PATH_IMPORT },
	};
	context.sync.can_import = true;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		const struct picture picture = { rows[i].width, rows[i].height, DRM_FORMAT_ARGB8888,
			ORIEL_GUEST_MEMORY_DMABUF, 1 };
		submit_buffer(create_buffer(&picture), &(struct oriel_guest_cursor){ 0 });
		assert_int_equal(oriel_guest_buffer_get_read_path(oriel_guest_frame_get_buffer(
						 context.cursor.plane.frame)),
				rows[i].path);
	}
}

/* The cursor plane */

static void plane_is_given_a_copy_of_the_picture(void **state) {
	submit_pointing(5, 10, 20, 3, 4);
	assert_plane_at(10, 20);
	assert_int_equal(context.output_cursor->hotspot_x, 3);
	assert_int_equal(context.output_cursor->hotspot_y, 4);
	for (uint32_t y = 0; y < SIZE; y++) {
		for (uint32_t x = 0; x < SIZE; x++) {
			assert_int_equal(context.pixels[y * SIZE + x], picture_get_pixel(5, x, y));
		}
	}
	/* Shown is what a commit has brought to the screen. */
	assert_int_equal(context.stats.shown, 0);
	commit();
	assert_int_equal(context.stats.shown, 1);
	commit();
	assert_int_equal(context.stats.shown, 1);
	assert_int_equal(context.set_buffers, 1);
}

static void move_on_the_plane_is_a_move_and_nothing_else(void **state) {
	submit(10, 20);
	commit();
	for (int i = -SIZE + 1; i < GROUND_WIDTH; i++) {
		move(i, 20);
		assert_plane_at(i, 20);
	}
	assert_int_equal(context.set_buffers, 1);
	assert_int_equal(context.creates, 1);
	unsigned int moves = context.moves;
	commit();
	assert_int_equal(context.moves, moves);
}

static void new_picture_and_new_hotspot_are_given_to_the_plane(void **state) {
	submit_pointing(1, 10, 20, 1, 1);
	submit_pointing(2, 10, 20, 1, 1);
	assert_int_equal(context.set_buffers, 2);
	assert_int_equal(context.pixels[0], picture_get_pixel(2, 0, 0));
	oriel_source_set_cursor(
			&context.driver->base, &(struct oriel_guest_cursor){ 10, 20, true, 2, 3 });
	assert_int_equal(context.set_buffers, 3);
	assert_int_equal(context.output_cursor->hotspot_x, 2);
	assert_plane_at(10, 20);
	assert_int_equal(context.creates, 1);
}

static void hotspot_outside_of_the_picture_is_not_handed_on(void **state) {
	static const int spots[][2] = { { -1, 0 }, { 0, -1 }, { SIZE, 0 }, { 0, SIZE },
		{ INT_MAX, INT_MIN } };
	for (size_t i = 0; i < ARRAY_LENGTH(spots); i++) {
		submit_pointing(1, 10, 20, spots[i][0], spots[i][1]);
		assert_plane_at(10, 20);
		assert_int_equal(context.output_cursor->hotspot_x, 0);
		assert_int_equal(context.output_cursor->hotspot_y, 0);
	}
	submit_pointing(1, 10, 20, SIZE - 1, SIZE - 1);
	assert_plane_at(10, 20);
	assert_int_equal(context.output_cursor->hotspot_x, SIZE - 1);
}

static void hidden_cursor_leaves_the_plane(void **state) {
	submit(10, 20);
	hide();
	assert_way(HIDDEN);
	move(10, 20);
	assert_plane_at(10, 20);
	move(GROUND_WIDTH, 20);
	assert_way(HIDDEN);
	move(10, 20);
	oriel_guest_view_cursor_arrange(&context.cursor, NULL, NULL);
	assert_way(HIDDEN);
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_plane_at(10, 20);
	oriel_guest_view_cursor_clear(&context.cursor);
	assert_way(HIDDEN);
}

static void picture_that_the_plane_refuses_is_a_node(void **state) {
	context.plane_refuses = true;
	submit(10, 20);
	assert_node_at(10, 20);
	assert_int_equal(context.set_buffers, 1);
	/* The same is not tried again. */
	context.plane_refuses = false;
	move(11, 20);
	assert_node_at(11, 20);
	assert_int_equal(context.set_buffers, 1);
	/* Another may do. */
	submit(12, 20);
	assert_plane_at(12, 20);
	context.plane_refuses = true;
	submit(13, 20);
	assert_node_at(13, 20);
	/* And so may the same on another output. */
	context.plane_refuses = false;
	oriel_guest_view_cursor_arrange(&context.cursor, NULL, NULL);
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_plane_at(13, 20);
}

static void picture_that_is_no_texture_is_a_node(void **state) {
	context.buffer_is_no_texture = true;
	submit(10, 20);
	assert_node_at(10, 20);
}

static void copy_without_memory_is_a_node(void **state) {
	/* The release, the frame, wlroots' cursor, and then the copy and its pixels. */
	for (unsigned int fail_at = 4; fail_at <= 5; fail_at++) {
		struct oriel_guest_buffer *buffer = create_buffer(&usual);
		shortage_of_memory_begin(fail_at);
		submit_buffer(buffer, &(struct oriel_guest_cursor){ .x = 10, .y = 20 });
		assert_true(shortage_of_memory_end() >= fail_at);
		assert_node_at(10, 20);
		assert_int_equal(context.set_buffers, 0);
	}
	submit(10, 20);
	assert_plane_at(10, 20);
}

static void plane_that_neither_scales_nor_turns_leaves_that_to_the_scene(void **state) {
	submit(10, 20);
	assert_way(PLANE);
	arrange(0, 0, GROUND_WIDTH * 2, GROUND_HEIGHT * 2);
	assert_way(NODE);
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_way(PLANE);
	context.output.scale = 2;
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_way(NODE);
	context.output.scale = 1;
	context.output.transform = WL_OUTPUT_TRANSFORM_180;
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_way(NODE);
	context.output.transform = WL_OUTPUT_TRANSFORM_NORMAL;
	context.is_drm = false;
	arrange(0, 0, GROUND_WIDTH, GROUND_HEIGHT);
	assert_way(NODE);
}

/* Where the guest's picture ends before the output does. */
static void plane_that_would_have_to_clip_leaves_that_to_the_scene(void **state) {
	context.output.width = GROUND_WIDTH + 20;
	arrange(10, 0, GROUND_WIDTH, GROUND_HEIGHT);
	submit(10, 20);
	assert_plane_at(20, 20);
	move(0, -3);
	assert_plane_at(10, -3);
	move(-1, 20);
	assert_node_at(10, 20);
	move(GROUND_WIDTH - SIZE + 1, 20);
	assert_node_at(10 + GROUND_WIDTH - SIZE + 1, 20);
	move(GROUND_WIDTH - SIZE, 20);
	assert_plane_at(10 + GROUND_WIDTH - SIZE, 20);
}

static void buffers_that_are_not_copied_are_nodes(void **state) {
	static const struct picture pictures[] = {
		{ SIZE, SIZE, DRM_FORMAT_XRGB8888, ORIEL_GUEST_MEMORY_SHARED, 1 },
		{ SIZE, SIZE, DRM_FORMAT_ABGR8888, ORIEL_GUEST_MEMORY_SHARED, 1 },
		{ 513, 1, DRM_FORMAT_ARGB8888, ORIEL_GUEST_MEMORY_SHARED, 1 },
		{ 1, 513, DRM_FORMAT_ARGB8888, ORIEL_GUEST_MEMORY_SHARED, 1 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(pictures); i++) {
		submit_buffer(create_buffer(&pictures[i]), &(struct oriel_guest_cursor){ 0 });
		assert_way(NODE);
	}
	assert_int_equal(context.creates, 0);
}

/* As those of a GPU that has them tiled: nobody would know when it has been read. */
static void buffer_that_only_a_gpu_reads_is_a_node(void **state) {
	context.sync.can_import = true;
	submit_buffer(fake_sync_create_dmabuf(), &(struct oriel_guest_cursor){ 0 });
	assert_int_equal(context.imports, 1);
	assert_way(NODE);
	sample();

	/* Or one that the primary plane has had imported. */
	struct picture picture = usual;
	picture.memory = ORIEL_GUEST_MEMORY_DMABUF;
	struct oriel_guest_buffer *buffer = create_buffer(&picture);
	oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_IMPORT);
	submit_buffer(buffer, &(struct oriel_guest_cursor){ 0 });
	assert_way(NODE);
	assert_int_equal(context.creates, 0);
}

static void plane_with_another_cursor_on_it_is_left_alone(void **state) {
	struct wlr_output_cursor pointer = { .enabled = true, .visible = true };
	wl_list_insert(&context.output.cursors, &pointer.link);
	context.output.hardware_cursor = &pointer;
	submit(10, 20);
	assert_node_at(10, 20);
	assert_ptr_equal(context.output.hardware_cursor, &pointer);
	/* Hidden, or on another output, it keeps the plane for nothing. */
	pointer.enabled = false;
	move(11, 20);
	assert_plane_at(11, 20);
	hide();
	context.output.hardware_cursor = &pointer;
	pointer.enabled = true;
	pointer.visible = false;
	move(12, 20);
	assert_plane_at(12, 20);
	assert_int_equal(context.output.software_cursor_locks, 0);
}

static void plane_is_taken_when_the_other_cursor_goes_and_left_when_one_comes(void **state) {
	struct wlr_output_cursor pointer = { .enabled = true, .visible = true };
	wl_list_insert(&context.output.cursors, &pointer.link);
	context.output.hardware_cursor = &pointer;
	submit(10, 20);
	commit();
	assert_node_at(10, 20);
	/* The guest itself does nothing. */
	pointer.enabled = false;
	commit();
	assert_plane_at(10, 20);
	commit();
	assert_plane_at(10, 20);

	/* One that wlroots draws: the plane is not had beside it. */
	pointer.enabled = true;
	commit();
	assert_node_at(10, 20);
	assert_null(context.output.hardware_cursor);
	move(11, 20);
	assert_node_at(11, 20);
	pointer.visible = false;
	commit();
	assert_plane_at(11, 20);

	hide();
	pointer.visible = true;
	commit();
	assert_way(HIDDEN);
}

static void plane_is_yielded_until_the_next_commit(void **state) {
	oriel_guest_view_cursor_yield(&context.cursor);
	assert_way(HIDDEN);
	submit(10, 20);
	assert_plane_at(10, 20);
	oriel_guest_view_cursor_yield(&context.cursor);
	assert_node_at(10, 20);
	assert_null(context.output.hardware_cursor);
	/* Nobody came for it. */
	commit();
	assert_plane_at(10, 20);
	assert_true(wl_list_empty(&context.output.cursors));
}

/* A pointer that is hidden as soon as the guest has a cursor, and back when it has none. */
struct rival {
	struct wlr_output_cursor pointer;
	int changes;
	bool plane_was_free; /* at the last change */
	struct wl_listener visible;
};

static void rival_handle_visible(struct wl_listener *listener, void *data) {
	struct rival *rival = wl_container_of(listener, rival, visible);
	rival->changes++;
	rival->plane_was_free = context.output_cursor == NULL;
	rival->pointer.enabled = !context.cursor.is_visible;
}

static void change_of_visibility_is_told_while_the_plane_is_free(void **state) {
	struct rival rival = { .pointer = { .enabled = true, .visible = true } };
	rival.visible.notify = rival_handle_visible;
	wl_signal_add(&context.cursor.events.visible, &rival.visible);
	wl_list_insert(&context.output.cursors, &rival.pointer.link);
	context.output.hardware_cursor = &rival.pointer;
	submit(10, 20);
	assert_int_equal(rival.changes, 1);
	assert_plane_at(10, 20);
	move(20, 20);
	submit(30, 20);
	assert_int_equal(rival.changes, 1);

	move(GROUND_WIDTH, 20);
	assert_int_equal(rival.changes, 2);
	assert_true(rival.plane_was_free);
	assert_way(HIDDEN);
	move(GROUND_WIDTH - 1, 20);
	assert_int_equal(rival.changes, 3);
	assert_plane_at(GROUND_WIDTH - 1, 20);
	hide();
	assert_int_equal(rival.changes, 4);
	assert_true(rival.plane_was_free);
	oriel_guest_view_cursor_clear(&context.cursor);
	assert_int_equal(rival.changes, 4);
	wl_list_remove(&rival.visible.link);
}

/* wlroots has it in the picture of that commit; from the next one on it is the scene's. */
static void capture_with_cursors_makes_it_a_node(void **state) {
	submit(10, 20);
	wlr_output_lock_software_cursors(&context.output, true);
	commit();
	assert_node_at(10, 20);
	move(11, 20);
	assert_node_at(11, 20);
	wlr_output_lock_software_cursors(&context.output, false);
	move(12, 20);
	assert_plane_at(12, 20);
}

static void commit_without_a_picture_shows_nothing(void **state) {
	submit(10, 20);
	struct wlr_output_state output_state = { .committed = WLR_OUTPUT_STATE_SCALE };
	struct wlr_output_event_commit event = { .output = &context.output, .state = &output_state };
	wl_signal_emit_mutable(&context.output.events.commit, &event);
	assert_int_equal(context.stats.shown, 0);
}

/* Whatever the scene has above the guest is above its cursor too. */
static void cursor_beneath_a_window_is_a_node(void **state) {
	const float colour[] = { 1, 0, 0, 1 };
	struct wlr_scene_tree *window = wlr_scene_tree_create(&context.scene->tree);
	struct wlr_scene_rect *rect = wlr_scene_rect_create(window, 20, 10, colour);
	wlr_scene_node_set_position(&window->node, 1000 + 15, 500);
	wlr_scene_node_set_position(&rect->node, 5, 15);
	/* From 20,15 to 40,25 on the output. */
	submit(10, 20);
	assert_plane_at(10, 20);
	static const struct {
		int x, y;
		enum way way;
	} rows[] = {
		{ 12, 20, PLANE },
		{ 13, 20, NODE },
		{ 39, 20, NODE },
		{ 40, 20, PLANE },
		{ 30, 7, PLANE },
		{ 30, 8, NODE },
		{ 30, 24, NODE },
		{ 30, 25, PLANE },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		move(rows[i].x, rows[i].y);
		assert_way(rows[i].way);
	}
	/* A window that comes, or moves, does so with a commit. */
	wlr_scene_node_set_position(&window->node, 1000 + 15, 505);
	assert_way(PLANE);
	commit();
	assert_node_at(30, 25);
	wlr_scene_node_set_enabled(&window->node, false);
	move(31, 25);
	assert_plane_at(31, 25);
	wlr_scene_node_set_enabled(&window->node, true);
	wlr_scene_node_lower_to_bottom(&window->node);
	move(30, 25);
	assert_plane_at(30, 25);

	/* A buffer, of the size that it is shown with. */
	wlr_scene_node_raise_to_top(&window->node);
	wlr_scene_node_set_enabled(&rect->node, false);
	struct wlr_scene_buffer *buffer = wlr_scene_buffer_create(window, NULL);
	wlr_scene_buffer_set_dest_size(buffer, 20, 10);
	wlr_scene_node_set_position(&buffer->node, 5, 15);
	move(31, 25);
	assert_node_at(31, 25);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_DRM(name) cmocka_unit_test_setup_teardown(name, setup_drm, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(init_without_memory_is_finished_all_the_same),
		TEST(picture_is_shown_where_the_guest_has_it),
		TEST(move_needs_no_new_picture),
		TEST(hidden_cursor_is_back_with_its_picture),
		TEST(move_before_the_first_picture_shows_nothing),
		TEST(cursor_is_clipped_to_the_picture),
		TEST(cursor_is_scaled_with_the_picture),
		TEST(picture_that_waits_does_not_hold_up_the_one_before),
		TEST(picture_that_is_ready_when_the_cursor_is_hidden_stays_hidden),
		TEST(pictures_are_released_once),
		TEST(cursor_without_a_picture_beneath_is_hidden),
		TEST(buffer_that_can_be_mapped_is_read_by_the_cpu),
		TEST_DRM(plane_is_given_a_copy_of_the_picture),
		TEST_DRM(move_on_the_plane_is_a_move_and_nothing_else),
		TEST_DRM(new_picture_and_new_hotspot_are_given_to_the_plane),
		TEST_DRM(hotspot_outside_of_the_picture_is_not_handed_on),
		TEST_DRM(hidden_cursor_leaves_the_plane),
		TEST_DRM(picture_that_the_plane_refuses_is_a_node),
		TEST_DRM(picture_that_is_no_texture_is_a_node),
		TEST_DRM(copy_without_memory_is_a_node),
		TEST_DRM(plane_that_neither_scales_nor_turns_leaves_that_to_the_scene),
		TEST_DRM(plane_that_would_have_to_clip_leaves_that_to_the_scene),
		TEST_DRM(buffers_that_are_not_copied_are_nodes),
		TEST_DRM(buffer_that_only_a_gpu_reads_is_a_node),
		TEST_DRM(plane_with_another_cursor_on_it_is_left_alone),
		TEST_DRM(plane_is_taken_when_the_other_cursor_goes_and_left_when_one_comes),
		TEST_DRM(plane_is_yielded_until_the_next_commit),
		TEST_DRM(change_of_visibility_is_told_while_the_plane_is_free),
		TEST_DRM(capture_with_cursors_makes_it_a_node),
		TEST_DRM(commit_without_a_picture_shows_nothing),
		TEST_DRM(cursor_beneath_a_window_is_a_node),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
