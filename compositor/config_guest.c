#include "config_guest.h"

#include <limits.h>
#include <scfg.h>
#include <stdlib.h>
#include <string.h>

#include "config_edid.h"
#include "config_reader.h"
#include "config_syntax.h"
#include "config_value.h"
#include "guest/input_sink.h"
#include "guest/source.h"

#define VFIO_RULE "an absolute path, an mdev's UUID, fd:N or handover"

struct oriel_config_guest *oriel_config_reader_add_guest(
		struct oriel_config_reader *reader, const char *name) {
	if (!oriel_config_value_is_name(name)) {
		oriel_config_reader_fail(reader,
				"expected " ORIEL_CONFIG_NAME_RULE " for a guest, got \"%s\"", name);
		return NULL;
	}
	struct oriel_config_guest *guest = oriel_config_get_guest(reader->config, name);
	if (guest != NULL && guest->line > 0) {
		oriel_config_reader_fail(reader,
				"expected each guest once, got \"%s\" again (first on line %d)",
				name, guest->line);
		return NULL;
	} else if (guest != NULL) {
		oriel_config_reader_fail(reader, "expected each guest once, got \"%s\" again", name);
		return NULL;
	}

	guest = calloc(1, sizeof(*guest));
	char *name_copy = strdup(name);
	if (guest == NULL || name_copy == NULL) {
		free(guest);
		free(name_copy);
		oriel_config_reader_fail_memory(reader);
		return NULL;
	}
	guest->name = name_copy;
	guest->line = reader->line;
	wl_list_insert(reader->config->guests.prev, &guest->link);
	return guest;
}

static bool where_is_valid(struct oriel_config_reader *reader, const char *driver, const char *where) {
	if (strcmp(driver, "synthetic") == 0 && where != NULL) {
		int width, height;
		if (!oriel_config_value_parse_size(where, &width, &height)) {
			return oriel_config_reader_fail(reader,
					"expected WIDTHxHEIGHT with sizes from 1 to %d for synthetic, "
					"got \"%s\"",
					ORIEL_CONFIG_SIZE_MAX, where);
		}
	} else if (strcmp(driver, "vfio") == 0) {
		int fd;
		if (where == NULL) {
			return oriel_config_reader_fail(reader,
					"expected a device for vfio (" VFIO_RULE "), got nothing");
		} else if (strncmp(where, "fd:", 3) == 0) {
			if (!oriel_config_value_parse_number(where + 3, INT_MAX, &fd)) {
				return oriel_config_reader_fail(reader,
						"expected \"fd:\" and a file's number, got \"%s\"",
						where);
			}
		} else if (where[0] != '/' && !oriel_config_value_is_uuid(where) &&
				strcmp(where, "handover") != 0) {
			return oriel_config_reader_fail(reader,
					"expected a device for vfio (" VFIO_RULE "), got \"%s\"",
					where);
		}
	}
	return true;
}

bool oriel_config_reader_set_source(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *driver, const char *where) {
	if (!oriel_source_driver_exists(driver)) {
		return oriel_config_reader_fail(reader,
				"expected a source that is built in, such as vfio or synthetic, got \"%s\"",
				driver);
	}
	if (!where_is_valid(reader, driver, where)) {
		return false;
	}
	guest->driver = strdup(driver);
	guest->where = where != NULL ? strdup(where) : NULL;
	if (guest->driver == NULL || (where != NULL && guest->where == NULL)) {
		return oriel_config_reader_fail_memory(reader);
	}
	return true;
}

bool oriel_config_reader_set_output(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *output_name) {
	if (!oriel_config_value_is_name(output_name)) {
		return oriel_config_reader_fail(reader,
				"expected " ORIEL_CONFIG_NAME_RULE " for an output, got \"%s\"",
				output_name);
	}
	guest->output = strdup(output_name);
	return guest->output != NULL || oriel_config_reader_fail_memory(reader);
}

/* "none" is what there is without the key. */
static bool reader_read_input(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		const char *text) {
	if (strcmp(text, "none") == 0) {
		return true;
	} else if (strcmp(text, "uinput") != 0) {
		return oriel_config_reader_fail(reader, "expected uinput or none, got \"%s\"", text);
	} else if (!oriel_input_sink_driver_exists(text)) {
		return oriel_config_reader_fail(
				reader, "expected none, got \"%s\", which is not built in", text);
	} else if (strchr(guest->name, '/') != NULL) {
		return oriel_config_reader_fail(reader,
				"expected a guest without \"/\" in its name for \"%s\", got \"%s\"",
				text, guest->name);
	}
	guest->input = strdup(text);
	return guest->input != NULL || oriel_config_reader_fail_memory(reader);
}

static bool reader_read_guest_key(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const struct scfg_directive *directive) {
	if (strcmp(directive->name, "source") == 0) {
		if (!oriel_config_directive_is_plain(
				    reader, directive, 1, 2, "source DRIVER [WHERE]")) {
			return false;
		}
		const char *where = directive->params_len > 1 ? directive->params[1] : NULL;
		return oriel_config_reader_set_source(reader, guest, directive->params[0], where);
	} else if (strcmp(directive->name, "output") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "output NAME") &&
				oriel_config_reader_set_output(reader, guest, directive->params[0]);
	} else if (strcmp(directive->name, "edid") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 2,
				       "edid follow|none|WIDTHxHEIGHT[@HZ]|file PATH") &&
				oriel_config_edid_read(reader, guest, directive->params,
						directive->params_len);
	} else if (strcmp(directive->name, "input") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "input uinput|none") &&
				reader_read_input(reader, guest, directive->params[0]);
	}
	return oriel_config_reader_fail(reader,
			"expected source, output, edid or input, got \"%s\"", directive->name);
}

bool oriel_config_guest_read(
		struct oriel_config_reader *reader, const struct scfg_directive *directive) {
	if (!oriel_config_directive_has_params(reader, directive, 1, 1, "guest NAME { ... }")) {
		return false;
	}
	struct oriel_config_guest *guest =
			oriel_config_reader_add_guest(reader, directive->params[0]);
	if (guest == NULL) {
		return false;
	}
	const struct scfg_block *block = &directive->children;
	for (size_t i = 0; i < block->directives_len; i++) {
		reader->line = block->directives[i].lineno;
		if (!oriel_config_directive_is_first(reader, block, &block->directives[i]) ||
				!reader_read_guest_key(reader, guest, &block->directives[i])) {
			return false;
		}
	}
	if (guest->driver == NULL) {
		reader->line = guest->line;
		return oriel_config_reader_fail(
				reader, "expected a source in guest \"%s\", got none", guest->name);
	}
	return true;
}
