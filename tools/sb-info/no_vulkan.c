#include "info.h"

#include "report.h"

void info_print_vulkan_devices(void) {
	report_heading("Vulkan");
	report_line("devices", "unknown: sb-info was built without Vulkan");
}
