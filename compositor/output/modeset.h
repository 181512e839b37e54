#ifndef ORIEL_OUTPUT_MODESET_H
#define ORIEL_OUTPUT_MODESET_H

#include <stdbool.h>

struct oriel_config;
struct oriel_config_output;
struct wlr_output;
struct wlr_output_layout;
struct wlr_output_layout_output;

/* An output as the configuration asks for it. */

/* What the configuration says of the output of that name; NULL: nothing. */
const struct oriel_config_output *oriel_modeset_find_config(
		const struct oriel_config *config, const char *output_name);

/*
 * Switches the output on with the mode and scale asked for, or with a mode of its own if it does
 * not take that (one log line then), or off if that is what the configuration says. config may be
 * NULL. False, after one log line, if the output does neither.
 */
bool oriel_modeset_apply(struct wlr_output *output, const struct oriel_config_output *config);

/* Puts the output where the configuration wants it, else to the right of the others. */
struct wlr_output_layout_output *oriel_modeset_place(struct wlr_output_layout *layout,
		struct wlr_output *output, const struct oriel_config_output *config);

#endif
