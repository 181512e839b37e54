/*
 * What QEMU's display says, to what is shown: every trap that a real QEMU has in store, played by a
 * fake one.
 */
#include "guest/drivers/qemu_display.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <pixman.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_display.h"
#include "fds.h"
#include "guest/exporter.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "guest/source_impl.h"
#include "log_lines.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define WIDTH 40
#define HEIGHT 30
#define STRIDE_BYTES (WIDTH * 4)
#define SIZE_BYTES (STRIDE_BYTES * HEIGHT)
#define FORMAT PIXMAN_x8r8g8b8
#define DMABUFS_MAX 8

/*
 * A source whose consumer shows each frame until the next one, and whose outputs read when the test
 * says so. A memfd stands for a dma-buf. Timers do not run, and are fired by the test.
 */
static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_source source;
	struct oriel_complaints complaints;
	struct oriel_qemu_display display;
	struct fake_display qemu;

	unsigned renewals;
	bool is_busy; /* the latch has a frame of each buffer */
	struct oriel_guest_frame *shown[ORIEL_GUEST_PLANE_COUNT];
	unsigned frames[ORIEL_GUEST_PLANE_COUNT];
	bool rejects; /* frames are let go at once */
	bool has_cursor;
	struct oriel_guest_cursor cursor;
	unsigned pendings;

	int still_ms, off_ms, error_ms, ack_ms; /* 0: not armed */

	ino_t dmabufs[DMABUFS_MAX]; /* memfds that are dma-bufs */
	size_t dmabuf_count;
	const char *exporter;
} context;

int __real_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);
int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg);
bool __wrap_oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]);

int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms) {
	if (source == context.display.still_timer) {
		context.still_ms = delay_ms;
	} else if (source == context.display.off_timer) {
		context.off_ms = delay_ms;
	} else if (source == context.display.error_timer) {
		context.error_ms = delay_ms;
	} else if (source == context.display.acks.timer) {
		context.ack_ms = delay_ms;
	} else {
		return __real_wl_event_source_timer_update(source, delay_ms);
	}
	return 0;
}

/* A dma-buf without a writer. */
int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg) {
	if (request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE) {
		struct dma_buf_export_sync_file *data = arg;
		data->fd = eventfd(1, EFD_CLOEXEC);
		assert_true(data->fd >= 0);
	}
	return 0;
}

bool __wrap_oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]) {
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	for (size_t i = 0; i < context.dmabuf_count; i++) {
		if (context.dmabufs[i] == status.st_ino) {
			snprintf(ret_name, ORIEL_EXPORTER_NAME_SIZE, "%s", context.exporter);
			return true;
		}
	}
	return false;
}

static void source_handle_poll(struct oriel_source *source) {
	oriel_qemu_display_poll(&context.display);
}

static void source_handle_release(struct oriel_source *source, struct oriel_guest_buffer *buffer) {
	oriel_qemu_display_release(&context.display);
}

static void source_handle_seen(struct oriel_source *source, enum oriel_guest_plane plane) {
	if (plane == ORIEL_GUEST_PLANE_PRIMARY) {
		oriel_qemu_display_see(&context.display);
	}
}

static void source_handle_destroy(struct oriel_source *source) {}

static const struct oriel_source_ops source_ops = {
	.poll = source_handle_poll,
	.release = source_handle_release,
	.seen = source_handle_seen,
	.destroy = source_handle_destroy,
};

static bool consumer_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return plane == ORIEL_GUEST_PLANE_CURSOR || !context.is_busy;
}

static void consumer_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	enum oriel_guest_plane plane = take_frame->plane;
	context.frames[plane]++;
	if (context.rejects) {
		oriel_guest_frame_destroy(take_frame);
		return;
	}
	struct oriel_guest_frame *before = context.shown[plane];
	context.shown[plane] = take_frame;
	oriel_guest_frame_destroy(before);
	if (plane == ORIEL_GUEST_PLANE_CURSOR) {
		context.has_cursor = true;
		context.cursor = take_frame->cursor;
	}
}

static void consumer_handle_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	context.has_cursor = cursor != NULL;
	if (cursor != NULL) {
		context.cursor = *cursor;
	}
}

static void consumer_handle_pending(void *data) {
	context.pendings++;
}

static void consumer_handle_state(void *data, enum oriel_source_state state) {}

static const struct oriel_source_consumer consumer = {
	.wants = consumer_handle_wants,
	.frame = consumer_handle_frame,
	.cursor = consumer_handle_cursor,
	.pending = consumer_handle_pending,
	.state = consumer_handle_state,
};

static void handle_renew(void *data) {
	assert_ptr_equal(data, &context);
	context.renewals++;
}

static const struct oriel_qemu_display_handler display_handler = {
	.renew = handle_renew,
};

/* Until neither end has anything to do. */
/* What comes passes through several files of the event loop, in as many pieces as they hold. */
static void settle(void) {
	struct pollfd pollfd = { .fd = wl_event_loop_get_fd(context.loop), .events = POLLIN };
	for (int idle = 0; idle < 3;) {
		bool has_done = fake_display_step(&context.qemu) || poll(&pollfd, 1, 0) > 0;
		assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
		idle = has_done ? 0 : idle + 1;
	}
}

static void attach(void) {
	fake_display_finish(&context.qemu);
	int peer_fd;
	assert_true(oriel_qemu_display_listen(&context.display, &peer_fd));
	fake_display_init(&context.qemu, peer_fd);
	settle();
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.exporter = "i915";
	log_lines_init();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	assert_true(oriel_source_init(&context.source, &source_ops, "win"));
	oriel_source_set_consumer(&context.source, &consumer, NULL);
	oriel_source_set_telling(&context.source);
	oriel_complaints_init(&context.complaints, "win", 1);
	assert_true(oriel_qemu_display_init(&context.display, context.loop, &context.source,
			&context.complaints, &display_handler, &context));
	attach();
	return 0;
}

static int teardown(void **state) {
	fake_display_finish(&context.qemu);
	oriel_source_set_consumer(&context.source, NULL, NULL);
	for (int plane = 0; plane < ORIEL_GUEST_PLANE_COUNT; plane++) {
		oriel_guest_frame_destroy(context.shown[plane]);
	}
	oriel_source_finish(&context.source);
	oriel_qemu_display_finish(&context.display);
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void fire(struct wl_event_source *timer) {
	__real_wl_event_source_timer_update(timer, 1);
	assert_int_equal(wl_event_loop_dispatch(context.loop, -1), 0);
}

/* What an output does before it draws: it asks if the source has told. True if it had. */
static bool draw(void) {
	settle();
	if (oriel_source_get_next_poll_ns(&context.source, 0) == ORIEL_SOURCE_POLL_NEVER) {
		return false;
	}
	context.display.surface.next_ns = 0; /* however dear the last copy was */
	oriel_source_poll(&context.source);
	return true;
}

static unsigned get_frames(void) {
	return context.frames[ORIEL_GUEST_PLANE_PRIMARY];
}

static const struct oriel_guest_frame *get_frame(void) {
	assert_non_null(context.shown[ORIEL_GUEST_PLANE_PRIMARY]);
	return context.shown[ORIEL_GUEST_PLANE_PRIMARY];
}

static const struct oriel_guest_buffer_attributes *get_attributes(void) {
	return oriel_guest_buffer_get_attributes(oriel_guest_frame_get_buffer(get_frame()));
}

static uint32_t get_pixel(enum oriel_guest_plane plane, int x, int y) {
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(context.shown[plane]);
	const void *data;
	assert_int_equal(oriel_guest_buffer_begin_look(buffer, &data), 0);
	uint32_t pixel;
	memcpy(&pixel,
			(const uint8_t *)data +
					(size_t)y * oriel_guest_buffer_get_attributes(buffer)->stride_bytes +
					(size_t)x * 4,
			4);
	oriel_guest_buffer_end_look(buffer);
	return pixel;
}

/* All of the picture that is shown. */
static void assert_shows(uint32_t colour) {
	const struct oriel_guest_buffer_attributes *attributes = get_attributes();
	for (int y = 0; y < attributes->height; y++) {
		for (int x = 0; x < attributes->width; x++) {
			assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, x, y), colour);
		}
	}
}

