#ifndef ORIEL_GUEST_DRIVERS_QEMU_CURSOR_H
#define ORIEL_GUEST_DRIVERS_QEMU_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/frame.h"
#include "guest/pixels.h"
#include "guest/qemu/listener.h"
#include "guest/validate.h"

struct oriel_source;

/*
 * The cursor of a guest that QEMU shows: its picture by CursorDefine, and its place, that of its upper
 * left corner, by MouseSet. QEMU repeats neither on a new connection, where it says first that there is
 * no cursor: so none is shown until it is defined.
 */
struct oriel_qemu_cursor {
	struct oriel_source *source; /* borrowed */
	struct oriel_guest_pixels pixels; /* its picture; no buffer: it is not defined */
	struct oriel_guest_cursor place;
	bool is_on;
	bool is_submitted; /* its picture is what the consumer has */
	bool is_shown; /* the consumer was told */
};

/*
 * Copies count pixels of ARGB8888 in the CPU's order. Who draws a cursor wants colours that have been
 * multiplied with their alpha, and guests' drivers differ in what they give: where a colour is more than
 * its alpha it cannot have been, and then the picture is multiplied here. A pure function.
 */
void oriel_qemu_cursor_convert(uint32_t *to, const uint32_t *from, size_t count);

void oriel_qemu_cursor_init(struct oriel_qemu_cursor *cursor, struct oriel_source *source);
/* Shows nothing, and forgets all. */
void oriel_qemu_cursor_clear(struct oriel_qemu_cursor *cursor);

/* False if it is refused, with the reason; the one there was is gone then. */
bool oriel_qemu_cursor_define(struct oriel_qemu_cursor *cursor,
		const struct oriel_qemu_cursor_shape *shape,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);
void oriel_qemu_cursor_set(struct oriel_qemu_cursor *cursor, int x, int y, bool is_on);

/* Shows again what the consumer has let go. */
void oriel_qemu_cursor_refresh(struct oriel_qemu_cursor *cursor);

#endif
