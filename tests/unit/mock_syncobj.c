#include "mock_syncobj.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock_ioctl.h"

#define DEVICES_MAX 64
#define HANDLES_MAX 16
#define SYNCOBJS_MAX 64
#define SYNCOBJ_FILES_MAX 64
#define NODES_MAX 16
#define EVENTS_MAX 16

/* Of the kernel's clock for timeouts; no divisor of what tests wait. */
#define TICK_NS 7

/* Who waits again and again for the kernel's clock to go back waits busily. */
#define HASTY_WAITS_MAX 16

#define LINUX(major, minor) ((major) * 100 + (minor))

/* Signals when its own fences and those of all nodes before it have. */
struct node {
	uint64_t point;
	uint64_t previous_point;
	/* Another one where the points do not rise. */
	unsigned int context;
	uint64_t fences;
};

/* Holds a chain, or fences without a point, or nothing. */
struct syncobj {
	bool used;
	/* Once it had one it is kept: nobody tells when the last fd is closed. */
	bool has_fd;
	unsigned int handles;

	struct node nodes[NODES_MAX];
	unsigned int node_count;
	bool has_fences;
	uint64_t fences;

	bool submission_armed;
	uint64_t submission_point, submission_fences;
	int64_t submission_at_ns;
};

/* Found by their inodes, as the files of mock_ioctl.c. */
struct device {
	ino_t inode;
	/* To be closed with the case. */
	bool is_kept;
	int fd;
	uint32_t features;
	bool unplugged;
	/* Handle 1 is the first. */
	struct syncobj *handles[HANDLES_MAX];
};

struct syncobj_file {
	ino_t inode;
	struct syncobj *syncobj;
};

struct event {
	bool armed;
	int fd;
	bool available;
	uint64_t point;
	/* NULL once the point has materialised, with these fences. */
	struct syncobj *syncobj;
	uint64_t fences;
};

static struct {
	struct device devices[DEVICES_MAX];
	unsigned int device_count;
	struct syncobj syncobjs[SYNCOBJS_MAX];
	struct syncobj_file files[SYNCOBJ_FILES_MAX];
	unsigned int file_count;
	struct event events[EVENTS_MAX];
	unsigned int contexts;
	unsigned int leaks_forgiven;
	unsigned int version;
	int64_t ahead_ns;
	unsigned int hasty_waits;
} drm;

/* Files. */

static int file_create(ino_t *ret_inode) {
	int fd = mock_memfd_create(0);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	*ret_inode = st.st_ino;
	return fd;
}

static struct device *device_find(int fd) {
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return NULL;
	}
	for (unsigned int i = 0; i < drm.device_count; i++) {
		if (drm.devices[i].inode == st.st_ino) {
			return &drm.devices[i];
		}
	}
	return NULL;
}

static struct syncobj *syncobj_find(int fd) {
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return NULL;
	}
	for (unsigned int i = 0; i < drm.file_count; i++) {
		if (drm.files[i].inode == st.st_ino) {
			return drm.files[i].syncobj;
		}
	}
	return NULL;
}

int mock_drm_create(uint32_t features) {
	assert_true(drm.device_count < DEVICES_MAX);
	struct device *device = &drm.devices[drm.device_count++];
	*device = (struct device){ .features = features };
	device->fd = file_create(&device->inode);
	return device->fd;
}

int mock_drm_create_kept(uint32_t features) {
	int fd = mock_drm_create(features);
	drm.devices[drm.device_count - 1].is_kept = true;
	return fd;
}

void mock_drm_unplug(int drm_fd) {
	struct device *device = device_find(drm_fd);
	assert_non_null(device);
	device->unplugged = true;
}

void mock_drm_set_linux(unsigned int major, unsigned int minor) {
	drm.version = LINUX(major, minor);
}

void mock_drm_set_clock_ahead(int64_t ahead_ns) {
	drm.ahead_ns = ahead_ns;
}

