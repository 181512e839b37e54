#include <syncbridge/caps.h>

#include <drm.h>
#include <errno.h>

#include <syncbridge/dmabuf.h>

#include "fd.h"
#include "syscall.h"

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

int sb_caps_probe_drm(int drm_fd, uint32_t *ret_caps) {
	struct drm_get_cap cap = { .capability = DRM_CAP_SYNCOBJ_TIMELINE };
	int ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_GET_CAP, &cap);
	/* Devices without a display refuse caps that they do not know in their own way. */
	if (ret == -EINVAL || ret == -EOPNOTSUPP || (ret == 0 && cap.value == 0)) {
		*ret_caps = 0;
		return 0;
	}
	if (ret < 0) {
		return ret;
	}

	uint32_t caps = SB_CAP_TIMELINE;

	/* There is no handle 0. A kernel that knows the request looks for it, and says so. */
	struct drm_syncobj_eventfd eventfd = { .fd = -1 };
	ret = sb_sys_ioctl_restart(drm_fd, DRM_IOCTL_SYNCOBJ_EVENTFD, &eventfd);
	if (ret == -ENOENT) {
		caps |= SB_CAP_TIMELINE_EVENT_FD;
	} else if (ret != -EINVAL) {
		return ret;
	}
	*ret_caps = caps;
	return 0;
}
