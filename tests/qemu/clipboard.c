/*
 * Text that is copied in a guest and pasted by a client, and the other way round, through a real QEMU. The
 * guest's agent is the test: it speaks to QEMU's agent channel by a serial port of the machine, whose
 * registers it reads and writes by qtest, and is as particular about the numbers of grabs as
 * spice-vdagentd.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "data_control.h"
#include "fds.h"
#include "fixture.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/machine.h"
#include "input/seat.h"
#include "qemu.h"
#include "server.h"
#include "view/guest_view.h"

#define TEXT_TYPE "text/plain;charset=utf-8"

/* The second serial port of a PC. */
#define PORT_DATA 0x2f8
#define PORT_STATUS 0x2fd
#define PORT_STATUS_READY 0x01

/* spice-protocol's vd_agent.h: numbers are of 32 bits and little-endian, where nothing else is said. */
#define CHUNK_CLIENT_PORT 1
#define AGENT_PROTOCOL 1
#define AGENT_SELECTION_CLIPBOARD 0
#define AGENT_TYPE_TEXT 1
#define AGENT_CAP_CLIPBOARD_BY_DEMAND 5
#define AGENT_CAP_CLIPBOARD_SELECTION 6
#define AGENT_CAP_CLIPBOARD_GRAB_SERIAL 17
enum agent_message {
	AGENT_MESSAGE_NONE,
	AGENT_MESSAGE_CLIPBOARD = 4,
	AGENT_MESSAGE_CAPABILITIES = 6,
	AGENT_MESSAGE_GRAB = 7,
	AGENT_MESSAGE_REQUEST = 8,
	AGENT_MESSAGE_RELEASE = 9,
};

#define BYTES_MAX 4096

struct agent {
	struct qemu *qemu;
	int fd; /* qtest */
	char commands[16384]; /* that are still to be sent */
	size_t command_length;
	char replies[16384]; /* that are no whole lines yet */
	size_t length;
	unsigned int due; /* replies */

	uint8_t bytes[BYTES_MAX]; /* of the channel, that are no whole message yet */
	size_t count;
	uint32_t next_serial; /* of a grab */

	enum agent_message type; /* the last one that came */
	uint8_t data[BYTES_MAX]; /* and what was in it */
	size_t size;
};

struct scene {
	struct fixture fixture;
	struct qemu qemu;
	struct agent agent;
	struct data_control *client;
	int registrations; /* of oriel's with QEMU */
	int fds_before;
};

/* --- the serial port -------------------------------------------------------------------------- */

static void agent_send(struct agent *agent, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
static void agent_send(struct agent *agent, const char *format, ...) {
	va_list args;
	va_start(args, format);
	agent->command_length += (size_t)vsnprintf(agent->commands + agent->command_length,
			sizeof(agent->commands) - agent->command_length, format, args);
	va_end(args);
	assert_true(agent->command_length < sizeof(agent->commands));
	agent->due++;
}

static void agent_put(struct agent *agent, const void *data, size_t size) {
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++) {
		agent_send(agent, "outb 0x%x 0x%x\n", PORT_DATA, bytes[i]);
	}
}

static void agent_put_number(struct agent *agent, uint32_t number) {
	const uint8_t bytes[] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
		(uint8_t)(number >> 24) };
	agent_put(agent, bytes, sizeof(bytes));
}

static uint32_t get_number(const uint8_t *bytes) {
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
			(uint32_t)bytes[3] << 24;
}

/* --- the agent -------------------------------------------------------------------------------- */

/* What follows the header is put by the caller. */
static void agent_begin_message(struct agent *agent, enum agent_message type, size_t size) {
	agent_put_number(agent, CHUNK_CLIENT_PORT);
	agent_put_number(agent, (uint32_t)(20 + size));
	agent_put_number(agent, AGENT_PROTOCOL);
	agent_put_number(agent, type);
	agent_put_number(agent, 0); /* 64 bits that are QEMU's to use */
	agent_put_number(agent, 0);
	agent_put_number(agent, (uint32_t)size);
}

static void agent_drain(struct agent *agent);

