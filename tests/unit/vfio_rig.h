#ifndef TESTS_UNIT_VFIO_RIG_H
#define TESTS_UNIT_VFIO_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/source.h"

struct oriel_guest_buffer;
struct oriel_guest_frame;

/*
 * The vfio driver on a kernel that is played here. /dev/zero stands for the device and /dev/null
 * for the iommufd, so that what is opened, duplicated and closed are real files and can be
 * counted; memfds stand for dma-bufs. A tree in a temporary directory stands for /sys. Needs
 * -Wl,--wrap for every function that has a __wrap_ in vfio_rig.c.
 */

#define MSEC_NS UINT64_C(1000000)
#define POLL_NS (16 * MSEC_NS)

#define MDEV "/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define DEVICE_PATH "/dev/vfio/devices/vfio3"

struct plane {
	uint32_t width, height, stride, format, id;
	uint64_t modifier;
	uint32_t size; /* as the driver says; nothing is believed of it but 0 */
};

/* To be set by the test, and what was asked for. */
struct mock {
	unsigned int calls, fail_at; /* the call that fails, counted from 1 */
	int fail_error;

	uint64_t now_ns;
	int open_error, iommufd_error, bind_error;
	int probe_dmabuf_error, probe_region_error;
	bool bound;
	bool group; /* the device's file is one of the legacy group: an eventfd stands for it */
	bool removed;

	int query_error;
	bool query_fails_once; /* query_error is over after one query */
	struct plane plane;
	int get_error;
	uint64_t memory_bytes;
	unsigned int binds, queries, gets;

	/* Of dma-bufs; without, whether somebody writes to one is not known. */
	bool has_fences, writer_is_pending;

	/* Of the region that a display is whose plane's id that is. */
	uint32_t region_index, region_flags;
	uint64_t region_offset;
	unsigned int region_infos;

	int cursor_error;
	struct plane cursor; /* format 0: it is off */
	uint32_t cursor_x, cursor_y, cursor_hot_x, cursor_hot_y;
	unsigned int cursor_queries, cursor_gets;
};

extern struct mock mock;

/* What the consumer was told. */
struct consumer {
	unsigned int frames, states;
	enum oriel_source_state state;
	bool is_full[ORIEL_GUEST_PLANE_COUNT]; /* wants nothing */
	bool hold;
	struct oriel_guest_frame *held; /* the last one of the primary plane, if hold */
	struct oriel_guest_buffer *buffer; /* of the last one */

	unsigned int cursor_frames, cursor_moves;
	struct oriel_guest_frame *held_cursor; /* the last one, if hold */
	bool cursor_is_shown;
	struct oriel_guest_cursor cursor; /* as it was shown last */
};

extern struct consumer consumer;

extern const struct plane plane_640;
extern int fd_count_at_start;
/* Of a case in a table, counted from 1; 0 between cases. */
extern size_t step_now;

/* Makes and removes the tree that stands for /sys; for main(). */
bool vfio_rig_init(void);
void vfio_rig_finish(void);
/* A directory in it. */
void make_dir(const char *path);

/* All as it is at first. */
void reset(void);
int setup(void **state);
int teardown(void **state);

/* open() and fcntl(), of the real kernel. */
int open_real(const char *path, int flags);
int get_fd_flags(int fd);

struct oriel_source *create(const char *where);
struct oriel_source *create_device(void);
/* With a file of the device that the test has, and closes. */
struct oriel_source *create_handed_over(int *ret_fd);
/* Lets go of what is held. */
void drop_held(void);
void poll_for(struct oriel_source *source, uint64_t time_ns);
void destroy_balanced(struct oriel_source *source);

/* One line since the last look, about our guest and with text in it. */
void assert_one_line(const char *text);

#endif
