#include "doctor/report.h"

#include <assert.h>
#include <stdarg.h>

static const char *const level_names[] = {
	[ORIEL_DOCTOR_OK] = "ok",
	[ORIEL_DOCTOR_NOTE] = "note",
	[ORIEL_DOCTOR_WARNING] = "warning",
	[ORIEL_DOCTOR_MISSING] = "missing",
};

static void text_write(char *text, size_t size, const char *format, va_list args) {
	vsnprintf(text, size, format, args);
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			*c = '?';
		}
	}
}

void oriel_doctor_report_add(struct oriel_doctor_report *report, enum oriel_doctor_level level,
		const char *subject, const char *format, ...) {
	assert(report->count < ORIEL_DOCTOR_FINDINGS_MAX);
	struct oriel_doctor_finding *finding = &report->findings[report->count++];
	*finding = (struct oriel_doctor_finding){ .level = level, .subject = subject };
	va_list args;
	va_start(args, format);
	text_write(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}

void oriel_doctor_report_advise(struct oriel_doctor_report *report, const char *format, ...) {
	assert(report->count > 0);
	struct oriel_doctor_finding *finding = &report->findings[report->count - 1];
	va_list args;
	va_start(args, format);
	text_write(finding->advice, sizeof(finding->advice), format, args);
	va_end(args);
}

size_t oriel_doctor_report_count(
		const struct oriel_doctor_report *report, enum oriel_doctor_level level) {
	size_t count = 0;
	for (size_t i = 0; i < report->count; i++) {
		count += report->findings[i].level == level;
	}
	return count;
}

void oriel_doctor_report_print(const struct oriel_doctor_report *report, FILE *file) {
	for (size_t i = 0; i < report->count; i++) {
		const struct oriel_doctor_finding *finding = &report->findings[i];
		fprintf(file, "%-8s %-14s %s\n", level_names[finding->level], finding->subject,
				finding->text);
		if (finding->advice[0] != '\0') {
			fprintf(file, "%-8s %-14s %s\n", "", "", finding->advice);
		}
	}
}
