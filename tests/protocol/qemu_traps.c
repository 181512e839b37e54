/*
 * What QEMU has been seen to do that a display of it runs into, and what a hostile one could do, all
 * played to the whole compositor: after each the screen shows what it has to, no file is left open, the
 * other guest has had its rate all the while, and the machine that plays is shown when it plays fair.
 */
#include <drm_fourcc.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fake_qemu.h"
#include "fds.h"
#include "guest/source.h"
#include "screen_rig.h"
#include "screenshot.h"
#include "server.h"
#include "view/guest_view.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define CONFIG                                                                                     \
	"output OUTPUT-1 {\n\tmode 96x64@240\n}\n"                                                 \
	"output OUTPUT-2 {\n\tmode 64x48@240\n}\n"                                                 \
	"guest win {\n\tsource qemu handover\n\toutput OUTPUT-1\n}\n"                              \
	"guest other {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n"

#define SHOWN_BEFORE 1 /* the seed of the picture that each trap begins with */
#define SHOWN_AFTER 99
#define FLOOD 10000
#define LATER 72 /* refreshes, at 240 Hz: longer than any word of QEMU's is waited for */

struct play {
	struct rig rig;
	const struct oriel_guest_view *other;
	/* Memory of a machine's, larger than the picture. */
	int fds[2];
	uint8_t *data[2];
	size_t size_bytes;
	uint64_t shown; /* frames, when its fair picture was sent or looked for */
	bool is_fair;
};

struct trap {
	const char *name;
	void (*play)(struct play *play);
	uint32_t shows; /* the seed of the picture at its end; 0: it has looked itself */
};

/* The other guest's output is refreshed so often, and the guest has a new picture each time. */
static void refresh(struct play *play, unsigned count) {
	uint64_t taken = oriel_source_get_counters(play->other->source).taken;
	for (unsigned i = 0; i < count; i++) {
		fake_display_step(&play->rig.display);
		fixture_step_output_refreshes(&play->rig.fixture, play->other->output->name, 1);
	}
	taken = oriel_source_get_counters(play->other->source).taken - taken;
	/* The first and the last refresh may have been under way. */
	assert_uint_in_range(taken, count - 1, count + 1);
}

static void draw(struct play *play, int which, uint32_t seed) {
	picture_draw(play->data[which], STRIDE_BYTES, WIDTH, HEIGHT, seed);
}

static void send_map(struct play *play, int which) {
	fake_display_scanout_map(&play->rig.display, play->fds[which], 0, WIDTH, HEIGHT,
			STRIDE_BYTES, FORMAT);
}

static void send_dmabuf(struct play *play, int which) {
	fake_display_scanout_dmabuf(&play->rig.display, play->fds[which], WIDTH, HEIGHT,
			STRIDE_BYTES, DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_INVALID, false);
}

static void send_update(struct play *play) {
	fake_display_update_dmabuf(&play->rig.display, 0, 0, WIDTH, HEIGHT);
}

/* One plane of the first memory, all of which is the picture. */
static struct fake_display_dmabuf make_dmabuf(const struct play *play) {
	return (struct fake_display_dmabuf){
		.fds = { play->fds[0] },
		.strides = { STRIDE_BYTES },
		.fd_count = 1,
		.offset_count = 1,
		.stride_count = 1,
		.plane_count = 1,
		.width = WIDTH,
		.height = HEIGHT,
		.backing_width = WIDTH,
		.backing_height = HEIGHT,
		.fourcc = DRM_FORMAT_XRGB8888,
		.modifier = DRM_FORMAT_MOD_LINEAR,
	};
}

/* --- what QEMU does --------------------------------------------------------------------------- */

/* QEMU stands still until its questions and a ScanoutMap are answered: no frame is waited for. */
static void map_is_answered_at_once(struct play *play) {
	draw(play, 0, 2);
	const uint64_t shown = play->rig.view->stats.shown;
	fake_display_ask_interfaces(&play->rig.display);
	send_map(play, 0);
	rig_settle(&play->rig);
	assert_true(play->rig.display.has_map && play->rig.display.has_dmabuf2);
	assert_int_equal(play->rig.display.answers, 1);
	assert_int_equal(play->rig.display.errors, 0);
	assert_int_equal(play->rig.view->stats.shown, shown);
}

