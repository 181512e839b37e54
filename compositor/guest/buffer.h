#ifndef ORIEL_GUEST_BUFFER_H
#define ORIEL_GUEST_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sb_buffer;
struct wlr_buffer;

/*
 * A guest buffer is the memory that one or more frames live in. It exists once for as long as the
 * guest uses that memory, since renderers and KMS keep what they import by wlr_buffer: a new
 * object for every frame would be a new import for every frame.
 *
 * It is a wlr_buffer (oriel_guest_buffer_get_wlr_buffer()), and lives by that one's rules: the
 * creator drops it once, everybody else locks and unlocks it.
 */
struct oriel_guest_buffer;

/* Planes beside the one with the pixels, as GPUs have for what they know of compressed ones. */
#define ORIEL_GUEST_BUFFER_EXTRA_PLANES_MAX 3

struct oriel_guest_buffer_attributes {
	int width, height; /* pixels */
	uint32_t format; /* DRM fourcc */
	uint64_t modifier; /* DRM format modifier */
	uint64_t stride_bytes;
	uint64_t offset_bytes; /* of the first pixel */
	size_t extra_plane_count;
	struct {
		uint64_t stride_bytes, offset_bytes;
	} extra_planes[ORIEL_GUEST_BUFFER_EXTRA_PLANES_MAX];
};

bool oriel_guest_buffer_attributes_equal(const struct oriel_guest_buffer_attributes *a,
		const struct oriel_guest_buffer_attributes *b);

enum oriel_guest_memory {
	ORIEL_GUEST_MEMORY_DMABUF, /* the fd is a dma-buf */
	ORIEL_GUEST_MEMORY_SHARED, /* the fd is a memfd: mapped, never imported */
};

/*
 * The attributes must have passed oriel_validate_buffer() for this very fd. NULL if memory ran
 * out.
 */
struct oriel_guest_buffer *oriel_guest_buffer_create(
		const struct oriel_guest_buffer_attributes *attributes,
		enum oriel_guest_memory memory, int take_fd);

/*
 * The same of a dma-buf with as many extra planes as the attributes say, whose files, in order, come
 * after the first. All of take_fds is consumed in every case.
 */
struct oriel_guest_buffer *oriel_guest_buffer_create_with_planes(
		const struct oriel_guest_buffer_attributes *attributes, int *take_fds);

/* The creator's reference. The buffer lives on until its last lock is gone. NULL is fine. */
void oriel_guest_buffer_drop(struct oriel_guest_buffer *buffer);

struct oriel_guest_buffer *oriel_guest_buffer_lock(struct oriel_guest_buffer *buffer);
void oriel_guest_buffer_unlock(struct oriel_guest_buffer *buffer);

struct wlr_buffer *oriel_guest_buffer_get_wlr_buffer(struct oriel_guest_buffer *buffer);

const struct oriel_guest_buffer_attributes *oriel_guest_buffer_get_attributes(
		const struct oriel_guest_buffer *buffer);

/* The dma-buf of the pixels, borrowed, or -1 if the memory is none. */
int oriel_guest_buffer_get_dmabuf_fd(const struct oriel_guest_buffer *buffer);

/* All of them, for their fences, or NULL. */
const struct sb_buffer *oriel_guest_buffer_get_dmabufs(const struct oriel_guest_buffer *buffer);

/* How the buffer's pixels are read. */
enum oriel_guest_read_path {
	ORIEL_GUEST_READ_PATH_UNDECIDED, /* a dma-buf that nobody has tried to import yet */
	ORIEL_GUEST_READ_PATH_IMPORT, /* by the renderer or KMS, as a dma-buf */
	ORIEL_GUEST_READ_PATH_CPU, /* through a mapping */
};

/*
 * Decided once, before the first read. A buffer that a renderer cannot import, or that must not be
 * left to its idea of synchronisation, is read by the CPU: from then on it offers itself as a
 * mapping only. Shared memory is that from the start.
 */
void oriel_guest_buffer_set_read_path(
		struct oriel_guest_buffer *buffer, enum oriel_guest_read_path read_path);
enum oriel_guest_read_path oriel_guest_buffer_get_read_path(const struct oriel_guest_buffer *buffer);

/* True if the memory can be mapped for reading. */
bool oriel_guest_buffer_can_map(struct oriel_guest_buffer *buffer);

/*
 * Begins reading the pixels as they are now, by the CPU and whatever the read path is: to look for
 * changes, not to show them. Waits for nobody (guest/cpu_access.h). While it lasts nothing else
 * reads the buffer by the CPU.
 *
 * Returns 0: *ret_data is the first pixel until oriel_guest_buffer_end_look(). -EBUSY: a writer is at
 * work, and nothing has begun; with any other -errno neither: the memory cannot be read.
 */
int oriel_guest_buffer_begin_look(struct oriel_guest_buffer *buffer, const void **ret_data);
void oriel_guest_buffer_end_look(struct oriel_guest_buffer *buffer);

#endif
