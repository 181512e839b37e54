#include "guest/drivers/vfio_device.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drmMode.h>

#include <cmocka.h>

/*
 * What is asked of an open device, of one that answers as the test says. Opening one is tested
 * with the driver, in vfio.c.
 */

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define DEVICE_FD 1000
#define REGIONS 12
#define ANSWER_SIZE 8192

struct region {
	int error;
	uint32_t flags;
	uint64_t offset, size;
	uint32_t first; /* the first capability's place */
	uint32_t argsz; /* 0: where the capabilities end */
	unsigned char capabilities[ANSWER_SIZE]; /* from the end of struct vfio_region_info on */
	uint32_t capabilities_size;
};

static struct {
	unsigned int calls, fail_at; /* the call that fails, counted from 1 */
	int fail_error;
	uint32_t num_regions;
	struct region regions[REGIONS];
	unsigned int asked; /* GET_REGION_INFO */
	uint32_t last_asked;
	struct vfio_device_gfx_plane_info query; /* the last one, as it came */
} mock;

static const struct oriel_vfio_device device = { .fd = DEVICE_FD, .iommufd_fd = -1 };

int __wrap_ioctl(int fd, unsigned long request, ...);

static int fail_with(int error) {
	errno = error;
	return -1;
}

/*
 * As the kernel's core answers: what there is no room for is left out, and argsz says how much
 * there would have to be. Room that is larger than that fails, as it does with mbochs.
 */
static int get_region_info(struct vfio_region_info *info) {
	mock.asked++;
	mock.last_asked = info->index;
	assert_true(info->argsz >= sizeof(*info));
	if (info->index >= mock.num_regions) {
		return fail_with(EINVAL);
	}
	const struct region *region = info->index < REGIONS ? &mock.regions[info->index]
							    : &mock.regions[REGIONS - 1];
	if (region->error != 0) {
		return fail_with(region->error);
	}
	uint32_t room = info->argsz;
	uint32_t needed = (uint32_t)sizeof(*info) + region->capabilities_size;
	if (room > sizeof(*info) && room != needed && region->argsz == 0) {
		return fail_with(EINVAL);
	}
	info->flags = region->flags;
	info->size = region->size;
	info->offset = region->offset;
	info->cap_offset = 0;
	if (region->capabilities_size > 0) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (room >= needed) {
			info->cap_offset = region->first;
			memcpy((unsigned char *)info + sizeof(*info), region->capabilities,
					region->capabilities_size);
		}
		info->argsz = region->argsz != 0 ? region->argsz : needed;
	}
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);

	assert_int_equal(fd, DEVICE_FD);
	mock.calls++;
	if (mock.calls == mock.fail_at) {
		return fail_with(mock.fail_error);
	}
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)argument)->num_regions = mock.num_regions;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(argument);
	case VFIO_DEVICE_QUERY_GFX_PLANE:
		mock.query = *(struct vfio_device_gfx_plane_info *)argument;
		((struct vfio_device_gfx_plane_info *)argument)->width = 7;
		return 0;
	default:
		fail_msg("ioctl %#lx", request);
		return -1;
	}
}

static int setup(void **state) {
	memset(&mock, 0, sizeof(mock));
	mock.num_regions = REGIONS;
	for (uint32_t i = 0; i < REGIONS; i++) {
		mock.regions[i].size = 4096;
		mock.regions[i].offset = (uint64_t)i << 40;
	}
	return 0;
}

static void add_capability(struct region *region, uint16_t id, uint32_t next, const void *rest,
		size_t rest_size) {
	struct vfio_info_cap_header header = { .id = id, .version = 1, .next = next };
	if (region->capabilities_size == 0) {
		region->first = sizeof(struct vfio_region_info);
	}
	unsigned char *end = region->capabilities + region->capabilities_size;
	memcpy(end, &header, sizeof(header));
	memcpy(end + sizeof(header), rest, rest_size);
	region->capabilities_size += (uint32_t)(sizeof(header) + rest_size);
}

