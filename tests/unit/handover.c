#include "control/handover.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "config.h"
#include "fd.h"
#include "fds.h"
#include "guest/source_impl.h"
#include "log_lines.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define GUESTS_MAX (ORIEL_HANDOVER_GUESTS_MAX + 2)
#define PROCESSES_MAX (ORIEL_HANDOVER_GUESTS_MAX + 2)

/* A guest of the host, which is the test. */
struct guest {
	struct oriel_source base;
	struct wl_list link; /* context.guests */
	int device_fd; /* or connection; -1: it has none */
	enum oriel_source_handover made_for, adopted;
	int monitor_fd; /* that was given last; -1: none */
	unsigned int adoptions, ends;
	bool refuses;
	char output_name[64]; /* "": none was named */
};

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_handovers *handovers;
	struct wl_list guests; /* guest.link */
	unsigned int added, presented, removed;
	bool was_presented_with_input; /* the last one */
	bool add_fails, new_ones_refuse;
	struct {
		pid_t pid;
		int fd;
	} processes[PROCESSES_MAX];
	int process_count;
	char reason[ORIEL_HANDOVER_REASON_SIZE];
} context;

/* --- guests ----------------------------------------------------------------------------------- */

static struct guest *guest_from_source(struct oriel_source *source) {
	struct guest *guest = wl_container_of(source, guest, base);
	return guest;
}

static void guest_handle_poll(struct oriel_source *source) {
	fail_msg("nobody polls here");
}

static bool guest_handle_adopt(
		struct oriel_source *source, enum oriel_source_handover handover, int take_fd) {
	struct guest *guest = guest_from_source(source);
	if (guest->refuses) {
		close(take_fd);
		return false;
	}
	guest->adoptions++;
	guest->adopted = handover;
	sb_fd_replace(&guest->device_fd, take_fd);
	if (source->state == ORIEL_SOURCE_STATE_LOST) {
		oriel_source_set_state(source, ORIEL_SOURCE_STATE_RESTARTED);
	}
	return true;
}

static void guest_handle_end(struct oriel_source *source) {
	struct guest *guest = guest_from_source(source);
	guest->ends++;
	sb_fd_clear(&guest->device_fd);
	oriel_source_set_state(source, ORIEL_SOURCE_STATE_LOST);
}

static void guest_handle_destroy(struct oriel_source *source) {
	struct guest *guest = guest_from_source(source);
	oriel_source_finish(source);
	wl_list_remove(&guest->link);
	sb_fd_clear(&guest->device_fd);
	sb_fd_clear(&guest->monitor_fd);
	free(guest);
}

static const struct oriel_source_ops guest_ops = {
	.poll = guest_handle_poll,
	.adopt = guest_handle_adopt,
	.end = guest_handle_end,
	.destroy = guest_handle_destroy,
};

static struct guest *guest_create(const char *name) {
	/* Not calloc(), which may be short. */
	struct guest *guest = malloc(sizeof(*guest));
	assert_non_null(guest);
	*guest = (struct guest){ .device_fd = -1, .monitor_fd = -1 };
	assert_true(oriel_source_init(&guest->base, &guest_ops, name));
	wl_list_insert(context.guests.prev, &guest->link);
	return guest;
}

/* It has shown something. */
static void guest_run(struct guest *guest) {
	guest->base.counters.taken++;
	oriel_source_set_state(&guest->base, ORIEL_SOURCE_STATE_RUNNING);
}

static struct guest *find_guest(const char *name) {
	struct guest *guest;
	wl_list_for_each(guest, &context.guests, link) {
		if (strcmp(guest->base.name, name) == 0) {
			return guest;
		}
	}
	return NULL;
}

static struct oriel_source *host_handle_find_guest(void *data, const char *name) {
	assert_ptr_equal(data, &context);
	struct guest *guest = find_guest(name);
	return guest != NULL ? &guest->base : NULL;
}

