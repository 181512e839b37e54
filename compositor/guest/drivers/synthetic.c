#include <assert.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/util/log.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/sync_file.h>

#include "fd.h"
#include "guest/buffer.h"
#include "guest/source_impl.h"
#include "guest/validate.h"

/*
 * A guest without a machine: it draws its own moving picture, for tests and for a look at oriel
 * where there is no VM. Its buffers are dma-bufs where /dev/udmabuf exists and shared memory where
 * not. Towards the compositor it behaves as a guest that syncs implicitly: it draws only into a
 * buffer that was released and whose readers' fences have signalled.
 */

#define SYNTHETIC_WIDTH 1280
#define SYNTHETIC_HEIGHT 720
/* One shown, one on its way, one to draw. */
#define SYNTHETIC_BUFFERS 3

struct synthetic_buffer {
	struct oriel_guest_buffer *buffer;
	uint32_t *pixels;
	size_t frames; /* not released yet */
};

struct synthetic_source {
	struct oriel_source base;
	int width, height;
	size_t size_bytes; /* of each buffer's memory */
	struct synthetic_buffer buffers[SYNTHETIC_BUFFERS];
	uint32_t tick;
};

static const struct oriel_source_ops synthetic_ops;

static struct synthetic_source *synthetic_from_source(struct oriel_source *source) {
	assert(source->ops == &synthetic_ops);
	struct synthetic_source *synthetic = wl_container_of(source, synthetic, base);
	return synthetic;
}

static bool synthetic_buffer_is_free(const struct synthetic_buffer *slot) {
	if (slot->frames > 0) {
		return false;
	}
	int dmabuf_fd = oriel_guest_buffer_get_dmabuf_fd(slot->buffer);
	if (dmabuf_fd < 0) {
		return true;
	}
	int sync_file_fd;
	if (sb_dmabuf_export_sync_file(dmabuf_fd, SB_ACCESS_WRITE, &sync_file_fd) != 0) {
		return false;
	}
	bool idle = sb_sync_file_wait(sync_file_fd, 0) == 0;
	sb_fd_clear(&sync_file_fd);
	return idle;
}

/* A still gradient, so that a scaler's faults show, and a bar that sweeps across it. */
static void synthetic_draw(struct synthetic_source *synthetic, uint32_t *pixels) {
	int bar_width = synthetic->width / 16 + 1;
	int bar_x = (int)(synthetic->tick * 4 % (uint32_t)synthetic->width);
	for (int y = 0; y < synthetic->height; y++) {
		uint32_t *row = &pixels[(size_t)y * (size_t)synthetic->width];
		uint32_t green = (uint32_t)(y * 255 / synthetic->height);
		for (int x = 0; x < synthetic->width; x++) {
			uint32_t red = (uint32_t)(x * 255 / synthetic->width);
			row[x] = red << 16 | green << 8 | 0x40;
		}
		for (int x = bar_x; x < bar_x + bar_width && x < synthetic->width; x++) {
			row[x] = 0xf0f0f0;
		}
	}
}

static void synthetic_handle_poll(struct oriel_source *source) {
	struct synthetic_source *synthetic = synthetic_from_source(source);
	struct synthetic_buffer *slot = NULL;
	for (size_t i = 0; i < SYNTHETIC_BUFFERS && slot == NULL; i++) {
		if (synthetic_buffer_is_free(&synthetic->buffers[i])) {
			slot = &synthetic->buffers[i];
		}
	}
	if (slot == NULL) {
		return;
	}

	int dmabuf_fd = oriel_guest_buffer_get_dmabuf_fd(slot->buffer);
	if (dmabuf_fd >= 0) {
		sb_dmabuf_begin_cpu_access(dmabuf_fd, SB_ACCESS_WRITE);
	}
	synthetic_draw(synthetic, slot->pixels);
	if (dmabuf_fd >= 0) {
		sb_dmabuf_end_cpu_access(dmabuf_fd, SB_ACCESS_WRITE);
	}

	synthetic->tick++;
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_RUNNING);
	slot->frames++;
	const struct oriel_source_picture picture = { .buffer = slot->buffer };
	if (!oriel_source_submit(source, &picture)) {
		slot->frames--;
	}
}

static void synthetic_handle_release(struct oriel_source *source, struct oriel_guest_buffer *buffer) {
	struct synthetic_source *synthetic = synthetic_from_source(source);
	for (size_t i = 0; i < SYNTHETIC_BUFFERS; i++) {
		if (synthetic->buffers[i].buffer == buffer) {
			assert(synthetic->buffers[i].frames > 0);
			synthetic->buffers[i].frames--;
		}
	}
}

