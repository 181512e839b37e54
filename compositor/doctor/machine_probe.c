#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor/machine.h"
#include "doctor/monitor.h"

/* Where QEMU keeps devices: those with an id, those without, and those of the board (-vga). */
static const char *const device_folders[] = {
	"/machine/peripheral",
	"/machine/peripheral-anon",
	"/machine/unattached",
};

/* Each get_*() gives a value that says nothing if object has none of that kind. */

static const char *get_string(struct json_object *object, const char *key) {
	struct json_object *value;
	return json_object_object_get_ex(object, key, &value) &&
					json_object_is_type(value, json_type_string)
			? json_object_get_string(value)
			: "";
}

static bool get_bool(struct json_object *object, const char *key) {
	struct json_object *value;
	return json_object_object_get_ex(object, key, &value) &&
			json_object_is_type(value, json_type_boolean) &&
			json_object_get_boolean(value);
}

static int get_int(struct json_object *object, const char *key) {
	struct json_object *value;
	return json_object_object_get_ex(object, key, &value) &&
					json_object_is_type(value, json_type_int)
			? json_object_get_int(value)
			: 0;
}

static size_t get_length(struct json_object *array) {
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static struct oriel_doctor_version read_version(struct json_object *greeting) {
	struct json_object *version = NULL, *qemu = NULL;
	json_object_object_get_ex(greeting, "version", &version);
	json_object_object_get_ex(version, "qemu", &qemu);
	return (struct oriel_doctor_version){
		.major = get_int(qemu, "major"),
		.minor = get_int(qemu, "minor"),
		.micro = get_int(qemu, "micro"),
	};
}

static void read_display(struct oriel_doctor_machine_facts *facts, struct json_object *options) {
	snprintf(facts->display, sizeof(facts->display), "%s", get_string(options, "type"));
	facts->is_p2p = get_bool(options, "p2p");
	const char *gl = get_string(options, "gl");
	facts->has_gl = gl[0] != '\0' && strcmp(gl, "off") != 0;
}

static void read_memory(struct oriel_doctor_machine_facts *facts, struct json_object *backends) {
	/* Devices have backends too, but none that are shared by chance. */
	for (size_t i = 0; i < get_length(backends); i++) {
		facts->has_shared_memory |= get_bool(json_object_array_get_idx(backends, i), "share");
	}
}

static void read_pointers(struct oriel_doctor_machine_facts *facts, struct json_object *pointers) {
	for (size_t i = 0; i < get_length(pointers); i++) {
		facts->has_absolute_pointer |=
				get_bool(json_object_array_get_idx(pointers, i), "absolute");
	}
}

/* The T of child<T>, or an empty string. It is written to type. */
static void read_child_type(struct json_object *property, char *type, size_t size) {
	static const char before[] = "child<";
	const char *text = get_string(property, "type");
	type[0] = '\0';
	if (strncmp(text, before, strlen(before)) == 0) {
		text += strlen(before);
		snprintf(type, size, "%.*s", (int)strcspn(text, ">"), text);
	}
}

/* Whether a word of QEMU's can be put between quotation marks as it is. */
static bool is_plain(const char *text) {
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f) {
			return false;
		}
	}
	return true;
}

static int ask_gpu(struct oriel_doctor_monitor *monitor, const char *folder, const char *name,
		struct oriel_doctor_gpu *gpu) {
	char arguments[256];
	int length = snprintf(arguments, sizeof(arguments),
			"{\"path\":\"%s/%s\",\"property\":\"blob\"}", folder, name);
	if (!is_plain(name) || length >= (int)sizeof(arguments)) {
		return 0;
	}
	struct json_object *answer;
	int ret = oriel_doctor_monitor_ask(monitor, "qom-get", arguments, &answer);
	if (ret == 0) {
		gpu->has_blob = json_object_is_type(answer, json_type_boolean) &&
				json_object_get_boolean(answer);
		json_object_put(answer);
	}
	/* A device without such a property has no blobs. */
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int ask_devices(struct oriel_doctor_machine_facts *facts,
		struct oriel_doctor_monitor *monitor, const char *folder) {
	char arguments[64];
	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s\"}", folder);
	struct json_object *devices;
	int ret = oriel_doctor_monitor_ask(monitor, "qom-list", arguments, &devices);
	if (ret < 0) {
		return ret == -EOPNOTSUPP ? 0 : ret;
	}
	for (size_t i = 0; i < get_length(devices) && ret == 0 &&
			facts->gpu_count < ORIEL_DOCTOR_GPUS_MAX;
			i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		struct oriel_doctor_gpu gpu = { 0 };
		read_child_type(device, gpu.type, sizeof(gpu.type));
		if (strncmp(gpu.type, "virtio-gpu", strlen("virtio-gpu")) == 0 ||
				strncmp(gpu.type, "virtio-vga", strlen("virtio-vga")) == 0) {
			ret = ask_gpu(monitor, folder, get_string(device, "name"), &gpu);
			facts->gpus[facts->gpu_count++] = gpu;
		}
	}
	json_object_put(devices);
	return ret;
}

static void read_status(struct oriel_doctor_machine_facts *facts, struct json_object *status) {
	snprintf(facts->status, sizeof(facts->status), "%s", get_string(status, "status"));
}

static void read_kvm(struct oriel_doctor_machine_facts *facts, struct json_object *kvm) {
	facts->has_kvm = get_bool(kvm, "enabled");
}

/* What is asked without arguments, and who reads the answer. An older QEMU may refuse any of it. */
static const struct {
	const char *command;
	void (*read)(struct oriel_doctor_machine_facts *facts, struct json_object *answer);
} questions[] = {
	{ "query-status", read_status },
	{ "query-display-options", read_display },
	{ "query-memdev", read_memory },
	{ "query-mice", read_pointers },
	{ "query-kvm", read_kvm },
};

static int ask_all(struct oriel_doctor_machine_facts *facts, struct oriel_doctor_monitor *monitor) {
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct json_object *answer;
		int ret = oriel_doctor_monitor_ask(monitor, questions[i].command, NULL, &answer);
		if (ret == 0) {
			questions[i].read(facts, answer);
			json_object_put(answer);
		} else if (ret != -EOPNOTSUPP) {
			return ret;
		}
	}
	for (size_t i = 0; i < sizeof(device_folders) / sizeof(device_folders[0]); i++) {
		int ret = ask_devices(facts, monitor, device_folders[i]);
		if (ret < 0) {
			return ret;
		}
	}
	return 0;
}

void oriel_doctor_machine_probe(
		struct oriel_doctor_machine_facts *facts, const char *path, int timeout_ms) {
	*facts = (struct oriel_doctor_machine_facts){ .monitor = path };
	struct oriel_doctor_monitor monitor;
	struct json_object *greeting;
	int ret = oriel_doctor_monitor_connect(&monitor, path, timeout_ms, &greeting);
	if (ret == 0) {
		facts->version = read_version(greeting);
		json_object_put(greeting);
		ret = ask_all(facts, &monitor);
	}
	facts->error = -ret;
	oriel_doctor_monitor_finish(&monitor);
}
