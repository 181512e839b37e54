/*
 * oriel-qemu(1) as a process of its own. The oriel that it speaks to is played here, and so is the
 * machine: that is this program again, behind the arguments that a QEMU would get.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wayland-server-core.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fd.h"
#include "fds.h"
#include "oriel-guest-v1-protocol.h"
#include "program.h"

#define GREETING "{\"QMP\": {}}\r\n"
#define STATUS_TERM 42 /* of a machine that was asked to end */

/* --- the machine ------------------------------------------------------------------------------ */

static void machine_handle_term(int signal_number) {
	_exit(STATUS_TERM);
}

/* Does what a monitor is told: 'e' and a byte, to exit with it; 'k', to be killed. */
static void machine_obey(int fd) {
	char command[2];
	while (recv(fd, command, 1, 0) == 1) {
		if (command[0] == 'e' && recv(fd, &command[1], 1, 0) == 1) {
			_exit(command[1]);
		} else if (command[0] == 'k') {
			raise(SIGKILL);
		}
	}
}

/* One connection after the other, as QEMU has it. */
static int machine_run(int argc, char *argv[]) {
	static const char chardev[] = "socket,id=oriel-qmp,fd=";
	int listen_fd = -1;
	/* QEMU has to be able to wait for what it runs. */
	if (signal(SIGCHLD, SIG_DFL) != SIG_DFL) {
		return EXIT_FAILURE;
	}
	printf("runs");
	for (int i = 2; i < argc; i++) {
		printf(" %s", argv[i]);
		if (strncmp(argv[i], chardev, strlen(chardev)) == 0) {
			listen_fd = atoi(argv[i] + strlen(chardev));
		}
	}
	printf("\n");
	fflush(stdout);
	struct sigaction action = { .sa_handler = machine_handle_term };
	sigaction(SIGTERM, &action, NULL);
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);
		if (fd < 0 || send(fd, GREETING, strlen(GREETING), MSG_NOSIGNAL) < 0) {
			return EXIT_FAILURE;
		}
		machine_obey(fd);
		close(fd);
	}
}

/* --- oriel ------------------------------------------------------------------------------------ */

static struct {
	int fds_before;
	char runtime[64]; /* XDG_RUNTIME_DIR */
	char self[PATH_MAX];
	struct program program;

	struct wl_display *display; /* NULL: no oriel */
	struct wl_resource *guest; /* of the last request; NULL: there was none */
	char name[64], output[64]; /* "": NULL */
	uint32_t channel;
	int connection_fd, process_fd;
} context;

static void guest_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static const struct oriel_guest_v1_interface guest_implementation = {
	.destroy = guest_handle_destroy,
};

static void guest_handle_gone(struct wl_resource *resource) {
	if (context.guest == resource) {
		context.guest = NULL;
	}
}

static void manager_handle_destroy(struct wl_client *client, struct wl_resource *resource) {
	wl_resource_destroy(resource);
}

static void manager_handle_add_vfio_guest(struct wl_client *client, struct wl_resource *resource,
		uint32_t id, const char *name, const char *output, int32_t device, int32_t process) {
	fail_msg("this is no device");
}

static void manager_handle_add_qemu_guest(struct wl_client *client, struct wl_resource *resource,
		uint32_t id, const char *name, const char *output, uint32_t channel,
		int32_t connection, int32_t process) {
	assert_null(context.guest);
	context.guest = wl_resource_create(client, &oriel_guest_v1_interface, 2, id);
	assert_non_null(context.guest);
	wl_resource_set_implementation(context.guest, &guest_implementation, NULL, guest_handle_gone);
	snprintf(context.name, sizeof(context.name), "%s", name);
	snprintf(context.output, sizeof(context.output), "%s", output != NULL ? output : "");
	context.channel = channel;
	sb_fd_replace(&context.connection_fd, connection);
	sb_fd_replace(&context.process_fd, process);
}

static const struct oriel_guest_manager_v1_interface manager_implementation = {
	.destroy = manager_handle_destroy,
	.add_vfio_guest = manager_handle_add_vfio_guest,
	.add_qemu_guest = manager_handle_add_qemu_guest,
};

static void bind_manager(struct wl_client *client, void *data, uint32_t version, uint32_t id) {
	struct wl_resource *manager = wl_resource_create(
			client, &oriel_guest_manager_v1_interface, (int)version, id);
	assert_non_null(manager);
	wl_resource_set_implementation(manager, &manager_implementation, NULL, NULL);
}

static void oriel_start(int version) {
	context.display = wl_display_create();
	assert_non_null(context.display);
	if (version > 0) {
		assert_non_null(wl_global_create(context.display, &oriel_guest_manager_v1_interface,
				version, NULL, bind_manager));
	}
	assert_int_equal(wl_display_add_socket(context.display, "oriel-0"), 0);
}

