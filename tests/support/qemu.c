#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"

#define ARGUMENTS_MAX 64
#define STEP_MS 10
#define GUEST_TAIL_BYTES 2000 /* that are printed of what it said when it is given up */

/* --- what there is ---------------------------------------------------------------------------- */

static const char *get_kernel(void) {
	const char *path = getenv("ORIEL_TEST_KERNEL");
	return path != NULL ? path : "/run/vm/kernel/bzImage";
}

/* What was built, from the folder of this program. */
static void get_built_path(char path[PATH_MAX], const char *name) {
	char self[PATH_MAX - 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(length > 0);
	self[length] = '\0';
	char *slash = strrchr(self, '/');
	assert_non_null(slash);
	*slash = '\0';
	snprintf(path, PATH_MAX, "%s/%s", self, name);
}

static const char *const images[] = {
	[QEMU_GUEST_BOOT] = "../guests/boot.img",
	[QEMU_GUEST_GPU] = "../guests/gpu.elf",
	[QEMU_GUEST_LINUX] = "../guests/linux.erofs",
};

static void require_file(const char *path) {
	if (access(path, R_OK) != 0) {
		print_message("skipped: no %s\n", path);
		skip();
	}
}

void qemu_require(enum qemu_guest guest) {
	struct program program;
	program_start(&program,
			(const char *const[]){ "qemu-system-x86_64", "-display", "help", NULL });
	bool has_dbus = program_wait(&program) == 0 && strstr(program.out.text, "dbus") != NULL;
	program_finish(&program);
	if (!has_dbus) {
		print_message("skipped: no qemu-system-x86_64 with a D-Bus display\n");
		skip();
	}
	char path[PATH_MAX];
	get_built_path(path, images[guest]);
	require_file(path);
	if (guest == QEMU_GUEST_LINUX) {
		require_file(get_kernel());
	}
}

/* --- reading ---------------------------------------------------------------------------------- */

static void stream_finish(struct qemu_stream *stream) {
	if (stream->fd >= 0) {
		close(stream->fd);
	}
	free(stream->text);
	*stream = (struct qemu_stream){ .fd = -1 };
}

/* Returns QEMU's end, which outlives exec(). */
static int stream_init(struct qemu_stream *stream) {
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(ends[1], F_SETFD, 0), 0);
	*stream = (struct qemu_stream){ .fd = ends[0], .text = calloc(1, 1) };
	assert_non_null(stream->text);
	return ends[1];
}

/* All that is there. At its end nothing is read any more. */
static void stream_read(struct qemu_stream *stream) {
	char chunk[16384];
	ssize_t count;
	while (stream->fd >= 0 && (count = read(stream->fd, chunk, sizeof(chunk))) > 0) {
		stream->text = realloc(stream->text, stream->length + (size_t)count + 1);
		assert_non_null(stream->text);
		memcpy(&stream->text[stream->length], chunk, (size_t)count);
		stream->length += (size_t)count;
		stream->text[stream->length] = '\0';
	}
}

/* What is short enough for a socket that nobody else fills. */
static void stream_write(struct qemu_stream *stream, const char *text) {
	ssize_t length = (ssize_t)strlen(text);
	assert_int_equal(send(stream->fd, text, (size_t)length, MSG_NOSIGNAL), length);
}

/* The next whole line, which is then taken, for free(); NULL if there is none. */
static char *stream_take_line(struct qemu_stream *stream) {
	const char *line = &stream->text[stream->taken];
	const char *end = strchr(line, '\n');
	if (end == NULL) {
		return NULL;
	}
	size_t length = (size_t)(end - line);
	stream->taken += length + 1;
	return strndup(line, length - (length > 0 && line[length - 1] == '\r'));
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool program_has_ended(const struct program *program) {
	struct pollfd pollfd = { .fd = program->pid_fd, .events = POLLIN };
	return program->pid < 0 || poll(&pollfd, 1, 0) != 0;
}

static void print_console(const struct qemu *qemu) {
	char path[128], line[512];
	snprintf(path, sizeof(path), "%s/console", qemu->folder);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		print_error("console: %s", line);
	}
	fclose(file);
}

