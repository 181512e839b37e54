#include "guest/qemu/qmp_input.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "guest/clock.h"
#include "guest/qemu/qmp.h"

/*
 * More than a console lets in: it begins nothing beyond 64, and what is down by then is let go of once,
 * each with a motion before it.
 */
#define EVENTS_MAX 1024

#define ASK_INTERVAL_NS (UINT64_C(1) * 1000 * 1000 * 1000)

enum event_kind {
	EVENT_KIND_KEY,
	EVENT_KIND_BUTTON,
	EVENT_KIND_PLACE,
	EVENT_KIND_MOVE,
	EVENT_KIND_TOUCH,
};

struct event {
	enum event_kind kind;
	uint32_t code; /* qnum, button or slot */
	bool is_pressed; /* of keys and buttons */
	enum oriel_qemu_touch touch;
	int x, y; /* place or distance */
};

struct oriel_qmp_input {
	struct oriel_qmp *qmp;
	const struct oriel_qmp_input_handler *handler;
	void *data;

	bool is_asking;
	bool asks_again; /* what is answered may be what was so before */
	uint64_t asked_ns;

	/* In their order. The first one is with QEMU if is_sent. */
	struct event events[EVENTS_MAX];
	size_t event_count;
	bool is_sent;
};

/* --- on the wire ------------------------------------------------------------------------------ */

/* The object with one more member, both of them consumed. NULL if one is, or memory ran out. */
static struct json_object *with(
		struct json_object *take_object, const char *name, struct json_object *take_value) {
	if (take_object != NULL && take_value != NULL &&
			json_object_object_add(take_object, name, take_value) == 0) {
		return take_object;
	}
	json_object_put(take_value);
	json_object_put(take_object);
	return NULL;
}

static struct json_object *make_pair(const char *first_name, struct json_object *take_first,
		const char *second_name, struct json_object *take_second) {
	return with(with(json_object_new_object(), first_name, take_first), second_name, take_second);
}

static struct json_object *make_string(const char *string) {
	return json_object_new_string(string);
}

/* Likewise an array. */
static struct json_object *with_event(
		struct json_object *take_array, const char *type, struct json_object *take_data) {
	struct json_object *event = make_pair("type", make_string(type), "data", take_data);
	if (take_array != NULL && event != NULL && json_object_array_add(take_array, event) == 0) {
		return take_array;
	}
	json_object_put(event);
	json_object_put(take_array);
	return NULL;
}

static struct json_object *make_key(const struct event *event) {
	struct json_object *key = make_pair("type", make_string("number"), "data",
			json_object_new_int((int32_t)event->code));
	return make_pair("down", json_object_new_boolean(event->is_pressed), "key", key);
}

static struct json_object *make_button(const struct event *event) {
	static const char *const names[] = {
		[ORIEL_QEMU_BUTTON_LEFT] = "left",
		[ORIEL_QEMU_BUTTON_MIDDLE] = "middle",
		[ORIEL_QEMU_BUTTON_RIGHT] = "right",
		[ORIEL_QEMU_BUTTON_WHEEL_UP] = "wheel-up",
		[ORIEL_QEMU_BUTTON_WHEEL_DOWN] = "wheel-down",
		[ORIEL_QEMU_BUTTON_SIDE] = "side",
		[ORIEL_QEMU_BUTTON_EXTRA] = "extra",
		[ORIEL_QEMU_BUTTON_WHEEL_LEFT] = "wheel-left",
		[ORIEL_QEMU_BUTTON_WHEEL_RIGHT] = "wheel-right",
	};
	return make_pair("down", json_object_new_boolean(event->is_pressed), "button",
			make_string(names[event->code]));
}

static struct json_object *make_move(const char *axis, int value) {
	return make_pair("axis", make_string(axis), "value", json_object_new_int(value));
}

/* axis and value are to be there in any case, and count for "data" only. */
static struct json_object *make_touch(
		const struct event *event, const char *type, const char *axis, int value) {
	bool is_over = event->touch == ORIEL_QEMU_TOUCH_END ||
			event->touch == ORIEL_QEMU_TOUCH_CANCEL;
	int32_t slot = (int32_t)event->code;
	struct json_object *touch = with(make_move(axis, value), "type", make_string(type));
	touch = with(touch, "slot", json_object_new_int(slot));
	return with(touch, "tracking-id", json_object_new_int(is_over ? -1 : slot));
}

/*
 * The slot is chosen first, and its place belongs to it then. No button "touch": QEMU would press it on
 * the first device that has buttons, and guests know a touch by its slot.
 */
