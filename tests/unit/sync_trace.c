#include <syncbridge/trace.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>
#include <syncbridge/stats.h>
#include <syncbridge/sync_file.h>
#include <syncbridge/timeline.h>

#include "mock_ioctl.h"
#include "mock_syncobj.h"
#include "trace.h"

#define EVENTS_MAX 32

/* What a hook has seen. */
struct recorder {
	struct sb_trace_event events[EVENTS_MAX];
	size_t count;
	/* Called by the hook. */
	void (*reaction)(struct recorder *recorder);
};

static struct recorder recorder;

static void recorder_handle(void *data, const struct sb_trace_event *event) {
	struct recorder *self = data;
	assert_true(self->count < EVENTS_MAX);
	self->events[self->count++] = *event;
	if (self->reaction != NULL) {
		self->reaction(self);
	}
}

static const struct sb_trace_hook hook = { .handle = recorder_handle, .data = &recorder };

static int setup(void **state) {
	recorder = (struct recorder){ .count = 0 };
	sb_trace_set_hook(&hook);
	return mock_setup(state);
}

static int teardown(void **state) {
	sb_trace_set_hook(NULL);
	return mock_teardown(state);
}

/* That the next event is this one. */
static void expect(size_t *index, struct sb_trace_event expected) {
	assert_true(*index < recorder.count);
	const struct sb_trace_event *event = &recorder.events[(*index)++];
	assert_int_equal(event->kind, expected.kind);
	assert_int_equal(event->result, expected.result);
	assert_int_equal(event->dmabuf_fd, expected.dmabuf_fd);
	assert_int_equal(event->access, expected.access);
	assert_int_equal(event->sync_file_fd, expected.sync_file_fd);
	assert_ptr_equal(event->timeline, expected.timeline);
	assert_int_equal(event->point, expected.point);
	assert_int_equal(event->over_sync, expected.over_sync);
}

/* Begin and end of one wait; target has all but the kind and the result. */
static void expect_wait(size_t *index, struct sb_trace_event target, int result) {
	target.kind = SB_TRACE_WAIT_BEGIN;
	target.result = 0;
	expect(index, target);
	target.kind = SB_TRACE_WAIT_END;
	target.result = result;
	expect(index, target);
}

static void expect_no_more(size_t index) {
	assert_int_equal(recorder.count, index);
}

static void dmabufs_are_traced(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	int fd = -1;
	size_t index = 0;
	assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_WRITE, &fd), 0);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_EXPORT,
					.dmabuf_fd = dmabuf_fd,
					.access = SB_ACCESS_WRITE,
					.sync_file_fd = fd,
			});
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, fd), 0);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_IMPORT,
					.dmabuf_fd = dmabuf_fd,
					.access = SB_ACCESS_READ,
					.sync_file_fd = fd,
			});
	/* Failed ones. */
	assert_int_equal(sb_dmabuf_export_sync_file(fd, SB_ACCESS_READ, &fd), -ENOTTY);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_EXPORT,
					.result = -ENOTTY,
					.dmabuf_fd = fd,
					.access = SB_ACCESS_READ,
					.sync_file_fd = -1,
			});
	assert_int_equal(sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_WRITE, dmabuf_fd), -EINVAL);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_IMPORT,
					.result = -EINVAL,
					.dmabuf_fd = dmabuf_fd,
					.access = SB_ACCESS_WRITE,
					.sync_file_fd = dmabuf_fd,
			});
	expect_no_more(index);
	close(fd);
	close(dmabuf_fd);
}

static void merges_are_traced(void **state) {
	(void)state;
	int a_fd = mock_sync_file_create(mock_fence_create());
	int b_fd = mock_sync_file_create(mock_fence_create());
	int fd = -1;
	size_t index = 0;
	assert_int_equal(sb_sync_file_merge(NULL, a_fd, b_fd, &fd), 0);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_MERGE,
					.dmabuf_fd = -1,
					.sync_file_fd = fd,
			});
	close(b_fd);
	assert_int_equal(sb_sync_file_merge(NULL, a_fd, -1, &b_fd), -ENOENT);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_MERGE,
					.result = -ENOENT,
					.dmabuf_fd = -1,
					.sync_file_fd = -1,
			});
	expect_no_more(index);
	close(a_fd);
	close(fd);
}

