#include "bridge/stats.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/source.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static int setup(void **state) {
	*state = (void *)(intptr_t)fds_count_open();
	return 0;
}

static int teardown(void **state) {
	assert_int_equal(fds_count_open(), (int)(intptr_t)*state);
	return 0;
}

static uint64_t get_percentile_of_one(uint64_t value) {
	struct oriel_histogram histogram = { 0 };
	oriel_histogram_add(&histogram, value);
	uint64_t percentile = oriel_histogram_get_percentile_ns(&histogram, 50);
	/* Of one value every percentile is that value. */
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 1) == percentile);
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 99) == percentile);
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 100) == percentile);
	return percentile;
}

/* Never less than the truth, and at most an eighth more. */
static void assert_close(uint64_t got, uint64_t truth) {
	if (got < truth || got - truth > truth / 8) {
		fail_msg("%" PRIu64 " for %" PRIu64, got, truth);
	}
}

static void get_percentile_empty_is_zero(void **state) {
	const struct oriel_histogram histogram = { 0 };
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 0) == 0);
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 50) == 0);
	assert_true(oriel_histogram_get_percentile_ns(&histogram, 100) == 0);
}

static void get_percentile_small_value_is_exact(void **state) {
	for (uint64_t value = 0; value < 16; value++) {
		assert_int_equal(get_percentile_of_one(value), value);
	}
}

static void get_percentile_around_powers_of_two_is_close(void **state) {
	for (int bit = 3; bit < 64; bit++) {
		uint64_t power = UINT64_C(1) << bit;
		assert_close(get_percentile_of_one(power - 1), power - 1);
		assert_close(get_percentile_of_one(power), power);
		assert_close(get_percentile_of_one(power + 1), power + 1);
		/* A bucket ends where the octave does. */
		assert_true(get_percentile_of_one(power - 1) == power - 1);
		assert_true(get_percentile_of_one(power) > power - 1);
	}
}

static void get_percentile_largest_value_is_exact(void **state) {
	assert_true(get_percentile_of_one(UINT64_MAX) == UINT64_MAX);
	assert_close(get_percentile_of_one(UINT64_MAX - 1), UINT64_MAX - 1);
	assert_close(get_percentile_of_one(UINT64_MAX / 2), UINT64_MAX / 2);
}

static uint64_t next_random(uint64_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static int compare(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void get_percentile_of_random_values_is_close(void **state) {
	static uint64_t values[5000];
	uint64_t seed = 20261120;
	for (int round = 0; round < 20; round++) {
		size_t count = 1 + next_random(&seed) % ARRAY_LENGTH(values);
		struct oriel_histogram histogram = { 0 };
		for (size_t i = 0; i < count; i++) {
			/* Every size as likely as any other. */
			values[i] = next_random(&seed) >> (next_random(&seed) % 64);
			oriel_histogram_add(&histogram, values[i]);
		}
		assert_int_equal(histogram.count, count);
		qsort(values, count, sizeof(values[0]), compare);
		for (int percent = 1; percent <= 100; percent++) {
			size_t rank = (count * (size_t)percent + 99) / 100;
			assert_close(oriel_histogram_get_percentile_ns(&histogram, percent),
					values[rank - 1]);
		}
	}
}

static void get_percentile_rare_value_is_found_at_its_rank(void **state) {
	struct oriel_histogram histogram = { 0 };
	for (int i = 0; i < 98; i++) {
		oriel_histogram_add(&histogram, 1);
	}
	oriel_histogram_add(&histogram, 5);
	oriel_histogram_add(&histogram, 7);
	assert_int_equal(oriel_histogram_get_percentile_ns(&histogram, 98), 1);
	assert_int_equal(oriel_histogram_get_percentile_ns(&histogram, 99), 5);
	assert_int_equal(oriel_histogram_get_percentile_ns(&histogram, 100), 7);
}

static size_t find_end(const char *line, const char *word) {
	const char *found = strstr(line, word);
	assert_non_null(found);
	return (size_t)(found - line) + strlen(word);
}

static void print_puts_each_figure_under_its_heading(void **state) {
	struct oriel_stats stats = {
		.shown = 1111,
		.superseded = 222,
		.rejected = 33,
		.over_sync = 444,
	};
	struct oriel_source_counters counters = { .taken = 55555, .released = 66666 };
	/* 15728639 is a bucket's end: 15.728639 ms. */
	for (int i = 0; i < 98; i++) {
		oriel_histogram_add(&stats.acquire_wait, 15728639);
	}
	/* 1006632959: 1006.632959 ms. */
	oriel_histogram_add(&stats.acquire_wait, 1006632959);
	oriel_histogram_add(&stats.acquire_wait, 1006632959);

	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	oriel_stats_print_heading(stream);
	oriel_stats_print(stream, "win", &stats, &counters);
	assert_int_equal(fclose(stream), 0);

	char *heading = text, *row = strchr(text, '\n');
	assert_non_null(row);
	*row++ = '\0';
	char *end = strchr(row, '\n');
	assert_non_null(end);
	*end = '\0';
	assert_int_equal(end[1], '\0');

	static const struct {
		const char *heading, *figure;
	} columns[] = {
		{ "taken", " 55555" },
		{ "shown", " 1111" },
		{ "superseded", " 222" },
		{ "rejected", " 33" },
		{ "released", " 66666" },
		{ "wait p50 ms", " 15.729" },
		{ "wait p99 ms", " 1006.633" },
		{ "over-sync", " 444" },
	};
	assert_int_equal(strncmp(heading, "guest ", 6), 0);
	assert_int_equal(strncmp(row, "win ", 4), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(columns); i++) {
		assert_int_equal(find_end(heading, columns[i].heading),
				find_end(row, columns[i].figure));
	}
	assert_int_equal(strlen(heading), strlen(row));
	free(text);
}

static void print_largest_figures_in_full(void **state) {
	struct oriel_stats stats = { .shown = UINT64_MAX };
	struct oriel_source_counters counters = { .taken = UINT64_MAX };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	oriel_stats_print(stream, "a guest whose name is longer than its column", &stats, &counters);
	assert_int_equal(fclose(stream), 0);
	assert_non_null(strstr(text,
			"a guest whose name is longer than its column "
			"18446744073709551615 18446744073709551615 "));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(get_percentile_empty_is_zero),
		TEST(get_percentile_small_value_is_exact),
		TEST(get_percentile_around_powers_of_two_is_close),
		TEST(get_percentile_largest_value_is_exact),
		TEST(get_percentile_of_random_values_is_close),
		TEST(get_percentile_rare_value_is_found_at_its_rank),
		TEST(print_puts_each_figure_under_its_heading),
		TEST(print_largest_figures_in_full),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
