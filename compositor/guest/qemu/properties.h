#ifndef ORIEL_GUEST_QEMU_PROPERTIES_H
#define ORIEL_GUEST_QEMU_PROPERTIES_H

#include <stddef.h>

#include "guest/qemu/bus.h"

#define ORIEL_QEMU_PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

/* A property that is wanted, and where it goes to. */
struct oriel_qemu_property {
	const char *name;
	/*
	 * Of D-Bus; "u", "i" and "b" make value an uint32_t *, an int32_t * and an int *, and "au" an
	 * uint32_t **, whose count elements are the message's.
	 */
	const char *type;
	void *value;
	size_t *count; /* NULL: it is no array */
};

/*
 * Reads those of the properties that the message has, which is a{sv} from here on, as in the answer to
 * GetAll and in PropertiesChanged; others are skipped. 0, or a -errno if it is not of that type, or a
 * property is not: some may have been read then.
 */
int oriel_qemu_properties_read(sd_bus_message *message,
		const struct oriel_qemu_property *properties, size_t count);

/* Asks for all properties of an interface. 0 or -errno, as sd_bus_call_method_async(). */
int oriel_qemu_properties_ask(struct oriel_bus *bus, const char *path, const char *interface,
		sd_bus_message_handler_t handler, void *data, sd_bus_slot **ret_slot);

#endif
