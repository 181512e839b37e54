#ifndef ORIEL_CONFIG_SYNTAX_H
#define ORIEL_CONFIG_SYNTAX_H

#include <stdbool.h>

struct oriel_config_reader;
struct scfg_block;

/*
 * Read the file at reader->place as scfg. On success *ret_block is the caller's, for
 * scfg_block_finish(). Otherwise the reader has failed, with the line of the mistake.
 */
bool oriel_config_syntax_read(struct oriel_config_reader *reader, struct scfg_block *ret_block);

#endif
