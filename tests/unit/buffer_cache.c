#include "guest/buffer_cache.h"

#include <drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "buffer_watch.h"
#include "fds.h"
#include "shortage.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define WATCHES_MAX (ORIEL_BUFFER_CACHE_MAX + 4)

static const struct oriel_guest_buffer_attributes attributes = {
	.width = 64,
	.height = 48,
	.format = DRM_FORMAT_XRGB8888,
	.modifier = DRM_FORMAT_MOD_LINEAR,
	.stride_bytes = 256,
	.offset_bytes = 4096,
};

static struct {
	int fds_before;
	struct oriel_buffer_cache cache;
	struct buffer_watch watches[WATCHES_MAX]; /* of the buffers made so far */
	size_t watch_count;
} context;

static int setup(void **state) {
	context.fds_before = fds_count_open();
	context.watch_count = 0;
	oriel_buffer_cache_init(&context.cache);
	return 0;
}

static int teardown(void **state) {
	oriel_buffer_cache_finish(&context.cache);
	assert_int_equal(context.cache.count, 0);
	assert_int_equal(context.cache.size_bytes, 0);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static struct buffer_watch *make_buffer(void) {
	int fd = memfd_create("buffer_cache", MFD_CLOEXEC);
	assert_true(fd >= 0);
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(&attributes, ORIEL_GUEST_MEMORY_SHARED, fd);
	assert_non_null(buffer);
	assert_true(context.watch_count < WATCHES_MAX);
	struct buffer_watch *watch = &context.watches[context.watch_count++];
	buffer_watch_init(watch, buffer);
	return watch;
}

static struct buffer_watch *put_sized(uint64_t id, uint64_t size_bytes) {
	struct buffer_watch *watch = make_buffer();
	assert_true(oriel_buffer_cache_put(&context.cache, id, watch->buffer, size_bytes));
	return watch;
}

static struct buffer_watch *put(uint64_t id) {
	return put_sized(id, 4096);
}

static struct oriel_guest_buffer *get(uint64_t id) {
	return oriel_buffer_cache_get(&context.cache, id, &attributes);
}

static void get_unknown_id_is_null(void **state) {
	assert_null(get(0));
	put(1);
	assert_null(get(0));
	assert_null(get(2));
	assert_null(get(UINT64_C(1) << 32 | 1));
}

static void get_id_that_came_back_is_the_same_buffer(void **state) {
	const struct buffer_watch *first = put(0), *second = put(UINT64_MAX);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(get(0), first->buffer);
		assert_ptr_equal(get(UINT64_MAX), second->buffer);
	}
	assert_int_equal(context.cache.count, 2);
}

static void put_keeps_up_to_its_bound(void **state) {
	const struct buffer_watch *watches = context.watches;
	for (size_t i = 0; i < ORIEL_BUFFER_CACHE_MAX - 1; i++) {
		put(i);
	}
	assert_int_equal(context.cache.count, ORIEL_BUFFER_CACHE_MAX - 1);
	assert_false(watches[0].destroyed);

	put(ORIEL_BUFFER_CACHE_MAX - 1);
	assert_int_equal(context.cache.count, ORIEL_BUFFER_CACHE_MAX);
	for (size_t i = 0; i < ORIEL_BUFFER_CACHE_MAX; i++) {
		assert_false(watches[i].destroyed);
	}

	put(ORIEL_BUFFER_CACHE_MAX);
	assert_int_equal(context.cache.count, ORIEL_BUFFER_CACHE_MAX);
	assert_true(watches[0].destroyed);
	assert_null(get(0));
	for (size_t i = 1; i <= ORIEL_BUFFER_CACHE_MAX; i++) {
		assert_false(watches[i].destroyed);
		assert_ptr_equal(get(i), watches[i].buffer);
	}
}

static void put_keeps_up_to_its_bound_of_memory(void **state) {
	const struct buffer_watch *first = put_sized(1, ORIEL_BUFFER_CACHE_BYTES_MAX / 2);
	const struct buffer_watch *second = put_sized(2, ORIEL_BUFFER_CACHE_BYTES_MAX / 2 - 1);
	const struct buffer_watch *third = put_sized(3, 1);
	assert_false(first->destroyed);
	assert_int_equal(context.cache.size_bytes, ORIEL_BUFFER_CACHE_BYTES_MAX);

	const struct buffer_watch *fourth = put_sized(4, 1);
	assert_true(first->destroyed);
	assert_false(second->destroyed);
	assert_int_equal(context.cache.count, 3);

	/* As many go as have to. */
	const struct buffer_watch *fifth = put_sized(5, ORIEL_BUFFER_CACHE_BYTES_MAX - 1);
	assert_true(second->destroyed && third->destroyed);
	assert_false(fourth->destroyed);
	assert_false(fifth->destroyed);
}

