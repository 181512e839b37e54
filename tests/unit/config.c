/*
 * Needs compositor/config*.c built with it, -DORIEL_EXAMPLES_DIR="…" for examples/, and
 * -Wl,--wrap for malloc, calloc, strdup, vasprintf, asprintf, fmemopen and read (without
 * _FORTIFY_SOURCE, which would go past some of them).
 */

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wlr/types/wlr_keyboard.h>

#include <cmocka.h>

#include "config_value.h"
#include "guest/input_sink.h"
#include "guest/source.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The real one depends on what is built in. "other" is a driver that the configuration knows
 * nothing of.
 */
bool oriel_source_driver_exists(const char *name) {
	return strcmp(name, "vfio") == 0 || strcmp(name, "qemu") == 0 ||
			strcmp(name, "synthetic") == 0 || strcmp(name, "other") == 0;
}

/* Likewise. */
static bool inputs_are_missing;

bool oriel_input_sink_driver_exists(const char *driver) {
	return (strcmp(driver, "uinput") == 0 || strcmp(driver, "qemu") == 0) && !inputs_are_missing;
}

/*
 * Memory that runs out: these stand between the configuration and libc (-Wl,--wrap). While armed,
 * call number fail_at fails, and all that follow too if fail_on is set.
 */

static struct {
	bool armed;
	bool fail_on;
	int calls;
	int fail_at;
} memory;

