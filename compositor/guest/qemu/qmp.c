#include "guest/qemu/qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <wayland-server-core.h>

#include "fd.h"

/*
 * On the wire (QEMU's docs/interop/qmp-spec.rst):
 *
 *	<- {"QMP": …}					the greeting
 *	-> {"execute": "qmp_capabilities", "id": 1}
 *	<- {"return": {}, "id": 1}			ready
 *	-> {"execute": …, "arguments": …, "id": 2}	a file goes with the first byte
 *	<- {"event": …, "data": …}			at any time
 *	<- {"return": …, "id": 2} or {"error": {"desc": …}, "id": 2}
 */

/* What QEMU says by itself has some hundred bytes. */
#define QMP_MESSAGE_BYTES_MAX (256 * 1024)
#define QMP_DEPTH_MAX 16
#define QMP_COMMANDS_MAX 16

/* What is read in one go: QEMU may talk without end, and others want their turn. */
#define QMP_READ_BYTES 4096

struct qmp_command {
	struct wl_list link; /* oriel_qmp.commands */
	char *text;
	size_t size_bytes;
	int fd; /* -1: none, or it is gone with the first byte */
	int32_t id;
	oriel_qmp_done done;
	void *data;
};

struct oriel_qmp {
	struct wl_event_loop *loop;
	const struct oriel_qmp_handler *handler;
	void *data;
	int fd;
	struct wl_event_source *source; /* NULL once it has ended */
	struct json_tokener *tokener;
	size_t message_bytes; /* of the message that is not complete yet */
	bool was_greeted;
	bool is_ready;

	struct wl_list commands; /* qmp_command.link, the first of them is with QEMU */
	unsigned command_count;
	size_t sent_bytes; /* of the first command */
	int32_t last_id;

	unsigned depth; /* of handlers that are running */
	bool is_destroyed; /* by one of them: freed when it returns */
};

static void command_destroy(struct qmp_command *command) {
	wl_list_remove(&command->link);
	sb_fd_clear(&command->fd);
	free(command->text);
	free(command);
}

static void qmp_free(struct oriel_qmp *qmp) {
	struct qmp_command *command, *tmp;
	wl_list_for_each_safe(command, tmp, &qmp->commands, link) {
		command_destroy(command);
	}
	if (qmp->source != NULL) {
		wl_event_source_remove(qmp->source);
	}
	if (qmp->tokener != NULL) {
		json_tokener_free(qmp->tokener);
	}
	sb_fd_clear(&qmp->fd);
	free(qmp);
}

/* The last thing that is heard of it. */
static void qmp_end(struct oriel_qmp *qmp, const char *reason) {
	if (qmp->source == NULL) {
		return;
	}
	wl_event_source_remove(qmp->source);
	qmp->source = NULL;
	qmp->handler->closed(qmp->data, reason);
}

/* --- sending ---------------------------------------------------------------------------------- */

