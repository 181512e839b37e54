#ifndef SYNCBRIDGE_EXAMPLES_SHARED_IMAGES_H
#define SYNCBRIDGE_EXAMPLES_SHARED_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

#include <syncbridge/vulkan.h>

/*
 * What the examples need of Vulkan besides sync: two devices that see the same images. What fails
 * ends the program.
 */

/* Pixels in either direction, in the format B8G8R8A8. */
#define IMAGE_SIZE 64

/* A program that uses Vulkan: the client, or the window system. */
struct side {
	VkPhysicalDeviceMemoryProperties memory;
	VkDevice device;
	VkQueue queue;
	VkCommandPool pool;
	struct sb_vk_device *sync;
};

/* What a side has of an image. Its commands may be recorded again when done has signalled. */
struct view {
	VkImage image;
	VkDeviceMemory memory;
	VkCommandBuffer commands;
	VkFence done;
	struct sb_vk_frame *frame;
};

struct image {
	/* This is what the client gives to the window system: over a socket, in real life. */
	int dmabuf_fd;
	VkSubresourceLayout layout;
	struct sb_buffer buffer;

	struct view client;
	/* "The window system is done with this image." */
	VkSemaphore idle;

	struct view shown;
	/* The window system's copy of it, and the number of the frame that is in there; -1: none. */
	VkBuffer copy;
	VkDeviceMemory copy_memory;
	const uint32_t *pixels;
	int frame;
};

/* Ends the program if ret is a negative errno value. */
void check(int ret, const char *what);

/* Ends the program if result is not VK_SUCCESS. */
void check_vk(VkResult result, const char *what);

/* Sets up both sides on the first device that can do it. Returns false if there is none. */
bool sides_init(VkInstance instance, struct side *client, struct side *window_system);
void side_finish(struct side *side);

void image_init(struct image *image, struct side *client, struct side *window_system);
void image_finish(struct image *image, const struct side *client, const struct side *window_system);

#endif
