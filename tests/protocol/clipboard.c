/*
 * The clipboard between Wayland clients and guests: who is offered what, whose text goes where, and
 * what becomes of those that are slow, silent, too long or gone. The guests' clipboards are fakes that
 * note what comes; the client has data control, as clipboard managers have.
 */
#include "input/clipboard.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "data_control.h"
#include "fake_clipboard.h"
#include "fake_sink.h"
#include "fixture.h"
#include "input/seat.h"
#include "server.h"
#include "view/guest_view.h"
#include "view/layout.h"

#define TEXT_TYPE "text/plain;charset=utf-8"
#define SIZE_MAX_BYTES ((size_t)ORIEL_GUEST_CLIPBOARD_SIZE_MAX)

/* Three guests: a and b have a clipboard each, and c, another head of a's machine, has a's. */
struct scene {
	struct fixture fixture;
	struct data_control *client;
	struct fake_clipboard *a, *b;
	int destroyed;
};

static void give_clipboard(struct scene *scene, const char *guest_name, struct fake_clipboard *fake) {
	oriel_guest_clipboard_ref(&fake->base);
	oriel_clipboard_add_guest(scene->fixture.server->seat->clipboard,
			fixture_get_view(&scene->fixture, guest_name), &fake->base);
}

static void scene_init(struct scene *scene) {
	*scene = (struct scene){ 0 };
	fixture_init(&scene->fixture,
			"guest a {\n\tsource synthetic 128x48\n}\n"
			"guest b {\n\tsource synthetic 128x48\n}\n"
			"guest c {\n\tsource synthetic 128x48\n}\n");
	static const char *const names[] = { "a", "b", "c" };
	for (size_t i = 0; i < 3; i++) {
		oriel_guest_view_set_input(fixture_get_view(&scene->fixture, names[i]),
				&fake_sink_create()->base);
	}
	scene->a = fake_clipboard_create();
	scene->a->destroyed = &scene->destroyed;
	scene->b = fake_clipboard_create();
	scene->b->destroyed = &scene->destroyed;
	give_clipboard(scene, "a", scene->a);
	give_clipboard(scene, "b", scene->b);
	give_clipboard(scene, "c", scene->a);
	oriel_guest_clipboard_unref(&scene->a->base);
	oriel_guest_clipboard_unref(&scene->b->base);
	scene->client = data_control_connect(&scene->fixture);
}

static void scene_finish(struct scene *scene) {
	data_control_disconnect(scene->client);
	fixture_finish(&scene->fixture);
	assert_int_equal(scene->destroyed, 2);
}

static void focus(struct scene *scene, const char *guest_name) {
	oriel_seat_focus_guest(scene->fixture.server->seat,
			guest_name != NULL ? fixture_get_view(&scene->fixture, guest_name) : NULL);
}

static void copy_text(struct scene *scene) {
	data_control_copy(scene->client, (const char *const[]){ TEXT_TYPE, NULL });
}

static void assert_got(struct fake_clipboard *fake, const char *expected) {
	assert_string_equal(fake_clipboard_take(fake), expected);
}

/* Gives a the input, and the client's text, and lets it ask for that. */
static int ask_for_text(struct scene *scene) {
	focus(scene, "a");
	copy_text(scene);
	fake_clipboard_take(scene->a);
	assert_true(oriel_guest_clipboard_ask(&scene->a->base));
	return data_control_take_send_fd(scene->client);
}

