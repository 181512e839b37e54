/* The command line that oriel-vfio(1) runs. */
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void own_device_of_command_is_seen(void **state) {
	static const struct {
		const char *option, *value, *sysfs_name;
		bool is_it;
	} cases[] = {
		{ "-device", "vfio-pci,host=0000:00:02.0", "0000:00:02.0", true },
		{ "--device", "vfio-pci,host=00:02.0,display=on", "0000:00:02.0", true },
		{ "-device", "{\"driver\":\"vfio-pci\",\"host\":\"0000:00:02.0\"}", "0000:00:02.0",
				true },
		{ "-device", "vfio-pci-nohotplug,sysfsdev=/sys/bus/mdev/devices/uuid", "uuid", true },
		{ "-device", "vfio-pci,host=00:02.0", "0001:00:02.0", false },
		{ "-device", "vfio-pci,host=00:03.0", "0000:00:02.0", false },
		{ "-device", "virtio-gpu,id=uuid", "uuid", false },
		{ "-object", "vfio-pci,sysfsdev=uuid", "uuid", false },
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char *argv[] = { "qemu", (char *)cases[i].option, (char *)cases[i].value, NULL };
		assert_int_equal(command_has_device(argv, cases[i].sysfs_name), cases[i].is_it);
	}
	char *without_value[] = { "qemu", "-device", NULL };
	assert_false(command_has_device(without_value, "uuid"));
}

static void device_is_added_behind_the_command(void **state) {
	char sysfs_path[] = "/sys/devices/a,b/uuid";
	const struct device device = {
		.fd = 7,
		.iommufd_fd = 8,
		.sysfs_path = sysfs_path,
		.node_name = "vfio3",
	};
	char *argv[] = { "qemu", "-m", "1G", NULL };
	static const char *const expected[] = { "qemu", "-m", "1G", "-object",
		"iommufd,id=oriel-iommufd-vfio3,fd=8", "-device",
		("vfio-pci,id=oriel-vfio3,iommufd=oriel-iommufd-vfio3,fd=7,"
		 "sysfsdev=/sys/devices/a,,b/uuid,display=off"),
		"-chardev", "socket,id=oriel-input-vfio3,fd=9", "-qmp", "chardev:oriel-input-vfio3" };
	for (int with_monitor = 0; with_monitor <= 1; with_monitor++) {
		size_t count = ARRAY_LENGTH(expected) - (with_monitor ? 0 : 4);
		char **command = command_add_device(argv, &device, with_monitor ? 9 : -1);
		assert_non_null(command);
		for (size_t i = 0; i < count; i++) {
			assert_string_equal(command[i], expected[i]);
		}
		assert_null(command[count]);
		command_free(command, 3);
	}
	command_free(NULL, 3);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_device_of_command_is_seen),
		cmocka_unit_test(device_is_added_behind_the_command),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
