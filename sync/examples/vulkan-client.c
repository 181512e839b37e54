/*
 * A Vulkan client of a window system with implicit sync.
 *
 * The client draws into images of its own, dma-bufs, and gives them to a window system that knows
 * nothing of semaphores: X11 or Wayland as most of them are. What such a window system has to wait
 * for, and what has to wait for it, is in the dma-buf's list of fences. Vulkan neither looks there
 * nor adds anything. So for each image the client does, in this order:
 *
 *	     client                          dma-buf                  window system
 *
 *	1  sb_vk_signal_acquired()  <------ READ fence  <----------- has shown the image before
 *	      semaphore: "it is done with this image"
 *	2  vkQueueSubmit2()
 *	      waits for that semaphore, draws
 *	3  sb_vk_frame_end()  ------------> WRITE fence  ----------> waits, then shows the image
 *
 * Step 1 takes a snapshot. Whatever the client adds to the dma-buf afterwards, as it does in step 3,
 * is not in it. Had the semaphore stood for the dma-buf itself, as poll() on it does, it would wait
 * for the client's own drawing as well: for nothing, or, in step 2, for ever.
 *
 * The window system is played by a second VkDevice in this process. It has its own image of the same
 * dma-buf, copies it to where the CPU can see it, and adds its READ fence. A display driver or OpenGL
 * does that inside the kernel.
 *
 * shared_images.c makes the devices and the images, and has nothing to do with sync.
 *
 * Exits with 0 if every frame came through, 1 if something failed, 77 if no device can do it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vulkan/vulkan.h>

#include <syncbridge/vulkan.h>

#include "shared_images.h"

#define EXIT_SKIP 77
#define IMAGES 2
#define FRAMES 8
#define PIXELS (IMAGE_SIZE * IMAGE_SIZE)

#define CHECK_VK(call) check_vk((call), #call)

/* Recording and submitting. */

/* Waits until what was recorded before has run, and begins to record. */
static void view_begin(struct view *view, const struct side *side) {
	CHECK_VK(vkWaitForFences(side->device, 1, &view->done, VK_TRUE, UINT64_MAX));
	CHECK_VK(vkResetFences(side->device, 1, &view->done));
	check(sb_vk_frame_begin(view->frame), "sb_vk_frame_begin");
	const VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	CHECK_VK(vkBeginCommandBuffer(view->commands, &begin_info));
}

static void view_record_barrier(struct view *view, const VkImageMemoryBarrier2 *barrier) {
	/* Copies are for the CPU to read. */
	static const VkMemoryBarrier2 copy_to_cpu = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &copy_to_cpu,
		.imageMemoryBarrierCount = 1,
		.pImageMemoryBarriers = barrier,
	};
	vkCmdPipelineBarrier2(view->commands, &info);
}

static void view_submit(struct view *view, const struct side *side, const VkSemaphore *waits,
		uint32_t wait_count) {
	CHECK_VK(vkEndCommandBuffer(view->commands));
	/* One image in one submission: there is one thing to wait for at most. */
	const VkSemaphoreSubmitInfo wait_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = wait_count > 0 ? waits[0] : VK_NULL_HANDLE,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	const VkSemaphoreSubmitInfo signal_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = sb_vk_frame_get_signal(view->frame),
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	const VkCommandBufferSubmitInfo commands_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = view->commands,
	};
	const VkSubmitInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = wait_count,
		.pWaitSemaphoreInfos = &wait_info,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &commands_info,
		.signalSemaphoreInfoCount = 1,
		.pSignalSemaphoreInfos = &signal_info,
	};
	CHECK_VK(vkQueueSubmit2(side->queue, 1, &info, view->done));
}

/* Whether an access that begins now has to wait. For what is printed only: the semaphores do. */
static bool image_is_busy(const struct image *image, enum sb_access access) {
	struct sb_fence fence = { 0 };
	check(sb_buffer_export_fence(&image->buffer, access, &fence), "sb_buffer_export_fence");
	bool is_busy = sb_fence_wait(&fence, 0) != 0;
	sb_fence_clear(&fence);
	return is_busy;
}

/* The client. */

static void client_draw(struct side *client, struct image *image, const VkClearColorValue *color) {
	struct view *view = &image->client;
	view_begin(view, client);

	/* Step 1. What vkAcquireNextImageKHR() does where there is a swapchain. */
	printf("  client: draws %s\n",
			image_is_busy(image, SB_ACCESS_WRITE)
					? "when the window system has read what was there"
					: "at once, nobody being at it");
	check(sb_vk_signal_acquired(client->sync, &image->buffer, SB_ACCESS_WRITE, image->idle,
			      VK_NULL_HANDLE),
			"sb_vk_signal_acquired");

	/* Step 2. Between the two barriers the image is the client's. */
	const struct sb_vk_image_use use = {
		.image = view->image,
		.stages = VK_PIPELINE_STAGE_2_CLEAR_BIT,
		.accesses = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.layout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
	};
	VkImageMemoryBarrier2 barrier;
	sb_vk_device_get_acquire_barrier(client->sync, &use, &barrier);
	/* All of it is drawn anew: what was in it need not be kept. */
	barrier.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
	view_record_barrier(view, &barrier);
	vkCmdClearColorImage(view->commands, view->image, use.layout, color, 1,
			&barrier.subresourceRange);
	sb_vk_device_get_release_barrier(client->sync, &use, &barrier);
	view_record_barrier(view, &barrier);
	view_submit(view, client, &image->idle, 1);

	/* Step 3. From here on everybody who looks at the dma-buf waits for the drawing. */
	check(sb_vk_frame_release(view->frame, &image->buffer, SB_ACCESS_WRITE),
			"sb_vk_frame_release");
	check(sb_vk_frame_end(view->frame, NULL), "sb_vk_frame_end");
}

