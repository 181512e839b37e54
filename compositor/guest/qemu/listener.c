#include "guest/qemu/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fd.h"

#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define LISTENER_INTERFACE "org.qemu.Display1.Listener"
#define MAP_INTERFACE LISTENER_INTERFACE ".Unix.Map"
#define DMABUF2_INTERFACE LISTENER_INTERFACE ".Unix.ScanoutDMABUF2"

struct oriel_qemu_listener {
	struct oriel_bus *bus;
	const struct oriel_qemu_listener_handler *handler;
	void *data;
};

/* --- decoding --------------------------------------------------------------------------------- */

static int message_read_bytes(
		sd_bus_message *message, const uint8_t **ret_data, size_t *ret_size_bytes) {
	const void *data;
	int ret = sd_bus_message_read_array(message, SD_BUS_TYPE_BYTE, &data, ret_size_bytes);
	*ret_data = data;
	return ret;
}

static int message_read_scanout(sd_bus_message *message, struct oriel_qemu_scanout *scanout) {
	int ret = sd_bus_message_read(message, "uuuu", &scanout->width, &scanout->height,
			&scanout->stride_bytes, &scanout->pixman_format);
	return ret < 0 ? ret : message_read_bytes(message, &scanout->data, &scanout->size_bytes);
}

static int message_read_box(sd_bus_message *message, struct oriel_qemu_box *box) {
	return sd_bus_message_read(message, "iiii", &box->x, &box->y, &box->width, &box->height);
}

static int message_read_update(sd_bus_message *message, struct oriel_qemu_update *update) {
	int ret = message_read_box(message, &update->box);
	if (ret >= 0) {
		ret = sd_bus_message_read(
				message, "uu", &update->stride_bytes, &update->pixman_format);
	}
	return ret < 0 ? ret : message_read_bytes(message, &update->data, &update->size_bytes);
}

static int message_read_scanout_map(sd_bus_message *message, struct oriel_qemu_scanout_map *scanout) {
	return sd_bus_message_read(message, "huuuuu", &scanout->fd, &scanout->offset_bytes,
			&scanout->width, &scanout->height, &scanout->stride_bytes,
			&scanout->pixman_format);
}

static int message_read_scanout_dmabuf(
		sd_bus_message *message, struct oriel_qemu_scanout_dmabuf *scanout) {
	int y0_top;
	int ret = sd_bus_message_read(message, "huuuutb", &scanout->fds[0], &scanout->width,
			&scanout->height, &scanout->strides_bytes[0], &scanout->fourcc,
			&scanout->modifier, &y0_top);
	scanout->plane_count = 1;
	scanout->y0_top = y0_top != 0;
	return ret;
}

/* The elements of an array of four bytes each. -EINVAL if there are more than a buffer has planes. */
static int message_read_planes(sd_bus_message *message, char type, void *values, size_t *ret_count) {
	const char contents[] = { type, '\0' };
	int ret = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, contents);
	size_t count = 0;
	while (ret >= 0 && sd_bus_message_at_end(message, false) == 0) {
		if (count == ORIEL_QEMU_PLANES_MAX) {
			return -EINVAL;
		}
		ret = sd_bus_message_read_basic(message, type, (uint32_t *)values + count++);
	}
	*ret_count = count;
	return ret < 0 ? ret : sd_bus_message_exit_container(message);
}

