#include "guest/tile_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define TILE ORIEL_TILE_HASH_SIZE

/* Memory that runs out, for the hashes and for pixman's rectangles. */
static struct {
	bool calloc_fails, rects_fail;
	unsigned int callocs;
} shortage;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
pixman_bool_t __real_pixman_region32_init_rects(
		pixman_region32_t *region, const pixman_box32_t *boxes, int count);
pixman_bool_t __wrap_pixman_region32_init_rects(
		pixman_region32_t *region, const pixman_box32_t *boxes, int count);

void *__wrap_calloc(size_t count, size_t size) {
	shortage.callocs++;
	return shortage.calloc_fails ? NULL : __real_calloc(count, size);
}

pixman_bool_t __wrap_pixman_region32_init_rects(
		pixman_region32_t *region, const pixman_box32_t *boxes, int count) {
	return shortage.rects_fail ? 0 : __real_pixman_region32_init_rects(region, boxes, count);
}

/* A picture that is changed, and looked at for changes. */
struct fixture {
	struct oriel_tile_hash hash;
	pixman_region32_t damage;
	int width, height;
	size_t pixel_bytes, stride_bytes;
	uint8_t *data;
	bool changed;
};

static void fixture_init(struct fixture *fixture) {
	*fixture = (struct fixture){ 0 };
	oriel_tile_hash_init(&fixture->hash);
	pixman_region32_init(&fixture->damage);
}

static void fixture_finish(struct fixture *fixture) {
	free(fixture->data);
	oriel_tile_hash_finish(&fixture->hash);
	pixman_region32_fini(&fixture->damage);
}

/* Another size. The memory ends with the last pixel, so that ASan sees what is read beyond it. */
static void fixture_resize(struct fixture *fixture, int width, int height, size_t pixel_bytes,
		size_t padding_bytes) {
	free(fixture->data);
	fixture->width = width;
	fixture->height = height;
	fixture->pixel_bytes = pixel_bytes;
	fixture->stride_bytes = (size_t)width * pixel_bytes + padding_bytes;
	size_t size_bytes = fixture->stride_bytes * (size_t)height - padding_bytes;
	fixture->data = malloc(size_bytes);
	assert_non_null(fixture->data);
	for (size_t i = 0; i < size_bytes; i++) {
		fixture->data[i] = (uint8_t)(i * 7 + i / 251);
	}
}

static uint8_t *fixture_get_pixel(struct fixture *fixture, int x, int y) {
	return fixture->data + (size_t)y * fixture->stride_bytes + (size_t)x * fixture->pixel_bytes;
}

static bool fixture_update(struct fixture *fixture) {
	fixture->changed = oriel_tile_hash_update(&fixture->hash, fixture->data,
			fixture->stride_bytes, fixture->width, fixture->height,
			fixture->pixel_bytes, &fixture->damage);
	assert_true(fixture->changed == !pixman_region32_empty(&fixture->damage));
	int count = 0;
	pixman_region32_rectangles(&fixture->damage, &count);
	assert_true(count <= ORIEL_TILE_HASH_RECTS_MAX);
	return fixture->changed;
}

static void fixture_has_damage(struct fixture *fixture, int x, int y, int width, int height) {
	assert_true(fixture->changed);
	pixman_region32_t box;
	pixman_region32_init_rect(&box, x, y, (unsigned int)width, (unsigned int)height);
	assert_true(pixman_region32_equal(&fixture->damage, &box));
	pixman_region32_fini(&box);
}

static void fixture_has_all_damaged(struct fixture *fixture) {
	fixture_has_damage(fixture, 0, 0, fixture->width, fixture->height);
}

static int min(int a, int b) {
	return a < b ? a : b;
}

/* The tile that a pixel lies in. */
static void fixture_has_tile_damaged(struct fixture *fixture, int x, int y) {
	int x1 = x / TILE * TILE, y1 = y / TILE * TILE;
	fixture_has_damage(fixture, x1, y1, min(TILE, fixture->width - x1),
			min(TILE, fixture->height - y1));
}

