#include "report.h"

#include <stdarg.h>
#include <stdio.h>

void report_heading(const char *format, ...) {
	putchar('\n');
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void report_line(const char *question, const char *format, ...) {
	printf("\t%-25s ", question);
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void report_answer(const char *question, bool yes, const char *why_not) {
	if (yes) {
		report_line(question, "yes");
	} else {
		report_line(question, "no: %s", why_not);
	}
}
