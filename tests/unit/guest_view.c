#include "view/guest_view.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

#include <cmocka.h>

#include "bridge/latch.h"
#include "bridge/reads.h"
#include "bridge/render_sync.h"
#include "buffer_watch.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "log_lines.h"
#include "shortage.h"
#include "view/state_text.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/*
 * A view in a scene that no output shows: the test says which output has sampled it. The view's
 * timer does not run, and is fired by the test; a texture is an address.
 */
static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct wlr_scene *scene;
	struct oriel_render_sync sync;
	struct wlr_drm_syncobj_timeline *ready_timeline; /* an address */
	struct wlr_output outputs[2];
	struct oriel_reads reads[2];

	struct fake_driver *driver;
	bool source_destroyed;
	struct oriel_guest_view *view;

	wl_event_loop_timer_func_t timer_handler;
	void *timer_data;
	int timer_ms; /* 0: not armed */

	unsigned int schedules; /* of outputs[0]'s frames */

	const char *sentence; /* that is shown in place of a picture; NULL: none */

	bool import_fails;
	unsigned int imports;
	unsigned int textures;

	struct wlr_drm_syncobj_timeline *wait_timeline;
	uint64_t wait_point;
	unsigned int sets;
	struct wlr_fbox set_source_box; /* of the scene's buffer when the last one was set */
	enum wl_output_transform set_transform;

	struct wlr_drm_format_set formats; /* of the renderer */
	bool format_is_unknown; /* to it */
	const struct fake_fence *render_fence; /* NULL: the renderer's fences are not asked for */
} context;

struct wl_event_source *__real_wl_event_loop_add_timer(
		struct wl_event_loop *loop, wl_event_loop_timer_func_t handler, void *data);
struct wl_event_source *__wrap_wl_event_loop_add_timer(
		struct wl_event_loop *loop, wl_event_loop_timer_func_t handler, void *data);
int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
void __wrap_wlr_output_schedule_frame(struct wlr_output *output);
void __real_oriel_state_text_say(struct oriel_state_text *text, const char *sentence);
void __wrap_oriel_state_text_say(struct oriel_state_text *text, const char *sentence);
const struct wlr_drm_format_set *__wrap_wlr_renderer_get_texture_formats(
		struct wlr_renderer *renderer, uint32_t buffer_caps);
bool __wrap_wlr_drm_format_set_has(
		const struct wlr_drm_format_set *set, uint32_t format, uint64_t modifier);
struct wlr_texture *__wrap_wlr_texture_from_buffer(
		struct wlr_renderer *renderer, struct wlr_buffer *buffer);
void __wrap_wlr_texture_destroy(struct wlr_texture *texture);
void __real_wlr_scene_buffer_set_buffer_with_options(struct wlr_scene_buffer *scene_buffer,
		struct wlr_buffer *buffer, const struct wlr_scene_buffer_set_buffer_options *options);
void __wrap_wlr_scene_buffer_set_buffer_with_options(struct wlr_scene_buffer *scene_buffer,
		struct wlr_buffer *buffer, const struct wlr_scene_buffer_set_buffer_options *options);
bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync);
int __wrap_oriel_render_sync_create_fence(
		const struct oriel_render_sync *sync, int *ret_sync_file_fd);

struct wl_event_source *__wrap_wl_event_loop_add_timer(
		struct wl_event_loop *loop, wl_event_loop_timer_func_t handler, void *data) {
	context.timer_handler = handler;
	context.timer_data = data;
	return __real_wl_event_loop_add_timer(loop, handler, data);
}

int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms) {
	context.timer_ms = delay_ms;
	return 0;
}

void __wrap_wlr_output_schedule_frame(struct wlr_output *output) {
	assert_ptr_equal(output, &context.outputs[0]);
	context.schedules++;
}

void __wrap_oriel_state_text_say(struct oriel_state_text *text, const char *sentence) {
	context.sentence = sentence;
	__real_oriel_state_text_say(text, sentence);
}

const struct wlr_drm_format_set *__wrap_wlr_renderer_get_texture_formats(
		struct wlr_renderer *renderer, uint32_t buffer_caps) {
	assert_int_equal(buffer_caps, WLR_BUFFER_CAP_DMABUF);
	return &context.formats;
}

bool __wrap_wlr_drm_format_set_has(
		const struct wlr_drm_format_set *set, uint32_t format, uint64_t modifier) {
	assert_ptr_equal(set, &context.formats);
	assert_int_equal(format, DRM_FORMAT_XRGB8888);
	assert_int_equal(modifier, DRM_FORMAT_MOD_LINEAR);
	return !context.format_is_unknown;
}

