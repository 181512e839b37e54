#include "kms.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

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
