/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ORIEL_VGPU_H
#define ORIEL_VGPU_H

#include <linux/atomic.h>
#include <linux/dma-resv.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/vfio.h>

/*
 * A vGPU without a GPU, for tests of what looks at a vGPU's display. It has what the samples mbochs
 * and mdpy lack: a cursor plane, fences, and answers that are wrong on purpose. The README says how
 * it is steered.
 *
 * The VFIO ABI gives a device one primary and one cursor plane, so a device is one head, and several
 * heads are several devices of the same parent.
 *
 *	steer.c   sysfs: what the test, in the guest's place, wants the device to be
 *	device.c  VFIO: what whoever shows the device asks it
 *	plane.c   the answers of VFIO_DEVICE_QUERY_GFX_PLANE
 *	buffer.c  video memory, and windows to it that have a number and become dma-bufs
 *	fence.c   writers' fences of those buffers
 *	edid.c    the EDID region
 *
 * What may outlive what: a dma-buf holds its buffer, a buffer the video memory, and none of them the
 * device. A fence is signalled when the device ends, at the latest. The module stays for as long as
 * there is a dma-buf.
 *
 * Locks, outermost first: vgpu.lock, a buffer's reservation lock, vgpu_fences.lock. User memory is
 * never touched under vgpu.lock, since mmap() takes it, too.
 */

#define VGPU_NAME "oriel-vgpu"

/* Calls that are counted, and that can be told to fail: the files in "count" and "errors". */
#define VGPU_CALLS(call)                                                                           \
	call(info) call(region_info) call(probe) call(query_primary) call(query_cursor) call(get)  \
			call(reset) call(edid_read) call(edid_write) call(vram_read) call(mmap)

#define VGPU_CALL_ENUM(name) VGPU_CALL_##name,
enum vgpu_call {
	VGPU_CALLS(VGPU_CALL_ENUM) VGPU_CALL_COUNT,
};

enum vgpu_region {
	VGPU_REGION_VRAM = VFIO_PCI_BAR0_REGION_INDEX,
	VGPU_REGION_CONFIG = VFIO_PCI_CONFIG_REGION_INDEX,
	VGPU_REGION_EDID = VFIO_PCI_NUM_REGIONS,
	VGPU_REGION_DISPLAY, /* the beginning of the video memory once more, for REGION planes */
	VGPU_REGION_COUNT,
};

#define VGPU_CONFIG_SIZE 256

#define VGPU_EDID_OFFSET 1024 /* of the blob in its region */
#define VGPU_EDID_SIZE_MAX 1024

#define VGPU_ERRORS_MAX 64

/* What the calls of one kind return, one after the other. */
struct vgpu_errors {
	u16 list[VGPU_ERRORS_MAX]; /* errno, or 0 for a call that does what it should */
	unsigned int count, next;
	bool repeat;
};

struct vgpu_plane {
	u32 on; /* 0: format, size, width and height read as 0 */
	u32 format;
	u64 modifier;
	u32 width, height, stride, size;
	u32 x, y, hot_x, hot_y;
	u32 id; /* of a buffer that need not exist */
	u32 region; /* index, which need not exist either */
	u32 churn; /* a new id at every query */
	u32 flap; /* 0, or on and off for that many queries each */
	u32 flapped; /* queries since flap was set */
};

struct vgpu_memory {
	struct kref kref;
	u8 *vaddr;
	size_t size;
	atomic_t dmabufs; /* that are open, of all buffers, expired ones included */
};

struct vgpu_buffer {
	struct kref kref;
	struct list_head link; /* vgpu.buffers */
	struct vgpu_memory *memory;
	struct dma_resv resv; /* shared by the dma-bufs of this buffer */
	u32 id;
	u64 offset; /* of memory; a whole number of pages */
	u64 size; /* any number of bytes; the pages they are in are within memory */
	bool mappable; /* by user space */
	atomic_t dmabufs;
};

struct vgpu_fences {
	spinlock_t lock;
	struct list_head pending; /* vgpu_fence.link, in the order of their making */
	unsigned int count; /* of pending */
	struct hrtimer timer; /* for the fence that is due first */
};

struct vgpu_edid {
	struct vfio_region_gfx_edid regs;
	u8 blob[VGPU_EDID_SIZE_MAX];
	u32 present; /* the region exists */
	u32 garble; /* the blob reads back wrong */
	u32 links; /* how often the link went up */
};

