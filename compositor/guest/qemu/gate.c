#include "guest/qemu/gate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wayland-server-core.h>

#include "fd.h"
#include "guest/qemu/wire.h"

#define LINES_MAX 8
#define LINE_BYTES_MAX 256

#define BODY_CHUNK_BYTES (64 * 1024)
/* Passed on in one go: what is more waits for the event loop's next turn. */
#define TURN_BYTES (1024 * 1024)

enum gate_state {
	GATE_STATE_LINES, /* the handshake, whose end is where a message begins */
	GATE_STATE_HEADER,
	GATE_STATE_BODY,
};

struct oriel_bus_gate {
	struct wl_event_loop *loop;
	int socket_fd; /* from QEMU; -1 once it has ended */
	int bus_fd; /* to sd-bus */
	struct wl_event_source *socket_source, *bus_source;

	enum gate_state state;
	unsigned lines;
	/* A line, or the header with its fields, as far as it has come. */
	uint8_t head[ORIEL_WIRE_HEAD_MAX];
	size_t head_bytes;
	int fds[ORIEL_BUS_GATE_FILES_MAX]; /* that came with it */
	size_t fd_count;
	uint32_t body_bytes; /* that have not come yet */
	uint8_t body[BODY_CHUNK_BYTES];

	/* What sd-bus has not taken yet, in head or body. The files go with its first byte. */
	const uint8_t *out;
	size_t out_bytes;
};

static void gate_close_fds(struct oriel_bus_gate *gate) {
	for (size_t i = 0; i < gate->fd_count; i++) {
		sb_fd_clear(&gate->fds[i]);
	}
	gate->fd_count = 0;
}

/* Nothing more comes: sd-bus reads what there is, and then the end. */
static void gate_end(struct oriel_bus_gate *gate) {
	if (gate->socket_source != NULL) {
		wl_event_source_remove(gate->socket_source);
		gate->socket_source = NULL;
	}
	if (gate->bus_source != NULL) {
		wl_event_source_remove(gate->bus_source);
		gate->bus_source = NULL;
	}
	gate_close_fds(gate);
	gate->out_bytes = 0;
	sb_fd_clear(&gate->socket_fd);
	sb_fd_clear(&gate->bus_fd);
}

/* --- to sd-bus -------------------------------------------------------------------------------- */

static ssize_t gate_send(struct oriel_bus_gate *gate) {
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)gate->out,
		.iov_len = gate->out_bytes,
	};
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(gate->fds))];
	} control = { 0 };
	if (gate->fd_count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(gate->fd_count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(gate->fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), gate->fds, gate->fd_count * sizeof(int));
	}
	return sendmsg(gate->bus_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* True once all is with sd-bus. */
static bool gate_flush(struct oriel_bus_gate *gate) {
	while (gate->out_bytes > 0) {
		ssize_t size = gate_send(gate);
		if (size < 0 && errno == EINTR) {
			continue;
		}
		if (size < 0) {
			if (errno != EAGAIN) {
				gate_end(gate);
			}
			return false;
		}
		gate->out += size;
		gate->out_bytes -= (size_t)size;
		gate_close_fds(gate);
	}
	return true;
}

/* --- from QEMU -------------------------------------------------------------------------------- */

/* The files of what was just read are the gate's. False if they are more than there may be. */
static bool gate_take_fds(struct oriel_bus_gate *gate, struct msghdr *message) {
	bool is_ok = (message->msg_flags & MSG_CTRUNC) == 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
			header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (gate->fd_count < ORIEL_BUS_GATE_FILES_MAX) {
				gate->fds[gate->fd_count++] = fd;
			} else {
				sb_fd_clear(&fd);
				is_ok = false;
			}
		}
	}
	return is_ok;
}

/*
 * Reads up to size bytes, with files or, where there may be none, without: the kernel closes those, and
 * says that it did. Returns how many bytes came, or 0 if there are none now or the gate has ended.
 */
static size_t gate_read(struct oriel_bus_gate *gate, uint8_t *bytes, size_t size, bool takes_fds) {
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(gate->fds))];
	} control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = takes_fds ? &control : NULL,
		.msg_controllen = takes_fds ? sizeof(control.space) : 0,
	};
	ssize_t got;
	do {
		got = recvmsg(gate->socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN) {
		return 0;
	}
	if (got < 0 || !gate_take_fds(gate, &message) || got == 0) {
		gate_end(gate);
		return 0;
	}
	return (size_t)got;
}

static void gate_pass(struct oriel_bus_gate *gate, const uint8_t *bytes, size_t size) {
	gate->out = bytes;
	gate->out_bytes = size;
}

