#include "guest/drivers/vfio_edid.h"

#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "log_lines.h"

/*
 * A guest's monitor, on a device whose EDID region is played here, as strict as any: 4 bytes at a
 * time, size and blob while the link is down only, the size before the blob. The timer does not
 * run, and is fired by the test.
 */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define DEVICE_FD 1000
#define REGION_OFFSET (INT64_C(9) << 40)
#define BLOB_OFFSET 64
#define BLOB_SIZE_MAX 1024

#define UP VFIO_DEVICE_GFX_LINK_STATE_UP
#define DOWN VFIO_DEVICE_GFX_LINK_STATE_DOWN

#define SETTLE_MS 150
#define LINK_DOWN_MS 100

static struct {
	unsigned int calls, fail_at; /* the call that fails, counted from 1 */
	unsigned int fail_count; /* and how many after it */
	int fail_error;

	int find_error;
	struct vfio_region_gfx_edid registers;
	uint64_t region_size;
	uint8_t blob[BLOB_SIZE_MAX];
	unsigned int garble; /* so many blobs read back wrong */
	bool garbles_now;

	unsigned int finds, reads, writes, links; /* links: how often it went up */
	wl_event_loop_timer_func_t timer_handler; /* NULL: there is no timer */
	void *timer_data;
	int timer_ms; /* 0: not armed */
	unsigned int timer_updates;
} mock;

static const struct oriel_vfio_device device = { .fd = DEVICE_FD };
static struct wl_event_loop *const loop = (struct wl_event_loop *)&mock;

int __wrap_oriel_vfio_device_find_region(const struct oriel_vfio_device *device, uint32_t type,
		uint32_t subtype, struct oriel_vfio_region *ret_region);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at);
struct wl_event_source *__wrap_wl_event_loop_add_timer(
		struct wl_event_loop *loop, wl_event_loop_timer_func_t handler, void *data);
int __wrap_wl_event_source_remove(struct wl_event_source *source);
int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms);

static bool call_fails(void) {
	mock.calls++;
	if (mock.fail_at != 0 && mock.calls >= mock.fail_at &&
			mock.calls <= mock.fail_at + mock.fail_count) {
		errno = mock.fail_error;
		return true;
	}
	return false;
}

static int fail_with(int error) {
	errno = error;
	return -1;
}

int __wrap_oriel_vfio_device_find_region(const struct oriel_vfio_device *of, uint32_t type,
		uint32_t subtype, struct oriel_vfio_region *ret_region) {
	assert_ptr_equal(of, &device);
	assert_int_equal(type, VFIO_REGION_TYPE_GFX);
	assert_int_equal(subtype, VFIO_REGION_SUBTYPE_GFX_EDID);
	mock.finds++;
	if (call_fails()) {
		return mock.fail_error == 0 ? -EPROTO : -mock.fail_error;
	}
	if (mock.find_error != 0) {
		return mock.find_error;
	}
	*ret_region = (struct oriel_vfio_region){
		.index = 9,
		.offset_bytes = REGION_OFFSET,
		.size_bytes = mock.region_size,
	};
	return 0;
}

/* Where in the region an access is, which has to be of 4 bytes and lie within. */
static uint32_t get_place(int fd, size_t size, off_t at) {
	assert_int_equal(fd, DEVICE_FD);
	assert_int_equal(size, sizeof(uint32_t));
	assert_true(at >= REGION_OFFSET);
	uint64_t place = (uint64_t)(at - REGION_OFFSET);
	assert_int_equal(place % sizeof(uint32_t), 0);
	assert_true(place + sizeof(uint32_t) <= mock.region_size);
	return (uint32_t)place;
}

static uint8_t *get_in_blob(uint32_t place) {
	uint32_t offset = mock.registers.edid_offset;
	if (place < offset || place - offset + sizeof(uint32_t) > mock.registers.edid_size) {
		return NULL;
	}
	return mock.blob + (place - offset);
}

