#include <syncbridge/vulkan.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fd.h"
#include "fence_internal.h"
#include "syscall.h"
#include "trace.h"

/* A buffer that gets a fence when the frame ends. */
struct vk_release {
	struct sb_buffer buffer;
	enum sb_access access;
};

struct sb_vk_frame {
	struct sb_vk_device *device;
	bool is_begun;
	/* The export failed, so the signal still has its payload: it cannot be signalled again. */
	bool signal_is_set;
	VkSemaphore signal;
	VkSemaphore *waits; /* wait_capacity semaphores, of which wait_count have a payload */
	uint32_t wait_count, wait_capacity;
	struct vk_release *releases;
	uint32_t release_count, release_capacity;
};

struct sb_vk_device {
	VkDevice device;
	const VkAllocationCallbacks *allocator;
	uint32_t queue_family_index;
	uint32_t outside_queue_family_index;
	PFN_vkCreateSemaphore create_semaphore;
	PFN_vkDestroySemaphore destroy_semaphore;
	PFN_vkImportSemaphoreFdKHR import_semaphore_fd;
	PFN_vkGetSemaphoreFdKHR get_semaphore_fd;
	/* Both may be NULL: VK_KHR_external_fence_fd is wanted by those who use it. */
	PFN_vkImportFenceFdKHR import_fence_fd;
	PFN_vkGetFenceFdKHR get_fence_fd;
};

static int vk_get_error(VkResult result) {
	switch (result) {
	case VK_SUCCESS:
		return 0;
	case VK_ERROR_OUT_OF_HOST_MEMORY:
	case VK_ERROR_OUT_OF_DEVICE_MEMORY:
		return -ENOMEM;
	case VK_ERROR_TOO_MANY_OBJECTS:
		return -EMFILE;
	case VK_ERROR_INVALID_EXTERNAL_HANDLE:
		return -EINVAL;
	case VK_ERROR_DEVICE_LOST:
		return -ENODEV;
	default:
		return -EIO;
	}
}

int sb_vk_device_create(const struct sb_vk_device_info *info, struct sb_vk_device **ret_device) {
	if (info->device == VK_NULL_HANDLE || info->get_device_proc_addr == NULL) {
		return -EINVAL;
	}
	struct sb_vk_device *device = sb_sys_calloc(1, sizeof(*device));
	if (device == NULL) {
		return -ENOMEM;
	}
	device->device = info->device;
	device->allocator = info->allocator;
	device->queue_family_index = info->queue_family_index;
	device->outside_queue_family_index = info->has_queue_family_foreign
			? VK_QUEUE_FAMILY_FOREIGN_EXT
			: VK_QUEUE_FAMILY_EXTERNAL;

#define GET_PROC(name) (PFN_##name) info->get_device_proc_addr(info->device, #name)
	device->create_semaphore = GET_PROC(vkCreateSemaphore);
	device->destroy_semaphore = GET_PROC(vkDestroySemaphore);
	device->import_semaphore_fd = GET_PROC(vkImportSemaphoreFdKHR);
	device->get_semaphore_fd = GET_PROC(vkGetSemaphoreFdKHR);
	device->import_fence_fd = GET_PROC(vkImportFenceFdKHR);
	device->get_fence_fd = GET_PROC(vkGetFenceFdKHR);
#undef GET_PROC
	if (device->create_semaphore == NULL || device->destroy_semaphore == NULL ||
			device->import_semaphore_fd == NULL || device->get_semaphore_fd == NULL) {
		free(device);
		return -EOPNOTSUPP;
	}
	*ret_device = device;
	return 0;
}

void sb_vk_device_destroy(struct sb_vk_device *device) {
	free(device);
}

/* Payloads in and out. */

/* A sync_file for Vulkan to consume, or -1, which it takes for one that has signalled. */
static int fence_get_payload(const struct sb_fence *fence, int *ret_fd) {
	int ret = sb_fence_export_sync_file(fence, ret_fd);
	if (ret == -ENODATA) {
		*ret_fd = -1;
		return 0;
	}
	return ret;
}

