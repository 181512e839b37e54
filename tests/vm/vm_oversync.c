/*
 * The over-sync audit: which fences does an access to a dma-buf wait for, and which may it?
 *
 * Each row of the table below is a dma-buf with some fences, an access, and work that others add
 * after the access has begun to wait. Four ways to wait are held side by side on that dma-buf:
 *
 *	library       sb_buffer_export_fence() and what struct sb_fence offers
 *	no snapshots  the same on a kernel before 6.0, so SB_FENCE_IDLE
 *	poll()        on the dma-buf, for POLLIN to read and for POLLOUT to write
 *	whole buffer  DMA_BUF_IOCTL_SYNC for reading and writing, in a thread, since it blocks
 *
 * The fences are signalled one by one, in every order, and after each step it is seen who goes ahead.
 * Whoever does not while one fence alone is pending waits for that fence. Who has gone ahead once has
 * done so: nobody looks a second time.
 *
 * The result is a table, printed, and kept in docs/sync.md; the last test compares the two.
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include <syncbridge/buffer.h>
#include <syncbridge/fence.h>

#include "fence_rig.h"
#include "old_kernel.h"
#include "sleeper.h"
#include "sw_sync.h"
#include "vgem.h"

/* Sets of fences are masks. 1: on the buffer when the access begins to wait. 2: added later. */
enum {
	R1 = 1 << 0,
	W1 = 1 << 1,
	R2 = 1 << 2,
	W2 = 1 << 3,
};
#define FENCE_COUNT 4
#define FENCE_SETS (1 << FENCE_COUNT)
#define FENCES_WRITE (W1 | W2)

static const char *const fence_names[FENCE_COUNT] = { "r1", "w1", "r2", "w2" };

enum present {
	PRESENT_NONE,
	PRESENT_SIGNALLED, /* a reader and a writer that are done */
	PRESENT_READ,
	PRESENT_WRITE,
	PRESENT_BOTH,
	PRESENT_COUNT,
};

static const struct {
	const char *name, *text;
	unsigned int fences;
} presents[PRESENT_COUNT] = {
	[PRESENT_NONE] = { "no_fence", "none", 0 },
	[PRESENT_SIGNALLED] = { "signalled_fences", "signalled", 0 },
	[PRESENT_READ] = { "reader", "r1", R1 },
	[PRESENT_WRITE] = { "writer", "w1", W1 },
	[PRESENT_BOTH] = { "reader_and_writer", "r1 w1", R1 | W1 },
};

