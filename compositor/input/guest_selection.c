#include "input/guest_selection.h"

#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/guest_clipboard.h"
#include "input/text_pipe.h"

/* From when a client wants the text until it has read it. */
#define PASTE_TIME_MS 10000

/* Pastes under way at once, of all clients. Each holds a file. */
#define PASTES_MAX 16

/* What clients ask for, by their habits. It is UTF-8 under each name. */
static const char *const types[] = {
	"text/plain;charset=utf-8",
	"text/plain",
	"UTF8_STRING",
	"TEXT",
	"STRING",
};

static const struct wlr_data_source_impl selection_impl;

static struct oriel_guest_selection *selection_from_source(struct wlr_data_source *source) {
	struct oriel_guest_selection *selection = wl_container_of(source, selection, base);
	return selection;
}

static void selection_forget_waiting(struct oriel_guest_selection *selection) {
	struct oriel_text_writer *writer, *next;
	wl_list_for_each_safe(writer, next, &selection->waiting, link) {
		oriel_text_writer_destroy(writer);
	}
}

static void selection_handle_send(struct wlr_data_source *source, const char *type, int32_t take_fd) {
	struct oriel_guest_selection *selection = selection_from_source(source);
	if (wl_list_length(&selection->waiting) + wl_list_length(selection->writers) >= PASTES_MAX) {
		wlr_log(WLR_INFO, "clipboard: clients paste too much at once");
		sb_fd_clear(&take_fd);
		return;
	}
	struct wl_list *list = selection->text != NULL ? selection->writers : &selection->waiting;
	struct oriel_text_writer *writer =
			oriel_text_writer_create(selection->loop, list, PASTE_TIME_MS, take_fd);
	if (writer == NULL) {
		return;
	}
	if (selection->text != NULL) {
		oriel_text_writer_start(writer, selection->text);
	} else if (!oriel_guest_clipboard_fetch(selection->guest)) {
		oriel_text_writer_destroy(writer);
	}
}

static void selection_handle_fetched(struct wl_listener *listener, void *data) {
	struct oriel_guest_selection *selection = wl_container_of(listener, selection, fetched);
	const struct oriel_guest_text *text = data;
	if (selection->is_behind) {
		selection->is_behind = false;
		if (!wl_list_empty(&selection->waiting) &&
				!oriel_guest_clipboard_fetch(selection->guest)) {
			selection_forget_waiting(selection);
		}
		return;
	}
	if (text->data != NULL && selection->text == NULL) {
		selection->text = oriel_text_create(text->data, text->size);
	}
	if (selection->text == NULL) {
		selection_forget_waiting(selection);
		return;
	}
	struct oriel_text_writer *writer, *next;
	wl_list_for_each_safe(writer, next, &selection->waiting, link) {
		wl_list_remove(&writer->link);
		wl_list_insert(selection->writers->prev, &writer->link);
		oriel_text_writer_start(writer, selection->text);
	}
}

static void selection_handle_destroy(struct wlr_data_source *source) {
	struct oriel_guest_selection *selection = selection_from_source(source);
	selection_forget_waiting(selection);
	wl_list_remove(&selection->fetched.link);
	oriel_text_unref(selection->text);
	oriel_guest_clipboard_unref(selection->guest);
	free(selection);
}

static const struct wlr_data_source_impl selection_impl = {
	.send = selection_handle_send,
	.destroy = selection_handle_destroy,
};

static bool selection_add_types(struct oriel_guest_selection *selection) {
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char **type = wl_array_add(&selection->base.mime_types, sizeof(*type));
		if (type == NULL) {
			return false;
		}
		*type = strdup(types[i]);
		if (*type == NULL) {
			/* None that is NULL may be among them. */
			selection->base.mime_types.size -= sizeof(*type);
			return false;
		}
	}
	return true;
}

struct oriel_guest_selection *oriel_guest_selection_create(struct wl_event_loop *loop,
		struct oriel_guest_clipboard *guest, struct wl_list *writers) {
	struct oriel_guest_selection *selection = calloc(1, sizeof(*selection));
	if (selection == NULL) {
		return NULL;
	}
	wlr_data_source_init(&selection->base, &selection_impl);
	selection->loop = loop;
	oriel_guest_clipboard_ref(guest);
	selection->guest = guest;
	selection->is_behind = guest->is_fetching;
	wl_list_init(&selection->waiting);
	selection->writers = writers;
	selection->fetched.notify = selection_handle_fetched;
	wl_signal_add(&guest->events.text, &selection->fetched);
	if (!selection_add_types(selection)) {
		wlr_data_source_destroy(&selection->base);
		return NULL;
	}
	return selection;
}
