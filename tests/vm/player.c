#include "player.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "screenshot.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

void player_init(struct player *player, const char *mdev_type, int width, int height,
		int page_count, uint32_t first_seed) {
	assert_int_equal(vgpu_mdev_create(mdev_type, player->uuid), 0);
	player->guest = vgpu_guest_open(player->uuid);
	assert_non_null(player->guest);
	assert_int_equal(vgpu_guest_set_mode(player->guest, width, height, width, page_count), 0);
	player->width = width;
	player->height = height;
	player->page_count = page_count;
	player->page = 0;
	player->first_seed = first_seed;
	for (int i = 0; i < page_count; i++) {
		vgpu_guest_paint(player->guest, i, first_seed + (uint32_t)i);
		assert_int_equal(vgpu_guest_get_page_dmabuf(
						 player->guest, i, &player->dmabuf_fds[i], NULL),
				0);
	}
}

void player_finish(struct player *player) {
	for (int i = 0; i < player->page_count; i++) {
		close(player->dmabuf_fds[i]);
	}
	vgpu_guest_close(player->guest);
	assert_int_equal(vgpu_mdev_remove(player->uuid), 0);
}

void player_flip(struct player *player, int page) {
	assert_int_equal(vgpu_guest_flip(player->guest, page), 0);
	player->page = page;
}

static void watch_look(struct player_watch *watch) {
	const struct oriel_guest_buffer *buffer =
			oriel_guest_frame_get_buffer(watch->view->primary.frame);
	watch->page = -1;
	/* All files of a dma-buf are one inode. */
	struct stat shown, page;
	assert_int_equal(fstat(oriel_guest_buffer_get_dmabuf_fd(buffer), &shown), 0);
	for (int i = 0; i < watch->player->page_count; i++) {
		assert_int_equal(fstat(watch->player->dmabuf_fds[i], &page), 0);
		if (page.st_ino == shown.st_ino) {
			watch->page = i;
		}
	}
}

static void watch_handle_output_sample(struct wl_listener *listener, void *data) {
	struct player_watch *watch = wl_container_of(listener, watch, output_sample);
	watch_look(watch);
}

void player_watch_init(struct player_watch *watch, const struct player *player,
		struct oriel_guest_view *view) {
	*watch = (struct player_watch){
		.player = player,
		.view = view,
		.page = -1,
		.output_sample.notify = watch_handle_output_sample,
	};
	wl_signal_add(&view->primary.scene_buffer->events.output_sample, &watch->output_sample);
	/* A guest that stands still may have been shown, and then is not read again. */
	if (view->primary.frame != NULL && view->primary.frame->sampled) {
		watch_look(watch);
	}
}

void player_watch_finish(struct player_watch *watch) {
	wl_list_remove(&watch->output_sample.link);
}

struct page_wait {
	const struct player_watch *watch;
	int page;
};

static bool page_wait_is_over(struct fixture *fixture, void *data) {
	const struct page_wait *wait = data;
	return wait->watch->page == wait->page;
}

void player_wait_for_page(struct fixture *fixture, struct player_watch *watch, int page) {
	struct page_wait wait = { .watch = watch, .page = page };
	fixture_step_until(fixture, page_wait_is_over, &wait);
}

void player_assert_picture(struct fixture *fixture, const struct player_watch *watch, int page) {
	const struct player *player = watch->player;
	const char *output_name = watch->view->output->name;
	struct screenshot shot = screenshot_take(fixture, output_name);
	assert_int_equal(shot.width, player->width);
	assert_int_equal(shot.height, player->height);
	for (int y = 0; y < shot.height; y++) {
		for (int x = 0; x < shot.width; x++) {
			uint32_t pixel = screenshot_get_pixel(&shot, x, y);
			uint32_t expected = vgpu_picture_pixel(x, y, shot.width, shot.height,
					player->first_seed + (uint32_t)page);
			if (pixel != expected) {
				fail_msg("output %s is 0x%06x at %d,%d, and page %d 0x%06x",
						output_name, pixel, x, y, page, expected);
			}
		}
	}
	screenshot_finish(&shot);
}
