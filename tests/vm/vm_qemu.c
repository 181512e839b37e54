/*
 * The real thing: a QEMU that oriel-vfio(1) has started runs a machine on an mbochs vGPU, which is a
 * boot sector (../guests/boot.S) that sets a mode, paints, and repaints for every key. The keys are typed
 * into oriel, which makes them the machine's by the QMP monitor that was handed over with the device, or
 * by a uinput keyboard; what it paints is on oriel's screen while QEMU has the device.
 */
#include <errno.h>
#include <limits.h>
#include <linux/input-event-codes.h>
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
#include <time.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "config.h"
#include "fds.h"
#include "fixture.h"
#include "guest/input_sink.h"
#include "guest/source.h"
#include "input.h"
#include "input/guest_input.h"
#include "input/seat.h"
#include "output/output.h"
#include "picture.h"
#include "program.h"
#include "screenshot.h"
#include "server.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* On the first output, pixel for pixel, and on the second one a guest that has nothing to do with it. */
#define CONFIG                                                                                     \
	"output OUTPUT-1 {\n\tmode 320x240\n}\n"                                                   \
	"output OUTPUT-2 {\n\tmode 64x48\n}\n"                                                     \
	"guest other {\n\tsource synthetic 64x48\n\toutput OUTPUT-2\n}\n"
/* The machine, which is handed over, and gets what is typed once it has the focus. */
#define MACHINE_CONFIG(input)                                                                      \
	"guest machine {\n\tsource vfio handover\n\toutput OUTPUT-1\n" input "}\n"                 \
	"bind Super+1 guest machine\n"
_Static_assert(BOOT_SMALL_WIDTH == 320 && BOOT_SMALL_HEIGHT == 240, "the size of the first output");

struct machine {
	struct fixture fixture;
	bool is_running; /* the fixture is up */
	char uuid[37];
	struct vgpu_guest *vgpu; /* may be NULL: the test has the device itself */
	struct input input; /* once the fixture is up */
	struct program qemu;
	int fds_before;
};

static int machine_setup(void **state) {
	struct machine *machine = calloc(1, sizeof(*machine));
	if (machine == NULL) {
		return -1;
	}
	machine->fds_before = fds_count_open();
	machine->qemu = (struct program){ .pid = -1, .pid_fd = -1 };
	machine->qemu.out.fd = machine->qemu.err.fd = -1;
	*state = machine;
	return 0;
}

static int machine_teardown(void **state) {
	struct machine *machine = *state;
	program_finish(&machine->qemu);
	if (machine->is_running) {
		fixture_finish(&machine->fixture);
	}
	vgpu_guest_close(machine->vgpu);
	int ret = 0;
	int fds = fds_count_open();
	if (fds != machine->fds_before) {
		/* A device that is still open would not let itself be removed. */
		print_error("%d open files before, %d after\n", machine->fds_before, fds);
		ret = -1;
	} else if (machine->uuid[0] != '\0') {
		ret = vgpu_mdev_remove(machine->uuid);
	}
	free(machine);
	return ret;
}

static void machine_start_oriel(struct machine *machine, const char *config_text) {
	assert_int_equal(vgpu_mdev_create("mbochs-small", machine->uuid), 0);
	setenv("WLR_HEADLESS_OUTPUTS", "2", true);
	fixture_init(&machine->fixture, config_text);
	machine->is_running = true;
	input_plug(&machine->input, &machine->fixture);
	assert_non_null(oriel_server_listen(machine->fixture.server));
}

/* --- the keyboard ----------------------------------------------------------------------------- */

/* On oriel's own keyboard. What becomes of it is up to oriel. */
static void machine_type(struct machine *machine, uint32_t code) {
	input_type(&machine->input, (const uint32_t[]){ code, 0 });
}