static void write_all(int fd, const char *text) {
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static bool has_news(struct fixture *fixture, void *data) {
	const struct fake_clipboard *fake = data;
	return fake->length > 0;
}

static void assert_gets(struct scene *scene, struct fake_clipboard *fake, const char *expected) {
	fixture_step_until(&scene->fixture, has_news, fake);
	assert_got(fake, expected);
}

static bool is_text_offered(struct fixture *fixture, void *data) {
	const struct scene *scene = data;
	return scene->client->offer != NULL && data_control_is_offered(scene->client, TEXT_TYPE);
}

/* a gets the input, and copies something; the client knows. */
static void copy_in_guest(struct scene *scene) {
	focus(scene, "a");
	fake_clipboard_copy(scene->a);
	fixture_step_until(&scene->fixture, is_text_offered, scene);
	fake_clipboard_take(scene->a);
}

static void assert_pastes(struct scene *scene, int take_fd, const char *expected) {
	char text[64];
	data_control_read(scene->client, take_fd, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* From clients to guests */

static void client_copies_and_guest_with_the_input_pastes(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus(&scene, "a");
	assert_got(scene.a, "offer 0");
	copy_text(&scene);
	assert_got(scene.a, "offer 1");
	/* Nothing is read before it asks. */
	assert_int_equal(scene.client->send_count, 0);
	assert_true(oriel_guest_clipboard_ask(&scene.a->base));
	int fd = data_control_take_send_fd(scene.client);
	assert_string_equal(scene.client->send_type, TEXT_TYPE);
	write_all(fd, "of a ");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_got(scene.a, "");
	write_all(fd, "client");
	close(fd);
	assert_gets(&scene, scene.a, "answer 11 of a client");
	assert_got(scene.b, "");
	scene_finish(&scene);
}

static void text_is_found_by_each_of_its_names(void **state) {
	static const struct {
		const char *types[4];
		const char *expected;
	} cases[] = {
		{ { "image/png", "text/plain", TEXT_TYPE }, TEXT_TYPE },
		{ { "text/plain;charset=UTF-8" }, "text/plain;charset=UTF-8" },
		{ { "text/plain", "UTF8_STRING" }, "UTF8_STRING" },
		{ { "text/html", "text/plain" }, "text/plain" },
		{ { "image/png", "text/html", "text/plain;charset=utf-16" }, NULL },
	};
	struct scene scene;
	scene_init(&scene);
	focus(&scene, "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		data_control_copy(scene.client, cases[i].types);
		fake_clipboard_take(scene.a);
		oriel_guest_clipboard_ask(&scene.a->base);
		if (cases[i].expected == NULL) {
			assert_got(scene.a, "answer none");
			continue;
		}
		close(data_control_take_send_fd(scene.client));
		assert_string_equal(scene.client->send_type, cases[i].expected);
		assert_gets(&scene, scene.a, "answer 0 ");
	}
	scene_finish(&scene);
}

static void text_is_read_once_however_often_the_guest_asks(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	write_all(fd, "once");
	close(fd);
	assert_gets(&scene, scene.a, "answer 4 once");
	assert_true(oriel_guest_clipboard_ask(&scene.a->base));
	assert_got(scene.a, "answer 4 once");
	assert_int_equal(scene.client->send_count, 1);
	/* Another text is another matter. */
	copy_text(&scene);
	assert_got(scene.a, "offer 1");
	assert_true(oriel_guest_clipboard_ask(&scene.a->base));
	close(data_control_take_send_fd(scene.client));
	assert_gets(&scene, scene.a, "answer 0 ");
	scene_finish(&scene);
}

static void guest_in_the_background_learns_nothing_and_gets_nothing(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus(&scene, "a");
	copy_text(&scene);
	assert_got(scene.b, "");
	assert_true(oriel_guest_clipboard_ask(&scene.b->base));
	assert_got(scene.b, "answer none");
	/* Nor the one that was in front, afterwards. */
	fake_clipboard_take(scene.a);
	focus(&scene, NULL);
	assert_got(scene.a, "offer 0");
	copy_text(&scene);
	assert_got(scene.a, "");
	assert_true(oriel_guest_clipboard_ask(&scene.a->base));
	assert_got(scene.a, "answer none");
	assert_int_equal(scene.client->send_count, 0);
	/* When it is in front again it is offered what there is. */
	focus(&scene, "a");
	assert_got(scene.a, "offer 1");
	scene_finish(&scene);
}

static void guest_that_loses_the_input_while_it_waits_gets_nothing(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	focus(&scene, "b");
	assert_got(scene.a, "answer none, offer 0");
	assert_got(scene.b, "offer 1");
	/* Nobody reads that any more. */
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	scene_finish(&scene);
}

static void other_head_of_the_machine_changes_nothing(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	focus(&scene, "c");
	assert_got(scene.a, "");
	write_all(fd, "both");
	close(fd);
	assert_gets(&scene, scene.a, "answer 4 both");
	scene_finish(&scene);
}

static void text_that_was_replaced_is_not_waited_for(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	copy_text(&scene);
	assert_got(scene.a, "answer none, offer 1");
	close(fd);
	scene_finish(&scene);
}

static void client_that_never_writes_costs_the_guest_its_paste(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	assert_gets(&scene, scene.a, "answer none");
	/* And it is not tried again. */
	assert_true(oriel_guest_clipboard_ask(&scene.a->base));
	assert_got(scene.a, "answer none");
	assert_int_equal(scene.client->send_count, 1);
	close(fd);
	scene_finish(&scene);
}

static void client_that_goes_away_ends_what_was_offered(void **state) {
	struct scene scene;
	scene_init(&scene);
	close(ask_for_text(&scene));
	assert_gets(&scene, scene.a, "answer 0 ");
	data_control_disconnect(scene.client);
	assert_got(scene.a, "offer 0");
	scene.client = data_control_connect(&scene.fixture);
	scene_finish(&scene);
}

struct filling {
	int fd;
	size_t left;
	struct fake_clipboard *fake;
};

/* Writes as much as the pipe takes, until somebody answers the guest. */
static bool filling_is_over(struct fixture *fixture, void *data) {
	static const char bytes[4096] = "xxxx";
	struct filling *filling = data;
	while (filling->left > 0) {
		size_t size = filling->left < sizeof(bytes) ? filling->left : sizeof(bytes);
		ssize_t count = write(filling->fd, bytes, size);
		if (count < 0) {
			break;
		}
		filling->left -= (size_t)count;
	}
	if (filling->left == 0 && filling->fd >= 0) {
		close(filling->fd);
		filling->fd = -1;
	}
	return filling->fake->length > 0;
}

static void text_up_to_the_limit_is_taken_and_longer_is_refused(void **state) {
	struct scene scene;
	scene_init(&scene);
	for (size_t size = SIZE_MAX_BYTES - 1; size <= SIZE_MAX_BYTES + 1; size++) {
		struct filling filling = { ask_for_text(&scene), size, scene.a };
		assert_int_equal(fcntl(filling.fd, F_SETFL, O_NONBLOCK), 0);
		fixture_step_until(&scene.fixture, filling_is_over, &filling);
		char expected[64];
		snprintf(expected, sizeof(expected), "answer %zu xxxx", size);
		assert_got(scene.a, size <= SIZE_MAX_BYTES ? expected : "answer none");
		if (filling.fd >= 0) {
			close(filling.fd);
		}
	}
	scene_finish(&scene);
}

static void text_that_is_no_utf8_is_refused(void **state) {
	struct scene scene;
	scene_init(&scene);
	int fd = ask_for_text(&scene);
	write_all(fd, "caf\xe9");
	close(fd);
	assert_gets(&scene, scene.a, "answer none");
	scene_finish(&scene);
}

/* From guests to clients */

static void guest_copies_and_client_pastes(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	assert_true(data_control_is_offered(scene.client, "UTF8_STRING"));
	assert_true(data_control_is_offered(scene.client, "text/plain"));
	/* Nothing is fetched before somebody wants it. */
	assert_got(scene.a, "");
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fake_clipboard_give(scene.a, "of a guest");
	assert_pastes(&scene, fd, "of a guest");
	scene_finish(&scene);
}

static void text_is_fetched_once_however_often_it_is_pasted(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int first_fd = data_control_paste(scene.client, TEXT_TYPE);
	int second_fd = data_control_paste(scene.client, "UTF8_STRING");
	assert_gets(&scene, scene.a, "fetch");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	fake_clipboard_give(scene.a, "once");
	assert_pastes(&scene, first_fd, "once");
	assert_pastes(&scene, second_fd, "once");
	assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "once");
	assert_got(scene.a, "");
	/* What it copies next is fetched anew. */
	int selections = scene.client->selection_count;
	while (scene.client->selection_count == selections) {
		fake_clipboard_copy(scene.a);
		fixture_step(&scene.fixture, 10);
	}
	fake_clipboard_take(scene.a);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fake_clipboard_give(scene.a, "twice");
	assert_pastes(&scene, fd, "twice");
	scene_finish(&scene);
}

static void guest_in_the_background_copies_in_vain(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus(&scene, "a");
	copy_text(&scene);
	int selections = scene.client->selection_count;
	fake_clipboard_copy(scene.b);
	focus(&scene, NULL);
	fake_clipboard_copy(scene.a);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_int_equal(scene.client->selection_count, selections);
	assert_non_null(scene.client->source);
	/* And what it copied does not come up later, when it has the input. */
	focus(&scene, "b");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_int_equal(scene.client->selection_count, selections);
	assert_got(scene.b, "offer 1");
	scene_finish(&scene);
}

static void text_of_a_guest_stays_when_it_loses_the_input(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	focus(&scene, NULL);
	assert_got(scene.a, "offer 0");
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fake_clipboard_give(scene.a, "still there");
	assert_pastes(&scene, fd, "still there");
	/* It is not offered its own text. */
	focus(&scene, "a");
	assert_got(scene.a, "offer 0");
	scene_finish(&scene);
}

enum change {
	CHANGE_TEXT, /* it copies another text */
	CHANGE_NO_TEXT, /* an image, or its machine ends */
	CHANGE_BOTH,
	CHANGES,
};

static void change_in_guest(struct fake_clipboard *fake, enum change change) {
	if (change != CHANGE_NO_TEXT) {
		fake_clipboard_copy(fake);
	}
	if (change != CHANGE_TEXT) {
		oriel_guest_clipboard_change(&fake->base, false);
	}
}

static void text_that_was_pasted_stays_whatever_the_guest_does_in_the_background(void **state) {
	for (int change = 0; change < CHANGES; change++) {
		struct scene scene;
		scene_init(&scene);
		copy_in_guest(&scene);
		int fd = data_control_paste(scene.client, TEXT_TYPE);
		assert_gets(&scene, scene.a, "fetch");
		fake_clipboard_give(scene.a, "x");
		assert_pastes(&scene, fd, "x");
		focus(&scene, "b");
		assert_got(scene.b, "offer 1");
		int selections = scene.client->selection_count;
		change_in_guest(scene.a, change);
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_int_equal(scene.client->selection_count, selections);
		assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "x");
		assert_true(oriel_guest_clipboard_ask(&scene.b->base));
		assert_gets(&scene, scene.b, "answer 1 x");
		/* Nothing was fetched for that. */
		assert_got(scene.a, "offer 0");
		/* Nor does it change when the guest has the input again, and has not copied since. */
		focus(&scene, "a");
		assert_got(scene.a, "offer 0");
		assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "x");
		assert_int_equal(scene.client->selection_count, selections);
		scene_finish(&scene);
	}
}

