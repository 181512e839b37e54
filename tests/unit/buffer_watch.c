#include "buffer_watch.h"

#include <wlr/types/wlr_buffer.h>

#include "guest/buffer.h"

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct buffer_watch *watch = wl_container_of(listener, watch, destroy);
	watch->destroyed = true;
	buffer_watch_finish(watch);
}

void buffer_watch_init(struct buffer_watch *watch, struct oriel_guest_buffer *buffer) {
	*watch = (struct buffer_watch){
		.buffer = buffer,
		.destroy.notify = handle_destroy,
	};
	wl_signal_add(&oriel_guest_buffer_get_wlr_buffer(buffer)->events.destroy, &watch->destroy);
}

void buffer_watch_finish(struct buffer_watch *watch) {
	wl_list_remove(&watch->destroy.link);
	wl_list_init(&watch->destroy.link);
}

unsigned int buffer_watch_get_locks(const struct buffer_watch *watch) {
	if (watch->destroyed) {
		return 0;
	}
	return (unsigned int)oriel_guest_buffer_get_wlr_buffer(watch->buffer)->n_locks;
}
