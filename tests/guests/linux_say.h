#ifndef TESTS_GUESTS_LINUX_SAY_H
#define TESTS_GUESTS_LINUX_SAY_H

/* A line for the test. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the guest, after a line that says why, where errno says more. */
void give_up(const char *what) __attribute__((noreturn));

#endif
