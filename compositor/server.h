#ifndef ORIEL_SERVER_H
#define ORIEL_SERVER_H

#include <stdbool.h>
#include <sys/resource.h>
#include <wayland-server-core.h>

#include "bridge/render_sync.h"
#include "output/output.h"
#include "view/layout.h"

struct oriel_config;
struct oriel_control;
struct oriel_seat;
struct oriel_xdg_shell;
struct wlr_allocator;
struct wlr_backend;
struct wlr_output_layout;
struct wlr_renderer;
struct wlr_scene;
struct wlr_scene_output_layout;
struct wlr_scene_tree;
struct wlr_session;

/* The whole compositor: it makes every part and joins them. */
struct oriel_server {
	const struct oriel_config *config;
	struct rlimit files; /* of the programs that it starts */
	struct wl_display *display;
	struct wl_event_loop *loop;
	struct wlr_backend *backend;
	struct wlr_session *session; /* NULL where there is none, e.g. nested, or once it is lost */
	struct wlr_renderer *renderer;
	struct wlr_allocator *allocator;

	struct wlr_scene *scene;
	struct wlr_scene_tree *guests_tree; /* the guests' displays */
	struct wlr_scene_tree *windows_tree; /* Wayland clients, above the guests to begin with */
	bool guests_in_front;
	struct wlr_output_layout *output_layout;
	struct wlr_scene_output_layout *scene_layout;

	struct oriel_render_sync render_sync;
	struct oriel_layout layout;
	struct oriel_outputs outputs;
	struct oriel_seat *seat;
	struct oriel_xdg_shell *xdg_shell;
	struct oriel_control *control;

	bool failed; /* it ends, and not because it was asked to */
	bool ending;

	struct wl_listener action; /* const struct oriel_config_binding * */
	struct wl_listener focus; /* struct wlr_surface *, may be NULL */
	struct wl_listener renderer_lost;
	struct wl_listener session_destroy;
	struct wl_listener outputs_closed;
	struct wl_listener layout_change; /* of the outputs */
	struct wl_event_source *unseen_timer; /* since a guest's output has gone that has the input */
};

/*
 * Makes a compositor of config, which is borrowed, on the backend and with the renderer that
 * wlroots' environment variables choose. Guests that cannot be opened are logged and left out.
 * NULL after one log line.
 */
struct oriel_server *oriel_server_create(const struct oriel_config *config);

/* Brings up outputs and inputs. False after one log line. */
bool oriel_server_start(struct oriel_server *server);

/*
 * Opens a Wayland socket and puts its name into WAYLAND_DISPLAY, and a control socket, whose name
 * is then in ORIEL_DISPLAY. NULL after one log line if there is no Wayland socket, else its name,
 * which lives as long as the server.
 */
const char *oriel_server_listen(struct oriel_server *server);

/* NULL is fine. Prints the table of statistics to stderr if there were guests. */
void oriel_server_destroy(struct oriel_server *server);

#endif
