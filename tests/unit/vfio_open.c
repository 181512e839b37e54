#include "guest/drivers/vfio_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/drivers/vfio_device.h"
#include "log_lines.h"

/*
 * The ways to a device, on a kernel that is played here: a tree in a temporary directory is /sys,
 * and files of it are /dev. The ioctls of container and group hold the caller to the order that
 * the kernel wants. The ways of character devices are walked in vfio.c too, with the driver.
 */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV "/sys/bus/mdev/devices/" UUID
#define GROUP_PATH "/dev/vfio/7"
#define GROUP_DIR "/sys/kernel/iommu_groups/7"
#define DEVICE_PATH "/dev/vfio/devices/vfio3"

/* makedev() of small numbers, as a constant. */
#define NUMBER(major, minor) ((dev_t)(major) << 8 | (minor))

enum kind {
	KIND_NONE,
	KIND_CONTAINER,
	KIND_GROUP,
	KIND_DEVICE,
	KIND_IOMMUFD,
};

static struct {
	unsigned int calls, fail_at; /* the call that fails, counted from 1 */
	int fail_error;

	int open_errors[KIND_IOMMUFD + 1];
	int version;
	bool not_viable;
	bool has_type1v2, has_type1;
	int device_error;

	/* What has been done. */
	enum kind kinds[64]; /* by fd */
	bool container_has_group;
	unsigned long iommu;
	char device_name[64];
	unsigned int opens;
	bool bound;
} mock;

static char root_dir[] = "/tmp/oriel-vfio-open-XXXXXX";
static int fd_count_at_start;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
ssize_t __real_readlink(const char *path, char *target, size_t size);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
int __real_stat(const char *path, struct stat *ret_stat);
int __wrap_stat(const char *path, struct stat *ret_stat);
int __wrap_stat64(const char *path, struct stat *ret_stat);
int __wrap_ioctl(int fd, unsigned long request, ...);

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

static const char *redirect(const char *path, char redirected[static 1024]) {
	if (strncmp(path, "/sys/", strlen("/sys/")) != 0) {
		return path;
	}
	snprintf(redirected, 1024, "%s%s", root_dir, path);
	return redirected;
}

static int open_kind(enum kind kind) {
	if (mock.open_errors[kind] != 0) {
		return fail_with(mock.open_errors[kind]);
	}
	int fd = eventfd(0, EFD_CLOEXEC);
	assert_true(fd >= 0 && fd < (int)ARRAY_LENGTH(mock.kinds));
	mock.kinds[fd] = kind;
	return fd;
}

int __wrap_open(const char *path, int flags, ...) {
	static const struct {
		const char *path;
		enum kind kind;
	} files[] = {
		{ "/dev/vfio/vfio", KIND_CONTAINER },
		{ GROUP_PATH, KIND_GROUP },
		{ DEVICE_PATH, KIND_DEVICE },
		{ "/dev/iommu", KIND_IOMMUFD },
	};
	assert_true(flags & O_CLOEXEC);
	if (call_fails()) {
		return -1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		if (strcmp(path, files[i].path) == 0) {
			mock.opens++;
			return open_kind(files[i].kind);
		}
	}
	assert_int_not_equal(strncmp(path, "/dev/", strlen("/dev/")), 0);
	char redirected[1024];
	return __real_open(redirect(path, redirected), flags);
}

int __wrap_open64(const char *path, int flags, ...) {
	return __wrap_open(path, flags);
}

DIR *__wrap_opendir(const char *path) {
	char redirected[1024];
	return call_fails() ? NULL : __real_opendir(redirect(path, redirected));
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size) {
	char redirected[1024];
	return call_fails() ? -1 : __real_readlink(redirect(path, redirected), target, size);
}

char *__wrap_realpath(const char *path, char *resolved) {
	char redirected[1024];
	return call_fails() ? NULL : __real_realpath(redirect(path, redirected), resolved);
}

