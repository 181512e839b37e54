/*
 * Input as it comes out in a Linux guest: what is done to oriel's seat, and what the guest's input
 * devices report. The guest's picture is another's, since it does not matter here.
 */
#include "guest/input_sink.h"

#include <json-c/json.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "guest/qemu/console.h"
#include "guest/qemu/machine.h"
#include "guest/qemu/qnum.h"
#include "input.h"
#include "input/guest_input.h"
#include "input/seat.h"
#include "qemu.h"
#include "server.h"
#include "view/guest_view.h"

/* Of the guest's surface. The picture and the output are smaller by SCALE: less to draw. */
#define WIDTH 1280
#define HEIGHT 800
#define SCALE 8

/* Of a tablet's and a touch screen's axes. */
#define ABS_MAX_VALUE 32767

struct scene {
	struct fixture fixture;
	struct qemu qemu;
	struct input input;
	struct oriel_qemu_machine *machine; /* the one that oriel has */
};

static struct oriel_input_sink *get_sink(struct scene *scene) {
	return fixture_get_view(&scene->fixture, "a")->input;
}

static bool is_grabbed(struct scene *scene) {
	return scene->fixture.server->seat->guest_input.is_grabbed;
}

static bool has_picture(struct fixture *fixture, void *data) {
	return fixture_get_view(fixture, "a")->primary.frame != NULL;
}

/* QEMU tells of the guest's mode when it likes, which may be after the guest has. */
static bool is_there(struct qemu *qemu, void *data) {
	struct scene *scene = data;
	const struct oriel_qemu_console *console = oriel_qemu_machine_get_console(scene->machine, 0);
	return console->is_there && console->width == WIDTH && console->height == HEIGHT;
}

static bool is_stopped(struct qemu *qemu, void *data) {
	struct scene *scene = data;
	return !oriel_qemu_machine_is_running(scene->machine);
}

static bool takes_places(struct qemu *qemu, void *data) {
	return get_sink(data)->pointer == ORIEL_INPUT_SINK_POINTER_PLACES;
}

static bool takes_distances(struct qemu *qemu, void *data) {
	return get_sink(data)->pointer == ORIEL_INPUT_SINK_POINTER_DISTANCES;
}

/*
 * Boots the guest with a keyboard and one or two devices more (second may be NULL), and gives it the
 * input. options are more lines of the guest's configuration.
 */
static void scene_init(
		struct scene *scene, const char *first, const char *second, const char *options) {
	*scene = (struct scene){ 0 };
	qemu_require(QEMU_GUEST_LINUX);
	qemu_init(&scene->qemu, &scene->fixture);
	char config[512];
	snprintf(config, sizeof(config),
			"output OUTPUT-1 {\n\tmode %dx%d\n}\n"
			"guest a {\n\tsource synthetic %dx%d\n\tinput qemu %s\n%s}\n"
			"bind Super+1 guest a\n",
			WIDTH / SCALE, HEIGHT / SCALE, WIDTH / SCALE, HEIGHT / SCALE,
			scene->qemu.monitor_path, options);
	fixture_init(&scene->fixture, config);
	scene->machine = oriel_qemu_machine_ref(
			scene->fixture.server->loop, "a", scene->qemu.monitor_path);
	assert_non_null(scene->machine);
	input_plug(&scene->input, &scene->fixture);
	fixture_step_until(&scene->fixture, has_picture, NULL);

	const char *const arguments[] = {
		"-device",
		"virtio-gpu-pci",
		"-device",
		"virtio-keyboard-pci",
		"-device",
		first,
		second != NULL ? "-device" : NULL,
		second,
		NULL,
	};
	qemu_start(&scene->qemu, QEMU_GUEST_LINUX, arguments);
	qemu_wait_for_line(&scene->qemu, "ready");
	qemu_wait_until(&scene->qemu, is_there, scene);
	input_type(&scene->input, (const uint32_t[]){ KEY_LEFTMETA, KEY_1, 0 });
}

static void scene_finish(struct scene *scene) {
	oriel_qemu_machine_unref(scene->machine);
	qemu_finish(&scene->qemu); /* its fds are younger */
	fixture_finish(&scene->fixture);
}

static void wait_for_event(
		struct scene *scene, const char *device, unsigned type, unsigned code, int value) {
	char line[64];
	snprintf(line, sizeof(line), "%s %u %u %d", device, type, code, value);
	qemu_wait_for_line(&scene->qemu, line);
}

