#include "view/state_text.h"

#include <drm_fourcc.h>
#include <pango/pangocairo.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/log.h>

#include "view/pixel_buffer.h"

/* The sentence's letters, in layout units: a part of the box's height within these limits. */
#define STATE_TEXT_SIZE_PART 30
#define STATE_TEXT_SIZE_MIN 12
#define STATE_TEXT_SIZE_MAX 48
/* The name's letters are larger by this, and the text leaves this part of the box free. */
#define STATE_TEXT_NAME_FACTOR 1.5
#define STATE_TEXT_MARGIN_PART 16

struct oriel_state_text {
	struct wlr_scene_buffer *scene_buffer;
	char *guest_name; /* UTF-8 without control characters; from GLib */
	const char *sentence; /* NULL: nothing is said */
	int width, height; /* of the box */
	float scale;
	bool is_stale; /* what the scene has is not that */
	bool complained; /* that there is no text */
};

/* Two lines, laid out. Sizes are in pixels of the output. */
struct state_text_lines {
	PangoContext *context;
	PangoLayout *name, *sentence;
	int name_width, name_height, sentence_width, sentence_height;
	int gap;
};

/* The fonts are the process's, which loads each once. */
static PangoContext *context_create(void) {
	return pango_font_map_create_context(pango_cairo_font_map_get_default());
}

static PangoFontDescription *font_create(double size_pixels, PangoWeight weight) {
	PangoFontDescription *font = pango_font_description_new();
	pango_font_description_set_family_static(font, "sans-serif");
	pango_font_description_set_weight(font, weight);
	pango_font_description_set_absolute_size(font, size_pixels * PANGO_SCALE);
	return font;
}

/* Pango lays out without any font too, and complains of it on stderr for every letter. */
static bool font_exists(PangoContext *context) {
	PangoFontDescription *description = font_create(STATE_TEXT_SIZE_MIN, PANGO_WEIGHT_NORMAL);
	PangoFont *font = pango_context_load_font(context, description);
	pango_font_description_free(description);
	if (font == NULL) {
		return false;
	}
	g_object_unref(font);
	return true;
}

static PangoLayout *line_create(PangoContext *context, const char *words, double size_pixels,
		PangoWeight weight, int max_width, int *ret_width, int *ret_height) {
	PangoLayout *line = pango_layout_new(context);
	PangoFontDescription *font = font_create(size_pixels, weight);
	pango_layout_set_font_description(line, font);
	pango_font_description_free(font);
	pango_layout_set_single_paragraph_mode(line, TRUE);
	pango_layout_set_text(line, words, -1);
	pango_layout_get_pixel_size(line, ret_width, ret_height);
	if (*ret_width > max_width) {
		pango_layout_set_width(line, max_width * PANGO_SCALE);
		pango_layout_set_ellipsize(line, PANGO_ELLIPSIZE_END);
		pango_layout_get_pixel_size(line, ret_width, ret_height);
	}
	return line;
}

static double text_get_size(const struct oriel_state_text *text) {
	int size = text->height / STATE_TEXT_SIZE_PART;
	size = size < STATE_TEXT_SIZE_MIN ? STATE_TEXT_SIZE_MIN : size;
	size = size > STATE_TEXT_SIZE_MAX ? STATE_TEXT_SIZE_MAX : size;
	return size * (double)text->scale;
}

/* False if there is no font to write with. */
static bool text_lay_out(const struct oriel_state_text *text, struct state_text_lines *lines) {
	PangoContext *context = context_create();
	if (!font_exists(context)) {
		g_object_unref(context);
		return false;
	}
	/* Black is opaque, but not every output has its subpixels in a row. */
	cairo_font_options_t *options = cairo_font_options_create();
	cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
	pango_cairo_context_set_font_options(context, options);
	cairo_font_options_destroy(options);

	double size = text_get_size(text);
	int margin = text->width / STATE_TEXT_MARGIN_PART;
	int max_width = (int)((float)(text->width - 2 * margin) * text->scale);
	lines->context = context;
	lines->gap = (int)(size / 2);
	lines->name = line_create(context, text->guest_name, size * STATE_TEXT_NAME_FACTOR,
			PANGO_WEIGHT_BOLD, max_width, &lines->name_width, &lines->name_height);
	lines->sentence = line_create(context, text->sentence, size, PANGO_WEIGHT_NORMAL, max_width,
			&lines->sentence_width, &lines->sentence_height);
	return true;
}

static void lines_finish(struct state_text_lines *lines) {
	g_object_unref(lines->name);
	g_object_unref(lines->sentence);
	g_object_unref(lines->context);
}

static void line_paint(cairo_t *cairo, PangoLayout *line, int x, int y, double brightness) {
	cairo_set_source_rgb(cairo, brightness, brightness, brightness);
	cairo_move_to(cairo, x, y);
	pango_cairo_show_layout(cairo, line);
}