int __wrap_stat(const char *path, struct stat *ret_stat) {
	static const struct {
		const char *path;
		dev_t number;
	} files[] = {
		{ DEVICE_PATH, NUMBER(240, 3) },
		{ "/dev/vfio/devices/noiommu-vfio4", NUMBER(240, 4) },
		{ GROUP_PATH, NUMBER(239, 7) },
		{ "/dev/vfio/noiommu-8", NUMBER(239, 8) },
		{ "/dev/harmless", NUMBER(239, 8) },
		{ "/dev/null", NUMBER(1, 3) },
	};
	if (call_fails()) {
		return -1;
	}
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
		if (strcmp(path, files[i].path) == 0) {
			*ret_stat = (struct stat){
				.st_mode = S_IFCHR,
				.st_rdev = files[i].number,
			};
			return 0;
		}
	}
	char redirected[1024];
	return __real_stat(redirect(path, redirected), ret_stat);
}

int __wrap_stat64(const char *path, struct stat *ret_stat) {
	return __wrap_stat(path, ret_stat);
}

static int container_ioctl(unsigned long request, unsigned long argument) {
	switch (request) {
	case VFIO_GET_API_VERSION:
		return mock.version;
	case VFIO_CHECK_EXTENSION:
		return argument == VFIO_TYPE1v2_IOMMU
				? mock.has_type1v2
				: argument == VFIO_TYPE1_IOMMU && mock.has_type1;
	case VFIO_SET_IOMMU:
		assert_true(mock.container_has_group);
		assert_int_equal(mock.iommu, 0);
		mock.iommu = argument;
		return 0;
	}
	fail_msg("ioctl %#lx of the container", request);
	return -1;
}

static int group_ioctl(unsigned long request, void *argument) {
	struct vfio_group_status *status = argument;
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		assert_int_equal(status->argsz, sizeof(*status));
		assert_int_equal(status->flags, 0);
		status->flags = mock.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		assert_int_equal(mock.kinds[*(int *)argument], KIND_CONTAINER);
		assert_false(mock.container_has_group);
		mock.container_has_group = true;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		assert_int_not_equal(mock.iommu, 0);
		snprintf(mock.device_name, sizeof(mock.device_name), "%s", (char *)argument);
		mock.open_errors[KIND_DEVICE] = mock.device_error;
		return open_kind(KIND_DEVICE);
	}
	fail_msg("ioctl %#lx of the group", request);
	return -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);
	if (call_fails()) {
		return -1;
	}
	assert_true(fd >= 0 && fd < (int)ARRAY_LENGTH(mock.kinds));
	switch (mock.kinds[fd]) {
	case KIND_CONTAINER:
		return container_ioctl(request, (unsigned long)argument);
	case KIND_GROUP:
		return group_ioctl(request, argument);
	case KIND_DEVICE:
		assert_int_equal(request, VFIO_DEVICE_BIND_IOMMUFD);
		mock.bound = true;
		return 0;
	default:
		fail_msg("ioctl %#lx of another file", request);
		return -1;
	}
}

static void reset(void) {
	memset(&mock, 0, sizeof(mock));
	mock.has_type1v2 = mock.has_type1 = true;
	log_lines_init();
}

/* In the tree that stands for /sys. */

