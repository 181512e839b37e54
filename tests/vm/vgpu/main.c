// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "vgpu.h"

static struct vgpu_type vgpu_types[] = {
	{ .mdev = { .sysfs_name = "small", .pretty_name = "16 MiB" }, .memory_size = SZ_16M },
	{ .mdev = { .sysfs_name = "large", .pretty_name = "64 MiB" }, .memory_size = SZ_64M },
};

static struct mdev_type *vgpu_mdev_types[] = { &vgpu_types[0].mdev, &vgpu_types[1].mdev };

static struct class *vgpu_class;
static struct device *vgpu_parent_device;
static struct mdev_parent vgpu_parent;

static int vgpu_probe(struct mdev_device *mdev)
{
	struct vgpu *vgpu;
	int ret;

	vgpu = vfio_alloc_device(vgpu, vdev, &mdev->dev, &vgpu_device_ops);
	if (IS_ERR(vgpu))
		return PTR_ERR(vgpu);
	dev_set_drvdata(&mdev->dev, vgpu);
	ret = vfio_register_emulated_iommu_dev(&vgpu->vdev);
	if (ret)
		vfio_put_device(&vgpu->vdev);
	return ret;
}

static void vgpu_remove(struct mdev_device *mdev)
{
	struct vgpu *vgpu = dev_get_drvdata(&mdev->dev);

	/*
	 * The sysfs files are gone, so nobody could signal a fence any more, and whoever waits for
	 * one may hold a file of the device, for the end of which the next call waits.
	 */
	vgpu_fences_finish(vgpu);
	vfio_unregister_group_dev(&vgpu->vdev);
	vfio_put_device(&vgpu->vdev);
}

static struct mdev_driver vgpu_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = 16,
	.driver = {
		.name = VGPU_NAME,
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = vgpu_groups,
	},
	.probe = vgpu_probe,
	.remove = vgpu_remove,
};

static int __init vgpu_module_init(void)
{
	int ret;

	/* The class is for its name only: an mdev type is called after its parent's class. */
	vgpu_class = class_create(VGPU_NAME);
	if (IS_ERR(vgpu_class))
		return PTR_ERR(vgpu_class);
	vgpu_parent_device = device_create(vgpu_class, NULL, 0, NULL, VGPU_NAME);
	if (IS_ERR(vgpu_parent_device)) {
		ret = PTR_ERR(vgpu_parent_device);
		goto error_class;
	}
	ret = mdev_register_driver(&vgpu_driver);
	if (ret)
		goto error_device;
	ret = mdev_register_parent(&vgpu_parent, vgpu_parent_device, &vgpu_driver, vgpu_mdev_types,
			ARRAY_SIZE(vgpu_mdev_types));
	if (ret)
		goto error_driver;
	return 0;

error_driver:
	mdev_unregister_driver(&vgpu_driver);
error_device:
	device_unregister(vgpu_parent_device);
error_class:
	class_destroy(vgpu_class);
	return ret;
}
module_init(vgpu_module_init);

static void __exit vgpu_module_exit(void)
{
	mdev_unregister_parent(&vgpu_parent);
	mdev_unregister_driver(&vgpu_driver);
	device_unregister(vgpu_parent_device);
	class_destroy(vgpu_class);
	/* A fence needs us until it has signalled, and for as long as somebody may be in its ops. */
	synchronize_rcu();
}
module_exit(vgpu_module_exit);

MODULE_DESCRIPTION("A vGPU for tests, with planes, fences and faults on request");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
