#include "output/modeset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wlr/types/wlr_output.h>

#include <cmocka.h>

#include "config.h"
#include "log_lines.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define ATTEMPTS_MAX 16

/* What was asked of the output in one commit. */
struct attempt {
	bool enabled;
	int width, height, refresh_mhz; /* 0: no mode was asked for */
	bool custom;
	float scale; /* 0: none was asked for */
};

/* An output with modes of its own, or without any, that takes the commits it is told to. */
static struct {
	struct wlr_output output;
	struct wlr_output_mode modes[4];
	struct attempt attempts[ATTEMPTS_MAX];
	size_t attempt_count;
	size_t accepts_at; /* so many are refused before; SIZE_MAX: all */
} context;

bool __wrap_wlr_output_commit_state(struct wlr_output *output, const struct wlr_output_state *state);

bool __wrap_wlr_output_commit_state(struct wlr_output *output, const struct wlr_output_state *state) {
	assert_ptr_equal(output, &context.output);
	assert_true(state->committed & WLR_OUTPUT_STATE_ENABLED);
	assert_true(context.attempt_count < ATTEMPTS_MAX);
	struct attempt *attempt = &context.attempts[context.attempt_count];
	*attempt = (struct attempt){ .enabled = state->enabled };
	if (state->committed & WLR_OUTPUT_STATE_MODE) {
		attempt->custom = state->mode_type == WLR_OUTPUT_STATE_MODE_CUSTOM;
		attempt->width = attempt->custom ? state->custom_mode.width : state->mode->width;
		attempt->height = attempt->custom ? state->custom_mode.height : state->mode->height;
		attempt->refresh_mhz = attempt->custom ? state->custom_mode.refresh
						       : state->mode->refresh;
	}
	if (state->committed & WLR_OUTPUT_STATE_SCALE) {
		attempt->scale = state->scale;
	}
	return context.attempt_count++ >= context.accepts_at;
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	log_lines_init();
	context.output.name = (char *)"DP-1";
	wl_list_init(&context.output.modes);
	return 0;
}

/* 1024x768 at 60 and at 75 Hz, between the preferred mode and another one. */
static int setup_modes(void **state) {
	setup(state);
	static const struct wlr_output_mode modes[] = {
		{ .width = 640, .height = 480, .refresh = 60000 },
		{ .width = 1024, .height = 768, .refresh = 60000 },
		{ .width = 1024, .height = 768, .refresh = 75000 },
		{ .width = 1920, .height = 1080, .refresh = 60000, .preferred = true },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
		context.modes[i] = modes[i];
		wl_list_insert(context.output.modes.prev, &context.modes[i].link);
	}
	return 0;
}

static void assert_mode(size_t index, int width, int height, int refresh_mhz, bool custom) {
	assert_true(index < context.attempt_count);
	const struct attempt *attempt = &context.attempts[index];
	assert_true(attempt->enabled);
	assert_int_equal(attempt->width, width);
	assert_int_equal(attempt->height, height);
	assert_int_equal(attempt->refresh_mhz, refresh_mhz);
	assert_true(attempt->custom == custom);
}

static void assert_said(const char *text) {
	const char *said = strstr(log_lines_get_last(), "output ");
	assert_non_null(said);
	assert_string_equal(said, text);
}

static const struct oriel_config_output vga = {
	.has_mode = true,
	.width = 1024,
	.height = 768,
	.refresh_mhz = 72500,
};

static void find_config_goes_by_the_whole_name(void **state) {
	struct oriel_config config;
	wl_list_init(&config.outputs);
	struct oriel_config_output outputs[] = { { .name = (char *)"DP-1" },
		{ .name = (char *)"DP-11" } };
	for (size_t i = 0; i < ARRAY_LENGTH(outputs); i++) {
		wl_list_insert(config.outputs.prev, &outputs[i].link);
	}
	assert_ptr_equal(oriel_modeset_find_config(&config, "DP-1"), &outputs[0]);
	assert_ptr_equal(oriel_modeset_find_config(&config, "DP-11"), &outputs[1]);
	assert_null(oriel_modeset_find_config(&config, "DP-"));
	assert_null(oriel_modeset_find_config(&config, "DP-2"));
}

static void apply_without_a_mode_takes_the_preferred_one(void **state) {
	static const struct oriel_config_output nothing;
	assert_true(oriel_modeset_apply(&context.output, NULL));
	assert_true(oriel_modeset_apply(&context.output, &nothing));
	assert_int_equal(context.attempt_count, 2);
	assert_mode(0, 1920, 1080, 60000, false);
	assert_mode(1, 1920, 1080, 60000, false);
	assert_true(context.attempts[0].scale == 0 && context.attempts[1].scale == 0);
}

static void apply_to_an_output_without_modes_leaves_its_size(void **state) {
	assert_true(oriel_modeset_apply(&context.output, NULL));
	assert_int_equal(context.attempt_count, 1);
	assert_mode(0, 0, 0, 0, false);
}

static void apply_takes_the_outputs_own_mode_of_the_nearest_rate(void **state) {
	static const struct {
		int refresh_mhz, taken_mhz;
	} cases[] = { { 0, 60000 }, { 1, 60000 }, { 59940, 60000 }, { 60000, 60000 },
		{ 67500, 60000 }, { 67501, 75000 }, { 75000, 75000 }, { 144000, 75000 } };
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_config_output config = vga;
		config.refresh_mhz = cases[i].refresh_mhz;
		assert_true(oriel_modeset_apply(&context.output, &config));
		assert_mode(i, 1024, 768, cases[i].taken_mhz, false);
	}
	assert_int_equal(context.attempt_count, ARRAY_LENGTH(cases));
	assert_int_equal(log_lines_get_count(), 0);
}

