#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/log.h>

#include "fd.h"
#include "guest/clock.h"
#include "guest/complaints.h"
#include "guest/drivers/qemu_display.h"
#include "guest/qemu/console.h"
#include "guest/qemu/machine.h"
#include "guest/source_impl.h"

/*
 * The display of a machine that QEMU runs with -display dbus,p2p=yes: one of its consoles, which QEMU
 * shows to a listener that it is given (guest/qemu/listener.h). Unlike a vGPU it says when it has
 * changed, so that it is looked at then and not otherwise.
 *
 *	              a picture                off
 *	   WAITING ---------------> RUNNING <---------> OFF
 *	      |                      ^ |                 |
 *	      +----------------------|-+-----------------+--> LOST
 *	                   a picture |                         |
 *	                             +------- RESTARTED <------+
 *	                                          it is back
 *
 * LOST is a machine that was there and is away; looking for it is the machine's (guest/qemu/machine.h).
 *
 * A listener that is of no use any more is followed by another one, after RENEW_NS at the soonest, and no
 * more than RENEWALS_MAX in RENEWALS_NS: each of them has QEMU stop for a moment.
 */

#define MSEC_NS UINT64_C(1000000)
#define SEC_NS (1000 * MSEC_NS)

/* A new mode's picture comes within this time. */
#define FIT_MS 200

#define RENEW_NS SEC_NS
#define RENEWALS_NS (60 * SEC_NS)
#define RENEWALS_MAX 10

struct qemu {
	struct oriel_source base;
	struct oriel_qemu_machine *machine;
	struct oriel_qemu_console *console; /* the machine's */
	struct oriel_qemu_display display;
	struct oriel_complaints complaints;
	enum oriel_source_edid edid;
	struct oriel_guest_monitor monitor; /* of ORIEL_SOURCE_EDID_MODE */

	struct wl_event_source *timer; /* until the next listener */
	struct wl_event_source *fit_timer; /* the picture is not of the console's size */
	uint64_t listened_ns; /* when the last one was made; 0: none was */
	uint64_t since_ns; /* when they were last counted from 0 */
	unsigned listeners; /* since then */

	struct wl_listener there;
	struct wl_listener change; /* of the console */
};

static const struct oriel_source_ops qemu_ops;

static struct qemu *qemu_from_source(struct oriel_source *source) {
	assert(source->ops == &qemu_ops);
	struct qemu *qemu = wl_container_of(source, qemu, base);
	return qemu;
}

static bool qemu_is_there(const struct qemu *qemu) {
	return oriel_qemu_machine_is_there(qemu->machine) && qemu->console->is_there;
}

/* Another listener, as soon as one may be had. */
static void qemu_handle_renew(void *data) {
	struct qemu *qemu = data;
	uint64_t now_ns = oriel_clock_now_ns(), when_ns = now_ns;
	if (qemu->listeners >= RENEWALS_MAX && now_ns - qemu->since_ns < RENEWALS_NS) {
		when_ns = qemu->since_ns + RENEWALS_NS;
	} else if (qemu->listened_ns != 0 && now_ns - qemu->listened_ns < RENEW_NS) {
		when_ns = qemu->listened_ns + RENEW_NS;
	}
	wl_event_source_timer_update(qemu->timer, (int)((when_ns - now_ns) / MSEC_NS) + 1);
}

static const struct oriel_qemu_display_handler display_handler = {
	.renew = qemu_handle_renew,
};

static void qemu_handle_registered(void *data, bool is_ok) {
	struct qemu *qemu = data;
	if (!is_ok && qemu_is_there(qemu)) {
		qemu_handle_renew(qemu);
	}
}

static void qemu_listen(struct qemu *qemu) {
	uint64_t now_ns = oriel_clock_now_ns();
	if (qemu->listeners == 0 || now_ns - qemu->since_ns >= RENEWALS_NS) {
		qemu->listeners = 0;
		qemu->since_ns = now_ns;
	}
	qemu->listeners++;
	qemu->listened_ns = now_ns;
	oriel_qemu_console_forget(qemu->console, qemu);
	int peer_fd;
	if (!oriel_qemu_display_listen(&qemu->display, &peer_fd)) {
		oriel_complain(&qemu->complaints, now_ns, "qemu: out of memory or files");
		qemu_handle_renew(qemu);
	} else if (!oriel_qemu_console_register_listener(
				   qemu->console, peer_fd, qemu_handle_registered, qemu)) {
		oriel_qemu_display_close(&qemu->display);
		qemu_handle_renew(qemu);
	}
}

static int qemu_handle_timer(void *data) {
	struct qemu *qemu = data;
	if (qemu_is_there(qemu)) {
		qemu_listen(qemu);
	}
	return 0;
}

