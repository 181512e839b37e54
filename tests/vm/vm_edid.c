/*
 * The monitor that a guest finds at its vGPU: oriel writes an EDID into the device, the guest reads
 * it where its own driver would, and libdisplay-info must find nothing wrong with it. What may go
 * wrong on the way is in tests/unit/vfio_edid.c.
 */
#include <fcntl.h>
#include <libdisplay-info/edid.h>
#include <libdisplay-info/info.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/log.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "config.h"
#include "fds.h"
#include "fixture.h"
#include "guest/edid.h"
#include "output/output.h"
#include "server.h"
#include "test_vgpu.h"
#include "vgpu_guest.h"

#define EDID_SIZE_MAX 1024

/* oriel with the guest win on its first output: of mbochs or of our own vGPU. */
struct edid_test {
	struct fixture fixture;
	bool is_running;
	char mbochs_uuid[37]; /* empty: there is none */
	struct vgpu_guest *mbochs;
	off_t mbochs_registers;
	struct test_vgpu vgpu;
	char file_path[64]; /* empty: there is none */
	int fds_before;
};

static struct {
	unsigned int count;
	char last[512];
} errors;

static void handle_log(enum wlr_log_importance importance, const char *format, va_list args) {
	if (importance == WLR_ERROR) {
		errors.count++;
		vsnprintf(errors.last, sizeof(errors.last), format, args);
		fprintf(stderr, "%s\n", errors.last);
	}
}

static int test_setup(void **state) {
	struct edid_test *test = calloc(1, sizeof(*test));
	if (test == NULL) {
		return -1;
	}
	test->fds_before = fds_count_open();
	memset(&errors, 0, sizeof(errors));
	*state = test;
	return 0;
}

static void test_stop(struct edid_test *test) {
	if (test->is_running) {
		fixture_finish(&test->fixture);
		test->is_running = false;
	}
}

static int test_teardown(void **state) {
	struct edid_test *test = *state;
	test_stop(test);
	vgpu_guest_close(test->mbochs);
	if (test->file_path[0] != '\0') {
		unlink(test->file_path);
	}
	int ret = 0;
	int fds = fds_count_open();
	if (fds != test->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", test->fds_before, fds);
		ret = -1;
	} else {
		if (test->mbochs_uuid[0] != '\0') {
			ret = vgpu_mdev_remove(test->mbochs_uuid);
		}
		ret = test_vgpu_finish(&test->vgpu) != 0 ? -1 : ret;
	}
	free(test);
	return ret;
}

/* --- oriel ------------------------------------------------------------------------------------ */

static void test_start(struct edid_test *test, const char *source, const char *edid, int width,
		int height) {
	char config[512];
	snprintf(config, sizeof(config),
			"output OUTPUT-1 {\n\tmode %dx%d@75\n}\n"
			"guest win {\n\tsource vfio %s\n\toutput OUTPUT-1\n%s%s\n}\n",
			width, height, source, edid != NULL ? "\tedid " : "",
			edid != NULL ? edid : "");
	fixture_init(&test->fixture, config);
	test->is_running = true;
	wlr_log_init(WLR_ERROR, handle_log); /* the fixture has set its own */
}

