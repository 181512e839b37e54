#ifndef TESTS_SUPPORT_FAKE_SINK_H
#define TESTS_SUPPORT_FAKE_SINK_H

#include <stddef.h>

#include "guest/input_sink.h"

/*
 * A guest's input that is noted, in words, an event each, and a frame that ends nothing left out:
 *
 *	key CODE 1|0	button CODE 1|0	move DX DY	place X Y	axis v|h VALUE120
 *	down N X Y	touch N X Y	up N		|
 *
 * Places are in thousandths of the picture. They are separated by ", ", but for the frame's "|".
 */
struct fake_sink {
	struct oriel_input_sink base;
	char text[4096];
	size_t length;
	char taken[4096];
	const char *node; /* of which it says that it is its own; may be NULL */
	int *destroyed; /* counts; may be NULL */
};

struct fake_sink *fake_sink_create(void);

/* What came since the last call. Valid until the next one. */
const char *fake_sink_take(struct fake_sink *sink);

#endif
