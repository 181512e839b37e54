#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wlr/types/wlr_keyboard.h>

#include "config_reader.h"
#include "config_value.h"
#include "guest/source.h"

#define CONFIG_DEFAULT_GUEST_BINDINGS_MAX 9

/*
 * A file may hold any byte, a message is one line for a terminal. Returns NULL if memory ran out.
 */
static char *message_escape(const char *message) {
	size_t size = 1;
	for (const char *c = message; *c != '\0'; c++) {
		size += iscntrl((unsigned char)*c) ? 4 : 1;
	}

	char *escaped = calloc(1, size);
	if (escaped == NULL) {
		return NULL;
	}
	char *out = escaped;
	for (const char *c = message; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c)) {
			out += snprintf(out, 5, "\\x%02x", (unsigned int)(unsigned char)*c);
		} else {
			*out++ = *c;
		}
	}
	return escaped;
}

bool oriel_config_reader_fail(struct oriel_config_reader *reader, const char *format, ...) {
	char *what = NULL, *message = NULL;
	*reader->ret_error = NULL;

	va_list args;
	va_start(args, format);
	if (vasprintf(&what, format, args) < 0) {
		what = NULL;
	}
	va_end(args);
	if (what == NULL) {
		return false;
	}

	int printed;
	if (reader->line > 0) {
		printed = asprintf(&message, "%s:%d: %s", reader->place, reader->line, what);
	} else {
		printed = asprintf(&message, "%s: %s", reader->place, what);
	}
	free(what);
	if (printed < 0) {
		return false;
	}
	*reader->ret_error = message_escape(message);
	free(message);
	return false;
}

bool oriel_config_reader_fail_memory(struct oriel_config_reader *reader) {
	return oriel_config_reader_fail(reader, "out of memory");
}

