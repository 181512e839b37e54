#ifndef ORIEL_DOCTOR_QEMU_H
#define ORIEL_DOCTOR_QEMU_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doctor/run.h"

struct oriel_doctor_report;

/*
 * What a host lacks for oriel to show QEMU's machines. Finding out (qemu_probe.h) and judging, here,
 * are apart: what is judged are facts, so that every outcome can be had on any host.
 */

struct oriel_doctor_version {
	int major, minor, micro;
};

/* A file that is opened to read and to write, and what came of it: 0, or errno. */
struct oriel_doctor_file {
	char path[64];
	int error;
};

#define ORIEL_DOCTOR_RENDER_NODES_MAX 16

struct oriel_doctor_qemu_facts {
	bool has_driver; /* oriel is built with the qemu driver */
	const char *runtime_dir; /* $XDG_RUNTIME_DIR, may be NULL */
	int runtime_dir_error; /* errno of writing to it */

	/* The QEMU. Those below it are known if it was found, and each if the one before was right. */
	bool is_found;
	char program[PATH_MAX]; /* its path; if it was not found, what was looked for */
	const struct oriel_doctor_run *version_run; /* --version */
	const struct oriel_doctor_run *displays_run; /* -display help */
	const struct oriel_doctor_run *gl_run; /* a machine with gl=on, told to quit */
	const struct oriel_doctor_run *gpu_run; /* -device virtio-gpu-gl-pci,help */

	struct oriel_doctor_file kvm;
	struct oriel_doctor_file render_nodes[ORIEL_DOCTOR_RENDER_NODES_MAX];
	size_t render_node_count;
	const char *render_device; /* $WLR_RENDER_DRM_DEVICE, may be NULL */

	struct oriel_doctor_file udmabuf;
	int64_t udmabuf_size_limit_mib; /* of one dma-buf, -1: unknown */
	int64_t udmabuf_list_limit; /* pieces of memory in it, -1: unknown */
	int dmabuf_error; /* of making a dma-buf of it: 0, or errno */
	int caps_error; /* of asking what its fences can do: 0, or errno */
	uint32_t dmabuf_caps; /* enum sb_cap */
};

/* Adds a finding for each thing. */
void oriel_doctor_qemu_judge(
		const struct oriel_doctor_qemu_facts *facts, struct oriel_doctor_report *report);

/*
 * From what --version prints. Any program may have printed it: false where there is no version in
 * the first line, or one that no QEMU has.
 */
bool oriel_doctor_qemu_parse_version(const char *text, struct oriel_doctor_version *ret_version);

/* Whether a line of what -display help prints is that display. */
bool oriel_doctor_qemu_has_display(const char *text, const char *display);

/*
 * Whether this QEMU ends by a failed assertion when the guest resets a virtio-gpu-gl device that is
 * shown by D-Bus with gl=on.
 */
bool oriel_doctor_qemu_aborts_at_reset(const struct oriel_doctor_version *version);

#endif
