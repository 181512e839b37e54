#include "bridge/latch.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "bridge/stats.h"
#include "fake_driver.h"
#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define BUFFERS 8
#define SECOND_NS UINT64_C(1000000000)

/* A guest of the given name with its latch, whose last frame passed on is held as a view does. */
struct guest {
	struct fake_driver *driver;
	struct oriel_stats stats;
	struct oriel_latch *latch;
	struct oriel_guest_frame *shown; /* may be NULL */
	uint64_t passed_on;
	uint64_t age_ns; /* what the next frames are made older by */
	bool destroys_latch; /* when a frame is ready */
	struct oriel_guest_buffer *submits; /* when a frame is ready, once; may be NULL */
	unsigned int looks; /* at the latch, from within a release */
};

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_guest_buffer *buffers[BUFFERS];
	struct fake_fence fences[BUFFERS];
	struct guest guest;
} context;

static void guest_handle_ready(void *data, struct oriel_guest_frame *take_frame) {
	struct guest *guest = data;
	guest->passed_on++;
	oriel_guest_frame_destroy(guest->shown);
	guest->shown = take_frame;
	if (guest->submits != NULL) {
		struct oriel_guest_buffer *buffer = guest->submits;
		guest->submits = NULL;
		assert_true(oriel_source_submit(&guest->driver->base,
				&(struct oriel_source_picture){ .buffer = buffer }));
	}
	if (guest->destroys_latch) {
		oriel_latch_destroy(guest->latch);
		guest->latch = NULL;
	}
}

static bool guest_handle_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return true;
}

static void guest_handle_frame(void *data, struct oriel_guest_frame *take_frame) {
	struct guest *guest = data;
	take_frame->taken_ns -= guest->age_ns;
	oriel_latch_submit(guest->latch, take_frame);
}

static void guest_handle_state(void *data, enum oriel_source_state state) {}

static const struct oriel_source_consumer consumer = {
	.wants = guest_handle_wants,
	.frame = guest_handle_frame,
	.state = guest_handle_state,
};

static void guest_init(struct guest *guest, const char *name) {
	*guest = (struct guest){ .driver = fake_driver_create(name) };
	guest->latch = oriel_latch_create(
			context.loop, name, &guest->stats, guest_handle_ready, guest);
	assert_non_null(guest->latch);
	oriel_source_set_consumer(&guest->driver->base, &consumer, guest);
}

static uint64_t guest_get_released(const struct guest *guest) {
	return oriel_source_get_counters(&guest->driver->base).released;
}

/* Every frame is somewhere, and is released unless it is pending or shown. */
static void guest_check_balance(const struct guest *guest) {
	uint64_t taken = oriel_source_get_counters(&guest->driver->base).taken;
	uint64_t pending = guest->latch != NULL ? oriel_latch_get_pending_count(guest->latch) : 0;
	assert_int_equal(taken,
			guest->passed_on + guest->stats.superseded + guest->stats.rejected + pending);
	assert_int_equal(guest_get_released(guest), taken - pending - (guest->shown != NULL ? 1 : 0));
	assert_int_equal(guest->driver->releases, guest_get_released(guest));
	assert_int_equal(guest->stats.acquire_wait.count, guest->passed_on);
}

static void guest_finish(struct guest *guest) {
	guest_check_balance(guest);
	oriel_latch_destroy(guest->latch);
	guest->latch = NULL;
	guest_check_balance(guest);
	oriel_guest_frame_destroy(guest->shown);
	guest->shown = NULL;
	guest_check_balance(guest);
	fake_driver_destroy(guest->driver);
}

static int setup(void **state) {
	context.fds_before = fds_count_open();
	log_lines_init();
	fake_sync_reset();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	for (size_t i = 0; i < BUFFERS; i++) {
		context.buffers[i] = fake_sync_create_dmabuf();
		fake_fence_init(&context.fences[i]);
	}
	guest_init(&context.guest, "win");
	return 0;
}

