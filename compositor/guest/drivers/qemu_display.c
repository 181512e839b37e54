#include "guest/drivers/qemu_display.h"

#include <errno.h>
#include <string.h>

#include "guest/clock.h"
#include "guest/source_impl.h"

/* An update that belongs to a dma-buf, or the dma-buf that is meant instead, comes within this time. */
#define STILL_MS 100
/* QEMU sends the next scanout within this time if it means to send one. */
#define DISABLE_GRACE_MS 250
/* What was refused is in the place of something better for no longer. */
#define ERROR_MS 1000
/* Rectangles that damage is kept as: with more it is the one around them all. */
#define DAMAGE_BOXES_MAX 64

static void display_complain(struct oriel_qemu_display *display, const char *message) {
	oriel_complain(display->complaints, oriel_clock_now_ns(), "QEMU: %s", message);
}

/* --- what the picture is ---------------------------------------------------------------------- */

static void display_drop_dmabuf(struct oriel_qemu_display *display) {
	if (display->dmabuf.buffer != NULL) {
		oriel_guest_buffer_unlock(display->dmabuf.buffer);
	}
	display->dmabuf = (struct oriel_qemu_dmabuf_picture){ 0 };
	pixman_region32_clear(&display->dmabuf_damage);
}

/* A Disable was not meant. */
static void display_stay_on(struct oriel_qemu_display *display) {
	display->off_is_near = false;
	wl_event_source_timer_update(display->off_timer, 0);
}

/* The picture is of that kind. Nobody reads what the calls so far are about. */
static void display_set_kind(struct oriel_qemu_display *display, enum oriel_qemu_display_kind kind) {
	display->kind = kind;
	display->was_refused = false;
	if (kind != ORIEL_QEMU_DISPLAY_SURFACE) {
		oriel_qemu_surface_clear(&display->surface);
	}
	if (kind != ORIEL_QEMU_DISPLAY_DMABUF) {
		display_drop_dmabuf(display);
		oriel_qemu_acks_answer_all(&display->acks);
		wl_event_source_timer_update(display->still_timer, 0);
	}
	display_stay_on(display);
}

static void display_calm_down(struct oriel_qemu_display *display) {
	display->error_is_near = false;
	wl_event_source_timer_update(display->error_timer, 0);
}

static void display_refuse(struct oriel_qemu_display *display, const char *message) {
	display_complain(display, message);
	display_set_kind(display, ORIEL_QEMU_DISPLAY_NOTHING);
	display->was_refused = true;
	if (!display->error_is_near) {
		display->error_is_near = true;
		wl_event_source_timer_update(display->error_timer, ERROR_MS);
	}
}

/* The picture has changed. Nobody may be there to see it, and it is no fault then. */
static void display_tell(struct oriel_qemu_display *display) {
	display_stay_on(display);
	display_calm_down(display);
	oriel_source_tell(display->source);
}

static bool display_handle_scanout(void *data, const struct oriel_qemu_scanout *scanout) {
	struct oriel_qemu_display *display = data;
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	if (!oriel_qemu_surface_set_bytes(&display->surface, scanout, message)) {
		display_refuse(display, message);
		return false;
	}
	display_set_kind(display, ORIEL_QEMU_DISPLAY_SURFACE);
	if (oriel_qemu_surface_is_damaged(&display->surface)) {
		display_tell(display);
	}
	return true;
}

static bool display_handle_update(void *data, const struct oriel_qemu_update *update) {
	struct oriel_qemu_display *display = data;
	if (display->was_refused) {
		return false;
	}
	if (!oriel_qemu_surface_update(&display->surface, update)) {
		display->handler->renew(display->data);
		return false;
	}
	if (oriel_qemu_surface_is_damaged(&display->surface)) {
		display_tell(display);
	}
	return true;
}

static bool display_handle_scanout_map(void *data, const struct oriel_qemu_scanout_map *scanout) {
	struct oriel_qemu_display *display = data;
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	if (!oriel_qemu_surface_set_map(&display->surface, scanout, message)) {
		display_refuse(display, message);
		return false;
	}
	display_set_kind(display, ORIEL_QEMU_DISPLAY_SURFACE);
	return true;
}

static bool display_handle_update_map(void *data, const struct oriel_qemu_box *box) {
	struct oriel_qemu_display *display = data;
	oriel_qemu_surface_damage(&display->surface, box);
	if (oriel_qemu_surface_is_damaged(&display->surface)) {
		display_tell(display);
	}
	return display->kind == ORIEL_QEMU_DISPLAY_SURFACE;
}

