#ifndef ORIEL_GUEST_DRIVERS_QEMU_DMABUF_H
#define ORIEL_GUEST_DRIVERS_QEMU_DMABUF_H

#include <stdbool.h>

#include "guest/buffer.h"
#include "guest/buffer_cache.h"
#include "guest/frame.h"
#include "guest/qemu/listener.h"
#include "guest/validate.h"

/*
 * The dma-bufs of QEMU's pictures. Files are new with each scanout, the dma-bufs behind them are not: a
 * guest that flips comes back to them. So a buffer is kept, with what renderers have imported of it, and
 * known again by its inode, which is nobody else's as long as a file of it is open.
 *
 * Without a modifier (DRM_FORMAT_MOD_INVALID) the layout is known to the GPU's driver alone. The exception
 * is the guest's own memory, which QEMU hands on by udmabuf: no GPU has laid it out, so its rows lie one
 * after the other.
 */
struct oriel_qemu_dmabufs {
	struct oriel_buffer_cache cache; /* by inode */
};

struct oriel_qemu_dmabuf_picture {
	struct oriel_guest_buffer *buffer; /* NULL: there is none */
	struct oriel_guest_crop crop;
	bool is_flipped;
};

/*
 * What QEMU says of a dma-buf, before its files have been looked at. False if it is refused; then message
 * has the reason, in words that continue "guest NAME: QEMU: ". A pure function.
 */
bool oriel_qemu_dmabuf_parse(const struct oriel_qemu_scanout_dmabuf *scanout,
		struct oriel_guest_buffer_attributes *ret_attributes,
		struct oriel_guest_crop *ret_crop, char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

void oriel_qemu_dmabufs_init(struct oriel_qemu_dmabufs *dmabufs);
/* Those that are still read live on by their locks. */
void oriel_qemu_dmabufs_clear(struct oriel_qemu_dmabufs *dmabufs);

/* The picture of a scanout, whose buffer is borrowed until the next call. False if it is refused. */
bool oriel_qemu_dmabufs_get(struct oriel_qemu_dmabufs *dmabufs,
		const struct oriel_qemu_scanout_dmabuf *scanout,
		struct oriel_qemu_dmabuf_picture *ret_picture,
		char message[static ORIEL_VALIDATE_MESSAGE_SIZE]);

#endif