static int teardown(void **state) {
	guest_finish(&context.guest);
	for (size_t i = 0; i < BUFFERS; i++) {
		fake_fence_finish(&context.fences[i]);
		oriel_guest_buffer_drop(context.buffers[i]);
	}
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void step(void) {
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
}

/* A frame of buffer number index, whose only writer is fence number index. */
static void submit_pending(size_t index) {
	fake_sync.fence = &context.fences[index];
	assert_true(oriel_source_submit(&context.guest.driver->base,
			&(struct oriel_source_picture){ .buffer = context.buffers[index] }));
}

static void submit_ready(size_t index) {
	fake_sync.fence = NULL;
	assert_true(oriel_source_submit(&context.guest.driver->base,
			&(struct oriel_source_picture){ .buffer = context.buffers[index] }));
}

static void signal_and_step(size_t index) {
	fake_fence_signal(&context.fences[index]);
	step();
}

/* The frame of buffer number index is the one shown, and count were in all. */
static void assert_passed_on(size_t index, uint64_t count) {
	assert_int_equal(context.guest.passed_on, count);
	assert_non_null(context.guest.shown);
	assert_ptr_equal(oriel_guest_frame_get_buffer(context.guest.shown), context.buffers[index]);
}

static void assert_counts(uint64_t superseded, uint64_t rejected, size_t pending) {
	assert_int_equal(context.guest.stats.superseded, superseded);
	assert_int_equal(context.guest.stats.rejected, rejected);
	assert_int_equal(oriel_latch_get_pending_count(context.guest.latch), pending);
	guest_check_balance(&context.guest);
}

static void submit_pending_frame_is_held(void **state) {
	submit_pending(0);
	step();
	step();
	assert_int_equal(context.guest.passed_on, 0);
	assert_counts(0, 0, 1);
	assert_int_equal(guest_get_released(&context.guest), 0);
}

static void submit_takes_one_snapshot_of_the_writers(void **state) {
	submit_pending(0);
	assert_int_equal(fake_sync.exports, 1);
	assert_int_equal(fake_sync.export_access, SB_ACCESS_READ);
	/* A later writer of the same buffer counts for nothing. */
	fake_sync.fence = &context.fences[1];
	signal_and_step(0);
	assert_passed_on(0, 1);
	assert_int_equal(fake_sync.exports, 1);
	assert_int_equal(context.guest.stats.over_sync, 0);
}

static void submit_ready_frame_is_passed_on_at_once(void **state) {
	submit_ready(0);
	assert_passed_on(0, 1);
	assert_counts(0, 0, 0);
	submit_ready(1);
	assert_passed_on(1, 2);
	assert_int_equal(guest_get_released(&context.guest), 1);
}

static void signal_passes_the_frame_on_once(void **state) {
	submit_pending(0);
	signal_and_step(0);
	assert_passed_on(0, 1);
	assert_counts(0, 0, 0);
	step();
	assert_passed_on(0, 1);
	assert_int_equal(guest_get_released(&context.guest), 0);
}

static void signal_newest_supersedes_the_older(void **state) {
	submit_pending(0);
	submit_pending(1);
	submit_pending(2);
	signal_and_step(2);
	assert_passed_on(2, 1);
	assert_counts(2, 0, 0);
	assert_int_equal(guest_get_released(&context.guest), 2);
	/* Theirs may signal still. */
	signal_and_step(0);
	signal_and_step(1);
	assert_passed_on(2, 1);
}

static void signal_older_first_leaves_the_newer_pending(void **state) {
	submit_pending(0);
	submit_pending(1);
	submit_pending(2);
	signal_and_step(1);
	assert_passed_on(1, 1);
	assert_counts(1, 0, 1);
	signal_and_step(2);
	assert_passed_on(2, 2);
	assert_counts(1, 0, 0);
}

/* One turn of the loop finds more than one: whichever it takes first, the newest is shown. */
static void signal_two_at_once_shows_the_newest(void **state) {
	static const size_t orders[][2] = { { 0, 1 }, { 1, 0 } };
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		submit_pending(2 * i);
		submit_pending(2 * i + 1);
		fake_fence_signal(&context.fences[2 * i + orders[i][0]]);
		fake_fence_signal(&context.fences[2 * i + orders[i][1]]);
		step();
		assert_ptr_equal(oriel_guest_frame_get_buffer(context.guest.shown),
				context.buffers[2 * i + 1]);
		assert_int_equal(oriel_latch_get_pending_count(context.guest.latch), 0);
		guest_check_balance(&context.guest);
	}
}

static void submit_ready_frame_supersedes_all_pending(void **state) {
	submit_pending(0);
	submit_pending(1);
	submit_ready(2);
	assert_passed_on(2, 1);
	assert_counts(2, 0, 0);
	signal_and_step(0);
	signal_and_step(1);
	assert_passed_on(2, 1);
}

