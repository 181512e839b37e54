/*
 * The control socket, as programs find it: who may connect, what is there, what is refused and how.
 * That a device is taken is for the VM (vm_qemu).
 */
#include "control/control.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-client.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "fixture.h"
#include "oriel-guest-v1-client-protocol.h"
#include "server.h"

#define MARGIN 4

static const char config_text[] = "output OUTPUT-1 {\n\tmode 64x48\n}\n"
				  "guest other {\n\tsource synthetic 64x48\n}\n";

struct peer {
	struct fixture *fixture;
	struct wl_display *display;
	struct wl_registry *registry;
	struct oriel_guest_manager_v1 *manager;
	int global_count;
};

struct answer {
	struct oriel_guest_v1 *guest;
	unsigned int accepted, refused;
	char reason[256];
};

static void start(struct fixture *fixture) {
	fixture_init(fixture, config_text);
	assert_non_null(oriel_server_listen(fixture->server));
	assert_non_null(getenv("ORIEL_DISPLAY"));
	fixture_step_refreshes(fixture, 2);
}

static void get_socket_path(char path[sizeof(((struct sockaddr_un *)0)->sun_path)]) {
	snprintf(path, sizeof(((struct sockaddr_un *)0)->sun_path), "%s/%s",
			getenv("XDG_RUNTIME_DIR"), getenv("ORIEL_DISPLAY"));
}

