#ifndef ORIEL_GUEST_DRIVERS_QEMU_DISPLAY_H
#define ORIEL_GUEST_DRIVERS_QEMU_DISPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

#include "guest/complaints.h"
#include "guest/drivers/qemu_acks.h"
#include "guest/drivers/qemu_cursor.h"
#include "guest/drivers/qemu_dmabuf.h"
#include "guest/drivers/qemu_surface.h"
#include "guest/qemu/listener.h"

struct oriel_source;

/*
 * From what QEMU says of a console to the pictures of a source:
 *
 *	Scanout*	the picture is that from now on; nothing of it is shown yet
 *	Update*		it has changed, and is shown: the source tells, and is polled when an output draws
 *	poll		what there is then is submitted, whatever came before it is merged
 *
 * Bytes are shown with their Scanout. Until the first update of a picture the last frame of the one
 * before it stays, so that what QEMU shows for a moment only, as between two modes, is never seen.
 * To a new listener QEMU repeats a dma-buf, but no update, and the guest may stand still: so one that
 * nothing follows for STILL_MS is shown as it is.
 *
 * Disable says that the display is off, or that QEMU has let go of a dma-buf it does not show any more,
 * and comes after the scanout of the next one then. So it is believed after DISABLE_GRACE_MS without a
 * Scanout* or an Update*.
 *
 * Whatever QEMU gives is refused for a reason that the log has, and the last frame stays. If nothing
 * better comes within a second the state is ERROR. What cannot be right on this connection any more, as a
 * part of a picture that was never given, is mended by another one: QEMU begins with the whole then.
 */
struct oriel_qemu_display_handler {
	/* Another listener is to be given to QEMU: this one is closed, or of no use any more. */
	void (*renew)(void *data);
};

enum oriel_qemu_display_kind {
	ORIEL_QEMU_DISPLAY_NOTHING, /* there is no picture: none came, or it was refused */
	ORIEL_QEMU_DISPLAY_SURFACE,
	ORIEL_QEMU_DISPLAY_DMABUF,
};

struct oriel_qemu_display {
	struct wl_event_loop *loop;
	struct oriel_source *source; /* borrowed, as are the complaints */
	struct oriel_complaints *complaints;
	const struct oriel_qemu_display_handler *handler;
	void *data;
	struct oriel_qemu_listener *listener; /* NULL: there is none */

	enum oriel_qemu_display_kind kind;
	bool was_refused; /* so that there is nothing to update */
	struct oriel_qemu_surface surface;
	struct oriel_qemu_dmabufs dmabufs;
	struct oriel_qemu_dmabuf_picture dmabuf; /* its buffer is locked */
	/* What differs in it from what was submitted last; nothing until the first update. */
	pixman_region32_t dmabuf_damage;
	bool dmabuf_is_new; /* something else was submitted last */
	struct oriel_qemu_cursor cursor;
	struct oriel_qemu_acks acks;

	struct wl_event_source *still_timer; /* since the last dma-buf, until an update or Disable */
	bool off_is_near; /* the off timer runs */
	struct wl_event_source *off_timer;
	struct wl_event_source *error_timer;
	bool error_is_near; /* the error timer runs */
};

/* False if memory ran out; then finish is called all the same. */
bool oriel_qemu_display_init(struct oriel_qemu_display *display, struct wl_event_loop *loop,
		struct oriel_source *source, struct oriel_complaints *complaints,
		const struct oriel_qemu_display_handler *handler, void *data);
void oriel_qemu_display_finish(struct oriel_qemu_display *display);

/*
 * Makes a listener, in place of the one there was. False if memory or files ran out: there is none
 * then. *ret_peer_fd, which is for QEMU, belongs to the caller.
 */
bool oriel_qemu_display_listen(struct oriel_qemu_display *display, int *ret_peer_fd);
/* The machine is away. What is shown stays, but its cursor. */
void oriel_qemu_display_close(struct oriel_qemu_display *display);

/* False if the picture has come by bytes, and is not of that size. */
bool oriel_qemu_display_fits(const struct oriel_qemu_display *display, int width, int height);

/* For the source's ops. */
void oriel_qemu_display_poll(struct oriel_qemu_display *display);
void oriel_qemu_display_see(struct oriel_qemu_display *display);
void oriel_qemu_display_release(struct oriel_qemu_display *display);

#endif