static void assert_damage(int x, int y, int width, int height) {
	assert_true(get_frame()->damage_known);
	const pixman_box32_t *extents = pixman_region32_extents(&get_frame()->damage);
	assert_int_equal(extents->x1, x);
	assert_int_equal(extents->y1, y);
	assert_int_equal(extents->x2 - extents->x1, width);
	assert_int_equal(extents->y2 - extents->y1, height);
}

static void assert_state(enum oriel_source_state state) {
	assert_int_equal(oriel_source_get_state(&context.source), state);
}

static void fill(uint32_t *pixels, size_t size_bytes, uint32_t colour) {
	for (size_t i = 0; i < size_bytes / 4; i++) {
		pixels[i] = colour;
	}
}

static int make_memory(size_t size_bytes, uint32_t colour, uint32_t **ret_pixels) {
	int fd = memfd_create("displaysurface", MFD_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0);
	uint32_t *pixels = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(pixels != MAP_FAILED);
	fill(pixels, size_bytes, colour);
	if (ret_pixels != NULL) {
		*ret_pixels = pixels;
	} else {
		munmap(pixels, size_bytes);
	}
	return fd;
}

static int make_dmabuf(size_t size_bytes, uint32_t colour) {
	int fd = make_memory(size_bytes, colour, NULL);
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(context.dmabuf_count < DMABUFS_MAX);
	context.dmabufs[context.dmabuf_count++] = status.st_ino;
	return fd;
}

static void send_map(int fd) {
	fake_display_scanout_map(&context.qemu, fd, 0, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT);
	settle();
}

static void send_bytes(int width, int height, uint32_t colour) {
	size_t size_bytes = (size_t)width * (size_t)height * 4;
	uint32_t *pixels = malloc(size_bytes);
	assert_non_null(pixels);
	fill(pixels, size_bytes, colour);
	fake_display_scanout(&context.qemu, (uint32_t)width, (uint32_t)height, (uint32_t)width * 4,
			FORMAT, pixels, size_bytes);
	free(pixels);
	settle();
}

static void send_dmabuf(int fd) {
	fake_display_scanout_dmabuf(&context.qemu, fd, WIDTH, HEIGHT, STRIDE_BYTES,
			DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
	settle();
}

static void update_dmabuf(void) {
	fake_display_update_dmabuf(&context.qemu, 0, 0, WIDTH, HEIGHT);
	settle();
}

/* An output composes what is shown, by the CPU. */
static void read_frame(void) {
	struct oriel_release *release = get_frame()->release;
	oriel_release_begin_read(release);
	oriel_release_end_read(release);
	settle();
}

/* --- shared memory ---------------------------------------------------------------------------- */

static void map_is_shown_with_its_first_update(void **state) {
	uint32_t *pixels;
	int fd = make_memory(SIZE_BYTES, 0x112233, &pixels);
	send_map(fd);
	assert_int_equal(context.qemu.answers, 1);
	assert_int_equal(context.qemu.errors, 0);
	assert_false(draw());
	assert_state(ORIEL_SOURCE_STATE_WAITING);
	/* It need not be of all: the rest is there, too. */
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, 1);
	assert_true(draw());
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(get_frames(), 1);
	assert_false(get_frame()->damage_known);
	assert_shows(0x112233);
	assert_false(draw());

	/* From there on what was updated, as it is when it is taken. */
	fake_display_update_map(&context.qemu, 3, 4, 5, 6);
	settle();
	fill(pixels, SIZE_BYTES, 0x445566);
	assert_true(draw());
	assert_damage(3, 4, 5, 6);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 3, 4), 0x445566);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 7, 9), 0x445566);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 2, 4), 0x112233);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 8, 9), 0x112233);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 7, 10), 0x112233);
	munmap(pixels, SIZE_BYTES);
	close(fd);
}

static void map_updates_beyond_it_are_cut(void **state) {
	uint32_t *pixels;
	int fd = make_memory(SIZE_BYTES, 1, &pixels);
	send_map(fd);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	static const struct oriel_qemu_box outside[] = {
		{ WIDTH, 0, 1, 1 },
		{ 0, HEIGHT, 1, 1 },
		{ -1, 0, 1, 1 },
		{ 0, 0, 0, 1 },
		{ 0, 0, -5, 5 },
		{ INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN },
		{ INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(outside); i++) {
		fake_display_update_map(&context.qemu, outside[i].x, outside[i].y, outside[i].width,
				outside[i].height);
		assert_false(draw());
	}
	fill(pixels, SIZE_BYTES, 2);
	fake_display_update_map(&context.qemu, WIDTH - 2, -3, INT32_MAX, 5);
	assert_true(draw());
	assert_damage(WIDTH - 2, 0, 2, 2);
	assert_int_equal(context.renewals, 0);
	munmap(pixels, SIZE_BYTES);
	close(fd);
}

/* A VGA's cursor is said to change with each look that QEMU has at it. */
static void map_updates_of_what_is_the_same_are_no_frame(void **state) {
	uint32_t *pixels;
	int fd = make_memory(SIZE_BYTES, 1, &pixels);
	send_map(fd);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	fake_display_update_map(&context.qemu, 0, 3, 9, 16);
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	assert_false(draw());
	/* Of a box, the rows that differ. */
	pixels[5 * WIDTH + 8] = pixels[6 * WIDTH] = pixels[10 * WIDTH] = 2;
	pixels[11 * WIDTH + 9] = 2;
	fake_display_update_map(&context.qemu, 0, 3, 9, 16);
	assert_true(draw());
	assert_int_equal(get_frames(), 2);
	assert_damage(0, 5, 9, 6);
	assert_int_equal(pixman_region32_n_rects(&get_frame()->damage), 2);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 8, 5), 2);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 9, 11), 1);
	munmap(pixels, SIZE_BYTES);
	close(fd);
}

/* QEMU shows some pictures between two modes that it never draws into. */
static void map_that_another_follows_is_never_shown(void **state) {
	int first = make_memory(SIZE_BYTES, 1, NULL);
	int placeholder = make_memory(SIZE_BYTES, 2, NULL);
	int second = make_memory(SIZE_BYTES, 3, NULL);
	send_map(first);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	assert_shows(1);
	send_map(placeholder);
	draw();
	send_map(second);
	draw();
	/* Of the same size, and a new picture all the same. */
	assert_int_equal(get_frames(), 1);
	assert_shows(1);
	fake_display_update_map(&context.qemu, 0, 0, 1, 1);
	assert_true(draw());
	assert_shows(3);
	assert_false(get_frame()->damage_known);
	close(first);
	close(placeholder);
	close(second);
}

