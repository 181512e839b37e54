#include "guest/buffer.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/render/dmabuf.h>
#include <wlr/util/log.h>

#include <syncbridge/buffer.h>
#include <syncbridge/dmabuf.h>

#include "fd.h"
#include "guest/cpu_access.h"

struct oriel_guest_buffer {
	struct wlr_buffer base;
	struct oriel_guest_buffer_attributes attributes;
	enum oriel_guest_memory memory;
	int fd;
	int extra_fds[ORIEL_GUEST_BUFFER_EXTRA_PLANES_MAX]; /* -1: there is no such plane */
	struct sb_buffer dmabufs; /* of those files, if they are dma-bufs; no count otherwise */
	enum oriel_guest_read_path read_path;
	void *map; /* NULL until the first mapping */
	size_t map_size_bytes;
	bool map_failed;
	bool in_cpu_access; /* a bracket has been opened and must be closed */
};

static const struct wlr_buffer_impl buffer_impl;

static struct oriel_guest_buffer *buffer_from_wlr_buffer(struct wlr_buffer *wlr_buffer) {
	struct oriel_guest_buffer *buffer = wl_container_of(wlr_buffer, buffer, base);
	return buffer;
}

static void buffer_handle_destroy(struct wlr_buffer *wlr_buffer) {
	struct oriel_guest_buffer *buffer = buffer_from_wlr_buffer(wlr_buffer);
	wlr_buffer_finish(wlr_buffer);
	if (buffer->map != NULL) {
		munmap(buffer->map, buffer->map_size_bytes);
	}
	sb_fd_clear(&buffer->fd);
	for (size_t i = 0; i < ORIEL_GUEST_BUFFER_EXTRA_PLANES_MAX; i++) {
		sb_fd_clear(&buffer->extra_fds[i]);
	}
	free(buffer);
}

static bool buffer_handle_get_dmabuf(
		struct wlr_buffer *wlr_buffer, struct wlr_dmabuf_attributes *ret_dmabuf) {
	struct oriel_guest_buffer *buffer = buffer_from_wlr_buffer(wlr_buffer);
	if (buffer->read_path == ORIEL_GUEST_READ_PATH_CPU) {
		return false;
	}
	const struct oriel_guest_buffer_attributes *attributes = &buffer->attributes;
	*ret_dmabuf = (struct wlr_dmabuf_attributes){
		.width = buffer->attributes.width,
		.height = buffer->attributes.height,
		.format = buffer->attributes.format,
		.modifier = buffer->attributes.modifier,
		.n_planes = 1 + (int)attributes->extra_plane_count,
		.offset = { (uint32_t)buffer->attributes.offset_bytes },
		.stride = { (uint32_t)buffer->attributes.stride_bytes },
		.fd = { buffer->fd },
	};
	for (size_t i = 0; i < attributes->extra_plane_count; i++) {
		ret_dmabuf->offset[1 + i] = (uint32_t)attributes->extra_planes[i].offset_bytes;
		ret_dmabuf->stride[1 + i] = (uint32_t)attributes->extra_planes[i].stride_bytes;
		ret_dmabuf->fd[1 + i] = buffer->extra_fds[i];
	}
	return true;
}

static bool buffer_map(struct oriel_guest_buffer *buffer) {
	if (buffer->map != NULL) {
		return true;
	}
	/* Only where rows lie one after the other does a mapping hold the picture. An implicit
	 * modifier (DRM_FORMAT_MOD_INVALID) promises nothing of the kind. */
	if (buffer->map_failed || buffer->attributes.modifier != DRM_FORMAT_MOD_LINEAR ||
			buffer->attributes.extra_plane_count > 0) {
		return false;
	}
	/* The last row ends where the picture ends: memory beyond it is not needed, and a stride's
	 * worth of it need not exist. */
	const struct oriel_guest_buffer_attributes *attributes = &buffer->attributes;
	size_t size_bytes = attributes->offset_bytes +
			attributes->stride_bytes * (size_t)(attributes->height - 1) +
			(size_t)attributes->width * 4;
	uint64_t memory_bytes;
	if (sb_dmabuf_get_size(buffer->fd, &memory_bytes) == 0 && size_bytes > memory_bytes) {
		size_bytes = memory_bytes;
	}
	void *map = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, buffer->fd, 0);
	if (map == MAP_FAILED) {
		buffer->map_failed = true;
		return false;
	}
	buffer->map = map;
	buffer->map_size_bytes = size_bytes;
	return true;
}

