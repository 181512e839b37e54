#include "picture.h"

#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"

static const VkExternalMemoryImageCreateInfo image_is_dmabuf = {
	.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
	.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
};

static VkImage picture_create_image(struct picture *picture, const void *next) {
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = next,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = GPU_FORMAT,
		.extent = { PICTURE_SIZE, PICTURE_SIZE, 1 },
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = VK_IMAGE_USAGE_SAMPLED_BIT,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
		.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
	};
	VkImage image;
	gpu_check(vkCreateImage(picture->gpu->device, &info, NULL, &image));
	return image;
}

/* Memory of the image's own, made with what is in next. */
static VkDeviceMemory picture_bind_memory(struct picture *picture, VkImage image,
		uint32_t type_mask, VkMemoryPropertyFlags wanted, const void *next) {
	const struct gpu *gpu = picture->gpu;
	VkMemoryRequirements requirements;
	vkGetImageMemoryRequirements(gpu->device, image, &requirements);
	type_mask &= requirements.memoryTypeBits;
	uint32_t type = gpu_find_memory_type(gpu, type_mask, wanted);
	if (type == UINT32_MAX) {
		type = gpu_find_memory_type(gpu, type_mask, 0);
	}
	assert_true(type != UINT32_MAX);
	const VkMemoryDedicatedAllocateInfo dedicated = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.pNext = next,
		.image = image,
	};
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &dedicated,
		.allocationSize = requirements.size,
		.memoryTypeIndex = type,
	};
	VkDeviceMemory memory;
	gpu_check(vkAllocateMemory(gpu->device, &info, NULL, &memory));
	gpu_check(vkBindImageMemory(gpu->device, image, memory, 0));
	return memory;
}

/* Gives away the memory of an image as a dma-buf. */
static void picture_export(struct picture *picture) {
	static const uint64_t linear = DRM_FORMAT_MOD_LINEAR;
	const VkImageDrmFormatModifierListCreateInfoEXT modifiers = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		.pNext = &image_is_dmabuf,
		.drmFormatModifierCount = 1,
		.pDrmFormatModifiers = &linear,
	};
	picture->source_image = picture_create_image(picture, &modifiers);
	const VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	picture->source_memory = picture_bind_memory(picture, picture->source_image, UINT32_MAX,
			VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
			&export_info);

	const VkMemoryGetFdInfoKHR fd_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = picture->source_memory,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const struct gpu *gpu = picture->gpu;
	gpu_check(gpu->get_memory_fd(gpu->device, &fd_info, &picture->dmabuf_fd));
	assert_int_equal(sb_buffer_init(&picture->buffer, &picture->dmabuf_fd, 1), 0);
	const VkImageSubresource plane = { .aspectMask = VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT };
	vkGetImageSubresourceLayout(gpu->device, picture->source_image, &plane, &picture->layout);
}

/* Makes an image of a dma-buf. */
static void picture_import(struct picture *picture) {
	const struct gpu *gpu = picture->gpu;
	const VkSubresourceLayout plane = {
		.offset = picture->layout.offset,
		.rowPitch = picture->layout.rowPitch,
	};
	const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		.pNext = &image_is_dmabuf,
		.drmFormatModifier = DRM_FORMAT_MOD_LINEAR,
		.drmFormatModifierPlaneCount = 1,
		.pPlaneLayouts = &plane,
	};
	picture->image = picture_create_image(picture, &modifier);

	VkMemoryFdPropertiesKHR properties = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
	};
	gpu_check(gpu->get_memory_fd_properties(gpu->device,
			VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, picture->dmabuf_fd,
			&properties));
	const VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
		/* Vulkan's from then on. */
		.fd = sb_fd_dup(picture->dmabuf_fd),
	};
	assert_true(import_info.fd >= 0);
	picture->memory = picture_bind_memory(
			picture, picture->image, properties.memoryTypeBits, 0, &import_info);

	const VkImageViewCreateInfo view_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.image = picture->image,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = GPU_FORMAT,
		.subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
	};
	gpu_check(vkCreateImageView(gpu->device, &view_info, NULL, &picture->view));
}

static void picture_map(struct picture *picture) {
	off_t size = lseek(picture->dmabuf_fd, 0, SEEK_END);
	assert_true(size > 0);
	void *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
			picture->dmabuf_fd, 0);
	if (bytes != MAP_FAILED) {
		picture->mapped_bytes = (size_t)size;
	} else {
		/* Some drivers' dma-bufs cannot be mapped, but their memory can. */
		gpu_check(vkMapMemory(picture->gpu->device, picture->source_memory, 0,
				VK_WHOLE_SIZE, 0, &bytes));
	}
	picture->bytes = bytes;
}

void picture_init(struct picture *picture, const struct gpu *gpu) {
	*picture = (struct picture){ .gpu = gpu };
	picture_export(picture);
	picture_import(picture);
	picture_map(picture);
	picture_begin_painting(picture);
	picture_paint(picture, 0);
	picture_end_painting(picture);
}

void picture_finish(struct picture *picture) {
	VkDevice device = picture->gpu->device;
	if (picture->mapped_bytes > 0) {
		munmap(picture->bytes, picture->mapped_bytes);
	}
	vkDestroyImageView(device, picture->view, NULL);
	vkDestroyImage(device, picture->image, NULL);
	vkFreeMemory(device, picture->memory, NULL);
	sb_fd_clear(&picture->dmabuf_fd);
	vkDestroyImage(device, picture->source_image, NULL);
	vkFreeMemory(device, picture->source_memory, NULL);
}

void picture_begin_painting(struct picture *picture) {
	assert_int_equal(sb_dmabuf_begin_cpu_access(picture->dmabuf_fd, SB_ACCESS_WRITE), 0);
}

void picture_end_painting(struct picture *picture) {
	assert_int_equal(sb_dmabuf_end_cpu_access(picture->dmabuf_fd, SB_ACCESS_WRITE), 0);
}

void picture_paint(struct picture *picture, uint32_t pixel) {
	for (uint32_t y = 0; y < PICTURE_SIZE; y++) {
		uint8_t *row = picture->bytes + picture->layout.offset + y * picture->layout.rowPitch;
		for (uint32_t x = 0; x < PICTURE_SIZE; x++) {
			memcpy(row + (size_t)x * GPU_PIXEL_BYTES, &pixel, GPU_PIXEL_BYTES);
		}
	}
}
