#ifndef ORIEL_TOOLS_ARGUMENTS_H
#define ORIEL_TOOLS_ARGUMENTS_H

#include <stdbool.h>

/*
 * The command line of QEMU, as far as it matters to more than one program. argv ends with NULL. Pure
 * functions, but for memory.
 */

/* True for -OPTION and --OPTION, which are the same to QEMU. */
bool argument_is_option(const char *argument, const char *option);

/*
 * The machine's name, as -name gives it (NAME or guest=NAME among other things). For free(); NULL if
 * there is none, or it could not be the name of a guest in oriel.
 */
char *arguments_find_name(char *const argv[]);

int arguments_count(char *const argv[]);

#endif
