#include "guest/source.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "buffer_watch.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/release.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define HELD_MAX 8

static struct {
	int fds_before;
	struct fake_driver *driver;
	struct oriel_source *source; /* the driver's base */
	struct oriel_guest_buffer *buffer;
	struct buffer_watch watch;

	/* What the consumer was told, and what it answers. */
	bool wants;
	bool drops; /* destroys a frame at once */
	unsigned int questions;
	const struct oriel_guest_buffer *asked_for;
	struct oriel_guest_frame *held[HELD_MAX];
	unsigned int frames;
	unsigned int states;
	enum oriel_source_state state;
	unsigned int cursors;
	bool cursor_hidden;
	struct oriel_guest_cursor cursor; /* the last one that was not */
	unsigned int pendings;
} context;

static bool consumer_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	assert_ptr_equal(data, &context);
	context.questions++;
	context.asked_for = buffer;
	return context.wants;
}

static void consumer_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	assert_ptr_equal(data, &context);
	if (context.drops) {
		oriel_guest_frame_destroy(take_frame);
	} else {
		assert_true(context.frames < HELD_MAX);
		context.held[context.frames] = take_frame;
	}
	context.frames++;
}

static void consumer_handle_state(void *data, enum oriel_source_state state) {
	assert_ptr_equal(data, &context);
	context.states++;
	context.state = state;
}

static void consumer_handle_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	assert_ptr_equal(data, &context);
	context.cursors++;
	context.cursor_hidden = cursor == NULL;
	if (cursor != NULL) {
		context.cursor = *cursor;
	}
}

static void consumer_handle_pending(void *data) {
	assert_ptr_equal(data, &context);
	context.pendings++;
}

static const struct oriel_source_consumer consumer = {
	.wants = consumer_handle_wants,
	.frame = consumer_handle_frame,
	.cursor = consumer_handle_cursor,
	.pending = consumer_handle_pending,
	.state = consumer_handle_state,
};

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	context.driver = fake_driver_create("win");
	context.source = &context.driver->base;
	context.buffer = fake_sync_create_shared();
	buffer_watch_init(&context.watch, context.buffer);
	context.wants = true;
	oriel_source_set_consumer(context.source, &consumer, &context);
	return 0;
}

