#include "sleeper.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

static void *sleeper_main(void *data) {
	struct sleeper *sleeper = data;
	atomic_store(&sleeper->tid, gettid());
	sleeper->result = sleeper->run(sleeper->data);
	atomic_store(&sleeper->done, true);
	return NULL;
}

void sleeper_start(struct sleeper *sleeper, int (*run)(void *data), void *data) {
	*sleeper = (struct sleeper){ .run = run, .data = data };
	assert_int_equal(pthread_create(&sleeper->thread, NULL, sleeper_main, sleeper), 0);
}

/* "" once the thread has ended. */
static void read_task_file(pid_t tid, const char *name, char *text, size_t size) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	ssize_t length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, text, size - 1);
		close(fd);
	}
	text[length > 0 ? length : 0] = '\0';
}

/*
 * The state alone does not do: a thread that is about to sleep has it already, looks once more
 * whether there is a reason not to, and runs on. "syscall" is a number only while the thread is off
 * its CPU. That also happens in a page fault, where in turn the state is another one.
 */
static bool sleeper_is_asleep(const struct sleeper *sleeper) {
	pid_t tid = atomic_load(&sleeper->tid);
	if (tid == 0) {
		return false;
	}
	char text[512];
	read_task_file(tid, "syscall", text, sizeof(text));
	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	read_task_file(tid, "stat", text, sizeof(text));
	const char *name_end = strrchr(text, ')');
	return name_end != NULL && strncmp(name_end, ") S", 3) == 0;
}

bool sleeper_is_waiting(struct sleeper *sleeper) {
	for (;;) {
		if (atomic_load(&sleeper->done)) {
			return false;
		}
		if (sleeper_is_asleep(sleeper) && !atomic_load(&sleeper->done)) {
			return true;
		}
		sched_yield();
	}
}

static void handle_signal(int signal) {}

void sleeper_interrupt(struct sleeper *sleeper) {
	const struct sigaction action = { .sa_handler = handle_signal };
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_kill(sleeper->thread, SIGUSR1), 0);
}

int sleeper_join(struct sleeper *sleeper) {
	assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
	return sleeper->result;
}