static bool has_lines(struct qemu *qemu, void *data) {
	const char *const *lines = data;
	while (*lines != NULL && qemu_has_line(qemu, *lines)) {
		lines++;
	}
	return *lines == NULL;
}

/* In any order: what two devices report at once, the guest reads from one after the other. */
static void wait_for_lines(struct scene *scene, const char *const lines[]) {
	qemu_wait_until(&scene->qemu, has_lines, (void *)(uintptr_t)lines);
	qemu_drop_lines(&scene->qemu);
}

static void wait_for_key(struct scene *scene, uint32_t code, bool is_pressed) {
	wait_for_event(scene, "keyboard", EV_KEY, code, is_pressed);
}

/* Where in the layout the middle of the surface's pixel is. */
static double get_place(int pixel) {
	return (pixel + 0.5) / SCALE;
}

static void point(struct scene *scene, int x, int y) {
	input_move(&scene->input, get_place(x), get_place(y));
}

static void press_escape(struct scene *scene) {
	input_type(&scene->input, (const uint32_t[]){ KEY_LEFTCTRL, KEY_LEFTALT, KEY_ESC, 0 });
}

/* Keyboard */

static void every_key_arrives_as_itself(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	unsigned count = 0;
	for (uint32_t code = 0; code <= KEY_MAX; code++) {
		if (oriel_qnum_from_evdev(code) == 0) {
			continue;
		}
		qemu_drop_lines(&scene.qemu);
		input_key(&scene.input, code, true);
		wait_for_key(&scene, code, true);
		input_key(&scene.input, code, false);
		wait_for_key(&scene, code, false);
		count++;
	}
	assert_int_equal(count, 222);
	scene_finish(&scene);
}

struct wanted_leds {
	struct scene *scene;
	uint32_t leds;
};

static bool has_leds(struct qemu *qemu, void *data) {
	const struct wanted_leds *wanted = data;
	return wanted->scene->input.leds == wanted->leds;
}

static void wait_for_leds(struct scene *scene, uint32_t leds) {
	qemu_wait_until(&scene->qemu, has_leds,
			&(struct wanted_leds){ .scene = scene, .leds = leds });
}

static void leds_follow_the_guest_while_it_has_the_focus(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	qemu_command(&scene.qemu, "led %d 1", LED_CAPSL);
	wait_for_leds(&scene, WLR_LED_CAPS_LOCK);
	qemu_command(&scene.qemu, "led %d 1", LED_NUML);
	wait_for_leds(&scene, WLR_LED_CAPS_LOCK | WLR_LED_NUM_LOCK);
	qemu_command(&scene.qemu, "led %d 0", LED_CAPSL);
	qemu_command(&scene.qemu, "led %d 1", LED_SCROLLL);
	wait_for_leds(&scene, WLR_LED_SCROLL_LOCK | WLR_LED_NUM_LOCK);
	press_escape(&scene);
	wait_for_leds(&scene, 0);
	scene_finish(&scene);
}

/* What is held down */

static void key_that_is_held_is_released_with_the_focus(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	qemu_wait_until(&scene.qemu, takes_places, &scene);
	point(&scene, 80, 80);
	input_key(&scene.input, KEY_A, true);
	input_button(&scene.input, BTN_RIGHT, true);
	/* EV_KEY and the codes of A and BTN_RIGHT, and with those of Ctrl and Alt. */
	wait_for_lines(&scene, (const char *[]){ "keyboard 1 30 1", "tablet 1 273 1", NULL });
	press_escape(&scene);
	wait_for_lines(&scene,
			(const char *[]){ "keyboard 1 29 0", "keyboard 1 30 0", "keyboard 1 56 0",
					"tablet 1 273 0", NULL });
	scene_finish(&scene);
}

