#include "doctor/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "guest/clock.h"

/* One of the child's three standard files. */
struct pipe {
	int read_fd, write_fd;
};

struct stream {
	int fd; /* -1 at its end */
	char *text;
	size_t length;
};

static int64_t get_now_ms(void) {
	return (int64_t)(oriel_clock_now_ns() / 1000000);
}

static bool pipe_open(struct pipe *pipe) {
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0) {
		return false;
	}
	*pipe = (struct pipe){ .read_fd = fds[0], .write_fd = fds[1] };
	return true;
}

static void pipe_close(struct pipe *pipe) {
	sb_fd_clear(&pipe->read_fd);
	sb_fd_clear(&pipe->write_fd);
}

/* In the forked child, which has one thread as its parent has. failed_fd takes an errno. */
static void child_exec(
		const char *const argv[], const struct pipe pipes[3], int failed_fd, pid_t parent) {
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	/* What it says of errors is printed beside our own English. */
	setenv("LC_ALL", "C", true);
	if (getppid() == parent && dup2(pipes[0].read_fd, STDIN_FILENO) >= 0 &&
			dup2(pipes[1].write_fd, STDOUT_FILENO) >= 0 &&
			dup2(pipes[2].write_fd, STDERR_FILENO) >= 0) {
		execv(argv[0], (char *const *)argv);
	}
	int error = errno;
	(void)!write(failed_fd, &error, sizeof(error));
	_exit(127);
}

static void stream_read(struct stream *stream) {
	char chunk[4096];
	ssize_t count = read(stream->fd, chunk, sizeof(chunk));
	if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
		return;
	}
	if (count <= 0) {
		stream->fd = -1;
		return;
	}
	size_t room = ORIEL_DOCTOR_OUTPUT_MAX - 1 - stream->length;
	size_t kept = (size_t)count < room ? (size_t)count : room;
	memcpy(&stream->text[stream->length], chunk, kept);
	stream->length += kept;
	stream->text[stream->length] = '\0';
}

/*
 * Reads both streams until the process has ended, or until time is up. What the process leaves
 * running may hold the streams open, so that their ends are not waited for.
 */
static bool wait_for_end(int process_fd, struct stream streams[2], int timeout_ms) {
	int64_t deadline_ms = get_now_ms() + timeout_ms;
	for (;;) {
		int64_t left_ms = deadline_ms - get_now_ms();
		struct pollfd pollfds[] = {
			{ .fd = streams[0].fd, .events = POLLIN },
			{ .fd = streams[1].fd, .events = POLLIN },
			{ .fd = process_fd, .events = POLLIN },
		};
		if (left_ms <= 0 || (poll(pollfds, 3, (int)left_ms) < 0 && errno != EINTR)) {
			return false;
		}
		for (int i = 0; i < 2; i++) {
			if (pollfds[i].revents != 0) {
				stream_read(&streams[i]);
			}
		}
		/* All that it wrote before it ended was there at this poll, or is read by the next. */
		if (pollfds[2].revents != 0 && pollfds[0].revents == 0 && pollfds[1].revents == 0) {
			return true;
		}
	}
}

/* The child is there, and its ends of the pipes are closed here. */
static void run_watch(struct oriel_doctor_run *run, pid_t pid, int process_fd,
		const struct pipe pipes[3], int timeout_ms) {
	struct stream streams[] = {
		{ .fd = pipes[1].read_fd, .text = run->out },
		{ .fd = pipes[2].read_fd, .text = run->err },
	};
	bool has_ended = process_fd >= 0 && wait_for_end(process_fd, streams, timeout_ms);
	/* Before it is waited for: until then the number is its own. */
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	int status;
	pid_t waited;
	do {
		waited = waitpid(pid, &status, 0);
	} while (waited < 0 && errno == EINTR);
	if (!has_ended) {
		run->end = ORIEL_DOCTOR_END_TIMEOUT;
	} else if (waited == pid && WIFEXITED(status)) {
		run->end = ORIEL_DOCTOR_END_EXIT;
		run->status = WEXITSTATUS(status);
	} else {
		run->end = ORIEL_DOCTOR_END_SIGNAL;
		run->status = waited == pid ? WTERMSIG(status) : 0;
	}
}

void oriel_doctor_run(struct oriel_doctor_run *run, const char *const argv[], const char *input,
		int timeout_ms) {
	memset(run, 0, sizeof(*run));
	run->end = ORIEL_DOCTOR_END_NOT_STARTED;
	/* The fourth tells that exec has failed, and is closed by one that has not. */
	struct pipe pipes[4] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	for (int i = 0; i < 4; i++) {
		if (!pipe_open(&pipes[i])) {
			run->status = errno;
			goto out;
		}
	}
	/* It fits into the pipe, whether the child reads it or not. */
	(void)!write(pipes[0].write_fd, input, strlen(input));
	sb_fd_clear(&pipes[0].write_fd);

	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		child_exec(argv, pipes, pipes[3].write_fd, parent);
	}
	if (pid < 0) {
		run->status = errno;
		goto out;
	}
	/* Here and in the child, whichever is first: before the group is killed it has to be there. */
	setpgid(pid, pid);
	int process_fd = pidfd_open(pid, 0);
	sb_fd_clear(&pipes[1].write_fd);
	sb_fd_clear(&pipes[2].write_fd);
	sb_fd_clear(&pipes[3].write_fd);
	run_watch(run, pid, process_fd, pipes, timeout_ms);
	sb_fd_clear(&process_fd);
	int error;
	if (run->end == ORIEL_DOCTOR_END_EXIT &&
			read(pipes[3].read_fd, &error, sizeof(error)) == sizeof(error)) {
		run->end = ORIEL_DOCTOR_END_NOT_STARTED;
		run->status = error;
	}
out:
	for (int i = 0; i < 4; i++) {
		pipe_close(&pipes[i]);
	}
}

/* The last line of text that is not empty: its length, and where it begins. */
static size_t find_last_line(const char *text, const char **ret_line) {
	size_t end = strlen(text);
	while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r')) {
		end--;
	}
	size_t start = end;
	while (start > 0 && text[start - 1] != '\n') {
		start--;
	}
	*ret_line = &text[start];
	return end - start;
}

void oriel_doctor_run_get_last_line(const struct oriel_doctor_run *run, char *line, size_t size) {
	const char *found;
	size_t length = find_last_line(run->err, &found);
	if (length == 0) {
		length = find_last_line(run->out, &found);
	}
	snprintf(line, size, "%.*s", (int)length, found);
}
