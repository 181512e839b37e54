#include "guest/drivers/vfio_region.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <wlr/types/wlr_buffer.h>

#include <cmocka.h>

#include "buffer_watch.h"
#include "fds.h"
#include "guest/buffer.h"

/* A memfd stands for the device, and a part of it for the region. */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define MSEC_NS UINT64_C(1000000)
#define PERIOD_NS (16 * MSEC_NS)

#define REGION_OFFSET 8192
#define WIDTH 150
#define HEIGHT 140
#define STRIDE_BYTES (WIDTH * 4 + 40)
#define REGION_BYTES (STRIDE_BYTES * HEIGHT)

static const struct oriel_guest_buffer_attributes attributes_150 = {
	.width = WIDTH,
	.height = HEIGHT,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = STRIDE_BYTES,
};

static struct {
	int fds_before;
	int device_fd;
	struct oriel_vfio_picture picture;
	struct oriel_guest_buffer_attributes attributes; /* of what is in the region */
	struct oriel_vfio_region region;
	uint64_t now_ns;
	uint64_t cpu_ns, cost_ns; /* of the thread; cost_ns more at each look at the clock */
	const pixman_region32_t *damage; /* of the last look */

	unsigned int calls, fail_at; /* the call that fails, counted from 1 */
	int fail_error;
	size_t preads, pread_most; /* the most that one gives; 0: all */
	off_t pread_end; /* nothing is read from there on; 0: all is */
	bool cut_off_by_copy; /* the device goes when the hashes are known */
	size_t mapped_bytes; /* now */
} context;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset);

static bool call_fails(void) {
	context.calls++;
	if (context.fail_at == context.calls) {
		errno = context.fail_error;
		return true;
	}
	return false;
}

static void cut_off(void) {
	assert_int_equal(__real_ftruncate(context.device_fd, 0), 0);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
	assert_int_equal(clock, CLOCK_THREAD_CPUTIME_ID);
	context.cpu_ns += context.cost_ns;
	ret_time->tv_sec = (time_t)(context.cpu_ns / 1000000000);
	ret_time->tv_nsec = (long)(context.cpu_ns % 1000000000);
	/* A look sees the clock before it reads, and when it has the hashes. */
	static unsigned int looks;
	if (context.cut_off_by_copy && looks++ == 1) {
		looks = 0;
		context.cut_off_by_copy = false;
		cut_off();
	}
	return 0;
}

void *__wrap_calloc(size_t count, size_t size) {
	return call_fails() ? NULL : __real_calloc(count, size);
}

int __wrap_memfd_create(const char *name, unsigned int flags) {
	return call_fails() ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int fd, off_t size) {
	return call_fails() ? -1 : __real_ftruncate(fd, size);
}

int __wrap_ftruncate64(int fd, off_t size) {
	return __wrap_ftruncate(fd, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	if (flags & MAP_FIXED) {
		/* In place of what has ended. */
		return __real_mmap(address, size, protection, flags, fd, offset);
	}
	if (call_fails()) {
		return MAP_FAILED;
	}
	if (fd == context.device_fd) {
		assert_int_equal(protection, PROT_READ);
	}
	void *map = __real_mmap(address, size, protection, flags, fd, offset);
	if (map != MAP_FAILED) {
		context.mapped_bytes += size;
	}
	return map;
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	return __wrap_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t size) {
	assert_true(size <= context.mapped_bytes);
	context.mapped_bytes -= size;
	return __real_munmap(address, size);
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset) {
	assert_int_equal(fd, context.device_fd);
	assert_true(offset >= REGION_OFFSET &&
			offset + (off_t)size <= REGION_OFFSET + (off_t)context.region.size_bytes);
	context.preads++;
	if (call_fails()) {
		return -1;
	}
	if (context.pread_end != 0 && offset >= context.pread_end) {
		return 0;
	}
	if (context.pread_most != 0 && size > context.pread_most) {
		size = context.pread_most;
	}
	return __real_pread(fd, data, size, offset);
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset) {
	return __wrap_pread(fd, data, size, offset);
}

static void reset(void) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.now_ns = 1000 * 1000 * MSEC_NS;
	context.attributes = attributes_150;
	context.region = (struct oriel_vfio_region){
		.index = 10,
		.offset_bytes = REGION_OFFSET,
		.size_bytes = REGION_BYTES,
		.can_read = true,
		.can_mmap = true,
	};
	context.device_fd = __real_memfd_create("device", MFD_CLOEXEC);
	assert_true(context.device_fd >= 0);
	assert_int_equal(__real_ftruncate(context.device_fd, REGION_OFFSET + REGION_BYTES), 0);
	oriel_vfio_picture_init(&context.picture);
}

