#include "syscall.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

int sb_sys_ioctl(int fd, unsigned long request, void *arg) {
	int ret = ioctl(fd, request, arg);
	return ret < 0 ? -errno : ret;
}

int sb_sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
	int ret = ppoll(fds, count, timeout, NULL);
	return ret < 0 ? -errno : ret;
}

off_t sb_sys_lseek(int fd, off_t offset, int whence) {
	off_t ret = lseek(fd, offset, whence);
	return ret < 0 ? -errno : ret;
}

int sb_sys_now(struct timespec *ret_now) {
	return clock_gettime(CLOCK_MONOTONIC, ret_now) < 0 ? -errno : 0;
}

void *sb_sys_calloc(size_t count, size_t size) {
	return calloc(count, size);
}
