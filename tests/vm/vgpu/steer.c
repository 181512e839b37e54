// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/unaligned.h>

#include "vgpu.h"

/*
 * Most files hold values as "key=value key=value …". What is written changes the keys that are in
 * it, all at once or, if one is wrong, none.
 *
 * The kernel takes the files away, and waits for who is in them, before vgpu_remove() is called.
 */

enum key_kind {
	KEY_U32,
	KEY_U64,
	KEY_FORMAT, /* a number, or the four characters of a DRM format */
	KEY_FENCE, /* milliseconds or "held" */
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset; /* of the value, u64 for KEY_U64, else u32 */
	bool write_only;
};

static int key_parse(const struct key *key, char *text, void *values)
{
	void *value = values + key->offset;
	u64 number;
	s32 negative;

	if (key->kind == KEY_FORMAT && strlen(text) == 4 && kstrtou64(text, 0, &number)) {
		*(u32 *)value = get_unaligned_le32(text);
		return 0;
	}
	if (key->kind == KEY_FENCE && strcmp(text, "held") == 0) {
		*(u32 *)value = VGPU_FENCE_HELD;
		return 0;
	}
	/* A cursor may begin left of the picture; the ABI has no other way to say so. */
	if (key->kind == KEY_U32 && text[0] == '-') {
		if (kstrtos32(text, 0, &negative))
			return -EINVAL;
		*(u32 *)value = (u32)negative;
		return 0;
	}
	if (kstrtou64(text, 0, &number))
		return -EINVAL;
	if (key->kind == KEY_U64) {
		*(u64 *)value = number;
		return 0;
	}
	if (number > (key->kind == KEY_FENCE ? VGPU_FENCE_MS_MAX : U32_MAX))
		return -EINVAL;
	*(u32 *)value = number;
	return 0;
}

static int keys_parse(const char *text, const struct key *keys, size_t count, void *values)
{
	char *copy = kstrdup(text, GFP_KERNEL), *rest = copy, *word;
	int ret = 0;
	size_t i;

	if (!copy)
		return -ENOMEM;
	while (ret == 0 && (word = strsep(&rest, " \n"))) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		ret = -EINVAL;
		if (!value)
			break;
		*value++ = '\0';
		for (i = 0; i < count; i++) {
			if (strcmp(word, keys[i].name) == 0) {
				ret = key_parse(&keys[i], value, values);
				break;
			}
		}
	}
	kfree(copy);
	return ret;
}

static int keys_emit(char *text, int at, const struct key *keys, size_t count, const void *values)
{
	const int begin = at;
	size_t i;

	for (i = 0; i < count; i++) {
		const void *value = values + keys[i].offset;

		if (keys[i].write_only)
			continue;
		at += sysfs_emit_at(text, at, "%s%s=", at > begin ? " " : "", keys[i].name);
		if (keys[i].kind == KEY_FORMAT)
			at += sysfs_emit_at(text, at, "0x%08x", *(const u32 *)value);
		else if (keys[i].kind == KEY_U64)
			at += sysfs_emit_at(text, at, "%llu", *(const u64 *)value);
		else
			at += sysfs_emit_at(text, at, "%u", *(const u32 *)value);
	}
	return at - begin;
}

static struct vgpu *vgpu_from_device(struct device *dev)
{
	return dev_get_drvdata(dev);
}

/* primary and cursor */

struct plane_values {
	struct vgpu_plane plane;
	u32 fence;
};

#define NO_FENCE (VGPU_FENCE_HELD - 1) /* which nobody can write, VGPU_FENCE_MS_MAX being less */

#define PLANE_KEY(name, kind) { #name, kind, offsetof(struct plane_values, plane.name) }
static const struct key plane_keys[] = {
	PLANE_KEY(on, KEY_U32),
	PLANE_KEY(format, KEY_FORMAT),
	PLANE_KEY(modifier, KEY_U64),
	PLANE_KEY(width, KEY_U32),
	PLANE_KEY(height, KEY_U32),
	PLANE_KEY(stride, KEY_U32),
	PLANE_KEY(size, KEY_U32),
	PLANE_KEY(x, KEY_U32),
	PLANE_KEY(y, KEY_U32),
	PLANE_KEY(hot_x, KEY_U32),
	PLANE_KEY(hot_y, KEY_U32),
	PLANE_KEY(id, KEY_U32),
	PLANE_KEY(region, KEY_U32),
	PLANE_KEY(churn, KEY_U32),
	PLANE_KEY(flap, KEY_U32),
	{ "fence", KEY_FENCE, offsetof(struct plane_values, fence), .write_only = true },
};