static void map_at_an_offset_with_a_stride_is_read_from_there(void **state) {
	uint32_t *pixels;
	const size_t size_bytes = 3 * 4096;
	int fd = make_memory(size_bytes, 0, &pixels);
	/* 4 x 3 pixels with a row of 32 bytes, from byte 4100 on. */
	for (size_t y = 0; y < 3; y++) {
		fill(&pixels[4100 / 4 + y * 8], 16, 7);
	}
	fake_display_scanout_map(&context.qemu, fd, 4100, 4, 3, 32, FORMAT);
	fake_display_update_map(&context.qemu, 0, 0, 4, 3);
	assert_true(draw());
	assert_shows(7);
	/* The last row needs no padding. */
	const uint32_t last = (uint32_t)size_bytes - 32 * 2 - 16;
	for (size_t y = 0; y < 3; y++) {
		fill(&pixels[last / 4 + y * 8], 16, 8);
	}
	fake_display_scanout_map(&context.qemu, fd, last, 4, 3, 32, FORMAT);
	fake_display_update_map(&context.qemu, 0, 0, 4, 3);
	assert_true(draw());
	assert_shows(8);
	fake_display_scanout_map(&context.qemu, fd, last + 4, 4, 3, 32, FORMAT);
	settle();
	assert_int_equal(context.qemu.answers, 3);
	assert_int_equal(context.qemu.errors, 1);
	munmap(pixels, size_bytes);
	close(fd);
}

static void map_of_other_formats_keeps_its_pixels(void **state) {
	static const struct {
		uint32_t pixman_format, format;
	} cases[] = {
		{ PIXMAN_a8r8g8b8, DRM_FORMAT_XRGB8888 },
		{ PIXMAN_x8b8g8r8, DRM_FORMAT_XBGR8888 },
		{ PIXMAN_b8g8r8x8, DRM_FORMAT_BGRX8888 },
		{ PIXMAN_r8g8b8x8, DRM_FORMAT_RGBX8888 },
		{ PIXMAN_x2r10g10b10, DRM_FORMAT_XRGB2101010 },
		{ PIXMAN_r5g6b5, DRM_FORMAT_RGB565 },
	};
	int fd = make_memory(SIZE_BYTES, 0x12345678, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		fake_display_scanout_map(&context.qemu, fd, 0, WIDTH, HEIGHT, STRIDE_BYTES,
				cases[i].pixman_format);
		fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
		assert_true(draw());
		assert_int_equal(get_attributes()->format, cases[i].format);
		assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 0, 0), 0x12345678);
	}
	close(fd);
}

struct refused_map {
	const char *what; /* in the log */
	uint32_t offset_bytes, width, height, stride_bytes, pixman_format;
};

static void map_that_cannot_be_is_answered_by_an_error(void **state) {
	static const struct refused_map cases[] = {
		{ "ends at byte", 0, WIDTH, HEIGHT + 1, STRIDE_BYTES, FORMAT },
		{ "ends at byte", 4, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT },
		{ "is none", 0, 0, HEIGHT, STRIDE_BYTES, FORMAT },
		{ "is none", 0, WIDTH, 0, STRIDE_BYTES, FORMAT },
		{ "larger than", 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, FORMAT },
		{ "larger than", 0, WIDTH, 16385, STRIDE_BYTES, FORMAT },
		{ "too short", 0, WIDTH, 1, STRIDE_BYTES - 4, FORMAT },
		{ "no multiple", 0, WIDTH, 1, STRIDE_BYTES + 2, FORMAT },
		{ "at no multiple", 2, WIDTH, 1, STRIDE_BYTES, FORMAT },
		{ "longer than", 0, WIDTH, 1, UINT32_MAX - 3, FORMAT },
		{ "format 0x18020888", 0, WIDTH, 1, STRIDE_BYTES, PIXMAN_r8g8b8 },
		{ "format 0x00000000", 0, WIDTH, 1, STRIDE_BYTES, 0 },
		{ "format 0xffffffff", 0, WIDTH, 1, STRIDE_BYTES, UINT32_MAX },
	};
	int fd = make_memory(SIZE_BYTES, 5, NULL);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const struct refused_map *map = &cases[i];
		oriel_complaints_init(&context.complaints, "win", 1);
		fake_display_scanout_map(&context.qemu, fd, map->offset_bytes, map->width,
				map->height, map->stride_bytes, map->pixman_format);
		fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
		assert_false(draw());
		assert_int_equal(context.qemu.errors, i + 1);
		assert_non_null(strstr(log_lines_get_last(), "guest win: QEMU: "));
		assert_non_null(strstr(log_lines_get_last(), map->what));
	}
	/* QEMU sends the bytes then. */
	send_bytes(WIDTH, HEIGHT, 6);
	assert_true(draw());
	assert_shows(6);
	assert_int_equal(context.renewals, 0);
	close(fd);
}

/* As with blob=on and gl=off, where it is QEMU's standard input. */
static void map_of_a_file_that_is_no_memory_is_refused(void **state) {
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	const int fds[] = {
		pipes[0],
		pipes[1],
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open("/dev/zero", O_RDWR | O_CLOEXEC),
		open("/proc/self/mem", O_RDONLY | O_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		eventfd(0, EFD_CLOEXEC),
	};
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
		assert_true(fds[i] >= 0);
		send_map(fds[i]);
		assert_int_equal(context.qemu.errors, i + 1);
		assert_non_null(strstr(log_lines_get_last(), "should be shared memory"));
		close(fds[i]);
	}
	/* And one that cannot be read. */
	int fd = make_memory(SIZE_BYTES, 5, NULL);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int write_fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(write_fd >= 0);
	send_map(write_fd);
	assert_int_equal(context.qemu.errors, ARRAY_LENGTH(fds) + 1);
	close(write_fd);
	close(fd);
	assert_false(draw());
}

