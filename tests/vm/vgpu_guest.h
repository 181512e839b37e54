#ifndef ORIEL_TESTS_VGPU_GUEST_H
#define ORIEL_TESTS_VGPU_GUEST_H

#include <stddef.h>
#include <stdint.h>

/*
 * Plays the guest of a software vGPU: what a driver in a virtual machine would do to the device
 * (set a mode, paint, flip pages) is done by this process, through the device's VFIO file.
 *
 *    this library                                          oriel
 *    ------------                                          -----
 *    registers (BAR 2) ------> mbochs <------ VFIO_DEVICE_QUERY_GFX_PLANE
 *    pixels (BAR 0, mapped) -> VRAM   <------ VFIO_DEVICE_GET_GFX_DMABUF, import
 *
 * Devices: mbochs (samples/vfio-mdev/mbochs.c in the Linux tree), whose plane is a dma-buf with a
 * mode that the guest sets, and mdpy (mdpy.c), whose plane is a region with a fixed mode.
 *
 * What there is to know about mbochs:
 *
 * - The plane is computed from the registers at every query; there is no vblank and no latching. A
 *   query between two register writes sees the mixture. That is why a mode is set with the plane
 *   off, and why a flip is one write (Y_OFFSET).
 * - A dma-buf is keyed by format, width, height, stride and offset. The first query of a new key
 *   makes a new id and answers -ENOMEM; the next one finds it. The key keeps its id until the
 *   device file is closed, so a page that is flipped back to has its old id.
 * - All dma-bufs of one id are one inode while any of them is open, and so have one set of fences:
 *   a fence imported here is seen through anybody's file. When the last is closed, the fences go.
 * - An id exists from its page's first query on, and can then be turned into a dma-buf whether or
 *   not that page is shown.
 * - VRAM is 4 MiB (mbochs-small), 16 MiB (mbochs-medium) or 64 MiB (mbochs-large), 256 MiB for all
 *   devices together. A plane is at least 64x64 and a dma-buf begins at a page of memory.
 * - VRAM is given back when the last holder of the device file closes it, the registers stay: a
 *   device that is opened again shows the same mode, all black.
 *
 * Errors are negative errno values. Nothing here prints, and nothing blocks unless that is said.
 * Not thread safe.
 */

struct vgpu_guest;

/*
 * Creates a mediated device.
 *
 * type is a name from mdev_supported_types: "mbochs-small", "mbochs-medium", "mbochs-large",
 * "mdpy-vga" (640x480), "mdpy-xga" (1024x768), "mdpy-hd" (1920x1080). The device gets a random
 * UUID, which is written with its NUL to uuid_out.
 *
 * Returns 0, -ENODEV if no loaded driver has the type, -ENOSPC if the driver has no more VRAM to
 * give, -EACCES if the process may not, or another -errno from sysfs.
 */
int vgpu_mdev_create(const char *type, char uuid_out[37]);

/*
 * Removes a mediated device. Blocks until everybody has closed the device file, without a limit.
 *
 * Returns 0, -ENODEV if there is no such device, or another -errno from sysfs.
 */
int vgpu_mdev_remove(const char *uuid);

/*
 * Writes the path of a mediated device's character device ("/dev/vfio/devices/vfioN") to path. The
 * node is there as soon as vgpu_mdev_create() has returned: devtmpfs makes it before the kernel's
 * device_add() returns.
 *
 * Returns 0, -ENODEV if there is no such device or it has no character device
 * (CONFIG_VFIO_DEVICE_CDEV), -ENAMETOOLONG if path_size bytes are too few.
 */
int vgpu_mdev_get_cdev_path(const char *uuid, char *path, size_t path_size);

/*
 * Opens a mediated device's character device, binds it to a fresh iommufd and maps its VRAM. The
 * plane is left as it is.
 *
 * Returns NULL with errno set on failure; EINVAL if somebody else has bound the device.
 */
struct vgpu_guest *vgpu_guest_open(const char *uuid);

/*
 * The same on an open device file, which is borrowed (a duplicate is kept). The file may have been
 * bound before: VFIO_DEVICE_BIND_IOMMUFD then fails with EINVAL, which is ignored as long as the
 * device answers.
 *
 * Returns NULL with errno set on failure.
 */
struct vgpu_guest *vgpu_guest_open_fd(int device_fd);

/* Returns the device file: borrowed, bound, to be handed to another holder. */
int vgpu_guest_get_device_fd(struct vgpu_guest *guest);

