#ifndef ORIEL_TOOLS_CONTROL_H
#define ORIEL_TOOLS_CONTROL_H

/* A connection to oriel's control socket, by which one guest is handed over. */
struct control;

enum control_kind {
	CONTROL_VFIO_DEVICE,
	CONTROL_QEMU_QMP, /* a connection to QEMU's monitor */
};

/* What oriel is asked to show. */
struct control_request {
	const char *guest_name;
	const char *output_name; /* may be NULL */
	enum control_kind kind;
	int fd; /* the device or connection */
	int monitor_fd; /* with a device: a connection to QEMU's monitor, for its input; -1: none */
	int process_fd; /* pidfd */
};

enum control_state {
	CONTROL_WAITING,
	CONTROL_ACCEPTED,
	CONTROL_REFUSED,
	CONTROL_ENDED, /* there is no connection any more, or never was one */
};

/*
 * Connects to display, a name in XDG_RUNTIME_DIR or a path: whether that worked is seen in the state.
 * Never waits for oriel. NULL if memory ran out.
 */
struct control *control_open(const char *display);

/* Asks for a guest, once. What request has is borrowed until it is answered. */
void control_ask(struct control *control, const struct control_request *request);

/* NULL is fine. The guest stays. */
void control_close(struct control *control);

/* Becomes readable when something has come; -1 without a connection. */
int control_get_fd(const struct control *control);

enum control_state control_get_state(const struct control *control);

/* Takes what has come, without waiting. After an answer, only the end can still come. */
enum control_state control_dispatch(struct control *control);

/* The same, but waits for the answer. */
enum control_state control_wait(struct control *control);

/* Why the guest was refused, or there is no connection: a sentence without a full stop. */
const char *control_get_reason(const struct control *control);

#endif
