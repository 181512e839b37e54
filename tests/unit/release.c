#include "guest/release.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buffer_watch.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "shortage.h"

/* A buffer that a promise was made for; each case drops its creator's reference. */
struct context {
	int fds_before;
	struct oriel_guest_buffer *buffer;
	struct buffer_watch watch;

	unsigned int done;
	bool done_with_buffer; /* the buffer was there and locked when done was called */
};

static struct context context;

static void handle_done(struct oriel_release *release, void *data) {
	assert_ptr_equal(data, &context);
	assert_ptr_equal(release->buffer, context.buffer);
	context.done++;
	context.done_with_buffer = buffer_watch_get_locks(&context.watch) > 0;
}

static int setup(void **state) {
	context = (struct context){ .fds_before = fds_count_open() };
	context.buffer = fake_sync_create_shared();
	buffer_watch_init(&context.watch, context.buffer);
	return 0;
}

static int teardown(void **state) {
	assert_true(context.watch.destroyed);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct oriel_release *make_promise(void) {
	struct oriel_release *release = oriel_release_create(context.buffer, handle_done, &context);
	assert_non_null(release);
	return release;
}

static void unref_null_is_fine(void **state) {
	oriel_release_unref(NULL);
	oriel_guest_buffer_drop(context.buffer);
}

static void unref_last_reference_is_done_once_with_the_buffer(void **state) {
	struct oriel_release *release = make_promise();
	oriel_guest_buffer_drop(context.buffer);
	assert_false(context.watch.destroyed);
	assert_int_equal(context.done, 0);
	oriel_release_unref(release);
	assert_int_equal(context.done, 1);
	assert_true(context.done_with_buffer);
	assert_true(context.watch.destroyed);
}

static void unref_in_any_order_is_done_once_at_the_end(void **state) {
	/* A frame and two outputs that read it, which let go in each of the six orders; a fourth
	 * reference is taken and dropped on the way. */
	for (int order = 0; order < 6; order++) {
		context.done = 0;
		struct oriel_release *release = make_promise();
		struct oriel_release *holders[] = { release, oriel_release_ref(release),
			oriel_release_ref(release) };
		assert_ptr_equal(holders[1], release);
		int first = order / 2, second = (first + 1 + order % 2) % 3;
		oriel_release_unref(holders[first]);
		assert_int_equal(context.done, 0);
		oriel_release_unref(oriel_release_ref(release));
		assert_int_equal(context.done, 0);
		oriel_release_unref(holders[second]);
		assert_int_equal(context.done, 0);
		oriel_release_unref(holders[3 - first - second]);
		assert_int_equal(context.done, 1);
	}
	assert_false(context.watch.destroyed);
	oriel_guest_buffer_drop(context.buffer);
}

static void unref_one_of_two_promises_leaves_the_other(void **state) {
	struct oriel_release *first = make_promise(), *second = make_promise();
	oriel_guest_buffer_drop(context.buffer);
	oriel_release_unref(second);
	assert_int_equal(context.done, 1);
	assert_false(context.watch.destroyed);
	oriel_release_unref(first);
	assert_int_equal(context.done, 2);
}

static void unref_orphan_tells_nobody_and_frees_the_buffer(void **state) {
	struct wl_list releases;
	wl_list_init(&releases);
	struct oriel_release *release = make_promise();
	wl_list_insert(&releases, &release->link);
	oriel_release_orphan(release);
	assert_true(wl_list_empty(&releases));

	oriel_guest_buffer_drop(context.buffer);
	oriel_release_ref(release);
	oriel_release_unref(release);
	assert_false(context.watch.destroyed);
	oriel_release_unref(release);
	assert_int_equal(context.done, 0);
	assert_true(context.watch.destroyed);
}

static void unref_takes_the_promise_off_its_list(void **state) {
	struct wl_list releases;
	wl_list_init(&releases);
	struct oriel_release *release = make_promise();
	wl_list_insert(&releases, &release->link);
	oriel_release_unref(release);
	assert_true(wl_list_empty(&releases));
	oriel_guest_buffer_drop(context.buffer);
}

static void create_without_memory_locks_nothing(void **state) {
	shortage_of_memory_begin(1);
	struct oriel_release *release = oriel_release_create(context.buffer, handle_done, &context);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_null(release);
	oriel_guest_buffer_drop(context.buffer);
	assert_true(context.watch.destroyed);
	assert_int_equal(context.done, 0);
}

static void frame_destroy_null_is_fine(void **state) {
	oriel_guest_frame_destroy(NULL);
	oriel_guest_buffer_drop(context.buffer);
}

static void frame_destroy_keeps_its_promise(void **state) {
	struct oriel_guest_frame *frame = oriel_guest_frame_create(make_promise(), 7, 1234567);
	assert_non_null(frame);
	assert_int_equal(frame->serial, 7);
	assert_int_equal(frame->taken_ns, 1234567);
	assert_false(frame->sampled);
	assert_ptr_equal(oriel_guest_frame_get_buffer(frame), context.buffer);

	oriel_guest_buffer_drop(context.buffer);
	assert_false(context.watch.destroyed);
	oriel_guest_frame_destroy(frame);
	assert_int_equal(context.done, 1);
	assert_true(context.watch.destroyed);
}

static void frame_destroy_while_it_is_read_leaves_the_promise(void **state) {
	struct oriel_guest_frame *frame = oriel_guest_frame_create(make_promise(), 1, 1);
	assert_non_null(frame);
	struct oriel_release *read = oriel_release_ref(frame->release);
	oriel_guest_frame_destroy(frame);
	oriel_guest_buffer_drop(context.buffer);
	assert_int_equal(context.done, 0);
	assert_false(context.watch.destroyed);
	oriel_release_unref(read);
	assert_int_equal(context.done, 1);
}

static void frame_create_without_memory_keeps_the_promise(void **state) {
	struct oriel_release *release = make_promise();
	oriel_guest_buffer_drop(context.buffer);
	shortage_of_memory_begin(1);
	struct oriel_guest_frame *frame = oriel_guest_frame_create(release, 1, 1);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_null(frame);
	assert_int_equal(context.done, 1);
	assert_true(context.watch.destroyed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(unref_null_is_fine),
		TEST(unref_last_reference_is_done_once_with_the_buffer),
		TEST(unref_in_any_order_is_done_once_at_the_end),
		TEST(unref_one_of_two_promises_leaves_the_other),
		TEST(unref_orphan_tells_nobody_and_frees_the_buffer),
		TEST(unref_takes_the_promise_off_its_list),
		TEST(create_without_memory_locks_nothing),
		TEST(frame_destroy_null_is_fine),
		TEST(frame_destroy_keeps_its_promise),
		TEST(frame_destroy_while_it_is_read_leaves_the_promise),
		TEST(frame_create_without_memory_keeps_the_promise),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
