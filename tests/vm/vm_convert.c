/*
 * Every conversion of libsyncbridge on real fences: each kind of fence made into each of the things
 * that it can be handed on as, over buffers of one to four planes, with and without the kernel's
 * snapshots. What came of a conversion is looked at through the kernel's own interfaces.
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
#include <unistd.h>
#include <xf86drm.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/caps.h>
#include <syncbridge/fence.h>
#include <syncbridge/stats.h>
#include <syncbridge/timeline.h>

#include "fence_rig.h"
#include "fence_source.h"
#include "old_kernel.h"
#include "sw_sync.h"
#include "vgem.h"

#define TARGET_POINT 5

/* --- what a fence is converted to --- */

struct target {
	struct fence_rig *rig;
	/* The types' own; what is not used is zero. */
	int fd;
	short events;
	struct sb_timeline *timeline;
	struct vgem_buffer buffer;
	struct sb_fence fence;
};

struct target_type {
	const char *name;
	/* Where there is nothing to wait for, for a point to come, and for SB_FENCE_IDLE: */
	int none_error, later_error, idle_error;
	/* NULL if there is nothing to prepare. */
	void (*init)(struct target *target);
	int (*convert)(struct target *target, const struct sb_fence *fence);
	/* That nothing has come there, after what failed or SB_FENCE_NONE. NULL if unseen. */
	void (*check_empty)(struct target *target);
	/* While what came there is pending. May be NULL. */
	void (*check_pending)(struct target *target);
	/* Waits that long for it. */
	bool (*is_ready)(struct target *target, int timeout_ms);
};

static int convert_to_sync_file(struct target *target, const struct sb_fence *fence) {
	return sb_fence_export_sync_file(fence, &target->fd);
}

static bool fd_is_ready(struct target *target, int timeout_ms) {
	return fence_rig_poll(target->fd, target->events, timeout_ms);
}

static void init_sync_file(struct target *target) {
	target->events = POLLIN;
}

static void init_point(struct target *target) {
	assert_int_equal(sb_timeline_create(target->rig->drm_fd, "target", &target->timeline), 0);
}

static int convert_to_point(struct target *target, const struct sb_fence *fence) {
	return sb_timeline_import_fence(target->timeline, TARGET_POINT, fence);
}

/* Another process's view, say. Returns 0 or -errno. */
static int wait_for_point(const struct target *target, int timeout_ms) {
	int syncobj_fd;
	uint32_t handle;
	assert_int_equal(sb_timeline_export(target->timeline, &syncobj_fd), 0);
	int drm_fd = target->rig->other_drm_fd;
	assert_int_equal(drmSyncobjFDToHandle(drm_fd, syncobj_fd, &handle), 0);
	close(syncobj_fd);
	uint64_t point = TARGET_POINT;
	int64_t deadline_ns =
			timeout_ms > 0 ? fence_rig_get_time_ns() + INT64_C(1000000) * timeout_ms : 0;
	int ret = drmSyncobjTimelineWait(drm_fd, &handle, &point, 1, deadline_ns, 0, NULL);
	assert_int_equal(drmSyncobjDestroy(drm_fd, handle), 0);
	return ret;
}

static void check_point_is_to_come(struct target *target) {
	assert_int_equal(wait_for_point(target, 0), -EINVAL);
}

static bool point_is_ready(struct target *target, int timeout_ms) {
	int ret = wait_for_point(target, timeout_ms);
	assert_true(ret == 0 || ret == -ETIME);
	return ret == 0;
}

static void init_buffer(struct target *target) {
	assert_int_equal(vgem_buffer_init(&target->buffer, target->rig->vgem_fd), 0);
}

static int convert_to_buffer(
		struct target *target, const struct sb_fence *fence, enum sb_access access) {
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, &target->buffer.dmabuf_fd, 1), 0);
	return sb_buffer_import_fence(&buffer, access, fence);
}

static int convert_to_reader(struct target *target, const struct sb_fence *fence) {
	return convert_to_buffer(target, fence, SB_ACCESS_READ);
}

static int convert_to_writer(struct target *target, const struct sb_fence *fence) {
	return convert_to_buffer(target, fence, SB_ACCESS_WRITE);
}

static void check_buffer_has_no_fence(struct target *target) {
	assert_int_equal(dmabuf_list_fences(target->buffer.dmabuf_fd, NULL, 0), 0);
}

