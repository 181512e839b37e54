#include "say.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *format, ...) {
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", say_program, text);
}