static void map_that_is_cut_off_costs_its_picture_and_no_more(void **state) {
	int fd = make_memory(SIZE_BYTES, 5, NULL);
	send_map(fd);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	assert_int_equal(ftruncate(fd, 0), 0);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	assert_shows(5);
	assert_int_equal(context.renewals, 1);
	assert_non_null(strstr(log_lines_get_last(), "cut off"));
	/* Until there is another one. */
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_false(draw());
	assert_int_equal(context.renewals, 1);
	assert_int_equal(context.error_ms, 1000);
	attach();
	send_bytes(WIDTH, HEIGHT, 6);
	assert_true(draw());
	assert_shows(6);
	assert_int_equal(context.error_ms, 0);
	close(fd);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void bytes_are_shown_as_they_come(void **state) {
	send_bytes(WIDTH, HEIGHT, 1);
	assert_true(draw());
	assert_shows(1);
	assert_false(get_frame()->damage_known);
	/* What stands still is sent again and again by devices that know no better. */
	send_bytes(WIDTH, HEIGHT, 1);
	assert_false(draw());
	send_bytes(WIDTH, HEIGHT, 2);
	/* Not before it is taken: an output may read what is shown at any time. */
	assert_shows(1);
	assert_true(draw());
	assert_shows(2);
	assert_damage(0, 0, WIDTH, HEIGHT);
	send_bytes(WIDTH, HEIGHT + 1, 2);
	assert_true(draw());
	assert_int_equal(get_attributes()->height, HEIGHT + 1);
	assert_false(get_frame()->damage_known);
}

static void bytes_that_differ_in_some_rows_damage_those(void **state) {
	uint32_t pixels[WIDTH * HEIGHT] = { 0 };
	send_bytes(WIDTH, HEIGHT, 0);
	assert_true(draw());
	pixels[2 * WIDTH + 5] = 9;
	pixels[7 * WIDTH] = 9;
	fake_display_scanout(
			&context.qemu, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT, pixels, sizeof(pixels));
	assert_true(draw());
	assert_damage(0, 2, WIDTH, 6);
	assert_int_equal(pixman_region32_n_rects(&get_frame()->damage), 2);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 5, 2), 9);
	pixels[WIDTH * HEIGHT - 1] = 9;
	fake_display_scanout(
			&context.qemu, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT, pixels, sizeof(pixels));
	assert_true(draw());
	assert_damage(0, HEIGHT - 1, WIDTH, 1);
}

static void bytes_of_parts_are_put_where_they_belong(void **state) {
	uint32_t pixels[20];
	send_bytes(WIDTH, HEIGHT, 0);
	assert_true(draw());
	fill(pixels, sizeof(pixels), 3);
	fake_display_update(&context.qemu, 36, 25, 4, 5, 16, FORMAT, pixels, sizeof(pixels));
	assert_true(draw());
	assert_damage(36, 25, 4, 5);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 36, 25), 3);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 39, 29), 3);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 35, 25), 0);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_PRIMARY, 36, 24), 0);
	fake_display_update(&context.qemu, 36, 25, 4, 5, 16, FORMAT, pixels, sizeof(pixels));
	assert_false(draw());
}

/* QEMU forgets the Scanout of a new mode now and then; a new connection begins with it. */
static void bytes_that_do_not_fit_ask_for_another_listener(void **state) {
	static const struct {
		int x, y, width, height;
		uint32_t stride_bytes, pixman_format;
		size_t size_bytes;
	} cases[] = {
		{ 0, 0, WIDTH + 1, 1, (WIDTH + 1) * 4, FORMAT, (WIDTH + 1) * 4 },
		{ WIDTH - 1, 0, 2, 1, 8, FORMAT, 8 },
		{ 0, HEIGHT, 1, 1, 4, FORMAT, 4 },
		{ -1, 0, 1, 1, 4, FORMAT, 4 },
		{ 0, -1, 1, 1, 4, FORMAT, 4 },
		{ INT32_MAX, 0, INT32_MAX, 1, 4, FORMAT, 4 },
		{ 0, 0, -1, -1, 4, FORMAT, 4 },
		{ 0, 0, 0, 1, 4, FORMAT, 4 },
		{ 0, 0, 1, 1, 4, PIXMAN_x8b8g8r8, 4 },
		{ 0, 0, 1, 1, 4, PIXMAN_r5g6b5, 4 },
		{ 0, 0, 2, 1, 4, FORMAT, 8 },
		{ 0, 0, 1, 2, 4, FORMAT, 7 },
		{ 0, 0, 1, 1, 4, FORMAT, 0 },
	};
	static const uint8_t pixels[(WIDTH + 1) * 4] = { 1, 2, 3 };
	send_bytes(WIDTH, HEIGHT, 0);
	assert_true(draw());
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		fake_display_update(&context.qemu, cases[i].x, cases[i].y, cases[i].width,
				cases[i].height, cases[i].stride_bytes, cases[i].pixman_format,
				pixels, cases[i].size_bytes);
		assert_false(draw());
		assert_int_equal(context.renewals, i + 1);
	}
	assert_shows(0);
	/* As does one where there is a map, or nothing at all. */
	int fd = make_memory(SIZE_BYTES, 5, NULL);
	send_map(fd);
	fake_display_update(&context.qemu, 0, 0, 1, 1, 4, FORMAT, pixels, 4);
	settle();
	assert_int_equal(context.renewals, ARRAY_LENGTH(cases) + 1);
	attach();
	fake_display_update(&context.qemu, 0, 0, 1, 1, 4, FORMAT, pixels, 4);
	settle();
	assert_int_equal(context.renewals, ARRAY_LENGTH(cases) + 2);
	close(fd);
}

static void bytes_that_are_refused_ask_for_nothing(void **state) {
	const uint32_t pixel = 1;
	fake_display_scanout(&context.qemu, 2, 1, 8, FORMAT, &pixel, sizeof(pixel));
	fake_display_update(&context.qemu, 0, 0, 1, 1, 4, FORMAT, &pixel, sizeof(pixel));
	assert_false(draw());
	assert_int_equal(context.renewals, 0);
	assert_non_null(strstr(log_lines_get_last(), "ends at byte"));
}

