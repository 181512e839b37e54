#include "config.h"

#include <scfg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_guest.h"
#include "config_reader.h"
#include "config_syntax.h"
#include "config_value.h"

static struct oriel_config_output *reader_add_output(
		struct oriel_config_reader *reader, const char *name) {
	if (!oriel_config_value_is_name(name)) {
		oriel_config_reader_fail(reader,
				"expected " ORIEL_CONFIG_NAME_RULE " for an output, got \"%s\"",
				name);
		return NULL;
	}
	struct oriel_config_output *output;
	wl_list_for_each(output, &reader->config->outputs, link) {
		if (strcmp(output->name, name) == 0) {
			oriel_config_reader_fail(reader,
					"expected each output once, got \"%s\" again (first on line %d)",
					name, output->line);
			return NULL;
		}
	}

	output = calloc(1, sizeof(*output));
	char *name_copy = strdup(name);
	if (output == NULL || name_copy == NULL) {
		free(output);
		free(name_copy);
		oriel_config_reader_fail_memory(reader);
		return NULL;
	}
	output->name = name_copy;
	output->line = reader->line;
	wl_list_insert(reader->config->outputs.prev, &output->link);
	return output;
}

static bool reader_read_mode(struct oriel_config_reader *reader, struct oriel_config_output *output,
		const char *text) {
	output->has_mode = oriel_config_value_parse_mode(
			text, &output->width, &output->height, &output->refresh_mhz);
	if (!output->has_mode) {
		return oriel_config_reader_fail(reader,
				"expected WIDTHxHEIGHT[@HZ] with sizes from 1 to %d and at most %d Hz, "
				"got \"%s\"",
				ORIEL_CONFIG_SIZE_MAX, ORIEL_CONFIG_REFRESH_MAX_MHZ / 1000, text);
	}
	return true;
}

static bool reader_read_coordinate(
		struct oriel_config_reader *reader, int *ret_coordinate, const char *text) {
	if (!oriel_config_value_parse_coordinate(text, ret_coordinate)) {
		return oriel_config_reader_fail(reader,
				"expected a number from -%d to %d, got \"%s\"",
				ORIEL_CONFIG_POSITION_MAX, ORIEL_CONFIG_POSITION_MAX, text);
	}
	return true;
}

static bool reader_read_scale(struct oriel_config_reader *reader,
		struct oriel_config_output *output, const char *text) {
	if (!oriel_config_value_parse_scale(text, &output->scale)) {
		return oriel_config_reader_fail(reader,
				"expected a factor from %g to %g with at most 3 decimals, got \"%s\"",
				ORIEL_CONFIG_SCALE_MIN, ORIEL_CONFIG_SCALE_MAX, text);
	}
	return true;
}

static bool reader_read_output_key(struct oriel_config_reader *reader,
		struct oriel_config_output *output, const struct scfg_directive *directive) {
	if (strcmp(directive->name, "mode") == 0) {
		return oriel_config_directive_is_plain(
				       reader, directive, 1, 1, "mode WIDTHxHEIGHT[@HZ]") &&
				reader_read_mode(reader, output, directive->params[0]);
	} else if (strcmp(directive->name, "position") == 0) {
		output->has_position = oriel_config_directive_is_plain(
						       reader, directive, 2, 2, "position X Y") &&
				reader_read_coordinate(reader, &output->lx, directive->params[0]) &&
				reader_read_coordinate(reader, &output->ly, directive->params[1]);
		return output->has_position;
	} else if (strcmp(directive->name, "scale") == 0) {
		return oriel_config_directive_is_plain(reader, directive, 1, 1, "scale FACTOR") &&
				reader_read_scale(reader, output, directive->params[0]);
	} else if (strcmp(directive->name, "off") == 0) {
		output->off = oriel_config_directive_is_plain(reader, directive, 0, 0, "off");
		return output->off;
	}
	return oriel_config_reader_fail(reader, "expected mode, position, scale or off, got \"%s\"",
			directive->name);
}

static bool reader_read_output(
		struct oriel_config_reader *reader, const struct scfg_directive *directive) {
	if (!oriel_config_directive_has_params(reader, directive, 1, 1, "output NAME { ... }")) {
		return false;
	}
	struct oriel_config_output *output = reader_add_output(reader, directive->params[0]);
	if (output == NULL) {
		return false;
	}
	const struct scfg_block *block = &directive->children;
	for (size_t i = 0; i < block->directives_len; i++) {
		reader->line = block->directives[i].lineno;
		if (!oriel_config_directive_is_first(reader, block, &block->directives[i]) ||
				!reader_read_output_key(reader, output, &block->directives[i])) {
			return false;
		}
	}
	return true;
}

