#include "mock_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "mock_syncobj.h"
#include "syscall.h"

#define FILES_MAX 256
#define NS_PER_S INT64_C(1000000000)

struct fence {
	int status;
	int64_t signalled_ns;
	int64_t due_ns; /* INT64_MAX: when the test says so */
};

enum file_kind {
	FILE_SYNC_FILE,
	FILE_DMABUF,
	FILE_MEMFD,
};

/*
 * Found by its inode, so that duplicates of an fd are the same file, and a new file that got the
 * number of an old one is another.
 */
struct file {
	enum file_kind kind;
	ino_t inode;
	uint64_t fences;
	uint64_t readers, writers;
	uint64_t size_bytes;
	char name[32];
};

static struct {
	struct fence fences[MOCK_FENCES_MAX];
	unsigned int fence_count;
	struct file files[FILES_MAX];
	unsigned int file_count;

	int64_t now_ns;
	int64_t interrupt_at_ns;
	bool interrupt_armed;
	short report;
	bool poll_is_old;
	unsigned long removed_request;
	unsigned int shrink;
	bool inodes_shared;
	uint64_t sync_flags;

	unsigned int calls;
	unsigned int fail_nth;
	int fail_error;
	int injected;
	bool disarmed;

	int fds_before;
} kernel;

/* Of mock_fail_each_call(), which resets nothing between its runs. */
static unsigned int plan_nth;
static int plan_error;

int mock_setup(void **state) {
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	mock_syncobj_reset();
	kernel.now_ns = 1000 * NS_PER_S;
	kernel.fds_before = fds_count_open();
	return kernel.fds_before < 0 ? -1 : 0;
}

static bool syncobjs_are_closed(void) {
	unsigned int leaks = mock_syncobj_count_leaks();
	mock_syncobj_reset();
	if (leaks > 0) {
		print_error("%u handles of syncobjs are left\n", leaks);
	}
	return leaks == 0;
}

int mock_teardown(void **state) {
	(void)state;
	if (!syncobjs_are_closed()) {
		return -1;
	}
	int fds_after = fds_count_open();
	if (fds_after != kernel.fds_before) {
		print_error("open fds: %d before, %d after\n", kernel.fds_before, fds_after);
		return -1;
	}
	if (kernel.fail_nth > 0 && kernel.injected == 0) {
		print_error("call %u was to fail, and there were %u\n", kernel.fail_nth,
				kernel.calls);
		return -1;
	}
	return 0;
}

/* Fences. */

uint64_t mock_fence_create(void) {
	assert_true(kernel.fence_count < MOCK_FENCES_MAX);
	kernel.fences[kernel.fence_count] = (struct fence){ .due_ns = INT64_MAX };
	return UINT64_C(1) << kernel.fence_count++;
}

uint64_t mock_fences_create(unsigned int count) {
	uint64_t fences = 0;
	for (unsigned int i = 0; i < count; i++) {
		fences |= mock_fence_create();
	}
	return fences;
}

void mock_fence_signal(uint64_t fences, int err) {
	assert_true(err <= 0);
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		struct fence *fence = &kernel.fences[i];
		if ((fences >> i & 1) != 0 && fence->status == 0) {
			fence->status = err < 0 ? err : 1;
			fence->signalled_ns = kernel.now_ns;
		}
	}
	mock_syncobj_update();
}

void mock_fence_signal_at(uint64_t fences, int64_t at_ns) {
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if ((fences >> i & 1) != 0) {
			kernel.fences[i].due_ns = at_ns;
		}
	}
}

uint64_t mock_fences_get_pending(uint64_t fences) {
	uint64_t pending = 0;
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if (kernel.fences[i].status == 0) {
			pending |= UINT64_C(1) << i;
		}
	}
	return fences & pending;
}

static int64_t fences_last_signalled_ns(uint64_t fences) {
	int64_t last_ns = 0;
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if ((fences >> i & 1) != 0 && kernel.fences[i].signalled_ns > last_ns) {
			last_ns = kernel.fences[i].signalled_ns;
		}
	}
	return last_ns;
}

