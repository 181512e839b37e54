#ifndef ORIEL_TESTS_COUNTER_H
#define ORIEL_TESTS_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Counts the instructions between counter_begin() and counter_end() with one of two instruments:
 *
 * - callgrind: those of user space. It runs this very program, and is told by it what to count.
 * - icount: those of the kernel, too. A VM whose QEMU runs with -icount shift=0 (tools/dev vm --set
 *   icount=1) has a time-stamp counter that goes on by one with each instruction, and nothing else.
 *
 * With callgrind the same work always counts the same. With icount there is on top what else goes on
 * in the machine meanwhile: a timer's interrupt, another thread of the kernel.
 */
enum counter_kind {
	COUNTER_NONE,
	COUNTER_CALLGRIND,
	COUNTER_ICOUNT,
};

/*
 * Makes the instrument ready. With COUNTER_CALLGRIND the program is started once more, by valgrind,
 * and comes here again. Returns false where there is no such instrument, and says why on stdout.
 */
bool counter_init(enum counter_kind kind, char *argv[]);

enum counter_kind counter_get_kind(void);

void counter_begin(void);
/* Returns the instructions since counter_begin(). */
uint64_t counter_end(void);

#endif
