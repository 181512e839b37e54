#ifndef ORIEL_OPTIONS_H
#define ORIEL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* The command line of oriel(1). Guests are kept as given; oriel_config_add_guest() reads them. */
struct oriel_options {
	char *config_path; /* NULL: look for one */
	bool validate; /* check the configuration and the guests, then end */
	bool debug; /* log everything */
	char *session_command; /* for /bin/sh -c; may be NULL */
	char **guests; /* in order; NULL if there are none */
	size_t guest_count;
};

enum oriel_options_result {
	ORIEL_OPTIONS_RUN,
	ORIEL_OPTIONS_EXIT_OK, /* all was said on stdout: end with status 0 */
	ORIEL_OPTIONS_EXIT_FAILURE, /* one line was printed to stderr: end with status 1 */
};

/**
 * Read the command line. Help and the version go to stdout, a mistake is one line on stderr. argv
 * is not reordered. Uses getopt(3) and its globals.
 *
 * *options is written for ORIEL_OPTIONS_RUN only, and is then for oriel_options_finish(). It
 * shares no memory with argv.
 */
enum oriel_options_result oriel_options_parse(int argc, char *argv[], struct oriel_options *options);

/**
 * Free what options hold, and leave them empty.
 */
void oriel_options_finish(struct oriel_options *options);

#endif
