#include "guest/qemu/clipboard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wlr/util/log.h>

#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/guest_clipboard.h"
#include "guest/qemu/bus.h"
#include "guest/qemu/machine.h"

/*
 * QEMU and we call each other by the same interface, on objects of the same path:
 *
 *	we			QEMU
 *	Register  ----------->			our object must be there by now: QEMU reads its
 *		  <-----------	Register	properties; both count grabs from 0 again
 *	Grab(n)	  ----------->			we have text: the guest is told
 *		  <-----------	Request		the guest pastes it. QEMU does nothing else until
 *	(text)	  ----------->			it has the answer
 *		  <-----------	Grab(n + 1)	the guest has text
 *	Request	  ----------->			somebody here pastes it
 *		  <-----------	(text)
 *	Release	  ----------->			we have none any more, and QEMU says the same of
 *		  <-----------	Release		the guest's, and of ours once we have released it
 *
 * A grab has a number: that of all grabs, whoever made them, since the counting began. QEMU drops a grab
 * of ours with a lower number than the last one, and a Linux guest's agent any but the next and, as we
 * win ties, the last. So we go by what QEMU has told us of the guest's, and count no grab that was
 * not sent.
 */

#define CLIPBOARD_PATH "/org/qemu/Display1/Clipboard"
#define CLIPBOARD_INTERFACE "org.qemu.Display1.Clipboard"

/* The first of QEMU's selections. The others are X11's, and stay where they are. */
#define SELECTION_CLIPBOARD 0
/* QEMU has no other. */
#define TEXT_TYPE "text/plain;charset=utf-8"

/* QEMU gives up on its guest after 5 seconds. */
#define FETCH_USEC (UINT64_C(6) * 1000 * 1000)

/* Questions are refused while so many messages lie here: QEMU asks, and does not read the answers. */
#define BACKLOG_MAX 4

struct qemu_clipboard {
	struct oriel_guest_clipboard base;
	struct oriel_qemu_machine *machine;
	struct oriel_complaints complaints;
	struct wl_listener there;

	struct oriel_bus *bus; /* NULL while the machine is not there */
	sd_bus_slot *object; /* what QEMU can call */
	sd_bus_slot *registering; /* the call, while it is under way */
	bool is_registered;
	bool was_unregistered; /* by us, as somebody else had been registered */

	/* What QEMU is told comes last: one call at a time, and what changes meanwhile is told after it. */
	bool has_offer; /* there is text for the guest */
	bool is_news; /* another one than QEMU was told of */
	bool is_told; /* QEMU takes us for the owner, for all we know */
	sd_bus_slot *telling; /* the call, while it is under way */
	uint64_t next_serial; /* above UINT32_MAX: the guest has used them up */

	sd_bus_slot *fetching; /* the call, while it is under way */
	sd_bus_message *question; /* QEMU's, until it is answered */
};

static struct qemu_clipboard *clipboard_from_base(struct oriel_guest_clipboard *base) {
	struct qemu_clipboard *clipboard = wl_container_of(base, clipboard, base);
	return clipboard;
}

static void clipboard_complain(struct qemu_clipboard *clipboard, const char *what, const char *why) {
	oriel_complain(&clipboard->complaints, oriel_clock_now_ns(), "clipboard: %s%s%s", what,
			why != NULL ? ": " : "", why != NULL ? why : "");
}

/* True, after one line, if a call has failed: but not as the connection ends, which is no fault of it. */
static bool clipboard_is_refused(
		struct qemu_clipboard *clipboard, sd_bus_message *reply, const char *what) {
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	if (error != NULL && oriel_bus_is_open(clipboard->bus)) {
		clipboard_complain(clipboard, what,
				error->message != NULL ? error->message : error->name);
	}
	return error != NULL;
}

/* --- what QEMU is told ------------------------------------------------------------------------ */

static void clipboard_tell(struct qemu_clipboard *clipboard);

