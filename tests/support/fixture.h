#ifndef TESTS_SUPPORT_FIXTURE_H
#define TESTS_SUPPORT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-util.h>

struct oriel_config;
struct oriel_guest_view;
struct oriel_output;
struct oriel_server;
struct wl_display;

/*
 * The real compositor in the test's own process, on the backend and with the renderer that the
 * environment chooses (headless and pixman if it says nothing). Nothing runs by itself: the test
 * steps the event loop, and so decides what happens between which two refreshes.
 *
 * Clients live in the same process too, and are served in the same steps.
 */
struct fixture {
	struct oriel_config *config;
	struct oriel_server *server; /* NULL once it has ended */
	struct wl_list connections; /* fixture_connection.link */
	unsigned long first_output_number; /* in its name; 0 on other backends than headless */
	int fds_before;
};

/*
 * Starts oriel with a configuration in oriel(5)'s form; a failure fails the test.
 *
 * The headless backend numbers its outputs for as long as the process lives, so that the names
 * depend on the tests before. There the words OUTPUT-1 to OUTPUT-9 stand for the first outputs of
 * this fixture, which is not the order that oriel gets to know them in. Other backends get the
 * text as it is.
 */
void fixture_init(struct fixture *fixture, const char *config_text);

/*
 * A group's set-up: starts oriel once and ends it, so that whatever files a GL or Vulkan driver opens once
 * and keeps are open before any are counted.
 */
int fixture_warm_up(void **state);

/* Ends oriel, while its clients are still connected. Only they can be stepped after that. */
void fixture_stop(struct fixture *fixture);

/*
 * Ends oriel, if it runs, and checks that as many fds are open as before fixture_init(). Every client must have
 * been disconnected.
 */
void fixture_finish(struct fixture *fixture);

/*
 * One turn: of the clients, of the event loop, which waits for at most timeout_ms for something
 * to happen, and of the clients again.
 */
void fixture_step(struct fixture *fixture, int timeout_ms);

/*
 * Steps until done() is true. What never happens fails the test after FIXTURE_PATIENCE_S seconds:
 * a bound on patience, and nothing that a test measures by.
 */
#define FIXTURE_PATIENCE_S 120
void fixture_step_until(struct fixture *fixture, bool (*done)(struct fixture *fixture, void *data),
		void *data);

/* Steps through that many refreshes of an output, each of which asks its guest. */
void fixture_step_output_refreshes(struct fixture *fixture, const char *output_name, int count);
/* Likewise, of the first output. */
void fixture_step_refreshes(struct fixture *fixture, int count);

/* Never NULL: an unknown name fails the test. */
struct oriel_guest_view *fixture_get_view(struct fixture *fixture, const char *guest_name);
struct oriel_output *fixture_get_output(struct fixture *fixture, const char *output_name);
/* The name of the n-th output, counted from 0, in oriel's order; fails the test if it is not there. */
const char *fixture_get_output_name(struct fixture *fixture, int index);
/* The name of the output that OUTPUT-number stands for; fails the test if it is not there. */
const char *fixture_get_numbered_output_name(struct fixture *fixture, int number);

/* A Wayland client in the same process, on a connection of its own. */
struct wl_display *fixture_connect(struct fixture *fixture);
/*
 * Disconnects it, and steps until the compositor has noticed. The client's objects must be gone
 * by then, or their memory leaks.
 */
void fixture_disconnect(struct fixture *fixture, struct wl_display *client);
/* True until the compositor has done with the connection, whoever ended it. */
bool fixture_is_connected(struct fixture *fixture, struct wl_display *client);
/* Steps until what the client has sent is answered, or the connection is broken. */
void fixture_roundtrip(struct fixture *fixture, struct wl_display *client);
/* Flushes the client and reads what has come for it. Never blocks. Each step does that. */
void fixture_dispatch_client(struct wl_display *client);

#endif
