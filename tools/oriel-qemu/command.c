#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"

#define ADDED_COUNT 6

struct display {
	bool is_dbus;
	bool has_p2p;
};

static bool is_yes(const char *value, size_t length) {
	static const char *const words[] = { "on", "yes", "true", "y" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == length && strncmp(value, words[i], length) == 0) {
			return true;
		}
	}
	return false;
}

/* The value of a -display: "dbus,p2p=yes", "type=dbus,…" or JSON. */
static struct display display_parse(const char *value) {
	struct display display = { 0 };
	if (value[0] == '{') {
		display.is_dbus = strstr(value, "\"dbus\"") != NULL;
		display.has_p2p = strstr(value, "\"p2p\"") != NULL;
		return display;
	}
	for (const char *item = value; item != NULL;) {
		size_t length = strcspn(item, ",");
		static const char type[] = "type=", p2p[] = "p2p=";
		const char *kind = NULL;
		if (strncmp(item, type, strlen(type)) == 0) {
			kind = item + strlen(type);
		} else if (item == value && strcspn(item, "=") >= length) {
			kind = item;
		}
		if (kind != NULL) {
			size_t kind_length = (size_t)(item + length - kind);
			display.is_dbus = kind_length == strlen("dbus") &&
					strncmp(kind, "dbus", kind_length) == 0;
		} else if (strncmp(item, p2p, strlen(p2p)) == 0) {
			display.has_p2p = is_yes(item + strlen(p2p), length - strlen(p2p));
		}
		item = item[length] == ',' ? &item[length + 1] : NULL;
	}
	return display;
}

static bool display_check(const char *value, bool wants_gl, char reason[COMMAND_REASON_SIZE]) {
	struct display display = display_parse(value);
	if (!display.is_dbus) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command has -display %.64s: leave it out, and what oriel needs is "
				"added",
				value);
	} else if (!display.has_p2p) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command's -display dbus has no p2p=yes, which oriel needs");
	} else if (wants_gl) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command has a -display of its own, and --gl is for the one that "
				"is added: leave out one of them");
	} else {
		return true;
	}
	return false;
}

/* QEMU takes one display with OpenGL. */
static bool spice_has_gl(const char *value) {
	return strstr(value, "gl=on") != NULL;
}

static bool argument_check(char *const *argument, bool wants_gl, char reason[COMMAND_REASON_SIZE]) {
	const char *value = argument[1];
	if (argument_is_option(argument[0], "nographic")) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command has -nographic, which leaves no display: leave it out; "
				"-serial mon:stdio has the serial port on the terminal, too");
	} else if (argument_is_option(argument[0], "daemonize")) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command has -daemonize, and oriel would take the machine for one "
				"that has ended: leave it out");
	} else if (value != NULL && argument_is_option(argument[0], "spice") && spice_has_gl(value)) {
		snprintf(reason, COMMAND_REASON_SIZE,
				"the command's -spice has gl=on, which goes with no other display: "
				"leave it out");
	} else if (value != NULL && argument_is_option(argument[0], "display")) {
		return display_check(value, wants_gl, reason);
	} else {
		return true;
	}
	return false;
}

bool command_check(char *const argv[], bool wants_gl, char reason[COMMAND_REASON_SIZE]) {
	for (int i = 1; argv[i] != NULL; i++) {
		if (!argument_check(&argv[i], wants_gl, reason)) {
			return false;
		}
	}
	return true;
}

static bool has_display(char *const argv[]) {
	for (int i = 1; argv[i] != NULL && argv[i + 1] != NULL; i++) {
		if (argument_is_option(argv[i], "display")) {
			return true;
		}
	}
	return false;
}

/* Not -mon: QEMU 11 calls that deprecated, and what is to come instead is not in older ones. */
bool command_init(struct command *command, char *const argv[], bool wants_gl, int monitor_fd) {
	static char display_option[] = "-display", display[] = "dbus,p2p=yes",
		    gl_display[] = "dbus,p2p=yes,gl=on", chardev_option[] = "-chardev",
		    qmp_option[] = "-qmp", qmp[] = "chardev:oriel-qmp";
	int count = arguments_count(argv);
	command->argv = calloc((size_t)count + ADDED_COUNT + 1, sizeof(*command->argv));
	if (command->argv == NULL) {
		return false;
	}
	memcpy(command->argv, argv, (size_t)count * sizeof(*argv));
	if (!has_display(argv)) {
		command->argv[count++] = display_option;
		command->argv[count++] = wants_gl ? gl_display : display;
	}
	snprintf(command->chardev, sizeof(command->chardev),
			"socket,id=oriel-qmp,fd=%d,server=on,wait=off", monitor_fd);
	command->argv[count++] = chardev_option;
	command->argv[count++] = command->chardev;
	command->argv[count++] = qmp_option;
	command->argv[count++] = qmp;
	return true;
}

void command_finish(struct command *command) {
	free(command->argv);
	command->argv = NULL;
}
