#include "guest/pixels.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "guest/validate.h"

struct oriel_guest_buffer_attributes oriel_guest_pixels_pack(
		const struct oriel_guest_buffer_attributes *attributes) {
	size_t row_bytes = (size_t)attributes->width *
			oriel_validate_get_pixel_bytes(attributes->format);
	struct oriel_guest_buffer_attributes packed = {
		.width = attributes->width,
		.height = attributes->height,
		.format = attributes->format,
		.modifier = DRM_FORMAT_MOD_LINEAR,
	};
	packed.stride_bytes = (row_bytes + ORIEL_VALIDATE_ALIGNMENT - 1) /
			ORIEL_VALIDATE_ALIGNMENT * ORIEL_VALIDATE_ALIGNMENT;
	return packed;
}

/* A mapping of take_memfd of that size, which its buffer takes over. 0 or -errno. */
static int pixels_map(struct oriel_guest_pixels *pixels,
		const struct oriel_guest_buffer_attributes *packed, size_t size_bytes,
		int take_memfd) {
	if (ftruncate(take_memfd, (off_t)size_bytes) != 0) {
		goto error_memfd;
	}
	void *data = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, take_memfd, 0);
	if (data == MAP_FAILED) {
		goto error_memfd;
	}
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(packed, ORIEL_GUEST_MEMORY_SHARED, take_memfd);
	if (buffer == NULL) {
		munmap(data, size_bytes);
		return -ENOMEM;
	}
	*pixels = (struct oriel_guest_pixels){
		.buffer = buffer,
		.attributes = *packed,
		.data = data,
		.size_bytes = size_bytes,
	};
	return 0;

error_memfd:;
	int error = errno;
	sb_fd_clear(&take_memfd);
	return -error;
}

int oriel_guest_pixels_set(struct oriel_guest_pixels *pixels,
		const struct oriel_guest_buffer_attributes *packed) {
	if (pixels->buffer != NULL &&
			oriel_guest_buffer_attributes_equal(&pixels->attributes, packed)) {
		return 0;
	}
	oriel_guest_pixels_clear(pixels);
	int memfd = memfd_create("oriel-pixels", MFD_CLOEXEC);
	if (memfd < 0) {
		return -errno;
	}
	return pixels_map(pixels, packed, packed->stride_bytes * (size_t)packed->height, memfd);
}

void oriel_guest_pixels_clear(struct oriel_guest_pixels *pixels) {
	oriel_guest_buffer_drop(pixels->buffer);
	if (pixels->data != NULL) {
		munmap(pixels->data, pixels->size_bytes);
	}
	*pixels = (struct oriel_guest_pixels){ 0 };
}
