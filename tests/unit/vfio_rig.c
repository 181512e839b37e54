#include "vfio_rig.h"

#include <dirent.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <xf86drmMode.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "log_lines.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define DEVICE_NUMBER makedev(1, 5)
#define IOMMUFD_NUMBER makedev(1, 3)

struct mock mock;

struct consumer consumer;

static char sysfs_dir[] = "/tmp/oriel-vfio-XXXXXX";
int fd_count_at_start;
size_t step_now;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
int __real_stat(const char *path, struct stat *ret_stat);
int __wrap_stat(const char *path, struct stat *ret_stat);
int __wrap_stat64(const char *path, struct stat *ret_stat);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
off_t __real_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek64(int fd, off_t offset, int whence);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

static bool call_fails(void) {
	mock.calls++;
	if (mock.fail_at == mock.calls) {
		errno = mock.fail_error;
		return true;
	}
	return false;
}

static int fail_with(int error) {
	errno = error;
	return -1;
}

int __wrap_open(const char *path, int flags, ...) {
	assert_true(flags & O_CLOEXEC);
	if (call_fails()) {
		return -1;
	}
	if (strcmp(path, DEVICE_PATH) == 0) {
		return mock.open_error != 0 ? fail_with(mock.open_error)
					    : __real_open("/dev/zero", flags);
	}
	if (strcmp(path, "/dev/iommu") == 0) {
		return mock.iommufd_error != 0 ? fail_with(mock.iommufd_error)
					       : __real_open("/dev/null", flags);
	}
	return __real_open(path, flags);
}

int __wrap_open64(const char *path, int flags, ...) {
	return __wrap_open(path, flags);
}

DIR *__wrap_opendir(const char *path) {
	if (strncmp(path, "/sys/", strlen("/sys/")) != 0) {
		return __real_opendir(path);
	}
	if (call_fails()) {
		return NULL;
	}
	char redirected[512];
	snprintf(redirected, sizeof(redirected), "%s%s", sysfs_dir, path);
	return __real_opendir(redirected);
}

int __wrap_stat(const char *path, struct stat *ret_stat) {
	if (call_fails()) {
		return -1;
	}
	if (strcmp(path, DEVICE_PATH) == 0) {
		*ret_stat = (struct stat){ .st_mode = S_IFCHR, .st_rdev = DEVICE_NUMBER };
		return 0;
	}
	if (strncmp(path, "/sys/", strlen("/sys/")) != 0) {
		return __real_stat(path, ret_stat);
	}
	char redirected[512];
	snprintf(redirected, sizeof(redirected), "%s%s", sysfs_dir, path);
	return __real_stat(redirected, ret_stat);
}

int __wrap_stat64(const char *path, struct stat *ret_stat) {
	return __wrap_stat(path, ret_stat);
}

static ssize_t readlink_to(const char *link, char *target, size_t size) {
	size_t length = strlen(link) < size ? strlen(link) : size;
	memcpy(target, link, length);
	return (ssize_t)length;
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size) {
	if (call_fails()) {
		return -1;
	}
	int fd;
	if (strcmp(path, "/sys/dev/char/1:5") == 0) {
		return readlink_to("../../devices/virtual/vfio-dev/vfio3", target, size);
	}
	if (strcmp(path, "/sys/dev/char/1:5/subsystem") == 0) {
		return mock.removed ? fail_with(ENOENT)
				    : readlink_to("../../../../../class/vfio-dev", target, size);
	}
	if (mock.group && sscanf(path, "/proc/self/fd/%d", &fd) == 1) {
		return readlink_to("anon_inode:[vfio-device]", target, size);
	}
	return __real_readlink(path, target, size);
}

static dev_t get_number(int fd) {
	struct stat stat;
	assert_int_equal(fstat(fd, &stat), 0);
	return S_ISCHR(stat.st_mode) ? stat.st_rdev : 0;
}

static int mock_bind(struct vfio_device_bind_iommufd *bind) {
	assert_true(bind->argsz >= offsetof(struct vfio_device_bind_iommufd, out_devid) + 4);
	assert_int_equal(bind->flags, 0);
	assert_true(get_number(bind->iommufd) == IOMMUFD_NUMBER);
	mock.binds++;
	if (mock.bind_error != 0) {
		return fail_with(mock.bind_error);
	}
	mock.bound = true;
	return 0;
}

