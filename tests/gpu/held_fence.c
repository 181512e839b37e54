#include "held_fence.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include <cmocka.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/sync_file.h>

#include "fd.h"
#include "spin.comp.h"
#include "sw_sync.h"

#define NODES_MAX 16
#define NS_PER_S 1000000000

static bool holder_init_sw_sync(struct fence_holder *holder) {
	int timeline_fd = sw_timeline_create();
	bool works = timeline_fd >= 0;
	sb_fd_clear(&timeline_fd);
	return works;
}

static bool node_is_vgem(int fd) {
	drmVersion *version = drmGetVersion(fd);
	bool is_vgem = version != NULL && strcmp(version->name, "vgem") == 0;
	drmFreeVersion(version);
	return is_vgem;
}

static bool holder_init_vgem(struct fence_holder *holder) {
	for (int i = 0; i < NODES_MAX; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && node_is_vgem(fd)) {
			holder->vgem_fd = fd;
			return true;
		}
		sb_fd_clear(&fd);
	}
	return false;
}

static void holder_create_device(struct fence_holder *holder) {
	/* The other queues of a GPU are often more independent than a second one of the same kind. */
	const struct gpu *gpu = holder->gpu;
	VkQueueFamilyProperties families[16];
	uint32_t family_count = sizeof(families) / sizeof(families[0]);
	vkGetPhysicalDeviceQueueFamilyProperties(gpu->physical, &family_count, families);
	holder->queue_family_index = gpu->queue_family_index;
	for (uint32_t i = 0; i < family_count; i++) {
		if (i != gpu->queue_family_index &&
				(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) != 0) {
			holder->queue_family_index = i;
		}
	}

	static const float priority = 1;
	const VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = holder->queue_family_index,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	static const char *const extensions[] = { VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME };
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
		.enabledExtensionCount = 1,
		.ppEnabledExtensionNames = extensions,
	};
	gpu_check(vkCreateDevice(gpu->physical, &info, NULL, &holder->device));
	vkGetDeviceQueue(holder->device, holder->queue_family_index, 0, &holder->queue);
}

/* Whether the GPU does other work while a fence of its own is pending. */
static bool holder_is_independent(const struct fence_holder *holder) {
	const struct gpu *gpu = holder->gpu;
	static const VkFenceCreateInfo fence_info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	VkFence vk_fence;
	gpu_check(vkCreateFence(gpu->device, &fence_info, NULL, &vk_fence));
	struct held_fence fence;
	held_fence_init(&fence, holder);
	gpu_check(vkQueueSubmit(gpu->queue, 0, NULL, vk_fence));
	gpu_check(vkWaitForFences(gpu->device, 1, &vk_fence, VK_TRUE, UINT64_MAX));
	bool is_independent = held_fence_is_pending(&fence);
	held_fence_finish(&fence);
	vkDestroyFence(gpu->device, vk_fence, NULL);
	return is_independent;
}

static bool holder_init_gpu(struct fence_holder *holder) {
	if (holder->gpu->is_software) {
		/* An export would wait for the end. */
		return false;
	}
	holder_create_device(holder);
	holder->type = FENCE_HOLDER_GPU;
	return holder_is_independent(holder);
}

static const struct {
	const char *name;
	bool (*init)(struct fence_holder *holder);
} holders[] = {
	[FENCE_HOLDER_NONE] = { "nothing", NULL },
	[FENCE_HOLDER_SW_SYNC] = { "sw_sync", holder_init_sw_sync },
	[FENCE_HOLDER_VGEM] = { "vgem", holder_init_vgem },
	[FENCE_HOLDER_GPU] = { "gpu", holder_init_gpu },
};

void fence_holder_init(struct fence_holder *holder, struct gpu *gpu) {
	const char *wanted = getenv("ORIEL_FENCES");
	*holder = (struct fence_holder){ .gpu = gpu, .vgem_fd = -1 };
	for (size_t i = FENCE_HOLDER_SW_SYNC; i <= FENCE_HOLDER_GPU; i++) {
		if ((wanted == NULL || strcmp(wanted, holders[i].name) == 0) &&
				holders[i].init(holder)) {
			holder->type = (enum fence_holder_type)i;
			return;
		}
	}
	holder->type = FENCE_HOLDER_NONE;
}

void fence_holder_finish(struct fence_holder *holder) {
	sb_fd_clear(&holder->vgem_fd);
	if (holder->device != VK_NULL_HANDLE) {
		vkDestroyDevice(holder->device, NULL);
	}
}

const char *fence_holder_get_name(const struct fence_holder *holder) {
	return holders[holder->type].name;
}

/* Fences. */

static void held_fence_init_sw_sync(struct held_fence *fence) {
	fence->timeline_fd = sw_timeline_create();
	assert_true(fence->timeline_fd >= 0);
	fence->sync_file_fd = sw_timeline_create_fence(fence->timeline_fd, 1);
	assert_true(fence->sync_file_fd >= 0);
}

