#include "doctor/qemu_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syncbridge/caps.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fd.h"
#include "guest/source.h"

/* A folder that is not in PATH, and where some distributions have it. */
#define LIBEXEC_QEMU "/usr/libexec/qemu-kvm"

static bool is_program(const char *path) {
	struct stat info;
	return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* Looks for name in the folders of PATH. path has PATH_MAX bytes, and is written on success. */
static bool find_in_path(const char *name, char *path) {
	const char *folders = getenv("PATH");
	while (folders != NULL && folders[0] != '\0') {
		size_t length = strcspn(folders, ":");
		char candidate[PATH_MAX];
		int written = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length,
				folders, name);
		/* An empty one is the current folder, which nobody means. */
		if (length > 0 && written < (int)sizeof(candidate) && is_program(candidate)) {
			memcpy(path, candidate, sizeof(candidate));
			return true;
		}
		folders += length + (folders[length] == ':' ? 1 : 0);
	}
	return false;
}

/* What QEMU calls the machines that this is one of. */
static const char *get_target(const char *machine) {
	static const struct {
		const char *machine, *target;
	} targets[] = {
		{ "i486", "i386" },
		{ "i586", "i386" },
		{ "i686", "i386" },
		{ "armv7l", "arm" },
		{ "armv8l", "arm" },
		{ "ppc64le", "ppc64" },
	};
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (strcmp(machine, targets[i].machine) == 0) {
			return targets[i].target;
		}
	}
	return machine;
}

static void find_program(struct oriel_doctor_qemu_facts *facts, const char *program) {
	if (program != NULL) {
		facts->is_found = strchr(program, '/') != NULL
				? is_program(program)
				: find_in_path(program, facts->program);
		if (!facts->is_found || strchr(program, '/') != NULL) {
			snprintf(facts->program, sizeof(facts->program), "%s", program);
		}
		return;
	}
	struct utsname host;
	uname(&host);
	char name[sizeof(host.machine) + sizeof("qemu-system-")];
	snprintf(name, sizeof(name), "qemu-system-%s", get_target(host.machine));
	facts->is_found = find_in_path(name, facts->program) ||
			find_in_path("qemu-kvm", facts->program);
	if (!facts->is_found) {
		facts->is_found = is_program(LIBEXEC_QEMU);
		snprintf(facts->program, sizeof(facts->program), "%s",
				facts->is_found ? LIBEXEC_QEMU : name);
	}
}

static bool run_has_ended_well(const struct oriel_doctor_run *run) {
	return run->end == ORIEL_DOCTOR_END_EXIT && run->status == 0;
}

/* One that does not even say its version is not asked for more, which might take as long again. */
static void ask_program(struct oriel_doctor_qemu_probe *probe, int timeout_ms) {
	const char *program = probe->facts.program;
	oriel_doctor_run(&probe->version_run, (const char *[]){ program, "--version", NULL }, "",
			timeout_ms);
	if (!run_has_ended_well(&probe->version_run)) {
		return;
	}
	oriel_doctor_run(&probe->displays_run,
			(const char *[]){ program, "-display", "help", NULL }, "", timeout_ms);
	if (!run_has_ended_well(&probe->displays_run) ||
			!oriel_doctor_qemu_has_display(probe->displays_run.out, "dbus")) {
		return;
	}
	/* There is no better way to know what it takes than to let it try, with a machine of nothing. */
	oriel_doctor_run(&probe->gl_run,
			(const char *[]){ program, "-nodefaults", "-no-user-config", "-machine",
					"none", "-display", "dbus,p2p=yes,gl=on", "-qmp", "stdio",
					NULL },
			"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n", timeout_ms);
	oriel_doctor_run(&probe->gpu_run,
			(const char *[]){ program, "-device", "virtio-gpu-gl-pci,help", NULL }, "",
			timeout_ms);
}

