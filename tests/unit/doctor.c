/* What oriel doctor says of the facts of a host, and of a machine, each outcome of it. */
#include "doctor/qemu.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syncbridge/caps.h>

#include <cmocka.h>

#include "doctor/machine.h"
#include "doctor/report.h"

#define ALL_CAPS (SB_CAP_DMABUF_EXPORT_SYNC_FILE | SB_CAP_DMABUF_IMPORT_SYNC_FILE)

/* A host that lacks nothing, for a test to take something away. */
struct host {
	struct oriel_doctor_qemu_facts facts;
	struct oriel_doctor_run version_run, displays_run, gl_run, gpu_run;
	struct oriel_doctor_report report;
};

static void run_init(struct oriel_doctor_run *run, const char *out) {
	*run = (struct oriel_doctor_run){ .end = ORIEL_DOCTOR_END_EXIT };
	snprintf(run->out, sizeof(run->out), "%s", out);
}

static int host_setup(void **state) {
	struct host *host = calloc(1, sizeof(*host));
	assert_non_null(host);
	run_init(&host->version_run, "QEMU emulator version 9.2.4 (Some package)\nCopyright\n");
	run_init(&host->displays_run, "Available display backend types:\nnone\ndbus\n\nSome text\n");
	run_init(&host->gl_run, "{}\n");
	run_init(&host->gpu_run, "virtio-gpu-gl-pci options:\n");
	host->facts = (struct oriel_doctor_qemu_facts){
		.has_driver = true,
		.runtime_dir = "/run/user/1000",
		.is_found = true,
		.program = "/usr/bin/qemu-system-x86_64",
		.version_run = &host->version_run,
		.displays_run = &host->displays_run,
		.gl_run = &host->gl_run,
		.gpu_run = &host->gpu_run,
		.kvm = { .path = "/dev/kvm" },
		.render_nodes = { { .path = "/dev/dri/renderD128" },
				{ .path = "/dev/dri/renderD129" } },
		.render_node_count = 1,
		.udmabuf = { .path = "/dev/udmabuf" },
		.udmabuf_size_limit_mib = 64,
		.udmabuf_list_limit = 1024,
		.dmabuf_caps = ALL_CAPS,
	};
	*state = host;
	return 0;
}

static int host_teardown(void **state) {
	free(*state);
	return 0;
}

/* The only finding of that subject. */
static const struct oriel_doctor_finding *find(
		const struct oriel_doctor_report *report, const char *subject) {
	const struct oriel_doctor_finding *found = NULL;
	for (size_t i = 0; i < report->count; i++) {
		if (strcmp(report->findings[i].subject, subject) == 0) {
			assert_null(found);
			found = &report->findings[i];
		}
	}
	return found;
}

static void assert_found(const struct oriel_doctor_report *report, enum oriel_doctor_level level,
		const char *subject, const char *text, const char *advice) {
	const struct oriel_doctor_finding *finding = find(report, subject);
	assert_non_null(finding);
	assert_int_equal(finding->level, level);
	if (strstr(finding->text, text) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", text, finding->text);
	}
	if (advice == NULL ? finding->advice[0] != '\0' : strstr(finding->advice, advice) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", advice != NULL ? advice : "", finding->advice);
	}
	/* Nothing that is always said is cut. */
	assert_true(strlen(finding->text) < sizeof(finding->text) - 1);
	assert_true(strlen(finding->advice) < sizeof(finding->advice) - 1);
}

/* Judges the host, for a finding that its change has made; nothing else may be missing. */
static void assert_judged(struct host *host, enum oriel_doctor_level level, const char *subject,
		const char *text, const char *advice) {
	host->report.count = 0;
	oriel_doctor_qemu_judge(&host->facts, &host->report);
	assert_found(&host->report, level, subject, text, advice);
	assert_int_equal(oriel_doctor_report_count(&host->report, ORIEL_DOCTOR_MISSING),
			level == ORIEL_DOCTOR_MISSING ? 1 : 0);
}

/* The host */

