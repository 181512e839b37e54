#include "guest/edid.h"

#include <inttypes.h>
#include <libdisplay-info/cvt.h>
#include <libdisplay-info/displayid.h>
#include <libdisplay-info/dmt.h>
#include <libdisplay-info/edid.h>
#include <libdisplay-info/info.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest/validate.h"

/*
 * What is made is read by libdisplay-info, which must find nothing to complain of, and its timings
 * are compared with those that libdisplay-info's own CVT gives.
 */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct mode {
	int width, height;
	int h_blank, h_front, h_sync, v_blank, v_front, v_sync;
	int64_t clock_hz;
};

/* An EDID as it is read. */
struct reading {
	struct di_info *info;
	const struct di_edid *edid;
	struct mode base; /* the base block's detailed timing */
	struct mode preferred; /* the DisplayID block's if there is one, else the base block's */
	const struct di_edid_display_range_limits *limits; /* may be NULL */
};

/* A guest's monitor, to be varied. */
static struct oriel_edid_info plain_info(int width, int height, int refresh_mhz) {
	return (struct oriel_edid_info){
		.width = width,
		.height = height,
		.refresh_mhz = refresh_mhz,
		.width_mm = 531,
		.height_mm = 299,
		.name = "debian",
		.serial = "0:0",
		.serial_number = 0x12345678,
		.max_size_bytes = ORIEL_EDID_SIZE_MAX,
	};
}

static int clamp(int value, int min, int max) {
	return value < min ? min : value > max ? max : value;
}

static const struct di_displayid_data_block *const *get_displayid_blocks(
		const struct di_edid_ext *ext) {
	assert_int_equal(di_edid_ext_get_tag(ext), DI_EDID_EXT_DISPLAYID);
	const struct di_displayid *displayid = di_edid_ext_get_displayid(ext);
	assert_non_null(displayid);
	assert_int_equal(di_displayid_get_version(displayid), 1);
	assert_int_equal(di_displayid_get_revision(displayid), 3);
	assert_int_equal(di_displayid_get_product_type(displayid),
			DI_DISPLAYID_PRODUCT_TYPE_STANDALONE_DISPLAY);
	const struct di_displayid_data_block *const *blocks = di_displayid_get_data_blocks(displayid);
	static const enum di_displayid_data_block_tag tags[] = {
		DI_DISPLAYID_DATA_BLOCK_PRODUCT_ID,
		DI_DISPLAYID_DATA_BLOCK_DISPLAY_PARAMS,
		DI_DISPLAYID_DATA_BLOCK_TYPE_I_TIMING,
	};
	for (size_t i = 0; i < ARRAY_LENGTH(tags); i++) {
		assert_non_null(blocks[i]);
		assert_int_equal(di_displayid_data_block_get_tag(blocks[i]), tags[i]);
	}
	assert_null(blocks[ARRAY_LENGTH(tags)]);
	return blocks;
}

static const struct di_displayid_type_i_ii_vii_timing *get_displayid_timing(
		const struct di_edid_ext *ext) {
	const struct di_displayid_type_i_ii_vii_timing *const *timings =
			di_displayid_data_block_get_type_i_timings(get_displayid_blocks(ext)[2]);
	assert_non_null(timings[0]);
	assert_null(timings[1]);
	return timings[0];
}

static const struct di_displayid_display_params *get_displayid_params(const struct reading *reading) {
	const struct di_edid_ext *ext = di_edid_get_extensions(reading->edid)[0];
	return di_displayid_data_block_get_display_params(get_displayid_blocks(ext)[1]);
}

static void read_displayid(struct reading *reading, const struct di_edid_ext *ext) {
	const struct di_displayid_type_i_ii_vii_timing *timing = get_displayid_timing(ext);
	assert_true(timing->preferred);
	assert_false(timing->interlaced);
	assert_int_equal(timing->stereo_3d, DI_DISPLAYID_TYPE_I_II_VII_TIMING_STEREO_3D_NEVER);
	assert_int_equal(timing->aspect_ratio, DI_DISPLAYID_TIMING_ASPECT_RATIO_UNDEFINED);
	assert_int_equal(timing->horiz_sync_polarity,
			DI_DISPLAYID_TYPE_I_II_VII_TIMING_SYNC_POSITIVE);
	assert_int_equal(timing->vert_sync_polarity, DI_DISPLAYID_TYPE_I_II_VII_TIMING_SYNC_NEGATIVE);
	reading->preferred = (struct mode){
		.width = timing->horiz_active,
		.height = timing->vert_active,
		.h_blank = timing->horiz_blank,
		.h_front = timing->horiz_offset,
		.h_sync = timing->horiz_sync_width,
		.v_blank = timing->vert_blank,
		.v_front = timing->vert_offset,
		.v_sync = timing->vert_sync_width,
		.clock_hz = llround(timing->pixel_clock_mhz * 100) * 10000,
	};
}

static void read_detailed_timing(struct reading *reading) {
	const struct di_edid_detailed_timing_def *const *timings =
			di_edid_get_detailed_timing_defs(reading->edid);
	assert_non_null(timings[0]);
	assert_null(timings[1]);
	const struct di_edid_detailed_timing_def *timing = timings[0];
	assert_false(timing->interlaced);
	assert_int_equal(timing->stereo, DI_EDID_DETAILED_TIMING_DEF_STEREO_NONE);
	assert_int_equal(timing->horiz_border, 0);
	assert_int_equal(timing->vert_border, 0);
	assert_int_equal(timing->signal_type, DI_EDID_DETAILED_TIMING_DEF_SIGNAL_DIGITAL_SEPARATE);
	assert_int_equal(timing->digital_separate->sync_horiz_polarity,
			DI_EDID_DETAILED_TIMING_DEF_SYNC_POSITIVE);
	assert_int_equal(timing->digital_separate->sync_vert_polarity,
			DI_EDID_DETAILED_TIMING_DEF_SYNC_NEGATIVE);
	reading->base = (struct mode){
		.width = timing->horiz_video,
		.height = timing->vert_video,
		.h_blank = timing->horiz_blank,
		.h_front = timing->horiz_front_porch,
		.h_sync = timing->horiz_sync_pulse,
		.v_blank = timing->vert_blank,
		.v_front = timing->vert_front_porch,
		.v_sync = timing->vert_sync_pulse,
		.clock_hz = timing->pixel_clock_hz,
	};
}

