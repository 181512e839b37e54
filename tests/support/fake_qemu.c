#include "fake_qemu.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include "fd.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define PATH_PREFIX "/org/qemu/Display1/"
#define INTERFACE_PREFIX "org.qemu.Display1."

/* One more waits to be accepted, and for others the socket is full. */
#define BACKLOG 1

struct fake_qemu {
	struct wl_event_loop *loop;
	char *path;
	enum fake_qemu_fault faults[FAKE_QEMU_STEP_COUNT];
	bool is_stopped; /* the machine */

	int listen_fd, monitor_fd;
	struct wl_event_source *listen_source, *monitor_source;
	struct json_tokener *tokener;
	int passed_fd; /* the last one that came with a command, or by getfd */
	int silent_fd; /* a display's connection that is not spoken on */
	unsigned monitor_count, display_count;
	int input_id; /* of a command that was not answered; 0: none */

	sd_bus *bus;
	struct wl_event_source *bus_source, *bus_timer;
	bool is_frozen;
	void (*bus_handler)(void *data, sd_bus *bus);
	void *bus_handler_data;

	struct fake_qemu_console consoles[FAKE_QEMU_CONSOLES_MAX];
	int listener_fds[FAKE_QEMU_CONSOLES_MAX];
	uint32_t numbers[FAKE_QEMU_CONSOLES_MAX * 2];
	size_t number_count;
	sd_bus_message *ui_info; /* that was not answered */

	char *calls, *taken_calls;
	size_t calls_size, calls_room;
};

static void check(bool is_true, const char *what) {
	if (!is_true) {
		fprintf(stderr, "fake QEMU: %s: %s\n", what, strerror(errno));
		abort();
	}
}

static void source_clear(struct wl_event_source **source) {
	if (*source != NULL) {
		wl_event_source_remove(*source);
		*source = NULL;
	}
}

/* --- the display: what comes ------------------------------------------------------------------ */

