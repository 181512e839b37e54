#include "guest/drivers/vfio_row.h"

#include <string.h>

#include "guest/complaints.h"

#define ROW_NS UINT64_C(1000000000)
#define ROW_POLLS 10

bool oriel_vfio_row_add(struct oriel_vfio_row *row, uint64_t now_ns) {
	if (row->polls++ == 0) {
		row->since_ns = now_ns;
	}
	return row->polls >= ROW_POLLS && now_ns - row->since_ns >= ROW_NS;
}

void oriel_vfio_row_end(struct oriel_vfio_row *row) {
	row->polls = 0;
}

void oriel_vfio_row_complain(struct oriel_vfio_row *row, struct oriel_complaints *complaints,
		uint64_t now_ns, const char *what, int error) {
	if (oriel_vfio_row_add(row, now_ns)) {
		oriel_complain(complaints, now_ns, "%s: %s", what, strerror(-error));
	}
}