static void reading_init(struct reading *reading, const struct oriel_edid *edid) {
	assert_true(edid->size_bytes == 128 || edid->size_bytes == 256);
	for (size_t block = 0; block < 2; block++) {
		uint8_t sum = 0;
		for (size_t i = 0; i < 128; i++) {
			uint8_t byte = edid->data[128 * block + i];
			sum = (uint8_t)(sum + byte);
			assert_true(128 * block < edid->size_bytes || byte == 0);
		}
		assert_int_equal(sum, 0);
	}

	*reading = (struct reading){ .info = di_info_parse_edid(edid->data, edid->size_bytes) };
	assert_non_null(reading->info);
	const char *failure = di_info_get_failure_msg(reading->info);
	if (failure != NULL) {
		fail_msg("%s", failure);
	}
	reading->edid = di_info_get_edid(reading->info);
	assert_int_equal(di_edid_get_version(reading->edid), 1);
	assert_int_equal(di_edid_get_revision(reading->edid), 4);

	read_detailed_timing(reading);
	const struct di_edid_ext *const *exts = di_edid_get_extensions(reading->edid);
	assert_true((exts[0] != NULL) == (edid->size_bytes == 256));
	if (exts[0] != NULL) {
		assert_null(exts[1]);
		read_displayid(reading, exts[0]);
	} else {
		reading->preferred = reading->base;
	}
	const struct di_edid_display_descriptor *const *descriptors =
			di_edid_get_display_descriptors(reading->edid);
	for (; *descriptors != NULL; descriptors++) {
		if (di_edid_display_descriptor_get_tag(*descriptors) ==
				DI_EDID_DISPLAY_DESCRIPTOR_RANGE_LIMITS) {
			assert_null(reading->limits);
			reading->limits = di_edid_display_descriptor_get_range_limits(*descriptors);
		}
	}
}

static void reading_finish(struct reading *reading) {
	di_info_destroy(reading->info);
}

static struct reading make_and_read(const struct oriel_edid_info *info, struct oriel_edid *edid) {
	memset(edid, 0xa5, sizeof(*edid));
	assert_true(oriel_edid_make(info, edid));
	struct reading reading;
	reading_init(&reading, edid);
	return reading;
}

static struct mode get_cvt(int width, int height, int refresh_mhz,
		enum di_cvt_reduced_blanking_version version) {
	struct di_cvt_options options = {
		.red_blank_ver = version,
		.h_pixels = width,
		.v_lines = height,
		.ip_freq_rqd = refresh_mhz / 1000.0,
	};
	struct di_cvt_timing cvt;
	di_cvt_compute(&cvt, &options);
	struct mode mode = {
		.width = width,
		.height = height,
		.h_blank = (int)(cvt.h_front_porch + cvt.h_sync + cvt.h_back_porch),
		.h_front = (int)cvt.h_front_porch,
		.h_sync = (int)cvt.h_sync,
		.v_blank = (int)(cvt.v_front_porch + cvt.v_sync + cvt.v_back_porch),
		.v_front = (int)cvt.v_front_porch,
		.v_sync = (int)cvt.v_sync,
		.clock_hz = llround(cvt.act_pixel_freq * 1000000),
	};
	return mode;
}

/*
 * True if a is b to the nearest 10 kHz. CVT rounds down to 1 kHz, and may, since it is done in
 * doubles there, come out as 1 kHz less than what is right.
 */
static bool clock_equal(int64_t a_hz, int64_t b_hz) {
	return a_hz - b_hz >= -5000 && a_hz - b_hz <= 6000;
}

static bool mode_equal(const struct mode *a, const struct mode *b) {
	return a->width == b->width && a->height == b->height && a->h_blank == b->h_blank &&
			a->h_front == b->h_front && a->h_sync == b->h_sync &&
			a->v_blank == b->v_blank && a->v_front == b->v_front &&
			a->v_sync == b->v_sync && clock_equal(a->clock_hz, b->clock_hz);
}

static bool mode_fits(const struct mode *mode) {
	return mode->width <= 4095 && mode->height <= 4095 && mode->v_front <= 63 &&
			mode->clock_hz < 655355000;
}

static bool mode_fits_base_block(int width, int height, int refresh_mhz) {
	struct mode rb2 = get_cvt(width, height, refresh_mhz, DI_CVT_REDUCED_BLANKING_V2);
	struct mode rb1 = get_cvt(width, height, refresh_mhz, DI_CVT_REDUCED_BLANKING_V1);
	return mode_fits(&rb2) || (width % 8 == 0 && mode_fits(&rb1));
}

/* Version 1 only where the base block has no room for version 2. */
static bool mode_is_cvt(const struct mode *mode, int refresh_mhz) {
	struct mode rb2 = get_cvt(mode->width, mode->height, refresh_mhz, DI_CVT_REDUCED_BLANKING_V2);
	struct mode rb1 = get_cvt(mode->width, mode->height, refresh_mhz, DI_CVT_REDUCED_BLANKING_V1);
	if (mode_fits(&rb2) || mode->width % 8 != 0 || !mode_fits(&rb1)) {
		return mode_equal(mode, &rb2);
	}
	return mode_equal(mode, &rb1);
}

static double mode_get_refresh_mhz(const struct mode *mode) {
	return (double)mode->clock_hz * 1000 / (mode->width + mode->h_blank) /
			(mode->height + mode->v_blank);
}

static void limits_hold(const struct reading *reading, double clock_hz, int h_total, int v_total) {
	const struct di_edid_display_range_limits *limits = reading->limits;
	double h_rate_hz = clock_hz / h_total, v_rate_hz = h_rate_hz / v_total;
	assert_true(limits->min_vert_rate_hz <= v_rate_hz && v_rate_hz <= limits->max_vert_rate_hz);
	assert_true(limits->min_horiz_rate_hz <= h_rate_hz && h_rate_hz <= limits->max_horiz_rate_hz);
	assert_true(clock_hz <= (double)limits->max_pixel_clock_hz);
}

static bool mode_has_limits(const struct mode *mode) {
	double h_rate_hz = (double)mode->clock_hz / (mode->width + mode->h_blank);
	double v_rate_hz = h_rate_hz / (mode->height + mode->v_blank);
	return mode->clock_hz <= 2550000000 && h_rate_hz >= 1000 && h_rate_hz <= 510000 &&
			v_rate_hz >= 1 && v_rate_hz <= 510;
}

