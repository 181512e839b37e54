#include "old_kernel.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool old_kernel_is_on;

void old_kernel_play(bool on) {
	old_kernel_is_on = on;
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (old_kernel_is_on &&
			(request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE ||
					request == DMA_BUF_IOCTL_IMPORT_SYNC_FILE)) {
		errno = ENOTTY;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}
