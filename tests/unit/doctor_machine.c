/* Monitors that answer, and those that do not, or lie: a child plays them, line by line. */
#include "doctor/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

#define PATIENCE_MS 60000
#define TIMEOUT_MS 100

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 1, \"major\": 11}}, "        \
	"\"capabilities\": [\"oob\"]}}\n"
#define NOTHING "{\"return\": {}}\n"
#define NO_LIST "{\"return\": []}\n"
#define REFUSED "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n"

struct monitor {
	int fds_before;
	char dir[64];
	struct sockaddr_un address;
	int listen_fd;
	pid_t pid; /* 0: none */
	struct oriel_doctor_machine_facts facts;
};

static int monitor_setup(void **state) {
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	assert_non_null(monitor);
	monitor->fds_before = fds_count_open();
	snprintf(monitor->dir, sizeof(monitor->dir), "/tmp/oriel-monitor-XXXXXX");
	assert_non_null(mkdtemp(monitor->dir));
	monitor->address.sun_family = AF_UNIX;
	snprintf(monitor->address.sun_path, sizeof(monitor->address.sun_path), "%s/qmp",
			monitor->dir);
	monitor->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(monitor->listen_fd, (struct sockaddr *)&monitor->address,
					 sizeof(monitor->address)),
			0);
	assert_int_equal(listen(monitor->listen_fd, 1), 0);
	*state = monitor;
	return 0;
}

static void monitor_end(struct monitor *monitor) {
	if (monitor->pid > 0) {
		kill(monitor->pid, SIGKILL);
		waitpid(monitor->pid, NULL, 0);
		monitor->pid = 0;
	}
}

static int monitor_teardown(void **state) {
	struct monitor *monitor = *state;
	monitor_end(monitor);
	close(monitor->listen_fd);
	unlink(monitor->address.sun_path);
	int failed = rmdir(monitor->dir) != 0 || fds_count_open() != monitor->fds_before;
	free(monitor);
	return failed ? -1 : 0;
}

static void write_all(int fd, const char *text) {
	for (size_t left = strlen(text); left > 0;) {
		ssize_t count = write(fd, text, left);
		if (count <= 0) {
			_exit(1);
		}
		text += count;
		left -= (size_t)count;
	}
}

/* Whoever plays a monitor: the first line at once, each of the others for a line that it reads. */
static void play(const struct monitor *monitor, const char *const lines[], bool hangs_up) {
	int fd = accept(monitor->listen_fd, NULL, NULL);
	FILE *file = fdopen(fd, "r");
	char line[1024];
	for (size_t i = 0; lines[i] != NULL; i++) {
		if (i > 0 && fgets(line, sizeof(line), file) == NULL) {
			_exit(1);
		}
		write_all(fd, lines[i]);
	}
	while (!hangs_up) {
		pause();
	}
	_exit(0);
}

static void monitor_play(struct monitor *monitor, const char *const lines[], bool hangs_up) {
	monitor_end(monitor);
	monitor->pid = fork();
	assert_true(monitor->pid >= 0);
	if (monitor->pid == 0) {
		play(monitor, lines, hangs_up);
	}
}

static void probe(struct monitor *monitor, int timeout_ms) {
	oriel_doctor_machine_probe(&monitor->facts, monitor->address.sun_path, timeout_ms);
}

