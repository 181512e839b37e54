#include <syncbridge/fence_set.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <syncbridge/sync_file.h>

#include "fd.h"
#include "fence_internal.h"
#include "syscall.h"

/* A frame of one buffer has few: with this many, most sets grow once in their life. */
#define FENCE_SET_CAPACITY_MIN 8

struct sb_fence_set {
	struct sb_fence *fences; /* NULL until the first one is added */
	size_t count;
	size_t capacity;
	int error; /* what broke the set, 0 if nothing has */
};

int sb_fence_set_create(struct sb_fence_set **ret_set) {
	struct sb_fence_set *set = sb_sys_calloc(1, sizeof(*set));
	if (set == NULL) {
		return -ENOMEM;
	}
	*ret_set = set;
	return 0;
}

void sb_fence_set_reset(struct sb_fence_set *set) {
	for (size_t i = 0; i < set->count; i++) {
		sb_fence_clear(&set->fences[i]);
	}
	set->count = 0;
	set->error = 0;
}

void sb_fence_set_destroy(struct sb_fence_set *set) {
	if (set == NULL) {
		return;
	}
	sb_fence_set_reset(set);
	free(set->fences);
	free(set);
}

static int fence_set_reserve_one(struct sb_fence_set *set) {
	if (set->count < set->capacity) {
		return 0;
	}
	size_t capacity = set->capacity > 0 ? 2 * set->capacity : FENCE_SET_CAPACITY_MIN;
	struct sb_fence *fences = sb_sys_realloc(set->fences, capacity, sizeof(*fences));
	if (fences == NULL) {
		return -ENOMEM;
	}
	set->fences = fences;
	set->capacity = capacity;
	return 0;
}

int sb_fence_set_add(struct sb_fence_set *set, struct sb_fence *take_fence) {
	if (set->error == 0 && take_fence->type != SB_FENCE_NONE) {
		set->error = fence_set_reserve_one(set);
	}
	if (set->error < 0) {
		sb_fence_clear(take_fence);
		return set->error;
	}
	if (take_fence->type != SB_FENCE_NONE) {
		set->fences[set->count++] = sb_fence_move(take_fence);
	}
	return 0;
}

int sb_fence_set_add_buffer(
		struct sb_fence_set *set, const struct sb_buffer *buffer, enum sb_access access) {
	if (set->error < 0) {
		return set->error;
	}
	struct sb_fence fence;
	int ret = sb_buffer_export_fence(buffer, access, &fence);
	if (ret < 0) {
		set->error = ret;
		return ret;
	}
	return sb_fence_set_add(set, &fence);
}

/*
 * Drops what is ready by then. Returns 0 when that is all, else -ETIME or, where there was one, an
 * error. Once the result cannot be 0 any more the rest are not waited for, but tested.
 */
static int fence_set_drop_ready(struct sb_fence_set *set, int64_t deadline_ns) {
	int result = 0;
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		int ret = sb_fence_wait(&set->fences[i], deadline_ns);
		if (ret == 0) {
			sb_fence_clear(&set->fences[i]);
			continue;
		}
		set->fences[kept++] = set->fences[i];
		deadline_ns = 0;
		if (result == 0 || result == -ETIME) {
			result = ret;
		}
	}
	set->count = kept;
	return result;
}

/* A point that has materialised is as good as a sync_file, and stays so if a later one has not. */
static int fence_set_export_points(struct sb_fence_set *set) {
	for (size_t i = 0; i < set->count; i++) {
		struct sb_fence *fence = &set->fences[i];
		if (fence->type != SB_FENCE_POINT) {
			continue;
		}
		int sync_file_fd;
		int ret = sb_fence_export_sync_file(fence, &sync_file_fd);
		if (ret < 0) {
			return ret;
		}
		sb_fence_clear(fence);
		*fence = sb_fence_of_sync_file(sync_file_fd);
	}
	return 0;
}

/* All are sync_files, at least two. */
static int fence_set_merge(
		const struct sb_fence_set *set, const char *name, struct sb_fence *ret_fence) {
	int merged_fd = -1;
	for (size_t i = 1; i < set->count; i++) {
		int fd;
		int ret = sb_sync_file_merge(name, i == 1 ? set->fences[0].fds[0] : merged_fd,
				set->fences[i].fds[0], &fd);
		if (ret < 0) {
			sb_fd_clear(&merged_fd);
			return ret;
		}
		sb_fd_replace(&merged_fd, fd);
	}
	*ret_fence = sb_fence_of_sync_file(merged_fd);
	return 0;
}

int sb_fence_set_collapse(struct sb_fence_set *set, const char *name, struct sb_fence *ret_fence) {
	if (set->error < 0) {
		return set->error;
	}
	int ret = fence_set_drop_ready(set, 0);
	if (ret < 0 && ret != -ETIME) {
		return ret;
	}
	if (set->count == 0) {
		*ret_fence = (struct sb_fence){ 0 };
		return 0;
	}
	if (set->count == 1) {
		*ret_fence = sb_fence_move(&set->fences[0]);
		set->count = 0;
		return 0;
	}

	for (size_t i = 0; i < set->count; i++) {
		if (set->fences[i].type == SB_FENCE_IDLE) {
			return -EOPNOTSUPP;
		}
	}
	ret = fence_set_export_points(set);
	if (ret < 0) {
		return ret;
	}
	struct sb_fence merged;
	ret = fence_set_merge(set, name, &merged);
	if (ret < 0) {
		return ret;
	}
	sb_fence_set_reset(set);
	*ret_fence = merged;
	return 0;
}

int sb_fence_set_wait(struct sb_fence_set *set, int64_t deadline_ns) {
	return set->error < 0 ? set->error : fence_set_drop_ready(set, deadline_ns);
}

int sb_fence_set_create_ready_fd(struct sb_fence_set *set, int *ret_fd, short *ret_events) {
	int ret = sb_fence_set_wait(set, 0);
	if (ret == 0) {
		return -ENODATA;
	}
	return ret == -ETIME ? sb_fence_create_ready_fd(&set->fences[0], ret_fd, ret_events) : ret;
}

size_t sb_fence_set_get_count(const struct sb_fence_set *set) {
	return set->count;
}