/* Gives the machine the input, as a user does. */
static void machine_focus(struct machine *machine) {
	input_type(&machine->input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
}

/* --- programs --------------------------------------------------------------------------------- */

/* What was built beside this program's folder. */
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

/* Starts oriel-vfio with those arguments, behind its name and up to NULL. */
static void machine_launch(struct machine *machine, const char *const arguments[]) {
	char path[PATH_MAX];
	get_built_path(path, "../../tools/oriel-vfio/oriel-vfio");
	const char *argv[32] = { path };
	for (size_t count = 1; *arguments != NULL; arguments++) {
		assert_true(count < ARRAY_LENGTH(argv) - 1);
		argv[count++] = *arguments;
	}
	program_start(&machine->qemu, argv);
}

static void machine_start_qemu(struct machine *machine, bool has_uinput) {
	char image[PATH_MAX], drive[PATH_MAX + 64], evdev[PATH_MAX];
	get_built_path(image, "../guests/boot.img");
	snprintf(drive, sizeof(drive), "if=floppy,format=raw,readonly=on,file=%s", image);
	/* Made by oriel, of what is typed while the machine has the focus. */
	snprintf(evdev, sizeof(evdev), "input-linux,id=keyboard,evdev=%s/oriel/machine-keyboard",
			getenv("XDG_RUNTIME_DIR"));
	const char *const arguments[] = { "--output",
		fixture_get_numbered_output_name(&machine->fixture, 1), machine->uuid, "--",
		"qemu-system-x86_64", "-name", "guest=machine,debug-threads=on", "-accel", "tcg",
		"-m", "16", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
		"-boot", "a", "-drive", drive, has_uinput ? "-object" : NULL, evdev, NULL };
	machine_launch(machine, arguments);
}

static bool program_has_ended(struct fixture *fixture, void *data) {
	const struct program *program = data;
	struct pollfd pollfd = { .fd = program->pid_fd, .events = POLLIN };
	return poll(&pollfd, 1, 0) != 0;
}

/* --- what is on screen ------------------------------------------------------------------------ */

static bool screen_shows(struct machine *machine, uint32_t scancode) {
	struct screenshot screenshot = screenshot_take(
			&machine->fixture, fixture_get_numbered_output_name(&machine->fixture, 1));
	assert_int_equal(screenshot.width, BOOT_SMALL_WIDTH);
	assert_int_equal(screenshot.height, BOOT_SMALL_HEIGHT);
	uint32_t n = 0;
	while (n < BOOT_SMALL_WIDTH * BOOT_SMALL_HEIGHT &&
			screenshot.pixels[n] == guest_picture_get_pixel(n, scancode)) {
		n++;
	}
	screenshot_finish(&screenshot);
	return n == BOOT_SMALL_WIDTH * BOOT_SMALL_HEIGHT;
}

/* Steps until the guest's picture for that key is on screen, every pixel of it. */
static void machine_wait_for_picture(struct machine *machine, uint32_t scancode) {
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!screen_shows(machine, scancode)) {
		fixture_step_refreshes(&machine->fixture, 10);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (program_has_ended(NULL, &machine->qemu)) {
			fail_msg("QEMU has ended with status %d; it said:\n%s",
					program_wait(&machine->qemu), machine->qemu.err.text);
		}
		if (now.tv_sec - start.tv_sec > FIXTURE_PATIENCE_S) {
			fail_msg("the guest's picture for scan code %u does not come", scancode);
		}
	}
}

/* Kills QEMU as its user might, or the kernel. */
static void machine_kill_qemu(struct machine *machine) {
	assert_false(program_has_ended(NULL, &machine->qemu));
	program_finish(&machine->qemu);
}

static bool guest_is_lost(struct fixture *fixture, void *data) {
	const struct oriel_guest_view *view = data;
	return oriel_source_get_state(view->source) == ORIEL_SOURCE_STATE_LOST;
}

static void assert_other_goes_on(struct machine *machine) {
	const struct oriel_guest_view *other = fixture_get_view(&machine->fixture, "other");
	uint64_t taken = oriel_source_get_counters(other->source).taken;
	fixture_step_output_refreshes(&machine->fixture,
			fixture_get_numbered_output_name(&machine->fixture, 2), 4);
	assert_true(oriel_source_get_counters(other->source).taken > taken);
	assert_int_equal(oriel_source_get_state(other->source), ORIEL_SOURCE_STATE_RUNNING);
}

/* --- the tests -------------------------------------------------------------------------------- */

/* Without a word of its input in the configuration. */
static void qemu_boots_types_resets_dies_and_returns(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, CONFIG MACHINE_CONFIG(""));
	machine_start_qemu(machine, false);
	machine_wait_for_picture(machine, 0);
	struct oriel_guest_view *view = fixture_get_view(&machine->fixture, "machine");
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_RUNNING);
	assert_other_goes_on(machine);

	/* evdev's codes for these are the keyboard's own scan codes. */
	machine_focus(machine);
	machine_type(machine, KEY_A);
	machine_wait_for_picture(machine, KEY_A);
	machine_type(machine, KEY_SPACE);
	machine_wait_for_picture(machine, KEY_SPACE);

	/* A machine that starts anew has not been told of any key. */
	_Static_assert(KEY_R == BOOT_RESET_SCANCODE, "R starts the machine anew");
	machine_type(machine, KEY_R);
	machine_wait_for_picture(machine, 0);
	machine_type(machine, KEY_B);
	machine_wait_for_picture(machine, KEY_B);
	assert_other_goes_on(machine);

	machine_kill_qemu(machine);
	fixture_step_until(&machine->fixture, guest_is_lost, view);
	assert_true(screen_shows(machine, KEY_B));
	assert_other_goes_on(machine);

	/* The same name, the same place, and the input is still its own. */
	machine_start_qemu(machine, false);
	machine_wait_for_picture(machine, 0);
	assert_ptr_equal(fixture_get_view(&machine->fixture, "machine"), view);
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_RUNNING);
	machine_type(machine, KEY_C);
	machine_wait_for_picture(machine, KEY_C);
	assert_other_goes_on(machine);
	machine_kill_qemu(machine);
	fixture_step_until(&machine->fixture, guest_is_lost, view);
}

