#ifndef TESTS_SUPPORT_DATA_CONTROL_H
#define TESTS_SUPPORT_DATA_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct ext_data_control_device_v1;
struct ext_data_control_manager_v1;
struct ext_data_control_offer_v1;
struct ext_data_control_source_v1;
struct fixture;
struct wl_display;
struct wl_seat;

#define DATA_CONTROL_TYPES_MAX 16

/* A client that copies and pastes as clipboard managers do, without a window. */
struct data_control {
	struct fixture *fixture;
	struct wl_display *display;
	struct wl_seat *seat;
	struct ext_data_control_manager_v1 *manager;
	struct ext_data_control_device_v1 *device;

	/* What it has copied */
	struct ext_data_control_source_v1 *source; /* NULL: nothing, or it is not the selection any more */
	int send_fd; /* what it was asked to write to; -1: it was not, or it was taken */
	char send_type[64];
	int send_count;

	/* What there is to paste */
	struct ext_data_control_offer_v1 *offer; /* NULL: nothing */
	char *types[DATA_CONTROL_TYPES_MAX];
	size_t type_count;
	int selection_count; /* of new ones, "nothing" included */
};

struct data_control *data_control_connect(struct fixture *fixture);
void data_control_disconnect(struct data_control *control);

/* Copies: offers these types, NULL ends them. Steps until the compositor knows. */
void data_control_copy(struct data_control *control, const char *const *types);
/* Steps until it is asked for what it has copied; the fd is the caller's. */
int data_control_take_send_fd(struct data_control *control);

/* Has what is to be pasted this type? */
bool data_control_is_offered(const struct data_control *control, const char *type);
/* Asks for it to be written to take_fd; the compositor gets to know in the next steps. */
void data_control_receive(struct data_control *control, const char *type, int take_fd);
/* Likewise, to a pipe, whose other end, which does not block, is returned. */
int data_control_paste(struct data_control *control, const char *type);

/*
 * Steps until all has been written, and is read; returns how much of it there was, of which text has
 * the first size - 1 bytes, and a 0. take_fd does not block.
 */
size_t data_control_read(struct data_control *control, int take_fd, char *text, size_t size);

#endif
