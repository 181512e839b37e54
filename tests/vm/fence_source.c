#include "fence_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/timeline.h>

#include "old_kernel.h"
#include "sw_sync.h"

/* Not the first: that one must not be taken for all of a timeline. */
#define SOURCE_POINT 3

static void init_none(struct fence_source *source) {}

static void init_sync_file(struct fence_source *source) {
	rig_fence_init(&source->sw_fence);
	int fd = rig_fence_dup(&source->sw_fence);
	assert_int_equal(sb_fence_from_sync_file(fd, &source->fence), 0);
}

static void init_signalled_sync_file(struct fence_source *source) {
	init_sync_file(source);
	rig_fence_signal(&source->sw_fence);
}

static void init_failed_sync_file(struct fence_source *source) {
	init_sync_file(source);
	rig_fence_fail(&source->sw_fence);
}

static void init_buffer(struct fence_source *source) {
	assert_int_equal(vgem_buffer_init(&source->buffer, source->rig->vgem_fd), 0);
}

static void export_buffer(struct fence_source *source, enum sb_access access) {
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, &source->buffer.dmabuf_fd, 1), 0);
	assert_int_equal(sb_buffer_export_fence(&buffer, access, &source->fence), 0);
}

/* What Vulkan, or a compositor, has put into a buffer. */
static void init_snapshot(struct fence_source *source) {
	init_buffer(source);
	rig_fence_init(&source->sw_fence);
	assert_int_equal(dmabuf_import_read(source->buffer.dmabuf_fd, source->sw_fence.sync_file_fd),
			0);
	export_buffer(source, SB_ACCESS_WRITE);
}

static void init_empty_snapshot(struct fence_source *source) {
	init_buffer(source);
	export_buffer(source, SB_ACCESS_WRITE);
}

/* What a driver with implicit sync has put into a buffer. */
static void init_vgem_snapshot(struct fence_source *source) {
	init_buffer(source);
	assert_int_equal(vgem_buffer_attach(&source->buffer, true, &source->vgem_fence), 0);
	export_buffer(source, SB_ACCESS_READ);
	assert_int_equal(source->fence.type, SB_FENCE_SYNC_FILE);
}

static void init_vgem_idle(struct fence_source *source) {
	init_buffer(source);
	assert_int_equal(vgem_buffer_attach(&source->buffer, true, &source->vgem_fence), 0);
	old_kernel_play(true);
	export_buffer(source, SB_ACCESS_READ);
	old_kernel_play(false);
	assert_int_equal(source->fence.type, SB_FENCE_IDLE);
}

static void create_point(struct fence_source *source, int drm_fd) {
	assert_int_equal(sb_timeline_create(drm_fd, "source", &source->timeline), 0);
	assert_int_equal(sb_fence_from_point(source->timeline, SOURCE_POINT, &source->fence), 0);
}

static void init_later_point(struct fence_source *source) {
	create_point(source, source->rig->drm_fd);
}

static void init_point(struct fence_source *source) {
	create_point(source, source->rig->drm_fd);
	fence_source_materialise(source);
}

static void init_point_of_other_file(struct fence_source *source) {
	create_point(source, source->rig->other_drm_fd);
	fence_source_materialise(source);
}

static void init_signalled_point(struct fence_source *source) {
	create_point(source, source->rig->drm_fd);
	assert_int_equal(sb_timeline_signal(source->timeline, SOURCE_POINT), 0);
}

const struct fence_source_type fence_source_types[] = {
	{ "nothing", FENCE_SOURCE_READY, init_none },
	{ "sync_file", FENCE_SOURCE_PENDING, init_sync_file },
	{ "signalled_sync_file", FENCE_SOURCE_READY, init_signalled_sync_file },
	{ "failed_sync_file", FENCE_SOURCE_READY, init_failed_sync_file },
	{ "snapshot", FENCE_SOURCE_PENDING, init_snapshot },
	{ "empty_snapshot", FENCE_SOURCE_READY, init_empty_snapshot },
	{ "vgem_snapshot", FENCE_SOURCE_PENDING, init_vgem_snapshot },
	{ "vgem_idle", FENCE_SOURCE_PENDING, init_vgem_idle },
	{ "point", FENCE_SOURCE_PENDING, init_point },
	{ "point_of_other_file", FENCE_SOURCE_PENDING, init_point_of_other_file },
	{ "point_to_come", FENCE_SOURCE_TO_COME, init_later_point },
	{ "signalled_point", FENCE_SOURCE_READY, init_signalled_point },
};
const size_t fence_source_type_count = sizeof(fence_source_types) / sizeof(fence_source_types[0]);

void fence_source_init(struct fence_source *source, const struct fence_source_type *type,
		struct fence_rig *rig) {
	*source = (struct fence_source){ .type = type, .rig = rig };
	type->init(source);
}

void fence_source_materialise(struct fence_source *source) {
	rig_fence_init(&source->sw_fence);
	assert_int_equal(sb_timeline_import_sync_file(source->timeline, SOURCE_POINT,
					 source->sw_fence.sync_file_fd),
			0);
}

void fence_source_signal(struct fence_source *source) {
	if (source->vgem_fence != 0) {
		assert_int_equal(vgem_signal(source->rig->vgem_fd, source->vgem_fence), 0);
	} else {
		rig_fence_signal(&source->sw_fence);
	}
}

void fence_source_finish(struct fence_source *source) {
	sb_fence_clear(&source->fence);
	sb_timeline_unref(source->timeline);
	if (source->buffer.vgem_fd != 0) {
		vgem_buffer_finish(&source->buffer);
	}
	rig_fence_finish(&source->sw_fence);
}