static void mock_fill_info(struct vfio_device_gfx_plane_info *info, const struct plane *plane) {
	/* As kvmgt does for a plane that is off: nothing is written. */
	if (plane->format == 0) {
		return;
	}
	info->drm_format = plane->format;
	info->drm_format_mod = plane->modifier;
	info->width = plane->width;
	info->height = plane->height;
	info->stride = plane->stride;
	info->size = plane->size;
	if (info->flags == VFIO_GFX_PLANE_TYPE_REGION) {
		info->region_index = plane->id;
	} else {
		info->dmabuf_id = plane->id;
	}
}

static int mock_query_cursor(struct vfio_device_gfx_plane_info *info) {
	/* Of a display that is a region nobody asks for it. */
	assert_int_equal(info->flags, VFIO_GFX_PLANE_TYPE_DMABUF);
	mock.cursor_queries++;
	if (mock.cursor_error != 0) {
		return fail_with(mock.cursor_error);
	}
	mock_fill_info(info, &mock.cursor);
	info->x_pos = mock.cursor_x;
	info->y_pos = mock.cursor_y;
	info->x_hot = mock.cursor_hot_x;
	info->y_hot = mock.cursor_hot_y;
	return 0;
}

static int mock_query_plane(struct vfio_device_gfx_plane_info *info) {
	assert_true(info->argsz >= offsetof(struct vfio_device_gfx_plane_info, region_index) + 4);
	if (info->drm_plane_type == DRM_PLANE_TYPE_CURSOR) {
		return mock_query_cursor(info);
	}
	assert_int_equal(info->drm_plane_type, DRM_PLANE_TYPE_PRIMARY);
	switch (info->flags) {
	case VFIO_GFX_PLANE_TYPE_PROBE | VFIO_GFX_PLANE_TYPE_DMABUF:
		return mock.probe_dmabuf_error != 0 ? fail_with(mock.probe_dmabuf_error) : 0;
	case VFIO_GFX_PLANE_TYPE_PROBE | VFIO_GFX_PLANE_TYPE_REGION:
		return mock.probe_region_error != 0 ? fail_with(mock.probe_region_error) : 0;
	case VFIO_GFX_PLANE_TYPE_DMABUF:
		assert_int_equal(mock.probe_dmabuf_error, 0);
		break;
	case VFIO_GFX_PLANE_TYPE_REGION:
		assert_int_equal(mock.probe_region_error, 0);
		break;
	default:
		fail_msg("flags %#x", info->flags);
	}
	mock.queries++;
	if (mock.query_error != 0) {
		int error = mock.query_error;
		if (mock.query_fails_once) {
			mock.query_error = 0;
		}
		return fail_with(error);
	}
	mock_fill_info(info, &mock.plane);
	return 0;
}

static int mock_get_dmabuf(uint32_t id) {
	bool is_cursor = mock.cursor.format != 0 && id == mock.cursor.id;
	if (is_cursor) {
		mock.cursor_gets++;
	} else {
		mock.gets++;
		assert_int_equal(id, mock.plane.id);
	}
	if (mock.get_error != 0) {
		return fail_with(mock.get_error);
	}
	/* Not CLOEXEC, like the dma-bufs of mbochs. */
	int fd = memfd_create("dma-buf", 0);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)mock.memory_bytes), 0);
	return fd;
}

/* Fences of dma-bufs that nobody writes to, or that cannot be known. */
static int mock_dmabuf_ioctl(unsigned long request, void *argument) {
	if (!mock.has_fences) {
		return fail_with(ENOTTY);
	}
	if (request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE) {
		int fd = eventfd(mock.writer_is_pending ? 0 : 1, EFD_CLOEXEC);
		assert_true(fd >= 0);
		((struct dma_buf_export_sync_file *)argument)->fd = fd;
	}
	return 0;
}

