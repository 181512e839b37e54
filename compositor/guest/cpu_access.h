#ifndef ORIEL_GUEST_CPU_ACCESS_H
#define ORIEL_GUEST_CPU_ACCESS_H

/*
 * Begins reading a guest's dma-buf by the CPU, and never waits for long: DMA_BUF_IOCTL_SYNC makes
 * the memory coherent, but also waits in the kernel, without bound, for every writer there is by
 * then. The writers that the frame depends on are done (the latch saw to that); one that has
 * come since is not waited for.
 *
 * Returns 0: the access has begun, and ends with oriel_cpu_access_end(). -EBUSY: another writer is
 * at work; the memory may be read, as coherent as it is, and there is nothing to end. Any other
 * -errno: the exporter refuses, and the memory must not be read.
 */
int oriel_cpu_access_begin(int dmabuf_fd);
void oriel_cpu_access_end(int dmabuf_fd);

#endif
