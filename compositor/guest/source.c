#include "guest/source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/buffer.h"
#include "guest/clock.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "guest/source_impl.h"

static const struct oriel_source_driver *const drivers[] = {
#if ORIEL_HAVE_VFIO
	&oriel_vfio_driver,
#endif
#if ORIEL_HAVE_QEMU
	&oriel_qemu_driver,
#endif
	&oriel_synthetic_driver,
};

static const struct oriel_source_driver *driver_find(const char *name) {
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(drivers[i]->name, name) == 0) {
			return drivers[i];
		}
	}
	return NULL;
}

bool oriel_source_driver_exists(const char *name) {
	return driver_find(name) != NULL;
}

struct oriel_source *oriel_source_create(struct wl_event_loop *loop, const char *name,
		const char *driver, const char *where, const struct oriel_source_options *options) {
	static const struct oriel_source_options defaults;
	const struct oriel_source_driver *found = driver_find(driver);
	if (found == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no driver '%s' in this build", name, driver);
		return NULL;
	}
	return found->create(loop, name, where, options != NULL ? options : &defaults);
}

bool oriel_source_init(
		struct oriel_source *source, const struct oriel_source_ops *ops, const char *name) {
	*source = (struct oriel_source){
		.ops = ops,
		.name = strdup(name),
		.state = ORIEL_SOURCE_STATE_WAITING,
	};
	wl_list_init(&source->releases);
	return source->name != NULL;
}

void oriel_source_finish(struct oriel_source *source) {
	struct oriel_release *release, *tmp;
	wl_list_for_each_safe(release, tmp, &source->releases, link) {
		oriel_release_orphan(release);
	}
	free(source->name);
}

void oriel_source_destroy(struct oriel_source *source) {
	if (source != NULL) {
		source->ops->destroy(source);
	}
}

void oriel_source_set_consumer(struct oriel_source *source,
		const struct oriel_source_consumer *consumer, void *consumer_data) {
	source->consumer = consumer;
	source->consumer_data = consumer_data;
}

void oriel_source_poll(struct oriel_source *source) {
	source->counters.polls++;
	source->pacing.polled_ns = oriel_clock_now_ns();
	source->is_pending = false;
	source->is_polling = true;
	source->ops->poll(source);
	source->is_polling = false;
}

uint64_t oriel_source_get_next_poll_ns(const struct oriel_source *source, uint64_t period_ns) {
	if (source->tells) {
		return source->is_pending ? source->pacing.polled_ns + period_ns
					  : ORIEL_SOURCE_POLL_NEVER;
	}
	return oriel_pacing_get_next_ns(&source->pacing, source->state, period_ns);
}

void oriel_source_set_telling(struct oriel_source *source) {
	source->tells = true;
}

void oriel_source_tell(struct oriel_source *source) {
	bool is_news = !source->is_pending;
	source->is_pending = true;
	/* Whoever polls asks afterwards when to poll again. */
	if (is_news && !source->is_polling && source->consumer != NULL &&
			source->consumer->pending != NULL) {
		source->consumer->pending(source->consumer_data);
	}
}

void oriel_source_wake(struct oriel_source *source) {
	source->pacing.changed_ns = oriel_clock_now_ns();
}

void oriel_source_set_monitor(struct oriel_source *source, const struct oriel_guest_monitor *monitor) {
	if (source->ops->set_monitor != NULL) {
		source->ops->set_monitor(source, monitor);
	}
}

bool oriel_source_adopt(
		struct oriel_source *source, enum oriel_source_handover handover, int take_fd) {
	if (source->ops->adopt == NULL) {
		wlr_log(WLR_ERROR, "guest %s: is of a kind that is not handed over", source->name);
		sb_fd_clear(&take_fd);
		return false;
	}
	return source->ops->adopt(source, handover, take_fd);
}

void oriel_source_end(struct oriel_source *source) {
	if (source->ops->end != NULL) {
		source->ops->end(source);
	}
}

