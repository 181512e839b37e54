#ifndef ORIEL_CONFIG_SYNTAX_H
#define ORIEL_CONFIG_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

struct oriel_config_reader;
struct scfg_block;
struct scfg_directive;

/*
 * Read the file at reader->place as scfg. On success *ret_block is the caller's, for
 * scfg_block_finish(). Otherwise the reader has failed, with the line of the mistake.
 */
bool oriel_config_syntax_read(struct oriel_config_reader *reader, struct scfg_block *ret_block);

/*
 * What a directive may look like; each returns false after failing. usage is how it is written, for
 * the message.
 */
bool oriel_config_directive_has_params(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, size_t min, size_t max, const char *usage);
/* The same, for one that takes no block. */
bool oriel_config_directive_is_plain(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, size_t min, size_t max, const char *usage);
/* Each key of a block is given once at most. */
bool oriel_config_directive_is_first(struct oriel_config_reader *reader,
		const struct scfg_block *block, const struct scfg_directive *directive);

#endif
