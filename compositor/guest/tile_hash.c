#include "guest/tile_hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "guest/validate.h"

/*
 * The picture is read once, in the order in which it lies in memory: row by row, every tile's part
 * of the row hashed by itself and folded into that tile's hash. Read tile by tile instead, as
 * pieces that are a row apart, it takes three times as long. The pieces, 256 bytes with 64 pixels of
 * 4 bytes, are the smallest that XXH3 takes its wide path for. Figures: tests/bench/tile_hash.c.
 *
 * The boxes of change are made in the same order. Tiles that touch in a row of tiles become one
 * box, and a row of tiles with the same boxes as the one above prolongs those: that is the form in
 * which a pixman region keeps them, so that it has as many rectangles as there are boxes.
 */

struct tile_hash_damage {
	/* The row of tiles being looked at may need as many again until it is merged. */
	pixman_box32_t boxes[2 * ORIEL_TILE_HASH_RECTS_MAX];
	size_t count;
	size_t above, above_count; /* the boxes of the row of tiles above */
	bool too_many; /* what holds them all counts; boxes are no longer kept */
	pixman_box32_t extents;
};

void oriel_tile_hash_init(struct oriel_tile_hash *hash) {
	*hash = (struct oriel_tile_hash){ 0 };
}

void oriel_tile_hash_finish(struct oriel_tile_hash *hash) {
	free(hash->tiles);
	oriel_tile_hash_init(hash);
}

void oriel_tile_hash_forget(struct oriel_tile_hash *hash) {
	hash->width = 0;
	hash->height = 0;
}

/* Room for count tiles. What was in them is lost when more are needed. */
static bool tile_hash_reserve(struct oriel_tile_hash *hash, size_t count) {
	if (count <= hash->capacity) {
		return true;
	}
	uint64_t *tiles = calloc(count, sizeof(*tiles));
	if (tiles == NULL) {
		return false;
	}
	free(hash->tiles);
	hash->tiles = tiles;
	hash->capacity = count;
	return true;
}