ssize_t __wrap_pread(int fd, void *data, size_t size, off_t at) {
	uint32_t place = get_place(fd, size, at);
	mock.reads++;
	if (call_fails()) {
		return mock.fail_error == 0 ? 2 : -1;
	}
	if (place < sizeof(mock.registers)) {
		memcpy(data, (uint8_t *)&mock.registers + place, size);
		return (ssize_t)size;
	}
	const uint8_t *blob = get_in_blob(place);
	if (blob == NULL) {
		return fail_with(EINVAL);
	}
	memcpy(data, blob, size);
	if (mock.garbles_now) {
		*(uint8_t *)data ^= 0x80;
	}
	return (ssize_t)size;
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t at) {
	return __wrap_pread(fd, data, size, at);
}

static int write_register(uint32_t place, uint32_t value) {
	switch (place) {
	case offsetof(struct vfio_region_gfx_edid, link_state):
		if (value != UP && value != DOWN) {
			return EINVAL;
		}
		if (value == DOWN) {
			mock.garbles_now = mock.garble > 0;
			mock.garble -= mock.garbles_now;
		}
		mock.links += value == UP && mock.registers.link_state != UP;
		mock.registers.link_state = value;
		return 0;
	case offsetof(struct vfio_region_gfx_edid, edid_size):
		if (mock.registers.link_state != DOWN) {
			return EBUSY;
		}
		if (value > BLOB_SIZE_MAX) {
			return EINVAL;
		}
		mock.registers.edid_size = value;
		return 0;
	default:
		return EPERM;
	}
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at) {
	uint32_t place = get_place(fd, size, at);
	mock.writes++;
	if (call_fails()) {
		return mock.fail_error == 0 ? 0 : -1;
	}
	if (place < sizeof(mock.registers)) {
		uint32_t value;
		memcpy(&value, data, sizeof(value));
		int error = write_register(place, value);
		return error != 0 ? fail_with(error) : (ssize_t)size;
	}
	uint8_t *blob = get_in_blob(place);
	if (blob == NULL) {
		return fail_with(EINVAL);
	}
	if (mock.registers.link_state != DOWN) {
		return fail_with(EBUSY);
	}
	memcpy(blob, data, size);
	return (ssize_t)size;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t at) {
	return __wrap_pwrite(fd, data, size, at);
}

struct wl_event_source *__wrap_wl_event_loop_add_timer(
		struct wl_event_loop *of, wl_event_loop_timer_func_t handler, void *data) {
	assert_ptr_equal(of, loop);
	if (call_fails()) {
		return NULL;
	}
	assert_null(mock.timer_handler);
	mock.timer_handler = handler;
	mock.timer_data = data;
	return (struct wl_event_source *)&mock;
}

int __wrap_wl_event_source_remove(struct wl_event_source *source) {
	assert_ptr_equal(source, &mock);
	assert_non_null(mock.timer_handler);
	mock.timer_handler = NULL;
	mock.timer_ms = 0;
	return 0;
}

int __wrap_wl_event_source_timer_update(struct wl_event_source *source, int delay_ms) {
	assert_ptr_equal(source, &mock);
	if (delay_ms != 0 && call_fails()) {
		return -1;
	}
	mock.timer_updates++;
	mock.timer_ms = delay_ms;
	return 0;
}

static void fire_timer(void) {
	assert_int_not_equal(mock.timer_ms, 0);
	mock.timer_ms = 0;
	mock.timer_handler(mock.timer_data);
}

static void reset(void) {
	memset(&mock, 0, sizeof(mock));
	mock.registers = (struct vfio_region_gfx_edid){
		.edid_offset = BLOB_OFFSET,
		.edid_max_size = BLOB_SIZE_MAX,
		.link_state = DOWN,
	};
	mock.region_size = BLOB_OFFSET + BLOB_SIZE_MAX;
	log_lines_init();
}

static int setup(void **state) {
	reset();
	return 0;
}

static int teardown(void **state) {
	/* Whatever a test did: no timer outlives the object. */
	return mock.timer_handler == NULL ? 0 : -1;
}

static void assert_one_line(const char *text) {
	assert_int_equal(log_lines_get_count(), 1);
	if (strstr(log_lines_get_last(), "guest win: vfio: ") == NULL ||
			strstr(log_lines_get_last(), text) == NULL) {
		fail_msg("'%s' is not in '%s'", text, log_lines_get_last());
	}
	log_lines_init();
}