uint64_t mock_fence_create_stub(int64_t signalled_ns) {
	uint64_t stub = mock_fence_create();
	kernel.fences[kernel.fence_count - 1].status = 1;
	kernel.fences[kernel.fence_count - 1].signalled_ns = signalled_ns;
	return stub;
}

uint64_t mock_fences_merge(uint64_t fences) {
	uint64_t pending = mock_fences_get_pending(fences);
	return pending != 0 ? pending : mock_fence_create_stub(fences_last_signalled_ns(fences));
}

/* The clock. */

int64_t mock_clock_get_ns(void) {
	return kernel.now_ns;
}

void mock_clock_set_ns(int64_t now_ns) {
	kernel.now_ns = now_ns;
}

/* Moves the clock on to the next fence's time, but not past limit_ns. */
static void clock_run(uint64_t fences, int64_t limit_ns) {
	int64_t next_ns = limit_ns;
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if ((fences >> i & 1) != 0 && kernel.fences[i].status == 0 &&
				kernel.fences[i].due_ns < next_ns) {
			next_ns = kernel.fences[i].due_ns;
		}
	}
	if (next_ns == INT64_MAX) {
		fail_msg("waits for ever");
	}
	if (next_ns > kernel.now_ns) {
		kernel.now_ns = next_ns;
	}
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if (kernel.fences[i].due_ns <= kernel.now_ns) {
			mock_fence_signal(UINT64_C(1) << i, 0);
		}
	}
}

int mock_clock_run(uint64_t fences, int64_t limit_ns) {
	if (kernel.interrupt_armed && kernel.interrupt_at_ns <= kernel.now_ns) {
		kernel.interrupt_armed = false;
		return -EINTR;
	}
	clock_run(fences,
			kernel.interrupt_armed && kernel.interrupt_at_ns < limit_ns
					? kernel.interrupt_at_ns
					: limit_ns);
	return 0;
}

/* Files. */

static int file_create(enum file_kind kind, uint64_t size_bytes, struct file **ret_file) {
	assert_true(kernel.file_count < FILES_MAX);
	int fd = memfd_create("mock", MFD_CLOEXEC);
	struct stat st;
	if (fd < 0 || ftruncate(fd, (off_t)size_bytes) != 0 || fstat(fd, &st) != 0) {
		fail_msg("no memfd: %s", strerror(errno));
	}
	/* An inode number may come back once its file is closed. */
	unsigned int slot = 0;
	while (slot < kernel.file_count && kernel.files[slot].inode != st.st_ino) {
		slot++;
	}
	if (slot == kernel.file_count) {
		kernel.file_count++;
	}
	*ret_file = &kernel.files[slot];
	**ret_file = (struct file){ .kind = kind, .inode = st.st_ino, .size_bytes = size_bytes };
	return fd;
}

/* NULL if the fd is not open; an open fd of somebody else's is a file that knows no ioctl. */
static struct file *file_find(int fd) {
	static struct file other = { .kind = FILE_MEMFD };
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return NULL;
	}
	for (unsigned int i = 0; i < kernel.file_count; i++) {
		if (kernel.files[i].inode == st.st_ino) {
			return &kernel.files[i];
		}
	}
	return &other;
}

static struct file *file_find_kind(int fd, enum file_kind kind) {
	struct file *file = file_find(fd);
	return file != NULL && file->kind == kind ? file : NULL;
}

int mock_sync_file_create(uint64_t fences) {
	struct file *file;
	int fd = file_create(FILE_SYNC_FILE, 0, &file);
	file->fences = fences;
	return fd;
}

uint64_t mock_sync_file_get_fences(int fd) {
	struct file *file = file_find_kind(fd, FILE_SYNC_FILE);
	assert_non_null(file);
	return file->fences;
}

bool mock_is_sync_file(int fd) {
	return file_find_kind(fd, FILE_SYNC_FILE) != NULL;
}

int mock_dmabuf_create(uint64_t size_bytes) {
	struct file *file;
	return file_create(FILE_DMABUF, size_bytes, &file);
}

void mock_dmabuf_add(int fd, uint64_t readers, uint64_t writers) {
	struct file *file = file_find_kind(fd, FILE_DMABUF);
	assert_non_null(file);
	file->readers |= readers;
	file->writers |= writers;
}

