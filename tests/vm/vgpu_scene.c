#include "vgpu_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "bridge/latch.h"
#include "bridge/render_sync.h"
#include "fd.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "kms.h"
#include "screenshot.h"
#include "sw_sync.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

/* More than any fence's value. */
#define TIMELINE_END 1000

/* For the signal handler: the scene whose fences it signals. */
static struct vgpu_scene *stuck_scene;
static volatile sig_atomic_t was_stuck;

static void handle_alarm(int signal_number) {
	int saved_errno = errno;
	was_stuck = 1;
	for (size_t i = 0; i < VGPU_SCENE_FENCES_MAX; i++) {
		sw_timeline_signal(stuck_scene->timeline_fds[i], TIMELINE_END);
	}
	errno = saved_errno;
}

/* Whoever comes here is not stuck. */
static void guard_renew(void) {
	alarm(VGPU_SCENE_STUCK_S);
}

static void guard_start(struct vgpu_scene *scene) {
	stuck_scene = scene;
	was_stuck = 0;
	struct sigaction action = { .sa_handler = handle_alarm, .sa_flags = SA_RESTART };
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	guard_renew();
}

static void guard_finish(void) {
	alarm(0);
	stuck_scene = NULL;
}

static void scene_open_pages(struct vgpu_scene *scene) {
	assert_int_equal(vgpu_mdev_create("mbochs-small", scene->uuid), 0);
	scene->guest = vgpu_guest_open(scene->uuid);
	assert_non_null(scene->guest);
	assert_int_equal(vgpu_guest_set_mode(scene->guest, VGPU_SCENE_WIDTH, VGPU_SCENE_HEIGHT,
					 VGPU_SCENE_WIDTH, VGPU_SCENE_PAGES),
			0);
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		vgpu_scene_paint(scene, page, (uint32_t)page + 1);
		assert_int_equal(vgpu_guest_get_page_dmabuf(scene->guest, page,
						 &scene->dmabuf_fds[page], NULL),
				0);
	}
}

void vgpu_scene_start(struct vgpu_scene *scene) {
	*scene = (struct vgpu_scene){ .fds_before = fds_count_open() };
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		scene->dmabuf_fds[page] = -1;
	}
	for (size_t i = 0; i < VGPU_SCENE_FENCES_MAX; i++) {
		scene->timeline_fds[i] = -1;
	}
	/* One for each fence: a dma-buf keeps only the last fence of a timeline. All of them now, as
	 * the fixture counts the files that oriel leaves open. */
	for (size_t i = 0; i < VGPU_SCENE_FENCES_MAX; i++) {
		scene->timeline_fds[i] = sw_timeline_create();
		assert_true(scene->timeline_fds[i] >= 0);
	}
	guard_start(scene);
	scene_open_pages(scene);

	char output_name[KMS_NAME_SIZE];
	kms_get_output_name(output_name);
	char config_text[512];
	snprintf(config_text, sizeof(config_text),
			"output %s {\n\tmode %dx%d\n}\n"
			"output OUTPUT-2 {\n\tmode %dx%d\n}\n"
			"guest vgpu {\n\tsource vfio fd:%d\n}\n",
			output_name, VGPU_SCENE_WIDTH, VGPU_SCENE_HEIGHT, VGPU_SCENE_WIDTH,
			VGPU_SCENE_HEIGHT, vgpu_guest_get_device_fd(scene->guest));
	fixture_init(&scene->fixture, config_text);
	scene->is_running = true;
	scene->view = fixture_get_view(&scene->fixture, "vgpu");
	vgpu_scene_step_until_shown(scene, 0);
}

void vgpu_scene_end_oriel(struct vgpu_scene *scene) {
	scene->is_running = false;
	scene->view = NULL;
	fixture_finish(&scene->fixture);
}

int vgpu_scene_finish(struct vgpu_scene *scene) {
	if (scene->is_running) {
		vgpu_scene_end_oriel(scene);
	}
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		sb_fd_clear(&scene->dmabuf_fds[page]);
	}
	guard_finish();
	for (size_t i = 0; i < VGPU_SCENE_FENCES_MAX; i++) {
		sb_fd_clear(&scene->timeline_fds[i]);
	}
	vgpu_guest_close(scene->guest);
	int fds = fds_count_open();
	if (fds != scene->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", scene->fds_before, fds);
		return -1;
	}
	if (scene->uuid[0] != '\0' && vgpu_mdev_remove(scene->uuid) != 0) {
		print_error("the vGPU cannot be removed\n");
		return -1;
	}
	if (was_stuck) {
		print_error("somebody has waited for a fence that was pending\n");
		return -1;
	}
	return 0;
}

void vgpu_scene_paint(struct vgpu_scene *scene, int page, uint32_t seed) {
	vgpu_guest_paint(scene->guest, page, seed);
	scene->seeds[page] = seed;
}

void vgpu_scene_flip(struct vgpu_scene *scene, int page) {
	assert_int_equal(vgpu_guest_flip(scene->guest, page), 0);
	scene->page = page;
}

void vgpu_scene_take(struct vgpu_scene *scene) {
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	oriel_guest_view_poll(scene->view);
	assert_int_equal(vgpu_scene_count_since(scene, &before).taken, 1);
}

size_t vgpu_scene_create_fence(struct vgpu_scene *scene, int *ret_sync_file_fd) {
	size_t fence = 0;
	while (fence < VGPU_SCENE_FENCES_MAX && scene->fence_is_taken[fence]) {
		fence++;
	}
	assert_true(fence < VGPU_SCENE_FENCES_MAX);
	scene->fence_is_taken[fence] = true;
	*ret_sync_file_fd = sw_timeline_create_fence(scene->timeline_fds[fence], 1);
	assert_true(*ret_sync_file_fd >= 0);
	return fence;
}

