/*
 * What a guest paints into its vGPU's VRAM is on the screen, pixel by pixel, whatever the mode, the
 * stride or the way it came there. The same cases are run in every set-up of tests/vm/run: what
 * differs is who draws (pixman, Vulkan, GLES2) and what to (headless, virtio-gpu, vkms).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/box.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "fixture.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "kms.h"
#include "output/output.h"
#include "program.h"
#include "screenshot.h"
#include "server.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"
#include "view/layout.h"

#define GUESTS_MAX 2

/*
 * Where the size is not what it is about. A software GPU draws it, on an emulated processor; a
 * quarter of it is what mbochs has at least.
 */
#define SCREEN_WIDTH 320
#define SCREEN_HEIGHT 256

/* oriel with the guests a and b on its first output. */
struct display {
	struct fixture fixture;
	bool is_running; /* the fixture is up */
	struct {
		char uuid[37]; /* empty if the device is not there, or was removed */
		struct vgpu_guest *vgpu;
	} guests[GUESTS_MAX];
	int fds_before;
};

static const char *const guest_names[GUESTS_MAX] = { "a", "b" };

static int display_setup(void **state) {
	struct display *display = calloc(1, sizeof(*display));
	if (display == NULL) {
		return -1;
	}
	display->fds_before = fds_count_open();
	*state = display;
	return 0;
}

static int display_teardown(void **state) {
	struct display *display = *state;
	if (display->is_running) {
		fixture_finish(&display->fixture);
	}
	for (int i = 0; i < GUESTS_MAX; i++) {
		vgpu_guest_close(display->guests[i].vgpu);
	}
	int ret = 0;
	int fds = fds_count_open();
	if (fds != display->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", display->fds_before, fds);
		ret = -1;
	}
	for (int i = 0; i < GUESTS_MAX && ret == 0; i++) {
		if (display->guests[i].uuid[0] != '\0') {
			ret = vgpu_mdev_remove(display->guests[i].uuid);
		}
	}
	free(display);
	return ret;
}

static struct vgpu_guest *display_add_guest(struct display *display, int index) {
	assert_int_equal(vgpu_mdev_create("mbochs-medium", display->guests[index].uuid), 0);
	display->guests[index].vgpu = vgpu_guest_open(display->guests[index].uuid);
	assert_non_null(display->guests[index].vgpu);
	return display->guests[index].vgpu;
}

/* Starts oriel, its first output being of that size, with the guests that were added. */
static void display_start(struct display *display, int output_width, int output_height) {
	char output_name[KMS_NAME_SIZE];
	kms_get_output_name(output_name);
	char *config_text;
	size_t size;
	FILE *stream = open_memstream(&config_text, &size);
	assert_non_null(stream);
	fprintf(stream, "output %s {\n\tmode %dx%d\n}\n", output_name, output_width, output_height);
	for (int i = 0; i < GUESTS_MAX; i++) {
		if (display->guests[i].vgpu != NULL) {
			fprintf(stream, "guest %s {\n\tsource vfio fd:%d\n\toutput %s\n}\n",
					guest_names[i],
					vgpu_guest_get_device_fd(display->guests[i].vgpu),
					output_name);
		}
	}
	assert_int_equal(fclose(stream), 0);
	fixture_init(&display->fixture, config_text);
	display->is_running = true;
	free(config_text);

	const struct wlr_output *output = fixture_get_output(
			&display->fixture, fixture_get_output_name(&display->fixture, 0))
							  ->wlr_output;
	assert_int_equal(output->width, output_width);
	assert_int_equal(output->height, output_height);
}

static struct oriel_guest_view *display_get_view(struct display *display, int index) {
	return fixture_get_view(&display->fixture, guest_names[index]);
}

static void display_select(struct display *display, int index) {
	oriel_layout_select(&display->fixture.server->layout, display_get_view(display, index));
}

/*
 * Who reads the buffers of mbochs in this set-up: what the cases here prove is proven for this
 * path, and for no other.
 */
