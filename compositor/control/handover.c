#include "control/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <wayland-server-core.h>
#include <wlr/util/log.h>

#include "config.h"
#include "config_value.h"
#include "fd.h"

struct oriel_handovers {
	struct wl_event_loop *loop;
	const struct oriel_handover_host *host;
	void *host_data;
	struct wl_list guests; /* handover_guest.link, those that have ended last, in that order */
};

struct handover_guest {
	struct wl_list link; /* oriel_handovers.guests */
	struct oriel_handovers *handovers;
	struct oriel_source *source;
	bool is_made; /* by the host's add_guest() */
	dev_t device_number; /* of the character device; 0: what was handed over is none */
	int process_fd; /* -1 once it has ended */
	struct wl_event_source *process; /* NULL once it has ended */
};

static struct handover_guest *handovers_find(
		const struct oriel_handovers *handovers, const struct oriel_source *source) {
	struct handover_guest *guest;
	wl_list_for_each(guest, &handovers->guests, link) {
		if (guest->source == source) {
			return guest;
		}
	}
	return NULL;
}

/* Its source stays. */
static void guest_destroy(struct handover_guest *guest) {
	wl_list_remove(&guest->link);
	if (guest->process != NULL) {
		wl_event_source_remove(guest->process);
	}
	sb_fd_clear(&guest->process_fd);
	free(guest);
}

static void guest_remove(struct handover_guest *guest) {
	struct oriel_handovers *handovers = guest->handovers;
	struct oriel_source *source = guest->source;
	guest_destroy(guest);
	handovers->host->remove_guest(handovers->host_data, source);
}

/* May destroy the guest. */
static void guest_end(struct handover_guest *guest) {
	wl_event_source_remove(guest->process);
	guest->process = NULL;
	sb_fd_clear(&guest->process_fd);
	wl_list_remove(&guest->link);
	wl_list_insert(guest->handovers->guests.prev, &guest->link);
	oriel_source_end(guest->source);
	if (!guest->is_made) {
		guest_destroy(guest);
	} else if (oriel_source_get_counters(guest->source).taken == 0) {
		/* A machine that did not come up. There is nothing of it that could be held on to. */
		guest_remove(guest);
	}
}

static int guest_handle_process(int fd, uint32_t mask, void *data) {
	guest_end(data);
	return 0;
}

/* A pidfd is readable once its process has ended (pidfd_open(2)). */
static bool process_has_ended(int process_fd) {
	struct pollfd pollfd = { .fd = process_fd, .events = POLLIN };
	return poll(&pollfd, 1, 0) != 0;
}

/* To any other file, waitid(2) says EBADF or EINVAL; of a process that is not our child, ECHILD. */
static bool is_pidfd(int fd) {
	siginfo_t info;
	return waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno == ECHILD;
}

/*
 * A machine that is started again may be here before the event loop has come to the end of the last
 * one, whose name and device it wants.
 */
static void handovers_end_machines(struct oriel_handovers *handovers) {
	struct handover_guest *guest, *tmp;
	wl_list_for_each_safe(guest, tmp, &handovers->guests, link) {
		/* Those that end now go to the end of the list, and have no process there. */
		if (guest->process != NULL && process_has_ended(guest->process_fd)) {
			guest_end(guest);
		}
	}
}

/*
 * A file of a device's group has no number, and a connection none. DONT_SYNC, as a file of who knows what file system might
 * keep us waiting for an answer.
 */
static dev_t get_device_number(int device_fd) {
	struct statx statx_;
	if (statx(device_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &statx_) != 0 ||
			!S_ISCHR(statx_.stx_mode)) {
		return 0;
	}
	return makedev(statx_.stx_rdev_major, statx_.stx_rdev_minor);
}

/*
 * A device has one machine, whatever number of files are open: the kernel says so only when the
 * second one binds its file, which is too late for a clear word. False after writing reason.
 */
