#ifndef ORIEL_CONFIG_EDID_H
#define ORIEL_CONFIG_EDID_H

#include <stdbool.h>
#include <stddef.h>

struct oriel_config_guest;
struct oriel_config_reader;

/*
 * The key edid of a guest: follow, none, WIDTHxHEIGHT[@HZ] or file PATH, as words. The file is read
 * now. Returns false after failing.
 */
bool oriel_config_edid_read(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		char *const *words, size_t word_count);

#endif
