#ifndef ORIEL_INPUT_TEXT_PIPE_H
#define ORIEL_INPUT_TEXT_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <wayland-server-core.h>

/*
 * Text that goes between Wayland clients through pipes, in the event loop: no reader and no writer,
 * however slow, is waited for, and each has a time limit.
 */

/* Text that several may be sent at once. */
struct oriel_text {
	unsigned refs;
	size_t size;
	char data[]; /* not terminated */
};

/* A copy, of which the caller has the first reference. NULL if memory ran out. */
struct oriel_text *oriel_text_create(const char *data, size_t size);
struct oriel_text *oriel_text_ref(struct oriel_text *text);
/* NULL is fine. */
void oriel_text_unref(struct oriel_text *text);

struct oriel_text_reader;

/*
 * The writer is done: data is what has come until then, borrowed. Or NULL: there was more than
 * size_max, it took longer than time_ms, or reading failed. Called once, and never from within
 * oriel_text_reader_create(); the reader is destroyed before.
 */
typedef void (*oriel_text_reader_done)(void *user_data, const char *data, size_t size);

/*
 * Reads from a new pipe, whose other end, a blocking one, is *ret_write_fd. NULL if memory or files
 * ran out.
 */
struct oriel_text_reader *oriel_text_reader_create(struct wl_event_loop *loop, size_t size_max,
		int time_ms, oriel_text_reader_done done, void *user_data, int *ret_write_fd);
/* NULL is fine. done is not called. */
void oriel_text_reader_destroy(struct oriel_text_reader *reader);

/* Somebody who is to get a text, when it is there. */
struct oriel_text_writer {
	struct wl_list link; /* in the list that it was made in, until it is destroyed */
	int fd;
	bool is_socket;
	struct oriel_text *text; /* NULL: it is not there yet */
	size_t written;
	struct wl_event_loop *loop;
	struct wl_event_source *source; /* NULL until there is more to write than the pipe takes */
	struct wl_event_source *timer;
};

/*
 * Puts a writer at the end of writers. It writes nothing yet, and destroys itself after time_ms, or
 * when all is written. take_fd must be a socket, or the end of a pipe that is written to, whether that
 * has a name or not: nothing can be written to any other file in time for certain. Pipes are opened
 * anew, which takes /proc, and the right to. The process must ignore SIGPIPE.
 *
 * NULL, and the fd is closed, if that does not hold, or memory or files ran out, after one log line;
 * or, after none, if nobody reads from a pipe that has a name.
 */
struct oriel_text_writer *oriel_text_writer_create(
		struct wl_event_loop *loop, struct wl_list *writers, int time_ms, int take_fd);
/* Once. The writer may be gone afterwards. */
void oriel_text_writer_start(struct oriel_text_writer *writer, struct oriel_text *text);
/* What is not written yet is lost. */
void oriel_text_writer_destroy(struct oriel_text_writer *writer);

#endif
