#ifndef SYNCBRIDGE_FENCE_SET_H
#define SYNCBRIDGE_FENCE_SET_H

#include <stddef.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Fences collected, to be handed on as one.
 *
 *	sb_fence_set_add()          \
 *	sb_fence_set_add_buffer()    >---> [ set ] --- sb_fence_set_collapse() ---> one sb_fence
 *	sb_fence_set_add()          /
 *
 * What one access depends on is put in a set, and collapsed when the access is to begin. What has
 * signalled by then is dropped, so that a set of which nothing is pending gives SB_FENCE_NONE.
 *
 * A set fails closed. When anything could not be added, the set is broken: from then on adding,
 * collapsing, waiting and watching give the first such error, until sb_fence_set_reset(). So a caller
 * may look at the last result only. What fails later loses nothing: the set still has all that is pending,
 * and the call may be repeated.
 *
 * A set is made once and used again for each frame: it keeps its memory, and allocates only while
 * it grows. It is used from one thread at a time.
 */
struct sb_fence_set;

/*
 * Creates an empty set.
 *
 * Does not block. Returns 0 or -ENOMEM. *ret_set is written on success only, and destroyed with
 * sb_fence_set_destroy().
 *
 * Source: calloc().
 */
int sb_fence_set_create(struct sb_fence_set **ret_set);

/*
 * Destroys a set with all that is in it. NULL is fine. Does not block, keeps errno.
 *
 * Source: close(), free().
 */
void sb_fence_set_destroy(struct sb_fence_set *set);

/*
 * Empties a set, and makes a broken one whole. Does not block.
 *
 * Source: close().
 */
void sb_fence_set_reset(struct sb_fence_set *set);

/*
 * Adds a fence.
 *
 * *take_fence is moved out in every case and is SB_FENCE_NONE afterwards; NONE adds nothing.
 *
 * Does not block. Returns 0, -ENOMEM, or what broke the set before. On failure the fence is gone
 * and the set is broken.
 *
 * Source: none, the fence is kept as it is.
 */
int sb_fence_set_add(struct sb_fence_set *set, struct sb_fence *take_fence);

/*
 * Adds what an access to a buffer has to wait for.
 *
 * buffer is borrowed. The snapshot is taken here: what is added to the buffer later is not waited
 * for. Does not block. Returns 0, the errors of sb_buffer_export_fence() and sb_fence_set_add(),
 * or what broke the set before. On failure the set is broken.
 *
 * Source: sb_buffer_export_fence().
 */
int sb_fence_set_add_buffer(
		struct sb_fence_set *set, const struct sb_buffer *buffer, enum sb_access access);

/*
 * Makes one fence of all that was added, and empties the set.
 *
 * The result is SB_FENCE_NONE when everything has signalled, the one that is pending as it is
 * where it is the only one, and else a sync_file that is ready when all are; for that, points must
 * have materialised.
 *
 * name is for debugging, as with sb_sync_file_merge(), and may be NULL. On success *ret_fence
 * belongs to the caller; it is written on success only, and not cleared before.
 *
 * Does not block. Returns 0, or
 * -EAGAIN: several are pending, of which one is a point that has not materialised;
 * -EOPNOTSUPP: several are pending, of which one is SB_FENCE_IDLE;
 * in both cases there is no one fence for them now, but sb_fence_set_wait() and
 * sb_fence_set_create_ready_fd() work;
 * what broke the set before; or the errors of sb_fence_wait(), sb_fence_export_sync_file() and
 * sb_sync_file_merge().
 * On failure the set has all that is pending, as before.
 *
 * Source: SYNC_IOC_MERGE, linux/sync_file.h, Linux 4.7; sb_fence_wait().
 */
int sb_fence_set_collapse(struct sb_fence_set *set, const char *name, struct sb_fence *ret_fence);

/*
 * Waits until all that was added is ready, or until a deadline. The set keeps what is pending.
 *
 * deadline_ns is as of sb_fence_wait(), and holds for all together. Blocks up to deadline_ns, and no
 * longer than until one cannot be waited for. Returns 0 when all are ready, and the set is empty, or
 * -ETIME: not by then; what broke the set before; or the errors of sb_fence_wait().
 *
 * Source: sb_fence_wait().
 */
int sb_fence_set_wait(struct sb_fence_set *set, int64_t deadline_ns);

/*
 * Creates an fd for an event loop that tells when there is less to wait for.
 *
 * *ret_fd and *ret_events are as of sb_fence_create_ready_fd(), for the first fence in the set that
 * is pending: for points that have not materialised and for SB_FENCE_IDLE as well, which cannot be
 * collapsed. When it fires, the caller closes it and asks again, until all are ready: that is
 * -ENODATA. What has signalled is dropped; the set keeps what is pending, and may be used, reset and
 * destroyed while the fd is watched.
 *
 * Does not block. On success *ret_fd is a new CLOEXEC fd that belongs to the caller; nothing is
 * written on failure. Returns 0, or
 * -ENODATA: all are ready, and the set is empty;
 * -EOPNOTSUPP: the kernel is older than 6.6, and the first one that is pending is a point that has
 * not materialised;
 * what broke the set before; or the errors of sb_fence_wait() and sb_fence_create_ready_fd().
 * On failure the set has all that is pending, as before.
 *
 * Source: sb_fence_wait(), sb_fence_create_ready_fd().
 */
int sb_fence_set_create_ready_fd(struct sb_fence_set *set, int *ret_fd, short *ret_events);

/*
 * Gets the number of fences in a set, signalled ones included that were not dropped yet. It says
 * nothing of a broken set. Does not block, cannot fail.
 *
 * Source: none.
 */
size_t sb_fence_set_get_count(const struct sb_fence_set *set);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
