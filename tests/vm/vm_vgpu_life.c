/*
 * The test vGPU (vgpu/) by itself: when its fences signal, and that its end leaves nothing behind,
 * whoever still holds what of it. The device and its planes are in vm_vgpu.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "program.h"
#include "sw_sync.h"
#include "vgpu_fixture.h"
#include "vgpu_guest.h"

#define MODULE "oriel_vgpu"
#define MODULE_PATH "/run/control/oriel-vgpu.ko" /* where tools/dev leaves it */

/* What never happens fails the test after this long. */
#define PATIENCE_MS 30000

/* The dma-buf of a new buffer of that id, a page of VRAM for each. */
static int add_dmabuf(struct vgpu_fixture *fixture, uint32_t id) {
	assert_int_equal(test_vgpu_add_buffer(&fixture->vgpu, id, id * VGPU_PAGE, VGPU_PAGE), 0);
	int fd = test_vgpu_get_dmabuf(fixture->device_fd, id);
	assert_true(fd >= 0);
	return fd;
}

static void assert_pending(int dmabuf_fd, int writers) {
	int found_writers = -1, found_readers = -1;
	assert_int_equal(dmabuf_count_pending(dmabuf_fd, &found_writers, &found_readers), 0);
	assert_int_equal(found_writers, writers);
	assert_int_equal(found_readers, 0);
}

/* What a reader has to wait for: a sync_file. */
static int export_read(int dmabuf_fd) {
	struct dma_buf_export_sync_file request = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	assert_int_equal(ioctl(dmabuf_fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request), 0);
	return request.fd;
}

/* 0 pending, 1 signalled, or the -errno it failed with. */
static int sync_file_status(int sync_file_fd) {
	struct sync_fence_info fences[4];
	/* Without the fences the status would be that of what joins them, which has no error. */
	struct sync_file_info info = { .num_fences = 4, .sync_fence_info = (uintptr_t)fences };
	assert_int_equal(ioctl(sync_file_fd, SYNC_IOC_FILE_INFO, &info), 0);
	return info.status;
}

static void assert_readable(int fd) {
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
	assert_int_equal(poll_fd.revents, POLLIN);
}

/* Fences */

static void flip_without_fence_leaves_buffer_idle(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, 32, 32, 128), 0);
	assert_pending(dmabuf_fd, 0);
	struct dmabuf_fence fences[4];
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, fences, 4), 0);
	close(dmabuf_fd);
}

static void held_fence_is_pending_until_signalled(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1), other_fd = add_dmabuf(fixture, 2);
	vgpu_steer(fixture, "vgpu/primary", "on=1 id=1 fence=held");
	assert_pending(dmabuf_fd, 1);
	assert_pending(other_fd, 0);
	assert_int_equal(vgpu_count(fixture, "fences"), 1);
	struct dmabuf_fence fences[4];
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, fences, 4), 1);
	assert_int_equal(fences[0].usage, DMABUF_USAGE_WRITE);
	assert_false(fences[0].signalled);
	assert_string_equal(fences[0].driver, "oriel-vgpu");

	/* Every dma-buf of the buffer has it, one that is made later, too. */
	int later_fd = test_vgpu_get_dmabuf(fixture->device_fd, 1);
	assert_true(later_fd >= 0);
	assert_pending(later_fd, 1);
	struct pollfd poll_fd = { .fd = dmabuf_fd, .events = POLLIN };
	assert_int_equal(poll(&poll_fd, 1, 0), 0);

	int sync_file_fd = export_read(dmabuf_fd);
	assert_int_equal(sync_file_status(sync_file_fd), 0);
	vgpu_steer(fixture, "vgpu/signal", "1");
	assert_int_equal(sync_file_status(sync_file_fd), 1);
	assert_readable(dmabuf_fd);
	assert_pending(dmabuf_fd, 0);
	assert_pending(later_fd, 0);
	assert_int_equal(vgpu_count(fixture, "fences"), 0);
	close(sync_file_fd);
	close(later_fd);
	close(other_fd);
	close(dmabuf_fd);
}

static void fence_of_the_cursor_is_in_its_buffer(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 7);
	vgpu_steer(fixture, "vgpu/cursor", "on=1 id=7 fence=held");
	assert_pending(dmabuf_fd, 1);
	/* A second one on the same buffer does not replace the first. */
	vgpu_steer(fixture, "vgpu/cursor", "fence=held");
	assert_pending(dmabuf_fd, 2);
	vgpu_steer(fixture, "vgpu/signal", "1");
	assert_pending(dmabuf_fd, 1);
	vgpu_steer(fixture, "vgpu/signal", "all");
	assert_pending(dmabuf_fd, 0);
	close(dmabuf_fd);
}