static int try_file(struct oriel_doctor_file *file, const char *path) {
	snprintf(file->path, sizeof(file->path), "%s", path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	file->error = fd < 0 ? errno : 0;
	return fd;
}

static void probe_file(struct oriel_doctor_file *file, const char *path) {
	int fd = try_file(file, path);
	sb_fd_clear(&fd);
}

static void probe_render_nodes(struct oriel_doctor_qemu_facts *facts) {
	glob_t paths;
	if (glob("/dev/dri/renderD*", 0, NULL, &paths) != 0) {
		return;
	}
	for (size_t i = 0; i < paths.gl_pathc && i < ORIEL_DOCTOR_RENDER_NODES_MAX; i++) {
		probe_file(&facts->render_nodes[i], paths.gl_pathv[i]);
		facts->render_node_count++;
	}
	globfree(&paths);
}

static int64_t read_number(const char *path) {
	long long number = -1;
	FILE *file = fopen(path, "re");
	if (file != NULL) {
		if (fscanf(file, "%lld", &number) != 1) {
			number = -1;
		}
		fclose(file);
	}
	return number;
}

/* Returns its fd, or -1 with errno. */
static int make_dmabuf(int udmabuf_fd) {
	long size = sysconf(_SC_PAGESIZE);
	int dmabuf_fd = -1;
	int memfd = memfd_create("oriel-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd >= 0 && ftruncate(memfd, size) == 0 &&
			fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
		struct udmabuf_create request = {
			.memfd = (uint32_t)memfd,
			.flags = UDMABUF_FLAGS_CLOEXEC,
			.size = (uint64_t)size,
		};
		dmabuf_fd = ioctl(udmabuf_fd, UDMABUF_CREATE, &request);
	}
	sb_fd_clear(&memfd);
	return dmabuf_fd;
}

static void probe_udmabuf(struct oriel_doctor_qemu_facts *facts) {
	static const char limits[] = "/sys/module/udmabuf/parameters";
	char path[64];
	snprintf(path, sizeof(path), "%s/size_limit_mb", limits);
	facts->udmabuf_size_limit_mib = read_number(path);
	snprintf(path, sizeof(path), "%s/list_limit", limits);
	facts->udmabuf_list_limit = read_number(path);

	int udmabuf_fd = try_file(&facts->udmabuf, "/dev/udmabuf");
	if (udmabuf_fd < 0) {
		return;
	}
	int dmabuf_fd = make_dmabuf(udmabuf_fd);
	facts->dmabuf_error = dmabuf_fd < 0 ? errno : 0;
	if (dmabuf_fd >= 0) {
		facts->caps_error = -sb_caps_probe_dmabuf(dmabuf_fd, &facts->dmabuf_caps);
	}
	sb_fd_clear(&dmabuf_fd);
	sb_fd_clear(&udmabuf_fd);
}

static void probe_runtime_dir(struct oriel_doctor_qemu_facts *facts) {
	facts->runtime_dir = getenv("XDG_RUNTIME_DIR");
	if (facts->runtime_dir != NULL) {
		int fd = open(facts->runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		bool is_right = fd >= 0 && faccessat(fd, ".", W_OK | X_OK, 0) == 0;
		facts->runtime_dir_error = is_right ? 0 : errno;
		sb_fd_clear(&fd);
	}
}

void oriel_doctor_qemu_probe(
		struct oriel_doctor_qemu_probe *probe, const char *program, int timeout_ms) {
	memset(probe, 0, sizeof(*probe));
	struct oriel_doctor_qemu_facts *facts = &probe->facts;
	facts->version_run = &probe->version_run;
	facts->displays_run = &probe->displays_run;
	facts->gl_run = &probe->gl_run;
	facts->gpu_run = &probe->gpu_run;
	facts->has_driver = oriel_source_driver_exists("qemu");
	facts->render_device = getenv("WLR_RENDER_DRM_DEVICE");
	probe_runtime_dir(facts);
	find_program(facts, program);
	if (facts->is_found) {
		ask_program(probe, timeout_ms);
	}
	probe_render_nodes(facts);
	probe_udmabuf(facts);
	probe_file(&facts->kvm, "/dev/kvm");
}
