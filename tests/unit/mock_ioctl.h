#ifndef ORIEL_TESTS_MOCK_IOCTL_H
#define ORIEL_TESTS_MOCK_IOCTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A kernel to test libsyncbridge against: defines the functions of sync/syscall.h on top of a model
 * of fences, sync_files and dma-bufs, with a clock that moves only when somebody waits.
 *
 * A fence is a bit, a set of fences a mask. A sync_file is a set; a dma-buf has one set entered by
 * readers and one entered by writers. The model answers as Linux 7.2 does (drivers/dma-buf/), with
 * errors for wrong flags and wrong kinds of fd. What would block for ever fails the test.
 *
 * The fds are real ones, of memfds: leaks show in the number of open fds. All belong to the test,
 * which closes them.
 */

#define MOCK_FENCES_MAX 64

/*
 * The fixture of a cmocka case: the model starts anew; afterwards exactly the fds of before must be
 * open, no syncobj handle, and an error that was injected must have been met.
 */
int mock_setup(void **state);
int mock_teardown(void **state);

/* A new pending fence, as a mask with one bit. */
uint64_t mock_fence_create(void);
/* count new pending fences. */
uint64_t mock_fences_create(unsigned int count);
/* All of the mask signal; with err below 0 they fail with it. Their time is the clock's. */
void mock_fence_signal(uint64_t fences, int err);
/* They signal when the clock gets to at_ns. */
void mock_fence_signal_at(uint64_t fences, int64_t at_ns);

/* Those of the mask that have not signalled. */
uint64_t mock_fences_get_pending(uint64_t fences);
/* What the kernel calls a stub: a new fence that has signalled, where a set would be empty. */
uint64_t mock_fence_create_stub(int64_t signalled_ns);
/* The pending ones of the mask, or a stub with the time of the last one. */
uint64_t mock_fences_merge(uint64_t fences);

int mock_sync_file_create(uint64_t fences);
uint64_t mock_sync_file_get_fences(int fd);
bool mock_is_sync_file(int fd);

int mock_dmabuf_create(uint64_t size_bytes);
void mock_dmabuf_add(int fd, uint64_t readers, uint64_t writers);
uint64_t mock_dmabuf_get_readers(int fd);
uint64_t mock_dmabuf_get_writers(int fd);

/* A memfd, which knows no ioctl and has an offset. */
int mock_memfd_create(uint64_t size_bytes);

int64_t mock_clock_get_ns(void);
void mock_clock_set_ns(int64_t now_ns);
/*
 * Somebody waits: moves the clock on to the next of the fences' times, but not past limit_ns.
 * Returns 0, or -EINTR if that is interrupted.
 */
int mock_clock_run(uint64_t fences, int64_t limit_ns);
/* A signal with a handler arrives in a call that still waits when the clock gets to at_ns. */
void mock_interrupt_at(int64_t at_ns);
/* ppoll() is as before Linux 5.15: POLLOUT of a dma-buf that lists readers overlooks the writers. */
void mock_poll_as_of_old(void);
/* The next ppoll() reports this. */
void mock_poll_report(short revents);
/* The kernel knows this ioctl no longer. */
void mock_remove_ioctl(unsigned long request);
/* The next sync_file info with room for fences has this many fences fewer. */
void mock_shrink_next_info(unsigned int count);
/* All files have one inode, without a size, as dma-bufs have before Linux 5.3. */
void mock_share_inodes(void);

/*
 * From here on calls are counted, and call number nth (1 is the next one) fails with err and does
 * nothing else. An allocation gives NULL. nth 0: none fails. With err 0 the call does nothing and
 * says that it did.
 */
void mock_fail_call(unsigned int nth, int err);
unsigned int mock_count_calls(void);
/* The error an operation has met: what was injected, -ENOMEM for an allocation; 0 if none was. */
int mock_get_injected(void);
/*
 * For mocks of others than the kernel: counts a call of theirs, and returns 0, or the error that it
 * has to fail with. Where the library makes another error of that, they say so.
 */
int mock_count_call(void);
void mock_set_injected(int err);
/* The flags of the last DMA_BUF_IOCTL_SYNC. */
uint64_t mock_get_sync_flags(void);

/*
 * Runs case_run() once unharmed, and then for each call it made and for each of several errors,
 * with that call failing. case_run() makes what it needs, calls mock_fail_armed() directly before
 * the operation, mock_fail_disarmed() directly after it where it makes more calls, and checks for
 * mock_get_injected(). At least min_calls calls must be seen.
 */
void mock_fail_each_call(void (*case_run)(void), unsigned int min_calls);
void mock_fail_armed(void);
/* The operation is over: calls are not counted from here on, and do not fail. */
void mock_fail_disarmed(void);

#endif
