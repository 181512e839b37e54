#ifndef SB_INFO_INFO_H
#define SB_INFO_INFO_H

#include <stdbool.h>

/* The parts of the report. None needs rights or devices: what it cannot ask, it says. */

/* Returns whether the kernel is known to move fences both into dma-bufs and out of them. */
bool info_print_dmabufs(void);
void info_print_drm_nodes(void);
void info_print_vulkan_devices(void);

/* The list of the library's USDT probes. Returns whether it has them. */
bool info_print_probes(void);

#endif