/* Makes a fence of what Vulkan gave: -1 stands for a payload that has signalled. */
static struct sb_fence fence_from_payload(int take_fd) {
	return take_fd < 0 ? (struct sb_fence){ 0 } : sb_fence_of_sync_file(take_fd);
}

/* take_fd may be -1. Vulkan consumes it on success only, this function always. */
static int device_import_semaphore(struct sb_vk_device *device, VkSemaphore semaphore, int take_fd) {
	const VkImportSemaphoreFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
		.semaphore = semaphore,
		.flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
		.fd = take_fd,
	};
	int ret = vk_get_error(device->import_semaphore_fd(device->device, &info));
	sb_trace_vk(SB_TRACE_VK_IMPORT, (uint64_t)semaphore, take_fd, ret);
	if (ret < 0) {
		sb_fd_clear(&take_fd);
	}
	return ret;
}

int sb_vk_semaphore_import_fence(
		struct sb_vk_device *device, VkSemaphore semaphore, const struct sb_fence *fence) {
	int fd;
	int ret = fence_get_payload(fence, &fd);
	if (ret < 0) {
		return ret;
	}
	return device_import_semaphore(device, semaphore, fd);
}

int sb_vk_semaphore_export_fence(
		struct sb_vk_device *device, VkSemaphore semaphore, struct sb_fence *ret_fence) {
	const VkSemaphoreGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
		.semaphore = semaphore,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	int fd = -1;
	int ret = vk_get_error(device->get_semaphore_fd(device->device, &info, &fd));
	sb_trace_vk(SB_TRACE_VK_EXPORT, (uint64_t)semaphore, ret < 0 ? -1 : fd, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_fence = fence_from_payload(fd);
	return 0;
}

int sb_vk_fence_import_fence(
		struct sb_vk_device *device, VkFence vk_fence, const struct sb_fence *fence) {
	if (device->import_fence_fd == NULL) {
		return -EOPNOTSUPP;
	}
	int fd;
	int ret = fence_get_payload(fence, &fd);
	if (ret < 0) {
		return ret;
	}
	const VkImportFenceFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR,
		.fence = vk_fence,
		.flags = VK_FENCE_IMPORT_TEMPORARY_BIT,
		.handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
		.fd = fd,
	};
	ret = vk_get_error(device->import_fence_fd(device->device, &info));
	sb_trace_vk(SB_TRACE_VK_IMPORT, (uint64_t)vk_fence, fd, ret);
	if (ret < 0) {
		sb_fd_clear(&fd);
	}
	return ret;
}

int sb_vk_fence_export_fence(
		struct sb_vk_device *device, VkFence vk_fence, struct sb_fence *ret_fence) {
	if (device->get_fence_fd == NULL) {
		return -EOPNOTSUPP;
	}
	const VkFenceGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR,
		.fence = vk_fence,
		.handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	int fd = -1;
	int ret = vk_get_error(device->get_fence_fd(device->device, &info, &fd));
	sb_trace_vk(SB_TRACE_VK_EXPORT, (uint64_t)vk_fence, ret < 0 ? -1 : fd, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_fence = fence_from_payload(fd);
	return 0;
}

int sb_vk_signal_acquired(struct sb_vk_device *device, const struct sb_buffer *buffer,
		enum sb_access access, VkSemaphore semaphore, VkFence vk_fence) {
	struct sb_fence fence = { 0 };
	int ret = sb_buffer_export_fence(buffer, access, &fence);
	if (ret < 0) {
		return ret;
	}
	/* What is over need not be given to anybody, and may be what no semaphore can be given. */
	ret = sb_fence_wait(&fence, 0);
	if (ret == 0) {
		sb_fence_clear(&fence);
	} else if (ret != -ETIME) {
		goto clear_fence;
	}
	ret = 0;
	if (semaphore != VK_NULL_HANDLE) {
		ret = sb_vk_semaphore_import_fence(device, semaphore, &fence);
	}
	if (ret == 0 && vk_fence != VK_NULL_HANDLE) {
		ret = sb_vk_fence_import_fence(device, vk_fence, &fence);
	}
clear_fence:
	sb_fence_clear(&fence);
	return ret;
}

/* Frames. */

static int device_create_semaphore(
		struct sb_vk_device *device, const void *next, VkSemaphore *ret_semaphore) {
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = next,
	};
	VkSemaphore semaphore = VK_NULL_HANDLE;
	VkResult result = device->create_semaphore(
			device->device, &info, device->allocator, &semaphore);
	int ret = vk_get_error(result);
	sb_trace_vk(SB_TRACE_VK_CREATE, (uint64_t)semaphore, -1, ret);
	if (ret < 0) {
		return ret;
	}
	*ret_semaphore = semaphore;
	return 0;
}

