/*
 * Checks the test guest itself: that what the other VM tests take for granted (a mode is shown, a
 * page's dma-buf holds what was painted, imported fences are seen) is so on this kernel.
 */
#include <drm/drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "sw_sync.h"
#include "vgpu_guest.h"

#define PLANE_TYPE_PRIMARY 1

struct fixture {
	const char *type;
	char uuid[37];
	struct vgpu_guest *guest;
	int open_fds;
};

/* Without mediated devices *state stays NULL, and the test is skipped. */
static int setup_type(void **state, const char *type) {
	*state = NULL;
	if (access("/sys/class/mdev_bus", F_OK) != 0) {
		return 0;
	}
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	if (fixture == NULL) {
		return -1;
	}
	fixture->type = type;
	fixture->open_fds = fds_count_open();
	int ret = vgpu_mdev_create(type, fixture->uuid);
	if (ret == 0) {
		fixture->guest = vgpu_guest_open(fixture->uuid);
	}
	if (fixture->guest == NULL) {
		print_error("%s: %s\n", type, strerror(ret < 0 ? -ret : errno));
		free(fixture);
		return -1;
	}
	*state = fixture;
	return 0;
}

static int setup_small(void **state) {
	return setup_type(state, "mbochs-small");
}

static int setup_medium(void **state) {
	return setup_type(state, "mbochs-medium");
}

static int setup_region(void **state) {
	return setup_type(state, "mdpy-vga");
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	if (fixture == NULL) {
		return 0;
	}
	vgpu_guest_close(fixture->guest);
	int open_fds = fds_count_open();
	int ret = 0;
	if (open_fds != fixture->open_fds) {
		print_error("%d open files before, %d after\n", fixture->open_fds, open_fds);
		ret = -1;
	} else if (fixture->uuid[0] != '\0' && vgpu_mdev_remove(fixture->uuid) != 0) {
		/* Not tried with files left open: it would block for ever. */
		ret = -1;
	}
	free(fixture);
	return ret;
}

static struct fixture *require(void **state) {
	if (*state == NULL) {
		print_message("no mediated devices (CONFIG_VFIO_MDEV and the samples)\n");
		skip();
	}
	return *state;
}

/* Queries as a compositor does, apart from the library. */
static struct vfio_device_gfx_plane_info query(struct vgpu_guest *guest, uint32_t type) {
	struct vfio_device_gfx_plane_info info = { 0 };
	int ret = -1;
	for (int i = 0; ret != 0 && i < 2; i++) {
		info = (struct vfio_device_gfx_plane_info){
			.argsz = sizeof(info),
			.flags = type,
			.drm_plane_type = PLANE_TYPE_PRIMARY,
		};
		ret = ioctl(vgpu_guest_get_device_fd(guest), VFIO_DEVICE_QUERY_GFX_PLANE, &info);
	}
	assert_int_equal(ret, 0);
	return info;
}

static uint32_t query_id(struct vgpu_guest *guest) {
	return query(guest, VFIO_GFX_PLANE_TYPE_DMABUF).dmabuf_id;
}

static int get_page_dmabuf(struct vgpu_guest *guest, int page) {
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_page_dmabuf(guest, page, &dmabuf_fd, NULL), 0);
	assert_int_not_equal(fcntl(dmabuf_fd, F_GETFD) & FD_CLOEXEC, 0);
	return dmabuf_fd;
}

/* Every pixel of a dma-buf, mapped for itself, is the test picture's. */
static void assert_picture(int dmabuf_fd, int width, int height, size_t stride_bytes, uint32_t seed) {
	size_t size = stride_bytes * (size_t)height;
	uint8_t *data = mmap(NULL, size, PROT_READ, MAP_SHARED, dmabuf_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	int wrong = 0;
	for (int y = 0; y < height; y++) {
		const uint32_t *row = (const uint32_t *)(data + (size_t)y * stride_bytes);
		for (int x = 0; x < width; x++) {
			wrong += row[x] != vgpu_picture_pixel(x, y, width, height, seed);
		}
	}
	munmap(data, size);
	assert_int_equal(wrong, 0);
}

static void assert_pending(int dmabuf_fd, int writers, int readers) {
	int found_writers = -1, found_readers = -1;
	assert_int_equal(dmabuf_count_pending(dmabuf_fd, &found_writers, &found_readers), 0);
	assert_int_equal(found_writers, writers);
	assert_int_equal(found_readers, readers);
}

/* the picture */

static int channel_distance(uint32_t a, uint32_t b) {
	int most = 0;
	for (int shift = 0; shift < 24; shift += 8) {
		int distance = abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff));
		most = distance > most ? distance : most;
	}
	return most;
}