struct wlr_texture *__wrap_wlr_texture_from_buffer(
		struct wlr_renderer *renderer, struct wlr_buffer *buffer) {
	context.imports++;
	if (context.import_fails) {
		return NULL;
	}
	context.textures++;
	return (struct wlr_texture *)&context.textures;
}

void __wrap_wlr_texture_destroy(struct wlr_texture *texture) {
	assert_ptr_equal(texture, &context.textures);
	assert_true(context.textures > 0);
	context.textures--;
}

void __wrap_wlr_scene_buffer_set_buffer_with_options(struct wlr_scene_buffer *scene_buffer,
		struct wlr_buffer *buffer, const struct wlr_scene_buffer_set_buffer_options *options) {
	context.sets++;
	context.wait_timeline = options->wait_timeline;
	context.wait_point = options->wait_point;
	context.set_source_box = scene_buffer->src_box;
	context.set_transform = scene_buffer->transform;
	struct wlr_scene_buffer_set_buffer_options without_wait = *options;
	without_wait.wait_timeline = NULL;
	__real_wlr_scene_buffer_set_buffer_with_options(scene_buffer, buffer, &without_wait);
}

bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync) {
	return context.render_fence != NULL;
}

int __wrap_oriel_render_sync_create_fence(
		const struct oriel_render_sync *sync, int *ret_sync_file_fd) {
	int fd = fcntl(context.render_fence->sync_file_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(fd >= 0);
	*ret_sync_file_fd = fd;
	return 0;
}

static void setup_without_view(void) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	fake_sync_reset();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	context.scene = wlr_scene_create();
	assert_non_null(context.scene);
	for (int i = 0; i < 2; i++) {
		oriel_reads_init(&context.reads[i], context.loop, &context.sync);
		context.outputs[i].data = &context.reads[i];
		context.outputs[i].scale = 1;
	}
	context.driver = fake_driver_create("win");
	context.driver->destroyed = &context.source_destroyed;
}

static int setup(void **state) {
	setup_without_view();
	context.view = oriel_guest_view_create(context.loop, &context.scene->tree, &context.sync,
			&context.driver->base, NULL);
	assert_non_null(context.view);
	return 0;
}

static int setup_alone(void **state) {
	setup_without_view();
	return 0;
}

/* A renderer that can import dma-bufs, and be given a point to wait for. */
static int setup_import(void **state) {
	setup(state);
	context.sync.can_import = true;
	context.sync.ready_timeline = (struct wlr_drm_syncobj_timeline *)&context.ready_timeline;
	context.sync.ready_point = 9;
	return 0;
}

static int teardown(void **state) {
	oriel_guest_view_destroy(context.view);
	assert_true(context.source_destroyed);
	for (int i = 0; i < 2; i++) {
		oriel_reads_finish(&context.reads[i]);
	}
	assert_int_equal(context.textures, 0);
	wlr_scene_node_destroy(&context.scene->tree.node);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static bool submit(struct oriel_guest_buffer *buffer) {
	return oriel_source_submit(
			&context.driver->base, &(struct oriel_source_picture){ .buffer = buffer });
}

/* A frame of a new buffer, which goes with it. */
static struct wlr_buffer *submit_new(void) {
	struct oriel_guest_buffer *buffer = fake_sync_create_shared();
	struct wlr_buffer *wlr_buffer = oriel_guest_buffer_get_wlr_buffer(buffer);
	assert_true(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	return wlr_buffer;
}

static void sample(int output) {
	struct wlr_scene_output scene_output = { .output = &context.outputs[output] };
	struct wlr_scene_output_sample_event event = { .output = &scene_output };
	wl_signal_emit(&context.view->primary.scene_buffer->events.output_sample, &event);
}

static void show_on(int output) {
	const struct wlr_box box = { 0, 0, 64, 48 };
	oriel_guest_view_set_output(context.view, &context.outputs[output], &box);
}

/* What the scene says of a node that some output sees a part of. */
static void uncover(void) {
	static struct wlr_scene_output scene_output;
	context.view->primary.scene_buffer->primary_output = &scene_output;
}

static void assert_stats(uint64_t shown, uint64_t superseded, uint64_t rejected) {
	assert_int_equal(context.view->stats.shown, shown);
	assert_int_equal(context.view->stats.superseded, superseded);
	assert_int_equal(context.view->stats.rejected, rejected);
}

static void destroy_null_is_fine(void **state) {
	oriel_guest_view_destroy(NULL);
}

static void create_without_memory_destroys_the_source(void **state) {
	unsigned int calls, fail_at = 1;
	for (;;) {
		bool source_destroyed = false;
		struct fake_driver *driver = fake_driver_create("lin");
		driver->destroyed = &source_destroyed;
		unsigned int lines = log_lines_get_count();
		shortage_of_memory_begin(fail_at);
		struct oriel_guest_view *view = oriel_guest_view_create(context.loop,
				&context.scene->tree, &context.sync, &driver->base, "DP-1");
		calls = shortage_of_memory_end();
		if (view != NULL) {
			oriel_guest_view_destroy(view);
			assert_true(source_destroyed);
			break;
		}
		assert_true(source_destroyed);
		assert_int_equal(log_lines_get_count(), lines + 1);
		assert_non_null(strstr(log_lines_get_last(), "guest lin: "));
		assert_true(wl_list_empty(&context.scene->tree.children));
		fail_at++;
	}
	/* The view, its latch and the output's name at the least. */
	assert_true(fail_at > 3);
	assert_int_equal(calls, fail_at - 1);
	fake_driver_destroy(context.driver);
}

static void frame_goes_to_the_scene(void **state) {
	assert_null(context.view->primary.scene_buffer->buffer);
	struct wlr_buffer *buffer = submit_new();
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, buffer);
	assert_stats(0, 0, 0);
	assert_int_equal(context.driver->releases, 0);
	buffer = submit_new();
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, buffer);
	assert_int_equal(context.driver->releases, 1);
}