/* With all that it had from others. */
static void oriel_end(void) {
	if (context.display == NULL) {
		return;
	}
	wl_display_destroy_clients(context.display);
	wl_display_destroy(context.display);
	context.display = NULL;
	sb_fd_clear(&context.connection_fd);
	sb_fd_clear(&context.process_fd);
}

static void oriel_step(void) {
	wl_event_loop_dispatch(wl_display_get_event_loop(context.display), 100);
	wl_display_flush_clients(context.display);
}

static void oriel_wait_for_request(void) {
	time_t deadline = time(NULL) + PROGRAM_PATIENCE_S;
	while (context.guest == NULL) {
		oriel_step();
		assert_true(time(NULL) < deadline);
	}
}

static void oriel_accept(void) {
	oriel_wait_for_request();
	oriel_guest_v1_send_accepted(context.guest);
	wl_display_flush_clients(context.display);
}

static void oriel_refuse(const char *reason) {
	oriel_wait_for_request();
	oriel_guest_v1_send_refused(context.guest, reason);
	wl_display_flush_clients(context.display);
}

/* --- both ------------------------------------------------------------------------------------- */

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.connection_fd = context.process_fd = -1;
	context.program = (struct program){ .pid = -1, .pid_fd = -1 };
	context.program.out.fd = context.program.err.fd = -1;
	snprintf(context.runtime, sizeof(context.runtime), "/tmp/oriel-qemu-test-XXXXXX");
	assert_non_null(mkdtemp(context.runtime));
	setenv("XDG_RUNTIME_DIR", context.runtime, true);
	unsetenv("ORIEL_DISPLAY");
	ssize_t length = readlink("/proc/self/exe", context.self, sizeof(context.self) - 1);
	assert_true(length > 0);
	return 0;
}

