#include "guest/cpu_access.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/sync_file.h>

#include "fd.h"

/*
 * Between looking for a pending writer and the ioctl that would wait for it, one may come. It is
 * not in our power to close that gap, only to leave the wait again: a timer sends a signal to this
 * thread, which interrupts it. The timer repeats, so that a signal that comes just before the
 * wait begins is not the last one.
 *
 * SIGURG is ignored by default, and nothing here uses it for what it was made for.
 */
#define WATCHDOG_SIGNAL SIGURG
#define WATCHDOG_PERIOD_NS 2000000

/* The one timer, of the one thread that reads guests' buffers: the main thread. */
static struct {
	bool tried;
	bool made;
	timer_t timer;
} watchdog;

static void watchdog_handle_signal(int signal_number) {
	/* To be interrupted is all. */
}

/* False if there can be none: then nothing that may wait is called. */
static bool watchdog_make(void) {
	if (watchdog.tried) {
		return watchdog.made;
	}
	watchdog.tried = true;
	struct sigaction action = { .sa_handler = watchdog_handle_signal };
	sigemptyset(&action.sa_mask);
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = WATCHDOG_SIGNAL,
		._sigev_un._tid = gettid(),
	};
	watchdog.made = sigaction(WATCHDOG_SIGNAL, &action, NULL) == 0 &&
			timer_create(CLOCK_MONOTONIC, &event, &watchdog.timer) == 0;
	return watchdog.made;
}

static void watchdog_set(long period_ns) {
	struct itimerspec when = {
		.it_value.tv_nsec = period_ns,
		.it_interval.tv_nsec = period_ns,
	};
	timer_settime(watchdog.timer, 0, &when, NULL);
}

static bool has_pending_writer(int dmabuf_fd) {
	int sync_file_fd;
	if (sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &sync_file_fd) != 0) {
		return true;
	}
	bool pending = sb_sync_file_wait(sync_file_fd, 0) != 0;
	sb_fd_clear(&sync_file_fd);
	return pending;
}

int oriel_cpu_access_begin(int dmabuf_fd) {
	if (has_pending_writer(dmabuf_fd) || !watchdog_make()) {
		return -EBUSY;
	}
	watchdog_set(WATCHDOG_PERIOD_NS);
	int err = sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_READ);
	watchdog_set(0);
	return err == -EINTR ? -EBUSY : err;
}

void oriel_cpu_access_end(int dmabuf_fd) {
	sb_dmabuf_end_cpu_access(dmabuf_fd, SB_ACCESS_READ);
}
