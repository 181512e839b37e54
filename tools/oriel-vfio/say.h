#ifndef ORIEL_VFIO_SAY_H
#define ORIEL_VFIO_SAY_H

/* One line on stderr, with the program's name before it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
