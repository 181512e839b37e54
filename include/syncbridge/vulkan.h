#ifndef SYNCBRIDGE_VULKAN_H
#define SYNCBRIDGE_VULKAN_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Implicit sync for a Vulkan device, which knows none.
 *
 * Vulkan waits for and signals VkSemaphores. A dma-buf that it shares with others has fences that it
 * neither sees nor adds to. Per submission, a struct sb_vk_frame does both:
 *
 *	sb_vk_frame_begin()
 *	sb_vk_frame_acquire(buffer, READ)  --> snapshot --> a semaphore to wait for, if need be
 *	sb_vk_frame_release(buffer, READ)      (noted)
 *	vkQueueSubmit2(): waits for sb_vk_frame_get_waits(), signals sb_vk_frame_get_signal()
 *	sb_vk_frame_end()                  --> the signal as a sync_file --> a READ fence of the buffer
 *
 * A frame is to a submission what a command buffer is. The program has as many as it can have in
 * flight, and begins one anew when it knows that its work has completed. A frame keeps its semaphores
 * for the next time: after the first few times nothing is created or allocated. What is not pending
 * needs no semaphore.
 *
 * Only the handle type SYNC_FD is used, which works between drivers. By the specification (chapter
 * Synchronization and Cache Control, Importing Semaphore Payloads) it is always copied: a payload
 * that is imported is gone with the next wait, or with another import, and one that is exported
 * leaves the semaphore as a wait would. An fd of -1 stands for what has signalled.
 *
 * The device needs Vulkan 1.1 and VK_KHR_external_semaphore_fd, for VkFences
 * VK_KHR_external_fence_fd, and a SYNC_FD type that can be imported and exported
 * (vkGetPhysicalDeviceExternalSemaphoreProperties(), …FenceProperties()). Images of dma-bufs need
 * VK_EXT_external_memory_dma_buf and VK_EXT_image_drm_format_modifier, the barriers below Vulkan
 * 1.3 or VK_KHR_synchronization2.
 *
 * Errors of Vulkan come as -errno: OUT_OF_HOST_MEMORY and OUT_OF_DEVICE_MEMORY -ENOMEM,
 * TOO_MANY_OBJECTS -EMFILE, INVALID_EXTERNAL_HANDLE -EINVAL, DEVICE_LOST -ENODEV, others -EIO.
 * "Vulkan's errors" below means these.
 *
 * A struct sb_vk_device may be used from several threads, a frame, a semaphore or a VkFence from one
 * at a time. The library is not linked with Vulkan: it calls what the program gives.
 */

/* The library's side of a VkDevice: its entry points. */
struct sb_vk_device;
/* One submission: what it waits for, and which buffers wait for its end. */
struct sb_vk_frame;

/* What sb_vk_device_create() needs. Zero what is not known. */
struct sb_vk_device_info {
	/* Stays the program's. */
	VkDevice device;
	/* Gives the device's entry points. vkGetDeviceProcAddr itself, or a loader's. */
	PFN_vkGetDeviceProcAddr get_device_proc_addr;
	/* For what is created; may be NULL. Must live as long as the struct sb_vk_device. */
	const VkAllocationCallbacks *allocator;
	/* Of the queue that uses the images: the other side of the barriers. */
	uint32_t queue_family_index;
	/*
	 * VK_EXT_queue_family_foreign is enabled: buffers may come from other kinds of device. Without
	 * it the barriers say VK_QUEUE_FAMILY_EXTERNAL, which promises the same driver.
	 */
	bool has_queue_family_foreign;
};

/*
 * Makes the library's side of a VkDevice.
 *
 * info is copied. The VkDevice must outlive it. Does not block. Returns 0, or
 * -EINVAL: device or get_device_proc_addr is missing;
 * -EOPNOTSUPP: get_device_proc_addr does not know vkImportSemaphoreFdKHR or vkGetSemaphoreFdKHR:
 * the extension VK_KHR_external_semaphore_fd is not enabled;
 * -ENOMEM.
 * *ret_device is written on success only, and destroyed with sb_vk_device_destroy().
 *
 * Source: vkGetDeviceProcAddr(), Vulkan 1.0.
 */
