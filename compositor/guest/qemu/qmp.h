#ifndef ORIEL_GUEST_QEMU_QMP_H
#define ORIEL_GUEST_QEMU_QMP_H

#include <stdbool.h>

struct json_object;
struct wl_event_loop;

/*
 * A connection to the QMP monitor of one QEMU, served by the event loop. Nothing in it waits.
 *
 * What comes is hostile: of one message, its bytes and how deep it is nested are bounded, and what is
 * no QMP ends the connection. Of what goes there is one command at a time, as QEMU keeps the file that
 * came last: the others wait until it is answered.
 */
struct oriel_qmp;

#define ORIEL_QMP_REASON_SIZE 128

struct oriel_qmp_handler {
	/* QEMU takes commands now. */
	void (*ready)(void *data);
	/* details is an object, borrowed, or NULL. The name is QEMU's word. */
	void (*event)(void *data, const char *name, struct json_object *details);
	/*
	 * The connection has ended; commands without an answer get none. reason says what was wrong
	 * with what came, in words that follow "QMP: "; NULL: nothing was, the other side has closed it.
	 * Called once, from the event loop; qmp may be destroyed in it, and in the others.
	 */
	void (*closed)(void *data, const char *reason);
};

/* result: what the command returns, borrowed. NULL: it failed, and error says why in QEMU's words. */
typedef void (*oriel_qmp_done)(void *data, struct json_object *result, const char *error);

/*
 * Speaks QMP on take_fd, a connected stream socket, whose flags stay as they are. It is consumed in
 * every case. NULL if memory ran out.
 */
struct oriel_qmp *oriel_qmp_create(struct wl_event_loop *loop, int take_fd,
		const struct oriel_qmp_handler *handler, void *data);

/* NULL is fine. Commands without an answer are forgotten. */
void oriel_qmp_destroy(struct oriel_qmp *qmp);

/* QEMU has said what it is, and so is there: it takes one client at a time, and lets others wait. */
bool oriel_qmp_was_greeted(const struct oriel_qmp *qmp);

/*
 * Has QEMU execute a command, whose arguments (NULL: none) are consumed in every case, as is a file
 * that goes with it (-1: none). done is called once, if the connection lasts. False if memory ran out
 * or too many commands wait: then it is not.
 */
bool oriel_qmp_execute(struct oriel_qmp *qmp, const char *command,
		struct json_object *take_arguments, int take_fd, oriel_qmp_done done, void *data);

#endif
