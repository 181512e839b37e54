#include "input/clipboard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/util/log.h>

#include "guest/guest_clipboard.h"
#include "input/guest_selection.h"
#include "input/seat.h"
#include "input/text_pipe.h"
#include "view/guest_view.h"

/* The guest, all of it, may stand still until it has what it asked for: QEMU does. */
#define ASK_TIME_MS 1000

/* A guest that copies all the time makes one selection of that in this time, of which all clients hear. */
#define CHANGE_TIME_MS 100

/* The clipboard of one machine. */
struct clipboard_peer {
	struct wl_list link; /* oriel_clipboard.peers */
	struct oriel_clipboard *clipboard;
	struct oriel_guest_clipboard *guest; /* a reference */
	unsigned views;
	struct oriel_guest_selection *selection; /* while what it copied is the seat's; else NULL */

	struct wl_listener change;
	struct wl_listener ask;
	struct wl_listener selection_destroy;
};

struct clipboard_view {
	struct wl_list link; /* oriel_clipboard.views */
	const struct oriel_guest_view *view;
	struct clipboard_peer *peer;
	struct wl_listener destroy;
};

struct oriel_clipboard {
	struct oriel_seat *seat;
	struct wl_event_loop *loop;
	struct wl_list views; /* clipboard_view.link */
	struct wl_list peers; /* clipboard_peer.link */
	struct wl_list writers; /* oriel_text_writer.link: who is pasting a guest's text */

	struct clipboard_peer *focus; /* the one that has the input; may be NULL */

	/* Of the selection, as focus was offered it. It is read once, however often the guest asks. */
	struct oriel_text_reader *reader; /* NULL: it is not being read */
	struct oriel_text *text; /* NULL: it was not read yet */
	bool is_unreadable; /* it was tried */

	/* Of focus, not to make too many selections. */
	struct wl_event_source *change_timer;
	bool is_resting; /* there was a selection a moment ago */
	bool has_news; /* focus has copied something since then */

	struct wl_listener set_selection;
	struct wl_listener focus_change;
};

static const struct wlr_data_source *clipboard_get_selection(const struct oriel_clipboard *clipboard) {
	return clipboard->seat->wlr_seat->selection_source;
}

/* From here to a guest */

/* What clients call text in UTF-8, the best first. Some write it in capitals. */
static const char *const text_types[] = {
	"text/plain;charset=utf-8",
	"UTF8_STRING",
	"text/plain",
};

/* As its source calls it; NULL: it has no text. */
static const char *find_text_type(const struct wlr_data_source *source) {
	for (size_t i = 0; i < sizeof(text_types) / sizeof(text_types[0]); i++) {
		char *const *type;
		wl_array_for_each(type, &source->mime_types) {
			if (strcasecmp(*type, text_types[i]) == 0) {
				return *type;
			}
		}
	}
	return NULL;
}

/* The text that may go to a guest: not the one that it has copied itself. */
static const char *clipboard_find_text_for(
		const struct oriel_clipboard *clipboard, const struct clipboard_peer *peer) {
	const struct wlr_data_source *source = clipboard_get_selection(clipboard);
	return source != NULL && peer->selection == NULL ? find_text_type(source) : NULL;
}

static void clipboard_answer(struct oriel_clipboard *clipboard) {
	const struct oriel_text *text = clipboard->text;
	oriel_guest_clipboard_answer(clipboard->focus->guest,
			&(struct oriel_guest_text){
					.data = text != NULL ? text->data : NULL,
					.size = text != NULL ? text->size : 0,
			});
}

/* Of what was offered until now nothing is known any more. A guest that waits for it gets nothing. */
static void clipboard_forget_text(struct oriel_clipboard *clipboard) {
	oriel_text_reader_destroy(clipboard->reader);
	clipboard->reader = NULL;
	oriel_text_unref(clipboard->text);
	clipboard->text = NULL;
	clipboard->is_unreadable = false;
	if (clipboard->focus != NULL) {
		clipboard_answer(clipboard);
	}
}

/* The selection is another one, or the guest that is to have it. */
static void clipboard_offer(struct oriel_clipboard *clipboard) {
	clipboard_forget_text(clipboard);
	struct clipboard_peer *peer = clipboard->focus;
	if (peer != NULL) {
		bool has_text = clipboard_find_text_for(clipboard, peer) != NULL;
		oriel_guest_clipboard_offer(peer->guest, has_text);
	}
}

static void clipboard_end_reading(struct oriel_clipboard *clipboard, struct oriel_text *take_text) {
	clipboard->text = take_text;
	clipboard->is_unreadable = take_text == NULL;
	if (take_text == NULL) {
		wlr_log(WLR_ERROR, "guest %s: cannot paste a text that is too long or comes too late",
				oriel_guest_view_get_name(clipboard->seat->guest_input.focus));
	}
	clipboard_answer(clipboard);
}

static void clipboard_handle_read(void *user_data, const char *data, size_t size) {
	struct oriel_clipboard *clipboard = user_data;
	clipboard->reader = NULL;
	clipboard_end_reading(clipboard, data != NULL ? oriel_text_create(data, size) : NULL);
}

