#ifndef ORIEL_TESTS_FENCE_SOURCE_H
#define ORIEL_TESTS_FENCE_SOURCE_H

#include <stddef.h>

#include <syncbridge/fence.h>

#include "fence_rig.h"
#include "vgem.h"

/* Everything that a struct sb_fence can come from, on real fences that the test signals. */

enum fence_source_state {
	/* Has signalled. */
	FENCE_SOURCE_READY,
	/* fence_source_signal() makes it ready. */
	FENCE_SOURCE_PENDING,
	/* A point without a fence; fence_source_materialise() makes it pending. */
	FENCE_SOURCE_TO_COME,
};

struct fence_source;

struct fence_source_type {
	const char *name; /* for names of tests */
	enum fence_source_state state;
	/* Makes source->fence. */
	void (*init)(struct fence_source *source);
};

extern const struct fence_source_type fence_source_types[];
extern const size_t fence_source_type_count;

/* To be moved out of and cleared as a test likes: what signals it is apart. */
struct fence_source {
	struct sb_fence fence;
	const struct fence_source_type *type;

	/* The types' own; what is not used is zero. */
	struct fence_rig *rig;
	struct rig_fence sw_fence;
	struct vgem_buffer buffer;
	uint32_t vgem_fence;
	struct sb_timeline *timeline;
};

/* rig is borrowed until fence_source_finish(). */
void fence_source_init(struct fence_source *source, const struct fence_source_type *type,
		struct fence_rig *rig);

/* Gives a point that is to come its fence. */
void fence_source_materialise(struct fence_source *source);

/* Signals what is pending. */
void fence_source_signal(struct fence_source *source);

/* Also clears source->fence. */
void fence_source_finish(struct fence_source *source);

#endif
