#ifndef ORIEL_GUEST_PACING_H
#define ORIEL_GUEST_PACING_H

#include <stdint.h>

#include "guest/source.h"

/*
 * How often a guest's display is looked at. No interface has events for what a vGPU draws, so that
 * looking is the only way to know, and costs the same whether anything has changed or not:
 *
 *	a picture has changed, or input was sent, within the last second	with each refresh
 *	within the last 5 seconds						30 times a second
 *	longer ago, or there is no picture					10 times a second
 *	the device is lost							once a second
 *
 * and never more often than with each refresh. A pure function.
 */
struct oriel_pacing {
	/* CLOCK_MONOTONIC; 0: never */
	uint64_t changed_ns; /* the guest was last seen, or expected, to be at work */
	uint64_t polled_ns; /* it was last looked at */
};

/* The time of the next look (CLOCK_MONOTONIC), which may have passed. */
uint64_t oriel_pacing_get_next_ns(const struct oriel_pacing *pacing, enum oriel_source_state state,
		uint64_t period_ns);

#endif