static void init(struct oriel_vfio_edid *edid, const struct oriel_source_options *options) {
	static const struct oriel_source_options follow;
	oriel_vfio_edid_init(edid, loop, "win", options != NULL ? options : &follow);
}

static void set_monitor(struct oriel_vfio_edid *edid, int width, int height) {
	oriel_vfio_edid_set_monitor(edid,
			&(struct oriel_guest_monitor){
					.width = width,
					.height = height,
					.refresh_mhz = 75000,
					.width_mm = 600,
					.height_mm = 340,
					.name = "DP-1",
			});
}

/* What the guest finds is the EDID of this mode. */
static void assert_guest_has_info(const struct oriel_edid_info *info) {
	struct oriel_edid expected;
	assert_true(oriel_edid_make(info, &expected));
	assert_true(info->max_yres == 0 || expected.height <= (int)info->max_yres);
	assert_int_equal(mock.registers.link_state, UP);
	assert_int_equal(mock.registers.edid_size, expected.size_bytes);
	assert_memory_equal(mock.blob, expected.data, expected.size_bytes);
}

static void assert_guest_has(int width, int height) {
	assert_guest_has_info(&(struct oriel_edid_info){
			.width = width,
			.height = height,
			.refresh_mhz = 75000,
			.width_mm = 600,
			.height_mm = 340,
			.name = "Oriel DP-1",
			.serial = "win",
			.max_xres = mock.registers.max_xres,
			.max_yres = mock.registers.max_yres,
			.max_size_bytes = BLOB_SIZE_MAX,
	});
}

/* Attached, with a first monitor that the guest has. */
static void init_shown(struct oriel_vfio_edid *edid, int width, int height) {
	init(edid, NULL);
	oriel_vfio_edid_attach(edid, &device);
	set_monitor(edid, width, height);
	assert_guest_has(width, height);
	assert_int_equal(mock.timer_ms, 0);
	mock.writes = mock.links = 0;
}

static void first_monitor_is_written_at_once(void **state) {
	struct oriel_vfio_edid edid;
	init(&edid, NULL);
	oriel_vfio_edid_attach(&edid, &device);
	/* Nothing is asked of a device before there is something to write. */
	assert_int_equal(mock.calls, 0);
	set_monitor(&edid, 0, 480);
	set_monitor(&edid, 640, -1);
	assert_int_equal(mock.calls, 0);

	set_monitor(&edid, 1280, 720);
	assert_guest_has(1280, 720);
	assert_int_equal(mock.links, 1);
	assert_int_equal(mock.timer_ms, 0);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(mock.registers.link_state, UP);
	assert_int_equal(log_lines_get_count(), 0);
}

static void monitor_known_before_is_written_when_the_device_answers(void **state) {
	struct oriel_vfio_edid edid;
	init(&edid, NULL);
	set_monitor(&edid, 1280, 720);
	assert_int_equal(mock.calls, 0);
	oriel_vfio_edid_attach(&edid, &device);
	assert_guest_has(1280, 720);

	/* And to another one that takes its place, at once too. */
	oriel_vfio_edid_detach(&edid);
	set_monitor(&edid, 800, 600);
	assert_guest_has(1280, 720);
	mock.registers.link_state = DOWN;
	oriel_vfio_edid_attach(&edid, &device);
	assert_guest_has(800, 600);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);
}

static void link_that_was_up_stays_down_for_a_while(void **state) {
	struct oriel_vfio_edid edid;
	mock.registers.link_state = UP;
	init(&edid, NULL);
	set_monitor(&edid, 1280, 720);
	oriel_vfio_edid_attach(&edid, &device);
	assert_int_equal(mock.registers.link_state, DOWN);
	assert_int_equal(mock.timer_ms, LINK_DOWN_MS);
	fire_timer();
	assert_guest_has(1280, 720);
	assert_int_equal(mock.timer_ms, 0);
	oriel_vfio_edid_finish(&edid);
}

