#ifndef TESTS_UNIT_FAKE_DRIVER_H
#define TESTS_UNIT_FAKE_DRIVER_H

#include <stdbool.h>

#include "guest/source_impl.h"

struct oriel_guest_buffer;

/* A driver whose guest is the test: it submits by hand, and sees here what the driver was told. */
struct fake_driver {
	struct oriel_source base;
	unsigned int polls;
	unsigned int releases;
	unsigned int seen[ORIEL_GUEST_PLANE_COUNT]; /* only of one that watches */
	bool tells_again; /* within each poll */
	unsigned int monitors; /* how often it was told of one, or of none */
	bool has_monitor;
	struct oriel_guest_monitor monitor; /* the last one; its name may be gone by now */
	struct oriel_guest_buffer *last_released; /* may be gone by now */
	void (*released)(void *data); /* runs with each release; may be NULL */
	void *released_data;
	bool *destroyed; /* set at the end; may be NULL */
};

struct fake_driver *fake_driver_create(const char *name);
/* The same, of a driver that has no release op. */
struct fake_driver *fake_driver_create_careless(const char *name);
/* The same, of one that wants to know when its frames have been read. */
struct fake_driver *fake_driver_create_watching(const char *name);
void fake_driver_destroy(struct fake_driver *driver);

#endif
