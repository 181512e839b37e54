// SPDX-License-Identifier: GPL-2.0
#include <drm/drm_plane.h>
#include <linux/mm.h>
#include <linux/pci_ids.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "vgpu.h"

/* A region is at this offset, times its index, of the device's file. */
#define REGION_SHIFT 40
#define REGION_MASK ((1ULL << REGION_SHIFT) - 1)

/* The first churn_id, far from what a test counts from. */
#define CHURN_ID_FIRST 0x80000000

static struct vgpu *vgpu_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct vgpu, vdev);
}

int vgpu_begin_call(struct vgpu *vgpu, enum vgpu_call call)
{
	struct vgpu_errors *errors = &vgpu->errors[call];
	int error = 0;

	atomic_inc(&vgpu->counts[call]);
	mutex_lock(&vgpu->lock);
	if (errors->next < errors->count) {
		error = errors->list[errors->next++];
		if (errors->next == errors->count && errors->repeat)
			errors->next = 0;
	}
	mutex_unlock(&vgpu->lock);
	return -error;
}

/* The PCI configuration space, for QEMU's vfio-pci: a display with video memory and no interrupt */

static void config_init(struct vgpu *vgpu)
{
	u8 *config = vgpu->config;

	put_unaligned_le16(0x1234, config + PCI_VENDOR_ID); /* bochs', that nobody owns */
	put_unaligned_le16(0x0a1e, config + PCI_DEVICE_ID);
	put_unaligned_le16(PCI_COMMAND_MEMORY, config + PCI_COMMAND);
	put_unaligned_le16(PCI_CLASS_DISPLAY_OTHER, config + PCI_CLASS_DEVICE);
	put_unaligned_le32(PCI_BASE_ADDRESS_MEM_PREFETCH, config + PCI_BASE_ADDRESS_0);
}

static void config_write(struct vgpu *vgpu, const u8 *data, size_t count, u64 pos)
{
	u8 *config = vgpu->config;
	size_t i;
	u32 bar;

	for (i = 0; i < count; i++) {
		switch (pos + i) {
		case PCI_COMMAND ... PCI_COMMAND + 1:
		case PCI_BASE_ADDRESS_0 ... PCI_BASE_ADDRESS_0 + 3:
		case PCI_INTERRUPT_LINE:
			config[pos + i] = data[i];
		}
	}
	/* Only as many address bits as the size leaves are there: that tells the size. */
	bar = get_unaligned_le32(config + PCI_BASE_ADDRESS_0) & ~(u32)(vgpu->memory->size - 1);
	put_unaligned_le32(bar | PCI_BASE_ADDRESS_MEM_PREFETCH, config + PCI_BASE_ADDRESS_0);
}

/* Regions */

/* 0 for a region that does not exist. */
static u64 region_get_size(struct vgpu *vgpu, u64 index)
{
	u64 size = 0;

	mutex_lock(&vgpu->lock);
	switch (index) {
	case VGPU_REGION_VRAM:
		size = vgpu->memory->size;
		break;
	case VGPU_REGION_CONFIG:
		size = VGPU_CONFIG_SIZE;
		break;
	case VGPU_REGION_EDID:
		if (vgpu->edid.present)
			size = VGPU_EDID_OFFSET + VGPU_EDID_SIZE_MAX;
		break;
	case VGPU_REGION_DISPLAY:
		if (vgpu->display.region)
			size = vgpu->display.region_size;
		break;
	}
	mutex_unlock(&vgpu->lock);
	return size;
}

static bool region_is_memory(u64 index)
{
	return index == VGPU_REGION_VRAM || index == VGPU_REGION_DISPLAY;
}

static bool region_is_mappable(struct vgpu *vgpu, u64 index)
{
	return index == VGPU_REGION_VRAM ||
			(index == VGPU_REGION_DISPLAY && READ_ONCE(vgpu->display.region_mmap));
}

/* Those in which a read or write may mean more than its bytes. */
static ssize_t region_read_registers(
		struct vgpu *vgpu, u64 index, char __user *data, size_t count, u64 pos)
{
	ssize_t ret;
	u8 *copy;

	copy = kmalloc(count, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	if (index == VGPU_REGION_CONFIG) {
		mutex_lock(&vgpu->lock);
		memcpy(copy, vgpu->config + pos, count);
		mutex_unlock(&vgpu->lock);
		ret = count;
	} else {
		ret = vgpu_begin_call(vgpu, VGPU_CALL_edid_read);
		if (!ret) {
			mutex_lock(&vgpu->lock);
			ret = vgpu_edid_read(&vgpu->edid, copy, count, pos);
			mutex_unlock(&vgpu->lock);
		}
	}
	if (ret > 0 && copy_to_user(data, copy, ret))
		ret = -EFAULT;
	kfree(copy);
	return ret;
}

static ssize_t region_write_registers(
		struct vgpu *vgpu, u64 index, const char __user *data, size_t count, u64 pos)
{
	ssize_t ret;
	u8 *copy;