size_t vgpu_scene_add_writer(struct vgpu_scene *scene, int page) {
	int fence_fd;
	size_t fence = vgpu_scene_create_fence(scene, &fence_fd);
	assert_int_equal(dmabuf_import_write(scene->dmabuf_fds[page], fence_fd), 0);
	close(fence_fd);
	return fence;
}

size_t vgpu_scene_add_reader(struct vgpu_scene *scene, int page) {
	int fence_fd;
	size_t fence = vgpu_scene_create_fence(scene, &fence_fd);
	assert_int_equal(dmabuf_import_read(scene->dmabuf_fds[page], fence_fd), 0);
	close(fence_fd);
	return fence;
}

void vgpu_scene_signal(struct vgpu_scene *scene, size_t fence) {
	assert_int_equal(sw_timeline_signal(scene->timeline_fds[fence], 1), 0);
}

void vgpu_scene_drop_fence(struct vgpu_scene *scene, size_t fence) {
	close(scene->timeline_fds[fence]);
	scene->timeline_fds[fence] = sw_timeline_create();
	assert_true(scene->timeline_fds[fence] >= 0);
	scene->fence_is_taken[fence] = false;
}

void vgpu_scene_check_fences(struct vgpu_scene *scene, int page, int writers, int readers) {
	int writers_now, readers_now;
	assert_int_equal(dmabuf_count_pending(scene->dmabuf_fds[page], &writers_now, &readers_now),
			0);
	assert_int_equal(writers_now, writers);
	assert_int_equal(readers_now, readers);
}

int vgpu_scene_find_page(const struct vgpu_scene *scene, const struct oriel_guest_buffer *buffer) {
	/* All files of a dma-buf are one inode. */
	struct stat searched;
	if (fstat(oriel_guest_buffer_get_dmabuf_fd(buffer), &searched) != 0) {
		return -1;
	}
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		struct stat found;
		if (fstat(scene->dmabuf_fds[page], &found) == 0 && found.st_ino == searched.st_ino) {
			return page;
		}
	}
	return -1;
}

bool vgpu_scene_shows(const struct vgpu_scene *scene, int page) {
	const struct oriel_guest_frame *frame = scene->view->primary.frame;
	return frame != NULL && frame->sampled &&
			vgpu_scene_find_page(scene, oriel_guest_frame_get_buffer(frame)) == page;
}

struct page_wait {
	const struct vgpu_scene *scene;
	int page;
};

static bool page_is_shown(struct fixture *fixture, void *data) {
	const struct page_wait *wait = data;
	return vgpu_scene_shows(wait->scene, wait->page);
}

void vgpu_scene_step_until_shown(struct vgpu_scene *scene, int page) {
	guard_renew();
	struct page_wait wait = { .scene = scene, .page = page };
	fixture_step_until(&scene->fixture, page_is_shown, &wait);
	vgpu_scene_check_balance(scene);
}

void vgpu_scene_check_screen(struct vgpu_scene *scene, int page) {
	guard_renew();
	struct screenshot shot = screenshot_take(
			&scene->fixture, fixture_get_output_name(&scene->fixture, 0));
	assert_int_equal(shot.width, VGPU_SCENE_WIDTH);
	assert_int_equal(shot.height, VGPU_SCENE_HEIGHT);
	for (int y = 0; y < shot.height; y++) {
		for (int x = 0; x < shot.width; x++) {
			uint32_t pixel = screenshot_get_pixel(&shot, x, y);
			uint32_t expected = vgpu_picture_pixel(
					x, y, shot.width, shot.height, scene->seeds[page]);
			if (pixel != expected) {
				fail_msg("pixel %d,%d is %06x, and %06x in page %d", x, y, pixel,
						expected, page);
			}
		}
	}
	screenshot_finish(&shot);
}

struct vgpu_scene_counts vgpu_scene_count(const struct vgpu_scene *scene) {
	struct oriel_source_counters counters = oriel_source_get_counters(scene->view->source);
	const struct oriel_stats *stats = &scene->view->stats;
	return (struct vgpu_scene_counts){
		.taken = counters.taken,
		.released = counters.released,
		.shown = stats->shown,
		.superseded = stats->superseded,
		.rejected = stats->rejected,
		.over_sync = stats->over_sync,
		.waits = stats->acquire_wait.count,
		.pending = oriel_latch_get_pending_count(scene->view->primary.latch),
	};
}

struct vgpu_scene_counts vgpu_scene_count_since(
		const struct vgpu_scene *scene, const struct vgpu_scene_counts *before) {
	struct vgpu_scene_counts now = vgpu_scene_count(scene);
	return (struct vgpu_scene_counts){
		.taken = now.taken - before->taken,
		.released = now.released - before->released,
		.shown = now.shown - before->shown,
		.superseded = now.superseded - before->superseded,
		.rejected = now.rejected - before->rejected,
		.over_sync = now.over_sync - before->over_sync,
		.waits = now.waits - before->waits,
		.pending = now.pending,
	};
}

void vgpu_scene_check_balance(const struct vgpu_scene *scene) {
	struct vgpu_scene_counts counts = vgpu_scene_count(scene);
	const struct oriel_guest_frame *frame = scene->view->primary.frame;
	uint64_t waiting = counts.pending + (frame != NULL && !frame->sampled ? 1 : 0);
	assert_int_equal(counts.taken, counts.shown + counts.superseded + counts.rejected + waiting);
	uint64_t held = counts.pending + (frame != NULL ? 1 : 0);
	assert_true(counts.released + held <= counts.taken);
}
