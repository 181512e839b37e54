#include "vgem.h"

#include <drm/vgem_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xf86drm.h>

int vgem_buffer_init(struct vgem_buffer *buffer, int vgem_fd) {
	struct drm_mode_create_dumb dumb = {
		.width = 32,
		.height = 32,
		.bpp = 32,
	};
	if (drmIoctl(vgem_fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) != 0) {
		return -errno;
	}
	int dmabuf_fd;
	int ret = drmPrimeHandleToFD(vgem_fd, dumb.handle, DRM_CLOEXEC | DRM_RDWR, &dmabuf_fd);
	if (ret != 0) {
		ret = -errno;
		drmCloseBufferHandle(vgem_fd, dumb.handle);
		return ret;
	}
	*buffer = (struct vgem_buffer){
		.vgem_fd = vgem_fd,
		.handle = dumb.handle,
		.dmabuf_fd = dmabuf_fd,
	};
	return 0;
}

void vgem_buffer_finish(struct vgem_buffer *buffer) {
	close(buffer->dmabuf_fd);
	drmCloseBufferHandle(buffer->vgem_fd, buffer->handle);
	*buffer = (struct vgem_buffer){ .vgem_fd = -1, .dmabuf_fd = -1 };
}

int vgem_buffer_attach(const struct vgem_buffer *buffer, bool write, uint32_t *ret_fence) {
	struct drm_vgem_fence_attach request = {
		.handle = buffer->handle,
		.flags = write ? VGEM_FENCE_WRITE : 0,
	};
	if (drmIoctl(buffer->vgem_fd, DRM_IOCTL_VGEM_FENCE_ATTACH, &request) != 0) {
		return -errno;
	}
	*ret_fence = request.out_fence;
	return 0;
}

int vgem_signal(int vgem_fd, uint32_t fence) {
	struct drm_vgem_fence_signal request = { .fence = fence };
	return drmIoctl(vgem_fd, DRM_IOCTL_VGEM_FENCE_SIGNAL, &request) != 0 ? -errno : 0;
}
