#ifndef ORIEL_CONFIG_READER_H
#define ORIEL_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xkbcommon/xkbcommon.h>

#include "config.h"

/*
 * Between the files of the configuration, and for nobody else: what is being read, the one
 * message that may come of it, and the steps that the file (config_guest.c) and --guest (config.c)
 * have in common.
 *
 * What a step has half made is on the configuration's lists already and goes with it.
 */

#define ORIEL_CONFIG_NAME_RULE "a name of 1 to 63 bytes without space, \"=\" and \",\""
_Static_assert(ORIEL_CONFIG_NAME_MAX == 63, "ORIEL_CONFIG_NAME_RULE says so");

struct oriel_config_reader {
	struct oriel_config *config;
	const char *place; /* the file's path, or --guest and its argument */
	int line; /* 0: the place has no lines, or the whole of it is meant */
	char **ret_error; /* written by the first failure, which is the last */
};

/* Make the message, one line. Returns false, so that a step can end with it. */
bool oriel_config_reader_fail(struct oriel_config_reader *reader, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
bool oriel_config_reader_fail_memory(struct oriel_config_reader *reader);

/*
 * Reads a file from where it is on, at most size bytes of it: fewer only at its end. False with
 * errno set.
 */
bool oriel_config_read_file(int fd, void *data, size_t size, size_t *ret_size);

/* Without any bindings, and with the default chords. Returns NULL if memory ran out. */
struct oriel_config *oriel_config_create_empty(void);

/* Returns NULL if there is none. */
struct oriel_config_guest *oriel_config_get_guest(struct oriel_config *config, const char *name);

/* Without an argument if argument is NULL. Returns NULL if memory ran out. */
struct oriel_config_binding *oriel_config_add_binding(struct oriel_config *config, uint32_t modifiers,
		xkb_keysym_t keysym, enum oriel_action action, const char *argument);

/* Returns NULL after failing if the name is wrong or taken. The guest has no source yet. */
struct oriel_config_guest *oriel_config_reader_add_guest(
		struct oriel_config_reader *reader, const char *name);

/* where may be NULL. Checked is what it looks like; whether it is there is the driver's to say. */
bool oriel_config_reader_set_source(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *driver, const char *where);

bool oriel_config_reader_set_output(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *output_name);

/* The input of a guest, whose source is set, that nothing is said about the input of. */
bool oriel_config_reader_set_default_input(
		struct oriel_config_reader *reader, struct oriel_config_guest *guest);

#endif