static void qemu_note(struct fake_qemu *qemu, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

static void qemu_note(struct fake_qemu *qemu, const char *format, ...) {
	char text[128];
	va_list args;
	va_start(args, format);
	size_t size = (size_t)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (qemu->calls_size + size + 1 > qemu->calls_room) {
		qemu->calls_room = 2 * (qemu->calls_size + size + 1);
		qemu->calls = realloc(qemu->calls, qemu->calls_room);
		check(qemu->calls != NULL, "calls");
	}
	memcpy(qemu->calls + qemu->calls_size, text, size + 1);
	qemu->calls_size += size;
}

/* A call's arguments, those of the types that QEMU's input takes. */
static void qemu_note_arguments(struct fake_qemu *qemu, sd_bus_message *call) {
	char type;
	while (sd_bus_message_peek_type(call, &type, NULL) > 0) {
		union {
			uint32_t u;
			int32_t i;
			uint16_t q;
			uint64_t t;
			double d;
			int h;
		} value;
		check(sd_bus_message_read_basic(call, type, &value) >= 0, "an argument");
		switch (type) {
		case SD_BUS_TYPE_UINT32:
			qemu_note(qemu, " %u", value.u);
			break;
		case SD_BUS_TYPE_INT32:
			qemu_note(qemu, " %d", value.i);
			break;
		case SD_BUS_TYPE_UINT16:
			qemu_note(qemu, " %u", value.q);
			break;
		case SD_BUS_TYPE_UINT64:
			qemu_note(qemu, " %llu", (unsigned long long)value.t);
			break;
		case SD_BUS_TYPE_DOUBLE:
			qemu_note(qemu, " %g", value.d);
			break;
		default:
			qemu_note(qemu, " %c", type);
			break;
		}
	}
	check(sd_bus_message_rewind(call, true) >= 0, "rewind");
}

static void append_property(sd_bus_message *message, const char *name, const char *type, ...) {
	va_list args;
	va_start(args, type);
	check(sd_bus_message_open_container(message, 'e', "sv") >= 0 &&
					sd_bus_message_append_basic(message, 's', name) >= 0 &&
					sd_bus_message_open_container(message, 'v', type) >= 0 &&
					sd_bus_message_appendv(message, type, args) >= 0 &&
					sd_bus_message_close_container(message) >= 0 &&
					sd_bus_message_close_container(message) >= 0,
			"a property");
	va_end(args);
}

/* a{sv}, of one interface of a console. old: only what has changed since; NULL: all. */
static void append_console(sd_bus_message *message, const char *interface,
		const struct fake_qemu_console *console, const struct fake_qemu_console *old) {
	check(sd_bus_message_open_container(message, 'a', "{sv}") >= 0, "properties");
	if (strcmp(interface, INTERFACE_PREFIX "Console") == 0) {
		if (old == NULL) {
			append_property(message, "Label", "s", "virtio-vga");
			append_property(message, "Head", "u", 0);
		}
		if (old == NULL || old->width != console->width) {
			append_property(message, "Width", "u", console->width);
		}
		if (old == NULL || old->height != console->height) {
			append_property(message, "Height", "u", console->height);
		}
	} else if (strcmp(interface, INTERFACE_PREFIX "Keyboard") == 0) {
		append_property(message, "Modifiers", "u", console->modifiers);
	} else if (strcmp(interface, INTERFACE_PREFIX "Mouse") == 0) {
		append_property(message, "IsAbsolute", "b", (int)console->is_absolute);
	} else if (strcmp(interface, INTERFACE_PREFIX "MultiTouch") == 0) {
		append_property(message, "MaxSlots", "i", console->touch_slots);
	}
	check(sd_bus_message_close_container(message) >= 0, "properties");
}

/* True if the call was met with a fault of that step. */
static bool qemu_is_wrong(struct fake_qemu *qemu, enum fake_qemu_step step, sd_bus_message *call) {
	switch (qemu->faults[step]) {
	case FAKE_QEMU_FAULT_NONE:
		return false;
	case FAKE_QEMU_FAULT_SILENT:
		break;
	case FAKE_QEMU_FAULT_CLOSES:
		sd_bus_close(qemu->bus);
		break;
	case FAKE_QEMU_FAULT_REFUSES:
		sd_bus_reply_method_errorf(call, INTERFACE_PREFIX "Error.Failed",
				"it fails\nguest x: \033[31mred");
		break;
	case FAKE_QEMU_FAULT_UNSUPPORTED:
		sd_bus_reply_method_errorf(call, INTERFACE_PREFIX "Error.Unsupported",
				"SetUIInfo is not supported");
		break;
	case FAKE_QEMU_FAULT_GARBAGE:
		sd_bus_reply_method_return(call, "a{sv}", 4, "ConsoleIDs", "s", "none", "Width",
				"s", "wide", "IsAbsolute", "u", 1, "MaxSlots", "d", 1.0);
		break;
	}
	return true;
}

static void qemu_answer_vm(struct fake_qemu *qemu, sd_bus_message *call) {
	if (qemu_is_wrong(qemu, FAKE_QEMU_STEP_VM, call)) {
		return;
	}
	sd_bus_message *reply = NULL;
	check(sd_bus_message_new_method_return(call, &reply) >= 0 &&
					sd_bus_message_open_container(reply, 'a', "{sv}") >= 0,
			"an answer");
	append_property(reply, "Name", "s", "fake");
	append_property(reply, "UUID", "s", "00000000-0000-0000-0000-000000000000");
	check(sd_bus_message_open_container(reply, 'e', "sv") >= 0 &&
					sd_bus_message_append_basic(reply, 's', "ConsoleIDs") >= 0 &&
					sd_bus_message_open_container(reply, 'v', "au") >= 0 &&
					sd_bus_message_append_array(reply, 'u', qemu->numbers,
							qemu->number_count * sizeof(uint32_t)) >= 0 &&
					sd_bus_message_close_container(reply) >= 0 &&
					sd_bus_message_close_container(reply) >= 0 &&
					sd_bus_message_close_container(reply) >= 0 &&
					sd_bus_message_send(reply) >= 0,
			"an answer");
	sd_bus_message_unref(reply);
}

static void qemu_answer_console(struct fake_qemu *qemu, unsigned number, sd_bus_message *call) {
	const char *interface;
	if (qemu_is_wrong(qemu, FAKE_QEMU_STEP_CONSOLE, call) ||
			sd_bus_message_read_basic(call, 's', &interface) < 0) {
		return;
	}
	sd_bus_message *reply = NULL;
	check(sd_bus_message_new_method_return(call, &reply) >= 0, "an answer");
	append_console(reply, interface, &qemu->consoles[number], NULL);
	check(sd_bus_message_send(reply) >= 0, "an answer");
	sd_bus_message_unref(reply);
}

static void qemu_take_call(struct fake_qemu *qemu, unsigned number, sd_bus_message *call) {
	const char *interface = sd_bus_message_get_interface(call);
	const char *method = sd_bus_message_get_member(call);
	qemu_note(qemu, "%u %s.%s", number, interface + strlen(INTERFACE_PREFIX), method);
	qemu_note_arguments(qemu, call);
	qemu_note(qemu, "%s\n", sd_bus_message_get_expect_reply(call) > 0 ? " ?" : "");

	if (strcmp(method, "SetUIInfo") == 0) {
		if (qemu->faults[FAKE_QEMU_STEP_UI_INFO] == FAKE_QEMU_FAULT_SILENT) {
			sd_bus_message_unref(qemu->ui_info);
			qemu->ui_info = sd_bus_message_ref(call);
		}
		if (qemu_is_wrong(qemu, FAKE_QEMU_STEP_UI_INFO, call)) {
			return;
		}
	} else if (strcmp(method, "RegisterListener") == 0) {
		int fd;
		check(sd_bus_message_read_basic(call, 'h', &fd) >= 0, "a listener");
		sb_fd_replace(&qemu->listener_fds[number], sb_fd_dup(fd));
		if (qemu_is_wrong(qemu, FAKE_QEMU_STEP_LISTENER, call)) {
			return;
		}
	}
	sd_bus_reply_method_return(call, NULL);
}

/* What is not of the machine or a console is left to others' objects. */
static int qemu_handle_message(sd_bus_message *message, void *data, sd_bus_error *ret_error) {
	struct fake_qemu *qemu = data;
	const char *path = sd_bus_message_get_path(message);
	const char *interface = sd_bus_message_get_interface(message);
	unsigned number;
	if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0 || interface == NULL) {
		return 0;
	}
	bool is_question = sd_bus_message_is_method_call(message, PROPERTIES, "GetAll") > 0;
	if (is_question && strcmp(path, PATH_PREFIX "VM") == 0) {
		qemu_answer_vm(qemu, message);
		return 1;
	}
	if (sscanf(path, PATH_PREFIX "Console_%u", &number) != 1 || number >= FAKE_QEMU_CONSOLES_MAX) {
		return 0;
	}
	if (is_question) {
		qemu_answer_console(qemu, number, message);
	} else if (strncmp(interface, INTERFACE_PREFIX, strlen(INTERFACE_PREFIX)) == 0) {
		qemu_take_call(qemu, number, message);
	} else {
		return 0;
	}
	return 1;
}

