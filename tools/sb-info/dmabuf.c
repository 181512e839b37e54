#include "info.h"

#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <syncbridge/caps.h>

#include "report.h"

/* Each of these makes a small dma-buf with the file at path. Returns its fd or -errno. */

static int dmabuf_make_by_udmabuf(const char *path) {
	int ret;
	int udmabuf_fd = open(path, O_RDWR | O_CLOEXEC);
	if (udmabuf_fd < 0) {
		return -errno;
	}
	long size = sysconf(_SC_PAGESIZE);
	int memfd = memfd_create("sb-info", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0 || ftruncate(memfd, size) != 0 ||
			fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
		ret = -errno;
		goto out;
	}
	struct udmabuf_create request = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = (uint64_t)size,
	};
	ret = ioctl(udmabuf_fd, UDMABUF_CREATE, &request);
	if (ret < 0) {
		ret = -errno;
	}
out:
	if (memfd >= 0) {
		close(memfd);
	}
	close(udmabuf_fd);
	return ret;
}

static int dmabuf_make_by_heap(const char *path) {
	int heap_fd = open(path, O_RDWR | O_CLOEXEC);
	if (heap_fd < 0) {
		return -errno;
	}
	struct dma_heap_allocation_data request = {
		.len = (uint64_t)sysconf(_SC_PAGESIZE),
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int ret = ioctl(heap_fd, DMA_HEAP_IOCTL_ALLOC, &request) == 0 ? (int)request.fd : -errno;
	close(heap_fd);
	return ret;
}

static int dmabuf_make_by_drm(const char *path) {
	int drm_fd = open(path, O_RDWR | O_CLOEXEC);
	if (drm_fd < 0) {
		return -errno;
	}
	struct drm_mode_create_dumb dumb = {
		.width = 64,
		.height = 64,
		.bpp = 32,
	};
	int ret = ioctl(drm_fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) == 0 ? 0 : -errno;
	if (ret == 0) {
		struct drm_prime_handle prime = {
			.handle = dumb.handle,
			.flags = DRM_CLOEXEC | DRM_RDWR,
		};
		ret = ioctl(drm_fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0 ? prime.fd : -errno;
	}
	/* The buffer lives on with the dma-buf, if there is one. */
	close(drm_fd);
	return ret;
}

/* What may give a dma-buf, in the order of the trouble it makes. */
static const struct source {
	const char *pattern;
	int (*make)(const char *path);
} sources[] = {
	{ "/dev/udmabuf", dmabuf_make_by_udmabuf },
	{ "/dev/dma_heap/*", dmabuf_make_by_heap },
	{ "/dev/dri/card*", dmabuf_make_by_drm },
};

/* Tries the files of a source until one of them gives a dma-buf. */
static int source_make(const struct source *source, char *ret_path, size_t path_size) {
	/* Where nothing matches, the pattern itself comes back, and open() says that it is not there. */
	glob_t paths;
	if (glob(source->pattern, GLOB_NOCHECK, NULL, &paths) != 0) {
		return -ENOMEM;
	}
	int ret = -ENOENT;
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		ret = source->make(paths.gl_pathv[i]);
		if (ret >= 0) {
			snprintf(ret_path, path_size, "%s", paths.gl_pathv[i]);
			break;
		}
	}
	globfree(&paths);
	return ret;
}

static bool print_caps(int dmabuf_fd) {
	uint32_t caps;
	int ret = sb_caps_probe_dmabuf(dmabuf_fd, &caps);
	if (ret < 0) {
		report_line("fences", "unknown: %s", strerror(-ret));
		return false;
	}
	const char *why_not = "the kernel is older than 6.0, or built without sync_files";
	bool can_export = (caps & SB_CAP_DMABUF_EXPORT_SYNC_FILE) != 0;
	bool can_import = (caps & SB_CAP_DMABUF_IMPORT_SYNC_FILE) != 0;
	report_answer("export fences", can_export, why_not);
	report_answer("import fences", can_import, why_not);
	return can_export && can_import;
}

bool info_print_dmabufs(void) {
	int errors[sizeof(sources) / sizeof(sources[0])];
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		char path[64];
		int dmabuf_fd = source_make(&sources[i], path, sizeof(path));
		if (dmabuf_fd >= 0) {
			report_heading("dma-bufs (tried with one of %s)", path);
			bool yes = print_caps(dmabuf_fd);
			close(dmabuf_fd);
			return yes;
		}
		errors[i] = dmabuf_fd;
	}
	report_heading("dma-bufs");
	report_line("fences", "unknown: there is no dma-buf to try with");
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		report_line(sources[i].pattern, "%s", strerror(-errors[i]));
	}
	return false;
}
