#include "guest/qemu/qnum.h"

#include <dirent.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Row by row, as the keys lie on it, so that each can be read off a table of scan codes. */
static const struct {
	uint32_t code, qnum;
} board[] = {
	{ KEY_ESC, 0x01 },
	{ KEY_F1, 0x3b },
	{ KEY_F2, 0x3c },
	{ KEY_F3, 0x3d },
	{ KEY_F4, 0x3e },
	{ KEY_F5, 0x3f },
	{ KEY_F6, 0x40 },
	{ KEY_F7, 0x41 },
	{ KEY_F8, 0x42 },
	{ KEY_F9, 0x43 },
	{ KEY_F10, 0x44 },
	{ KEY_F11, 0x57 },
	{ KEY_F12, 0x58 },
	{ KEY_SYSRQ, 0x54 },
	{ KEY_SCROLLLOCK, 0x46 },
	{ KEY_PAUSE, 0xc6 },

	{ KEY_GRAVE, 0x29 },
	{ KEY_1, 0x02 },
	{ KEY_2, 0x03 },
	{ KEY_3, 0x04 },
	{ KEY_4, 0x05 },
	{ KEY_5, 0x06 },
	{ KEY_6, 0x07 },
	{ KEY_7, 0x08 },
	{ KEY_8, 0x09 },
	{ KEY_9, 0x0a },
	{ KEY_0, 0x0b },
	{ KEY_MINUS, 0x0c },
	{ KEY_EQUAL, 0x0d },
	{ KEY_BACKSPACE, 0x0e },

	{ KEY_TAB, 0x0f },
	{ KEY_Q, 0x10 },
	{ KEY_W, 0x11 },
	{ KEY_E, 0x12 },
	{ KEY_R, 0x13 },
	{ KEY_T, 0x14 },
	{ KEY_Y, 0x15 },
	{ KEY_U, 0x16 },
	{ KEY_I, 0x17 },
	{ KEY_O, 0x18 },
	{ KEY_P, 0x19 },
	{ KEY_LEFTBRACE, 0x1a },
	{ KEY_RIGHTBRACE, 0x1b },
	{ KEY_ENTER, 0x1c },

	{ KEY_CAPSLOCK, 0x3a },
	{ KEY_A, 0x1e },
	{ KEY_S, 0x1f },
	{ KEY_D, 0x20 },
	{ KEY_F, 0x21 },
	{ KEY_G, 0x22 },
	{ KEY_H, 0x23 },
	{ KEY_J, 0x24 },
	{ KEY_K, 0x25 },
	{ KEY_L, 0x26 },
	{ KEY_SEMICOLON, 0x27 },
	{ KEY_APOSTROPHE, 0x28 },
	{ KEY_BACKSLASH, 0x2b },

	{ KEY_LEFTSHIFT, 0x2a },
	{ KEY_102ND, 0x56 },
	{ KEY_Z, 0x2c },
	{ KEY_X, 0x2d },
	{ KEY_C, 0x2e },
	{ KEY_V, 0x2f },
	{ KEY_B, 0x30 },
	{ KEY_N, 0x31 },
	{ KEY_M, 0x32 },
	{ KEY_COMMA, 0x33 },
	{ KEY_DOT, 0x34 },
	{ KEY_SLASH, 0x35 },
	{ KEY_RIGHTSHIFT, 0x36 },

	{ KEY_LEFTCTRL, 0x1d },
	{ KEY_LEFTMETA, 0xdb },
	{ KEY_LEFTALT, 0x38 },
	{ KEY_SPACE, 0x39 },
	{ KEY_RIGHTALT, 0xb8 },
	{ KEY_RIGHTMETA, 0xdc },
	{ KEY_COMPOSE, 0xdd },
	{ KEY_RIGHTCTRL, 0x9d },

	{ KEY_INSERT, 0xd2 },
	{ KEY_HOME, 0xc7 },
	{ KEY_PAGEUP, 0xc9 },
	{ KEY_DELETE, 0xd3 },
	{ KEY_END, 0xcf },
	{ KEY_PAGEDOWN, 0xd1 },
	{ KEY_UP, 0xc8 },
	{ KEY_LEFT, 0xcb },
	{ KEY_DOWN, 0xd0 },
	{ KEY_RIGHT, 0xcd },

	{ KEY_NUMLOCK, 0x45 },
	{ KEY_KPSLASH, 0xb5 },
	{ KEY_KPASTERISK, 0x37 },
	{ KEY_KPMINUS, 0x4a },
	{ KEY_KP7, 0x47 },
	{ KEY_KP8, 0x48 },
	{ KEY_KP9, 0x49 },
	{ KEY_KPPLUS, 0x4e },
	{ KEY_KP4, 0x4b },
	{ KEY_KP5, 0x4c },
	{ KEY_KP6, 0x4d },
	{ KEY_KP1, 0x4f },
	{ KEY_KP2, 0x50 },
	{ KEY_KP3, 0x51 },
	{ KEY_KPENTER, 0x9c },
	{ KEY_KP0, 0x52 },
	{ KEY_KPDOT, 0x53 },
};

