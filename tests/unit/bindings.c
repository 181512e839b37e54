#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <wlr/types/wlr_keyboard.h>
#include <xkbcommon/xkbcommon.h>

#include "config.h"
#include "input/bindings.h"

/*
 * Three layouts: US, Russian, and one whose digits need Shift. In the text, so that the test does
 * not depend on which keyboard data is installed. F1 has the levels that a PC's keymap gives it.
 */
static const char keymap_text[] =
		"xkb_keymap {\n"
		"xkb_keycodes \"test\" {\n"
		"	minimum = 8; maximum = 255;\n"
		"	<AE01> = 10; <AD01> = 24; <RTRN> = 36; <FK01> = 67; <FK12> = 96;\n"
		"};\n"
		"xkb_types \"test\" {\n"
		"	virtual_modifiers Alt;\n"
		"	type \"ONE_LEVEL\" { modifiers = none; level_name[Level1] = \"Any\"; };\n"
		"	type \"TWO_LEVEL\" {\n"
		"		modifiers = Shift; map[Shift] = Level2;\n"
		"		level_name[Level1] = \"Base\"; level_name[Level2] = \"Shift\";\n"
		"	};\n"
		"	type \"ALPHABETIC\" {\n"
		"		modifiers = Shift + Lock; map[Shift] = Level2; map[Lock] = Level2;\n"
		"		level_name[Level1] = \"Base\"; level_name[Level2] = \"Caps\";\n"
		"	};\n"
		"	type \"CTRL_ALT\" {\n"
		"		modifiers = Control + Mod1; map[Control + Mod1] = Level2;\n"
		"		level_name[Level1] = \"Base\"; level_name[Level2] = \"Ctrl+Alt\";\n"
		"	};\n"
		"};\n"
		"xkb_compatibility \"test\" { };\n"
		"xkb_symbols \"test\" {\n"
		"	name[Group1] = \"US\"; name[Group2] = \"Russian\"; name[Group3] = \"Digits\";\n"
		"	key <AE01> { type = \"TWO_LEVEL\", symbols[Group1] = [ 1, exclam ],\n"
		"		symbols[Group2] = [ 1, exclam ], symbols[Group3] = [ ampersand, 1 ] };\n"
		"	key <AD01> { type = \"ALPHABETIC\", symbols[Group1] = [ q, Q ],\n"
		"		symbols[Group2] = [ Cyrillic_shorti, Cyrillic_SHORTI ],\n"
		"		symbols[Group3] = [ a, A ] };\n"
		"	key <RTRN> { type = \"ONE_LEVEL\", symbols[Group1] = [ Return ] };\n"
		"	key <FK01> { type = \"CTRL_ALT\", symbols[Group1] = [ F1, XF86Switch_VT_1 ] };\n"
		"	key <FK12> { type = \"CTRL_ALT\", symbols[Group1] = [ F12, XF86Switch_VT_12 ] };\n"
		"};\n"
		"};\n";

enum {
	KEY_1 = 10,
	KEY_Q = 24,
	KEY_RETURN = 36,
	KEY_F1 = 67,
	KEY_F12 = 96,
	KEY_NONE = 200, /* without symbols */
};

enum {
	LAYOUT_US,
	LAYOUT_RUSSIAN,
	LAYOUT_DIGITS,
};

#define LOGO WLR_MODIFIER_LOGO
#define SHIFT WLR_MODIFIER_SHIFT
#define CTRL WLR_MODIFIER_CTRL
#define ALT WLR_MODIFIER_ALT
#define CAPS WLR_MODIFIER_CAPS
#define NUM WLR_MODIFIER_MOD2

struct fixture {
	struct xkb_context *context;
	struct xkb_keymap *keymap;
	struct xkb_state *state;
	struct wl_list bindings;
};

static int setup(void **state) {
	static struct fixture fixture;
	fixture.context = xkb_context_new(XKB_CONTEXT_NO_DEFAULT_INCLUDES);
	fixture.keymap = xkb_keymap_new_from_string(fixture.context, keymap_text,
			XKB_KEYMAP_FORMAT_TEXT_V1, XKB_KEYMAP_COMPILE_NO_FLAGS);
	assert_non_null(fixture.keymap);
	fixture.state = xkb_state_new(fixture.keymap);
	assert_non_null(fixture.state);
	wl_list_init(&fixture.bindings);
	*state = &fixture;
	return 0;
}

static int teardown(void **state) {
	struct fixture *fixture = *state;
	xkb_state_unref(fixture->state);
	xkb_keymap_unref(fixture->keymap);
	xkb_context_unref(fixture->context);
	return 0;
}

static void add(struct fixture *fixture, struct oriel_config_binding *binding, uint32_t modifiers,
		xkb_keysym_t keysym) {
	*binding = (struct oriel_config_binding){ .modifiers = modifiers, .keysym = keysym };
	wl_list_insert(fixture->bindings.prev, &binding->link);
}

