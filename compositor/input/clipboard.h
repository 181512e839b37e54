#ifndef ORIEL_INPUT_CLIPBOARD_H
#define ORIEL_INPUT_CLIPBOARD_H

struct oriel_clipboard;
struct oriel_guest_clipboard;
struct oriel_guest_view;
struct oriel_seat;

/*
 * The clipboard that the seat's Wayland clients and its guests share: text, and only that of Ctrl+C
 * and Ctrl+V, not the primary selection.
 *
 *	         a client copies: the seat's selection
 *	                   |                 ^
 *	    offered, if it | has text        | set, a source of ours: its text is fetched when
 *	                   v                 | a client, or another guest, pastes it
 *	             the guest that has the input
 *
 * A guest has to do with it only while it has the input. Only then it is offered what was copied, gets
 * it if it asks, and becomes the selection if it copies something itself. So a guest in the background
 * neither learns of what is copied elsewhere, nor changes what is pasted elsewhere. When it loses the
 * input, what it was offered is taken back; what it copied before stays the selection, and is still
 * fetched from it. A guest that takes no input has no clipboard.
 *
 * It is fetched once: the guest cannot put another text in its place while it is the selection. If it
 * was not fetched yet, and the guest's clipboard changes while the guest is in the background, it cannot
 * be had any more, and is the selection no longer. If it was, it stays, whatever the guest does there,
 * and goes with the last of its views.
 */

/* Part of the seat, which is borrowed. NULL if memory ran out. */
struct oriel_clipboard *oriel_clipboard_create(struct oriel_seat *seat);
/* NULL is fine. */
void oriel_clipboard_destroy(struct oriel_clipboard *clipboard);

/*
 * The guest has a clipboard from here on, until its view is destroyed; without this call it has none.
 * Views of one machine have the same one. Takes over the reference, NULL is fine; and does nothing
 * but log a line if memory ran out.
 */
void oriel_clipboard_add_guest(struct oriel_clipboard *clipboard, struct oriel_guest_view *view,
		struct oriel_guest_clipboard *take_guest_clipboard);

#endif
