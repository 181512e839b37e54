#include "qemu_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"
#include "held_timers.h"
#include "log_lines.h"

/* One more event. */
static void rig_count(struct qemu_rig *rig, unsigned *count) {
	(*count)++;
	if (rig->lets_go_after > 0 && --rig->lets_go_after == 0) {
		qemu_rig_let_go(rig);
	}
}

static void rig_handle_there(struct wl_listener *listener, void *data) {
	struct qemu_rig *rig = wl_container_of(listener, rig, on_there);
	rig->was_there = oriel_qemu_machine_is_there(rig->machine);
	rig->consoles_were_there = rig->consoles[0]->is_there;
	rig_count(rig, &rig->there);
}

static void rig_handle_reset(struct wl_listener *listener, void *data) {
	struct qemu_rig *rig = wl_container_of(listener, rig, on_reset);
	rig_count(rig, &rig->reset);
}

static void rig_handle_run(struct wl_listener *listener, void *data) {
	struct qemu_rig *rig = wl_container_of(listener, rig, on_run);
	rig_count(rig, &rig->run);
}

static void rig_handle_change0(struct wl_listener *listener, void *data) {
	struct qemu_rig *rig = wl_container_of(listener, rig, on_change[0].listener);
	rig_count(rig, &rig->changes[0]);
}

static void rig_handle_change1(struct wl_listener *listener, void *data) {
	struct qemu_rig *rig = wl_container_of(listener, rig, on_change[1].listener);
	rig_count(rig, &rig->changes[1]);
}

void qemu_rig_start(struct qemu_rig *rig, const char *where) {
	static const wl_notify_func_t handlers[] = { rig_handle_change0, rig_handle_change1 };
	rig->machine = oriel_qemu_machine_ref(rig->loop, "vm", where);
	assert_non_null(rig->machine);
	wl_signal_add(&rig->machine->events.there, &rig->on_there);
	wl_signal_add(&rig->machine->events.reset, &rig->on_reset);
	wl_signal_add(&rig->machine->events.run, &rig->on_run);
	for (unsigned i = 0; i < QEMU_RIG_CONSOLES; i++) {
		rig->consoles[i] = oriel_qemu_machine_get_console(rig->machine, i);
		assert_non_null(rig->consoles[i]);
		rig->on_change[i].listener.notify = handlers[i];
		wl_signal_add(&rig->consoles[i]->events.change, &rig->on_change[i].listener);
	}
	qemu_rig_settle(rig);
}

void qemu_rig_let_go(struct qemu_rig *rig) {
	if (rig->machine == NULL) {
		return;
	}
	wl_list_remove(&rig->on_there.link);
	wl_list_remove(&rig->on_reset.link);
	wl_list_remove(&rig->on_run.link);
	for (unsigned i = 0; i < QEMU_RIG_CONSOLES; i++) {
		wl_list_remove(&rig->on_change[i].listener.link);
		rig->consoles[i] = NULL;
	}
	struct oriel_qemu_machine *machine = rig->machine;
	rig->machine = NULL;
	oriel_qemu_machine_unref(machine);
}

void qemu_rig_settle(struct qemu_rig *rig) {
	held_timers_settle(rig->loop);
}

int qemu_rig_setup(void **state) {
	struct qemu_rig *rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	log_lines_init();
	held_timers_init();
	rig->fds_before = fds_count_open();
	rig->on_there.notify = rig_handle_there;
	rig->on_reset.notify = rig_handle_reset;
	rig->on_run.notify = rig_handle_run;
	snprintf(rig->directory, sizeof(rig->directory), "/tmp/oriel-qemu-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	snprintf(rig->path, sizeof(rig->path), "%s/qmp", rig->directory);
	rig->loop = wl_event_loop_create();
	assert_non_null(rig->loop);
	rig->qemu = fake_qemu_create(rig->loop, rig->path);
	*state = rig;
	return 0;
}

int qemu_rig_teardown(void **state) {
	struct qemu_rig *rig = *state;
	qemu_rig_let_go(rig);
	fake_qemu_destroy(rig->qemu);
	wl_event_loop_destroy(rig->loop);
	rmdir(rig->directory);
	int fds_after = fds_count_open();
	int fds_before = rig->fds_before;
	free(rig);
	assert_int_equal(fds_after, fds_before);
	return 0;
}