/* --- the display: its connection -------------------------------------------------------------- */

static void qemu_process_bus(struct fake_qemu *qemu) {
	int ret = 1;
	while (ret > 0 && !qemu->is_frozen) {
		ret = sd_bus_process(qemu->bus, NULL);
	}
	if (ret < 0) {
		fake_qemu_close_display(qemu);
	} else {
		fake_qemu_flush(qemu);
	}
}

static int qemu_handle_bus_fd(int fd, uint32_t mask, void *data) {
	qemu_process_bus(data);
	return 0;
}

static int qemu_handle_bus_timer(void *data) {
	qemu_process_bus(data);
	return 0;
}

static void qemu_serve_display(struct fake_qemu *qemu, int take_fd) {
	fake_qemu_close_display(qemu);
	qemu->display_count++;
	switch (qemu->faults[FAKE_QEMU_STEP_AUTH]) {
	case FAKE_QEMU_FAULT_CLOSES:
		sb_fd_clear(&take_fd);
		return;
	case FAKE_QEMU_FAULT_GARBAGE:
		/* As many lines as a client waits for. */
		check(send(take_fd, "HELP \1\2\r\nHELP\r\nHELP\r\nHELP\r\n", 27, MSG_NOSIGNAL) == 27,
				"garbage");
		sb_fd_replace(&qemu->silent_fd, take_fd);
		return;
	case FAKE_QEMU_FAULT_SILENT:
		sb_fd_replace(&qemu->silent_fd, take_fd);
		return;
	default:
		break;
	}
	sd_id128_t id = { .bytes = { 1 } };
	check(sd_bus_new(&qemu->bus) >= 0 && sd_bus_set_fd(qemu->bus, take_fd, take_fd) >= 0 &&
					sd_bus_set_server(qemu->bus, 1, id) >= 0 &&
					sd_bus_set_trusted(qemu->bus, 1) >= 0 &&
					sd_bus_negotiate_fds(qemu->bus, 1) >= 0 &&
					sd_bus_add_filter(qemu->bus, NULL, qemu_handle_message,
							qemu) >= 0,
			"a bus");
	if (qemu->bus_handler != NULL) {
		qemu->bus_handler(qemu->bus_handler_data, qemu->bus);
	}
	if (sd_bus_start(qemu->bus) < 0) {
		fake_qemu_close_display(qemu); /* the other side is gone already */
		return;
	}
	qemu->bus_source = wl_event_loop_add_fd(qemu->loop, sd_bus_get_fd(qemu->bus),
			WL_EVENT_READABLE, qemu_handle_bus_fd, qemu);
	qemu->bus_timer = wl_event_loop_add_timer(qemu->loop, qemu_handle_bus_timer, qemu);
	check(qemu->bus_source != NULL && qemu->bus_timer != NULL, "a bus");
	fake_qemu_flush(qemu);
}