/* The answers, in the order of the questions. */
static void probe_reads_all_that_a_machine_says(void **state) {
	struct monitor *monitor = *state;
	static const char *const lines[] = { GREETING,
		"{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESUME\"}\n" NOTHING,
		"{\"return\": {\"status\": \"running\", \"running\": true}}\n",
		"{\"return\": {\"p2p\": true, \"type\": \"dbus\", \"gl\": \"on\"}}\n",
		"{\"return\": [{\"share\": false}, {\"share\": true, \"id\": \"ram\"}]}\n",
		"{\"event\": \"A\"}\n{\"event\": \"B\"}\n"
		"{\"return\": [{\"absolute\": true}, {\"absolute\": false}]}\n",
		"{\"return\": {\"enabled\": true, \"present\": true}}\n",
		"{\"return\": [{\"name\": \"type\", \"type\": \"string\"}, "
		"{\"name\": \"gpu0\", \"type\": \"child<virtio-gpu-pci>\"}]}\n",
		"{\"return\": true}\n", NO_LIST,
		"{\"return\": [{\"name\": \"device[6]\", \"type\": \"child<virtio-vga-gl>\"}]}\n",
		REFUSED, NULL };
	monitor_play(monitor, lines, false);
	probe(monitor, PATIENCE_MS);
	const struct oriel_doctor_machine_facts *facts = &monitor->facts;
	assert_int_equal(facts->error, 0);
	assert_int_equal(facts->version.major, 11);
	assert_int_equal(facts->version.minor, 1);
	assert_int_equal(facts->version.micro, 2);
	assert_string_equal(facts->status, "running");
	assert_string_equal(facts->display, "dbus");
	assert_true(facts->is_p2p && facts->has_gl && facts->has_kvm);
	assert_true(facts->has_shared_memory && facts->has_absolute_pointer);
	assert_int_equal(facts->gpu_count, 2);
	assert_string_equal(facts->gpus[0].type, "virtio-gpu-pci");
	assert_true(facts->gpus[0].has_blob);
	assert_string_equal(facts->gpus[1].type, "virtio-vga-gl");
	assert_false(facts->gpus[1].has_blob);
}

static void probe_of_refusals_and_wrong_types_knows_nothing(void **state) {
	struct monitor *monitor = *state;
	static const char *const refusals[] = { GREETING, NOTHING, REFUSED, REFUSED, REFUSED,
		REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, NULL };
	static const char *const strange[] = { "{\"QMP\": 5}\n", "{\"return\": 7}\n",
		"{\"return\": [1]}\n", "{\"return\": {\"type\": 5, \"p2p\": \"yes\", \"gl\": []}}\n",
		"{\"return\": {\"a\": 1}}\n", "{\"return\": [[], 3, {\"absolute\": 1}]}\n",
		"{\"return\": \"x\"}\n", "{\"return\": {}}\n",
		"{\"return\": [5, {\"type\": \"child<\"}, {\"type\": \"child<virtio-gpu>\", "
		"\"name\": \"a\\\"b\"}]}\n",
		"{\"return\": 1}\n", NULL };
	const char *const *const plays[] = { refusals, strange };
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		monitor_play(monitor, plays[i], false);
		probe(monitor, PATIENCE_MS);
		const struct oriel_doctor_machine_facts *facts = &monitor->facts;
		assert_int_equal(facts->error, 0);
		assert_string_equal(facts->status, "");
		assert_string_equal(facts->display, "");
		assert_false(facts->is_p2p || facts->has_gl || facts->has_kvm ||
				facts->has_shared_memory || facts->has_absolute_pointer);
		/* A name that cannot be put into a question is not asked about. */
		assert_int_equal(facts->gpu_count, i);
	}
}

static void probe_of_many_devices_stops_at_the_limit(void **state) {
	struct monitor *monitor = *state;
	char devices[2048] = "{\"return\": [";
	for (int i = 0; i < ORIEL_DOCTOR_GPUS_MAX + 1; i++) {
		strcat(devices, i > 0 ? ", " : "");
		strcat(devices, "{\"name\": \"a\", \"type\": \"child<virtio-vga>\"}");
	}
	strcat(devices, "]}\n");
	const char *lines[8 + 3 * (ORIEL_DOCTOR_GPUS_MAX + 1) + 1] = { GREETING, NOTHING, REFUSED,
		REFUSED, REFUSED, REFUSED, REFUSED, devices };
	for (size_t i = 8; i < sizeof(lines) / sizeof(lines[0]) - 1; i++) {
		lines[i] = i < 8 + ORIEL_DOCTOR_GPUS_MAX ? "{\"return\": false}\n" : devices;
	}
	monitor_play(monitor, lines, false);
	probe(monitor, PATIENCE_MS);
	assert_int_equal(monitor->facts.error, 0);
	assert_int_equal(monitor->facts.gpu_count, ORIEL_DOCTOR_GPUS_MAX);
}