static enum oriel_guest_read_path get_expected_read_path(void) {
	static const struct {
		const char *set_up;
		enum oriel_guest_read_path path;
	} paths[] = {
		{ "headless-pixman", ORIEL_GUEST_READ_PATH_CPU },
		/* lavapipe maps a dma-buf that it imports. */
		{ "headless-vulkan", ORIEL_GUEST_READ_PATH_IMPORT },
		{ "virtio-gles2", ORIEL_GUEST_READ_PATH_IMPORT },
		{ "vkms-pixman", ORIEL_GUEST_READ_PATH_CPU },
	};
	const char *set_up = getenv("ORIEL_SETUP");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (set_up != NULL && strcmp(set_up, paths[i].set_up) == 0) {
			return paths[i].path;
		}
	}
	fail_msg("ORIEL_SETUP is none of the set-ups of tests/vm/run: %s", set_up);
	return ORIEL_GUEST_READ_PATH_UNDECIDED;
}

static void check_read_path(struct oriel_guest_view *view) {
	assert_non_null(view->primary.frame);
	assert_int_equal(oriel_guest_buffer_get_read_path(
					 oriel_guest_frame_get_buffer(view->primary.frame)),
			get_expected_read_path());
}

/* What became of a guest is said in the middle of a black screen. */
static void check_text(struct display *display) {
	struct screenshot screenshot = screenshot_take(
			&display->fixture, fixture_get_output_name(&display->fixture, 0));
	screenshot_check_text(&screenshot);
	screenshot_finish(&screenshot);
}

/* A test picture on an otherwise black screen. */
struct picture {
	int width, height; /* of the guest's mode */
	uint32_t seed;
	int x, y; /* of its corner on the screen */
	int scale; /* 0 is 1 */
};

static uint32_t picture_get_pixel(const struct picture *picture, int x, int y) {
	int scale = picture->scale != 0 ? picture->scale : 1;
	const struct wlr_box box = {
		.x = picture->x,
		.y = picture->y,
		.width = picture->width * scale,
		.height = picture->height * scale,
	};
	if (!wlr_box_contains_point(&box, x, y)) {
		return 0;
	}
	return vgpu_picture_pixel((x - box.x) / scale, (y - box.y) / scale, picture->width,
			picture->height, picture->seed);
}

/* What a client captures now is the picture: all of it, and nothing besides. */
static void check_screen(struct display *display, const struct picture *picture) {
	struct screenshot screenshot = screenshot_take(
			&display->fixture, fixture_get_output_name(&display->fixture, 0));
	int wrong = 0, wrong_x = 0, wrong_y = 0;
	for (int y = screenshot.height - 1; y >= 0; y--) {
		for (int x = screenshot.width - 1; x >= 0; x--) {
			if (screenshot_get_pixel(&screenshot, x, y) !=
					picture_get_pixel(picture, x, y)) {
				wrong++;
				wrong_x = x;
				wrong_y = y;
			}
		}
	}
	if (wrong > 0) {
		uint32_t is = screenshot_get_pixel(&screenshot, wrong_x, wrong_y);
		uint32_t expected = picture_get_pixel(picture, wrong_x, wrong_y);
		screenshot_finish(&screenshot);
		fail_msg("%d pixels are wrong, the first at %d,%d: %06x, expected %06x", wrong,
				wrong_x, wrong_y, is, expected);
	}
	screenshot_finish(&screenshot);
}

/* --- sizes, strides, flips and modes ---------------------------------------------------------- */

static void check_mode(void **state, int width, int height, int virtual_width) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	assert_int_equal(vgpu_guest_set_mode(vgpu, width, height, virtual_width, 1), 0);
	vgpu_guest_paint(vgpu, 0, 1);
	display_start(display, width, height);
	check_screen(display, &(struct picture){ .width = width, .height = height, .seed = 1 });

	struct oriel_guest_view *view = display_get_view(display, 0);
	check_read_path(view);
	assert_int_equal(oriel_guest_buffer_get_attributes(
					 oriel_guest_frame_get_buffer(view->primary.frame))
					 ->stride_bytes,
			virtual_width * 4);
}

static void paint_640x480_shows_every_pixel(void **state) {
	check_mode(state, 640, 480, 640);
}

/* Not a whole number of memory pages. */
static void paint_800x600_shows_every_pixel(void **state) {
	check_mode(state, 800, 600, 800);
}

/* 8 bytes more a row, and so no multiple of any unit that hardware asks for. */
static void paint_padded_stride_shows_every_pixel(void **state) {
	check_mode(state, 848, 480, 850);
}