static void check_pending(const struct target *target, int writers, int readers) {
	int pending_writers, pending_readers;
	assert_int_equal(dmabuf_count_pending(target->buffer.dmabuf_fd, &pending_writers,
					 &pending_readers),
			0);
	assert_int_equal(pending_writers, writers);
	assert_int_equal(pending_readers, readers);
}

static void check_one_reader(struct target *target) {
	check_pending(target, 0, 1);
}

static void check_one_writer(struct target *target) {
	check_pending(target, 1, 0);
}

/* For a writer, so that it waits for readers and writers. */
static bool buffer_is_ready(struct target *target, int timeout_ms) {
	return fence_rig_poll(target->buffer.dmabuf_fd, POLLOUT, timeout_ms);
}

static int convert_to_dup(struct target *target, const struct sb_fence *fence) {
	return sb_fence_dup(fence, &target->fence);
}

static bool dup_is_ready(struct target *target, int timeout_ms) {
	int64_t deadline_ns =
			timeout_ms > 0 ? fence_rig_get_time_ns() + INT64_C(1000000) * timeout_ms : 0;
	int ret = sb_fence_wait(&target->fence, deadline_ns);
	assert_true(ret == 0 || ret == -ETIME);
	return ret == 0;
}

static int convert_to_ready_fd(struct target *target, const struct sb_fence *fence) {
	return sb_fence_create_ready_fd(fence, &target->fd, &target->events);
}

static const struct target_type target_types[] = {
	{ "sync_file", -ENODATA, -EAGAIN, -EOPNOTSUPP, init_sync_file, convert_to_sync_file, NULL,
			NULL, fd_is_ready },
	{ "point", 0, -EAGAIN, -EOPNOTSUPP, init_point, convert_to_point, check_point_is_to_come,
			NULL, point_is_ready },
	{ "read_of_buffer", 0, -EAGAIN, -EOPNOTSUPP, init_buffer, convert_to_reader,
			check_buffer_has_no_fence, check_one_reader, buffer_is_ready },
	{ "write_of_buffer", 0, -EAGAIN, -EOPNOTSUPP, init_buffer, convert_to_writer,
			check_buffer_has_no_fence, check_one_writer, buffer_is_ready },
	{ "duplicate", 0, 0, 0, NULL, convert_to_dup, NULL, NULL, dup_is_ready },
	{ "ready_fd", -ENODATA, 0, 0, NULL, convert_to_ready_fd, NULL, NULL, fd_is_ready },
};
#define TARGET_TYPE_COUNT (sizeof(target_types) / sizeof(target_types[0]))

static void target_init(struct target *target, const struct target_type *type, struct fence_rig *rig) {
	*target = (struct target){ .rig = rig, .fd = -1 };
	if (type->init != NULL) {
		type->init(target);
	}
}

static void target_finish(struct target *target) {
	sb_fence_clear(&target->fence);
	sb_timeline_unref(target->timeline);
	if (target->buffer.vgem_fd != 0) {
		vgem_buffer_finish(&target->buffer);
	}
	if (target->fd >= 0) {
		close(target->fd);
	}
}

/* --- from every source to every target --- */

struct pair {
	const struct fence_source_type *source;
	const struct target_type *target;
};

static int get_expected_error(const struct pair *pair, const struct sb_fence *fence) {
	if (fence->type == SB_FENCE_NONE) {
		return pair->target->none_error;
	}
	if (fence->type == SB_FENCE_IDLE) {
		return pair->target->idle_error;
	}
	return pair->source->state == FENCE_SOURCE_TO_COME ? pair->target->later_error : 0;
}

static void check_empty(const struct pair *pair, struct target *target) {
	assert_int_equal(target->fd, -1);
	if (pair->target->check_empty != NULL) {
		pair->target->check_empty(target);
	}
}

static void check_until_ready(
		const struct pair *pair, struct target *target, struct fence_source *source) {
	if (pair->source->state != FENCE_SOURCE_READY) {
		assert_false(pair->target->is_ready(target, 0));
		if (pair->target->check_pending != NULL) {
			pair->target->check_pending(target);
		}
		fence_source_signal(source);
	}
	assert_true(pair->target->is_ready(target, FENCE_RIG_SOON_MS));
}

