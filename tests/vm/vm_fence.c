/*
 * Waiting for fences, on real ones of each kind: by the CPU, by an event loop, for several together;
 * and what can be asked of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>
#include <syncbridge/fence_set.h>
#include <syncbridge/timeline.h>

#include "fence_rig.h"
#include "fence_source.h"
#include "old_kernel.h"
#include "sleeper.h"
#include "sw_sync.h"
#include "vgem.h"

#define NS_PER_MS INT64_C(1000000)
#define SOURCES_MAX 16

/* Each is over, and not longer ago than since the kernel started. */
static const int64_t past_deadlines_ns[] = { INT64_MIN, -1, 0, 1 };
#define PAST_DEADLINE_COUNT (sizeof(past_deadlines_ns) / sizeof(past_deadlines_ns[0]))

/* --- of one fence, of each kind --- */

static int wait_without_bound(void *data) {
	return sb_fence_wait(data, INT64_MAX);
}

static void wait_in_thread_ends_with_fence(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct fence_source source;
	fence_source_init(&source, *state, &rig);
	struct sleeper sleeper;
	sleeper_start(&sleeper, wait_without_bound, &source.fence);
	if (source.type->state != FENCE_SOURCE_READY) {
		assert_true(sleeper_is_waiting(&sleeper));
		sleeper_interrupt(&sleeper);
		assert_true(sleeper_is_waiting(&sleeper));
		if (source.type->state == FENCE_SOURCE_TO_COME) {
			fence_source_materialise(&source);
			assert_true(sleeper_is_waiting(&sleeper));
		}
		fence_source_signal(&source);
	}
	assert_int_equal(sleeper_join(&sleeper), 0);
	fence_source_finish(&source);
	fence_rig_finish(&rig);
}

static void wait_with_deadline_ends_then(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct fence_source source;
	fence_source_init(&source, *state, &rig);
	bool is_ready = source.type->state == FENCE_SOURCE_READY;
	for (size_t i = 0; i < PAST_DEADLINE_COUNT; i++) {
		assert_int_equal(sb_fence_wait(&source.fence, past_deadlines_ns[i]),
				is_ready ? 0 : -ETIME);
	}
	int64_t deadline_ns = fence_rig_get_time_ns() + 20 * NS_PER_MS;
	assert_int_equal(sb_fence_wait(&source.fence, deadline_ns), is_ready ? 0 : -ETIME);
	assert_true(is_ready || fence_rig_get_time_ns() >= deadline_ns);

	if (source.type->state == FENCE_SOURCE_TO_COME) {
		fence_source_materialise(&source);
		assert_int_equal(sb_fence_wait(&source.fence, 0), -ETIME);
	}
	if (!is_ready) {
		fence_source_signal(&source);
	}
	/* What is ready is so at any deadline. */
	for (size_t i = 0; i < PAST_DEADLINE_COUNT; i++) {
		assert_int_equal(sb_fence_wait(&source.fence, past_deadlines_ns[i]), 0);
	}
	fence_source_finish(&source);
	fence_rig_finish(&rig);
}

static struct sb_fence_info get_info(const struct sb_fence *fence) {
	struct sb_fence_info info;
	memset(&info, 0xff, sizeof(info));
	assert_int_equal(sb_fence_get_info(fence, &info), 0);
	return info;
}

static void check_is_pending(const struct fence_source *source, bool is_materialised) {
	struct sb_fence_info info = get_info(&source->fence);
	assert_int_equal(info.status, 0);
	assert_int_equal(info.materialised, is_materialised);
	assert_int_equal(info.fence_count, is_materialised ? 1 : 0);
	assert_int_equal(info.signalled_ns, 0);
}

static void check_time_of_signal(const struct fence_source *source,
		const struct sb_fence_info *info, int64_t begin_ns, int64_t end_ns) {
	int64_t signalled_ns = (int64_t)info->signalled_ns;
	if (strcmp(source->type->name, "empty_snapshot") == 0 ||
			strcmp(source->type->name, "signalled_point") == 0) {
		/* The kernel has one fence for all that need none. It signalled when that started. */
		assert_true(signalled_ns > 0 && signalled_ns < begin_ns);
	} else {
		assert_true(signalled_ns >= begin_ns && signalled_ns <= end_ns);
	}
}