static void picture_of_more_memory_than_any_may_have_is_refused(void **state) {
	/* 16384 x 4096 is the most; the memory is never touched. */
	int fd = memfd_create("large", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	fake_display_scanout_map(&context.qemu, fd, 0, 16384, 4096, 65536, FORMAT);
	settle();
	assert_int_equal(context.qemu.errors, 0);
	fake_display_scanout_map(&context.qemu, fd, 0, 16384, 4097, 65536, FORMAT);
	settle();
	assert_int_equal(context.qemu.errors, 1);
	assert_non_null(strstr(log_lines_get_last(), "more than 256 MiB"));
	close(fd);
}

static void copies_take_a_part_of_a_core_only(void **state) {
	send_bytes(1000, 1000, 1);
	settle();
	oriel_source_poll(&context.source);
	assert_int_equal(get_frames(), 1);
	assert_true(context.display.surface.next_ns > context.source.pacing.polled_ns);
	context.display.surface.next_ns += UINT64_C(1) << 50;
	send_bytes(1000, 1000, 2);
	oriel_source_poll(&context.source);
	assert_int_equal(get_frames(), 1);
	/* It is asked again by and by. */
	assert_true(draw());
	assert_int_equal(get_frames(), 2);
	assert_shows(2);
}

static void flood_of_updates_is_one_frame(void **state) {
	uint32_t *pixels;
	int fd = make_memory(SIZE_BYTES, 5, &pixels);
	send_map(fd);
	fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
	assert_true(draw());
	fill(pixels, SIZE_BYTES, 6);
	for (int i = 0; i < 10000; i++) {
		fake_display_update_map(&context.qemu, i * 2 % WIDTH, i * 2 / WIDTH % HEIGHT, 1, 1);
		if (i % 100 == 0) {
			settle();
		}
	}
	settle();
	assert_int_equal(context.pendings, 2);
	assert_true(pixman_region32_n_rects(&context.display.surface.damage) <= 65);
	assert_true(draw());
	assert_int_equal(get_frames(), 2);
	assert_int_equal(log_lines_get_count(), 0);
	munmap(pixels, SIZE_BYTES);
	close(fd);
}

/* --- dma-bufs --------------------------------------------------------------------------------- */

static void dmabuf_is_shown_with_its_first_update(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	assert_false(draw());
	update_dmabuf();
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	assert_true(oriel_guest_buffer_get_dmabuf_fd(oriel_guest_frame_get_buffer(get_frame())) >= 0);
	assert_false(get_frame()->damage_known);
	assert_false(get_frame()->is_flipped);
	assert_int_equal(get_frame()->crop.width, 0);
	fake_display_update_dmabuf(&context.qemu, 1, 2, 3, 4);
	assert_true(draw());
	assert_damage(1, 2, 3, 4);
	close(fd);
}

/* As for a guest that draws nothing, which another listener has shown before. */
static void dmabuf_that_nothing_follows_is_shown_after_a_while(void **state) {
	int placeholder = make_dmabuf(SIZE_BYTES, 0), a = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(placeholder);
	assert_false(draw());
	assert_int_equal(context.still_ms, 100);
	send_dmabuf(a);
	assert_false(draw());
	assert_int_equal(context.still_ms, 100);
	fire(context.display.still_timer);
	assert_true(draw());
	assert_shows(5);
	assert_false(get_frame()->damage_known);

	/* Whatever follows, the next one is waited for. */
	send_dmabuf(placeholder);
	draw();
	assert_int_equal(context.still_ms, 100);
	update_dmabuf();
	draw();
	assert_int_equal(context.still_ms, 0);
	send_dmabuf(a);
	draw();
	fake_display_disable(&context.qemu);
	draw();
	assert_int_equal(context.still_ms, 0);
	send_dmabuf(placeholder);
	draw();
	assert_int_equal(context.still_ms, 100);
	send_bytes(WIDTH, HEIGHT, 6);
	draw();
	assert_int_equal(context.still_ms, 0);
	close(placeholder);
	close(a);
}

static void dmabuf_that_comes_back_is_the_same_buffer(void **state) {
	int a = make_dmabuf(SIZE_BYTES, 5), b = make_dmabuf(SIZE_BYTES, 6);
	send_dmabuf(a);
	update_dmabuf();
	assert_true(draw());
	const struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(get_frame());
	int fds = fds_count_open();
	for (int i = 0; i < 3; i++) {
		send_dmabuf(b);
		update_dmabuf();
		assert_true(draw());
		assert_ptr_not_equal(oriel_guest_frame_get_buffer(get_frame()), buffer);
		assert_false(get_frame()->damage_known);
		send_dmabuf(a);
		update_dmabuf();
		assert_true(draw());
		assert_ptr_equal(oriel_guest_frame_get_buffer(get_frame()), buffer);
		assert_false(get_frame()->damage_known);
		assert_int_equal(fds_count_open(), fds + 1);
	}
	/* The same memory as another picture is another buffer. */
	fake_display_scanout_dmabuf(&context.qemu, a, WIDTH, HEIGHT / 2, STRIDE_BYTES * 2,
			DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
	update_dmabuf();
	assert_true(draw());
	assert_ptr_not_equal(oriel_guest_frame_get_buffer(get_frame()), buffer);
	close(a);
	close(b);
}

/* A dma-buf with blob=on is announced after a texture that QEMU made itself. */
static void dmabuf_that_another_follows_is_never_shown(void **state) {
	int a = make_dmabuf(SIZE_BYTES, 5), placeholder = make_dmabuf(SIZE_BYTES, 0);
	int b = make_dmabuf(SIZE_BYTES, 6);
	send_dmabuf(a);
	update_dmabuf();
	assert_true(draw());
	send_dmabuf(placeholder);
	draw();
	send_dmabuf(b);
	draw();
	fake_display_disable(&context.qemu);
	draw();
	assert_shows(5);
	assert_int_equal(get_frames(), 1);
	update_dmabuf();
	assert_true(draw());
	assert_shows(6);
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(context.off_ms, 0);
	/* A repeated scanout loses nothing that has not been taken. */
	fake_display_update_dmabuf(&context.qemu, 1, 1, 2, 2);
	send_dmabuf(b);
	assert_true(draw());
	assert_damage(1, 1, 2, 2);
	close(a);
	close(placeholder);
	close(b);
}

static struct fake_display_dmabuf make_dmabuf2(int fd) {
	return (struct fake_display_dmabuf){
		.fds = { fd },
		.strides = { STRIDE_BYTES },
		.fd_count = 1,
		.offset_count = 1,
		.stride_count = 1,
		.plane_count = 1,
		.width = WIDTH,
		.height = HEIGHT,
		.backing_width = WIDTH,
		.backing_height = HEIGHT,
		.fourcc = DRM_FORMAT_ARGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
	};
}

static void dmabuf_larger_than_its_picture_is_cropped(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	struct fake_display_dmabuf dmabuf = make_dmabuf2(fd);
	dmabuf.x = 4;
	dmabuf.y = 6;
	dmabuf.width = 10;
	dmabuf.height = 20;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	const struct oriel_guest_crop *crop = &get_frame()->crop;
	assert_int_equal(crop->x, 4);
	assert_int_equal(crop->y, 6);
	assert_int_equal(crop->width, 10);
	assert_int_equal(crop->height, 20);
	assert_int_equal(get_attributes()->width, WIDTH);
	assert_int_equal(get_attributes()->format, DRM_FORMAT_XRGB8888);
	int width, height;
	oriel_guest_frame_get_size(get_frame(), &width, &height);
	assert_int_equal(width, 10);
	assert_int_equal(height, 20);
	/* Updates are of the picture, damage is of the buffer. */
	fake_display_update_dmabuf(&context.qemu, 1, 2, 100, 3);
	assert_true(draw());
	assert_damage(5, 8, 9, 3);
	/* Another part of the same buffer. */
	const struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(get_frame());
	dmabuf.y = 7;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	fake_display_update_dmabuf(&context.qemu, 0, 0, 1, 1);
	assert_true(draw());
	assert_ptr_equal(oriel_guest_frame_get_buffer(get_frame()), buffer);
	assert_false(get_frame()->damage_known);
	close(fd);
}

static void dmabuf_with_its_lowest_row_first_is_flipped(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	struct fake_display_dmabuf dmabuf = make_dmabuf2(fd);
	dmabuf.y0_top = true;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_true(get_frame()->is_flipped);
	fake_display_update_dmabuf(&context.qemu, 1, 2, 3, 4);
	assert_true(draw());
	assert_damage(1, HEIGHT - 2 - 4, 3, 4);
	/* Within its part, as QEMU's own displays do it. */
	dmabuf.x = 4;
	dmabuf.y = 6;
	dmabuf.width = 10;
	dmabuf.height = 20;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	fake_display_update_dmabuf(&context.qemu, 0, 0, 10, 1);
	assert_true(draw());
	assert_damage(4, 6 + 19, 10, 1);
	/* It may change with each. */
	dmabuf.y0_top = false;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_false(get_frame()->is_flipped);
	close(fd);
}

static void dmabuf_without_a_modifier_is_linear_if_it_is_the_guests_memory(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	struct fake_display_dmabuf dmabuf = make_dmabuf2(fd);
	dmabuf.modifier = DRM_FORMAT_MOD_INVALID;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_true(get_attributes()->modifier == DRM_FORMAT_MOD_INVALID);
	assert_false(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(get_frame())));
	context.exporter = "udmabuf";
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_true(get_attributes()->modifier == DRM_FORMAT_MOD_LINEAR);
	assert_true(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(get_frame())));
	close(fd);
}

