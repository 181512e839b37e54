#include "mock_vulkan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "mock_ioctl.h"

#define OBJECTS_MAX 2048
#define REMOVED_MAX 4

/* A VkSemaphore or a VkFence; its handle is its number, counted from 1. */
struct object {
	bool is_fence;
	bool is_alive;
	bool is_exportable;
	/* Imported, and hides the other one until it is waited for, exported or reset. */
	bool has_temporary;
	uint64_t temporary;
	/* Signalled, or to be signalled by work. */
	bool has_permanent;
	uint64_t permanent;
	/* The ends of all work that waits for it or signals it. */
	uint64_t in_use;
};

static struct {
	struct object objects[OBJECTS_MAX];
	unsigned int object_count;
	const char *removed[REMOVED_MAX];
	unsigned int removed_count;
	bool exports_minus_one;
	VkResult next_result;
} vulkan;

static const VkAllocationCallbacks allocator;

int mock_vk_setup(void **state) {
	memset(&vulkan, 0, sizeof(vulkan));
	return mock_setup(state);
}

int mock_vk_teardown(void **state) {
	int ret = mock_teardown(state);
	if (mock_vk_count_left() > 0) {
		print_error("%u semaphores or fences left\n", mock_vk_count_left());
		return -1;
	}
	return ret;
}

VkDevice mock_vk_get_device(void) {
	return (VkDevice)&vulkan;
}

const VkAllocationCallbacks *mock_vk_get_allocator(void) {
	return &allocator;
}

void mock_vk_remove_proc(const char *name) {
	assert_true(vulkan.removed_count < REMOVED_MAX);
	vulkan.removed[vulkan.removed_count++] = name;
}

void mock_vk_export_minus_one(void) {
	vulkan.exports_minus_one = true;
}

void mock_vk_fail_next(VkResult result) {
	vulkan.next_result = result;
}

unsigned int mock_vk_count_created(void) {
	return vulkan.object_count;
}

unsigned int mock_vk_count_left(void) {
	unsigned int count = 0;
	for (unsigned int i = 0; i < vulkan.object_count; i++) {
		count += vulkan.objects[i].is_alive;
	}
	return count;
}

/* Objects. */

static uint64_t object_create(bool is_fence, bool is_exportable) {
	assert_true(vulkan.object_count < OBJECTS_MAX);
	vulkan.objects[vulkan.object_count++] = (struct object){
		.is_fence = is_fence,
		.is_alive = true,
		.is_exportable = is_exportable,
	};
	return vulkan.object_count;
}

static struct object *object_find(uint64_t handle, bool is_fence) {
	assert_true(handle >= 1 && handle <= vulkan.object_count);
	struct object *object = &vulkan.objects[handle - 1];
	assert_true(object->is_alive);
	assert_int_equal(object->is_fence, is_fence);
	return object;
}

static bool object_is_in_use(const struct object *object) {
	return mock_fences_get_pending(object->in_use) != 0;
}

static void object_destroy(uint64_t handle, bool is_fence) {
	struct object *object = object_find(handle, is_fence);
	assert_false(object_is_in_use(object));
	object->is_alive = false;
}

static bool object_has_payload(const struct object *object) {
	return object->has_temporary || object->has_permanent;
}

static uint64_t object_get_payload(const struct object *object) {
	assert_true(object_has_payload(object));
	return object->has_temporary ? object->temporary : object->permanent;
}

/* What a wait, a reset or an export does. */
static uint64_t object_take_payload(struct object *object) {
	uint64_t payload = object_get_payload(object);
	if (object->has_temporary) {
		object->has_temporary = false;
	} else {
		object->has_permanent = false;
	}
	return payload;
}

static void object_signal(struct object *object, uint64_t end) {
	assert_false(object_has_payload(object));
	object->has_permanent = true;
	object->permanent = end;
	object->in_use |= end;
}

static VkSemaphore semaphore_from_handle(uint64_t handle) {
	return (VkSemaphore)handle;
}

static struct object *semaphore_find(VkSemaphore semaphore) {
	return object_find((uint64_t)semaphore, false);
}

static struct object *fence_find(VkFence fence) {
	return object_find((uint64_t)fence, true);
}