/* The source and the buffer's reference go here unless the case has let them go itself. */
static int teardown(void **state) {
	if (context.driver != NULL) {
		fake_driver_destroy(context.driver);
	}
	oriel_guest_buffer_drop(context.buffer);
	assert_true(context.watch.destroyed);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void destroy_held(unsigned int index) {
	oriel_guest_frame_destroy(context.held[index]);
	context.held[index] = NULL;
}

static void assert_counters(uint64_t taken, uint64_t released) {
	struct oriel_source_counters counters = oriel_source_get_counters(context.source);
	assert_int_equal(counters.taken, taken);
	assert_int_equal(counters.released, released);
}

static void create_unknown_driver_is_one_line(void **state) {
	assert_null(oriel_source_create(NULL, "lin", "hypercube", NULL, NULL));
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest lin: "));
	assert_non_null(strstr(log_lines_get_last(), "hypercube"));
}

static void driver_exists_knows_whole_names_only(void **state) {
	assert_true(oriel_source_driver_exists("synthetic"));
	assert_false(oriel_source_driver_exists("synthetic2"));
	assert_false(oriel_source_driver_exists("synth"));
	assert_false(oriel_source_driver_exists("Synthetic"));
	assert_false(oriel_source_driver_exists(""));
}

static void create_opens_the_named_driver(void **state) {
	struct oriel_source *source = oriel_source_create(NULL, "lin", "synthetic", "4x4", NULL);
	assert_non_null(source);
	assert_string_equal(oriel_source_get_name(source), "lin");
	assert_int_equal(oriel_source_get_state(source), ORIEL_SOURCE_STATE_WAITING);
	oriel_source_destroy(source);
	assert_int_equal(log_lines_get_count(), 0);
}

static void init_keeps_a_copy_of_the_name(void **state) {
	char name[] = "lin";
	struct fake_driver *driver = fake_driver_create(name);
	memset(name, 'x', 3);
	assert_string_equal(oriel_source_get_name(&driver->base), "lin");
	fake_driver_destroy(driver);
}

static void init_without_memory_fails(void **state) {
	struct oriel_source source;
	static const struct oriel_source_ops no_ops = { 0 };
	shortage_of_memory_begin(1);
	bool ok = oriel_source_init(&source, &no_ops, "lin");
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_false(ok);
}

static void submit_hands_on_a_frame(void **state) {
	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	clock_gettime(CLOCK_MONOTONIC, &after);

	assert_ptr_equal(context.asked_for, context.buffer);
	assert_int_equal(context.frames, 1);
	struct oriel_guest_frame *frame = context.held[0];
	assert_ptr_equal(oriel_guest_frame_get_buffer(frame), context.buffer);
	assert_int_equal(frame->serial, 1);
	assert_false(frame->sampled);
	assert_uint_in_range(frame->taken_ns,
			(uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec,
			(uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec);
	assert_counters(1, 0);
	assert_int_equal(context.driver->releases, 0);

	destroy_held(0);
	assert_counters(1, 1);
	assert_int_equal(context.driver->releases, 1);
	assert_ptr_equal(context.driver->last_released, context.buffer);
}

static void submit_same_buffer_again_is_a_frame_of_its_own(void **state) {
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(oriel_source_submit(context.source,
				&(struct oriel_source_picture){ .buffer = context.buffer }));
		assert_int_equal(context.held[i]->serial, i + 1);
	}
	assert_ptr_not_equal(context.held[0]->release, context.held[1]->release);
	assert_counters(3, 0);
	destroy_held(1);
	assert_counters(3, 1);
	destroy_held(2);
	destroy_held(0);
	assert_counters(3, 3);
	assert_int_equal(context.driver->releases, 3);
}

static void submit_without_consumer_takes_nothing(void **state) {
	oriel_source_set_consumer(context.source, NULL, NULL);
	assert_false(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_counters(0, 0);
	assert_int_equal(buffer_watch_get_locks(&context.watch), 0);
	assert_int_equal(context.driver->releases, 0);
	assert_int_equal(context.questions, 0);
}

static void submit_unwanted_takes_nothing(void **state) {
	context.wants = false;
	assert_false(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_int_equal(context.questions, 1);
	assert_int_equal(context.frames, 0);
	assert_counters(0, 0);
	assert_int_equal(buffer_watch_get_locks(&context.watch), 0);
	assert_int_equal(context.driver->releases, 0);

	/* And leaves no gap in the serials. */
	context.wants = true;
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_int_equal(context.held[0]->serial, 1);
	destroy_held(0);
}

static void submit_dropped_at_once_is_released_before_it_returns(void **state) {
	context.drops = true;
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_counters(1, 1);
	assert_int_equal(context.driver->releases, 1);
}

static void submit_without_memory_for_the_promise_takes_nothing(void **state) {
	shortage_of_memory_begin(1);
	bool taken = oriel_source_submit(
			context.source, &(struct oriel_source_picture){ .buffer = context.buffer });
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_false(taken);
	assert_int_equal(context.frames, 0);
	assert_counters(0, 0);
	assert_int_equal(context.driver->releases, 0);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: "));
}

/* A driver told of both would count it twice. */
static void submit_without_memory_for_the_frame_takes_nothing(void **state) {
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	shortage_of_memory_begin(2);
	bool taken = oriel_source_submit(
			context.source, &(struct oriel_source_picture){ .buffer = context.buffer });
	assert_int_equal(shortage_of_memory_end(), 2);
	assert_false(taken);
	assert_int_equal(context.frames, 1);
	assert_counters(1, 0);
	assert_int_equal(context.driver->releases, 0);
	assert_int_equal(buffer_watch_get_locks(&context.watch), 1);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), "guest win: "));

	/* And leaves no gap in the serials. */
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_int_equal(context.held[1]->serial, 2);
	destroy_held(0);
	destroy_held(1);
	assert_counters(2, 2);
}

static void release_without_an_op_is_counted(void **state) {
	struct fake_driver *careless = fake_driver_create_careless("lin");
	oriel_source_set_consumer(&careless->base, &consumer, &context);
	assert_true(oriel_source_submit(&careless->base,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	destroy_held(0);
	assert_int_equal(oriel_source_get_counters(&careless->base).released, 1);
	assert_int_equal(careless->releases, 0);
	fake_driver_destroy(careless);
}

static void release_is_told_for_an_old_consumers_frame(void **state) {
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	oriel_source_set_consumer(context.source, NULL, NULL);
	destroy_held(0);
	assert_counters(1, 1);
	assert_int_equal(context.driver->releases, 1);
}

static void poll_reaches_the_driver_in_every_state(void **state) {
	static const enum oriel_source_state states[] = {
		ORIEL_SOURCE_STATE_WAITING,
		ORIEL_SOURCE_STATE_RUNNING,
		ORIEL_SOURCE_STATE_OFF,
		ORIEL_SOURCE_STATE_LOST,
		ORIEL_SOURCE_STATE_RESTARTED,
	};
	for (unsigned int i = 0; i < ARRAY_LENGTH(states); i++) {
		oriel_source_set_state(context.source, states[i]);
		oriel_source_poll(context.source);
		assert_int_equal(context.driver->polls, i + 1);
		assert_int_equal(oriel_source_get_counters(context.source).polls, i + 1);
	}
}

static void submit_passes_on_plane_cursor_and_damage(void **state) {
	pixman_region32_t damage;
	pixman_region32_init_rect(&damage, 1, 2, 3, 4);
	const struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = context.buffer,
		.damage = &damage,
		.cursor = { .x = -5, .y = 6, .has_hotspot = true, .hot_x = 7, .hot_y = 8 },
	};
	assert_true(oriel_source_submit(context.source, &picture));
	const struct oriel_guest_frame *frame = context.held[0];
	assert_int_equal(frame->plane, ORIEL_GUEST_PLANE_CURSOR);
	assert_true(frame->damage_known);
	assert_true(pixman_region32_equal(&frame->damage, &damage));
	assert_memory_equal(&frame->cursor, &picture.cursor, sizeof(frame->cursor));
	pixman_region32_fini(&damage);
	destroy_held(0);
}

static void submit_without_damage_leaves_it_unknown(void **state) {
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_int_equal(context.held[0]->plane, ORIEL_GUEST_PLANE_PRIMARY);
	assert_false(context.held[0]->damage_known);
	destroy_held(0);
}

static void submit_counts_the_planes_apart(void **state) {
	static const struct {
		enum oriel_guest_plane plane;
		uint64_t serial;
	} frames[] = {
		{ ORIEL_GUEST_PLANE_PRIMARY, 1 },
		{ ORIEL_GUEST_PLANE_CURSOR, 1 },
		{ ORIEL_GUEST_PLANE_PRIMARY, 2 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
		assert_true(oriel_source_submit(context.source,
				&(struct oriel_source_picture){ .plane = frames[i].plane,
						.buffer = context.buffer }));
		assert_int_equal(context.held[i]->serial, frames[i].serial);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
		destroy_held(i);
	}
}

static void newest_frame_is_held_until_its_release(void **state) {
	const struct oriel_source_picture primary = { .buffer = context.buffer };
	const struct oriel_source_picture cursor = {
		.plane = ORIEL_GUEST_PLANE_CURSOR,
		.buffer = context.buffer,
	};
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
	assert_true(oriel_source_submit(context.source, &primary));
	assert_true(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_CURSOR));

	/* The end of an older one says nothing. */
	assert_true(oriel_source_submit(context.source, &primary));
	assert_true(oriel_source_submit(context.source, &cursor));
	destroy_held(0);
	assert_true(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
	destroy_held(1);
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
	assert_true(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_CURSOR));
	destroy_held(2);
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_CURSOR));

	/* A newest one that goes first leaves the older one, which is not what the guest shows. */
	assert_true(oriel_source_submit(context.source, &primary));
	assert_true(oriel_source_submit(context.source, &primary));
	destroy_held(4);
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
	destroy_held(3);

	context.drops = true;
	assert_true(oriel_source_submit(context.source, &primary));
	assert_false(oriel_source_is_held(context.source, ORIEL_GUEST_PLANE_PRIMARY));
}