/* Takes keys, a copy, apart in place. */
static bool reader_split_keys(struct oriel_config_reader *reader, char *keys,
		uint32_t *ret_modifiers, xkb_keysym_t *ret_keysym) {
	uint32_t modifiers = 0;
	for (char *plus = strchr(keys, '+'); plus != NULL; plus = strchr(keys, '+')) {
		*plus = '\0';
		uint32_t modifier = oriel_config_value_get_modifier(keys);
		if (modifier == 0) {
			return oriel_config_reader_fail(reader,
					"expected Shift, Ctrl, Alt, Super, Caps or Mod1 to Mod5 before a \"+\", "
					"got \"%s\"",
					keys);
		}
		if ((modifiers & modifier) != 0) {
			return oriel_config_reader_fail(reader,
					"expected each modifier once, got \"%s\" again", keys);
		}
		modifiers |= modifier;
		keys = plus + 1;
	}

	xkb_keysym_t keysym = oriel_config_value_get_keysym(keys);
	if (keysym == XKB_KEY_NoSymbol) {
		return oriel_config_reader_fail(
				reader, "expected the name of a key, got \"%s\"", keys);
	}
	*ret_modifiers = modifiers;
	*ret_keysym = keysym;
	return true;
}

static bool reader_parse_keys(struct oriel_config_reader *reader, const char *keys,
		uint32_t *ret_modifiers, xkb_keysym_t *ret_keysym) {
	char *copy = strdup(keys);
	if (copy == NULL) {
		return oriel_config_reader_fail_memory(reader);
	}
	bool ok = reader_split_keys(reader, copy, ret_modifiers, ret_keysym);
	free(copy);
	return ok;
}

/* Returns NULL if memory ran out. */
static char *join_words(char *const *words, size_t word_count) {
	size_t size = 1;
	for (size_t i = 0; i < word_count; i++) {
		size += strlen(words[i]) + 1;
	}
	char *joined = calloc(1, size);
	if (joined == NULL) {
		return NULL;
	}
	char *out = joined;
	for (size_t i = 0; i < word_count; i++) {
		out += sprintf(out, "%s%s", i > 0 ? " " : "", words[i]);
	}
	return joined;
}

static bool reader_check_vt(struct oriel_config_reader *reader, const char *text) {
	int number;
	if (!oriel_config_value_parse_number(text, ORIEL_CONFIG_VT_MAX, &number) || number == 0) {
		return oriel_config_reader_fail(reader,
				"expected a terminal's number from 1 to %d, got \"%s\"",
				ORIEL_CONFIG_VT_MAX, text);
	}
	return true;
}

static const struct {
	const char *name;
	enum oriel_action action;
	size_t min_params, max_params; /* with bind's KEYS and ACTION */
	const char *usage;
} reader_actions[] = {
	{ "quit", ORIEL_ACTION_QUIT, 2, 2, "bind KEYS quit" },
	{ "close", ORIEL_ACTION_CLOSE, 2, 2, "bind KEYS close" },
	{ "guest", ORIEL_ACTION_GUEST, 2, 3, "bind KEYS guest [NAME]" },
	{ "exec", ORIEL_ACTION_EXEC, 3, SIZE_MAX, "bind KEYS exec COMMAND..." },
	{ "vt", ORIEL_ACTION_VT, 3, 3, "bind KEYS vt NUMBER" },
};

static bool reader_parse_action(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, enum oriel_action *ret_action) {
	const char *name = directive->params[1];
	for (size_t i = 0; i < sizeof(reader_actions) / sizeof(reader_actions[0]); i++) {
		if (strcmp(reader_actions[i].name, name) == 0) {
			*ret_action = reader_actions[i].action;
			return oriel_config_directive_is_plain(reader, directive,
					reader_actions[i].min_params, reader_actions[i].max_params,
					reader_actions[i].usage);
		}
	}
	return oriel_config_reader_fail(
			reader, "expected quit, close, guest, exec or vt, got \"%s\"", name);
}

static bool reader_read_bind(
		struct oriel_config_reader *reader, const struct scfg_directive *directive) {
	enum oriel_action action = ORIEL_ACTION_QUIT;
	uint32_t modifiers = 0;
	xkb_keysym_t keysym = XKB_KEY_NoSymbol;
	if (!oriel_config_directive_has_params(
			    reader, directive, 2, SIZE_MAX, "bind KEYS ACTION [ARGUMENT...]") ||
			!reader_parse_keys(reader, directive->params[0], &modifiers, &keysym) ||
			!reader_parse_action(reader, directive, &action)) {
		return false;
	}
	struct oriel_config_binding *binding;
	wl_list_for_each(binding, &reader->config->bindings, link) {
		if (binding->modifiers == modifiers && binding->keysym == keysym) {
			return oriel_config_reader_fail(reader,
					"expected each key once, got \"%s\" again (first on line %d)",
					directive->params[0], binding->line);
		}
	}
	if (action == ORIEL_ACTION_VT && !reader_check_vt(reader, directive->params[2])) {
		return false;
	}

	binding = oriel_config_add_binding(reader->config, modifiers, keysym, action, NULL);
	if (binding == NULL) {
		return oriel_config_reader_fail_memory(reader);
	}
	binding->line = reader->line;
	if (directive->params_len > 2) {
		binding->argument = join_words(directive->params + 2, directive->params_len - 2);
		if (binding->argument == NULL) {
			return oriel_config_reader_fail_memory(reader);
		}
		if (action == ORIEL_ACTION_EXEC &&
				binding->argument[strspn(binding->argument, " \t")] == '\0') {
			return oriel_config_reader_fail(reader,
					"expected a command after \"exec\", got \"%s\"",
					binding->argument);
		}
	}
	return true;
}