static void monitor_that_is_no_other_is_not_written(void **state) {
	struct oriel_vfio_edid edid;
	init_shown(&edid, 1280, 720);
	set_monitor(&edid, 1280, 720);
	assert_int_equal(mock.timer_ms, 0);
	assert_int_equal(mock.writes, 0);

	/* Nor is one that the device has from before. */
	oriel_vfio_edid_attach(&edid, &device);
	assert_int_equal(mock.timer_ms, 0);
	assert_int_equal(mock.writes, 0);
	/* Unless the guest has not been shown it. */
	mock.registers.link_state = DOWN;
	oriel_vfio_edid_attach(&edid, &device);
	assert_guest_has(1280, 720);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);
}

static void storm_of_sizes_is_written_once_it_is_over(void **state) {
	struct oriel_vfio_edid edid;
	init_shown(&edid, 1280, 720);
	for (int i = 1; i <= 1000; i++) {
		set_monitor(&edid, 1280 - i % 640, 720);
		/* Begins anew with each. */
		assert_int_equal(mock.timer_updates, i);
		assert_int_equal(mock.timer_ms, SETTLE_MS);
	}
	assert_int_equal(mock.writes, 0);
	fire_timer();
	assert_int_equal(mock.registers.link_state, DOWN);
	assert_int_equal(mock.timer_ms, LINK_DOWN_MS);
	fire_timer();
	assert_guest_has(1280 - 360, 720);
	assert_int_equal(mock.links, 1);
	assert_int_equal(mock.timer_ms, 0);

	/* One that ends where it began changes nothing. */
	mock.writes = 0;
	set_monitor(&edid, 500, 500);
	set_monitor(&edid, 1280 - 360, 720);
	fire_timer();
	assert_int_equal(mock.writes, 0);
	assert_int_equal(mock.timer_ms, 0);
	assert_guest_has(1280 - 360, 720);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);
}

static void change_while_the_link_is_down_comes_after_it(void **state) {
	struct oriel_vfio_edid edid;
	init_shown(&edid, 1280, 720);
	set_monitor(&edid, 800, 600);
	fire_timer();
	assert_int_equal(mock.timer_ms, LINK_DOWN_MS);
	unsigned int writes = mock.writes;
	set_monitor(&edid, 1024, 768);
	set_monitor(&edid, 1600, 900);
	/* The first is not held up. */
	assert_int_equal(mock.timer_ms, LINK_DOWN_MS);
	assert_int_equal(mock.writes, writes);
	fire_timer();
	assert_guest_has(800, 600);
	assert_int_equal(mock.timer_ms, SETTLE_MS);
	fire_timer();
	fire_timer();
	assert_guest_has(1600, 900);
	assert_int_equal(mock.links, 2);
	assert_int_equal(mock.timer_ms, 0);
	oriel_vfio_edid_finish(&edid);
}

static void link_is_brought_up_before_the_device_goes(void **state) {
	struct oriel_vfio_edid edid;
	init_shown(&edid, 1280, 720);
	set_monitor(&edid, 800, 600);
	fire_timer();
	assert_int_equal(mock.registers.link_state, DOWN);
	oriel_vfio_edid_detach(&edid);
	assert_guest_has(800, 600);
	assert_int_equal(mock.timer_ms, 0);

	/* What had not settled is not written any more. */
	oriel_vfio_edid_attach(&edid, &device);
	set_monitor(&edid, 1024, 768);
	assert_int_equal(mock.timer_ms, SETTLE_MS);
	oriel_vfio_edid_finish(&edid);
	assert_guest_has(800, 600);
	oriel_vfio_edid_finish(&edid);

	/* A device that is gone need not say so. */
	reset();
	init_shown(&edid, 1280, 720);
	set_monitor(&edid, 800, 600);
	fire_timer();
	mock.fail_at = mock.calls + 1;
	mock.fail_error = ENODEV;
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);
}

