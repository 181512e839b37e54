#include "hand_over.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "fd.h"
#include "machine.h"
#include "monitor.h"

void hand_over_init(struct hand_over *hand_over, const char *display, const char *guest_name,
		const char *output_name, const struct machine *machine,
		const struct monitor *monitor) {
	*hand_over = (struct hand_over){
		.display = display,
		.monitor = monitor,
		.request = {
			.kind = CONTROL_QEMU_QMP,
			.guest_name = guest_name,
			.output_name = output_name,
			.fd = -1,
			.monitor_fd = -1,
			.process_fd = machine->process_fd,
		},
	};
}

void hand_over_finish(struct hand_over *hand_over) {
	sb_fd_clear(&hand_over->request.fd);
	control_close(hand_over->control);
	hand_over->control = NULL;
}

static enum control_state hand_over_end(struct hand_over *hand_over, const char *reason) {
	snprintf(hand_over->reason, sizeof(hand_over->reason), "%s", reason);
	hand_over_finish(hand_over);
	return CONTROL_ENDED;
}

bool hand_over_begin(struct hand_over *hand_over) {
	hand_over->control = control_open(hand_over->display);
	if (hand_over->control == NULL) {
		hand_over_end(hand_over, "out of memory");
		return false;
	}
	if (control_get_state(hand_over->control) == CONTROL_ENDED) {
		hand_over_end(hand_over, control_get_reason(hand_over->control));
		return false;
	}
	hand_over->request.fd = monitor_connect(hand_over->monitor);
	if (hand_over->request.fd < 0) {
		char reason[128];
		snprintf(reason, sizeof(reason), "no connection to QEMU's monitor: %s",
				strerror(errno));
		hand_over_end(hand_over, reason);
		return false;
	}
	control_ask(hand_over->control, &hand_over->request);
	return true;
}

int hand_over_get_fd(const struct hand_over *hand_over) {
	return hand_over->control != NULL ? control_get_fd(hand_over->control) : -1;
}

enum control_state hand_over_dispatch(struct hand_over *hand_over) {
	enum control_state state = control_dispatch(hand_over->control);
	if (state == CONTROL_WAITING) {
		return state;
	} else if (state == CONTROL_ENDED) {
		return hand_over_end(hand_over, control_get_reason(hand_over->control));
	} else if (state == CONTROL_REFUSED) {
		snprintf(hand_over->reason, sizeof(hand_over->reason), "refused: %s",
				control_get_reason(hand_over->control));
	}
	/* The connection is oriel's alone, so that QEMU sees it end with oriel. */
	sb_fd_clear(&hand_over->request.fd);
	return state;
}
