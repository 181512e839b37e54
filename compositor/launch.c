#include "launch.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wlr/util/log.h>

void oriel_launch_raise_files(struct rlimit *ret_before) {
	/* Neither fails: what is asked for is this process's to have. */
	getrlimit(RLIMIT_NOFILE, ret_before);
	const struct rlimit raised = {
		.rlim_cur = ret_before->rlim_max,
		.rlim_max = ret_before->rlim_max,
	};
	setrlimit(RLIMIT_NOFILE, &raised);
}

/* In the forked child: only async-signal-safe calls. */
static void child_exec(const char *command, const struct rlimit *files) {
	setsid();
	setrlimit(RLIMIT_NOFILE, files);
	/* The event loop keeps the signals that it handles blocked. */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A child of init's from here, so that nobody must wait for it. */
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "/bin/sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	_exit(pid < 0 ? 1 : 0);
}

bool oriel_launch(const char *command, const struct rlimit *files) {
	pid_t pid = fork();
	if (pid < 0) {
		wlr_log_errno(WLR_ERROR, "cannot run '%s'", command);
		return false;
	}
	if (pid == 0) {
		child_exec(command, files);
	}
	int status;
	pid_t waited;
	do {
		waited = waitpid(pid, &status, 0);
	} while (waited < 0 && errno == EINTR);
	if (waited != pid || status != 0) {
		wlr_log(WLR_ERROR, "cannot run '%s'", command);
		return false;
	}
	return true;
}
