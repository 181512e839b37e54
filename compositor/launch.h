#ifndef ORIEL_LAUNCH_H
#define ORIEL_LAUNCH_H

#include <stdbool.h>
#include <sys/resource.h>

/*
 * Lets this process have as many files open as it may: each client and each guest can make it hold
 * hundreds. *ret_before is the limit there was.
 */
void oriel_launch_raise_files(struct rlimit *ret_before);

/*
 * Runs command with /bin/sh, in a process session of its own, and never hears of it again. It
 * inherits standard input, output and error and the environment, and has that limit of open files:
 * programs that use select(2) break with a higher one than they were started with. False after one
 * log line.
 */
bool oriel_launch(const char *command, const struct rlimit *files);

#endif
