#include "control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wayland-server-core.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "oriel-guest-v1-protocol.h"

#define MANAGER_VERSION 2

/* Of the sockets that are tried; libwayland has the same number for its own. */
#define SOCKETS_MAX 33

struct oriel_control {
	struct wl_display *display;
	struct wl_event_source *events; /* of the display's own loop, in the compositor's */
	struct oriel_handovers *handovers;
	struct wl_listener client_created; /* struct wl_client * */
	char socket[16]; /* its name */
};

/* --- oriel_guest_v1 --------------------------------------------------------------------------- */

static void guest_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static const struct oriel_guest_v1_interface guest_implementation = {
	.destroy = guest_handle_destroy,
};

static enum wl_iterator_result count_guest(struct wl_resource *resource, void *data) {
	int *count = data;
	if (wl_resource_instance_of(resource, &oriel_guest_v1_interface, &guest_implementation)) {
		++*count;
	}
	return WL_ITERATOR_CONTINUE;
}

/* --- oriel_guest_manager_v1 ------------------------------------------------------------------- */

static void manager_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

/* NULL after posting an error. */
static struct wl_resource *manager_create_guest(
		struct wl_client *client, struct wl_resource *manager, uint32_t id) {
	int count = 0;
	wl_client_for_each_resource(client, count_guest, &count);
	if (count >= ORIEL_CONTROL_OBJECTS_MAX) {
		wl_resource_post_error(manager, ORIEL_GUEST_MANAGER_V1_ERROR_TOO_MANY_GUESTS,
				"a connection has at most %d guests at a time",
				ORIEL_CONTROL_OBJECTS_MAX);
		return NULL;
	}
	struct wl_resource *guest = wl_resource_create(
			client, &oriel_guest_v1_interface, wl_resource_get_version(manager), id);
	if (guest == NULL) {
		wl_client_post_no_memory(client);
		return NULL;
	}
	wl_resource_set_implementation(guest, &guest_implementation, NULL, NULL);
	return guest;
}

static void manager_add_guest(struct wl_client *client, struct wl_resource *manager, uint32_t id,
		const struct oriel_handover_request *request, int take_fd, int take_monitor_fd,
		int take_process_fd) {
	struct oriel_control *control = wl_resource_get_user_data(manager);
	struct wl_resource *guest = manager_create_guest(client, manager, id);
	if (guest == NULL) {
		sb_fd_clear(&take_fd);
		sb_fd_clear(&take_monitor_fd);
		sb_fd_clear(&take_process_fd);
		return;
	}
	char reason[ORIEL_HANDOVER_REASON_SIZE];
	if (oriel_handovers_add(control->handovers, request, take_fd, take_monitor_fd,
			    take_process_fd, reason)) {
		oriel_guest_v1_send_accepted(guest);
	} else {
		oriel_guest_v1_send_refused(guest, reason);
	}
}

static void manager_handle_add_vfio_guest(struct wl_client *client, struct wl_resource *manager,
		uint32_t id, const char *name, const char *output_name, int32_t take_device_fd,
		int32_t take_process_fd) {
	const struct oriel_handover_request request = {
		.kind = ORIEL_SOURCE_HANDOVER_VFIO_DEVICE,
		.name = name,
		.output_name = output_name,
	};
	manager_add_guest(client, manager, id, &request, take_device_fd, -1, take_process_fd);
}

static void manager_handle_add_vfio_guest_with_input(struct wl_client *client,
		struct wl_resource *manager, uint32_t id, const char *name, const char *output_name,
		int32_t take_device_fd, int32_t take_monitor_fd, int32_t take_process_fd) {
	const struct oriel_handover_request request = {
		.kind = ORIEL_SOURCE_HANDOVER_VFIO_DEVICE,
		.name = name,
		.output_name = output_name,
	};
	manager_add_guest(client, manager, id, &request, take_device_fd, take_monitor_fd,
			take_process_fd);
}

static void manager_handle_add_qemu_guest(struct wl_client *client, struct wl_resource *manager,
		uint32_t id, const char *name, const char *output_name, uint32_t channel,
		int32_t take_connection_fd, int32_t take_process_fd) {
	if (!oriel_guest_manager_v1_channel_is_valid(channel, wl_resource_get_version(manager))) {
		wl_resource_post_error(manager, ORIEL_GUEST_MANAGER_V1_ERROR_INVALID_CHANNEL,
				"there is no channel %u", channel);
		sb_fd_clear(&take_connection_fd);
		sb_fd_clear(&take_process_fd);
		return;
	}
	const struct oriel_handover_request request = {
		.kind = channel == ORIEL_GUEST_MANAGER_V1_CHANNEL_DBUS
				? ORIEL_SOURCE_HANDOVER_QEMU_DBUS
				: ORIEL_SOURCE_HANDOVER_QEMU_QMP,
		.name = name,
		.output_name = output_name,
	};
	manager_add_guest(client, manager, id, &request, take_connection_fd, -1, take_process_fd);
}