static void give_up(struct qemu *qemu, const char *what) {
	print_console(qemu);
	if (qemu->guest.text != NULL) {
		const struct qemu_stream *guest = &qemu->guest;
		size_t start = guest->length > GUEST_TAIL_BYTES ? guest->length - GUEST_TAIL_BYTES
								: 0;
		print_error("the guest has said:\n%s", &guest->text[start]);
	}
	/* Reads what QEMU has said. */
	if (qemu->program.pid >= 0) {
		program_kill(&qemu->program, SIGTERM);
		program_wait(&qemu->program);
	}
	fail_msg("%s; QEMU has said:\n%s", what,
			qemu->program.err.text != NULL ? qemu->program.err.text : "");
}

static bool qemu_is_served(const struct qemu *qemu) {
	return qemu->fixture != NULL && qemu->fixture->server != NULL;
}

void qemu_step(struct qemu *qemu) {
	if (qemu_is_served(qemu)) {
		fixture_step(qemu->fixture, STEP_MS);
	} else {
		struct pollfd pollfds[] = {
			{ .fd = qemu->monitor.fd, .events = POLLIN },
			{ .fd = qemu->guest.fd, .events = POLLIN },
			{ .fd = qemu->program.pid_fd, .events = POLLIN },
		};
		poll(pollfds, 3, 1000);
	}
	stream_read(&qemu->monitor);
	stream_read(&qemu->guest);
}

static void step_until(struct qemu *qemu, bool (*done)(struct qemu *qemu, void *data), void *data,
		bool may_end) {
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!done(qemu, data)) {
		qemu_step(qemu);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > FIXTURE_PATIENCE_S) {
			give_up(qemu, "what the test waits for does not happen");
		}
		if (!may_end && program_has_ended(&qemu->program)) {
			give_up(qemu, "QEMU has ended");
		}
	}
}

void qemu_wait_until(struct qemu *qemu, bool (*done)(struct qemu *qemu, void *data), void *data) {
	step_until(qemu, done, data, false);
}

/* --- QMP -------------------------------------------------------------------------------------- */

static void note_event(struct qemu *qemu, const char *name) {
	char *events;
	assert_true(asprintf(&events, "%s%s\n", qemu->events, name) > 0);
	free(qemu->events);
	qemu->events = events;
}

/* The reply to a command, if it has come; events before it are noted. */
static bool take_reply(struct qemu *qemu, void *data) {
	struct json_object **reply = data;
	for (char *line; *reply == NULL && (line = stream_take_line(&qemu->monitor)) != NULL;) {
		struct json_object *message = json_tokener_parse(line);
		if (message == NULL) {
			fail_msg("QEMU's monitor has said %s", line);
		}
		struct json_object *event;
		if (json_object_object_get_ex(message, "event", &event)) {
			note_event(qemu, json_object_get_string(event));
			json_object_put(message);
		} else {
			*reply = message;
		}
		free(line);
	}
	return *reply != NULL;
}

static struct json_object *execute(struct qemu *qemu, const char *format, va_list arguments) {
	char *command;
	assert_true(vasprintf(&command, format, arguments) > 0);
	stream_write(&qemu->monitor, command);
	struct json_object *reply = NULL, *result;
	qemu_wait_until(qemu, take_reply, &reply);
	if (!json_object_object_get_ex(reply, "return", &result)) {
		fail_msg("%s: %s", command, json_object_to_json_string(reply));
	}
	json_object_get(result);
	json_object_put(reply);
	free(command);
	return result;
}

struct json_object *qemu_execute(struct qemu *qemu, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	struct json_object *result = execute(qemu, format, arguments);
	va_end(arguments);
	return result;
}

