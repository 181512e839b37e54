#include "guest/drivers/vfio_region.h"

#include <assert.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/fault_guard.h"
#include "guest/validate.h"

#define MSEC_NS UINT64_C(1000000)

/* What a look may take of the main loop's time. */
#define LOOK_MAX_NS (8 * MSEC_NS)
#define PIECE_MAX_NS (4 * MSEC_NS)
#define PIECE_BYTES ((size_t)64 << 10)
/* Reading, and all of a look, may take one part in so many of a core. */
#define READ_PARTS 10
#define LOOK_PARTS 4

void oriel_vfio_picture_init(struct oriel_vfio_picture *picture) {
	*picture = (struct oriel_vfio_picture){ 0 };
	oriel_tile_hash_init(&picture->hash);
	pixman_region32_init(&picture->damage);
}

void oriel_vfio_picture_forget(struct oriel_vfio_picture *picture) {
	oriel_tile_hash_forget(&picture->hash);
	picture->scratch_bytes = 0;
}

/* Lets go of the region. It is mapped again, or found to be gone, by the next set. */
static void picture_unset(struct oriel_vfio_picture *picture) {
	if (picture->map != NULL) {
		munmap((void *)picture->map, picture->map_size_bytes);
		picture->map = NULL;
	}
	free(picture->scratch);
	picture->scratch = NULL;
	picture->region = (struct oriel_vfio_region){ 0 };
	picture->in_pieces = false;
	oriel_vfio_picture_forget(picture);
}

static void picture_drop_buffer(struct oriel_vfio_picture *picture) {
	oriel_guest_buffer_drop(picture->buffer);
	picture->buffer = NULL;
	if (picture->pixels != NULL) {
		munmap(picture->pixels, picture->pixels_size_bytes);
		picture->pixels = NULL;
	}
	free(picture->row);
	picture->row = NULL;
}

void oriel_vfio_picture_finish(struct oriel_vfio_picture *picture) {
	picture_unset(picture);
	picture_drop_buffer(picture);
	oriel_tile_hash_finish(&picture->hash);
	pixman_region32_fini(&picture->damage);
	oriel_vfio_picture_init(picture);
}

static size_t attributes_get_row_bytes(const struct oriel_guest_buffer_attributes *attributes) {
	return (size_t)attributes->width * oriel_validate_get_pixel_bytes(attributes->format);
}

/* The same picture in memory of ours, where there is no padding but what makes whole words. */
static struct oriel_guest_buffer_attributes attributes_pack(
		const struct oriel_guest_buffer_attributes *attributes) {
	struct oriel_guest_buffer_attributes packed = *attributes;
	packed.modifier = DRM_FORMAT_MOD_LINEAR;
	packed.offset_bytes = 0;
	packed.stride_bytes = (attributes_get_row_bytes(attributes) + ORIEL_VALIDATE_ALIGNMENT - 1) /
			ORIEL_VALIDATE_ALIGNMENT * ORIEL_VALIDATE_ALIGNMENT;
	return packed;
}

/* A new buffer for pictures of these attributes. 0 or -errno: then there is none. */
static int picture_create_buffer(struct oriel_vfio_picture *picture,
		const struct oriel_guest_buffer_attributes *packed) {
	picture_drop_buffer(picture);
	picture->pixels_size_bytes = packed->stride_bytes * (size_t)packed->height;
	int memfd = memfd_create("oriel-vfio", MFD_CLOEXEC);
	if (memfd < 0) {
		return -errno;
	}
	if (ftruncate(memfd, (off_t)picture->pixels_size_bytes) != 0) {
		goto error_memfd;
	}
	void *pixels = mmap(NULL, picture->pixels_size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			memfd, 0);
	if (pixels == MAP_FAILED) {
		goto error_memfd;
	}
	picture->pixels = pixels;
	picture->row = calloc(1, packed->stride_bytes);
	picture->buffer = oriel_guest_buffer_create(packed, ORIEL_GUEST_MEMORY_SHARED, memfd);
	if (picture->row == NULL || picture->buffer == NULL) {
		picture_drop_buffer(picture);
		return -ENOMEM;
	}
	picture->buffer_attributes = *packed;
	return 0;

error_memfd:;
	int error = errno;
	sb_fd_clear(&memfd);
	return -error;
}

