#include "guest/qemu/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Headers of D-Bus, written field by field. What a connection makes of them: qemu_bus. */

#define CALL 1
#define RETURN 2
#define ERROR 3
#define SIGNAL 4

struct header {
	uint8_t bytes[ORIEL_WIRE_HEAD_MAX];
	size_t size;
};

static void add_u32(struct header *header, uint32_t value) {
	header->size = (header->size + 3) / 4 * 4;
	memcpy(header->bytes + header->size, &value, sizeof(value));
	header->size += sizeof(value);
}

static void add_start(struct header *header, uint8_t field, char type) {
	header->size = (header->size + 7) / 8 * 8;
	const uint8_t start[] = { field, 1, (uint8_t)type, 0 };
	memcpy(header->bytes + header->size, start, sizeof(start));
	header->size += sizeof(start);
}

static void add_number(struct header *header, uint8_t field, uint32_t value) {
	add_start(header, field, 'u');
	add_u32(header, value);
}

static void add_text(struct header *header, uint8_t field, char type, const char *text) {
	add_start(header, field, type);
	if (type == 'g') {
		header->bytes[header->size++] = (uint8_t)strlen(text);
	} else {
		add_u32(header, (uint32_t)strlen(text));
	}
	memcpy(header->bytes + header->size, text, strlen(text) + 1);
	header->size += strlen(text) + 1;
}

static struct header make_empty(uint8_t type, uint32_t body_bytes) {
	struct header header = { .bytes = { ORIEL_WIRE_FIRST_BYTE, type, 0, 1 }, .size = 4 };
	add_u32(&header, body_bytes);
	add_u32(&header, 1);
	add_u32(&header, 0);
	return header;
}

static bool is_message(struct header header, uint32_t file_count) {
	uint32_t fields_bytes = (uint32_t)header.size - ORIEL_WIRE_FIXED_BYTES;
	memcpy(header.bytes + 12, &fields_bytes, sizeof(fields_bytes));
	struct oriel_wire_head head;
	return oriel_wire_read_head(header.bytes, &head) &&
			oriel_wire_is_message(header.bytes, &head, file_count);
}

/* A call with that text in place of one of its own; NULL: with its own. */
static bool is_call_with(uint8_t field, const char *text) {
	static const char *const texts[] = {
		[1] = "/a", [2] = "a.b", [3] = "M", [6] = "a.b", [7] = ":1.2", [8] = "u"
	};
	static const char types[] = " oss  ssg";
	struct header header = make_empty(CALL, 4);
	for (uint8_t i = 1; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i] != NULL) {
			add_text(&header, i, types[i], i == field ? text : texts[i]);
		}
	}
	return is_message(header, 0);
}

static void names_are_valid_or_not(void **state) {
	static const struct {
		uint8_t field;
		const char *text;
		bool is_valid;
	} cases[] = {
		{ 0, NULL, true },
		{ 1, "/", true },
		{ 1, "/org/qemu/Display1/Console_0", true },
		{ 1, "/0/1", true },
		{ 1, "", false },
		{ 1, "a", false },
		{ 1, "/a/", false },
		{ 1, "//", false },
		{ 1, "/a//b", false },
		{ 1, "/a-b", false },
		{ 1, "/a.b", false },
		{ 1, "/\xc3\xa4", false },
		{ 1, "/org/freedesktop/DBus/Local", false },
		{ 2, "org.qemu.Display1.Listener", true },
		{ 2, "a", false },
		{ 2, "a.", false },
		{ 2, ".a.b", false },
		{ 2, "a..b", false },
		{ 2, "a.1b", false },
		{ 2, "a.b-c", false },
		{ 2, "org.freedesktop.DBus.Local", false },
		{ 3, "SetUIInfo", true },
		{ 3, "", false },
		{ 3, "a.b", false },
		{ 3, "1a", false },
		{ 6, "org.qemu-x.a", true },
		{ 6, ":1.0", true },
		{ 6, "1.0", false },
		{ 6, ":", false },
		{ 7, "a", false },
		{ 7, "org.freedesktop.DBus.Local", false },
		{ 8, "ybnqiuxtdsoghv", true },
		{ 8, "ahuuuuauauuuuutb", true },
		{ 8, "a{sv}", true },
		{ 8, "aa{s(iav)}", true },
		{ 8, "(s)", true },
		{ 8, "", false }, /* and yet a body */
		{ 8, "z", false },
		{ 8, "a", false },
		{ 8, "ua", false },
		{ 8, "()", false },
		{ 8, "(u", false },
		{ 8, "u)", false },
		{ 8, "{sv}", false },
		{ 8, "a{vs}", false },
		{ 8, "a{s}", false },
		{ 8, "a{svv}", false },
		{ 8, "a{", false },
		{ 8, "a{s", false },
		{ 8, "a(", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_call_with(cases[i].field, cases[i].text) != cases[i].is_valid) {
			fail_msg("field %d: %s", cases[i].field, cases[i].text);
		}
	}
}

