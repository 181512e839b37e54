#ifndef ORIEL_GUEST_TILE_HASH_H
#define ORIEL_GUEST_TILE_HASH_H

#include <pixman.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Finds what has changed in a picture, for guests whose devices do not say: the picture is cut into
 * tiles, and of each tile a hash of 64 bits is kept.
 *
 * Two contents of a tile have the same hash by chance once in 2^64 changes: at 500 tiles 60 times a
 * second once in 20 million years. A guest that is out for it can find such contents, and then sees
 * a tile of its own picture stay as it was until something else changes there.
 *
 * The picture may change while it is read. What the hash has missed then differs from it at the
 * next update.
 */

#define ORIEL_TILE_HASH_SIZE 64 /* pixels, each way; tiles at the right and lower edge have less */
/* More rectangles of change than these become the one that holds them all. */
#define ORIEL_TILE_HASH_RECTS_MAX 32

struct oriel_tile_hash {
	uint64_t *tiles; /* row by row, and one more row to work in; may be NULL */
	size_t capacity; /* of tiles */
	int width, height; /* of the picture that the hashes are of; 0 if there is none */
};

void oriel_tile_hash_init(struct oriel_tile_hash *hash);
/* Frees the memory; afterwards hash is as after oriel_tile_hash_init(). */
void oriel_tile_hash_finish(struct oriel_tile_hash *hash);

/*
 * The next update finds everything changed. For when what is on screen is not what the last update
 * has seen, or when the same bytes mean something else, as after a change of format.
 */
void oriel_tile_hash_forget(struct oriel_tile_hash *hash);

/*
 * Compares a picture with the one of the last update, and keeps its hashes for the next one.
 *
 * The picture begins at data, with rows stride_bytes apart; width and height are in pixels of
 * pixel_bytes. It has passed oriel_validate_buffer(). Nothing but pixels is read: padding after a
 * row may hold anything, and after the last row need not be there. The memory should be cached:
 * video memory mapped from a PCI device takes far longer to read.
 *
 * Returns true if anything has changed. *damage, which the caller has initialised, is then what:
 * rectangles of whole tiles within the picture, ORIEL_TILE_HASH_RECTS_MAX at most. Otherwise it
 * is empty. At the first update, and when the size has changed, that is everything. So it is
 * when there is no memory for the hashes, which is asked for again with each update.
 *
 * Memory is allocated when a picture is larger than those before, and by pixman for damage of more
 * than one rectangle.
 */
bool oriel_tile_hash_update(struct oriel_tile_hash *hash, const void *data, size_t stride_bytes,
		int width, int height, size_t pixel_bytes, pixman_region32_t *damage);

#endif