static void telling_source_is_looked_at_when_it_has_told(void **state) {
	struct oriel_source *source = context.source;
	oriel_source_set_telling(source);
	oriel_source_wake(source);
	assert_true(oriel_source_get_next_poll_ns(source, 16) == ORIEL_SOURCE_POLL_NEVER);
	oriel_source_tell(source);
	oriel_source_tell(source);
	assert_int_equal(context.pendings, 1);
	assert_int_equal(oriel_source_get_next_poll_ns(source, 16), 16);
	oriel_source_poll(source);
	assert_true(oriel_source_get_next_poll_ns(source, 16) == ORIEL_SOURCE_POLL_NEVER);
	oriel_source_tell(source);
	assert_int_equal(context.pendings, 2);

	/* Whoever polls it asks when to do so again, and needs no telling. */
	context.driver->tells_again = true;
	oriel_source_poll(source);
	assert_int_equal(context.pendings, 2);
	assert_true(oriel_source_get_next_poll_ns(source, 0) < ORIEL_SOURCE_POLL_NEVER);
	oriel_source_set_consumer(source, NULL, NULL);
	context.driver->tells_again = false;
	oriel_source_poll(source);
	oriel_source_tell(source);
	assert_int_equal(context.pendings, 2);
}

static void watching_driver_is_told_when_its_newest_frame_was_read(void **state) {
	fake_driver_destroy(context.driver);
	context.driver = fake_driver_create_watching("win");
	oriel_source_set_consumer(&context.driver->base, &consumer, &context);
	struct oriel_source_picture picture = { .buffer = context.buffer };
	assert_true(oriel_source_submit(&context.driver->base, &picture));
	struct oriel_release *first = context.held[0]->release;
	assert_true(oriel_release_is_watched(first));
	oriel_release_begin_read(first);
	oriel_release_begin_read(first);
	oriel_release_end_read(first);
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_PRIMARY], 0);
	oriel_release_end_read(first);
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_PRIMARY], 1);
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_CURSOR], 0);
	assert_int_equal(context.driver->releases, 0);

	oriel_release_begin_read(first);
	assert_true(oriel_source_submit(&context.driver->base, &picture));
	oriel_release_end_read(first);
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_PRIMARY], 1);
	picture.plane = ORIEL_GUEST_PLANE_CURSOR;
	assert_true(oriel_source_submit(&context.driver->base, &picture));
	oriel_release_begin_read(context.held[2]->release);
	oriel_release_end_read(context.held[2]->release);
	assert_int_equal(context.driver->seen[ORIEL_GUEST_PLANE_CURSOR], 1);

	/* Gone, it hears no more. */
	oriel_release_begin_read(context.held[1]->release);
	fake_driver_destroy(context.driver);
	context.driver = NULL;
	assert_false(oriel_release_is_watched(context.held[1]->release));
	oriel_release_end_read(context.held[1]->release);
	for (unsigned int i = 0; i < 3; i++) {
		destroy_held(i);
	}
}

