#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/backend/session.h>
#include <wlr/render/allocator.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_ext_image_capture_source_v1.h>
#include <wlr/types/wlr_ext_image_copy_capture_v1.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_presentation_time.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_screencopy_v1.h>
#include <wlr/types/wlr_single_pixel_buffer_v1.h>
#include <wlr/types/wlr_subcompositor.h>
#include <wlr/types/wlr_viewporter.h>
#include <wlr/types/wlr_xdg_output_v1.h>
#include <wlr/util/log.h>

#include "config.h"
#include "control/control.h"
#include "fd.h"
#include "guest/guest_clipboard.h"
#include "guest/input_sink.h"
#include "guest/source.h"
#include "input/clipboard.h"
#include "input/cursor.h"
#include "input/seat.h"
#include "launch.h"
#include "shell/xdg.h"
#include "view/guest_view.h"

#define COMPOSITOR_VERSION 6
#define PRESENTATION_VERSION 2
#define COPY_CAPTURE_VERSION 1

/* A guest's output is away for good after this time, or its input is given to somebody else. */
#define UNSEEN_MS 1000

static void server_set_guests_in_front(struct oriel_server *server, bool in_front) {
	server->guests_in_front = in_front;
	struct wlr_scene_tree *front = in_front ? server->guests_tree : server->windows_tree;
	wlr_scene_node_raise_to_top(&front->node);
}

/* While another session has the screens, the outputs are not there, and come back. */
static bool server_has_outputs(const struct oriel_server *server) {
	return server->session == NULL || server->session->active;
}

/* Brings the guest in front of the windows, with the input. One that nobody sees gets none. */
static void server_show_guest(struct oriel_server *server, struct oriel_guest_view *view) {
	oriel_layout_select(&server->layout, view);
	if (view->output == NULL && server_has_outputs(server)) {
		wlr_log(WLR_ERROR, "guest %s: its output %s is not there",
				oriel_guest_view_get_name(view),
				view->output_name != NULL ? view->output_name : "(any)");
		return;
	}
	server_set_guests_in_front(server, true);
	oriel_seat_focus_guest(server->seat, view);
}

static void server_show_windows(struct oriel_server *server) {
	server_set_guests_in_front(server, false);
	oriel_seat_focus_surface(server->seat, NULL);
	oriel_xdg_shell_focus_front(server->xdg_shell);
}

/* Outputs have come or gone. A cable may be loose for a moment. */
static void server_handle_layout_change(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, layout_change);
	wl_event_source_timer_update(server->unseen_timer, UNSEEN_MS);
}

/* What is typed is not for a guest that nobody sees. */
static int server_handle_unseen_timer(void *data) {
	struct oriel_server *server = data;
	const struct oriel_guest_view *view = server->seat->guest_input.focus;
	if (view == NULL || view->output != NULL || !server_has_outputs(server)) {
		return 0;
	}
	wlr_log(WLR_INFO, "guest %s: has the input no more: its output is not there",
			oriel_guest_view_get_name(view));
	oriel_seat_focus_guest(server->seat, NULL);
	if (!server->guests_in_front) {
		oriel_xdg_shell_focus_front(server->xdg_shell);
	}
	return 0;
}

/* The one of that name, or that has the input, or that is on the pointer's output. May be NULL. */
static struct oriel_guest_view *server_find_guest(struct oriel_server *server, const char *name) {
	if (name != NULL) {
		return oriel_layout_find(&server->layout, name);
	}
	struct oriel_guest_view *focus = server->seat->guest_input.focus;
	return focus != NULL ? focus
			     : oriel_layout_get_view_at(&server->layout,
					       oriel_cursor_get_output(server->seat->cursor));
}

/* Shows the guest, or the windows if it is in front of them already. */
static void server_toggle_guest(struct oriel_server *server, const char *name) {
	struct oriel_guest_view *view = server_find_guest(server, name);
	if (view == NULL) {
		if (name != NULL) {
			wlr_log(WLR_ERROR, "guest %s: is not there", name);
		}
		return;
	}
	/* One in front without the input was not asked for: another output's was. */
	bool has_input = view->input == NULL || server->seat->guest_input.focus == view;
	if (server->guests_in_front && view->output != NULL && has_input) {
		server_show_windows(server);
	} else {
		server_show_guest(server, view);
	}
}