void fake_qemu_close_display(struct fake_qemu *qemu) {
	source_clear(&qemu->bus_source);
	source_clear(&qemu->bus_timer);
	qemu->ui_info = sd_bus_message_unref(qemu->ui_info);
	qemu->bus = sd_bus_close_unref(qemu->bus);
	sb_fd_clear(&qemu->silent_fd);
}

sd_bus *fake_qemu_get_bus(struct fake_qemu *qemu) {
	return qemu->bus;
}

void fake_qemu_flush(struct fake_qemu *qemu) {
	if (qemu->bus_source == NULL) {
		return;
	}
	int events = qemu->is_frozen ? 0 : sd_bus_get_events(qemu->bus);
	if (events < 0) {
		wl_event_source_timer_update(qemu->bus_timer, 1); /* it closes */
		return;
	}
	uint32_t mask = ((events & POLLIN) != 0 ? WL_EVENT_READABLE : 0) |
			((events & POLLOUT) != 0 ? WL_EVENT_WRITABLE : 0);
	wl_event_source_fd_update(qemu->bus_source, mask);
	uint64_t when;
	bool is_due = !qemu->is_frozen && sd_bus_get_timeout(qemu->bus, &when) >= 0 && when == 0;
	wl_event_source_timer_update(qemu->bus_timer, is_due ? 1 : 0);
}

void fake_qemu_freeze(struct fake_qemu *qemu, bool is_frozen) {
	qemu->is_frozen = is_frozen;
	fake_qemu_flush(qemu);
}

void fake_qemu_set_bus_handler(
		struct fake_qemu *qemu, void (*handler)(void *data, sd_bus *bus), void *data) {
	qemu->bus_handler = handler;
	qemu->bus_handler_data = data;
}

/* --- the monitor ------------------------------------------------------------------------------ */

void fake_qemu_send_monitor(struct fake_qemu *qemu, const char *bytes, size_t size_bytes) {
	ssize_t size = send(qemu->monitor_fd, bytes, size_bytes, MSG_NOSIGNAL);
	/* That the client is gone already, reading finds. */
	check(size == (ssize_t)size_bytes || errno == EPIPE || errno == ECONNRESET, "the monitor");
}

