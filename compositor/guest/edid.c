#include "guest/edid.h"

#include <assert.h>
#include <string.h>

#include "guest/validate.h"

/*
 * The base block begins with who made the monitor and what it can do, and ends with four
 * descriptors of 18 bytes, a checksum before which the number of extension blocks stands:
 *
 *     0  header, manufacturer, product, serial number, model year, version
 *    20  digital, size in cm, gamma, features, chromaticity
 *    35  modes by bit, modes by number
 *    54  detailed timing   the preferred mode, or the largest this block can express
 *    72  range limits
 *    90  name
 *   108  serial
 *   126  1 if there is a DisplayID block, and the checksum
 *
 * A detailed timing has 12 bits for each size, 6 for the vertical front porch, and 16 for the pixel
 * clock in units of 10 kHz. A mode that does not fit goes into the DisplayID block, as a type I
 * timing, which has 16, 15 and 24. That it is preferred is said there. The base block's timing is
 * then what a guest that does not know DisplayID makes do with.
 */

/*
 * The three letters say who made a monitor. These are nobody's in the UEFI Forum's registry of PNP
 * ids, so that no guest takes this monitor for somebody's that it has a quirk for.
 */
#define EDID_MANUFACTURER "ORL"
#define EDID_PRODUCT 1
#define EDID_MODEL_YEAR 2026
#define EDID_GAMMA (220 - 100) /* 2.2, sRGB's */

#define EDID_DESCRIPTORS 54
#define EDID_DESCRIPTOR_SIZE 18
#define EDID_TEXT_MAX 13

enum edid_tag {
	EDID_TAG_SERIAL = 0xff,
	EDID_TAG_RANGE_LIMITS = 0xfd,
	EDID_TAG_NAME = 0xfc,
	EDID_TAG_DUMMY = 0x10,
};

/* Horizontal sync is positive, vertical sync negative: so CVT marks reduced blanking. */
struct edid_timing {
	uint32_t width, height;
	uint32_t h_blank, h_front, h_sync; /* pixels */
	uint32_t v_blank, v_front, v_sync; /* lines */
	uint64_t clock_10khz;
};

/* What the monitor can do, so far as its modes say it. */
struct edid_limits {
	uint64_t v_min_hz, v_max_hz;
	uint64_t h_min_khz, h_max_khz;
	uint64_t clock_max_10mhz;
};

/* At 60 Hz, by their VESA DMT timings. The smallest comes first. */
static const struct edid_listed_mode {
	int width, height;
	uint32_t clock_khz, h_total, v_total;
	/* Byte 35 and on: a bit there, or one of the standard timings that begin at byte 38. */
	uint8_t established[2];
	uint8_t aspect;
} edid_listed_modes[] = {
	{ 640, 480, 25175, 800, 525, { 0x20, 0 }, 0 },
	{ 800, 600, 40000, 1056, 628, { 0x01, 0 }, 0 },
	{ 1024, 768, 65000, 1344, 806, { 0, 0x08 }, 0 },
	{ 1280, 720, 74250, 1650, 750, { 0 }, 3 },
	{ 1280, 800, 83500, 1680, 831, { 0 }, 0 },
	{ 1280, 1024, 108000, 1688, 1066, { 0 }, 2 },
	{ 1440, 900, 106500, 1904, 934, { 0 }, 0 },
	{ 1600, 900, 108000, 1800, 1000, { 0 }, 3 },
	{ 1600, 1200, 162000, 2160, 1250, { 0 }, 1 },
	{ 1680, 1050, 146250, 2240, 1089, { 0 }, 0 },
	{ 1920, 1080, 148500, 2200, 1125, { 0 }, 3 },
};

static int clamp(int value, int min, int max) {
	return value < min ? min : value > max ? max : value;
}

static uint64_t divide_up(uint64_t a, uint64_t b) {
	return (a + b - 1) / b;
}

/* --- timings --- */

/*
 * CVT's VBI_LINES: as many lines as 460 us have room for, and one. Its estimate of a line's
 * period is (1000000 / Hz - 460) / lines, in us; here without fractions.
 */
static uint64_t edid_timing_get_vbi_lines(int height, int refresh_mhz) {
	uint64_t blank = UINT64_C(460) * (uint64_t)refresh_mhz;
	return blank * (uint64_t)height / (1000000000 - blank) + 1;
}

