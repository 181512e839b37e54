#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "device.h"

#define ADDED_COUNT 4

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

/*
 * What QEMU 11 wants: the -device needs its id, or QEMU crashes when it saves the file by that name,
 * and sysfsdev, or QEMU takes an mdev for a physical device. The ids have the device's name in them,
 * so that one machine can have several. QEMU's own display of the device is off: it would be a
 * second reader for nothing.
 */
char **command_add_device(char *const argv[], const struct device *device) {
	int count = arguments_count(argv);
	char **command = calloc((size_t)count + ADDED_COUNT + 1, sizeof(*command));
	char *sysfs_path = escape(device->sysfs_path);
	char *object = NULL, *vfio_pci = NULL;
	if (command == NULL || sysfs_path == NULL) {
		goto error;
	}
	if (asprintf(&object, "iommufd,id=oriel-iommufd-%s,fd=%d", device->node_name,
			    device->iommufd_fd) < 0) {
		object = NULL;
		goto error;
	}
	if (asprintf(&vfio_pci,
			    "vfio-pci,id=oriel-%s,iommufd=oriel-iommufd-%s,fd=%d,sysfsdev=%s,"
			    "display=off",
			    device->node_name, device->node_name, device->fd, sysfs_path) < 0) {
		vfio_pci = NULL;
		goto error;
	}
	free(sysfs_path);
	memcpy(command, argv, (size_t)count * sizeof(*command));
	command[count] = "-object";
	command[count + 1] = object;
	command[count + 2] = "-device";
	command[count + 3] = vfio_pci;
	return command;

error:
	free(object);
	free(sysfs_path);
	free(command);
	return NULL;
}

void command_free(char **command, int argument_count) {
	if (command == NULL) {
		return;
	}
	free(command[argument_count + 1]);
	free(command[argument_count + 3]);
	free(command);
}