/* Different for a different hash, and for a different next one; the order of the two counts. */
static uint64_t tile_hash_fold(uint64_t hash, uint64_t next) {
	hash = (hash ^ next) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* The hashes of one row of tiles, which begins at data and has that many rows of pixels. */
static void tile_hash_compute(uint64_t *tiles, size_t columns, const uint8_t *data,
		size_t stride_bytes, size_t row_bytes, int rows, size_t tile_bytes) {
	memset(tiles, 0, columns * sizeof(*tiles));
	for (int y = 0; y < rows; y++) {
		const uint8_t *row = data + (size_t)y * stride_bytes;
		for (size_t i = 0; i < columns; i++) {
			size_t begin = i * tile_bytes;
			size_t size = i < columns - 1 ? tile_bytes : row_bytes - begin;
			tiles[i] = tile_hash_fold(tiles[i], XXH3_64bits(row + begin, size));
		}
	}
}

static int min(int a, int b) {
	return a < b ? a : b;
}

static int max(int a, int b) {
	return a > b ? a : b;
}

static void tile_hash_damage_add(struct tile_hash_damage *damage, const pixman_box32_t *box) {
	pixman_box32_t *extents = &damage->extents;
	if (extents->x1 == extents->x2) {
		*extents = *box;
	} else {
		extents->x1 = min(extents->x1, box->x1);
		extents->x2 = max(extents->x2, box->x2);
		extents->y2 = box->y2;
	}
	if (damage->count == 2 * ORIEL_TILE_HASH_RECTS_MAX) {
		damage->too_many = true;
	}
	if (!damage->too_many) {
		damage->boxes[damage->count++] = *box;
	}
}

/* Ends a row of tiles, whose boxes are those from row on. */
static void tile_hash_damage_end_row(struct tile_hash_damage *damage, size_t row) {
	size_t row_count = damage->count - row;
	if (row_count == 0) {
		damage->above_count = 0;
		return;
	}
	const pixman_box32_t *boxes = &damage->boxes[row];
	pixman_box32_t *above = &damage->boxes[damage->above];
	bool same = row_count == damage->above_count;
	for (size_t i = 0; same && i < row_count; i++) {
		same = above[i].x1 == boxes[i].x1 && above[i].x2 == boxes[i].x2;
	}
	if (same) {
		for (size_t i = 0; i < row_count; i++) {
			above[i].y2 = boxes[i].y2;
		}
		damage->count = row;
	} else {
		damage->above = row;
		damage->above_count = row_count;
		damage->too_many = damage->count > ORIEL_TILE_HASH_RECTS_MAX;
	}
}

static void tile_hash_damage_get_region(
		const struct tile_hash_damage *damage, pixman_region32_t *region) {
	pixman_region32_fini(region);
	/* Without memory for the boxes, what holds them all will do: that needs none. */
	if (damage->too_many ||
			!pixman_region32_init_rects(region, damage->boxes, (int)damage->count)) {
		pixman_region32_init_with_extents(region, &damage->extents);
	}
}

/* Compares one row of tiles, of the rows of pixels from y1 to y2. */
static void tile_hash_compare(const uint64_t *tiles, const uint64_t *fresh, size_t columns,
		int width, int y1, int y2, struct tile_hash_damage *damage) {
	size_t row = damage->count;
	for (size_t i = 0; i < columns; i++) {
		if (tiles[i] == fresh[i]) {
			continue;
		}
		size_t begin = i;
		while (i + 1 < columns && tiles[i + 1] != fresh[i + 1]) {
			i++;
		}
		pixman_box32_t box = {
			.x1 = (int)begin * ORIEL_TILE_HASH_SIZE,
			.y1 = y1,
			.x2 = min((int)(i + 1) * ORIEL_TILE_HASH_SIZE, width),
			.y2 = y2,
		};
		tile_hash_damage_add(damage, &box);
	}
	tile_hash_damage_end_row(damage, row);
}

bool oriel_tile_hash_update(struct oriel_tile_hash *hash, const void *data, size_t stride_bytes,
		int width, int height, size_t pixel_bytes, pixman_region32_t *damage) {
	assert(width >= 1 && width <= ORIEL_VALIDATE_SIZE_MAX);
	assert(height >= 1 && height <= ORIEL_VALIDATE_SIZE_MAX);
	size_t row_bytes = (size_t)width * pixel_bytes;
	assert(pixel_bytes >= 1 && stride_bytes >= row_bytes);

	size_t columns = ((size_t)width - 1) / ORIEL_TILE_HASH_SIZE + 1;
	size_t rows = ((size_t)height - 1) / ORIEL_TILE_HASH_SIZE + 1;
	bool all = hash->width != width || hash->height != height;
	struct tile_hash_damage changes = { 0 };
	if (all) {
		changes.extents = (pixman_box32_t){ .x2 = width, .y2 = height };
		changes.too_many = true;
		if (!tile_hash_reserve(hash, columns * (rows + 1))) {
			oriel_tile_hash_forget(hash);
			tile_hash_damage_get_region(&changes, damage);
			return true;
		}
	}
	hash->width = width;
	hash->height = height;

	uint64_t *fresh = &hash->tiles[columns * rows];
	for (size_t row = 0; row < rows; row++) {
		int y1 = (int)row * ORIEL_TILE_HASH_SIZE;
		int y2 = min(y1 + ORIEL_TILE_HASH_SIZE, height);
		tile_hash_compute(fresh, columns, (const uint8_t *)data + (size_t)y1 * stride_bytes,
				stride_bytes, row_bytes, y2 - y1, ORIEL_TILE_HASH_SIZE * pixel_bytes);
		uint64_t *tiles = &hash->tiles[columns * row];
		if (!all) {
			tile_hash_compare(tiles, fresh, columns, width, y1, y2, &changes);
		}
		memcpy(tiles, fresh, columns * sizeof(*tiles));
	}
	tile_hash_damage_get_region(&changes, damage);
	return changes.extents.x1 != changes.extents.x2;
}
