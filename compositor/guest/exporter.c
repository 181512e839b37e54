#include "guest/exporter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

#define FDINFO_SIZE 1024

/*
 * Asked before fdinfo, which takes locks for some files that whoever they are from may hold for long: an
 * epoll's while a FUSE file is added to it.
 */
static bool is_dmabuf(int fd) {
	static const char dmabuf[] = "/dmabuf:";
	char path[64], target[sizeof(dmabuf)];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t size = readlink(path, target, sizeof(target));
	return size >= (ssize_t)strlen(dmabuf) && memcmp(target, dmabuf, strlen(dmabuf)) == 0;
}

bool oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]) {
	char path[64], text[FDINFO_SIZE];
	if (!is_dmabuf(fd)) {
		return false;
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int info_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (info_fd < 0) {
		return false;
	}
	ssize_t size = read(info_fd, text, sizeof(text) - 1);
	sb_fd_clear(&info_fd);
	if (size <= 0) {
		return false;
	}
	text[size] = '\0';
	static const char key[] = "\nexp_name:\t";
	const char *name = strstr(text, key);
	if (name == NULL) {
		return false;
	}
	name += strlen(key);
	snprintf(ret_name, ORIEL_EXPORTER_NAME_SIZE, "%.*s", (int)strcspn(name, "\n"), name);
	return true;
}