static const struct oriel_guest_manager_v1_interface manager_implementation = {
	.destroy = manager_handle_destroy,
	.add_vfio_guest = manager_handle_add_vfio_guest,
	.add_qemu_guest = manager_handle_add_qemu_guest,
	.add_vfio_guest_with_input = manager_handle_add_vfio_guest_with_input,
};

static void control_bind_manager(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *manager = wl_resource_create(
			client, &oriel_guest_manager_v1_interface, (int)version, id);
	if (manager == NULL) {
		wl_client_post_no_memory(client);
		return;
	}
	wl_resource_set_implementation(manager, &manager_implementation, data, NULL);
}

/* --- the socket ------------------------------------------------------------------------------- */

/*
 * Who is one too many is told so, and libwayland ends the connection when it has read what came from
 * there: if it were closed before that, the other side would find an error of its socket in place of
 * the words. One that says nothing stays until then, so that there is a second bound.
 */
static void control_handle_client_created(struct wl_listener *listener, void *data) {
	struct oriel_control *control = wl_container_of(listener, control, client_created);
	struct wl_client *client = data;
	int count = wl_list_length(wl_display_get_client_list(control->display));
	if (count > 2 * ORIEL_CONTROL_CLIENTS_MAX) {
		wl_client_destroy(client);
	} else if (count > ORIEL_CONTROL_CLIENTS_MAX) {
		wl_client_post_implementation_error(client, "oriel has %d such connections already",
				ORIEL_CONTROL_CLIENTS_MAX);
	}
}

static int control_handle_events(int fd, uint32_t mask, void *data) {
	struct oriel_control *control = data;
	wl_event_loop_dispatch(wl_display_get_event_loop(control->display), 0);
	wl_display_flush_clients(control->display);
	return 0;
}

struct oriel_control *oriel_control_create(struct wl_event_loop *loop,
		const struct oriel_handover_host *host, void *host_data) {
	struct oriel_control *control = calloc(1, sizeof(*control));
	if (control == NULL) {
		goto error;
	}
	wl_list_init(&control->client_created.link);
	control->handovers = oriel_handovers_create(loop, host, host_data);
	control->display = wl_display_create();
	if (control->handovers == NULL || control->display == NULL ||
			wl_global_create(control->display, &oriel_guest_manager_v1_interface,
					MANAGER_VERSION, control, control_bind_manager) == NULL) {
		goto error;
	}
	control->client_created.notify = control_handle_client_created;
	wl_display_add_client_created_listener(control->display, &control->client_created);
	control->events = wl_event_loop_add_fd(loop,
			wl_event_loop_get_fd(wl_display_get_event_loop(control->display)),
			WL_EVENT_READABLE, control_handle_events, control);
	if (control->events == NULL) {
		goto error;
	}
	return control;

error:
	wlr_log(WLR_ERROR, "no control display: out of memory or files");
	oriel_control_destroy(control);
	return NULL;
}

void oriel_control_destroy(struct oriel_control *control) {
	if (control == NULL) {
		return;
	}
	if (control->events != NULL) {
		wl_event_source_remove(control->events);
	}
	if (control->display != NULL) {
		wl_display_destroy_clients(control->display);
		wl_list_remove(&control->client_created.link);
		wl_display_destroy(control->display);
	}
	oriel_handovers_destroy(control->handovers);
	free(control);
}

const char *oriel_control_listen(struct oriel_control *control) {
	/* The socket gets its permissions when it is made: later would be too late. */
	mode_t umask_before = umask(S_IRWXG | S_IRWXO);
	int ret = -1;
	for (int i = 0; i < SOCKETS_MAX && ret != 0; i++) {
		snprintf(control->socket, sizeof(control->socket), "oriel-%d", i);
		ret = wl_display_add_socket(control->display, control->socket);
	}
	umask(umask_before);
	if (ret != 0) {
		wlr_log(WLR_ERROR,
				"no control socket in XDG_RUNTIME_DIR: oriel-0 to oriel-%d "
				"cannot be made",
				SOCKETS_MAX - 1);
		return NULL;
	}
	return control->socket;
}
