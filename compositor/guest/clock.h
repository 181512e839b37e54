#ifndef ORIEL_GUEST_CLOCK_H
#define ORIEL_GUEST_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, which fences and presentation times are given in, too. */
static inline uint64_t oriel_clock_now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
