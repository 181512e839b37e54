#ifndef SYNCBRIDGE_FD_H
#define SYNCBRIDGE_FD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * Owning fds. A variable that owns an fd is -1 while it owns none, and changes through these only,
 * so that an fd is closed once and never after its number has gone to somebody else. Not installed.
 */

/* Closes *fd if there is one, and makes it -1. Keeps errno, so that it can stand on error paths. */
static inline void sb_fd_clear(int *fd) {
	if (*fd < 0) {
		return;
	}
	int saved_errno = errno;
	/* Linux has freed the number whatever close() returns: trying again would close another's. */
	close(*fd);
	*fd = -1;
	errno = saved_errno;
}

/*
 * Closes *fd if there is one, and puts take_fd (or -1) there. Replacing an fd by itself leaves it
 * open. Keeps errno.
 */
static inline void sb_fd_replace(int *fd, int take_fd) {
	if (*fd == take_fd) {
		return;
	}
	sb_fd_clear(fd);
	*fd = take_fd;
}

/* Returns *fd, which the caller now owns, and makes it -1. */
static inline int sb_fd_move(int *fd) {
	int moved_fd = *fd;
	*fd = -1;
	return moved_fd;
}

/* Returns a new CLOEXEC fd for the same file, or -errno: -EBADF, or -EMFILE at the limit. */
static inline int sb_fd_dup(int fd) {
	int new_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return new_fd < 0 ? -errno : new_fd;
}

#endif
