#ifndef ORIEL_VFIO_COMMAND_H
#define ORIEL_VFIO_COMMAND_H

#include <stdbool.h>

struct device;

/*
 * The command line of QEMU, as far as it matters here. argv ends with NULL. Pure functions, but for
 * memory.
 */

/* True if the command already has a -device vfio-pci that is this device, by its name in sysfs. */
bool command_has_device(char *const argv[], const char *sysfs_name);

/*
 * The command with the device's two files added, -object iommufd and -device vfio-pci, and a QMP monitor
 * on monitor_fd, a connected socket (-1: none). The strings of argv are borrowed. NULL if memory ran
 * out; else for command_free().
 */
char **command_add_device(char *const argv[], const struct device *device, int monitor_fd);

/* Frees what command_add_device() made of a command of that many arguments. */
void command_free(char **command, int argument_count);

#endif
