#ifndef TESTS_GUESTS_BOOT_H
#define TESTS_GUESTS_BOOT_H

/* What the boot sector does; included by assembly too. */

/*
 * The modes, and the keys that set them, by their scan codes (of set 1, as evdev's codes for them). It begins with the
 * first one. Those of VGA are for devices that have a VGA only. Heights are multiples of 4: lavapipe draws
 * in blocks of 4 lines, beyond the end of an output of another height too.
 */
#define BOOT_SMALL_SCANCODE 0x02 /* 1 */
#define BOOT_SMALL_WIDTH 320
#define BOOT_SMALL_HEIGHT 240
#define BOOT_LARGE_SCANCODE 0x03 /* 2 */
#define BOOT_LARGE_WIDTH 424
#define BOOT_LARGE_HEIGHT 316
#define BOOT_VGA_SCANCODE 0x04 /* 3: mode 13h, 320x200 in 256 colours */
#define BOOT_TEXT_SCANCODE 0x05 /* 4: mode 3, 80x25 letters */

/*
 * Pixel number n, counted from 0 in rows from the top left, is
 * ((uint32_t)(n * BOOT_PATTERN) >> 8) ^ (scancode * BOOT_COLOR_PER_SCANCODE), as 0x00RRGGBB.
 * scancode is that of the key pressed last, 0 to begin with. In VGA's modes the low bits of it are a
 * colour of the palette, and a letter with its colours.
 */
#define BOOT_PATTERN 0x9e3779b1
#define BOOT_COLOR_PER_SCANCODE 0x010305

#define BOOT_RESET_SCANCODE 0x13 /* R: starts the machine anew */
#define BOOT_OFF_SCANCODE 0x10 /* Q: switches it off, where its ACPI is QEMU's */

#endif
