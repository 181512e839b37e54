#include "config_guest.h"

#include <limits.h>
#include <scfg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config_edid.h"
#include "config_reader.h"
#include "config_syntax.h"
#include "config_value.h"
#include "guest/input_sink.h"
#include "guest/source.h"

#define VFIO_RULE "an absolute path, an mdev's UUID, fd:N or handover"
#define QMP_PATH_RULE "the absolute path of a QMP socket"
#define QMP_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* text may be NULL: then *ret_copy is. */
static bool reader_copy(struct oriel_config_reader *reader, char **ret_copy, const char *text) {
	char *copy = text != NULL ? strdup(text) : NULL;
	if (text != NULL && copy == NULL) {
		return oriel_config_reader_fail_memory(reader);
	}
	*ret_copy = copy;
	return true;
}

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

static bool vfio_where_is_valid(struct oriel_config_reader *reader, const char *where) {
	int fd;
	if (where == NULL) {
		return oriel_config_reader_fail(
				reader, "expected a device for vfio (" VFIO_RULE "), got nothing");
	} else if (strncmp(where, "fd:", 3) == 0) {
		if (!oriel_config_value_parse_number(where + 3, INT_MAX, &fd)) {
			return oriel_config_reader_fail(reader,
					"expected \"fd:\" and a file's number, got \"%s\"", where);
		}
	} else if (where[0] != '/' && !oriel_config_value_is_uuid(where) &&
			strcmp(where, "handover") != 0) {
		return oriel_config_reader_fail(reader,
				"expected a device for vfio (" VFIO_RULE "), got \"%s\"", where);
	}
	return true;
}

static bool qmp_path_is_valid(struct oriel_config_reader *reader, const char *path, const char *rule) {
	if (path[0] != '/') {
		return oriel_config_reader_fail(
				reader, "expected %s for qemu, got \"%s\"", rule, path);
	} else if (strlen(path) > QMP_PATH_MAX) {
		return oriel_config_reader_fail(reader,
				"expected a path of at most %zu bytes for a socket, got one of %zu",
				QMP_PATH_MAX, strlen(path));
	}
	return true;
}

static bool qemu_where_is_valid(struct oriel_config_reader *reader, const char *where) {
	static const char rule[] = QMP_PATH_RULE " or handover";
	if (where == NULL) {
		return oriel_config_reader_fail(reader, "expected %s for qemu, got nothing", rule);
	}
	return strcmp(where, "handover") == 0 || qmp_path_is_valid(reader, where, rule);
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
		return vfio_where_is_valid(reader, where);
	} else if (strcmp(driver, "qemu") == 0) {
		return qemu_where_is_valid(reader, where);
	}
	return true;
}

bool oriel_config_reader_set_source(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *driver, const char *where) {
	if (!oriel_source_driver_exists(driver)) {
		return oriel_config_reader_fail(reader,
				"expected a source that is built in, such as qemu, vfio or synthetic, got \"%s\"",
				driver);
	}
	if (!where_is_valid(reader, driver, where)) {
		return false;
	}
	return reader_copy(reader, &guest->driver, driver) &&
			reader_copy(reader, &guest->where, where);
}

bool oriel_config_reader_set_output(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *output_name) {
	if (!oriel_config_value_is_name(output_name)) {
		return oriel_config_reader_fail(reader,
				"expected " ORIEL_CONFIG_NAME_RULE " for an output, got \"%s\"",
				output_name);
	}
	return reader_copy(reader, &guest->output, output_name);
}

static bool guest_has_qemu_source(const struct oriel_config_guest *guest) {
	return strcmp(guest->driver, "qemu") == 0;
}

static bool guest_has_input(const struct oriel_config_guest *guest, const char *driver) {
	return guest->input != NULL && strcmp(guest->input, driver) == 0;
}

static bool reader_set_input_where(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const char *where) {
	bool is_copied = reader_copy(reader, &guest->input_where, where);
	guest->input_options.where = guest->input_where;
	return is_copied;
}

/* Whoever hands over its device can have a QMP socket to go with it. */
static bool guest_is_vfio_handover(const struct oriel_config_guest *guest) {
	return strcmp(guest->driver, "vfio") == 0 && strcmp(guest->where, "handover") == 0;
}

/* It is where the source is, a path or "handover". */
bool oriel_config_reader_set_default_input(
		struct oriel_config_reader *reader, struct oriel_config_guest *guest) {
	bool is_by_qemu = guest_has_qemu_source(guest) ||
			(guest_is_vfio_handover(guest) && oriel_input_sink_driver_exists("qemu"));
	return !is_by_qemu ||
			(reader_copy(reader, &guest->input, "qemu") &&
					reader_set_input_where(reader, guest, guest->where));
}

