#include "guest/qemu/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fd.h"
#include "fds.h"
#include "guest/qemu/gate.h"
#include "guest/qemu/wire.h"

/* D-Bus, spoken by the test on the other end of a socket pair, byte by byte. */

/* What a server says in the handshake: sd-bus asks for all of it in one go. */
#define HANDSHAKE "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n"

#define MESSAGES_PER_TURN 32

enum destroyer {
	DESTROYER_NONE,
	DESTROYER_METHOD,
	DESTROYER_REPLY,
	DESTROYER_CLOSED,
};

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_bus *bus; /* NULL: destroyed */
	int fd; /* QEMU's end */
	enum destroyer destroyer;
	unsigned closed, calls, replies, failed_replies, files;
	uint64_t bytes, bytes_sum; /* of the last Bytes */
} test;

static void destroy_if(enum destroyer destroyer) {
	if (test.destroyer == destroyer) {
		oriel_bus_destroy(test.bus);
		test.bus = NULL;
	}
}

static void handle_closed(void *data) {
	assert_ptr_equal(data, &test);
	test.closed++;
	destroy_if(DESTROYER_CLOSED);
}

static const struct oriel_bus_handler handler = {
	.closed = handle_closed,
};

static int handle_call(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	test.calls++;
	destroy_if(DESTROYER_METHOD);
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	test.replies++;
	test.failed_replies += sd_bus_message_is_method_error(reply, NULL) > 0 ? 1 : 0;
	destroy_if(DESTROYER_REPLY);
	return 0;
}

static int handle_files(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	int fds[2];
	if (sd_bus_message_read(call, "hh", &fds[0], &fds[1]) < 0) {
		return sd_bus_reply_method_errnof(call, EINVAL, "no files");
	}
	for (int i = 0; i < 2; i++) {
		test.files += fcntl(fds[i], F_GETFD) == FD_CLOEXEC ? 1 : 0;
	}
	return sd_bus_reply_method_return(call, NULL);
}

