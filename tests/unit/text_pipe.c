/*
 * Text through pipes: readers and writers that are fast, slow, silent or gone, and limits of size and
 * time. The pipes are real ones, and nothing moves but when the event loop is stepped.
 */
#include "input/text_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "shortage.h"

#define LONG_SIZE ((size_t)300 * 1024) /* more than any pipe of these takes */
#define TIME_MS 60000 /* for ever, here */

static struct {
	int fds_before;
	struct wl_event_loop *loop;
	struct wl_list writers;
	char *long_data;

	/* What a reader got */
	bool is_done;
	char *data;
	size_t size;

	int open_error; /* 0: files can be opened */
	bool realloc_fails;
} context;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

int __wrap_open(const char *path, int flags, ...) {
	if (context.open_error != 0) {
		errno = context.open_error;
		return -1;
	}
	return __real_open(path, flags);
}

/* As glibc has it where off_t is of 64 bits. */
int __wrap_open64(const char *path, int flags, ...) {
	return __wrap_open(path, flags);
}

void *__wrap_realloc(void *memory, size_t size) {
	return context.realloc_fails ? NULL : __real_realloc(memory, size);
}

static int set_up(void **state) {
	memset(&context, 0, sizeof(context));
	context.fds_before = fds_count_open();
	context.loop = wl_event_loop_create();
	assert_non_null(context.loop);
	wl_list_init(&context.writers);
	context.long_data = malloc(LONG_SIZE);
	assert_non_null(context.long_data);
	for (size_t i = 0; i < LONG_SIZE; i++) {
		context.long_data[i] = (char)('a' + i % 23);
	}
	return 0;
}

static int tear_down(void **state) {
	assert_true(wl_list_empty(&context.writers));
	wl_event_loop_destroy(context.loop);
	free(context.long_data);
	free(context.data);
	assert_int_equal(fds_count_open(), context.fds_before);
	return 0;
}

static void step(void) {
	wl_event_loop_dispatch(context.loop, 0);
}

/* --- readers ---------------------------------------------------------------------------------- */

static void handle_done(void *user_data, const char *data, size_t size) {
	assert_ptr_equal(user_data, &context);
	assert_false(context.is_done);
	context.is_done = true;
	if (data != NULL) {
		context.data = malloc(size + 1);
		assert_non_null(context.data);
		memcpy(context.data, data, size);
		context.size = size;
	}
}

