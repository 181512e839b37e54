// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-fence.h>
#include <linux/slab.h>

#include "vgpu.h"

/*
 * A fence is on the list of pending ones, which holds a reference, until somebody takes it off to
 * signal it: the timer, the test, a reset, the device's end. Taking it off is done under the lock,
 * signalling without it, since a fence's callbacks are other people's.
 *
 * There is neither a release nor a wait operation, so a fence that has signalled is the kernel's
 * alone (dma_fence_signal_timestamp_locked()) and may outlive this module.
 */

struct vgpu_fence {
	struct dma_fence base; /* first, since the kernel frees it by this pointer */
	struct list_head link; /* vgpu_fences.pending */
	ktime_t due; /* KTIME_MAX: held */
};

static const char *fence_get_name(struct dma_fence *fence)
{
	return VGPU_NAME;
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_get_name,
	.get_timeline_name = fence_get_name,
};

static void fences_signal_list(struct list_head *list, int error)
{
	struct vgpu_fence *fence, *next;

	list_for_each_entry_safe(fence, next, list, link) {
		list_del(&fence->link);
		if (error)
			dma_fence_set_error(&fence->base, error);
		dma_fence_signal(&fence->base);
		dma_fence_put(&fence->base);
	}
}

/* With the lock held. */
static void fences_start_timer(struct vgpu_fences *fences)
{
	ktime_t due = KTIME_MAX;
	struct vgpu_fence *fence;

	list_for_each_entry(fence, &fences->pending, link)
		due = min(due, fence->due);
	if (due != KTIME_MAX)
		hrtimer_start(&fences->timer, due, HRTIMER_MODE_ABS);
}

static enum hrtimer_restart fences_handle_timer(struct hrtimer *timer)
{
	struct vgpu_fences *fences = container_of(timer, struct vgpu_fences, timer);
	ktime_t now = ktime_get();
	struct vgpu_fence *fence, *next;
	unsigned long flags;
	LIST_HEAD(due);

	spin_lock_irqsave(&fences->lock, flags);
	list_for_each_entry_safe(fence, next, &fences->pending, link) {
		if (fence->due <= now) {
			list_move_tail(&fence->link, &due);
			fences->count--;
		}
	}
	fences_start_timer(fences);
	spin_unlock_irqrestore(&fences->lock, flags);

	fences_signal_list(&due, 0);
	return HRTIMER_NORESTART;
}

void vgpu_fences_init(struct vgpu *vgpu)
{
	struct vgpu_fences *fences = &vgpu->fences;

	spin_lock_init(&fences->lock);
	INIT_LIST_HEAD(&fences->pending);
	hrtimer_setup(&fences->timer, fences_handle_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}

void vgpu_fences_finish(struct vgpu *vgpu)
{
	vgpu_fences_signal(vgpu, UINT_MAX, -ENODEV);
	hrtimer_cancel(&vgpu->fences.timer);
}

void vgpu_fences_signal(struct vgpu *vgpu, unsigned int count, int error)
{
	struct vgpu_fences *fences = &vgpu->fences;
	struct vgpu_fence *fence, *next;
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&fences->lock, flags);
	list_for_each_entry_safe(fence, next, &fences->pending, link) {
		if (count-- == 0)
			break;
		list_move_tail(&fence->link, &list);
		fences->count--;
	}
	spin_unlock_irqrestore(&fences->lock, flags);

	fences_signal_list(&list, error);
}

int vgpu_fence_add(struct vgpu *vgpu, struct vgpu_buffer *buffer, u32 delay_ms)
{
	struct vgpu_fences *fences = &vgpu->fences;
	struct vgpu_fence *fence;
	unsigned long flags;
	int ret;

	fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	if (!fence)
		return -ENOMEM;
	dma_fence_init(&fence->base, &fence_ops, NULL, dma_fence_context_alloc(1), 1);
	fence->due = delay_ms == VGPU_FENCE_HELD ? KTIME_MAX : ktime_add_ms(ktime_get(), delay_ms);

	dma_resv_lock(&buffer->resv, NULL);
	ret = dma_resv_reserve_fences(&buffer->resv, 1);
	if (ret) {
		dma_resv_unlock(&buffer->resv);
		dma_fence_put(&fence->base);
		return ret;
	}
	dma_resv_add_fence(&buffer->resv, &fence->base, DMA_RESV_USAGE_WRITE);
	if (delay_ms == 0) {
		/* Not by the timer, so that it has signalled when we return. */
		dma_fence_signal(&fence->base);
		dma_fence_put(&fence->base);
	} else {
		spin_lock_irqsave(&fences->lock, flags);
		list_add_tail(&fence->link, &fences->pending);
		fences->count++;
		fences_start_timer(fences);
		spin_unlock_irqrestore(&fences->lock, flags);
	}
	dma_resv_unlock(&buffer->resv);
	return 0;
}