static void machine_has_its_input_by_uinput_where_that_is_wanted(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, CONFIG MACHINE_CONFIG("\tinput uinput\n"));
	machine_start_qemu(machine, true);
	machine_wait_for_picture(machine, 0);
	machine_focus(machine);
	machine_type(machine, KEY_A);
	machine_wait_for_picture(machine, KEY_A);
	machine_kill_qemu(machine);
	fixture_step_until(&machine->fixture, guest_is_lost,
			fixture_get_view(&machine->fixture, "machine"));
}

/*
 * One that is not in the configuration has the input when it is there, as whoever has started it wants
 * that. A click on its picture catches the pointer, since it has a mouse, and leaves it the keys.
 */
static void machine_that_is_not_configured_has_input(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, CONFIG);
	machine_start_qemu(machine, false);
	machine_wait_for_picture(machine, 0);
	struct oriel_guest_view *view = fixture_get_view(&machine->fixture, "machine");
	assert_non_null(view->input);
	assert_int_equal(view->input->pointer, ORIEL_INPUT_SINK_POINTER_DISTANCES);
	machine_type(machine, KEY_A);
	machine_wait_for_picture(machine, KEY_A);
	struct oriel_guest_input *guest_input = &machine->fixture.server->seat->guest_input;
	assert_false(guest_input->is_grabbed);
	input_move(&machine->input, view->box.x + BOOT_SMALL_WIDTH / 2.0,
			view->box.y + BOOT_SMALL_HEIGHT / 2.0);
	input_click(&machine->input, BTN_LEFT);
	assert_true(guest_input->is_grabbed);
	machine_type(machine, KEY_B);
	machine_wait_for_picture(machine, KEY_B);
	machine_kill_qemu(machine);
	fixture_step_until(&machine->fixture, guest_is_lost, view);
}

/* Runs oriel-vfio to its end, with oriel there to answer it. It has said one line. */
static void expect_refusal(struct machine *machine, int status, const char *text,
		const char *const arguments[]) {
	machine_launch(machine, arguments);
	fixture_step_until(&machine->fixture, program_has_ended, &machine->qemu);
	int its_status = program_wait(&machine->qemu);
	const char *said = machine->qemu.err.text;
	if (its_status != status || strstr(said, text) == NULL ||
			strncmp(said, "oriel-vfio: ", strlen("oriel-vfio: ")) != 0 ||
			strchr(said, '\n') != &said[strlen(said) - 1]) {
		fail_msg("expected status %d and one line with '%s', got %d and:\n%s", status, text,
				its_status, said);
	}
	program_finish(&machine->qemu);
}

#define EXPECT_REFUSAL(machine, status, text, ...)                                                 \
	expect_refusal(machine, status, text, (const char *const[]){ __VA_ARGS__, NULL })

static int count_guests(struct machine *machine) {
	return wl_list_length(&machine->fixture.server->layout.views);
}

static void launcher_that_cannot_run_says_why_in_one_line(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, CONFIG);
	const char *uuid = machine->uuid;
	char vfio_pci[128];

	EXPECT_REFUSAL(machine, 1, "expected DEVICE -- COMMAND", uuid, "true");
	EXPECT_REFUSAL(machine, 1, "/dev/null is not a VFIO device", "/dev/null", "--", "true");
	EXPECT_REFUSAL(machine, 1, "/proc/self/comm is not a VFIO device", "/proc/self/comm", "--",
			"true");
	EXPECT_REFUSAL(machine, 1, "/sys/devices is not a VFIO device", "/sys/devices", "--", "true");
	EXPECT_REFUSAL(machine, 1, "no such device", "00000000-0000-4000-8000-000000000000", "--",
			"true");
	EXPECT_REFUSAL(machine, 1, "cannot open /dev/vfio/devices/vfio99",
			"/dev/vfio/devices/vfio99", "--", "true");
	EXPECT_REFUSAL(machine, 1, "'vfio0' names no device", "vfio0", "--", "true");
	snprintf(vfio_pci, sizeof(vfio_pci), "vfio-pci,sysfsdev=/sys/bus/mdev/devices/%s", uuid);
	EXPECT_REFUSAL(machine, 1, "the command has a -device vfio-pci", uuid, "--", "true",
			"-device", vfio_pci);
	EXPECT_REFUSAL(machine, 1, "no oriel: cannot connect to", "--display", "nobody", uuid, "--",
			"true");
	EXPECT_REFUSAL(machine, 1, "refused: guest other is running", "--name", "other", uuid, "--",
			"true");
	EXPECT_REFUSAL(machine, 1, "refused: the name of a guest", "--name", "a b", uuid, "--",
			"true");
	EXPECT_REFUSAL(machine, 1, "refused: the name of an output", "--output", "a,b", uuid, "--",
			"true");

	/* What is made by then goes with the process. */
	EXPECT_REFUSAL(machine, 127, "cannot run no-such-program", uuid, "--", "no-such-program");
	EXPECT_REFUSAL(machine, 126, "cannot run /etc/passwd", uuid, "--", "/etc/passwd");
	machine->vgpu = vgpu_guest_open(uuid);
	assert_non_null(machine->vgpu);
	EXPECT_REFUSAL(machine, 1, "is busy", uuid, "--", "true");
	vgpu_guest_close(machine->vgpu);
	machine->vgpu = NULL;
	fixture_step_refreshes(&machine->fixture, 2);
	assert_int_equal(count_guests(machine), 1);
	assert_other_goes_on(machine);

	assert_int_equal(rename("/dev/iommu", "/dev/iommu-away"), 0);
	EXPECT_REFUSAL(machine, 1, "cannot open /dev/iommu", uuid, "--", "true");
	assert_int_equal(rename("/dev/iommu-away", "/dev/iommu"), 0);
}

