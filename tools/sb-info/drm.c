#include "info.h"

#include <dirent.h>
#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <syncbridge/caps.h>

#include "report.h"

#define NODES_DIR "/dev/dri"

static int node_is_named(const struct dirent *entry) {
	return strncmp(entry->d_name, "card", strlen("card")) == 0 ||
			strncmp(entry->d_name, "renderD", strlen("renderD")) == 0;
}

static const char *node_get_kind(const char *name) {
	return name[0] == 'r' ? "render node" : "primary node";
}

/* "" where the kernel does not say. */
static void node_get_driver(int drm_fd, char *ret_name, size_t size) {
	char name[64] = "";
	struct drm_version version = {
		.name_len = sizeof(name) - 1,
		.name = name,
	};
	if (ioctl(drm_fd, DRM_IOCTL_VERSION, &version) != 0) {
		name[0] = '\0';
	}
	snprintf(ret_name, size, "%s", name);
}

/* The library says that there are no timelines; the kernel says a little more. */
static const char *node_explain_no_timelines(int drm_fd) {
	struct drm_get_cap timelines = { .capability = DRM_CAP_SYNCOBJ_TIMELINE };
	if (ioctl(drm_fd, DRM_IOCTL_GET_CAP, &timelines) != 0) {
		return "the kernel is older than 5.2";
	}
	struct drm_get_cap syncobjs = { .capability = DRM_CAP_SYNCOBJ };
	if (ioctl(drm_fd, DRM_IOCTL_GET_CAP, &syncobjs) == 0 && syncobjs.value != 0) {
		return "the driver has syncobjs, but no DRM_CAP_SYNCOBJ_TIMELINE";
	}
	return "the driver has no syncobjs (DRM_CAP_SYNCOBJ)";
}

static void node_print_caps(int drm_fd) {
	uint32_t caps;
	int ret = sb_caps_probe_drm(drm_fd, &caps);
	if (ret < 0) {
		report_line("timelines", "unknown: %s", strerror(-ret));
		return;
	}
	if ((caps & SB_CAP_TIMELINE) == 0) {
		report_answer("timelines", false, node_explain_no_timelines(drm_fd));
		return;
	}
	report_answer("timelines", true, NULL);
	report_answer("points as eventfds", (caps & SB_CAP_TIMELINE_EVENT_FD) != 0,
			"the kernel is older than 6.6");
}

static void node_print(const char *name) {
	char path[sizeof(NODES_DIR) + sizeof(((struct dirent *)NULL)->d_name)];
	snprintf(path, sizeof(path), NODES_DIR "/%s", name);
	int drm_fd = open(path, O_RDWR | O_CLOEXEC);
	if (drm_fd < 0) {
		int error = errno;
		report_heading("%s (%s)", path, node_get_kind(name));
		report_line("timelines", "unknown: %s", strerror(error));
		return;
	}
	char driver[64];
	node_get_driver(drm_fd, driver, sizeof(driver));
	report_heading("%s (%s, %s)", path, node_get_kind(name), driver);
	node_print_caps(drm_fd);
	close(drm_fd);
}

void info_print_drm_nodes(void) {
	struct dirent **entries;
	int count = scandir(NODES_DIR, &entries, node_is_named, versionsort);
	if (count < 0) {
		report_heading("DRM");
		report_line("devices", "none: " NODES_DIR ": %s", strerror(errno));
		return;
	}
	if (count == 0) {
		report_heading("DRM");
		report_line("devices", "none: " NODES_DIR " is empty");
	}
	for (int i = 0; i < count; i++) {
		node_print(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}
