#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond any character: what getopt_long() gives for options that have no letter. */
enum options_long {
	OPTIONS_LONG_VALIDATE = 256,
	OPTIONS_LONG_GUEST,
	OPTIONS_LONG_VERSION,
};

/*
 * '+': stop at the first argument that is no option. ':': tell a missing argument from an unknown
 * option.
 */
static const char options_letters[] = "+:c:s:dh";

static const struct option options_names[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "validate", no_argument, NULL, OPTIONS_LONG_VALIDATE },
	{ "guest", required_argument, NULL, OPTIONS_LONG_GUEST },
	{ "session", required_argument, NULL, 's' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTIONS_LONG_VERSION },
	{ 0 },
};

static const char options_help[] =
		"Usage: oriel [OPTION]...\n"
		"       oriel doctor qemu  says what this host lacks to show QEMU's machines\n"
		"A Wayland compositor whose windows look into virtual machines.\n"
		"\n"
		"  -c, --config FILE     read FILE instead of the user's configuration\n"
		"      --validate        check the configuration and the guests, then end\n"
		"      --guest NAME=SOURCE[,output=NAME]\n"
		"                        show a guest, may be given several times; SOURCE is\n"
		"                          qemu:WHERE  a machine of QEMU's: the path of its\n"
		"                            QMP socket, or handover for one by oriel-qemu\n"
		"                          synthetic[:WIDTHxHEIGHT]  a picture of our own\n"
		"                          vfio:WHERE  a VFIO device: its path\n"
		"                            /dev/vfio/devices/vfioN, an mdev's UUID or sysfs\n"
		"                            path, fd:N for an inherited file, or handover\n"
		"                            for one by oriel-vfio\n"
		"  -s, --session CMD     run a shell command in the session\n"
		"  -d, --debug           log everything\n"
		"  -h, --help            print this and end\n"
		"      --version         print the version and end\n"
		"\n"
		"See oriel(1), and oriel(5) for the configuration.\n";

static enum oriel_options_result options_fail(const char *format, ...)
		__attribute__((format(printf, 1, 2)));

static enum oriel_options_result options_fail(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fputs("oriel: ", stderr);
	vfprintf(stderr, format, args);
	fputs(" (see oriel --help)\n", stderr);
	va_end(args);
	return ORIEL_OPTIONS_EXIT_FAILURE;
}

static enum oriel_options_result options_fail_memory(void) {
	fputs("oriel: out of memory\n", stderr);
	return ORIEL_OPTIONS_EXIT_FAILURE;
}

static enum oriel_options_result options_print(const char *text) {
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
		fprintf(stderr, "oriel: cannot write to stdout: %s\n", strerror(errno));
		return ORIEL_OPTIONS_EXIT_FAILURE;
	}
	return ORIEL_OPTIONS_EXIT_OK;
}

/* The rest return ORIEL_OPTIONS_RUN to go on. */

static enum oriel_options_result options_set_string(
		char **string, const char *name, const char *value) {
	if (*string != NULL) {
		return options_fail("expected one \"%s\", got \"%s\" as well", name, value);
	}
	if (value[0] == '\0') {
		return options_fail("expected an argument to \"%s\", got an empty one", name);
	}
	*string = strdup(value);
	return *string != NULL ? ORIEL_OPTIONS_RUN : options_fail_memory();
}

static enum oriel_options_result options_add_guest(struct oriel_options *options, const char *spec) {
	char **guests = realloc(options->guests, (options->guest_count + 1) * sizeof(*guests));
	if (guests == NULL) {
		return options_fail_memory();
	}
	options->guests = guests;
	guests[options->guest_count] = strdup(spec);
	if (guests[options->guest_count] == NULL) {
		return options_fail_memory();
	}
	options->guest_count++;
	return ORIEL_OPTIONS_RUN;
}

/*
 * word is the last argument that getopt_long() has done with: an unknown letter's may have more
 * letters.
 */
static enum oriel_options_result options_fail_unknown(const char *word) {
	/* An option that exists is refused only for a value that its long name was given. */
	if (optopt >= 256 || (optopt != 0 && strchr("csdh", optopt) != NULL)) {
		return options_fail("expected no argument, got \"%s\"", word);
	} else if (optopt != 0) {
		return options_fail("expected an option, got \"-%c\"", optopt);
	}
	return options_fail("expected an option, got \"%s\"", word);
}

static enum oriel_options_result options_read_one(
		struct oriel_options *options, int option, const char *word) {
	switch (option) {
	case 'c':
		return options_set_string(&options->config_path, "-c", optarg);
	case 's':
		return options_set_string(&options->session_command, "-s", optarg);
	case 'd':
		options->debug = true;
		return ORIEL_OPTIONS_RUN;
	case 'h':
		return options_print(options_help);
	case OPTIONS_LONG_VALIDATE:
		options->validate = true;
		return ORIEL_OPTIONS_RUN;
	case OPTIONS_LONG_GUEST:
		return options_add_guest(options, optarg);
	case OPTIONS_LONG_VERSION:
		return options_print("oriel " ORIEL_VERSION "\n");
	case ':':
		return options_fail("expected an argument after \"%s\", got none", word);
	default:
		return options_fail_unknown(word);
	}
}

enum oriel_options_result oriel_options_parse(int argc, char *argv[], struct oriel_options *options) {
	struct oriel_options parsed = { 0 };
	enum oriel_options_result result = ORIEL_OPTIONS_RUN;

	/* Not 1: getopt may be in the middle of an argument of an earlier call. */
	optind = 0;
	opterr = 0;
	while (result == ORIEL_OPTIONS_RUN) {
		int option = getopt_long(argc, argv, options_letters, options_names, NULL);
		if (option == -1) {
			break;
		}
		result = options_read_one(&parsed, option, argv[optind - 1]);
	}
	if (result == ORIEL_OPTIONS_RUN && optind < argc) {
		result = options_fail("expected an option, got \"%s\"", argv[optind]);
	}

	if (result != ORIEL_OPTIONS_RUN) {
		oriel_options_finish(&parsed);
		return result;
	}
	*options = parsed;
	return result;
}

void oriel_options_finish(struct oriel_options *options) {
	free(options->config_path);
	free(options->session_command);
	for (size_t i = 0; i < options->guest_count; i++) {
		free(options->guests[i]);
	}
	free(options->guests);
	*options = (struct oriel_options){ 0 };
}