static struct oriel_source *host_handle_add_guest(
		void *data, const struct oriel_handover_request *request) {
	assert_ptr_equal(data, &context);
	assert_null(find_guest(request->name));
	if (context.add_fails) {
		return NULL;
	}
	struct guest *guest = guest_create(request->name);
	guest->made_for = request->kind;
	guest->refuses = context.new_ones_refuse;
	snprintf(guest->output_name, sizeof(guest->output_name), "%s",
			request->output_name != NULL ? request->output_name : "");
	context.added++;
	return &guest->base;
}

/* It has its device by then. */
static void host_handle_give_input(void *data, struct oriel_source *source, int take_monitor_fd) {
	assert_ptr_equal(data, &context);
	struct guest *guest = guest_from_source(source);
	assert_true(guest->device_fd >= 0);
	sb_fd_replace(&guest->monitor_fd, take_monitor_fd);
}

static void host_handle_present_guest(void *data, struct oriel_source *source) {
	assert_ptr_equal(data, &context);
	assert_true(guest_from_source(source)->adoptions > 0);
	context.presented++;
	context.was_presented_with_input = guest_from_source(source)->monitor_fd >= 0;
}

static void host_handle_remove_guest(void *data, struct oriel_source *source) {
	assert_ptr_equal(data, &context);
	context.removed++;
	oriel_source_destroy(source);
}

static const struct oriel_handover_host host = {
	.find_guest = host_handle_find_guest,
	.add_guest = host_handle_add_guest,
	.give_input = host_handle_give_input,
	.present_guest = host_handle_present_guest,
	.remove_guest = host_handle_remove_guest,
};

/* --- processes -------------------------------------------------------------------------------- */

/* Its number among the test's. */
static int process_start(void) {
	assert_true(context.process_count < PROCESSES_MAX);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) {
			pause();
		}
	}
	assert_true(pid > 0);
	int index = context.process_count++;
	context.processes[index].pid = pid;
	context.processes[index].fd = pidfd_open(pid, 0);
	assert_true(context.processes[index].fd >= 0);
	return index;
}

static void process_end(int index) {
	assert_int_equal(kill(context.processes[index].pid, SIGKILL), 0);
	assert_int_equal(waitpid(context.processes[index].pid, NULL, 0),
			context.processes[index].pid);
	context.processes[index].pid = -1;
}

/* The event loop hears of it, too. */
static void process_end_and_dispatch(int index) {
	process_end(index);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
}

static int setup(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	log_lines_init();
	wl_list_init(&context.guests);
	context.loop = wl_event_loop_create();
	context.handovers = oriel_handovers_create(context.loop, &host, &context);
	return context.handovers != NULL ? 0 : -1;
}

static int teardown(void **state) {
	for (int i = 0; i < context.process_count; i++) {
		if (context.processes[i].pid > 0) {
			process_end(i);
		}
		close(context.processes[i].fd);
	}
	oriel_handovers_destroy(context.handovers);
	struct guest *guest, *tmp;
	wl_list_for_each_safe(guest, tmp, &context.guests, link) {
		oriel_source_destroy(&guest->base);
	}
	wl_event_loop_destroy(context.loop);
	return fds_count_open() == context.fds_before ? 0 : -1;
}

/* --- adding ----------------------------------------------------------------------------------- */

static bool add_with_monitor(enum oriel_source_handover kind, const char *name,
		const char *output_name, int take_fd, int take_monitor_fd, int take_process_fd) {
	const struct oriel_handover_request request = {
		.kind = kind,
		.name = name,
		.output_name = output_name,
	};
	return oriel_handovers_add(context.handovers, &request, take_fd, take_monitor_fd,
			take_process_fd, context.reason);
}

static bool add_kind(enum oriel_source_handover kind, const char *name, const char *output_name,
		int take_fd, int take_process_fd) {
	return add_with_monitor(kind, name, output_name, take_fd, -1, take_process_fd);
}

static bool add_device(const char *name, const char *output_name, int take_device_fd,
		int take_process_fd) {
	return add_kind(ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, name, output_name, take_device_fd,
			take_process_fd);
}

