#include "bridge/acquire.h"

#include <errno.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/sync_file.h>

#include "fd.h"
#include "guest/buffer.h"

enum oriel_acquire oriel_acquire_take(struct oriel_guest_buffer *buffer, int *ret_fd) {
	int dmabuf_fd = oriel_guest_buffer_get_dmabuf_fd(buffer);
	if (dmabuf_fd < 0) {
		return ORIEL_ACQUIRE_READY;
	}

	int sync_file_fd;
	int err = sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &sync_file_fd);
	if (err == -ENOTTY) {
		int idle_fd = sb_fd_dup(dmabuf_fd);
		if (idle_fd < 0) {
			errno = -idle_fd;
			return ORIEL_ACQUIRE_FAILED;
		}
		*ret_fd = idle_fd;
		return ORIEL_ACQUIRE_IDLE;
	}
	if (err != 0) {
		errno = -err;
		return ORIEL_ACQUIRE_FAILED;
	}
	if (sb_sync_file_wait(sync_file_fd, 0) == 0) {
		sb_fd_clear(&sync_file_fd);
		return ORIEL_ACQUIRE_READY;
	}
	*ret_fd = sync_file_fd;
	return ORIEL_ACQUIRE_SNAPSHOT;
}

bool oriel_acquire_is_pending(struct oriel_guest_buffer *buffer) {
	int fd = -1;
	enum oriel_acquire acquire = oriel_acquire_take(buffer, &fd);
	bool pending = acquire == ORIEL_ACQUIRE_FAILED ||
			(acquire != ORIEL_ACQUIRE_READY && sb_sync_file_wait(fd, 0) != 0);
	sb_fd_clear(&fd);
	return pending;
}