static void convert_pair(void **state) {
	const struct pair *pair = *state;
	struct fence_rig rig;
	fence_rig_init(&rig);
	struct fence_source source;
	fence_source_init(&source, pair->source, &rig);
	struct target target;
	target_init(&target, pair->target, &rig);

	bool is_none = source.fence.type == SB_FENCE_NONE;
	int expected = get_expected_error(pair, &source.fence);
	int ret = pair->target->convert(&target, &source.fence);
	assert_int_equal(ret, expected);
	if (ret != 0 || (is_none && target.timeline == NULL)) {
		check_empty(pair, &target);
	}
	if (pair->source->state == FENCE_SOURCE_TO_COME) {
		if (ret == 0) {
			assert_false(pair->target->is_ready(&target, 0));
		}
		fence_source_materialise(&source);
		if (ret == -EAGAIN) {
			ret = pair->target->convert(&target, &source.fence);
			assert_int_equal(ret, 0);
		}
	}
	/* Whatever came of it does not need the fence that it was made of. */
	sb_fence_clear(&source.fence);
	if (ret == 0) {
		check_until_ready(pair, &target, &source);
	}

	target_finish(&target);
	fence_source_finish(&source);
	fence_rig_finish(&rig);
}

/* --- buffers of several planes --- */

static struct sb_stats stats;

/* Which dma-buf is behind each plane, by number. */
struct planes {
	size_t count;
	int dmabufs[SB_PLANES_MAX];
	size_t dmabuf_count;
};

static const struct planes plane_layouts[] = {
	{ 1, { 0 }, 1 },
	{ 2, { 0, 1 }, 2 },
	{ 3, { 0, 1, 2 }, 3 },
	{ 4, { 0, 1, 2, 3 }, 4 },
	/* One dma-buf behind several planes. */
	{ 2, { 0, 0 }, 1 },
	{ 3, { 0, 0, 0 }, 1 },
	{ 4, { 0, 0, 0, 0 }, 1 },
	{ 3, { 0, 1, 0 }, 2 },
	{ 4, { 0, 0, 1, 1 }, 2 },
	{ 4, { 0, 1, 1, 2 }, 3 },
};
#define PLANE_LAYOUT_COUNT (sizeof(plane_layouts) / sizeof(plane_layouts[0]))

struct plane_test {
	struct fence_rig rig;
	const struct planes *planes;
	struct vgem_buffer buffers[SB_PLANES_MAX];
	int plane_fds[SB_PLANES_MAX];
	struct sb_buffer buffer;
	struct rig_fence fences[SB_PLANES_MAX];
};

static void plane_test_init(struct plane_test *test, const struct planes *planes) {
	*test = (struct plane_test){ .planes = planes };
	fence_rig_init(&test->rig);
	for (size_t i = 0; i < planes->dmabuf_count; i++) {
		assert_int_equal(vgem_buffer_init(&test->buffers[i], test->rig.vgem_fd), 0);
		rig_fence_init(&test->fences[i]);
	}
	/* Every plane has an fd of its own, as they come over a socket. */
	for (size_t i = 0; i < planes->count; i++) {
		int dmabuf_fd = test->buffers[planes->dmabufs[i]].dmabuf_fd;
		test->plane_fds[i] = fcntl(dmabuf_fd, F_DUPFD_CLOEXEC, 0);
		assert_true(test->plane_fds[i] >= 0);
	}
	assert_int_equal(sb_buffer_init(&test->buffer, test->plane_fds, planes->count), 0);
	assert_int_equal(test->buffer.dmabuf_count, planes->dmabuf_count);
	stats = (struct sb_stats){ 0 };
}

static void plane_test_finish(struct plane_test *test) {
	for (size_t i = 0; i < test->planes->count; i++) {
		close(test->plane_fds[i]);
	}
	for (size_t i = 0; i < test->planes->dmabuf_count; i++) {
		vgem_buffer_finish(&test->buffers[i]);
		rig_fence_finish(&test->fences[i]);
	}
	fence_rig_finish(&test->rig);
}