void qemu_do(struct qemu *qemu, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	json_object_put(execute(qemu, format, arguments));
	va_end(arguments);
}

struct wanted_event {
	const char *name;
};

static bool take_event(struct qemu *qemu, void *data) {
	const struct wanted_event *wanted = data;
	struct json_object *reply = NULL;
	take_reply(qemu, &reply);
	assert_null(reply);
	size_t length = strlen(wanted->name);
	for (char *line = qemu->events; *line != '\0'; line = strchr(line, '\n') + 1) {
		if (strncmp(line, wanted->name, length) == 0 && line[length] == '\n') {
			memmove(qemu->events, &line[length + 1], strlen(&line[length + 1]) + 1);
			return true;
		}
	}
	return false;
}

void qemu_wait_for_event(struct qemu *qemu, const char *name) {
	struct wanted_event wanted = { .name = name };
	/* It may be the last thing that QEMU says. */
	step_until(qemu, take_event, &wanted, true);
}

void qemu_drop_events(struct qemu *qemu) {
	struct json_object *reply = NULL;
	stream_read(&qemu->monitor);
	take_reply(qemu, &reply);
	assert_null(reply);
	qemu->events[0] = '\0';
}

void qemu_type(struct qemu *qemu, const char *qcode) {
	qemu_do(qemu, "{'execute': 'send-key', 'arguments': {'keys': [{'type': 'qcode', 'data': '%s'}]}}",
			qcode);
}

static struct screenshot read_ppm(const char *path) {
	struct screenshot screenshot;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	int depth;
	assert_int_equal(fscanf(file, "P6 %d %d %d", &screenshot.width, &screenshot.height, &depth),
			3);
	assert_int_equal(depth, 255);
	fgetc(file);
	size_t pixel_count = (size_t)screenshot.width * (size_t)screenshot.height;
	uint8_t *rgb = malloc(pixel_count * 3);
	screenshot.pixels = malloc(pixel_count * sizeof(*screenshot.pixels));
	assert_non_null(rgb);
	assert_non_null(screenshot.pixels);
	assert_int_equal(fread(rgb, 3, pixel_count, file), pixel_count);
	for (size_t i = 0; i < pixel_count; i++) {
		screenshot.pixels[i] = (uint32_t)rgb[3 * i] << 16 | (uint32_t)rgb[3 * i + 1] << 8 |
				rgb[3 * i + 2];
	}
	free(rgb);
	fclose(file);
	return screenshot;
}

struct screenshot qemu_screendump(struct qemu *qemu, const char *device, int head) {
	char path[128], which[128] = "";
	snprintf(path, sizeof(path), "%s/dump.ppm", qemu->folder);
	if (device != NULL) {
		snprintf(which, sizeof(which), ", 'device': '%s', 'head': %d", device, head);
	}
	qemu_do(qemu, "{'execute': 'screendump', 'arguments': {'filename': '%s'%s}}", path, which);
	return read_ppm(path);
}

/* --- the guest -------------------------------------------------------------------------------- */

/* The line's place in text, or NULL. */
static char *find_line(char *text, const char *line) {
	size_t length = strlen(line);
	for (char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		if ((size_t)(end - text) == length && memcmp(text, line, length) == 0) {
			return text;
		}
	}
	return NULL;
}

bool qemu_has_line(struct qemu *qemu, const char *line) {
	stream_read(&qemu->guest);
	return find_line(&qemu->guest.text[qemu->guest.taken], line) != NULL;
}

static bool take_line(struct qemu *qemu, void *data) {
	const char *line = data;
	char *found = find_line(&qemu->guest.text[qemu->guest.taken], line);
	if (found != NULL) {
		qemu->guest.taken = (size_t)(found - qemu->guest.text) + strlen(line) + 1;
	}
	return found != NULL;
}

