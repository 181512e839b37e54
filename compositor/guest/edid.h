#ifndef ORIEL_GUEST_EDID_H
#define ORIEL_GUEST_EDID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The EDID of the monitor that a guest is to believe it has: what shows it, a window or an output,
 * put into words that every guest's driver understands. Its preferred mode is that size at that
 * refresh rate, so that the guest follows when the window is resized. A pure function.
 *
 * The smaller modes that it lists besides are common ones, at 60 Hz, for programs in the guest
 * that want one; none is larger than the preferred one in either direction.
 */

#define ORIEL_EDID_BLOCK_SIZE 128
/* A base block, and a DisplayID block for modes that it cannot express. */
#define ORIEL_EDID_SIZE_MAX (2 * ORIEL_EDID_BLOCK_SIZE)

/* Linux guests ignore what is smaller (drivers/gpu/drm/drm_edid.c, drm_mode_detailed()). */
#define ORIEL_EDID_MODE_MIN 64

/* mHz: one that is not known, and the range in which what CVT computes has a sense. */
#define ORIEL_EDID_REFRESH_DEFAULT_MHZ 60000
#define ORIEL_EDID_REFRESH_MIN_MHZ 1000
#define ORIEL_EDID_REFRESH_MAX_MHZ 500000

struct oriel_edid_info {
	/*
	 * The preferred mode, in pixels, any size, odd ones too. It is brought within
	 * ORIEL_EDID_MODE_MIN and ORIEL_VALIDATE_SIZE_MAX, then within what the device can do.
	 */
	int width, height;
	/* 0 or less: not known. Brought within the range above. */
	int refresh_mhz;
	/* What of the screen it takes, millimetres. One of 0 or less: not known. */
	int width_mm, height_mm;
	/*
	 * Strings of UTF-8, or NULL. An EDID has room for 13 printable ASCII characters: others
	 * become a '?' each, space around them goes, and the rest is cut off. Without a name it
	 * is "Oriel", without a serial the EDID has no such string.
	 */
	const char *name, *serial;
	uint32_t serial_number; /* 0: none */

	/* The device's limits, as in struct vfio_region_gfx_edid. */
	/* 0: none. The mode is scaled down with its aspect kept, to no less than its minimum. */
	uint32_t max_xres, max_yres;
	size_t max_size_bytes;
};

struct oriel_edid {
	uint8_t data[ORIEL_EDID_SIZE_MAX]; /* zero beyond size_bytes */
	size_t size_bytes; /* one block or two */
	/* The preferred mode it has in the end, at the refresh rate that its pixel clock gives. */
	int width, height, refresh_mhz;
};

/*
 * Makes the EDID. False, with nothing made, if the device has no room for a block of
 * ORIEL_EDID_BLOCK_SIZE bytes.
 *
 * If it has no room for the second block, and the mode needs that, then the preferred mode is what
 * the base block can express: at most 60 Hz, and if that is not enough the largest whole fraction
 * of the size.
 *
 * Timings are those of VESA CVT 2.0 with reduced blanking. Version 2, which knows widths that are no
 * multiple of 8, where the base block can express it; at high refresh rates, where it cannot,
 * version 1 for widths that are; and version 2 in the second block for all others. Pixel clocks
 * are to the nearest 10 kHz, and rounded down to 250 kHz by version 1: at 1920x1080 that is within
 * 3 mHz at 60 Hz, and 0.1 Hz at 240 Hz. At 64x64 it is within 0.5 Hz.
 *
 * Source: VESA E-EDID A.2 (EDID 1.4), VESA DisplayID 1.3, VESA CVT 2.0.
 */
bool oriel_edid_make(const struct oriel_edid_info *info, struct oriel_edid *ret_edid);

#endif
