#ifndef TESTS_GUESTS_LINUX_INPUTS_H
#define TESTS_GUESTS_LINUX_INPUTS_H

#include <poll.h>
#include <stdbool.h>

/* Opens every input device there is, and says which. */
void inputs_open(void);

/* How many there are, and what to wait for; fds has room for INPUTS_MAX. */
#define INPUTS_MAX 16
int inputs_fill(struct pollfd fds[]);

/* Says what they report. */
void inputs_handle(const struct pollfd fds[]);

bool inputs_set_led(int code, bool is_on);

#endif
