#include "guest/buffer.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/render/dmabuf.h>
#include <wlr/types/wlr_buffer.h>

#include <cmocka.h>

#include <syncbridge/buffer.h>

#include "fake_sync.h"
#include "fds.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* One page of something else, then 16 rows of 60 pixels with 16 bytes of padding each. */
#define WIDTH 60
#define HEIGHT 16
#define STRIDE_BYTES (WIDTH * 4 + 16)
#define OFFSET_BYTES 4096
#define PICTURE_END_BYTES (OFFSET_BYTES + STRIDE_BYTES * (HEIGHT - 1) + WIDTH * 4)

static const struct oriel_guest_buffer_attributes linear = {
	.width = WIDTH,
	.height = HEIGHT,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = STRIDE_BYTES,
	.offset_bytes = OFFSET_BYTES,
};

static struct {
	int fds_before;
	unsigned int maps;
	size_t last_map_bytes;
	int last_map_protection;
	bool map_fails;
	size_t mapped_bytes; /* now */
} context;

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
	context.maps++;
	context.last_map_bytes = size;
	context.last_map_protection = protection;
	if (context.map_fails) {
		errno = ENODEV;
		return MAP_FAILED;
	}
	void *map = __real_mmap(address, size, protection, flags, fd, offset);
	assert_ptr_not_equal(map, MAP_FAILED);
	context.mapped_bytes += size;
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

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	fake_sync_reset();
	return 0;
}

static int teardown(void **state) {
	assert_int_equal(context.mapped_bytes, 0);
	assert_int_equal(fake_sync.ends, fake_sync.begin_error == 0 ? fake_sync.begins : 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

/* Memory whose first and last pixels are 0x11111111 and 0x22222222. */
static int make_memory(size_t size_bytes) {
	int fd = memfd_create("buffer", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	static const uint32_t first = 0x11111111, last = 0x22222222;
	assert_int_equal(pwrite(fd, &first, 4, OFFSET_BYTES), 4);
	assert_int_equal(pwrite(fd, &last, 4, PICTURE_END_BYTES - 4), 4);
	return fd;
}

static struct oriel_guest_buffer *make_buffer(const struct oriel_guest_buffer_attributes *attributes,
		enum oriel_guest_memory memory) {
	struct oriel_guest_buffer *buffer = oriel_guest_buffer_create(
			attributes, memory, make_memory(PICTURE_END_BYTES));
	assert_non_null(buffer);
	return buffer;
}

static bool begin_reading(struct oriel_guest_buffer *buffer, const uint32_t **ret_pixels) {
	void *data;
	uint32_t format;
	size_t stride;
	if (!wlr_buffer_begin_data_ptr_access(oriel_guest_buffer_get_wlr_buffer(buffer),
			    WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride)) {
		return false;
	}
	assert_int_equal(format, DRM_FORMAT_XRGB8888);
	assert_int_equal(stride, STRIDE_BYTES);
	*ret_pixels = data;
	return true;
}

static void end_reading(struct oriel_guest_buffer *buffer) {
	wlr_buffer_end_data_ptr_access(oriel_guest_buffer_get_wlr_buffer(buffer));
}

static void read_whole_picture(struct oriel_guest_buffer *buffer) {
	const uint32_t *pixels = NULL;
	assert_true(begin_reading(buffer, &pixels));
	assert_int_equal(pixels[0], 0x11111111);
	assert_int_equal(pixels[STRIDE_BYTES / 4 * (HEIGHT - 1) + WIDTH - 1], 0x22222222);
	end_reading(buffer);
}

static void create_without_memory_closes_the_fd(void **state) {
	int fd = make_memory(PICTURE_END_BYTES);
	shortage_of_memory_begin(1);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&linear, ORIEL_GUEST_MEMORY_DMABUF, fd);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_null(buffer);
}

static void drop_null_is_fine(void **state) {
	oriel_guest_buffer_drop(NULL);
}

static void drop_locked_buffer_keeps_its_memory(void **state) {
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_SHARED);
	assert_ptr_equal(oriel_guest_buffer_lock(buffer), buffer);
	oriel_guest_buffer_drop(buffer);
	assert_int_equal(fds_count_open(), context.fds_before + 1);
	read_whole_picture(buffer);
	oriel_guest_buffer_unlock(buffer);
}

static void create_tells_what_it_was_given(void **state) {
	struct oriel_guest_buffer *dmabuf = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	struct oriel_guest_buffer *shared = make_buffer(&linear, ORIEL_GUEST_MEMORY_SHARED);
	assert_memory_equal(oriel_guest_buffer_get_attributes(dmabuf), &linear, sizeof(linear));
	assert_int_equal(oriel_guest_buffer_get_wlr_buffer(dmabuf)->width, WIDTH);
	assert_int_equal(oriel_guest_buffer_get_wlr_buffer(dmabuf)->height, HEIGHT);
	assert_true(oriel_guest_buffer_get_dmabuf_fd(dmabuf) >= 0);
	assert_int_equal(oriel_guest_buffer_get_dmabuf_fd(shared), -1);
	assert_int_equal(oriel_guest_buffer_get_read_path(dmabuf), ORIEL_GUEST_READ_PATH_UNDECIDED);
	assert_int_equal(oriel_guest_buffer_get_read_path(shared), ORIEL_GUEST_READ_PATH_CPU);
	oriel_guest_buffer_drop(dmabuf);
	oriel_guest_buffer_drop(shared);
}

static void get_dmabuf_gives_all_attributes(void **state) {
	struct oriel_guest_buffer_attributes attributes = linear;
	attributes.modifier = UINT64_C(0x0100000000000002);
	struct oriel_guest_buffer *buffer = make_buffer(&attributes, ORIEL_GUEST_MEMORY_DMABUF);
	struct wlr_dmabuf_attributes dmabuf;
	for (int i = 0; i < 2; i++) {
		assert_true(wlr_buffer_get_dmabuf(oriel_guest_buffer_get_wlr_buffer(buffer), &dmabuf));
		assert_int_equal(dmabuf.width, WIDTH);
		assert_int_equal(dmabuf.height, HEIGHT);
		assert_int_equal(dmabuf.format, DRM_FORMAT_XRGB8888);
		assert_true(dmabuf.modifier == attributes.modifier);
		assert_int_equal(dmabuf.n_planes, 1);
		assert_int_equal(dmabuf.stride[0], STRIDE_BYTES);
		assert_int_equal(dmabuf.offset[0], OFFSET_BYTES);
		assert_int_equal(dmabuf.fd[0], oriel_guest_buffer_get_dmabuf_fd(buffer));
		if (i == 0) {
			oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_IMPORT);
		}
	}
	oriel_guest_buffer_drop(buffer);
}