static void lengths_and_depths_are_bounded(void **state) {
	char text[300];
	for (size_t size = 254; size <= 256; size++) {
		memset(text, 'a', sizeof(text));
		text[size] = '\0';
		assert_int_equal(is_call_with(3, text), size <= 255);
		text[0] = '/';
		assert_int_equal(is_call_with(1, text), size <= 255);
	}
	for (size_t depth = 31; depth <= 33; depth++) {
		memset(text, 'a', depth);
		strcpy(text + depth, "u");
		assert_int_equal(is_call_with(8, text), depth <= 32);
		memset(text, '(', depth);
		text[depth] = 'u';
		memset(text + depth + 1, ')', depth);
		text[2 * depth + 1] = '\0';
		assert_int_equal(is_call_with(8, text), depth <= 32);
	}
	/* Both, as deep as there may be. */
	memset(text, '\0', sizeof(text));
	for (size_t i = 0; i < 32; i++) {
		memcpy(text + 2 * i, "a(", 2);
	}
	text[64] = 'u';
	memset(text + 65, ')', 32);
	assert_true(is_call_with(8, text));
}

static void kinds_have_the_fields_that_they_need(void **state) {
	for (uint8_t type = CALL; type <= SIGNAL; type++) {
		/* Each subset of path, interface, member, error and serial. */
		for (unsigned fields = 0; fields < 32; fields++) {
			struct header header = make_empty(type, 0);
			if ((fields & 1) != 0) {
				add_text(&header, 1, 'o', "/a");
			}
			if ((fields & 2) != 0) {
				add_text(&header, 2, 's', "a.b");
			}
			if ((fields & 4) != 0) {
				add_text(&header, 3, 's', "M");
			}
			if ((fields & 8) != 0) {
				add_text(&header, 4, 's', "a.b");
			}
			if ((fields & 16) != 0) {
				add_number(&header, 5, 1);
			}
			bool is_ok = false;
			switch (type) {
			case CALL:
				is_ok = (fields & (1 | 4 | 8 | 16)) == (1 | 4);
				break;
			case RETURN:
				is_ok = (fields & 16) != 0;
				break;
			case ERROR:
				is_ok = (fields & (8 | 16)) == (8 | 16);
				break;
			case SIGNAL:
				is_ok = fields == (1 | 2 | 4);
				break;
			}
			assert_int_equal(is_message(header, 0), is_ok);
			add_number(&header, 9, 2);
			assert_int_equal(is_message(header, 2), is_ok && type == CALL);
			assert_false(is_message(header, 1));
			assert_false(is_message(header, 0));
		}
	}
}

static void fields_that_are_wrong_are_refused(void **state) {
	struct header call = make_empty(CALL, 0);
	add_text(&call, 1, 'o', "/a");
	add_text(&call, 3, 's', "M");
	assert_true(is_message(call, 0));
	assert_false(is_message(call, 1));

	struct header header = call;
	add_text(&header, 3, 's', "M"); /* twice */
	assert_false(is_message(header, 0));
	header = call;
	add_text(&header, 2, 'o', "/a"); /* of another type */
	assert_false(is_message(header, 0));
	for (unsigned field = 10; field <= 0xff; field++) {
		header = call;
		add_number(&header, (uint8_t)field, 1); /* that nobody knows */
		assert_false(is_message(header, 0));
	}
	header = call;
	add_number(&header, 0, 1);
	assert_false(is_message(header, 0));
	header = call;
	add_number(&header, 9, 0); /* no files, and said so */
	assert_true(is_message(header, 0));
	header = call;
	add_text(&header, 8, 'g', "u"); /* of what body? */
	assert_false(is_message(header, 0));
	header = call;
	header.bytes[27] = 1; /* in the padding after the path */
	assert_false(is_message(header, 0));

	header = make_empty(RETURN, 0);
	add_number(&header, 5, 0);
	assert_false(is_message(header, 0));
	/* Cut short, at each byte. */
	for (size_t size = 17; size < call.size; size++) {
		header = call;
		header.size = size;
		assert_false(is_message(header, 0));
	}
}

static void fixed_part_is_of_a_message_that_may_be(void **state) {
	struct oriel_wire_head head;
	struct header header = make_empty(CALL, 5);
	static const uint32_t sizes[] = { 1, 8, 9, ORIEL_WIRE_HEAD_MAX - 16 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memcpy(header.bytes + 12, &sizes[i], sizeof(sizes[i]));
		assert_true(oriel_wire_read_head(header.bytes, &head));
		assert_int_equal(head.fields_bytes, sizes[i]);
		assert_int_equal(head.body_bytes, 5);
		assert_int_equal(head.head_bytes, 16 + (sizes[i] + 7) / 8 * 8);
	}
	static const struct {
		size_t at;
		uint8_t bytes[4];
	} faults[] = {
		{ 0, { 'B', CALL, 0, 1 } },
		{ 0, { 'l', 0, 0, 1 } },
		{ 0, { 'l', 5, 0, 1 } },
		{ 0, { 'l', CALL, 0, 0 } },
		{ 0, { 'l', CALL, 0, 2 } },
		{ 8, { 0, 0, 0, 0 } },
		{ 12, { 0, 0, 0, 0 } },
		{ 12, { 0xf1, 0x0f, 0, 0 } }, /* a byte too many */
		{ 12, { 0xff, 0xff, 0xff, 0xff } },
		{ 4, { 0x01, 0x00, 0xf0, 0x07 } },
		{ 4, { 0xff, 0xff, 0xff, 0xff } },
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct header wrong = header;
		memcpy(wrong.bytes + faults[i].at, faults[i].bytes, 4);
		assert_false(oriel_wire_read_head(wrong.bytes, &head));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_valid_or_not),
		cmocka_unit_test(lengths_and_depths_are_bounded),
		cmocka_unit_test(kinds_have_the_fields_that_they_need),
		cmocka_unit_test(fields_that_are_wrong_are_refused),
		cmocka_unit_test(fixed_part_is_of_a_message_that_may_be),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
