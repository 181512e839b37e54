/* The guest of gpu.h, as a multiboot kernel: 32 bits, no paging, and the keyboard's interrupt. */
#include "gpu.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "picture.h"

/* The header that QEMU's -kernel looks for, and the way in. */
__asm__(".long 0x1badb002, 0, -0x1badb002\n"
	".globl _start\n"
	"_start:\n"
	"	mov $stack_end, %esp\n"
	"	call guest_main\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	".bss\n"
	".balign 16\n"
	"	.skip 16384\n"
	"stack_end:\n"
	".text\n");

void guest_main(void);

/* The memory above belongs to nobody else. */
#define BUFFERS_BASE 0x1000000
#define BUFFER_SPACE 0x100000
_Static_assert(BOOT_LARGE_WIDTH * BOOT_LARGE_HEIGHT * 4 <= BUFFER_SPACE, "a buffer");

static void out8(uint16_t port, uint8_t value) {
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value) {
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void out32(uint16_t port, uint32_t value) {
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port) {
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t in32(uint16_t port) {
	uint32_t value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void __attribute__((noreturn)) stop(void) {
	while (true) {
		__asm__ volatile("cli; hlt");
	}
}

/* --- the keyboard ----------------------------------------------------------------------------- */

#define KEYBOARD_DATA 0x60
#define KEYBOARD_STATUS 0x64 /* and commands */
#define PIC1 0x20
#define PIC2 0xa0
#define VECTOR_BASE 0x20
#define KEYBOARD_IRQ 1
#define CODE_SELECTOR 0x08

#define KEYS_MAX 16
static volatile uint8_t keys[KEYS_MAX]; /* scan codes that nobody has looked at yet */
static volatile unsigned key_count;

static void __attribute__((interrupt)) handle_key(void *frame) {
	uint8_t code = in8(KEYBOARD_DATA);
	if (code < 0x80 && key_count < KEYS_MAX) {
		keys[key_count++] = code;
	}
	out8(PIC1, 0x20);
}

static void __attribute__((interrupt)) handle_other(void *frame) {}

struct descriptor_table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

static void set_up_interrupts(void) {
	static const uint64_t segments[] = { 0, 0x00cf9a000000ffff, 0x00cf92000000ffff };
	static struct {
		uint16_t offset_low, selector, kind, offset_high;
	} gates[VECTOR_BASE + 16];
	const struct descriptor_table gdt = { sizeof(segments) - 1, (uint32_t)segments };
	const struct descriptor_table idt = { sizeof(gates) - 1, (uint32_t)gates };
	__asm__ volatile("lgdt %0\n"
			 "ljmp %2, $1f\n"
			 "1: mov %1, %%ds\n"
			 "mov %1, %%es\n"
			 "mov %1, %%ss\n"
			:
			: "m"(gdt), "r"(0x10), "i"(CODE_SELECTOR)
			: "memory");
	for (unsigned i = VECTOR_BASE; i < VECTOR_BASE + 16; i++) {
		uint32_t handler = i == VECTOR_BASE + KEYBOARD_IRQ ? (uint32_t)handle_key
								   : (uint32_t)handle_other;
		gates[i].offset_low = (uint16_t)handler;
		gates[i].offset_high = (uint16_t)(handler >> 16);
		gates[i].selector = CODE_SELECTOR;
		gates[i].kind = 0x8e00;
	}
	__asm__ volatile("lidt %0" : : "m"(idt));
	static const uint8_t first[] = { 0x11, VECTOR_BASE, 4, 1, (uint8_t)~(1 << KEYBOARD_IRQ) };
	static const uint8_t second[] = { 0x11, VECTOR_BASE + 8, 2, 1, 0xff };
	for (unsigned i = 0; i < sizeof(first); i++) {
		out8(PIC1 + (i > 0), first[i]);
		out8(PIC2 + (i > 0), second[i]);
	}
	while (in8(KEYBOARD_STATUS) & 1) {
		in8(KEYBOARD_DATA); /* else the next one makes no interrupt */
	}
}

/* Sleeps until a key is pressed. */
static uint8_t wait_for_key(void) {
	__asm__ volatile("cli");
	while (key_count == 0) {
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	uint8_t code = keys[0];
	for (unsigned i = 1; i < key_count; i++) {
		keys[i - 1] = keys[i];
	}
	key_count--;
	__asm__ volatile("sti" : : : "memory");
	return code;
}

/* --- the device ------------------------------------------------------------------------------- */

static uint32_t pci_read(uint32_t device, uint32_t offset) {
	out32(0xcf8, 0x80000000 | device << 11 | (offset & ~3u));
	return in32(0xcfc) >> (offset & 3) * 8;
}

static void pci_write(uint32_t device, uint32_t offset, uint32_t value) {
	out32(0xcf8, 0x80000000 | device << 11 | offset);
	out32(0xcfc, value);
}

static volatile struct virtio_pci_common_cfg *common;
static volatile uint16_t *notify;
static bool has_blobs;

#define QUEUE_SIZE 2
static struct vring_desc __attribute__((aligned(16))) descriptors[QUEUE_SIZE];
static volatile struct {
	uint16_t flags, index, ring[QUEUE_SIZE], used_event;
} __attribute__((aligned(4))) available;
static volatile struct {
	uint16_t flags, index;
	struct vring_used_elem ring[QUEUE_SIZE];
	uint16_t available_event;
} __attribute__((aligned(4))) used;

/* On the first bus, where QEMU puts it. */
static uint32_t find_device(void) {
	for (uint32_t device = 0; device < 32; device++) {
		if (pci_read(device, PCI_VENDOR_ID) == 0x10501af4) {
			return device;
		}
	}
	stop();
}

/* Where a capability of virtio's says; the BIOS has put all of that below 4 GiB. */
static uint32_t find_structure(uint32_t device, uint8_t kind, uint32_t *ret_capability) {
	for (uint32_t at = pci_read(device, PCI_CAPABILITY_LIST) & 0xff; at != 0;
			at = pci_read(device, at + PCI_CAP_LIST_NEXT) & 0xff) {
		if ((pci_read(device, at) & 0xff) == PCI_CAP_ID_VNDR &&
				(pci_read(device, at + VIRTIO_PCI_CAP_CFG_TYPE) & 0xff) == kind) {
			uint32_t bar = pci_read(device, at + VIRTIO_PCI_CAP_BAR) & 0xff;
			*ret_capability = at;
			return (pci_read(device, PCI_BASE_ADDRESS_0 + bar * 4) & ~0xfu) +
					pci_read(device, at + VIRTIO_PCI_CAP_OFFSET);
		}
	}
	stop();
}

static void set_up_features(void) {
	common->device_status = 0;
	common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	common->device_feature_select = 0;
	uint32_t blobs = common->device_feature & 1u << VIRTIO_GPU_F_RESOURCE_BLOB;
	has_blobs = blobs != 0;
	common->guest_feature_select = 0;
	common->guest_feature = blobs;
	common->guest_feature_select = 1;
	common->guest_feature = 1u << (VIRTIO_F_VERSION_1 - 32);
	common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
}

static void set_up_device(void) {
	uint32_t device = find_device(), capability;
	pci_write(device, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	common = (void *)find_structure(device, VIRTIO_PCI_CAP_COMMON_CFG, &capability);
	set_up_features();
	common->queue_select = 0;
	common->queue_size = QUEUE_SIZE;
	common->queue_desc_lo = (uint32_t)descriptors;
	common->queue_desc_hi = 0;
	common->queue_avail_lo = (uint32_t)&available;
	common->queue_avail_hi = 0;
	common->queue_used_lo = (uint32_t)&used;
	common->queue_used_hi = 0;
	common->queue_enable = 1;
	uint32_t base = find_structure(device, VIRTIO_PCI_CAP_NOTIFY_CFG, &capability);
	notify = (void *)(base +
			common->queue_notify_off *
					pci_read(device, capability + VIRTIO_PCI_NOTIFY_CAP_MULT));
	common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

/* Waits for the answer, which is that it was done. */
static void request(const void *command, size_t size_bytes) {
	static volatile struct virtio_gpu_ctrl_hdr answer;
	descriptors[0] = (struct vring_desc){
		.addr = (uint32_t)command,
		.len = size_bytes,
		.flags = VRING_DESC_F_NEXT,
		.next = 1,
	};
	descriptors[1] = (struct vring_desc){
		.addr = (uint32_t)&answer,
		.len = sizeof(answer),
		.flags = VRING_DESC_F_WRITE,
	};
	uint16_t before = used.index;
	available.ring[available.index % QUEUE_SIZE] = 0;
	__asm__ volatile("mfence" : : : "memory");
	available.index++;
	__asm__ volatile("mfence" : : : "memory");
	*notify = 0;
	while (used.index == before) {
		__asm__ volatile("pause");
	}
	if (answer.type != VIRTIO_GPU_RESP_OK_NODATA) {
		stop();
	}
}

/* --- pictures --------------------------------------------------------------------------------- */

static uint32_t width, height;
static uint32_t shown; /* resources are numbered from 1; 0: none */

static uint32_t *get_pixels(uint32_t resource) {
	return (uint32_t *)(BUFFERS_BASE + (resource - 1) * BUFFER_SPACE);
}

static uint32_t get_size_bytes(void) {
	return (width * height * 4 + 4095) & ~4095u; /* whole pages */
}

static void create_blob(uint32_t resource) {
	const struct {
		struct virtio_gpu_resource_create_blob create;
		struct virtio_gpu_mem_entry memory;
	} command = {
		.create = {
			.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
			.resource_id = resource,
			.blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
			.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
			.size = get_size_bytes(),
			.nr_entries = 1,
		},
		.memory = {
			.addr = (uint32_t)get_pixels(resource),
			.length = get_size_bytes(),
		},
	};
	request(&command, sizeof(command));
}

static void create_2d(uint32_t resource) {
	const struct virtio_gpu_resource_create_2d create = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = resource,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = width,
		.height = height,
	};
	request(&create, sizeof(create));
	const struct {
		struct virtio_gpu_resource_attach_backing attach;
		struct virtio_gpu_mem_entry memory;
	} command = {
		.attach = {
			.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
			.resource_id = resource,
			.nr_entries = 1,
		},
		.memory = {
			.addr = (uint32_t)get_pixels(resource),
			.length = get_size_bytes(),
		},
	};
	request(&command, sizeof(command));
}

static void destroy_resource(uint32_t resource) {
	const struct virtio_gpu_resource_unref command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
		.resource_id = resource,
	};
	request(&command, sizeof(command));
}

static void set_scanout(uint32_t resource) {
	if (has_blobs) {
		const struct virtio_gpu_set_scanout_blob command = {
			.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
			.r = { .width = width, .height = height },
			.resource_id = resource,
			.width = width,
			.height = height,
			.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
			.strides = { width * 4 },
		};
		request(&command, sizeof(command));
	} else {
		const struct virtio_gpu_set_scanout command = {
			.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
			.r = { .width = width, .height = height },
			.resource_id = resource,
		};
		request(&command, sizeof(command));
	}
}

static void transfer(uint32_t resource) {
	const struct virtio_gpu_transfer_to_host_2d command = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = { .width = width, .height = height },
		.resource_id = resource,
	};
	request(&command, sizeof(command));
}

/*
 * With a fence, as Linux does it: QEMU then answers when the viewer lets it. Without one it begins the
 * flush of a blob anew each time that it may, and never answers.
 */
static void flush(uint32_t resource) {
	static uint64_t fence;
	const struct virtio_gpu_resource_flush command = {
		.hdr = {
			.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
			.flags = VIRTIO_GPU_FLAG_FENCE,
			.fence_id = ++fence,
		},
		.r = { .width = width, .height = height },
		.resource_id = resource,
	};
	request(&command, sizeof(command));
}

static void flip(uint32_t seed) {
	uint32_t next = shown == 1 ? 2 : 1;
	uint32_t *pixels = get_pixels(next);
	for (uint32_t n = 0; n < width * height; n++) {
		pixels[n] = guest_picture_get_pixel(n, seed);
	}
	if (!has_blobs) {
		transfer(next);
	}
	set_scanout(next);
	flush(next);
	shown = next;
}

static void set_mode(uint32_t new_width, uint32_t new_height, uint32_t seed) {
	uint32_t old = shown;
	if (old != 0) {
		destroy_resource(old == 1 ? 2 : 1);
		shown = 0;
		set_scanout(0);
		destroy_resource(old);
	}
	width = new_width;
	height = new_height;
	for (uint32_t resource = 1; resource <= 2; resource++) {
		if (has_blobs) {
			create_blob(resource);
		} else {
			create_2d(resource);
		}
	}
	flip(seed);
}

void guest_main(void) {
	set_up_interrupts();
	set_up_device();
	set_mode(BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	while (true) {
		uint8_t code = wait_for_key();
		switch (code) {
		case BOOT_SMALL_SCANCODE:
			set_mode(BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, code);
			break;
		case BOOT_LARGE_SCANCODE:
			set_mode(BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, code);
			break;
		case GPU_FLIPS_SCANCODE:
			for (uint32_t seed = 1; seed <= GPU_FLIPS; seed++) {
				flip(seed);
			}
			break;
		case BOOT_OFF_SCANCODE:
			out16(0x604, 0x2000); /* PM1a control: S5 */
			break;
		case BOOT_RESET_SCANCODE:
			out8(KEYBOARD_STATUS, 0xfe); /* pulls the reset line */
			break;
		default:
			flip(code);
			break;
		}
	}
}
