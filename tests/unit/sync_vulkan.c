#include <syncbridge/vulkan.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <syncbridge/stats.h>
#include <syncbridge/timeline.h>

#include "mock_ioctl.h"
#include "mock_syncobj.h"
#include "mock_vulkan.h"

#define FENCE_UNTOUCHED ((enum sb_fence_type)77)

static struct sb_vk_device *device_create(void) {
	const struct sb_vk_device_info info = {
		.device = mock_vk_get_device(),
		.get_device_proc_addr = mock_vk_get_proc_addr,
		.allocator = mock_vk_get_allocator(),
	};
	struct sb_vk_device *device = NULL;
	assert_int_equal(sb_vk_device_create(&info, &device), 0);
	return device;
}

/* A buffer of one dma-buf, which the test closes. */
static struct sb_buffer buffer_create(uint64_t readers, uint64_t writers) {
	int dmabuf_fd = mock_dmabuf_create(4096);
	mock_dmabuf_add(dmabuf_fd, readers, writers);
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, &dmabuf_fd, 1), 0);
	return buffer;
}

static void buffer_close(const struct sb_buffer *buffer) {
	for (uint32_t i = 0; i < buffer->dmabuf_count; i++) {
		close(buffer->dmabuf_fds[i]);
	}
}

static struct sb_fence fence_create(uint64_t fences) {
	struct sb_fence fence;
	assert_int_equal(sb_fence_from_sync_file(mock_sync_file_create(fences), &fence), 0);
	return fence;
}

static struct sb_vk_frame *frame_create(struct sb_vk_device *device) {
	struct sb_vk_frame *frame;
	assert_int_equal(sb_vk_frame_create(device, &frame), 0);
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	return frame;
}

/* Submits a frame's work; returns what it waits for. */
static uint64_t frame_submit(struct sb_vk_frame *frame, uint64_t end) {
	const VkSemaphore *waits;
	uint32_t wait_count = sb_vk_frame_get_waits(frame, &waits);
	return mock_vk_submit(waits, wait_count, sb_vk_frame_get_signal(frame), VK_NULL_HANDLE, end);
}

static uint32_t frame_count_waits(struct sb_vk_frame *frame) {
	const VkSemaphore *waits = (const VkSemaphore *)&frame;
	uint32_t wait_count = sb_vk_frame_get_waits(frame, &waits);
	assert_int_equal(waits == NULL, wait_count == 0);
	return wait_count;
}

/* The device. */

static void create_without_device_or_entry_points_is_refused(void **state) {
	struct sb_vk_device *const untouched = (struct sb_vk_device *)state;
	struct sb_vk_device *device = untouched;
	struct sb_vk_device_info info = { .get_device_proc_addr = mock_vk_get_proc_addr };
	assert_int_equal(sb_vk_device_create(&info, &device), -EINVAL);
	info = (struct sb_vk_device_info){ .device = mock_vk_get_device() };
	assert_int_equal(sb_vk_device_create(&info, &device), -EINVAL);
	assert_ptr_equal(device, untouched);
}

static void create_without_needed_function_is_not_supported(void **state) {
	static const char *const needed[] = { "vkCreateSemaphore", "vkDestroySemaphore",
		"vkImportSemaphoreFdKHR", "vkGetSemaphoreFdKHR" };
	struct sb_vk_device *const untouched = (struct sb_vk_device *)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		mock_vk_setup(state);
		mock_vk_remove_proc(needed[i]);
		const struct sb_vk_device_info info = {
			.device = mock_vk_get_device(),
			.get_device_proc_addr = mock_vk_get_proc_addr,
		};
		struct sb_vk_device *device = untouched;
		assert_int_equal(sb_vk_device_create(&info, &device), -EOPNOTSUPP);
		assert_ptr_equal(device, untouched);
	}
}

static void run_create(void) {
	const struct sb_vk_device_info info = {
		.device = mock_vk_get_device(),
		.get_device_proc_addr = mock_vk_get_proc_addr,
	};
	struct sb_vk_device *device = NULL;
	mock_fail_armed();
	int ret = sb_vk_device_create(&info, &device);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(device == NULL, ret < 0);
	sb_vk_device_destroy(device);
}

static void create_failed_writes_nothing(void **state) {
	mock_fail_each_call(run_create, 1);
}

static void create_makes_no_semaphore(void **state) {
	sb_vk_device_destroy(device_create());
	assert_int_equal(mock_vk_count_created(), 0);
	sb_vk_device_destroy(NULL);
}

/* Semaphores. */

