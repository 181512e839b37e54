#include "guest/drivers/qemu_surface.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest/clock.h"
#include "guest/fault_guard.h"

/* Copying may take one part in so many of a core. */
#define TAKE_PARTS 2
/* Rectangles that damage is kept as: with more it is the one around them all. */
#define DAMAGE_BOXES_MAX 64

void oriel_qemu_surface_init(struct oriel_qemu_surface *surface) {
	*surface = (struct oriel_qemu_surface){ 0 };
	pixman_region32_init(&surface->damage);
	pixman_region32_init(&surface->taken);
}

void oriel_qemu_surface_clear(struct oriel_qemu_surface *surface) {
	if (surface->map != NULL) {
		munmap(surface->map, surface->map_size_bytes);
		surface->map = NULL;
	}
	free(surface->bytes);
	surface->bytes = NULL;
	surface->bytes_size_bytes = 0;
	surface->attributes = (struct oriel_guest_buffer_attributes){ 0 };
	pixman_region32_clear(&surface->damage);
}

void oriel_qemu_surface_finish(struct oriel_qemu_surface *surface) {
	oriel_qemu_surface_clear(surface);
	oriel_guest_pixels_clear(&surface->pixels);
	free(surface->row);
	pixman_region32_fini(&surface->damage);
	pixman_region32_fini(&surface->taken);
}

static void region_add(pixman_region32_t *region, int x, int y, int width, int height) {
	if (pixman_region32_n_rects(region) >= DAMAGE_BOXES_MAX) {
		const pixman_box32_t extents = *pixman_region32_extents(region);
		pixman_region32_fini(region);
		pixman_region32_init_with_extents(region, &extents);
	}
	pixman_region32_union_rect(region, region, x, y, (unsigned int)width, (unsigned int)height);
}

/* Rows that differ, found one after another from the top of a box. */
struct rows {
	pixman_region32_t *region; /* that they are added to */
	int x, y, width; /* y: of the row that comes next */
	int count; /* of those just above it */
};

static void rows_end(struct rows *rows) {
	if (rows->count > 0) {
		region_add(rows->region, rows->x, rows->y - rows->count, rows->width, rows->count);
		rows->count = 0;
	}
}

/* Makes the next row what it is to be, and takes note of it if it was not. */
static void rows_put(struct rows *rows, uint8_t *to, const uint8_t *from, size_t size_bytes) {
	if (memcmp(to, from, size_bytes) != 0) {
		memcpy(to, from, size_bytes);
		rows->count++;
	} else {
		rows_end(rows);
	}
	rows->y++;
}

static void surface_damage_all(struct oriel_qemu_surface *surface) {
	pixman_region32_fini(&surface->damage);
	pixman_region32_init_rect(&surface->damage, 0, 0, (unsigned int)surface->attributes.width,
			(unsigned int)surface->attributes.height);
}

/* --- the source ------------------------------------------------------------------------------- */

static int int_from_u32(uint32_t value) {
	return value <= INT_MAX ? (int)value : INT_MAX;
}

/* True if such a picture, in so many bytes, can be shown. */
static bool attributes_validate(struct oriel_guest_buffer_attributes *attributes,
		uint32_t pixman_format, uint64_t size_bytes,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	attributes->format = oriel_validate_get_format_from_pixman(pixman_format);
	attributes->modifier = DRM_FORMAT_MOD_LINEAR;
	if (attributes->format == 0) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"a picture of pixman's format 0x%08" PRIx32 " cannot be shown",
				pixman_format);
		return false;
	}
	if (!oriel_validate_buffer(attributes, size_bytes, message)) {
		return false;
	}
	if (attributes->stride_bytes * (uint64_t)attributes->height > ORIEL_QEMU_SURFACE_BYTES_MAX) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"a picture of %dx%d pixels takes more than %" PRIu64 " MiB",
				attributes->width, attributes->height,
				ORIEL_QEMU_SURFACE_BYTES_MAX >> 20);
		return false;
	}
	return true;
}

/*
 * The size of a file that is memory; false if it is none. Reading a file of another kind could wait for
 * whoever serves it, even asking for its size could: so what kind it is comes first. Only memory has
 * seals. Huge pages have them, too, and are left out: a mapping of them cannot be guarded.
 */
static bool memory_get_size(int fd, uint64_t *ret_size_bytes) {
	struct statfs filesystem;
	struct stat status;
	if (fcntl(fd, F_GET_SEALS) < 0 || fstatfs(fd, &filesystem) != 0 ||
			filesystem.f_type != TMPFS_MAGIC || fstat(fd, &status) != 0 ||
			!S_ISREG(status.st_mode) || status.st_size < 0) {
		return false;
	}
	*ret_size_bytes = (uint64_t)status.st_size;
	return true;
}