static void get_info_follows_fence(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct fence_source source;
	int64_t begin_ns = fence_rig_get_time_ns();
	fence_source_init(&source, *state, &rig);
	if (source.type->state == FENCE_SOURCE_TO_COME) {
		check_is_pending(&source, false);
		fence_source_materialise(&source);
	}
	if (source.type->state != FENCE_SOURCE_READY) {
		check_is_pending(&source, true);
		begin_ns = fence_rig_get_time_ns();
		fence_source_signal(&source);
	}
	int64_t end_ns = fence_rig_get_time_ns();

	struct sb_fence_info info = get_info(&source.fence);
	bool has_failed = strcmp(source.type->name, "failed_sync_file") == 0;
	assert_int_equal(info.status, has_failed ? -ENOENT : 1);
	assert_true(info.materialised);
	switch (source.fence.type) {
	case SB_FENCE_NONE:
		assert_int_equal(info.fence_count, 0);
		assert_int_equal(info.signalled_ns, 0);
		assert_string_equal(info.name, "none");
		break;
	case SB_FENCE_SYNC_FILE:
		assert_int_equal(info.fence_count, 1);
		check_time_of_signal(&source, &info, begin_ns, end_ns);
		break;
	case SB_FENCE_POINT:
		assert_int_equal(info.fence_count, 1);
		check_time_of_signal(&source, &info, begin_ns, end_ns);
		assert_string_equal(info.name, "source:3");
		break;
	case SB_FENCE_IDLE:
		assert_int_equal(info.fence_count, 1);
		assert_int_equal(info.signalled_ns, 0);
		assert_string_equal(info.name, "idle");
		break;
	}
	fence_source_finish(&source);
	fence_rig_finish(&rig);
}

/* --- failed work --- */

struct buffer_test {
	struct fence_rig rig;
	struct vgem_buffer buffers[2];
	struct sb_buffer one, both;
	struct rig_fence fences[3];
};

static int setup(void **state) {
	struct buffer_test *test = calloc(1, sizeof(*test));
	assert_non_null(test);
	*state = test;
	fence_rig_init(&test->rig);
	int plane_fds[2];
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vgem_buffer_init(&test->buffers[i], test->rig.vgem_fd), 0);
		plane_fds[i] = test->buffers[i].dmabuf_fd;
	}
	assert_int_equal(sb_buffer_init(&test->one, plane_fds, 1), 0);
	assert_int_equal(sb_buffer_init(&test->both, plane_fds, 2), 0);
	for (int i = 0; i < 3; i++) {
		rig_fence_init(&test->fences[i]);
	}
	return 0;
}

static int teardown(void **state) {
	struct buffer_test *test = *state;
	for (int i = 0; i < 3; i++) {
		rig_fence_finish(&test->fences[i]);
	}
	for (int i = 0; i < 2; i++) {
		vgem_buffer_finish(&test->buffers[i]);
	}
	fence_rig_finish(&test->rig);
	free(test);
	return 0;
}

static struct sb_fence export_fence(const struct sb_buffer *buffer, enum sb_access access) {
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(buffer, access, &fence), 0);
	return fence;
}

static void add_writer(struct buffer_test *test, int buffer, int fence) {
	assert_int_equal(dmabuf_import_write(test->buffers[buffer].dmabuf_fd,
					 test->fences[fence].sync_file_fd),
			0);
}

static void fail_of_writer_shows_in_snapshot_of_before(void **state) {
	struct buffer_test *test = *state;
	add_writer(test, 0, 0);
	struct sb_fence before = export_fence(&test->one, SB_ACCESS_READ);
	rig_fence_fail(&test->fences[0]);
	struct sb_fence after = export_fence(&test->one, SB_ACCESS_READ);
	assert_int_equal(sb_fence_wait(&before, 0), 0);
	assert_int_equal(get_info(&before).status, -ENOENT);
	assert_int_equal(sb_fence_wait(&after, 0), 0);
	assert_int_equal(get_info(&after).status, 1);
	sb_fence_clear(&before);
	sb_fence_clear(&after);
}