static ssize_t plane_show(struct vgpu *vgpu, const struct vgpu_plane *plane, char *text)
{
	struct plane_values values = {};
	int at;

	mutex_lock(&vgpu->lock);
	values.plane = *plane;
	mutex_unlock(&vgpu->lock);
	at = keys_emit(text, 0, plane_keys, ARRAY_SIZE(plane_keys), &values);
	return at + sysfs_emit_at(text, at, "\n");
}

static ssize_t plane_store(struct vgpu *vgpu, struct vgpu_plane *plane, const char *text, size_t count)
{
	struct plane_values values = { .fence = NO_FENCE };
	struct vgpu_buffer *buffer;
	int ret;

	mutex_lock(&vgpu->lock);
	values.plane = *plane;
	ret = keys_parse(text, plane_keys, ARRAY_SIZE(plane_keys), &values);
	if (!ret && values.fence != NO_FENCE) {
		/* In the buffer before anybody can see that it is shown. */
		buffer = vgpu_buffer_find(vgpu, values.plane.id);
		ret = buffer ? vgpu_fence_add(vgpu, buffer, values.fence) : -ENOENT;
	}
	if (!ret) {
		if (values.plane.flap != plane->flap)
			values.plane.flapped = 0;
		*plane = values.plane;
	}
	mutex_unlock(&vgpu->lock);
	return ret ? ret : (ssize_t)count;
}

#define PLANE_ATTRIBUTE(name)                                                                      \
	static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *text)  \
	{                                                                                          \
		struct vgpu *vgpu = vgpu_from_device(dev);                                         \
                                                                                                   \
		return plane_show(vgpu, &vgpu->name, text);                                        \
	}                                                                                          \
	static ssize_t name##_store(struct device *dev, struct device_attribute *attr,             \
			const char *text, size_t count)                                            \
	{                                                                                          \
		struct vgpu *vgpu = vgpu_from_device(dev);                                         \
                                                                                                   \
		return plane_store(vgpu, &vgpu->name, text, count);                                \
	}                                                                                          \
	static DEVICE_ATTR_RW(name)

PLANE_ATTRIBUTE(primary);
PLANE_ATTRIBUTE(cursor);

/* display */

#define DISPLAY_KEY(name) { #name, KEY_U32, offsetof(struct vgpu_display, name) }
static const struct key display_keys[] = {
	DISPLAY_KEY(dmabuf),
	DISPLAY_KEY(region),
	DISPLAY_KEY(region_size),
	DISPLAY_KEY(region_mmap),
};

static ssize_t display_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	int at;

	mutex_lock(&vgpu->lock);
	at = keys_emit(text, 0, display_keys, ARRAY_SIZE(display_keys), &vgpu->display);
	mutex_unlock(&vgpu->lock);
	return at + sysfs_emit_at(text, at, "\n");
}

static ssize_t display_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vgpu_display display;
	int ret;

	mutex_lock(&vgpu->lock);
	display = vgpu->display;
	ret = keys_parse(text, display_keys, ARRAY_SIZE(display_keys), &display);
	if (!ret && display.region_size > vgpu->memory->size)
		ret = -EINVAL;
	if (!ret)
		vgpu->display = display;
	mutex_unlock(&vgpu->lock);
	return ret ? ret : (ssize_t)count;
}
static DEVICE_ATTR_RW(display);

/* buffers, expire */

struct buffer_values {
	u32 id;
	u64 offset, size;
	u32 mmap;
};