static const int sizes[] = { 1, 2, TILE - 1, TILE, TILE + 1, 2 * TILE - 1, 2 * TILE, 2 * TILE + 1,
	5 * TILE + 13 };

static void update_first_finds_everything(void **state) {
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		for (size_t k = 0; k < ARRAY_LENGTH(sizes); k++) {
			struct fixture fixture;
			fixture_init(&fixture);
			fixture_resize(&fixture, sizes[i], sizes[k], 4, 0);
			assert_true(fixture_update(&fixture));
			fixture_has_all_damaged(&fixture);
			fixture_finish(&fixture);
		}
	}
}

static void update_without_change_finds_nothing(void **state) {
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		for (size_t k = 0; k < ARRAY_LENGTH(sizes); k++) {
			struct fixture fixture;
			fixture_init(&fixture);
			fixture_resize(&fixture, sizes[i], sizes[k], 4, 0);
			assert_true(fixture_update(&fixture));
			assert_false(fixture_update(&fixture));
			assert_false(fixture_update(&fixture));
			fixture_finish(&fixture);
		}
	}
}

/* One byte of every tile in turn: the first, the last, and one in between. */
static void update_changed_byte_finds_its_tile(void **state) {
	static const size_t paddings[] = { 0, 4, 1000 };
	static const size_t pixels[] = { 2, 4 };
	for (size_t i = 0; i < 2 * ARRAY_LENGTH(paddings); i++) {
		struct fixture fixture;
		fixture_init(&fixture);
		fixture_resize(&fixture, 3 * TILE + 17, 2 * TILE + 5, pixels[i % 2], paddings[i / 2]);
		assert_true(fixture_update(&fixture));
		for (int y1 = 0; y1 < fixture.height; y1 += TILE) {
			for (int x1 = 0; x1 < fixture.width; x1 += TILE) {
				int x2 = min(x1 + TILE, fixture.width) - 1;
				int y2 = min(y1 + TILE, fixture.height) - 1;
				const int points[][2] = { { x1, y1 }, { x2, y1 }, { x1, y2 },
					{ x2, y2 }, { (x1 + x2) / 2, (y1 + y2) / 2 } };
				for (size_t k = 0; k < ARRAY_LENGTH(points); k++) {
					int x = points[k][0], y = points[k][1];
					uint8_t *pixel = fixture_get_pixel(&fixture, x, y);
					pixel[k % fixture.pixel_bytes] ^= 1;
					assert_true(fixture_update(&fixture));
					fixture_has_tile_damaged(&fixture, x, y);
					assert_false(fixture_update(&fixture));
				}
				/* The last byte of all. */
				uint8_t *pixel = fixture_get_pixel(&fixture, x2, y2);
				pixel[fixture.pixel_bytes - 1] ^= 0x80;
				assert_true(fixture_update(&fixture));
				fixture_has_tile_damaged(&fixture, x2, y2);
			}
		}
		fixture_finish(&fixture);
	}
}

/* Every byte of a picture counts, wherever XXH3 changes its ways. */
static void update_every_byte_counts(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, TILE + 3, TILE + 2, 4, 8);
	assert_true(fixture_update(&fixture));
	for (int y = 0; y < fixture.height; y += 13) {
		for (int x = 0; x < fixture.width; x++) {
			for (size_t i = 0; i < 4; i++) {
				fixture_get_pixel(&fixture, x, y)[i] += 1;
				assert_true(fixture_update(&fixture));
				fixture_has_tile_damaged(&fixture, x, y);
			}
		}
	}
	fixture_finish(&fixture);
}

static void update_padding_is_not_looked_at(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, TILE + 1, 2 * TILE, 4, 12);
	assert_true(fixture_update(&fixture));
	size_t row_bytes = (size_t)fixture.width * 4;
	for (int y = 0; y < fixture.height - 1; y++) {
		memset(fixture.data + (size_t)y * fixture.stride_bytes + row_bytes, 0x5a, 12);
	}
	assert_false(fixture_update(&fixture));
	fixture_finish(&fixture);
}

