#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-client.h>

#include "fd.h"
#include "oriel-guest-v1-client-protocol.h"

/* Of the protocol, since when it has the request. */
static uint32_t get_version(const struct control_request *request) {
	return request->kind == CONTROL_VFIO_DEVICE && request->monitor_fd < 0 ? 1 : 2;
}

struct control {
	char *display; /* as it was given */
	const struct control_request *request; /* NULL until it is asked for, and once it is sent */
	enum control_state state;
	char reason[512];
	struct wl_display *wl_display; /* NULL without a connection */
	struct wl_registry *registry;
	struct wl_callback *globals; /* until all of them are known */
	struct oriel_guest_manager_v1 *manager;
	uint32_t version; /* of the manager */
	struct oriel_guest_v1 *guest;
};

/* What libwayland logged last: what oriel says when it ends a connection. */
static char last_log[256];

static void handle_log(const char *format, va_list args) {
	vsnprintf(last_log, sizeof(last_log), format, args);
	last_log[strcspn(last_log, "\n")] = '\0';
}

__attribute__((format(printf, 3, 4))) static void control_set_state(
		struct control *control, enum control_state state, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(control->reason, sizeof(control->reason), format, args);
	va_end(args);
	control->state = state;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void guest_handle_accepted(void *data, struct oriel_guest_v1 *guest) {
	control_set_state(data, CONTROL_ACCEPTED, "%s", "");
}

static void guest_handle_refused(void *data, struct oriel_guest_v1 *guest, const char *reason) {
	control_set_state(data, CONTROL_REFUSED, "%s", reason);
}

static const struct oriel_guest_v1_listener guest_listener = {
	.accepted = guest_handle_accepted,
	.refused = guest_handle_refused,
};

static struct oriel_guest_v1 *control_send_request(struct control *control) {
	const struct control_request *request = control->request;
	switch (request->kind) {
	case CONTROL_VFIO_DEVICE:
		if (request->monitor_fd >= 0) {
			return oriel_guest_manager_v1_add_vfio_guest_with_input(control->manager,
					request->guest_name, request->output_name, request->fd,
					request->monitor_fd, request->process_fd);
		}
		return oriel_guest_manager_v1_add_vfio_guest(control->manager, request->guest_name,
				request->output_name, request->fd, request->process_fd);
	case CONTROL_QEMU_QMP:
		return oriel_guest_manager_v1_add_qemu_guest(control->manager, request->guest_name,
				request->output_name, ORIEL_GUEST_MANAGER_V1_CHANNEL_QMP,
				request->fd, request->process_fd);
	}
	return NULL;
}

/* Sends the request once there is one, and all globals are known. */
static void control_send(struct control *control) {
	if (control->request == NULL || control->globals != NULL) {
		return;
	}
	if (control->manager == NULL) {
		control_set_state(control, CONTROL_ENDED, "'%s' is not the control socket of oriel",
				control->display);
	} else if (control->version < get_version(control->request)) {
		control_set_state(control, CONTROL_ENDED,
				"this oriel is too old: it does not know of such guests");
	} else {
		control->guest = control_send_request(control);
		if (control->guest == NULL) {
			control_set_state(control, CONTROL_ENDED, "out of memory or files");
		} else {
			oriel_guest_v1_add_listener(control->guest, &guest_listener, control);
		}
	}
	control->request = NULL;
}

static void globals_handle_done(void *data, struct wl_callback *callback, uint32_t serial) {
	struct control *control = data;
	wl_callback_destroy(control->globals);
	control->globals = NULL;
	control_send(control);
}

static const struct wl_callback_listener globals_listener = { .done = globals_handle_done };

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct control *control = data;
	if (control->manager == NULL &&
			strcmp(interface, oriel_guest_manager_v1_interface.name) == 0) {
		uint32_t newest = (uint32_t)oriel_guest_manager_v1_interface.version;
		control->version = version < newest ? version : newest;
		control->manager = wl_registry_bind(registry, name,
				&oriel_guest_manager_v1_interface, control->version);
	}
}

static void registry_handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_handle_global_remove,
};

/* --- the connection --------------------------------------------------------------------------- */

/*
 * A fd, or -1. Not by wl_display_connect(): that would take WAYLAND_SOCKET, which is for the command.
 */
