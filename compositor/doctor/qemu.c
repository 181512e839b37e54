#include "doctor/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syncbridge/caps.h>

#include "doctor/report.h"

/* -display dbus,p2p=yes came with it. */
#define QEMU_OLDEST_MAJOR 7
/* The pictures of older ones come as bytes of a message. */
#define QEMU_MAP_MAJOR 9
#define QEMU_MAP_MINOR 2
/* No QEMU has got that far; what has more digits is no version. */
#define QEMU_PART_MAX 999

/* 3840x2160 pixels of 4 bytes, rounded up. */
#define PICTURE_4K_MIB 32
/* What the kernel allows unless it is told otherwise. */
#define UDMABUF_LIST_LIMIT 1024

/* Where QEMU's modules are, as most distributions call them. */
#define MODULES_ADVICE                                                                              \
	"install QEMU's module %s: a package named like qemu-ui-%s, qemu-system-modules-opengl or " \
	"qemu-full"

static bool scan_part(const char **cursor, int *ret_part) {
	int part = 0;
	const char *c = *cursor;
	for (; *c >= '0' && *c <= '9' && part <= QEMU_PART_MAX; c++) {
		part = part * 10 + (*c - '0');
	}
	if (c == *cursor || part > QEMU_PART_MAX) {
		return false;
	}
	*cursor = c;
	*ret_part = part;
	return true;
}

bool oriel_doctor_qemu_parse_version(const char *text, struct oriel_doctor_version *ret_version) {
	static const char before[] = "QEMU emulator version ";
	if (strncmp(text, before, strlen(before)) != 0) {
		return false;
	}
	const char *cursor = &text[strlen(before)];
	struct oriel_doctor_version version = { 0 };
	if (!scan_part(&cursor, &version.major) || *cursor++ != '.' ||
			!scan_part(&cursor, &version.minor)) {
		return false;
	}
	if (*cursor == '.') {
		cursor++;
		if (!scan_part(&cursor, &version.micro)) {
			return false;
		}
	}
	*ret_version = version;
	return true;
}

bool oriel_doctor_qemu_has_display(const char *text, const char *display) {
	size_t length = strlen(display);
	for (const char *line = text; line != NULL;) {
		if (strncmp(line, display, length) == 0 &&
				(line[length] == '\n' || line[length] == '\0')) {
			return true;
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return false;
}

bool oriel_doctor_qemu_aborts_at_reset(const struct oriel_doctor_version *version) {
	/*
	 * The guest's reset of the device makes the placeholder's texture in a virtual CPU's thread,
	 * which has no GL context, and gets none (dbus_scanout_texture: assertion "tex_id"). Seen
	 * in 10.0, 10.2 and 11.1; there is none yet that is known to be without it, and of those
	 * before 10.0 nothing is known. virtio-gpu without -gl resets in the main thread.
	 */
	return version->major >= 10;
}

/* How a run went wrong, for the end of a sentence. */
static void describe_end(const struct oriel_doctor_run *run, char *text, size_t size) {
	switch (run->end) {
	case ORIEL_DOCTOR_END_NOT_RUN:
		snprintf(text, size, "was not asked");
		return;
	case ORIEL_DOCTOR_END_NOT_STARTED:
		snprintf(text, size, "cannot be run: %s", strerror(run->status));
		return;
	case ORIEL_DOCTOR_END_TIMEOUT:
		snprintf(text, size, "does not end, and was killed");
		return;
	case ORIEL_DOCTOR_END_SIGNAL:
		snprintf(text, size, "was ended by signal %d", run->status);
		return;
	case ORIEL_DOCTOR_END_EXIT:
		break;
	}
	char line[200];
	oriel_doctor_run_get_last_line(run, line, sizeof(line));
	if (line[0] != '\0') {
		snprintf(text, size, "says: %s", line);
	} else {
		snprintf(text, size, "says nothing, with exit status %d", run->status);
	}
}

static bool run_is_right(const struct oriel_doctor_run *run) {
	return run->end == ORIEL_DOCTOR_END_EXIT && run->status == 0;
}

static void judge_oriel(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	if (facts->has_driver) {
		oriel_doctor_report_add(
				report, ORIEL_DOCTOR_OK, "oriel", "built with the qemu driver");
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, "oriel",
				"built without the qemu driver: it shows no machine of QEMU's");
		oriel_doctor_report_advise(report,
				"build it with -Dqemu=enabled, with libsystemd (or libelogind or "
				"basu) and json-c");
	}
}

static void judge_runtime_dir(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "runtime folder";
	if (facts->runtime_dir == NULL || facts->runtime_dir[0] == '\0') {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"XDG_RUNTIME_DIR is not set: oriel does not start");
	} else if (facts->runtime_dir_error != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"XDG_RUNTIME_DIR, %s: %s: oriel does not start", facts->runtime_dir,
				strerror(facts->runtime_dir_error));
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "%s", facts->runtime_dir);
		return;
	}
	oriel_doctor_report_advise(report,
			"log in to a session that has one (logind or elogind and their PAM module make it), "
			"or set it to a folder of your own with mode 0700");
}

