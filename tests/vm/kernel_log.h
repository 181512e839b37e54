#ifndef ORIEL_TESTS_KERNEL_LOG_H
#define ORIEL_TESTS_KERNEL_LOG_H

/*
 * The kernel's log from now on, as an fd of /dev/kmsg: CLOEXEC and the caller's, or -errno. Needs
 * root.
 */
int kernel_log_open(void);

/*
 * Reads on to the end of the log. Returns how many lines begin what a kernel says of a fault in
 * itself (WARNING, BUG, a sanitizer's report, a hung task, …), printing them as TAP comments, or
 * -errno.
 */
int kernel_log_count_faults(int log_fd);

#endif
