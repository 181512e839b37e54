#include "view/state_text.h"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/types/wlr_scene.h>

#include <cmocka.h>

#include "fds.h"
#include "log_lines.h"
#include "shortage.h"

#define BOX_WIDTH 640
#define BOX_HEIGHT 480

/* A text in a scene that no output shows. */
static struct {
	int fds_before;
	struct wlr_scene *scene;
	struct oriel_state_text *text;
} context;

static void create_text(const char *guest_name) {
	oriel_state_text_destroy(context.text);
	context.text = oriel_state_text_create(&context.scene->tree, guest_name);
	assert_non_null(context.text);
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	context.scene = wlr_scene_create();
	assert_non_null(context.scene);
	create_text("win");
	return 0;
}

static int teardown(void **state) {
	oriel_state_text_destroy(context.text);
	assert_true(wl_list_empty(&context.scene->tree.children));
	wlr_scene_node_destroy(&context.scene->tree.node);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct wlr_scene_buffer *get_node(void) {
	struct wlr_scene_node *node;
	assert_int_equal(wl_list_length(&context.scene->tree.children), 1);
	node = wl_container_of(context.scene->tree.children.next, node, link);
	return wlr_scene_buffer_from_node(node);
}

/* What the scene shows, or NULL. */
static struct wlr_buffer *get_picture(void) {
	return get_node()->buffer;
}

static void show(int width, int height, float scale, const char *sentence) {
	oriel_state_text_arrange(context.text, width, height, scale);
	oriel_state_text_say(context.text, sentence);
}

/* The brightest pixel of some rows; 0 if they are black. */
static int get_brightest(int first_row, int row_count) {
	struct wlr_buffer *picture = get_picture();
	assert_non_null(picture);
	void *data;
	uint32_t format;
	size_t stride_bytes;
	assert_true(wlr_buffer_begin_data_ptr_access(
			picture, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride_bytes));
	assert_int_equal(format, DRM_FORMAT_XRGB8888);
	int brightest = 0;
	for (int y = first_row; y < first_row + row_count; y++) {
		const uint8_t *row = (const uint8_t *)data + (size_t)y * stride_bytes;
		for (int x = 0; x < picture->width; x++) {
			/* White and greys only. */
			assert_int_equal(row[4 * x], row[4 * x + 1]);
			assert_int_equal(row[4 * x], row[4 * x + 2]);
			brightest = row[4 * x] > brightest ? row[4 * x] : brightest;
		}
	}
	wlr_buffer_end_data_ptr_access(picture);
	return brightest;
}

/*
 * Runs first, since the fonts of a process are looked for once: in a child, which has a fontconfig
 * that knows of none.
 */
static void say_without_a_font_leaves_black_and_says_so_once(void **state) {
	char path[] = "/tmp/oriel-fonts-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "<fontconfig></fontconfig>\n") > 0);
	close(fd);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("FONTCONFIG_FILE", path, 1);
		log_lines_init();
		struct wlr_scene *scene = wlr_scene_create();
		struct oriel_state_text *text = oriel_state_text_create(&scene->tree, "win");
		oriel_state_text_arrange(text, BOX_WIDTH, BOX_HEIGHT, 1);
		oriel_state_text_say(text, "its display is off");
		oriel_state_text_say(text, "its display is gone");
		struct wlr_scene_node *node;
		node = wl_container_of(scene->tree.children.next, node, link);
		bool ok = wlr_scene_buffer_from_node(node)->buffer == NULL &&
				log_lines_get_count() == 1 &&
				strstr(log_lines_get_last(), "guest win: ") != NULL;
		oriel_state_text_destroy(text);
		_exit(ok ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(path);
}

static void destroy_null_is_fine(void **state) {
	oriel_state_text_destroy(NULL);
}

static void create_without_memory_fails(void **state) {
	shortage_of_memory_begin(1);
	struct oriel_state_text *text = oriel_state_text_create(&context.scene->tree, "win");
	shortage_of_memory_end();
	assert_null(text);
}

static void nothing_is_said_at_first(void **state) {
	oriel_state_text_arrange(context.text, BOX_WIDTH, BOX_HEIGHT, 1);
	assert_null(get_picture());
}

static void say_writes_two_lines_in_the_middle_of_the_box(void **state) {
	show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
	struct wlr_buffer *picture = get_picture();
	assert_non_null(picture);
	const struct wlr_scene_buffer *node = get_node();
	assert_int_equal(node->dst_width, picture->width);
	assert_int_equal(node->dst_height, picture->height);
	assert_int_equal(node->node.x, (BOX_WIDTH - picture->width) / 2);
	assert_int_equal(node->node.y, (BOX_HEIGHT - picture->height) / 2);
	assert_true(picture->width < BOX_WIDTH && picture->height < BOX_HEIGHT);
	/* The name is white, the sentence less so. */
	assert_int_equal(get_brightest(0, picture->height / 2), 255);
	int sentence = get_brightest(picture->height - picture->height / 3, picture->height / 3);
	assert_true(sentence > 128 && sentence < 255);
}

static void say_before_there_is_a_box_waits_for_it(void **state) {
	oriel_state_text_say(context.text, "its display is off");
	assert_null(get_picture());
	oriel_state_text_arrange(context.text, BOX_WIDTH, BOX_HEIGHT, 1);
	assert_non_null(get_picture());
}

static void say_nothing_takes_the_text_away(void **state) {
	show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
	oriel_state_text_say(context.text, NULL);
	assert_null(get_picture());
	oriel_state_text_arrange(context.text, BOX_WIDTH, BOX_HEIGHT, 2);
	assert_null(get_picture());
	oriel_state_text_say(context.text, "its display is off");
	assert_non_null(get_picture());
}

static void text_is_painted_anew_only_when_it_is_another(void **state) {
	show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
	struct wlr_buffer *picture = wlr_buffer_lock(get_picture());
	/* Another pointer to the same words. */
	char same[] = "its display is off";
	show(BOX_WIDTH, BOX_HEIGHT, 1, same);
	assert_ptr_equal(get_picture(), picture);
	static const struct {
		int width, height;
		float scale;
		const char *sentence;
	} others[] = {
		{ BOX_WIDTH + 1, BOX_HEIGHT, 1, "its display is off" },
		{ BOX_WIDTH + 1, BOX_HEIGHT + 1, 1, "its display is off" },
		{ BOX_WIDTH + 1, BOX_HEIGHT + 1, 2, "its display is off" },
		{ BOX_WIDTH + 1, BOX_HEIGHT + 1, 2, "its display is gone" },
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		show(others[i].width, others[i].height, others[i].scale, others[i].sentence);
		assert_non_null(get_picture());
		assert_ptr_not_equal(get_picture(), picture);
		wlr_buffer_unlock(picture);
		picture = wlr_buffer_lock(get_picture());
	}
	wlr_buffer_unlock(picture);
}

/* As sharp as the output is: as large in layout units, of so many more pixels. */
static void text_is_painted_in_the_pixels_of_the_output(void **state) {
	static const float scales[] = { 1.25f, 1.5f, 2, 3 };
	show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
	int width = get_picture()->width, height = get_picture()->height;
	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		show(BOX_WIDTH, BOX_HEIGHT, scales[i], "its display is off");
		const struct wlr_scene_buffer *node = get_node();
		assert_int_in_range((int)((float)get_picture()->width / scales[i] + 0.5f) -
						node->dst_width + 1,
				0, 2);
		assert_int_in_range(node->dst_width * 100 / width, 95, 105);
		assert_int_in_range(node->dst_height * 100 / height, 95, 105);
	}
}

static void text_grows_with_the_box_within_limits(void **state) {
	int last_height = 0;
	static const int heights[] = { 200, 720, 1080, 4320 };
	for (size_t i = 0; i < sizeof(heights) / sizeof(heights[0]); i++) {
		show(heights[i] * 16 / 9, heights[i], 1, "its display is off");
		assert_non_null(get_picture());
		assert_true(get_picture()->height > last_height);
		last_height = get_picture()->height;
	}
	show(16000, 16000, 1, "its display is off");
	assert_int_equal(get_picture()->height, last_height);
}

static void box_that_is_too_small_stays_black(void **state) {
	show(BOX_WIDTH, 20, 1, "its display is off");
	assert_null(get_picture());
	show(1, 1, 1, "its display is off");
	assert_null(get_picture());
	show(0, 0, 1, "its display is off");
	assert_null(get_picture());
	assert_int_equal(log_lines_get_count(), 0);
}

static void name_that_is_too_long_is_cut_to_the_box(void **state) {
	create_text("a-guest-whose-name-is-as-long-as-a-name-may-be-with-all-of-it-w");
	show(320, 240, 1, "off");
	assert_non_null(get_picture());
	assert_true(get_picture()->width <= 320);
	assert_true(get_picture()->width > 160);
}

/* Whatever it is called: a guest has one line for its name. */
static void name_that_is_no_text_is_written_on_one_line_all_the_same(void **state) {
	static const char *const names[] = {
		"two\nlines",
		"\x1b[31mred\x07",
		"no UTF-8: \xff\xfe\x80",
		"cut off: \xe2\x82",
		"\xe2\x80\xaereversed",
		"two\xe2\x80\xa9 paragraphs",
		"",
		"\xe3\x82\xb2\xe3\x82\xb9\xe3\x83\x88",
	};
	show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
	int height = get_picture()->height;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		create_text(names[i]);
		show(BOX_WIDTH, BOX_HEIGHT, 1, "its display is off");
		if (get_picture() == NULL || abs(get_picture()->height - height) > height / 4) {
			fail_msg("name %zu", i);
		}
	}
}

