#include "guest/qemu/properties.h"

#include <string.h>

static int property_read(sd_bus_message *message, const struct oriel_qemu_property *property) {
	int ret = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, property->type);
	if (ret < 0) {
		return ret;
	}
	if (property->count != NULL) {
		const void *array = NULL;
		size_t size_bytes = 0;
		ret = sd_bus_message_read_array(message, SD_BUS_TYPE_UINT32, &array, &size_bytes);
		if (ret >= 0) {
			*(const uint32_t **)property->value = array;
			*property->count = size_bytes / sizeof(uint32_t);
		}
	} else {
		ret = sd_bus_message_read_basic(message, property->type[0], property->value);
	}
	return ret < 0 ? ret : sd_bus_message_exit_container(message);
}

static int entry_read(sd_bus_message *message, const struct oriel_qemu_property *properties,
		size_t count) {
	const char *name;
	int ret = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &name);
	if (ret < 0) {
		return ret;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(properties[i].name, name) == 0) {
			return property_read(message, &properties[i]);
		}
	}
	return sd_bus_message_skip(message, "v");
}

int oriel_qemu_properties_read(sd_bus_message *message,
		const struct oriel_qemu_property *properties, size_t count) {
	int ret = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
	if (ret < 0) {
		return ret;
	}
	while ((ret = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv")) > 0) {
		ret = entry_read(message, properties, count);
		if (ret >= 0) {
			ret = sd_bus_message_exit_container(message);
		}
		if (ret < 0) {
			return ret;
		}
	}
	return ret < 0 ? ret : sd_bus_message_exit_container(message);
}

int oriel_qemu_properties_ask(struct oriel_bus *bus, const char *path, const char *interface,
		sd_bus_message_handler_t handler, void *data, sd_bus_slot **ret_slot) {
	int ret = sd_bus_call_method_async(oriel_bus_get(bus), ret_slot, NULL, path,
			ORIEL_QEMU_PROPERTIES_INTERFACE, "GetAll", handler, data, "s", interface);
	oriel_bus_flush(bus);
	return ret < 0 ? ret : 0;
}
