#include "shared_images.h"

#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, const char *why) {
	fprintf(stderr, "%s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

void check(int ret, const char *what) {
	if (ret < 0) {
		die(what, strerror(-ret));
	}
}

void check_vk(VkResult result, const char *what) {
	if (result != VK_SUCCESS) {
		die(what, "failed");
	}
}

#define CHECK_VK(call) check_vk((call), #call)

static const char *const extensions[] = {
	VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
	VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
	VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
	VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
};

/* Returns false if the device cannot do what is needed. */
static bool side_init(struct side *side, VkPhysicalDevice physical) {
	/* Of the queue families, the first: every device has one there that draws or computes. */
	static const float priority = 1;
	const VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkPhysicalDeviceVulkan13Features features = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	const VkDeviceCreateInfo device_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &features,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
		.enabledExtensionCount = sizeof(extensions) / sizeof(extensions[0]),
		.ppEnabledExtensionNames = extensions,
	};
	VkPhysicalDeviceProperties properties;
	vkGetPhysicalDeviceProperties(physical, &properties);
	if (properties.apiVersion < VK_API_VERSION_1_3 ||
			vkCreateDevice(physical, &device_info, NULL, &side->device) != VK_SUCCESS) {
		return false;
	}
	vkGetPhysicalDeviceMemoryProperties(physical, &side->memory);
	vkGetDeviceQueue(side->device, 0, 0, &side->queue);
	const VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	CHECK_VK(vkCreateCommandPool(side->device, &pool_info, NULL, &side->pool));

	/* The library is not linked with Vulkan: it is told how to call it. */
	const struct sb_vk_device_info sync_info = {
		.device = side->device,
		.get_device_proc_addr = vkGetDeviceProcAddr,
		.has_queue_family_foreign = true,
	};
	check(sb_vk_device_create(&sync_info, &side->sync), "sb_vk_device_create");
	return true;
}

void side_finish(struct side *side) {
	sb_vk_device_destroy(side->sync);
	vkDestroyCommandPool(side->device, side->pool, NULL);
	vkDestroyDevice(side->device, NULL);
}

bool sides_init(VkInstance instance, struct side *client, struct side *window_system) {
	VkPhysicalDevice devices[16];
	uint32_t count = sizeof(devices) / sizeof(devices[0]);
	VkResult result = vkEnumeratePhysicalDevices(instance, &count, devices);
	if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (side_init(client, devices[i])) {
			VkPhysicalDeviceProperties properties;
			vkGetPhysicalDeviceProperties(devices[i], &properties);
			printf("device: %s\n", properties.deviceName);
			return side_init(window_system, devices[i]);
		}
	}
	return false;
}

static uint32_t side_find_memory_type(
		const struct side *side, uint32_t type_mask, VkMemoryPropertyFlags properties) {
	for (uint32_t i = 0; i < side->memory.memoryTypeCount; i++) {
		VkMemoryPropertyFlags flags = side->memory.memoryTypes[i].propertyFlags;
		if ((type_mask >> i & 1) != 0 && (flags & properties) == properties) {
			return i;
		}
	}
	die("memory", "no type that will do");
	return 0;
}

/* next says where the memory comes from, or goes. */
static void view_init(struct view *view, struct side *side, VkImageUsageFlags usage,
		const void *image_next, uint32_t type_mask, const void *memory_next) {
	const VkExternalMemoryImageCreateInfo is_dmabuf = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.pNext = image_next,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkImageCreateInfo image_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &is_dmabuf,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_B8G8R8A8_UNORM,
		.extent = { IMAGE_SIZE, IMAGE_SIZE, 1 },
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = usage,
	};
	CHECK_VK(vkCreateImage(side->device, &image_info, NULL, &view->image));
	VkMemoryRequirements requirements;
	vkGetImageMemoryRequirements(side->device, view->image, &requirements);
	const VkMemoryDedicatedAllocateInfo dedicated = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.pNext = memory_next,
		.image = view->image,
	};
	const VkMemoryAllocateInfo memory_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &dedicated,
		.allocationSize = requirements.size,
		.memoryTypeIndex = side_find_memory_type(
				side, requirements.memoryTypeBits & type_mask, 0),
	};
	CHECK_VK(vkAllocateMemory(side->device, &memory_info, NULL, &view->memory));
	CHECK_VK(vkBindImageMemory(side->device, view->image, view->memory, 0));

	const VkCommandBufferAllocateInfo commands_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = side->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	CHECK_VK(vkAllocateCommandBuffers(side->device, &commands_info, &view->commands));
	const VkFenceCreateInfo fence_info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
		.flags = VK_FENCE_CREATE_SIGNALED_BIT,
	};
	CHECK_VK(vkCreateFence(side->device, &fence_info, NULL, &view->done));
	check(sb_vk_frame_create(side->sync, &view->frame), "sb_vk_frame_create");
}