static void held_fence_init_vgem(struct held_fence *fence) {
	assert_int_equal(vgem_buffer_init(&fence->buffer, fence->holder->vgem_fd), 0);
	assert_int_equal(vgem_buffer_attach(&fence->buffer, true, &fence->vgem_fence), 0);
	assert_int_equal(sb_dmabuf_export_sync_file(fence->buffer.dmabuf_fd, SB_ACCESS_READ,
					 &fence->sync_file_fd),
			0);
}

static void held_fence_submit_spin(struct held_fence *fence) {
	const struct fence_holder *holder = fence->holder;
	static const VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkCommandBuffer commands = fence->commands.buffer;
	gpu_check(vkBeginCommandBuffer(commands, &begin_info));
	vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, fence->program.pipeline);
	vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, fence->program.layout, 0,
			1, &fence->program.set, 0, NULL);
	vkCmdDispatch(commands, 1, 1, 1);
	gpu_check(vkEndCommandBuffer(commands));
	const VkSubmitInfo submit_info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
		.signalSemaphoreCount = 1,
		.pSignalSemaphores = &fence->semaphore,
	};
	gpu_check(vkQueueSubmit(holder->queue, 1, &submit_info, VK_NULL_HANDLE));
}

static void held_fence_init_gpu(struct held_fence *fence) {
	const struct fence_holder *holder = fence->holder;
	gpu_shared_init(&fence->flag, holder->gpu, holder->device, sizeof(uint32_t));
	gpu_program_init(&fence->program, holder->device, spin_code, sizeof(spin_code),
			VK_NULL_HANDLE, fence->flag.buffer);
	gpu_commands_init(&fence->commands, holder->device, holder->queue_family_index);
	static const VkExportSemaphoreCreateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	static const VkSemaphoreCreateInfo semaphore_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &export_info,
	};
	gpu_check(vkCreateSemaphore(holder->device, &semaphore_info, NULL, &fence->semaphore));
	held_fence_submit_spin(fence);

	PFN_vkGetSemaphoreFdKHR get_semaphore_fd = (PFN_vkGetSemaphoreFdKHR)vkGetDeviceProcAddr(
			holder->device, "vkGetSemaphoreFdKHR");
	const VkSemaphoreGetFdInfoKHR fd_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
		.semaphore = fence->semaphore,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	gpu_check(get_semaphore_fd(holder->device, &fd_info, &fence->sync_file_fd));
}

void held_fence_init(struct held_fence *fence, const struct fence_holder *holder) {
	*fence = (struct held_fence){ .holder = holder, .sync_file_fd = -1, .timeline_fd = -1 };
	switch (holder->type) {
	case FENCE_HOLDER_NONE:
		fail_msg("nothing can hold fences");
		break;
	case FENCE_HOLDER_SW_SYNC:
		held_fence_init_sw_sync(fence);
		break;
	case FENCE_HOLDER_VGEM:
		held_fence_init_vgem(fence);
		break;
	case FENCE_HOLDER_GPU:
		held_fence_init_gpu(fence);
		break;
	}
}

bool held_fence_is_pending(const struct held_fence *fence) {
	return fence->sync_file_fd >= 0 && sb_sync_file_wait(fence->sync_file_fd, 0) != 0;
}

static void held_fence_release(struct held_fence *fence) {
	switch (fence->holder->type) {
	case FENCE_HOLDER_NONE:
		break;
	case FENCE_HOLDER_SW_SYNC:
		assert_int_equal(sw_timeline_signal(fence->timeline_fd, 1), 0);
		break;
	case FENCE_HOLDER_VGEM:
		vgem_signal(fence->holder->vgem_fd, fence->vgem_fence);
		break;
	case FENCE_HOLDER_GPU:
		*(volatile uint32_t *)fence->flag.words = 1;
		break;
	}
	fence->is_signalled = true;
}

void held_fence_signal(struct held_fence *fence) {
	if (!held_fence_is_pending(fence)) {
		fail_msg("%s has not held the fence", fence_holder_get_name(fence->holder));
	}
	held_fence_release(fence);
	/* The GPU takes its time to see that. */
	assert_int_equal(sb_sync_file_wait(fence->sync_file_fd, INT64_C(60) * NS_PER_S), 0);
}

void held_fence_finish(struct held_fence *fence) {
	if (!fence->is_signalled) {
		held_fence_release(fence);
	}
	sb_fd_clear(&fence->sync_file_fd);
	sb_fd_clear(&fence->timeline_fd);
	if (fence->holder->type == FENCE_HOLDER_VGEM) {
		vgem_buffer_finish(&fence->buffer);
	}
	if (fence->holder->type == FENCE_HOLDER_GPU) {
		VkDevice device = fence->holder->device;
		gpu_check(vkQueueWaitIdle(fence->holder->queue));
		vkDestroySemaphore(device, fence->semaphore, NULL);
		gpu_commands_finish(&fence->commands, device);
		gpu_program_finish(&fence->program, device);
		gpu_shared_finish(&fence->flag, device);
	}
}
