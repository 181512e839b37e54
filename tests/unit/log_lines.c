#include "log_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <wlr/util/log.h>

static struct {
	unsigned int count;
	char last[512];
} lines;

static void handle_log(enum wlr_log_importance importance, const char *format, va_list args) {
	if (importance == WLR_ERROR) {
		lines.count++;
		vsnprintf(lines.last, sizeof(lines.last), format, args);
	}
}

void log_lines_init(void) {
	lines.count = 0;
	lines.last[0] = '\0';
	wlr_log_init(WLR_ERROR, handle_log);
}

unsigned int log_lines_get_count(void) {
	return lines.count;
}

const char *log_lines_get_last(void) {
	return lines.last;
}
