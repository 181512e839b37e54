/*
 * The clipboard of a machine under QEMU: who tells whom what, and how often. QEMU is a peer in this
 * process, which notes what it is called for, and answers as the test wants; the machine is a fake one.
 */
#include "guest/qemu/clipboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wayland-server-core.h>

#include <cmocka.h>

#include "fds.h"
#include "guest/guest_clipboard.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/machine.h"
#include "log_lines.h"
#include "shortage.h"

#define PATH "/org/qemu/Display1/Clipboard"
#define INTERFACE "org.qemu.Display1.Clipboard"
#define TEXT_TYPE "text/plain;charset=utf-8"
#define PATIENCE 100000 /* steps */

/* What Request is answered with. */
enum answer {
	ANSWER_TEXT,
	ANSWER_ERROR,
	ANSWER_OTHER_TYPE,
	ANSWER_OTHER_SIGNATURE,
	ANSWER_LATER,
};

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct oriel_qemu_machine machine;
	unsigned int machine_refs;
	bool has_no_machine;
	struct oriel_bus *bus;
	struct oriel_guest_clipboard *clipboard;

	/* QEMU */
	sd_bus *peer;
	char log[4096]; /* what it was called for */
	size_t length;
	unsigned int refusals; /* of Register, from now on */
	bool is_slow; /* Grab and Release are not answered */
	sd_bus_message *unanswered;
	enum answer answer;
	const char *text;
	size_t text_size;
	char reply[64]; /* to the last call of its own; "error NAME": it is one */
	bool was_replied;
	unsigned int reply_count;
	bool was_closed;

	/* What the clipboard said */
	int changes, asks, texts;
	bool answers_at_once;
	char got[64];
	size_t got_size;
	struct wl_listener change, ask, text_listener;
} context;

/* --- the machine ------------------------------------------------------------------------------ */

struct oriel_qemu_machine *__wrap_oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where);
void __wrap_oriel_qemu_machine_unref(struct oriel_qemu_machine *machine);
bool __wrap_oriel_qemu_machine_is_there(const struct oriel_qemu_machine *machine);
struct oriel_bus *__wrap_oriel_qemu_machine_get_bus(struct oriel_qemu_machine *machine);
const char *__wrap_oriel_qemu_machine_get_name(const struct oriel_qemu_machine *machine);

struct oriel_qemu_machine *__wrap_oriel_qemu_machine_ref(
		struct wl_event_loop *loop, const char *name, const char *where) {
	assert_ptr_equal(loop, context.loop);
	assert_string_equal(name, "win");
	assert_string_equal(where, "/run/win.qmp");
	if (context.has_no_machine) {
		return NULL;
	}
	context.machine_refs++;
	return &context.machine;
}

void __wrap_oriel_qemu_machine_unref(struct oriel_qemu_machine *machine) {
	assert_true(context.machine_refs > 0);
	context.machine_refs--;
}

bool __wrap_oriel_qemu_machine_is_there(const struct oriel_qemu_machine *machine) {
	return context.bus != NULL;
}

struct oriel_bus *__wrap_oriel_qemu_machine_get_bus(struct oriel_qemu_machine *machine) {
	return context.bus;
}

const char *__wrap_oriel_qemu_machine_get_name(const struct oriel_qemu_machine *machine) {
	return "win";
}

/* --- QEMU ------------------------------------------------------------------------------------- */

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...) {
	va_list args;
	va_start(args, format);
	context.length += (size_t)snprintf(context.log + context.length,
			sizeof(context.log) - context.length, "%s", context.length > 0 ? ", " : "");
	context.length += (size_t)vsnprintf(context.log + context.length,
			sizeof(context.log) - context.length, format, args);
	va_end(args);
	assert_true(context.length < sizeof(context.log));
}

