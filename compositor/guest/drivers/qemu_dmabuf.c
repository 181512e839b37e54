#include "guest/drivers/qemu_dmabuf.h"

#include <drm_fourcc.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <syncbridge/dmabuf.h>

#include "fd.h"
#include "guest/exporter.h"

static int int_from_u32(uint32_t value) {
	return value <= INT_MAX ? (int)value : INT_MAX;
}

static uint32_t add_or_max(uint32_t a, uint32_t b) {
	return a <= UINT32_MAX - b ? a + b : UINT32_MAX;
}

bool oriel_qemu_dmabuf_parse(const struct oriel_qemu_scanout_dmabuf *scanout,
		struct oriel_guest_buffer_attributes *ret_attributes,
		struct oriel_guest_crop *ret_crop, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	const uint32_t right = add_or_max(scanout->x, scanout->width);
	const uint32_t bottom = add_or_max(scanout->y, scanout->height);
	const uint32_t width = scanout->backing_width > 0 ? scanout->backing_width : right;
	const uint32_t height = scanout->backing_height > 0 ? scanout->backing_height : bottom;
	if (scanout->width == 0 || scanout->height == 0 || right > width || bottom > height) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"a picture of %ux%u pixels at %u, %u is not within a buffer of %ux%u",
				scanout->width, scanout->height, scanout->x, scanout->y, width,
				height);
		return false;
	}
	struct oriel_guest_buffer_attributes attributes = {
		.width = int_from_u32(width),
		.height = int_from_u32(height),
		.format = oriel_validate_get_opaque_format(scanout->fourcc),
		.modifier = scanout->modifier,
		.stride_bytes = scanout->strides_bytes[0],
		.offset_bytes = scanout->offsets_bytes[0],
		.extra_plane_count = scanout->plane_count - 1,
	};
	for (size_t i = 0; i < attributes.extra_plane_count; i++) {
		attributes.extra_planes[i].stride_bytes = scanout->strides_bytes[1 + i];
		attributes.extra_planes[i].offset_bytes = scanout->offsets_bytes[1 + i];
	}
	/* Whether it lies within its memory is seen when that is known. */
	if (!oriel_validate_buffer(&attributes, UINT64_MAX, message)) {
		return false;
	}
	*ret_attributes = attributes;
	*ret_crop = (struct oriel_guest_crop){ 0 };
	if (scanout->width != width || scanout->height != height) {
		*ret_crop = (struct oriel_guest_crop){
			.x = (int)scanout->x,
			.y = (int)scanout->y,
			.width = (int)scanout->width,
			.height = (int)scanout->height,
		};
	}
	return true;
}

void oriel_qemu_dmabufs_init(struct oriel_qemu_dmabufs *dmabufs) {
	oriel_buffer_cache_init(&dmabufs->cache);
}

void oriel_qemu_dmabufs_clear(struct oriel_qemu_dmabufs *dmabufs) {
	oriel_buffer_cache_clear(&dmabufs->cache);
}

/* The sum of the sizes of the planes' memory, all of which are dma-bufs and large enough; or false. */
static bool scanout_check_memory(const struct oriel_qemu_scanout_dmabuf *scanout,
		const struct oriel_guest_buffer_attributes *attributes, uint64_t *ret_size_bytes,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	uint64_t sum_bytes = 0;
	for (size_t i = 0; i < scanout->plane_count; i++) {
		char name[ORIEL_EXPORTER_NAME_SIZE];
		uint64_t size_bytes;
		if (!oriel_exporter_get_name(scanout->fds[i], name) ||
				sb_dmabuf_get_size(scanout->fds[i], &size_bytes) != 0) {
			snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
					"a file that should be a dma-buf is none");
			return false;
		}
		bool is_valid = i == 0
				? oriel_validate_buffer(attributes, size_bytes, message)
				: oriel_validate_extra_plane(
						  attributes->extra_planes[i - 1].stride_bytes,
						  attributes->extra_planes[i - 1].offset_bytes,
						  size_bytes, message);
		if (!is_valid) {
			return false;
		}
		sum_bytes += size_bytes;
	}
	*ret_size_bytes = sum_bytes;
	return true;
}

static struct oriel_guest_buffer *scanout_create_buffer(
		const struct oriel_qemu_scanout_dmabuf *scanout,
		const struct oriel_guest_buffer_attributes *attributes) {
	int fds[ORIEL_QEMU_PLANES_MAX];
	for (size_t i = 0; i < scanout->plane_count; i++) {
		fds[i] = sb_fd_dup(scanout->fds[i]);
		if (fds[i] < 0) {
			while (i > 0) {
				sb_fd_clear(&fds[--i]);
			}
			return NULL;
		}
	}
	return oriel_guest_buffer_create_with_planes(attributes, fds);
}

/* The layout of what has no modifier, where it can only be one. */
static void attributes_guess_modifier(struct oriel_guest_buffer_attributes *attributes, int fd) {
	char name[ORIEL_EXPORTER_NAME_SIZE];
	if (attributes->modifier == DRM_FORMAT_MOD_INVALID && attributes->extra_plane_count == 0 &&
			oriel_exporter_get_name(fd, name) && strcmp(name, "udmabuf") == 0) {
		attributes->modifier = DRM_FORMAT_MOD_LINEAR;
	}
}

bool oriel_qemu_dmabufs_get(struct oriel_qemu_dmabufs *dmabufs,
		const struct oriel_qemu_scanout_dmabuf *scanout,
		struct oriel_qemu_dmabuf_picture *ret_picture,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	struct oriel_guest_buffer_attributes attributes;
	struct oriel_guest_crop crop;
	uint64_t size_bytes;
	if (!oriel_qemu_dmabuf_parse(scanout, &attributes, &crop, message) ||
			!scanout_check_memory(scanout, &attributes, &size_bytes, message)) {
		return false;
	}
	attributes_guess_modifier(&attributes, scanout->fds[0]);
	struct stat status;
	if (fstat(scanout->fds[0], &status) != 0) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE, "a dma-buf has no inode");
		return false;
	}
	struct oriel_guest_buffer *buffer =
			oriel_buffer_cache_get(&dmabufs->cache, status.st_ino, &attributes);
	if (buffer == NULL) {
		buffer = scanout_create_buffer(scanout, &attributes);
		if (buffer == NULL ||
				!oriel_buffer_cache_put(&dmabufs->cache, status.st_ino, buffer,
						size_bytes)) {
			snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
					"a dma-buf cannot be kept: out of memory or files");
			return false;
		}
	}
	*ret_picture = (struct oriel_qemu_dmabuf_picture){
		.buffer = buffer,
		.crop = crop,
		.is_flipped = scanout->y0_top,
	};
	return true;
}
