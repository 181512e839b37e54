#include "fake_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fake_driver *driver_from_source(struct oriel_source *source) {
	struct fake_driver *driver = wl_container_of(source, driver, base);
	return driver;
}

static void driver_handle_poll(struct oriel_source *source) {
	struct fake_driver *driver = driver_from_source(source);
	driver->polls++;
	if (driver->tells_again) {
		oriel_source_tell(source);
	}
}

static void driver_handle_release(struct oriel_source *source, struct oriel_guest_buffer *buffer) {
	struct fake_driver *driver = driver_from_source(source);
	driver->releases++;
	driver->last_released = buffer;
	if (driver->released != NULL) {
		driver->released(driver->released_data);
	}
}

static void driver_handle_seen(struct oriel_source *source, enum oriel_guest_plane plane) {
	driver_from_source(source)->seen[plane]++;
}

static void driver_handle_set_monitor(
		struct oriel_source *source, const struct oriel_guest_monitor *monitor) {
	struct fake_driver *driver = driver_from_source(source);
	driver->monitors++;
	driver->has_monitor = monitor != NULL;
	if (monitor != NULL) {
		driver->monitor = *monitor;
	}
}

static void driver_handle_destroy(struct oriel_source *source) {
	struct fake_driver *driver = driver_from_source(source);
	oriel_source_finish(source);
	if (driver->destroyed != NULL) {
		*driver->destroyed = true;
	}
	free(driver);
}

static const struct oriel_source_ops ops = {
	.poll = driver_handle_poll,
	.release = driver_handle_release,
	.set_monitor = driver_handle_set_monitor,
	.destroy = driver_handle_destroy,
};

static const struct oriel_source_ops watching_ops = {
	.poll = driver_handle_poll,
	.release = driver_handle_release,
	.seen = driver_handle_seen,
	.destroy = driver_handle_destroy,
};

static const struct oriel_source_ops careless_ops = {
	.poll = driver_handle_poll,
	.destroy = driver_handle_destroy,
};

static struct fake_driver *driver_create(const char *name, const struct oriel_source_ops *its_ops) {
	struct fake_driver *driver = calloc(1, sizeof(*driver));
	assert_non_null(driver);
	assert_true(oriel_source_init(&driver->base, its_ops, name));
	return driver;
}

struct fake_driver *fake_driver_create(const char *name) {
	return driver_create(name, &ops);
}

struct fake_driver *fake_driver_create_careless(const char *name) {
	return driver_create(name, &careless_ops);
}

struct fake_driver *fake_driver_create_watching(const char *name) {
	return driver_create(name, &watching_ops);
}

void fake_driver_destroy(struct fake_driver *driver) {
	oriel_source_destroy(&driver->base);
}