/* The machine has come. */
static void qemu_begin(struct qemu *qemu) {
	if (oriel_source_get_state(&qemu->base) == ORIEL_SOURCE_STATE_LOST) {
		oriel_source_set_state(&qemu->base, ORIEL_SOURCE_STATE_RESTARTED);
	}
	if (!qemu->console->is_there) {
		oriel_complain(&qemu->complaints, oriel_clock_now_ns(),
				"qemu: the machine has no head %u",
				oriel_qemu_console_get_number(qemu->console));
		return;
	}
	/* One that comes and goes all the time is not listened to more often for that. */
	qemu_handle_renew(qemu);
}

static void qemu_handle_there(struct wl_listener *listener, void *data) {
	struct qemu *qemu = wl_container_of(listener, qemu, there);
	if (oriel_qemu_machine_is_there(qemu->machine)) {
		qemu_begin(qemu);
		return;
	}
	wl_event_source_timer_update(qemu->timer, 0);
	oriel_qemu_console_forget(qemu->console, qemu);
	oriel_qemu_display_close(&qemu->display);
	oriel_source_set_state(&qemu->base, ORIEL_SOURCE_STATE_LOST);
}

static bool qemu_fits(const struct qemu *qemu) {
	return oriel_qemu_display_fits(&qemu->display, qemu->console->width, qemu->console->height);
}

/*
 * A QEMU whose map was refused, or answered too late, sends no Scanout with a new mode any more, but
 * parts of it at once, which fit if it is smaller. Another listener begins with all of it. A Scanout
 * that there is may come later than this, which comes by another socket.
 */
static void qemu_handle_change(struct wl_listener *listener, void *data) {
	struct qemu *qemu = wl_container_of(listener, qemu, change);
	wl_event_source_timer_update(
			qemu->fit_timer, qemu_is_there(qemu) && !qemu_fits(qemu) ? FIT_MS : 0);
}

static int qemu_handle_fit_timer(void *data) {
	struct qemu *qemu = data;
	if (qemu_is_there(qemu) && !qemu_fits(qemu)) {
		qemu_handle_renew(qemu);
	}
	return 0;
}

static void qemu_handle_poll(struct oriel_source *source) {
	oriel_qemu_display_poll(&qemu_from_source(source)->display);
}

static void qemu_handle_release(struct oriel_source *source, struct oriel_guest_buffer *buffer) {
	oriel_qemu_display_release(&qemu_from_source(source)->display);
}

static void qemu_handle_seen(struct oriel_source *source, enum oriel_guest_plane plane) {
	if (plane == ORIEL_GUEST_PLANE_PRIMARY) {
		oriel_qemu_display_see(&qemu_from_source(source)->display);
	}
}

/* What a machine does without any monitor is seldom of use: so the first head always has one. */
static void qemu_handle_set_monitor(
		struct oriel_source *source, const struct oriel_guest_monitor *monitor) {
	struct qemu *qemu = qemu_from_source(source);
	bool is_first = oriel_qemu_console_get_number(qemu->console) == 0;
	if (qemu->edid == ORIEL_SOURCE_EDID_NONE || (monitor == NULL && is_first)) {
		return;
	}
	bool is_other = monitor != NULL && qemu->edid == ORIEL_SOURCE_EDID_MODE;
	oriel_qemu_console_set_monitor(qemu->console, is_other ? &qemu->monitor : monitor);
}

/* It has a machine from now on, though that takes its time to come: nobody gives it another one. */
static bool qemu_adopt(struct qemu *qemu, enum oriel_qemu_channel channel, int take_fd) {
	bool is_adopted = oriel_qemu_machine_adopt(qemu->machine, channel, take_fd);
	if (is_adopted && oriel_source_get_state(&qemu->base) == ORIEL_SOURCE_STATE_LOST) {
		oriel_source_set_state(&qemu->base, ORIEL_SOURCE_STATE_RESTARTED);
	}
	return is_adopted;
}

static bool qemu_handle_adopt(
		struct oriel_source *source, enum oriel_source_handover handover, int take_fd) {
	struct qemu *qemu = qemu_from_source(source);
	if (oriel_qemu_console_get_number(qemu->console) != 0) {
		wlr_log(WLR_ERROR,
				"guest %s: qemu: a machine is handed over to guest %s, its first head",
				oriel_source_get_name(source),
				oriel_qemu_machine_get_name(qemu->machine));
		sb_fd_clear(&take_fd);
		return false;
	}
	switch (handover) {
	case ORIEL_SOURCE_HANDOVER_QEMU_DBUS:
		return qemu_adopt(qemu, ORIEL_QEMU_CHANNEL_DBUS, take_fd);
	case ORIEL_SOURCE_HANDOVER_QEMU_QMP:
		return qemu_adopt(qemu, ORIEL_QEMU_CHANNEL_QMP, take_fd);
	case ORIEL_SOURCE_HANDOVER_VFIO_DEVICE:
		break;
	}
	wlr_log(WLR_ERROR, "guest %s: qemu: takes a connection to QEMU, and no device",
			oriel_source_get_name(source));
	sb_fd_clear(&take_fd);
	return false;
}

