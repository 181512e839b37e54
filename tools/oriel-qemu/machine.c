#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "say.h"

/* As a shell has it. */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127
#define STATUS_SIGNAL 128

/* Waits for the word of its parent, or the end of that. */
static bool child_may_run(int hold_fd) {
	char byte;
	ssize_t count;
	do {
		count = read(hold_fd, &byte, 1);
	} while (count < 0 && errno == EINTR);
	return count == 1;
}

static _Noreturn void child_run(
		char *const argv[], int inherited_fd, int hold_fd, const sigset_t *mask) {
	if (!child_may_run(hold_fd)) {
		_exit(EXIT_FAILURE);
	}
	if (fcntl(inherited_fd, F_SETFD, 0) != 0) {
		say("cannot pass a file on: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	int error = errno;
	say("cannot run %s: %s", argv[0], strerror(error));
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

bool machine_start(struct machine *machine, char *const argv[], int inherited_fd,
		const sigset_t *mask) {
	*machine = (struct machine){ .process_fd = -1, .hold_fd = -1 };
	int hold[2];
	if (pipe2(hold, O_CLOEXEC) != 0) {
		say("no pipe: %s", strerror(errno));
		return false;
	}
	/* We may have been started with it ignored: then the status of a child is lost, here and in QEMU. */
	signal(SIGCHLD, SIG_DFL);
	machine->pid = fork();
	if (machine->pid == 0) {
		close(hold[1]);
		child_run(argv, inherited_fd, hold[0], mask);
	}
	sb_fd_clear(&hold[0]);
	machine->hold_fd = hold[1];
	if (machine->pid < 0) {
		say("no process: %s", strerror(errno));
		sb_fd_clear(&machine->hold_fd);
		return false;
	}
	machine->process_fd = pidfd_open(machine->pid, 0);
	if (machine->process_fd < 0) {
		say("no pidfd: %s", strerror(errno));
		machine_drop(machine);
		return false;
	}
	return true;
}

/* One that was killed meanwhile has nobody to read it. */
void machine_release(struct machine *machine) {
	while (write(machine->hold_fd, "", 1) < 0 && errno == EINTR) {
	}
	sb_fd_clear(&machine->hold_fd);
}

void machine_drop(struct machine *machine) {
	sb_fd_clear(&machine->hold_fd);
	machine_wait(machine);
}

void machine_signal(const struct machine *machine, int signal_number) {
	pidfd_send_signal(machine->process_fd, signal_number, NULL, 0);
}

int machine_wait(struct machine *machine) {
	int status = 0;
	while (waitpid(machine->pid, &status, 0) < 0 && errno == EINTR) {
	}
	sb_fd_clear(&machine->process_fd);
	return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