static void *buffer_get_pixels(const struct oriel_guest_buffer *buffer) {
	return (char *)buffer->map + buffer->attributes.offset_bytes;
}

static bool buffer_handle_begin_data_ptr_access(struct wlr_buffer *wlr_buffer, uint32_t flags,
		void **ret_data, uint32_t *ret_format, size_t *ret_stride) {
	struct oriel_guest_buffer *buffer = buffer_from_wlr_buffer(wlr_buffer);
	if ((flags & WLR_BUFFER_DATA_PTR_ACCESS_WRITE) || !buffer_map(buffer)) {
		return false;
	}
	if (buffer->memory == ORIEL_GUEST_MEMORY_DMABUF) {
		int err = oriel_cpu_access_begin(buffer->fd);
		if (err != 0 && err != -EBUSY) {
			return false;
		}
		buffer->in_cpu_access = err == 0;
	}
	*ret_data = buffer_get_pixels(buffer);
	*ret_format = buffer->attributes.format;
	*ret_stride = buffer->attributes.stride_bytes;
	return true;
}

static void buffer_handle_end_data_ptr_access(struct wlr_buffer *wlr_buffer) {
	struct oriel_guest_buffer *buffer = buffer_from_wlr_buffer(wlr_buffer);
	if (buffer->in_cpu_access) {
		buffer->in_cpu_access = false;
		oriel_cpu_access_end(buffer->fd);
	}
}

static const struct wlr_buffer_impl buffer_impl = {
	.destroy = buffer_handle_destroy,
	.get_dmabuf = buffer_handle_get_dmabuf,
	.begin_data_ptr_access = buffer_handle_begin_data_ptr_access,
	.end_data_ptr_access = buffer_handle_end_data_ptr_access,
};

bool oriel_guest_buffer_attributes_equal(const struct oriel_guest_buffer_attributes *a,
		const struct oriel_guest_buffer_attributes *b) {
	if (a->extra_plane_count != b->extra_plane_count) {
		return false;
	}
	for (size_t i = 0; i < a->extra_plane_count; i++) {
		if (a->extra_planes[i].stride_bytes != b->extra_planes[i].stride_bytes ||
				a->extra_planes[i].offset_bytes != b->extra_planes[i].offset_bytes) {
			return false;
		}
	}
	return a->width == b->width && a->height == b->height && a->format == b->format &&
			a->modifier == b->modifier && a->stride_bytes == b->stride_bytes &&
			a->offset_bytes == b->offset_bytes;
}

struct oriel_guest_buffer *oriel_guest_buffer_create(
		const struct oriel_guest_buffer_attributes *attributes,
		enum oriel_guest_memory memory, int take_fd) {
	struct oriel_guest_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		sb_fd_clear(&take_fd);
		return NULL;
	}
	wlr_buffer_init(&buffer->base, &buffer_impl, attributes->width, attributes->height);
	buffer->attributes = *attributes;
	buffer->memory = memory;
	buffer->read_path = memory == ORIEL_GUEST_MEMORY_SHARED ? ORIEL_GUEST_READ_PATH_CPU
								: ORIEL_GUEST_READ_PATH_UNDECIDED;
	buffer->fd = take_fd;
	for (size_t i = 0; i < ORIEL_GUEST_BUFFER_EXTRA_PLANES_MAX; i++) {
		buffer->extra_fds[i] = -1;
	}
	if (memory == ORIEL_GUEST_MEMORY_DMABUF) {
		buffer->dmabufs.dmabuf_fds[buffer->dmabufs.dmabuf_count++] = take_fd;
	}
	return buffer;
}

