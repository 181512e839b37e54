#include "info.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan_core.h>

#include "report.h"

/* What the library, or a program that uses it with images, asks of a device. */
enum extension {
	SEMAPHORE_FD,
	FENCE_FD,
	DMA_BUF,
	MODIFIERS,
	FOREIGN,
	BARRIERS,
	DRM_NODE,
	EXTENSION_COUNT,
};

static const char *const extension_names[EXTENSION_COUNT] = {
	[SEMAPHORE_FD] = VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	[FENCE_FD] = VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
	[DMA_BUF] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
	[MODIFIERS] = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
	[FOREIGN] = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
	[BARRIERS] = VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME,
	[DRM_NODE] = VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME,
};

struct device_info {
	char driver[VK_MAX_DRIVER_NAME_SIZE + VK_MAX_DRIVER_INFO_SIZE];
	VkPhysicalDeviceType type;
	bool extensions[EXTENSION_COUNT];
	/* Of binary semaphores, and of fences, as sync_files. */
	bool can_import_semaphores, can_export_semaphores;
	bool can_import_fences, can_export_fences;
	VkPhysicalDeviceDrmPropertiesEXT drm;
};

static const char *type_get_name(VkPhysicalDeviceType type) {
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return "integrated GPU";
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return "discrete GPU";
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return "virtual GPU";
	case VK_PHYSICAL_DEVICE_TYPE_CPU:
		return "CPU";
	default:
		return "other";
	}
}

static bool device_find_extensions(VkPhysicalDevice device, bool *ret_extensions) {
	uint32_t count;
	if (vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL) != VK_SUCCESS) {
		return false;
	}
	VkExtensionProperties *extensions = calloc(count, sizeof(*extensions));
	if (extensions == NULL) {
		return false;
	}
	bool found = vkEnumerateDeviceExtensionProperties(device, NULL, &count, extensions) >= 0;
	for (uint32_t i = 0; found && i < count; i++) {
		for (int j = 0; j < EXTENSION_COUNT; j++) {
			if (strcmp(extensions[i].extensionName, extension_names[j]) == 0) {
				ret_extensions[j] = true;
			}
		}
	}
	free(extensions);
	return found;
}

static void device_find_sync(VkPhysicalDevice device, struct device_info *info) {
	VkPhysicalDeviceExternalSemaphoreInfo semaphore = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalSemaphoreProperties semaphores = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
	};
	vkGetPhysicalDeviceExternalSemaphoreProperties(device, &semaphore, &semaphores);
	info->can_import_semaphores =
			(semaphores.externalSemaphoreFeatures &
					VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT) != 0;
	info->can_export_semaphores =
			(semaphores.externalSemaphoreFeatures &
					VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT) != 0;

	VkPhysicalDeviceExternalFenceInfo fence = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
		.handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalFenceProperties fences = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_FENCE_PROPERTIES,
	};
	vkGetPhysicalDeviceExternalFenceProperties(device, &fence, &fences);
	info->can_import_fences = (fences.externalFenceFeatures &
						  VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT) != 0;
	info->can_export_fences = (fences.externalFenceFeatures &
						  VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT) != 0;
}

static void device_find_properties(
		VkPhysicalDevice device, uint32_t api_version, struct device_info *info) {
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
	};
	if (api_version >= VK_API_VERSION_1_2) {
		driver.pNext = properties.pNext;
		properties.pNext = &driver;
	}
	if (info->extensions[DRM_NODE]) {
		info->drm.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT;
		info->drm.pNext = properties.pNext;
		properties.pNext = &info->drm;
	}
	vkGetPhysicalDeviceProperties2(device, &properties);
	snprintf(info->driver, sizeof(info->driver), "%s%s%s", driver.driverName,
			driver.driverInfo[0] != '\0' ? " " : "", driver.driverInfo);
}

static bool print_extension(
		const char *question, const struct device_info *info, enum extension extension) {
	char missing[VK_MAX_EXTENSION_NAME_SIZE + sizeof("no ")];
	snprintf(missing, sizeof(missing), "no %s", extension_names[extension]);
	report_answer(question, info->extensions[extension], missing);
	return info->extensions[extension];
}