static void key_that_is_released_while_stopped_does_not_stay_down(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	input_key(&scene.input, KEY_A, true);
	input_key(&scene.input, KEY_B, true);
	wait_for_key(&scene, KEY_A, true);
	wait_for_key(&scene, KEY_B, true);
	qemu_do(&scene.qemu, "{'execute':'stop'}");
	qemu_wait_until(&scene.qemu, is_stopped, &scene);
	input_key(&scene.input, KEY_A, false);
	input_key(&scene.input, KEY_C, true);
	qemu_do(&scene.qemu, "{'execute':'cont'}");
	/* The one that is still held down too, and nothing of the one that was pressed meanwhile. */
	wait_for_key(&scene, KEY_A, false);
	wait_for_key(&scene, KEY_B, false);
	input_key(&scene.input, KEY_B, false);
	input_key(&scene.input, KEY_C, false);
	input_key(&scene.input, KEY_D, true);
	assert_false(qemu_has_line(&scene.qemu, "keyboard 1 46 1"));
	wait_for_key(&scene, KEY_D, true);
	scene_finish(&scene);
}

static void reset_lets_go_of_what_is_held(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	input_key(&scene.input, KEY_A, true);
	wait_for_key(&scene, KEY_A, true);
	qemu_drop_lines(&scene.qemu);
	qemu_do(&scene.qemu, "{'execute':'system_reset'}");
	qemu_wait_for_event(&scene.qemu, "RESET");
	qemu_wait_for_line(&scene.qemu, "ready");
	/* The old press has no release left, and a new one counts. */
	input_key(&scene.input, KEY_A, false);
	input_key(&scene.input, KEY_A, true);
	input_key(&scene.input, KEY_A, false);
	wait_for_key(&scene, KEY_A, true);
	wait_for_key(&scene, KEY_A, false);
	scene_finish(&scene);
}

/* Pointer */

/* QEMU's devices have the pixel's part of the surface. */
static void wait_for_place(struct scene *scene, const char *device, unsigned x_code, int x, int y) {
	wait_for_event(scene, device, EV_ABS, x_code, x * ABS_MAX_VALUE / WIDTH);
	wait_for_event(scene, device, EV_ABS, x_code + 1, y * ABS_MAX_VALUE / HEIGHT);
}

static void tablet_is_where_the_pointer_is(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-tablet-pci", NULL, "");
	qemu_wait_until(&scene.qemu, takes_places, &scene);
	static const int places[][2] = { { 640, 400 }, { 1, 1 }, { 1279, 799 }, { 333, 777 },
		{ 1000, 3 } };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		point(&scene, places[i][0], places[i][1]);
		wait_for_place(&scene, "tablet", ABS_X, places[i][0], places[i][1]);
	}
	static const uint32_t buttons[] = { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA };
	for (size_t i = 0; i < sizeof(buttons) / sizeof(buttons[0]); i++) {
		input_button(&scene.input, buttons[i], true);
		wait_for_event(&scene, "tablet", EV_KEY, buttons[i], 1);
		input_button(&scene.input, buttons[i], false);
		wait_for_event(&scene, "tablet", EV_KEY, buttons[i], 0);
	}
	input_scroll(&scene.input, 15);
	wait_for_event(&scene, "tablet", EV_REL, REL_WHEEL, -1);
	input_scroll(&scene.input, -15);
	wait_for_event(&scene, "tablet", EV_REL, REL_WHEEL, 1);

	/* A touch, with no screen for it. */
	qemu_drop_lines(&scene.qemu);
	input_touch_down(&scene.input, 1, get_place(200), get_place(300));
	wait_for_place(&scene, "tablet", ABS_X, 200, 300);
	wait_for_event(&scene, "tablet", EV_KEY, BTN_LEFT, 1);
	input_touch_motion(&scene.input, 1, get_place(210), get_place(310));
	wait_for_place(&scene, "tablet", ABS_X, 210, 310);
	input_touch_up(&scene.input, 1);
	wait_for_event(&scene, "tablet", EV_KEY, BTN_LEFT, 0);
	scene_finish(&scene);
}

static void mouse_moves_by_what_the_locked_pointer_would(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-mouse-pci", NULL, "");
	qemu_wait_until(&scene.qemu, takes_distances, &scene);
	point(&scene, 640, 400);
	input_move_by(&scene.input, 7, 7);
	input_click(&scene.input, BTN_LEFT);
	assert_true(is_grabbed(&scene));
	input_move_by(&scene.input, 5, -3);
	wait_for_event(&scene, "mouse", EV_REL, REL_X, 5);
	wait_for_event(&scene, "mouse", EV_REL, REL_Y, -3);
	input_click(&scene.input, BTN_LEFT);
	wait_for_event(&scene, "mouse", EV_KEY, BTN_LEFT, 1);
	wait_for_event(&scene, "mouse", EV_KEY, BTN_LEFT, 0);
	input_scroll(&scene.input, 15);
	wait_for_event(&scene, "mouse", EV_REL, REL_WHEEL, -1);
	press_escape(&scene);
	assert_false(is_grabbed(&scene));
	scene_finish(&scene);
}