/* The rows of a tile are folded together: none may take another's place. */
static void update_moved_rows_are_found(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, TILE, TILE, 4, 0);
	memset(fixture.data, 0, fixture.stride_bytes * TILE);
	memset(fixture_get_pixel(&fixture, 0, 10), 0xff, fixture.stride_bytes);
	assert_true(fixture_update(&fixture));
	for (int y = 11; y < TILE; y++) {
		memset(fixture_get_pixel(&fixture, 0, y - 1), 0, fixture.stride_bytes);
		memset(fixture_get_pixel(&fixture, 0, y), 0xff, fixture.stride_bytes);
		assert_true(fixture_update(&fixture));
	}
	/* Exchanged, however far apart. */
	fixture_resize(&fixture, TILE, TILE, 4, 0);
	fixture_update(&fixture);
	for (int y1 = 0; y1 < TILE; y1++) {
		for (int y2 = y1 + 1; y2 < TILE; y2++) {
			uint8_t row[TILE * 4];
			memcpy(row, fixture_get_pixel(&fixture, 0, y1), sizeof(row));
			memcpy(fixture_get_pixel(&fixture, 0, y1),
					fixture_get_pixel(&fixture, 0, y2), sizeof(row));
			memcpy(fixture_get_pixel(&fixture, 0, y2), row, sizeof(row));
			assert_true(fixture_update(&fixture));
		}
	}
	/* Two of the same, which would undo each other in a mere sum or xor. */
	memset(fixture.data, 0, fixture.stride_bytes * TILE);
	assert_true(fixture_update(&fixture));
	memset(fixture_get_pixel(&fixture, 0, 3), 0xff, 2 * fixture.stride_bytes);
	assert_true(fixture_update(&fixture));
	memset(fixture_get_pixel(&fixture, 0, 3), 0x77, 2 * fixture.stride_bytes);
	assert_true(fixture_update(&fixture));
	/* What two tiles exchange is a change of both. */
	fixture_resize(&fixture, 2 * TILE, 1, 4, 0);
	assert_true(fixture_update(&fixture));
	uint8_t left[TILE * 4];
	memcpy(left, fixture.data, sizeof(left));
	memcpy(fixture.data, fixture.data + sizeof(left), sizeof(left));
	memcpy(fixture.data + sizeof(left), left, sizeof(left));
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	fixture_finish(&fixture);
}

static void update_size_change_finds_everything(void **state) {
	static const struct {
		int width, height;
		size_t pixel_bytes;
	} steps[] = { { 200, 300, 4 }, { 201, 300, 4 }, { 201, 301, 4 }, { 64, 64, 4 },
		{ 300, 200, 4 }, { 300, 200, 2 }, { 300, 200, 4 }, { 1, 1, 4 }, { 1000, 1000, 4 } };
	struct fixture fixture;
	fixture_init(&fixture);
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++) {
		fixture_resize(&fixture, steps[i].width, steps[i].height, steps[i].pixel_bytes, 0);
		assert_true(fixture_update(&fixture));
		fixture_has_all_damaged(&fixture);
		assert_false(fixture_update(&fixture));
		*fixture_get_pixel(&fixture, 0, fixture.height - 1) ^= 1;
		assert_true(fixture_update(&fixture));
		fixture_has_tile_damaged(&fixture, 0, fixture.height - 1);
	}
	fixture_finish(&fixture);
}

/* The same picture elsewhere in memory, and with another stride, is the same picture. */
static void update_moved_picture_finds_nothing(void **state) {
	struct fixture a, b;
	fixture_init(&a);
	fixture_init(&b);
	fixture_resize(&a, 200, 100, 4, 0);
	fixture_resize(&b, 200, 100, 4, 36);
	for (int y = 0; y < 100; y++) {
		memcpy(fixture_get_pixel(&b, 0, y), fixture_get_pixel(&a, 0, y), 200 * 4);
	}
	assert_true(fixture_update(&a));
	assert_false(oriel_tile_hash_update(
			&a.hash, b.data, b.stride_bytes, b.width, b.height, 4, &a.damage));
	fixture_finish(&a);
	fixture_finish(&b);
}

