#include "guest/qemu/console.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/qemu/console_impl.h"
#include "guest/qemu/machine.h"
#include "guest/qemu/properties.h"
#include "guest/qemu/qmp_input.h"
#include "guest/qemu/ui_info.h"
#include "guest/validate.h"

/* Registrations that QEMU has not answered. */
#define LISTENERS_MAX 4

/* Keys by their qnum, which has 8 bits. */
#define KEYS_MAX 256
#define BUTTONS_MAX 32
#define TOUCHES_MAX 32

/*
 * Input that QEMU has not read, beyond which the pointer's way is shortened, and beyond which nothing
 * is begun. The socket has room for hundreds more: this is for a QEMU that has stood still for long.
 */
#define BACKLOG_MOTION 16
#define BACKLOG_PRESS 64

/* Pixels that a pointer may be behind. */
#define MOTION_MAX 65536

enum console_part {
	CONSOLE_PART_CONSOLE,
	CONSOLE_PART_KEYBOARD,
	CONSOLE_PART_MOUSE,
	CONSOLE_PART_TOUCH,
	CONSOLE_PART_COUNT,
};

static const char *const part_interfaces[] = {
	[CONSOLE_PART_CONSOLE] = "org.qemu.Display1.Console",
	[CONSOLE_PART_KEYBOARD] = "org.qemu.Display1.Keyboard",
	[CONSOLE_PART_MOUSE] = "org.qemu.Display1.Mouse",
	[CONSOLE_PART_TOUCH] = "org.qemu.Display1.MultiTouch",
};

/* As QEMU has them, before they are looked at. */
struct console_values {
	uint32_t width, height, modifiers;
	int is_absolute;
	int32_t touch_slots;
};

struct console_question {
	struct console *console;
	sd_bus_slot *slot; /* NULL: answered */
};

/* A RegisterListener without an answer. */
struct console_registration {
	struct wl_list link; /* console.registrations */
	struct console *console;
	sd_bus_slot *slot;
	oriel_qemu_console_done done;
	void *data;
};

struct console {
	struct oriel_qemu_console base;
	struct oriel_qemu_console_owner owner;
	unsigned number;
	char path[48];

	/* NULL while it is not connected: then it has one of these. */
	struct oriel_bus *bus; /* borrowed */
	struct oriel_qmp_input *input;
	sd_bus_slot *match;
	struct console_question questions[CONSOLE_PART_COUNT];
	struct console_values values;
	struct oriel_qemu_ui_info ui_info;
	struct wl_list registrations; /* console_registration.link */

	/* What QEMU was told to be down. */
	bool keys[KEYS_MAX];
	uint32_t buttons, touches; /* a bit for each */
	/* Where the pointer is to be, and QEMU has not been told of. */
	bool has_place;
	uint32_t place_x, place_y;
	int dx, dy;
};

static struct console *console_from_base(struct oriel_qemu_console *base) {
	struct console *console = wl_container_of(base, console, base);
	return console;
}

static void console_complain(struct console *console, const char *what, const char *why) {
	oriel_complain(console->owner.complaints, oriel_clock_now_ns(), "QEMU's console %u: %s%s%s",
			console->number, what, why != NULL ? ": " : "", why != NULL ? why : "");
}

/* --- what QEMU says --------------------------------------------------------------------------- */

/* True if that is news. */
static bool console_publish(struct console *console) {
	const struct console_values *values = &console->values;
	struct oriel_qemu_console *base = &console->base;
	struct oriel_qemu_console before = *base;
	uint32_t size_max = console->input != NULL ? ORIEL_QMP_INPUT_SIZE : ORIEL_VALIDATE_SIZE_MAX;
	bool has_size = values->width <= size_max && values->height <= size_max;
	base->width = has_size ? (int)values->width : 0;
	base->height = has_size ? (int)values->height : 0;
	base->is_absolute = values->is_absolute != 0;
	base->has_leds = console->bus != NULL;
	base->leds = values->modifiers &
			(ORIEL_QEMU_LED_SCROLL | ORIEL_QEMU_LED_NUM | ORIEL_QEMU_LED_CAPS);
	base->touch_slots = values->touch_slots < 0
			? 0
			: (values->touch_slots < TOUCHES_MAX ? values->touch_slots : TOUCHES_MAX);
	if (base->is_absolute != before.is_absolute) {
		console->has_place = false;
		console->dx = console->dy = 0;
	}
	return base->width != before.width || base->height != before.height ||
			base->is_absolute != before.is_absolute ||
			base->has_leds != before.has_leds || base->leds != before.leds ||
			base->touch_slots != before.touch_slots;
}