/* Two planes in the pixels' dma-bufs, and one in another. */
static struct oriel_guest_buffer_attributes make_planes(int fds[static 4]) {
	struct oriel_guest_buffer_attributes attributes = linear;
	attributes.extra_plane_count = 3;
	for (size_t i = 0; i < 3; i++) {
		attributes.extra_planes[i].stride_bytes = 64 + i;
		attributes.extra_planes[i].offset_bytes = 128 + i;
	}
	fds[0] = make_memory(PICTURE_END_BYTES);
	fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	fds[2] = make_memory(PICTURE_END_BYTES);
	fds[3] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	return attributes;
}

static void get_dmabuf_gives_all_planes(void **state) {
	int fds[4];
	struct oriel_guest_buffer_attributes attributes = make_planes(fds);
	struct oriel_guest_buffer *buffer = oriel_guest_buffer_create_with_planes(&attributes, fds);
	assert_non_null(buffer);
	struct wlr_dmabuf_attributes dmabuf;
	assert_true(wlr_buffer_get_dmabuf(oriel_guest_buffer_get_wlr_buffer(buffer), &dmabuf));
	assert_int_equal(dmabuf.n_planes, 4);
	assert_int_equal(dmabuf.stride[0], STRIDE_BYTES);
	assert_int_equal(dmabuf.fd[0], oriel_guest_buffer_get_dmabuf_fd(buffer));
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(dmabuf.stride[1 + i], 64 + i);
		assert_int_equal(dmabuf.offset[1 + i], 128 + i);
		assert_true(fcntl(dmabuf.fd[1 + i], F_GETFD) >= 0);
	}
	/* Each dma-buf has its fences once. */
	const struct sb_buffer *dmabufs = oriel_guest_buffer_get_dmabufs(buffer);
	assert_int_equal(dmabufs->dmabuf_count, 2);
	assert_int_equal(dmabufs->dmabuf_fds[0], dmabuf.fd[0]);
	assert_int_equal(dmabufs->dmabuf_fds[1], dmabuf.fd[2]);
	/* Its rows are not all there is to it. */
	assert_false(oriel_guest_buffer_can_map(buffer));
	oriel_guest_buffer_drop(buffer);
}

static void create_with_planes_without_memory_closes_the_fds(void **state) {
	int fds[4];
	struct oriel_guest_buffer_attributes attributes = make_planes(fds);
	shortage_of_memory_begin(1);
	assert_null(oriel_guest_buffer_create_with_planes(&attributes, fds));
	shortage_of_memory_end();
}

