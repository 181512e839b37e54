#include "doctor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "guest/clock.h"

/* More than the answers to any question of ours. */
#define MONITOR_LINE_MAX 262144
/* Events come at any time; so many lines that are no answer are none of QEMU's. */
#define MONITOR_LINES_MAX 1000

/* Waits for the socket. */
static int monitor_wait(struct oriel_doctor_monitor *monitor, short events) {
	for (;;) {
		uint64_t now_ns = oriel_clock_now_ns();
		if (now_ns >= monitor->deadline_ns) {
			return -ETIMEDOUT;
		}
		struct pollfd pollfd = { .fd = monitor->fd, .events = events };
		int ready = poll(&pollfd, 1, (int)((monitor->deadline_ns - now_ns) / 1000000) + 1);
		if (ready > 0) {
			return 0;
		}
		if (ready < 0 && errno != EINTR) {
			return -errno;
		}
	}
}

static int monitor_send(struct oriel_doctor_monitor *monitor, const char *text, size_t length) {
	while (length > 0) {
		ssize_t sent = send(monitor->fd, text, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			int ret = monitor_wait(monitor, POLLOUT);
			if (ret < 0) {
				return ret;
			}
		} else if (sent < 0 && errno != EINTR) {
			return errno == EPIPE ? -ECONNRESET : -errno;
		} else if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		}
	}
	return 0;
}

/* Reads once, if need be after a wait, behind what is there. */
static int monitor_receive(struct oriel_doctor_monitor *monitor) {
	if (monitor->length == MONITOR_LINE_MAX) {
		return -EPROTO;
	}
	int ret = monitor_wait(monitor, POLLIN);
	if (ret < 0) {
		return ret;
	}
	ssize_t count = recv(monitor->fd, &monitor->text[monitor->length],
			MONITOR_LINE_MAX - monitor->length, 0);
	if (count < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	monitor->length += (size_t)count;
	return count > 0 ? 0 : -ECONNRESET;
}

/* The next line, which has to be an object. */
static int monitor_read_line(struct oriel_doctor_monitor *monitor, struct json_object **ret_line) {
	char *end;
	while ((end = memchr(monitor->text, '\n', monitor->length)) == NULL) {
		int ret = monitor_receive(monitor);
		if (ret < 0) {
			return ret;
		}
	}
	struct json_tokener *tokener = json_tokener_new();
	if (tokener == NULL) {
		return -ENOMEM;
	}
	struct json_object *line =
			json_tokener_parse_ex(tokener, monitor->text, (int)(end - monitor->text));
	json_tokener_free(tokener);
	size_t taken = (size_t)(end - monitor->text) + 1;
	monitor->length -= taken;
	memmove(monitor->text, &monitor->text[taken], monitor->length);
	if (!json_object_is_type(line, json_type_object)) {
		json_object_put(line);
		return -EPROTO;
	}
	*ret_line = line;
	return 0;
}

/* The value of that key in the next line that has one of the two keys; -EOPNOTSUPP for the other. */
static int monitor_read_answer(struct oriel_doctor_monitor *monitor, const char *key,
		struct json_object **ret_answer) {
	for (int i = 0; i < MONITOR_LINES_MAX; i++) {
		struct json_object *line, *answer;
		int ret = monitor_read_line(monitor, &line);
		if (ret < 0) {
			return ret;
		}
		if (json_object_object_get_ex(line, key, &answer)) {
			ret = json_object_is_type(answer, json_type_null) ? -EPROTO : 0;
			if (ret == 0) {
				*ret_answer = json_object_get(answer);
			}
			json_object_put(line);
			return ret;
		}
		bool is_error = json_object_object_get_ex(line, "error", NULL);
		json_object_put(line);
		if (is_error) {
			return -EOPNOTSUPP;
		}
	}
	return -EPROTO;
}

static int monitor_open(struct oriel_doctor_monitor *monitor, const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	monitor->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (monitor->fd < 0) {
		return -errno;
	}
	if (connect(monitor->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		/* Its queue is full: others wait for the same monitor. */
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	return 0;
}

int oriel_doctor_monitor_connect(struct oriel_doctor_monitor *monitor, const char *path,
		int timeout_ms, struct json_object **ret_greeting) {
	*monitor = (struct oriel_doctor_monitor){
		.fd = -1,
		.deadline_ns = oriel_clock_now_ns() + (uint64_t)timeout_ms * 1000000,
		.text = malloc(MONITOR_LINE_MAX),
	};
	if (monitor->text == NULL) {
		return -ENOMEM;
	}
	struct json_object *greeting, *answer;
	int ret = monitor_open(monitor, path);
	if (ret < 0) {
		return ret;
	}
	ret = monitor_read_answer(monitor, "QMP", &greeting);
	if (ret < 0) {
		return ret == -EOPNOTSUPP ? -EPROTO : ret;
	}
	ret = oriel_doctor_monitor_ask(monitor, "qmp_capabilities", NULL, &answer);
	if (ret < 0) {
		json_object_put(greeting);
		return ret;
	}
	json_object_put(answer);
	*ret_greeting = greeting;
	return 0;
}

int oriel_doctor_monitor_ask(struct oriel_doctor_monitor *monitor, const char *command,
		const char *arguments, struct json_object **ret_answer) {
	char *text;
	int length = asprintf(&text, "{\"execute\":\"%s\"%s%s}\n", command,
			arguments != NULL ? ",\"arguments\":" : "",
			arguments != NULL ? arguments : "");
	if (length < 0) {
		return -ENOMEM;
	}
	int ret = monitor_send(monitor, text, (size_t)length);
	free(text);
	return ret < 0 ? ret : monitor_read_answer(monitor, "return", ret_answer);
}

void oriel_doctor_monitor_finish(struct oriel_doctor_monitor *monitor) {
	sb_fd_clear(&monitor->fd);
	free(monitor->text);
	monitor->text = NULL;
}