static void peer_handle_ask(struct wl_listener *listener, void *data) {
	struct clipboard_peer *peer = wl_container_of(listener, peer, ask);
	struct oriel_clipboard *clipboard = peer->clipboard;
	const char *type = peer == clipboard->focus ? clipboard_find_text_for(clipboard, peer) : NULL;
	if (type == NULL) {
		oriel_guest_clipboard_answer(peer->guest, &(struct oriel_guest_text){ 0 });
		return;
	}
	if (clipboard->reader != NULL) {
		return; /* it has given up waiting once, and now gets what it waited for */
	}
	if (clipboard->text != NULL || clipboard->is_unreadable) {
		clipboard_answer(clipboard);
		return;
	}
	int write_fd;
	clipboard->reader = oriel_text_reader_create(clipboard->loop, ORIEL_GUEST_CLIPBOARD_SIZE_MAX,
			ASK_TIME_MS, clipboard_handle_read, clipboard, &write_fd);
	if (clipboard->reader == NULL) {
		clipboard_end_reading(clipboard, NULL);
		return;
	}
	wlr_data_source_send(clipboard->seat->wlr_seat->selection_source, type, write_fd);
}

/* From a guest to here */

static void peer_handle_selection_destroy(struct wl_listener *listener, void *data) {
	struct clipboard_peer *peer = wl_container_of(listener, peer, selection_destroy);
	wl_list_remove(&peer->selection_destroy.link);
	wl_list_init(&peer->selection_destroy.link);
	peer->selection = NULL;
}

static void clipboard_rest(struct oriel_clipboard *clipboard, bool is_resting) {
	clipboard->is_resting = is_resting;
	wl_event_source_timer_update(clipboard->change_timer, is_resting ? CHANGE_TIME_MS : 0);
}

/* What the guest with the input has copied becomes the selection. */
static void clipboard_take_text(struct oriel_clipboard *clipboard) {
	struct clipboard_peer *peer = clipboard->focus;
	clipboard->has_news = false;
	struct oriel_guest_selection *selection = oriel_guest_selection_create(
			clipboard->loop, peer->guest, &clipboard->writers);
	if (selection == NULL) {
		wlr_log(WLR_ERROR, "clipboard: out of memory");
		return;
	}
	/* Before all are told: whose it is must be known by then. The last one goes when it is replaced. */
	wl_list_remove(&peer->selection_destroy.link);
	peer->selection = selection;
	wl_signal_add(&selection->base.events.destroy, &peer->selection_destroy);
	clipboard_rest(clipboard, true);
	struct wlr_seat *wlr_seat = clipboard->seat->wlr_seat;
	wlr_seat_set_selection(wlr_seat, &selection->base, wl_display_next_serial(wlr_seat->display));
}

static int clipboard_handle_change_timer(void *data) {
	struct oriel_clipboard *clipboard = data;
	clipboard_rest(clipboard, false);
	if (clipboard->has_news) {
		clipboard_take_text(clipboard);
	}
	return 0;
}

static void peer_handle_change_with_the_input(struct clipboard_peer *peer) {
	struct oriel_clipboard *clipboard = peer->clipboard;
	clipboard->has_news = peer->guest->has_text;
	if (!clipboard->has_news) {
		if (peer->selection != NULL) {
			wlr_data_source_destroy(&peer->selection->base);
		}
	} else if (!clipboard->is_resting) {
		clipboard_take_text(clipboard);
	}
}

/*
 * What it has copied now is its own, and cannot be had instead of what it had copied before. Nor can
 * that, unless it was fetched: whatever the guest gives from now on, also to a fetch that is under way,
 * may be the new text.
 */
static void peer_handle_change_in_background(struct clipboard_peer *peer) {
	if (peer->selection != NULL && peer->selection->text == NULL) {
		wlr_data_source_destroy(&peer->selection->base);
	}
}

static void peer_handle_change(struct wl_listener *listener, void *data) {
	struct clipboard_peer *peer = wl_container_of(listener, peer, change);
	if (peer == peer->clipboard->focus) {
		peer_handle_change_with_the_input(peer);
	} else {
		peer_handle_change_in_background(peer);
	}
}

/* Who has to do with it */

static struct clipboard_peer *clipboard_find_focus(const struct oriel_clipboard *clipboard) {
	const struct clipboard_view *view;
	wl_list_for_each(view, &clipboard->views, link) {
		if (view->view == clipboard->seat->guest_input.focus) {
			return view->peer;
		}
	}
	return NULL;
}

static void clipboard_update_focus(struct oriel_clipboard *clipboard) {
	struct clipboard_peer *focus = clipboard_find_focus(clipboard);
	if (focus == clipboard->focus) {
		return;
	}
	if (clipboard->focus != NULL) {
		/* What it copied with its last breath is still the user's wish. */
		if (clipboard->has_news) {
			clipboard_take_text(clipboard);
		}
		clipboard_forget_text(clipboard);
		oriel_guest_clipboard_offer(clipboard->focus->guest, false);
	}
	clipboard_rest(clipboard, false);
	clipboard->focus = focus;
	clipboard_offer(clipboard);
}

