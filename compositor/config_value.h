#ifndef ORIEL_CONFIG_VALUE_H
#define ORIEL_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <xkbcommon/xkbcommon.h>

/*
 * The values of oriel(5), from text. Pure functions: each takes the whole of text, checks it
 * against the bounds of config.h, and returns false if it is not exactly such a value.
 */

/* Decimal digits, no sign: 0 to max. */
bool oriel_config_value_parse_number(const char *text, int max, int *ret_number);

/* WIDTHxHEIGHT. */
bool oriel_config_value_parse_size(const char *text, int *ret_width, int *ret_height);

/* WIDTHxHEIGHT[@HZ], HZ with up to three decimals; *ret_refresh_mhz is 0 without it. */
bool oriel_config_value_parse_mode(
		const char *text, int *ret_width, int *ret_height, int *ret_refresh_mhz);

/* A layout coordinate, of either sign. */
bool oriel_config_value_parse_coordinate(const char *text, int *ret_coordinate);

/* A factor with up to three decimals. */
bool oriel_config_value_parse_scale(const char *text, double *ret_scale);

/* True for the 36 characters of a UUID, in either case. */
bool oriel_config_value_is_uuid(const char *text);

/*
 * True for a guest's or an output's name: what --guest can give and a column of a table can show.
 */
bool oriel_config_value_is_name(const char *text);

/* The modifier's bit (enum wlr_keyboard_modifier), or 0 if there is none of that name. */
uint32_t oriel_config_value_get_modifier(const char *name);

/*
 * The keysym as struct oriel_config_binding has it, or XKB_KEY_NoSymbol if no key is called so.
 * The case of the name does not matter.
 */
xkb_keysym_t oriel_config_value_get_keysym(const char *name);

#endif
