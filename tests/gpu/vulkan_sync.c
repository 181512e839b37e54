/*
 * libsyncbridge on a Vulkan driver: the same program on lavapipe, in the test VM, and on a GPU.
 *
 *	ORIEL_GPU=real    on a device that is a GPU, not software
 *	ORIEL_FENCES=…    see held_fence.h
 *
 * A fence that is pending holds back a job of the device, and is signalled by the test. What such a
 * job must not have done is looked for after the time that it takes when nothing holds it back.
 *
 * Lavapipe finishes all work when the end of a job is exported. There a frame ends after what it
 * waits for was signalled; elsewhere directly after it was submitted, as programs do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/stats.h>
#include <syncbridge/timeline.h>
#include <syncbridge/vulkan.h>

#include "copy.comp.h"
#include "fds.h"
#include "gpu.h"
#include "held_fence.h"
#include "picture.h"
#include "sw_sync.h"

#define HELD_MAX 4
#define NODES_MAX 16
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
/* For what must happen. Nobody waits that long. */
#define SURELY_NS (100 * NS_PER_S)
/* The time that a job is given to do what it must not, in times that it takes, and at least. */
#define UNHELD_TIMES 4
#define UNHELD_NS (20 * NS_PER_MS)

#define PIXELS (PICTURE_SIZE * PICTURE_SIZE)
#define COPY_GROUPS (PICTURE_SIZE / 8)

#define PIXEL_OLD 0xff112233
#define PIXEL_NEW 0xff445566
#define PIXEL_UNTOUCHED 0xdeadbeef

/* Copies the picture into memory that the CPU reads. */
struct job {
	struct gpu_shared copy;
	struct gpu_program program;
	struct gpu_commands commands;
	VkFence done;
};

struct fixture {
	struct sb_vk_device *device;
	struct sb_vk_frame *frame;
	struct picture picture;
	struct job job;
	/* Those that a case holds; signalled at its end, come what may. */
	struct held_fence held[HELD_MAX];
	size_t held_count;
	VkFence fences[2];
	VkSemaphore semaphores[2]; /* can be exported */
	int drm_fd; /* borrowed by the case's timeline; -1: none */
	int64_t unheld_ns;
	unsigned int messages_before;
	int fds_before;
};

/* One for all cases: drivers take seconds to start under emulation. */
static struct gpu gpu;
static struct fence_holder holder;

static int64_t get_time_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Ends the case unless there is something that holds fences. */
static void require_fences(void) {
	if (holder.type == FENCE_HOLDER_NONE) {
		print_message("# skipped: nothing can hold a fence: no sw_sync, no vgem, and the GPU "
			      "does one thing after the other\n");
		skip();
	}
}

/* Submissions. */

static VkSemaphoreSubmitInfo get_submit_info(VkSemaphore semaphore) {
	return (VkSemaphoreSubmitInfo){
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = semaphore,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
}

/* Any of them may be nothing. */
static void submit(const VkSemaphore *waits, uint32_t wait_count, VkCommandBuffer commands,
		VkSemaphore signal, VkFence done) {
	VkSemaphoreSubmitInfo wait_infos[HELD_MAX];
	assert_true(wait_count <= HELD_MAX);
	for (uint32_t i = 0; i < wait_count; i++) {
		wait_infos[i] = get_submit_info(waits[i]);
	}
	const VkSemaphoreSubmitInfo signal_info = get_submit_info(signal);
	const VkCommandBufferSubmitInfo commands_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = commands,
	};
	const VkSubmitInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = wait_count,
		.pWaitSemaphoreInfos = wait_infos,
		.commandBufferInfoCount = commands != VK_NULL_HANDLE,
		.pCommandBufferInfos = &commands_info,
		.signalSemaphoreInfoCount = signal != VK_NULL_HANDLE,
		.pSignalSemaphoreInfos = &signal_info,
	};
	gpu_check(vkQueueSubmit2(gpu.queue, 1, &info, done));
}

static void submit_frame(const struct sb_vk_frame *frame, VkCommandBuffer commands, VkFence done) {
	const VkSemaphore *waits;
	uint32_t wait_count = sb_vk_frame_get_waits(frame, &waits);
	submit(waits, wait_count, commands, sb_vk_frame_get_signal(frame), done);
}

static bool vk_fence_waits(VkFence fence, int64_t timeout_ns) {
	VkResult result = vkWaitForFences(gpu.device, 1, &fence, VK_TRUE, (uint64_t)timeout_ns);
	if (result == VK_TIMEOUT) {
		return false;
	}
	gpu_check(result);
	return true;
}

/* The job. */

