/*
 * Machines under QEMU as a configuration or a hand-over has them: which heads there are, what monitors
 * they find, and how a machine gets to its guest. QEMU is played; its pictures are for another test.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_output.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "control.h"
#include "fake_qemu.h"
#include "fd.h"
#include "fixture.h"
#include "guest/source.h"
#include "input/seat.h"
#include "output/output.h"
#include "server.h"
#include "view/guest_view.h"

#define OUTPUTS "output OUTPUT-1 {\n\tmode 640x480\n}\noutput OUTPUT-2 {\n\tmode 800x600\n}\n"
#define HEADS "\toutput OUTPUT-1\n\thead 1 output OUTPUT-2\n"

struct rig {
	struct fixture fixture;
	struct fake_qemu *qemu;
	char folder[64], path[80]; /* of its QMP socket */
	pid_t pid; /* a process that stands for QEMU's */
	int process_fd;
};

/* keys: of the guest win, beside its source, which is the path of the machine or handover. */
static void rig_init(struct rig *rig, const char *keys, bool is_handover) {
	*rig = (struct rig){ .process_fd = -1 };
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/oriel-qemu-machine-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->path, sizeof(rig->path), "%s/qmp", rig->folder);
	char config[1024];
	snprintf(config, sizeof(config), OUTPUTS "guest win {\n\tsource qemu %s\n%s}\n",
			is_handover ? "handover" : rig->path, keys);
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	fixture_init(&rig->fixture, config);
	unsetenv("WLR_HEADLESS_OUTPUTS");
	rig->qemu = fake_qemu_create(rig->fixture.server->loop, is_handover ? NULL : rig->path);
	const uint32_t numbers[] = { 0, 1 };
	fake_qemu_set_console_numbers(rig->qemu, numbers, 2);
	assert_non_null(oriel_server_listen(rig->fixture.server));

	rig->pid = fork();
	if (rig->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			pause();
		}
	}
	rig->process_fd = pidfd_open(rig->pid, 0);
	assert_true(rig->process_fd >= 0);
}

static void rig_end_process(struct rig *rig) {
	kill(rig->pid, SIGKILL);
	assert_int_equal(waitpid(rig->pid, NULL, 0), rig->pid);
	rig->pid = 0;
}

static void rig_finish(struct rig *rig) {
	if (rig->pid > 0) {
		rig_end_process(rig);
	}
	sb_fd_clear(&rig->process_fd);
	fake_qemu_destroy(rig->qemu);
	fixture_finish(&rig->fixture);
	unlink(rig->path);
	assert_int_equal(rmdir(rig->folder), 0);
}

/* Steps until QEMU was called so. What it was called before is put into calls. */
struct calls {
	struct rig *rig;
	const char *last;
	char text[4096];
};

static bool calls_have_come(struct fixture *fixture, void *data) {
	struct calls *calls = data;
	size_t length = strlen(calls->text);
	snprintf(&calls->text[length], sizeof(calls->text) - length, "%s",
			fake_qemu_take_calls(calls->rig->qemu));
	return strstr(calls->text, calls->last) != NULL;
}

static void wait_for_call(struct rig *rig, struct calls *calls, const char *last) {
	*calls = (struct calls){ .rig = rig, .last = last };
	fixture_step_until(&rig->fixture, calls_have_come, calls);
}

static void assert_no_call(const struct calls *calls, const char *call) {
	if (strstr(calls->text, call) != NULL) {
		fail_msg("QEMU was not to be called '%s', but was: %s", call, calls->text);
	}
}

static void destroy_output(struct rig *rig, int number) {
	wlr_output_destroy(fixture_get_output(
			&rig->fixture, fixture_get_numbered_output_name(&rig->fixture, number))
					->wlr_output);
}

/* --- heads ------------------------------------------------------------------------------------ */