static void frame_replaced_unseen_is_superseded(void **state) {
	submit_new();
	submit_new();
	assert_stats(0, 1, 0);
	sample(0);
	assert_stats(1, 1, 0);
	submit_new();
	assert_stats(1, 1, 0);
}

static void frame_sampled_twice_is_shown_once(void **state) {
	submit_new();
	sample(0);
	sample(1);
	oriel_reads_submitted(&context.reads[0]);
	sample(0);
	assert_stats(1, 0, 0);
}

static void frame_replaced_while_it_is_read_is_released_after(void **state) {
	submit_new();
	sample(0);
	sample(1);
	submit_new();
	assert_int_equal(context.driver->releases, 0);
	oriel_reads_submitted(&context.reads[1]);
	assert_int_equal(context.driver->releases, 0);
	oriel_reads_submitted(&context.reads[0]);
	assert_int_equal(context.driver->releases, 1);
}

static void frame_with_a_pending_writer_stays_out_of_the_scene(void **state) {
	struct wlr_buffer *shown = submit_new();
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);
	/* The same again would tell nothing new. */
	assert_false(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	fake_fence_finish(&fence);
}

static void frame_that_cannot_be_read_is_rejected(void **state) {
	struct wlr_buffer *shown = submit_new();
	/* An eventfd is not to be mapped. */
	for (unsigned int i = 1; i <= 3; i++) {
		struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
		assert_true(submit(buffer));
		oriel_guest_buffer_drop(buffer);
		assert_stats(0, 0, i);
		assert_int_equal(context.driver->releases, i);
	}
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: "));
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);

	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(oriel_guest_view_get_state(context.view), ORIEL_SOURCE_STATE_ERROR);
	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_OFF);
	assert_int_equal(oriel_guest_view_get_state(context.view), ORIEL_SOURCE_STATE_OFF);
	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_RUNNING);
	submit_new();
	assert_int_equal(oriel_guest_view_get_state(context.view), ORIEL_SOURCE_STATE_RUNNING);
}

static void imported_frame_is_given_the_ready_point(void **state) {
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	assert_int_equal(oriel_guest_buffer_get_read_path(buffer), ORIEL_GUEST_READ_PATH_IMPORT);
	assert_ptr_equal(context.wait_timeline, context.sync.ready_timeline);
	assert_int_equal(context.wait_point, 9);
	/* It was tried once, and once is enough. */
	assert_int_equal(context.imports, 1);
	sample(0);
	assert_true(submit(buffer));
	assert_int_equal(context.imports, 1);
	assert_int_equal(context.sets, 2);
	oriel_guest_buffer_drop(buffer);
}

static struct oriel_guest_buffer *make_mappable_dmabuf(void) {
	struct oriel_guest_buffer_attributes attributes = {
		.width = 4,
		.height = 4,
		.format = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.stride_bytes = 16,
	};
	int fd = memfd_create("guest_view", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 64), 0);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_DMABUF, fd);
	assert_non_null(buffer);
	return buffer;
}

static void assert_is_read_by_the_cpu(struct oriel_guest_buffer *buffer) {
	assert_int_equal(oriel_guest_buffer_get_read_path(buffer), ORIEL_GUEST_READ_PATH_CPU);
	assert_ptr_equal(context.view->primary.scene_buffer->buffer,
			oriel_guest_buffer_get_wlr_buffer(buffer));
	assert_null(context.wait_timeline);
}

static void frame_that_the_renderer_refuses_is_read_by_the_cpu(void **state) {
	context.import_fails = true;
	struct oriel_guest_buffer *buffer = make_mappable_dmabuf();
	assert_true(submit(buffer));
	assert_int_equal(context.imports, 1);
	assert_is_read_by_the_cpu(buffer);
	oriel_guest_buffer_drop(buffer);
}

