/*
 * A guest's display on screen: where, how large, which one, and what becomes of its frames.
 */
#include "view/guest_view.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <wayland-server-core.h>
#include <wlr/backend/headless.h>
#include <wlr/backend/multi.h>
#include <wlr/interfaces/wlr_output.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "input.h"
#include "output/output.h"
#include "screenshot.h"
#include "server.h"
#include "synthetic_picture.h"
#include "view/layout.h"

/* With so many outputs from the start. */
static void init_with_outputs(struct fixture *fixture, int count, const char *config_text) {
	char digits[16];
	snprintf(digits, sizeof(digits), "%d", count);
	setenv("WLR_HEADLESS_OUTPUTS", digits, true);
	fixture_init(fixture, config_text);
	unsetenv("WLR_HEADLESS_OUTPUTS");
}

/* How many pictures the guest has drawn: one for each frame, which is ready at once. */
static uint64_t get_taken(struct fixture *fixture, const char *guest_name) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, guest_name);
	return oriel_source_get_counters(view->source).taken;
}

static bool is_inside(int x, int y, int left, int top, int width, int height) {
	return x >= left && x < left + width && y >= top && y < top + height;
}

static void assert_black_outside(
		const struct screenshot *screenshot, int left, int top, int width, int height) {
	for (int y = 0; y < screenshot->height; y++) {
		for (int x = 0; x < screenshot->width; x++) {
			if (!is_inside(x, y, left, top, width, height) &&
					screenshot_get_pixel(screenshot, x, y) != 0) {
				fail_msg("%#x at %d,%d, which is outside the guest's picture",
						screenshot_get_pixel(screenshot, x, y), x, y);
			}
		}
	}
}

/*
 * Its output shows the guest's picture at left, top, pixel for pixel and whole, on black. Returns
 * which one of its pictures.
 */
static uint64_t assert_guest_at(struct fixture *fixture, const char *guest_name, int left, int top,
		int scale, int width, int height) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, guest_name);
	assert_non_null(view->output);
	/* At least one of its pictures. */
	fixture_step_output_refreshes(fixture, view->output->name, 2);
	uint64_t first = get_taken(fixture, guest_name);
	assert_true(first > 0);
	struct screenshot screenshot = screenshot_take(fixture, view->output->name);
	uint64_t last = get_taken(fixture, guest_name);
	uint64_t n = synthetic_picture_find(
			&screenshot, left, top, scale, width, height, first - 1, last - 1);
	assert_black_outside(&screenshot, left, top, width * scale, height * scale);
	screenshot_finish(&screenshot);
	return n;
}

static void assert_black(struct fixture *fixture, const char *output_name) {
	struct screenshot screenshot = screenshot_take(fixture, output_name);
	assert_black_outside(&screenshot, 0, 0, 0, 0);
	screenshot_finish(&screenshot);
}

static void assert_counters_add_up(struct fixture *fixture, const char *guest_name) {
	const struct oriel_guest_view *view = fixture_get_view(fixture, guest_name);
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	const struct oriel_stats *stats = &view->stats;
	bool holds_unsampled = view->primary.frame != NULL && !view->primary.frame->sampled;
	assert_int_equal(counters.taken,
			stats->shown + stats->superseded + stats->rejected +
					(holds_unsampled ? 1 : 0));
	assert_int_equal(counters.taken, counters.released + (view->primary.frame != NULL ? 1 : 0));
	assert_int_equal(stats->rejected, 0);
	assert_int_equal(stats->over_sync, 0);
	assert_int_equal(stats->scanned_out, 0);
	assert_int_equal(stats->acquire_wait.count, counters.taken);
}

static void assert_blank_balances(struct fixture *fixture, const char *guest_name) {
	assert_counters_add_up(fixture, guest_name);
	struct oriel_guest_view *view = fixture_get_view(fixture, guest_name);
	oriel_guest_view_blank(view);
	struct oriel_source_counters counters = oriel_source_get_counters(view->source);
	assert_int_equal(counters.taken, counters.released);
	assert_counters_add_up(fixture, guest_name);
}