static void signal_takes_the_oldest_first(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fds[4];
	for (uint32_t i = 0; i < 4; i++) {
		dmabuf_fds[i] = add_dmabuf(fixture, i);
		vgpu_steer(fixture, "vgpu/primary", "id=%u fence=held", i);
	}
	vgpu_steer(fixture, "vgpu/signal", "0");
	assert_int_equal(vgpu_count(fixture, "fences"), 4);
	vgpu_steer(fixture, "vgpu/signal", "3\n");
	assert_int_equal(vgpu_count(fixture, "fences"), 1);
	for (int i = 0; i < 4; i++) {
		assert_pending(dmabuf_fds[i], i == 3);
	}
	vgpu_steer(fixture, "vgpu/signal", "2"); /* more than there are */
	assert_pending(dmabuf_fds[3], 0);
	for (int i = 0; i < 4; i++) {
		close(dmabuf_fds[i]);
	}
}

static void fence_without_delay_has_signalled_at_once(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	vgpu_steer(fixture, "vgpu/primary", "id=1 fence=0");
	assert_pending(dmabuf_fd, 0);
	assert_int_equal(vgpu_count(fixture, "fences"), 0);
	struct dmabuf_fence fences[4];
	assert_int_equal(dmabuf_list_fences(dmabuf_fd, fences, 4), 1);
	assert_int_equal(fences[0].usage, DMABUF_USAGE_WRITE);
	assert_true(fences[0].signalled);
	close(dmabuf_fd);
}

static void late_fence_signals_by_itself(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	vgpu_steer(fixture, "vgpu/primary", "id=1 fence=1");
	assert_readable(dmabuf_fd);
	assert_int_equal(vgpu_count(fixture, "fences"), 0);
	close(dmabuf_fd);
}

/* The timer is for the one that is due first, whichever was made first, and then for the next. */
static void late_fences_do_not_wait_for_later_ones(void **state) {
	struct vgpu_fixture *fixture = *state;
	static const char *const fences[] = { "60000", "10", "held", "1", "60000" };
	enum {
		COUNT = sizeof(fences) / sizeof(fences[0])
	};
	int dmabuf_fds[COUNT];
	for (uint32_t i = 0; i < COUNT; i++) {
		dmabuf_fds[i] = add_dmabuf(fixture, i);
		vgpu_steer(fixture, "vgpu/primary", "id=%u fence=%s", i, fences[i]);
	}
	assert_readable(dmabuf_fds[3]);
	assert_readable(dmabuf_fds[1]);
	assert_int_equal(vgpu_count(fixture, "fences"), 3);
	for (int i = 0; i < COUNT; i += 2) {
		assert_pending(dmabuf_fds[i], 1);
	}
	vgpu_steer(fixture, "vgpu/signal", "all");
	for (int i = 0; i < COUNT; i++) {
		assert_pending(dmabuf_fds[i], 0);
		close(dmabuf_fds[i]);
	}
}

static void fence_may_fail(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	vgpu_steer(fixture, "vgpu/primary", "id=1 fence=held");
	int sync_file_fd = export_read(dmabuf_fd);
	vgpu_steer(fixture, "vgpu/signal", "all %d", EIO);
	assert_readable(sync_file_fd);
	assert_int_equal(sync_file_status(sync_file_fd), -EIO);
	close(sync_file_fd);
	close(dmabuf_fd);
}

static void foreign_fence_is_in_every_dmabuf_of_the_buffer(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	int other_fd = test_vgpu_get_dmabuf(fixture->device_fd, 1);
	assert_true(other_fd >= 0);
	int timeline_fd = sw_timeline_create();
	assert_true(timeline_fd >= 0);
	int fence_fd = sw_timeline_create_fence(timeline_fd, 1);
	assert_true(fence_fd >= 0);
	assert_int_equal(dmabuf_import_write(dmabuf_fd, fence_fd), 0);
	assert_pending(other_fd, 1);
	assert_int_equal(sw_timeline_signal(timeline_fd, 1), 0);
	assert_pending(other_fd, 0);
	close(fence_fd);
	close(timeline_fd);
	close(other_fd);
	close(dmabuf_fd);
}