static bool memory_fails(void) {
	if (!memory.armed) {
		return false;
	}
	memory.calls++;
	if (memory.calls != memory.fail_at && !(memory.fail_on && memory.calls > memory.fail_at)) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
int __real_vasprintf(char **ret, const char *format, va_list args)
		__attribute__((format(printf, 2, 0)));
int __wrap_vasprintf(char **ret, const char *format, va_list args)
		__attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
FILE *__real_fmemopen(void *buffer, size_t size, const char *mode);
FILE *__wrap_fmemopen(void *buffer, size_t size, const char *mode);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

void *__wrap_malloc(size_t size) {
	return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
	return memory_fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *string) {
	return memory_fails() ? NULL : __real_strdup(string);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args) {
	return memory_fails() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_asprintf(char **ret, const char *format, ...) {
	if (memory_fails()) {
		return -1;
	}
	va_list args;
	va_start(args, format);
	int printed = __real_vasprintf(ret, format, args);
	va_end(args);
	return printed;
}

FILE *__wrap_fmemopen(void *buffer, size_t size, const char *mode) {
	return memory_fails() ? NULL : __real_fmemopen(buffer, size, mode);
}

/* A file that gives a few bytes at a time, between signals. */
static struct {
	bool armed;
	int calls;
} slow_read;

ssize_t __wrap_read(int fd, void *buffer, size_t size) {
	if (!slow_read.armed) {
		return __real_read(fd, buffer, size);
	}
	if (slow_read.calls++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return __real_read(fd, buffer, size < 5 ? size : 5);
}

static int count_fds(void) {
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	int count = 0;
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

/*
 * A configuration file without a folder to clean up: it is opened anew through /proc.
 */

static int file_create(const char *text, size_t size, char path[static 64]) {
	int fd = memfd_create("config", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static struct oriel_config *load_bytes(const char *text, size_t size) {
	char path[64];
	char *error = NULL;
	int fd = file_create(text, size, path);
	struct oriel_config *config = oriel_config_load(path, &error);
	close(fd);
	if (config == NULL) {
		print_error("%s\n", error);
	}
	assert_non_null(config);
	assert_null(error);
	return config;
}

static struct oriel_config *load(const char *text) {
	return load_bytes(text, strlen(text));
}

/* expected is what follows the path: ":LINE: …" or ": …". */
static void assert_load_fails(const char *text, size_t size, const char *expected) {
	char path[64];
	char *error = NULL;
	int fds = count_fds();
	int fd = file_create(text, size, path);

	struct oriel_config *config = oriel_config_load(path, &error);
	if (config != NULL) {
		oriel_config_destroy(config);
		fail_msg("loaded, but expected \"%s\"", expected);
	}
	assert_non_null(error);
	assert_memory_equal(error, path, strlen(path));
	assert_string_equal(error + strlen(path), expected);

	free(error);
	close(fd);
	assert_int_equal(count_fds(), fds);
}

static struct oriel_config_output *get_output(struct oriel_config *config, int index) {
	struct oriel_config_output *output;
	wl_list_for_each(output, &config->outputs, link) {
		if (index-- == 0) {
			return output;
		}
	}
	fail_msg("no such output");
	return NULL;
}

static struct oriel_config_guest *get_guest(struct oriel_config *config, int index) {
	struct oriel_config_guest *guest;
	wl_list_for_each(guest, &config->guests, link) {
		if (index-- == 0) {
			return guest;
		}
	}
	fail_msg("no such guest");
	return NULL;
}

static struct oriel_config_binding *get_binding(struct oriel_config *config, int index) {
	struct oriel_config_binding *binding;
	wl_list_for_each(binding, &config->bindings, link) {
		if (index-- == 0) {
			return binding;
		}
	}
	fail_msg("no such binding");
	return NULL;
}

/*
 * Files that are wrong.
 */

struct load_case {
	const char *name;
	const char *text;
	const char *expected;
};

#define NAME_61 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAME_63 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAME_RULE "a name of 1 to 63 bytes without space, \"=\" and \",\""
#define MODE_RULE "WIDTHxHEIGHT[@HZ] with sizes from 1 to 16384 and at most 1000 Hz"
#define EDID_RULE                                                                                  \
	"follow, none, file PATH, or WIDTHxHEIGHT[@HZ] with sizes from 64 to 16384 and 1 to 500 Hz"
#define QEMU_RULE "the absolute path of a QMP socket or handover"
#define PATH_107                                                                                    \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaa"
#define VFIO_RULE "a device for vfio (an absolute path, an mdev's UUID, fd:N or handover)"
#define MODIFIER_RULE "Shift, Ctrl, Alt, Super, Caps or Mod1 to Mod5 before a \"+\""

static const struct load_case load_cases[] = {
	/* syntax */
	{ "load_unterminated_double_quote_names_its_line", "# a\nguest \"win {\n}\n",
			":2: expected a closing quote, got the end of the line" },
	{ "load_unterminated_single_quote_names_its_line", "guest 'win\n",
			":1: expected a closing quote, got the end of the line" },
	{ "load_unterminated_quote_without_newline_names_its_line", "\n\nguest 'win",
			":3: expected a closing quote, got the end of the line" },
	{ "load_backslash_at_line_end_names_its_line", "bind a quit\nbind b exec x\\\ny\n",
			":2: expected a closing quote, or a character after \"\\\", got the end of the "
			"line" },
	{ "load_backslash_at_file_end_names_its_line", "bind b exec x\\",
			":1: expected a closing quote, or a character after \"\\\", got the end of the "
			"line" },
	{ "load_unclosed_block_names_last_line", "output A {\n\tmode 1x1\n",
			":2: expected \"}\", got the end of the file" },
	{ "load_unclosed_block_without_newline_names_last_line", "output A {\n\tmode 1x1",
			":2: expected \"}\", got the end of the file" },
	{ "load_unclosed_block_on_one_line_names_it", "output A {",
			":1: expected \"}\", got the end of the file" },
	{ "load_stray_brace_names_its_line", "output A {\n}\n}\n",
			":3: expected output, guest, bind, grab or escape, got \"}\"" },
	{ "load_stray_brace_first_names_its_line", "}",
			":1: expected output, guest, bind, grab or escape, got \"}\"" },
	{ "load_brace_twice_names_its_line", "output A {\n} }\n",
			":2: expected output, guest, bind, grab or escape, got \"}\"" },
	{ "load_brace_after_key_names_its_line", "output A {\n\tmode 1x1 }\n",
			":2: expected the end of the line before \"}\", got none" },
	{ "load_brace_in_word_names_its_line", "output A {\n\tmode 1x1}\n",
			":2: expected the end of the line before \"}\", got none" },
	{ "load_open_brace_in_word_names_its_line", "output A{\n}\n",
			":1: expected a space or the end of the line, got \"{\"" },
	{ "load_quote_in_word_names_its_line", "bind a quit\nbind b exec x\"y\"\n",
			":2: expected a space or the end of the line, got \"\"\"" },
	{ "load_apostrophe_in_word_names_its_line", "bind a exec don't\n",
			":1: expected a space or the end of the line, got \"'\"" },

	/* directives */
	{ "load_unknown_directive_is_refused", "\n\nscreen A\n",
			":3: expected output, guest, bind, grab or escape, got \"screen\"" },
	{ "load_empty_directive_is_refused", "\"\"\n",
			":1: expected output, guest, bind, grab or escape, got \"\"" },
	{ "load_directive_in_other_case_is_refused", "Output A\n",
			":1: expected output, guest, bind, grab or escape, got \"Output\"" },
	{ "load_control_characters_are_escaped", "\"a\tb\x7f\"\n",
			":1: expected output, guest, bind, grab or escape, got \"a\\x09b\\x7f\"" },
	{ "load_crlf_names_its_line", "# a\noutput A {\r\n\tmode 1x1\r\n}\r\n",
			":2: expected a newline at the end of the line, got a carriage return and a "
			"newline" },
	{ "load_first_mistake_wins", "foo\nbar\n",
			":1: expected output, guest, bind, grab or escape, got \"foo\"" },

	/* outputs */
	{ "load_output_without_name_is_refused", "output\n",
			":1: expected \"output NAME { ... }\", got 0 arguments" },
	{ "load_output_with_two_names_is_refused", "output A B {\n}\n",
			":1: expected \"output NAME { ... }\", got 2 arguments" },
	{ "load_output_with_empty_name_is_refused", "output \"\"\n",
			":1: expected " NAME_RULE " for an output, got \"\"" },
	{ "load_output_name_of_64_bytes_is_refused", "output " NAME_63 "n\n",
			":1: expected " NAME_RULE " for an output, got \"" NAME_63 "n\"" },
	{ "load_output_twice_is_refused", "output A\noutput B\noutput A\n",
			":3: expected each output once, got \"A\" again (first on line 1)" },
	{ "load_unknown_output_key_is_refused", "output A {\n\tmode 1x1\n\tcolour red\n}\n",
			":3: expected mode, position, scale or off, got \"colour\"" },
	{ "load_mode_without_argument_is_refused", "output A {\n\tmode\n}\n",
			":2: expected \"mode WIDTHxHEIGHT[@HZ]\", got 0 arguments" },
	{ "load_mode_with_two_arguments_is_refused", "output A {\n\tmode 1x1 60\n}\n",
			":2: expected \"mode WIDTHxHEIGHT[@HZ]\", got 2 arguments" },
	{ "load_mode_with_block_is_refused", "output A {\n\tmode 1x1 {\n\t\tx\n\t}\n}\n",
			":2: expected \"mode WIDTHxHEIGHT[@HZ]\", got a block in braces after it" },
	{ "load_mode_twice_is_refused", "output A {\n\tmode 1x1\n\n\tmode 2x2\n}\n",
			":4: expected one \"mode\", got another (first on line 2)" },
	{ "load_mode_that_is_none_is_refused", "output A {\n\tmode big\n}\n",
			":2: expected " MODE_RULE ", got \"big\"" },
	{ "load_mode_of_zero_width_is_refused", "output A {\n\tmode 0x600\n}\n",
			":2: expected " MODE_RULE ", got \"0x600\"" },
	{ "load_mode_too_wide_is_refused", "output A {\n\tmode 16385x600\n}\n",
			":2: expected " MODE_RULE ", got \"16385x600\"" },
	{ "load_mode_with_carriage_return_is_refused", "output A {\n\tmode 1x1\r\t\n}\n",
			":2: expected " MODE_RULE ", got \"1x1\\x0d\"" },
	{ "load_position_with_one_argument_is_refused", "output A {\n\tposition 1\n}\n",
			":2: expected \"position X Y\", got 1 argument" },
	{ "load_position_beyond_bounds_is_refused", "output A {\n\tposition 0 32768\n}\n",
			":2: expected a number from -32767 to 32767, got \"32768\"" },
	{ "load_scale_without_argument_is_refused", "output A {\n\tscale\n}\n",
			":2: expected \"scale FACTOR\", got 0 arguments" },
	{ "load_scale_of_zero_is_refused", "output A {\n\tscale 0\n}\n",
			":2: expected a factor from 0.25 to 8 with at most 3 decimals, got \"0\"" },
	{ "load_off_with_argument_is_refused", "output A {\n\toff yes\n}\n",
			":2: expected \"off\", got 1 argument" },

	/* guests */
	{ "load_guest_without_name_is_refused", "guest {\n\tsource synthetic\n}\n",
			":1: expected \"guest NAME { ... }\", got 0 arguments" },
	{ "load_guest_with_two_names_is_refused", "guest a b {\n\tsource synthetic\n}\n",
			":1: expected \"guest NAME { ... }\", got 2 arguments" },
	{ "load_guest_name_with_space_is_refused", "guest \"a b\" {\n\tsource synthetic\n}\n",
			":1: expected " NAME_RULE " for a guest, got \"a b\"" },
	{ "load_guest_name_with_equals_is_refused", "guest a=b {\n\tsource synthetic\n}\n",
			":1: expected " NAME_RULE " for a guest, got \"a=b\"" },
	{ "load_guest_twice_is_refused",
			"guest a {\n\tsource synthetic\n}\nguest a {\n\tsource synthetic\n}\n",
			":4: expected each guest once, got \"a\" again (first on line 1)" },
	{ "load_guest_without_block_is_refused", "\nguest a\n",
			":2: expected a source in guest \"a\", got none" },
	{ "load_guest_without_source_is_refused", "\nguest a {\n\toutput A\n}\n",
			":2: expected a source in guest \"a\", got none" },
	{ "load_unknown_guest_key_is_refused", "guest a {\n\tdriver vfio\n}\n",
			":2: expected source, output, head, edid, input, touch or clipboard, got "
			"\"driver\"" },
	{ "load_source_without_driver_is_refused", "guest a {\n\tsource\n}\n",
			":2: expected \"source DRIVER [WHERE]\", got 0 arguments" },
	{ "load_source_with_three_arguments_is_refused", "guest a {\n\tsource vfio / b\n}\n",
			":2: expected \"source DRIVER [WHERE]\", got 3 arguments" },
	{ "load_source_twice_is_refused", "guest a {\n\tsource synthetic\n\tsource synthetic\n}\n",
			":3: expected one \"source\", got another (first on line 2)" },
	{ "load_unknown_driver_is_refused", "guest a {\n\tsource vga\n}\n",
			":2: expected a source that is built in, such as qemu, vfio or synthetic, got \"vga\"" },
	{ "load_driver_with_colon_is_refused", "guest a {\n\tsource synthetic:1x1\n}\n",
			":2: expected a source that is built in, such as qemu, vfio or synthetic, got "
			"\"synthetic:1x1\"" },
	{ "load_synthetic_with_wrong_size_is_refused", "guest a {\n\tsource synthetic 1x1@60\n}\n",
			":2: expected WIDTHxHEIGHT with sizes from 1 to 16384 for synthetic, got "
			"\"1x1@60\"" },
	{ "load_vfio_without_device_is_refused", "guest a {\n\tsource vfio\n}\n",
			":2: expected " VFIO_RULE ", got nothing" },
	{ "load_vfio_with_relative_path_is_refused", "guest a {\n\tsource vfio dev/vfio0\n}\n",
			":2: expected " VFIO_RULE ", got \"dev/vfio0\"" },
	{ "load_vfio_with_more_than_handover_is_refused", "guest a {\n\tsource vfio handover:1\n}\n",
			":2: expected " VFIO_RULE ", got \"handover:1\"" },
	{ "load_vfio_with_empty_device_is_refused", "guest a {\n\tsource vfio \"\"\n}\n",
			":2: expected " VFIO_RULE ", got \"\"" },
	{ "load_vfio_with_short_uuid_is_refused",
			"guest a {\n\tsource vfio 83b8f4f2-509f-382f-3c1e-e6bfe0fa100\n}\n",
			":2: expected " VFIO_RULE ", got \"83b8f4f2-509f-382f-3c1e-e6bfe0fa100\"" },
	{ "load_vfio_fd_without_number_is_refused", "guest a {\n\tsource vfio fd:\n}\n",
			":2: expected \"fd:\" and a file's number, got \"fd:\"" },
	{ "load_vfio_fd_that_is_no_number_is_refused", "guest a {\n\tsource vfio fd:9x\n}\n",
			":2: expected \"fd:\" and a file's number, got \"fd:9x\"" },
	{ "load_vfio_fd_negative_is_refused", "guest a {\n\tsource vfio fd:-1\n}\n",
			":2: expected \"fd:\" and a file's number, got \"fd:-1\"" },
	{ "load_vfio_fd_beyond_int_is_refused", "guest a {\n\tsource vfio fd:2147483648\n}\n",
			":2: expected \"fd:\" and a file's number, got \"fd:2147483648\"" },
	{ "load_edid_without_value_is_refused", "guest a {\n\tedid\n}\n",
			":2: expected \"edid follow|none|WIDTHxHEIGHT[@HZ]|file PATH\", got 0 "
			"arguments" },
	{ "load_edid_with_three_values_is_refused", "guest a {\n\tedid file /a /b\n}\n",
			":2: expected \"edid follow|none|WIDTHxHEIGHT[@HZ]|file PATH\", got 3 "
			"arguments" },
	{ "load_edid_follow_with_argument_is_refused", "guest a {\n\tedid follow me\n}\n",
			":2: expected \"edid follow|none|WIDTHxHEIGHT[@HZ]\", got 2 arguments" },
	{ "load_edid_twice_is_refused", "guest a {\n\tedid none\n\tedid none\n}\n",
			":3: expected one \"edid\", got another (first on line 2)" },
	{ "load_edid_of_another_kind_is_refused", "guest a {\n\tedid big\n}\n",
			":2: expected " EDID_RULE ", got \"big\"" },
	{ "load_edid_too_narrow_is_refused", "guest a {\n\tedid 63x64\n}\n",
			":2: expected " EDID_RULE ", got \"63x64\"" },
	{ "load_edid_too_low_is_refused", "guest a {\n\tedid 64x63\n}\n",
			":2: expected " EDID_RULE ", got \"64x63\"" },
	{ "load_edid_too_wide_is_refused", "guest a {\n\tedid 16385x64\n}\n",
			":2: expected " EDID_RULE ", got \"16385x64\"" },
	{ "load_edid_too_slow_is_refused", "guest a {\n\tedid 64x64@0.999\n}\n",
			":2: expected " EDID_RULE ", got \"64x64@0.999\"" },
	{ "load_edid_too_fast_is_refused", "guest a {\n\tedid 64x64@500.001\n}\n",
			":2: expected " EDID_RULE ", got \"64x64@500.001\"" },
	{ "load_edid_file_without_path_is_refused", "guest a {\n\tedid file\n}\n",
			":2: expected \"edid file PATH\", got 1 argument" },
	{ "load_edid_file_with_relative_path_is_refused", "guest a {\n\tedid file edid.bin\n}\n",
			":2: expected an absolute path after \"file\", got \"edid.bin\"" },
	{ "load_edid_file_that_is_not_there_is_refused", "guest a {\n\tedid file /nonexistent/a\n}\n",
			":2: expected an EDID that can be read, got \"/nonexistent/a\": No such file "
			"or directory" },
	{ "load_edid_file_that_is_a_folder_is_refused", "guest a {\n\tedid file /proc\n}\n",
			":2: expected an EDID, got \"/proc\", which is no file" },
	{ "load_edid_file_that_is_a_device_is_refused", "guest a {\n\tedid file /dev/zero\n}\n",
			":2: expected an EDID, got \"/dev/zero\", which is no file" },
	{ "load_guest_output_without_name_is_refused", "guest a {\n\toutput\n}\n",
			":2: expected \"output NAME\", got 0 arguments" },
	{ "load_guest_output_with_empty_name_is_refused", "guest a {\n\toutput ''\n}\n",
			":2: expected " NAME_RULE " for an output, got \"\"" },
	{ "load_guest_output_twice_is_refused",
			"guest a {\n\tsource synthetic\n\toutput A\n\toutput B\n}\n",
			":4: expected one \"output\", got another (first on line 3)" },
	{ "load_input_without_kind_is_refused", "guest a {\n\tinput\n}\n",
			":2: expected \"input qemu [PATH]|uinput|none\", got 0 arguments" },
	{ "load_input_with_three_words_is_refused", "guest a {\n\tinput qemu /a /b\n}\n",
			":2: expected \"input qemu [PATH]|uinput|none\", got 3 arguments" },
	{ "load_input_with_two_kinds_is_refused", "guest a {\n\tinput uinput none\n}\n",
			":2: expected nothing after \"uinput\", got \"none\"" },
	{ "load_input_none_with_path_is_refused", "guest a {\n\tinput none /a\n}\n",
			":2: expected nothing after \"none\", got \"/a\"" },
	{ "load_input_with_block_is_refused", "guest a {\n\tinput none {\n\t\tx\n\t}\n}\n",
			":2: expected \"input qemu [PATH]|uinput|none\", got a block in braces after it" },
	{ "load_unknown_input_is_refused", "guest a {\n\tinput ps2\n}\n",
			":2: expected qemu, uinput or none, got \"ps2\"" },
	{ "load_input_in_other_case_is_refused", "guest a {\n\tinput Uinput\n}\n",
			":2: expected qemu, uinput or none, got \"Uinput\"" },
	{ "load_input_twice_is_refused",
			"guest a {\n\tsource synthetic\n\tinput none\n\tinput uinput\n}\n",
			":4: expected one \"input\", got another (first on line 3)" },
	{ "load_input_of_guest_with_slash_is_refused", "guest a/b {\n\tinput uinput\n}\n",
			":2: expected a guest without \"/\" in its name for \"uinput\", got \"a/b\"" },
	{ "load_input_qemu_with_relative_path_is_refused",
			"guest a {\n\tsource synthetic\n\tinput qemu vm.qmp\n}\n",
			":3: expected the absolute path of a QMP socket for qemu, got \"vm.qmp\"" },
	{ "load_input_qemu_handover_is_refused",
			"guest a {\n\tsource synthetic\n\tinput qemu handover\n}\n",
			":3: expected the absolute path of a QMP socket for qemu, got \"handover\"" },
	{ "load_input_qemu_with_path_too_long_is_refused",
			"guest a {\n\tsource synthetic\n\tinput qemu " PATH_107 "a\n}\n",
			":3: expected a path of at most 107 bytes for a socket, got one of 108" },
	{ "load_input_qemu_without_path_is_refused",
			"guest a {\n\tinput qemu\n\tsource synthetic\n}\n",
			":2: expected the absolute path of a QMP socket for \"input qemu\" with \"source "
			"synthetic\", got nothing" },
	{ "load_input_qemu_with_path_beside_source_is_refused",
			"guest a {\n\tinput qemu /b\n\tsource qemu /b\n}\n",
			":2: expected nothing after \"input qemu\" with \"source qemu\", got \"/b\"" },

	{ "load_qemu_without_path_is_refused", "guest a {\n\tsource qemu\n}\n",
			":2: expected " QEMU_RULE " for qemu, got nothing" },
	{ "load_qemu_with_empty_path_is_refused", "guest a {\n\tsource qemu ''\n}\n",
			":2: expected " QEMU_RULE " for qemu, got \"\"" },
	{ "load_qemu_with_relative_path_is_refused", "guest a {\n\tsource qemu run/vm\n}\n",
			":2: expected " QEMU_RULE " for qemu, got \"run/vm\"" },
	{ "load_qemu_with_tilde_is_refused", "guest a {\n\tsource qemu ~/vm.qmp\n}\n",
			":2: expected " QEMU_RULE " for qemu, got \"~/vm.qmp\"" },
	{ "load_qemu_with_more_than_handover_is_refused", "guest a {\n\tsource qemu handover:1\n}\n",
			":2: expected " QEMU_RULE " for qemu, got \"handover:1\"" },
	{ "load_qemu_with_path_too_long_is_refused", "guest a {\n\tsource qemu " PATH_107 "a\n}\n",
			":2: expected a path of at most 107 bytes for a socket, got one of 108" },

	{ "load_head_without_output_is_refused", "guest a {\n\tsource qemu /a\n\thead 1\n}\n",
			":3: expected \"head N output NAME\", got 1 argument" },
	{ "load_head_with_block_is_refused",
			"guest a {\n\tsource qemu /a\n\thead 1 output A {\n\t\tx\n\t}\n}\n",
			":3: expected \"head N output NAME\", got a block in braces after it" },
	{ "load_head_with_another_word_is_refused", "guest a {\n\tsource qemu /a\n\thead 1 on A\n}\n",
			":3: expected \"head N output NAME\", got \"on\" before NAME" },
	{ "load_head_0_is_refused", "guest a {\n\tsource qemu /a\n\thead 0 output A\n}\n",
			":3: expected a head from 1 to 15, got \"0\"" },
	{ "load_head_16_is_refused", "guest a {\n\tsource qemu /a\n\thead 16 output A\n}\n",
			":3: expected a head from 1 to 15, got \"16\"" },
	{ "load_head_without_number_is_refused",
			"guest a {\n\tsource qemu /a\n\thead one output A\n}\n",
			":3: expected a head from 1 to 15, got \"one\"" },
	{ "load_head_with_wrong_output_is_refused",
			"guest a {\n\tsource qemu /a\n\thead 1 output a=b\n}\n",
			":3: expected " NAME_RULE " for an output, got \"a=b\"" },
	{ "load_head_of_another_source_is_refused",
			"guest a {\n\thead 1 output A\n\tsource synthetic\n}\n",
			":2: expected \"source qemu\" for \"head\", got \"source synthetic\"" },
	{ "load_head_without_source_is_refused", "guest a {\n\thead 1 output A\n}\n",
			":1: expected a source in guest \"a\", got none" },
	{ "load_head_twice_is_refused",
			"guest a {\n\tsource qemu /a\n\thead 1 output A\n\thead 01 output B\n}\n",
			":4: expected each guest once, got \"a:1\" again (first on line 3)" },
	{ "load_head_named_as_a_guest_before_is_refused",
			"guest a:1 {\n\tsource synthetic\n}\n"
			"guest a {\n\thead 1 output A\n\tsource qemu /a\n}\n",
			":5: expected each guest once, got \"a:1\" again (first on line 1)" },
	{ "load_guest_named_as_a_head_before_is_refused",
			"guest a {\n\thead 1 output A\n\tsource qemu /a\n}\n"
			"guest a:1 {\n\tsource synthetic\n}\n",
			":5: expected each guest once, got \"a:1\" again (first on line 2)" },
	{ "load_head_of_guest_with_long_name_is_refused",
			"guest " NAME_61 "n {\n\tsource qemu /a\n\thead 1 output A\n}\n",
			":3: expected " NAME_RULE " for a guest, got \"" NAME_61 "n:1\"" },

	{ "load_touch_without_value_is_refused", "guest a {\n\ttouch\n}\n",
			":2: expected \"touch yes|no\", got 0 arguments" },
	{ "load_touch_of_another_kind_is_refused", "guest a {\n\ttouch on\n}\n",
			":2: expected yes or no, got \"on\"" },
	{ "load_touch_twice_is_refused", "guest a {\n\ttouch no\n\ttouch yes\n}\n",
			":3: expected one \"touch\", got another (first on line 2)" },
	{ "load_touch_with_other_input_is_refused",
			"guest a {\n\ttouch yes\n\tsource synthetic\n\tinput uinput\n}\n",
			":2: expected \"input qemu\" for \"touch yes\", got \"input uinput\"" },
	{ "load_touch_without_input_is_refused",
			"guest a {\n\tsource qemu /a\n\tinput none\n\ttouch yes\n}\n",
			":4: expected \"input qemu\" for \"touch yes\", got \"input none\"" },
	{ "load_clipboard_without_value_is_refused", "guest a {\n\tclipboard\n}\n",
			":2: expected \"clipboard yes|no\", got 0 arguments" },
	{ "load_clipboard_of_another_kind_is_refused", "guest a {\n\tclipboard Yes\n}\n",
			":2: expected yes or no, got \"Yes\"" },
	{ "load_clipboard_without_qemu_is_refused",
			"guest a {\n\tclipboard yes\n\tsource synthetic\n\tinput uinput\n}\n",
			":2: expected \"source qemu\" or \"input qemu PATH\", and an input, for "
			"\"clipboard yes\", got \"source synthetic\" and \"input uinput\"" },
	{ "load_clipboard_without_input_is_refused",
			"guest a {\n\tsource qemu /a\n\tclipboard yes\n\tinput none\n}\n",
			":3: expected \"source qemu\" or \"input qemu PATH\", and an input, for "
			"\"clipboard yes\", got \"source qemu\" and \"input none\"" },
	{ "load_clipboard_of_handed_over_device_is_refused",
			"guest a {\n\tsource vfio handover\n\tclipboard yes\n}\n",
			":3: expected \"source qemu\" or \"input qemu PATH\", and an input, for "
			"\"clipboard yes\", got \"source vfio\" and \"input qemu\"" },

	/* bindings */
	{ "load_bind_without_arguments_is_refused", "bind\n",
			":1: expected \"bind KEYS ACTION [ARGUMENT...]\", got 0 arguments" },
	{ "load_bind_without_action_is_refused", "bind Super+q\n",
			":1: expected \"bind KEYS ACTION [ARGUMENT...]\", got 1 argument" },
	{ "load_unknown_key_is_refused", "bind Super+Quux quit\n",
			":1: expected the name of a key, got \"Quux\"" },
	{ "load_empty_key_is_refused", "bind \"\" quit\n",
			":1: expected the name of a key, got \"\"" },
	{ "load_plus_without_key_is_refused", "bind Super+ quit\n",
			":1: expected the name of a key, got \"\"" },
	{ "load_no_symbol_as_key_is_refused", "bind NoSymbol quit\n",
			":1: expected the name of a key, got \"NoSymbol\"" },
	{ "load_modifier_as_key_is_refused", "bind Ctrl+Super quit\n",
			":1: expected the name of a key, got \"Super\"" },
	{ "load_unknown_modifier_is_refused", "bind Hyper+a quit\n",
			":1: expected " MODIFIER_RULE ", got \"Hyper\"" },
	{ "load_empty_modifier_is_refused", "bind +a quit\n",
			":1: expected " MODIFIER_RULE ", got \"\"" },
	{ "load_two_keys_are_refused", "bind a+b quit\n",
			":1: expected " MODIFIER_RULE ", got \"a\"" },
	{ "load_modifier_twice_is_refused", "bind Super+Shift+Mod4+a quit\n",
			":1: expected each modifier once, got \"Mod4\" again" },
	{ "load_unknown_action_is_refused", "bind a explode\n",
			":1: expected quit, close, guest, exec or vt, got \"explode\"" },
	{ "load_quit_with_argument_is_refused", "bind a quit now\n",
			":1: expected \"bind KEYS quit\", got 3 arguments" },
	{ "load_close_with_argument_is_refused", "bind a close all\n",
			":1: expected \"bind KEYS close\", got 3 arguments" },
	{ "load_bind_guest_with_two_names_is_refused", "bind a guest b c\n",
			":1: expected \"bind KEYS guest [NAME]\", got 4 arguments" },
	{ "load_grab_without_keys_is_refused", "grab\n",
			":1: expected \"grab KEYS\", got 0 arguments" },
	{ "load_grab_with_two_keys_is_refused", "grab a b\n",
			":1: expected \"grab KEYS\", got 2 arguments" },
	{ "load_grab_with_block_is_refused", "grab a {\n\tb\n}\n",
			":1: expected \"grab KEYS\", got a block in braces after it" },
	{ "load_grab_of_unknown_key_is_refused", "grab Super+Quux\n",
			":1: expected the name of a key, got \"Quux\"" },
	{ "load_grab_twice_is_refused", "grab a\n\ngrab b\n",
			":3: expected one \"grab\", got another (first on line 1)" },
	{ "load_escape_without_keys_is_refused", "escape\n",
			":1: expected \"escape KEYS\", got 0 arguments" },
	{ "load_escape_with_two_keys_is_refused", "escape a b\n",
			":1: expected \"escape KEYS\", got 2 arguments" },
	{ "load_escape_with_block_is_refused", "escape a {\n\tb\n}\n",
			":1: expected \"escape KEYS\", got a block in braces after it" },
	{ "load_escape_of_unknown_modifier_is_refused", "escape Hyper+a\n",
			":1: expected " MODIFIER_RULE ", got \"Hyper\"" },
	{ "load_escape_twice_is_refused", "escape a\nescape b\n",
			":2: expected one \"escape\", got another (first on line 1)" },
	{ "load_bind_of_grab_names_the_later_line", "grab Super+a\n\nbind Mod4+A quit\n",
			":3: expected each key once, got that of \"grab\" again (first on line 1)" },
	{ "load_grab_of_bind_names_the_later_line", "bind Super+a quit\ngrab Super+a\n",
			":2: expected each key once, got that of \"grab\" again (first on line 1)" },
	{ "load_bind_of_escape_names_the_later_line", "escape F1\nbind F1 quit\n",
			":2: expected each key once, got that of \"escape\" again (first on line 1)" },
	{ "load_escape_of_grab_names_the_later_line", "grab F1\nescape F1\n",
			":2: expected each key once, got that of \"grab\" again (first on line 1)" },
	{ "load_grab_of_escape_names_the_later_line", "escape F1\ngrab F1\n",
			":2: expected each key once, got that of \"grab\" again (first on line 1)" },
	{ "load_bind_of_default_grab_is_refused", "\nbind Ctrl+Alt+g quit\n",
			":2: expected each key once, got the default one of \"grab\"" },
	{ "load_bind_of_default_escape_is_refused", "bind Ctrl+Alt+Escape quit\n",
			":1: expected each key once, got the default one of \"escape\"" },
	{ "load_grab_of_default_escape_is_refused", "grab Ctrl+Alt+Escape\n",
			":1: expected each key once, got the default one of \"escape\"" },
	{ "load_escape_of_default_grab_is_refused", "escape Ctrl+Alt+g\n",
			":1: expected each key once, got the default one of \"grab\"" },
	{ "load_grab_as_action_is_refused", "bind a grab\n",
			":1: expected quit, close, guest, exec or vt, got \"grab\"" },
	{ "load_bind_guest_that_is_missing_names_its_line",
			"bind b quit\nbind a guest b\nguest c {\n\tsource synthetic\n}\n",
			":2: expected a guest of this file, got \"b\"" },
	{ "load_bind_exec_without_command_is_refused", "bind a exec\n",
			":1: expected \"bind KEYS exec COMMAND...\", got 2 arguments" },
	{ "load_bind_exec_with_blank_command_is_refused", "bind a exec '' \" \"\n",
			":1: expected a command after \"exec\", got \"  \"" },
	{ "load_bind_vt_without_number_is_refused", "bind a vt\n",
			":1: expected \"bind KEYS vt NUMBER\", got 2 arguments" },
	{ "load_bind_vt_0_is_refused", "bind a vt 0\n",
			":1: expected a terminal's number from 1 to 63, got \"0\"" },
	{ "load_bind_vt_64_is_refused", "bind a vt 64\n",
			":1: expected a terminal's number from 1 to 63, got \"64\"" },
	{ "load_bind_vt_that_is_no_number_is_refused", "bind a vt one\n",
			":1: expected a terminal's number from 1 to 63, got \"one\"" },
	{ "load_bind_with_block_is_refused", "bind a quit {\n\tb\n}\n",
			":1: expected \"bind KEYS quit\", got a block in braces after it" },
	{ "load_key_twice_is_refused", "bind Super+Shift+e quit\n\nbind shift+mod4+E close\n",
			":3: expected each key once, got \"shift+mod4+E\" again (first on line 1)" },
};

static void load_wrong_file_gives_line_and_reason(void **state) {
	const struct load_case *c = *state;
	assert_load_fails(c->text, strlen(c->text), c->expected);
}

static void load_nul_byte_names_its_line(void **state) {
	(void)state;
	static const char text[] = "bind a quit\nbind b\0 quit\n";
	assert_load_fails(text, sizeof(text) - 1, ":2: expected text, got a NUL byte");
}

/* output A { x { x { … */
static char *nest(int depth) {
	char *text = calloc(1, (size_t)depth * 8 + 16);
	assert_non_null(text);
	strcpy(text, "output A {\n");
	for (int i = 1; i < depth; i++) {
		strcat(text, "x {\n");
	}
	for (int i = 0; i < depth; i++) {
		strcat(text, "}\n");
	}
	return text;
}

static void load_nested_deeper_than_64_is_refused(void **state) {
	(void)state;
	char *text = nest(63);
	assert_load_fails(text, strlen(text), ":2: expected mode, position, scale or off, got \"x\"");
	free(text);
	text = nest(64);
	assert_load_fails(text, strlen(text), ":2: expected mode, position, scale or off, got \"x\"");
	free(text);
	text = nest(65);
	assert_load_fails(text, strlen(text),
			":65: expected at most 64 \"{\" before their \"}\", got more");
	free(text);
}

static void load_file_beyond_limit_is_refused(void **state) {
	(void)state;
	size_t max = ORIEL_CONFIG_FILE_MAX_BYTES;
	char *text = malloc(max + 1);
	assert_non_null(text);
	memset(text, '\n', max + 1);

	oriel_config_destroy(load_bytes(text, max - 1));
	oriel_config_destroy(load_bytes(text, max));
	assert_load_fails(text, max + 1, ": expected at most 1048576 bytes, got more");
	/* The last byte that is allowed may be one that wants a newline put after it. */
	text[max - 1] = '#';
	oriel_config_destroy(load_bytes(text, max));
	free(text);
}

static void load_missing_file_is_refused(void **state) {
	(void)state;
	char *error = NULL;
	assert_null(oriel_config_load("/nonexistent/oriel", &error));
	assert_string_equal(error,
			"/nonexistent/oriel: expected a readable file, got \"No such file or directory\"");
	free(error);
}

static void load_folder_is_refused(void **state) {
	(void)state;
	char *error = NULL;
	int fds = count_fds();
	assert_null(oriel_config_load("/proc", &error));
	assert_string_equal(error, "/proc: expected a readable file, got \"Is a directory\"");
	free(error);
	assert_int_equal(count_fds(), fds);
}

/* Runs while the process's stderr is a file, and says how much was written to it. */
static off_t load_with_stderr(const char *text, const char *expected) {
	int stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int file_fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(stderr_fd >= 0 && file_fd >= 0);
	assert_true(dup2(file_fd, STDERR_FILENO) >= 0);

	char path[64];
	char *error = NULL;
	int fd = file_create(text, strlen(text), path);
	struct oriel_config *config = oriel_config_load(path, &error);
	close(fd);
	/* What the caller prints after it must come through. */
	fputs("x", stderr);
	off_t size = lseek(file_fd, 0, SEEK_END);

	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	close(stderr_fd);
	close(file_fd);
	assert_null(config);
	assert_string_equal(error + strlen(path), expected);
	free(error);
	return size - 1;
}

static void load_syntax_error_prints_nothing(void **state) {
	(void)state;
	int fds = count_fds();
	assert_int_equal(load_with_stderr("guest 'a\n",
					 ":1: expected a closing quote, got the end of the line"),
			0);
	assert_int_equal(load_with_stderr("guest {\n", ":1: expected \"}\", got the end of the file"),
			0);
	assert_int_equal(count_fds(), fds);
}

static void load_with_stderr_closed_still_reports(void **state) {
	(void)state;
	int stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(stderr_fd >= 0);
	char path[64];
	char *error = NULL;
	int fd = file_create("}", 1, path);
	close(STDERR_FILENO);
	struct oriel_config *config = oriel_config_load(path, &error);
	bool closed = fcntl(STDERR_FILENO, F_GETFD) < 0;
	assert_true(dup2(stderr_fd, STDERR_FILENO) >= 0);
	close(stderr_fd);
	close(fd);

	assert_true(closed);
	assert_null(config);
	assert_string_equal(error + strlen(path),
			":1: expected output, guest, bind, grab or escape, got \"}\"");
	free(error);
}

static void load_read_in_pieces_gets_all(void **state) {
	(void)state;
	slow_read.armed = true;
	slow_read.calls = 0;
	struct oriel_config *config = load("output HEADLESS-1 {\n\tmode 640x480\n}\n");
	slow_read.armed = false;
	assert_true(slow_read.calls > 10);
	assert_string_equal(get_output(config, 0)->name, "HEADLESS-1");
	assert_int_equal(get_output(config, 0)->width, 640);
	oriel_config_destroy(config);
}

/*
 * Files that are right.
 */

static void load_empty_file_has_nothing(void **state) {
	(void)state;
	static const char *const texts[] = { "", "\n", "# nothing", " \t\n#x\n" };
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		struct oriel_config *config = load(texts[i]);
		assert_true(wl_list_empty(&config->outputs));
		assert_true(wl_list_empty(&config->guests));
		assert_true(wl_list_empty(&config->bindings));
		assert_false(config->has_default_bindings);
		oriel_config_destroy(config);
	}
}

static void load_outputs_keeps_order_and_values(void **state) {
	(void)state;
	struct oriel_config *config = load("output HEADLESS-1 {\n"
					   "\tmode 1920x1080@59.94\n"
					   "\tposition -100 32767\n"
					   "\tscale 1.5\n"
					   "}\n"
					   "output " NAME_63 "\n"
					   "output \"DP\\-2\" {\n"
					   "\toff\n"
					   "}\n");
	assert_int_equal(wl_list_length(&config->outputs), 3);

	struct oriel_config_output *output = get_output(config, 0);
	assert_string_equal(output->name, "HEADLESS-1");
	assert_int_equal(output->line, 1);
	assert_true(output->has_mode);
	assert_int_equal(output->width, 1920);
	assert_int_equal(output->height, 1080);
	assert_int_equal(output->refresh_mhz, 59940);
	assert_true(output->has_position);
	assert_int_equal(output->lx, -100);
	assert_int_equal(output->ly, 32767);
	assert_true(output->scale == 1.5);
	assert_false(output->off);

	output = get_output(config, 1);
	assert_string_equal(output->name, NAME_63);
	assert_int_equal(output->line, 6);
	assert_false(output->has_mode);
	assert_false(output->has_position);
	assert_true(output->scale == 0);
	assert_false(output->off);

	output = get_output(config, 2);
	assert_string_equal(output->name, "DP-2");
	assert_true(output->off);
	oriel_config_destroy(config);
}

static void load_guests_keeps_order_and_values(void **state) {
	(void)state;
	struct oriel_config *config = load("guest win {\n"
					   "\toutput DP-1\n"
					   "\tsource vfio 83b8f4f2-509f-382f-3C1E-e6bfe0fa1001\n"
					   "}\n"
					   "guest a {\n\tsource synthetic\n}\n"
					   "guest b {\n\tsource synthetic 16384x1\n}\n"
					   "guest c {\n\tsource vfio /dev/vfio/devices/vfio0\n}\n"
					   "guest d {\n\tsource vfio fd:2147483647\n}\n"
					   "guest e {\n\tsource vfio fd:0\n}\n"
					   "guest f {\n\tsource other anything\n}\n");
	static const struct {
		const char *name, *driver, *where, *output;
		int line;
	} expected[] = {
		{ "win", "vfio", "83b8f4f2-509f-382f-3C1E-e6bfe0fa1001", "DP-1", 1 },
		{ "a", "synthetic", NULL, NULL, 5 },
		{ "b", "synthetic", "16384x1", NULL, 8 },
		{ "c", "vfio", "/dev/vfio/devices/vfio0", NULL, 11 },
		{ "d", "vfio", "fd:2147483647", NULL, 14 },
		{ "e", "vfio", "fd:0", NULL, 17 },
		{ "f", "other", "anything", NULL, 20 },
	};
	assert_int_equal(wl_list_length(&config->guests), ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		struct oriel_config_guest *guest = get_guest(config, (int)i);
		assert_string_equal(guest->name, expected[i].name);
		assert_string_equal(guest->driver, expected[i].driver);
		assert_int_equal(guest->line, expected[i].line);
		if (expected[i].where != NULL) {
			assert_string_equal(guest->where, expected[i].where);
		} else {
			assert_null(guest->where);
		}
		if (expected[i].output != NULL) {
			assert_string_equal(guest->output, expected[i].output);
		} else {
			assert_null(guest->output);
		}
	}
	oriel_config_destroy(config);
}

/* blocks of an EDID: a header, a count of the blocks after it, and their checksums. */
static void edid_make(uint8_t *edid, size_t blocks) {
	static const uint8_t header[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
	for (size_t i = 0; i < blocks * 128; i++) {
		edid[i] = (uint8_t)(i * 7);
	}
	memcpy(edid, header, sizeof(header));
	edid[126] = (uint8_t)(blocks - 1);
	for (size_t block = 0; block < blocks; block++) {
		uint8_t sum = 0;
		for (size_t i = 0; i < 127; i++) {
			sum = (uint8_t)(sum + edid[block * 128 + i]);
		}
		edid[block * 128 + 127] = (uint8_t)(256 - sum);
	}
}

/* The text of a guest that has the EDID in this file. */
static const char *edid_guest(const char *path) {
	static char text[256];
	snprintf(text, sizeof(text), "guest a {\n\tsource synthetic\n\tedid file %s\n}\n", path);
	return text;
}

static void load_edid_keeps_values(void **state) {
	(void)state;
	static const struct {
		const char *value;
		enum oriel_source_edid edid;
		int width, height, refresh_mhz;
	} cases[] = {
		{ "follow", ORIEL_SOURCE_EDID_FOLLOW, 0, 0, 0 },
		{ "none", ORIEL_SOURCE_EDID_NONE, 0, 0, 0 },
		{ "64x16384", ORIEL_SOURCE_EDID_MODE, 64, 16384, 0 },
		{ "16384x64@1", ORIEL_SOURCE_EDID_MODE, 16384, 64, 1000 },
		{ "1920x1080@59.94", ORIEL_SOURCE_EDID_MODE, 1920, 1080, 59940 },
		{ "1920x1080@500", ORIEL_SOURCE_EDID_MODE, 1920, 1080, 500000 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char text[128];
		snprintf(text, sizeof(text), "guest a {\n\tsource synthetic\n\tedid %s\n}\n",
				cases[i].value);
		struct oriel_config *config = load(text);
		const struct oriel_source_options *options = &get_guest(config, 0)->options;
		assert_int_equal(options->edid, cases[i].edid);
		assert_int_equal(options->edid_width, cases[i].width);
		assert_int_equal(options->edid_height, cases[i].height);
		assert_int_equal(options->edid_refresh_mhz, cases[i].refresh_mhz);
		assert_null(options->edid_blob);
		oriel_config_destroy(config);
	}
	struct oriel_config *config = load("guest a {\n\tsource synthetic\n}\n");
	assert_int_equal(get_guest(config, 0)->options.edid, ORIEL_SOURCE_EDID_FOLLOW);
	oriel_config_destroy(config);
}

static void load_edid_file_has_all_of_its_blocks(void **state) {
	(void)state;
	static uint8_t edid[256 * 128];
	static const size_t blocks[] = { 1, 2, 255, 256 };
	for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
		char path[64];
		edid_make(edid, blocks[i]);
		int fd = file_create((const char *)edid, blocks[i] * 128, path);
		slow_read.armed = i == 1;
		struct oriel_config *config = load(edid_guest(path));
		slow_read.armed = false;
		close(fd);
		const struct oriel_source_options *options = &get_guest(config, 0)->options;
		assert_int_equal(options->edid, ORIEL_SOURCE_EDID_BLOB);
		assert_int_equal(options->edid_blob_size_bytes, blocks[i] * 128);
		assert_memory_equal(options->edid_blob, edid, blocks[i] * 128);
		oriel_config_destroy(config);
	}
}

static void load_edid_file_that_is_none_gives_line_and_reason(void **state) {
	(void)state;
	static uint8_t edid[256 * 128 + 1];
	static const struct {
		size_t blocks, size;
		size_t wrong; /* this byte; 0: none */
		const char *expected; /* around the path */
		const char *expected_after;
	} cases[] = {
		{ 1, 0, 0, ":3: expected an EDID of 1 to 256 blocks of 128 bytes, got \"",
				"\", which has 0 bytes" },
		{ 1, 127, 0, ":3: expected an EDID of 1 to 256 blocks of 128 bytes, got \"",
				"\", which has 127 bytes" },
		{ 1, 129, 0, ":3: expected an EDID of 1 to 256 blocks of 128 bytes, got \"",
				"\", which has 129 bytes" },
		{ 256, 256 * 128 + 1, 0,
				":3: expected an EDID of 1 to 256 blocks of 128 bytes, got \"",
				"\", which has more than 32768 bytes" },
		{ 1, 128, 7, ":3: expected an EDID, got \"", "\", which does not begin like one" },
		{ 1, 256, 0, ":3: expected an EDID of 1 blocks, as its first one says, got \"",
				"\", which has 2" },
		{ 3, 128, 0, ":3: expected an EDID of 3 blocks, as its first one says, got \"",
				"\", which has 1" },
		{ 2, 256, 9, ":3: expected an EDID, got \"", "\" with a wrong checksum in block 0" },
		{ 2, 256, 255, ":3: expected an EDID, got \"", "\" with a wrong checksum in block 1" },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char path[64], expected[256];
		edid_make(edid, cases[i].blocks);
		edid[cases[i].wrong] ^= cases[i].wrong != 0;
		int fd = file_create((const char *)edid, cases[i].size, path);
		snprintf(expected, sizeof(expected), "%s%s%s", cases[i].expected, path,
				cases[i].expected_after);
		const char *text = edid_guest(path);
		assert_load_fails(text, strlen(text), expected);
		close(fd);
	}
}

/* Nobody writes to it. */
static void load_edid_file_that_is_a_pipe_is_refused_at_once(void **state) {
	(void)state;
	char folder[] = "/tmp/oriel-config-XXXXXX", path[64], expected[128];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(expected, sizeof(expected), ":3: expected an EDID, got \"%s\", which is no file",
			path);
	const char *text = edid_guest(path);
	assert_load_fails(text, strlen(text), expected);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void load_bindings_keeps_order_and_values(void **state) {
	(void)state;
	struct oriel_config *config = load("bind Super+1 guest win\n"
					   "guest win {\n\tsource synthetic\n}\n"
					   "bind Shift+Super+E quit\n"
					   "bind super+q close\n"
					   "bind control+mod1+return exec foot -e \"a b\"\n"
					   "bind Caps+Mod2+Mod3+Mod5+Prior vt 1\n"
					   "bind F12 vt 63\n"
					   "bind Ctrl+q close\n"
					   "bind Logo+Ctrl+Alt+Shift+plus exec 'x\ty'\n"
					   "bind Alt+Adiaeresis close\n"
					   "bind XF86AudioMute exec mute\n"
					   "bind Super+g guest\n");
	static const struct {
		uint32_t modifiers;
		xkb_keysym_t keysym;
		enum oriel_action action;
		const char *argument;
		int line;
	} expected[] = {
		{ WLR_MODIFIER_LOGO, XKB_KEY_1, ORIEL_ACTION_GUEST, "win", 1 },
		{ WLR_MODIFIER_LOGO | WLR_MODIFIER_SHIFT, XKB_KEY_e, ORIEL_ACTION_QUIT, NULL, 5 },
		{ WLR_MODIFIER_LOGO, XKB_KEY_q, ORIEL_ACTION_CLOSE, NULL, 6 },
		{ WLR_MODIFIER_CTRL | WLR_MODIFIER_ALT, XKB_KEY_Return, ORIEL_ACTION_EXEC,
				"foot -e a b", 7 },
		{ WLR_MODIFIER_CAPS | WLR_MODIFIER_MOD2 | WLR_MODIFIER_MOD3 | WLR_MODIFIER_MOD5,
				XKB_KEY_Prior, ORIEL_ACTION_VT, "1", 8 },
		{ 0, XKB_KEY_F12, ORIEL_ACTION_VT, "63", 9 },
		{ WLR_MODIFIER_CTRL, XKB_KEY_q, ORIEL_ACTION_CLOSE, NULL, 10 },
		{ WLR_MODIFIER_LOGO | WLR_MODIFIER_CTRL | WLR_MODIFIER_ALT | WLR_MODIFIER_SHIFT,
				XKB_KEY_plus, ORIEL_ACTION_EXEC, "x\ty", 11 },
		{ WLR_MODIFIER_ALT, XKB_KEY_adiaeresis, ORIEL_ACTION_CLOSE, NULL, 12 },
		{ 0, XKB_KEY_XF86AudioMute, ORIEL_ACTION_EXEC, "mute", 13 },
		{ WLR_MODIFIER_LOGO, XKB_KEY_g, ORIEL_ACTION_GUEST, NULL, 14 },
	};
	assert_int_equal(wl_list_length(&config->bindings), ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		struct oriel_config_binding *binding = get_binding(config, (int)i);
		assert_int_equal(binding->modifiers, expected[i].modifiers);
		assert_int_equal(binding->keysym, expected[i].keysym);
		assert_int_equal(binding->action, expected[i].action);
		assert_int_equal(binding->line, expected[i].line);
		if (expected[i].argument != NULL) {
			assert_string_equal(binding->argument, expected[i].argument);
		} else {
			assert_null(binding->argument);
		}
	}
	oriel_config_destroy(config);
}

static struct oriel_config_binding *get_chord(struct oriel_config *config, enum oriel_action action) {
	struct oriel_config_binding *chord;
	wl_list_for_each(chord, &config->chords, link) {
		if (chord->action == action) {
			return chord;
		}
	}
	fail_msg("no such chord");
	return NULL;
}

static void assert_chord(struct oriel_config *config, enum oriel_action action, uint32_t modifiers,
		xkb_keysym_t keysym, int line) {
	assert_int_equal(wl_list_length(&config->chords), 2);
	const struct oriel_config_binding *chord = get_chord(config, action);
	assert_int_equal(chord->modifiers, modifiers);
	assert_int_equal(chord->keysym, keysym);
	assert_int_equal(chord->line, line);
	assert_null(chord->argument);
}

static void load_chords_keeps_what_the_file_says_and_defaults(void **state) {
	(void)state;
	const uint32_t ctrl_alt = WLR_MODIFIER_CTRL | WLR_MODIFIER_ALT;
	struct oriel_config *config = oriel_config_create();
	assert_non_null(config);
	assert_chord(config, ORIEL_ACTION_GRAB, ctrl_alt, XKB_KEY_g, 0);
	assert_chord(config, ORIEL_ACTION_ESCAPE, ctrl_alt, XKB_KEY_Escape, 0);
	oriel_config_destroy(config);

	config = load("bind a quit\ngrab Super+G\n");
	assert_chord(config, ORIEL_ACTION_GRAB, WLR_MODIFIER_LOGO, XKB_KEY_g, 2);
	assert_chord(config, ORIEL_ACTION_ESCAPE, ctrl_alt, XKB_KEY_Escape, 0);
	oriel_config_destroy(config);

	/* Each may take the other's default, if that one has keys of its own. */
	config = load("grab Ctrl+Alt+Escape\nescape Ctrl+Alt+g\n");
	assert_chord(config, ORIEL_ACTION_GRAB, ctrl_alt, XKB_KEY_Escape, 1);
	assert_chord(config, ORIEL_ACTION_ESCAPE, ctrl_alt, XKB_KEY_g, 2);
	oriel_config_destroy(config);

	config = load("bind Ctrl+Alt+g quit\ngrab Scroll_Lock\n");
	assert_chord(config, ORIEL_ACTION_GRAB, 0, XKB_KEY_Scroll_Lock, 2);
	oriel_config_destroy(config);
}

static void assert_text(const char *text, const char *expected) {
	assert_int_equal(text != NULL, expected != NULL);
	if (expected != NULL) {
		assert_string_equal(text, expected);
	}
}

static void load_input_of_guests(void **state) {
	(void)state;
	struct oriel_config *config = load(
			"guest a {\n\tsource synthetic\n\tinput uinput\n}\n"
			"guest b/c {\n\tsource synthetic\n\tinput none\n}\n"
			"guest d {\n\tsource synthetic\n}\n"
			"guest e {\n\tsource qemu /a\n}\n"
			"guest f {\n\tinput qemu\n\tsource qemu handover\n}\n"
			"guest g {\n\tsource qemu /b\n\tinput none\n}\n"
			"guest h {\n\tsource qemu /c\n\tinput uinput\n}\n"
			"guest i {\n\tinput qemu " PATH_107 "\n\tsource vfio handover\n}\n"
			"guest j {\n\tsource vfio handover\n}\n"
			"guest k {\n\tsource vfio handover\n\tinput qemu\n}\n"
			"guest l {\n\tsource vfio handover\n\tinput none\n}\n"
			"guest m {\n\tsource vfio handover\n\tinput uinput\n}\n"
			"guest n {\n\tsource vfio fd:9\n}\n");
	static const struct {
		const char *input, *where;
	} expected[] = {
		{ "uinput", NULL },
		{ NULL, NULL },
		{ NULL, NULL },
		{ "qemu", "/a" },
		{ "qemu", "handover" },
		{ NULL, NULL },
		{ "uinput", NULL },
		{ "qemu", PATH_107 },
		{ "qemu", "handover" },
		{ "qemu", "handover" },
		{ NULL, NULL },
		{ "uinput", NULL },
		{ NULL, NULL },
	};
	assert_int_equal(wl_list_length(&config->guests), ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		const struct oriel_config_guest *guest = get_guest(config, (int)i);
		assert_text(guest->input, expected[i].input);
		assert_text(guest->input_options.where, expected[i].where);
		assert_false(guest->input_options.has_touch);
		assert_false(guest->has_clipboard);
	}
	oriel_config_destroy(config);

	inputs_are_missing = true;
	static const char text[] = "guest a {\n\tsource synthetic\n\tinput uinput\n}\n";
	assert_load_fails(text, sizeof(text) - 1,
			":3: expected an input that is built in, or none, got \"uinput\"");
	/* What a device is handed over with is no use then, but the device is. */
	config = load("guest a {\n\tsource vfio handover\n}\n");
	assert_null(get_guest(config, 0)->input);
	oriel_config_destroy(config);
	inputs_are_missing = false;
}

static void load_touch_and_clipboard_of_guests(void **state) {
	(void)state;
	struct oriel_config *config = load(
			"guest a {\n\ttouch yes\n\tclipboard yes\n\tsource qemu /a\n}\n"
			"guest b {\n\tsource qemu /b\n\ttouch no\n\tclipboard no\n}\n"
			"guest c {\n\tsource qemu /c\n\tinput uinput\n\tclipboard yes\n}\n"
			"guest d {\n\tsource synthetic\n\tinput qemu /d\n\ttouch yes\n"
			"\tclipboard yes\n}\n"
			"guest e {\n\tsource synthetic\n\ttouch no\n\tclipboard no\n}\n");
	static const struct {
		bool has_touch, has_clipboard;
	} expected[] = { { true, true }, { false, false }, { false, true }, { true, true },
		{ false, false } };
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		assert_int_equal(get_guest(config, (int)i)->input_options.has_touch,
				expected[i].has_touch);
		assert_int_equal(get_guest(config, (int)i)->has_clipboard, expected[i].has_clipboard);
	}
	oriel_config_destroy(config);
}

static void load_heads_are_guests_behind_their_first(void **state) {
	(void)state;
	struct oriel_config *config = load("bind a guest win:15\n"
					   "guest win {\n"
					   "\thead 15 output DP-3\n"
					   "\ttouch yes\n"
					   "\toutput DP-1\n"
					   "\tedid 800x600\n"
					   "\tclipboard yes\n"
					   "\tsource qemu /run/win.qmp\n"
					   "\thead 1 output DP-2\n"
					   "}\n"
					   "guest " NAME_61 " {\n\tsource qemu handover\n\tinput none\n"
					   "\thead 1 output DP-9\n}\n");
	static const struct {
		const char *name, *where, *output, *machine, *input;
		unsigned head;
		int line;
		bool has_touch, has_clipboard;
	} expected[] = {
		{ "win", "/run/win.qmp", "DP-1", NULL, "qemu", 0, 2, true, true },
		{ "win:15", "/run/win.qmp", "DP-3", "win", "qemu", 15, 3, true, true },
		{ "win:1", "/run/win.qmp", "DP-2", "win", "qemu", 1, 9, true, true },
		{ NAME_61, "handover", NULL, NULL, NULL, 0, 11, false, false },
		{ NAME_61 ":1", "handover", "DP-9", NAME_61, NULL, 1, 14, false, false },
	};
	assert_int_equal(wl_list_length(&config->guests), ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		const struct oriel_config_guest *guest = get_guest(config, (int)i);
		assert_string_equal(guest->name, expected[i].name);
		assert_string_equal(guest->driver, "qemu");
		assert_string_equal(guest->where, expected[i].where);
		assert_text(guest->output, expected[i].output);
		assert_text(guest->options.machine_name, expected[i].machine);
		assert_text(guest->input_options.machine_name, expected[i].machine);
		assert_int_equal(guest->options.head, expected[i].head);
		assert_int_equal(guest->input_options.head, expected[i].head);
		assert_text(guest->input, expected[i].input);
		assert_text(guest->input_options.where, expected[i].input ? expected[i].where : NULL);
		assert_int_equal(guest->line, expected[i].line);
		assert_int_equal(guest->input_options.has_touch, expected[i].has_touch);
		assert_int_equal(guest->has_clipboard, expected[i].has_clipboard);
	}
	assert_int_equal(get_guest(config, 2)->options.edid, ORIEL_SOURCE_EDID_MODE);
	assert_int_equal(get_guest(config, 2)->options.edid_width, 800);
	oriel_config_destroy(config);
}

/* QEMU has sizes, and no EDIDs. */
static void load_edid_file_of_qemu_is_refused(void **state) {
	(void)state;
	uint8_t edid[128];
	char path[64], text[160];
	edid_make(edid, 1);
	int fd = file_create((const char *)edid, sizeof(edid), path);
	snprintf(text, sizeof(text), "guest a {\n\tedid file %s\n\tsource qemu /a\n}\n", path);
	assert_load_fails(text, strlen(text),
			":2: expected follow, none or WIDTHxHEIGHT for \"edid\" with \"source qemu\", "
			"got \"file\"");
	close(fd);
}

static void load_example_is_right(void **state) {
	(void)state;
	char *error = NULL;
	struct oriel_config *config = oriel_config_load(ORIEL_EXAMPLES_DIR "/oriel.conf", &error);
	if (config == NULL) {
		fail_msg("%s", error);
	}
	assert_int_equal(wl_list_length(&config->outputs), 2);
	assert_int_equal(wl_list_length(&config->guests), 5);
	assert_int_equal(wl_list_length(&config->bindings), 9);
	oriel_config_destroy(config);
}

/*
 * Values at their bounds.
 */

static void parse_mode_bounds(void **state) {
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		int width, height, refresh_mhz;
	} cases[] = {
		{ "1x1", true, 1, 1, 0 },
		{ "16383x16384", true, 16383, 16384, 0 },
		{ "16384x16383@1", true, 16384, 16383, 1000 },
		{ "16385x1", false, 0, 0, 0 },
		{ "1x16385", false, 0, 0, 0 },
		{ "0x1", false, 0, 0, 0 },
		{ "1x0", false, 0, 0, 0 },
		{ "-1x1", false, 0, 0, 0 },
		{ "1x-1", false, 0, 0, 0 },
		{ "+1x1", false, 0, 0, 0 },
		{ " 1x1", false, 0, 0, 0 },
		{ "1x1 ", false, 0, 0, 0 },
		{ "99999999999999999999x1", false, 0, 0, 0 },
		{ "2147483648x1", false, 0, 0, 0 },
		{ "", false, 0, 0, 0 },
		{ "x", false, 0, 0, 0 },
		{ "1", false, 0, 0, 0 },
		{ "1x", false, 0, 0, 0 },
		{ "x1", false, 0, 0, 0 },
		{ "1X1", false, 0, 0, 0 },
		{ "0x10x10", false, 0, 0, 0 },
		{ "1x1x1", false, 0, 0, 0 },
		{ "1x1@", false, 0, 0, 0 },
		{ "1x1@0", false, 0, 0, 0 },
		{ "1x1@0.000", false, 0, 0, 0 },
		{ "1x1@0.001", true, 1, 1, 1 },
		{ "1x1@60", true, 1, 1, 60000 },
		{ "1x1@59.9", true, 1, 1, 59900 },
		{ "1x1@59.94", true, 1, 1, 59940 },
		{ "1x1@59.941", true, 1, 1, 59941 },
		{ "1x1@59.9410", false, 0, 0, 0 },
		{ "1x1@59.", false, 0, 0, 0 },
		{ "1x1@.5", false, 0, 0, 0 },
		{ "1x1@5,5", false, 0, 0, 0 },
		{ "1x1@-60", false, 0, 0, 0 },
		{ "1x1@60Hz", false, 0, 0, 0 },
		{ "1x1@6e1", false, 0, 0, 0 },
		{ "1x1@999.999", true, 1, 1, 999999 },
		{ "1x1@1000", true, 1, 1, 1000000 },
		{ "1x1@1000.000", true, 1, 1, 1000000 },
		{ "1x1@1000.001", false, 0, 0, 0 },
		{ "1x1@1001", false, 0, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int width = -5, height = -5, refresh_mhz = -5;
		bool ok = oriel_config_value_parse_mode(cases[i].text, &width, &height, &refresh_mhz);
		if (ok != cases[i].ok) {
			fail_msg("\"%s\" gave %d", cases[i].text, ok);
		}
		assert_int_equal(width, ok ? cases[i].width : -5);
		assert_int_equal(height, ok ? cases[i].height : -5);
		assert_int_equal(refresh_mhz, ok ? cases[i].refresh_mhz : -5);
	}
}

static void parse_number_bounds(void **state) {
	(void)state;
	static const struct {
		const char *text;
		int max;
		int expected; /* -1: refused */
	} cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, -1 },
		{ "7", 8, 7 },
		{ "8", 8, 8 },
		{ "9", 8, -1 },
		{ "9", 10, 9 },
		{ "10", 10, 10 },
		{ "11", 10, -1 },
		{ "100", 10, -1 },
		{ "62", 63, 62 },
		{ "63", 63, 63 },
		{ "64", 63, -1 },
		{ "007", 8, 7 },
		{ "2147483646", INT_MAX, 2147483646 },
		{ "2147483647", INT_MAX, INT_MAX },
		{ "2147483648", INT_MAX, -1 },
		{ "4294967296", INT_MAX, -1 },
		{ "", 8, -1 },
		{ "-0", 8, -1 },
		{ "+1", 8, -1 },
		{ "1 ", 8, -1 },
		{ "0x1", 8, -1 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int number = -1;
		bool ok = oriel_config_value_parse_number(cases[i].text, cases[i].max, &number);
		if (ok != (cases[i].expected >= 0) || number != cases[i].expected) {
			fail_msg("\"%s\" of %d gave %d %d", cases[i].text, cases[i].max, ok, number);
		}
	}
}

static void parse_coordinate_bounds(void **state) {
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		int expected;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "32766", true, 32766 },
		{ "32767", true, 32767 },
		{ "32768", false, 0 },
		{ "-32766", true, -32766 },
		{ "-32767", true, -32767 },
		{ "-32768", false, 0 },
		{ "-", false, 0 },
		{ "--1", false, 0 },
		{ "+1", false, 0 },
		{ "1.0", false, 0 },
		{ "", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int coordinate = 99999;
		bool ok = oriel_config_value_parse_coordinate(cases[i].text, &coordinate);
		if (ok != cases[i].ok || coordinate != (ok ? cases[i].expected : 99999)) {
			fail_msg("\"%s\" gave %d %d", cases[i].text, ok, coordinate);
		}
	}
}

static void parse_scale_bounds(void **state) {
	(void)state;
	static const struct {
		const char *text;
		double expected; /* 0: refused */
	} cases[] = {
		{ "0.249", 0 },
		{ "0.25", 0.25 },
		{ "0.250", 0.25 },
		{ "0.251", 0.251 },
		{ "1", 1.0 },
		{ "1.5", 1.5 },
		{ "1.333", 1.333 },
		{ "1.3333", 0 },
		{ "7.999", 7.999 },
		{ "8", 8.0 },
		{ "8.000", 8.0 },
		{ "8.001", 0 },
		{ "9", 0 },
		{ "0", 0 },
		{ "-1", 0 },
		{ "nan", 0 },
		{ "inf", 0 },
		{ "1x", 0 },
		{ "1.", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		double scale = 0;
		bool ok = oriel_config_value_parse_scale(cases[i].text, &scale);
		if (ok != (cases[i].expected > 0) || scale != cases[i].expected) {
			fail_msg("\"%s\" gave %d %g", cases[i].text, ok, scale);
		}
	}
}

static void check_uuid_shape(void **state) {
	(void)state;
	assert_true(oriel_config_value_is_uuid("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"));
	assert_true(oriel_config_value_is_uuid("ABCDEF01-2345-6789-abcd-ef0123456789"));
	assert_false(oriel_config_value_is_uuid("83b8f4f2-509f-382f-3c1e-e6bfe0fa100"));
	assert_false(oriel_config_value_is_uuid("83b8f4f2-509f-382f-3c1e-e6bfe0fa10011"));
	assert_false(oriel_config_value_is_uuid("83b8f4f2-509f-382f-3c1e-e6bfe0fa100g"));
	assert_false(oriel_config_value_is_uuid("83b8f4f25-09f-382f-3c1e-e6bfe0fa1001"));
	assert_false(oriel_config_value_is_uuid("83b8f4f2-509f-382f-3c1e+e6bfe0fa1001"));
	assert_false(oriel_config_value_is_uuid(""));
}

static void check_name_bounds(void **state) {
	(void)state;
	assert_false(oriel_config_value_is_name(""));
	assert_true(oriel_config_value_is_name("a"));
	assert_true(oriel_config_value_is_name(&NAME_63[1]));
	assert_true(oriel_config_value_is_name(NAME_63));
	assert_false(oriel_config_value_is_name(NAME_63 "n"));
	assert_true(oriel_config_value_is_name("b\xc3\xbcro:1/x"));
	static const char *const refused[] = { "a b", "a=b", "a,b", "a\tb", "a\nb", "a\x7f" };
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		assert_false(oriel_config_value_is_name(refused[i]));
	}
}

/*
 * --guest
 */

struct spec_case {
	const char *name;
	const char *spec;
	const char *expected;
};

static const struct spec_case spec_cases[] = {
	{ "add_guest_without_equals_is_refused", "synthetic",
			"expected NAME=SOURCE[,output=NAME], got no \"=\"" },
	{ "add_guest_empty_is_refused", "", "expected NAME=SOURCE[,output=NAME], got no \"=\"" },
	{ "add_guest_without_name_is_refused", "=synthetic",
			"expected " NAME_RULE " for a guest, got \"\"" },
	{ "add_guest_without_source_is_refused", "a=",
			"expected a source that is built in, such as qemu, vfio or synthetic, got \"\"" },
	{ "add_guest_with_unknown_driver_is_refused", "a=vga:/dev/x",
			"expected a source that is built in, such as qemu, vfio or synthetic, got \"vga\"" },
	{ "add_guest_with_empty_size_is_refused", "a=synthetic:",
			"expected WIDTHxHEIGHT with sizes from 1 to 16384 for synthetic, got \"\"" },
	{ "add_guest_too_high_is_refused", "a=synthetic:16384x16385",
			"expected WIDTHxHEIGHT with sizes from 1 to 16384 for synthetic, got "
			"\"16384x16385\"" },
	{ "add_guest_without_device_is_refused", "a=vfio", "expected " VFIO_RULE ", got nothing" },
	{ "add_guest_with_empty_device_is_refused", "a=vfio:", "expected " VFIO_RULE ", got \"\"" },
	{ "add_guest_with_fd_that_is_no_number_is_refused", "a=vfio:fd:x",
			"expected \"fd:\" and a file's number, got \"fd:x\"" },
	{ "add_guest_without_machine_is_refused", "a=qemu",
			"expected " QEMU_RULE " for qemu, got nothing" },
	{ "add_guest_with_relative_machine_is_refused", "a=qemu:vm.qmp",
			"expected " QEMU_RULE " for qemu, got \"vm.qmp\"" },
	{ "add_guest_with_unknown_option_is_refused", "a=synthetic,size=1x1",
			"expected output=NAME after the source, got \"size=1x1\"" },
	{ "add_guest_with_empty_option_is_refused", "a=synthetic,",
			"expected output=NAME after the source, got \"\"" },
	{ "add_guest_with_output_without_name_is_refused",
			"a=synthetic,output=", "expected " NAME_RULE " for an output, got \"\"" },
	{ "add_guest_with_two_outputs_is_refused", "a=synthetic,output=A,output=B",
			"expected one output, got \"B\" as well" },
	{ "add_guest_twice_is_refused", "there=synthetic",
			"expected each guest once, got \"there\" again" },
};

static void add_guest_wrong_leaves_configuration_alone(void **state) {
	const struct spec_case *c = *state;
	struct oriel_config *config = oriel_config_create();
	assert_non_null(config);
	char *error = NULL;
	assert_true(oriel_config_add_guest(config, "there=synthetic", &error));
	assert_null(error);
	int bindings = wl_list_length(&config->bindings);

	assert_false(oriel_config_add_guest(config, c->spec, &error));
	char expected[512];
	snprintf(expected, sizeof(expected), "--guest \"%s\": %s", c->spec, c->expected);
	assert_string_equal(error, expected);
	assert_int_equal(wl_list_length(&config->guests), 1);
	assert_int_equal(wl_list_length(&config->bindings), bindings);
	free(error);
	oriel_config_destroy(config);
}

static void add_guest_reads_source_and_output(void **state) {
	(void)state;
	static const struct {
		const char *spec, *name, *driver, *where, *output;
	} cases[] = {
		{ "a=synthetic", "a", "synthetic", NULL, NULL },
		{ "b=synthetic:640x480", "b", "synthetic", "640x480", NULL },
		{ "c=synthetic,output=DP-1", "c", "synthetic", NULL, "DP-1" },
		{ "g=vfio:handover", "g", "vfio", "handover", NULL },
		{ "d=vfio:fd:9,output=HEADLESS-1", "d", "vfio", "fd:9", "HEADLESS-1" },
		{ "e=vfio:/sys/bus/mdev/devices/x=y:0", "e", "vfio", "/sys/bus/mdev/devices/x=y:0",
				NULL },
		{ "f=vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "f", "vfio",
				"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", NULL },
		{ "h=qemu:/run/vm:1.qmp,output=DP-1", "h", "qemu", "/run/vm:1.qmp", "DP-1" },
		{ "i=qemu:handover", "i", "qemu", "handover", NULL },
		{ "j=qemu:" PATH_107, "j", "qemu", PATH_107, NULL },
	};
	struct oriel_config *config = load("guest z {\n\tsource synthetic\n}\n");
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char *error = NULL;
		assert_true(oriel_config_add_guest(config, cases[i].spec, &error));
		assert_null(error);
		struct oriel_config_guest *guest = get_guest(config, (int)i + 1);
		assert_string_equal(guest->name, cases[i].name);
		assert_string_equal(guest->driver, cases[i].driver);
		assert_int_equal(guest->line, 0);
		if (cases[i].where != NULL) {
			assert_string_equal(guest->where, cases[i].where);
		} else {
			assert_null(guest->where);
		}
		if (cases[i].output != NULL) {
			assert_string_equal(guest->output, cases[i].output);
		} else {
			assert_null(guest->output);
		}
		bool is_qemu = strcmp(cases[i].driver, "qemu") == 0 ||
				(cases[i].where != NULL && strcmp(cases[i].where, "handover") == 0);
		assert_text(guest->input, is_qemu ? "qemu" : NULL);
		assert_text(guest->input_options.where, is_qemu ? cases[i].where : NULL);
	}
	/* A file's bindings are all there are. */
	assert_true(wl_list_empty(&config->bindings));
	oriel_config_destroy(config);
}

static void add_guest_that_is_in_file_names_its_line(void **state) {
	(void)state;
	struct oriel_config *config = load("\nguest z {\n\tsource synthetic\n}\n");
	char *error = NULL;
	assert_false(oriel_config_add_guest(config, "z=synthetic", &error));
	assert_string_equal(error,
			"--guest \"z=synthetic\": expected each guest once, got \"z\" again (first on "
			"line 2)");
	free(error);
	oriel_config_destroy(config);
}

static void add_guest_escapes_control_characters(void **state) {
	(void)state;
	struct oriel_config *config = oriel_config_create();
	assert_non_null(config);
	char *error = NULL;
	assert_false(oriel_config_add_guest(config, "a\nb", &error));
	assert_string_equal(error,
			"--guest \"a\\x0ab\": expected NAME=SOURCE[,output=NAME], got no \"=\"");
	free(error);
	oriel_config_destroy(config);
}

static void create_has_default_bindings_for_nine_guests(void **state) {
	(void)state;
	struct oriel_config *config = oriel_config_create();
	assert_non_null(config);
	assert_true(config->has_default_bindings);
	assert_true(wl_list_empty(&config->outputs));
	assert_true(wl_list_empty(&config->guests));
	static const struct {
		uint32_t modifiers;
		xkb_keysym_t keysym;
		enum oriel_action action;
		const char *argument;
	} expected[] = {
		{ WLR_MODIFIER_LOGO | WLR_MODIFIER_SHIFT, XKB_KEY_e, ORIEL_ACTION_QUIT, NULL },
		{ WLR_MODIFIER_LOGO, XKB_KEY_q, ORIEL_ACTION_CLOSE, NULL },
		{ WLR_MODIFIER_LOGO, XKB_KEY_g, ORIEL_ACTION_GUEST, NULL },
		{ WLR_MODIFIER_LOGO, XKB_KEY_Return, ORIEL_ACTION_EXEC, "foot" },
	};
	assert_int_equal(wl_list_length(&config->bindings), ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
		struct oriel_config_binding *binding = get_binding(config, (int)i);
		assert_int_equal(binding->modifiers, expected[i].modifiers);
		assert_int_equal(binding->keysym, expected[i].keysym);
		assert_int_equal(binding->action, expected[i].action);
		if (expected[i].argument != NULL) {
			assert_string_equal(binding->argument, expected[i].argument);
		} else {
			assert_null(binding->argument);
		}
	}

	for (int i = 1; i <= 10; i++) {
		char spec[64], name[32];
		char *error = NULL;
		snprintf(name, sizeof(name), "g%d", i);
		snprintf(spec, sizeof(spec), "%s=synthetic", name);
		assert_true(oriel_config_add_guest(config, spec, &error));
		if (i == 10) {
			break;
		}
		struct oriel_config_binding *binding = get_binding(config, i + 3);
		assert_int_equal(binding->modifiers, WLR_MODIFIER_LOGO);
		assert_int_equal(binding->keysym, XKB_KEY_0 + (xkb_keysym_t)i);
		assert_int_equal(binding->action, ORIEL_ACTION_GUEST);
		assert_string_equal(binding->argument, name);
	}
	assert_int_equal(wl_list_length(&config->guests), 10);
	assert_int_equal(wl_list_length(&config->bindings), 4 + 9);
	oriel_config_destroy(config);
}

static void destroy_accepts_null(void **state) {
	(void)state;
	oriel_config_destroy(NULL);
}

/*
 * Memory that runs out: whichever call fails, nothing is left behind and nothing is half done.
 */

/* For each allocation that attempt() makes until it succeeds. Returns how many there were. */
static int fail_each_allocation(bool (*attempt)(char **ret_error), bool fail_on) {
	static char unset;
	int fds = count_fds();
	for (int n = 1;; n++) {
		char *error = &unset;
		memory.calls = 0;
		memory.fail_at = n;
		memory.fail_on = fail_on;
		memory.armed = true;
		bool ok = attempt(&error);
		memory.armed = false;

		assert_int_equal(count_fds(), fds);
		if (memory.calls < n) {
			assert_true(ok);
			assert_ptr_equal(error, &unset);
			return n - 1;
		}
		assert_false(ok);
		assert_ptr_not_equal(error, &unset);
		if (fail_on) {
			assert_null(error);
		} else {
			assert_non_null(error);
			assert_non_null(strstr(error, ": out of memory"));
			free(error);
		}
	}
}

static const char *memory_path;

static bool attempt_load(char **ret_error) {
	struct oriel_config *config = oriel_config_load(memory_path, ret_error);
	oriel_config_destroy(config);
	return config != NULL;
}

static bool attempt_add_guest(char **ret_error) {
	bool armed = memory.armed;
	memory.armed = false;
	struct oriel_config *config = oriel_config_create();
	assert_non_null(config);
	memory.armed = armed;

	bool ok = oriel_config_add_guest(config, "a=qemu:/a,output=DP-1", ret_error);
	assert_int_equal(wl_list_length(&config->guests), ok ? 1 : 0);
	assert_int_equal(wl_list_length(&config->bindings), ok ? 5 : 4);
	oriel_config_destroy(config);
	return ok;
}

static void load_failed_allocation_leaves_nothing(void **state) {
	(void)state;
	static const char text[] = "output A {\n\tmode 1x1\n}\n"
				   "guest a {\n\tsource synthetic 1x1\n\toutput A\n\tinput uinput\n}\n"
				   "guest c {\n\tsource qemu /a\n\thead 1 output A\n}\n"
				   "grab c\n"
				   "bind Super+1 guest a\nbind a exec b c\nbind b quit\n";
	char path[64];
	int fd = file_create(text, sizeof(text) - 1, path);
	memory_path = path;
	/*
	 * config, 2 chords, text, stream, 2 for the output, 6 and 6 for the guests, 9 for the head, 1
	 * for the grab, 3 + 3 + 2 for the bindings
	 */
	assert_int_equal(fail_each_allocation(attempt_load, false), 37);
	assert_int_equal(fail_each_allocation(attempt_load, true), 37);
	close(fd);
}

static void load_failed_allocation_for_edid_leaves_nothing(void **state) {
	(void)state;
	uint8_t edid[128];
	char edid_path[64], path[64];
	edid_make(edid, 1);
	int edid_fd = file_create((const char *)edid, sizeof(edid), edid_path);
	const char *text = edid_guest(edid_path);
	int fd = file_create(text, strlen(text), path);
	memory_path = path;
	/* config, 2 chords, text, stream, 3 for the guest, 1 for its EDID */
	assert_int_equal(fail_each_allocation(attempt_load, false), 9);
	close(fd);
	close(edid_fd);
}

static void add_guest_failed_allocation_leaves_configuration_alone(void **state) {
	(void)state;
	/* place, copy, 7 for the guest, 2 for its binding */
	assert_int_equal(fail_each_allocation(attempt_add_guest, false), 11);
	assert_int_equal(fail_each_allocation(attempt_add_guest, true), 11);
}

static void create_failed_allocation_gives_null(void **state) {
	(void)state;
	/* config, two chords, four bindings, one argument */
	for (int n = 1; n <= 9; n++) {
		memory.calls = 0;
		memory.fail_at = n;
		memory.fail_on = false;
		memory.armed = true;
		struct oriel_config *config = oriel_config_create();
		memory.armed = false;
		if (n < 9) {
			assert_null(config);
		} else {
			assert_non_null(config);
			assert_int_equal(memory.calls, 8);
		}
		oriel_config_destroy(config);
	}
}

/*
 * Where the file is.
 */

static void make_file(const char *folder, const char *name, char path[static PATH_MAX]) {
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash != NULL;
			slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void remove_file(const char *folder, char *path) {
	assert_int_equal(unlink(path), 0);
	for (char *slash = strrchr(path, '/'); slash > path + strlen(folder);
			slash = strrchr(path, '/')) {
		*slash = '\0';
		assert_int_equal(rmdir(path), 0);
	}
}

static void assert_path_found(const char *expected) {
	char *path = oriel_config_find_path();
	if (expected != NULL) {
		assert_non_null(path);
		assert_string_equal(path, expected);
	} else if (access("/etc/xdg/oriel/config", F_OK) < 0 &&
			access("/etc/oriel/config", F_OK) < 0) {
		assert_null(path);
	}
	free(path);
}

static void find_path_takes_first_that_exists(void **state) {
	(void)state;
	char xdg[] = "/tmp/oriel-test-xdg-XXXXXX", home[] = "/tmp/oriel-test-home-XXXXXX";
	char xdg_file[PATH_MAX], home_file[PATH_MAX];
	assert_non_null(mkdtemp(xdg));
	assert_non_null(mkdtemp(home));
	setenv("XDG_CONFIG_HOME", xdg, 1);
	setenv("HOME", home, 1);

	assert_path_found(NULL);
	make_file(home, ".config/oriel/config", home_file);
	assert_path_found(home_file);
	make_file(xdg, "oriel/config", xdg_file);
	assert_path_found(xdg_file);

	unsetenv("XDG_CONFIG_HOME");
	assert_path_found(home_file);
	setenv("XDG_CONFIG_HOME", "", 1);
	assert_path_found(home_file);
	/* A relative path that does exist. */
	assert_int_equal(chdir(xdg), 0);
	setenv("XDG_CONFIG_HOME", ".", 1);
	assert_path_found(home_file);
	assert_int_equal(chdir("/"), 0);
	unsetenv("HOME");
	assert_path_found(NULL);

	remove_file(xdg, xdg_file);
	remove_file(home, home_file);
	assert_int_equal(rmdir(xdg), 0);
	assert_int_equal(rmdir(home), 0);
}

int main(void) {
	static const struct CMUnitTest plain_tests[] = {
		cmocka_unit_test(load_nul_byte_names_its_line),
		cmocka_unit_test(load_nested_deeper_than_64_is_refused),
		cmocka_unit_test(load_file_beyond_limit_is_refused),
		cmocka_unit_test(load_missing_file_is_refused),
		cmocka_unit_test(load_folder_is_refused),
		cmocka_unit_test(load_syntax_error_prints_nothing),
		cmocka_unit_test(load_with_stderr_closed_still_reports),
		cmocka_unit_test(load_read_in_pieces_gets_all),
		cmocka_unit_test(load_empty_file_has_nothing),
		cmocka_unit_test(load_outputs_keeps_order_and_values),
		cmocka_unit_test(load_guests_keeps_order_and_values),
		cmocka_unit_test(load_edid_keeps_values),
		cmocka_unit_test(load_edid_file_has_all_of_its_blocks),
		cmocka_unit_test(load_edid_file_that_is_none_gives_line_and_reason),
		cmocka_unit_test(load_edid_file_that_is_a_pipe_is_refused_at_once),
		cmocka_unit_test(load_bindings_keeps_order_and_values),
		cmocka_unit_test(load_chords_keeps_what_the_file_says_and_defaults),
		cmocka_unit_test(load_input_of_guests),
		cmocka_unit_test(load_touch_and_clipboard_of_guests),
		cmocka_unit_test(load_heads_are_guests_behind_their_first),
		cmocka_unit_test(load_edid_file_of_qemu_is_refused),
		cmocka_unit_test(load_example_is_right),
		cmocka_unit_test(parse_mode_bounds),
		cmocka_unit_test(parse_number_bounds),
		cmocka_unit_test(parse_coordinate_bounds),
		cmocka_unit_test(parse_scale_bounds),
		cmocka_unit_test(check_uuid_shape),
		cmocka_unit_test(check_name_bounds),
		cmocka_unit_test(add_guest_reads_source_and_output),
		cmocka_unit_test(add_guest_that_is_in_file_names_its_line),
		cmocka_unit_test(add_guest_escapes_control_characters),
		cmocka_unit_test(create_has_default_bindings_for_nine_guests),
		cmocka_unit_test(destroy_accepts_null),
		cmocka_unit_test(load_failed_allocation_leaves_nothing),
		cmocka_unit_test(load_failed_allocation_for_edid_leaves_nothing),
		cmocka_unit_test(add_guest_failed_allocation_leaves_configuration_alone),
		cmocka_unit_test(create_failed_allocation_gives_null),
		cmocka_unit_test(find_path_takes_first_that_exists),
	};
	/* Each line of a table is a test with a name of its own. */
	struct CMUnitTest tests[ARRAY_LENGTH(load_cases) + ARRAY_LENGTH(spec_cases) +
			ARRAY_LENGTH(plain_tests)];
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(load_cases); i++) {
		tests[count++] = (struct CMUnitTest){
			.name = load_cases[i].name,
			.test_func = load_wrong_file_gives_line_and_reason,
			.initial_state = (void *)&load_cases[i],
		};
	}
	for (size_t i = 0; i < ARRAY_LENGTH(spec_cases); i++) {
		tests[count++] = (struct CMUnitTest){
			.name = spec_cases[i].name,
			.test_func = add_guest_wrong_leaves_configuration_alone,
			.initial_state = (void *)&spec_cases[i],
		};
	}
	for (size_t i = 0; i < ARRAY_LENGTH(plain_tests); i++) {
		tests[count++] = plain_tests[i];
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
