#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "device.h"

#define ADDED_MAX 8

bool command_has_device(char *const argv[], const char *sysfs_name) {
	/* QEMU takes a PCI address without its domain, if that is 0. */
	static const char domain[] = "0000:";
	const char *short_name = strncmp(sysfs_name, domain, strlen(domain)) == 0
			? sysfs_name + strlen(domain)
			: sysfs_name;
	for (int i = 0; argv[i] != NULL && argv[i + 1] != NULL; i++) {
		if (argument_is_option(argv[i], "device") && strstr(argv[i + 1], "vfio-pci") != NULL &&
				strstr(argv[i + 1], short_name) != NULL) {
			return true;
		}
	}
	return false;
}

/* For free(), or NULL: the value of a QEMU option, in which a comma is written twice. */
static char *escape(const char *value) {
	char *escaped = malloc(2 * strlen(value) + 1);
	if (escaped == NULL) {
		return NULL;
	}
	char *at = escaped;
	for (; *value != '\0'; value++) {
		*at++ = *value;
		if (*value == ',') {
			*at++ = ',';
		}
	}
	*at = '\0';
	return escaped;
}

/* The command gets one more argument, which is its own. False, with nothing added, if memory ran out. */
__attribute__((format(printf, 3, 4))) static bool command_add(
		char **command, int *count, const char *format, ...) {
	va_list args;
	va_start(args, format);
	char *argument;
	bool is_added = vasprintf(&argument, format, args) >= 0;
	va_end(args);
	if (is_added) {
		command[(*count)++] = argument;
	}
	return is_added;
}

/*
 * What QEMU 11 wants: the -device needs its id, or QEMU crashes when it saves the file by that name,
 * and sysfsdev, or QEMU takes an mdev for a physical device. The ids have the device's name in them,
 * so that one machine can have several. QEMU's own display of the device is off: it would be a
 * second reader for nothing. Not -mon for the monitor: QEMU 11 calls that deprecated.
 */
char **command_add_device(char *const argv[], const struct device *device, int monitor_fd) {
	int argument_count = arguments_count(argv), count = argument_count;
	const char *name = device->node_name;
	char **command = calloc((size_t)count + ADDED_MAX + 1, sizeof(*command));
	char *sysfs_path = escape(device->sysfs_path);
	if (command == NULL || sysfs_path == NULL) {
		goto error;
	}
	memcpy(command, argv, (size_t)count * sizeof(*command));
	if (!command_add(command, &count, "-object") ||
			!command_add(command, &count, "iommufd,id=oriel-iommufd-%s,fd=%d", name,
					device->iommufd_fd) ||
			!command_add(command, &count, "-device") ||
			!command_add(command, &count,
					"vfio-pci,id=oriel-%s,iommufd=oriel-iommufd-%s,fd=%d,"
					"sysfsdev=%s,display=off",
					name, name, device->fd, sysfs_path)) {
		goto error;
	}
	if (monitor_fd >= 0 &&
			(!command_add(command, &count, "-chardev") ||
					!command_add(command, &count, "socket,id=oriel-input-%s,fd=%d",
							name, monitor_fd) ||
					!command_add(command, &count, "-qmp") ||
					!command_add(command, &count, "chardev:oriel-input-%s",
							name))) {
		goto error;
	}
	free(sysfs_path);
	return command;

error:
	free(sysfs_path);
	command_free(command, argument_count);
	return NULL;
}

void command_free(char **command, int argument_count) {
	if (command == NULL) {
		return;
	}
	for (char **argument = command + argument_count; *argument != NULL; argument++) {
		free(*argument);
	}
	free(command);
}