/* Trying would be a line of the renderer's in the log, for each buffer of a guest that lies. */
static void frame_of_a_format_that_the_renderer_lacks_is_not_tried(void **state) {
	context.format_is_unknown = true;
	struct oriel_guest_buffer *buffer = make_mappable_dmabuf();
	assert_true(submit(buffer));
	assert_int_equal(context.imports, 0);
	assert_is_read_by_the_cpu(buffer);
	oriel_guest_buffer_drop(buffer);
}

static void shared_frame_is_never_imported_nor_waited_for(void **state) {
	submit_new();
	assert_int_equal(context.imports, 0);
	assert_null(context.wait_timeline);
	assert_int_equal(context.sets, 1);
}

static void renderer_that_takes_fences_is_counted_when_it_over_syncs(void **state) {
	struct fake_fence later;
	fake_fence_init(&later);
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	fake_sync.fence = &later;
	sample(0);
	/* This one was told not to. */
	assert_int_equal(context.view->stats.over_sync, 0);
	context.sync.takes_fences = true;
	sample(0);
	assert_int_equal(context.view->stats.over_sync, 1);
	fake_fence_signal(&later);
	sample(0);
	assert_int_equal(context.view->stats.over_sync, 1);
	oriel_guest_buffer_drop(buffer);
	fake_fence_finish(&later);
}

static void blank_lets_go_of_everything(void **state) {
	struct wlr_buffer *shown = submit_new();
	sample(0);
	oriel_reads_submitted(&context.reads[0]);
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);

	oriel_guest_view_blank(context.view);
	assert_null(context.view->primary.scene_buffer->buffer);
	assert_int_equal(context.driver->releases, 2);
	assert_stats(1, 1, 0);
	oriel_guest_view_blank(context.view);
	assert_stats(1, 1, 0);
	fake_fence_finish(&fence);

	/* And the next frame is shown as ever. */
	fake_sync.fence = NULL;
	shown = submit_new();
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);
}

static void set_state(enum oriel_source_state state) {
	oriel_source_set_state(&context.driver->base, state);
}

/* The view's timer runs out. */
static void fire_timer(void) {
	assert_int_not_equal(context.timer_ms, 0);
	context.timer_ms = 0;
	context.timer_handler(context.timer_data);
}

static void assert_says(const char *words) {
	if (words == NULL) {
		assert_null(context.sentence);
		return;
	}
	assert_non_null(context.sentence);
	assert_string_equal(context.sentence, words);
}

/* Some seconds: a reset takes no longer. */
static bool is_grace_period(int ms) {
	return ms >= 2000 && ms <= 10000;
}

static void display_that_goes_keeps_its_frame_for_the_grace_period(void **state) {
	static const enum oriel_source_state gone[] = { ORIEL_SOURCE_STATE_OFF,
		ORIEL_SOURCE_STATE_LOST };
	for (int i = 0; i < 2; i++) {
		set_state(ORIEL_SOURCE_STATE_RUNNING);
		struct wlr_buffer *shown = submit_new();
		assert_int_equal(context.timer_ms, 0);
		sample(0);
		oriel_reads_submitted(&context.reads[0]);
		set_state(gone[i]);
		assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);
		assert_says(NULL);
		assert_true(is_grace_period(context.timer_ms));
		fire_timer();
		assert_null(context.view->primary.scene_buffer->buffer);
		assert_int_equal(context.driver->releases, i + 1);
		assert_says(gone[i] == ORIEL_SOURCE_STATE_OFF ? "its display is off"
							      : "its display is gone");
	}
}

static void display_that_is_back_in_time_is_never_blank(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	struct wlr_buffer *shown = submit_new();
	set_state(ORIEL_SOURCE_STATE_OFF);
	assert_int_not_equal(context.timer_ms, 0);
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(context.timer_ms, 0);
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);
	assert_says(NULL);
}

static void display_off_and_then_lost_has_one_grace_period(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	submit_new();
	set_state(ORIEL_SOURCE_STATE_OFF);
	assert_int_not_equal(context.timer_ms, 0);
	context.timer_ms = -1;
	set_state(ORIEL_SOURCE_STATE_LOST);
	assert_int_equal(context.timer_ms, -1);
	/* A device that is back has no picture yet, and its last frame no more time. */
	set_state(ORIEL_SOURCE_STATE_RESTARTED);
	assert_int_equal(context.timer_ms, -1);
	assert_non_null(context.view->primary.scene_buffer->buffer);
	/* It ends with the time that began when the display went off. */
	fire_timer();
	assert_null(context.view->primary.scene_buffer->buffer);
	assert_says("restarted, waiting for its display");
}