static void submit_beyond_the_depth_replaces_the_newest(void **state) {
	for (size_t i = 0; i < ORIEL_LATCH_DEPTH - 1; i++) {
		submit_pending(i);
	}
	assert_counts(0, 0, ORIEL_LATCH_DEPTH - 1);
	submit_pending(ORIEL_LATCH_DEPTH - 1);
	assert_counts(0, 0, ORIEL_LATCH_DEPTH);
	submit_pending(ORIEL_LATCH_DEPTH);
	assert_counts(1, 0, ORIEL_LATCH_DEPTH);
	submit_pending(ORIEL_LATCH_DEPTH + 1);
	assert_counts(2, 0, ORIEL_LATCH_DEPTH);

	/* The ones that gave way are those that were the newest then. */
	signal_and_step(ORIEL_LATCH_DEPTH - 1);
	signal_and_step(ORIEL_LATCH_DEPTH);
	assert_int_equal(context.guest.passed_on, 0);
	signal_and_step(0);
	assert_passed_on(0, 1);
	assert_counts(2, 0, ORIEL_LATCH_DEPTH - 1);
	signal_and_step(ORIEL_LATCH_DEPTH + 1);
	assert_passed_on(ORIEL_LATCH_DEPTH + 1, 2);
	assert_counts(2 + ORIEL_LATCH_DEPTH - 2, 0, 0);
}

static void wants_nothing_of_a_pending_buffer(void **state) {
	const struct oriel_latch *latch = context.guest.latch;
	assert_true(oriel_latch_wants(latch, context.buffers[0]));
	submit_pending(0);
	submit_pending(1);
	assert_false(oriel_latch_wants(latch, context.buffers[0]));
	assert_false(oriel_latch_wants(latch, context.buffers[1]));
	assert_true(oriel_latch_wants(latch, context.buffers[2]));
	signal_and_step(0);
	assert_true(oriel_latch_wants(latch, context.buffers[0]));
	assert_false(oriel_latch_wants(latch, context.buffers[1]));
	signal_and_step(1);
	assert_true(oriel_latch_wants(latch, context.buffers[1]));
}

static void submit_failed_export_is_rejected(void **state) {
	static const int errors[] = { EINVAL, ENOMEM, EMFILE, ENFILE, EBADF, EIO, ENODEV, EPERM };
	submit_pending(0);
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		fake_sync.export_error = -errors[i];
		submit_pending(1);
		assert_counts(0, i + 1, 1);
		assert_int_equal(guest_get_released(&context.guest), i + 1);
		/* One line for all of them, with the first one's reason. */
		assert_int_equal(log_lines_get_count(), 1);
	}
	assert_non_null(strstr(log_lines_get_last(), "guest win: "));
	assert_non_null(strstr(log_lines_get_last(), strerror(EINVAL)));

	/* Neither what is shown nor what is pending was touched. */
	assert_null(context.guest.shown);
	fake_sync.export_error = 0;
	signal_and_step(0);
	assert_passed_on(0, 1);
	fake_sync.export_error = -EIO;
	submit_pending(1);
	assert_passed_on(0, 1);
}

static void submit_without_snapshots_waits_for_an_idle_dmabuf(void **state) {
	fake_sync.export_error = -ENOTTY;
	submit_pending(0);
	step();
	assert_int_equal(context.guest.passed_on, 0);
	assert_counts(0, 0, 1);
	assert_int_equal(context.guest.stats.over_sync, 0);

	fake_sync_end_writers(context.buffers[0]);
	step();
	assert_passed_on(0, 1);
	assert_int_equal(context.guest.stats.over_sync, 1);
	assert_int_equal(log_lines_get_count(), 0);
}

static void hangup_of_a_fence_rejects_its_frame_only(void **state) {
	submit_pending(0);
	submit_pending(1);
	submit_pending(2);
	fake_fence_break(&context.fences[1]);
	step();
	assert_int_equal(context.guest.passed_on, 0);
	assert_counts(0, 1, 2);
	assert_int_equal(guest_get_released(&context.guest), 1);
	assert_int_equal(log_lines_get_count(), 1);
	signal_and_step(0);
	assert_passed_on(0, 1);
	signal_and_step(2);
	assert_passed_on(2, 2);
}

