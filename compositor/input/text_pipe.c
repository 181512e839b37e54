#include "input/text_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wlr/util/log.h>

#include "fd.h"

/* What a reader begins with, and what is written in one go: a pipe takes 64 KiB. */
#define READ_SIZE_MIN 4096
#define WRITE_SIZE_MAX (64 * 1024)

struct oriel_text *oriel_text_create(const char *data, size_t size) {
	struct oriel_text *text = malloc(sizeof(*text) + size);
	if (text == NULL) {
		return NULL;
	}
	text->refs = 1;
	text->size = size;
	if (size > 0) {
		memcpy(text->data, data, size);
	}
	return text;
}

struct oriel_text *oriel_text_ref(struct oriel_text *text) {
	text->refs++;
	return text;
}

void oriel_text_unref(struct oriel_text *text) {
	if (text != NULL && --text->refs == 0) {
		free(text);
	}
}

/* Reading */

struct oriel_text_reader {
	int fd;
	struct wl_event_source *source, *timer;
	oriel_text_reader_done done;
	void *user_data;

	char *data;
	size_t size, capacity, size_max;
};

void oriel_text_reader_destroy(struct oriel_text_reader *reader) {
	if (reader == NULL) {
		return;
	}
	if (reader->source != NULL) {
		wl_event_source_remove(reader->source);
	}
	if (reader->timer != NULL) {
		wl_event_source_remove(reader->timer);
	}
	sb_fd_clear(&reader->fd);
	free(reader->data);
	free(reader);
}

static void reader_end(struct oriel_text_reader *reader, bool is_ok) {
	oriel_text_reader_done done = reader->done;
	void *user_data = reader->user_data;
	char *data = reader->data;
	size_t size = reader->size;
	reader->data = NULL;
	oriel_text_reader_destroy(reader);
	/* An empty text is one all the same. */
	done(user_data, !is_ok ? NULL : data != NULL ? data : "", is_ok ? size : 0);
	free(data);
}

/* Room for a byte more than may come, so that this one is seen. */
static bool reader_grow(struct oriel_text_reader *reader) {
	size_t capacity = reader->capacity == 0 ? READ_SIZE_MIN : 2 * reader->capacity;
	if (capacity > reader->size_max + 1) {
		capacity = reader->size_max + 1;
	}
	char *data = realloc(reader->data, capacity);
	if (data == NULL) {
		return false;
	}
	reader->data = data;
	reader->capacity = capacity;
	return true;
}

/* Once in each turn of the event loop: a fast writer holds up nobody either. */
static int reader_handle_fd(int fd, uint32_t mask, void *data) {
	struct oriel_text_reader *reader = data;
	if (reader->size == reader->capacity && !reader_grow(reader)) {
		reader_end(reader, false);
		return 0;
	}
	ssize_t count = read(
			reader->fd, reader->data + reader->size, reader->capacity - reader->size);
	if (count < 0) {
		if (errno != EAGAIN && errno != EINTR) {
			reader_end(reader, false);
		}
		return 0;
	}
	reader->size += (size_t)count;
	if (count == 0 || reader->size > reader->size_max) {
		reader_end(reader, count == 0);
	}
	return 0;
}

static int reader_handle_timer(void *data) {
	reader_end(data, false);
	return 0;
}

struct oriel_text_reader *oriel_text_reader_create(struct wl_event_loop *loop, size_t size_max,
		int time_ms, oriel_text_reader_done done, void *user_data, int *ret_write_fd) {
	struct oriel_text_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL) {
		return NULL;
	}
	int fds[2] = { -1, -1 };
	reader->fd = -1;
	reader->done = done;
	reader->user_data = user_data;
	reader->size_max = size_max;
	/*
	 * Each end has flags of its own. Those of the other one are its owner's business, who cannot
	 * change ours: this one is given to nobody.
	 */
	if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		goto error;
	}
	reader->fd = sb_fd_move(&fds[0]);
	reader->source = wl_event_loop_add_fd(
			loop, reader->fd, WL_EVENT_READABLE, reader_handle_fd, reader);
	reader->timer = wl_event_loop_add_timer(loop, reader_handle_timer, reader);
	if (reader->source == NULL || reader->timer == NULL) {
		goto error;
	}
	wl_event_source_timer_update(reader->timer, time_ms);
	*ret_write_fd = fds[1];
	return reader;

error:
	sb_fd_clear(&fds[0]);
	sb_fd_clear(&fds[1]);
	oriel_text_reader_destroy(reader);
	return NULL;
}

/* Writing */