static const struct oriel_config_binding *press(struct fixture *fixture, xkb_keycode_t key,
		uint32_t depressed, uint32_t locked, xkb_layout_index_t layout) {
	xkb_state_update_mask(fixture->state, depressed, 0, locked, 0, 0, layout);
	return oriel_bindings_find_key(&fixture->bindings, fixture->state, key);
}

static void find_needs_exactly_the_modifiers(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding plain, shifted;
	add(fixture, &plain, LOGO, XKB_KEY_q);
	add(fixture, &shifted, LOGO | SHIFT, XKB_KEY_q);

	static const struct {
		uint32_t modifiers;
		int which; /* 0: none, 1: plain, 2: shifted */
	} cases[] = {
		{ 0, 0 },
		{ LOGO, 1 },
		{ LOGO | SHIFT, 2 },
		{ SHIFT, 0 },
		{ LOGO | CTRL, 0 },
		{ LOGO | SHIFT | ALT, 0 },
		{ LOGO | CAPS, 1 },
		{ LOGO | NUM, 1 },
		{ LOGO | CAPS | NUM | SHIFT, 2 },
		{ LOGO | WLR_MODIFIER_MOD3, 0 },
		{ LOGO | WLR_MODIFIER_MOD5, 0 },
	};
	const struct oriel_config_binding *wanted[] = { NULL, &plain, &shifted };
	const xkb_keysym_t keysym = XKB_KEY_q;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ptr_equal(oriel_bindings_find(&fixture->bindings, cases[i].modifiers,
						 &keysym, 1),
				wanted[cases[i].which]);
	}
}

static void find_counts_a_lock_that_the_binding_names(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding binding;
	add(fixture, &binding, LOGO | CAPS, XKB_KEY_q);
	const xkb_keysym_t keysym = XKB_KEY_q;
	assert_null(oriel_bindings_find(&fixture->bindings, LOGO, &keysym, 1));
	assert_null(oriel_bindings_find(&fixture->bindings, LOGO | NUM, &keysym, 1));
	assert_ptr_equal(oriel_bindings_find(&fixture->bindings, LOGO | CAPS, &keysym, 1), &binding);
	assert_ptr_equal(oriel_bindings_find(&fixture->bindings, LOGO | CAPS | NUM, &keysym, 1),
			&binding);
}

static void find_takes_the_first_keysym_that_is_bound(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding one, two;
	add(fixture, &one, LOGO, XKB_KEY_1);
	add(fixture, &two, LOGO, XKB_KEY_2);
	const xkb_keysym_t keysyms[] = { XKB_KEY_NoSymbol, XKB_KEY_3, XKB_KEY_2, XKB_KEY_1 };
	assert_null(oriel_bindings_find(&fixture->bindings, LOGO, keysyms, 0));
	assert_null(oriel_bindings_find(&fixture->bindings, LOGO, keysyms, 2));
	assert_ptr_equal(oriel_bindings_find(&fixture->bindings, LOGO, keysyms, 3), &two);
	assert_ptr_equal(oriel_bindings_find(&fixture->bindings, LOGO, keysyms, 4), &two);
}

static void find_never_matches_no_symbol(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding binding;
	add(fixture, &binding, LOGO, XKB_KEY_NoSymbol);
	const xkb_keysym_t keysym = XKB_KEY_NoSymbol;
	assert_null(oriel_bindings_find(&fixture->bindings, LOGO, &keysym, 1));
}

static void find_key_goes_by_the_level_without_shift(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding plain, shifted, digit;
	add(fixture, &plain, LOGO, XKB_KEY_q);
	add(fixture, &shifted, LOGO | SHIFT, XKB_KEY_q);
	add(fixture, &digit, LOGO | SHIFT, XKB_KEY_1);
	assert_null(press(fixture, KEY_Q, 0, 0, LAYOUT_US));
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, 0, LAYOUT_US), &plain);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, CAPS | NUM, LAYOUT_US), &plain);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO | SHIFT, 0, LAYOUT_US), &shifted);
	assert_ptr_equal(press(fixture, KEY_1, LOGO | SHIFT, 0, LAYOUT_US), &digit);
	assert_null(press(fixture, KEY_1, LOGO, 0, LAYOUT_US));
}

/* "Super+q" alone: a capital Q is another key combination, not a symbol of the same one. */
static void find_key_shift_is_not_dropped_for_a_letter(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding plain;
	add(fixture, &plain, LOGO, XKB_KEY_q);
	assert_null(press(fixture, KEY_Q, LOGO | SHIFT, 0, LAYOUT_US));
}