static void job_init(struct job *job, const struct picture *picture) {
	gpu_shared_init(&job->copy, &gpu, gpu.device, PIXELS * GPU_PIXEL_BYTES);
	gpu_program_init(&job->program, gpu.device, copy_code, sizeof(copy_code), picture->view,
			job->copy.buffer);
	gpu_commands_init(&job->commands, gpu.device, gpu.queue_family_index);
	static const VkFenceCreateInfo fence_info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	gpu_check(vkCreateFence(gpu.device, &fence_info, NULL, &job->done));
}

static void job_finish(struct job *job) {
	vkDestroyFence(gpu.device, job->done, NULL);
	gpu_commands_finish(&job->commands, gpu.device);
	gpu_program_finish(&job->program, gpu.device);
	gpu_shared_finish(&job->copy, gpu.device);
}

static void job_record(
		struct job *job, const struct sb_vk_device *device, const struct picture *picture) {
	const struct sb_vk_image_use use = {
		.image = picture->image,
		.stages = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		.accesses = VK_ACCESS_2_SHADER_SAMPLED_READ_BIT,
		.layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
	};
	VkImageMemoryBarrier2 acquire, release;
	sb_vk_device_get_acquire_barrier(device, &use, &acquire);
	sb_vk_device_get_release_barrier(device, &use, &release);
	const VkDependencyInfo acquire_info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.imageMemoryBarrierCount = 1,
		.pImageMemoryBarriers = &acquire,
	};
	const VkMemoryBarrier2 copy_to_cpu = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
		.srcAccessMask = VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	const VkDependencyInfo release_info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &copy_to_cpu,
		.imageMemoryBarrierCount = 1,
		.pImageMemoryBarriers = &release,
	};
	static const VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkCommandBuffer commands = job->commands.buffer;
	gpu_check(vkBeginCommandBuffer(commands, &begin_info));
	vkCmdPipelineBarrier2(commands, &acquire_info);
	vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, job->program.pipeline);
	vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, job->program.layout, 0, 1,
			&job->program.set, 0, NULL);
	vkCmdDispatch(commands, COPY_GROUPS, COPY_GROUPS, 1);
	vkCmdPipelineBarrier2(commands, &release_info);
	gpu_check(vkEndCommandBuffer(commands));
}

/* Also makes the copy untouched. */
static void job_submit(struct job *job, const struct sb_vk_device *device,
		const struct picture *picture, const struct sb_vk_frame *frame) {
	for (size_t i = 0; i < PIXELS; i++) {
		job->copy.words[i] = PIXEL_UNTOUCHED;
	}
	gpu_check(vkResetFences(gpu.device, 1, &job->done));
	job_record(job, device, picture);
	submit_frame(frame, job->commands.buffer, job->done);
}

static void job_check_copy(const struct job *job, uint32_t expected) {
	for (size_t i = 0; i < PIXELS; i++) {
		if (job->copy.words[i] != expected) {
			fail_msg("pixel %zu is 0x%08x, not 0x%08x", i, job->copy.words[i], expected);
		}
	}
}

static void job_check_done(const struct job *job, uint32_t expected) {
	assert_true(vk_fence_waits(job->done, SURELY_NS));
	job_check_copy(job, expected);
}

/* It has time to run if nothing holds it back. */
static void fixture_check_held(struct fixture *fixture) {
	assert_false(vk_fence_waits(fixture->job.done, fixture->unheld_ns));
	job_check_copy(&fixture->job, PIXEL_UNTOUCHED);
}

/* The fixture. */

static struct sb_vk_device *create_device(PFN_vkGetDeviceProcAddr get_device_proc_addr) {
	const struct sb_vk_device_info info = {
		.device = gpu.device,
		.get_device_proc_addr = get_device_proc_addr,
		.queue_family_index = gpu.queue_family_index,
		.has_queue_family_foreign = gpu.has_queue_family_foreign,
	};
	struct sb_vk_device *device;
	assert_int_equal(sb_vk_device_create(&info, &device), 0);
	return device;
}

/* The fixture's only frame: what was submitted with it has completed. */
static struct sb_vk_frame *begin_frame(struct fixture *fixture) {
	assert_int_equal(sb_vk_frame_begin(fixture->frame), 0);
	return fixture->frame;
}

static uint32_t count_waits(const struct sb_vk_frame *frame) {
	const VkSemaphore *waits;
	return sb_vk_frame_get_waits(frame, &waits);
}

/* Paints the picture old, reads it in a frame and so learns how long a job takes. */
static void fixture_run_first_job(struct fixture *fixture) {
	picture_begin_painting(&fixture->picture);
	picture_paint(&fixture->picture, PIXEL_OLD);
	picture_end_painting(&fixture->picture);
	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(count_waits(frame), 0);
	int64_t start_ns = get_time_ns();
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	job_check_done(&fixture->job, PIXEL_OLD);
	int64_t job_ns = get_time_ns() - start_ns;
	fixture->unheld_ns = UNHELD_NS + UNHELD_TIMES * job_ns;
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
}