static void waits_are_traced_in_pairs(void **state) {
	(void)state;
	uint64_t work = mock_fence_create();
	int fd = mock_sync_file_create(work);
	struct sb_trace_event target = { .dmabuf_fd = -1, .sync_file_fd = fd };
	struct sb_trace_event no_target = { .dmabuf_fd = -1, .sync_file_fd = -1 };
	size_t index = 0;
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	expect_wait(&index, target, -ETIME);
	/* Also where the clock fails, and where there is nothing to wait for. */
	mock_fail_call(1, -EPERM);
	assert_int_equal(sb_sync_file_wait(fd, 1), -EPERM);
	expect_wait(&index, target, -EPERM);
	assert_int_equal(sb_sync_file_wait(-1, 0), -EBADF);
	expect_wait(&index, no_target, -EBADF);

	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(fd, &fence), 0);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	expect_wait(&index, target, -ETIME);
	mock_fence_signal(work, 0);
	assert_int_equal(sb_fence_wait(&fence, INT64_MAX), 0);
	expect_wait(&index, target, 0);
	sb_fence_clear(&fence);
	/* No operation at all. */
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	expect_no_more(index);
}

static void idle_dmabufs_are_traced_as_over_sync(void **state) {
	(void)state;
	int dmabuf_fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, dmabuf_fds, 2), 0);
	mock_dmabuf_add(dmabuf_fds[1], mock_fence_create(), 0);
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);

	struct sb_fence fence;
	size_t index = 0;
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_WRITE, &fence), 0);
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_EXPORT,
					.result = -ENOTTY,
					.dmabuf_fd = dmabuf_fds[0],
					.access = SB_ACCESS_WRITE,
					.sync_file_fd = -1,
			});
	for (size_t i = 0; i < 2; i++) {
		expect(&index,
				(struct sb_trace_event){
						.kind = SB_TRACE_IDLE,
						.dmabuf_fd = dmabuf_fds[i],
						.access = SB_ACCESS_WRITE,
						.sync_file_fd = -1,
						.over_sync = true,
				});
	}

	struct sb_trace_event targets[2];
	for (size_t i = 0; i < 2; i++) {
		targets[i] = (struct sb_trace_event){
			.kind = SB_TRACE_WATCH,
			.dmabuf_fd = fence.fds[i],
			.access = SB_ACCESS_WRITE,
			.sync_file_fd = -1,
			.over_sync = true,
		};
	}
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	expect_wait(&index, targets[0], 0);
	expect_wait(&index, targets[1], -ETIME);
	int ready_fd;
	short events;
	/* Which one is to be watched is found out by testing them. */
	assert_int_equal(sb_fence_create_ready_fd(&fence, &ready_fd, &events), 0);
	expect_wait(&index, targets[0], 0);
	expect_wait(&index, targets[1], -ETIME);
	expect(&index, targets[1]);
	close(ready_fd);
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(&fence, &info), 0);
	expect_wait(&index, targets[0], 0);
	expect_wait(&index, targets[1], -ETIME);
	sb_fence_clear(&fence);

	/* Not to be had at all. */
	buffer.dmabuf_count = 1;
	mock_fail_call(3, -EMFILE);
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), -EMFILE);
	index++;
	expect(&index,
			(struct sb_trace_event){
					.kind = SB_TRACE_IDLE,
					.result = -EMFILE,
					.dmabuf_fd = dmabuf_fds[0],
					.access = SB_ACCESS_READ,
					.sync_file_fd = -1,
					.over_sync = true,
			});
	expect_no_more(index);
	close(dmabuf_fds[0]);
	close(dmabuf_fds[1]);
}

