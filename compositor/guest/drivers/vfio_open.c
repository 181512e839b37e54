#include "guest/drivers/vfio_open.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "guest/drivers/vfio_device.h"
#include "guest/drivers/vfio_group.h"

#define DEVICE_DIR "/dev/vfio/devices"
#define IOMMUFD_PATH "/dev/iommu"
#define MDEV_DIR "/sys/bus/mdev/devices"
#define EXPECTED                                                                                   \
	"expected " DEVICE_DIR "/vfioN, /dev/vfio/N, an mdev's UUID, a device's path in /sys or "  \
	"fd:N"

#define UUID_LENGTH 36
#define LINE_SIZE 1024

/* How the kernel begins the names of files of devices without an IOMMU, and of their groups. */
#define NO_IOMMU_PREFIX "noiommu-"

static bool has_prefix(const char *text, const char *prefix) {
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void oriel_vfio_opener_log(const struct oriel_vfio_opener *opener, const char *format, ...) {
	char line[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	wlr_log(opener->importance, "guest %s: vfio: %s", opener->guest_name, line);
}

static void opener_log_open(const struct oriel_vfio_opener *opener, const char *path, int error,
		const char *hint) {
	const char *explanation = "";
	switch (error) {
	case ENOENT:
		explanation = hint;
		break;
	case EACCES:
	case EPERM:
		explanation = "; oriel needs to read and write it";
		break;
	case EBUSY:
		/* Of a group: or a device of it, by its character device. */
		explanation = "; another program has it open";
		break;
	case ENODEV:
		explanation = "; the device is being removed";
		break;
	}
	oriel_vfio_opener_log(opener, "cannot open %s: %s%s", path, strerror(error), explanation);
}

int oriel_vfio_opener_open(
		const struct oriel_vfio_opener *opener, const char *path, const char *hint) {
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		opener_log_open(opener, path, errno, hint);
		return -1;
	}
	return fd;
}

void oriel_vfio_opener_refuse_no_iommu(const struct oriel_vfio_opener *opener, const char *what) {
	oriel_vfio_opener_log(opener,
			"%s is not opened: it has no IOMMU (no-IOMMU mode), and could reach all of the "
			"host's memory",
			what);
}

int oriel_vfio_read_names(const char *path, oriel_vfio_name *ret_names, size_t max) {
	DIR *stream = opendir(path);
	if (stream == NULL) {
		return -errno;
	}
	size_t count = 0;
	struct dirent *entry;
	while (count < max && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] != '.') {
			snprintf(ret_names[count++], sizeof(*ret_names), "%s", entry->d_name);
		}
	}
	closedir(stream);
	return (int)count;
}

/* The last part of what the link leads to. 0 or -errno. */
static int read_link_name(const char *path, oriel_vfio_name ret_name) {
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0) {
		return -errno;
	}
	target[length] = '\0';
	const char *slash = strrchr(target, '/');
	const char *name = slash != NULL ? slash + 1 : target;
	size_t size = strlen(name) + 1;
	if (size > sizeof(oriel_vfio_name)) {
		return -ENAMETOOLONG;
	}
	memcpy(ret_name, name, size);
	return 0;
}

/* What a character device is, by its number. */
struct character_device {
	char sysfs_path[64];
	oriel_vfio_name class_name;
	oriel_vfio_name name;
};

static bool character_device_find(const struct stat *stat, struct character_device *ret_found) {
	if (!S_ISCHR(stat->st_mode)) {
		return false;
	}
	struct character_device found;
	char path[sizeof(found.sysfs_path) + 16];
	snprintf(found.sysfs_path, sizeof(found.sysfs_path), "/sys/dev/char/%u:%u",
			major(stat->st_rdev), minor(stat->st_rdev));
	snprintf(path, sizeof(path), "%s/subsystem", found.sysfs_path);
	if (read_link_name(path, found.class_name) != 0 ||
			read_link_name(found.sysfs_path, found.name) != 0) {
		return false;
	}
	*ret_found = found;
	return true;
}

static bool character_device_is_vfio(const struct character_device *found) {
	return strcmp(found->class_name, "vfio-dev") == 0;
}

/* A device opened through its group has a file without a name or number. */
static bool fd_is_of_group(int fd) {
	/* No file of a directory can be called so: those begin with a slash. */
	static const char anonymous[] = "anon_inode:[vfio-device]";
	char path[64], target[sizeof(anonymous)];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(path, target, sizeof(target));
	return length == (ssize_t)strlen(anonymous) && memcmp(target, anonymous, (size_t)length) == 0;
}