/* A mode's Scanout is forgotten; another listener is told the whole picture. */
static void mode_without_a_scanout_gets_another_listener(struct play *play) {
	static const uint8_t row[(WIDTH + 8) * 4];
	fake_display_update(&play->rig.display, 0, 0, WIDTH + 8, 1, sizeof(row), FORMAT, row,
			sizeof(row));
	rig_settle(&play->rig);
	sd_bus *before = play->rig.display.bus;
	rig_wait_for_listener(&play->rig);
	sd_bus_close_unref(before);
}

/* memfds of QEMU's are not sealed. */
static void map_that_shrinks_keeps_the_picture(struct play *play) {
	draw(play, 0, 2);
	send_map(play, 0);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, HEIGHT);
	rig_wait_for_frames(&play->rig, 1);
	assert_int_equal(ftruncate(play->fds[0], 4096), 0);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, HEIGHT);
	refresh(play, 2);
	assert_int_equal(ftruncate(play->fds[0], 0), 0);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, HEIGHT);
}

static void map_that_shrinks_before_it_is_shown_is_none(struct play *play) {
	send_map(play, 0);
	rig_settle(&play->rig);
	assert_int_equal(ftruncate(play->fds[0], 0), 0);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, HEIGHT);
}

/* As blob resources have without gl: QEMU falls back to bytes when it is told of an error. */
static void files_that_are_no_memory_are_refused(struct play *play) {
	int pipe_fds[2], socket_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_fds), 0);
	uint8_t *data;
	const int fds[] = {
		open("/dev/null", O_RDWR),
		open("/dev/zero", O_RDWR),
		open("/", O_RDONLY | O_DIRECTORY),
		pipe_fds[0],
		pipe_fds[1],
		socket_fds[0],
		epoll_create1(0),
		memfd_create("empty", 0),
		rig_make_memory(SIZE_BYTES - 1, &data),
	};
	munmap(data, SIZE_BYTES - 1);
	struct fake_display *display = &play->rig.display;
	unsigned errors = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
		assert_true(fds[i] >= 0);
		fake_display_scanout_map(display, fds[i], 0, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT);
		rig_settle(&play->rig);
		assert_int_equal(display->errors, ++errors);
		assert_int_equal(display->answers, errors);
		fake_display_update_map(display, 0, 0, WIDTH, HEIGHT);
		fake_display_scanout_dmabuf(display, fds[i], WIDTH, HEIGHT, STRIDE_BYTES,
				DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
		refresh(play, 2);
		close(fds[i]);
	}
	close(socket_fds[1]);
	rig_send_bytes(&play->rig, 2);
	rig_wait_for_frames(&play->rig, 1);
}

/* y0_top says that the first row is the lowest one, and may change from one scanout to the next. */
static void rows_turn_with_each_scanout(struct play *play) {
	struct fake_display_dmabuf dmabuf = make_dmabuf(play);
	for (uint32_t seed = 2; seed < 8; seed++) {
		dmabuf.y0_top = seed % 2;
		for (int y = 0; y < HEIGHT; y++) {
			uint32_t *row = (uint32_t *)(play->data[0] + (size_t)y * STRIDE_BYTES);
			for (int x = 0; x < WIDTH; x++) {
				row[x] = picture_get(x, dmabuf.y0_top ? HEIGHT - 1 - y : y, seed);
			}
		}
		fake_display_scanout_dmabuf2(&play->rig.display, &dmabuf);
		send_update(play);
		rig_wait_for_frames(&play->rig, 1);
		rig_assert_shows(&play->rig, seed);
	}
}

/* As a virtio-gpu blob's flip releases the buffer before it. */
static void disable_after_a_scanout_is_of_the_one_before(struct play *play) {
	draw(play, 0, 2);
	draw(play, 1, 3);
	for (int which = 0; which < 2; which++) {
		send_dmabuf(play, which);
		fake_display_disable(&play->rig.display);
		send_update(play);
		rig_wait_for_frames(&play->rig, 1);
		refresh(play, LATER);
		assert_int_equal(oriel_source_get_state(play->rig.view->source),
				ORIEL_SOURCE_STATE_RUNNING);
		rig_assert_shows(&play->rig, (uint32_t)which + 2);
	}
}

