#include "guest/drivers/vfio_plane.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <syncbridge/dmabuf.h>

#include "fd.h"
#include "guest/source_impl.h"
#include "guest/validate.h"

/* A buffer that was refused is not asked for again within this time. */
#define REFUSED_NS UINT64_C(1000000000)

/* How the log calls a plane. */
static const char *const plane_names[] = {
	[ORIEL_GUEST_PLANE_PRIMARY] = "display",
	[ORIEL_GUEST_PLANE_CURSOR] = "cursor",
};

void oriel_vfio_plane_init(struct oriel_vfio_plane *plane, enum oriel_guest_plane kind,
		struct oriel_source *source, struct oriel_complaints *complaints) {
	*plane = (struct oriel_vfio_plane){
		.plane = kind,
		.source = source,
		.complaints = complaints,
	};
	oriel_buffer_cache_init(&plane->cache);
	oriel_damage_init(&plane->damage);
	oriel_vfio_picture_init(&plane->picture);
}

void oriel_vfio_plane_finish(struct oriel_vfio_plane *plane) {
	oriel_vfio_picture_finish(&plane->picture);
	oriel_damage_finish(&plane->damage);
	oriel_buffer_cache_finish(&plane->cache);
}

void oriel_vfio_plane_clear(struct oriel_vfio_plane *plane) {
	oriel_vfio_picture_finish(&plane->picture);
	oriel_damage_finish(&plane->damage);
	oriel_buffer_cache_clear(&plane->cache);
	oriel_vfio_row_end(&plane->passing);
	plane->refused.time_ns = 0;
}

void oriel_vfio_plane_forget(struct oriel_vfio_plane *plane) {
	oriel_damage_forget(&plane->damage);
	oriel_vfio_picture_forget(&plane->picture);
}

bool oriel_vfio_plane_is_off(const struct vfio_device_gfx_plane_info *info) {
	return info->drm_format == 0 || info->size == 0 || info->width == 0 || info->height == 0;
}

static int int_from_u32(uint32_t value) {
	return value <= INT_MAX ? (int)value : INT_MAX;
}

static struct oriel_guest_buffer_attributes plane_get_attributes(
		const struct oriel_vfio_plane *plane, const struct vfio_device_gfx_plane_info *info) {
	return (struct oriel_guest_buffer_attributes){
		.width = int_from_u32(info->width),
		.height = int_from_u32(info->height),
		.format = plane->plane == ORIEL_GUEST_PLANE_PRIMARY
				? oriel_validate_get_opaque_format(info->drm_format)
				: info->drm_format,
		.modifier = info->drm_format_mod,
		.stride_bytes = info->stride,
	};
}

static bool plane_was_refused(const struct oriel_vfio_plane *plane, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes) {
	return plane->refused.time_ns != 0 && now_ns - plane->refused.time_ns < REFUSED_NS &&
			plane->refused.id == id &&
			oriel_guest_buffer_attributes_equal(&plane->refused.attributes, attributes);
}

#define WHAT_SIZE 64

static void plane_get_what(const struct oriel_vfio_plane *plane, const char *what,
		char text[static WHAT_SIZE]) {
	snprintf(text, WHAT_SIZE, "vfio: its %s's %s", plane_names[plane->plane], what);
}

static void plane_fail_passing(
		struct oriel_vfio_plane *plane, uint64_t now_ns, const char *what, int error) {
	char text[WHAT_SIZE];
	plane_get_what(plane, what, text);
	oriel_vfio_row_complain(&plane->passing, plane->complaints, now_ns, text, error);
}

/* What was asked of the device has failed with error, a -errno. */
static void plane_fail(struct oriel_vfio_plane *plane, uint64_t now_ns, const char *what, int error) {
	char text[WHAT_SIZE];
	switch (error) {
	case -EINVAL: /* the guest has flipped on since the query */
	case -ENOENT: /* so says mbochs */
	case -EAGAIN:
	case -EINTR:
		plane_fail_passing(plane, now_ns, what, error);
		break;
	default:
		plane_get_what(plane, what, text);
		oriel_complain(plane->complaints, now_ns, "%s: %s", text, strerror(-error));
		break;
	}
}

