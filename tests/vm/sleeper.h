#ifndef ORIEL_TESTS_SLEEPER_H
#define ORIEL_TESTS_SLEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * A call that blocks, in a thread of its own, and a way to tell without guessing whether it still
 * does.
 *
 * The kernel makes a thread ready to run within the call that signals its fence. So after each
 * step of the test the thread is either asleep, then it waits for something else yet, or it runs,
 * and will soon be asleep again or have returned. Which one it is can be waited for.
 */
struct sleeper {
	pthread_t thread;
	int (*run)(void *data);
	void *data;
	_Atomic(pid_t) tid; /* 0 until it runs */
	atomic_bool done;
	int result;
};

/* Begins to call run(data). Fails the test if it cannot. data is borrowed until sleeper_join(). */
void sleeper_start(struct sleeper *sleeper, int (*run)(void *data), void *data);

/*
 * Tells whether run() sleeps, interruptibly, true, or has returned, false. Comes back as soon as one
 * of the two is the case; a run() that does neither is a test that hangs.
 */
bool sleeper_is_waiting(struct sleeper *sleeper);

/* Has a signal interrupt what run() is in. Its handler does nothing, and is without SA_RESTART. */
void sleeper_interrupt(struct sleeper *sleeper);

/* Waits for run() to return, and returns what it did. */
int sleeper_join(struct sleeper *sleeper);

#endif