static void flip_shows_other_page(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	assert_int_equal(vgpu_guest_set_mode(vgpu, 320, 256, 320, 2), 0);
	vgpu_guest_paint(vgpu, 0, 1);
	vgpu_guest_paint(vgpu, 1, 2);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 1 });
	assert_int_equal(vgpu_guest_flip(vgpu, 1), 0);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 2 });
	/* Back to a buffer that is known, and holds something new. */
	vgpu_guest_paint(vgpu, 0, 3);
	assert_int_equal(vgpu_guest_flip(vgpu, 0), 0);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 3 });
	check_read_path(display_get_view(display, 0));
}

/* There is no event for it: the same page, painted over. */
static void paint_shown_page_is_seen(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	assert_int_equal(vgpu_guest_set_mode(vgpu, 320, 256, 320, 1), 0);
	vgpu_guest_paint(vgpu, 0, 1);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 1 });
	vgpu_guest_paint(vgpu, 0, 2);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 2 });
}

static void mode_change_shows_new_mode(void **state) {
	static const struct {
		int width, virtual_width;
		struct picture picture;
	} modes[] = {
		{ 320, 320, { .width = 320, .height = 256, .seed = 1 } },
		{ 160, 160, { .width = 160, .height = 128, .seed = 2, .scale = 2 } },
		{ 320, 336, { .width = 320, .height = 256, .seed = 3 } },
		{ 80, 80, { .width = 80, .height = 64, .seed = 4, .scale = 4 } },
		{ 320, 320, { .width = 320, .height = 256, .seed = 5 } },
	};
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const struct picture *picture = &modes[i].picture;
		assert_int_equal(vgpu_guest_set_mode(vgpu, modes[i].width, picture->height,
						 modes[i].virtual_width, 1),
				0);
		vgpu_guest_paint(vgpu, 0, picture->seed);
		if (!display->is_running) {
			display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
		}
		check_screen(display, picture);
	}
	const struct oriel_guest_view *view = display_get_view(display, 0);
	assert_int_equal(view->stats.rejected, 0);
	assert_int_equal(view->stats.over_sync, 0);
}

static void mode_change_at_800x600_shows_new_mode(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	assert_int_equal(vgpu_guest_set_mode(vgpu, 400, 300, 400, 1), 0);
	vgpu_guest_paint(vgpu, 0, 1);
	display_start(display, 800, 600);
	check_screen(display,
			&(struct picture){ .width = 400, .height = 300, .seed = 1, .scale = 2 });
	assert_int_equal(vgpu_guest_set_mode(vgpu, 800, 600, 808, 1), 0);
	vgpu_guest_paint(vgpu, 0, 2);
	check_screen(display, &(struct picture){ .width = 800, .height = 600, .seed = 2 });
}

/* --- another shape than the screen's ---------------------------------------------------------- */

static void aspect_other_than_screen_is_letterboxed(void **state) {
	static const struct picture pictures[] = {
		{ .width = 320, .height = 160, .seed = 1, .y = 48 },
		{ .width = 160, .height = 256, .seed = 2, .x = 80 },
		{ .width = 160, .height = 80, .seed = 3, .y = 48, .scale = 2 },
		{ .width = 64, .height = 128, .seed = 4, .x = 96, .scale = 2 },
	};
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		const struct picture *picture = &pictures[i];
		assert_int_equal(vgpu_guest_set_mode(vgpu, picture->width, picture->height,
						 picture->width, 1),
				0);
		vgpu_guest_paint(vgpu, 0, picture->seed);
		if (!display->is_running) {
			display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
		}
		check_screen(display, picture);
	}
}

#define QUARTERS_WIDTH 128
#define QUARTERS_HEIGHT 64

/* Each quarter in one colour. */
static uint32_t get_quarter_colour(int x, int y, int width, int height) {
	static const uint32_t colours[] = { 0xff8040, 0x40c0ff, 0x80ff60, 0xe060c0 };
	return colours[(x >= width / 2) + 2 * (y >= height / 2)];
}

static void paint_quarters(struct vgpu_guest *vgpu) {
	size_t stride_bytes;
	uint32_t *pixels = vgpu_guest_get_page(vgpu, 0, &stride_bytes);
	for (int y = 0; y < QUARTERS_HEIGHT; y++) {
		for (int x = 0; x < QUARTERS_WIDTH; x++) {
			pixels[(size_t)y * stride_bytes / 4 + (size_t)x] =
					get_quarter_colour(x, y, QUARTERS_WIDTH, QUARTERS_HEIGHT);
		}
	}
}