bool oriel_config_read_file(int fd, void *data, size_t size, size_t *ret_size) {
	size_t done = 0;
	while (done < size) {
		ssize_t n = read(fd, (char *)data + done, size - done);
		if (n < 0 && errno != EINTR) {
			return false;
		} else if (n == 0) {
			break;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	*ret_size = done;
	return true;
}

static void output_destroy(struct oriel_config_output *output) {
	if (output == NULL) {
		return;
	}
	wl_list_remove(&output->link);
	free(output->name);
	free(output);
}

static void guest_destroy(struct oriel_config_guest *guest) {
	if (guest == NULL) {
		return;
	}
	wl_list_remove(&guest->link);
	free(guest->name);
	free(guest->driver);
	free(guest->where);
	free(guest->output);
	free(guest->edid_blob);
	free(guest->machine_name);
	free(guest->input);
	free(guest->input_where);
	free(guest);
}

static void binding_destroy(struct oriel_config_binding *binding) {
	if (binding == NULL) {
		return;
	}
	wl_list_remove(&binding->link);
	free(binding->argument);
	free(binding);
}

/* At the end of the list. Returns NULL if memory ran out. */
static struct oriel_config_binding *add_binding(struct wl_list *list, uint32_t modifiers,
		xkb_keysym_t keysym, enum oriel_action action, const char *argument) {
	struct oriel_config_binding *binding = calloc(1, sizeof(*binding));
	if (binding == NULL) {
		return NULL;
	}
	binding->modifiers = modifiers;
	binding->keysym = keysym;
	binding->action = action;
	wl_list_insert(list->prev, &binding->link);
	if (argument != NULL) {
		binding->argument = strdup(argument);
		if (binding->argument == NULL) {
			binding_destroy(binding);
			return NULL;
		}
	}
	return binding;
}

struct oriel_config *oriel_config_create_empty(void) {
	struct oriel_config *config = calloc(1, sizeof(*config));
	if (config == NULL) {
		return NULL;
	}
	wl_list_init(&config->outputs);
	wl_list_init(&config->guests);
	wl_list_init(&config->bindings);
	wl_list_init(&config->chords);
	if (!add_binding(&config->chords, WLR_MODIFIER_CTRL | WLR_MODIFIER_ALT, XKB_KEY_Escape,
			    ORIEL_ACTION_ESCAPE, NULL) ||
			!add_binding(&config->chords, WLR_MODIFIER_CTRL | WLR_MODIFIER_ALT,
					XKB_KEY_g, ORIEL_ACTION_GRAB, NULL)) {
		oriel_config_destroy(config);
		return NULL;
	}
	return config;
}

void oriel_config_destroy(struct oriel_config *config) {
	if (config == NULL) {
		return;
	}
	struct oriel_config_binding *binding, *binding_tmp;
	wl_list_for_each_safe(binding, binding_tmp, &config->bindings, link) {
		binding_destroy(binding);
	}
	wl_list_for_each_safe(binding, binding_tmp, &config->chords, link) {
		binding_destroy(binding);
	}
	struct oriel_config_guest *guest, *guest_tmp;
	wl_list_for_each_safe(guest, guest_tmp, &config->guests, link) {
		guest_destroy(guest);
	}
	struct oriel_config_output *output, *output_tmp;
	wl_list_for_each_safe(output, output_tmp, &config->outputs, link) {
		output_destroy(output);
	}
	free(config);
}

struct oriel_config_guest *oriel_config_get_guest(struct oriel_config *config, const char *name) {
	struct oriel_config_guest *guest;
	wl_list_for_each(guest, &config->guests, link) {
		if (strcmp(guest->name, name) == 0) {
			return guest;
		}
	}
	return NULL;
}

struct oriel_config_binding *oriel_config_add_binding(struct oriel_config *config, uint32_t modifiers,
		xkb_keysym_t keysym, enum oriel_action action, const char *argument) {
	return add_binding(&config->bindings, modifiers, keysym, action, argument);
}

struct oriel_config *oriel_config_create(void) {
	struct oriel_config *config = oriel_config_create_empty();
	if (config == NULL) {
		return NULL;
	}
	config->has_default_bindings = true;
	if (oriel_config_add_binding(config, WLR_MODIFIER_LOGO | WLR_MODIFIER_SHIFT, XKB_KEY_e,
			    ORIEL_ACTION_QUIT, NULL) == NULL ||
			oriel_config_add_binding(config, WLR_MODIFIER_LOGO, XKB_KEY_q,
					ORIEL_ACTION_CLOSE, NULL) == NULL ||
			oriel_config_add_binding(config, WLR_MODIFIER_LOGO, XKB_KEY_g,
					ORIEL_ACTION_GUEST, NULL) == NULL ||
			oriel_config_add_binding(config, WLR_MODIFIER_LOGO, XKB_KEY_Return,
					ORIEL_ACTION_EXEC, "foot") == NULL) {
		oriel_config_destroy(config);
		return NULL;
	}
	return config;
}

/* Takes spec, a copy, apart in place. */
static struct oriel_config_guest *reader_add_spec(struct oriel_config_reader *reader, char *spec) {
	char *source = strchr(spec, '=');
	if (source == NULL) {
		oriel_config_reader_fail(reader, "expected NAME=SOURCE[,output=NAME], got no \"=\"");
		return NULL;
	}
	*source++ = '\0';
	char *option = strchr(source, ',');
	if (option != NULL) {
		*option++ = '\0';
	}
	char *where = strchr(source, ':');
	if (where != NULL) {
		*where++ = '\0';
	}

	struct oriel_config_guest *guest = oriel_config_reader_add_guest(reader, spec);
	if (guest == NULL) {
		return NULL;
	}
	if (!oriel_config_reader_set_source(reader, guest, source, where)) {
		goto err_guest;
	}
	while (option != NULL) {
		char *next = strchr(option, ',');
		if (next != NULL) {
			*next++ = '\0';
		}
		if (strncmp(option, "output=", 7) != 0) {
			oriel_config_reader_fail(reader,
					"expected output=NAME after the source, got \"%s\"", option);
			goto err_guest;
		}
		if (guest->output != NULL) {
			oriel_config_reader_fail(reader, "expected one output, got \"%s\" as well",
					option + 7);
			goto err_guest;
		}
		if (!oriel_config_reader_set_output(reader, guest, option + 7)) {
			goto err_guest;
		}
		option = next;
	}
	if (!oriel_config_reader_set_default_input(reader, guest)) {
		goto err_guest;
	}
	return guest;

err_guest:
	guest_destroy(guest);
	return NULL;
}

bool oriel_config_add_guest(struct oriel_config *config, const char *spec, char **ret_error) {
	struct oriel_config_reader reader = {
		.config = config,
		.place = "--guest",
		.ret_error = ret_error,
	};
	char *place = NULL;
	if (asprintf(&place, "--guest \"%s\"", spec) < 0) {
		return oriel_config_reader_fail_memory(&reader);
	}
	reader.place = place;

	struct oriel_config_guest *guest = NULL;
	char *copy = strdup(spec);
	if (copy == NULL) {
		oriel_config_reader_fail_memory(&reader);
		goto out;
	}
	guest = reader_add_spec(&reader, copy);
	free(copy);

	int position = wl_list_length(&config->guests);
	if (guest != NULL && config->has_default_bindings &&
			position <= CONFIG_DEFAULT_GUEST_BINDINGS_MAX &&
			oriel_config_add_binding(config, WLR_MODIFIER_LOGO,
					XKB_KEY_1 + (xkb_keysym_t)position - 1, ORIEL_ACTION_GUEST,
					guest->name) == NULL) {
		guest_destroy(guest);
		guest = NULL;
		oriel_config_reader_fail_memory(&reader);
	}

out:
	free(place);
	return guest != NULL;
}

/* Returns NULL if there is no such file, or no absolute folder to look in. */
static char *find_path_in(const char *folder, const char *rest) {
	if (folder == NULL || folder[0] != '/') {
		return NULL;
	}
	char *path;
	if (asprintf(&path, "%s/%s", folder, rest) < 0) {
		return NULL;
	}
	if (access(path, F_OK) < 0) {
		free(path);
		return NULL;
	}
	return path;
}

char *oriel_config_find_path(void) {
	char *path = find_path_in(getenv("XDG_CONFIG_HOME"), "oriel/config");
	if (path == NULL) {
		path = find_path_in(getenv("HOME"), ".config/oriel/config");
	}
	if (path == NULL) {
		path = find_path_in("/etc/xdg", "oriel/config");
	}
	if (path == NULL) {
		path = find_path_in("/etc", "oriel/config");
	}
	return path;
}