/* A grab that was refused is not repeated: the next one may be better. */
static int clipboard_handle_told(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	clipboard->telling = sd_bus_slot_unref(clipboard->telling);
	clipboard_is_refused(clipboard, reply, "QEMU does not take ours");
	clipboard_tell(clipboard);
	return 0;
}

static int clipboard_grab(struct qemu_clipboard *clipboard) {
	uint32_t serial = clipboard->next_serial < UINT32_MAX ? (uint32_t)clipboard->next_serial
							      : UINT32_MAX;
	clipboard->next_serial = (uint64_t)serial + 1;
	clipboard->is_told = true;
	return sd_bus_call_method_async(oriel_bus_get(clipboard->bus), &clipboard->telling, NULL,
			CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Grab", clipboard_handle_told,
			clipboard, "uuas", (uint32_t)SELECTION_CLIPBOARD, serial, 1, TEXT_TYPE);
}

static int clipboard_release(struct qemu_clipboard *clipboard) {
	clipboard->is_told = false;
	return sd_bus_call_method_async(oriel_bus_get(clipboard->bus), &clipboard->telling, NULL,
			CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Release", clipboard_handle_told,
			clipboard, "u", (uint32_t)SELECTION_CLIPBOARD);
}

/* Tells QEMU what it does not know, unless that has to wait. */
static void clipboard_tell(struct qemu_clipboard *clipboard) {
	if (!clipboard->is_registered || clipboard->telling != NULL ||
			!oriel_bus_is_open(clipboard->bus)) {
		return;
	}
	int ret = 0;
	if (clipboard->has_offer && clipboard->is_news) {
		clipboard->is_news = false;
		ret = clipboard_grab(clipboard);
	} else if (!clipboard->has_offer && clipboard->is_told) {
		ret = clipboard_release(clipboard);
	}
	if (ret < 0) {
		clipboard_complain(clipboard, "QEMU cannot be told of ours", strerror(-ret));
	}
	oriel_bus_flush(clipboard->bus);
}

static void clipboard_handle_offer(struct oriel_guest_clipboard *base, bool has_text) {
	struct qemu_clipboard *clipboard = clipboard_from_base(base);
	clipboard->has_offer = has_text;
	clipboard->is_news = has_text;
	clipboard_tell(clipboard);
}

/* --- what QEMU tells -------------------------------------------------------------------------- */

/* A method has nothing to say. It may be that QEMU does not want to know: that is no failure. */
static int method_end(sd_bus_message *call) {
	sd_bus_reply_method_return(call, "");
	return 1;
}

static int method_refuse(sd_bus_message *call, const char *why) {
	sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "%s", why);
	return 1;
}

/* Does a list of types have text? False also if it is no such list. */
static bool message_read_has_text(sd_bus_message *message) {
	bool has_text = false;
	const char *type;
	if (sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "s") < 0) {
		return false;
	}
	while (sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &type) > 0) {
		has_text = has_text || strcasecmp(type, TEXT_TYPE) == 0;
	}
	return sd_bus_message_exit_container(message) >= 0 && has_text;
}

/* The counting begins anew: as we have asked for, or as the guest's agent has come (back). */
static int clipboard_handle_register(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	clipboard->next_serial = 0;
	/* An agent that has just come does not know of it. */
	clipboard->is_news = clipboard->has_offer;
	clipboard_tell(clipboard);
	return method_end(call);
}

static int clipboard_handle_unregister(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	clipboard->next_serial = 0;
	clipboard->is_told = false;
	oriel_guest_clipboard_change(&clipboard->base, false);
	return method_end(call);
}

static int clipboard_handle_grab(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	uint32_t selection, serial;
	if (sd_bus_message_read(call, "uu", &selection, &serial) < 0) {
		return method_refuse(call, "not a grab");
	}
	if (selection != SELECTION_CLIPBOARD) {
		return method_end(call);
	}
	if (serial < clipboard->next_serial) {
		/*
		 * It was made before the guest knew of ours, and the agent agrees that ours wins. But
		 * QEMU takes whoever comes last for the owner: that is to be us again.
		 */
		clipboard->is_news = clipboard->has_offer;
		clipboard_tell(clipboard);
		return method_end(call);
	}
	clipboard->next_serial = (uint64_t)serial + 1;
	clipboard->has_offer = false;
	clipboard->is_news = false;
	clipboard->is_told = false;
	oriel_guest_clipboard_change(&clipboard->base, message_read_has_text(call));
	return method_end(call);
}

