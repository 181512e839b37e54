#include "gpu.h"

#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEVICES_MAX 16
#define EXTENSIONS_MAX 512
#define MODIFIERS_MAX 64
#define LAYER "VK_LAYER_KHRONOS_validation"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The last may be missing. */
static const char *const device_extensions[] = {
	VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
	VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
	VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
	VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
	VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
};

#define NEEDED_EXTENSIONS (LENGTH(device_extensions) - 1)

void gpu_check_result(VkResult result, const char *call, const char *file, int line) {
	if (result != VK_SUCCESS) {
		print_error("%s: VkResult %d\n", call, (int)result);
		_fail(file, line);
	}
}

/* The instance, and who listens to the validation layer. */

/* The layer and the loader may say several lines; each is made a comment of TAP. */
static VKAPI_ATTR VkBool32 VKAPI_CALL handle_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
		VkDebugUtilsMessageTypeFlagsEXT type,
		const VkDebugUtilsMessengerCallbackDataEXT *message, void *data) {
	struct gpu *gpu = data;
	/* The loader's own are general ones, and are about drivers of other devices. */
	bool is_general = type == VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT;
	gpu->message_count += !is_general;
	const char *line = message->pMessage;
	while (!is_general && *line != '\0') {
		size_t length = strcspn(line, "\n");
		print_message("# %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	return VK_FALSE;
}

static bool gpu_find_layer(struct gpu *gpu) {
	VkLayerProperties layers[64];
	uint32_t count = LENGTH(layers);
	VkResult result = vkEnumerateInstanceLayerProperties(&count, layers);
	assert_true(result == VK_SUCCESS || result == VK_INCOMPLETE);
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(layers[i].layerName, LAYER) == 0) {
			gpu->layer_version = layers[i].specVersion;
			return true;
		}
	}
	return false;
}

static bool gpu_create_instance(struct gpu *gpu) {
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = "vulkan_sync",
		.apiVersion = VK_API_VERSION_1_3,
	};
	/* In the chain, it also hears what is said when the instance goes. */
	const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
		.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
		.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
				VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
		.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
				VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
				VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
		.pfnUserCallback = handle_message,
		.pUserData = gpu,
	};
	static const VkValidationFeatureEnableEXT enabled[] = {
		VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
	};
	const VkValidationFeaturesEXT features = {
		.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
		.pNext = &messenger_info,
		.enabledValidationFeatureCount = LENGTH(enabled),
		.pEnabledValidationFeatures = enabled,
	};
	static const char *const layers[] = { LAYER };
	static const char *const extensions[] = {
		VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
		VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	if (gpu_find_layer(gpu)) {
		info.pNext = &features;
		info.enabledLayerCount = LENGTH(layers);
		info.ppEnabledLayerNames = layers;
		info.enabledExtensionCount = LENGTH(extensions);
		info.ppEnabledExtensionNames = extensions;
	}
	if (vkCreateInstance(&info, NULL, &gpu->instance) != VK_SUCCESS) {
		return false;
	}
	if (gpu->layer_version != 0) {
		PFN_vkCreateDebugUtilsMessengerEXT create_messenger =
				(PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
						gpu->instance, "vkCreateDebugUtilsMessengerEXT");
		gpu_check(create_messenger(gpu->instance, &messenger_info, NULL, &gpu->messenger));
	}
	return true;
}

/* The device. Each of these returns what is missing, or NULL. */

static bool physical_has_extension(VkPhysicalDevice physical, const char *name) {
	static VkExtensionProperties extensions[EXTENSIONS_MAX];
	uint32_t count = EXTENSIONS_MAX;
	VkResult result = vkEnumerateDeviceExtensionProperties(physical, NULL, &count, extensions);
	assert_true(result == VK_SUCCESS || result == VK_INCOMPLETE);
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(extensions[i].extensionName, name) == 0) {
			return true;
		}
	}
	return false;
}

