#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "info.h"
#include "report.h"

#define SW_SYNC_PATH "/sys/kernel/debug/sync/sw_sync"

/* The exit status; see sb-info(1). */
enum {
	STATUS_YES = 0,
	STATUS_NO = 1,
	STATUS_ERROR = 2,
};

static const char usage[] = "usage: sb-info [--probes]\n"
			    "Prints what libsyncbridge can do on this machine, and why not.\n"
			    "\n"
			    "  --probes   list the library's USDT probes instead\n"
			    "  --version  print the version\n"
			    "  -h, --help print this\n";

static void print_sw_sync(void) {
	report_heading("sw_sync, fences for tests");
	if (access(SW_SYNC_PATH, R_OK | W_OK) == 0) {
		report_answer("usable", true, NULL);
	} else {
		/* The kernel's part is CONFIG_SW_SYNC; debugfs has to be mounted, and is root's. */
		report_line("usable", "no: " SW_SYNC_PATH ": %s", strerror(errno));
	}
}

static bool print_report(void) {
	struct utsname kernel;
	uname(&kernel);
	printf("sb-info " SB_INFO_VERSION " on %s %s %s\n", kernel.sysname, kernel.release,
			kernel.machine);
	bool converts = info_print_dmabufs();
	info_print_drm_nodes();
	info_print_vulkan_devices();
	print_sw_sync();
	return converts;
}

int main(int argc, char *argv[]) {
	if (argc > 2) {
		fprintf(stderr, "sb-info: one option at most; see sb-info --help\n");
		return STATUS_ERROR;
	}
	const char *option = argc == 2 ? argv[1] : NULL;
	bool yes = true;
	if (option == NULL) {
		yes = print_report();
	} else if (strcmp(option, "--probes") == 0) {
		yes = info_print_probes();
	} else if (strcmp(option, "--version") == 0) {
		printf("sb-info " SB_INFO_VERSION "\n");
	} else if (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0) {
		fputs(usage, stdout);
	} else {
		fprintf(stderr, "sb-info: no option '%s'; see sb-info --help\n", option);
		return STATUS_ERROR;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("sb-info: standard output");
		return STATUS_ERROR;
	}
	return yes ? STATUS_YES : STATUS_NO;
}