static int control_connect(struct control *control) {
	const char *display = control->display;
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (display[0] != '/' && (dir == NULL || dir[0] != '/')) {
		control_set_state(control, CONTROL_ENDED,
				"no oriel: XDG_RUNTIME_DIR is not set, and '%s' is no path", display);
		return -1;
	}
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = display[0] == '/'
			? snprintf(address.sun_path, sizeof(address.sun_path), "%s", display)
			: snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, display);
	if (length >= (int)sizeof(address.sun_path)) {
		control_set_state(control, CONTROL_ENDED,
				"the path of the control socket '%s' is too long", display);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		control_set_state(control, CONTROL_ENDED, "no oriel: cannot connect to %s: %s",
				address.sun_path, strerror(error));
		sb_fd_clear(&fd);
	}
	return fd;
}

struct control *control_open(const char *display) {
	struct control *control = calloc(1, sizeof(*control));
	if (control == NULL || (control->display = strdup(display)) == NULL) {
		free(control);
		return NULL;
	}
	wl_log_set_handler_client(handle_log);
	last_log[0] = '\0';
	int fd = control_connect(control);
	if (fd < 0) {
		return control;
	}
	control->wl_display = wl_display_connect_to_fd(fd);
	if (control->wl_display != NULL) {
		control->registry = wl_display_get_registry(control->wl_display);
		control->globals = wl_display_sync(control->wl_display);
	}
	if (control->registry == NULL || control->globals == NULL) {
		control_set_state(control, CONTROL_ENDED, "out of memory");
		return control;
	}
	wl_registry_add_listener(control->registry, &registry_listener, control);
	wl_callback_add_listener(control->globals, &globals_listener, control);
	wl_display_flush(control->wl_display);
	return control;
}

void control_ask(struct control *control, const struct control_request *request) {
	if (control->state == CONTROL_WAITING) {
		control->request = request;
		control_send(control);
	}
}

void control_close(struct control *control) {
	if (control == NULL) {
		return;
	}
	if (control->guest != NULL) {
		oriel_guest_v1_destroy(control->guest);
	}
	if (control->manager != NULL) {
		oriel_guest_manager_v1_destroy(control->manager);
	}
	if (control->globals != NULL) {
		wl_callback_destroy(control->globals);
	}
	if (control->registry != NULL) {
		wl_registry_destroy(control->registry);
	}
	if (control->wl_display != NULL) {
		wl_display_disconnect(control->wl_display);
	}
	free(control->display);
	free(control);
}

enum control_state control_get_state(const struct control *control) {
	return control->state;
}

int control_get_fd(const struct control *control) {
	return control->wl_display != NULL ? wl_display_get_fd(control->wl_display) : -1;
}

/* Reads what is there. False if the connection broke. */
static bool control_read(struct control *control) {
	struct wl_display *wl_display = control->wl_display;
	while (wl_display_prepare_read(wl_display) != 0) {
		if (wl_display_dispatch_pending(wl_display) < 0) {
			return false;
		}
	}
	/* What is to be sent is a few dozen bytes, for which there is always room. */
	wl_display_flush(wl_display);
	struct pollfd pollfd = { .fd = wl_display_get_fd(wl_display), .events = POLLIN };
	if (poll(&pollfd, 1, 0) <= 0) {
		wl_display_cancel_read(wl_display);
		return true;
	}
	return wl_display_read_events(wl_display) >= 0 &&
			wl_display_dispatch_pending(wl_display) >= 0 &&
			(wl_display_flush(wl_display) >= 0 || errno == EAGAIN);
}

enum control_state control_dispatch(struct control *control) {
	if (control->state != CONTROL_ENDED && !control_read(control)) {
		control_set_state(control, CONTROL_ENDED, "oriel ended the connection%s%s",
				last_log[0] != '\0' ? ": " : "", last_log);
	}
	return control->state;
}

enum control_state control_wait(struct control *control) {
	while (control->state == CONTROL_WAITING) {
		struct pollfd pollfd = { .fd = control_get_fd(control), .events = POLLIN };
		poll(&pollfd, 1, -1);
		control_dispatch(control);
	}
	return control->state;
}

const char *control_get_reason(const struct control *control) {
	return control->reason;
}
