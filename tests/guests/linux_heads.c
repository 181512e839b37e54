#include "linux_heads.h"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "linux.h"
#include "linux_say.h"
#include "picture.h"

#define CARDS_MAX 16
#define HEADS_MAX 16
#define CURSOR_BUFFER_SIZE 64

struct buffer {
	uint32_t handle; /* 0: none */
	uint32_t fb_id;
	uint32_t width, height;
	uint32_t stride; /* bytes */
	uint32_t *pixels;
	size_t size_bytes;
};

static struct head {
	uint32_t connector_id, crtc_id;
	int preferred_width, preferred_height; /* 0: nothing is plugged in */
	drmModeModeInfo mode; /* its sizes are 0 while it is off */
	struct buffer buffers[2];
	unsigned shown; /* of the buffers */
	uint32_t seed;
	unsigned flips_left;
	struct buffer cursor;
	int hot_x, hot_y;
} heads[HEADS_MAX];
static unsigned head_count;
static int card_fd;

/* --- buffers ---------------------------------------------------------------------------------- */

static void buffer_finish(struct buffer *buffer) {
	if (buffer->handle == 0) {
		return;
	}
	munmap(buffer->pixels, buffer->size_bytes);
	if (buffer->fb_id != 0) {
		drmModeRmFB(card_fd, buffer->fb_id);
	}
	drmModeDestroyDumbBuffer(card_fd, buffer->handle);
	*buffer = (struct buffer){ 0 };
}

static void buffer_init(struct buffer *buffer, uint32_t width, uint32_t height) {
	*buffer = (struct buffer){ .width = width, .height = height };
	uint64_t size_bytes, offset;
	if (drmModeCreateDumbBuffer(card_fd, width, height, 32, 0, &buffer->handle, &buffer->stride,
			    &size_bytes) != 0 ||
			drmModeMapDumbBuffer(card_fd, buffer->handle, &offset) != 0) {
		give_up("cannot make a buffer");
	}
	buffer->size_bytes = size_bytes;
	buffer->pixels = mmap(NULL, buffer->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, card_fd,
			(off_t)offset);
	if (buffer->pixels == MAP_FAILED) {
		give_up("cannot map a buffer");
	}
}

static void buffer_add_fb(struct buffer *buffer) {
	const uint32_t handles[4] = { buffer->handle };
	const uint32_t strides[4] = { buffer->stride };
	const uint32_t offsets[4] = { 0 };
	if (drmModeAddFB2(card_fd, buffer->width, buffer->height, DRM_FORMAT_XRGB8888, handles,
			    strides, offsets, &buffer->fb_id, 0) != 0) {
		give_up("cannot make a framebuffer");
	}
}

static void buffer_paint(struct buffer *buffer, uint32_t seed) {
	uint32_t n = 0;
	for (uint32_t y = 0; y < buffer->height; y++) {
		uint32_t *row = buffer->pixels + (size_t)y * (buffer->stride / 4);
		for (uint32_t x = 0; x < buffer->width; x++) {
			row[x] = guest_picture_get_pixel(n++, seed);
		}
	}
}

/* --- modes ------------------------------------------------------------------------------------ */

static struct buffer *head_get_shown(struct head *head) {
	return &head->buffers[head->shown];
}

static void head_finish_buffers(struct head *head) {
	buffer_finish(&head->buffers[0]);
	buffer_finish(&head->buffers[1]);
	head->shown = 0;
}

static void head_turn_off(struct head *head) {
	if (head->mode.hdisplay != 0) {
		drmModeSetCrtc(card_fd, head->crtc_id, 0, 0, 0, NULL, 0, NULL);
		head->mode = (drmModeModeInfo){ 0 };
		head_finish_buffers(head);
	}
	say("head %d off", (int)(head - heads));
}

