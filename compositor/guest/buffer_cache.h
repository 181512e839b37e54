#ifndef ORIEL_GUEST_BUFFER_CACHE_H
#define ORIEL_GUEST_BUFFER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wayland-util.h>

#include "guest/buffer.h"

/*
 * A driver's buffers by the number the guest's device knows them by. An id that comes back finds
 * its buffer again, and with it everything that was imported from it.
 *
 * The cache is bounded by count and by the memory that its buffers keep the device from giving to
 * others. The least recently used goes first; the one that was put in last always fits. A buffer
 * that is still being read lives on until its release.
 */
#define ORIEL_BUFFER_CACHE_MAX 16
/* Eight of the largest pictures that are common, of 3840x2160 pixels. */
#define ORIEL_BUFFER_CACHE_BYTES_MAX (UINT64_C(256) << 20)

struct oriel_buffer_cache {
	struct wl_list entries; /* buffer_cache_entry.link, most recently used first */
	size_t count;
	uint64_t size_bytes; /* of all buffers */
};

void oriel_buffer_cache_init(struct oriel_buffer_cache *cache);
void oriel_buffer_cache_finish(struct oriel_buffer_cache *cache);

/*
 * The buffer of that id, borrowed, or NULL. A buffer whose attributes are not those given is
 * another one under an old number: it is dropped, and NULL returned.
 */
struct oriel_guest_buffer *oriel_buffer_cache_get(struct oriel_buffer_cache *cache, uint64_t id,
		const struct oriel_guest_buffer_attributes *attributes);

/*
 * Takes over the creator's reference, in every case; false if memory ran out. There must be no
 * buffer of that id. size_bytes is what the buffer's memory has.
 */
bool oriel_buffer_cache_put(struct oriel_buffer_cache *cache, uint64_t id,
		struct oriel_guest_buffer *take_buffer, uint64_t size_bytes);

/* Drops all buffers. */
void oriel_buffer_cache_clear(struct oriel_buffer_cache *cache);

#endif