static const char *physical_check_sync(VkPhysicalDevice physical) {
	const VkPhysicalDeviceExternalSemaphoreInfo semaphore_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalSemaphoreProperties semaphore = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
	};
	vkGetPhysicalDeviceExternalSemaphoreProperties(physical, &semaphore_info, &semaphore);
	const VkExternalSemaphoreFeatureFlags semaphore_needed =
			VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT |
			VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT;
	if ((semaphore.externalSemaphoreFeatures & semaphore_needed) != semaphore_needed) {
		return "semaphores cannot be sync_files";
	}

	const VkPhysicalDeviceExternalFenceInfo fence_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
		.handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalFenceProperties fence = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
	};
	vkGetPhysicalDeviceExternalFenceProperties(physical, &fence_info, &fence);
	const VkExternalFenceFeatureFlags fence_needed = VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT |
			VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT;
	if ((fence.externalFenceFeatures & fence_needed) != fence_needed) {
		return "fences cannot be sync_files";
	}
	return NULL;
}

static const char *physical_check_image(VkPhysicalDevice physical) {
	VkDrmFormatModifierPropertiesEXT modifiers[MODIFIERS_MAX];
	VkDrmFormatModifierPropertiesListEXT list = {
		.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
		.drmFormatModifierCount = MODIFIERS_MAX,
		.pDrmFormatModifierProperties = modifiers,
	};
	VkFormatProperties2 format_properties = {
		.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
		.pNext = &list,
	};
	vkGetPhysicalDeviceFormatProperties2(physical, GPU_FORMAT, &format_properties);
	bool can_sample = false;
	for (uint32_t i = 0; i < list.drmFormatModifierCount; i++) {
		can_sample = can_sample ||
				(modifiers[i].drmFormatModifier == DRM_FORMAT_MOD_LINEAR &&
						modifiers[i].drmFormatModifierPlaneCount == 1 &&
						(modifiers[i].drmFormatModifierTilingFeatures &
								VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT) !=
								0);
	}
	if (!can_sample) {
		return "linear images cannot be sampled";
	}

	const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.drmFormatModifier = DRM_FORMAT_MOD_LINEAR,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};
	const VkPhysicalDeviceExternalImageFormatInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.pNext = &modifier_info,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkPhysicalDeviceImageFormatInfo2 image_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external_info,
		.format = GPU_FORMAT,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = VK_IMAGE_USAGE_SAMPLED_BIT,
	};
	VkExternalImageFormatProperties external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
	};
	VkImageFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
		.pNext = &external,
	};
	const VkExternalMemoryFeatureFlags needed = VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
			VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
	VkResult result = vkGetPhysicalDeviceImageFormatProperties2(
			physical, &image_info, &properties);
	if (result != VK_SUCCESS ||
			(external.externalMemoryProperties.externalMemoryFeatures & needed) !=
					needed) {
		return "linear images cannot be dma-bufs";
	}
	return NULL;
}

static const char *gpu_check_physical(struct gpu *gpu, VkPhysicalDevice physical) {
	const char *wanted = getenv("ORIEL_GPU");
	vkGetPhysicalDeviceProperties(physical, &gpu->properties);
	gpu->is_software = gpu->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
	if (gpu->is_software && wanted != NULL && strcmp(wanted, "real") == 0) {
		return "is software";
	}
	if (gpu->properties.apiVersion < VK_API_VERSION_1_3) {
		return "has no Vulkan 1.3";
	}
	for (size_t i = 0; i < NEEDED_EXTENSIONS; i++) {
		if (!physical_has_extension(physical, device_extensions[i])) {
			static char missing[VK_MAX_EXTENSION_NAME_SIZE + 8];
			snprintf(missing, sizeof(missing), "has no %s", device_extensions[i]);
			return missing;
		}
	}
	gpu->has_queue_family_foreign =
			physical_has_extension(physical, device_extensions[NEEDED_EXTENSIONS]);
	const char *missing = physical_check_sync(physical);
	return missing != NULL ? missing : physical_check_image(physical);
}

static bool gpu_choose_physical(struct gpu *gpu, char reason[GPU_REASON_SIZE]) {
	VkPhysicalDevice devices[DEVICES_MAX];
	uint32_t count = DEVICES_MAX;
	VkResult result = vkEnumeratePhysicalDevices(gpu->instance, &count, devices);
	if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
		count = 0;
	}
	size_t length = 0;
	snprintf(reason, GPU_REASON_SIZE, "there is none");
	for (uint32_t i = 0; i < count; i++) {
		const char *missing = gpu_check_physical(gpu, devices[i]);
		if (missing == NULL) {
			gpu->physical = devices[i];
			return true;
		}
		if (length < GPU_REASON_SIZE) {
			int written = snprintf(reason + length, GPU_REASON_SIZE - length, "%s%s %s",
					i > 0 ? "; " : "", gpu->properties.deviceName, missing);
			length += (size_t)written;
		}
	}
	return false;
}

