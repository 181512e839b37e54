#ifndef ORIEL_GUEST_QEMU_QNUM_H
#define ORIEL_GUEST_QEMU_QNUM_H

#include <stdint.h>

/*
 * QEMU's number for a key of linux/input-event-codes.h, a "qnum": the scan code of set 1, with 0x80
 * for those that begin with 0xe0. 0: QEMU has none. code may be any number.
 */
uint32_t oriel_qnum_from_evdev(uint32_t code);

#endif
