#ifndef TESTS_PROTOCOL_SCREEN_RIG_H
#define TESTS_PROTOCOL_SCREEN_RIG_H

#include <pixman.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_display.h"
#include "fixture.h"

struct fake_qemu;
struct oriel_guest_view;

/*
 * A guest called win on the screen of a whole oriel, and below it a fake QEMU that has a listener. In a
 * program with this a memfd stands for a dma-buf, of guest memory by udmabuf, and nobody ever writes to
 * one for long.
 */
#define WIDTH 96
#define HEIGHT 64
#define STRIDE_BYTES (WIDTH * 4)
#define SIZE_BYTES ((size_t)STRIDE_BYTES * HEIGHT)
#define FORMAT PIXMAN_x8r8g8b8

struct rig {
	struct fixture fixture;
	struct fake_qemu *machine;
	struct fake_display display;
	struct oriel_guest_view *view;
};

/* The machine is handed over to win, of the configuration; its listener is there. */
void rig_init(struct rig *rig, const char *config_text);
void rig_finish(struct rig *rig);

/* What was sent has come, and been acted on. */
void rig_settle(struct rig *rig);
/* Until so many more frames of the guest's have been drawn. */
void rig_wait_for_frames(struct rig *rig, uint64_t count);
/* Until the listener has given so many answers since it is there. */
void rig_wait_for_answers(struct rig *rig, unsigned count);
/* Until there is another listener. The display before is the caller's to finish. */
void rig_wait_for_listener(struct rig *rig);

/* A memfd, which is the caller's as its memory is. */
int rig_make_memory(size_t size_bytes, uint8_t **ret_data);

/* A picture of which no two pixels near each other are the same, nor any of another seed. */
uint32_t picture_get(int x, int y, uint32_t seed);
/* width x height of a picture of that seed, at some place of memory with that stride. */
void picture_draw(uint8_t *data, size_t stride_bytes, int width, int height, uint32_t seed);

/* By Scanout. */
void rig_send_bytes(struct rig *rig, uint32_t seed);
void rig_assert_shows(struct rig *rig, uint32_t seed);

#endif