static void gpu_create_device(struct gpu *gpu) {
	VkQueueFamilyProperties families[16];
	uint32_t family_count = LENGTH(families);
	vkGetPhysicalDeviceQueueFamilyProperties(gpu->physical, &family_count, families);
	while (gpu->queue_family_index < family_count &&
			(families[gpu->queue_family_index].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) {
		gpu->queue_family_index++;
	}
	assert_true(gpu->queue_family_index < family_count);

	static const float priority = 1;
	const VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = gpu->queue_family_index,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkPhysicalDeviceVulkan13Features features = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &features,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
		.enabledExtensionCount = NEEDED_EXTENSIONS + gpu->has_queue_family_foreign,
		.ppEnabledExtensionNames = device_extensions,
	};
	gpu_check(vkCreateDevice(gpu->physical, &info, NULL, &gpu->device));
	vkGetDeviceQueue(gpu->device, gpu->queue_family_index, 0, &gpu->queue);
	gpu->get_memory_fd =
			(PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(gpu->device, "vkGetMemoryFdKHR");
	gpu->get_memory_fd_properties = (PFN_vkGetMemoryFdPropertiesKHR)vkGetDeviceProcAddr(
			gpu->device, "vkGetMemoryFdPropertiesKHR");
	vkGetPhysicalDeviceMemoryProperties(gpu->physical, &gpu->memory_properties);
}

bool gpu_init(struct gpu *gpu, char reason[GPU_REASON_SIZE]) {
	*gpu = (struct gpu){ 0 };
	if (!gpu_create_instance(gpu)) {
		snprintf(reason, GPU_REASON_SIZE, "there is no driver");
		return false;
	}
	if (!gpu_choose_physical(gpu, reason)) {
		gpu_finish(gpu);
		return false;
	}
	gpu_create_device(gpu);
	return true;
}

void gpu_finish(struct gpu *gpu) {
	if (gpu->device != VK_NULL_HANDLE) {
		vkDestroyDevice(gpu->device, NULL);
	}
	if (gpu->messenger != VK_NULL_HANDLE) {
		PFN_vkDestroyDebugUtilsMessengerEXT destroy_messenger =
				(PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
						gpu->instance, "vkDestroyDebugUtilsMessengerEXT");
		destroy_messenger(gpu->instance, gpu->messenger, NULL);
	}
	if (gpu->instance != VK_NULL_HANDLE) {
		vkDestroyInstance(gpu->instance, NULL);
	}
	gpu->device = VK_NULL_HANDLE;
	gpu->messenger = VK_NULL_HANDLE;
	gpu->instance = VK_NULL_HANDLE;
}

/* What is made on it. */

uint32_t gpu_find_memory_type(
		const struct gpu *gpu, uint32_t type_mask, VkMemoryPropertyFlags properties) {
	for (uint32_t i = 0; i < gpu->memory_properties.memoryTypeCount; i++) {
		if ((type_mask >> i & 1) != 0 &&
				(gpu->memory_properties.memoryTypes[i].propertyFlags & properties) ==
						properties) {
			return i;
		}
	}
	return UINT32_MAX;
}

void gpu_shared_init(struct gpu_shared *shared, const struct gpu *gpu, VkDevice device,
		VkDeviceSize size_bytes) {
	const VkBufferCreateInfo buffer_info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = size_bytes,
		.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
		.sharingMode = VK_SHARING_MODE_EXCLUSIVE,
	};
	gpu_check(vkCreateBuffer(device, &buffer_info, NULL, &shared->buffer));
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(device, shared->buffer, &requirements);
	const VkMemoryAllocateInfo memory_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = requirements.size,
		/* The specification promises one. */
		.memoryTypeIndex = gpu_find_memory_type(gpu, requirements.memoryTypeBits,
				VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
						VK_MEMORY_PROPERTY_HOST_COHERENT_BIT),
	};
	gpu_check(vkAllocateMemory(device, &memory_info, NULL, &shared->memory));
	gpu_check(vkBindBufferMemory(device, shared->buffer, shared->memory, 0));
	void *words;
	gpu_check(vkMapMemory(device, shared->memory, 0, VK_WHOLE_SIZE, 0, &words));
	memset(words, 0, (size_t)size_bytes);
	shared->words = words;
}

