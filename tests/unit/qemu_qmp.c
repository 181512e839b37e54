#include "guest/qemu/qmp.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fd.h"
#include "fds.h"

/* QMP, spoken by the test on the other end of a socket pair, byte by byte. */

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
#define ACCEPTED "{\"return\": {}, \"id\": 1}\r\n"

#define MESSAGE_BYTES_MAX (256 * 1024)
#define DEPTH_MAX 16
#define COMMANDS_MAX 16

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_qmp *qmp; /* NULL: destroyed */
	int fd; /* QEMU's end */
	int passed_fd; /* the last that came, or -1 */

	unsigned ready, events, closed, answers;
	bool destroys_when_ready, destroys_at_event, destroys_when_closed, destroys_at_answer;
	char event[64], details[64], reason[ORIEL_QMP_REASON_SIZE];
	char answer[256], error[64]; /* "": none */
} test;

/* --- the client ------------------------------------------------------------------------------- */

static void destroy_if(bool is_due) {
	if (is_due) {
		oriel_qmp_destroy(test.qmp);
		test.qmp = NULL;
	}
}

static void handle_ready(void *data) {
	assert_ptr_equal(data, &test);
	test.ready++;
	destroy_if(test.destroys_when_ready);
}

static void handle_event(void *data, const char *name, struct json_object *details) {
	test.events++;
	snprintf(test.event, sizeof(test.event), "%s", name);
	snprintf(test.details, sizeof(test.details), "%s",
			details != NULL ? json_object_to_json_string_ext(
							  details, JSON_C_TO_STRING_PLAIN)
					: "");
	destroy_if(test.destroys_at_event);
}

static void handle_closed(void *data, const char *reason) {
	test.closed++;
	snprintf(test.reason, sizeof(test.reason), "%s", reason != NULL ? reason : "");
	destroy_if(test.destroys_when_closed);
}

static const struct oriel_qmp_handler handler = {
	.ready = handle_ready,
	.event = handle_event,
	.closed = handle_closed,
};

static void handle_answer(void *data, struct json_object *result, const char *error) {
	test.answers++;
	assert_true((result != NULL) != (error != NULL));
	snprintf(test.answer, sizeof(test.answer), "%s",
			result != NULL ? json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN)
				       : "");
	snprintf(test.error, sizeof(test.error), "%s", error != NULL ? error : "");
	destroy_if(test.destroys_at_answer);
}

/* --- QEMU ------------------------------------------------------------------------------------- */

static void settle(void) {
	struct pollfd pollfd = { .fd = wl_event_loop_get_fd(test.loop), .events = POLLIN };
	while (poll(&pollfd, 1, 0) > 0) {
		wl_event_loop_dispatch(test.loop, 0);
	}
}

static void say_bytes(const char *bytes, size_t size_bytes) {
	while (size_bytes > 0) {
		ssize_t size = send(test.fd, bytes, size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (size > 0) {
			bytes += size;
			size_bytes -= (size_t)size;
		}
		if (size <= 0 && test.closed > 0) {
			return;
		}
		settle();
	}
	settle();
}

static void say(const char *text) {
	say_bytes(text, strlen(text));
}

/* What there is to be read, and a file that comes with it. */
static const char *hear(void) {
	static char bytes[1024];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) - 1 };
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
	settle();
	ssize_t size = recvmsg(test.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bytes[size > 0 ? size : 0] = '\0';
	struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header != NULL) {
		int fd;
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		sb_fd_replace(&test.passed_fd, fd);
	}
	return bytes;
}

static void get_ready(void) {
	say(GREETING);
	assert_string_equal(hear(), CAPABILITIES);
	say(ACCEPTED);
	assert_int_equal(test.ready, 1);
}

static bool execute(const char *command) {
	return oriel_qmp_execute(test.qmp, command, NULL, -1, handle_answer, &test);
}

/* It has ended with that reason, which is said once. */
static void assert_closed(const char *reason) {
	settle();
	assert_int_equal(test.closed, 1);
	assert_non_null(strstr(test.reason, reason));
	assert_false(execute("stop"));
	say(GREETING);
	assert_int_equal(test.closed, 1);
}

