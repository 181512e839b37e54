#ifndef ORIEL_TESTS_HELD_FENCE_H
#define ORIEL_TESTS_HELD_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "gpu.h"
#include "vgem.h"

/*
 * Fences that stay pending until the test says so.
 *
 * sw_sync makes them best, but is for root and for kernels with CONFIG_SW_SYNC. vgem does where its
 * module is loaded and its node may be opened. Else the GPU itself is kept busy, by a queue of a
 * device of its own; that is no use where the GPU does one thing after the other.
 *
 * Fences of the GPU are signalled in the order in which they were made.
 */
enum fence_holder_type {
	FENCE_HOLDER_NONE,
	FENCE_HOLDER_SW_SYNC,
	FENCE_HOLDER_VGEM,
	FENCE_HOLDER_GPU,
};

struct fence_holder {
	enum fence_holder_type type;
	struct gpu *gpu;
	int vgem_fd; /* of FENCE_HOLDER_VGEM */
	/* Of FENCE_HOLDER_GPU. */
	VkDevice device;
	VkQueue queue;
	uint32_t queue_family_index;
};

struct held_fence {
	const struct fence_holder *holder;
	int sync_file_fd;
	bool is_signalled;
	/* Of the holder's type. */
	int timeline_fd;
	struct vgem_buffer buffer;
	uint32_t vgem_fence;
	struct gpu_shared flag;
	struct gpu_program program;
	struct gpu_commands commands;
	VkSemaphore semaphore;
};

/*
 * Finds out what can hold fences here; type is FENCE_HOLDER_NONE if nothing can. With ORIEL_FENCES
 * in the environment, "sw_sync", "vgem" or "gpu", nothing else is tried.
 */
void fence_holder_init(struct fence_holder *holder, struct gpu *gpu);
void fence_holder_finish(struct fence_holder *holder);
const char *fence_holder_get_name(const struct fence_holder *holder);

void held_fence_init(struct held_fence *fence, const struct fence_holder *holder);
/* Fails the test if it had signalled by itself: both vgem and the GPU have a limit. */
void held_fence_signal(struct held_fence *fence);
/* Signals it if that was not done. */
void held_fence_finish(struct held_fence *fence);

/* Whether it is pending. */
bool held_fence_is_pending(const struct held_fence *fence);

#endif
