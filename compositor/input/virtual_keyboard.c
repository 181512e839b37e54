#include "input/virtual_keyboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
/* Not the core header only: it has the layout of struct wl_resource, as for popups. */
#include <wayland-server.h>
#include <wlr/types/wlr_virtual_keyboard_v1.h>

/* The largest keymaps in use have less than a tenth. */
#define KEYMAP_MAX_BYTES (1024 * 1024)

/* zwp_virtual_keyboard_v1, whose protocol file no package installs. */
struct virtual_keyboard_requests {
	void (*keymap)(struct wl_client *client, struct wl_resource *resource, uint32_t format,
			int32_t take_fd, uint32_t size);
	void (*key)(struct wl_client *client, struct wl_resource *resource, uint32_t time_msec,
			uint32_t key, uint32_t state);
	void (*modifiers)(struct wl_client *client, struct wl_resource *resource,
			uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group);
	void (*destroy)(struct wl_client *client, struct wl_resource *resource);
};

enum virtual_keyboard_request {
	VIRTUAL_KEYBOARD_REQUEST_KEYMAP = 0,
	VIRTUAL_KEYBOARD_REQUEST_KEY = 1,
	VIRTUAL_KEYBOARD_REQUEST_MODIFIERS = 2,
	VIRTUAL_KEYBOARD_REQUEST_DESTROY = 3,
};

/* A file of ours with the first size bytes of fd; -1 if it has not as many. */
static int copy_keymap(int fd, uint32_t size) {
	if (size == 0 || size > KEYMAP_MAX_BYTES) {
		return -1;
	}
	int copy_fd = memfd_create("oriel-keymap", MFD_CLOEXEC);
	if (copy_fd < 0) {
		return -1;
	}
	char chunk[4096];
	for (uint32_t done = 0; done < size;) {
		size_t wanted = size - done < sizeof(chunk) ? size - done : sizeof(chunk);
		ssize_t count = pread(fd, chunk, wanted, done);
		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count <= 0 || write(copy_fd, chunk, (size_t)count) != count) {
			close(copy_fd);
			return -1;
		}
		done += (uint32_t)count;
	}
	return copy_fd;
}

static void virtual_keyboard_keymap(const struct virtual_keyboard_requests *requests,
		struct wl_resource *resource, uint32_t format, int take_fd, uint32_t size) {
	struct wl_client *client = wl_resource_get_client(resource);
	int copy_fd = copy_keymap(take_fd, size);
	close(take_fd);
	if (copy_fd < 0) {
		wl_client_post_implementation_error(
				client, "the keymap cannot be read as %u bytes of a file", size);
		return;
	}
	requests->keymap(client, resource, format, copy_fd, size);
}

static int virtual_keyboard_dispatch(const void *implementation, void *target, uint32_t opcode,
		const struct wl_message *message, union wl_argument *args) {
	const struct virtual_keyboard_requests *requests = implementation;
	struct wl_resource *resource = target;
	struct wl_client *client = wl_resource_get_client(resource);
	switch (opcode) {
	case VIRTUAL_KEYBOARD_REQUEST_KEYMAP:
		virtual_keyboard_keymap(requests, resource, args[0].u, args[1].h, args[2].u);
		return 0;
	case VIRTUAL_KEYBOARD_REQUEST_KEY:
		requests->key(client, resource, args[0].u, args[1].u, args[2].u);
		return 0;
	case VIRTUAL_KEYBOARD_REQUEST_MODIFIERS:
		requests->modifiers(client, resource, args[0].u, args[1].u, args[2].u, args[3].u);
		return 0;
	case VIRTUAL_KEYBOARD_REQUEST_DESTROY:
		requests->destroy(client, resource);
		return 0;
	default:
		return -1;
	}
}

/* How a dispatcher comes before wlroots, and why that holds: see popup_guard(). */
void oriel_virtual_keyboard_guard(struct wlr_virtual_keyboard_v1 *virtual_keyboard) {
	struct wl_resource *resource = virtual_keyboard->resource;
	wl_resource_set_dispatcher(resource, virtual_keyboard_dispatch,
			resource->object.implementation, virtual_keyboard, resource->destroy);
}
