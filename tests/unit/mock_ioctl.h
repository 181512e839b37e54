#ifndef ORIEL_TESTS_MOCK_IOCTL_H
#define ORIEL_TESTS_MOCK_IOCTL_H

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
 * open, and an error that was injected must have been met.
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

int mock_sync_file_create(uint64_t fences);
uint64_t mock_sync_file_get_fences(int fd);

int mock_dmabuf_create(uint64_t size_bytes);
void mock_dmabuf_add(int fd, uint64_t readers, uint64_t writers);
uint64_t mock_dmabuf_get_readers(int fd);
uint64_t mock_dmabuf_get_writers(int fd);

/* A memfd, which knows no ioctl and has an offset. */
int mock_memfd_create(uint64_t size_bytes);

int64_t mock_clock_get_ns(void);
void mock_clock_set_ns(int64_t now_ns);
/* A signal with a handler arrives in a ppoll() that still waits when the clock gets to at_ns. */
void mock_interrupt_at(int64_t at_ns);
/* The next ppoll() reports this. */
void mock_poll_report(short revents);
/* The kernel knows this ioctl no longer. */
void mock_remove_ioctl(unsigned long request);
/* The next sync_file info with room for fences has this many fences fewer. */
void mock_shrink_next_info(unsigned int count);

/*
 * From here on calls are counted, and call number nth (1 is the next one) fails with err and does
 * nothing else. An allocation gives NULL. nth 0: none fails.
 */
void mock_fail_call(unsigned int nth, int err);
unsigned int mock_count_calls(void);
/* The error an operation has met: what was injected, -ENOMEM for an allocation; 0 if none was. */
int mock_get_injected(void);
/* The flags of the last DMA_BUF_IOCTL_SYNC. */
uint64_t mock_get_sync_flags(void);

/*
 * Runs case_run() once unharmed, and then for each call it made and for each of several errors,
 * with that call failing. case_run() makes what it needs, calls mock_fail_armed() directly before
 * the operation, and checks for mock_get_injected(). At least min_calls calls must be seen.
 */
void mock_fail_each_call(void (*case_run)(void), unsigned int min_calls);
void mock_fail_armed(void);

#endif