static bool handovers_check_device(struct oriel_handovers *handovers, dev_t device_number,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	const struct handover_guest *guest;
	wl_list_for_each(guest, &handovers->guests, link) {
		if (device_number != 0 && guest->device_number == device_number &&
				guest->process != NULL) {
			snprintf(reason, ORIEL_HANDOVER_REASON_SIZE, "the device is that of guest %s",
					oriel_source_get_name(guest->source));
			return false;
		}
	}
	return true;
}

/* The host's guest of that name, if that may be given a device. False after writing reason. */
static bool handovers_find_vacant(struct oriel_handovers *handovers, const char *name,
		struct oriel_source **ret_source, char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	struct oriel_source *source = handovers->host->find_guest(handovers->host_data, name);
	struct handover_guest *guest = source != NULL ? handovers_find(handovers, source) : NULL;
	if (source != NULL) {
		enum oriel_source_state state = oriel_source_get_state(source);
		bool has_machine = guest != NULL && guest->process != NULL;
		if (state != ORIEL_SOURCE_STATE_LOST &&
				(has_machine || state != ORIEL_SOURCE_STATE_WAITING)) {
			snprintf(reason, ORIEL_HANDOVER_REASON_SIZE, "guest %s is running", name);
			return false;
		}
	}
	*ret_source = source;
	return true;
}

/* The one that ended first of those that the host made, if there has to be room for one more. */
static bool handovers_find_surplus(
		struct oriel_handovers *handovers, struct handover_guest **ret_surplus) {
	int count = 0;
	struct handover_guest *guest, *ended = NULL;
	wl_list_for_each(guest, &handovers->guests, link) {
		count += guest->is_made ? 1 : 0;
		if (ended == NULL && guest->process == NULL) {
			ended = guest;
		}
	}
	if (count < ORIEL_HANDOVER_GUESTS_MAX) {
		ended = NULL;
	} else if (ended == NULL) {
		return false;
	}
	*ret_surplus = ended;
	return true;
}

static const char *kind_get_noun(enum oriel_source_handover kind) {
	return kind == ORIEL_SOURCE_HANDOVER_VFIO_DEVICE ? "device" : "connection";
}

static bool guest_adopt(struct handover_guest *guest, enum oriel_source_handover kind, int take_fd,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	if (!oriel_source_adopt(guest->source, kind, take_fd)) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE,
				"guest %s does not take the %s; the log of oriel says why",
				oriel_source_get_name(guest->source), kind_get_noun(kind));
		return false;
	}
	return true;
}

/* Makes guest one of a new source, which has what is handed over. */
static bool handovers_make(struct oriel_handovers *handovers, struct handover_guest *guest,
		const struct oriel_handover_request *request, int take_fd,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	struct handover_guest *surplus;
	if (!handovers_find_surplus(handovers, &surplus)) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE,
				"%d guests that were handed over are running, and there may be no more",
				ORIEL_HANDOVER_GUESTS_MAX);
		goto error;
	}
	guest->source = handovers->host->add_guest(handovers->host_data, request);
	if (guest->source == NULL) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE,
				"guest %s cannot be made; the log of oriel says why", request->name);
		goto error;
	}
	guest->is_made = true;
	if (!guest_adopt(guest, request->kind, take_fd, reason)) {
		handovers->host->remove_guest(handovers->host_data, guest->source);
		return false;
	}
	if (surplus != NULL) {
		guest_remove(surplus);
	}
	return true;

error:
	sb_fd_clear(&take_fd);
	return false;
}

/* Makes guest one of a source that is there, which has what is handed over from now on. */
static bool handovers_revive(struct oriel_handovers *handovers, struct handover_guest *guest,
		struct oriel_source *source, enum oriel_source_handover kind, int take_fd,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	guest->source = source;
	if (!guest_adopt(guest, kind, take_fd, reason)) {
		return false;
	}
	struct handover_guest *former = handovers_find(handovers, source);
	if (former != NULL) {
		guest->is_made = former->is_made;
		guest_destroy(former);
	}
	return true;
}