/* Pixels in a second, thousandfold. */
static uint64_t edid_timing_get_clock_mhz(const struct edid_timing *timing, int refresh_mhz) {
	return (uint64_t)refresh_mhz * (timing->width + timing->h_blank) *
			(timing->height + timing->v_blank);
}

/* Reduced blanking version 2: for any width. */
static struct edid_timing edid_timing_make_rb2(int width, int height, int refresh_mhz) {
	const uint32_t v_back = 6, v_sync = 8, v_front_min = 1;
	uint32_t v_blank = (uint32_t)edid_timing_get_vbi_lines(height, refresh_mhz);
	if (v_blank < v_front_min + v_sync + v_back) {
		v_blank = v_front_min + v_sync + v_back;
	}
	struct edid_timing timing = {
		.width = (uint32_t)width,
		.height = (uint32_t)height,
		.h_blank = 80,
		.h_front = 8,
		.h_sync = 32,
		.v_blank = v_blank,
		.v_front = v_blank - v_sync - v_back,
		.v_sync = v_sync,
	};
	uint64_t clock_khz = edid_timing_get_clock_mhz(&timing, refresh_mhz) / 1000000;
	/* At least 1: the smallest mode at the slowest rate has 11 kHz. */
	timing.clock_10khz = (clock_khz + 5) / 10;
	return timing;
}

/*
 * Reduced blanking version 1: for widths that are multiples of 8. It has the lines that are left
 * over after the sync, not before it, where the base block has room for 63 only. Since it is asked
 * for when there are more than those, CVT's lower bound for v_blank is never reached.
 */
static struct edid_timing edid_timing_make_rb1(int width, int height, int refresh_mhz) {
	static const struct {
		int width, height;
		uint32_t v_sync;
	} aspects[] = { { 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 }, { 5, 4, 7 }, { 15, 9, 7 } };
	struct edid_timing timing = {
		.width = (uint32_t)width,
		.height = (uint32_t)height,
		.h_blank = 160,
		.h_front = 48,
		.h_sync = 32,
		.v_blank = (uint32_t)edid_timing_get_vbi_lines(height, refresh_mhz),
		.v_front = 3,
		.v_sync = 10,
	};
	for (size_t i = 0; i < sizeof(aspects) / sizeof(aspects[0]); i++) {
		if (width * aspects[i].height == height * aspects[i].width) {
			timing.v_sync = aspects[i].v_sync;
			break;
		}
	}
	timing.clock_10khz = edid_timing_get_clock_mhz(&timing, refresh_mhz) / 250000000 * 25;
	return timing;
}

/* The blanking has as many bits as the size, and is never that long. */
static bool edid_timing_fits_descriptor(const struct edid_timing *timing) {
	return timing->width <= 0xfff && timing->height <= 0xfff && timing->v_front <= 0x3f &&
			timing->clock_10khz <= 0xffff;
}

/* Whatever passes for a size has room there. */
static bool edid_timing_fits_displayid(const struct edid_timing *timing) {
	return timing->clock_10khz <= 1 << 24;
}

/* True if the base block can express the mode. */
static bool edid_timing_make_descriptor(
		int width, int height, int refresh_mhz, struct edid_timing *ret_timing) {
	struct edid_timing timing = edid_timing_make_rb2(width, height, refresh_mhz);
	if (!edid_timing_fits_descriptor(&timing) && width % 8 == 0) {
		timing = edid_timing_make_rb1(width, height, refresh_mhz);
	}
	if (!edid_timing_fits_descriptor(&timing)) {
		return false;
	}
	*ret_timing = timing;
	return true;
}

/* The nearest mode that the base block can express; 64x64 at 60 Hz always is one. */
static struct edid_timing edid_timing_make_reduced(int width, int height, int refresh_mhz) {
	if (refresh_mhz > ORIEL_EDID_REFRESH_DEFAULT_MHZ) {
		refresh_mhz = ORIEL_EDID_REFRESH_DEFAULT_MHZ;
	}
	struct edid_timing timing;
	for (int n = 1;; n++) {
		if (edid_timing_make_descriptor(clamp(width / n, ORIEL_EDID_MODE_MIN, width),
				    clamp(height / n, ORIEL_EDID_MODE_MIN, height), refresh_mhz,
				    &timing)) {
			return timing;
		}
	}
}

