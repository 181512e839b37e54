#include "kms.h"

#include <dirent.h>
#include <drm_fourcc.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

/* After the headers that it needs. */
#include <cmocka.h>

#define CARDS_MAX 16

static bool card_has_driver(const char *path, const char *driver) {
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	drmVersion *version = drmGetVersion(fd);
	bool matches = version != NULL && strcmp(version->name, driver) == 0;
	drmFreeVersion(version);
	close(fd);
	return matches;
}

void kms_find_card(const char *driver, char path[KMS_NAME_SIZE]) {
	for (int i = 0; i < CARDS_MAX; i++) {
		snprintf(path, KMS_NAME_SIZE, "/dev/dri/card%d", i);
		if (card_has_driver(path, driver)) {
			return;
		}
	}
	fail_msg("no card of %s", driver);
}

void kms_find_connector(const char *card_path, char name[KMS_NAME_SIZE]) {
	/* Connectors are cardN-NAME beside cardN. */
	char prefix[KMS_NAME_SIZE];
	const char *card = strrchr(card_path, '/');
	assert_non_null(card);
	snprintf(prefix, sizeof(prefix), "%s-", card + 1);
	struct dirent **entries;
	int count = scandir("/sys/class/drm", &entries, NULL, alphasort);
	assert_true(count >= 0);
	bool found = false;
	for (int i = 0; i < count; i++) {
		const char *entry = entries[i]->d_name;
		/* A card without a monitor on it has a writeback connector at least. */
		if (!found && strncmp(entry, prefix, strlen(prefix)) == 0 &&
				strstr(entry, "Writeback") == NULL) {
			snprintf(name, KMS_NAME_SIZE, "%.*s", KMS_NAME_SIZE - 1,
					entry + strlen(prefix));
			found = true;
		}
		free(entries[i]);
	}
	free(entries);
	if (!found) {
		fail_msg("%s has no connector", card_path);
	}
}

void kms_get_output_name(char name[KMS_NAME_SIZE]) {
	const char *backends = getenv("WLR_BACKENDS");
	if (backends == NULL || strcmp(backends, "drm") != 0) {
		snprintf(name, KMS_NAME_SIZE, "OUTPUT-1");
		return;
	}
	const char *card_path = getenv("WLR_DRM_DEVICES");
	assert_non_null(card_path);
	kms_find_connector(card_path, name);
}

/* A property of a plane by its name; fails the test if there is none. */
static uint64_t plane_get(int fd, uint32_t plane_id, const char *name) {
	drmModeObjectProperties *properties =
			drmModeObjectGetProperties(fd, plane_id, DRM_MODE_OBJECT_PLANE);
	assert_non_null(properties);
	bool found = false;
	uint64_t value = 0;
	for (uint32_t i = 0; i < properties->count_props && !found; i++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, properties->props[i]);
		assert_non_null(property);
		if (strcmp(property->name, name) == 0) {
			found = true;
			value = properties->prop_values[i];
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(properties);
	if (!found) {
		fail_msg("plane %u has no %s", plane_id, name);
	}
	return value;
}

/* Framebuffers of dumb buffers only, which are those that a CPU renders to. */
static void read_framebuffer(int fd, uint32_t fb_id, struct kms_cursor *cursor) {
	drmModeFB2 *fb = drmModeGetFB2(fd, fb_id);
	assert_non_null(fb);
	assert_int_equal(fb->pixel_format, DRM_FORMAT_ARGB8888);
	assert_int_equal(fb->width, cursor->width);
	assert_int_equal(fb->height, cursor->height);
	/* Needs CAP_SYS_ADMIN, or to be master. */
	assert_int_not_equal(fb->handles[0], 0);
	uint64_t offset;
	assert_int_equal(drmModeMapDumbBuffer(fd, fb->handles[0], &offset), 0);
	size_t size_bytes = fb->offsets[0] + (size_t)fb->pitches[0] * fb->height;
	uint8_t *map = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);
	assert_true(map != MAP_FAILED);
	size_t row_bytes = (size_t)fb->width * 4;
	cursor->pixels = malloc(row_bytes * fb->height);
	assert_non_null(cursor->pixels);
	for (uint32_t y = 0; y < fb->height; y++) {
		memcpy(cursor->pixels + (size_t)y * fb->width,
				map + fb->offsets[0] + (size_t)y * fb->pitches[0], row_bytes);
	}
	munmap(map, size_bytes);
	drmCloseBufferHandle(fd, fb->handles[0]);
	drmModeFreeFB2(fb);
}

bool kms_read_cursor(const char *card_path, struct kms_cursor *ret_cursor) {
	int fd = open(card_path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(drmSetClientCap(fd, DRM_CLIENT_CAP_ATOMIC, 1), 0);
	/* Without it a virtual card keeps its cursor planes to itself. Real ones do not know it. */
	drmSetClientCap(fd, DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT, 1);
	drmModePlaneRes *planes = drmModeGetPlaneResources(fd);
	assert_non_null(planes);
	uint32_t found = 0;
	for (uint32_t i = 0; i < planes->count_planes; i++) {
		if (plane_get(fd, planes->planes[i], "type") == DRM_PLANE_TYPE_CURSOR &&
				plane_get(fd, planes->planes[i], "FB_ID") != 0) {
			assert_int_equal(found, 0);
			found = planes->planes[i];
		}
	}
	drmModeFreePlaneResources(planes);
	if (found != 0) {
		*ret_cursor = (struct kms_cursor){
			.x = (int)(int64_t)plane_get(fd, found, "CRTC_X"),
			.y = (int)(int64_t)plane_get(fd, found, "CRTC_Y"),
			.width = (int)plane_get(fd, found, "CRTC_W"),
			.height = (int)plane_get(fd, found, "CRTC_H"),
		};
		read_framebuffer(fd, (uint32_t)plane_get(fd, found, "FB_ID"), ret_cursor);
	}
	close(fd);
	return found != 0;
}
