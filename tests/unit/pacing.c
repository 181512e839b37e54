#include "guest/pacing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)
#define REFRESH_NS (SEC_NS / 60)

static void next_poll_comes_later_the_longer_nothing_changes(void **state) {
	static const struct {
		enum oriel_source_state state;
		uint64_t still_ns; /* at the last poll */
		uint64_t wait_ns;
	} rows[] = {
		{ ORIEL_SOURCE_STATE_RUNNING, 0, REFRESH_NS },
		{ ORIEL_SOURCE_STATE_RUNNING, SEC_NS, REFRESH_NS },
		{ ORIEL_SOURCE_STATE_RUNNING, SEC_NS + 1, SEC_NS / 30 },
		{ ORIEL_SOURCE_STATE_RUNNING, 5 * SEC_NS, SEC_NS / 30 },
		{ ORIEL_SOURCE_STATE_RUNNING, 5 * SEC_NS + 1, SEC_NS / 10 },
		{ ORIEL_SOURCE_STATE_RUNNING, 5000 * SEC_NS, SEC_NS / 10 },
		{ ORIEL_SOURCE_STATE_WAITING, SEC_NS, REFRESH_NS },
		{ ORIEL_SOURCE_STATE_WAITING, SEC_NS + 1, SEC_NS / 10 },
		{ ORIEL_SOURCE_STATE_OFF, SEC_NS, REFRESH_NS },
		{ ORIEL_SOURCE_STATE_OFF, SEC_NS + 1, SEC_NS / 10 },
		{ ORIEL_SOURCE_STATE_RESTARTED, SEC_NS, REFRESH_NS },
		{ ORIEL_SOURCE_STATE_RESTARTED, SEC_NS + 1, SEC_NS / 10 },
		{ ORIEL_SOURCE_STATE_LOST, 0, SEC_NS },
		{ ORIEL_SOURCE_STATE_LOST, 5000 * SEC_NS, SEC_NS },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct oriel_pacing pacing = {
			.changed_ns = 7 * SEC_NS,
			.polled_ns = 7 * SEC_NS + rows[i].still_ns,
		};
		assert_int_equal(oriel_pacing_get_next_ns(&pacing, rows[i].state, REFRESH_NS),
				pacing.polled_ns + rows[i].wait_ns);
	}
}

static void next_poll_is_never_sooner_than_a_refresh(void **state) {
	static const uint64_t periods_ns[] = { SEC_NS / 30 - 1, SEC_NS / 30, SEC_NS / 24, 2 * SEC_NS };
	for (size_t i = 0; i < ARRAY_LENGTH(periods_ns); i++) {
		struct oriel_pacing pacing = { .changed_ns = 1, .polled_ns = 1 + 2 * SEC_NS };
		uint64_t wait_ns = periods_ns[i] > SEC_NS / 30 ? periods_ns[i] : SEC_NS / 30;
		assert_int_equal(oriel_pacing_get_next_ns(&pacing, ORIEL_SOURCE_STATE_RUNNING,
						 periods_ns[i]),
				pacing.polled_ns + wait_ns);
	}
}

static void change_after_the_last_poll_counts_as_recent(void **state) {
	struct oriel_pacing pacing = { .changed_ns = 9 * SEC_NS, .polled_ns = SEC_NS };
	assert_int_equal(oriel_pacing_get_next_ns(&pacing, ORIEL_SOURCE_STATE_RUNNING, REFRESH_NS),
			SEC_NS + REFRESH_NS);
}

static void first_poll_is_due_at_once(void **state) {
	struct oriel_pacing pacing = { 0 };
	assert_int_equal(oriel_pacing_get_next_ns(&pacing, ORIEL_SOURCE_STATE_WAITING, REFRESH_NS),
			REFRESH_NS);
}

int main(void) {
	cmocka_set_message_output(CM_OUTPUT_TAP);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_poll_comes_later_the_longer_nothing_changes),
		cmocka_unit_test(next_poll_is_never_sooner_than_a_refresh),
		cmocka_unit_test(change_after_the_last_poll_counts_as_recent),
		cmocka_unit_test(first_poll_is_due_at_once),
	};
	return cmocka_run_group_tests_name("pacing", tests, NULL, NULL);
}
