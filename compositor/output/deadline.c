#include "output/deadline.h"

/* How much of the CPU's work that is no longer needed is given up with each frame: a part in these. */
#define DEADLINE_COST_DECAY 64
/* A frame may begin so much later than it should have: what timers are late by. */
#define DEADLINE_TIMER_NS 1000000

static uint64_t min(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

void oriel_deadline_init(struct oriel_deadline *deadline) {
	*deadline = (struct oriel_deadline){ .slack_ns = ORIEL_DEADLINE_SLACK_MIN_NS };
}

void oriel_deadline_forget(struct oriel_deadline *deadline) {
	deadline->presented_ns = 0;
	deadline->period_ns = 0;
	deadline->target_ns = 0;
}

static bool deadline_is_known(const struct oriel_deadline *deadline) {
	return deadline->presented_ns != 0 && deadline->period_ns != 0;
}

/* More than a period would be a frame late whatever is done. */
static uint64_t deadline_get_lead_ns(const struct oriel_deadline *deadline) {
	return min(deadline->cost_ns + deadline->slack_ns, deadline->period_ns);
}

/* The first refresh after time_ns, which need not be after the one that is known. */
static uint64_t deadline_get_refresh_ns(const struct oriel_deadline *deadline, uint64_t time_ns) {
	if (time_ns < deadline->presented_ns) {
		return deadline->presented_ns;
	}
	uint64_t periods = (time_ns - deadline->presented_ns) / deadline->period_ns + 1;
	return deadline->presented_ns + periods * deadline->period_ns;
}

void oriel_deadline_presented(struct oriel_deadline *deadline, uint64_t when_ns, uint64_t period_ns) {
	if (deadline->target_ns != 0 && deadline->period_ns != 0) {
		/* The driver's time of a refresh and ours of the same one differ by little. */
		if (when_ns > deadline->target_ns + deadline->period_ns / 2) {
			deadline->slack_ns += ORIEL_DEADLINE_STEP_NS;
		} else {
			deadline->slack_ns -= ORIEL_DEADLINE_STEP_NS / (ORIEL_DEADLINE_LATE - 1);
		}
		deadline->slack_ns = min(deadline->slack_ns, deadline->period_ns);
		deadline->slack_ns = max(deadline->slack_ns, ORIEL_DEADLINE_SLACK_MIN_NS);
	}
	deadline->target_ns = 0;
	deadline->presented_ns = when_ns;
	deadline->period_ns = period_ns;
}

void oriel_deadline_committed(struct oriel_deadline *deadline, uint64_t begun_ns, uint64_t now_ns) {
	deadline->target_ns = 0;
	if (deadline_is_known(deadline)) {
		/* One that was begun too late says nothing if it then is. */
		uint64_t refresh_ns = deadline_get_refresh_ns(deadline, begun_ns);
		uint64_t had_ns = refresh_ns - begun_ns + DEADLINE_TIMER_NS;
		deadline->target_ns = had_ns >= deadline_get_lead_ns(deadline) ? refresh_ns : 0;
	}
	uint64_t cost_ns = now_ns - begun_ns;
	if (cost_ns > deadline->cost_ns) {
		deadline->cost_ns = cost_ns;
	} else {
		deadline->cost_ns -= (deadline->cost_ns - cost_ns) / DEADLINE_COST_DECAY;
	}
}

uint64_t oriel_deadline_get_begin_ns(const struct oriel_deadline *deadline, uint64_t now_ns) {
	if (!deadline_is_known(deadline)) {
		return now_ns;
	}
	uint64_t begin_ns =
			deadline_get_refresh_ns(deadline, now_ns) - deadline_get_lead_ns(deadline);
	return max(begin_ns, now_ns);
}

uint64_t oriel_deadline_align_ns(const struct oriel_deadline *deadline, uint64_t wanted_ns) {
	if (!deadline_is_known(deadline)) {
		return wanted_ns;
	}
	uint64_t lead_ns = deadline_get_lead_ns(deadline);
	return deadline_get_refresh_ns(deadline, wanted_ns + lead_ns - deadline->period_ns / 2) -
			lead_ns;
}
