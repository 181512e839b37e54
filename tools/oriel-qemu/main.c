/* oriel-qemu(1): runs QEMU with the display that oriel shows, and hands that to each oriel there is. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arguments.h"
#include "command.h"
#include "control.h"
#include "fd.h"
#include "hand_over.h"
#include "machine.h"
#include "monitor.h"
#include "say.h"

/* As a shell has it. */
#define STATUS_SIGNAL 128

/* How often an oriel is looked for that has ended. */
#define RETRY_MS 1000

struct options {
	const char *name; /* NULL: by the command */
	const char *output;
	const char *display;
	bool wants_gl;
	char **command;
};

const char say_program[] = "oriel-qemu";

static void print_help(void) {
	printf("Usage: oriel-qemu [OPTION...] -- COMMAND [ARGUMENT...]\n"
	       "Run a QEMU whose machine is shown by oriel.\n"
	       "\n"
	       "  --name NAME     the guest's name in oriel\n"
	       "  --output NAME   the output to show it on\n"
	       "  --display NAME  oriel's control socket (default: $ORIEL_DISPLAY or oriel-0)\n"
	       "  --gl            let QEMU use OpenGL: pictures stay in the GPU's memory\n"
	       "  -h, --help      print this and end\n"
	       "  --version       print the version and end\n"
	       "\n"
	       "COMMAND is qemu-system-x86_64 or another of QEMU's, without -display.\n");
}

enum {
	OPTION_DISPLAY = 256,
	OPTION_GL,
	OPTION_NAME,
	OPTION_OUTPUT,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "display", required_argument, NULL, OPTION_DISPLAY },
	{ "gl", no_argument, NULL, OPTION_GL },
	{ "help", no_argument, NULL, 'h' },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "output", required_argument, NULL, OPTION_OUTPUT },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Ends the program where there is nothing to run. */
static void options_parse(struct options *options, int argc, char *argv[]) {
	*options = (struct options){ 0 };
	int option;
	/* The options end at COMMAND: what follows is not ours. */
	while ((option = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		switch (option) {
		case OPTION_DISPLAY:
			options->display = optarg;
			break;
		case OPTION_GL:
			options->wants_gl = true;
			break;
		case OPTION_NAME:
			options->name = optarg;
			break;
		case OPTION_OUTPUT:
			options->output = optarg;
			break;
		case OPTION_VERSION:
			printf("oriel-qemu " ORIEL_VERSION "\n");
			exit(EXIT_SUCCESS);
		case 'h':
			print_help();
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_FAILURE);
		}
	}
	if (optind >= argc || strcmp(argv[optind - 1], "--") != 0) {
		say("expected -- COMMAND [ARGUMENT...]; see oriel-qemu --help");
		exit(EXIT_FAILURE);
	}
	options->command = &argv[optind];
	if (options->display == NULL) {
		options->display = getenv("ORIEL_DISPLAY");
	}
	if (options->display == NULL || options->display[0] == '\0') {
		options->display = "oriel-0";
	}
}

/* A machine that runs is told what we are told; one that waits for oriel need not run any more. */
static const int forwarded_signals[] = { SIGHUP, SIGINT, SIGTERM };

/* A fd that becomes readable with the signals, or -1 after a line. ret_mask: what was before. */
static int catch_signals(sigset_t *ret_mask) {
	sigset_t mask;
	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(forwarded_signals) / sizeof(forwarded_signals[0]); i++) {
		sigaddset(&mask, forwarded_signals[i]);
	}
	int fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0) {
		say("no signals: %s", strerror(errno));
		return -1;
	}
	sigaddset(&mask, SIGPIPE);
	sigprocmask(SIG_BLOCK, &mask, ret_mask);
	return fd;
}

