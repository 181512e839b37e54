#ifndef ORIEL_GUEST_FAULT_GUARD_H
#define ORIEL_GUEST_FAULT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads a mapping that can end at any time, such as that of a device's memory: when the device is
 * removed, or its memory switched off, whoever touches the mapping gets SIGBUS.
 *
 * Between begin and end the main thread, and no other, may read the mapping of size_bytes at map,
 * which begins at a page. If it has ended, zeroes are read in its place, of all of it from then on,
 * and oriel_fault_guard_end() returns false; what the mapping was made of is gone from the process
 * then, and unmapping it is still the caller's to do. oriel_fault_guard_is_intact() tells in
 * between: what was read before it returned true is real.
 *
 * There is one handler for a signal. That of whoever was there before is put back at the end, and
 * gets what is not the guard's in between: wlroots has one while it reads a client's shared memory.
 * So guards neither nest nor overlap with such a read otherwise than as a whole within it.
 */
void oriel_fault_guard_begin(const void *map, size_t size_bytes);
/* True, too, where there is no guard. */
bool oriel_fault_guard_is_intact(void);
bool oriel_fault_guard_end(void);

#endif
