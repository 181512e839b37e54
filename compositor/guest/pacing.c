#include "guest/pacing.h"

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)

#define PACING_BUSY_NS SEC_NS
#define PACING_CALM_NS (5 * SEC_NS)
#define PACING_CALM_PERIOD_NS (SEC_NS / 30)
#define PACING_IDLE_PERIOD_NS (SEC_NS / 10)
#define PACING_LOST_PERIOD_NS SEC_NS

static uint64_t pacing_get_period_ns(
		const struct oriel_pacing *pacing, enum oriel_source_state state) {
	uint64_t still_ns = pacing->polled_ns > pacing->changed_ns
			? pacing->polled_ns - pacing->changed_ns
			: 0;
	if (state == ORIEL_SOURCE_STATE_LOST) {
		return PACING_LOST_PERIOD_NS;
	} else if (still_ns <= PACING_BUSY_NS) {
		return 0;
	} else if (state == ORIEL_SOURCE_STATE_RUNNING && still_ns <= PACING_CALM_NS) {
		return PACING_CALM_PERIOD_NS;
	}
	return PACING_IDLE_PERIOD_NS;
}

uint64_t oriel_pacing_get_next_ns(const struct oriel_pacing *pacing, enum oriel_source_state state,
		uint64_t period_ns) {
	uint64_t wanted_ns = pacing_get_period_ns(pacing, state);
	return pacing->polled_ns + (wanted_ns > period_ns ? wanted_ns : period_ns);
}