static void view_finish(struct view *view, const struct side *side) {
	sb_vk_frame_destroy(view->frame);
	vkDestroyFence(side->device, view->done, NULL);
	vkDestroyImage(side->device, view->image, NULL);
	vkFreeMemory(side->device, view->memory, NULL);
}

/* The client allocates the image, linear for simplicity, and gets the dma-buf. */
static void image_init_client(struct image *image, struct side *client) {
	static const uint64_t linear = DRM_FORMAT_MOD_LINEAR;
	const VkImageDrmFormatModifierListCreateInfoEXT modifiers = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		.drmFormatModifierCount = 1,
		.pDrmFormatModifiers = &linear,
	};
	const VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	view_init(&image->client, client, VK_IMAGE_USAGE_TRANSFER_DST_BIT, &modifiers, UINT32_MAX,
			&export_info);

	PFN_vkGetMemoryFdKHR get_memory_fd = (PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(
			client->device, "vkGetMemoryFdKHR");
	const VkMemoryGetFdInfoKHR fd_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = image->client.memory,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	CHECK_VK(get_memory_fd(client->device, &fd_info, &image->dmabuf_fd));
	const VkImageSubresource plane = { .aspectMask = VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT };
	vkGetImageSubresourceLayout(client->device, image->client.image, &plane, &image->layout);
	check(sb_buffer_init(&image->buffer, &image->dmabuf_fd, 1), "sb_buffer_init");

	const VkSemaphoreCreateInfo semaphore_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
	};
	CHECK_VK(vkCreateSemaphore(client->device, &semaphore_info, NULL, &image->idle));
}

/* The window system makes an image of the dma-buf that it got, and memory for a copy. */
static void image_init_shown(struct image *image, struct side *window_system) {
	VkDevice device = window_system->device;
	const VkSubresourceLayout plane = {
		.offset = image->layout.offset,
		.rowPitch = image->layout.rowPitch,
	};
	const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		.drmFormatModifier = DRM_FORMAT_MOD_LINEAR,
		.drmFormatModifierPlaneCount = 1,
		.pPlaneLayouts = &plane,
	};
	PFN_vkGetMemoryFdPropertiesKHR get_properties =
			(PFN_vkGetMemoryFdPropertiesKHR)vkGetDeviceProcAddr(
					device, "vkGetMemoryFdPropertiesKHR");
	VkMemoryFdPropertiesKHR properties = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
	};
	CHECK_VK(get_properties(device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
			image->dmabuf_fd, &properties));
	const VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
		.fd = fcntl(image->dmabuf_fd, F_DUPFD_CLOEXEC, 0),
	};
	view_init(&image->shown, window_system, VK_IMAGE_USAGE_TRANSFER_SRC_BIT, &modifier,
			properties.memoryTypeBits, &import_info);

	const VkBufferCreateInfo buffer_info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = IMAGE_SIZE * IMAGE_SIZE * sizeof(uint32_t),
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	CHECK_VK(vkCreateBuffer(device, &buffer_info, NULL, &image->copy));
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(device, image->copy, &requirements);
	const VkMemoryAllocateInfo memory_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = requirements.size,
		.memoryTypeIndex = side_find_memory_type(window_system, requirements.memoryTypeBits,
				VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
						VK_MEMORY_PROPERTY_HOST_COHERENT_BIT),
	};
	CHECK_VK(vkAllocateMemory(device, &memory_info, NULL, &image->copy_memory));
	CHECK_VK(vkBindBufferMemory(device, image->copy, image->copy_memory, 0));
	void *pixels;
	CHECK_VK(vkMapMemory(device, image->copy_memory, 0, VK_WHOLE_SIZE, 0, &pixels));
	image->pixels = pixels;
}

void image_init(struct image *image, struct side *client, struct side *window_system) {
	image_init_client(image, client);
	image_init_shown(image, window_system);
	image->frame = -1;
}

void image_finish(struct image *image, const struct side *client, const struct side *window_system) {
	vkDestroyBuffer(window_system->device, image->copy, NULL);
	vkFreeMemory(window_system->device, image->copy_memory, NULL);
	view_finish(&image->shown, window_system);
	vkDestroySemaphore(client->device, image->idle, NULL);
	view_finish(&image->client, client);
	close(image->dmabuf_fd);
}