static void judge_whole_host_finds_nothing_wrong(void **state) {
	struct host *host = *state;
	oriel_doctor_qemu_judge(&host->facts, &host->report);
	for (size_t i = 0; i < host->report.count; i++) {
		const struct oriel_doctor_finding *finding = &host->report.findings[i];
		if (finding->level != ORIEL_DOCTOR_OK && strcmp(finding->subject, "blob=on") != 0) {
			fail_msg("%s: %s", finding->subject, finding->text);
		}
	}
	assert_found(&host->report, ORIEL_DOCTOR_OK, "QEMU", "9.2.4, /usr/bin/qemu-system-x86_64",
			NULL);
	assert_found(&host->report, ORIEL_DOCTOR_NOTE, "blob=on", "shared", "memory-backend-memfd");
}

static void judge_oriel_without_driver_is_missing(void **state) {
	struct host *host = *state;
	host->facts.has_driver = false;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "oriel", "without", "-Dqemu=enabled");
}

static void judge_runtime_folder_that_is_not_usable_is_missing(void **state) {
	struct host *host = *state;
	host->facts.runtime_dir_error = EACCES;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "runtime folder", "Permission denied", "0700");
	host->facts.runtime_dir = "";
	assert_judged(host, ORIEL_DOCTOR_MISSING, "runtime folder", "not set", "0700");
	host->facts.runtime_dir = NULL;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "runtime folder", "not set", "0700");
}

static void judge_absent_qemu_is_missing_and_nothing_is_said_of_its_parts(void **state) {
	struct host *host = *state;
	host->facts.is_found = false;
	strcpy(host->facts.program, "qemu-system-riscv64");
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "qemu-system-riscv64", "--qemu");
	static const char *const parts[] = { "D-Bus display", "gl=on", "virtio-gpu-gl", "blob=on" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		assert_null(find(&host->report, parts[i]));
	}
	assert_non_null(find(&host->report, "udmabuf"));
}

static void judge_qemu_that_gives_no_version_is_missing(void **state) {
	struct host *host = *state;
	strcpy(host->version_run.out, "no version\nlast line\n\n");
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "says: last line", "--qemu");
	strcpy(host->version_run.err, "first\nlast of stderr");
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "says: last of stderr", "--qemu");
	host->version_run = (struct oriel_doctor_run){ .end = ORIEL_DOCTOR_END_EXIT, .status = 3 };
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "exit status 3", "--qemu");
	host->version_run.end = ORIEL_DOCTOR_END_TIMEOUT;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "does not end", "--qemu");
	host->version_run.end = ORIEL_DOCTOR_END_SIGNAL;
	host->version_run.status = SIGSEGV;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "signal 11", "--qemu");
	host->version_run.end = ORIEL_DOCTOR_END_NOT_STARTED;
	host->version_run.status = ENOEXEC;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "Exec format error", "--qemu");
	host->version_run.end = ORIEL_DOCTOR_END_NOT_RUN;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "not asked", "--qemu");
	/* A version, but a failure. */
	run_init(&host->version_run, "QEMU emulator version 9.2.4\n");
	host->version_run.status = 1;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "QEMU", "9.2.4", "--qemu");
}