static int setup(void **state) {
	memset(&test, 0, sizeof(test));
	test.fds_before = fds_count_open();
	test.passed_fd = -1;
	test.loop = wl_event_loop_create();
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	test.fd = fds[1];
	test.qmp = oriel_qmp_create(test.loop, fds[0], &handler, &test);
	assert_non_null(test.qmp);
	return 0;
}

static int teardown(void **state) {
	oriel_qmp_destroy(test.qmp);
	wl_event_loop_destroy(test.loop);
	sb_fd_clear(&test.fd);
	sb_fd_clear(&test.passed_fd);
	assert_int_equal(fds_count_open(), test.fds_before);
	return 0;
}

/* --- what is right ---------------------------------------------------------------------------- */

static void greeting_is_answered_and_commands_are_taken(void **state) {
	assert_false(oriel_qmp_was_greeted(test.qmp));
	assert_string_equal(hear(), "");
	say(GREETING);
	assert_true(oriel_qmp_was_greeted(test.qmp));
	assert_int_equal(test.ready, 0);
	assert_string_equal(hear(), CAPABILITIES);
	say(ACCEPTED);
	assert_int_equal(test.ready, 1);

	assert_true(execute("query-status"));
	assert_string_equal(hear(), "{\"execute\":\"query-status\",\"id\":2}\n");
	say("{\"return\": {\"running\": true}, \"id\": 2}\r\n");
	assert_int_equal(test.answers, 1);
	assert_string_equal(test.answer, "{\"running\":true}");
	assert_true(execute("cont"));
	say("{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
	assert_string_equal(test.error, "no");
	/* QEMU did not get as far as the id, or has no words. */
	assert_true(execute("cont"));
	say("{\"error\": {\"class\": \"GenericError\"}}\r\n");
	assert_string_equal(test.error, "no reason given");
	assert_int_equal(test.answers, 3);
	assert_int_equal(test.closed, 0);
}

static void messages_come_in_any_pieces(void **state) {
	static const char text[] = GREETING ACCEPTED
			"\r\n {\"event\": \"A\"}\n{\"event\": \"STOP\", \"data\": {\"a\": [1]}}";
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		say_bytes(text + i, 1);
	}
	assert_int_equal(test.ready, 1);
	assert_int_equal(test.events, 2);
	assert_string_equal(test.event, "STOP");
	assert_string_equal(test.details, "{\"a\":[1]}");
	say("{\"event\": \"RESUME\", \"data\": 1}{\"event\": \"RESET\"}");
	assert_int_equal(test.events, 4);
	assert_string_equal(test.details, "");
}

static void events_before_it_is_ready_are_nobodys(void **state) {
	say(GREETING "{\"event\": \"STOP\"}" ACCEPTED);
	assert_int_equal(test.ready, 1);
	assert_int_equal(test.events, 0);
}