static bool dmabuf_pictures_equal(const struct oriel_qemu_dmabuf_picture *a,
		const struct oriel_qemu_dmabuf_picture *b) {
	return a->buffer == b->buffer && a->is_flipped == b->is_flipped && a->crop.x == b->crop.x &&
			a->crop.y == b->crop.y && a->crop.width == b->crop.width &&
			a->crop.height == b->crop.height;
}

static bool display_handle_scanout_dmabuf(
		void *data, const struct oriel_qemu_scanout_dmabuf *scanout) {
	struct oriel_qemu_display *display = data;
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	struct oriel_qemu_dmabuf_picture picture;
	if (!oriel_qemu_dmabufs_get(&display->dmabufs, scanout, &picture, message)) {
		display_refuse(display, message);
		return false;
	}
	display_set_kind(display, ORIEL_QEMU_DISPLAY_DMABUF);
	if (!dmabuf_pictures_equal(&picture, &display->dmabuf)) {
		oriel_guest_buffer_lock(picture.buffer);
		display_drop_dmabuf(display);
		display->dmabuf = picture;
		display->dmabuf_is_new = true;
		/* What was drawn into the one before it, and has not been taken, never is. */
		oriel_qemu_acks_answer_all(&display->acks);
		wl_event_source_timer_update(display->still_timer, STILL_MS);
	}
	return true;
}

static int64_t max64(int64_t a, int64_t b) {
	return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b) {
	return a < b ? a : b;
}

/* box is of the picture as it is shown; the damage is the buffer's. */
static void display_damage_dmabuf(
		struct oriel_qemu_display *display, const struct oriel_qemu_box *box) {
	const struct oriel_guest_crop *crop = &display->dmabuf.crop;
	const struct oriel_guest_buffer_attributes *attributes =
			oriel_guest_buffer_get_attributes(display->dmabuf.buffer);
	const int width = crop->width > 0 ? crop->width : attributes->width;
	const int height = crop->width > 0 ? crop->height : attributes->height;
	int64_t left = max64(box->x, 0), right = min64((int64_t)box->x + box->width, width);
	int64_t top = max64(box->y, 0), bottom = min64((int64_t)box->y + box->height, height);
	if (left >= right || top >= bottom) {
		return;
	}
	if (display->dmabuf.is_flipped) {
		int64_t flipped_top = height - bottom;
		bottom = height - top;
		top = flipped_top;
	}
	pixman_region32_t *damage = &display->dmabuf_damage;
	if (pixman_region32_n_rects(damage) >= DAMAGE_BOXES_MAX) {
		const pixman_box32_t extents = *pixman_region32_extents(damage);
		pixman_region32_fini(damage);
		pixman_region32_init_with_extents(damage, &extents);
	}
	pixman_region32_union_rect(damage, damage, crop->x + (int)left, crop->y + (int)top,
			(unsigned int)(right - left), (unsigned int)(bottom - top));
}

static void display_handle_update_dmabuf(
		void *data, const struct oriel_qemu_box *box, struct sd_bus_message *take_call) {
	struct oriel_qemu_display *display = data;
	oriel_qemu_acks_add(&display->acks, take_call);
	if (display->kind == ORIEL_QEMU_DISPLAY_DMABUF) {
		display_damage_dmabuf(display, box);
		wl_event_source_timer_update(display->still_timer, 0);
	}
	if (pixman_region32_not_empty(&display->dmabuf_damage)) {
		display_tell(display);
	} else {
		oriel_qemu_acks_answer_all(&display->acks);
	}
}

static void display_handle_disable(void *data) {
	struct oriel_qemu_display *display = data;
	wl_event_source_timer_update(display->still_timer, 0);
	display->off_is_near = true;
	wl_event_source_timer_update(display->off_timer, DISABLE_GRACE_MS);
}

static void display_handle_mouse_set(void *data, int32_t x, int32_t y, bool is_on) {
	struct oriel_qemu_display *display = data;
	oriel_qemu_cursor_set(&display->cursor, x, y, is_on);
}

static bool display_handle_cursor_define(void *data, const struct oriel_qemu_cursor_shape *shape) {
	struct oriel_qemu_display *display = data;
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	bool is_taken = oriel_qemu_cursor_define(&display->cursor, shape, message);
	if (!is_taken) {
		display_complain(display, message);
	}
	return is_taken;
}