static void fail_of_one_writer_leaves_other_pending(void **state) {
	struct buffer_test *test = *state;
	add_writer(test, 0, 0);
	add_writer(test, 0, 1);
	struct sb_fence fence = export_fence(&test->one, SB_ACCESS_READ);
	rig_fence_fail(&test->fences[0]);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	assert_int_equal(get_info(&fence).status, 0);
	assert_int_equal(get_info(&fence).fence_count, 2);
	rig_fence_signal(&test->fences[1]);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_int_equal(get_info(&fence).status, -ENOENT);
	sb_fence_clear(&fence);
}

/* --- event loops --- */

struct loop {
	int epoll_fd;
	int fds[SOURCES_MAX];
};

static void loop_add(struct loop *loop, size_t index, const struct sb_fence *fence) {
	short events;
	assert_int_equal(sb_fence_create_ready_fd(fence, &loop->fds[index], &events), 0);
	assert_int_equal(fcntl(loop->fds[index], F_GETFD), FD_CLOEXEC);
	struct epoll_event event = {
		.events = events == POLLIN ? EPOLLIN : EPOLLOUT,
		.data.u64 = index,
	};
	assert_int_equal(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->fds[index], &event), 0);
}

/* Closed alone it would be watched on: the file is open elsewhere. */
static void loop_remove(struct loop *loop, size_t index) {
	assert_int_equal(epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->fds[index], NULL), 0);
	close(loop->fds[index]);
}

static void check_loop_is_quiet(const struct loop *loop) {
	struct epoll_event event;
	assert_int_equal(epoll_wait(loop->epoll_fd, &event, 1, 0), 0);
}

/* Exactly that one has fired, and is taken out. */
static void check_loop_fires(struct loop *loop, size_t index) {
	struct epoll_event events[2];
	assert_int_equal(epoll_wait(loop->epoll_fd, events, 2, FENCE_RIG_SOON_MS), 1);
	assert_int_equal(events[0].data.u64, index);
	assert_int_equal(events[0].events & ~(unsigned int)(EPOLLIN | EPOLLOUT), 0);
	loop_remove(loop, index);
	check_loop_is_quiet(loop);
}

/* Fences of every kind in one loop: each fires when its own is ready, and no other does. */
static void watch_all_kinds_fires_each_by_its_own(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct loop loop = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	struct fence_source sources[SOURCES_MAX];
	assert_true(fence_source_type_count <= SOURCES_MAX);
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_init(&sources[i], &fence_source_types[i], &rig);
		if (sources[i].fence.type == SB_FENCE_NONE) {
			continue;
		}
		loop_add(&loop, i, &sources[i].fence);
		/* The loop does not need the fence any more. */
		sb_fence_clear(&sources[i].fence);
		if (sources[i].type->state == FENCE_SOURCE_READY) {
			check_loop_fires(&loop, i);
		}
	}
	for (size_t i = fence_source_type_count; i-- > 0;) {
		check_loop_is_quiet(&loop);
		if (sources[i].type->state == FENCE_SOURCE_READY) {
			continue;
		}
		if (sources[i].type->state == FENCE_SOURCE_TO_COME) {
			fence_source_materialise(&sources[i]);
			check_loop_is_quiet(&loop);
		}
		fence_source_signal(&sources[i]);
		check_loop_fires(&loop, i);
	}
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_finish(&sources[i]);
	}
	close(loop.epoll_fd);
	fence_rig_finish(&rig);
}

static void watch_cancelled_leaves_nothing(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct loop loop = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	for (size_t i = 0; i < fence_source_type_count; i++) {
		struct fence_source source;
		fence_source_init(&source, &fence_source_types[i], &rig);
		if (source.type->state != FENCE_SOURCE_READY) {
			loop_add(&loop, 0, &source.fence);
			loop_remove(&loop, 0);
			if (source.type->state == FENCE_SOURCE_TO_COME) {
				fence_source_materialise(&source);
			}
			fence_source_signal(&source);
			check_loop_is_quiet(&loop);
		}
		fence_source_finish(&source);
	}
	close(loop.epoll_fd);
	fence_rig_finish(&rig);
}