static void test_start_mbochs(struct edid_test *test, int width, int height) {
	assert_int_equal(vgpu_mdev_create("mbochs-medium", test->mbochs_uuid), 0);
	test->mbochs = vgpu_guest_open(test->mbochs_uuid);
	assert_non_null(test->mbochs);
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR2_REGION_INDEX,
	};
	int device_fd = vgpu_guest_get_device_fd(test->mbochs);
	assert_int_equal(ioctl(device_fd, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	test->mbochs_registers = (off_t)info.offset;
	char source[32];
	snprintf(source, sizeof(source), "fd:%d", device_fd);
	test_start(test, source, NULL, width, height);
}

static void test_start_vgpu(struct edid_test *test, const char *edid, int width, int height) {
	if (test->vgpu.vram == NULL) {
		assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	}
	test_start(test, test->vgpu.uuid, edid, width, height);
}

static void test_resize(struct edid_test *test, int width, int height) {
	struct wlr_output *output = fixture_get_output(
			&test->fixture, fixture_get_numbered_output_name(&test->fixture, 1))
						    ->wlr_output;
	struct wlr_output_state output_state;
	wlr_output_state_init(&output_state);
	wlr_output_state_set_custom_mode(&output_state, width, height, 75000);
	struct wlr_output_event_request_state event = {
		.output = output,
		.state = &output_state,
	};
	wl_signal_emit_mutable(&output->events.request_state, &event);
	wlr_output_state_finish(&output_state);
	assert_int_equal(output->width, width);
	assert_int_equal(output->height, height);
}

/* --- the guest -------------------------------------------------------------------------------- */

/*
 * What the guest's driver finds at the connector; 0 bytes while nothing is connected. In bochs'
 * registers the EDID is at the beginning, and all zero without a monitor (Linux: bochs-drm).
 */
static size_t guest_read_edid(struct edid_test *test, uint8_t edid[static EDID_SIZE_MAX]) {
	if (test->mbochs == NULL) {
		static char text[EDID_SIZE_MAX + 1];
		int size = test_vgpu_read(&test->vgpu, "vgpu/edid_blob", text, sizeof(text));
		assert_true(size >= 0);
		memcpy(edid, text, (size_t)size);
		return (size_t)size;
	}
	int device_fd = vgpu_guest_get_device_fd(test->mbochs);
	for (off_t at = 0; at < EDID_SIZE_MAX; at += 4) {
		assert_int_equal(pread(device_fd, edid + at, 4, test->mbochs_registers + at), 4);
	}
	return edid[1] == 0xff ? (size_t)(1 + edid[126]) * ORIEL_EDID_BLOCK_SIZE : 0;
}

/* A monitor, as a guest's program reads it. */
struct monitor {
	int width, height; /* of the preferred mode; 0: nothing is connected */
	int refresh_mhz;
	int width_mm, height_mm;
	char name[16], serial[16];
};

static void monitor_read_strings(struct monitor *monitor, const struct di_edid *edid) {
	const struct di_edid_display_descriptor *const *descriptors =
			di_edid_get_display_descriptors(edid);
	for (; *descriptors != NULL; descriptors++) {
		switch (di_edid_display_descriptor_get_tag(*descriptors)) {
		case DI_EDID_DISPLAY_DESCRIPTOR_PRODUCT_NAME:
			snprintf(monitor->name, sizeof(monitor->name), "%s",
					di_edid_display_descriptor_get_string(*descriptors));
			break;
		case DI_EDID_DISPLAY_DESCRIPTOR_PRODUCT_SERIAL:
			snprintf(monitor->serial, sizeof(monitor->serial), "%s",
					di_edid_display_descriptor_get_string(*descriptors));
			break;
		default:
			break;
		}
	}
}

static struct monitor guest_read_monitor(struct edid_test *test) {
	uint8_t data[EDID_SIZE_MAX];
	size_t size = guest_read_edid(test, data);
	struct monitor monitor = { 0 };
	if (size == 0) {
		return monitor;
	}
	struct di_info *info = di_info_parse_edid(data, size);
	assert_non_null(info);
	const char *failure = di_info_get_failure_msg(info);
	if (failure != NULL) {
		fail_msg("%s", failure);
	}
	const struct di_edid *edid = di_info_get_edid(info);
	/* The first is the preferred one (EDID 1.4). */
	const struct di_edid_detailed_timing_def *timing = di_edid_get_detailed_timing_defs(edid)[0];
	assert_non_null(timing);
	int64_t total = (int64_t)(timing->horiz_video + timing->horiz_blank) *
			(timing->vert_video + timing->vert_blank);
	monitor.width = timing->horiz_video;
	monitor.height = timing->vert_video;
	monitor.refresh_mhz = (int)((int64_t)timing->pixel_clock_hz * 1000 / total);
	monitor.width_mm = timing->horiz_image_mm;
	monitor.height_mm = timing->vert_image_mm;
	monitor_read_strings(&monitor, edid);
	di_info_destroy(info);
	return monitor;
}

struct size {
	struct edid_test *test;
	int width, height;
};

static bool guest_has_size(struct fixture *fixture, void *data) {
	const struct size *size = data;
	struct monitor monitor = guest_read_monitor(size->test);
	return monitor.width == size->width && monitor.height == size->height;
}

static struct monitor step_until_guest_has(struct edid_test *test, int width, int height) {
	struct size size = { test, width, height };
	fixture_step_until(&test->fixture, guest_has_size, &size);
	return guest_read_monitor(test);
}

static void check_monitor(const struct monitor *monitor) {
	assert_true(abs(monitor->refresh_mhz - 75000) < 100);
	/* "Oriel HEADLESS-1", as far as there is room. */
	assert_string_equal(monitor->name, "Oriel HEADLES");
	assert_string_equal(monitor->serial, "win");
	assert_int_equal(errors.count, 0);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void guest_of_mbochs_finds_the_output_and_follows_it(void **state) {
	struct edid_test *test = *state;
	test_start_mbochs(test, 1024, 600);
	struct monitor monitor = step_until_guest_has(test, 1024, 600);
	check_monitor(&monitor);

	static const int sizes[][2] = { { 800, 600 }, { 1366, 768 }, { 641, 479 } };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		test_resize(test, sizes[i][0], sizes[i][1]);
		monitor = step_until_guest_has(test, sizes[i][0], sizes[i][1]);
		check_monitor(&monitor);
	}
}

static void guest_of_vgpu_finds_the_output_and_follows_it(void **state) {
	struct edid_test *test = *state;
	test_start_vgpu(test, NULL, 1024, 600);
	struct monitor monitor = step_until_guest_has(test, 1024, 600);
	check_monitor(&monitor);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_links"), 1);
	int writes = test_vgpu_count(&test->vgpu, "edid_write");

	/* The guest sees its monitor go, and another one come. */
	test_resize(test, 800, 600);
	step_until_guest_has(test, 0, 0);
	monitor = step_until_guest_has(test, 800, 600);
	check_monitor(&monitor);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_links"), 2);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_write"), 2 * writes);

	/* The link down, the size, the blob by 4 bytes, the link up. */
	assert_int_equal(writes, 1 + 1 + ORIEL_EDID_BLOCK_SIZE / 4 + 1);
}