static void picture_any_two_pixels_differ(void **state) {
	(void)state;
	enum {
		SIDE = 4096
	};
	uint8_t *seen = calloc(1u << 24, 1);
	assert_non_null(seen);
	int repeated = 0, high = 0;
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			uint32_t pixel = vgpu_picture_pixel(x, y, SIDE, SIDE, 7);
			high += pixel >> 24 != 0;
			repeated += seen[pixel & 0xffffff]++ != 0;
		}
	}
	free(seen);
	assert_int_equal(high, 0);
	assert_int_equal(repeated, 0);
}

static void picture_neighbours_differ_much(void **state) {
	(void)state;
	for (int y = 0; y < 300; y++) {
		for (int x = 0; x < 300; x++) {
			uint32_t pixel = vgpu_picture_pixel(x, y, 301, 301, 3);
			uint32_t right = vgpu_picture_pixel(x + 1, y, 301, 301, 3);
			uint32_t below = vgpu_picture_pixel(x, y + 1, 301, 301, 3);
			assert_true(channel_distance(pixel, right) >= 97);
			assert_true(channel_distance(pixel, below) >= 97);
		}
	}
}

static void picture_other_seed_or_size_differs(void **state) {
	(void)state;
	for (int y = 0; y < 64; y++) {
		for (int x = 0; x < 64; x++) {
			uint32_t pixel = vgpu_picture_pixel(x, y, 640, 480, 1);
			assert_int_not_equal(pixel, vgpu_picture_pixel(x, y, 640, 480, 2));
			assert_int_not_equal(pixel, vgpu_picture_pixel(x, y, 641, 480, 1));
			assert_int_not_equal(pixel, vgpu_picture_pixel(x, y, 640, 481, 1));
		}
	}
}

/* devices */

static void mdev_create_unknown_type_fails(void **state) {
	require(state);
	char uuid[37] = "untouched";
	assert_int_equal(vgpu_mdev_create("mbochs-none", uuid), -ENODEV);
	assert_string_equal(uuid, "untouched");
}

static void mdev_unknown_uuid_fails(void **state) {
	require(state);
	const char *uuid = "00000000-0000-4000-8000-000000000000";
	char path[64];
	assert_int_equal(vgpu_mdev_remove(uuid), -ENODEV);
	assert_int_equal(vgpu_mdev_get_cdev_path(uuid, path, sizeof(path)), -ENODEV);
	assert_null(vgpu_guest_open(uuid));
	assert_int_equal(errno, ENODEV);
}

static void mdev_create_beyond_video_memory_fails(void **state) {
	require(state);
	char uuids[4][37], uuid[37];
	int count = 0, ret = 0;
	/* The fixture's device has 4 of the 256 MiB: three of 64 MiB fit. */
	while (count < 4 && (ret = vgpu_mdev_create("mbochs-large", uuids[count])) == 0) {
		count++;
	}
	for (int i = 0; i < count; i++) {
		assert_int_equal(vgpu_mdev_remove(uuids[i]), 0);
	}
	assert_int_equal(count, 3);
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(vgpu_mdev_create("mbochs-large", uuid), 0);
	assert_int_equal(vgpu_mdev_remove(uuid), 0);
}

