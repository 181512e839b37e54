#ifndef ORIEL_GUEST_QEMU_CONSOLE_H
#define ORIEL_GUEST_QEMU_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct oriel_guest_monitor;
struct oriel_qemu_machine;

/*
 * One console of a machine: a head of a display device, with the keyboard, pointer and touch screen
 * that belong to it. QEMU's objects are /org/qemu/Display1/Console_N. Console 0 of a machine that has
 * none, as far as QEMU shows it, is there for its input, which is QMP's business then.
 *
 * What is told to a console that is not there is dropped. What it is told while QEMU does not read is
 * bounded: beyond that, what can be left out is, and of a key or a button the release never is.
 */
struct oriel_qemu_console {
	/* As QEMU says; read only. All 0 while it is not there. */
	bool is_there;
	int width, height; /* pixels of its surface, or what places are told in; 0: none */
	bool is_absolute; /* the pointer is moved to places, and not by distances */
	bool has_leds; /* QEMU says how they are */
	uint32_t leds; /* enum oriel_qemu_led */
	int touch_slots; /* of a touch screen that QEMU could have; does not say that the guest has one */

	struct {
		struct wl_signal change; /* NULL: of what is above */
	} events;
};

enum oriel_qemu_led {
	ORIEL_QEMU_LED_SCROLL = 1 << 0,
	ORIEL_QEMU_LED_NUM = 1 << 1,
	ORIEL_QEMU_LED_CAPS = 1 << 2,
};

enum oriel_qemu_button {
	ORIEL_QEMU_BUTTON_LEFT,
	ORIEL_QEMU_BUTTON_MIDDLE,
	ORIEL_QEMU_BUTTON_RIGHT,
	ORIEL_QEMU_BUTTON_WHEEL_UP,
	ORIEL_QEMU_BUTTON_WHEEL_DOWN,
	ORIEL_QEMU_BUTTON_SIDE,
	ORIEL_QEMU_BUTTON_EXTRA,
	/* Of QEMU's devices the PS/2 mouse alone takes these two; the others are silent about it. */
	ORIEL_QEMU_BUTTON_WHEEL_LEFT,
	ORIEL_QEMU_BUTTON_WHEEL_RIGHT,
};

enum oriel_qemu_touch {
	ORIEL_QEMU_TOUCH_BEGIN,
	ORIEL_QEMU_TOUCH_UPDATE,
	ORIEL_QEMU_TOUCH_END,
	ORIEL_QEMU_TOUCH_CANCEL,
};

struct oriel_qemu_machine *oriel_qemu_console_get_machine(const struct oriel_qemu_console *console);
unsigned oriel_qemu_console_get_number(const struct oriel_qemu_console *console);

/*
 * Lets QEMU show the console to a listener at the other end of take_fd, one of a socket pair (see
 * guest/qemu/listener.h). done is called once, with whether QEMU took it, unless
 * oriel_qemu_console_forget() comes first. False if nothing was sent, and done is not called.
 */
typedef void (*oriel_qemu_console_done)(void *data, bool is_ok);
bool oriel_qemu_console_register_listener(struct oriel_qemu_console *console, int take_fd,
		oriel_qemu_console_done done, void *data);
void oriel_qemu_console_forget(struct oriel_qemu_console *console, void *data);

/*
 * What shows the console has come to be monitor, or NULL: nothing does, and the head is unplugged. The
 * guest is told of the last of several changes within 100 ms, and of one at a time; and again, of the
 * last one, when the machine is back.
 */
void oriel_qemu_console_set_monitor(
		struct oriel_qemu_console *console, const struct oriel_guest_monitor *monitor);

/*
 * The user has to do with the console. What QEMU does not tell by itself is asked for, once a second
 * at most, and what waits for a machine that was stopped is told.
 */
void oriel_qemu_console_look(struct oriel_qemu_console *console);

/* qnum: the scan code of set 1, with 0x80 for those that begin with 0xe0. */
void oriel_qemu_console_key(struct oriel_qemu_console *console, uint32_t qnum, bool is_pressed);
void oriel_qemu_console_button(
		struct oriel_qemu_console *console, enum oriel_qemu_button button, bool is_pressed);
/* Pixels of its surface, within it. Only while it is absolute. */
void oriel_qemu_console_place(struct oriel_qemu_console *console, uint32_t x, uint32_t y);
/* Only while it is not. */
void oriel_qemu_console_move(struct oriel_qemu_console *console, int dx, int dy);
/* Pixels of its surface. */
void oriel_qemu_console_touch(struct oriel_qemu_console *console, enum oriel_qemu_touch kind,
		unsigned slot, double x, double y);

#endif
