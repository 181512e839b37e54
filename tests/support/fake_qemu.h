#ifndef ORIEL_TESTS_FAKE_QEMU_H
#define ORIEL_TESTS_FAKE_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include ORIEL_SD_BUS_HEADER

/*
 * A QEMU in the test's own process and event loop: a QMP monitor at a path, or on a socket that is
 * handed over, and behind its add_client a D-Bus display with consoles. It says what QEMU says, and
 * keeps what it is told; at any step it can be wrong.
 *
 * Memory that runs out ends the test.
 */
struct fake_qemu;
struct wl_event_loop;

#define FAKE_QEMU_CONSOLES_MAX 20

/* Where it can be wrong. */
enum fake_qemu_step {
	/* QMP */
	FAKE_QEMU_STEP_GREETING,
	FAKE_QEMU_STEP_CAPABILITIES,
	FAKE_QEMU_STEP_STATUS,
	FAKE_QEMU_STEP_GETFD,
	FAKE_QEMU_STEP_ADD_CLIENT,
	/* D-Bus */
	FAKE_QEMU_STEP_AUTH,
	FAKE_QEMU_STEP_VM, /* the properties of the machine */
	FAKE_QEMU_STEP_CONSOLE, /* those of a console */
	FAKE_QEMU_STEP_UI_INFO, /* SetUIInfo */
	FAKE_QEMU_STEP_LISTENER, /* RegisterListener */
	/* QMP, for the input of a machine without consoles */
	FAKE_QEMU_STEP_INPUT, /* input-send-event */
	FAKE_QEMU_STEP_MICE, /* query-mice */
	FAKE_QEMU_STEP_COUNT,
};

enum fake_qemu_fault {
	FAKE_QEMU_FAULT_NONE,
	FAKE_QEMU_FAULT_SILENT, /* it takes what comes and says nothing */
	FAKE_QEMU_FAULT_CLOSES, /* it closes that connection */
	FAKE_QEMU_FAULT_REFUSES, /* with an error; none at GREETING and AUTH */
	FAKE_QEMU_FAULT_GARBAGE, /* it answers what is no QMP or D-Bus, or of the wrong type */
	FAKE_QEMU_FAULT_UNSUPPORTED, /* with the error for what a device cannot do */
};

struct fake_qemu_console {
	uint32_t width, height, modifiers;
	bool is_absolute;
	int32_t touch_slots;
};

/*
 * Listens at path, if it is not NULL, and takes one client at a time, as QEMU does. One console of
 * 640x480 with a relative pointer and 10 touch slots.
 */
struct fake_qemu *fake_qemu_create(struct wl_event_loop *loop, const char *path);
/* NULL is fine. */
void fake_qemu_destroy(struct fake_qemu *qemu);

/* Stays until it is set to FAKE_QEMU_FAULT_NONE. */
void fake_qemu_set_fault(
		struct fake_qemu *qemu, enum fake_qemu_step step, enum fake_qemu_fault fault);

/* The numbers of its consoles, for who asks from now on. */
void fake_qemu_set_console_numbers(struct fake_qemu *qemu, const uint32_t *numbers, size_t count);
/* What a console is; who is connected is told what has changed. */
void fake_qemu_set_console(
		struct fake_qemu *qemu, unsigned number, const struct fake_qemu_console *console);

/* A machine that ends: it closes all, and listens no more. */
void fake_qemu_quit(struct fake_qemu *qemu);
/* One that is started again. */
void fake_qemu_start(struct fake_qemu *qemu);
void fake_qemu_close_monitor(struct fake_qemu *qemu);
void fake_qemu_close_display(struct fake_qemu *qemu);

/* The client's end of a connection, for who hands it over; the caller's. */
int fake_qemu_hand_over_monitor(struct fake_qemu *qemu);
int fake_qemu_hand_over_display(struct fake_qemu *qemu);

/* QMP: sends an event (STOP and RESUME are remembered, for query-status), or anything. */
void fake_qemu_send_event(struct fake_qemu *qemu, const char *name);
void fake_qemu_send_monitor(struct fake_qemu *qemu, const char *bytes, size_t size_bytes);

/* D-Bus: reads nothing more while it is frozen. */
void fake_qemu_freeze(struct fake_qemu *qemu, bool is_frozen);
/* The connection, for more objects and for signals; NULL: none. After sending, flush. */
sd_bus *fake_qemu_get_bus(struct fake_qemu *qemu);
void fake_qemu_flush(struct fake_qemu *qemu);
/* Called with each new connection, before the handshake. */
void fake_qemu_set_bus_handler(
		struct fake_qemu *qemu, void (*handler)(void *data, sd_bus *bus), void *data);
/* Answers the SetUIInfo that came while it was silent. False: none did. */
bool fake_qemu_answer_ui_info(struct fake_qemu *qemu);

/*
 * The socket of the last RegisterListener for that console since the last call, which is the caller's,
 * or -1. QEMU is the server of the handshake there.
 */
int fake_qemu_take_listener(struct fake_qemu *qemu, unsigned number);

/*
 * QMP: answers the input-send-event that came while it was silent, or, as that fails in a stopped machine,
 * refuses it. False: none did.
 */
bool fake_qemu_answer_input(struct fake_qemu *qemu);

/*
 * The calls that came for consoles since the last call of this, a line each: "0 Keyboard.Press 30". One
 * that wants an answer ends in " ?". Properties asked for are left out. QMP's input-send-event is one,
 * too, with its events: "QMP abs x 1, abs y 2"; and query-mice is "QMP mice". Valid until the next call.
 */
const char *fake_qemu_take_calls(struct fake_qemu *qemu);

/* Clients of the monitor that there ever were, and connections to the display. */
unsigned fake_qemu_get_monitor_count(const struct fake_qemu *qemu);
unsigned fake_qemu_get_display_count(const struct fake_qemu *qemu);

#endif
