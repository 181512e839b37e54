#ifndef ORIEL_GUEST_QEMU_WIRE_H
#define ORIEL_GUEST_QEMU_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The header of a message of D-Bus (D-Bus specification, "Message Format"), as far as it has to be
 * looked at before sd-bus does. Pure functions.
 */

/* Of QEMU, which runs on the same machine as we do, and so has the same order of bytes. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ORIEL_WIRE_FIRST_BYTE 'l'
#else
#define ORIEL_WIRE_FIRST_BYTE 'B'
#endif

/* Up to and with the length of the fields. */
#define ORIEL_WIRE_FIXED_BYTES 16
/* With the fields: QEMU's have two hundred bytes. */
#define ORIEL_WIRE_HEAD_MAX 4096
/* sd-bus' own bound is a little beyond. */
#define ORIEL_WIRE_BODY_MAX (UINT32_C(127) * 1024 * 1024)

struct oriel_wire_head {
	size_t head_bytes; /* with the fields, padded */
	uint32_t fields_bytes, body_bytes;
};

/* Reads the fixed part. False if it is not that of a message, or of one that is too large. */
bool oriel_wire_read_head(const uint8_t *bytes, struct oriel_wire_head *ret_head);

/*
 * True if that is the header of a message that is one beyond doubt, and comes with so many files: nothing
 * but fields that the specification has, each once, of its type and valid, and those that the kind of
 * message needs. Only calls have files.
 */
bool oriel_wire_is_message(
		const uint8_t *bytes, const struct oriel_wire_head *head, uint32_t file_count);

#endif