static void heads_are_plugged_while_their_outputs_are_there(void **state) {
	struct rig rig;
	struct calls calls;
	rig_init(&rig, HEADS, false);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 800 600");
	if (strstr(calls.text, "0 Console.SetUIInfo 0 0 0 0 640 480") == NULL) {
		wait_for_call(&rig, &calls, "0 Console.SetUIInfo 0 0 0 0 640 480");
	}
	destroy_output(&rig, 2);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 0 0");
	rig_finish(&rig);
}

/* In the order of their ends, each would have been told after the same time. */
static void first_head_is_never_unplugged(void **state) {
	struct rig rig;
	struct calls calls;
	rig_init(&rig, HEADS, false);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 800 600");
	if (strstr(calls.text, "0 Console.SetUIInfo") == NULL) {
		wait_for_call(&rig, &calls, "0 Console.SetUIInfo");
	}
	destroy_output(&rig, 1);
	destroy_output(&rig, 2);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 0 0");
	assert_no_call(&calls, "0 Console.SetUIInfo");
	rig_finish(&rig);
}

static void monitor_that_is_left_alone_is_not_told_of(void **state) {
	struct rig rig;
	struct calls calls;
	rig_init(&rig, HEADS "\tedid none\n", false);
	wait_for_call(&rig, &calls, "1 Console.RegisterListener");
	destroy_output(&rig, 2);
	/* Whoever comes next is told after what was to be told before. */
	fake_qemu_close_display(rig.qemu);
	wait_for_call(&rig, &calls, "1 Console.RegisterListener");
	assert_no_call(&calls, "SetUIInfo");
	rig_finish(&rig);
}

static void monitor_of_a_given_size_goes_with_its_output(void **state) {
	struct rig rig;
	struct calls calls;
	rig_init(&rig, HEADS "\tedid 1000x701\n", false);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 1000 701");
	destroy_output(&rig, 2);
	wait_for_call(&rig, &calls, "1 Console.SetUIInfo 0 0 0 0 0 0");
	rig_finish(&rig);
}

/* --- hand-over -------------------------------------------------------------------------------- */

static bool is_answered(struct fixture *fixture, void *data) {
	return control_dispatch(data) != CONTROL_WAITING;
}

/* As oriel-qemu does. */
static enum control_state hand_over(struct rig *rig, const char *guest_name, int take_fd,
		char *ret_reason, size_t reason_size) {
	const struct control_request request = {
		.guest_name = guest_name,
		.kind = CONTROL_QEMU_QMP,
		.fd = take_fd,
		.process_fd = rig->process_fd,
	};
	struct control *control = control_open(getenv("ORIEL_DISPLAY"));
	assert_non_null(control);
	control_ask(control, &request);
	fixture_step_until(&rig->fixture, is_answered, control);
	enum control_state state = control_get_state(control);
	snprintf(ret_reason, reason_size, "%s", control_get_reason(control));
	control_close(control);
	close(take_fd);
	return state;
}

/* Connected, and with nobody at the other end any more. */
static int get_some_socket(void) {
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	return fds[0];
}

static bool is_lost(struct fixture *fixture, void *data) {
	return oriel_guest_view_get_state(data) == ORIEL_SOURCE_STATE_LOST;
}

static void machine_handed_over_has_all_of_its_heads(void **state) {
	struct rig rig;
	struct calls calls;
	char reason[256];
	rig_init(&rig, HEADS, true);
	assert_int_equal(hand_over(&rig, "win:1", get_some_socket(), reason, sizeof(reason)),
			CONTROL_REFUSED);
	assert_non_null(strstr(reason, "guest win:1 does not take the connection"));
	assert_int_equal(hand_over(&rig, "win", fake_qemu_hand_over_monitor(rig.qemu), reason,
					 sizeof(reason)),
			CONTROL_ACCEPTED);
	wait_for_call(&rig, &calls, "1 Console.RegisterListener");
	if (strstr(calls.text, "0 Console.RegisterListener") == NULL) {
		wait_for_call(&rig, &calls, "0 Console.RegisterListener");
	}
	assert_int_equal(hand_over(&rig, "win", get_some_socket(), reason, sizeof(reason)),
			CONTROL_REFUSED);
	assert_string_equal(reason, "guest win is running");

	/* It ends, and the next one finds its place. */
	rig_end_process(&rig);
	fixture_step_until(&rig.fixture, is_lost, fixture_get_view(&rig.fixture, "win"));
	fixture_step_until(&rig.fixture, is_lost, fixture_get_view(&rig.fixture, "win:1"));
	rig_finish(&rig);
}

