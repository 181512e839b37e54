#include "output/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define MSEC_NS UINT64_C(1000000)
#define PERIOD_NS (16 * MSEC_NS)
#define START_NS (1000 * MSEC_NS)
#define SLACK_NS ((uint64_t)ORIEL_DEADLINE_SLACK_MIN_NS)

/* With a refresh at START_NS, and frames that cost so much. */
static struct oriel_deadline make(uint64_t cost_ns) {
	struct oriel_deadline deadline;
	oriel_deadline_init(&deadline);
	oriel_deadline_presented(&deadline, START_NS, PERIOD_NS);
	oriel_deadline_committed(&deadline, START_NS, START_NS + cost_ns);
	return deadline;
}

static void begin_is_now_while_nothing_is_known(void **state) {
	struct oriel_deadline deadline;
	oriel_deadline_init(&deadline);
	assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS), START_NS);
	assert_int_equal(oriel_deadline_align_ns(&deadline, START_NS), START_NS);
	oriel_deadline_committed(&deadline, START_NS, START_NS + MSEC_NS);
	assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS), START_NS);

	/* As with variable refresh: there is a time, and no period. */
	oriel_deadline_presented(&deadline, START_NS, 0);
	assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS + 1), START_NS + 1);
	deadline = make(0);
	oriel_deadline_forget(&deadline);
	assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS + 1), START_NS + 1);
}

static void begin_is_cost_and_slack_before_the_next_refresh(void **state) {
	static const struct {
		uint64_t cost_ns, now_ns, begin_ns; /* the times after START_NS */
	} rows[] = {
		{ 0, 0, PERIOD_NS - SLACK_NS },
		{ 2 * MSEC_NS, 0, PERIOD_NS - SLACK_NS - 2 * MSEC_NS },
		{ 2 * MSEC_NS, 1, PERIOD_NS - SLACK_NS - 2 * MSEC_NS },
		/* Too late for it, but it may still do. */
		{ 2 * MSEC_NS, PERIOD_NS - MSEC_NS, PERIOD_NS - MSEC_NS },
		{ 2 * MSEC_NS, PERIOD_NS - 1, PERIOD_NS - 1 },
		{ 2 * MSEC_NS, PERIOD_NS, 2 * PERIOD_NS - SLACK_NS - 2 * MSEC_NS },
		/* Long after. */
		{ 2 * MSEC_NS, 600 * PERIOD_NS + 5, 601 * PERIOD_NS - SLACK_NS - 2 * MSEC_NS },
		/* It takes longer than a period. */
		{ 3 * PERIOD_NS, 5, 5 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct oriel_deadline deadline = make(rows[i].cost_ns);
		assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS + rows[i].now_ns),
				START_NS + rows[i].begin_ns);
	}
}

static void begin_before_the_known_refresh_is_before_that(void **state) {
	/* The driver's time of a refresh may lie a little ahead. */
	struct oriel_deadline deadline = make(0);
	assert_int_equal(oriel_deadline_get_begin_ns(&deadline, START_NS - 2 * MSEC_NS),
			START_NS - SLACK_NS);
}

static void align_goes_to_the_nearest_begin(void **state) {
	const uint64_t first_ns = START_NS + PERIOD_NS - SLACK_NS;
	static const struct {
		int64_t off_ns; /* from the begin of some frame */
		uint64_t frame; /* whose begin is the nearest */
	} rows[] = {
		{ 0, 3 },
		{ 1, 3 },
		{ -1, 3 },
		{ PERIOD_NS / 2 - 1, 3 },
		{ PERIOD_NS / 2 + 1, 4 },
		{ -(int64_t)PERIOD_NS / 2, 3 },
		{ -(int64_t)PERIOD_NS / 2 - 1, 2 },
	};
	struct oriel_deadline deadline = make(0);
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		uint64_t wanted_ns = first_ns + 3 * PERIOD_NS + (uint64_t)rows[i].off_ns;
		assert_int_equal(oriel_deadline_align_ns(&deadline, wanted_ns),
				first_ns + rows[i].frame * PERIOD_NS);
	}
}

static void present_late_lengthens_the_slack_up_to_a_period(void **state) {
	struct oriel_deadline deadline = make(0);
	uint64_t slack_ns = SLACK_NS, shown_ns = START_NS;
	for (int i = 0; i < 20; i++) {
		/* Meant for the next refresh, and shown at the one after. */
		oriel_deadline_committed(&deadline, shown_ns, shown_ns);
		shown_ns += 2 * PERIOD_NS;
		oriel_deadline_presented(&deadline, shown_ns, PERIOD_NS);
		slack_ns += ORIEL_DEADLINE_STEP_NS;
		slack_ns = slack_ns < PERIOD_NS ? slack_ns : PERIOD_NS;
		assert_int_equal(oriel_deadline_get_begin_ns(&deadline, shown_ns),
				shown_ns + PERIOD_NS - slack_ns);
	}
	assert_int_equal(slack_ns, PERIOD_NS);
}