static void dmabuf_of_several_planes_keeps_them_all(void **state) {
	int fd = make_dmabuf(SIZE_BYTES * 2, 5), other = make_dmabuf(4096, 5);
	struct fake_display_dmabuf dmabuf = make_dmabuf2(fd);
	dmabuf.fd_count = dmabuf.offset_count = dmabuf.stride_count = 3;
	dmabuf.plane_count = 3;
	dmabuf.fds[1] = fd;
	dmabuf.fds[2] = other;
	dmabuf.offsets[1] = SIZE_BYTES;
	dmabuf.strides[1] = 128;
	dmabuf.strides[2] = 64;
	dmabuf.modifier = I915_FORMAT_MOD_Y_TILED_CCS;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_int_equal(get_attributes()->extra_plane_count, 2);
	assert_int_equal(get_attributes()->extra_planes[0].offset_bytes, SIZE_BYTES);
	assert_int_equal(get_attributes()->extra_planes[1].stride_bytes, 64);
	assert_false(oriel_guest_buffer_can_map(oriel_guest_frame_get_buffer(get_frame())));
	/* What lies in another plane makes another buffer. */
	const struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(get_frame());
	dmabuf.offsets[1] = SIZE_BYTES + 4096;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_true(draw());
	assert_ptr_not_equal(oriel_guest_frame_get_buffer(get_frame()), buffer);
	unsigned frames = get_frames();
	dmabuf.offsets[2] = 4096;
	fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
	update_dmabuf();
	assert_false(draw());
	assert_int_equal(get_frames(), frames);
	assert_non_null(strstr(log_lines_get_last(), "another plane"));
	close(fd);
	close(other);
}

