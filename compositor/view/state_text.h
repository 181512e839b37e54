#ifndef ORIEL_VIEW_STATE_TEXT_H
#define ORIEL_VIEW_STATE_TEXT_H

struct oriel_state_text;
struct wlr_scene_tree;

/*
 * What is said in place of a guest's picture: its name and one sentence, in the middle of a box of
 * the scene.
 *
 *	          win
 *	its display is off
 *
 * It is painted in the output's own pixels, anew only when what it says, the box or the output's
 * scale is another one. A name that is too long for the box ends in an ellipsis. Without memory or
 * a font there is no text, and the box stays black.
 *
 * The fonts are looked for when the first text of the process is created, and not when it is first
 * needed: that may take long, and the guests that are on screen by then would feel it.
 */

/*
 * guest_name is copied; bytes that are no UTF-8 and control characters are replaced. Says nothing
 * at first. NULL if memory ran out.
 */
struct oriel_state_text *oriel_state_text_create(
		struct wlr_scene_tree *parent, const char *guest_name);
/* Before the scene's node goes. NULL is fine. */
void oriel_state_text_destroy(struct oriel_state_text *text);

/* sentence is borrowed, and outlives the text; NULL: nothing. */
void oriel_state_text_say(struct oriel_state_text *text, const char *sentence);

/* The box, from parent's origin on, is of that size in layout units on an output of that scale. */
void oriel_state_text_arrange(struct oriel_state_text *text, int width, int height, float scale);

#endif