static void lines_paint(const struct state_text_lines *lines, struct oriel_pixel_buffer *buffer) {
	int width = buffer->base.width;
	/* Without memory cairo paints nothing, and says so nowhere but here. */
	cairo_surface_t *surface = cairo_image_surface_create_for_data(buffer->pixels,
			CAIRO_FORMAT_RGB24, width, buffer->base.height, (int)buffer->stride_bytes);
	cairo_t *cairo = cairo_create(surface);
	line_paint(cairo, lines->name, (width - lines->name_width) / 2, 0, 1);
	line_paint(cairo, lines->sentence, (width - lines->sentence_width) / 2,
			lines->name_height + lines->gap, 0.75);
	cairo_destroy(cairo);
	cairo_surface_flush(surface);
	cairo_surface_destroy(surface);
}

/* Puts it into the middle of the box. */
static void text_place(struct oriel_state_text *text, struct oriel_pixel_buffer *buffer) {
	int width = (int)((float)buffer->base.width / text->scale + 0.5f);
	int height = (int)((float)buffer->base.height / text->scale + 0.5f);
	wlr_scene_buffer_set_buffer(text->scene_buffer, &buffer->base);
	wlr_scene_buffer_set_dest_size(text->scene_buffer, width, height);
	wlr_scene_node_set_position(&text->scene_buffer->node, (text->width - width) / 2,
			(text->height - height) / 2);
}

static void text_fail(struct oriel_state_text *text, const char *why) {
	if (!text->complained) {
		text->complained = true;
		wlr_log(WLR_ERROR, "guest %s: its state is not written on the screen: %s",
				text->guest_name, why);
	}
}

static void text_paint(struct oriel_state_text *text) {
	struct state_text_lines lines;
	if (!text_lay_out(text, &lines)) {
		text_fail(text, "there is no font");
		return;
	}
	int width = lines.name_width > lines.sentence_width ? lines.name_width : lines.sentence_width;
	int height = lines.name_height + lines.gap + lines.sentence_height;
	/* A box that is too small for it stays black. */
	if (width > 0 && (float)width <= (float)text->width * text->scale &&
			(float)height <= (float)text->height * text->scale) {
		struct oriel_pixel_buffer *buffer =
				oriel_pixel_buffer_create(width, height, DRM_FORMAT_XRGB8888);
		if (buffer != NULL) {
			lines_paint(&lines, buffer);
			text_place(text, buffer);
			wlr_buffer_drop(&buffer->base);
		} else {
			text_fail(text, "out of memory");
		}
	}
	lines_finish(&lines);
}

static void text_update(struct oriel_state_text *text) {
	if (text->sentence == NULL || text->width <= 0 || text->height <= 0 || !text->is_stale) {
		return;
	}
	text->is_stale = false;
	wlr_scene_buffer_set_buffer(text->scene_buffer, NULL);
	text_paint(text);
}

/* What can be written of it, for g_free(). A control character would be a box with a number in it. */
static char *make_writable(const char *name) {
	char *valid = g_utf8_make_valid(name, -1);
	GString *writable = g_string_new(NULL);
	for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
		gunichar character = g_utf8_get_char(c);
		g_string_append_unichar(writable, g_unichar_iscntrl(character) ? '?' : character);
	}
	g_free(valid);
	return g_string_free(writable, FALSE);
}

struct oriel_state_text *oriel_state_text_create(
		struct wlr_scene_tree *parent, const char *guest_name) {
	struct oriel_state_text *text = calloc(1, sizeof(*text));
	if (text == NULL) {
		return NULL;
	}
	text->scene_buffer = wlr_scene_buffer_create(parent, NULL);
	if (text->scene_buffer == NULL) {
		free(text);
		return NULL;
	}
	text->guest_name = make_writable(guest_name);
	text->scale = 1;

	PangoContext *context = context_create();
	font_exists(context);
	g_object_unref(context);
	return text;
}

void oriel_state_text_destroy(struct oriel_state_text *text) {
	if (text == NULL) {
		return;
	}
	wlr_scene_node_destroy(&text->scene_buffer->node);
	g_free(text->guest_name);
	free(text);
}

void oriel_state_text_say(struct oriel_state_text *text, const char *sentence) {
	if (sentence == NULL) {
		wlr_scene_buffer_set_buffer(text->scene_buffer, NULL);
	}
	if (sentence == NULL || text->sentence == NULL || strcmp(sentence, text->sentence) != 0) {
		text->is_stale = true;
	}
	text->sentence = sentence;
	text_update(text);
}

void oriel_state_text_arrange(struct oriel_state_text *text, int width, int height, float scale) {
	if (width != text->width || height != text->height || scale != text->scale) {
		text->is_stale = true;
	}
	text->width = width;
	text->height = height;
	text->scale = scale;
	text_update(text);
}
