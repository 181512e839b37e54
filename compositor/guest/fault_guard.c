#include "guest/fault_guard.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

/* A signal handler is given no data. */
static struct {
	bool active;
	uintptr_t begin, end;
	volatile sig_atomic_t faulted;
	struct sigaction previous;
} guard;

/* For who was there first, as if nobody else were. */
static void guard_pass_on(int signal_number, siginfo_t *info, void *context) {
	const struct sigaction *previous = &guard.previous;
	if (previous->sa_flags & SA_SIGINFO) {
		previous->sa_sigaction(signal_number, info, context);
	} else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
		previous->sa_handler(signal_number);
	} else {
		/* A fault cannot be ignored. Raised here, it comes when this handler returns. */
		const struct sigaction action = { .sa_handler = SIG_DFL };
		sigaction(signal_number, &action, NULL);
		raise(signal_number);
	}
}

static void guard_handle_signal(int signal_number, siginfo_t *info, void *context) {
	int saved_errno = errno;
	uintptr_t address = (uintptr_t)info->si_addr;
	/* Only a fault has an address; a signal that was sent has its sender's id in that place. */
	bool is_fault = info->si_code > 0;
	if (is_fault && address >= guard.begin && address < guard.end) {
		/* mmap() is a plain system call, if not one that POSIX lists for handlers. */
		void *map = mmap((void *)guard.begin, guard.end - guard.begin, PROT_READ,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (map != MAP_FAILED) {
			guard.faulted = 1;
			errno = saved_errno;
			return;
		}
	}
	errno = saved_errno;
	guard_pass_on(signal_number, info, context);
}

void oriel_fault_guard_begin(const void *map, size_t size_bytes) {
	assert(!guard.active);
	guard.active = true;
	guard.begin = (uintptr_t)map;
	guard.end = guard.begin + size_bytes;
	struct sigaction action = { .sa_sigaction = guard_handle_signal, .sa_flags = SA_SIGINFO };
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &guard.previous);
}

bool oriel_fault_guard_is_intact(void) {
	return guard.faulted == 0;
}

bool oriel_fault_guard_end(void) {
	assert(guard.active);
	sigaction(SIGBUS, &guard.previous, NULL);
	guard.active = false;
	bool intact = guard.faulted == 0;
	guard.faulted = 0;
	return intact;
}
