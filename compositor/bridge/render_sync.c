#include "bridge/render_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/config.h>
#include <wlr/render/drm_syncobj.h>
#include <wlr/render/wlr_renderer.h>
#include <xf86drm.h>
#if WLR_HAS_VULKAN_RENDERER
#include <wlr/render/vulkan.h>
#endif
#if WLR_HAS_GLES2_RENDERER
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <wlr/render/egl.h>
#include <wlr/render/gles2.h>
#endif

#include "fd.h"

static bool renderer_is_vulkan(struct wlr_renderer *renderer) {
#if WLR_HAS_VULKAN_RENDERER
	return wlr_renderer_is_vk(renderer);
#else
	return false;
#endif
}

static bool renderer_is_gles2(struct wlr_renderer *renderer) {
#if WLR_HAS_GLES2_RENDERER
	return wlr_renderer_is_gles2(renderer);
#else
	return false;
#endif
}

/* A render node of any device that has timelines, or -1. */
static int find_timeline_device(void) {
	int count = drmGetDevices2(0, NULL, 0);
	drmDevice **devices = count > 0 ? calloc((size_t)count, sizeof(*devices)) : NULL;
	if (devices == NULL) {
		return -1;
	}
	count = drmGetDevices2(0, devices, count);
	int found_fd = -1;
	for (int i = 0; i < count && found_fd < 0; i++) {
		if (!(devices[i]->available_nodes & (1 << DRM_NODE_RENDER))) {
			continue;
		}
		int drm_fd = open(devices[i]->nodes[DRM_NODE_RENDER], O_RDWR | O_CLOEXEC);
		uint64_t cap = 0;
		if (drm_fd >= 0 && drmGetCap(drm_fd, DRM_CAP_SYNCOBJ_TIMELINE, &cap) == 0 && cap) {
			found_fd = sb_fd_move(&drm_fd);
		}
		sb_fd_clear(&drm_fd);
	}
	if (count > 0) {
		drmFreeDevices(devices, count);
	}
	free(devices);
	return found_fd;
}

static void render_sync_init_ready_point(struct oriel_render_sync *sync) {
	int drm_fd = -1;
	if (sync->renderer->features.timeline) {
		drm_fd = wlr_renderer_get_drm_fd(sync->renderer);
	} else if (renderer_is_vulkan(sync->renderer) && wlr_renderer_get_drm_fd(sync->renderer) < 0) {
		/* A software device, which imports sync_files but has no DRM node. The point crosses
		 * as a sync_file, so that any device's timeline will do. A GPU without timelines
		 * may be one that cannot import sync_files either. */
		sync->drm_fd = find_timeline_device();
		drm_fd = sync->drm_fd;
	}
	if (drm_fd < 0) {
		return;
	}
	sync->ready_point = 1;
	sync->ready_timeline = wlr_drm_syncobj_timeline_create(drm_fd);
	if (sync->ready_timeline != NULL &&
			!wlr_drm_syncobj_timeline_signal(sync->ready_timeline, sync->ready_point)) {
		wlr_drm_syncobj_timeline_unref(sync->ready_timeline);
		sync->ready_timeline = NULL;
	}
}

#if WLR_HAS_GLES2_RENDERER
static bool egl_has_native_fences(struct wlr_renderer *renderer) {
	const char *extensions = eglQueryString(
			wlr_egl_get_display(wlr_gles2_renderer_get_egl(renderer)), EGL_EXTENSIONS);
	return extensions != NULL && strstr(extensions, "EGL_ANDROID_native_fence_sync") != NULL;
}

static int egl_export_fence(EGLDisplay display) {
	PFNEGLCREATESYNCKHRPROC create_sync =
			(PFNEGLCREATESYNCKHRPROC)eglGetProcAddress("eglCreateSyncKHR");
	PFNEGLDESTROYSYNCKHRPROC destroy_sync =
			(PFNEGLDESTROYSYNCKHRPROC)eglGetProcAddress("eglDestroySyncKHR");
	PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fence =
			(PFNEGLDUPNATIVEFENCEFDANDROIDPROC)eglGetProcAddress(
					"eglDupNativeFenceFDANDROID");
	if (create_sync == NULL || destroy_sync == NULL || dup_fence == NULL) {
		return -EOPNOTSUPP;
	}
	EGLSyncKHR sync = create_sync(display, EGL_SYNC_NATIVE_FENCE_ANDROID, NULL);
	if (sync == EGL_NO_SYNC_KHR) {
		return -ENOMEM;
	}
	/* The fence has no fd before the commands in front of it are flushed. */
	glFlush();
	int fd = dup_fence(display, sync);
	destroy_sync(display, sync);
	return fd >= 0 ? fd : -ENOMEM;
}
#endif

void oriel_render_sync_init(struct oriel_render_sync *sync, struct wlr_renderer *renderer) {
	*sync = (struct oriel_render_sync){ .renderer = renderer, .drm_fd = -1 };
	render_sync_init_ready_point(sync);
	if (renderer_is_vulkan(renderer)) {
		sync->can_import = sync->ready_timeline != NULL;
	}
#if WLR_HAS_GLES2_RENDERER
	if (renderer_is_gles2(renderer)) {
		sync->can_import = sync->ready_timeline != NULL || egl_has_native_fences(renderer);
		sync->takes_fences = true;
	}
#endif
}

void oriel_render_sync_finish(struct oriel_render_sync *sync) {
	wlr_drm_syncobj_timeline_unref(sync->ready_timeline);
	sync->ready_timeline = NULL;
	sb_fd_clear(&sync->drm_fd);
}

bool oriel_render_sync_needs_fence(const struct oriel_render_sync *sync) {
	return renderer_is_gles2(sync->renderer);
}

int oriel_render_sync_create_fence(const struct oriel_render_sync *sync, int *ret_sync_file_fd) {
#if WLR_HAS_GLES2_RENDERER
	struct wlr_egl *egl = wlr_gles2_renderer_get_egl(sync->renderer);
	EGLDisplay display = wlr_egl_get_display(egl);
	EGLContext previous_context = eglGetCurrentContext();
	EGLSurface previous_draw = eglGetCurrentSurface(EGL_DRAW);
	EGLSurface previous_read = eglGetCurrentSurface(EGL_READ);
	if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, wlr_egl_get_context(egl))) {
		return -EIO;
	}
	int fd = egl_export_fence(display);
	eglMakeCurrent(display, previous_draw, previous_read, previous_context);
	if (fd < 0) {
		return fd;
	}
	*ret_sync_file_fd = fd;
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}