/* Calls us; what for is noted when the answer comes. */
static int peer_handle_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	context.was_replied = true;
	context.reply_count++;
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *type;
	const void *bytes;
	size_t size;
	if (error != NULL) {
		snprintf(context.reply, sizeof(context.reply), "error %s", error->name);
	} else if (sd_bus_message_has_signature(reply, "say")) {
		assert_true(sd_bus_message_read(reply, "s", &type) >= 0);
		assert_true(sd_bus_message_read_array(reply, 'y', &bytes, &size) >= 0);
		assert_string_equal(type, TEXT_TYPE);
		snprintf(context.reply, sizeof(context.reply), "text %zu %.*s", size,
				(int)(size < 16 ? size : 16), size > 0 ? (const char *)bytes : "");
	} else {
		snprintf(context.reply, sizeof(context.reply), "ok");
	}
	return 0;
}

#define peer_call(method, ...)                                                                     \
	do {                                                                                       \
		context.was_replied = false;                                                       \
		assert_true(sd_bus_call_method_async(context.peer, NULL, NULL, PATH, INTERFACE,    \
					    method, peer_handle_reply, NULL, __VA_ARGS__) >= 0);   \
	} while (0)

static int peer_handle_register(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	note("register");
	if (context.refusals > 0) {
		context.refusals--;
		return sd_bus_reply_method_errorf(call, "org.qemu.Display1.Error.Failed",
				"Clipboard peer already registered!");
	}
	/* As QEMU does: the other side reads properties, and is called back, before the answer. */
	assert_true(sd_bus_call_method_async(context.peer, NULL, NULL, PATH,
				    "org.freedesktop.DBus.Properties", "GetAll", peer_handle_reply,
				    NULL, "s", INTERFACE) >= 0);
	peer_call("Register", "");
	return sd_bus_reply_method_return(call, "");
}

static int peer_handle_unregister(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	note("unregister");
	assert_int_equal(sd_bus_message_get_expect_reply(call), 0);
	return 1;
}

static int peer_end_call(sd_bus_message *call) {
	if (context.is_slow) {
		assert_null(context.unanswered);
		context.unanswered = sd_bus_message_ref(call);
		return 1;
	}
	return sd_bus_reply_method_return(call, "");
}

static int peer_handle_grab(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	uint32_t selection, serial;
	const char *type;
	assert_true(sd_bus_message_read(call, "uu", &selection, &serial) >= 0);
	assert_true(sd_bus_message_read(call, "as", 1, &type) >= 0);
	assert_int_equal(selection, 0);
	assert_string_equal(type, TEXT_TYPE);
	note("grab %u", serial);
	return peer_end_call(call);
}

static int peer_handle_release(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	uint32_t selection;
	assert_true(sd_bus_message_read(call, "u", &selection) >= 0);
	assert_int_equal(selection, 0);
	note("release");
	return peer_end_call(call);
}

static int peer_answer_request(sd_bus_message *call) {
	sd_bus_message *reply = NULL;
	switch (context.answer) {
	case ANSWER_ERROR:
		return sd_bus_reply_method_errorf(call, "org.qemu.Display1.Error.Failed",
				"Cancelled clipboard request");
	case ANSWER_OTHER_SIGNATURE:
		return sd_bus_reply_method_return(call, "ss", TEXT_TYPE, "text");
	case ANSWER_LATER:
		assert_null(context.unanswered);
		context.unanswered = sd_bus_message_ref(call);
		return 1;
	case ANSWER_TEXT:
	case ANSWER_OTHER_TYPE:
		break;
	}
	assert_true(sd_bus_message_new_method_return(call, &reply) >= 0);
	assert_true(sd_bus_message_append(reply, "s",
				    context.answer == ANSWER_TEXT ? TEXT_TYPE : "image/png") >= 0);
	assert_true(sd_bus_message_append_array(reply, 'y', context.text, context.text_size) >= 0);
	assert_true(sd_bus_send(NULL, reply, NULL) >= 0);
	sd_bus_message_unref(reply);
	return 1;
}