static unsigned int device_count_handles(const struct device *device) {
	unsigned int count = 0;
	for (unsigned int i = 0; i < HANDLES_MAX; i++) {
		count += device->handles[i] != NULL;
	}
	return count;
}

unsigned int mock_drm_count_handles(int drm_fd) {
	struct device *device = device_find(drm_fd);
	assert_non_null(device);
	return device_count_handles(device);
}

unsigned int mock_syncobj_count_leaks(void) {
	unsigned int count = 0;
	for (unsigned int i = 0; i < drm.device_count; i++) {
		/* They go with the device. */
		if (!drm.devices[i].unplugged) {
			count += device_count_handles(&drm.devices[i]);
		}
	}
	return count - drm.leaks_forgiven;
}

/* Eventfds. */

static void event_drop(struct event *event) {
	close(event->fd);
	event->armed = false;
}

void mock_syncobj_reset(void) {
	for (unsigned int i = 0; i < EVENTS_MAX; i++) {
		if (drm.events[i].armed) {
			event_drop(&drm.events[i]);
		}
	}
	for (unsigned int i = 0; i < drm.device_count; i++) {
		if (drm.devices[i].is_kept) {
			close(drm.devices[i].fd);
		}
	}
	memset(&drm, 0, sizeof(drm));
	drm.version = LINUX(7, 2);
}

static int chain_find(const struct syncobj *syncobj, uint64_t point, uint64_t *ret_fences);

void mock_syncobj_update(void) {
	for (unsigned int i = 0; i < EVENTS_MAX; i++) {
		struct event *event = &drm.events[i];
		if (!event->armed) {
			continue;
		}
		if (event->syncobj != NULL &&
				chain_find(event->syncobj, event->point, &event->fences) == 0) {
			event->syncobj = NULL;
		}
		if (event->syncobj == NULL &&
				(event->available || mock_fences_get_pending(event->fences) == 0)) {
			uint64_t one = 1;
			assert_int_equal(write(event->fd, &one, sizeof(one)), sizeof(one));
			event_drop(event);
		}
	}
}

/* Syncobjs. */

static struct syncobj *syncobj_create(void) {
	unsigned int slot = 0;
	while (slot < SYNCOBJS_MAX && drm.syncobjs[slot].used) {
		slot++;
	}
	assert_true(slot < SYNCOBJS_MAX);
	drm.syncobjs[slot] = (struct syncobj){ .used = true };
	return &drm.syncobjs[slot];
}

/* Nobody can submit work to it any more. */
static void syncobj_destroy(struct syncobj *syncobj) {
	for (unsigned int i = 0; i < EVENTS_MAX; i++) {
		if (drm.events[i].armed && drm.events[i].syncobj == syncobj) {
			event_drop(&drm.events[i]);
		}
	}
	syncobj->used = false;
}

static int syncobj_get_fd(struct syncobj *syncobj) {
	assert_true(drm.file_count < SYNCOBJ_FILES_MAX);
	struct syncobj_file *file = &drm.files[drm.file_count++];
	int fd = file_create(&file->inode);
	file->syncobj = syncobj;
	syncobj->has_fd = true;
	return fd;
}

/* The fences of nodes up to that one, the last one's own even where they have signalled. */
static uint64_t chain_get_fences(const struct syncobj *syncobj, unsigned int last) {
	uint64_t fences = 0;
	for (unsigned int i = 0; i < last; i++) {
		fences |= syncobj->nodes[i].fences;
	}
	return mock_fences_get_pending(fences) | syncobj->nodes[last].fences;
}

static bool chain_has_signalled(const struct syncobj *syncobj, unsigned int last) {
	return mock_fences_get_pending(chain_get_fences(syncobj, last)) == 0;
}

/* Nodes that are done are skipped, and forgotten in time, but for the newest one. */
static bool chain_has_forgotten(const struct syncobj *syncobj, unsigned int i) {
	return i + 1 < syncobj->node_count && mock_fences_get_pending(syncobj->nodes[i].fences) == 0;
}