static void judge_qemu_version_at_each_bound(void **state) {
	struct host *host = *state;
	static const struct {
		const char *version;
		enum oriel_doctor_level level, gpu_level;
		const char *text;
	} cases[] = {
		{ "6.2.0", ORIEL_DOCTOR_MISSING, ORIEL_DOCTOR_OK, "too old" },
		{ "6.99.0", ORIEL_DOCTOR_MISSING, ORIEL_DOCTOR_OK, "too old" },
		{ "7.0.0", ORIEL_DOCTOR_WARNING, ORIEL_DOCTOR_OK, "copies each picture" },
		{ "9.1.3", ORIEL_DOCTOR_WARNING, ORIEL_DOCTOR_OK, "copies each picture" },
		{ "9.2", ORIEL_DOCTOR_OK, ORIEL_DOCTOR_OK, "9.2.0" },
		{ "9.99.0", ORIEL_DOCTOR_OK, ORIEL_DOCTOR_OK, "9.99.0" },
		{ "10.0.0", ORIEL_DOCTOR_OK, ORIEL_DOCTOR_WARNING, "10.0.0" },
		{ "11.1.2", ORIEL_DOCTOR_OK, ORIEL_DOCTOR_WARNING, "11.1.2" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(host->version_run.out, sizeof(host->version_run.out),
				"QEMU emulator version %s\n", cases[i].version);
		assert_judged(host, cases[i].level, "QEMU", cases[i].text,
				cases[i].level != ORIEL_DOCTOR_OK ? "9.2" : NULL);
		const struct oriel_doctor_finding *gpu = find(&host->report, "virtio-gpu-gl");
		if (cases[i].level == ORIEL_DOCTOR_MISSING) {
			assert_null(gpu);
		} else {
			assert_int_equal(gpu->level, cases[i].gpu_level);
		}
	}
	assert_found(&host->report, ORIEL_DOCTOR_WARNING, "virtio-gpu-gl", "tex_id", "without -gl");
}

static void judge_qemu_without_dbus_is_missing(void **state) {
	struct host *host = *state;
	strcpy(host->displays_run.out, "Available display backend types:\nnone\ndbus-like\nxdbus\n");
	assert_judged(host, ORIEL_DOCTOR_MISSING, "D-Bus display", "no -display dbus", "ui-dbus");
	assert_null(find(&host->report, "gl=on"));
	host->displays_run.end = ORIEL_DOCTOR_END_TIMEOUT;
	assert_judged(host, ORIEL_DOCTOR_MISSING, "D-Bus display", "does not end", "ui-dbus");
}

static void judge_qemu_without_gl_is_a_warning(void **state) {
	struct host *host = *state;
	host->gl_run = (struct oriel_doctor_run){ .end = ORIEL_DOCTOR_END_EXIT, .status = 1 };
	strcpy(host->gl_run.err, "qemu: egl: no\n");
	assert_judged(host, ORIEL_DOCTOR_WARNING, "gl=on", "says: qemu: egl: no", "modules");
	assert_null(find(&host->report, "virtio-gpu-gl"));
	assert_null(find(&host->report, "blob=on"));
	host->facts.render_node_count = 0;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "gl=on", "egl: no", "needs a render node");
}

static void judge_qemu_without_3d_device_is_a_note(void **state) {
	struct host *host = *state;
	/* As QEMU has it: with exit status 0. */
	host->gpu_run.out[0] = '\0';
	strcpy(host->gpu_run.err, "Device 'virtio-gpu-gl-pci' not found\n");
	assert_judged(host, ORIEL_DOCTOR_NOTE, "virtio-gpu-gl", "no such device",
			"hw-display-virtio-gpu-gl");
	host->gpu_run.end = ORIEL_DOCTOR_END_TIMEOUT;
	assert_judged(host, ORIEL_DOCTOR_NOTE, "virtio-gpu-gl", "no such device", "module");
}

static void judge_render_nodes_by_their_number_and_access(void **state) {
	struct host *host = *state;
	host->facts.render_node_count = 0;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "render node", "there is no", "vgem");
	host->facts.render_node_count = 1;
	host->facts.render_nodes[0].error = EACCES;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "render node", "Permission denied", "group render");
	host->facts.render_nodes[0].error = 0;
	host->facts.render_node_count = 2;
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", "there are 2",
			"WLR_RENDER_DRM_DEVICE=/dev/dri/renderD128");
	host->facts.render_device = "/dev/dri/renderD129";
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", "draws with /dev/dri/renderD129",
			"rendernode=/dev/dri/renderD129");
}

static void judge_render_nodes_advises_one_that_can_be_opened(void **state) {
	static const char failed[] = "; not to be opened: /dev/dri/renderD128: Permission denied";
	struct host *host = *state;
	host->facts.render_node_count = 2;
	host->facts.render_nodes[0].error = EACCES;
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", failed,
			"WLR_RENDER_DRM_DEVICE=/dev/dri/renderD129 for oriel, and give QEMU "
			"rendernode=/dev/dri/renderD129 ");
	host->facts.render_device = "/dev/dri/renderD129";
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", failed,
			"rendernode=/dev/dri/renderD129");
	/* What oriel cannot draw with is nothing to give QEMU too. */
	host->facts.render_device = "/dev/dri/renderD128";
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", failed,
			"WLR_RENDER_DRM_DEVICE=/dev/dri/renderD129");

	/* All but the last of as many as are looked at: the advice is whole, the text may be cut. */
	host->facts.render_device = NULL;
	host->facts.render_node_count = ORIEL_DOCTOR_RENDER_NODES_MAX;
	for (int i = 0; i < ORIEL_DOCTOR_RENDER_NODES_MAX; i++) {
		struct oriel_doctor_file *node = &host->facts.render_nodes[i];
		snprintf(node->path, sizeof(node->path), "/dev/dri/renderD%d", 128 + i);
		node->error = i < ORIEL_DOCTOR_RENDER_NODES_MAX - 1 ? EACCES : 0;
	}
	assert_judged(host, ORIEL_DOCTOR_NOTE, "render node", "renderD129: Permission denied",
			"WLR_RENDER_DRM_DEVICE=/dev/dri/renderD143");
}