static int mock_get_region_info(struct vfio_region_info *info) {
	mock.region_infos++;
	if (info->index != mock.region_index) {
		return fail_with(EINVAL);
	}
	info->flags = mock.region_flags;
	info->size = mock.memory_bytes;
	info->offset = mock.region_offset;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	if (call_fails()) {
		return -1;
	}
	if (request == DMA_BUF_IOCTL_EXPORT_SYNC_FILE || request == DMA_BUF_IOCTL_SYNC) {
		return mock_dmabuf_ioctl(request, argument);
	}
	assert_true(get_number(fd) == (mock.group ? 0 : DEVICE_NUMBER));
	if (request == VFIO_DEVICE_BIND_IOMMUFD) {
		return mock_bind(argument);
	}
	if (!mock.bound) {
		return fail_with(EINVAL);
	}
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		assert_int_equal(((struct vfio_device_info *)argument)->argsz, 16);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return mock_get_region_info(argument);
	case VFIO_DEVICE_QUERY_GFX_PLANE:
		return mock_query_plane(argument);
	case VFIO_DEVICE_GET_GFX_DMABUF:
		return mock_get_dmabuf(*(uint32_t *)argument);
	default:
		fail_msg("ioctl %#lx", request);
		return fail_with(ENOTTY);
	}
}

int __wrap_fcntl(int fd, int command, ...) {
	int argument = 0;
	if (command != F_GETFD) {
		va_list args;
		va_start(args, command);
		argument = va_arg(args, int);
		va_end(args);
	}
	return call_fails() ? -1 : __real_fcntl(fd, command, argument);
}

int __wrap_fcntl64(int fd, int command, ...) {
	int argument = 0;
	if (command != F_GETFD) {
		va_list args;
		va_start(args, command);
		argument = va_arg(args, int);
		va_end(args);
	}
	return __wrap_fcntl(fd, command, argument);
}

off_t __wrap_lseek(int fd, off_t offset, int whence) {
	return call_fails() ? -1 : __real_lseek(fd, offset, whence);
}

off_t __wrap_lseek64(int fd, off_t offset, int whence) {
	return __wrap_lseek(fd, offset, whence);
}

void *__wrap_calloc(size_t count, size_t size) {
	return call_fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text) {
	return call_fails() ? NULL : __real_strdup(text);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time) {
	if (clock == CLOCK_THREAD_CPUTIME_ID) {
		ret_time->tv_sec = ret_time->tv_nsec = 0;
		return 0;
	}
	assert_int_equal(clock, CLOCK_MONOTONIC);
	ret_time->tv_sec = (time_t)(mock.now_ns / 1000000000);
	ret_time->tv_nsec = (long)(mock.now_ns % 1000000000);
	return 0;
}

static bool consumer_wants(
		void *data, enum oriel_guest_plane plane, const struct oriel_guest_buffer *buffer) {
	return !consumer.is_full[plane];
}

static void consumer_frame(void *data, struct oriel_guest_frame *take_frame) {
	const bool is_cursor = take_frame->plane == ORIEL_GUEST_PLANE_CURSOR;
	struct oriel_guest_frame **held = is_cursor ? &consumer.held_cursor : &consumer.held;
	struct oriel_guest_buffer *buffer = oriel_guest_frame_get_buffer(take_frame);
	if (is_cursor) {
		consumer.cursor_frames++;
		consumer.cursor = take_frame->cursor;
		consumer.cursor_is_shown = true;
	} else {
		consumer.frames++;
		consumer.buffer = buffer;
	}
	int fd = oriel_guest_buffer_get_dmabuf_fd(buffer);
	assert_true(fd < 0 || __real_fcntl(fd, F_GETFD) & FD_CLOEXEC);
	oriel_guest_frame_destroy(*held);
	*held = NULL;
	if (consumer.hold) {
		*held = take_frame;
	} else {
		oriel_guest_frame_destroy(take_frame);
	}
}

static void consumer_cursor(void *data, const struct oriel_guest_cursor *cursor) {
	consumer.cursor_moves++;
	consumer.cursor_is_shown = cursor != NULL;
	if (cursor != NULL) {
		consumer.cursor = *cursor;
	}
}

static void consumer_state(void *data, enum oriel_source_state state) {
	assert_int_not_equal(consumer.state, state);
	consumer.states++;
	consumer.state = state;
}

static const struct oriel_source_consumer consumer_impl = {
	.wants = consumer_wants,
	.frame = consumer_frame,
	.cursor = consumer_cursor,
	.state = consumer_state,
};