/* NULL after writing reason. It has no source yet. */
static struct handover_guest *guest_create(struct oriel_handovers *handovers, int take_process_fd,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	struct handover_guest *guest = calloc(1, sizeof(*guest));
	if (guest == NULL) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE, "oriel has no memory left");
		sb_fd_clear(&take_process_fd);
		return NULL;
	}
	wl_list_init(&guest->link);
	guest->handovers = handovers;
	guest->process_fd = take_process_fd;
	guest->process = wl_event_loop_add_fd(handovers->loop, take_process_fd, WL_EVENT_READABLE,
			guest_handle_process, guest);
	if (guest->process == NULL) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE, "the process cannot be watched");
		guest_destroy(guest);
		return NULL;
	}
	return guest;
}

static bool handovers_check(const struct oriel_handover_request *request, int process_fd,
		char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	bool is_named = oriel_config_value_is_name(request->name);
	if (!is_named ||
			(request->output_name != NULL &&
					!oriel_config_value_is_name(request->output_name))) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE,
				"the name of %s has to have 1 to %d bytes, and no control characters, "
				"spaces, '=' and ','",
				is_named ? "an output" : "a guest", ORIEL_CONFIG_NAME_MAX);
		return false;
	}
	if (!is_pidfd(process_fd)) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE,
				"the file that stands for the process is no pidfd");
		return false;
	}
	if (process_has_ended(process_fd)) {
		snprintf(reason, ORIEL_HANDOVER_REASON_SIZE, "the process has ended");
		return false;
	}
	return true;
}

bool oriel_handovers_add(struct oriel_handovers *handovers,
		const struct oriel_handover_request *request, int take_fd, int take_monitor_fd,
		int take_process_fd, char reason[ORIEL_HANDOVER_REASON_SIZE]) {
	handovers_end_machines(handovers);
	struct oriel_source *source;
	dev_t device_number = request->kind == ORIEL_SOURCE_HANDOVER_VFIO_DEVICE
			? get_device_number(take_fd)
			: 0;
	if (!handovers_check(request, take_process_fd, reason) ||
			!handovers_find_vacant(handovers, request->name, &source, reason) ||
			!handovers_check_device(handovers, device_number, reason)) {
		sb_fd_clear(&take_process_fd);
		sb_fd_clear(&take_monitor_fd);
		sb_fd_clear(&take_fd);
		return false;
	}
	struct handover_guest *guest = guest_create(handovers, take_process_fd, reason);
	if (guest == NULL) {
		sb_fd_clear(&take_monitor_fd);
		sb_fd_clear(&take_fd);
		return false;
	}
	guest->device_number = device_number;
	bool is_added = source != NULL
			? handovers_revive(handovers, guest, source, request->kind, take_fd, reason)
			: handovers_make(handovers, guest, request, take_fd, reason);
	if (!is_added) {
		sb_fd_clear(&take_monitor_fd);
		guest_destroy(guest);
		return false;
	}
	wl_list_insert(&handovers->guests, &guest->link);
	wlr_log(WLR_INFO, "guest %s: its %s was handed over", request->name,
			kind_get_noun(request->kind));
	if (take_monitor_fd >= 0) {
		handovers->host->give_input(handovers->host_data, guest->source, take_monitor_fd);
	}
	if (guest->is_made) {
		handovers->host->present_guest(handovers->host_data, guest->source);
	}
	return true;
}

struct oriel_handovers *oriel_handovers_create(struct wl_event_loop *loop,
		const struct oriel_handover_host *host, void *host_data) {
	struct oriel_handovers *handovers = calloc(1, sizeof(*handovers));
	if (handovers == NULL) {
		return NULL;
	}
	handovers->loop = loop;
	handovers->host = host;
	handovers->host_data = host_data;
	wl_list_init(&handovers->guests);
	return handovers;
}

void oriel_handovers_destroy(struct oriel_handovers *handovers) {
	if (handovers == NULL) {
		return;
	}
	struct handover_guest *guest, *tmp;
	wl_list_for_each_safe(guest, tmp, &handovers->guests, link) {
		guest_destroy(guest);
	}
	free(handovers);
}
