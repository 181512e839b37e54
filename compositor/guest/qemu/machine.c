#include "guest/qemu/machine.h"

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/console_impl.h"
#include "guest/qemu/properties.h"
#include "guest/qemu/qmp.h"

/*
 *	     connected, or adopted	 greeted      add_client    properties known
 *	AWAY ---------------> GREETING ----------> ATTACHING --------> ASKING --------> THERE
 *	 ^  \                    |                  |     ^        ^      |                |
 *	 |   +-------------------|------------------|-----|--------+      |                |
 *	 |     adopted, D-Bus    |                  |     | later         |                |
 *	 |                       |                  |  DETACHED <---------+----------------+
 *	 |                       |                  |     |  D-Bus ends, with QMP adopted
 *	 +-----------------------+------------------+-----+---------------+----------------+
 *	         either connection ends, or what comes by it is wrong
 *
 * From AWAY a path is tried again after RETRY_MS, and so is the display from DETACHED: nobody hands over
 * another monitor while QEMU runs. Connections that do not last, whoever ends them, make
 * that longer: there may be another program that wants the display, and QEMU has one for the last
 * who asks; and what QEMU can put into the log so is bounded.
 */
enum machine_step {
	MACHINE_STEP_AWAY,
	MACHINE_STEP_GREETING,
	MACHINE_STEP_ATTACHING,
	MACHINE_STEP_DETACHED,
	MACHINE_STEP_ASKING,
	MACHINE_STEP_THERE,
};

#define RETRY_MS 1000
#define RETRY_MAX_MS 16000
/* A connection that was there for so long has lasted. */
#define LASTING_NS (UINT64_C(10) * 1000 * 1000 * 1000)
/* So long from one step to the end of them, and it is said that QEMU does not answer. */
#define SILENCE_MS 5000

#define HANDOVER "handover"
#define DISPLAY_FD_NAME "oriel-display"

struct machine {
	struct oriel_qemu_machine base;
	struct wl_list link; /* registry.machines */
	unsigned refs;
	bool is_dying;
	struct wl_event_loop *loop;
	char *name;
	char *path; /* NULL: it is handed over */
	struct oriel_complaints complaints;

	enum machine_step step;
	/* To try again while AWAY or DETACHED, and to complain until THERE. */
	struct wl_event_source *timer;
	int retry_ms; /* after the next connection that does not last */
	uint64_t there_since_ns;
	int connect_error; /* that was said last; 0: none */

	struct oriel_qmp *qmp; /* NULL without a QMP monitor */
	bool has_input_only; /* QEMU is not asked for its display */
	bool has_qmp_input; /* console 0 uses qmp, which ends with it */
	int display_fd; /* our end of what QEMU gets while ATTACHING, or -1 */
	bool is_stopped;
	struct oriel_bus *bus; /* from ASKING on */
	sd_bus_slot *question; /* of the machine's own properties */
	unsigned unknown; /* consoles that have not answered yet */
	struct oriel_qemu_console *consoles[ORIEL_QEMU_CONSOLES_MAX]; /* NULL: not made yet */
};

static struct machine *machine_from_base(struct oriel_qemu_machine *base) {
	struct machine *machine = wl_container_of(base, machine, base);
	return machine;
}

static void machine_destroy(struct machine *machine);

/* Who is told of something may let go of the machine. */
static void machine_hold(struct machine *machine) {
	machine->refs++;
}

static void machine_release(struct machine *machine) {
	if (--machine->refs == 0) {
		machine_destroy(machine);
	}
}

static void machine_emit(struct machine *machine, struct wl_signal *signal) {
	if (machine->is_dying) {
		return;
	}
	machine_hold(machine);
	wl_signal_emit_mutable(signal, NULL);
	machine_release(machine);
}

/* --- coming and going ------------------------------------------------------------------------- */

