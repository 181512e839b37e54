#ifndef ORIEL_QEMU_COMMAND_H
#define ORIEL_QEMU_COMMAND_H

#include <stdbool.h>

/* The command line of QEMU: what has to be in it, and what must not. Pure functions, but for memory. */

#define COMMAND_REASON_SIZE 256

/* QEMU's argument vector with what the display needs. */
struct command {
	char **argv; /* ends with NULL */
	char chardev[64];
};

/*
 * Whether oriel can show what the command runs. argv ends with NULL. False after writing why not to
 * reason, in one line without a full stop.
 */
bool command_check(char *const argv[], bool wants_gl, char reason[COMMAND_REASON_SIZE]);

/*
 * Adds -display dbus, if argv has none, and a QMP monitor that listens on an inherited socket. The
 * strings of argv are borrowed. False if memory ran out; then command needs no finish.
 */
bool command_init(struct command *command, char *const argv[], bool wants_gl, int monitor_fd);
void command_finish(struct command *command);

#endif
