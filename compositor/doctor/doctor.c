#include "doctor/doctor.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "doctor/machine.h"
#include "doctor/qemu.h"
#include "doctor/qemu_probe.h"
#include "doctor/report.h"

/* How long a program or a monitor may take to answer. QEMU takes a tenth of a second. */
#define DEFAULT_TIMEOUT_S 10
#define TIMEOUT_MAX_S 600

struct options {
	const char *program; /* NULL: look for one */
	const char *monitor; /* the path of a machine's QMP monitor; NULL: none */
	int timeout_s;
};

enum {
	OPTION_QEMU = 256,
	OPTION_TIMEOUT,
};

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "qemu", required_argument, NULL, OPTION_QEMU },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ 0 },
};

static const char help[] =
		"Usage: oriel doctor qemu [OPTION]... [MONITOR]\n"
		"Say what this host lacks for oriel to show QEMU's machines, and what to do about it.\n"
		"\n"
		"  qemu                  the doctor for machines of QEMU's; there is no other\n"
		"      --qemu PROGRAM    the QEMU to ask: a path, or a name in PATH\n"
		"      --timeout SECONDS how long each answer may take (default: 10)\n"
		"  -h, --help            print this and end\n"
		"\n"
		"MONITOR is the path of a QMP socket, and the machine there is looked at, too.\n"
		"The status is 0 if nothing essential is missing. See oriel(1).\n";

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...) {
	va_list args;
	va_start(args, format);
	fputs("oriel doctor: ", stderr);
	vfprintf(stderr, format, args);
	fputs(" (see oriel doctor --help)\n", stderr);
	va_end(args);
	return EXIT_FAILURE;
}

/* Whether what was printed has reached somebody, for the exit status. */
static int finish(int status) {
	if (fflush(stdout) == EOF || ferror(stdout)) {
		fprintf(stderr, "oriel doctor: cannot write to stdout: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	return status;
}

static bool parse_timeout(const char *text, int *ret_timeout_s) {
	char *end;
	errno = 0;
	long timeout_s = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || timeout_s < 1 ||
			timeout_s > TIMEOUT_MAX_S) {
		return false;
	}
	*ret_timeout_s = (int)timeout_s;
	return true;
}

static int run_qemu(const struct options *options) {
	static struct oriel_doctor_qemu_probe probe;
	struct oriel_doctor_report report = { 0 };
	oriel_doctor_qemu_probe(&probe, options->program, options->timeout_s * 1000);
	oriel_doctor_qemu_judge(&probe.facts, &report);
#if ORIEL_HAVE_QEMU
	if (options->monitor != NULL) {
		static struct oriel_doctor_machine_facts machine;
		oriel_doctor_machine_probe(&machine, options->monitor, options->timeout_s * 1000);
		oriel_doctor_machine_judge(&machine, &report);
	}
#endif
	struct utsname host;
	uname(&host);
	printf("oriel " ORIEL_VERSION " on %s %s %s\n\n", host.sysname, host.release, host.machine);
	oriel_doctor_report_print(&report, stdout);
	size_t missing = oriel_doctor_report_count(&report, ORIEL_DOCTOR_MISSING);
	if (missing > 0) {
		printf("\nMissing: %zu of what has to be there to show a machine of QEMU's.\n",
				missing);
	} else {
		printf("\nMachines of QEMU's can be shown.\n");
	}
	return missing > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int oriel_doctor_main(int argc, char *argv[]) {
	struct options options = { .timeout_s = DEFAULT_TIMEOUT_S };
	optind = 0;
	opterr = 0;
	int option;
	/* Not '+': options may stand before and behind the words. */
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(help, stdout);
			return finish(EXIT_SUCCESS);
		case OPTION_QEMU:
			options.program = optarg;
			break;
		case OPTION_TIMEOUT:
			if (!parse_timeout(optarg, &options.timeout_s)) {
				return fail("expected 1 to %d seconds, got \"%s\"", TIMEOUT_MAX_S,
						optarg);
			}
			break;
		case ':':
			return fail("expected an argument after \"%s\", got none", argv[optind - 1]);
		default:
			return fail("expected an option, got \"%s\"", argv[optind - 1]);
		}
	}
	if (optind == argc) {
		fputs(help, stdout);
		return finish(EXIT_SUCCESS);
	}
	if (strcmp(argv[optind], "qemu") != 0) {
		return fail("expected \"qemu\", got \"%s\"", argv[optind]);
	}
	if (argc - optind > 2) {
		return fail("expected one MONITOR, got \"%s\" as well", argv[optind + 2]);
	}
	options.monitor = argv[optind + 1];
	if (options.monitor != NULL && !ORIEL_HAVE_QEMU) {
		return fail("this oriel is built without the qemu driver, and cannot ask a machine");
	}
	/* A program that does not read what it is told, or a monitor that hangs up. */
	signal(SIGPIPE, SIG_IGN);
	return finish(run_qemu(&options));
}