/* Each dma-buf has a fence. The dma-buf of that number is the last one to signal. */
static void check_export(
		const struct planes *planes, enum sb_access access, bool by_readers, size_t last) {
	struct plane_test test;
	plane_test_init(&test, planes);
	int (*import)(int dmabuf_fd, int sync_file_fd) = by_readers ? dmabuf_import_read
								    : dmabuf_import_write;
	for (size_t i = 0; i < planes->dmabuf_count; i++) {
		assert_int_equal(import(test.buffers[i].dmabuf_fd, test.fences[i].sync_file_fd), 0);
	}

	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&test.buffer, access, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(stats.exports, planes->dmabuf_count);
	assert_int_equal(stats.merges, planes->dmabuf_count - 1);
	assert_int_equal(stats.over_syncs, 0);
	assert_int_equal(stats.errors, 0);
	if (access == SB_ACCESS_READ && by_readers) {
		assert_true(fence_rig_poll(fence.fds[0], POLLIN, 0));
	} else {
		for (size_t i = 0; i < planes->dmabuf_count; i++) {
			if (i != last) {
				rig_fence_signal(&test.fences[i]);
			}
		}
		assert_false(fence_rig_poll(fence.fds[0], POLLIN, 0));
		rig_fence_signal(&test.fences[last]);
		assert_true(fence_rig_poll(fence.fds[0], POLLIN, FENCE_RIG_SOON_MS));
	}
	sb_fence_clear(&fence);
	plane_test_finish(&test);
}

static void export_for_all(enum sb_access access, bool by_readers) {
	for (size_t i = 0; i < PLANE_LAYOUT_COUNT; i++) {
		for (size_t last = 0; last < plane_layouts[i].dmabuf_count; last++) {
			check_export(&plane_layouts[i], access, by_readers, last);
		}
	}
}

static void export_to_read_of_planes_waits_for_each_writer_once(void **state) {
	export_for_all(SB_ACCESS_READ, false);
}

static void export_to_read_of_planes_waits_for_no_reader(void **state) {
	export_for_all(SB_ACCESS_READ, true);
}

static void export_to_write_of_planes_waits_for_each_writer_once(void **state) {
	export_for_all(SB_ACCESS_WRITE, false);
}

static void export_to_write_of_planes_waits_for_each_reader_once(void **state) {
	export_for_all(SB_ACCESS_WRITE, true);
}

static void check_import(const struct planes *planes, enum sb_access access) {
	struct plane_test test;
	plane_test_init(&test, planes);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(rig_fence_dup(&test.fences[0]), &fence), 0);
	assert_int_equal(sb_buffer_import_fence(&test.buffer, access, &fence), 0);
	sb_fence_clear(&fence);
	assert_int_equal(stats.imports, planes->dmabuf_count);
	assert_int_equal(stats.errors, 0);

	for (size_t i = 0; i < planes->dmabuf_count; i++) {
		struct dmabuf_fence found[2];
		assert_int_equal(dmabuf_list_fences(test.buffers[i].dmabuf_fd, found, 2), 1);
		assert_int_equal(found[0].usage,
				access == SB_ACCESS_READ ? DMABUF_USAGE_READ : DMABUF_USAGE_WRITE);
		assert_string_equal(found[0].driver, "sw_sync");
		assert_false(found[0].signalled);
	}
	rig_fence_signal(&test.fences[0]);
	for (size_t i = 0; i < planes->dmabuf_count; i++) {
		assert_true(fence_rig_poll(test.buffers[i].dmabuf_fd, POLLOUT, FENCE_RIG_SOON_MS));
	}
	plane_test_finish(&test);
}

static void import_of_read_reaches_each_dmabuf_once(void **state) {
	for (size_t i = 0; i < PLANE_LAYOUT_COUNT; i++) {
		check_import(&plane_layouts[i], SB_ACCESS_READ);
	}
}

static void import_of_write_reaches_each_dmabuf_once(void **state) {
	for (size_t i = 0; i < PLANE_LAYOUT_COUNT; i++) {
		check_import(&plane_layouts[i], SB_ACCESS_WRITE);
	}
}

