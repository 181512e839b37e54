#include "guest/tile_hash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * What it costs to look for changes in a picture, beside copying that picture, in the same run:
 * the ratio of the two says more than the time does, on a machine that does other things. Times are
 * of the CPU, and the best of the rounds. Goes through several pictures, more than caches hold.
 *
 *   bench_tile_hash [WIDTH HEIGHT [ROUNDS]]
 */

#define PICTURES 8

struct bench {
	int width, height;
	size_t stride_bytes, size_bytes;
	uint8_t *pictures[PICTURES], *copy;
	struct oriel_tile_hash hash;
	pixman_region32_t damage;
	bool changed;
};

static uint64_t cpu_time_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void bench_copy(struct bench *bench, unsigned int round) {
	memcpy(bench->copy, bench->pictures[round % PICTURES], bench->size_bytes);
	/* Somebody may look at it. */
	__asm__ volatile("" : : "r"(bench->copy) : "memory");
}

static void bench_update(struct bench *bench, unsigned int round) {
	bench->changed = oriel_tile_hash_update(&bench->hash, bench->pictures[round % PICTURES],
			bench->stride_bytes, bench->width, bench->height, 4, &bench->damage);
}

static uint64_t bench_run(struct bench *bench, unsigned int rounds,
		void (*step)(struct bench *bench, unsigned int round)) {
	uint64_t best_ns = UINT64_MAX;
	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t begin_ns = cpu_time_ns();
		step(bench, round);
		uint64_t time_ns = cpu_time_ns() - begin_ns;
		best_ns = time_ns < best_ns ? time_ns : best_ns;
	}
	return best_ns > 0 ? best_ns : 1;
}

static void bench_print(
		const struct bench *bench, const char *what, uint64_t time_ns, uint64_t copy_ns) {
	printf("%-24s %8.3f ms  %6.1f GB/s  %5.2f x memcpy  %5.1f %% of a core at 60 Hz\n", what,
			(double)time_ns / 1e6, (double)bench->size_bytes / (double)time_ns,
			(double)time_ns / (double)copy_ns, (double)time_ns * 60 / 1e7);
}

static uint8_t *bench_alloc(size_t size_bytes) {
	uint8_t *data = malloc(size_bytes);
	if (data == NULL) {
		fprintf(stderr, "no memory\n");
		exit(EXIT_FAILURE);
	}
	return data;
}

/* Noise of which every picture has the same, so that they differ only where they are made to. */
static void bench_fill(uint8_t *data, size_t size_bytes) {
	uint32_t seed = 1;
	for (size_t i = 0; i < size_bytes; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(seed >> 24);
	}
}

int main(int argc, char *argv[]) {
	struct bench bench = { .width = 1920, .height = 1080 };
	unsigned int rounds = 200;
	if (argc > 2) {
		bench.width = atoi(argv[1]);
		bench.height = atoi(argv[2]);
	}
	if (argc > 3) {
		rounds = (unsigned int)atoi(argv[3]);
	}
	if (bench.width < 1 || bench.width > 16384 || bench.height < 1 || bench.height > 16384 ||
			rounds < 1) {
		fprintf(stderr, "usage: %s [WIDTH HEIGHT [ROUNDS]]\n", argv[0]);
		return EXIT_FAILURE;
	}
	bench.stride_bytes = (size_t)bench.width * 4;
	bench.size_bytes = bench.stride_bytes * (size_t)bench.height;
	for (size_t i = 0; i < PICTURES; i++) {
		bench.pictures[i] = bench_alloc(bench.size_bytes);
		bench_fill(bench.pictures[i], bench.size_bytes);
	}
	bench.copy = bench_alloc(bench.size_bytes);
	bench_fill(bench.copy, bench.size_bytes);
	oriel_tile_hash_init(&bench.hash);
	pixman_region32_init(&bench.damage);
	bench_update(&bench, 0); /* the memory for the hashes */

	printf("%dx%d, %u rounds\n", bench.width, bench.height, rounds);
	uint64_t copy_ns = bench_run(&bench, rounds, bench_copy);
	bench_print(&bench, "memcpy", copy_ns, copy_ns);
	bench_print(&bench, "nothing changed", bench_run(&bench, rounds, bench_update), copy_ns);
	if (bench.changed) {
		fprintf(stderr, "something changed\n");
		return EXIT_FAILURE;
	}
	/* A tile here and a tile there: as many boxes as are kept, at most. */
	for (size_t i = 1; i < PICTURES; i += 2) {
		for (size_t k = 0; k < 16; k++) {
			bench.pictures[i][k * (bench.size_bytes - 1) / 15] ^= 1;
		}
	}
	bench_print(&bench, "some tiles changed", bench_run(&bench, rounds, bench_update), copy_ns);
	for (size_t i = 0; i < PICTURES; i++) {
		memset(bench.pictures[i], (int)i, bench.size_bytes);
	}
	bench_print(&bench, "everything changed", bench_run(&bench, rounds, bench_update), copy_ns);
	if (!bench.changed) {
		fprintf(stderr, "nothing changed\n");
		return EXIT_FAILURE;
	}

	pixman_region32_fini(&bench.damage);
	oriel_tile_hash_finish(&bench.hash);
	free(bench.copy);
	for (size_t i = 0; i < PICTURES; i++) {
		free(bench.pictures[i]);
	}
	return EXIT_SUCCESS;
}