int sb_vk_frame_create(struct sb_vk_device *device, struct sb_vk_frame **ret_frame) {
	static const VkExportSemaphoreCreateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	struct sb_vk_frame *frame = sb_sys_calloc(1, sizeof(*frame));
	if (frame == NULL) {
		return -ENOMEM;
	}
	frame->device = device;
	int ret = device_create_semaphore(device, &export_info, &frame->signal);
	if (ret < 0) {
		free(frame);
		return ret;
	}
	*ret_frame = frame;
	return 0;
}

void sb_vk_frame_destroy(struct sb_vk_frame *frame) {
	if (frame == NULL) {
		return;
	}
	struct sb_vk_device *device = frame->device;
	for (uint32_t i = 0; i < frame->wait_capacity; i++) {
		device->destroy_semaphore(device->device, frame->waits[i], device->allocator);
	}
	device->destroy_semaphore(device->device, frame->signal, device->allocator);
	free(frame->releases);
	free(frame->waits);
	free(frame);
}

int sb_vk_frame_begin(struct sb_vk_frame *frame) {
	if (frame->signal_is_set) {
		struct sb_fence end = { 0 };
		int ret = sb_vk_semaphore_export_fence(frame->device, frame->signal, &end);
		if (ret < 0) {
			return ret;
		}
		sb_fence_clear(&end);
		frame->signal_is_set = false;
	}
	/* Payloads that were not waited for stay in their semaphores, until others replace them. */
	frame->wait_count = 0;
	frame->release_count = 0;
	frame->is_begun = true;
	return 0;
}

int sb_vk_frame_acquire(
		struct sb_vk_frame *frame, const struct sb_buffer *buffer, enum sb_access access) {
	struct sb_fence fence = { 0 };
	int ret = sb_buffer_export_fence(buffer, access, &fence);
	if (ret < 0) {
		return ret;
	}
	ret = sb_vk_frame_wait(frame, &fence);
	sb_fence_clear(&fence);
	return ret;
}

/* Makes room for one more wait. */
static int frame_grow_waits(struct sb_vk_frame *frame) {
	VkSemaphore *waits = sb_sys_realloc(
			frame->waits, (size_t)frame->wait_capacity + 1, sizeof(*frame->waits));
	if (waits == NULL) {
		return -ENOMEM;
	}
	frame->waits = waits;
	int ret = device_create_semaphore(frame->device, NULL, &waits[frame->wait_capacity]);
	if (ret == 0) {
		frame->wait_capacity++;
	}
	return ret;
}

int sb_vk_frame_wait(struct sb_vk_frame *frame, const struct sb_fence *fence) {
	assert(frame->is_begun);
	int ret = sb_fence_wait(fence, 0);
	if (ret != -ETIME) {
		return ret;
	}
	if (frame->wait_count == frame->wait_capacity) {
		ret = frame_grow_waits(frame);
		if (ret < 0) {
			return ret;
		}
	}
	ret = sb_vk_semaphore_import_fence(frame->device, frame->waits[frame->wait_count], fence);
	if (ret == 0) {
		frame->wait_count++;
	}
	return ret;
}

