#include "view/fit.h"

#include <stdint.h>

static int max(int a, int b) {
	return a > b ? a : b;
}

struct oriel_fit oriel_fit_box(int width, int height, int outer_width, int outer_height) {
	int fit_width = outer_width, fit_height = outer_height;
	/* Which side touches: compare width / height with outer_width / outer_height. */
	int64_t picture = (int64_t)width * outer_height, outer = (int64_t)height * outer_width;
	if (picture > outer) {
		fit_height = max((int)((int64_t)height * outer_width / width), 1);
	} else {
		fit_width = max((int)((int64_t)width * outer_height / height), 1);
	}
	return (struct oriel_fit){
		.box = {
			.x = (outer_width - fit_width) / 2,
			.y = (outer_height - fit_height) / 2,
			.width = fit_width,
			.height = fit_height,
		},
		.whole = fit_width % width == 0 && fit_height % height == 0,
	};
}