static void cdev_path_short_buffer_fails(void **state) {
	struct fixture *fixture = require(state);
	char path[64];
	assert_int_equal(vgpu_mdev_get_cdev_path(fixture->uuid, path, sizeof(path)), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	char again[64] = "";
	assert_int_equal(vgpu_mdev_get_cdev_path(fixture->uuid, again, strlen(path) + 1), 0);
	assert_string_equal(again, path);
	assert_int_equal(vgpu_mdev_get_cdev_path(fixture->uuid, again, strlen(path)), -ENAMETOOLONG);
}

static void open_device_bound_elsewhere_fails(void **state) {
	struct fixture *fixture = require(state);
	assert_null(vgpu_guest_open(fixture->uuid));
	assert_int_equal(errno, EINVAL);
}

static void open_fd_of_other_file_fails(void **state) {
	(void)state;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(null_fd >= 0);
	int before = fds_count_open();
	assert_null(vgpu_guest_open_fd(null_fd));
	assert_int_equal(fds_count_open(), before);
	close(null_fd);
	assert_null(vgpu_guest_open_fd(-1));
	assert_int_equal(errno, EBADF);
}

static void open_fd_of_bound_file_shares_the_device(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	vgpu_guest_paint(fixture->guest, 0, 11);
	struct vgpu_guest *other = vgpu_guest_open_fd(vgpu_guest_get_device_fd(fixture->guest));
	assert_non_null(other);
	/* What one sets the other shows, and one's end is not the other's. */
	uint32_t id = 0;
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_dmabuf(other, &dmabuf_fd, &id), 0);
	assert_int_equal(id, query_id(fixture->guest));
	vgpu_guest_close(other);
	assert_picture(dmabuf_fd, 320, 200, 320 * 4, 11);
	close(dmabuf_fd);
	assert_int_equal(query_id(fixture->guest), id);
}

static void reopen_keeps_mode_and_loses_pixels(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 64, 64, 64, 1), 0);
	vgpu_guest_paint(fixture->guest, 0, 5);
	vgpu_guest_close(fixture->guest);
	fixture->guest = vgpu_guest_open(fixture->uuid);
	assert_non_null(fixture->guest);
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_dmabuf(fixture->guest, &dmabuf_fd, NULL), 0);
	uint32_t *data = mmap(NULL, 64 * 64 * 4, PROT_READ, MAP_SHARED, dmabuf_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	int painted = 0;
	for (int i = 0; i < 64 * 64; i++) {
		painted += data[i] != 0;
	}
	munmap(data, 64 * 64 * 4);
	close(dmabuf_fd);
	assert_int_equal(painted, 0);
}

/* modes and pages */

static void set_mode_is_what_a_query_reports(void **state) {
	struct fixture *fixture = require(state);
	struct vfio_device_gfx_plane_info info;
	info = query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF);
	assert_int_equal(info.drm_format, 0);

	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 640, 480, 640, 1), 0);
	info = query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF);
	assert_int_equal(info.drm_format, DRM_FORMAT_XRGB8888);
	assert_int_equal(info.drm_format_mod, DRM_FORMAT_MOD_LINEAR);
	assert_int_equal(info.width, 640);
	assert_int_equal(info.height, 480);
	assert_int_equal(info.stride, 640 * 4);
	assert_int_equal(info.size, 640 * 4 * 480);
}

static void set_mode_padded_reports_its_stride(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 600, 300, 640, 1), 0);
	struct vfio_device_gfx_plane_info info = query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF);
	assert_int_equal(info.width, 600);
	assert_int_equal(info.stride, 640 * 4);
	size_t stride_bytes = 0;
	assert_non_null(vgpu_guest_get_page(fixture->guest, 0, &stride_bytes));
	assert_int_equal(stride_bytes, 640 * 4);
}