/* dma_fence_chain_find_seqno(); point 0 is whatever the syncobj holds. */
static int chain_find(const struct syncobj *syncobj, uint64_t point, uint64_t *ret_fences) {
	if (point == 0 && syncobj->has_fences) {
		*ret_fences = syncobj->fences;
		return 0;
	}
	if (syncobj->node_count == 0) {
		return -EINVAL;
	}
	const struct node *newest = &syncobj->nodes[syncobj->node_count - 1];
	if (point == 0) {
		*ret_fences = chain_get_fences(syncobj, syncobj->node_count - 1);
		return 0;
	}
	if (newest->point < point) {
		return -EINVAL;
	}
	*ret_fences = 0;
	for (unsigned int i = syncobj->node_count; i-- > 0;) {
		const struct node *node = &syncobj->nodes[i];
		if (chain_has_forgotten(syncobj, i)) {
			continue;
		}
		if (node->context != newest->context || node->previous_point < point) {
			*ret_fences = chain_get_fences(syncobj, i);
			break;
		}
	}
	return 0;
}

/* Where there is nothing to wait for, and a later point: the kernel finds no fence then. */
static bool chain_has_overtaken(const struct syncobj *syncobj, uint64_t point, uint64_t fences) {
	return point != 0 && syncobj->nodes[syncobj->node_count - 1].previous_point >= point &&
			mock_fences_get_pending(fences) == 0;
}

static uint64_t chain_query(const struct syncobj *syncobj, bool submitted) {
	if (syncobj->node_count == 0) {
		return 0;
	}
	unsigned int newest = syncobj->node_count - 1;
	if (submitted) {
		return syncobj->nodes[newest].point;
	}
	unsigned int last = newest;
	for (unsigned int i = syncobj->node_count; i-- > 0;) {
		if (chain_has_forgotten(syncobj, i)) {
			continue;
		}
		if (syncobj->nodes[i].context != syncobj->nodes[newest].context) {
			break;
		}
		last = i;
	}
	return chain_has_signalled(syncobj, last) ? syncobj->nodes[last].point
						  : syncobj->nodes[last].previous_point;
}

/* drm_syncobj_add_point() */
static void chain_add(struct syncobj *syncobj, uint64_t point, uint64_t fences) {
	assert_true(syncobj->node_count < NODES_MAX);
	struct node node = { .point = point, .fences = fences };
	if (syncobj->has_fences) {
		/* To the kernel they are a node of their own, without a number. */
		node.fences |= syncobj->fences;
		syncobj->has_fences = false;
	}
	const struct node *newest =
			syncobj->node_count > 0 ? &syncobj->nodes[syncobj->node_count - 1] : NULL;
	if (newest != NULL && newest->point < point) {
		node.context = newest->context;
		node.previous_point = newest->point;
	} else {
		node.context = ++drm.contexts;
		if (newest != NULL && newest->point > point) {
			node.point = newest->point;
		}
	}
	syncobj->nodes[syncobj->node_count++] = node;
	mock_syncobj_update();
}

static void syncobj_replace(struct syncobj *syncobj, uint64_t fences) {
	syncobj->node_count = 0;
	syncobj->has_fences = true;
	syncobj->fences = fences;
	mock_syncobj_update();
}

static struct syncobj *syncobj_get(int syncobj_fd) {
	struct syncobj *syncobj = syncobj_find(syncobj_fd);
	assert_non_null(syncobj);
	return syncobj;
}

int mock_syncobj_create(void) {
	return syncobj_get_fd(syncobj_create());
}

void mock_syncobj_add_point(int syncobj_fd, uint64_t point, uint64_t fences) {
	chain_add(syncobj_get(syncobj_fd), point, fences);
}

void mock_syncobj_add_point_at(int syncobj_fd, uint64_t point, uint64_t fences, int64_t at_ns) {
	struct syncobj *syncobj = syncobj_get(syncobj_fd);
	assert_false(syncobj->submission_armed);
	syncobj->submission_armed = true;
	syncobj->submission_point = point;
	syncobj->submission_fences = fences;
	syncobj->submission_at_ns = at_ns;
}