static void reset_turns_off_and_gives_up(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, 32, 32, 128), 0);
	vgpu_steer(fixture, "vgpu/cursor", "on=1 format=AR24 width=32 height=32 id=1");
	vgpu_steer(fixture, "vgpu/primary", "fence=held");
	vgpu_steer(fixture, "vgpu/primary", "fence=60000");
	int sync_file_fd = export_read(dmabuf_fd);
	fixture->vgpu.vram[VGPU_PAGE] = 42;

	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_RESET), 0);
	assert_int_equal(vgpu_count(fixture, "reset"), 1);
	assert_int_equal(vgpu_count(fixture, "fences"), 0);
	assert_pending(dmabuf_fd, 0);
	assert_int_equal(sync_file_status(sync_file_fd), -ECANCELED);
	for (uint32_t plane = 1; plane <= 2; plane++) {
		struct vfio_device_gfx_plane_info info;
		assert_int_equal(test_vgpu_query(fixture->device_fd, VFIO_GFX_PLANE_TYPE_DMABUF,
						 plane, &info),
				0);
		assert_int_equal(info.drm_format, 0);
	}
	assert_int_equal(test_vgpu_get_dmabuf(fixture->device_fd, 1), -EINVAL);
	uint8_t *data = mmap(NULL, VGPU_PAGE, PROT_READ, MAP_SHARED, dmabuf_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	assert_int_equal(data[0], 42);
	munmap(data, VGPU_PAGE);
	close(sync_file_fd);
	close(dmabuf_fd);
}

/* The end */

static int module_load(void) {
	int fd = open(MODULE_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int ret = syscall(SYS_finit_module, fd, "", 0) != 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int module_unload(void) {
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) != 0 ? -errno : 0;
}

/* A dma-buf's last file is put by the kernel some time after close() has returned. */
static void unload_module(void) {
	int ret = -EWOULDBLOCK;
	for (int i = 0; i < PATIENCE_MS && ret == -EWOULDBLOCK; i++) {
		ret = module_unload();
		if (ret == -EWOULDBLOCK) {
			poll(NULL, 0, 1);
		}
	}
	assert_int_equal(ret, 0);
}

static void dmabuf_outlives_its_device(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	int second_fd = test_vgpu_get_dmabuf(fixture->device_fd, 1);
	assert_true(second_fd >= 0);
	test_vgpu_paint(&fixture->vgpu, VGPU_PAGE, 32, 32, 128, 3);
	vgpu_steer(fixture, "vgpu/primary", "on=1 id=1 fence=held");
	vgpu_steer(fixture, "vgpu/primary", "fence=60000");
	vgpu_steer(fixture, "vgpu/expire", "1");
	int sync_file_fd = export_read(dmabuf_fd);
	uint32_t *data = mmap(NULL, VGPU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	vgpu_close(fixture);
	/* Closing is not the end: the work goes on. */
	assert_int_equal(sync_file_status(sync_file_fd), 0);
	assert_int_equal(vgpu_count(fixture, "dmabufs"), 2);
	assert_int_equal(test_vgpu_finish(&fixture->vgpu), 0);

	assert_int_equal(sync_file_status(sync_file_fd), -ENODEV);
	assert_pending(dmabuf_fd, 0);
	for (int i = 0; i < 32 * 32; i++) {
		uint32_t pixel = vgpu_picture_pixel(i % 32, i / 32, 32, 32, 3);
		assert_int_equal(data[i], 0xff000000 | pixel);
	}
	data[0] = 1;
	/* New mappings and fences can be made of it still. */
	uint32_t *again = mmap(NULL, VGPU_PAGE, PROT_READ, MAP_SHARED, second_fd, 0);
	assert_ptr_not_equal(again, MAP_FAILED);
	assert_int_equal(again[0], 1);
	int timeline_fd = sw_timeline_create();
	int fence_fd = sw_timeline_create_fence(timeline_fd, 1);
	assert_int_equal(dmabuf_import_write(second_fd, fence_fd), 0);
	assert_pending(dmabuf_fd, 1);
	close(fence_fd);
	close(timeline_fd);

	/* The code stays for as long as it may be called. */
	assert_int_equal(module_unload(), -EWOULDBLOCK);
	munmap(again, VGPU_PAGE);
	close(second_fd);
	close(dmabuf_fd);
	assert_int_equal(module_unload(), -EWOULDBLOCK);
	munmap(data, VGPU_PAGE);
	unload_module();
	/* A signalled fence is the kernel's own. */
	assert_int_equal(sync_file_status(sync_file_fd), -ENODEV);
	close(sync_file_fd);
	assert_int_equal(module_load(), 0);
}

/* Removes the device in another process, since that has to wait for this one. */
static void start_removal(struct program *program, struct vgpu_fixture *fixture) {
	const char *const argv[] = { "/proc/self/exe", "remove", fixture->vgpu.uuid, NULL };
	program_start(program, argv);
}

static bool is_running(const struct program *program) {
	struct pollfd poll_fd = { .fd = program->pid_fd, .events = POLLIN };
	return poll(&poll_fd, 1, 0) == 0;
}

static void removal_ends_the_work_and_waits_for_the_last_file(void **state) {
	struct vgpu_fixture *fixture = *state;
	int dmabuf_fd = add_dmabuf(fixture, 1);
	assert_int_equal(test_vgpu_show(&fixture->vgpu, 1, 32, 32, 128), 0);
	vgpu_steer(fixture, "vgpu/primary", "fence=held");
	int sync_file_fd = export_read(dmabuf_fd);
	struct program removal;
	start_removal(&removal, fixture);
	/* Who waits for the guest is not kept waiting, though the device cannot go yet. */
	assert_readable(sync_file_fd);
	assert_int_equal(sync_file_status(sync_file_fd), -ENODEV);
	assert_int_equal(vgpu_try_steer(fixture, "vgpu/primary", "on=0"), -ENOENT);
	assert_int_equal(vgpu_count(fixture, "get"), -ENOENT);
	/* The open file answers as before. */
	struct vfio_device_gfx_plane_info info;
	assert_int_equal(test_vgpu_query(fixture->device_fd, VFIO_GFX_PLANE_TYPE_DMABUF, 1, &info),
			0);
	assert_int_equal(info.width, 32);
	int again_fd = test_vgpu_get_dmabuf(fixture->device_fd, info.dmabuf_id);
	assert_true(again_fd >= 0);
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_RESET), 0);
	assert_true(is_running(&removal));

	vgpu_close(fixture);
	assert_int_equal(program_wait(&removal), 0);
	program_finish(&removal);
	close(again_fd);
	close(dmabuf_fd);
	close(sync_file_fd);
}