#define BOARD_KEYS 105

static void keys_of_the_board_have_their_scan_codes(void **state) {
	assert_int_equal(sizeof(board) / sizeof(board[0]), BOARD_KEYS);
	for (size_t i = 0; i < BOARD_KEYS; i++) {
		assert_int_equal(oriel_qnum_from_evdev(board[i].code), board[i].qnum);
	}
}

/* Those of other boards that have scan codes, as PCs' keyboards send them. */
static void keys_beyond_the_board_have_their_scan_codes(void **state) {
	static const struct {
		uint32_t code, qnum;
	} keys[] = {
		{ KEY_MUTE, 0xa0 },
		{ KEY_VOLUMEDOWN, 0xae },
		{ KEY_VOLUMEUP, 0xb0 },
		{ KEY_NEXTSONG, 0x99 },
		{ KEY_PREVIOUSSONG, 0x90 },
		{ KEY_STOPCD, 0xa4 },
		{ KEY_PLAYPAUSE, 0xa2 },
		{ KEY_MAIL, 0xec },
		{ KEY_CALC, 0xa1 },
		{ KEY_COMPUTER, 0xeb },
		{ KEY_SEARCH, 0xe5 },
		{ KEY_HOMEPAGE, 0xb2 },
		{ KEY_BACK, 0xea },
		{ KEY_FORWARD, 0xe9 },
		{ KEY_STOP, 0xe8 },
		{ KEY_REFRESH, 0xe7 },
		{ KEY_BOOKMARKS, 0xe6 },
		{ KEY_MEDIA, 0xed },
		{ KEY_POWER, 0xde },
		{ KEY_SLEEP, 0xdf },
		{ KEY_WAKEUP, 0xe3 },
		{ KEY_F13, 0x5d },
		{ KEY_F14, 0x5e },
		{ KEY_F15, 0x5f },
		{ KEY_RO, 0x73 },
		{ KEY_YEN, 0x7d },
		{ KEY_HENKAN, 0x79 },
		{ KEY_MUHENKAN, 0x7b },
		{ KEY_KATAKANAHIRAGANA, 0x70 },
		{ KEY_HANGEUL, 0x72 },
		{ KEY_HANJA, 0x71 },
		{ KEY_KPCOMMA, 0x7e },
		{ KEY_KPEQUAL, 0x59 },
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(oriel_qnum_from_evdev(keys[i].code), keys[i].qnum);
	}
}

static void no_two_keys_share_a_number_and_none_is_beyond_a_byte(void **state) {
	uint32_t owners[0x100] = { 0 };
	size_t count = 0;
	for (uint32_t code = 0; code <= KEY_MAX; code++) {
		uint32_t qnum = oriel_qnum_from_evdev(code);
		if (qnum != 0) {
			assert_true(qnum < 0x100);
			assert_int_equal(owners[qnum], 0);
			owners[qnum] = code;
			count++;
		}
	}
	/* Without its 0x80 it would be what begins a scan code, or none. */
	assert_int_equal(owners[0x60], 0);
	assert_int_equal(owners[0x61], 0);
	assert_int_equal(owners[0x80], 0);
	assert_int_equal(count, 222);
}

static void codes_that_are_no_keys_of_qemus_have_no_number(void **state) {
	static const uint32_t codes[] = { KEY_RESERVED, 84, KEY_MICMUTE, BTN_LEFT, KEY_OK, KEY_FN,
		KEY_MAX, KEY_CNT, 0x10000 + KEY_A, UINT32_MAX };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_int_equal(oriel_qnum_from_evdev(codes[i]), 0);
	}
}

/* QEMU's own keymaps say in comments what they were made from. */
static unsigned compare_with_keymap(const char *path) {
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	char line[256];
	unsigned compared = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned code, qnum;
		if (sscanf(line, "# evdev %u (0x%*x), QKeyCode \"%*[^\"]\", number 0x%x", &code,
				    &qnum) == 2) {
			if (oriel_qnum_from_evdev(code) != qnum) {
				fail_msg("%s: key %u: 0x%x, not 0x%x", path, code, qnum,
						oriel_qnum_from_evdev(code));
			}
			compared++;
		}
	}
	fclose(file);
	return compared;
}

static void numbers_are_those_of_qemus_keymaps(void **state) {
	static const char folder[] = "/usr/share/qemu/keymaps";
	DIR *dir = opendir(folder);
	if (dir == NULL) {
		print_message("%s is not there\n", folder);
		skip();
	}
	unsigned compared = 0;
	struct dirent *entry;
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_type == DT_REG) {
			compared += compare_with_keymap(path);
		}
	}
	closedir(dir);
	assert_true(compared >= 1000);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_the_board_have_their_scan_codes),
		cmocka_unit_test(keys_beyond_the_board_have_their_scan_codes),
		cmocka_unit_test(no_two_keys_share_a_number_and_none_is_beyond_a_byte),
		cmocka_unit_test(codes_that_are_no_keys_of_qemus_have_no_number),
		cmocka_unit_test(numbers_are_those_of_qemus_keymaps),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
