#include <syncbridge/caps.h>

#include <errno.h>

#include <syncbridge/dmabuf.h>

#include "fd.h"

int sb_caps_probe_dmabuf(int dmabuf_fd, uint32_t *ret_caps) {
	int sync_file_fd;
	int ret = sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_READ, &sync_file_fd);
	if (ret == -ENOTTY) {
		/* Both came with the same kernel, and without a snapshot there is nothing to import. */
		*ret_caps = 0;
		return 0;
	}
	if (ret < 0) {
		return ret;
	}
	uint32_t caps = SB_CAP_DMABUF_EXPORT_SYNC_FILE;

	ret = sb_dmabuf_import_sync_file(dmabuf_fd, SB_ACCESS_READ, sync_file_fd);
	sb_fd_clear(&sync_file_fd);
	if (ret == 0) {
		caps |= SB_CAP_DMABUF_IMPORT_SYNC_FILE;
	} else if (ret != -ENOTTY) {
		return ret;
	}
	*ret_caps = caps;
	return 0;
}