static void set_mode_bounds(void **state) {
	struct fixture *fixture = require(state);
	/* 4 MiB of VRAM is 1024x1024 to the byte, or 64 columns of 16384 rows. */
	static const struct {
		int width, height, virtual_width, pages;
		int expected;
	} cases[] = {
		{ 63, 64, 64, 1, -EINVAL },
		{ 64, 63, 64, 1, -EINVAL },
		{ 64, 64, 64, 1, 0 },
		{ 65, 65, 65, 1, 0 },
		{ 65, 64, 64, 1, -EINVAL },
		{ 64, 64, 64, 0, -EINVAL },
		{ 64, 64, 64, -1, -EINVAL },
		{ -1, 64, 64, 1, -EINVAL },
		{ 1024, 1023, 1024, 1, 0 },
		{ 1024, 1024, 1024, 1, 0 },
		{ 1024, 1025, 1024, 1, -ENOSPC },
		{ 64, 16384, 64, 1, 0 },
		{ 64, 16385, 64, 1, -ENOSPC },
		{ 64, 65535, 64, 1, -ENOSPC },
		{ 64, 65536, 64, 1, -EINVAL },
		/* 64 rows of 65535 pixels would need 16 MiB; 65536 do not fit the register */
		{ 64, 64, 65535, 1, -ENOSPC },
		{ 64, 64, 65536, 1, -EINVAL },
		{ 512, 512, 512, 4, 0 },
		{ 512, 512, 512, 5, -ENOSPC },
		{ 64, 64, 64, 256, 0 },
		{ 64, 64, 64, 257, -ENOSPC },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = vgpu_guest_set_mode(fixture->guest, cases[i].width, cases[i].height,
				cases[i].virtual_width, cases[i].pages);
		if (ret != cases[i].expected) {
			fail_msg("case %zu: %d, expected %d", i, ret, cases[i].expected);
		}
		if (ret == 0) {
			struct vfio_device_gfx_plane_info info =
					query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF);
			assert_int_equal(info.width, cases[i].width);
			assert_int_equal(info.height, cases[i].height);
		}
	}
}

static void set_mode_refused_keeps_the_old_one(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 2), 0);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 1), 0);
	uint32_t id = query_id(fixture->guest);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 4000, 4000, 4000, 1), -ENOSPC);
	assert_int_equal(query_id(fixture->guest), id);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 0), 0);
}

static void flip_back_brings_the_old_id_back(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 3), 0);
	uint32_t ids[3];
	for (int page = 0; page < 3; page++) {
		assert_int_equal(vgpu_guest_flip(fixture->guest, page), 0);
		ids[page] = query_id(fixture->guest);
		assert_int_not_equal(ids[page], 0);
	}
	assert_int_not_equal(ids[0], ids[1]);
	assert_int_not_equal(ids[0], ids[2]);
	assert_int_not_equal(ids[1], ids[2]);
	for (int page = 2; page >= 0; page--) {
		assert_int_equal(vgpu_guest_flip(fixture->guest, page), 0);
		assert_int_equal(query_id(fixture->guest), ids[page]);
	}
}

static void flip_to_no_page_fails(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 0), -EINVAL);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 2), 0);
	assert_int_equal(vgpu_guest_flip(fixture->guest, -1), -EINVAL);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 1), 0);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 2), -EINVAL);
}

static void disable_turns_the_plane_off(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	assert_int_equal(vgpu_guest_disable(fixture->guest), 0);
	assert_int_equal(query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF).drm_format, 0);
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_dmabuf(fixture->guest, &dmabuf_fd, NULL), -ENODATA);
	assert_int_equal(dmabuf_fd, -1);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	assert_int_not_equal(query_id(fixture->guest), 0);
}

static void reset_turns_the_plane_off(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	uint32_t id = query_id(fixture->guest);
	assert_int_equal(vgpu_guest_reset(fixture->guest), 0);
	assert_int_equal(query(fixture->guest, VFIO_GFX_PLANE_TYPE_DMABUF).drm_format, 0);
	assert_int_equal(vgpu_guest_flip(fixture->guest, 0), -EINVAL);
	/* The same mode again is the same key, so the same id. */
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	assert_int_equal(query_id(fixture->guest), id);
}

/* dma-bufs */

static void dmabuf_holds_the_painted_page(void **state) {
	struct fixture *fixture = require(state);
	/* the second and third have rows that only now and then begin at a page of memory */
	static const struct {
		int width, height, virtual_width, pages;
	} modes[] = {
		{ 640, 480, 640, 3 },
		{ 800, 600, 816, 3 },
		{ 801, 601, 803, 3 },
		{ 64, 64, 64, 3 },
	};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int pages = modes[i].pages;
		assert_int_equal(vgpu_guest_set_mode(fixture->guest, modes[i].width,
						 modes[i].height, modes[i].virtual_width, pages),
				0);
		for (int page = 0; page < pages; page++) {
			vgpu_guest_paint(fixture->guest, page, (uint32_t)page + 40);
		}
		/* All are painted before the first look, so one page's end is not another's begin. */
		for (int page = 0; page < pages; page++) {
			assert_int_equal(vgpu_guest_flip(fixture->guest, page), 0);
			int dmabuf_fd = -1;
			uint32_t id = 0;
			assert_int_equal(vgpu_guest_get_dmabuf(fixture->guest, &dmabuf_fd, &id), 0);
			assert_int_equal(id, query_id(fixture->guest));
			assert_picture(dmabuf_fd, modes[i].width, modes[i].height,
					(size_t)modes[i].virtual_width * 4, (uint32_t)page + 40);
			close(dmabuf_fd);
		}
	}
}

