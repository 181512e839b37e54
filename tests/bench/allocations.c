#include "allocations.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

static uint64_t allocations;

/* POSIX, unlike ISO C, lets a function be found by dlsym(); so the way round by a union. */
union allocator {
	void *symbol;
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *memory, size_t size);
};

static union allocator allocator_find(const char *name) {
	union allocator found = { .symbol = dlsym(RTLD_NEXT, name) };
	if (found.symbol == NULL) {
		abort();
	}
	return found;
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
	static union allocator next;
	if (next.symbol == NULL) {
		next = allocator_find("malloc");
	}
	allocations++;
	return next.malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size) {
	static union allocator next;
	if (next.symbol == NULL) {
		next = allocator_find("calloc");
	}
	allocations++;
	return next.calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size) {
	static union allocator next;
	if (next.symbol == NULL) {
		next = allocator_find("realloc");
	}
	allocations++;
	return next.realloc(memory, size);
}

uint64_t allocations_count(void) {
	return allocations;
}