static void add_type(struct region *region, uint32_t next, uint32_t type, uint32_t subtype) {
	const uint32_t rest[] = { type, subtype };
	add_capability(region, VFIO_REGION_INFO_CAP_TYPE, next, rest, sizeof(rest));
}

static uint32_t place(const struct region *region) {
	return (uint32_t)sizeof(struct vfio_region_info) + region->capabilities_size;
}

static void query_asks_for_one_plane_of_one_kind(void **state) {
	static const struct {
		enum oriel_guest_plane plane;
		enum oriel_vfio_display display;
		uint32_t type, flags;
	} cases[] = {
		{ ORIEL_GUEST_PLANE_PRIMARY, ORIEL_VFIO_DISPLAY_DMABUF, DRM_PLANE_TYPE_PRIMARY,
				VFIO_GFX_PLANE_TYPE_DMABUF },
		{ ORIEL_GUEST_PLANE_PRIMARY, ORIEL_VFIO_DISPLAY_REGION, DRM_PLANE_TYPE_PRIMARY,
				VFIO_GFX_PLANE_TYPE_REGION },
		{ ORIEL_GUEST_PLANE_CURSOR, ORIEL_VFIO_DISPLAY_DMABUF, DRM_PLANE_TYPE_CURSOR,
				VFIO_GFX_PLANE_TYPE_DMABUF },
		{ ORIEL_GUEST_PLANE_CURSOR, ORIEL_VFIO_DISPLAY_REGION, DRM_PLANE_TYPE_CURSOR,
				VFIO_GFX_PLANE_TYPE_REGION },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct vfio_device_gfx_plane_info plane;
		assert_int_equal(oriel_vfio_device_query_plane(
						 &device, cases[i].plane, cases[i].display, &plane),
				0);
		assert_int_equal(mock.query.argsz, sizeof(plane));
		assert_int_equal(mock.query.drm_plane_type, cases[i].type);
		assert_int_equal(mock.query.flags, cases[i].flags);
		assert_int_equal(plane.width, 7);
	}
	mock.fail_at = mock.calls + 1;
	mock.fail_error = EFAULT;
	assert_int_equal(oriel_vfio_device_query_plane(&device, ORIEL_GUEST_PLANE_PRIMARY,
					 ORIEL_VFIO_DISPLAY_DMABUF,
					 &(struct vfio_device_gfx_plane_info){ 0 }),
			-EFAULT);
}

static void region_has_what_the_device_says(void **state) {
	mock.regions[3].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	mock.regions[4].flags = VFIO_REGION_INFO_FLAG_WRITE;
	struct oriel_vfio_region region;
	assert_int_equal(oriel_vfio_device_get_region(&device, 3, &region), 0);
	assert_int_equal(region.index, 3);
	assert_true(region.offset_bytes == UINT64_C(3) << 40);
	assert_int_equal(region.size_bytes, 4096);
	assert_true(region.can_read && region.can_mmap && !region.can_write);
	assert_int_equal(region.type, 0);
	assert_int_equal(oriel_vfio_device_get_region(&device, 4, &region), 0);
	assert_true(!region.can_read && !region.can_mmap && region.can_write);
	/* Without capabilities one call tells all. */
	assert_int_equal(mock.calls, 2);
	assert_int_equal(oriel_vfio_device_get_region(&device, REGIONS, &region), -EINVAL);
	/* As it was. */
	assert_int_equal(region.index, 4);
}

static void region_beyond_what_a_file_can_have_is_an_error(void **state) {
	struct oriel_vfio_region region;
	mock.regions[0].offset = INT64_MAX - 4096;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), 0);
	mock.regions[0].offset++;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), -EPROTO);
	mock.regions[0].offset = UINT64_MAX;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), -EPROTO);
	mock.regions[0].offset = 0;
	mock.regions[0].size = INT64_MAX;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), 0);
	mock.regions[0].size++;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), -EPROTO);
	mock.regions[0].size = UINT64_MAX;
	mock.regions[0].offset = 1;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &region), -EPROTO);
}

