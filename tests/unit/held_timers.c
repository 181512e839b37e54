#include "held_timers.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <wayland-server-core.h>

#define TIMERS_MAX 128

/* Longer than the timers that do run. */
#define IDLE_MS 20

static struct {
	struct wl_event_source *source; /* NULL: none is held here */
	int delay_ms;
} held[TIMERS_MAX];

int __real_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __real_wl_event_source_remove(struct wl_event_source *source);
int __wrap_wl_event_source_remove(struct wl_event_source *source);

static int find(const struct wl_event_source *source) {
	for (int i = 0; i < TIMERS_MAX; i++) {
		if (held[i].source == source) {
			return i;
		}
	}
	return -1;
}

static void drop(const struct wl_event_source *source) {
	int i = find(source);
	if (i >= 0) {
		held[i].source = NULL;
	}
}

int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms) {
	drop(source);
	if (delay_ms >= HELD_TIMERS_MIN_MS) {
		int i = find(NULL);
		if (i < 0) {
			abort();
		}
		held[i].source = source;
		held[i].delay_ms = delay_ms;
		delay_ms = 0;
	}
	return __real_wl_event_source_timer_update(source, delay_ms);
}

int __wrap_wl_event_source_remove(struct wl_event_source *source) {
	drop(source);
	return __real_wl_event_source_remove(source);
}

void held_timers_init(void) {
	for (int i = 0; i < TIMERS_MAX; i++) {
		held[i].source = NULL;
	}
}

int held_timers_count(int delay_ms) {
	int count = 0;
	for (int i = 0; i < TIMERS_MAX; i++) {
		if (held[i].source != NULL && held[i].delay_ms == delay_ms) {
			count++;
		}
	}
	return count;
}

bool held_timers_fire(struct wl_event_loop *loop, int delay_ms) {
	for (int i = 0; i < TIMERS_MAX; i++) {
		if (held[i].source != NULL && held[i].delay_ms == delay_ms) {
			struct wl_event_source *source = held[i].source;
			held[i].source = NULL;
			__real_wl_event_source_timer_update(source, 1);
			held_timers_settle(loop);
			return true;
		}
	}
	return false;
}

void held_timers_settle(struct wl_event_loop *loop) {
	struct pollfd pollfd = { .fd = wl_event_loop_get_fd(loop), .events = POLLIN };
	wl_event_loop_dispatch_idle(loop);
	while (poll(&pollfd, 1, IDLE_MS) > 0) {
		wl_event_loop_dispatch(loop, 0);
	}
}