static void text_that_was_not_pasted_is_gone_when_the_guest_copies_in_the_background(void **state) {
	for (int change = 0; change < CHANGES; change++) {
		struct scene scene;
		scene_init(&scene);
		copy_in_guest(&scene);
		focus(&scene, "b");
		assert_got(scene.b, "offer 1");
		change_in_guest(scene.a, change);
		assert_got(scene.b, "offer 0");
		assert_true(oriel_guest_clipboard_ask(&scene.b->base));
		assert_got(scene.b, "answer none");
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_null(scene.client->offer);
		assert_got(scene.a, "offer 0");
		scene_finish(&scene);
	}
}

/* The guest may have been asked before it copied, or after. */
static void text_that_is_being_fetched_is_gone_when_the_guest_copies_in_the_background(void **state) {
	for (int change = 0; change < CHANGES; change++) {
		struct scene scene;
		scene_init(&scene);
		copy_in_guest(&scene);
		focus(&scene, "b");
		assert_got(scene.b, "offer 1");
		int fd = data_control_paste(scene.client, TEXT_TYPE);
		assert_true(oriel_guest_clipboard_ask(&scene.b->base));
		fixture_step_until(&scene.fixture, has_news, scene.a);
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_got(scene.a, "offer 0, fetch");
		change_in_guest(scene.a, change);
		assert_got(scene.b, "answer none, offer 0");
		fake_clipboard_give(scene.a, "secret");
		assert_pastes(&scene, fd, "");
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_null(scene.client->offer);
		assert_got(scene.b, "");
		scene_finish(&scene);
	}
}

