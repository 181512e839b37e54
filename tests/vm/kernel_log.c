#include "kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int kernel_log_open(void) {
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (lseek(fd, 0, SEEK_END) < 0) {
		int error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

static bool is_fault(const char *line) {
	static const char *const words[] = {
		"WARNING:",
		"BUG:",
		"Oops",
		"general protection fault",
		"UBSAN:",
		"INFO: task",
		"INFO: possible",
		"INFO: trying to register non-static key",
		"INFO: rcu",
		"refcount_t:",
		"list_add corruption",
		"list_del corruption",
		"sleeping function called",
		"bad unlock balance",
		"unreferenced object",
		"kmemleak: ",
		"released with pending signals",
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(line, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

int kernel_log_count_faults(int log_fd) {
	char record[8192]; /* the kernel's CONSOLE_EXT_LOG_MAX, and it gives whole records only */
	int faults = 0;
	for (;;) {
		ssize_t length = read(log_fd, record, sizeof(record) - 1);
		if (length < 0 && errno == EAGAIN) {
			return faults;
		}
		if (length < 0 && (errno == EPIPE || errno == EINTR)) {
			continue; /* EPIPE: records were overwritten before they were read */
		}
		if (length < 0) {
			return -errno;
		}
		record[length] = '\0';
		/* "level,number,time,flags;text\n", then lines of a dictionary */
		char *text = strchr(record, ';');
		text = text != NULL ? text + 1 : record;
		text[strcspn(text, "\n")] = '\0';
		if (is_fault(text)) {
			printf("# kernel: %s\n", text);
			faults++;
		}
	}
}
