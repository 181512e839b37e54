/*
 * A machine under QEMU that draws by OpenGL, or not at all: what its displays show comes as dma-bufs,
 * QEMU's own, the guest's memory or those of a vGPU that QEMU was given, and is on screen pixel for
 * pixel. QEMU runs in the test VM, so that its guests are small ones.
 */
#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fds.h"
#include "gpu.h"
#include "guest/buffer.h"
#include "guest/frame.h"
#include "guest/source.h"
#include "kms.h"
#include "machine.h"
#include "server.h"
#include "vgpu_guest.h"
#include "view/guest_view.h"

struct rig {
	struct machine *machine;
	char uuid[37]; /* of a vGPU; empty without */
};

static int rig_setup(void **state) {
	struct rig *rig = calloc(1, sizeof(*rig));
	*state = rig;
	return rig != NULL ? machine_setup((void **)&rig->machine) : -1;
}

static int rig_teardown(void **state) {
	struct rig *rig = *state;
	int ret = machine_teardown((void **)&rig->machine);
	if (ret == 0 && rig->uuid[0] != '\0') {
		ret = vgpu_mdev_remove(rig->uuid);
	}
	free(rig);
	return ret;
}

/* Of vgem, where QEMU's OpenGL is llvmpipe's. */
static void find_render_node(char path[KMS_NAME_SIZE]) {
	for (int i = 128; i < 144; i++) {
		snprintf(path, KMS_NAME_SIZE, "/dev/dri/renderD%d", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		drmVersion *version = fd >= 0 ? drmGetVersion(fd) : NULL;
		bool is_vgem = version != NULL && strcmp(version->name, "vgem") == 0;
		drmFreeVersion(version);
		if (fd >= 0) {
			close(fd);
		}
		if (is_vgem) {
			return;
		}
	}
	fail_msg("vgem has no render node");
}

static void start_oriel_with(struct machine *machine, const char *source) {
	char output[KMS_NAME_SIZE], config[512];
	kms_get_output_name(output);
	snprintf(config, sizeof(config),
			"output %s {\n\tmode %dx%d\n}\n"
			"guest machine {\n\tsource qemu %s\n\toutput %s\n\tinput none\n}\n",
			output, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, source, output);
	machine_start_oriel(machine, 1, config);
}

static void start_oriel(struct machine *machine) {
	start_oriel_with(machine, "QMP");
}

static void start(struct machine *machine, enum qemu_guest guest, const char *const arguments[]) {
	char node[KMS_NAME_SIZE];
	qemu_require(guest);
	find_render_node(node);
	snprintf(machine->qemu.display_options, sizeof(machine->qemu.display_options),
			",gl=on,rendernode=%s", node);
	qemu_start(&machine->qemu, guest, arguments);
	start_oriel(machine);
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
}

static void assert_is_dmabuf(struct machine *machine) {
	const struct oriel_guest_view *view = machine_get_view(machine, "machine");
	assert_int_equal(oriel_source_get_state(view->source), ORIEL_SOURCE_STATE_RUNNING);
	assert_non_null(view->primary.frame);
	assert_true(oriel_guest_buffer_get_dmabuf_fd(
				    oriel_guest_frame_get_buffer(view->primary.frame)) >= 0);
}

static void shows_each_key_in_each_size(struct machine *machine) {
	qemu_type(&machine->qemu, "a");
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, KEY_A);
	assert_is_dmabuf(machine);
	qemu_type(&machine->qemu, "2");
	machine_resize_output(machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT);
	machine_wait_for_picture(
			machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, BOOT_LARGE_SCANCODE);
	qemu_type(&machine->qemu, "b");
	machine_wait_for_picture(machine, 1, BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, KEY_B);
	assert_is_dmabuf(machine);
}

/* Run by oriel-qemu(1), which has QEMU find the render node. */
static void vga_is_shown_by_qemus_texture(void **state) {
	struct rig *rig = *state;
	struct machine *machine = rig->machine;
	qemu_require(QEMU_GUEST_BOOT);
	start_oriel_with(machine, "handover");
	assert_non_null(oriel_server_listen(machine->fixture.server));
	machine->qemu.runner_options = (const char *const[]){ "--gl", "--name", "machine", NULL };
	qemu_start(&machine->qemu, QEMU_GUEST_BOOT, (const char *const[]){ "-device", "VGA", NULL });
	machine->qemu.runner_options = NULL;
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0);
	shows_each_key_in_each_size(machine);
}

