#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

/* A program in a process of its own, whose stdout and stderr a test reads. */
struct program {
	pid_t pid; /* -1 once it has ended */
	int pid_fd;
	struct program_stream {
		int fd; /* -1 at its end */
		char *text; /* all that has come, with a NUL behind it */
		size_t length;
	} out, err;
};

/* What never happens fails the test after this long, as in fixture.h. */
#define PROGRAM_PATIENCE_S 60

/*
 * Starts argv[0], looked up in PATH, with stdin at /dev/null and the environment of the test. argv
 * ends with NULL. One that cannot be run has exit status 127. A failure fails the test, here and
 * below, and ends the program.
 */
void program_start(struct program *program, const char *const argv[]);
/*
 * Likewise for one that passes SIGTERM on to another that it runs, as oriel-qemu(1) does: a test that
 * dies leaves neither. program_finish() kills it alone.
 */
void program_start_runner(struct program *program, const char *const argv[]);

/* Reads until stream, which is program->out or ->err, has got text in it. */
void program_wait_for(struct program *program, const struct program_stream *stream, const char *text);

/*
 * Likewise for a whole line with text in it. Returns what follows text in the first such line, for
 * free().
 */
char *program_wait_for_line(
		struct program *program, const struct program_stream *stream, const char *text);

/* Sends a signal. */
void program_kill(struct program *program, int signal_number);

/* Reads both streams to their ends, and returns the exit status. A death by signal fails. */
int program_wait(struct program *program);

/* Frees what was read; kills a program that was not waited for. */
void program_finish(struct program *program);

#endif
