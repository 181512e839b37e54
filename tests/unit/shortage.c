#include "shortage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	unsigned int calls;
	unsigned int fail_at; /* 0: none */
} memory;
static struct rlimit fd_limit;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);

static int memory_fails(void) {
	if (memory.fail_at == 0 || ++memory.calls != memory.fail_at) {
		return 0;
	}
	errno = ENOMEM;
	return 1;
}

void *__wrap_calloc(size_t count, size_t size) {
	return memory_fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *string) {
	return memory_fails() ? NULL : __real_strdup(string);
}

void shortage_of_memory_begin(unsigned int fail_at) {
	memory.calls = 0;
	memory.fail_at = fail_at;
}

unsigned int shortage_of_memory_end(void) {
	memory.fail_at = 0;
	return memory.calls;
}

void shortage_of_fds_begin(void) {
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &fd_limit), 0);
	int free_fd = dup(STDERR_FILENO);
	assert_true(free_fd >= 0);
	assert_int_equal(close(free_fd), 0);
	struct rlimit limit = { .rlim_cur = (rlim_t)free_fd, .rlim_max = fd_limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void shortage_of_fds_end(void) {
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &fd_limit), 0);
}