/*
 * Unmaps VRAM and closes this holder's device file; the plane stays as it is. Pointers from
 * vgpu_guest_get_page() end here. NULL is accepted.
 */
void vgpu_guest_close(struct vgpu_guest *guest);

/*
 * VFIO_DEVICE_RESET: all registers go to zero, so the plane is off and a mode must be set again.
 * VRAM, dma-bufs and ids stay. mdpy stays on and fills its VRAM with a picture of its own.
 *
 * Returns 0 or -errno.
 */
int vgpu_guest_reset(struct vgpu_guest *guest);

/*
 * Sets a mode and shows page 0; its pixels are what VRAM has there. The plane is off between the
 * first and the last register write.
 *
 * width and height are the visible size in pixels. virtual_width is a row's length in pixels: the
 * stride is 4 * virtual_width bytes; virtual_width == width has no padding. pages are laid out one
 * below the other, each at the next row that begins at a page of memory, since mbochs exports no
 * dma-buf at other offsets.
 *
 * Returns 0; -EINVAL if width or height is below 64, virtual_width is below width, pages is below 1
 * or a number does not fit its 16 bit register; -ENOSPC if the pages do not fit in VRAM or the last
 * page's first row is beyond what Y_OFFSET can say. After an error the mode is unchanged.
 * On mdpy: 0 for the mode the device has with virtual_width == width and one page, else -EINVAL.
 */
int vgpu_guest_set_mode(
		struct vgpu_guest *guest, int width, int height, int virtual_width, int pages);

/*
 * Returns the pixels of a page in the mapped VRAM, XRGB8888 in native order (0xXXRRGGBB), valid
 * until the next mode or vgpu_guest_close(). ret_stride_bytes may be NULL. Writing to the page that
 * is shown is writing to the screen. A mode must be set and page be one of its pages.
 */
uint32_t *vgpu_guest_get_page(struct vgpu_guest *guest, int page, size_t *ret_stride_bytes);

/* Shows a page of the mode, at once. Returns 0, -EINVAL for no such page, or -errno. */
int vgpu_guest_flip(struct vgpu_guest *guest, int page);

/*
 * Turns the plane off (ENABLE = 0): a query then answers with format 0. The mode is gone until it
 * is set again. Returns 0, or -ENOTSUP on mdpy, which is always on.
 */
int vgpu_guest_disable(struct vgpu_guest *guest);

/*
 * The test picture's colour (0x00RRGGBB) at buffer coordinates x, y.
 *
 * Within a picture of up to 4096x4096 every pixel has a colour of its own, and direct neighbours
 * differ by at least 97 in a channel, so that a shift by a pixel, a wrong stride, a mirrored,
 * transposed or channel-swapped picture is seen at nearly every pixel, even by a comparison that
 * allows for rounding. Pictures of one size and different seeds (modulo 2^24) differ at every
 * pixel, and so do pictures of one seed whose sizes differ in one direction.
 */
uint32_t vgpu_picture_pixel(int x, int y, int width, int height, uint32_t seed);

/*
 * Paints the test picture of the mode's size to a page. The X byte is 0 and the padding at the end
 * of each row is the complement of the row's last colour, so that neither can pass for the picture.
 */
void vgpu_guest_paint(struct vgpu_guest *guest, int page, uint32_t seed);

/*
 * A dma-buf of what the plane shows now, got as a second party gets it: VFIO_DEVICE_QUERY_GFX_PLANE,
 * again after the -ENOMEM of a new id, then VFIO_DEVICE_GET_GFX_DMABUF.
 *
 * *ret_dmabuf_fd belongs to the caller and is CLOEXEC; *ret_id is the plane's dmabuf_id and may be
 * NULL. Keep the file open for as long as fences imported through it matter.
 *
 * Returns 0, -ENODATA if the plane is off, -ENOTSUP on mdpy, -EINVAL if the plane does not begin at
 * a page of memory, or another -errno.
 */
int vgpu_guest_get_dmabuf(struct vgpu_guest *guest, int *ret_dmabuf_fd, uint32_t *ret_id);

/*
 * The same for any page of the mode, shown or not: to import a fence before the flip. Where the
 * page has not been queried before, it is shown for the moment of that query, which a compositor
 * stepped by the same thread cannot see, but one in another process may.
 *
 * Returns as vgpu_guest_get_dmabuf() does, and -EINVAL for no such page.
 */
int vgpu_guest_get_page_dmabuf(
		struct vgpu_guest *guest, int page, int *ret_dmabuf_fd, uint32_t *ret_id);

#endif
