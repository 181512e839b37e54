#include "bridge/acquire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fake_sync.h"
#include "fds.h"
#include "guest/buffer.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What only a success may write to. */
static const struct sb_fence untouched = { .type = SB_FENCE_IDLE, .fds = { -7 }, .point = 7 };

static struct {
	int fds_before;
	struct oriel_guest_buffer *buffer;
	struct fake_fence fence;
} context;

static int setup(void **state) {
	context.fds_before = fds_count_open();
	fake_sync_reset();
	context.buffer = fake_sync_create_dmabuf();
	fake_fence_init(&context.fence);
	return 0;
}

static int teardown(void **state) {
	fake_fence_finish(&context.fence);
	oriel_guest_buffer_drop(context.buffer);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static bool is_same_file(int a_fd, int b_fd) {
	struct stat a, b;
	assert_int_equal(fstat(a_fd, &a), 0);
	assert_int_equal(fstat(b_fd, &b), 0);
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void take_shared_memory_is_ready(void **state) {
	struct oriel_guest_buffer *shared = fake_sync_create_shared();
	struct sb_fence fence = untouched;
	assert_int_equal(oriel_acquire_take(shared, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	assert_int_equal(fake_sync.exports, 0);
	assert_false(oriel_acquire_is_pending(shared));
	oriel_guest_buffer_drop(shared);
}

static void take_asks_for_the_writers_only(void **state) {
	struct sb_fence fence;
	assert_int_equal(oriel_acquire_take(context.buffer, &fence), 0);
	assert_int_equal(fake_sync.exports, 1);
	assert_int_equal(fake_sync.export_access, SB_ACCESS_READ);
	assert_int_equal(fake_sync.export_dmabuf_fd,
			oriel_guest_buffer_get_dmabuf_fd(context.buffer));
}

static void take_signalled_writers_is_ready(void **state) {
	struct sb_fence fence = untouched;
	assert_int_equal(oriel_acquire_take(context.buffer, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_NONE);
	assert_false(oriel_acquire_is_pending(context.buffer));
}

static void take_pending_writer_is_a_snapshot(void **state) {
	fake_sync.fence = &context.fence;
	struct sb_fence fence;
	assert_int_equal(oriel_acquire_take(context.buffer, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_SYNC_FILE);
	assert_true(is_same_file(fence.fds[0], context.fence.sync_file_fd));
	assert_true(oriel_acquire_is_pending(context.buffer));
	fake_fence_signal(&context.fence);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_false(oriel_acquire_is_pending(context.buffer));
	sb_fence_clear(&fence);
}

static void take_without_snapshots_watches_the_dmabuf(void **state) {
	fake_sync.export_error = -ENOTTY;
	struct sb_fence fence;
	assert_int_equal(oriel_acquire_take(context.buffer, &fence), 0);
	assert_int_equal(fence.type, SB_FENCE_IDLE);
	assert_true(oriel_acquire_is_pending(context.buffer));
	assert_int_equal(sb_fence_wait(&fence, 0), -ETIME);
	fake_sync_end_writers(context.buffer);
	assert_int_equal(sb_fence_wait(&fence, 0), 0);
	assert_false(oriel_acquire_is_pending(context.buffer));
	sb_fence_clear(&fence);
}

static void take_without_snapshots_and_fds_fails(void **state) {
	fake_sync.export_error = -ENOTTY;
	struct sb_fence fence = untouched;
	shortage_of_fds_begin();
	int err = oriel_acquire_take(context.buffer, &fence);
	shortage_of_fds_end();
	assert_int_equal(err, -EMFILE);
	assert_memory_equal(&fence, &untouched, sizeof(fence));
}

static void take_failed_export_fails_closed(void **state) {
	static const int errors[] = { EINVAL, ENOMEM, EMFILE, ENFILE, EBADF, EIO, ENODEV, EPERM };
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		fake_sync.export_error = -errors[i];
		struct sb_fence fence = untouched;
		assert_int_equal(oriel_acquire_take(context.buffer, &fence), -errors[i]);
		assert_memory_equal(&fence, &untouched, sizeof(fence));
		/* Who knows nothing of the writers must reckon with one. */
		assert_true(oriel_acquire_is_pending(context.buffer));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(take_shared_memory_is_ready),
		TEST(take_asks_for_the_writers_only),
		TEST(take_signalled_writers_is_ready),
		TEST(take_pending_writer_is_a_snapshot),
		TEST(take_without_snapshots_watches_the_dmabuf),
		TEST(take_without_snapshots_and_fds_fails),
		TEST(take_failed_export_fails_closed),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