static void hangup_before_the_submit_rejects_the_frame(void **state) {
	fake_fence_break(&context.fences[0]);
	submit_pending(0);
	step();
	assert_int_equal(context.guest.passed_on, 0);
	assert_counts(0, 1, 0);
}

static void submit_without_memory_is_rejected(void **state) {
	submit_pending(0);
	fake_sync.fence = &context.fences[1];
	/* The first two are the frame's own. */
	shortage_of_memory_begin(3);
	bool taken = oriel_source_submit(&context.guest.driver->base,
			&(struct oriel_source_picture){ .buffer = context.buffers[1] });
	assert_int_equal(shortage_of_memory_end(), 3);
	assert_true(taken);
	assert_counts(0, 1, 1);
	assert_int_equal(log_lines_get_count(), 1);
	signal_and_step(1);
	assert_int_equal(context.guest.passed_on, 0);
	signal_and_step(0);
	assert_passed_on(0, 1);
}

/* The snapshot could be had, and only the event loop's copy of it could not. */
static void submit_without_a_watch_is_rejected(void **state) {
	submit_pending(0);
	fake_sync.fence = &context.fences[1];
	fake_sync.export_leaves_no_fds = true;
	bool taken = oriel_source_submit(&context.guest.driver->base,
			&(struct oriel_source_picture){ .buffer = context.buffers[1] });
	shortage_of_fds_end();
	assert_true(taken);
	assert_counts(0, 1, 1);
	assert_int_equal(log_lines_get_count(), 1);
	assert_non_null(strstr(log_lines_get_last(), strerror(EMFILE)));
	signal_and_step(1);
	assert_int_equal(context.guest.passed_on, 0);
}

static void flush_supersedes_all_pending(void **state) {
	submit_ready(0);
	submit_pending(1);
	submit_pending(2);
	oriel_latch_flush(context.guest.latch);
	assert_passed_on(0, 1);
	assert_counts(2, 0, 0);
	assert_int_equal(guest_get_released(&context.guest), 2);
	signal_and_step(1);
	signal_and_step(2);
	assert_passed_on(0, 1);
	oriel_latch_flush(context.guest.latch);
	assert_counts(2, 0, 0);
	submit_pending(3);
	signal_and_step(3);
	assert_passed_on(3, 2);
}

static void destroy_null_is_fine(void **state) {
	oriel_latch_destroy(NULL);
}

static void destroy_releases_each_pending_frame_once(void **state) {
	for (size_t i = 0; i < ORIEL_LATCH_DEPTH; i++) {
		submit_pending(i);
	}
	oriel_latch_destroy(context.guest.latch);
	context.guest.latch = NULL;
	assert_int_equal(guest_get_released(&context.guest), ORIEL_LATCH_DEPTH);
	guest_check_balance(&context.guest);
	for (size_t i = 0; i < ORIEL_LATCH_DEPTH; i++) {
		signal_and_step(i);
	}
	assert_int_equal(context.guest.passed_on, 0);
	guest_check_balance(&context.guest);
}

/* The latch is done with itself when it says that a frame is ready. */
static void destroy_when_a_frame_is_ready_is_fine(void **state) {
	submit_pending(0);
	submit_pending(1);
	submit_pending(2);
	context.guest.destroys_latch = true;
	signal_and_step(1);
	assert_null(context.guest.latch);
	assert_passed_on(1, 1);
	assert_int_equal(guest_get_released(&context.guest), 2);
	guest_check_balance(&context.guest);
	signal_and_step(2);
	assert_passed_on(1, 1);
}

static void destroy_from_within_a_submit_is_fine(void **state) {
	submit_pending(0);
	context.guest.destroys_latch = true;
	submit_ready(1);
	assert_null(context.guest.latch);
	assert_passed_on(1, 1);
	assert_int_equal(guest_get_released(&context.guest), 1);
}

static void submit_when_a_frame_is_ready_is_fine(void **state) {
	submit_pending(0);
	submit_pending(1);
	fake_sync.fence = NULL;
	context.guest.submits = context.buffers[2];
	signal_and_step(0);
	assert_passed_on(2, 2);
	assert_counts(1, 0, 0);
}

