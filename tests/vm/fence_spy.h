#ifndef ORIEL_TESTS_FENCE_SPY_H
#define ORIEL_TESTS_FENCE_SPY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Sees what anybody in this process, libraries included, asks the kernel to do with the fences of
 * some dma-bufs, and makes the GPU slow.
 *
 * It stands in for ioctl(), eglGetProcAddress() and vkGetDeviceProcAddr() of the whole process: a
 * program's own functions come before those of shared libraries, also when the libraries call
 * them. Everything is passed on to the real ones.
 *
 * The GPU of the test VM is the CPU, and its fences have signalled when they can be had: from them
 * alone it could not be told a fence that was put into a buffer from one that was not. So the fence
 * that the driver hands out for what was rendered is merged with another one, which the test
 * signals when it likes. The kernel, wlroots and oriel go on with a fence that is really pending.
 */

/* Forgets all dma-bufs, counts and wishes. */
void fence_spy_reset(void);

/* Begins to count for a dma-buf, whichever file it is reached by. Borrowed. */
void fence_spy_watch(int dmabuf_fd);

struct fence_spy_counts {
	unsigned int read_imports, write_imports; /* DMA_BUF_IOCTL_IMPORT_SYNC_FILE */
	unsigned int read_exports, write_exports; /* DMA_BUF_IOCTL_EXPORT_SYNC_FILE */
	unsigned int library_exports; /* those that came through libdrm: not from oriel */
	unsigned int cpu_begins, cpu_ends; /* DMA_BUF_IOCTL_SYNC */
};
struct fence_spy_counts fence_spy_count(void);

/* While true, nothing is counted: what comes is the test's own. */
void fence_spy_ignore(bool ignore);

/* Calls hook once, when the next CPU access of such a dma-buf begins, before the kernel does. */
void fence_spy_on_cpu_access(void (*hook)(void *data), void *data);

/* The next imports fail with that errno; 0 lets them through again. */
void fence_spy_fail_imports(int error);

/*
 * From now on the renderer's fences signal not before this one, a sync_file, which is borrowed
 * until the next call; -1 leaves them alone again.
 */
void fence_spy_delay_render(int sync_file_fd);
/* How many fences have been delayed. */
unsigned int fence_spy_count_delayed(void);

#endif
