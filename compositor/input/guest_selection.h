#ifndef ORIEL_INPUT_GUEST_SELECTION_H
#define ORIEL_INPUT_GUEST_SELECTION_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_data_device.h>

struct oriel_guest_clipboard;
struct oriel_text;

/*
 * What a guest has copied, as a source of the seat's selection. Its text is fetched from the guest
 * when somebody first wants it; it goes with wlr_data_source_destroy(), as every source does.
 */
struct oriel_guest_selection {
	struct wlr_data_source base;
	struct wl_event_loop *loop;
	struct oriel_guest_clipboard *guest; /* a reference */
	bool is_behind; /* a fetch is under way that began before this was copied: its text is another one */
	struct oriel_text *text; /* NULL until it was fetched */
	struct wl_list waiting; /* oriel_text_writer.link: for the text */
	struct wl_list *writers; /* likewise, once they have it; borrowed */
	struct wl_listener fetched;
};

/* NULL if memory ran out. writers outlives it, and so do those in it. */
struct oriel_guest_selection *oriel_guest_selection_create(struct wl_event_loop *loop,
		struct oriel_guest_clipboard *guest, struct wl_list *writers);

#endif
