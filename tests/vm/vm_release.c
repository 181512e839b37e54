/*
 * A guest is told exactly once of each frame that it may draw there again, and never while anybody
 * still reads: where the GPU reads on after the commit, a READ fence in the buffer says so; where
 * the CPU reads, it is done by then.
 *
 * The release promise is watched where it is kept, by standing in for the functions of
 * guest/release.h (the linker's --wrap), and the fences where they are handed to the kernel
 * (fence_spy.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/backend/session.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/dmabuf.h>
#include <syncbridge/sync_file.h>

#include "bridge/render_sync.h"
#include "fd.h"
#include "fds.h"
#include "fence_spy.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "guest/source.h"
#include "kms.h"
#include "output/output.h"
#include "server.h"
#include "sw_sync.h"
#include "vgpu_guest.h"
#include "vgpu_scene.h"
#include "view/guest_view.h"

#define LIVE_MAX 64
/* What a guest draws as soon as it may, and nobody may ever see. */
#define POISON_SEED 0xbad

struct test {
	struct vgpu_scene scene;
	struct oriel_release *live[LIVE_MAX]; /* promises not kept yet */
	struct page_releases {
		unsigned int promised, kept;
		/* The fences in the buffer at the moments when a promise was kept. */
		int readers_min, writers_max;
	} pages[VGPU_SCENE_PAGES];
	unsigned int kept_twice; /* or never made */
	unsigned int kept_while_mapped; /* between begin and end of a CPU access */

	bool poison; /* draw into each page when its last promise is kept */
	unsigned int poisoned;
	unsigned int readers_late; /* whose fences did not signal */

	unsigned int samples; /* by outputs */
	struct wl_listener output_sample;
};

static struct test *current_test;

/* the promises */

static struct page_releases *test_find_page(
		struct test *test, const struct oriel_guest_buffer *buffer, int *ret_page) {
	*ret_page = vgpu_scene_find_page(&test->scene, buffer);
	assert_true(*ret_page >= 0);
	return &test->pages[*ret_page];
}

static struct oriel_release **test_find_live(struct test *test, const struct oriel_release *release) {
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (test->live[i] == release) {
			return &test->live[i];
		}
	}
	return NULL;
}

/* Draws as soon as the guest may: when those that read have signalled. */
static void test_poison(struct test *test, int page) {
	int readers_fd;
	if (sb_dmabuf_export_sync_file(test->scene.dmabuf_fds[page], SB_ACCESS_WRITE, &readers_fd) !=
			0) {
		test->readers_late++;
		return;
	}
	if (sb_sync_file_wait(readers_fd, INT64_C(10000000000)) != 0) {
		test->readers_late++;
	}
	sb_fd_clear(&readers_fd);
	vgpu_guest_paint(test->scene.guest, page, POISON_SEED);
	test->poisoned++;
}

static void test_handle_kept(struct test *test, const struct oriel_release *release) {
	struct oriel_release **entry = test_find_live(test, release);
	if (entry == NULL) {
		test->kept_twice++;
		return;
	}
	*entry = NULL;
	struct fence_spy_counts counts = fence_spy_count();
	if (counts.cpu_begins != counts.cpu_ends) {
		test->kept_while_mapped++;
	}

	fence_spy_ignore(true);
	int page, writers, readers;
	struct page_releases *releases = test_find_page(test, release->buffer, &page);
	assert_int_equal(dmabuf_count_pending(test->scene.dmabuf_fds[page], &writers, &readers), 0);
	releases->readers_min = readers < releases->readers_min ? readers : releases->readers_min;
	releases->writers_max = writers > releases->writers_max ? writers : releases->writers_max;
	releases->kept++;
	if (test->poison && releases->kept == releases->promised) {
		test_poison(test, page);
	}
	fence_spy_ignore(false);
}

struct oriel_release *__real_oriel_release_create(struct oriel_guest_buffer *buffer,
		void (*done)(struct oriel_release *release, void *data), void *data);
struct oriel_release *__wrap_oriel_release_create(struct oriel_guest_buffer *buffer,
		void (*done)(struct oriel_release *release, void *data), void *data);
void __real_oriel_release_unref(struct oriel_release *release);
void __wrap_oriel_release_unref(struct oriel_release *release);

struct oriel_release *__wrap_oriel_release_create(struct oriel_guest_buffer *buffer,
		void (*done)(struct oriel_release *release, void *data), void *data) {
	struct oriel_release *release = __real_oriel_release_create(buffer, done, data);
	assert_non_null(release);
	int page;
	test_find_page(current_test, buffer, &page)->promised++;
	struct oriel_release **entry = test_find_live(current_test, NULL);
	assert_non_null(entry);
	*entry = release;
	return release;
}

