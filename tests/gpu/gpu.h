#ifndef ORIEL_TESTS_GPU_H
#define ORIEL_TESTS_GPU_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

/*
 * A Vulkan device to test libsyncbridge on, under the Khronos validation layer where that is
 * installed.
 *
 * The first device is taken that has what the tests need: all that libsyncbridge's header asks for,
 * and linear images whose memory it can give away as dma-bufs and take back. With ORIEL_GPU=real in
 * the environment it must be a GPU, not software.
 */
struct gpu {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkPhysicalDeviceProperties properties;
	VkPhysicalDeviceMemoryProperties memory_properties;
	VkDevice device;
	VkQueue queue;
	uint32_t queue_family_index;
	bool has_queue_family_foreign;
	/* Runs on the CPU. Such a one finishes the work when its end is exported: Mesa's lavapipe. */
	bool is_software;

	/* Of the validation layer; 0 if there is none. */
	uint32_t layer_version;
	VkDebugUtilsMessengerEXT messenger;
	/* What the layer has complained about so far. */
	unsigned int message_count;

	PFN_vkGetMemoryFdKHR get_memory_fd;
	PFN_vkGetMemoryFdPropertiesKHR get_memory_fd_properties;
};

/* Room for the reason why there is no device, of all devices that there are. */
#define GPU_REASON_SIZE 1024

/* The format of all images, and its bytes per pixel. */
#define GPU_FORMAT VK_FORMAT_B8G8R8A8_UNORM
#define GPU_PIXEL_BYTES 4

/*
 * Sets up the device. Returns false and writes the reason where there is none that will do; gpu is
 * finished then. What should work and does not fails the test.
 */
bool gpu_init(struct gpu *gpu, char reason[GPU_REASON_SIZE]);

/* Destroys what there is. The layer says if anything of the device's is left. */
void gpu_finish(struct gpu *gpu);

/* Fails the test with Vulkan's error unless the result is VK_SUCCESS. */
#define gpu_check(call) gpu_check_result((call), #call, __FILE__, __LINE__)
void gpu_check_result(VkResult result, const char *call, const char *file, int line);

/* Finds a memory type of those of the mask that has the properties; UINT32_MAX if there is none. */
uint32_t gpu_find_memory_type(
		const struct gpu *gpu, uint32_t type_mask, VkMemoryPropertyFlags properties);

/*
 * A buffer that shaders write and the CPU reads, or the other way round: always mapped, zeroed at
 * first, coherent.
 */
struct gpu_shared {
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint32_t *words;
};

void gpu_shared_init(struct gpu_shared *shared, const struct gpu *gpu, VkDevice device,
		VkDeviceSize size_bytes);
void gpu_shared_finish(struct gpu_shared *shared, VkDevice device);

/* A compute pipeline with one descriptor set: binding 0 is an image to sample, if any, 1 a buffer. */
struct gpu_program {
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorPool pool;
	VkDescriptorSet set;
};

void gpu_program_init(struct gpu_program *program, VkDevice device, const uint32_t *code,
		size_t code_bytes, VkImageView view, VkBuffer buffer);
void gpu_program_finish(struct gpu_program *program, VkDevice device);

/* A command buffer with a pool of its own. */
struct gpu_commands {
	VkCommandPool pool;
	VkCommandBuffer buffer;
};

void gpu_commands_init(struct gpu_commands *commands, VkDevice device, uint32_t queue_family_index);
void gpu_commands_finish(struct gpu_commands *commands, VkDevice device);

#endif