/* Within the device's limit for one direction, the other one in proportion. */
static void edid_limit(int *size, int *other, uint32_t max) {
	if (max != 0 && (uint32_t)*size > max) {
		*other = (int)(((int64_t)*other * max + *size / 2) / *size);
		*size = (int)max;
	}
}

/* --- blocks --- */

static void put_le16(uint8_t *data, uint32_t value) {
	data[0] = (uint8_t)value;
	data[1] = (uint8_t)(value >> 8);
}

/* The last of size bytes makes their sum 0. */
static void edid_put_checksum(uint8_t *data, size_t size) {
	uint8_t sum = 0;
	for (size_t i = 0; i < size - 1; i++) {
		sum = (uint8_t)(sum + data[i]);
	}
	data[size - 1] = (uint8_t)-sum;
}

/* Red, green, blue and white of sRGB, as fractions of 1024; two low bits of each come first. */
static void edid_put_chromaticity(uint8_t *data) {
	static const double srgb[] = { 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290 };
	for (size_t i = 0; i < 8; i++) {
		unsigned int value = (unsigned int)(srgb[i] * 1024 + 0.5);
		data[i / 4] |= (uint8_t)((value & 3) << (6 - 2 * (i % 4)));
		data[2 + i] = (uint8_t)(value >> 2);
	}
}

static void edid_limits_add(struct edid_limits *limits, uint64_t clock_khz, uint32_t h_total,
		uint32_t v_total) {
	uint64_t frame = (uint64_t)h_total * v_total;
	uint64_t v_min_hz = clock_khz * 1000 / frame;
	uint64_t v_max_hz = divide_up(clock_khz * 1000, frame);
	uint64_t h_min_khz = clock_khz / h_total;
	uint64_t h_max_khz = divide_up(clock_khz, h_total);
	uint64_t clock_10mhz = divide_up(clock_khz, 10000);
	bool first = limits->clock_max_10mhz == 0;
	limits->v_min_hz = first || v_min_hz < limits->v_min_hz ? v_min_hz : limits->v_min_hz;
	limits->v_max_hz = v_max_hz > limits->v_max_hz ? v_max_hz : limits->v_max_hz;
	limits->h_min_khz = first || h_min_khz < limits->h_min_khz ? h_min_khz : limits->h_min_khz;
	limits->h_max_khz = h_max_khz > limits->h_max_khz ? h_max_khz : limits->h_max_khz;
	limits->clock_max_10mhz = clock_10mhz > limits->clock_max_10mhz ? clock_10mhz
									: limits->clock_max_10mhz;
}

static void edid_limits_add_timing(struct edid_limits *limits, const struct edid_timing *timing) {
	edid_limits_add(limits, timing->clock_10khz * 10, timing->width + timing->h_blank,
			timing->height + timing->v_blank);
}

static void edid_put_listed_modes(uint8_t *base, int width, int height, struct edid_limits *limits) {
	uint8_t *standard = base + 38;
	memset(standard, 0x01, 16); /* none */
	for (size_t i = 0; i < sizeof(edid_listed_modes) / sizeof(edid_listed_modes[0]); i++) {
		const struct edid_listed_mode *mode = &edid_listed_modes[i];
		if (mode->width > width || mode->height > height ||
				(mode->width == width && mode->height == height)) {
			continue;
		}
		if (mode->established[0] != 0 || mode->established[1] != 0) {
			base[35] |= mode->established[0];
			base[36] |= mode->established[1];
		} else {
			*standard++ = (uint8_t)(mode->width / 8 - 31);
			*standard++ = (uint8_t)(mode->aspect << 6); /* 60 Hz */
		}
		edid_limits_add(limits, mode->clock_khz, mode->h_total, mode->v_total);
	}
}

/* Millimetres have 12 bits, centimetres 8. Two zeroes: not known. */
static void edid_put_size_mm(uint8_t *descriptor, int width_mm, int height_mm) {
	if (width_mm <= 0 || height_mm <= 0 || width_mm > 0xfff || height_mm > 0xfff) {
		return;
	}
	descriptor[12] = (uint8_t)width_mm;
	descriptor[13] = (uint8_t)height_mm;
	descriptor[14] = (uint8_t)((width_mm >> 8) << 4 | height_mm >> 8);
}