static int message_read_scanout_dmabuf2(
		sd_bus_message *message, struct oriel_qemu_scanout_dmabuf *scanout) {
	size_t fd_count, offset_count, stride_count;
	uint32_t plane_count;
	int y0_top;
	int ret = message_read_planes(message, SD_BUS_TYPE_UNIX_FD, scanout->fds, &fd_count);
	if (ret >= 0) {
		ret = sd_bus_message_read(message, "uuuu", &scanout->x, &scanout->y,
				&scanout->width, &scanout->height);
	}
	if (ret >= 0) {
		ret = message_read_planes(
				message, SD_BUS_TYPE_UINT32, scanout->offsets_bytes, &offset_count);
	}
	if (ret >= 0) {
		ret = message_read_planes(
				message, SD_BUS_TYPE_UINT32, scanout->strides_bytes, &stride_count);
	}
	if (ret >= 0) {
		ret = sd_bus_message_read(message, "uuuutb", &plane_count, &scanout->fourcc,
				&scanout->backing_width, &scanout->backing_height,
				&scanout->modifier, &y0_top);
	}
	if (ret < 0) {
		return ret;
	}
	/* QEMU's arrays have as many elements as there are planes, or as there could be. */
	if (plane_count == 0 || plane_count > fd_count || plane_count > offset_count ||
			plane_count > stride_count) {
		return -EINVAL;
	}
	scanout->plane_count = plane_count;
	scanout->y0_top = y0_top != 0;
	return 0;
}

