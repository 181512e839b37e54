/*
 * oriel(1) as a user runs it: a process of its own, with devices of its own, a session command and
 * signals. What it shows is looked at with grim.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "kms.h"
#include "program.h"
#include "vgpu_guest.h"

#define WIDTH 640
#define HEIGHT 480
#define PATH_SIZE 256

struct cli {
	char dir[PATH_SIZE]; /* for the test's files */
	char config_path[PATH_SIZE];
	char uuid[37];
	struct vgpu_guest *vgpu; /* may be NULL: only oriel has the device */
	struct program oriel;
	char socket[PATH_SIZE]; /* its name */
	int fds_before;
};

static int cli_setup(void **state) {
	struct cli *cli = calloc(1, sizeof(*cli));
	if (cli == NULL) {
		return -1;
	}
	const char *tmp = getenv("TMPDIR");
	snprintf(cli->dir, sizeof(cli->dir), "%s/cli-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(cli->dir) == NULL) {
		free(cli);
		return -1;
	}
	cli->oriel = (struct program){ .pid = -1, .pid_fd = -1 };
	cli->oriel.out.fd = cli->oriel.err.fd = -1;
	cli->fds_before = fds_count_open();
	*state = cli;
	setenv("XDG_CONFIG_HOME", cli->dir, true);
	setenv("WLR_BACKENDS", "headless", true);
	setenv("WLR_RENDERER", "pixman", true);
	unsetenv("WAYLAND_DISPLAY");
	unsetenv("DISPLAY");
	return 0;
}

static void remove_files(const char *path) {
	DIR *dir = opendir(path);
	if (dir == NULL) {
		return;
	}
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	rmdir(path);
}

static int cli_teardown(void **state) {
	struct cli *cli = *state;
	program_finish(&cli->oriel);
	vgpu_guest_close(cli->vgpu);
	remove_files(cli->dir);
	int ret = 0;
	int fds = fds_count_open();
	if (fds != cli->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", cli->fds_before, fds);
		ret = -1;
	} else if (cli->uuid[0] != '\0') {
		ret = vgpu_mdev_remove(cli->uuid);
	}
	free(cli);
	return ret;
}

/* --- oriel ------------------------------------------------------------------------------------ */