static void monitor_that_the_guest_has_is_left_alone(void **state) {
	struct edid_test *test = *state;
	test_start_vgpu(test, NULL, 1024, 600);
	step_until_guest_has(test, 1024, 600);
	int writes = test_vgpu_count(&test->vgpu, "edid_write");
	test_stop(test);
	assert_int_equal(guest_read_monitor(test).width, 1024);
	test_start_vgpu(test, NULL, 1024, 600);
	fixture_step_refreshes(&test->fixture, 3);
	assert_int_equal(guest_read_monitor(test).width, 1024);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_write"), writes);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_links"), 1);
}

static void monitor_is_no_larger_than_the_device_can_do(void **state) {
	struct edid_test *test = *state;
	assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	assert_int_equal(test_vgpu_steer(&test->vgpu, "vgpu/edid", "max_xres=1280 max_yres=1024"), 0);
	test_start_vgpu(test, NULL, 1920, 1080);
	struct monitor monitor = step_until_guest_has(test, 1280, 720);
	check_monitor(&monitor);
	test_resize(test, 1000, 2000);
	monitor = step_until_guest_has(test, 512, 1024);
	check_monitor(&monitor);
	/* What it can do is left as it is. */
	test_resize(test, 1280, 1024);
	step_until_guest_has(test, 1280, 1024);
}

static bool link_is_up_again(struct fixture *fixture, void *data) {
	struct edid_test *test = data;
	return test_vgpu_count(&test->vgpu, "edid_links") == 2;
}

static void edid_that_reads_back_wrong_is_told_once(void **state) {
	struct edid_test *test = *state;
	test_start_vgpu(test, NULL, 1024, 600);
	step_until_guest_has(test, 1024, 600);
	int writes = test_vgpu_count(&test->vgpu, "edid_write");
	assert_int_equal(test_vgpu_steer(&test->vgpu, "vgpu/edid", "garble=1"), 0);
	test_resize(test, 800, 600);
	fixture_step_until(&test->fixture, link_is_up_again, test);
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.last,
			"guest win: vfio: the device reads back another EDID than was written"));
	/* Written twice, but the link went up once. The guest has it right. */
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_write"), writes + 2 * writes - 1);
	assert_int_equal(guest_read_monitor(test).width, 800);

	assert_int_equal(test_vgpu_steer(&test->vgpu, "vgpu/edid", "garble=0"), 0);
	test_resize(test, 640, 480);
	step_until_guest_has(test, 640, 480);
	assert_int_equal(errors.count, 1);
}