/* Place and size */

static void guest_at_its_own_size_is_shown_pixel_for_pixel(void **state) {
	static const struct {
		int width, height;
	} sizes[] = { { 64, 48 }, { 61, 47 }, { 1, 1 }, { 16, 300 }, { 300, 16 } };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char config_text[256];
		snprintf(config_text, sizeof(config_text),
				"output OUTPUT-1 {\n\tmode %dx%d\n}\n"
				"guest a {\n\tsource synthetic %dx%d\n}\n",
				sizes[i].width, sizes[i].height, sizes[i].width, sizes[i].height);
		struct fixture fixture;
		fixture_init(&fixture, config_text);
		assert_guest_at(&fixture, "a", 0, 0, 1, sizes[i].width, sizes[i].height);
		assert_blank_balances(&fixture, "a");
		fixture_finish(&fixture);
	}
}

static void guest_scaled_by_whole_number_keeps_sharp_pixels(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 192x144\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 3, 64, 48);
	fixture_finish(&fixture);
}

static void guest_on_higher_output_is_letterboxed_in_the_middle(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 128x128\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 0, 16, 2, 64, 48);
	fixture_finish(&fixture);
}

static void guest_on_wider_output_is_letterboxed_in_the_middle(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 200x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 68, 0, 1, 64, 48);
	fixture_finish(&fixture);
}

static int channel_difference(uint32_t a, uint32_t b, int shift) {
	return abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff));
}

/*
 * The picture fills that box smoothly. Tells nothing of the bar's place: near what is white
 * anything is allowed, but no more than the bar's share of each row.
 */
static void assert_guest_fills(const struct screenshot *screenshot, int left, int top, int width,
		int height, int guest_width, int guest_height) {
	assert_black_outside(screenshot, left, top, width, height);
	/* A guest's pixel, and the scaler's half of another. */
	int tolerance = 2 + 255 * 3 / 2 / (guest_width < guest_height ? guest_width : guest_height);
	for (int y = 0; y < height; y++) {
		int other = 0;
		for (int x = 0; x < width; x++) {
			uint32_t pixel = screenshot_get_pixel(screenshot, left + x, top + y);
			uint32_t wanted = (uint32_t)(x * 255 / width) << 16 |
					(uint32_t)(y * 255 / height) << 8 | 0x40;
			if (channel_difference(pixel, wanted, 16) > tolerance ||
					channel_difference(pixel, wanted, 8) > tolerance ||
					channel_difference(pixel, wanted, 0) > 2) {
				other++;
			}
		}
		int bar_width = (guest_width / 16 + 3) * width / guest_width + 1;
		if (other > bar_width) {
			fail_msg("row %d: %d pixels are not the guest's", y, other);
		}
	}
}

static void guest_scaled_by_fraction_keeps_aspect(void **state) {
	static const struct {
		const char *mode, *guest;
		int guest_width, guest_height, left, top, width, height;
	} cases[] = {
		{ "96x96", "64x48", 64, 48, 0, 12, 96, 72 },
		{ "64x64", "128x96", 128, 96, 0, 8, 64, 48 },
		{ "100x60", "300x200", 300, 200, 5, 0, 90, 60 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char config_text[256];
		snprintf(config_text, sizeof(config_text),
				"output OUTPUT-1 {\n\tmode %s\n}\n"
				"guest a {\n\tsource synthetic %s\n}\n",
				cases[i].mode, cases[i].guest);
		struct fixture fixture;
		fixture_init(&fixture, config_text);
		fixture_step_refreshes(&fixture, 2);
		struct screenshot screenshot =
				screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
		assert_guest_fills(&screenshot, cases[i].left, cases[i].top, cases[i].width,
				cases[i].height, cases[i].guest_width, cases[i].guest_height);
		screenshot_finish(&screenshot);
		fixture_finish(&fixture);
	}
}

static void guest_on_scaled_output_fills_it(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 128x96\n\tscale 2\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_true(fixture_get_view(&fixture, "a")->output->scale == 2);
	assert_guest_at(&fixture, "a", 0, 0, 2, 64, 48);
	fixture_finish(&fixture);
}

static void guest_of_scaled_outputs_pixel_size_is_shown_pixel_for_pixel(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 96x72\n\tscale 1.5\n}\n"
			"guest a {\n\tsource synthetic 96x72\n}\n");
	assert_true(fixture_get_view(&fixture, "a")->output->scale == 1.5);
	assert_guest_at(&fixture, "a", 0, 0, 1, 96, 72);
	fixture_finish(&fixture);
}