/* What has not been sent yet is thrown away with a Disable, a new scanout too. */
static void scanout_that_was_lost_leaves_the_one_before(struct play *play) {
	draw(play, 0, 2);
	send_dmabuf(play, 0);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
	fake_display_disable(&play->rig.display);
	draw(play, 0, 3);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
	refresh(play, LATER);
}

/* As a vGPU's reset. */
static void reset_disables_twice(struct play *play) {
	draw(play, 0, 2);
	draw(play, 1, 3);
	send_dmabuf(play, 0);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
	fake_display_disable(&play->rig.display);
	fake_display_disable(&play->rig.display);
	rig_settle(&play->rig);
	rig_assert_shows(&play->rig, 2);
	send_dmabuf(play, 1);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
	refresh(play, LATER);
}

static bool is_off(struct fixture *fixture, void *data) {
	const struct play *play = data;
	return oriel_source_get_state(play->rig.view->source) == ORIEL_SOURCE_STATE_OFF;
}

static void disable_that_is_meant_switches_off(struct play *play) {
	fake_display_disable(&play->rig.display);
	fake_display_step(&play->rig.display);
	fixture_step_until(&play->rig.fixture, is_off, play);
}

/* Before each surface comes one of QEMU's own, of its size, in which nothing is drawn. */
static void placeholders_are_never_shown(struct play *play) {
	draw(play, 0, 50);
	send_map(play, 0);
	refresh(play, LATER);
	rig_assert_shows(&play->rig, SHOWN_BEFORE);
	draw(play, 1, 2);
	send_map(play, 0);
	send_map(play, 0);
	send_map(play, 1);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, 16);
	rig_wait_for_frames(&play->rig, 1);
	rig_assert_shows(&play->rig, 2);
	send_dmabuf(play, 0);
	rig_settle(&play->rig);
	draw(play, 1, 3);
	send_dmabuf(play, 1);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
}

/* A new listener of a machine that stands still is told the buffer and nothing more. */
static void dmabuf_that_stands_still_is_shown(struct play *play) {
	draw(play, 0, 2);
	send_dmabuf(play, 0);
	rig_wait_for_frames(&play->rig, 1);
}

/* Rows of 1400 pixels have come with 5632 bytes, in buffers larger than all of them. */
static void stride_is_not_the_widths(struct play *play) {
	picture_draw(play->data[0] + 512, STRIDE_BYTES + 100, WIDTH, HEIGHT, 2);
	struct fake_display_dmabuf dmabuf = make_dmabuf(play);
	dmabuf.offsets[0] = 512;
	dmabuf.strides[0] = STRIDE_BYTES + 100;
	dmabuf.backing_height = HEIGHT + 20;
	dmabuf.modifier = DRM_FORMAT_MOD_INVALID;
	fake_display_scanout_dmabuf2(&play->rig.display, &dmabuf);
	send_update(play);
	rig_wait_for_frames(&play->rig, 1);
	rig_assert_shows(&play->rig, 2);
	picture_draw(play->data[1] + 512, STRIDE_BYTES + 100, WIDTH, HEIGHT, 3);
	fake_display_scanout_map(&play->rig.display, play->fds[1], 512, WIDTH, HEIGHT,
			STRIDE_BYTES + 100, FORMAT);
	fake_display_update_map(&play->rig.display, 0, 0, WIDTH, HEIGHT);
	rig_wait_for_frames(&play->rig, 1);
}

/* A vGPU's are sent every 30 ms, whether the one before has been answered or not. */
static void updates_that_wait_for_no_answer_are_all_answered(struct play *play) {
	draw(play, 0, 2);
	send_dmabuf(play, 0);
	const uint64_t shown = play->rig.view->stats.shown;
	for (int i = 0; i < 93; i++) {
		send_update(play);
	}
	rig_wait_for_answers(&play->rig, 93);
	assert_int_equal(play->rig.display.errors, 0);
	refresh(play, 2);
	assert_uint_in_range(play->rig.view->stats.shown - shown, 1, 4);
}