static void guest_that_shows_nothing_yet_is_said_to_wait_after_a_moment(void **state) {
	assert_says(NULL);
	assert_true(context.timer_ms >= 500 && context.timer_ms <= 2000);
	fire_timer();
	assert_says("waiting for its display");
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	/* The picture is about to come. */
	assert_says("waiting for its display");
	submit_new();
	assert_says(NULL);
	assert_int_equal(context.timer_ms, 0);
}

static void guest_that_is_shown_at_once_never_says_that_it_waits(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	submit_new();
	assert_int_equal(context.timer_ms, 0);
	assert_says(NULL);
}

static void what_is_said_follows_the_state(void **state) {
	static const struct {
		enum oriel_source_state state;
		const char *words;
	} rows[] = {
		{ ORIEL_SOURCE_STATE_OFF, "its display is off" },
		{ ORIEL_SOURCE_STATE_LOST, "its display is gone" },
		{ ORIEL_SOURCE_STATE_RESTARTED, "restarted, waiting for its display" },
		{ ORIEL_SOURCE_STATE_LOST, "its display is gone" },
		{ ORIEL_SOURCE_STATE_RESTARTED, "restarted, waiting for its display" },
		{ ORIEL_SOURCE_STATE_ERROR, "its picture cannot be shown" },
		{ ORIEL_SOURCE_STATE_OFF, "its display is off" },
		/* Which shows one any moment. */
		{ ORIEL_SOURCE_STATE_RUNNING, "its display is off" },
		{ ORIEL_SOURCE_STATE_WAITING, "waiting for its display" },
	};
	fire_timer();
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		set_state(rows[i].state);
		assert_says(rows[i].words);
	}
}

/* Neither imported nor mapped; or refused by the driver, which has seen a picture all the same. */
static void picture_that_is_refused_is_said_to_be(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	assert_stats(0, 0, 1);
	fire_timer();
	assert_says("its picture cannot be shown");
	submit_new();
	assert_says(NULL);
}

static void picture_that_cannot_be_shown_leaves_the_last_one_that_could(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	struct wlr_buffer *shown = submit_new();
	set_state(ORIEL_SOURCE_STATE_ERROR);
	assert_int_equal(context.timer_ms, 0);
	assert_ptr_equal(context.view->primary.scene_buffer->buffer, shown);
	assert_says(NULL);

	/* But not that of a guest that has gone. */
	set_state(ORIEL_SOURCE_STATE_OFF);
	assert_true(is_grace_period(context.timer_ms));
	set_state(ORIEL_SOURCE_STATE_ERROR);
	assert_true(is_grace_period(context.timer_ms));
	fire_timer();
	assert_null(context.view->primary.scene_buffer->buffer);
	assert_says("its picture cannot be shown");
}

static void picture_that_waits_for_its_fence_is_not_called_refused(void **state) {
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	assert_true(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	fire_timer();
	assert_says("waiting for its display");
	/* This one cannot be mapped, as turns out when it is ready. */
	fake_fence_signal(&fence);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	fire_timer();
	assert_says("its picture cannot be shown");
	fake_fence_finish(&fence);
}

static void cursor_is_there_while_the_guest_and_its_picture_are(void **state) {
	const struct oriel_guest_cursor place = { .x = 3, .y = 4 };
	struct oriel_guest_buffer *buffer = fake_sync_create_shared();
	const struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = buffer,
		.cursor = place,
	};
	const struct wlr_scene_node *node = &context.view->cursor.plane.scene_buffer->node;
	show_on(0);
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_true(oriel_source_submit(&context.driver->base, &picture));
	oriel_guest_buffer_drop(buffer);
	/* On nothing there is no cursor. */
	assert_false(oriel_guest_view_has_cursor(context.view));
	submit_new();
	assert_true(oriel_guest_view_has_cursor(context.view));
	assert_true(node->enabled);
	assert_int_equal(node->x, 3);
	assert_int_equal(node->y, 4);

	oriel_source_set_cursor(&context.driver->base, NULL);
	assert_false(oriel_guest_view_has_cursor(context.view));
	assert_false(node->enabled);
	oriel_source_set_cursor(&context.driver->base, &place);
	assert_true(oriel_guest_view_has_cursor(context.view));

	oriel_guest_view_set_output(context.view, NULL, NULL);
	assert_false(oriel_guest_view_has_cursor(context.view));
	show_on(1);
	assert_true(oriel_guest_view_has_cursor(context.view));

	/* The last picture stays for a while; its cursor would be one that does not move. */
	set_state(ORIEL_SOURCE_STATE_OFF);
	assert_false(oriel_guest_view_has_cursor(context.view));
	set_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_true(oriel_guest_view_has_cursor(context.view));

	oriel_guest_view_blank(context.view);
	assert_false(oriel_guest_view_has_cursor(context.view));
	assert_int_equal(context.driver->releases, 2);
}

