#ifndef ORIEL_OUTPUT_DEADLINE_H
#define ORIEL_OUTPUT_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When to begin a frame so that it just makes an output's next refresh: what a guest, or a window,
 * has drawn until then is still in it.
 *
 *	 refresh                                            refresh
 *	----|--------------------------------------------------|--------> time
 *	    |<-- the backend takes the next frame      begin-->|
 *	    |                                          |<-lead->|
 *
 * Refreshes are told apart by the presentation times of an output that has a clock of its own. The
 * lead is what a frame takes: measured on the CPU, and learnt for the rest, of which nobody tells
 * (the GPU, the driver, other programs). A frame that is presented later than it was meant for makes
 * that rest longer by a step, and each that is in time makes it shorter by a small part of the
 * step: it settles where one frame in ORIEL_DEADLINE_LATE is late.
 *
 * An output without such a clock (headless, a window of another session, variable refresh) has no
 * deadline that is known: its frame begins when the backend asks for it. All times are of
 * CLOCK_MONOTONIC. Nothing here knows an output.
 */
struct oriel_deadline {
	uint64_t presented_ns; /* some refresh; 0: none is known */
	uint64_t period_ns; /* between two; 0: not known */
	uint64_t cost_ns; /* what a frame takes on the CPU: the recent maximum */
	uint64_t slack_ns; /* what it takes besides */
	uint64_t target_ns; /* the refresh that the last frame was begun in time for; 0: none */
};

/* What is allowed at least besides the CPU's work; at most it is a period. */
#define ORIEL_DEADLINE_SLACK_MIN_NS 1500000
#define ORIEL_DEADLINE_STEP_NS 1000000
#define ORIEL_DEADLINE_LATE 100

void oriel_deadline_init(struct oriel_deadline *deadline);

/* Forgets the refreshes, as for a mode that is new. */
void oriel_deadline_forget(struct oriel_deadline *deadline);

/* A frame was shown from when_ns on, and the next refresh is period_ns later. */
void oriel_deadline_presented(struct oriel_deadline *deadline, uint64_t when_ns, uint64_t period_ns);

/* A frame begun at begun_ns was handed on at now_ns. */
void oriel_deadline_committed(struct oriel_deadline *deadline, uint64_t begun_ns, uint64_t now_ns);

/* When to begin the next frame: now_ns or later. */
uint64_t oriel_deadline_get_begin_ns(const struct oriel_deadline *deadline, uint64_t now_ns);

/*
 * The time nearest to wanted_ns at which a frame would begin: wanted_ns itself if no deadline is
 * known.
 */
uint64_t oriel_deadline_align_ns(const struct oriel_deadline *deadline, uint64_t wanted_ns);

#endif