/* A guest takes its time, and copies something in the background, and again with the input. */
static void text_of_an_earlier_fetch_is_not_pasted_for_a_later_copy(void **state) {
	for (int is_pasted = 0; is_pasted < 2; is_pasted++) {
		struct scene scene;
		scene_init(&scene);
		copy_in_guest(&scene);
		int fd = data_control_paste(scene.client, TEXT_TYPE);
		assert_gets(&scene, scene.a, "fetch");
		focus(&scene, "b");
		fake_clipboard_copy(scene.a);
		assert_pastes(&scene, fd, "");
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_null(scene.client->offer);
		copy_in_guest(&scene);
		fd = is_pasted ? data_control_paste(scene.client, TEXT_TYPE) : -1;
		fixture_roundtrip(&scene.fixture, scene.client->display);
		assert_got(scene.a, "");
		fake_clipboard_give(scene.a, "secret");
		fd = is_pasted ? fd : data_control_paste(scene.client, TEXT_TYPE);
		assert_gets(&scene, scene.a, "fetch");
		fake_clipboard_give(scene.a, "later");
		assert_pastes(&scene, fd, "later");
		scene_finish(&scene);
	}
}

static void guest_that_cannot_be_asked_again_ends_the_paste(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	focus(&scene, "b");
	fake_clipboard_copy(scene.a);
	assert_pastes(&scene, fd, "");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	copy_in_guest(&scene);
	fd = data_control_paste(scene.client, TEXT_TYPE);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	scene.a->is_away = true;
	fake_clipboard_give(scene.a, "earlier");
	assert_pastes(&scene, fd, "");
	scene_finish(&scene);
}

