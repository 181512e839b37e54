#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "say.h"

/* QEMU talks to one, and the next may be there before it has heard that that one is gone. */
#define BACKLOG 2

/* False with errno set. address is that of a socket in a folder of its own, which is for this user. */
static bool make_place(struct sockaddr_un *address) {
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char template[sizeof(address->sun_path)];
	int length = snprintf(template, sizeof(template), "%s/oriel-qemu-XXXXXX",
			dir != NULL && dir[0] == '/' ? dir : "/tmp");
	if (length >= (int)(sizeof(template) - strlen("/qmp"))) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (mkdtemp(template) == NULL) {
		return false;
	}
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, template, (size_t)length);
	strcpy(&address->sun_path[length], "/qmp");
	return true;
}

static void remove_place(struct sockaddr_un *address) {
	unlink(address->sun_path);
	*strrchr(address->sun_path, '/') = '\0';
	rmdir(address->sun_path);
}

/* The name goes as soon as there is a file that stands for it. */
bool monitor_open(struct monitor *monitor) {
	*monitor = (struct monitor){ .listen_fd = -1, .path_fd = -1 };
	struct sockaddr_un address;
	if (!make_place(&address)) {
		say("no place for a socket in XDG_RUNTIME_DIR: %s", strerror(errno));
		return false;
	}
	bool is_open = false;
	monitor->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (monitor->listen_fd >= 0 &&
			bind(monitor->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
			listen(monitor->listen_fd, BACKLOG) == 0) {
		monitor->path_fd = open(address.sun_path, O_PATH | O_CLOEXEC);
		is_open = monitor->path_fd >= 0;
	}
	int error = errno;
	remove_place(&address);
	if (!is_open) {
		say("no socket for QEMU's monitor: %s", strerror(error));
		monitor_close(monitor);
	}
	return is_open;
}

void monitor_close(struct monitor *monitor) {
	sb_fd_clear(&monitor->listen_fd);
	sb_fd_clear(&monitor->path_fd);
}

int monitor_connect(const struct monitor *monitor) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* unix(7) follows a path to its inode, whether that has a name or not. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", monitor->path_fd);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		sb_fd_clear(&fd);
	}
	return fd;
}