static void make_dirs(char *path) {
	for (char *slash = path + strlen(root_dir) + 1; (slash = strchr(slash, '/')) != NULL;
			slash++) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

static void make_file(const char *path, const char *text) {
	char full[1024];
	make_dirs((char *)redirect(path, full));
	int fd = __real_open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_link(const char *path, const char *target) {
	char full[1024];
	make_dirs((char *)redirect(path, full));
	assert_int_equal(symlink(target, full), 0);
}

static void remove_path(const char *path) {
	char full[1024], command[1100];
	redirect(path, full);
	assert_non_null(strstr(full, "/oriel-vfio-open-"));
	snprintf(command, sizeof(command), "rm -r '%s'", full);
	assert_int_equal(system(command), 0);
}

static void make_character_device(const char *number, const char *class_name, const char *name) {
	char path[128], target[128];
	snprintf(path, sizeof(path), "/sys/devices/of/%s/%s/dev", class_name, name);
	make_file(path, number);
	snprintf(path, sizeof(path), "/sys/devices/of/%s/%s/subsystem", class_name, name);
	snprintf(target, sizeof(target), "../../../../class/%s", class_name);
	make_link(path, target);
	snprintf(path, sizeof(path), "/sys/dev/char/%s", number);
	snprintf(target, sizeof(target), "../../devices/of/%s/%s", class_name, name);
	make_link(path, target);
}

/* The mdev is in group 7, which is called so for each of them, and has, as since Linux 6.1, vfio-dev/vfio3, but no number. */
static int setup(void **state) {
	reset();
	assert_non_null(mkdtemp(strcpy(root_dir, "/tmp/oriel-vfio-open-XXXXXX")));
	make_file("/sys/devices/parent/" UUID "/vfio-dev/vfio3/index", "");
	make_link("/sys/devices/parent/" UUID "/vfio-dev/vfio3/subsystem", "../../class/vfio-dev");
	make_link("/sys/devices/parent/" UUID "/iommu_group", "../../../kernel/iommu_groups/7");
	make_link(MDEV, "../../../devices/parent/" UUID);
	make_file(GROUP_DIR "/name", "vfio-noiommu\n");
	make_link(GROUP_DIR "/devices/" UUID, "../../../../devices/parent/" UUID);
	make_link("/sys/class/card0/device", "../../devices/parent/" UUID);
	make_character_device("240:3", "vfio-dev", "vfio3");
	make_character_device("240:4", "vfio-dev", "noiommu-vfio4");
	make_character_device("239:7", "vfio", "7");
	make_character_device("239:8", "vfio", "noiommu-8");
	make_character_device("1:3", "mem", "null");
	fd_count_at_start = fds_count_open();
	return 0;
}

static int teardown(void **state) {
	remove_path("/sys/");
	rmdir(root_dir);
	assert_int_equal(fds_count_open(), fd_count_at_start);
	return 0;
}

static void assert_one_line(const char *text) {
	assert_int_equal(log_lines_get_count(), 1);
	if (strstr(log_lines_get_last(), "guest win: vfio: ") == NULL ||
			strstr(log_lines_get_last(), text) == NULL) {
		fail_msg("'%s' is not in '%s'", text, log_lines_get_last());
	}
	log_lines_init();
}

static void init_fails(const char *where, const char *text) {
	struct oriel_vfio_device device;
	assert_false(oriel_vfio_device_init(&device, "win", where));
	assert_one_line(text);
	assert_int_equal(device.fd, -1);
	assert_int_equal(fds_count_open(), fd_count_at_start);
}

static void init_through_group(const char *where) {
	struct oriel_vfio_device device;
	mock.container_has_group = false;
	mock.iommu = 0;
	if (!oriel_vfio_device_init(&device, "win", where)) {
		fail_msg("%s: %s", where, log_lines_get_last());
	}
	assert_int_equal(log_lines_get_count(), 0);
	assert_int_equal(mock.kinds[device.fd], KIND_DEVICE);
	assert_int_equal(mock.kinds[device.group_fd], KIND_GROUP);
	assert_int_equal(mock.kinds[device.container_fd], KIND_CONTAINER);
	assert_int_equal(device.iommufd_fd, -1);
	assert_string_equal(mock.device_name, UUID);
	assert_false(mock.bound);
	assert_true(oriel_vfio_device_is_present(&device));
	oriel_vfio_device_finish(&device);
	assert_int_equal(fds_count_open(), fd_count_at_start);
}

static void device_without_number_is_opened_through_its_group(void **state) {
	static const char *const names[] = {
		UUID,
		MDEV,
		MDEV "/",
		"/sys/class/card0/device",
		GROUP_DIR "/devices/" UUID,
		GROUP_PATH,
	};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		init_through_group(names[i]);
		assert_int_equal(mock.iommu, VFIO_TYPE1v2_IOMMU);
	}

	/* As before Linux 6.1. */
	remove_path(MDEV "/vfio-dev");
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		init_through_group(names[i]);
	}
}

static void device_with_number_is_opened_by_itself(void **state) {
	make_file(MDEV "/vfio-dev/vfio3/dev", "240:3\n");
	struct oriel_vfio_device device;
	mock.kinds[0] = KIND_NONE;
	/* The file that is played has no number: where it leads is looked at again once it is open. */
	assert_false(oriel_vfio_device_init(&device, "win", UUID));
	assert_one_line(DEVICE_PATH " is not a VFIO device");
	assert_int_equal(mock.opens, 1);
	/* And through its group if that is what is named. */
	init_through_group(GROUP_PATH);
}

