#ifndef ORIEL_VFIO_HAND_OVER_H
#define ORIEL_VFIO_HAND_OVER_H

#include <stdbool.h>

/* What oriel is asked to show. Everything is borrowed. */
struct hand_over {
	const char *display; /* the control socket: a name in XDG_RUNTIME_DIR, or a path */
	const char *guest_name;
	const char *output_name; /* may be NULL */
	int device_fd;
	int process_fd; /* pidfd */
};

/* Asks, and waits for the answer. False after one line on stderr. */
bool hand_over(const struct hand_over *request);

#endif