struct oriel_guest_buffer *oriel_guest_buffer_create_with_planes(
		const struct oriel_guest_buffer_attributes *attributes, int *take_fds) {
	struct sb_buffer dmabufs;
	struct oriel_guest_buffer *buffer = NULL;
	if (sb_buffer_init(&dmabufs, take_fds, 1 + attributes->extra_plane_count) == 0) {
		buffer = oriel_guest_buffer_create(
				attributes, ORIEL_GUEST_MEMORY_DMABUF, sb_fd_move(&take_fds[0]));
	}
	if (buffer == NULL) {
		for (size_t i = 0; i < 1 + attributes->extra_plane_count; i++) {
			sb_fd_clear(&take_fds[i]);
		}
		return NULL;
	}
	for (size_t i = 0; i < attributes->extra_plane_count; i++) {
		buffer->extra_fds[i] = sb_fd_move(&take_fds[1 + i]);
	}
	buffer->dmabufs = dmabufs;
	return buffer;
}

void oriel_guest_buffer_drop(struct oriel_guest_buffer *buffer) {
	if (buffer != NULL) {
		wlr_buffer_drop(&buffer->base);
	}
}

struct oriel_guest_buffer *oriel_guest_buffer_lock(struct oriel_guest_buffer *buffer) {
	wlr_buffer_lock(&buffer->base);
	return buffer;
}

void oriel_guest_buffer_unlock(struct oriel_guest_buffer *buffer) {
	wlr_buffer_unlock(&buffer->base);
}

struct wlr_buffer *oriel_guest_buffer_get_wlr_buffer(struct oriel_guest_buffer *buffer) {
	return &buffer->base;
}

const struct oriel_guest_buffer_attributes *oriel_guest_buffer_get_attributes(
		const struct oriel_guest_buffer *buffer) {
	return &buffer->attributes;
}

int oriel_guest_buffer_get_dmabuf_fd(const struct oriel_guest_buffer *buffer) {
	return buffer->memory == ORIEL_GUEST_MEMORY_DMABUF ? buffer->fd : -1;
}

const struct sb_buffer *oriel_guest_buffer_get_dmabufs(const struct oriel_guest_buffer *buffer) {
	return buffer->dmabufs.dmabuf_count > 0 ? &buffer->dmabufs : NULL;
}

void oriel_guest_buffer_set_read_path(
		struct oriel_guest_buffer *buffer, enum oriel_guest_read_path read_path) {
	assert(buffer->read_path == ORIEL_GUEST_READ_PATH_UNDECIDED);
	buffer->read_path = read_path;
}

enum oriel_guest_read_path oriel_guest_buffer_get_read_path(const struct oriel_guest_buffer *buffer) {
	return buffer->read_path;
}

bool oriel_guest_buffer_can_map(struct oriel_guest_buffer *buffer) {
	return buffer_map(buffer);
}

int oriel_guest_buffer_begin_look(struct oriel_guest_buffer *buffer, const void **ret_data) {
	if (!buffer_map(buffer)) {
		return -ENODEV;
	}
	if (buffer->memory == ORIEL_GUEST_MEMORY_DMABUF) {
		int err = oriel_cpu_access_begin(buffer->fd);
		if (err != 0) {
			return err;
		}
	}
	*ret_data = buffer_get_pixels(buffer);
	return 0;
}

void oriel_guest_buffer_end_look(struct oriel_guest_buffer *buffer) {
	if (buffer->memory == ORIEL_GUEST_MEMORY_DMABUF) {
		oriel_cpu_access_end(buffer->fd);
	}
}