static void other_head_of_the_machine_copies_as_well(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	focus(&scene, "c");
	int selections = scene.client->selection_count;
	while (scene.client->selection_count == selections) {
		fake_clipboard_copy(scene.a);
		fixture_step(&scene.fixture, 10);
	}
	fake_clipboard_take(scene.a);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fake_clipboard_give(scene.a, "of the other head");
	assert_pastes(&scene, fd, "of the other head");
	scene_finish(&scene);
}

static void text_copied_just_before_the_input_is_lost_counts(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int selections = scene.client->selection_count;
	fake_clipboard_copy(scene.a);
	focus(&scene, NULL);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_int_equal(scene.client->selection_count, selections + 1);
	/* Its text can be had until something else is copied, and what comes after that does not count. */
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	fixture_step_until(&scene.fixture, has_news, scene.a);
	fake_clipboard_give(scene.a, "last breath");
	assert_pastes(&scene, fd, "last breath");
	fake_clipboard_copy(scene.a);
	assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "last breath");
	scene_finish(&scene);
}

static void guest_pastes_what_another_guest_copied(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	focus(&scene, "b");
	assert_got(scene.b, "offer 1");
	assert_true(oriel_guest_clipboard_ask(&scene.b->base));
	fixture_step_until(&scene.fixture, has_news, scene.a);
	assert_got(scene.a, "offer 0, fetch");
	fake_clipboard_give(scene.a, "from a to b");
	assert_gets(&scene, scene.b, "answer 11 from a to b");
	scene_finish(&scene);
}

static void guest_that_goes_away_ends_the_paste(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	/* As its driver says it. */
	oriel_guest_clipboard_change(&scene.a->base, false);
	fake_clipboard_give(scene.a, NULL);
	assert_pastes(&scene, fd, "");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_null(scene.client->offer);
	scene_finish(&scene);
}

static void guest_that_cannot_be_asked_ends_the_paste(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	scene.a->is_away = true;
	assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "");
	scene_finish(&scene);
}

static void view_that_is_destroyed_takes_its_clipboard_along(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	/* The other head has it still. */
	oriel_guest_view_destroy(fixture_get_view(&scene.fixture, "a"));
	assert_int_equal(scene.destroyed, 0);
	assert_got(scene.a, "offer 0");
	oriel_guest_view_destroy(fixture_get_view(&scene.fixture, "c"));
	assert_int_equal(scene.destroyed, 1);
	assert_pastes(&scene, fd, "");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_null(scene.client->offer);
	scene_finish(&scene);
}