/* Hands over a device that nobody else has. */
static bool add(const char *name, int process) {
	return add_device(name, NULL, eventfd(0, EFD_CLOEXEC),
			sb_fd_dup(context.processes[process].fd));
}

static void expect_refusal(const char *reason) {
	if (strstr(context.reason, reason) == NULL) {
		fail_msg("expected '%s', got '%s'", reason, context.reason);
	}
	assert_null(strchr(context.reason, '\n'));
}

static void add_unknown_name_makes_guest_and_gives_it_device(void **state) {
	int process = process_start();
	int device_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(add_device("a", "DP-1", device_fd, sb_fd_dup(context.processes[process].fd)));
	struct guest *guest = find_guest("a");
	assert_non_null(guest);
	assert_int_equal(context.added, 1);
	assert_int_equal(context.presented, 1);
	assert_string_equal(guest->output_name, "DP-1");
	assert_int_equal(guest->device_fd, device_fd);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_int_equal(guest->ends, 0);
}

static void process_that_ends_ends_guest_which_stays(void **state) {
	int process = process_start();
	assert_true(add("a", process));
	struct guest *guest = find_guest("a");
	guest_run(guest);
	process_end_and_dispatch(process);
	assert_int_equal(guest->ends, 1);
	assert_int_equal(context.removed, 0);
	assert_ptr_equal(find_guest("a"), guest);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_int_equal(guest->ends, 1);
}

static void process_that_ends_before_first_picture_takes_guest_along(void **state) {
	int process = process_start();
	assert_true(add("a", process));
	process_end_and_dispatch(process);
	assert_null(find_guest("a"));
	assert_int_equal(context.removed, 1);
}

static void add_name_of_ended_guest_revives_it(void **state) {
	int first = process_start(), second = process_start();
	assert_true(add("a", first));
	struct guest *guest = find_guest("a");
	guest_run(guest);
	process_end_and_dispatch(first);
	assert_true(add("a", second));
	assert_ptr_equal(find_guest("a"), guest);
	assert_int_equal(guest->adoptions, 2);
	assert_int_equal(context.added, 1);
	assert_int_equal(context.presented, 2);
	guest_run(guest);
	process_end_and_dispatch(second);
	assert_int_equal(guest->ends, 2);
	assert_ptr_equal(find_guest("a"), guest);
}

/* The next machine may be there before the event loop has heard of the end of the last one. */
static void add_name_of_guest_whose_end_is_not_heard_of_ends_it_first(void **state) {
	int first = process_start(), second = process_start();
	assert_true(add("a", first));
	struct guest *guest = find_guest("a");
	guest_run(guest);
	process_end(first);
	assert_true(add("a", second));
	assert_ptr_equal(find_guest("a"), guest);
	assert_int_equal(guest->ends, 1);
	assert_int_equal(guest->adoptions, 2);
	assert_int_equal(wl_event_loop_dispatch(context.loop, 0), 0);
	assert_int_equal(guest->ends, 1);
	assert_true(guest->device_fd >= 0);
}

static void add_name_of_guest_with_machine_is_refused(void **state) {
	int first = process_start(), second = process_start();
	assert_true(add("a", first));
	struct guest *guest = find_guest("a");
	/* Its machine has not painted yet. */
	assert_false(add("a", second));
	expect_refusal("guest a is running");
	guest_run(guest);
	assert_false(add("a", second));
	expect_refusal("guest a is running");
	assert_int_equal(guest->adoptions, 1);
	process_end_and_dispatch(second);
	assert_int_equal(guest->ends, 0);
}

/* The device was removed from under the machine, which has got another one. */
static void add_name_of_lost_guest_with_machine_changes_machines(void **state) {
	int first = process_start(), second = process_start();
	assert_true(add("a", first));
	struct guest *guest = find_guest("a");
	guest_run(guest);
	oriel_source_set_state(&guest->base, ORIEL_SOURCE_STATE_LOST);
	assert_true(add("a", second));
	assert_int_equal(guest->adoptions, 2);
	guest_run(guest);
	process_end_and_dispatch(first);
	assert_int_equal(guest->ends, 0);
	process_end_and_dispatch(second);
	assert_int_equal(guest->ends, 1);
}

