#include "bridge/reads.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/types/wlr_output.h>

#include <cmocka.h>

#include "bridge/render_sync.h"
#include "bridge/stats.h"
#include "buffer_watch.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fd.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define WAITERS_MAX 4
#define POINT 42

/*
 * A timeline is an address and a number of references here; the fence of its point, and the fence
 * that the renderer makes, are those of fake_sync.h. The real waiter is in the event loop; this
 * one is fired by the test.
 */
static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_reads reads;
	struct oriel_stats stats;
	bool stats_ended;

	struct fake_driver *driver;
	struct oriel_guest_buffer *buffer;
	struct buffer_watch watch;
	struct oriel_guest_frame *frame; /* of the buffer, taken last */
	unsigned int frames;

	struct wlr_drm_syncobj_timeline timeline;
	int timeline_refs;
	struct fake_fence point_fence;
	bool point_fails; /* it has no fence (yet) */
	unsigned int point_exports;

	struct wlr_drm_syncobj_timeline_waiter *waiters[WAITERS_MAX]; /* NULL: finished */
	wlr_drm_syncobj_timeline_ready_callback waiter_callbacks[WAITERS_MAX];
	size_t waiter_count;
	bool waiter_fails;

	bool needs_fence;
	struct fake_fence render_fence;
	int render_error; /* -errno */
	unsigned int render_fences;
} context;

struct wlr_drm_syncobj_timeline *__wrap_wlr_drm_syncobj_timeline_ref(
		struct wlr_drm_syncobj_timeline *timeline);
void __wrap_wlr_drm_syncobj_timeline_unref(struct wlr_drm_syncobj_timeline *timeline);
int __wrap_wlr_drm_syncobj_timeline_export_sync_file(
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point);
bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback);
void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter);
bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync);
int __wrap_oriel_render_sync_create_fence(
		const struct oriel_render_sync *sync, int *ret_sync_file_fd);

struct wlr_drm_syncobj_timeline *__wrap_wlr_drm_syncobj_timeline_ref(
		struct wlr_drm_syncobj_timeline *timeline) {
	assert_ptr_equal(timeline, &context.timeline);
	context.timeline_refs++;
	return timeline;
}

void __wrap_wlr_drm_syncobj_timeline_unref(struct wlr_drm_syncobj_timeline *timeline) {
	if (timeline == NULL) {
		return;
	}
	assert_ptr_equal(timeline, &context.timeline);
	assert_true(context.timeline_refs > 0);
	context.timeline_refs--;
}

int __wrap_wlr_drm_syncobj_timeline_export_sync_file(
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point) {
	assert_ptr_equal(timeline, &context.timeline);
	assert_true(context.timeline_refs > 0);
	assert_int_equal(point, POINT);
	context.point_exports++;
	if (context.point_fails) {
		return -1;
	}
	return fcntl(context.point_fence.sync_file_fd, F_DUPFD_CLOEXEC, 0);
}

bool __wrap_wlr_drm_syncobj_timeline_waiter_init(struct wlr_drm_syncobj_timeline_waiter *waiter,
		struct wlr_drm_syncobj_timeline *timeline, uint64_t point, uint32_t flags,
		struct wl_event_loop *loop, wlr_drm_syncobj_timeline_ready_callback callback) {
	assert_ptr_equal(timeline, &context.timeline);
	assert_true(context.timeline_refs > 0);
	assert_int_equal(point, POINT);
	/* Signalled; that it merely has a fence would be another flag. */
	assert_int_equal(flags, 0);
	assert_ptr_equal(loop, context.loop);
	assert_true(context.waiter_count < WAITERS_MAX);
	if (context.waiter_fails) {
		return false;
	}
	context.waiters[context.waiter_count] = waiter;
	context.waiter_callbacks[context.waiter_count++] = callback;
	return true;
}