/* The session has begun: QEMU counts grabs from 0. */
static void agent_announce(struct agent *agent) {
	agent_drain(agent);
	agent_begin_message(agent, AGENT_MESSAGE_CAPABILITIES, 8);
	agent_put_number(agent, 1); /* QEMU's are wanted */
	agent_put_number(agent,
			1 << AGENT_CAP_CLIPBOARD_BY_DEMAND | 1 << AGENT_CAP_CLIPBOARD_SELECTION |
					1 << AGENT_CAP_CLIPBOARD_GRAB_SERIAL);
	agent->next_serial = 0;
}

static void agent_grab(struct agent *agent) {
	agent_begin_message(agent, AGENT_MESSAGE_GRAB, 12);
	agent_put_number(agent, AGENT_SELECTION_CLIPBOARD);
	agent_put_number(agent, agent->next_serial++);
	agent_put_number(agent, AGENT_TYPE_TEXT);
}

static void agent_request(struct agent *agent) {
	agent_begin_message(agent, AGENT_MESSAGE_REQUEST, 8);
	agent_put_number(agent, AGENT_SELECTION_CLIPBOARD);
	agent_put_number(agent, AGENT_TYPE_TEXT);
}

static void agent_give(struct agent *agent, const char *text) {
	agent_begin_message(agent, AGENT_MESSAGE_CLIPBOARD, 8 + strlen(text));
	agent_put_number(agent, AGENT_SELECTION_CLIPBOARD);
	agent_put_number(agent, AGENT_TYPE_TEXT);
	agent_put(agent, text, strlen(text));
}

/* A grab with another number would be dropped, and its text never be seen in the guest. */
static void agent_take_grab(struct agent *agent) {
	uint32_t serial = get_number(agent->data + 4);
	if (serial != agent->next_serial - 1) {
		assert_int_equal(serial, agent->next_serial);
		agent->next_serial++;
	}
}

/* The messages here fit into one chunk each. */
static void agent_take_byte(struct agent *agent, uint8_t byte) {
	assert_true(agent->count < BYTES_MAX);
	agent->bytes[agent->count++] = byte;
	if (agent->count < 28 || agent->count < 8 + get_number(agent->bytes + 4)) {
		return;
	}
	agent->type = (enum agent_message)get_number(agent->bytes + 12);
	agent->size = get_number(agent->bytes + 24);
	assert_int_equal(agent->size, agent->count - 28);
	memcpy(agent->data, agent->bytes + 28, agent->size);
	agent->count = 0;
	if (agent->type == AGENT_MESSAGE_GRAB) {
		agent_take_grab(agent);
	}
}

struct port_state {
	bool was_ready;
	bool has_status;
};

/* "OK" of a write, or "OK 0x…" of a read: of the status, and then of the data. */
static void agent_take_reply(struct agent *agent, const char *line, struct port_state *state) {
	assert_memory_equal(line, "OK", 2);
	agent->due--;
	if (line[2] != ' ') {
		return;
	}
	unsigned long value = strtoul(line + 3, NULL, 16);
	if (!state->has_status) {
		state->was_ready = (value & PORT_STATUS_READY) != 0;
	} else if (state->was_ready) {
		agent_take_byte(agent, (uint8_t)value);
	}
	state->has_status = !state->has_status;
}