/* Not of the table: sd-bus would see to it that the answers are of the right type. */
static int peer_handle_request(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	uint32_t selection;
	if (sd_bus_message_is_method_call(call, INTERFACE, "Request") <= 0) {
		return 0;
	}
	const char *type;
	assert_true(sd_bus_message_read(call, "u", &selection) >= 0);
	assert_true(sd_bus_message_read(call, "as", 1, &type) >= 0);
	assert_int_equal(selection, 0);
	assert_string_equal(type, TEXT_TYPE);
	note("request");
	return peer_answer_request(call);
}

static const sd_bus_vtable peer_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Register", "", "", peer_handle_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Unregister", "", "", peer_handle_unregister, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Grab", "uuas", "", peer_handle_grab, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Release", "u", "", peer_handle_release, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void bus_handle_closed(void *data) {
	context.was_closed = true;
}

static const struct oriel_bus_handler bus_handler = {
	.closed = bus_handle_closed,
};

/* The machine comes, and with it another QEMU. */
static void connect_machine(void) {
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	assert_true(sd_bus_new(&context.peer) >= 0);
	assert_true(sd_bus_set_fd(context.peer, fds[0], fds[0]) >= 0);
	const sd_id128_t id = { .bytes = { 1 } };
	assert_true(sd_bus_set_server(context.peer, 1, id) >= 0);
	assert_true(sd_bus_add_object_vtable(
				    context.peer, NULL, PATH, INTERFACE, peer_vtable, NULL) >= 0);
	assert_true(sd_bus_add_object(context.peer, NULL, PATH, peer_handle_request, NULL) >= 0);
	assert_true(sd_bus_start(context.peer) >= 0);
	context.was_closed = false;
	context.bus = oriel_bus_create(context.loop, fds[1], &bus_handler, NULL);
	assert_non_null(context.bus);
	assert_true(oriel_bus_start(context.bus));
	wl_signal_emit_mutable(&context.machine.events.there, NULL);
}

static void disconnect_peer(void) {
	context.unanswered = sd_bus_message_unref(context.unanswered);
	sd_bus_close(context.peer);
	context.peer = sd_bus_unref(context.peer);
}

/* As the machine does it: the connection is gone before anybody is told. */
static void disconnect_machine(void) {
	oriel_bus_destroy(context.bus);
	context.bus = NULL;
	wl_signal_emit_mutable(&context.machine.events.there, NULL);
	disconnect_peer();
}

static void step(void) {
	wl_event_loop_dispatch(context.loop, 0);
	while (context.peer != NULL && sd_bus_process(context.peer, NULL) > 0) {
	}
}

/* Until nothing moves: each side has had what the other one sent. */
static void settle(void) {
	for (int i = 0; i < 50; i++) {
		step();
	}
}

static void assert_qemu_heard(const char *expected) {
	settle();
	assert_string_equal(context.log, expected);
	context.log[0] = '\0';
	context.length = 0;
}

static void assert_replied(const char *expected) {
	for (int i = 0; !context.was_replied; i++) {
		assert_true(i < PATIENCE);
		step();
	}
	assert_string_equal(context.reply, expected);
}

static void assert_logged(const char *line) {
	assert_non_null(strstr(log_lines_get_last(), line));
}

#define ERROR_REPLY "error org.freedesktop.DBus.Error.Failed"

static void guest_grabs(uint32_t serial) {
	peer_call("Grab", "uuas", 0, serial, 1, TEXT_TYPE);
	assert_replied("ok");
}

/* --- the clipboard ---------------------------------------------------------------------------- */

static void handle_change(struct wl_listener *listener, void *data) {
	context.changes++;
}

static void handle_ask(struct wl_listener *listener, void *data) {
	context.asks++;
	if (context.answers_at_once) {
		const struct oriel_guest_text text = { .data = "at once", .size = 7 };
		oriel_guest_clipboard_answer(context.clipboard, &text);
	}
}