static void limits_of_the_device_are_kept_to(void **state) {
	mock.registers.max_xres = 1024;
	mock.registers.max_yres = 600;
	struct oriel_vfio_edid edid;
	init_shown(&edid, 2048, 1024);
	oriel_vfio_edid_detach(&edid);
	set_monitor(&edid, 800, 1200);
	oriel_vfio_edid_attach(&edid, &device);
	fire_timer();
	assert_guest_has(400, 600);
	/* 5120x2880 at 60 Hz takes a second block, for which there may be no room. */
	oriel_vfio_edid_detach(&edid);
	mock.registers.max_xres = mock.registers.max_yres = 0;
	set_monitor(&edid, 5120, 2880);
	oriel_vfio_edid_attach(&edid, &device);
	fire_timer();
	assert_guest_has(5120, 2880);
	assert_int_equal(mock.registers.edid_size, 256);
	oriel_vfio_edid_detach(&edid);
	mock.registers.edid_max_size = 255;
	oriel_vfio_edid_attach(&edid, &device);
	fire_timer();
	assert_int_equal(mock.registers.edid_size, 128);
	oriel_vfio_edid_detach(&edid);
	assert_int_equal(log_lines_get_count(), 0);

	mock.registers.edid_max_size = 127;
	mock.writes = 0;
	oriel_vfio_edid_attach(&edid, &device);
	assert_one_line("the device has no room for an EDID");
	set_monitor(&edid, 640, 480);
	assert_int_equal(mock.writes, 0);
	assert_int_equal(log_lines_get_count(), 0);
	oriel_vfio_edid_finish(&edid);
}

static void registers_that_make_no_sense_are_refused(void **state) {
	static const struct {
		uint32_t offset, max_size;
		uint64_t region_size;
		const char *text; /* NULL: they do */
	} cases[] = {
		{ 24, 1024, 24 + 1024, NULL },
		{ 64, UINT32_MAX, 64 + 1024, NULL },
		{ 64, 1024, 64 + 128, NULL },
		{ 64, 1024, 64 + 127, "no room" },
		{ 64, 1024, 64, "no room" },
		{ 68, 1024, 64, "cannot be used: Protocol error" },
		{ 0, 1024, 4096, "cannot be used: Protocol error" },
		{ 20, 1024, 4096, "cannot be used: Protocol error" },
		{ 23, 1024, 4096, "cannot be used: Protocol error" },
		{ 26, 1024, 4096, "cannot be used: Protocol error" },
		{ UINT32_MAX - 3, 1024, 4096, "cannot be used: Protocol error" },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		reset();
		mock.registers.edid_offset = cases[i].offset;
		mock.registers.edid_max_size = cases[i].max_size;
		mock.region_size = cases[i].region_size;
		struct oriel_vfio_edid edid;
		init(&edid, NULL);
		oriel_vfio_edid_attach(&edid, &device);
		set_monitor(&edid, 640, 480);
		if (cases[i].text != NULL) {
			assert_one_line(cases[i].text);
			set_monitor(&edid, 800, 600);
			assert_int_equal(mock.writes, 0);
		} else {
			assert_int_equal(mock.registers.link_state, UP);
		}
		assert_int_equal(log_lines_get_count(), 0);
		oriel_vfio_edid_finish(&edid);
	}
}

static void what_is_read_back_wrong_is_written_once_more(void **state) {
	struct oriel_vfio_edid edid;
	mock.garble = 1;
	init_shown(&edid, 1280, 720);
	assert_int_equal(log_lines_get_count(), 0);

	/* And then told, once, and the guest left with what it has. */
	mock.garble = 100;
	set_monitor(&edid, 800, 600);
	fire_timer();
	assert_one_line("reads back another EDID than was written");
	assert_int_equal(mock.garble, 98);
	assert_int_equal(mock.timer_ms, LINK_DOWN_MS);
	fire_timer();
	assert_guest_has(800, 600);
	assert_int_equal(mock.timer_ms, 0);
	set_monitor(&edid, 1024, 768);
	fire_timer();
	fire_timer();
	assert_int_equal(mock.garble, 96);
	assert_int_equal(log_lines_get_count(), 0);
	oriel_vfio_edid_finish(&edid);
}