static bool reader_read_chord(struct oriel_config_reader *reader,
		const struct scfg_directive *directive, enum oriel_action action, const char *usage) {
	uint32_t modifiers = 0;
	xkb_keysym_t keysym = XKB_KEY_NoSymbol;
	if (!oriel_config_directive_is_plain(reader, directive, 1, 1, usage) ||
			!reader_parse_keys(reader, directive->params[0], &modifiers, &keysym)) {
		return false;
	}
	struct oriel_config_binding *chord;
	wl_list_for_each(chord, &reader->config->chords, link) {
		if (chord->action == action) {
			chord->line = reader->line;
			chord->modifiers = modifiers;
			chord->keysym = keysym;
		}
	}
	return true;
}

/* Fails at the line of what comes later in the file; the chord's own if that is a default. */
static bool reader_check_chord(struct oriel_config_reader *reader,
		const struct oriel_config_binding *chord, const struct oriel_config_binding *other) {
	if (chord == other || chord->modifiers != other->modifiers || chord->keysym != other->keysym) {
		return true;
	}
	const char *name = chord->action == ORIEL_ACTION_ESCAPE ? "escape" : "grab";
	if (chord->line == 0) {
		reader->line = other->line;
		return oriel_config_reader_fail(reader,
				"expected each key once, got the default one of \"%s\"", name);
	}
	reader->line = chord->line > other->line ? chord->line : other->line;
	return oriel_config_reader_fail(reader,
			"expected each key once, got that of \"%s\" again (first on line %d)", name,
			chord->line > other->line ? other->line : chord->line);
}

/* Comes last: a chord may stand after a binding, or anywhere, or be the default. */
static bool reader_check_chords(struct oriel_config_reader *reader) {
	const struct oriel_config_binding *chord, *other;
	wl_list_for_each(chord, &reader->config->chords, link) {
		wl_list_for_each(other, &reader->config->bindings, link) {
			if (!reader_check_chord(reader, chord, other)) {
				return false;
			}
		}
	}
	const struct oriel_config_binding *escape =
			wl_container_of(reader->config->chords.next, escape, link);
	const struct oriel_config_binding *grab = wl_container_of(escape->link.next, grab, link);
	return escape->line == 0 ? reader_check_chord(reader, escape, grab)
				 : reader_check_chord(reader, grab, escape);
}

/* Comes last: a binding may stand before its guest. */
static bool reader_check_bindings(struct oriel_config_reader *reader) {
	struct oriel_config_binding *binding;
	wl_list_for_each(binding, &reader->config->bindings, link) {
		if (binding->action == ORIEL_ACTION_GUEST && binding->argument != NULL &&
				oriel_config_get_guest(reader->config, binding->argument) == NULL) {
			reader->line = binding->line;
			return oriel_config_reader_fail(reader,
					"expected a guest of this file, got \"%s\"",
					binding->argument);
		}
	}
	return true;
}

static bool reader_read_block(struct oriel_config_reader *reader, const struct scfg_block *block) {
	for (size_t i = 0; i < block->directives_len; i++) {
		const struct scfg_directive *directive = &block->directives[i];
		bool ok;
		reader->line = directive->lineno;
		if (strcmp(directive->name, "output") == 0) {
			ok = reader_read_output(reader, directive);
		} else if (strcmp(directive->name, "guest") == 0) {
			ok = oriel_config_guest_read(reader, directive);
		} else if (strcmp(directive->name, "bind") == 0) {
			ok = reader_read_bind(reader, directive);
		} else if (strcmp(directive->name, "grab") == 0) {
			ok = oriel_config_directive_is_first(reader, block, directive) &&
					reader_read_chord(reader, directive, ORIEL_ACTION_GRAB,
							"grab KEYS");
		} else if (strcmp(directive->name, "escape") == 0) {
			ok = oriel_config_directive_is_first(reader, block, directive) &&
					reader_read_chord(reader, directive, ORIEL_ACTION_ESCAPE,
							"escape KEYS");
		} else {
			ok = oriel_config_reader_fail(reader,
					"expected output, guest, bind, grab or escape, got \"%s\"",
					directive->name);
		}
		if (!ok) {
			return false;
		}
	}
	return reader_check_bindings(reader) && reader_check_chords(reader);
}

struct oriel_config *oriel_config_load(const char *path, char **ret_error) {
	struct oriel_config_reader reader = {
		.config = oriel_config_create_empty(),
		.place = path,
		.ret_error = ret_error,
	};
	if (reader.config == NULL) {
		oriel_config_reader_fail_memory(&reader);
		return NULL;
	}

	struct scfg_block block;
	if (!oriel_config_syntax_read(&reader, &block)) {
		goto err_config;
	}
	bool ok = reader_read_block(&reader, &block);
	scfg_block_finish(&block);
	if (!ok) {
		goto err_config;
	}
	return reader.config;

err_config:
	oriel_config_destroy(reader.config);
	return NULL;
}