static void semaphore_import_waits_for_sync_file(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	uint64_t pending = mock_fences_create(2);
	struct sb_fence fence = fence_create(pending);
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &fence), 0);
	/* Borrowed: still there. */
	assert_int_equal(mock_sync_file_get_fences(fence.fds[0]), pending);
	sb_fence_clear(&fence);
	assert_int_equal(mock_vk_submit(&semaphore, 1, VK_NULL_HANDLE, VK_NULL_HANDLE, 0), pending);
	assert_false(mock_vk_semaphore_has_payload(semaphore));
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_import_of_none_has_signalled(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	const struct sb_fence none = { 0 };
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &none), 0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), 0);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_import_of_point_waits_for_its_fences(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	int drm_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	int syncobj_fd = mock_syncobj_create();
	struct sb_timeline *timeline;
	struct sb_fence point;
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline), 0);
	assert_int_equal(sb_fence_from_point(timeline, 1, &point), 0);

	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &point), -EAGAIN);
	assert_false(mock_vk_semaphore_has_payload(semaphore));
	uint64_t pending = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 1, pending);
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &point), 0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), pending);

	sb_fence_clear(&point);
	sb_timeline_unref(timeline);
	close(syncobj_fd);
	close(drm_fd);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_import_of_idle_is_not_supported(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	VkFence vk_fence = mock_vk_create_fence();
	struct sb_buffer buffer = buffer_create(0, mock_fence_create());
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_fence idle = { 0 };
	assert_int_equal(sb_buffer_export_fence(&buffer, SB_ACCESS_READ, &idle), 0);
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &idle), -EOPNOTSUPP);
	assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &idle), -EOPNOTSUPP);
	assert_false(mock_vk_semaphore_has_payload(semaphore));
	assert_false(mock_vk_fence_has_payload(vk_fence));
	sb_fence_clear(&idle);
	buffer_close(&buffer);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_import_again_replaces_payload(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	struct sb_fence first = fence_create(mock_fence_create());
	uint64_t pending = mock_fence_create();
	struct sb_fence second = fence_create(pending);
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &first), 0);
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &second), 0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), pending);
	sb_fence_clear(&first);
	sb_fence_clear(&second);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void import_of_other_file_gives_exact_error(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	VkFence vk_fence = mock_vk_create_fence();
	struct sb_fence fence;
	fence = (struct sb_fence){ .type = SB_FENCE_SYNC_FILE, .fds = { mock_memfd_create(1) } };
	assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &fence), -EINVAL);
	assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &fence), -EINVAL);
	sb_fence_clear(&fence);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void run_semaphore_import(void) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	struct sb_fence fence = fence_create(mock_fence_create());
	mock_fail_armed();
	int ret = sb_vk_semaphore_import_fence(device, semaphore, &fence);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(mock_vk_semaphore_has_payload(semaphore), ret == 0);
	sb_fence_clear(&fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_import_failed_leaks_no_fd(void **state) {
	/* A duplicate, and the import. */
	mock_fail_each_call(run_semaphore_import, 2);
}

static void semaphore_export_gives_end_of_work(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(true);
	uint64_t work = mock_fence_create();
	mock_vk_submit(NULL, 0, semaphore, VK_NULL_HANDLE, work);
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_vk_semaphore_export_fence(device, semaphore, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(mock_sync_file_get_fences(fence.fds[0]), work);
	assert_false(mock_vk_semaphore_has_payload(semaphore));
	sb_fence_clear(&fence);
	mock_fence_signal(work, 0);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void export_of_minus_one_gives_none(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(true);
	VkFence vk_fence = mock_vk_create_fence();
	mock_vk_export_minus_one();
	mock_vk_submit(NULL, 0, semaphore, vk_fence, 0);
	struct sb_fence fence = { .type = FENCE_UNTOUCHED };
	assert_int_equal(sb_vk_semaphore_export_fence(device, semaphore, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	fence.type = FENCE_UNTOUCHED;
	assert_int_equal(sb_vk_fence_export_fence(device, vk_fence, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void run_semaphore_export(void) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(true);
	mock_vk_submit(NULL, 0, semaphore, VK_NULL_HANDLE, 0);
	struct sb_fence fence = { .type = FENCE_UNTOUCHED };
	mock_fail_armed();
	int ret = sb_vk_semaphore_export_fence(device, semaphore, &fence);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(fence.type, ret < 0 ? FENCE_UNTOUCHED : SB_FENCE_SYNC_FILE);
	assert_int_equal(mock_vk_semaphore_has_payload(semaphore), ret < 0);
	if (ret == 0) {
		sb_fence_clear(&fence);
	}
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void semaphore_export_failed_writes_no_fence(void **state) {
	mock_fail_each_call(run_semaphore_export, 1);
}

static void vulkan_errors_come_as_errno(void **state) {
	static const struct {
		VkResult result;
		int expected;
	} errors[] = {
		{ VK_ERROR_OUT_OF_HOST_MEMORY, -ENOMEM },
		{ VK_ERROR_OUT_OF_DEVICE_MEMORY, -ENOMEM },
		{ VK_ERROR_TOO_MANY_OBJECTS, -EMFILE },
		{ VK_ERROR_INVALID_EXTERNAL_HANDLE, -EINVAL },
		{ VK_ERROR_DEVICE_LOST, -ENODEV },
		{ VK_ERROR_INITIALIZATION_FAILED, -EIO },
		{ VK_ERROR_UNKNOWN, -EIO },
	};
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(true);
	VkFence vk_fence = mock_vk_create_fence();
	const struct sb_fence none = { 0 };
	mock_vk_submit(NULL, 0, semaphore, vk_fence, 0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct sb_fence fence = { 0 };
		struct sb_vk_frame *frame = NULL;
		int expected = errors[i].expected;
		mock_vk_fail_next(errors[i].result);
		assert_int_equal(sb_vk_semaphore_import_fence(device, semaphore, &none), expected);
		mock_vk_fail_next(errors[i].result);
		assert_int_equal(sb_vk_semaphore_export_fence(device, semaphore, &fence), expected);
		mock_vk_fail_next(errors[i].result);
		assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &none), expected);
		mock_vk_fail_next(errors[i].result);
		assert_int_equal(sb_vk_fence_export_fence(device, vk_fence, &fence), expected);
		mock_vk_fail_next(errors[i].result);
		assert_int_equal(sb_vk_frame_create(device, &frame), expected);
		assert_null(frame);
	}
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

/* VkFences. */

static void fence_import_waits_for_sync_file(void **state) {
	struct sb_vk_device *device = device_create();
	VkFence vk_fence = mock_vk_create_fence();
	uint64_t pending = mock_fence_create();
	struct sb_fence fence = fence_create(pending);
	assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &fence), 0);
	assert_int_equal(mock_vk_fence_get_payload(vk_fence), pending);
	const struct sb_fence none = { 0 };
	assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &none), 0);
	assert_int_equal(mock_vk_fence_get_payload(vk_fence), 0);
	assert_int_equal(mock_sync_file_get_fences(fence.fds[0]), pending);
	sb_fence_clear(&fence);
	mock_vk_destroy_fence(vk_fence);
	sb_vk_device_destroy(device);
}

static void fence_export_gives_end_of_work(void **state) {
	struct sb_vk_device *device = device_create();
	VkFence vk_fence = mock_vk_create_fence();
	uint64_t work = mock_fence_create();
	mock_vk_submit(NULL, 0, VK_NULL_HANDLE, vk_fence, work);
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_vk_fence_export_fence(device, vk_fence, &fence), 0);
	assert_int_equal(mock_sync_file_get_fences(fence.fds[0]), work);
	assert_false(mock_vk_fence_has_payload(vk_fence));
	sb_fence_clear(&fence);
	mock_fence_signal(work, 0);
	mock_vk_destroy_fence(vk_fence);
	sb_vk_device_destroy(device);
}

static void fence_without_extension_is_not_supported(void **state) {
	mock_vk_remove_proc("vkImportFenceFdKHR");
	mock_vk_remove_proc("vkGetFenceFdKHR");
	struct sb_vk_device *device = device_create();
	VkFence vk_fence = mock_vk_create_fence();
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_vk_fence_import_fence(device, vk_fence, &fence), -EOPNOTSUPP);
	fence.type = FENCE_UNTOUCHED;
	assert_int_equal(sb_vk_fence_export_fence(device, vk_fence, &fence), -EOPNOTSUPP);
	assert_int_equal(fence.type, FENCE_UNTOUCHED);
	mock_vk_destroy_fence(vk_fence);
	sb_vk_device_destroy(device);
}

static void run_fence_import(void) {
	struct sb_vk_device *device = device_create();
	VkFence vk_fence = mock_vk_create_fence();
	struct sb_fence fence = fence_create(mock_fence_create());
	mock_fail_armed();
	int ret = sb_vk_fence_import_fence(device, vk_fence, &fence);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(mock_vk_fence_has_payload(vk_fence), ret == 0);
	sb_fence_clear(&fence);
	mock_vk_destroy_fence(vk_fence);
	sb_vk_device_destroy(device);
}

static void run_fence_export(void) {
	struct sb_vk_device *device = device_create();
	VkFence vk_fence = mock_vk_create_fence();
	mock_vk_submit(NULL, 0, VK_NULL_HANDLE, vk_fence, 0);
	struct sb_fence fence = { .type = FENCE_UNTOUCHED };
	mock_fail_armed();
	int ret = sb_vk_fence_export_fence(device, vk_fence, &fence);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(fence.type, ret < 0 ? FENCE_UNTOUCHED : SB_FENCE_SYNC_FILE);
	assert_int_equal(mock_vk_fence_has_payload(vk_fence), ret < 0);
	if (ret == 0) {
		sb_fence_clear(&fence);
	}
	mock_vk_destroy_fence(vk_fence);
	sb_vk_device_destroy(device);
}

static void fence_conversion_failed_leaves_it_as_it_was(void **state) {
	mock_fail_each_call(run_fence_import, 2);
	mock_fail_each_call(run_fence_export, 1);
}

/* A client of an implicit window system. */

static void signal_acquired_has_those_in_the_way_and_no_later_ones(void **state) {
	static const enum sb_access accesses[] = { SB_ACCESS_READ, SB_ACCESS_WRITE };
	struct sb_vk_device *device = device_create();
	for (size_t i = 0; i < 2; i++) {
		VkSemaphore semaphore = mock_vk_create_semaphore(false);
		VkFence vk_fence = mock_vk_create_fence();
		uint64_t reader = mock_fence_create();
		uint64_t writer = mock_fence_create();
		uint64_t expected = accesses[i] == SB_ACCESS_READ ? writer : reader | writer;
		struct sb_buffer buffer = buffer_create(reader, writer);
		assert_int_equal(sb_vk_signal_acquired(
						 device, &buffer, accesses[i], semaphore, vk_fence),
				0);
		mock_dmabuf_add(buffer.dmabuf_fds[0], mock_fence_create(), mock_fence_create());
		assert_int_equal(mock_vk_semaphore_get_payload(semaphore), expected);
		assert_int_equal(mock_vk_fence_get_payload(vk_fence), expected);
		buffer_close(&buffer);
		mock_vk_destroy_fence(vk_fence);
		mock_vk_destroy_semaphore(semaphore);
	}
	sb_vk_device_destroy(device);
}

static void signal_acquired_takes_one_or_none_of_the_two(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	VkFence vk_fence = mock_vk_create_fence();
	uint64_t writer = mock_fence_create();
	struct sb_buffer buffer = buffer_create(0, writer);
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, VK_NULL_HANDLE,
					 VK_NULL_HANDLE),
			0);
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, semaphore,
					 VK_NULL_HANDLE),
			0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), writer);
	assert_false(mock_vk_fence_has_payload(vk_fence));
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, VK_NULL_HANDLE,
					 vk_fence),
			0);
	assert_int_equal(mock_vk_fence_get_payload(vk_fence), writer);
	buffer_close(&buffer);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void signal_acquired_of_idle_buffer_has_signalled(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	VkFence vk_fence = mock_vk_create_fence();
	uint64_t reader = mock_fence_create();
	struct sb_buffer buffer = buffer_create(reader, 0);
	mock_fence_signal(reader, 0);
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, semaphore, vk_fence),
			0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), 0);
	assert_int_equal(mock_vk_fence_get_payload(vk_fence), 0);
	buffer_close(&buffer);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void signal_acquired_without_snapshots_works_when_idle(void **state) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	uint64_t reader = mock_fence_create();
	struct sb_buffer buffer = buffer_create(reader, 0);
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, semaphore,
					 VK_NULL_HANDLE),
			-EOPNOTSUPP);
	assert_false(mock_vk_semaphore_has_payload(semaphore));
	mock_fence_signal(reader, 0);
	assert_int_equal(sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, semaphore,
					 VK_NULL_HANDLE),
			0);
	assert_int_equal(mock_vk_semaphore_get_payload(semaphore), 0);
	buffer_close(&buffer);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void run_signal_acquired(void) {
	struct sb_vk_device *device = device_create();
	VkSemaphore semaphore = mock_vk_create_semaphore(false);
	VkFence vk_fence = mock_vk_create_fence();
	struct sb_buffer buffer = buffer_create(mock_fence_create(), 0);
	mock_fail_armed();
	int ret = sb_vk_signal_acquired(device, &buffer, SB_ACCESS_WRITE, semaphore, vk_fence);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(mock_vk_fence_has_payload(vk_fence), ret == 0);
	buffer_close(&buffer);
	mock_vk_destroy_fence(vk_fence);
	mock_vk_destroy_semaphore(semaphore);
	sb_vk_device_destroy(device);
}