/* The kernel has no fd for several dma-bufs: the first to be idle fires, then the next is asked. */
static void watch_of_idle_buffers_fires_until_all_are_idle(void **state) {
	struct buffer_test *test = *state;
	add_writer(test, 0, 0);
	add_writer(test, 1, 1);
	old_kernel_play(true);
	struct sb_fence fence = export_fence(&test->both, SB_ACCESS_WRITE);
	old_kernel_play(false);
	assert_int_equal(fence.type, SB_FENCE_IDLE);
	struct loop loop = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	loop_add(&loop, 0, &fence);
	check_loop_is_quiet(&loop);
	rig_fence_signal(&test->fences[0]);
	check_loop_fires(&loop, 0);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	loop_add(&loop, 1, &fence);
	check_loop_is_quiet(&loop);
	rig_fence_signal(&test->fences[1]);
	check_loop_fires(&loop, 1);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);
	close(loop.epoll_fd);
}

/* What no one fence can stand for: a set with all kinds is watched, one fence after the other. */
static void watch_of_set_fires_for_each_in_turn(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	struct fence_source sources[SOURCES_MAX];
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_init(&sources[i], &fence_source_types[i], &rig);
		assert_int_equal(sb_fence_set_add(set, &sources[i].fence), 0);
	}
	int fd = -1;
	short events;
	for (size_t i = 0; i < fence_source_type_count; i++) {
		if (sources[i].type->state == FENCE_SOURCE_READY) {
			continue;
		}
		assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), 0);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		if (sources[i].type->state == FENCE_SOURCE_TO_COME) {
			fence_source_materialise(&sources[i]);
		}
		assert_false(fence_rig_poll(fd, events, 0));
		fence_source_signal(&sources[i]);
		assert_true(fence_rig_poll(fd, events, FENCE_RIG_SOON_MS));
		close(fd);
	}
	assert_int_equal(sb_fence_set_create_ready_fd(set, &fd, &events), -ENODATA);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	sb_fence_set_destroy(set);
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_finish(&sources[i]);
	}
	fence_rig_finish(&rig);
}

/* A writer, then a reader: two fds, on kernels that could watch both at once as well. */
static void watch_of_idle_buffer_to_write_fires_for_each_kind(void **state) {
	struct buffer_test *test = *state;
	add_writer(test, 0, 0);
	assert_int_equal(sb_dmabuf_import_sync_file(test->buffers[0].dmabuf_fd, SB_ACCESS_READ,
					 test->fences[1].sync_file_fd),
			0);
	old_kernel_play(true);
	struct sb_fence fence = export_fence(&test->one, SB_ACCESS_WRITE);
	old_kernel_play(false);
	for (int i = 0; i < 2; i++) {
		int fd;
		short events;
		assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
		assert_int_equal(sb_fence_create_ready_fd(&fence, &fd, &events), 0);
		assert_int_equal(events, i == 0 ? POLLIN : POLLOUT);
		assert_false(fence_rig_poll(fd, events, 0));
		rig_fence_signal(&test->fences[i]);
		assert_true(fence_rig_poll(fd, events, FENCE_RIG_SOON_MS));
		close(fd);
	}
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);
}

static void wrap_of_no_sync_file_is_refused(void **state) {
	struct buffer_test *test = *state;
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	const int fds[] = {
		pipe_fds[0],
		pipe_fds[1],
		memfd_create("wrong", MFD_CLOEXEC),
		eventfd(1, EFD_CLOEXEC),
		fcntl(test->buffers[0].dmabuf_fd, F_DUPFD_CLOEXEC, 0),
		fcntl(test->rig.drm_fd, F_DUPFD_CLOEXEC, 0),
		fcntl(test->rig.vgem_fd, F_DUPFD_CLOEXEC, 0),
	};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		struct sb_fence fence = { 0 };
		assert_true(fds[i] >= 0);
		assert_int_equal(sb_fence_from_sync_file(fds[i], &fence), -ENOTTY);
		assert_int_equal(fence.type, SB_FENCE_NONE);
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
	}
}

/* --- sets --- */