/* No ioctl is made: to any other file, the numbers might mean something. */
static bool fd_is_usable(const struct oriel_vfio_opener *opener, int fd, const char *what,
		struct oriel_vfio_device *device) {
	struct stat stat;
	struct character_device found;
	bool is_character_device = fstat(fd, &stat) == 0 && character_device_find(&stat, &found);
	if (is_character_device && character_device_is_vfio(&found)) {
		if (has_prefix(found.name, NO_IOMMU_PREFIX)) {
			oriel_vfio_opener_refuse_no_iommu(opener, what);
			return false;
		}
		memcpy(device->sysfs_path, found.sysfs_path, sizeof(found.sysfs_path));
		return true;
	}
	if (fd_is_of_group(fd)) {
		return true;
	}
	oriel_vfio_opener_log(opener, "%s is not a VFIO device", what);
	return false;
}

static bool device_adopt(const struct oriel_vfio_opener *opener, const char *number,
		struct oriel_vfio_device *device) {
	char *end;
	errno = 0;
	long fd = strtol(number, &end, 10);
	if (!isdigit((unsigned char)number[0]) || *end != '\0' || errno != 0 || fd > INT_MAX) {
		oriel_vfio_opener_log(opener,
				"'fd:%s' is no file descriptor, expected fd: and a number", number);
		return false;
	}
	if (fcntl((int)fd, F_GETFD) < 0) {
		oriel_vfio_opener_log(opener,
				"file descriptor %ld is not open; whoever starts oriel must leave it "
				"open, without close-on-exec",
				fd);
		return false;
	}
	char what[64];
	snprintf(what, sizeof(what), "file descriptor %ld", fd);
	if (!fd_is_usable(opener, (int)fd, what, device)) {
		return false;
	}

	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	int own_fd = sb_fd_dup((int)fd);
	if (own_fd < 0) {
		oriel_vfio_opener_log(opener, "cannot duplicate file descriptor %ld: %s", fd,
				strerror(-own_fd));
		return false;
	}
	device->fd = own_fd;
	return true;
}

static bool device_bind(const struct oriel_vfio_opener *opener, const char *path,
		struct oriel_vfio_device *device) {
	device->iommufd_fd = oriel_vfio_opener_open(
			opener, IOMMUFD_PATH, "; the kernel needs iommufd (CONFIG_IOMMUFD)");
	if (device->iommufd_fd < 0) {
		return false;
	}
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = device->iommufd_fd,
	};
	if (ioctl(device->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0) {
		return true;
	}
	int error = errno;
	const char *explanation = "";
	switch (error) {
	case EINVAL:
		/* vfio_df_open(): a device opened by its own file has one user. */
		explanation = "; another program seems to have it open, which then has to hand "
			      "its file over (fd:N)";
		break;
	case EBUSY:
		/* vfio_device_block_group() */
		explanation = "; another program has its VFIO group open";
		break;
	}
	oriel_vfio_opener_log(opener, "cannot bind %s to an iommufd: %s%s", path, strerror(error),
			explanation);
	return false;
}

static bool device_open_path(const struct oriel_vfio_opener *opener, const char *path,
		struct oriel_vfio_device *device) {
	static const char hint[] = "; is the device there, and does a VFIO driver have it?";
	struct stat stat_of_path;
	if (stat(path, &stat_of_path) != 0) {
		opener_log_open(opener, path, errno, hint);
		return false;
	}
	struct character_device found;
	bool known = character_device_find(&stat_of_path, &found);
	bool is_group = known && strcmp(found.class_name, "vfio") == 0;
	if (!is_group && (!known || !character_device_is_vfio(&found))) {
		oriel_vfio_opener_log(opener,
				"%s is not a VFIO device; expected one of " DEVICE_DIR
				" or a group in /dev/vfio",
				path);
		return false;
	}
	if (has_prefix(found.name, NO_IOMMU_PREFIX)) {
		oriel_vfio_opener_refuse_no_iommu(opener, path);
		return false;
	}
	if (is_group) {
		return oriel_vfio_group_open(opener, found.name, NULL, device);
	}

	device->fd = oriel_vfio_opener_open(opener, path, hint);
	/* The path may lead elsewhere by now. */
	return device->fd >= 0 && fd_is_usable(opener, device->fd, path, device) &&
			device_bind(opener, path, device);
}

/* A device that has no character device of its own. */
static bool device_open_sysfs_group(const struct oriel_vfio_opener *opener, const char *dir,
		struct oriel_vfio_device *device) {
	char path[PATH_MAX + sizeof("/iommu_group")];
	oriel_vfio_name group;
	snprintf(path, sizeof(path), "%s/iommu_group", dir);
	int ret = read_link_name(path, group);
	if (ret == -ENOENT) {
		oriel_vfio_opener_log(opener,
				"%s has neither a VFIO character device nor an IOMMU group: no VFIO "
				"driver has that device, or the kernel lacks CONFIG_VFIO_DEVICE_CDEV "
				"and CONFIG_VFIO_GROUP",
				dir);
		return false;
	}
	/* Its name is that of the folder, whatever links lead there. */
	char *real_dir = ret == 0 ? realpath(dir, NULL) : NULL;
	if (real_dir == NULL) {
		oriel_vfio_opener_log(opener, "cannot find the IOMMU group of %s: %s", dir,
				strerror(ret != 0 ? -ret : errno));
		return false;
	}
	const char *slash = strrchr(real_dir, '/');
	bool opened = oriel_vfio_group_open(
			opener, group, slash != NULL ? slash + 1 : real_dir, device);
	free(real_dir);
	return opened;
}