static void region_type_is_found_behind_other_capabilities(void **state) {
	struct region *region = &mock.regions[9];
	static const unsigned char other[24];
	add_capability(region, 77, place(region) + 8 + sizeof(other), other, sizeof(other));
	add_type(region, 0, VFIO_REGION_TYPE_GFX, VFIO_REGION_SUBTYPE_GFX_EDID);
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_get_region(&device, 9, &found), 0);
	assert_int_equal(found.type, VFIO_REGION_TYPE_GFX);
	assert_int_equal(found.subtype, VFIO_REGION_SUBTYPE_GFX_EDID);

	/* The last one can be the one that is named first. */
	struct region *back = &mock.regions[8];
	add_capability(back, 77, 0, other, sizeof(other));
	back->first = place(back);
	add_type(back, sizeof(struct vfio_region_info), 5, 6);
	assert_int_equal(oriel_vfio_device_get_region(&device, 8, &found), 0);
	assert_int_equal(found.type, 5);
	assert_int_equal(found.subtype, 6);
}

static void region_with_gaps_cannot_be_mapped_as_a_whole(void **state) {
	struct region *region = &mock.regions[1];
	region->flags = VFIO_REGION_INFO_FLAG_MMAP;
	static const uint32_t areas[2 + 4] = { 1 };
	add_capability(region, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0, areas, sizeof(areas));
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_get_region(&device, 1, &found), 0);
	assert_false(found.can_mmap);

	/* And where that is too long to be looked at, it may have any. */
	struct region *large = &mock.regions[2];
	large->flags = VFIO_REGION_INFO_FLAG_MMAP;
	add_type(large, 0, 1, 1);
	assert_int_equal(oriel_vfio_device_get_region(&device, 2, &found), 0);
	assert_true(found.can_mmap);
	large->capabilities_size = 4096 - sizeof(struct vfio_region_info);
	assert_int_equal(oriel_vfio_device_get_region(&device, 2, &found), 0);
	assert_true(found.can_mmap);
	assert_int_equal(found.type, 1);
	large->capabilities_size++;
	assert_int_equal(oriel_vfio_device_get_region(&device, 2, &found), 0);
	assert_false(found.can_mmap);
	assert_int_equal(found.type, 0);
	large->argsz = UINT32_MAX;
	assert_int_equal(oriel_vfio_device_get_region(&device, 2, &found), 0);
	assert_false(found.can_mmap);
}

static void chain_that_leads_nowhere_ends(void **state) {
	static const struct {
		uint32_t first; /* 0: the first capability's */
		uint32_t next;
	} cases[] = {
		{ 0, sizeof(struct vfio_region_info) }, /* itself */
		{ 0, 1 }, /* back into the answer's own fields */
		{ 0, sizeof(struct vfio_region_info) + 31 }, /* a header that does not fit */
		{ 0, sizeof(struct vfio_region_info) + 32 }, /* its end */
		{ 0, 4096 },
		{ 0, UINT32_MAX },
		{ UINT32_MAX, 0 },
		{ UINT32_MAX - 3, 0 },
		{ sizeof(struct vfio_region_info) + 32, 0 },
	};
	static const unsigned char other[24];
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct region *region = &mock.regions[0];
		region->capabilities_size = 0;
		add_capability(region, 77, cases[i].next, other, sizeof(other));
		if (cases[i].first != 0) {
			region->first = cases[i].first;
		}
		struct oriel_vfio_region found;
		assert_int_equal(oriel_vfio_device_get_region(&device, 0, &found), 0);
		assert_int_equal(found.type, 0);
	}
}