void __wrap_wlr_drm_syncobj_timeline_waiter_finish(struct wlr_drm_syncobj_timeline_waiter *waiter) {
	for (size_t i = 0; i < context.waiter_count; i++) {
		if (context.waiters[i] == waiter) {
			context.waiters[i] = NULL;
			return;
		}
	}
	fail_msg("a waiter that is not there was finished");
}

bool __wrap_oriel_render_sync_needs_fence(const struct oriel_render_sync *sync) {
	return context.needs_fence;
}

int __wrap_oriel_render_sync_create_fence(
		const struct oriel_render_sync *sync, int *ret_sync_file_fd) {
	context.render_fences++;
	if (context.render_error != 0) {
		return context.render_error;
	}
	int fd = fcntl(context.render_fence.sync_file_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(fd >= 0);
	*ret_sync_file_fd = fd;
	return 0;
}

static bool consumer_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return true;
}

static void consumer_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	oriel_guest_frame_destroy(context.frame);
	context.frame = take_frame;
	context.frames++;
}

static const struct oriel_source_consumer consumer = {
	.wants = consumer_handle_wants,
	.frame = consumer_handle_frame,
};

static void use_buffer(struct oriel_guest_buffer *take_buffer) {
	context.buffer = take_buffer;
	buffer_watch_init(&context.watch, take_buffer);
	assert_true(oriel_source_submit(&context.driver->base,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	fake_sync_reset();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	fake_fence_init(&context.point_fence);
	fake_fence_init(&context.render_fence);
	oriel_reads_init(&context.reads, context.loop, NULL);
	context.driver = fake_driver_create("win");
	oriel_source_set_consumer(&context.driver->base, &consumer, NULL);
	return 0;
}

/* A buffer that the renderer imports, in a frame. */
static int setup_import(void **state) {
	setup(state);
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_IMPORT);
	use_buffer(buffer);
	return 0;
}

/* A dma-buf that is read by the CPU, in a frame. */
static int setup_cpu(void **state) {
	setup(state);
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_CPU);
	use_buffer(buffer);
	return 0;
}

/* The same as setup_import, of a guest that wants to know when it is read. */
static int setup_watched(void **state) {
	setup(state);
	fake_driver_destroy(context.driver);
	context.driver = fake_driver_create_watching("win");
	oriel_source_set_consumer(&context.driver->base, &consumer, NULL);
	struct oriel_guest_buffer *buffer = fake_sync_create_dmabuf();
	oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_IMPORT);
	use_buffer(buffer);
	return 0;
}

static int setup_shared(void **state) {
	setup(state);
	use_buffer(fake_sync_create_shared());
	return 0;
}

static int teardown(void **state) {
	oriel_guest_frame_destroy(context.frame);
	oriel_reads_finish(&context.reads);
	assert_true(wl_list_empty(&context.reads.noted));
	assert_true(wl_list_empty(&context.reads.waiting));
	assert_int_equal(context.timeline_refs, 0);
	for (size_t i = 0; i < context.waiter_count; i++) {
		assert_null(context.waiters[i]);
	}
	if (context.stats_ended) {
		struct oriel_stats ended;
		memset(&ended, 0xee, sizeof(ended));
		assert_memory_equal(&context.stats, &ended, sizeof(ended));
	}
	assert_int_equal(context.driver->releases, context.frames);
	fake_driver_destroy(context.driver);
	oriel_guest_buffer_drop(context.buffer);
	assert_true(context.watch.destroyed);
	fake_fence_finish(&context.point_fence);
	fake_fence_finish(&context.render_fence);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void step(void) {
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
}

static void note(struct oriel_reads *reads, bool has_point, bool scanned_out) {
	struct oriel_read read = {
		.release = context.frame->release,
		.stats = &context.stats,
		.timeline = has_point ? &context.timeline : NULL,
		.point = has_point ? POINT : 0,
		.scanned_out = scanned_out,
	};
	oriel_reads_note(reads, &read);
}

/* What is shown has changed: the reads alone keep the promise from here. */
static void drop_frame(void) {
	oriel_guest_frame_destroy(context.frame);
	context.frame = NULL;
}

/* The guest is gone, and its statistics with it: nothing may be counted any more. */
static void end_stats(void) {
	memset(&context.stats, 0xee, sizeof(context.stats));
	context.stats_ended = true;
}

static void fire_waiter(size_t index) {
	assert_true(index < context.waiter_count);
	assert_non_null(context.waiters[index]);
	context.waiter_callbacks[index](context.waiters[index]);
}

static void assert_released(unsigned int count) {
	assert_int_equal(context.driver->releases, count);
}

static void assert_imported_for_reading(const struct fake_fence *fence, unsigned int count) {
	assert_int_equal(fake_sync.imports, count);
	assert_int_equal(fake_sync.import_access, SB_ACCESS_READ);
	assert_int_equal(fake_sync.import_dmabuf_fd,
			oriel_guest_buffer_get_dmabuf_fd(context.buffer));
	assert_true(fake_fence_was_imported(fence));
}

static void note_holds_the_promise_until_submitted(void **state) {
	note(&context.reads, true, false);
	drop_frame();
	step();
	assert_released(0);
	assert_false(oriel_reads_has_scanout(&context.reads));
	oriel_reads_submitted(&context.reads);
	assert_released(1);
}

static void submitted_without_reads_does_nothing(void **state) {
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.render_fences, 0);
	assert_released(0);
}