void __wrap_oriel_release_unref(struct oriel_release *release) {
	if (release != NULL && release->refs == 1) {
		test_handle_kept(current_test, release);
	}
	__real_oriel_release_unref(release);
}

static unsigned int test_count_live(const struct test *test) {
	unsigned int count = 0;
	for (size_t i = 0; i < LIVE_MAX; i++) {
		count += test->live[i] != NULL;
	}
	return count;
}

/* From here on, of what is kept. */
static void test_watch_fences(struct test *test) {
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		test->pages[page].readers_min = INT32_MAX;
		test->pages[page].writers_max = 0;
	}
}

static unsigned int page_count_live(const struct test *test, int page) {
	return test->pages[page].promised - test->pages[page].kept;
}

/* set-ups */

static bool renderer_is(const char *name) {
	const char *renderer = getenv("WLR_RENDERER");
	return renderer != NULL && strcmp(renderer, name) == 0;
}

static bool backend_is_headless(void) {
	const char *backends = getenv("WLR_BACKENDS");
	return backends == NULL || strcmp(backends, "headless") == 0;
}

static void handle_output_sample(struct wl_listener *listener, void *data) {
	struct test *test = wl_container_of(listener, test, output_sample);
	test->samples++;
}

static int setup(void **state) {
	struct test *test = calloc(1, sizeof(*test));
	if (test == NULL) {
		return -1;
	}
	*state = test;
	current_test = test;
	wl_list_init(&test->output_sample.link);
	fence_spy_reset();
	return 0;
}

static int teardown(void **state) {
	struct test *test = *state;
	fence_spy_reset();
	test->poison = false;
	wl_list_remove(&test->output_sample.link);
	int ret = vgpu_scene_finish(&test->scene);
	if (test_count_live(test) > 0 || test->kept_twice > 0) {
		print_error("%u promises not kept, %u kept twice\n", test_count_live(test),
				test->kept_twice);
		ret = -1;
	}
	current_test = NULL;
	free(test);
	return ret;
}

static void test_start(struct test *test) {
	vgpu_scene_start(&test->scene);
	for (int page = 0; page < VGPU_SCENE_PAGES; page++) {
		fence_spy_watch(test->scene.dmabuf_fds[page]);
	}
	test->output_sample.notify = handle_output_sample;
	wl_signal_add(&test->scene.view->primary.scene_buffer->events.output_sample,
			&test->output_sample);
}

static void check_read_path(const struct test *test, enum oriel_guest_read_path path) {
	const struct oriel_guest_frame *frame = test->scene.view->primary.frame;
	assert_non_null(frame);
	assert_int_equal(oriel_guest_buffer_get_read_path(oriel_guest_frame_get_buffer(frame)), path);
}

/* The test's own fence is not counted. */
static size_t test_add_writer(struct test *test, int page) {
	fence_spy_ignore(true);
	size_t fence = vgpu_scene_add_writer(&test->scene, page);
	fence_spy_ignore(false);
	return fence;
}

/* what the GPU reads */

/*
 * Has page 1 on the screen and the GPU busy with it. One refresh only: the next would draw to a
 * buffer of the output's that the busy GPU still draws to.
 */
static size_t test_begin_slow_render(struct test *test) {
	struct vgpu_scene *scene = &test->scene;
	int fence_fd;
	size_t fence = vgpu_scene_create_fence(scene, &fence_fd);
	vgpu_scene_flip(scene, 1);
	vgpu_scene_take(scene);
	fence_spy_delay_render(fence_fd);
	vgpu_scene_step_until_shown(scene, 1);
	fence_spy_delay_render(-1);
	close(fence_fd);
	check_read_path(test, ORIEL_GUEST_READ_PATH_IMPORT);
	assert_true(fence_spy_count_delayed() > 0);
	return fence;
}

static void check_snapshot(int dmabuf_fd, enum sb_access access, int expected) {
	int snapshot_fd;
	assert_int_equal(sb_dmabuf_export_sync_file(dmabuf_fd, access, &snapshot_fd), 0);
	assert_int_equal(sb_sync_file_wait(snapshot_fd, 0), expected);
	sb_fd_clear(&snapshot_fd);
}