static bool guest_is_gone(struct fixture *fixture, void *data) {
	return oriel_layout_find(&fixture->server->layout, data) == NULL;
}

static void machine_without_configuration_is_its_first_head_with_input(void **state) {
	struct rig rig;
	struct calls calls;
	char reason[256], name[] = "lin";
	rig_init(&rig, "", true);
	assert_int_equal(hand_over(&rig, name, fake_qemu_hand_over_monitor(rig.qemu), reason,
					 sizeof(reason)),
			CONTROL_ACCEPTED);
	const struct oriel_guest_view *view = fixture_get_view(&rig.fixture, name);
	assert_non_null(view->input);
	wait_for_call(&rig, &calls, "0 Console.RegisterListener");
	assert_no_call(&calls, "1 Console.RegisterListener");
	assert_int_equal(wl_list_length(&rig.fixture.server->layout.views), 2);
	/* Whoever started it wants to see it. */
	assert_true(rig.fixture.server->guests_in_front);
	assert_ptr_equal(rig.fixture.server->seat->guest_input.focus, view);

	/* It has shown nothing, and leaves nothing in front of the windows. */
	rig_end_process(&rig);
	fixture_step_until(&rig.fixture, guest_is_gone, name);
	assert_false(rig.fixture.server->guests_in_front);
	rig_finish(&rig);
}

/* What is being typed, a password perhaps, is not for whoever comes. */
static void machine_that_comes_while_the_input_is_grabbed_stays_behind(void **state) {
	struct rig rig;
	struct calls calls;
	char reason[256];
	rig_init(&rig, "", true);
	assert_int_equal(hand_over(&rig, "mine", fake_qemu_hand_over_monitor(rig.qemu), reason,
					 sizeof(reason)),
			CONTROL_ACCEPTED);
	wait_for_call(&rig, &calls, "0 Console.RegisterListener");
	struct oriel_seat *seat = rig.fixture.server->seat;
	const struct oriel_guest_view *view = fixture_get_view(&rig.fixture, "mine");
	oriel_seat_focus_guest(seat, fixture_get_view(&rig.fixture, "mine"));
	oriel_guest_input_set_grabbed(&seat->guest_input, true);
	struct fake_qemu *other = fake_qemu_create(rig.fixture.server->loop, NULL);
	assert_int_equal(hand_over(&rig, "lin", fake_qemu_hand_over_monitor(other), reason,
					 sizeof(reason)),
			CONTROL_ACCEPTED);
	assert_ptr_equal(seat->guest_input.focus, view);
	assert_true(seat->guest_input.is_grabbed);
	assert_non_null(view->output);
	assert_non_null(fixture_get_view(&rig.fixture, "lin"));
	fake_qemu_destroy(other);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_plugged_while_their_outputs_are_there),
		cmocka_unit_test(first_head_is_never_unplugged),
		cmocka_unit_test(monitor_that_is_left_alone_is_not_told_of),
		cmocka_unit_test(monitor_of_a_given_size_goes_with_its_output),
		cmocka_unit_test(machine_handed_over_has_all_of_its_heads),
		cmocka_unit_test(machine_without_configuration_is_its_first_head_with_input),
		cmocka_unit_test(machine_that_comes_while_the_input_is_grabbed_stays_behind),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