/* The consoles are told, and then who follows the machine. */
static void machine_arrive(struct machine *machine) {
	machine_hold(machine);
	machine->step = MACHINE_STEP_THERE;
	machine->there_since_ns = oriel_clock_now_ns();
	wl_event_source_timer_update(machine->timer, 0);
	wlr_log(WLR_INFO, "guest %s: its machine is there", machine->name);
	for (int i = 0; i < ORIEL_QEMU_CONSOLES_MAX && machine->step == MACHINE_STEP_THERE; i++) {
		if (machine->consoles[i] != NULL) {
			oriel_qemu_console_arrive(machine->consoles[i]);
		}
	}
	if (machine->step == MACHINE_STEP_THERE) {
		machine_emit(machine, &machine->base.events.there);
	}
	machine_release(machine);
}

/* Drops the display's connection. */
static void machine_drop_display(struct machine *machine) {
	machine->question = sd_bus_slot_unref(machine->question);
	for (int i = 0; i < ORIEL_QEMU_CONSOLES_MAX; i++) {
		if (machine->consoles[i] != NULL) {
			oriel_qemu_console_disconnect(machine->consoles[i]);
		}
	}
	oriel_bus_destroy(machine->bus);
	machine->bus = NULL;
	sb_fd_clear(&machine->display_fd);
	wl_event_source_timer_update(machine->timer, 0);
}

/*
 * Tells those who thought that the machine was there, after the step it was at before. One that is
 * handed over was there for who did that.
 */
static void machine_emit_gone(struct machine *machine, enum machine_step before) {
	if (before == MACHINE_STEP_THERE) {
		wlr_log(WLR_INFO, "guest %s: its machine is gone", machine->name);
	}
	if (before == MACHINE_STEP_THERE || (before != MACHINE_STEP_AWAY && machine->path == NULL)) {
		machine_emit(machine, &machine->base.events.there);
	}
}

/* Drops the connections. */
static void machine_disconnect(struct machine *machine) {
	machine_hold(machine);
	enum machine_step before = machine->step;
	machine->step = MACHINE_STEP_AWAY;
	machine_drop_display(machine);
	oriel_qmp_destroy(machine->qmp);
	machine->qmp = NULL;
	machine->has_qmp_input = false;
	machine->is_stopped = false;
	machine_emit_gone(machine, before);
	machine_release(machine);
}

/* Who tries again waits longer each time, until a connection has lasted. */
static void machine_retry(struct machine *machine, bool has_lasted) {
	if (has_lasted) {
		machine->retry_ms = RETRY_MS;
	}
	wl_event_source_timer_update(machine->timer, machine->retry_ms);
	machine->retry_ms *= 2;
	if (machine->retry_ms > RETRY_MAX_MS) {
		machine->retry_ms = RETRY_MAX_MS;
	}
}

static bool machine_has_lasted(const struct machine *machine) {
	return machine->step == MACHINE_STEP_THERE &&
			oriel_clock_now_ns() - machine->there_since_ns >= LASTING_NS;
}

/* The connection has ended, or is of no use. */
static void machine_lose(struct machine *machine) {
	machine_hold(machine);
	bool has_lasted = machine_has_lasted(machine);
	machine_disconnect(machine);
	if (machine->path != NULL && machine->step == MACHINE_STEP_AWAY) {
		machine_retry(machine, has_lasted);
	}
	machine_release(machine);
}

static void machine_complain(struct machine *machine, const char *what, const char *why) {
	oriel_complain(&machine->complaints, oriel_clock_now_ns(), "%s%s%s", what,
			why != NULL ? ": " : "", why != NULL ? why : "");
}

static void machine_fail(struct machine *machine, const char *what, const char *why) {
	machine_complain(machine, what, why);
	machine_lose(machine);
}

/*
 * QEMU's display is of no use, or has another client: QEMU drops one for the next. The monitor that was
 * handed over may be good for another try.
 */
static void machine_lose_display(struct machine *machine) {
	if (machine->path != NULL || machine->qmp == NULL || machine->has_qmp_input) {
		machine_lose(machine);
		return;
	}
	machine_hold(machine);
	bool has_lasted = machine_has_lasted(machine);
	enum machine_step before = machine->step;
	machine->step = MACHINE_STEP_DETACHED;
	machine_drop_display(machine);
	machine_emit_gone(machine, before);
	if (machine->step == MACHINE_STEP_DETACHED) {
		machine_retry(machine, has_lasted);
	}
	machine_release(machine);
}