static void submitted_with_a_point_makes_it_a_read_fence(void **state) {
	context.needs_fence = true;
	note(&context.reads, true, false);
	oriel_reads_submitted(&context.reads);
	assert_imported_for_reading(&context.point_fence, 1);
	assert_int_equal(context.stats.reads, 1);
	assert_int_equal(context.stats.scanned_out, 0);
	/* The point says it all; no other fence is made. */
	assert_int_equal(context.render_fences, 0);
	assert_int_equal(context.waiter_count, 0);
	assert_int_equal(context.timeline_refs, 0);
	/* The frame is shown still. */
	assert_released(0);
	drop_frame();
	assert_released(1);
}

static void submitted_by_vulkan_without_a_point_is_over(void **state) {
	note(&context.reads, false, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_released(1);
	assert_int_equal(fake_sync.imports, 0);
	assert_int_equal(context.render_fences, 0);
	assert_int_equal(context.stats.reads, 0);
}

static void submitted_by_gles2_without_a_point_makes_one_fence_for_all(void **state) {
	context.needs_fence = true;
	note(&context.reads, false, false);
	note(&context.reads, false, false);
	drop_frame();
	assert_released(0);
	oriel_reads_submitted(&context.reads);
	assert_imported_for_reading(&context.render_fence, 2);
	assert_int_equal(context.render_fences, 1);
	assert_int_equal(context.stats.reads, 2);
	assert_released(1);
}

static void submitted_each_time_makes_a_new_fence(void **state) {
	context.needs_fence = true;
	note(&context.reads, false, false);
	oriel_reads_submitted(&context.reads);
	note(&context.reads, false, false);
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.render_fences, 2);
}