static struct json_object *with_touch(struct json_object *take_array, const struct event *event) {
	static const char *const types[] = {
		[ORIEL_QEMU_TOUCH_BEGIN] = "begin",
		[ORIEL_QEMU_TOUCH_UPDATE] = "update",
		[ORIEL_QEMU_TOUCH_END] = "end",
		[ORIEL_QEMU_TOUCH_CANCEL] = "cancel",
	};
	struct json_object *array = with_event(
			take_array, "mtt", make_touch(event, types[event->touch], "x", event->x));
	if (event->touch == ORIEL_QEMU_TOUCH_BEGIN || event->touch == ORIEL_QEMU_TOUCH_UPDATE) {
		array = with_event(array, "mtt", make_touch(event, "data", "x", event->x));
		array = with_event(array, "mtt", make_touch(event, "data", "y", event->y));
	}
	return array;
}

/* The arguments of input-send-event, whose events happen at once. NULL if memory ran out. */
static struct json_object *event_write(const struct event *event) {
	struct json_object *array = json_object_new_array();
	const char *motion = event->kind == EVENT_KIND_PLACE ? "abs" : "rel";
	switch (event->kind) {
	case EVENT_KIND_KEY:
		array = with_event(array, "key", make_key(event));
		break;
	case EVENT_KIND_BUTTON:
		array = with_event(array, "btn", make_button(event));
		break;
	case EVENT_KIND_PLACE:
	case EVENT_KIND_MOVE:
		array = with_event(array, motion, make_move("x", event->x));
		array = with_event(array, motion, make_move("y", event->y));
		break;
	case EVENT_KIND_TOUCH:
		array = with_touch(array, event);
		break;
	}
	return with(json_object_new_object(), "events", array);
}

/* --- events ----------------------------------------------------------------------------------- */

static void input_drop_first(struct oriel_qmp_input *input) {
	input->event_count--;
	memmove(&input->events[0], &input->events[1], input->event_count * sizeof(input->events[0]));
}

static bool event_lets_go(const struct event *event) {
	return event->kind == EVENT_KIND_TOUCH
			? event->touch != ORIEL_QEMU_TOUCH_BEGIN &&
					event->touch != ORIEL_QEMU_TOUCH_UPDATE
			: (event->kind == EVENT_KIND_KEY || event->kind == EVENT_KIND_BUTTON) &&
					!event->is_pressed;
}

/*
 * It fails where the machine has been stopped by then, which has been heard of before this, and where
 * it has no such device. What was to be let go of in a stopped one is when it goes on: its guest would
 * have it held down for ever.
 */
static void input_handle_sent(void *data, struct json_object *result, const char *error) {
	struct oriel_qmp_input *input = data;
	input->is_sent = false;
	if (error != NULL) {
		oriel_qmp_input_ask(input, false); /* the pointer may be another one by now */
	}
	bool is_kept = error != NULL && event_lets_go(&input->events[0]) &&
			!input->handler->is_running(input->data);
	if (!is_kept) {
		input_drop_first(input);
	}
	if (input->event_count == 0) {
		input->handler->drained(input->data);
	}
	oriel_qmp_input_flush(input);
}

void oriel_qmp_input_flush(struct oriel_qmp_input *input) {
	while (input->event_count > 0 && !input->is_sent && input->handler->is_running(input->data)) {
		struct json_object *arguments = event_write(&input->events[0]);
		input->is_sent = arguments != NULL &&
				oriel_qmp_execute(input->qmp, "input-send-event", arguments, -1,
						input_handle_sent, input);
		if (!input->is_sent) {
			input_drop_first(input);
		}
	}
}

/* The last event, if nothing of it has been sent, and it is one of that kind for that slot. */
static struct event *input_find_last(
		struct oriel_qmp_input *input, enum event_kind kind, uint32_t code) {
	if (input->event_count <= (input->is_sent ? 1 : 0)) {
		return NULL;
	}
	struct event *last = &input->events[input->event_count - 1];
	return last->kind == kind && last->code == code ? last : NULL;
}

static void input_push(struct oriel_qmp_input *input, const struct event *event) {
	if (input->event_count < EVENTS_MAX) {
		input->events[input->event_count++] = *event;
		oriel_qmp_input_flush(input);
	}
}

size_t oriel_qmp_input_get_backlog(const struct oriel_qmp_input *input) {
	return input->event_count;
}

void oriel_qmp_input_key(struct oriel_qmp_input *input, uint32_t qnum, bool is_pressed) {
	input_push(input,
			&(const struct event){ .kind = EVENT_KIND_KEY,
					.code = qnum,
					.is_pressed = is_pressed });
}

void oriel_qmp_input_button(
		struct oriel_qmp_input *input, enum oriel_qemu_button button, bool is_pressed) {
	if (button <= ORIEL_QEMU_BUTTON_WHEEL_RIGHT) {
		input_push(input,
				&(const struct event){ .kind = EVENT_KIND_BUTTON,
						.code = (uint32_t)button,
						.is_pressed = is_pressed });
	}
}