static void forget_next_update_finds_everything(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 200, 100, 4, 0);
	assert_true(fixture_update(&fixture));
	oriel_tile_hash_forget(&fixture.hash);
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	assert_false(fixture_update(&fixture));
	/* Nor does it matter what has changed since. */
	*fixture_get_pixel(&fixture, 0, 0) ^= 1;
	oriel_tile_hash_forget(&fixture.hash);
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);

	oriel_tile_hash_finish(&fixture.hash);
	assert_null(fixture.hash.tiles);
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	fixture_finish(&fixture);
}

/* --- rectangles --- */

/* A picture of tiles of one row each, in which '#' is a tile that changes. */
static void fixture_change(struct fixture *fixture, const char *tiles) {
	int x = 0, y = 0;
	for (; *tiles != '\0'; tiles++) {
		if (*tiles == '/') {
			x = 0;
			y += TILE;
			continue;
		}
		if (*tiles == '#') {
			*fixture_get_pixel(fixture, x, y) ^= 1;
		}
		x += TILE;
	}
}

static void update_merges_tiles_to_rectangles(void **state) {
	static const struct {
		const char *tiles;
		int count;
		pixman_box32_t boxes[5]; /* in tiles */
	} cases[] = {
		{ "..../..../....", 0, { { 0 } } },
		{ "#.../..../....", 1, { { 0, 0, 1, 1 } } },
		{ "...#/..../....", 1, { { 3, 0, 4, 1 } } },
		{ "..../..../...#", 1, { { 3, 2, 4, 3 } } },
		{ ".##./..../....", 1, { { 1, 0, 3, 1 } } },
		{ "####/####/####", 1, { { 0, 0, 4, 3 } } },
		{ ".##./.##./....", 1, { { 1, 0, 3, 2 } } },
		{ "..../.##./.##.", 1, { { 1, 1, 3, 3 } } },
		{ "#.../..../#...", 2, { { 0, 0, 1, 1 }, { 0, 2, 1, 3 } } },
		{ "#.#./..../....", 2, { { 0, 0, 1, 1 }, { 2, 0, 3, 1 } } },
		{ "#..#/#..#/....", 2, { { 0, 0, 1, 2 }, { 3, 0, 4, 2 } } },
		{ "#..#/#.##/....", 4,
				{ { 0, 0, 1, 1 }, { 3, 0, 4, 1 }, { 0, 1, 1, 2 }, { 2, 1, 4, 2 } } },
		{ "##../.##./..##", 3, { { 0, 0, 2, 1 }, { 1, 1, 3, 2 }, { 2, 2, 4, 3 } } },
		{ "#.../#..#/#..#", 3, { { 0, 0, 1, 1 }, { 0, 1, 1, 3 }, { 3, 1, 4, 3 } } },
		{ "#..#/#..#/#...", 3, { { 0, 0, 1, 2 }, { 3, 0, 4, 2 }, { 0, 2, 1, 3 } } },
	};
	struct fixture fixture;
	fixture_init(&fixture);
	/* The last column and row are one pixel. */
	fixture_resize(&fixture, 3 * TILE + 1, 2 * TILE + 1, 4, 0);
	assert_true(fixture_update(&fixture));
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		fixture_change(&fixture, cases[i].tiles);
		fixture_update(&fixture);
		int count;
		const pixman_box32_t *boxes = pixman_region32_rectangles(&fixture.damage, &count);
		if (count != cases[i].count) {
			fail_msg("case %zu: %d rectangles", i, count);
		}
		for (int k = 0; k < count; k++) {
			const pixman_box32_t *box = &cases[i].boxes[k];
			assert_int_equal(boxes[k].x1, box->x1 * TILE);
			assert_int_equal(boxes[k].y1, box->y1 * TILE);
			assert_int_equal(boxes[k].x2, min(box->x2 * TILE, fixture.width));
			assert_int_equal(boxes[k].y2, min(box->y2 * TILE, fixture.height));
		}
	}
	fixture_finish(&fixture);
}

static void fixture_change_tile(struct fixture *fixture, int column, int row) {
	*fixture_get_pixel(fixture, column * TILE, row * TILE) ^= 1;
}