static void file_goes_with_the_first_byte(void **state) {
	get_ready();
	struct json_object *arguments = json_object_new_object();
	json_object_object_add(arguments, "fdname", json_object_new_string("a\"b"));
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(oriel_qmp_execute(test.qmp, "getfd", arguments, fd, handle_answer, &test));
	/* It is QEMU's alone. */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_string_equal(hear(),
			"{\"execute\":\"getfd\",\"id\":2,\"arguments\":{\"fdname\":\"a\\\"b\"}}\n");
	assert_true(test.passed_fd >= 0);
	say("{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(test.answers, 1);
}

static void commands_go_one_at_a_time_and_are_bounded(void **state) {
	get_ready();
	for (int i = 0; i < COMMANDS_MAX; i++) {
		assert_true(execute("stop"));
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_false(oriel_qmp_execute(
			test.qmp, "getfd", json_object_new_object(), fd, handle_answer, &test));
	for (int id = 2; id < COMMANDS_MAX + 2; id++) {
		char text[64];
		snprintf(text, sizeof(text), "{\"execute\":\"stop\",\"id\":%d}\n", id);
		assert_string_equal(hear(), text);
		assert_string_equal(hear(), "");
		snprintf(text, sizeof(text), "{\"return\": {}, \"id\": %d}", id);
		say(text);
	}
	assert_int_equal(test.answers, COMMANDS_MAX);
	assert_string_equal(hear(), "");
	assert_true(execute("stop"));
}

static void command_that_the_socket_does_not_take_goes_on_later(void **state) {
	get_ready();
	static char word[1 << 20];
	memset(word, 'w', sizeof(word) - 1);
	struct json_object *arguments = json_object_new_object();
	json_object_object_add(arguments, "word", json_object_new_string(word));
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(oriel_qmp_execute(test.qmp, "getfd", arguments, fd, handle_answer, &test));
	assert_true(execute("stop"));
	size_t size = 0;
	const char *text;
	do {
		text = hear();
		size += strlen(text);
	} while (text[0] != '\0');
	assert_int_equal(size,
			strlen("{\"execute\":\"getfd\",\"id\":2,\"arguments\":{\"word\":\"\"}}\n") +
					sizeof(word) - 1);
	assert_true(test.passed_fd >= 0);
	say("{\"return\": {}, \"id\": 2}");
	assert_string_equal(hear(), "{\"execute\":\"stop\",\"id\":3}\n");
}

/* --- what is wrong ---------------------------------------------------------------------------- */

static void what_is_no_qmp_ends_the_connection(void **state) {
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "SSH-2.0", "no JSON" },
		{ "\1\2\3", "no JSON" },
		{ "{\"QMP\": }", "no JSON" },
		{ "[]", "no object" },
		{ "12 ", "no object" },
		{ "null ", "no object" },
		{ "{}", "no greeting" },
		{ "{\"event\": \"STOP\"}", "no greeting" },
		{ "{\"return\": {}}", "no greeting" },
		{ GREETING GREETING, "twice" },
		{ GREETING "{\"id\": 1, \"error\": {\"desc\": \"no such mode\"}}", "no such mode" },
		{ GREETING ACCEPTED "{}", "no known kind" },
		{ GREETING ACCEPTED "{\"return\": null}", "no known kind" },
		{ GREETING ACCEPTED "{\"error\": \"none\"}", "no known kind" },
		{ GREETING ACCEPTED "{\"event\": 1}", "without a name" },
		{ GREETING ACCEPTED "{\"event\": null}", "without a name" },
		{ GREETING ACCEPTED "{\"return\": {}}", "no command" },
		{ GREETING ACCEPTED "{\"return\": {}, \"id\": 1}", "no command" },
		{ GREETING ACCEPTED "{\"error\": {}}", "no command" },
		{ GREETING "{\"return\": {}, \"id\": 2}", "no command" },
		{ GREETING "{\"return\": {}, \"id\": \"x\"}", "no command" },
		{ GREETING "{\"return\": {}}", "no command" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(cases[i].text);
		assert_closed(cases[i].reason);
		teardown(NULL);
		setup(NULL);
	}
}

static void say_event_of(size_t size_bytes) {
	static const char head[] = "{\"event\": \"A\", \"data\": {\"a\": \"", tail[] = "\"}}";
	char *text = malloc(size_bytes);
	assert_non_null(text);
	memset(text, 'a', size_bytes);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + size_bytes - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	say_bytes(text, size_bytes);
	free(text);
}

static void message_that_is_too_long_ends_the_connection(void **state) {
	/* A byte is the end of the message before. */
	static const struct {
		size_t size_bytes;
		bool is_ok;
	} cases[] = {
		{ MESSAGE_BYTES_MAX - 1, true },
		{ MESSAGE_BYTES_MAX, true },
		{ MESSAGE_BYTES_MAX + 4096 + 1, false },
		{ 2 * MESSAGE_BYTES_MAX, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say("{\"QMP\": {}}");
		hear();
		say("{\"return\": {}, \"id\": 1}");
		say_event_of(cases[i].size_bytes);
		assert_int_equal(test.events, cases[i].is_ok);
		if (cases[i].is_ok) {
			assert_int_equal(test.closed, 0);
			say("{\"event\": \"B\"}");
			assert_int_equal(test.events, 2);
		} else {
			assert_closed("too long");
		}
		teardown(NULL);
		setup(NULL);
	}
}

static void message_that_is_too_deep_ends_the_connection(void **state) {
	for (int depth = DEPTH_MAX - 1; depth <= DEPTH_MAX + 1; depth++) {
		char text[8 * DEPTH_MAX] = "{\"event\": \"A\", \"data\": {\"a\": ";
		/* The event and its data are two. */
		for (int i = 2; i < depth; i++) {
			strcat(text, "[");
		}
		for (int i = 2; i < depth; i++) {
			strcat(text, "]");
		}
		strcat(text, "}}");
		get_ready();
		say(text);
		bool is_ok = depth <= DEPTH_MAX;
		assert_int_equal(test.events, is_ok);
		if (!is_ok) {
			assert_closed("nesting too deep");
		}
		teardown(NULL);
		setup(NULL);
	}
}

static void other_side_that_closes_ends_the_connection(void **state) {
	static const char *const texts[] = { "", "{\"QMP\"", GREETING, GREETING ACCEPTED,
		GREETING ACCEPTED "{\"ev" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		say(texts[i]);
		assert_true(execute("stop"));
		settle();
		sb_fd_clear(&test.fd);
		settle();
		assert_int_equal(test.closed, 1);
		assert_string_equal(test.reason, "");
		assert_int_equal(test.answers, 0);
		assert_false(execute("stop"));
		teardown(NULL);
		setup(NULL);
	}
}

static void flood_of_events_leaves_others_their_turn(void **state) {
	get_ready();
	static const char event[] = "{\"event\": \"RESET\"}\r\n";
	static char events[10000 * (sizeof(event) - 1)];
	for (size_t at = 0; at < sizeof(events); at += strlen(event)) {
		memcpy(events + at, event, strlen(event));
	}
	size_t sent_bytes = 0;
	unsigned turns = 0;
	while (test.events < 10000) {
		ssize_t size = send(test.fd, events + sent_bytes, sizeof(events) - sent_bytes,
				MSG_DONTWAIT);
		sent_bytes += size > 0 ? (size_t)size : 0;
		unsigned before = test.events;
		wl_event_loop_dispatch(test.loop, 0);
		assert_true(test.events - before <= 4096 / strlen(event) + 1);
		turns++;
	}
	assert_true(turns >= sizeof(events) / 4096);
}

static void connection_is_destroyed_in_any_handler(void **state) {
	for (int i = 0; i < 4; i++) {
		test.destroys_when_ready = i == 0;
		test.destroys_at_event = i == 1;
		test.destroys_at_answer = i == 2;
		test.destroys_when_closed = i == 3;
		say(GREETING);
		execute("stop");
		execute("cont");
		say(ACCEPTED "{\"event\": \"A\"}{\"event\": \"B\"}{\"return\": {}, \"id\": 2}"
			     "{\"return\": {}, \"id\": 3}garbage");
		settle();
		assert_null(test.qmp);
		assert_int_equal(test.ready, 1);
		assert_int_equal(test.events, i == 0 ? 0 : (i == 1 ? 1 : 2));
		assert_int_equal(test.answers, i < 2 ? 0 : (i == 2 ? 1 : 2));
		assert_int_equal(test.closed, i == 3);
		teardown(NULL);
		setup(NULL);
	}
	oriel_qmp_destroy(NULL);
}

#define test_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test_case(greeting_is_answered_and_commands_are_taken),
		test_case(messages_come_in_any_pieces),
		test_case(events_before_it_is_ready_are_nobodys),
		test_case(file_goes_with_the_first_byte),
		test_case(commands_go_one_at_a_time_and_are_bounded),
		test_case(command_that_the_socket_does_not_take_goes_on_later),
		test_case(what_is_no_qmp_ends_the_connection),
		test_case(message_that_is_too_long_ends_the_connection),
		test_case(message_that_is_too_deep_ends_the_connection),
		test_case(other_side_that_closes_ends_the_connection),
		test_case(flood_of_events_leaves_others_their_turn),
		test_case(connection_is_destroyed_in_any_handler),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