/* 0 if there was none after all. */
static int take_signal(int signal_fd) {
	struct signalfd_siginfo info;
	return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* --- before it runs --------------------------------------------------------------------------- */

/* Asks oriel for a place, and lets the machine run. False, with a status, if it does not. */
static bool let_run(struct hand_over *hand_over, struct machine *machine, int signal_fd,
		int *ret_status) {
	enum control_state state = hand_over_begin(hand_over) ? CONTROL_WAITING : CONTROL_ENDED;
	int signal_number = 0;
	while (state == CONTROL_WAITING && signal_number == 0) {
		struct pollfd pollfds[] = {
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = hand_over_get_fd(hand_over), .events = POLLIN },
		};
		poll(pollfds, 2, -1);
		signal_number = take_signal(signal_fd);
		state = hand_over_dispatch(hand_over);
	}
	if (state == CONTROL_ACCEPTED && signal_number == 0) {
		machine_release(machine);
		return true;
	}
	if (signal_number == 0) {
		say("%s", hand_over->reason);
	}
	machine_drop(machine);
	*ret_status = signal_number != 0 ? STATUS_SIGNAL + signal_number : EXIT_FAILURE;
	return false;
}

/* --- while it runs ---------------------------------------------------------------------------- */

/* is_away_said: since oriel was there last. */
static void keep_shown(struct hand_over *hand_over, bool *is_away_said) {
	bool was_waiting = hand_over->control != NULL &&
			control_get_state(hand_over->control) == CONTROL_WAITING;
	enum control_state state;
	if (hand_over->control != NULL) {
		state = hand_over_dispatch(hand_over);
	} else {
		state = hand_over_begin(hand_over) ? CONTROL_WAITING : CONTROL_ENDED;
	}
	if (state == CONTROL_ACCEPTED) {
		*is_away_said = false;
	} else if (state == CONTROL_ENDED && !*is_away_said) {
		*is_away_said = true;
		say("%s; the machine goes on, and is shown again when oriel is there",
				hand_over->reason);
	} else if (state == CONTROL_REFUSED && was_waiting) {
		say("%s; oriel is asked again when it has been started again", hand_over->reason);
	}
}

static int supervise(struct hand_over *hand_over, struct machine *machine, int signal_fd) {
	bool is_away_said = false;
	for (;;) {
		struct pollfd pollfds[] = {
			{ .fd = machine->process_fd, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = hand_over_get_fd(hand_over), .events = POLLIN },
		};
		poll(pollfds, 3, hand_over->control == NULL ? RETRY_MS : -1);
		if (pollfds[0].revents != 0) {
			return machine_wait(machine);
		}
		if (pollfds[1].revents != 0) {
			int signal_number = take_signal(signal_fd);
			if (signal_number != 0) {
				machine_signal(machine, signal_number);
			}
		} else {
			keep_shown(hand_over, &is_away_said);
		}
	}
}

static int run(const struct options *options, const char *name, const struct monitor *monitor,
		const struct command *command) {
	sigset_t mask;
	int signal_fd = catch_signals(&mask);
	struct machine machine;
	if (signal_fd < 0 || !machine_start(&machine, command->argv, monitor->listen_fd, &mask)) {
		sb_fd_clear(&signal_fd);
		return EXIT_FAILURE;
	}
	struct hand_over hand_over;
	int status;
	hand_over_init(&hand_over, options->display, name, options->output, &machine, monitor);
	if (let_run(&hand_over, &machine, signal_fd, &status)) {
		status = supervise(&hand_over, &machine, signal_fd);
	}
	hand_over_finish(&hand_over);
	sb_fd_clear(&signal_fd);
	return status;
}

int main(int argc, char *argv[]) {
	struct options options;
	options_parse(&options, argc, argv);
	char reason[COMMAND_REASON_SIZE];
	if (!command_check(options.command, options.wants_gl, reason)) {
		say("%s", reason);
		return EXIT_FAILURE;
	}
	struct monitor monitor;
	if (!monitor_open(&monitor)) {
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	struct command command;
	if (command_init(&command, options.command, options.wants_gl, monitor.listen_fd)) {
		char *found_name = options.name == NULL ? arguments_find_name(options.command) : NULL;
		const char *name = options.name != NULL ? options.name
				: found_name != NULL	? found_name
							: "qemu";
		status = run(&options, name, &monitor, &command);
		free(found_name);
		command_finish(&command);
	} else {
		say("out of memory");
	}
	monitor_close(&monitor);
	return status;
}
