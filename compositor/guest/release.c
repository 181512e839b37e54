#include "guest/release.h"

#include <assert.h>
#include <stdlib.h>

#include "guest/buffer.h"

struct oriel_release *oriel_release_create(struct oriel_guest_buffer *buffer,
		void (*done)(struct oriel_release *release, void *data), void *data) {
	struct oriel_release *release = calloc(1, sizeof(*release));
	if (release == NULL) {
		return NULL;
	}
	release->buffer = oriel_guest_buffer_lock(buffer);
	release->done = done;
	release->data = data;
	release->refs = 1;
	wl_list_init(&release->link);
	return release;
}

struct oriel_release *oriel_release_ref(struct oriel_release *release) {
	assert(release->refs > 0);
	release->refs++;
	return release;
}

void oriel_release_unref(struct oriel_release *release) {
	if (release == NULL) {
		return;
	}
	assert(release->refs > 0);
	if (--release->refs > 0) {
		return;
	}
	wl_list_remove(&release->link);
	if (release->done != NULL) {
		release->done(release, release->data);
	}
	oriel_guest_buffer_unlock(release->buffer);
	free(release);
}

void oriel_release_watch(struct oriel_release *release,
		void (*seen)(struct oriel_release *release, void *data)) {
	assert(release->reads == 0);
	release->seen = seen;
}

bool oriel_release_is_watched(const struct oriel_release *release) {
	return release->seen != NULL;
}

void oriel_release_begin_read(struct oriel_release *release) {
	release->reads++;
}

void oriel_release_end_read(struct oriel_release *release) {
	assert(release->reads > 0);
	if (--release->reads == 0 && release->seen != NULL) {
		release->seen(release, release->data);
	}
}

void oriel_release_orphan(struct oriel_release *release) {
	release->done = NULL;
	release->seen = NULL;
	wl_list_remove(&release->link);
	wl_list_init(&release->link);
}
