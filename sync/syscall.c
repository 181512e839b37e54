#include "syscall.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
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

int sb_sys_fstat(int fd, struct stat *ret_stat) {
	return fstat(fd, ret_stat) < 0 ? -errno : 0;
}

int sb_sys_dup(int fd) {
	int ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return ret < 0 ? -errno : ret;
}

int sb_sys_eventfd(void) {
	int ret = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return ret < 0 ? -errno : ret;
}

void *sb_sys_calloc(size_t count, size_t size) {
	return calloc(count, size);
}

void *sb_sys_realloc(void *memory, size_t count, size_t size) {
	return reallocarray(memory, count, size);
}