static void console_take_properties(struct console *console, sd_bus_message *message) {
	struct console_values *values = &console->values;
	const struct oriel_qemu_property properties[] = {
		{ .name = "Width", .type = "u", .value = &values->width },
		{ .name = "Height", .type = "u", .value = &values->height },
		{ .name = "Modifiers", .type = "u", .value = &values->modifiers },
		{ .name = "IsAbsolute", .type = "b", .value = &values->is_absolute },
		{ .name = "MaxSlots", .type = "i", .value = &values->touch_slots },
	};
	int ret = oriel_qemu_properties_read(
			message, properties, sizeof(properties) / sizeof(properties[0]));
	if (ret < 0) {
		console_complain(console, "a property is not of the type that it should be", NULL);
	} else if (values->width > ORIEL_VALIDATE_SIZE_MAX ||
			values->height > ORIEL_VALIDATE_SIZE_MAX) {
		console_complain(console, "it is too large", NULL);
	}
}

static bool console_was_answered(const struct console *console) {
	for (int i = 0; i < CONSOLE_PART_COUNT; i++) {
		if (console->questions[i].slot != NULL) {
			return false;
		}
	}
	return true;
}

/*
 * That a part is not there, as touch screens in QEMU before 8.1, is no fault. What is not known stays
 * 0.
 */
static int console_handle_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct console_question *question = data;
	struct console *console = question->console;
	question->slot = sd_bus_slot_unref(question->slot);
	if (!oriel_bus_is_open(console->bus)) {
		return 0; /* it is the end of the connection, and the machine will hear of that */
	}
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error == NULL) {
		console_take_properties(console, reply);
	} else if (question == &console->questions[CONSOLE_PART_CONSOLE]) {
		console_complain(console, "it does not say what it is",
				error->message != NULL ? error->message : error->name);
	}
	if (console_was_answered(console)) {
		console->owner.known(console->owner.machine);
	}
	return 0;
}

static int console_handle_change(sd_bus_message *message, void *data, sd_bus_error *ret_error) {
	struct console *console = data;
	const char *interface;
	if (!sd_bus_message_has_signature(message, "sa{sv}as") ||
			sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &interface) < 0) {
		console_complain(console, "properties that are none have changed", NULL);
		return 0;
	}
	console_take_properties(console, message);
	if (console->base.is_there && console_publish(console)) {
		console->owner.change(console->owner.machine, &console->base);
	}
	return 0;
}

/* --- listeners -------------------------------------------------------------------------------- */

static void registration_destroy(struct console_registration *registration) {
	wl_list_remove(&registration->link);
	sd_bus_slot_unref(registration->slot);
	free(registration);
}

/* Whoever is told may do anything. */
static void registration_finish(struct console_registration *registration, bool is_ok) {
	oriel_qemu_console_done done = registration->done;
	void *data = registration->data;
	registration_destroy(registration);
	done(data, is_ok);
}

static int registration_handle_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct console_registration *registration = data;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error != NULL && oriel_bus_is_open(registration->console->bus)) {
		console_complain(registration->console, "QEMU does not show it",
				error->message != NULL ? error->message : error->name);
	}
	registration_finish(registration, error == NULL);
	return 0;
}

bool oriel_qemu_console_register_listener(struct oriel_qemu_console *base, int take_fd,
		oriel_qemu_console_done done, void *data) {
	struct console *console = console_from_base(base);
	struct console_registration *registration = NULL;
	if (base->is_there && console->bus != NULL &&
			wl_list_length(&console->registrations) < LISTENERS_MAX) {
		registration = calloc(1, sizeof(*registration));
	}
	if (registration == NULL) {
		sb_fd_clear(&take_fd);
		return false;
	}
	registration->console = console;
	registration->done = done;
	registration->data = data;
	int ret = sd_bus_call_method_async(oriel_bus_get(console->bus), &registration->slot, NULL,
			console->path, part_interfaces[CONSOLE_PART_CONSOLE], "RegisterListener",
			registration_handle_answer, registration, "h", take_fd);
	sb_fd_clear(&take_fd); /* the message has one of its own */
	if (ret < 0) {
		free(registration);
		return false;
	}
	wl_list_insert(&console->registrations, &registration->link);
	oriel_bus_flush(console->bus);
	return true;
}

