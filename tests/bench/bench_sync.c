/*
 * What the library costs: instructions beside those of the bare system calls, memory and fds over
 * many frames. docs/sync.md has the figures, and how they are got.
 *
 * ORIEL_SETUP says which: callgrind and icount count instructions, see counter.h; with any other the
 * program looks for what is left over.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "allocations.h"
#include "counter.h"
#include "fds.h"
#include "frames.h"

#define ROUND_FRAMES FRAMES_KEPT_MAX
#define ROUNDS_COUNTED 11 /* odd, so that one is in the middle */
#define ROUNDS_MANY 1000

#define KNOWN_FRAME_INSTRUCTIONS 2000

/* Kernel memory that others may take meanwhile. A sync_file lost with each frame takes ten times it. */
#define SLAB_GROWTH_MAX_KIB 4096
/* What RCU frees, it frees up to some seconds later. */
#define SLAB_LOOKS 100
#define SLAB_LOOK_MS 100

#define NAME_SIZE 80

/* Made up, to try the instrument. */

static int frame_empty(struct frames *frames) {
	return 0;
}

static int frame_known(struct frames *frames) {
	int rounds = KNOWN_FRAME_INSTRUCTIONS / 2;
	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
	return rounds;
}

static void run_round(struct frames *frames, frame_func frame) {
	for (unsigned int i = 0; i < ROUND_FRAMES; i++) {
		int ret = frame(frames);
		if (ret < 0) {
			fail_msg("%s", strerror(-ret));
		}
	}
}

static int compare_counts(const void *a_data, const void *b_data) {
	const uint64_t *a = a_data, *b = b_data;
	return (*a > *b) - (*a < *b);
}

/* Instructions of a round: the median, since what does not belong to the frames is in a few only. */
static uint64_t count_round(struct frames *frames, frame_func frame) {
	uint64_t counts[ROUNDS_COUNTED];
	run_round(frames, frame);
	frames_drop_kept(frames);
	for (int i = 0; i < ROUNDS_COUNTED; i++) {
		counter_begin();
		run_round(frames, frame);
		counts[i] = counter_end();
		frames_drop_kept(frames);
	}
	qsort(counts, ROUNDS_COUNTED, sizeof(counts[0]), compare_counts);
	return counts[ROUNDS_COUNTED / 2];
}

/* Instructions of a frame, without the loop and the call. */
static double count_frame(struct frames *frames, frame_func frame) {
	uint64_t loop = count_round(frames, frame_empty);
	uint64_t round = count_round(frames, frame);
	assert_true(round > loop);
	return (double)(round - loop) / ROUND_FRAMES;
}

static void count_known_frame_gives_its_instructions(void **state) {
	struct frames frames;
	frames_init(&frames, false);
	double cost = count_frame(&frames, frame_known);
	frames_finish(&frames);
	assert_true(cost >= KNOWN_FRAME_INSTRUCTIONS);
	assert_true(cost < KNOWN_FRAME_INSTRUCTIONS * 1.01);
}

static void count_same_frame_again_gives_the_same(void **state) {
	struct frames frames;
	frames_init(&frames, true);
	double first = count_frame(&frames, frame_kinds[0].library);
	double second = count_frame(&frames, frame_kinds[0].library);
	frames_finish(&frames);
	assert_true(first < second * 1.01 && second < first * 1.01);
}

static void frame_stays_within_limit(void **state) {
	const struct frame_kind *kind = *state;
	struct frames frames;
	frames_init(&frames, kind->with_writers);
	double bare = count_frame(&frames, kind->bare);
	double library = count_frame(&frames, kind->library);
	frames_finish(&frames);

	double ratio = library / bare;
	double limit = counter_get_kind() == COUNTER_ICOUNT ? kind->all_limit : kind->user_limit;
	printf("# %-40s %8.1f bare, %8.1f by the library: %.2f (at most %.2f)\n", kind->name, bare,
			library, ratio, limit);
	assert_true(ratio <= limit);
}