static void mbochs_is_shown_by_its_own_dmabuf(void **state) {
	struct rig *rig = *state;
	char device[128];
	assert_int_equal(vgpu_mdev_create("mbochs-small", rig->uuid), 0);
	snprintf(device, sizeof(device), "vfio-pci,sysfsdev=/sys/bus/mdev/devices/%s,display=on",
			rig->uuid);
	start(rig->machine, QEMU_GUEST_BOOT, (const char *const[]){ "-device", device, NULL });
	shows_each_key_in_each_size(rig->machine);
}

static uint64_t get_cpu_ns(void) {
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Each takes a second on lavapipe. */
#define COST_FRAMES 8

struct frames {
	const struct oriel_guest_view *view;
	uint64_t wanted;
};

static bool were_taken(struct fixture *fixture, void *data) {
	const struct frames *frames = data;
	return oriel_source_get_counters(frames->view->source).taken >= frames->wanted;
}

/* All of oriel's threads, the renderer's too. */
static void print_cost_of_flips(struct machine *machine, const char *what) {
	struct frames frames = { .view = machine_get_view(machine, "machine") };
	uint64_t taken = oriel_source_get_counters(frames.view->source).taken;
	frames.wanted = taken + COST_FRAMES;
	uint64_t cpu_ns = get_cpu_ns();
	qemu_type(&machine->qemu, "f");
	fixture_step_until(&machine->fixture, were_taken, &frames);
	cpu_ns = get_cpu_ns() - cpu_ns;
	taken = oriel_source_get_counters(frames.view->source).taken - taken;
	print_message("# %s, %dx%d: %.1f s of the VM's CPU for 1000 frames\n", what,
			BOOT_LARGE_WIDTH, BOOT_LARGE_HEIGHT, (double)cpu_ns / 1e6 / (double)taken);
}

/* QEMU says Disable when it lets go of an old blob, while the new one is shown. */
static void flips_show_whole_pictures(struct machine *machine, const char *what) {
	machine_flips_begin(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0, 1, GPU_FLIPS);
	qemu_type(&machine->qemu, "f");
	machine_flips_end(machine, 1);
	shows_each_key_in_each_size(machine);
	print_cost_of_flips(machine, what);
}

static const char *const blob_arguments[] = { "-machine", "pc,memory-backend=memory", "-object",
	"memory-backend-memfd,id=memory,size=32M,share=on", "-device", "virtio-gpu-pci,blob=on",
	NULL };

static void virtio_gpu_blob_is_shown_by_the_guests_memory(void **state) {
	struct rig *rig = *state;
	start(rig->machine, QEMU_GUEST_GPU, blob_arguments);
	flips_show_whole_pictures(rig->machine, "a blob");
}

static bool has_begun(struct qemu *qemu, void *data) {
	const struct machine *machine = data;
	return machine->flips.has_begun;
}

/* QEMU has calls under way then, which nobody answers. */
static void oriel_restarts_while_a_guest_flips(void **state) {
	struct rig *rig = *state;
	struct machine *machine = rig->machine;
	start(machine, QEMU_GUEST_GPU, blob_arguments);
	machine_flips_begin(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, 0, 1, GPU_FLIPS);
	qemu_type(&machine->qemu, "f");
	qemu_wait_until(&machine->qemu, has_begun, machine);
	screen_watch_end(&machine->flips.watch);
	machine_stop_oriel(machine);
	start_oriel(machine);
	machine_wait_for_picture(machine, 1, BOOT_SMALL_WIDTH, BOOT_SMALL_HEIGHT, GPU_FLIPS);
	assert_is_dmabuf(machine);
}

/* Its rows come from the bottom. */
static void virtio_gpu_gl_is_shown_by_virglrenderers_texture(void **state) {
	struct rig *rig = *state;
	start(rig->machine, QEMU_GUEST_GPU,
			(const char *const[]){ "-device", "virtio-gpu-gl-pci", NULL });
	flips_show_whole_pictures(rig->machine, "virglrenderer's texture");
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		RIG(vga_is_shown_by_qemus_texture),
		RIG(mbochs_is_shown_by_its_own_dmabuf),
		RIG(virtio_gpu_blob_is_shown_by_the_guests_memory),
		RIG(oriel_restarts_while_a_guest_flips),
		RIG(virtio_gpu_gl_is_shown_by_virglrenderers_texture),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("vm_dbus", tests, fixture_warm_up, NULL);
}
