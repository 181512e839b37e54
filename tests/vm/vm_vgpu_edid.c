/*
 * The test vGPU (vgpu/) by itself: its EDID region. The device and its planes are in vm_vgpu.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "vgpu_fixture.h"

#define EDID_FIELD(name) (off_t) offsetof(struct vfio_region_gfx_edid, name)

static int edid_write(struct vgpu_fixture *fixture, off_t at, const void *data, size_t size) {
	off_t base = (off_t)vgpu_get_region(fixture, VGPU_REGION_EDID).offset;
	ssize_t ret = pwrite(fixture->device_fd, data, size, base + at);
	return ret < 0 ? -errno : ret == (ssize_t)size ? 0 : -EIO;
}

static int edid_read(struct vgpu_fixture *fixture, off_t at, void *data, size_t size) {
	off_t base = (off_t)vgpu_get_region(fixture, VGPU_REGION_EDID).offset;
	ssize_t ret = pread(fixture->device_fd, data, size, base + at);
	return ret < 0 ? -errno : ret == (ssize_t)size ? 0 : -EIO;
}

static int edid_set(struct vgpu_fixture *fixture, off_t field, uint32_t value) {
	return edid_write(fixture, field, &value, sizeof(value));
}

static uint32_t edid_get(struct vgpu_fixture *fixture, off_t field) {
	uint32_t value = 0;
	assert_int_equal(edid_read(fixture, field, &value, sizeof(value)), 0);
	return value;
}

/* The least that passes for one: a header, a count of the blocks after it, and their checksums. */
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

static int edid_set_link(struct vgpu_fixture *fixture, uint32_t link_state) {
	return edid_set(fixture, EDID_FIELD(link_state), link_state);
}

static int edid_set_size(struct vgpu_fixture *fixture, uint32_t size) {
	return edid_set(fixture, EDID_FIELD(edid_size), size);
}

#define LINK_UP VFIO_DEVICE_GFX_LINK_STATE_UP
#define LINK_DOWN VFIO_DEVICE_GFX_LINK_STATE_DOWN

static void edid_region_has_its_type(void **state) {
	struct vgpu_fixture *fixture = *state;
	struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_type type;
	} answer = { .info = { .argsz = sizeof(answer), .index = VGPU_REGION_EDID } };
	assert_int_equal(ioctl(fixture->device_fd, VFIO_DEVICE_GET_REGION_INFO, &answer), 0);
	assert_int_equal(answer.info.cap_offset, sizeof(answer.info));
	assert_int_equal(answer.type.header.id, VFIO_REGION_INFO_CAP_TYPE);
	assert_int_equal(answer.type.header.next, 0);
	assert_int_equal(answer.type.type, VFIO_REGION_TYPE_GFX);
	assert_int_equal(answer.type.subtype, VFIO_REGION_SUBTYPE_GFX_EDID);

	vgpu_steer(fixture, "vgpu/edid", "present=0");
	assert_int_equal(vgpu_get_region(fixture, VGPU_REGION_EDID).size, 0);
	uint32_t value;
	assert_int_equal(edid_read(fixture, 0, &value, sizeof(value)), -EINVAL);
	assert_int_equal(edid_write(fixture, EDID_FIELD(edid_size), &value, sizeof(value)), -EINVAL);
}

static void edid_written_by_the_protocol_is_the_guests(void **state) {
	struct vgpu_fixture *fixture = *state;
	vgpu_steer(fixture, "vgpu/edid", "max_xres=1920 max_yres=1200");
	const off_t blob_at = edid_get(fixture, EDID_FIELD(edid_offset));
	assert_int_equal(edid_get(fixture, EDID_FIELD(edid_max_size)), 1024);
	assert_int_equal(edid_get(fixture, EDID_FIELD(max_xres)), 1920);
	assert_int_equal(edid_get(fixture, EDID_FIELD(max_yres)), 1200);
	assert_int_equal(edid_get(fixture, EDID_FIELD(link_state)), LINK_DOWN);

	char guests[2048];
	for (size_t blocks = 1; blocks <= 8; blocks++) {
		uint8_t edid[1024], back[1024];
		edid_make(edid, blocks);
		const uint32_t size = (uint32_t)blocks * 128;
		assert_int_equal(edid_set_link(fixture, LINK_DOWN), 0);
		assert_int_equal(edid_set_size(fixture, size), 0);
		assert_int_equal(edid_write(fixture, blob_at, edid, size), 0);
		assert_int_equal(test_vgpu_read(&fixture->vgpu, "vgpu/edid_blob", guests,
						 sizeof(guests)),
				0);
		assert_int_equal(edid_set_link(fixture, LINK_UP), 0);
		assert_int_equal(edid_get(fixture, EDID_FIELD(edid_size)), size);
		assert_int_equal(edid_read(fixture, blob_at, back, size), 0);
		assert_memory_equal(back, edid, size);
		assert_int_equal(test_vgpu_read(&fixture->vgpu, "vgpu/edid_blob", guests,
						 sizeof(guests)),
				size);
		assert_memory_equal(guests, edid, size);
		assert_int_equal(vgpu_count(fixture, "edid_links"), blocks);
	}
	/* up once more is no change */
	assert_int_equal(edid_set_link(fixture, LINK_UP), 0);
	assert_int_equal(vgpu_count(fixture, "edid_links"), 8);
	assert_int_equal(vgpu_count(fixture, "edid_write"), 8 * 4 + 1);
	assert_int_equal(vgpu_count(fixture, "edid_read"), 5 + 8 * 2);
	char text[128];
	assert_true(test_vgpu_read(&fixture->vgpu, "vgpu/edid", text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "size=1024 up=1"));
	/* A maximum that the blob does not fit any more takes it away. */
	vgpu_steer(fixture, "vgpu/edid", "max_size=1023");
	assert_int_equal(edid_get(fixture, EDID_FIELD(edid_size)), 0);
	assert_int_equal(edid_get(fixture, EDID_FIELD(link_state)), LINK_DOWN);
}