void qemu_wait_for_line(struct qemu *qemu, const char *line) {
	char *wanted = strdup(line);
	assert_non_null(wanted);
	qemu_wait_until(qemu, take_line, wanted);
	free(wanted);
}

const char *qemu_get_lines(const struct qemu *qemu) {
	return &qemu->guest.text[qemu->guest.taken];
}

void qemu_drop_lines(struct qemu *qemu) {
	stream_read(&qemu->guest);
	qemu->guest.taken = qemu->guest.length;
}

static bool take_answer(struct qemu *qemu, void *data) {
	char *line;
	while ((line = stream_take_line(&qemu->guest)) != NULL) {
		bool is_done = strcmp(line, "done") == 0;
		if (strncmp(line, "failed", strlen("failed")) == 0) {
			fail_msg("the guest has %s", line);
		}
		free(line);
		if (is_done) {
			return true;
		}
	}
	return false;
}

void qemu_command(struct qemu *qemu, const char *format, ...) {
	char *command, *line;
	va_list arguments;
	va_start(arguments, format);
	assert_true(vasprintf(&command, format, arguments) > 0);
	va_end(arguments);
	assert_true(asprintf(&line, "%s\n", command) > 0);
	stream_write(&qemu->guest, line);
	free(line);
	free(command);
	qemu_wait_until(qemu, take_answer, NULL);
}

/* --- its life --------------------------------------------------------------------------------- */

void qemu_init(struct qemu *qemu, struct fixture *fixture) {
	*qemu = (struct qemu){ .fixture = fixture, .monitor.fd = -1, .guest.fd = -1 };
	qemu->program = (struct program){ .pid = -1, .pid_fd = -1 };
	qemu->program.out.fd = qemu->program.err.fd = -1;
	/* Not below the build folder, whose path may be too long for a socket. */
	snprintf(qemu->folder, sizeof(qemu->folder), "/tmp/oriel-qemu-XXXXXX");
	assert_non_null(mkdtemp(qemu->folder));
	snprintf(qemu->monitor_path, sizeof(qemu->monitor_path), "%s/qmp", qemu->folder);
}

static int remove_file(const char *path, const struct stat *stat, int kind, struct FTW *ftw) {
	return remove(path);
}

static void forget_program(struct qemu *qemu) {
	if (qemu->has_runner && qemu->program.pid >= 0) {
		/* QEMU goes on without it, if it has no time to pass this on. */
		program_kill(&qemu->program, SIGTERM);
		program_wait(&qemu->program);
	}
	program_finish(&qemu->program);
	stream_finish(&qemu->monitor);
	stream_finish(&qemu->guest);
	free(qemu->events);
	qemu->events = NULL;
}

void qemu_finish(struct qemu *qemu) {
	forget_program(qemu);
	nftw(qemu->folder, remove_file, 4, FTW_DEPTH | FTW_PHYS);
}

struct command_line {
	const char *argv[ARGUMENTS_MAX];
	size_t length;
};

static void add_arguments(struct command_line *command_line, const char *const arguments[]) {
	for (; *arguments != NULL; arguments++) {
		assert_true(command_line->length < ARGUMENTS_MAX - 1);
		command_line->argv[command_line->length++] = *arguments;
	}
}

static void add_guest(struct command_line *command_line, enum qemu_guest guest, const char *image,
		const char *drive) {
	switch (guest) {
	case QEMU_GUEST_BOOT:
		add_arguments(command_line,
				(const char *const[]){
						"-m", "16", "-boot", "a", "-drive", drive, NULL });
		break;
	case QEMU_GUEST_GPU:
		add_arguments(command_line,
				(const char *const[]){ "-m", "32", "-kernel", image, NULL });
		break;
	case QEMU_GUEST_LINUX:
		add_arguments(command_line,
				(const char *const[]){ "-machine", "pc,i8042=off", "-m", "192",
						"-kernel", get_kernel(), "-append",
						"console=ttyS0 quiet tsc=reliable panic=-1 root=/dev/vda "
						"rootfstype=erofs ro init=/init",
						"-drive", drive, "-device",
						"virtio-blk-pci,drive=root", "-device",
						"virtio-serial-pci", "-device",
						"virtserialport,chardev=port", NULL });
		break;
	}
}