static void attributes_with_other_planes_are_others(void **state) {
	struct oriel_guest_buffer_attributes a = linear, b = linear;
	a.extra_plane_count = 1;
	assert_false(oriel_guest_buffer_attributes_equal(&a, &b));
	b.extra_plane_count = 1;
	assert_true(oriel_guest_buffer_attributes_equal(&a, &b));
	b.extra_planes[0].offset_bytes = 1;
	assert_false(oriel_guest_buffer_attributes_equal(&a, &b));
	a.extra_planes[0] = b.extra_planes[0];
	a.extra_planes[0].stride_bytes = 1;
	assert_false(oriel_guest_buffer_attributes_equal(&a, &b));
}

static void get_dmabuf_read_by_the_cpu_is_refused(void **state) {
	struct wlr_dmabuf_attributes dmabuf;
	struct oriel_guest_buffer *shared = make_buffer(&linear, ORIEL_GUEST_MEMORY_SHARED);
	assert_false(wlr_buffer_get_dmabuf(oriel_guest_buffer_get_wlr_buffer(shared), &dmabuf));
	oriel_guest_buffer_drop(shared);

	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	oriel_guest_buffer_set_read_path(buffer, ORIEL_GUEST_READ_PATH_CPU);
	assert_false(wlr_buffer_get_dmabuf(oriel_guest_buffer_get_wlr_buffer(buffer), &dmabuf));
	/* It is one all the same: fences are still taken from it. */
	assert_true(oriel_guest_buffer_get_dmabuf_fd(buffer) >= 0);
	oriel_guest_buffer_drop(buffer);
}

static void read_maps_once_and_for_reading_only(void **state) {
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_SHARED);
	assert_true(oriel_guest_buffer_can_map(buffer));
	read_whole_picture(buffer);
	read_whole_picture(buffer);
	assert_int_equal(context.maps, 1);
	assert_int_equal(context.last_map_protection, PROT_READ);
	assert_int_equal(fake_sync.exports + fake_sync.begins, 0);
	oriel_guest_buffer_drop(buffer);
}

static void write_is_refused(void **state) {
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_SHARED);
	void *data;
	uint32_t format;
	size_t stride;
	assert_false(wlr_buffer_begin_data_ptr_access(oriel_guest_buffer_get_wlr_buffer(buffer),
			WLR_BUFFER_DATA_PTR_ACCESS_WRITE, &data, &format, &stride));
	assert_false(wlr_buffer_begin_data_ptr_access(oriel_guest_buffer_get_wlr_buffer(buffer),
			WLR_BUFFER_DATA_PTR_ACCESS_READ | WLR_BUFFER_DATA_PTR_ACCESS_WRITE, &data,
			&format, &stride));
	oriel_guest_buffer_drop(buffer);
}

static void map_never_reaches_beyond_the_memory(void **state) {
	/* A dma-buf's mmap() fails where a memfd's gives pages that fault. */
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	assert_true(oriel_guest_buffer_can_map(buffer));
	assert_int_equal(context.last_map_bytes, PICTURE_END_BYTES);
	oriel_guest_buffer_drop(buffer);

	/* Two bytes a pixel: the last row is shorter. */
	struct oriel_guest_buffer_attributes attributes = linear;
	attributes.format = DRM_FORMAT_RGB565;
	size_t end_bytes = PICTURE_END_BYTES - WIDTH * 2;
	int fd = make_memory(PICTURE_END_BYTES);
	assert_int_equal(ftruncate(fd, (off_t)end_bytes), 0);
	buffer = oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_DMABUF, fd);
	assert_true(oriel_guest_buffer_can_map(buffer));
	assert_int_equal(context.last_map_bytes, end_bytes);
	oriel_guest_buffer_drop(buffer);

	/* And no further than the picture. */
	fd = make_memory(PICTURE_END_BYTES + 65536);
	buffer = oriel_guest_buffer_create(&linear, ORIEL_GUEST_MEMORY_DMABUF, fd);
	assert_true(oriel_guest_buffer_can_map(buffer));
	assert_int_equal(context.last_map_bytes, PICTURE_END_BYTES);
	oriel_guest_buffer_drop(buffer);
}

static void map_of_anything_but_linear_rows_is_refused(void **state) {
	static const uint64_t modifiers[] = {
		DRM_FORMAT_MOD_INVALID,
		UINT64_C(0x0100000000000001),
		UINT64_C(0x0200000000000001),
	};
	for (size_t i = 0; i < ARRAY_LENGTH(modifiers); i++) {
		struct oriel_guest_buffer_attributes attributes = linear;
		attributes.modifier = modifiers[i];
		struct oriel_guest_buffer *buffer =
				make_buffer(&attributes, ORIEL_GUEST_MEMORY_DMABUF);
		const uint32_t *pixels;
		assert_false(oriel_guest_buffer_can_map(buffer));
		assert_false(begin_reading(buffer, &pixels));
		oriel_guest_buffer_drop(buffer);
	}
	assert_int_equal(context.maps, 0);
	assert_int_equal(fake_sync.begins, 0);
}

