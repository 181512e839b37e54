#include "fake_clipboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-util.h>

/* After the headers that it needs. */
#include <cmocka.h>

static struct fake_clipboard *clipboard_from_base(struct oriel_guest_clipboard *base) {
	struct fake_clipboard *clipboard = wl_container_of(base, clipboard, base);
	return clipboard;
}

static void clipboard_note(struct oriel_guest_clipboard *base, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
static void clipboard_note(struct oriel_guest_clipboard *base, const char *format, ...) {
	struct fake_clipboard *clipboard = clipboard_from_base(base);
	char *end = clipboard->text + clipboard->length;
	size_t room = sizeof(clipboard->text) - clipboard->length;
	int separator = snprintf(end, room, "%s", clipboard->length > 0 ? ", " : "");
	va_list args;
	va_start(args, format);
	clipboard->length += (size_t)separator;
	clipboard->length +=
			(size_t)vsnprintf(end + separator, room - (size_t)separator, format, args);
	va_end(args);
	assert_true(clipboard->length < sizeof(clipboard->text) - 4);
}

static void clipboard_handle_offer(struct oriel_guest_clipboard *base, bool has_text) {
	clipboard_note(base, "offer %d", has_text);
}

static bool clipboard_handle_fetch(struct oriel_guest_clipboard *base) {
	clipboard_note(base, "fetch");
	return !clipboard_from_base(base)->is_away;
}

static void clipboard_handle_answer(
		struct oriel_guest_clipboard *base, const struct oriel_guest_text *text) {
	if (text->data == NULL) {
		clipboard_note(base, "answer none");
	} else {
		clipboard_note(base, "answer %zu %.*s", text->size,
				(int)(text->size < 16 ? text->size : 16), text->data);
	}
}

static void clipboard_handle_destroy(struct oriel_guest_clipboard *base) {
	struct fake_clipboard *clipboard = clipboard_from_base(base);
	if (clipboard->destroyed != NULL) {
		(*clipboard->destroyed)++;
	}
	free(clipboard);
}

static const struct oriel_guest_clipboard_ops clipboard_ops = {
	.offer = clipboard_handle_offer,
	.fetch = clipboard_handle_fetch,
	.answer = clipboard_handle_answer,
	.destroy = clipboard_handle_destroy,
};

struct fake_clipboard *fake_clipboard_create(void) {
	struct fake_clipboard *clipboard = calloc(1, sizeof(*clipboard));
	assert_non_null(clipboard);
	oriel_guest_clipboard_init(&clipboard->base, &clipboard_ops);
	return clipboard;
}

const char *fake_clipboard_take(struct fake_clipboard *clipboard) {
	memcpy(clipboard->taken, clipboard->text, sizeof(clipboard->taken));
	clipboard->text[0] = '\0';
	clipboard->length = 0;
	return clipboard->taken;
}

void fake_clipboard_copy(struct fake_clipboard *clipboard) {
	oriel_guest_clipboard_change(&clipboard->base, true);
}

void fake_clipboard_give(struct fake_clipboard *clipboard, const char *text) {
	oriel_guest_clipboard_give_text(&clipboard->base,
			&(struct oriel_guest_text){
					.data = text,
					.size = text != NULL ? strlen(text) : 0,
			});
}
