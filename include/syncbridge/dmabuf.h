#ifndef SYNCBRIDGE_DMABUF_H
#define SYNCBRIDGE_DMABUF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Fences of a dma-buf in and out, as sync_files.
 *
 * The kernel keeps with every dma-buf a list of fences, each entered by a reader or by a writer.
 * Drivers with implicit sync read the list before they touch the buffer, and enter a fence when
 * they submit work on it. The functions below let a program with explicit sync do the same:
 *
 *	      the list, at that moment              the program's own work
 *	dma-buf ------- export -------> sync_file ------> waits for it
 *	   ^                                                   |
 *	   +----------- import -------- sync_file <------------+ signals at its end
 *
 * A sync_file that was exported is a snapshot: it has the fences that were pending at that
 * moment. Fences that are added afterwards are not in it, so waiting for it is never waiting for
 * later work.
 *
 * Export, work and import are three steps, not one: somebody else may add a fence in between.
 * Whoever needs the whole to be atomic locks outside of this library.
 *
 * All functions return 0 or -errno, print nothing, and keep no state. They may be called from any
 * thread. An error never means that there is nothing to wait for. After a failed export the
 * caller has not learnt what to wait for, and after a failed import nobody else waits for the
 * caller: it goes on holding the buffer, tries again or waits by itself.
 */

/* What the caller wants to do with the buffer, seen from the caller's side. */
enum sb_access {
	/* Waits for writers; writers wait for it. */
	SB_ACCESS_READ = 1,
	/* Waits for writers and readers; both wait for it. */
	SB_ACCESS_WRITE = 2,
};

/*
 * Takes a snapshot of the fences that an access has to wait for.
 *
 * With SB_ACCESS_READ these are the writers' fences, with SB_ACCESS_WRITE the readers' and the
 * writers'. Where there are none, the sync_file has signalled from the start. The fences that had
 * signalled before are not in the snapshot, a failed one's error neither.
 *
 * dmabuf_fd is borrowed. On success *ret_sync_file_fd is a new CLOEXEC fd that belongs to the
 * caller; on failure it is not written, and the caller must not touch the buffer.
 *
 * Does not block. Returns 0, or
 * -ENOTTY: the kernel is older than 6.0 or was built without sync_files, or the fd is no dma-buf;
 * -EBADF: the fd is not open;
 * -EINVAL: access is none of enum sb_access;
 * -EMFILE, -ENFILE, -ENOMEM: no fd or no memory left.
 *
 * Source: DMA_BUF_IOCTL_EXPORT_SYNC_FILE, linux/dma-buf.h, Linux 6.0.
 */
int sb_dmabuf_export_sync_file(int dmabuf_fd, enum sb_access access, int *ret_sync_file_fd);

/*
 * Adds the fences of a sync_file to a dma-buf, so that others with implicit sync wait for them.
 *
 * With SB_ACCESS_READ, later writers wait and later readers do not; with SB_ACCESS_WRITE all that
 * come later wait. Work that was submitted before is not affected. Choose READ for a buffer that
 * was only read: WRITE would hold back everybody else who reads it.
 *
 * Both fds are borrowed: the dma-buf holds the fences afterwards, the sync_file may be closed.
 *
 * Does not wait for any fence; it may sleep for the dma-buf's own short lock. Returns 0, or
 * -ENOTTY: the kernel is older than 6.0 or was built without sync_files, or dmabuf_fd is no
 * dma-buf;
 * -EBADF: dmabuf_fd is not open;
 * -EINVAL: sync_file_fd is no open sync_file, or access is none of enum sb_access;
 * -ENOMEM: no memory left.
 * On failure nobody waits for the caller's work: the buffer must be held back until that work has
 * ended.
 *
 * Source: DMA_BUF_IOCTL_IMPORT_SYNC_FILE, linux/dma-buf.h, Linux 6.0.
 */
int sb_dmabuf_import_sync_file(int dmabuf_fd, enum sb_access access, int sync_file_fd);

/*
 * Begins an access by the CPU through a mapping: makes what devices wrote visible to it.
 *
 * SB_ACCESS_WRITE stands for reading and writing: a program that writes some bytes of a cache
 * line keeps the others right only if it had read them afresh.
 *
 * Blocks without bound. The kernel waits in here for the fences that are on the dma-buf when it
 * is called, those added after a snapshot included (READ: writers, WRITE: all), and for some that
 * are added meanwhile: it begins again when its list of them has to grow. An event loop calls it
 * only when nothing is pending, and, where somebody else can add fences at any time, with a timer
 * armed that ends it by a signal. EAGAIN is tried again.
 *
 * dmabuf_fd is borrowed. Returns 0, or
 * -EINTR: a signal came whose handler was installed without SA_RESTART: nothing has begun, and it
 * may be called again;
 * -ENOTTY: the fd is no dma-buf; -EBADF: it is not open;
 * -EINVAL: access is none of enum sb_access;
 * or what the dma-buf's exporter returned. On failure the memory must not be accessed, and
 * sb_dmabuf_end_cpu_access() is not called.
 *
 * Source: DMA_BUF_IOCTL_SYNC with DMA_BUF_SYNC_START, linux/dma-buf.h, Linux 4.6; the wait:
 * dma_buf_begin_cpu_access() in drivers/dma-buf/dma-buf.c.
 */
int sb_dmabuf_begin_cpu_access(int dmabuf_fd, enum sb_access access);

/*
 * Ends an access by the CPU: makes what the CPU wrote visible to devices.
 *
 * access is what sb_dmabuf_begin_cpu_access() was given. Adds no fence: work that depends on what
 * was written is submitted after this has returned.
 *
 * Does not wait for any fence; an exporter may take as long as flushing the caches takes. EINTR
 * and EAGAIN are tried again. dmabuf_fd is borrowed. Returns 0 or the errors of
 * sb_dmabuf_begin_cpu_access(). On failure, devices may not see what was written.
 *
 * Source: DMA_BUF_IOCTL_SYNC with DMA_BUF_SYNC_END, linux/dma-buf.h, Linux 4.6.
 */
int sb_dmabuf_end_cpu_access(int dmabuf_fd, enum sb_access access);

/*
 * Gets the size of the memory behind a dma-buf, in bytes.
 *
 * Works with every file that can seek, a memfd for example. The file offset is put back to where
 * it was; a dma-buf has none. It does not say whether the fd is a dma-buf.
 *
 * Does not block. dmabuf_fd is borrowed. Returns 0, or
 * -ESPIPE: the file cannot seek; -EBADF: the fd is not open; or what the file's lseek() returned.
 * *ret_size_bytes is written on success only.
 *
 * Source: lseek() with SEEK_END on a dma-buf, Documentation/driver-api/dma-buf.rst, Linux 3.12.
 */
int sb_dmabuf_get_size(int dmabuf_fd, uint64_t *ret_size_bytes);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