static void judge_udmabuf_by_its_access_and_limits(void **state) {
	struct host *host = *state;
	host->facts.udmabuf_size_limit_mib = 31;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "udmabuf", "31 MiB", "size_limit_mb");
	host->facts.udmabuf_size_limit_mib = 32;
	assert_judged(host, ORIEL_DOCTOR_OK, "udmabuf", "/dev/udmabuf", NULL);
	host->facts.udmabuf_list_limit = 1023;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "udmabuf", "1023 pieces", "list_limit");
	/* Not known, as where it is built into the kernel and /sys does not show it. */
	host->facts.udmabuf_size_limit_mib = host->facts.udmabuf_list_limit = -1;
	assert_judged(host, ORIEL_DOCTOR_OK, "udmabuf", "/dev/udmabuf", NULL);

	host->facts.dmabuf_error = ENOTTY;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "udmabuf", "Inappropriate ioctl", "modprobe");
	host->facts.udmabuf.error = EACCES;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "udmabuf", "Permission denied", "group");
	assert_found(&host->report, ORIEL_DOCTOR_NOTE, "fences", "not tried", "sb-info");
	assert_null(find(&host->report, "blob=on"));
}

static void judge_kernel_by_what_it_does_with_fences(void **state) {
	struct host *host = *state;
	host->facts.dmabuf_caps = 0;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "fences", "does not give out", "6.0");
	host->facts.dmabuf_caps = SB_CAP_DMABUF_EXPORT_SYNC_FILE;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "fences", "does not give out", "6.0");
	host->facts.caps_error = EMFILE;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "fences", "Too many open files", NULL);
}

static void judge_host_without_kvm_is_a_warning(void **state) {
	struct host *host = *state;
	host->facts.kvm.error = EACCES;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "KVM", "slower", "group kvm");
	assert_judged(host, ORIEL_DOCTOR_WARNING, "KVM", "slower", "-accel tcg instead");
	host->facts.kvm.error = ENOENT;
	assert_judged(host, ORIEL_DOCTOR_WARNING, "KVM", "slower", "kvm_intel");
	assert_judged(host, ORIEL_DOCTOR_WARNING, "KVM", "slower", "-accel tcg instead");
}

/* Words */