/* Logically 1:1, but not in pixels: nearest would show some of the guest's columns twice. */
static void guest_on_fractionally_scaled_output_is_smooth(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 96x72\n\tscale 1.5\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	fixture_step_refreshes(&fixture, 2);
	struct screenshot screenshot =
			screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
	int twins = 0;
	for (int x = 1; x < 96; x++) {
		uint32_t before = screenshot_get_pixel(&screenshot, x - 1, 40);
		uint32_t pixel = screenshot_get_pixel(&screenshot, x, 40);
		twins += before == pixel && pixel != 0xf0f0f0 ? 1 : 0;
	}
	/* The ends, where there is nothing to blend with. */
	assert_true(twins <= 2);
	screenshot_finish(&screenshot);
	fixture_finish(&fixture);
}

/* Which guest on which output */

static void two_guests_on_two_outputs_show_side_by_side(void **state) {
	struct fixture fixture;
	init_with_outputs(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 80x40\n}\n"
			"guest a {\n\tsource synthetic 64x48\n\toutput OUTPUT-1\n}\n"
			"guest b {\n\tsource synthetic 40x20\n\toutput OUTPUT-2\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_guest_at(&fixture, "b", 0, 0, 2, 40, 20);
	assert_string_equal(fixture_get_view(&fixture, "b")->output->name,
			fixture_get_numbered_output_name(&fixture, 2));
	assert_blank_balances(&fixture, "a");
	assert_blank_balances(&fixture, "b");
	fixture_finish(&fixture);
}

static void guest_that_names_an_output_is_shown_there_only(void **state) {
	struct fixture fixture;
	init_with_outputs(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_string_equal(fixture_get_view(&fixture, "a")->output->name,
			fixture_get_numbered_output_name(&fixture, 2));
	assert_black(&fixture, fixture_get_numbered_output_name(&fixture, 1));
	fixture_finish(&fixture);
}

static void guest_without_output_goes_to_the_first_one(void **state) {
	struct fixture fixture;
	init_with_outputs(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_string_equal(fixture_get_view(&fixture, "a")->output->name,
			fixture_get_output_name(&fixture, 0));
	assert_black(&fixture, fixture_get_output_name(&fixture, 1));
	fixture_finish(&fixture);
}

static void guest_of_absent_output_is_not_asked(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n\toutput DP-7\n}\n");
	fixture_step_refreshes(&fixture, 4);
	const struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	assert_int_equal(oriel_source_get_counters(view->source).taken, 0);
	assert_black(&fixture, fixture_get_output_name(&fixture, 0));
	fixture_finish(&fixture);
}

static void binding_selects_the_guest_and_the_other_rests(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n"
			"guest b {\n\tsource synthetic 32x24\n}\n"
			"bind Super+1 guest a\nbind Super+2 guest b\n");
	struct input input;
	input_plug(&input, &fixture);
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	const struct oriel_guest_view *a = fixture_get_view(&fixture, "a");
	const struct oriel_guest_view *b = fixture_get_view(&fixture, "b");
	assert_int_equal(oriel_source_get_counters(b->source).taken, 0);

	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_2, 0 });
	uint64_t taken = oriel_source_get_counters(a->source).taken;
	assert_guest_at(&fixture, "b", 0, 0, 2, 32, 24);
	assert_int_equal(oriel_source_get_counters(a->source).taken, taken);

	input_type(&input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
	taken = oriel_source_get_counters(b->source).taken;
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_int_equal(oriel_source_get_counters(b->source).taken, taken);
	assert_blank_balances(&fixture, "a");
	assert_blank_balances(&fixture, "b");
	fixture_finish(&fixture);
}

