#include "sw_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SW_SYNC_PATH "/sys/kernel/debug/sync/sw_sync"
#define BUFINFO_PATH "/sys/kernel/debug/dma_buf/bufinfo"

/* sw_sync is a debugging aid without a uapi header: drivers/dma-buf/sw_sync.c */
struct sw_sync_fence_request {
	uint32_t value;
	char name[32];
	int32_t fence_fd;
};
#define SW_SYNC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_fence_request)
#define SW_SYNC_INCREMENT _IOW('W', 1, uint32_t)

int sw_timeline_create(void) {
	int fd = open(SW_SYNC_PATH, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sw_timeline_create_fence(int timeline_fd, uint32_t value) {
	struct sw_sync_fence_request request = {
		.value = value,
		.name = "test",
	};
	if (ioctl(timeline_fd, SW_SYNC_CREATE_FENCE, &request) != 0) {
		return -errno;
	}
	return request.fence_fd;
}

int sw_timeline_signal(int timeline_fd, uint32_t count) {
	return ioctl(timeline_fd, SW_SYNC_INCREMENT, &count) != 0 ? -errno : 0;
}

static int dmabuf_import(int dmabuf_fd, int sync_file_fd, uint32_t flags) {
	struct dma_buf_import_sync_file request = {
		.flags = flags,
		.fd = sync_file_fd,
	};
	return ioctl(dmabuf_fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &request) != 0 ? -errno : 0;
}

int dmabuf_import_write(int dmabuf_fd, int sync_file_fd) {
	return dmabuf_import(dmabuf_fd, sync_file_fd, DMA_BUF_SYNC_WRITE);
}

int dmabuf_import_read(int dmabuf_fd, int sync_file_fd) {
	return dmabuf_import(dmabuf_fd, sync_file_fd, DMA_BUF_SYNC_READ);
}

/* Returns the number of pending fences in a sync_file, or -errno. */
static int sync_file_count_pending(int sync_file_fd) {
	struct sync_file_info info = { 0 };
	if (ioctl(sync_file_fd, SYNC_IOC_FILE_INFO, &info) != 0) {
		return -errno;
	}
	if (info.num_fences == 0) {
		return 0;
	}
	struct sync_fence_info *fences = calloc(info.num_fences, sizeof(*fences));
	if (fences == NULL) {
		return -ENOMEM;
	}
	info = (struct sync_file_info){
		.num_fences = info.num_fences,
		.sync_fence_info = (uintptr_t)fences,
	};
	int ret = 0;
	if (ioctl(sync_file_fd, SYNC_IOC_FILE_INFO, &info) != 0) {
		ret = -errno;
	} else {
		for (uint32_t i = 0; i < info.num_fences; i++) {
			ret += fences[i].status == 0;
		}
	}
	free(fences);
	return ret;
}

static int dmabuf_count_snapshot(int dmabuf_fd, uint32_t flags) {
	struct dma_buf_export_sync_file request = {
		.flags = flags,
		.fd = -1,
	};
	if (ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) != 0) {
		return -errno;
	}
	int ret = sync_file_count_pending(request.fd);
	close(request.fd);
	return ret;
}

int dmabuf_count_pending(int dmabuf_fd, int *ret_writers, int *ret_readers) {
	int writers = dmabuf_count_snapshot(dmabuf_fd, DMA_BUF_SYNC_READ);
	if (writers < 0) {
		return writers;
	}
	int all = dmabuf_count_snapshot(dmabuf_fd, DMA_BUF_SYNC_WRITE);
	if (all < 0) {
		return all;
	}
	*ret_writers = writers;
	*ret_readers = all - writers;
	return 0;
}

/*
 * A buffer in bufinfo (dma_buf_debug_show(), dma_resv_describe(), dma_fence_describe()):
 *
 *	size	flags	mode	count	exporter	inode	name
 *		write fence:CONTEXT:SEQNO TIMELINE DRIVER unsignalled
 *		read fence:CONTEXT:SEQNO   signalled
 *		Attached Devices:
 */
static bool parse_inode(const char *line, uint64_t *ret_inode) {
	unsigned long long inode;
	if (line[0] < '0' || line[0] > '9' || sscanf(line, "%*u %*x %*x %*d %*s %llu", &inode) != 1) {
		return false;
	}
	*ret_inode = inode;
	return true;
}

/* Cuts the line at the names. */
static bool parse_fence(char *line, struct dmabuf_fence *fence) {
	static const char *const usages[] = {
		[DMABUF_USAGE_KERNEL] = "kernel",
		[DMABUF_USAGE_WRITE] = "write",
		[DMABUF_USAGE_READ] = "read",
	};
	char usage[16];
	unsigned long long context, seqno;
	int end = -1;
	if (sscanf(line, "\t%15s fence:%llu:%llu%n", usage, &context, &seqno, &end) != 3) {
		return false;
	}
	*fence = (struct dmabuf_fence){
		.context = context,
		.seqno = seqno,
	};
	size_t i;
	for (i = 0; i < sizeof(usages) / sizeof(usages[0]); i++) {
		if (strcmp(usage, usages[i]) == 0) {
			break;
		}
	}
	if (i == sizeof(usages) / sizeof(usages[0])) {
		return false;
	}
	fence->usage = (enum dmabuf_usage)i;
	/* A thread's name, and so a timeline's, may have blanks: the driver is the last but one. */
	char *rest = line + end + strspn(line + end, " ");
	char *state = strrchr(rest, ' ');
	if (state == NULL) {
		fence->signalled = true;
		return true;
	}
	*state = '\0';
	char *driver = strrchr(rest, ' ');
	if (driver != NULL) {
		*driver++ = '\0';
		snprintf(fence->driver, sizeof(fence->driver), "%s", driver);
	}
	snprintf(fence->timeline, sizeof(fence->timeline), "%s", rest);
	return true;
}

int dmabuf_list_fences(int dmabuf_fd, struct dmabuf_fence *fences, size_t capacity) {
	struct stat st;
	if (fstat(dmabuf_fd, &st) != 0) {
		return -errno;
	}
	FILE *file = fopen(BUFINFO_PATH, "re");
	if (file == NULL) {
		return -errno;
	}
	char *line = NULL;
	size_t line_size = 0;
	int count = -ENOENT;
	while (getline(&line, &line_size, file) >= 0) {
		uint64_t inode;
		struct dmabuf_fence fence;
		if (parse_inode(line, &inode)) {
			if (count >= 0) {
				break;
			}
			if (inode == st.st_ino) {
				count = 0;
			}
		} else if (count >= 0 && parse_fence(line, &fence)) {
			if ((size_t)count < capacity) {
				fences[count] = fence;
			}
			count++;
		}
	}
	free(line);
	fclose(file);
	return count;
}