static int clamp_place(uint32_t place) {
	return place < ORIEL_QMP_INPUT_SIZE ? (int)place : ORIEL_QMP_INPUT_SIZE - 1;
}

void oriel_qmp_input_place(struct oriel_qmp_input *input, uint32_t x, uint32_t y) {
	const struct event event = {
		.kind = EVENT_KIND_PLACE, .x = clamp_place(x), .y = clamp_place(y)
	};
	struct event *last = input_find_last(input, EVENT_KIND_PLACE, 0);
	if (last != NULL) {
		*last = event;
	} else {
		input_push(input, &event);
	}
}

/* Far more than there is on any screen, and far less than an int has room for. */
static int add_distance(int a, int b) {
	int64_t sum = (int64_t)a + b;
	return sum < -ORIEL_QMP_INPUT_SIZE	     ? -ORIEL_QMP_INPUT_SIZE
			: sum > ORIEL_QMP_INPUT_SIZE ? ORIEL_QMP_INPUT_SIZE
						     : (int)sum;
}

void oriel_qmp_input_move(struct oriel_qmp_input *input, int dx, int dy) {
	struct event *last = input_find_last(input, EVENT_KIND_MOVE, 0);
	if (last != NULL) {
		last->x = add_distance(last->x, dx);
		last->y = add_distance(last->y, dy);
	} else {
		input_push(input,
				&(const struct event){ .kind = EVENT_KIND_MOVE,
						.x = add_distance(dx, 0),
						.y = add_distance(dy, 0) });
	}
}

void oriel_qmp_input_touch(struct oriel_qmp_input *input, enum oriel_qemu_touch kind, unsigned slot,
		uint32_t x, uint32_t y) {
	const struct event event = {
		.kind = EVENT_KIND_TOUCH,
		.code = slot,
		.touch = kind,
		.x = clamp_place(x),
		.y = clamp_place(y),
	};
	struct event *last = input_find_last(input, EVENT_KIND_TOUCH, slot);
	if (last != NULL && last->touch == ORIEL_QEMU_TOUCH_UPDATE &&
			kind == ORIEL_QEMU_TOUCH_UPDATE) {
		*last = event;
	} else if (slot < ORIEL_QMP_INPUT_TOUCHES) {
		input_push(input, &event);
	}
}

/* --- the pointer ------------------------------------------------------------------------------ */

static bool object_is_true(const struct json_object *object, const char *name) {
	return json_object_get_boolean(json_object_object_get(object, name));
}

/* Of the pointers that the machine has, one is in use: that whose driver came up last. */
static bool mice_are_absolute(const struct json_object *mice) {
	size_t count = json_object_is_type(mice, json_type_array) ? json_object_array_length(mice)
								  : 0;
	for (size_t i = 0; i < count; i++) {
		const struct json_object *mouse = json_object_array_get_idx(mice, i);
		if (json_object_is_type(mouse, json_type_object) && object_is_true(mouse, "current")) {
			return object_is_true(mouse, "absolute");
		}
	}
	return false;
}

static void input_handle_mice(void *data, struct json_object *result, const char *error) {
	struct oriel_qmp_input *input = data;
	input->is_asking = false;
	if (input->asks_again) {
		input->asks_again = false;
		oriel_qmp_input_ask(input, true);
	}
	input->handler->pointer(input->data, mice_are_absolute(result));
}

void oriel_qmp_input_ask(struct oriel_qmp_input *input, bool is_due) {
	uint64_t now_ns = oriel_clock_now_ns();
	if (input->is_asking) {
		input->asks_again = input->asks_again || is_due;
	} else if (is_due || now_ns - input->asked_ns >= ASK_INTERVAL_NS) {
		input->asked_ns = now_ns;
		input->is_asking = oriel_qmp_execute(
				input->qmp, "query-mice", NULL, -1, input_handle_mice, input);
	}
}

/* --- itself ----------------------------------------------------------------------------------- */

struct oriel_qmp_input *oriel_qmp_input_create(
		struct oriel_qmp *qmp, const struct oriel_qmp_input_handler *handler, void *data) {
	struct oriel_qmp_input *input = calloc(1, sizeof(*input));
	if (input == NULL) {
		return NULL;
	}
	input->qmp = qmp;
	input->handler = handler;
	input->data = data;
	oriel_qmp_input_ask(input, true);
	if (!input->is_asking) {
		free(input);
		return NULL;
	}
	return input;
}

void oriel_qmp_input_destroy(struct oriel_qmp_input *input) {
	free(input);
}
