#include "guest/buffer_cache.h"

#include <assert.h>
#include <stdlib.h>

struct buffer_cache_entry {
	struct wl_list link; /* oriel_buffer_cache.entries */
	uint64_t id;
	struct oriel_guest_buffer *buffer; /* the creator's reference */
	uint64_t size_bytes; /* ORIEL_BUFFER_CACHE_BYTES_MAX at most, so that sums do not overflow */
};

void oriel_buffer_cache_init(struct oriel_buffer_cache *cache) {
	wl_list_init(&cache->entries);
	cache->count = 0;
	cache->size_bytes = 0;
}

static void buffer_cache_entry_destroy(
		struct oriel_buffer_cache *cache, struct buffer_cache_entry *entry) {
	wl_list_remove(&entry->link);
	cache->count--;
	cache->size_bytes -= entry->size_bytes;
	oriel_guest_buffer_drop(entry->buffer);
	free(entry);
}

void oriel_buffer_cache_clear(struct oriel_buffer_cache *cache) {
	struct buffer_cache_entry *entry, *tmp;
	wl_list_for_each_safe(entry, tmp, &cache->entries, link) {
		buffer_cache_entry_destroy(cache, entry);
	}
}

void oriel_buffer_cache_finish(struct oriel_buffer_cache *cache) {
	oriel_buffer_cache_clear(cache);
}

static struct buffer_cache_entry *buffer_cache_find(struct oriel_buffer_cache *cache, uint64_t id) {
	struct buffer_cache_entry *entry;
	wl_list_for_each(entry, &cache->entries, link) {
		if (entry->id == id) {
			return entry;
		}
	}
	return NULL;
}

struct oriel_guest_buffer *oriel_buffer_cache_get(struct oriel_buffer_cache *cache, uint64_t id,
		const struct oriel_guest_buffer_attributes *attributes) {
	struct buffer_cache_entry *entry = buffer_cache_find(cache, id);
	if (entry == NULL) {
		return NULL;
	}
	if (!oriel_guest_buffer_attributes_equal(
			    oriel_guest_buffer_get_attributes(entry->buffer), attributes)) {
		buffer_cache_entry_destroy(cache, entry);
		return NULL;
	}
	wl_list_remove(&entry->link);
	wl_list_insert(&cache->entries, &entry->link);
	return entry->buffer;
}

bool oriel_buffer_cache_put(struct oriel_buffer_cache *cache, uint64_t id,
		struct oriel_guest_buffer *take_buffer, uint64_t size_bytes) {
	assert(buffer_cache_find(cache, id) == NULL);
	struct buffer_cache_entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		oriel_guest_buffer_drop(take_buffer);
		return false;
	}
	entry->id = id;
	entry->buffer = take_buffer;
	entry->size_bytes = size_bytes < ORIEL_BUFFER_CACHE_BYTES_MAX ? size_bytes
								      : ORIEL_BUFFER_CACHE_BYTES_MAX;
	wl_list_insert(&cache->entries, &entry->link);
	cache->count++;
	cache->size_bytes += entry->size_bytes;
	while (cache->count > ORIEL_BUFFER_CACHE_MAX ||
			(cache->size_bytes > ORIEL_BUFFER_CACHE_BYTES_MAX && cache->count > 1)) {
		struct buffer_cache_entry *oldest =
				wl_container_of(cache->entries.prev, oldest, link);
		buffer_cache_entry_destroy(cache, oldest);
	}
	return true;
}