static void signal_acquired_failed_gives_exact_error(void **state) {
	/* The snapshot, the look, two duplicates, two imports. */
	mock_fail_each_call(run_signal_acquired, 6);
}

/* Frames: waiting. */

/* What a frame with one buffer waits for. Not counting what may be created. */
static uint64_t acquire_one(enum sb_access access, uint64_t readers, uint64_t writers,
		uint32_t *ret_wait_count) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(readers, writers);
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_acquire(frame, &buffer, access), 0);
	*ret_wait_count = frame_count_waits(frame);
	/* Neither of them is in the snapshot any more. */
	mock_dmabuf_add(buffer.dmabuf_fds[0], mock_fence_create(), mock_fence_create());
	uint64_t waited = frame_submit(frame, 0);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
	return waited;
}

static void acquire_waits_for_those_in_the_way_only(void **state) {
	uint64_t reader = mock_fence_create();
	uint64_t writer = mock_fence_create();
	uint64_t done = mock_fence_create();
	mock_fence_signal(done, 0);
	const struct {
		enum sb_access access;
		uint64_t readers, writers, expected;
	} cases[] = {
		{ SB_ACCESS_READ, 0, 0, 0 },
		{ SB_ACCESS_READ, 0, done, 0 },
		{ SB_ACCESS_READ, reader, 0, 0 },
		{ SB_ACCESS_READ, 0, writer, writer },
		{ SB_ACCESS_READ, reader, writer | done, writer },
		{ SB_ACCESS_WRITE, 0, 0, 0 },
		{ SB_ACCESS_WRITE, done, done, 0 },
		{ SB_ACCESS_WRITE, reader, 0, reader },
		{ SB_ACCESS_WRITE, 0, writer, writer },
		{ SB_ACCESS_WRITE, reader, writer, reader | writer },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int created = mock_vk_count_created();
		uint32_t wait_count;
		uint64_t waited = acquire_one(
				cases[i].access, cases[i].readers, cases[i].writers, &wait_count);
		assert_int_equal(waited, cases[i].expected);
		assert_int_equal(wait_count, cases[i].expected != 0);
		/* The signal, and a semaphore to wait for only if there is something. */
		assert_int_equal(mock_vk_count_created() - created, 1 + wait_count);
	}
}