/* Byte by byte: the handshake has a hundred of them, and what follows may have files. */
static size_t gate_read_line(struct oriel_bus_gate *gate) {
	size_t got = gate_read(gate, gate->head + gate->head_bytes, 1, true);
	if (got == 0) {
		return 0;
	}
	uint8_t byte = gate->head[gate->head_bytes++];
	if (gate->head_bytes == 1 && byte == ORIEL_WIRE_FIRST_BYTE) {
		gate->state = GATE_STATE_HEADER;
	} else if (gate->fd_count > 0 || gate->head_bytes == LINE_BYTES_MAX ||
			gate->lines == LINES_MAX) {
		gate_end(gate);
	} else if (byte == '\n') {
		gate_pass(gate, gate->head, gate->head_bytes);
		gate->head_bytes = 0;
		gate->lines++;
	}
	return got;
}

static size_t gate_read_head(struct oriel_bus_gate *gate) {
	/* The fixed part says how long the fields are. */
	struct oriel_wire_head head = { .head_bytes = ORIEL_WIRE_FIXED_BYTES };
	bool is_ok = true;
	if (gate->head_bytes >= ORIEL_WIRE_FIXED_BYTES) {
		is_ok = oriel_wire_read_head(gate->head, &head);
	}
	size_t got = gate_read(gate, gate->head + gate->head_bytes,
			head.head_bytes - gate->head_bytes, true);
	if (got == 0) {
		return 0;
	}
	gate->head_bytes += got;
	if (gate->head_bytes == ORIEL_WIRE_FIXED_BYTES) {
		is_ok = oriel_wire_read_head(gate->head, &head);
	}
	if (is_ok && gate->head_bytes == head.head_bytes) {
		is_ok = oriel_wire_is_message(gate->head, &head, (uint32_t)gate->fd_count);
		gate_pass(gate, gate->head, gate->head_bytes);
		gate->head_bytes = 0;
		gate->body_bytes = head.body_bytes;
		gate->state = head.body_bytes > 0 ? GATE_STATE_BODY : GATE_STATE_HEADER;
	}
	if (!is_ok) {
		gate_end(gate);
	}
	return got;
}

static size_t gate_read_body(struct oriel_bus_gate *gate) {
	size_t size = gate->body_bytes < sizeof(gate->body) ? gate->body_bytes : sizeof(gate->body);
	size_t got = gate_read(gate, gate->body, size, false);
	gate_pass(gate, gate->body, got);
	gate->body_bytes -= (uint32_t)got;
	if (gate->body_bytes == 0) {
		gate->state = GATE_STATE_HEADER;
	}
	return got;
}

static size_t gate_read_next(struct oriel_bus_gate *gate) {
	switch (gate->state) {
	case GATE_STATE_LINES:
		return gate_read_line(gate);
	case GATE_STATE_HEADER:
		return gate_read_head(gate);
	case GATE_STATE_BODY:
		return gate_read_body(gate);
	}
	return 0;
}

static void gate_run(struct oriel_bus_gate *gate) {
	size_t sum = 0, got = 1;
	while (gate_flush(gate) && gate->socket_fd >= 0 && got > 0 && sum < TURN_BYTES) {
		got = gate_read_next(gate);
		sum += got;
	}
	if (gate->socket_fd < 0) {
		return;
	}
	/* While sd-bus is behind, QEMU waits: nothing is kept here. */
	bool is_behind = gate->out_bytes > 0;
	wl_event_source_fd_update(gate->socket_source, is_behind ? 0 : WL_EVENT_READABLE);
	wl_event_source_fd_update(gate->bus_source, is_behind ? WL_EVENT_WRITABLE : 0);
}

static int gate_handle_fd(int fd, uint32_t mask, void *data) {
	gate_run(data);
	return 0;
}

/* --- itself ----------------------------------------------------------------------------------- */

struct oriel_bus_gate *oriel_bus_gate_create(
		struct wl_event_loop *loop, int socket_fd, int *ret_bus_fd) {
	struct oriel_bus_gate *gate = calloc(1, sizeof(*gate));
	if (gate == NULL) {
		return NULL;
	}
	int pair[2] = { -1, -1 };
	gate->loop = loop;
	gate->bus_fd = -1;
	int read_fd = sb_fd_dup(socket_fd);
	gate->socket_fd = read_fd >= 0 ? read_fd : -1;
	if (read_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		goto error;
	}
	gate->bus_fd = pair[0];
	gate->socket_source = wl_event_loop_add_fd(
			loop, gate->socket_fd, WL_EVENT_READABLE, gate_handle_fd, gate);
	gate->bus_source = wl_event_loop_add_fd(loop, gate->bus_fd, 0, gate_handle_fd, gate);
	if (gate->socket_source == NULL || gate->bus_source == NULL) {
		goto error;
	}
	*ret_bus_fd = pair[1];
	return gate;

error:
	sb_fd_clear(&pair[1]);
	oriel_bus_gate_destroy(gate);
	return NULL;
}

void oriel_bus_gate_destroy(struct oriel_bus_gate *gate) {
	if (gate == NULL) {
		return;
	}
	gate_end(gate);
	free(gate);
}