static void qemu_say(struct fake_qemu *qemu, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

static void qemu_say(struct fake_qemu *qemu, const char *format, ...) {
	char text[512];
	va_list args;
	va_start(args, format);
	size_t size = (size_t)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fake_qemu_send_monitor(qemu, text, size);
}

void fake_qemu_send_event(struct fake_qemu *qemu, const char *name) {
	if (strcmp(name, "STOP") == 0 || strcmp(name, "RESUME") == 0) {
		qemu->is_stopped = name[0] == 'S';
	}
	qemu_say(qemu, "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"%s\"}\r\n",
			name);
}

/* True if the command was met with a fault of that step. */
static bool qemu_is_wrong_qmp(struct fake_qemu *qemu, enum fake_qemu_step step, int id) {
	switch (qemu->faults[step]) {
	case FAKE_QEMU_FAULT_NONE:
		return false;
	case FAKE_QEMU_FAULT_SILENT:
		break;
	case FAKE_QEMU_FAULT_CLOSES:
		fake_qemu_close_monitor(qemu);
		break;
	case FAKE_QEMU_FAULT_REFUSES:
	case FAKE_QEMU_FAULT_UNSUPPORTED:
		qemu_say(qemu,
				"{\"id\": %d, \"error\": {\"class\": \"GenericError\", "
				"\"desc\": \"p2p connections not accepted in bus mode\\n\\u001b\"}}\r\n",
				id);
		break;
	case FAKE_QEMU_FAULT_GARBAGE:
		qemu_say(qemu, "{\"return\": }}\r\n");
		break;
	}
	return true;
}

static const char *get_string(struct json_object *object, const char *name) {
	return json_object_get_string(json_object_object_get(object, name));
}

static void qemu_note_event(struct fake_qemu *qemu, struct json_object *event) {
	const char *type = get_string(event, "type");
	struct json_object *data = json_object_object_get(event, "data");
	check(type != NULL && data != NULL, "an event");
	qemu_note(qemu, "%s", type);
	if (strcmp(type, "key") == 0) {
		struct json_object *key = json_object_object_get(data, "key");
		check(strcmp(get_string(key, "type"), "number") == 0, "a key");
		qemu_note(qemu, " %s %s", get_string(key, "data"), get_string(data, "down"));
	} else if (strcmp(type, "btn") == 0) {
		qemu_note(qemu, " %s %s", get_string(data, "button"), get_string(data, "down"));
	} else if (strcmp(type, "mtt") == 0) {
		qemu_note(qemu, " %s %s %s %s %s", get_string(data, "type"),
				get_string(data, "slot"), get_string(data, "tracking-id"),
				get_string(data, "axis"), get_string(data, "value"));
	} else {
		qemu_note(qemu, " %s %s", get_string(data, "axis"), get_string(data, "value"));
	}
}

static void qemu_say_input(struct fake_qemu *qemu, int id) {
	if (qemu->is_stopped) {
		qemu_say(qemu, "{\"id\": %d, \"error\": {\"desc\": \"VM not running\"}}\r\n", id);
	} else {
		qemu_say(qemu, "{\"return\": {}, \"id\": %d}\r\n", id);
	}
}

static void qemu_take_input(struct fake_qemu *qemu, struct json_object *arguments, int id) {
	struct json_object *events = json_object_object_get(arguments, "events");
	check(events != NULL && qemu->input_id == 0, "input-send-event");
	for (size_t i = 0; i < json_object_array_length(events); i++) {
		qemu_note(qemu, "%s", i == 0 ? "QMP " : ", ");
		qemu_note_event(qemu, json_object_array_get_idx(events, i));
	}
	qemu_note(qemu, "\n");
	if (qemu->faults[FAKE_QEMU_STEP_INPUT] == FAKE_QEMU_FAULT_SILENT) {
		qemu->input_id = id;
	}
	if (!qemu_is_wrong_qmp(qemu, FAKE_QEMU_STEP_INPUT, id)) {
		qemu_say_input(qemu, id);
	}
}

bool fake_qemu_answer_input(struct fake_qemu *qemu) {
	int id = qemu->input_id;
	qemu->input_id = 0;
	if (id != 0) {
		qemu_say_input(qemu, id);
	}
	return id != 0;
}

/* A machine has a mouse, and console 0 says whether it has a tablet that is in use. */
static void qemu_take_mice(struct fake_qemu *qemu, int id) {
	qemu_note(qemu, "QMP mice\n");
	if (qemu_is_wrong_qmp(qemu, FAKE_QEMU_STEP_MICE, id)) {
		return;
	}
	bool is_absolute = qemu->consoles[0].is_absolute;
	qemu_say(qemu,
			"{\"return\": [{\"name\": \"Tablet\", \"index\": 3, \"current\": %s, "
			"\"absolute\": true}, {\"name\": \"Mouse\", \"index\": 2, \"current\": %s, "
			"\"absolute\": false}], \"id\": %d}\r\n",
			is_absolute ? "true" : "false", is_absolute ? "false" : "true", id);
}

static void qemu_execute(struct fake_qemu *qemu, const char *command, struct json_object *arguments,
		int id) {
	if (strcmp(command, "input-send-event") == 0) {
		qemu_take_input(qemu, arguments, id);
		return;
	} else if (strcmp(command, "query-mice") == 0) {
		qemu_take_mice(qemu, id);
		return;
	}
	static const struct {
		const char *name;
		enum fake_qemu_step step;
	} commands[] = {
		{ "qmp_capabilities", FAKE_QEMU_STEP_CAPABILITIES },
		{ "query-status", FAKE_QEMU_STEP_STATUS },
		{ "getfd", FAKE_QEMU_STEP_GETFD },
		{ "add_client", FAKE_QEMU_STEP_ADD_CLIENT },
	};
	size_t i = 0, count = sizeof(commands) / sizeof(commands[0]);
	while (i < count && strcmp(commands[i].name, command) != 0) {
		i++;
	}
	if (i == count) {
		qemu_say(qemu, "{\"id\": %d, \"error\": {\"desc\": \"no such command\"}}\r\n", id);
		return;
	}
	if (qemu_is_wrong_qmp(qemu, commands[i].step, id)) {
		return;
	}
	if (commands[i].step == FAKE_QEMU_STEP_STATUS) {
		qemu_say(qemu, "{\"return\": {\"status\": \"%s\", \"running\": %s}, \"id\": %d}\r\n",
				qemu->is_stopped ? "paused" : "running",
				qemu->is_stopped ? "false" : "true", id);
		return;
	}
	bool wants_fd = commands[i].step == FAKE_QEMU_STEP_GETFD ||
			commands[i].step == FAKE_QEMU_STEP_ADD_CLIENT;
	if (wants_fd && qemu->passed_fd < 0) {
		qemu_say(qemu, "{\"error\": {\"desc\": \"no file descriptor\"}, \"id\": %d}\r\n", id);
		return;
	}
	qemu_say(qemu, "{\"return\": {}, \"id\": %d}\r\n", id);
	if (commands[i].step == FAKE_QEMU_STEP_ADD_CLIENT) {
		qemu_serve_display(qemu, sb_fd_move(&qemu->passed_fd));
	}
}

static void qemu_parse(struct fake_qemu *qemu, const char *bytes, size_t size_bytes) {
	while (size_bytes > 0 && qemu->monitor_fd >= 0) {
		struct json_object *message =
				json_tokener_parse_ex(qemu->tokener, bytes, (int)size_bytes);
		if (message == NULL) {
			check(json_tokener_get_error(qemu->tokener) == json_tokener_continue,
					"oriel's JSON");
			return;
		}
		size_t parsed_bytes = json_tokener_get_parse_end(qemu->tokener);
		bytes += parsed_bytes;
		size_bytes -= parsed_bytes;
		qemu_execute(qemu, get_string(message, "execute"),
				json_object_object_get(message, "arguments"),
				json_object_get_int(json_object_object_get(message, "id")));
		json_object_put(message);
	}
}

static int qemu_handle_monitor(int fd, uint32_t mask, void *data) {
	struct fake_qemu *qemu = data;
	char bytes[1024];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size <= 0) {
		fake_qemu_close_monitor(qemu);
		return 0;
	}
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		int passed_fd;
		memcpy(&passed_fd, CMSG_DATA(header), sizeof(passed_fd));
		sb_fd_replace(&qemu->passed_fd, passed_fd);
	}
	qemu_parse(qemu, bytes, (size_t)size);
	return 0;
}