uint64_t mock_dmabuf_get_readers(int fd) {
	struct file *file = file_find_kind(fd, FILE_DMABUF);
	assert_non_null(file);
	return file->readers;
}

uint64_t mock_dmabuf_get_writers(int fd) {
	struct file *file = file_find_kind(fd, FILE_DMABUF);
	assert_non_null(file);
	return file->writers;
}

int mock_memfd_create(uint64_t size_bytes) {
	struct file *file;
	return file_create(FILE_MEMFD, size_bytes, &file);
}

/* What the test wants to go wrong. */

void mock_interrupt_at(int64_t at_ns) {
	kernel.interrupt_armed = true;
	kernel.interrupt_at_ns = at_ns;
}

void mock_poll_as_of_old(void) {
	kernel.poll_is_old = true;
}

void mock_poll_report(short revents) {
	kernel.report = revents;
}

void mock_remove_ioctl(unsigned long request) {
	kernel.removed_request = request;
}

void mock_shrink_next_info(unsigned int count) {
	kernel.shrink = count;
}

void mock_share_inodes(void) {
	kernel.inodes_shared = true;
}

void mock_fail_call(unsigned int nth, int err) {
	assert_true(err <= 0);
	kernel.calls = 0;
	kernel.fail_nth = nth;
	kernel.fail_error = err;
	kernel.injected = 0;
	kernel.disarmed = false;
}

unsigned int mock_count_calls(void) {
	return kernel.calls;
}

int mock_get_injected(void) {
	return kernel.injected;
}

uint64_t mock_get_sync_flags(void) {
	return kernel.sync_flags;
}

void mock_fail_armed(void) {
	mock_fail_call(plan_nth, plan_error);
}

void mock_fail_disarmed(void) {
	kernel.disarmed = true;
}

void mock_fail_each_call(void (*case_run)(void), unsigned int min_calls) {
	static const int errors[] = { -EBADF, -EIO, -EMFILE, -ENFILE, -ENOMEM, -EPERM };
	plan_nth = 0;
	case_run();
	unsigned int calls = kernel.calls;
	assert_true(calls >= min_calls);
	for (unsigned int nth = 1; nth <= calls; nth++) {
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			plan_nth = nth;
			plan_error = errors[i];
			kernel.fence_count = 0;
			kernel.file_count = 0;
			case_run();
			assert_true(syncobjs_are_closed());
			if (kernel.injected == 0) {
				fail_msg("call %u of %u was not made again", nth, calls);
			}
		}
	}
	plan_nth = 0;
}

/* Whether this call is the one to fail. */
static bool call_fails(void) {
	if (kernel.disarmed) {
		return false;
	}
	kernel.calls++;
	if (kernel.calls != kernel.fail_nth) {
		return false;
	}
	kernel.injected = kernel.fail_error;
	return true;
}

int mock_count_call(void) {
	return call_fails() ? kernel.fail_error : 0;
}

void mock_set_injected(int err) {
	kernel.injected = err;
}

/* The ioctls. */

static int export_sync_file(struct file *dmabuf, struct dma_buf_export_sync_file *data) {
	if ((data->flags & ~(uint32_t)DMA_BUF_SYNC_RW) != 0 || data->flags == 0) {
		return -EINVAL;
	}
	uint64_t fences = dmabuf->writers;
	if ((data->flags & DMA_BUF_SYNC_WRITE) != 0) {
		fences |= dmabuf->readers;
	}
	fences = mock_fences_get_pending(fences);
	if (fences == 0) {
		fences = mock_fence_create_stub(1);
	}
	data->fd = mock_sync_file_create(fences);
	return 0;
}

static int import_sync_file(struct file *dmabuf, const struct dma_buf_import_sync_file *data) {
	if ((data->flags & ~(uint32_t)DMA_BUF_SYNC_RW) != 0 || data->flags == 0) {
		return -EINVAL;
	}
	struct file *sync_file = file_find_kind(data->fd, FILE_SYNC_FILE);
	if (sync_file == NULL) {
		return -EINVAL;
	}
	if ((data->flags & DMA_BUF_SYNC_WRITE) != 0) {
		dmabuf->writers |= sync_file->fences;
	} else {
		dmabuf->readers |= sync_file->fences;
	}
	return 0;
}

