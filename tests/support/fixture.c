#include "fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>
#include <wayland-server-core.h>
#include <wlr/backend.h>
#include <wlr/backend/headless.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "config.h"
#include "fds.h"
#include "guest/source.h"
#include "output/output.h"
#include "server.h"
#include "view/guest_view.h"
#include "view/layout.h"

struct fixture_connection {
	struct wl_list link; /* fixture.connections */
	struct wl_display *client;
	bool is_open; /* the compositor still serves it */
	struct wl_listener destroy; /* of the compositor's wl_client */
};

/* The number in the name of the next output that a headless backend makes. */
static unsigned long find_next_output_number(void) {
	/* wlroots says it only by making one. */
	struct wl_event_loop *loop = wl_event_loop_create();
	assert_non_null(loop);
	struct wlr_backend *backend = wlr_headless_backend_create(loop);
	assert_non_null(backend);
	const struct wlr_output *output = wlr_headless_add_output(backend, 1, 1);
	assert_non_null(output);
	const char *digits = strrchr(output->name, '-');
	assert_non_null(digits);
	unsigned long number = strtoul(digits + 1, NULL, 10);
	wlr_backend_destroy(backend);
	wl_event_loop_destroy(loop);
	return number + 1;
}

/* For free(): the text with OUTPUT-1 to OUTPUT-9 replaced by the headless backend's names. */
static char *name_outputs(const char *config_text, unsigned long first) {
	static const char word[] = "OUTPUT-";
	const size_t word_length = sizeof(word) - 1;
	char *named = NULL;
	size_t size;
	FILE *stream = open_memstream(&named, &size);
	assert_non_null(stream);
	const char *rest = config_text;
	for (const char *found; (found = strstr(rest, word)) != NULL;) {
		char digit = found[word_length];
		assert_true(digit >= '1' && digit <= '9');
		fprintf(stream, "%.*sHEADLESS-%lu", (int)(found - rest), rest,
				first + (unsigned long)(digit - '1'));
		rest = found + word_length + 1;
	}
	fputs(rest, stream);
	assert_int_equal(fclose(stream), 0);
	return named;
}

static struct oriel_config *load_config_text(const char *config_text) {
	int memfd = memfd_create("config", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	size_t size = strlen(config_text);
	assert_int_equal(write(memfd, config_text, size), (ssize_t)size);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	char *error = NULL;
	struct oriel_config *config = oriel_config_load(path, &error);
	if (config == NULL) {
		fail_msg("%s", error);
	}
	close(memfd);
	return config;
}

void fixture_init(struct fixture *fixture, const char *config_text) {
	setenv("WLR_BACKENDS", "headless", false);
	setenv("WLR_RENDERER", "pixman", false);
	wlr_log_init(getenv("ORIEL_TEST_DEBUG") != NULL ? WLR_DEBUG : WLR_ERROR, NULL);
	fixture->fds_before = fds_count_open();
	wl_list_init(&fixture->connections);
	bool is_headless = strcmp(getenv("WLR_BACKENDS"), "headless") == 0;
	fixture->first_output_number = is_headless ? find_next_output_number() : 0;
	char *named_text = is_headless ? name_outputs(config_text, fixture->first_output_number)
				       : NULL;
	fixture->config = load_config_text(is_headless ? named_text : config_text);
	free(named_text);
	fixture->server = oriel_server_create(fixture->config);
	assert_non_null(fixture->server);
	assert_true(oriel_server_start(fixture->server));
}

int fixture_warm_up(void **state) {
	struct fixture fixture;
	fixture_init(&fixture, "");
	fixture_step_refreshes(&fixture, 1);
	/* Not fixture_finish(), which would count the files that stay. */
	fixture_stop(&fixture);
	oriel_config_destroy(fixture.config);
	return 0;
}

void fixture_stop(struct fixture *fixture) {
	oriel_server_destroy(fixture->server);
	fixture->server = NULL;
}

void fixture_finish(struct fixture *fixture) {
	assert_true(wl_list_empty(&fixture->connections));
	fixture_stop(fixture);
	oriel_config_destroy(fixture->config);
	assert_int_equal(fds_count_open(), fixture->fds_before);
}

static void dispatch_clients(struct fixture *fixture) {
	if (fixture->server != NULL) {
		wl_display_flush_clients(fixture->server->display);
	}
	struct fixture_connection *connection;
	wl_list_for_each(connection, &fixture->connections, link) {
		fixture_dispatch_client(connection->client);
	}
}

void fixture_step(struct fixture *fixture, int timeout_ms) {
	dispatch_clients(fixture);
	if (fixture->server != NULL) {
		wl_event_loop_dispatch(fixture->server->loop, timeout_ms);
	}
	dispatch_clients(fixture);
}

void fixture_step_until(struct fixture *fixture, bool (*done)(struct fixture *fixture, void *data),
		void *data) {
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!done(fixture, data)) {
		fixture_step(fixture, 10);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > FIXTURE_PATIENCE_S) {
			fail_msg("what the test waits for does not happen");
		}
	}
}

struct refresh_counter {
	int count, wanted;
	struct wl_listener frame;
};

static void refresh_handle_frame(struct wl_listener *listener, void *data) {
	struct refresh_counter *counter = wl_container_of(listener, counter, frame);
	counter->count++;
}

static bool refreshes_are_over(struct fixture *fixture, void *data) {
	struct refresh_counter *counter = data;
	return counter->count >= counter->wanted;
}