static void clipboard_handle_focus_change(struct wl_listener *listener, void *data) {
	struct oriel_clipboard *clipboard = wl_container_of(listener, clipboard, focus_change);
	clipboard_update_focus(clipboard);
}

static void clipboard_handle_set_selection(struct wl_listener *listener, void *data) {
	struct oriel_clipboard *clipboard = wl_container_of(listener, clipboard, set_selection);
	clipboard->has_news = false;
	clipboard_offer(clipboard);
}

static void peer_destroy(struct clipboard_peer *peer) {
	if (peer->selection != NULL) {
		wlr_data_source_destroy(&peer->selection->base);
	}
	wl_list_remove(&peer->change.link);
	wl_list_remove(&peer->ask.link);
	wl_list_remove(&peer->link);
	oriel_guest_clipboard_unref(peer->guest);
	free(peer);
}

static struct clipboard_peer *clipboard_get_peer(
		struct oriel_clipboard *clipboard, struct oriel_guest_clipboard *guest) {
	struct clipboard_peer *peer;
	wl_list_for_each(peer, &clipboard->peers, link) {
		if (peer->guest == guest) {
			return peer;
		}
	}
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL) {
		return NULL;
	}
	oriel_guest_clipboard_ref(guest);
	peer->clipboard = clipboard;
	peer->guest = guest;
	peer->change.notify = peer_handle_change;
	wl_signal_add(&guest->events.change, &peer->change);
	peer->ask.notify = peer_handle_ask;
	wl_signal_add(&guest->events.ask, &peer->ask);
	peer->selection_destroy.notify = peer_handle_selection_destroy;
	wl_list_init(&peer->selection_destroy.link);
	wl_list_insert(&clipboard->peers, &peer->link);
	return peer;
}

static void view_remove(struct clipboard_view *view) {
	struct clipboard_peer *peer = view->peer;
	wl_list_remove(&view->destroy.link);
	wl_list_remove(&view->link);
	free(view);
	/* Another of its views may have the input. */
	clipboard_update_focus(peer->clipboard);
	if (--peer->views == 0) {
		peer_destroy(peer);
	}
}

static void view_handle_destroy(struct wl_listener *listener, void *data) {
	struct clipboard_view *view = wl_container_of(listener, view, destroy);
	view_remove(view);
}

void oriel_clipboard_add_guest(struct oriel_clipboard *clipboard, struct oriel_guest_view *guest_view,
		struct oriel_guest_clipboard *take_guest_clipboard) {
	if (take_guest_clipboard == NULL) {
		return;
	}
	struct clipboard_view *view = calloc(1, sizeof(*view));
	struct clipboard_peer *peer =
			view != NULL ? clipboard_get_peer(clipboard, take_guest_clipboard) : NULL;
	oriel_guest_clipboard_unref(take_guest_clipboard);
	if (peer == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no clipboard: out of memory",
				oriel_guest_view_get_name(guest_view));
		free(view);
		return;
	}
	view->view = guest_view;
	view->peer = peer;
	peer->views++;
	view->destroy.notify = view_handle_destroy;
	wl_signal_add(&guest_view->events.destroy, &view->destroy);
	wl_list_insert(&clipboard->views, &view->link);
	clipboard_update_focus(clipboard);
}

struct oriel_clipboard *oriel_clipboard_create(struct oriel_seat *seat) {
	struct oriel_clipboard *clipboard = calloc(1, sizeof(*clipboard));
	if (clipboard == NULL) {
		return NULL;
	}
	clipboard->seat = seat;
	clipboard->loop = wl_display_get_event_loop(seat->wlr_seat->display);
	clipboard->change_timer = wl_event_loop_add_timer(
			clipboard->loop, clipboard_handle_change_timer, clipboard);
	if (clipboard->change_timer == NULL) {
		free(clipboard);
		return NULL;
	}
	wl_list_init(&clipboard->views);
	wl_list_init(&clipboard->peers);
	wl_list_init(&clipboard->writers);
	clipboard->set_selection.notify = clipboard_handle_set_selection;
	wl_signal_add(&seat->wlr_seat->events.set_selection, &clipboard->set_selection);
	clipboard->focus_change.notify = clipboard_handle_focus_change;
	wl_signal_add(&seat->guest_input.events.change, &clipboard->focus_change);
	return clipboard;
}

void oriel_clipboard_destroy(struct oriel_clipboard *clipboard) {
	if (clipboard == NULL) {
		return;
	}
	struct clipboard_view *view, *next_view;
	wl_list_for_each_safe(view, next_view, &clipboard->views, link) {
		view_remove(view);
	}
	struct oriel_text_writer *writer, *next_writer;
	wl_list_for_each_safe(writer, next_writer, &clipboard->writers, link) {
		oriel_text_writer_destroy(writer);
	}
	wl_list_remove(&clipboard->set_selection.link);
	wl_list_remove(&clipboard->focus_change.link);
	wl_event_source_remove(clipboard->change_timer);
	free(clipboard);
}
