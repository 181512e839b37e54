#ifndef ORIEL_TESTS_KMS_H
#define ORIEL_TESTS_KMS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The test VM's screens. Cards and connectors are numbered in the order in which the kernel's
 * drivers come up, so that a test finds its own by driver and never by number.
 */

/* Room for a path or a name, its NUL included. */
#define KMS_NAME_SIZE 64

/*
 * Writes the path of the card ("/dev/dri/cardN") whose DRM driver has that name ("virtio_gpu",
 * "vkms", "vgem"). Opens cards, and so becomes DRM master for a moment where nobody else is.
 * Fails the test if there is none.
 */
void kms_find_card(const char *driver, char path[KMS_NAME_SIZE]);

/*
 * Writes the name of the first connector of a card ("Virtual-1"), which is what wlroots calls the
 * output. Fails the test if the card has none.
 */
void kms_find_connector(const char *card_path, char name[KMS_NAME_SIZE]);

/*
 * Writes the name that a fixture's configuration has for its first output: the connector of the
 * card in WLR_DRM_DEVICES where WLR_BACKENDS says drm, else OUTPUT-1 (see fixture.h).
 */
void kms_get_output_name(char name[KMS_NAME_SIZE]);

/* What a card shows on a cursor plane. */
struct kms_cursor {
	int x, y; /* of its upper left corner, on the screen */
	int width, height;
	uint32_t *pixels; /* ARGB8888 with alpha multiplied in, width * height, for free() */
};

/*
 * Reads the cursor plane that is in use, of which the card has one at most, as the kernel has it:
 * what was committed last. False if none is in use. Fails the test if it cannot be read.
 */
bool kms_read_cursor(const char *card_path, struct kms_cursor *ret_cursor);

#endif