static void handle_text(struct wl_listener *listener, void *data) {
	const struct oriel_guest_text *text = data;
	context.texts++;
	context.got_size = text->size;
	snprintf(context.got, sizeof(context.got), "%.*s", (int)(text->size < 32 ? text->size : 32),
			text->data != NULL ? text->data : "none");
	if (text->data == NULL) {
		snprintf(context.got, sizeof(context.got), "none");
	}
}

static void make_clipboard(void) {
	context.clipboard = oriel_qemu_clipboard_ref(context.loop, "win", "/run/win.qmp");
	assert_non_null(context.clipboard);
	context.change.notify = handle_change;
	wl_signal_add(&context.clipboard->events.change, &context.change);
	context.ask.notify = handle_ask;
	wl_signal_add(&context.clipboard->events.ask, &context.ask);
	context.text_listener.notify = handle_text;
	wl_signal_add(&context.clipboard->events.text, &context.text_listener);
}

static int set_up(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	wl_signal_init(&context.machine.events.there);
	log_lines_init();
	make_clipboard();
	return 0;
}
static void drop_clipboard(void) {
	wl_list_remove(&context.change.link);
	wl_list_remove(&context.ask.link);
	wl_list_remove(&context.text_listener.link);
	oriel_guest_clipboard_unref(context.clipboard);
	context.clipboard = NULL;
}