void oriel_text_writer_destroy(struct oriel_text_writer *writer) {
	wl_list_remove(&writer->link);
	if (writer->source != NULL) {
		wl_event_source_remove(writer->source);
	}
	if (writer->timer != NULL) {
		wl_event_source_remove(writer->timer);
	}
	sb_fd_clear(&writer->fd);
	oriel_text_unref(writer->text);
	free(writer);
}

/* Does not block: see file_make_writable(). */
static ssize_t writer_write(const struct oriel_text_writer *writer) {
	const char *rest = writer->text->data + writer->written;
	size_t size = writer->text->size - writer->written;
	if (size > WRITE_SIZE_MAX) {
		size = WRITE_SIZE_MAX;
	}
	return writer->is_socket ? send(writer->fd, rest, size, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(writer->fd, rest, size);
}

/* False: the writer is gone. */
static bool writer_go_on(struct oriel_text_writer *writer) {
	if (writer->written < writer->text->size) {
		ssize_t count = writer_write(writer);
		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			/* The reader has gone away, and that is his business. */
			oriel_text_writer_destroy(writer);
			return false;
		}
		writer->written += count > 0 ? (size_t)count : 0;
	}
	if (writer->written == writer->text->size) {
		oriel_text_writer_destroy(writer);
		return false;
	}
	return true;
}

static int writer_handle_fd(int fd, uint32_t mask, void *data) {
	writer_go_on(data);
	return 0;
}

static int writer_handle_timer(void *data) {
	wlr_log(WLR_INFO, "clipboard: a client takes too long to read what it pastes");
	oriel_text_writer_destroy(data);
	return 0;
}

/*
 * Whoever gave us a pipe shares its flags, and could take O_NONBLOCK away again at any time. So it is
 * opened anew, for flags that are ours alone. RWF_NOWAIT would not do: it is refused for pipes that were
 * opened by a name, be that one in /proc. -1, after a line unless the reader has gone: it cannot be
 * written to.
 */
static int pipe_open_anew(int fd) {
	/* Who may only read must not have us write instead. */
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
		wlr_log(WLR_INFO, "clipboard: a client pastes to the wrong end of a pipe");
		return -1;
	}
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int new_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (new_fd < 0 && errno != ENXIO) {
		wlr_log_errno(WLR_ERROR, "clipboard: cannot open a client's pipe by %s", path);
	}
	return new_fd;
}

/* An fd for the same file, to which writing never blocks; or -1, likewise. */
static int file_make_writable(int take_fd, bool *ret_is_socket) {
	struct stat file;
	bool is_known = fstat(take_fd, &file) == 0;
	if (is_known && S_ISSOCK(file.st_mode)) {
		*ret_is_socket = true; /* not blocking is asked for with each write */
		return take_fd;
	}
	int new_fd = -1;
	if (is_known && S_ISFIFO(file.st_mode)) {
		new_fd = pipe_open_anew(take_fd);
		*ret_is_socket = false;
	} else {
		wlr_log(WLR_INFO, "clipboard: a client pastes to what is no pipe and no socket");
	}
	sb_fd_clear(&take_fd);
	return new_fd;
}

struct oriel_text_writer *oriel_text_writer_create(
		struct wl_event_loop *loop, struct wl_list *writers, int time_ms, int take_fd) {
	bool is_socket = false;
	int fd = file_make_writable(take_fd, &is_socket);
	if (fd < 0) {
		return NULL;
	}
	struct oriel_text_writer *writer = calloc(1, sizeof(*writer));
	if (writer == NULL) {
		goto error;
	}
	writer->timer = wl_event_loop_add_timer(loop, writer_handle_timer, writer);
	if (writer->timer == NULL) {
		goto error;
	}
	wl_event_source_timer_update(writer->timer, time_ms);
	writer->fd = fd;
	writer->is_socket = is_socket;
	writer->loop = loop;
	wl_list_insert(writers->prev, &writer->link);
	return writer;

error:
	wlr_log(WLR_ERROR, "clipboard: out of memory or files");
	free(writer);
	sb_fd_clear(&fd);
	return NULL;
}

void oriel_text_writer_start(struct oriel_text_writer *writer, struct oriel_text *text) {
	writer->text = oriel_text_ref(text);
	if (!writer_go_on(writer)) {
		return;
	}
	writer->source = wl_event_loop_add_fd(
			writer->loop, writer->fd, WL_EVENT_WRITABLE, writer_handle_fd, writer);
	if (writer->source == NULL) {
		wlr_log(WLR_ERROR, "clipboard: out of memory or files");
		oriel_text_writer_destroy(writer);
	}
}
