#ifndef ORIEL_TESTS_PICTURE_H
#define ORIEL_TESTS_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

#include <syncbridge/buffer.h>

#include "gpu.h"

/* Pixels in either direction. */
#define PICTURE_SIZE 64

/*
 * A linear picture in a dma-buf, as two programs see it: the CPU, which paints it, and a Vulkan image
 * that was made of the dma-buf as of any that came from elsewhere.
 */
struct picture {
	const struct gpu *gpu;
	/* Where the memory comes from. */
	VkImage source_image;
	VkDeviceMemory source_memory;
	VkSubresourceLayout layout;

	int dmabuf_fd;
	struct sb_buffer buffer;
	uint8_t *bytes; /* of source_memory */
	size_t mapped_bytes; /* of dmabuf_fd; 0: Vulkan has mapped the source's memory */

	VkImage image;
	VkDeviceMemory memory;
	VkImageView view;
};

/* The picture is black. A dma-buf that the CPU cannot get at fails the test. */
void picture_init(struct picture *picture, const struct gpu *gpu);
void picture_finish(struct picture *picture);

/*
 * To be called around picture_paint(). The beginning waits for all fences on the dma-buf: a writer
 * whose own fence is on it, too, begins before it adds that.
 */
void picture_begin_painting(struct picture *picture);
void picture_end_painting(struct picture *picture);

/* Makes all pixels the same. */
void picture_paint(struct picture *picture, uint32_t pixel);

#endif
