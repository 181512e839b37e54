#ifndef ORIEL_GUEST_CLOCK_H
#define ORIEL_GUEST_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t oriel_clock_get_ns(clockid_t clock) {
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* CLOCK_MONOTONIC, which fences and presentation times are given in, too. */
static inline uint64_t oriel_clock_now_ns(void) {
	return oriel_clock_get_ns(CLOCK_MONOTONIC);
}

/* What the calling thread has had of a core, for what a piece of work costs. */
static inline uint64_t oriel_clock_thread_cpu_ns(void) {
	return oriel_clock_get_ns(CLOCK_THREAD_CPUTIME_ID);
}

#endif