/* Frames */

static void guest_goes_on_from_picture_to_picture(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	uint64_t n = assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	for (int i = 0; i < 5; i++) {
		uint64_t next = assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
		assert_true(next > n);
		n = next;
	}
	fixture_finish(&fixture);
}

static void captures_in_a_row_show_what_was_there(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	/* Nothing in between: the second one begins where the first one ends. */
	for (int i = 0; i < 2; i++) {
		struct screenshot screenshot =
				screenshot_take(&fixture, fixture_get_output_name(&fixture, 0));
		synthetic_picture_find(&screenshot, 0, 0, 1, 64, 48, 0, get_taken(&fixture, "a") - 1);
		screenshot_finish(&screenshot);
	}
	fixture_finish(&fixture);
}

static void many_refreshes_release_each_frame_once(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48@250\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	fixture_step_refreshes(&fixture, 200);
	const struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	assert_true(oriel_source_get_counters(view->source).taken >= 200);
	/* One refresh, one frame. Only a machine that is late takes some that are never seen. */
	assert_true(view->stats.superseded < view->stats.shown);
	assert_blank_balances(&fixture, "a");
	fixture_finish(&fixture);
}

static void blank_shows_black_until_the_next_frame(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_blank_balances(&fixture, "a");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);

	/* No next frame: nobody takes any. */
	oriel_source_set_consumer(fixture_get_view(&fixture, "a")->source, NULL, NULL);
	assert_blank_balances(&fixture, "a");
	assert_black(&fixture, fixture_get_output_name(&fixture, 0));
	fixture_finish(&fixture);
}

/* Outputs that change */

static void request_state(struct wlr_output *output, int width, int height, float scale) {
	struct wlr_output_state output_state;
	wlr_output_state_init(&output_state);
	wlr_output_state_set_custom_mode(&output_state, width, height, 0);
	wlr_output_state_set_scale(&output_state, scale);
	struct wlr_output_event_request_state event = {
		.output = output,
		.state = &output_state,
	};
	wl_signal_emit_mutable(&output->events.request_state, &event);
	wlr_output_state_finish(&output_state);
}

static void output_that_changes_mode_or_scale_refits_the_guest(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	struct wlr_output *output =
			fixture_get_output(&fixture, fixture_get_output_name(&fixture, 0))->wlr_output;
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);

	request_state(output, 192, 96, 1);
	assert_int_equal(output->width, 192);
	assert_guest_at(&fixture, "a", 32, 0, 2, 64, 48);

	request_state(output, 192, 144, 3);
	assert_guest_at(&fixture, "a", 0, 0, 3, 64, 48);

	request_state(output, 64, 48, 1);
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_blank_balances(&fixture, "a");
	fixture_finish(&fixture);
}

static void find_headless(struct wlr_backend *backend, void *data) {
	struct wlr_backend **found = data;
	if (wlr_backend_is_headless(backend)) {
		*found = backend;
	}
}

static void add_output(struct fixture *fixture, unsigned width, unsigned height) {
	struct wlr_backend *headless = NULL;
	wlr_multi_for_each_backend(fixture->server->backend, find_headless, &headless);
	assert_non_null(headless);
	assert_non_null(wlr_headless_add_output(headless, width, height));
}

static void output_destroyed_under_guest_balances_and_the_guest_rests(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	wlr_output_destroy(
			fixture_get_output(&fixture, fixture_get_output_name(&fixture, 0))->wlr_output);
	const struct oriel_guest_view *view = fixture_get_view(&fixture, "a");
	assert_null(view->output);
	assert_counters_add_up(&fixture, "a");

	uint64_t taken = oriel_source_get_counters(view->source).taken;
	for (int i = 0; i < 8; i++) {
		fixture_step(&fixture, 1000000 / 60000);
	}
	assert_int_equal(oriel_source_get_counters(view->source).taken, taken);
	assert_counters_add_up(&fixture, "a");
	assert_blank_balances(&fixture, "a");
	fixture_finish(&fixture);
}