/* Near an edge of anything, a filter mixes what lies on its two sides. */
static bool is_near(int position, int edge) {
	return abs(2 * position + 1 - 2 * edge) <= 2 * 4;
}

/* 2.5 times as large: colours within a quarter are exact, and so is where the black begins. */
static void scale_not_whole_fills_screen_between_black_bars(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	assert_int_equal(vgpu_guest_set_mode(vgpu, QUARTERS_WIDTH, QUARTERS_HEIGHT, QUARTERS_WIDTH, 1),
			0);
	paint_quarters(vgpu);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	struct screenshot screenshot = screenshot_take(
			&display->fixture, fixture_get_output_name(&display->fixture, 0));
	const struct wlr_box box = { .y = 48, .width = 320, .height = 160 };
	for (int y = 0; y < screenshot.height; y++) {
		for (int x = 0; x < screenshot.width; x++) {
			uint32_t pixel = screenshot_get_pixel(&screenshot, x, y);
			if (!wlr_box_contains_point(&box, x, y)) {
				assert_int_equal(pixel, 0);
				continue;
			}
			assert_int_not_equal(pixel, 0);
			if (!is_near(x, 0) && !is_near(x, 160) && !is_near(x, 320) &&
					!is_near(y, 48) && !is_near(y, 128) && !is_near(y, 208)) {
				assert_int_equal(pixel,
						get_quarter_colour(x - box.x, y - box.y, box.width,
								box.height));
			}
		}
	}
	screenshot_finish(&screenshot);
	check_read_path(display_get_view(display, 0));
}

/* --- more than one guest ---------------------------------------------------------------------- */

static void select_guest_shows_it_and_hides_other(void **state) {
	struct display *display = *state;
	struct vgpu_guest *a = display_add_guest(display, 0);
	struct vgpu_guest *b = display_add_guest(display, 1);
	assert_int_equal(vgpu_guest_set_mode(a, 320, 256, 320, 1), 0);
	assert_int_equal(vgpu_guest_set_mode(b, 160, 256, 160, 2), 0);
	vgpu_guest_paint(a, 0, 1);
	vgpu_guest_paint(b, 0, 2);
	vgpu_guest_paint(b, 1, 3);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	const struct picture a_picture = { .width = 320, .height = 256, .seed = 1 };
	const struct picture b_picture = { .width = 160, .height = 256, .seed = 2, .x = 80 };
	const struct picture b_flipped = { .width = 160, .height = 256, .seed = 3, .x = 80 };

	/* The first one is selected at first. Nobody asks the other. */
	check_screen(display, &a_picture);
	const struct oriel_source *b_source = display_get_view(display, 1)->source;
	assert_int_equal(oriel_source_get_counters(b_source).taken, 0);
	assert_int_equal(oriel_source_get_state(b_source), ORIEL_SOURCE_STATE_WAITING);

	display_select(display, 1);
	check_screen(display, &b_picture);
	display_select(display, 0);
	check_screen(display, &a_picture);

	/* What happens to a hidden guest is seen when it comes back. */
	uint64_t taken = oriel_source_get_counters(b_source).taken;
	assert_int_equal(vgpu_guest_flip(b, 1), 0);
	check_screen(display, &a_picture);
	assert_int_equal(oriel_source_get_counters(b_source).taken, taken);
	display_select(display, 1);
	check_screen(display, &b_flipped);
}

/* --- guests that go and come ------------------------------------------------------------------ */

/* This very program, playing a virtual machine in a process of its own: see run_guest(). */
static void guest_program_start(struct program *program, struct vgpu_guest *vgpu, int width,
		int height, uint32_t seed) {
	/* Not close-on-exec. */
	int device_fd = dup(vgpu_guest_get_device_fd(vgpu));
	assert_true(device_fd >= 0);
	char fd_text[16], width_text[16], height_text[16], seed_text[16];
	snprintf(fd_text, sizeof(fd_text), "%d", device_fd);
	snprintf(width_text, sizeof(width_text), "%d", width);
	snprintf(height_text, sizeof(height_text), "%d", height);
	snprintf(seed_text, sizeof(seed_text), "%u", seed);
	const char *const argv[] = { "/proc/self/exe", "guest", fd_text, width_text, height_text,
		seed_text, NULL };
	program_start(program, argv);
	close(device_fd);
	program_wait_for(program, &program->out, "painted\n");
}