static int clipboard_handle_release(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	uint32_t selection;
	if (sd_bus_message_read(call, "u", &selection) < 0) {
		return method_refuse(call, "not a release");
	}
	if (selection == SELECTION_CLIPBOARD && !clipboard->is_told) {
		oriel_guest_clipboard_change(&clipboard->base, false);
	}
	return method_end(call);
}

/* --- the guest pastes ------------------------------------------------------------------------- */

static int clipboard_handle_request(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	uint32_t selection;
	if (sd_bus_message_read(call, "u", &selection) < 0 || selection != SELECTION_CLIPBOARD ||
			!message_read_has_text(call)) {
		return method_refuse(call, "there is only text in the clipboard");
	}
	if (!clipboard->is_told || oriel_bus_get_backlog(clipboard->bus) >= BACKLOG_MAX) {
		return method_refuse(call, "the clipboard is empty");
	}
	if (clipboard->question != NULL) {
		return method_refuse(call, "one request at a time");
	}
	clipboard->question = sd_bus_message_ref(call);
	if (!oriel_guest_clipboard_ask(&clipboard->base)) {
		clipboard->question = sd_bus_message_unref(clipboard->question);
		return method_refuse(call, "the clipboard is empty");
	}
	return 1;
}

static int message_reply_text(sd_bus_message *call, const struct oriel_guest_text *text) {
	sd_bus_message *reply = NULL;
	int ret = sd_bus_message_new_method_return(call, &reply);
	if (ret >= 0) {
		ret = sd_bus_message_append(reply, "s", TEXT_TYPE);
	}
	if (ret >= 0) {
		ret = sd_bus_message_append_array(reply, 'y', text->data, text->size);
	}
	if (ret >= 0) {
		ret = sd_bus_send(NULL, reply, NULL);
	}
	sd_bus_message_unref(reply);
	return ret;
}

static void clipboard_handle_answer(
		struct oriel_guest_clipboard *base, const struct oriel_guest_text *text) {
	struct qemu_clipboard *clipboard = clipboard_from_base(base);
	if (text->data == NULL || message_reply_text(clipboard->question, text) < 0) {
		sd_bus_reply_method_errorf(clipboard->question, SD_BUS_ERROR_FAILED,
				"there is no text to be had");
	}
	clipboard->question = sd_bus_message_unref(clipboard->question);
	oriel_bus_flush(clipboard->bus);
}

/* --- the guest's text is pasted --------------------------------------------------------------- */

/* False, after one line, if it has none. What it is given is the message's. */
static bool clipboard_read_text(struct qemu_clipboard *clipboard, sd_bus_message *reply,
		struct oriel_guest_text *ret_text) {
	if (clipboard_is_refused(clipboard, reply, "the guest does not give its text")) {
		return false;
	}
	const char *type;
	const void *data;
	size_t size;
	if (!sd_bus_message_has_signature(reply, "say") ||
			sd_bus_message_read_basic(reply, SD_BUS_TYPE_STRING, &type) < 0 ||
			sd_bus_message_read_array(reply, SD_BUS_TYPE_BYTE, &data, &size) < 0 ||
			strcasecmp(type, TEXT_TYPE) != 0) {
		clipboard_complain(clipboard, "what the guest gives is no text", NULL);
		return false;
	}
	*ret_text = (struct oriel_guest_text){ .data = size > 0 ? data : "", .size = size };
	return true;
}