void oriel_qemu_console_forget(struct oriel_qemu_console *base, void *data) {
	struct console *console = console_from_base(base);
	struct console_registration *registration, *tmp;
	wl_list_for_each_safe(registration, tmp, &console->registrations, link) {
		if (registration->data == data) {
			registration_destroy(registration);
		}
	}
}

/* --- input ------------------------------------------------------------------------------------ */

/* Nobody waits for an answer, and QEMU gives none. */
static void console_call(struct console *console, enum console_part part, const char *method,
		const char *types, ...) {
	sd_bus_message *message = NULL;
	va_list args;
	va_start(args, types);
	if (sd_bus_message_new_method_call(oriel_bus_get(console->bus), &message, NULL,
			    console->path, part_interfaces[part], method) >= 0 &&
			sd_bus_message_set_expect_reply(message, 0) >= 0 &&
			sd_bus_message_appendv(message, types, args) >= 0) {
		sd_bus_send(NULL, message, NULL);
		oriel_bus_flush(console->bus);
	}
	va_end(args);
	sd_bus_message_unref(message);
}

static bool console_is_behind(const struct console *console, size_t backlog_max) {
	size_t backlog = console->input != NULL ? oriel_qmp_input_get_backlog(console->input)
						: oriel_bus_get_backlog(console->bus);
	return backlog >= backlog_max;
}

static void console_tell_key(struct console *console, uint32_t qnum, bool is_pressed) {
	if (console->input != NULL) {
		oriel_qmp_input_key(console->input, qnum, is_pressed);
	} else {
		console_call(console, CONSOLE_PART_KEYBOARD, is_pressed ? "Press" : "Release", "u",
				qnum);
	}
}

static void console_tell_button(
		struct console *console, enum oriel_qemu_button button, bool is_pressed) {
	if (console->input != NULL) {
		oriel_qmp_input_button(console->input, button, is_pressed);
	} else {
		console_call(console, CONSOLE_PART_MOUSE, is_pressed ? "Press" : "Release", "u",
				(uint32_t)button);
	}
}

static void console_tell_place(struct console *console, uint32_t x, uint32_t y) {
	if (console->input != NULL) {
		oriel_qmp_input_place(console->input, x, y);
	} else {
		console_call(console, CONSOLE_PART_MOUSE, "SetAbsPosition", "uu", x, y);
	}
}

static void console_tell_move(struct console *console, int dx, int dy) {
	if (console->input != NULL) {
		oriel_qmp_input_move(console->input, dx, dy);
	} else {
		console_call(console, CONSOLE_PART_MOUSE, "RelMotion", "ii", dx, dy);
	}
}

static void console_tell_touch(struct console *console, enum oriel_qemu_touch kind, unsigned slot,
		double x, double y) {
	if (console->input != NULL) {
		oriel_qmp_input_touch(console->input, kind, slot, (uint32_t)x, (uint32_t)y);
	} else {
		console_call(console, CONSOLE_PART_TOUCH, "SendEvent", "utdd", (uint32_t)kind,
				(uint64_t)slot, x, y);
	}
}

void oriel_qemu_console_key(struct oriel_qemu_console *base, uint32_t qnum, bool is_pressed) {
	struct console *console = console_from_base(base);
	if (!base->is_there || qnum >= KEYS_MAX) {
		return;
	}
	if (is_pressed ? console_is_behind(console, BACKLOG_PRESS) : !console->keys[qnum]) {
		return;
	}
	console->keys[qnum] = is_pressed;
	console_tell_key(console, qnum, is_pressed);
}

static uint32_t clamp_place(uint32_t place, int size) {
	return place < (uint32_t)size ? place : (uint32_t)size - 1;
}

static void console_send_motion(struct console *console) {
	const struct oriel_qemu_console *base = &console->base;
	if (console->has_place && base->width > 0 && base->height > 0) {
		/* QEMU refuses what is outside, and its surface may have shrunk by now. */
		console_tell_place(console, clamp_place(console->place_x, base->width),
				clamp_place(console->place_y, base->height));
	}
	if (console->dx != 0 || console->dy != 0) {
		console_tell_move(console, console->dx, console->dy);
	}
	console->has_place = false;
	console->dx = console->dy = 0;
}

void oriel_qemu_console_drain(struct oriel_qemu_console *base) {
	if (base->is_there) {
		console_send_motion(console_from_base(base));
	}
}

