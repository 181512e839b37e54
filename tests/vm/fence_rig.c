#include "fence_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "kms.h"
#include "sw_sync.h"

#define RENDER_NODE_FIRST 128
#define RENDER_NODES_MAX 16

/* After this time, what is still there will stay. */
#define LEFT_BEHIND_MS 5000

#define SW_SYNC_INFO_PATH "/sys/kernel/debug/sync/info"
#define TAINTED_PATH "/proc/sys/kernel/tainted"
#define BUFINFO_PATH "/sys/kernel/debug/dma_buf/bufinfo"

/* Nodes are numbered in the order in which the drivers come up. */
static int open_render_node(const char *driver) {
	for (int i = 0; i < RENDER_NODES_MAX; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", RENDER_NODE_FIRST + i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			continue;
		}
		drmVersion *version = drmGetVersion(fd);
		bool matches = version != NULL && strcmp(version->name, driver) == 0;
		drmFreeVersion(version);
		if (matches) {
			return fd;
		}
		close(fd);
	}
	fail_msg("no render node of %s", driver);
	return -1;
}

/* A render node makes no dumb buffers. */
static int open_card(const char *driver) {
	char path[KMS_NAME_SIZE];
	kms_find_card(driver, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static uint32_t get_next_syncobj(int drm_fd) {
	uint32_t handle;
	assert_int_equal(drmSyncobjCreate(drm_fd, 0, &handle), 0);
	assert_int_equal(drmSyncobjDestroy(drm_fd, handle), 0);
	return handle;
}

/* Every timeline ends with an empty line (sync_info_debugfs_show()). */
static int count_sw_timelines(void) {
	FILE *file = fopen(SW_SYNC_INFO_PATH, "re");
	assert_non_null(file);
	char line[256];
	int count = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		count += line[0] == '\n';
	}
	fclose(file);
	return count;
}

static int count_dmabufs(void) {
	FILE *file = fopen(BUFINFO_PATH, "re");
	assert_non_null(file);
	char line[256];
	int count = -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		int total;
		if (sscanf(line, "Total %d objects", &total) == 1) {
			count = total;
		}
	}
	fclose(file);
	assert_true(count >= 0);
	return count;
}

/* Documentation/admin-guide/tainted-kernels.rst: bit 9, the kernel has warned. */
static bool kernel_has_warned(void) {
	FILE *file = fopen(TAINTED_PATH, "re");
	assert_non_null(file);
	unsigned long tainted;
	assert_int_equal(fscanf(file, "%lu", &tainted), 1);
	fclose(file);
	return tainted & (1ul << 9);
}

static struct fence_rig_counts count_all(const struct fence_rig *rig) {
	return (struct fence_rig_counts){
		.fds = fds_count_open(),
		.sw_timelines = count_sw_timelines(),
		.dmabufs = count_dmabufs(),
		.syncobj = get_next_syncobj(rig->drm_fd),
		.other_syncobj = get_next_syncobj(rig->other_drm_fd),
		.kernel_warned = kernel_has_warned(),
	};
}

void fence_rig_init(struct fence_rig *rig) {
	rig->drm_fd = open_render_node("virtio_gpu");
	rig->other_drm_fd = open_render_node("virtio_gpu");
	rig->vgem_fd = open_card("vgem");
	rig->before = count_all(rig);
}

void fence_rig_finish(struct fence_rig *rig) {
	/* The last reference to a dma-buf that was polled is put by a worker of the kernel. */
	struct fence_rig_counts now;
	int64_t end_ns = fence_rig_get_time_ns() + INT64_C(1000000) * LEFT_BEHIND_MS;
	for (;;) {
		now = count_all(rig);
		if ((now.sw_timelines <= rig->before.sw_timelines &&
				    now.dmabufs <= rig->before.dmabufs) ||
				fence_rig_get_time_ns() > end_ns) {
			break;
		}
		poll(NULL, 0, 1);
	}
	close(rig->vgem_fd);
	close(rig->other_drm_fd);
	close(rig->drm_fd);
	assert_int_equal(now.fds, rig->before.fds);
	assert_int_equal(now.sw_timelines, rig->before.sw_timelines);
	assert_int_equal(now.dmabufs, rig->before.dmabufs);
	assert_int_equal(now.syncobj, rig->before.syncobj);
	assert_int_equal(now.other_syncobj, rig->before.other_syncobj);
	assert_int_equal(now.kernel_warned, rig->before.kernel_warned);
}

int64_t fence_rig_get_time_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return INT64_C(1000000000) * now.tv_sec + now.tv_nsec;
}

bool fence_rig_poll(int fd, short events, int timeout_ms) {
	struct pollfd pollfd = { .fd = fd, .events = events };
	int ret = poll(&pollfd, 1, timeout_ms);
	assert_true(ret >= 0);
	if (ret == 0) {
		return false;
	}
	assert_int_equal(pollfd.revents, events);
	return true;
}

void rig_fence_init(struct rig_fence *fence) {
	fence->timeline_fd = sw_timeline_create();
	assert_true(fence->timeline_fd >= 0);
	fence->sync_file_fd = sw_timeline_create_fence(fence->timeline_fd, 1);
	assert_true(fence->sync_file_fd >= 0);
}

void rig_fence_signal(struct rig_fence *fence) {
	assert_int_equal(sw_timeline_signal(fence->timeline_fd, 1), 0);
}

void rig_fence_fail(struct rig_fence *fence) {
	close(fence->timeline_fd);
	fence->timeline_fd = -1;
}

void rig_fence_finish(struct rig_fence *fence) {
	if (fence->sync_file_fd <= 0) {
		return;
	}
	if (fence->timeline_fd >= 0) {
		close(fence->timeline_fd);
	}
	close(fence->sync_file_fd);
	*fence = (struct rig_fence){ 0 };
}

int rig_fence_dup(const struct rig_fence *fence) {
	int fd = fcntl(fence->sync_file_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}