static void probe_of_silence_gives_up(void **state) {
	struct monitor *monitor = *state;
	/* Nobody accepts, as with a monitor that another program has. */
	probe(monitor, TIMEOUT_MS);
	assert_int_equal(monitor->facts.error, ETIMEDOUT);
	static const char *const greeted[] = { GREETING, NULL };
	monitor_play(monitor, greeted, false);
	probe(monitor, TIMEOUT_MS);
	assert_int_equal(monitor->facts.error, ETIMEDOUT);
}

static void probe_of_others_than_monitors_says_so(void **state) {
	struct monitor *monitor = *state;
	char *endless = malloc(300001);
	memset(endless, 'x', 300000);
	endless[300000] = '\0';
	char *events = calloc(1, 20000);
	for (int i = 0; i < 1000; i++) {
		strcat(events, "{\"event\": 1}\n");
	}
	const struct {
		const char *line;
		int error;
	} cases[] = {
		{ "QEMU 11.1.2 monitor - type 'help' for more information\n", EPROTO },
		{ "\n", EPROTO },
		{ "[]\n", EPROTO },
		{ "{\"QMP\": \n", EPROTO },
		{ "{\"QMP\": null}\n", EPROTO },
		{ REFUSED, EPROTO },
		{ endless, EPROTO },
		{ events, EPROTO },
		{ "", ECONNRESET },
		{ "{\"QMP\"", ECONNRESET },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const lines[] = { cases[i].line, NULL };
		monitor_play(monitor, lines, true);
		probe(monitor, PATIENCE_MS);
		assert_int_equal(monitor->facts.error, cases[i].error);
		assert_int_equal(monitor->facts.version.major, 0);
	}
	free(events);
	free(endless);
}

static void probe_of_monitor_that_hangs_up_later_says_so(void **state) {
	struct monitor *monitor = *state;
	static const char *const lines[] = { GREETING, NOTHING, REFUSED, REFUSED, NULL };
	monitor_play(monitor, lines, true);
	probe(monitor, PATIENCE_MS);
	assert_int_equal(monitor->facts.error, ECONNRESET);
}

static void probe_of_no_socket_gives_the_error(void **state) {
	struct monitor *monitor = *state;
	oriel_doctor_machine_probe(&monitor->facts, "/nonexistent/qmp", PATIENCE_MS);
	assert_int_equal(monitor->facts.error, ENOENT);
	oriel_doctor_machine_probe(&monitor->facts, "/dev/null", PATIENCE_MS);
	assert_int_equal(monitor->facts.error, ECONNREFUSED);
	char path[sizeof(monitor->address.sun_path) + 1];
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	oriel_doctor_machine_probe(&monitor->facts, path, PATIENCE_MS);
	assert_int_equal(monitor->facts.error, ENAMETOOLONG);
	path[sizeof(path) - 2] = '\0';
	oriel_doctor_machine_probe(&monitor->facts, path, PATIENCE_MS);
	assert_int_equal(monitor->facts.error, ENOENT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, monitor_setup, monitor_teardown)
	const struct CMUnitTest tests[] = {
		TEST(probe_reads_all_that_a_machine_says),
		TEST(probe_of_refusals_and_wrong_types_knows_nothing),
		TEST(probe_of_many_devices_stops_at_the_limit),
		TEST(probe_of_silence_gives_up),
		TEST(probe_of_others_than_monitors_says_so),
		TEST(probe_of_monitor_that_hangs_up_later_says_so),
		TEST(probe_of_no_socket_gives_the_error),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