static void edid_put_size_cm(uint8_t *base, int width_mm, int height_mm) {
	if (width_mm <= 0 || height_mm <= 0 || width_mm >= 2555 || height_mm >= 2555) {
		return;
	}
	/* A single zero would make an aspect ratio of the other one. */
	base[21] = (uint8_t)clamp((width_mm + 5) / 10, 1, 255);
	base[22] = (uint8_t)clamp((height_mm + 5) / 10, 1, 255);
}

static void edid_put_detailed_timing(uint8_t *descriptor, const struct edid_timing *timing) {
	put_le16(descriptor, (uint32_t)timing->clock_10khz);
	descriptor[2] = (uint8_t)timing->width;
	descriptor[3] = (uint8_t)timing->h_blank;
	descriptor[4] = (uint8_t)((timing->width >> 8) << 4 | timing->h_blank >> 8);
	descriptor[5] = (uint8_t)timing->height;
	descriptor[6] = (uint8_t)timing->v_blank;
	descriptor[7] = (uint8_t)((timing->height >> 8) << 4 | timing->v_blank >> 8);
	/* Of these four, the high bits are in a byte of their own. CVT's have none but v_front. */
	assert(timing->h_front <= 0xff && timing->h_sync <= 0xff && timing->v_sync <= 0xf);
	descriptor[8] = (uint8_t)timing->h_front;
	descriptor[9] = (uint8_t)timing->h_sync;
	descriptor[10] = (uint8_t)((timing->v_front & 0xf) << 4 | timing->v_sync);
	descriptor[11] = (uint8_t)((timing->v_front >> 4) << 2);
	descriptor[17] = 0x1a; /* separate digital sync, horizontal positive, vertical negative */
}

static void edid_put_dummy(uint8_t *descriptor) {
	descriptor[3] = EDID_TAG_DUMMY;
}

/* One direction of the range limits; an offset of 255 is said by bits of their own. */
static void edid_put_range(uint8_t *descriptor, size_t at, uint64_t min, uint64_t max,
		uint8_t min_offset, uint8_t max_offset) {
	if (min > 255) {
		descriptor[4] |= min_offset;
		min -= 255;
	}
	if (max > 255) {
		descriptor[4] |= max_offset;
		max -= 255;
	}
	descriptor[at] = (uint8_t)min;
	descriptor[at + 1] = (uint8_t)max;
}

/*
 * Left out where a limit is beyond what can be said, since there is no half a range: from 1 to 510
 * for both rates, of which ORIEL_EDID_REFRESH_MAX_MHZ is well within, and up to 2550 MHz.
 */
static void edid_put_range_limits(uint8_t *descriptor, const struct edid_limits *limits) {
	if (limits->v_min_hz < 1 || limits->h_min_khz < 1 || limits->h_max_khz > 2 * 255 ||
			limits->clock_max_10mhz > 255) {
		edid_put_dummy(descriptor);
		return;
	}
	descriptor[3] = EDID_TAG_RANGE_LIMITS;
	edid_put_range(descriptor, 5, limits->v_min_hz, limits->v_max_hz, 0x1, 0x2);
	edid_put_range(descriptor, 7, limits->h_min_khz, limits->h_max_khz, 0x4, 0x8);
	descriptor[9] = (uint8_t)limits->clock_max_10mhz;
	descriptor[10] = 0x01; /* the limits only: the modes in between are not all possible */
	descriptor[11] = '\n';
	memset(descriptor + 12, ' ', 6);
}

/* Returns the number of characters. */
static size_t edid_make_text(const char *string, char text[static EDID_TEXT_MAX]) {
	size_t size = 0;
	for (; string != NULL && *string != '\0' && size < EDID_TEXT_MAX; string++) {
		unsigned char c = (unsigned char)*string;
		if ((c & 0xc0) == 0x80 || (c == ' ' && size == 0)) {
			continue; /* a later byte of what has become a '?' already */
		}
		text[size++] = c >= ' ' && c <= '~' ? *string : '?';
	}
	while (size > 0 && text[size - 1] == ' ') {
		size--;
	}
	return size;
}

static void edid_put_text(uint8_t *descriptor, enum edid_tag tag, const char *text, size_t size) {
	descriptor[3] = (uint8_t)tag;
	memcpy(descriptor + 5, text, size);
	if (size < EDID_TEXT_MAX) {
		descriptor[5 + size] = '\n';
		memset(descriptor + 5 + size + 1, ' ', EDID_TEXT_MAX - size - 1);
	}
}