static void source_handle_release_done(struct oriel_release *release, void *data) {
	struct oriel_source *source = data;
	source->counters.released++;
	for (size_t plane = 0; plane < ORIEL_GUEST_PLANE_COUNT; plane++) {
		if (source->newest[plane] == release) {
			source->newest[plane] = NULL;
		}
	}
	if (source->ops->release != NULL) {
		source->ops->release(source, release->buffer);
	}
}

static void source_handle_release_seen(struct oriel_release *release, void *data) {
	struct oriel_source *source = data;
	for (size_t plane = 0; plane < ORIEL_GUEST_PLANE_COUNT; plane++) {
		if (source->newest[plane] == release) {
			source->ops->seen(source, (enum oriel_guest_plane)plane);
		}
	}
}

bool oriel_source_wants(const struct oriel_source *source, enum oriel_guest_plane plane,
		const struct oriel_guest_buffer *buffer) {
	return source->consumer != NULL &&
			source->consumer->wants(source->consumer_data, plane, buffer);
}

bool oriel_source_is_held(const struct oriel_source *source, enum oriel_guest_plane plane) {
	return source->newest[plane] != NULL;
}

bool oriel_source_submit(struct oriel_source *source, const struct oriel_source_picture *picture) {
	if (!oriel_source_wants(source, picture->plane, picture->buffer)) {
		return false;
	}

	struct oriel_release *release =
			oriel_release_create(picture->buffer, source_handle_release_done, source);
	if (release == NULL) {
		wlr_log(WLR_ERROR, "guest %s: a frame is lost: out of memory", source->name);
		return false;
	}
	struct oriel_guest_frame *frame = oriel_guest_frame_create(oriel_release_ref(release),
			source->serials[picture->plane] + 1, oriel_clock_now_ns());
	if (frame == NULL) {
		/* Nobody has seen the frame, so that there is no promise to keep. */
		oriel_release_orphan(release);
		oriel_release_unref(release);
		wlr_log(WLR_ERROR, "guest %s: a frame is lost: out of memory", source->name);
		return false;
	}
	oriel_release_unref(release);
	if (source->ops->seen != NULL) {
		oriel_release_watch(release, source_handle_release_seen);
	}
	frame->plane = picture->plane;
	frame->cursor = picture->cursor;
	frame->crop = picture->crop;
	frame->is_flipped = picture->is_flipped;
	if (picture->damage != NULL) {
		oriel_guest_frame_set_damage(frame, picture->damage);
	}
	wl_list_insert(&source->releases, &release->link);
	source->newest[picture->plane] = release;
	source->counters.taken++;
	source->serials[picture->plane]++;
	source->pacing.changed_ns = frame->taken_ns;
	source->consumer->frame(source->consumer_data, frame);
	return true;
}

void oriel_source_set_cursor(struct oriel_source *source, const struct oriel_guest_cursor *cursor) {
	oriel_source_wake(source);
	if (source->consumer != NULL && source->consumer->cursor != NULL) {
		source->consumer->cursor(source->consumer_data, cursor);
	}
}

void oriel_source_set_state(struct oriel_source *source, enum oriel_source_state state) {
	if (source->state == state) {
		return;
	}
	/* What was lost is back first, and shows a picture then. */
	assert(source->state != ORIEL_SOURCE_STATE_LOST || state == ORIEL_SOURCE_STATE_RESTARTED);
	source->state = state;
	oriel_source_wake(source);
	if (source->consumer != NULL) {
		source->consumer->state(source->consumer_data, state);
	}
}

const char *oriel_source_get_name(const struct oriel_source *source) {
	return source->name;
}

enum oriel_source_state oriel_source_get_state(const struct oriel_source *source) {
	return source->state;
}

struct oriel_source_counters oriel_source_get_counters(const struct oriel_source *source) {
	return source->counters;
}
