#ifndef TESTS_UNIT_SHORTAGE_H
#define TESTS_UNIT_SHORTAGE_H

/*
 * Memory and fds that run out. Needs -Wl,--wrap for calloc and strdup: only the code that is
 * linked into the test is short of memory, not the libraries.
 */

/* Call number fail_at from now on, counted from 1, finds no memory. */
void shortage_of_memory_begin(unsigned int fail_at);
/* The calls made since. */
unsigned int shortage_of_memory_end(void);

/* No file can be opened or duplicated. Those that are closed leave room again. */
void shortage_of_fds_begin(void);
void shortage_of_fds_end(void);

#endif