static int clipboard_handle_fetched(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	clipboard->fetching = sd_bus_slot_unref(clipboard->fetching);
	struct oriel_guest_text text = { 0 };
	bool is_read = clipboard_read_text(clipboard, reply, &text);
	if (!oriel_guest_clipboard_give_text(&clipboard->base, &text) && is_read) {
		clipboard_complain(clipboard, "the guest's text is too long, or no UTF-8", NULL);
	}
	return 0;
}

static bool clipboard_handle_fetch(struct oriel_guest_clipboard *base) {
	struct qemu_clipboard *clipboard = clipboard_from_base(base);
	if (!clipboard->is_registered || !oriel_bus_is_open(clipboard->bus)) {
		return false;
	}
	sd_bus_message *call = NULL;
	sd_bus *bus = oriel_bus_get(clipboard->bus);
	int ret = sd_bus_message_new_method_call(
			bus, &call, NULL, CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Request");
	if (ret >= 0) {
		ret = sd_bus_message_append(call, "uas", (uint32_t)SELECTION_CLIPBOARD, 1, TEXT_TYPE);
	}
	if (ret >= 0) {
		ret = sd_bus_call_async(bus, &clipboard->fetching, call, clipboard_handle_fetched,
				clipboard, FETCH_USEC);
	}
	sd_bus_message_unref(call);
	if (ret < 0) {
		clipboard_complain(clipboard, "QEMU cannot be asked for the guest's text",
				strerror(-ret));
	}
	oriel_bus_flush(clipboard->bus);
	return ret >= 0;
}

/* --- coming and going ------------------------------------------------------------------------- */

static int clipboard_get_interfaces(sd_bus *bus, const char *path, const char *interface,
		const char *property, sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	return sd_bus_message_append(reply, "as", 0);
}

static const sd_bus_vtable clipboard_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Register", "", "", clipboard_handle_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Unregister", "", "", clipboard_handle_unregister, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Grab", "uuas", "", clipboard_handle_grab, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Release", "u", "", clipboard_handle_release, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Request", "uas", "say", clipboard_handle_request, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Interfaces", "as", clipboard_get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static void clipboard_unregister(struct qemu_clipboard *clipboard) {
	sd_bus_message *call = NULL;
	if (sd_bus_message_new_method_call(oriel_bus_get(clipboard->bus), &call, NULL,
			    CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Unregister") >= 0 &&
			sd_bus_message_set_expect_reply(call, 0) >= 0) {
		sd_bus_send(NULL, call, NULL);
	}
	sd_bus_message_unref(call);
}

static bool clipboard_register(struct qemu_clipboard *clipboard);

/*
 * Not every QEMU notices that whoever was registered has gone with an earlier connection. But there is one
 * connection at a time, and it takes our word for his.
 */
static int clipboard_handle_registered(sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	struct qemu_clipboard *clipboard = data;
	clipboard->registering = sd_bus_slot_unref(clipboard->registering);
	if (!sd_bus_message_is_method_error(reply, NULL)) {
		clipboard->is_registered = true;
		clipboard_tell(clipboard);
	} else if (!clipboard->was_unregistered && oriel_bus_is_open(clipboard->bus)) {
		clipboard->was_unregistered = true;
		clipboard_unregister(clipboard);
		clipboard_register(clipboard);
	} else {
		clipboard_is_refused(clipboard, reply, "QEMU does not share it");
	}
	return 0;
}

static bool clipboard_register(struct qemu_clipboard *clipboard) {
	int ret = sd_bus_call_method_async(oriel_bus_get(clipboard->bus), &clipboard->registering,
			NULL, CLIPBOARD_PATH, CLIPBOARD_INTERFACE, "Register",
			clipboard_handle_registered, clipboard, "");
	oriel_bus_flush(clipboard->bus);
	return ret >= 0;
}

static void clipboard_arrive(struct qemu_clipboard *clipboard) {
	clipboard->bus = oriel_qemu_machine_get_bus(clipboard->machine);
	if (clipboard->bus == NULL) {
		return; /* there is a monitor only, which knows of no clipboard */
	}
	clipboard->was_unregistered = false;
	clipboard->next_serial = 0;
	clipboard->is_news = clipboard->has_offer;
	if (sd_bus_add_object_vtable(oriel_bus_get(clipboard->bus), &clipboard->object,
			    CLIPBOARD_PATH, CLIPBOARD_INTERFACE, clipboard_vtable, clipboard) < 0 ||
			!clipboard_register(clipboard)) {
		clipboard_complain(clipboard, "out of memory", NULL);
	}
}

static void clipboard_drop_calls(struct qemu_clipboard *clipboard) {
	clipboard->object = sd_bus_slot_unref(clipboard->object);
	clipboard->registering = sd_bus_slot_unref(clipboard->registering);
	clipboard->telling = sd_bus_slot_unref(clipboard->telling);
	clipboard->fetching = sd_bus_slot_unref(clipboard->fetching);
	clipboard->question = sd_bus_message_unref(clipboard->question);
	clipboard->is_registered = false;
	clipboard->is_told = false;
	clipboard->bus = NULL;
}

static void clipboard_depart(struct qemu_clipboard *clipboard) {
	clipboard_drop_calls(clipboard);
	oriel_guest_clipboard_end_ask(&clipboard->base);
	if (clipboard->base.is_fetching) {
		const struct oriel_guest_text none = { 0 };
		oriel_guest_clipboard_give_text(&clipboard->base, &none);
	}
	oriel_guest_clipboard_change(&clipboard->base, false);
}

static void clipboard_handle_there(struct wl_listener *listener, void *data) {
	struct qemu_clipboard *clipboard = wl_container_of(listener, clipboard, there);
	if (clipboard->bus != NULL) {
		clipboard_depart(clipboard);
	}
	if (oriel_qemu_machine_is_there(clipboard->machine)) {
		clipboard_arrive(clipboard);
	}
}

static void clipboard_handle_destroy(struct oriel_guest_clipboard *base) {
	struct qemu_clipboard *clipboard = clipboard_from_base(base);
	if (clipboard->bus != NULL && oriel_bus_is_open(clipboard->bus)) {
		clipboard_unregister(clipboard);
		oriel_bus_flush(clipboard->bus);
	}
	clipboard_drop_calls(clipboard);
	wl_list_remove(&clipboard->there.link);
	oriel_qemu_machine_unref(clipboard->machine);
	free(clipboard);
}

static const struct oriel_guest_clipboard_ops clipboard_ops = {
	.offer = clipboard_handle_offer,
	.fetch = clipboard_handle_fetch,
	.answer = clipboard_handle_answer,
	.destroy = clipboard_handle_destroy,
};

struct oriel_guest_clipboard *oriel_qemu_clipboard_ref(
		struct wl_event_loop *loop, const char *name, const char *where) {
	struct oriel_qemu_machine *machine = oriel_qemu_machine_ref(loop, name, where);
	if (machine == NULL) {
		return NULL;
	}
	struct qemu_clipboard *clipboard = NULL;
	struct wl_listener *there = wl_signal_get(&machine->events.there, clipboard_handle_there);
	if (there != NULL) {
		clipboard = wl_container_of(there, clipboard, there);
		oriel_guest_clipboard_ref(&clipboard->base);
		oriel_qemu_machine_unref(machine);
		return &clipboard->base;
	}
	clipboard = calloc(1, sizeof(*clipboard));
	if (clipboard == NULL) {
		wlr_log(WLR_ERROR, "guest %s: no clipboard: out of memory", name);
		oriel_qemu_machine_unref(machine);
		return NULL;
	}
	oriel_guest_clipboard_init(&clipboard->base, &clipboard_ops);
	clipboard->machine = machine;
	oriel_complaints_init(&clipboard->complaints, oriel_qemu_machine_get_name(machine),
			oriel_clock_now_ns());
	clipboard->there.notify = clipboard_handle_there;
	wl_signal_add(&machine->events.there, &clipboard->there);
	if (oriel_qemu_machine_is_there(machine)) {
		clipboard_arrive(clipboard);
	}
	return &clipboard->base;
}