static const struct audit_row {
	enum sb_access access;
	enum present present;
	unsigned int later;
	/* What has to be waited for, and nothing else may be. */
	unsigned int allowed;
} rows[] = {
	/* A reader waits for the writers that were there. */
	{ SB_ACCESS_READ, PRESENT_NONE, 0, 0 },
	{ SB_ACCESS_READ, PRESENT_NONE, R2, 0 },
	{ SB_ACCESS_READ, PRESENT_NONE, W2, 0 },
	{ SB_ACCESS_READ, PRESENT_SIGNALLED, 0, 0 },
	{ SB_ACCESS_READ, PRESENT_SIGNALLED, R2, 0 },
	{ SB_ACCESS_READ, PRESENT_SIGNALLED, W2, 0 },
	{ SB_ACCESS_READ, PRESENT_READ, 0, 0 },
	{ SB_ACCESS_READ, PRESENT_READ, R2, 0 },
	{ SB_ACCESS_READ, PRESENT_READ, W2, 0 },
	{ SB_ACCESS_READ, PRESENT_WRITE, 0, W1 },
	{ SB_ACCESS_READ, PRESENT_WRITE, R2, W1 },
	{ SB_ACCESS_READ, PRESENT_WRITE, W2, W1 },
	{ SB_ACCESS_READ, PRESENT_BOTH, 0, W1 },
	{ SB_ACCESS_READ, PRESENT_BOTH, R2, W1 },
	{ SB_ACCESS_READ, PRESENT_BOTH, W2, W1 },
	/* A writer waits for all that were there. */
	{ SB_ACCESS_WRITE, PRESENT_NONE, 0, 0 },
	{ SB_ACCESS_WRITE, PRESENT_NONE, R2, 0 },
	{ SB_ACCESS_WRITE, PRESENT_NONE, W2, 0 },
	{ SB_ACCESS_WRITE, PRESENT_SIGNALLED, 0, 0 },
	{ SB_ACCESS_WRITE, PRESENT_SIGNALLED, R2, 0 },
	{ SB_ACCESS_WRITE, PRESENT_SIGNALLED, W2, 0 },
	{ SB_ACCESS_WRITE, PRESENT_READ, 0, R1 },
	{ SB_ACCESS_WRITE, PRESENT_READ, R2, R1 },
	{ SB_ACCESS_WRITE, PRESENT_READ, W2, R1 },
	{ SB_ACCESS_WRITE, PRESENT_WRITE, 0, W1 },
	{ SB_ACCESS_WRITE, PRESENT_WRITE, R2, W1 },
	{ SB_ACCESS_WRITE, PRESENT_WRITE, W2, W1 },
	{ SB_ACCESS_WRITE, PRESENT_BOTH, 0, R1 | W1 },
	{ SB_ACCESS_WRITE, PRESENT_BOTH, R2, R1 | W1 },
	{ SB_ACCESS_WRITE, PRESENT_BOTH, W2, R1 | W1 },
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

enum way {
	WAY_LIBRARY,
	WAY_IDLE,
	WAY_POLL,
	WAY_WHOLE,
	WAY_COUNT,
};

/* --- one dma-buf, its fences and those who wait for it --- */

struct audit_fence {
	bool by_vgem;
	uint32_t vgem_fence;
	struct rig_fence sw_fence; /* all zero if by_vgem */
};

struct audit {
	struct fence_rig rig;
	const struct audit_row *row;
	/* Takes vgem's fences, a driver's own, wherever vgem adds one; else imported ones only. */
	bool prefers_vgem;

	struct vgem_buffer buffer;
	struct audit_fence done_fences[2];
	struct audit_fence fences[FENCE_COUNT];
	unsigned int pending; /* of fences */

	struct sb_fence snapshot, idle;
	int ready_fd; /* of snapshot */
	short ready_events;
	struct sleeper whole;
	bool gone_ahead[WAY_COUNT];
};

static void audit_add_fence(struct audit *audit, struct audit_fence *fence, bool write) {
	*fence = (struct audit_fence){ 0 };
	if (audit->prefers_vgem) {
		int ret = vgem_buffer_attach(&audit->buffer, write, &fence->vgem_fence);
		fence->by_vgem = ret == 0;
		assert_true(ret == 0 || ret == -EBUSY);
	}
	if (!fence->by_vgem) {
		rig_fence_init(&fence->sw_fence);
		int (*import)(int dmabuf_fd, int sync_file_fd) = write ? dmabuf_import_write
								       : dmabuf_import_read;
		assert_int_equal(import(audit->buffer.dmabuf_fd, fence->sw_fence.sync_file_fd), 0);
	}
}

static void audit_signal_fence(struct audit *audit, struct audit_fence *fence) {
	if (fence->by_vgem) {
		assert_int_equal(vgem_signal(audit->rig.vgem_fd, fence->vgem_fence), 0);
	} else {
		rig_fence_signal(&fence->sw_fence);
	}
}

static void audit_add_pending(struct audit *audit, unsigned int fences) {
	for (unsigned int i = 0; i < FENCE_COUNT; i++) {
		if (fences & (1u << i)) {
			audit_add_fence(audit, &audit->fences[i], FENCES_WRITE & (1u << i));
		}
	}
	audit->pending |= fences;
}

static void audit_add_present(struct audit *audit) {
	if (audit->row->present == PRESENT_SIGNALLED) {
		audit_add_fence(audit, &audit->done_fences[0], false);
		audit_add_fence(audit, &audit->done_fences[1], true);
		audit_signal_fence(audit, &audit->done_fences[0]);
		audit_signal_fence(audit, &audit->done_fences[1]);
	}
	audit_add_pending(audit, presents[audit->row->present].fences);
}

static int wait_for_whole_buffer(void *data) {
	const struct audit *audit = data;
	struct dma_buf_sync request = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	if (ioctl(audit->buffer.dmabuf_fd, DMA_BUF_IOCTL_SYNC, &request) != 0) {
		return -errno;
	}
	request.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	return ioctl(audit->buffer.dmabuf_fd, DMA_BUF_IOCTL_SYNC, &request) != 0 ? -errno : 0;
}

static void audit_begin_waiting(struct audit *audit) {
	struct sb_buffer buffer;
	assert_int_equal(sb_buffer_init(&buffer, &audit->buffer.dmabuf_fd, 1), 0);
	enum sb_access access = audit->row->access;
	assert_int_equal(sb_buffer_export_fence(&buffer, access, &audit->snapshot), 0);
	assert_int_equal(audit->snapshot.type, SB_FENCE_SYNC_FILE);
	assert_int_equal(sb_fence_create_ready_fd(
					 &audit->snapshot, &audit->ready_fd, &audit->ready_events),
			0);
	old_kernel_play(true);
	int ret = sb_buffer_export_fence(&buffer, access, &audit->idle);
	old_kernel_play(false);
	assert_int_equal(ret, 0);
	assert_int_equal(audit->idle.type, SB_FENCE_IDLE);
	sleeper_start(&audit->whole, wait_for_whole_buffer, audit);
}

/* What the library says of a fence, in all the ways that it has. */
static bool fence_is_ready(const struct sb_fence *fence) {
	struct sb_fence_info info;
	assert_int_equal(sb_fence_get_info(fence, &info), 0);
	int ret = sb_fence_wait(fence, 0);
	assert_true(ret == 0 || ret == -ETIME);
	assert_int_equal(info.status, ret == 0 ? 1 : 0);
	return ret == 0;
}

static bool audit_goes_ahead(struct audit *audit, enum way way) {
	switch (way) {
	case WAY_LIBRARY: {
		bool is_ready = fence_is_ready(&audit->snapshot);
		assert_int_equal(fence_rig_poll(audit->ready_fd, audit->ready_events, 0), is_ready);
		/* A snapshot that was ready stays so. */
		assert_true(is_ready || !audit->gone_ahead[WAY_LIBRARY]);
		return is_ready;
	}
	case WAY_IDLE:
		return fence_is_ready(&audit->idle);
	case WAY_POLL:
		return fence_rig_poll(audit->buffer.dmabuf_fd,
				audit->row->access == SB_ACCESS_READ ? POLLIN : POLLOUT, 0);
	case WAY_WHOLE:
		return !sleeper_is_waiting(&audit->whole);
	default:
		return false;
	}
}

static void audit_look(struct audit *audit) {
	for (int way = 0; way < WAY_COUNT; way++) {
		audit->gone_ahead[way] |= audit_goes_ahead(audit, way);
	}
}

static void audit_finish_waiting(struct audit *audit) {
	for (int way = 0; way < WAY_COUNT; way++) {
		assert_true(audit->gone_ahead[way]);
	}
	assert_int_equal(sleeper_join(&audit->whole), 0);
	close(audit->ready_fd);
	sb_fence_clear(&audit->snapshot);
	sb_fence_clear(&audit->idle);
	for (int i = 0; i < FENCE_COUNT; i++) {
		rig_fence_finish(&audit->fences[i].sw_fence);
	}
	rig_fence_finish(&audit->done_fences[0].sw_fence);
	rig_fence_finish(&audit->done_fences[1].sw_fence);
}

/* --- what was seen --- */

enum sight {
	SIGHT_NONE = 0, /* never in that situation */
	SIGHT_WAITS,
	SIGHT_GOES_AHEAD,
};

/* By what was pending. */
struct sights {
	enum sight of[WAY_COUNT][FENCE_SETS];
};

static void sights_add(struct sights *sights, const struct audit *audit) {
	for (int way = 0; way < WAY_COUNT; way++) {
		enum sight sight = audit->gone_ahead[way] ? SIGHT_GOES_AHEAD : SIGHT_WAITS;
		enum sight *known = &sights->of[way][audit->pending];
		/* The order does not matter, nor whose fences they are. */
		assert_true(*known == SIGHT_NONE || *known == sight);
		*known = sight;
	}
}

/* Returns the fences that are waited for, each by itself and together. */
static unsigned int sights_get_waited(const struct sights *sights, enum way way) {
	unsigned int waited = 0;
	for (unsigned int i = 0; i < FENCE_COUNT; i++) {
		if (sights->of[way][1u << i] == SIGHT_WAITS) {
			waited |= 1u << i;
		}
	}
	for (unsigned int pending = 0; pending < FENCE_SETS; pending++) {
		enum sight sight = sights->of[way][pending];
		assert_true(sight == SIGHT_NONE ||
				(sight == SIGHT_WAITS) == ((waited & pending) != 0));
	}
	return waited;
}

/* Filled in by the rows' tests, for the one of the table. */
static struct result {
	bool is_known;
	unsigned int waited[WAY_COUNT];
} results[ROW_COUNT];

/* --- the rows --- */

static unsigned int count_fences(unsigned int fences) {
	return (unsigned int)__builtin_popcount(fences);
}

/* Takes the nth of the fences out, and returns it. */
static unsigned int take_fence(unsigned int *fences, unsigned int n) {
	for (unsigned int i = 0; i < FENCE_COUNT; i++) {
		if ((*fences & (1u << i)) && n-- == 0) {
			*fences &= ~(1u << i);
			return i;
		}
	}
	fail();
	return 0;
}

/* Signals all fences in the order of that number, of which there are as many as permutations. */
static void run_order(struct audit *audit, unsigned int order, struct sights *sights) {
	assert_int_equal(vgem_buffer_init(&audit->buffer, audit->rig.vgem_fd), 0);
	audit->pending = 0;
	memset(audit->gone_ahead, 0, sizeof(audit->gone_ahead));

	audit_add_present(audit);
	audit_begin_waiting(audit);
	audit_look(audit);
	audit_add_pending(audit, audit->row->later);
	audit_look(audit);
	sights_add(sights, audit);
	while (audit->pending != 0) {
		unsigned int count = count_fences(audit->pending);
		unsigned int fence = take_fence(&audit->pending, order % count);
		order /= count;
		audit_signal_fence(audit, &audit->fences[fence]);
		audit_look(audit);
		sights_add(sights, audit);
	}

	audit_finish_waiting(audit);
	vgem_buffer_finish(&audit->buffer);
}

static void run_orders(struct audit *audit, struct sights *sights) {
	unsigned int count = count_fences(presents[audit->row->present].fences | audit->row->later);
	unsigned int orders = 1;
	for (unsigned int i = 2; i <= count; i++) {
		orders *= i;
	}
	for (unsigned int order = 0; order < orders; order++) {
		run_order(audit, order, sights);
	}
}

static void wait_for_row(void **state) {
	const struct audit_row *row = *state;
	struct audit audit = { .row = row };
	fence_rig_init(&audit.rig);
	struct sights sights = { 0 };
	run_orders(&audit, &sights);
	audit.prefers_vgem = true;
	run_orders(&audit, &sights);
	fence_rig_finish(&audit.rig);

	struct result *result = &results[row - rows];
	for (int way = 0; way < WAY_COUNT; way++) {
		result->waited[way] = sights_get_waited(&sights, way);
	}
	result->is_known = true;
	assert_int_equal(result->waited[WAY_LIBRARY], row->allowed);
	/* The fallback may wait for more, and must not for less. */
	assert_int_equal(row->allowed & ~result->waited[WAY_IDLE], 0);
}

/* More than the kernel's list of fences has room for at first: its wait then begins again. */
#define CROWD 32

static void wait_with_crowd_of_later_writers_is_for_the_first_by_library_only(void **state) {
	static const struct audit_row row = { SB_ACCESS_WRITE, PRESENT_WRITE, 0, W1 };
	struct audit audit = { .row = &row };
	fence_rig_init(&audit.rig);
	assert_int_equal(vgem_buffer_init(&audit.buffer, audit.rig.vgem_fd), 0);
	audit_add_present(&audit);
	audit_begin_waiting(&audit);
	audit_look(&audit);
	struct audit_fence crowd[CROWD];
	for (int i = 0; i < CROWD; i++) {
		audit_add_fence(&audit, &crowd[i], true);
	}
	audit_signal_fence(&audit, &audit.fences[1]);
	audit_look(&audit);
	for (int way = 0; way < WAY_COUNT; way++) {
		assert_int_equal(audit.gone_ahead[way], way == WAY_LIBRARY);
	}
	for (int i = 0; i < CROWD; i++) {
		audit_signal_fence(&audit, &crowd[i]);
		rig_fence_finish(&crowd[i].sw_fence);
	}
	audit_look(&audit);
	audit_finish_waiting(&audit);
	vgem_buffer_finish(&audit.buffer);
	fence_rig_finish(&audit.rig);
}

/* --- the table --- */

#define TABLE_BEGIN "<!-- tests/vm/vm_oversync.c: begin -->\n"
#define TABLE_END "<!-- tests/vm/vm_oversync.c: end -->\n"

static void print_fences(FILE *file, unsigned int fences) {
	for (int i = 0; i < FENCE_COUNT; i++) {
		if (fences & (1u << i)) {
			fprintf(file, " %s", fence_names[i]);
		}
	}
}

static void print_row(FILE *file, const struct audit_row *row, const struct result *result) {
	fprintf(file, "| %s | %s |", row->access == SB_ACCESS_READ ? "read" : "write",
			presents[row->present].text);
	print_fences(file, row->later);
	fprintf(file, " |");
	print_fences(file, row->allowed);
	fprintf(file, " |");
	for (int way = 0; way < WAY_COUNT; way++) {
		unsigned int missed = row->allowed & ~result->waited[way];
		print_fences(file, result->waited[way] & ~row->allowed);
		if (missed != 0) {
			fprintf(file, " misses");
			print_fences(file, missed);
		}
		fprintf(file, " |");
	}
	fprintf(file, "\n");
}

static void print_table(FILE *file) {
	fprintf(file,
			"| access | on the buffer | added later | waits for | extra: library |"
			" extra: no snapshots | extra: `poll()` | extra: whole buffer |\n"
			"| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	unsigned int extra[WAY_COUNT] = { 0 };
	unsigned int allowed = 0;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		print_row(file, &rows[i], &results[i]);
		allowed += count_fences(rows[i].allowed);
		for (int way = 0; way < WAY_COUNT; way++) {
			extra[way] += count_fences(results[i].waited[way] & ~rows[i].allowed);
		}
	}
	fprintf(file, "| all | | | %u |", allowed);
	for (int way = 0; way < WAY_COUNT; way++) {
		fprintf(file, " %u |", extra[way]);
	}
	fprintf(file, "\n");
}

/* Returns the part of docs/sync.md between the two marks; to be freed. */
static char *read_documented_table(void) {
	FILE *file = fopen(ORIEL_SYNC_DOC, "re");
	assert_non_null(file);
	char *text = NULL;
	size_t size = 0;
	/* There is no NUL in it: that is the whole file. */
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);

	char *begin = strstr(text, TABLE_BEGIN);
	assert_non_null(begin);
	begin += strlen(TABLE_BEGIN);
	char *end = strstr(begin, TABLE_END);
	assert_non_null(end);
	*end = '\0';
	memmove(text, begin, strlen(begin) + 1);
	return text;
}