void qemu_start(struct qemu *qemu, enum qemu_guest guest, const char *const arguments[]) {
	assert_true(qemu->program.pid < 0);
	char display[160], monitor[128], own_monitor[64], port[64], serial[128];
	char image[PATH_MAX], drive[PATH_MAX + 64], runner[PATH_MAX];
	int monitor_fd = stream_init(&qemu->monitor), guest_fd = stream_init(&qemu->guest);
	snprintf(display, sizeof(display), "dbus,p2p=yes%s", qemu->display_options);
	snprintf(monitor, sizeof(monitor), "unix:%s,server=on,wait=off", qemu->monitor_path);
	snprintf(own_monitor, sizeof(own_monitor), "socket,id=monitor,fd=%d", monitor_fd);
	snprintf(port, sizeof(port), "socket,id=port,fd=%d", guest_fd);
	snprintf(serial, sizeof(serial), "file:%s/console", qemu->folder);
	get_built_path(image, images[guest]);
	snprintf(drive, sizeof(drive), "%s,format=raw,readonly=on,file=%s",
			guest == QEMU_GUEST_BOOT ? "if=floppy" : "if=none,id=root", image);
	struct command_line command_line = { .length = 0 };
	qemu->has_runner = qemu->runner_options != NULL;
	if (qemu->has_runner) {
		get_built_path(runner, "../../tools/oriel-qemu/oriel-qemu");
		add_arguments(&command_line, (const char *const[]){ runner, NULL });
		add_arguments(&command_line, qemu->runner_options);
		add_arguments(&command_line, (const char *const[]){ "--", NULL });
	}
	add_arguments(&command_line,
			(const char *const[]){ "qemu-system-x86_64", "-nodefaults",
					"-no-user-config", "-accel", "tcg", "-vga", "none",
					"-chardev", own_monitor, "-qmp", "chardev:monitor",
					"-chardev", port, "-serial", serial, NULL });
	if (!qemu->has_runner) {
		add_arguments(&command_line,
				(const char *const[]){ "-display", display, "-qmp", monitor, NULL });
	}
	add_guest(&command_line, guest, image, drive);
	add_arguments(&command_line, arguments);
	if (qemu->has_runner) {
		program_start_runner(&qemu->program, command_line.argv);
	} else {
		program_start(&qemu->program, command_line.argv);
	}
	close(monitor_fd);
	close(guest_fd);
	qemu->events = strdup("");
	assert_non_null(qemu->events);
	struct json_object *greeting = NULL;
	qemu_wait_until(qemu, take_reply, &greeting);
	json_object_put(greeting);
	qemu_do(qemu, "{'execute': 'qmp_capabilities'}");
}

int qemu_count_fds(const struct qemu *qemu) {
	const int fds[] = {
		qemu->program.pid >= 0 ? qemu->program.pid_fd : -1,
		qemu->program.out.fd,
		qemu->program.err.fd,
		qemu->monitor.fd,
		qemu->guest.fd,
	};
	int count = 0;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		count += fds[i] >= 0;
	}
	return count;
}

void qemu_kill(struct qemu *qemu) {
	assert_false(program_has_ended(&qemu->program));
	forget_program(qemu);
}

static bool has_ended(struct qemu *qemu, void *data) {
	return program_has_ended(&qemu->program);
}

void qemu_wait_for_end(struct qemu *qemu) {
	step_until(qemu, has_ended, NULL, true);
	assert_int_equal(program_wait(&qemu->program), 0);
	forget_program(qemu);
}