/* The largest arrays that were seen. */
static void large_pictures_come_as_bytes(struct play *play) {
	const size_t size_bytes = (size_t)1920 * 1080 * 4;
	uint8_t *data = malloc(size_bytes);
	assert_non_null(data);
	memset(data, 0x55, size_bytes);
	for (int i = 0; i < 4; i++) {
		data[0] = (uint8_t)i;
		fake_display_scanout(
				&play->rig.display, 1920, 1080, 1920 * 4, FORMAT, data, size_bytes);
	}
	free(data);
	rig_wait_for_frames(&play->rig, 1);
	refresh(play, 3);
	struct screenshot screenshot =
			screenshot_take(&play->rig.fixture, play->rig.view->output->name);
	assert_int_equal(screenshot_get_pixel(&screenshot, WIDTH / 2, HEIGHT / 2), 0x555555);
	screenshot_finish(&screenshot);
}

/* A second client of the monitor's ends the first one's connection; the listeners stay. */
static void connection_that_ends_leaves_the_picture(struct play *play) {
	fake_qemu_close_display(play->rig.machine);
	rig_settle(&play->rig);
	refresh(play, 3);
	assert_true(oriel_source_adopt(play->rig.view->source, ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
			fake_qemu_hand_over_display(play->rig.machine)));
}

/* MouseSet comes with the connection, CursorDefine once the guest has one. */
static void cursor_comes_in_pieces(struct play *play) {
	static const uint32_t pixels[4];
	struct fake_display *display = &play->rig.display;
	fake_display_mouse_set(display, 0, 0, 0);
	fake_display_mouse_set(display, 20, 20, 1);
	fake_display_cursor_define(display, 2, 2, 0, 0, pixels, sizeof(pixels));
	refresh(play, 3);
}

/* --- what a hostile one could do -------------------------------------------------------------- */

static const struct call {
	const char *interface, *member;
} calls[] = {
	{ FAKE_DISPLAY_INTERFACE, "Scanout" },
	{ FAKE_DISPLAY_INTERFACE, "Update" },
	{ FAKE_DISPLAY_INTERFACE, "ScanoutDMABUF" },
	{ FAKE_DISPLAY_INTERFACE, "UpdateDMABUF" },
	{ FAKE_DISPLAY_INTERFACE, "Disable" },
	{ FAKE_DISPLAY_INTERFACE, "MouseSet" },
	{ FAKE_DISPLAY_INTERFACE, "CursorDefine" },
	{ FAKE_DISPLAY_MAP, "ScanoutMap" },
	{ FAKE_DISPLAY_MAP, "UpdateMap" },
	{ FAKE_DISPLAY_DMABUF2, "ScanoutDMABUF2" },
};

static void calls_of_other_types_are_errors(struct play *play) {
	struct fake_display *display = &play->rig.display;
	unsigned count = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
		const char *interface = calls[i].interface, *member = calls[i].member;
		fake_display_call(display, interface, member, true, "s", "text");
		fake_display_call(display, interface, member, true, "h", play->fds[0]);
		fake_display_call(display, interface, member, true, "uuuuuu", 1, 2, 3, 4, 5, 6);
		fake_display_call(display, interface, member, true, "a{sv}", 1, "a", "h",
				play->fds[0]);
		fake_display_call(display, interface, member, true, "(iiii)", 1, 2, 3, 4);
		count += 5;
		if (strcmp(member, "Disable") != 0) {
			fake_display_call(display, interface, member, true, "");
			count++;
		}
		rig_wait_for_answers(&play->rig, count);
	}
	assert_int_equal(display->errors, count);
}

static void calls_of_nothing_are_errors(struct play *play) {
	struct fake_display *display = &play->rig.display;
	fake_display_call(display, FAKE_DISPLAY_INTERFACE, "ScanoutDMABUF3", true, "h", play->fds[0]);
	fake_display_call(display, FAKE_DISPLAY_INTERFACE ".Win32.Map", "ScanoutMap", true, "");
	fake_display_call(display, "org.freedesktop.DBus.Properties", "Set", true, "ssv",
			FAKE_DISPLAY_INTERFACE, "Interfaces", "as", 0);
	fake_display_call(display, "org.freedesktop.DBus.Properties", "Get", true, "ss",
			FAKE_DISPLAY_INTERFACE, "Nothing");
	rig_wait_for_answers(&play->rig, 4);
	assert_int_equal(display->errors, 4);
}