int sb_vk_device_create(const struct sb_vk_device_info *info, struct sb_vk_device **ret_device);

/*
 * Frees the library's side of a VkDevice, whose frames are destroyed before. NULL is fine. Does not
 * block, cannot fail.
 *
 * Source: none, the VkDevice is the program's.
 */
void sb_vk_device_destroy(struct sb_vk_device *device);

/*
 * Makes a semaphore of the program's wait for a fence: the next wait for it is a wait for that.
 *
 * With SB_FENCE_NONE the semaphore has signalled. semaphore must be binary, and not in use by pending
 * work; a payload that it was given before and nobody has waited for is let go. fence is borrowed.
 *
 * Does not block. Returns 0, the errors of sb_fence_export_sync_file() other than -ENODATA, or
 * Vulkan's. On failure the semaphore is as it was, and must not be waited for.
 *
 * Source: vkImportSemaphoreFdKHR() with VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT and
 * VK_SEMAPHORE_IMPORT_TEMPORARY_BIT, VK_KHR_external_semaphore_fd.
 */
int sb_vk_semaphore_import_fence(
		struct sb_vk_device *device, VkSemaphore semaphore, const struct sb_fence *fence);

/*
 * Gets what a semaphore will signal with as a fence, and resets it as a wait would.
 *
 * The semaphore was created for export as SYNC_FD, is binary, and is signalled or will be by work
 * that was submitted with all it depends on. *ret_fence is SB_FENCE_NONE where the driver says that
 * it has signalled. It is written on success only, and not cleared before.
 *
 * Does not block by the specification; Mesa's lavapipe finishes the work in here. Returns 0 or
 * Vulkan's errors. On failure nothing is known of the end of the work; the semaphore is as it was,
 * and the call may be repeated.
 *
 * Source: vkGetSemaphoreFdKHR() with VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
 * VK_KHR_external_semaphore_fd.
 */
int sb_vk_semaphore_export_fence(
		struct sb_vk_device *device, VkSemaphore semaphore, struct sb_fence *ret_fence);

/*
 * Makes a VkFence of the program's signal with a fence, until it is reset.
 *
 * With SB_FENCE_NONE it has signalled. vk_fence must not be in use by pending work; fence is
 * borrowed. Does not block. Returns 0, -EOPNOTSUPP: VK_KHR_external_fence_fd is not enabled, the
 * errors of sb_fence_export_sync_file() other than -ENODATA, or Vulkan's. On failure vk_fence is
 * as it was.
 *
 * Source: vkImportFenceFdKHR() with VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT and
 * VK_FENCE_IMPORT_TEMPORARY_BIT, VK_KHR_external_fence_fd.
 */
int sb_vk_fence_import_fence(
		struct sb_vk_device *device, VkFence vk_fence, const struct sb_fence *fence);

/*
 * Gets what a VkFence will signal with as a fence, and resets it.
 *
 * vk_fence was created for export as SYNC_FD, and is signalled or will be by work that was
 * submitted. *ret_fence is SB_FENCE_NONE where the driver says that it has signalled. It is
 * written on success only, and not cleared before.
 *
 * Does not block by the specification; Mesa's lavapipe finishes the work in here. Returns 0,
 * -EOPNOTSUPP: VK_KHR_external_fence_fd is not enabled, or Vulkan's errors. On failure vk_fence is
 * as it was.
 *
 * Source: vkGetFenceFdKHR() with VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
 * VK_KHR_external_fence_fd.
 */
int sb_vk_fence_export_fence(
		struct sb_vk_device *device, VkFence vk_fence, struct sb_fence *ret_fence);