static void edid_put_identity(uint8_t *base, uint32_t serial_number) {
	static const uint8_t header[] = { 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 };
	memcpy(base, header, sizeof(header));
	unsigned int manufacturer = 0;
	for (size_t i = 0; i < 3; i++) {
		manufacturer = manufacturer << 5 | (unsigned int)(EDID_MANUFACTURER[i] - 'A' + 1);
	}
	base[8] = (uint8_t)(manufacturer >> 8);
	base[9] = (uint8_t)manufacturer;
	put_le16(base + 10, EDID_PRODUCT);
	put_le16(base + 12, serial_number);
	put_le16(base + 14, serial_number >> 16);
	base[16] = 0xff; /* the year is the model's */
	base[17] = EDID_MODEL_YEAR - 1990;
	base[18] = 1;
	base[19] = 4;
}

/* A block of data in the DisplayID section; returns where the next one begins. */
static uint8_t *edid_put_displayid_product(uint8_t *data, uint32_t serial_number) {
	data[0] = 0x00;
	data[2] = 12; /* bytes that follow */
	memcpy(data + 3, EDID_MANUFACTURER, 3);
	put_le16(data + 6, EDID_PRODUCT);
	put_le16(data + 8, serial_number);
	put_le16(data + 10, serial_number >> 16);
	data[12] = 0xff; /* the year is the model's */
	data[13] = EDID_MODEL_YEAR - 2000;
	return data + 3 + 12;
}

static uint8_t *edid_put_displayid_parameters(
		uint8_t *data, const struct edid_timing *timing, int width_mm, int height_mm) {
	data[0] = 0x01;
	data[2] = 12;
	/* Tenths of millimetres. */
	if (width_mm > 0 && height_mm > 0 && width_mm <= 0xffff / 10 && height_mm <= 0xffff / 10) {
		put_le16(data + 3, (uint32_t)width_mm * 10);
		put_le16(data + 5, (uint32_t)height_mm * 10);
	}
	put_le16(data + 7, timing->width);
	put_le16(data + 9, timing->height);
	data[12] = EDID_GAMMA;
	/* The long side by the short one, less one, in hundredths. */
	uint32_t aspect = timing->width > timing->height ? timing->width * 100 / timing->height
							 : timing->height * 100 / timing->width;
	data[13] = (uint8_t)(aspect - 100 < 0xff ? aspect - 100 : 0xff);
	data[14] = 7 << 4 | 7; /* 8 bits of each colour */
	return data + 3 + 12;
}

static void edid_put_displayid_timing(uint8_t *data, const struct edid_timing *timing) {
	data[0] = 0x03; /* timings of type I */
	data[1] = 1; /* revision: with an aspect ratio */
	data[2] = 20;
	uint8_t *type1 = data + 3;
	/* Every number is one less than what it stands for. */
	uint32_t clock = (uint32_t)timing->clock_10khz - 1;
	put_le16(type1, clock);
	type1[2] = (uint8_t)(clock >> 16);
	type1[3] = 0x80 | 0x08; /* preferred; the aspect ratio is not one of those listed */
	put_le16(type1 + 4, timing->width - 1);
	put_le16(type1 + 6, timing->h_blank - 1);
	put_le16(type1 + 8, (timing->h_front - 1) | 1 << 15); /* sync is positive */
	put_le16(type1 + 10, timing->h_sync - 1);
	put_le16(type1 + 12, timing->height - 1);
	put_le16(type1 + 14, timing->v_blank - 1);
	put_le16(type1 + 16, timing->v_front - 1);
	put_le16(type1 + 18, timing->v_sync - 1);
}

static void edid_put_displayid(uint8_t *block, const struct edid_timing *timing,
		const struct oriel_edid_info *info) {
	block[0] = 0x70;
	/* The section fills the block, but for the first byte and the block's own checksum. */
	uint8_t *section = block + 1;
	section[0] = 0x13; /* version 1.3 */
	section[1] = ORIEL_EDID_BLOCK_SIZE - 2 - 5; /* without its header of 4 and the checksum */
	section[2] = 3; /* a display of its own, not built into anything */

	uint8_t *data = section + 4;
	data = edid_put_displayid_product(data, info->serial_number);
	data = edid_put_displayid_parameters(data, timing, info->width_mm, info->height_mm);
	edid_put_displayid_timing(data, timing);

	edid_put_checksum(section, ORIEL_EDID_BLOCK_SIZE - 2);
	edid_put_checksum(block, ORIEL_EDID_BLOCK_SIZE);
}

