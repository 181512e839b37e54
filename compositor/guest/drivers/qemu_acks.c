#include "guest/drivers/qemu_acks.h"

#include <string.h>
#include <wayland-server-core.h>

#include "guest/clock.h"
#include "guest/qemu/bus.h"

#define MSEC_NS UINT64_C(1000000)

static void acks_set_timer(struct oriel_qemu_acks *acks) {
	if (acks->count == 0) {
		wl_event_source_timer_update(acks->timer, 0);
		return;
	}
	uint64_t now_ns = oriel_clock_now_ns(), deadline_ns = acks->calls[0].deadline_ns;
	uint64_t delay_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / MSEC_NS : 0;
	wl_event_source_timer_update(acks->timer, delay_ms > 0 ? (int)delay_ms : 1);
}

static struct sd_bus_message *acks_remove_oldest(struct oriel_qemu_acks *acks) {
	struct sd_bus_message *call = acks->calls[0].call;
	acks->count--;
	memmove(&acks->calls[0], &acks->calls[1], acks->count * sizeof(acks->calls[0]));
	return call;
}

static void acks_answer_oldest(struct oriel_qemu_acks *acks) {
	acks->answer(acks->data, acks_remove_oldest(acks));
}

static int acks_handle_timer(void *data) {
	struct oriel_qemu_acks *acks = data;
	/* A timer has milliseconds. */
	uint64_t now_ns = oriel_clock_now_ns() + MSEC_NS;
	while (acks->count > 0 && acks->calls[0].deadline_ns <= now_ns) {
		acks_answer_oldest(acks);
	}
	acks_set_timer(acks);
	return 0;
}

bool oriel_qemu_acks_init(struct oriel_qemu_acks *acks, struct wl_event_loop *loop,
		void (*answer)(void *data, struct sd_bus_message *take_call), void *data) {
	*acks = (struct oriel_qemu_acks){ .answer = answer, .data = data };
	acks->timer = wl_event_loop_add_timer(loop, acks_handle_timer, acks);
	return acks->timer != NULL;
}

void oriel_qemu_acks_finish(struct oriel_qemu_acks *acks) {
	if (acks->timer != NULL) {
		oriel_qemu_acks_drop(acks);
		wl_event_source_remove(acks->timer);
		acks->timer = NULL;
	}
}

void oriel_qemu_acks_add(struct oriel_qemu_acks *acks, struct sd_bus_message *take_call) {
	if (acks->count == ORIEL_QEMU_ACKS_MAX) {
		acks_answer_oldest(acks);
	}
	acks->calls[acks->count].call = take_call;
	acks->calls[acks->count].deadline_ns =
			oriel_clock_now_ns() + ORIEL_QEMU_ACKS_DEADLINE_MS * MSEC_NS;
	acks->calls[acks->count++].is_taken = false;
	acks_set_timer(acks);
}

void oriel_qemu_acks_take(struct oriel_qemu_acks *acks) {
	for (size_t i = 0; i < acks->count; i++) {
		acks->calls[i].is_taken = true;
	}
}

void oriel_qemu_acks_see(struct oriel_qemu_acks *acks) {
	/* What is taken came before what is not. */
	while (acks->count > 0 && acks->calls[0].is_taken) {
		acks_answer_oldest(acks);
	}
	acks_set_timer(acks);
}

void oriel_qemu_acks_answer_all(struct oriel_qemu_acks *acks) {
	oriel_qemu_acks_take(acks);
	oriel_qemu_acks_see(acks);
}

void oriel_qemu_acks_drop(struct oriel_qemu_acks *acks) {
	while (acks->count > 0) {
		sd_bus_message_unref(acks_remove_oldest(acks));
	}
	acks_set_timer(acks);
}