static struct oriel_text_reader *create_reader(size_t size_max, int time_ms, int *ret_fd) {
	struct oriel_text_reader *reader = oriel_text_reader_create(
			context.loop, size_max, time_ms, handle_done, &context, ret_fd);
	assert_non_null(reader);
	assert_true((fcntl(*ret_fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(fcntl(*ret_fd, F_GETFL) & O_NONBLOCK, 0);
	return reader;
}

static void step_until_done(void) {
	while (!context.is_done) {
		wl_event_loop_dispatch(context.loop, -1);
	}
}

static void read_gives_all_that_came_until_the_end(void **state) {
	int fd;
	create_reader(LONG_SIZE, TIME_MS, &fd);
	for (size_t written = 0; written < LONG_SIZE;) {
		size_t size = LONG_SIZE - written < 10000 ? LONG_SIZE - written : 10000;
		assert_int_equal(write(fd, context.long_data + written, size), (ssize_t)size);
		written += size;
		/* No more is read in one turn than there is room for. */
		for (int i = 0; i < 4; i++) {
			step();
		}
		assert_false(context.is_done);
	}
	close(fd);
	step_until_done();
	assert_int_equal(context.size, LONG_SIZE);
	assert_memory_equal(context.data, context.long_data, LONG_SIZE);
}

static void read_of_nothing_gives_an_empty_text(void **state) {
	int fd;
	create_reader(10, TIME_MS, &fd);
	close(fd);
	step_until_done();
	assert_non_null(context.data);
	assert_int_equal(context.size, 0);
}

static void read_at_the_limit(size_t size_max, size_t size, bool is_taken) {
	int fd;
	context.is_done = false;
	free(context.data);
	context.data = NULL;
	create_reader(size_max, TIME_MS, &fd);
	assert_int_equal(write(fd, context.long_data, size), (ssize_t)size);
	step();
	close(fd);
	step_until_done();
	assert_int_equal(context.data != NULL, is_taken);
	if (is_taken) {
		assert_int_equal(context.size, size);
		assert_memory_equal(context.data, context.long_data, size);
	}
}

static void read_up_to_the_limit_is_taken_and_more_is_refused(void **state) {
	/* Below, at and above what a reader makes room for to begin with. */
	static const size_t limits[] = { 1, 4094, 4095, 4096, 4097, 8192, 50000 };
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		read_at_the_limit(limits[i], limits[i] - 1, true);
		read_at_the_limit(limits[i], limits[i], true);
		read_at_the_limit(limits[i], limits[i] + 1, false);
	}
}

static void read_that_takes_too_long_gives_nothing(void **state) {
	int fd;
	create_reader(10, 1, &fd);
	assert_int_equal(write(fd, "half", 4), 4);
	step_until_done();
	assert_null(context.data);
	close(fd);
}

static void reader_that_is_destroyed_calls_nobody(void **state) {
	int fd;
	struct oriel_text_reader *reader = create_reader(10, 1, &fd);
	assert_int_equal(write(fd, "half", 4), 4);
	step();
	oriel_text_reader_destroy(reader);
	oriel_text_reader_destroy(NULL);
	close(fd);
	step();
	assert_false(context.is_done);
}

static void shortage_costs_the_read(void **state) {
	int fd = -1;
	shortage_of_fds_begin();
	assert_null(oriel_text_reader_create(context.loop, 10, TIME_MS, handle_done, &context, &fd));
	shortage_of_fds_end();
	shortage_of_memory_begin(1);
	assert_null(oriel_text_reader_create(context.loop, 10, TIME_MS, handle_done, &context, &fd));
	shortage_of_memory_end();
	assert_int_equal(fd, -1);

	create_reader(10, TIME_MS, &fd);
	context.realloc_fails = true;
	assert_int_equal(write(fd, "text", 4), 4);
	step();
	context.realloc_fails = false;
	assert_true(context.is_done);
	assert_null(context.data);
	close(fd);
}

/* --- writers ---------------------------------------------------------------------------------- */

static struct oriel_text *make_text(size_t size) {
	struct oriel_text *text = oriel_text_create(context.long_data, size);
	assert_non_null(text);
	return text;
}

/* A writer that has begun; the other end, which does not block, is *ret_fd. */
static void write_to(int take_fd, size_t size, int time_ms) {
	struct oriel_text_writer *writer =
			oriel_text_writer_create(context.loop, &context.writers, time_ms, take_fd);
	assert_non_null(writer);
	struct oriel_text *text = make_text(size);
	oriel_text_writer_start(writer, text);
	oriel_text_unref(text);
}

static void make_pipe(int fds[2]) {
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
}

/* Reads what there is, and steps, until the other end is closed. */
static void assert_reads(int take_fd, size_t size) {
	size_t count = 0;
	char bytes[7000];
	ssize_t result;
	while ((result = read(take_fd, bytes, sizeof(bytes))) != 0) {
		if (result < 0) {
			assert_int_equal(errno, EAGAIN);
			step();
			continue;
		}
		assert_true(count + (size_t)result <= size);
		assert_memory_equal(bytes, context.long_data + count, (size_t)result);
		count += (size_t)result;
	}
	assert_int_equal(count, size);
	close(take_fd);
}

static void write_goes_on_as_the_reader_reads(void **state) {
	int fds[2];
	make_pipe(fds);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	step();
	assert_false(wl_list_empty(&context.writers));
	assert_reads(fds[0], LONG_SIZE);
	assert_true(wl_list_empty(&context.writers));
}

static void write_that_fits_is_done_at_once(void **state) {
	static const size_t sizes[] = { 0, 1, 4096 };
	for (size_t i = 0; i < 3; i++) {
		int fds[2];
		make_pipe(fds);
		write_to(fds[1], sizes[i], TIME_MS);
		assert_true(wl_list_empty(&context.writers));
		assert_reads(fds[0], sizes[i]);
	}
}

static void write_to_a_full_pipe_does_not_block(void **state) {
	int fds[2];
	make_pipe(fds);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	for (int turn = 0; turn < 10; turn++) {
		step();
	}
	assert_reads(fds[0], LONG_SIZE);
}

/* The kinds of pipes that a client can hand over. */

static void make_pipe_and_open_it_in_proc(int fds[2]) {
	make_pipe(fds);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fds[1]);
	fds[1] = fd;
}

static void make_named_pipe(int fds[2], int flags) {
	char folder[] = "/tmp/oriel-text-pipe-XXXXXX", path[64];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fds[1] = open(path, flags | O_CLOEXEC);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void make_named_pipe_for_writing(int fds[2]) {
	make_named_pipe(fds, O_WRONLY);
}

static void make_named_pipe_for_both(int fds[2]) {
	make_named_pipe(fds, O_RDWR);
}

/* Whoever gave the fd away can change its flags, and keeps them to himself. */
static void write_does_not_block_whatever_the_reader_does(void **state) {
	static void (*const makers[])(int fds[2]) = {
		make_pipe,
		make_pipe_and_open_it_in_proc,
		make_named_pipe_for_writing,
		make_named_pipe_for_both,
	};
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		int fds[2];
		makers[i](fds);
		int shared_fd = dup(fds[1]);
		assert_int_equal(fcntl(shared_fd, F_GETFL) & O_NONBLOCK, 0);
		struct oriel_text_writer *writer = oriel_text_writer_create(
				context.loop, &context.writers, TIME_MS, fds[1]);
		assert_non_null(writer);
		assert_int_equal(fcntl(shared_fd, F_GETFL) & O_NONBLOCK, 0);
		assert_true((fcntl(writer->fd, F_GETFL) & O_NONBLOCK) != 0);
		assert_true((fcntl(writer->fd, F_GETFD) & FD_CLOEXEC) != 0);
		struct oriel_text *text = make_text(LONG_SIZE);
		oriel_text_writer_start(writer, text);
		oriel_text_unref(text);
		/* Room for a page, and not for all that is left. */
		char page[4096];
		assert_int_equal(read(fds[0], page, sizeof(page)), (ssize_t)sizeof(page));
		step();
		step();
		assert_false(wl_list_empty(&context.writers));
		close(shared_fd);
		oriel_text_writer_destroy(writer);
		close(fds[0]);
	}
}

static void write_to_a_named_pipe_goes_on_as_the_reader_reads(void **state) {
	int fds[2];
	make_named_pipe_for_writing(fds);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	assert_reads(fds[0], LONG_SIZE);
}

/* As where /proc is not there, or the pipe somebody else's. */
static void pipe_that_cannot_be_opened_is_refused(void **state) {
	static const int errors[] = { ENOENT, EACCES, EMFILE };
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int fds[2];
		make_pipe(fds);
		context.open_error = errors[i];
		assert_null(oriel_text_writer_create(context.loop, &context.writers, TIME_MS, fds[1]));
		context.open_error = 0;
		assert_reads(fds[0], 0);
	}
}

