#ifndef TESTS_UNIT_LOG_LINES_H
#define TESTS_UNIT_LOG_LINES_H

/*
 * Takes over wlr_log(), and keeps the lines that are errors from being printed: they are counted
 * from here on.
 */
void log_lines_init(void);

unsigned int log_lines_get_count(void);

/* The last one, or "". */
const char *log_lines_get_last(void);

#endif
