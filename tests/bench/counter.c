#include "counter.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

/* After the headers that it needs. */
#include <cmocka.h>

#if HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

static struct {
	enum counter_kind kind;
	uint64_t began; /* icount */
	unsigned int dumps; /* callgrind's files */
} counter;

/* Dump number n is in a file of this name with .n at its end. */
static const char *counter_get_path(void) {
	static char path[256];
	const char *folder = getenv("TMPDIR");
	snprintf(path, sizeof(path), "%s/bench_sync.callgrind", folder != NULL ? folder : "/tmp");
	return path;
}

static bool counter_start_callgrind(char *argv[]) {
	if (RUNNING_ON_VALGRIND) {
		return true;
	}
	if (!HAVE_CALLGRIND) {
		printf("1..0 # SKIP built without valgrind/callgrind.h\n");
		return false;
	}
	char out_option[300];
	snprintf(out_option, sizeof(out_option), "--callgrind-out-file=%s", counter_get_path());
	execlp("valgrind", "valgrind", "--quiet", "--tool=callgrind", "--collect-atstart=no",
			out_option, argv[0], NULL);
	printf("1..0 # SKIP valgrind does not start\n");
	return false;
}

bool counter_init(enum counter_kind kind, char *argv[]) {
	counter.kind = kind;
	return kind != COUNTER_CALLGRIND || counter_start_callgrind(argv);
}

enum counter_kind counter_get_kind(void) {
	return counter.kind;
}

void counter_begin(void) {
	if (counter.kind == COUNTER_CALLGRIND) {
		CALLGRIND_TOGGLE_COLLECT;
	} else {
		counter.began = __rdtsc();
	}
}

/* callgrind writes what it has counted to a new file, and begins again at 0. */
static uint64_t counter_read_dump(void) {
	CALLGRIND_DUMP_STATS_AT("frames");
	char path[280];
	snprintf(path, sizeof(path), "%s.%u", counter_get_path(), ++counter.dumps);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	char line[256];
	uint64_t count = UINT64_MAX;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "totals: %" SCNu64, &count) == 1) {
			break;
		}
	}
	fclose(file);
	unlink(path);
	assert_true(count < UINT64_MAX);
	return count;
}

uint64_t counter_end(void) {
	if (counter.kind == COUNTER_CALLGRIND) {
		CALLGRIND_TOGGLE_COLLECT;
		return counter_read_dump();
	}
	return __rdtsc() - counter.began;
}