/* --- D-Bus ------------------------------------------------------------------------------------ */

/* As to others, its number would be a way to have any number of consoles made. */
static void machine_connect_console(struct machine *machine, uint32_t number) {
	struct oriel_qemu_console *console = number < ORIEL_QEMU_CONSOLES_MAX
			? oriel_qemu_machine_get_console(&machine->base, number)
			: NULL;
	if (console != NULL && oriel_qemu_console_connect(console, machine->bus)) {
		machine->unknown++;
	} else {
		oriel_complain(&machine->complaints, oriel_clock_now_ns(),
				"QEMU's console %u is one too many", number);
	}
}

/* Those of the consoles that belong to the machine's input are not there, and QMP has to do. */
static void machine_take_input(struct machine *machine) {
	struct oriel_qemu_console *console = oriel_qemu_machine_get_console(&machine->base, 0);
	if (console != NULL && oriel_qemu_console_connect_qmp(console, machine->qmp)) {
		machine->has_qmp_input = true;
		machine->unknown++;
	} else {
		machine_fail(machine, "no input can be had", NULL);
	}
}

static void machine_handle_known(struct oriel_qemu_machine *base) {
	struct machine *machine = machine_from_base(base);
	assert(machine->unknown > 0);
	if (--machine->unknown == 0) {
		machine_arrive(machine);
	}
}

static void machine_handle_console_change(
		struct oriel_qemu_machine *base, struct oriel_qemu_console *console) {
	machine_emit(machine_from_base(base), &console->events.change);
}

static int machine_handle_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct machine *machine = data;
	machine->question = sd_bus_slot_unref(machine->question);
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error != NULL) {
		machine_complain(machine, "QEMU's display does not answer",
				error->message != NULL ? error->message : error->name);
		machine_lose_display(machine);
		return 0;
	}
	const uint32_t *numbers = NULL;
	size_t count = 0;
	const struct oriel_qemu_property property = {
		.name = "ConsoleIDs",
		.type = "au",
		.value = &numbers,
		.count = &count,
	};
	if (oriel_qemu_properties_read(reply, &property, 1) < 0) {
		machine_complain(machine, "QEMU's display does not say what consoles it has", NULL);
		machine_lose_display(machine);
		return 0;
	}
	uint32_t seen = 0;
	for (size_t i = 0; i < count && i < ORIEL_QEMU_CONSOLES_MAX; i++) {
		uint32_t bit = numbers[i] < ORIEL_QEMU_CONSOLES_MAX ? UINT32_C(1) << numbers[i] : 0;
		if ((seen & bit) == 0) {
			seen |= bit;
			machine_connect_console(machine, numbers[i]);
		}
	}
	if (count == 0 && machine->qmp != NULL) {
		machine_take_input(machine);
	} else if (machine->unknown == 0) {
		machine_arrive(machine);
	}
	return 0;
}

static void machine_handle_bus_closed(void *data) {
	struct machine *machine = data;
	if (machine->step != MACHINE_STEP_THERE) {
		machine_complain(machine, "QEMU's display ends the connection", NULL);
	}
	machine_lose_display(machine);
}

static void machine_handle_bus_drained(void *data) {
	struct machine *machine = data;
	for (int i = 0; i < ORIEL_QEMU_CONSOLES_MAX; i++) {
		if (machine->consoles[i] != NULL) {
			oriel_qemu_console_drain(machine->consoles[i]);
		}
	}
}

static const struct oriel_bus_handler bus_handler = {
	.closed = machine_handle_bus_closed,
	.drained = machine_handle_bus_drained,
};

/* NULL if it cannot be had. */
static struct oriel_bus *machine_create_bus(struct machine *machine, int take_fd) {
	struct oriel_bus *bus = oriel_bus_create(machine->loop, take_fd, &bus_handler, machine);
	if (bus != NULL && !oriel_bus_start(bus)) {
		oriel_bus_destroy(bus);
		bus = NULL;
	}
	return bus;
}

