/* The Linux guest of linux.h: /init of its only file system, and the only process. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux_heads.h"
#include "linux_inputs.h"
#include "linux_say.h"

static FILE *port; /* for what is said; NULL to begin with */

void say(const char *format, ...) {
	FILE *stream = port != NULL ? port : stderr;
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stream, format, arguments);
	va_end(arguments);
	fputc('\n', stream);
	fflush(stream);
}

void give_up(const char *what) {
	int error = errno;
	say("failed: %s: %s", what, strerror(error));
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* Where the kernel says that something was plugged in or out, or has changed. */
static int open_uevents(void) {
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		give_up("cannot listen to the kernel");
	}
	return fd;
}

static void handle_uevents(int fd) {
	char text[4096];
	bool is_display = false;
	ssize_t length;
	while ((length = recv(fd, text, sizeof(text), 0)) > 0) {
		is_display = is_display || memmem(text, (size_t)length, "/drm/card", 9) != NULL;
	}
	if (is_display) {
		heads_look(false);
	}
}

static bool carry_out(const char *line) {
	unsigned n, count;
	int x, y, a, b;
	if (sscanf(line, "paint %u %u", &n, &count) == 2) {
		return heads_paint(n, count);
	} else if (sscanf(line, "box %u %d %d %d %d %x", &n, &x, &y, &a, &b, &count) == 6) {
		return heads_paint_box(n, x, y, a, b, count);
	} else if (sscanf(line, "flip %u %u", &n, &count) == 2) {
		return heads_flip(n, count);
	} else if (sscanf(line, "cursor %u %d %d %d %d %x", &n, &x, &y, &a, &b, &count) == 6) {
		return heads_show_cursor(n, x, y, a, b, count);
	} else if (sscanf(line, "move %u %d %d", &n, &x, &y) == 3) {
		return heads_move_cursor(n, x, y);
	} else if (sscanf(line, "hide %u", &n) == 1) {
		return heads_hide_cursor(n);
	} else if (sscanf(line, "led %d %d", &x, &y) == 2) {
		return inputs_set_led(x, y != 0);
	} else if (sscanf(line, "mode %u %dx%d", &n, &x, &y) == 3) {
		return heads_set_mode(n, x, y);
	}
	return false;
}

static void handle_commands(int fd) {
	static char text[4096];
	static size_t length;
	ssize_t count = read(fd, &text[length], sizeof(text) - 1 - length);
	if (count == 0) {
		errno = EPIPE;
	}
	if (count <= 0) {
		give_up("the test's port");
	}
	length += (size_t)count;
	text[length] = '\0';
	for (char *end; (end = strchr(text, '\n')) != NULL;) {
		*end = '\0';
		if (carry_out(text)) {
			say("done");
		} else {
			say("failed: %s", text);
		}
		length -= (size_t)(end + 1 - text);
		memmove(text, end + 1, length + 1);
	}
}

/* The only port there will be. The kernel makes it in its own time. */
static int open_port(int uevents_fd) {
	glob_t found;
	while (glob("/dev/vport*", 0, NULL, &found) != 0) {
		struct pollfd pollfd = { .fd = uevents_fd, .events = POLLIN };
		poll(&pollfd, 1, -1);
		handle_uevents(uevents_fd);
	}
	int fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
	port = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (port == NULL) {
		give_up(found.gl_pathv[0]);
	}
	globfree(&found);
	return fd;
}

int main(void) {
	int uevents_fd = open_uevents();
	int port_fd = open_port(uevents_fd);
	int card_fd = heads_open();
	inputs_open();
	heads_look(true);
	say("ready");
	while (true) {
		struct pollfd fds[3 + INPUTS_MAX] = {
			{ .fd = port_fd, .events = POLLIN },
			{ .fd = uevents_fd, .events = POLLIN },
			{ .fd = card_fd, .events = POLLIN },
		};
		int count = 3 + inputs_fill(&fds[3]);
		if (poll(fds, (nfds_t)count, -1) < 0) {
			give_up("poll");
		}
		inputs_handle(&fds[3]);
		if (fds[1].revents != 0) {
			handle_uevents(uevents_fd);
		}
		if (fds[2].revents != 0) {
			heads_handle_events();
		}
		if (fds[0].revents != 0) {
			handle_commands(port_fd);
		}
	}
}
