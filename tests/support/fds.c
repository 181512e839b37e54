#include "fds.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>

int fds_count_open(void) {
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		return -1;
	}
	int count = 0;
	errno = 0;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] != '.') {
			count++;
		}
	}
	int error = errno;
	closedir(dir);
	/* The directory was listed itself. */
	return error == 0 ? count - 1 : -1;
}