void mock_syncobj_set_fences(int syncobj_fd, uint64_t fences) {
	syncobj_replace(syncobj_get(syncobj_fd), fences);
}

bool mock_syncobj_has_point(int syncobj_fd, uint64_t point) {
	uint64_t fences;
	return chain_find(syncobj_get(syncobj_fd), point, &fences) == 0;
}

uint64_t mock_syncobj_get_pending(int syncobj_fd, uint64_t point) {
	uint64_t fences;
	assert_int_equal(chain_find(syncobj_get(syncobj_fd), point, &fences), 0);
	return mock_fences_get_pending(fences);
}

/* Handles. */

static struct syncobj *handle_find(const struct device *device, uint32_t handle) {
	return handle > 0 && handle <= HANDLES_MAX ? device->handles[handle - 1] : NULL;
}

static uint32_t handle_create(struct device *device, struct syncobj *syncobj) {
	uint32_t slot = 0;
	while (slot < HANDLES_MAX && device->handles[slot] != NULL) {
		slot++;
	}
	assert_true(slot < HANDLES_MAX);
	device->handles[slot] = syncobj;
	syncobj->handles++;
	return slot + 1;
}

/* The ioctls, with their checks in the kernel's order. */

static int get_cap(const struct device *device, struct drm_get_cap *data) {
	if (data->capability == DRM_CAP_SYNCOBJ_TIMELINE && drm.version >= LINUX(5, 2)) {
		data->value = (device->features & MOCK_DRM_TIMELINES) != 0;
		return 0;
	}
	return (device->features & MOCK_DRM_DISPLAY) != 0 ? -EINVAL : -EOPNOTSUPP;
}

static int create(struct device *device, struct drm_syncobj_create *data) {
	if (data->flags != 0) {
		return -EINVAL;
	}
	data->handle = handle_create(device, syncobj_create());
	return 0;
}

static int destroy(struct device *device, const struct drm_syncobj_destroy *data) {
	struct syncobj *syncobj = handle_find(device, data->handle);
	if (data->pad != 0 || syncobj == NULL) {
		return -EINVAL;
	}
	device->handles[data->handle - 1] = NULL;
	if (--syncobj->handles == 0 && !syncobj->has_fd) {
		syncobj_destroy(syncobj);
	}
	return 0;
}

static int handle_to_fd(struct device *device, struct drm_syncobj_handle *data) {
	uint32_t valid_flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE;
	if (drm.version >= LINUX(6, 16)) {
		valid_flags |= DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE;
	}
	if (data->pad != 0 || (data->flags & ~valid_flags) != 0) {
		return -EINVAL;
	}
	bool has_point = (data->flags & DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE) != 0;
	struct syncobj *syncobj = handle_find(device, data->handle);
	if ((data->flags & DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE) != 0) {
		if (syncobj == NULL) {
			return -ENOENT;
		}
		uint64_t fences;
		int ret = chain_find(syncobj, has_point ? data->point : 0, &fences);
		if (ret < 0) {
			return ret;
		}
		data->fd = mock_sync_file_create(fences != 0 ? fences : mock_fence_create_stub(1));
		return 0;
	}
	if (data->point != 0 || syncobj == NULL) {
		return -EINVAL;
	}
	data->fd = syncobj_get_fd(syncobj);
	return 0;
}

static int fd_to_handle(struct device *device, struct drm_syncobj_handle *data) {
	uint32_t valid_flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE;
	if (data->pad != 0) {
		return -EINVAL;
	}
	if ((data->flags & DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE) != 0) {
		fail_msg("puts a sync_file into a chain that may be one itself");
	}
	if ((data->flags & ~valid_flags) != 0) {
		return -EINVAL;
	}
	if ((data->flags & DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE) != 0) {
		if (!mock_is_sync_file(data->fd)) {
			return -EINVAL;
		}
		struct syncobj *syncobj = handle_find(device, data->handle);
		if (syncobj == NULL) {
			return -ENOENT;
		}
		syncobj_replace(syncobj, mock_sync_file_get_fences(data->fd));
		return 0;
	}
	struct syncobj *syncobj = syncobj_find(data->fd);
	if (data->point != 0 || syncobj == NULL) {
		return -EINVAL;
	}
	data->handle = handle_create(device, syncobj);
	return 0;
}