/* The window system. */

static void window_system_show(struct side *window_system, struct image *image, int frame) {
	struct view *view = &image->shown;
	view_begin(view, window_system);
	const struct sb_vk_image_use use = {
		.image = view->image,
		.stages = VK_PIPELINE_STAGE_2_COPY_BIT,
		.accesses = VK_ACCESS_2_TRANSFER_READ_BIT,
		.layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
	};
	VkImageMemoryBarrier2 barrier;
	sb_vk_device_get_acquire_barrier(window_system->sync, &use, &barrier);
	view_record_barrier(view, &barrier);
	const VkBufferImageCopy region = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
		.imageExtent = { IMAGE_SIZE, IMAGE_SIZE, 1 },
	};
	vkCmdCopyImageToBuffer(view->commands, view->image, use.layout, image->copy, 1, &region);
	sb_vk_device_get_release_barrier(window_system->sync, &use, &barrier);
	view_record_barrier(view, &barrier);

	/* Reading waits for writers, and is waited for by writers. */
	check(sb_vk_frame_acquire(view->frame, &image->buffer, SB_ACCESS_READ),
			"sb_vk_frame_acquire");
	check(sb_vk_frame_release(view->frame, &image->buffer, SB_ACCESS_READ),
			"sb_vk_frame_release");
	const VkSemaphore *waits;
	uint32_t wait_count = sb_vk_frame_get_waits(view->frame, &waits);
	view_submit(view, window_system, waits, wait_count);
	check(sb_vk_frame_end(view->frame, NULL), "sb_vk_frame_end");
	image->frame = frame;
	printf("  window system: reads %s\n",
			wait_count > 0 ? "when it is drawn" : "at once, the drawing being done");
}

/* What a frame is drawn in. Each channel is a whole number of 255ths, so that it comes back as is. */
static uint32_t get_pixel(int frame) {
	uint32_t step = 20 * (uint32_t)frame;
	return 0xff000000 | (30 + step) << 16 | (200 - step) << 8 | (10 + step);
}

static VkClearColorValue get_color(int frame) {
	VkClearColorValue color = { .float32 = { 0, 0, 0, 1 } };
	for (int i = 0; i < 3; i++) {
		color.float32[i] = (float)(get_pixel(frame) >> (16 - 8 * i) & 0xff) / 255;
	}
	return color;
}

/* Looks at what the window system has read of the image, if anything. */
static bool image_check(const struct image *image, const struct side *window_system) {
	if (image->frame < 0) {
		return true;
	}
	CHECK_VK(vkWaitForFences(window_system->device, 1, &image->shown.done, VK_TRUE, UINT64_MAX));
	for (size_t i = 0; i < PIXELS; i++) {
		if (image->pixels[i] != get_pixel(image->frame)) {
			fprintf(stderr, "frame %d: pixel %zu is 0x%08x, not 0x%08x\n", image->frame,
					i, image->pixels[i], get_pixel(image->frame));
			return false;
		}
	}
	printf("  window system: had frame %d right\n", image->frame);
	return true;
}

int main(void) {
	const VkApplicationInfo application_info = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	const VkInstanceCreateInfo instance_info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application_info,
	};
	VkInstance instance;
	struct side client, window_system;
	if (vkCreateInstance(&instance_info, NULL, &instance) != VK_SUCCESS ||
			!sides_init(instance, &client, &window_system)) {
		printf("no Vulkan 1.3 device here can share images as dma-bufs\n");
		return EXIT_SKIP;
	}
	struct image images[IMAGES] = { 0 };
	for (int i = 0; i < IMAGES; i++) {
		image_init(&images[i], &client, &window_system);
	}

	bool right = true;
	for (int frame = 0; frame < FRAMES && right; frame++) {
		struct image *image = &images[frame % IMAGES];
		printf("frame %d, image %d\n", frame, frame % IMAGES);
		VkClearColorValue color = get_color(frame);
		client_draw(&client, image, &color);
		/* The drawing has not touched the copy of what was there before. */
		right = image_check(image, &window_system);
		window_system_show(&window_system, image, frame);
	}
	for (int i = 0; i < IMAGES; i++) {
		right = image_check(&images[(FRAMES + i) % IMAGES], &window_system) && right;
	}

	CHECK_VK(vkDeviceWaitIdle(client.device));
	CHECK_VK(vkDeviceWaitIdle(window_system.device));
	for (int i = 0; i < IMAGES; i++) {
		image_finish(&images[i], &client, &window_system);
	}
	side_finish(&window_system);
	side_finish(&client);
	vkDestroyInstance(instance, NULL);
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