int sb_vk_frame_release(
		struct sb_vk_frame *frame, const struct sb_buffer *buffer, enum sb_access access) {
	assert(frame->is_begun);
	if (access != SB_ACCESS_READ && access != SB_ACCESS_WRITE) {
		return -EINVAL;
	}
	if (frame->release_count == frame->release_capacity) {
		struct vk_release *releases = sb_sys_realloc(frame->releases,
				(size_t)frame->release_capacity + 1, sizeof(*frame->releases));
		if (releases == NULL) {
			return -ENOMEM;
		}
		frame->releases = releases;
		frame->release_capacity++;
	}
	frame->releases[frame->release_count++] = (struct vk_release){
		.buffer = *buffer,
		.access = access,
	};
	return 0;
}

uint32_t sb_vk_frame_get_waits(const struct sb_vk_frame *frame, const VkSemaphore **ret_semaphores) {
	*ret_semaphores = frame->wait_count > 0 ? frame->waits : NULL;
	return frame->wait_count;
}

VkSemaphore sb_vk_frame_get_signal(const struct sb_vk_frame *frame) {
	return frame->signal;
}

int sb_vk_frame_end(struct sb_vk_frame *frame, struct sb_fence *ret_fence) {
	assert(frame->is_begun);
	frame->is_begun = false;
	struct sb_fence end = { 0 };
	int ret = sb_vk_semaphore_export_fence(frame->device, frame->signal, &end);
	if (ret < 0) {
		frame->signal_is_set = true;
	} else {
		for (uint32_t i = 0; i < frame->release_count; i++) {
			const struct vk_release *release = &frame->releases[i];
			int release_ret = sb_buffer_import_fence(
					&release->buffer, release->access, &end);
			ret = ret < 0 ? ret : release_ret;
		}
	}
	if (ret == 0 && ret_fence != NULL) {
		*ret_fence = sb_fence_move(&end);
	}
	sb_fence_clear(&end);
	return ret;
}

/* Barriers. */

/*
 * The other side's stages are of no account in a barrier that hands an image over: by the
 * specification a semaphore orders that. But two submissions to one queue that both read an image
 * do not wait for each other, while the second one's acquire must come after the first one's
 * release. ALL_COMMANDS on the outer side puts the one behind the other for a driver that looks at
 * the masks, as they have to where VK_KHR_maintenance8's flag asks for it.
 */
#define OUTSIDE_STAGES VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT

/* All planes: COLOR stands for them in a disjoint image, too. */
static const VkImageSubresourceRange whole_image = {
	.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT,
	.levelCount = VK_REMAINING_MIP_LEVELS,
	.layerCount = VK_REMAINING_ARRAY_LAYERS,
};

void sb_vk_device_get_acquire_barrier(const struct sb_vk_device *device,
		const struct sb_vk_image_use *use, VkImageMemoryBarrier2 *ret_barrier) {
	*ret_barrier = (VkImageMemoryBarrier2){
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = OUTSIDE_STAGES,
		.dstStageMask = use->stages,
		.dstAccessMask = use->accesses,
		.oldLayout = VK_IMAGE_LAYOUT_GENERAL,
		.newLayout = use->layout,
		.srcQueueFamilyIndex = device->outside_queue_family_index,
		.dstQueueFamilyIndex = device->queue_family_index,
		.image = use->image,
		.subresourceRange = whole_image,
	};
}

void sb_vk_device_get_release_barrier(const struct sb_vk_device *device,
		const struct sb_vk_image_use *use, VkImageMemoryBarrier2 *ret_barrier) {
	*ret_barrier = (VkImageMemoryBarrier2){
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = use->stages,
		.srcAccessMask = use->accesses,
		.dstStageMask = OUTSIDE_STAGES,
		.oldLayout = use->layout,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = device->queue_family_index,
		.dstQueueFamilyIndex = device->outside_queue_family_index,
		.image = use->image,
		.subresourceRange = whole_image,
	};
}