static int message_read_cursor(sd_bus_message *message, struct oriel_qemu_cursor_shape *shape) {
	int ret = sd_bus_message_read(message, "iiii", &shape->width, &shape->height, &shape->hot_x,
			&shape->hot_y);
	return ret < 0 ? ret : message_read_bytes(message, &shape->data, &shape->size_bytes);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* An error that is returned is the answer. After a handler the listener may be gone. */
static int call_finish(sd_bus_message *call, bool is_taken) {
	return is_taken ? sd_bus_reply_method_return(call, NULL) : -EINVAL;
}

static int listener_handle_scanout(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_scanout scanout;
	int ret = message_read_scanout(call, &scanout);
	return ret < 0 ? ret
		       : call_finish(call, listener->handler->scanout(listener->data, &scanout));
}

static int listener_handle_update(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_update update;
	int ret = message_read_update(call, &update);
	return ret < 0 ? ret : call_finish(call, listener->handler->update(listener->data, &update));
}

static int listener_handle_scanout_map(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_scanout_map scanout;
	int ret = message_read_scanout_map(call, &scanout);
	return ret < 0 ? ret
		       : call_finish(call, listener->handler->scanout_map(listener->data, &scanout));
}

static int listener_handle_update_map(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_box box;
	int ret = message_read_box(call, &box);
	return ret < 0 ? ret : call_finish(call, listener->handler->update_map(listener->data, &box));
}

static int listener_handle_scanout_dmabuf(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_scanout_dmabuf scanout = { 0 };
	int ret = message_read_scanout_dmabuf(call, &scanout);
	return ret < 0 ? ret
		       : call_finish(call,
					 listener->handler->scanout_dmabuf(listener->data, &scanout));
}

static int listener_handle_scanout_dmabuf2(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_scanout_dmabuf scanout = { 0 };
	int ret = message_read_scanout_dmabuf2(call, &scanout);
	return ret < 0 ? ret
		       : call_finish(call,
					 listener->handler->scanout_dmabuf(listener->data, &scanout));
}

static int listener_handle_update_dmabuf(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_box box;
	int ret = message_read_box(call, &box);
	if (ret < 0) {
		return ret;
	}
	listener->handler->update_dmabuf(listener->data, &box, sd_bus_message_ref(call));
	return 1; /* answered later */
}

static int listener_handle_disable(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	listener->handler->disable(listener->data);
	return call_finish(call, true);
}

static int listener_handle_mouse_set(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	int32_t x, y, is_on;
	int ret = sd_bus_message_read(call, "iii", &x, &y, &is_on);
	if (ret < 0) {
		return ret;
	}
	listener->handler->mouse_set(listener->data, x, y, is_on != 0);
	return call_finish(call, true);
}

static int listener_handle_cursor_define(sd_bus_message *call, void *data, sd_bus_error *ret_error) {
	struct oriel_qemu_listener *listener = data;
	struct oriel_qemu_cursor_shape shape;
	int ret = message_read_cursor(call, &shape);
	return ret < 0 ? ret
		       : call_finish(call, listener->handler->cursor_define(listener->data, &shape));
}

static int listener_handle_get_interfaces(sd_bus *bus, const char *path, const char *interface,
		const char *property, sd_bus_message *reply, void *data, sd_bus_error *ret_error) {
	return sd_bus_message_append(reply, "as", 2, MAP_INTERFACE, DMABUF2_INTERFACE);
}

#define LISTENER_METHOD(name, signature, handler)                                                  \
	SD_BUS_METHOD(name, signature, "", handler, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable listener_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LISTENER_METHOD("Scanout", "uuuuay", listener_handle_scanout),
	LISTENER_METHOD("Update", "iiiiuuay", listener_handle_update),
	LISTENER_METHOD("ScanoutDMABUF", "huuuutb", listener_handle_scanout_dmabuf),
	LISTENER_METHOD("UpdateDMABUF", "iiii", listener_handle_update_dmabuf),
	LISTENER_METHOD("Disable", "", listener_handle_disable),
	LISTENER_METHOD("MouseSet", "iii", listener_handle_mouse_set),
	LISTENER_METHOD("CursorDefine", "iiiiay", listener_handle_cursor_define),
	SD_BUS_PROPERTY("Interfaces", "as", listener_handle_get_interfaces, 0,
			SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable map_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LISTENER_METHOD("ScanoutMap", "huuuuu", listener_handle_scanout_map),
	LISTENER_METHOD("UpdateMap", "iiii", listener_handle_update_map),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable dmabuf2_vtable[] = {
	SD_BUS_VTABLE_START(0),
	LISTENER_METHOD("ScanoutDMABUF2", "ahuuuuauauuuuutb", listener_handle_scanout_dmabuf2),
	SD_BUS_VTABLE_END,
};

/* --- the connection --------------------------------------------------------------------------- */

static void listener_handle_closed(void *data) {
	struct oriel_qemu_listener *listener = data;
	listener->handler->closed(listener->data);
}

static const struct oriel_bus_handler bus_handler = {
	.closed = listener_handle_closed,
};

static bool listener_serve(struct oriel_qemu_listener *listener) {
	sd_bus *bus = oriel_bus_get(listener->bus);
	return sd_bus_add_object_vtable(bus, NULL, LISTENER_PATH, LISTENER_INTERFACE,
			       listener_vtable, listener) >= 0 &&
			sd_bus_add_object_vtable(bus, NULL, LISTENER_PATH, MAP_INTERFACE,
					map_vtable, listener) >= 0 &&
			sd_bus_add_object_vtable(bus, NULL, LISTENER_PATH, DMABUF2_INTERFACE,
					dmabuf2_vtable, listener) >= 0 &&
			oriel_bus_start(listener->bus);
}

struct oriel_qemu_listener *oriel_qemu_listener_create(struct wl_event_loop *loop,
		const struct oriel_qemu_listener_handler *handler, void *data, int *ret_peer_fd) {
	struct oriel_qemu_listener *listener = calloc(1, sizeof(*listener));
	int fds[2];
	if (listener == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		free(listener);
		return NULL;
	}
	listener->handler = handler;
	listener->data = data;
	listener->bus = oriel_bus_create(loop, fds[0], &bus_handler, listener);
	if (listener->bus == NULL || !listener_serve(listener)) {
		oriel_qemu_listener_destroy(listener);
		sb_fd_clear(&fds[1]);
		return NULL;
	}
	*ret_peer_fd = fds[1];
	return listener;
}

void oriel_qemu_listener_destroy(struct oriel_qemu_listener *listener) {
	if (listener != NULL) {
		oriel_bus_destroy(listener->bus);
		free(listener);
	}
}

void oriel_qemu_listener_answer(
		struct oriel_qemu_listener *listener, struct sd_bus_message *take_call) {
	sd_bus_reply_method_return(take_call, NULL);
	sd_bus_message_unref(take_call);
	oriel_bus_flush(listener->bus);
}
