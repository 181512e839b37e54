/*
 * A guest of 512 bytes: the boot sector of a PC whose display is a Bochs one (PCI 1234:1111, as QEMU's
 * VGA and bochs-display are, and the vGPUs that mbochs makes). It sets a mode, paints a picture that
 * depends on the key pressed last, and sleeps until the next key. boot.h says what it paints, and
 * which keys do more.
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

/* A mode, in the table at the end. */
#define MODE_BIOS 0 /* its number for INT 10h; 0: none */
#define MODE_WIDTH 2
#define MODE_HEIGHT 4
#define MODE_BASE 6 /* where its pixels are */
#define MODE_PIXELS 10
#define MODE_STEP 14 /* bytes from pixel to pixel */
#define MODE_SIZE 18

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
	mov %ecx, small_base
	mov %ecx, large_base
	mov $PCI_BAR2, %di
	call read_bar
	mov %ecx, registers

	xor %ebp, %ebp /* the scan code of the key pressed last */
	mov $modes, %bx
set_mode: /* bx: a mode */
	mov MODE_BIOS(%bx), %ax
	test %ax, %ax
	jz set_dispi
	int $0x10
	jmp hide_cursor

set_dispi:
	mov MODE_WIDTH(%bx), %ax
	mov %ax, width
	mov %ax, virtual_width
	mov MODE_HEIGHT(%bx), %ax
	mov %ax, height
	call reach_all_memory
	mov registers, %edi
	mov $dispi, %si
set_register:
	lodsw
	movzwl %ax, %ecx
	lodsw
	mov %ax, %es:(%edi, %ecx)
	cmp $dispi_end, %si
	jb set_register

hide_cursor: /* which would blink; without a VGA the BIOS draws one itself */
	mov $0x0103, %ax
	mov $0x2000, %cx
	int $0x10

paint: /* bx: the mode, ebp: the scan code */
	call reach_all_memory
	imul $BOOT_COLOR_PER_SCANCODE, %ebp
	mov MODE_BASE(%bx), %edi
	xor %ecx, %ecx
paint_pixel: /* of 4 bytes; the next one overwrites what of it is too much */
	imul $BOOT_PATTERN, %ecx, %eax
	shr $8, %eax
	xor %ebp, %eax
	mov %eax, %es:(%edi)
	add MODE_STEP(%bx), %edi
	inc %ecx
	cmp MODE_PIXELS(%bx), %ecx
	jb paint_pixel

	xor %ax, %ax /* the BIOS sleeps until a key is pressed, and returns its scan code in ah */
	int $0x16
	movzbl %ah, %ebp
	cmp $BOOT_RESET_SCANCODE, %ah
	je reset
	cmp $BOOT_OFF_SCANCODE, %ah
	je off
	cmp $BOOT_TEXT_SCANCODE, %ah
	ja paint
	sub $BOOT_SMALL_SCANCODE, %ah
	jb paint
	mov $MODE_SIZE, %al
	mul %ah
	add $modes, %ax
	xchg %ax, %bx
	jmp set_mode

off:
	mov $0x604, %dx /* PM1a control: S5 */
	mov $0x2000, %ax
	out %ax, %dx
reset:
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

dispi: /* register, value */
	.word DISPI(4), 0, DISPI(1)
width:
	.word 0, DISPI(2)
height:
	.word 0, DISPI(3), 32, DISPI(6)
virtual_width:
	.word 0, DISPI(8), 0, DISPI(9), 0, DISPI(4), ENABLED
dispi_end:

modes: /* in the order of their keys */
	.word 0, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT
small_base:
	.long 0, BOOT_SMALL_WIDTH * BOOT_SMALL_HEIGHT, 4
	.word 0, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT
large_base:
	.long 0, BOOT_LARGE_WIDTH * BOOT_LARGE_HEIGHT, 4
	.word 0x13, 0, 0
	.long 0xa0000, 320 * 200, 1
	.word 0x03, 0, 0
	.long 0xb8000, 80 * 25, 2
registers:
	.long 0

	.org 510
	.word 0xaa55