static void head_set_mode(struct head *head, const drmModeModeInfo *mode) {
	struct buffer buffer;
	buffer_init(&buffer, mode->hdisplay, mode->vdisplay);
	buffer_add_fb(&buffer);
	buffer_paint(&buffer, head->seed);
	head->mode = *mode;
	if (drmModeSetCrtc(card_fd, head->crtc_id, buffer.fb_id, 0, 0, &head->connector_id, 1,
			    &head->mode) != 0) {
		give_up("cannot set a mode");
	}
	head_finish_buffers(head);
	head->buffers[0] = buffer;
	say("head %d %dx%d", (int)(head - heads), mode->hdisplay, mode->vdisplay);
}

/* NULL: nothing is plugged in. */
static const drmModeModeInfo *connector_get_preferred(const drmModeConnector *connector) {
	if (connector->connection != DRM_MODE_CONNECTED) {
		return NULL;
	}
	for (int i = 0; i < connector->count_modes; i++) {
		if (connector->modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			return &connector->modes[i];
		}
	}
	return connector->count_modes > 0 ? &connector->modes[0] : NULL;
}

static void head_look(struct head *head, bool is_new) {
	drmModeConnector *connector = drmModeGetConnector(card_fd, head->connector_id);
	if (connector == NULL) {
		give_up("cannot look at a connector");
	}
	const drmModeModeInfo *mode = connector_get_preferred(connector);
	int width = mode != NULL ? mode->hdisplay : 0, height = mode != NULL ? mode->vdisplay : 0;
	if (is_new || width != head->preferred_width || height != head->preferred_height) {
		head->preferred_width = width;
		head->preferred_height = height;
		if (mode != NULL) {
			head_set_mode(head, mode);
		} else {
			head_turn_off(head);
		}
	}
	drmModeFreeConnector(connector);
}