/* The range limits hold every mode, and are no wider than they need be. They go only if they must. */
static void limits_are_right(const struct reading *reading) {
	const struct mode *base = &reading->base, *preferred = &reading->preferred;
	if (reading->limits == NULL) {
		assert_false(mode_has_limits(base) && mode_has_limits(preferred));
		return;
	}
	assert_int_equal(reading->limits->type, DI_EDID_DISPLAY_RANGE_LIMITS_BARE);
	limits_hold(reading, (double)base->clock_hz, base->width + base->h_blank,
			base->height + base->v_blank);
	limits_hold(reading, (double)preferred->clock_hz, preferred->width + preferred->h_blank,
			preferred->height + preferred->v_blank);
	double refresh_hz = mode_get_refresh_mhz(preferred) / 1000;
	double base_refresh_hz = mode_get_refresh_mhz(base) / 1000;
	assert_true(reading->limits->max_vert_rate_hz <=
			fmax(fmax(refresh_hz, base_refresh_hz) + 1, 61));
	assert_true(reading->limits->min_vert_rate_hz >=
			fmin(fmin(refresh_hz, base_refresh_hz) - 1, 59));
	assert_true((double)reading->limits->max_pixel_clock_hz <
			fmax((double)preferred->clock_hz, 162000000) + 10000000);
}

static void listed_mode_is_right(const struct reading *reading, int width, int height,
		double clock_hz, int h_total, int v_total) {
	const struct mode *preferred = &reading->preferred;
	assert_true(width <= preferred->width && height <= preferred->height);
	assert_true(width < preferred->width || height < preferred->height);
	if (reading->limits != NULL) {
		limits_hold(reading, clock_hz, h_total, v_total);
	}
}

/* Returns how many there are. */
static size_t listed_modes_are_right(const struct reading *reading) {
	const struct di_edid_established_timings_i_ii *established =
			di_edid_get_established_timings_i_ii(reading->edid);
	size_t count = 0;
	if (established->has_640x480_60hz) {
		listed_mode_is_right(reading, 640, 480, 25175000, 800, 525);
		count++;
	}
	if (established->has_800x600_60hz) {
		listed_mode_is_right(reading, 800, 600, 40000000, 1056, 628);
		count++;
	}
	if (established->has_1024x768_60hz) {
		listed_mode_is_right(reading, 1024, 768, 65000000, 1344, 806);
		count++;
	}
	assert_false(established->has_720x400_70hz || established->has_720x400_88hz ||
			established->has_640x480_67hz || established->has_640x480_72hz ||
			established->has_640x480_75hz || established->has_800x600_56hz ||
			established->has_800x600_72hz || established->has_800x600_75hz ||
			established->has_832x624_75hz || established->has_1024x768_87hz_interlaced ||
			established->has_1024x768_70hz || established->has_1024x768_75hz ||
			established->has_1280x1024_75hz || established->has_1152x870_75hz);

	const struct di_edid_standard_timing *const *timing =
			di_edid_get_standard_timings(reading->edid);
	for (; *timing != NULL; timing++, count++) {
		assert_int_equal((*timing)->refresh_rate_hz, 60);
		/* Nobody has to guess at its timing. */
		const struct di_dmt_timing *dmt = di_edid_standard_timing_get_dmt(*timing);
		assert_non_null(dmt);
		assert_int_equal(dmt->horiz_video, (*timing)->horiz_video);
		assert_int_equal(dmt->vert_video, di_edid_standard_timing_get_vert_video(*timing));
		listed_mode_is_right(reading, dmt->horiz_video, dmt->vert_video,
				dmt->pixel_clock_hz, dmt->horiz_video + dmt->horiz_blank,
				dmt->vert_video + dmt->vert_blank);
	}
	return count;
}

/* What holds for every EDID made of info. */
static void edid_is_right(const struct oriel_edid_info *info, const struct oriel_edid *edid,
		const struct reading *reading) {
	const struct mode *base = &reading->base, *preferred = &reading->preferred;
	assert_int_equal(preferred->width, edid->width);
	assert_int_equal(preferred->height, edid->height);
	assert_true(fabs(mode_get_refresh_mhz(preferred) - edid->refresh_mhz) <= 0.5001);

	int refresh_mhz = info->refresh_mhz > 0 ? clamp(info->refresh_mhz, 1000, 500000) : 60000;
	int reduced_mhz = refresh_mhz > 60000 ? 60000 : refresh_mhz;
	/* At 1 Hz and with that much room there is no size that does not fit. */
	struct oriel_edid_info slow_info = *info;
	slow_info.refresh_mhz = 1000;
	slow_info.max_size_bytes = ORIEL_EDID_SIZE_MAX;
	struct oriel_edid slow;
	assert_true(oriel_edid_make(&slow_info, &slow));
	if (info->max_xres == 0 && info->max_yres == 0) {
		assert_int_equal(slow.width, clamp(info->width, 64, 16384));
		assert_int_equal(slow.height, clamp(info->height, 64, 16384));
	}
	bool full = slow.width == edid->width && slow.height == edid->height &&
			mode_is_cvt(preferred, refresh_mhz);
	bool extended = edid->size_bytes == 256;
	bool fits = mode_fits_base_block(slow.width, slow.height, refresh_mhz);
	assert_true(full == (fits || extended));
	assert_false(fits && extended);
	if (!fits) {
		assert_true(mode_is_cvt(base, reduced_mhz));
	}
	limits_are_right(reading);
	listed_modes_are_right(reading);
}

/* --- modes --- */