/* The user wants out of a guest, or of whatever else has the input. */
static void server_escape(struct oriel_server *server) {
	if (server->seat->focus == NULL) {
		server_show_windows(server);
	}
}

/* A window that has the keyboard must be seen. */
static void server_handle_focus(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, focus);
	if (data != NULL && server->guests_in_front) {
		server_set_guests_in_front(server, false);
	}
}

static void server_handle_action(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, action);
	const struct oriel_config_binding *binding = data;
	switch (binding->action) {
	case ORIEL_ACTION_QUIT:
		wl_display_terminate(server->display);
		break;
	case ORIEL_ACTION_GUEST:
		server_toggle_guest(server, binding->argument);
		break;
	case ORIEL_ACTION_EXEC:
		oriel_launch(binding->argument, &server->files);
		break;
	case ORIEL_ACTION_CLOSE:
		oriel_xdg_shell_close_focused(server->xdg_shell);
		break;
	case ORIEL_ACTION_VT:
		if (server->session != NULL) {
			wlr_session_change_vt(server->session,
					(unsigned)strtoul(binding->argument, NULL, 10));
		}
		break;
	case ORIEL_ACTION_ESCAPE:
		server_escape(server);
		break;
	case ORIEL_ACTION_GRAB:
		break; /* the seat's own */
	}
}

static void server_handle_renderer_lost(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, renderer_lost);
	wlr_log(WLR_ERROR, "the renderer has lost its device: ending");
	server->failed = true;
	wl_display_terminate(server->display);
}

static void server_handle_session_destroy(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, session_destroy);
	wl_list_remove(&server->session_destroy.link);
	wl_list_init(&server->session_destroy.link);
	server->session = NULL;
	server->layout.session = NULL;
	if (!server->ending) {
		wlr_log(WLR_ERROR, "the session is lost: ending");
		server->failed = true;
		wl_display_terminate(server->display);
	}
}

static void server_handle_outputs_closed(struct wl_listener *listener, void *data) {
	struct oriel_server *server = wl_container_of(listener, server, outputs_closed);
	wl_display_terminate(server->display);
}

/* No linux-dmabuf: a client's dma-buf would be read without passing a latch. */
static bool server_init_globals(struct oriel_server *server) {
	struct wl_display *display = server->display;
	return wlr_renderer_init_wl_shm(server->renderer, display) &&
			wlr_compositor_create(display, COMPOSITOR_VERSION, server->renderer) != NULL &&
			wlr_subcompositor_create(display) != NULL &&
			wlr_viewporter_create(display) != NULL &&
			wlr_single_pixel_buffer_manager_v1_create(display) != NULL &&
			wlr_presentation_create(display, server->backend, PRESENTATION_VERSION) !=
			NULL &&
			wlr_screencopy_manager_v1_create(display) != NULL &&
			wlr_ext_image_copy_capture_manager_v1_create(
					display, COPY_CAPTURE_VERSION) != NULL &&
			wlr_ext_output_image_capture_source_manager_v1_create(
					display, COPY_CAPTURE_VERSION) != NULL &&
			wlr_xdg_output_manager_v1_create(display, server->output_layout) != NULL;
}

static bool server_init_scene(struct oriel_server *server) {
	server->output_layout = wlr_output_layout_create(server->display);
	server->scene = wlr_scene_create();
	if (server->output_layout == NULL || server->scene == NULL) {
		return false;
	}
	server->scene_layout = wlr_scene_attach_output_layout(server->scene, server->output_layout);
	server->guests_tree = wlr_scene_tree_create(&server->scene->tree);
	server->windows_tree = wlr_scene_tree_create(&server->scene->tree);
	return server->scene_layout != NULL && server->guests_tree != NULL &&
			server->windows_tree != NULL;
}

