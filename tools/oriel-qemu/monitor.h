#ifndef ORIEL_QEMU_MONITOR_H
#define ORIEL_QEMU_MONITOR_H

#include <stdbool.h>

/*
 * The socket of a QMP monitor, made before there is a QEMU that listens on it: so a connection can be
 * handed over first, and answers as soon as QEMU runs. It has no name in the file system: nobody else
 * finds it, and nothing is left of it.
 */
struct monitor {
	int listen_fd; /* for QEMU; CLOEXEC */
	int path_fd; /* O_PATH: what to connect to */
};

/* False after one line on stderr; monitor needs no close then. */
bool monitor_open(struct monitor *monitor);
void monitor_close(struct monitor *monitor);

/*
 * A connection, for the caller to close, or -1 with errno set: EAGAIN if QEMU has not taken up the
 * ones before. Does not wait.
 */
int monitor_connect(const struct monitor *monitor);

#endif