static int teardown(void **state) {
	program_finish(&context.program);
	oriel_end();
	/* Nothing is left in it. */
	assert_int_equal(rmdir(context.runtime), 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

/* Runs a machine with the options, which are for oriel-qemu and end with NULL. */
static void start(const char *const options[], const char *command, const char *machine_name) {
	const char *argv[16] = { getenv("ORIEL_QEMU") };
	size_t count = 1;
	assert_non_null(argv[0]);
	for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
		argv[count++] = options[i];
	}
	argv[count++] = "--";
	argv[count++] = command;
	argv[count++] = "machine";
	if (machine_name != NULL) {
		argv[count++] = "-name";
		argv[count++] = machine_name;
	}
	program_start_runner(&context.program, argv);
}

static void start_machine(void) {
	start(NULL, context.self, NULL);
}

/* As what does not care for its children starts it. */
static void start_with_children_ignored(const char *command) {
	signal(SIGCHLD, SIG_IGN);
	start(NULL, command, NULL);
	signal(SIGCHLD, SIG_DFL);
}

static void wait_until_it_runs(void) {
	program_wait_for(&context.program, &context.program.out, "runs");
}

static void read_greeting(void) {
	char greeting[sizeof(GREETING)] = "";
	size_t length = 0;
	while (length < strlen(GREETING)) {
		struct pollfd pollfd = { .fd = context.connection_fd, .events = POLLIN };
		assert_int_equal(poll(&pollfd, 1, PROGRAM_PATIENCE_S * 1000), 1);
		ssize_t count = recv(context.connection_fd, &greeting[length],
				strlen(GREETING) - length, 0);
		assert_true(count > 0);
		length += (size_t)count;
	}
	assert_string_equal(greeting, GREETING);
}

static void tell_machine(const char *command, size_t size) {
	assert_int_equal(send(context.connection_fd, command, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void assert_said(const char *text) {
	if (strstr(context.program.err.text, text) == NULL) {
		fail_msg("expected '%s', got '%s'", text, context.program.err.text);
	}
}

/* It ends, with nobody asked for anything, and has said one line. */
static void assert_ends(int status, const char *text) {
	assert_int_equal(program_wait(&context.program), status);
	assert_said(text);
	const char *newline = strchr(context.program.err.text, '\n');
	assert_non_null(newline);
	assert_int_equal(newline[1], '\0');
	assert_string_equal(context.program.out.text, "");
}

static bool process_has_ended(void) {
	struct pollfd pollfd = { .fd = context.process_fd, .events = POLLIN };
	return poll(&pollfd, 1, 0) == 1;
}

/* The process that a pidfd stands for (proc_pid_fdinfo(5)). */
static long get_pid(int process_fd) {
	char path[64], line[128];
	long pid = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", process_fd);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "Pid: %ld", &pid) != 1) {
	}
	fclose(file);
	assert_true(pid > 0);
	return pid;
}

/* --- the first time --------------------------------------------------------------------------- */

static void machine_runs_once_it_is_accepted(void **state) {
	static const char *const options[] = { "--name", "win", "--output", "DP-1", NULL };
	oriel_start(2);
	start(options, context.self, "other");
	oriel_wait_for_request();
	assert_string_equal(context.name, "win");
	assert_string_equal(context.output, "DP-1");
	assert_int_equal(context.channel, ORIEL_GUEST_MANAGER_V1_CHANNEL_QMP);
	assert_false(process_has_ended());
	/* There is a connection, at whose other end is nobody yet. */
	char byte;
	assert_int_equal(recv(context.connection_fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);

	oriel_accept();
	read_greeting();
	wait_until_it_runs();
	char *arguments = program_wait_for_line(&context.program, &context.program.out, "runs ");
	int fd;
	assert_int_equal(sscanf(arguments,
					 "-name other -display dbus,p2p=yes -chardev "
					 "socket,id=oriel-qmp,fd=%d,server=on,wait=off -qmp "
					 "chardev:oriel-qmp",
					 &fd),
			1);
	free(arguments);

	tell_machine("e\5", 2);
	assert_int_equal(program_wait(&context.program), 5);
	assert_true(process_has_ended());
	assert_string_equal(context.program.err.text, "");
}

static void machine_is_called_as_its_command_says(void **state) {
	oriel_start(2);
	start(NULL, context.self, "guest=lin,process=x");
	oriel_wait_for_request();
	assert_string_equal(context.name, "lin");
	assert_string_equal(context.output, "");
}

static void machine_without_a_name_is_called_qemu(void **state) {
	oriel_start(2);
	start_machine();
	oriel_wait_for_request();
	assert_string_equal(context.name, "qemu");
}

static void machine_that_is_refused_never_runs(void **state) {
	oriel_start(2);
	start_machine();
	oriel_refuse("there is no room");
	assert_ends(EXIT_FAILURE, "oriel-qemu: refused: there is no room\n");
	assert_true(process_has_ended());
}

static void machine_without_oriel_never_runs(void **state) {
	start_machine();
	assert_ends(EXIT_FAILURE, "oriel-qemu: no oriel: cannot connect to ");
}

static void machine_with_an_oriel_of_before_never_runs(void **state) {
	oriel_start(1);
	start_machine();
	while (wl_list_empty(wl_display_get_client_list(context.display))) {
		oriel_step();
	}
	while (!wl_list_empty(wl_display_get_client_list(context.display))) {
		oriel_step();
	}
	assert_ends(EXIT_FAILURE, "oriel-qemu: this oriel is too old");
}

static void machine_with_another_socket_never_runs(void **state) {
	oriel_start(0);
	start_machine();
	while (wl_list_empty(wl_display_get_client_list(context.display))) {
		oriel_step();
	}
	while (!wl_list_empty(wl_display_get_client_list(context.display))) {
		oriel_step();
	}
	assert_ends(EXIT_FAILURE, "oriel-qemu: 'oriel-0' is not the control socket of oriel\n");
}

static void machine_whose_oriel_ends_before_the_answer_never_runs(void **state) {
	oriel_start(2);
	start_machine();
	oriel_wait_for_request();
	oriel_end();
	assert_ends(EXIT_FAILURE, "oriel-qemu: oriel ended the connection\n");
}

static void machine_that_need_not_run_any_more_never_runs(void **state) {
	oriel_start(2);
	start_machine();
	oriel_wait_for_request();
	program_kill(&context.program, SIGTERM);
	assert_int_equal(program_wait(&context.program), 128 + SIGTERM);
	assert_string_equal(context.program.out.text, "");
	assert_true(process_has_ended());
}

static void command_that_is_not_there_is_said(void **state) {
	oriel_start(2);
	start(NULL, "/nonexistent/qemu", NULL);
	oriel_accept();
	assert_ends(127, "oriel-qemu: cannot run /nonexistent/qemu: No such file or directory\n");
}

static void command_that_is_not_there_is_said_where_children_are_ignored(void **state) {
	oriel_start(2);
	start_with_children_ignored("/nonexistent/qemu");
	oriel_accept();
	assert_ends(127, "oriel-qemu: cannot run /nonexistent/qemu: No such file or directory\n");
}

static void command_that_oriel_cannot_show_is_refused_at_once(void **state) {
	static const char *const argv[] = { NULL, "--", "qemu", "-nographic", NULL };
	const char *copy[sizeof(argv) / sizeof(argv[0])];
	memcpy(copy, argv, sizeof(argv));
	copy[0] = getenv("ORIEL_QEMU");
	program_start(&context.program, copy);
	assert_ends(EXIT_FAILURE, "oriel-qemu: the command has -nographic");
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void oriel_that_comes_back_gets_the_machine_again(void **state) {
	oriel_start(2);
	start_machine();
	oriel_accept();
	read_greeting();
	long pid = get_pid(context.process_fd);
	for (int i = 0; i < 2; i++) {
		oriel_end();
		program_wait_for(&context.program, &context.program.err,
				"oriel ended the connection; the machine goes on, and is shown again "
				"when oriel is there\n");
		oriel_start(2);
		oriel_accept();
		assert_string_equal(context.name, "qemu");
		assert_int_equal(get_pid(context.process_fd), pid);
		read_greeting();
	}
	tell_machine("e\7", 2);
	assert_int_equal(program_wait(&context.program), 7);
}

static void oriel_that_refuses_it_again_is_asked_when_it_was_started_again(void **state) {
	oriel_start(2);
	start_machine();
	oriel_accept();
	read_greeting();
	oriel_end();
	oriel_start(2);
	oriel_refuse("guest qemu is running");
	program_wait_for(&context.program, &context.program.err,
			"oriel-qemu: refused: guest qemu is running; oriel is asked again when it has "
			"been started again\n");
	oriel_end();
	oriel_start(2);
	oriel_accept();
	read_greeting();
	tell_machine("e\3", 2);
	assert_int_equal(program_wait(&context.program), 3);
}

static void machine_that_ends_without_oriel_ends_all(void **state) {
	oriel_start(2);
	start_machine();
	oriel_accept();
	read_greeting();
	int connection_fd = sb_fd_dup(context.connection_fd);
	oriel_end();
	program_wait_for(&context.program, &context.program.err, "the machine goes on");
	assert_int_equal(send(connection_fd, "e\4", 2, MSG_NOSIGNAL), 2);
	close(connection_fd);
	assert_int_equal(program_wait(&context.program), 4);
}

static void signal_goes_to_the_machine(void **state) {
	oriel_start(2);
	start_machine();
	oriel_accept();
	read_greeting();
	wait_until_it_runs();
	program_kill(&context.program, SIGTERM);
	assert_int_equal(program_wait(&context.program), STATUS_TERM);
}

static void machine_that_is_killed_has_the_status_of_a_shell(void **state) {
	oriel_start(2);
	start_machine();
	oriel_accept();
	read_greeting();
	tell_machine("k", 1);
	assert_int_equal(program_wait(&context.program), 128 + SIGKILL);
}

static void machine_ends_when_the_test_that_runs_it_dies(void **state) {
	oriel_start(2);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		start_machine();
		pause();
		_exit(EXIT_FAILURE);
	}
	oriel_accept();
	read_greeting();
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	struct pollfd pollfd = { .fd = context.process_fd, .events = POLLIN };
	int ready = poll(&pollfd, 1, PROGRAM_PATIENCE_S * 1000);
	if (ready != 1) {
		kill((pid_t)get_pid(context.process_fd), SIGKILL);
	}
	assert_int_equal(ready, 1);
}

static void status_is_the_machines_where_children_are_ignored(void **state) {
	oriel_start(2);
	start_with_children_ignored(context.self);
	oriel_accept();
	read_greeting();
	tell_machine("e\5", 2);
	assert_int_equal(program_wait(&context.program), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char *argv[]) {
	if (argc > 1 && strcmp(argv[1], "machine") == 0) {
		return machine_run(argc, argv);
	}
	const struct CMUnitTest tests[] = {
		TEST(machine_runs_once_it_is_accepted),
		TEST(machine_is_called_as_its_command_says),
		TEST(machine_without_a_name_is_called_qemu),
		TEST(machine_that_is_refused_never_runs),
		TEST(machine_without_oriel_never_runs),
		TEST(machine_with_an_oriel_of_before_never_runs),
		TEST(machine_with_another_socket_never_runs),
		TEST(machine_whose_oriel_ends_before_the_answer_never_runs),
		TEST(machine_that_need_not_run_any_more_never_runs),
		TEST(command_that_is_not_there_is_said),
		TEST(command_that_is_not_there_is_said_where_children_are_ignored),
		TEST(command_that_oriel_cannot_show_is_refused_at_once),
		TEST(oriel_that_comes_back_gets_the_machine_again),
		TEST(oriel_that_refuses_it_again_is_asked_when_it_was_started_again),
		TEST(machine_that_ends_without_oriel_ends_all),
		TEST(signal_goes_to_the_machine),
		TEST(machine_that_is_killed_has_the_status_of_a_shell),
		TEST(machine_ends_when_the_test_that_runs_it_dies),
		TEST(status_is_the_machines_where_children_are_ignored),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