static void begin_of_cpu_access_is_traced_as_wait(void **state) {
	(void)state;
	int dmabuf_fd = mock_dmabuf_create(4096);
	struct sb_trace_event target = {
		.dmabuf_fd = dmabuf_fd,
		.access = SB_ACCESS_WRITE,
		.sync_file_fd = -1,
		.over_sync = true,
	};
	size_t index = 0;
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_WRITE), 0);
	expect_wait(&index, target, 0);
	target.access = SB_ACCESS_READ;
	mock_fail_call(1, -EINTR);
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_READ), -EINTR);
	expect_wait(&index, target, -EINTR);
	/* One wait, however often the kernel is asked. */
	mock_fail_call(1, -EAGAIN);
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_READ), 0);
	expect_wait(&index, target, 0);
	/* These wait for nothing. */
	assert_int_equal(sb_dmabuf_begin_cpu_access(dmabuf_fd, (enum sb_access)0), -EINVAL);
	assert_int_equal(sb_dmabuf_end_cpu_access(dmabuf_fd, SB_ACCESS_READ), 0);
	expect_no_more(index);
	close(dmabuf_fd);
}

static void watching_a_point_on_old_kernel_is_traced(void **state) {
	(void)state;
	int drm_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, "line", &timeline), 0);
	mock_drm_set_linux(6, 5);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_point(timeline, 1, &fence), 0);
	struct sb_trace_event watch = {
		.kind = SB_TRACE_WATCH,
		.result = -EOPNOTSUPP,
		.dmabuf_fd = -1,
		.sync_file_fd = -1,
		.timeline = timeline,
		.point = 1,
	};
	struct sb_trace_event export = watch;
	export.kind = SB_TRACE_POINT_EXPORT;
	export.result = -EAGAIN;
	size_t index = 0;
	int fd;
	short events;
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), -EOPNOTSUPP);
	expect(&index, watch);
	expect(&index, export);

	assert_int_equal(sb_timeline_signal(timeline, 1), 0);
	index++;
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), 0);
	expect(&index, watch);
	export.result = 0;
	export.sync_file_fd = fd;
	expect(&index, export);
	watch.result = 0;
	expect(&index, watch);
	expect_no_more(index);
	close(fd);
	sb_fence_clear(&fence);
	sb_timeline_unref(timeline);
	close(drm_fd);
}

static void watching_a_sync_file_is_traced(void **state) {
	(void)state;
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(mock_fence_create()), &fence),
			0);
	int fd;
	short events;
	size_t index = 0;
	struct sb_trace_event expected = {
		.kind = SB_TRACE_WATCH,
		.dmabuf_fd = -1,
		.sync_file_fd = fence.fds[0],
	};
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), 0);
	expect(&index, expected);
	close(fd);
	mock_fail_call(1, -EMFILE);
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), -EMFILE);
	expected.result = -EMFILE;
	expect(&index, expected);
	expect_no_more(index);
	sb_fence_clear(&fence);
}

