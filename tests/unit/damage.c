#include "guest/damage.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "buffer_watch.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define MSEC_NS UINT64_C(1000000)
#define PERIOD_NS (16 * MSEC_NS)

/* Three tiles each way, the last ones cut; rows are padded. */
#define WIDTH 150
#define HEIGHT 140
#define STRIDE_BYTES (WIDTH * 4 + 24)
#define OFFSET_BYTES 4096
#define MEMORY_BYTES (OFFSET_BYTES + STRIDE_BYTES * HEIGHT)

static const struct oriel_guest_buffer_attributes linear = {
	.width = WIDTH,
	.height = HEIGHT,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = STRIDE_BYTES,
	.offset_bytes = OFFSET_BYTES,
};

/* A dma-buf, whose fences are fake_sync's. */
struct picture {
	struct oriel_guest_buffer *buffer;
	uint8_t *memory;
};

static struct {
	int fds_before;
	struct oriel_damage damage;
	uint64_t now_ns;
	uint64_t cpu_ns; /* of the thread */
	uint64_t cost_ns; /* of whatever is between two looks at its clock */
	bool map_fails;
	unsigned int maps;
	const pixman_region32_t *region; /* of the last look */
} context;

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
	assert_int_equal(clock, CLOCK_THREAD_CPUTIME_ID);
	context.cpu_ns += context.cost_ns;
	ret_time->tv_sec = (time_t)(context.cpu_ns / 1000000000);
	ret_time->tv_nsec = (long)(context.cpu_ns % 1000000000);
	return 0;
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	context.maps++;
	if (context.map_fails) {
		errno = ENODEV;
		return MAP_FAILED;
	}
	return __real_mmap(address, size, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	return __wrap_mmap(address, size, protection, flags, fd, offset);
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.now_ns = 1000 * 1000 * MSEC_NS;
	fake_sync_reset();
	oriel_damage_init(&context.damage);
	return 0;
}