static void check_nothing_left(void) {
	oriel_vfio_picture_finish(&context.picture);
	oriel_vfio_picture_finish(&context.picture);
	close(context.device_fd);
	assert_int_equal(context.mapped_bytes, 0);
	assert_int_equal(fds_count_open(), context.fds_before);
}

static int setup(void **state) {
	reset();
	return 0;
}

static int teardown(void **state) {
	check_nothing_left();
	return 0;
}

static uint32_t get_colour(uint32_t seed, int x, int y) {
	return seed * 0x010203 + (uint32_t)(y * 1000 + x) * 7;
}

static void paint(uint32_t seed, int x1, int y1, int x2, int y2) {
	for (int y = y1; y < y2; y++) {
		for (int x = x1; x < x2; x++) {
			uint32_t colour = get_colour(seed, x, y);
			off_t offset = REGION_OFFSET + (off_t)context.attributes.stride_bytes * y +
					4 * x;
			assert_int_equal(pwrite(context.device_fd, &colour, 4, offset), 4);
		}
	}
}

static void paint_all(uint32_t seed) {
	paint(seed, 0, 0, context.attributes.width, context.attributes.height);
}

static int set(void) {
	return oriel_vfio_picture_set(&context.picture, context.device_fd, &context.region,
			&context.attributes, context.now_ns);
}

static int look(void) {
	context.now_ns += PERIOD_NS;
	context.damage = NULL;
	return oriel_vfio_picture_look(
			&context.picture, context.device_fd, context.now_ns, &context.damage);
}

/* What a reader of the buffer sees has the colours of seed within the box. */
static void check_pixels(uint32_t seed, int x1, int y1, int x2, int y2) {
	void *data;
	uint32_t format;
	size_t stride;
	struct wlr_buffer *buffer = oriel_guest_buffer_get_wlr_buffer(context.picture.buffer);
	assert_true(wlr_buffer_begin_data_ptr_access(
			buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride));
	assert_int_equal(format, context.attributes.format);
	for (int y = y1; y < y2; y++) {
		for (int x = x1; x < x2; x++) {
			uint32_t pixel;
			memcpy(&pixel, (char *)data + stride * (size_t)y + 4 * (size_t)x, 4);
			if (pixel != get_colour(seed, x, y)) {
				fail_msg("pixel %d,%d is %08x", x, y, pixel);
			}
		}
	}
	wlr_buffer_end_data_ptr_access(buffer);
}

static void check_all_pixels(uint32_t seed) {
	check_pixels(seed, 0, 0, context.attributes.width, context.attributes.height);
}

static void check_damage(int x1, int y1, int x2, int y2) {
	assert_non_null(context.damage);
	pixman_region32_t box;
	pixman_region32_init_rect(&box, x1, y1, (unsigned int)(x2 - x1), (unsigned int)(y2 - y1));
	assert_true(pixman_region32_equal(context.damage, &box));
	pixman_region32_fini(&box);
}

static void look_copies_the_picture_and_then_what_changes(void **state) {
	for (int i = 0; i < 2; i++) {
		/* Mapped, and then read. */
		context.region.can_mmap = i == 0;
		context.region.index++;
		paint_all(1);
		assert_int_equal(set(), 0);
		assert_false(oriel_vfio_picture_is_whole(&context.picture));
		assert_int_equal(look(), 1);
		assert_true(oriel_vfio_picture_is_whole(&context.picture));
		assert_null(context.damage);
		check_all_pixels(1);
		assert_int_equal(look(), 0);

		paint(2, 64, 0, 65, 1);
		assert_int_equal(look(), 1);
		check_damage(64, 0, 128, 64);
		check_pixels(2, 64, 0, 65, 1);
		check_pixels(1, 65, 0, WIDTH, HEIGHT);
		paint(3, WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT);
		assert_int_equal(look(), 1);
		check_damage(128, 128, WIDTH, HEIGHT);
		check_pixels(3, WIDTH - 1, HEIGHT - 1, WIDTH, HEIGHT);
		assert_int_equal(look(), 0);
		assert_int_equal(context.preads > 0, i == 1);
	}
}

static void buffer_is_one_for_a_size_and_outlives_the_picture(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	struct oriel_guest_buffer *buffer = context.picture.buffer;
	struct buffer_watch watch;
	buffer_watch_init(&watch, oriel_guest_buffer_lock(buffer));
	assert_int_equal(look(), 1);
	assert_int_equal(oriel_guest_buffer_get_dmabuf_fd(buffer), -1);

	/* Another stride, another region, the same pixels. */
	context.attributes.stride_bytes = WIDTH * 4;
	context.region.index = 11;
	paint_all(2);
	assert_int_equal(set(), 0);
	assert_ptr_equal(context.picture.buffer, buffer);
	assert_int_equal(look(), 1);
	assert_null(context.damage);
	check_all_pixels(2);

	/* Another format, and another size. */
	context.attributes.format = DRM_FORMAT_XBGR8888;
	assert_int_equal(set(), 0);
	assert_ptr_not_equal(context.picture.buffer, buffer);
	assert_int_equal(look(), 1);
	check_all_pixels(2);
	context.attributes.width--;
	context.attributes.height = 1;
	assert_int_equal(set(), 0);
	paint_all(3);
	assert_int_equal(look(), 1);
	check_all_pixels(3);

	assert_false(watch.destroyed);
	oriel_vfio_picture_finish(&context.picture);
	cut_off();
	assert_true(oriel_guest_buffer_can_map(buffer));
	oriel_guest_buffer_unlock(buffer);
	assert_true(watch.destroyed);
}