/* A snapshot of several fences, one of them vgem's own, becomes another buffer's. */
static void hand_on_between_buffers_keeps_every_fence(void **state) {
	struct plane_test test;
	plane_test_init(&test, &plane_layouts[1]);
	uint32_t vgem_fence;
	assert_int_equal(vgem_buffer_attach(&test.buffers[0], false, &vgem_fence), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dmabuf_import_write(test.buffers[0].dmabuf_fd,
						 test.fences[i].sync_file_fd),
				0);
	}
	struct sb_buffer from, to;
	assert_int_equal(sb_buffer_init(&from, &test.plane_fds[0], 1), 0);
	assert_int_equal(sb_buffer_init(&to, &test.plane_fds[1], 1), 0);
	struct sb_fence fence;
	assert_int_equal(sb_buffer_export_fence(&from, SB_ACCESS_WRITE, &fence), 0);
	assert_int_equal(sb_buffer_import_fence(&to, SB_ACCESS_READ, &fence), 0);
	sb_fence_clear(&fence);

	struct dmabuf_fence found[4];
	assert_int_equal(dmabuf_list_fences(test.buffers[1].dmabuf_fd, found, 4), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(found[i].usage, DMABUF_USAGE_READ);
	}
	rig_fence_signal(&test.fences[0]);
	rig_fence_signal(&test.fences[1]);
	assert_false(fence_rig_poll(test.buffers[1].dmabuf_fd, POLLOUT, 0));
	assert_int_equal(vgem_signal(test.rig.vgem_fd, vgem_fence), 0);
	assert_true(fence_rig_poll(test.buffers[1].dmabuf_fd, POLLOUT, FENCE_RIG_SOON_MS));
	plane_test_finish(&test);
}

/* --- without the kernel's snapshots --- */

static void export_without_snapshots_watches_each_dmabuf_once(void **state) {
	for (size_t i = 0; i < PLANE_LAYOUT_COUNT; i++) {
		const struct planes *planes = &plane_layouts[i];
		struct plane_test test;
		plane_test_init(&test, planes);
		size_t last = planes->dmabuf_count - 1;
		assert_int_equal(dmabuf_import_write(test.buffers[last].dmabuf_fd,
						 test.fences[0].sync_file_fd),
				0);
		struct sb_fence fence;
		old_kernel_play(true);
		int ret = sb_buffer_export_fence(&test.buffer, SB_ACCESS_READ, &fence);
		old_kernel_play(false);
		assert_int_equal(ret, 0);
		assert_int_equal(fence.type, SB_FENCE_IDLE);
		assert_int_equal(fence.access, SB_ACCESS_READ);
		assert_int_equal(fence.dmabuf_count, planes->dmabuf_count);
		assert_int_equal(stats.exports, 0);
		assert_int_equal(stats.over_syncs, planes->dmabuf_count);

		assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
		rig_fence_signal(&test.fences[0]);
		assert_int_equal(sb_fence_wait(&fence, INT64_MAX), 0);
		sb_fence_clear(&fence);
		plane_test_finish(&test);
	}
}

static void import_without_ioctl_fails_with_enotty(void **state) {
	struct plane_test test;
	plane_test_init(&test, &plane_layouts[1]);
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(rig_fence_dup(&test.fences[0]), &fence), 0);
	old_kernel_play(true);
	int ret = sb_buffer_import_fence(&test.buffer, SB_ACCESS_READ, &fence);
	old_kernel_play(false);
	assert_int_equal(ret, -ENOTTY);
	sb_fence_clear(&fence);
	plane_test_finish(&test);
}

/* With and without snapshots: what is no dma-buf is never ready, nor taken for an old kernel's. */
static void export_of_other_files_fails_with_enotty(void **state) {
	struct plane_test test;
	plane_test_init(&test, &plane_layouts[0]);
	int pipe_fds[2];
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	const int other_fds[] = { pipe_fds[0], test.fences[0].sync_file_fd, test.rig.vgem_fd };
	for (size_t i = 0; i < sizeof(other_fds) / sizeof(other_fds[0]); i++) {
		const int plane_fds[] = { test.plane_fds[0], other_fds[i] };
		struct sb_buffer buffer;
		assert_int_equal(sb_buffer_init(&buffer, plane_fds, 2), 0);
		for (int old = 0; old < 2; old++) {
			struct sb_fence fence;
			old_kernel_play(old);
			int ret = sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &fence);
			old_kernel_play(false);
			assert_int_equal(ret, -ENOTTY);
		}
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	plane_test_finish(&test);
}

/* --- what there is --- */