static void acquire_of_several_buffers_waits_for_each_pending_one(void **state) {
	struct sb_vk_device *device = device_create();
	uint64_t writers = mock_fences_create(2);
	uint64_t first = writers & -writers;
	struct sb_buffer buffers[] = { buffer_create(0, first), buffer_create(0, 0),
		buffer_create(0, writers & ~first) };
	struct sb_vk_frame *frame = frame_create(device);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sb_vk_frame_acquire(frame, &buffers[i], SB_ACCESS_READ), 0);
		buffer_close(&buffers[i]);
	}
	assert_int_equal(frame_count_waits(frame), 2);
	assert_int_equal(frame_submit(frame, 0), writers);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void acquire_without_snapshots_works_when_idle(void **state) {
	struct sb_vk_device *device = device_create();
	uint64_t writer = mock_fence_create();
	struct sb_buffer buffer = buffer_create(0, writer);
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_acquire(frame, &buffer, SB_ACCESS_READ), -EOPNOTSUPP);
	assert_int_equal(frame_count_waits(frame), 0);
	mock_fence_signal(writer, 0);
	assert_int_equal(sb_vk_frame_acquire(frame, &buffer, SB_ACCESS_READ), 0);
	assert_int_equal(frame_count_waits(frame), 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void wait_for_pending_fence_takes_semaphore(void **state) {
	struct sb_vk_device *device = device_create();
	uint64_t pending = mock_fence_create();
	struct sb_fence fence = fence_create(pending);
	const struct sb_fence none = { 0 };
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_wait(frame, &none), 0);
	assert_int_equal(frame_count_waits(frame), 0);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	assert_int_equal(frame_count_waits(frame), 1);
	mock_fence_signal(pending, 0);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	assert_int_equal(frame_count_waits(frame), 1);
	assert_int_equal(frame_submit(frame, 0), pending);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	sb_fence_clear(&fence);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void wait_for_point_to_come_gives_eagain(void **state) {
	struct sb_vk_device *device = device_create();
	int drm_fd = mock_drm_create(MOCK_DRM_TIMELINES);
	int syncobj_fd = mock_syncobj_create();
	struct sb_timeline *timeline;
	struct sb_fence point;
	assert_int_equal(sb_timeline_import(drm_fd, syncobj_fd, NULL, &timeline), 0);
	assert_int_equal(sb_fence_from_point(timeline, 3, &point), 0);
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_wait(frame, &point), -EAGAIN);
	assert_int_equal(frame_count_waits(frame), 0);
	uint64_t pending = mock_fence_create();
	mock_syncobj_add_point(syncobj_fd, 3, pending);
	assert_int_equal(sb_vk_frame_wait(frame, &point), 0);
	assert_int_equal(frame_submit(frame, 0), pending);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	sb_fence_clear(&point);
	sb_timeline_unref(timeline);
	close(syncobj_fd);
	close(drm_fd);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

/* Frames: signalling. */

static void end_adds_fence_as_noted(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer read = buffer_create(0, 0);
	struct sb_buffer written = buffer_create(0, 0);
	struct sb_buffer untouched = buffer_create(0, 0);
	uint64_t work = mock_fence_create();
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_acquire(frame, &untouched, SB_ACCESS_READ), 0);
	/* The struct is copied. */
	struct sb_buffer copy = read;
	assert_int_equal(sb_vk_frame_release(frame, &copy, SB_ACCESS_READ), 0);
	copy = written;
	assert_int_equal(sb_vk_frame_release(frame, &copy, SB_ACCESS_WRITE), 0);
	memset(&copy, 0, sizeof(copy));
	frame_submit(frame, work);
	assert_int_equal(mock_dmabuf_get_readers(read.dmabuf_fds[0]), 0);

	struct sb_fence end = { .type = FENCE_UNTOUCHED };
	assert_int_equal(sb_vk_frame_end(frame, &end), 0);
	assert_int_equal(mock_sync_file_get_fences(end.fds[0]), work);
	assert_int_equal(fcntl(end.fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(mock_dmabuf_get_readers(read.dmabuf_fds[0]), work);
	assert_int_equal(mock_dmabuf_get_writers(read.dmabuf_fds[0]), 0);
	assert_int_equal(mock_dmabuf_get_readers(written.dmabuf_fds[0]), 0);
	assert_int_equal(mock_dmabuf_get_writers(written.dmabuf_fds[0]), work);
	assert_int_equal(mock_dmabuf_get_readers(untouched.dmabuf_fds[0]), 0);
	sb_fence_clear(&end);
	mock_fence_signal(work, 0);

	/* The next time it has noted nothing. */
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	work = mock_fence_create();
	frame_submit(frame, work);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	assert_int_equal(mock_dmabuf_get_readers(read.dmabuf_fds[0]) & work, 0);
	assert_int_equal(mock_dmabuf_get_writers(written.dmabuf_fds[0]) & work, 0);
	mock_fence_signal(work, 0);
	buffer_close(&read);
	buffer_close(&written);
	buffer_close(&untouched);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void release_adds_fence_to_all_dmabufs_of_buffer(void **state) {
	struct sb_vk_device *device = device_create();
	int fds[] = { mock_dmabuf_create(4096), mock_dmabuf_create(4096) };
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, fds, 2), 0);
	uint64_t work = mock_fence_create();
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_release(frame, &buffer, SB_ACCESS_WRITE), 0);
	frame_submit(frame, work);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	assert_int_equal(mock_dmabuf_get_writers(fds[0]), work);
	assert_int_equal(mock_dmabuf_get_writers(fds[1]), work);
	mock_fence_signal(work, 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void release_with_wrong_access_is_refused(void **state) {
	static const int wrong[] = { -1, 0, 3, 4 };
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(0, 0);
	struct sb_vk_frame *frame = frame_create(device);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		enum sb_access access = (enum sb_access)wrong[i];
		assert_int_equal(sb_vk_frame_release(frame, &buffer, access), -EINVAL);
		assert_int_equal(sb_vk_frame_acquire(frame, &buffer, access), -EINVAL);
	}
	uint64_t work = mock_fence_create();
	frame_submit(frame, work);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);
	assert_int_equal(mock_dmabuf_get_writers(buffer.dmabuf_fds[0]), 0);
	mock_fence_signal(work, 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void end_of_finished_work_may_be_none(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(0, 0);
	mock_vk_export_minus_one();
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_release(frame, &buffer, SB_ACCESS_READ), 0);
	frame_submit(frame, 0);
	struct sb_fence end = { .type = FENCE_UNTOUCHED };
	assert_int_equal(sb_vk_frame_end(frame, &end), 0);
	assert_int_equal(end.type, SB_FENCE_NONE);
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void end_with_failed_import_tries_other_buffers(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffers[] = { buffer_create(0, 0), buffer_create(0, 0) };
	uint64_t work = mock_fence_create();
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_release(frame, &buffers[0], SB_ACCESS_READ), 0);
	assert_int_equal(sb_vk_frame_release(frame, &buffers[1], SB_ACCESS_READ), 0);
	frame_submit(frame, work);
	struct sb_fence end = { .type = FENCE_UNTOUCHED };
	/* Call 1 is the export. */
	mock_fail_call(2, -ENOMEM);
	assert_int_equal(sb_vk_frame_end(frame, &end), -ENOMEM);
	assert_int_equal(end.type, FENCE_UNTOUCHED);
	assert_int_equal(mock_dmabuf_get_readers(buffers[0].dmabuf_fds[0]), 0);
	assert_int_equal(mock_dmabuf_get_readers(buffers[1].dmabuf_fds[0]), work);
	mock_fence_signal(work, 0);
	buffer_close(&buffers[0]);
	buffer_close(&buffers[1]);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void end_that_is_unknown_is_tried_again(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(0, 0);
	uint64_t work = mock_fence_create();
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(sb_vk_frame_release(frame, &buffer, SB_ACCESS_READ), 0);
	frame_submit(frame, work);
	struct sb_fence end = { .type = FENCE_UNTOUCHED };
	mock_fail_call(1, -EMFILE);
	assert_int_equal(sb_vk_frame_end(frame, &end), -EMFILE);
	/* Not SB_FENCE_NONE: that would say that the work is done. */
	assert_int_equal(end.type, FENCE_UNTOUCHED);
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);
	mock_fence_signal(work, 0);

	/* In vain, ... */
	mock_fail_call(1, -EMFILE);
	assert_int_equal(sb_vk_frame_begin(frame), -EMFILE);
	/* ... and with success: the semaphore can be signalled again. */
	mock_fail_call(0, 0);
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	assert_int_equal(mock_count_calls(), 1);
	frame_submit(frame, 0);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	/* What was noted for the end that was unknown is not done late. */
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);
	mock_fail_call(0, 0);
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	assert_int_equal(mock_count_calls(), 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

/* Frames: again and again. */

static void warm_frames_create_nothing(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(0, 0);
	static struct sb_stats stats;
	static const struct sb_trace_hook hook = { .handle = sb_stats_handle, .data = &stats };
	memset(&stats, 0, sizeof(stats));
	sb_trace_set_hook(&hook);
	struct sb_vk_frame *frames[2];
	assert_int_equal(sb_vk_frame_create(device, &frames[0]), 0);
	assert_int_equal(sb_vk_frame_create(device, &frames[1]), 0);
	uint64_t work = 0;
	for (unsigned int i = 0; i < 12; i++) {
		struct sb_vk_frame *frame = frames[i % 2];
		struct sb_fence end;
		uint64_t next_work = mock_fence_create();
		/* The work before is waited for, and has ended before the one after. */
		assert_int_equal(sb_vk_frame_begin(frame), 0);
		assert_int_equal(sb_vk_frame_acquire(frame, &buffer, SB_ACCESS_WRITE), 0);
		assert_int_equal(frame_count_waits(frame), i > 0);
		assert_int_equal(sb_vk_frame_release(frame, &buffer, SB_ACCESS_WRITE), 0);
		assert_int_equal(frame_submit(frame, next_work), work);
		assert_int_equal(sb_vk_frame_end(frame, &end), 0);
		sb_fence_clear(&end);
		mock_fence_signal(work, 0);
		work = next_work;
	}
	sb_trace_set_hook(NULL);
	/* For each frame its signal and a wait. */
	assert_int_equal(mock_vk_count_created(), 4);
	assert_int_equal(stats.vk_creates, 4);
	assert_int_equal(stats.vk_exports, 12);
	assert_int_equal(stats.vk_imports, 11);
	assert_int_equal(stats.imports, 12);
	assert_int_equal(stats.errors, 0);
	mock_fence_signal(work, 0);
	buffer_close(&buffer);
	sb_vk_frame_destroy(frames[0]);
	sb_vk_frame_destroy(frames[1]);
	sb_vk_device_destroy(device);
}

static void begin_over_forgets_what_was_not_submitted(void **state) {
	struct sb_vk_device *device = device_create();
	uint64_t writer = mock_fence_create();
	struct sb_buffer buffer = buffer_create(0, writer);
	struct sb_vk_frame *frame = frame_create(device);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(sb_vk_frame_acquire(frame, &buffer, SB_ACCESS_READ), 0);
		assert_int_equal(sb_vk_frame_release(frame, &buffer, SB_ACCESS_READ), 0);
		assert_int_equal(frame_count_waits(frame), 1);
		assert_int_equal(sb_vk_frame_begin(frame), 0);
		assert_int_equal(frame_count_waits(frame), 0);
	}
	/* Its semaphore gets another payload. */
	uint64_t other_writer = mock_fence_create();
	struct sb_buffer other = buffer_create(0, other_writer);
	assert_int_equal(sb_vk_frame_acquire(frame, &other, SB_ACCESS_READ), 0);
	assert_int_equal(frame_submit(frame, 0), other_writer);
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	assert_int_equal(mock_dmabuf_get_readers(buffer.dmabuf_fds[0]), 0);
	assert_int_equal(mock_vk_count_created(), 2);
	buffer_close(&buffer);
	buffer_close(&other);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void destroy_in_any_state_frees_all(void **state) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffer = buffer_create(0, mock_fence_create());
	struct sb_vk_frame *fresh;
	assert_int_equal(sb_vk_frame_create(device, &fresh), 0);
	struct sb_vk_frame *begun = frame_create(device);
	assert_int_equal(sb_vk_frame_acquire(begun, &buffer, SB_ACCESS_READ), 0);
	assert_int_equal(sb_vk_frame_release(begun, &buffer, SB_ACCESS_READ), 0);
	struct sb_vk_frame *unknown = frame_create(device);
	frame_submit(unknown, 0);
	mock_vk_fail_next(VK_ERROR_TOO_MANY_OBJECTS);
	assert_int_equal(sb_vk_frame_end(unknown, NULL), -EMFILE);
	buffer_close(&buffer);
	sb_vk_frame_destroy(fresh);
	sb_vk_frame_destroy(begun);
	sb_vk_frame_destroy(unknown);
	sb_vk_frame_destroy(NULL);
	sb_vk_device_destroy(device);
}

/* The first error that a whole frame meets; the frame can be begun again then. */
static int frame_run(struct sb_vk_frame *frame, const struct sb_buffer *buffers, uint64_t work,
		struct sb_fence *ret_end) {
	int ret = sb_vk_frame_begin(frame);
	for (size_t i = 0; i < 2 && ret == 0; i++) {
		uint32_t wait_count = frame_count_waits(frame);
		ret = sb_vk_frame_acquire(frame, &buffers[i], SB_ACCESS_READ);
		assert_int_equal(frame_count_waits(frame), wait_count + (ret == 0));
		if (ret == 0) {
			ret = sb_vk_frame_release(frame, &buffers[i], SB_ACCESS_READ);
		}
	}
	if (ret < 0) {
		return ret;
	}
	frame_submit(frame, work);
	return sb_vk_frame_end(frame, ret_end);
}

static void run_frames(void) {
	struct sb_vk_device *device = device_create();
	uint64_t writers = mock_fences_create(2);
	uint64_t first = writers & -writers;
	struct sb_buffer buffers[] = { buffer_create(0, first), buffer_create(0, writers & ~first) };
	struct sb_fence end = { 0 };
	uint64_t work = mock_fence_create();
	struct sb_vk_frame *frame = NULL;
	mock_fail_armed();
	int ret = sb_vk_frame_create(device, &frame);
	if (ret < 0) {
		assert_null(frame);
	} else {
		ret = frame_run(frame, buffers, work, &end);
	}
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(end.type, ret == 0 ? SB_FENCE_SYNC_FILE : SB_FENCE_NONE);
	if (ret == 0) {
		assert_int_equal(mock_sync_file_get_fences(end.fds[0]), work);
	}
	sb_fence_clear(&end);
	mock_fence_signal(work, 0);

	/* Whatever has failed, the next frame is a whole one. */
	if (frame != NULL) {
		uint64_t next_work = mock_fence_create();
		assert_int_equal(frame_run(frame, buffers, next_work, &end), 0);
		assert_true((mock_dmabuf_get_readers(buffers[0].dmabuf_fds[0]) & next_work) != 0);
		assert_true((mock_dmabuf_get_readers(buffers[1].dmabuf_fds[0]) & next_work) != 0);
		sb_fence_clear(&end);
		mock_fence_signal(next_work, 0);
	}
	buffer_close(&buffers[0]);
	buffer_close(&buffers[1]);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void frame_failed_anywhere_gives_exact_error_and_recovers(void **state) {
	/*
	 * Creation: frame, signal. Twice: snapshot, look, waits, semaphore, duplicate, import,
	 * releases. End: export, two imports.
	 */
	mock_fail_each_call(run_frames, 2 + 2 * 7 + 3);
}

static void run_warm_frame(void) {
	struct sb_vk_device *device = device_create();
	struct sb_buffer buffers[] = { buffer_create(0, mock_fence_create()),
		buffer_create(0, mock_fence_create()) };
	struct sb_vk_frame *frame = frame_create(device);
	assert_int_equal(frame_run(frame, buffers, 0, NULL), 0);
	unsigned int created = mock_vk_count_created();
	mock_fail_armed();
	int ret = frame_run(frame, buffers, 0, NULL);
	mock_fail_disarmed();
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(mock_vk_count_created(), created);
	buffer_close(&buffers[0]);
	buffer_close(&buffers[1]);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void warm_frame_failed_anywhere_creates_nothing(void **state) {
	mock_fail_each_call(run_warm_frame, 2 * 4 + 3);
}

/* Barriers. */

static void barriers_hand_image_over_and_back(void **state) {
	const struct sb_vk_image_use use = {
		.image = (VkImage)state,
		.stages = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		.accesses = VK_ACCESS_2_SHADER_SAMPLED_READ_BIT,
		.layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
	};
	static const struct {
		bool has_foreign;
		uint32_t expected;
	} cases[] = { { true, VK_QUEUE_FAMILY_FOREIGN_EXT }, { false, VK_QUEUE_FAMILY_EXTERNAL } };
	for (size_t i = 0; i < 2; i++) {
		const struct sb_vk_device_info info = {
			.device = mock_vk_get_device(),
			.get_device_proc_addr = mock_vk_get_proc_addr,
			.queue_family_index = 5,
			.has_queue_family_foreign = cases[i].has_foreign,
		};
		struct sb_vk_device *device;
		assert_int_equal(sb_vk_device_create(&info, &device), 0);
		VkImageMemoryBarrier2 barrier;
		memset(&barrier, 0xff, sizeof(barrier));
		sb_vk_device_get_acquire_barrier(device, &use, &barrier);
		assert_int_equal(barrier.sType, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2);
		assert_null(barrier.pNext);
		assert_int_equal(barrier.srcStageMask, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT);
		assert_int_equal(barrier.srcAccessMask, 0);
		assert_int_equal(barrier.dstStageMask, use.stages);
		assert_int_equal(barrier.dstAccessMask, use.accesses);
		assert_int_equal(barrier.oldLayout, VK_IMAGE_LAYOUT_GENERAL);
		assert_int_equal(barrier.newLayout, use.layout);
		assert_int_equal(barrier.srcQueueFamilyIndex, cases[i].expected);
		assert_int_equal(barrier.dstQueueFamilyIndex, 5);
		assert_true(barrier.image == use.image);
		assert_int_equal(barrier.subresourceRange.aspectMask, VK_IMAGE_ASPECT_COLOR_BIT);
		assert_int_equal(barrier.subresourceRange.baseMipLevel, 0);
		assert_int_equal(barrier.subresourceRange.levelCount, VK_REMAINING_MIP_LEVELS);
		assert_int_equal(barrier.subresourceRange.baseArrayLayer, 0);
		assert_int_equal(barrier.subresourceRange.layerCount, VK_REMAINING_ARRAY_LAYERS);

		VkImageMemoryBarrier2 back;
		memset(&back, 0xff, sizeof(back));
		sb_vk_device_get_release_barrier(device, &use, &back);
		assert_int_equal(back.sType, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2);
		assert_null(back.pNext);
		assert_int_equal(back.srcStageMask, use.stages);
		assert_int_equal(back.srcAccessMask, use.accesses);
		assert_int_equal(back.dstStageMask, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT);
		assert_int_equal(back.dstAccessMask, 0);
		assert_int_equal(back.oldLayout, use.layout);
		assert_int_equal(back.newLayout, VK_IMAGE_LAYOUT_GENERAL);
		assert_int_equal(back.srcQueueFamilyIndex, 5);
		assert_int_equal(back.dstQueueFamilyIndex, cases[i].expected);
		assert_true(back.image == use.image);
		assert_memory_equal(&back.subresourceRange, &barrier.subresourceRange,
				sizeof(back.subresourceRange));
		sb_vk_device_destroy(device);
	}
}

/* The trace. */

struct events {
	struct sb_trace_event list[8];
	size_t count;
};

static void handle_event(void *data, const struct sb_trace_event *event) {
	struct events *events = data;
	if (event->kind == SB_TRACE_VK_IMPORT || event->kind == SB_TRACE_VK_EXPORT ||
			event->kind == SB_TRACE_VK_CREATE) {
		assert_true(events->count < sizeof(events->list) / sizeof(events->list[0]));
		events->list[events->count++] = *event;
	}
}

static void event_check(const struct sb_trace_event *event, enum sb_trace_kind kind, int result,
		bool has_sync_file) {
	assert_int_equal(event->kind, kind);
	assert_int_equal(event->result, result);
	assert_int_equal(event->sync_file_fd >= 0, has_sync_file);
	assert_int_equal(event->dmabuf_fd, -1);
	assert_int_equal(event->access, 0);
	assert_null(event->timeline);
}

static void operations_are_traced_with_their_results(void **state) {
	struct events events = { .count = 0 };
	const struct sb_trace_hook hook = { .handle = handle_event, .data = &events };
	struct sb_vk_device *device = device_create();
	struct sb_fence fence = fence_create(mock_fence_create());
	struct sb_fence end;
	struct sb_vk_frame *frame;
	sb_trace_set_hook(&hook);
	mock_vk_fail_next(VK_ERROR_OUT_OF_HOST_MEMORY);
	assert_int_equal(sb_vk_frame_create(device, &frame), -ENOMEM);
	assert_int_equal(sb_vk_frame_create(device, &frame), 0);
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	mock_vk_fail_next(VK_ERROR_INVALID_EXTERNAL_HANDLE);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), -EINVAL);
	frame_submit(frame, 0);
	mock_vk_fail_next(VK_ERROR_TOO_MANY_OBJECTS);
	assert_int_equal(sb_vk_frame_end(frame, &end), -EMFILE);
	mock_vk_export_minus_one();
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	sb_trace_set_hook(NULL);
	assert_int_equal(events.count, 7);
	event_check(&events.list[0], SB_TRACE_VK_CREATE, -ENOMEM, false);
	event_check(&events.list[1], SB_TRACE_VK_CREATE, 0, false);
	event_check(&events.list[2], SB_TRACE_VK_CREATE, 0, false);
	event_check(&events.list[3], SB_TRACE_VK_IMPORT, 0, true);
	event_check(&events.list[4], SB_TRACE_VK_IMPORT, -EINVAL, true);
	event_check(&events.list[5], SB_TRACE_VK_EXPORT, -EMFILE, false);
	event_check(&events.list[6], SB_TRACE_VK_EXPORT, 0, false);
	uint64_t signal = (uint64_t)sb_vk_frame_get_signal(frame);
	uint64_t wait = events.list[2].vk_handle;
	assert_int_not_equal(wait, 0);
	const uint64_t handles[] = { 0, signal, wait, wait, wait, signal, signal };
	for (size_t i = 0; i < events.count; i++) {
		assert_int_equal(events.list[i].vk_handle, handles[i]);
	}
	sb_fence_clear(&fence);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

#define vulkan_test(f) cmocka_unit_test_setup_teardown(f, mock_vk_setup, mock_vk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		vulkan_test(create_without_device_or_entry_points_is_refused),
		vulkan_test(create_without_needed_function_is_not_supported),
		vulkan_test(create_failed_writes_nothing),
		vulkan_test(create_makes_no_semaphore),
		vulkan_test(semaphore_import_waits_for_sync_file),
		vulkan_test(semaphore_import_of_none_has_signalled),
		vulkan_test(semaphore_import_of_point_waits_for_its_fences),
		vulkan_test(semaphore_import_of_idle_is_not_supported),
		vulkan_test(semaphore_import_again_replaces_payload),
		vulkan_test(import_of_other_file_gives_exact_error),
		vulkan_test(semaphore_import_failed_leaks_no_fd),
		vulkan_test(semaphore_export_gives_end_of_work),
		vulkan_test(export_of_minus_one_gives_none),
		vulkan_test(semaphore_export_failed_writes_no_fence),
		vulkan_test(vulkan_errors_come_as_errno),
		vulkan_test(fence_import_waits_for_sync_file),
		vulkan_test(fence_export_gives_end_of_work),
		vulkan_test(fence_without_extension_is_not_supported),
		vulkan_test(fence_conversion_failed_leaves_it_as_it_was),
		vulkan_test(signal_acquired_has_those_in_the_way_and_no_later_ones),
		vulkan_test(signal_acquired_takes_one_or_none_of_the_two),
		vulkan_test(signal_acquired_of_idle_buffer_has_signalled),
		vulkan_test(signal_acquired_without_snapshots_works_when_idle),
		vulkan_test(signal_acquired_failed_gives_exact_error),
		vulkan_test(acquire_waits_for_those_in_the_way_only),
		vulkan_test(acquire_of_several_buffers_waits_for_each_pending_one),
		vulkan_test(acquire_without_snapshots_works_when_idle),
		vulkan_test(wait_for_pending_fence_takes_semaphore),
		vulkan_test(wait_for_point_to_come_gives_eagain),
		vulkan_test(end_adds_fence_as_noted),
		vulkan_test(release_adds_fence_to_all_dmabufs_of_buffer),
		vulkan_test(release_with_wrong_access_is_refused),
		vulkan_test(end_of_finished_work_may_be_none),
		vulkan_test(end_with_failed_import_tries_other_buffers),
		vulkan_test(end_that_is_unknown_is_tried_again),
		vulkan_test(warm_frames_create_nothing),
		vulkan_test(begin_over_forgets_what_was_not_submitted),
		vulkan_test(destroy_in_any_state_frees_all),
		vulkan_test(frame_failed_anywhere_gives_exact_error_and_recovers),
		vulkan_test(warm_frame_failed_anywhere_creates_nothing),
		vulkan_test(barriers_hand_image_over_and_back),
		vulkan_test(operations_are_traced_with_their_results),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_vulkan", tests, NULL, NULL);
}
