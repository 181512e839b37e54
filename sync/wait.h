#ifndef SYNCBRIDGE_WAIT_H
#define SYNCBRIDGE_WAIT_H

#include <stdint.h>

/*
 * The one way in which the library waits for fds. Not installed, not traced: the callers know what
 * the fd stands for.
 */

/* Gets the time of CLOCK_MONOTONIC in nanoseconds. Returns 0 or what the clock gave. */
int sb_wait_get_now(int64_t *ret_now_ns);

/*
 * Makes a deadline, a time of CLOCK_MONOTONIC in nanoseconds, of a timeout. Below 0 is INT64_MAX, for
 * ever, and 0 is 0, a mere test: for those no clock is read. Returns 0 or what the clock gave.
 */
int sb_wait_get_deadline(int64_t timeout_ns, int64_t *ret_deadline_ns);

/*
 * Waits until fd reports events, POLLIN or POLLOUT, and nothing else; signals that are caught do
 * not end it. With INT64_MAX, 0 or less as the deadline no clock is read. Past the deadline the fd
 * is still tested once.
 *
 * Returns 0, -ETIME if it did not by then, -EBADF if fd is negative or not open, -EINVAL if it
 * reports an error, so that nothing will come, or what poll() or the clock gave.
 */
int sb_wait_fd(int fd, short events, int64_t deadline_ns);

#endif
