/*
 * The ways to a VFIO device: by each of them, what the guest paints is on the screen. And what is in
 * use, or has no IOMMU, is not opened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/util/log.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "config.h"
#include "fds.h"
#include "fixture.h"
#include "guest/source.h"
#include "program.h"
#include "screenshot.h"
#include "test_vgpu.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define WIDTH 320
#define HEIGHT 240
#define SEED 7

#define NO_IOMMU_SWITCH "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define PCI_DIR "/sys/bus/pci"
#define PCI_RNG_ID "0x1005" /* of virtio's entropy source, which this VM does without for a while */

struct open_test {
	struct fixture fixture;
	bool is_running;
	char mbochs_uuid[37]; /* empty: there is none */
	struct vgpu_guest *mbochs;
	struct test_vgpu vgpu;
	char no_iommu_address[16]; /* of the PCI device that VFIO has; empty: none */
	int fds_before;
};

static struct {
	unsigned int count;
	char last[512];
} errors;

static void handle_log(enum wlr_log_importance importance, const char *format, va_list args) {
	if (importance == WLR_ERROR) {
		errors.count++;
		vsnprintf(errors.last, sizeof(errors.last), format, args);
		fprintf(stderr, "%s\n", errors.last);
	}
}

static void write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		fail_msg("%s: %s", path, strerror(errno));
	}
	close(fd);
}

static void pci_write(const char *address, const char *file, const char *text) {
	char path[128];
	snprintf(path, sizeof(path), PCI_DIR "/devices/%s/%s", address, file);
	write_file(path, text);
}

/* Whatever driver has a PCI device, another one gets it; "\n": the one of the host. */
static void pci_set_driver(const char *address, const char *driver) {
	pci_write(address, "driver/unbind", address);
	pci_write(address, "driver_override", driver);
	write_file(PCI_DIR "/drivers_probe", address);
}

static int test_setup(void **state) {
	struct open_test *test = calloc(1, sizeof(*test));
	if (test == NULL) {
		return -1;
	}
	test->fds_before = fds_count_open();
	memset(&errors, 0, sizeof(errors));
	wlr_log_init(WLR_ERROR, handle_log);
	*state = test;
	return 0;
}

static int test_teardown(void **state) {
	struct open_test *test = *state;
	vgpu_guest_close(test->mbochs);
	if (test->is_running) {
		fixture_finish(&test->fixture);
	}
	int ret = 0;
	int fds = fds_count_open();
	if (fds != test->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", test->fds_before, fds);
		ret = -1;
	} else {
		if (test->mbochs_uuid[0] != '\0') {
			ret = vgpu_mdev_remove(test->mbochs_uuid);
		}
		ret = test_vgpu_finish(&test->vgpu) != 0 ? -1 : ret;
	}
	if (test->no_iommu_address[0] != '\0') {
		pci_set_driver(test->no_iommu_address, "\n");
		write_file(NO_IOMMU_SWITCH, "0");
	}
	free(test);
	return ret;
}

/* --- oriel ------------------------------------------------------------------------------------ */

static void test_start(struct open_test *test, const char *where) {
	char config[PATH_MAX + 256];
	snprintf(config, sizeof(config),
			"output OUTPUT-1 {\n\tmode %dx%d\n}\n"
			"guest win {\n\tsource vfio %s\n\toutput OUTPUT-1\n\tedid none\n}\n",
			WIDTH, HEIGHT, where);
	fixture_init(&test->fixture, config);
	test->is_running = true;
	wlr_log_init(WLR_ERROR, handle_log); /* the fixture has set its own */
}

static void check_screen(struct open_test *test) {
	struct screenshot screenshot = screenshot_take(
			&test->fixture, fixture_get_numbered_output_name(&test->fixture, 1));
	int wrong = 0;
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			wrong += screenshot_get_pixel(&screenshot, x, y) !=
					vgpu_picture_pixel(x, y, WIDTH, HEIGHT, SEED);
		}
	}
	screenshot_finish(&screenshot);
	assert_int_equal(wrong, 0);
}

static bool win_is_running(struct fixture *fixture, void *data) {
	return oriel_source_get_state(fixture_get_view(fixture, "win")->source) ==
			ORIEL_SOURCE_STATE_RUNNING;
}

static bool win_is_lost(struct fixture *fixture, void *data) {
	return oriel_source_get_state(fixture_get_view(fixture, "win")->source) ==
			ORIEL_SOURCE_STATE_LOST;
}

