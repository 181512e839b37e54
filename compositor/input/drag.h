#ifndef ORIEL_INPUT_DRAG_H
#define ORIEL_INPUT_DRAG_H

struct oriel_drag;
struct oriel_seat;
struct wlr_scene;

/*
 * Drag and drop between clients. wlroots carries the data; this decides which drags may start
 * and shows the icon under the pointer.
 */

/**
 * Serve the drags of a seat, whose cursor is there already. seat and scene are borrowed.
 *
 * Returns NULL after logging if memory ran out.
 */
struct oriel_drag *oriel_drag_create(struct oriel_seat *seat, struct wlr_scene *scene);

/**
 * NULL is fine. Before the scene and the wlr_seat.
 */
void oriel_drag_destroy(struct oriel_drag *drag);

/**
 * Put the icon of the drag, if there is one now, at the pointer.
 */
void oriel_drag_move(struct oriel_drag *drag, double lx, double ly);

#endif