	copy = memdup_user(data, count);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	if (index == VGPU_REGION_CONFIG) {
		mutex_lock(&vgpu->lock);
		config_write(vgpu, copy, count, pos);
		mutex_unlock(&vgpu->lock);
		ret = count;
	} else {
		ret = vgpu_begin_call(vgpu, VGPU_CALL_edid_write);
		if (!ret) {
			mutex_lock(&vgpu->lock);
			ret = vgpu_edid_write(&vgpu->edid, copy, count, pos);
			mutex_unlock(&vgpu->lock);
		}
	}
	kfree(copy);
	return ret;
}

/* Clips *count to the region. The index, or -EINVAL. */
static int region_check(struct vgpu *vgpu, loff_t at, size_t *count)
{
	u64 index = (u64)at >> REGION_SHIFT, pos = at & REGION_MASK;
	u64 size = region_get_size(vgpu, index);

	if (at < 0 || pos >= size)
		return -EINVAL;
	*count = min_t(u64, *count, size - pos);
	return index;
}

static ssize_t device_read(struct vfio_device *vdev, char __user *data, size_t count, loff_t *at)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	u64 pos = *at & REGION_MASK;
	ssize_t ret;
	int index;

	index = region_check(vgpu, *at, &count);
	if (index < 0)
		return index;
	if (region_is_memory(index)) {
		ret = vgpu_begin_call(vgpu, VGPU_CALL_vram_read);
		if (!ret)
			ret = copy_to_user(data, vgpu->memory->vaddr + pos, count) ? -EFAULT : count;
	} else {
		ret = region_read_registers(vgpu, index, data, count, pos);
	}
	if (ret > 0)
		*at += ret;
	return ret;
}

static ssize_t device_write(
		struct vfio_device *vdev, const char __user *data, size_t count, loff_t *at)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	u64 pos = *at & REGION_MASK;
	ssize_t ret;
	int index;

	index = region_check(vgpu, *at, &count);
	if (index < 0)
		return index;
	if (region_is_memory(index))
		ret = copy_from_user(vgpu->memory->vaddr + pos, data, count) ? -EFAULT : count;
	else
		ret = region_write_registers(vgpu, index, data, count, pos);
	if (ret > 0)
		*at += ret;
	return ret;
}

static int device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	u64 index = vma->vm_pgoff >> (REGION_SHIFT - PAGE_SHIFT);
	u64 pos = ((u64)vma->vm_pgoff << PAGE_SHIFT) & REGION_MASK;
	u64 size = region_get_size(vgpu, index);
	int ret;

	ret = vgpu_begin_call(vgpu, VGPU_CALL_mmap);
	if (ret)
		return ret;
	if (!region_is_mappable(vgpu, index) || pos > size ||
			vma->vm_end - vma->vm_start > PAGE_ALIGN(size) - pos)
		return -EINVAL;
	return vgpu_memory_mmap(vgpu->memory, vma, 0, pos >> PAGE_SHIFT);
}

static int device_get_region_info(
		struct vfio_device *vdev, struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type type = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = VFIO_REGION_TYPE_GFX,
		.subtype = VFIO_REGION_SUBTYPE_GFX_EDID,
	};
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	int ret;

	ret = vgpu_begin_call(vgpu, VGPU_CALL_region_info);
	if (ret)
		return ret;
	if (info->index >= VGPU_REGION_COUNT)
		return -EINVAL;
	info->offset = (u64)info->index << REGION_SHIFT;
	info->size = region_get_size(vgpu, info->index);
	info->flags = 0;
	if (info->size == 0)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (region_is_mappable(vgpu, info->index))
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (info->index == VGPU_REGION_EDID)
		return vfio_info_add_capability(caps, &type.header, sizeof(type));
	return 0;
}

/* ioctls */

