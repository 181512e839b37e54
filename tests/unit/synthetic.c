#include "guest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/types/wlr_buffer.h>

#include <cmocka.h>

#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define BUFFERS 3 /* that a synthetic guest draws into */

/*
 * /dev/udmabuf is played: /dev/null stands for it, and what it makes of a memfd is a copy of that
 * memfd's fd. Fences are those of fake_sync.h.
 */
static struct {
	int fds_before;
	bool has_udmabuf;
	int udmabuf_error;
	unsigned int udmabufs;
	unsigned int calls, fail_at; /* of memfd_create and mmap, counted from 1 */

	bool wants;
	struct oriel_guest_frame *held[BUFFERS + 1]; /* oldest first */
	unsigned int frames; /* in held */
	unsigned int states;
	enum oriel_source_state state;
} context;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);

static bool call_fails(void) {
	if (++context.calls != context.fail_at) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

int __wrap_open(const char *path, int flags, ...) {
	assert_string_equal(path, "/dev/udmabuf");
	assert_true(flags & O_CLOEXEC);
	if (!context.has_udmabuf) {
		errno = ENOENT;
		return -1;
	}
	return __real_open("/dev/null", flags);
}

int __wrap_open64(const char *path, int flags, ...) {
	return __wrap_open(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
	assert_int_equal(request, UDMABUF_CREATE);
	va_list args;
	va_start(args, request);
	const struct udmabuf_create *create = va_arg(args, struct udmabuf_create *);
	va_end(args);
	if (context.udmabuf_error != 0) {
		errno = context.udmabuf_error;
		return -1;
	}
	/* What the kernel insists on (drivers/dma-buf/udmabuf.c). */
	assert_true(create->flags & UDMABUF_FLAGS_CLOEXEC);
	assert_int_equal(create->offset, 0);
	assert_true(create->size > 0);
	assert_int_equal(create->size % (uint64_t)sysconf(_SC_PAGESIZE), 0);
	int seals = fcntl((int)create->memfd, F_GET_SEALS);
	assert_true(seals >= 0 && (seals & F_SEAL_SHRINK) && !(seals & F_SEAL_WRITE));
	context.udmabufs++;
	return fcntl((int)create->memfd, F_DUPFD_CLOEXEC, 0);
}

int __wrap_memfd_create(const char *name, unsigned int flags) {
	assert_true(flags & MFD_CLOEXEC);
	return call_fails() ? -1 : __real_memfd_create(name, flags);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	return call_fails() ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	return __wrap_mmap(address, size, protection, flags, fd, offset);
}

static bool consumer_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return context.wants;
}

static void consumer_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	assert_true(context.frames < ARRAY_LENGTH(context.held));
	context.held[context.frames++] = take_frame;
}

static void consumer_handle_state(void *data, enum oriel_source_state state) {
	context.states++;
	context.state = state;
}

static const struct oriel_source_consumer consumer = {
	.wants = consumer_handle_wants,
	.frame = consumer_handle_frame,
	.state = consumer_handle_state,
};

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.wants = true;
	log_lines_init();
	fake_sync_reset();
	return 0;
}

static int setup_udmabuf(void **state) {
	setup(state);
	context.has_udmabuf = true;
	return 0;
}

static void release_oldest(void) {
	assert_true(context.frames > 0);
	oriel_guest_frame_destroy(context.held[0]);
	context.frames--;
	memmove(&context.held[0], &context.held[1], context.frames * sizeof(context.held[0]));
}