static void synthetic_handle_destroy(struct oriel_source *source) {
	struct synthetic_source *synthetic = synthetic_from_source(source);
	oriel_source_finish(source);
	for (size_t i = 0; i < SYNTHETIC_BUFFERS; i++) {
		struct synthetic_buffer *slot = &synthetic->buffers[i];
		oriel_guest_buffer_drop(slot->buffer);
		if (slot->pixels != NULL) {
			munmap(slot->pixels, synthetic->size_bytes);
		}
	}
	free(synthetic);
}

static const struct oriel_source_ops synthetic_ops = {
	.poll = synthetic_handle_poll,
	.release = synthetic_handle_release,
	.destroy = synthetic_handle_destroy,
};

/* The dma-buf of a sealed memfd, or -1 where the kernel has no udmabuf or refuses. */
static int udmabuf_create(int memfd, size_t size_bytes) {
	int device_fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device_fd < 0) {
		return -1;
	}
	struct udmabuf_create create = {
		.memfd = (uint32_t)memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size_bytes,
	};
	int dmabuf_fd = ioctl(device_fd, UDMABUF_CREATE, &create);
	sb_fd_clear(&device_fd);
	return dmabuf_fd;
}

static bool synthetic_buffer_init(struct synthetic_source *synthetic, struct synthetic_buffer *slot) {
	int memfd = memfd_create("oriel-synthetic", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0) {
		return false;
	}
	/* udmabuf takes only memory that cannot shrink under it. */
	if (ftruncate(memfd, (off_t)synthetic->size_bytes) != 0 ||
			fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
		goto error_memfd;
	}
	void *map = mmap(NULL, synthetic->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (map == MAP_FAILED) {
		goto error_memfd;
	}
	slot->pixels = map;

	struct oriel_guest_buffer_attributes attributes = {
		.width = synthetic->width,
		.height = synthetic->height,
		.format = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.stride_bytes = (uint64_t)synthetic->width * 4,
	};
	int dmabuf_fd = udmabuf_create(memfd, synthetic->size_bytes);
	if (dmabuf_fd >= 0) {
		sb_fd_clear(&memfd);
		slot->buffer = oriel_guest_buffer_create(
				&attributes, ORIEL_GUEST_MEMORY_DMABUF, dmabuf_fd);
	} else {
		slot->buffer = oriel_guest_buffer_create(
				&attributes, ORIEL_GUEST_MEMORY_SHARED, memfd);
	}
	return slot->buffer != NULL;

error_memfd:
	sb_fd_clear(&memfd);
	return false;
}

static bool parse_size(const char *where, int *ret_width, int *ret_height) {
	int width, height, end = 0;
	/* Five digits hold ORIEL_VALIDATE_SIZE_MAX, and no more than an int holds. */
	if (sscanf(where, "%5dx%5d%n", &width, &height, &end) != 2 || where[end] != '\0' ||
			width < 1 || height < 1 || width > ORIEL_VALIDATE_SIZE_MAX ||
			height > ORIEL_VALIDATE_SIZE_MAX) {
		return false;
	}
	*ret_width = width;
	*ret_height = height;
	return true;
}

static struct oriel_source *synthetic_create(struct wl_event_loop *loop, const char *name,
		const char *where, const struct oriel_source_options *options) {
	int width = SYNTHETIC_WIDTH, height = SYNTHETIC_HEIGHT;
	if (where != NULL && !parse_size(where, &width, &height)) {
		wlr_log(WLR_ERROR, "guest %s: synthetic: expected WIDTHxHEIGHT, got '%s'", name,
				where);
		return NULL;
	}

	struct synthetic_source *synthetic = calloc(1, sizeof(*synthetic));
	if (synthetic == NULL || !oriel_source_init(&synthetic->base, &synthetic_ops, name)) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		free(synthetic);
		return NULL;
	}
	synthetic->width = width;
	synthetic->height = height;
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t picture_bytes = (size_t)width * (size_t)height * 4;
	synthetic->size_bytes = (picture_bytes + page_bytes - 1) / page_bytes * page_bytes;
	for (size_t i = 0; i < SYNTHETIC_BUFFERS; i++) {
		if (!synthetic_buffer_init(synthetic, &synthetic->buffers[i])) {
			wlr_log_errno(WLR_ERROR, "guest %s: no memory for a %dx%d picture", name,
					width, height);
			oriel_source_destroy(&synthetic->base);
			return NULL;
		}
	}
	return &synthetic->base;
}

const struct oriel_source_driver oriel_synthetic_driver = {
	.name = "synthetic",
	.create = synthetic_create,
};