static void text_of_a_guest_that_is_not_valid_is_not_pasted(void **state) {
	struct scene scene;
	scene_init(&scene);
	char *text = calloc(SIZE_MAX_BYTES + 2, 1);
	assert_non_null(text);
	memset(text, 'x', SIZE_MAX_BYTES + 1);
	const struct {
		const char *text;
		size_t expected;
	} cases[] = {
		{ "\xc0\xaf", 0 },
		{ text, 0 },
		{ text + 1, SIZE_MAX_BYTES },
	};
	copy_in_guest(&scene);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = data_control_paste(scene.client, TEXT_TYPE);
		assert_gets(&scene, scene.a, "fetch");
		fake_clipboard_give(scene.a, cases[i].text);
		char start[8];
		assert_int_equal(data_control_read(scene.client, fd, start, sizeof(start)),
				cases[i].expected);
	}
	free(text);
	scene_finish(&scene);
}

static void client_that_never_reads_holds_up_nobody(void **state) {
	struct scene scene;
	scene_init(&scene);
	char *text = calloc(SIZE_MAX_BYTES + 1, 1);
	assert_non_null(text);
	memset(text, 'x', SIZE_MAX_BYTES);
	copy_in_guest(&scene);
	int slow_fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fake_clipboard_give(scene.a, text);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	char start[8];
	assert_int_equal(data_control_read(scene.client, fd, start, sizeof(start)), SIZE_MAX_BYTES);
	/* It goes on after the next copy, with what was pasted then. */
	copy_text(&scene);
	assert_int_equal(data_control_read(scene.client, slow_fd, start, sizeof(start)),
			SIZE_MAX_BYTES);
	free(text);
	scene_finish(&scene);
}

static void client_that_goes_away_while_it_pastes_is_nobodys_business(void **state) {
	struct scene scene;
	scene_init(&scene);
	char *text = calloc(SIZE_MAX_BYTES + 1, 1);
	assert_non_null(text);
	memset(text, 'x', SIZE_MAX_BYTES);
	copy_in_guest(&scene);
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	data_control_receive(scene.client, TEXT_TYPE, fds[1]);
	int fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	fixture_roundtrip(&scene.fixture, scene.client->display);
	fake_clipboard_give(scene.a, text);
	close(fd);
	close(fds[0]);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	free(text);
	scene_finish(&scene);
}

static void more_pastes_than_there_may_be_are_refused(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int fds[17];
	for (size_t i = 0; i < 17; i++) {
		fds[i] = data_control_paste(scene.client, TEXT_TYPE);
	}
	assert_pastes(&scene, fds[16], "");
	assert_got(scene.a, "fetch");
	fake_clipboard_give(scene.a, "all others");
	for (size_t i = 0; i < 16; i++) {
		assert_pastes(&scene, fds[i], "all others");
	}
	assert_pastes(&scene, data_control_paste(scene.client, TEXT_TYPE), "all others");
	scene_finish(&scene);
}