/*
 * A device in sysfs that a VFIO driver has holds vfio-dev/vfioN since Linux 6.1. It is a character
 * device, which udev names after that, if it has a number.
 */
static bool device_open_sysfs(const struct oriel_vfio_opener *opener, const char *dir,
		struct oriel_vfio_device *device) {
	char class_dir[PATH_MAX], path[PATH_MAX + sizeof(oriel_vfio_name) + sizeof("/dev")];
	if (snprintf(class_dir, sizeof(class_dir), "%s/vfio-dev", dir) >= (int)sizeof(class_dir)) {
		oriel_vfio_opener_log(opener, "the path '%s' is too long", dir);
		return false;
	}

	oriel_vfio_name name;
	int count = oriel_vfio_read_names(class_dir, &name, 1);
	if (count < 0) {
		struct stat stat_of_dir;
		if (count == -ENOENT && stat(dir, &stat_of_dir) == 0) {
			return device_open_sysfs_group(opener, dir, device);
		}
		oriel_vfio_opener_log(opener, "no such device: cannot open %s: %s", class_dir,
				strerror(-count));
		return false;
	}
	if (count == 0) {
		oriel_vfio_opener_log(opener, "%s is empty: the device is being removed", class_dir);
		return false;
	}
	struct stat stat_of_number;
	snprintf(path, sizeof(path), "%s/%s/dev", class_dir, name);
	if (stat(path, &stat_of_number) != 0 && errno == ENOENT) {
		return device_open_sysfs_group(opener, dir, device);
	}
	snprintf(path, sizeof(path), DEVICE_DIR "/%s", name);
	return device_open_path(opener, path, device);
}

static bool is_uuid(const char *text) {
	if (strlen(text) != UUID_LENGTH) {
		return false;
	}
	for (size_t i = 0; i < UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return true;
}

static bool device_open_mdev(const struct oriel_vfio_opener *opener, const char *uuid,
		struct oriel_vfio_device *device) {
	char dir[sizeof(MDEV_DIR) + 1 + UUID_LENGTH];
	int size = snprintf(dir, sizeof(dir), MDEV_DIR "/%s", uuid);
	/* The kernel names an mdev in small letters, however its UUID was written. */
	for (int i = (int)sizeof(MDEV_DIR); i < size; i++) {
		dir[i] = (char)tolower((unsigned char)dir[i]);
	}
	return device_open_sysfs(opener, dir, device);
}

static bool device_open(const struct oriel_vfio_opener *opener, const char *where,
		struct oriel_vfio_device *device) {
	oriel_vfio_device_init_closed(device);
	bool opened = false;
	if (where == NULL || where[0] == '\0') {
		oriel_vfio_opener_log(opener, "no device named; " EXPECTED);
	} else if (has_prefix(where, "fd:")) {
		opened = device_adopt(opener, where + strlen("fd:"), device);
	} else if (is_uuid(where)) {
		opened = device_open_mdev(opener, where, device);
	} else if (has_prefix(where, "/sys/")) {
		opened = device_open_sysfs(opener, where, device);
	} else if (where[0] == '/') {
		opened = device_open_path(opener, where, device);
	} else {
		oriel_vfio_opener_log(opener, "'%s' names no device; " EXPECTED, where);
	}
	if (!opened) {
		oriel_vfio_device_finish(device);
	}
	return opened;
}

bool oriel_vfio_device_init(
		struct oriel_vfio_device *device, const char *guest_name, const char *where) {
	const struct oriel_vfio_opener opener = { guest_name, WLR_ERROR };
	return device_open(&opener, where, device);
}

bool oriel_vfio_device_init_quietly(
		struct oriel_vfio_device *device, const char *guest_name, const char *where) {
	const struct oriel_vfio_opener opener = { guest_name, WLR_DEBUG };
	return device_open(&opener, where, device);
}

bool oriel_vfio_device_init_from_fd(
		struct oriel_vfio_device *device, const char *guest_name, int take_fd) {
	const struct oriel_vfio_opener opener = { guest_name, WLR_ERROR };
	oriel_vfio_device_init_closed(device);
	if (!fd_is_usable(&opener, take_fd, "the file handed over", device)) {
		sb_fd_clear(&take_fd);
		return false;
	}
	device->fd = take_fd;
	return true;
}