static void page_dmabuf_is_had_before_the_flip(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 2), 0);
	vgpu_guest_paint(fixture->guest, 1, 9);
	uint32_t shown_id = query_id(fixture->guest);
	for (int i = 0; i < 2; i++) {
		int dmabuf_fd = -1;
		uint32_t id = 0;
		assert_int_equal(vgpu_guest_get_page_dmabuf(fixture->guest, 1, &dmabuf_fd, &id), 0);
		assert_picture(dmabuf_fd, 320, 200, 320 * 4, 9);
		close(dmabuf_fd);
		assert_int_equal(query_id(fixture->guest), shown_id);
		assert_int_equal(vgpu_guest_flip(fixture->guest, 1), 0);
		assert_int_equal(query_id(fixture->guest), id);
		assert_int_equal(vgpu_guest_flip(fixture->guest, 0), 0);
	}
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_page_dmabuf(fixture->guest, 2, &dmabuf_fd, NULL), -EINVAL);
}

/*
 * The next three hold on the test kernel only: stock mbochs miscounts references in each of them
 * (see build-kernel).
 */
static void dmabuf_got_twice_lives_until_the_last_close(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	vgpu_guest_paint(fixture->guest, 0, 21);
	int a_fd = get_page_dmabuf(fixture->guest, 0);
	int b_fd = get_page_dmabuf(fixture->guest, 0);
	struct stat a, b;
	assert_int_equal(fstat(a_fd, &a), 0);
	assert_int_equal(fstat(b_fd, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(a_fd);
	assert_pending(b_fd, 0, 0);
	assert_picture(b_fd, 320, 200, 320 * 4, 21);
	close(b_fd);
}

static void dmabuf_closed_and_got_again_keeps_its_pixels(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	vgpu_guest_paint(fixture->guest, 0, 22);
	for (int i = 0; i < 8; i++) {
		int dmabuf_fd = get_page_dmabuf(fixture->guest, 0);
		assert_picture(dmabuf_fd, 320, 200, 320 * 4, 22);
		close(dmabuf_fd);
	}
}

static void dmabuf_outlives_its_device(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	vgpu_guest_paint(fixture->guest, 0, 23);
	int dmabuf_fd = get_page_dmabuf(fixture->guest, 0);
	vgpu_guest_close(fixture->guest);
	fixture->guest = NULL;
	assert_int_equal(vgpu_mdev_remove(fixture->uuid), 0);
	fixture->uuid[0] = '\0';
	assert_picture(dmabuf_fd, 320, 200, 320 * 4, 23);
	close(dmabuf_fd);
}

/* fences */

static void fences_imported_are_counted_by_usage(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	int dmabuf_fd = get_page_dmabuf(fixture->guest, 0);
	int second_fd = get_page_dmabuf(fixture->guest, 0);
	int writer_timeline = sw_timeline_create();
	int reader_timeline = sw_timeline_create();
	assert_true(writer_timeline >= 0 && reader_timeline >= 0);
	int writer_fence = sw_timeline_create_fence(writer_timeline, 1);
	int reader_fence = sw_timeline_create_fence(reader_timeline, 2);
	assert_true(writer_fence >= 0 && reader_fence >= 0);

	assert_pending(dmabuf_fd, 0, 0);
	assert_int_equal(dmabuf_import_write(dmabuf_fd, writer_fence), 0);
	assert_pending(dmabuf_fd, 1, 0);
	assert_int_equal(dmabuf_import_read(dmabuf_fd, reader_fence), 0);
	assert_pending(dmabuf_fd, 1, 1);
	/* one inode, one set of fences: another party sees the same */
	assert_pending(second_fd, 1, 1);
	assert_int_equal(sw_timeline_signal(writer_timeline, 1), 0);
	assert_pending(dmabuf_fd, 0, 1);
	assert_int_equal(sw_timeline_signal(reader_timeline, 1), 0);
	assert_pending(dmabuf_fd, 0, 1);
	assert_int_equal(sw_timeline_signal(reader_timeline, 1), 0);
	assert_pending(dmabuf_fd, 0, 0);

	close(writer_fence);
	close(reader_fence);
	close(writer_timeline);
	close(reader_timeline);
	close(second_fd);
	close(dmabuf_fd);
}

static void fence_list_tells_signalled_readers(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	int dmabuf_fd = get_page_dmabuf(fixture->guest, 0);
	int timelines[2] = { sw_timeline_create(), sw_timeline_create() };
	int fences[2] = {
		sw_timeline_create_fence(timelines[0], 3),
		sw_timeline_create_fence(timelines[1], 4),
	};
	assert_true(fences[0] >= 0 && fences[1] >= 0);
	struct dmabuf_fence list[4];
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, list, 4), 0);
	assert_int_equal(dmabuf_import_write(dmabuf_fd, fences[0]), 0);
	assert_int_equal(dmabuf_import_read(dmabuf_fd, fences[1]), 0);

	assert_int_equal(dmabuf_list_fences(dmabuf_fd, list, 4), 2);
	assert_int_equal(list[0].usage, DMABUF_USAGE_WRITE);
	assert_int_equal(list[0].seqno, 3);
	assert_false(list[0].signalled);
	assert_string_equal(list[0].driver, "sw_sync");
	assert_true(strlen(list[0].timeline) > 0);
	assert_int_equal(list[1].usage, DMABUF_USAGE_READ);
	assert_int_equal(list[1].seqno, 4);
	assert_false(list[1].signalled);
	uint64_t reader_context = list[1].context;

	assert_int_equal(sw_timeline_signal(timelines[1], 4), 0);
	assert_pending(dmabuf_fd, 1, 0);
	memset(list, 0, sizeof(list));
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, list, 1), 2);
	assert_int_equal(list[1].seqno, 0); /* beyond the capacity given */
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, list, 4), 2);
	assert_false(list[0].signalled);
	assert_int_equal(list[1].usage, DMABUF_USAGE_READ);
	assert_int_equal(list[1].context, reader_context);
	assert_int_equal(list[1].seqno, 4);
	assert_true(list[1].signalled);
	assert_string_equal(list[1].driver, "");

	for (int i = 0; i < 2; i++) {
		close(fences[i]);
		close(timelines[i]);
	}
	close(dmabuf_fd);
}