struct pair_of_sources {
	struct fence_rig rig;
	struct fence_source sources[2];
	struct sb_fence_set *set;
};

static size_t count_with_state(const struct pair_of_sources *pair, enum fence_source_state state) {
	return (size_t)(pair->sources[0].type->state == state) +
			(size_t)(pair->sources[1].type->state == state);
}

static bool has_idle(const struct pair_of_sources *pair) {
	return pair->sources[0].fence.type == SB_FENCE_IDLE ||
			pair->sources[1].fence.type == SB_FENCE_IDLE;
}

static void materialise_all(struct pair_of_sources *pair) {
	for (int i = 0; i < 2; i++) {
		if (pair->sources[i].type->state == FENCE_SOURCE_TO_COME) {
			fence_source_materialise(&pair->sources[i]);
		}
	}
}

static void fill_set(struct pair_of_sources *pair) {
	for (int i = 0; i < 2; i++) {
		struct sb_fence fence;
		assert_int_equal(sb_fence_dup(&pair->sources[i].fence, &fence), 0);
		assert_int_equal(sb_fence_set_add(pair->set, &fence), 0);
		assert_int_equal(fence.type, SB_FENCE_NONE);
	}
}

/* Both are pending: the set's one fence, or the set itself, is ready with the last of them. */
static void check_waits_for_both(struct pair_of_sources *pair, int first) {
	fill_set(pair);
	struct sb_fence fence = { 0 };
	int expected = has_idle(pair)					   ? -EOPNOTSUPP
			: count_with_state(pair, FENCE_SOURCE_TO_COME) > 0 ? -EAGAIN
									   : 0;
	assert_int_equal(sb_fence_set_collapse(pair->set, "both", &fence), expected);
	if (expected != 0) {
		assert_int_equal(fence.type, SB_FENCE_NONE);
		assert_int_equal(sb_fence_set_get_count(pair->set), 2);
		assert_int_equal(sb_fence_set_wait(pair->set, 0), -ETIME);
	}
	materialise_all(pair);
	if (expected == -EAGAIN) {
		assert_int_equal(sb_fence_set_collapse(pair->set, "both", &fence), 0);
	}

	if (expected != -EOPNOTSUPP) {
		assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
		assert_string_equal(get_info(&fence).name, "both");
		assert_int_equal(sb_fence_set_get_count(pair->set), 0);
		assert_int_equal(sb_fence_set_wait(pair->set, 0), 0);
	}
	fence_source_signal(&pair->sources[first]);
	if (expected == -EOPNOTSUPP) {
		assert_int_equal(sb_fence_set_wait(pair->set, 0), -ETIME);
		assert_int_equal(sb_fence_set_get_count(pair->set), 1);
		fence_source_signal(&pair->sources[1 - first]);
		assert_int_equal(sb_fence_set_wait(pair->set, INT64_MAX), 0);
		assert_int_equal(sb_fence_set_get_count(pair->set), 0);
	} else {
		assert_false(fence_rig_poll(fence.fds[0], POLLIN, 0));
		fence_source_signal(&pair->sources[1 - first]);
		assert_true(fence_rig_poll(fence.fds[0], POLLIN, FENCE_RIG_SOON_MS));
	}
	sb_fence_clear(&fence);
}

/* At most one is pending, and comes out as it was put in. */
static void check_waits_for_one(struct pair_of_sources *pair) {
	fill_set(pair);
	struct sb_fence fence = { .type = SB_FENCE_IDLE };
	assert_int_equal(sb_fence_set_collapse(pair->set, NULL, &fence), 0);
	assert_int_equal(sb_fence_set_get_count(pair->set), 0);
	enum sb_fence_type type = SB_FENCE_NONE;
	for (int i = 0; i < 2; i++) {
		if (pair->sources[i].type->state != FENCE_SOURCE_READY) {
			type = pair->sources[i].fence.type;
		}
	}
	assert_int_equal(fence.type, type);
	materialise_all(pair);
	for (int i = 0; i < 2; i++) {
		if (pair->sources[i].type->state != FENCE_SOURCE_READY) {
			assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
			fence_source_signal(&pair->sources[i]);
		}
	}
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);
}

