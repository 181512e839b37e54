#include "guest/frame.h"

#include <stdlib.h>

#include "guest/buffer.h"
#include "guest/release.h"

struct oriel_guest_frame *oriel_guest_frame_create(
		struct oriel_release *take_release, uint64_t serial, uint64_t taken_ns) {
	struct oriel_guest_frame *frame = calloc(1, sizeof(*frame));
	if (frame == NULL) {
		oriel_release_unref(take_release);
		return NULL;
	}
	frame->release = take_release;
	frame->serial = serial;
	frame->taken_ns = taken_ns;
	pixman_region32_init(&frame->damage);
	return frame;
}

void oriel_guest_frame_destroy(struct oriel_guest_frame *frame) {
	if (frame == NULL) {
		return;
	}
	oriel_release_unref(frame->release);
	pixman_region32_fini(&frame->damage);
	free(frame);
}

void oriel_guest_frame_set_damage(struct oriel_guest_frame *frame, const pixman_region32_t *damage) {
	frame->damage_known = pixman_region32_copy(&frame->damage, damage);
}

void oriel_guest_frame_get_size(
		const struct oriel_guest_frame *frame, int *ret_width, int *ret_height) {
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(frame->release->buffer);
	bool is_whole = frame->crop.width == 0;
	*ret_width = is_whole ? attributes->width : frame->crop.width;
	*ret_height = is_whole ? attributes->height : frame->crop.height;
}

struct oriel_guest_buffer *oriel_guest_frame_get_buffer(const struct oriel_guest_frame *frame) {
	return frame->release->buffer;
}