static void set_output_fits_the_picture_into_its_box(void **state) {
	struct oriel_guest_view *view = context.view;
	assert_false(view->tree->node.enabled);
	/* 64 x 48 pixels, before there is a frame and with one. */
	const struct wlr_box box = { 1000, 50, 200, 96 };
	oriel_guest_view_set_output(view, &context.outputs[0], &box);
	assert_true(view->tree->node.enabled);
	assert_int_equal(view->tree->node.x, 1000);
	assert_int_equal(view->tree->node.y, 50);
	assert_int_equal(view->background->width, 200);
	assert_int_equal(view->background->height, 96);

	submit_new();
	assert_int_equal(view->primary.scene_buffer->dst_width, 128);
	assert_int_equal(view->primary.scene_buffer->dst_height, 96);
	assert_int_equal(view->primary.scene_buffer->node.x, 36);
	assert_int_equal(view->primary.scene_buffer->node.y, 0);
	assert_int_equal(view->primary.scene_buffer->filter_mode, WLR_SCALE_FILTER_NEAREST);

	const struct wlr_box other_box = { 0, 0, 96, 100 };
	oriel_guest_view_set_output(view, &context.outputs[1], &other_box);
	assert_int_equal(view->tree->node.x, 0);
	assert_int_equal(view->primary.scene_buffer->dst_width, 96);
	assert_int_equal(view->primary.scene_buffer->dst_height, 72);
	assert_int_equal(view->primary.scene_buffer->node.y, 14);
	assert_int_equal(view->primary.scene_buffer->filter_mode, WLR_SCALE_FILTER_BILINEAR);

	oriel_guest_view_set_output(view, NULL, NULL);
	assert_false(view->tree->node.enabled);
	assert_null(view->output);
}

/* What counts for sharpness is the scale in the output's own pixels. */
static void submit_part(struct oriel_guest_crop crop, bool is_flipped) {
	struct oriel_guest_buffer *buffer = fake_sync_create_shared();
	assert_true(oriel_source_submit(&context.driver->base,
			&(struct oriel_source_picture){
					.buffer = buffer, .crop = crop, .is_flipped = is_flipped }));
	oriel_guest_buffer_drop(buffer);
}

static void frame_that_is_a_part_of_its_buffer_is_fitted_as_that(void **state) {
	const struct wlr_box box = { 0, 0, 64, 48 };
	oriel_guest_view_set_output(context.view, &context.outputs[0], &box);
	submit_part((struct oriel_guest_crop){ 8, 4, 32, 12 }, false);
	const struct wlr_scene_buffer *picture = context.view->primary.scene_buffer;
	assert_int_equal(picture->dst_width, 64);
	assert_int_equal(picture->dst_height, 24);
	assert_int_equal(picture->node.y, 12);
	assert_int_equal(context.view->cursor.ground.width, 32);
	assert_int_equal(context.view->cursor.ground.height, 12);
	/* In time for the damage to be of that part. */
	assert_true(wlr_fbox_equal(&context.set_source_box, &(struct wlr_fbox){ 8, 4, 32, 12 }));
	assert_int_equal(context.set_transform, WL_OUTPUT_TRANSFORM_NORMAL);
	double x, y;
	assert_true(oriel_guest_view_locate(context.view, 32, 24, &x, &y));
	assert_true(x == 0.5 && y == 0.5);

	submit_new();
	assert_int_equal(picture->dst_height, 48);
	assert_true(wlr_fbox_empty(&context.set_source_box));
}

static void frame_upside_down_is_turned_and_the_next_one_is_not(void **state) {
	show_on(0);
	submit_part((struct oriel_guest_crop){ 0 }, true);
	assert_int_equal(context.set_transform, WL_OUTPUT_TRANSFORM_FLIPPED_180);
	assert_int_equal(context.view->primary.scene_buffer->dst_height, 48);
	submit_new();
	assert_int_equal(context.set_transform, WL_OUTPUT_TRANSFORM_NORMAL);
}

static void set_output_that_is_scaled_filters_by_its_pixels(void **state) {
	static const struct {
		float output_scale;
		struct wlr_box box;
		enum wlr_scale_filter_mode filter_mode;
	} cases[] = {
		{ 1, { 0, 0, 64, 48 }, WLR_SCALE_FILTER_NEAREST },
		{ 1.5f, { 0, 0, 64, 48 }, WLR_SCALE_FILTER_BILINEAR },
		{ 2, { 0, 0, 64, 48 }, WLR_SCALE_FILTER_NEAREST },
		{ 2, { 0, 0, 32, 24 }, WLR_SCALE_FILTER_NEAREST },
		{ 2, { 0, 0, 96, 72 }, WLR_SCALE_FILTER_NEAREST },
		{ 1, { 0, 0, 96, 72 }, WLR_SCALE_FILTER_BILINEAR },
		/* 85 x 63, which is 128 x 95 pixels. */
		{ 1.5f, { 0, 0, 85, 64 }, WLR_SCALE_FILTER_BILINEAR },
		{ 4 / 3.0f, { 0, 0, 96, 72 }, WLR_SCALE_FILTER_NEAREST },
	};
	submit_new();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		context.outputs[0].scale = cases[i].output_scale;
		oriel_guest_view_set_output(context.view, &context.outputs[0], &cases[i].box);
		if (context.view->primary.scene_buffer->filter_mode != cases[i].filter_mode) {
			fail_msg("case %zu", i);
		}
	}
}