static void check_pair(const struct fence_source_type *a, const struct fence_source_type *b,
		int first_to_signal) {
	struct pair_of_sources pair;
	fence_rig_init(&pair.rig);
	assert_int_equal(sb_fence_set_create(&pair.set), 0);
	fence_source_init(&pair.sources[0], a, &pair.rig);
	fence_source_init(&pair.sources[1], b, &pair.rig);
	if (count_with_state(&pair, FENCE_SOURCE_READY) == 0) {
		check_waits_for_both(&pair, first_to_signal);
	} else {
		check_waits_for_one(&pair);
	}
	fence_source_finish(&pair.sources[0]);
	fence_source_finish(&pair.sources[1]);
	sb_fence_set_destroy(pair.set);
	fence_rig_finish(&pair.rig);
}

static void collapse_with_each_other_kind_keeps_what_is_pending(void **state) {
	for (size_t i = 0; i < fence_source_type_count; i++) {
		check_pair(*state, &fence_source_types[i], 0);
		check_pair(*state, &fence_source_types[i], 1);
	}
}

static int wait_for_set(void *data) {
	return sb_fence_set_wait(data, INT64_MAX);
}

static void wait_for_set_in_thread_ends_with_last_fence(void **state) {
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	struct fence_source sources[SOURCES_MAX];
	assert_true(fence_source_type_count <= SOURCES_MAX);
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_init(&sources[i], &fence_source_types[i], &rig);
		assert_int_equal(sb_fence_set_add(set, &sources[i].fence), 0);
	}
	struct sleeper sleeper;
	sleeper_start(&sleeper, wait_for_set, set);
	for (size_t i = fence_source_type_count; i-- > 0;) {
		if (sources[i].type->state == FENCE_SOURCE_READY) {
			continue;
		}
		assert_true(sleeper_is_waiting(&sleeper));
		if (sources[i].type->state == FENCE_SOURCE_TO_COME) {
			fence_source_materialise(&sources[i]);
			assert_true(sleeper_is_waiting(&sleeper));
		}
		fence_source_signal(&sources[i]);
	}
	assert_int_equal(sleeper_join(&sleeper), 0);
	assert_int_equal(sb_fence_set_get_count(set), 0);
	for (size_t i = 0; i < fence_source_type_count; i++) {
		fence_source_finish(&sources[i]);
	}
	sb_fence_set_destroy(set);
	fence_rig_finish(&rig);
}

static void collapse_of_buffers_waits_for_fences_of_then(void **state) {
	struct buffer_test *test = *state;
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	add_writer(test, 0, 0);
	add_writer(test, 1, 1);
	assert_int_equal(sb_fence_set_add_buffer(set, &test->both, SB_ACCESS_READ), 0);
	add_writer(test, 0, 2);
	struct sb_fence fence;
	assert_int_equal(sb_fence_set_collapse(set, "frame", &fence), 0);
	rig_fence_signal(&test->fences[1]);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	rig_fence_signal(&test->fences[0]);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);

	/* The set is as good as new: nothing of the last frame is left in it. */
	assert_int_equal(sb_fence_set_add_buffer(set, &test->one, SB_ACCESS_READ), 0);
	assert_int_equal(sb_fence_set_collapse(set, "frame", &fence), 0);
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	rig_fence_signal(&test->fences[2]);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	sb_fence_clear(&fence);
	sb_fence_set_destroy(set);
}

/* More than fit at first, all pending, in one sync_file. */
static void collapse_of_many_fences_waits_for_each(void **state) {
	enum {
		COUNT = 40
	};
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	struct rig_fence fences[COUNT];
	for (size_t i = 0; i < COUNT; i++) {
		rig_fence_init(&fences[i]);
		struct sb_fence fence;
		assert_int_equal(sb_fence_from_sync_file(rig_fence_dup(&fences[i]), &fence), 0);
		assert_int_equal(sb_fence_set_add(set, &fence), 0);
	}
	struct sb_fence fence;
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), 0);
	assert_int_equal(get_info(&fence).fence_count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
		assert_int_equal(get_info(&fence).status, 0);
		rig_fence_signal(&fences[i]);
	}
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_int_equal(get_info(&fence).status, 1);
	sb_fence_clear(&fence);
	for (size_t i = 0; i < COUNT; i++) {
		rig_fence_finish(&fences[i]);
	}
	sb_fence_set_destroy(set);
	fence_rig_finish(&rig);
}

