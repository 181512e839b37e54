#include <syncbridge/sync_file.h>

#include <assert.h>
#include <errno.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "syscall.h"
#include "trace.h"
#include "wait.h"

/* A frame's fences are one per writer of one buffer: more than this many are rare. */
#define SYNC_FILE_FENCES_ON_STACK 16

int sb_sync_file_merge(const char *name, int a_fd, int b_fd, int *ret_fd) {
	struct sync_merge_data data = { .fd2 = b_fd, .fence = -1 };
	if (name != NULL) {
		/* data is zeroed: the last byte stays so. */
		memcpy(data.name, name, strnlen(name, sizeof(data.name) - 1));
	}

	int ret = sb_sys_ioctl_restart(a_fd, SYNC_IOC_MERGE, &data);
	sb_trace_merge(a_fd, b_fd, data.fence, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_fd = data.fence;
	return 0;
}

int sb_sync_file_accumulate(int *fd, int take_fd) {
	if (take_fd < 0) {
		return -EBADF;
	}
	assert(take_fd != *fd);

	if (*fd < 0) {
		*fd = take_fd;
		return 0;
	}
	int merged_fd;
	int ret = sb_sync_file_merge(NULL, *fd, take_fd, &merged_fd);
	sb_fd_clear(&take_fd);
	if (ret < 0) {
		return ret;
	}
	sb_fd_replace(fd, merged_fd);
	return 0;
}

/*
 * Sums up single fences. The kernel's own sum cannot be used: with an error before a pending fence
 * it gives the error.
 */
static void sync_file_sum_up(const struct sync_fence_info *fences, uint32_t count, int *ret_status,
		uint64_t *ret_signalled_ns) {
	int status = 1;
	uint64_t signalled_ns = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (fences[i].status == 0) {
			*ret_status = 0;
			*ret_signalled_ns = 0;
			return;
		}
		if (fences[i].status < 0 && status > 0) {
			status = fences[i].status;
		}
		if (fences[i].timestamp_ns > signalled_ns) {
			signalled_ns = fences[i].timestamp_ns;
		}
	}
	*ret_status = status;
	*ret_signalled_ns = signalled_ns;
}

int sb_sync_file_get_info(int fd, struct sb_sync_file_info *ret_info) {
	/* The first call tells how many there are; the number of a sync_file never grows. */
	struct sync_file_info data = { 0 };
	int ret = sb_sys_ioctl_restart(fd, SYNC_IOC_FILE_INFO, &data);
	if (ret < 0) {
		return ret;
	}

	struct sync_fence_info on_stack[SYNC_FILE_FENCES_ON_STACK] = { 0 };
	struct sync_fence_info *fences = on_stack;
	struct sync_fence_info *allocated = NULL;
	struct sb_sync_file_info info = { .status = data.status };
	if (data.num_fences > 0) {
		if (data.num_fences > SYNC_FILE_FENCES_ON_STACK) {
			allocated = sb_sys_calloc(data.num_fences, sizeof(*allocated));
			if (allocated == NULL) {
				return -ENOMEM;
			}
			fences = allocated;
		}
		data.sync_fence_info = (uintptr_t)fences;
		ret = sb_sys_ioctl_restart(fd, SYNC_IOC_FILE_INFO, &data);
		if (ret < 0) {
			goto free_allocated;
		}
	}

	/* Should a sync_file be empty, the first call's status is all there is. */
	if (data.num_fences > 0) {
		sync_file_sum_up(fences, data.num_fences, &info.status, &info.signalled_ns);
	}
	info.fence_count = data.num_fences;
	static_assert(sizeof(info.name) == sizeof(data.name), "the kernel's names fit");
	memcpy(info.name, data.name, sizeof(info.name) - 1);
	*ret_info = info;
	ret = 0;

free_allocated:
	free(allocated);
	return ret;
}

int sb_sync_file_wait(int fd, int64_t timeout_ns) {
	const struct sb_trace_target target = { .sync_file_fd = fd, .dmabuf_fd = -1 };
	sb_trace_target(SB_TRACE_WAIT_BEGIN, &target, 0);
	int64_t deadline_ns;
	int ret = sb_wait_get_deadline(timeout_ns, &deadline_ns);
	if (ret == 0) {
		ret = sb_wait_fd(fd, POLLIN, deadline_ns);
	}
	sb_trace_target(SB_TRACE_WAIT_END, &target, ret);
	return ret;
}