static void qemu_serve_monitor(struct fake_qemu *qemu, int take_fd) {
	fake_qemu_close_monitor(qemu);
	qemu->monitor_count++;
	qemu->monitor_fd = take_fd;
	qemu->tokener = json_tokener_new();
	qemu->monitor_source = wl_event_loop_add_fd(
			qemu->loop, take_fd, WL_EVENT_READABLE, qemu_handle_monitor, qemu);
	check(qemu->tokener != NULL && qemu->monitor_source != NULL, "a monitor");
	switch (qemu->faults[FAKE_QEMU_STEP_GREETING]) {
	case FAKE_QEMU_FAULT_SILENT:
		break;
	case FAKE_QEMU_FAULT_CLOSES:
		fake_qemu_close_monitor(qemu);
		break;
	case FAKE_QEMU_FAULT_GARBAGE:
		qemu_say(qemu, "SSH-2.0-OpenSSH_10.0\r\n");
		break;
	default:
		qemu_say(qemu,
				"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 1, "
				"\"major\": 11}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n");
		break;
	}
}

static void qemu_watch_path(struct fake_qemu *qemu) {
	if (qemu->listen_source != NULL) {
		wl_event_source_fd_update(
				qemu->listen_source, qemu->monitor_fd < 0 ? WL_EVENT_READABLE : 0);
	}
}