static void write_config(struct cli *cli, const char *name, const char *text) {
	snprintf(cli->config_path, sizeof(cli->config_path), "%.200s/%s", cli->dir, name);
	FILE *file = fopen(cli->config_path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_output_config(struct cli *cli, const char *output_name) {
	char text[PATH_SIZE];
	snprintf(text, sizeof(text), "output %s {\n\tmode %dx%d\n}\n", output_name, WIDTH, HEIGHT);
	write_config(cli, "oriel.conf", text);
}

/* Built beside this program. */
static void get_oriel_path(char path[PATH_MAX]) {
	char self[PATH_MAX - 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(length > 0);
	self[length] = '\0';
	char *slash = strrchr(self, '/');
	assert_non_null(slash);
	*slash = '\0';
	snprintf(path, PATH_MAX, "%s/../../compositor/oriel", self);
}

/* Starts oriel with those arguments, behind its name and up to NULL. */
static void cli_run(struct cli *cli, const char *const arguments[]) {
	char path[PATH_MAX];
	get_oriel_path(path);
	const char *argv[16] = { path };
	size_t count = 1;
	for (; *arguments != NULL; arguments++) {
		assert_true(count < 15);
		argv[count++] = *arguments;
	}
	program_start(&cli->oriel, argv);
}

/* Starts a session that shows the guest a, and waits until clients can connect. */
static void cli_start(struct cli *cli, const char *source, const char *session_command) {
	char guest[PATH_SIZE];
	snprintf(guest, sizeof(guest), "a=vfio:%s", source);
	const char *const arguments[] = { "-c", cli->config_path, "--guest", guest,
		session_command != NULL ? "-s" : NULL, session_command, NULL };
	cli_run(cli, arguments);
	static const char ready[] = "running on WAYLAND_DISPLAY=";
	program_wait_for(&cli->oriel, &cli->oriel.err, ready);
	const char *name = strstr(cli->oriel.err.text, ready) + strlen(ready);
	size_t length = strcspn(name, "\n");
	snprintf(cli->socket, sizeof(cli->socket), "%.*s", (int)length, name);
}

static void cli_end(struct cli *cli) {
	program_kill(&cli->oriel, SIGTERM);
	assert_int_equal(program_wait(&cli->oriel), 0);
}

static void cli_add_device(struct cli *cli) {
	assert_int_equal(vgpu_mdev_create("mbochs-small", cli->uuid), 0);
}

/* Opens the device here, paints, and starts a session that has inherited its file. */
static void cli_start_inherited(struct cli *cli, uint32_t seed, const char *session_command) {
	cli_add_device(cli);
	cli->vgpu = vgpu_guest_open(cli->uuid);
	assert_non_null(cli->vgpu);
	assert_int_equal(vgpu_guest_set_mode(cli->vgpu, WIDTH, HEIGHT, WIDTH, 2), 0);
	vgpu_guest_paint(cli->vgpu, 0, seed);
	/* Not close-on-exec. */
	int fd = dup(vgpu_guest_get_device_fd(cli->vgpu));
	assert_true(fd >= 0);
	char source[32];
	snprintf(source, sizeof(source), "fd:%d", fd);
	cli_start(cli, source, session_command);
	close(fd);
}

/* The device file that oriel has opened for itself, as a guest would hold it: it opens once. */
static void cli_steal_device(struct cli *cli) {
	char cdev_path[PATH_SIZE], dir_path[64];
	assert_int_equal(vgpu_mdev_get_cdev_path(cli->uuid, cdev_path, sizeof(cdev_path)), 0);
	snprintf(dir_path, sizeof(dir_path), "/proc/%d/fd", (int)cli->oriel.pid);
	DIR *dir = opendir(dir_path);
	assert_non_null(dir);
	int device_fd = -1;
	for (const struct dirent *entry; device_fd < 0 && (entry = readdir(dir)) != NULL;) {
		char target[PATH_SIZE];
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		if (strcmp(target, cdev_path) == 0) {
			device_fd = pidfd_getfd(cli->oriel.pid_fd, atoi(entry->d_name), 0);
		}
	}
	closedir(dir);
	assert_true(device_fd >= 0);
	cli->vgpu = vgpu_guest_open_fd(device_fd);
	close(device_fd);
	assert_non_null(cli->vgpu);
}

/* --- what it shows ---------------------------------------------------------------------------- */

/* The file is grim's picture of an output that shows the test picture. */
static void check_picture_file(const char *path, uint32_t seed) {
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	int width, height;
	assert_int_equal(fscanf(file, "P6 %d %d 255", &width, &height), 2);
	assert_int_equal(width, WIDTH);
	assert_int_equal(height, HEIGHT);
	assert_int_equal(fgetc(file), '\n');
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			unsigned char rgb[3];
			assert_int_equal(fread(rgb, sizeof(rgb), 1, file), 1);
			uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
			uint32_t expected = vgpu_picture_pixel(x, y, WIDTH, HEIGHT, seed);
			if (pixel != expected) {
				fail_msg("the pixel at %d,%d is %06x, expected %06x", x, y, pixel,
						expected);
			}
		}
	}
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

/* Takes a picture, as any client of the session can. */
static void check_screen(struct cli *cli, uint32_t seed) {
	char path[PATH_SIZE];
	snprintf(path, sizeof(path), "%.200s/shot.ppm", cli->dir);
	setenv("WAYLAND_DISPLAY", cli->socket, true);
	const char *const argv[] = { "grim", "-t", "ppm", path, NULL };
	struct program grim;
	program_start(&grim, argv);
	unsetenv("WAYLAND_DISPLAY");
	int status = program_wait(&grim);
	if (status != 0) {
		print_error("%s", grim.err.text);
	}
	program_finish(&grim);
	assert_int_equal(status, 0);
	check_picture_file(path, seed);
	unlink(path);
}

static void inherited_file_and_grim_in_session_command_show_every_pixel(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	char path[PATH_SIZE], command[2 * PATH_SIZE];
	snprintf(path, sizeof(path), "%.200s/session.ppm", cli->dir);
	snprintf(command, sizeof(command), "grim -t ppm '%s'; echo grim: $?.", path);
	cli_start_inherited(cli, 1, command);
	program_wait_for(&cli->oriel, &cli->oriel.out, ".\n");
	assert_string_equal(cli->oriel.out.text, "grim: 0.\n");
	check_picture_file(path, 1);

	vgpu_guest_paint(cli->vgpu, 1, 2);
	assert_int_equal(vgpu_guest_flip(cli->vgpu, 1), 0);
	check_screen(cli, 2);
	cli_end(cli);
}

/* oriel opens the device and binds it; the guest plays on oriel's file. */
static void check_source(struct cli *cli, const char *source) {
	write_output_config(cli, "HEADLESS-1");
	cli_start(cli, source, NULL);
	cli_steal_device(cli);
	assert_int_equal(vgpu_guest_set_mode(cli->vgpu, WIDTH, HEIGHT, WIDTH + 8, 1), 0);
	vgpu_guest_paint(cli->vgpu, 0, 3);
	check_screen(cli, 3);
	cli_end(cli);
}

static void source_uuid_shows_every_pixel(void **state) {
	struct cli *cli = *state;
	cli_add_device(cli);
	check_source(cli, cli->uuid);
}

static void source_cdev_path_shows_every_pixel(void **state) {
	struct cli *cli = *state;
	cli_add_device(cli);
	char path[PATH_SIZE];
	assert_int_equal(vgpu_mdev_get_cdev_path(cli->uuid, path, sizeof(path)), 0);
	check_source(cli, path);
}

static void source_sysfs_path_shows_every_pixel(void **state) {
	struct cli *cli = *state;
	cli_add_device(cli);
	char path[PATH_SIZE];
	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s", cli->uuid);
	check_source(cli, path);
}

static void kms_session_shows_every_pixel(void **state) {
	struct cli *cli = *state;
	char card_path[KMS_NAME_SIZE], output_name[KMS_NAME_SIZE];
	kms_find_card("virtio_gpu", card_path);
	kms_find_connector(card_path, output_name);
	setenv("WLR_BACKENDS", "drm", true);
	setenv("WLR_DRM_DEVICES", card_path, true);
	setenv("LIBSEAT_BACKEND", "builtin", true);
	write_output_config(cli, output_name);
	cli_start_inherited(cli, 4, NULL);
	check_screen(cli, 4);
	vgpu_guest_paint(cli->vgpu, 1, 5);
	assert_int_equal(vgpu_guest_flip(cli->vgpu, 1), 0);
	check_screen(cli, 5);
	cli_end(cli);
	unsetenv("WLR_DRM_DEVICES");
	unsetenv("LIBSEAT_BACKEND");
}

/* --- the session command, signals and the table ----------------------------------------------- */

struct table_row {
	unsigned long taken, shown, superseded, rejected, released, over_sync;
};

/* The line of guest a in the last table on stderr. */
static struct table_row parse_table(const char *text) {
	static const char heading[] = "guest  ";
	const char *table = NULL;
	for (const char *next = text; (next = strstr(next, heading)) != NULL; next++) {
		table = next;
	}
	assert_non_null(table);
	const char *line = strchr(table, '\n');
	assert_non_null(line);
	struct table_row row;
	assert_int_equal(sscanf(line, "\na %lu %lu %lu %lu %lu %*f %*f %lu\n", &row.taken,
					 &row.shown, &row.superseded, &row.rejected, &row.released,
					 &row.over_sync),
			6);
	return row;
}

static void sigusr1_prints_table(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	cli_start_inherited(cli, 1, NULL);
	check_screen(cli, 1);
	assert_null(strstr(cli->oriel.err.text, "over-sync"));
	program_kill(&cli->oriel, SIGUSR1);
	program_wait_for(&cli->oriel, &cli->oriel.err, "\na ");
	struct table_row row = parse_table(cli->oriel.err.text);
	assert_true(row.shown >= 1);
	/* One is on the screen, and all else was taken care of. */
	assert_true(row.taken >= row.shown + row.superseded);
	assert_true(row.released < row.taken);
	assert_int_equal(row.rejected, 0);
	assert_int_equal(row.over_sync, 0);
	cli_end(cli);
}

static void sigterm_releases_all_and_removes_socket(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	cli_start_inherited(cli, 1, NULL);
	check_screen(cli, 1);
	char socket_path[PATH_MAX], lock_path[PATH_MAX];
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	assert_non_null(runtime_dir);
	snprintf(socket_path, sizeof(socket_path), "%s/%s", runtime_dir, cli->socket);
	snprintf(lock_path, sizeof(lock_path), "%s/%s.lock", runtime_dir, cli->socket);
	struct stat info;
	assert_int_equal(stat(socket_path, &info), 0);
	assert_true(S_ISSOCK(info.st_mode));
	assert_int_equal(access(lock_path, F_OK), 0);

	program_kill(&cli->oriel, SIGTERM);
	assert_int_equal(program_wait(&cli->oriel), 0);
	assert_int_equal(access(socket_path, F_OK), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access(lock_path, F_OK), -1);
	struct table_row row = parse_table(cli->oriel.err.text);
	assert_true(row.taken >= 1);
	assert_int_equal(row.released, row.taken);
	assert_int_equal(row.taken, row.shown + row.superseded + row.rejected);
}

static void session_command_end_does_not_end_oriel(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	char go_path[PATH_SIZE], command[2 * PATH_SIZE];
	snprintf(go_path, sizeof(go_path), "%.200s/go", cli->dir);
	assert_int_equal(mkfifo(go_path, 0600), 0);
	/* For both directions: that opens without a reader. */
	int go_fd = open(go_path, O_RDWR | O_CLOEXEC);
	assert_true(go_fd >= 0);
	snprintf(command, sizeof(command),
			"echo pid $$ $WAYLAND_DISPLAY.; read -r go <'%s'; exit 3", go_path);
	cli_start_inherited(cli, 1, command);
	program_wait_for(&cli->oriel, &cli->oriel.out, ".\n");
	int pid;
	char socket[PATH_SIZE];
	assert_int_equal(sscanf(cli->oriel.out.text, "pid %d %255[^.].", &pid, socket), 2);
	assert_string_equal(socket, cli->socket);

	int pid_fd = pidfd_open(pid, 0);
	assert_true(pid_fd >= 0);
	assert_int_equal(write(go_fd, "go\n", 3), 3);
	struct pollfd pollfd = { .fd = pid_fd, .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, PROGRAM_PATIENCE_S * 1000), 1);
	close(pid_fd);
	close(go_fd);

	check_screen(cli, 1);
	vgpu_guest_paint(cli->vgpu, 1, 2);
	assert_int_equal(vgpu_guest_flip(cli->vgpu, 1), 0);
	check_screen(cli, 2);
	cli_end(cli);
}

/* Whoever runs in the session has no business with a virtual machine's device. */
static void session_command_does_not_inherit_device(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	cli_start_inherited(cli, 1, "readlink /proc/self/fd/*; echo listed.");
	program_wait_for(&cli->oriel, &cli->oriel.out, "listed.\n");
	assert_non_null(strstr(cli->oriel.out.text, "pipe:"));
	assert_null(strstr(cli->oriel.out.text, "vfio"));
	assert_null(strstr(cli->oriel.out.text, "iommu"));
	cli_end(cli);
}

/* --- the configuration ------------------------------------------------------------------------ */

static void validate_right_config_says_nothing(void **state) {
	struct cli *cli = *state;
	write_output_config(cli, "HEADLESS-1");
	/* No device is opened: this one is not there. */
	const char *const arguments[] = { "-c", cli->config_path, "--guest",
		"a=vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "--validate", NULL };
	cli_run(cli, arguments);
	assert_int_equal(program_wait(&cli->oriel), 0);
	assert_string_equal(cli->oriel.out.text, "");
	assert_string_equal(cli->oriel.err.text, "");
}

/* Exit status 1, and one line that begins with FILE:LINE and says what was expected. */
static void check_wrong_config(struct cli *cli, const char *option) {
	write_config(cli, "wrong.conf",
			"guest a {\n\tsource synthetic\n}\noutput HEADLESS-1 {\n\tmode 640by480\n}\n");
	const char *const arguments[] = { "-c", cli->config_path, option, NULL };
	cli_run(cli, arguments);
	assert_int_equal(program_wait(&cli->oriel), 1);
	assert_string_equal(cli->oriel.out.text, "");
	char expected[2 * PATH_SIZE];
	snprintf(expected, sizeof(expected), "%s:5: ", cli->config_path);
	const char *said = cli->oriel.err.text;
	assert_memory_equal(said, expected, strlen(expected));
	assert_non_null(strstr(said, "640by480"));
	assert_non_null(strstr(said, "expected"));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void validate_wrong_config_names_line(void **state) {
	check_wrong_config(*state, "--validate");
}

static void run_wrong_config_names_line(void **state) {
	check_wrong_config(*state, NULL);
}

#define CLI_TEST(name) cmocka_unit_test_setup_teardown(name, cli_setup, cli_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CLI_TEST(inherited_file_and_grim_in_session_command_show_every_pixel),
		CLI_TEST(source_uuid_shows_every_pixel),
		CLI_TEST(source_cdev_path_shows_every_pixel),
		CLI_TEST(source_sysfs_path_shows_every_pixel),
		CLI_TEST(kms_session_shows_every_pixel),
		CLI_TEST(sigusr1_prints_table),
		CLI_TEST(sigterm_releases_all_and_removes_socket),
		CLI_TEST(session_command_end_does_not_end_oriel),
		CLI_TEST(session_command_does_not_inherit_device),
		CLI_TEST(validate_right_config_says_nothing),
		CLI_TEST(validate_wrong_config_names_line),
		CLI_TEST(run_wrong_config_names_line),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