static void find_key_finds_the_symbol_that_shift_gives(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding exclam, one;
	add(fixture, &exclam, LOGO, XKB_KEY_exclam);
	add(fixture, &one, LOGO, XKB_KEY_1);
	assert_ptr_equal(press(fixture, KEY_1, LOGO | SHIFT, 0, LAYOUT_US), &exclam);
	assert_ptr_equal(press(fixture, KEY_1, LOGO, 0, LAYOUT_US), &one);
	assert_null(press(fixture, KEY_1, LOGO | SHIFT | CTRL, 0, LAYOUT_US));
	/* where the digit itself needs Shift */
	assert_ptr_equal(press(fixture, KEY_1, LOGO | SHIFT, 0, LAYOUT_DIGITS), &one);
}

static void find_key_prefers_the_level_without_shift(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding exclam, shifted;
	add(fixture, &exclam, LOGO, XKB_KEY_exclam);
	add(fixture, &shifted, LOGO | SHIFT, XKB_KEY_1);
	assert_ptr_equal(press(fixture, KEY_1, LOGO | SHIFT, 0, LAYOUT_US), &shifted);
}

static void find_key_falls_back_to_the_other_layouts(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding q, cyrillic;
	add(fixture, &q, LOGO, XKB_KEY_q);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, 0, LAYOUT_RUSSIAN), &q);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, 0, LAYOUT_DIGITS), &q);
	assert_null(press(fixture, KEY_Q, LOGO | CTRL, 0, LAYOUT_RUSSIAN));
	/* but the layout in use comes first */
	add(fixture, &cyrillic, LOGO, XKB_KEY_Cyrillic_shorti);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, 0, LAYOUT_RUSSIAN), &cyrillic);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, 0, LAYOUT_US), &q);
}

static void find_key_knows_keys_of_one_level(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding binding;
	add(fixture, &binding, LOGO, XKB_KEY_Return);
	assert_ptr_equal(press(fixture, KEY_RETURN, LOGO, 0, LAYOUT_US), &binding);
	assert_ptr_equal(press(fixture, KEY_RETURN, LOGO, 0, LAYOUT_RUSSIAN), &binding);
	assert_null(press(fixture, KEY_RETURN, LOGO | SHIFT, 0, LAYOUT_US));
}

static void find_key_counts_latched_modifiers_and_no_locked_ones(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding binding;
	add(fixture, &binding, LOGO, XKB_KEY_q);
	xkb_state_update_mask(fixture->state, 0, LOGO, 0, 0, 0, 0);
	assert_ptr_equal(oriel_bindings_find_key(&fixture->bindings, fixture->state, KEY_Q),
			&binding);
	assert_ptr_equal(press(fixture, KEY_Q, LOGO, WLR_MODIFIER_MOD5, LAYOUT_US), &binding);
	assert_null(press(fixture, KEY_Q, 0, LOGO, LAYOUT_US));
}

static void find_key_of_a_key_without_symbols_finds_nothing(void **state) {
	struct fixture *fixture = *state;
	struct oriel_config_binding binding;
	add(fixture, &binding, LOGO, XKB_KEY_q);
	static const xkb_keycode_t keys[] = { 0, 7, KEY_NONE, 255, 256, UINT32_MAX };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_null(press(fixture, keys[i], LOGO, 0, LAYOUT_US));
		assert_int_equal(oriel_bindings_find_vt(fixture->state, keys[i]), 0);
	}
}

static void find_vt_tells_the_terminal(void **state) {
	struct fixture *fixture = *state;
	xkb_state_update_mask(fixture->state, CTRL | ALT, 0, 0, 0, 0, 0);
	assert_int_equal(oriel_bindings_find_vt(fixture->state, KEY_F1), 1);
	assert_int_equal(oriel_bindings_find_vt(fixture->state, KEY_F12), 12);
	assert_int_equal(oriel_bindings_find_vt(fixture->state, KEY_Q), 0);
	xkb_state_update_mask(fixture->state, CTRL, 0, 0, 0, 0, 0);
	assert_int_equal(oriel_bindings_find_vt(fixture->state, KEY_F1), 0);
	xkb_state_update_mask(fixture->state, 0, 0, 0, 0, 0, 0);
	assert_int_equal(oriel_bindings_find_vt(fixture->state, KEY_F12), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(find_needs_exactly_the_modifiers),
		TEST(find_counts_a_lock_that_the_binding_names),
		TEST(find_takes_the_first_keysym_that_is_bound),
		TEST(find_never_matches_no_symbol),
		TEST(find_key_goes_by_the_level_without_shift),
		TEST(find_key_shift_is_not_dropped_for_a_letter),
		TEST(find_key_finds_the_symbol_that_shift_gives),
		TEST(find_key_prefers_the_level_without_shift),
		TEST(find_key_falls_back_to_the_other_layouts),
		TEST(find_key_knows_keys_of_one_level),
		TEST(find_key_counts_latched_modifiers_and_no_locked_ones),
		TEST(find_key_of_a_key_without_symbols_finds_nothing),
		TEST(find_vt_tells_the_terminal),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("bindings", tests, NULL, NULL);
}