static void guest_look_at_latch(void *data) {
	struct guest *guest = data;
	size_t held = 0;
	for (size_t i = 0; i < BUFFERS; i++) {
		held += !oriel_latch_wants(guest->latch, context.buffers[i]);
	}
	assert_int_equal(held, oriel_latch_get_pending_count(guest->latch));
	assert_true(oriel_latch_wants(guest->latch, guest->driver->last_released));
	guest->looks++;
}

/* What a driver does when it hears of a release may ask the latch, whichever way a frame ended. */
static void release_finds_the_latch_in_order(void **state) {
	struct guest *guest = &context.guest;
	guest->driver->released = guest_look_at_latch;
	guest->driver->released_data = guest;
	for (size_t i = 0; i < ORIEL_LATCH_DEPTH + 1; i++) {
		submit_pending(i);
	}
	/* 3 made room for 4. */
	assert_int_equal(guest->looks, 1);
	/* 0 is superseded. */
	signal_and_step(1);
	assert_int_equal(guest->looks, 2);
	/* 2 is rejected. */
	fake_fence_break(&context.fences[2]);
	step();
	assert_int_equal(guest->looks, 3);
	/* 4 is superseded, and 1 no longer shown. */
	submit_ready(5);
	assert_int_equal(guest->looks, 5);
	submit_pending(6);
	oriel_latch_flush(guest->latch);
	assert_int_equal(guest->looks, 6);
	assert_counts(4, 1, 0);
	guest->driver->released = NULL;
}

static void create_without_memory_is_null(void **state) {
	struct oriel_stats stats = { 0 };
	shortage_of_memory_begin(1);
	struct oriel_latch *latch =
			oriel_latch_create(context.loop, "lin", &stats, guest_handle_ready, NULL);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_null(latch);
}

/* The wait counts from when the frame was taken. */
static void acquire_wait_is_measured_from_the_taking(void **state) {
	context.guest.age_ns = 5 * SECOND_NS;
	submit_pending(0);
	signal_and_step(0);
	const struct oriel_histogram *wait = &context.guest.stats.acquire_wait;
	assert_int_equal(wait->count, 1);
	assert_uint_in_range(oriel_histogram_get_percentile_ns(wait, 50), 5 * SECOND_NS,
			600 * SECOND_NS);
	context.guest.age_ns = 0;
	submit_ready(1);
	assert_int_equal(wait->count, 2);
	assert_true(oriel_histogram_get_percentile_ns(wait, 50) < 5 * SECOND_NS);
}

static void stuck_fence_holds_back_its_own_guest_only(void **state) {
	struct guest other;
	guest_init(&other, "lin");
	for (size_t i = 0; i < ORIEL_LATCH_DEPTH; i++) {
		submit_pending(i);
	}
	for (unsigned int i = 1; i <= 100; i++) {
		struct fake_fence fence;
		fake_fence_init(&fence);
		fake_sync.fence = &fence;
		assert_true(oriel_source_submit(&other.driver->base,
				&(struct oriel_source_picture){ .buffer = context.buffers[7] }));
		fake_fence_signal(&fence);
		step();
		fake_fence_finish(&fence);
		assert_int_equal(other.passed_on, i);
	}
	assert_int_equal(context.guest.passed_on, 0);
	assert_counts(0, 0, ORIEL_LATCH_DEPTH);
	guest_finish(&other);
}

/*
 * The latch against a model of it: the frames pending, oldest first, by the number of their
 * fence. Buffers and fences are used again and again, as a guest does.
 */
struct model {
	size_t pending[ORIEL_LATCH_DEPTH];
	size_t count;
	uint64_t passed_on, superseded, rejected, over_sync;
};

static void model_remove(struct model *model, size_t index) {
	model->count--;
	memmove(&model->pending[index], &model->pending[index + 1],
			(model->count - index) * sizeof(model->pending[0]));
}

static void model_submit(struct model *model, size_t number) {
	if (model->count == ORIEL_LATCH_DEPTH) {
		model->superseded++;
		model->count--;
	}
	model->pending[model->count++] = number;
}

static void model_supersede_all(struct model *model) {
	model->superseded += model->count;
	model->count = 0;
}

static void model_signal(struct model *model, size_t index, bool is_idle) {
	model->passed_on++;
	model->over_sync += is_idle;
	model->superseded += index;
	for (size_t i = 0; i <= index; i++) {
		model_remove(model, 0);
	}
}