static void probe_finds_what_kernel_and_devices_have(void **state) {
	struct plane_test test;
	plane_test_init(&test, &plane_layouts[0]);
	uint32_t caps = UINT32_MAX;
	assert_int_equal(sb_caps_probe_dmabuf(test.plane_fds[0], &caps), 0);
	assert_int_equal(caps, SB_CAP_DMABUF_EXPORT_SYNC_FILE | SB_CAP_DMABUF_IMPORT_SYNC_FILE);
	old_kernel_play(true);
	assert_int_equal(sb_caps_probe_dmabuf(test.plane_fds[0], &caps), 0);
	old_kernel_play(false);
	assert_int_equal(caps, 0);

	assert_int_equal(sb_caps_probe_drm(test.rig.drm_fd, &caps), 0);
	assert_int_equal(caps, SB_CAP_TIMELINE | SB_CAP_TIMELINE_EVENT_FD);
	assert_int_equal(sb_caps_probe_drm(test.rig.vgem_fd, &caps), 0);
	assert_int_equal(caps, 0);
	assert_int_equal(sb_caps_probe_drm(test.fences[0].sync_file_fd, &caps), -ENOTTY);
	plane_test_finish(&test);
}

/* A probe may be made of a buffer in use. */
static void probe_of_busy_buffer_delays_nobody(void **state) {
	struct plane_test test;
	plane_test_init(&test, &plane_layouts[1]);
	int dmabuf_fd = test.buffers[0].dmabuf_fd;
	assert_int_equal(dmabuf_import_write(dmabuf_fd, test.fences[0].sync_file_fd), 0);
	assert_int_equal(dmabuf_import_read(dmabuf_fd, test.fences[1].sync_file_fd), 0);
	uint32_t caps;
	assert_int_equal(sb_caps_probe_dmabuf(dmabuf_fd, &caps), 0);
	rig_fence_signal(&test.fences[0]);
	assert_true(fence_rig_poll(dmabuf_fd, POLLIN, FENCE_RIG_SOON_MS));
	assert_false(fence_rig_poll(dmabuf_fd, POLLOUT, 0));
	rig_fence_signal(&test.fences[1]);
	assert_true(fence_rig_poll(dmabuf_fd, POLLOUT, FENCE_RIG_SOON_MS));
	plane_test_finish(&test);
}

int main(void) {
	static const struct sb_trace_hook hook = { .handle = sb_stats_handle, .data = &stats };
	sb_trace_set_hook(&hook);

	const struct CMUnitTest other_tests[] = {
		cmocka_unit_test(export_to_read_of_planes_waits_for_each_writer_once),
		cmocka_unit_test(export_to_read_of_planes_waits_for_no_reader),
		cmocka_unit_test(export_to_write_of_planes_waits_for_each_writer_once),
		cmocka_unit_test(export_to_write_of_planes_waits_for_each_reader_once),
		cmocka_unit_test(import_of_read_reaches_each_dmabuf_once),
		cmocka_unit_test(import_of_write_reaches_each_dmabuf_once),
		cmocka_unit_test(hand_on_between_buffers_keeps_every_fence),
		cmocka_unit_test(export_without_snapshots_watches_each_dmabuf_once),
		cmocka_unit_test(import_without_ioctl_fails_with_enotty),
		cmocka_unit_test(export_of_other_files_fails_with_enotty),
		cmocka_unit_test(probe_finds_what_kernel_and_devices_have),
		cmocka_unit_test(probe_of_busy_buffer_delays_nobody),
	};
	size_t pair_count = fence_source_type_count * TARGET_TYPE_COUNT;
	size_t other_count = sizeof(other_tests) / sizeof(other_tests[0]);
	struct pair *pairs = calloc(pair_count, sizeof(*pairs));
	char (*names)[64] = calloc(pair_count, sizeof(*names));
	struct CMUnitTest *tests = calloc(pair_count + other_count, sizeof(*tests));
	if (pairs == NULL || names == NULL || tests == NULL) {
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < pair_count; i++) {
		pairs[i] = (struct pair){
			.source = &fence_source_types[i / TARGET_TYPE_COUNT],
			.target = &target_types[i % TARGET_TYPE_COUNT],
		};
		snprintf(names[i], sizeof(names[i]), "convert_%s_to_%s", pairs[i].source->name,
				pairs[i].target->name);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = convert_pair,
			.initial_state = &pairs[i],
		};
	}
	memcpy(&tests[pair_count], other_tests, sizeof(other_tests));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	int failed = _cmocka_run_group_tests("tests", tests, pair_count + other_count, NULL, NULL);
	free(tests);
	free(names);
	free(pairs);
	return failed;
}
