#ifndef ORIEL_DOCTOR_RUN_H
#define ORIEL_DOCTOR_RUN_H

#include <stddef.h>

/* How a program has ended. */
enum oriel_doctor_end {
	ORIEL_DOCTOR_END_NOT_RUN, /* nobody has tried */
	ORIEL_DOCTOR_END_EXIT,
	ORIEL_DOCTOR_END_SIGNAL,
	ORIEL_DOCTOR_END_NOT_STARTED,
	ORIEL_DOCTOR_END_TIMEOUT, /* it did not end in time, and was killed */
};

/* The first that it printed, each with a NUL behind it; the rest is read and forgotten. */
#define ORIEL_DOCTOR_OUTPUT_MAX 16384

struct oriel_doctor_run {
	enum oriel_doctor_end end;
	int status; /* the exit status, the signal's number or, if it was not started, errno */
	char out[ORIEL_DOCTOR_OUTPUT_MAX];
	char err[ORIEL_DOCTOR_OUTPUT_MAX];
};

/*
 * Runs argv[0], a path, with the arguments that follow up to NULL, and waits until it ends, for
 * timeout_ms at most. input, a few hundred bytes at most, is its standard input. It is in the C
 * locale and in a process group of its own, which is killed whole in the end, and it dies with the
 * caller. Needs SIGPIPE to be ignored.
 */
void oriel_doctor_run(struct oriel_doctor_run *run, const char *const argv[], const char *input,
		int timeout_ms);

/*
 * The last line that it printed to standard error, or else to standard output, that is not empty.
 * Written to line, cut to size; empty if there is none.
 */
void oriel_doctor_run_get_last_line(const struct oriel_doctor_run *run, char *line, size_t size);

#endif