static void update_more_rectangles_than_the_limit_become_one(void **state) {
	assert_int_equal(ORIEL_TILE_HASH_RECTS_MAX, 32);
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 140 * TILE, 40, 1, 0);
	assert_true(fixture_update(&fixture));
	int count;
	/* In one row of tiles. */
	for (int n = 31; n <= 68; n++) {
		for (int i = 1; i <= n; i++) {
			fixture_change_tile(&fixture, 2 * i, 0);
		}
		assert_true(fixture_update(&fixture));
		pixman_region32_rectangles(&fixture.damage, &count);
		if (n <= 32) {
			assert_int_equal(count, n);
		} else {
			fixture_has_damage(&fixture, 2 * TILE, 0, (2 * n - 1) * TILE, 40);
		}
	}
	/* In many: two in each. */
	fixture_resize(&fixture, 6 * TILE, 80 * TILE, 1, 0);
	assert_true(fixture_update(&fixture));
	for (int n = 15; n <= 40; n++) {
		for (int i = 0; i < n; i++) {
			fixture_change_tile(&fixture, 1 + i % 2, 3 + i);
			fixture_change_tile(&fixture, 4, 3 + i);
		}
		assert_true(fixture_update(&fixture));
		pixman_region32_rectangles(&fixture.damage, &count);
		if (2 * n <= 32) {
			assert_int_equal(count, 2 * n);
		} else {
			fixture_has_damage(&fixture, TILE, 3 * TILE, 4 * TILE, n * TILE);
		}
	}
	fixture_finish(&fixture);
}

/* Prolonged, they are as few as they were. */
static void update_full_count_of_tall_rectangles_is_kept(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 64 * TILE, 5 * TILE, 1, 0);
	assert_true(fixture_update(&fixture));
	for (int row = 1; row < 4; row++) {
		for (int i = 0; i < 32; i++) {
			fixture_change_tile(&fixture, 2 * i, row);
		}
	}
	assert_true(fixture_update(&fixture));
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&fixture.damage, &count);
	assert_int_equal(count, 32);
	for (int i = 0; i < 32; i++) {
		assert_int_equal(boxes[i].x1, 2 * i * TILE);
		assert_int_equal(boxes[i].x2, (2 * i + 1) * TILE);
		assert_int_equal(boxes[i].y1, TILE);
		assert_int_equal(boxes[i].y2, 4 * TILE);
	}
	/* And with one more of them they are not. */
	for (int row = 1; row < 4; row++) {
		for (int i = 0; i < 32; i++) {
			fixture_change_tile(&fixture, 2 * i, row);
		}
	}
	fixture_change_tile(&fixture, 0, 4);
	assert_true(fixture_update(&fixture));
	fixture_has_damage(&fixture, 0, TILE, 63 * TILE, 4 * TILE);
	fixture_finish(&fixture);
}

/* Against a region put together tile by tile. */
static void update_random_changes_are_the_union_of_their_tiles(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 14 * TILE + 9, 11 * TILE + 60, 1, 16);
	assert_true(fixture_update(&fixture));
	uint32_t seed = 7;
	bool kept = false, bounded = false;
	for (int i = 0; i < 2000; i++) {
		pixman_region32_t expected;
		pixman_region32_init(&expected);
		seed = seed * 1664525 + 1013904223;
		int changes = (int)(seed >> 24) % (1 + i % 60);
		for (int k = 0; k < changes; k++) {
			seed = seed * 1664525 + 1013904223;
			int x = (int)(seed >> 8) % fixture.width;
			int y = (int)((seed >> 16) * 31) % fixture.height;
			*fixture_get_pixel(&fixture, x, y) += 1;
			int x1 = x / TILE * TILE, y1 = y / TILE * TILE;
			pixman_region32_union_rect(&expected, &expected, x1, y1,
					(unsigned int)min(TILE, fixture.width - x1),
					(unsigned int)min(TILE, fixture.height - y1));
		}
		assert_true(fixture_update(&fixture) == (changes > 0));
		int count;
		pixman_region32_rectangles(&expected, &count);
		if (count <= ORIEL_TILE_HASH_RECTS_MAX) {
			kept = kept || count > 8;
			assert_true(pixman_region32_equal(&fixture.damage, &expected));
		} else {
			bounded = true;
			const pixman_box32_t *box = pixman_region32_extents(&expected);
			fixture_has_damage(&fixture, box->x1, box->y1, box->x2 - box->x1,
					box->y2 - box->y1);
		}
		pixman_region32_fini(&expected);
	}
	assert_true(kept && bounded);
	fixture_finish(&fixture);
}