static int fixture_setup(void **state) {
	static struct fixture fixture;
	fixture = (struct fixture){
		.fds_before = fds_count_open(),
		.messages_before = gpu.message_count,
		.drm_fd = -1,
	};
	*state = &fixture;
	fixture.device = create_device(vkGetDeviceProcAddr);
	assert_int_equal(sb_vk_frame_create(fixture.device, &fixture.frame), 0);
	picture_init(&fixture.picture, &gpu);
	job_init(&fixture.job, &fixture.picture);
	static const VkFenceCreateInfo fence_info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	static const VkExportFenceCreateInfo fence_export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	static const VkFenceCreateInfo exportable_fence_info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
		.pNext = &fence_export_info,
	};
	static const VkExportSemaphoreCreateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	static const VkSemaphoreCreateInfo semaphore_info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &export_info,
	};
	gpu_check(vkCreateFence(gpu.device, &fence_info, NULL, &fixture.fences[0]));
	gpu_check(vkCreateFence(gpu.device, &exportable_fence_info, NULL, &fixture.fences[1]));
	for (size_t i = 0; i < 2; i++) {
		gpu_check(vkCreateSemaphore(
				gpu.device, &semaphore_info, NULL, &fixture.semaphores[i]));
	}
	fixture_run_first_job(&fixture);
	return 0;
}

static int fixture_teardown(void **state) {
	struct fixture *fixture = *state;
	/* A case that failed must not hold back the device for ever. */
	for (size_t i = 0; i < fixture->held_count; i++) {
		held_fence_finish(&fixture->held[i]);
	}
	gpu_check(vkDeviceWaitIdle(gpu.device));
	for (size_t i = 0; i < 2; i++) {
		vkDestroyFence(gpu.device, fixture->fences[i], NULL);
		vkDestroySemaphore(gpu.device, fixture->semaphores[i], NULL);
	}
	job_finish(&fixture->job);
	picture_finish(&fixture->picture);
	sb_vk_frame_destroy(fixture->frame);
	sb_vk_device_destroy(fixture->device);
	if (fixture->drm_fd >= 0) {
		close(fixture->drm_fd);
	}
	int fds_after = fds_count_open();
	if (fds_after != fixture->fds_before) {
		print_error("open fds: %d before, %d after\n", fixture->fds_before, fds_after);
		return -1;
	}
	if (gpu.message_count != fixture->messages_before) {
		print_error("the validation layer complains\n");
		return -1;
	}
	return 0;
}

/* A fence that is pending, until the end of the case at most. */
static struct held_fence *fixture_hold(struct fixture *fixture) {
	assert_true(fixture->held_count < HELD_MAX);
	struct held_fence *held = &fixture->held[fixture->held_count];
	held_fence_init(held, &holder);
	fixture->held_count++;
	return held;
}

/* As somebody else's work would do. */
static void fixture_add_to_picture(
		struct fixture *fixture, const struct held_fence *held, enum sb_access access) {
	assert_int_equal(sb_dmabuf_import_sync_file(
					 fixture->picture.dmabuf_fd, access, held->sync_file_fd),
			0);
}

