// SPDX-License-Identifier: GPL-2.0
#include "vgpu.h"

void vgpu_planes_init(struct vgpu *vgpu)
{
	struct vgpu_plane *planes[] = { &vgpu->primary, &vgpu->cursor };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(planes); i++) {
		*planes[i] = (struct vgpu_plane){
			.hot_x = U32_MAX,
			.hot_y = U32_MAX,
			.region = VGPU_REGION_DISPLAY,
		};
	}
}

/* The same memory under a number that nobody has seen. The old one is not valid any more. */
static int plane_churn(struct vgpu *vgpu, struct vgpu_plane *plane)
{
	struct vgpu_buffer *old = vgpu_buffer_find(vgpu, plane->id);
	int ret;

	do {
		vgpu->churn_id++;
	} while (vgpu_buffer_find(vgpu, vgpu->churn_id));
	if (old) {
		ret = vgpu_buffer_create(vgpu, vgpu->churn_id, old->offset, old->size, old->mappable);
		if (ret)
			return ret;
		vgpu_buffer_expire(old);
	}
	plane->id = vgpu->churn_id;
	return 0;
}

int vgpu_plane_query(struct vgpu *vgpu, struct vgpu_plane *plane, u32 type,
		struct vfio_device_gfx_plane_info *info)
{
	bool on = plane->on;
	int ret;

	if (plane->flap && plane->flapped++ / plane->flap % 2 == 1)
		on = false;
	if (on && plane->churn && type == VFIO_GFX_PLANE_TYPE_DMABUF) {
		ret = plane_churn(vgpu, plane);
		if (ret)
			return ret;
	}

	info->drm_format = on ? plane->format : 0;
	info->drm_format_mod = on ? plane->modifier : 0;
	info->width = on ? plane->width : 0;
	info->height = on ? plane->height : 0;
	info->stride = on ? plane->stride : 0;
	info->size = on ? plane->size : 0;
	info->x_pos = plane->x;
	info->y_pos = plane->y;
	info->x_hot = plane->hot_x;
	info->y_hot = plane->hot_y;
	if (type == VFIO_GFX_PLANE_TYPE_REGION)
		info->region_index = plane->region;
	else
		info->dmabuf_id = on ? plane->id : 0;
	return 0;
}