static void points_are_traced(void **state) {
	(void)state;
	int drm_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	struct sb_timeline *timeline;
	assert_int_equal(sb_timeline_create(drm_fd, "line", &timeline), 0);
	int sync_file_fd = mock_sync_file_create(mock_fence_create());
	struct sb_trace_event expected = {
		.dmabuf_fd = -1,
		.sync_file_fd = -1,
		.timeline = timeline,
		.point = 1,
	};
	size_t index = 0;

	assert_int_equal(sb_timeline_signal(timeline, 1), 0);
	expected.kind = SB_TRACE_POINT_SIGNAL;
	expect(&index, expected);
	assert_int_equal(sb_timeline_import_sync_file(timeline, 2, sync_file_fd), 0);
	expected.kind = SB_TRACE_POINT_IMPORT;
	expected.point = 2;
	expected.sync_file_fd = sync_file_fd;
	expect(&index, expected);
	int fd;
	assert_int_equal(sb_timeline_export_sync_file(timeline, 2, &fd), 0);
	expected.kind = SB_TRACE_POINT_EXPORT;
	expected.sync_file_fd = fd;
	expect(&index, expected);
	close(fd);
	assert_int_equal(sb_timeline_transfer(timeline, 3, timeline, 2), 0);
	expected.kind = SB_TRACE_POINT_TRANSFER;
	expected.sync_file_fd = -1;
	expected.point = 3;
	expect(&index, expected);

	/* The same, however it is asked for. */
	struct sb_fence fence;
	short events;
	assert_int_equal(sb_fence_from_point(timeline, 3, &fence), 0);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	expect_wait(&index, expected, -ETIME);
	assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), 0);
	expected.kind = SB_TRACE_WATCH;
	expect(&index, expected);
	close(fd);
	expect_no_more(index);
	sb_fence_clear(&fence);
	sb_timeline_unref(timeline);
	close(sync_file_fd);
	close(drm_fd);
}

/* The hook itself. */

static void reaction_use_library(struct recorder *self) {
	int fd = mock_sync_file_create(mock_fence_create());
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	close(fd);
}

static void hook_may_use_the_library_untraced(void **state) {
	(void)state;
	int fd = mock_sync_file_create(mock_fence_create());
	recorder.reaction = reaction_use_library;
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	assert_int_equal(recorder.count, 2);
	/* Afterwards it is as before. */
	recorder.reaction = NULL;
	assert_int_equal(sb_sync_file_wait(fd, 0), -ETIME);
	assert_int_equal(recorder.count, 4);
	close(fd);
}

static void *thread_wait(void *data) {
	sb_sync_file_wait(-1, 0);
	return NULL;
}

