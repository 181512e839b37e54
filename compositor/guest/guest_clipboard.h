#ifndef ORIEL_GUEST_GUEST_CLIPBOARD_H
#define ORIEL_GUEST_GUEST_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <wayland-server-core.h>

struct oriel_guest_clipboard_ops;

/*
 * The clipboard of a guest, behind one interface, however it is reached. It has text and nothing
 * else, and text that was copied moves only when somebody pastes it:
 *
 *	the guest copies		events.change, has_text
 *	somebody pastes that here	fetch() ... events.text
 *
 *	somebody copies here		offer(true)
 *	the guest pastes that		events.ask ... answer()
 *
 * Whose the clipboard is, and which guest may know, is decided elsewhere (input/clipboard).
 */
struct oriel_guest_clipboard {
	const struct oriel_guest_clipboard_ops *ops;
	unsigned refs;

	/* Read only. The guest has copied text, and since then nobody has copied anything. */
	bool has_text;
	bool is_asking; /* the guest waits for an answer */
	bool is_fetching;

	struct {
		/* NULL: the guest has copied text, maybe again, or has none any more */
		struct wl_signal change;
		/* NULL: the guest wants the text that it was offered. It stands still until the answer. */
		struct wl_signal ask;
		/* const struct oriel_guest_text *: what was fetched */
		struct wl_signal text;
	} events;
};

struct oriel_guest_text {
	const char *data; /* UTF-8, not terminated; NULL: there is none to be had */
	size_t size;
};

/* In bytes, either way. What is longer is refused as a whole. QEMU passes on no more to a guest. */
#define ORIEL_GUEST_CLIPBOARD_SIZE_MAX (1024 * 1024)

/* All are required. None blocks. */
struct oriel_guest_clipboard_ops {
	/* The host's clipboard has other text now, or none that is the guest's business. */
	void (*offer)(struct oriel_guest_clipboard *clipboard, bool has_text);
	/* While it has text, and is not fetching. False: nothing was sent. */
	bool (*fetch)(struct oriel_guest_clipboard *clipboard);
	/* While it is asking. text as in oriel_guest_clipboard_answer(). */
	void (*answer)(struct oriel_guest_clipboard *clipboard, const struct oriel_guest_text *text);
	void (*destroy)(struct oriel_guest_clipboard *clipboard);
};

/*
 * The clipboard of the machine of that place, as the driver has it, which is "qemu": for all guests that
 * are heads of one machine it is the same one, and the caller has a reference. name, of the machine,
 * tells those apart that are handed over. NULL after one log line.
 */
struct oriel_guest_clipboard *oriel_guest_clipboard_create(struct wl_event_loop *loop,
		const char *driver, const char *name, const char *where);

void oriel_guest_clipboard_ref(struct oriel_guest_clipboard *clipboard);
/* NULL is fine. */
void oriel_guest_clipboard_unref(struct oriel_guest_clipboard *clipboard);

/*
 * The text of the host's clipboard is another one, or, where has_text is false, the guest is offered
 * none. What it has itself is out of date then, if the host's is another one.
 */
void oriel_guest_clipboard_offer(struct oriel_guest_clipboard *clipboard, bool has_text);

/*
 * Gets the guest's text: events.text follows once, whatever happens, and not from in here. False if
 * there is none. What is asked for while it is under way comes with it, and is what the guest had
 * copied when that began, or later. In events.text it is not under way any more.
 */
bool oriel_guest_clipboard_fetch(struct oriel_guest_clipboard *clipboard);

/*
 * Answers events.ask. text without data, or one that is too long or no UTF-8, says that there is
 * none. Nothing happens while the guest is not asking.
 */
void oriel_guest_clipboard_answer(
		struct oriel_guest_clipboard *clipboard, const struct oriel_guest_text *text);

/* Short enough, and UTF-8 as RFC 3629 has it. */
bool oriel_guest_text_is_valid(const struct oriel_guest_text *text);

/* For drivers. */

/* The first reference is the caller's. */
void oriel_guest_clipboard_init(struct oriel_guest_clipboard *clipboard,
		const struct oriel_guest_clipboard_ops *ops);
/* The guest has copied text, or has none any more. */
void oriel_guest_clipboard_change(struct oriel_guest_clipboard *clipboard, bool has_text);
/* False: it must be told at once that there is no text. */
bool oriel_guest_clipboard_ask(struct oriel_guest_clipboard *clipboard);
/* The guest does not wait any more, if it did. */
void oriel_guest_clipboard_end_ask(struct oriel_guest_clipboard *clipboard);
/* What fetch() has brought. Text that is not valid counts as none; returns whether there was any. */
bool oriel_guest_clipboard_give_text(
		struct oriel_guest_clipboard *clipboard, const struct oriel_guest_text *text);

#endif