/* The test kernel has virtual cards too, which no machine has. -1: there is no other. */
static int open_card(void) {
	for (int i = 0; i < CARDS_MAX; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		drmVersion *version = fd >= 0 ? drmGetVersion(fd) : NULL;
		bool is_machines = version != NULL && strcmp(version->name, "virtio_gpu") == 0;
		drmFreeVersion(version);
		if (is_machines) {
			return fd;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	return -1;
}

int heads_open(void) {
	card_fd = open_card();
	if (card_fd < 0) {
		return -1;
	}
	drmModeRes *resources = drmModeGetResources(card_fd);
	if (resources == NULL) {
		give_up("cannot list the heads");
	}
	for (int i = 0; i < resources->count_connectors && i < resources->count_crtcs && i < HEADS_MAX;
			i++) {
		heads[head_count++] = (struct head){
			.connector_id = resources->connectors[i],
			.crtc_id = resources->crtcs[i],
			.seed = (uint32_t)i + 1,
		};
	}
	drmModeFreeResources(resources);
	return card_fd;
}

void heads_look(bool is_new) {
	for (unsigned i = 0; i < head_count; i++) {
		head_look(&heads[i], is_new);
	}
}

static struct head *get_head(unsigned n) {
	return n < head_count && heads[n].mode.hdisplay != 0 ? &heads[n] : NULL;
}

bool heads_set_mode(unsigned n, int width, int height) {
	struct head *head = get_head(n);
	if (head == NULL) {
		return false;
	}
	drmModeConnector *connector = drmModeGetConnectorCurrent(card_fd, head->connector_id);
	bool is_found = false;
	for (int i = 0; connector != NULL && i < connector->count_modes && !is_found; i++) {
		const drmModeModeInfo *mode = &connector->modes[i];
		if (mode->hdisplay == width && mode->vdisplay == height) {
			head_set_mode(head, mode);
			is_found = true;
		}
	}
	drmModeFreeConnector(connector);
	return is_found;
}

/* --- pictures --------------------------------------------------------------------------------- */

static void head_flush(
		struct head *head, uint16_t left, uint16_t top, uint16_t right, uint16_t bottom) {
	drmModeClip clip = { .x1 = left, .y1 = top, .x2 = right, .y2 = bottom };
	if (drmModeDirtyFB(card_fd, head_get_shown(head)->fb_id, &clip, 1) != 0) {
		give_up("cannot flush a picture");
	}
}

bool heads_paint(unsigned n, uint32_t seed) {
	struct head *head = get_head(n);
	if (head == NULL) {
		return false;
	}
	head->seed = seed;
	buffer_paint(head_get_shown(head), seed);
	head_flush(head, 0, 0, head->mode.hdisplay, head->mode.vdisplay);
	say("painted %u %u", n, seed);
	return true;
}

bool heads_paint_box(unsigned n, int x, int y, int width, int height, uint32_t rgb) {
	struct head *head = get_head(n);
	if (head == NULL || x < 0 || y < 0 || width < 1 || height < 1 ||
			x + width > head->mode.hdisplay || y + height > head->mode.vdisplay) {
		return false;
	}
	struct buffer *buffer = head_get_shown(head);
	for (int i = y; i < y + height; i++) {
		uint32_t *row = buffer->pixels + (size_t)i * (buffer->stride / 4);
		for (int j = x; j < x + width; j++) {
			row[j] = rgb;
		}
	}
	head_flush(head, (uint16_t)x, (uint16_t)y, (uint16_t)(x + width), (uint16_t)(y + height));
	return true;
}

static void head_flip(struct head *head) {
	struct buffer *buffer = &head->buffers[!head->shown];
	if (buffer->handle == 0) {
		buffer_init(buffer, head->mode.hdisplay, head->mode.vdisplay);
		buffer_add_fb(buffer);
	}
	buffer_paint(buffer, ++head->seed);
	if (drmModePageFlip(card_fd, head->crtc_id, buffer->fb_id, DRM_MODE_PAGE_FLIP_EVENT, head) !=
			0) {
		give_up("cannot flip");
	}
	head->shown = !head->shown;
}

bool heads_flip(unsigned n, unsigned count) {
	struct head *head = get_head(n);
	if (head == NULL || count == 0 || head->flips_left != 0) {
		return false;
	}
	head->flips_left = count;
	head_flip(head);
	return true;
}

static void handle_flip(int fd, unsigned sequence, unsigned tv_sec, unsigned tv_usec, void *data) {
	struct head *head = data;
	if (--head->flips_left > 0) {
		head_flip(head);
	} else {
		say("flipped %d %u", (int)(head - heads), head->seed);
	}
}

void heads_handle_events(void) {
	drmEventContext context = { .version = 2, .page_flip_handler = handle_flip };
	drmHandleEvent(card_fd, &context);
}

/* --- cursors ---------------------------------------------------------------------------------- */

bool heads_show_cursor(unsigned n, int x, int y, int hot_x, int hot_y, uint32_t rgb) {
	struct head *head = get_head(n);
	if (head == NULL) {
		return false;
	}
	struct buffer old = head->cursor;
	buffer_init(&head->cursor, CURSOR_BUFFER_SIZE, CURSOR_BUFFER_SIZE);
	for (int row = 0; row < CURSOR_BUFFER_SIZE; row++) {
		for (int column = 0; column < CURSOR_BUFFER_SIZE; column++) {
			bool is_inside = row < LINUX_CURSOR_SIZE && column < LINUX_CURSOR_SIZE;
			head->cursor.pixels[(size_t)row * (head->cursor.stride / 4) + (size_t)column] =
					is_inside ? 0xff000000 | rgb : 0;
		}
	}
	head->hot_x = hot_x;
	head->hot_y = hot_y;
	bool is_shown = drmModeSetCursor2(card_fd, head->crtc_id, head->cursor.handle,
					CURSOR_BUFFER_SIZE, CURSOR_BUFFER_SIZE, hot_x, hot_y) == 0 &&
			heads_move_cursor(n, x, y);
	buffer_finish(&old);
	return is_shown;
}

bool heads_move_cursor(unsigned n, int x, int y) {
	struct head *head = get_head(n);
	return head != NULL &&
			drmModeMoveCursor(card_fd, head->crtc_id, x - head->hot_x,
					y - head->hot_y) == 0;
}

bool heads_hide_cursor(unsigned n) {
	struct head *head = get_head(n);
	if (head == NULL || drmModeSetCursor(card_fd, head->crtc_id, 0, 0, 0) != 0) {
		return false;
	}
	buffer_finish(&head->cursor);
	return true;
}