static void apply_size_that_is_no_mode_is_a_custom_one(void **state) {
	struct oriel_config_output config = vga;
	config.height = 767;
	assert_true(oriel_modeset_apply(&context.output, &config));
	assert_int_equal(context.attempt_count, 1);
	assert_mode(0, 1024, 767, 72500, true);
}

static void apply_refused_custom_mode_is_tried_without_its_rate(void **state) {
	context.accepts_at = 1;
	assert_true(oriel_modeset_apply(&context.output, &vga));
	assert_int_equal(context.attempt_count, 2);
	assert_mode(0, 1024, 768, 72500, true);
	assert_mode(1, 1024, 768, 0, true);
	assert_int_equal(log_lines_get_count(), 0);
}

static void apply_refused_custom_mode_without_a_rate_is_tried_once(void **state) {
	struct oriel_config_output config = vga;
	config.refresh_mhz = 0;
	context.accepts_at = 1;
	assert_true(oriel_modeset_apply(&context.output, &config));
	assert_int_equal(context.attempt_count, 2);
	assert_mode(0, 1024, 768, 0, true);
	assert_mode(1, 0, 0, 0, false);
	assert_int_equal(log_lines_get_count(), 1);
	assert_said("output DP-1: does not take mode 1024x768: its own is used");
}

static void apply_refused_mode_gives_way_to_the_preferred_one(void **state) {
	context.accepts_at = 1;
	assert_true(oriel_modeset_apply(&context.output, &vga));
	assert_int_equal(context.attempt_count, 2);
	assert_mode(0, 1024, 768, 75000, false);
	assert_mode(1, 1920, 1080, 60000, false);
	assert_int_equal(log_lines_get_count(), 1);
	assert_said("output DP-1: does not take mode 1024x768@72.500: its own is used");
}

static void apply_refused_preferred_mode_gives_way_to_any(void **state) {
	/* The preferred one, and all but the last of the list. */
	context.accepts_at = 3;
	assert_true(oriel_modeset_apply(&context.output, NULL));
	assert_int_equal(context.attempt_count, 4);
	assert_mode(0, 1920, 1080, 60000, false);
	assert_mode(1, 640, 480, 60000, false);
	assert_mode(2, 1024, 768, 60000, false);
	assert_mode(3, 1024, 768, 75000, false);
	assert_int_equal(log_lines_get_count(), 0);
}

static void apply_refused_altogether_fails(void **state) {
	context.accepts_at = SIZE_MAX;
	assert_false(oriel_modeset_apply(&context.output, NULL));
	assert_int_equal(log_lines_get_count(), 1);
	assert_said("output DP-1: cannot be switched on");
	assert_false(oriel_modeset_apply(&context.output, &vga));
	assert_int_equal(log_lines_get_count(), 3);
	assert_said("output DP-1: cannot be switched on");
}

static void apply_scale_goes_with_every_attempt(void **state) {
	struct oriel_config_output config = vga;
	config.scale = 1.5;
	context.accepts_at = 2;
	assert_true(oriel_modeset_apply(&context.output, &config));
	assert_int_equal(context.attempt_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(context.attempts[i].scale == 1.5f);
	}
}

static void apply_off_switches_off_whatever_else_is_asked_for(void **state) {
	struct oriel_config_output config = vga;
	config.off = true;
	config.scale = 2;
	assert_true(oriel_modeset_apply(&context.output, &config));
	assert_int_equal(context.attempt_count, 1);
	assert_false(context.attempts[0].enabled);
	assert_int_equal(context.attempts[0].width, 0);
	assert_int_equal(log_lines_get_count(), 0);
}

static void apply_off_refused_fails(void **state) {
	struct oriel_config_output config = { .off = true };
	context.accepts_at = SIZE_MAX;
	assert_false(oriel_modeset_apply(&context.output, &config));
	assert_int_equal(context.attempt_count, 1);
	assert_int_equal(log_lines_get_count(), 1);
	assert_said("output DP-1: cannot be switched off");
}

#define TEST(name, its_setup) cmocka_unit_test_setup(name, its_setup)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(find_config_goes_by_the_whole_name, setup),
		TEST(apply_without_a_mode_takes_the_preferred_one, setup_modes),
		TEST(apply_to_an_output_without_modes_leaves_its_size, setup),
		TEST(apply_takes_the_outputs_own_mode_of_the_nearest_rate, setup_modes),
		TEST(apply_size_that_is_no_mode_is_a_custom_one, setup_modes),
		TEST(apply_refused_custom_mode_is_tried_without_its_rate, setup),
		TEST(apply_refused_custom_mode_without_a_rate_is_tried_once, setup),
		TEST(apply_refused_mode_gives_way_to_the_preferred_one, setup_modes),
		TEST(apply_refused_preferred_mode_gives_way_to_any, setup_modes),
		TEST(apply_refused_altogether_fails, setup_modes),
		TEST(apply_scale_goes_with_every_attempt, setup),
		TEST(apply_off_switches_off_whatever_else_is_asked_for, setup_modes),
		TEST(apply_off_refused_fails, setup_modes),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