static void output_that_comes_back_shows_the_guest_again(void **state) {
	struct fixture fixture;
	fixture_init(&fixture,
			"output OUTPUT-1 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n");
	for (int i = 0; i < 3; i++) {
		wlr_output_destroy(fixture_get_output(&fixture, fixture_get_output_name(&fixture, 0))
						->wlr_output);
		add_output(&fixture, 128, 96);
		assert_guest_at(&fixture, "a", 0, 0, 2, 64, 48);
	}
	assert_blank_balances(&fixture, "a");
	fixture_finish(&fixture);
}

static void first_output_destroyed_moves_its_guest_to_the_next(void **state) {
	struct fixture fixture;
	init_with_outputs(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\tmode 64x48\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n"
			"guest b {\n\tsource synthetic 32x24\n\toutput OUTPUT-1\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	wlr_output_destroy(
			fixture_get_output(&fixture, fixture_get_output_name(&fixture, 0))->wlr_output);
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	assert_null(fixture_get_view(&fixture, "b")->output);
	assert_blank_balances(&fixture, "a");
	assert_blank_balances(&fixture, "b");
	fixture_finish(&fixture);
}

static void output_that_is_configured_off_shows_and_asks_nothing(void **state) {
	struct fixture fixture;
	init_with_outputs(&fixture, 2,
			"output OUTPUT-1 {\n\tmode 64x48\n}\noutput OUTPUT-2 {\n\toff\n}\n"
			"guest a {\n\tsource synthetic 64x48\n}\n"
			"guest b {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n");
	assert_guest_at(&fixture, "a", 0, 0, 1, 64, 48);
	const struct oriel_guest_view *b = fixture_get_view(&fixture, "b");
	assert_null(b->output);
	assert_int_equal(oriel_source_get_counters(b->source).taken, 0);
	fixture_finish(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_at_its_own_size_is_shown_pixel_for_pixel),
		cmocka_unit_test(guest_scaled_by_whole_number_keeps_sharp_pixels),
		cmocka_unit_test(guest_on_higher_output_is_letterboxed_in_the_middle),
		cmocka_unit_test(guest_on_wider_output_is_letterboxed_in_the_middle),
		cmocka_unit_test(guest_scaled_by_fraction_keeps_aspect),
		cmocka_unit_test(guest_on_scaled_output_fills_it),
		cmocka_unit_test(guest_of_scaled_outputs_pixel_size_is_shown_pixel_for_pixel),
		cmocka_unit_test(guest_on_fractionally_scaled_output_is_smooth),
		cmocka_unit_test(two_guests_on_two_outputs_show_side_by_side),
		cmocka_unit_test(guest_that_names_an_output_is_shown_there_only),
		cmocka_unit_test(guest_without_output_goes_to_the_first_one),
		cmocka_unit_test(guest_of_absent_output_is_not_asked),
		cmocka_unit_test(binding_selects_the_guest_and_the_other_rests),
		cmocka_unit_test(guest_goes_on_from_picture_to_picture),
		cmocka_unit_test(captures_in_a_row_show_what_was_there),
		cmocka_unit_test(many_refreshes_release_each_frame_once),
		cmocka_unit_test(blank_shows_black_until_the_next_frame),
		cmocka_unit_test(output_that_changes_mode_or_scale_refits_the_guest),
		cmocka_unit_test(output_destroyed_under_guest_balances_and_the_guest_rests),
		cmocka_unit_test(output_that_comes_back_shows_the_guest_again),
		cmocka_unit_test(first_output_destroyed_moves_its_guest_to_the_next),
		cmocka_unit_test(output_that_is_configured_off_shows_and_asks_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