static struct sb_fence dup_held(const struct held_fence *held) {
	struct sb_fence fence;
	int fd = fcntl(held->sync_file_fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(sb_fence_from_sync_file(fd, &fence), 0);
	return fence;
}

/* Whether somebody who comes now would have to wait. */
static bool picture_is_busy(const struct picture *picture, enum sb_access access) {
	struct sb_fence fence = { 0 };
	assert_int_equal(sb_buffer_export_fence(&picture->buffer, access, &fence), 0);
	int ret = sb_fence_wait(&fence, 0);
	sb_fence_clear(&fence);
	assert_true(ret == 0 || ret == -ETIME);
	return ret != 0;
}

/* Where the end of pending work can be had. */
static void end_frame_if_pending_ends_can_be_had(struct sb_vk_frame **frame) {
	if (!gpu.is_software) {
		assert_int_equal(sb_vk_frame_end(*frame, NULL), 0);
		*frame = NULL;
	}
}

static void end_frame(struct sb_vk_frame *frame) {
	if (frame != NULL) {
		assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	}
}

/* Waiting for what was there. */

static void job_starts_after_pending_writer(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	picture_begin_painting(&fixture->picture);
	struct held_fence *writer = fixture_hold(fixture);
	fixture_add_to_picture(fixture, writer, SB_ACCESS_WRITE);

	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(sb_vk_frame_release(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(count_waits(frame), 1);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	end_frame_if_pending_ends_can_be_had(&frame);
	fixture_check_held(fixture);

	picture_paint(&fixture->picture, PIXEL_NEW);
	picture_end_painting(&fixture->picture);
	held_fence_signal(writer);
	job_check_done(&fixture->job, PIXEL_NEW);
	end_frame(frame);
}

static void job_waits_for_each_of_several_pictures(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct picture other;
	picture_init(&other, &gpu);
	struct held_fence *writer = fixture_hold(fixture);
	struct held_fence *other_writer = fixture_hold(fixture);
	fixture_add_to_picture(fixture, writer, SB_ACCESS_WRITE);
	assert_int_equal(sb_dmabuf_import_sync_file(other.dmabuf_fd, SB_ACCESS_WRITE,
					 other_writer->sync_file_fd),
			0);
	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(sb_vk_frame_acquire(frame, &other.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(count_waits(frame), 2);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	end_frame_if_pending_ends_can_be_had(&frame);
	held_fence_signal(writer);
	fixture_check_held(fixture);
	held_fence_signal(other_writer);
	job_check_done(&fixture->job, PIXEL_OLD);
	end_frame(frame);
	picture_finish(&other);
}

static void job_does_not_wait_for_later_writer(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct held_fence *writer = fixture_hold(fixture);
	struct held_fence *later_writer = fixture_hold(fixture);
	fixture_add_to_picture(fixture, writer, SB_ACCESS_WRITE);
	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	fixture_add_to_picture(fixture, later_writer, SB_ACCESS_WRITE);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	end_frame_if_pending_ends_can_be_had(&frame);
	fixture_check_held(fixture);
	held_fence_signal(writer);
	job_check_done(&fixture->job, PIXEL_OLD);
	end_frame(frame);
	held_fence_signal(later_writer);
}

static void job_does_not_wait_for_pending_reader(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct held_fence *reader = fixture_hold(fixture);
	fixture_add_to_picture(fixture, reader, SB_ACCESS_READ);
	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_READ), 0);
	assert_int_equal(count_waits(frame), 0);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	end_frame(frame);
	job_check_done(&fixture->job, PIXEL_OLD);
	/* Who writes does. */
	frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_acquire(frame, &fixture->picture.buffer, SB_ACCESS_WRITE), 0);
	assert_int_equal(count_waits(frame), 1);
	held_fence_signal(reader);
}

/* Neither waits for the other, and yet the layer finds no hazard in their barriers. */
static void readers_in_a_row_do_not_wait_for_each_other(void **state) {
	struct fixture *fixture = *state;
	struct job second_job;
	struct sb_vk_frame *second_frame;
	job_init(&second_job, &fixture->picture);
	assert_int_equal(sb_vk_frame_create(fixture->device, &second_frame), 0);
	assert_int_equal(sb_vk_frame_begin(second_frame), 0);
	struct sb_vk_frame *frames[] = { begin_frame(fixture), second_frame };
	struct job *jobs[] = { &fixture->job, &second_job };
	for (size_t i = 0; i < 2; i++) {
		const struct sb_buffer *buffer = &fixture->picture.buffer;
		assert_int_equal(sb_vk_frame_acquire(frames[i], buffer, SB_ACCESS_READ), 0);
		assert_int_equal(sb_vk_frame_release(frames[i], buffer, SB_ACCESS_READ), 0);
		assert_int_equal(count_waits(frames[i]), 0);
		job_submit(jobs[i], fixture->device, &fixture->picture, frames[i]);
		end_frame_if_pending_ends_can_be_had(&frames[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		job_check_done(jobs[i], PIXEL_OLD);
		end_frame(frames[i]);
	}
	sb_vk_frame_destroy(second_frame);
	job_finish(&second_job);
}

static void frame_begun_over_waits_for_new_fence_only(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct held_fence *first = fixture_hold(fixture);
	struct held_fence *second = fixture_hold(fixture);
	struct sb_fence fence = dup_held(first);
	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	sb_fence_clear(&fence);
	/* The same semaphore gets another payload. */
	fence = dup_held(second);
	frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	assert_int_equal(count_waits(frame), 1);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	end_frame_if_pending_ends_can_be_had(&frame);
	held_fence_signal(first);
	fixture_check_held(fixture);
	held_fence_signal(second);
	job_check_done(&fixture->job, PIXEL_OLD);
	end_frame(frame);
	sb_fence_clear(&fence);
}

/* Letting others wait. */

/* The library's own account of what it added to a dma-buf. */
struct imports {
	int dmabuf_fd;
	int exported_fd; /* -1: the end had signalled */
	unsigned int count;
	enum sb_access access;
	bool is_the_exported;
};

static void handle_event(void *data, const struct sb_trace_event *event) {
	struct imports *imports = data;
	if (event->kind == SB_TRACE_VK_EXPORT && event->result == 0) {
		imports->exported_fd = event->sync_file_fd;
	} else if (event->kind == SB_TRACE_IMPORT && event->result == 0 &&
			event->dmabuf_fd == imports->dmabuf_fd) {
		imports->count++;
		imports->access = event->access;
		imports->is_the_exported = event->sync_file_fd == imports->exported_fd;
	}
}

/* The kernel's account: one more fence than before, and what it is. For root only. */
static void check_kernel_list(const struct picture *picture, int count_before, enum sb_access access) {
	if (count_before < 0) {
		print_message("# the kernel's list of fences cannot be read here\n");
		return;
	}
	struct dmabuf_fence fences[8];
	int count = dmabuf_list_fences(picture->dmabuf_fd, fences, 8);
	assert_int_equal(count, count_before + 1);
	assert_int_equal(fences[count - 1].usage,
			access == SB_ACCESS_READ ? DMABUF_USAGE_READ : DMABUF_USAGE_WRITE);
}

static void check_release(struct fixture *fixture, enum sb_access access) {
	require_fences();
	struct held_fence *held = fixture_hold(fixture);
	struct sb_fence fence = dup_held(held);
	int count_before = dmabuf_list_fences(fixture->picture.dmabuf_fd, NULL, 0);
	struct imports imports = { .dmabuf_fd = fixture->picture.dmabuf_fd, .exported_fd = -1 };
	const struct sb_trace_hook hook = { .handle = handle_event, .data = &imports };

	struct sb_vk_frame *frame = begin_frame(fixture);
	assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
	assert_int_equal(sb_vk_frame_release(frame, &fixture->picture.buffer, access), 0);
	job_submit(&fixture->job, fixture->device, &fixture->picture, frame);
	sb_fence_clear(&fence);
	if (gpu.is_software) {
		held_fence_signal(held);
	}
	struct sb_fence end = { 0 };
	sb_trace_set_hook(&hook);
	int ret = sb_vk_frame_end(frame, &end);
	sb_trace_set_hook(NULL);
	assert_int_equal(ret, 0);
	if (!gpu.is_software) {
		/* The end is pending, and in the way of those it should be. */
		assert_int_equal(sb_fence_wait(&end, 0), -ETIME);
		assert_true(picture_is_busy(&fixture->picture, SB_ACCESS_WRITE));
		assert_int_equal(picture_is_busy(&fixture->picture, SB_ACCESS_READ),
				access == SB_ACCESS_WRITE);
		held_fence_signal(held);
	}
	job_check_done(&fixture->job, PIXEL_OLD);
	assert_int_equal(sb_fence_wait(&end, get_time_ns() + SURELY_NS), 0);
	assert_false(picture_is_busy(&fixture->picture, SB_ACCESS_WRITE));
	if (end.type == SB_FENCE_NONE) {
		/* The driver says that the work is done. So nobody need wait for it. */
		assert_int_equal(imports.count, 0);
		print_message("# the end had signalled, and was added nowhere\n");
	} else {
		assert_int_equal(imports.count, 1);
		assert_int_equal(imports.access, access);
		assert_true(imports.is_the_exported);
		if (gpu.is_software) {
			check_kernel_list(&fixture->picture, count_before, access);
		}
	}
	sb_fence_clear(&end);
}

static void read_release_is_a_readers_fence(void **state) {
	check_release(*state, SB_ACCESS_READ);
}

static void write_release_is_a_writers_fence(void **state) {
	check_release(*state, SB_ACCESS_WRITE);
}

/* Nothing per frame. */

static unsigned int created_semaphores;
static PFN_vkCreateSemaphore create_semaphore;

static VKAPI_ATTR VkResult VKAPI_CALL count_created_semaphore(VkDevice device,
		const VkSemaphoreCreateInfo *info, const VkAllocationCallbacks *allocator,
		VkSemaphore *ret_semaphore) {
	created_semaphores++;
	return create_semaphore(device, info, allocator, ret_semaphore);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_counting_proc_addr(
		VkDevice device, const char *name) {
	PFN_vkVoidFunction function = vkGetDeviceProcAddr(device, name);
	if (strcmp(name, "vkCreateSemaphore") == 0) {
		create_semaphore = (PFN_vkCreateSemaphore)function;
		return (PFN_vkVoidFunction)count_created_semaphore;
	}
	return function;
}

/* A frame without commands that waits for a fence, if any. */
static void run_frame(struct fixture *fixture, struct sb_vk_frame *frame, struct held_fence *held) {
	const struct sb_buffer *buffer = &fixture->picture.buffer;
	assert_int_equal(sb_vk_frame_begin(frame), 0);
	assert_int_equal(sb_vk_frame_acquire(frame, buffer, SB_ACCESS_READ), 0);
	assert_int_equal(count_waits(frame), 0);
	if (held != NULL) {
		struct sb_fence fence = dup_held(held);
		assert_int_equal(sb_vk_frame_wait(frame, &fence), 0);
		sb_fence_clear(&fence);
		assert_int_equal(count_waits(frame), 1);
	}
	assert_int_equal(sb_vk_frame_release(frame, buffer, SB_ACCESS_READ), 0);
	submit_frame(frame, VK_NULL_HANDLE, fixture->fences[0]);
	if (held != NULL) {
		held_fence_signal(held);
	}
	assert_int_equal(sb_vk_frame_end(frame, NULL), 0);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
	gpu_check(vkResetFences(gpu.device, 1, &fixture->fences[0]));
}

static void run_frames(struct fixture *fixture, struct sb_vk_frame *frame, unsigned int count,
		bool is_held) {
	for (unsigned int i = 0; i < count; i++) {
		struct held_fence *held = is_held ? fixture_hold(fixture) : NULL;
		run_frame(fixture, frame, held);
		if (held != NULL) {
			held_fence_finish(held);
			fixture->held_count--;
		}
	}
}

static void check_frames_create_nothing(struct fixture *fixture, unsigned int count, bool is_held) {
	struct sb_stats stats = { 0 };
	const struct sb_trace_hook hook = { .handle = sb_stats_handle, .data = &stats };
	struct sb_vk_device *device = create_device(get_counting_proc_addr);
	struct sb_vk_frame *frame;
	created_semaphores = 0;
	assert_int_equal(sb_vk_frame_create(device, &frame), 0);
	run_frames(fixture, frame, 2, is_held);
	assert_int_equal(created_semaphores, 1 + is_held);
	int fds_before = fds_count_open();
	sb_trace_set_hook(&hook);
	run_frames(fixture, frame, count, is_held);
	sb_trace_set_hook(NULL);
	assert_int_equal(created_semaphores, 1 + is_held);
	assert_int_equal(fds_count_open(), fds_before);
	assert_int_equal(stats.vk_creates, 0);
	assert_int_equal(stats.vk_exports, count);
	assert_int_equal(stats.vk_imports, is_held ? count : 0);
	assert_int_equal(stats.over_syncs, 0);
	assert_int_equal(stats.errors, 0);
	sb_vk_frame_destroy(frame);
	sb_vk_device_destroy(device);
}

static void idle_frames_wait_for_and_create_nothing(void **state) {
	check_frames_create_nothing(*state, 1000, false);
}

static void waiting_frames_create_nothing_once_warm(void **state) {
	require_fences();
	check_frames_create_nothing(*state, 30, true);
}

/* Conversions. */

/* A batch that waits for the first semaphore, and says when it is over by the first VkFence. */
static void fixture_submit_wait(struct fixture *fixture) {
	submit(fixture->semaphores, 1, VK_NULL_HANDLE, VK_NULL_HANDLE, fixture->fences[0]);
}

static void semaphore_from_sync_file_waits(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct held_fence *held = fixture_hold(fixture);
	struct sb_fence fence = dup_held(held);
	assert_int_equal(sb_vk_semaphore_import_fence(fixture->device, fixture->semaphores[0], &fence),
			0);
	sb_fence_clear(&fence);
	fixture_submit_wait(fixture);
	assert_false(vk_fence_waits(fixture->fences[0], UNHELD_NS));
	held_fence_signal(held);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
}

static void semaphore_from_none_has_signalled(void **state) {
	struct fixture *fixture = *state;
	const struct sb_fence none = { 0 };
	assert_int_equal(sb_vk_semaphore_import_fence(fixture->device, fixture->semaphores[0], &none),
			0);
	fixture_submit_wait(fixture);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
}

static void vk_fence_from_sync_file_waits(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct held_fence *held = fixture_hold(fixture);
	struct sb_fence fence = dup_held(held);
	assert_int_equal(sb_vk_fence_import_fence(fixture->device, fixture->fences[0], &fence), 0);
	sb_fence_clear(&fence);
	assert_false(vk_fence_waits(fixture->fences[0], 0));
	held_fence_signal(held);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
}

static void vk_fence_from_none_has_signalled(void **state) {
	struct fixture *fixture = *state;
	const struct sb_fence none = { 0 };
	assert_int_equal(sb_vk_fence_import_fence(fixture->device, fixture->fences[0], &none), 0);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
}

static void ends_of_work_become_fences(void **state) {
	struct fixture *fixture = *state;
	struct sb_fence ends[2] = { 0 };
	submit(NULL, 0, VK_NULL_HANDLE, fixture->semaphores[1], fixture->fences[1]);
	assert_int_equal(sb_vk_semaphore_export_fence(
					 fixture->device, fixture->semaphores[1], &ends[0]),
			0);
	assert_int_equal(sb_vk_fence_export_fence(fixture->device, fixture->fences[1], &ends[1]), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sb_fence_wait(&ends[i], get_time_ns() + SURELY_NS), 0);
		sb_fence_clear(&ends[i]);
	}
	/* The VkFence is reset; the semaphore can be signalled, and got, again. */
	assert_int_equal(vkGetFenceStatus(gpu.device, fixture->fences[1]), VK_NOT_READY);
	submit(NULL, 0, VK_NULL_HANDLE, fixture->semaphores[1], VK_NULL_HANDLE);
	assert_int_equal(sb_vk_semaphore_export_fence(
					 fixture->device, fixture->semaphores[1], &ends[0]),
			0);
	assert_int_equal(sb_fence_wait(&ends[0], get_time_ns() + SURELY_NS), 0);
	sb_fence_clear(&ends[0]);
}

/* On the first device that has timelines; ends the case if there is none. */
static struct sb_timeline *create_timeline(struct fixture *fixture) {
	for (int i = 0; i < NODES_MAX; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", 128 + i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			continue;
		}
		struct sb_timeline *timeline = NULL;
		if (sb_timeline_create(fd, "vulkan_sync", &timeline) == 0) {
			fixture->drm_fd = fd;
			return timeline;
		}
		close(fd);
	}
	print_message("# skipped: no DRM device here has timelines\n");
	skip();
	return NULL;
}

static void point_holds_back_semaphore_and_vk_fence(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	struct sb_timeline *timeline = create_timeline(fixture);
	struct sb_fence point;
	assert_int_equal(sb_fence_from_point(timeline, 1, &point), 0);
	VkSemaphore semaphore = fixture->semaphores[0];
	assert_int_equal(sb_vk_semaphore_import_fence(fixture->device, semaphore, &point), -EAGAIN);
	assert_int_equal(sb_vk_fence_import_fence(fixture->device, fixture->fences[1], &point),
			-EAGAIN);

	struct held_fence *held = fixture_hold(fixture);
	assert_int_equal(sb_timeline_import_sync_file(timeline, 1, held->sync_file_fd), 0);
	assert_int_equal(sb_vk_semaphore_import_fence(fixture->device, semaphore, &point), 0);
	assert_int_equal(sb_vk_fence_import_fence(fixture->device, fixture->fences[1], &point), 0);
	sb_fence_clear(&point);
	sb_timeline_unref(timeline);
	fixture_submit_wait(fixture);
	assert_false(vk_fence_waits(fixture->fences[0], UNHELD_NS));
	assert_false(vk_fence_waits(fixture->fences[1], 0));
	held_fence_signal(held);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
	assert_true(vk_fence_waits(fixture->fences[1], SURELY_NS));
}

static void ends_of_work_become_points(void **state) {
	struct fixture *fixture = *state;
	struct sb_timeline *timeline = create_timeline(fixture);
	struct sb_fence ends[2] = { 0 };
	submit(NULL, 0, VK_NULL_HANDLE, fixture->semaphores[1], fixture->fences[1]);
	assert_int_equal(sb_vk_semaphore_export_fence(
					 fixture->device, fixture->semaphores[1], &ends[0]),
			0);
	assert_int_equal(sb_vk_fence_export_fence(fixture->device, fixture->fences[1], &ends[1]), 0);
	for (uint64_t point = 1; point <= 2; point++) {
		assert_int_equal(sb_timeline_import_fence(timeline, point, &ends[point - 1]), 0);
		assert_int_equal(sb_timeline_wait(timeline, point, SB_TIMELINE_SIGNALLED,
						 get_time_ns() + SURELY_NS),
				0);
		sb_fence_clear(&ends[point - 1]);
	}
	sb_timeline_unref(timeline);
}

/* A client of an implicit window system. */

static void acquired_is_for_window_systems_reads_only(void **state) {
	struct fixture *fixture = *state;
	require_fences();
	VkSemaphore semaphore = fixture->semaphores[0];
	VkFence acquired = fixture->fences[1];
	struct held_fence *reader = fixture_hold(fixture);
	struct held_fence *own_rendering = fixture_hold(fixture);
	fixture_add_to_picture(fixture, reader, SB_ACCESS_READ);
	assert_int_equal(sb_vk_signal_acquired(fixture->device, &fixture->picture.buffer,
					 SB_ACCESS_WRITE, semaphore, acquired),
			0);
	fixture_add_to_picture(fixture, own_rendering, SB_ACCESS_WRITE);
	fixture_submit_wait(fixture);
	assert_false(vk_fence_waits(fixture->fences[0], UNHELD_NS));
	assert_false(vk_fence_waits(acquired, 0));
	held_fence_signal(reader);
	assert_true(vk_fence_waits(acquired, SURELY_NS));
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
	assert_true(held_fence_is_pending(own_rendering));
	held_fence_signal(own_rendering);
}

static void acquired_of_idle_picture_has_signalled(void **state) {
	struct fixture *fixture = *state;
	assert_int_equal(sb_vk_signal_acquired(fixture->device, &fixture->picture.buffer,
					 SB_ACCESS_WRITE, fixture->semaphores[0], fixture->fences[1]),
			0);
	fixture_submit_wait(fixture);
	assert_true(vk_fence_waits(fixture->fences[0], SURELY_NS));
	assert_true(vk_fence_waits(fixture->fences[1], SURELY_NS));
}

/* The validation layer. */

static void require_layer(void) {
	if (gpu.layer_version == 0) {
		print_message("# skipped: the Khronos validation layer is not installed\n");
		skip();
	}
}

/* These two show that it is at work: messages follow, which do not count. */

static void expect_messages(void) {
	require_layer();
	assert_int_equal(gpu.message_count, 0);
	print_message("# messages are to follow:\n");
}

static void check_messages(void) {
	assert_true(gpu.message_count > 0);
	gpu.message_count = 0;
}

static void validation_layer_sees_a_mistake(void **state) {
	expect_messages();
	const VkFenceCreateInfo wrong = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
		.flags = 1u << 30,
	};
	VkFence vk_fence;
	gpu_check(vkCreateFence(gpu.device, &wrong, NULL, &vk_fence));
	vkDestroyFence(gpu.device, vk_fence, NULL);
	check_messages();
}

static void validation_layer_sees_a_hazard(void **state) {
	expect_messages();
	struct gpu_shared shared;
	struct gpu_commands commands;
	gpu_shared_init(&shared, &gpu, gpu.device, GPU_PIXEL_BYTES);
	gpu_commands_init(&commands, gpu.device, gpu.queue_family_index);
	static const VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};
	gpu_check(vkBeginCommandBuffer(commands.buffer, &begin_info));
	/* Twice, without a barrier in between. */
	vkCmdFillBuffer(commands.buffer, shared.buffer, 0, VK_WHOLE_SIZE, PIXEL_OLD);
	vkCmdFillBuffer(commands.buffer, shared.buffer, 0, VK_WHOLE_SIZE, PIXEL_NEW);
	gpu_check(vkEndCommandBuffer(commands.buffer));
	gpu_commands_finish(&commands, gpu.device);
	gpu_shared_finish(&shared, gpu.device);
	check_messages();
}

/* The last one: what was not destroyed is seen when the device is. */
static void validation_layer_has_nothing_to_say(void **state) {
	fence_holder_finish(&holder);
	gpu_finish(&gpu);
	require_layer();
	assert_int_equal(gpu.message_count, 0);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validation_layer_sees_a_mistake),
		cmocka_unit_test(validation_layer_sees_a_hazard),
		sync_test(job_starts_after_pending_writer),
		sync_test(job_waits_for_each_of_several_pictures),
		sync_test(job_does_not_wait_for_later_writer),
		sync_test(job_does_not_wait_for_pending_reader),
		sync_test(readers_in_a_row_do_not_wait_for_each_other),
		sync_test(frame_begun_over_waits_for_new_fence_only),
		sync_test(read_release_is_a_readers_fence),
		sync_test(write_release_is_a_writers_fence),
		sync_test(idle_frames_wait_for_and_create_nothing),
		sync_test(waiting_frames_create_nothing_once_warm),
		sync_test(semaphore_from_sync_file_waits),
		sync_test(semaphore_from_none_has_signalled),
		sync_test(vk_fence_from_sync_file_waits),
		sync_test(vk_fence_from_none_has_signalled),
		sync_test(ends_of_work_become_fences),
		sync_test(point_holds_back_semaphore_and_vk_fence),
		sync_test(ends_of_work_become_points),
		sync_test(acquired_is_for_window_systems_reads_only),
		sync_test(acquired_of_idle_picture_has_signalled),
		cmocka_unit_test(validation_layer_has_nothing_to_say),
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	char reason[GPU_REASON_SIZE];
	if (!gpu_init(&gpu, reason)) {
		printf("1..0 # SKIP no Vulkan device that is fit: %s\n", reason);
		return 0;
	}
	fence_holder_init(&holder, &gpu);
	printf("# %s, Vulkan %u.%u.%u\n", gpu.properties.deviceName,
			VK_API_VERSION_MAJOR(gpu.properties.apiVersion),
			VK_API_VERSION_MINOR(gpu.properties.apiVersion),
			VK_API_VERSION_PATCH(gpu.properties.apiVersion));
	if (gpu.layer_version != 0) {
		printf("# validation layer %u.%u.%u\n", VK_API_VERSION_MAJOR(gpu.layer_version),
				VK_API_VERSION_MINOR(gpu.layer_version),
				VK_API_VERSION_PATCH(gpu.layer_version));
	}
	printf("# fences held by: %s\n", fence_holder_get_name(&holder));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vulkan_sync", tests, NULL, NULL);
}
