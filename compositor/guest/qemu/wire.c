#include "guest/qemu/wire.h"

#include <string.h>

#define VERSION 1

#define NAME_MAX_BYTES 255
/* Of arrays and of structures each, in one another. */
#define SIGNATURE_DEPTH_MAX 32

enum wire_type {
	WIRE_TYPE_CALL = 1,
	WIRE_TYPE_RETURN = 2,
	WIRE_TYPE_ERROR = 3,
	WIRE_TYPE_SIGNAL = 4,
	WIRE_TYPE_COUNT,
};

enum wire_field {
	WIRE_FIELD_PATH = 1,
	WIRE_FIELD_INTERFACE = 2,
	WIRE_FIELD_MEMBER = 3,
	WIRE_FIELD_ERROR = 4,
	WIRE_FIELD_REPLY_SERIAL = 5,
	WIRE_FIELD_DESTINATION = 6,
	WIRE_FIELD_SENDER = 7,
	WIRE_FIELD_SIGNATURE = 8,
	WIRE_FIELD_FILES = 9,
	WIRE_FIELD_COUNT,
};

#define BIT(field) (1u << (field))

static uint32_t get_u32(const uint8_t *bytes) {
	uint32_t value;
	memcpy(&value, bytes, sizeof(value));
	return value;
}

bool oriel_wire_read_head(const uint8_t *bytes, struct oriel_wire_head *ret_head) {
	struct oriel_wire_head head = {
		.fields_bytes = get_u32(bytes + 12),
		.body_bytes = get_u32(bytes + 4),
	};
	if (bytes[0] != ORIEL_WIRE_FIRST_BYTE || bytes[1] == 0 || bytes[1] >= WIRE_TYPE_COUNT ||
			bytes[3] != VERSION || get_u32(bytes + 8) == 0 || head.fields_bytes == 0 ||
			head.fields_bytes > ORIEL_WIRE_HEAD_MAX - ORIEL_WIRE_FIXED_BYTES ||
			head.body_bytes > ORIEL_WIRE_BODY_MAX) {
		return false;
	}
	head.head_bytes = ORIEL_WIRE_FIXED_BYTES + ((size_t)head.fields_bytes + 7) / 8 * 8;
	*ret_head = head;
	return true;
}

/* --- names ------------------------------------------------------------------------------------ */

/* What a name is made of: words of letters, digits and '_', with a separator between. */
struct grammar {
	char separator;
	bool begins_with_digits; /* a word may */
	bool has_hyphens; /* '-' is a letter */
};

static bool is_letter(const struct grammar *grammar, char c, bool is_first) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			(c >= '0' && c <= '9' && (grammar->begins_with_digits || !is_first)) ||
			(c == '-' && grammar->has_hyphens);
}

/* How many words the name has, or 0: it is none. */
static unsigned count_words(const struct grammar *grammar, const char *name) {
	unsigned words = 0;
	bool is_first = true;
	for (; *name != '\0'; name++) {
		if (*name == grammar->separator && !is_first) {
			is_first = true;
		} else if (is_letter(grammar, *name, is_first)) {
			words += is_first ? 1 : 0;
			is_first = false;
		} else {
			return 0;
		}
	}
	return is_first ? 0 : words;
}

static bool is_path(const char *path) {
	static const struct grammar grammar = { .separator = '/', .begins_with_digits = true };
	return path[0] == '/' && (path[1] == '\0' || count_words(&grammar, path + 1) > 0);
}

/* An error is named as an interface is. */
static bool is_interface(const char *name) {
	static const struct grammar grammar = { .separator = '.' };
	return count_words(&grammar, name) >= 2;
}

static bool is_member(const char *name) {
	static const struct grammar grammar = { .separator = '.' };
	return count_words(&grammar, name) == 1;
}

static bool is_bus_name(const char *name) {
	const struct grammar grammar = {
		.separator = '.',
		.begins_with_digits = name[0] == ':',
		.has_hyphens = true,
	};
	return count_words(&grammar, name[0] == ':' ? name + 1 : name) >= 2;
}

