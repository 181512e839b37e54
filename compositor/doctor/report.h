#ifndef ORIEL_DOCTOR_REPORT_H
#define ORIEL_DOCTOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * What a doctor has found, in order: a line for each thing that was looked at, and below it what to
 * do about it. Needs no memory but its own, so that nothing of it can fail.
 */

enum oriel_doctor_level {
	ORIEL_DOCTOR_OK,
	ORIEL_DOCTOR_NOTE, /* worth knowing, nothing is wrong */
	ORIEL_DOCTOR_WARNING, /* guests are shown all the same, in a lesser way */
	ORIEL_DOCTOR_MISSING, /* nothing is shown without it */
};

#define ORIEL_DOCTOR_FINDINGS_MAX 32

struct oriel_doctor_finding {
	enum oriel_doctor_level level;
	const char *subject; /* lives as long as the program */
	char text[320];
	char advice[480]; /* empty if there is nothing to do */
};

struct oriel_doctor_report {
	struct oriel_doctor_finding findings[ORIEL_DOCTOR_FINDINGS_MAX];
	size_t count;
};

/*
 * Adds a finding. What is too long is cut, and control characters, which may come from any program
 * or file, are replaced. There must be room for it.
 */
void oriel_doctor_report_add(struct oriel_doctor_report *report, enum oriel_doctor_level level,
		const char *subject, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What to do about the finding that was added last. */
void oriel_doctor_report_advise(struct oriel_doctor_report *report, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

/* How many findings there are of a level. */
size_t oriel_doctor_report_count(
		const struct oriel_doctor_report *report, enum oriel_doctor_level level);

/* Writes it all to file. Whether the file takes it is for the caller to ask. */
void oriel_doctor_report_print(const struct oriel_doctor_report *report, FILE *file);

#endif