static void sizes_beyond_all_are_refused(struct play *play) {
	struct fake_display *display = &play->rig.display;
	static const uint32_t sizes[] = { 0, 1, 65535, 65536, INT32_MAX, UINT32_MAX };
	static const uint8_t bytes[64];
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(sizes); j++) {
			for (size_t k = 0; k < ARRAY_LENGTH(sizes); k++) {
				const uint32_t a = sizes[i], b = sizes[j], c = sizes[k];
				if (a == 1 && b == 1) {
					continue; /* a picture that could be */
				}
				fake_display_scanout(display, a, b, c, FORMAT, bytes, sizeof(bytes));
				fake_display_scanout_map(
						display, play->fds[0], c, a, b, a * 4, FORMAT);
				fake_display_scanout_map(display, play->fds[0], 0, a, b, c, FORMAT);
				fake_display_update_map(display, (int)a, (int)b, (int)c, (int)a);
				fake_display_scanout_dmabuf(display, play->fds[0], a, b, c,
						DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, false);
				fake_display_update_dmabuf(display, (int)a, (int)b, (int)c, (int)c);
				fake_display_mouse_set(display, (int)a, (int)b, 0);
				fake_display_cursor_define(display, (int)a, (int)b, (int)c, (int)a,
						bytes, sizeof(bytes));
			}
		}
		refresh(play, 2);
	}
}

static void planes_beyond_all_are_refused(struct play *play) {
	struct fake_display_dmabuf dmabuf = {
		.width = WIDTH,
		.height = HEIGHT,
		.backing_width = WIDTH,
		.backing_height = HEIGHT,
		.fourcc = DRM_FORMAT_XRGB8888,
	};
	for (size_t i = 0; i < ARRAY_LENGTH(dmabuf.fds); i++) {
		dmabuf.fds[i] = play->fds[0];
		dmabuf.strides[i] = STRIDE_BYTES;
	}
	static const size_t counts[] = { 0, 1, 2, 4, 5, 8 };
	unsigned count = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
		for (size_t j = 0; j < ARRAY_LENGTH(counts); j++) {
			for (size_t k = 0; k < ARRAY_LENGTH(counts); k++) {
				dmabuf.fd_count = counts[i];
				dmabuf.offset_count = counts[j];
				dmabuf.stride_count = dmabuf.plane_count = (uint32_t)counts[k];
				if (counts[k] != 0 && counts[k] <= counts[i] &&
						counts[k] <= counts[j]) {
					continue; /* more are sent than are meant */
				}
				fake_display_scanout_dmabuf2(&play->rig.display, &dmabuf);
				send_update(play);
				count++;
			}
		}
		rig_wait_for_answers(&play->rig, count);
	}
}

static void files_in_crowds_end_the_connection(struct play *play) {
	const int fd = play->fds[0];
	fake_display_call(&play->rig.display, FAKE_DISPLAY_DMABUF2, "ScanoutDMABUF2", true, "ah",
			12, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd, fd);
}

static void send_raw(struct play *play, const void *bytes, size_t size_bytes) {
	int fd = sd_bus_get_fd(play->rig.display.bus);
	assert_int_equal(send(fd, bytes, size_bytes, MSG_NOSIGNAL), size_bytes);
}

static void bytes_that_are_no_message_end_the_connection(struct play *play) {
	static const char bytes[] = "GET / HTTP/1.1\r\n\r\n";
	send_raw(play, bytes, sizeof(bytes));
}

/* A header that promises 100 MB of a body, of which some come. */
static void message_that_never_ends_keeps_nobody(struct play *play) {
	static const uint8_t header[64] = { 'l', 1, 0, 1, 0, 0, 0, 6, 9, 0, 0, 0, 40, 0, 0, 0 };
	send_raw(play, header, sizeof(header));
}

