#include <syncbridge/stats.h>

#include <errno.h>

/* Relaxed: the counters say nothing of each other, nor of what happened. */
static void stats_count(uint64_t *counter, bool is_counted) {
	if (is_counted) {
		__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	}
}

static bool stats_is_error(const struct sb_trace_event *event) {
	switch (event->result) {
	case 0:
	case -ETIME:
	case -EAGAIN:
		return false;
	case -ENOTTY:
		/* No dma-buf, or an old kernel: that is told by SB_TRACE_IDLE, which comes next. */
		return event->kind != SB_TRACE_EXPORT;
	case -EOPNOTSUPP:
		/* An old kernel: the point is watched in another way, or tried again. */
		return event->kind != SB_TRACE_WATCH;
	default:
		return true;
	}
}

void sb_stats_handle(void *data, const struct sb_trace_event *event) {
	struct sb_stats *stats = data;
	stats_count(&stats->errors, stats_is_error(event));
	bool succeeded = event->result == 0;
	switch (event->kind) {
	case SB_TRACE_EXPORT:
		stats_count(&stats->exports, succeeded);
		break;
	case SB_TRACE_IMPORT:
		stats_count(&stats->imports, succeeded);
		break;
	case SB_TRACE_MERGE:
		stats_count(&stats->merges, succeeded);
		break;
	case SB_TRACE_IDLE:
		stats_count(&stats->over_syncs, succeeded);
		break;
	case SB_TRACE_WAIT_BEGIN:
	case SB_TRACE_WATCH:
	case SB_TRACE_POINT_EXPORT:
		break;
	case SB_TRACE_WAIT_END:
		stats_count(&stats->waits, succeeded || event->result == -ETIME);
		stats_count(&stats->timeouts, event->result == -ETIME);
		break;
	case SB_TRACE_POINT_SIGNAL:
	case SB_TRACE_POINT_IMPORT:
	case SB_TRACE_POINT_TRANSFER:
		stats_count(&stats->points, succeeded);
		break;
	case SB_TRACE_VK_IMPORT:
		stats_count(&stats->vk_imports, succeeded);
		break;
	case SB_TRACE_VK_EXPORT:
		stats_count(&stats->vk_exports, succeeded);
		break;
	case SB_TRACE_VK_CREATE:
		stats_count(&stats->vk_creates, succeeded);
		break;
	}
}