void fake_qemu_close_monitor(struct fake_qemu *qemu) {
	source_clear(&qemu->monitor_source);
	sb_fd_clear(&qemu->monitor_fd);
	sb_fd_clear(&qemu->passed_fd);
	qemu->input_id = 0;
	if (qemu->tokener != NULL) {
		json_tokener_free(qemu->tokener);
		qemu->tokener = NULL;
	}
	qemu_watch_path(qemu);
}

static int qemu_handle_path(int fd, uint32_t mask, void *data) {
	struct fake_qemu *qemu = data;
	int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	check(client_fd >= 0, "accept");
	qemu_serve_monitor(qemu, client_fd);
	qemu_watch_path(qemu);
	return 0;
}

/* --- itself ----------------------------------------------------------------------------------- */

void fake_qemu_start(struct fake_qemu *qemu) {
	if (qemu->path == NULL) {
		return;
	}
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", qemu->path);
	unlink(qemu->path);
	qemu->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(qemu->listen_fd >= 0 &&
					bind(qemu->listen_fd, (struct sockaddr *)&address,
							sizeof(address)) == 0 &&
					listen(qemu->listen_fd, BACKLOG) == 0,
			"listening");
	qemu->listen_source = wl_event_loop_add_fd(
			qemu->loop, qemu->listen_fd, WL_EVENT_READABLE, qemu_handle_path, qemu);
	check(qemu->listen_source != NULL, "listening");
}

void fake_qemu_quit(struct fake_qemu *qemu) {
	source_clear(&qemu->listen_source);
	if (qemu->listen_fd >= 0) {
		unlink(qemu->path);
	}
	sb_fd_clear(&qemu->listen_fd);
	fake_qemu_close_monitor(qemu);
	fake_qemu_close_display(qemu);
	for (size_t i = 0; i < FAKE_QEMU_CONSOLES_MAX; i++) {
		sb_fd_clear(&qemu->listener_fds[i]);
	}
}

struct fake_qemu *fake_qemu_create(struct wl_event_loop *loop, const char *path) {
	struct fake_qemu *qemu = calloc(1, sizeof(*qemu));
	check(qemu != NULL, "memory");
	qemu->loop = loop;
	qemu->path = path != NULL ? strdup(path) : NULL;
	qemu->listen_fd = qemu->monitor_fd = qemu->passed_fd = qemu->silent_fd = -1;
	for (size_t i = 0; i < FAKE_QEMU_CONSOLES_MAX; i++) {
		qemu->listener_fds[i] = -1;
		qemu->consoles[i] = (struct fake_qemu_console){
			.width = 640,
			.height = 480,
			.touch_slots = 10,
		};
	}
	qemu->number_count = 1;
	fake_qemu_start(qemu);
	return qemu;
}

