#ifndef TESTS_SUPPORT_FAKE_CLIPBOARD_H
#define TESTS_SUPPORT_FAKE_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/guest_clipboard.h"

/*
 * A guest's clipboard that notes in words what comes, separated by ", ":
 *
 *	offer 1|0	fetch		answer LENGTH TEXT	answer none
 *
 * Of a long text the first 16 bytes are noted.
 */
struct fake_clipboard {
	struct oriel_guest_clipboard base;
	bool is_away; /* nothing can be fetched */
	char text[4096];
	size_t length;
	char taken[4096];
	int *destroyed; /* counts; may be NULL */
};

/* The caller has the first reference. */
struct fake_clipboard *fake_clipboard_create(void);

/* What came since the last call. Valid until the next one. */
const char *fake_clipboard_take(struct fake_clipboard *clipboard);

/* The guest copies something. */
void fake_clipboard_copy(struct fake_clipboard *clipboard);
/* Gives what was fetched; NULL: nothing. */
void fake_clipboard_give(struct fake_clipboard *clipboard, const char *text);

#endif
