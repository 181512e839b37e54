#ifndef ORIEL_GUEST_DRIVERS_VFIO_ROW_H
#define ORIEL_GUEST_DRIVERS_VFIO_ROW_H

#include <stdbool.h>
#include <stdint.h>

struct oriel_complaints;

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
void oriel_vfio_row_complain(struct oriel_vfio_row *row, struct oriel_complaints *complaints,
		uint64_t now_ns, const char *what, int error);

#endif