static int tear_down(void **state) {
	if (context.clipboard != NULL) {
		drop_clipboard();
	}
	assert_int_equal(context.machine_refs, 0);
	assert_true(wl_list_empty(&context.machine.events.there.listener_list));
	if (context.bus != NULL) {
		disconnect_machine();
	}
	wl_event_loop_destroy(context.loop);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void arrive(void) {
	connect_machine();
	assert_qemu_heard("register");
	assert_replied("ok");
}

static void offer(bool has_text) {
	oriel_guest_clipboard_offer(context.clipboard, has_text);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void machine_that_comes_is_registered_with_and_told(void **state) {
	arrive();
	/* There is nothing to tell yet. */
	offer(false);
	assert_qemu_heard("");
	offer(true);
	assert_qemu_heard("grab 0");
	assert_int_equal(log_lines_get_count(), 0);
}

static void offer_before_the_machine_is_told_once_it_is_registered(void **state) {
	offer(true);
	connect_machine();
	assert_qemu_heard("register, grab 0");
	offer(false);
	assert_qemu_heard("release");
	offer(false);
	assert_qemu_heard("");
}

static void old_registration_is_ended_and_made_anew(void **state) {
	context.refusals = 1;
	connect_machine();
	assert_qemu_heard("register, unregister, register");
	offer(true);
	assert_qemu_heard("grab 0");
	assert_int_equal(log_lines_get_count(), 0);
}

static void registration_that_is_refused_twice_costs_the_clipboard(void **state) {
	context.refusals = 2;
	connect_machine();
	assert_qemu_heard("register, unregister, register");
	assert_logged("guest win: clipboard: QEMU does not share it: "
		      "Clipboard peer already registered!");
	offer(true);
	assert_qemu_heard("");
	/* Another QEMU may. */
	disconnect_machine();
	connect_machine();
	assert_qemu_heard("register, grab 0");
}

static void grabs_are_counted_with_the_guests(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	offer(true);
	assert_qemu_heard("grab 1");
	guest_grabs(2);
	assert_true(context.clipboard->has_text);
	offer(true);
	assert_qemu_heard("grab 3");
	assert_false(context.clipboard->has_text);
	guest_grabs(1000);
	offer(true);
	assert_qemu_heard("grab 1001");
}

static void grab_that_lost_to_ours_is_dropped_and_ours_repeated(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	guest_grabs(0);
	assert_int_equal(context.changes, 0);
	assert_qemu_heard("grab 1");
	/* With nothing to offer it is dropped all the same. */
	offer(false);
	assert_qemu_heard("release");
	guest_grabs(1);
	assert_int_equal(context.changes, 0);
	assert_qemu_heard("");
	guest_grabs(2);
	assert_int_equal(context.changes, 1);
}

static void serials_that_are_used_up_stay_at_the_last_one(void **state) {
	arrive();
	guest_grabs(UINT32_MAX - 1);
	offer(true);
	assert_qemu_heard("grab 4294967295");
	offer(true);
	assert_qemu_heard("grab 4294967295");
	guest_grabs(UINT32_MAX);
	assert_qemu_heard("grab 4294967295");
	assert_int_equal(context.changes, 1);
	/* Until the counting begins anew. */
	peer_call("Register", "");
	assert_replied("ok");
	assert_qemu_heard("grab 0");
}

static void guest_that_has_grabbed_is_not_told_of_what_it_knows(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	guest_grabs(1);
	/* Now ours is its own. */
	offer(false);
	assert_qemu_heard("");
}

static void guests_clipboard_comes_and_goes(void **state) {
	arrive();
	guest_grabs(0);
	assert_int_equal(context.changes, 1);
	assert_true(context.clipboard->has_text);
	peer_call("Release", "u", 0);
	assert_replied("ok");
	assert_int_equal(context.changes, 2);
	assert_false(context.clipboard->has_text);
	/* What is no text is none. */
	guest_grabs(1);
	peer_call("Grab", "uuas", 0, 2, 2, "image/png", "text/html");
	assert_replied("ok");
	assert_false(context.clipboard->has_text);
	peer_call("Grab", "uuas", 0, 3, 2, "image/png", "TEXT/plain;charset=UTF-8");
	assert_replied("ok");
	assert_true(context.clipboard->has_text);
	peer_call("Unregister", "");
	assert_replied("ok");
	assert_false(context.clipboard->has_text);
}

static void other_selections_are_nobodys_business(void **state) {
	arrive();
	for (uint32_t selection = 1; selection < 4; selection++) {
		peer_call("Grab", "uuas", selection, 7, 1, TEXT_TYPE);
		assert_replied("ok");
	}
	assert_false(context.clipboard->has_text);
	guest_grabs(0);
	peer_call("Release", "u", 1);
	assert_replied("ok");
	assert_true(context.clipboard->has_text);
	offer(true);
	assert_qemu_heard("grab 1");
	peer_call("Request", "uas", 1, 1, TEXT_TYPE);
	assert_replied(ERROR_REPLY);
	assert_int_equal(context.asks, 0);
}

static void release_of_ours_that_comes_back_changes_nothing(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	peer_call("Release", "u", 0);
	assert_replied("ok");
	assert_int_equal(context.changes, 0);
}

static void agent_that_comes_back_is_told_again(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	offer(true);
	assert_qemu_heard("grab 1");
	peer_call("Register", "");
	assert_replied("ok");
	assert_qemu_heard("grab 0");
	offer(false);
	assert_qemu_heard("release");
	peer_call("Register", "");
	assert_replied("ok");
	assert_qemu_heard("");
}

static void qemu_that_does_not_answer_is_told_the_last_of_it_when_it_does(void **state) {
	arrive();
	context.is_slow = true;
	for (int i = 0; i < 1000; i++) {
		offer(i % 2 == 0);
	}
	assert_qemu_heard("grab 0");
	for (int i = 0; i < 1000; i++) {
		offer(true);
	}
	sd_bus_reply_method_return(context.unanswered, "");
	context.unanswered = sd_bus_message_unref(context.unanswered);
	assert_qemu_heard("grab 1");
	offer(false);
	/* An error ends the call as well. */
	sd_bus_reply_method_errorf(context.unanswered, "org.qemu.Display1.Error.Failed", "no");
	context.unanswered = sd_bus_message_unref(context.unanswered);
	assert_qemu_heard("release");
	assert_logged("guest win: clipboard: QEMU does not take ours: no");
}

static void guest_asks_and_is_answered(void **state) {
	arrive();
	/* Not before it was offered. */
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	assert_replied(ERROR_REPLY);
	offer(true);
	assert_qemu_heard("grab 0");
	peer_call("Request", "uas", 0, 2, "image/png", TEXT_TYPE);
	settle();
	assert_int_equal(context.asks, 1);
	assert_false(context.was_replied);
	const struct oriel_guest_text text = { .data = "for the guest", .size = 13 };
	oriel_guest_clipboard_answer(context.clipboard, &text);
	assert_replied("text 13 for the guest");

	context.answers_at_once = true;
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	assert_replied("text 7 at once");
	peer_call("Request", "uas", 0, 1, "image/png");
	assert_replied(ERROR_REPLY);
	assert_int_equal(context.asks, 2);
	/* Nor when the offer was taken back, or the guest has grabbed since. */
	offer(false);
	assert_qemu_heard("release");
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	assert_replied(ERROR_REPLY);
	offer(true);
	assert_qemu_heard("grab 1");
	guest_grabs(2);
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	assert_replied(ERROR_REPLY);
	assert_int_equal(context.asks, 2);
}

static void guest_is_told_when_there_is_no_text(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	settle();
	oriel_guest_clipboard_answer(context.clipboard, &(struct oriel_guest_text){ 0 });
	assert_replied(ERROR_REPLY);
	/* An empty text is one. */
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	settle();
	oriel_guest_clipboard_answer(context.clipboard, &(struct oriel_guest_text){ .data = "" });
	assert_replied("text 0 ");
}

static void second_question_is_refused_while_the_first_is_open(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	settle();
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	assert_replied(ERROR_REPLY);
	const struct oriel_guest_text text = { .data = "one", .size = 3 };
	context.was_replied = false;
	oriel_guest_clipboard_answer(context.clipboard, &text);
	assert_replied("text 3 one");
}

static void questions_whose_answers_are_not_read_are_refused(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	/* More than a socket takes; QEMU does not read, and asks again and again. */
	char *data = calloc(ORIEL_GUEST_CLIPBOARD_SIZE_MAX, 1);
	assert_non_null(data);
	const struct oriel_guest_text text = { data, ORIEL_GUEST_CLIPBOARD_SIZE_MAX };
	for (int i = 0; i < 100; i++) {
		peer_call("Request", "uas", 0, 1, TEXT_TYPE);
		assert_true(sd_bus_flush(context.peer) >= 0);
		wl_event_loop_dispatch(context.loop, 0);
		oriel_guest_clipboard_answer(context.clipboard, &text);
	}
	assert_true(context.asks >= 4);
	/* And what lies in the socket, for which sd-bus asks for 8 MiB. */
	assert_true(context.asks <= 32);
	free(data);
}

static void text_is_fetched(void **state) {
	arrive();
	assert_false(oriel_guest_clipboard_fetch(context.clipboard));
	guest_grabs(0);
	context.text = "of the guest";
	context.text_size = 12;
	assert_true(oriel_guest_clipboard_fetch(context.clipboard));
	assert_int_equal(context.texts, 0);
	assert_qemu_heard("request");
	assert_int_equal(context.texts, 1);
	assert_string_equal(context.got, "of the guest");
	context.text_size = 0;
	assert_true(oriel_guest_clipboard_fetch(context.clipboard));
	assert_qemu_heard("request");
	assert_string_equal(context.got, "");
	assert_int_equal(log_lines_get_count(), 0);
}

static void text_that_is_none_is_refused_with_a_line(void **state) {
	char *data = calloc(ORIEL_GUEST_CLIPBOARD_SIZE_MAX + 1, 1);
	assert_non_null(data);
	const struct {
		enum answer answer;
		const char *text;
		size_t size;
		const char *line;
	} cases[] = {
		{ ANSWER_ERROR, NULL, 0,
				"the guest does not give its text: Cancelled clipboard request" },
		{ ANSWER_OTHER_TYPE, "png", 3, "what the guest gives is no text" },
		{ ANSWER_TEXT, "\xff", 1, "the guest's text is too long, or no UTF-8" },
		{ ANSWER_OTHER_SIGNATURE, NULL, 0, "what the guest gives is no text" },
		{ ANSWER_TEXT, data, ORIEL_GUEST_CLIPBOARD_SIZE_MAX + 1,
				"the guest's text is too long, or no UTF-8" },
		{ ANSWER_TEXT, data, ORIEL_GUEST_CLIPBOARD_SIZE_MAX, NULL },
	};
	arrive();
	guest_grabs(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		context.answer = cases[i].answer;
		context.text = cases[i].text;
		context.text_size = cases[i].size;
		unsigned int lines = log_lines_get_count();
		assert_true(oriel_guest_clipboard_fetch(context.clipboard));
		for (int turn = 0; context.texts <= (int)i; turn++) {
			assert_true(turn < PATIENCE);
			step();
		}
		if (cases[i].line == NULL) {
			assert_int_equal(context.got_size, cases[i].size);
			continue;
		}
		assert_string_equal(context.got, "none");
		assert_int_equal(log_lines_get_count(), lines + 1);
		assert_non_null(strstr(log_lines_get_last(), cases[i].line));
	}
	free(data);
}

static void machine_that_goes_in_the_middle_takes_all_along(void **state) {
	arrive();
	guest_grabs(0);
	context.answer = ANSWER_LATER;
	assert_true(oriel_guest_clipboard_fetch(context.clipboard));
	assert_qemu_heard("request");
	disconnect_machine();
	assert_int_equal(context.texts, 1);
	assert_string_equal(context.got, "none");
	assert_int_equal(context.changes, 2);
	assert_false(oriel_guest_clipboard_fetch(context.clipboard));

	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	peer_call("Request", "uas", 0, 1, TEXT_TYPE);
	settle();
	assert_true(context.clipboard->is_asking);
	disconnect_machine();
	assert_false(context.clipboard->is_asking);
	/* Nobody is there for an answer. */
	oriel_guest_clipboard_answer(context.clipboard, &(struct oriel_guest_text){ 0 });
	/* The next one hears of what is offered still. */
	connect_machine();
	assert_qemu_heard("register, grab 0");
}

/* The machine hears of that later than the calls that are under way. */
static void connection_that_ends_is_no_fault_of_the_clipboards(void **state) {
	arrive();
	context.is_slow = true;
	offer(true);
	guest_grabs(7);
	context.answer = ANSWER_TEXT;
	assert_true(oriel_guest_clipboard_fetch(context.clipboard));
	offer(true);
	disconnect_peer();
	for (int i = 0; !context.was_closed; i++) {
		assert_true(i < PATIENCE);
		step();
	}
	assert_string_equal(context.got, "none");
	assert_int_equal(log_lines_get_count(), 0);
}

static void garbage_is_answered_with_errors(void **state) {
	arrive();
	peer_call("Grab", "s", "text");
	assert_replied("error org.freedesktop.DBus.Error.InvalidArgs");
	peer_call("Grab", "uu", 0, 0);
	assert_replied("error org.freedesktop.DBus.Error.InvalidArgs");
	peer_call("Request", "s", TEXT_TYPE);
	assert_replied("error org.freedesktop.DBus.Error.InvalidArgs");
	peer_call("Release", "");
	assert_replied("error org.freedesktop.DBus.Error.InvalidArgs");
	peer_call("Paste", "");
	assert_replied("error org.freedesktop.DBus.Error.UnknownMethod");
	assert_int_equal(context.changes, 0);
	peer_call("Grab", "uuas", 0, 0, 0);
	assert_replied("ok");
	assert_false(context.clipboard->has_text);
}

static void step_until_replies(unsigned int count) {
	for (int i = 0; context.reply_count < count; i++) {
		assert_true(i < PATIENCE);
		step();
	}
}

static void flood_of_grabs_is_heard_and_nothing_is_sent(void **state) {
	arrive();
	offer(true);
	assert_qemu_heard("grab 0");
	context.reply_count = 0;
	for (uint32_t serial = 1; serial <= 10000; serial++) {
		peer_call("Grab", "uuas", 0, serial, 1, TEXT_TYPE);
	}
	step_until_replies(10000);
	assert_int_equal(context.changes, 10000);
	assert_qemu_heard("");
	/* Of those that come too late, too. */
	for (int i = 0; i < 1000; i++) {
		peer_call("Grab", "uuas", 0, 5, 1, TEXT_TYPE);
	}
	step_until_replies(11000);
	assert_int_equal(context.changes, 10000);
	assert_qemu_heard("");
}

static void heads_of_one_machine_have_one_clipboard(void **state) {
	struct oriel_guest_clipboard *other =
			oriel_qemu_clipboard_ref(context.loop, "win", "/run/win.qmp");
	assert_ptr_equal(other, context.clipboard);
	assert_int_equal(context.machine_refs, 1);
	arrive();
	oriel_guest_clipboard_unref(other);
	assert_qemu_heard("");
	drop_clipboard();
	assert_qemu_heard("unregister");
	/* Nothing is left that QEMU could call. */
	peer_call("Grab", "uuas", 0, 0, 1, TEXT_TYPE);
	assert_replied("error org.freedesktop.DBus.Error.UnknownObject");
}

static void clipboard_of_a_machine_that_is_there_begins_at_once(void **state) {
	drop_clipboard();
	connect_machine();
	assert_qemu_heard("");
	make_clipboard();
	assert_qemu_heard("register");
}

static void shortage_and_no_machine_give_none(void **state) {
	drop_clipboard();
	context.has_no_machine = true;
	assert_null(oriel_qemu_clipboard_ref(context.loop, "win", "/run/win.qmp"));
	assert_int_equal(log_lines_get_count(), 0);
	context.has_no_machine = false;
	shortage_of_memory_begin(1);
	assert_null(oriel_qemu_clipboard_ref(context.loop, "win", "/run/win.qmp"));
	shortage_of_memory_end();
	assert_logged("guest win: no clipboard: out of memory");
	assert_int_equal(context.machine_refs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(machine_that_comes_is_registered_with_and_told),
		TEST(offer_before_the_machine_is_told_once_it_is_registered),
		TEST(old_registration_is_ended_and_made_anew),
		TEST(registration_that_is_refused_twice_costs_the_clipboard),
		TEST(grabs_are_counted_with_the_guests),
		TEST(grab_that_lost_to_ours_is_dropped_and_ours_repeated),
		TEST(serials_that_are_used_up_stay_at_the_last_one),
		TEST(guest_that_has_grabbed_is_not_told_of_what_it_knows),
		TEST(guests_clipboard_comes_and_goes),
		TEST(other_selections_are_nobodys_business),
		TEST(release_of_ours_that_comes_back_changes_nothing),
		TEST(agent_that_comes_back_is_told_again),
		TEST(qemu_that_does_not_answer_is_told_the_last_of_it_when_it_does),
		TEST(guest_asks_and_is_answered),
		TEST(guest_is_told_when_there_is_no_text),
		TEST(second_question_is_refused_while_the_first_is_open),
		TEST(questions_whose_answers_are_not_read_are_refused),
		TEST(text_is_fetched),
		TEST(text_that_is_none_is_refused_with_a_line),
		TEST(machine_that_goes_in_the_middle_takes_all_along),
		TEST(connection_that_ends_is_no_fault_of_the_clipboards),
		TEST(garbage_is_answered_with_errors),
		TEST(flood_of_grabs_is_heard_and_nothing_is_sent),
		TEST(heads_of_one_machine_have_one_clipboard),
		TEST(clipboard_of_a_machine_that_is_there_begins_at_once),
		TEST(shortage_and_no_machine_give_none),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