void fake_qemu_destroy(struct fake_qemu *qemu) {
	if (qemu == NULL) {
		return;
	}
	fake_qemu_quit(qemu);
	free(qemu->calls);
	free(qemu->taken_calls);
	free(qemu->path);
	free(qemu);
}

static int make_pair(int *ret_client_fd) {
	int fds[2];
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "a socket pair");
	*ret_client_fd = fds[0];
	return fds[1];
}

int fake_qemu_hand_over_monitor(struct fake_qemu *qemu) {
	int client_fd;
	qemu_serve_monitor(qemu, make_pair(&client_fd));
	return client_fd;
}

int fake_qemu_hand_over_display(struct fake_qemu *qemu) {
	int client_fd;
	qemu_serve_display(qemu, make_pair(&client_fd));
	return client_fd;
}

void fake_qemu_set_fault(
		struct fake_qemu *qemu, enum fake_qemu_step step, enum fake_qemu_fault fault) {
	qemu->faults[step] = fault;
}

void fake_qemu_set_console_numbers(struct fake_qemu *qemu, const uint32_t *numbers, size_t count) {
	check(count <= sizeof(qemu->numbers) / sizeof(qemu->numbers[0]), "too many consoles");
	if (count > 0) {
		memcpy(qemu->numbers, numbers, count * sizeof(numbers[0]));
	}
	qemu->number_count = count;
}

void fake_qemu_set_console(
		struct fake_qemu *qemu, unsigned number, const struct fake_qemu_console *console) {
	static const char *const interfaces[] = {
		INTERFACE_PREFIX "Console",
		INTERFACE_PREFIX "Keyboard",
		INTERFACE_PREFIX "Mouse",
		INTERFACE_PREFIX "MultiTouch",
	};
	struct fake_qemu_console old = qemu->consoles[number];
	bool has_changed[] = {
		old.width != console->width || old.height != console->height,
		old.modifiers != console->modifiers,
		old.is_absolute != console->is_absolute,
		old.touch_slots != console->touch_slots,
	};
	qemu->consoles[number] = *console;
	for (size_t i = 0; i < sizeof(has_changed); i++) {
		if (!has_changed[i] || qemu->bus == NULL) {
			continue;
		}
		char path[64];
		snprintf(path, sizeof(path), PATH_PREFIX "Console_%u", number);
		sd_bus_message *signal = NULL;
		check(sd_bus_message_new_signal(qemu->bus, &signal, path, PROPERTIES,
				      "PropertiesChanged") >= 0 &&
						sd_bus_message_append_basic(
								signal, 's', interfaces[i]) >= 0,
				"a signal");
		append_console(signal, interfaces[i], console, &old);
		check(sd_bus_message_append(signal, "as", 0) >= 0 &&
						sd_bus_send(qemu->bus, signal, NULL) >= 0,
				"a signal");
		sd_bus_message_unref(signal);
	}
	fake_qemu_flush(qemu);
}

bool fake_qemu_answer_ui_info(struct fake_qemu *qemu) {
	if (qemu->ui_info == NULL) {
		return false;
	}
	sd_bus_message *call = qemu->ui_info;
	qemu->ui_info = NULL;
	check(sd_bus_reply_method_return(call, NULL) >= 0, "an answer");
	sd_bus_message_unref(call);
	fake_qemu_flush(qemu);
	return true;
}

int fake_qemu_take_listener(struct fake_qemu *qemu, unsigned number) {
	return sb_fd_move(&qemu->listener_fds[number]);
}

const char *fake_qemu_take_calls(struct fake_qemu *qemu) {
	free(qemu->taken_calls);
	qemu->taken_calls = qemu->calls;
	qemu->calls = NULL;
	qemu->calls_size = qemu->calls_room = 0;
	return qemu->taken_calls != NULL ? qemu->taken_calls : "";
}

unsigned fake_qemu_get_monitor_count(const struct fake_qemu *qemu) {
	return qemu->monitor_count;
}

unsigned fake_qemu_get_display_count(const struct fake_qemu *qemu) {
	return qemu->display_count;
}