/* Returns whether there is more to ask of it; *ret_version is written then. */
static bool judge_program(const struct oriel_doctor_qemu_facts *facts,
		struct oriel_doctor_report *report, struct oriel_doctor_version *ret_version) {
	static const char subject[] = "QEMU";
	if (!facts->is_found) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject, "there is no %s",
				facts->program);
		oriel_doctor_report_advise(report,
				"install QEMU's system emulator, a package named like qemu-system-x86, "
				"qemu-kvm or qemu-full, or name it by --qemu PATH");
		return false;
	}
	struct oriel_doctor_version version;
	if (!run_is_right(facts->version_run) ||
			!oriel_doctor_qemu_parse_version(facts->version_run->out, &version)) {
		char how[256];
		describe_end(facts->version_run, how, sizeof(how));
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"%s is not known to be one: asked for its version it %s",
				facts->program, how);
		oriel_doctor_report_advise(report, "name another by --qemu PATH");
		return false;
	}
	if (version.major < QEMU_OLDEST_MAJOR) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"%d.%d.%d, %s, is too old: it has no D-Bus display", version.major,
				version.minor, version.micro, facts->program);
		oriel_doctor_report_advise(report, "use QEMU %d.0 or newer, best %d.%d or newer",
				QEMU_OLDEST_MAJOR, QEMU_MAP_MAJOR, QEMU_MAP_MINOR);
		return false;
	}
	bool is_slow = version.major < QEMU_MAP_MAJOR ||
			(version.major == QEMU_MAP_MAJOR && version.minor < QEMU_MAP_MINOR);
	oriel_doctor_report_add(report, is_slow ? ORIEL_DOCTOR_WARNING : ORIEL_DOCTOR_OK, subject,
			"%d.%d.%d, %s%s", version.major, version.minor, version.micro, facts->program,
			is_slow ? ": with gl=off it copies each picture into a message" : "");
	if (is_slow) {
		oriel_doctor_report_advise(report,
				"QEMU %d.%d and newer share the memory instead; or use gl=on",
				QEMU_MAP_MAJOR, QEMU_MAP_MINOR);
	}
	*ret_version = version;
	return true;
}

static bool judge_display(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "D-Bus display";
	if (!run_is_right(facts->displays_run)) {
		char how[256];
		describe_end(facts->displays_run, how, sizeof(how));
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"not known: QEMU's -display help %s", how);
		oriel_doctor_report_advise(report, MODULES_ADVICE, "ui-dbus", "dbus");
		return false;
	}
	if (!oriel_doctor_qemu_has_display(facts->displays_run->out, "dbus")) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"this QEMU has no -display dbus, by which oriel takes its pictures");
		oriel_doctor_report_advise(report, MODULES_ADVICE, "ui-dbus", "dbus");
		return false;
	}
	oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "QEMU has -display dbus");
	return true;
}

/* The first that can be opened, NULL if there is none. */
static const struct oriel_doctor_file *find_render_node(const struct oriel_doctor_qemu_facts *facts) {
	for (size_t i = 0; i < facts->render_node_count; i++) {
		if (facts->render_nodes[i].error == 0) {
			return &facts->render_nodes[i];
		}
	}
	return NULL;
}

/* Returns whether QEMU starts with it. */
static bool judge_gl(const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "gl=on";
	if (run_is_right(facts->gl_run)) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject,
				"QEMU starts with -display dbus,p2p=yes,gl=on: pictures as dma-bufs");
		return true;
	}
	char how[256];
	describe_end(facts->gl_run, how, sizeof(how));
	oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
			"with -display dbus,p2p=yes,gl=on QEMU %s", how);
	if (find_render_node(facts) == NULL) {
		oriel_doctor_report_advise(report,
				"it needs a render node, see below; without gl=on pictures are copied, "
				"and guests have no 3D");
	} else {
		oriel_doctor_report_advise(report,
				"install QEMU's OpenGL modules (packages named like qemu-ui-opengl or "
				"qemu-system-modules-opengl) and Mesa; without gl=on pictures are "
				"copied, and guests have no 3D");
	}
	return false;
}