#define BUFFER_KEY(name, kind) { #name, kind, offsetof(struct buffer_values, name) }
static const struct key buffer_keys[] = {
	BUFFER_KEY(id, KEY_U32),
	BUFFER_KEY(offset, KEY_U64),
	BUFFER_KEY(size, KEY_U64),
	BUFFER_KEY(mmap, KEY_U32),
};

static ssize_t buffers_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vgpu_buffer *buffer;
	int at = 0;

	mutex_lock(&vgpu->lock);
	list_for_each_entry(buffer, &vgpu->buffers, link) {
		struct buffer_values values = {
			.id = buffer->id,
			.offset = buffer->offset,
			.size = buffer->size,
			.mmap = buffer->mappable,
		};

		at += keys_emit(text, at, buffer_keys, ARRAY_SIZE(buffer_keys), &values);
		at += sysfs_emit_at(text, at, " dmabufs=%d\n", atomic_read(&buffer->dmabufs));
	}
	mutex_unlock(&vgpu->lock);
	return at;
}

static ssize_t buffers_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct buffer_values values = { .mmap = 1 };
	int ret;

	ret = keys_parse(text, buffer_keys, ARRAY_SIZE(buffer_keys), &values);
	if (ret)
		return ret;
	mutex_lock(&vgpu->lock);
	ret = vgpu_buffer_create(vgpu, values.id, values.offset, values.size, values.mmap);
	mutex_unlock(&vgpu->lock);
	return ret ? ret : (ssize_t)count;
}
static DEVICE_ATTR_RW(buffers);

static ssize_t expire_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vgpu_buffer *buffer;
	int ret = 0;
	u32 id = 0;

	if (!sysfs_streq(text, "all")) {
		ret = kstrtou32(text, 0, &id);
		if (ret)
			return ret;
	}
	mutex_lock(&vgpu->lock);
	if (sysfs_streq(text, "all")) {
		vgpu_buffers_expire(vgpu);
	} else {
		buffer = vgpu_buffer_find(vgpu, id);
		if (buffer)
			vgpu_buffer_expire(buffer);
		else
			ret = -ENOENT;
	}
	mutex_unlock(&vgpu->lock);
	return ret ? ret : (ssize_t)count;
}
static DEVICE_ATTR_WO(expire);

/* signal */

static ssize_t signal_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	unsigned int fences = UINT_MAX, error = 0;
	char word[16];

	if (sscanf(text, "%15s %u", word, &error) < 1 || error > MAX_ERRNO)
		return -EINVAL;
	if (strcmp(word, "all") != 0 && kstrtouint(word, 0, &fences))
		return -EINVAL;
	vgpu_fences_signal(vgpu, fences, -(int)error);
	return count;
}
static DEVICE_ATTR_WO(signal);

/* edid, edid_blob */

struct edid_values {
	u32 present, max_size, max_xres, max_yres, garble;
	u32 size, up; /* read-only */
};

#define EDID_KEY(name) { #name, KEY_U32, offsetof(struct edid_values, name) }
static const struct key edid_keys[] = {
	EDID_KEY(present),
	EDID_KEY(max_size),
	EDID_KEY(max_xres),
	EDID_KEY(max_yres),
	EDID_KEY(garble),
	/* what was set through the region: */
	EDID_KEY(size),
	EDID_KEY(up),
};
#define EDID_KEYS_WRITABLE 5

static struct edid_values edid_get_values(const struct vgpu_edid *edid)
{
	return (struct edid_values){
		.present = edid->present,
		.max_size = edid->regs.edid_max_size,
		.max_xres = edid->regs.max_xres,
		.max_yres = edid->regs.max_yres,
		.garble = edid->garble,
		.size = edid->regs.edid_size,
		.up = edid->regs.link_state == VFIO_DEVICE_GFX_LINK_STATE_UP,
	};
}

static ssize_t edid_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct edid_values values;
	int at;

	mutex_lock(&vgpu->lock);
	values = edid_get_values(&vgpu->edid);
	mutex_unlock(&vgpu->lock);
	at = keys_emit(text, 0, edid_keys, ARRAY_SIZE(edid_keys), &values);
	return at + sysfs_emit_at(text, at, "\n");
}