static int sync_cpu(struct file *dmabuf, const struct dma_buf_sync *data) {
	if ((data->flags & ~(uint64_t)DMA_BUF_SYNC_VALID_FLAGS_MASK) != 0 ||
			(data->flags & DMA_BUF_SYNC_RW) == 0) {
		return -EINVAL;
	}
	kernel.sync_flags = data->flags;
	if ((data->flags & DMA_BUF_SYNC_END) != 0) {
		return 0;
	}
	uint64_t fences = dmabuf->writers;
	if ((data->flags & DMA_BUF_SYNC_WRITE) != 0) {
		fences |= dmabuf->readers;
	}
	while (mock_fences_get_pending(fences) != 0) {
		clock_run(fences, INT64_MAX);
	}
	return 0;
}

static int merge(struct file *a, struct sync_merge_data *data) {
	if (data->flags != 0 || data->pad != 0) {
		return -EINVAL;
	}
	struct file *b = file_find_kind(data->fd2, FILE_SYNC_FILE);
	if (b == NULL) {
		return -ENOENT;
	}
	uint64_t fences = mock_fences_merge(a->fences | b->fences);
	/* The kernel would cut it without a word. */
	assert_int_equal(data->name[sizeof(data->name) - 1], '\0');
	data->fence = mock_sync_file_create(fences);
	memcpy(file_find(data->fence)->name, data->name, sizeof(data->name));
	return 0;
}

static int file_info(struct file *file, struct sync_file_info *data) {
	if (data->flags != 0 || data->pad != 0) {
		return -EINVAL;
	}

	struct sync_fence_info infos[MOCK_FENCES_MAX] = { 0 };
	uint32_t count = 0;
	int status = 1;
	for (unsigned int i = 0; i < kernel.fence_count; i++) {
		if ((file->fences >> i & 1) != 0) {
			infos[count].status = kernel.fences[i].status;
			infos[count].timestamp_ns = (uint64_t)kernel.fences[i].signalled_ns;
			status = status <= 0 ? status : infos[count].status;
			count++;
		}
	}

	if (data->num_fences == 0) {
		/* The container's status, not the members'. */
		data->status = mock_fences_get_pending(file->fences) != 0 ? 0 : status;
	} else {
		count -= kernel.shrink;
		if (data->num_fences < count) {
			return -EINVAL;
		}
		data->status = status;
		memcpy((void *)(uintptr_t)data->sync_fence_info, infos, count * sizeof(infos[0]));
	}
	if (file->name[0] != '\0') {
		memcpy(data->name, file->name, sizeof(data->name));
	} else {
		snprintf(data->name, sizeof(data->name), "mock-timeline1-%u", count);
	}
	data->num_fences = count;
	return 0;
}

/* What the library calls. */

int sb_sys_ioctl(int fd, unsigned long request, void *arg) {
	if (call_fails()) {
		mock_syncobj_ioctl_failed(request);
		return kernel.fail_error;
	}
	struct file *file = file_find(fd);
	if (file == NULL) {
		return -EBADF;
	}
	int ret;
	if (mock_syncobj_ioctl(fd, request, arg, &ret)) {
		return ret;
	}
	if (request == kernel.removed_request) {
		return -ENOTTY;
	}
	if (file->kind == FILE_DMABUF) {
		switch (request) {
		case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
			return export_sync_file(file, arg);
		case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
			return import_sync_file(file, arg);
		case DMA_BUF_IOCTL_SYNC:
			return sync_cpu(file, arg);
		}
	} else if (file->kind == FILE_SYNC_FILE) {
		switch (request) {
		case SYNC_IOC_MERGE:
			return merge(file, arg);
		case SYNC_IOC_FILE_INFO:
			return file_info(file, arg);
		}
	}
	return -ENOTTY;
}