/* Of each call by itself. It is sent as fast as it is read. */
static void floods_are_taken_as_they_come(struct play *play) {
	struct fake_display *display = &play->rig.display;
	const uint32_t pixel = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
		for (int32_t j = 0; j < FLOOD; j++) {
			switch (i) {
			case 0:
				fake_display_scanout(display, 1, 1, 4, FORMAT, &pixel, sizeof(pixel));
				break;
			case 1:
				fake_display_update(display, 0, 0, 1, 1, 4, FORMAT, &pixel,
						sizeof(pixel));
				break;
			case 2:
				send_dmabuf(play, j % 2);
				break;
			case 3:
				send_update(play);
				break;
			case 4:
				fake_display_disable(display);
				break;
			case 5:
				fake_display_mouse_set(display, j, j, 1);
				break;
			case 6:
				fake_display_cursor_define(
						display, 1, 1, 0, 0, &pixel, sizeof(pixel));
				break;
			case 7:
				send_map(play, j % 2);
				break;
			case 8:
				fake_display_update_map(display, j, j, 1, 1);
				break;
			case 9:
				fake_display_call(display, calls[i].interface, calls[i].member, true,
						"ahuuuuau", 1, play->fds[0], 0, 0, WIDTH, HEIGHT, 0);
				break;
			}
			if (j % 100 == 99) {
				rig_settle(&play->rig);
			}
			if (j % 1000 == 999) {
				refresh(play, 2);
			}
		}
	}
	rig_send_bytes(&play->rig, 2);
	rig_wait_for_frames(&play->rig, 1);
}

/* --- the machine beside its display ------------------------------------------------------------ */

static void consoles_change_without_end(struct play *play) {
	for (unsigned i = 0; i < FLOOD; i++) {
		const struct fake_qemu_console console = {
			.width = i % 2 ? UINT32_MAX : i,
			.height = i % 3 ? i : 0,
			.modifiers = i,
			.is_absolute = i % 2,
			.touch_slots = (int32_t)(i * 0x10001),
		};
		fake_qemu_set_console(play->rig.machine, 0, &console);
		if (i % 100 == 99) {
			rig_settle(&play->rig);
		}
		if (i % 1000 == 999) {
			refresh(play, 2);
		}
	}
}

/* A machine that is handed over, and wrong or silent at some step of what is asked of it. */
static void each_fault_at_each_step_costs_the_machine_only(struct play *play) {
	for (int step = 0; step < FAKE_QEMU_STEP_COUNT; step++) {
		for (int fault = FAKE_QEMU_FAULT_SILENT; fault <= FAKE_QEMU_FAULT_UNSUPPORTED;
				fault++) {
			bool is_refusal = fault == FAKE_QEMU_FAULT_REFUSES ||
					fault == FAKE_QEMU_FAULT_UNSUPPORTED;
			if (is_refusal &&
					(step == FAKE_QEMU_STEP_GREETING ||
							step == FAKE_QEMU_STEP_AUTH)) {
				continue;
			}
			fake_display_finish(&play->rig.display);
			fake_qemu_quit(play->rig.machine);
			fake_qemu_start(play->rig.machine);
			fake_qemu_set_fault(play->rig.machine, step, fault);
			oriel_source_adopt(play->rig.view->source, ORIEL_SOURCE_HANDOVER_QEMU_QMP,
					fake_qemu_hand_over_monitor(play->rig.machine));
			refresh(play, 2);
			rig_assert_shows(&play->rig, SHOWN_BEFORE);
			fake_qemu_set_fault(play->rig.machine, step, FAKE_QEMU_FAULT_NONE);
			int fd = fake_qemu_take_listener(play->rig.machine, 0);
			if (fd >= 0) {
				close(fd);
			}
		}
	}
	fake_qemu_quit(play->rig.machine);
	fake_qemu_start(play->rig.machine);
	assert_true(oriel_source_adopt(play->rig.view->source, ORIEL_SOURCE_HANDOVER_QEMU_QMP,
			fake_qemu_hand_over_monitor(play->rig.machine)));
}

/* --- around each ------------------------------------------------------------------------------ */

/* A picture is sent to each listener that there is, until one is shown. */
static bool is_shown_when_fair(struct fixture *fixture, void *data) {
	struct play *play = data;
	int fd = fake_qemu_take_listener(play->rig.machine, 0);
	if (fd >= 0) {
		fake_display_finish(&play->rig.display);
		fake_display_init(&play->rig.display, fd);
		play->is_fair = false;
	}
	if (!play->is_fair && play->rig.display.bus != NULL && !play->rig.display.is_closed) {
		play->is_fair = true;
		play->shown = play->rig.view->stats.shown;
		rig_send_bytes(&play->rig, SHOWN_AFTER);
	}
	fake_display_step(&play->rig.display);
	if (!play->is_fair || play->rig.view->stats.shown == play->shown) {
		return false;
	}
	/* It may have been one from before: much is copied over some frames. */
	play->shown = play->rig.view->stats.shown;
	struct screenshot screenshot = screenshot_take(fixture, play->rig.view->output->name);
	const uint32_t pixel = screenshot_get_pixel(&screenshot, 0, 0);
	screenshot_finish(&screenshot);
	return pixel == picture_get(0, 0, SHOWN_AFTER);
}