static void file_that_is_no_pipe_is_not_written_to(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int memfd = memfd_create("paste", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	data_control_receive(scene.client, TEXT_TYPE, dup(memfd));
	data_control_receive(scene.client, TEXT_TYPE, open("/", O_RDONLY | O_CLOEXEC));
	fixture_roundtrip(&scene.fixture, scene.client->display);
	/* It is not even fetched. */
	assert_got(scene.a, "");
	assert_int_equal(lseek(memfd, 0, SEEK_END), 0);
	close(memfd);
	/* Nor is anything written to a pipe's other end. */
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	data_control_receive(scene.client, TEXT_TYPE, dup(fds[0]));
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_got(scene.a, "");
	close(fds[1]);
	assert_pastes(&scene, fds[0], "");
	scene_finish(&scene);
}

static bool selections_are_two(struct fixture *fixture, void *data) {
	const struct data_control *client = data;
	return client->selection_count >= 2;
}

static void guest_that_copies_all_the_time_makes_few_selections(void **state) {
	struct scene scene;
	scene_init(&scene);
	focus(&scene, "a");
	scene.client->selection_count = 0;
	for (int i = 0; i < 10000; i++) {
		fake_clipboard_copy(scene.a);
	}
	/* The first at once, and the last of all the others. */
	fixture_step_until(&scene.fixture, selections_are_two, scene.client);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_int_equal(scene.client->selection_count, 2);
	/* What somebody else copies in between has the last word. */
	fake_clipboard_copy(scene.a);
	fake_clipboard_copy(scene.a);
	copy_text(&scene);
	fixture_step(&scene.fixture, 300);
	fixture_roundtrip(&scene.fixture, scene.client->display);
	assert_non_null(scene.client->source);
	scene_finish(&scene);
}

static void compositor_ends_in_the_middle_of_it(void **state) {
	struct scene scene;
	scene_init(&scene);
	copy_in_guest(&scene);
	int paste_fd = data_control_paste(scene.client, TEXT_TYPE);
	assert_gets(&scene, scene.a, "fetch");
	focus(&scene, "b");
	assert_true(oriel_guest_clipboard_ask(&scene.b->base));
	close(paste_fd);
	scene_finish(&scene);

	scene_init(&scene);
	int send_fd = ask_for_text(&scene);
	close(send_fd);
	scene_finish(&scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_copies_and_guest_with_the_input_pastes),
		cmocka_unit_test(text_is_found_by_each_of_its_names),
		cmocka_unit_test(text_is_read_once_however_often_the_guest_asks),
		cmocka_unit_test(guest_in_the_background_learns_nothing_and_gets_nothing),
		cmocka_unit_test(guest_that_loses_the_input_while_it_waits_gets_nothing),
		cmocka_unit_test(other_head_of_the_machine_changes_nothing),
		cmocka_unit_test(text_that_was_replaced_is_not_waited_for),
		cmocka_unit_test(client_that_never_writes_costs_the_guest_its_paste),
		cmocka_unit_test(client_that_goes_away_ends_what_was_offered),
		cmocka_unit_test(text_up_to_the_limit_is_taken_and_longer_is_refused),
		cmocka_unit_test(text_that_is_no_utf8_is_refused),
		cmocka_unit_test(guest_copies_and_client_pastes),
		cmocka_unit_test(text_is_fetched_once_however_often_it_is_pasted),
		cmocka_unit_test(guest_in_the_background_copies_in_vain),
		cmocka_unit_test(text_of_a_guest_stays_when_it_loses_the_input),
		cmocka_unit_test(text_that_was_pasted_stays_whatever_the_guest_does_in_the_background),
		cmocka_unit_test(text_that_was_not_pasted_is_gone_when_the_guest_copies_in_the_background),
		cmocka_unit_test(text_that_is_being_fetched_is_gone_when_the_guest_copies_in_the_background),
		cmocka_unit_test(text_of_an_earlier_fetch_is_not_pasted_for_a_later_copy),
		cmocka_unit_test(guest_that_cannot_be_asked_again_ends_the_paste),
		cmocka_unit_test(other_head_of_the_machine_copies_as_well),
		cmocka_unit_test(text_copied_just_before_the_input_is_lost_counts),
		cmocka_unit_test(guest_pastes_what_another_guest_copied),
		cmocka_unit_test(guest_that_goes_away_ends_the_paste),
		cmocka_unit_test(guest_that_cannot_be_asked_ends_the_paste),
		cmocka_unit_test(view_that_is_destroyed_takes_its_clipboard_along),
		cmocka_unit_test(text_of_a_guest_that_is_not_valid_is_not_pasted),
		cmocka_unit_test(client_that_never_reads_holds_up_nobody),
		cmocka_unit_test(client_that_goes_away_while_it_pastes_is_nobodys_business),
		cmocka_unit_test(more_pastes_than_there_may_be_are_refused),
		cmocka_unit_test(file_that_is_no_pipe_is_not_written_to),
		cmocka_unit_test(guest_that_copies_all_the_time_makes_few_selections),
		cmocka_unit_test(compositor_ends_in_the_middle_of_it),
	};
	/* As in oriel itself. */
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