static void put_of_any_size_fits(void **state) {
	static const uint64_t sizes[] = { ORIEL_BUFFER_CACHE_BYTES_MAX,
		ORIEL_BUFFER_CACHE_BYTES_MAX + 1, UINT64_MAX };
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		const struct buffer_watch *before = put(100 + i);
		const struct buffer_watch *large = put_sized(i, sizes[i]);
		assert_true(before->destroyed);
		assert_ptr_equal(get(i), large->buffer);
		assert_int_equal(context.cache.count, 1);
	}
	/* And makes room again. */
	put(200);
	put(201);
	assert_int_equal(context.cache.count, 2);
	assert_int_equal(context.cache.size_bytes, 2 * 4096);
}

static void put_evicts_the_least_recently_used(void **state) {
	const struct buffer_watch *watches = context.watches;
	for (size_t i = 0; i < ORIEL_BUFFER_CACHE_MAX; i++) {
		put(i);
	}
	/* The oldest two are used again; the third has become the one to go. */
	assert_non_null(get(1));
	assert_non_null(get(0));
	put(100);
	assert_true(watches[2].destroyed);
	assert_false(watches[0].destroyed);
	assert_false(watches[1].destroyed);
	put(101);
	assert_true(watches[3].destroyed);
}

static void put_leaves_an_evicted_buffer_to_its_readers(void **state) {
	const struct buffer_watch *read = put(1000);
	struct oriel_guest_buffer *buffer = oriel_guest_buffer_lock(read->buffer);
	for (size_t i = 0; i < ORIEL_BUFFER_CACHE_MAX; i++) {
		put(i);
	}
	assert_null(get(1000));
	assert_false(read->destroyed);
	assert_int_equal(oriel_guest_buffer_get_attributes(buffer)->width, 64);
	oriel_guest_buffer_unlock(buffer);
	assert_true(read->destroyed);
}

static void get_other_attributes_drops_the_old_buffer(void **state) {
	struct oriel_guest_buffer_attributes others[6];
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		others[i] = attributes;
	}
	others[0].width++;
	others[1].height++;
	others[2].format = DRM_FORMAT_XBGR8888;
	others[3].modifier = DRM_FORMAT_MOD_INVALID;
	others[4].stride_bytes += 4;
	others[5].offset_bytes = 0;
	const struct buffer_watch *bystander = put(2);
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		const struct buffer_watch *watch = put(1);
		assert_null(oriel_buffer_cache_get(&context.cache, 1, &others[i]));
		assert_true(watch->destroyed);
		assert_int_equal(context.cache.count, 1);
		/* It is not found again under what it was, either. */
		assert_null(get(1));
	}
	assert_ptr_equal(get(2), bystander->buffer);
}

static void get_other_attributes_leaves_the_old_buffer_to_its_readers(void **state) {
	const struct buffer_watch *old = put(1);
	oriel_guest_buffer_lock(old->buffer);
	struct oriel_guest_buffer_attributes other = attributes;
	other.width /= 2;
	assert_null(oriel_buffer_cache_get(&context.cache, 1, &other));
	const struct buffer_watch *new = put(1);
	assert_false(old->destroyed);
	assert_ptr_equal(get(1), new->buffer);
	oriel_guest_buffer_unlock(old->buffer);
	assert_true(old->destroyed);
	assert_false(new->destroyed);
}

static void put_without_memory_drops_the_buffer(void **state) {
	const struct buffer_watch *kept = put(1), *lost = make_buffer();
	shortage_of_memory_begin(1);
	bool ok = oriel_buffer_cache_put(&context.cache, 2, lost->buffer, 4096);
	assert_int_equal(shortage_of_memory_end(), 1);
	assert_false(ok);
	assert_true(lost->destroyed);
	assert_null(get(2));
	assert_ptr_equal(get(1), kept->buffer);
	assert_int_equal(context.cache.count, 1);
}

static void clear_drops_all_and_leaves_it_usable(void **state) {
	const struct buffer_watch *first = put(1), *second = put(2);
	oriel_buffer_cache_clear(&context.cache);
	assert_true(first->destroyed);
	assert_true(second->destroyed);
	assert_int_equal(context.cache.count, 0);
	assert_null(get(1));
	const struct buffer_watch *third = put(1);
	assert_ptr_equal(get(1), third->buffer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(get_unknown_id_is_null),
		TEST(get_id_that_came_back_is_the_same_buffer),
		TEST(put_keeps_up_to_its_bound),
		TEST(put_keeps_up_to_its_bound_of_memory),
		TEST(put_of_any_size_fits),
		TEST(put_evicts_the_least_recently_used),
		TEST(put_leaves_an_evicted_buffer_to_its_readers),
		TEST(get_other_attributes_drops_the_old_buffer),
		TEST(get_other_attributes_leaves_the_old_buffer_to_its_readers),
		TEST(put_without_memory_drops_the_buffer),
		TEST(clear_drops_all_and_leaves_it_usable),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
