#ifndef TESTS_UNIT_HELD_TIMERS_H
#define TESTS_UNIT_HELD_TIMERS_H

#include <stdbool.h>

struct wl_event_loop;

/*
 * Timers of HELD_TIMERS_MIN_MS or more do not run, and are fired by the test; shorter ones do, as an
 * event source of its own, or sd-bus' way to be called again. Needs -Wl,--wrap for
 * wl_event_source_timer_update and wl_event_source_remove.
 */
#define HELD_TIMERS_MIN_MS 50

/* Forgets those of before. */
void held_timers_init(void);

/* How many are set to that delay now. */
int held_timers_count(int delay_ms);

/* Lets one of them run out, and the event loop do what follows. False if there is none. */
bool held_timers_fire(struct wl_event_loop *loop, int delay_ms);

/* Lets the event loop go on until there is nothing left to do for it. */
void held_timers_settle(struct wl_event_loop *loop);

#endif