static void add_of_failed_export_breaks_set(void **state) {
	struct buffer_test *test = *state;
	struct sb_fence_set *set;
	assert_int_equal(sb_fence_set_create(&set), 0);
	struct sb_buffer wrong;
	assert_int_equal(sb_buffer_init(&wrong, &test->fences[2].sync_file_fd, 1), 0);
	assert_int_equal(sb_fence_set_add_buffer(set, &test->one, SB_ACCESS_READ), 0);
	assert_int_equal(sb_fence_set_add_buffer(set, &wrong, SB_ACCESS_READ), -ENOTTY);
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_fence_set_add_buffer(set, &test->one, SB_ACCESS_READ), -ENOTTY);
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), -ENOTTY);
	assert_int_equal(sb_fence_set_wait(set, INT64_MAX), -ENOTTY);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	sb_fence_set_reset(set);
	assert_int_equal(sb_fence_set_add_buffer(set, &test->one, SB_ACCESS_READ), 0);
	assert_int_equal(sb_fence_set_collapse(set, NULL, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	sb_fence_set_destroy(set);
}

#define BUFFER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Run with each kind of fence. */
static const struct {
	const char *name;
	CMUnitTestFunction test_func;
} kind_tests[] = {
	{ "wait_for_%s_in_thread_ends_with_it", wait_in_thread_ends_with_fence },
	{ "wait_for_%s_with_deadline_ends_then", wait_with_deadline_ends_then },
	{ "get_info_of_%s_follows_it", get_info_follows_fence },
	{ "collapse_of_%s_and_other_kinds_keeps_what_is_pending",
			collapse_with_each_other_kind_keeps_what_is_pending },
};
#define KIND_TEST_COUNT (sizeof(kind_tests) / sizeof(kind_tests[0]))

int main(void) {
	const struct CMUnitTest other_tests[] = {
		BUFFER_TEST(fail_of_writer_shows_in_snapshot_of_before),
		BUFFER_TEST(fail_of_one_writer_leaves_other_pending),
		cmocka_unit_test(watch_all_kinds_fires_each_by_its_own),
		cmocka_unit_test(watch_cancelled_leaves_nothing),
		BUFFER_TEST(watch_of_idle_buffers_fires_until_all_are_idle),
		BUFFER_TEST(watch_of_idle_buffer_to_write_fires_for_each_kind),
		cmocka_unit_test(watch_of_set_fires_for_each_in_turn),
		BUFFER_TEST(wrap_of_no_sync_file_is_refused),
		cmocka_unit_test(wait_for_set_in_thread_ends_with_last_fence),
		BUFFER_TEST(collapse_of_buffers_waits_for_fences_of_then),
		cmocka_unit_test(collapse_of_many_fences_waits_for_each),
		BUFFER_TEST(add_of_failed_export_breaks_set),
	};
	size_t kind_count = KIND_TEST_COUNT * fence_source_type_count;
	size_t other_count = sizeof(other_tests) / sizeof(other_tests[0]);
	char (*names)[96] = calloc(kind_count, sizeof(*names));
	struct CMUnitTest *tests = calloc(kind_count + other_count, sizeof(*tests));
	if (names == NULL || tests == NULL) {
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < kind_count; i++) {
		const struct fence_source_type *type = &fence_source_types[i / KIND_TEST_COUNT];
		size_t kind_test = i % KIND_TEST_COUNT;
		snprintf(names[i], sizeof(names[i]), kind_tests[kind_test].name, type->name);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = kind_tests[kind_test].test_func,
			.initial_state = (void *)(uintptr_t)type,
		};
	}
	memcpy(&tests[kind_count], other_tests, sizeof(other_tests));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = _cmocka_run_group_tests("tests", tests, kind_count + other_count, NULL, NULL);
	free(tests);
	free(names);
	return failed;
}
