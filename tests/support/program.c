#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

static void stream_init(struct program_stream *stream, int take_fd) {
	*stream = (struct program_stream){ .fd = take_fd, .text = calloc(1, 1) };
	assert_non_null(stream->text);
}

static void stream_read(struct program_stream *stream) {
	char chunk[4096];
	ssize_t count = read(stream->fd, chunk, sizeof(chunk));
	if (count <= 0) {
		close(stream->fd);
		stream->fd = -1;
		return;
	}
	char *text = realloc(stream->text, stream->length + (size_t)count + 1);
	assert_non_null(text);
	memcpy(&text[stream->length], chunk, (size_t)count);
	stream->length += (size_t)count;
	text[stream->length] = '\0';
	stream->text = text;
}

static void child_exec(const char *const argv[], int out_fd, int err_fd, int death_signal) {
	/* However the test ends. */
	prctl(PR_SET_PDEATHSIG, death_signal);
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(null_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 &&
			dup2(err_fd, STDERR_FILENO) >= 0) {
		execvp(argv[0], (char *const *)argv);
	}
	_exit(127);
}

static void start(struct program *program, const char *const argv[], int death_signal) {
	int out[2], err[2];
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	/* Not posix_spawn(): the compositor's spawn.h stands before the system's. */
	program->pid = fork();
	assert_true(program->pid >= 0);
	if (program->pid == 0) {
		child_exec(argv, out[1], err[1], death_signal);
	}
	close(out[1]);
	close(err[1]);
	program->pid_fd = pidfd_open(program->pid, 0);
	assert_true(program->pid_fd >= 0);
	stream_init(&program->out, out[0]);
	stream_init(&program->err, err[0]);
}

void program_start(struct program *program, const char *const argv[]) {
	start(program, argv, SIGKILL);
}

void program_start_runner(struct program *program, const char *const argv[]) {
	start(program, argv, SIGTERM);
}

static long get_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void program_give_up(struct program *program, const char *what) {
	char *said = strdup(program->err.text);
	program_finish(program);
	fail_msg("%s; it said:\n%s", what, said);
}

/* Waits for more of either stream or, once both are at their ends, for the end. */
static void program_poll(struct program *program, long deadline_s) {
	bool is_open = program->out.fd >= 0 || program->err.fd >= 0;
	struct pollfd pollfds[] = {
		{ .fd = program->out.fd, .events = POLLIN },
		{ .fd = program->err.fd, .events = POLLIN },
		{ .fd = is_open ? -1 : program->pid_fd, .events = POLLIN },
	};
	long left_s = deadline_s - get_seconds();
	int ready = left_s > 0 ? poll(pollfds, 3, (int)left_s * 1000) : 0;
	if (ready == 0) {
		program_give_up(program, "what the test waits for does not happen");
	}
	if (pollfds[0].revents != 0) {
		stream_read(&program->out);
	}
	if (pollfds[1].revents != 0) {
		stream_read(&program->err);
	}
}

static void program_read_more(
		struct program *program, const struct program_stream *stream, long deadline_s) {
	if (stream->fd < 0) {
		program_give_up(program, "the program has ended");
	}
	program_poll(program, deadline_s);
}

void program_wait_for(struct program *program, const struct program_stream *stream, const char *text) {
	long deadline_s = get_seconds() + PROGRAM_PATIENCE_S;
	while (strstr(stream->text, text) == NULL) {
		program_read_more(program, stream, deadline_s);
	}
}

char *program_wait_for_line(
		struct program *program, const struct program_stream *stream, const char *text) {
	program_wait_for(program, stream, text);
	long deadline_s = get_seconds() + PROGRAM_PATIENCE_S;
	size_t start = (size_t)(strstr(stream->text, text) - stream->text) + strlen(text);
	while (strchr(&stream->text[start], '\n') == NULL) {
		program_read_more(program, stream, deadline_s);
	}
	return strndup(&stream->text[start], strcspn(&stream->text[start], "\n"));
}

void program_kill(struct program *program, int signal_number) {
	assert_int_equal(pidfd_send_signal(program->pid_fd, signal_number, NULL, 0), 0);
}

int program_wait(struct program *program) {
	long deadline_s = get_seconds() + PROGRAM_PATIENCE_S;
	siginfo_t info = { 0 };
	while (waitid(P_PID, (id_t)program->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
			(info.si_pid == 0 || program->out.fd >= 0 || program->err.fd >= 0)) {
		program_poll(program, deadline_s);
	}
	int status;
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	program->pid = -1;
	close(program->pid_fd);
	if (!WIFEXITED(status)) {
		fail_msg("ended by signal %d; it said:\n%s", WTERMSIG(status), program->err.text);
	}
	return WEXITSTATUS(status);
}

static void stream_finish(struct program_stream *stream) {
	if (stream->fd >= 0) {
		close(stream->fd);
	}
	free(stream->text);
}

void program_finish(struct program *program) {
	if (program->pid >= 0) {
		kill(program->pid, SIGKILL);
		waitpid(program->pid, NULL, 0);
		close(program->pid_fd);
	}
	stream_finish(&program->out);
	stream_finish(&program->err);
	*program = (struct program){ .pid = -1, .pid_fd = -1 };
	program->out.fd = program->err.fd = -1;
}