/* QEMU repeats the scanout on another connection, but not the cursor's picture. */
static void display_drop_listener(struct oriel_qemu_display *display) {
	oriel_qemu_acks_drop(&display->acks);
	oriel_qemu_listener_destroy(display->listener);
	display->listener = NULL;
	display_set_kind(display, ORIEL_QEMU_DISPLAY_NOTHING);
	oriel_qemu_dmabufs_clear(&display->dmabufs);
}

static void display_handle_closed(void *data) {
	struct oriel_qemu_display *display = data;
	display_drop_listener(display);
	display->handler->renew(display->data);
}

static const struct oriel_qemu_listener_handler listener_handler = {
	.scanout = display_handle_scanout,
	.update = display_handle_update,
	.scanout_map = display_handle_scanout_map,
	.update_map = display_handle_update_map,
	.scanout_dmabuf = display_handle_scanout_dmabuf,
	.update_dmabuf = display_handle_update_dmabuf,
	.disable = display_handle_disable,
	.mouse_set = display_handle_mouse_set,
	.cursor_define = display_handle_cursor_define,
	.closed = display_handle_closed,
};

/* --- what is shown ---------------------------------------------------------------------------- */

/* True if it was. */
static bool display_submit(struct oriel_qemu_display *display, struct oriel_source_picture *picture) {
	oriel_source_set_state(display->source, ORIEL_SOURCE_STATE_RUNNING);
	oriel_qemu_cursor_refresh(&display->cursor);
	display_calm_down(display);
	return oriel_source_submit(display->source, picture);
}

static void display_poll_surface(struct oriel_qemu_display *display) {
	struct oriel_qemu_surface *surface = &display->surface;
	struct oriel_source_picture picture = { .plane = ORIEL_GUEST_PLANE_PRIMARY };
	int ret = oriel_qemu_surface_take(surface, oriel_clock_now_ns(), &picture.damage);
	if (ret == -EFAULT) {
		display_refuse(display, "its picture was cut off while it was read");
		display->handler->renew(display->data);
		return;
	} else if (ret < 0) {
		oriel_complain(display->complaints, oriel_clock_now_ns(),
				"QEMU: its picture cannot be copied: %s", strerror(-ret));
		oriel_source_tell(display->source); /* to be tried again */
		return;
	}
	if (ret == 1) {
		display->dmabuf_is_new = true;
		picture.buffer = surface->pixels.buffer;
		if (!display_submit(display, &picture)) {
			oriel_qemu_surface_forget(surface);
		}
	}
	if (oriel_qemu_surface_is_damaged(surface)) {
		oriel_source_tell(display->source);
	}
}

static void display_poll_dmabuf(struct oriel_qemu_display *display) {
	if (!pixman_region32_not_empty(&display->dmabuf_damage)) {
		return;
	}
	if (!oriel_source_wants(display->source, ORIEL_GUEST_PLANE_PRIMARY, display->dmabuf.buffer)) {
		/* An older frame of it waits for its fence. */
		oriel_source_tell(display->source);
		return;
	}
	struct oriel_source_picture picture = {
		.plane = ORIEL_GUEST_PLANE_PRIMARY,
		.buffer = display->dmabuf.buffer,
		.damage = display->dmabuf_is_new ? NULL : &display->dmabuf_damage,
		.crop = display->dmabuf.crop,
		.is_flipped = display->dmabuf.is_flipped,
	};
	/* Before it is submitted: it may be seen, or refused, before that returns. */
	oriel_qemu_acks_take(&display->acks);
	if (!display_submit(display, &picture)) {
		oriel_source_tell(display->source);
		return;
	}
	display->dmabuf_is_new = false;
	pixman_region32_clear(&display->dmabuf_damage);
	oriel_qemu_display_release(display);
}

bool oriel_qemu_display_fits(const struct oriel_qemu_display *display, int width, int height) {
	const struct oriel_qemu_surface *surface = &display->surface;
	return display->kind != ORIEL_QEMU_DISPLAY_SURFACE || surface->bytes == NULL ||
			(surface->attributes.width == width && surface->attributes.height == height);
}