void fixture_step_output_refreshes(struct fixture *fixture, const char *output_name, int count) {
	struct oriel_output *output = fixture_get_output(fixture, output_name);
	struct refresh_counter counter = { .wanted = count };
	counter.frame.notify = refresh_handle_frame;
	wl_signal_add(&output->wlr_output->events.frame, &counter.frame);
	while (counter.count < count) {
		int before = counter.count;
		/* However long it has stood still, this refresh asks it. */
		struct oriel_guest_view *view = oriel_layout_get_view_at(
				&fixture->server->layout, output->wlr_output);
		if (view != NULL) {
			oriel_source_wake(view->source);
		}
		wlr_output_update_needs_frame(output->wlr_output);
		counter.wanted = before + 1;
		fixture_step_until(fixture, refreshes_are_over, &counter);
	}
	wl_list_remove(&counter.frame.link);
}

void fixture_step_refreshes(struct fixture *fixture, int count) {
	fixture_step_output_refreshes(fixture, fixture_get_output_name(fixture, 0), count);
}

struct oriel_guest_view *fixture_get_view(struct fixture *fixture, const char *guest_name) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &fixture->server->layout.views, link) {
		if (strcmp(oriel_guest_view_get_name(view), guest_name) == 0) {
			return view;
		}
	}
	fail_msg("no guest %s", guest_name);
	return NULL;
}

struct oriel_output *fixture_get_output(struct fixture *fixture, const char *output_name) {
	struct oriel_output *output;
	wl_list_for_each(output, &fixture->server->outputs.outputs, link) {
		if (strcmp(output->wlr_output->name, output_name) == 0) {
			return output;
		}
	}
	fail_msg("no output %s", output_name);
	return NULL;
}

const char *fixture_get_output_name(struct fixture *fixture, int index) {
	/* New outputs are put in front. */
	struct oriel_output *output;
	wl_list_for_each_reverse(output, &fixture->server->outputs.outputs, link) {
		if (index-- == 0) {
			return output->wlr_output->name;
		}
	}
	fail_msg("too few outputs");
	return NULL;
}

const char *fixture_get_numbered_output_name(struct fixture *fixture, int number) {
	char name[64];
	snprintf(name, sizeof(name), "HEADLESS-%lu",
			fixture->first_output_number + (unsigned long)number - 1);
	return fixture_get_output(fixture, name)->wlr_output->name;
}

static void connection_handle_destroy(struct wl_listener *listener, void *data) {
	struct fixture_connection *connection = wl_container_of(listener, connection, destroy);
	connection->is_open = false;
}

struct wl_display *fixture_connect(struct fixture *fixture) {
	struct fixture_connection *connection = calloc(1, sizeof(*connection));
	assert_non_null(connection);
	int sockets[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	struct wl_client *server_side = wl_client_create(fixture->server->display, sockets[0]);
	assert_non_null(server_side);
	connection->client = wl_display_connect_to_fd(sockets[1]);
	assert_non_null(connection->client);
	connection->is_open = true;
	connection->destroy.notify = connection_handle_destroy;
	wl_client_add_destroy_late_listener(server_side, &connection->destroy);
	wl_list_insert(fixture->connections.prev, &connection->link);
	return connection->client;
}

static struct fixture_connection *find_connection(
		struct fixture *fixture, const struct wl_display *client) {
	struct fixture_connection *connection;
	wl_list_for_each(connection, &fixture->connections, link) {
		if (connection->client == client) {
			return connection;
		}
	}
	fail_msg("no such connection");
	return NULL;
}

static bool connection_is_over(struct fixture *fixture, void *data) {
	const struct fixture_connection *connection = data;
	return !connection->is_open;
}

void fixture_disconnect(struct fixture *fixture, struct wl_display *client) {
	struct fixture_connection *connection = find_connection(fixture, client);
	wl_display_flush(client);
	wl_display_disconnect(client);
	/* Nobody is to read from it any more. */
	wl_list_remove(&connection->link);
	fixture_step_until(fixture, connection_is_over, connection);
	free(connection);
}

bool fixture_is_connected(struct fixture *fixture, struct wl_display *client) {
	return find_connection(fixture, client)->is_open;
}

void fixture_dispatch_client(struct wl_display *client) {
	while (wl_display_prepare_read(client) != 0) {
		if (wl_display_dispatch_pending(client) < 0) {
			return; /* broken: what has come before stays unread */
		}
	}
	wl_display_flush(client);
	struct pollfd pollfd = { .fd = wl_display_get_fd(client), .events = POLLIN };
	if (poll(&pollfd, 1, 0) > 0) {
		wl_display_read_events(client);
	} else {
		wl_display_cancel_read(client);
	}
	wl_display_dispatch_pending(client);
}

struct roundtrip {
	struct wl_display *client;
	bool done;
};

static void roundtrip_handle_done(void *data, struct wl_callback *callback, uint32_t serial) {
	struct roundtrip *roundtrip = data;
	wl_callback_destroy(callback);
	roundtrip->done = true;
}

static const struct wl_callback_listener roundtrip_listener = {
	.done = roundtrip_handle_done,
};

static bool roundtrip_is_done(struct fixture *fixture, void *data) {
	const struct roundtrip *roundtrip = data;
	return roundtrip->done || wl_display_get_error(roundtrip->client) != 0;
}

void fixture_roundtrip(struct fixture *fixture, struct wl_display *client) {
	struct roundtrip roundtrip = { .client = client };
	struct wl_callback *callback = wl_display_sync(client);
	wl_callback_add_listener(callback, &roundtrip_listener, &roundtrip);
	fixture_step_until(fixture, roundtrip_is_done, &roundtrip);
	if (!roundtrip.done) {
		wl_callback_destroy(callback);
	}
}
