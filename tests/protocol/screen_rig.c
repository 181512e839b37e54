#include "screen_rig.h"

#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fake_qemu.h"
#include "guest/exporter.h"
#include "guest/source.h"
#include "screenshot.h"
#include "server.h"
#include "view/guest_view.h"

int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg);
bool __wrap_oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]);

int __wrap_sb_sys_ioctl(int fd, unsigned long request, void *arg) {
	if (request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE) {
		struct dma_buf_export_sync_file *data = arg;
		data->fd = eventfd(1, EFD_CLOEXEC);
		assert_true(data->fd >= 0);
	}
	return 0;
}

bool __wrap_oriel_exporter_get_name(int fd, char ret_name[static ORIEL_EXPORTER_NAME_SIZE]) {
	snprintf(ret_name, ORIEL_EXPORTER_NAME_SIZE, "udmabuf");
	return true;
}

static bool has_listener(struct fixture *fixture, void *data) {
	struct rig *rig = data;
	int fd = fake_qemu_take_listener(rig->machine, 0);
	if (fd >= 0) {
		fake_display_init(&rig->display, fd);
	}
	return fd >= 0;
}

void rig_wait_for_listener(struct rig *rig) {
	fixture_step_until(&rig->fixture, has_listener, rig);
}

void rig_settle(struct rig *rig) {
	for (int idle = 0; idle < 4; idle++) {
		if (fake_display_step(&rig->display)) {
			idle = 0;
		}
		fixture_step(&rig->fixture, 0);
	}
}

void rig_init(struct rig *rig, const char *config_text) {
	*rig = (struct rig){ 0 };
	fixture_init(&rig->fixture, config_text);
	rig->view = fixture_get_view(&rig->fixture, "win");
	rig->machine = fake_qemu_create(rig->fixture.server->loop, NULL);
	assert_true(oriel_source_adopt(rig->view->source, ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
			fake_qemu_hand_over_display(rig->machine)));
	rig_wait_for_listener(rig);
	rig_settle(rig); /* no files before the handshake is over */
}

void rig_finish(struct rig *rig) {
	fake_display_finish(&rig->display);
	fake_qemu_destroy(rig->machine);
	fixture_finish(&rig->fixture);
}

struct wait {
	struct rig *rig;
	uint64_t shown; /* frames of the guest's that were drawn */
	unsigned answers;
};

static bool wait_is_over(struct fixture *fixture, void *data) {
	const struct wait *wait = data;
	fake_display_step(&wait->rig->display);
	return wait->rig->view->stats.shown >= wait->shown &&
			wait->rig->display.answers >= wait->answers;
}

void rig_wait_for_frames(struct rig *rig, uint64_t count) {
	struct wait wait = { .rig = rig, .shown = rig->view->stats.shown + count };
	fixture_step_until(&rig->fixture, wait_is_over, &wait);
}

void rig_wait_for_answers(struct rig *rig, unsigned count) {
	struct wait wait = { .rig = rig, .answers = count };
	fixture_step_until(&rig->fixture, wait_is_over, &wait);
}

uint32_t picture_get(int x, int y, uint32_t seed) {
	return (uint32_t)x << 16 | (uint32_t)y << 8 | seed;
}

void picture_draw(uint8_t *data, size_t stride_bytes, int width, int height, uint32_t seed) {
	for (int y = 0; y < height; y++) {
		uint32_t *row = (uint32_t *)(data + (size_t)y * stride_bytes);
		for (int x = 0; x < width; x++) {
			row[x] = picture_get(x, y, seed);
		}
	}
}

void rig_assert_shows(struct rig *rig, uint32_t seed) {
	struct screenshot screenshot = screenshot_take(&rig->fixture, rig->view->output->name);
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			assert_int_equal(screenshot_get_pixel(&screenshot, x, y),
					picture_get(x, y, seed));
		}
	}
	screenshot_finish(&screenshot);
}

int rig_make_memory(size_t size_bytes, uint8_t **ret_data) {
	int fd = memfd_create("picture", MFD_CLOEXEC);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0);
	void *data = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(data != MAP_FAILED);
	*ret_data = data;
	return fd;
}

void rig_send_bytes(struct rig *rig, uint32_t seed) {
	static uint8_t data[STRIDE_BYTES * HEIGHT];
	picture_draw(data, STRIDE_BYTES, WIDTH, HEIGHT, seed);
	fake_display_scanout(&rig->display, WIDTH, HEIGHT, STRIDE_BYTES, FORMAT, data, sizeof(data));
}