static void submitted_by_gles2_without_a_fence_holds_on(void **state) {
	context.needs_fence = true;
	context.render_error = -EIO;
	note(&context.reads, false, false);
	drop_frame();
	for (unsigned int i = 1; i <= 3; i++) {
		oriel_reads_submitted(&context.reads);
		step();
		assert_int_equal(context.render_fences, i);
	}
	assert_released(0);
	assert_int_equal(fake_sync.imports, 0);
	assert_int_equal(context.stats.reads, 0);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), strerror(EIO)));
	oriel_reads_finish(&context.reads);
	assert_released(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

/* The next commit's fence comes after the reads of all before it, and covers them. */
static void submitted_by_gles2_without_a_fence_takes_the_next_commits(void **state) {
	context.needs_fence = true;
	context.render_error = -EIO;
	note(&context.reads, false, false);
	note(&context.reads, false, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_released(0);
	end_stats();
	context.render_error = 0;
	oriel_reads_submitted(&context.reads);
	assert_imported_for_reading(&context.render_fence, 2);
	assert_released(1);
	/* One for each read that failed, and one for both. */
	assert_int_equal(context.render_fences, 3);
}

static void submitted_read_by_the_cpu_is_over(void **state) {
	/* Whatever the renderer then does with its copy. */
	context.needs_fence = true;
	note(&context.reads, false, false);
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_released(1);
	assert_int_equal(fake_sync.imports, 0);
	assert_int_equal(context.point_exports, 0);
	assert_int_equal(context.render_fences, 0);
	assert_int_equal(context.stats.reads, 0);
}

static void submitted_scan_out_waits_for_the_flip(void **state) {
	note(&context.reads, true, true);
	assert_true(oriel_reads_has_scanout(&context.reads));
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_false(oriel_reads_has_scanout(&context.reads));
	assert_int_equal(context.stats.scanned_out, 1);
	/* KMS's fence does not exist yet. */
	assert_int_equal(context.point_exports, 0);
	assert_int_equal(fake_sync.imports, 0);
	step();
	assert_released(0);
	assert_int_equal(context.timeline_refs, 1);
	fire_waiter(0);
	assert_released(1);
	assert_int_equal(context.timeline_refs, 0);
	assert_null(context.waiters[0]);
}

static void submitted_scan_out_without_a_waiter_holds_on(void **state) {
	context.waiter_fails = true;
	note(&context.reads, true, true);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	step();
	assert_released(0);
	oriel_reads_finish(&context.reads);
	assert_released(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void submitted_scan_out_without_a_waiter_gets_one_later(void **state) {
	context.waiter_fails = true;
	note(&context.reads, true, true);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.stats.scanned_out, 1);
	end_stats();
	context.waiter_fails = false;
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.waiter_count, 1);
	assert_released(0);
	/* One is enough. */
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.waiter_count, 1);
	assert_int_equal(fake_sync.imports, 0);
	fire_waiter(0);
	assert_released(1);
}

static void submitted_with_a_point_without_fence_and_waiter_asks_again(void **state) {
	context.point_fails = true;
	context.waiter_fails = true;
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	end_stats();
	context.point_fails = false;
	oriel_reads_submitted(&context.reads);
	assert_imported_for_reading(&context.point_fence, 1);
	assert_int_equal(context.point_exports, 2);
	assert_released(1);
}

static void submitted_with_a_point_without_fence_waits_for_it(void **state) {
	context.point_fails = true;
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_int_equal(fake_sync.imports, 0);
	assert_int_equal(context.stats.reads, 0);
	assert_released(0);
	fire_waiter(0);
	assert_released(1);
}

/* Each is waited for; only the first one is told of. */
static void failed_import_holds_until_the_fence_signals(void **state) {
	static const int errors[] = { EINVAL, ENOMEM, EBADF, EIO };
	for (unsigned int i = 0; i < ARRAY_LENGTH(errors); i++) {
		fake_sync.import_error = -errors[i];
		fake_fence_finish(&context.point_fence);
		fake_fence_init(&context.point_fence);
		note(&context.reads, true, false);
		assert_true(oriel_source_submit(&context.driver->base,
				&(struct oriel_source_picture){ .buffer = context.buffer }));
		oriel_reads_submitted(&context.reads);
		assert_imported_for_reading(&context.point_fence, i + 1);
		assert_int_equal(context.stats.reads, 0);
		assert_int_equal(log_lines_get_count(), 1);
		assert_non_null(strstr(log_lines_get_last(), strerror(errors[0])));
		step();
		assert_released(i);
		fake_fence_signal(&context.point_fence);
		step();
		assert_released(i + 1);
		step();
		assert_released(i + 1);
	}
}

static void failed_import_of_the_renderers_fence_holds_until_it_signals(void **state) {
	fake_sync.import_error = -ENOMEM;
	context.needs_fence = true;
	note(&context.reads, false, false);
	note(&context.reads, false, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	step();
	assert_released(0);
	fake_fence_signal(&context.render_fence);
	step();
	assert_released(1);
}

static void import_on_an_old_kernel_is_no_error(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_int_equal(log_lines_get_count(), 0);
	step();
	assert_released(0);
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(1);
}

/* A fence that can no longer signal says nothing of the read's end. */
static void hangup_of_the_fence_holds_on(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	fake_fence_break(&context.point_fence);
	step();
	step();
	assert_released(0);
	oriel_reads_finish(&context.reads);
	assert_released(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void hangup_of_the_fence_asks_for_another(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	fake_fence_break(&context.point_fence);
	step();
	end_stats();
	fake_fence_finish(&context.point_fence);
	fake_fence_init(&context.point_fence);
	oriel_reads_submitted(&context.reads);
	assert_int_equal(context.point_exports, 2);
	step();
	assert_released(0);
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(1);
}

/* What is waited for is not asked for again. */
static void submitted_while_waiting_leaves_the_waiting_alone(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	note(&context.reads, true, true);
	drop_frame();
	for (int i = 0; i < 3; i++) {
		oriel_reads_submitted(&context.reads);
	}
	assert_int_equal(context.point_exports, 1);
	assert_int_equal(fake_sync.imports, 1);
	assert_int_equal(context.waiter_count, 1);
	fire_waiter(0);
	assert_released(0);
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(1);
}

static void failed_import_without_a_watch_holds_on(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	drop_frame();
	fake_sync.import_leaves_no_fds = true;
	oriel_reads_submitted(&context.reads);
	shortage_of_fds_end();
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(0);
	oriel_reads_finish(&context.reads);
	assert_released(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void failed_import_without_a_watch_gets_one_later(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false);
	drop_frame();
	fake_sync.import_leaves_no_fds = true;
	oriel_reads_submitted(&context.reads);
	shortage_of_fds_end();
	end_stats();
	oriel_reads_submitted(&context.reads);
	assert_int_equal(fake_sync.imports, 2);
	step();
	assert_released(0);
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(1);
}

/* Each output's tells of the first failure of either kind, and of no other. */
static void failures_are_told_once_for_each_output(void **state) {
	struct oriel_reads other;
	oriel_reads_init(&other, context.loop, NULL);
	fake_sync.import_error = -EINVAL;
	context.needs_fence = true;
	for (int i = 0; i < 3; i++) {
		context.render_error = i == 1 ? -EIO : 0;
		note(&context.reads, false, false);
		oriel_reads_submitted(&context.reads);
		assert_int_equal(log_lines_get_count(), 1);
	}
	assert_non_null(strstr(log_lines_get_last(), strerror(EINVAL)));
	context.render_error = -EIO;
	note(&other, false, false);
	oriel_reads_submitted(&other);
	assert_int_equal(log_lines_get_count(), 2);
	assert_non_null(strstr(log_lines_get_last(), strerror(EIO)));
	oriel_reads_finish(&other);
}

static void assert_seen(unsigned int count) {
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_PRIMARY], count);
}

static void watched_read_covered_by_a_fence_is_over_with_that(void **state) {
	note(&context.reads, true, false);
	oriel_reads_submitted(&context.reads);
	assert_imported_for_reading(&context.point_fence, 1);
	step();
	assert_seen(0);
	fake_fence_signal(&context.point_fence);
	step();
	assert_seen(1);
	assert_int_equal(context.stats.reads, 1);
	assert_released(0);
}

static void watched_read_by_two_outputs_is_over_after_both(void **state) {
	struct oriel_reads other;
	oriel_reads_init(&other, context.loop, NULL);
	note(&context.reads, true, false);
	note(&other, false, false);
	fake_sync.fence = &context.render_fence;
	oriel_reads_submitted(&context.reads);
	oriel_reads_submitted(&other);
	fake_fence_signal(&context.point_fence);
	step();
	assert_seen(0);
	fake_fence_signal(&context.render_fence);
	step();
	assert_seen(1);
	oriel_reads_finish(&other);
}

/* The buffer has the fence, which takes a moment to be found there. */
static void watched_read_by_vulkan_without_a_point_is_over_with_the_buffers_readers(void **state) {
	fake_sync.fence = &context.render_fence;
	note(&context.reads, false, false);
	oriel_reads_submitted(&context.reads);
	assert_int_equal(fake_sync.export_access, SB_ACCESS_WRITE);
	step();
	assert_seen(0);
	fake_fence_signal(&context.render_fence);
	step();
	assert_seen(1);

	fake_sync.export_error = -ENOTTY;
	note(&context.reads, false, false);
	oriel_reads_submitted(&context.reads);
	assert_seen(2);
}

static void watched_scan_out_is_seen_when_it_is_on_screen(void **state) {
	note(&context.reads, true, true);
	oriel_reads_submitted(&context.reads);
	step();
	assert_seen(0);
	oriel_reads_presented(&context.reads);
	assert_seen(1);
	oriel_reads_presented(&context.reads);
	assert_seen(1);
	drop_frame();
	assert_released(0);
	fire_waiter(0);
	assert_released(1);
	assert_seen(1);
}

static void watched_composition_is_not_over_when_it_is_on_screen(void **state) {
	note(&context.reads, true, false);
	oriel_reads_submitted(&context.reads);
	oriel_reads_presented(&context.reads);
	assert_seen(0);
}

static void watched_read_ends_with_its_output(void **state) {
	note(&context.reads, true, true);
	oriel_reads_submitted(&context.reads);
	oriel_reads_finish(&context.reads);
	assert_seen(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void attached_reads_are_found_by_their_output(void **state) {
	struct oriel_reads other;
	oriel_reads_init(&other, context.loop, NULL);
	struct wlr_output outputs[2] = { 0 };
	assert_null(oriel_reads_from_output(&outputs[0]));
	oriel_reads_attach(&context.reads, &outputs[0]);
	oriel_reads_attach(&other, &outputs[1]);
	assert_ptr_equal(oriel_reads_from_output(&outputs[0]), &context.reads);
	assert_ptr_equal(oriel_reads_from_output(&outputs[1]), &other);
	oriel_reads_detach(&context.reads, &outputs[0]);
	assert_null(oriel_reads_from_output(&outputs[0]));
	oriel_reads_detach(&other, &outputs[1]);
	oriel_reads_finish(&other);
}

static void note_without_memory_never_releases(void **state) {
	struct oriel_release *release = context.frame->release;
	shortage_of_memory_begin(1);
	note(&context.reads, true, false);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_int_equal(log_lines_get_count(), 1);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	oriel_reads_finish(&context.reads);
	assert_released(0);
	assert_int_equal(release->refs, 1);
	/* The test lets go of what the compositor cannot, and leaks nothing. */
	oriel_release_unref(release);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void finish_lets_go_of_every_read_once(void **state) {
	fake_sync.import_error = -ENOTTY;
	note(&context.reads, true, false); /* watches the fence */
	note(&context.reads, true, true); /* has a waiter */
	oriel_reads_submitted(&context.reads);
	note(&context.reads, true, true); /* is only noted */
	note(&context.reads, false, false);
	drop_frame();
	assert_released(0);
	oriel_reads_finish(&context.reads);
	assert_released(1);
	assert_int_equal(context.timeline_refs, 0);
	assert_null(context.waiters[0]);
	fake_fence_signal(&context.point_fence);
	step();
	assert_released(1);
	oriel_reads_init(&context.reads, context.loop, NULL);
}

static void two_outputs_of_one_frame_release_it_after_both(void **state) {
	struct oriel_reads other;
	oriel_reads_init(&other, context.loop, NULL);
	note(&context.reads, true, true);
	note(&other, true, true);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	assert_released(0);
	oriel_reads_submitted(&other);
	assert_released(0);
	fire_waiter(1);
	assert_released(0);
	fire_waiter(0);
	assert_released(1);
	oriel_reads_finish(&other);
}

static void two_outputs_of_which_one_goes_wait_for_the_other(void **state) {
	struct oriel_reads other;
	oriel_reads_init(&other, context.loop, NULL);
	note(&context.reads, true, true);
	note(&other, true, false);
	drop_frame();
	oriel_reads_submitted(&other);
	oriel_reads_submitted(&context.reads);
	assert_released(0);
	oriel_reads_finish(&other);
	assert_released(0);
	fire_waiter(0);
	assert_released(1);
}

static void source_gone_while_it_is_read_keeps_the_buffer(void **state) {
	note(&context.reads, true, true);
	drop_frame();
	oriel_reads_submitted(&context.reads);
	fake_driver_destroy(context.driver);
	oriel_guest_buffer_drop(context.buffer);
	assert_false(context.watch.destroyed);
	fire_waiter(0);
	assert_true(context.watch.destroyed);
	/* For teardown, which counts what a driver heard. */
	context.frames = 0;
	context.driver = fake_driver_create("win");
	context.buffer = NULL;
}

#define TEST(name, its_setup) cmocka_unit_test_setup_teardown(name, its_setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(note_holds_the_promise_until_submitted, setup_import),
		TEST(submitted_without_reads_does_nothing, setup_import),
		TEST(submitted_with_a_point_makes_it_a_read_fence, setup_import),
		TEST(submitted_by_vulkan_without_a_point_is_over, setup_import),
		TEST(submitted_by_gles2_without_a_point_makes_one_fence_for_all, setup_import),
		TEST(submitted_each_time_makes_a_new_fence, setup_import),
		TEST(submitted_by_gles2_without_a_fence_holds_on, setup_import),
		TEST(submitted_by_gles2_without_a_fence_takes_the_next_commits, setup_import),
		TEST(submitted_read_by_the_cpu_is_over, setup_cpu),
		TEST(submitted_read_by_the_cpu_is_over, setup_shared),
		TEST(submitted_scan_out_waits_for_the_flip, setup_import),
		TEST(submitted_scan_out_without_a_waiter_holds_on, setup_import),
		TEST(submitted_scan_out_without_a_waiter_gets_one_later, setup_import),
		TEST(submitted_with_a_point_without_fence_waits_for_it, setup_import),
		TEST(submitted_with_a_point_without_fence_and_waiter_asks_again, setup_import),
		TEST(failed_import_holds_until_the_fence_signals, setup_import),
		TEST(failed_import_of_the_renderers_fence_holds_until_it_signals, setup_import),
		TEST(import_on_an_old_kernel_is_no_error, setup_import),
		TEST(hangup_of_the_fence_holds_on, setup_import),
		TEST(hangup_of_the_fence_asks_for_another, setup_import),
		TEST(submitted_while_waiting_leaves_the_waiting_alone, setup_import),
		TEST(failed_import_without_a_watch_holds_on, setup_import),
		TEST(failed_import_without_a_watch_gets_one_later, setup_import),
		TEST(failures_are_told_once_for_each_output, setup_import),
		TEST(watched_read_covered_by_a_fence_is_over_with_that, setup_watched),
		TEST(watched_read_by_two_outputs_is_over_after_both, setup_watched),
		TEST(watched_read_by_vulkan_without_a_point_is_over_with_the_buffers_readers,
				setup_watched),
		TEST(watched_scan_out_is_seen_when_it_is_on_screen, setup_watched),
		TEST(watched_composition_is_not_over_when_it_is_on_screen, setup_watched),
		TEST(watched_read_ends_with_its_output, setup_watched),
		TEST(attached_reads_are_found_by_their_output, setup_import),
		TEST(note_without_memory_never_releases, setup_import),
		TEST(finish_lets_go_of_every_read_once, setup_import),
		TEST(two_outputs_of_one_frame_release_it_after_both, setup_import),
		TEST(two_outputs_of_which_one_goes_wait_for_the_other, setup_import),
		TEST(source_gone_while_it_is_read_keeps_the_buffer, setup_import),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