/* False if the guest need not be asked again. */
static bool poll_view(void) {
	oriel_guest_view_poll(context.view);
	return oriel_guest_view_get_next_poll_ns(context.view, 1) != ORIEL_GUEST_VIEW_POLL_NEVER;
}

/* Nobody sees a view that no output shows. */
static void poll_hidden_asks_nothing(void **state) {
	assert_false(poll_view());
	show_on(0);
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 1);
	oriel_guest_view_set_output(context.view, NULL, NULL);
	assert_false(poll_view());
	assert_int_equal(context.driver->polls, 1);
}

static void poll_asks_until_there_is_a_frame_and_again_when_it_was_seen(void **state) {
	show_on(0);
	for (unsigned int i = 1; i <= 2; i++) {
		assert_true(poll_view());
		assert_int_equal(context.driver->polls, i);
	}
	submit_new();
	uncover();
	/* The output is to come by again, but a frame now would only replace this one unseen. */
	assert_true(poll_view());
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 2);
	sample(0);
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 3);
	oriel_guest_view_blank(context.view);
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 4);
}

static void poll_behind_windows_asks_nothing(void **state) {
	show_on(0);
	submit_new();
	context.view->primary.scene_buffer->primary_output = NULL;
	assert_false(poll_view());
	uncover();
	sample(0);
	context.view->primary.scene_buffer->primary_output = NULL;
	assert_false(poll_view());
	assert_int_equal(context.driver->polls, 0);
	uncover();
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 1);
}

/* One that is off may be switched on again, and one that is lost may come back. */
static void guest_that_tells_gets_a_frame_of_the_output_that_shows_it(void **state) {
	oriel_source_set_telling(&context.driver->base);
	oriel_source_tell(&context.driver->base);
	assert_int_equal(context.schedules, 0);
	show_on(0);
	assert_true(oriel_guest_view_get_next_poll_ns(context.view, 0) != ORIEL_GUEST_VIEW_POLL_NEVER);
	oriel_guest_view_poll(context.view);
	assert_int_equal(context.driver->polls, 1);
	assert_true(oriel_guest_view_get_next_poll_ns(context.view, 0) == ORIEL_GUEST_VIEW_POLL_NEVER);
	oriel_source_tell(&context.driver->base);
	assert_int_equal(context.schedules, 1);
	oriel_guest_view_poll(context.view);

	/* Behind windows, which is where a frame is that no output says to see. */
	submit_new();
	oriel_source_tell(&context.driver->base);
	assert_int_equal(context.schedules, 1);
}

static void poll_of_a_display_that_is_gone_asks(void **state) {
	show_on(0);
	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_RUNNING);
	submit_new();
	sample(0);
	uncover();
	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_OFF);
	assert_true(poll_view());
	context.timer_handler(context.timer_data);
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 2);
	oriel_source_set_state(&context.driver->base, ORIEL_SOURCE_STATE_LOST);
	assert_true(poll_view());
	assert_int_equal(context.driver->polls, 3);
}