static void agent_read_replies(struct agent *agent, struct port_state *state) {
	ssize_t count = recv(agent->fd, agent->replies + agent->length,
			sizeof(agent->replies) - agent->length, MSG_DONTWAIT);
	if (count < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	agent->length += (size_t)count;
	char *line = agent->replies;
	char *end;
	while ((end = memchr(line, '\n', agent->length - (size_t)(line - agent->replies))) != NULL) {
		*end = '\0';
		agent_take_reply(agent, line, state);
		line = end + 1;
	}
	agent->length -= (size_t)(line - agent->replies);
	memmove(agent->replies, line, agent->length);
}

struct exchange {
	struct agent *agent;
	struct port_state state;
};

static bool is_answered(struct qemu *qemu, void *data) {
	struct exchange *exchange = data;
	agent_read_replies(exchange->agent, &exchange->state);
	return exchange->agent->due == 0;
}

static void agent_flush(struct agent *agent) {
	assert_int_equal(write(agent->fd, agent->commands, agent->command_length),
			(ssize_t)agent->command_length);
	agent->command_length = 0;
}

static void agent_wait(struct agent *agent) {
	struct exchange exchange = { .agent = agent };
	qemu_wait_until(agent->qemu, is_answered, &exchange);
}

/*
 * Writes what was put, and reads some of what has come. QEMU does nothing else between commands that come
 * in one piece: no byte comes after the port has said that there is none, and before that is read.
 */
static void agent_exchange(struct agent *agent) {
	agent_flush(agent);
	agent_wait(agent);
	for (int i = 0; i < 64; i++) {
		agent_send(agent, "inb 0x%x\n", PORT_STATUS);
		agent_send(agent, "inb 0x%x\n", PORT_DATA);
	}
	agent_flush(agent);
	agent_wait(agent);
}

/* Forgets what has come: of its beginning the firmware may have had some. */
static void agent_drain(struct agent *agent) {
	do {
		agent->count = 0;
		agent->type = AGENT_MESSAGE_NONE;
		agent_exchange(agent);
	} while (agent->count > 0 || agent->type != AGENT_MESSAGE_NONE);
}

/* Others before it do not matter. */
static void agent_wait_for(struct agent *agent, enum agent_message type) {
	agent->type = AGENT_MESSAGE_NONE;
	while (agent->type != type) {
		agent_exchange(agent);
	}
}

/* --- the machine ------------------------------------------------------------------------------ */

static void agent_connect(struct agent *agent, struct qemu *qemu) {
	*agent = (struct agent){ .qemu = qemu };
	agent->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(agent->fd >= 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%.64s/qtest", qemu->folder);
	assert_int_equal(connect(agent->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

/* QEMU says so in its log. It closes its channel to the agent then, which is to begin anew. */
static bool is_registered(struct qemu *qemu, void *data) {
	const struct scene *scene = data;
	char path[128], line[256];
	snprintf(path, sizeof(path), "%s/log", qemu->folder);
	FILE *log = fopen(path, "re");
	int count = 0;
	while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
		count += strstr(line, "dbus_clipboard_register") != NULL;
	}
	if (log != NULL) {
		fclose(log);
	}
	return count > scene->registrations;
}

/* QEMU drops what it has of the old session a while after it has said so: then it is told again. */
static void begin_session(struct scene *scene) {
	struct agent *agent = &scene->agent;
	qemu_wait_until(&scene->qemu, is_registered, scene);
	scene->registrations++;
	agent->type = AGENT_MESSAGE_NONE;
	while (agent->type != AGENT_MESSAGE_CAPABILITIES) {
		agent_announce(agent);
		for (int i = 0; i < 8 && agent->type != AGENT_MESSAGE_CAPABILITIES; i++) {
			agent_exchange(agent);
		}
	}
}

static void scene_begin(struct scene *scene) {
	char config[256];
	snprintf(config, sizeof(config),
			"guest vm {\n\tsource synthetic 64x48\n\tinput qemu %s\n\tclipboard yes\n}\n",
			scene->qemu.monitor_path);
	fixture_init(&scene->fixture, config);
	scene->qemu.fixture = &scene->fixture;
	scene->client = data_control_connect(&scene->fixture);
	oriel_seat_focus_guest(scene->fixture.server->seat, fixture_get_view(&scene->fixture, "vm"));
	begin_session(scene);
}

static void scene_end(struct scene *scene) {
	data_control_disconnect(scene->client);
	scene->qemu.fixture = NULL;
	fixture_finish(&scene->fixture);
}

static int set_up(void **state) {
	struct scene *scene = calloc(1, sizeof(*scene));
	if (scene == NULL) {
		return -1;
	}
	scene->agent.fd = -1;
	scene->fds_before = fds_count_open();
	qemu_init(&scene->qemu, NULL);
	*state = scene;
	return 0;
}

static int tear_down(void **state) {
	struct scene *scene = *state;
	if (scene->agent.fd >= 0) {
		close(scene->agent.fd);
	}
	qemu_finish(&scene->qemu);
	int ret = fds_count_open() == scene->fds_before ? 0 : -1;
	free(scene);
	return ret;
}

static void start_machine(struct scene *scene) {
	char qtest[128], log[128];
	qemu_require(QEMU_GUEST_BOOT);
	snprintf(log, sizeof(log), "%s/log", scene->qemu.folder);
	snprintf(qtest, sizeof(qtest), "unix:%s/qtest,server=on,wait=off", scene->qemu.folder);
	qemu_start(&scene->qemu, QEMU_GUEST_BOOT,
			(const char *const[]){ "-device", "VGA", "-chardev",
					"qemu-vdagent,id=agent,clipboard=on,mouse=off", "-device",
					"isa-serial,chardev=agent,index=1", "-qtest", qtest,
					"-qtest-log", "/dev/null", "-trace",
					"dbus_clipboard_register", "-D", log, NULL });
	agent_connect(&scene->agent, &scene->qemu);
}

static bool is_offered_anew(struct qemu *qemu, void *data) {
	const struct scene *scene = data;
	return scene->client->selection_count > 0 &&
			data_control_is_offered(scene->client, TEXT_TYPE);
}

static void guest_copies_and_client_pastes(struct scene *scene, const char *text) {
	scene->client->selection_count = 0;
	agent_grab(&scene->agent);
	agent_exchange(&scene->agent);
	qemu_wait_until(&scene->qemu, is_offered_anew, scene);
	int fd = data_control_paste(scene->client, TEXT_TYPE);
	agent_wait_for(&scene->agent, AGENT_MESSAGE_REQUEST);
	agent_give(&scene->agent, text);
	agent_exchange(&scene->agent);
	char pasted[64];
	data_control_read(scene->client, fd, pasted, sizeof(pasted));
	assert_string_equal(pasted, text);
}

struct answer {
	struct data_control *client;
	const char *text;
};

static bool is_asked_and_answers(struct qemu *qemu, void *data) {
	const struct answer *answer = data;
	if (answer->client->send_fd < 0) {
		return false;
	}
	size_t length = strlen(answer->text);
	assert_int_equal(write(answer->client->send_fd, answer->text, length), (ssize_t)length);
	close(answer->client->send_fd);
	answer->client->send_fd = -1;
	return true;
}

/* QEMU does nothing, and answers nothing, until it has the text. */
static void client_copies_and_guest_pastes(struct scene *scene, const char *text) {
	data_control_copy(scene->client, (const char *const[]){ TEXT_TYPE, NULL });
	agent_wait_for(&scene->agent, AGENT_MESSAGE_GRAB);
	agent_request(&scene->agent);
	agent_flush(&scene->agent);
	struct answer answer = { .client = scene->client, .text = text };
	qemu_wait_until(&scene->qemu, is_asked_and_answers, &answer);
	agent_wait_for(&scene->agent, AGENT_MESSAGE_CLIPBOARD);
	assert_int_equal(scene->agent.size, 8 + strlen(text));
	assert_memory_equal(scene->agent.data + 8, text, strlen(text));
}

static void text_goes_both_ways_in_turns(void **state) {
	struct scene *scene = *state;
	start_machine(scene);
	scene_begin(scene);
	client_copies_and_guest_pastes(scene, "the first of all");
	guest_copies_and_client_pastes(scene, "of the guest");
	guest_copies_and_client_pastes(scene, "of the guest again");
	client_copies_and_guest_pastes(scene, "of the client");
	client_copies_and_guest_pastes(scene, "of the client again");
	scene_end(scene);
}

static void compositor_that_comes_again_is_registered_again(void **state) {
	struct scene *scene = *state;
	start_machine(scene);
	for (int i = 0; i < 2; i++) {
		scene_begin(scene);
		guest_copies_and_client_pastes(scene, "of the guest");
		client_copies_and_guest_pastes(scene, "of the client");
		scene_end(scene);
	}
}

/* Nobody has told QEMU that the old one is registered no more. */
static void connection_that_was_lost_is_registered_again(void **state) {
	struct scene *scene = *state;
	start_machine(scene);
	scene_begin(scene);
	client_copies_and_guest_pastes(scene, "of the client");
	struct oriel_qemu_machine *machine = oriel_qemu_machine_ref(
			scene->fixture.server->loop, "vm", scene->qemu.monitor_path);
	struct oriel_bus *bus = oriel_qemu_machine_get_bus(machine);
	sd_bus_close(oriel_bus_get(bus));
	oriel_bus_flush(bus);
	oriel_qemu_machine_unref(machine);
	begin_session(scene);
	/* It is still offered, and the agent of the new session is told of it. */
	agent_wait_for(&scene->agent, AGENT_MESSAGE_GRAB);
	client_copies_and_guest_pastes(scene, "of the client again");
	guest_copies_and_client_pastes(scene, "of the guest");
	scene_end(scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_goes_both_ways_in_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				compositor_that_comes_again_is_registered_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				connection_that_was_lost_is_registered_again, set_up, tear_down),
	};
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-clipboard", tests, NULL, NULL);
}
