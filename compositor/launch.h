#ifndef ORIEL_LAUNCH_H
#define ORIEL_LAUNCH_H

#include <stdbool.h>

/*
 * Runs command with /bin/sh, in a process session of its own, and never hears of it again. It
 * inherits standard input, output and error and the environment. False after one log line.
 */
bool oriel_launch(const char *command);

#endif
