#include "guest/damage.h"

#include <errno.h>
#include <xxhash.h>

#include "guest/clock.h"
#include "guest/validate.h"

/* Looks may take one part in so many of a core. */
#define DAMAGE_COST_PARTS 10

/* Of pictures of new attributes, so many rows are read first. */
#define DAMAGE_TRIAL_ROWS 16
/* If a whole picture would take longer than this, it is not read. */
#define DAMAGE_LOOK_MAX_NS UINT64_C(50000000)

void oriel_damage_init(struct oriel_damage *damage) {
	*damage = (struct oriel_damage){ 0 };
	oriel_tile_hash_init(&damage->hash);
	pixman_region32_init(&damage->region);
}

void oriel_damage_finish(struct oriel_damage *damage) {
	oriel_damage_forget(damage);
	oriel_tile_hash_finish(&damage->hash);
	pixman_region32_fini(&damage->region);
	oriel_damage_init(damage);
}

void oriel_damage_forget(struct oriel_damage *damage) {
	oriel_tile_hash_forget(&damage->hash);
	if (damage->buffer != NULL) {
		oriel_guest_buffer_unlock(damage->buffer);
		damage->buffer = NULL;
	}
}

/* The hashes so far are not this buffer's, and it may be another one in the same place of memory. */
static void damage_begin_buffer(struct oriel_damage *damage, struct oriel_guest_buffer *buffer) {
	oriel_damage_forget(damage);
	damage->buffer = oriel_guest_buffer_lock(buffer);
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(buffer);
	if (!oriel_guest_buffer_attributes_equal(attributes, &damage->attributes)) {
		damage->attributes = *attributes;
		damage->hashed_ns = 0;
		damage->dear_looks = 0;
		damage->is_dear = false;
	}
}

static void damage_give_up(struct oriel_damage *damage) {
	damage->is_dear = true;
	oriel_tile_hash_finish(&damage->hash);
}

static size_t damage_get_row_bytes(const struct oriel_damage *damage) {
	return (size_t)damage->attributes.width *
			oriel_validate_get_pixel_bytes(damage->attributes.format);
}

/* True if the time that the first rows take lets expect that the whole picture can be read. */
static bool damage_try_rows(struct oriel_damage *damage, const void *data) {
	uint64_t rows = (uint64_t)damage->attributes.height;
	uint64_t trial_rows = rows < DAMAGE_TRIAL_ROWS ? rows : DAMAGE_TRIAL_ROWS;
	uint64_t start_ns = oriel_clock_thread_cpu_ns();
	XXH64_hash_t hash = 0;
	for (uint64_t y = 0; y < trial_rows; y++) {
		const uint8_t *row = (const uint8_t *)data + y * damage->attributes.stride_bytes;
		hash ^= XXH3_64bits(row, damage_get_row_bytes(damage));
	}
	/* It is the reading that counts, so that it must not be left out. */
	volatile XXH64_hash_t sink = hash;
	(void)sink;
	uint64_t cost_ns = oriel_clock_thread_cpu_ns() - start_ns;
	return cost_ns * rows / trial_rows <= DAMAGE_LOOK_MAX_NS;
}

static void damage_count_cost(struct oriel_damage *damage, uint64_t now_ns, uint64_t cost_ns) {
	bool dear = cost_ns * DAMAGE_COST_PARTS > now_ns - damage->hashed_ns;
	damage->hashed_ns = now_ns;
	damage->dear_looks = dear ? damage->dear_looks + 1 : 0;
	if (damage->dear_looks == ORIEL_DAMAGE_DEAR_LOOKS) {
		damage_give_up(damage);
	}
}

bool oriel_damage_look(struct oriel_damage *damage, struct oriel_guest_buffer *buffer,
		uint64_t now_ns, const pixman_region32_t **ret_region) {
	bool changed = true;
	*ret_region = NULL;
	if (buffer != damage->buffer) {
		damage_begin_buffer(damage, buffer);
	}
	const void *data;
	if (damage->is_dear || oriel_guest_buffer_begin_look(buffer, &data) != 0) {
		/* What a writer leaves is not known before it is done; nor is, ever, what cannot be
		 * read. */
		oriel_tile_hash_forget(&damage->hash);
		return true;
	}
	bool is_first = damage->hash.width == 0;
	if (damage->hashed_ns == 0 && !damage_try_rows(damage, data)) {
		damage_give_up(damage);
		goto out;
	}

	uint64_t start_ns = oriel_clock_thread_cpu_ns();
	changed = oriel_tile_hash_update(&damage->hash, data, damage->attributes.stride_bytes,
			damage->attributes.width, damage->attributes.height,
			oriel_validate_get_pixel_bytes(damage->attributes.format), &damage->region);
	if (!is_first) {
		*ret_region = &damage->region;
	}
	damage_count_cost(damage, now_ns, oriel_clock_thread_cpu_ns() - start_ns);

out:
	oriel_guest_buffer_end_look(buffer);
	return changed;
}
