#ifndef TESTS_GUESTS_GPU_H
#define TESTS_GUESTS_GPU_H

#include "boot.h"

/*
 * A guest without a system, for the head 0 of a virtio-gpu: what the boot sector is for a VGA, with its
 * sizes, pictures and keys (boot.h), but for VGA's modes. It has two buffers, and each key flips to
 * the other one. They are blobs, which are memory of the guest's, where the device has those. One key
 * is for many flips:
 */
#define GPU_FLIPS_SCANCODE 0x21 /* F */
#define GPU_FLIPS 40 /* to pictures of the seeds from 1 to this one */

#endif