static void group_takes_the_older_iommu_where_there_is_no_other(void **state) {
	mock.has_type1v2 = false;
	init_through_group(GROUP_PATH);
	assert_int_equal(mock.iommu, VFIO_TYPE1_IOMMU);
	mock.has_type1 = false;
	mock.container_has_group = false;
	init_fails(GROUP_PATH, "no IOMMU of type 1 for VFIO groups");
}

static void device_of_group_that_is_removed_is_not_present(void **state) {
	struct oriel_vfio_device device;
	assert_true(oriel_vfio_device_init(&device, "win", UUID));
	assert_true(oriel_vfio_device_is_present(&device));
	remove_path(MDEV "/vfio-dev/vfio3");
	assert_false(oriel_vfio_device_is_present(&device));
	oriel_vfio_device_finish(&device);

	/* Where sysfs does not show it, there is no telling. */
	remove_path(MDEV "/vfio-dev");
	mock.container_has_group = false;
	mock.iommu = 0;
	assert_true(oriel_vfio_device_init(&device, "win", UUID));
	remove_path("/sys/devices/parent");
	assert_true(oriel_vfio_device_is_present(&device));
	oriel_vfio_device_finish(&device);
}

static void group_with_other_than_one_device_says_so(void **state) {
	make_link(GROUP_DIR "/devices/0000:00:02.0", "..");
	init_fails(GROUP_PATH,
			"group 7 has several devices: name one of those in " GROUP_DIR "/devices");
	assert_int_equal(mock.opens, 0);
	/* Named, it is one of them. */
	init_through_group(GROUP_DIR "/devices/" UUID);
	remove_path(GROUP_DIR "/devices/0000:00:02.0");
	remove_path(GROUP_DIR "/devices/" UUID);
	init_fails(GROUP_PATH, "group 7 has no device");
	remove_path(GROUP_DIR "/devices");
	init_fails(GROUP_PATH, "cannot open " GROUP_DIR "/devices: No such file or directory");
}

static void group_that_cannot_be_used_says_why(void **state) {
	static const struct {
		enum kind kind;
		int error;
		const char *text;
	} cases[] = {
		{ KIND_GROUP, ENOENT,
				"cannot open " GROUP_PATH
				": No such file or directory; no VFIO driver has" },
		{ KIND_GROUP, EBUSY,
				"cannot open " GROUP_PATH
				": Device or resource busy; another program has it open" },
		{ KIND_GROUP, EACCES, "Permission denied; oriel needs to read and write it" },
		{ KIND_CONTAINER, ENOENT,
				"cannot open /dev/vfio/vfio: No such file or directory; the kernel "
				"needs VFIO containers" },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		reset();
		mock.open_errors[cases[i].kind] = cases[i].error;
		init_fails(UUID, cases[i].text);
	}

	reset();
	mock.not_viable = true;
	init_fails(UUID, GROUP_PATH " cannot be used: a device of that group is in use by a driver");
	reset();
	mock.version = 1;
	init_fails(UUID, "/dev/vfio/vfio has version 1 of the interface, expected 0");
	reset();
	mock.device_error = ENODEV;
	init_fails(UUID,
			"cannot open device " UUID " of " GROUP_PATH
			": No such device; no VFIO driver has it");
}

static void device_without_group_says_so(void **state) {
	remove_path(MDEV "/iommu_group");
	init_fails(UUID, MDEV " has neither a VFIO character device nor an IOMMU group");
	init_fails("/sys/devices/nothing", "no such device: cannot open /sys/devices/nothing");
}

