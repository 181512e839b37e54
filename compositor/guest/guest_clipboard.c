#include "guest/guest_clipboard.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <wlr/util/log.h>

#if ORIEL_HAVE_QEMU
#include "guest/qemu/clipboard.h"
#endif

static const struct {
	const char *name;
	struct oriel_guest_clipboard *(*ref)(
			struct wl_event_loop *loop, const char *name, const char *where);
} drivers[] = {
#if ORIEL_HAVE_QEMU
	{ "qemu", oriel_qemu_clipboard_ref },
#endif
	{ NULL, NULL },
};

struct oriel_guest_clipboard *oriel_guest_clipboard_create(struct wl_event_loop *loop,
		const char *driver, const char *name, const char *where) {
	for (size_t i = 0; drivers[i].name != NULL; i++) {
		if (strcmp(drivers[i].name, driver) == 0) {
			return drivers[i].ref(loop, name, where);
		}
	}
	wlr_log(WLR_ERROR, "guest %s: no clipboard by '%s' in this build", name, driver);
	return NULL;
}

void oriel_guest_clipboard_init(struct oriel_guest_clipboard *clipboard,
		const struct oriel_guest_clipboard_ops *ops) {
	*clipboard = (struct oriel_guest_clipboard){ .ops = ops, .refs = 1 };
	wl_signal_init(&clipboard->events.change);
	wl_signal_init(&clipboard->events.ask);
	wl_signal_init(&clipboard->events.text);
}

void oriel_guest_clipboard_ref(struct oriel_guest_clipboard *clipboard) {
	clipboard->refs++;
}

void oriel_guest_clipboard_unref(struct oriel_guest_clipboard *clipboard) {
	if (clipboard == NULL) {
		return;
	}
	assert(clipboard->refs > 0);
	if (--clipboard->refs > 0) {
		return;
	}
	assert(wl_list_empty(&clipboard->events.change.listener_list));
	assert(wl_list_empty(&clipboard->events.ask.listener_list));
	assert(wl_list_empty(&clipboard->events.text.listener_list));
	clipboard->ops->destroy(clipboard);
}

/* What the host and others want of it */

void oriel_guest_clipboard_offer(struct oriel_guest_clipboard *clipboard, bool has_text) {
	if (has_text) {
		clipboard->has_text = false;
	}
	clipboard->ops->offer(clipboard, has_text);
}

bool oriel_guest_clipboard_fetch(struct oriel_guest_clipboard *clipboard) {
	if (!clipboard->is_fetching && clipboard->has_text) {
		clipboard->is_fetching = clipboard->ops->fetch(clipboard);
	}
	return clipboard->is_fetching;
}

void oriel_guest_clipboard_answer(
		struct oriel_guest_clipboard *clipboard, const struct oriel_guest_text *text) {
	if (!clipboard->is_asking) {
		return;
	}
	clipboard->is_asking = false;
	const struct oriel_guest_text none = { 0 };
	clipboard->ops->answer(clipboard, oriel_guest_text_is_valid(text) ? text : &none);
}

/* What the guest wants */

void oriel_guest_clipboard_change(struct oriel_guest_clipboard *clipboard, bool has_text) {
	if (has_text || clipboard->has_text) {
		clipboard->has_text = has_text;
		wl_signal_emit_mutable(&clipboard->events.change, NULL);
	}
}

bool oriel_guest_clipboard_ask(struct oriel_guest_clipboard *clipboard) {
	if (clipboard->is_asking || wl_list_empty(&clipboard->events.ask.listener_list)) {
		return false;
	}
	clipboard->is_asking = true;
	wl_signal_emit_mutable(&clipboard->events.ask, NULL);
	return true;
}

void oriel_guest_clipboard_end_ask(struct oriel_guest_clipboard *clipboard) {
	clipboard->is_asking = false;
}

bool oriel_guest_clipboard_give_text(
		struct oriel_guest_clipboard *clipboard, const struct oriel_guest_text *text) {
	const struct oriel_guest_text none = { 0 };
	bool is_valid = oriel_guest_text_is_valid(text);
	clipboard->is_fetching = false;
	wl_signal_emit_mutable(&clipboard->events.text, (void *)(is_valid ? text : &none));
	return is_valid;
}

/*
 * The length of the character that begins a text, or 0 if none does. By RFC 3629 a character has one
 * form only, the shortest, and neither a surrogate nor anything above U+10FFFF is one.
 */
static size_t character_measure(const unsigned char *bytes, size_t size) {
	static const struct {
		unsigned char first_mask, first;
		size_t length;
		uint32_t min;
	} forms[] = {
		{ 0x80, 0x00, 1, 0x0 },
		{ 0xe0, 0xc0, 2, 0x80 },
		{ 0xf0, 0xe0, 3, 0x800 },
		{ 0xf8, 0xf0, 4, 0x10000 },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if ((bytes[0] & forms[i].first_mask) != forms[i].first) {
			continue;
		}
		if (forms[i].length > size) {
			return 0;
		}
		uint32_t character = bytes[0] & (unsigned char)~forms[i].first_mask;
		for (size_t at = 1; at < forms[i].length; at++) {
			if ((bytes[at] & 0xc0) != 0x80) {
				return 0;
			}
			character = character << 6 | (bytes[at] & 0x3f);
		}
		bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
		return character >= forms[i].min && character <= 0x10ffff && !is_surrogate
				? forms[i].length
				: 0;
	}
	return 0;
}

bool oriel_guest_text_is_valid(const struct oriel_guest_text *text) {
	if (text->data == NULL || text->size > ORIEL_GUEST_CLIPBOARD_SIZE_MAX) {
		return false;
	}
	const unsigned char *bytes = (const unsigned char *)text->data;
	for (size_t at = 0; at < text->size;) {
		size_t length = character_measure(bytes + at, text->size - at);
		if (length == 0) {
			return false;
		}
		at += length;
	}
	return true;
}