/* What sd-bus itself says comes from there, and nobody else may. */
static bool is_local(const char *name) {
	return strcmp(name, "/org/freedesktop/DBus/Local") == 0 ||
			strcmp(name, "org.freedesktop.DBus.Local") == 0;
}

/* What follows one complete type, or NULL if there is none. */
static const char *skip_type(const char *type, unsigned arrays, unsigned structs) {
	if (*type == '\0') {
		return NULL;
	}
	if (strchr("ybnqiuxtdsoghv", *type) != NULL) {
		return type + 1;
	}
	if (*type == 'a' && arrays < SIGNATURE_DEPTH_MAX && type[1] == '{') {
		/* Pairs of a basic type, and any. */
		if (type[2] == '\0' || strchr("ybnqiuxtdsogh", type[2]) == NULL) {
			return NULL;
		}
		type = structs < SIGNATURE_DEPTH_MAX ? skip_type(type + 3, arrays + 1, structs + 1)
						     : NULL;
		return type != NULL && *type == '}' ? type + 1 : NULL;
	}
	if (*type == 'a' && arrays < SIGNATURE_DEPTH_MAX) {
		return skip_type(type + 1, arrays + 1, structs);
	}
	if (*type != '(' || structs >= SIGNATURE_DEPTH_MAX) {
		return NULL;
	}
	type++;
	do {
		type = skip_type(type, arrays, structs + 1);
	} while (type != NULL && *type != ')');
	return type != NULL ? type + 1 : NULL;
}

static bool is_signature(const char *signature) {
	while (signature != NULL && *signature != '\0') {
		signature = skip_type(signature, 0, 0);
	}
	return signature != NULL;
}

/* --- fields ----------------------------------------------------------------------------------- */

/* What is left to be read; a failure stays. */
struct reader {
	const uint8_t *bytes; /* of the message, from its beginning */
	size_t at, end;
	bool has_failed;
};

/* NULL if there are not so many bytes left after zeros up to a multiple of align. */
static const uint8_t *reader_take(struct reader *reader, size_t align, size_t size) {
	for (; reader->at % align != 0 && !reader->has_failed; reader->at++) {
		reader->has_failed = reader->at >= reader->end || reader->bytes[reader->at] != 0;
	}
	if (reader->has_failed || size > reader->end - reader->at) {
		reader->has_failed = true;
		return NULL;
	}
	const uint8_t *bytes = reader->bytes + reader->at;
	reader->at += size;
	return bytes;
}

static uint32_t reader_take_u32(struct reader *reader) {
	const uint8_t *bytes = reader_take(reader, 4, 4);
	return bytes != NULL ? get_u32(bytes) : 0;
}

/* So many bytes without a zero, and one; NULL if it is something else. */
static const char *reader_take_text(struct reader *reader, size_t size) {
	const uint8_t *bytes = size <= NAME_MAX_BYTES ? reader_take(reader, 1, size + 1) : NULL;
	if (bytes == NULL || memchr(bytes, '\0', size + 1) != bytes + size) {
		reader->has_failed = true;
		return NULL;
	}
	return (const char *)bytes;
}

static bool is_valid(enum wire_field field, const char *text) {
	switch (field) {
	case WIRE_FIELD_PATH:
		return is_path(text) && !is_local(text);
	case WIRE_FIELD_INTERFACE:
		return is_interface(text) && !is_local(text);
	case WIRE_FIELD_MEMBER:
		return is_member(text);
	case WIRE_FIELD_ERROR:
		return is_interface(text);
	case WIRE_FIELD_DESTINATION:
	case WIRE_FIELD_SENDER:
		return is_bus_name(text) && !is_local(text);
	case WIRE_FIELD_SIGNATURE:
		return is_signature(text);
	default:
		return false;
	}
}