static int handle_bytes(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	const void *bytes;
	size_t size;
	assert_true(sd_bus_message_read_array(call, 'y', &bytes, &size) >= 0);
	test.bytes = size;
	test.bytes_sum = 0;
	for (size_t i = 0; i < size; i++) {
		test.bytes_sum += ((const uint8_t *)bytes)[i] * (uint64_t)(i % 251 + 1);
	}
	return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Files", "hh", "", handle_files, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Bytes", "ay", "", handle_bytes, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Call", "", "", handle_call, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* --- the other side --------------------------------------------------------------------------- */

static void dispatch(int idle_ms) {
	struct pollfd pollfd = { .fd = wl_event_loop_get_fd(test.loop), .events = POLLIN };
	while (poll(&pollfd, 1, idle_ms) > 0) {
		wl_event_loop_dispatch(test.loop, 0);
	}
}

/* Longer than the timers of a bus that has something to do by itself, as one that closes. */
static void settle(void) {
	dispatch(3);
}

static void say(const char *text) {
	assert_int_equal(send(test.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	settle();
}

static size_t hear(void) {
	char bytes[4096];
	ssize_t size, sum = 0;
	while ((size = recv(test.fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		sum += size;
	}
	return (size_t)sum;
}

struct raw {
	uint8_t bytes[512];
	size_t size;
};

static void raw_pad(struct raw *raw, size_t to) {
	while (raw->size % to != 0) {
		raw->bytes[raw->size++] = 0;
	}
}

static void raw_add_u32(struct raw *raw, uint32_t value) {
	raw_pad(raw, 4);
	memcpy(raw->bytes + raw->size, &value, sizeof(value));
	raw->size += sizeof(value);
}

static void raw_add_field(struct raw *raw, uint8_t code, char type, const char *text, uint32_t value) {
	raw_pad(raw, 8);
	const uint8_t start[] = { code, 1, (uint8_t)type, 0 };
	memcpy(raw->bytes + raw->size, start, sizeof(start));
	raw->size += sizeof(start);
	if (text == NULL) {
		raw_add_u32(raw, value);
		return;
	}
	if (type == 'g') {
		raw->bytes[raw->size++] = (uint8_t)strlen(text);
	} else {
		raw_add_u32(raw, (uint32_t)strlen(text));
	}
	memcpy(raw->bytes + raw->size, text, strlen(text) + 1);
	raw->size += strlen(text) + 1;
}

/* The header of a call (D-Bus specification, "Message Format"), that says it has so many files. */
static struct raw make_header(const char *method, const char *signature, uint32_t serial,
		uint32_t body_bytes, uint32_t files) {
	struct raw raw = { .bytes = { ORIEL_WIRE_FIRST_BYTE, 1, 0, 1 }, .size = 4 };
	raw_add_u32(&raw, body_bytes);
	raw_add_u32(&raw, serial);
	raw_add_u32(&raw, 0);
	raw_add_field(&raw, 1, 'o', "/oriel/test", 0);
	raw_add_field(&raw, 2, 's', "oriel.Test", 0);
	raw_add_field(&raw, 3, 's', method, 0);
	if (signature != NULL) {
		raw_add_field(&raw, 8, 'g', signature, 0);
	}
	if (files > 0) {
		raw_add_field(&raw, 9, 'u', NULL, files);
	}
	uint32_t fields_bytes = (uint32_t)raw.size - 16;
	memcpy(raw.bytes + 12, &fields_bytes, sizeof(fields_bytes));
	raw_pad(&raw, 8);
	return raw;
}

static struct raw make_call(uint32_t serial) {
	return make_header("Call", NULL, serial, 0, 0);
}

/* Files(0, 1) */
static struct raw make_files_call(uint32_t files) {
	struct raw raw = make_header("Files", "hh", 7, 8, files);
	raw_add_u32(&raw, 0);
	raw_add_u32(&raw, 1);
	return raw;
}

/* 0, or -1 with errno of a socket that is full or closed. */
static int try_raw(const uint8_t *bytes, size_t size, size_t files) {
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (files > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(files * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(files * sizeof(int));
		for (size_t i = 0; i < files; i++) {
			memcpy(CMSG_DATA(header) + i * sizeof(int), &test.fd, sizeof(int));
		}
	}
	ssize_t sent = sendmsg(test.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	assert_true(sent < 0 || sent == (ssize_t)size);
	return sent < 0 ? -1 : 0;
}

static void send_call(struct raw raw, size_t files) {
	assert_int_equal(try_raw(raw.bytes, raw.size, files), 0);
}

static int setup(void **state) {
	memset(&test, 0, sizeof(test));
	test.fds_before = fds_count_open();
	test.loop = wl_event_loop_create();
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	test.fd = fds[1];
	test.bus = oriel_bus_create(test.loop, fds[0], &handler, &test);
	assert_non_null(test.bus);
	assert_true(sd_bus_add_object_vtable(oriel_bus_get(test.bus), NULL, "/oriel/test",
				    "oriel.Test", vtable, &test) >= 0);
	return 0;
}

static int teardown(void **state) {
	oriel_bus_destroy(test.bus);
	wl_event_loop_destroy(test.loop);
	sb_fd_clear(&test.fd);
	assert_int_equal(fds_count_open(), test.fds_before);
	return 0;
}

static void again(void) {
	teardown(NULL);
	setup(NULL);
}

static void start(void) {
	assert_true(oriel_bus_start(test.bus));
	dispatch(0);
	assert_true(hear() > 0);
	assert_int_equal(send(test.fd, HANDSHAKE, strlen(HANDSHAKE), MSG_NOSIGNAL),
			strlen(HANDSHAKE));
	dispatch(0);
	assert_int_equal(test.closed, 0);
	assert_true(oriel_bus_is_open(test.bus));
}

static void call_qemu(void) {
	assert_true(sd_bus_call_method_async(oriel_bus_get(test.bus), NULL, NULL, "/q", "q.Q", "Q",
				    handle_reply, NULL, NULL) >= 0);
	oriel_bus_flush(test.bus);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void handshake_is_done_and_calls_go_both_ways(void **state) {
	start();
	call_qemu();
	settle();
	assert_true(hear() > 0);
	assert_int_equal(oriel_bus_get_backlog(test.bus), 0);
	send_call(make_call(7), 0);
	settle();
	assert_int_equal(test.calls, 1);
	assert_true(hear() > 0);
	assert_int_equal(test.replies, 0);
}

static void what_was_sent_before_the_handshake_goes_after_it(void **state) {
	assert_true(oriel_bus_start(test.bus));
	call_qemu();
	settle();
	size_t handshake_bytes = hear();
	assert_true(handshake_bytes > 0);
	assert_int_equal(oriel_bus_get_backlog(test.bus), 1);
	say(HANDSHAKE);
	assert_true(hear() > 0);
	assert_int_equal(oriel_bus_get_backlog(test.bus), 0);
}

/* At each step of the handshake, and after it; a call without an answer fails first. */
static void other_side_that_closes_is_noticed_once(void **state) {
	static const char *const texts[] = { "", "D", "DATA\r\n", "DATA\r\nOK 01234567", HANDSHAKE,
		HANDSHAKE "l", HANDSHAKE "l\1\1\1\1" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_true(oriel_bus_start(test.bus));
		call_qemu();
		settle();
		if (texts[i][0] != '\0') {
			say(texts[i]);
		}
		assert_int_equal(test.closed, 0);
		sb_fd_clear(&test.fd);
		settle();
		assert_int_equal(test.closed, 1);
		assert_int_equal(test.replies, test.failed_replies);
		assert_false(oriel_bus_is_open(test.bus));
		/* And whoever does not know it yet does no harm. */
		assert_true(sd_bus_call_method_async(oriel_bus_get(test.bus), NULL, NULL, "/q",
					    "q.Q", "Q", handle_reply, NULL, NULL) < 0);
		oriel_bus_flush(test.bus);
		settle();
		assert_int_equal(test.closed, 1);
		again();
	}
}

static void what_is_no_dbus_ends_the_connection(void **state) {
	static const char *const texts[] = {
		"HELP\r\nHELP\r\nHELP\r\nHELP\r\n",
		"REJECTED EXTERNAL\r\nERROR\r\nERROR\r\n",
		"DATA\r\nOK short\r\nAGREE_UNIX_FD\r\n",
		HANDSHAKE "HTTP/1.1 400 Bad Request, and so on\r\n",
		HANDSHAKE "l\1\0\1\377\377\377\377\1\1\1\1\377\377\377\377 and more of it",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_true(oriel_bus_start(test.bus));
		settle();
		/* The last one has zeros in it. */
		size_t size = i == 4 ? strlen(HANDSHAKE) + 30 : strlen(texts[i]);
		assert_int_equal(send(test.fd, texts[i], size, MSG_NOSIGNAL), size);
		settle();
		assert_int_equal(test.closed, 1);
		again();
	}
	/* Without an end to it. */
	assert_true(oriel_bus_start(test.bus));
	char junk[1024];
	memset(junk, 'D', sizeof(junk));
	for (int i = 0; i < 1024 && test.closed == 0; i++) {
		if (send(test.fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			settle();
		}
	}
	settle();
	assert_int_equal(test.closed, 1);
}

static void file_that_is_no_socket_is_noticed(void **state) {
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[1]);
	oriel_bus_destroy(test.bus);
	test.bus = oriel_bus_create(test.loop, fds[0], &handler, &test);
	if (test.bus != NULL && oriel_bus_start(test.bus)) {
		settle();
		assert_int_equal(test.closed, 1);
	}
}

static void flood_of_messages_leaves_others_their_turn(void **state) {
	start();
	struct raw call = make_call(7);
	call.bytes[2] = 1; /* no answer is wanted */
	unsigned sent = 0, turns = 0;
	while (test.calls < 10000) {
		while (sent < 10000 && try_raw(call.bytes, call.size, 0) == 0) {
			sent++;
		}
		unsigned before = test.calls;
		wl_event_loop_dispatch(test.loop, 1000);
		assert_true(test.calls - before <= MESSAGES_PER_TURN);
		turns++;
	}
	assert_true(turns >= 10000 / MESSAGES_PER_TURN);
	settle();
	assert_int_equal(test.calls, 10000);
	assert_int_equal(test.closed, 0);
}

static void other_side_that_calls_and_never_reads_is_left(void **state) {
	start();
	unsigned sent = 0;
	while (test.closed == 0 && sent < 100000) {
		struct raw call = make_call(sent + 1);
		if (try_raw(call.bytes, call.size, 0) == 0) {
			sent++;
		}
		wl_event_loop_dispatch(test.loop, 0);
		assert_true(oriel_bus_get_backlog(test.bus) <= 4096 + 1);
	}
	assert_int_equal(test.closed, 1);
	assert_true(sent > 4096);
}

static void bus_is_destroyed_in_any_handler(void **state) {
	for (int destroyer = DESTROYER_METHOD; destroyer <= DESTROYER_CLOSED; destroyer++) {
		start();
		call_qemu();
		call_qemu();
		test.destroyer = destroyer;
		send_call(make_call(7), 0);
		send_call(make_call(8), 0);
		settle();
		sb_fd_clear(&test.fd); /* calls fail */
		settle();
		assert_null(test.bus);
		assert_int_equal(test.calls, destroyer == DESTROYER_METHOD ? 1 : 2);
		assert_int_equal(test.replies,
				destroyer == DESTROYER_METHOD
						? 0
						: (destroyer == DESTROYER_REPLY ? 1 : 2));
		assert_int_equal(test.closed, destroyer == DESTROYER_CLOSED);
		again();
	}
	oriel_bus_destroy(NULL);
}

/* --- files and bodies ------------------------------------------------------------------------- */

static void files_come_with_their_call(void **state) {
	start();
	for (unsigned i = 1; i <= 3; i++) {
		send_call(make_files_call(2), 2);
		settle();
		assert_int_equal(test.files, 2 * i);
	}
	/* In pieces: the header's first byte has the files. */
	struct raw raw = make_files_call(2);
	for (size_t i = 0; i < raw.size; i++) {
		assert_int_equal(try_raw(raw.bytes + i, 1, i == 0 ? 2 : 0), 0);
		wl_event_loop_dispatch(test.loop, 0);
	}
	settle();
	assert_int_equal(test.files, 8);
	assert_int_equal(test.closed, 0);
}

static void files_that_are_not_as_said_end_the_connection(void **state) {
	static const struct {
		uint32_t said;
		size_t sent;
	} cases[] = { { 1, 2 }, { 3, 2 }, { 0, 1 }, { 2, 1 }, { 9, 9 }, { 64, 64 },
		{ UINT32_MAX, 2 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start();
		send_call(make_files_call(cases[i].said), cases[i].sent);
		settle();
		assert_int_equal(test.closed, 1);
		assert_int_equal(test.files, 0);
		again();
	}
	/* As many as there may be, to a call that wants two of them. */
	start();
	send_call(make_files_call(ORIEL_BUS_GATE_FILES_MAX), ORIEL_BUS_GATE_FILES_MAX);
	settle();
	assert_int_equal(test.files, 2);
	assert_int_equal(test.closed, 0);
	/* Said and not sent. */
	send_call(make_files_call(2), 0);
	settle();
	assert_int_equal(test.closed, 1);
}

static void files_where_none_may_be_end_the_connection(void **state) {
	/* In the handshake, */
	assert_true(oriel_bus_start(test.bus));
	settle();
	assert_int_equal(try_raw((const uint8_t *)"DATA\r\n", 6, 1), 0);
	settle();
	assert_int_equal(test.closed, 1);
	again();
	/* with the body, whatever there is of it, */
	for (size_t at = 1; at <= 8; at += 7) {
		start();
		struct raw raw = make_files_call(2);
		assert_int_equal(try_raw(raw.bytes, raw.size - at, 2), 0);
		settle();
		assert_int_equal(try_raw(raw.bytes + raw.size - at, at, 1), 0);
		settle();
		assert_int_equal(test.closed, 1);
		assert_int_equal(test.files, 0);
		again();
	}
	/* and with what is no call. */
	for (uint8_t type = 2; type <= 4; type++) {
		start();
		struct raw raw = make_files_call(2);
		raw.bytes[1] = type;
		send_call(raw, 2);
		settle();
		assert_int_equal(test.closed, 1);
		again();
	}
}

static void files_of_a_call_that_never_ends_are_few(void **state) {
	start();
	int fds_before = fds_count_open();
	struct raw raw = make_header("Bytes", "ay", 7, 1000000, 0);
	send_call(raw, 0);
	for (int i = 0; i < 10 && try_raw((const uint8_t *)"xxxx", 4, 60) == 0; i++) {
		settle();
	}
	assert_int_equal(test.closed, 1);
	assert_true(fds_count_open() <= fds_before);
	again();
	start();
	fds_before = fds_count_open();
	raw = make_files_call(2);
	for (size_t i = 0; i < 20 && try_raw(raw.bytes + i, 1, 4) == 0; i++) {
		settle();
		assert_true(fds_count_open() <= fds_before + ORIEL_BUS_GATE_FILES_MAX);
	}
	assert_int_equal(test.closed, 1);
}

static struct raw make_answer(uint8_t type, const char *error) {
	struct raw raw = { .bytes = { ORIEL_WIRE_FIRST_BYTE, type, 1, 1 }, .size = 4 };
	raw_add_u32(&raw, 5);
	raw_add_u32(&raw, 9);
	raw_add_u32(&raw, 0);
	raw_add_field(&raw, 5, 'u', NULL, 3);
	if (error != NULL) {
		raw_add_field(&raw, 4, 's', error, 0);
	}
	raw_add_field(&raw, 7, 's', ":1.2", 0);
	raw_add_field(&raw, 6, 's', "org.qemu-x", 0);
	raw_add_field(&raw, 8, 'g', "s", 0);
	uint32_t fields_bytes = (uint32_t)raw.size - 16;
	memcpy(raw.bytes + 12, &fields_bytes, sizeof(fields_bytes));
	raw_pad(&raw, 8);
	raw_add_u32(&raw, 0);
	raw.bytes[raw.size++] = 0;
	return raw;
}

/*
 * Each byte of a message made another: it is taken, refused, waited for or the end, and no file is left
 * when the connection has ended, nor, as the leak sanitizer has it, any memory.
 */
static void message_leaves_nothing_whatever_is_wrong_with_it(void **state) {
	static const uint8_t changes[] = { 0x01, 0x20, 0xff };
	struct raw signal = make_header("Files", "hh", 7, 8, 0);
	signal.bytes[1] = 4;
	raw_add_u32(&signal, 0);
	raw_add_u32(&signal, 1);
	struct raw dict = make_header("Bytes", "a{s(iav)}", 7, 8, 0);
	raw_add_u32(&dict, 0);
	raw_add_u32(&dict, 0);
	const struct {
		struct raw raw;
		size_t files;
	} messages[] = {
		{ make_files_call(2), 2 },
		{ make_answer(2, NULL), 0 },
		{ make_answer(3, "org.qemu.Error"), 0 },
		{ signal, 0 },
		{ dict, 0 },
	};
	start();
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		send_call(messages[i].raw, messages[i].files);
		settle();
		assert_int_equal(test.closed, 0);
		for (size_t at = 0; at < messages[i].raw.size * sizeof(changes); at++) {
			struct raw raw = messages[i].raw;
			raw.bytes[at / sizeof(changes)] ^= changes[at % sizeof(changes)];
			send_call(raw, messages[i].files);
			/* What follows would be the rest of one that became longer. */
			unsigned calls_before = test.calls;
			(void)try_raw(make_call(8).bytes, make_call(8).size, 0);
			dispatch(0);
			if (test.calls == calls_before) {
				settle();
				again();
				start();
			}
		}
	}
}

static void header_that_is_too_long_ends_the_connection(void **state) {
	for (uint32_t size = ORIEL_WIRE_HEAD_MAX - 8; size <= ORIEL_WIRE_HEAD_MAX + 8; size += 8) {
		start();
		struct raw raw = make_call(7);
		uint32_t fields_bytes = size - 16;
		memcpy(raw.bytes + 12, &fields_bytes, sizeof(fields_bytes));
		send_call(raw, 0);
		settle();
		/* One that may be so long is waited for. */
		assert_int_equal(test.closed, size > ORIEL_WIRE_HEAD_MAX);
		again();
	}
}

static void body_comes_whole_whatever_its_size(void **state) {
	static const uint32_t sizes[] = { 0, 1, 65535, 65536, 65537, 8300000 };
	start();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t size = sizes[i];
		struct raw raw = make_header("Bytes", "ay", 7, size + 4, 0);
		raw_add_u32(&raw, size);
		send_call(raw, 0);
		uint8_t *bytes = malloc(size + 1);
		assert_non_null(bytes);
		uint64_t sum = 0;
		for (uint32_t j = 0; j < size; j++) {
			bytes[j] = (uint8_t)(j * 7 + j / 256);
			sum += bytes[j] * (uint64_t)(j % 251 + 1);
		}
		test.bytes = UINT64_MAX;
		for (uint32_t at = 0; at < size;) {
			ssize_t sent = send(test.fd, bytes + at, size - at,
					MSG_DONTWAIT | MSG_NOSIGNAL);
			at += sent > 0 ? (uint32_t)sent : 0;
			wl_event_loop_dispatch(test.loop, 0);
		}
		free(bytes);
		settle();
		assert_int_equal(test.bytes, size);
		assert_int_equal(test.bytes_sum, sum);
	}
	assert_int_equal(test.closed, 0);
}

static void body_that_is_too_long_ends_the_connection(void **state) {
	start();
	send_call(make_header("Bytes", "ay", 7, ORIEL_WIRE_BODY_MAX + 1, 0), 0);
	settle();
	assert_int_equal(test.closed, 1);
	again();
	start();
	send_call(make_header("Bytes", "ay", 7, ORIEL_WIRE_BODY_MAX, 0), 0);
	settle();
	assert_int_equal(test.closed, 0);
}

#define test_case(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		test_case(handshake_is_done_and_calls_go_both_ways),
		test_case(what_was_sent_before_the_handshake_goes_after_it),
		test_case(other_side_that_closes_is_noticed_once),
		test_case(what_is_no_dbus_ends_the_connection),
		test_case(file_that_is_no_socket_is_noticed),
		test_case(flood_of_messages_leaves_others_their_turn),
		test_case(other_side_that_calls_and_never_reads_is_left),
		test_case(bus_is_destroyed_in_any_handler),
		test_case(files_come_with_their_call),
		test_case(files_that_are_not_as_said_end_the_connection),
		test_case(files_where_none_may_be_end_the_connection),
		test_case(files_of_a_call_that_never_ends_are_few),
		test_case(message_leaves_nothing_whatever_is_wrong_with_it),
		test_case(header_that_is_too_long_ends_the_connection),
		test_case(body_comes_whole_whatever_its_size),
		test_case(body_that_is_too_long_ends_the_connection),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
