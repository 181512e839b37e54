#include "guest/source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "guest/buffer.h"
#include "guest/clock.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "guest/source_impl.h"

static const struct oriel_source_driver *const drivers[] = {
#if ORIEL_HAVE_VFIO
	&oriel_vfio_driver,
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
		const char *driver, const char *where) {
	const struct oriel_source_driver *found = driver_find(driver);
	if (found == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no driver '%s' in this build", name, driver);
		return NULL;
	}
	return found->create(loop, name, where);
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
	if (source->state != ORIEL_SOURCE_STATE_LOST) {
		source->ops->poll(source);
	}
}

static void source_handle_release_done(struct oriel_release *release, void *data) {
	struct oriel_source *source = data;
	source->counters.released++;
	if (source->ops->release != NULL) {
		source->ops->release(source, release->buffer);
	}
}

bool oriel_source_submit(struct oriel_source *source, struct oriel_guest_buffer *buffer) {
	if (source->consumer == NULL || !source->consumer->wants(source->consumer_data, buffer)) {
		return false;
	}

	struct oriel_release *release =
			oriel_release_create(buffer, source_handle_release_done, source);
	if (release == NULL) {
		wlr_log(WLR_ERROR, "guest %s: a frame is lost: out of memory", source->name);
		return false;
	}
	struct oriel_guest_frame *frame = oriel_guest_frame_create(
			oriel_release_ref(release), source->serial + 1, oriel_clock_now_ns());
	if (frame == NULL) {
		/* Nobody has seen the frame, so that there is no promise to keep. */
		oriel_release_orphan(release);
		oriel_release_unref(release);
		wlr_log(WLR_ERROR, "guest %s: a frame is lost: out of memory", source->name);
		return false;
	}
	oriel_release_unref(release);
	wl_list_insert(&source->releases, &release->link);
	source->counters.taken++;
	source->serial++;
	source->consumer->frame(source->consumer_data, frame);
	return true;
}

void oriel_source_set_state(struct oriel_source *source, enum oriel_source_state state) {
	assert(source->state != ORIEL_SOURCE_STATE_LOST);
	if (source->state == state) {
		return;
	}
	source->state = state;
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