static void device_that_refuses_is_told_of_once_and_tried_with_each_change(void **state) {
	struct oriel_vfio_edid edid;
	init_shown(&edid, 1280, 720);
	mock.fail_at = mock.calls + 1;
	mock.fail_count = 100000;
	mock.fail_error = EIO;
	set_monitor(&edid, 800, 600);
	assert_one_line("the device's EDID region cannot be used: Input/output error");
	for (int i = 0; i < 100; i++) {
		unsigned int reads = mock.reads;
		set_monitor(&edid, 801 + i, 600);
		assert_int_equal(mock.reads, reads + 1);
		assert_int_equal(mock.timer_ms, 0);
	}
	assert_int_equal(log_lines_get_count(), 0);

	mock.fail_at = 0;
	set_monitor(&edid, 640, 480);
	assert_int_equal(mock.timer_ms, SETTLE_MS);
	fire_timer();
	fire_timer();
	assert_guest_has(640, 480);
	oriel_vfio_edid_finish(&edid);
}

static void device_without_region_is_no_news(void **state) {
	struct oriel_vfio_edid edid;
	mock.find_error = -ENOENT;
	init(&edid, NULL);
	oriel_vfio_edid_attach(&edid, &device);
	for (int i = 0; i < 10; i++) {
		set_monitor(&edid, 640 + i, 480);
	}
	assert_int_equal(mock.finds, 1);
	assert_int_equal(mock.reads + mock.writes, 0);
	assert_int_equal(log_lines_get_count(), 0);
	oriel_vfio_edid_finish(&edid);

	/* Unless the user has asked for something. */
	init(&edid,
			&(struct oriel_source_options){
					.edid = ORIEL_SOURCE_EDID_MODE,
					.edid_width = 800,
					.edid_height = 600,
			});
	oriel_vfio_edid_attach(&edid, &device);
	assert_one_line("the device takes no EDID");
	oriel_vfio_edid_finish(&edid);

	/* Or it cannot be said. */
	mock.find_error = -EIO;
	init(&edid, NULL);
	oriel_vfio_edid_attach(&edid, &device);
	set_monitor(&edid, 640, 480);
	assert_one_line("the device takes no EDID: Input/output error");
	mock.find_error = 0;
	set_monitor(&edid, 640, 480);
	assert_guest_has(640, 480);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);
}

static void mode_of_the_user_is_kept_whatever_shows_it(void **state) {
	const struct oriel_source_options options = {
		.edid = ORIEL_SOURCE_EDID_MODE,
		.edid_width = 1600,
		.edid_height = 900,
		.edid_refresh_mhz = 50000,
	};
	const struct oriel_edid_info info = {
		.width = 1600,
		.height = 900,
		.refresh_mhz = 50000,
		.serial = "win",
		.max_size_bytes = BLOB_SIZE_MAX,
	};
	struct oriel_vfio_edid edid;
	init(&edid, &options);
	oriel_vfio_edid_attach(&edid, &device);
	assert_guest_has_info(&info);
	unsigned int calls = mock.calls;
	set_monitor(&edid, 640, 480);
	assert_int_equal(mock.calls, calls);
	oriel_vfio_edid_finish(&edid);

	/* What failed is tried again when there is a reason to. */
	reset();
	mock.fail_at = 10;
	mock.fail_error = EAGAIN;
	init(&edid, &options);
	oriel_vfio_edid_attach(&edid, &device);
	assert_one_line("Resource temporarily unavailable");
	set_monitor(&edid, 640, 480);
	if (mock.timer_ms != 0) {
		fire_timer();
	}
	assert_guest_has_info(&info);
	oriel_vfio_edid_finish(&edid);
}

static void blob_of_the_user_is_written_as_it_is(void **state) {
	uint8_t blob[3 * ORIEL_EDID_BLOCK_SIZE];
	for (size_t i = 0; i < sizeof(blob); i++) {
		blob[i] = (uint8_t)(i * 13);
	}
	struct oriel_source_options options = {
		.edid = ORIEL_SOURCE_EDID_BLOB,
		.edid_blob = blob,
		.edid_blob_size_bytes = sizeof(blob),
	};
	struct oriel_vfio_edid edid;
	init(&edid, &options);
	oriel_vfio_edid_attach(&edid, &device);
	set_monitor(&edid, 640, 480);
	assert_int_equal(mock.registers.link_state, UP);
	assert_int_equal(mock.registers.edid_size, sizeof(blob));
	assert_memory_equal(mock.blob, blob, sizeof(blob));
	assert_int_equal(mock.links, 1);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(log_lines_get_count(), 0);

	mock.registers.edid_max_size = sizeof(blob) - 1;
	mock.writes = 0;
	init(&edid, &options);
	oriel_vfio_edid_attach(&edid, &device);
	assert_one_line("the device has no room for the EDID");
	assert_int_equal(mock.writes, 0);
	oriel_vfio_edid_finish(&edid);
}

