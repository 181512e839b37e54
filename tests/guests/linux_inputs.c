#include "linux_inputs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "linux_say.h"

static struct input {
	int fd;
	char name[16];
} inputs[INPUTS_MAX];
static int input_count;

/* The last word of its name, in small letters. */
static void input_get_name(struct input *input) {
	char name[128] = "";
	if (ioctl(input->fd, EVIOCGNAME(sizeof(name) - 1), name) < 0) {
		give_up("EVIOCGNAME");
	}
	const char *word = strrchr(name, ' ');
	word = word != NULL ? word + 1 : name;
	for (size_t i = 0; i < sizeof(input->name) - 1 && word[i] != '\0'; i++) {
		input->name[i] = (char)tolower((unsigned char)word[i]);
	}
}

static void input_say_ranges(const struct input *input) {
	uint8_t axes[ABS_CNT / 8 + 1] = { 0 };
	ioctl(input->fd, EVIOCGBIT(EV_ABS, sizeof(axes)), axes);
	for (int code = 0; code < ABS_CNT; code++) {
		struct input_absinfo info;
		if ((axes[code / 8] >> code % 8 & 1) &&
				ioctl(input->fd, EVIOCGABS(code), &info) == 0) {
			say("range %s %d %d %d", input->name, code, info.minimum, info.maximum);
		}
	}
}

void inputs_open(void) {
	struct dirent **entries;
	int count = scandir("/dev/input", &entries, NULL, versionsort);
	for (int i = 0; i < count; i++) {
		char path[300];
		snprintf(path, sizeof(path), "/dev/input/%s", entries[i]->d_name);
		bool is_device = strncmp(entries[i]->d_name, "event", strlen("event")) == 0;
		free(entries[i]);
		if (!is_device || input_count == INPUTS_MAX) {
			continue;
		}
		struct input *input = &inputs[input_count++];
		input->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (input->fd < 0) {
			give_up(path);
		}
		input_get_name(input);
		say("device %s", input->name);
		input_say_ranges(input);
	}
	if (count >= 0) {
		free(entries);
	}
}

int inputs_fill(struct pollfd fds[]) {
	for (int i = 0; i < input_count; i++) {
		fds[i] = (struct pollfd){ .fd = inputs[i].fd, .events = POLLIN };
	}
	return input_count;
}

void inputs_handle(const struct pollfd fds[]) {
	for (int i = 0; i < input_count; i++) {
		struct input_event event;
		while (fds[i].revents != 0 &&
				read(inputs[i].fd, &event, sizeof(event)) == (ssize_t)sizeof(event)) {
			say("%s %d %d %d", inputs[i].name, event.type, event.code, event.value);
		}
	}
}

bool inputs_set_led(int code, bool is_on) {
	const struct input_event events[] = {
		{ .type = EV_LED, .code = (uint16_t)code, .value = is_on },
		{ .type = EV_SYN, .code = SYN_REPORT },
	};
	for (int i = 0; i < input_count; i++) {
		if (strcmp(inputs[i].name, "keyboard") == 0) {
			return write(inputs[i].fd, events, sizeof(events)) == (ssize_t)sizeof(events);
		}
	}
	return false;
}
