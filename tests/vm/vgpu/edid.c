// SPDX-License-Identifier: GPL-2.0
#include <linux/string.h>

#include "vgpu.h"

/*
 * The EDID region, as strict as any driver: registers by 4 bytes each, size and blob only while the
 * link is down (the ABI's update protocol), the size before the blob and an EDID that is one before
 * the link is up (both kvmgt's).
 */

#define EDID_BLOCK_SIZE 128

void vgpu_edid_init(struct vgpu_edid *edid)
{
	edid->regs = (struct vfio_region_gfx_edid){
		.edid_offset = VGPU_EDID_OFFSET,
		.edid_max_size = VGPU_EDID_SIZE_MAX,
		.link_state = VFIO_DEVICE_GFX_LINK_STATE_DOWN,
	};
	edid->present = 1;
}

static bool edid_is_valid(const struct vgpu_edid *edid)
{
	static const u8 header[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
	const u32 size = edid->regs.edid_size;
	u32 block, i;

	if (size == 0 || size % EDID_BLOCK_SIZE != 0 ||
			memcmp(edid->blob, header, sizeof(header)) != 0)
		return false;
	/* The byte before the first block's checksum counts the blocks after it. */
	if (edid->blob[EDID_BLOCK_SIZE - 2] != size / EDID_BLOCK_SIZE - 1)
		return false;
	for (block = 0; block < size; block += EDID_BLOCK_SIZE) {
		u8 sum = 0;

		for (i = 0; i < EDID_BLOCK_SIZE; i++)
			sum += edid->blob[block + i];
		if (sum != 0)
			return false;
	}
	return true;
}

static bool edid_is_up(const struct vgpu_edid *edid)
{
	return edid->regs.link_state == VFIO_DEVICE_GFX_LINK_STATE_UP;
}

static bool in_blob(const struct vgpu_edid *edid, size_t count, u64 pos)
{
	const u32 size = edid->regs.edid_size;

	return pos >= VGPU_EDID_OFFSET && pos - VGPU_EDID_OFFSET <= size &&
			count <= size - (pos - VGPU_EDID_OFFSET);
}

static bool is_register(size_t count, u64 pos)
{
	return count == sizeof(u32) && pos % sizeof(u32) == 0 &&
			pos < sizeof(struct vfio_region_gfx_edid);
}

static int edid_set_link(struct vgpu_edid *edid, u32 state)
{
	switch (state) {
	case VFIO_DEVICE_GFX_LINK_STATE_UP:
		if (!edid_is_valid(edid))
			return -EINVAL;
		if (!edid_is_up(edid))
			edid->links++;
		break;
	case VFIO_DEVICE_GFX_LINK_STATE_DOWN:
		break;
	default:
		return -EINVAL;
	}
	edid->regs.link_state = state;
	return 0;
}

static int edid_set_size(struct vgpu_edid *edid, u32 size)
{
	if (edid_is_up(edid))
		return -EBUSY;
	if (size > edid->regs.edid_max_size)
		return -EINVAL;
	edid->regs.edid_size = size;
	return 0;
}

ssize_t vgpu_edid_read(struct vgpu_edid *edid, void *data, size_t count, u64 pos)
{
	if (is_register(count, pos)) {
		memcpy(data, (u8 *)&edid->regs + pos, count);
	} else if (in_blob(edid, count, pos)) {
		memcpy(data, edid->blob + (pos - VGPU_EDID_OFFSET), count);
		if (edid->garble && count > 0)
			*(u8 *)data ^= 0xff;
	} else {
		return -EINVAL;
	}
	return count;
}

ssize_t vgpu_edid_write(struct vgpu_edid *edid, const void *data, size_t count, u64 pos)
{
	u32 value;
	int ret;

	if (is_register(count, pos)) {
		memcpy(&value, data, sizeof(value));
		switch (pos) {
		case offsetof(struct vfio_region_gfx_edid, link_state):
			ret = edid_set_link(edid, value);
			break;
		case offsetof(struct vfio_region_gfx_edid, edid_size):
			ret = edid_set_size(edid, value);
			break;
		default:
			ret = -EPERM; /* read-only, in kvmgt's words */
			break;
		}
		return ret ? ret : (ssize_t)count;
	}
	if (!in_blob(edid, count, pos))
		return -EINVAL;
	if (edid_is_up(edid))
		return -EBUSY;
	memcpy(edid->blob + (pos - VGPU_EDID_OFFSET), data, count);
	return count;
}
