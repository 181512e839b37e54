#ifndef ORIEL_VIEW_HARDWARE_CURSOR_H
#define ORIEL_VIEW_HARDWARE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

struct oriel_guest_frame;
struct wlr_output;
struct wlr_output_cursor;

/*
 * A guest's cursor on the cursor plane of the output that shows the guest, where the plane can be
 * had: the output then draws nothing when the cursor moves, and its picture can be scanned out.
 *
 * wlroots draws a cursor that the plane does not take into the output's picture by itself. Here
 * the cursor is on the plane or not with wlroots at all, so that whoever draws it otherwise never
 * draws it a second time: oriel_hardware_cursor_show() decides within one call, and what it does
 * reaches the screen with the output's next commit, as the scene's changes do.
 *
 * What is put on the plane is a copy. wlroots renders the plane's picture without a point to wait
 * for, and whenever it likes, so that a guest's dma-buf handed to it would be read with its
 * implicit fences, at any time and with an end that nobody learns. The copy is made by the CPU, of a frame that
 * has come through the latch, and the read is over with the call. A buffer that the CPU cannot
 * read is therefore not shown here.
 *
 * The plane is had only while no other cursor is to be seen on the output: wlroots would draw that
 * one into the picture, below the plane, and with each of its moves anew. It is oriel's own pointer,
 * which is where the user looks then.
 *
 * Only with KMS: the "hardware cursor" of a nested output is the parent's pointer, which is where
 * the parent's mouse is, and that of a headless one is nowhere. With KMS's legacy interface
 * (WLR_DRM_NO_ATOMIC) the plane changes up to a refresh before the picture does.
 */
struct oriel_hardware_cursor {
	struct wlr_output_cursor *output_cursor; /* NULL: not shown */
	uint64_t serial; /* of the frame it shows */
	int hot_x, hot_y;
	uint64_t refused_serial; /* of a frame that the plane did not take; 0: none */
};

/* Where it is to be shown, in the output's pixels. */
struct oriel_hardware_cursor_place {
	int x, y; /* of its upper left corner */
	int hot_x, hot_y; /* of the pixel that points, counted from there; for outputs that want it */
};

/*
 * Shows the frame on the output, which has neither a scale nor a transform. False if it cannot be
 * shown there now; then nothing is shown.
 */
bool oriel_hardware_cursor_show(struct oriel_hardware_cursor *cursor, struct wlr_output *output,
		const struct oriel_guest_frame *frame,
		const struct oriel_hardware_cursor_place *place);

/* Before the output goes. One that is all zero is fine. */
void oriel_hardware_cursor_hide(struct oriel_hardware_cursor *cursor);

/* True if another cursor is to be seen on the output, and has or would have its plane. */
bool oriel_hardware_cursor_is_taken(
		const struct oriel_hardware_cursor *cursor, const struct wlr_output *output);

/* A picture that was refused is tried again: what shows it is another output, or has changed. */
void oriel_hardware_cursor_reconsider(struct oriel_hardware_cursor *cursor);

#endif