bool oriel_edid_make(const struct oriel_edid_info *info, struct oriel_edid *ret_edid) {
	if (info->max_size_bytes < ORIEL_EDID_BLOCK_SIZE) {
		return false;
	}

	int width = clamp(info->width, ORIEL_EDID_MODE_MIN, ORIEL_VALIDATE_SIZE_MAX);
	int height = clamp(info->height, ORIEL_EDID_MODE_MIN, ORIEL_VALIDATE_SIZE_MAX);
	edid_limit(&width, &height, info->max_xres);
	edid_limit(&height, &width, info->max_yres);
	width = clamp(width, ORIEL_EDID_MODE_MIN, width);
	height = clamp(height, ORIEL_EDID_MODE_MIN, height);
	int refresh_mhz = info->refresh_mhz > 0
			? clamp(info->refresh_mhz, ORIEL_EDID_REFRESH_MIN_MHZ,
					  ORIEL_EDID_REFRESH_MAX_MHZ)
			: ORIEL_EDID_REFRESH_DEFAULT_MHZ;

	struct edid_timing base_timing;
	struct edid_timing preferred = edid_timing_make_rb2(width, height, refresh_mhz);
	bool extended = false;
	if (edid_timing_make_descriptor(width, height, refresh_mhz, &base_timing)) {
		preferred = base_timing;
	} else {
		base_timing = edid_timing_make_reduced(width, height, refresh_mhz);
		extended = info->max_size_bytes >= ORIEL_EDID_SIZE_MAX &&
				edid_timing_fits_displayid(&preferred);
		if (!extended) {
			preferred = base_timing;
		}
	}

	struct oriel_edid edid = {
		.size_bytes = extended ? ORIEL_EDID_SIZE_MAX : ORIEL_EDID_BLOCK_SIZE,
		.width = (int)preferred.width,
		.height = (int)preferred.height,
	};
	uint64_t frame = edid_timing_get_clock_mhz(&preferred, 1);
	edid.refresh_mhz = (int)((preferred.clock_10khz * 10000000 + frame / 2) / frame);

	struct edid_limits limits = { 0 };
	edid_limits_add_timing(&limits, &base_timing);
	edid_limits_add_timing(&limits, &preferred);

	uint8_t *base = edid.data;
	edid_put_identity(base, info->serial_number);
	base[20] = 0xa0; /* digital, 8 bits of each colour, by no cable in particular */
	edid_put_size_cm(base, info->width_mm, info->height_mm);
	base[23] = EDID_GAMMA;
	base[24] = 0x06; /* sRGB; the preferred mode is the native one; single frequencies only */
	edid_put_chromaticity(base + 25);
	edid_put_listed_modes(base, edid.width, edid.height, &limits);

	uint8_t *descriptor = base + EDID_DESCRIPTORS;
	edid_put_detailed_timing(descriptor, &base_timing);
	edid_put_size_mm(descriptor, info->width_mm, info->height_mm);

	descriptor += EDID_DESCRIPTOR_SIZE;
	edid_put_range_limits(descriptor, &limits);

	descriptor += EDID_DESCRIPTOR_SIZE;
	char text[EDID_TEXT_MAX];
	size_t size = edid_make_text(info->name, text);
	if (size == 0) {
		size = edid_make_text("Oriel", text);
	}
	edid_put_text(descriptor, EDID_TAG_NAME, text, size);

	descriptor += EDID_DESCRIPTOR_SIZE;
	size = edid_make_text(info->serial, text);
	if (size > 0) {
		edid_put_text(descriptor, EDID_TAG_SERIAL, text, size);
	} else {
		edid_put_dummy(descriptor);
	}

	if (extended) {
		base[126] = 1;
		edid_put_displayid(base + ORIEL_EDID_BLOCK_SIZE, &preferred, info);
	}
	edid_put_checksum(base, ORIEL_EDID_BLOCK_SIZE);

	*ret_edid = edid;
	return true;
}
