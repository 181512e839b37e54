#include "inhibitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "keyboard-shortcuts-inhibit-unstable-v1-client-protocol.h"
#include "xdg_client.h"

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct inhibitor *inhibitor = data;
	if (strcmp(interface, zwp_keyboard_shortcuts_inhibit_manager_v1_interface.name) == 0) {
		inhibitor->manager = wl_registry_bind(registry, name,
				&zwp_keyboard_shortcuts_inhibit_manager_v1_interface, 1);
	}
}

static void registry_ignore_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_ignore_global_remove,
};

static void inhibitor_handle_active(void *data, struct zwp_keyboard_shortcuts_inhibitor_v1 *object) {
	struct inhibitor *inhibitor = data;
	assert_false(inhibitor->is_active);
	inhibitor->is_active = true;
}

static void inhibitor_handle_inactive(void *data, struct zwp_keyboard_shortcuts_inhibitor_v1 *object) {
	struct inhibitor *inhibitor = data;
	assert_true(inhibitor->is_active);
	inhibitor->is_active = false;
}

static const struct zwp_keyboard_shortcuts_inhibitor_v1_listener inhibitor_listener = {
	.active = inhibitor_handle_active,
	.inactive = inhibitor_handle_inactive,
};

struct inhibitor *inhibitor_create(struct xdg_window *window) {
	struct inhibitor *inhibitor = calloc(1, sizeof(*inhibitor));
	assert_non_null(inhibitor);
	struct wl_registry *registry = wl_display_get_registry(window->client->display);
	wl_registry_add_listener(registry, &registry_listener, inhibitor);
	xdg_client_roundtrip(window->client);
	wl_registry_destroy(registry);
	assert_non_null(inhibitor->manager);

	inhibitor->object = zwp_keyboard_shortcuts_inhibit_manager_v1_inhibit_shortcuts(
			inhibitor->manager, window->surface, window->client->seat);
	zwp_keyboard_shortcuts_inhibitor_v1_add_listener(
			inhibitor->object, &inhibitor_listener, inhibitor);
	xdg_client_roundtrip(window->client);
	return inhibitor;
}

void inhibitor_destroy(struct inhibitor *inhibitor) {
	zwp_keyboard_shortcuts_inhibitor_v1_destroy(inhibitor->object);
	zwp_keyboard_shortcuts_inhibit_manager_v1_destroy(inhibitor->manager);
	free(inhibitor);
}