static void add_name_of_configured_guest_uses_it_and_leaves_it(void **state) {
	struct guest *guest = guest_create("a");
	for (unsigned int n = 1; n <= 2; n++) {
		int process = process_start();
		assert_true(add("a", process));
		assert_int_equal(guest->adoptions, n);
		process_end_and_dispatch(process);
		assert_int_equal(guest->ends, n);
		assert_ptr_equal(find_guest("a"), guest);
	}
	assert_int_equal(context.added, 0);
}

static void add_name_of_running_configured_guest_is_refused(void **state) {
	static const enum oriel_source_state states[] = { ORIEL_SOURCE_STATE_RUNNING,
		ORIEL_SOURCE_STATE_OFF };
	struct guest *guest = guest_create("a");
	int process = process_start();
	for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
		oriel_source_set_state(&guest->base, states[i]);
		assert_false(add("a", process));
		expect_refusal("guest a is running");
	}
	assert_int_equal(guest->adoptions, 0);
}

static void device_that_is_not_taken_leaves_all_as_it_was(void **state) {
	int process = process_start();
	context.new_ones_refuse = true;
	assert_false(add("a", process));
	expect_refusal("guest a does not take the device");
	assert_null(find_guest("a"));
	assert_int_equal(context.removed, 1);

	struct guest *guest = guest_create("b");
	guest->refuses = true;
	assert_false(add("b", process));
	expect_refusal("guest b does not take the device");
	assert_ptr_equal(find_guest("b"), guest);

	process_end_and_dispatch(process);
	assert_int_equal(guest->ends, 0);
}

static void guest_that_cannot_be_made_is_refused(void **state) {
	int process = process_start();
	context.add_fails = true;
	assert_false(add("a", process));
	expect_refusal("guest a cannot be made");
}

static void device_of_another_guest_is_refused_until_that_ends(void **state) {
	int first = process_start(), second = process_start();
	assert_true(add_device("a", NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
			sb_fd_dup(context.processes[first].fd)));
	assert_false(add_device("b", NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
			sb_fd_dup(context.processes[second].fd)));
	expect_refusal("the device is that of guest a");
	assert_null(find_guest("b"));
	assert_true(add_device("c", NULL, open("/dev/zero", O_RDWR | O_CLOEXEC),
			sb_fd_dup(context.processes[second].fd)));
	process_end(first);
	assert_true(add_device("b", NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
			sb_fd_dup(context.processes[second].fd)));
}

/* A connection to QEMU is like a device, but that two of them are never the same. */
static void connections_are_handed_over_as_devices_are(void **state) {
	static const enum oriel_source_handover kinds[] = { ORIEL_SOURCE_HANDOVER_QEMU_DBUS,
		ORIEL_SOURCE_HANDOVER_QEMU_QMP };
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		char name[] = { (char)('a' + i), '\0' };
		int first = process_start(), second = process_start();
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_true(add_kind(kinds[i], name, "DP-1", fd,
				sb_fd_dup(context.processes[first].fd)));
		struct guest *guest = find_guest(name);
		assert_int_equal(guest->made_for, kinds[i]);
		assert_int_equal(guest->adopted, kinds[i]);
		assert_int_equal(guest->device_fd, fd);
		assert_string_equal(guest->output_name, "DP-1");
		guest_run(guest);
		assert_false(add_kind(kinds[i], name, NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
				sb_fd_dup(context.processes[second].fd)));
		expect_refusal("is running");
		process_end_and_dispatch(first);
		assert_int_equal(guest->ends, 1);
		assert_true(add_kind(kinds[i], name, NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
				sb_fd_dup(context.processes[second].fd)));
		assert_int_equal(guest->adoptions, 2);
	}
	/* Nor is a connection taken for the device of another guest. */
	assert_true(add_device("c", NULL, open("/dev/null", O_RDWR | O_CLOEXEC),
			sb_fd_dup(context.processes[1].fd)));
	context.new_ones_refuse = true;
	assert_false(add_kind(ORIEL_SOURCE_HANDOVER_QEMU_QMP, "d", NULL, eventfd(0, EFD_CLOEXEC),
			sb_fd_dup(context.processes[1].fd)));
	expect_refusal("guest d does not take the connection; the log of oriel says why");
}