static int teardown(void **state) {
	oriel_damage_finish(&context.damage);
	assert_int_equal(fake_sync.ends, fake_sync.begin_error == 0 ? fake_sync.begins : 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct picture picture_create_with(const struct oriel_guest_buffer_attributes *attributes,
		enum oriel_guest_memory kind) {
	size_t size_bytes = attributes->offset_bytes +
			attributes->stride_bytes * (size_t)attributes->height;
	int fd = memfd_create("damage", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	struct picture picture;
	picture.memory = __real_mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(picture.memory, MAP_FAILED);
	picture.buffer = oriel_guest_buffer_create(attributes, kind, fd);
	assert_non_null(picture.buffer);
	return picture;
}

static struct picture picture_create(void) {
	return picture_create_with(&linear, ORIEL_GUEST_MEMORY_DMABUF);
}

static void picture_destroy(struct picture *picture) {
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(picture->buffer);
	munmap(picture->memory,
			attributes->offset_bytes +
					attributes->stride_bytes * (size_t)attributes->height);
	oriel_guest_buffer_drop(picture->buffer);
}

static void picture_paint(struct picture *picture, int x, int y) {
	picture->memory[OFFSET_BYTES + y * STRIDE_BYTES + x * 4]++;
}

static bool look(struct picture *picture) {
	context.now_ns += PERIOD_NS;
	context.region = NULL;
	return oriel_damage_look(&context.damage, picture->buffer, context.now_ns, &context.region);
}

static void look_finds_nothing(struct picture *picture) {
	assert_false(look(picture));
}

static void look_finds_everything(struct picture *picture) {
	assert_true(look(picture));
	assert_null(context.region);
}

static void look_finds(struct picture *picture, int x1, int y1, int x2, int y2) {
	assert_true(look(picture));
	assert_non_null(context.region);
	pixman_region32_t box;
	pixman_region32_init_rect(&box, x1, y1, (unsigned int)(x2 - x1), (unsigned int)(y2 - y1));
	assert_true(pixman_region32_equal(context.region, &box));
	pixman_region32_fini(&box);
}

static void look_at_buffer_that_is_new_finds_everything(void **state) {
	struct picture first = picture_create(), second = picture_create();
	look_finds_everything(&first);
	look_finds_nothing(&first);
	look_finds_everything(&second);
	look_finds_nothing(&second);
	/* Also one that comes back as it was: what is on screen is not it. */
	look_finds_everything(&first);
	look_finds_nothing(&first);
	picture_destroy(&first);
	picture_destroy(&second);
}

static void look_finds_the_tiles_that_were_drawn(void **state) {
	struct picture picture = picture_create();
	look_finds_everything(&picture);
	picture_paint(&picture, 0, 0);
	look_finds(&picture, 0, 0, 64, 64);
	look_finds_nothing(&picture);
	picture_paint(&picture, WIDTH - 1, HEIGHT - 1);
	look_finds(&picture, 128, 128, WIDTH, HEIGHT);
	picture_paint(&picture, 70, 70);
	picture_paint(&picture, 140, 70);
	look_finds(&picture, 64, 64, WIDTH, 128);
	/* Padding is no picture, nor is what lies before it. */
	picture.memory[0]++;
	picture_paint(&picture, WIDTH, 3);
	look_finds_nothing(&picture);
	picture_destroy(&picture);
}

static void look_at_shared_memory_needs_no_bracket(void **state) {
	struct picture picture = picture_create_with(&linear, ORIEL_GUEST_MEMORY_SHARED);
	look_finds_everything(&picture);
	picture_paint(&picture, 0, 0);
	look_finds(&picture, 0, 0, 64, 64);
	assert_int_equal(fake_sync.exports + fake_sync.begins, 0);
	picture_destroy(&picture);
}

static void look_reads_in_brackets(void **state) {
	struct picture picture = picture_create();
	for (unsigned int i = 1; i <= 3; i++) {
		look(&picture);
		assert_int_equal(fake_sync.begins, i);
		assert_int_equal(fake_sync.ends, i);
		assert_int_equal(fake_sync.begin_access, SB_ACCESS_READ);
	}
	picture_destroy(&picture);
}

/* What the writer leaves is seen when it is done, whether or not it has drawn anything by now. */
static void look_while_a_writer_is_at_work_finds_everything(void **state) {
	struct picture picture = picture_create();
	struct fake_fence fence;
	fake_fence_init(&fence);
	look_finds_everything(&picture);
	look_finds_nothing(&picture);

	fake_sync.fence = &fence;
	unsigned int begins = fake_sync.begins;
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	assert_int_equal(fake_sync.begins, begins);

	fake_fence_signal(&fence);
	look_finds_everything(&picture);
	look_finds_nothing(&picture);
	picture_paint(&picture, 0, 0);
	look_finds(&picture, 0, 0, 64, 64);
	picture_destroy(&picture);
	fake_fence_finish(&fence);
}

/* One that comes between the look for it and the ioctl which then waits for it. */
static void look_that_a_writer_interrupts_finds_everything(void **state) {
	struct picture picture = picture_create();
	look_finds_everything(&picture);
	fake_sync.begin_waits_for_signal = true;
	fake_sync.begin_error = -EINTR;
	look_finds_everything(&picture);
	fake_sync.begin_waits_for_signal = false;
	fake_sync.begin_error = 0;
	fake_sync.ends++; /* that of the bracket which did not open */
	look_finds_everything(&picture);
	look_finds_nothing(&picture);
	picture_destroy(&picture);
}

static void look_at_what_cannot_be_read_finds_everything_each_time(void **state) {
	struct oriel_guest_buffer_attributes tiled = linear;
	tiled.modifier = DRM_FORMAT_MOD_INVALID;
	struct picture picture = picture_create_with(&tiled, ORIEL_GUEST_MEMORY_DMABUF);
	for (int i = 0; i < 3; i++) {
		look_finds_everything(&picture);
	}
	assert_int_equal(context.maps, 0);
	picture_destroy(&picture);

	context.map_fails = true;
	picture = picture_create();
	for (int i = 0; i < 3; i++) {
		look_finds_everything(&picture);
	}
	assert_int_equal(context.maps, 1);
	picture_destroy(&picture);
	context.map_fails = false;

	static const int errors[] = { -EIO, -ENOTTY, -EMFILE };
	picture = picture_create();
	look_finds_everything(&picture);
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		fake_sync.export_error = errors[i];
		look_finds_everything(&picture);
	}
	fake_sync.export_error = 0;
	look_finds_everything(&picture);
	look_finds_nothing(&picture);
	picture_destroy(&picture);
}

static void look_without_memory_for_hashes_finds_everything(void **state) {
	struct picture picture = picture_create();
	for (int i = 0; i < 3; i++) {
		shortage_of_memory_begin(1);
		look_finds_everything(&picture);
		assert_int_equal(shortage_of_memory_end(), 1);
	}
	look_finds_everything(&picture);
	look_finds_nothing(&picture);
	picture_destroy(&picture);
}

static void forget_finds_everything_and_lets_the_buffer_go(void **state) {
	struct picture picture = picture_create();
	struct buffer_watch watch;
	buffer_watch_init(&watch, picture.buffer);
	look_finds_everything(&picture);
	assert_int_equal(buffer_watch_get_locks(&watch), 1);
	oriel_damage_forget(&context.damage);
	assert_int_equal(buffer_watch_get_locks(&watch), 0);
	oriel_damage_forget(&context.damage);
	look_finds_everything(&picture);
	look_finds_nothing(&picture);

	/* So that no other buffer can take its place in memory. */
	assert_int_equal(buffer_watch_get_locks(&watch), 1);
	picture_destroy(&picture);
	assert_false(watch.destroyed);
	struct picture other = picture_create();
	look_finds_everything(&other);
	assert_true(watch.destroyed);
	picture_destroy(&other);
}

static void looks_that_take_a_tenth_of_the_time_go_on(void **state) {
	struct picture picture = picture_create();
	context.cost_ns = PERIOD_NS / 10;
	look_finds_everything(&picture);
	for (int i = 0; i < 100; i++) {
		look_finds_nothing(&picture);
	}
	picture_destroy(&picture);
}

/* Pixels may be read with every third look, and the guest is found to stand still by the second one. */
static void looks_that_take_more_read_pixels_less_often(void **state) {
	struct picture picture = picture_create();
	context.cost_ns = 3 * PERIOD_NS / 10;
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	picture_paint(&picture, 0, 0);
	look_finds_everything(&picture);
	picture.memory[OFFSET_BYTES]--;
	/* It looks as it did the first time, but is not what the last frame was made of. */
	look_finds_everything(&picture);
	for (int i = 0; i < 12; i++) {
		look_finds_nothing(&picture);
	}
	picture_paint(&picture, 0, 0);
	look_finds_nothing(&picture);
	look_finds_nothing(&picture);
	look_finds(&picture, 0, 0, 64, 64);
	/* And is taken to be drawing, until two that read pixels have found the same. */
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	look_finds_nothing(&picture);
	picture_destroy(&picture);
}

static void look_that_may_not_read_pixels_sees_a_writer(void **state) {
	struct picture picture = picture_create();
	struct fake_fence fence;
	fake_fence_init(&fence);
	context.cost_ns = 3 * PERIOD_NS / 10;
	for (int i = 0; i < 4; i++) {
		look_finds_everything(&picture);
	}
	look_finds_nothing(&picture);
	fake_sync.fence = &fence;
	look_finds_everything(&picture);
	fake_fence_signal(&fence);
	look_finds_everything(&picture);
	picture_destroy(&picture);
	fake_fence_finish(&fence);
}

/* Of a guest that flips, not each page is read. */
static void look_that_may_not_read_pixels_finds_all_of_another_buffer(void **state) {
	struct picture first = picture_create(), second = picture_create();
	context.cost_ns = 3 * PERIOD_NS / 10;
	for (int i = 0; i < 4; i++) {
		look_finds_everything(&first);
	}
	look_finds_nothing(&first);
	look_finds_everything(&second);
	look_finds_everything(&second);
	/* What they take is known of buffers of such attributes, and of no others. */
	struct oriel_guest_buffer_attributes smaller = linear;
	smaller.height--;
	struct picture other = picture_create_with(&smaller, ORIEL_GUEST_MEMORY_DMABUF);
	context.cost_ns = 0;
	look_finds_everything(&other);
	look_finds_nothing(&other);
	picture_destroy(&other);
	picture_destroy(&first);
	picture_destroy(&second);
}

/* Sixteen rows of 140 that take 5.7 ms are a look of 50 ms. */
static void look_that_would_take_too_long_is_not_begun(void **state) {
	struct picture picture = picture_create();
	context.cost_ns = 50 * MSEC_NS * 16 / HEIGHT + 100;
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	assert_int_equal(fake_sync.begins, 1);
	picture_destroy(&picture);

	struct oriel_guest_buffer_attributes flat = linear;
	flat.height = 3;
	picture = picture_create_with(&flat, ORIEL_GUEST_MEMORY_DMABUF);
	context.cost_ns = 50 * MSEC_NS;
	unsigned int begins = fake_sync.begins;
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	assert_int_equal(fake_sync.begins, begins + 2);
	picture_destroy(&picture);
	flat.height = 4;
	picture = picture_create_with(&flat, ORIEL_GUEST_MEMORY_DMABUF);
	context.cost_ns = 50 * MSEC_NS + 1;
	look_finds_everything(&picture);
	look_finds_everything(&picture);
	picture_destroy(&picture);
}

/* What was so slow by chance must not be drawn anew for ever. */
static void look_that_would_have_taken_too_long_is_tried_again(void **state) {
	struct picture picture = picture_create();
	context.cost_ns = 6 * MSEC_NS;
	look_finds_everything(&picture);
	const uint64_t tried_ns = context.now_ns;
	unsigned int begins = 1;
	/* It is as slow the next time, and then no more. */
	for (int i = 0; i < 2; i++) {
		while (context.now_ns + PERIOD_NS < tried_ns + (uint64_t)(i + 1) * 600 * MSEC_NS) {
			look_finds_everything(&picture);
			assert_int_equal(fake_sync.begins, begins);
		}
		context.cost_ns = i == 0 ? 6 * MSEC_NS : 1000;
		look_finds_everything(&picture);
		assert_int_equal(fake_sync.begins, ++begins);
		context.now_ns = tried_ns + (uint64_t)(i + 1) * 600 * MSEC_NS;
	}
	look_finds_nothing(&picture);
	picture_paint(&picture, 70, 70);
	look_finds(&picture, 64, 64, 128, 128);
	picture_destroy(&picture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(look_at_buffer_that_is_new_finds_everything),
		TEST(look_finds_the_tiles_that_were_drawn),
		TEST(look_at_shared_memory_needs_no_bracket),
		TEST(look_reads_in_brackets),
		TEST(look_while_a_writer_is_at_work_finds_everything),
		TEST(look_that_a_writer_interrupts_finds_everything),
		TEST(look_at_what_cannot_be_read_finds_everything_each_time),
		TEST(look_without_memory_for_hashes_finds_everything),
		TEST(forget_finds_everything_and_lets_the_buffer_go),
		TEST(looks_that_take_a_tenth_of_the_time_go_on),
		TEST(looks_that_take_more_read_pixels_less_often),
		TEST(look_that_may_not_read_pixels_sees_a_writer),
		TEST(look_that_may_not_read_pixels_finds_all_of_another_buffer),
		TEST(look_that_would_take_too_long_is_not_begun),
		TEST(look_that_would_have_taken_too_long_is_tried_again),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
