#ifndef ORIEL_GUEST_DRIVERS_VFIO_COMPLAINTS_H
#define ORIEL_GUEST_DRIVERS_VFIO_COMPLAINTS_H

#include <stdbool.h>
#include <stdint.h>

#define ORIEL_VFIO_COMPLAINT_SIZE 256

/*
 * What the log is told of one guest. A line is logged when it is not the one that was logged last,
 * or when that one had not occurred for a minute. What a guest can cause so are eight lines, and then
 * one in ten seconds.
 */
struct oriel_vfio_complaints {
	const char *guest_name; /* borrowed */
	char last[ORIEL_VFIO_COMPLAINT_SIZE]; /* as logged last */
	uint64_t last_ns; /* when that last occurred */
	unsigned int left; /* lines that may be logged now */
	uint64_t refilled_ns;
	unsigned int held_back; /* since the last line */
};

void oriel_vfio_complaints_init(
		struct oriel_vfio_complaints *complaints, const char *guest_name, uint64_t now_ns);

/* The line is "guest NAME: " and this. */
void oriel_vfio_complain(struct oriel_vfio_complaints *complaints, uint64_t now_ns,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Polls in a row that went wrong in the same way. Most of what can go wrong is over by the next
 * poll; what is not after a second, and ten polls, stays.
 */
struct oriel_vfio_row {
	uint64_t since_ns; /* while polls > 0 */
	unsigned int polls;
};

/* One more poll. True if it stays. */
bool oriel_vfio_row_add(struct oriel_vfio_row *row, uint64_t now_ns);
/* It is over. */
void oriel_vfio_row_end(struct oriel_vfio_row *row);

/* One more poll in which what has failed with error, a -errno: told of if it stays. */
void oriel_vfio_complain_if_row(struct oriel_vfio_complaints *complaints,
		struct oriel_vfio_row *row, uint64_t now_ns, const char *what, int error);

#endif