static void plane_refuse(struct oriel_vfio_plane *plane, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes, const char *message) {
	oriel_complain(plane->complaints, now_ns, "vfio: %s", message);
	plane->refused.id = id;
	plane->refused.attributes = *attributes;
	plane->refused.time_ns = now_ns;
}

static bool plane_validate(struct oriel_vfio_plane *plane, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes, uint64_t size_bytes) {
	char message[ORIEL_VALIDATE_MESSAGE_SIZE];
	bool valid = plane->plane == ORIEL_GUEST_PLANE_CURSOR
			? oriel_validate_cursor(attributes, size_bytes, message)
			: oriel_validate_buffer(attributes, size_bytes, message);
	if (!valid) {
		plane_refuse(plane, now_ns, id, attributes, message);
	}
	return valid;
}

/* The buffer of a number that the cache does not have, borrowed from the cache, or NULL. */
static struct oriel_guest_buffer *plane_open_buffer(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device, uint64_t now_ns, uint32_t id,
		const struct oriel_guest_buffer_attributes *attributes) {
	static const char what[] = "buffer cannot be opened";
	int dmabuf_fd;
	int ret = oriel_vfio_device_get_dmabuf(device, id, &dmabuf_fd);
	if (ret != 0) {
		plane_fail(plane, now_ns, what, ret);
		return NULL;
	}
	oriel_vfio_row_end(&plane->passing);

	uint64_t size_bytes;
	ret = sb_dmabuf_get_size(dmabuf_fd, &size_bytes);
	if (ret != 0) {
		plane_fail(plane, now_ns, what, ret);
		sb_fd_clear(&dmabuf_fd);
		return NULL;
	}
	if (!plane_validate(plane, now_ns, id, attributes, size_bytes)) {
		sb_fd_clear(&dmabuf_fd);
		return NULL;
	}
	struct oriel_guest_buffer *buffer =
			oriel_guest_buffer_create(attributes, ORIEL_GUEST_MEMORY_DMABUF, dmabuf_fd);
	if (buffer == NULL || !oriel_buffer_cache_put(&plane->cache, id, buffer, size_bytes)) {
		plane_fail(plane, now_ns, what, -ENOMEM);
		return NULL;
	}
	return buffer;
}

static enum oriel_vfio_plane_look plane_look_at_dmabuf(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device,
		const struct vfio_device_gfx_plane_info *info, uint64_t now_ns,
		struct oriel_guest_buffer **ret_buffer, const pixman_region32_t **ret_damage) {
	/* A number stays with its buffer while a file of that is open, as the cache's is: it can
	 * come to mean another one only after we have forgotten it. */
	const uint32_t id = info->dmabuf_id;
	struct oriel_guest_buffer_attributes attributes = plane_get_attributes(plane, info);
	struct oriel_guest_buffer *buffer = oriel_buffer_cache_get(&plane->cache, id, &attributes);
	if (buffer != NULL || plane_was_refused(plane, now_ns, id, &attributes)) {
		oriel_vfio_row_end(&plane->passing);
	} else {
		buffer = plane_open_buffer(plane, device, now_ns, id, &attributes);
	}
	if (buffer == NULL) {
		return plane_was_refused(plane, now_ns, id, &attributes)
				? ORIEL_VFIO_PLANE_LOOK_REFUSED
				: ORIEL_VFIO_PLANE_LOOK_FAILED;
	}

	if (!oriel_source_wants(plane->source, plane->plane, buffer)) {
		return ORIEL_VFIO_PLANE_LOOK_SAME;
	}
	if (!oriel_source_is_held(plane->source, plane->plane)) {
		oriel_damage_forget(&plane->damage);
	}
	if (!oriel_damage_look(&plane->damage, buffer, now_ns, ret_damage)) {
		return ORIEL_VFIO_PLANE_LOOK_SAME;
	}
	*ret_buffer = buffer;
	return ORIEL_VFIO_PLANE_LOOK_CHANGED;
}

