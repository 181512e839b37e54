#include "arguments.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define NAME_MAX_BYTES 63 /* of a guest's name, see oriel-guest-v1.xml */

bool argument_is_option(const char *argument, const char *option) {
	return argument[0] == '-' && strcmp(argument + (argument[1] == '-' ? 2 : 1), option) == 0;
}

static bool is_guest_name(const char *name, size_t length) {
	if (length == 0 || length > NAME_MAX_BYTES) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (iscntrl((unsigned char)name[i]) || name[i] == ' ' || name[i] == '=') {
			return false;
		}
	}
	return true;
}

/* Of "NAME,…" or "…,guest=NAME,…": where the name begins, or NULL. */
static const char *find_name_in(const char *value) {
	static const char key[] = "guest=";
	for (const char *item = value; item != NULL;) {
		if (strncmp(item, key, strlen(key)) == 0) {
			return item + strlen(key);
		}
		if (item == value && item[strcspn(item, ",=")] != '=') {
			return item;
		}
		item = strchr(item, ',');
		item = item != NULL ? item + 1 : NULL;
	}
	return NULL;
}

char *arguments_find_name(char *const argv[]) {
	const char *name = NULL;
	for (int i = 0; argv[i] != NULL && argv[i + 1] != NULL; i++) {
		if (argument_is_option(argv[i], "name")) {
			name = find_name_in(argv[i + 1]);
		}
	}
	if (name == NULL) {
		return NULL;
	}
	size_t length = strcspn(name, ",");
	/* Two commas are one that belongs to the name, which a guest's cannot have. */
	bool has_comma = name[length] == ',' && name[length + 1] == ',';
	return is_guest_name(name, length) && !has_comma ? strndup(name, length) : NULL;
}

int arguments_count(char *const argv[]) {
	int count = 0;
	while (argv[count] != NULL) {
		count++;
	}
	return count;
}