VkSemaphore mock_vk_create_semaphore(bool is_exportable) {
	return semaphore_from_handle(object_create(false, is_exportable));
}

void mock_vk_destroy_semaphore(VkSemaphore semaphore) {
	object_destroy((uint64_t)semaphore, false);
}

VkFence mock_vk_create_fence(void) {
	return (VkFence)object_create(true, true);
}

void mock_vk_destroy_fence(VkFence fence) {
	object_destroy((uint64_t)fence, true);
}

bool mock_vk_semaphore_has_payload(VkSemaphore semaphore) {
	return object_has_payload(semaphore_find(semaphore));
}

bool mock_vk_fence_has_payload(VkFence fence) {
	return object_has_payload(fence_find(fence));
}

uint64_t mock_vk_semaphore_get_payload(VkSemaphore semaphore) {
	return object_get_payload(semaphore_find(semaphore));
}

uint64_t mock_vk_fence_get_payload(VkFence fence) {
	return object_get_payload(fence_find(fence));
}

uint64_t mock_vk_submit(const VkSemaphore *waits, uint32_t wait_count, VkSemaphore signal,
		VkFence vk_fence, uint64_t end) {
	uint64_t waited = 0;
	for (uint32_t i = 0; i < wait_count; i++) {
		struct object *object = semaphore_find(waits[i]);
		waited |= object_take_payload(object);
		object->in_use |= end;
	}
	if (signal != VK_NULL_HANDLE) {
		object_signal(semaphore_find(signal), end);
	}
	if (vk_fence != VK_NULL_HANDLE) {
		object_signal(fence_find(vk_fence), end);
	}
	return waited;
}

/* What the library calls. */

/*
 * The errors that the kernel's mock injects stand for these of Vulkan's, and the library has to make
 * that of them. Every VkResult that it knows is among them, and two that it does not.
 */
static const struct {
	int injected;
	VkResult result;
	int expected;
} failures[] = {
	{ -EBADF, VK_ERROR_UNKNOWN, -EIO },
	{ -EIO, VK_ERROR_OUT_OF_DEVICE_MEMORY, -ENOMEM },
	{ -EMFILE, VK_ERROR_TOO_MANY_OBJECTS, -EMFILE },
	{ -ENFILE, VK_ERROR_DEVICE_LOST, -ENODEV },
	{ -ENOMEM, VK_ERROR_OUT_OF_HOST_MEMORY, -ENOMEM },
	{ -EPERM, VK_ERROR_INVALID_EXTERNAL_HANDLE, -EINVAL },
};

