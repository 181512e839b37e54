#ifndef ORIEL_GUEST_DRIVERS_QEMU_ACKS_H
#define ORIEL_GUEST_DRIVERS_QEMU_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sd_bus_message;
struct wl_event_loop;
struct wl_event_source;

/*
 * Calls of UpdateDMABUF that are not answered yet. QEMU holds back a virtio-gpu guest until then, so
 * that the answer is what paces it: it comes when the picture has been read by all that show it.
 *
 *	add --> waiting --take: the picture is in a frame--> taken --seen--> answered
 *	           \------------ ORIEL_QEMU_ACKS_DEADLINE_MS ----------------^
 *
 * The deadline is for guests that nobody sees, and for what may go wrong; QEMU's own is a second. Of more
 * calls than ORIEL_QEMU_ACKS_MAX, which only devices make that do not wait for the answer, the oldest are
 * answered at once.
 */
#define ORIEL_QEMU_ACKS_MAX 8
#define ORIEL_QEMU_ACKS_DEADLINE_MS 20

struct oriel_qemu_acks {
	void (*answer)(void *data, struct sd_bus_message *take_call);
	void *data;
	struct wl_event_source *timer; /* NULL until it is initialised */
	struct {
		struct sd_bus_message *call;
		uint64_t deadline_ns;
		bool is_taken;
	} calls[ORIEL_QEMU_ACKS_MAX]; /* the oldest first */
	size_t count;
};

/* False if memory ran out; then finish is called all the same. */
bool oriel_qemu_acks_init(struct oriel_qemu_acks *acks, struct wl_event_loop *loop,
		void (*answer)(void *data, struct sd_bus_message *take_call), void *data);
/* Nothing is answered any more. One that is all zero is fine. */
void oriel_qemu_acks_finish(struct oriel_qemu_acks *acks);

void oriel_qemu_acks_add(struct oriel_qemu_acks *acks, struct sd_bus_message *take_call);
/* All that have been added are for what is in the frame that is taken now. */
void oriel_qemu_acks_take(struct oriel_qemu_acks *acks);
/* The frame taken last has been read, or will never be. */
void oriel_qemu_acks_see(struct oriel_qemu_acks *acks);
/* There is nothing to wait for. */
void oriel_qemu_acks_answer_all(struct oriel_qemu_acks *acks);
/* Nobody waits for the answers any more. */
void oriel_qemu_acks_drop(struct oriel_qemu_acks *acks);

#endif
