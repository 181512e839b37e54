#ifndef ORIEL_INPUT_INHIBIT_H
#define ORIEL_INPUT_INHIBIT_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct oriel_seat;
struct wlr_keyboard_shortcuts_inhibit_manager_v1;

/*
 * Clients that want the keys of the bindings for themselves, as a viewer of a remote machine does:
 * keyboard-shortcuts-inhibit. An inhibitor is active while its surface has the keyboard, until the
 * user ends that; then it stays inactive until the surface gets the keyboard the next time, and so
 * do those that the surface makes meanwhile.
 */
struct oriel_inhibit {
	struct oriel_seat *seat;
	struct wlr_keyboard_shortcuts_inhibit_manager_v1 *manager;
	bool is_ended; /* by the user, for the surface that has the keyboard now */

	struct wl_listener new_inhibitor;
	struct wl_listener focus;
};

/* Makes the global. False if memory ran out; then finish is called all the same. */
bool oriel_inhibit_init(
		struct oriel_inhibit *inhibit, struct wl_display *display, struct oriel_seat *seat);
/* What is all zero is fine. */
void oriel_inhibit_finish(struct oriel_inhibit *inhibit);

/* Has the surface with the keyboard an active inhibitor? */
bool oriel_inhibit_is_active(const struct oriel_inhibit *inhibit);

/* The user wants the bindings back. */
void oriel_inhibit_end(struct oriel_inhibit *inhibit);

#endif