/* The bus is the machine's from now on. False if memory ran out. */
static bool machine_ask(struct machine *machine, struct oriel_bus *take_bus) {
	machine->bus = take_bus;
	machine->step = MACHINE_STEP_ASKING;
	machine->unknown = 0;
	return oriel_qemu_properties_ask(machine->bus, "/org/qemu/Display1/VM",
			       "org.qemu.Display1.VM", machine_handle_answer, machine,
			       &machine->question) == 0;
}

/* --- QMP -------------------------------------------------------------------------------------- */

static void machine_handle_attached(void *data, struct json_object *result, const char *error) {
	struct machine *machine = data;
	if (error != NULL) {
		machine_fail(machine, "QEMU does not give its display", error);
		return;
	}
	struct oriel_bus *bus = machine_create_bus(machine, sb_fd_move(&machine->display_fd));
	if (bus == NULL || !machine_ask(machine, bus)) {
		machine_fail(machine, "no connection to QEMU's display can be had", NULL);
	}
}

static void machine_handle_fd(void *data, struct json_object *result, const char *error) {
	if (error != NULL) {
		machine_fail(data, "QEMU does not take a socket", error);
	}
}

static void machine_handle_status(void *data, struct json_object *result, const char *error) {
	struct machine *machine = data;
	struct json_object *running;
	machine->is_stopped = json_object_object_get_ex(result, "running", &running) &&
			!json_object_get_boolean(running);
}

static bool object_add_string(struct json_object *object, const char *name, const char *value) {
	struct json_object *string = json_object_new_string(value);
	if (string == NULL || json_object_object_add(object, name, string) != 0) {
		json_object_put(string);
		return false;
	}
	return true;
}

/* Gives QEMU one end of a socket pair for its display. False if that cannot be done. */
static bool machine_attach(struct machine *machine) {
	int take_fds[2] = { -1, -1 };
	struct json_object *fd_arguments = json_object_new_object();
	struct json_object *client_arguments = json_object_new_object();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, take_fds) != 0 ||
			fd_arguments == NULL || client_arguments == NULL ||
			!object_add_string(fd_arguments, "fdname", DISPLAY_FD_NAME) ||
			!object_add_string(client_arguments, "protocol", "@dbus-display") ||
			!object_add_string(client_arguments, "fdname", DISPLAY_FD_NAME)) {
		json_object_put(fd_arguments);
		json_object_put(client_arguments);
		sb_fd_clear(&take_fds[0]);
		sb_fd_clear(&take_fds[1]);
		return false;
	}
	machine->display_fd = take_fds[0];
	bool is_sent = oriel_qmp_execute(
			machine->qmp, "query-status", NULL, -1, machine_handle_status, machine);
	is_sent = oriel_qmp_execute(machine->qmp, "getfd", fd_arguments, take_fds[1],
				  machine_handle_fd, machine) &&
			is_sent;
	return oriel_qmp_execute(machine->qmp, "add_client", client_arguments, -1,
			       machine_handle_attached, machine) &&
			is_sent;
}

static void machine_handle_ready(void *data) {
	struct machine *machine = data;
	machine->step = MACHINE_STEP_ATTACHING;
	if (machine->has_input_only) {
		machine->unknown = 0;
		oriel_qmp_execute(machine->qmp, "query-status", NULL, -1, machine_handle_status,
				machine);
		machine_take_input(machine);
	} else if (!machine_attach(machine)) {
		machine_fail(machine, "no connection to QEMU's display can be had", NULL);
	}
}

static void machine_set_stopped(struct machine *machine, bool is_stopped) {
	if (machine->is_stopped != is_stopped) {
		machine->is_stopped = is_stopped;
		if (machine->step == MACHINE_STEP_THERE) {
			machine_emit(machine, &machine->base.events.run);
		}
	}
}

