#ifndef ORIEL_TOOLS_SAY_H
#define ORIEL_TOOLS_SAY_H

/* Each program's own: its name. */
extern const char say_program[];

/* One line on stderr, with the program's name before it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
