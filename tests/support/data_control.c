#include "data_control.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "ext-data-control-v1-client-protocol.h"
#include "fixture.h"

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct data_control *control = data;
	if (strcmp(interface, wl_seat_interface.name) == 0) {
		control->seat = wl_registry_bind(registry, name, &wl_seat_interface, 1);
	} else if (strcmp(interface, ext_data_control_manager_v1_interface.name) == 0) {
		control->manager = wl_registry_bind(
				registry, name, &ext_data_control_manager_v1_interface, 1);
	}
}

static void registry_ignore_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_ignore_global_remove,
};

/* What there is to paste */

static void forget_offer(struct data_control *control) {
	for (size_t i = 0; i < control->type_count; i++) {
		free(control->types[i]);
	}
	control->type_count = 0;
	if (control->offer != NULL) {
		ext_data_control_offer_v1_destroy(control->offer);
		control->offer = NULL;
	}
}

static void offer_handle_offer(void *data, struct ext_data_control_offer_v1 *offer, const char *type) {
	struct data_control *control = data;
	assert_ptr_equal(offer, control->offer);
	assert_true(control->type_count < DATA_CONTROL_TYPES_MAX);
	control->types[control->type_count++] = strdup(type);
}

static const struct ext_data_control_offer_v1_listener offer_listener = {
	.offer = offer_handle_offer,
};

static void device_handle_data_offer(void *data, struct ext_data_control_device_v1 *device,
		struct ext_data_control_offer_v1 *offer) {
	struct data_control *control = data;
	forget_offer(control);
	control->offer = offer;
	ext_data_control_offer_v1_add_listener(offer, &offer_listener, control);
}

static void device_handle_selection(void *data, struct ext_data_control_device_v1 *device,
		struct ext_data_control_offer_v1 *offer) {
	struct data_control *control = data;
	if (offer == NULL) {
		forget_offer(control);
	}
	assert_ptr_equal(offer, control->offer);
	control->selection_count++;
}

static void device_ignore_finished(void *data, struct ext_data_control_device_v1 *device) {}

/* Nobody sets one in the tests. */
static void device_handle_primary_selection(void *data, struct ext_data_control_device_v1 *device,
		struct ext_data_control_offer_v1 *offer) {
	assert_null(offer);
}

static const struct ext_data_control_device_v1_listener device_listener = {
	.data_offer = device_handle_data_offer,
	.selection = device_handle_selection,
	.finished = device_ignore_finished,
	.primary_selection = device_handle_primary_selection,
};

struct data_control *data_control_connect(struct fixture *fixture) {
	struct data_control *control = calloc(1, sizeof(*control));
	assert_non_null(control);
	control->fixture = fixture;
	control->send_fd = -1;
	control->display = fixture_connect(fixture);
	struct wl_registry *registry = wl_display_get_registry(control->display);
	wl_registry_add_listener(registry, &registry_listener, control);
	fixture_roundtrip(fixture, control->display);
	wl_registry_destroy(registry);
	assert_non_null(control->manager);
	control->device =
			ext_data_control_manager_v1_get_data_device(control->manager, control->seat);
	ext_data_control_device_v1_add_listener(control->device, &device_listener, control);
	fixture_roundtrip(fixture, control->display);
	return control;
}

void data_control_disconnect(struct data_control *control) {
	forget_offer(control);
	if (control->source != NULL) {
		ext_data_control_source_v1_destroy(control->source);
	}
	if (control->send_fd >= 0) {
		close(control->send_fd);
	}
	ext_data_control_device_v1_destroy(control->device);
	ext_data_control_manager_v1_destroy(control->manager);
	wl_seat_destroy(control->seat);
	if (control->fixture->server != NULL) {
		fixture_disconnect(control->fixture, control->display);
	}
	free(control);
}

/* What it has copied */

static void source_handle_send(void *data, struct ext_data_control_source_v1 *source,
		const char *type, int32_t take_fd) {
	struct data_control *control = data;
	assert_int_equal(control->send_fd, -1);
	control->send_fd = take_fd;
	control->send_count++;
	snprintf(control->send_type, sizeof(control->send_type), "%s", type);
}

static void source_handle_cancelled(void *data, struct ext_data_control_source_v1 *source) {
	struct data_control *control = data;
	ext_data_control_source_v1_destroy(source);
	if (source == control->source) {
		control->source = NULL;
	}
}

static const struct ext_data_control_source_v1_listener source_listener = {
	.send = source_handle_send,
	.cancelled = source_handle_cancelled,
};

void data_control_copy(struct data_control *control, const char *const *types) {
	control->source = ext_data_control_manager_v1_create_data_source(control->manager);
	ext_data_control_source_v1_add_listener(control->source, &source_listener, control);
	for (size_t i = 0; types[i] != NULL; i++) {
		ext_data_control_source_v1_offer(control->source, types[i]);
	}
	ext_data_control_device_v1_set_selection(control->device, control->source);
	fixture_roundtrip(control->fixture, control->display);
}

static bool is_asked_to_send(struct fixture *fixture, void *data) {
	const struct data_control *control = data;
	return control->send_fd >= 0;
}

int data_control_take_send_fd(struct data_control *control) {
	fixture_step_until(control->fixture, is_asked_to_send, control);
	int fd = control->send_fd;
	control->send_fd = -1;
	return fd;
}

bool data_control_is_offered(const struct data_control *control, const char *type) {
	for (size_t i = 0; i < control->type_count; i++) {
		if (strcmp(control->types[i], type) == 0) {
			return true;
		}
	}
	return false;
}

void data_control_receive(struct data_control *control, const char *type, int take_fd) {
	assert_non_null(control->offer);
	ext_data_control_offer_v1_receive(control->offer, type, take_fd);
	/* The fd is duplicated when the request is queued. */
	close(take_fd);
	wl_display_flush(control->display);
}

int data_control_paste(struct data_control *control, const char *type) {
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	data_control_receive(control, type, fds[1]);
	return fds[0];
}

struct reading {
	int fd;
	char *text;
	size_t size, count;
};

static bool reading_is_over(struct fixture *fixture, void *data) {
	struct reading *reading = data;
	char bytes[4096];
	ssize_t count = read(reading->fd, bytes, sizeof(bytes));
	if (count < 0) {
		assert_int_equal(errno, EAGAIN);
		return false;
	}
	for (ssize_t i = 0; i < count; i++, reading->count++) {
		if (reading->count < reading->size - 1) {
			reading->text[reading->count] = bytes[i];
		}
	}
	return count == 0;
}

size_t data_control_read(struct data_control *control, int take_fd, char *text, size_t size) {
	struct reading reading = { .fd = take_fd, .text = text, .size = size };
	fixture_step_until(control->fixture, reading_is_over, &reading);
	text[reading.count < size ? reading.count : size - 1] = '\0';
	close(take_fd);
	return reading.count;
}
