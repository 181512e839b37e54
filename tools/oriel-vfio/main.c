/* oriel-vfio(1): hands a VFIO device's display to oriel, and becomes the QEMU that has the device. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "command.h"
#include "control.h"
#include "device.h"
#include "fd.h"
#include "say.h"

/* As a shell has it. */
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127

struct options {
	const char *name; /* NULL: by the command, or the device */
	const char *output;
	const char *display;
	bool has_no_input; /* oriel gets no connection to QEMU */
	const char *device;
	char **command;
	int command_length;
};

const char say_program[] = "oriel-vfio";

static void print_help(void) {
	printf("Usage: oriel-vfio [OPTION...] DEVICE -- COMMAND [ARGUMENT...]\n"
	       "Show the display of a VFIO device in oriel, and run the QEMU that uses the device.\n"
	       "\n"
	       "  --name NAME     the guest's name in oriel\n"
	       "  --output NAME   the output to show it on\n"
	       "  --display NAME  oriel's control socket (default: $ORIEL_DISPLAY or oriel-0)\n"
	       "  --no-input      give oriel no connection to QEMU, by which the machine has input\n"
	       "  -h, --help      print this and end\n"
	       "  --version       print the version and end\n"
	       "\n"
	       "DEVICE is /dev/vfio/devices/vfioN, an mdev's UUID or a device's path in /sys.\n");
}

enum {
	OPTION_DISPLAY = 256,
	OPTION_NAME,
	OPTION_NO_INPUT,
	OPTION_OUTPUT,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "display", required_argument, NULL, OPTION_DISPLAY },
	{ "help", no_argument, NULL, 'h' },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "no-input", no_argument, NULL, OPTION_NO_INPUT },
	{ "output", required_argument, NULL, OPTION_OUTPUT },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* Ends the program where there is nothing to run. */
static void options_parse(struct options *options, int argc, char *argv[]) {
	*options = (struct options){ 0 };
	int option;
	/* The options end at DEVICE: what follows is not ours. */
	while ((option = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		switch (option) {
		case OPTION_DISPLAY:
			options->display = optarg;
			break;
		case OPTION_NAME:
			options->name = optarg;
			break;
		case OPTION_NO_INPUT:
			options->has_no_input = true;
			break;
		case OPTION_OUTPUT:
			options->output = optarg;
			break;
		case OPTION_VERSION:
			printf("oriel-vfio " ORIEL_VERSION "\n");
			exit(EXIT_SUCCESS);
		case 'h':
			print_help();
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_FAILURE);
		}
	}
	if (argc - optind < 3 || strcmp(argv[optind + 1], "--") != 0) {
		say("expected DEVICE -- COMMAND [ARGUMENT...]; see oriel-vfio --help");
		exit(EXIT_FAILURE);
	}
	options->device = argv[optind];
	options->command = &argv[optind + 2];
	options->command_length = argc - optind - 2;
	if (options->display == NULL) {
		options->display = getenv("ORIEL_DISPLAY");
	}
	if (options->display == NULL || options->display[0] == '\0') {
		options->display = "oriel-0";
	}
}

/* False after a line. */
static bool hand_over(const char *display, const struct control_request *request) {
	struct control *control = control_open(display);
	if (control == NULL) {
		say("out of memory");
		return false;
	}
	control_ask(control, request);
	enum control_state state = control_wait(control);
	if (state != CONTROL_ACCEPTED) {
		say("%s%s", state == CONTROL_REFUSED ? "refused: " : "", control_get_reason(control));
	}
	control_close(control);
	return state == CONTROL_ACCEPTED;
}

/* The two ends of a connection to QEMU's monitor, or -1 each. */
struct monitor {
	int oriel_fd;
	int qemu_fd;
};

/* False after a line. */
static bool monitor_open(struct monitor *monitor) {
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		say("no socket for QEMU's monitor: %s", strerror(errno));
		return false;
	}
	monitor->oriel_fd = fds[0];
	monitor->qemu_fd = fds[1];
	return true;
}

static void monitor_close(struct monitor *monitor) {
	sb_fd_clear(&monitor->oriel_fd);
	sb_fd_clear(&monitor->qemu_fd);
}

static bool hand_over_device(
		const struct options *options, const struct device *device, int monitor_fd) {
	char *found_name = options->name == NULL ? arguments_find_name(options->command) : NULL;
	/* This process, which becomes the machine: exec keeps the process. */
	int process_fd = pidfd_open(getpid(), 0);
	bool is_accepted = false;
	if (process_fd < 0) {
		say("no pidfd: %s", strerror(errno));
	} else {
		const struct control_request request = {
			.guest_name = options->name != NULL  ? options->name
					: found_name != NULL ? found_name
							     : device->sysfs_name,
			.output_name = options->output,
			.kind = CONTROL_VFIO_DEVICE,
			.fd = device->fd,
			.monitor_fd = monitor_fd,
			.process_fd = process_fd,
		};
		is_accepted = hand_over(options->display, &request);
	}
	sb_fd_clear(&process_fd);
	free(found_name);
	return is_accepted;
}

static bool inherit(int fd) {
	if (fcntl(fd, F_SETFD, 0) != 0) {
		say("cannot pass a file on: %s", strerror(errno));
		return false;
	}
	return true;
}

/* Does not return on success. */
static int run(const struct options *options, const struct device *device, int monitor_fd) {
	char **command = command_add_device(options->command, device, monitor_fd);
	if (command == NULL) {
		say("out of memory");
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (inherit(device->fd) && inherit(device->iommufd_fd) &&
			(monitor_fd < 0 || inherit(monitor_fd))) {
		execvp(command[0], command);
		int error = errno;
		say("cannot run %s: %s", command[0], strerror(error));
		status = error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
	}
	command_free(command, options->command_length);
	return status;
}

int main(int argc, char *argv[]) {
	struct options options;
	options_parse(&options, argc, argv);
	struct device device;
	if (!device_open(&device, options.device)) {
		return EXIT_FAILURE;
	}
	struct monitor monitor = { .oriel_fd = -1, .qemu_fd = -1 };
	int status = EXIT_FAILURE;
	if (command_has_device(options.command, device.sysfs_name)) {
		say("the command has a -device vfio-pci for %s: leave it out, it is added",
				device.sysfs_name);
	} else if ((options.has_no_input || monitor_open(&monitor)) &&
			hand_over_device(&options, &device, monitor.oriel_fd) &&
			device_check_free(&device)) {
		/* In this order: oriel closes the device that the machine before had, if any. */
		status = run(&options, &device, monitor.qemu_fd);
	}
	monitor_close(&monitor);
	device_finish(&device);
	return status;
}
