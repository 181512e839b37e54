#include <syncbridge/dmabuf.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <unistd.h>

#include "syscall.h"
#include "trace.h"

int sb_dmabuf_export_sync_file(int dmabuf_fd, enum sb_access access, int *ret_sync_file_fd) {
	struct dma_buf_export_sync_file data = { .fd = -1 };
	switch (access) {
	case SB_ACCESS_READ:
		data.flags = DMA_BUF_SYNC_READ;
		break;
	case SB_ACCESS_WRITE:
		data.flags = DMA_BUF_SYNC_WRITE;
		break;
	default:
		return -EINVAL;
	}

	int ret = sb_sys_ioctl_restart(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data);
	sb_trace_dmabuf(SB_TRACE_EXPORT, dmabuf_fd, access, data.fd, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_sync_file_fd = data.fd;
	return 0;
}

int sb_dmabuf_import_sync_file(int dmabuf_fd, enum sb_access access, int sync_file_fd) {
	struct dma_buf_import_sync_file data = { .fd = sync_file_fd };
	switch (access) {
	case SB_ACCESS_READ:
		data.flags = DMA_BUF_SYNC_READ;
		break;
	case SB_ACCESS_WRITE:
		data.flags = DMA_BUF_SYNC_WRITE;
		break;
	default:
		return -EINVAL;
	}

	int ret = sb_sys_ioctl_restart(dmabuf_fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data);
	sb_trace_dmabuf(SB_TRACE_IMPORT, dmabuf_fd, access, sync_file_fd, ret);
	return ret < 0 ? ret : 0;
}

static int dmabuf_get_cpu_flags(enum sb_access access, uint64_t *ret_flags) {
	switch (access) {
	case SB_ACCESS_READ:
		*ret_flags = DMA_BUF_SYNC_READ;
		return 0;
	case SB_ACCESS_WRITE:
		/*
		 * WRITE alone is DMA_TO_DEVICE in the kernel. That does not drop stale cache lines at
		 * the start, and flushing a partly written one at the end would put back its old rest.
		 */
		*ret_flags = DMA_BUF_SYNC_RW;
		return 0;
	}
	return -EINVAL;
}

int sb_dmabuf_begin_cpu_access(int dmabuf_fd, enum sb_access access) {
	uint64_t flags;
	int ret = dmabuf_get_cpu_flags(access, &flags);
	if (ret < 0) {
		return ret;
	}
	const struct sb_trace_target target = {
		.sync_file_fd = -1,
		.dmabuf_fd = dmabuf_fd,
		.access = access,
	};
	sb_trace_target(SB_TRACE_WAIT_BEGIN, &target, 0);
	struct dma_buf_sync data = { .flags = flags | DMA_BUF_SYNC_START };
	do {
		ret = sb_sys_ioctl(dmabuf_fd, DMA_BUF_IOCTL_SYNC, &data);
		/* It may wait for ever, and only a signal gets its caller out again: not for EINTR. */
	} while (ret == -EAGAIN);
	sb_trace_target(SB_TRACE_WAIT_END, &target, ret);
	return ret < 0 ? ret : 0;
}

int sb_dmabuf_end_cpu_access(int dmabuf_fd, enum sb_access access) {
	uint64_t flags;
	int ret = dmabuf_get_cpu_flags(access, &flags);
	if (ret < 0) {
		return ret;
	}
	struct dma_buf_sync data = { .flags = flags | DMA_BUF_SYNC_END };
	ret = sb_sys_ioctl_restart(dmabuf_fd, DMA_BUF_IOCTL_SYNC, &data);
	return ret < 0 ? ret : 0;
}

int sb_dmabuf_get_size(int dmabuf_fd, uint64_t *ret_size_bytes) {
	off_t offset = sb_sys_lseek(dmabuf_fd, 0, SEEK_CUR);
	if (offset == -EINVAL) {
		/* A dma-buf: it has no offset, and seeks to its end and its start only. */
		offset = 0;
	}
	if (offset < 0) {
		return (int)offset;
	}
	off_t size = sb_sys_lseek(dmabuf_fd, 0, SEEK_END);
	if (size < 0) {
		return (int)size;
	}
	offset = sb_sys_lseek(dmabuf_fd, offset, SEEK_SET);
	if (offset < 0) {
		return (int)offset;
	}
	*ret_size_bytes = (uint64_t)size;
	return 0;
}
