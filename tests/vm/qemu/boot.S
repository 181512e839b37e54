/*
 * A guest of 512 bytes: the boot sector of a PC whose display is a Bochs vGPU (PCI 1234:1111, as
 * mbochs makes them). It sets a mode, paints a picture that depends on the key pressed last, and
 * sleeps until the next key; R starts the machine anew. boot.h says what it paints.
 */
#include "boot.h"

/* The Bochs display interface, as in vgpu_guest.c: registers of 16 bits in BAR 2. */
#define DISPI(index) (0x500 + 2 * (index))
#define ENABLED 0x41

#define PCI_FIND_DEVICE 0xb102 /* PCI BIOS, INT 1Ah */
#define PCI_READ_DWORD 0xb10a
#define PCI_BAR0 0x10 /* VRAM */
#define PCI_BAR2 0x18 /* registers */

#define FLAT 0x08 /* the only segment of the descriptor table */

	.code16
	.globl _start
_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $_start, %sp
	cld

	mov $PCI_FIND_DEVICE, %ax
	mov $0x1234, %dx
	mov $0x1111, %cx
	xor %si, %si
	int $0x1a
	jc halt
	mov $PCI_BAR0, %di
	call read_bar
	mov %ecx, vram
	mov $PCI_BAR2, %di
	call read_bar
	mov %ecx, registers

	call reach_all_memory
	mov registers, %edi
	mov $mode, %si
set_register:
	lodsw
	movzwl %ax, %ebx
	lodsw
	mov %ax, %es:(%edi, %ebx)
	cmp $mode_end, %si
	jb set_register

	xor %ebx, %ebx
paint: /* ebx: the scan code */
	imul $BOOT_COLOR_PER_SCANCODE, %ebx
	call reach_all_memory
	mov vram, %edi
	xor %ecx, %ecx
paint_pixel:
	imul $BOOT_PATTERN, %ecx, %eax
	shr $8, %eax
	xor %ebx, %eax
	mov %eax, %es:(%edi, %ecx, 4)
	inc %ecx
	cmp $(BOOT_WIDTH * BOOT_HEIGHT), %ecx
	jb paint_pixel

	xor %ax, %ax /* the BIOS sleeps until a key is pressed, and returns its scan code in ah */
	int $0x16
	movzbl %ah, %ebx
	cmp $BOOT_RESET_SCANCODE, %bl
	jne paint
	mov $0xfe, %al /* the keyboard controller pulls the reset line */
	out %al, $0x64
halt:
	hlt
	jmp halt

/* bx: the device, di: the register; result in ecx */
read_bar:
	mov $PCI_READ_DWORD, %ax
	int $0x1a
	and $~0xf, %cl
	ret

/*
 * Makes es reach from 0 to 4 GiB, which real mode cannot by itself: the limit is loaded in protected
 * mode and stays. The BIOS may lose it.
 */
reach_all_memory:
	cli
	lgdt table_register
	mov %cr0, %eax
	inc %ax
	mov %eax, %cr0
	mov $FLAT, %dx
	mov %dx, %es
	dec %ax
	mov %eax, %cr0
	xor %dx, %dx
	mov %dx, %es
	sti
	ret

	.balign 4
table:
	.quad 0
	.quad 0x00cf92000000ffff
table_register:
	.word table_register - table - 1
	.long table

mode: /* register, value */
	.word DISPI(4), 0
	.word DISPI(1), BOOT_WIDTH
	.word DISPI(2), BOOT_HEIGHT
	.word DISPI(3), 32
	.word DISPI(6), BOOT_WIDTH
	.word DISPI(7), BOOT_HEIGHT
	.word DISPI(8), 0
	.word DISPI(9), 0
	.word DISPI(4), ENABLED
mode_end:

vram:
	.long 0
registers:
	.long 0

	.org 510
	.word 0xaa55