/* Of the machine whose display the guest is, or else of the one that has its input. */
static void server_give_clipboard(struct oriel_server *server, struct oriel_guest_view *view,
		const struct oriel_config_guest *guest) {
	static const char driver[] = "qemu";
	bool is_by_source = strcmp(guest->driver, driver) == 0;
	oriel_clipboard_add_guest(server->seat->clipboard, view,
			oriel_guest_clipboard_create(server->loop, driver,
					guest->machine_name != NULL ? guest->machine_name : guest->name,
					is_by_source ? guest->where : guest->input_where));
}

/* It has its input once a connection was handed over with its device: server_handle_give_input(). */
static bool guest_awaits_input(const struct oriel_config_guest *guest) {
	return strcmp(guest->driver, "vfio") == 0 && guest->input_options.where != NULL &&
			strcmp(guest->input_options.where, "handover") == 0;
}

/* NULL after one log line. */
static struct oriel_source *server_add_guest(
		struct oriel_server *server, const struct oriel_config_guest *guest) {
	struct oriel_source *source = oriel_source_create(
			server->loop, guest->name, guest->driver, guest->where, &guest->options);
	if (source == NULL) {
		return NULL;
	}
	struct oriel_guest_view *view = oriel_guest_view_create(server->loop, server->guests_tree,
			&server->render_sync, source, guest->output);
	if (view == NULL) {
		return NULL;
	}
	if (guest->input != NULL && !guest_awaits_input(guest)) {
		oriel_guest_view_set_input(view,
				oriel_input_sink_create(server->loop, guest->input, guest->name,
						&guest->input_options));
	}
	if (guest->has_clipboard) {
		server_give_clipboard(server, view, guest);
	}
	oriel_layout_add(&server->layout, view);
	return source;
}

static void server_add_guests(struct oriel_server *server) {
	const struct oriel_config_guest *guest;
	wl_list_for_each(guest, &server->config->guests, link) {
		server_add_guest(server, guest);
	}
}

static struct oriel_source *server_handle_find_guest(void *data, const char *name) {
	struct oriel_server *server = data;
	struct oriel_guest_view *view = oriel_layout_find(&server->layout, name);
	return view != NULL ? view->source : NULL;
}

/* There is no configuration for it: a machine in QEMU is its first display, and has its input. */
static struct oriel_source *server_handle_add_guest(
		void *data, const struct oriel_handover_request *request) {
	static char vfio[] = "vfio", qemu[] = "qemu", handover[] = "handover";
	bool is_qemu = request->kind != ORIEL_SOURCE_HANDOVER_VFIO_DEVICE;
	const struct oriel_config_guest guest = {
		.name = (char *)request->name,
		.driver = is_qemu ? qemu : vfio,
		.where = handover,
		.output = (char *)request->output_name,
		.input = is_qemu ? qemu : NULL,
		.input_options = { .where = handover },
	};
	return server_add_guest(data, &guest);
}

/* NULL for a guest that is not of the configuration. */
static const struct oriel_config_guest *server_find_config_guest(
		const struct oriel_server *server, const char *name) {
	const struct oriel_config_guest *guest;
	wl_list_for_each(guest, &server->config->guests, link) {
		if (strcmp(guest->name, name) == 0) {
			return guest;
		}
	}
	return NULL;
}

/* Made with the first connection: a guest without any takes no keys, which others may have use for. */
static void server_handle_give_input(void *data, struct oriel_source *source, int take_monitor_fd) {
	static const char driver[] = "qemu";
	static const struct oriel_input_sink_options default_options = { .where = "handover" };
	struct oriel_server *server = data;
	const char *name = oriel_source_get_name(source);
	struct oriel_guest_view *view = oriel_layout_find(&server->layout, name);
	const struct oriel_config_guest *guest = server_find_config_guest(server, name);
	bool is_wanted = guest != NULL ? guest_awaits_input(guest)
				       : oriel_input_sink_driver_exists(driver);
	if (is_wanted && view->input == NULL) {
		oriel_guest_view_set_input(view,
				oriel_input_sink_create(server->loop, driver, name,
						guest != NULL ? &guest->input_options
							      : &default_options));
	}
	if (is_wanted && view->input != NULL) {
		oriel_input_sink_adopt(view->input, take_monitor_fd);
	} else {
		sb_fd_clear(&take_monitor_fd);
	}
}