static void dmabuf_that_cannot_be_is_refused(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	int memory = make_memory(SIZE_BYTES, 5, NULL);
	const struct {
		const char *what; /* in the log */
		int fd;
		uint32_t x, width, height, backing_width, backing_height, stride_bytes, fourcc;
	} cases[] = {
		{ "should be a dma-buf", memory, 0, WIDTH, HEIGHT, WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "is not within", fd, 1, WIDTH, HEIGHT, WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "is not within", fd, UINT32_MAX, WIDTH, HEIGHT, WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "is not within", fd, 0, 0, HEIGHT, WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "ends at byte", fd, 0, WIDTH, HEIGHT + 1, 0, 0, STRIDE_BYTES, DRM_FORMAT_XRGB8888 },
		{ "larger than", fd, 0, WIDTH, HEIGHT, UINT32_MAX, UINT32_MAX, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "too short", fd, 0, WIDTH, HEIGHT, WIDTH + 1, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888 },
		{ "('NV12')", fd, 0, WIDTH, HEIGHT, WIDTH, HEIGHT, STRIDE_BYTES, DRM_FORMAT_NV12 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		oriel_complaints_init(&context.complaints, "win", 1);
		struct fake_display_dmabuf dmabuf = make_dmabuf2(cases[i].fd);
		dmabuf.x = cases[i].x;
		dmabuf.width = cases[i].width;
		dmabuf.height = cases[i].height;
		dmabuf.backing_width = cases[i].backing_width;
		dmabuf.backing_height = cases[i].backing_height;
		dmabuf.strides[0] = cases[i].stride_bytes;
		dmabuf.fourcc = cases[i].fourcc;
		fake_display_scanout_dmabuf2(&context.qemu, &dmabuf);
		update_dmabuf();
		assert_false(draw());
		assert_non_null(strstr(log_lines_get_last(), cases[i].what));
		/* Nobody waits for what is never shown. */
		assert_int_equal(context.qemu.answers, i + 1);
	}
	close(fd);
	close(memory);
}

static void dmabuf_after_bytes_and_bytes_after_it_are_new_pictures(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	for (int i = 0; i < 2; i++) {
		send_bytes(WIDTH, HEIGHT, 3);
		assert_true(draw());
		assert_false(get_frame()->damage_known);
		assert_shows(3);
		send_dmabuf(fd);
		fake_display_update_dmabuf(&context.qemu, 0, 0, 1, 1);
		assert_true(draw());
		assert_false(get_frame()->damage_known);
		assert_shows(5);
	}
	close(fd);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void update_is_answered_when_its_frame_was_read(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	update_dmabuf();
	assert_int_equal(context.qemu.answers, 0);
	assert_true(draw());
	settle();
	assert_int_equal(context.qemu.answers, 0);
	/* It came after the frame was taken. */
	update_dmabuf();
	read_frame();
	assert_int_equal(context.qemu.answers, 1);
	assert_int_equal(context.qemu.errors, 0);
	assert_true(draw());
	read_frame();
	assert_int_equal(context.qemu.answers, 2);
	assert_int_equal(context.ack_ms, 0);
	close(fd);
}

static void update_that_nobody_reads_is_answered_in_time(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	update_dmabuf();
	assert_true(context.ack_ms > 0 && context.ack_ms <= ORIEL_QEMU_ACKS_DEADLINE_MS);
	/* As if it had come long ago. */
	context.display.acks.calls[0].deadline_ns = 1;
	update_dmabuf();
	assert_int_equal(context.ack_ms, 1);
	__real_wl_event_source_timer_update(context.display.acks.timer, 1);
	assert_int_equal(wl_event_loop_dispatch(context.loop, -1), 0);
	settle();
	assert_int_equal(context.qemu.answers, 1);
	assert_true(context.ack_ms > 0);
	close(fd);
}

static void updates_without_end_are_answered_beyond_a_number(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	for (unsigned i = 1; i <= 10000; i++) {
		fake_display_update_dmabuf(&context.qemu, 0, 0, WIDTH, HEIGHT);
		if (i <= ORIEL_QEMU_ACKS_MAX || i % 100 == 0) {
			settle();
			unsigned answered = i > ORIEL_QEMU_ACKS_MAX ? i - ORIEL_QEMU_ACKS_MAX : 0;
			assert_int_equal(context.qemu.answers, answered);
		}
	}
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	read_frame();
	assert_int_equal(context.qemu.answers, 10000);
	close(fd);
}

static void update_of_a_picture_that_another_follows_is_answered(void **state) {
	int a = make_dmabuf(SIZE_BYTES, 5), b = make_dmabuf(SIZE_BYTES, 6);
	send_dmabuf(a);
	update_dmabuf();
	assert_int_equal(context.qemu.answers, 0);
	send_dmabuf(b);
	assert_int_equal(context.qemu.answers, 1);
	/* As is one of nothing, and one without a picture. */
	fake_display_update_dmabuf(&context.qemu, WIDTH, 0, 1, 1);
	settle();
	assert_int_equal(context.qemu.answers, 2);
	send_bytes(WIDTH, HEIGHT, 1);
	update_dmabuf();
	assert_int_equal(context.qemu.answers, 3);
	close(a);
	close(b);
}

static void update_whose_frame_is_rejected_is_answered(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	context.rejects = true;
	send_dmabuf(fd);
	update_dmabuf();
	assert_true(draw());
	settle();
	assert_int_equal(context.qemu.answers, 1);
	close(fd);
}

static void update_whose_buffer_waits_for_its_fence_is_taken_after_it(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	context.is_busy = true;
	update_dmabuf();
	assert_true(draw());
	assert_int_equal(get_frames(), 0);
	context.is_busy = false;
	assert_true(draw());
	assert_int_equal(get_frames(), 1);
	read_frame();
	assert_int_equal(context.qemu.answers, 1);
	close(fd);
}

static void updates_held_when_the_connection_ends_are_let_go(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	update_dmabuf();
	assert_true(draw());
	fake_display_finish(&context.qemu);
	settle();
	assert_int_equal(context.renewals, 1);
	assert_int_equal(context.ack_ms, 0);
	/* The last frame stays, and what reads it is no concern of QEMU's any more. */
	assert_shows(5);
	read_frame();
	close(fd);
}

/* --- states ----------------------------------------------------------------------------------- */

static void disable_is_believed_after_a_while(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	update_dmabuf();
	assert_true(draw());
	fake_display_disable(&context.qemu);
	settle();
	assert_int_equal(context.off_ms, 250);
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	fire(context.display.off_timer);
	assert_state(ORIEL_SOURCE_STATE_OFF);
	assert_shows(5);
	/* On again, with a scanout or without. */
	update_dmabuf();
	assert_true(draw());
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	close(fd);
}

/* On again with the very same pixels. */
static void picture_that_is_off_is_on_with_what_comes_next(void **state) {
	int memory = make_memory(SIZE_BYTES, 5, NULL);
	for (int follower = 0; follower < 3; follower++) {
		const uint32_t colour = 5 + (uint32_t)follower;
		if (follower == 0) {
			send_map(memory);
			fake_display_update_map(&context.qemu, 0, 0, WIDTH, HEIGHT);
		} else {
			send_bytes(WIDTH, HEIGHT, colour);
		}
		assert_true(draw());
		assert_state(ORIEL_SOURCE_STATE_RUNNING);
		fake_display_disable(&context.qemu);
		settle();
		fire(context.display.off_timer);
		assert_state(ORIEL_SOURCE_STATE_OFF);
		assert_false(draw());
		if (follower == 0) {
			fake_display_update_map(&context.qemu, 0, 0, 1, 1);
		} else if (follower == 1) {
			send_bytes(WIDTH, HEIGHT, colour);
		} else {
			fake_display_update(&context.qemu, 0, 0, 1, 1, 4, FORMAT, &colour,
					sizeof(colour));
		}
		assert_true(draw());
		assert_state(ORIEL_SOURCE_STATE_RUNNING);
		assert_shows(colour);
	}
	close(memory);
}

/* As libwayland calls those that are due in one turn, though one of them disarms another. */
static void timers_that_were_disarmed_too_late_do_nothing(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5);
	send_dmabuf(fd);
	fake_display_disable(&context.qemu);
	fake_display_scanout(&context.qemu, 0, 0, 0, 0, "", 0);
	settle();
	oriel_qemu_display_close(&context.display);
	oriel_source_set_state(&context.source, ORIEL_SOURCE_STATE_LOST);
	fire(context.display.still_timer);
	fire(context.display.off_timer);
	fire(context.display.error_timer);
	assert_state(ORIEL_SOURCE_STATE_LOST);
	close(fd);
}

/* Nobody has looked yet, and there is something to be seen. */
static void what_was_refused_and_is_made_up_for_is_no_error(void **state) {
	fake_display_scanout(&context.qemu, 0, 0, 0, 0, "", 0);
	settle();
	assert_int_equal(context.error_ms, 1000);
	send_bytes(WIDTH, HEIGHT, 1);
	settle();
	assert_int_equal(context.error_ms, 0);
}

static void disable_that_anything_follows_is_nothing(void **state) {
	int fd = make_dmabuf(SIZE_BYTES, 5), memory = make_memory(SIZE_BYTES, 5, NULL);
	for (int follower = 0; follower < 5; follower++) {
		fake_display_disable(&context.qemu);
		settle();
		assert_int_equal(context.off_ms, 250);
		if (follower == 0) {
			send_dmabuf(fd);
		} else if (follower == 1) {
			update_dmabuf();
		} else if (follower == 2) {
			send_map(memory);
		} else if (follower == 3) {
			fake_display_update_map(&context.qemu, 0, 0, 1, 1);
			settle();
		} else {
			send_bytes(WIDTH, HEIGHT, 1);
		}
		assert_int_equal(context.off_ms, 0);
	}
	fake_display_disable(&context.qemu);
	settle();
	oriel_qemu_display_close(&context.display);
	assert_int_equal(context.off_ms, 0);
	close(fd);
	close(memory);
}

static void what_is_refused_for_long_is_an_error(void **state) {
	send_bytes(WIDTH, HEIGHT, 1);
	assert_true(draw());
	fake_display_scanout(&context.qemu, 0, 0, 0, 0, "", 0);
	settle();
	assert_int_equal(context.error_ms, 1000);
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	context.error_ms = 5;
	fake_display_scanout(&context.qemu, 0, 0, 0, 0, "", 0);
	settle();
	assert_int_equal(context.error_ms, 5);
	fire(context.display.error_timer);
	assert_state(ORIEL_SOURCE_STATE_ERROR);
	assert_shows(1);
	send_bytes(WIDTH, HEIGHT, 2);
	assert_true(draw());
	assert_state(ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(context.error_ms, 0);
}

/* --- cursor ----------------------------------------------------------------------------------- */

static void define_cursor(int width, int height, int hot_x, int hot_y, uint32_t colour) {
	static uint32_t pixels[513 * 513];
	size_t size_bytes = (size_t)width * (size_t)height * 4;
	fill(pixels, size_bytes, colour);
	fake_display_cursor_define(&context.qemu, width, height, hot_x, hot_y, pixels, size_bytes);
	settle();
}

static void cursor_is_shown_once_it_is_defined_and_on(void **state) {
	fake_display_mouse_set(&context.qemu, 0, 0, 0);
	fake_display_mouse_set(&context.qemu, 5, 6, 1);
	settle();
	assert_false(context.has_cursor);
	define_cursor(64, 64, 3, 5, 0xffff0000);
	assert_true(context.has_cursor);
	assert_int_equal(context.cursor.x, 5);
	assert_int_equal(context.cursor.y, 6);
	assert_true(context.cursor.has_hotspot);
	assert_int_equal(context.cursor.hot_x, 3);
	assert_int_equal(context.cursor.hot_y, 5);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_CURSOR, 63, 63), 0xffff0000);
	fake_display_mouse_set(&context.qemu, -7, 8, 1);
	settle();
	assert_int_equal(context.cursor.x, -7);
	assert_int_equal(context.frames[ORIEL_GUEST_PLANE_CURSOR], 1);
	fake_display_mouse_set(&context.qemu, -7, 8, 0);
	settle();
	assert_false(context.has_cursor);
	/* Another picture while it is off is shown when it is on. */
	define_cursor(16, 16, 16, 0, 0x80000000);
	assert_false(context.has_cursor);
	fake_display_mouse_set(&context.qemu, -7, 8, 1);
	settle();
	assert_true(context.has_cursor);
	assert_int_equal(get_pixel(ORIEL_GUEST_PLANE_CURSOR, 0, 0), 0x80000000);
	/* Beside it, it points at nothing. */
	assert_false(context.cursor.has_hotspot);
	assert_int_equal(get_frames(), 0);
}

