// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vgpu.h"

/*
 * Every export is a dma-buf of its own, as the ABI has it, that holds a reference to the buffer and
 * shares its reservation object with the buffer's other dma-bufs: a fence is in all of them.
 *
 * Nothing here looks at the device, which may be gone.
 */

struct vgpu_memory *vgpu_memory_create(size_t size)
{
	struct vgpu_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!memory)
		return NULL;
	memory->vaddr = vmalloc_user(size);
	if (!memory->vaddr) {
		kfree(memory);
		return NULL;
	}
	memory->size = size;
	kref_init(&memory->kref);
	return memory;
}

static void memory_release(struct kref *kref)
{
	struct vgpu_memory *memory = container_of(kref, struct vgpu_memory, kref);

	/* A mapping holds its pages; these are the others. */
	vfree(memory->vaddr);
	kfree(memory);
}

void vgpu_memory_put(struct vgpu_memory *memory)
{
	kref_put(&memory->kref, memory_release);
}

int vgpu_memory_mmap(struct vgpu_memory *memory, struct vm_area_struct *vma, u64 offset,
		unsigned long vm_pgoff)
{
	/* What is written to a private mapping would be nobody's picture. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, memory->vaddr, (offset >> PAGE_SHIFT) + vm_pgoff);
}

/* Buffers */

static void buffer_release(struct kref *kref)
{
	struct vgpu_buffer *buffer = container_of(kref, struct vgpu_buffer, kref);

	dma_resv_fini(&buffer->resv);
	vgpu_memory_put(buffer->memory);
	kfree(buffer);
}

struct vgpu_buffer *vgpu_buffer_get(struct vgpu_buffer *buffer)
{
	kref_get(&buffer->kref);
	return buffer;
}

void vgpu_buffer_put(struct vgpu_buffer *buffer)
{
	kref_put(&buffer->kref, buffer_release);
}

struct vgpu_buffer *vgpu_buffer_find(struct vgpu *vgpu, u32 id)
{
	struct vgpu_buffer *buffer;

	lockdep_assert_held(&vgpu->lock);
	list_for_each_entry(buffer, &vgpu->buffers, link) {
		if (buffer->id == id)
			return buffer;
	}
	return NULL;
}

void vgpu_buffer_expire(struct vgpu_buffer *buffer)
{
	list_del(&buffer->link);
	vgpu_buffer_put(buffer);
}

void vgpu_buffers_expire(struct vgpu *vgpu)
{
	struct vgpu_buffer *buffer, *next;

	list_for_each_entry_safe(buffer, next, &vgpu->buffers, link)
		vgpu_buffer_expire(buffer);
}

int vgpu_buffer_create(struct vgpu *vgpu, u32 id, u64 offset, u64 size, bool mappable)
{
	struct vgpu_memory *memory = vgpu->memory;
	struct vgpu_buffer *buffer, *old;

	if (size == 0 || size > memory->size || offset > memory->size || !PAGE_ALIGNED(offset) ||
			offset + PAGE_ALIGN(size) > memory->size)
		return -EINVAL;
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	kref_init(&buffer->kref);
	dma_resv_init(&buffer->resv);
	kref_get(&memory->kref);
	buffer->memory = memory;
	buffer->id = id;
	buffer->offset = offset;
	buffer->size = size;
	buffer->mappable = mappable;

	old = vgpu_buffer_find(vgpu, id);
	if (old)
		vgpu_buffer_expire(old);
	list_add_tail(&buffer->link, &vgpu->buffers);
	return 0;
}

/* Dma-bufs */

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attachment, enum dma_data_direction dir)
{
	struct vgpu_buffer *buffer = attachment->dmabuf->priv;
	u8 *vaddr = buffer->memory->vaddr + buffer->offset;
	unsigned int i, count = DIV_ROUND_UP(buffer->size, PAGE_SIZE);
	struct page **pages;
	struct sg_table *table;
	int ret = -ENOMEM;

	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		goto error_table;
	for (i = 0; i < count; i++)
		pages[i] = vmalloc_to_page(vaddr + i * PAGE_SIZE);
	ret = sg_alloc_table_from_pages(table, pages, count, 0, buffer->size, GFP_KERNEL);
	kvfree(pages);
	if (ret)
		goto error_table;
	ret = dma_map_sgtable(attachment->dev, table, dir, 0);
	if (ret)
		goto error_sg;
	return table;

error_sg:
	sg_free_table(table);
error_table:
	kfree(table);
	return ERR_PTR(ret);
}

static void dmabuf_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
		enum dma_data_direction dir)
{
	dma_unmap_sgtable(attachment->dev, table, dir, 0);
	sg_free_table(table);
	kfree(table);
}

static int dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct vgpu_buffer *buffer = dmabuf->priv;

	iosys_map_set_vaddr(map, buffer->memory->vaddr + buffer->offset);
	return 0;
}

static int dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct vgpu_buffer *buffer = dmabuf->priv;

	if (!buffer->mappable)
		return -ENODEV;
	return vgpu_memory_mmap(buffer->memory, vma, buffer->offset, vma->vm_pgoff);
}

static void dmabuf_release(struct dma_buf *dmabuf)
{
	struct vgpu_buffer *buffer = dmabuf->priv;

	atomic_dec(&buffer->dmabufs);
	atomic_dec(&buffer->memory->dmabufs);
	vgpu_buffer_put(buffer);
}

static const struct dma_buf_ops dmabuf_ops = {
	.map_dma_buf = dmabuf_map,
	.unmap_dma_buf = dmabuf_unmap,
	.vmap = dmabuf_vmap,
	.mmap = dmabuf_mmap,
	.release = dmabuf_release,
};

int vgpu_buffer_export(struct vgpu_buffer *buffer)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int fd;

	info.ops = &dmabuf_ops;
	info.size = buffer->size;
	info.flags = O_RDWR;
	info.resv = &buffer->resv;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	vgpu_buffer_get(buffer);
	atomic_inc(&buffer->dmabufs);
	atomic_inc(&buffer->memory->dmabufs);

	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}