/* The open file of the device that oriel in this process has, borrowed. */
static int find_device_file(const char *link) {
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	int found = -1;
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char target[PATH_MAX];
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length > 0 && (size_t)length == strlen(link) &&
				memcmp(target, link, (size_t)length) == 0) {
			assert_int_equal(found, -1);
			found = atoi(entry->d_name);
		}
	}
	closedir(dir);
	assert_true(found >= 0);
	return found;
}

/* /dev/vfio/N of an mdev's group. */
static void get_group_path(const char *uuid, char path[static PATH_MAX]) {
	char link[128], target[256];
	snprintf(link, sizeof(link), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	assert_true(length > 0);
	target[length] = '\0';
	snprintf(path, PATH_MAX, "/dev/vfio%s", strrchr(target, '/'));
}

static void get_sysfs_path(const char *uuid, char path[static PATH_MAX]) {
	snprintf(path, PATH_MAX, "/sys/bus/mdev/devices/%s", uuid);
}

static void get_cdev_path(const char *uuid, char path[static PATH_MAX]) {
	assert_int_equal(vgpu_mdev_get_cdev_path(uuid, path, PATH_MAX), 0);
}

static void get_uuid(const char *uuid, char path[static PATH_MAX]) {
	snprintf(path, PATH_MAX, "%s", uuid);
}

/* --- mbochs ----------------------------------------------------------------------------------- */

/*
 * mbochs gives its memory back when nobody has it open, so that the guest joins oriel on the file
 * that oriel has opened.
 */
static void check_mbochs(
		struct open_test *test, void (*get_path)(const char *, char *), const char *link) {
	assert_int_equal(vgpu_mdev_create("mbochs-medium", test->mbochs_uuid), 0);
	char where[PATH_MAX], cdev_path[PATH_MAX];
	get_path(test->mbochs_uuid, where);
	get_cdev_path(test->mbochs_uuid, cdev_path);
	test_start(test, where);
	test->mbochs = vgpu_guest_open_fd(find_device_file(link != NULL ? link : cdev_path));
	assert_non_null(test->mbochs);
	assert_int_equal(vgpu_guest_set_mode(test->mbochs, WIDTH, HEIGHT, WIDTH, 1), 0);
	vgpu_guest_paint(test->mbochs, 0, SEED);
	fixture_step_until(&test->fixture, win_is_running, NULL);
	check_screen(test);
	assert_int_equal(errors.count, 0);
}

static void mbochs_by_its_uuid_is_shown(void **state) {
	check_mbochs(*state, get_uuid, NULL);
}

static void mbochs_by_its_folder_is_shown(void **state) {
	check_mbochs(*state, get_sysfs_path, NULL);
}

static void mbochs_by_its_character_device_is_shown(void **state) {
	check_mbochs(*state, get_cdev_path, NULL);
}

static void mbochs_by_its_group_is_shown(void **state) {
	check_mbochs(*state, get_group_path, "anon_inode:[vfio-device]");
}

static void mbochs_handed_over_is_shown(void **state) {
	struct open_test *test = *state;
	assert_int_equal(vgpu_mdev_create("mbochs-medium", test->mbochs_uuid), 0);
	struct vgpu_guest *guest = vgpu_guest_open(test->mbochs_uuid);
	assert_non_null(guest);
	assert_int_equal(vgpu_guest_set_mode(guest, WIDTH, HEIGHT, WIDTH, 1), 0);
	vgpu_guest_paint(guest, 0, SEED);
	char where[32];
	snprintf(where, sizeof(where), "fd:%d", vgpu_guest_get_device_fd(guest));
	test_start(test, where);
	check_screen(test);
	fixture_finish(&test->fixture);
	test->is_running = false;
	vgpu_guest_close(guest);
}

/* --- in use ----------------------------------------------------------------------------------- */

static void check_refused(const char *where, const char *expected) {
	errors.count = 0;
	struct wl_event_loop *loop = NULL; /* not needed for what is not opened */
	assert_null(oriel_source_create(loop, "win", "vfio", where, NULL));
	assert_int_equal(errors.count, 1);
	if (strstr(errors.last, "guest win: vfio: ") == NULL ||
			strstr(errors.last, expected) == NULL) {
		fail_msg("the line is \"%s\", which has no \"%s\"", errors.last, expected);
	}
}

static void device_in_use_is_refused_by_every_way(void **state) {
	struct open_test *test = *state;
	assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	char cdev_path[PATH_MAX], group_path[PATH_MAX];
	get_cdev_path(test->vgpu.uuid, cdev_path);
	get_group_path(test->vgpu.uuid, group_path);

	int fd = test_vgpu_open(&test->vgpu);
	assert_true(fd >= 0);
	check_refused(group_path, "another program");
	check_refused(cdev_path, "another program seems to have it open");
	check_refused(test->vgpu.uuid, "another program seems to have it open");
	close(fd);

	fd = open(group_path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	check_refused(group_path, "another program has it open");
	check_refused(cdev_path, "another program has its VFIO group open");
	check_refused(test->vgpu.uuid, "another program has its VFIO group open");
	close(fd);

	struct oriel_source *source = oriel_source_create(NULL, "win", "vfio", group_path, NULL);
	assert_non_null(source);
	check_refused(group_path, "another program has it open");
	oriel_source_destroy(source);
	/* All of it was let go. */
	source = oriel_source_create(NULL, "win", "vfio", cdev_path, NULL);
	assert_non_null(source);
	oriel_source_destroy(source);
}

static void device_of_group_that_is_removed_is_lost(void **state) {
	struct open_test *test = *state;
	assert_int_equal(test_vgpu_init(&test->vgpu, "small"), 0);
	test_vgpu_paint(&test->vgpu, 0, WIDTH, HEIGHT, WIDTH * 4, SEED);
	const size_t size = (size_t)WIDTH * HEIGHT * 4;
	assert_int_equal(test_vgpu_add_buffer(&test->vgpu, 1, 0, (size + 4095) / 4096 * 4096), 0);
	assert_int_equal(test_vgpu_show(&test->vgpu, 1, WIDTH, HEIGHT, WIDTH * 4), 0);
	char group_path[PATH_MAX];
	get_group_path(test->vgpu.uuid, group_path);
	test_start(test, group_path);
	check_screen(test);

	/* The kernel makes whoever removes it wait until oriel has closed it. */
	const char *const argv[] = { "/proc/self/exe", "remove", test->vgpu.uuid, NULL };
	struct program program;
	program_start(&program, argv);
	fixture_step_until(&test->fixture, win_is_lost, NULL);
	assert_int_equal(program_wait(&program), 0);
	program_finish(&program);
	/* The last picture stays. */
	check_screen(test);
}

/* --- no IOMMU --------------------------------------------------------------------------------- */

static void find_pci_device(const char *id, char address[static 16]) {
	DIR *dir = opendir(PCI_DIR "/devices");
	assert_non_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char path[512], text[16] = "";
		snprintf(path, sizeof(path), PCI_DIR "/devices/%s/device", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
				strncmp(text, id, strlen(id)) == 0) {
			snprintf(address, 16, "%.15s", entry->d_name);
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	closedir(dir);
	assert_int_not_equal(address[0], '\0');
}

/* Oriel is root here and could: it does not want to. */
static void device_without_iommu_is_refused_by_every_way(void **state) {
	struct open_test *test = *state;
	char address[16] = "";
	find_pci_device(PCI_RNG_ID, address);
	write_file(NO_IOMMU_SWITCH, "1");
	strcpy(test->no_iommu_address, address);
	pci_set_driver(address, "vfio-pci");

	char path[PATH_MAX], link[PATH_MAX], target[256];
	snprintf(path, sizeof(path), PCI_DIR "/devices/%s", address);
	check_refused(path, "is not opened: it has no IOMMU");
	snprintf(link, sizeof(link), "%.200s/iommu_group", path);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	assert_true(length > 0);
	target[length] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", strrchr(target, '/') + 1);
	assert_int_equal(access(path, F_OK), 0);
	check_refused(path, "is not opened: it has no IOMMU");
}

/* remove UUID */
static int run_remove(char *argv[]) {
	int ret = vgpu_mdev_remove(argv[0]);
	if (ret != 0) {
		fprintf(stderr, "remove: %s\n", strerror(-ret));
	}
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define OPEN_TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)

int main(int argc, char *argv[]) {
	if (argc == 3 && strcmp(argv[1], "remove") == 0) {
		return run_remove(&argv[2]);
	}
	const struct CMUnitTest tests[] = {
		OPEN_TEST(mbochs_by_its_uuid_is_shown),
		OPEN_TEST(mbochs_by_its_folder_is_shown),
		OPEN_TEST(mbochs_by_its_character_device_is_shown),
		OPEN_TEST(mbochs_by_its_group_is_shown),
		OPEN_TEST(mbochs_handed_over_is_shown),
		OPEN_TEST(device_in_use_is_refused_by_every_way),
		OPEN_TEST(device_of_group_that_is_removed_is_lost),
		OPEN_TEST(device_without_iommu_is_refused_by_every_way),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