/* Hands over a device with a monitor that goes with it. Returns the monitor's number. */
static int try_with_monitor(const char *name, int take_process_fd, bool *ret_is_added) {
	int monitor_fd = eventfd(0, EFD_CLOEXEC);
	*ret_is_added = add_with_monitor(ORIEL_SOURCE_HANDOVER_VFIO_DEVICE, name, NULL,
			eventfd(0, EFD_CLOEXEC), monitor_fd, take_process_fd);
	return monitor_fd;
}

static void monitor_that_comes_with_a_device_is_for_its_guest(void **state) {
	int first = process_start(), second = process_start();
	bool is_added;
	int monitor_fd = try_with_monitor("a", sb_fd_dup(context.processes[first].fd), &is_added);
	assert_true(is_added);
	struct guest *guest = find_guest("a");
	assert_int_equal(guest->monitor_fd, monitor_fd);
	/* So that it can be presented with it. */
	assert_int_equal(context.presented, 1);
	assert_true(context.was_presented_with_input);
	guest_run(guest);
	/* The next machine has one of its own. */
	process_end_and_dispatch(first);
	monitor_fd = try_with_monitor("a", sb_fd_dup(context.processes[second].fd), &is_added);
	assert_true(is_added);
	assert_ptr_equal(find_guest("a"), guest);
	assert_int_equal(guest->monitor_fd, monitor_fd);

	assert_true(add("b", second));
	assert_int_equal(find_guest("b")->monitor_fd, -1);
}

/* The teardown counts the files. */
static void monitor_of_a_guest_that_is_refused_is_closed(void **state) {
	int process = process_start();
	bool is_added;
	try_with_monitor("", sb_fd_dup(context.processes[process].fd), &is_added);
	assert_false(is_added);
	context.new_ones_refuse = true;
	try_with_monitor("a", sb_fd_dup(context.processes[process].fd), &is_added);
	assert_false(is_added);
	context.add_fails = true;
	try_with_monitor("a", sb_fd_dup(context.processes[process].fd), &is_added);
	assert_false(is_added);
	context.add_fails = context.new_ones_refuse = false;
	shortage_of_memory_begin(1);
	try_with_monitor("a", sb_fd_dup(context.processes[process].fd), &is_added);
	shortage_of_memory_end();
	assert_false(is_added);
	assert_null(find_guest("a"));
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void guests_beyond_the_bound_are_refused_until_one_has_ended(void **state) {
	char name[16];
	for (int i = 0; i < ORIEL_HANDOVER_GUESTS_MAX; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		assert_true(add(name, process_start()));
		guest_run(find_guest(name));
	}
	int process = process_start();
	assert_false(add("b", process));
	expect_refusal("there may be no more");
	assert_int_equal(context.added, ORIEL_HANDOVER_GUESTS_MAX);

	/* Guests of the configuration are not counted. */
	guest_create("c");
	assert_true(add("c", process));

	/* The one that ended first goes, and only when there is something in its place. */
	process_end_and_dispatch(5);
	process_end_and_dispatch(2);
	assert_int_equal(context.removed, 0);
	context.new_ones_refuse = true;
	assert_false(add("b", process));
	assert_non_null(find_guest("a5"));
	context.new_ones_refuse = false;
	assert_true(add("b", process));
	assert_null(find_guest("a5"));
	assert_non_null(find_guest("a2"));
	assert_true(add("d", process));
	assert_null(find_guest("a2"));
	assert_false(add("e", process));
	expect_refusal("there may be no more");

	/* One that was revived is still one that was made for a hand-over. */
	process_end_and_dispatch(3);
	int revival = process_start();
	assert_true(add("a3", revival));
	guest_run(find_guest("a3"));
	assert_false(add("e", process));
	process_end_and_dispatch(revival);
	assert_true(add("e", process));
	assert_null(find_guest("a3"));
}

static void names_are_checked(void **state) {
	char longest[ORIEL_CONFIG_NAME_MAX + 1], too_long[ORIEL_CONFIG_NAME_MAX + 2];
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'n', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	const char *const bad[] = { "", "a b", "a,b", "a=b", "a\nb", "\x7f", too_long };
	int process = process_start();
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		assert_false(add(bad[i], process));
		expect_refusal("the name of a guest");
		assert_false(add_device("a", bad[i], eventfd(0, EFD_CLOEXEC),
				sb_fd_dup(context.processes[process].fd)));
		expect_refusal("the name of an output");
	}
	assert_true(wl_list_empty(&context.guests));
	assert_true(add("n", process));
	assert_true(add(longest, process));
}

