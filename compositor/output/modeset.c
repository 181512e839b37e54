#include "output/modeset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/util/log.h>

#include "config.h"

const struct oriel_config_output *oriel_modeset_find_config(
		const struct oriel_config *config, const char *output_name) {
	const struct oriel_config_output *output;
	wl_list_for_each(output, &config->outputs, link) {
		if (strcmp(output->name, output_name) == 0) {
			return output;
		}
	}
	return NULL;
}

/* The output's own mode of that size, the one nearest to the refresh rate asked for. */
static struct wlr_output_mode *modeset_find_mode(
		struct wlr_output *output, const struct oriel_config_output *config) {
	struct wlr_output_mode *best = NULL, *mode;
	wl_list_for_each(mode, &output->modes, link) {
		if (mode->width != config->width || mode->height != config->height) {
			continue;
		}
		if (best == NULL ||
				(config->refresh_mhz != 0 &&
						abs(mode->refresh - config->refresh_mhz) <
								abs(best->refresh -
										config->refresh_mhz))) {
			best = mode;
		}
	}
	return best;
}

static bool modeset_commit(struct wlr_output *output, const struct oriel_config_output *config,
		struct wlr_output_state *state) {
	wlr_output_state_set_enabled(state, true);
	if (config != NULL && config->scale != 0) {
		wlr_output_state_set_scale(state, (float)config->scale);
	}
	return wlr_output_commit_state(output, state);
}

static bool modeset_try_mode(struct wlr_output *output, const struct oriel_config_output *config,
		struct wlr_output_mode *mode) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	if (mode != NULL) {
		wlr_output_state_set_mode(&state, mode);
	}
	bool ok = modeset_commit(output, config, &state);
	wlr_output_state_finish(&state);
	return ok;
}

static bool modeset_try_custom_mode(struct wlr_output *output,
		const struct oriel_config_output *config, int refresh_mhz) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_custom_mode(&state, config->width, config->height, refresh_mhz);
	bool ok = modeset_commit(output, config, &state);
	wlr_output_state_finish(&state);
	return ok;
}

/* The mode that the configuration asks for. */
static bool modeset_try_config(struct wlr_output *output, const struct oriel_config_output *config) {
	struct wlr_output_mode *mode = modeset_find_mode(output, config);
	if (mode != NULL) {
		return modeset_try_mode(output, config, mode);
	}
	/* A window of another session's has its refresh rate, and takes no other. */
	return modeset_try_custom_mode(output, config, config->refresh_mhz) ||
			(config->refresh_mhz != 0 && modeset_try_custom_mode(output, config, 0));
}

/* What the output itself prefers, or, failing that, anything that it has. */
static bool modeset_try_any(struct wlr_output *output, const struct oriel_config_output *config) {
	if (modeset_try_mode(output, config, wlr_output_preferred_mode(output))) {
		return true;
	}
	struct wlr_output_mode *mode;
	wl_list_for_each(mode, &output->modes, link) {
		if (modeset_try_mode(output, config, mode)) {
			return true;
		}
	}
	return false;
}

static bool modeset_switch_off(struct wlr_output *output) {
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, false);
	bool ok = wlr_output_commit_state(output, &state);
	wlr_output_state_finish(&state);
	if (!ok) {
		wlr_log(WLR_ERROR, "output %s: cannot be switched off", output->name);
	}
	return ok;
}

bool oriel_modeset_apply(struct wlr_output *output, const struct oriel_config_output *config) {
	if (config != NULL && config->off) {
		return modeset_switch_off(output);
	}
	if (config != NULL && config->has_mode) {
		if (modeset_try_config(output, config)) {
			return true;
		}
		char refresh[16] = "";
		if (config->refresh_mhz != 0) {
			snprintf(refresh, sizeof(refresh), "@%.3f",
					(double)config->refresh_mhz / 1000);
		}
		wlr_log(WLR_ERROR, "output %s: does not take mode %dx%d%s: its own is used",
				output->name, config->width, config->height, refresh);
	}
	if (modeset_try_any(output, config)) {
		return true;
	}
	wlr_log(WLR_ERROR, "output %s: cannot be switched on", output->name);
	return false;
}

struct wlr_output_layout_output *oriel_modeset_place(struct wlr_output_layout *layout,
		struct wlr_output *output, const struct oriel_config_output *config) {
	if (config != NULL && config->has_position) {
		return wlr_output_layout_add(layout, output, config->lx, config->ly);
	}
	return wlr_output_layout_add_auto(layout, output);
}
