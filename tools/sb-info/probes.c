#include "info.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <syncbridge/trace.h>

#include "report.h"

/* As in sync/trace.h. */
static const struct {
	const char *name;
	const char *arguments;
} probes[] = {
	{ "export", "dmabuf_fd access sync_file_fd result" },
	{ "idle", "dmabuf_fd access result" },
	{ "import", "dmabuf_fd access sync_file_fd result" },
	{ "merge", "a_fd b_fd sync_file_fd result" },
	{ "point_export", "timeline point sync_file_fd result" },
	{ "point_import", "timeline point sync_file_fd result" },
	{ "point_signal", "timeline point result" },
	{ "point_transfer", "timeline point result" },
	{ "vk_create", "handle sync_file_fd result" },
	{ "vk_export", "handle sync_file_fd result" },
	{ "vk_import", "handle sync_file_fd result" },
	{ "wait_begin", "sync_file_fd dmabuf_fd timeline point" },
	{ "wait_end", "sync_file_fd dmabuf_fd timeline result" },
	{ "watch", "sync_file_fd dmabuf_fd timeline result" },
};

bool info_print_probes(void) {
	if (!SB_HAVE_SDT) {
		printf("libsyncbridge was built without probes.\n");
		return false;
	}
	Dl_info library = { 0 };
	dladdr((void *)(uintptr_t)sb_trace_set_hook, &library);
	char *path = realpath(library.dli_fname != NULL ? library.dli_fname : "", NULL);
	printf("Probes of the provider syncbridge in %s, with their arguments:\n\n",
			path != NULL ? path : "libsyncbridge");
	free(path);
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		report_line(probes[i].name, "%s", probes[i].arguments);
	}
	return true;
}