/* The kernel's own objects, in KiB. */
static long slab_get_kib(void) {
	FILE *file = fopen("/proc/meminfo", "re");
	assert_non_null(file);
	char line[128];
	long slab_kib = -1;
	while (slab_kib < 0 && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Slab: %ld kB", &slab_kib) != 1) {
			slab_kib = -1;
		}
	}
	fclose(file);
	assert_true(slab_kib >= 0);
	return slab_kib;
}

/* Growth since it was before_kib, once that is little, or after a while. */
static long slab_get_growth_kib(long before_kib) {
	long growth_kib = slab_get_kib() - before_kib;
	for (int i = 0; i < SLAB_LOOKS && growth_kib >= SLAB_GROWTH_MAX_KIB; i++) {
		poll(NULL, 0, SLAB_LOOK_MS);
		growth_kib = slab_get_kib() - before_kib;
	}
	return growth_kib;
}

static void run_rounds(struct frames *frames, frame_func frame, unsigned int count) {
	for (unsigned int i = 0; i < count; i++) {
		run_round(frames, frame);
		frames_drop_kept(frames);
	}
}

static void many_frames_leave_nothing(void **state) {
	const struct frame_kind *kind = *state;
	struct frames frames;
	frames_init(&frames, kind->with_writers);
	run_rounds(&frames, kind->library, 1);

	int fds = fds_count_open();
	long slab_kib = slab_get_kib();
	uint64_t allocations = allocations_count();
	run_rounds(&frames, kind->library, ROUNDS_MANY);
	allocations = allocations_count() - allocations;
	slab_kib = slab_get_growth_kib(slab_kib);
	fds = fds_count_open() - fds;
	frames_finish(&frames);

	printf("# %-40s %d frames: %d allocations, %d fds more, %ld KiB more in the kernel\n",
			kind->name, ROUNDS_MANY * ROUND_FRAMES, (int)allocations, fds, slab_kib);
	assert_int_equal(allocations, 0);
	assert_int_equal(fds, 0);
	assert_true(slab_kib < SLAB_GROWTH_MAX_KIB);
}

static enum counter_kind get_counter_kind(void) {
	const char *set_up = getenv("ORIEL_SETUP");
	if (set_up != NULL && strcmp(set_up, "callgrind") == 0) {
		return COUNTER_CALLGRIND;
	}
	return set_up != NULL && strcmp(set_up, "icount") == 0 ? COUNTER_ICOUNT : COUNTER_NONE;
}

static int run_cost_tests(void) {
	struct CMUnitTest tests[2 + FRAME_KINDS] = {
		cmocka_unit_test(count_known_frame_gives_its_instructions),
		cmocka_unit_test(count_same_frame_again_gives_the_same),
	};
	char names[FRAME_KINDS][NAME_SIZE];
	for (int i = 0; i < FRAME_KINDS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s_stays_within_limit", frame_kinds[i].name);
		tests[2 + i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = frame_stays_within_limit,
			.initial_state = (void *)&frame_kinds[i],
		};
	}
	printf("# instructions a frame, %s\n",
			counter_get_kind() == COUNTER_CALLGRIND ? "in user space (callgrind)"
								: "the kernel's too (icount)");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_leak_tests(void) {
	struct CMUnitTest tests[FRAME_KINDS];
	char names[FRAME_KINDS][NAME_SIZE];
	for (int i = 0; i < FRAME_KINDS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s_many_times_leaves_nothing",
				frame_kinds[i].name);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = many_frames_leave_nothing,
			.initial_state = (void *)&frame_kinds[i],
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char *argv[]) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	enum counter_kind counter = get_counter_kind();
	if (counter == COUNTER_NONE) {
		return run_leak_tests();
	}
	return counter_init(counter, argv) ? run_cost_tests() : 77;
}