static int device_get_info(struct vgpu *vgpu, void __user *arg)
{
	const size_t size = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = {};
	int ret;

	ret = vgpu_begin_call(vgpu, VGPU_CALL_info);
	if (ret)
		return ret;
	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VGPU_REGION_COUNT;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static int device_get_irq_info(void __user *arg)
{
	const size_t size = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info = {};

	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.flags = 0;
	info.count = 0;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static bool device_has_type(struct vgpu *vgpu, u32 type)
{
	u32 has = 0;

	mutex_lock(&vgpu->lock);
	if (type == VFIO_GFX_PLANE_TYPE_DMABUF)
		has = vgpu->display.dmabuf;
	else if (type == VFIO_GFX_PLANE_TYPE_REGION)
		has = vgpu->display.region;
	mutex_unlock(&vgpu->lock);
	return has;
}

static int device_query_plane(struct vgpu *vgpu, void __user *arg)
{
	const size_t size = offsetofend(struct vfio_device_gfx_plane_info, region_index);
	struct vfio_device_gfx_plane_info info = {};
	struct vgpu_plane *plane;
	enum vgpu_call call;
	u32 type;
	int ret;

	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;

	type = info.flags & ~VFIO_GFX_PLANE_TYPE_PROBE;
	if (info.flags & VFIO_GFX_PLANE_TYPE_PROBE) {
		ret = vgpu_begin_call(vgpu, VGPU_CALL_probe);
		if (ret)
			return ret;
		return device_has_type(vgpu, type) ? 0 : -EINVAL;
	}
	switch (info.drm_plane_type) {
	case DRM_PLANE_TYPE_PRIMARY:
		plane = &vgpu->primary;
		call = VGPU_CALL_query_primary;
		break;
	case DRM_PLANE_TYPE_CURSOR:
		plane = &vgpu->cursor;
		call = VGPU_CALL_query_cursor;
		break;
	default:
		return -EINVAL;
	}
	ret = vgpu_begin_call(vgpu, call);
	if (ret)
		return ret;
	if (!device_has_type(vgpu, type))
		return -EINVAL;
	mutex_lock(&vgpu->lock);
	ret = vgpu_plane_query(vgpu, plane, type, &info);
	mutex_unlock(&vgpu->lock);
	if (ret)
		return ret;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static int device_get_dmabuf(struct vgpu *vgpu, void __user *arg)
{
	struct vgpu_buffer *buffer;
	u32 id;
	int ret;

	ret = vgpu_begin_call(vgpu, VGPU_CALL_get);
	if (ret)
		return ret;
	if (copy_from_user(&id, arg, sizeof(id)))
		return -EFAULT;
	mutex_lock(&vgpu->lock);
	buffer = vgpu_buffer_find(vgpu, id);
	if (buffer)
		vgpu_buffer_get(buffer);
	mutex_unlock(&vgpu->lock);
	if (!buffer)
		return -EINVAL;
	ret = vgpu_buffer_export(buffer);
	vgpu_buffer_put(buffer);
	return ret;
}

/* As when the guest's machine is reset: no picture, no buffers, and work in flight is given up. */
static int device_reset(struct vgpu *vgpu)
{
	int ret;

	ret = vgpu_begin_call(vgpu, VGPU_CALL_reset);
	if (ret)
		return ret;
	mutex_lock(&vgpu->lock);
	vgpu->primary.on = 0;
	vgpu->cursor.on = 0;
	vgpu_buffers_expire(vgpu);
	mutex_unlock(&vgpu->lock);
	vgpu_fences_signal(vgpu, UINT_MAX, -ECANCELED);
	return 0;
}

static long device_ioctl(struct vfio_device *vdev, unsigned int command, unsigned long arg)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	void __user *user = (void __user *)arg;

	switch (command) {
	case VFIO_DEVICE_GET_INFO:
		return device_get_info(vgpu, user);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return device_get_irq_info(user);
	case VFIO_DEVICE_SET_IRQS:
		return -EINVAL; /* there are none */
	case VFIO_DEVICE_QUERY_GFX_PLANE:
		return device_query_plane(vgpu, user);
	case VFIO_DEVICE_GET_GFX_DMABUF:
		return device_get_dmabuf(vgpu, user);
	case VFIO_DEVICE_RESET:
		return device_reset(vgpu);
	default:
		return -ENOTTY;
	}
}

static int device_init(struct vfio_device *vdev)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);
	struct mdev_type *type = to_mdev_device(vdev->dev)->type;
	size_t size = container_of(type, struct vgpu_type, mdev)->memory_size;

	vgpu->memory = vgpu_memory_create(size);
	if (!vgpu->memory)
		return -ENOMEM;
	mutex_init(&vgpu->lock);
	INIT_LIST_HEAD(&vgpu->buffers);
	vgpu_fences_init(vgpu);
	vgpu_planes_init(vgpu);
	vgpu_edid_init(&vgpu->edid);
	config_init(vgpu);
	vgpu->churn_id = CHURN_ID_FIRST;
	vgpu->display = (struct vgpu_display){
		.dmabuf = 1,
		.region_size = size,
		.region_mmap = 1,
	};
	return 0;
}

static void device_release(struct vfio_device *vdev)
{
	struct vgpu *vgpu = vgpu_from_vdev(vdev);

	vgpu_buffers_expire(vgpu);
	vgpu_memory_put(vgpu->memory);
}

const struct vfio_device_ops vgpu_device_ops = {
	.name = VGPU_NAME,
	.init = device_init,
	.release = device_release,
	.read = device_read,
	.write = device_write,
	.mmap = device_mmap,
	.ioctl = device_ioctl,
	.get_region_info_caps = device_get_region_info,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};