static void machine_handle_event(void *data, const char *name, struct json_object *details) {
	struct machine *machine = data;
	bool is_stop = strcmp(name, "STOP") == 0;
	bool is_resume = strcmp(name, "RESUME") == 0;
	if (!is_stop && !is_resume && strcmp(name, "RESET") != 0) {
		return;
	}
	machine_hold(machine);
	if (is_stop || is_resume) {
		machine_set_stopped(machine, is_stop);
	}
	if (!is_stop && !is_resume && machine->consoles[0] != NULL) {
		oriel_qemu_console_reset(machine->consoles[0]);
	}
	if (machine->step == MACHINE_STEP_THERE) {
		machine_emit(machine, &machine->base.events.reset);
	}
	machine_release(machine);
}

static void machine_handle_qmp_closed(void *data, const char *reason) {
	struct machine *machine = data;
	if (reason != NULL) {
		machine_fail(machine, "QMP", reason);
	} else if (machine->step != MACHINE_STEP_THERE && machine->step != MACHINE_STEP_DETACHED) {
		machine_fail(machine, "QEMU closes its QMP monitor", NULL);
	} else {
		machine_lose(machine);
	}
}

static const struct oriel_qmp_handler qmp_handler = {
	.ready = machine_handle_ready,
	.event = machine_handle_event,
	.closed = machine_handle_qmp_closed,
};

static void machine_greet(struct machine *machine, struct oriel_qmp *take_qmp) {
	machine->qmp = take_qmp;
	machine->step = MACHINE_STEP_GREETING;
}

/* --- the path --------------------------------------------------------------------------------- */

/* -errno, which is of the address as well as of the socket, or 0. Does not wait for anybody. */
static int connect_path(const char *path, int *ret_fd) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	assert(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		sb_fd_clear(&fd);
		return -error;
	}
	*ret_fd = fd;
	return 0;
}

static void machine_try_path(struct machine *machine) {
	int fd = -1;
	int ret = connect_path(machine->path, &fd);
	struct oriel_qmp *qmp = NULL;
	if (ret == 0) {
		qmp = oriel_qmp_create(machine->loop, fd, &qmp_handler, machine);
		ret = qmp != NULL ? 0 : -ENOMEM;
	}
	if (ret != 0 && ret != machine->connect_error) {
		wlr_log(WLR_INFO, "guest %s: waits for QEMU at %s: %s", machine->name,
				machine->path, strerror(-ret));
	}
	machine->connect_error = ret;
	if (ret != 0) {
		wl_event_source_timer_update(machine->timer, RETRY_MS);
		return;
	}
	machine_greet(machine, qmp);
	wl_event_source_timer_update(machine->timer, SILENCE_MS);
}

static int machine_handle_timer(void *data) {
	struct machine *machine = data;
	if (machine->step == MACHINE_STEP_AWAY) {
		/* It may have been disarmed in the turn of the event loop that it went off in. */
		if (machine->path != NULL) {
			machine_try_path(machine);
		}
	} else if (machine->step == MACHINE_STEP_DETACHED) {
		wl_event_source_timer_update(machine->timer, SILENCE_MS);
		machine_handle_ready(machine);
	} else if (machine->qmp != NULL && !machine->has_input_only &&
			!oriel_qmp_was_greeted(machine->qmp)) {
		oriel_complain(&machine->complaints, oriel_clock_now_ns(),
				"QEMU's QMP monitor does not answer: it takes one client at a time, "
				"and may have another");
	} else {
		oriel_complain(&machine->complaints, oriel_clock_now_ns(),
				"QEMU takes long to answer");
	}
	return 0;
}

/* --- handed over ------------------------------------------------------------------------------ */

/* None of this waits, whatever file it is. */
static bool is_stream_socket(int fd) {
	int domain = 0, type = 0, is_listening = 1;
	socklen_t size = sizeof(int);
	struct sockaddr_un peer;
	socklen_t peer_size = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
			getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
			type == SOCK_STREAM &&
			getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 &&
			is_listening == 0 &&
			getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0;
}

/* Everything stays as it was if the new connection cannot be had. */
static bool machine_adopt_qmp(struct machine *machine, bool has_input_only, int take_fd) {
	struct oriel_qmp *qmp = oriel_qmp_create(machine->loop, take_fd, &qmp_handler, machine);
	if (qmp == NULL) {
		return false;
	}
	machine_disconnect(machine);
	machine->has_input_only = has_input_only;
	machine_greet(machine, qmp);
	return true;
}