static uint64_t next_random(uint64_t *seed) {
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

static void renew(size_t number) {
	fake_fence_finish(&context.fences[number]);
	fake_fence_init(&context.fences[number]);
	oriel_guest_buffer_drop(context.buffers[number]);
	context.buffers[number] = fake_sync_create_dmabuf();
}

static size_t find_free_number(const struct model *model, uint64_t *seed) {
	for (;;) {
		size_t number = next_random(seed) % BUFFERS, i = 0;
		while (i < model->count && model->pending[i] != number) {
			i++;
		}
		if (i == model->count) {
			return number;
		}
	}
}

static void any_sequence_balances_and_matches_the_model(void **state) {
	uint64_t seed = 20261120;
	struct model model = { 0 };
	bool is_idle[BUFFERS] = { false };
	for (int i = 0; i < 20000; i++) {
		uint64_t dice = next_random(&seed) % 100;
		if (dice < 45) {
			size_t number = find_free_number(&model, &seed);
			renew(number);
			is_idle[number] = next_random(&seed) % 8 == 0;
			fake_sync.export_error = is_idle[number] ? -ENOTTY : 0;
			submit_pending(number);
			model_submit(&model, number);
		} else if (dice < 55) {
			fake_sync.export_error = 0;
			submit_ready(find_free_number(&model, &seed));
			model_supersede_all(&model);
			model.passed_on++;
		} else if (dice < 60) {
			fake_sync.export_error = -EIO;
			submit_pending(find_free_number(&model, &seed));
			model.rejected++;
		} else if (dice < 62) {
			oriel_latch_flush(context.guest.latch);
			model_supersede_all(&model);
		} else if (model.count > 0) {
			size_t index = next_random(&seed) % model.count;
			size_t number = model.pending[index];
			if (is_idle[number]) {
				fake_sync_end_writers(context.buffers[number]);
				model_signal(&model, index, true);
			} else if (dice < 65) {
				fake_fence_break(&context.fences[number]);
				model.rejected++;
				model_remove(&model, index);
			} else {
				fake_fence_signal(&context.fences[number]);
				model_signal(&model, index, false);
			}
			step();
		}

		const struct guest *guest = &context.guest;
		if (guest->passed_on != model.passed_on ||
				guest->stats.superseded != model.superseded ||
				guest->stats.rejected != model.rejected ||
				guest->stats.over_sync != model.over_sync ||
				oriel_latch_get_pending_count(guest->latch) != model.count) {
			fail_msg("step %d, dice %" PRIu64, i, dice);
		}
		guest_check_balance(guest);
	}
	/* The dice were fair enough for all of it to have happened. */
	assert_true(model.passed_on > 1000 && model.superseded > 1000 && model.rejected > 100 &&
			model.over_sync > 100);
	assert_int_equal(log_lines_get_count(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(submit_pending_frame_is_held),
		TEST(submit_takes_one_snapshot_of_the_writers),
		TEST(submit_ready_frame_is_passed_on_at_once),
		TEST(signal_passes_the_frame_on_once),
		TEST(signal_newest_supersedes_the_older),
		TEST(signal_older_first_leaves_the_newer_pending),
		TEST(signal_two_at_once_shows_the_newest),
		TEST(submit_ready_frame_supersedes_all_pending),
		TEST(submit_beyond_the_depth_replaces_the_newest),
		TEST(wants_nothing_of_a_pending_buffer),
		TEST(submit_failed_export_is_rejected),
		TEST(submit_without_snapshots_waits_for_an_idle_dmabuf),
		TEST(hangup_of_a_fence_rejects_its_frame_only),
		TEST(hangup_before_the_submit_rejects_the_frame),
		TEST(submit_without_memory_is_rejected),
		TEST(submit_without_a_watch_is_rejected),
		TEST(flush_supersedes_all_pending),
		TEST(destroy_null_is_fine),
		TEST(destroy_releases_each_pending_frame_once),
		TEST(destroy_when_a_frame_is_ready_is_fine),
		TEST(destroy_from_within_a_submit_is_fine),
		TEST(submit_when_a_frame_is_ready_is_fine),
		TEST(release_finds_the_latch_in_order),
		TEST(create_without_memory_is_null),
		TEST(acquire_wait_is_measured_from_the_taking),
		TEST(stuck_fence_holds_back_its_own_guest_only),
		TEST(any_sequence_balances_and_matches_the_model),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
