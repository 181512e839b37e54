/* What counts as text, and the order of questions and answers with a guest's clipboard. */
#include "guest/guest_clipboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_clipboard.h"

#define BYTES(string) string, sizeof(string) - 1

static void text_is_utf8_and_nothing_else(void **state) {
	static const struct {
		const char *bytes;
		size_t size;
		bool is_valid;
	} cases[] = {
		{ BYTES(""), true },
		{ BYTES("plain text\r\n\t"), true },
		{ BYTES("a\0b"), true },
		/* The first and the last character of each length. */
		{ BYTES("\x7f"), true },
		{ BYTES("\xc2\x80"), true },
		{ BYTES("\xdf\xbf"), true },
		{ BYTES("\xe0\xa0\x80"), true },
		{ BYTES("\xef\xbf\xbf"), true },
		{ BYTES("\xf0\x90\x80\x80"), true },
		{ BYTES("\xf4\x8f\xbf\xbf"), true },
		/* Around the surrogates. */
		{ BYTES("\xed\x9f\xbf"), true },
		{ BYTES("\xed\xa0\x80"), false },
		{ BYTES("\xed\xbf\xbf"), false },
		{ BYTES("\xee\x80\x80"), true },
		/* Longer than need be. */
		{ BYTES("\xc0\x80"), false },
		{ BYTES("\xc1\xbf"), false },
		{ BYTES("\xe0\x9f\xbf"), false },
		{ BYTES("\xf0\x8f\xbf\xbf"), false },
		/* Beyond the last one. */
		{ BYTES("\xf4\x90\x80\x80"), false },
		{ BYTES("\xf7\xbf\xbf\xbf"), false },
		{ BYTES("\xf8\x88\x80\x80\x80"), false },
		{ BYTES("\xff"), false },
		/* Not begun, or not ended. */
		{ BYTES("\x80"), false },
		{ BYTES("a\xbf"), false },
		{ BYTES("\xc2"), false },
		{ BYTES("\xc2\x41"), false },
		{ BYTES("\xe2\x82"), false },
		{ BYTES("\xe2\x82\x41"), false },
		{ BYTES("\xe2\x82\xc0"), false },
		{ BYTES("ok \xf0\x9f\x98"), false },
		{ BYTES("ok \xf0\x9f\x98\x80 ok"), true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Nothing behind it is looked at. */
		char *copy = malloc(cases[i].size + 1);
		assert_non_null(copy);
		memcpy(copy, cases[i].bytes, cases[i].size);
		char *exact = realloc(copy, cases[i].size > 0 ? cases[i].size : 1);
		assert_non_null(exact);
		const struct oriel_guest_text text = { .data = exact, .size = cases[i].size };
		if (oriel_guest_text_is_valid(&text) != cases[i].is_valid) {
			fail_msg("case %zu", i);
		}
		free(exact);
	}
	assert_false(oriel_guest_text_is_valid(&(struct oriel_guest_text){ 0 }));
}

static void text_has_a_limit(void **state) {
	char *data = calloc(ORIEL_GUEST_CLIPBOARD_SIZE_MAX + 1, 1);
	assert_non_null(data);
	for (size_t size = ORIEL_GUEST_CLIPBOARD_SIZE_MAX - 1;
			size <= ORIEL_GUEST_CLIPBOARD_SIZE_MAX + 1; size++) {
		const struct oriel_guest_text text = { .data = data, .size = size };
		assert_int_equal(oriel_guest_text_is_valid(&text),
				size <= ORIEL_GUEST_CLIPBOARD_SIZE_MAX);
	}
	free(data);
}

struct listeners {
	int changes, asks, texts;
	struct wl_listener change, ask, text;
};

static void handle_change(struct wl_listener *listener, void *data) {
	struct listeners *listeners = wl_container_of(listener, listeners, change);
	listeners->changes++;
}

static void handle_ask(struct wl_listener *listener, void *data) {
	struct listeners *listeners = wl_container_of(listener, listeners, ask);
	listeners->asks++;
}

static void handle_text(struct wl_listener *listener, void *data) {
	struct listeners *listeners = wl_container_of(listener, listeners, text);
	listeners->texts++;
}

static struct fake_clipboard *create(struct listeners *listeners) {
	struct fake_clipboard *fake = fake_clipboard_create();
	*listeners = (struct listeners){
		.change.notify = handle_change,
		.ask.notify = handle_ask,
		.text.notify = handle_text,
	};
	wl_signal_add(&fake->base.events.change, &listeners->change);
	wl_signal_add(&fake->base.events.ask, &listeners->ask);
	wl_signal_add(&fake->base.events.text, &listeners->text);
	return fake;
}

static void destroy(struct fake_clipboard *fake, struct listeners *listeners) {
	wl_list_remove(&listeners->change.link);
	wl_list_remove(&listeners->ask.link);
	wl_list_remove(&listeners->text.link);
	oriel_guest_clipboard_unref(&fake->base);
}

static void fetch_is_one_at_a_time_and_of_text_that_is_there(void **state) {
	struct listeners listeners;
	struct fake_clipboard *fake = create(&listeners);
	assert_false(oriel_guest_clipboard_fetch(&fake->base));
	fake_clipboard_copy(fake);
	assert_int_equal(listeners.changes, 1);
	assert_true(oriel_guest_clipboard_fetch(&fake->base));
	assert_true(oriel_guest_clipboard_fetch(&fake->base));
	assert_string_equal(fake_clipboard_take(fake), "fetch");
	fake_clipboard_give(fake, "text");
	assert_int_equal(listeners.texts, 1);
	assert_true(oriel_guest_clipboard_fetch(&fake->base));
	assert_string_equal(fake_clipboard_take(fake), "fetch");
	fake_clipboard_give(fake, NULL);
	assert_int_equal(listeners.texts, 2);
	/* It has none when the host has another one. */
	oriel_guest_clipboard_offer(&fake->base, true);
	assert_false(oriel_guest_clipboard_fetch(&fake->base));
	fake->is_away = true;
	fake_clipboard_copy(fake);
	assert_false(oriel_guest_clipboard_fetch(&fake->base));
	destroy(fake, &listeners);
}

static void change_is_told_when_there_is_one(void **state) {
	struct listeners listeners;
	struct fake_clipboard *fake = create(&listeners);
	oriel_guest_clipboard_change(&fake->base, false);
	assert_int_equal(listeners.changes, 0);
	fake_clipboard_copy(fake);
	fake_clipboard_copy(fake);
	assert_int_equal(listeners.changes, 2);
	oriel_guest_clipboard_change(&fake->base, false);
	assert_int_equal(listeners.changes, 3);
	oriel_guest_clipboard_change(&fake->base, false);
	assert_int_equal(listeners.changes, 3);
	destroy(fake, &listeners);
}

static void question_is_answered_once(void **state) {
	struct listeners listeners;
	struct fake_clipboard *fake = create(&listeners);
	const struct oriel_guest_text text = { BYTES("text") };
	oriel_guest_clipboard_answer(&fake->base, &text);
	assert_string_equal(fake_clipboard_take(fake), "");
	assert_true(oriel_guest_clipboard_ask(&fake->base));
	/* One at a time. */
	assert_false(oriel_guest_clipboard_ask(&fake->base));
	assert_int_equal(listeners.asks, 1);
	oriel_guest_clipboard_answer(&fake->base, &text);
	oriel_guest_clipboard_answer(&fake->base, &text);
	assert_string_equal(fake_clipboard_take(fake), "answer 4 text");
	assert_true(oriel_guest_clipboard_ask(&fake->base));
	oriel_guest_clipboard_end_ask(&fake->base);
	oriel_guest_clipboard_answer(&fake->base, &text);
	assert_string_equal(fake_clipboard_take(fake), "");
	/* What is no text is no answer. */
	assert_true(oriel_guest_clipboard_ask(&fake->base));
	oriel_guest_clipboard_answer(&fake->base, &(struct oriel_guest_text){ BYTES("\xff") });
	assert_string_equal(fake_clipboard_take(fake), "answer none");
	destroy(fake, &listeners);
}

static void question_that_nobody_hears_is_refused(void **state) {
	struct fake_clipboard *fake = fake_clipboard_create();
	assert_false(oriel_guest_clipboard_ask(&fake->base));
	assert_false(fake->base.is_asking);
	oriel_guest_clipboard_unref(&fake->base);
	oriel_guest_clipboard_unref(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_utf8_and_nothing_else),
		cmocka_unit_test(text_has_a_limit),
		cmocka_unit_test(fetch_is_one_at_a_time_and_of_text_that_is_there),
		cmocka_unit_test(change_is_told_when_there_is_one),
		cmocka_unit_test(question_is_answered_once),
		cmocka_unit_test(question_that_nobody_hears_is_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