static void guest_program_end(struct program *program) {
	program_kill(program, SIGTERM);
	assert_int_equal(program_wait(program), 0);
	program_finish(program);
}

/* guest FD WIDTH HEIGHT SEED: sets the mode, paints, says so, and holds the device until SIGTERM. */
static int run_guest(char *argv[]) {
	sigset_t end;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	struct vgpu_guest *vgpu = vgpu_guest_open_fd(atoi(argv[0]));
	if (vgpu == NULL) {
		perror("guest");
		return EXIT_FAILURE;
	}
	int width = atoi(argv[1]), height = atoi(argv[2]);
	int ret = vgpu_guest_set_mode(vgpu, width, height, width, 1);
	if (ret != 0) {
		fprintf(stderr, "guest: %s\n", strerror(-ret));
		return EXIT_FAILURE;
	}
	vgpu_guest_paint(vgpu, 0, (uint32_t)atoi(argv[3]));
	puts("painted");
	fflush(stdout);
	int signal_number;
	sigwait(&end, &signal_number);
	/* No vgpu_guest_close(): a virtual machine that ends does not tidy up. */
	return EXIT_SUCCESS;
}

static void guest_program_ends_keeps_last_frame_and_next_one_shows(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	/* A device that nobody has programmed is off. */
	fixture_step_refreshes(&display->fixture, 2);
	struct oriel_guest_view *view = display_get_view(display, 0);
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_OFF);

	const struct picture first = { .width = 320, .height = 256, .seed = 1 };
	const struct picture second = { .width = 160, .height = 128, .seed = 2, .scale = 2 };
	struct program program;
	guest_program_start(&program, vgpu, first.width, first.height, first.seed);
	check_screen(display, &first);
	guest_program_end(&program);
	fixture_step_refreshes(&display->fixture, 3);
	check_screen(display, &first);

	guest_program_start(&program, vgpu, second.width, second.height, second.seed);
	check_screen(display, &second);
	guest_program_end(&program);
	check_screen(display, &second);
}

static bool view_is_off(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return oriel_source_get_state(view->source) == ORIEL_SOURCE_STATE_OFF;
}

static bool view_is_blank(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return view->primary.frame == NULL;
}

/* Small pictures: between the reset and the end of the grace there is time for a screenshot. */
static void reset_keeps_last_frame_then_a_text_then_shows_next_program(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	const struct picture last = { .width = 80, .height = 64, .seed = 1, .scale = 4 };
	const struct picture next = { .width = 160, .height = 128, .seed = 2, .scale = 2 };
	assert_int_equal(vgpu_guest_set_mode(vgpu, last.width, last.height, last.width, 1), 0);
	vgpu_guest_paint(vgpu, 0, last.seed);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	check_screen(display, &last);
	struct oriel_guest_view *view = display_get_view(display, 0);

	assert_int_equal(vgpu_guest_reset(vgpu), 0);
	fixture_step_until(&display->fixture, view_is_off, view);
	assert_non_null(view->primary.frame);
	check_screen(display, &last);
	fixture_step_until(&display->fixture, view_is_blank, view);
	check_text(display);
	/* All is given back once nobody reads it any more. */
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	assert_int_equal(counters.released, counters.taken);

	struct program program;
	guest_program_start(&program, vgpu, next.width, next.height, next.seed);
	check_screen(display, &next);
	guest_program_end(&program);
	check_screen(display, &next);
}