static bool reader_read_input(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		const char *driver, const char *where) {
	bool is_qemu = strcmp(driver, "qemu") == 0, is_none = strcmp(driver, "none") == 0;
	if (!is_qemu && !is_none && strcmp(driver, "uinput") != 0) {
		return oriel_config_reader_fail(
				reader, "expected qemu, uinput or none, got \"%s\"", driver);
	} else if (where != NULL && !is_qemu) {
		return oriel_config_reader_fail(
				reader, "expected nothing after \"%s\", got \"%s\"", driver, where);
	} else if (is_none) {
		return true;
	} else if (!oriel_input_sink_driver_exists(driver)) {
		return oriel_config_reader_fail(reader,
				"expected an input that is built in, or none, got \"%s\"", driver);
	} else if (!is_qemu && strchr(guest->name, '/') != NULL) {
		return oriel_config_reader_fail(reader,
				"expected a guest without \"/\" in its name for \"%s\", got \"%s\"",
				driver, guest->name);
	}
	return (where == NULL || qmp_path_is_valid(reader, where, QMP_PATH_RULE)) &&
			reader_copy(reader, &guest->input, driver) &&
			reader_set_input_where(reader, guest, where);
}

static bool reader_read_bool(struct oriel_config_reader *reader, bool *ret_bool, const char *text) {
	bool is_yes = strcmp(text, "yes") == 0;
	if (!is_yes && strcmp(text, "no") != 0) {
		return oriel_config_reader_fail(reader, "expected yes or no, got \"%s\"", text);
	}
	*ret_bool = is_yes;
	return true;
}

static bool reader_read_guest_key(struct oriel_config_reader *reader,
		struct oriel_config_guest *guest, const struct scfg_directive *directive) {
	char *const *params = directive->params;
	const char *second = directive->params_len > 1 ? params[1] : NULL;
	if (strcmp(directive->name, "source") == 0) {
		return oriel_config_directive_is_plain(
				       reader, directive, 1, 2, "source DRIVER [WHERE]") &&
				oriel_config_reader_set_source(reader, guest, params[0], second);
	} else if (strcmp(directive->name, "output") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "output NAME") &&
				oriel_config_reader_set_output(reader, guest, params[0]);
	} else if (strcmp(directive->name, "edid") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 2,
				       "edid follow|none|WIDTHxHEIGHT[@HZ]|file PATH") &&
				oriel_config_edid_read(reader, guest, params, directive->params_len);
	} else if (strcmp(directive->name, "input") == 0) {
		return oriel_config_directive_is_plain(
				       reader, directive, 1, 2, "input qemu [PATH]|uinput|none") &&
				reader_read_input(reader, guest, params[0], second);
	} else if (strcmp(directive->name, "touch") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "touch yes|no") &&
				reader_read_bool(reader, &guest->input_options.has_touch, params[0]);
	} else if (strcmp(directive->name, "clipboard") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "clipboard yes|no") &&
				reader_read_bool(reader, &guest->has_clipboard, params[0]);
	}
	return oriel_config_reader_fail(reader,
			"expected source, output, head, edid, input, touch or clipboard, got \"%s\"",
			directive->name);
}

/* Heads stand for guests, and are read once all is known of the one that they belong to. */
static bool directive_is_head(const struct scfg_directive *directive) {
	return strcmp(directive->name, "head") == 0;
}

/* NULL if there is none. */
static const struct scfg_directive *block_find(const struct scfg_block *block, const char *name) {
	for (size_t i = 0; i < block->directives_len; i++) {
		if (strcmp(block->directives[i].name, name) == 0) {
			return &block->directives[i];
		}
	}
	return NULL;
}

static bool reader_join_input(struct oriel_config_reader *reader, struct oriel_config_guest *guest,
		const struct scfg_block *block) {
	const struct scfg_directive *input = block_find(block, "input");
	if (input == NULL) {
		return oriel_config_reader_set_default_input(reader, guest);
	} else if (!guest_has_input(guest, "qemu")) {
		return true;
	}
	reader->line = input->lineno;
	if (guest_is_vfio_handover(guest) && guest->input_where == NULL) {
		return reader_set_input_where(reader, guest, guest->where);
	} else if (!guest_has_qemu_source(guest)) {
		return guest->input_where != NULL ||
				oriel_config_reader_fail(reader,
						"expected " QMP_PATH_RULE
						" for \"input qemu\" with \"source %s\", got nothing",
						guest->driver);
	} else if (guest->input_where != NULL) {
		return oriel_config_reader_fail(reader,
				"expected nothing after \"input qemu\" with \"source qemu\", got \"%s\"",
				guest->input_where);
	}
	return reader_set_input_where(reader, guest, guest->where);
}

