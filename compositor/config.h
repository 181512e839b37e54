#ifndef ORIEL_CONFIG_H
#define ORIEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-util.h>
#include <xkbcommon/xkbcommon.h>

#include "guest/input_sink.h"
#include "guest/source.h"

/*
 * What the user asked for: oriel(5)'s file and the command line's guests, read and checked, as
 * plain data. Nothing here opens a device or knows an output: that a device is there, or that an
 * output has the mode, is found out by whoever uses it.
 *
 * A mistake is reported to the caller as one line and never logged here.
 */

/* Bounds of what is taken from the user: both ends are allowed. */
#define ORIEL_CONFIG_SIZE_MAX 16384 /* of a mode and of a synthetic guest, each way, at least 1 */
#define ORIEL_CONFIG_REFRESH_MAX_MHZ 1000000
#define ORIEL_CONFIG_POSITION_MAX 32767 /* either sign */
#define ORIEL_CONFIG_SCALE_MIN 0.25
#define ORIEL_CONFIG_SCALE_MAX 8.0
#define ORIEL_CONFIG_NAME_MAX 63 /* bytes of a guest's or an output's name */
#define ORIEL_CONFIG_VT_MAX 63 /* Linux has no more (MAX_NR_CONSOLES in linux/vt.h) */
#define ORIEL_CONFIG_HEAD_MAX 15 /* of a machine, counted from 0 */
#define ORIEL_CONFIG_FILE_MAX_BYTES (1024 * 1024)

struct oriel_config_output {
	struct wl_list link; /* oriel_config.outputs */
	char *name; /* the connector's, e.g. DP-1 */
	int line; /* in the file */

	bool has_mode;
	int width, height; /* buffer pixels; only with has_mode */
	int refresh_mhz; /* 0: any */

	bool has_position;
	int lx, ly; /* only with has_position */

	double scale; /* 0: unset */
	bool off;
};

/*
 * A guest's display. A machine's further heads are guests of their own, right behind the one in whose
 * block they are: their names are that one's and their number, "win:1".
 */
struct oriel_config_guest {
	struct wl_list link; /* oriel_config.guests */
	char *name;
	int line; /* in the file; 0: from the command line */

	char *driver; /* "vfio", "qemu", "synthetic": one that oriel_source_driver_exists() */
	char *where; /* the driver's argument; may be NULL */
	char *output; /* may be NULL: the first output; need not be among oriel_config.outputs */
	struct oriel_source_options options;
	uint8_t *edid_blob; /* the one in options, which only borrows it; may be NULL */
	char *machine_name; /* likewise; only of a further head */

	char *input; /* "uinput", "qemu": one that oriel_input_sink_driver_exists(); NULL: none */
	/* What it borrows is this guest's. Only "qemu" has a place: a path or "handover". */
	struct oriel_input_sink_options input_options;
	char *input_where; /* the one in input_options */
	bool has_clipboard; /* its machine shares its text; of all heads or none */
};

enum oriel_action {
	ORIEL_ACTION_QUIT,
	ORIEL_ACTION_GUEST, /* show the guest named by the argument, or the one there is */
	ORIEL_ACTION_EXEC, /* run the argument with /bin/sh -c */
	ORIEL_ACTION_CLOSE, /* ask the focused window to close */
	ORIEL_ACTION_VT, /* go to the virtual terminal whose number is the argument */
	/* Of chords only. */
	ORIEL_ACTION_ESCAPE, /* take the input back from guests and inhibitors */
	ORIEL_ACTION_GRAB, /* give a guest all of the input, or stop that */
};

/*
 * One key with modifiers. A letter's keysym is in lower case, as the key gives it without Shift:
 * "Super+Shift+E" and "Super+Shift+e" are the same binding, with WLR_MODIFIER_SHIFT and XKB_KEY_e.
 * So a pressed key is looked up by the keysym of its level 0 (without Shift) and by all the
 * modifiers that are down, as input/bindings.h says in full. No two bindings and chords of a
 * configuration have the same modifiers and keysym.
 */
struct oriel_config_binding {
	struct wl_list link; /* oriel_config.bindings or .chords */
	int line; /* in the file; 0: a default */

	uint32_t modifiers; /* enum wlr_keyboard_modifier */
	xkb_keysym_t keysym;
	enum oriel_action action;
	char *argument; /* guest name (or NULL), shell command, VT number; NULL for the others */
};

struct oriel_config {
	/* Each in the order of the file, the command line's guests last. */
	struct wl_list outputs; /* oriel_config_output.link */
	struct wl_list guests; /* oriel_config_guest.link */
	struct wl_list bindings; /* oriel_config_binding.link */

	/* ESCAPE and GRAB, whatever the file says: keys that come before the bindings. */
	struct wl_list chords; /* oriel_config_binding.link */

	/* No file was read: guests that are added get Super+1 to Super+9, in their order. */
	bool has_default_bindings;
};

/**
 * Make the configuration of who has no file: no outputs, no guests, and the default bindings
 * (Super+Shift+e quit, Super+q close, Super+g guest, Super+Return exec foot; Ctrl+Alt+g grab, Ctrl+Alt+Escape
 * escape).
 *
 * Returns NULL if memory ran out.
 */
struct oriel_config *oriel_config_create(void);

/**
 * Read a configuration file, of at most ORIEL_CONFIG_FILE_MAX_BYTES. There are no default
 * bindings in it.
 *
 * Returns NULL if the file cannot be read or is wrong: the first mistake is then in *ret_error,
 * one line for the caller to free, "PATH:LINE: expected …, got …" (without LINE if it is about
 * the whole file). Control characters in it are escaped. *ret_error is NULL if memory ran out
 * even for that, and is not written on success.
 *
 * Blocks as reading the file does. The process's stderr is /dev/null while libscfg parses (it
 * prints syntax errors, and has no other way to keep silent): call it before there are other
 * threads.
 */
struct oriel_config *oriel_config_load(const char *path, char **ret_error);

/**
 * Add a guest as --guest gives it: "NAME=SOURCE[,output=NAME]", SOURCE being DRIVER or
 * DRIVER:WHERE.
 *
 * Returns false and leaves the configuration as it was if that is wrong or the guest is there
 * already; *ret_error is as for oriel_config_load(), with --guest and the argument in place of
 * PATH:LINE.
 */
bool oriel_config_add_guest(struct oriel_config *config, const char *spec, char **ret_error);

/**
 * Free a configuration with all that is in it. NULL is fine.
 */
void oriel_config_destroy(struct oriel_config *config);

/**
 * Find the user's configuration file: the first that exists of $XDG_CONFIG_HOME/oriel/config,
 * $HOME/.config/oriel/config, /etc/xdg/oriel/config and /etc/oriel/config. It need not be readable.
 * A variable that is unset, empty or not an absolute path is passed over, as the XDG base directory
 * specification has it.
 *
 * Returns a path for the caller to free, or NULL if there is none (or memory ran out).
 */
char *oriel_config_find_path(void);

#endif