static void write_to_a_socket_goes_on_too(void **state) {
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	assert_reads(fds[0], LONG_SIZE);
}

static void write_that_takes_too_long_ends(void **state) {
	int fds[2];
	make_pipe(fds);
	write_to(fds[1], LONG_SIZE, 1);
	while (!wl_list_empty(&context.writers)) {
		wl_event_loop_dispatch(context.loop, -1);
	}
	close(fds[0]);

	/* So does the wait for a text. */
	make_pipe(fds);
	assert_non_null(oriel_text_writer_create(context.loop, &context.writers, 1, fds[1]));
	while (!wl_list_empty(&context.writers)) {
		wl_event_loop_dispatch(context.loop, -1);
	}
	assert_reads(fds[0], 0);
}

static void write_to_a_reader_that_goes_away_ends(void **state) {
	int fds[2];
	make_pipe(fds);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	close(fds[0]);
	step();
	assert_true(wl_list_empty(&context.writers));

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	write_to(fds[1], LONG_SIZE, TIME_MS);
	close(fds[0]);
	step();
	assert_true(wl_list_empty(&context.writers));

	/* Before there is anything to write. */
	make_pipe(fds);
	close(fds[0]);
	write_to(fds[1], 10, TIME_MS);
	assert_true(wl_list_empty(&context.writers));

	/* A pipe that has a name cannot even be opened then. */
	make_named_pipe_for_writing(fds);
	close(fds[0]);
	assert_null(oriel_text_writer_create(context.loop, &context.writers, TIME_MS, fds[1]));
}