bool oriel_qemu_surface_set_map(struct oriel_qemu_surface *surface,
		const struct oriel_qemu_scanout_map *scanout,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	oriel_qemu_surface_clear(surface);
	struct oriel_guest_buffer_attributes attributes = {
		.width = int_from_u32(scanout->width),
		.height = int_from_u32(scanout->height),
		.stride_bytes = scanout->stride_bytes,
		.offset_bytes = scanout->offset_bytes,
	};
	uint64_t size_bytes;
	if (!memory_get_size(scanout->fd, &size_bytes)) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE,
				"a file that should be shared memory is none");
		return false;
	}
	if (!attributes_validate(&attributes, scanout->pixman_format, size_bytes, message)) {
		return false;
	}
	/* A mapping begins at a page. */
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t begin_bytes = attributes.offset_bytes / page_bytes * page_bytes;
	attributes.offset_bytes -= begin_bytes;
	size_t map_size_bytes = attributes.offset_bytes +
			attributes.stride_bytes * (size_t)(attributes.height - 1) +
			(size_t)attributes.width * oriel_validate_get_pixel_bytes(attributes.format);
	void *map = mmap(NULL, map_size_bytes, PROT_READ, MAP_SHARED, scanout->fd,
			(off_t)begin_bytes);
	if (map == MAP_FAILED) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE, "shared memory cannot be mapped: %s",
				strerror(errno));
		return false;
	}
	surface->map = map;
	surface->map_size_bytes = map_size_bytes;
	surface->attributes = attributes;
	surface->is_new = true;
	return true;
}

/* Puts rows into the bytes, and what of them is new there into the damage. */
static void surface_put_rows(struct oriel_qemu_surface *surface, const struct oriel_qemu_box *box,
		const uint8_t *data, size_t data_stride_bytes) {
	const struct oriel_guest_buffer_attributes *attributes = &surface->attributes;
	const size_t pixel_bytes = oriel_validate_get_pixel_bytes(attributes->format);
	const size_t row_bytes = (size_t)box->width * pixel_bytes;
	uint8_t *to = surface->bytes + (size_t)box->y * attributes->stride_bytes +
			(size_t)box->x * pixel_bytes;
	struct rows rows = {
		.region = &surface->damage,
		.x = box->x,
		.y = box->y,
		.width = box->width,
	};
	for (int y = 0; y < box->height; y++) {
		rows_put(&rows, to, data, row_bytes);
		to += attributes->stride_bytes;
		data += data_stride_bytes;
	}
	rows_end(&rows);
}

/* Room for the bytes of a picture that is not of the kind of the one before. */
static bool surface_make_bytes(struct oriel_qemu_surface *surface,
		const struct oriel_guest_buffer_attributes *packed) {
	oriel_qemu_surface_clear(surface);
	surface->bytes_size_bytes = packed->stride_bytes * (size_t)packed->height;
	surface->bytes = calloc(1, surface->bytes_size_bytes);
	if (surface->bytes == NULL) {
		return false;
	}
	surface->attributes = *packed;
	surface->is_new = true;
	surface_damage_all(surface);
	return true;
}

bool oriel_qemu_surface_set_bytes(struct oriel_qemu_surface *surface,
		const struct oriel_qemu_scanout *scanout,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]) {
	struct oriel_guest_buffer_attributes attributes = {
		.width = int_from_u32(scanout->width),
		.height = int_from_u32(scanout->height),
		.stride_bytes = scanout->stride_bytes,
	};
	if (!attributes_validate(&attributes, scanout->pixman_format, scanout->size_bytes, message)) {
		oriel_qemu_surface_clear(surface);
		return false;
	}
	const struct oriel_guest_buffer_attributes packed = oriel_guest_pixels_pack(&attributes);
	if ((surface->bytes == NULL ||
			    !oriel_guest_buffer_attributes_equal(&surface->attributes, &packed)) &&
			!surface_make_bytes(surface, &packed)) {
		snprintf(message, ORIEL_VALIDATE_MESSAGE_SIZE, "out of memory");
		return false;
	}
	const struct oriel_qemu_box whole = { 0, 0, attributes.width, attributes.height };
	surface_put_rows(surface, &whole, scanout->data, attributes.stride_bytes);
	if (surface->is_new) {
		surface_damage_all(surface);
	}
	return true;
}

bool oriel_qemu_surface_update(
		struct oriel_qemu_surface *surface, const struct oriel_qemu_update *update) {
	const struct oriel_qemu_box *box = &update->box;
	const struct oriel_guest_buffer_attributes *attributes = &surface->attributes;
	if (surface->bytes == NULL || box->x < 0 || box->y < 0 || box->width < 1 ||
			box->height < 1 || box->width > attributes->width ||
			box->height > attributes->height || box->x > attributes->width - box->width ||
			box->y > attributes->height - box->height) {
		return false;
	}
	struct oriel_guest_buffer_attributes part = {
		.width = box->width,
		.height = box->height,
		.stride_bytes = update->stride_bytes,
	};
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	if (!attributes_validate(&part, update->pixman_format, update->size_bytes, message) ||
			part.format != attributes->format) {
		return false;
	}
	surface_put_rows(surface, box, update->data, part.stride_bytes);
	if (surface->is_new) {
		surface_damage_all(surface);
	}
	return true;
}

