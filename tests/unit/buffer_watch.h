#ifndef TESTS_UNIT_BUFFER_WATCH_H
#define TESTS_UNIT_BUFFER_WATCH_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct oriel_guest_buffer;

/* Tells whether a buffer is still there, which lives until it is dropped and unlocked. */
struct buffer_watch {
	struct oriel_guest_buffer *buffer; /* not to be used once destroyed */
	bool destroyed;
	struct wl_listener destroy;
};

void buffer_watch_init(struct buffer_watch *watch, struct oriel_guest_buffer *buffer);
/* Stops watching. Fine after the buffer's end. */
void buffer_watch_finish(struct buffer_watch *watch);

/* Whoever has locked the buffer; 0 once it is gone. */
unsigned int buffer_watch_get_locks(const struct buffer_watch *watch);

#endif