static bool machine_adopt_bus(struct machine *machine, int take_fd) {
	struct oriel_bus *bus = machine_create_bus(machine, take_fd);
	if (bus == NULL) {
		return false;
	}
	machine_disconnect(machine);
	if (!machine_ask(machine, bus)) {
		machine_disconnect(machine);
		return false;
	}
	return true;
}

bool oriel_qemu_machine_adopt(
		struct oriel_qemu_machine *base, enum oriel_qemu_channel channel, int take_fd) {
	struct machine *machine = machine_from_base(base);
	const char *fault = NULL;
	if (machine->path != NULL) {
		fault = "it is not one that is handed over";
	} else if (!is_stream_socket(take_fd)) {
		fault = "what was handed over is no connected stream socket";
	}
	if (fault != NULL) {
		wlr_log(WLR_ERROR, "guest %s: qemu: %s", machine->name, fault);
		sb_fd_clear(&take_fd);
		return false;
	}
	machine_hold(machine);
	bool is_adopted = channel == ORIEL_QEMU_CHANNEL_DBUS
			? machine_adopt_bus(machine, take_fd)
			: machine_adopt_qmp(machine, channel == ORIEL_QEMU_CHANNEL_QMP_INPUT,
					  take_fd);
	if (is_adopted) {
		wl_event_source_timer_update(machine->timer, SILENCE_MS);
	} else {
		wlr_log(WLR_ERROR, "guest %s: qemu: out of memory or files", machine->name);
	}
	machine_release(machine);
	return is_adopted;
}

void oriel_qemu_machine_end(struct oriel_qemu_machine *base) {
	struct machine *machine = machine_from_base(base);
	if (machine->path == NULL) {
		machine_disconnect(machine);
	}
}

/* --- which machines there are ----------------------------------------------------------------- */

/* Hangs on the event loop once that has had a machine. */
struct registry {
	struct wl_listener loop_destroy; /* struct wl_event_loop * */
	struct wl_list machines; /* machine.link */
};

static void registry_handle_loop_destroy(struct wl_listener *listener, void *data) {
	struct registry *registry = wl_container_of(listener, registry, loop_destroy);
	assert(wl_list_empty(&registry->machines));
	wl_list_remove(&listener->link);
	free(registry);
}

static struct registry *registry_find(struct wl_event_loop *loop) {
	struct wl_listener *listener =
			wl_event_loop_get_destroy_listener(loop, registry_handle_loop_destroy);
	struct registry *registry = NULL;
	return listener != NULL ? wl_container_of(listener, registry, loop_destroy) : NULL;
}

/* NULL if memory ran out. */
static struct registry *registry_get(struct wl_event_loop *loop) {
	struct registry *registry = registry_find(loop);
	if (registry == NULL) {
		registry = calloc(1, sizeof(*registry));
		if (registry == NULL) {
			return NULL;
		}
		wl_list_init(&registry->machines);
		registry->loop_destroy.notify = registry_handle_loop_destroy;
		wl_event_loop_add_destroy_listener(loop, &registry->loop_destroy);
	}
	return registry;
}

/* path is NULL for a machine that is handed over. */
static struct machine *registry_find_machine(
		struct registry *registry, const char *name, const char *path) {
	struct machine *machine;
	wl_list_for_each(machine, &registry->machines, link) {
		bool is_same = path == NULL
				? machine->path == NULL && strcmp(machine->name, name) == 0
				: machine->path != NULL && strcmp(machine->path, path) == 0;
		if (is_same) {
			return machine;
		}
	}
	return NULL;
}

static void machine_destroy(struct machine *machine) {
	machine->is_dying = true;
	machine_hold(machine); /* it is not destroyed again while it takes leave */
	machine_disconnect(machine);
	assert(wl_list_empty(&machine->base.events.there.listener_list));
	assert(wl_list_empty(&machine->base.events.reset.listener_list));
	assert(wl_list_empty(&machine->base.events.run.listener_list));
	for (int i = 0; i < ORIEL_QEMU_CONSOLES_MAX; i++) {
		oriel_qemu_console_destroy(machine->consoles[i]);
	}
	wl_event_source_remove(machine->timer);
	wl_list_remove(&machine->link);
	free(machine->path);
	free(machine->name);
	free(machine);
}

