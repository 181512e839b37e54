#ifndef ORIEL_BRIDGE_STATS_H
#define ORIEL_BRIDGE_STATS_H

#include <stdint.h>
#include <stdio.h>

struct oriel_source_counters;

/*
 * Times sorted into buckets of an eighth of an octave, so that a percentile is right to within
 * 12.5 % whatever its size, and adding one never allocates.
 */
#define ORIEL_HISTOGRAM_BUCKETS (64 * 8)

struct oriel_histogram {
	uint64_t buckets[ORIEL_HISTOGRAM_BUCKETS];
	uint64_t count;
};

void oriel_histogram_add(struct oriel_histogram *histogram, uint64_t value_ns);

/* The value below which percent of all values lie (its bucket's upper end), 0 if there are none. */
uint64_t oriel_histogram_get_percentile_ns(const struct oriel_histogram *histogram, int percent);

/* What became of a guest's frames between being taken and being released. */
struct oriel_stats {
	uint64_t shown; /* read by at least one output */
	uint64_t superseded; /* a newer frame came first */
	uint64_t rejected; /* could not be synchronised with or shown at all */
	uint64_t scanned_out; /* reads by KMS itself, without composition */
	uint64_t reads; /* READ fences put into the guest's buffers */
	/*
	 * Waits for more than the frame depended on: with a kernel that has no snapshots (poll on
	 * the dma-buf), or in a renderer that takes the buffer's fences by itself although a later
	 * one than the frame's was pending.
	 */
	uint64_t over_sync;
	struct oriel_histogram acquire_wait; /* from taking a frame until it may be read */
};

/* The table's heading, then one line for each guest. */
void oriel_stats_print_heading(FILE *stream);
void oriel_stats_print(FILE *stream, const char *guest, const struct oriel_stats *stats,
		const struct oriel_source_counters *counters);

#endif