static void run(void **state) {
	const struct trap *trap = *state;
	struct play play = { .size_bytes = SIZE_BYTES * 4 };
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	rig_init(&play.rig, CONFIG);
	unsetenv("WLR_HEADLESS_OUTPUTS");
	for (int i = 0; i < 2; i++) {
		play.fds[i] = rig_make_memory(play.size_bytes, &play.data[i]);
	}
	play.other = fixture_get_view(&play.rig.fixture, "other");
	rig_send_bytes(&play.rig, SHOWN_BEFORE);
	rig_wait_for_frames(&play.rig, 1);
	rig_assert_shows(&play.rig, SHOWN_BEFORE);
	fixture_step_output_refreshes(&play.rig.fixture, play.other->output->name, 3);

	trap->play(&play);
	refresh(&play, 4);
	if (trap->shows != 0) {
		rig_assert_shows(&play.rig, trap->shows);
	}
	fixture_step_until(&play.rig.fixture, is_shown_when_fair, &play);
	rig_assert_shows(&play.rig, SHOWN_AFTER);

	for (int i = 0; i < 2; i++) {
		munmap(play.data[i], play.size_bytes);
		close(play.fds[i]);
	}
	rig_finish(&play.rig); /* counts files */
}

#define TRAP(name, shows) { #name, name, shows }

int main(void) {
	static struct trap traps[] = {
		TRAP(map_is_answered_at_once, SHOWN_BEFORE),
		TRAP(mode_without_a_scanout_gets_another_listener, SHOWN_BEFORE),
		TRAP(map_that_shrinks_keeps_the_picture, 2),
		TRAP(map_that_shrinks_before_it_is_shown_is_none, SHOWN_BEFORE),
		TRAP(files_that_are_no_memory_are_refused, 2),
		TRAP(rows_turn_with_each_scanout, 7),
		TRAP(disable_after_a_scanout_is_of_the_one_before, 3),
		TRAP(scanout_that_was_lost_leaves_the_one_before, 3),
		TRAP(reset_disables_twice, 3),
		TRAP(disable_that_is_meant_switches_off, 0),
		TRAP(placeholders_are_never_shown, 3),
		TRAP(dmabuf_that_stands_still_is_shown, 2),
		TRAP(stride_is_not_the_widths, 3),
		TRAP(updates_that_wait_for_no_answer_are_all_answered, 2),
		TRAP(large_pictures_come_as_bytes, 0),
		TRAP(connection_that_ends_leaves_the_picture, SHOWN_BEFORE),
		TRAP(cursor_comes_in_pieces, SHOWN_BEFORE),
		TRAP(calls_of_other_types_are_errors, SHOWN_BEFORE),
		TRAP(calls_of_nothing_are_errors, SHOWN_BEFORE),
		TRAP(sizes_beyond_all_are_refused, SHOWN_BEFORE),
		TRAP(planes_beyond_all_are_refused, SHOWN_BEFORE),
		TRAP(files_in_crowds_end_the_connection, SHOWN_BEFORE),
		TRAP(bytes_that_are_no_message_end_the_connection, SHOWN_BEFORE),
		TRAP(message_that_never_ends_keeps_nobody, SHOWN_BEFORE),
		TRAP(floods_are_taken_as_they_come, 2),
		TRAP(consoles_change_without_end, SHOWN_BEFORE),
		TRAP(each_fault_at_each_step_costs_the_machine_only, SHOWN_BEFORE),
	};
	struct CMUnitTest tests[ARRAY_LENGTH(traps)];
	for (size_t i = 0; i < ARRAY_LENGTH(traps); i++) {
		tests[i] = (struct CMUnitTest){
			.name = traps[i].name,
			.test_func = run,
			.initial_state = &traps[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