static void judge_gpu(const struct oriel_doctor_qemu_facts *facts,
		const struct oriel_doctor_version *version, struct oriel_doctor_report *report) {
	static const char subject[] = "virtio-gpu-gl";
	/* It ends with status 0 even if there is none. */
	static const char options[] = "virtio-gpu-gl-pci options";
	if (!run_is_right(facts->gpu_run) ||
			strncmp(facts->gpu_run->out, options, strlen(options)) != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, subject,
				"this QEMU has no such device: guests have no 3D");
		oriel_doctor_report_advise(report, "for 3D, " MODULES_ADVICE,
				"hw-display-virtio-gpu-gl", "opengl");
	} else if (oriel_doctor_qemu_aborts_at_reset(version)) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"a guest that resets this device, as UEFI does before it starts a "
				"system, ends this QEMU (assertion \"tex_id\")");
		oriel_doctor_report_advise(report,
				"where 3D is not needed, use virtio-gpu-pci or virtio-vga, without -gl");
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject,
				"QEMU has it: 3D for guests, with gl=on");
	}
}

/* QEMU does not start with what it is told of KVM where there is none. */
#define KVM_ADVICE "; without it use -accel tcg instead of -accel kvm -cpu host"

static void judge_kvm(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	const struct oriel_doctor_file *kvm = &facts->kvm;
	if (kvm->error == 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, "KVM", "%s", kvm->path);
		return;
	}
	oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, "KVM",
			"%s: %s: the guest's processor is emulated, many times slower", kvm->path,
			strerror(kvm->error));
	if (kvm->error == EACCES || kvm->error == EPERM) {
		oriel_doctor_report_advise(report,
				"become a member of the group kvm, and log in again" KVM_ADVICE);
	} else {
		oriel_doctor_report_advise(report,
				"load kvm_intel or kvm_amd; virtualization may be off in the firmware, or "
				"not be passed on to the machine that this is" KVM_ADVICE);
	}
}

/* Of several render nodes, those that cannot be opened, for the end of a sentence. */
static void describe_failed_render_nodes(
		const struct oriel_doctor_qemu_facts *facts, char *text, size_t size) {
	size_t length = 0;
	text[0] = '\0';
	for (size_t i = 0; i < facts->render_node_count && length < size; i++) {
		const struct oriel_doctor_file *node = &facts->render_nodes[i];
		if (node->error != 0) {
			int count = snprintf(&text[length], size - length, "%s%s: %s",
					length > 0 ? ", " : "; not to be opened: ", node->path,
					strerror(node->error));
			length += (size_t)count;
		}
	}
}

/* The one that oriel is told to draw with, NULL if there is none, or it is known to fail. */
static const char *get_render_device(const struct oriel_doctor_qemu_facts *facts) {
	const char *path = facts->render_device;
	for (size_t i = 0; path != NULL && i < facts->render_node_count; i++) {
		const struct oriel_doctor_file *node = &facts->render_nodes[i];
		if (node->error != 0 && strcmp(node->path, path) == 0) {
			return NULL;
		}
	}
	return path != NULL && path[0] != '\0' ? path : NULL;
}

static void judge_several_render_nodes(const struct oriel_doctor_qemu_facts *facts,
		const struct oriel_doctor_file *usable, struct oriel_doctor_report *report) {
	static const char subject[] = "render node";
	const char *device = get_render_device(facts);
	char failed[200];
	describe_failed_render_nodes(facts, failed, sizeof(failed));
	if (device != NULL) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, subject,
				"there are %zu, and oriel draws with %s (WLR_RENDER_DRM_DEVICE)%s",
				facts->render_node_count, device, failed);
		oriel_doctor_report_advise(report,
				"with gl=on give QEMU the same: -display dbus,p2p=yes,gl=on,rendernode=%s",
				device);
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, subject,
				"there are %zu, and QEMU and oriel may take different ones, which cannot "
				"always share pictures%s",
				facts->render_node_count, failed);
		oriel_doctor_report_advise(report,
				"with gl=on set WLR_RENDER_DRM_DEVICE=%s for oriel, and give QEMU "
				"rendernode=%s behind gl=on%s",
				usable->path, usable->path,
				failed[0] == '\0' ? ", or another for both" : "");
	}
}