static int transfer(struct device *device, const struct drm_syncobj_transfer *data) {
	if (data->pad != 0) {
		return -EINVAL;
	}
	struct syncobj *syncobj = handle_find(device, data->dst_handle);
	struct syncobj *source = handle_find(device, data->src_handle);
	if (syncobj == NULL || source == NULL) {
		return -ENOENT;
	}
	/* WAIT_FOR_SUBMIT may be given, and would block. */
	assert_int_equal(data->flags, 0);
	uint64_t fences;
	int ret = chain_find(source, data->src_point, &fences);
	if (ret < 0) {
		return ret;
	}
	if (data->dst_point == 0) {
		syncobj_replace(syncobj, fences);
		if (drm.version < LINUX(5, 16) &&
				chain_has_overtaken(source, data->src_point, fences)) {
			syncobj->has_fences = false;
		}
	} else {
		chain_add(syncobj, data->dst_point, mock_fences_merge(fences));
	}
	return 0;
}

/* For one syncobj: the library has no use for more. */
static int array_find(const struct device *device, uint64_t handles, uint32_t count,
		struct syncobj **ret_syncobj) {
	assert_int_equal(count, 1);
	*ret_syncobj = handle_find(device, *(const uint32_t *)(uintptr_t)handles);
	return *ret_syncobj != NULL ? 0 : -ENOENT;
}

static int timeline_signal(
		const struct device *device, const struct drm_syncobj_timeline_array *data) {
	if (data->flags != 0) {
		return -EINVAL;
	}
	struct syncobj *syncobj;
	int ret = array_find(device, data->handles, data->count_handles, &syncobj);
	if (ret == 0) {
		chain_add(syncobj, *(const uint64_t *)(uintptr_t)data->points, 0);
	}
	return ret;
}

static int query(const struct device *device, const struct drm_syncobj_timeline_array *data) {
	uint32_t valid_flags = drm.version >= LINUX(5, 5) ? DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
							  : 0;
	if ((data->flags & ~valid_flags) != 0) {
		return -EINVAL;
	}
	struct syncobj *syncobj;
	int ret = array_find(device, data->handles, data->count_handles, &syncobj);
	if (ret == 0) {
		*(uint64_t *)(uintptr_t)data->points = chain_query(syncobj, data->flags != 0);
	}
	return ret;
}

static void submission_run(struct syncobj *syncobj) {
	if (syncobj->submission_armed && syncobj->submission_at_ns <= mock_clock_get_ns()) {
		syncobj->submission_armed = false;
		chain_add(syncobj, syncobj->submission_point, syncobj->submission_fences);
	}
}

/* drm_timeout_abs_to_jiffies(): a number of ticks, of which the last one may have come too early. */
static int64_t wait_get_end_ns(int64_t deadline_ns) {
	int64_t now_ns = mock_clock_get_ns();
	if (deadline_ns > now_ns && deadline_ns <= now_ns + drm.ahead_ns) {
		if (++drm.hasty_waits > HASTY_WAITS_MAX) {
			fail_msg("waits busily");
		}
		return now_ns;
	}
	if (deadline_ns < now_ns + TICK_NS) {
		return deadline_ns;
	}
	return now_ns + (deadline_ns - now_ns) / TICK_NS * TICK_NS;
}

