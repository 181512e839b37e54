#ifndef ORIEL_DOCTOR_MACHINE_H
#define ORIEL_DOCTOR_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "doctor/qemu.h"

struct oriel_doctor_report;

/* What a machine that runs lacks to be shown, as its QMP monitor says. */

#define ORIEL_DOCTOR_GPUS_MAX 8

/* A virtio-gpu of the machine. */
struct oriel_doctor_gpu {
	char type[64]; /* virtio-vga, virtio-gpu-pci, virtio-gpu-gl-pci, ... */
	bool has_blob;
};

struct oriel_doctor_machine_facts {
	const char *monitor; /* the path of its socket */
	int error; /* of connecting and of asking: 0 or errno; without the rest if not 0 */
	struct oriel_doctor_version version;
	char status[32]; /* "running", "paused", ... */
	char display[32]; /* "dbus", "gtk", ...; empty if QEMU does not tell */
	bool is_p2p;
	bool has_gl;
	bool has_kvm;
	bool has_shared_memory;
	bool has_absolute_pointer;
	struct oriel_doctor_gpu gpus[ORIEL_DOCTOR_GPUS_MAX];
	size_t gpu_count;
};

/* Adds what there is to say of it. */
void oriel_doctor_machine_judge(
		const struct oriel_doctor_machine_facts *facts, struct oriel_doctor_report *report);

/*
 * Asks, for timeout_ms at most. Every answer is taken for what anybody may have sent. In builds with
 * the qemu driver only, which has the JSON for it.
 */
void oriel_doctor_machine_probe(
		struct oriel_doctor_machine_facts *facts, const char *monitor, int timeout_ms);

#endif