static void cursor_that_cannot_be_is_not_shown(void **state) {
	static const int sizes[][2] = { { 0, 1 }, { 1, 0 }, { -1, -1 }, { 513, 1 }, { 1, 513 },
		{ INT32_MAX, INT32_MAX } };
	const uint32_t pixel = 0;
	fake_display_mouse_set(&context.qemu, 0, 0, 1);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		define_cursor(8, 8, 0, 0, 0);
		assert_true(context.has_cursor);
		fake_display_cursor_define(&context.qemu, sizes[i][0], sizes[i][1], 0, 0, &pixel,
				sizeof(pixel));
		settle();
		assert_false(context.has_cursor);
	}
	fake_display_cursor_define(&context.qemu, 1, 2, 0, 0, &pixel, sizeof(pixel));
	settle();
	assert_false(context.has_cursor);
	define_cursor(512, 512, 511, 511, 0);
	assert_true(context.has_cursor);
	assert_true(context.cursor.has_hotspot);
}

static void cursor_that_was_let_go_is_shown_with_the_next_frame(void **state) {
	fake_display_mouse_set(&context.qemu, 0, 0, 1);
	define_cursor(8, 8, 0, 0, 0);
	oriel_guest_frame_destroy(context.shown[ORIEL_GUEST_PLANE_CURSOR]);
	context.shown[ORIEL_GUEST_PLANE_CURSOR] = NULL;
	send_bytes(WIDTH, HEIGHT, 1);
	assert_true(draw());
	assert_int_equal(context.frames[ORIEL_GUEST_PLANE_CURSOR], 2);
	assert_non_null(context.shown[ORIEL_GUEST_PLANE_CURSOR]);
}

/* QEMU says on each connection that it is off, and its picture on none but the first. */
static void cursor_outlives_the_connection_but_not_the_machine(void **state) {
	fake_display_mouse_set(&context.qemu, 1, 2, 1);
	define_cursor(8, 8, 0, 0, 0);
	fake_display_finish(&context.qemu);
	attach();
	fake_display_mouse_set(&context.qemu, 0, 0, 0);
	settle();
	assert_false(context.has_cursor);
	fake_display_mouse_set(&context.qemu, 3, 4, 1);
	settle();
	assert_true(context.has_cursor);
	fake_display_finish(&context.qemu);
	oriel_qemu_display_close(&context.display);
	assert_false(context.has_cursor);
	attach();
	fake_display_mouse_set(&context.qemu, 3, 4, 1);
	settle();
	assert_false(context.has_cursor);
}

static void convert_multiplies_what_has_not_been(void **state) {
	const uint32_t multiplied[] = { 0x80808080, 0x00000000, 0xffffffff, 0x80001020 };
	uint32_t converted[4];
	oriel_qemu_cursor_convert(converted, multiplied, 4);
	assert_memory_equal(converted, multiplied, sizeof(multiplied));
	const uint32_t straight[] = { 0x80ff8000, 0x00ffffff, 0xff123456, 0x01010101 };
	const uint32_t wanted[] = { 0x80804000, 0x00000000, 0xff123456, 0x01000000 };
	oriel_qemu_cursor_convert(converted, straight, 4);
	assert_memory_equal(converted, wanted, sizeof(wanted));
}

/* --- connections ------------------------------------------------------------------------------ */

static void silence_costs_nothing(void **state) {
	/* No handshake, and none after the machine's end. */
	fake_display_finish(&context.qemu);
	settle();
	assert_int_equal(context.renewals, 1);
	int peer_fd;
	assert_true(oriel_qemu_display_listen(&context.display, &peer_fd));
	settle();
	assert_false(draw());
	assert_int_equal(context.renewals, 1);
	close(peer_fd);
	settle();
	assert_int_equal(context.renewals, 2);
}

static void listener_that_is_renewed_keeps_the_picture(void **state) {
	send_bytes(WIDTH, HEIGHT, 1);
	assert_true(draw());
	fake_display_finish(&context.qemu);
	attach();
	assert_shows(1);
	assert_false(draw());
	send_bytes(WIDTH, HEIGHT, 1);
	assert_true(draw());
	assert_false(get_frame()->damage_known);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(map_is_shown_with_its_first_update),
		TEST(map_updates_beyond_it_are_cut),
		TEST(map_updates_of_what_is_the_same_are_no_frame),
		TEST(map_that_another_follows_is_never_shown),
		TEST(map_at_an_offset_with_a_stride_is_read_from_there),
		TEST(map_of_other_formats_keeps_its_pixels),
		TEST(map_that_cannot_be_is_answered_by_an_error),
		TEST(map_of_a_file_that_is_no_memory_is_refused),
		TEST(map_that_is_cut_off_costs_its_picture_and_no_more),
		TEST(bytes_are_shown_as_they_come),
		TEST(bytes_that_differ_in_some_rows_damage_those),
		TEST(bytes_of_parts_are_put_where_they_belong),
		TEST(bytes_that_do_not_fit_ask_for_another_listener),
		TEST(bytes_that_are_refused_ask_for_nothing),
		TEST(picture_of_more_memory_than_any_may_have_is_refused),
		TEST(copies_take_a_part_of_a_core_only),
		TEST(flood_of_updates_is_one_frame),
		TEST(dmabuf_is_shown_with_its_first_update),
		TEST(dmabuf_that_nothing_follows_is_shown_after_a_while),
		TEST(dmabuf_that_comes_back_is_the_same_buffer),
		TEST(dmabuf_that_another_follows_is_never_shown),
		TEST(dmabuf_larger_than_its_picture_is_cropped),
		TEST(dmabuf_with_its_lowest_row_first_is_flipped),
		TEST(dmabuf_without_a_modifier_is_linear_if_it_is_the_guests_memory),
		TEST(dmabuf_of_several_planes_keeps_them_all),
		TEST(dmabuf_that_cannot_be_is_refused),
		TEST(dmabuf_after_bytes_and_bytes_after_it_are_new_pictures),
		TEST(update_is_answered_when_its_frame_was_read),
		TEST(update_that_nobody_reads_is_answered_in_time),
		TEST(updates_without_end_are_answered_beyond_a_number),
		TEST(update_of_a_picture_that_another_follows_is_answered),
		TEST(update_whose_frame_is_rejected_is_answered),
		TEST(update_whose_buffer_waits_for_its_fence_is_taken_after_it),
		TEST(updates_held_when_the_connection_ends_are_let_go),
		TEST(disable_is_believed_after_a_while),
		TEST(picture_that_is_off_is_on_with_what_comes_next),
		TEST(timers_that_were_disarmed_too_late_do_nothing),
		TEST(what_was_refused_and_is_made_up_for_is_no_error),
		TEST(disable_that_anything_follows_is_nothing),
		TEST(what_is_refused_for_long_is_an_error),
		TEST(cursor_is_shown_once_it_is_defined_and_on),
		TEST(cursor_that_cannot_be_is_not_shown),
		TEST(cursor_that_was_let_go_is_shown_with_the_next_frame),
		TEST(cursor_outlives_the_connection_but_not_the_machine),
		TEST(convert_multiplies_what_has_not_been),
		TEST(silence_costs_nothing),
		TEST(listener_that_is_renewed_keeps_the_picture),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
