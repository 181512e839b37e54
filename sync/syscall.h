#ifndef SYNCBRIDGE_SYSCALL_H
#define SYNCBRIDGE_SYSCALL_H

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/*
 * All that the library asks of the system goes through these few functions, except for closing fds.
 * The unit tests link the library's own objects with another definition of them, which plays the
 * kernel and can make any call fail.
 *
 * They return what the system call returns, or -errno: nobody above reads errno.
 */
int sb_sys_ioctl(int fd, unsigned long request, void *arg);
int sb_sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout);
off_t sb_sys_lseek(int fd, off_t offset, int whence);
/* CLOCK_MONOTONIC. */
int sb_sys_now(struct timespec *ret_now);
int sb_sys_fstat(int fd, struct stat *ret_stat);
/* A CLOEXEC fd of the same file. */
int sb_sys_dup(int fd);
/* CLOEXEC and non-blocking, counting from 0. */
int sb_sys_eventfd(void);
/* Zeroed memory to be freed with free(), or NULL. */
void *sb_sys_calloc(size_t count, size_t size);
/* As realloc() of count times size; NULL, and memory as it was, if that is too much. */
void *sb_sys_realloc(void *memory, size_t count, size_t size);

/*
 * An ioctl that a signal does not end. DMA_BUF_IOCTL_SYNC is documented to return EINTR and EAGAIN
 * for no other reason than to be called again; DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT returns EINTR, and
 * has a time as its timeout; the others never return them.
 */
static inline int sb_sys_ioctl_restart(int fd, unsigned long request, void *arg) {
	int ret;
	do {
		ret = sb_sys_ioctl(fd, request, arg);
	} while (ret == -EINTR || ret == -EAGAIN);
	return ret;
}

#endif
