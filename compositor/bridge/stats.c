#include "bridge/stats.h"

#include <inttypes.h>
#include <stddef.h>

#include "guest/source.h"

/*
 * Bucket n holds the values whose highest bit is n / 8 and whose next three bits are n % 8. The
 * values below 8 have fewer bits than that and a bucket each, at the front.
 */
static size_t histogram_bucket(uint64_t value) {
	if (value < 8) {
		return (size_t)value;
	}
	size_t octave = 63 - (size_t)__builtin_clzll(value);
	return octave * 8 + (size_t)((value >> (octave - 3)) & 7);
}

/* The smallest value of the next bucket, less one. */
static uint64_t histogram_bucket_end(size_t bucket) {
	size_t octave = bucket / 8, eighth = bucket % 8;
	if (octave < 3) {
		return bucket;
	}
	return ((8 + (uint64_t)eighth) << (octave - 3)) + ((uint64_t)1 << (octave - 3)) - 1;
}

void oriel_histogram_add(struct oriel_histogram *histogram, uint64_t value_ns) {
	histogram->buckets[histogram_bucket(value_ns)]++;
	histogram->count++;
}

uint64_t oriel_histogram_get_percentile_ns(const struct oriel_histogram *histogram, int percent) {
	if (histogram->count == 0) {
		return 0;
	}
	/* The rank of the value asked for, counted from 1 and rounded up. */
	uint64_t rank = (histogram->count * (uint64_t)percent + 99) / 100;
	uint64_t seen = 0;
	for (size_t i = 0; i < ORIEL_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= rank && seen > 0) {
			return histogram_bucket_end(i);
		}
	}
	return UINT64_MAX;
}

void oriel_stats_print_heading(FILE *stream) {
	fprintf(stream, "%-16s %10s %10s %10s %10s %10s %12s %12s %10s\n", "guest", "taken",
			"shown", "superseded", "rejected", "released", "wait p50 ms", "wait p99 ms",
			"over-sync");
}

void oriel_stats_print(FILE *stream, const char *guest, const struct oriel_stats *stats,
		const struct oriel_source_counters *counters) {
	fprintf(stream,
			"%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
			" %12.3f %12.3f %10" PRIu64 "\n",
			guest, counters->taken, stats->shown, stats->superseded, stats->rejected,
			counters->released,
			(double)oriel_histogram_get_percentile_ns(&stats->acquire_wait, 50) / 1e6,
			(double)oriel_histogram_get_percentile_ns(&stats->acquire_wait, 99) / 1e6,
			stats->over_sync);
}
