#ifndef ORIEL_GUEST_EXPORTER_H
#define ORIEL_GUEST_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>

#define ORIEL_EXPORTER_NAME_SIZE 32

/*
 * The name of the driver that a dma-buf comes from, cut short if need be. False if fd is no dma-buf, or
 * that cannot be found out. Asks the kernel alone: a file of any kind may be asked for, and nobody who
 * serves it can make that wait.
 *
 * Source: dma_buf_show_fdinfo(), Linux 4.17 and later.
 */
bool oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]);

#endif
