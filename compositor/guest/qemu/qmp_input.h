#ifndef ORIEL_GUEST_QEMU_QMP_INPUT_H
#define ORIEL_GUEST_QEMU_QMP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/qemu/console.h"

struct oriel_qmp;

/*
 * The keyboard, pointer and touch screen of a machine, by its QMP monitor: for one that has none of the
 * consoles to which those of QEMU's D-Bus display belong, as when its display is not QEMU's.
 *
 * QEMU says whether it took an event, and nothing else: not how its LEDs are, and what its pointer
 * is only when it is asked. One event is with QEMU at a time, the others wait in their order, and of
 * a pointer that moves on meanwhile the last place is told, or the whole distance.
 */
struct oriel_qmp_input;

/* Places are from 0 to one less than this, each way, whatever the size of the picture. */
#define ORIEL_QMP_INPUT_SIZE 0x8000
#define ORIEL_QMP_INPUT_TOUCHES 10

struct oriel_qmp_input_handler {
	/* QEMU has said what its pointer is, or will not. May destroy the input. */
	void (*pointer)(void *data, bool is_absolute);
	/* QEMU has answered all events that there were. */
	void (*drained)(void *data);
	/* A stopped machine takes nothing: what is there waits until oriel_qmp_input_flush(). */
	bool (*is_running)(void *data);
};

/*
 * Asks for the pointer at once. qmp, which takes commands by now, is destroyed with the input, right
 * behind it. NULL if memory ran out.
 */
struct oriel_qmp_input *oriel_qmp_input_create(
		struct oriel_qmp *qmp, const struct oriel_qmp_input_handler *handler, void *data);
/* NULL is fine. */
void oriel_qmp_input_destroy(struct oriel_qmp_input *input);

/* Asks what the pointer is; if it need not have changed (is_due is false), once a second at most. */
void oriel_qmp_input_ask(struct oriel_qmp_input *input, bool is_due);

/* Events that QEMU has not answered. Who tells more than a few hundred finds some left out. */
size_t oriel_qmp_input_get_backlog(const struct oriel_qmp_input *input);
void oriel_qmp_input_flush(struct oriel_qmp_input *input);

/* As the functions of struct oriel_qemu_console. */
void oriel_qmp_input_key(struct oriel_qmp_input *input, uint32_t qnum, bool is_pressed);
void oriel_qmp_input_button(
		struct oriel_qmp_input *input, enum oriel_qemu_button button, bool is_pressed);
void oriel_qmp_input_place(struct oriel_qmp_input *input, uint32_t x, uint32_t y);
void oriel_qmp_input_move(struct oriel_qmp_input *input, int dx, int dy);
void oriel_qmp_input_touch(struct oriel_qmp_input *input, enum oriel_qemu_touch kind, unsigned slot,
		uint32_t x, uint32_t y);

#endif