static void set_cursor_reaches_who_listens(void **state) {
	const struct oriel_guest_cursor cursor = { .x = 3, .y = -4 };
	oriel_source_set_cursor(context.source, &cursor);
	assert_int_equal(context.cursors, 1);
	assert_memory_equal(&context.cursor, &cursor, sizeof(cursor));
	oriel_source_set_cursor(context.source, NULL);
	assert_int_equal(context.cursors, 2);
	assert_true(context.cursor_hidden);
	oriel_source_set_consumer(context.source, NULL, NULL);
	oriel_source_set_cursor(context.source, &cursor);
	assert_int_equal(context.cursors, 2);
}

static void adopt_by_a_driver_without_it_closes_the_file(void **state) {
	int fd = memfd_create("device", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_false(oriel_source_adopt(context.source, ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, fd));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	oriel_source_end(context.source);
	oriel_source_set_monitor(context.source, &(struct oriel_guest_monitor){ .width = 1 });
}

static void set_state_tells_each_change_once(void **state) {
	assert_int_equal(oriel_source_get_state(context.source), ORIEL_SOURCE_STATE_WAITING);
	oriel_source_set_state(context.source, ORIEL_SOURCE_STATE_WAITING);
	assert_int_equal(context.states, 0);

	static const enum oriel_source_state states[] = {
		ORIEL_SOURCE_STATE_RUNNING,
		ORIEL_SOURCE_STATE_OFF,
		ORIEL_SOURCE_STATE_RUNNING,
		ORIEL_SOURCE_STATE_WAITING,
		ORIEL_SOURCE_STATE_LOST,
		ORIEL_SOURCE_STATE_RESTARTED,
	};
	for (unsigned int i = 0; i < ARRAY_LENGTH(states); i++) {
		oriel_source_set_state(context.source, states[i]);
		oriel_source_set_state(context.source, states[i]);
		assert_int_equal(context.states, i + 1);
		assert_int_equal(context.state, states[i]);
		assert_int_equal(oriel_source_get_state(context.source), states[i]);
	}
}

static void set_state_without_consumer_is_kept(void **state) {
	oriel_source_set_consumer(context.source, NULL, NULL);
	oriel_source_set_state(context.source, ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(oriel_source_get_state(context.source), ORIEL_SOURCE_STATE_RUNNING);
	assert_int_equal(context.states, 0);
}

static void destroy_null_is_fine(void **state) {
	oriel_source_destroy(NULL);
}

static void destroy_reaches_the_driver(void **state) {
	bool destroyed = false;
	context.driver->destroyed = &destroyed;
	oriel_source_destroy(context.source);
	context.driver = NULL;
	assert_true(destroyed);
}

static void destroy_with_frames_out_keeps_their_buffer(void **state) {
	/* One frame is only held, another is also being read. */
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	assert_true(oriel_source_submit(context.source,
			&(struct oriel_source_picture){ .buffer = context.buffer }));
	struct oriel_release *read = oriel_release_ref(context.held[1]->release);
	oriel_source_destroy(context.source);
	context.driver = NULL;
	oriel_guest_buffer_drop(context.buffer);
	context.buffer = NULL;

	assert_false(context.watch.destroyed);
	destroy_held(0);
	destroy_held(1);
	assert_false(context.watch.destroyed);
	oriel_release_unref(read);
	assert_true(context.watch.destroyed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(create_unknown_driver_is_one_line),
		TEST(driver_exists_knows_whole_names_only),
		TEST(create_opens_the_named_driver),
		TEST(init_keeps_a_copy_of_the_name),
		TEST(init_without_memory_fails),
		TEST(submit_hands_on_a_frame),
		TEST(submit_same_buffer_again_is_a_frame_of_its_own),
		TEST(submit_without_consumer_takes_nothing),
		TEST(submit_unwanted_takes_nothing),
		TEST(submit_dropped_at_once_is_released_before_it_returns),
		TEST(submit_without_memory_for_the_promise_takes_nothing),
		TEST(submit_without_memory_for_the_frame_takes_nothing),
		TEST(release_without_an_op_is_counted),
		TEST(release_is_told_for_an_old_consumers_frame),
		TEST(poll_reaches_the_driver_in_every_state),
		TEST(submit_passes_on_plane_cursor_and_damage),
		TEST(submit_without_damage_leaves_it_unknown),
		TEST(submit_counts_the_planes_apart),
		TEST(newest_frame_is_held_until_its_release),
		TEST(telling_source_is_looked_at_when_it_has_told),
		TEST(watching_driver_is_told_when_its_newest_frame_was_read),
		TEST(set_cursor_reaches_who_listens),
		TEST(adopt_by_a_driver_without_it_closes_the_file),
		TEST(set_state_tells_each_change_once),
		TEST(set_state_without_consumer_is_kept),
		TEST(destroy_null_is_fine),
		TEST(destroy_reaches_the_driver),
		TEST(destroy_with_frames_out_keeps_their_buffer),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