/* What the user types into a guest that has it all is not for whoever comes then. */
static void server_handle_present_guest(void *data, struct oriel_source *source) {
	struct oriel_server *server = data;
	if (server->seat->guest_input.is_grabbed) {
		wlr_log(WLR_INFO, "guest %s: stays behind: guest %s has grabbed the input",
				oriel_source_get_name(source),
				oriel_guest_view_get_name(server->seat->guest_input.focus));
		return;
	}
	server_show_guest(server, oriel_layout_find(&server->layout, oriel_source_get_name(source)));
}

static void server_handle_remove_guest(void *data, struct oriel_source *source) {
	struct oriel_server *server = data;
	struct oriel_guest_view *view =
			oriel_layout_find(&server->layout, oriel_source_get_name(source));
	bool had_input = server->seat->guest_input.focus == view;
	oriel_guest_view_destroy(view);
	oriel_layout_arrange(&server->layout);
	if (had_input && server->guests_in_front) {
		server_show_windows(server);
	}
}

static const struct oriel_handover_host server_handover_host = {
	.find_guest = server_handle_find_guest,
	.add_guest = server_handle_add_guest,
	.give_input = server_handle_give_input,
	.present_guest = server_handle_present_guest,
	.remove_guest = server_handle_remove_guest,
};

static bool server_init_renderer(struct oriel_server *server) {
	server->backend = wlr_backend_autocreate(server->loop, &server->session);
	if (server->backend == NULL) {
		wlr_log(WLR_ERROR, "no backend: see WLR_BACKENDS in oriel(1)");
		return false;
	}
	if (server->session != NULL) {
		server->session_destroy.notify = server_handle_session_destroy;
		wl_signal_add(&server->session->events.destroy, &server->session_destroy);
	}
	server->renderer = wlr_renderer_autocreate(server->backend);
	if (server->renderer == NULL) {
		wlr_log(WLR_ERROR, "no renderer: see WLR_RENDERER in oriel(1)");
		return false;
	}
	server->renderer_lost.notify = server_handle_renderer_lost;
	wl_signal_add(&server->renderer->events.lost, &server->renderer_lost);
	oriel_render_sync_init(&server->render_sync, server->renderer);
	server->allocator = wlr_allocator_autocreate(server->backend, server->renderer);
	if (server->allocator == NULL) {
		wlr_log(WLR_ERROR, "no memory for the outputs that the renderer can draw to");
		return false;
	}
	return true;
}

static bool server_init(struct oriel_server *server) {
	server->display = wl_display_create();
	if (server->display == NULL) {
		wlr_log(WLR_ERROR, "no Wayland display: out of memory or files");
		return false;
	}
	server->loop = wl_display_get_event_loop(server->display);
	server->unseen_timer =
			wl_event_loop_add_timer(server->loop, server_handle_unseen_timer, server);
	if (server->unseen_timer == NULL) {
		wlr_log(WLR_ERROR, "out of memory");
		return false;
	}
	if (!server_init_renderer(server)) {
		return false;
	}
	if (!server_init_scene(server) || !server_init_globals(server)) {
		wlr_log(WLR_ERROR, "out of memory");
		return false;
	}
	oriel_layout_init(&server->layout, server->output_layout);
	server->layout.session = server->session;
	server->outputs = (struct oriel_outputs){
		.loop = server->loop,
		.renderer = server->renderer,
		.allocator = server->allocator,
		.scene = server->scene,
		.output_layout = server->output_layout,
		.scene_layout = server->scene_layout,
		.sync = &server->render_sync,
		.config = server->config,
		.layout = &server->layout,
	};
	oriel_outputs_init(&server->outputs, server->backend);
	server->outputs_closed.notify = server_handle_outputs_closed;
	wl_signal_add(&server->outputs.events.closed, &server->outputs_closed);
	/* After the guests have been put onto the outputs that there are. */
	server->layout_change.notify = server_handle_layout_change;
	wl_signal_add(&server->output_layout->events.change, &server->layout_change);

	server->seat = oriel_seat_create(server->display, server->backend, server->output_layout,
			server->scene, &server->layout, server->session, server->config);
	if (server->seat != NULL) {
		server->action.notify = server_handle_action;
		wl_signal_add(&server->seat->events.action, &server->action);
		server->focus.notify = server_handle_focus;
		wl_signal_add(&server->seat->events.focus, &server->focus);
		server->xdg_shell = oriel_xdg_shell_create(server->display, server->windows_tree,
				server->seat, server->output_layout);
	}
	if (server->xdg_shell == NULL) {
		wlr_log(WLR_ERROR, "out of memory");
		return false;
	}
	server_add_guests(server);
	server->control = oriel_control_create(server->loop, &server_handover_host, server);
	return server->control != NULL;
}