/* NULL if memory ran out. */
static struct machine *machine_create(struct registry *registry, struct wl_event_loop *loop,
		const char *name, const char *path) {
	struct machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL) {
		return NULL;
	}
	wl_signal_init(&machine->base.events.there);
	wl_signal_init(&machine->base.events.reset);
	wl_signal_init(&machine->base.events.run);
	machine->loop = loop;
	machine->display_fd = -1;
	machine->retry_ms = RETRY_MS;
	machine->name = strdup(name);
	machine->path = path != NULL ? strdup(path) : NULL;
	machine->timer = wl_event_loop_add_timer(loop, machine_handle_timer, machine);
	if (machine->name == NULL || (path != NULL && machine->path == NULL) ||
			machine->timer == NULL) {
		if (machine->timer != NULL) {
			wl_event_source_remove(machine->timer);
		}
		free(machine->path);
		free(machine->name);
		free(machine);
		return NULL;
	}
	oriel_complaints_init(&machine->complaints, machine->name, oriel_clock_now_ns());
	wl_list_insert(&registry->machines, &machine->link);
	return machine;
}

struct oriel_qemu_machine *oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where) {
	const char *path = where != NULL && strcmp(where, HANDOVER) == 0 ? NULL : where;
	struct sockaddr_un *address = NULL;
	if (where == NULL || where[0] == '\0' || strlen(where) >= sizeof(address->sun_path)) {
		wlr_log(WLR_ERROR,
				"guest %s: qemu: the path of a QMP socket has to have 1 to %zu bytes",
				name, sizeof(address->sun_path) - 1);
		return NULL;
	}
	struct registry *registry = registry_get(loop);
	struct machine *machine = registry != NULL ? registry_find_machine(registry, name, path)
						   : NULL;
	if (machine == NULL && registry != NULL) {
		machine = machine_create(registry, loop, name, path);
		if (machine != NULL && path != NULL) {
			machine_try_path(machine);
		}
	}
	if (machine == NULL) {
		wlr_log(WLR_ERROR, "guest %s: qemu: out of memory or files", name);
		return NULL;
	}
	machine_hold(machine);
	return &machine->base;
}

void oriel_qemu_machine_unref(struct oriel_qemu_machine *base) {
	if (base != NULL) {
		machine_release(machine_from_base(base));
	}
}

/* --- what others ask -------------------------------------------------------------------------- */

bool oriel_qemu_machine_is_there(const struct oriel_qemu_machine *base) {
	const struct machine *machine = wl_container_of(base, machine, base);
	return machine->step == MACHINE_STEP_THERE;
}

bool oriel_qemu_machine_is_running(const struct oriel_qemu_machine *base) {
	const struct machine *machine = wl_container_of(base, machine, base);
	return machine->step == MACHINE_STEP_THERE && !machine->is_stopped;
}

struct oriel_qemu_console *oriel_qemu_machine_get_console(
		struct oriel_qemu_machine *base, unsigned number) {
	struct machine *machine = machine_from_base(base);
	if (number >= ORIEL_QEMU_CONSOLES_MAX) {
		return NULL;
	}
	if (machine->consoles[number] == NULL) {
		const struct oriel_qemu_console_owner owner = {
			.machine = base,
			.loop = machine->loop,
			.complaints = &machine->complaints,
			.known = machine_handle_known,
			.change = machine_handle_console_change,
		};
		machine->consoles[number] = oriel_qemu_console_create(&owner, number);
	}
	return machine->consoles[number];
}

struct oriel_bus *oriel_qemu_machine_get_bus(struct oriel_qemu_machine *base) {
	struct machine *machine = machine_from_base(base);
	return machine->step == MACHINE_STEP_THERE ? machine->bus : NULL;
}

const char *oriel_qemu_machine_get_name(const struct oriel_qemu_machine *base) {
	const struct machine *machine = wl_container_of(base, machine, base);
	return machine->name;
}
