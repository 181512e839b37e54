#ifndef ORIEL_GUEST_COMPLAINTS_H
#define ORIEL_GUEST_COMPLAINTS_H

#include <stdint.h>

#define ORIEL_COMPLAINT_SIZE 256

/*
 * What the log is told of one guest. A line is logged when it is not the one that was logged last,
 * or when that one had not occurred for a minute. What a guest can cause so are eight lines, and then
 * one in ten seconds.
 */
struct oriel_complaints {
	const char *guest_name; /* borrowed */
	char last[ORIEL_COMPLAINT_SIZE]; /* as logged last */
	uint64_t last_ns; /* when that last occurred */
	unsigned int left; /* lines that may be logged now */
	uint64_t refilled_ns;
	unsigned int held_back; /* since the last line */
};

void oriel_complaints_init(
		struct oriel_complaints *complaints, const char *guest_name, uint64_t now_ns);

/* The line is "guest NAME: " and this, whose control characters become a '?' each. */
void oriel_complain(struct oriel_complaints *complaints, uint64_t now_ns, const char *format, ...)
		__attribute__((format(printf, 3, 4)));

#endif