static void device_without_iommu_is_never_opened(void **state) {
	init_fails("/dev/vfio/devices/noiommu-vfio4", "noiommu-vfio4 is not opened: it has no IOMMU");
	init_fails("/dev/vfio/noiommu-8", "noiommu-8 is not opened: it has no IOMMU");
	/* By whatever path. */
	init_fails("/dev/harmless", "/dev/harmless is not opened: it has no IOMMU");
	/* Found in sysfs. */
	make_file("/sys/devices/parent/" UUID "/vfio-dev/noiommu-vfio4/dev", "240:4\n");
	remove_path(MDEV "/vfio-dev/vfio3");
	init_fails(UUID, "noiommu-vfio4 is not opened: it has no IOMMU");
	remove_path(MDEV "/vfio-dev");
	make_file("/sys/class/vfio/noiommu-7/dev", "239:7\n");
	init_fails(UUID, GROUP_PATH " is not opened: it has no IOMMU");
	assert_int_equal(mock.opens, 0);
	/* Another's is no reason. */
	remove_path("/sys/class/vfio/noiommu-7");
	make_file("/sys/class/vfio/noiommu-77/dev", "239:77\n");
	init_through_group(UUID);
}

static void path_of_another_device_is_not_opened(void **state) {
	init_fails("/dev/null", "/dev/null is not a VFIO device; expected one of");
	init_fails(root_dir, "is not a VFIO device");
	assert_int_equal(mock.opens, 0);
}

static void quiet_failure_is_no_error_line(void **state) {
	struct oriel_vfio_device device;
	assert_false(oriel_vfio_device_init_quietly(&device, "win", "/dev/null"));
	mock.open_errors[KIND_GROUP] = EBUSY;
	assert_false(oriel_vfio_device_init_quietly(&device, "win", UUID));
	assert_int_equal(log_lines_get_count(), 0);
	mock.open_errors[KIND_GROUP] = 0;
	assert_true(oriel_vfio_device_init_quietly(&device, "win", UUID));
	oriel_vfio_device_finish(&device);
}

static void file_that_is_no_device_is_closed(void **state) {
	struct oriel_vfio_device device;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_false(oriel_vfio_device_init_from_fd(&device, "win", fds[0]));
	assert_one_line("the file handed over is not a VFIO device");
	assert_false(oriel_vfio_device_init_from_fd(&device, "win", fds[1]));
	log_lines_init();
	assert_false(oriel_vfio_device_init_from_fd(&device, "win", -1));
	assert_one_line("the file handed over is not a VFIO device");
	assert_int_equal(device.fd, -1);
	assert_int_equal(mock.opens, 0);
}

static void any_failed_call_is_told_and_leaks_nothing(void **state) {
	static const int errors[] = { ENOMEM, ENOENT, EINVAL, EIO, EMFILE, EINTR, ENODEV };
	static const char *const names[] = { UUID, GROUP_PATH };
	unsigned int walked = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(names) * ARRAY_LENGTH(errors); i++) {
		for (unsigned int n = 1;; n++) {
			reset();
			mock.fail_at = n;
			mock.fail_error = errors[i % ARRAY_LENGTH(errors)];
			struct oriel_vfio_device device;
			if (oriel_vfio_device_init(&device, "win", names[i / ARRAY_LENGTH(errors)])) {
				assert_int_equal(log_lines_get_count(), 0);
				assert_int_equal(mock.kinds[device.fd], KIND_DEVICE);
				oriel_vfio_device_finish(&device);
			} else {
				assert_one_line("");
				assert_int_equal(device.fd, -1);
			}
			unsigned int calls = mock.calls;
			mock.fail_at = 0;
			assert_int_equal(fds_count_open(), fd_count_at_start);
			if (calls < n) {
				break;
			}
			walked++;
		}
	}
	assert_true(walked > 150);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(device_without_number_is_opened_through_its_group),
		TEST(device_with_number_is_opened_by_itself),
		TEST(group_takes_the_older_iommu_where_there_is_no_other),
		TEST(device_of_group_that_is_removed_is_not_present),
		TEST(group_with_other_than_one_device_says_so),
		TEST(group_that_cannot_be_used_says_why),
		TEST(device_without_group_says_so),
		TEST(device_without_iommu_is_never_opened),
		TEST(path_of_another_device_is_not_opened),
		TEST(quiet_failure_is_no_error_line),
		TEST(file_that_is_no_device_is_closed),
		TEST(any_failed_call_is_told_and_leaks_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
