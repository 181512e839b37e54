#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-server-core.h>
#include <wlr/util/log.h>

#include "config.h"
#include "doctor/doctor.h"
#include "launch.h"
#include "options.h"
#include "server.h"

static int handle_end_signal(int signal_number, void *data) {
	struct oriel_server *server = data;
	wl_display_terminate(server->display);
	return 0;
}

static int handle_stats_signal(int signal_number, void *data) {
	struct oriel_server *server = data;
	oriel_layout_print_stats(&server->layout, stderr);
	return 0;
}

static const struct {
	int signal_number;
	wl_event_loop_signal_func_t handle;
} handled_signals[] = {
	{ SIGHUP, handle_end_signal },
	{ SIGINT, handle_end_signal },
	{ SIGTERM, handle_end_signal },
	{ SIGUSR1, handle_stats_signal },
};

#define HANDLED_SIGNAL_COUNT (sizeof(handled_signals) / sizeof(handled_signals[0]))

/*
 * The event loop reads the signals that it handles from a signalfd, which takes those only that
 * no thread has unblocked. Renderers start threads: they must be born with the signals blocked.
 */
static void block_handled_signals(void) {
	sigset_t handled;
	sigemptyset(&handled);
	for (size_t i = 0; i < HANDLED_SIGNAL_COUNT; i++) {
		sigaddset(&handled, handled_signals[i].signal_number);
	}
	sigprocmask(SIG_BLOCK, &handled, NULL);
}

static bool add_signals(struct oriel_server *server,
		struct wl_event_source *sources[HANDLED_SIGNAL_COUNT]) {
	for (size_t i = 0; i < HANDLED_SIGNAL_COUNT; i++) {
		sources[i] = wl_event_loop_add_signal(server->loop,
				handled_signals[i].signal_number, handled_signals[i].handle, server);
		if (sources[i] == NULL) {
			wlr_log(WLR_ERROR, "signals cannot be handled: out of memory or files");
			return false;
		}
	}
	return true;
}

/* NULL after one line on stderr. */
static struct oriel_config *load_config(const struct oriel_options *options) {
	char *error = NULL;
	char *found_path = options->config_path == NULL ? oriel_config_find_path() : NULL;
	const char *path = found_path != NULL ? found_path : options->config_path;
	struct oriel_config *config = path != NULL ? oriel_config_load(path, &error)
						   : oriel_config_create();
	free(found_path);
	for (size_t i = 0; i < options->guest_count && config != NULL; i++) {
		if (!oriel_config_add_guest(config, options->guests[i], &error)) {
			oriel_config_destroy(config);
			config = NULL;
		}
	}
	if (config == NULL) {
		fprintf(stderr, "%s\n", error != NULL ? error : "oriel: out of memory");
		free(error);
	}
	return config;
}

static bool run(struct oriel_server *server, const char *session_command) {
	const char *socket = oriel_server_listen(server);
	if (socket == NULL || !oriel_server_start(server)) {
		return false;
	}
	wlr_log(WLR_INFO, "running on WAYLAND_DISPLAY=%s", socket);
	if (session_command != NULL && !oriel_launch(session_command, &server->files)) {
		return false;
	}
	wl_display_run(server->display);
	return !server->failed;
}

int main(int argc, char *argv[]) {
	if (argc > 1 && strcmp(argv[1], "doctor") == 0) {
		return oriel_doctor_main(argc - 1, &argv[1]);
	}
	struct oriel_options options;
	switch (oriel_options_parse(argc, argv, &options)) {
	case ORIEL_OPTIONS_RUN:
		break;
	case ORIEL_OPTIONS_EXIT_OK:
		return EXIT_SUCCESS;
	case ORIEL_OPTIONS_EXIT_FAILURE:
		return EXIT_FAILURE;
	}

	int status = EXIT_FAILURE;
	struct oriel_config *config = load_config(&options);
	if (config == NULL) {
		goto out_options;
	}
	if (options.validate) {
		status = EXIT_SUCCESS;
		goto out_config;
	}

	wlr_log_init(options.debug ? WLR_DEBUG : WLR_INFO, NULL);
	signal(SIGPIPE, SIG_IGN);
	block_handled_signals();
	struct oriel_server *server = oriel_server_create(config);
	if (server == NULL) {
		goto out_config;
	}
	struct wl_event_source *sources[HANDLED_SIGNAL_COUNT] = { NULL };
	if (add_signals(server, sources) && run(server, options.session_command)) {
		status = EXIT_SUCCESS;
	}
	for (size_t i = 0; i < HANDLED_SIGNAL_COUNT; i++) {
		if (sources[i] != NULL) {
			wl_event_source_remove(sources[i]);
		}
	}
	oriel_server_destroy(server);

out_config:
	oriel_config_destroy(config);
out_options:
	oriel_options_finish(&options);
	return status;
}
