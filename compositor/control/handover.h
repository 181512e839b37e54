#ifndef ORIEL_CONTROL_HANDOVER_H
#define ORIEL_CONTROL_HANDOVER_H

#include <stdbool.h>

struct oriel_source;
struct wl_event_loop;

/*
 * The guests whose devices were handed over: each has a process, which is the virtual machine, and
 * ends with it. A guest that was made for a hand-over stays, so that the next machine of its name
 * finds its place again:
 *
 *	     add                    the process ends
 *	(none) ------> has a device -----------------> has none ---> (none)
 *	                    ^                              |   when there is no room, or
 *	                    +------------------------------+   when it never showed anything
 *	                                  add
 */

/* So many guests are made for hand-overs. The one that ended first makes room for one more. */
#define ORIEL_HANDOVER_GUESTS_MAX 16

#define ORIEL_HANDOVER_REASON_SIZE 256

/* What there is to show guests. */
struct oriel_handover_host {
	/* The display of the guest of that name, however it came to be there; NULL: there is none. */
	struct oriel_source *(*find_guest)(void *data, const char *name);
	/*
	 * Makes a guest whose source takes a hand-over. output_name may be NULL. NULL after one log
	 * line. It stays until remove_guest().
	 */
	struct oriel_source *(*add_guest)(void *data, const char *name, const char *output_name);
	/* Removes a guest that add_guest() made, with its source. */
	void (*remove_guest)(void *data, struct oriel_source *source);
};

/* NULL if memory ran out. host and host_data outlive it. */
struct oriel_handovers *oriel_handovers_create(struct wl_event_loop *loop,
		const struct oriel_handover_host *host, void *host_data);

/* The guests stay with their host as they are, but nobody hears of their processes any more. */
void oriel_handovers_destroy(struct oriel_handovers *handovers);

/*
 * Gives the guest called name, which is made if need be, its device until the process ends.
 * output_name may be NULL. Nothing is assumed of the arguments.
 *
 * False after writing one line to reason that is for whoever asked for it: then everything is as it
 * was.
 */
bool oriel_handovers_add(struct oriel_handovers *handovers, const char *name, const char *output_name,
		int take_device_fd, int take_process_fd, char reason[ORIEL_HANDOVER_REASON_SIZE]);

#endif