/* Where the preferred mode is, and what the base block's timing is beside it. */
static const struct {
	int width, height, refresh_mhz;
	int size_bytes, version;
	int64_t clock_hz;
	int base_width, base_height, base_refresh_mhz;
} mode_cases[] = {
	/* Sizes of VESA's own examples, by their clocks. */
	{ 1920, 1080, 60000, 128, 2, 133320000, 1920, 1080, 60000 },
	{ 2560, 1440, 60000, 128, 2, 234590000, 2560, 1440, 60000 },
	{ 3840, 2160, 60000, 128, 2, 522610000, 3840, 2160, 60000 },
	{ 1920, 1080, 59940, 128, 2, 133190000, 1920, 1080, 59940 },
	/* The smallest, and odd ones. */
	{ 64, 64, 60000, 128, 2, 680000, 64, 64, 60000 },
	{ 65, 65, 60000, 128, 2, 700000, 65, 65, 60000 },
	{ 639, 479, 60000, 128, 2, 21310000, 639, 479, 60000 },
	{ 640, 480, 60000, 128, 2, 21380000, 640, 480, 60000 },
	{ 641, 481, 60000, 128, 2, 21460000, 641, 481, 60000 },
	{ 1919, 1079, 60000, 128, 2, 133130000, 1919, 1079, 60000 },
	{ 1921, 1081, 60000, 128, 2, 133510000, 1921, 1081, 60000 },
	/* High refresh rates: a front porch of 63 lines at 120 Hz, more than that above. */
	{ 1920, 1080, 120000, 128, 2, 274560000, 1920, 1080, 120000 },
	{ 1920, 1080, 240000, 128, 1, 606500000, 1920, 1080, 240000 },
	{ 2560, 1440, 144000, 128, 1, 604250000, 2560, 1440, 144000 },
	{ 2561, 1440, 144000, 256, 2, 586810000, 2561, 1440, 60000 },
	{ 3840, 2160, 120000, 256, 2, 1075800000, 3840, 2160, 60000 },
	{ 1919, 1080, 144000, 128, 2, 333050000, 1919, 1080, 144000 },
	{ 1919, 1080, 144660, 128, 2, 334580000, 1919, 1080, 144660 },
	{ 1919, 1080, 144700, 256, 2, 334960000, 1919, 1080, 60000 },
	{ 1920, 1080, 144700, 128, 1, 348500000, 1920, 1080, 144700 },
	/* 12 bits of width and of height. */
	{ 4095, 2160, 60000, 128, 2, 556610000, 4095, 2160, 60000 },
	{ 4096, 2160, 60000, 256, 2, 556740000, 2048, 1080, 60000 },
	{ 4097, 2160, 60000, 256, 2, 556880000, 2048, 1080, 60000 },
	{ 1000, 4095, 30000, 128, 2, 134560000, 1000, 4095, 30000 },
	{ 1000, 4096, 30000, 256, 2, 134590000, 500, 2048, 30000 },
	/* 16 bits of clock. */
	{ 4095, 2000, 75720, 128, 2, 655340000, 4095, 2000, 75720 },
	{ 4095, 2000, 75721, 128, 2, 655350000, 4095, 2000, 75721 },
	{ 4095, 2000, 75722, 256, 2, 655360000, 4095, 2000, 60000 },
	/* Large ones. */
	{ 5120, 2880, 60000, 256, 2, 924140000, 2560, 1440, 60000 },
	{ 7680, 4320, 60000, 256, 2, 2068660000, 3840, 2160, 60000 },
	{ 8192, 8192, 60000, 256, 2, INT64_C(4181500000), 2048, 2048, 60000 },
	/* 24 bits of clock. */
	{ 16233, 16384, 487074, 256, 2, INT64_C(167772150000), 2319, 2340, 60000 },
	{ 16383, 16384, 483621, 256, 2, INT64_C(167772160000), 2340, 2340, 60000 },
	{ 16345, 16384, 484487, 128, 2, 0, 2335, 2340, 60000 },
	{ 16384, 16384, 500000, 128, 2, 0, 2340, 2340, 60000 },
	/* Flat ones. */
	{ 16384, 64, 60000, 256, 2, 0, 3276, 64, 60000 },
	{ 64, 16384, 60000, 256, 2, 0, 64, 3276, 60000 },
	/* The range of refresh rates. */
	{ 1920, 1080, 1000, 128, 2, 2190000, 1920, 1080, 1000 },
	{ 1920, 1080, 999, 128, 2, 2190000, 1920, 1080, 1000 },
	{ 64, 64, 1000, 128, 2, 10000, 64, 64, 1000 },
	{ 640, 480, 500000, 128, 1, 249500000, 640, 480, 500000 },
	{ 640, 480, 500001, 128, 1, 249500000, 640, 480, 500000 },
	{ 640, 480, INT32_MAX, 128, 1, 249500000, 640, 480, 500000 },
	{ 640, 480, 0, 128, 2, 21380000, 640, 480, 60000 },
	{ 640, 480, -1, 128, 2, 21380000, 640, 480, 60000 },
	{ 1920, 1080, 59, 128, 2, 2190000, 1920, 1080, 1000 },
};

static void make_puts_the_mode_where_it_fits(void **state) {
	for (size_t i = 0; i < ARRAY_LENGTH(mode_cases); i++) {
		struct oriel_edid_info info = plain_info(mode_cases[i].width, mode_cases[i].height,
				mode_cases[i].refresh_mhz);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		const struct mode *preferred = &reading.preferred, *base = &reading.base;
		bool reduced = edid.width != mode_cases[i].width;
		if ((int)edid.size_bytes != mode_cases[i].size_bytes ||
				(mode_cases[i].clock_hz != 0 &&
						preferred->clock_hz != mode_cases[i].clock_hz) ||
				preferred->h_blank != (mode_cases[i].version == 2 ? 80 : 160) ||
				base->width != mode_cases[i].base_width ||
				base->height != mode_cases[i].base_height ||
				reduced !=
						(edid.size_bytes == 128 &&
								mode_cases[i].width != base->width) ||
				!mode_is_cvt(base, mode_cases[i].base_refresh_mhz)) {
			fail_msg("case %zu: %zu bytes, %dx%d, %" PRId64 " Hz, blanking %dx%d, "
				 "base %dx%d, %" PRId64 " Hz",
					i, edid.size_bytes, preferred->width, preferred->height,
					preferred->clock_hz, preferred->h_blank, preferred->v_blank,
					base->width, base->height, base->clock_hz);
		}
		edid_is_right(&info, &edid, &reading);
		reading_finish(&reading);
	}
}

static void make_small_or_large_size_is_brought_within_the_bounds(void **state) {
	static const struct {
		int asked, made;
	} cases[] = { { INT32_MIN, 64 }, { -1, 64 }, { 0, 64 }, { 1, 64 }, { 63, 64 }, { 64, 64 },
		{ 65, 65 }, { 16383, 16383 }, { 16384, 16384 }, { 16385, 16384 },
		{ INT32_MAX, 16384 } };
	assert_int_equal(ORIEL_EDID_MODE_MIN, 64);
	assert_int_equal(ORIEL_VALIDATE_SIZE_MAX, 16384);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info = plain_info(cases[i].asked, 600, 60000);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		assert_int_equal(edid.width, cases[i].made);
		assert_int_equal(edid.height, 600);
		edid_is_right(&info, &edid, &reading);
		reading_finish(&reading);

		info = plain_info(800, cases[i].asked, 60000);
		reading = make_and_read(&info, &edid);
		assert_int_equal(edid.width, 800);
		assert_int_equal(edid.height, cases[i].made);
		edid_is_right(&info, &edid, &reading);
		reading_finish(&reading);
	}
}