void oriel_qemu_console_button(
		struct oriel_qemu_console *base, enum oriel_qemu_button button, bool is_pressed) {
	struct console *console = console_from_base(base);
	if (!base->is_there || (unsigned)button >= BUTTONS_MAX) {
		return;
	}
	uint32_t bit = UINT32_C(1) << button;
	if (is_pressed ? console_is_behind(console, BACKLOG_PRESS) : (console->buttons & bit) == 0) {
		return;
	}
	console->buttons = is_pressed ? console->buttons | bit : console->buttons & ~bit;
	/* It counts at the place where the pointer is. */
	console_send_motion(console);
	console_tell_button(console, button, is_pressed);
}

void oriel_qemu_console_place(struct oriel_qemu_console *base, uint32_t x, uint32_t y) {
	struct console *console = console_from_base(base);
	if (!base->is_there || !base->is_absolute) {
		return;
	}
	console->has_place = true;
	console->place_x = x;
	console->place_y = y;
	if (!console_is_behind(console, BACKLOG_MOTION)) {
		console_send_motion(console);
	}
}

static int add_motion(int a, int b) {
	int64_t sum = (int64_t)a + b;
	return sum < -MOTION_MAX ? -MOTION_MAX : (sum > MOTION_MAX ? MOTION_MAX : (int)sum);
}

void oriel_qemu_console_move(struct oriel_qemu_console *base, int dx, int dy) {
	struct console *console = console_from_base(base);
	if (!base->is_there || base->is_absolute) {
		return;
	}
	console->dx = add_motion(console->dx, dx);
	console->dy = add_motion(console->dy, dy);
	if (!console_is_behind(console, BACKLOG_MOTION)) {
		console_send_motion(console);
	}
}

static double clamp_touch(double place, int size) {
	if (!(place > 0)) {
		return 0; /* what is no number, too */
	}
	return place < size - 1 ? place : size - 1;
}

void oriel_qemu_console_touch(struct oriel_qemu_console *base, enum oriel_qemu_touch kind,
		unsigned slot, double x, double y) {
	struct console *console = console_from_base(base);
	if (!base->is_there || slot >= (unsigned)base->touch_slots || base->width <= 0 ||
			base->height <= 0) {
		return;
	}
	uint32_t bit = UINT32_C(1) << slot;
	bool is_down = (console->touches & bit) != 0;
	switch (kind) {
	case ORIEL_QEMU_TOUCH_BEGIN:
		if (console_is_behind(console, BACKLOG_PRESS)) {
			return;
		}
		console->touches |= bit;
		break;
	case ORIEL_QEMU_TOUCH_UPDATE:
		if (!is_down || console_is_behind(console, BACKLOG_MOTION)) {
			return;
		}
		break;
	case ORIEL_QEMU_TOUCH_END:
	case ORIEL_QEMU_TOUCH_CANCEL:
		if (!is_down) {
			return;
		}
		console->touches &= ~bit;
		break;
	}
	console_tell_touch(console, kind, slot, clamp_touch(x, base->width),
			clamp_touch(y, base->height));
}

void oriel_qemu_console_look(struct oriel_qemu_console *base) {
	struct console *console = console_from_base(base);
	if (console->input != NULL) {
		oriel_qmp_input_flush(console->input);
		if (!base->is_absolute) {
			oriel_qmp_input_ask(console->input, false);
		}
	}
}

void oriel_qemu_console_reset(struct oriel_qemu_console *base) {
	struct console *console = console_from_base(base);
	if (console->input != NULL) {
		oriel_qmp_input_ask(console->input, true);
	}
}

/* The first time it is known what there is. */
static void console_handle_pointer(void *data, bool is_absolute) {
	struct console *console = data;
	bool is_known = console->values.width > 0;
	console->values = (struct console_values){
		.width = ORIEL_QMP_INPUT_SIZE,
		.height = ORIEL_QMP_INPUT_SIZE,
		.is_absolute = is_absolute,
		.touch_slots = ORIEL_QMP_INPUT_TOUCHES,
	};
	if (!is_known) {
		console->owner.known(console->owner.machine);
	} else if (console->base.is_there && console_publish(console)) {
		console->owner.change(console->owner.machine, &console->base);
	}
}

static bool console_handle_is_running(void *data) {
	const struct console *console = data;
	return oriel_qemu_machine_is_running(console->owner.machine);
}

static void console_handle_drained(void *data) {
	struct console *console = data;
	oriel_qemu_console_drain(&console->base);
}