int sb_sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
	assert_int_equal(count, 1);
	assert_true(fds[0].events == POLLIN || fds[0].events == POLLOUT);
	fds[0].revents = 0;
	if (call_fails()) {
		return kernel.fail_error;
	}
	if (kernel.report != 0) {
		fds[0].revents = kernel.report;
		return 1;
	}
	struct file *file = file_find(fds[0].fd);
	if (file == NULL && fds[0].fd >= 0) {
		fds[0].revents = POLLNVAL;
		return 1;
	}

	int64_t limit_ns = INT64_MAX;
	if (timeout != NULL) {
		assert_true(timeout->tv_nsec >= 0 && timeout->tv_nsec < NS_PER_S);
		assert_true(timeout->tv_sec >= 0);
		int64_t timeout_ns;
		if (__builtin_mul_overflow((int64_t)timeout->tv_sec, NS_PER_S, &timeout_ns) ||
				__builtin_add_overflow(timeout_ns, timeout->tv_nsec, &timeout_ns) ||
				__builtin_add_overflow(timeout_ns, kernel.now_ns, &limit_ns)) {
			/* Not for ever, but longer than the clock can run. */
			limit_ns = INT64_MAX - 1;
		}
	}
	if (file == NULL) {
		/* A negative fd is no error: nothing is ever reported for it. */
		if (limit_ns == INT64_MAX) {
			fail_msg("waits for ever");
		}
		kernel.now_ns = limit_ns;
		return 0;
	}
	uint64_t fences = file->fences;
	if (file->kind == FILE_DMABUF) {
		fences = file->writers | (fds[0].events == POLLOUT ? file->readers : 0);
		if (kernel.poll_is_old && fds[0].events == POLLOUT && file->readers != 0) {
			/* Whether they have signalled or not. */
			fences = file->readers;
		}
	} else if (file->kind == FILE_SYNC_FILE) {
		/* The other is never reported. */
		assert_int_equal(fds[0].events, POLLIN);
	}
	while (mock_fences_get_pending(fences) != 0) {
		if (kernel.interrupt_armed && kernel.interrupt_at_ns <= kernel.now_ns) {
			kernel.interrupt_armed = false;
			return -EINTR;
		}
		if (kernel.now_ns >= limit_ns) {
			return 0;
		}
		clock_run(fences,
				kernel.interrupt_armed && kernel.interrupt_at_ns < limit_ns
						? kernel.interrupt_at_ns
						: limit_ns);
	}
	fds[0].revents = fds[0].events;
	return 1;
}

off_t sb_sys_lseek(int fd, off_t offset, int whence) {
	if (call_fails()) {
		return kernel.fail_error;
	}
	struct file *file = file_find(fd);
	if (file == NULL || file->kind != FILE_DMABUF) {
		off_t ret = lseek(fd, offset, whence);
		return ret < 0 ? -errno : ret;
	}
	if (whence == SEEK_CUR || offset != 0) {
		return -EINVAL;
	}
	return whence == SEEK_END ? (off_t)file->size_bytes : 0;
}

int sb_sys_now(struct timespec *ret_now) {
	if (call_fails()) {
		return kernel.fail_error;
	}
	*ret_now = (struct timespec){
		.tv_sec = kernel.now_ns / NS_PER_S,
		.tv_nsec = kernel.now_ns % NS_PER_S,
	};
	return 0;
}

void *sb_sys_calloc(size_t count, size_t size) {
	if (call_fails()) {
		kernel.injected = -ENOMEM;
		return NULL;
	}
	return calloc(count, size);
}

void *sb_sys_realloc(void *memory, size_t count, size_t size) {
	if (call_fails()) {
		kernel.injected = -ENOMEM;
		return NULL;
	}
	return reallocarray(memory, count, size);
}

int sb_sys_fstat(int fd, struct stat *ret_stat) {
	if (call_fails()) {
		return kernel.fail_error;
	}
	if (fstat(fd, ret_stat) < 0) {
		return -errno;
	}
	if (kernel.inodes_shared) {
		ret_stat->st_ino = 1;
		ret_stat->st_size = 0;
	}
	return 0;
}

int sb_sys_dup(int fd) {
	if (call_fails()) {
		return kernel.fail_error;
	}
	int new_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return new_fd < 0 ? -errno : new_fd;
}

int sb_sys_eventfd(void) {
	if (call_fails()) {
		return kernel.fail_error;
	}
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
