#ifndef TESTS_SUPPORT_FAKE_DISPLAY_H
#define TESTS_SUPPORT_FAKE_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* <systemd/sd-bus.h>, or that of another library of the same API. */
#include ORIEL_SD_BUS_HEADER

/*
 * QEMU's side of a listener connection, with the test as its guest: it sends each call with whatever
 * arguments, and sees the answers. It never waits: fake_display_step() does what can be done now.
 */
#define FAKE_DISPLAY_PATH "/org/qemu/Display1/Listener"
#define FAKE_DISPLAY_INTERFACE "org.qemu.Display1.Listener"
#define FAKE_DISPLAY_MAP FAKE_DISPLAY_INTERFACE ".Unix.Map"
#define FAKE_DISPLAY_DMABUF2 FAKE_DISPLAY_INTERFACE ".Unix.ScanoutDMABUF2"

struct fake_display {
	sd_bus *bus; /* NULL: there is no connection */
	unsigned answers, errors; /* to calls that want one; errors count as answers, too */
	char last_error[64]; /* its name */
	bool has_map, has_dmabuf2; /* what the listener says that it takes, once asked */
	bool is_closed; /* the listener has gone */
};

/* take_fd is what was to be given to QEMU. */
void fake_display_init(struct fake_display *display, int take_fd);
void fake_display_finish(struct fake_display *display);

/* Sends what there is to send, and reads what has come. True if anything was done. */
bool fake_display_step(struct fake_display *display);

/* What QEMU does first. The answer sets has_map and has_dmabuf2. */
void fake_display_ask_interfaces(struct fake_display *display);

/* A call of any kind: types and what follows are sd_bus_message_append()'s. */
void fake_display_call(struct fake_display *display, const char *interface, const char *member,
		bool wants_answer, const char *types, ...);

/* As QEMU sends them. Files are borrowed. */
void fake_display_scanout(struct fake_display *display, uint32_t width, uint32_t height,
		uint32_t stride_bytes, uint32_t pixman_format, const void *data, size_t size_bytes);
void fake_display_update(struct fake_display *display, int x, int y, int width, int height,
		uint32_t stride_bytes, uint32_t pixman_format, const void *data, size_t size_bytes);
void fake_display_scanout_map(struct fake_display *display, int fd, uint32_t offset_bytes,
		uint32_t width, uint32_t height, uint32_t stride_bytes, uint32_t pixman_format);
void fake_display_update_map(struct fake_display *display, int x, int y, int width, int height);
void fake_display_scanout_dmabuf(struct fake_display *display, int fd, uint32_t width,
		uint32_t height, uint32_t stride_bytes, uint32_t fourcc, uint64_t modifier,
		bool y0_top);

struct fake_display_dmabuf {
	int fds[8];
	uint32_t offsets[8], strides[8];
	size_t fd_count, offset_count, stride_count;
	uint32_t plane_count;
	uint32_t x, y, width, height, backing_width, backing_height;
	uint32_t fourcc;
	uint64_t modifier;
	bool y0_top;
};
void fake_display_scanout_dmabuf2(
		struct fake_display *display, const struct fake_display_dmabuf *dmabuf);
void fake_display_update_dmabuf(struct fake_display *display, int x, int y, int width, int height);
void fake_display_disable(struct fake_display *display);
void fake_display_mouse_set(struct fake_display *display, int x, int y, int is_on);
void fake_display_cursor_define(struct fake_display *display, int width, int height, int hot_x,
		int hot_y, const void *data, size_t size_bytes);

#endif
