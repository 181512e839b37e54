#include <syncbridge/caps.h>

#include <errno.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock_ioctl.h"
#include "mock_syncobj.h"

#define CAPS_UNTOUCHED UINT32_C(0xdeadbeef)
#define CAPS_TIMELINES (SB_CAP_TIMELINE | SB_CAP_TIMELINE_EVENT_FD)
#define CAPS_BOTH (SB_CAP_DMABUF_EXPORT_SYNC_FILE | SB_CAP_DMABUF_IMPORT_SYNC_FILE)

static void probe_of_current_kernel_finds_both(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	uint32_t caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), 0);
	assert_int_equal(caps, CAPS_BOTH);
	assert_int_equal(mock_dmabuf_get_writers(fd), 0);
	close(fd);
}

static void probe_of_busy_dmabuf_makes_nobody_wait_longer(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	uint64_t reader = mock_fence_create();
	uint64_t writer = mock_fence_create();
	mock_dmabuf_add(fd, reader, writer);
	uint32_t caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), 0);
	assert_int_equal(caps, CAPS_BOTH);
	/* What a reader waits for, and what a writer waits for. */
	assert_int_equal(mock_dmabuf_get_writers(fd), writer);
	assert_int_equal(mock_dmabuf_get_readers(fd) | mock_dmabuf_get_writers(fd), reader | writer);
	close(fd);
}

static void probe_without_export_finds_nothing(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	mock_remove_ioctl(DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	uint32_t caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), 0);
	assert_int_equal(caps, 0);
	close(fd);
}

static void probe_without_import_finds_export(void **state) {
	(void)state;
	int fd = mock_dmabuf_create(4096);
	mock_remove_ioctl(DMA_BUF_IOCTL_IMPORT_SYNC_FILE);
	uint32_t caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), 0);
	assert_int_equal(caps, SB_CAP_DMABUF_EXPORT_SYNC_FILE);
	close(fd);
}

static void probe_of_other_file_finds_nothing(void **state) {
	(void)state;
	int fd = mock_memfd_create(4096);
	uint32_t caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), 0);
	assert_int_equal(caps, 0);
	close(fd);
	caps = CAPS_UNTOUCHED;
	assert_int_equal(sb_caps_probe_dmabuf(fd, &caps), -EBADF);
	assert_int_equal(caps, CAPS_UNTOUCHED);
}

static void run_probe(void) {
	int fd = mock_dmabuf_create(4096);
	uint32_t caps = CAPS_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_caps_probe_dmabuf(fd, &caps);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(caps, ret < 0 ? CAPS_UNTOUCHED : CAPS_BOTH);
	close(fd);
}

static void probe_failed_says_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_probe, 2);
}

/* The kernel, the device, and what it can do. */
static void probe_of_drm_device_finds_what_works(void **state) {
	(void)state;
	static const struct {
		unsigned int major, minor;
		uint32_t features;
		uint32_t expected;
	} cases[] = {
		{ 7, 2, MOCK_DRM_TIMELINES | MOCK_DRM_DISPLAY, CAPS_TIMELINES },
		{ 7, 2, MOCK_DRM_TIMELINES, CAPS_TIMELINES },
		{ 7, 2, MOCK_DRM_DISPLAY, 0 },
		{ 7, 2, 0, 0 },
		{ 6, 6, MOCK_DRM_TIMELINES, CAPS_TIMELINES },
		{ 6, 5, MOCK_DRM_TIMELINES, SB_CAP_TIMELINE },
		{ 6, 5, 0, 0 },
		{ 5, 2, MOCK_DRM_TIMELINES | MOCK_DRM_DISPLAY, SB_CAP_TIMELINE },
		{ 5, 1, MOCK_DRM_TIMELINES | MOCK_DRM_DISPLAY, 0 },
		{ 5, 1, MOCK_DRM_TIMELINES, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = mock_drm_create(cases[i].features);
		mock_drm_set_linux(cases[i].major, cases[i].minor);
		uint32_t caps = CAPS_UNTOUCHED;
		assert_int_equal(sb_caps_probe_drm(fd, &caps), 0);
		assert_int_equal(caps, cases[i].expected);
		close(fd);
	}
}

static void probe_of_no_drm_device_says_nothing(void **state) {
	(void)state;
	uint32_t caps = CAPS_UNTOUCHED;
	int fd = mock_memfd_create(0);
	assert_int_equal(sb_caps_probe_drm(fd, &caps), -ENOTTY);
	close(fd);
	assert_int_equal(sb_caps_probe_drm(fd, &caps), -EBADF);
	assert_int_equal(sb_caps_probe_drm(-1, &caps), -EBADF);
	fd = mock_drm_create(MOCK_DRM_TIMELINES);
	mock_drm_unplug(fd);
	assert_int_equal(sb_caps_probe_drm(fd, &caps), -ENODEV);
	close(fd);
	assert_int_equal(caps, CAPS_UNTOUCHED);
}

static void run_probe_drm(void) {
	int fd = mock_drm_create(MOCK_DRM_TIMELINES);
	uint32_t caps = CAPS_UNTOUCHED;
	mock_fail_armed();
	int ret = sb_caps_probe_drm(fd, &caps);
	assert_int_equal(ret, mock_get_injected());
	assert_int_equal(caps, ret < 0 ? CAPS_UNTOUCHED : CAPS_TIMELINES);
	close(fd);
}

static void probe_of_drm_device_failed_says_nothing(void **state) {
	(void)state;
	mock_fail_each_call(run_probe_drm, 2);
}

#define sync_test(f) cmocka_unit_test_setup_teardown(f, mock_setup, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		sync_test(probe_of_current_kernel_finds_both),
		sync_test(probe_of_busy_dmabuf_makes_nobody_wait_longer),
		sync_test(probe_without_export_finds_nothing),
		sync_test(probe_without_import_finds_export),
		sync_test(probe_of_other_file_finds_nothing),
		sync_test(probe_failed_says_nothing),
		sync_test(probe_of_drm_device_finds_what_works),
		sync_test(probe_of_no_drm_device_says_nothing),
		sync_test(probe_of_drm_device_failed_says_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sync_caps", tests, NULL, NULL);
}
