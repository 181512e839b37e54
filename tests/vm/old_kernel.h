#ifndef ORIEL_TESTS_OLD_KERNEL_H
#define ORIEL_TESTS_OLD_KERNEL_H

#include <stdbool.h>

/*
 * Plays a kernel before 6.0: while on, DMA_BUF_IOCTL_EXPORT_SYNC_FILE and ..._IMPORT_SYNC_FILE are
 * answered with ENOTTY. Everything else, and everything while off, is the real kernel's.
 *
 * It stands in for ioctl() of the whole process, the test's own calls included.
 */
void old_kernel_play(bool on);

#endif
