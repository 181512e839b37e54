#ifndef TESTS_SUPPORT_INHIBITOR_H
#define TESTS_SUPPORT_INHIBITOR_H

#include <stdbool.h>

struct xdg_window;
struct zwp_keyboard_shortcuts_inhibit_manager_v1;
struct zwp_keyboard_shortcuts_inhibitor_v1;

/* A client's inhibitor of the compositor's key bindings, for one of its windows. */
struct inhibitor {
	struct zwp_keyboard_shortcuts_inhibit_manager_v1 *manager;
	struct zwp_keyboard_shortcuts_inhibitor_v1 *object;
	bool is_active; /* as the compositor has said last */
};

/* Steps until the compositor has taken it, and has said whether it is active. */
struct inhibitor *inhibitor_create(struct xdg_window *window);

/* Before the window's client. */
void inhibitor_destroy(struct inhibitor *inhibitor);

#endif