static int count_text(const char *text, const char *what) {
	int count = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what)) {
		count++;
	}
	return count;
}

#define LIST_FILES "readlink /proc/$$/fd/*; echo \"with $*\""

/* How many files a shell has that the test itself starts. */
static int count_inherited_files(struct machine *machine) {
	const char *const argv[] = { "sh", "-c", LIST_FILES, "sh", NULL };
	program_start(&machine->qemu, argv);
	assert_int_equal(program_wait(&machine->qemu), 0);
	int count = count_text(machine->qemu.out.text, "\n") - 1;
	program_finish(&machine->qemu);
	return count;
}

/* oriel-vfio runs itself, for a machine with two devices, and that runs a shell that looks around. */
static void command_gets_the_devices_and_no_other_file(void **state) {
	struct machine *machine = *state;
	machine_start_oriel(machine, CONFIG "guest one {\n\tsource vfio handover\n\tinput none\n}\n");
	int inherited_count = count_inherited_files(machine);
	char second_uuid[37];
	assert_int_equal(vgpu_mdev_create("mbochs-small", second_uuid), 0);
	char path[PATH_MAX];
	get_built_path(path, "../../tools/oriel-vfio/oriel-vfio");
	const char *const arguments[] = { "--name", "one", machine->uuid, "--", path, "--name",
		"two", second_uuid, "--", "sh", "-c", LIST_FILES, "sh", NULL };
	machine_launch(machine, arguments);
	fixture_step_until(&machine->fixture, program_has_ended, &machine->qemu);
	assert_int_equal(program_wait(&machine->qemu), 0);

	const char *said = machine->qemu.out.text;
	const char *command = strstr(said, "with ");
	assert_non_null(command);
	assert_int_equal(count_text(said, "/dev/vfio/devices/vfio"), 2);
	assert_int_equal(count_text(said, "/dev/iommu\n"), 2);
	/* And one of a monitor each. */
	assert_int_equal(count_text(said, "\n") - count_text(command, "\n"), inherited_count + 6);
	assert_int_equal(count_text(command, "-chardev socket,id=oriel-input-vfio"), 2);
	assert_int_equal(count_text(command, "-qmp chardev:oriel-input-vfio"), 2);
	assert_int_equal(count_text(command, "-object iommufd,id=oriel-iommufd-vfio"), 2);
	assert_int_equal(count_text(command, "-device vfio-pci,id=oriel-vfio"), 2);
	assert_int_equal(count_text(command, machine->uuid), 1);
	assert_int_equal(count_text(command, second_uuid), 1);
	program_finish(&machine->qemu);

	fixture_step_refreshes(&machine->fixture, 2);
	/* "one" is of the configuration, and stays. */
	assert_int_equal(count_guests(machine), 2);
	struct oriel_guest_view *one = fixture_get_view(&machine->fixture, "one");
	assert_true(guest_is_lost(NULL, one));
	/* There was a monitor, but nobody wants it. */
	assert_null(one->input);
	assert_int_equal(vgpu_mdev_remove(second_uuid), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(qemu_boots_types_resets_dies_and_returns,
				machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(machine_has_its_input_by_uinput_where_that_is_wanted,
				machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(machine_that_is_not_configured_has_input,
				machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(command_gets_the_devices_and_no_other_file,
				machine_setup, machine_teardown),
		cmocka_unit_test_setup_teardown(launcher_that_cannot_run_says_why_in_one_line,
				machine_setup, machine_teardown),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
