#ifndef ORIEL_TESTS_MOCK_SYNCOBJ_H
#define ORIEL_TESTS_MOCK_SYNCOBJ_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The DRM part of the kernel that mock_ioctl.h plays: devices, and syncobjs with their chains of
 * points. It answers as Linux 7.2 does (drivers/gpu/drm/drm_syncobj.c), or as an older one.
 *
 * A device's fd stands for one open file of it, with handles of its own; duplicates are the same
 * file. A case fails if it leaves a handle open. Eventfds are real, and written when the event
 * comes; that takes an fd of the mock's own until then, or until the case ends.
 */

enum mock_drm_feature {
	MOCK_DRM_TIMELINES = 1 << 0,
	/* Has a display; such devices refuse unknown questions in another way. */
	MOCK_DRM_DISPLAY = 1 << 1,
};

/* A newly opened device with these features (enum mock_drm_feature). */
int mock_drm_create(uint32_t features);
/* The same, for timelines without an owner who could tell when: the mock closes it with the case. */
int mock_drm_create_kept(uint32_t features);
/* The device is gone. Its fd stays open. */
void mock_drm_unplug(int drm_fd);
unsigned int mock_drm_count_handles(int drm_fd);
/* From here on the kernel is this version of Linux; it is 7.2 at first. */
void mock_drm_set_linux(unsigned int major, unsigned int minor);
/* In a time namespace: what the kernel takes timeouts for is a clock that is that much ahead. */
void mock_drm_set_clock_ahead(int64_t ahead_ns);

/* Somebody else's syncobj, as an fd. */
int mock_syncobj_create(void);
/* Work is submitted that signals the point with the fences; 0: it is done already. */
void mock_syncobj_add_point(int syncobj_fd, uint64_t point, uint64_t fences);
/* The same when the clock gets to at_ns and somebody waits for the syncobj; once per syncobj. */
void mock_syncobj_add_point_at(int syncobj_fd, uint64_t point, uint64_t fences, int64_t at_ns);
/* The syncobj is used without points: it holds these fences. */
void mock_syncobj_set_fences(int syncobj_fd, uint64_t fences);
/* Whether the point has materialised. */
bool mock_syncobj_has_point(int syncobj_fd, uint64_t point);
/* The fences that the point still waits for. */
uint64_t mock_syncobj_get_pending(int syncobj_fd, uint64_t point);

/* The rest is for mock_ioctl.c. */

/* Starts anew. */
void mock_syncobj_reset(void);
/* Handles that nobody has destroyed. */
unsigned int mock_syncobj_count_leaks(void);
/* Whether fd is a device; *ret_result is then what the ioctl gave. */
bool mock_syncobj_ioctl(int fd, unsigned long request, void *arg, int *ret_result);
/* The ioctl was made to fail: a handle that could not be destroyed is no leak. */
void mock_syncobj_ioctl_failed(unsigned long request);
/* Fences may have signalled. */
void mock_syncobj_update(void);

#endif
