#include "guest/qemu/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <wayland-server-core.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/qemu/gate.h"

/*
 * Messages handled in one go, and the time for that, which pictures of many megabytes each would take. The
 * rest waits for the event loop's next turn, so that nobody waits for it long.
 */
#define BUS_MESSAGES_MAX 32
#define BUS_TURN_NS (4 * MSEC_NS)

/*
 * Messages that QEMU has not read. What is sent on our own account ends long before; these are answers
 * to calls, of a QEMU that goes on calling without reading them.
 */
#define BUS_BACKLOG_MAX 4096

#define USEC_NS UINT64_C(1000)
#define MSEC_NS UINT64_C(1000000)

struct oriel_bus {
	sd_bus *bus;
	struct wl_event_loop *loop;
	const struct oriel_bus_handler *handler;
	void *data;
	struct oriel_bus_gate *gate;
	int in_fd, out_fd; /* sd-bus': from the gate, and to QEMU */
	struct wl_event_source *source; /* of in_fd; NULL until it is started, and once it has ended */
	struct wl_event_source *out_source; /* of out_fd; NULL while QEMU is not behind */
	struct wl_event_source *timer;
	unsigned depth; /* of handlers that are running */
	bool is_destroyed; /* by one of them: freed when it returns */
};

static void source_clear(struct wl_event_source **source) {
	if (*source != NULL) {
		wl_event_source_remove(*source);
		*source = NULL;
	}
}

static void bus_free(struct oriel_bus *bus) {
	source_clear(&bus->source);
	source_clear(&bus->out_source);
	source_clear(&bus->timer);
	oriel_bus_gate_destroy(bus->gate);
	sd_bus_close_unref(bus->bus);
	free(bus);
}

/* The last thing that is heard of it. */
static void bus_end(struct oriel_bus *bus) {
	if (bus->source == NULL) {
		return;
	}
	source_clear(&bus->source);
	source_clear(&bus->out_source);
	wl_event_source_timer_update(bus->timer, 0);
	oriel_bus_gate_destroy(bus->gate);
	bus->gate = NULL;
	bus->handler->closed(bus->data);
}

static int bus_handle_fd(int fd, uint32_t mask, void *data);

/* Sees to it that the event loop comes back when QEMU takes more, or not. */
static void bus_watch_out(struct oriel_bus *bus, bool is_behind) {
	if (!is_behind) {
		source_clear(&bus->out_source);
	} else if (bus->out_source == NULL) {
		bus->out_source = wl_event_loop_add_fd(
				bus->loop, bus->out_fd, WL_EVENT_WRITABLE, bus_handle_fd, bus);
	}
}

/* Sees to it that the event loop comes back when there is something to do. */
static void bus_arm(struct oriel_bus *bus) {
	uint64_t when_usec;
	int events = sd_bus_get_events(bus->bus);
	if (events < 0 || sd_bus_get_timeout(bus->bus, &when_usec) < 0) {
		/* Not from here: the caller may be in the middle of sending. */
		wl_event_source_timer_update(bus->timer, 1);
		return;
	}
	wl_event_source_fd_update(bus->source, (events & POLLIN) != 0 ? WL_EVENT_READABLE : 0);
	bus_watch_out(bus, (events & POLLOUT) != 0);
	if (when_usec == UINT64_MAX) {
		wl_event_source_timer_update(bus->timer, 0);
		return;
	}
	uint64_t now_usec = oriel_clock_now_ns() / USEC_NS;
	uint64_t delay_ms = when_usec > now_usec ? (when_usec - now_usec) / 1000 + 1 : 1;
	wl_event_source_timer_update(bus->timer, delay_ms < INT32_MAX ? (int)delay_ms : INT32_MAX);
}

static void bus_process(struct oriel_bus *bus) {
	int ret = 1;
	uint64_t end_ns = oriel_clock_now_ns() + BUS_TURN_NS;
	bool was_behind = oriel_bus_get_backlog(bus) > 0;
	bus->depth++;
	for (int i = 0; i < BUS_MESSAGES_MAX && ret > 0 && !bus->is_destroyed &&
			(i == 0 || oriel_clock_now_ns() < end_ns);
			i++) {
		ret = sd_bus_process(bus->bus, NULL);
		if (!bus->is_destroyed && oriel_bus_get_backlog(bus) > BUS_BACKLOG_MAX) {
			ret = -ENOBUFS;
		}
	}
	if (!bus->is_destroyed && ret >= 0 && was_behind && oriel_bus_get_backlog(bus) == 0 &&
			bus->handler->drained != NULL) {
		bus->handler->drained(bus->data);
	}
	if (!bus->is_destroyed) {
		if (ret < 0) {
			bus_end(bus);
		} else {
			bus_arm(bus);
		}
	}
	bus->depth--;
	if (bus->is_destroyed && bus->depth == 0) {
		bus_free(bus);
	}
}

static int bus_handle_fd(int fd, uint32_t mask, void *data) {
	bus_process(data);
	return 0;
}

static int bus_handle_timer(void *data) {
	struct oriel_bus *bus = data;
	if (bus->source != NULL) {
		bus_process(bus);
	}
	return 0;
}

struct oriel_bus *oriel_bus_create(struct wl_event_loop *loop, int take_fd,
		const struct oriel_bus_handler *handler, void *data) {
	struct oriel_bus *bus = calloc(1, sizeof(*bus));
	if (bus == NULL) {
		sb_fd_clear(&take_fd);
		return NULL;
	}
	bus->loop = loop;
	bus->handler = handler;
	bus->data = data;
	bus->timer = wl_event_loop_add_timer(loop, bus_handle_timer, bus);
	bus->gate = oriel_bus_gate_create(loop, take_fd, &bus->in_fd);
	if (bus->gate == NULL) {
		goto error;
	}
	bus->out_fd = take_fd;
	if (sd_bus_new(&bus->bus) < 0 || sd_bus_set_fd(bus->bus, bus->in_fd, bus->out_fd) < 0) {
		sb_fd_clear(&bus->in_fd);
		goto error;
	}
	take_fd = -1; /* both are the bus's from here */
	if (bus->timer == NULL || sd_bus_negotiate_fds(bus->bus, true) < 0) {
		goto error;
	}
	return bus;

error:
	sb_fd_clear(&take_fd);
	bus_free(bus);
	return NULL;
}

bool oriel_bus_start(struct oriel_bus *bus) {
	if (sd_bus_start(bus->bus) < 0) {
		return false;
	}
	bus->source = wl_event_loop_add_fd(
			bus->loop, bus->in_fd, WL_EVENT_READABLE, bus_handle_fd, bus);
	if (bus->source == NULL) {
		return false;
	}
	bus_arm(bus);
	return true;
}

void oriel_bus_destroy(struct oriel_bus *bus) {
	if (bus == NULL) {
		return;
	}
	if (bus->depth > 0) {
		bus->is_destroyed = true;
		return;
	}
	bus_free(bus);
}

sd_bus *oriel_bus_get(struct oriel_bus *bus) {
	return bus->bus;
}

void oriel_bus_flush(struct oriel_bus *bus) {
	/* While a handler runs, bus_process() does it afterwards. */
	if (bus->source != NULL && bus->depth == 0) {
		bus_arm(bus);
	}
}

bool oriel_bus_is_open(const struct oriel_bus *bus) {
	return bus->source != NULL && sd_bus_is_open(bus->bus) > 0;
}

size_t oriel_bus_get_backlog(struct oriel_bus *bus) {
	uint64_t count;
	return sd_bus_get_n_queued_write(bus->bus, &count) < 0 ? 0 : (size_t)count;
}
