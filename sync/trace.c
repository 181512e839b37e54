#include "trace.h"

#include <errno.h>

_Atomic(const struct sb_trace_hook *) sb_trace_hook;

static _Thread_local bool trace_is_emitting;

void sb_trace_set_hook(const struct sb_trace_hook *hook) {
	atomic_store_explicit(&sb_trace_hook, hook, memory_order_release);
}

void sb_trace_emit(const struct sb_trace_event *event) {
	/* Asked for again, since it may have gone meanwhile; now with what it points to. */
	const struct sb_trace_hook *hook = atomic_load_explicit(&sb_trace_hook, memory_order_acquire);
	if (hook == NULL || trace_is_emitting) {
		return;
	}
	trace_is_emitting = true;
	int saved_errno = errno;
	hook->handle(hook->data, event);
	errno = saved_errno;
	trace_is_emitting = false;
}