/* What needs an extension, and both directions of it. */
static bool print_sync_fd(const char *question, const struct device_info *info,
		enum extension extension, bool can_import, bool can_export) {
	if (!info->extensions[extension]) {
		return print_extension(question, info, extension);
	}
	const char *why_not = "can be neither imported nor exported";
	if (can_import) {
		why_not = "can be imported, but not exported";
	} else if (can_export) {
		why_not = "can be exported, but not imported";
	}
	report_answer(question, can_import && can_export, why_not);
	return can_import && can_export;
}

static void print_drm_node(const struct device_info *info) {
	if (!info->extensions[DRM_NODE]) {
		print_extension("DRM node", info, DRM_NODE);
	} else if (info->drm.hasRender) {
		report_line("DRM node", "/dev/dri/renderD%lld", (long long)info->drm.renderMinor);
	} else if (info->drm.hasPrimary) {
		report_line("DRM node", "/dev/dri/card%lld", (long long)info->drm.primaryMinor);
	} else {
		report_line("DRM node", "none");
	}
}

static void device_print(VkPhysicalDevice device) {
	VkPhysicalDeviceProperties properties;
	vkGetPhysicalDeviceProperties(device, &properties);
	struct device_info info = { .type = properties.deviceType };
	if (properties.apiVersion < VK_API_VERSION_1_1) {
		report_heading("Vulkan: %s (%s)", properties.deviceName,
				type_get_name(properties.deviceType));
		report_line("semaphores", "unknown: the driver is for Vulkan 1.0");
		return;
	}
	bool has_extensions = device_find_extensions(device, info.extensions);
	if (properties.apiVersion >= VK_API_VERSION_1_3) {
		/* Part of it since. */
		info.extensions[BARRIERS] = true;
	}
	device_find_properties(device, properties.apiVersion, &info);
	device_find_sync(device, &info);

	report_heading("Vulkan: %s (%s%s%s)", properties.deviceName, info.driver,
			info.driver[0] != '\0' ? ", " : "", type_get_name(info.type));
	if (!has_extensions) {
		report_line("extensions", "unknown: the driver does not list them");
		return;
	}
	bool semaphores = print_sync_fd("SYNC_FD semaphores", &info, SEMAPHORE_FD,
			info.can_import_semaphores, info.can_export_semaphores);
	bool fences = print_sync_fd("SYNC_FD fences", &info, FENCE_FD, info.can_import_fences,
			info.can_export_fences);
	if (print_extension("dma-bufs as memory", &info, DMA_BUF)) {
		print_extension("dma-bufs as images", &info, MODIFIERS);
	}
	print_extension("foreign queue family", &info, FOREIGN);
	print_extension("image barriers", &info, BARRIERS);
	print_drm_node(&info);
	if (semaphores && !fences) {
		report_line("sb_vk_*", "yes, without sb_vk_fence_*");
	} else {
		report_answer("sb_vk_*", semaphores, "no SYNC_FD semaphores");
	}
}

static const char *instance_create(VkInstance *ret_instance) {
	uint32_t version;
	if (vkEnumerateInstanceVersion(&version) != VK_SUCCESS || version < VK_API_VERSION_1_1) {
		return "the loader is older than Vulkan 1.1";
	}
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = "sb-info",
		.apiVersion = VK_API_VERSION_1_1,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	switch (vkCreateInstance(&info, NULL, ret_instance)) {
	case VK_SUCCESS:
		return NULL;
	case VK_ERROR_INCOMPATIBLE_DRIVER:
		return "there is no driver";
	default:
		return "vkCreateInstance() failed";
	}
}

void info_print_vulkan_devices(void) {
	VkInstance instance;
	const char *why_not = instance_create(&instance);
	if (why_not != NULL) {
		report_heading("Vulkan");
		report_line("devices", "none: %s", why_not);
		return;
	}
	VkPhysicalDevice devices[16];
	uint32_t count = sizeof(devices) / sizeof(devices[0]);
	if (vkEnumeratePhysicalDevices(instance, &count, devices) < 0) {
		count = 0;
	}
	if (count == 0) {
		report_heading("Vulkan");
		report_line("devices", "none: no driver found one");
	}
	for (uint32_t i = 0; i < count; i++) {
		device_print(devices[i]);
	}
	vkDestroyInstance(instance, NULL);
}
