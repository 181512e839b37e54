#ifndef ORIEL_TESTS_PLAYER_H
#define ORIEL_TESTS_PLAYER_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct fixture;
struct oriel_guest_view;
struct vgpu_guest;

/*
 * A vGPU of its own with a guest that shows one of several pages, each with a picture of its own.
 * Each page's dma-buf is held open: to tell pages apart, and to put fences in. A failure fails the
 * test, here and below.
 */
#define PLAYER_PAGES_MAX 6

struct player {
	char uuid[37];
	struct vgpu_guest *guest;
	int width, height; /* pixels */
	int page_count;
	int page; /* shown now: at first 0 */
	uint32_t first_seed; /* page n has the picture of seed first_seed + n */
	int dmabuf_fds[PLAYER_PAGES_MAX];
};

/* Pictures of players whose seeds are PLAYER_PAGES_MAX apart are all different. */
void player_init(struct player *player, const char *mdev_type, int width, int height,
		int page_count, uint32_t first_seed);

/* Removes the device, which waits for ever if somebody else has it open. */
void player_finish(struct player *player);

void player_flip(struct player *player, int page);

/* Notes which of the player's pages outputs show. One player may be watched in several views. */
struct player_watch {
	const struct player *player;
	struct oriel_guest_view *view;
	int page; /* of the frame that an output read last; -1: none of the pages, or no frame */
	struct wl_listener output_sample;
};

void player_watch_init(struct player_watch *watch, const struct player *player,
		struct oriel_guest_view *view);

/* Before the view goes. */
void player_watch_finish(struct player_watch *watch);

/* Steps until an output has read that page. */
void player_wait_for_page(struct fixture *fixture, struct player_watch *watch, int page);

/* Compares a screenshot of the output that the view is on with the page's picture. */
void player_assert_picture(struct fixture *fixture, const struct player_watch *watch, int page);

#endif
