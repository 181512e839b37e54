#ifndef ORIEL_TESTS_MOCK_VULKAN_H
#define ORIEL_TESTS_MOCK_VULKAN_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

/*
 * A Vulkan device to test libsyncbridge against: the semaphores and VkFences of one device, with
 * payloads that are fences of the kernel in mock_ioctl.h. It is as the specification says, and fails
 * the test where valid usage is not kept: an import into what is in use, the export of what has no
 * payload, a wait for nothing.
 *
 * Its calls are counted with the kernel's, so that mock_fail_each_call() makes them fail, too.
 */

/* As mock_setup() and mock_teardown(); afterwards everything that was created must be destroyed. */
int mock_vk_setup(void **state);
int mock_vk_teardown(void **state);

VkDevice mock_vk_get_device(void);
/* What all creation and destruction has to be done with. */
const VkAllocationCallbacks *mock_vk_get_allocator(void);
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL mock_vk_get_proc_addr(VkDevice device, const char *name);
/* The device does not have this function. */
void mock_vk_remove_proc(const char *name);
/* From here on an export gives -1 for what has signalled, rather than a sync_file. */
void mock_vk_export_minus_one(void);
/* The next call to Vulkan fails with this. */
void mock_vk_fail_next(VkResult result);

/* All that were ever created, and those that are left. */
unsigned int mock_vk_count_created(void);
unsigned int mock_vk_count_left(void);

/* The program's own. */
VkSemaphore mock_vk_create_semaphore(bool is_exportable);
void mock_vk_destroy_semaphore(VkSemaphore semaphore);
VkFence mock_vk_create_fence(void);
void mock_vk_destroy_fence(VkFence fence);

/*
 * Submits work whose end is the fences of the mask: it waits for the semaphores, and signals one
 * semaphore and one VkFence, either of which may be VK_NULL_HANDLE. Returns what it waits for.
 */
uint64_t mock_vk_submit(const VkSemaphore *waits, uint32_t wait_count, VkSemaphore signal,
		VkFence vk_fence, uint64_t end);

/* Whether there is a payload: an imported one, or that of work that was submitted. */
bool mock_vk_semaphore_has_payload(VkSemaphore semaphore);
bool mock_vk_fence_has_payload(VkFence fence);
/* The payload. */
uint64_t mock_vk_semaphore_get_payload(VkSemaphore semaphore);
uint64_t mock_vk_fence_get_payload(VkFence fence);

#endif