/* How the device shows its planes. */
struct vgpu_display {
	u32 dmabuf, region; /* whether it does so by dma-buf and by region */
	u32 region_size; /* of VGPU_REGION_DISPLAY */
	u32 region_mmap; /* whether that can be mapped */
};

struct vgpu {
	struct vfio_device vdev;
	struct vgpu_memory *memory;
	struct vgpu_fences fences;
	atomic_t counts[VGPU_CALL_COUNT];

	struct mutex lock; /* for what follows */
	struct vgpu_errors errors[VGPU_CALL_COUNT];
	struct vgpu_plane primary, cursor;
	struct list_head buffers; /* vgpu_buffer.link */
	u32 churn_id; /* the last id that churn made */
	struct vgpu_display display;
	struct vgpu_edid edid;
	u8 config[VGPU_CONFIG_SIZE];
};

struct vgpu_type {
	struct mdev_type mdev;
	size_t memory_size; /* a power of two, as PCI wants of a BAR */
};

/* device.c */

extern const struct vfio_device_ops vgpu_device_ops;

/* Counts a call. Returns the -errno that it is to fail with, or 0. */
int vgpu_begin_call(struct vgpu *vgpu, enum vgpu_call call);

/* plane.c, with vgpu.lock held */

void vgpu_planes_init(struct vgpu *vgpu);

/* Fills in what the type's call says, which the caller has checked. 0 or -ENOMEM. */
int vgpu_plane_query(struct vgpu *vgpu, struct vgpu_plane *plane, u32 type,
		struct vfio_device_gfx_plane_info *info);

/* buffer.c */

struct vgpu_memory *vgpu_memory_create(size_t size);
void vgpu_memory_put(struct vgpu_memory *memory);

/* Maps what is behind vma, from offset (whole pages) on, in a vma that begins at page vm_pgoff. */
int vgpu_memory_mmap(struct vgpu_memory *memory, struct vm_area_struct *vma, u64 offset,
		unsigned long vm_pgoff);

/*
 * Gives the id to a new buffer; who had it has none now. 0, -EINVAL for what is no window to the
 * video memory, -ENOMEM. With vgpu.lock held, like the following three.
 */
int vgpu_buffer_create(struct vgpu *vgpu, u32 id, u64 offset, u64 size, bool mappable);

/* Borrowed, or NULL. */
struct vgpu_buffer *vgpu_buffer_find(struct vgpu *vgpu, u32 id);

/* The id is not valid any more. What was made of the buffer stays. */
void vgpu_buffer_expire(struct vgpu_buffer *buffer);
void vgpu_buffers_expire(struct vgpu *vgpu);

struct vgpu_buffer *vgpu_buffer_get(struct vgpu_buffer *buffer);
void vgpu_buffer_put(struct vgpu_buffer *buffer);

/* A new dma-buf and its fd, or -errno. */
int vgpu_buffer_export(struct vgpu_buffer *buffer);

/* fence.c */

#define VGPU_FENCE_HELD U32_MAX /* until it is signalled by hand */
#define VGPU_FENCE_MS_MAX (60 * 1000)

void vgpu_fences_init(struct vgpu *vgpu);

/* No fence is added any more. Signals what is pending. */
void vgpu_fences_finish(struct vgpu *vgpu);

/*
 * Adds a writer's fence to the buffer that signals after that time. Each is on a timeline of its
 * own, so they may signal in any order. 0 or -ENOMEM.
 */
int vgpu_fence_add(struct vgpu *vgpu, struct vgpu_buffer *buffer, u32 delay_ms);

/* Signals the oldest pending fences, at most so many, with the error (-errno) unless it is 0. */
void vgpu_fences_signal(struct vgpu *vgpu, unsigned int count, int error);

/* edid.c, with vgpu.lock held */

void vgpu_edid_init(struct vgpu_edid *edid);

/* The region; pos is within it. What was read or written, or -errno. */
ssize_t vgpu_edid_read(struct vgpu_edid *edid, void *data, size_t count, u64 pos);
ssize_t vgpu_edid_write(struct vgpu_edid *edid, const void *data, size_t count, u64 pos);

/* steer.c */

extern const struct attribute_group *vgpu_groups[];

#endif