void gpu_shared_finish(struct gpu_shared *shared, VkDevice device) {
	vkDestroyBuffer(device, shared->buffer, NULL);
	vkFreeMemory(device, shared->memory, NULL);
}

static void program_create_layout(struct gpu_program *program, VkDevice device, bool has_image) {
	const VkDescriptorSetLayoutBinding bindings[] = {
		{
				.binding = 1,
				.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
				.descriptorCount = 1,
				.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
		},
		{
				.binding = 0,
				.descriptorType = VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
				.descriptorCount = 1,
				.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
		},
	};
	const VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 1 + has_image,
		.pBindings = bindings,
	};
	gpu_check(vkCreateDescriptorSetLayout(device, &set_info, NULL, &program->set_layout));
	const VkPipelineLayoutCreateInfo layout_info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &program->set_layout,
	};
	gpu_check(vkCreatePipelineLayout(device, &layout_info, NULL, &program->layout));
}

static void program_create_set(
		struct gpu_program *program, VkDevice device, VkImageView view, VkBuffer buffer) {
	static const VkDescriptorPoolSize sizes[] = {
		{ VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1 },
		{ VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE, 1 },
	};
	const VkDescriptorPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1,
		.poolSizeCount = LENGTH(sizes),
		.pPoolSizes = sizes,
	};
	gpu_check(vkCreateDescriptorPool(device, &pool_info, NULL, &program->pool));
	const VkDescriptorSetAllocateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = program->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &program->set_layout,
	};
	gpu_check(vkAllocateDescriptorSets(device, &set_info, &program->set));
	const VkDescriptorBufferInfo buffer_info = { .buffer = buffer, .range = VK_WHOLE_SIZE };
	const VkDescriptorImageInfo image_info = {
		.imageView = view,
		.imageLayout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
	};
	const VkWriteDescriptorSet writes[] = {
		{
				.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
				.dstSet = program->set,
				.dstBinding = 1,
				.descriptorCount = 1,
				.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
				.pBufferInfo = &buffer_info,
		},
		{
				.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
				.dstSet = program->set,
				.dstBinding = 0,
				.descriptorCount = 1,
				.descriptorType = VK_DESCRIPTOR_TYPE_SAMPLED_IMAGE,
				.pImageInfo = &image_info,
		},
	};
	vkUpdateDescriptorSets(device, 1 + (view != VK_NULL_HANDLE), writes, 0, NULL);
}

void gpu_program_init(struct gpu_program *program, VkDevice device, const uint32_t *code,
		size_t code_bytes, VkImageView view, VkBuffer buffer) {
	program_create_layout(program, device, view != VK_NULL_HANDLE);
	program_create_set(program, device, view, buffer);

	const VkShaderModuleCreateInfo module_info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = code_bytes,
		.pCode = code,
	};
	VkShaderModule module;
	gpu_check(vkCreateShaderModule(device, &module_info, NULL, &module));
	const VkComputePipelineCreateInfo pipeline_info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
				.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
				.stage = VK_SHADER_STAGE_COMPUTE_BIT,
				.module = module,
				.pName = "main",
		},
		.layout = program->layout,
	};
	gpu_check(vkCreateComputePipelines(
			device, VK_NULL_HANDLE, 1, &pipeline_info, NULL, &program->pipeline));
	vkDestroyShaderModule(device, module, NULL);
}

void gpu_program_finish(struct gpu_program *program, VkDevice device) {
	vkDestroyPipeline(device, program->pipeline, NULL);
	vkDestroyDescriptorPool(device, program->pool, NULL);
	vkDestroyPipelineLayout(device, program->layout, NULL);
	vkDestroyDescriptorSetLayout(device, program->set_layout, NULL);
}

void gpu_commands_init(struct gpu_commands *commands, VkDevice device, uint32_t queue_family_index) {
	const VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = queue_family_index,
	};
	gpu_check(vkCreateCommandPool(device, &pool_info, NULL, &commands->pool));
	const VkCommandBufferAllocateInfo buffer_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = commands->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	gpu_check(vkAllocateCommandBuffers(device, &buffer_info, &commands->buffer));
}

void gpu_commands_finish(struct gpu_commands *commands, VkDevice device) {
	vkDestroyCommandPool(device, commands->pool, NULL);
}