static void process_that_is_none_is_refused(void **state) {
	const int fds[] = {
		-1,
		eventfd(1, EFD_CLOEXEC),
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open("/proc/self/stat", O_RDONLY | O_CLOEXEC),
	};
	for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
		assert_false(add_device("a", NULL, eventfd(0, EFD_CLOEXEC), fds[i]));
		expect_refusal("no pidfd");
	}
	int process = process_start();
	process_end(process);
	assert_false(add("a", process));
	expect_refusal("the process has ended");
	assert_int_equal(context.added, 0);
}

static void device_fd_that_is_none_is_the_drivers_business(void **state) {
	context.new_ones_refuse = true;
	int process = process_start();
	assert_false(add_device("a", NULL, -1, sb_fd_dup(context.processes[process].fd)));
	expect_refusal("does not take the device");
}

static void shortage_of_memory_refuses_and_leaves_nothing(void **state) {
	int process = process_start();
	guest_create("a");
	shortage_of_memory_begin(1);
	bool is_added = add("a", process);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_false(is_added);
	expect_refusal("no memory");
	assert_true(add("a", process));

	shortage_of_memory_begin(1);
	struct oriel_handovers *handovers = oriel_handovers_create(context.loop, &host, &context);
	shortage_of_memory_end();
	assert_null(handovers);
	oriel_handovers_destroy(NULL);
}

static void destroy_lets_guests_be(void **state) {
	int process = process_start();
	assert_true(add("a", process));
	oriel_handovers_destroy(context.handovers);
	context.handovers = NULL;
	process_end_and_dispatch(process);
	assert_int_equal(find_guest("a")->ends, 0);
	assert_true(find_guest("a")->device_fd >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(add_unknown_name_makes_guest_and_gives_it_device),
		TEST(process_that_ends_ends_guest_which_stays),
		TEST(process_that_ends_before_first_picture_takes_guest_along),
		TEST(add_name_of_ended_guest_revives_it),
		TEST(add_name_of_guest_whose_end_is_not_heard_of_ends_it_first),
		TEST(add_name_of_guest_with_machine_is_refused),
		TEST(add_name_of_lost_guest_with_machine_changes_machines),
		TEST(add_name_of_configured_guest_uses_it_and_leaves_it),
		TEST(add_name_of_running_configured_guest_is_refused),
		TEST(device_that_is_not_taken_leaves_all_as_it_was),
		TEST(guest_that_cannot_be_made_is_refused),
		TEST(device_of_another_guest_is_refused_until_that_ends),
		TEST(connections_are_handed_over_as_devices_are),
		TEST(monitor_that_comes_with_a_device_is_for_its_guest),
		TEST(monitor_of_a_guest_that_is_refused_is_closed),
		TEST(guests_beyond_the_bound_are_refused_until_one_has_ended),
		TEST(names_are_checked),
		TEST(process_that_is_none_is_refused),
		TEST(device_fd_that_is_none_is_the_drivers_business),
		TEST(shortage_of_memory_refuses_and_leaves_nothing),
		TEST(destroy_lets_guests_be),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
