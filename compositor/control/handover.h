#ifndef ORIEL_CONTROL_HANDOVER_H
#define ORIEL_CONTROL_HANDOVER_H

#include <stdbool.h>

#include "guest/source.h"

struct wl_event_loop;

/*
 * The guests whose devices, or connections to QEMU, were handed over: each has a process, which is
 * the virtual machine, and ends with it. A guest that was made for a hand-over stays, so that the
 * next machine of its name finds its place again:
 *
 *	     add                     the process ends
 *	(none) ------> has a machine -----------------> has none ---> (none)
 *	                    ^                               |   when there is no room, or
 *	                    +-------------------------------+   when it never showed anything
 *	                                  add
 */

/* So many guests are made for hand-overs. The one that ended first makes room for one more. */
#define ORIEL_HANDOVER_GUESTS_MAX 16

#define ORIEL_HANDOVER_REASON_SIZE 256

struct oriel_handover_request {
	enum oriel_source_handover kind;
	const char *name; /* of the guest */
	const char *output_name; /* may be NULL */
};

/* What there is to show guests. */
struct oriel_handover_host {
	/* The display of the guest of that name, however it came to be there; NULL: there is none. */
	struct oriel_source *(*find_guest)(void *data, const char *name);
	/*
	 * Makes a guest whose source takes a hand-over of that kind. NULL after one log line. It
	 * stays until remove_guest().
	 */
	struct oriel_source *(*add_guest)(void *data, const struct oriel_handover_request *request);
	/*
	 * The machine of that guest, which is VFIO's, can have its input by a connection to its
	 * QMP monitor. Takes it in every case, and whether that is used or not is the host's business.
	 */
	void (*give_input)(void *data, struct oriel_source *source, int take_monitor_fd);
	/* A guest that add_guest() made has its machine, and whoever started that wants to see it. */
	void (*present_guest)(void *data, struct oriel_source *source);
	/* Removes a guest that add_guest() made, with its source. */
	void (*remove_guest)(void *data, struct oriel_source *source);
};

/* NULL if memory ran out. host and host_data outlive it. */
struct oriel_handovers *oriel_handovers_create(struct wl_event_loop *loop,
		const struct oriel_handover_host *host, void *host_data);

/* The guests stay with their host as they are, but nobody hears of their processes any more. */
void oriel_handovers_destroy(struct oriel_handovers *handovers);

/*
 * Gives the guest of the request's name, which is made if need be, what is handed over until the
 * process ends. With a device there may be a connection to QEMU's monitor; -1: none. Nothing is
 * assumed of the arguments.
 *
 * False after writing one line to reason that is for whoever asked for it: then everything is as it
 * was.
 */
bool oriel_handovers_add(struct oriel_handovers *handovers,
		const struct oriel_handover_request *request, int take_fd, int take_monitor_fd,
		int take_process_fd, char reason[ORIEL_HANDOVER_REASON_SIZE]);

#endif