void oriel_qemu_display_poll(struct oriel_qemu_display *display) {
	if (display->kind == ORIEL_QEMU_DISPLAY_SURFACE) {
		display_poll_surface(display);
	} else if (display->kind == ORIEL_QEMU_DISPLAY_DMABUF) {
		display_poll_dmabuf(display);
	}
}

void oriel_qemu_display_see(struct oriel_qemu_display *display) {
	oriel_qemu_acks_see(&display->acks);
}

void oriel_qemu_display_release(struct oriel_qemu_display *display) {
	if (!oriel_source_is_held(display->source, ORIEL_GUEST_PLANE_PRIMARY)) {
		oriel_qemu_acks_see(&display->acks);
	}
}

/*
 * The timers. One that went off in the same turn of the event loop as what disarmed it is heard of all
 * the same: each looks whether it is still meant.
 */

static int display_handle_still_timer(void *data) {
	struct oriel_qemu_display *display = data;
	if (display->kind != ORIEL_QEMU_DISPLAY_DMABUF) {
		return 0;
	}
	const struct oriel_qemu_box all = { .width = INT32_MAX, .height = INT32_MAX };
	display_damage_dmabuf(display, &all);
	display_tell(display);
	return 0;
}

static int display_handle_off_timer(void *data) {
	struct oriel_qemu_display *display = data;
	if (!display->off_is_near) {
		return 0;
	}
	display->off_is_near = false;
	oriel_qemu_surface_renew(&display->surface);
	oriel_source_set_state(display->source, ORIEL_SOURCE_STATE_OFF);
	return 0;
}

static int display_handle_error_timer(void *data) {
	struct oriel_qemu_display *display = data;
	if (!display->error_is_near) {
		return 0;
	}
	display->error_is_near = false;
	oriel_source_set_state(display->source, ORIEL_SOURCE_STATE_ERROR);
	return 0;
}

/* --- the connection --------------------------------------------------------------------------- */

static void display_answer(void *data, struct sd_bus_message *take_call) {
	struct oriel_qemu_display *display = data;
	oriel_qemu_listener_answer(display->listener, take_call);
}

bool oriel_qemu_display_init(struct oriel_qemu_display *display, struct wl_event_loop *loop,
		struct oriel_source *source, struct oriel_complaints *complaints,
		const struct oriel_qemu_display_handler *handler, void *data) {
	*display = (struct oriel_qemu_display){
		.loop = loop,
		.source = source,
		.complaints = complaints,
		.handler = handler,
		.data = data,
	};
	oriel_qemu_surface_init(&display->surface);
	oriel_qemu_dmabufs_init(&display->dmabufs);
	oriel_qemu_cursor_init(&display->cursor, source);
	pixman_region32_init(&display->dmabuf_damage);
	display->still_timer = wl_event_loop_add_timer(loop, display_handle_still_timer, display);
	display->off_timer = wl_event_loop_add_timer(loop, display_handle_off_timer, display);
	display->error_timer = wl_event_loop_add_timer(loop, display_handle_error_timer, display);
	return oriel_qemu_acks_init(&display->acks, loop, display_answer, display) &&
			display->still_timer != NULL && display->off_timer != NULL &&
			display->error_timer != NULL;
}

void oriel_qemu_display_finish(struct oriel_qemu_display *display) {
	oriel_qemu_acks_finish(&display->acks);
	oriel_qemu_listener_destroy(display->listener);
	display_drop_dmabuf(display);
	oriel_guest_pixels_clear(&display->cursor.pixels);
	oriel_qemu_dmabufs_clear(&display->dmabufs);
	oriel_qemu_surface_finish(&display->surface);
	pixman_region32_fini(&display->dmabuf_damage);
	if (display->still_timer != NULL) {
		wl_event_source_remove(display->still_timer);
	}
	if (display->off_timer != NULL) {
		wl_event_source_remove(display->off_timer);
	}
	if (display->error_timer != NULL) {
		wl_event_source_remove(display->error_timer);
	}
}

bool oriel_qemu_display_listen(struct oriel_qemu_display *display, int *ret_peer_fd) {
	display_drop_listener(display);
	display->listener = oriel_qemu_listener_create(
			display->loop, &listener_handler, display, ret_peer_fd);
	return display->listener != NULL;
}

void oriel_qemu_display_close(struct oriel_qemu_display *display) {
	display_drop_listener(display);
	oriel_qemu_cursor_clear(&display->cursor);
	display->error_is_near = false;
	wl_event_source_timer_update(display->error_timer, 0);
}
