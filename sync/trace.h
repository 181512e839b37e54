#ifndef SYNCBRIDGE_SYNC_TRACE_H
#define SYNCBRIDGE_SYNC_TRACE_H

#include <stdatomic.h>
#include <stddef.h>

#include <syncbridge/trace.h>

/*
 * Where the library says what it does. Each function below is one USDT probe, which is a nop, and
 * one look at whether there is a hook; they are inline, so that neither costs a call.
 */

#if SB_HAVE_SDT
#include <sys/sdt.h>
#ifdef __clang__
/* Its macros leave out variadic arguments, which C does not allow before C23. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpedantic"
#endif
#define SB_PROBE3(name, a, b, c) DTRACE_PROBE3(syncbridge, name, a, b, c)
#define SB_PROBE4(name, a, b, c, d) DTRACE_PROBE4(syncbridge, name, a, b, c, d)
#else
#define SB_PROBE3(name, a, b, c)
#define SB_PROBE4(name, a, b, c, d)
#endif

extern _Atomic(const struct sb_trace_hook *) sb_trace_hook;

/* Cold: the event is put together out of the way of programs without a hook. */
__attribute__((cold)) void sb_trace_emit(const struct sb_trace_event *event);

static inline bool sb_trace_is_hooked(void) {
	return __builtin_expect(
			atomic_load_explicit(&sb_trace_hook, memory_order_relaxed) != NULL, 0);
}

/* kind is SB_TRACE_EXPORT or SB_TRACE_IMPORT. */
static inline void sb_trace_dmabuf(enum sb_trace_kind kind, int dmabuf_fd, enum sb_access access,
		int sync_file_fd, int result) {
	if (kind == SB_TRACE_EXPORT) {
		SB_PROBE4(export, dmabuf_fd, access, sync_file_fd, result);
	} else {
		SB_PROBE4(import, dmabuf_fd, access, sync_file_fd, result);
	}
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = kind,
				.result = result,
				.dmabuf_fd = dmabuf_fd,
				.access = access,
				.sync_file_fd = sync_file_fd,
		});
	}
}

static inline void sb_trace_idle(int dmabuf_fd, enum sb_access access, int result) {
	SB_PROBE3(idle, dmabuf_fd, access, result);
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = SB_TRACE_IDLE,
				.result = result,
				.dmabuf_fd = dmabuf_fd,
				.access = access,
				.sync_file_fd = -1,
				.over_sync = true,
		});
	}
}

static inline void sb_trace_merge(int a_fd, int b_fd, int sync_file_fd, int result) {
	SB_PROBE4(merge, a_fd, b_fd, sync_file_fd, result);
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = SB_TRACE_MERGE,
				.result = result,
				.dmabuf_fd = -1,
				.sync_file_fd = sync_file_fd,
		});
	}
}

/* What is waited for; one of the three, the others being -1 or NULL. */
struct sb_trace_target {
	int sync_file_fd;
	int dmabuf_fd;
	enum sb_access access;
	const struct sb_timeline *timeline;
	uint64_t point;
};

/* kind is SB_TRACE_WAIT_BEGIN, SB_TRACE_WAIT_END or SB_TRACE_WATCH. */
static inline void sb_trace_target(
		enum sb_trace_kind kind, const struct sb_trace_target *target, int result) {
	switch (kind) {
	case SB_TRACE_WAIT_BEGIN:
		SB_PROBE4(wait_begin, target->sync_file_fd, target->dmabuf_fd, target->timeline,
				target->point);
		break;
	case SB_TRACE_WAIT_END:
		SB_PROBE4(wait_end, target->sync_file_fd, target->dmabuf_fd, target->timeline,
				result);
		break;
	default:
		SB_PROBE4(watch, target->sync_file_fd, target->dmabuf_fd, target->timeline, result);
		break;
	}
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = kind,
				.result = result,
				.dmabuf_fd = target->dmabuf_fd,
				.access = target->access,
				.sync_file_fd = target->sync_file_fd,
				.timeline = target->timeline,
				.point = target->point,
				.over_sync = target->dmabuf_fd >= 0,
		});
	}
}

/* kind is one of SB_TRACE_POINT_*. */
static inline void sb_trace_point(enum sb_trace_kind kind, const struct sb_timeline *timeline,
		uint64_t point, int sync_file_fd, int result) {
	switch (kind) {
	case SB_TRACE_POINT_SIGNAL:
		SB_PROBE3(point_signal, timeline, point, result);
		break;
	case SB_TRACE_POINT_EXPORT:
		SB_PROBE4(point_export, timeline, point, sync_file_fd, result);
		break;
	case SB_TRACE_POINT_IMPORT:
		SB_PROBE4(point_import, timeline, point, sync_file_fd, result);
		break;
	default:
		SB_PROBE3(point_transfer, timeline, point, result);
		break;
	}
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = kind,
				.result = result,
				.dmabuf_fd = -1,
				.sync_file_fd = sync_file_fd,
				.timeline = timeline,
				.point = point,
		});
	}
}

/* kind is one of SB_TRACE_VK_*; handle is the VkSemaphore's or VkFence's. */
static inline void sb_trace_vk(
		enum sb_trace_kind kind, uint64_t handle, int sync_file_fd, int result) {
	switch (kind) {
	case SB_TRACE_VK_IMPORT:
		SB_PROBE3(vk_import, handle, sync_file_fd, result);
		break;
	case SB_TRACE_VK_EXPORT:
		SB_PROBE3(vk_export, handle, sync_file_fd, result);
		break;
	default:
		SB_PROBE3(vk_create, handle, sync_file_fd, result);
		break;
	}
	if (sb_trace_is_hooked()) {
		sb_trace_emit(&(struct sb_trace_event){
				.kind = kind,
				.result = result,
				.dmabuf_fd = -1,
				.sync_file_fd = sync_file_fd,
				.vk_handle = handle,
		});
	}
}

#if SB_HAVE_SDT && defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif
