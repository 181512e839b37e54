#include "view/layout.h"

#include <string.h>
#include <wlr/backend/session.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>

#include "bridge/stats.h"
#include "view/guest_view.h"

void oriel_layout_init(struct oriel_layout *layout, struct wlr_output_layout *output_layout) {
	layout->output_layout = output_layout;
	layout->session = NULL;
	wl_list_init(&layout->views);
}

void oriel_layout_finish(struct oriel_layout *layout) {
	struct oriel_guest_view *view, *tmp;
	wl_list_for_each_safe(view, tmp, &layout->views, link) {
		oriel_guest_view_destroy(view);
	}
}

void oriel_layout_add(struct oriel_layout *layout, struct oriel_guest_view *take_view) {
	wl_list_insert(layout->views.prev, &take_view->link);
	oriel_layout_arrange(layout);
}

struct oriel_guest_view *oriel_layout_find(const struct oriel_layout *layout, const char *guest_name) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (strcmp(oriel_guest_view_get_name(view), guest_name) == 0) {
			return view;
		}
	}
	return NULL;
}

void oriel_layout_select(struct oriel_layout *layout, struct oriel_guest_view *view) {
	wl_list_remove(&view->link);
	wl_list_insert(&layout->views, &view->link);
	oriel_layout_arrange(layout);
}

/* is_first: of the layout's outputs. */
static bool view_belongs_to(const struct oriel_guest_view *view, const struct wlr_output *output,
		bool is_first) {
	return view->output_name == NULL ? is_first : strcmp(view->output_name, output->name) == 0;
}

static struct oriel_guest_view *layout_choose(
		const struct oriel_layout *layout, const struct wlr_output *output, bool is_first) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (view_belongs_to(view, output, is_first)) {
			return view;
		}
	}
	return NULL;
}

/* NULL: it is not there. */
static struct wlr_output *layout_find_output_of(
		const struct oriel_layout *layout, const struct oriel_guest_view *view) {
	struct wlr_output_layout_output *entry;
	bool is_first = true;
	wl_list_for_each(entry, &layout->output_layout->outputs, link) {
		if (view_belongs_to(view, entry->output, is_first)) {
			return entry->output;
		}
		is_first = false;
	}
	return NULL;
}

/*
 * A guest behind another one of its output keeps its monitor, whose size may change: so it has its
 * picture ready when it comes to the front.
 */
static void layout_tell_hidden_view(const struct oriel_layout *layout, struct oriel_guest_view *view) {
	struct wlr_output *output = layout_find_output_of(layout, view);
	if (output == NULL) {
		oriel_guest_view_set_monitor(view, NULL, NULL);
		return;
	}
	struct wlr_box box;
	wlr_output_layout_get_box(layout->output_layout, output, &box);
	oriel_guest_view_set_monitor(view, output, &box);
}

static void layout_show_view(const struct oriel_layout *layout, struct oriel_guest_view *shown,
		struct wlr_output *output) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (view != shown && view->output == output) {
			oriel_guest_view_set_output(view, NULL, NULL);
		}
	}
	if (shown != NULL) {
		struct wlr_box box;
		wlr_output_layout_get_box(layout->output_layout, output, &box);
		oriel_guest_view_set_output(shown, output, &box);
	}
}

static void layout_hide_views_without_output(const struct oriel_layout *layout) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (view->output != NULL &&
				wlr_output_layout_get(layout->output_layout, view->output) == NULL) {
			oriel_guest_view_set_output(view, NULL, NULL);
		}
	}
}

void oriel_layout_arrange(struct oriel_layout *layout) {
	if (layout->session != NULL && !layout->session->active) {
		/* The outputs go one by one, and come back. A guest that was told so would move its
		 * windows about meanwhile. */
		layout_hide_views_without_output(layout);
		return;
	}
	struct wlr_output_layout_output *entry;
	bool is_first = true;
	wl_list_for_each(entry, &layout->output_layout->outputs, link) {
		layout_show_view(layout, layout_choose(layout, entry->output, is_first),
				entry->output);
		is_first = false;
	}
	layout_hide_views_without_output(layout);
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (view->output == NULL) {
			layout_tell_hidden_view(layout, view);
		}
	}
}

struct oriel_guest_view *oriel_layout_get_view_at(
		const struct oriel_layout *layout, const struct wlr_output *output) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (view->output == output) {
			return view;
		}
	}
	return NULL;
}

struct oriel_guest_view *oriel_layout_find_by_node(
		const struct oriel_layout *layout, const struct wlr_scene_node *node) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		if (oriel_guest_view_has_node(view, node)) {
			return view;
		}
	}
	return NULL;
}

void oriel_layout_blank(struct oriel_layout *layout) {
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		oriel_guest_view_blank(view);
	}
}

void oriel_layout_print_stats(const struct oriel_layout *layout, FILE *stream) {
	oriel_stats_print_heading(stream);
	struct oriel_guest_view *view;
	wl_list_for_each(view, &layout->views, link) {
		oriel_guest_view_print_stats(view, stream);
	}
}