static VkResult count_call(void) {
	VkResult next_result = vulkan.next_result;
	vulkan.next_result = VK_SUCCESS;
	int injected = mock_count_call();
	if (injected == 0) {
		return next_result;
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].injected == injected) {
			mock_set_injected(failures[i].expected);
			return failures[i].result;
		}
	}
	fail_msg("no VkResult for the error %d", injected);
	return VK_ERROR_UNKNOWN;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_semaphore(VkDevice device,
		const VkSemaphoreCreateInfo *info, const VkAllocationCallbacks *callbacks,
		VkSemaphore *ret_semaphore) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_ptr_equal(callbacks, &allocator);
	assert_int_equal(info->sType, VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
	assert_int_equal(info->flags, 0);
	VkResult result = count_call();
	if (result != VK_SUCCESS) {
		return result;
	}
	const VkExportSemaphoreCreateInfo *export_info = info->pNext;
	if (export_info != NULL) {
		assert_int_equal(export_info->sType, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);
		assert_null(export_info->pNext);
		assert_int_equal(export_info->handleTypes,
				VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
	}
	*ret_semaphore = mock_vk_create_semaphore(export_info != NULL);
	return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL destroy_semaphore(
		VkDevice device, VkSemaphore semaphore, const VkAllocationCallbacks *callbacks) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_ptr_equal(callbacks, &allocator);
	mock_vk_destroy_semaphore(semaphore);
}

/* fd is consumed on success only. */
static VkResult object_import(struct object *object, int fd) {
	assert_false(object_is_in_use(object));
	VkResult result = count_call();
	if (result != VK_SUCCESS) {
		return result;
	}
	if (fd != -1 && !mock_is_sync_file(fd)) {
		return VK_ERROR_INVALID_EXTERNAL_HANDLE;
	}
	object->has_temporary = true;
	object->temporary = 0;
	if (fd != -1) {
		object->temporary = mock_sync_file_get_fences(fd);
		close(fd);
	}
	return VK_SUCCESS;
}

static VkResult object_export(struct object *object, int *ret_fd) {
	assert_true(object->is_exportable);
	assert_false(object->has_temporary);
	assert_true(object->has_permanent);
	VkResult result = count_call();
	if (result != VK_SUCCESS) {
		/* Nothing is said of what is written then. */
		*ret_fd = 1000;
		return result;
	}
	uint64_t payload = object_take_payload(object);
	bool is_over = mock_fences_get_pending(payload) == 0;
	*ret_fd = is_over && vulkan.exports_minus_one ? -1 : mock_sync_file_create(payload);
	return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL import_semaphore_fd(
		VkDevice device, const VkImportSemaphoreFdInfoKHR *info) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_int_equal(info->sType, VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR);
	assert_null(info->pNext);
	assert_int_equal(info->handleType, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
	assert_int_equal(info->flags, VK_SEMAPHORE_IMPORT_TEMPORARY_BIT);
	return object_import(semaphore_find(info->semaphore), info->fd);
}

static VKAPI_ATTR VkResult VKAPI_CALL get_semaphore_fd(
		VkDevice device, const VkSemaphoreGetFdInfoKHR *info, int *ret_fd) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_int_equal(info->sType, VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR);
	assert_null(info->pNext);
	assert_int_equal(info->handleType, VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT);
	return object_export(semaphore_find(info->semaphore), ret_fd);
}

static VKAPI_ATTR VkResult VKAPI_CALL import_fence_fd(
		VkDevice device, const VkImportFenceFdInfoKHR *info) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_int_equal(info->sType, VK_STRUCTURE_TYPE_IMPORT_FENCE_FD_INFO_KHR);
	assert_null(info->pNext);
	assert_int_equal(info->handleType, VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT);
	assert_int_equal(info->flags, VK_FENCE_IMPORT_TEMPORARY_BIT);
	return object_import(fence_find(info->fence), info->fd);
}

static VKAPI_ATTR VkResult VKAPI_CALL get_fence_fd(
		VkDevice device, const VkFenceGetFdInfoKHR *info, int *ret_fd) {
	assert_ptr_equal(device, mock_vk_get_device());
	assert_int_equal(info->sType, VK_STRUCTURE_TYPE_FENCE_GET_FD_INFO_KHR);
	assert_null(info->pNext);
	assert_int_equal(info->handleType, VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT);
	return object_export(fence_find(info->fence), ret_fd);
}

PFN_vkVoidFunction mock_vk_get_proc_addr(VkDevice device, const char *name) {
	static const struct {
		const char *name;
		PFN_vkVoidFunction function;
	} procs[] = {
		{ "vkCreateSemaphore", (PFN_vkVoidFunction)create_semaphore },
		{ "vkDestroySemaphore", (PFN_vkVoidFunction)destroy_semaphore },
		{ "vkImportSemaphoreFdKHR", (PFN_vkVoidFunction)import_semaphore_fd },
		{ "vkGetSemaphoreFdKHR", (PFN_vkVoidFunction)get_semaphore_fd },
		{ "vkImportFenceFdKHR", (PFN_vkVoidFunction)import_fence_fd },
		{ "vkGetFenceFdKHR", (PFN_vkVoidFunction)get_fence_fd },
	};
	assert_ptr_equal(device, mock_vk_get_device());
	for (unsigned int i = 0; i < vulkan.removed_count; i++) {
		if (strcmp(vulkan.removed[i], name) == 0) {
			return NULL;
		}
	}
	for (size_t i = 0; i < sizeof(procs) / sizeof(procs[0]); i++) {
		if (strcmp(procs[i].name, name) == 0) {
			return procs[i].function;
		}
	}
	fail_msg("asks for %s", name);
	return NULL;
}