/* Makes ready for the picture that info tells of: SAME, or why not. */
static enum oriel_vfio_plane_look plane_set_picture(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device,
		const struct vfio_device_gfx_plane_info *info, uint64_t now_ns) {
	static const char what[] = "region cannot be opened";
	struct oriel_vfio_picture *picture = &plane->picture;
	struct oriel_guest_buffer_attributes attributes = plane_get_attributes(plane, info);
	const uint32_t index = info->region_index;
	if (plane_was_refused(plane, now_ns, index, &attributes)) {
		return ORIEL_VFIO_PLANE_LOOK_REFUSED;
	}
	if (attributes.modifier != DRM_FORMAT_MOD_LINEAR &&
			attributes.modifier != DRM_FORMAT_MOD_INVALID) {
		char message[ORIEL_VALIDATE_MESSAGE_SIZE];
		snprintf(message, sizeof(message),
				"a region of modifier 0x%016" PRIx64 " cannot be read",
				attributes.modifier);
		plane_refuse(plane, now_ns, index, &attributes, message);
		return ORIEL_VFIO_PLANE_LOOK_REFUSED;
	}
	if (oriel_vfio_picture_is_of(picture, index, &attributes)) {
		return ORIEL_VFIO_PLANE_LOOK_SAME;
	}

	struct oriel_vfio_region region;
	int ret = oriel_vfio_device_get_region(device, index, &region);
	if (ret != 0) {
		plane_fail(plane, now_ns, what, ret);
		return ORIEL_VFIO_PLANE_LOOK_FAILED;
	}
	if (!plane_validate(plane, now_ns, index, &attributes, region.size_bytes)) {
		return ORIEL_VFIO_PLANE_LOOK_REFUSED;
	}
	ret = oriel_vfio_picture_set(picture, device->fd, &region, &attributes, now_ns);
	if (ret == -EAGAIN) {
		return ORIEL_VFIO_PLANE_LOOK_PENDING;
	} else if (ret != 0) {
		plane_fail(plane, now_ns, what, ret);
		return ORIEL_VFIO_PLANE_LOOK_FAILED;
	}
	return ORIEL_VFIO_PLANE_LOOK_SAME;
}

static enum oriel_vfio_plane_look plane_look_at_region(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device,
		const struct vfio_device_gfx_plane_info *info, uint64_t now_ns,
		struct oriel_guest_buffer **ret_buffer, const pixman_region32_t **ret_damage) {
	struct oriel_vfio_picture *picture = &plane->picture;
	enum oriel_vfio_plane_look look = plane_set_picture(plane, device, info, now_ns);
	if (look != ORIEL_VFIO_PLANE_LOOK_SAME) {
		return look;
	}
	if (!oriel_source_wants(plane->source, plane->plane, picture->buffer)) {
		return ORIEL_VFIO_PLANE_LOOK_SAME;
	}
	if (!oriel_source_is_held(plane->source, plane->plane) &&
			oriel_vfio_picture_is_whole(picture)) {
		oriel_vfio_picture_forget(picture);
	}
	int ret = oriel_vfio_picture_look(picture, device->fd, now_ns, ret_damage);
	if (ret < 0) {
		/* A device that was removed is soon found to be. */
		plane_fail_passing(plane, now_ns, "region cannot be read", ret);
		return ORIEL_VFIO_PLANE_LOOK_FAILED;
	}
	oriel_vfio_row_end(&plane->passing);
	if (ret == 0) {
		return oriel_vfio_picture_is_whole(picture) ? ORIEL_VFIO_PLANE_LOOK_SAME
							    : ORIEL_VFIO_PLANE_LOOK_PENDING;
	}
	*ret_buffer = picture->buffer;
	return ORIEL_VFIO_PLANE_LOOK_CHANGED;
}

enum oriel_vfio_plane_look oriel_vfio_plane_look(struct oriel_vfio_plane *plane,
		const struct oriel_vfio_device *device, enum oriel_vfio_display display,
		const struct vfio_device_gfx_plane_info *info, uint64_t now_ns,
		struct oriel_guest_buffer **ret_buffer, const pixman_region32_t **ret_damage) {
	return display == ORIEL_VFIO_DISPLAY_REGION
			? plane_look_at_region(plane, device, info, now_ns, ret_buffer, ret_damage)
			: plane_look_at_dmabuf(plane, device, info, now_ns, ret_buffer, ret_damage);
}
