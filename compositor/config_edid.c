#include "config_edid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_reader.h"
#include "config_value.h"
#include "guest/edid.h"
#include "guest/source.h"

/* The first block counts the others in a byte, which is the last but one. */
#define BLOCKS_MAX 256
#define FILE_MAX_BYTES (BLOCKS_MAX * ORIEL_EDID_BLOCK_SIZE)

/* Returns the file's bytes for the caller to free, or NULL after failing. */
static uint8_t *file_read(struct oriel_config_reader *reader, const char *path, size_t *ret_size) {
	uint8_t *data = NULL;
	size_t size = 0;
	struct stat stat;
	/* Not to wait for whoever may write to a pipe of that name. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &stat) != 0) {
		goto err_errno;
	}
	if (!S_ISREG(stat.st_mode)) {
		oriel_config_reader_fail(
				reader, "expected an EDID, got \"%s\", which is no file", path);
		goto err;
	}
	/* One byte more than is allowed, to see that there is one. The size that sysfs says is 0. */
	data = calloc(1, FILE_MAX_BYTES + 1);
	if (data == NULL) {
		oriel_config_reader_fail_memory(reader);
		goto err;
	}
	if (!oriel_config_read_file(fd, data, FILE_MAX_BYTES + 1, &size)) {
		goto err_errno;
	}
	close(fd);
	*ret_size = size;
	return data;

err_errno:
	oriel_config_reader_fail(reader, "expected an EDID that can be read, got \"%s\": %s", path,
			strerror(errno));
err:
	free(data);
	if (fd >= 0) {
		close(fd);
	}
	return NULL;
}

/* Only what makes it one: a guest may be wanted to see whatever else is in it. */
static bool blob_check(struct oriel_config_reader *reader, const char *path, const uint8_t *data,
		size_t size) {
	static const uint8_t header[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
	if (size == 0 || size > FILE_MAX_BYTES || size % ORIEL_EDID_BLOCK_SIZE != 0) {
		return oriel_config_reader_fail(reader,
				"expected an EDID of 1 to %d blocks of %d bytes, got \"%s\", which has "
				"%s%zu bytes",
				BLOCKS_MAX, ORIEL_EDID_BLOCK_SIZE, path,
				size > FILE_MAX_BYTES ? "more than " : "",
				size > FILE_MAX_BYTES ? (size_t)FILE_MAX_BYTES : size);
	}
	if (memcmp(data, header, sizeof(header)) != 0) {
		return oriel_config_reader_fail(reader,
				"expected an EDID, got \"%s\", which does not begin like one", path);
	}
	size_t blocks = size / ORIEL_EDID_BLOCK_SIZE;
	size_t counted = (size_t)data[ORIEL_EDID_BLOCK_SIZE - 2] + 1;
	if (blocks != counted) {
		return oriel_config_reader_fail(reader,
				"expected an EDID of %zu blocks, as its first one says, got \"%s\", "
				"which has %zu",
				counted, path, blocks);
	}
	for (size_t i = 0; i < blocks; i++) {
		unsigned int sum = 0;
		for (size_t j = 0; j < ORIEL_EDID_BLOCK_SIZE; j++) {
			sum += data[i * ORIEL_EDID_BLOCK_SIZE + j];
		}
		if (sum % 256 != 0) {
			return oriel_config_reader_fail(reader,
					"expected an EDID, got \"%s\" with a wrong checksum in block "
					"%zu",
					path, i);
		}
	}
	return true;
}

static bool edid_read_file(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		const char *path) {
	if (path[0] != '/') {
		return oriel_config_reader_fail(reader,
				"expected an absolute path after \"file\", got \"%s\"", path);
	}
	size_t size;
	uint8_t *data = file_read(reader, path, &size);
	if (data == NULL || !blob_check(reader, path, data, size)) {
		free(data);
		return false;
	}
	guest->edid_blob = data;
	guest->options.edid = ORIEL_SOURCE_EDID_BLOB;
	guest->options.edid_blob = data;
	guest->options.edid_blob_size_bytes = size;
	return true;
}

static bool edid_read_mode(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		const char *text) {
	struct oriel_source_options *options = &guest->options;
	int refresh_mhz;
	bool ok = oriel_config_value_parse_mode(text, &options->edid_width, &options->edid_height,
				  &refresh_mhz) &&
			options->edid_width >= ORIEL_EDID_MODE_MIN &&
			options->edid_height >= ORIEL_EDID_MODE_MIN &&
			(refresh_mhz == 0 || refresh_mhz >= ORIEL_EDID_REFRESH_MIN_MHZ) &&
			refresh_mhz <= ORIEL_EDID_REFRESH_MAX_MHZ;
	if (!ok) {
		return oriel_config_reader_fail(reader,
				"expected follow, none, file PATH, or WIDTHxHEIGHT[@HZ] with sizes "
				"from %d to %d and %d to %d Hz, got \"%s\"",
				ORIEL_EDID_MODE_MIN, ORIEL_CONFIG_SIZE_MAX,
				ORIEL_EDID_REFRESH_MIN_MHZ / 1000,
				ORIEL_EDID_REFRESH_MAX_MHZ / 1000, text);
	}
	options->edid = ORIEL_SOURCE_EDID_MODE;
	options->edid_refresh_mhz = refresh_mhz;
	return true;
}

bool oriel_config_edid_read(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		char *const *words, size_t word_count) {
	bool is_file = strcmp(words[0], "file") == 0;
	if (word_count != (is_file ? 2 : 1)) {
		return oriel_config_reader_fail(reader, "expected \"edid %s\", got %zu argument%s",
				is_file ? "file PATH" : "follow|none|WIDTHxHEIGHT[@HZ]", word_count,
				word_count == 1 ? "" : "s");
	}
	if (is_file) {
		return edid_read_file(reader, guest, words[1]);
	} else if (strcmp(words[0], "follow") == 0) {
		guest->options.edid = ORIEL_SOURCE_EDID_FOLLOW;
		return true;
	} else if (strcmp(words[0], "none") == 0) {
		guest->options.edid = ORIEL_SOURCE_EDID_NONE;
		return true;
	}
	return edid_read_mode(reader, guest, words[0]);
}
