#ifndef TESTS_SUPPORT_SCREEN_WATCH_H
#define TESTS_SUPPORT_SCREEN_WATCH_H

#include <stdint.h>
#include <wayland-server-core.h>

struct screenshot;
struct wlr_output;

/* Looks at every frame that an output composes, none left out. */
struct screen_watch {
	struct wlr_output *output;
	void (*check)(const struct screenshot *frame, void *data);
	void *data;
	unsigned frames; /* that were looked at */
	uint64_t frame_ns; /* when the last one was committed (CLOCK_MONOTONIC) */
	struct wl_listener commit, destroy;
};

/* check is called for each frame from now on; the frame is gone when it returns. */
void screen_watch_begin(struct screen_watch *watch, struct wlr_output *output,
		void (*check)(const struct screenshot *frame, void *data), void *data);
/* Fine after the output's end too. */
void screen_watch_end(struct screen_watch *watch);

#endif
