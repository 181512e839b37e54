#include "guest/damage.h"

#include <errno.h>
#include <xxhash.h>

#include "guest/clock.h"
#include "guest/validate.h"

/* Looks may take one part in so many of a core: they are so many times what the last one took apart. */
#define DAMAGE_COST_PARTS 10

/* Of pictures of new attributes, so many rows are read first. */
#define DAMAGE_TRIAL_ROWS 16
/* Trials that fail may take one part in so many of a core. */
#define DAMAGE_TRIAL_PARTS 100
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
	damage->is_still = false;
	damage->is_ahead = false;
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
		damage->dear_ns = 0;
	}
}

static void damage_give_up(struct oriel_damage *damage, uint64_t now_ns) {
	damage->dear_ns = now_ns;
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
	damage->trial_cost_ns = oriel_clock_thread_cpu_ns() - start_ns;
	return damage->trial_cost_ns * rows / trial_rows <= DAMAGE_LOOK_MAX_NS;
}

/* True if what was found too dear is not to be tried again yet. */
static bool damage_is_given_up(const struct oriel_damage *damage, uint64_t now_ns) {
	return damage->dear_ns != 0 &&
			now_ns - damage->dear_ns < damage->trial_cost_ns * DAMAGE_TRIAL_PARTS;
}

/* True if so much time has passed since the last look at pixels that another one may be had. */
static bool damage_can_afford(const struct oriel_damage *damage, uint64_t now_ns) {
	return damage->hashed_ns == 0 ||
			now_ns - damage->hashed_ns >= damage->cost_ns * DAMAGE_COST_PARTS;
}

static bool damage_hash(struct oriel_damage *damage, const void *data, uint64_t now_ns,
		const pixman_region32_t **ret_region) {
	bool is_first = damage->hash.width == 0;
	uint64_t start_ns = oriel_clock_thread_cpu_ns();
	bool changed = oriel_tile_hash_update(&damage->hash, data, damage->attributes.stride_bytes,
			damage->attributes.width, damage->attributes.height,
			oriel_validate_get_pixel_bytes(damage->attributes.format), &damage->region);
	damage->cost_ns = oriel_clock_thread_cpu_ns() - start_ns;
	damage->hashed_ns = now_ns;
	damage->dear_ns = 0;
	damage->is_still = !changed;
	/* What the last hash was of is not what is on screen if frames have come since. */
	bool knows_screen = !is_first && !damage->is_ahead;
	damage->is_ahead = false;
	if (knows_screen) {
		*ret_region = &damage->region;
	}
	return changed || !knows_screen;
}

bool oriel_damage_look(struct oriel_damage *damage, struct oriel_guest_buffer *buffer,
		uint64_t now_ns, const pixman_region32_t **ret_region) {
	*ret_region = NULL;
	if (buffer != damage->buffer) {
		damage_begin_buffer(damage, buffer);
	}
	const void *data;
	if (damage_is_given_up(damage, now_ns) || oriel_guest_buffer_begin_look(buffer, &data) != 0) {
		/* What a writer leaves is not known before it is done; nor is, ever, what cannot be
		 * read. */
		oriel_tile_hash_forget(&damage->hash);
		damage->is_still = false;
		return true;
	}
	bool changed = true;
	if (damage->hashed_ns == 0 && !damage_try_rows(damage, data)) {
		damage_give_up(damage, now_ns);
	} else if (damage_can_afford(damage, now_ns)) {
		changed = damage_hash(damage, data, now_ns, ret_region);
	} else {
		changed = !damage->is_still;
		damage->is_ahead = damage->is_ahead || changed;
	}
	oriel_guest_buffer_end_look(buffer);
	return changed;
}