static void no_edid_means_that_the_region_is_never_touched(void **state) {
	struct oriel_vfio_edid edid;
	init(&edid, &(struct oriel_source_options){ .edid = ORIEL_SOURCE_EDID_NONE });
	oriel_vfio_edid_attach(&edid, &device);
	set_monitor(&edid, 640, 480);
	oriel_vfio_edid_detach(&edid);
	oriel_vfio_edid_finish(&edid);
	assert_int_equal(mock.calls, 0);
}

static void name_is_that_of_the_output(void **state) {
	struct oriel_vfio_edid edid;
	init(&edid, NULL);
	oriel_vfio_edid_attach(&edid, &device);
	struct oriel_guest_monitor monitor = { .width = 640, .height = 480 };
	struct oriel_edid_info info = {
		.width = 640,
		.height = 480,
		.name = "Oriel",
		.serial = "win",
		.max_size_bytes = BLOB_SIZE_MAX,
	};
	oriel_vfio_edid_set_monitor(&edid, &monitor);
	assert_guest_has_info(&info);

	/* Borrowed only for the call, and of any length. */
	char name[1000];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	monitor.name = name;
	oriel_vfio_edid_set_monitor(&edid, &monitor);
	memset(name, 'y', sizeof(name) - 1);
	fire_timer();
	fire_timer();
	info.name = "Oriel xxxxxxx";
	assert_guest_has_info(&info);
	oriel_vfio_edid_finish(&edid);
}

/*
 * Any call fails once, with an error or by doing nothing: there is at most one line, the link is
 * left up if anything can do that, and the next change is written.
 */
static void any_failed_call_is_survived(void **state) {
	static const int errors[] = { EIO, EINVAL, EBUSY, ENOMEM, 0 };
	unsigned int walked = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		for (unsigned int n = 1;; n++) {
			reset();
			mock.fail_at = n;
			mock.fail_error = errors[i];
			mock.registers.link_state = UP;
			struct oriel_vfio_edid edid;
			init(&edid, NULL);
			oriel_vfio_edid_attach(&edid, &device);
			static const int widths[] = { 640, 800, 1024 };
			for (size_t j = 0; j < ARRAY_LENGTH(widths); j++) {
				set_monitor(&edid, widths[j], 480);
				while (mock.timer_ms != 0) {
					fire_timer();
				}
			}
			bool failed = mock.calls >= n;
			mock.fail_at = 0;
			/* The last one may be what failed. */
			set_monitor(&edid, 1280, 720);
			while (mock.timer_ms != 0) {
				fire_timer();
			}
			assert_guest_has(1280, 720);
			assert_true(log_lines_get_count() <= 1);
			oriel_vfio_edid_finish(&edid);
			assert_null(mock.timer_handler);
			if (!failed) {
				break;
			}
			walked++;
		}
	}
	assert_true(walked > 500);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_monitor_is_written_at_once),
		TEST(monitor_known_before_is_written_when_the_device_answers),
		TEST(link_that_was_up_stays_down_for_a_while),
		TEST(monitor_that_is_no_other_is_not_written),
		TEST(storm_of_sizes_is_written_once_it_is_over),
		TEST(change_while_the_link_is_down_comes_after_it),
		TEST(link_is_brought_up_before_the_device_goes),
		TEST(limits_of_the_device_are_kept_to),
		TEST(registers_that_make_no_sense_are_refused),
		TEST(what_is_read_back_wrong_is_written_once_more),
		TEST(device_that_refuses_is_told_of_once_and_tried_with_each_change),
		TEST(device_without_region_is_no_news),
		TEST(mode_of_the_user_is_kept_whatever_shows_it),
		TEST(blob_of_the_user_is_written_as_it_is),
		TEST(no_edid_means_that_the_region_is_never_touched),
		TEST(name_is_that_of_the_output),
		TEST(any_failed_call_is_survived),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
