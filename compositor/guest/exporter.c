#include "guest/exporter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

#define FDINFO_SIZE 1024

bool oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]) {
	char path[64], text[FDINFO_SIZE];
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