static void present_in_time_shortens_the_slack_down_to_the_least(void **state) {
	struct oriel_deadline deadline = make(0);
	uint64_t slack_ns = SLACK_NS + ORIEL_DEADLINE_STEP_NS / 2, shown_ns = START_NS;
	deadline.slack_ns = slack_ns;
	for (int i = 0; i < ORIEL_DEADLINE_LATE; i++) {
		oriel_deadline_committed(&deadline, shown_ns, shown_ns);
		shown_ns += PERIOD_NS;
		oriel_deadline_presented(&deadline, shown_ns, PERIOD_NS);
		slack_ns -= ORIEL_DEADLINE_STEP_NS / (ORIEL_DEADLINE_LATE - 1);
		slack_ns = slack_ns > SLACK_NS ? slack_ns : SLACK_NS;
		assert_int_equal(deadline.slack_ns, slack_ns);
	}
	assert_int_equal(slack_ns, SLACK_NS);
}

/* Frames that take 6 ms besides the CPU's work, and one in 200 that takes 11. */
static void slack_settles_where_few_frames_are_late(void **state) {
	struct oriel_deadline deadline = make(0);
	uint64_t shown_ns = START_NS;
	unsigned int late = 0;
	for (int i = 0; i < 4000; i++) {
		uint64_t begin_ns = oriel_deadline_get_begin_ns(&deadline, shown_ns);
		oriel_deadline_committed(&deadline, begin_ns, begin_ns);
		uint64_t ready_ns = begin_ns + (i % 200 == 0 ? 11 : 6) * MSEC_NS;
		uint64_t target_ns = shown_ns + PERIOD_NS;
		shown_ns = ready_ns <= target_ns ? target_ns : target_ns + PERIOD_NS;
		oriel_deadline_presented(&deadline, shown_ns, PERIOD_NS);
		late += i >= 1000 && shown_ns != target_ns ? 1 : 0;
	}
	assert_uint_in_range(late, 1, 3000 * 3 / 2 / ORIEL_DEADLINE_LATE);
	assert_uint_in_range(deadline.slack_ns, 5500000, 8000000);
}

static void present_of_what_was_begun_too_late_changes_no_slack(void **state) {
	static const uint64_t timer_ns = 1000000; /* what timers may be late by */
	for (int i = 0; i < 2; i++) {
		struct oriel_deadline deadline = make(0);
		uint64_t begin_ns = START_NS + PERIOD_NS - SLACK_NS + timer_ns + (uint64_t)i;
		oriel_deadline_committed(&deadline, begin_ns, begin_ns);
		oriel_deadline_presented(&deadline, START_NS + 2 * PERIOD_NS, PERIOD_NS);
		assert_int_equal(deadline.slack_ns,
				i == 0 ? SLACK_NS + ORIEL_DEADLINE_STEP_NS : SLACK_NS);
	}
}

static void present_of_what_was_not_committed_changes_no_slack(void **state) {
	struct oriel_deadline deadline = make(0);
	deadline.target_ns = 0;
	oriel_deadline_presented(&deadline, START_NS + 40 * PERIOD_NS, PERIOD_NS);
	assert_int_equal(deadline.slack_ns, SLACK_NS);
}

static void cost_rises_at_once_and_falls_slowly(void **state) {
	struct oriel_deadline deadline = make(MSEC_NS);
	oriel_deadline_committed(&deadline, START_NS, START_NS + 3 * MSEC_NS);
	assert_int_equal(deadline.cost_ns, 3 * MSEC_NS);
	oriel_deadline_committed(&deadline, START_NS, START_NS + MSEC_NS);
	assert_uint_in_range(deadline.cost_ns, 2900000, 3 * MSEC_NS - 1);
	for (int i = 0; i < 600; i++) {
		oriel_deadline_committed(&deadline, START_NS, START_NS + MSEC_NS);
	}
	assert_uint_in_range(deadline.cost_ns, MSEC_NS, MSEC_NS + 10000);
}

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin_is_now_while_nothing_is_known),
		cmocka_unit_test(begin_is_cost_and_slack_before_the_next_refresh),
		cmocka_unit_test(begin_before_the_known_refresh_is_before_that),
		cmocka_unit_test(align_goes_to_the_nearest_begin),
		cmocka_unit_test(present_late_lengthens_the_slack_up_to_a_period),
		cmocka_unit_test(present_in_time_shortens_the_slack_down_to_the_least),
		cmocka_unit_test(slack_settles_where_few_frames_are_late),
		cmocka_unit_test(present_of_what_was_begun_too_late_changes_no_slack),
		cmocka_unit_test(present_of_what_was_not_committed_changes_no_slack),
		cmocka_unit_test(cost_rises_at_once_and_falls_slowly),
	};
	return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