static void refused_edid_is_told_once_and_tried_again(void **state) {
	struct edid_test *test = *state;
	assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	assert_int_equal(test_vgpu_steer(&test->vgpu, "errors/edid_write", "0 0 5"), 0);
	test_start_vgpu(test, NULL, 1024, 600);
	fixture_step_refreshes(&test->fixture, 1);
	assert_int_equal(guest_read_monitor(test).width, 0);
	test_resize(test, 800, 600);
	step_until_guest_has(test, 800, 600);

	/* And a device without the region shows what it shows. */
	test_stop(test);
	assert_int_equal(test_vgpu_steer(&test->vgpu, "vgpu/edid", "present=0"), 0);
	memset(&errors, 0, sizeof(errors));
	test_start_vgpu(test, NULL, 1024, 600);
	fixture_step_refreshes(&test->fixture, 3);
	assert_int_equal(errors.count, 0);
}

static void mode_of_the_configuration_is_what_the_guest_finds(void **state) {
	struct edid_test *test = *state;
	test_start_vgpu(test, "1600x900@50", 640, 480);
	struct monitor monitor = step_until_guest_has(test, 1600, 900);
	assert_true(abs(monitor.refresh_mhz - 50000) < 100);
	assert_string_equal(monitor.name, "Oriel");
	assert_string_equal(monitor.serial, "win");
	/* Whatever becomes of the output. */
	int writes = test_vgpu_count(&test->vgpu, "edid_write");
	test_resize(test, 800, 600);
	fixture_step_refreshes(&test->fixture, 30);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_write"), writes);
	assert_int_equal(errors.count, 0);
}

static void file_of_the_configuration_is_what_the_guest_finds(void **state) {
	struct edid_test *test = *state;
	struct oriel_edid edid;
	assert_true(oriel_edid_make(
			&(struct oriel_edid_info){
					.width = 5120,
					.height = 2880,
					.refresh_mhz = 60000,
					.name = "Mine",
					.max_size_bytes = EDID_SIZE_MAX,
			},
			&edid));
	assert_int_equal(edid.size_bytes, 256);
	const char *tmp = getenv("TMPDIR");
	snprintf(test->file_path, sizeof(test->file_path), "%.40s/edid", tmp != NULL ? tmp : "/tmp");
	FILE *file = fopen(test->file_path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(edid.data, edid.size_bytes, 1, file), 1);
	assert_int_equal(fclose(file), 0);

	char words[96];
	snprintf(words, sizeof(words), "file %s", test->file_path);
	test_start_vgpu(test, words, 640, 480);
	uint8_t found[EDID_SIZE_MAX];
	assert_int_equal(guest_read_edid(test, found), edid.size_bytes);
	assert_memory_equal(found, edid.data, edid.size_bytes);
	assert_string_equal(guest_read_monitor(test).name, "Mine");
}

static void none_of_the_configuration_leaves_the_guest_alone(void **state) {
	struct edid_test *test = *state;
	test_start_vgpu(test, "none", 640, 480);
	fixture_step_refreshes(&test->fixture, 3);
	test_resize(test, 800, 600);
	fixture_step_refreshes(&test->fixture, 3);
	assert_int_equal(guest_read_monitor(test).width, 0);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_write"), 0);
	assert_int_equal(test_vgpu_count(&test->vgpu, "edid_read"), 0);
}

#define EDID_TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		EDID_TEST(guest_of_mbochs_finds_the_output_and_follows_it),
		EDID_TEST(guest_of_vgpu_finds_the_output_and_follows_it),
		EDID_TEST(monitor_that_the_guest_has_is_left_alone),
		EDID_TEST(monitor_is_no_larger_than_the_device_can_do),
		EDID_TEST(edid_that_reads_back_wrong_is_told_once),
		EDID_TEST(refused_edid_is_told_once_and_tried_again),
		EDID_TEST(mode_of_the_configuration_is_what_the_guest_finds),
		EDID_TEST(file_of_the_configuration_is_what_the_guest_finds),
		EDID_TEST(none_of_the_configuration_leaves_the_guest_alone),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
