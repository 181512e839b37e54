#ifndef ORIEL_QEMU_MACHINE_H
#define ORIEL_QEMU_MACHINE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * QEMU's process. It is there, to be handed over, before it runs:
 *
 *	machine_start       machine_release        it ends
 *	------------> held -----------------> runs --------> machine_wait
 *	                 \
 *	                  +--- machine_drop
 */
struct machine {
	pid_t pid;
	int process_fd; /* pidfd; readable once it has ended */
	int hold_fd; /* of a pipe from which it reads whether it may run; -1 when it has been told */
};

/*
 * Starts the process, which is to run argv with inherited_fd open, and with the signal mask mask.
 * False after one line on stderr.
 */
bool machine_start(struct machine *machine, char *const argv[], int inherited_fd,
		const sigset_t *mask);
void machine_release(struct machine *machine);
/* It never runs, and is gone. */
void machine_drop(struct machine *machine);

void machine_signal(const struct machine *machine, int signal_number);

/* Waits for its end. Its exit status, or 128 and the signal that ended it, as a shell has it. */
int machine_wait(struct machine *machine);

#endif