/* --- memory --- */

static void update_allocates_for_a_larger_picture_only(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 640, 480, 4, 0);
	shortage.callocs = 0;
	assert_true(fixture_update(&fixture));
	assert_int_equal(shortage.callocs, 1);
	for (int i = 0; i < 10; i++) {
		*fixture_get_pixel(&fixture, i * 64, 0) += 1;
		assert_true(fixture_update(&fixture));
	}
	fixture_resize(&fixture, 64, 64, 4, 0);
	assert_true(fixture_update(&fixture));
	fixture_resize(&fixture, 640, 480, 4, 0);
	assert_true(fixture_update(&fixture));
	oriel_tile_hash_forget(&fixture.hash);
	assert_true(fixture_update(&fixture));
	assert_int_equal(shortage.callocs, 1);
	fixture_resize(&fixture, 641, 480, 4, 0);
	assert_true(fixture_update(&fixture));
	assert_int_equal(shortage.callocs, 2);
	fixture_finish(&fixture);
}

static void update_without_memory_finds_everything_each_time(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 200, 100, 4, 0);
	shortage.calloc_fails = true;
	for (int i = 0; i < 3; i++) {
		assert_true(fixture_update(&fixture));
		fixture_has_all_damaged(&fixture);
	}
	shortage.calloc_fails = false;
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	assert_false(fixture_update(&fixture));

	/* One that grows, and is back at the old size with the old hashes gone stale. */
	shortage.calloc_fails = true;
	fixture_resize(&fixture, 400, 100, 4, 0);
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	assert_true(fixture_update(&fixture));
	fixture_resize(&fixture, 200, 100, 4, 0);
	assert_true(fixture_update(&fixture));
	fixture_has_all_damaged(&fixture);
	assert_false(fixture_update(&fixture));
	shortage.calloc_fails = false;
	fixture_finish(&fixture);
}

static void update_without_memory_for_rectangles_finds_what_holds_them(void **state) {
	struct fixture fixture;
	fixture_init(&fixture);
	fixture_resize(&fixture, 4 * TILE, 4 * TILE, 4, 0);
	assert_true(fixture_update(&fixture));
	fixture_change_tile(&fixture, 0, 1);
	fixture_change_tile(&fixture, 2, 2);
	shortage.rects_fail = true;
	assert_true(fixture_update(&fixture));
	shortage.rects_fail = false;
	fixture_has_damage(&fixture, 0, TILE, 3 * TILE, 2 * TILE);
	assert_false(fixture_update(&fixture));
	fixture_finish(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update_first_finds_everything),
		cmocka_unit_test(update_without_change_finds_nothing),
		cmocka_unit_test(update_changed_byte_finds_its_tile),
		cmocka_unit_test(update_every_byte_counts),
		cmocka_unit_test(update_padding_is_not_looked_at),
		cmocka_unit_test(update_moved_rows_are_found),
		cmocka_unit_test(update_size_change_finds_everything),
		cmocka_unit_test(update_moved_picture_finds_nothing),
		cmocka_unit_test(forget_next_update_finds_everything),
		cmocka_unit_test(update_merges_tiles_to_rectangles),
		cmocka_unit_test(update_more_rectangles_than_the_limit_become_one),
		cmocka_unit_test(update_full_count_of_tall_rectangles_is_kept),
		cmocka_unit_test(update_random_changes_are_the_union_of_their_tiles),
		cmocka_unit_test(update_allocates_for_a_larger_picture_only),
		cmocka_unit_test(update_without_memory_finds_everything_each_time),
		cmocka_unit_test(update_without_memory_for_rectangles_finds_what_holds_them),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
