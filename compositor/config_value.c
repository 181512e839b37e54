#include "config_value.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <wlr/types/wlr_keyboard.h>

#include "config.h"

#define VALUE_UUID_LENGTH 36

static const struct {
	const char *name;
	uint32_t modifier; /* enum wlr_keyboard_modifier */
} value_modifiers[] = {
	{ "Shift", WLR_MODIFIER_SHIFT },
	{ "Ctrl", WLR_MODIFIER_CTRL },
	{ "Control", WLR_MODIFIER_CTRL },
	{ "Alt", WLR_MODIFIER_ALT },
	{ "Mod1", WLR_MODIFIER_ALT },
	{ "Super", WLR_MODIFIER_LOGO },
	{ "Logo", WLR_MODIFIER_LOGO },
	{ "Mod4", WLR_MODIFIER_LOGO },
	{ "Caps", WLR_MODIFIER_CAPS },
	{ "Mod2", WLR_MODIFIER_MOD2 },
	{ "Mod3", WLR_MODIFIER_MOD3 },
	{ "Mod5", WLR_MODIFIER_MOD5 },
};

/*
 * Each scan_*() takes what it understands off *cursor; if it returns false, *cursor may be
 * anywhere. Not strtol() and strtod(): those take spaces and signs, and the locale's decimal
 * point.
 */

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool scan_char(const char **cursor, char c) {
	if (**cursor != c) {
		return false;
	}
	(*cursor)++;
	return true;
}

static bool scan_number(const char **cursor, int max, int *ret_number) {
	if (!is_digit(**cursor)) {
		return false;
	}
	int number = 0;
	for (; is_digit(**cursor); (*cursor)++) {
		int digit = **cursor - '0';
		/* digit > max apart: the division rounds towards zero. */
		if (digit > max || number > (max - digit) / 10) {
			return false;
		}
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

/* 59.94 gives 59940: digits, and one to three decimals if there is a point. */
static bool scan_thousandths(const char **cursor, int max_thousandths, int *ret_thousandths) {
	int whole, thousandths = 0;
	if (!scan_number(cursor, max_thousandths / 1000, &whole)) {
		return false;
	}
	if (scan_char(cursor, '.')) {
		if (!is_digit(**cursor)) {
			return false;
		}
		int weight = 100;
		for (; is_digit(**cursor); (*cursor)++) {
			if (weight == 0) {
				return false;
			}
			thousandths += (**cursor - '0') * weight;
			weight /= 10;
		}
	}
	if (thousandths > max_thousandths - whole * 1000) {
		return false;
	}
	*ret_thousandths = whole * 1000 + thousandths;
	return true;
}

static bool scan_size(const char **cursor, int *ret_width, int *ret_height) {
	int width, height;
	if (!scan_number(cursor, ORIEL_CONFIG_SIZE_MAX, &width) || !scan_char(cursor, 'x') ||
			!scan_number(cursor, ORIEL_CONFIG_SIZE_MAX, &height) || width == 0 ||
			height == 0) {
		return false;
	}
	*ret_width = width;
	*ret_height = height;
	return true;
}

bool oriel_config_value_parse_number(const char *text, int max, int *ret_number) {
	int number;
	if (!scan_number(&text, max, &number) || *text != '\0') {
		return false;
	}
	*ret_number = number;
	return true;
}

bool oriel_config_value_parse_size(const char *text, int *ret_width, int *ret_height) {
	int width, height;
	if (!scan_size(&text, &width, &height) || *text != '\0') {
		return false;
	}
	*ret_width = width;
	*ret_height = height;
	return true;
}

bool oriel_config_value_parse_mode(
		const char *text, int *ret_width, int *ret_height, int *ret_refresh_mhz) {
	int width, height, refresh_mhz = 0;
	if (!scan_size(&text, &width, &height)) {
		return false;
	}
	if (scan_char(&text, '@') &&
			(!scan_thousandths(&text, ORIEL_CONFIG_REFRESH_MAX_MHZ, &refresh_mhz) ||
					refresh_mhz == 0)) {
		return false;
	}
	if (*text != '\0') {
		return false;
	}
	*ret_width = width;
	*ret_height = height;
	*ret_refresh_mhz = refresh_mhz;
	return true;
}

bool oriel_config_value_parse_coordinate(const char *text, int *ret_coordinate) {
	bool negative = scan_char(&text, '-');
	int coordinate;
	if (!oriel_config_value_parse_number(text, ORIEL_CONFIG_POSITION_MAX, &coordinate)) {
		return false;
	}
	*ret_coordinate = negative ? -coordinate : coordinate;
	return true;
}

bool oriel_config_value_parse_scale(const char *text, double *ret_scale) {
	int thousandths;
	if (!scan_thousandths(&text, (int)(ORIEL_CONFIG_SCALE_MAX * 1000), &thousandths) ||
			*text != '\0' || thousandths < (int)(ORIEL_CONFIG_SCALE_MIN * 1000)) {
		return false;
	}
	*ret_scale = thousandths / 1000.0;
	return true;
}

bool oriel_config_value_is_uuid(const char *text) {
	if (strlen(text) != VALUE_UUID_LENGTH) {
		return false;
	}
	for (int i = 0; i < VALUE_UUID_LENGTH; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return true;
}

bool oriel_config_value_is_name(const char *text) {
	size_t length = strlen(text);
	if (length == 0 || length > ORIEL_CONFIG_NAME_MAX) {
		return false;
	}
	for (const char *c = text; *c != '\0'; c++) {
		if (iscntrl((unsigned char)*c) || *c == ' ' || *c == '=' || *c == ',') {
			return false;
		}
	}
	return true;
}

uint32_t oriel_config_value_get_modifier(const char *name) {
	for (size_t i = 0; i < sizeof(value_modifiers) / sizeof(value_modifiers[0]); i++) {
		if (strcasecmp(value_modifiers[i].name, name) == 0) {
			return value_modifiers[i].modifier;
		}
	}
	return 0;
}

xkb_keysym_t oriel_config_value_get_keysym(const char *name) {
	xkb_keysym_t keysym = xkb_keysym_from_name(name, XKB_KEYSYM_NO_FLAGS);
	if (keysym == XKB_KEY_NoSymbol) {
		keysym = xkb_keysym_from_name(name, XKB_KEYSYM_CASE_INSENSITIVE);
	}
	return xkb_keysym_to_lower(keysym);
}