/* A mapping of a region is as good as an open file. */
static void removal_waits_for_a_mapping(void **state) {
	struct vgpu_fixture *fixture = *state;
	uint8_t *data = mmap(
			NULL, VGPU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fixture->device_fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	vgpu_close(fixture);
	struct program removal;
	start_removal(&removal, fixture);
	/* The file goes as the removal begins. */
	for (int i = 0; i < PATIENCE_MS && vgpu_count(fixture, "get") != -ENOENT; i++) {
		poll(NULL, 0, 1);
	}
	data[0] = 1;
	assert_true(is_running(&removal));
	munmap(data, VGPU_PAGE);
	assert_int_equal(program_wait(&removal), 0);
	program_finish(&removal);
}

static void module_stays_while_a_device_is_open(void **state) {
	struct vgpu_fixture *fixture = *state;
	assert_int_equal(module_unload(), -EWOULDBLOCK);
	assert_int_equal(test_vgpu_query(fixture->device_fd, VFIO_GFX_PLANE_TYPE_DMABUF, 1, NULL), 0);
	/* Devices that nobody has open go with it. */
	int dmabuf_fd = add_dmabuf(fixture, 1);
	vgpu_steer(fixture, "vgpu/primary", "id=1 fence=held");
	vgpu_close(fixture);
	close(dmabuf_fd);
	unload_module();
	assert_int_equal(vgpu_count(fixture, "get"), -ENOENT);
	assert_int_equal(module_load(), 0);
}

static long read_meminfo(const char *key) {
	FILE *file = fopen("/proc/meminfo", "re");
	assert_non_null(file);
	char line[128];
	long value = -1;
	while (value < 0 && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0) {
			value = atol(line + strlen(key) + 1);
		}
	}
	fclose(file);
	assert_true(value >= 0);
	return value;
}