/* Maps the picture, or makes room for reading it. 0 or -errno. */
static int picture_open_region(struct oriel_vfio_picture *picture, int device_fd,
		const struct oriel_vfio_region *region) {
	if (region->can_mmap) {
		void *map = mmap(NULL, picture->size_bytes, PROT_READ, MAP_SHARED, device_fd,
				(off_t)region->offset_bytes);
		if (map != MAP_FAILED) {
			picture->map = map;
			picture->map_size_bytes = picture->size_bytes;
			return 0;
		}
	}
	if (!region->can_read) {
		return -EACCES;
	}
	picture->in_pieces = true;
	return 0;
}

bool oriel_vfio_picture_is_of(const struct oriel_vfio_picture *picture, uint32_t index,
		const struct oriel_guest_buffer_attributes *attributes) {
	return picture->region.size_bytes > 0 && picture->region.index == index &&
			oriel_guest_buffer_attributes_equal(&picture->attributes, attributes);
}

bool oriel_vfio_picture_is_whole(const struct oriel_vfio_picture *picture) {
	return picture->hash.width > 0;
}

int oriel_vfio_picture_set(struct oriel_vfio_picture *picture, int device_fd,
		const struct oriel_vfio_region *region,
		const struct oriel_guest_buffer_attributes *attributes, uint64_t now_ns) {
	assert(attributes->offset_bytes == 0 && region->size_bytes > 0);
	/* A guest that changes its mode all the time has each look begin anew. */
	if (now_ns < picture->next_ns) {
		return -EAGAIN;
	}
	struct oriel_guest_buffer_attributes packed = attributes_pack(attributes);
	if (packed.stride_bytes * (uint64_t)packed.height > ORIEL_VFIO_PICTURE_BYTES_MAX) {
		return -EFBIG;
	}
	picture_unset(picture);
	picture->size_bytes = attributes->stride_bytes * (size_t)(attributes->height - 1) +
			attributes_get_row_bytes(attributes);
	int ret = picture_open_region(picture, device_fd, region);
	if (ret == 0 &&
			(picture->buffer == NULL ||
					!oriel_guest_buffer_attributes_equal(
							&picture->buffer_attributes, &packed))) {
		ret = picture_create_buffer(picture, &packed);
	}
	if (ret != 0) {
		picture_unset(picture);
		return ret;
	}
	picture->region = *region;
	picture->attributes = *attributes;
	return 0;
}

/*
 * Copies the damaged part of source, which is a mapping under guard or scratch memory. What was
 * read when the mapping had ended does not get into the picture.
 */
static void picture_copy_damage(struct oriel_vfio_picture *picture, const uint8_t *source) {
	const size_t pixel_bytes = oriel_validate_get_pixel_bytes(picture->attributes.format);
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&picture->damage, &count);
	for (int i = 0; i < count; i++) {
		const size_t begin = (size_t)boxes[i].x1 * pixel_bytes;
		const size_t size = (size_t)(boxes[i].x2 - boxes[i].x1) * pixel_bytes;
		for (size_t y = (size_t)boxes[i].y1; y < (size_t)boxes[i].y2; y++) {
			memcpy(picture->row, source + y * picture->attributes.stride_bytes + begin,
					size);
			if (!oriel_fault_guard_is_intact()) {
				return;
			}
			memcpy(picture->pixels + y * picture->buffer_attributes.stride_bytes + begin,
					picture->row, size);
		}
	}
}