/* What the guest is told of is in the output's pixels, and in millimetres of what it covers. */
static void set_output_tells_the_guest_what_shows_it(void **state) {
	static const struct {
		enum wl_output_transform transform;
		float scale;
		struct wlr_box box;
		struct oriel_guest_monitor monitor;
	} rows[] = {
		{ WL_OUTPUT_TRANSFORM_NORMAL, 1, { 0, 0, 1000, 500 },
				{ 1000, 500, 59940, 400, 300, NULL } },
		{ WL_OUTPUT_TRANSFORM_NORMAL, 2, { 9, 9, 500, 250 },
				{ 1000, 500, 59940, 400, 300, NULL } },
		{ WL_OUTPUT_TRANSFORM_NORMAL, 1, { 0, 0, 500, 250 },
				{ 500, 250, 59940, 200, 150, NULL } },
		{ WL_OUTPUT_TRANSFORM_90, 1, { 0, 0, 500, 1000 },
				{ 500, 1000, 59940, 300, 400, NULL } },
	};
	struct wlr_output *output = &context.outputs[0];
	output->width = 1000;
	output->height = 500;
	output->refresh = 59940;
	output->phys_width = 400;
	output->phys_height = 300;
	output->name = (char *)"FAKE-1";
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		output->transform = rows[i].transform;
		output->scale = rows[i].scale;
		oriel_guest_view_set_output(context.view, output, &rows[i].box);
		const struct oriel_guest_monitor *monitor = &context.driver->monitor;
		assert_int_equal(context.driver->monitors, i + 1);
		assert_int_equal(monitor->width, rows[i].monitor.width);
		assert_int_equal(monitor->height, rows[i].monitor.height);
		assert_int_equal(monitor->refresh_mhz, rows[i].monitor.refresh_mhz);
		assert_int_equal(monitor->width_mm, rows[i].monitor.width_mm);
		assert_int_equal(monitor->height_mm, rows[i].monitor.height_mm);
		assert_string_equal(monitor->name, "FAKE-1");
	}
	oriel_guest_view_set_output(context.view, NULL, NULL);
	assert_int_equal(context.driver->monitors, ARRAY_LENGTH(rows));
	output->transform = WL_OUTPUT_TRANSFORM_NORMAL;
	output->scale = 1;
}

static void destroy_with_a_frame_being_read_keeps_its_buffer(void **state) {
	/* A kernel that takes no READ fences: the read's own fence is waited for. */
	struct fake_fence render_fence;
	fake_fence_init(&render_fence);
	context.render_fence = &render_fence;
	fake_sync.import_error = -ENOTTY;
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	struct buffer_watch watch;
	buffer_watch_init(&watch, buffer);
	assert_true(submit(buffer));
	oriel_guest_buffer_drop(buffer);
	sample(0);
	oriel_reads_submitted(&context.reads[0]);

	oriel_guest_view_destroy(context.view);
	context.view = NULL;
	assert_true(context.source_destroyed);
	assert_false(watch.destroyed);
	fake_fence_signal(&render_fence);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_true(watch.destroyed);
	fake_fence_finish(&render_fence);
}

#define TEST(name, its_setup) cmocka_unit_test_setup_teardown(name, its_setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(destroy_null_is_fine, setup),
		TEST(create_without_memory_destroys_the_source, setup_alone),
		TEST(frame_goes_to_the_scene, setup),
		TEST(frame_replaced_unseen_is_superseded, setup),
		TEST(frame_sampled_twice_is_shown_once, setup),
		TEST(frame_replaced_while_it_is_read_is_released_after, setup),
		TEST(frame_with_a_pending_writer_stays_out_of_the_scene, setup),
		TEST(frame_that_cannot_be_read_is_rejected, setup),
		TEST(imported_frame_is_given_the_ready_point, setup_import),
		TEST(frame_that_the_renderer_refuses_is_read_by_the_cpu, setup_import),
		TEST(frame_of_a_format_that_the_renderer_lacks_is_not_tried, setup_import),
		TEST(shared_frame_is_never_imported_nor_waited_for, setup_import),
		TEST(renderer_that_takes_fences_is_counted_when_it_over_syncs, setup_import),
		TEST(blank_lets_go_of_everything, setup),
		TEST(display_that_goes_keeps_its_frame_for_the_grace_period, setup),
		TEST(display_that_is_back_in_time_is_never_blank, setup),
		TEST(display_off_and_then_lost_has_one_grace_period, setup),
		TEST(guest_that_shows_nothing_yet_is_said_to_wait_after_a_moment, setup),
		TEST(guest_that_is_shown_at_once_never_says_that_it_waits, setup),
		TEST(what_is_said_follows_the_state, setup),
		TEST(picture_that_is_refused_is_said_to_be, setup),
		TEST(picture_that_cannot_be_shown_leaves_the_last_one_that_could, setup),
		TEST(picture_that_waits_for_its_fence_is_not_called_refused, setup),
		TEST(cursor_is_there_while_the_guest_and_its_picture_are, setup),
		TEST(set_output_fits_the_picture_into_its_box, setup),
		TEST(frame_that_is_a_part_of_its_buffer_is_fitted_as_that, setup),
		TEST(frame_upside_down_is_turned_and_the_next_one_is_not, setup),
		TEST(set_output_tells_the_guest_what_shows_it, setup),
		TEST(set_output_that_is_scaled_filters_by_its_pixels, setup),
		TEST(guest_that_tells_gets_a_frame_of_the_output_that_shows_it, setup),
		TEST(poll_hidden_asks_nothing, setup),
		TEST(poll_asks_until_there_is_a_frame_and_again_when_it_was_seen, setup),
		TEST(poll_behind_windows_asks_nothing, setup),
		TEST(poll_of_a_display_that_is_gone_asks, setup),
		TEST(destroy_with_a_frame_being_read_keeps_its_buffer, setup_import),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