static int teardown(void **state) {
	while (context.frames > 0) {
		release_oldest();
	}
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct oriel_source *create(const char *where) {
	struct oriel_source *source = oriel_source_create(NULL, "win", "synthetic", where, NULL);
	assert_non_null(source);
	assert_int_equal(log_lines_get_count(), 0);
	oriel_source_set_consumer(source, &consumer, NULL);
	return source;
}

static struct oriel_guest_buffer *get_buffer(unsigned int index) {
	assert_true(index < context.frames);
	return oriel_guest_frame_get_buffer(context.held[index]);
}

static void assert_size(unsigned int index, int width, int height) {
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(get_buffer(index));
	assert_int_equal(attributes->width, width);
	assert_int_equal(attributes->height, height);
}

static uint32_t read_pixel(unsigned int index, int x, int y) {
	struct wlr_buffer *buffer = oriel_guest_buffer_get_wlr_buffer(get_buffer(index));
	void *data;
	uint32_t format;
	size_t stride;
	assert_true(wlr_buffer_begin_data_ptr_access(
			buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride));
	uint32_t pixel = ((const uint32_t *)data)[stride / 4 * (size_t)y + (size_t)x];
	wlr_buffer_end_data_ptr_access(buffer);
	return pixel & 0xffffff;
}

static void create_takes_its_size(void **state) {
	static const struct {
		const char *where;
		int width, height;
	} cases[] = {
		{ NULL, 1280, 720 },
		{ "64x48", 64, 48 },
		{ "1x1", 1, 1 },
		{ "16384x1", 16384, 1 },
		{ "1x16384", 1, 16384 },
		{ "333x17", 333, 17 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_source *source = create(cases[i].where);
		oriel_source_poll(source);
		assert_size(0, cases[i].width, cases[i].height);
		/* All of it is there to read. */
		read_pixel(0, cases[i].width - 1, cases[i].height - 1);
		release_oldest();
		oriel_source_destroy(source);
	}
}

static void create_with_a_wrong_size_is_one_line(void **state) {
	static const char *const sizes[] = { "", "64", "64x", "x48", "64x48x", "64x48 ", "64x0",
		"0x48", "-1x48", "16385x1", "1x16385", "4294967297x1", "64*48", "big" };
	for (unsigned int i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct oriel_source *source =
				oriel_source_create(NULL, "win", "synthetic", sizes[i], NULL);
		if (source != NULL) {
			fail_msg("'%s' was taken", sizes[i]);
		}
		assert_int_equal(log_lines_get_count(), i + 1);
		assert_non_null(strstr(log_lines_get_last(), "guest win: "));
	}
}

static void poll_draws_a_picture_that_moves(void **state) {
	struct oriel_source *source = create("64x48");
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	oriel_source_poll(source);
	assert_int_equal(context.states, 1);
	assert_int_equal(context.state, ORIEL_SOURCE_STATE_RUNNING);
	oriel_source_poll(source);
	assert_int_equal(context.states, 1);
	assert_int_equal(context.frames, 2);
	assert_ptr_not_equal(get_buffer(0), get_buffer(1));

	/* The bar begins at the left edge, and is 4 pixels further to the right the next time. */
	assert_int_equal(read_pixel(0, 0, 10), 0xf0f0f0);
	assert_int_equal(read_pixel(1, 0, 10), read_pixel(1, 0, 10) & 0x00ffff);
	assert_int_equal(read_pixel(1, 4, 10), 0xf0f0f0);
	assert_int_not_equal(read_pixel(0, 63, 0), read_pixel(0, 63, 47));
	oriel_source_destroy(source);
}

static void poll_draws_into_released_buffers_only(void **state) {
	struct oriel_source *source = create("64x48");
	for (unsigned int i = 0; i < BUFFERS + 3; i++) {
		oriel_source_poll(source);
	}
	assert_int_equal(context.frames, BUFFERS);
	assert_ptr_not_equal(get_buffer(0), get_buffer(1));
	assert_ptr_not_equal(get_buffer(1), get_buffer(2));
	assert_ptr_not_equal(get_buffer(0), get_buffer(2));
	uint32_t shown = read_pixel(1, 4, 0);

	struct oriel_guest_buffer *freed = get_buffer(0);
	release_oldest();
	oriel_source_poll(source);
	assert_int_equal(context.frames, BUFFERS);
	assert_ptr_equal(get_buffer(2), freed);
	assert_int_equal(read_pixel(0, 4, 0), shown);
	oriel_source_poll(source);
	assert_int_equal(context.frames, BUFFERS);
	oriel_source_destroy(source);
}

static void poll_unwanted_uses_no_buffer_up(void **state) {
	struct oriel_source *source = create("64x48");
	context.wants = false;
	for (unsigned int i = 0; i < 2 * BUFFERS; i++) {
		oriel_source_poll(source);
	}
	assert_int_equal(oriel_source_get_counters(source).taken, 0);
	context.wants = true;
	for (unsigned int i = 0; i < BUFFERS; i++) {
		oriel_source_poll(source);
	}
	assert_int_equal(context.frames, BUFFERS);
	oriel_source_destroy(source);
}

static void create_without_udmabuf_shares_memory(void **state) {
	struct oriel_source *source = create("64x48");
	oriel_source_poll(source);
	assert_int_equal(oriel_guest_buffer_get_dmabuf_fd(get_buffer(0)), -1);
	assert_int_equal(fake_sync.exports + fake_sync.begins, 0);
	oriel_source_destroy(source);
}

static void create_refused_by_udmabuf_shares_memory(void **state) {
	context.udmabuf_error = EINVAL;
	struct oriel_source *source = create("64x48");
	oriel_source_poll(source);
	assert_int_equal(oriel_guest_buffer_get_dmabuf_fd(get_buffer(0)), -1);
	oriel_source_destroy(source);
}

static void create_with_udmabuf_makes_dmabufs(void **state) {
	/* Not a whole number of pages. */
	struct oriel_source *source = create("333x17");
	assert_int_equal(context.udmabufs, BUFFERS);
	assert_int_equal(fds_count_open(), context.fds_before + BUFFERS);
	oriel_source_poll(source);
	assert_true(oriel_guest_buffer_get_dmabuf_fd(get_buffer(0)) >= 0);
	/* What the CPU draws is bracketed as a write. */
	assert_int_equal(fake_sync.begins, 1);
	assert_int_equal(fake_sync.begin_access, SB_ACCESS_WRITE);
	assert_int_equal(fake_sync.ends, 1);
	assert_int_equal(fake_sync.end_access, SB_ACCESS_WRITE);
	oriel_source_destroy(source);
}

static void poll_waits_for_the_readers_of_a_dmabuf(void **state) {
	struct oriel_source *source = create("64x48");
	struct fake_fence readers;
	fake_fence_init(&readers);
	fake_sync.fence = &readers;
	oriel_source_poll(source);
	assert_int_equal(context.frames, 0);
	assert_int_equal(fake_sync.export_access, SB_ACCESS_WRITE);
	assert_int_equal(fake_sync.begins, 0);
	fake_fence_signal(&readers);
	oriel_source_poll(source);
	assert_int_equal(context.frames, 1);

	fake_sync.export_error = -EINVAL;
	oriel_source_poll(source);
	assert_int_equal(context.frames, 1);
	fake_fence_finish(&readers);
	oriel_source_destroy(source);
}

static void destroy_with_frames_out_keeps_their_pixels(void **state) {
	struct oriel_source *source = create("64x48");
	oriel_source_poll(source);
	oriel_source_poll(source);
	oriel_source_destroy(source);
	assert_int_equal(read_pixel(0, 0, 10), 0xf0f0f0);
	assert_int_equal(read_pixel(1, 4, 10), 0xf0f0f0);
}

static void create_with_any_call_failing_is_one_line(void **state) {
	/* Each buffer is a memfd and a mapping. */
	for (unsigned int i = 1; i <= 2 * BUFFERS; i++) {
		context.calls = 0;
		context.fail_at = i;
		struct oriel_source *source =
				oriel_source_create(NULL, "win", "synthetic", "64x48", NULL);
		assert_null(source);
		assert_int_equal(log_lines_get_count(), i);
		assert_non_null(strstr(log_lines_get_last(), "guest win: "));
		assert_non_null(strstr(log_lines_get_last(), strerror(ENOMEM)));
		assert_int_equal(fds_count_open(), context.fds_before);
	}
	context.fail_at = 0;
}

static void create_without_memory_is_one_line(void **state) {
	/* The driver's struct, its name, and each buffer. */
	for (unsigned int i = 1; i <= 2 + BUFFERS; i++) {
		shortage_of_memory_begin(i);
		struct oriel_source *source =
				oriel_source_create(NULL, "win", "synthetic", "64x48", NULL);
		assert_int_equal(shortage_of_memory_end(), i);
		assert_null(source);
		assert_int_equal(log_lines_get_count(), i);
		assert_int_equal(fds_count_open(), context.fds_before);
	}
}

#define TEST(name, its_setup) cmocka_unit_test_setup_teardown(name, its_setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(create_takes_its_size, setup),
		TEST(create_with_a_wrong_size_is_one_line, setup),
		TEST(poll_draws_a_picture_that_moves, setup),
		TEST(poll_draws_into_released_buffers_only, setup),
		TEST(poll_draws_into_released_buffers_only, setup_udmabuf),
		TEST(poll_unwanted_uses_no_buffer_up, setup),
		TEST(create_without_udmabuf_shares_memory, setup),
		TEST(create_refused_by_udmabuf_shares_memory, setup_udmabuf),
		TEST(create_with_udmabuf_makes_dmabufs, setup_udmabuf),
		TEST(poll_waits_for_the_readers_of_a_dmabuf, setup_udmabuf),
		TEST(destroy_with_frames_out_keeps_their_pixels, setup),
		TEST(destroy_with_frames_out_keeps_their_pixels, setup_udmabuf),
		TEST(create_with_any_call_failing_is_one_line, setup),
		TEST(create_with_any_call_failing_is_one_line, setup_udmabuf),
		TEST(create_without_memory_is_one_line, setup),
		TEST(create_without_memory_is_one_line, setup_udmabuf),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
