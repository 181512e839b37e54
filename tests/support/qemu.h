#ifndef TESTS_SUPPORT_QEMU_H
#define TESTS_SUPPORT_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program.h"
#include "screenshot.h"

struct fixture;
struct json_object;

/*
 * A real QEMU, emulating a machine whose displays it offers by D-Bus. It has a QMP monitor for oriel, at a
 * path, and one for the test; and where the guest is the Linux of tests/guests/linux.h, a port that
 * the guest speaks to the test on.
 *
 * Whatever waits here steps the fixture's event loop, if there is one and oriel runs in it, and fails
 * the test after FIXTURE_PATIENCE_S or when QEMU ends unasked.
 */
struct qemu {
	struct fixture *fixture; /* may be NULL */
	struct program program; /* its pid is -1 while it does not run */
	char folder[64]; /* of its files */
	char monitor_path[80]; /* for oriel: the same one after a restart */
	char display_options[128]; /* more of -display dbus, with a comma before each */
	/*
	 * For qemu_start(): options for oriel-qemu(1), which end with NULL; NULL: QEMU is run without it.
	 * With it the display and oriel's monitor are left to it, and the oriel that it asks has to be
	 * there before.
	 */
	const char *const *runner_options;
	bool has_runner; /* the program is oriel-qemu */
	struct qemu_stream {
		int fd; /* -1: none */
		char *text; /* all that has come, with a NUL behind it */
		size_t length;
		size_t taken; /* of it, whole lines */
	} monitor, guest;
	char *events; /* names of QMP's events, a line each, that nobody has waited for yet */
};

enum qemu_guest {
	QEMU_GUEST_BOOT, /* the boot sector of tests/guests/boot.h */
	QEMU_GUEST_GPU, /* the one of tests/guests/gpu.h */
	QEMU_GUEST_LINUX, /* the Linux of tests/guests/linux.h */
};

/* Skips the test, with the reason, where no QEMU can run, or this guest cannot. */
void qemu_require(enum qemu_guest guest);

/* Makes a folder for its files. Nothing runs yet. */
void qemu_init(struct qemu *qemu, struct fixture *fixture);
/* Kills it if it runs, and removes its files. */
void qemu_finish(struct qemu *qemu);

/*
 * Starts a machine with that guest, and with these arguments, which end with NULL. What Linux does
 * there is heard of by qemu_wait_for_line().
 */
void qemu_start(struct qemu *qemu, enum qemu_guest guest, const char *const arguments[]);

/*
 * Sends a QMP command, in which ' stands for ", and returns what it returned, for json_object_put().
 * An error fails the test.
 */
struct json_object *qemu_execute(struct qemu *qemu, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
/* Likewise, for commands that return nothing. */
void qemu_do(struct qemu *qemu, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for an event that has not been waited for before. */
void qemu_wait_for_event(struct qemu *qemu, const char *name);
/* Forgets those that have come. */
void qemu_drop_events(struct qemu *qemu);

/* Types a key, by its name as of QMP's QKeyCode, past oriel. */
void qemu_type(struct qemu *qemu, const char *qcode);

/* What a head of a device shows, as QEMU has it; device is its id, or NULL for the only one. */
struct screenshot qemu_screendump(struct qemu *qemu, const char *device, int head);

/* Waits for a line of the guest's that has not been taken, and takes it and all before it. */
void qemu_wait_for_line(struct qemu *qemu, const char *line);
/* True once there is such a line; nothing is taken. Does not wait. */
bool qemu_has_line(struct qemu *qemu, const char *line);
/* What the guest has said and nobody has taken. Valid until more is read. */
const char *qemu_get_lines(const struct qemu *qemu);
void qemu_drop_lines(struct qemu *qemu);
/* Sends a command to the guest, and takes all until it has carried it out. */
void qemu_command(struct qemu *qemu, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Waits until done() is true. */
void qemu_wait_until(struct qemu *qemu, bool (*done)(struct qemu *qemu, void *data), void *data);
/* One turn of that: steps oriel, and reads what QEMU and the guest have said. */
void qemu_step(struct qemu *qemu);

/* How many fds of the test's process are its own. */
int qemu_count_fds(const struct qemu *qemu);

/* Kills it as the kernel might. */
void qemu_kill(struct qemu *qemu);
/* Waits until it has ended by itself, which the test has caused; fails the test if not with 0. */
void qemu_wait_for_end(struct qemu *qemu);

#endif
