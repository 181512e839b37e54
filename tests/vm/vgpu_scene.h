#ifndef ORIEL_TESTS_VGPU_SCENE_H
#define ORIEL_TESTS_VGPU_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"

struct oriel_guest_buffer;
struct oriel_guest_view;
struct vgpu_guest;

/*
 * One vGPU on the first output of an oriel in this process, the output being of the vGPU's size,
 * and the fences of the vGPU's buffers in the test's hands. Each page of the vGPU is a dma-buf,
 * with a picture of its own.
 *
 * A test looks at three things: the screen, oriel's counters, and the fences in a page's dma-buf.
 * What oriel would do by itself between two looks, it does only while the test steps it.
 *
 * Nobody may wait for a fence that the test has not signalled. A thread that does is set free
 * after VGPU_SCENE_STUCK_S seconds by signalling all fences, and the test fails.
 */

#define VGPU_SCENE_WIDTH 64
#define VGPU_SCENE_HEIGHT 64
/* One that is shown, as many as the latch's mailbox holds, and two that do not fit. */
#define VGPU_SCENE_PAGES 7
#define VGPU_SCENE_FENCES_MAX 16
#define VGPU_SCENE_STUCK_S 60

struct vgpu_scene {
	struct fixture fixture;
	struct vgpu_guest *guest;
	struct oriel_guest_view *view;
	int page; /* that the guest shows */
	uint32_t seeds[VGPU_SCENE_PAGES]; /* of the pages' pictures */
	int dmabuf_fds[VGPU_SCENE_PAGES];
	int timeline_fds[VGPU_SCENE_FENCES_MAX];
	bool fence_is_taken[VGPU_SCENE_FENCES_MAX];

	char uuid[37];
	bool is_running; /* the fixture is up */
	int fds_before;
};

/*
 * Makes the vGPU and starts oriel; returns when page 0 is shown. A failure fails the test. The
 * guest names no output. Where the headless backend makes two outputs, they are of one size.
 */
void vgpu_scene_start(struct vgpu_scene *scene);

/* Ends oriel alone; vgpu_scene_finish() will do the rest. */
void vgpu_scene_end_oriel(struct vgpu_scene *scene);

/*
 * Ends all of it, wherever the test stopped. Returns 0, or -1 after a message if files are left
 * open or a thread was stuck.
 */
int vgpu_scene_finish(struct vgpu_scene *scene);

/* Paints another picture to a page. */
void vgpu_scene_paint(struct vgpu_scene *scene, int page, uint32_t seed);

/* Shows a page, as the guest does. oriel sees it when it asks next. */
void vgpu_scene_flip(struct vgpu_scene *scene, int page);

/* Has oriel ask for a frame now, without a refresh, and checks that it took one. */
void vgpu_scene_take(struct vgpu_scene *scene);

/*
 * Puts a pending fence into a page's dma-buf, of a writer or of a reader. Returns its number, for
 * vgpu_scene_signal().
 */
size_t vgpu_scene_add_writer(struct vgpu_scene *scene, int page);
size_t vgpu_scene_add_reader(struct vgpu_scene *scene, int page);
/* A pending fence that is in no dma-buf yet; *ret_sync_file_fd is the caller's. */
size_t vgpu_scene_create_fence(struct vgpu_scene *scene, int *ret_sync_file_fd);
void vgpu_scene_signal(struct vgpu_scene *scene, size_t fence);
/*
 * Ends the fence's timeline, and its number may be given again. If it is pending it signals, with
 * an error as that of a job that was aborted.
 */
void vgpu_scene_drop_fence(struct vgpu_scene *scene, size_t fence);

/* Checks how many fences are pending in a page's dma-buf. */
void vgpu_scene_check_fences(struct vgpu_scene *scene, int page, int writers, int readers);

/* The page whose memory a buffer of oriel's is, or -1. */
int vgpu_scene_find_page(const struct vgpu_scene *scene, const struct oriel_guest_buffer *buffer);

/* True if an output has read the frame that oriel has, and that is the page's. */
bool vgpu_scene_shows(const struct vgpu_scene *scene, int page);
/* Steps until it does. The event loop has turned no further then. */
void vgpu_scene_step_until_shown(struct vgpu_scene *scene, int page);

/* Compares the output, as a client captures it, with a page's picture. Steps a few refreshes. */
void vgpu_scene_check_screen(struct vgpu_scene *scene, int page);

/* What became of the guest's frames. */
struct vgpu_scene_counts {
	uint64_t taken, released, shown, superseded, rejected, over_sync;
	uint64_t waits; /* in the histogram */
	size_t pending; /* now, in the latch */
};
struct vgpu_scene_counts vgpu_scene_count(const struct vgpu_scene *scene);
/* What was counted since; pending is how many there are now. */
struct vgpu_scene_counts vgpu_scene_count_since(
		const struct vgpu_scene *scene, const struct vgpu_scene_counts *before);

/* Checks that every frame taken is in one place, and in one only. */
void vgpu_scene_check_balance(const struct vgpu_scene *scene);

#endif