static ssize_t edid_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vfio_region_gfx_edid *regs = &vgpu->edid.regs;
	struct edid_values values;
	int ret;

	mutex_lock(&vgpu->lock);
	values = edid_get_values(&vgpu->edid);
	ret = keys_parse(text, edid_keys, EDID_KEYS_WRITABLE, &values);
	if (!ret && values.max_size > VGPU_EDID_SIZE_MAX)
		ret = -EINVAL;
	if (!ret) {
		vgpu->edid.present = values.present;
		vgpu->edid.garble = values.garble;
		regs->edid_max_size = values.max_size;
		regs->max_xres = values.max_xres;
		regs->max_yres = values.max_yres;
		if (regs->edid_size > regs->edid_max_size) {
			regs->edid_size = 0;
			regs->link_state = VFIO_DEVICE_GFX_LINK_STATE_DOWN;
		}
	}
	mutex_unlock(&vgpu->lock);
	return ret ? ret : (ssize_t)count;
}
static DEVICE_ATTR_RW(edid);

/* What the guest's driver would find at its connector. */
static ssize_t edid_blob_read(struct file *file, struct kobject *kobj,
		const struct bin_attribute *attr, char *data, loff_t pos, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(kobj_to_dev(kobj));
	struct vgpu_edid *edid = &vgpu->edid;
	ssize_t ret = 0;

	mutex_lock(&vgpu->lock);
	if (edid->regs.link_state == VFIO_DEVICE_GFX_LINK_STATE_UP)
		ret = memory_read_from_buffer(data, count, &pos, edid->blob, edid->regs.edid_size);
	mutex_unlock(&vgpu->lock);
	return ret;
}
static const BIN_ATTR_RO(edid_blob, 0);

/* vram */

static ssize_t vram_read(struct file *file, struct kobject *kobj, const struct bin_attribute *attr,
		char *data, loff_t pos, size_t count)
{
	struct vgpu_memory *memory = vgpu_from_device(kobj_to_dev(kobj))->memory;

	return memory_read_from_buffer(data, count, &pos, memory->vaddr, memory->size);
}

static ssize_t vram_write(struct file *file, struct kobject *kobj, const struct bin_attribute *attr,
		char *data, loff_t pos, size_t count)
{
	struct vgpu_memory *memory = vgpu_from_device(kobj_to_dev(kobj))->memory;

	/* sysfs has clipped it to the file's size. */
	memcpy(memory->vaddr + pos, data, count);
	return count;
}

static int vram_mmap(struct file *file, struct kobject *kobj, const struct bin_attribute *attr,
		struct vm_area_struct *vma)
{
	struct vgpu_memory *memory = vgpu_from_device(kobj_to_dev(kobj))->memory;

	return vgpu_memory_mmap(memory, vma, 0, vma->vm_pgoff);
}

static const struct bin_attribute bin_attr_vram = {
	.attr = { .name = "vram", .mode = 0600 },
	.read = vram_read,
	.write = vram_write,
	.mmap = vram_mmap,
};

/* Whoever maps the video memory may go by the file's size. */
static size_t steer_get_size(struct kobject *kobj, const struct bin_attribute *attr, int index)
{
	return attr == &bin_attr_vram ? vgpu_from_device(kobj_to_dev(kobj))->memory->size : 0;
}

/* errors/, count/: a file for each kind of call */

/* What is beyond is the kernel's own, and no error to user space. */
#define ERROR_MAX 511

struct call_attribute {
	struct device_attribute base;
	enum vgpu_call call;
};

static enum vgpu_call call_from_attribute(struct device_attribute *attr)
{
	return container_of(attr, struct call_attribute, base)->call;
}

static ssize_t error_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vgpu_errors *errors = &vgpu->errors[call_from_attribute(attr)];
	unsigned int i;
	int at = 0;

	mutex_lock(&vgpu->lock);
	for (i = errors->next; i < errors->count; i++)
		at += sysfs_emit_at(text, at, "%u ", errors->list[i]);
	if (errors->repeat)
		at += sysfs_emit_at(text, at, "repeat");
	mutex_unlock(&vgpu->lock);
	return at + sysfs_emit_at(text, at, "\n");
}