static ssize_t qmp_send(struct oriel_qmp *qmp, struct qmp_command *command) {
	struct iovec iov = {
		.iov_base = command->text + qmp->sent_bytes,
		.iov_len = command->size_bytes - qmp->sent_bytes,
	};
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	if (command->fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &command->fd, sizeof(int));
	}
	return sendmsg(qmp->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sends what the socket takes of the first command, and sees to it that the rest follows. */
static void qmp_flush(struct oriel_qmp *qmp) {
	if (qmp->source == NULL) {
		return;
	}
	uint32_t mask = WL_EVENT_READABLE;
	if (!wl_list_empty(&qmp->commands)) {
		struct qmp_command *command = wl_container_of(qmp->commands.next, command, link);
		while (qmp->sent_bytes < command->size_bytes) {
			ssize_t size = qmp_send(qmp, command);
			if (size < 0 && errno == EINTR) {
				continue;
			}
			if (size < 0) {
				/* What is wrong, if it is more than a full socket, reading will find. */
				mask |= errno == EAGAIN ? WL_EVENT_WRITABLE : 0;
				break;
			}
			qmp->sent_bytes += (size_t)size;
			sb_fd_clear(&command->fd);
		}
	}
	wl_event_source_fd_update(qmp->source, mask);
}

/* NULL if memory ran out. Consumes the arguments. */
static char *command_write(const char *name, struct json_object *take_arguments, int32_t id) {
	struct json_object *object = json_object_new_object();
	struct json_object *name_value = json_object_new_string(name);
	struct json_object *id_value = json_object_new_int(id);
	char *text = NULL;
	if (object == NULL || json_object_object_add(object, "execute", name_value) != 0) {
		json_object_put(name_value);
	} else if (json_object_object_add(object, "id", id_value) != 0) {
		json_object_put(id_value);
	} else if (take_arguments == NULL ||
			json_object_object_add(object, "arguments", take_arguments) == 0) {
		take_arguments = NULL;
		const char *json = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
		if (json != NULL && asprintf(&text, "%s\n", json) < 0) {
			text = NULL;
		}
	}
	json_object_put(take_arguments);
	json_object_put(object);
	return text;
}

bool oriel_qmp_execute(struct oriel_qmp *qmp, const char *command_name,
		struct json_object *take_arguments, int take_fd, oriel_qmp_done done, void *data) {
	struct qmp_command *command = NULL;
	if (qmp->command_count < QMP_COMMANDS_MAX && qmp->source != NULL) {
		command = calloc(1, sizeof(*command));
	}
	if (command == NULL) {
		json_object_put(take_arguments);
		sb_fd_clear(&take_fd);
		return false;
	}
	wl_list_init(&command->link);
	command->fd = take_fd;
	command->id = ++qmp->last_id;
	command->done = done;
	command->data = data;
	command->text = command_write(command_name, take_arguments, command->id);
	if (command->text == NULL) {
		command_destroy(command);
		return false;
	}
	command->size_bytes = strlen(command->text);
	wl_list_insert(qmp->commands.prev, &command->link);
	if (qmp->command_count++ == 0) {
		qmp->sent_bytes = 0;
		qmp_flush(qmp);
	}
	return true;
}

/* --- what comes ------------------------------------------------------------------------------- */

static void qmp_handle_capabilities(void *data, struct json_object *result, const char *error) {
	struct oriel_qmp *qmp = data;
	if (error != NULL) {
		char reason[ORIEL_QMP_REASON_SIZE];
		snprintf(reason, sizeof(reason), "%s", error);
		qmp_end(qmp, reason);
		return;
	}
	qmp->is_ready = true;
	qmp->handler->ready(qmp->data);
}

static void qmp_take_greeting(struct oriel_qmp *qmp) {
	if (qmp->was_greeted) {
		qmp_end(qmp, "it greets twice");
		return;
	}
	qmp->was_greeted = true;
	if (!oriel_qmp_execute(qmp, "qmp_capabilities", NULL, -1, qmp_handle_capabilities, qmp)) {
		qmp_end(qmp, "out of memory");
	}
}

static void qmp_take_answer(struct oriel_qmp *qmp, struct json_object *message) {
	struct json_object *id = json_object_object_get(message, "id");
	struct json_object *error = json_object_object_get(message, "error");
	struct qmp_command *command = NULL;
	if (!wl_list_empty(&qmp->commands)) {
		command = wl_container_of(qmp->commands.next, command, link);
	}
	/* QEMU leaves the id out where it did not understand that there is one. */
	if (command == NULL || qmp->sent_bytes < command->size_bytes ||
			(id != NULL ? json_object_get_int(id) != command->id : error == NULL)) {
		qmp_end(qmp, "an answer to no command");
		return;
	}
	oriel_qmp_done done = command->done;
	void *data = command->data;
	command_destroy(command);
	qmp->command_count--;
	qmp->sent_bytes = 0;
	qmp_flush(qmp);

	if (error == NULL) {
		done(data, json_object_object_get(message, "return"), NULL);
		return;
	}
	struct json_object *words = json_object_object_get(error, "desc");
	bool has_words = json_object_is_type(words, json_type_string);
	done(data, NULL, has_words ? json_object_get_string(words) : "no reason given");
}

/* Until the greeting there is nothing but that. */
static void qmp_take_message(struct oriel_qmp *qmp, struct json_object *message) {
	struct json_object *event;
	if (!json_object_is_type(message, json_type_object)) {
		qmp_end(qmp, "a message that is no object");
	} else if (json_object_object_get_ex(message, "QMP", NULL)) {
		qmp_take_greeting(qmp);
	} else if (!qmp->was_greeted) {
		qmp_end(qmp, "no greeting");
	} else if (json_object_object_get_ex(message, "event", &event)) {
		struct json_object *details = json_object_object_get(message, "data");
		if (!json_object_is_type(event, json_type_string)) {
			qmp_end(qmp, "an event without a name");
		} else if (qmp->is_ready) {
			qmp->handler->event(qmp->data, json_object_get_string(event),
					json_object_is_type(details, json_type_object) ? details
										       : NULL);
		}
	} else if (json_object_object_get(message, "return") != NULL ||
			json_object_is_type(json_object_object_get(message, "error"),
					json_type_object)) {
		qmp_take_answer(qmp, message);
	} else {
		qmp_end(qmp, "a message of no known kind");
	}
}

/* Those bytes are the next ones of what comes. */
static void qmp_parse(struct oriel_qmp *qmp, const char *bytes, size_t size_bytes) {
	while (size_bytes > 0 && qmp->source != NULL && !qmp->is_destroyed) {
		struct json_object *message =
				json_tokener_parse_ex(qmp->tokener, bytes, (int)size_bytes);
		enum json_tokener_error error = json_tokener_get_error(qmp->tokener);
		size_t parsed_bytes = json_tokener_get_parse_end(qmp->tokener);
		qmp->message_bytes += parsed_bytes;
		if (error == json_tokener_continue) {
			if (qmp->message_bytes > QMP_MESSAGE_BYTES_MAX) {
				qmp_end(qmp, "a message that is too long");
			}
			return;
		}
		if (error != json_tokener_success) {
			char reason[ORIEL_QMP_REASON_SIZE];
			snprintf(reason, sizeof(reason), "no JSON: %s",
					json_tokener_error_desc(error));
			qmp_end(qmp, reason);
			return;
		}
		qmp->message_bytes = 0;
		bytes += parsed_bytes;
		size_bytes -= parsed_bytes;
		qmp_take_message(qmp, message);
		json_object_put(message);
	}
}

static void qmp_read(struct oriel_qmp *qmp) {
	char bytes[QMP_READ_BYTES];
	ssize_t size = recv(qmp->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (size > 0) {
		qmp_parse(qmp, bytes, (size_t)size);
	} else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
		qmp_end(qmp, NULL);
	}
}

static int qmp_handle_fd(int fd, uint32_t mask, void *data) {
	struct oriel_qmp *qmp = data;
	qmp->depth++;
	if ((mask & WL_EVENT_WRITABLE) != 0) {
		qmp_flush(qmp);
	}
	if ((mask & ~(uint32_t)WL_EVENT_WRITABLE) != 0) {
		qmp_read(qmp);
	}
	qmp->depth--;
	if (qmp->is_destroyed && qmp->depth == 0) {
		qmp_free(qmp);
	}
	return 0;
}

/* --- itself ----------------------------------------------------------------------------------- */

struct oriel_qmp *oriel_qmp_create(struct wl_event_loop *loop, int take_fd,
		const struct oriel_qmp_handler *handler, void *data) {
	struct oriel_qmp *qmp = calloc(1, sizeof(*qmp));
	if (qmp == NULL) {
		sb_fd_clear(&take_fd);
		return NULL;
	}
	wl_list_init(&qmp->commands);
	qmp->loop = loop;
	qmp->handler = handler;
	qmp->data = data;
	qmp->fd = take_fd;
	qmp->tokener = json_tokener_new_ex(QMP_DEPTH_MAX);
	if (qmp->tokener == NULL) {
		goto error;
	}
	qmp->source = wl_event_loop_add_fd(loop, take_fd, WL_EVENT_READABLE, qmp_handle_fd, qmp);
	if (qmp->source == NULL) {
		goto error;
	}
	return qmp;

error:
	qmp_free(qmp);
	return NULL;
}

void oriel_qmp_destroy(struct oriel_qmp *qmp) {
	if (qmp == NULL) {
		return;
	}
	if (qmp->depth > 0) {
		qmp->is_destroyed = true;
		return;
	}
	qmp_free(qmp);
}

bool oriel_qmp_was_greeted(const struct oriel_qmp *qmp) {
	return qmp->was_greeted;
}