static void pixels_of_two_bytes_are_copied_in_whole_words(void **state) {
	context.attributes.format = DRM_FORMAT_RGB565;
	context.attributes.width = 65;
	context.attributes.height = 3;
	context.attributes.stride_bytes = 65 * 2 + 2;
	for (uint16_t i = 0; i < 66 * 3; i++) {
		uint16_t pixel = (uint16_t)(i * 331);
		assert_int_equal(pwrite(context.device_fd, &pixel, 2, REGION_OFFSET + 2 * i), 2);
	}
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	for (uint16_t y = 0; y < 3; y++) {
		for (uint16_t x = 0; x < 65; x++) {
			uint16_t pixel;
			memcpy(&pixel, context.picture.pixels + 132 * y + 2 * x, 2);
			assert_int_equal(pixel, (uint16_t)((66 * y + x) * 331));
		}
	}
	uint16_t last = 0x1234;
	assert_int_equal(pwrite(context.device_fd, &last, 2, REGION_OFFSET + 132 * 2 + 128), 2);
	assert_int_equal(look(), 1);
	check_damage(64, 0, 65, 3);
	assert_memory_equal(context.picture.pixels + 132 * 2 + 128, &last, 2);
}

static void forgotten_picture_is_found_anew(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	assert_int_equal(look(), 0);
	oriel_vfio_picture_forget(&context.picture);
	assert_false(oriel_vfio_picture_is_whole(&context.picture));
	assert_int_equal(look(), 1);
	assert_null(context.damage);
	assert_int_equal(look(), 0);
}

static void picture_is_that_of_its_region_and_attributes(void **state) {
	struct oriel_guest_buffer_attributes other = attributes_150;
	other.height--;
	assert_false(oriel_vfio_picture_is_of(&context.picture, 10, &attributes_150));
	assert_int_equal(set(), 0);
	assert_true(oriel_vfio_picture_is_of(&context.picture, 10, &attributes_150));
	assert_false(oriel_vfio_picture_is_of(&context.picture, 11, &attributes_150));
	assert_false(oriel_vfio_picture_is_of(&context.picture, 10, &other));
}

static void region_that_goes_leaves_the_picture(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	cut_off();
	assert_int_equal(look(), -EFAULT);
	check_all_pixels(1);
	assert_false(oriel_vfio_picture_is_of(&context.picture, 10, &attributes_150));

	/* A mapping that can be had still is no better. */
	assert_int_equal(set(), 0);
	check_all_pixels(1);
	assert_int_equal(look(), -EFAULT);
	check_all_pixels(1);

	/* And when it is back. */
	assert_int_equal(__real_ftruncate(context.device_fd, REGION_OFFSET + REGION_BYTES), 0);
	paint_all(2);
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	check_all_pixels(2);
}

/* Between the look for changes and their copy. */
static void region_that_goes_meanwhile_leaves_the_picture(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	paint_all(2);
	context.cut_off_by_copy = true;
	assert_int_equal(look(), -EFAULT);
	assert_false(context.cut_off_by_copy);
	check_all_pixels(1);
}

static void region_that_cannot_be_mapped_is_read(void **state) {
	paint_all(1);
	context.fail_at = context.calls + 1;
	context.fail_error = EINVAL;
	assert_int_equal(set(), 0);
	assert_null(context.picture.map);
	context.pread_most = 1000;
	assert_int_equal(look(), 1);
	check_all_pixels(1);

	context.region.can_read = false;
	context.region.index = 11;
	context.fail_at = context.calls + 1;
	assert_int_equal(set(), -EACCES);
	context.region.can_mmap = false;
	assert_int_equal(set(), -EACCES);
}

static void read_that_fails_leaves_the_picture(void **state) {
	context.region.can_mmap = false;
	paint_all(1);
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	paint_all(2);
	context.fail_at = context.calls + 2;
	context.fail_error = EIO;
	assert_int_equal(look(), -EIO);
	check_all_pixels(1);
	assert_int_equal(set(), 0);
	context.pread_end = REGION_OFFSET + 65536;
	assert_int_equal(look(), -EIO);
	check_all_pixels(1);
	context.pread_end = 0;
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	check_all_pixels(2);
}