/* How near the refresh rate comes to what was asked: half a step of the clock, which is 10 kHz. */
static void make_refresh_is_within_tolerance(void **state) {
	static const struct {
		int width, height, refresh_mhz, below_mhz, above_mhz;
	} cases[] = {
		{ 1920, 1080, 60000, 3, 3 },
		{ 1920, 1080, 59940, 3, 3 },
		{ 1920, 1080, 120000, 3, 3 },
		{ 1921, 1081, 74973, 3, 3 },
		{ 3840, 2160, 60000, 1, 1 },
		{ 640, 480, 60000, 16, 14 },
		{ 639, 479, 75000, 16, 14 },
		{ 320, 200, 60000, 70, 60 },
		{ 64, 64, 60000, 530, 440 },
		/* By version 1, which rounds down to 250 kHz. */
		{ 1920, 1080, 240000, 99, 0 },
		{ 2560, 1440, 144000, 60, 0 },
		{ 640, 480, 500000, 502, 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info =
				plain_info(cases[i].width, cases[i].height, cases[i].refresh_mhz);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		int off_mhz = edid.refresh_mhz - info.refresh_mhz;
		if (off_mhz < -cases[i].below_mhz || off_mhz > cases[i].above_mhz) {
			fail_msg("case %zu: off by %d mHz", i, off_mhz);
		}
		reading_finish(&reading);
	}
}

/* By VESA's table, for version 1, where it counts. */
static void make_sync_width_tells_the_aspect(void **state) {
	static const struct {
		int width, height, v_sync;
	} cases[] = { { 1280, 960, 4 }, { 1920, 1080, 5 }, { 1280, 800, 6 }, { 1280, 1024, 7 },
		{ 1280, 768, 7 }, { 1288, 800, 10 }, { 1280, 801, 10 } };
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info = plain_info(cases[i].width, cases[i].height, 240000);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		assert_int_equal(reading.preferred.h_blank, 160);
		assert_int_equal(reading.preferred.v_sync, cases[i].v_sync);
		reading_finish(&reading);
	}
}

/* Every size from one of two bounds on, since those are what a window is dragged through. */
static void make_any_size_is_the_preferred_one(void **state) {
	static const int ranges[][4] = { { 64, 330, 600, 60000 }, { 1900, 1960, 1080, 59951 },
		{ 4080, 4110, 2160, 60000 }, { 2540, 2580, 1440, 143912 },
		{ 1270, 1290, 720, 240000 } };
	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
		for (int width = ranges[i][0]; width <= ranges[i][1]; width++) {
			struct oriel_edid_info info = plain_info(width, ranges[i][2], ranges[i][3]);
			struct oriel_edid edid;
			struct reading reading = make_and_read(&info, &edid);
			assert_int_equal(reading.preferred.width, width);
			assert_int_equal(reading.preferred.height, ranges[i][2]);
			edid_is_right(&info, &edid, &reading);
			reading_finish(&reading);

			info = plain_info(ranges[i][2], width, ranges[i][3]);
			reading = make_and_read(&info, &edid);
			assert_int_equal(reading.preferred.width, ranges[i][2]);
			assert_int_equal(reading.preferred.height, width);
			edid_is_right(&info, &edid, &reading);
			reading_finish(&reading);
		}
	}
}