/* One life with all that there is to leave behind. */
static void live_once(void) {
	struct test_vgpu vgpu;
	assert_int_equal(test_vgpu_init(&vgpu, "small"), 0);
	int device_fd = test_vgpu_open(&vgpu);
	assert_true(device_fd >= 0);
	/* A hundred and more of each kind of object, so that one kind that is leaked shows. */
	for (uint32_t id = 100; id < 200; id++) {
		assert_int_equal(test_vgpu_add_buffer(&vgpu, id, 0, 16 << 20), 0);
	}
	int dmabuf_fds[8];
	for (uint32_t id = 0; id < 8; id++) {
		assert_int_equal(test_vgpu_add_buffer(&vgpu, id, 0, 16 << 20), 0);
		dmabuf_fds[id] = test_vgpu_get_dmabuf(device_fd, id);
		assert_true(dmabuf_fds[id] >= 0);
		static const char *const fences[] = { "held", "60000", "1", "0" };
		for (int i = 0; i < 48; i++) {
			assert_int_equal(test_vgpu_steer(&vgpu, "vgpu/primary",
							 "on=1 churn=1 id=%u fence=%s", id,
							 fences[i % 4]),
					0);
		}
		struct vfio_device_gfx_plane_info info;
		assert_int_equal(test_vgpu_query(device_fd, VFIO_GFX_PLANE_TYPE_DMABUF, 1, &info), 0);
	}
	close(device_fd);
	for (int i = 0; i < 4; i++) {
		close(dmabuf_fds[i]);
	}
	assert_int_equal(test_vgpu_finish(&vgpu), 0);
	for (int i = 4; i < 8; i++) {
		close(dmabuf_fds[i]);
	}
}

#define LIVES 32

/* In KiB. */
struct memory {
	long available, vmalloc, slab;
};

static struct memory read_memory(void) {
	return (struct memory){
		.available = read_meminfo("MemAvailable:"),
		.vmalloc = read_meminfo("VmallocUsed:"),
		.slab = read_meminfo("SUnreclaim:"),
	};
}

static void assert_less_than(const struct memory *before, const struct memory *limit) {
	struct memory after = read_memory();
	print_message("# %d lives: %ld KiB less available, %ld more in vmalloc, %ld more in slabs\n",
			LIVES, before->available - after.available, after.vmalloc - before->vmalloc,
			after.slab - before->slab);
	assert_true(before->available - after.available < limit->available);
	assert_true(after.vmalloc - before->vmalloc < limit->vmalloc);
	assert_true(after.slab - before->slab < limit->slab);
}

static void lives_leave_no_memory_behind(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	assert_int_equal(test_vgpu_finish(&fixture->vgpu), 0);
	for (int i = 0; i < 4; i++) {
		live_once();
	}
	struct memory before = read_memory();
	for (int i = 0; i < LIVES; i++) {
		live_once();
	}
	/* A device's VRAM is 16384; a hundred buffers or fences in every life are more than 600. */
	assert_less_than(&before, &(struct memory){ 8192, 8192, 384 });
}

static void reloads_of_the_module_leave_no_memory_behind(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_close(fixture);
	assert_int_equal(test_vgpu_finish(&fixture->vgpu), 0);
	struct memory before = read_memory();
	for (int i = 0; i < LIVES; i++) {
		if (i % 4 == 0) {
			live_once();
		}
		unload_module();
		assert_int_equal(module_load(), 0);
	}
	assert_less_than(&before, &(struct memory){ 8192, 8192, 384 });
}

int main(int argc, char *argv[]) {
	if (argc == 3 && strcmp(argv[1], "remove") == 0) {
		return vgpu_mdev_remove(argv[2]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	const struct CMUnitTest tests[] = {
		VGPU_TEST(flip_without_fence_leaves_buffer_idle),
		VGPU_TEST(held_fence_is_pending_until_signalled),
		VGPU_TEST(fence_of_the_cursor_is_in_its_buffer),
		VGPU_TEST(signal_takes_the_oldest_first),
		VGPU_TEST(fence_without_delay_has_signalled_at_once),
		VGPU_TEST(late_fence_signals_by_itself),
		VGPU_TEST(late_fences_do_not_wait_for_later_ones),
		VGPU_TEST(fence_may_fail),
		VGPU_TEST(foreign_fence_is_in_every_dmabuf_of_the_buffer),
		VGPU_TEST(reset_turns_off_and_gives_up),
		VGPU_TEST(dmabuf_outlives_its_device),
		VGPU_TEST(removal_ends_the_work_and_waits_for_the_last_file),
		VGPU_TEST(removal_waits_for_a_mapping),
		VGPU_TEST(module_stays_while_a_device_is_open),
		VGPU_TEST(lives_leave_no_memory_behind),
		VGPU_TEST(reloads_of_the_module_leave_no_memory_behind),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