/* True if tiles differ, which then are in the buffer. *ret_hashed_ns: when that was known. */
static bool picture_update(struct oriel_vfio_picture *picture, const uint8_t *source,
		uint64_t *ret_hashed_ns) {
	bool changed = oriel_tile_hash_update(&picture->hash, source,
			picture->attributes.stride_bytes, picture->attributes.width,
			picture->attributes.height,
			oriel_validate_get_pixel_bytes(picture->attributes.format), &picture->damage);
	*ret_hashed_ns = oriel_clock_thread_cpu_ns();
	if (changed && oriel_fault_guard_is_intact()) {
		picture_copy_damage(picture, source);
	}
	return changed;
}

/*
 * Reads pieces of the picture until it is whole or the time is up. 1 if it is whole, 0 if not, or
 * -errno.
 */
static int picture_read_pieces(struct oriel_vfio_picture *picture, int device_fd, uint64_t start_ns) {
	if (picture->scratch == NULL) {
		picture->scratch = calloc(1, picture->size_bytes);
		if (picture->scratch == NULL) {
			return -ENOMEM;
		}
	}
	while (picture->scratch_bytes < picture->size_bytes) {
		size_t offset = picture->scratch_bytes;
		size_t left = picture->size_bytes - offset;
		size_t size = left < PIECE_BYTES ? left : PIECE_BYTES;
		if (picture->map != NULL) {
			memcpy(picture->scratch + offset, (const uint8_t *)picture->map + offset,
					size);
			if (!oriel_fault_guard_is_intact()) {
				return -EFAULT;
			}
		} else {
			ssize_t got = pread(device_fd, picture->scratch + offset, size,
					(off_t)(picture->region.offset_bytes + offset));
			if (got <= 0) {
				return got < 0 ? -errno : -EIO;
			}
			size = (size_t)got;
		}
		picture->scratch_bytes += size;
		/* Only now, so that every look gets on. */
		if (oriel_clock_thread_cpu_ns() - start_ns >= PIECE_MAX_NS) {
			break;
		}
	}
	return picture->scratch_bytes == picture->size_bytes ? 1 : 0;
}

/* 1, 0 or -errno, as oriel_vfio_picture_look(). */
static int picture_look_guarded(struct oriel_vfio_picture *picture, int device_fd,
		uint64_t start_ns, uint64_t *ret_hashed_ns) {
	if (!picture->in_pieces) {
		return picture_update(picture, picture->map, ret_hashed_ns);
	}
	int ret = picture_read_pieces(picture, device_fd, start_ns);
	*ret_hashed_ns = oriel_clock_thread_cpu_ns();
	if (ret != 1) {
		return ret;
	}
	picture->scratch_bytes = 0;
	return picture_update(picture, picture->scratch, ret_hashed_ns);
}

static uint64_t max(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

int oriel_vfio_picture_look(struct oriel_vfio_picture *picture, int device_fd, uint64_t now_ns,
		const pixman_region32_t **ret_damage) {
	assert(picture->buffer != NULL && picture->region.size_bytes > 0);
	if (now_ns < picture->next_ns) {
		return 0;
	}
	bool is_first = !oriel_vfio_picture_is_whole(picture);
	uint64_t start_ns = oriel_clock_thread_cpu_ns(), hashed_ns;
	if (picture->map != NULL) {
		oriel_fault_guard_begin(picture->map, picture->map_size_bytes);
	}
	int ret = picture_look_guarded(picture, device_fd, start_ns, &hashed_ns);
	if (picture->map != NULL && !oriel_fault_guard_end()) {
		ret = -EFAULT;
	}
	uint64_t end_ns = oriel_clock_thread_cpu_ns();
	picture->next_ns = now_ns +
			max((hashed_ns - start_ns) * READ_PARTS, (end_ns - start_ns) * LOOK_PARTS);
	if (ret < 0) {
		picture_unset(picture);
		return ret;
	}
	if (hashed_ns - start_ns > LOOK_MAX_NS) {
		picture->in_pieces = true;
	}
	if (ret == 1) {
		*ret_damage = is_first ? NULL : &picture->damage;
	}
	return ret;
}