static void map_that_failed_is_not_tried_again(void **state) {
	context.map_fails = true;
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	const uint32_t *pixels;
	assert_false(oriel_guest_buffer_can_map(buffer));
	assert_false(oriel_guest_buffer_can_map(buffer));
	assert_false(begin_reading(buffer, &pixels));
	assert_int_equal(context.maps, 1);
	assert_int_equal(fake_sync.begins, 0);
	oriel_guest_buffer_drop(buffer);
}

static void read_of_an_idle_dmabuf_is_bracketed(void **state) {
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	for (unsigned int i = 1; i <= 2; i++) {
		const uint32_t *pixels;
		assert_true(begin_reading(buffer, &pixels));
		assert_int_equal(fake_sync.begins, i);
		assert_int_equal(fake_sync.ends, i - 1);
		end_reading(buffer);
		assert_int_equal(fake_sync.ends, i);
	}
	assert_int_equal(fake_sync.begin_access, SB_ACCESS_READ);
	assert_int_equal(fake_sync.end_access, SB_ACCESS_READ);
	assert_int_equal(fake_sync.export_access, SB_ACCESS_READ);
	oriel_guest_buffer_drop(buffer);
}

/* DMA_BUF_IOCTL_SYNC would wait for it in the kernel. */
static void read_with_a_later_writer_pending_is_not_bracketed(void **state) {
	struct fake_fence fence;
	fake_fence_init(&fence);
	fake_sync.fence = &fence;
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.exports, 1);
	assert_int_equal(fake_sync.begins, 0);
	assert_int_equal(fake_sync.ends, 0);

	fake_fence_signal(&fence);
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.begins, 1);
	oriel_guest_buffer_drop(buffer);
	fake_fence_finish(&fence);
}

static void read_without_knowing_the_writers_is_not_bracketed(void **state) {
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	fake_sync.export_error = -ENOTTY;
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.begins, 0);
	assert_int_equal(fake_sync.ends, 0);

	/* Nor is a bracket closed again that an earlier read closed. */
	fake_sync.export_error = 0;
	read_whole_picture(buffer);
	fake_sync.export_error = -ENOTTY;
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.begins, 1);
	assert_int_equal(fake_sync.ends, 1);
	oriel_guest_buffer_drop(buffer);
}

static void read_whose_bracket_is_refused_is_refused(void **state) {
	fake_sync.begin_error = -EIO;
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	const uint32_t *pixels;
	assert_false(begin_reading(buffer, &pixels));
	assert_int_equal(fake_sync.begins, 1);
	assert_int_equal(fake_sync.ends, 0);
	oriel_guest_buffer_drop(buffer);
}

/* As when a writer came between the look for one and the ioctl, which then waits for it. */
static void read_whose_bracket_is_interrupted_goes_on_without(void **state) {
	fake_sync.begin_error = -EINTR;
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.begins, 1);
	assert_int_equal(fake_sync.ends, 0);
	oriel_guest_buffer_drop(buffer);
}

/* The wait is ended by a signal of oriel's own, and by none once it is over. */
static void read_is_watched_while_its_bracket_opens(void **state) {
	fake_sync.begin_waits_for_signal = true;
	fake_sync.begin_error = -EINTR;
	struct oriel_guest_buffer *buffer = make_buffer(&linear, ORIEL_GUEST_MEMORY_DMABUF);
	read_whole_picture(buffer);
	assert_int_equal(fake_sync.begins, 1);
	assert_int_equal(fake_sync.ends, 0);
	oriel_guest_buffer_drop(buffer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(create_without_memory_closes_the_fd),
		TEST(drop_null_is_fine),
		TEST(drop_locked_buffer_keeps_its_memory),
		TEST(create_tells_what_it_was_given),
		TEST(get_dmabuf_gives_all_attributes),
		TEST(get_dmabuf_gives_all_planes),
		TEST(create_with_planes_without_memory_closes_the_fds),
		TEST(attributes_with_other_planes_are_others),
		TEST(get_dmabuf_read_by_the_cpu_is_refused),
		TEST(read_maps_once_and_for_reading_only),
		TEST(write_is_refused),
		TEST(map_never_reaches_beyond_the_memory),
		TEST(map_of_anything_but_linear_rows_is_refused),
		TEST(map_that_failed_is_not_tried_again),
		TEST(read_of_an_idle_dmabuf_is_bracketed),
		TEST(read_with_a_later_writer_pending_is_not_bracketed),
		TEST(read_without_knowing_the_writers_is_not_bracketed),
		TEST(read_whose_bracket_is_refused_is_refused),
		TEST(read_whose_bracket_is_interrupted_goes_on_without),
		TEST(read_is_watched_while_its_bracket_opens),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