static void file_that_could_block_is_refused(void **state) {
	const int files[] = {
		memfd_create("file", MFD_CLOEXEC),
		open("/", O_RDONLY | O_CLOEXEC),
		open("/dev/null", O_RDWR | O_CLOEXEC),
		-1,
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_null(oriel_text_writer_create(
				context.loop, &context.writers, TIME_MS, files[i]));
	}
}

/* Who may only read a pipe cannot have it written to. */
static void end_that_is_read_from_is_refused(void **state) {
	int fds[2];
	make_pipe(fds);
	assert_null(oriel_text_writer_create(context.loop, &context.writers, TIME_MS, dup(fds[0])));
	close(fds[1]);
	assert_reads(fds[0], 0);
}

static void shortage_costs_the_write(void **state) {
	int fds[2];
	make_pipe(fds);
	shortage_of_memory_begin(1);
	assert_null(oriel_text_writer_create(context.loop, &context.writers, TIME_MS, fds[1]));
	shortage_of_memory_end();
	assert_reads(fds[0], 0);
	/* libwayland duplicates the fds that it watches. */
	make_pipe(fds);
	struct oriel_text_writer *writer =
			oriel_text_writer_create(context.loop, &context.writers, TIME_MS, fds[1]);
	assert_non_null(writer);
	struct oriel_text *text = make_text(LONG_SIZE);
	shortage_of_fds_begin();
	oriel_text_writer_start(writer, text);
	shortage_of_fds_end();
	oriel_text_unref(text);
	assert_true(wl_list_empty(&context.writers));
	close(fds[0]);
}

static void text_lives_as_long_as_anybody_needs_it(void **state) {
	struct oriel_text *text = make_text(LONG_SIZE);
	int first[2], second[2];
	make_pipe(first);
	make_pipe(second);
	struct oriel_text_writer *writer =
			oriel_text_writer_create(context.loop, &context.writers, TIME_MS, first[1]);
	oriel_text_writer_start(writer, text);
	writer = oriel_text_writer_create(context.loop, &context.writers, TIME_MS, second[1]);
	oriel_text_writer_start(writer, text);
	oriel_text_unref(text);
	oriel_text_unref(NULL);
	close(first[0]);
	assert_reads(second[0], LONG_SIZE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(read_gives_all_that_came_until_the_end),
		TEST(read_of_nothing_gives_an_empty_text),
		TEST(read_up_to_the_limit_is_taken_and_more_is_refused),
		TEST(read_that_takes_too_long_gives_nothing),
		TEST(reader_that_is_destroyed_calls_nobody),
		TEST(shortage_costs_the_read),
		TEST(write_goes_on_as_the_reader_reads),
		TEST(write_that_fits_is_done_at_once),
		TEST(write_to_a_full_pipe_does_not_block),
		TEST(write_does_not_block_whatever_the_reader_does),
		TEST(write_to_a_named_pipe_goes_on_as_the_reader_reads),
		TEST(pipe_that_cannot_be_opened_is_refused),
		TEST(write_to_a_socket_goes_on_too),
		TEST(write_that_takes_too_long_ends),
		TEST(write_to_a_reader_that_goes_away_ends),
		TEST(file_that_could_block_is_refused),
		TEST(end_that_is_read_from_is_refused),
		TEST(shortage_costs_the_write),
		TEST(text_lives_as_long_as_anybody_needs_it),
	};
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