static uint32_t random_next(uint64_t *seed) {
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

/* Up to a bound of as many bits as chance has it, so that small ones come as often as large ones. */
static int random_size(uint64_t *seed) {
	return (int)(random_next(seed) % (2u << random_next(seed) % 15));
}

static void make_holds_for_random_input(void **state) {
	uint64_t seed = 4;
	size_t extended = 0, reduced = 0, without_limits = 0;
	for (int i = 0; i < 20000; i++) {
		char name[20], serial[20];
		for (size_t k = 0; k < sizeof(name) - 1; k++) {
			name[k] = (char)random_next(&seed);
			serial[k] = (char)random_next(&seed);
		}
		name[random_next(&seed) % sizeof(name)] = '\0';
		serial[random_next(&seed) % sizeof(serial)] = '\0';
		name[sizeof(name) - 1] = '\0';
		serial[sizeof(serial) - 1] = '\0';
		struct oriel_edid_info info = {
			.width = random_size(&seed),
			.height = random_size(&seed),
			.refresh_mhz = (int)(random_next(&seed) %
					(random_next(&seed) % 2 ? 100000 : 600000)),
			.width_mm = random_size(&seed),
			.height_mm = random_size(&seed),
			.name = name,
			.serial = serial,
			.serial_number = random_next(&seed),
			.max_xres = random_next(&seed) % 2 ? 0 : (uint32_t)random_size(&seed),
			.max_yres = random_next(&seed) % 2 ? 0 : (uint32_t)random_size(&seed),
			.max_size_bytes = random_next(&seed) % 4 ? 1024 : 128,
		};
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		edid_is_right(&info, &edid, &reading);
		extended += edid.size_bytes == 256;
		reduced += edid.size_bytes == 128 && edid.width != info.width;
		without_limits += reading.limits == NULL;
		reading_finish(&reading);
	}
	assert_true(extended > 100 && reduced > 100 && without_limits > 100);
}

/* --- the device's limits --- */

static void make_large_mode_is_scaled_to_the_device(void **state) {
	static const struct {
		int width, height;
		uint32_t max_xres, max_yres;
		int made_width, made_height;
	} cases[] = {
		{ 1920, 1080, 0, 0, 1920, 1080 },
		{ 1920, 1080, 1920, 1080, 1920, 1080 },
		{ 1920, 1080, 1921, 1081, 1920, 1080 },
		{ 1920, 1080, 1919, 1080, 1919, 1079 },
		{ 1920, 1080, 1920, 1079, 1918, 1079 },
		{ 3840, 2160, 1920, 1200, 1920, 1080 },
		{ 3840, 2160, 1920, 0, 1920, 1080 },
		{ 3840, 2160, 0, 1200, 2133, 1200 },
		{ 1080, 1920, 1920, 1200, 675, 1200 },
		{ 8000, 8000, 1920, 1200, 1200, 1200 },
		{ 1366, 768, 1280, 0, 1280, 720 },
		{ 1920, 1080, UINT32_MAX, UINT32_MAX, 1920, 1080 },
		{ 1920, 1080, (uint32_t)INT32_MAX + 1, 0, 1920, 1080 },
		/* Never too small for a guest to take it. */
		{ 1920, 1080, 100, 100, 100, 64 },
		{ 1920, 1080, 64, 64, 64, 64 },
		{ 1920, 1080, 63, 0, 64, 64 },
		{ 1920, 1080, 1, 1, 64, 64 },
		{ 16384, 64, 65, 0, 65, 64 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info = plain_info(cases[i].width, cases[i].height, 60000);
		info.max_xres = cases[i].max_xres;
		info.max_yres = cases[i].max_yres;
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		if (edid.width != cases[i].made_width || edid.height != cases[i].made_height) {
			fail_msg("case %zu: %dx%d", i, edid.width, edid.height);
		}
		edid_is_right(&info, &edid, &reading);
		reading_finish(&reading);
	}
}

static void make_without_room_for_a_block_makes_nothing(void **state) {
	struct oriel_edid_info info = plain_info(1920, 1080, 60000);
	struct oriel_edid edid, before;
	memset(&edid, 0xa5, sizeof(edid));
	before = edid;
	info.max_size_bytes = 0;
	assert_false(oriel_edid_make(&info, &edid));
	info.max_size_bytes = 127;
	assert_false(oriel_edid_make(&info, &edid));
	assert_memory_equal(&edid, &before, sizeof(edid));
	info.max_size_bytes = 128;
	assert_true(oriel_edid_make(&info, &edid));
	assert_int_equal(edid.size_bytes, 128);
}

static void make_without_room_for_two_blocks_prefers_what_fits(void **state) {
	static const struct {
		size_t max_size_bytes;
		int width, height, refresh_mhz;
		size_t size_bytes;
		int made_width, made_height, made_refresh_mhz;
	} cases[] = {
		{ 128, 1920, 1080, 60000, 128, 1920, 1080, 60000 },
		{ 128, 3840, 2160, 120000, 128, 3840, 2160, 60000 },
		{ 255, 3840, 2160, 120000, 128, 3840, 2160, 60000 },
		{ 256, 3840, 2160, 120000, 256, 3840, 2160, 120000 },
		{ 257, 3840, 2160, 120000, 256, 3840, 2160, 120000 },
		{ SIZE_MAX, 3840, 2160, 120000, 256, 3840, 2160, 120000 },
		{ 128, 5120, 2880, 60000, 128, 2560, 1440, 60000 },
		{ 128, 5120, 2880, 24000, 128, 2560, 1440, 24000 },
		{ 128, 2561, 1440, 144000, 128, 2561, 1440, 60000 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info =
				plain_info(cases[i].width, cases[i].height, cases[i].refresh_mhz);
		info.max_size_bytes = cases[i].max_size_bytes;
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		if (edid.size_bytes != cases[i].size_bytes || edid.width != cases[i].made_width ||
				edid.height != cases[i].made_height ||
				abs(edid.refresh_mhz - cases[i].made_refresh_mhz) > 3) {
			fail_msg("case %zu: %zu bytes, %dx%d, %d mHz", i, edid.size_bytes,
					edid.width, edid.height, edid.refresh_mhz);
		}
		edid_is_right(&info, &edid, &reading);
		reading_finish(&reading);
	}
}

/* --- the rest of it --- */

static void make_lists_the_smaller_common_modes(void **state) {
	static const struct {
		int width, height;
		size_t count;
	} cases[] = {
		{ 639, 1000, 0 },
		{ 1000, 479, 0 },
		{ 640, 480, 0 },
		{ 641, 480, 1 },
		{ 640, 481, 1 },
		{ 800, 600, 1 },
		{ 801, 600, 2 },
		{ 1024, 769, 3 },
		{ 1280, 720, 2 },
		{ 1280, 800, 4 },
		{ 1280, 1024, 5 },
		{ 1366, 768, 4 },
		{ 1920, 1080, 9 },
		{ 1920, 1200, 11 },
		{ 2560, 1440, 11 },
		{ 8192, 8192, 11 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info = plain_info(cases[i].width, cases[i].height, 60000);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		size_t count = listed_modes_are_right(&reading);
		if (count != cases[i].count) {
			fail_msg("case %zu: %zu modes", i, count);
		}
		reading_finish(&reading);
	}
}

static void make_lists_these_modes_in_this_order(void **state) {
	static const int sizes[][2] = { { 1280, 720 }, { 1280, 800 }, { 1280, 1024 }, { 1440, 900 },
		{ 1600, 900 }, { 1600, 1200 }, { 1680, 1050 }, { 1920, 1080 } };
	struct oriel_edid_info info = plain_info(2560, 1440, 60000);
	struct oriel_edid edid;
	struct reading reading = make_and_read(&info, &edid);
	const struct di_edid_standard_timing *const *timings =
			di_edid_get_standard_timings(reading.edid);
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		assert_int_equal(timings[i]->horiz_video, sizes[i][0]);
		assert_int_equal(di_edid_standard_timing_get_vert_video(timings[i]), sizes[i][1]);
	}
	assert_null(timings[ARRAY_LENGTH(sizes)]);
	reading_finish(&reading);
}

static void make_range_limits_hold_up_to_their_bounds(void **state) {
	static const struct {
		int width, height, refresh_mhz;
		bool limits;
		int v_min, v_max, h_min, h_max, clock_mhz; /* Hz, Hz, kHz, kHz */
	} cases[] = {
		/* The listed modes count: 640x480 has 31.5 kHz, 1920x1080 is not listed here. */
		{ 1920, 1080, 60000, true, 59, 61, 31, 67, 150 },
		{ 600, 400, 60000, true, 59, 60, 24, 25, 20 },
		{ 600, 400, 30000, true, 30, 31, 12, 13, 10 },
		/* Up to 255 Hz, one offset, and both. */
		{ 640, 480, 300000, true, 299, 300, 167, 168, 130 },
		{ 600, 400, 254900, true, 254, 255, 115, 116, 80 },
		{ 600, 400, 255900, true, 255, 256, 116, 117, 80 },
		{ 600, 400, 257500, true, 257, 258, 116, 117, 80 },
		{ 2560, 1440, 144000, true, 59, 144, 31, 223, 610 },
		{ 1920, 1600, 150000, true, 59, 150, 31, 258, 540 },
		{ 600, 1600, 150000, true, 149, 150, 257, 258, 200 },
		/* 510 kHz is the most. */
		{ 640, 783, 500000, true, 59, 500, 31, 509, 410 },
		{ 640, 785, 500000, true, 59, 500, 31, 510, 410 },
		{ 640, 786, 500000, false, 0, 0, 0, 0, 0 },
		/* A line in 1 ms is the slowest. */
		{ 600, 84, 10000, false, 0, 0, 0, 0, 0 },
		{ 600, 85, 10000, true, 10, 10, 1, 1, 10 },
		{ 600, 86, 10000, true, 10, 11, 1, 2, 10 },
		/* A frame in 1 s, too. */
		{ 1000, 2000, 1000, true, 1, 61, 2, 38, 40 },
		{ 64, 64, 1000, false, 0, 0, 0, 0, 0 },
		/* 2550 MHz. */
		{ 9400, 4320, 60000, true, 59, 61, 31, 267, 2530 },
		{ 9480, 4320, 60000, true, 59, 61, 31, 267, 2550 },
		{ 9500, 4320, 60000, false, 0, 0, 0, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info =
				plain_info(cases[i].width, cases[i].height, cases[i].refresh_mhz);
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		limits_are_right(&reading);
		const struct di_edid_display_range_limits *limits = reading.limits;
		if ((limits != NULL) != cases[i].limits) {
			fail_msg("case %zu: %s", i, limits != NULL ? "limits" : "no limits");
		}
		if (limits != NULL &&
				(limits->min_vert_rate_hz != cases[i].v_min ||
						limits->max_vert_rate_hz != cases[i].v_max ||
						limits->min_horiz_rate_hz != cases[i].h_min * 1000 ||
						limits->max_horiz_rate_hz != cases[i].h_max * 1000 ||
						limits->max_pixel_clock_hz !=
								cases[i].clock_mhz * 1000000LL)) {
			fail_msg("case %zu: %d-%d Hz, %d-%d Hz, %" PRId64 " Hz", i,
					limits->min_vert_rate_hz, limits->max_vert_rate_hz,
					limits->min_horiz_rate_hz, limits->max_horiz_rate_hz,
					limits->max_pixel_clock_hz);
		}
		reading_finish(&reading);
	}
}

static void make_size_is_in_millimetres(void **state) {
	static const struct {
		int width_mm, height_mm, made_width_mm, made_height_mm, width_cm, height_cm;
	} cases[] = {
		{ 531, 299, 531, 299, 53, 30 },
		{ 0, 0, 0, 0, 0, 0 },
		{ 531, 0, 0, 0, 0, 0 },
		{ 0, 299, 0, 0, 0, 0 },
		{ -1, 299, 0, 0, 0, 0 },
		{ 531, -1, 0, 0, 0, 0 },
		/* No single zero, which would mean something else. */
		{ 1, 1, 1, 1, 1, 1 },
		{ 4, 100, 4, 100, 1, 10 },
		{ 255, 256, 255, 256, 26, 26 },
		{ 2554, 300, 2554, 300, 255, 30 },
		{ 2555, 300, 2555, 300, 0, 0 },
		{ 300, 2554, 300, 2554, 30, 255 },
		{ 300, 2555, 300, 2555, 0, 0 },
		{ 4095, 4095, 4095, 4095, 0, 0 },
		{ 4096, 300, 0, 0, 0, 0 },
		{ 300, 4096, 0, 0, 0, 0 },
		{ INT32_MAX, INT32_MAX, 0, 0, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct oriel_edid_info info = plain_info(1920, 1080, 60000);
		info.width_mm = cases[i].width_mm;
		info.height_mm = cases[i].height_mm;
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		const struct di_edid_detailed_timing_def *timing =
				di_edid_get_detailed_timing_defs(reading.edid)[0];
		const struct di_edid_screen_size *size = di_edid_get_screen_size(reading.edid);
		if (timing->horiz_image_mm != cases[i].made_width_mm ||
				timing->vert_image_mm != cases[i].made_height_mm ||
				size->width_cm != cases[i].width_cm ||
				size->height_cm != cases[i].height_cm ||
				size->landscape_aspect_ratio != 0 || size->portait_aspect_ratio != 0) {
			fail_msg("case %zu: %dx%d mm, %dx%d cm", i, timing->horiz_image_mm,
					timing->vert_image_mm, size->width_cm, size->height_cm);
		}
		reading_finish(&reading);
	}
}

/* It says all of it once more, and libdisplay-info does not read who made it. */
static void make_second_block_is_of_the_same_monitor(void **state) {
	static const struct {
		int width_mm, height_mm, made_width_mm, made_height_mm;
	} cases[] = { { 600, 340, 600, 340 }, { 0, 340, 0, 0 }, { 600, -1, 0, 0 },
		{ 6553, 6553, 6553, 6553 }, { 6554, 100, 0, 0 }, { 100, 6554, 0, 0 } };
	struct oriel_edid_info info = plain_info(5120, 2880, 60000);
	struct oriel_edid edid;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		info.width_mm = cases[i].width_mm;
		info.height_mm = cases[i].height_mm;
		struct reading reading = make_and_read(&info, &edid);
		const struct di_displayid_display_params *params = get_displayid_params(&reading);
		assert_float_equal(params->horiz_image_mm, cases[i].made_width_mm, 0.01);
		assert_float_equal(params->vert_image_mm, cases[i].made_height_mm, 0.01);
		assert_int_equal(params->horiz_pixels, 5120);
		assert_int_equal(params->vert_pixels, 2880);
		assert_float_equal(params->gamma, 2.2, 0.001);
		assert_float_equal(params->aspect_ratio, 1.77, 0.001);
		assert_int_equal(params->bits_per_color_native, 8);
		assert_int_equal(params->bits_per_color_overall, 8);
		reading_finish(&reading);
	}
	assert_memory_equal(edid.data + 128 + 5, "\0\0\x0cORL\x01\0\x78\x56\x34\x12\xff\x1a\0", 15);

	static const struct {
		int width, height;
		double ratio;
	} ratios[] = { { 5000, 5000, 1 }, { 2880, 5120, 1.77 }, { 5070, 2000, 2.53 },
		{ 7100, 2000, 3.55 }, { 7120, 2000, 3.55 }, { 64, 5000, 3.55 } };
	for (size_t i = 0; i < ARRAY_LENGTH(ratios); i++) {
		info = plain_info(ratios[i].width, ratios[i].height, 60000);
		struct reading reading = make_and_read(&info, &edid);
		assert_float_equal(get_displayid_params(&reading)->aspect_ratio, ratios[i].ratio,
				0.001);
		reading_finish(&reading);
	}
}

static const struct {
	const char *given, *made; /* NULL: none */
} text_cases[] = {
	{ "debian", "debian" },
	{ NULL, NULL },
	{ "", NULL },
	{ " ", NULL },
	{ "             ", NULL },
	{ "x", "x" },
	{ "twelve chars", "twelve chars" },
	{ "thirteen char", "thirteen char" },
	{ "fourteen chars", "fourteen char" },
	{ "no space behind it", "no space behi" },
	{ "cut before a space", "cut before a" },
	{ "  trimmed  ", "trimmed" },
	{ "in  between", "in  between" },
	{ "~!\"#$%&'()*+,", "~!\"#$%&'()*+," },
	{ "line\nand\ttab\x7f", "line?and?tab?" },
	/* As many as there are characters, not bytes. */
	{ "Gäste-PC", "G?ste-PC" },
	{ "\xe6\x9d\xb1\xe4\xba\xac", "??" },
	{ "\xf0\x9f\x96\xa5 desk", "? desk" },
	{ "ääääääääääääää", "?????????????" },
	/* Bytes that begin nothing, and the end in the middle of a character. */
	{ "\x80\xbf", NULL },
	{ "a\xc3", "a?" },
	{ "\xff\xfe", "??" },
};

static void make_name_and_serial_are_ascii_of_13_characters(void **state) {
	for (size_t i = 0; i < ARRAY_LENGTH(text_cases); i++) {
		struct oriel_edid_info info = plain_info(1920, 1080, 60000);
		info.name = text_cases[i].given;
		info.serial = text_cases[i].given;
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		char *model = di_info_get_model(reading.info);
		assert_string_equal(model, text_cases[i].made != NULL ? text_cases[i].made : "Oriel");
		free(model);

		const char *serial = NULL;
		const struct di_edid_display_descriptor *const *descriptors =
				di_edid_get_display_descriptors(reading.edid);
		for (; *descriptors != NULL; descriptors++) {
			if (di_edid_display_descriptor_get_tag(*descriptors) ==
					DI_EDID_DISPLAY_DESCRIPTOR_PRODUCT_SERIAL) {
				assert_null(serial);
				serial = di_edid_display_descriptor_get_string(*descriptors);
			}
		}
		if (text_cases[i].made != NULL) {
			assert_string_equal(serial, text_cases[i].made);
		} else {
			assert_null(serial);
		}
		reading_finish(&reading);
	}
}

/* The end of a text, which libdisplay-info is lenient with: a line feed, and space behind it. */
static void make_text_ends_as_the_standard_says(void **state) {
	struct oriel_edid_info info = plain_info(1920, 1080, 60000);
	info.name = "twelve chars";
	info.serial = "ten chars.";
	struct oriel_edid edid;
	assert_true(oriel_edid_make(&info, &edid));
	assert_memory_equal(edid.data + 90, "\0\0\0\xfc\0twelve chars\n", 18);
	assert_memory_equal(edid.data + 108, "\0\0\0\xff\0ten chars.\n  ", 18);
	info.name = "thirteen char";
	info.serial = NULL;
	assert_true(oriel_edid_make(&info, &edid));
	assert_memory_equal(edid.data + 90, "\0\0\0\xfc\0thirteen char", 18);
	assert_memory_equal(edid.data + 108, "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
}

static void make_monitor_is_nobodys_and_srgb(void **state) {
	static const uint32_t serials[] = { 0, 1, 0x12345678, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_LENGTH(serials); i++) {
		struct oriel_edid_info info = plain_info(1920, 1080, 60000);
		info.serial_number = serials[i];
		struct oriel_edid edid;
		struct reading reading = make_and_read(&info, &edid);
		/* So libdisplay-info names a manufacturer that is not registered. */
		char *make = di_info_get_make(reading.info);
		assert_string_equal(make, "PNP(ORL)");
		free(make);
		const struct di_edid_vendor_product *product =
				di_edid_get_vendor_product(reading.edid);
		assert_int_equal(product->product, 1);
		assert_int_equal(product->serial, serials[i]);
		assert_int_equal(product->model_year, 2026);
		reading_finish(&reading);
	}

	struct oriel_edid_info info = plain_info(1920, 1080, 60000);
	struct oriel_edid edid;
	struct reading reading = make_and_read(&info, &edid);
	const struct di_edid_video_input_digital *input =
			di_edid_get_video_input_digital(reading.edid);
	assert_int_equal(input->color_bit_depth, 8);
	assert_int_equal(input->interface, DI_EDID_VIDEO_INPUT_DIGITAL_UNDEFINED);
	const struct di_edid_misc_features *features = di_edid_get_misc_features(reading.edid);
	assert_true(features->srgb_is_primary);
	assert_true(features->preferred_timing_is_native);
	assert_false(features->continuous_freq);
	assert_float_equal(di_edid_get_basic_gamma(reading.edid), 2.2, 0.001);
	const struct di_edid_chromaticity_coords *coords =
			di_edid_get_chromaticity_coords(reading.edid);
	const float half = 0.51f / 1024;
	assert_float_equal(coords->red_x, 0.64f, half);
	assert_float_equal(coords->red_y, 0.33f, half);
	assert_float_equal(coords->green_x, 0.30f, half);
	assert_float_equal(coords->green_y, 0.60f, half);
	assert_float_equal(coords->blue_x, 0.15f, half);
	assert_float_equal(coords->blue_y, 0.06f, half);
	assert_float_equal(coords->white_x, 0.3127f, half);
	assert_float_equal(coords->white_y, 0.3290f, half);
	reading_finish(&reading);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make_puts_the_mode_where_it_fits),
		cmocka_unit_test(make_small_or_large_size_is_brought_within_the_bounds),
		cmocka_unit_test(make_refresh_is_within_tolerance),
		cmocka_unit_test(make_sync_width_tells_the_aspect),
		cmocka_unit_test(make_any_size_is_the_preferred_one),
		cmocka_unit_test(make_holds_for_random_input),
		cmocka_unit_test(make_large_mode_is_scaled_to_the_device),
		cmocka_unit_test(make_without_room_for_a_block_makes_nothing),
		cmocka_unit_test(make_without_room_for_two_blocks_prefers_what_fits),
		cmocka_unit_test(make_lists_the_smaller_common_modes),
		cmocka_unit_test(make_lists_these_modes_in_this_order),
		cmocka_unit_test(make_range_limits_hold_up_to_their_bounds),
		cmocka_unit_test(make_size_is_in_millimetres),
		cmocka_unit_test(make_second_block_is_of_the_same_monitor),
		cmocka_unit_test(make_name_and_serial_are_ascii_of_13_characters),
		cmocka_unit_test(make_text_ends_as_the_standard_says),
		cmocka_unit_test(make_monitor_is_nobodys_and_srgb),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