static int64_t max64(int64_t a, int64_t b) {
	return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b) {
	return a < b ? a : b;
}

void oriel_qemu_surface_damage(struct oriel_qemu_surface *surface, const struct oriel_qemu_box *box) {
	int64_t left = max64(box->x, 0), top = max64(box->y, 0);
	int64_t right = min64((int64_t)box->x + box->width, surface->attributes.width);
	int64_t bottom = min64((int64_t)box->y + box->height, surface->attributes.height);
	if (surface->map != NULL && left < right && top < bottom) {
		region_add(&surface->damage, (int)left, (int)top, (int)(right - left),
				(int)(bottom - top));
	}
}

bool oriel_qemu_surface_is_damaged(const struct oriel_qemu_surface *surface) {
	/* Which takes no const, and changes nothing. */
	return pixman_region32_not_empty((pixman_region32_t *)&surface->damage);
}

/* --- taking ----------------------------------------------------------------------------------- */

/*
 * What differs is noted in surface->taken: QEMU says of much that it has changed which has not, as of a
 * VGA's cursor with each look at it. What was read when the map had ended does not get into the pixels.
 */
static void surface_copy_box(struct oriel_qemu_surface *surface, const pixman_box32_t *box) {
	const struct oriel_guest_buffer_attributes *attributes = &surface->attributes;
	const size_t pixel_bytes = oriel_validate_get_pixel_bytes(attributes->format);
	const size_t size_bytes = (size_t)(box->x2 - box->x1) * pixel_bytes;
	const size_t begin_bytes = (size_t)box->x1 * pixel_bytes;
	const uint8_t *source = surface->map != NULL ? surface->map + attributes->offset_bytes
						     : surface->bytes;
	struct rows rows = {
		.region = &surface->taken,
		.x = box->x1,
		.y = box->y1,
		.width = box->x2 - box->x1,
	};
	for (size_t y = (size_t)box->y1; y < (size_t)box->y2; y++) {
		const uint8_t *from = source + y * attributes->stride_bytes + begin_bytes;
		uint8_t *to = surface->pixels.data + y * surface->pixels.attributes.stride_bytes +
				begin_bytes;
		if (surface->map != NULL) {
			memcpy(surface->row, from, size_bytes);
			if (!oriel_fault_guard_is_intact()) {
				return;
			}
			from = surface->row;
		}
		rows_put(&rows, to, from, size_bytes);
	}
	rows_end(&rows);
}

/* False if the map has ended. */
static bool surface_copy(struct oriel_qemu_surface *surface, const pixman_region32_t *region) {
	int count;
	const pixman_box32_t *boxes = pixman_region32_rectangles(region, &count);
	if (surface->map != NULL) {
		oriel_fault_guard_begin(surface->map, surface->map_size_bytes);
	}
	for (int i = 0; i < count; i++) {
		surface_copy_box(surface, &boxes[i]);
	}
	return surface->map == NULL || oriel_fault_guard_end();
}

/* Room for the picture. 0 or -errno. */
static int surface_make_pixels(struct oriel_qemu_surface *surface) {
	const struct oriel_guest_buffer_attributes packed =
			oriel_guest_pixels_pack(&surface->attributes);
	if (surface->pixels.buffer == NULL ||
			!oriel_guest_buffer_attributes_equal(&surface->pixels.attributes, &packed)) {
		free(surface->row);
		surface->row = malloc(packed.stride_bytes);
		if (surface->row == NULL) {
			oriel_guest_pixels_clear(&surface->pixels);
			return -ENOMEM;
		}
	}
	return oriel_guest_pixels_set(&surface->pixels, &packed);
}

int oriel_qemu_surface_take(struct oriel_qemu_surface *surface, uint64_t now_ns,
		const pixman_region32_t **ret_damage) {
	if (!oriel_qemu_surface_is_damaged(surface) || now_ns < surface->next_ns) {
		return 0;
	}
	bool is_new = surface->is_new;
	if (is_new) {
		surface_damage_all(surface);
	}
	int ret = surface_make_pixels(surface);
	if (ret != 0) {
		return ret;
	}
	pixman_region32_clear(&surface->taken);
	uint64_t start_ns = oriel_clock_thread_cpu_ns();
	if (!surface_copy(surface, &surface->damage)) {
		oriel_qemu_surface_clear(surface);
		return -EFAULT;
	}
	surface->next_ns = now_ns + (oriel_clock_thread_cpu_ns() - start_ns) * TAKE_PARTS;
	pixman_region32_clear(&surface->damage);
	surface->is_new = false;
	*ret_damage = is_new ? NULL : &surface->taken;
	return is_new || pixman_region32_not_empty(&surface->taken) ? 1 : 0;
}

void oriel_qemu_surface_renew(struct oriel_qemu_surface *surface) {
	surface->is_new = surface->map != NULL || surface->bytes != NULL;
}

void oriel_qemu_surface_forget(struct oriel_qemu_surface *surface) {
	if (surface->map != NULL || surface->bytes != NULL) {
		surface->is_new = true;
		surface_damage_all(surface);
	}
}
