#ifndef ORIEL_DOCTOR_QEMU_PROBE_H
#define ORIEL_DOCTOR_QEMU_PROBE_H

#include "doctor/qemu.h"
#include "doctor/run.h"

/* The facts of this host, and what they point to. */
struct oriel_doctor_qemu_probe {
	struct oriel_doctor_qemu_facts facts;
	struct oriel_doctor_run version_run, displays_run, gl_run, gpu_run;
};

/*
 * Finds out. program is the QEMU to ask, by its path or its name in PATH; NULL looks for the one of
 * this machine's own kind. It is run a few times, for timeout_ms at most each. Devices are opened and
 * closed again, and nothing is changed.
 */
void oriel_doctor_qemu_probe(
		struct oriel_doctor_qemu_probe *probe, const char *program, int timeout_ms);

#endif
