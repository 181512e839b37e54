#ifndef SB_INFO_REPORT_H
#define SB_INFO_REPORT_H

#include <stdbool.h>

/*
 * The form of what sb-info prints: headings, and below each of them lines of a question and its
 * answer. Whether standard output takes it all is seen at the end, by main().
 */
void report_heading(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_line(const char *question, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "yes", or "no: " and why not. */
void report_answer(const char *question, bool yes, const char *why_not);

#endif