static void fence_of_same_timeline_replaces_the_earlier(void **state) {
	struct fixture *fixture = require(state);
	assert_int_equal(vgpu_guest_set_mode(fixture->guest, 320, 200, 320, 1), 0);
	int dmabuf_fd = get_page_dmabuf(fixture->guest, 0);
	int timeline = sw_timeline_create();
	int fences[2] = {
		sw_timeline_create_fence(timeline, 1),
		sw_timeline_create_fence(timeline, 2),
	};
	assert_int_equal(dmabuf_import_write(dmabuf_fd, fences[0]), 0);
	assert_int_equal(dmabuf_import_write(dmabuf_fd, fences[1]), 0);
	assert_pending(dmabuf_fd, 1, 0);
	/* A reader is no substitute for a writer, though it is the same fence. */
	assert_int_equal(dmabuf_import_read(dmabuf_fd, fences[1]), 0);
	assert_pending(dmabuf_fd, 1, 1);
	close(fences[0]);
	close(fences[1]);
	/* Closing the timeline fails its fences: nothing is pending any more. */
	close(timeline);
	assert_pending(dmabuf_fd, 0, 0);
	close(dmabuf_fd);
}

static void fence_list_of_other_file_fails(void **state) {
	require(state);
	struct dmabuf_fence list[1];
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(null_fd >= 0);
	assert_int_equal(dmabuf_list_fences(null_fd, list, 1), -ENOENT);
	int writers = -1, readers = -1;
	assert_int_equal(dmabuf_count_pending(null_fd, &writers, &readers), -ENOTTY);
	assert_int_equal(dmabuf_import_read(null_fd, null_fd), -ENOTTY);
	close(null_fd);
	assert_int_equal(dmabuf_list_fences(-1, list, 1), -EBADF);
}