static void compose_with_gpu_busy_leaves_read_fence(void **state) {
	struct test *test = *state;
	test_start(test);
	size_t fence = test_begin_slow_render(test);
	int dmabuf_fd = test->scene.dmabuf_fds[1];

	/* It is the fence of this very render, and it is a reader's. */
	struct dmabuf_fence fences[8];
	int count = dmabuf_list_fences(dmabuf_fd, fences, 8);
	assert_true(count >= 1 && count <= 8);
	int pending = 0;
	for (int i = 0; i < count; i++) {
		assert_int_equal(fences[i].usage, DMABUF_USAGE_READ);
		if (!fences[i].signalled) {
			assert_string_equal(fences[i].driver, "sw_sync");
			pending++;
		}
	}
	assert_int_equal(pending, 1);
	struct fence_spy_counts counts = fence_spy_count();
	assert_int_equal(counts.write_imports, 0);
	assert_int_equal(counts.read_imports, test->samples);

	/* The guest's next drawing waits for us; somebody who reads as we do does not. */
	fence_spy_ignore(true);
	vgpu_scene_check_fences(&test->scene, 1, 0, 1);
	check_snapshot(dmabuf_fd, SB_ACCESS_READ, 0);
	check_snapshot(dmabuf_fd, SB_ACCESS_WRITE, -ETIME);
	vgpu_scene_signal(&test->scene, fence);
	check_snapshot(dmabuf_fd, SB_ACCESS_WRITE, 0);
	fence_spy_ignore(false);
	vgpu_scene_check_screen(&test->scene, 1);
}

static void release_with_gpu_busy_leaves_read_fence(void **state) {
	struct test *test = *state;
	test_start(test);
	size_t fence = test_begin_slow_render(test);

	test_watch_fences(test);
	vgpu_scene_flip(&test->scene, 2);
	vgpu_scene_take(&test->scene);
	assert_int_equal(page_count_live(test, 1), 0);
	assert_int_equal(test->pages[1].readers_min, 1);
	assert_int_equal(test->pages[1].writers_max, 0);

	fence_spy_ignore(true);
	vgpu_scene_check_fences(&test->scene, 1, 0, 1);
	vgpu_scene_signal(&test->scene, fence);
	vgpu_scene_check_fences(&test->scene, 1, 0, 0);
	fence_spy_ignore(false);
	vgpu_scene_step_until_shown(&test->scene, 2);
	vgpu_scene_check_screen(&test->scene, 2);
}

static bool page_1_is_released(struct fixture *fixture, void *data) {
	return page_count_live(data, 1) == 0;
}

static void release_with_import_failed_waits_for_gpu(void **state) {
	struct test *test = *state;
	test_start(test);
	fence_spy_fail_imports(ENOMEM);
	size_t fence = test_begin_slow_render(test);
	fence_spy_fail_imports(0);
	fence_spy_ignore(true);
	vgpu_scene_check_fences(&test->scene, 1, 0, 0);
	fence_spy_ignore(false);

	vgpu_scene_flip(&test->scene, 2);
	vgpu_scene_take(&test->scene);
	assert_int_equal(page_count_live(test, 1), 1);
	vgpu_scene_signal(&test->scene, fence);
	fixture_step_until(&test->scene.fixture, page_1_is_released, test);
	vgpu_scene_step_until_shown(&test->scene, 2);
	vgpu_scene_check_screen(&test->scene, 2);
}

/* what is read when the guest draws again */

#define POISONED_FLIPS 40

/* A guest that draws at the very moment of each release is never seen drawing. */
static void test_poison_released(struct test *test, enum oriel_guest_read_path path) {
	struct vgpu_scene *scene = &test->scene;
	test->poison = true;
	for (int i = 1; i <= POISONED_FLIPS; i++) {
		int page = i % 3 + 1;
		assert_int_equal(page_count_live(test, page), 0);
		vgpu_scene_paint(scene, page, 100 + (uint32_t)i);
		vgpu_scene_flip(scene, page);
		vgpu_scene_step_until_shown(scene, page);
		check_read_path(test, path);
		if (i % 4 == 0) {
			/* Of this very frame: the next ones wait. */
			size_t later = test_add_writer(test, page);
			vgpu_scene_check_screen(scene, page);
			vgpu_scene_drop_fence(scene, later);
		}
	}
	test->poison = false;
	assert_int_equal(test->poisoned, POISONED_FLIPS);
	assert_int_equal(test->readers_late, 0);
	assert_int_equal(test->kept_while_mapped, 0);
}

static void release_by_gpu_comes_after_last_read(void **state) {
	struct test *test = *state;
	test_start(test);
	test_poison_released(test, ORIEL_GUEST_READ_PATH_IMPORT);
}