/* As it is when a driver comes up, or a reset takes it away: which one QEMU takes then is its own matter. */
static void use_mouse(struct scene *scene, const char *name) {
	struct json_object *mice = qemu_execute(&scene->qemu, "{'execute':'query-mice'}");
	int number = -1;
	for (size_t i = 0; i < json_object_array_length(mice); i++) {
		struct json_object *mouse = json_object_array_get_idx(mice, i);
		if (strstr(json_object_get_string(json_object_object_get(mouse, "name")), name) !=
				NULL) {
			number = json_object_get_int(json_object_object_get(mouse, "index"));
		}
	}
	json_object_put(mice);
	assert_true(number >= 0);
	struct json_object *said = qemu_execute(&scene->qemu,
			"{'execute':'human-monitor-command',"
			"'arguments':{'command-line':'mouse_set %d'}}",
			number);
	assert_string_equal(json_object_get_string(said), "");
	json_object_put(said);
}

static void pointer_that_changes_is_followed(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-mouse-pci", "virtio-tablet-pci", "");
	qemu_wait_until(&scene.qemu, takes_places, &scene);
	use_mouse(&scene, "Mouse");
	qemu_wait_until(&scene.qemu, takes_distances, &scene);
	point(&scene, 640, 400);
	input_click(&scene.input, BTN_LEFT);
	assert_true(is_grabbed(&scene));
	input_move_by(&scene.input, 5, 0);
	wait_for_event(&scene, "mouse", EV_REL, REL_X, 5);
	/* And the pointer goes to where oriel's is. */
	use_mouse(&scene, "Tablet");
	qemu_wait_until(&scene.qemu, takes_places, &scene);
	assert_false(is_grabbed(&scene));
	wait_for_place(&scene, "tablet", ABS_X, 640, 400);
	scene_finish(&scene);
}

/* Touch */

static void touches_arrive_at_a_touch_screen(void **state) {
	struct scene scene;
	scene_init(&scene, "virtio-multitouch-pci", NULL, "\ttouch yes\n");
	input_touch_down(&scene.input, 1, get_place(640), get_place(400));
	input_touch_frame(&scene.input);
	wait_for_place(&scene, "multitouch", ABS_MT_POSITION_X, 640, 400);
	input_touch_down(&scene.input, 2, get_place(128), get_place(80));
	input_touch_frame(&scene.input);
	wait_for_event(&scene, "multitouch", EV_ABS, ABS_MT_SLOT, 1);
	wait_for_place(&scene, "multitouch", ABS_MT_POSITION_X, 128, 80);
	input_touch_motion(&scene.input, 2, get_place(256), get_place(160));
	input_touch_frame(&scene.input);
	wait_for_place(&scene, "multitouch", ABS_MT_POSITION_X, 256, 160);
	input_touch_up(&scene.input, 2);
	input_touch_frame(&scene.input);
	wait_for_event(&scene, "multitouch", EV_ABS, ABS_MT_TRACKING_ID, -1);
	input_touch_up(&scene.input, 1);
	input_touch_frame(&scene.input);
	wait_for_event(&scene, "multitouch", EV_ABS, ABS_MT_SLOT, 0);
	wait_for_event(&scene, "multitouch", EV_ABS, ABS_MT_TRACKING_ID, -1);
	scene_finish(&scene);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_arrives_as_itself),
		cmocka_unit_test(leds_follow_the_guest_while_it_has_the_focus),
		cmocka_unit_test(key_that_is_held_is_released_with_the_focus),
		cmocka_unit_test(key_that_is_released_while_stopped_does_not_stay_down),
		cmocka_unit_test(reset_lets_go_of_what_is_held),
		cmocka_unit_test(tablet_is_where_the_pointer_is),
		cmocka_unit_test(mouse_moves_by_what_the_locked_pointer_would),
		cmocka_unit_test(pointer_that_changes_is_followed),
		cmocka_unit_test(touches_arrive_at_a_touch_screen),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu-input", tests, NULL, NULL);
}
