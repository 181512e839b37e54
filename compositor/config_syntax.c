#include "config_syntax.h"

#include <errno.h>
#include <fcntl.h>
#include <scfg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_reader.h"

/* libscfg calls itself once per open brace: this keeps a broken file from using up the stack. */
#define SYNTAX_DEPTH_MAX 64

/*
 * libscfg gives line numbers for what it understood; what it did not understand it only prints to
 * stderr, with the line where it noticed. But it stops there at once, so how far it took the
 * stream, and the last character it took, tell as much.
 */

static int text_get_line(const char *text, size_t offset) {
	int line = 1;
	for (size_t i = 0; i < offset; i++) {
		line += text[i] == '\n';
	}
	return line;
}

/*
 * Returns the file's bytes for the caller to free, or NULL after failing. A newline is put after
 * them where there is none, so that only what is missing from a block is missing at the end of
 * the file.
 */
static char *text_read(struct oriel_config_reader *reader, size_t *ret_size) {
	char *text = NULL;
	size_t size = 0;
	int fd = open(reader->place, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		goto err_errno;
	}
	/* One byte more than is allowed, to see that there is one; and the newline. */
	text = malloc(ORIEL_CONFIG_FILE_MAX_BYTES + 2);
	if (text == NULL) {
		oriel_config_reader_fail_memory(reader);
		goto err;
	}
	if (!oriel_config_read_file(fd, text, ORIEL_CONFIG_FILE_MAX_BYTES + 1, &size)) {
		goto err_errno;
	}
	if (size > ORIEL_CONFIG_FILE_MAX_BYTES) {
		oriel_config_reader_fail(reader, "expected at most %d bytes, got more",
				ORIEL_CONFIG_FILE_MAX_BYTES);
		goto err;
	}
	if (size == 0 || text[size - 1] != '\n') {
		text[size++] = '\n';
	}
	close(fd);
	*ret_size = size;
	return text;

err_errno:
	oriel_config_reader_fail(reader, "expected a readable file, got \"%s\"", strerror(errno));
err:
	free(text);
	if (fd >= 0) {
		close(fd);
	}
	return NULL;
}

/*
 * What libscfg would take in: a NUL byte for the end of the file, the carriage return of another
 * system's line end for a part of the last word, and blocks in blocks to any depth.
 */
static bool text_check(struct oriel_config_reader *reader, const char *text, size_t size) {
	int depth = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\0') {
			reader->line = text_get_line(text, i);
			return oriel_config_reader_fail(reader, "expected text, got a NUL byte");
		} else if (text[i] == '\n' && i > 0 && text[i - 1] == '\r') {
			reader->line = text_get_line(text, i);
			return oriel_config_reader_fail(reader,
					"expected a newline at the end of the line, got a carriage "
					"return and a newline");
		} else if (text[i] == '{' && ++depth > SYNTAX_DEPTH_MAX) {
			reader->line = text_get_line(text, i);
			return oriel_config_reader_fail(reader,
					"expected at most %d \"{\" before their \"}\", got more",
					SYNTAX_DEPTH_MAX);
		} else if (text[i] == '}') {
			depth--;
		}
	}
	return true;
}

/* file is the stream over text, left where libscfg found the mistake. */
static bool syntax_fail(struct oriel_config_reader *reader, const char *text, FILE *file) {
	long offset = ftell(file);
	if (offset < 1) {
		return oriel_config_reader_fail(reader, "expected scfg, got something else");
	}
	size_t last = (size_t)offset - 1;
	reader->line = text_get_line(text, last);
	if (feof(file)) {
		return oriel_config_reader_fail(reader, "expected \"}\", got the end of the file");
	}

	switch (text[last]) {
	case '\n':
		if (last > 0 && text[last - 1] == '\\') {
			return oriel_config_reader_fail(reader,
					"expected a closing quote, or a character after \"\\\", "
					"got the end of the line");
		}
		return oriel_config_reader_fail(
				reader, "expected a closing quote, got the end of the line");
	case '}':
		while (last > 0 && strchr(" \t}", text[last - 1]) != NULL) {
			last--;
		}
		if (last > 0 && text[last - 1] != '\n') {
			return oriel_config_reader_fail(reader,
					"expected the end of the line before \"}\", got none");
		}
		return oriel_config_reader_fail(
				reader, "expected output, guest, bind, grab or escape, got \"}\"");
	default:
		return oriel_config_reader_fail(reader,
				"expected a space or the end of the line, got \"%c\"", text[last]);
	}
}

static int syntax_parse_silently(struct scfg_block *block, FILE *file) {
	fflush(stderr);
	int saved_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bool silenced = saved_fd >= 0 && null_fd >= 0 && dup2(null_fd, STDERR_FILENO) >= 0;

	int ret = scfg_parse_file(block, file);

	if (silenced) {
		fflush(stderr);
		dup2(saved_fd, STDERR_FILENO);
	}
	if (null_fd >= 0) {
		close(null_fd);
	}
	if (saved_fd >= 0) {
		close(saved_fd);
	}
	return ret;
}

static bool syntax_parse(struct oriel_config_reader *reader, char *text, size_t size,
		struct scfg_block *ret_block) {
	FILE *file = fmemopen(text, size, "r");
	if (file == NULL) {
		return oriel_config_reader_fail_memory(reader);
	}

	struct scfg_block block = { 0 };
	int ret = syntax_parse_silently(&block, file);
	if (ret == -EINVAL) {
		syntax_fail(reader, text, file);
	} else if (ret != 0) {
		oriel_config_reader_fail_memory(reader);
	}
	fclose(file);

	if (ret != 0) {
		scfg_block_finish(&block);
		return false;
	}
	*ret_block = block;
	return true;
}

bool oriel_config_syntax_read(struct oriel_config_reader *reader, struct scfg_block *ret_block) {
	size_t size;
	char *text = text_read(reader, &size);
	if (text == NULL) {
		return false;
	}
	bool ok = text_check(reader, text, size) && syntax_parse(reader, text, size, ret_block);
	free(text);
	return ok;
}

bool oriel_config_directive_has_params(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, size_t min, size_t max, const char *usage) {
	if (directive->params_len < min || directive->params_len > max) {
		return oriel_config_reader_fail(reader, "expected \"%s\", got %zu argument%s",
				usage, directive->params_len, directive->params_len == 1 ? "" : "s");
	}
	return true;
}

bool oriel_config_directive_is_plain(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, size_t min, size_t max, const char *usage) {
	if (!oriel_config_directive_has_params(reader, directive, min, max, usage)) {
		return false;
	}
	if (directive->children.directives_len > 0) {
		return oriel_config_reader_fail(
				reader, "expected \"%s\", got a block in braces after it", usage);
	}
	return true;
}

bool oriel_config_directive_is_first(struct oriel_config_reader *reader,
		const struct scfg_block *block, const struct scfg_directive *directive) {
	for (const struct scfg_directive *d = block->directives; d != directive; d++) {
		if (strcmp(d->name, directive->name) == 0) {
			return oriel_config_reader_fail(reader,
					"expected one \"%s\", got another (first on line %d)",
					directive->name, d->lineno);
		}
	}
	return true;
}