/* The same where the buffers cannot be imported: uploaded as textures, or drawn by pixman. */
static void release_by_cpu_comes_after_last_read(void **state) {
	struct test *test = *state;
	test_start(test);
	/* Page 0 has been decided on by now, all others have not. */
	test->scene.fixture.server->render_sync.can_import = false;
	test_poison_released(test, ORIEL_GUEST_READ_PATH_CPU);

	/* Nobody needs a fence for that, or waits for readers. */
	struct fence_spy_counts counts = fence_spy_count();
	assert_int_equal(counts.read_imports, 0);
	assert_int_equal(counts.write_imports, 0);
	assert_int_equal(counts.write_exports, 0);
	assert_int_equal(counts.library_exports, 0);
	assert_true(counts.cpu_begins >= POISONED_FLIPS);
	assert_int_equal(counts.cpu_ends, counts.cpu_begins);
}

/* flips in masses */

#define FLIPS 1000
#define UNPLUG_AT (FLIPS / 2)
/* Every so many flips the frame is late. */
#define LATE_EVERY 10
/* The pages that are flipped; the last one is that of the late frames. */
#define FLIPPED_PAGES 3

/* Sets the state of the output's connector, as sysfs names it, and has oriel look at it again. */
static void set_connector(struct test *test, const char *status) {
	const char *card_path = getenv("WLR_DRM_DEVICES");
	assert_non_null(card_path);
	char connector[KMS_NAME_SIZE], path[256];
	kms_find_connector(card_path, connector);
	snprintf(path, sizeof(path), "/sys/class/drm/%s-%s/status", strrchr(card_path, '/') + 1,
			connector);
	int status_fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(status_fd >= 0);
	assert_int_equal(write(status_fd, status, strlen(status)), (ssize_t)strlen(status));
	close(status_fd);

	/* A state that is forced raises no uevent, so here is what udev would have told of one. */
	struct wlr_session *session = test->scene.fixture.server->session;
	struct wlr_device *device;
	struct wlr_device_change_event event = { .type = WLR_DEVICE_HOTPLUG };
	wl_list_for_each(device, &session->devices, link) {
		wl_signal_emit(&device->events.change, &event);
	}
}

static bool has_outputs(struct fixture *fixture, void *data) {
	return !wl_list_empty(&fixture->server->outputs.outputs);
}

/* The output goes; the guest is shown on the next one, or when this one has come back. */
static void test_unplug(struct test *test) {
	struct vgpu_scene *scene = &test->scene;
	if (backend_is_headless()) {
		wlr_output_destroy(fixture_get_output(
				&scene->fixture, fixture_get_output_name(&scene->fixture, 0))
						->wlr_output);
		assert_true(has_outputs(&scene->fixture, NULL));
		return;
	}
	set_connector(test, "off");
	assert_false(has_outputs(&scene->fixture, NULL));
	assert_null(scene->view->output);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);
	for (int i = 0; i < 10; i++) {
		vgpu_scene_flip(scene, i % 2);
		fixture_step(&scene->fixture, 20);
	}
	/* Nobody asks a guest that nobody sees. */
	assert_int_equal(vgpu_scene_count_since(scene, &before).taken, 0);
	set_connector(test, "detect");
	fixture_step_until(&scene->fixture, has_outputs, NULL);
	assert_non_null(scene->view->output);
}

static bool all_is_released(struct fixture *fixture, void *data) {
	struct vgpu_scene_counts counts = vgpu_scene_count(data);
	return counts.released == counts.taken;
}

static void check_fences_of_reads(struct test *test, bool by_gpu) {
	struct fence_spy_counts counts = fence_spy_count();
	assert_int_equal(counts.write_imports, 0);
	assert_int_equal(counts.write_exports, 0);
	assert_int_equal(counts.library_exports, 0);
	assert_int_equal(counts.cpu_begins, counts.cpu_ends);
	assert_int_equal(counts.read_imports, by_gpu ? test->samples : 0);
	if (by_gpu) {
		/* None of them to draw: one to look for changes, at most, each time that it is asked. */
		uint64_t polls = oriel_source_get_counters(test->scene.view->source).polls;
		assert_true(counts.cpu_begins <= polls);
	}
	/* The pages that the test itself put no fence into. */
	for (int page = 0; page < FLIPPED_PAGES - 1; page++) {
		struct dmabuf_fence fences[8];
		int count = dmabuf_list_fences(test->scene.dmabuf_fds[page], fences, 8);
		if (!by_gpu) {
			assert_int_equal(count, 0);
			continue;
		}
		assert_true(count >= 1 && count <= 8);
		for (int i = 0; i < count; i++) {
			assert_int_equal(fences[i].usage, DMABUF_USAGE_READ);
		}
	}
}