static void capability_that_is_cut_off_is_none(void **state) {
	struct region *region = &mock.regions[0];
	add_type(region, 0, 1, 1);
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &found), 0);
	assert_int_equal(found.type, 1);
	region->capabilities_size--;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &found), 0);
	assert_int_equal(found.type, 0);
}

static void answer_that_grows_between_two_calls_has_no_capabilities(void **state) {
	struct region *region = &mock.regions[0];
	region->flags = VFIO_REGION_INFO_FLAG_MMAP;
	add_type(region, 0, 1, 1);
	/* The kernel's way to say that the second call had too little room. */
	region->argsz = place(region) - 4;
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_get_region(&device, 0, &found), 0);
	assert_int_equal(found.type, 0);
}

static void region_is_found_by_type_and_subtype(void **state) {
	add_type(&mock.regions[5], 0, 1, 2);
	add_type(&mock.regions[6], 0, 2, 1);
	add_type(&mock.regions[7], 0, 1, 1);
	mock.regions[7].size = 0;
	add_type(&mock.regions[8], 0, 1, 1);
	add_type(&mock.regions[9], 0, 1, 1);
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), 0);
	assert_int_equal(found.index, 8);
	assert_int_equal(oriel_vfio_device_find_region(&device, 3, 1, &found), -ENOENT);

	/* Numbers that are left out are no error, others are told if there is no such region. */
	mock.regions[0].error = EINVAL;
	assert_int_equal(oriel_vfio_device_find_region(&device, 3, 1, &found), -ENOENT);
	mock.regions[1].error = EIO;
	assert_int_equal(oriel_vfio_device_find_region(&device, 3, 1, &found), -EIO);
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), 0);
	assert_int_equal(found.index, 8);
}

static void any_number_of_regions_is_looked_through_in_bounds(void **state) {
	struct oriel_vfio_region found;
	mock.num_regions = 0;
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), -ENOENT);
	assert_int_equal(mock.asked, 0);
	mock.num_regions = 64;
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), -ENOENT);
	assert_int_equal(mock.asked, 64);
	mock.asked = 0;
	mock.num_regions = UINT32_MAX;
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), -ENOENT);
	assert_int_equal(mock.asked, 64);
	assert_int_equal(mock.last_asked, 63);
}

static void any_failed_call_is_told(void **state) {
	add_type(&mock.regions[2], 0, 1, 1);
	struct oriel_vfio_region found;
	assert_int_equal(oriel_vfio_device_find_region(&device, 1, 1, &found), 0);
	unsigned int calls = mock.calls;
	/* The device's info, its regions, and the third one's capabilities. */
	assert_int_equal(calls, 1 + 3 + 1);
	for (unsigned int n = 1; n <= calls; n++) {
		mock.calls = 0;
		mock.fail_at = n;
		mock.fail_error = EIO;
		int ret = oriel_vfio_device_find_region(&device, 1, 1, &found);
		/* Another region's failure does not matter. */
		assert_int_equal(ret, n == 2 || n == 3 ? 0 : -EIO);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(query_asks_for_one_plane_of_one_kind, setup),
		cmocka_unit_test_setup(region_has_what_the_device_says, setup),
		cmocka_unit_test_setup(region_beyond_what_a_file_can_have_is_an_error, setup),
		cmocka_unit_test_setup(region_type_is_found_behind_other_capabilities, setup),
		cmocka_unit_test_setup(region_with_gaps_cannot_be_mapped_as_a_whole, setup),
		cmocka_unit_test_setup(chain_that_leads_nowhere_ends, setup),
		cmocka_unit_test_setup(capability_that_is_cut_off_is_none, setup),
		cmocka_unit_test_setup(answer_that_grows_between_two_calls_has_no_capabilities, setup),
		cmocka_unit_test_setup(region_is_found_by_type_and_subtype, setup),
		cmocka_unit_test_setup(any_number_of_regions_is_looked_through_in_bounds, setup),
		cmocka_unit_test_setup(any_failed_call_is_told, setup),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