static int timeline_wait(const struct device *device, struct drm_syncobj_timeline_wait *data) {
	uint32_t valid_flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL |
			DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
			DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	if ((data->flags & ~valid_flags) != 0) {
		return -EINVAL;
	}
	struct syncobj *syncobj;
	int ret = array_find(device, data->handles, data->count_handles, &syncobj);
	if (ret < 0) {
		return ret;
	}
	uint64_t point = *(const uint64_t *)(uintptr_t)data->points;
	bool available = (data->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0;
	bool submit = (data->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT) != 0;
	/* Without WAIT_FOR_SUBMIT it was not woken by the submission. */
	bool deaf = available && !submit && drm.version < LINUX(6, 8);

	int64_t end_ns = wait_get_end_ns(data->timeout_nsec);
	for (;;) {
		submission_run(syncobj);
		uint64_t fences = 0;
		ret = chain_find(syncobj, point, &fences);
		if (ret < 0 && !submit && !available) {
			return -EINVAL;
		}
		fences = mock_fences_get_pending(fences);
		if (ret == 0 && (available || fences == 0)) {
			data->first_signaled = 0;
			return 0;
		}
		if (mock_clock_get_ns() >= end_ns) {
			return -ETIME;
		}
		int64_t limit_ns = end_ns;
		if (syncobj->submission_armed && syncobj->submission_at_ns < limit_ns && !deaf) {
			limit_ns = syncobj->submission_at_ns;
		}
		ret = mock_clock_run(fences, limit_ns);
		if (ret < 0) {
			return ret;
		}
	}
}

static int eventfd(const struct device *device, const struct drm_syncobj_eventfd *data) {
	if ((data->flags & ~(uint32_t)DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) != 0 || data->pad != 0) {
		return -EINVAL;
	}
	struct syncobj *syncobj = handle_find(device, data->handle);
	if (syncobj == NULL) {
		return -ENOENT;
	}
	unsigned int slot = 0;
	while (slot < EVENTS_MAX && drm.events[slot].armed) {
		slot++;
	}
	assert_true(slot < EVENTS_MAX);
	int fd = fcntl(data->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		return -EBADF;
	}
	drm.events[slot] = (struct event){
		.armed = true,
		.fd = fd,
		.available = data->flags != 0,
		.point = data->point,
		.syncobj = syncobj,
	};
	mock_syncobj_update();
	return 0;
}

static int device_ioctl(struct device *device, unsigned long request, void *arg) {
	if (device->unplugged) {
		return -ENODEV;
	}
	if (_IOC_TYPE(request) != DRM_IOCTL_BASE) {
		return -ENOTTY;
	}
	switch (request) {
	case DRM_IOCTL_GET_CAP:
		return get_cap(device, arg);
	case DRM_IOCTL_SYNCOBJ_CREATE:
		return create(device, arg);
	case DRM_IOCTL_SYNCOBJ_DESTROY:
		return destroy(device, arg);
	case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD:
		return handle_to_fd(device, arg);
	case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE:
		return fd_to_handle(device, arg);
	}
	if (request == DRM_IOCTL_SYNCOBJ_EVENTFD && drm.version < LINUX(6, 6)) {
		return -EINVAL;
	}
	if ((device->features & MOCK_DRM_TIMELINES) == 0) {
		return -EOPNOTSUPP;
	}
	switch (request) {
	case DRM_IOCTL_SYNCOBJ_TRANSFER:
		return transfer(device, arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
		return timeline_signal(device, arg);
	case DRM_IOCTL_SYNCOBJ_QUERY:
		return query(device, arg);
	case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT:
		return timeline_wait(device, arg);
	case DRM_IOCTL_SYNCOBJ_EVENTFD:
		return eventfd(device, arg);
	}
	return -EINVAL;
}

bool mock_syncobj_ioctl(int fd, unsigned long request, void *arg, int *ret_result) {
	struct device *device = device_find(fd);
	if (device == NULL) {
		return false;
	}
	*ret_result = device_ioctl(device, request, arg);
	/* Real ones leave all kinds of things there. */
	errno = EBADMSG;
	return true;
}

void mock_syncobj_ioctl_failed(unsigned long request) {
	drm.leaks_forgiven += request == DRM_IOCTL_SYNCOBJ_DESTROY;
}