static void reaction_wait_in_thread(struct recorder *self) {
	self->reaction = NULL;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, thread_wait, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void hook_in_one_thread_does_not_hide_another(void **state) {
	(void)state;
	recorder.reaction = reaction_wait_in_thread;
	sb_sync_file_wait(-1, 0);
	/* A begin, meanwhile begin and end of the other thread, an end. */
	assert_int_equal(recorder.count, 4);
}

static void reaction_set_errno(struct recorder *self) {
	errno = ENXIO;
}

static void hook_leaves_errno_alone(void **state) {
	(void)state;
	int fd = mock_sync_file_create(0);
	recorder.reaction = reaction_set_errno;
	errno = EDOM;
	assert_int_equal(sb_sync_file_wait(fd, 0), 0);
	assert_int_equal(errno, EDOM);
	assert_int_equal(recorder.count, 2);
	close(fd);
}

static void *thread_set_hook(void *data) {
	sb_trace_set_hook(data);
	return NULL;
}

static void set_hook_in_thread(const struct sb_trace_hook *new_hook) {
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, thread_set_hook, (void *)new_hook), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void set_hook_holds_for_all_threads(void **state) {
	(void)state;
	set_hook_in_thread(NULL);
	sb_sync_file_wait(-1, 0);
	assert_int_equal(recorder.count, 0);
	set_hook_in_thread(&hook);
	sb_sync_file_wait(-1, 0);
	assert_int_equal(recorder.count, 2);
	struct recorder other = { .count = 0 };
	const struct sb_trace_hook other_hook = { .handle = recorder_handle, .data = &other };
	set_hook_in_thread(&other_hook);
	sb_sync_file_wait(-1, 0);
	assert_int_equal(recorder.count, 2);
	assert_int_equal(other.count, 2);
	sb_trace_set_hook(NULL);
}

static void reaction_unset(struct recorder *self) {
	sb_trace_set_hook(NULL);
}

static void unset_by_the_hook_ends_it(void **state) {
	(void)state;
	recorder.reaction = reaction_unset;
	sb_sync_file_wait(-1, 0);
	assert_int_equal(recorder.count, 1);
}

static void event_after_the_hook_has_gone_is_lost(void **state) {
	(void)state;
	/* It goes between the look whether there is one and the call. */
	sb_trace_set_hook(NULL);
	sb_trace_emit(&(struct sb_trace_event){ .kind = SB_TRACE_MERGE });
	assert_int_equal(recorder.count, 0);
	sb_trace_set_hook(&hook);
	sb_trace_emit(&(struct sb_trace_event){ .kind = SB_TRACE_MERGE });
	assert_int_equal(recorder.count, 1);
}

static void handle_nothing(void *data, const struct sb_trace_event *event) {
	assert_ptr_equal(data, &recorder);
	assert_true(event->kind == SB_TRACE_WAIT_BEGIN || event->kind == SB_TRACE_WAIT_END);
}

static void *thread_toggle_hook(void *data) {
	static const struct sb_trace_hook nothing = { .handle = handle_nothing, .data = &recorder };
	for (int i = 0; i < 20000; i++) {
		sb_trace_set_hook(i % 2 == 0 ? &nothing : NULL);
	}
	return NULL;
}

static void set_while_used_calls_a_hook_or_none(void **state) {
	(void)state;
	sb_trace_set_hook(NULL);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, thread_toggle_hook, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		sb_sync_file_wait(-1, 0);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Statistics. */

static void stats_count_each_kind_in_its_place(void **state) {
	(void)state;
#define COUNTER(name) (offsetof(struct sb_stats, name) / sizeof(uint64_t))
#define NOT_COUNTED SIZE_MAX
	static const struct {
		enum sb_trace_kind kind;
		size_t counter;
	} cases[] = {
		{ SB_TRACE_EXPORT, COUNTER(exports) },
		{ SB_TRACE_IMPORT, COUNTER(imports) },
		{ SB_TRACE_MERGE, COUNTER(merges) },
		{ SB_TRACE_IDLE, COUNTER(over_syncs) },
		{ SB_TRACE_WAIT_BEGIN, NOT_COUNTED },
		{ SB_TRACE_WAIT_END, COUNTER(waits) },
		{ SB_TRACE_WATCH, NOT_COUNTED },
		{ SB_TRACE_POINT_SIGNAL, COUNTER(points) },
		{ SB_TRACE_POINT_EXPORT, NOT_COUNTED },
		{ SB_TRACE_POINT_IMPORT, COUNTER(points) },
		{ SB_TRACE_POINT_TRANSFER, COUNTER(points) },
		{ SB_TRACE_VK_IMPORT, COUNTER(vk_imports) },
		{ SB_TRACE_VK_EXPORT, COUNTER(vk_exports) },
		{ SB_TRACE_VK_CREATE, COUNTER(vk_creates) },
	};
	static const struct {
		int result;
		bool is_error;
	} results[] = {
		{ 0, false },
		{ -ETIME, false },
		{ -EAGAIN, false },
		{ -ENOTTY, true },
		{ -EOPNOTSUPP, true },
		{ -EIO, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t r = 0; r < sizeof(results) / sizeof(results[0]); r++) {
			union {
				struct sb_stats stats;
				uint64_t counters[sizeof(struct sb_stats) / sizeof(uint64_t)];
			} actual = { .stats = { 0 } }, expected = { .stats = { 0 } };
			struct sb_trace_event event = {
				.kind = cases[i].kind,
				.result = results[r].result,
			};
			sb_stats_handle(&actual.stats, &event);
			bool timed_out = event.kind == SB_TRACE_WAIT_END && event.result == -ETIME;
			expected.stats.timeouts = timed_out;
			if ((event.result == 0 || timed_out) && cases[i].counter != NOT_COUNTED) {
				expected.counters[cases[i].counter] = 1;
			}
			expected.stats.errors = results[r].is_error &&
					!(event.kind == SB_TRACE_EXPORT && event.result == -ENOTTY) &&
					!(event.kind == SB_TRACE_WATCH && event.result == -EOPNOTSUPP);
			assert_memory_equal(&actual, &expected, sizeof(actual));
		}
	}
}

#define COUNTED_EVENTS 1000000

struct counting {
	struct sb_stats stats;
	/* So that they count at the same time. */
	pthread_barrier_t start;
};

static void *thread_count(void *data) {
	struct counting *counting = data;
	pthread_barrier_wait(&counting->start);
	const struct sb_trace_event late = { .kind = SB_TRACE_WAIT_END, .result = -ETIME };
	const struct sb_trace_event failed = { .kind = SB_TRACE_WAIT_END, .result = -EIO };
	for (int i = 0; i < COUNTED_EVENTS; i++) {
		sb_stats_handle(&counting->stats, &late);
		sb_stats_handle(&counting->stats, &failed);
	}
	return NULL;
}

static void stats_of_several_threads_lose_nothing(void **state) {
	(void)state;
	struct counting counting = { .stats = { 0 } };
	assert_int_equal(pthread_barrier_init(&counting.start, NULL, 2), 0);
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, thread_count, &counting), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	const struct sb_stats expected = {
		.waits = 2 * COUNTED_EVENTS,
		.timeouts = 2 * COUNTED_EVENTS,
		.errors = 2 * COUNTED_EVENTS,
	};
	pthread_barrier_destroy(&counting.start);
	assert_memory_equal(&counting.stats, &expected, sizeof(expected));
}

static void stats_of_a_frame_are_what_was_done(void **state) {
	(void)state;
	struct sb_stats stats = { 0 };
	const struct sb_trace_hook stats_hook = { .handle = sb_stats_handle, .data = &stats };
	sb_trace_set_hook(&stats_hook);
	int dmabuf_fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, dmabuf_fds, 2), 0);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_int_equal(sb_buffer_import_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	sb_fence_clear(&fence);
	const struct sb_stats expected = { .exports = 2, .merges = 1, .imports = 2, .waits = 1 };
	assert_memory_equal(&stats, &expected, sizeof(stats));

	/* On an old kernel the missing snapshot is no error, but an fd that is no dma-buf is. */
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence), 0);
	sb_fence_clear(&fence);
	assert_int_equal(stats.over_syncs, 2);
	assert_int_equal(stats.errors, 0);
	int memfd = mock_memfd_create(4096);
	struct sb_buffer wrong = { .dmabuf_fds = { memfd }, .dmabuf_count = 1 };
	assert_int_equal(sb_buffer_export_fence(&wrong, SB_ACCESS_READ, &fence), -ENOTTY);
	assert_int_equal(stats.over_syncs, 2);
	assert_int_equal(stats.errors, 1);
	close(memfd);
	close(dmabuf_fds[0]);
	close(dmabuf_fds[1]);
	sb_trace_set_hook(NULL);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(dmabufs_are_traced),
		sync_test(merges_are_traced),
		sync_test(waits_are_traced_in_pairs),
		sync_test(idle_dmabufs_are_traced_as_over_sync),
		sync_test(begin_of_cpu_access_is_traced_as_wait),
		sync_test(watching_a_sync_file_is_traced),
		sync_test(watching_a_point_on_old_kernel_is_traced),
		sync_test(points_are_traced),
		sync_test(hook_may_use_the_library_untraced),
		sync_test(hook_in_one_thread_does_not_hide_another),
		sync_test(hook_leaves_errno_alone),
		sync_test(set_hook_holds_for_all_threads),
		sync_test(unset_by_the_hook_ends_it),
		sync_test(event_after_the_hook_has_gone_is_lost),
		sync_test(set_while_used_calls_a_hook_or_none),
		sync_test(stats_count_each_kind_in_its_place),
		sync_test(stats_of_several_threads_lose_nothing),
		sync_test(stats_of_a_frame_are_what_was_done),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_trace", tests, NULL, NULL);
}