struct oriel_server *oriel_server_create(const struct oriel_config *config) {
	struct oriel_server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		wlr_log(WLR_ERROR, "out of memory");
		return NULL;
	}
	server->config = config;
	oriel_launch_raise_files(&server->files);
	server->render_sync.drm_fd = -1;
	wl_list_init(&server->action.link);
	wl_list_init(&server->focus.link);
	wl_list_init(&server->renderer_lost.link);
	wl_list_init(&server->session_destroy.link);
	wl_list_init(&server->outputs_closed.link);
	wl_list_init(&server->layout_change.link);
	wl_list_init(&server->layout.views);
	if (!server_init(server)) {
		oriel_server_destroy(server);
		return NULL;
	}
	return server;
}

bool oriel_server_start(struct oriel_server *server) {
	if (!wlr_backend_start(server->backend)) {
		wlr_log(WLR_ERROR, "the backend does not start");
		return false;
	}
	return true;
}

const char *oriel_server_listen(struct oriel_server *server) {
	const char *socket = wl_display_add_socket_auto(server->display);
	if (socket == NULL) {
		wlr_log_errno(WLR_ERROR, "no Wayland socket in XDG_RUNTIME_DIR");
		return NULL;
	}
	setenv("WAYLAND_DISPLAY", socket, true);

	/* Without it there is all but the hand-over. */
	const char *control_socket = oriel_control_listen(server->control);
	if (control_socket != NULL) {
		setenv("ORIEL_DISPLAY", control_socket, true);
	} else {
		unsetenv("ORIEL_DISPLAY");
	}
	return socket;
}

/*
 * Each part goes before what it stands on. The guests' frames go in between: an output that is
 * still there may be reading them, so they are let go before the outputs and counted after.
 */
void oriel_server_destroy(struct oriel_server *server) {
	if (server == NULL) {
		return;
	}
	server->ending = true;
	if (server->display != NULL) {
		wl_display_destroy_clients(server->display);
	}
	oriel_control_destroy(server->control);
	wl_list_remove(&server->action.link);
	wl_list_remove(&server->focus.link);
	wl_list_remove(&server->layout_change.link);
	if (server->unseen_timer != NULL) {
		wl_event_source_remove(server->unseen_timer);
	}
	oriel_xdg_shell_destroy(server->xdg_shell);
	oriel_seat_destroy(server->seat);
	oriel_layout_blank(&server->layout);
	if (server->backend != NULL) {
		wlr_backend_destroy(server->backend);
	}
	wl_list_remove(&server->session_destroy.link);
	wl_list_remove(&server->outputs_closed.link);
	if (server->outputs.layout != NULL) {
		oriel_outputs_finish(&server->outputs);
	}
	if (!wl_list_empty(&server->layout.views)) {
		oriel_layout_print_stats(&server->layout, stderr);
	}
	oriel_layout_finish(&server->layout);
	if (server->scene != NULL) {
		wlr_scene_node_destroy(&server->scene->tree.node);
	}
	oriel_render_sync_finish(&server->render_sync);
	wlr_allocator_destroy(server->allocator);
	wl_list_remove(&server->renderer_lost.link);
	if (server->renderer != NULL) {
		wlr_renderer_destroy(server->renderer);
	}
	if (server->display != NULL) {
		wl_display_destroy(server->display);
	}
	free(server);
}
