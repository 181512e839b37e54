#ifndef ORIEL_TESTS_ALLOCATIONS_H
#define ORIEL_TESTS_ALLOCATIONS_H

#include <stdint.h>

/*
 * The calls of malloc(), calloc() and realloc() so far, by the program and by every library in it:
 * allocations.c, linked into a program, stands in front of the C library's.
 */
uint64_t allocations_count(void);

#endif