/*
 * Lets a client of an implicit window system know when it is done with a buffer.
 *
 * What vkAcquireNextImageKHR() has to do: semaphore and vk_fence, either of which may be
 * VK_NULL_HANDLE, signal when all that is on the buffer now and that access has to wait for is done:
 * with SB_ACCESS_WRITE, the compositor's reads. What the client submits afterwards is not in it,
 * though it is added to the same dma-buf.
 *
 * buffer is borrowed. The semaphore and the VkFence are as of sb_vk_semaphore_import_fence() and
 * sb_vk_fence_import_fence().
 *
 * Where the kernel gives no snapshot the result is -EOPNOTSUPP unless the buffer is idle: wait
 * with sb_buffer_export_fence() and sb_fence_wait(), and call again.
 *
 * Does not block. Returns 0, -EOPNOTSUPP, or the errors of sb_buffer_export_fence(),
 * sb_fence_wait(), sb_vk_semaphore_import_fence() and sb_vk_fence_import_fence(). On failure one of
 * the two may be set and the other not: neither must be waited for before a call that succeeds.
 *
 * Source: DMA_BUF_IOCTL_EXPORT_SYNC_FILE, linux/dma-buf.h, Linux 6.0; those functions'.
 */
int sb_vk_signal_acquired(struct sb_vk_device *device, const struct sb_buffer *buffer,
		enum sb_access access, VkSemaphore semaphore, VkFence vk_fence);

/*
 * Creates a frame: what a submission waits for and signals, used again and again.
 *
 * Does not block. Returns 0, -ENOMEM, or Vulkan's errors. *ret_frame is written on success only, and
 * destroyed with sb_vk_frame_destroy(), before the device is.
 *
 * Source: vkCreateSemaphore() with VkExportSemaphoreCreateInfo, Vulkan 1.1.
 */
int sb_vk_frame_create(struct sb_vk_device *device, struct sb_vk_frame **ret_frame);

/*
 * Destroys a frame with its semaphores. Its work must have completed. NULL is fine. Does not block,
 * cannot fail.
 *
 * Source: vkDestroySemaphore(), Vulkan 1.0.
 */
void sb_vk_frame_destroy(struct sb_vk_frame *frame);

/*
 * Begins a submission, or begins it over where it was not submitted.
 *
 * What was submitted with the frame before must have completed, and Vulkan must have told so: by a
 * VkFence, a timeline semaphore or vkQueueWaitIdle(). That the frame's end has signalled as a fence
 * is as good for the driver, but the validation layer knows nothing of it.
 *
 * Where the last sb_vk_frame_end() could not get the end, that is tried again, so that the semaphore
 * can signal another. Does not block. Returns 0, or the errors of sb_vk_semaphore_export_fence();
 * the frame has not begun then.
 *
 * Source: Importing Semaphore Payloads in the specification: a temporary payload that nobody has
 * waited for is replaced by the next import. Until then the driver keeps it.
 */
int sb_vk_frame_begin(struct sb_vk_frame *frame);

/*
 * Makes the submission wait for what an access to a buffer has to wait for, as it is now.
 *
 * Where nothing of that is pending, no semaphore is used. The GPU's queue waits for what is:
 * where a fence may come late or never, and others share the queue, wait in an event loop before
 * (sb_fence_create_ready_fd()).
 *
 * Where the kernel gives no snapshot the result is -EOPNOTSUPP unless the buffer is idle: wait
 * with sb_buffer_export_fence() and sb_fence_wait(), and call again.
 *
 * buffer is borrowed. Does not block. Returns 0, -EOPNOTSUPP, the errors of
 * sb_buffer_export_fence(), sb_fence_wait() and sb_vk_semaphore_import_fence(). On failure the frame
 * is as it was, and the buffer must not be used in it.
 *
 * Source: as sb_buffer_export_fence() and sb_vk_semaphore_import_fence().
 */
int sb_vk_frame_acquire(
		struct sb_vk_frame *frame, const struct sb_buffer *buffer, enum sb_access access);

/*
 * Makes the submission wait for a fence; where that has signalled, no semaphore is used.
 *
 * fence is borrowed. Does not block. Returns 0, -EAGAIN: it is a point that has not materialised,
 * -EOPNOTSUPP: it is a pending SB_FENCE_IDLE, or the errors of sb_fence_wait() and
 * sb_vk_semaphore_import_fence(). On failure the frame is as it was.
 *
 * Source: as sb_vk_semaphore_import_fence().
 */
int sb_vk_frame_wait(struct sb_vk_frame *frame, const struct sb_fence *fence);

