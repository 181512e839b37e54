#ifndef ORIEL_TESTS_FDS_H
#define ORIEL_TESTS_FDS_H

/*
 * Counts the fds that this process has open, by /proc/self/fd. A test compares the count before and
 * after: an fd that was left open shows. Returns -1 without /proc or without a free fd.
 */
int fds_count_open(void);

#endif