/* What was read of a header. */
struct fields {
	uint32_t seen; /* a bit for each enum wire_field */
	uint32_t file_count;
	bool has_types; /* a signature that is not empty */
};

static bool reader_take_field(struct reader *reader, struct fields *fields) {
	static const char types[WIRE_FIELD_COUNT] = {
		[WIRE_FIELD_PATH] = 'o',
		[WIRE_FIELD_INTERFACE] = 's',
		[WIRE_FIELD_MEMBER] = 's',
		[WIRE_FIELD_ERROR] = 's',
		[WIRE_FIELD_REPLY_SERIAL] = 'u',
		[WIRE_FIELD_DESTINATION] = 's',
		[WIRE_FIELD_SENDER] = 's',
		[WIRE_FIELD_SIGNATURE] = 'g',
		[WIRE_FIELD_FILES] = 'u',
	};
	/* Its number, and the signature of its value. */
	const uint8_t *start = reader_take(reader, 8, 4);
	uint8_t field = start != NULL ? start[0] : 0;
	if (field == 0 || field >= WIRE_FIELD_COUNT || start[1] != 1 ||
			start[2] != (uint8_t)types[field] || start[3] != '\0' ||
			(fields->seen & BIT(field)) != 0) {
		return false;
	}
	fields->seen |= BIT(field);
	if (types[field] == 'u') {
		uint32_t value = reader_take_u32(reader);
		fields->file_count = field == WIRE_FIELD_FILES ? value : fields->file_count;
		return !reader->has_failed && (field == WIRE_FIELD_FILES || value != 0);
	}
	size_t size = 0;
	if (types[field] == 'g') {
		const uint8_t *size_byte = reader_take(reader, 1, 1);
		size = size_byte != NULL ? *size_byte : 0;
		fields->has_types = size > 0;
	} else {
		size = reader_take_u32(reader);
	}
	const char *text = reader_take_text(reader, size);
	return text != NULL && is_valid(field, text);
}

bool oriel_wire_is_message(
		const uint8_t *bytes, const struct oriel_wire_head *head, uint32_t file_count) {
	static const struct {
		uint32_t needed, refused;
	} kinds[WIRE_TYPE_COUNT] = {
		[WIRE_TYPE_CALL] = { BIT(WIRE_FIELD_PATH) | BIT(WIRE_FIELD_MEMBER),
				BIT(WIRE_FIELD_REPLY_SERIAL) | BIT(WIRE_FIELD_ERROR) },
		[WIRE_TYPE_RETURN] = { BIT(WIRE_FIELD_REPLY_SERIAL), BIT(WIRE_FIELD_FILES) },
		[WIRE_TYPE_ERROR] = { BIT(WIRE_FIELD_REPLY_SERIAL) | BIT(WIRE_FIELD_ERROR),
				BIT(WIRE_FIELD_FILES) },
		[WIRE_TYPE_SIGNAL] = { BIT(WIRE_FIELD_PATH) | BIT(WIRE_FIELD_INTERFACE) |
						BIT(WIRE_FIELD_MEMBER),
				BIT(WIRE_FIELD_REPLY_SERIAL) | BIT(WIRE_FIELD_ERROR) |
						BIT(WIRE_FIELD_FILES) },
	};
	struct reader reader = {
		.bytes = bytes,
		.at = ORIEL_WIRE_FIXED_BYTES,
		.end = ORIEL_WIRE_FIXED_BYTES + head->fields_bytes,
	};
	struct fields fields = { 0 };
	while (reader.at < reader.end) {
		if (!reader_take_field(&reader, &fields)) {
			return false;
		}
	}
	reader.end = head->head_bytes;
	reader_take(&reader, 8, 0); /* the padding */
	uint32_t needed = kinds[bytes[1]].needed;
	return !reader.has_failed && (fields.seen & needed) == needed &&
			(fields.seen & kinds[bytes[1]].refused) == 0 &&
			fields.file_count == file_count &&
			(head->body_bytes > 0) == fields.has_types;
}