/* What goes with what. The keys of a block are in any order. */
static bool reader_check_keys(struct oriel_config_reader *reader,
		const struct oriel_config_guest *guest, const struct scfg_block *block) {
	/* What goes with a device that is handed over is a monitor, and no display of QEMU's. */
	bool has_display = guest_has_qemu_source(guest) ||
			(guest_has_input(guest, "qemu") && guest->input_where[0] == '/');
	if (guest->input_options.has_touch && !guest_has_input(guest, "qemu")) {
		reader->line = block_find(block, "touch")->lineno;
		return oriel_config_reader_fail(reader,
				"expected \"input qemu\" for \"touch yes\", got \"input %s\"",
				guest->input != NULL ? guest->input : "none");
	} else if (guest->has_clipboard && (!has_display || guest->input == NULL)) {
		reader->line = block_find(block, "clipboard")->lineno;
		return oriel_config_reader_fail(reader,
				"expected \"source qemu\" or \"input qemu PATH\", and an input, for "
				"\"clipboard yes\", got \"source %s\" and \"input %s\"",
				guest->driver, guest->input != NULL ? guest->input : "none");
	} else if (guest->options.edid == ORIEL_SOURCE_EDID_BLOB && guest_has_qemu_source(guest)) {
		reader->line = block_find(block, "edid")->lineno;
		return oriel_config_reader_fail(reader,
				"expected follow, none or WIDTHxHEIGHT for \"edid\" with \"source "
				"qemu\", got \"file\"");
	}
	return true;
}

/* NULL after failing. */
static struct oriel_config_guest *reader_add_head_guest(struct oriel_config_reader *reader,
		const struct oriel_config_guest *first, int head) {
	char *name;
	if (asprintf(&name, "%s:%d", first->name, head) < 0) {
		oriel_config_reader_fail_memory(reader);
		return NULL;
	}
	struct oriel_config_guest *guest = oriel_config_reader_add_guest(reader, name);
	free(name);
	return guest;
}

static bool reader_read_head(struct oriel_config_reader *reader,
		const struct oriel_config_guest *first, const struct scfg_directive *directive) {
	static const char usage[] = "head N output NAME";
	if (!oriel_config_directive_is_plain(reader, directive, 3, 3, usage)) {
		return false;
	}
	int head;
	if (!oriel_config_value_parse_number(directive->params[0], ORIEL_CONFIG_HEAD_MAX, &head) ||
			head == 0) {
		return oriel_config_reader_fail(reader, "expected a head from 1 to %d, got \"%s\"",
				ORIEL_CONFIG_HEAD_MAX, directive->params[0]);
	} else if (strcmp(directive->params[1], "output") != 0) {
		return oriel_config_reader_fail(reader, "expected \"%s\", got \"%s\" before NAME",
				usage, directive->params[1]);
	} else if (!guest_has_qemu_source(first)) {
		return oriel_config_reader_fail(reader,
				"expected \"source qemu\" for \"head\", got \"source %s\"",
				first->driver);
	}

	struct oriel_config_guest *guest = reader_add_head_guest(reader, first, head);
	if (guest == NULL || !oriel_config_reader_set_output(reader, guest, directive->params[2])) {
		return false;
	}
	guest->options = first->options;
	guest->options.head = (unsigned)head;
	guest->input_options.head = (unsigned)head;
	guest->input_options.has_touch = first->input_options.has_touch;
	guest->has_clipboard = first->has_clipboard;
	if (!reader_copy(reader, &guest->driver, first->driver) ||
			!reader_copy(reader, &guest->where, first->where) ||
			!reader_copy(reader, &guest->machine_name, first->name) ||
			!reader_copy(reader, &guest->input, first->input) ||
			!reader_set_input_where(reader, guest, first->input_where)) {
		return false;
	}
	guest->options.machine_name = guest->machine_name;
	guest->input_options.machine_name = guest->machine_name;
	return true;
}

static bool reader_read_heads(struct oriel_config_reader *reader,
		const struct oriel_config_guest *guest, const struct scfg_block *block) {
	for (size_t i = 0; i < block->directives_len; i++) {
		reader->line = block->directives[i].lineno;
		if (directive_is_head(&block->directives[i]) &&
				!reader_read_head(reader, guest, &block->directives[i])) {
			return false;
		}
	}
	return true;
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
		const struct scfg_directive *key = &block->directives[i];
		reader->line = key->lineno;
		if (!directive_is_head(key) &&
				(!oriel_config_directive_is_first(reader, block, key) ||
						!reader_read_guest_key(reader, guest, key))) {
			return false;
		}
	}
	if (guest->driver == NULL) {
		reader->line = guest->line;
		return oriel_config_reader_fail(
				reader, "expected a source in guest \"%s\", got none", guest->name);
	}
	return reader_join_input(reader, guest, block) && reader_check_keys(reader, guest, block) &&
			reader_read_heads(reader, guest, block);
}
