#ifndef SYNCBRIDGE_SYNC_FENCE_INTERNAL_H
#define SYNCBRIDGE_SYNC_FENCE_INTERNAL_H

#include <syncbridge/fence.h>

/* Of a sync_file that the kernel has just given: nobody needs to ask whether it is one. */
static inline struct sb_fence sb_fence_of_sync_file(int take_fd) {
	return (struct sb_fence){ .type = SB_FENCE_SYNC_FILE, .fds = { take_fd } };
}

#endif