static void parse_version_takes_what_qemu_prints_only(void **state) {
	static const struct {
		const char *text;
		bool is_right;
		int major, minor, micro;
	} cases[] = {
		{ "QEMU emulator version 11.1.2 (Debian 1:11.1.2+ds-3)\n", true, 11, 1, 2 },
		{ "QEMU emulator version 10.2\n", true, 10, 2, 0 },
		{ "QEMU emulator version 9.2.50 (v9.2.0-1-gabc)", true, 9, 2, 50 },
		{ "QEMU emulator version 8.0.0-rc1\n", true, 8, 0, 0 },
		{ "QEMU emulator version 999.999.999", true, 999, 999, 999 },
		{ "QEMU emulator version 1000.0.0", false, 0, 0, 0 },
		{ "QEMU emulator version 99999999999999999999.0", false, 0, 0, 0 },
		{ "QEMU emulator version 11", false, 0, 0, 0 },
		{ "QEMU emulator version 11.", false, 0, 0, 0 },
		{ "QEMU emulator version 11.1.", false, 0, 0, 0 },
		{ "QEMU emulator version -1.2", false, 0, 0, 0 },
		{ "QEMU emulator version ", false, 0, 0, 0 },
		{ "\nQEMU emulator version 11.1.2\n", false, 0, 0, 0 },
		{ "bash, version 5.2\n", false, 0, 0, 0 },
		{ "", false, 0, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oriel_doctor_version version = { -1, -1, -1 };
		bool is_right = oriel_doctor_qemu_parse_version(cases[i].text, &version);
		assert_int_equal(is_right, cases[i].is_right);
		assert_int_equal(version.major, is_right ? cases[i].major : -1);
		assert_int_equal(version.minor, is_right ? cases[i].minor : -1);
		assert_int_equal(version.micro, is_right ? cases[i].micro : -1);
	}
}

static void find_display_takes_whole_lines_only(void **state) {
	assert_true(oriel_doctor_qemu_has_display("types:\nnone\ndbus\n", "dbus"));
	assert_true(oriel_doctor_qemu_has_display("dbus", "dbus"));
	assert_false(oriel_doctor_qemu_has_display("dbus2\nxdbus\ndbu\n", "dbus"));
	assert_false(oriel_doctor_qemu_has_display("", "dbus"));
}

static void report_cuts_and_cleans_what_others_say(void **state) {
	struct host *host = *state;
	char text[1024];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[0] = '\033';
	text[1] = '\n';
	oriel_doctor_report_add(&host->report, ORIEL_DOCTOR_NOTE, "a", "%s", text);
	oriel_doctor_report_advise(&host->report, "%s", text);
	const struct oriel_doctor_finding *finding = &host->report.findings[0];
	assert_int_equal(strlen(finding->text), sizeof(finding->text) - 1);
	assert_int_equal(strlen(finding->advice), sizeof(finding->advice) - 1);
	assert_memory_equal(finding->text, "??x", 3);
	assert_memory_equal(finding->advice, "??x", 3);
}

static void report_prints_a_line_and_what_to_do(void **state) {
	struct host *host = *state;
	oriel_doctor_report_add(&host->report, ORIEL_DOCTOR_OK, "a thing", "is there");
	oriel_doctor_report_add(&host->report, ORIEL_DOCTOR_MISSING, "b", "is not");
	oriel_doctor_report_advise(&host->report, "get it");
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	oriel_doctor_report_print(&host->report, file);
	fclose(file);
	assert_string_equal(text,
			"ok       a thing        is there\n"
			"missing  b              is not\n"
			"                        get it\n");
	free(text);
}

/* A machine */

static struct oriel_doctor_machine_facts right_machine(void) {
	return (struct oriel_doctor_machine_facts){
		.monitor = "/run/vm.qmp",
		.version = { 11, 1, 2 },
		.status = "running",
		.display = "dbus",
		.is_p2p = true,
		.has_gl = true,
		.has_kvm = true,
		.has_shared_memory = true,
		.has_absolute_pointer = true,
		.gpus = { { .type = "virtio-vga", .has_blob = true } },
		.gpu_count = 1,
	};
}

static void assert_machine_judged(const struct oriel_doctor_machine_facts *facts,
		enum oriel_doctor_level level, const char *subject, const char *text,
		const char *advice) {
	struct oriel_doctor_report report = { 0 };
	oriel_doctor_machine_judge(facts, &report);
	assert_found(&report, level, subject, text, advice);
	/* The others are right. */
	for (size_t i = 0; i < report.count; i++) {
		if (strcmp(report.findings[i].subject, subject) != 0) {
			assert_int_equal(report.findings[i].level, ORIEL_DOCTOR_OK);
		}
	}
}

static void judge_right_machine_finds_nothing_wrong(void **state) {
	struct oriel_doctor_machine_facts facts = right_machine();
	assert_machine_judged(&facts, ORIEL_DOCTOR_OK, "monitor", "QEMU 11.1.2, running", NULL);
	assert_machine_judged(&facts, ORIEL_DOCTOR_OK, "its display", "-display dbus,p2p=yes,gl=on",
			NULL);
	assert_machine_judged(&facts, ORIEL_DOCTOR_OK, "its graphics", "virtio-vga,blob=on", NULL);
}

static void judge_monitor_that_does_not_answer_says_what_it_takes(void **state) {
	static const struct {
		int error;
		const char *text, *advice;
	} cases[] = {
		{ ENOENT, "No such file", "-qmp unix:/run/vm.qmp,server=on,wait=off" },
		{ ECONNREFUSED, "refused", "-qmp unix:/run/vm.qmp,server=on,wait=off" },
		{ ETIMEDOUT, "no answer in time", "one user at a time" },
		{ EPROTO, "Protocol error", "not a -monitor" },
		{ EACCES, "Permission denied", "same user" },
		{ ECONNRESET, "reset", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oriel_doctor_machine_facts facts = right_machine();
		facts.error = cases[i].error;
		struct oriel_doctor_report report = { 0 };
		oriel_doctor_machine_judge(&facts, &report);
		assert_int_equal(report.count, 1);
		assert_found(&report, ORIEL_DOCTOR_MISSING, "monitor", cases[i].text,
				cases[i].advice);
	}
}

static void judge_machine_by_each_of_its_parts(void **state) {
	struct oriel_doctor_machine_facts facts = right_machine();
	strcpy(facts.display, "gtk");
	assert_machine_judged(&facts, ORIEL_DOCTOR_MISSING, "its display", "-display gtk", "p2p=yes");
	facts.display[0] = '\0';
	assert_machine_judged(&facts, ORIEL_DOCTOR_MISSING, "its display", "unknown", "p2p=yes");
	facts = right_machine();
	facts.is_p2p = false;
	assert_machine_judged(&facts, ORIEL_DOCTOR_MISSING, "its display", "on a bus", "p2p=yes");

	facts = right_machine();
	facts.has_shared_memory = false;
	assert_machine_judged(&facts, ORIEL_DOCTOR_WARNING, "its graphics", "not shared", "memfd");
	facts.has_gl = false;
	assert_machine_judged(&facts, ORIEL_DOCTOR_WARNING, "its graphics", "without gl=on", "both");
	facts.gpus[0].has_blob = false;
	assert_machine_judged(&facts, ORIEL_DOCTOR_OK, "its graphics", "virtio-vga", NULL);
	strcpy(facts.gpus[0].type, "virtio-gpu-gl-pci");
	assert_machine_judged(&facts, ORIEL_DOCTOR_WARNING, "its graphics", "resets", "without -gl");
	facts.version = (struct oriel_doctor_version){ 9, 2, 0 };
	assert_machine_judged(&facts, ORIEL_DOCTOR_OK, "its graphics", "virtio-gpu-gl-pci", NULL);

	facts = right_machine();
	facts.has_absolute_pointer = false;
	assert_machine_judged(&facts, ORIEL_DOCTOR_NOTE, "its pointer", "steps", "virtio-tablet");
	facts = right_machine();
	facts.has_kvm = false;
	assert_machine_judged(
			&facts, ORIEL_DOCTOR_WARNING, "its processor", "emulated", "-accel kvm");
}

/* The longest report has room: nothing is said twice, and no more machines than one are looked at. */
static void judge_worst_machine_fits_into_a_report(void **state) {
	struct host *host = *state;
	host->facts.has_driver = false;
	oriel_doctor_qemu_judge(&host->facts, &host->report);
	struct oriel_doctor_machine_facts facts = right_machine();
	facts.has_absolute_pointer = facts.has_kvm = false;
	facts.gpu_count = ORIEL_DOCTOR_GPUS_MAX;
	oriel_doctor_machine_judge(&facts, &host->report);
	assert_true(host->report.count <= ORIEL_DOCTOR_FINDINGS_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)
	const struct CMUnitTest tests[] = {
		TEST(judge_whole_host_finds_nothing_wrong),
		TEST(judge_oriel_without_driver_is_missing),
		TEST(judge_runtime_folder_that_is_not_usable_is_missing),
		TEST(judge_absent_qemu_is_missing_and_nothing_is_said_of_its_parts),
		TEST(judge_qemu_that_gives_no_version_is_missing),
		TEST(judge_qemu_version_at_each_bound),
		TEST(judge_qemu_without_dbus_is_missing),
		TEST(judge_qemu_without_gl_is_a_warning),
		TEST(judge_qemu_without_3d_device_is_a_note),
		TEST(judge_render_nodes_by_their_number_and_access),
		TEST(judge_render_nodes_advises_one_that_can_be_opened),
		TEST(judge_udmabuf_by_its_access_and_limits),
		TEST(judge_kernel_by_what_it_does_with_fences),
		TEST(judge_host_without_kvm_is_a_warning),
		cmocka_unit_test(parse_version_takes_what_qemu_prints_only),
		cmocka_unit_test(find_display_takes_whole_lines_only),
		TEST(report_cuts_and_cleans_what_others_say),
		TEST(report_prints_a_line_and_what_to_do),
		cmocka_unit_test(judge_right_machine_finds_nothing_wrong),
		cmocka_unit_test(judge_monitor_that_does_not_answer_says_what_it_takes),
		cmocka_unit_test(judge_machine_by_each_of_its_parts),
		TEST(judge_worst_machine_fits_into_a_report),
	};
#undef TEST
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