static int errors_parse(struct vgpu_errors *errors, char *text)
{
	char *word;

	while ((word = strsep(&text, " \n"))) {
		if (!*word)
			continue;
		if (errors->repeat)
			return -EINVAL; /* which was to be the last word */
		if (strcmp(word, "repeat") == 0) {
			errors->repeat = true;
			continue;
		}
		if (errors->count == VGPU_ERRORS_MAX ||
				kstrtou16(word, 0, &errors->list[errors->count]) ||
				errors->list[errors->count] > ERROR_MAX)
			return -EINVAL;
		errors->count++;
	}
	return 0;
}

static ssize_t error_store(
		struct device *dev, struct device_attribute *attr, const char *text, size_t count)
{
	struct vgpu *vgpu = vgpu_from_device(dev);
	struct vgpu_errors errors = {};
	char *copy = kstrdup(text, GFP_KERNEL);
	int ret;

	if (!copy)
		return -ENOMEM;
	ret = errors_parse(&errors, copy);
	kfree(copy);
	if (ret)
		return ret;
	mutex_lock(&vgpu->lock);
	vgpu->errors[call_from_attribute(attr)] = errors;
	mutex_unlock(&vgpu->lock);
	return count;
}

static ssize_t count_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct vgpu *vgpu = vgpu_from_device(dev);

	return sysfs_emit(text, "%d\n", atomic_read(&vgpu->counts[call_from_attribute(attr)]));
}

#define ERROR_ATTRIBUTE(name)                                                                      \
	static struct call_attribute error_##name = {                                              \
		__ATTR(name, 0644, error_show, error_store),                                       \
		VGPU_CALL_##name,                                                                  \
	};
#define COUNT_ATTRIBUTE(name)                                                                      \
	static struct call_attribute count_##name = {                                              \
		__ATTR(name, 0444, count_show, NULL),                                              \
		VGPU_CALL_##name,                                                                  \
	};
VGPU_CALLS(ERROR_ATTRIBUTE)
VGPU_CALLS(COUNT_ATTRIBUTE)

static ssize_t dmabufs_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return sysfs_emit(text, "%d\n", atomic_read(&vgpu_from_device(dev)->memory->dmabufs));
}
static DEVICE_ATTR_RO(dmabufs);

static ssize_t fences_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return sysfs_emit(text, "%u\n", READ_ONCE(vgpu_from_device(dev)->fences.count));
}
static DEVICE_ATTR_RO(fences);

static ssize_t edid_links_show(struct device *dev, struct device_attribute *attr, char *text)
{
	return sysfs_emit(text, "%u\n", READ_ONCE(vgpu_from_device(dev)->edid.links));
}
static DEVICE_ATTR_RO(edid_links);

/* The files of a device */

static struct attribute *steer_attributes[] = {
	&dev_attr_primary.attr,
	&dev_attr_cursor.attr,
	&dev_attr_display.attr,
	&dev_attr_buffers.attr,
	&dev_attr_expire.attr,
	&dev_attr_signal.attr,
	&dev_attr_edid.attr,
	NULL,
};

static const struct bin_attribute *const steer_bin_attributes[] = {
	&bin_attr_edid_blob,
	&bin_attr_vram,
	NULL,
};

#define ERROR_POINTER(name) &error_##name.base.attr,
static struct attribute *error_attributes[] = { VGPU_CALLS(ERROR_POINTER) NULL };

#define COUNT_POINTER(name) &count_##name.base.attr,
static struct attribute *count_attributes[] = {
	VGPU_CALLS(COUNT_POINTER) & dev_attr_dmabufs.attr,
	&dev_attr_fences.attr,
	&dev_attr_edid_links.attr,
	NULL,
};

static const struct attribute_group steer_group = {
	.name = "vgpu",
	.attrs = steer_attributes,
	.bin_attrs = steer_bin_attributes,
	.bin_size = steer_get_size,
};
static const struct attribute_group error_group = { .name = "errors", .attrs = error_attributes };
static const struct attribute_group count_group = { .name = "count", .attrs = count_attributes };

const struct attribute_group *vgpu_groups[] = { &steer_group, &error_group, &count_group, NULL };
