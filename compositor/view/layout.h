#ifndef ORIEL_VIEW_LAYOUT_H
#define ORIEL_VIEW_LAYOUT_H

#include <stdio.h>
#include <wayland-util.h>

struct oriel_guest_view;
struct wlr_output;
struct wlr_output_layout;
struct wlr_scene_node;
struct wlr_session;

/*
 * Which guest is shown where. A guest belongs to the output that it names, or, if it names none,
 * to the first one; of several guests of one output the one selected last is shown, and the others
 * are hidden and not polled. All of them have that output for their monitor, and none while it is
 * not there.
 */
struct oriel_layout {
	struct wlr_output_layout *output_layout;
	struct wlr_session *session; /* whose outputs they are; may be NULL. Set by its owner */
	struct wl_list views; /* oriel_guest_view.link, the one selected last first */
};

void oriel_layout_init(struct oriel_layout *layout, struct wlr_output_layout *output_layout);
/* Destroys the views. */
void oriel_layout_finish(struct oriel_layout *layout);

/* The first view added is the one that is selected first. Takes the view over. */
void oriel_layout_add(struct oriel_layout *layout, struct oriel_guest_view *take_view);

/* The view of the guest of that name, or NULL. */
struct oriel_guest_view *oriel_layout_find(const struct oriel_layout *layout, const char *guest_name);

/* Shows the view on its output in place of that output's other guests. */
void oriel_layout_select(struct oriel_layout *layout, struct oriel_guest_view *view);

/* To be called whenever outputs came, went or changed. */
void oriel_layout_arrange(struct oriel_layout *layout);

/* The view shown on output, or NULL. */
struct oriel_guest_view *oriel_layout_get_view_at(
		const struct oriel_layout *layout, const struct wlr_output *output);

/* The view that a scene node is a part of, or NULL. */
struct oriel_guest_view *oriel_layout_find_by_node(
		const struct oriel_layout *layout, const struct wlr_scene_node *node);

/* Blanks every view. */
void oriel_layout_blank(struct oriel_layout *layout);

/* The statistics of all guests, as a table. */
void oriel_layout_print_stats(const struct oriel_layout *layout, FILE *stream);

#endif