static int connect_socket(void) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	get_socket_path(address.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void peer_connect(struct peer *peer, struct fixture *fixture) {
	*peer = (struct peer){ .fixture = fixture };
	peer->display = wl_display_connect_to_fd(connect_socket());
	assert_non_null(peer->display);
}

static void peer_step(struct peer *peer) {
	fixture_dispatch_client(peer->display);
	fixture_step(peer->fixture, 1);
	fixture_dispatch_client(peer->display);
}

static void callback_handle_done(void *data, struct wl_callback *callback, uint32_t serial) {
	bool *is_done = data;
	*is_done = true;
}

static const struct wl_callback_listener callback_listener = { .done = callback_handle_done };

/* Until all is answered that was sent, or the connection is broken. */
static void peer_roundtrip(struct peer *peer) {
	bool is_done = false;
	struct wl_callback *callback = wl_display_sync(peer->display);
	wl_callback_add_listener(callback, &callback_listener, &is_done);
	while (!is_done && wl_display_get_error(peer->display) == 0) {
		peer_step(peer);
	}
	wl_callback_destroy(callback);
}

static void registry_handle_global(void *data, struct wl_registry *registry, uint32_t name,
		const char *interface, uint32_t version) {
	struct peer *peer = data;
	peer->global_count++;
	if (strcmp(interface, oriel_guest_manager_v1_interface.name) == 0) {
		assert_int_equal(version, 2);
		peer->manager = wl_registry_bind(
				registry, name, &oriel_guest_manager_v1_interface, 2);
	}
}

static void registry_handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {}

static const struct wl_registry_listener registry_listener = {
	.global = registry_handle_global,
	.global_remove = registry_handle_global_remove,
};

static void peer_bind(struct peer *peer) {
	peer->registry = wl_display_get_registry(peer->display);
	wl_registry_add_listener(peer->registry, &registry_listener, peer);
	peer_roundtrip(peer);
	assert_non_null(peer->manager);
}

static void peer_disconnect(struct peer *peer) {
	if (peer->manager != NULL) {
		oriel_guest_manager_v1_destroy(peer->manager);
	}
	if (peer->registry != NULL) {
		wl_registry_destroy(peer->registry);
	}
	wl_display_disconnect(peer->display);
	/* oriel has heard of it. */
	for (int i = 0; i < MARGIN; i++) {
		fixture_step(peer->fixture, 1);
	}
}

static void guest_handle_accepted(void *data, struct oriel_guest_v1 *guest) {
	struct answer *answer = data;
	answer->accepted++;
}

static void guest_handle_refused(void *data, struct oriel_guest_v1 *guest, const char *reason) {
	struct answer *answer = data;
	answer->refused++;
	snprintf(answer->reason, sizeof(answer->reason), "%s", reason);
}

static const struct oriel_guest_v1_listener guest_listener = {
	.accepted = guest_handle_accepted,
	.refused = guest_handle_refused,
};

/* Asks for a guest with files that are closed here; NULL for output_name is fine. */
static void peer_add(struct peer *peer, struct answer *answer, const char *name,
		const char *output_name, int take_device_fd, int take_process_fd) {
	*answer = (struct answer){ 0 };
	answer->guest = oriel_guest_manager_v1_add_vfio_guest(
			peer->manager, name, output_name, take_device_fd, take_process_fd);
	oriel_guest_v1_add_listener(answer->guest, &guest_listener, answer);
	close(take_device_fd);
	close(take_process_fd);
}

static void peer_add_qemu(struct peer *peer, struct answer *answer, const char *name,
		const char *output_name, uint32_t channel, int take_connection_fd,
		int take_process_fd) {
	*answer = (struct answer){ 0 };
	answer->guest = oriel_guest_manager_v1_add_qemu_guest(peer->manager, name, output_name,
			channel, take_connection_fd, take_process_fd);
	oriel_guest_v1_add_listener(answer->guest, &guest_listener, answer);
	close(take_connection_fd);
	close(take_process_fd);
}

static void peer_wait_for_refusal(struct peer *peer, struct answer *answer, const char *reason) {
	peer_roundtrip(peer);
	assert_int_equal(answer->accepted, 0);
	assert_int_equal(answer->refused, 1);
	if (strstr(answer->reason, reason) == NULL) {
		fail_msg("expected '%s', got '%s'", reason, answer->reason);
	}
	oriel_guest_v1_destroy(answer->guest);
	assert_int_equal(wl_list_length(&peer->fixture->server->layout.views), 1);
}

static void peer_expect_refusal(struct peer *peer, const char *reason, const char *name,
		const char *output_name, int take_device_fd, int take_process_fd) {
	struct answer answer;
	peer_add(peer, &answer, name, output_name, take_device_fd, take_process_fd);
	peer_wait_for_refusal(peer, &answer, reason);
}

static int get_some_file(void) {
	int fd = eventfd(0, EFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int get_this_process(void) {
	int fd = pidfd_open(getpid(), 0);
	assert_true(fd >= 0);
	return fd;
}

static void peer_expect_error(struct peer *peer, const char *interface, uint32_t code) {
	assert_int_equal(wl_display_get_error(peer->display), EPROTO);
	const struct wl_interface *its_interface;
	uint32_t id;
	assert_int_equal(wl_display_get_protocol_error(peer->display, &its_interface, &id), code);
	assert_non_null(its_interface);
	assert_string_equal(its_interface->name, interface);
}

/* --- the socket ------------------------------------------------------------------------------- */

static void socket_is_the_users_alone_and_goes_with_oriel(void **state) {
	struct fixture fixture;
	start(&fixture);
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	get_socket_path(path);
	struct stat stat_;
	assert_int_equal(stat(path, &stat_), 0);
	assert_true(S_ISSOCK(stat_.st_mode));
	assert_int_equal(stat_.st_mode & (S_IRWXG | S_IRWXO), 0);
	fixture_finish(&fixture);
	assert_int_equal(stat(path, &stat_), -1);
	assert_int_equal(errno, ENOENT);
}

static void second_oriel_has_another_socket(void **state) {
	struct fixture first, second;
	start(&first);
	char name[32];
	snprintf(name, sizeof(name), "%s", getenv("ORIEL_DISPLAY"));
	start(&second);
	assert_string_not_equal(getenv("ORIEL_DISPLAY"), name);
	fixture_finish(&second);
	fixture_finish(&first);
}

static void globals_of_the_two_sockets_are_apart(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	assert_int_equal(peer.global_count, 1);
	peer_disconnect(&peer);

	struct peer client = { .fixture = &fixture, .display = fixture_connect(&fixture) };
	client.registry = wl_display_get_registry(client.display);
	wl_registry_add_listener(client.registry, &registry_listener, &client);
	fixture_roundtrip(&fixture, client.display);
	assert_true(client.global_count > 1);
	assert_null(client.manager);
	wl_registry_destroy(client.registry);
	fixture_disconnect(&fixture, client.display);
	fixture_finish(&fixture);
}

static void connections_beyond_the_bound_are_told_and_closed(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peers[ORIEL_CONTROL_CLIENTS_MAX], one_more;
	for (int i = 0; i < ORIEL_CONTROL_CLIENTS_MAX; i++) {
		peer_connect(&peers[i], &fixture);
		peer_roundtrip(&peers[i]);
		assert_int_equal(wl_display_get_error(peers[i].display), 0);
	}
	peer_connect(&one_more, &fixture);
	peer_roundtrip(&one_more);
	peer_expect_error(&one_more, wl_display_interface.name, WL_DISPLAY_ERROR_IMPLEMENTATION);
	peer_disconnect(&one_more);

	peer_disconnect(&peers[0]);
	peer_connect(&peers[0], &fixture);
	peer_bind(&peers[0]);

	/* Those who say nothing are not told anything, but they are not any number either. */
	int fds[ORIEL_CONTROL_CLIENTS_MAX + 1];
	for (int i = 0; i <= ORIEL_CONTROL_CLIENTS_MAX; i++) {
		fds[i] = connect_socket();
	}
	char byte;
	ssize_t count;
	do {
		peer_step(&peers[0]);
		count = recv(fds[ORIEL_CONTROL_CLIENTS_MAX], &byte, 1, MSG_DONTWAIT);
	} while (count < 0 && errno == EAGAIN);
	assert_int_equal(count, 0);
	for (int i = 0; i < ORIEL_CONTROL_CLIENTS_MAX; i++) {
		assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), 1);
	}
	for (int i = 0; i <= ORIEL_CONTROL_CLIENTS_MAX; i++) {
		close(fds[i]);
	}
	for (int i = 0; i < ORIEL_CONTROL_CLIENTS_MAX; i++) {
		peer_disconnect(&peers[i]);
	}
	fixture_finish(&fixture);
}

/* --- requests --------------------------------------------------------------------------------- */

static void guests_that_cannot_be_are_refused_with_the_reason(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	peer_expect_refusal(&peer, "guest other is running", "other", NULL, get_some_file(),
			get_this_process());
	peer_expect_refusal(&peer, "the name of a guest", "", NULL, get_some_file(),
			get_this_process());
	peer_expect_refusal(&peer, "the name of an output", "a", "b c", get_some_file(),
			get_this_process());
	peer_expect_refusal(&peer, "no pidfd", "a", NULL, get_some_file(), get_some_file());
	/* Whatever this build makes of it: there is no such device. */
	peer_expect_refusal(&peer, "the log of oriel says why", "a", "DP-1", get_some_file(),
			get_this_process());
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

/* And all of its files are closed. */
static void vfio_guest_with_input_that_cannot_be_is_refused_with_the_reason(void **state) {
	static const struct {
		const char *name, *reason;
	} cases[] = {
		{ "other", "guest other is running" },
		{ "", "the name of a guest" },
		{ "a", "the log of oriel says why" },
	};
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		int device_fd = get_some_file(), process_fd = get_this_process();
		struct answer answer = { 0 };
		answer.guest = oriel_guest_manager_v1_add_vfio_guest_with_input(
				peer.manager, cases[i].name, NULL, device_fd, pair[0], process_fd);
		oriel_guest_v1_add_listener(answer.guest, &guest_listener, &answer);
		close(device_fd);
		close(process_fd);
		close(pair[0]);
		peer_wait_for_refusal(&peer, &answer, cases[i].reason);
		char byte;
		assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0);
		close(pair[1]);
	}
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

static void qemu_guests_that_cannot_be_are_refused_with_the_reason(void **state) {
	static const uint32_t channels[] = { ORIEL_GUEST_MANAGER_V1_CHANNEL_DBUS,
		ORIEL_GUEST_MANAGER_V1_CHANNEL_QMP };
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		struct answer answer;
		peer_add_qemu(&peer, &answer, "other", NULL, channels[i], get_some_file(),
				get_this_process());
		peer_wait_for_refusal(&peer, &answer, "guest other is running");
		peer_add_qemu(&peer, &answer, "", NULL, channels[i], get_some_file(),
				get_this_process());
		peer_wait_for_refusal(&peer, &answer, "the name of a guest");
		peer_add_qemu(&peer, &answer, "a", NULL, channels[i], get_some_file(),
				get_some_file());
		peer_wait_for_refusal(&peer, &answer, "no pidfd");
		/* Whatever this build makes of it: it is no socket. */
		peer_add_qemu(&peer, &answer, "a", "DP-1", channels[i], get_some_file(),
				get_this_process());
		peer_wait_for_refusal(&peer, &answer, "the log of oriel says why");
	}
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

static void channel_that_is_none_is_an_error(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	struct answer answer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	peer_add_qemu(&peer, &answer, "a", NULL, ORIEL_GUEST_MANAGER_V1_CHANNEL_QMP + 1,
			get_some_file(), get_this_process());
	peer_roundtrip(&peer);
	peer_expect_error(&peer, oriel_guest_manager_v1_interface.name,
			ORIEL_GUEST_MANAGER_V1_ERROR_INVALID_CHANNEL);
	oriel_guest_v1_destroy(answer.guest);
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

static void objects_beyond_the_bound_are_an_error(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	struct answer answers[ORIEL_CONTROL_OBJECTS_MAX + 1];
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	for (int i = 0; i < ORIEL_CONTROL_OBJECTS_MAX; i++) {
		peer_add(&peer, &answers[i], "other", NULL, get_some_file(), get_this_process());
	}
	peer_roundtrip(&peer);
	/* One that is destroyed makes room. */
	oriel_guest_v1_destroy(answers[0].guest);
	peer_add(&peer, &answers[0], "other", NULL, get_some_file(), get_this_process());
	peer_roundtrip(&peer);
	assert_int_equal(wl_display_get_error(peer.display), 0);
	for (int i = 0; i < ORIEL_CONTROL_OBJECTS_MAX; i++) {
		assert_int_equal(answers[i].refused, 1);
	}
	peer_add(&peer, &answers[ORIEL_CONTROL_OBJECTS_MAX], "other", NULL, get_some_file(),
			get_this_process());
	peer_roundtrip(&peer);
	peer_expect_error(&peer, oriel_guest_manager_v1_interface.name,
			ORIEL_GUEST_MANAGER_V1_ERROR_TOO_MANY_GUESTS);
	for (int i = 0; i <= ORIEL_CONTROL_OBJECTS_MAX; i++) {
		oriel_guest_v1_destroy(answers[i].guest);
	}
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

static void manager_may_go_before_its_guests(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	struct answer answer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	peer_add(&peer, &answer, "other", NULL, get_some_file(), get_this_process());
	oriel_guest_manager_v1_destroy(peer.manager);
	peer.manager = NULL;
	peer_roundtrip(&peer);
	assert_int_equal(answer.refused, 1);
	oriel_guest_v1_destroy(answer.guest);
	peer_roundtrip(&peer);
	assert_int_equal(wl_display_get_error(peer.display), 0);
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

/* --- connections that break ------------------------------------------------------------------- */

static void connection_that_ends_before_the_answer_leaves_nothing(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	struct answer answer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	peer_add(&peer, &answer, "a", NULL, get_some_file(), get_this_process());
	assert_true(wl_display_flush(peer.display) > 0);
	oriel_guest_v1_destroy(answer.guest);
	peer_disconnect(&peer);
	assert_int_equal(wl_list_length(&fixture.server->layout.views), 1);
	fixture_finish(&fixture);
}

/* Sends those bytes with two files, by hand. */
static void send_with_files(int socket_fd, const void *bytes, size_t size) {
	int fds[2] = { get_some_file(), get_this_process() };
	union {
		char buffer[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	assert_int_equal(sendmsg(socket_fd, &message, MSG_NOSIGNAL), (ssize_t)size);
	close(fds[0]);
	close(fds[1]);
}

static void files_of_broken_messages_are_closed(void **state) {
	static const struct {
		uint32_t words[3];
		size_t size;
	} messages[] = {
		{ { 1, 12u << 16 | 1, 2 }, 6 }, /* half a header */
		{ { 1, 12u << 16 | 1, 2 }, 8 }, /* half of wl_display.get_registry */
		{ { 1, 12u << 16 | 9, 2 }, 12 }, /* no such request */
		{ { 77, 8u << 16, 0 }, 8 }, /* no such object */
		{ { 1, 4u << 16 | 1, 0 }, 8 }, /* shorter than its header */
		{ { 1, 0xffffu << 16 | 1, 2 }, 12 }, /* longer than any message */
	};
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		int fd = connect_socket();
		send_with_files(fd, messages[i].words, messages[i].size);
		peer_roundtrip(&peer);
		close(fd);
		peer_roundtrip(&peer);
		assert_int_equal(wl_display_get_error(peer.display), 0);
	}
	peer_disconnect(&peer);
	fixture_finish(&fixture);
}

static void oriel_may_end_before_its_connections(void **state) {
	struct fixture fixture;
	start(&fixture);
	struct peer peer;
	peer_connect(&peer, &fixture);
	peer_bind(&peer);
	oriel_guest_manager_v1_destroy(peer.manager);
	wl_registry_destroy(peer.registry);
	fixture_stop(&fixture);
	wl_display_disconnect(peer.display);
	fixture_finish(&fixture);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socket_is_the_users_alone_and_goes_with_oriel),
		cmocka_unit_test(second_oriel_has_another_socket),
		cmocka_unit_test(globals_of_the_two_sockets_are_apart),
		cmocka_unit_test(connections_beyond_the_bound_are_told_and_closed),
		cmocka_unit_test(guests_that_cannot_be_are_refused_with_the_reason),
		cmocka_unit_test(vfio_guest_with_input_that_cannot_be_is_refused_with_the_reason),
		cmocka_unit_test(qemu_guests_that_cannot_be_are_refused_with_the_reason),
		cmocka_unit_test(channel_that_is_none_is_an_error),
		cmocka_unit_test(objects_beyond_the_bound_are_an_error),
		cmocka_unit_test(manager_may_go_before_its_guests),
		cmocka_unit_test(connection_that_ends_before_the_answer_leaves_nothing),
		cmocka_unit_test(files_of_broken_messages_are_closed),
		cmocka_unit_test(oriel_may_end_before_its_connections),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
