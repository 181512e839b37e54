#ifndef ORIEL_DOCTOR_MONITOR_H
#define ORIEL_DOCTOR_MONITOR_H

#include <json.h>
#include <stdint.h>

/*
 * A conversation with a QMP monitor, question by question. It blocks, up to its deadline: for a
 * program that does nothing else. Every function returns 0 or -errno: -ETIMEDOUT: no answer in time;
 * -EPROTO: what came is no QMP; -ECONNRESET: the other side has hung up; -ENOMEM.
 */
struct oriel_doctor_monitor {
	int fd;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC, of all that is still to come */
	char *text; /* what came and is not read yet */
	size_t length;
};

/*
 * Connects to the socket at path, and is greeted. *ret_greeting is what QMP's greeting says of
 * itself, for json_object_put(). Also any error of connect(). A monitor that somebody else uses
 * takes the connection, and greets nobody: -ETIMEDOUT. Whatever it returns, the monitor is for
 * oriel_doctor_monitor_finish().
 */
int oriel_doctor_monitor_connect(struct oriel_doctor_monitor *monitor, const char *path,
		int timeout_ms, struct json_object **ret_greeting);

/*
 * Executes command; arguments are JSON text, or NULL. *ret_answer, which is not NULL, is for
 * json_object_put(). -EOPNOTSUPP: QEMU has answered with an error.
 */
int oriel_doctor_monitor_ask(struct oriel_doctor_monitor *monitor, const char *command,
		const char *arguments, struct json_object **ret_answer);

void oriel_doctor_monitor_finish(struct oriel_doctor_monitor *monitor);

#endif