static void edid_write_against_the_protocol_is_refused(void **state) {
	struct vgpu_fixture *fixture = *state;
	const off_t blob_at = edid_get(fixture, EDID_FIELD(edid_offset));
	uint8_t edid[1024];
	edid_make(edid, 2);

	/* registers: 4 bytes each, and two of them */
	const off_t size_at = EDID_FIELD(edid_size);
	assert_int_equal(edid_write(fixture, size_at, edid, 1), -EINVAL);
	assert_int_equal(edid_write(fixture, size_at, edid, 2), -EINVAL);
	assert_int_equal(edid_write(fixture, size_at, edid, 8), -EINVAL);
	assert_int_equal(edid_write(fixture, size_at + 2, edid, 4), -EINVAL);
	assert_int_equal(edid_read(fixture, size_at, edid, 2), -EINVAL);
	assert_int_equal(edid_read(fixture, 0, edid, 24), -EINVAL);
	assert_int_equal(edid_read(fixture, 24, edid, 4), -EINVAL);
	assert_int_equal(edid_set(fixture, EDID_FIELD(edid_offset), 0), -EPERM);
	assert_int_equal(edid_set(fixture, EDID_FIELD(edid_max_size), 0), -EPERM);
	assert_int_equal(edid_set(fixture, EDID_FIELD(max_xres), 0), -EPERM);
	assert_int_equal(edid_set(fixture, EDID_FIELD(max_yres), 0), -EPERM);
	assert_int_equal(edid_set_link(fixture, 0), -EINVAL);
	assert_int_equal(edid_set_link(fixture, 3), -EINVAL);

	/* sizes */
	assert_int_equal(edid_set_size(fixture, 1025), -EINVAL);
	assert_int_equal(edid_set_size(fixture, 1024), 0);
	vgpu_steer(fixture, "vgpu/edid", "max_size=255");
	assert_int_equal(edid_set_size(fixture, 256), -EINVAL);
	vgpu_steer(fixture, "vgpu/edid", "max_size=256");
	assert_int_equal(edid_write(fixture, blob_at, edid, 1), -EINVAL);
	assert_int_equal(edid_set_size(fixture, 256), 0);
	assert_int_equal(edid_write(fixture, blob_at, edid, 257), -EINVAL);
	assert_int_equal(edid_write(fixture, blob_at + 1, edid, 256), -EINVAL);
	assert_int_equal(edid_write(fixture, blob_at, edid, 256), 0);

	/* only while the link is down */
	assert_int_equal(edid_set_link(fixture, LINK_UP), 0);
	assert_int_equal(edid_set_size(fixture, 128), -EBUSY);
	assert_int_equal(edid_write(fixture, blob_at, edid, 128), -EBUSY);
	assert_int_equal(edid_set_link(fixture, LINK_DOWN), 0);

	/* what is none */
	for (int i = 0; i < 5; i++) {
		uint32_t size = 256;
		edid_make(edid, 2);
		switch (i) {
		case 0:
			edid[1] ^= 1; /* header; the sum stays */
			edid[10] = (uint8_t)(edid[10] + 1);
			break;
		case 1:
			edid[20] ^= 1; /* a sum */
			break;
		case 2:
			edid[128 + 20] ^= 1;
			break;
		case 3:
			size = 128; /* a block is missing */
			break;
		case 4:
			size = 255;
			break;
		}
		assert_int_equal(edid_set_size(fixture, size), 0);
		assert_int_equal(edid_write(fixture, blob_at, edid, size), 0);
		assert_int_equal(edid_set_link(fixture, LINK_UP), -EINVAL);
		assert_int_equal(edid_get(fixture, EDID_FIELD(link_state)), LINK_DOWN);
	}
	assert_int_equal(edid_set_size(fixture, 0), 0);
	assert_int_equal(edid_set_link(fixture, LINK_UP), -EINVAL);
	assert_int_equal(vgpu_count(fixture, "edid_links"), 1);
}

static void edid_garbled_reads_back_wrong(void **state) {
	struct vgpu_fixture *fixture = *state;
	const off_t blob_at = edid_get(fixture, EDID_FIELD(edid_offset));
	uint8_t edid[128], back[128];
	edid_make(edid, 1);
	vgpu_steer(fixture, "vgpu/edid", "garble=1");
	assert_int_equal(edid_set_size(fixture, 128), 0);
	assert_int_equal(edid_write(fixture, blob_at, edid, 128), 0);
	assert_int_equal(edid_set_link(fixture, LINK_UP), 0);
	assert_int_equal(edid_read(fixture, blob_at, back, 128), 0);
	assert_memory_not_equal(back, edid, 128);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		VGPU_TEST(edid_region_has_its_type),
		VGPU_TEST(edid_written_by_the_protocol_is_the_guests),
		VGPU_TEST(edid_write_against_the_protocol_is_refused),
		VGPU_TEST(edid_garbled_reads_back_wrong),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