/*
 * Notes that the submission accesses a buffer, so that others wait for its end: READ or WRITE.
 *
 * Happens in sb_vk_frame_end(). The fds of buffer are borrowed until then; the struct is copied.
 * Does not block. Returns 0, -ENOMEM, or -EINVAL: access is none of enum sb_access. On failure
 * nothing is noted.
 *
 * Source: sb_buffer_import_fence().
 */
int sb_vk_frame_release(
		struct sb_vk_frame *frame, const struct sb_buffer *buffer, enum sb_access access);

/*
 * Gets the semaphores that the submission has to wait for.
 *
 * Returns how many there are, possibly 0, and has *ret_semaphores point to them (NULL if none). They
 * are the frame's, and valid until the next call on it. The submission waits for every one of them
 * at VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, since an acquire barrier takes place in no stage of its
 * own. Does not block, cannot fail.
 *
 * Source: VkSubmitInfo, VkSubmitInfo2.
 */
uint32_t sb_vk_frame_get_waits(const struct sb_vk_frame *frame, const VkSemaphore **ret_semaphores);

/*
 * Gets the semaphore that the submission has to signal when all its work is done, at
 * VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT. It is the frame's, and binary. Does not block, cannot fail.
 *
 * Source: VkSubmitInfo, VkSubmitInfo2.
 */
VkSemaphore sb_vk_frame_get_signal(const struct sb_vk_frame *frame);

/*
 * Ends a frame whose work was submitted: adds its end to all buffers noted for that.
 *
 * On success *ret_fence, if ret_fence is not NULL, is the end of the work, and belongs to the
 * caller; it is not cleared before.
 *
 * Does not block by the specification; Mesa's lavapipe finishes the work in here. Returns 0, or
 * the first error of sb_vk_semaphore_export_fence() and sb_buffer_import_fence(); the other buffers
 * are tried all the same. On failure *ret_fence is not written, and the caller holds the buffers
 * until the work has ended, as a VkFence of its own or vkQueueWaitIdle() tells.
 *
 * Source: as sb_vk_semaphore_export_fence() and sb_buffer_import_fence().
 */
int sb_vk_frame_end(struct sb_vk_frame *frame, struct sb_fence *ret_fence);

/* How an image of a dma-buf is used by the commands between its two barriers. */
struct sb_vk_image_use {
	/*
	 * Bound to the memory of a dma-buf, of a colour format, and VK_SHARING_MODE_EXCLUSIVE. All of
	 * it is meant.
	 */
	VkImage image;
	/* Where the commands use it, ... */
	VkPipelineStageFlags2 stages;
	/* ... and what they do there. */
	VkAccessFlags2 accesses;
	/* The layout that the commands want. Outside of them it is VK_IMAGE_LAYOUT_GENERAL. */
	VkImageLayout layout;
};

/*
 * Fills in the barrier that takes an image over from whoever had it, its content kept: the first
 * command on it in a submission that has acquired its dma-buf.
 *
 * Without it a driver may read stale caches, or memory that is still compressed. Who overwrites
 * the whole image may put VK_IMAGE_LAYOUT_UNDEFINED into oldLayout afterwards. *ret_barrier is
 * written whole, with pNext NULL. Does not block, cannot fail.
 *
 * Source: Vulkan 1.3, Queue Family Ownership Transfer and External Resource Sharing;
 * VK_EXT_queue_family_foreign; layout GENERAL: issue 3 of VK_KHR_external_memory.
 */
void sb_vk_device_get_acquire_barrier(const struct sb_vk_device *device,
		const struct sb_vk_image_use *use, VkImageMemoryBarrier2 *ret_barrier);

/*
 * Fills in the barrier that gives an image back: the last command on it in a submission that
 * releases its dma-buf. use is as of the barrier that took it over. *ret_barrier is written whole,
 * with pNext NULL. Does not block, cannot fail.
 *
 * Source: as of sb_vk_device_get_acquire_barrier().
 */
void sb_vk_device_get_release_barrier(const struct sb_vk_device *device,
		const struct sb_vk_image_use *use, VkImageMemoryBarrier2 *ret_barrier);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
