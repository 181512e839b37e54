#include "fence_spy.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/dma-buf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <syncbridge/sync_file.h>

#include "fd.h"

#define WATCHED_MAX 16

static struct {
	ino_t watched[WATCHED_MAX];
	size_t watched_count;
	struct fence_spy_counts counts;
	bool ignore;
	void (*cpu_access_hook)(void *data); /* may be NULL */
	void *cpu_access_data;
	int import_error;
	int delay_fd;
	unsigned int delayed;
} spy = { .delay_fd = -1 };

void fence_spy_reset(void) {
	memset(&spy, 0, sizeof(spy));
	spy.delay_fd = -1;
}

void fence_spy_watch(int dmabuf_fd) {
	struct stat status;
	assert(spy.watched_count < WATCHED_MAX);
	if (fstat(dmabuf_fd, &status) == 0) {
		spy.watched[spy.watched_count++] = status.st_ino;
	}
}

struct fence_spy_counts fence_spy_count(void) {
	return spy.counts;
}

void fence_spy_ignore(bool ignore) {
	spy.ignore = ignore;
}

void fence_spy_on_cpu_access(void (*hook)(void *data), void *data) {
	spy.cpu_access_hook = hook;
	spy.cpu_access_data = data;
}

void fence_spy_fail_imports(int error) {
	spy.import_error = error;
}

void fence_spy_delay_render(int sync_file_fd) {
	spy.delay_fd = sync_file_fd;
}

unsigned int fence_spy_count_delayed(void) {
	return spy.delayed;
}

static void spy_begin_cpu_access(void) {
	spy.counts.cpu_begins++;
	void (*hook)(void *data) = spy.cpu_access_hook;
	if (hook != NULL) {
		spy.cpu_access_hook = NULL;
		hook(spy.cpu_access_data);
	}
}

static bool spy_watches(int fd) {
	struct stat status;
	if (spy.ignore || spy.watched_count == 0 || fstat(fd, &status) != 0) {
		return false;
	}
	for (size_t i = 0; i < spy.watched_count; i++) {
		if (spy.watched[i] == status.st_ino) {
			return true;
		}
	}
	return false;
}

static bool is_library(const void *code) {
	static const char self;
	Dl_info info, self_info;
	return dladdr(code, &info) != 0 && dladdr(&self, &self_info) != 0 &&
			info.dli_fbase != self_info.dli_fbase;
}

/* False if the call is to fail with errno. */
static bool spy_count(unsigned long request, const void *arg, const void *caller) {
	struct fence_spy_counts *counts = &spy.counts;
	switch (request) {
	case DMA_BUF_IOCTL_IMPORT_SYNC_FILE: {
		const struct dma_buf_import_sync_file *import = arg;
		if (import->flags & DMA_BUF_SYNC_WRITE) {
			counts->write_imports++;
		} else {
			counts->read_imports++;
		}
		errno = spy.import_error;
		return spy.import_error == 0;
	}
	case DMA_BUF_IOCTL_EXPORT_SYNC_FILE: {
		const struct dma_buf_export_sync_file *export = arg;
		if (export->flags & DMA_BUF_SYNC_WRITE) {
			counts->write_exports++;
		} else {
			counts->read_exports++;
		}
		counts->library_exports += is_library(caller);
		return true;
	}
	case DMA_BUF_IOCTL_SYNC: {
		const struct dma_buf_sync *sync = arg;
		if (sync->flags & DMA_BUF_SYNC_END) {
			counts->cpu_ends++;
		} else {
			spy_begin_cpu_access();
		}
		return true;
	}
	}
	return true;
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) == DMA_BUF_BASE && spy_watches(fd) &&
			!spy_count(request, arg, __builtin_return_address(0))) {
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* The slow GPU. take_fd is what the driver has handed out, or negative. */
static int delay_fence(int take_fd) {
	if (take_fd < 0 || spy.delay_fd < 0) {
		return take_fd;
	}
	int delayed_fd;
	int err = sb_sync_file_merge("delayed", take_fd, spy.delay_fd, &delayed_fd);
	sb_fd_clear(&take_fd);
	if (err != 0) {
		return -1;
	}
	spy.delayed++;
	return delayed_fd;
}

/*
 * EGL's and Vulkan's functions by what their arguments are, which spares a test that only passes
 * them on their headers: handles are pointers, results are int.
 */
typedef void (*any_proc)(void);

static any_proc find_next(const char *name) {
	any_proc proc;
	*(void **)&proc = dlsym(RTLD_NEXT, name);
	return proc;
}

static int (*real_dup_native_fence)(void *display, void *sync);

static int spy_dup_native_fence(void *display, void *sync) {
	return delay_fence(real_dup_native_fence(display, sync));
}

any_proc eglGetProcAddress(const char *name);

__attribute__((visibility("default"))) any_proc eglGetProcAddress(const char *name) {
	any_proc (*real)(const char *name) =
			(any_proc (*)(const char *name))find_next("eglGetProcAddress");
	any_proc proc = real != NULL ? real(name) : NULL;
	if (proc != NULL && strcmp(name, "eglDupNativeFenceFDANDROID") == 0) {
		real_dup_native_fence = (int (*)(void *display, void *sync))proc;
		return (any_proc)spy_dup_native_fence;
	}
	return proc;
}

static int (*real_get_semaphore_fd)(void *device, const void *info, int *fd);

static int spy_get_semaphore_fd(void *device, const void *info, int *fd) {
	int result = real_get_semaphore_fd(device, info, fd);
	if (result == 0) {
		*fd = delay_fence(*fd);
	}
	return result;
}

any_proc vkGetDeviceProcAddr(void *device, const char *name);

__attribute__((visibility("default"))) any_proc vkGetDeviceProcAddr(void *device, const char *name) {
	any_proc (*real)(void *device, const char *name) = (any_proc (*)(
			void *device, const char *name))find_next("vkGetDeviceProcAddr");
	any_proc proc = real != NULL ? real(device, name) : NULL;
	if (proc != NULL && strcmp(name, "vkGetSemaphoreFdKHR") == 0) {
		real_get_semaphore_fd = (int (*)(void *device, const void *info, int *fd))proc;
		return (any_proc)spy_get_semaphore_fd;
	}
	return proc;
}
