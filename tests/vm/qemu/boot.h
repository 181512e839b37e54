#ifndef TESTS_VM_QEMU_BOOT_H
#define TESTS_VM_QEMU_BOOT_H

/* What the boot sector does; included by assembly too. */

#define BOOT_WIDTH 320
#define BOOT_HEIGHT 240

/*
 * Pixel number n, counted from 0 in rows from the top left, is
 * ((uint32_t)(n * BOOT_PATTERN) >> 8) ^ (scancode * BOOT_COLOR_PER_SCANCODE), as 0x00RRGGBB.
 * scancode is that of the key pressed last, 0 to begin with.
 */
#define BOOT_PATTERN 0x9e3779b1
#define BOOT_COLOR_PER_SCANCODE 0x010305

/* The key that starts the machine anew: R. */
#define BOOT_RESET_SCANCODE 0x13

#endif
