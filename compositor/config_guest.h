#ifndef ORIEL_CONFIG_GUEST_H
#define ORIEL_CONFIG_GUEST_H

#include <stdbool.h>

struct oriel_config_reader;
struct scfg_directive;

/* The directive guest of the file, with its block. Returns false after failing. */
bool oriel_config_guest_read(
		struct oriel_config_reader *reader, const struct scfg_directive *directive);

#endif