/* The clock is seen twice around a look, and once for each piece of 64 KiB. */
static void look_that_takes_long_is_made_in_pieces(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	context.cost_ns = 9 * MSEC_NS;
	assert_int_equal(look(), 1);
	check_all_pixels(1);
	paint(2, 0, 0, 1, 1);

	/* Not before ten times as long has passed. */
	context.cost_ns = 4 * MSEC_NS;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(look(), 0);
		assert_null(context.picture.scratch);
	}
	/* Then a piece each, and when all are there the picture is looked at. */
	unsigned int looks = 0;
	int ret;
	do {
		ret = look();
		looks++;
		assert_true(looks < 1000);
		assert_true(ret == 1 || oriel_vfio_picture_is_whole(&context.picture));
	} while (ret == 0);
	assert_int_equal(ret, 1);
	assert_true(looks >= (REGION_BYTES + 65535) / 65536);
	check_damage(0, 0, 64, 64);
	check_pixels(2, 0, 0, 1, 1);
	check_pixels(1, 1, 0, WIDTH, HEIGHT);

	/* So it stays, until there is a picture of another kind. */
	context.now_ns += 1000 * MSEC_NS;
	context.cost_ns = 0;
	assert_int_equal(look(), 0);
	assert_non_null(context.picture.scratch);
	context.attributes.height--;
	assert_int_equal(set(), 0);
	assert_int_equal(look(), 1);
	assert_null(context.picture.scratch);
}

static void pieces_of_a_region_that_goes_leave_the_picture(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	context.cost_ns = 9 * MSEC_NS;
	assert_int_equal(look(), 1);
	context.cost_ns = 0;
	context.now_ns += 1000 * MSEC_NS;
	cut_off();
	assert_int_equal(look(), -EFAULT);
	check_all_pixels(1);
}

static void looks_leave_nine_tenths_of_a_core(void **state) {
	paint_all(1);
	assert_int_equal(set(), 0);
	context.cost_ns = 4 * MSEC_NS;
	assert_int_equal(look(), 1);
	/* 4 ms of reading are looked away from for 40. */
	paint(2, 0, 0, 1, 1);
	assert_int_equal(look(), 0);
	assert_int_equal(look(), 0);
	assert_int_equal(look(), 1);

	/* A new picture has to wait as well. */
	context.attributes.height--;
	assert_int_equal(set(), -EAGAIN);
	assert_true(oriel_vfio_picture_is_of(&context.picture, 10, &attributes_150));
	context.now_ns += 40 * MSEC_NS;
	assert_int_equal(set(), 0);
}

static void picture_that_needs_too_much_memory_is_refused(void **state) {
	context.region.size_bytes = INT64_MAX;
	context.attributes.width = 16384;
	context.attributes.height = 4096;
	context.attributes.stride_bytes = 16384 * 4;
	assert_int_equal(set(), 0);
	context.attributes.height++;
	context.now_ns += 1000 * MSEC_NS;
	assert_int_equal(set(), -EFBIG);
}

static void any_failed_call_is_survived(void **state) {
	static const int errors[] = { ENOMEM, EINVAL, EMFILE };
	check_nothing_left();
	for (int i = 0; i < 6; i++) {
		for (unsigned int n = 1;; n++) {
			reset();
			context.region.can_mmap = i % 2 == 0;
			context.fail_at = n;
			context.fail_error = errors[i / 2];
			paint_all(1);
			bool done = false;
			for (int k = 0; k < 4 && !done; k++) {
				done = set() == 0 && look() == 1;
			}
			assert_true(done);
			unsigned int calls = context.calls;
			context.fail_at = 0;
			check_all_pixels(1);
			check_nothing_left();
			if (calls < n) {
				assert_true(n > 6);
				break;
			}
		}
	}
	reset();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(look_copies_the_picture_and_then_what_changes),
		TEST(buffer_is_one_for_a_size_and_outlives_the_picture),
		TEST(pixels_of_two_bytes_are_copied_in_whole_words),
		TEST(forgotten_picture_is_found_anew),
		TEST(picture_is_that_of_its_region_and_attributes),
		TEST(region_that_goes_leaves_the_picture),
		TEST(region_that_goes_meanwhile_leaves_the_picture),
		TEST(region_that_cannot_be_mapped_is_read),
		TEST(read_that_fails_leaves_the_picture),
		TEST(look_that_takes_long_is_made_in_pieces),
		TEST(pieces_of_a_region_that_goes_leave_the_picture),
		TEST(looks_leave_nine_tenths_of_a_core),
		TEST(picture_that_needs_too_much_memory_is_refused),
		TEST(any_failed_call_is_survived),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