static void qemu_handle_end(struct oriel_source *source) {
	oriel_qemu_machine_end(qemu_from_source(source)->machine);
}

static void qemu_handle_destroy(struct oriel_source *source) {
	struct qemu *qemu = qemu_from_source(source);
	wl_list_remove(&qemu->there.link);
	wl_list_remove(&qemu->change.link);
	if (qemu->console != NULL) {
		oriel_qemu_console_forget(qemu->console, qemu);
	}
	oriel_source_finish(source);
	oriel_qemu_display_finish(&qemu->display);
	oriel_qemu_machine_unref(qemu->machine);
	if (qemu->timer != NULL) {
		wl_event_source_remove(qemu->timer);
	}
	if (qemu->fit_timer != NULL) {
		wl_event_source_remove(qemu->fit_timer);
	}
	free(qemu);
}

static const struct oriel_source_ops qemu_ops = {
	.poll = qemu_handle_poll,
	.release = qemu_handle_release,
	.seen = qemu_handle_seen,
	.set_monitor = qemu_handle_set_monitor,
	.adopt = qemu_handle_adopt,
	.end = qemu_handle_end,
	.destroy = qemu_handle_destroy,
};

/* What of the options concerns the monitor. QEMU makes the EDID itself, of a size. */
static void qemu_set_edid(struct qemu *qemu, const struct oriel_source_options *options) {
	qemu->edid = options->edid;
	qemu->monitor = (struct oriel_guest_monitor){
		.width = options->edid_width,
		.height = options->edid_height,
		.refresh_mhz = options->edid_refresh_mhz,
	};
	if (options->edid == ORIEL_SOURCE_EDID_BLOB) {
		wlr_log(WLR_ERROR, "guest %s: qemu: QEMU takes no EDID; it makes its own",
				oriel_source_get_name(&qemu->base));
		qemu->edid = ORIEL_SOURCE_EDID_NONE;
	}
}

/* False after one log line. */
static bool qemu_attach(struct qemu *qemu, struct wl_event_loop *loop, const char *where,
		const struct oriel_source_options *options) {
	const char *name = oriel_source_get_name(&qemu->base);
	qemu->machine = oriel_qemu_machine_ref(
			loop, options->machine_name != NULL ? options->machine_name : name, where);
	if (qemu->machine == NULL) {
		return false;
	}
	if (options->head >= ORIEL_QEMU_CONSOLES_MAX) {
		wlr_log(WLR_ERROR, "guest %s: qemu: of a machine, heads 0 to %d can be shown", name,
				ORIEL_QEMU_CONSOLES_MAX - 1);
		return false;
	}
	qemu->console = oriel_qemu_machine_get_console(qemu->machine, options->head);
	if (qemu->console == NULL) {
		wlr_log(WLR_ERROR, "guest %s: qemu: out of memory", name);
		return false;
	}
	qemu->there.notify = qemu_handle_there;
	wl_signal_add(&qemu->machine->events.there, &qemu->there);
	qemu->change.notify = qemu_handle_change;
	wl_signal_add(&qemu->console->events.change, &qemu->change);
	if (oriel_qemu_machine_is_there(qemu->machine)) {
		qemu_begin(qemu);
	}
	return true;
}

static struct oriel_source *qemu_create(struct wl_event_loop *loop, const char *name,
		const char *where, const struct oriel_source_options *options) {
	struct qemu *qemu = calloc(1, sizeof(*qemu));
	if (qemu == NULL || !oriel_source_init(&qemu->base, &qemu_ops, name)) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
		free(qemu);
		return NULL;
	}
	wl_list_init(&qemu->there.link);
	wl_list_init(&qemu->change.link);
	oriel_complaints_init(&qemu->complaints, oriel_source_get_name(&qemu->base),
			oriel_clock_now_ns());
	oriel_source_set_telling(&qemu->base);
	qemu_set_edid(qemu, options);
	qemu->timer = wl_event_loop_add_timer(loop, qemu_handle_timer, qemu);
	qemu->fit_timer = wl_event_loop_add_timer(loop, qemu_handle_fit_timer, qemu);
	bool is_whole = oriel_qemu_display_init(&qemu->display, loop, &qemu->base,
			&qemu->complaints, &display_handler, qemu);
	if (!is_whole || qemu->timer == NULL || qemu->fit_timer == NULL) {
		wlr_log(WLR_ERROR, "guest %s: out of memory", name);
	} else if (qemu_attach(qemu, loop, where, options)) {
		return &qemu->base;
	}
	oriel_source_destroy(&qemu->base);
	return NULL;
}

const struct oriel_source_driver oriel_qemu_driver = {
	.name = "qemu",
	.create = qemu_create,
};