static void judge_render_nodes(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "render node";
	const struct oriel_doctor_file *usable = find_render_node(facts);
	if (facts->render_node_count == 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"there is no /dev/dri/renderD*: gl=on cannot be had");
		oriel_doctor_report_advise(report,
				"load the graphics card's driver; a machine without one can load vgem, "
				"and Mesa draws with the CPU");
	} else if (usable == NULL) {
		const struct oriel_doctor_file *failed = &facts->render_nodes[0];
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s: %s: gl=on cannot be had", failed->path, strerror(failed->error));
		oriel_doctor_report_advise(report,
				"become a member of the group render (or video), and log in again");
	} else if (facts->render_node_count == 1) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "%s", usable->path);
	} else {
		judge_several_render_nodes(facts, usable, report);
	}
}

static void judge_udmabuf(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "udmabuf";
	const struct oriel_doctor_file *file = &facts->udmabuf;
	int error = file->error != 0 ? file->error : facts->dmabuf_error;
	if (error != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s: %s: no virtio-gpu with blob=on, and no gl=on where the CPU draws",
				file->path, strerror(error));
		if (error == EACCES || error == EPERM) {
			oriel_doctor_report_advise(report,
					"become a member of the group that it belongs to (kvm, in most "
					"distributions), and log in again");
		} else {
			oriel_doctor_report_advise(report,
					"load udmabuf (modprobe udmabuf); in the kernel it is CONFIG_UDMABUF");
		}
	} else if (facts->udmabuf_size_limit_mib >= 0 &&
			facts->udmabuf_size_limit_mib < PICTURE_4K_MIB) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s, for %lld MiB at most: a picture of 3840x2160 needs %d, and is copied",
				file->path, (long long)facts->udmabuf_size_limit_mib, PICTURE_4K_MIB);
		oriel_doctor_report_advise(report,
				"set the module's parameter: udmabuf.size_limit_mb=%d",
				2 * PICTURE_4K_MIB);
	} else if (facts->udmabuf_list_limit >= 0 && facts->udmabuf_list_limit < UDMABUF_LIST_LIMIT) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s, of %lld pieces of memory at most: pictures in more are copied",
				file->path, (long long)facts->udmabuf_list_limit);
		oriel_doctor_report_advise(report,
				"set the module's parameter: udmabuf.list_limit=%d",
				UDMABUF_LIST_LIMIT);
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "%s", file->path);
	}
}

static void judge_fences(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	static const char subject[] = "fences";
	const uint32_t wanted = SB_CAP_DMABUF_EXPORT_SYNC_FILE | SB_CAP_DMABUF_IMPORT_SYNC_FILE;
	if (facts->udmabuf.error != 0 || facts->dmabuf_error != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, subject,
				"not tried, without a dma-buf of udmabuf's");
		oriel_doctor_report_advise(report, "sb-info tries other ways");
	} else if (facts->caps_error != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject, "not known: %s",
				strerror(facts->caps_error));
	} else if ((facts->dmabuf_caps & wanted) != wanted) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"this kernel does not give out the fences of dma-bufs: oriel waits for "
				"more than a picture depends on");
		oriel_doctor_report_advise(report, "use Linux 6.0 or newer, with CONFIG_SYNC_FILE");
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject,
				"the kernel gives out the fences of dma-bufs, and takes them");
	}
}

static void note_blob(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	if (facts->udmabuf.error != 0 || facts->dmabuf_error != 0) {
		return;
	}
	oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, "blob=on",
			"pictures without a copy, with virtio-gpu-pci,blob=on or virtio-vga,blob=on and "
			"gl=on, need the guest's memory to be shared");
	oriel_doctor_report_advise(report,
			"-m 4G -object memory-backend-memfd,id=ram,size=4G,share=on "
			"-machine memory-backend=ram");
}

void oriel_doctor_qemu_judge(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report) {
	struct oriel_doctor_version version;
	judge_oriel(facts, report);
	judge_runtime_dir(facts, report);
	bool has_gl = false;
	if (judge_program(facts, report, &version) && judge_display(facts, report)) {
		has_gl = judge_gl(facts, report);
	}
	if (has_gl) {
		judge_gpu(facts, &version, report);
	}
	judge_render_nodes(facts, report);
	judge_udmabuf(facts, report);
	judge_fences(facts, report);
	if (has_gl) {
		note_blob(facts, report);
	}
	judge_kvm(facts, report);
}