static void say_without_memory_leaves_black_and_says_so_once(void **state) {
	oriel_state_text_arrange(context.text, BOX_WIDTH, BOX_HEIGHT, 1);
	for (unsigned int call = 1; call <= 2; call++) {
		shortage_of_memory_begin(call);
		oriel_state_text_say(context.text,
				call == 1 ? "its display is off" : "its display is gone");
		shortage_of_memory_end();
		assert_null(get_picture());
		assert_int_equal(log_lines_get_count(), 1);
	}
	oriel_state_text_say(context.text, "waiting for its display");
	assert_non_null(get_picture());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(say_without_a_font_leaves_black_and_says_so_once),
		TEST(destroy_null_is_fine),
		TEST(create_without_memory_fails),
		TEST(nothing_is_said_at_first),
		TEST(say_writes_two_lines_in_the_middle_of_the_box),
		TEST(say_before_there_is_a_box_waits_for_it),
		TEST(say_nothing_takes_the_text_away),
		TEST(text_is_painted_anew_only_when_it_is_another),
		TEST(text_is_painted_in_the_pixels_of_the_output),
		TEST(text_grows_with_the_box_within_limits),
		TEST(box_that_is_too_small_stays_black),
		TEST(name_that_is_too_long_is_cut_to_the_box),
		TEST(name_that_is_no_text_is_written_on_one_line_all_the_same),
		TEST(say_without_memory_leaves_black_and_says_so_once),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
