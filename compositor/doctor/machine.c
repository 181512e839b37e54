#include "doctor/machine.h"

#include <errno.h>
#include <string.h>

#include "doctor/report.h"

static void judge_monitor(const struct oriel_doctor_machine_facts *facts,
		struct oriel_doctor_report *report) {
	static const char subject[] = "monitor";
	if (facts->error == 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "%s: QEMU %d.%d.%d, %s",
				facts->monitor, facts->version.major, facts->version.minor,
				facts->version.micro, facts->status);
		return;
	}
	oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject, "%s: %s", facts->monitor,
			facts->error == ETIMEDOUT ? "no answer in time" : strerror(facts->error));
	switch (facts->error) {
	case ENOENT:
	case ECONNREFUSED:
		oriel_doctor_report_advise(report,
				"start the machine with -qmp unix:%s,server=on,wait=off",
				facts->monitor);
		break;
	case ETIMEDOUT:
		oriel_doctor_report_advise(report,
				"a monitor has one user at a time, and that may be oriel: give QEMU a "
				"second -qmp with another path to look at the machine meanwhile");
		break;
	case EPROTO:
		oriel_doctor_report_advise(
				report, "it has to be a monitor of QMP's (-qmp), not a -monitor");
		break;
	case EACCES:
		oriel_doctor_report_advise(report,
				"run the machine as the same user as oriel, or give that user the socket");
		break;
	default:
		break;
	}
}

static void judge_display(const struct oriel_doctor_machine_facts *facts,
		struct oriel_doctor_report *report) {
	static const char subject[] = "its display";
	if (strcmp(facts->display, "dbus") != 0) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"the machine was started with -display %s: oriel cannot show it",
				facts->display[0] != '\0' ? facts->display : "(unknown)");
	} else if (!facts->is_p2p) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_MISSING, subject,
				"the machine's D-Bus display is on a bus, where oriel does not look");
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "-display dbus,p2p=yes%s",
				facts->has_gl ? ",gl=on" : "");
		return;
	}
	oriel_doctor_report_advise(report,
			"start it with -display dbus,p2p=yes, or by oriel-qemu, which adds that");
}

static void judge_gpu(const struct oriel_doctor_machine_facts *facts,
		const struct oriel_doctor_gpu *gpu, struct oriel_doctor_report *report) {
	static const char subject[] = "its graphics";
	bool is_virgl = strstr(gpu->type, "-gl") != NULL;
	if (is_virgl && oriel_doctor_qemu_aborts_at_reset(&facts->version)) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s: a guest that resets it ends this QEMU", gpu->type);
		oriel_doctor_report_advise(report,
				"where 3D is not needed, use virtio-gpu-pci or virtio-vga, without -gl");
	} else if (gpu->has_blob && !facts->has_gl) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s with blob=on, without gl=on: each picture is copied twice",
				gpu->type);
		oriel_doctor_report_advise(report, "use both or neither");
	} else if (gpu->has_blob && !facts->has_shared_memory) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, subject,
				"%s with blob=on, and memory that is not shared: pictures are copied, or "
				"are not to be had",
				gpu->type);
		oriel_doctor_report_advise(report,
				"-object memory-backend-memfd,id=ram,size=4G,share=on "
				"-machine memory-backend=ram, of the size that -m has");
	} else {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_OK, subject, "%s%s", gpu->type,
				gpu->has_blob ? ",blob=on" : "");
	}
}

static void judge_rest(const struct oriel_doctor_machine_facts *facts,
		struct oriel_doctor_report *report) {
	if (!facts->has_absolute_pointer) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_NOTE, "its pointer",
				"it moves by steps: the pointer has to be locked to the guest");
		oriel_doctor_report_advise(report,
				"a -device virtio-tablet-pci, or usb-tablet with -usb, follows oriel's");
	}
	if (!facts->has_kvm) {
		oriel_doctor_report_add(report, ORIEL_DOCTOR_WARNING, "its processor",
				"emulated, many times slower than with KVM");
		oriel_doctor_report_advise(report, "start it with -accel kvm -cpu host");
	}
}

void oriel_doctor_machine_judge(const struct oriel_doctor_machine_facts *facts,
		struct oriel_doctor_report *report) {
	judge_monitor(facts, report);
	if (facts->error != 0) {
		return;
	}
	judge_display(facts, report);
	for (size_t i = 0; i < facts->gpu_count; i++) {
		judge_gpu(facts, &facts->gpus[i], report);
	}
	judge_rest(facts, report);
}