static void print_comment(const char *text) {
	while (*text != '\0') {
		int length = (int)strcspn(text, "\n");
		printf("# %.*s\n", length, text);
		text += length + (text[length] == '\n');
	}
}

static void table_of_all_rows_is_in_docs(void **state) {
	for (size_t i = 0; i < ROW_COUNT; i++) {
		assert_true(results[i].is_known);
	}
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	assert_non_null(file);
	print_table(file);
	fclose(file);
	print_comment(text);

	char *documented = read_documented_table();
	bool is_same = strcmp(documented, text) == 0;
	free(documented);
	free(text);
	if (!is_same) {
		fail_msg("the table between the marks in %s is not the one above", ORIEL_SYNC_DOC);
	}
}

int main(void) {
	static char names[ROW_COUNT][96];
	struct CMUnitTest tests[ROW_COUNT + 2] = {
		[ROW_COUNT] = cmocka_unit_test(
				wait_with_crowd_of_later_writers_is_for_the_first_by_library_only),
		[ROW_COUNT + 1] = cmocka_unit_test(table_of_all_rows_is_in_docs),
	};
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const char *later = rows[i].later == R2 ? "_and_later_reader"
				: rows[i].later == W2	? "_and_later_writer"
							: "";
		snprintf(names[i], sizeof(names[i]), "%s_with_%s%s_waits_for_what_it_must",
				rows[i].access == SB_ACCESS_READ ? "read" : "write",
				presents[rows[i].present].name, later);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = wait_for_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