void drop_held(void) {
	oriel_guest_frame_destroy(consumer.held);
	oriel_guest_frame_destroy(consumer.held_cursor);
	consumer.held = consumer.held_cursor = NULL;
}

const struct plane plane_640 = {
	.width = 640,
	.height = 480,
	.stride = 640 * 4,
	.format = DRM_FORMAT_XRGB8888,
	.id = 1,
	.size = 640 * 480 * 4,
};

void reset(void) {
	memset(&mock, 0, sizeof(mock));
	memset(&consumer, 0, sizeof(consumer));
	log_lines_init();
	mock.now_ns = 1000 * 1000 * MSEC_NS;
	mock.probe_region_error = EINVAL;
	mock.plane = plane_640;
	mock.memory_bytes = 640 * 480 * 4;
}

int setup(void **state) {
	reset();
	fd_count_at_start = fds_count_open();
	return 0;
}

int teardown(void **state) {
	if (step_now != 0) {
		print_message("# it failed at step %zu\n", step_now);
		step_now = 0;
		return 0;
	}
	assert_int_equal(fds_count_open(), fd_count_at_start);
	return 0;
}

struct oriel_source *create(const char *where) {
	struct oriel_source *source = oriel_source_create(NULL, "win", "vfio", where, NULL);
	if (source != NULL) {
		oriel_source_set_consumer(source, &consumer_impl, NULL);
	}
	return source;
}

struct oriel_source *create_device(void) {
	struct oriel_source *source = create(DEVICE_PATH);
	assert_non_null(source);
	assert_int_equal(log_lines_get_count(), 0);
	return source;
}

void poll_for(struct oriel_source *source, uint64_t time_ns) {
	for (uint64_t end_ns = mock.now_ns + time_ns; mock.now_ns < end_ns; mock.now_ns += POLL_NS) {
		oriel_source_poll(source);
	}
}

void destroy_balanced(struct oriel_source *source) {
	struct oriel_source_counters counters = oriel_source_get_counters(source);
	assert_int_equal(counters.taken, counters.released);
	oriel_source_destroy(source);
}

void assert_one_line(const char *text) {
	assert_int_equal(log_lines_get_count(), 1);
	if (strstr(log_lines_get_last(), "guest win: ") == NULL ||
			strstr(log_lines_get_last(), text) == NULL) {
		fail_msg("'%s' is not in '%s'", text, log_lines_get_last());
	}
	log_lines_init();
}

void make_dir(const char *path) {
	char full[512];
	snprintf(full, sizeof(full), "%s%s", sysfs_dir, path);
	for (char *slash = full + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
}

struct oriel_source *create_handed_over(int *ret_fd) {
	int fd = mock.group ? eventfd(0, 0) : __real_open("/dev/zero", O_RDWR);
	assert_true(fd >= 0);
	char where[32];
	snprintf(where, sizeof(where), "fd:%d", fd);
	*ret_fd = fd;
	return create(where);
}

int open_real(const char *path, int flags) {
	return __real_open(path, flags);
}

int get_fd_flags(int fd) {
	return __real_fcntl(fd, F_GETFD);
}

bool vfio_rig_init(void) {
	if (mkdtemp(sysfs_dir) == NULL) {
		perror(sysfs_dir);
		return false;
	}
	make_dir(MDEV "/vfio-dev/vfio3/dev");
	make_dir("/sys/devices/bare");
	make_dir("/sys/devices/going/vfio-dev");
	return true;
}

void vfio_rig_finish(void) {
	static const char *const dirs[] = {
		MDEV "/vfio-dev/vfio3/dev",
		MDEV "/vfio-dev/vfio3",
		MDEV "/vfio-dev",
		MDEV,
		"/sys/bus/mdev/devices",
		"/sys/bus/mdev",
		"/sys/bus",
		"/sys/devices/bare",
		"/sys/devices/going/vfio-dev",
		"/sys/devices/going",
		"/sys/devices",
		"/sys",
		"",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(dirs); i++) {
		char path[512];
		snprintf(path, sizeof(path), "%s%s", sysfs_dir, dirs[i]);
		rmdir(path);
	}
}