/* A guest that boots: its display goes off and comes back with another mode. */
static void reset_and_new_mode_within_grace_never_blanks(void **state) {
	struct display *display = *state;
	struct vgpu_guest *a = display_add_guest(display, 0);
	struct vgpu_guest *b = display_add_guest(display, 1);
	assert_int_equal(vgpu_guest_set_mode(a, 320, 256, 320, 1), 0);
	assert_int_equal(vgpu_guest_set_mode(b, 320, 256, 320, 1), 0);
	vgpu_guest_paint(a, 0, 1);
	vgpu_guest_paint(b, 0, 2);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 1 });
	struct oriel_guest_view *a_view = display_get_view(display, 0);
	struct oriel_guest_view *b_view = display_get_view(display, 1);

	assert_int_equal(vgpu_guest_reset(a), 0);
	fixture_step_until(&display->fixture, view_is_off, a_view);
	assert_int_equal(vgpu_guest_set_mode(a, 160, 128, 160, 1), 0);
	vgpu_guest_paint(a, 0, 3);
	fixture_step_refreshes(&display->fixture, 2);
	assert_int_equal(oriel_source_get_state(a_view->source), ORIEL_SOURCE_STATE_RUNNING);
	assert_non_null(a_view->primary.frame);

	/* b's grace begins later: when it is over, so would be a's. */
	display_select(display, 1);
	check_screen(display, &(struct picture){ .width = 320, .height = 256, .seed = 2 });
	assert_int_equal(vgpu_guest_disable(b), 0);
	fixture_step_until(&display->fixture, view_is_off, b_view);
	fixture_step_until(&display->fixture, view_is_blank, b_view);
	assert_non_null(a_view->primary.frame);

	display_select(display, 0);
	check_screen(display,
			&(struct picture){ .width = 160, .height = 128, .seed = 3, .scale = 2 });
}

static bool source_is_lost(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return oriel_source_get_state(view->source) == ORIEL_SOURCE_STATE_LOST;
}

/* The device goes while its memory is on the screen. */
static void remove_device_keeps_last_frame_then_a_text(void **state) {
	struct display *display = *state;
	struct vgpu_guest *vgpu = display_add_guest(display, 0);
	const struct picture last = { .width = 160, .height = 128, .seed = 1, .scale = 2 };
	assert_int_equal(vgpu_guest_set_mode(vgpu, last.width, last.height, last.width, 1), 0);
	vgpu_guest_paint(vgpu, 0, last.seed);
	display_start(display, SCREEN_WIDTH, SCREEN_HEIGHT);
	check_screen(display, &last);
	struct oriel_guest_view *view = display_get_view(display, 0);

	/* The kernel makes whoever removes it wait until oriel has closed it. */
	const char *const argv[] = { "/proc/self/exe", "remove", display->guests[0].uuid, NULL };
	struct program program;
	program_start(&program, argv);
	vgpu_guest_close(vgpu);
	display->guests[0].vgpu = NULL;
	display->fixture.fds_before--; /* it was open when oriel started */
	fixture_step_until(&display->fixture, source_is_lost, view);
	assert_int_equal(program_wait(&program), 0);
	program_finish(&program);
	display->guests[0].uuid[0] = '\0';

	assert_non_null(view->primary.frame);
	check_screen(display, &last);
	fixture_step_until(&display->fixture, view_is_blank, view);
	check_text(display);
}

/* remove UUID */
static int run_remove(char *argv[]) {
	int ret = vgpu_mdev_remove(argv[0]);
	if (ret != 0) {
		fprintf(stderr, "remove: %s\n", strerror(-ret));
	}
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define DISPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, display_setup, display_teardown)

int main(int argc, char *argv[]) {
	if (argc == 6 && strcmp(argv[1], "guest") == 0) {
		return run_guest(&argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], "remove") == 0) {
		return run_remove(&argv[2]);
	}
	const struct CMUnitTest tests[] = {
		DISPLAY_TEST(paint_640x480_shows_every_pixel),
		DISPLAY_TEST(paint_800x600_shows_every_pixel),
		DISPLAY_TEST(paint_padded_stride_shows_every_pixel),
		DISPLAY_TEST(flip_shows_other_page),
		DISPLAY_TEST(paint_shown_page_is_seen),
		DISPLAY_TEST(mode_change_shows_new_mode),
		DISPLAY_TEST(mode_change_at_800x600_shows_new_mode),
		DISPLAY_TEST(aspect_other_than_screen_is_letterboxed),
		DISPLAY_TEST(scale_not_whole_fills_screen_between_black_bars),
		DISPLAY_TEST(select_guest_shows_it_and_hides_other),
		DISPLAY_TEST(guest_program_ends_keeps_last_frame_and_next_one_shows),
		DISPLAY_TEST(reset_keeps_last_frame_then_a_text_then_shows_next_program),
		DISPLAY_TEST(reset_and_new_mode_within_grace_never_blanks),
		DISPLAY_TEST(remove_device_keeps_last_frame_then_a_text),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, fixture_warm_up, NULL);
}