/* Shows a page whose writer is late: half of them come, the others are superseded. */
static void test_flip_late(struct test *test, int page, bool is_unplugged, bool comes) {
	struct vgpu_scene *scene = &test->scene;
	size_t fence = test_add_writer(test, page);
	vgpu_scene_flip(scene, page);
	vgpu_scene_take(scene);
	if (is_unplugged) {
		test_unplug(test);
		vgpu_scene_flip(scene, page);
	}
	if (comes) {
		vgpu_scene_signal(scene, fence);
	} else {
		vgpu_scene_flip(scene, 0);
		vgpu_scene_step_until_shown(scene, 0);
		vgpu_scene_flip(scene, page);
	}
	vgpu_scene_drop_fence(scene, fence);
	vgpu_scene_step_until_shown(scene, page);
}

static void flip_thousand_times_releases_each_frame_once(void **state) {
	struct test *test = *state;
	struct vgpu_scene *scene = &test->scene;
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	test_start(test);
	unsetenv("WLR_HEADLESS_OUTPUTS");
	bool by_gpu = !renderer_is("pixman");
	check_read_path(test, by_gpu ? ORIEL_GUEST_READ_PATH_IMPORT : ORIEL_GUEST_READ_PATH_CPU);
	struct vgpu_scene_counts before = vgpu_scene_count(scene);

	int fds = 0;
	for (int i = 1; i <= FLIPS; i++) {
		if (i % LATE_EVERY == 0) {
			test_flip_late(test, FLIPPED_PAGES - 1, i == UNPLUG_AT,
					i % (2 * LATE_EVERY) == 0);
		} else {
			vgpu_scene_flip(scene, i % (FLIPPED_PAGES - 1));
			vgpu_scene_step_until_shown(scene, i % (FLIPPED_PAGES - 1));
		}
		/* Before and after the output has gone: other buffers are drawn to then. */
		if (i == UNPLUG_AT / 4 || i == UNPLUG_AT + UNPLUG_AT / 4) {
			fds = fds_count_open();
		} else if (i == UNPLUG_AT - 1 || i == FLIPS) {
			assert_int_equal(fds_count_open(), fds);
		}
	}
	vgpu_scene_check_screen(scene, scene->page);

	assert_int_equal(vgpu_guest_disable(scene->guest), 0);
	oriel_guest_view_blank(scene->view);
	fixture_step_until(&scene->fixture, all_is_released, scene);
	struct vgpu_scene_counts counts = vgpu_scene_count(scene);
	assert_int_equal(counts.shown + counts.superseded + counts.rejected, counts.taken);
	assert_int_equal(counts.rejected, 0);
	struct vgpu_scene_counts since = vgpu_scene_count_since(scene, &before);
	assert_true(since.shown >= FLIPS);
	assert_true(since.superseded >= FLIPS / LATE_EVERY / 2);
	assert_int_equal(test_count_live(test), 0);
	assert_int_equal(test->kept_twice, 0);
	assert_int_equal(test->kept_while_mapped, 0);
	check_fences_of_reads(test, by_gpu);
}

#define RELEASE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	/* The renderer decides who reads, and so what there is to be seen. */
	const struct CMUnitTest pixman_tests[] = {
		RELEASE_TEST(release_by_cpu_comes_after_last_read),
		RELEASE_TEST(flip_thousand_times_releases_each_frame_once),
	};
	/* Without timelines, wlroots' Vulkan renderer imports by itself and keeps a failure so. */
	const struct CMUnitTest vulkan_tests[] = {
		RELEASE_TEST(compose_with_gpu_busy_leaves_read_fence),
		RELEASE_TEST(release_with_gpu_busy_leaves_read_fence),
		RELEASE_TEST(release_by_gpu_comes_after_last_read),
		RELEASE_TEST(release_by_cpu_comes_after_last_read),
		RELEASE_TEST(flip_thousand_times_releases_each_frame_once),
	};
	const struct CMUnitTest gles2_tests[] = {
		RELEASE_TEST(compose_with_gpu_busy_leaves_read_fence),
		RELEASE_TEST(release_with_gpu_busy_leaves_read_fence),
		RELEASE_TEST(release_with_import_failed_waits_for_gpu),
		RELEASE_TEST(release_by_gpu_comes_after_last_read),
		RELEASE_TEST(release_by_cpu_comes_after_last_read),
		RELEASE_TEST(flip_thousand_times_releases_each_frame_once),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (renderer_is("vulkan")) {
		return cmocka_run_group_tests(vulkan_tests, fixture_warm_up, NULL);
	}
	if (renderer_is("gles2")) {
		return cmocka_run_group_tests(gles2_tests, fixture_warm_up, NULL);
	}
	return cmocka_run_group_tests(pixman_tests, fixture_warm_up, NULL);
}