/* mdpy */

static void region_device_has_a_fixed_mode(void **state) {
	struct fixture *fixture = require(state);
	struct vgpu_guest *guest = fixture->guest;
	struct vfio_device_gfx_plane_info info = query(guest, VFIO_GFX_PLANE_TYPE_REGION);
	assert_int_equal(info.drm_format, DRM_FORMAT_XRGB8888);
	assert_int_equal(info.width, 640);
	assert_int_equal(info.height, 480);
	assert_int_equal(vgpu_guest_set_mode(guest, 640, 480, 640, 1), 0);
	assert_int_equal(vgpu_guest_set_mode(guest, 800, 600, 800, 1), -EINVAL);
	assert_int_equal(vgpu_guest_set_mode(guest, 640, 480, 640, 2), -EINVAL);
	vgpu_guest_paint(guest, 0, 31);
	size_t stride_bytes = 0;
	uint32_t *pixels = vgpu_guest_get_page(guest, 0, &stride_bytes);
	assert_int_equal(stride_bytes, 640 * 4);
	assert_int_equal(pixels[640 * 480 - 1], vgpu_picture_pixel(639, 479, 640, 480, 31));
	assert_int_equal(vgpu_guest_flip(guest, 0), 0);
	assert_int_equal(vgpu_guest_disable(guest), -ENOTSUP);
	int dmabuf_fd = -1;
	assert_int_equal(vgpu_guest_get_dmabuf(guest, &dmabuf_fd, NULL), -ENOTSUP);
	assert_int_equal(vgpu_guest_reset(guest), 0);
	assert_int_not_equal(pixels[640 * 480 - 1], vgpu_picture_pixel(639, 479, 640, 480, 31));
	assert_int_equal(query(guest, VFIO_GFX_PLANE_TYPE_REGION).width, 640);
}

#define SMALL(test) cmocka_unit_test_setup_teardown(test, setup_small, teardown)
#define MEDIUM(test) cmocka_unit_test_setup_teardown(test, setup_medium, teardown)
#define REGION(test) cmocka_unit_test_setup_teardown(test, setup_region, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picture_any_two_pixels_differ),
		cmocka_unit_test(picture_neighbours_differ_much),
		cmocka_unit_test(picture_other_seed_or_size_differs),
		SMALL(mdev_create_unknown_type_fails),
		SMALL(mdev_unknown_uuid_fails),
		SMALL(mdev_create_beyond_video_memory_fails),
		SMALL(cdev_path_short_buffer_fails),
		SMALL(open_device_bound_elsewhere_fails),
		cmocka_unit_test(open_fd_of_other_file_fails),
		SMALL(open_fd_of_bound_file_shares_the_device),
		SMALL(reopen_keeps_mode_and_loses_pixels),
		SMALL(set_mode_is_what_a_query_reports),
		SMALL(set_mode_padded_reports_its_stride),
		SMALL(set_mode_bounds),
		SMALL(set_mode_refused_keeps_the_old_one),
		SMALL(flip_back_brings_the_old_id_back),
		SMALL(flip_to_no_page_fails),
		SMALL(disable_turns_the_plane_off),
		SMALL(reset_turns_the_plane_off),
		MEDIUM(dmabuf_holds_the_painted_page),
		SMALL(page_dmabuf_is_had_before_the_flip),
		SMALL(dmabuf_got_twice_lives_until_the_last_close),
		SMALL(dmabuf_closed_and_got_again_keeps_its_pixels),
		SMALL(dmabuf_outlives_its_device),
		SMALL(fences_imported_are_counted_by_usage),
		SMALL(fence_list_tells_signalled_readers),
		SMALL(fence_of_same_timeline_replaces_the_earlier),
		SMALL(fence_list_of_other_file_fails),
		REGION(region_device_has_a_fixed_mode),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vm_guest", tests, NULL, NULL);
}