static const struct oriel_qmp_input_handler input_handler = {
	.pointer = console_handle_pointer,
	.drained = console_handle_drained,
	.is_running = console_handle_is_running,
};

void oriel_qemu_console_set_monitor(
		struct oriel_qemu_console *base, const struct oriel_guest_monitor *monitor) {
	oriel_qemu_ui_info_set(&console_from_base(base)->ui_info, monitor);
}

/* --- itself ----------------------------------------------------------------------------------- */

struct oriel_qemu_console *oriel_qemu_console_create(
		const struct oriel_qemu_console_owner *owner, unsigned number) {
	struct console *console = calloc(1, sizeof(*console));
	if (console == NULL) {
		return NULL;
	}
	wl_signal_init(&console->base.events.change);
	wl_list_init(&console->registrations);
	console->owner = *owner;
	console->number = number;
	snprintf(console->path, sizeof(console->path), "/org/qemu/Display1/Console_%u", number);
	for (int i = 0; i < CONSOLE_PART_COUNT; i++) {
		console->questions[i].console = console;
	}
	oriel_qemu_ui_info_init(&console->ui_info, owner->loop, console->path, owner->complaints);
	return &console->base;
}

void oriel_qemu_console_destroy(struct oriel_qemu_console *base) {
	if (base == NULL) {
		return;
	}
	struct console *console = console_from_base(base);
	oriel_qemu_console_disconnect(base);
	assert(wl_list_empty(&base->events.change.listener_list));
	oriel_qemu_ui_info_finish(&console->ui_info);
	free(console);
}

bool oriel_qemu_console_connect(struct oriel_qemu_console *base, struct oriel_bus *bus) {
	struct console *console = console_from_base(base);
	oriel_qemu_console_disconnect(base);
	console->bus = bus;
	int ret = sd_bus_match_signal(oriel_bus_get(bus), &console->match, NULL, console->path,
			ORIEL_QEMU_PROPERTIES_INTERFACE, "PropertiesChanged", console_handle_change,
			console);
	for (int i = 0; i < CONSOLE_PART_COUNT && ret >= 0; i++) {
		struct console_question *question = &console->questions[i];
		ret = oriel_qemu_properties_ask(bus, console->path, part_interfaces[i],
				console_handle_answer, question, &question->slot);
	}
	if (ret < 0) {
		oriel_qemu_console_disconnect(base);
		return false;
	}
	return true;
}

bool oriel_qemu_console_connect_qmp(struct oriel_qemu_console *base, struct oriel_qmp *qmp) {
	struct console *console = console_from_base(base);
	oriel_qemu_console_disconnect(base);
	console->input = oriel_qmp_input_create(qmp, &input_handler, console);
	return console->input != NULL;
}

void oriel_qemu_console_arrive(struct oriel_qemu_console *base) {
	struct console *console = console_from_base(base);
	if ((console->bus == NULL && console->input == NULL) || base->is_there) {
		return;
	}
	base->is_there = true;
	console_publish(console);
	if (console->bus != NULL) {
		oriel_qemu_ui_info_connect(&console->ui_info, console->bus);
	}
	console->owner.change(console->owner.machine, base);
}

void oriel_qemu_console_disconnect(struct oriel_qemu_console *base) {
	struct console *console = console_from_base(base);
	bool was_there = base->is_there;
	oriel_qemu_ui_info_disconnect(&console->ui_info);
	for (int i = 0; i < CONSOLE_PART_COUNT; i++) {
		console->questions[i].slot = sd_bus_slot_unref(console->questions[i].slot);
	}
	console->match = sd_bus_slot_unref(console->match);
	console->bus = NULL;
	oriel_qmp_input_destroy(console->input);
	console->input = NULL;
	console->values = (struct console_values){ 0 };
	memset(console->keys, 0, sizeof(console->keys));
	console->buttons = console->touches = 0;
	base->is_there = false;
	console_publish(console);

	while (!wl_list_empty(&console->registrations)) {
		struct console_registration *registration =
				wl_container_of(console->registrations.next, registration, link);
		registration_finish(registration, false);
	}
	if (was_there) {
		console->owner.change(console->owner.machine, base);
	}
}

struct oriel_qemu_machine *oriel_qemu_console_get_machine(const struct oriel_qemu_console *base) {
	const struct console *console = wl_container_of(base, console, base);
	return console->owner.machine;
}

unsigned oriel_qemu_console_get_number(const struct oriel_qemu_console *base) {
	const struct console *console = wl_container_of(base, console, base);
	return console->number;
}
