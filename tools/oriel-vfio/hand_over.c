#include "hand_over.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <wayland-client.h>

#include "fd.h"
#include "oriel-guest-v1-client-protocol.h"
#include "say.h"

struct answer {
	struct oriel_guest_manager_v1 *manager;
	bool has_come;
	bool is_accepted;
};

/* What libwayland logged last: what oriel says when it ends a connection. */
static char last_log[256];

static void handle_log(const char *format, va_list args) {
	vsnprintf(last_log, sizeof(last_log), format, args);
	last_log[strcspn(last_log, "\n")] = '\0';
}

/*
 * A fd, or -1 after a line. Not by wl_display_connect(): that would take WAYLAND_SOCKET, which is for
 * the command.
 */
static int connect_to(const char *display) {
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (display[0] != '/' && (dir == NULL || dir[0] != '/')) {
		say("no oriel: XDG_RUNTIME_DIR is not set, and '%s' is no path", display);
		return -1;
	}
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = display[0] == '/'
			? snprintf(address.sun_path, sizeof(address.sun_path), "%s", display)
			: snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, display);
	if (length >= (int)sizeof(address.sun_path)) {
		say("the path of the control socket '%s' is too long", display);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		say("no oriel: cannot connect to %s: %s", address.sun_path, strerror(error));
		sb_fd_clear(&fd);
	}
	return fd;
}

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct answer *answer = data;
	if (answer->manager == NULL && strcmp(interface, oriel_guest_manager_v1_interface.name) == 0) {
		answer->manager = wl_registry_bind(
				registry, name, &oriel_guest_manager_v1_interface, 1);
	}
}

static void registry_handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_handle_global_remove,
};

static void guest_handle_accepted(void *data, struct oriel_guest_v1 *guest) {
	struct answer *answer = data;
	answer->has_come = true;
	answer->is_accepted = true;
}

static void guest_handle_refused(void *data, struct oriel_guest_v1 *guest, const char *reason) {
	struct answer *answer = data;
	answer->has_come = true;
	say("refused: %s", reason);
}

static const struct oriel_guest_v1_listener guest_listener = {
	.accepted = guest_handle_accepted,
	.refused = guest_handle_refused,
};

/* False if the connection broke. */
static bool ask(struct wl_display *wl_display, const struct hand_over *request,
		struct answer *answer) {
	struct oriel_guest_v1 *guest = oriel_guest_manager_v1_add_vfio_guest(answer->manager,
			request->guest_name, request->output_name, request->device_fd,
			request->process_fd);
	if (guest == NULL) {
		return false;
	}
	oriel_guest_v1_add_listener(guest, &guest_listener, answer);
	int ret;
	do {
		ret = wl_display_dispatch(wl_display);
	} while (ret >= 0 && !answer->has_come);
	oriel_guest_v1_destroy(guest);
	return ret >= 0;
}

bool hand_over(const struct hand_over *request) {
	wl_log_set_handler_client(handle_log);
	int fd = connect_to(request->display);
	if (fd < 0) {
		return false;
	}
	struct wl_display *wl_display = wl_display_connect_to_fd(fd);
	if (wl_display == NULL) {
		say("out of memory");
		return false;
	}
	struct answer answer = { 0 };
	bool is_whole = false;
	struct wl_registry *registry = wl_display_get_registry(wl_display);
	if (registry != NULL) {
		wl_registry_add_listener(registry, &registry_listener, &answer);
		is_whole = wl_display_roundtrip(wl_display) >= 0;
	}
	if (is_whole && answer.manager == NULL) {
		say("'%s' is not the control socket of oriel", request->display);
	} else if (is_whole) {
		is_whole = ask(wl_display, request, &answer);
	}
	if (!is_whole) {
		say("oriel ended the connection%s%s", last_log[0] != '\0' ? ": " : "", last_log);
	}
	if (answer.manager != NULL) {
		oriel_guest_manager_v1_destroy(answer.manager);
	}
	if (registry != NULL) {
		wl_registry_destroy(registry);
	}
	wl_display_disconnect(wl_display);
	return answer.is_accepted;
}
